"""What is compared of a run, by which criteria, and with how many digits it is shown."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from evae.experiments.comparison import Criterion, Group, Measurement, Summary, summarise
from evae.experiments.results import RunRecord

#: The criteria by which EVAE is compared with VAE. Tables 1 and 2 have the first two.
DISTANCE = Criterion("frechet_distance", lower_is_better=True, title="Fréchet distance")
SHARPNESS = Criterion("sharpness", lower_is_better=False, title="sharpness")
ERROR = Criterion("reconstruction_error", lower_is_better=True, title="reconstruction error")
GENERATION = Criterion("generation_distance", lower_is_better=True, title="Fréchet distance of new images")
CRITERIA = (DISTANCE, SHARPNESS, ERROR, GENERATION)

#: Every metric of `measured`, with the decimals it is shown with. Ratios of noise to signal span many powers of ten: of
#: them two digits are shown.
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
    """Write a weight as a fraction, such as 1/16."""
    return str(Fraction(weight).limit_denominator())


def measured(record: RunRecord) -> dict[str, float | None]:
    """Return what is compared of a run: of reconstructions from one posterior draw, and of samples from the mixture."""
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
    """Return what real images reach, by metric: training images in place of reconstructions or of new images.

    Of the records of one data set, whose training images are the same; nothing for a file of version 1.
    """
    for record in records:
        sharpness, distances = record.evaluation["sharpness"], record.evaluation["frechet_distance"] or {}
        if "training_images" in sharpness:
            least = distances.get("training_images")
            found = {"sharpness": sharpness["training_images"]}
            return found if least is None else {**found, "frechet_distance": least, "generation_distance": least}
    return {}


def floor_row(records: Iterable[RunRecord], metrics: Iterable[str]) -> tuple[str, ...] | None:
    """Return the floor's cells in a table of these metrics, a dash where there is none; None if nothing is known."""
    found = floor(records)
    if not found:
        return None
    return tuple(f"{found[metric]:.{DECIMALS[metric]}f}" if metric in found else ABSENT for metric in metrics)


def measurement(record: RunRecord) -> Measurement:
    """Return what is compared of a run with where and on what it was measured."""
    config = record.configuration
    return Measurement(config.dataset, config.latent_dim, record.label, config.seed, measured(record))


def by_model(records: Iterable[RunRecord]) -> dict[str, dict[str, Summary | None]]:
    """Summarise every metric over seeds, for the models of one data set and dimension, in the order of the records."""
    records = list(records)
    summaries = summarise([measurement(record) for record in records])
    models = {record.label: measurement(record).cell for record in records}
    return {
        label: {metric: summaries.get(Group(*cell, label, metric)) for metric in DECIMALS}
        for label, cell in models.items()
    }


def shown(summary: Summary | None, metric: str) -> str:
    """Write mean ± standard deviation, the mean alone for one seed, or a dash."""
    if summary is None:
        return ABSENT
    decimals = DECIMALS[metric]
    if decimals is None:
        return f"{summary.mean:.2g}"
    mean = f"{summary.mean:.{decimals}f}"
    return mean if summary.standard_deviation is None else f"{mean} ± {summary.standard_deviation:.{decimals}f}"
