"""Figures of simulations: the distribution of T_m and its limit, the convergence as m grows, and a test of fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtri
from scipy.stats import norm

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
    format_bandwidth,
    format_minus,
    label_panels,
    place_legend_on_top,
)
from foundation.types import Array, Counts
from foundation.typography import format_plot_text
from simulations.engines.exact.statistic import Statistic
from simulations.goodness_of_fit.names import SIGNIFICANCE
from simulations.goodness_of_fit.regions import Regions, locate_misfit
from simulations.goodness_of_fit.result import GoodnessOfFit
from simulations.study.convergence import Convergence
from simulations.study.study import Result
from simulations.study.summary import Summary
from theory.bickel_rosenblatt.mean import exact_mean, limit_mean, limit_variance

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)

BARS = 45

FEWER_BARS = 36

LONGEST_SIZE = 6
"""Power of ten above which an m is written as such a power."""

MOST_MARKS = 6

SMALLEST_SHARE = 0.005
"""Smallest b to which curves over b are drawn, as a share of the largest b."""

FAR = 3.0
"""Distance beyond the plotted range, in its widths, at which an observed value is marked at the edge, not to scale."""

_BAND = "95 % of its samples"

_STATISTIC = r"$b^{-1/2}\,(T_m - I(K) \int\,f\,a)$"

#: Colour, dashes and marker for each m of a study, from the smallest.
_SIZES: tuple[tuple[str, Any, str], ...] = (
    (SKY, (0, (1, 1)), "o"),
    (GREEN, (0, (5, 1.5, 1, 1.5)), "s"),
    (BLUE, (0, (5, 2)), "^"),
    (ORANGE, (0, (3, 1, 1, 1, 1, 1)), "D"),
    (PURPLE, (0, (8, 2)), "v"),
    (BLACK, "-", "x"),
)


def study_figure(results: Sequence[Result]) -> Figure:
    """Draw the distribution of a single result, or the convergence of several.

    Raises
    ------
    InputError
        As `law_figure` does.
    """
    return law_figure(results[0]) if len(results) == 1 else convergence_figure(Convergence.of(results))


@apply_style
def law_figure(result: Result) -> Figure:
    """Draw the simulated distribution of the standardised statistic with its normal limit.

    Raises
    ------
    InputError
        If T_m does not vary, so that there is nothing to draw.
    """
    summary = _require_variation(result)
    figure = create_figure(6.3, 3.9)
    axes = figure.subplots()
    _draw_histogram(axes, summary)
    deviation = np.sqrt(summary.limit_variance)
    x = np.linspace(*_plot_range(summary), 400)
    axes.plot(x, norm.pdf(x, scale=deviation), color=VERMILION, label=rf"limit law, $N(0,\ {deviation**2:.4f})$")
    exact = summary.standardise(summary.exact.total)
    axes.axvline(exact, color=GREEN, linestyle="--", label=format_minus(f"exact mean, {exact:.4f}"))
    axes.axvline(0.0, color=GREY, linestyle=":", label="limit of the mean, 0")
    axes.set(xlabel=_STATISTIC, ylabel="density", xlim=(x[0], x[-1]))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right")
    axes.set_title(_setting(result, f"m = {summary.m:,}, b = {summary.bandwidth:.4g}, {_replicates(result)}"))
    return figure


def _require_variation(result: Result) -> Summary:
    if result.summary.skewness is None or not result.summary.limit_variance:
        raise InputError("--plot has nothing to draw: T_m or its limit law does not vary. Use more replicates.")
    return result.summary


@apply_style
def laws_figure(results: Sequence[Result]) -> Figure:
    """Draw densities and quantiles of the standardised statistic at several m, at most 6, with their limits.

    Raises
    ------
    InputError
        If T_m does not vary at some m, or there are more than 6.
    """
    if len(results) > len(_SIZES):
        raise InputError(f"a figure must have at most {len(_SIZES)} sizes m, got {len(results)}.")
    ordered = sorted(results, key=lambda result: result.study.m)
    summaries = [_require_variation(result) for result in ordered]
    figure = create_figure(7.4, 3.7)
    densities, quantiles = figure.subplots(1, 2)
    deviation = float(np.sqrt(summaries[0].limit_variance))
    ranges = np.array([_plot_range(summary) for summary in summaries])
    low, high = ranges[:, 0].min(), ranges[:, 1].max()
    x = np.linspace(low, high, 400)
    # The limit in both panels.
    densities.fill_between(x, norm.pdf(x, scale=deviation), color=VERMILION, alpha=0.18, linewidth=0)
    densities.plot(x, norm.pdf(x, scale=deviation), color=VERMILION, label=rf"limit, $N(0,\ {deviation**2:.4f})$")
    levels = np.concatenate([[0.005], np.linspace(0.01, 0.99, 50), [0.995]])
    normal = deviation * ndtri(levels)
    quantiles.plot(normal, normal, color=VERMILION, label="limit")
    # One curve in each panel for every m.
    for summary, (colour, dashes, _) in zip(summaries, _SIZES, strict=False):
        heights, edges, _ = _heights(summary, low, high, FEWER_BARS)
        middles = (edges[1:] + edges[:-1]) / 2
        densities.plot(middles, heights, color=colour, linestyle=dashes, label=f"$m$ = {summary.m:,}")
        values, below, above = _quantile_band(summary, levels)
        quantiles.fill_between(normal, below, above, color=colour, alpha=0.25, linewidth=0)
        quantiles.plot(normal, values, color=colour, linestyle=dashes, label=f"$m$ = {summary.m:,}")
    densities.set(xlabel=_STATISTIC, ylabel="density", xlim=(low, high), ylim=(0, None), title="density")
    densities.legend(loc="upper right")
    quantiles.set(xlabel="quantile of the limit law", ylabel="simulated quantile, ± 2 s.e.", title="quantiles")
    quantiles.legend(loc="upper left")
    label_panels([densities, quantiles])
    rule = ordered[0].study.setting.bandwidth.name
    figure.suptitle(
        _setting(ordered[0], f"{format_bandwidth(rule)}, {_replicates(ordered[0])} each"), x=0.01, ha="left"
    )
    return figure


def _quantile_band(summary: Summary, levels: Array) -> tuple[Array, Array, Array]:
    """Compute quantiles of the standardised statistic, and those at levels two standard errors below and above."""
    errors = 2 * np.sqrt(levels * (1 - levels) / summary.moments.count)
    parts = (levels, np.maximum(levels - errors, 0), np.minimum(levels + errors, 1))
    values, below, above = (
        np.array([summary.standardise(value) for value in summary.sketch.quantiles(part.tolist())]) for part in parts
    )
    return values, below, above


@apply_style
def goodness_of_fit_figure(test: GoodnessOfFit) -> Figure:
    """Draw the null distribution of T_m with the observed value, and where the sample departs from the hypothesis.

    Raises
    ------
    InputError
        If T_m has the same value in all samples under the null hypothesis.
    """
    null, setting = test.null_law, test.study.setting
    if not null[-1] > null[0]:
        raise InputError("--plot has nothing to draw: T_m does not vary under the hypothesis. Use more replicates.")
    figure = create_figure(6.3, 7.4)
    law, densities, contributions = figure.subplots(3, 1, height_ratios=(5, 5, 2))
    _draw_null_law(law, test)
    hypothesis = "hypothesis" if test.null == "density" else "hypothesis, smoothed"
    _draw_misfit(densities, contributions, locate_misfit(test), hypothesis)
    listed = " and ".join(f"{name} {value:.4g}" for name, value in (test.estimates or {}).items())
    shape = f", {listed} estimated" if listed else ""
    several = "" if len(test.at_bandwidths) == 1 else f" of {len(test.at_bandwidths)} bandwidths"
    rest = f"m = {test.study.m:,}, b = {setting.bandwidth.at(test.study.m):.4g}{several}{shape}"
    law.set_title(f"{_choice(setting, test.hypothesis)}\n{format_minus(rest)}")
    return figure


def _draw_misfit(densities: Axes, contributions: Axes, regions: Regions, hypothesis: str) -> None:
    """Draw the estimate, the hypothesis and the band, and below them what T_m gains from every x."""
    x = regions.x
    densities.fill_between(x, regions.lower, regions.upper, color=SKY, alpha=0.35, linewidth=0, label=_BAND)
    densities.plot(x, regions.hypothesis, color=VERMILION, linestyle="--", label=hypothesis)
    densities.plot(x, regions.estimate, color=BLACK, label="estimate $f_m$")
    densities.set(ylabel="density", xlim=(x[0], x[-1]), ylim=(0, None))
    densities.sharex(contributions)
    densities.tick_params(labelbottom=False)
    densities.legend(loc="upper right")
    more = regions.estimate > regions.hypothesis
    for where, color, label in ((more, BLUE, "more than expected"), (~more, ORANGE, "fewer")):
        heights = np.where(where, regions.contribution, 0.0)
        contributions.fill_between(x, heights, color=color, alpha=0.8, linewidth=0, label=label)
    contributions.set_title(regions.in_words().replace("T_m", "$T_m$"), fontsize="small")
    contributions.set(xlabel="observation", ylabel="$T_m$ per unit", xlim=(x[0], x[-1]), ylim=(0, None))
    contributions.legend(loc="upper right")


def _draw_null_law(axes: Axes, test: GoodnessOfFit) -> None:
    null, setting = test.null_law, test.study.setting
    # The limit law is that of T_m at one bandwidth.
    has_limit = test.asymptotic_p_value is not None
    mean, deviation = _limit_law(setting, test.study.m) if has_limit else (float(null.mean()), 0.0)
    # The range covers both distributions, and the observed value unless it is far away.
    low = min(float(null[0]), mean - 3.2 * deviation)
    high = max(float(np.quantile(null, 0.999)), mean + 3.2 * deviation)
    observed = test.statistic
    far = observed > high + FAR * (high - low)
    high = high if far else max(high, observed + 0.05 * (high - low))
    # The null distribution, its normal limit and the critical value.
    edges = np.linspace(low, high, BARS + 1)
    _draw_stairs(axes, np.histogram(null, edges)[0], null.size, edges, "samples of the hypothesis, ± 2 s.e.")
    x = np.linspace(low, high, 400)
    if has_limit:
        label = f"limit law, normal (its p-value {test.asymptotic_p_value:.3g})"
        axes.plot(x, norm.pdf(x, mean, deviation), color=VERMILION, linestyle="--", label=label)
    critical = test.critical_values[SIGNIFICANCE]
    axes.axvline(critical, color=GREY, linestyle=":", label=f"critical at {SIGNIFICANCE:.0%}, {critical:.4g}")
    # The observed value: a line, or an arrow at the edge.
    label = f"observed, {observed:.4g}\np = {test.p_value:.4g} ± {test.p_value_error:.1g} (s.e.)"
    if far:
        arrow = {"arrowstyle": "->", "color": BLACK}
        axes.annotate("", (1, 0.08), (0.9, 0.08), "axes fraction", arrowprops=arrow)
        axes.plot([], [], color=BLACK, marker=">", linestyle="none", label=f"beyond the right edge: {label}")
    else:
        axes.axvline(observed, color=BLACK, linewidth=1.8, label=label)
    axes.set(xlabel=_name_statistic(test), ylabel="density under the hypothesis", xlim=(low, high), ylim=(0, None))
    axes.legend(loc="upper right")


def _name_statistic(test: GoodnessOfFit) -> str:
    name = "$T_m$" if test.null == "density" else "$T_m$ compared with $K_b * f$"
    if len(test.at_bandwidths) == 1:
        return name
    # One line would be wider than the figure.
    gap = " " if test.null == "density" else "\n"
    return f"largest excess of the cube root of {name}{gap}over its mean, in standard deviations"


def _limit_law(setting: Statistic, m: int) -> tuple[float, float]:
    """Compute mean and standard deviation of the normal approximation of T_m at m by the limit theorem."""
    arguments = setting.kernel, setting.density, setting.weight
    return float(limit_mean(*arguments)), float(np.sqrt(float(limit_variance(*arguments)) * setting.bandwidth.at(m)))


@apply_style
def convergence_figure(convergence: Convergence) -> Figure:
    """Draw how the means, quantiles, variance and skewness of several m approach their limits."""
    figure = create_figure(7.4, 6.0)
    (means, quantiles), (variance, skewness) = figure.subplots(2, 2)
    _draw_means(means, convergence)
    _draw_quantiles(quantiles, convergence)
    _draw_variance(variance, convergence)
    _draw_skewness(skewness, convergence)
    label_panels((means, quantiles, variance, skewness))
    result = convergence.results[0]
    rule = result.study.setting.bandwidth.name
    figure.suptitle(_setting(result, f"{format_bandwidth(rule)}, {_replicates(result)} each"), x=0.01, ha="left")
    return figure


def _setting(result: Result, rest: str) -> str:
    return f"{_choice(result.study.setting)}\n{rest}"


def _choice(setting: Statistic, hypothesis: str | None = None) -> str:
    names = setting.kernel.name, hypothesis or setting.density.name, setting.weight.name
    kernel, density, weight = map(format_plot_text, names)
    return f"{kernel} kernel, {density} density, weight {weight}"


def _replicates(result: Result) -> str:
    return f"{result.study.replicates:,} replicates"


def _plot_range(summary: Summary) -> tuple[float, float]:
    """Compute an interval that contains nearly all of the simulated distribution and of its limit."""
    low, high = (summary.standardise(value) for value in summary.sketch.quantiles([0.0, 0.999]))
    reach = 3.2 * float(np.sqrt(summary.limit_variance))
    return min(low, -reach), max(high, reach)


def _draw_histogram(axes: Axes, summary: Summary) -> None:
    low, high = _plot_range(summary)
    edges = np.linspace(low, high, BARS + 1)
    _draw_stairs(axes, _counts(summary, edges), summary.moments.count, edges, "simulated, ± 2 s.e.")


def _counts(summary: Summary, edges: Array) -> Counts:
    return summary.sketch.histogram(summary.limit_mean + np.sqrt(summary.bandwidth) * edges)


def _heights(summary: Summary, low: float, high: float, bars: int) -> tuple[Array, Array, Array]:
    """Compute a histogram's heights, its edges and the heights' standard errors."""
    edges = np.linspace(low, high, bars + 1)
    return _densities(_counts(summary, edges), summary.moments.count, edges)


def _densities(counts: Counts, total: int, edges: Array) -> tuple[Array, Array, Array]:
    shares = counts / total
    return shares / np.diff(edges), edges, np.sqrt(shares * (1 - shares) / total) / np.diff(edges)


def _draw_stairs(axes: Axes, counts: Counts, total: int, edges: Array, label: str) -> None:
    """Draw a histogram with a band of two standard errors about its heights."""
    heights, _, errors = _densities(counts, total, edges)
    axes.stairs(heights, edges, fill=True, color=BLUE, alpha=0.2)
    lower, upper = np.maximum(heights - 2 * errors, 0), heights + 2 * errors
    axes.stairs(upper, edges, baseline=lower, fill=True, color=BLUE, alpha=0.35)
    axes.stairs(heights, edges, color=BLUE, linewidth=0.8, label=label)


def _draw_means(axes: Axes, convergence: Convergence) -> None:
    setting = convergence.results[0].study.setting
    sizes = np.array([point.m for point in convergence.points])
    summaries = [result.summary for result in convergence.results]
    curve = np.unique(np.geomspace(sizes.min(), sizes.max(), 40).round().astype(int))
    exact = [
        exact_mean(int(m), setting.kernel, setting.density, setting.weight, setting.bandwidth).total for m in curve
    ]
    axes.plot(curve, exact, color=GREEN, label=r"exact, $A - B + C$")
    axes.axhline(summaries[0].limit_mean, color=VERMILION, linestyle="--", label=r"limit, $I(K) \int\,f\,a$")
    means, errors = [summary.mean for summary in summaries], [2 * (s.standard_error or 0.0) for s in summaries]
    _draw_points(axes, sizes, means, errors, "simulated, ± 2 s.e.")
    axes.set(ylabel=r"$\mathrm{E}\,T_m$", title="mean")
    _size_axis(axes, sizes.tolist())
    place_legend_on_top(axes, share=0.4)


def _draw_quantiles(axes: Axes, convergence: Convergence) -> None:
    sizes = [point.m for point in convergence.points]
    deviation = np.sqrt(convergence.terms.limit_variance)
    bands = np.array([_quantile_band(result.summary, np.array(LEVELS)) for result in convergence.results])
    for level, (values, below, above) in zip(LEVELS, bands.transpose(2, 1, 0), strict=True):
        axes.plot(sizes, values, color=BLUE, linewidth=0.8)
        _draw_points(axes, sizes, values, np.array([values - below, above - values]))
        axes.axhline(deviation * float(ndtri(level)), color=VERMILION, linestyle="--", linewidth=1.0)
        axes.annotate(
            f"{level:.0%}", (1.01, deviation * float(ndtri(level))), xycoords=("axes fraction", "data"), va="center"
        )
    _draw_points(axes, [], [], [], "simulated, ± 2 s.e.")
    axes.plot([], [], color=VERMILION, linestyle="--", linewidth=1.0, label="normal limit")
    axes.set(ylabel="standardised statistic", title="quantiles")
    _size_axis(axes, sizes)
    place_legend_on_top(axes, share=0.14, columns=2)


def _draw_variance(axes: Axes, convergence: Convergence) -> None:
    points = convergence.points
    axes.axhline(
        convergence.terms.limit_variance, color=VERMILION, linestyle="--", label=r"limit, $2J(K) \int\,a^2 f^2$"
    )
    b, m = _curve(convergence)
    leading = [convergence.terms.variance_at(size, width) for width, size in zip(b, m, strict=True)]
    if None not in leading:
        axes.plot(b, np.array(leading, dtype=float), color=GREEN, linestyle=":", label="leading terms")
    exact = [np.nan if point.exact_variance is None else point.exact_variance for point in points]
    axes.plot([point.bandwidth for point in points], exact, color=GREEN, marker="_", markersize=9, label="exact")
    values = [np.nan if point.variance is None else point.variance for point in points]
    errors = [2 * (point.variance_error or 0.0) for point in points]
    _draw_points(axes, [point.bandwidth for point in points], values, errors, "simulated, ± 2 s.e.")
    axes.set(xlabel="bandwidth $b$", ylabel="variance", title="variance of the standardised statistic")
    axes.set_xlim(left=0)
    axes.legend(loc="best")


def _draw_skewness(axes: Axes, convergence: Convergence) -> None:
    points = convergence.points
    b, _ = _curve(convergence)
    leading = [convergence.terms.skewness_at(float(width)) for width in b]
    axes.plot(b, leading, color=GREEN, label=rf"leading term, ${convergence.terms.skewness:.3g}\,b^{{1/2}}$")
    values = [np.nan if point.skewness is None else point.skewness for point in points]
    errors = [2 * (point.skewness_error or 0.0) for point in points]
    _draw_points(axes, [point.bandwidth for point in points], values, errors, "simulated, ± 2 s.e.")
    axes.axhline(0.0, color=VERMILION, linestyle="--", label="limit, 0")
    axes.set(xlabel="bandwidth $b$", ylabel="skewness", title="skewness")
    axes.set_xlim(left=0)
    place_legend_on_top(axes, share=0.4)


def _curve(convergence: Convergence) -> tuple[Array, Array]:
    """Compute bandwidths from the largest of the study towards 0, and the m at which the rule gives each.

    A bandwidth without a rate has no curve, only the m of the study.
    """
    rule = convergence.results[0].study.setting.bandwidth
    if not rule.states_a_rate:
        return tuple(np.array([(point.bandwidth, point.m) for point in convergence.points]).T)
    b = max(point.bandwidth for point in convergence.points) * np.linspace(1, SMALLEST_SHARE, 200)
    return b, (b / rule.factor) ** (-1 / float(rule.exponent))


def _size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Format the horizontal axis for m, with ticks at the m of the study unless there are many."""
    axes.set(xscale="log", xlabel="$m$")
    if len(sizes) <= MOST_MARKS:
        axes.set_xticks(sizes, [_format_size(size) for size in sizes])
        axes.set_xticks([], minor=True)


def _format_size(size: int) -> str:
    """Format an m, as a power of ten where its digits would fill the axis."""
    power = round(math.log10(size))
    return f"$10^{{{power}}}$" if size == 10**power and power > LONGEST_SIZE else f"{size:,}"


def _draw_points(
    axes: Axes,
    x: Sequence[float] | Array,
    y: Sequence[float] | Array,
    errors: Sequence[float] | Array,
    label: str | None = None,
) -> None:
    axes.errorbar(x, y, yerr=errors, color=BLUE, marker="o", elinewidth=1.0, linestyle="none", label=label)
