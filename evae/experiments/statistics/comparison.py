"""The comparison of two models on several data sets, latent dimensions and seeds, as in Tables 1 and 2.

The paper has one run per cell, counts wins and tests their number one-sidedly. This module computes that count and that
test, and adds a verdict on each cell: a paired t-test over the seeds, with Holm's correction for the cells of a metric.
Both use one estimate per cell, the mean difference over the seeds that both models have. The JSON document also has a
stricter sign test than the paper's: two-sided, corrected for the number of metrics, with the data sets as units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from evae.experiments.statistics.measurements import Cell, Criterion, Group, Measurement, Summary, summarise
from evae.experiments.statistics.paired_differences import PairedDifference, paired_differences
from evae.experiments.statistics.wins import Wins, count_wins
from evae.experiments.statistics.wording import label, shown_p, too_few
from foundation.errors import InputError
from foundation.typography import format_count


@dataclass(frozen=True)
class Comparison:
    """The comparison of a candidate with a baseline.

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
        The remaining criteria.
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
        """The verdict, in plain words."""
        return " ".join(self.paragraphs)

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The verdict by criterion, followed by caveats that apply to all of them."""
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
        ties = f", with {format_count(count.ties, 'tie')}" if count.ties else ""
        return (
            f"{label(self.candidate)} has the {better} {count.criterion} in {count.wins} of "
            f"{format_count(count.cells, 'cell')}{ties} (the paper's sign test over cells: "
            f"{shown_p(float(count.one_sided))}) and, on average over latent dimensions, on {count.dataset_wins} of "
            f"{format_count(len(count.by_dataset), 'data set')}."
        )

    def _on_absent_cells(self, count: Wins) -> str:
        absent = len(self.grid) - count.cells
        if not absent:
            return ""
        have = "has no seed with both models, and is" if absent == 1 else "have no seed with both models, and are"
        return f"Of {format_count(len(self.grid), 'cell')}, {absent} {have} left out."

    def document(self) -> dict[str, Any]:
        """Return the comparison, including its text, as strict JSON."""
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
        At least one; those of other models are only summarised.
    criteria : sequence of Criterion
        At least one. They are the family for Holm's correction of the sign tests.
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


def _on_unpaired_seeds(differences: Sequence[PairedDifference]) -> str:
    cells = sum(bool(difference.unpaired) for difference in differences)
    if not cells:
        return ""
    return f"In {format_count(cells, 'cell')}, seeds that only one of the two models has are not compared."


def _on_seeds(differences: Sequence[PairedDifference], candidate: str, baseline: str) -> str:
    """Describe the verdicts on single cells, or explain why there are none."""
    tested = [difference for difference in differences if difference.holm_p_value is not None]
    if not tested:
        return _on_lack_of_tests(max(difference.estimate.n for difference in differences))
    signs = Counter(difference.sign for difference in tested)
    without = len(differences) - len(tested)
    untested = f" ({format_count(without, 'cell')} could not be tested)" if without else ""
    return (
        f"Cell by cell, paired t-tests over {_span([d.estimate.n for d in tested])} with Holm's correction for "
        f"{format_count(len(tested), 'cell')} find {candidate} ahead in {signs[1]} and {baseline} in {signs[-1]}, and "
        f"leave {signs[0]} undecided{untested}."
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
    return format_count(high, "seed") if low == high else f"{low} to {high} seeds"
