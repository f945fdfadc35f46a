"""Figures of the theory: the kernels, Lemma 2.1's bound, Lemma 3.2's optimum, many dimensions, Theorem 3.1's limits.

Nothing is simulated: every curve and point is computed from a formula of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import sympy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import beta as beta_function

from foundation.figures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    apply_style,
    create_figure,
    format_bandwidth,
    label_panels,
    place_legend_on_top,
)
from foundation.types import Array
from theory.bickel_rosenblatt.bandwidth import bandwidth_named, window_at
from theory.bickel_rosenblatt.mean import exact_mean, limit_mean
from theory.bickel_rosenblatt.smoothing import b
from theory.bickel_rosenblatt.symbolic_mean import MeanExpression, m, mean_expression
from theory.claims.kernels import TABLED
from theory.claims.lemma_2_1 import C, divergence_density, sharp_constant
from theory.claims.lemma_3_2 import roughness_table
from theory.densities.evaluation import numerical
from theory.kernel_assessment import KernelAssessment
from theory.kernel_families import KernelConstants, product_epanechnikov, radial_epanechnikov, symmetric_beta
from theory.kernels import EPANECHNIKOV, GAUSSIAN, KERNELS, UNIFORM, Kernel
from theory.paper.tables import LATENT_DIMS

#: Colour and dashes of each kernel.
_LINES = {
    "epanechnikov": (VERMILION, "-"),
    "gaussian": (BLUE, (0, (5, 2))),
    "uniform": (BLACK, (0, (1, 1))),
    "biweight": (GREEN, (0, (5, 1.5, 1, 1.5))),
    "triangular": (PURPLE, (0, (3, 1, 1, 1, 1, 1))),
    "logistic": (GREY, (0, (8, 2))),
}

#: Standard deviations up to which a kernel of unbounded support is drawn.
_REACH = 3.2

_PERCENT = 100.0


@apply_style
def kernels_figure() -> Figure:
    """Draw Figure S1's two kernels, six kernels of equal variance, and the efficiencies of all kernels."""
    figure = create_figure(7.4, 5.4)
    # Top row: densities as printed and at equal variance. Bottom row: efficiencies.
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1))
    printed, equal = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    _draw_densities(printed, [EPANECHNIKOV, GAUSSIAN])
    printed.set(title="as in Figure S1: variances 1/5 and 1", ylabel="density $K(x)$", xlabel="$x$")
    printed.legend(loc="upper right")
    names = ("epanechnikov", "gaussian", "uniform", "biweight", "triangular", "logistic")
    _draw_densities(equal, [KERNELS[name].rescale(variance=1) for name in names])
    equal.set(title="at variance 1", xlabel="$x$ (standard deviations)", ylabel="density $K(x)$")
    place_legend_on_top(equal, share=0.32, columns=2)
    efficiency = figure.add_subplot(grid[1, :])
    _draw_efficiencies(efficiency, {name: KERNELS[name] for name in TABLED})
    label_panels([printed, equal, efficiency])
    return figure


def efficiencies(kernel: Kernel) -> tuple[float, float]:
    """Return the efficiencies of a kernel by I(K) and by J(K), each at most 1.

    Each is the minimum, attained by the Epanechnikov and the uniform kernel, of I(K) sqrt(variance) or
    J(K) sqrt(variance), divided by the value for the kernel. The first is the fraction of the sample that the best
    kernel needs for the same asymptotic error of the estimate; the second compares the variances of T_m.
    """
    deviations = [float(sympy.sqrt(one.variance)) for one in (EPANECHNIKOV, UNIFORM, kernel)]
    least, least_convolution = float(EPANECHNIKOV.roughness), float(UNIFORM.convolution_roughness)
    return (
        least * deviations[0] / (float(kernel.roughness) * deviations[2]),
        least_convolution * deviations[1] / (float(kernel.convolution_roughness) * deviations[2]),
    )


def _draw_densities(axes: Axes, kernels: Sequence[Kernel]) -> None:
    """Draw densities over the whole of bounded supports, and over `_REACH` standard deviations otherwise."""
    ends = np.array([_drawn_range(kernel) for kernel in kernels])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    for kernel in kernels:
        colour, dashes = _LINES[kernel.name]
        axes.plot(*_curve(kernel, low, high), color=colour, linestyle=dashes, label=_capitalise(kernel.name))
    axes.set_xlim(low, high)
    axes.set_ylim(bottom=0)


def _drawn_range(kernel: Kernel) -> tuple[float, float]:
    mean, reach = float(kernel.mean), _REACH * float(sympy.sqrt(kernel.variance))
    lower, upper = (float(end) for end in kernel.support)
    if np.isfinite([lower, upper]).all():
        margin = 0.08 * (upper - lower)
        return lower - margin, upper + margin
    return max(lower, mean - reach), min(upper, mean + reach)


def _curve(kernel: Kernel, low: float, high: float) -> tuple[Array, Array]:
    """Return points on the graph of the density, with vertical jumps and gaps where it is infinite."""
    knots = [float(end) for piece in kernel.pieces for end in (piece.lower, piece.upper)]
    inside = np.array([knot for knot in knots if low <= knot <= high])
    # Points just inside and just outside each knot make a jump vertical.
    step = 1e-9 * (high - low)
    points = np.unique(np.concatenate([np.linspace(low, high, 801), inside - step, inside + step]))
    with np.errstate(all="ignore"):
        values = numerical(kernel.pieces)(points)
    return points, np.where(np.isfinite(values), values, np.nan)


def _draw_efficiencies(axes: Axes, kernels: Mapping[str, Kernel], own: str | None = None) -> None:
    """Draw the efficiencies as points, one row for each kernel; ``own`` names the user's kernel, set in bold."""
    # A pale line joins the two efficiencies of each kernel; the dotted line marks the optimum.
    found = {name: efficiencies(kernel) for name, kernel in kernels.items()}
    heights = -np.arange(len(found))
    roughness, convolution = (_PERCENT * np.array(values) for values in zip(*found.values(), strict=True))
    axes.hlines(heights, np.minimum(roughness, convolution), np.maximum(roughness, convolution), color=PALE)
    axes.axvline(_PERCENT, color=GREY, linewidth=0.8, linestyle=":")
    axes.plot(roughness, heights, "o", color=VERMILION, label=r"$I(K) = \int K^2$: error of the density estimate")
    hollow: dict[str, Any] = {"color": BLUE, "markerfacecolor": "white", "markeredgewidth": 1.2}
    axes.plot(convolution, heights, "s", **hollow, label=r"$J(K) = \int (K * K)^2$: variance of $T_m$")
    for value, height in zip(roughness, heights, strict=True):
        axes.annotate(f"{value:.1f}", (value, height), (0, 5), textcoords="offset points", fontsize=7, ha="center")
    axes.set_yticks(heights, [_capitalise(name) for name in found])
    for tick, name in zip(axes.get_yticklabels(), found, strict=True):
        tick.set_fontweight("bold" if name == own else "normal")
    axes.set_ylim(heights[-1] - 0.6, 0.9)
    axes.set(title="efficiency at equal variance", xlabel="efficiency against the best kernel (%)")
    axes.legend(loc="upper left")


def _annotate_value(axes: Axes, value: float, height: float, text: str) -> None:
    axes.annotate(text, (value, height), (6, 0), textcoords="offset points", va="center", fontsize=8)


def _capitalise(name: str) -> str:
    return name[:1].upper() + name[1:] if name in ("epanechnikov", "gaussian") else name


@apply_style
def kernel_figure(assessment: KernelAssessment) -> Figure:
    """Draw an assessed kernel with the Epanechnikov kernel of the same mean and variance, and rank the efficiencies."""
    kernel = assessment.kernel
    figure = create_figure(7.4, 3.3)
    densities, efficiency = figure.subplots(1, 2, width_ratios=(1, 1.1))
    best = EPANECHNIKOV.rescale(variance=kernel.variance).transform(kernel.mean, sympy.Integer(1))
    ends = np.array([_drawn_range(one) for one in (kernel, best)])
    low, high = ends[:, 0].min(), ends[:, 1].max()
    densities.plot(*_curve(kernel, low, high), color=BLUE, linestyle=(0, (5, 2)), label="yours")
    densities.plot(*_curve(best, low, high), color=VERMILION, label="Epanechnikov of the same\nmean and variance")
    densities.set(title="densities", xlabel="$x$", ylabel="density $K(x)$", xlim=(low, high))
    tallest = max(np.nanmax(line.get_ydata()) for line in densities.lines)
    # Cut off an unbounded density, which would flatten the other curve.
    densities.set_ylim(0, min(tallest, 4 * float(np.nanmax(densities.lines[1].get_ydata()))))
    place_legend_on_top(densities, share=0.3)
    _draw_ranking(efficiency, assessment)
    label_panels([densities, efficiency])
    return figure


def _draw_ranking(axes: Axes, assessment: KernelAssessment) -> None:
    """Rank the tabulated kernels and the assessed one by their efficiency in I(K)."""
    values = {_capitalise(name): efficiencies(KERNELS[name])[0] for name in TABLED}
    values["yours"] = float(assessment.efficiency)
    ordered = sorted(values.items(), key=lambda item: -item[1])
    heights = range(0, -len(ordered), -1)
    for (name, value), height in zip(ordered, heights, strict=True):
        ours = name == "yours"
        axes.hlines(height, 0, _PERCENT * value, color=PALE)
        axes.plot(_PERCENT * value, height, "D" if ours else "o", color=BLUE if ours else VERMILION)
        _annotate_value(axes, _PERCENT * value, height, f"{_PERCENT * value:.1f}")
    axes.set_yticks(heights, [name for name, _ in ordered])
    for tick, (name, _) in zip(axes.get_yticklabels(), ordered, strict=True):
        tick.set_fontweight("bold" if name == "yours" else "normal")
    axes.set(title="efficiency at equal variance, by $I(K)$", xlabel="efficiency (%)", xlim=(0, 116))


@apply_style
def kl_bound_figure(seed: int = 0, laws: int = 400) -> Figure:
    """Draw the least constant of Lemma 2.1 with the printed series, and the bound that needs no condition.

    ``laws`` random pairs of laws, generated from ``seed``, illustrate the second bound.
    """
    figure = create_figure(7.4, 3.4)
    constants, divergences = figure.subplots(1, 2)
    _draw_constants(constants)
    _draw_divergences(divergences, seed, laws)
    label_panels([constants, divergences])
    return figure


def _draw_constants(axes: Axes) -> None:
    bounds = np.linspace(1e-3, 1 - 1e-9, 400)
    sharp = sympy.lambdify(C, sharp_constant(C), "numpy")
    printed = (np.exp(bounds) - 1 - bounds) / bounds**2
    axes.axhline(1, color=GREEN, linestyle=":", label=r"1, which always serves")
    axes.plot(bounds, sharp(bounds), color=BLUE, label=r"least constant, $\phi(-C)$")
    axes.plot(bounds, printed, color=VERMILION, linestyle="--", label=r"equation (12): $\sum_{k \geq 2} C^{k-2}/k!$")
    # Laws on two points come close to the least constant, so it cannot be improved.
    places = np.linspace(0.05, 1 - 1e-9, 11)
    axes.plot(places, _two_point_ratio(places, 0.02), "kx", label="a law of two points")
    axes.set(xlim=(0, 1.02), ylim=(0.45, 1.05), xlabel=r"bound $C$ on $|q/p - 1|$")
    axes.set(ylabel=r"$\mathrm{KL}(q\,\|\,p)\ /\ \int (q - p)^2/p$", title="Lemma 2.1: the constant")
    axes.set_yticks(np.arange(0.5, 1.01, 0.1))
    place_legend_on_top(axes, share=0.45)


def _two_point_ratio(bounds: Array, other: float) -> Array:
    """Return KL over chi-square for the two-point law with mean 0 on which q/p - 1 is -C or ``other``."""
    deviations = np.stack([-bounds, np.full_like(bounds, other)])
    weights = np.stack([other / (bounds + other), bounds / (bounds + other)])
    divergence = sympy.lambdify(sympy.Symbol("u", real=True), divergence_density(sympy.Symbol("u", real=True)), "numpy")
    return (weights * divergence(deviations)).sum(0) / (weights * deviations**2).sum(0)


def _draw_divergences(axes: Axes, seed: int, laws: int) -> None:
    random = np.random.default_rng(seed)
    chi_square = np.geomspace(1e-2, 1e2, 200)
    axes.plot(chi_square, chi_square, color=GREEN, linestyle=":", label=r"$\chi^2$")
    axes.plot(chi_square, np.log1p(chi_square), color=BLUE, label=r"$\log(1 + \chi^2)$, the best bound")
    pairs = np.array([_random_pair(random) for _ in range(laws)])
    axes.plot(*pairs.T, ".", color=GREY, markersize=3, label="random pairs of laws", zorder=0)
    # q = p given an event of probability s attains log(1 + chi-square): KL = -log s and chi-square = 1/s - 1.
    shares = np.geomspace(0.011, 0.98, 9)
    axes.plot(1 / shares - 1, -np.log(shares), "kx", label="$q = p$ given an event")
    axes.set(xscale="log", yscale="log", xlim=(1e-2, 1e2), ylim=(3e-3, 20))
    axes.set(xlabel=r"$\chi^2 = \int (q - p)^2/p$", ylabel=r"$\mathrm{KL}(q\,\|\,p)$ (nats)")
    axes.set_title("no condition on $q/p$ is needed")
    axes.legend(loc="lower right")


def _random_pair(random: np.random.Generator) -> tuple[float, float]:
    """Return chi-square and KL of two laws on 2 to 12 points, from nearly equal to very different."""
    points = int(random.integers(2, 13))
    p = random.dirichlet(np.full(points, 0.7))
    q = p * np.exp(10 ** random.uniform(-1.2, 0.6) * random.standard_normal(points))
    q /= q.sum()
    return float(np.sum((q - p) ** 2 / p)), float(np.sum(q * np.log(q / p)))


@apply_style
def optimal_kernel_figure(seed: int = 0, rivals: int = 400) -> Figure:
    """Compare the roughness of the Epanechnikov kernel with that of other densities of the same variance.

    The others are two families, the named kernels, and ``rivals`` random densities generated from ``seed``, each
    constant on intervals.
    """
    figure = create_figure(7.4, 5.6)
    (beta, power), (named, random) = figure.subplots(2, 2)
    exponents = np.linspace(-0.3, 5, 213)
    _draw_family(
        beta, exponents, _beta_excess(exponents), {0: "uniform", 1: "Epanechnikov", 2: "biweight", 3: "triweight"}
    )
    _draw_limit_of_family(beta, exponents[-1], "gaussian", r"Gaussian, $q \to \infty$")
    beta.set(xlabel="$q$", title="the family $(1 - x^2)^q$")
    # The same for the second family, whose limit is the uniform kernel.
    exponents = np.geomspace(0.6, 16, 240)
    _draw_family(power, exponents, _power_excess(exponents), {1: "triangular", 2: "Epanechnikov"})
    _draw_limit_of_family(power, exponents[-1], "uniform", r"uniform, $p \to \infty$")
    power.set(xlabel="$p$", title="the family $1 - |x|^p$", xscale="log")
    power.set_xticks([1, 2, 4, 8, 16], ["1", "2", "4", "8", "16"])
    power.set_xticks([], minor=True)
    _draw_named_kernels(named)
    _draw_random_rivals(random, seed, rivals)
    label_panels([beta, power, named, random])
    return figure


def _draw_family(axes: Axes, parameters: Array, excesses: Array, named: Mapping[float, str]) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    axes.plot(parameters, excesses, color=BLUE)
    for parameter, name in named.items():
        height = float(np.interp(parameter, parameters, excesses))
        best = name == "Epanechnikov"
        axes.plot(parameter, height, "D" if best else "o", color=VERMILION if best else BLUE)
        # Place the label where it does not hide the curve: below a minimum, right of a descent, above an ascent.
        falls = np.interp(parameter + 0.1, parameters, excesses) < height
        place: dict[str, Any] = {"textcoords": "offset points", "ha": "left" if falls else "center", "fontsize": 8}
        axes.annotate(name, (parameter, height), (0, -13) if best else (7, 2) if falls else (0, 8), **place)
    axes.set(ylabel="$I(K)$ above the minimum (%)", ylim=(-1, 9.5))


def _draw_limit_of_family(axes: Axes, parameter: float, name: str, label: str) -> None:
    axes.axhline(_excess(name), color=GREY, linestyle="--", linewidth=0.9)
    place: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "fontsize": 8}
    axes.annotate(label, (parameter, _excess(name)), (0, 4), **place)


def _excess(name: str) -> float:
    """Return the excess of a kernel's I(K) over the minimum at equal variance, in percent."""
    table = roughness_table()
    return _PERCENT * (float(table[name] / table["epanechnikov"]) - 1)


def _beta_excess(exponents: Array) -> Array:
    """Return the excess for (1 - x^2)^q: I = B(1/2, 2q+1)/B(1/2, q+1)^2 with the beta function B, variance 1/(2q+3)."""
    roughness = beta_function(0.5, 2 * exponents + 1) / beta_function(0.5, exponents + 1) ** 2
    return _PERCENT * (roughness * np.sqrt(5 / (2 * exponents + 3)) / 0.6 - 1)


def _power_excess(exponents: Array) -> Array:
    """Return the excess for 1 - |x|^p, whose integral is 2p/(p+1) and second moment 2p/(3(p+3))."""
    p = exponents
    total = 2 * p / (p + 1)
    roughness = 2 * (1 - 2 / (p + 1) + 1 / (2 * p + 1)) / total**2
    variance = 2 * p / (3 * (p + 3)) / total
    return _PERCENT * (roughness * np.sqrt(5 * variance) / 0.6 - 1)


def _draw_named_kernels(axes: Axes) -> None:
    values = {name: _excess(name) for name in TABLED}
    heights = range(0, -len(values), -1)
    axes.hlines(heights, 0, list(values.values()), color=PALE)
    for (name, value), height in zip(values.items(), heights, strict=True):
        best = name == "epanechnikov"
        axes.plot(value, height, "D" if best else "o", color=VERMILION if best else BLUE)
        _annotate_value(axes, value, height, f"{value:.2f}")
    axes.set_yticks(heights, [_capitalise(name) for name in values])
    axes.set(xlabel="$I(K)$ above the minimum (%)", title="named kernels", xlim=(-0.4, 1.22 * max(values.values())))


def _draw_random_rivals(axes: Axes, seed: int, rivals: int) -> None:
    """Draw the ratio of I(K) - I(K*) to the squared distance from K*, which is at least 1."""
    random = np.random.default_rng(seed)
    distances, excesses = np.array([_random_rival(random) for _ in range(rivals)]).T
    axes.axhline(1, color=VERMILION, label=r"$I(K) - I(K^*) \geq \int (K - K^*)^2$")
    axes.plot(distances, excesses / distances, ".", color=BLUE, markersize=3, label="random densities")
    axes.set(xscale="log", title="random rivals of mean 0 and variance 1/5")
    axes.set(xlabel=r"distance $\int (K - K^*)^2$", ylabel=r"$(I(K) - I(K^*))\ /\ \int (K - K^*)^2$")
    axes.set_ylim(bottom=0.9)
    place_legend_on_top(axes, share=0.3)


def _random_rival(random: np.random.Generator) -> tuple[float, float]:
    """Return the squared distance from K* and the excess of I for a random density that is constant on intervals.

    The intervals are longer in the tails, and the density has mean 0 and variance 1/5. Both values are exact.
    """
    # Random intervals, and random probabilities of them around a power of a parabola.
    cells = int(random.integers(5, 40))
    grid = np.linspace(-1, 1, cells + 1)
    edges = grid * (1 + random.exponential(0.7) * grid**2)
    shape = np.maximum(1 - ((grid[1:] + grid[:-1]) / 2) ** 2, 0) ** random.uniform(0, 3)
    shares = shape * np.exp(10 ** random.uniform(-2, 0) * random.standard_normal(cells)) * np.diff(edges)
    shares /= shares.sum()
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    # Shift and scale to mean 0 and variance 1/5.
    mean = shares @ middles
    variance = shares @ (middles**2 + widths**2 / 12) - mean**2
    scale = float(np.sqrt(0.2 / variance))
    heights, edges, widths = shares / (scale * widths), scale * (edges - mean), scale * widths
    # The integrals of K^2, K K* and K*^2 (3/5) give the distance and the excess.
    roughness = float(np.sum(heights**2 * widths))
    product = float(heights @ np.diff(_primitive(edges)))
    return roughness - 2 * product + 0.6, roughness - 0.6


def _primitive(points: Array) -> Array:
    """Return the distribution function of the Epanechnikov kernel."""
    inside = np.clip(points, -1, 1)
    return np.asarray((2 + 3 * inside - inside**3) / 4, dtype=np.float64)


@apply_style
def many_dimensions_figure(largest: int = 128) -> Figure:
    """Compare the radial kernel with the product of Epanechnikov kernels in up to ``largest`` dimensions.

    By roughness and by KL, both at equal covariance; then the two criteria along the beta kernels, and the marginal
    densities of the two kernels.
    """
    figure = create_figure(7.4, 5.8)
    (roughness, divergence), (criteria, marginals) = figure.subplots(2, 2)
    dimensions = np.geomspace(1, largest, 200)
    _draw_over_dimensions(roughness, dimensions, lambda kernel: kernel.relative_roughness, "{:.3g}", normal=1)
    roughness.set(yscale="log", ylabel="roughness / that of the Gaussian", title=r"the paper's criterion, $\int K^2$")
    roughness.legend(loc="lower left")
    _draw_over_dimensions(divergence, dimensions, lambda kernel: kernel.normal_divergence, "{:.2f}", normal=0)
    divergence.set(ylabel="KL from the Gaussian (nats)", title="the criterion of the evidence lower bound, KL")
    divergence.legend(loc="upper left")
    _draw_beta_criteria(criteria)
    _draw_marginals(marginals)
    label_panels([roughness, divergence, criteria, marginals])
    return figure


def _draw_over_dimensions(
    axes: Axes, dimensions: Array, constant: Callable[[KernelConstants], sympy.Expr], form: str, normal: float
) -> None:
    """Draw a constant of both kernels over the dimension, with the values at the paper's dimensions."""
    d = sympy.Symbol("d", positive=True)
    kernels = (
        ("product, as EVAE's", product_epanechnikov(d), PURPLE, (0, (3, 1, 1, 1)), "s", "left"),
        ("radial", radial_epanechnikov(d), VERMILION, "-", "D", "right"),
    )
    for label, kernel, colour, dashes, marker, side in kernels:
        values = sympy.lambdify(d, constant(kernel), "scipy")
        axes.plot(dimensions, values(dimensions), color=colour, linestyle=dashes, label=label)
        paper = np.array(LATENT_DIMS, dtype=np.float64)
        axes.plot(paper, values(paper), marker, color=colour)
        # The upper curve is labelled on its right, the lower one below, where there is room for text.
        last, falls = (paper[-1], float(values(paper[-1]))), values(paper[-1]) < values(paper[0])
        place = (-3, -12) if side == "right" else (6, 2 if falls else -8)
        axes.annotate(form.format(last[1]), last, place, textcoords="offset points", ha=side, fontsize=8)
    axes.axhline(normal, color=BLUE, linestyle=(0, (5, 2)), label="Gaussian")
    axes.set(xscale="log", xlabel="latent dimensions $d$", xlim=(1, dimensions[-1]))
    ticks = [2**power for power in range(int(np.log2(dimensions[-1])) + 1)]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)


def _draw_beta_criteria(axes: Axes) -> None:
    """Draw both criteria of the beta kernels at variance 1, each above its least value."""
    a = sympy.Symbol("a", positive=True)
    kernel = symmetric_beta(a).rescale(1)
    shapes = np.geomspace(0.7, 64, 200)
    least = symmetric_beta(2).rescale(1).roughness
    renyi2 = _numerical_logarithms(sympy.log(kernel.roughness / least), a)
    axes.plot(shapes, renyi2(shapes), color=BLACK, linestyle="-.", label="Rényi of order 2: best at $a = 2$")
    divergence = _numerical_logarithms(kernel.normal_divergence, a)
    axes.plot(shapes, divergence(shapes), color=BLUE, label=r"KL: best as $a \to \infty$")
    for shape, name in ((1, "uniform"), (2, "Epanechnikov")):
        for values in (renyi2, divergence):
            axes.plot(shape, float(values(float(shape))), "o" if shape == 1 else "D", color=VERMILION)
        axes.annotate(name, (shape, float(divergence(float(shape)))), (6, 3), textcoords="offset points", fontsize=8)
    axes.axhline(0, color=GREY, linewidth=0.8, linestyle=":")
    axes.set(xscale="log", xlim=(0.7, 64), ylim=(-0.015, 0.3), xlabel="$a$", ylabel="nats above the least")
    axes.set_xticks([1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"])
    axes.set_xticks([], minor=True)
    axes.set_title("one dimension: kernels $(1 - u^2)^{a - 1}$")
    axes.legend(loc="upper right")


def _numerical_logarithms(expression: sympy.Expr, variable: sympy.Symbol) -> Callable[[Any], Any]:
    """Return an expression in logarithms of gamma functions, which overflow themselves, as a function of arrays."""
    expanded = sympy.expand_log(expression, force=True)
    logarithms = [one for one in expanded.atoms(sympy.log) if one.args[0].func is sympy.gamma]
    stable = expanded.xreplace({one: sympy.loggamma(one.args[0].args[0]) for one in logarithms})
    return sympy.lambdify(variable, stable, "scipy")


def _draw_marginals(axes: Axes) -> None:
    """Draw the density of a coordinate at variance 1: an Epanechnikov kernel, or a beta kernel of the radial one."""
    points = np.linspace(-3.6, 3.6, 601)
    styles = ((1, PURPLE, (0, (3, 1, 1, 1))), (8, SKY, (0, (1, 1))), (64, VERMILION, "-"))
    for dimension, colour, dashes in styles:
        # Integrating 1 - |u|^2 over the other coordinates leaves (1 - u^2)^((d + 1)/2), which is a beta kernel.
        reach = np.sqrt(dimension + 4)
        height = 1 / (reach * beta_function(0.5, (dimension + 3) / 2))
        values = height * np.maximum(1 - (points / reach) ** 2, 0) ** ((dimension + 1) / 2)
        label = "product, any $d$" if dimension == 1 else f"radial, $d = {dimension}$"
        axes.plot(points, values, color=colour, linestyle=dashes, label=label)
    normal = np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi)
    axes.plot(points, normal, color=BLUE, linestyle=(0, (5, 2)), label="Gaussian")
    axes.set(xlim=(-3.6, 3.6), xlabel="one coordinate (standard deviations)", ylabel="density")
    axes.set_title("marginal densities at variance 1")
    axes.set_ylim(0)
    place_legend_on_top(axes, share=0.35, columns=2)


@apply_style
def bandwidth_window_figure(rule: str = "m^-0.235", largest: int = 10**100) -> Figure:
    """Draw both sides of Theorem 3.1's window of bandwidths, with constants 1, for m from 3 to ``largest``.

    The window is empty where the lower side is the larger one. ``rule`` is a bandwidth rule to draw with it.
    """
    figure = create_figure(7.4, 3.5)
    absolute, relative = figure.subplots(1, 2)
    sizes = [max(3, round(10**exponent)) for exponent in np.linspace(np.log10(3), np.log10(float(largest)), 600)]
    sides = np.array([window_at(size) for size in sizes])
    values = np.array([bandwidth_named(rule).at(size) for size in sizes])
    # Left: the window itself. Right: relative to its upper side, where its width is visible.
    _draw_window(absolute, sizes, sides, values, rule)
    _draw_window(relative, sizes, sides / sides[:, 1:], values / sides[:, 1], rule)
    absolute.set(yscale="log", ylabel="bandwidth $b$", title="the window of Theorem 3.1")
    relative.set(ylabel=r"bandwidth $b\ /\ m^{-2/9}$", title="relative to its upper side", ylim=(0, None))
    place_legend_on_top(relative, share=0.5)
    label_panels([absolute, relative])
    return figure


def _draw_window(axes: Axes, sizes: Sequence[int], sides: Array, values: Array, rule: str) -> None:
    # Shade the window, hatched if open and pale if empty, and draw its sides and the rule.
    positions, (lower, upper) = np.array([float(size) for size in sizes]), sides.T
    # In the legend: the sizes for which the window is empty, as far as they are drawn.
    empty = [size for size, low, high in zip(sizes, lower, upper, strict=True) if low >= high]
    until = "" if empty[-1] == sizes[-1] else rf" to $10^{{{int(np.log10(float(empty[-1])))}}}$"
    label = f"empty, from $m$ = {_first_empty()}{until}"
    grey: dict[str, Any] = {"color": PALE, "linewidth": 0, "label": label}
    axes.fill_between(positions, lower, upper, where=lower >= upper, interpolate=True, **grey)
    hatched: dict[str, Any] = {"facecolor": "none", "edgecolor": GREEN, "hatch": "////", "linewidth": 0}
    axes.fill_between(positions, lower, upper, where=lower < upper, interpolate=True, label="open", **hatched)
    axes.plot(positions, upper, color=BLUE, label="upper side, $m^{-2/9}$")
    label = r"lower side, $m^{-1/4}(\log m)^{1/2}(\log\log m)^{1/4}$"
    axes.plot(positions, lower, color=VERMILION, linestyle="--", label=label)
    axes.plot(positions, values, color=BLACK, linestyle="-.", linewidth=1, label=format_bandwidth(rule))
    axes.set(xscale="log", xlabel="sample size $m$", xlim=(3, float(sizes[-1])))
    decades = 20 if sizes[-1] > 10**40 else 5
    axes.set_xticks([10.0**power for power in range(0, len(str(sizes[-1])), decades) if power > 0])
    axes.set_xticks([], minor=True)


def _first_empty() -> int:
    return next(size for size in range(3, 1000) if window_at(size)[0] >= window_at(size)[1])


@apply_style
def uniform_prior_figure(rules: Sequence[str] = ("m^-2/9", "m^-0.235", "m^-1/4"), largest: int = 10**8) -> Figure:
    """Draw E T_m against m at the theorem's bandwidths, for the uniform prior, where it diverges, and a normal density.

    The weight is 1/f on the support of the prior, as in the paper, and a window for the normal density.
    """
    figure = create_figure(7.4, 3.5)
    uniform, normal = figure.subplots(1, 2)
    sizes = sorted({round(size) for size in np.geomspace(100, largest, 31)})
    _draw_means(uniform, sizes, rules, *_uniform_means(sizes, rules))
    # The leading power of the squared bias explains the divergence.
    bias, bandwidth = _uniform_mean().squared_bias_term, bandwidth_named(rules[0])
    values = [float(bias.subs({m: size, b: bandwidth.at(size)})) for size in sizes]
    factor = sympy.Poly(bias, m, b).LC()
    label = rf"squared bias, ${factor.p}\,m\,b^2/{factor.q}$"
    uniform.plot(sizes, values, color=GREY, linestyle=(0, (1, 1)), label=label)
    uniform.set(yscale="log", title="uniform prior on $[-1, 1]$, weight $1/f$")
    uniform.legend(loc="upper left")
    means = {rule: [exact_mean(size, bandwidth=rule).total for size in sizes] for rule in rules}
    _draw_means(normal, sizes, rules, means, float(limit_mean()))
    normal.set(title="normal density, weight 1 on $[-2, 2]$")
    normal.legend(loc="lower right")
    label_panels([uniform, normal])
    return figure


@cache
def _uniform_mean() -> MeanExpression:
    return mean_expression("epanechnikov", "uniform:-1,1", "inverse-density:-1,1")


def _uniform_means(sizes: Sequence[int], rules: Iterable[str]) -> tuple[dict[str, list[float]], float]:
    total = _uniform_mean().total
    means = {
        rule: [float(total.subs({m: size, b: bandwidth_named(rule).at(size)})) for size in sizes] for rule in rules
    }
    return means, float(limit_mean("epanechnikov", "uniform:-1,1", "inverse-density:-1,1"))


def _draw_means(
    axes: Axes, sizes: Sequence[int], rules: Sequence[str], means: Mapping[str, Sequence[float]], limit: float
) -> None:
    styles = ((BLUE, "-"), (SKY, "-."), (GREEN, (0, (3, 1, 1, 1, 1, 1))))
    for rule, (colour, dashes) in zip(rules, styles, strict=False):
        axes.plot(sizes, means[rule], color=colour, linestyle=dashes, label=format_bandwidth(rule))
    axes.axhline(limit, color=VERMILION, linestyle="--", label=rf"limit, $I(K) \int\,f\,a$ = {limit:.4g}")
    axes.set(xscale="log", xlabel="sample size $m$", ylabel=r"$\mathrm{E}\,T_m$ (exact)")
