"""The Gaussian and the logistic kernel: how they are recognised, and their moments by independent quadrature."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import sympy
from mpmath import mp, mpf
from scipy.integrate import quad

from foundation.errors import InputError
from foundation.types import Array
from theory.bickel_rosenblatt.expansions import leading_skewness, leading_terms
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.variance import exact_variance
from theory.kernels import GAUSSIAN, LOGISTIC, Kernel, Piece, kernel_named, x
from theory.unbounded_kernels import UnboundedForm, logistic_autocorrelation, unbounded_form


def on_the_line(formula: str) -> Kernel:
    return kernel_named(f"expression:{formula},-oo,oo")


@pytest.mark.parametrize(
    ("formula", "form"),
    [
        ("1/(4*cosh(x/2)**2)", ("logistic", 0, 1)),
        ("exp(x)/(1+exp(x))**2", ("logistic", 0, 1)),
        ("1/(8*cosh((x-1)/4)**2)", ("logistic", 1, 2)),
        ("exp(-(x-1)**2/8)/sqrt(8*pi)", ("gaussian", 1, 2)),
        ("exp(-abs(x))/2", None),
        ("1/(pi*(1+x**2))", None),
        ("1/(pi*cosh(x))", None),
    ],
)
def test_a_kernel_is_recognised_by_its_density(formula: str, form: tuple[str, int, int] | None) -> None:
    found = unbounded_form(on_the_line(formula))
    assert found == (None if form is None else UnboundedForm(form[0], *map(sympy.Integer, form[1:])))


def test_a_function_that_solves_the_same_equation_with_a_pole_is_not_logistic() -> None:
    pole = Kernel("pole", (Piece(-sympy.oo, sympy.oo, 1 / (4 * sympy.sinh(x / 2) ** 2)),))
    assert unbounded_form(pole) is None


def test_the_autocorrelation_has_sixteen_digits_at_any_lag() -> None:
    lags = [0.0, 1e-300, 1e-8, 1e-3, 0.1, 0.5, math.nextafter(1, 0), 1.0, -1.5, 3.0, 10.0, 40.0, -300.0, 700.0]
    with mp.workdps(60):
        exact = [
            mpf(1) / 6 if abs(u) < 1e-12 else (u * mp.coth(u / 2) - 2) / (4 * mp.sinh(u / 2) ** 2)
            for u in map(mpf, lags)
        ]
        found = map(mpf, logistic_autocorrelation(np.array(lags)).tolist())
        assert all(abs(one / other - 1) < 1e-15 for one, other in zip(found, exact, strict=True))


@pytest.mark.parametrize("order", [0, 1, 2, 7])
def test_derivatives_are_those_of_the_density(order: int) -> None:
    form = unbounded_form(LOGISTIC.transform(sympy.Rational(1, 3), sympy.Rational(3, 2)))
    assert form is not None
    points = np.array([-30.0, -3.0, -0.5, 0.2, 1.0, 4.0, 25.0])
    with mp.workdps(60):
        exact = [mp.diff(lambda z: 1 / (6 * mp.cosh((z - mpf(1) / 3) / 3) ** 2), mpf(point), order) for point in points]
    assert form.logistic_derivative(order)(points) == pytest.approx([float(one) for one in exact], rel=1e-11)


def gauss(lower: float, upper: float, panels: int) -> tuple[Array, Array]:
    """The nodes and weights of 20 Gauss-Legendre nodes on equal panels."""
    nodes, shares = np.polynomial.legendre.leggauss(20)
    edges, half = np.linspace(lower, upper, panels + 1), (upper - lower) / (2 * panels)
    return (edges[:-1, None] + half * (1 + nodes)).ravel(), np.tile(half * shares, panels)


@pytest.mark.parametrize("bandwidth", [0.3, 2.0])
def test_the_exact_mean_has_twelve_digits(bandwidth: float) -> None:
    m, (x_nodes, x_weights), (z, z_weights) = 50, gauss(-2, 2, 20), gauss(-12, 12, 240)
    normal = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * z_weights
    kernels = 1 / (4 * bandwidth * np.cosh((x_nodes[:, None] - z) / (2 * bandwidth)) ** 2)
    mean, square = kernels @ normal, kernels**2 @ normal
    bias = mean - np.exp(-(x_nodes**2) / 2) / math.sqrt(2 * math.pi)
    expected = bandwidth * float(x_weights @ (square - mean**2 + m * bias**2))
    assert exact_mean(m, "logistic", bandwidth=bandwidth).total == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kernel", [GAUSSIAN, LOGISTIC])
def test_mean_and_variance_of_a_stretched_kernel_are_those_at_a_stretched_bandwidth(kernel: Kernel) -> None:
    """K_2 at the bandwidth b is K at 2 b, and T_m has the factor b."""
    wide, m = kernel.rescale(variance=4 * kernel.variance), 30
    assert 2 * exact_mean(m, wide, weight="one", bandwidth=0.3).total == pytest.approx(
        exact_mean(m, kernel, weight="one", bandwidth=0.6).total, rel=1e-12
    )
    assert 4 * exact_variance(m, wide, weight="one", bandwidth=0.3).total == pytest.approx(
        exact_variance(m, kernel, weight="one", bandwidth=0.6).total, rel=1e-8
    )


@pytest.mark.parametrize("kernel", [GAUSSIAN, LOGISTIC])
def test_the_integrals_of_the_leading_terms_are_those_of_quadrature(kernel: Kernel) -> None:
    """For the uniform density on its support the skewness is 8 (C * C * C)(0) / (2 J)^(3/2), C the autocorrelation."""

    def transform_to(power: int, t: float) -> float:
        if kernel == LOGISTIC:
            return float((math.pi * t / math.sinh(math.pi * t)) ** power) if t else 1.0
        return math.exp(-power * t**2 / 2)

    fourth, sixth = (quad(partial(transform_to, n), 0, 20, epsabs=1e-14)[0] / math.pi for n in (4, 6))
    skewness = float(leading_skewness(kernel, "uniform:0,1", "window:0,1"))
    assert skewness == pytest.approx(8 * sixth / (2 * fourth) ** 1.5, rel=1e-10)
    wide = kernel.rescale(variance=9 * kernel.variance)
    assert float(leading_skewness(wide, "uniform:0,1", "window:0,1")) == pytest.approx(math.sqrt(3) * skewness)


def test_the_absolute_lag_of_the_logistic_kernel_is_that_of_quadrature() -> None:
    lag = 2 * quad(lambda w: w * float(logistic_autocorrelation(np.array(w))) ** 2, 0, 60, epsabs=1e-14)[0]
    narrow, wide = (leading_terms("logistic", "normal", weight) for weight in ("window:-3,3", "one"))
    product = {weight: terms.product for weight, terms in (("window", narrow), ("one", wide))}
    cubes = [quad(lambda z: math.exp(-1.5 * z * z) / (2 * math.pi) ** 1.5, -end, end)[0] for end in (3, 12)]
    jumps = 2 * (math.exp(-4.5) / math.sqrt(2 * math.pi)) ** 2
    assert narrow.variance_centring == pytest.approx(2 * product["window"] ** 2 - 4 * cubes[0] - lag * jumps, rel=1e-9)
    assert wide.variance_centring == pytest.approx(2 * product["one"] ** 2 - 4 * cubes[1], rel=1e-9)


def test_another_kernel_on_the_whole_line_is_refused_by_name() -> None:
    for function in (exact_mean, exact_variance):
        with pytest.raises(InputError, match=r"or be Gaussian or logistic, got expression:exp\(-abs\(x\)\)/2"):
            function(10, on_the_line("exp(-abs(x))/2"))
    with pytest.raises(InputError, match="for the leading terms the kernel must have compact support"):
        leading_terms(on_the_line("exp(-abs(x))/2"))
