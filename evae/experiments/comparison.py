"""Two models on several data sets with several latent dimensions and seeds, as in Tables 1 and 2.

The paper has one run a cell, counts wins and tests their number one-sidedly. Here stand its count and its test, and a
verdict on each cell: a paired t-test over the seeds, corrected by Holm for the cells of a metric. Both rest on one
estimate a cell, the mean difference over the seeds that both models have. The JSON document has the sign test without
the paper's liberties, too: two-sided, corrected for the number of metrics, and with the data sets as the units.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean, stdev
from typing import Any, NamedTuple

from evae.experiments.estimates import SIGNIFICANCE, Estimate, estimate, require_finite
from evae.experiments.wording import counted, label, shown_p, too_few
from foundation.errors import InputError
from theory.paper.significance import holm, sign_test


class Cell(NamedTuple):
    """A data set with a dimension of the latent space."""

    dataset: str
    latent_dim: int


class Group(NamedTuple):
    """What is summarised over seeds: a metric of a model in a cell."""

    dataset: str
    latent_dim: int
    model: str
    metric: str


@dataclass(frozen=True)
class Measurement:
    """What was measured on one trained model.

    Attributes
    ----------
    dataset : str
    latent_dim : int
    model : str
    seed : int
        Models of one cell with the same seed are compared as a pair.
    values : mapping of str to float or None
        By the name of the metric; None, or no entry, where it was not measured.

    Raises
    ------
    InputError
        If a value is infinite or not a number.
    """

    dataset: str
    latent_dim: int
    model: str
    seed: int
    values: Mapping[str, float | None]

    def __post_init__(self) -> None:
        for metric, value in self.values.items():
            if value is not None:
                require_finite(value, f"{metric} of {self}")

    def __str__(self) -> str:
        return f"{self.model} on {self.dataset} with {self.latent_dim} dimensions, seed {self.seed},"

    @property
    def cell(self) -> Cell:
        """Where it was measured."""
        return Cell(self.dataset, self.latent_dim)


@dataclass(frozen=True)
class Criterion:
    """A metric by which two models are compared.

    Attributes
    ----------
    metric : str
        Its name in `Measurement.values`.
    lower_is_better : bool
    title : str
        Its name in a sentence; the metric's own where this is empty.
    """

    metric: str
    lower_is_better: bool
    title: str = ""

    def advantage(self, candidate: float, baseline: float) -> float:
        """Return the difference with the sign that is positive where the candidate is the better one."""
        return baseline - candidate if self.lower_is_better else candidate - baseline

    def __str__(self) -> str:
        return self.title or self.metric


@dataclass(frozen=True)
class Summary:
    """One metric of one model in one cell, over seeds.

    Attributes
    ----------
    mean : float
    standard_deviation : float or None
        With divisor n - 1; None for one seed.
    n : int
        How many seeds there are.
    values : tuple of float
        In the order of the seeds.
    """

    mean: float
    standard_deviation: float | None
    n: int
    values: tuple[float, ...]

    def document(self) -> dict[str, Any]:
        """Return the summary as strict JSON has it."""
        return {
            "mean": self.mean,
            "standard_deviation": self.standard_deviation,
            "n": self.n,
            "values": list(self.values),
        }


@dataclass(frozen=True)
class PairedDifference:
    """The candidate against the baseline with the same seeds in one cell.

    Attributes
    ----------
    cell : Cell
    metric : str
    estimate : Estimate
        Of the difference; positive where the candidate is the better one.
    holm_p_value : float or None
        The p-value of the paired t-test, adjusted for all cells in which this metric could be tested.
    unpaired : tuple of int
        Seeds that only one of the two models has.
    """

    cell: Cell
    metric: str
    estimate: Estimate
    holm_p_value: float | None
    unpaired: tuple[int, ...] = ()

    @property
    def sign(self) -> int:
        """1 or -1 where Holm's correction leaves the candidate or the baseline ahead, otherwise 0."""
        if self.holm_p_value is None or self.holm_p_value >= SIGNIFICANCE:
            return 0
        return 1 if self.estimate.mean > 0 else -1

    def document(self) -> dict[str, Any]:
        """Return the difference as strict JSON has it."""
        own = {"holm_p_value": self.holm_p_value, "unpaired": list(self.unpaired)}
        return {**self.cell._asdict(), **self.estimate.document(), **own}


@dataclass(frozen=True)
class Wins:
    """The number of cells in which the candidate is the better one by the mean over seeds, and what follows from it.

    Attributes
    ----------
    criterion : Criterion
    advantages : mapping of Cell to float
        The mean difference over the seeds that both models have; positive where the candidate is the better one.
    two_sided_holm : Fraction
        `two_sided`, adjusted for the number of metrics that were compared.
    metrics : int
        That number.
    """

    criterion: Criterion
    advantages: Mapping[Cell, float]
    two_sided_holm: Fraction
    metrics: int

    @property
    def cells(self) -> int:
        """The number of cells that have both models on a common seed."""
        return len(self.advantages)

    @property
    def wins(self) -> int:
        """In how many cells the candidate is strictly the better one."""
        return sum(advantage > 0 for advantage in self.advantages.values())

    @property
    def losses(self) -> int:
        """In how many cells the baseline is strictly the better one."""
        return sum(advantage < 0 for advantage in self.advantages.values())

    @property
    def ties(self) -> int:
        """In how many cells the means are equal."""
        return self.cells - self.wins - self.losses

    @property
    def one_sided(self) -> Fraction:
        """P(X >= wins), X binomial with all cells as trials: the paper's test, to which a tie is no win."""
        return sign_test(self.wins, self.cells)

    @property
    def two_sided(self) -> Fraction:
        """The two-sided sign test, which leaves ties out."""
        return _two_sided(self.advantages.values())

    @property
    def by_dataset(self) -> dict[str, float]:
        """The mean of `advantages` over the latent dimensions of each data set."""
        grouped = defaultdict(list)
        for cell, advantage in self.advantages.items():
            grouped[cell.dataset].append(advantage)
        return {dataset: fmean(values) for dataset, values in grouped.items()}

    @property
    def dataset_wins(self) -> int:
        """On how many data sets the candidate is strictly the better one, by `by_dataset`."""
        return sum(advantage > 0 for advantage in self.by_dataset.values())

    @property
    def dataset_two_sided(self) -> Fraction:
        """The two-sided sign test with the data sets as trials, which leaves ties out."""
        return _two_sided(self.by_dataset.values())

    @property
    def smallest_one_sided(self) -> Fraction:
        """The smallest p-value that a one-sided sign test with the data sets as trials can have."""
        return Fraction(1, 2) ** len(self.by_dataset)

    @property
    def smallest_two_sided(self) -> Fraction:
        """The same, two-sided."""
        return 2 * self.smallest_one_sided

    def document(self) -> dict[str, Any]:
        """Return the count and the tests as strict JSON has them."""
        return {
            "wins": self.wins,
            "ties": self.ties,
            "losses": self.losses,
            "one_sided": float(self.one_sided),
            "two_sided": float(self.two_sided),
            "two_sided_holm": float(self.two_sided_holm),
            "metrics": self.metrics,
            "datasets": self.by_dataset,
            "dataset_wins": self.dataset_wins,
            "dataset_one_sided": float(sign_test(self.dataset_wins, len(self.by_dataset))),
            "dataset_two_sided": float(self.dataset_two_sided),
            "smallest_one_sided": float(self.smallest_one_sided),
            "smallest_two_sided": float(self.smallest_two_sided),
        }


def _two_sided(advantages: Iterable[float]) -> Fraction:
    decided = [advantage > 0 for advantage in advantages if advantage != 0]
    return sign_test(sum(decided), len(decided), "two-sided")


# --- Computation -----------------------------------------------------------------------------------------------------


def summarise(measurements: Iterable[Measurement]) -> dict[Group, Summary]:
    """Summarise every metric of every model in every cell over seeds, in sorted order.

    Raises
    ------
    InputError
        If a model was measured twice in one cell with one seed.
    """
    return {group: _summary(list(values.values())) for group, values in _grouped(measurements).items()}


def _summary(values: Sequence[float]) -> Summary:
    return Summary(fmean(values), stdev(values) if len(values) > 1 else None, len(values), tuple(values))


def _grouped(measurements: Iterable[Measurement]) -> dict[Group, dict[int, float]]:
    """Return the values of each group by seed, both in sorted order."""
    ordered = sorted(measurements, key=lambda m: (m.cell, m.model, m.seed))
    repeated = [m for m, n in Counter((m.cell, m.model, m.seed) for m in ordered).items() if n > 1]
    if repeated:
        (dataset, latent_dim), model, seed = repeated[0]
        raise InputError(
            f"there are two measurements of {model} on {dataset} with {latent_dim} dimensions and seed {seed}; "
            "keep one of them."
        )
    grouped: defaultdict[Group, dict[int, float]] = defaultdict(dict)
    for m in ordered:
        for metric, value in m.values.items():
            if value is not None:
                grouped[Group(*m.cell, m.model, metric)][m.seed] = float(value)
    return {group: grouped[group] for group in sorted(grouped)}


def paired_differences(
    measurements: Iterable[Measurement], criterion: Criterion, candidate: str = "evae", baseline: str = "vae"
) -> tuple[PairedDifference, ...]:
    """Compare two models seed by seed in every cell in which they share one.

    Raises
    ------
    InputError
        If a model was measured twice in one cell with one seed.
    """
    found = {}
    for cell, better, other in _both(_grouped(measurements), criterion.metric, candidate, baseline):
        seeds = sorted(set(better) & set(other))
        if seeds:
            magnitude = max(abs(values[seed]) for values in (better, other) for seed in seeds)
            difference = estimate([criterion.advantage(better[s], other[s]) for s in seeds], magnitude)
            found[cell] = difference, tuple(sorted(set(better) ^ set(other)))
    tested = {cell: p for cell, (difference, _) in found.items() if (p := difference.p_value) is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return tuple(
        PairedDifference(cell, criterion.metric, difference, adjusted.get(cell), unpaired)
        for cell, (difference, unpaired) in found.items()
    )


def _both(
    grouped: Mapping[Group, dict[int, float]], metric: str, candidate: str, baseline: str
) -> list[tuple[Cell, dict[int, float], dict[int, float]]]:
    """Return the cells in which both models have the metric, with their values by seed."""
    cells = []
    for group, values in grouped.items():
        other = grouped.get(group._replace(model=baseline))
        if (group.model, group.metric) == (candidate, metric) and other is not None:
            cells.append((Cell(group.dataset, group.latent_dim), values, other))
    return cells


def count_wins(differences: Mapping[Criterion, Sequence[PairedDifference]]) -> tuple[Wins, ...]:
    """Count wins for each criterion that has a cell; Holm's correction is over these."""
    advantages = {c: {d.cell: d.estimate.mean for d in found} for c, found in differences.items() if found}
    adjusted = holm([_two_sided(cells.values()) for cells in advantages.values()])
    return tuple(
        Wins(criterion, cells, p_value, len(advantages))
        for (criterion, cells), p_value in zip(advantages.items(), adjusted, strict=True)
    )


@dataclass(frozen=True)
class Comparison:
    """All that is said of a candidate against a baseline.

    Attributes
    ----------
    candidate, baseline : str
    summaries : mapping of Group to Summary
        Of all models.
    differences : mapping of str to tuple of PairedDifference
        By the name of the metric.
    wins : tuple of Wins
        One for each criterion that both models have in some cell on a common seed.
    unmeasured : tuple of Criterion
        The others.
    grid : tuple of Cell
        All cells in which anything was measured.
    """

    candidate: str
    baseline: str
    summaries: Mapping[Group, Summary]
    differences: Mapping[str, tuple[PairedDifference, ...]]
    wins: tuple[Wins, ...]
    unmeasured: tuple[Criterion, ...]
    grid: tuple[Cell, ...]

    @property
    def verdict(self) -> str:
        """What the numbers say, in plain words."""
        return " ".join(self.paragraphs)

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The verdict by criterion, and what must be known of all."""
        paragraphs = [" ".join(self._on(count)) for count in self.wins]
        paragraphs += [
            f"No cell has the {criterion} of both {label(self.candidate)} and {label(self.baseline)} on a common seed."
            for criterion in self.unmeasured
        ]
        if self.wins:
            paragraphs.append(_on_datasets(max(len(count.by_dataset) for count in self.wins)))
        return tuple(paragraphs)

    def _on(self, count: Wins) -> list[str]:
        differences = self.differences[count.criterion.metric]
        sentences = [
            self._on_wins(count),
            self._on_absent_cells(count),
            _on_unpaired_seeds(differences),
            _on_seeds(differences, label(self.candidate), label(self.baseline)),
        ]
        return [sentence for sentence in sentences if sentence]

    def _on_wins(self, count: Wins) -> str:
        better = "lower" if count.criterion.lower_is_better else "higher"
        ties = f", with {counted(count.ties, 'tie')}" if count.ties else ""
        return (
            f"{label(self.candidate)} has the {better} {count.criterion} in {count.wins} of "
            f"{counted(count.cells, 'cell')}{ties} (the paper's sign test over cells: "
            f"{shown_p(float(count.one_sided))}) and, on average over latent dimensions, on {count.dataset_wins} of "
            f"{counted(len(count.by_dataset), 'data set')}."
        )

    def _on_absent_cells(self, count: Wins) -> str:
        absent = len(self.grid) - count.cells
        if not absent:
            return ""
        have = "has no seed with both models, and is" if absent == 1 else "have no seed with both models, and are"
        return f"Of {counted(len(self.grid), 'cell')}, {absent} {have} left out."

    def document(self) -> dict[str, Any]:
        """Return everything, the words included, as strict JSON has it."""
        return {
            "candidate": self.candidate,
            "baseline": self.baseline,
            "summaries": [{**group._asdict(), **summary.document()} for group, summary in self.summaries.items()],
            "metrics": {count.criterion.metric: self._metric(count) for count in self.wins},
            "unmeasured": [criterion.metric for criterion in self.unmeasured],
            "verdict": self.verdict,
        }

    def _metric(self, count: Wins) -> dict[str, Any]:
        return {
            "title": str(count.criterion),
            "lower_is_better": count.criterion.lower_is_better,
            "differences": [difference.document() for difference in self.differences[count.criterion.metric]],
            "wins": count.document(),
        }


def compare(
    measurements: Iterable[Measurement],
    criteria: Sequence[Criterion],
    candidate: str = "evae",
    baseline: str = "vae",
) -> Comparison:
    """Compare two models by every criterion.

    Parameters
    ----------
    measurements : iterable of Measurement
        At least one; those of other models are summarised only.
    criteria : sequence of Criterion
        At least one. They are the family of Holm's correction of the sign tests.
    candidate, baseline : str

    Raises
    ------
    InputError
        If there is nothing to compare, or a model was measured twice in one cell with one seed.
    """
    measured = list(measurements)
    if not measured or not criteria:
        raise InputError(
            f"a comparison needs measurements and criteria, got {len(measured)} and {len(criteria)}; give one of each."
        )
    differences = {c: paired_differences(measured, c, candidate, baseline) for c in criteria}
    return Comparison(
        candidate,
        baseline,
        summarise(measured),
        {criterion.metric: found for criterion, found in differences.items() if found},
        count_wins(differences),
        tuple(criterion for criterion, found in differences.items() if not found),
        tuple(sorted({m.cell for m in measured})),
    )


# --- Words -----------------------------------------------------------------------------------------------------------


def _on_unpaired_seeds(differences: Sequence[PairedDifference]) -> str:
    cells = sum(bool(difference.unpaired) for difference in differences)
    if not cells:
        return ""
    return f"In {counted(cells, 'cell')}, seeds that only one of the two models has are not compared."


def _on_seeds(differences: Sequence[PairedDifference], candidate: str, baseline: str) -> str:
    """Give the verdicts on single cells, or say why there are none."""
    tested = [difference for difference in differences if difference.holm_p_value is not None]
    if not tested:
        return _on_lack_of_tests(max(difference.estimate.n for difference in differences))
    signs = Counter(difference.sign for difference in tested)
    without = len(differences) - len(tested)
    untested = f" ({counted(without, 'cell')} could not be tested)" if without else ""
    return (
        f"Cell by cell, paired t-tests over {_span([d.estimate.n for d in tested])} with Holm's correction for "
        f"{counted(len(tested), 'cell')} find {candidate} ahead in {signs[1]} and {baseline} in {signs[-1]}, and leave "
        f"{signs[0]} undecided{untested}."
    )


def _on_lack_of_tests(seeds: int) -> str:
    few = too_few(seeds)
    if few:
        return f"{few.capitalize()} to tell a single cell from chance."
    return "No single cell can be tested: the seeds are too few, or the differences the same on all."


def _on_datasets(datasets: int) -> str:
    if datasets == 1:
        return (
            "All cells share one data set: the sign test over cells takes for independent what is not, and on one "
            "data set no sign test can go below 1/2."
        )
    smallest = Fraction(1, 2) ** datasets
    return (
        f"The cells share {datasets} data sets, on which no sign test can go below {smallest} one-sided or "
        f"{2 * smallest} two-sided; the sign test over cells takes for independent what is not."
    )


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return counted(high, "seed") if low == high else f"{low} to {high} seeds"
