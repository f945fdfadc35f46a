"""The leading terms of T_m's law, against the exact mean, quadrature and eigenvalues."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad

from foundation.errors import InputError
from theory.bickel_rosenblatt.expansions import _autocorrelation_constants, leading_terms
from theory.bickel_rosenblatt.mean import exact_mean, limit_mean
from theory.kernels import COSINE, EPANECHNIKOV, GAUSSIAN, TRIANGULAR, UNIFORM, Kernel


def test_the_constants_of_the_uniform_kernel_are_known() -> None:
    """C is the triangle (1 - |w| / 2) / 2 on [-2, 2]."""
    lag, triple = _autocorrelation_constants(UNIFORM)
    assert lag == pytest.approx(2 * quad(lambda w: w * (0.5 - w / 4) ** 2, 0, 2)[0], rel=1e-14)
    # The density at its middle of the sum of six uniform variables on [-1, 1] is 11/40.
    assert triple == pytest.approx(11 / 40, rel=1e-15)


def test_the_constants_of_the_gaussian_kernel_are_known() -> None:
    lag, triple = _autocorrelation_constants(GAUSSIAN)
    assert lag == pytest.approx(1 / (2 * math.pi), rel=1e-10)
    assert triple == pytest.approx(1 / math.sqrt(12 * math.pi), rel=1e-10)


@pytest.mark.parametrize("kernel", [EPANECHNIKOV, COSINE, TRIANGULAR], ids=lambda kernel: kernel.name)
def test_the_constants_agree_with_characteristic_functions(kernel: Kernel) -> None:
    transforms: dict[str, Callable[[float], float]] = {
        "epanechnikov": lambda t: 3 * (math.sin(t) - t * math.cos(t)) / t**3,
        "cosine": lambda t: math.cos(t) * math.pi**2 / (math.pi**2 - 4 * t**2),
        "triangular": lambda t: 2 * (1 - math.cos(t)) / t**2,
    }
    transform = transforms[kernel.name]
    reference = quad(lambda t: transform(t) ** 6, 1e-3, 60, limit=400)[0] + 1e-3
    assert _autocorrelation_constants(kernel)[1] == pytest.approx(reference / math.pi, rel=1e-6)


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
