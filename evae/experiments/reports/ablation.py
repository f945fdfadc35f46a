"""The ablation report: all models, kernel by objective, reconstruction against rate, attribution of EVAE's gain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from evae.experiments.plan import CURVES, FACTOR_KERNELS, FACTOR_OBJECTIVES, curve_of, factors_of
from evae.experiments.reports.attribution import Attribution, attribute
from evae.experiments.reports.departures import departures
from evae.experiments.reports.effects import effects_table
from evae.experiments.reports.headline import Headline, headline
from evae.experiments.reports.tables import Report, Table
from evae.experiments.results import Results, RunRecord
from evae.experiments.statistics.equal_rate import compare_at_equal_rate
from evae.experiments.statistics.estimates import Estimate
from evae.experiments.statistics.measurements import (
    ABSENT,
    DISTANCE,
    ERROR,
    FLOOR,
    SHARPNESS,
    Criterion,
    by_model,
    floor_row,
    fraction,
    measured,
    measurement,
    shown,
)
from evae.experiments.statistics.paired_differences import paired_differences
from evae.experiments.statistics.trials import Trial

#: The metrics whose gain is attributed, with their units.
_ATTRIBUTED = ((ERROR, "nats"), (DISTANCE, ""), (SHARPNESS, ""))

_IMAGES = {
    "reconstruction_error": "error (nats)",
    "frechet_distance": "distance",
    "sharpness": "sharpness",
    "generation_distance": "distance of new images",
}

_CODES = {"active_dimensions": "active dimensions", "noise_to_signal": "noise / signal", "rate": "rate (nats)"}


def ablation_report(results: Results) -> Report:
    """Return the report of the ablation, for each data set and dimension, from results that hold at least one run."""
    tables: list[Table] = []
    paragraphs: list[str] = []
    documents = []
    headlines: list[Headline] = []
    places = dict.fromkeys((r.configuration.dataset, r.configuration.latent_dim) for r in results.records)
    for dataset, latent_dim in places:
        records = results.where(dataset=dataset, latent_dim=latent_dim)
        place = f"{dataset}, d_z = {latent_dim}"
        # The same findings as tables, as sentences and as values for programs.
        found, at_equal_rate = attributions(records), compare_at_equal_rate(rate_curves(records))
        tables += [
            effects_table(records, found, at_equal_rate.gain, place),
            _models(records, _IMAGES, f"The models ({place})"),
            _models(records, _CODES, f"Their codes ({place})"),
            _factors(records, f"Reconstruction error in nats by kernel and objective ({place})"),
            _curves(records, f"Reconstruction against rate as the weight of the regularisation varies ({place})"),
        ]
        words = [*(one.paragraph for one in found.values()), at_equal_rate.words]
        paragraphs += [f"{place}: {text}" for text in words]
        gain = at_equal_rate.gain
        error = found.get(ERROR.metric)
        headlines.append(headline(error.split if error else None, _gain_over_autoencoder(records), gain))
        documents.append(
            {
                "dataset": dataset,
                "latent_dim": latent_dim,
                "attribution": {metric: one.document() for metric, one in found.items() if one.split is not None},
                "gain_at_equal_rate": None if gain is None else gain.document(),
                "paragraphs": words,
            }
        )
    return Report(
        "Ablation", departures(results), tuple(tables), tuple(paragraphs), {"ablations": documents}, headlines[0]
    )


def _gain_over_autoencoder(records: Sequence[RunRecord]) -> Estimate | None:
    found = paired_differences(map(measurement, records), ERROR, "evae", "ae")
    return found[0].estimate if found else None


def _models(records: Sequence[RunRecord], metrics: dict[str, str], title: str) -> Table:
    """Lay out all models except those that are only points of a curve."""
    chosen = [r for r in records if r.label == r.configuration.model or factors_of(r.recipe) is not None]
    rows = tuple(
        (label, *(shown(summary[metric], metric) for metric in metrics)) for label, summary in by_model(chosen).items()
    )
    cells = floor_row(records, metrics)
    if cells is not None and any(cell != ABSENT for cell in cells):
        rows += ((FLOOR, *cells),)
    return Table(title, ("model", *metrics.values()), rows)


def _factors(records: Sequence[RunRecord], title: str) -> Table:
    labels = {factors_of(record.recipe): record.label for record in records}
    summaries = by_model(records)
    rows = []
    for kernel in FACTOR_KERNELS:
        cells = [summaries.get(labels.get((kernel, objective), ""), {}) for objective in FACTOR_OBJECTIVES]
        rows.append((kernel, *(shown(cell.get(ERROR.metric), ERROR.metric) for cell in cells)))
    return Table(title, ("kernel", *FACTOR_OBJECTIVES), tuple(rows))


def _curves(records: Sequence[RunRecord], title: str) -> Table:
    """Lay out the points of the curves, in order of increasing regularisation."""
    summaries = by_model(records)
    places = {record.label: found for record in records if (found := curve_of(record.recipe)) is not None}
    ordered = sorted(places, key=lambda label: (list(CURVES).index(places[label][0]), places[label][1]))
    rows = []
    for label in ordered:
        model, beta = places[label]
        metrics = ("rate", "noise_to_signal", ERROR.metric)
        rows.append(
            (
                model,
                fraction(beta),
                *(shown(summaries[label][metric], metric) for metric in metrics),
            )
        )
    return Table(title, ("model", "weight", "rate (nats)", "noise / signal", "error (nats)"), tuple(rows))


def attributions(records: Sequence[RunRecord]) -> dict[str, Attribution]:
    """Attribute EVAE's gain to kernel and objective, for each metric that was measured in some cell."""
    found = {}
    for criterion, unit in _ATTRIBUTED:
        cells = trials(records, criterion)
        if cells:
            attributed = attribute(str(criterion), unit, cells, lower_is_better=criterion.lower_is_better)
            found[criterion.metric] = attributed
    return found


def trials(records: Sequence[RunRecord], criterion: Criterion) -> list[Trial]:
    """Return the runs of the cells of kernel and objective, with one value each."""
    return [
        Trial(*cell, record.configuration.seed, value)
        for record in records
        if (cell := factors_of(record.recipe)) is not None and (value := measured(record)[criterion.metric]) is not None
    ]


def rate_curves(records: Sequence[RunRecord]) -> dict[int, dict[str, dict[float, tuple[float, float]]]]:
    """Return rate and reconstruction error by seed, model and weight."""
    points: defaultdict[int, dict[str, dict[float, tuple[float, float]]]] = defaultdict(lambda: {m: {} for m in CURVES})
    for record in records:
        found, place = measured(record), curve_of(record.recipe)
        rate, error = found["rate"], found[ERROR.metric]
        if place is not None and rate is not None and error is not None:
            points[record.configuration.seed][place[0]][place[1]] = rate, error
    return dict(points)
