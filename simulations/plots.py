"""Figures of a simulation study, as PNG or SVG."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri
from scipy.stats import norm

from simulations.convergence import Convergence
from simulations.study import Result
from simulations.summary import Summary
from theory.bickel_rosenblatt import exact_mean
from theory.errors import InputError
from theory.files import written_aside

Array = npt.NDArray[np.float64]

FORMATS = (".png", ".svg")
# Okabe and Ito's colours, which remain distinct for colour-blind readers.
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6E6E6E"
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "mathtext.fontset": "dejavusans",
    # Text stays text in an SVG, and the same result gives the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "simulate-tm",
}
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
BARS = 60
MOST_MARKS = 6
SMALLEST_SHARE = 0.005
"""How close to 0 the curves over b are drawn, as a share of the largest b."""


def checked_plot_path(path: Path) -> Path:
    """Return ``path``.

    Raises
    ------
    InputError
        If it does not end in .png or .svg, or no file can be written there.
    """
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"--plot {path} must end in {' or '.join(FORMATS)}, which say how it is drawn.")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"--plot {path} cannot be written: name a file in a folder that exists and can be written to.")
    return path


def save_plot(results: Sequence[Result], path: Path) -> None:
    """Draw one result, or several as a study of convergence, and write the figure to ``path``, whole or not at all.

    Raises
    ------
    InputError
        As `checked_plot_path` says.
    """
    checked_plot_path(path)
    kind = path.suffix.lower()[1:]
    with matplotlib.rc_context(STYLE):
        figure = law_figure(results[0]) if len(results) == 1 else convergence_figure(Convergence.of(results))
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        try:
            with written_aside(path) as aside:
                figure.savefig(aside, format=kind, dpi=200, metadata=metadata)
        except OSError as error:
            raise InputError(f"--plot {path} cannot be written: {error.strerror}.") from error


def law_figure(result: Result) -> Figure:
    """Return the simulated law of the standardised statistic beside the normal law it tends to.

    Raises
    ------
    InputError
        If T_m does not vary, so that there is nothing to draw.
    """
    summary = result.summary
    if summary.skewness is None or not summary.limit_variance:
        raise InputError("--plot has nothing to draw: T_m has the same value in all replicates, or its limit law has.")
    figure = Figure(figsize=(6.3, 3.9), layout="constrained")
    axes = figure.subplots()
    _histogram(axes, summary)
    deviation = np.sqrt(summary.limit_variance)
    x = np.linspace(*_shown_range(summary), 400)
    axes.plot(x, norm.pdf(x, scale=deviation), color=VERMILION, label=rf"limit law, $N(0,\ {deviation**2:.4f})$")
    exact = summary.standardised(summary.exact.total)
    axes.axvline(exact, color=GREEN, linestyle="--", label=f"exact mean, {exact:.4f}".replace("-", "\N{MINUS SIGN}"))
    axes.axvline(0.0, color=GREY, linestyle=":", label="limit of the mean, 0")
    axes.set(xlabel=r"$b^{-1/2}\,(T_m - I(K)\!\int\! f\,a)$", ylabel="density", xlim=(x[0], x[-1]))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right")
    axes.set_title(_setting(result, f"m = {summary.m:,}, b = {summary.bandwidth:.4g}, {_replicates(result)}"))
    return figure


def convergence_figure(convergence: Convergence) -> Figure:
    """Return how the means, quantiles, variance and skewness of several m approach their limits."""
    figure = Figure(figsize=(7.4, 6.0), layout="constrained")
    (means, quantiles), (variance, skewness) = figure.subplots(2, 2)
    _means(means, convergence)
    _quantiles(quantiles, convergence)
    _variance(variance, convergence)
    _skewness(skewness, convergence)
    for axes, letter in zip((means, quantiles, variance, skewness), "abcd", strict=True):
        axes.annotate(letter, (0, 1), (-14, 6), "axes fraction", "offset points", weight="bold", va="baseline")
    result = convergence.results[0]
    rule = result.study.setting.bandwidth.name
    figure.suptitle(_setting(result, f"b = {rule}, {_replicates(result)} each"), x=0.01, ha="left", fontsize=9)
    return figure


def _setting(result: Result, rest: str) -> str:
    setting = result.study.setting
    return f"{setting.kernel.name} kernel, {setting.density.name} density, weight {setting.weight.name}\n{rest}"


def _replicates(result: Result) -> str:
    return f"{result.study.replicates:,} replicates"


def _shown_range(summary: Summary) -> tuple[float, float]:
    """Return the interval on which nearly all of the simulated law and of its limit lies."""
    low, high = (summary.standardised(value) for value in summary.sketch.quantiles([0.0, 0.999]))
    reach = 3.2 * float(np.sqrt(summary.limit_variance))
    return min(low, -reach), max(high, reach)


def _histogram(axes: Axes, summary: Summary) -> None:
    edges = np.linspace(*_shown_range(summary), BARS + 1)
    counts = summary.sketch.histogram(summary.limit_mean + np.sqrt(summary.bandwidth) * edges)
    heights = counts / (summary.moments.count * np.diff(edges))
    axes.stairs(heights, edges, fill=True, color=BLUE, alpha=0.25)
    axes.stairs(heights, edges, color=BLUE, linewidth=0.8, label="simulated")


def _means(axes: Axes, convergence: Convergence) -> None:
    setting = convergence.results[0].study.setting
    sizes = np.array([point.m for point in convergence.points])
    summaries = [result.summary for result in convergence.results]
    curve = np.unique(np.geomspace(sizes.min(), sizes.max(), 40).round().astype(int))
    exact = [
        exact_mean(int(m), setting.kernel, setting.density, setting.weight, setting.bandwidth).total for m in curve
    ]
    axes.plot(curve, exact, color=GREEN, label=r"exact, $A - B + C$")
    axes.axhline(summaries[0].limit_mean, color=VERMILION, linestyle="--", label=r"limit, $I(K)\!\int\! f\,a$")
    means, errors = [summary.mean for summary in summaries], [2 * (s.standard_error or 0.0) for s in summaries]
    _points(axes, sizes, means, errors, "simulated, ± 2 s.e.")
    axes.set(ylabel=r"$\mathrm{E}\,T_m$", title="mean")
    _size_axis(axes, sizes.tolist())
    _legend_on_top(axes, share=0.4)


def _quantiles(axes: Axes, convergence: Convergence) -> None:
    sizes = [point.m for point in convergence.points]
    deviation = np.sqrt(convergence.terms.limit_variance)
    for level in LEVELS:
        values = [
            result.summary.standardised(result.summary.sketch.quantiles([level])[0]) for result in convergence.results
        ]
        axes.plot(sizes, values, color=BLUE, marker="o", markersize=4, linewidth=0.8)
        axes.axhline(deviation * float(ndtri(level)), color=VERMILION, linestyle="--", linewidth=1.0)
        axes.annotate(
            f"{level:.0%}", (1.01, deviation * float(ndtri(level))), xycoords=("axes fraction", "data"), va="center"
        )
    axes.plot([], [], color=BLUE, marker="o", markersize=4, linewidth=0.8, label="simulated")
    axes.plot([], [], color=VERMILION, linestyle="--", linewidth=1.0, label="normal limit")
    axes.set(ylabel="standardised statistic", title="quantiles")
    _size_axis(axes, sizes)
    _legend_on_top(axes, share=0.14, columns=2)


def _variance(axes: Axes, convergence: Convergence) -> None:
    points = convergence.points
    axes.axhline(
        convergence.terms.limit_variance, color=VERMILION, linestyle="--", label=r"limit, $2J(K)\!\int\! a^2 f^2$"
    )
    b, m = _curve(convergence)
    leading = [convergence.terms.variance_at(size, width) for width, size in zip(b, m, strict=True)]
    if None not in leading:
        axes.plot(b, np.array(leading, dtype=float), color=GREEN, label="leading terms")
    values = [np.nan if point.variance is None else point.variance for point in points]
    errors = [2 * (point.variance_error or 0.0) for point in points]
    _points(axes, [point.bandwidth for point in points], values, errors, "simulated, ± 2 s.e.")
    axes.set(xlabel="bandwidth $b$", ylabel="variance", title="variance of the standardised statistic")
    axes.set_xlim(left=0)
    axes.legend(loc="best")


def _skewness(axes: Axes, convergence: Convergence) -> None:
    points = convergence.points
    b, _ = _curve(convergence)
    leading = [convergence.terms.skewness_at(float(width)) for width in b]
    axes.plot(b, leading, color=GREEN, label=rf"leading term, ${convergence.terms.skewness:.3g}\,b^{{1/2}}$")
    values = [np.nan if point.skewness is None else point.skewness for point in points]
    errors = [2 * (point.skewness_error or 0.0) for point in points]
    _points(axes, [point.bandwidth for point in points], values, errors, "simulated, ± 2 s.e.")
    axes.axhline(0.0, color=VERMILION, linestyle="--", label="limit, 0")
    axes.set(xlabel="bandwidth $b$", ylabel="skewness", title="skewness")
    axes.set_xlim(left=0)
    _legend_on_top(axes, share=0.4)


def _curve(convergence: Convergence) -> tuple[Array, Array]:
    """Return bandwidths from the largest of the study towards 0, and the m at which the rule gives each.

    A bandwidth that states no rate has no curve, only its own m.
    """
    rule = convergence.results[0].study.setting.bandwidth
    if not rule.states_a_rate:
        return tuple(np.array([(point.bandwidth, point.m) for point in convergence.points]).T)
    b = max(point.bandwidth for point in convergence.points) * np.linspace(1, SMALLEST_SHARE, 200)
    return b, (b / rule.factor) ** (-1 / float(rule.exponent))


def _size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Make the horizontal axis that of m, marked at the m of the study unless they are many."""
    axes.set(xscale="log", xlabel="$m$")
    if len(sizes) <= MOST_MARKS:
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.set_xticks([], minor=True)


def _legend_on_top(axes: Axes, share: float, columns: int = 1) -> None:
    """Put the legend above everything drawn, in room of its own: a share of the height."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + share * (high - low))
    axes.legend(loc="upper left", ncols=columns)


def _points(axes: Axes, x: Sequence[float] | Array, y: Sequence[float], errors: Sequence[float], label: str) -> None:
    style: dict[str, Any] = {"color": BLUE, "marker": "o", "markersize": 4, "capsize": 2.5, "elinewidth": 1.0}
    axes.errorbar(x, y, yerr=errors, linestyle="none", label=label, **style)
