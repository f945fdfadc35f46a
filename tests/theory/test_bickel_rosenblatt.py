"""The exact mean of T_m against 30-digit arithmetic, its limits against closed forms."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from mpmath.calculus.quadrature import GaussLegendre
from sympy import Rational, erf, oo, pi, sqrt

from theory.bickel_rosenblatt import exact_mean, limit_mean, limit_variance, theorem_conditions
from theory.densities import NORMAL, Density, Weight, probability, window
from theory.errors import InputError
from theory.kernels import EPANECHNIKOV, GAUSSIAN, KERNELS, Kernel, Piece, kernel_named, x

PUBLISHED = {
    "m^-0.235": (0.4784478376319, 0.5177454036465, 0.5407631302338, 0.5541551571634),
    "m^-2/9": (0.4730433724881, 0.5129439960248, 0.5370259455076, 0.5514470527907),
}
"""E T_m at m = 10^2, ..., 10^5 for the normal density, the window [-2, 2] and the Epanechnikov kernel."""
DIGITS = 60


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


@settings(max_examples=25, deadline=None)
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


def test_the_error_estimate_is_honest_and_small() -> None:
    mean = exact_mean(1000)
    assert abs(mean.total - PUBLISHED["m^-0.235"][1]) < 1e-13 + mean.error < 1e-12


def test_a_kernel_that_is_neither_compact_nor_gaussian_is_refused_by_name() -> None:
    half_line = Kernel("exponential", (Piece(sympy.Integer(0), oo, sympy.exp(-x)),))
    with pytest.raises(InputError, match="compact support or the gaussian, not exponential"):
        exact_mean(100, half_line)


def test_an_unbounded_weight_is_refused_by_name() -> None:
    everywhere = Weight("one", (Piece(-oo, oo, sympy.Integer(1)),))
    with pytest.raises(InputError, match="vanishes outside a bounded interval, not one"):
        exact_mean(100, weight=everywhere)


def test_an_m_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="m must be a positive whole number, got 0"):
        exact_mean(0)


def test_the_limits_are_the_theorems_integrals() -> None:
    assert limit_mean() == Rational(3, 5) * erf(sqrt(2))
    assert sympy.simplify(limit_variance() - 2 * Rational(167, 385) * erf(2) / (2 * sqrt(pi))) == 0
    assert float(limit_mean()) == pytest.approx(0.57269984166218, abs=1e-14)
    assert float(limit_variance()) == pytest.approx(0.24358162558669, abs=1e-14)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_the_limit_mean_of_every_kernel_is_the_exact_mean_at_a_tiny_bandwidth(kernel: Kernel) -> None:
    assert exact_mean(1, kernel, bandwidth=1e-6).total == pytest.approx(float(limit_mean(kernel)), abs=1e-6)


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
    assert {condition.name.split(":")[0] for condition in conditions} == {"A1", "A2", "A3", "A4", "weight", "bandwidth"}


def test_the_papers_own_bandwidth_breaks_the_upper_rate_alone() -> None:
    broken = [c.name for c in theorem_conditions(GAUSSIAN, NORMAL, "window:-2,2", "m^-2/9") if not c.holds]
    assert broken == ["bandwidth: b = o(m^(-2/9))"]
