"""Balls: they contain the value, on complex numbers too, and say when a function is not analytic on them."""

from __future__ import annotations

import flint
import mpmath
import pytest
import sympy
from flint import acb, arb
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, erfc, exp, hyper, log, polylog, sqrt

from tests.support.examples import examples
from theory.algebra.balls import EntropyTerm, analytic_function, ball_of, integer_power, taylor_coefficients

z = sympy.Symbol("z")

FUNCTIONS = (
    polylog(2, z),
    polylog(5, -exp(z)),
    hyper([Rational(-1, 2), Rational(3, 2)], [Rational(7, 2)], z),
    z ** Rational(5, 3) * erfc(z) + log(1 + z) / sqrt(1 + z**2),
    sympy.digamma(z + 1) + sympy.EulerGamma,
)


@settings(max_examples=examples(60), deadline=None)
@given(function=st.sampled_from(FUNCTIONS), real=st.floats(0.05, 0.999), imaginary=st.floats(-0.5, 0.5))
def test_the_ball_of_a_complex_number_contains_the_value(function: sympy.Expr, real: float, imaginary: float) -> None:
    with flint.ctx.workprec(192):
        ball = analytic_function(function, z, {})(acb(real, imaginary), False)
    with mpmath.workdps(30):
        value = mpmath.mpc(sympy.lambdify(z, function, "mpmath")(mpmath.mpc(real, imaginary)))
    assert abs(complex(ball.mid()) - complex(value)) <= 1e-13 * max(1.0, abs(value))
    assert float(ball.rad()) < 1e-10


@pytest.mark.parametrize(
    ("function", "cut"),
    [
        (polylog(2, z), acb(arb(1, 0.1), arb(0, 0.1))),
        (hyper([Rational(1, 2), 1], [Rational(5, 2)], z), acb(arb(3, 0.1), arb(0, 0.1))),
        (log(z), acb(arb(-1, 0.1), arb(0, 0.1))),
        (sqrt(z), acb(arb(0, 0.1), arb(0, 0.1))),
        (z ** Rational(3, 2), acb(arb(0, 0.1), arb(0, 0.1))),
    ],
)
def test_no_function_is_analytic_on_a_ball_that_meets_its_branch_cut(function: sympy.Expr, cut: acb) -> None:
    on_balls = analytic_function(function, z, {})
    assert not on_balls(cut, True).is_finite()
    adjacent = cut + acb(0, 1)
    assert on_balls(adjacent, True).is_finite()


@pytest.mark.parametrize("width", ["1e-3", "1e-30"])
def test_a_power_and_a_hypergeometric_function_are_bounded_next_to_their_branch_points(width: str) -> None:
    """Their values are finite there, and an integral up to such a point needs a bound."""
    at_zero, at_one = acb(arb(0, width)), acb(arb(1, width))
    power = analytic_function(z ** Rational(1, 3), z, {})(at_zero, False)
    assert float(abs(power).upper()) <= 2 * float(width) ** (1 / 3)
    gauss = hyper([Rational(-1, 4), Rational(3, 2)], [Rational(5, 2)], z)
    ball = analytic_function(gauss, z, {})(at_one, False)
    assert float(abs(ball - acb(float(gauss.subs(z, 1).evalf()))).upper()) < 10 * float(width) + 1e-14


def test_what_has_no_ball_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="no ball for zeta"):
        ball_of(sympy.zeta(z), {z: arb(3)})
    with pytest.raises(NotImplementedError, match="no ball for z"):
        ball_of(z + 1)


y = sympy.Symbol("y", real=True)

SERIES = (
    *(sympy.exp(y), log(2 + y), sympy.sin(3 * y), sympy.cos(y) ** 3, sympy.tan(y / 2), sympy.cot(2 + y), sympy.sinh(y)),
    *(sympy.cosh(2 * y), sympy.tanh(y), sympy.asin(y / 3), sympy.acos(y / 3), sympy.atan(y), sympy.asinh(y)),
    *(sympy.erf(y), erfc(2 * y), sympy.gamma(2 + y), sympy.factorial(1 + y), (2 + y) ** Rational(5, 3), sqrt(2 + y)),
    *((3 + y) ** (1 + y), 1 / (2 + y) ** 2, EntropyTerm(2 + y), abs(y - 2) * y, sympy.sign(y + 2) * y**3),
    *(sympy.Heaviside(2 - y) / (2 - y), sympy.Max(y, 2 + y**2), sympy.Min(y, 2 + y**2, 5)),
    *(sympy.Piecewise((y**2, y < 3), (1, True)), sympy.pi * y + sympy.E, sympy.Integer(3)),
)
"""One for each rule, analytic between -1 and 1."""


@settings(max_examples=examples(60))
@given(function=st.sampled_from(SERIES), place=st.floats(-0.5, 0.5), share=st.floats(-1, 1), order=st.integers(0, 4))
def test_taylor_coefficients_are_those_of_every_point_of_a_ball(
    function: sympy.Expr, place: float, share: float, order: int
) -> None:
    with flint.ctx.workprec(160):
        ball = arb(place, 0.1)
        found = taylor_coefficients(function, y)(ball, 5)[order]
        # On one side of its kinks a function is one formula, which sympy differentiates.
        formula = function.doit() if isinstance(function, EntropyTerm) else function
        formula = formula.replace(sympy.Abs, lambda u: -u).replace(sympy.sign, lambda _: 1)
        formula = formula.replace(sympy.Heaviside, lambda *_: 1).replace(sympy.Max, lambda *several: several[-1])
        formula = formula.replace(sympy.Min, lambda *several: min(several, key=lambda one: one.subs(y, 0)))
        formula = formula.replace(sympy.Piecewise, lambda *cases: cases[0][0])
        derivative = sympy.diff(formula, y, order) / sympy.factorial(order)
        value = sympy.lambdify(y, derivative, "mpmath")
        with mpmath.workdps(40):
            expected = value(mpmath.mpf(place) + mpmath.mpf(share) / 10)
    assert found.is_finite()
    assert found.overlaps(arb(str(expected), "1e-20"))


@pytest.mark.parametrize(
    "function",
    [
        *(abs(y), sympy.sign(y), sympy.Heaviside(y), sympy.Max(y, y**2), sympy.Min(y, -y), log(y), sqrt(y), 1 / y),
        *(y ** Rational(1, 3), sympy.tan(y + sympy.pi / 2), sympy.gamma(y), sympy.asin(y + 1), y * EntropyTerm(y)),
        sympy.Piecewise((y, y < 0), (1, True)),
    ],
)
def test_a_function_has_no_taylor_coefficients_on_its_kinks_and_singular_points(function: sympy.Expr) -> None:
    assert not any(one.is_finite() for one in taylor_coefficients(function, y)(arb(0, 0.1), 4))


def test_a_power_of_a_real_ball_around_0_is_finite() -> None:
    around = arb(0, 0.5)
    assert [float(abs(integer_power(around, k)).upper()) for k in range(4)] == pytest.approx([1, 0.5, 0.25, 0.125])
    assert not integer_power(around, -1).is_finite()
    assert ball_of(y**2 + y**3, {y: around}).is_finite()
