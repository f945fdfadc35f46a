"""The figure of the study: how the law of T_m approaches its limit, and what becomes of it where the theorem ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri

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
    label_panels,
)
from foundation.types import Array
from simulations.asymptotics.courses import FACTOR
from simulations.asymptotics.record import Point, Record, Track
from simulations.study.summary import PROBABILITIES

WIDTH, HEIGHT = 7.4, 8.0

CHANCE = 0.8687
"""Expectation of the Kolmogorov distance of n values to their own law, times the root of n: log 2 (pi/2)^(1/2)."""

_ERRORS = 2.0
"""Standard errors that a bar shows, on either side."""

_CLEAR = 4.0
"""Standard errors by which a value differs from 0 that is shown on a logarithmic axis."""

_SHORT = 0.2
"""Length up to which a bar is shown on the panel of ratios."""


@apply_style
def asymptotics_figure(record: Record) -> Figure:
    """Draw quantiles, rates, leading terms and distances inside the window, its border, and where the mean diverges."""
    figure = create_figure(WIDTH, HEIGHT)
    panels = figure.subplots(3, 2)
    inside = record["inside"]
    _draw_quantiles(panels[0, 0], inside)
    _draw_rates(panels[0, 1], inside)
    _draw_ratios(panels[1, 0], inside)
    _draw_distances(panels[1, 1], inside)
    _draw_border(panels[2, 0], record)
    _draw_divergence(panels[2, 1], record)
    for axes in panels.flat:
        _scale_sizes(axes)
    for axes in panels[-1]:
        axes.set_xlabel("$m$")
    label_panels(panels.ravel().tolist())
    return figure


def _draw_quantiles(axes: Axes, track: Track) -> None:
    sizes, spread = _curve(track), math.sqrt(track.terms.limit_variance)
    for number, level in enumerate(PROBABILITIES):
        limit = spread * float(ndtri(level))
        leading = _along(track, sizes, partial(track.terms.quantile_at, level))
        axes.axhline(limit, color=VERMILION, linestyle="--", linewidth=0.9, label=_first(number, "limit law"))
        axes.plot(sizes, leading, color=GREEN, linewidth=1.0, label=_first(number, "leading terms"))
        values = [point.quantiles[number] for point in track.points]
        axes.plot(*_of(track, values), "o", color=BLUE, markersize=3.2, label=_first(number, "simulated"))
        axes.annotate(f"{level:.0%}", (1.01, limit), xycoords=("axes fraction", "data"), va="center", fontsize=7)
    axes.set(ylabel="standardised statistic", title="quantiles", ylim=(-1.5, 2.3))
    _legend(axes, loc="upper right")


def _draw_rates(axes: Axes, track: Track) -> None:
    sizes, terms = _curve(track), track.terms
    series: tuple[tuple[str, str, str, Callable[[float, float], float | None], list[tuple[float, float]]], ...] = (
        (
            "skewness",
            PURPLE,
            "s",
            lambda _, b: terms.skewness_at(b),
            [(point.skewness, point.skewness_error) for point in track.points],
        ),
        (
            "mean of $T_m$",
            BLUE,
            "o",
            lambda m, b: -(terms.mean_difference(m, b) or math.nan),
            [(-point.mean * root, point.mean_error * root) for point, root in _roots(track)],
        ),
        (
            "variance",
            ORANGE,
            "^",
            lambda m, b: terms.limit_variance - (terms.variance_at(m, b) or math.nan),
            [(terms.limit_variance - point.variance, point.variance_error) for point in track.points],
        ),
    )
    for name, colour, marker, leading, values in series:
        axes.plot(sizes, _along(track, sizes, leading), color=colour, linewidth=1.0)
        seen = [
            (point, value, error)
            for point, (value, error) in zip(track.points, values, strict=True)
            if value > _CLEAR * error
        ]
        _bars(axes, [p for p, *_ in seen], [v for _, v, _ in seen], [e for *_, e in seen], colour, marker, name)
    axes.set(yscale="log", ylabel="distance from the limit", title="mean, variance and skewness", ylim=(2e-4, 3))
    axes.annotate(r"$\propto b^{1/2}$", (2e9, 0.3), color=PURPLE, fontsize=8)
    axes.annotate(r"$\propto b$", (1.5e4, 0.006), color=ORANGE, fontsize=8)
    _legend(axes, loc="lower left")


def _draw_ratios(axes: Axes, track: Track) -> None:
    terms = track.terms
    series: list[tuple[str, str, str, list[float], list[float], list[float]]] = []
    leading = [terms.skewness_at(point.bandwidth) for point in track.points]
    series.append(
        (
            "skewness",
            PURPLE,
            "s",
            [p.skewness / one for p, one in zip(track.points, leading, strict=True)],
            [p.skewness_error / one for p, one in zip(track.points, leading, strict=True)],
            [],
        )
    )
    mean = [terms.mean_difference(point.m, point.bandwidth) or math.nan for point in track.points]
    series.append(
        (
            "mean",
            BLUE,
            "o",
            [p.mean * root / one for (p, root), one in zip(_roots(track), mean, strict=True)],
            [p.mean_error * root / abs(one) for (p, root), one in zip(_roots(track), mean, strict=True)],
            [p.exact_mean * root / one for (p, root), one in zip(_roots(track), mean, strict=True)],
        )
    )
    gaps = [(terms.variance_at(point.m, point.bandwidth) or math.nan) - terms.limit_variance for point in track.points]
    series.append(
        (
            "variance",
            ORANGE,
            "^",
            [(p.variance - terms.limit_variance) / gap for p, gap in zip(track.points, gaps, strict=True)],
            [p.variance_error / abs(gap) for p, gap in zip(track.points, gaps, strict=True)],
            [(p.exact_variance - terms.limit_variance) / gap for p, gap in zip(track.points, gaps, strict=True)],
        )
    )
    axes.axhline(1.0, color=GREY, linewidth=0.8)
    for shift, (name, colour, marker, values, errors, exact) in zip((0.78, 1.0, 1.28), series, strict=True):
        if exact:
            axes.plot(*_of(track, exact), color=colour, linewidth=1.0)
        known = [number for number, error in enumerate(errors) if _ERRORS * error < _SHORT]
        points = [track.points[number] for number in known]
        _bars(axes, points, [values[n] for n in known], [errors[n] for n in known], colour, marker, name, shift)
    axes.set(ylabel="ratio to the leading term", title="distance from the limit / leading term", ylim=(0.7, 1.3))
    axes.plot([], [], color=BLACK, linewidth=1.0, label="exact")
    _legend(axes, loc="upper left", ncols=2)


def _draw_distances(axes: Axes, track: Track) -> None:
    sizes, terms = _curve(track), track.terms
    # The law with its own mean and variance is only skewed: the difference is largest at 0.
    skewed = [terms.skewness_at(track.course.bandwidth.at(int(m))) / 6 / math.sqrt(2 * math.pi) for m in sizes]
    axes.plot(sizes, _along(track, sizes, terms.limit_distance_at), color=BLUE, linewidth=1.0)
    axes.plot(sizes, skewed, color=SKY, linewidth=1.0)
    errors = [point.distance_error for point in track.points]
    limits = [point.limit_distance for point in track.points]
    normals = [point.normal_distance for point in track.points]
    _bars(axes, track.points, limits, errors, BLUE, "o", "to the limit law")
    _bars(axes, track.points, normals, errors, SKY, "D", "to the normal law with the exact\nmean and variance")
    floor = [CHANCE / math.sqrt(point.replicates) for point in track.points]
    axes.plot(*_of(track, floor), color=GREY, linestyle=":", label="by chance alone")
    axes.set(yscale="log", ylabel="Kolmogorov distance", title="distance to the normal law", ylim=(1.8e-3, 1.1))
    axes.annotate(r"$\propto b^{1/2}$", (2e9, 0.04), color=BLUE, fontsize=8)
    _legend(axes, loc="upper right")


def _draw_border(axes: Axes, record: Record) -> None:
    shown = (
        ("border-wide", rf"${FACTOR}\,m^{{-2/9}}$", VERMILION, "D"),
        ("inside-wide", rf"${FACTOR}\,m^{{-0.235}}$", ORANGE, "^"),
        ("border", "$m^{-2/9}$", SKY, "s"),
        ("inside", "$m^{-0.235}$", BLUE, "o"),
    )
    for name, label, colour, marker in shown:
        track = record[name]
        axes.plot(*_of(track, [point.exact_mean for point in track.points]), color=colour, linewidth=1.0)
        means, errors = [point.mean for point in track.points], [point.mean_error for point in track.points]
        # Open and larger, or the points of the rule inside the window would hide them.
        _bars(axes, track.points, means, errors, colour, marker, f"$b =$ {label}", is_open=name == "border")
    wide = record["border-wide"]
    limit = border_limit(wide)
    axes.axhline(limit, color=VERMILION, linestyle="--", linewidth=0.9)
    axes.annotate("limit on the border", (1.3e2, limit + 0.03), color=VERMILION, fontsize=7)
    axes.axhline(0.0, color=BLUE, linestyle="--", linewidth=0.9)
    axes.annotate("limit inside", (1.3e2, 0.03), color=BLUE, fontsize=7)
    axes.set(ylabel="standardised mean", title="the border of the window", ylim=(-0.25, 1.62))
    _legend(axes, loc="upper left", ncols=2)


def _draw_divergence(axes: Axes, record: Record) -> None:
    shown = (
        ("uniform", "uniform prior", VERMILION, "D"),
        ("shifted", "kernel with mean 1/4", PURPLE, "s"),
        ("inside", "standard example", BLUE, "o"),
    )
    for name, label, colour, marker in shown:
        track = record[name]
        limit = track.limit_mean
        exact = [limit + point.exact_mean * root for point, root in _roots(track)]
        axes.axhline(limit, color=colour, linestyle="--", linewidth=0.9)
        axes.plot(*_of(track, exact), color=colour, linewidth=1.0)
        values = [limit + point.mean * root for point, root in _roots(track)]
        errors = [point.mean_error * root for point, root in _roots(track)]
        _bars(axes, track.points, values, errors, colour, marker, label)
    axes.plot([], [], color=GREY, linestyle="--", linewidth=0.9, label="limits of Theorem 3.1")
    axes.set(yscale="log", ylabel="mean of $T_m$", title="where an assumption fails")
    axes.annotate(r"$\propto m b^2$", (1e7, 1.5e3), color=VERMILION, fontsize=8, ha="right")
    axes.annotate(r"$\propto m b^3$", (2e10, 1.6), color=PURPLE, fontsize=8)
    _legend(axes, loc="upper left")


def border_limit(track: Track) -> float:
    """Return the limit of the standardised mean for a rule of the rate 2/9: m b^(9/2) times the leading term."""
    return track.course.bandwidth.factor**4.5 * (track.terms.squared_bias or math.nan)


def _curve(track: Track) -> Array:
    """Return sizes for smooth curves over the track's range."""
    return np.geomspace(track.points[0].m, track.points[-1].m, 121)


def _along(track: Track, sizes: Array, function: Callable[[float, float], float | None]) -> list[float]:
    """Evaluate a function of m and b along the rule; nan where it is None."""
    values = (function(m, track.course.bandwidth.at(int(m))) for m in sizes.tolist())
    return [math.nan if value is None else value for value in values]


def _of(track: Track, values: Sequence[float]) -> tuple[list[int], Sequence[float]]:
    return [point.m for point in track.points], values


def _roots(track: Track) -> list[tuple[Point, float]]:
    """Return the points with the roots of their bandwidths, the units of the standardised statistic."""
    return [(point, math.sqrt(point.bandwidth)) for point in track.points]


def _bars(
    axes: Axes,
    points: Sequence[Point],
    values: Sequence[float],
    errors: Sequence[float],
    colour: str,
    marker: str,
    label: str,
    shift: float = 1.0,
    *,
    is_open: bool = False,
) -> None:
    axes.errorbar(
        [shift * point.m for point in points],
        values,
        yerr=[_ERRORS * error for error in errors],
        color=colour,
        marker=marker,
        markersize=6.5 if is_open else 3.2,
        markerfacecolor="none" if is_open else colour,
        elinewidth=0.9,
        capsize=1.8,
        linestyle="none",
        label=label,
    )


def _scale_sizes(axes: Axes) -> None:
    powers = range(2, 13, 2)
    axes.set(xscale="log", xlim=(60, 1.7e12))
    axes.set_xticks([10**power for power in powers], [f"$10^{{{power}}}$" for power in powers])
    axes.set_xticks([10**power for power in range(3, 13, 2)], [""] * 5, minor=True)


def _legend(axes: Axes, loc: Literal["upper left", "upper right", "lower left"], ncols: int = 1) -> None:
    axes.legend(loc=loc, ncols=ncols, fontsize=7, handlelength=1.6, handletextpad=0.5, labelspacing=0.3, borderpad=0.2)


def _first(number: int, label: str) -> str | None:
    return label if number == 0 else None
