"""Figures of a table's runs: hold-out error by epoch, as in S6 and S7; kernel by objective; error against rate."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from evae.experiments.plan import CURVES, FACTOR_KERNELS, FACTOR_OBJECTIVES, curve_of
from evae.experiments.reports.ablation import trials
from evae.experiments.reports.attribution import Amounts
from evae.experiments.reports.paper import models_of
from evae.experiments.results import Results, RunRecord
from evae.experiments.statistics.decomposition import decompose_gain
from evae.experiments.statistics.estimates import Estimate
from evae.experiments.statistics.measurements import DISTANCE, ERROR, floor, fraction, measured
from evae.experiments.statistics.trials import Treatment, Trial, values_by_treatment
from evae.experiments.statistics.wording import label
from foundation.errors import InputError
from foundation.figures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    apply_style,
    create_figure,
    format_minus,
    label_panels,
)
from foundation.typography import format_plot_text

#: Colour, line and marker, so that the models are distinguishable in grey too.
_STYLES = {"vae": (BLUE, "--", "s"), "evae": (VERMILION, "-", "o"), "evae-exact": (GREEN, "-.", "^")}

_OTHER_STYLES = ((PURPLE, ":", "D"), (SKY, "--", "v"), (ORANGE, "-.", "P"), (GREY, "-", "x"))

_KERNELS = {"gaussian": (BLUE, "s"), "epanechnikov": (VERMILION, "o"), "uniform": (GREEN, "^")}


def figures(results: Results) -> dict[str, Figure]:
    """Return the figures by name, the most informative first.

    For Tables 1 and 2, the curves; for the ablation, kernel by objective and reconstruction against rate.
    """
    if results.table == "ablation":
        return {"ablation": ablation_figure(results), "rate": rate_figure(results)}
    return {"curves": curve_figure(results)}


@apply_style
def curve_figure(results: Results) -> Figure:
    """Draw the hold-out error by epoch: one panel per data set and dimension, with a band over the seeds."""
    datasets = list(dict.fromkeys(record.configuration.dataset for record in results.records))
    dims = list(dict.fromkeys(record.configuration.latent_dim for record in results.records))
    others = itertools.cycle(_OTHER_STYLES)
    styles = {model: _STYLES.get(model) or next(others) for model in models_of(results)}
    figure = create_figure(0.6 + 2.6 * len(dims), 0.6 + 2.2 * len(datasets))
    panels = figure.subplots(len(datasets), len(dims), squeeze=False, sharex=True, sharey="row")
    for row, dataset in zip(panels, datasets, strict=True):
        row[0].set_ylabel(f"{format_plot_text(dataset)}\nhold-out error (nats)")
        for axes, dim in zip(row, dims, strict=True):
            axes.set_title(f"$d_z$ = {dim}")
            records = results.where(dataset=dataset, latent_dim=dim)
            for model, style in styles.items():
                _draw_curve(axes, [record for record in records if record.label == model], model, style)
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    _explain(panels[0][-1], panels.flat)
    return figure


def _draw_curve(axes: Axes, records: Sequence[RunRecord], model: str, style: tuple[str, str, str]) -> None:
    if not records:
        return
    curves = np.array([record.curve for record in records])
    epochs = np.arange(1, curves.shape[1] + 1)
    colour, line, marker = style
    every = max(1, len(epochs) // 8)
    axes.plot(epochs, curves.mean(0), line, color=colour, marker=marker, markevery=every, label=label(model))
    axes.fill_between(epochs, curves.min(0), curves.max(0), color=colour, alpha=0.2, lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _explain(axes: Axes, panels: Iterable[Axes]) -> None:
    """Draw one legend for all panels: in a grid that was stopped, a panel may lack some lines or all of them."""
    found = {name: line for panel in panels for line, name in zip(*panel.get_legend_handles_labels(), strict=True)}
    if found:
        axes.legend(found.values(), found.keys())


@apply_style
def ablation_figure(results: Results) -> Figure:
    """Draw the error by kernel and objective, and the split of EVAE's gain with 95 % t-intervals over the seeds.

    One row per data set and dimension. The cells have no intervals: as the seeds are paired, the intervals of two
    cells would not show whether they differ. If a missing run prevents the split of a gain, its panel says so.
    """
    places = list(dict.fromkeys((r.configuration.dataset, r.configuration.latent_dim) for r in results.records))
    figure = create_figure(9.0, 0.4 + 3.3 * len(places))
    panels = figure.subplots(len(places), 2, squeeze=False, width_ratios=(1.25, 1))
    for (cells, split), (dataset, dim) in zip(panels, places, strict=True):
        found = trials(results.where(dataset=dataset, latent_dim=dim), ERROR)
        _draw_cells(cells, values_by_treatment(found) if found else {})
        cells.set_title(f"{format_plot_text(dataset)}, $d_z$ = {dim}: kernel by objective, means over seeds")
        _draw_split(split, found)
    label_panels(panels.ravel().tolist())
    return figure


def _draw_cells(axes: Axes, cells: Mapping[Treatment, Sequence[float]]) -> None:
    for shift, kernel in zip((-0.2, 0.0, 0.2), FACTOR_KERNELS, strict=True):
        colour, marker = _KERNELS[kernel]
        for place, objective in enumerate(FACTOR_OBJECTIVES):
            values = cells.get(Treatment(kernel, objective))
            if values is not None:
                axes.plot(np.full(len(values), place + shift + 0.07), values, ".", color=GREY, markersize=3)
                axes.plot(place + shift, np.mean(values), marker, color=colour)
        axes.plot([], [], marker, color=colour, label=f"{kernel} kernel")
    axes.plot([], [], ".", color=GREY, label="single seeds")
    axes.set_xticks(range(len(FACTOR_OBJECTIVES)), [name.replace(", ", ",\n") for name in FACTOR_OBJECTIVES])
    axes.set(xlabel="objective", ylabel="hold-out reconstruction error\n(nats per image)")
    axes.legend()


def _draw_split(axes: Axes, found: Sequence[Trial]) -> None:
    axes.set_title("EVAE's gain over VAE, and its parts")
    # Without a complete block of runs there is nothing to split; the panel says why.
    try:
        split = decompose_gain(found)
    except InputError as error:
        axes.text(0.5, 0.5, str(error), ha="center", va="center", wrap=True, transform=axes.transAxes)
        axes.set_axis_off()
        return
    amounts = Amounts.of(split)
    parts = {
        "whole gain": (split.gain, amounts.gain, BLACK, "D"),
        "objective": (split.objective, amounts.objective, BLUE, "s"),
        "kernel": (split.kernel, amounts.kernel, VERMILION, "o"),
        "interaction": (split.interaction, amounts.interaction, GREY, "x"),
    }
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle=":")
    for height, (part, amount, colour, marker) in zip(range(0, -len(parts), -1), parts.values(), strict=True):
        _draw_estimate(axes, height, part, colour, marker)
        text = format_minus(f"{amount.mean} ({amount.interval})" if amount.interval else amount.mean)
        axes.annotate(text, (part.mean, height), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    axes.set_yticks(range(0, -len(parts), -1), list(parts))
    unit = "nats per image" + (" (95 % interval)" if split.gain.interval else "")
    axes.set(xlabel=unit, ylim=(-len(parts) + 0.4, 0.6))
    axes.margins(x=0.3)


def _draw_estimate(axes: Axes, height: float, found: Estimate, colour: str, marker: str) -> None:
    """Draw a mean with its interval, and the values of single seeds as small points."""
    axes.plot(found.values, np.full(found.n, height - 0.14), ".", color=GREY, markersize=3)
    reach = None if found.interval is None else [[found.mean - found.interval[0]], [found.interval[1] - found.mean]]
    axes.errorbar(found.mean, height, xerr=reach, color=colour, marker=marker, elinewidth=1.2)


@apply_style
def rate_figure(results: Results) -> Figure:
    """Draw reconstruction against the rate: one line per model as its weight varies, one point per run.

    One row per data set and dimension: the error for all weights, a close-up of the weights with nearly the least
    error, and, where it was measured, the Fréchet distance. Level lines show the plain autoencoder, whose codes have no
    finite rate, and the distance of training images, which are independent of the originals.
    """
    places = list(dict.fromkeys((r.configuration.dataset, r.configuration.latent_dim) for r in results.records))
    distances = _values(results.records, DISTANCE.metric)
    with_distance = bool(distances)
    columns = 3 if with_distance else 2
    figure = create_figure(4.8 * columns, 0.4 + 3.6 * len(places))
    for row, (dataset, dim) in zip(figure.subplots(len(places), columns, squeeze=False), places, strict=True):
        records = results.where(dataset=dataset, latent_dim=dim)
        # A logarithmic axis needs a positive value; an exact distance of 0 has none.
        for axes in row[2:] if any(distances) else ():
            axes.set_yscale("log")
        for axes, metric in zip(row, (ERROR.metric, ERROR.metric, DISTANCE.metric), strict=False):
            for model in CURVES:
                _draw_rates(axes, [r for r in records if (curve_of(r.recipe) or ("",))[0] == model], model, metric)
            axes.margins(x=0.14)
            axes.set_xlabel("rate: KL to the nearest normal law (nats per image)")
        # The plain autoencoder has no finite rate, and becomes a level across the panels.
        plain = [record for record in records if record.label == "ae"]
        row[0].set_title(f"{format_plot_text(dataset)}, $d_z$ = {dim}")
        row[0].set_ylabel("hold-out reconstruction error (nats per image)")
        row[1].set_title("the lower part, close up")
        row[1].set_ylabel("hold-out error (nats per image)")
        _close_up(row[1], _values(plain, ERROR.metric))
        _draw_level(row[:2], plain, ERROR.metric)
        if with_distance:
            row[2].set_ylabel("Fréchet distance of reconstructions")
            _draw_level(row[2:], plain, DISTANCE.metric)
            _draw_floor(row[2], floor(records).get(DISTANCE.metric))
            _explain(row[2], row[2:])
        _explain(row[0], row[:2])
    return figure


def _close_up(axes: Axes, levels: Sequence[float]) -> None:
    """Limit the view to errors at most 7 % above the least, and to these levels, which are drawn afterwards."""
    points = [np.column_stack([line.get_xdata(), line.get_ydata()]) for line in axes.get_lines()]
    if not points:
        return
    every = np.concatenate(points)
    least = every[:, 1].min()
    near = every[every[:, 1] <= least + 0.07 * abs(least)]
    (left, low), (right, high) = near.min(0), near.max(0)
    low = min(low, *levels) if levels else low
    if left == right or low == high:
        return
    axes.set_xlim(left - 0.05 * (right - left), right + 0.14 * (right - left))
    axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))


def _values(records: Sequence[RunRecord], metric: str) -> list[float]:
    return [value for record in records if (value := measured(record)[metric]) is not None]


def _draw_level(panels: Iterable[Axes], records: Sequence[RunRecord], metric: str) -> None:
    """Draw the mean of a metric as a level line, with a band over the seeds; draw nothing if it was not measured."""
    values = _values(records, metric)
    for axes in panels if values else ():
        axes.axhline(float(np.mean(values)), color=PURPLE, linestyle=":", label="plain autoencoder")
        axes.axhspan(min(values), max(values), color=PURPLE, alpha=0.15, lw=0)


def _draw_floor(axes: Axes, distance: float | None) -> None:
    if distance is not None:
        axes.axhline(distance, color=BLACK, linestyle=(0, (1, 3)), label="training images")


def _draw_rates(axes: Axes, records: Sequence[RunRecord], model: str, metric: str) -> None:
    points: dict[float, list[tuple[float, float]]] = {}
    for record in records:
        found, curve = measured(record), curve_of(record.recipe)
        value = found[metric]
        if found["rate"] is not None and value is not None and curve is not None:
            points.setdefault(curve[1], []).append((found["rate"], value))
    if not points:
        return
    colour, line, marker = _STYLES[model]
    means = np.array([np.mean(points[beta], axis=0) for beta in sorted(points)])
    axes.plot(means[:, 0], means[:, 1], line, color=colour, label=label(model))
    for beta, mean in zip(sorted(points), means, strict=True):
        every = np.array(points[beta])
        axes.plot(every[:, 0], every[:, 1], marker, color=colour, alpha=0.7)
        # Clipped, because a close-up does not show them all.
        axes.annotate(fraction(beta), mean, (4, 4), textcoords="offset points", fontsize=7, color=colour, clip_on=True)
