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

from theory.algebra.balls import analytic_function, ball_of

z = sympy.Symbol("z")

FUNCTIONS = (
    polylog(2, z),
    polylog(5, -exp(z)),
    hyper([Rational(-1, 2), Rational(3, 2)], [Rational(7, 2)], z),
    z ** Rational(5, 3) * erfc(z) + log(1 + z) / sqrt(1 + z**2),
)


@settings(max_examples=60, deadline=None)
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
