"""Signs are proved, so that functions are cut where one formula takes over from another, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Abs, Expr, Integer, Max, Min, Piecewise, Rational, cos, cosh, exp, log, oo, pi, sin, sqrt, tan

from tests.support.examples import each_slow, examples
from theory.algebra.balls import ball_of
from theory.algebra.enclosed_integrals import enclose_integral
from theory.algebra.self_convolution import enclose_convolution_roughness
from theory.algebra.signs import sign_stretches
from theory.algebra.smooth_parts import RESOLUTION, Part, smooth_parts, x, zeros

ONE = Integer(1)

TINY = Rational(1, 10**16)


def rational(value: Fraction) -> Rational:
    return Rational(value.numerator, value.denominator)


NUMBERS = st.fractions(min_value=-1, max_value=1, max_denominator=6).map(rational)

#: Functions of u that are positive but for a zero of even order at 0.
TOUCHING = st.sampled_from(
    [
        lambda u: u**2,
        lambda u: u**6 * (3 + u),
        lambda u: 1 - cos(u),
        lambda u: exp(u) - 1 - u,
        lambda u: cosh(u) - 1 - u**2 / 2,
        lambda u: cos(u) - 1 + u**2 / 2,
        lambda u: (1 - cos(u)) ** 3,
        lambda u: u - log(1 + u / 4) * 4,
        lambda u: sin(u) ** 2 * u**2,
    ]
)

SMOOTH = st.one_of(
    NUMBERS.map(lambda a: 2 + a * x),
    NUMBERS.map(lambda a: 1 + (x - a) ** 2),
    NUMBERS.map(lambda a: exp(a * x)),
    NUMBERS.map(lambda a: 2 + sin(x + a)),
)

#: Where they touch: inside, at an end, at a multiple of pi, and at points that are no simple numbers.
PLACES = st.one_of(
    NUMBERS, st.sampled_from([-ONE, ONE, pi / 4, -pi / 6, sqrt(2) / 2, log(2)]), st.just(cos(x)), st.just((1 - x) / 2)
)


def touching(lower: Expr, bump: Expr) -> tuple[Expr, Expr]:
    """Return two functions of which the second is nowhere below the first, not as a sum of it and a square."""
    return lower, sympy.expand(lower + bump)


def require_told_apart(lower: Expr, place: Expr, shape: Callable[[Expr], Expr]) -> None:
    below, above = touching(lower, shape(x - place))
    for switch, formula in (
        (Max(below, above), above),
        (Min(below, above), below),
        (Abs(above - below), above - below),
    ):
        parts = smooth_parts(switch, x, -ONE, ONE)
        # What is undecided next to a point that is no simple number is narrow.
        undecided = [part for part in parts if part.expression.has(Max, Min, Abs)]
        assert sum(part.upper - part.lower for part in undecided) < TINY
        assert all(sympy.expand(part.expression - formula) == 0 for part in parts if part not in undecided)
        assert not undecided or place.has(x) or place in (sqrt(2) / 2, log(2))
        found, expected = (enclose_integral(one, x, -ONE, ONE) for one in (switch, formula))
        assert found.overlaps(expected)
        assert float(found.rad()) < 1e-16


@settings(max_examples=examples(5))
@given(lower=SMOOTH, place=PLACES, shape=TOUCHING)
def test_functions_that_touch_are_told_apart(lower: Expr, place: Expr, shape: Callable[[Expr], Expr]) -> None:
    require_told_apart(lower, place, shape)


@pytest.mark.slow
@settings(max_examples=examples(100))
@given(lower=SMOOTH, place=PLACES, shape=TOUCHING)
def test_many_functions_that_touch_are_told_apart(lower: Expr, place: Expr, shape: Callable[[Expr], Expr]) -> None:
    require_told_apart(lower, place, shape)


@settings(max_examples=examples(5))
@given(lower=SMOOTH, place=PLACES, shape=TOUCHING)
def test_the_convolution_roughness_of_touching_functions_is_that_of_the_larger(
    lower: Expr, place: Expr, shape: Callable[[Expr], Expr]
) -> None:
    below, above = touching(lower, shape(x - place))
    found = enclose_convolution_roughness(smooth_parts(Max(below, above), x, -ONE, ONE), x)
    expected = enclose_convolution_roughness([Part(-ONE, ONE, above)], x)
    assert found.overlaps(expected)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (sin(x) ** 2, 1 - cos(x) ** 2),
        (sin(2 * x), 2 * sin(x) * cos(x)),
        (exp(2 * x), (cosh(x) + sympy.sinh(x)) ** 2),
        ((x + 1) ** 3, x**3 + 3 * x**2 + 3 * x + 1),
        (1 / cos(x) ** 2, 1 + tan(x) ** 2),
        (log(1 + x**2), 2 * log(sqrt(1 + x**2))),
        # Where the derivative is found to be 0, and the function at one point.
        (sympy.erf(x), 1 - sympy.erfc(x)),
        (sympy.atan(x), sympy.asin(x / sqrt(1 + x**2))),
        (log((1 + x / 2) * (2 + x)), log(1 + x / 2) + log(2 + x)),
        (Abs(x) * x, sympy.sign(x) * x**2),
        *each_slow(
            [
                (tan(x / 2), sin(x) / (1 + cos(x))),
                (sin(x) ** 6 + cos(x) ** 6, 1 - 3 * sin(x) ** 2 * cos(x) ** 2),
            ]
        ),
    ],
)
def test_functions_that_coincide_are_one(one: Expr, other: Expr) -> None:
    for switch in (Max(one, other), Min(one, other), Piecewise((one, one >= other), (other, True))):
        parts = smooth_parts(switch, x, -ONE, ONE)
        assert not any(part.expression.has(Max, Min, Piecewise) for part in parts)
        assert enclose_integral(switch, x, -ONE, ONE).overlaps(enclose_integral(one, x, -ONE, ONE))
    assert enclose_integral(Abs(one - other), x, -ONE, ONE).is_zero()


def test_a_function_of_derivative_0_may_jump() -> None:
    """The sum of the arctangents of x and 1/x is pi/2 on one side of 0 only."""
    function = sympy.atan(x) + sympy.atan(1 / x) - pi / 2
    assert [one.sign for one in sign_stretches(function, x, (-ONE, ONE), RESOLUTION)] == [-1, None, 0]
    before, _, after = smooth_parts(Max(1, 1 + function), x, -ONE, ONE)
    assert (before.expression, after.expression) == (1, 1)


def functions() -> st.SearchStrategy[Expr]:
    """Functions with simple, multiple, close and no zeros, found by sympy or not."""
    factors = st.one_of(
        NUMBERS.map(lambda a: x - a),
        NUMBERS.map(lambda a: cos(3 * x) - a),
        NUMBERS.map(lambda a: exp(x) - 1 - x + a / 50),
        NUMBERS.map(lambda a: cos(x) - x - a),
        NUMBERS.map(lambda a: Rational(1, 10**6) * (1 + a) - (cos(x) - x) ** 2),
        NUMBERS.map(lambda a: sympy.expand(((x - a) * (x + a / 3)) ** 2)),
        NUMBERS.map(lambda a: sympy.tanh(x - a)),
    )
    return st.lists(factors, min_size=1, max_size=3).map(lambda several: sympy.prod(several))


@settings(max_examples=examples(12))
@given(
    function=functions(),
    upper=st.sampled_from([ONE, pi / 2, Integer(3)]),
    shares=st.lists(st.fractions(min_value=0, max_value=1, max_denominator=10**6), min_size=20, max_size=20),
)
def test_a_sign_is_that_of_every_point_of_its_stretch(function: Expr, upper: Expr, shares: list[Fraction]) -> None:
    points = (-ONE, *zeros(function, x, -ONE, upper), upper)
    stretches = sign_stretches(function, x, points, RESOLUTION)
    assert (stretches[0].lower, stretches[-1].upper) == (-ONE, upper)
    assert all(left.upper == right.lower for left, right in pairwise(stretches))
    for one in stretches:
        if one.sign is None:
            assert one.upper - one.lower < TINY
            continue
        for share in shares:
            point = ball_of(one.lower + (one.upper - one.lower) * rational(share))
            value = ball_of(function, {x: point}).real * one.sign
            assert not value < 0, (function, one, point)


def test_two_zeros_that_are_close_are_found() -> None:
    """A bump of a hundredth of the interval's width, between two zeros that sympy does not find."""
    bump = Rational(1, 10**4) - (cos(x) - x) ** 2
    assert [one.sign for one in sign_stretches(bump, x, (Integer(-100), Integer(100)), RESOLUTION)] == [
        -1,
        None,
        1,
        None,
        -1,
    ]


@pytest.mark.parametrize(
    ("function", "lower", "upper", "signs"),
    [
        (x, -oo, oo, [-1, 1]),
        (exp(-(x**2)) - 1 / (1 + x**2), -oo, oo, [-1]),
        (log(x) + x, Integer(0), oo, [-1, None, 1]),
        (sqrt(x) - x, Integer(0), Integer(4), [1, -1]),
        (1 / sqrt(x) - 2, Integer(0), ONE, [1, -1]),
        (x**3 - x - 1, -oo, oo, [-1, 1]),
        (x**20 - x**22, -ONE, ONE, [1]),
        # A zero of infinite order.
        (exp(-1 / x**2) * x, -ONE, ONE, [-1, 1]),
        # Infinitely many zeros.
        (sin(1 / x), Integer(0), ONE, [None]),
        # Functions without power series or without balls.
        (sympy.polylog(2, x) - x, Integer(0), ONE, [None]),
        (sympy.zeta(x) - 1, Integer(2), Integer(3), [None]),
    ],
)
def test_the_signs_of_known_functions(function: Expr, lower: Expr, upper: Expr, signs: list[int | None]) -> None:
    points = (lower, *zeros(function, x, lower, upper), upper)
    assert [one.sign for one in sign_stretches(function, x, points, RESOLUTION)] == signs


def test_a_point_that_is_wrongly_thought_to_be_a_zero_changes_nothing() -> None:
    (stretch,) = sign_stretches(2 + sin(x), x, (-ONE, Rational(1, 3), ONE), RESOLUTION)
    assert stretch.sign == 1
    before, sliver, after = sign_stretches(cos(x) - x, x, (-ONE, Rational(739, 1000), ONE), RESOLUTION)
    assert (before.sign, sliver.sign, after.sign) == (1, None, -1)


def test_the_largest_of_three_is_found_where_the_order_of_the_others_is_not_known() -> None:
    (part,) = smooth_parts(Max(cos(x), x, 2 + x**2), x, -ONE, ONE)
    assert part.expression == 2 + x**2
