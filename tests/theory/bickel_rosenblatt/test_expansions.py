"""The leading terms of T_m's law, against the exact mean, quadrature and eigenvalues."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import sympy
from scipy.integrate import quad
from scipy.signal import fftconvolve
from scipy.stats import norm
from sympy import Rational, sqrt

from foundation.errors import InputError
from tests.support.examples import first
from theory.bickel_rosenblatt.expansions import _absolute_lag, _cycle, leading_skewness, leading_terms
from theory.bickel_rosenblatt.mean import exact_mean, limit_mean, limit_variance
from theory.bickel_rosenblatt.variance import exact_variance
from theory.densities import density_named, weight_named
from theory.densities.evaluation import numerical
from theory.kernels import BIWEIGHT, COSINE, EPANECHNIKOV, GAUSSIAN, TRIANGULAR, UNIFORM, Kernel, kernel_named


def test_the_constants_of_the_uniform_kernel_are_known() -> None:
    """C is the triangle (1 - |w| / 2) / 2 on [-2, 2]."""
    assert _absolute_lag(UNIFORM) == pytest.approx(2 * quad(lambda w: w * (0.5 - w / 4) ** 2, 0, 2)[0], rel=1e-14)
    # The density at its middle of the sum of six uniform variables on [-1, 1] is 11/40.
    assert _cycle(UNIFORM) == Rational(11, 40)


def test_the_constants_of_the_gaussian_kernel_are_known() -> None:
    assert _absolute_lag(GAUSSIAN) == pytest.approx(1 / (2 * math.pi), rel=1e-10)
    assert float(_cycle(GAUSSIAN)) == pytest.approx(1 / math.sqrt(12 * math.pi), rel=1e-15)


@pytest.mark.parametrize("kernel", [EPANECHNIKOV, COSINE, TRIANGULAR], ids=lambda kernel: kernel.name)
def test_the_constants_agree_with_characteristic_functions(kernel: Kernel) -> None:
    transforms: dict[str, Callable[[float], float]] = {
        "epanechnikov": lambda t: 3 * (math.sin(t) - t * math.cos(t)) / t**3,
        "cosine": lambda t: math.cos(t) * math.pi**2 / (math.pi**2 - 4 * t**2),
        "triangular": lambda t: 2 * (1 - math.cos(t)) / t**2,
    }
    transform = transforms[kernel.name]
    reference = quad(lambda t: transform(t) ** 6, 1e-3, 60, limit=400)[0] + 1e-3
    assert float(_cycle(kernel)) == pytest.approx(reference / math.pi, rel=1e-6)


@pytest.mark.parametrize("kernel", [COSINE, GAUSSIAN], ids=lambda kernel: kernel.name)
def test_a_closed_form_is_what_numerical_integration_finds(kernel: Kernel) -> None:
    """Moved and stretched, the kernel is no longer one with a closed form."""
    moved = kernel.transform(Rational(1, 3), sqrt(2))
    assert float(_cycle(moved) * sqrt(2)) == pytest.approx(float(_cycle(kernel)), rel=1e-9)
    assert _absolute_lag(moved) == pytest.approx(_absolute_lag(kernel), rel=1e-9)


def brute_force_skewness(kernel: str, density: str, weight: str, points: int = 4_001) -> float:
    """Return the leading skewness by sums over grids, with C and its convolutions by discrete convolution."""
    reach = 9.0 if kernel == "gaussian" else 1.0
    u = np.linspace(-reach, reach, points)
    step = u[1] - u[0]
    # A jump counts half, as in the trapezoid rule.
    k = numerical(kernel_named(kernel).pieces)(u)
    k[[0, -1]] /= 2
    c = fftconvolve(k, k[::-1]) * step
    twice = fftconvolve(c, c[::-1]) * step
    cycle, roughness = float(twice[c.size // 2 : -(c.size // 2)] @ c) * step, float(c @ c) * step
    f = density_named(density)
    a = weight_named(weight, f)
    lower, upper = f.bulk(1e-12) if a.is_one else map(float, a.support)
    x = lower + (np.arange(100_000) + 0.5) / 100_000 * (upper - lower)
    product = numerical(f.pieces)(x) * numerical(a.pieces)(x)
    second, third = (float(np.mean(product**power)) * (upper - lower) for power in (2, 3))
    return 8 * cycle * third / (2 * roughness * second) ** 1.5


@pytest.mark.parametrize(
    "kernel", first(2, ["epanechnikov", "gaussian", "uniform", "triangular", "triweight", "cosine"])
)
@pytest.mark.parametrize(
    ("density", "weight"),
    [
        ("normal", "window:-2,2"),
        ("logistic", "one"),
        ("laplace", "window:-1,3"),
        ("beta:3,4", "inverse-density:0.3,0.6"),
        ("uniform:-1,1", "inverse-density:-1,1"),
        ("mixture:0.3*normal(-1,0.5)+0.7*normal(1,1)", "window:-2,2"),
    ],
)
def test_the_leading_skewness_is_what_brute_force_finds(kernel: str, density: str, weight: str) -> None:
    exact = float(leading_skewness(kernel, density, weight))
    assert exact == pytest.approx(
        brute_force_skewness(kernel, density, weight), rel=1e-3 if kernel == "uniform" else 1e-5
    )
    assert exact == pytest.approx(leading_terms(kernel, density, weight).skewness, rel=1e-12)


def test_the_leading_skewness_of_the_standard_example_is_symbolic() -> None:
    value = leading_skewness()
    assert value.free_symbols == set()
    assert not value.has(sympy.Float, sympy.Integral)
    # The integral of the cubed normal density over [-2, 2], and the autocorrelation's triple convolution, a rational.
    cube = sympy.erf(sqrt(6)) / (2 * sqrt(3) * sympy.pi)
    cycle = EPANECHNIKOV.polynomial
    assert cycle is not None
    c = cycle.autocorrelation()
    triple = c.convolve(c.convolve(c))(Fraction(0))
    expected = 8 * Rational(triple.numerator, triple.denominator) * cube / limit_variance() ** Rational(3, 2)
    assert sympy.N(value - expected, 30) == pytest.approx(0, abs=1e-25)


def test_shifting_or_scaling_changes_the_leading_skewness_as_a_change_of_units_does() -> None:
    """T_m of a kernel K(u / s) / s at b is T_m of K at s b, and so is the skewness; a shift changes neither trace."""
    assert leading_skewness(BIWEIGHT.transform(Rational(1, 2), Rational(1))) == leading_skewness(BIWEIGHT)
    wider = leading_skewness(BIWEIGHT.transform(Rational(0), Rational(4)))
    assert sympy.simplify(wider / leading_skewness(BIWEIGHT)) == 2


@pytest.mark.parametrize("shift", [Rational(1, 4), Rational(-1, 2)])
def test_a_shifted_kernel_has_a_bias_of_first_order(shift: Rational) -> None:
    """The leading terms, of order m b^3, leave out a share of the exact mean and variance that is of order b."""
    kernel, window = EPANECHNIKOV.transform(shift, Rational(1)), "window:-1,2"
    terms = leading_terms(kernel, weight=window)
    assert (terms.bias_order, terms.variance_centring) == (1, None)
    for b in (0.02, 0.01):
        m = round(1e4 * b**-3)
        mean = exact_mean(m, kernel, weight=window, bandwidth=b).total - float(limit_mean(kernel, weight=window))
        assert terms.mean_difference(m, b) == pytest.approx(mean, rel=2 * b)
        variance = exact_variance(m, kernel, weight=window, bandwidth=b).total / b
        assert terms.variance_at(m, b) == pytest.approx(variance, rel=2 * b)
    assert (terms.quantile_at(0.5, 1e6, 0.1), terms.limit_distance_at(1e6, 0.1)) == (None, None)


@pytest.mark.parametrize("b", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("power", [-4.25, -5, -5.4])
def test_quantiles_and_distance_belong_to_the_edgeworth_expansion(b: float, power: float) -> None:
    terms, m = leading_terms(), b**power
    spread = math.sqrt(terms.limit_variance)
    shift = (terms.mean_difference(m, b) or 0.0) / math.sqrt(b) / spread
    z = np.linspace(-5, 5, 20_001)
    gap = norm.pdf(z) * (shift + terms.skewness_at(b) / 6 * (z**2 - 1))
    assert terms.limit_distance_at(m, b) == pytest.approx(np.abs(gap).max(), rel=1e-6)
    for level in (0.05, 0.5, 0.9):
        quantile = (terms.quantile_at(level, m, b) or 0.0) / spread
        correction = norm.pdf(quantile) * (shift + terms.skewness_at(b) / 6 * (quantile**2 - 1))
        assert norm.cdf(quantile) - correction == pytest.approx(level, abs=3 * b + 2 * shift**2)


@pytest.mark.parametrize(
    ("density", "weight"), [("normal", "window:-2,2"), ("logistic", "one"), ("beta:3,4", "inverse-density:0.3,0.6")]
)
@pytest.mark.parametrize("kernel", ["epanechnikov", "uniform"])
def test_what_the_mean_leaves_out_is_of_the_orders_stated(kernel: str, density: str, weight: str) -> None:
    """With m b^5 held fixed what is left out is of the order b^2 or higher: halving b divides it by 4 or more."""
    terms, remainders = leading_terms(kernel, density, weight), []
    for b in (0.04, 0.02, 0.01):
        m = round(0.1 * b**-5)
        difference = exact_mean(m, kernel, density, weight, b).total - float(limit_mean(kernel, density, weight))
        remainders.append(abs(difference - (terms.mean_difference(m, b) or 0.0)))
    assert remainders[0] < 0.05 * 0.04 * terms.product + 40 * 0.04**2
    for coarse, fine in pairwise(remainders):
        assert coarse / fine > 2.8


def operator_traces(b: float, halfwidth: float = 2.0, points: int = 800) -> tuple[float, float]:
    """Return the traces of the square and the cube of the operator of T_m's quadratic form, for the standard example.

    Its kernel is G(t, s) = b Cov(K_b(t - X), K_b(s - X)) on the window, which has the same eigenvalues, on a grid.
    """
    t = (np.arange(points) + 0.5) / points * 2 * halfwidth - halfwidth
    x = np.linspace(-halfwidth - b, halfwidth + b, 4 * points)
    f = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) * (x[1] - x[0])
    u = (t[:, None] - x) / b
    kernel = np.where(np.abs(u) < 1, 0.75 * (1 - u**2), 0.0) / b
    mean = kernel @ f
    covariance = b * ((kernel * f) @ kernel.T - np.outer(mean, mean)) * (t[1] - t[0])
    eigenvalues = np.linalg.eigvalsh(covariance)
    return float(np.sum(eigenvalues**2)), float(np.sum(eigenvalues**3))


def test_variance_and_skewness_are_those_of_the_quadratic_form() -> None:
    """For m to infinity at a fixed b, T_m is a weighted sum of squares of normal variables, the weights eigenvalues."""
    terms = leading_terms()
    assert terms.variance_centring is not None
    for b in (0.2, 0.1):
        square, cube = operator_traces(b)
        centring = 2 * square / b - terms.limit_variance
        assert centring == pytest.approx(b * terms.variance_centring, rel=0.01)
        skewness = 8 * cube / (2 * square) ** 1.5
        assert skewness == pytest.approx(terms.skewness_at(b), rel=0.3 * b)


def test_the_variance_falls_further_where_the_weight_ends_on_much_density() -> None:
    """The narrow window loses a third of the term without it: the ends of the weight count."""
    terms = leading_terms(weight="window:-0.5,0.5")
    assert terms.variance_centring is not None
    square, _ = operator_traces(0.05, halfwidth=0.5)
    observed = (2 * square / 0.05 - terms.limit_variance) / 0.05
    assert terms.variance_centring == pytest.approx(observed, rel=0.06)


def test_the_bias_adds_the_variance_of_its_linear_term() -> None:
    terms = leading_terms(weight="window:-1,2")

    def weighted(power: int) -> float:
        def integrand(x: float) -> float:
            f = math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
            return ((x**2 - 1) * f) ** power * f

        return float(quad(integrand, -1, 2)[0])

    assert terms.variance_bias == pytest.approx((weighted(2) - weighted(1) ** 2) / 25, rel=1e-10)


def test_where_f_is_rough_the_terms_with_its_second_derivative_do_not_exist() -> None:
    for density, weight in (("laplace", "window:-1,1"), ("uniform:-1,1", "one"), ("beta:2,2", "window:0,0.5")):
        terms = leading_terms(density=density, weight=weight)
        assert (terms.squared_bias, terms.variance_centring, terms.variance_bias) == (None, None, None)
        assert terms.mean_difference(100, 0.1) is None
        assert terms.variance_at(100, 0.1) is None
    assert leading_terms(density="laplace", weight="window:0.5,1").squared_bias is not None


def test_a_density_that_vanishes_where_the_weight_does_not_is_refused() -> None:
    with pytest.raises(InputError, match="excludes a limit law"):
        leading_terms(weight="window:900,901")
