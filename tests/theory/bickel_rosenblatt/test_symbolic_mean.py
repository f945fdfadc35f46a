"""E T_m as an expression, against the quadrature and, for its parts, against their definitions."""

from __future__ import annotations

import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from sympy import Rational, oo

from foundation.errors import InputError
from tests.support.examples import examples, first
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.smoothing import Smoothing, b
from theory.bickel_rosenblatt.symbolic_mean import MeanExpression, m, mean_expression
from theory.densities.density import Density, probability
from theory.densities.families import density_named
from theory.densities.weights import weight_named
from theory.kernels import KERNELS, Piece, kernel_named, x

DENSITIES = (
    "normal",
    "logistic",
    "laplace",
    "uniform:-1,1",
    "beta:2,3",
    "beta:1.5,2.5",
    "mixture:0.25*normal(-1,0.5)+0.75*normal(1,2)",
)

POLYNOMIAL = [name for name, kernel in KERNELS.items() if kernel.polynomial is not None]


def terms(mean: MeanExpression, size: int, width: Rational) -> list[float]:
    parts = (mean.variance_term, mean.product_term, mean.squared_bias_term)
    return [numerically(part.subs({m: size, b: width})) for part in parts]


def numerically(expression: sympy.Expr) -> float:
    """Return the value, every integral by mpmath's own quadrature; 12 is far out for the Gaussian kernel."""
    values = {integral: by_quadrature(integral) for integral in expression.atoms(sympy.Integral)}
    return float(sympy.re(expression.xreplace(values).evalf(20)))


def by_quadrature(integral: sympy.Integral) -> sympy.Float:
    ((variable, lower, upper),) = integral.limits
    function = sympy.lambdify(variable, integral.function, "mpmath")
    with mp.workdps(25):
        ends = [mpmath.mpmathify(sympy.N(sympy.Max(-12, sympy.Min(end, 12)), 25)) for end in (lower, upper)]
        return sympy.Float(mp.quad(function, mp.linspace(*ends, 5)).real, 20)


def assert_the_terms_agree(mean: MeanExpression, kernel: str, density: str, weight: str, width: Rational) -> None:
    computed = exact_mean(1000, kernel, density, weight, float(width))
    expected = (computed.variance_term, computed.product_term, computed.squared_bias_term)
    assert terms(mean, 1000, width) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(
    ("kernel", "density", "weight"),
    first(
        3,
        [
            ("epanechnikov", "uniform:-1,1", "inverse-density:-1,1"),
            ("biweight", "laplace", "window:-2,1"),
            ("epanechnikov", "beta:2,3", "one"),
            ("triweight", "uniform:0,2", "window:0,1"),
            ("uniform", "uniform:-1,1", "one"),
            ("epanechnikov", "laplace", "one"),
            ("triangular", "laplace", "inverse-density:-1,1"),
            ("triangular", "beta:2,3", "window:0,0.5"),
        ],
    ),
)
def test_the_closed_forms_agree_with_the_quadrature_up_to_the_largest_bandwidth(
    kernel: str, density: str, weight: str
) -> None:
    mean = mean_expression(kernel, density, weight)
    assert not mean.total.has(sympy.Integral)
    for share in (Rational(1), Rational(1, 3)):
        assert_the_terms_agree(mean, kernel, density, weight, share * min(mean.largest_bandwidth, 1))


@pytest.mark.parametrize(
    ("kernel", "density", "weight"),
    first(
        1,
        [
            ("epanechnikov", "normal", "window:-2,2"),
            ("triangular", "logistic", "inverse-density:-1,1"),
            ("epanechnikov", "beta:1.5,2.5", "window:0.2,0.7"),
        ],
    ),
)
def test_the_integrals_that_are_left_agree_with_the_quadrature(kernel: str, density: str, weight: str) -> None:
    mean = mean_expression(kernel, density, weight)
    assert mean.product_term.has(sympy.Integral)
    assert_the_terms_agree(mean, kernel, density, weight, Rational(1, 10))


@pytest.mark.parametrize("density", first(3, DENSITIES))
def test_the_variance_term_of_a_window_has_no_integral_left(density: str) -> None:
    assert not mean_expression("epanechnikov", density, "window:0.25,0.75").variance_term.has(sympy.Integral)


def test_under_the_weight_one_the_variance_term_is_the_roughness() -> None:
    for name in ("epanechnikov", "cosine", "gaussian"):
        assert mean_expression(name, "normal", "one").variance_term == kernel_named(name).roughness


def test_the_uniform_densitys_mean_is_a_polynomial_that_diverges_with_m_b_squared() -> None:
    mean = mean_expression("epanechnikov", "uniform:-1,1", "inverse-density:-1,1")
    assert mean.squared_bias_term == Rational(33, 560) * m * b**2
    assert sympy.limit(mean.squared_bias_term.subs(b, m ** -Rational(47, 200)), m, oo) == oo


@pytest.mark.parametrize(
    ("kernel", "density"), [("cosine", "laplace"), ("gaussian", "normal"), ("gaussian", "beta:2,2")]
)
def test_another_kernel_leaves_an_integral_that_is_the_convolution(kernel: str, density: str) -> None:
    smoothing = Smoothing(kernel_named(kernel), density_named(density), weight_named("window:0.1,0.9", density))
    for panel in smoothing.panels():
        middle, width = Rational(1, 2) * (panel.lower + panel.upper), Rational(1, 20)
        found = numerically(panel.smoothed.subs(x, middle).subs(b, width))
        assert found == pytest.approx(convolution(kernel, density, float(middle.subs(b, width)), 0.05), rel=1e-11)


def convolution(kernel: str, density: str, at: float, width: float) -> float:
    """Integrate K(u) f(x - b u) over u from the definition of both."""
    of_kernel, of_density = kernel_named(kernel), density_named(density)
    k, f = piecewise(of_kernel.pieces), piecewise(of_density.pieces)
    reach = 1 if of_kernel.has_compact_support else 12
    knots = [(at - float(knot)) / width for knot in of_density.knots]
    edges = sorted({-reach, 0, reach, *(knot for knot in knots if abs(knot) < reach)})
    with mp.workdps(25):
        return float(mp.quad(lambda t: k(t) * f(at - width * t), edges))


def piecewise(pieces: tuple[Piece, ...]):  # type: ignore[no-untyped-def]
    numeric = [(piece.lower, piece.upper, sympy.lambdify(x, piece.density, "mpmath")) for piece in pieces]
    return lambda at: next((f(at) for lower, upper, f in numeric if lower <= at <= upper), mp.mpf(0))


@settings(max_examples=examples(40), deadline=None)
@given(density=st.sampled_from(DENSITIES), order=st.integers(1, 6), at=st.floats(-2.5, 2.5))
def test_the_repeated_integrals_are_the_truncated_moments(density: str, order: int, at: float) -> None:
    """G_n(x) = E (x - X)_+^(n-1) / (n-1)!, by mpmath's quadrature."""
    known = density_named(density)
    assert known.repeated_integral is not None
    piece = next(piece for piece in known.repeated_integral(order) if piece.lower <= at <= piece.upper)
    f = piecewise(known.pieces)
    start = max(float(known.support[0]), -60.0)
    with mp.workdps(25):
        edges = sorted({start, at, *(end for end in (-8.0, -1.0, 0.0, 1.0) if start < end < at)})
        expected = mp.quad(lambda t: (at - t) ** (order - 1) * f(t), edges) if at > start else mp.mpf(0)
        expected /= mp.factorial(order - 1)
    found = float(sympy.re(piece.density.subs(x, sympy.Float(at, 30)).evalf(20)))
    assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-12)


def test_the_panels_cover_the_window_without_gaps_in_the_order_of_small_bandwidths() -> None:
    smoothing = Smoothing(kernel_named("triangular"), density_named("laplace"), weight_named("window:-1,2"))
    panels = smoothing.panels()
    assert [panel.lower for panel in panels] == [-1, -b, 0, b]
    assert [panel.upper for panel in panels] == [-b, 0, b, 2]
    assert smoothing.largest_bandwidth == 1


def test_a_polynomial_kernel_needs_the_repeated_integrals_of_the_density() -> None:
    steps = Density("steps", (Piece(sympy.Integer(0), sympy.Integer(1), sympy.Integer(1)),), x, probability)
    with pytest.raises(InputError, match="the repeated integrals of steps are unknown"):
        mean_expression("epanechnikov", steps, "window:0,1")
