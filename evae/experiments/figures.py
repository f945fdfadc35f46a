"""Plots of a table's runs: hold-out error by epoch, as in Figures S6 and S7, and reconstruction against rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evae.experiments.grid import CURVES, curve_of
from evae.experiments.measured import fraction, measured
from evae.experiments.results import Results, RunRecord

#: Line styles, so that the models are told apart in grey too. Colours are from Okabe and Ito's palette.
_STYLES = {
    "vae": ("#0072B2", "--", "s"),
    "evae": ("#D55E00", "-", "o"),
    "evae-exact": ("#009E73", "-.", "^"),
}


def figures(results: Results) -> dict[str, Figure]:
    """Return the plots by name: of Tables 1 and 2 the curves, of the ablation reconstruction against rate."""
    return {"rate": rate_figure(results)} if results.table == "ablation" else {"curves": curve_figure(results)}


def curve_figure(results: Results) -> Figure:
    """Draw the hold-out error by epoch, a panel for each data set and dimension, a band over the seeds."""
    datasets = list(dict.fromkeys(record.configuration.dataset for record in results.records))
    dims = list(dict.fromkeys(record.configuration.latent_dim for record in results.records))
    figure = Figure(figsize=(0.6 + 2.6 * len(dims), 0.6 + 2.2 * len(datasets)), layout="constrained")
    panels = figure.subplots(len(datasets), len(dims), squeeze=False, sharex=True, sharey="row")
    for row, dataset in zip(panels, datasets, strict=True):
        row[0].set_ylabel(f"{dataset}\nhold-out error (nats)")
        for axes, dim in zip(row, dims, strict=True):
            axes.set_title(f"$d_z$ = {dim}", fontsize=10)
            for model in ("vae", "evae"):
                _draw_curve(axes, results.where(dataset=dataset, latent_dim=dim, model=model), model)
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    panels[0][-1].legend(frameon=False, fontsize=9)
    return figure


def _draw_curve(axes: Axes, records: Sequence[RunRecord], model: str) -> None:
    if not records:
        return
    curves = np.array([record.curve for record in records])
    epochs = np.arange(1, curves.shape[1] + 1)
    colour, line, marker = _STYLES[model]
    every = max(1, len(epochs) // 8)
    axes.plot(epochs, curves.mean(0), line, color=colour, marker=marker, markevery=every, ms=4, label=model.upper())
    axes.fill_between(epochs, curves.min(0), curves.max(0), color=colour, alpha=0.2, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def rate_figure(results: Results) -> Figure:
    """Draw the reconstruction error against the rate: a line for each model as its weight varies, a point a run.

    A row for each data set and dimension: at the left all weights, at the right those that reconstruct nearly best.
    """
    places = list(dict.fromkeys((r.configuration.dataset, r.configuration.latent_dim) for r in results.records))
    figure = Figure(figsize=(9.6, 0.4 + 3.6 * len(places)), layout="constrained")
    for row, (dataset, dim) in zip(figure.subplots(len(places), 2, squeeze=False), places, strict=True):
        records = results.where(dataset=dataset, latent_dim=dim)
        for axes in row:
            for model in CURVES:
                _draw_rates(axes, [r for r in records if (curve_of(r.recipe) or ("",))[0] == model], model)
            axes.set_xlabel("rate: KL to the nearest normal law (nats per image)")
        row[0].set_title(f"{dataset}, $d_z$ = {dim}", fontsize=10)
        row[0].set_ylabel("hold-out reconstruction error (nats per image)")
        row[0].legend(frameon=False, fontsize=9)
        row[1].set_title("the lower part, close up", fontsize=10)
        _close_up(row[1])
    return figure


def _close_up(axes: Axes) -> None:
    """Show the lines where the error is at most 7 % above the least."""
    points = [np.column_stack([line.get_xdata(), line.get_ydata()]) for line in axes.get_lines()]
    if not points:
        return
    every = np.concatenate(points)
    near = every[every[:, 1] <= 1.07 * every[:, 1].min()]
    (left, low), (right, high) = near.min(0), near.max(0)
    axes.set_xlim(left - 0.05 * (right - left), right + 0.1 * (right - left))
    axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))


def _draw_rates(axes: Axes, records: Sequence[RunRecord], model: str) -> None:
    points: dict[float, list[tuple[float, float]]] = {}
    for record in records:
        found, curve = measured(record), curve_of(record.recipe)
        error = found["reconstruction_error"]
        if found["rate"] is not None and error is not None and curve is not None:
            points.setdefault(curve[1], []).append((found["rate"], error))
    if not points:
        return
    colour, line, marker = _STYLES[model]
    means = np.array([np.mean(points[beta], axis=0) for beta in sorted(points)])
    axes.plot(means[:, 0], means[:, 1], line, color=colour, label=model.upper() if model in ("vae", "evae") else model)
    for beta, mean in zip(sorted(points), means, strict=True):
        every = np.array(points[beta])
        axes.plot(every[:, 0], every[:, 1], marker, color=colour, ms=4, alpha=0.7)
        # Clipped, because a close-up does not show them all.
        axes.annotate(fraction(beta), mean, (4, 4), textcoords="offset points", fontsize=7, color=colour, clip_on=True)
