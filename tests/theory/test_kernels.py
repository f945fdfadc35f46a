"""The kernels' constants against independent quadrature and against closed forms."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy import Rational, oo, sqrt

from foundation.errors import InputError
from theory.kernels import (
    BIWEIGHT,
    COSINE,
    EPANECHNIKOV,
    GAUSSIAN,
    KERNELS,
    TRIWEIGHT,
    UNIFORM,
    Kernel,
    Piece,
    assumption_a1,
    kernel_named,
    x,
)

REACH = 80.0
"""Beyond this every kernel on the line is below 1e-34; in between, panels of length 1/2."""

EVERY_KERNEL = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)


def gauss_legendre(edges: list[float], order: int = 60) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    halves = np.diff(edges) / 2
    middles = (np.array(edges[:-1]) + np.array(edges[1:])) / 2
    return (middles[:, None] + halves[:, None] * nodes).ravel(), (halves[:, None] * weights).ravel()


def panels(lower: float, upper: float) -> list[float]:
    return list(np.linspace(lower, upper, 321 if upper > 1 else 41))


def numeric(kernel: Kernel) -> tuple[Callable[[np.ndarray], np.ndarray], float, float]:
    """Return the density as a function on arrays, and the ends of its support or what serves for them."""
    pieces = [
        (max(float(p.lower), -REACH), min(float(p.upper), REACH), sympy.lambdify(x, p.density)) for p in kernel.pieces
    ]

    def density(points: np.ndarray) -> np.ndarray:
        value = np.zeros_like(points)
        for lower, upper, function in pieces:
            inside = (lower <= points) & (points < upper)
            value[inside] = function(points[inside])
        return value

    return density, pieces[0][0], pieces[-1][1]


@EVERY_KERNEL
def test_the_moments_and_roughness_agree_with_quadrature(kernel: Kernel) -> None:
    density, lower, upper = numeric(kernel)
    points, weights = gauss_legendre(panels(lower, upper))
    values = density(points)
    assert weights @ values == pytest.approx(1, abs=1e-12)
    assert weights @ (points * values) == pytest.approx(float(kernel.mean), abs=1e-12)
    assert weights @ (points**2 * values) == pytest.approx(float(kernel.variance), abs=1e-12)
    assert weights @ values**2 == pytest.approx(float(kernel.roughness), abs=1e-12)


@EVERY_KERNEL
def test_the_convolution_roughness_agrees_with_parseval(kernel: Kernel) -> None:
    density, lower, upper = numeric(kernel)
    points, weights = gauss_legendre(panels(lower, upper), 12)
    frequencies, frequency_weights = gauss_legendre(list(np.linspace(0, 400 if upper == 1 else 40, 81)), 20)
    transform = np.cos(np.outer(frequencies, points)) @ (weights * density(points))
    # Only the uniform kernel's transform decays as slowly as 1/t: its tail beyond 400 is below 1e-8.
    assert frequency_weights @ transform**4 / np.pi == pytest.approx(float(kernel.convolution_roughness), abs=2e-8)


def test_the_exact_constants_are_those_of_the_literature() -> None:
    assert (EPANECHNIKOV.roughness, EPANECHNIKOV.convolution_roughness) == (Rational(3, 5), Rational(167, 385))
    assert BIWEIGHT.convolution_roughness == Rational(1168780, 2263261)
    assert TRIWEIGHT.convolution_roughness == Rational(151766930, 258150321)
    assert sympy.simplify(GAUSSIAN.roughness - 1 / (2 * sqrt(sympy.pi))) == 0
    assert sympy.simplify(GAUSSIAN.convolution_roughness - 1 / (2 * sqrt(2 * sympy.pi))) == 0


@EVERY_KERNEL
def test_the_entropy_agrees_with_quadrature(kernel: Kernel) -> None:
    density, lower, upper = numeric(kernel)
    # The end points are where the logarithm is singular: many small panels near them.
    edges = np.concatenate([panels(lower, upper)[1:-1], lower + 2.0 ** -np.arange(1, 45)])
    edges = np.concatenate([edges, upper - 2.0 ** -np.arange(1, 45), [lower, 0.0, upper]])
    points, weights = gauss_legendre(sorted(set(edges.tolist())), 20)
    values = density(points)
    with np.errstate(divide="ignore", invalid="ignore"):
        integrand = np.where(values > 0, -values * np.log(values), 0.0)
    assert weights @ integrand == pytest.approx(float(kernel.entropy), abs=1e-9)


@EVERY_KERNEL
@given(variance=st.fractions(min_value=Fraction(1, 20), max_value=9, max_denominator=30))
def test_scaling_gives_the_variance_that_was_asked_for(kernel: Kernel, variance: Fraction) -> None:
    target = Rational(variance.numerator, variance.denominator)
    scaled = kernel.rescale(variance=target)
    assert sympy.simplify(scaled.support[1] / kernel.support[1] - sqrt(target / kernel.variance)) in (0, sympy.nan)
    ratio = sqrt(target / kernel.variance)
    assert float(scaled.pieces[0].density.subs(x, 0)) == pytest.approx(
        float(kernel.pieces[0].density.subs(x, 0) / ratio), rel=1e-12
    )


def test_roughness_falls_with_scale_and_its_product_with_the_deviation_does_not() -> None:
    stretched = EPANECHNIKOV.rescale(variance=5)
    assert stretched.roughness == EPANECHNIKOV.roughness / 5
    assert stretched.roughness * sqrt(stretched.variance) == EPANECHNIKOV.roughness * sqrt(EPANECHNIKOV.variance)


@EVERY_KERNEL
def test_every_named_kernel_meets_a1(kernel: Kernel) -> None:
    assert all(condition.holds for condition in assumption_a1(kernel))


def failing(kernel: Kernel) -> set[str]:
    return {condition.statement.removeprefix("A1: ") for condition in assumption_a1(kernel) if not condition.holds}


def test_a_shifted_kernel_breaks_the_symmetry_of_a1_alone() -> None:
    assert failing(EPANECHNIKOV.transform(Rational(1, 2), sympy.Integer(1))) == {"symmetric about 0"}
    assert failing(GAUSSIAN.transform(Rational(1, 2), sympy.Integer(1))) == {"symmetric about 0"}


def test_a_kernel_without_variance_breaks_a1() -> None:
    cauchy = Kernel("cauchy", (Piece(-oo, oo, 1 / (sympy.pi * (1 + x**2))),))
    assert failing(cauchy) == {"finite second moment", "tail integral"}


def test_a_kernel_that_jumps_inside_its_support_breaks_a1() -> None:
    steps = (
        Piece(sympy.Integer(-1), sympy.Integer(0), Rational(1, 4)),
        Piece(sympy.Integer(0), sympy.Integer(1), Rational(3, 4)),
    )
    assert failing(Kernel("steps", steps)) == {"symmetric about 0", "absolutely continuous on its support"}


def test_a_kernel_that_does_not_integrate_to_one_breaks_a1() -> None:
    assert failing(Kernel("doubled", (Piece(sympy.Integer(-1), sympy.Integer(1), 2 * COSINE.pieces[0].density),))) == {
        "integral 1"
    }


def test_an_unbounded_kernel_breaks_a1() -> None:
    arcsine = Kernel("arcsine", (Piece(sympy.Integer(-1), sympy.Integer(1), 1 / (sympy.pi * sqrt(1 - x**2))),))
    assert "bounded" in failing(arcsine)


def test_a_name_finds_its_kernel_and_a_near_miss_is_told_the_nearest() -> None:
    assert kernel_named("uniform") is UNIFORM
    assert kernel_named(UNIFORM) is UNIFORM
    with pytest.raises(InputError, match="Did you mean epanechnikov"):
        kernel_named("epanechnikow")
    with pytest.raises(InputError, match="Choose from epanechnikov, uniform"):
        kernel_named("zzz")


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ("15/16*(1-x**2)**2,-1,1", "biweight"),
        ("1-abs(x),-1,1", "triangular"),
        ("1/2,-1,1", "uniform"),
        ("max(0, 1-x**2)*3/4,-1,1", "epanechnikov"),
        ("pi/4*cos(pi*x/2),-1,1", "cosine"),
    ],
)
def test_a_kernel_by_its_formula_is_the_named_one(formula: str, name: str) -> None:
    kernel, known = kernel_named(f"expression:{formula}"), kernel_named(name)
    assert kernel_named(kernel.name) == kernel
    for constant in ("total", "variance", "roughness", "convolution_roughness"):
        assert float(getattr(kernel, constant)) == pytest.approx(float(getattr(known, constant)), rel=1e-12)
    mine, other = ({one.statement: one.holds for one in assumption_a1(either)} for either in (kernel, known))
    assert mine == other


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("1-x**2,-1,1", "must integrate to 1, but the integral of K is 4/3"),
        ("x,-1,1", "must be nonnegative"),
        ("1/2,1,-1", "the support of a kernel must be two ends, the lower first, got 1 and -1"),
        ("1/2", "a kernel by its formula must have a formula in x and the two ends of its support, got '1/2'"),
        ("exec('1'),-1,1", "is not a call of one of"),
    ],
)
def test_what_is_no_kernel_is_refused(formula: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        kernel_named(f"expression:{formula}")
