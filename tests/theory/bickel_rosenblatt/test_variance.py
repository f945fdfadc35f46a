"""The exact variance of T_m against its definition, closed forms, grids, and its own invariances."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from sympy import Rational, oo, pi

from foundation.errors import InputError
from foundation.types import Array
from tests.support.examples import examples, first
from theory.bickel_rosenblatt import interactions
from theory.bickel_rosenblatt.expansions import leading_terms
from theory.bickel_rosenblatt.interactions import Coefficients, Quadrature, Setting
from theory.bickel_rosenblatt.mean import exact_mean, limit_variance
from theory.bickel_rosenblatt.variance import exact_variance
from theory.densities.density import Density, probability
from theory.densities.evaluation import numerical
from theory.densities.families import density_named, mixture, normal
from theory.densities.weights import Weight, weight_named, window
from theory.kernels import KERNELS, Kernel, Piece, kernel_named, x

TWO_PEAKS = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.1)"


def test_the_standard_example_has_the_figures_on_record() -> None:
    """Standardised variances from simulations with 200,000 replicates, whose standard error is about 0.001."""
    for m, value in ((10**2, 0.172), (10**3, 0.202), (10**4, 0.219), (10**5, 0.230)):
        assert exact_variance(m).total / m**-0.235 == pytest.approx(value, abs=1e-3)


# Against the definition, for one and two observations


def rule(edges: set[float], lower: float, upper: float, nodes: int, parts: int) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights between all edges in [lower, upper], each interval in equal parts."""
    inside = sorted({lower, upper, *(edge for edge in edges if lower < edge < upper)})
    ends = np.unique(np.concatenate([np.linspace(*pair, parts + 1) for pair in pairwise(inside)]))
    points, weights = np.polynomial.legendre.leggauss(nodes)
    halves = np.diff(ends)[:, None] / 2
    return (ends[:-1, None] + halves * (1 + points)).ravel(), (halves * weights).ravel()


def variance_by_definition(m: int, kernel: str, density: str, weight: str, b: float) -> float:
    """Return Var T_m for one or two observations, as the variance of the integral in the definition of T_m."""
    f, a, k = density_named(density), weight_named(weight, density), kernel_named(kernel)
    pdf, factor, function = (numerical(thing.pieces) for thing in (f, a, k))
    knots = [float(piece.lower) for piece in k.pieces] + [float(k.support[1])]
    lags = {b * (one - other) for one, other in product(knots, repeat=2)}
    fixed = {float(knot) for knot in (*f.knots, *a.knots)}
    if f.components:
        fixed |= {float(place + step * scale) for place, scale in f.landmarks for step in (-4, -2, 0, 2, 4)}
    low, high = (float(end) for end in a.support)
    start, end = f.bulk(1e-17)
    moved = {*map(float, f.knots), *(point - b * knot for point, knot in product(fixed, knots))}

    def statistic(*sample: float) -> float:
        edges = fixed | {observation + b * knot for observation, knot in product(sample, knots)}
        points, lengths = rule(edges, low, high, 20, 2)
        estimate = sum(function((points - observation) / b) / b for observation in sample) / m
        return float(m * b * lengths @ ((estimate - pdf(points)) ** 2 * factor(points)))

    first, masses = rule(
        moved | {point + lag for point, lag in product(moved, lags)}, start, end, 12, 2 if m > 1 else 6
    )
    masses = masses * pdf(first)
    if m == 1:
        values = np.array([statistic(observation) for observation in first])
        return float(masses @ (values - masses @ values) ** 2)
    moments = np.zeros((2, first.size))
    for i, observation in enumerate(first):
        second, shares = rule(moved | {observation + lag for lag in lags}, start, end, 8, 1)
        values = np.array([statistic(observation, other) for other in second])
        moments[:, i] = [(shares * pdf(second)) @ values**power for power in (1, 2)]
    mean, square = moments @ masses
    return float(square - mean**2)


@pytest.mark.parametrize(
    ("kernel", "density", "weight", "b"),
    first(
        3,
        [
            ("epanechnikov", "normal", "inverse-density:-1,2", 3.0),
            ("triangular", "laplace", "window:-0.5,2", 0.7),
            ("uniform", "uniform:0,1", "window:-0.2,0.8", 0.3),
            ("epanechnikov", "normal", "window:-2,2", 0.4),
            ("biweight", "beta:2,3", "inverse-density:0.1,0.9", 0.2),
            ("cosine", "logistic", "window:-1,3", 1.5),
            ("triweight", TWO_PEAKS, "window:0,2", 1.6),
        ],
    ),
)
def test_the_variance_of_one_observation_is_that_of_its_statistic(
    kernel: str, density: str, weight: str, b: float
) -> None:
    expected = variance_by_definition(1, kernel, density, weight, b)
    assert exact_variance(1, kernel, density, weight, b).total == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("kernel", "density", "weight", "b"),
    [
        ("epanechnikov", "uniform:0,1", "window:0,1", 0.6),
        pytest.param("uniform", "beta:1,2", "window:0.25,1", 0.3, marks=pytest.mark.slow),
    ],
)
def test_the_variance_of_two_observations_is_that_of_their_statistic(
    kernel: str, density: str, weight: str, b: float
) -> None:
    expected = variance_by_definition(2, kernel, density, weight, b)
    assert exact_variance(2, kernel, density, weight, b).total == pytest.approx(expected, rel=1e-9)


# Against closed forms


def gaussian_coefficients(b: mpf) -> list[mpf]:
    """Return the coefficients for the Gaussian kernel, the normal density and the weight 1.

    The interaction of two observations less its means is the normal density of variance 2 b^2 at their distance.
    """

    def at_zero(variance: mpf) -> mpf:
        return 1 / mp.sqrt(2 * mp.pi * variance)

    def mean_product(u: mpf, v: mpf) -> mpf:
        """Integrate the product of centred normal densities of variances u, v and 1."""
        return at_zero(u) * at_zero(v) / mp.sqrt(1 + 1 / u + 1 / v)

    smooth, once = 2 * b**2 + 1, b**2 + 1
    square = at_zero(b**2 + 2) * at_zero(2 * b**2) / mp.sqrt(2)
    projection = at_zero(smooth + 1)
    spread = mean_product(smooth, smooth) - projection**2
    bias = projection - at_zero(once + 1)
    variance_of_bias = (
        mean_product(smooth, smooth) - 2 * mean_product(smooth, once) + mean_product(once, once) - bias**2
    )
    covariance = mean_product(smooth, smooth) - mean_product(smooth, once) - projection * bias
    pairs = square - 2 * mean_product(smooth, smooth) + projection**2
    return [b**2 * value for value in (2 * pairs, 4 * spread, 4 * variance_of_bias, -8 * covariance)]


@settings(max_examples=examples(12), deadline=None)
@given(power=st.floats(-4, 3), m=st.integers(1, 10**12))
def test_the_gaussian_kernel_on_the_whole_line_has_a_closed_form(power: float, m: int) -> None:
    """Whatever the bandwidth: also where all kernels are nearly the same, and the variance is tiny."""
    b = 10.0**power
    found = exact_variance(m, "gaussian", "normal", "one", b)
    with mp.workdps(60):
        expected = Coefficients(*map(float, gaussian_coefficients(mpf(b))))
    assert found.total == pytest.approx(sum(expected.at(m)), rel=2e-10)
    assert found.coefficients.pairs == pytest.approx(expected.pairs, rel=2e-10)
    assert found.coefficients.diagonal == pytest.approx(expected.diagonal, rel=2e-8)
    assert found.coefficients.bias == pytest.approx(expected.bias, rel=2e-8)
    assert found.coefficients.cross == pytest.approx(expected.cross, rel=2e-8)


def test_the_uniform_kernel_on_one_cell_has_the_variance_of_a_count() -> None:
    """b = 1/2 and the window [0, 1/100]: f_m counts observations in [-1/2, 1/2], but for those near its ends."""
    b, m, width = 0.5, 50, 1e-7
    share = float(sympy.erf(Rational(1, 2) / sympy.sqrt(2)))
    f = 1 / math.sqrt(2 * math.pi)
    # T_m = m b width (N / m - f)^2 with a binomial N, whose central moments are known.
    second, third = m * share * (1 - share), m * share * (1 - share) * (1 - 2 * share)
    fourth = second * (1 + 3 * (m - 2) * share * (1 - share))
    shift = m * (share - f)
    variance = (fourth - second**2 + 4 * shift * third + 4 * shift**2 * second) * (b * width / m) ** 2
    window_at_zero = window(-Rational(1, 2 * 10**7), Rational(1, 2 * 10**7))
    assert exact_variance(m, "uniform", "normal", window_at_zero, b).total == pytest.approx(variance, rel=1e-6)


def test_a_statistic_that_is_constant_has_no_variance() -> None:
    """Every uniform kernel is 1/2 throughout the window."""
    assert exact_variance(1000, "uniform", "uniform:0,0.01", "window:0,0.01", 0.3).total == 0.0


# Against matrices on grids


def grid_coefficients(kernel: str, density: str, weight: str, b: float, points: int = 700) -> Coefficients:
    """Return the coefficients by the midpoint rule, with E h^2 as the squared covariances of the kernels at pairs."""
    f, a = density_named(density), weight_named(weight, density)
    lower, upper = f.bulk(1e-12)
    low, high = (lower - b, upper + b) if a.is_one else (float(end) for end in a.support)
    at = low + (np.arange(points) + 0.5) * (high - low) / points
    observations = lower + (np.arange(4 * points) + 0.5) * (upper - lower) / (4 * points)
    masses = numerical(f.pieces)(observations)
    masses /= masses.sum()
    kernels = numerical(kernel_named(kernel).pieces)((at[:, None] - observations) / b) / b
    means = kernels @ masses
    centred = kernels - means[:, None]
    weights = numerical(a.pieces)(at) * (high - low) / points
    covariances = (centred * masses) @ centred.T
    diagonal = weights @ centred**2
    diagonal -= masses @ diagonal
    bias = (weights * (means - numerical(f.pieces)(at))) @ centred
    return Coefficients(
        *(
            b**2 * float(value)
            for value in (
                2 * weights @ covariances**2 @ weights,
                masses @ diagonal**2,
                4 * masses @ bias**2,
                4 * masses @ (diagonal * bias),
            )
        )
    )


@pytest.mark.parametrize(
    ("kernel", "density", "weight", "b"),
    [
        ("epanechnikov", "normal", "window:-2,2", 0.4),
        ("epanechnikov", "normal", "window:-2,2", 3.0),
        ("triangular", "logistic", "window:-1,2", 1.5),
        ("gaussian", "normal", "window:-1,2", 0.4),
        ("epanechnikov", "laplace", "inverse-density:-1,2", 0.5),
        ("biweight", "beta:2,3", "window:0.1,0.9", 0.2),
        ("cosine", TWO_PEAKS, "one", 0.6),
        ("epanechnikov", "beta:1.5,2.5", "one", 0.3),
    ],
)
def test_every_coefficient_agrees_with_a_fine_grid(kernel: str, density: str, weight: str, b: float) -> None:
    found = exact_variance(100, kernel, density, weight, b).coefficients
    assert found == pytest.approx(grid_coefficients(kernel, density, weight, b), rel=2e-3)


def test_the_mean_squared_interaction_is_the_integral_of_squared_covariances() -> None:
    """E h(X, Y)^2 is the double integral of C(x, y)^2 a(x) a(y), with C the covariance of the kernels at x and y."""
    b, edge = 2.5, 9.5
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half, total = (1 + nodes) / 2, 0.0
    for at, weight in zip(-2 + 4 * half, 2 * weights, strict=True):
        for other, share in zip(at + (2 - at) * half, (2 - at) * weights / 2, strict=True):
            points, lengths = rule({at - b, at + b, other - b, other + b}, -edge, edge, 20, 3)
            masses = lengths * np.exp(-(points**2) / 2) / math.sqrt(2 * math.pi)
            one, two = (np.maximum(0.75 * (1 - ((points - place) / b) ** 2), 0) / b for place in (at, other))
            total += 2 * weight * share * (masses @ ((one - masses @ one) * (two - masses @ two))) ** 2
    found = exact_variance(100, bandwidth=b).coefficients.pairs
    assert found == pytest.approx(2 * b**2 * total, rel=1e-11)


# Invariances


@st.composite
def mixtures(draw: st.DrawFn) -> list[tuple[Rational, Rational, Rational]]:
    """Draw the components of a mixture, whose scales may differ by a factor of a thousand."""
    shares = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
    means = [Rational(draw(st.integers(-200, 200)), 100) for _ in shares]
    scales = [Rational(10 ** draw(st.integers(0, 3)), 1000) for _ in shares]
    return [(Rational(w, sum(shares)), mean, scale) for w, mean, scale in zip(shares, means, scales, strict=True)]


COMPACT = [name for name, kernel in KERNELS.items() if kernel.has_compact_support]


@settings(max_examples=examples(5), deadline=None)
@given(
    components=mixtures(),
    kernel=st.sampled_from([*COMPACT, "gaussian"]),
    ends=st.none() | st.tuples(st.integers(-30, 10), st.integers(1, 30)),
    power=st.floats(-2, 0.5),
)
def test_the_reference_does_not_matter(
    components: list[tuple[Rational, Rational, Rational]], kernel: str, ends: tuple[int, int] | None, power: float
) -> None:
    density = mixture(*components)
    weight = weight_named("one") if ends is None else window(Rational(ends[0], 10), Rational(sum(ends), 10))
    found = exact_variance(50, kernel, density, weight, 10.0**power)
    for reference in (None, 0.37):
        setting = Setting(kernel_named(kernel), density, weight, 10.0**power)
        setting.__dict__["reference"] = reference
        other = Quadrature(setting, 12).coefficients()
        assert sum(other.at(50)) == pytest.approx(found.total, rel=1e-8)


@settings(max_examples=examples(5), deadline=None)
@given(
    components=mixtures(),
    kernel=st.sampled_from([*COMPACT, "gaussian"]),
    power=st.floats(-2, 1),
    scale=st.integers(-12, 12).map(lambda exponent: Rational(2) ** exponent),
    shift=st.integers(-(10**6), 10**6),
)
def test_the_variance_does_not_depend_on_units_and_origin(
    components: list[tuple[Rational, Rational, Rational]], kernel: str, power: float, scale: Rational, shift: int
) -> None:
    b, m = 10.0**power, 1000
    found = exact_variance(m, kernel, mixture(*components), window(-1, 2), b)
    moved = mixture(*((w, scale * mean + shift, scale * deviation) for w, mean, deviation in components))
    there = window(shift - scale, shift + 2 * scale)
    other = exact_variance(m, kernel, moved, there, float(scale) * b)
    assert other.total == pytest.approx(found.total, rel=1e-9)


def test_a_reflected_setting_has_the_same_variance() -> None:
    lopsided = Kernel("ramp", (Piece(sympy.Integer(-1), sympy.Integer(2), 2 * (2 - x) / 9),))
    reflected = Kernel("ramp", (Piece(sympy.Integer(-2), sympy.Integer(1), 2 * (2 + x) / 9),))
    one = exact_variance(30, lopsided, "beta:2,3", "window:0.1,0.6", 0.2)
    other = exact_variance(30, reflected, "beta:3,2", "window:0.4,0.9", 0.2)
    assert one.total == pytest.approx(other.total, rel=1e-10)


@pytest.mark.parametrize("density", ["normal", "logistic", "laplace", "uniform:-1,1", "beta:2,2", TWO_PEAKS])
@pytest.mark.parametrize("kernel", ["epanechnikov", "gaussian"])
def test_the_weight_one_is_a_window_wide_enough(density: str, kernel: str) -> None:
    everywhere, wide = (exact_variance(100, kernel, density, weight).total for weight in ("one", "window:-60,60"))
    assert everywhere == pytest.approx(wide, rel=1e-10)


def test_a_weight_that_is_doubled_doubles_the_statistic() -> None:
    double = Weight("two", (Piece(sympy.Integer(-2), sympy.Integer(2), sympy.Integer(2)),))
    assert exact_variance(100, weight=double).total == pytest.approx(4 * exact_variance(100).total, rel=1e-13)


# Limits


@pytest.mark.parametrize(
    ("kernel", "density", "weight"),
    [
        ("epanechnikov", "normal", "window:-2,2"),
        ("gaussian", "normal", "window:-1,2"),
        ("triangular", "logistic", "one"),
        ("uniform", "normal", "inverse-density:-1,1"),
        ("biweight", "beta:3,4", "inverse-density:0.3,0.6"),
    ],
)
def test_the_coefficients_have_the_leading_terms_of_the_expansion(kernel: str, density: str, weight: str) -> None:
    """Pairs give V + b times the term of centring, the bias b^5 times that of its own, up to smaller terms."""
    terms = leading_terms(kernel, density, weight)
    assert terms.variance_centring is not None
    assert terms.variance_bias is not None
    left = []
    for b in (1e-3, 5e-4):
        found = exact_variance(10**6, kernel, density, weight, b).coefficients
        left.append(found.pairs / b - float(limit_variance(kernel, density, weight)) - b * terms.variance_centring)
        assert found.bias / b**6 == pytest.approx(terms.variance_bias, rel=5e-3)
    # What is left is of the order b^2.
    assert left[0] / left[1] == pytest.approx(4, rel=0.05)


def test_the_variance_of_the_standard_example_falls_by_0_2107_b() -> None:
    b = 1e-4
    change = (exact_variance(10**12, bandwidth=b).total / b - float(limit_variance())) / b
    assert change == pytest.approx(-0.2107, abs=1e-4)


# Accuracy and cost


@pytest.mark.parametrize(
    ("kernel", "density", "weight", "b"),
    [
        ("epanechnikov", "normal", "window:-2,2", 1.5e-3),
        ("epanechnikov", "normal", "window:-2,2", 100.0),
        ("gaussian", "normal", "one", 1e3),
        ("epanechnikov", "uniform:0,0.01", "one", 0.2),
        ("epanechnikov", "normal", "inverse-density:-8,8", 0.34),
        ("triangular", "mixture:0.5*normal(0,1)+0.5*normal(0.1,0.001)", "one", 0.34),
        pytest.param("epanechnikov", "beta:1.1,2.5", "one", 0.3, marks=pytest.mark.slow),
        ("epanechnikov", "normal", "window:8,9", 0.34),
    ],
)
def test_many_more_nodes_change_the_variance_by_less_than_is_promised(
    kernel: str, density: str, weight: str, b: float
) -> None:
    found = exact_variance(100, kernel, density, weight, b)
    f = density_named(density)
    more = Quadrature(Setting(kernel_named(kernel), f, weight_named(weight, f), b), 28).coefficients()
    assert found.error <= 1e-9 * found.total
    assert found.total == pytest.approx(sum(more.at(100)), rel=1e-9)


def test_the_small_spread_of_a_narrow_uniform_density_has_the_figures_on_record() -> None:
    """U(0, 0.01) at m = 1,000 and the default bandwidth: mean 18824.5539 and standard deviation 0.0005."""
    assert exact_mean(1000, density="uniform:0,0.01").total == pytest.approx(18824.5539, abs=1e-4)
    assert math.sqrt(exact_variance(1000, density="uniform:0,0.01").total) == pytest.approx(0.00049, abs=1e-5)


def test_another_m_at_the_same_bandwidth_needs_no_integrals(monkeypatch: pytest.MonkeyPatch) -> None:
    found = exact_variance(100, bandwidth=0.125)
    expected = exact_variance(10**6, bandwidth=0.125).total
    monkeypatch.delattr(Quadrature, "coefficients")
    assert found.at(10**6).total == expected
    assert found.total == pytest.approx(sum(found.terms))
    assert found.terms.pairs == pytest.approx(0.99 * found.coefficients.pairs)
    with pytest.raises(InputError, match="m must be a positive whole number"):
        found.at(0)


# What is refused


def test_what_the_exact_mean_refuses_is_refused_by_name() -> None:
    half_line = Kernel("exponential", (Piece(sympy.Integer(0), oo, sympy.exp(-x)),))
    with pytest.raises(InputError, match="compact support, or be Gaussian or logistic, got exponential"):
        exact_variance(100, half_line)
    with pytest.raises(InputError, match="vanish outside a bounded interval or be one, got two"):
        exact_variance(100, weight=Weight("two", (Piece(-oo, oo, sympy.Integer(2)),)))
    with pytest.raises(InputError, match=r"beta:0\.5,2 is unbounded at 0"):
        exact_variance(100, density="beta:0.5,2", weight="window:0.1,1", bandwidth=0.2)
    with pytest.raises(InputError, match="must be at least 1,024 times the spacing of doubles"):
        exact_variance(100, density=normal(10**9, Rational(1, 10**5)))
    with pytest.raises(InputError, match="m must be a positive whole number, got 0"):
        exact_variance(0)
    assert exact_variance(100, density="beta:0.5,2", weight="window:0.3,1", bandwidth=0.2).total > 0


def test_a_tail_that_nothing_describes_is_refused_by_name_and_needs_no_description_under_a_window() -> None:
    distribution = Rational(1, 2) + sympy.atan(x) / pi
    cauchy = Density(
        "cauchy", (Piece(-oo, oo, 1 / (pi * (1 + x**2))),), distribution, sympy.tan(pi * (probability - Rational(1, 2)))
    )
    with pytest.raises(InputError, match="the tail of cauchy is unknown"):
        exact_variance(100, density=cauchy, weight="one")
    found = exact_variance(1, density=cauchy, weight="window:-1,2", bandwidth=0.5)
    observations, masses = rule({-1.5, -0.5, 1.5, 2.5}, -3.0, 3.0, 20, 4)
    masses = masses / math.pi / (1 + observations**2)
    values = np.empty_like(observations)
    for i, observation in enumerate(observations):
        points, lengths = rule({observation - 0.5, observation + 0.5}, -1.0, 2.0, 20, 4)
        estimate = np.maximum(0.75 * (1 - ((points - observation) / 0.5) ** 2), 0) / 0.5
        values[i] = 0.5 * lengths @ (estimate - 1 / math.pi / (1 + points**2)) ** 2
    # Beyond 3 no kernel reaches the window.
    outside = 1 - masses.sum()
    mean = masses @ values + outside * values[0]
    assert found.total == pytest.approx(masses @ (values - mean) ** 2 + outside * (values[0] - mean) ** 2, rel=1e-9)


def test_a_variance_that_rounding_hides_is_refused() -> None:
    with pytest.raises(InputError, match=r"two orders of quadrature differ .* Choose a smooth kernel and a bandwidth"):
        exact_variance(100, bandwidth=1e7)


def test_a_setting_of_too_many_nodes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interactions, "MOST_EVALUATIONS", 1000)
    with pytest.raises(InputError, match="at most 1,000 evaluations, but the narrow parts of normal take more"):
        exact_variance(100, bandwidth=0.123)


def test_a_density_whose_narrow_part_is_not_named_is_refused() -> None:
    """The quadrature passes over a part of scale 1e-9 that neither a landmark nor a quantile shows."""
    bumps = mixture((Rational(999, 1000), 0, 1), (Rational(1, 1000), 3, Rational(1, 10**9)))
    hidden = Density(
        "hidden",
        bumps.pieces,
        bumps.distribution,
        survival=bumps.survival,
        squared_distribution=bumps.squared_distribution,
    )
    with pytest.raises(InputError, match="the landmarks of its narrow parts"):
        exact_variance(100, density=hidden, weight="window:2.5,3.5", bandwidth=0.5)


@pytest.mark.parametrize("density", ["lognormal", "lognormal:0,2", "scipy:invgauss(0.5)"])
def test_rules_of_two_orders_agree_where_a_density_vanishes_faster_than_any_power(density: str) -> None:
    f = density_named(density)
    coarse, fine = (
        Quadrature(Setting(kernel_named("epanechnikov"), f, weight_named("one", f), 0.4), order) for order in (20, 32)
    )
    nodes = fine.projected.nodes(2)
    values = fine.project_bias(nodes)
    assert np.abs(coarse.project_bias(nodes) - values).max() <= 1e-11 * np.abs(values).max()
