"""The ablation: every model, kernel by objective, reconstruction against rate, and whose EVAE's gain is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from evae.experiments import variance
from evae.experiments.comparison import Criterion
from evae.experiments.departures import departures
from evae.experiments.estimates import Estimate, counted, estimate, shown_p
from evae.experiments.estimates import shown as three_digits
from evae.experiments.grid import CURVES, FACTOR_KERNELS, FACTOR_OBJECTIVES, curve_of, factors_of
from evae.experiments.measured import (
    ABSENT,
    DISTANCE,
    ERROR,
    FLOOR,
    SHARPNESS,
    by_model,
    floor_row,
    fraction,
    measured,
    shown,
)
from evae.experiments.results import Results, RunRecord
from evae.experiments.tables import Report, Table
from theory.errors import InputError

#: Of what it is said whose merit it is, with its unit.
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
    places = dict.fromkeys((r.configuration.dataset, r.configuration.latent_dim) for r in results.records)
    for dataset, latent_dim in places:
        records = results.where(dataset=dataset, latent_dim=latent_dim)
        place = f"{dataset}, d_z = {latent_dim}"
        tables += [
            _models(records, _IMAGES, f"The models ({place})"),
            _models(records, _CODES, f"Their codes ({place})"),
            _factors(records, f"Reconstruction error in nats by kernel and objective ({place})"),
            _curves(records, f"Reconstruction against rate as the weight of the regularisation varies ({place})"),
        ]
        attributed, words = _attributions(records)
        at_equal_rate = gain_at_equal_rate(records)
        words.append(_on_curves(records, at_equal_rate))
        paragraphs += [f"{place}: {text}" for text in words]
        documents.append(
            {
                "dataset": dataset,
                "latent_dim": latent_dim,
                "attribution": attributed,
                "gain_at_equal_rate": None if at_equal_rate is None else at_equal_rate.document(),
                "paragraphs": words,
            }
        )
    return Report("Ablation", departures(results), tuple(tables), tuple(paragraphs), {"ablations": documents})


# --- Tables ----------------------------------------------------------------------------------------------------------


def _models(records: Sequence[RunRecord], metrics: dict[str, str], title: str) -> Table:
    """Lay out every model but those that are only points of a curve."""
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
    """Lay out the points of the curves, from little to much regularisation."""
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


# --- Whose the gain is -----------------------------------------------------------------------------------------------


def _attributions(records: Sequence[RunRecord]) -> tuple[dict[str, Any], list[str]]:
    """Return by metric how much of EVAE's gain is the kernel's and how much the objective's, as figures and words."""
    figures, words = {}, []
    for criterion, unit in _ATTRIBUTED:
        found = trials(records, criterion)
        if not found:
            continue
        try:
            split = variance.decompose_gain(found, lower_is_better=criterion.lower_is_better)
            analysis = variance.two_way(found)
        except InputError as error:
            words.append(f"How much of the {criterion} is whose cannot be said: {error}")
            continue
        words.append(variance.paragraph(str(criterion), unit, split, analysis))
        figures[criterion.metric] = {"decomposition": split.document(), "analysis_of_variance": analysis.document()}
    return figures, words


def trials(records: Sequence[RunRecord], criterion: Criterion) -> list[variance.Trial]:
    """Return the runs that are cells of kernel and objective, with one figure each."""
    return [
        variance.Trial(*cell, record.configuration.seed, value)
        for record in records
        if (cell := factors_of(record.recipe)) is not None and (value := measured(record)[criterion.metric]) is not None
    ]


# --- Reconstruction at equal rate ------------------------------------------------------------------------------------


def gain_at_equal_rate(records: Sequence[RunRecord]) -> Estimate | None:
    """Estimate by how much EVAE's reconstruction error is below VAE's where both codes carry as many nats.

    VAE's error at EVAE's rate is interpolated, seed by seed, on the straight lines between the points of its curve.
    None where EVAE's rate lies outside of that curve for some seed, or a run is missing.
    """
    curves = _points(records)
    gains = []
    for points in curves.values():
        vae, evae = sorted(points["vae"].values()), points["evae"].get(1.0)
        if evae is None or not vae or not vae[0][0] <= evae[0] <= vae[-1][0]:
            return None
        rates, errors = zip(*vae, strict=True)
        gains.append(float(np.interp(evae[0], rates, errors)) - evae[1])
    return estimate(gains) if gains else None


def _points(records: Sequence[RunRecord]) -> dict[int, dict[str, dict[float, tuple[float, float]]]]:
    """Return (rate, error) by seed, model and weight."""
    points: defaultdict[int, dict[str, dict[float, tuple[float, float]]]] = defaultdict(lambda: {m: {} for m in CURVES})
    for record in records:
        found, place = measured(record), curve_of(record.recipe)
        rate, error = found["rate"], found[ERROR.metric]
        if place is not None and rate is not None and error is not None:
            points[record.configuration.seed][place[0]][place[1]] = rate, error
    return dict(points)


def _on_curves(records: Sequence[RunRecord], gain: Estimate | None) -> str:
    """Say what EVAE's codes carry beside VAE's, and who reconstructs better where both carry as much."""
    points = _points(records).values()
    own = {
        model: np.mean([seed[model][1.0] for seed in points], axis=0)
        for model in ("vae", "evae")
        if points and all(1.0 in seed[model] for seed in points)
    }
    if len(own) < 2:
        return "What the codes carry cannot be compared: VAE or EVAE was not trained with its own weight on every seed."
    sentence = (
        f"EVAE's codes carry {own['evae'][0]:.1f} nats per image at a reconstruction error of {own['evae'][1]:.2f}, "
        f"VAE's {own['vae'][0]:.1f} at {own['vae'][1]:.2f}."
    )
    if gain is None:
        rates = [rate for seed in points for rate, _ in seed["vae"].values()]
        return (
            f"{sentence} As its weight varies, VAE's curve reaches from {min(rates):.1f} to {max(rates):.1f} nats, and "
            "not to EVAE's rate on every seed: at equal rate they are not compared."
        )
    direction = "lower" if gain.mean > 0 else "higher"
    low_high = (
        ""
        if gain.interval is None
        else (f"; 95 % interval of the gain {three_digits(gain.interval[0])} to {three_digits(gain.interval[1])}")
    )
    p_value = "" if gain.p_value is None else f", {shown_p(gain.p_value)}"
    return (
        f"{sentence} At equal rate, VAE's weight being so small that its codes carry as much, EVAE's error is "
        f"{three_digits(abs(gain.mean))} nats {direction} ({counted(gain.n, 'seed')}{low_high}{p_value})."
    )
