"""The exact mean of T_m against 30-digit arithmetic, its limits against closed forms."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import pairwise, product

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from mpmath.calculus.quadrature import GaussLegendre
from sympy import Rational, erf, exp, oo, pi, sqrt

from foundation.errors import InputError
from foundation.types import Array
from tests.support.examples import each_slow, examples
from theory.bickel_rosenblatt import mean as mean_module
from theory.bickel_rosenblatt.mean import exact_mean, limit_mean, limit_variance, theorem_conditions
from theory.densities.density import Density, probability
from theory.densities.families import NORMAL, density_named, mixture
from theory.densities.weights import Weight, weight_named, window
from theory.kernels import EPANECHNIKOV, GAUSSIAN, KERNELS, Kernel, Piece, kernel_named, x

PUBLISHED = {
    "m^-0.235": (0.4784478376319, 0.5177454036465, 0.5407631302338, 0.5541551571634),
    "m^-2/9": (0.4730433724881, 0.5129439960248, 0.5370259455076, 0.5514470527907),
}
"""E T_m at m = 10^2, ..., 10^5 for the normal density, the window [-2, 2] and the Epanechnikov kernel."""

DIGITS = 60

TWO_PEAKS = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"


@pytest.mark.parametrize("bandwidth", PUBLISHED)
def test_the_exact_mean_is_the_known_value_to_twelve_digits(bandwidth: str) -> None:
    for power, value in enumerate(PUBLISHED[bandwidth], start=2):
        assert exact_mean(10**power, bandwidth=bandwidth).total == pytest.approx(value, abs=1e-12)


def test_the_three_terms_are_the_known_values() -> None:
    mean = exact_mean(10_000)
    assert mean.variance_term == pytest.approx(0.5725777846, abs=1e-10)
    assert mean.product_term == pytest.approx(0.0321931158, abs=1e-10)
    assert mean.squared_bias_term == pytest.approx(3.784614e-4, abs=1e-10)


def test_a_wide_window_gives_the_known_value_of_the_whole_line() -> None:
    assert exact_mean(10_000, weight="window:-40,40").total == pytest.approx(0.5680749566134, abs=1e-12)


@cache
def gauss_rule() -> list[tuple[mpf, mpf]]:
    with mp.workdps(DIGITS):
        rule: list[tuple[mpf, mpf]] = GaussLegendre(mp).calc_nodes(degree=4, prec=mp.prec)
        return rule


def integral(function: Callable[[mpf], mpf], lower: mpf, upper: mpf) -> mpf:
    """Integrate a smooth function on panels of at most 1/2 with 24 Gauss nodes each."""
    panels = int(mp.ceil(2 * (upper - lower)))
    half = (upper - lower) / (2 * panels)
    centres = [lower + (2 * i + 1) * half for i in range(panels)]
    return half * mp.fsum(
        weight * function(centre + half * node) for centre in centres for node, weight in gauss_rule()
    )


def smoothed_normal(kernel: Kernel, power: int, bandwidth: mpf) -> Callable[[mpf], mpf]:
    """Return x -> integral of K(u)^power phi(x - b u) du in closed form, by the normal's incomplete moments.

    The moments J_k of y^k phi(y) over an interval obey J_k = (k - 1) J_{k-2} - [y^(k-1) phi(y)].
    """
    (piece,) = kernel.pieces
    ascending = sympy.Poly(piece.density**power, x).all_coeffs()[::-1]
    coefficients = [mpf(int(c.p)) / int(c.q) for c in ascending]

    def evaluate(point: mpf) -> mpf:
        lower, upper = point - bandwidth, point + bandwidth
        moments = [mp.ncdf(upper) - mp.ncdf(lower), mp.npdf(lower) - mp.npdf(upper)]
        for k in range(2, len(coefficients)):
            edge = upper ** (k - 1) * mp.npdf(upper) - lower ** (k - 1) * mp.npdf(lower)
            moments.append((k - 1) * moments[k - 2] - edge)
        # u^k = ((x - y) / b)^k, expanded in y.
        return mp.fsum(
            c / bandwidth ** (k + 1) * mp.binomial(k, j) * point ** (k - j) * (-1) ** j * moments[j]
            for k, c in enumerate(coefficients)
            for j in range(k + 1)
        )

    return evaluate


@settings(max_examples=examples(25), deadline=None)
@given(
    m=st.integers(1, 10**6),
    b=st.floats(-3, 1).map(lambda power: 10.0**power),
    ends=st.tuples(st.integers(-400, 400), st.integers(1, 500)),
    name=st.sampled_from(["epanechnikov", "uniform", "biweight", "triweight"]),
)
def test_the_exact_mean_agrees_with_closed_forms_in_sixty_digits(
    m: int, b: float, ends: tuple[int, int], name: str
) -> None:
    lower, upper = Rational(ends[0], 100), Rational(ends[0] + ends[1], 100)
    mean = exact_mean(m, name, "normal", window(lower, upper), b)
    with mp.workdps(DIGITS):
        smoothed = smoothed_normal(kernel_named(name), 1, mpf(b))
        squared = smoothed_normal(kernel_named(name), 2, mpf(b))
        start, end = mpf(ends[0]) / 100, mpf(ends[0] + ends[1]) / 100
        variance = integral(squared, start, end)
        product = mpf(b) * integral(lambda point: smoothed(point) ** 2, start, end)
        squared_bias = m * mpf(b) * integral(lambda point: (smoothed(point) - mp.npdf(point)) ** 2, start, end)
        expected = variance - product + squared_bias
    assert mean.variance_term == pytest.approx(float(variance), rel=1e-12)
    assert mean.product_term == pytest.approx(float(product), rel=1e-12)
    assert mean.squared_bias_term == pytest.approx(float(squared_bias), rel=1e-9, abs=1e-12 * float(variance))
    assert mean.total == pytest.approx(float(expected), rel=1e-11)


@pytest.mark.parametrize("b", [0.01, 0.3, 2.0, 500.0])
def test_the_gaussian_kernel_gives_the_convolution_of_two_normals(b: float) -> None:
    """K_b * f is N(0, 1 + b^2), and A integrates a scaled N(0, 1 + b^2 / 2)."""
    mean = exact_mean(50, "gaussian", "normal", "window:-1,3", b)
    with mp.workdps(30):
        spread = mp.sqrt(1 + mpf(b) ** 2 / 2)
        variance = (mp.ncdf(3 / spread) - mp.ncdf(-1 / spread)) / (2 * mp.sqrt(mp.pi))
        product = b * mp.quad(lambda y: mp.npdf(y, 0, mp.sqrt(1 + mpf(b) ** 2)) ** 2, [-1, 0, 1, 2, 3])
    assert mean.variance_term == pytest.approx(float(variance), rel=1e-12)
    assert mean.product_term == pytest.approx(float(product), rel=1e-12)


def test_knots_of_the_density_split_the_quadrature() -> None:
    """On its own support [-1, 1] the uniform density with a = 2 has the boundary bias (33/560) m b^2."""
    ends = sympy.Integer(-1), sympy.Integer(1)
    uniform = Density("uniform", (Piece(*ends, Rational(1, 2)),), (1 + x) / 2, 2 * probability - 1)
    weight = Weight("two", (Piece(*ends, sympy.Integer(2)),))
    for m, value in ((100, 1.5751486), (1000, 3.6940536), (10_000, 10.881779), (100_000, 36.436701)):
        mean = exact_mean(m, EPANECHNIKOV, uniform, weight, "m^-2/9")
        assert mean.total == pytest.approx(value, rel=1e-7)
        b = m ** (-2 / 9)
        assert mean.squared_bias_term == pytest.approx(33 / 560 * m * b**2, rel=1e-12)


def test_the_uniform_density_under_its_reciprocal_has_the_figures_on_record() -> None:
    for bandwidth, values in (
        ("m^-2/9", (1.5751486, 3.6940536, 10.881779, 36.436701)),
        ("m^-0.235", (1.510502947, 3.270658867, 8.836122028, 27.44447197)),
    ):
        for power, value in enumerate(values, start=2):
            mean = exact_mean(10**power, "epanechnikov", "uniform:-1,1", "inverse-density:-1,1", bandwidth)
            assert mean.total == pytest.approx(value, rel=5e-8 if bandwidth == "m^-2/9" else 5e-10)


def numerical(pieces: tuple[Piece, ...]) -> Callable[[mpf], mpf]:
    functions = [(real(p.lower), real(p.upper), sympy.lambdify(x, p.density, "mpmath")) for p in pieces]
    return lambda point: next((f(point) for low, high, f in functions if low <= point <= high), mpf(0))


def real(value: sympy.Expr) -> mpf:
    return mpf(str(float(value))) if value.is_infinite else mpf(int(value.p)) / int(value.q)


def reference_mean(m: int, kernel: Kernel, density: Density, weight: Weight, b: mpf) -> tuple[mpf, mpf, mpf]:
    """Return A, B and C in 30 digits from their definitions, every interval split where an integrand changes."""
    k, f, a = (numerical(thing.pieces) for thing in (kernel, density, weight))
    knots = [real(piece.lower) for piece in kernel.pieces] + [real(kernel.support[1])]
    changes = [real(knot) for knot in density.knots]
    graded = [real(knot) + sign * mpf(4) ** -j for knot in density.rough_knots for sign in (-1, 1) for j in range(1, 9)]
    near = changes + [point for point in graded if 0 < point < 1]

    def integrands(point: mpf) -> tuple[mpf, mpf, mpf]:
        inside = {(point - change) / b for change in near}
        edges = sorted({*knots, *(u for u in inside if knots[0] < u < knots[-1])})
        total = [mpf(0)] * 3
        for start, end in pairwise(edges):
            for node, share in gauss_rule():
                u = (start + end) / 2 + (end - start) / 2 * node
                value, factor = f(point - b * u), k(u) * share * (end - start) / 2
                for i, term in enumerate((k(u) * value, value, value - f(point))):
                    total[i] += factor * term
        return total[0] * a(point), b * total[1] ** 2 * a(point), m * b * total[2] ** 2 * a(point)

    lower, upper = (real(end) for end in weight.support)
    smoothed = {change + b * knot for change in near for knot in (*knots, 0)}
    inner = {point for point in (*smoothed, *map(real, weight.knots)) if lower < point < upper}
    edges = sorted({lower, upper, *inner})
    sums = [mpf(0)] * 3
    for start, end in pairwise(edges):
        for node, share in gauss_rule():
            terms = integrands((start + end) / 2 + (end - start) / 2 * node)
            sums = [total + share * (end - start) / 2 * term for total, term in zip(sums, terms, strict=True)]
    return sums[0], sums[1], sums[2]


def assert_agreement(m: int, kernel: str, density: Density, weight: str, b: float) -> None:
    mean = exact_mean(m, kernel, density, weight, b)
    with mp.workdps(30):
        expected = reference_mean(m, kernel_named(kernel), density, weight_named(weight, density), mpf(b))
        total = expected[0] - expected[1] + expected[2]
    assert mean.total == pytest.approx(float(total), rel=1e-12)
    parts = (mean.variance_term, mean.product_term, mean.squared_bias_term)
    assert parts == pytest.approx(tuple(map(float, expected)), rel=1e-9, abs=1e-12 * float(expected[0]))


@pytest.mark.parametrize(
    ("density", "weight"),
    [
        ("normal", "inverse-density:-0.5,1"),
        ("logistic", "window:-0.5,1"),
        ("logistic", "inverse-density:-0.25,0.25"),
        ("laplace", "window:-0.5,0.25"),
        ("laplace", "inverse-density:-0.5,0.25"),
        ("uniform:-1,1/3", "window:-2,1"),
        ("uniform:-1,1/3", "inverse-density:-1,0"),
        ("beta:2,3", "window:-1,1"),
        ("beta:1,2", "inverse-density:0,1/2"),
        ("beta:0.5,0.5", "inverse-density:0.45,0.55"),
        (TWO_PEAKS, "window:-0.5,0.25"),
        (TWO_PEAKS, "inverse-density:-0.25,0.5"),
        *(("t:3,0.25", "window:-0.5,1"), ("cauchy:0,2", "window:-1,0.5"), ("gumbel", "inverse-density:-0.5,0.5")),
        *(("exponential:1/2", "window:-1,1"), ("gamma:2,1/4", "window:0,1"), ("pareto:2,1/4", "window:0,1")),
        *(("weibull:2,1/2", "window:0.5,1"), ("lognormal:0,1/2", "window:0.5,1")),
        ("mixture:0.5*normal(0,1)+0.5*uniform(-1,0)", "window:-0.5,0.25"),
        *each_slow([("beta:2.5,2", "window:-0.5,0.25")]),
    ],
)
def test_every_density_and_weight_agrees_with_thirty_digit_arithmetic(density: str, weight: str) -> None:
    assert_agreement(1000, "epanechnikov", density_named(density), weight, 0.2)


@settings(max_examples=examples(5), deadline=None)
@given(
    kernel=st.sampled_from(["epanechnikov", "triangular", "biweight"]),
    weight=st.integers(1, 9),
    means=st.tuples(st.integers(-10, 10), st.integers(-10, 10)),
    spreads=st.tuples(st.integers(3, 12), st.integers(3, 12)),
    b=st.floats(0.05, 0.5),
)
def test_any_mixture_agrees_with_thirty_digit_arithmetic(
    kernel: str, weight: int, means: tuple[int, int], spreads: tuple[int, int], b: float
) -> None:
    w = Rational(weight, 10)
    components = [(w, Rational(means[0], 10), Rational(spreads[0], 10))]
    components.append((1 - w, Rational(means[1], 10), Rational(spreads[1], 10)))
    assert_agreement(500, kernel, mixture(*components), "window:-0.25,0.25", b)


@pytest.mark.parametrize(
    ("kernel", "density"),
    [
        *product(["epanechnikov"], ["normal", "laplace", "uniform:-1,1", "beta:1.5,1.2"]),
        ("gaussian", TWO_PEAKS),
        *each_slow(product(["gaussian"], ["normal", "logistic", "laplace", "uniform:-1,1", "beta:1.5,1.2"])),
        *each_slow(product(["epanechnikov"], ["logistic", TWO_PEAKS])),
    ],
)
def test_the_weight_one_is_a_window_wide_enough(density: str, kernel: str) -> None:
    everywhere, wide = (exact_mean(10_000, kernel, density, weight) for weight in ("one", "window:-60,60"))
    assert everywhere.variance_term == pytest.approx(float(kernel_named(kernel).roughness), rel=1e-13)
    assert everywhere.total == pytest.approx(wide.total, rel=1e-12)


def test_the_weight_one_has_the_figure_on_record() -> None:
    assert exact_mean(10_000, weight="one").total == pytest.approx(0.5680749566134, abs=1e-12)


def test_a_bandwidth_far_wider_than_the_density_is_covered_by_the_weight_one() -> None:
    """K_b * f is all but K_b: B tends to I(K), and C to m (I(K) - 2 b f-mass K(0)/b + b int f^2)."""
    mean = exact_mean(1, weight="one", bandwidth=300)
    squared = 300 / (2 * float(sqrt(pi)))
    assert mean.product_term == pytest.approx(0.6, rel=1e-4)
    assert mean.squared_bias_term == pytest.approx(0.6 - 2 * 0.75 + squared, rel=1e-6)


def smoothed_beta(p: mpf, q: mpf, kernel: Kernel, power: int, bandwidth: mpf) -> Callable[[mpf], mpf]:
    """Return x -> integral of K(u)^power f(x - b u) du for the beta density, by its incomplete moments."""
    (piece,) = kernel.pieces
    coefficients = [mpf(int(c.p)) / int(c.q) for c in sympy.Poly(piece.density**power, x).all_coeffs()[::-1]]

    def evaluate(point: mpf) -> mpf:
        lower, upper = max(mpf(0), point - bandwidth), min(mpf(1), point + bandwidth)
        moments = [mp.betainc(p + k, q, lower, upper) / mp.beta(p, q) for k in range(len(coefficients))]
        return mp.fsum(
            c / bandwidth ** (k + 1) * mp.binomial(k, j) * point ** (k - j) * (-1) ** j * moments[j]
            for k, c in enumerate(coefficients)
            for j in range(k + 1)
        )

    return evaluate


@pytest.mark.parametrize(
    ("shape", "ends", "b", "name"),
    [
        (("0.7", "0.9"), ("0.2", "0.6"), "0.3", "epanechnikov"),
        (("0.5", "0.5"), ("0.1", "0.9"), "0.3", "uniform"),
        *each_slow(
            [(("0.2", "3"), ("0.05", "1"), "0.1", "biweight"), (("2", "0.3"), ("0", "0.9"), "0.25", "triweight")]
        ),
    ],
)
def test_poles_within_reach_of_the_kernel_are_integrated(
    shape: tuple[str, str], ends: tuple[str, str], b: str, name: str
) -> None:
    mean = exact_mean(100, name, f"beta:{','.join(shape)}", f"window:{','.join(ends)}", float(b))
    with mp.workdps(20):
        (p, q), width = map(mpf, shape), mpf(b)
        smoothed, squared = (smoothed_beta(p, q, kernel_named(name), power, width) for power in (1, 2))
        lower, upper = map(mpf, ends)
        cuts = sorted({lower, upper, *(cut for cut in (width, 1 - width) if lower < cut < upper)})
        variance = mp.quad(squared, cuts)
        product = width * mp.quad(lambda point: smoothed(point) ** 2, cuts)
        squared_bias = (100 * width) * mp.quad(
            lambda point: (smoothed(point) - point ** (p - 1) * (1 - point) ** (q - 1) / mp.beta(p, q)) ** 2, cuts
        )
    assert mean.variance_term == pytest.approx(float(variance), rel=1e-11)
    assert mean.product_term == pytest.approx(float(product), rel=1e-11)
    assert mean.squared_bias_term == pytest.approx(float(squared_bias), rel=1e-10)


def test_a_density_unbounded_within_the_weights_support_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"bounded within the weight's support, but beta:0\.5,2 is unbounded at 0"):
        exact_mean(100, density="beta:0.5,2", weight="window:0,1", bandwidth=0.2)
    with pytest.raises(InputError, match=r"beta:2,0\.5 is unbounded at 1"):
        exact_mean(100, density="beta:2,0.5", weight="one", bandwidth=0.2)


def test_a_tail_that_nothing_describes_is_refused_by_name() -> None:
    cauchy = Density(
        "cauchy", (Piece(-oo, oo, 1 / (pi * (1 + x**2))),), x, sympy.tan(pi * (probability - Rational(1, 2)))
    )
    with pytest.raises(InputError, match="the tail of cauchy is unknown"):
        exact_mean(100, density=cauchy, weight="one")


def test_the_error_estimate_is_honest_and_small() -> None:
    mean = exact_mean(1000)
    assert abs(mean.total - PUBLISHED["m^-0.235"][1]) < 1e-13 + mean.error < 1e-12


def test_a_kernel_that_is_neither_compact_nor_gaussian_is_refused_by_name() -> None:
    half_line = Kernel("exponential", (Piece(sympy.Integer(0), oo, sympy.exp(-x)),))
    with pytest.raises(InputError, match="compact support, or be Gaussian or logistic, got exponential"):
        exact_mean(100, half_line)


def test_an_unbounded_weight_is_refused_by_name() -> None:
    everywhere = Weight("two", (Piece(-oo, oo, sympy.Integer(2)),))
    with pytest.raises(InputError, match="vanish outside a bounded interval or be one, got two"):
        exact_mean(100, weight=everywhere)


def test_an_m_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="m must be a positive whole number, got 0"):
        exact_mean(0)


def test_the_limits_are_the_theorems_integrals() -> None:
    assert limit_mean() == Rational(3, 5) * erf(sqrt(2))
    assert sympy.simplify(limit_variance() - 2 * Rational(167, 385) * erf(2) / (2 * sqrt(pi))) == 0
    assert float(limit_mean()) == pytest.approx(0.57269984166218, abs=1e-14)
    assert float(limit_variance()) == pytest.approx(0.24358162558669, abs=1e-14)


@pytest.mark.parametrize("kernel", KERNELS.values())
def test_the_limit_mean_of_every_kernel_is_the_exact_mean_at_a_tiny_bandwidth(kernel: Kernel) -> None:
    assert exact_mean(1, kernel, bandwidth=1e-6).total == pytest.approx(float(limit_mean(kernel)), abs=1e-6)


@pytest.mark.parametrize(
    ("density", "weight", "mean", "square"),
    [
        ("normal", "one", 1, 1 / (2 * sqrt(pi))),
        ("logistic", "one", 1, Rational(1, 6)),
        ("laplace", "window:-1,1", 1 - exp(-1), (1 - exp(-2)) / 4),
        ("uniform:-1,1", "inverse-density:-1,1", 2, 2),
        ("uniform:0,4", "window:1,9", Rational(3, 4), Rational(3, 16)),
        ("beta:2,2", "window:-5,5", 1, Rational(6, 5)),
        ("beta:2,2", "window:0,1/2", Rational(1, 2), Rational(3, 5)),
        ("beta:0.5,0.5", "window:0,1/2", Rational(1, 2), oo),
        (TWO_PEAKS, "one", 1, (1 + exp(-4)) / (2 * sqrt(pi))),
        (TWO_PEAKS, "inverse-density:-3,1", 4, 4),
        ("laplace", "inverse-density:-1,2", 3, 3),
    ],
)
def test_the_limits_are_exact(density: str, weight: str, mean: sympy.Expr | int, square: sympy.Expr | int) -> None:
    assert agree(limit_mean(density=density, weight=weight), Rational(3, 5) * mean)
    variance = limit_variance(density=density, weight=weight)
    assert variance == oo if square == oo else agree(variance, Rational(334, 385) * square)


def agree(left: sympy.Expr, right: sympy.Expr) -> bool:
    return bool(abs(sympy.N(left - right, 40)) < 1e-38)


@pytest.mark.parametrize("density", ["logistic", "laplace", "beta:2.5,1.5", "beta:0.5,0.5", TWO_PEAKS])
def test_the_limits_are_the_integrals_in_thirty_digits(density: str) -> None:
    f = numerical(density_named(density).pieces)
    with mp.workdps(30):
        mean, square = (mp.quad(lambda point, n=n: f(point) ** n, [0.25, 0.5, 0.75]) for n in (1, 2))
    assert float(limit_mean(density=density, weight="window:0.25,0.75")) == pytest.approx(0.6 * float(mean), rel=1e-14)
    variance = float(limit_variance(density=density, weight="window:0.25,0.75"))
    assert variance == pytest.approx(2 * 167 / 385 * float(square), rel=1e-14)


def test_the_limits_scale_with_the_square_of_the_weight() -> None:
    double = Weight("two", (Piece(sympy.Integer(-2), sympy.Integer(2), sympy.Integer(2)),))
    assert limit_mean(weight=double) == 2 * limit_mean()
    assert sympy.simplify(limit_variance(weight=double) - 4 * limit_variance()) == 0


def test_the_leading_terms_of_the_mean_are_those_of_the_expansion() -> None:
    """E T_m = I int f a - b int f^2 a + O(b^2): dividing b by ten divides what is left by a hundred."""
    left = []
    for b in (Fraction(1, 100), Fraction(1, 1000)):
        product = float(b) * float(erf(2) / (2 * sqrt(pi)))
        left.append(exact_mean(1, bandwidth=float(b)).total - float(limit_mean()) + product)
    assert left[0] / left[1] == pytest.approx(100, rel=0.05)


def test_the_default_choice_meets_every_condition_of_the_theorem() -> None:
    conditions = theorem_conditions()
    assert all(condition.holds for condition in conditions)
    assert {condition.statement.split(":")[0] for condition in conditions} == {
        "A1",
        "A2",
        "A3",
        "A4",
        "weight",
        "bandwidth",
    }


@pytest.mark.parametrize(
    ("density", "weight", "broken"),
    [
        ("logistic", "inverse-density:-2,2", set()),
        (TWO_PEAKS, "window:-1,1", set()),
        ("laplace", "window:-2,2", {"A4"}),
        ("uniform:-1,1", "inverse-density:-1,1", {"A2", "A3", "A4"}),
        ("normal", "one", {"weight"}),
    ],
)
def test_the_conditions_of_every_choice_are_decided(density: str, weight: str, broken: set[str]) -> None:
    conditions = theorem_conditions(density=density, weight=weight)
    assert {c.statement.split(":")[0] for c in conditions if not c.holds} == broken


def test_the_papers_own_bandwidth_breaks_the_upper_rate_alone() -> None:
    broken = [c.statement for c in theorem_conditions(GAUSSIAN, NORMAL, "window:-2,2", "m^-2/9") if not c.holds]
    assert broken == ["bandwidth: b = o(m^(-2/9))"]


CAUCHY = Density(
    "cauchy",
    (Piece(-oo, oo, 1 / (pi * (1 + x**2))),),
    Rational(1, 2) + sympy.atan(x) / pi,
    survival=Rational(1, 2) - sympy.atan(x) / pi,
)
GAMMA = Density(
    "gamma",
    (Piece(sympy.Integer(0), oo, x * exp(-x)),),
    1 - (1 + x) * exp(-x),
    survival=(1 + x) * exp(-x),
)


@pytest.mark.parametrize(
    ("density", "squared_transform"),
    [(CAUCHY, lambda t: mp.exp(-2 * t)), (GAMMA, lambda t: (1 + t**2) ** -2)],
    ids=["cauchy", "gamma"],
)
def test_the_mean_of_densities_with_long_tails_is_that_of_their_characteristic_functions(
    density: Density, squared_transform: Callable[[mpf], mpf]
) -> None:
    """By Parseval, with the weight 1: 99.99 % of the Cauchy density lie within 6,400, its table reaches to 10^21."""
    m, b = 50, 50**-0.235

    def kernel(t: mpf) -> mpf:
        s = b * t
        return 3 * (mp.sin(s) - s * mp.cos(s)) / s**3 if s > 1e-4 else 1 - s**2 / 10

    def integral(function: Callable[[mpf], mpf]) -> float:
        places = [*range(41), *(40 * 2**k for k in range(1, 12)), mp.inf]
        return float(mp.quad(lambda t: function(kernel(t)) * squared_transform(t), places) / mp.pi)

    mean = exact_mean(m, density=density, weight="one")
    assert mean.variance_term == pytest.approx(0.6, rel=1e-12)
    assert mean.product_term == pytest.approx(b * integral(lambda k: k**2), rel=1e-9)
    assert mean.squared_bias_term == pytest.approx(m * b * integral(lambda k: (k - 1) ** 2), rel=1e-8)


def test_a_mean_is_refused_after_a_limited_number_of_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    terms = mean_module._Problem.terms

    def recorded(problem: mean_module._Problem, panels: int, order: int) -> Array:
        tried.append(panels)
        return terms(problem, panels, order)

    monkeypatch.setattr(mean_module._Problem, "terms", recorded)
    monkeypatch.setattr(mean_module, "MANY_PANELS", 2)
    monkeypatch.setattr(mean_module, "MOST_EVALUATIONS", 1_000_000)
    # No two orders of quadrature agree to all digits.
    monkeypatch.setattr(mean_module, "RELATIVE_TOLERANCE", -1.0)
    with pytest.raises(InputError, match=r"E T_m must be known to .* in place of logistic that is smooth"):
        exact_mean(100, density="logistic", weight="one")
    assert sorted(set(tried)) == [1, 2]
