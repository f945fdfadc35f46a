"""The decision procedures, against what is known by other means."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import combinations, pairwise

import flint
import mpmath
import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st
from sympy import Expr, Integer, Rational, oo

from theory.algebra import decisions
from theory.algebra.balls import ball_of, interval
from theory.algebra.decisions import Undecided
from theory.algebra.expressions import parse

x = sympy.Symbol("x", real=True)

r = sympy.Symbol("r", positive=True)

small = st.fractions(min_value=-4, max_value=4, max_denominator=8).map(lambda f: Rational(f.numerator, f.denominator))


def test_an_identity_is_decided_for_every_value_of_its_symbols() -> None:
    assert decisions.equal((x + r) ** 2, x**2 + 2 * x * r + r**2)
    assert decisions.equal(sympy.sin(3 * x), 3 * sympy.sin(x) - 4 * sympy.sin(x) ** 3)


def test_a_difference_is_shown_at_a_point() -> None:
    answer = decisions.equal(3 / (5 * r), 4 / (5 * r))
    assert not answer
    assert "at r = 1/3 is -0.6" in answer.detail


def test_a_difference_is_looked_for_where_the_symbols_may_be() -> None:
    assert "at x = -1/3" in decisions.equal(abs(x), x).detail
    assert decisions.equal(abs(r), r)
    k = sympy.Symbol("k", integer=True, positive=True)
    with pytest.raises(Undecided):
        decisions.equal(abs(sympy.sin(sympy.pi * k / 2)) + abs(sympy.cos(sympy.pi * k / 2)), Integer(1))


def test_what_is_neither_zero_nor_shown_to_differ_is_left_undecided() -> None:
    unknown = sympy.Function("f")(x)
    with pytest.raises(Undecided):
        decisions.is_zero(unknown)


UNKNOWN = sympy.Function("f")(x)


@pytest.mark.parametrize(
    "find",
    [
        lambda: decisions.find_integral(UNKNOWN, x, 0, 1),
        lambda: decisions.find_limit(sympy.sin(x), x, oo),
        lambda: decisions.find_limit(UNKNOWN, x, Integer(0)),
        lambda: decisions.find_sum(1 / (sympy.factorial(r) + r), r, 1, oo),
        lambda: decisions.find_integral(r**x, r, 0, 1),
        lambda: decisions.require_evaluated("it", sympy.Integral(UNKNOWN, (x, 0, 1)) + 1),
        lambda: decisions.is_positive(UNKNOWN),
        lambda: decisions.polynomial_in(x, sympy.exp(x)),
        lambda: decisions.have_one_minimiser(x**2 - r, x - r),
    ],
)
def test_what_is_not_evaluated_or_not_known_is_undecided_and_no_failure(find: Callable[[], object]) -> None:
    with pytest.raises(Undecided):
        find()


def test_infinite_limits_and_integrals_are_values() -> None:
    assert decisions.find_integral(1 / r, r, 0, 1) == oo
    assert decisions.find_limit(1 / x, x, Integer(0), "-") == -oo


def test_a_sign_is_that_of_every_value_of_the_symbols() -> None:
    assert decisions.is_positive(r**2 - 2 * r + 2)
    assert decisions.is_positive(x**2 + 2 * x + 2)
    assert "it is -0.666667 at r = 1/3" in decisions.is_positive(r - 1).detail
    assert not decisions.is_positive(-r)


@given(factor=small, constant=small, slope=small)
def test_targets_have_one_minimiser_exactly_if_one_is_a_positive_multiple_of_the_other(
    factor: Rational, constant: Rational, slope: Rational
) -> None:
    found = decisions.have_one_minimiser(factor * (x - 2 * r) + slope * r + constant, x - 2 * r)
    assert bool(found) == (factor > 0 and slope == 0)


@given(
    value=st.fractions(-100, 100, max_denominator=10**6).filter(bool),
    places=st.integers(0, 12),
    offset=st.integers(-2, 2),
)
def test_a_decimal_states_what_rounds_to_its_digits(value: Fraction, places: int, offset: int) -> None:
    unit = Fraction(1, 10**places)
    typed = (value / unit).__round__() * unit + offset * unit
    text = f"{Decimal(typed.numerator) / Decimal(typed.denominator):.{places}f}" + ("" if places else ".")
    printed = parse(text, {}, decimals=True)
    exact = Rational(value.numerator, value.denominator)
    assert decisions.states(printed, exact) == (abs(typed - value) <= unit / 2)
    assert decisions.states(parse(f"{typed}", {}, decimals=True), exact) == (typed == value)


@given(st.lists(small, min_size=0, max_size=4), st.lists(small, min_size=0, max_size=2), small, small, st.booleans())
def test_the_sign_of_a_polynomial_is_that_at_its_sample_points(
    roots: list[Expr], doubled: list[Expr], lower: Expr, upper: Expr, negative: bool
) -> None:
    assume(lower < upper)
    polynomial = sympy.expand(
        (-1) ** negative * sympy.Mul(*(x - root for root in roots), *((x - root) ** 2 for root in doubled), x**2 + 1)
    )
    edges = sorted({lower, upper, *(root for root in roots + doubled if lower < root < upper)})
    samples = [(a + b) / 2 for a, b in pairwise(edges)]
    truth = all(polynomial.subs(x, sample) >= 0 for sample in samples)
    assert bool(decisions.keeps_nonnegative(polynomial, x, lower, upper)) is bool(truth)


def test_the_sign_is_decided_on_unbounded_intervals_too() -> None:
    assert decisions.keeps_nonnegative(4 * x**2 - 3, x, Rational(3, 2), oo)
    assert not decisions.keeps_nonnegative(x**3, x, -oo, oo)
    assert decisions.keeps_nonnegative(Integer(0), x, -oo, oo)
    assert not decisions.keeps_nonnegative(Integer(-1), x, -oo, Integer(3))


def test_a_sign_is_not_guessed_for_what_is_not_a_rational_polynomial() -> None:
    with pytest.raises(Undecided):
        decisions.keeps_nonnegative(sympy.sin(x), x, Integer(0), Integer(1))
    with pytest.raises(Undecided):
        decisions.keeps_nonnegative(sympy.pi * x, x, Integer(0), Integer(1))
    with pytest.raises(Undecided):
        decisions.keeps_nonnegative(x, x, sympy.sqrt(2), oo)


def test_one_function_above_an_increasing_one_is_proved_by_enclosures() -> None:
    ends = (Integer(0), Integer(1))
    assert decisions.above_increasing(x + Rational(1, 100), x**2, x, Integer(0), Integer(1), ends)
    assert not decisions.above_increasing(x / 2, x**2, x, Integer(0), Integer(1), ends)
    with pytest.raises(Undecided):
        decisions.above_increasing(x**2, x**2, x, Integer(0), Integer(1), ends)


def test_the_sign_of_a_constant_is_exact() -> None:
    assert decisions.sign_of(sympy.exp(sympy.pi) - sympy.pi**sympy.E) == 1
    assert decisions.sign_of(sympy.sqrt(2) * sympy.sqrt(3) - sympy.sqrt(6)) == 0
    assert decisions.sign_of(sympy.log(2) - 1) == -1


@given(st.fractions(min_value=-3, max_value=3, max_denominator=50))
def test_a_ball_contains_the_value_in_higher_precision(point: Fraction) -> None:
    value = Rational(point.numerator, point.denominator)
    function = sympy.exp(-(x**2)) * sympy.sin(x) + sympy.erf(x) / (2 + sympy.cos(x)) + sympy.sqrt(x**2 + 1)
    ball = ball_of(function, {x: ball_of(value)})
    with mpmath.workdps(60):
        truth = mpmath.mpf(str(sympy.N(function.subs(x, value), 60)))
        text = mpmath.nstr(truth, 55)
    assert ball.overlaps(flint.arb(text))
    assert float(ball.rad()) < 1e-30


@given(small, small, st.fractions(min_value=0, max_value=1, max_denominator=20))
def test_a_ball_over_an_interval_contains_every_value_in_it(lower: Expr, upper: Expr, share: Fraction) -> None:
    lower, upper = min(lower, upper), max(lower, upper)
    inside = lower + Rational(share.numerator, share.denominator) * (upper - lower)
    function = sympy.exp(x) - x**3
    assert ball_of(function, {x: interval(lower, upper)}).contains(ball_of(function, {x: ball_of(inside)}).mid())


def test_a_ball_is_refused_for_what_is_not_elementary() -> None:
    with pytest.raises(NotImplementedError, match="no ball for"):
        ball_of(sympy.Function("f")(x), {x: ball_of(Integer(1))})


def test_a_difference_of_two_symbols_among_many_is_seen_not_to_vanish() -> None:
    symbols = sympy.symbols("a b c d e", real=True)
    for left, right in combinations(symbols, 2):
        assert not decisions.equal(left * symbols[0], right * symbols[0])


def test_a_ball_of_a_hypergeometric_function_holds_its_value() -> None:
    half = Rational(1, 2)
    ball = ball_of(sympy.hyper([half], [Rational(5, 2), Rational(5, 2)], x**2 / 4), {x: ball_of(Rational(5, 2))})
    value = mpmath.hyper([0.5], [2.5, 2.5], 25 / mpmath.mpf(16))
    assert abs(float(ball) - float(value)) < 1e-14
    assert float(ball.rad()) < 1e-14
