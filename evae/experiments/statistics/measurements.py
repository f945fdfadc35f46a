"""Measurements of runs by data set, latent dimension, model and seed, and the criteria they are compared by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from evae.experiments.statistics.estimates import require_finite
from foundation.errors import InputError

if TYPE_CHECKING:
    from evae.experiments.results import RunRecord


class Cell(NamedTuple):
    """A data set and a latent dimension."""

    dataset: str
    latent_dim: int


class Group(NamedTuple):
    """The values that are summarised over seeds: a metric of a model in a cell."""

    dataset: str
    latent_dim: int
    model: str
    metric: str


@dataclass(frozen=True)
class Measurement:
    """The measurements of one trained model.

    Attributes
    ----------
    dataset : str
    latent_dim : int
    model : str
    seed : int
        Models of one cell with the same seed are compared as a pair.
    values : mapping of str to float or None
        By the name of the metric; None or missing if it was not measured.

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
        """The cell of the model."""
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
        Its name in a sentence; if empty, the name of the metric.
    """

    metric: str
    lower_is_better: bool
    title: str = ""

    def advantage(self, candidate: float, baseline: float) -> float:
        """Return the difference, positive if the candidate is better."""
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
        Number of seeds.
    values : tuple of float
        In the order of the seeds.
    """

    mean: float
    standard_deviation: float | None
    n: int
    values: tuple[float, ...]

    def document(self) -> dict[str, Any]:
        """Return the summary as strict JSON."""
        return {
            "mean": self.mean,
            "standard_deviation": self.standard_deviation,
            "n": self.n,
            "values": list(self.values),
        }


def summarise(measurements: Iterable[Measurement]) -> dict[Group, Summary]:
    """Summarise every metric of every model in every cell over seeds, in sorted order.

    Raises
    ------
    InputError
        If a model was measured twice in one cell with one seed.
    """
    return {group: _summary(list(values.values())) for group, values in group_by_seed(measurements).items()}


def _summary(values: Sequence[float]) -> Summary:
    return Summary(fmean(values), stdev(values) if len(values) > 1 else None, len(values), tuple(values))


def group_by_seed(measurements: Iterable[Measurement]) -> dict[Group, dict[int, float]]:
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


def pair_values(
    grouped: Mapping[Group, dict[int, float]], metric: str, candidate: str, baseline: str
) -> list[tuple[Cell, dict[int, float], dict[int, float]]]:
    """Return the cells in which the metric was measured on both models, with their values by seed."""
    cells = []
    for group, values in grouped.items():
        other = grouped.get(group._replace(model=baseline))
        if (group.model, group.metric) == (candidate, metric) and other is not None:
            cells.append((Cell(group.dataset, group.latent_dim), values, other))
    return cells


#: The criteria by which EVAE is compared with VAE. Tables 1 and 2 have the first two.
DISTANCE = Criterion("frechet_distance", lower_is_better=True, title="Fréchet distance")

SHARPNESS = Criterion("sharpness", lower_is_better=False, title="sharpness")

ERROR = Criterion("reconstruction_error", lower_is_better=True, title="reconstruction error")

GENERATION = Criterion("generation_distance", lower_is_better=True, title="Fréchet distance of new images")

CRITERIA = (DISTANCE, SHARPNESS, ERROR, GENERATION)

#: Every metric of `measured`, with its number of decimals. Ratios of noise to signal span many powers of ten, and are
#: shown with two significant digits.
DECIMALS = {
    "reconstruction_error": 2,
    "frechet_distance": 2,
    "sharpness": 4,
    "generation_distance": 2,
    "active_dimensions": 1,
    "noise_to_signal": None,
    "rate": 1,
}

ABSENT = "-"

#: The label of the floor's row.
FLOOR = "training images"


def fraction(weight: float) -> str:
    """Format a weight as a fraction, such as 1/16."""
    return str(Fraction(weight).limit_denominator())


def measured(record: RunRecord) -> dict[str, float | None]:
    """Return the metrics of a run, from reconstructions of one posterior draw and from samples of the mixture."""
    evaluation = record.evaluation
    distances = evaluation["frechet_distance"] or {}
    return {
        "reconstruction_error": evaluation["reconstruction_error"]["one_posterior_draw"],
        "frechet_distance": distances.get("one_posterior_draw"),
        "sharpness": evaluation["sharpness"]["one_posterior_draw"],
        "generation_distance": distances.get("mixture"),
        "active_dimensions": evaluation["latent"]["active_dimensions"],
        "noise_to_signal": evaluation["latent"]["noise_to_signal"]["median"],
        "rate": evaluation["latent"]["rate"],
    }


def floor(records: Iterable[RunRecord]) -> dict[str, float]:
    """Return the metrics of real images: training images in place of reconstructions or of new images.

    The records are of one data set, and share its training images. The result is empty for a file of version 1.
    """
    for record in records:
        sharpness, distances = record.evaluation["sharpness"], record.evaluation["frechet_distance"] or {}
        if "training_images" in sharpness:
            least = distances.get("training_images")
            found = {"sharpness": sharpness["training_images"]}
            return found if least is None else {**found, "frechet_distance": least, "generation_distance": least}
    return {}


def floor_row(records: Iterable[RunRecord], metrics: Iterable[str]) -> tuple[str, ...] | None:
    """Return the row of the floor in a table of these metrics, a dash for a missing value; None without any value."""
    found = floor(records)
    if not found:
        return None
    return tuple(f"{found[metric]:.{DECIMALS[metric]}f}" if metric in found else ABSENT for metric in metrics)


def measurement(record: RunRecord) -> Measurement:
    """Return the metrics of a run with its data set, latent dimension, model and seed."""
    config = record.configuration
    return Measurement(config.dataset, config.latent_dim, record.label, config.seed, measured(record))


def by_model(records: Iterable[RunRecord]) -> dict[str, dict[str, Summary | None]]:
    """Summarise every metric over seeds, by model in the order of the records, for one data set and dimension."""
    records = list(records)
    summaries = summarise([measurement(record) for record in records])
    models = {record.label: measurement(record).cell for record in records}
    return {
        label: {metric: summaries.get(Group(*cell, label, metric)) for metric in DECIMALS}
        for label, cell in models.items()
    }


def shown(summary: Summary | None, metric: str) -> str:
    """Format mean ± standard deviation, only the mean for one seed, or a dash without a summary."""
    if summary is None:
        return ABSENT
    decimals = DECIMALS[metric]
    if decimals is None:
        return f"{summary.mean:.2g}"
    mean = f"{summary.mean:.{decimals}f}"
    return mean if summary.standard_deviation is None else f"{mean} ± {summary.standard_deviation:.{decimals}f}"
