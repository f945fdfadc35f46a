"""Enclosures contain the integral, also towards infinity and next to singular points, and say where it is infinite."""

from __future__ import annotations

from fractions import Fraction

import flint
import mpmath
import pytest
import sympy
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Integer, Rational, cos, exp, log, oo, pi, sin, sqrt

from tests.support.examples import examples
from theory.algebra.balls import EntropyTerm, ball_of
from theory.algebra.enclosed_integrals import NotEnclosed, enclose_integral
from theory.algebra.growth import Unbounded, growth
from theory.algebra.self_convolution import enclose_convolution_roughness
from theory.algebra.smooth_parts import smooth_parts
from theory.algebra.suprema import enclose_supremum

x = sympy.Symbol("x", real=True)
t = sympy.Symbol("t", positive=True)


def require_contained(expression: Expr, lower: Expr, upper: Expr, value: Expr, radius: float = 1e-12) -> None:
    ball = enclose_integral(expression, x, sympy.sympify(lower), sympy.sympify(upper))
    assert ball.overlaps(ball_of(sympy.sympify(value))), (expression, ball)
    assert float(ball.rad()) <= radius * max(1.0, abs(float(ball.mid())))


@pytest.mark.parametrize(
    ("expression", "lower", "upper", "value"),
    [
        (abs(sin(2 * x)) / 4, 0, 2 * pi, 1),
        (abs(cos(x)) / 2, -pi, pi, 2),
        (1 - abs(x), -1, 1, 1),
        (sympy.Max(sin(x), cos(x)), 0, pi, 1 + sqrt(2)),
        (sympy.Heaviside(x - Rational(1, 7)), 0, 1, Rational(6, 7)),
        (sympy.Piecewise((x, x < Rational(1, 3)), (2, x <= sqrt(2) / 2), (0, True)), 0, 1, sqrt(2) - Rational(11, 18)),
        (sqrt(1 - x**2), -1, 1, pi / 2),
        # 0 on an interval inside an absolute value.
        (x**2 / 4 + abs(sympy.sign(x) + 1), -1, 1, Rational(13, 6)),
        # Unbounded at the ends, or inside.
        (1 / (pi * sqrt(1 - x**2)), -1, 1, 1),
        (-log(abs(x)) / 2, -1, 1, 1),
        (x ** Rational(-9, 10) / 10, 0, 1, 1),
        (1 / sqrt(abs(x - Rational(1, 3))), 0, 1, 2 * (sqrt(3) + sqrt(6)) / 3),
        # Up to infinity.
        (exp(-(x**2) / 2), -oo, oo, sqrt(2 * pi)),
        (exp(-50 * (x - 10**6) ** 2), -oo, oo, sqrt(pi / 50)),
        (x**2 * exp(-x) / (1 + exp(-x)) ** 2, -oo, oo, pi**2 / 3),
        (1 / (1 + x**4), -oo, oo, pi / sqrt(2)),
        (exp(-1 / x) / x**2, 0, oo, 1),
        (sympy.erfc(x), 0, oo, 1 / sqrt(pi)),
        (1 - sympy.tanh(x) ** 2, -oo, oo, 2),
        # Entropies, with multiple zeros of the density.
        (EntropyTerm((1 + cos(pi * x)) / 2), -1, 1, 2 * log(2) - 1),
        (
            EntropyTerm(Rational(15, 16) * (1 - 2 * x**2 + x**4)),
            -1,
            1,
            log(16) - log(15) - 2 * (2 * log(2) - Rational(47, 30)),
        ),
        (EntropyTerm(exp(-(x**2) / 2) / sqrt(2 * pi)), -oo, oo, (1 + log(2 * pi)) / 2),
        # Far below 1, relative to its size.
        (x**2 * (1 - (10**6 * x) ** 2), -Rational(1, 10**6), Rational(1, 10**6), Rational(4, 15) / 10**18),
    ],
)
def test_the_enclosure_contains_the_integral(expression: Expr, lower: Expr, upper: Expr, value: Expr) -> None:
    require_contained(expression, lower, upper, value)


@pytest.mark.parametrize(
    ("expression", "lower", "upper", "sign"),
    [
        (1 / x, 0, 1, 1),
        (1 / (1 - x**2), -1, 1, 1),
        (-1 / (x - 1) ** 2, 0, 3, -1),
        (x**2 / (1 + x**2), -oo, oo, 1),
        (1 / (1 + abs(x)), 0, oo, 1),
        (exp(x**3) + 1, -oo, oo, 1),
        (1 / cos(x) ** 2, 0, 2 * pi, 1),
    ],
)
def test_an_infinite_integral_is_proved_to_be_infinite(expression: Expr, lower: Expr, upper: Expr, sign: int) -> None:
    ball = enclose_integral(expression, x, sympy.sympify(lower), sympy.sympify(upper))
    assert not ball.is_finite()
    assert (ball > 0) == (sign > 0)


@pytest.mark.parametrize(
    ("expression", "lower", "upper"),
    [
        (x / (1 + x**2), -oo, oo),
        (1 / (x - 1), 0, 2),
        (sqrt(x), -1, 1),
        (sympy.zeta(x), 2, 3),
        (1 / (cos(x) - x), 0, 1),
        (sympy.sign(x) / x**2, -1, 1),
        (abs(x * sin(1 / x)), 0, 1),
    ],
)
def test_what_is_not_enclosed_is_not_guessed(expression: Expr, lower: Expr, upper: Expr) -> None:
    with pytest.raises(NotEnclosed):
        enclose_integral(expression, x, sympy.sympify(lower), sympy.sympify(upper))


RATIONALS = st.fractions(min_value=-3, max_value=3, max_denominator=6)


@settings(max_examples=examples(25))
@given(
    power=st.fractions(min_value=Fraction(-11, 12), max_value=4, max_denominator=12),
    rate=st.fractions(min_value=Fraction(1, 5), max_value=5, max_denominator=6),
    order=st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(2), Fraction(3)]),
)
def test_generalised_gamma_integrals_are_enclosed(power: Fraction, rate: Fraction, order: Fraction) -> None:
    """Singular at 0 and up to infinity: the integral of x^p exp(-c x^q) is gamma((p + 1)/q) / (q c^((p + 1)/q))."""
    p, c, q = (Rational(one.numerator, one.denominator) for one in (power, rate, order))
    value = sympy.gamma((p + 1) / q) / (q * c ** ((p + 1) / q))
    require_contained(x**p * exp(-c * x**q), Integer(0), oo, value, 1e-6)


@settings(max_examples=examples(25))
@given(
    p=st.fractions(min_value=Fraction(1, 7), max_value=5, max_denominator=7),
    q=st.fractions(min_value=Fraction(1, 7), max_value=5, max_denominator=7),
)
def test_beta_integrals_are_enclosed(p: Fraction, q: Fraction) -> None:
    a, b = (Rational(one.numerator, one.denominator) for one in (p, q))
    value = sympy.gamma(a) * sympy.gamma(b) / sympy.gamma(a + b)
    require_contained(x ** (a - 1) * (1 - x) ** (b - 1), Integer(0), Integer(1), value, 1e-6)


def real_line_functions() -> st.SearchStrategy[Expr]:
    """Functions of t that decrease, grow and oscillate, in sums, products and powers."""
    leaves = st.sampled_from(
        [t, 1 / t, exp(-t), 1 + t**2, sin(t), sympy.tanh(t), exp(-(t**2) / 3), sqrt(t), Integer(2)]
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] - pair[1]),
            inner.map(lambda one: 1 / one),
            inner.map(lambda one: log(2 + abs(one))),
            inner.map(lambda one: exp(-abs(one))),
        ),
        max_leaves=5,
    )


@settings(max_examples=examples(120))
@given(function=real_line_functions(), power=st.integers(2, 5), beyond=st.floats(0.0, 6.0))
def test_bounds_hold_at_every_point_beyond_the_start(function: Expr, power: int, beyond: float) -> None:
    start = arb(2) ** power
    try:
        bounds = growth(function, t, start)
    except Unbounded:
        return
    point = start * arb(beyond).exp()
    value = ball_of(function, {t: point})
    if not value.is_finite():
        return
    above = sum((term.logarithm_at(point).exp() for term in bounds.upper), start=arb(0))
    assert not abs(value) > above
    if bounds.lower is not None:
        assert not abs(value) < bounds.lower.logarithm_at(point).exp()
    assert not (bounds.sign > 0 and value < 0)
    assert not (bounds.sign < 0 and value > 0)


@settings(max_examples=examples(30))
@given(roots=st.lists(RATIONALS, min_size=1, max_size=3), upper=st.integers(1, 3))
def test_an_absolute_value_is_cut_at_its_zeros(roots: list[Fraction], upper: int) -> None:
    product = sympy.prod([x - Rational(root.numerator, root.denominator) for root in roots])
    parts = smooth_parts(abs(product) + sympy.sign(x), x, Integer(-upper), Integer(upper))
    assert not any(part.expression.has(sympy.Abs, sympy.sign) for part in parts)
    whole = enclose_integral(abs(product) + sympy.sign(x), x, Integer(-upper), Integer(upper))
    total = sum(sympy.integrate(part.expression, (x, part.lower, part.upper)) for part in parts)
    assert whole.overlaps(ball_of(total))


@settings(max_examples=examples(25))
@given(coefficients=st.lists(st.integers(-5, 5), min_size=2, max_size=5))
def test_the_supremum_of_a_polynomial_is_that_at_its_critical_points(coefficients: list[int]) -> None:
    polynomial = sum((c * x**k for k, c in enumerate(coefficients)), start=Integer(0))
    derivative = sympy.Poly(sympy.diff(polynomial, x), x)
    critical = sympy.real_roots(derivative) if derivative.degree() > 0 else []
    points = [Integer(-1), Integer(1), *(root for root in critical if -1 < root < 1)]
    greatest = max(abs(float(polynomial.subs(x, point))) for point in points)
    found = enclose_supremum(polynomial, x, Integer(-1), Integer(1))
    assert found.point is None
    assert greatest * (1 - 1e-12) <= found.bound <= greatest * 1.001 + 1e-12


@pytest.mark.parametrize(
    ("function", "point", "unbounded"),
    [(1 / sqrt(1 - x**2), -1, True), (1 / (x - Rational(1, 3)), Rational(1, 3), True), (log(x + 1), -1, False)],
)
def test_an_unbounded_function_has_no_supremum(function: Expr, point: Expr, unbounded: bool) -> None:
    found = enclose_supremum(function, x, Integer(-1), Integer(1))
    assert found.point == point
    assert found.bound == float("inf")
    assert found.is_unbounded == unbounded


@settings(max_examples=examples(6))
@given(rate=st.fractions(min_value=Fraction(1, 3), max_value=3, max_denominator=4), knot=RATIONALS)
def test_the_convolution_roughness_of_two_exponentials_is_enclosed(rate: Fraction, knot: Fraction) -> None:
    """With rates a on the left and b on the right; the autocorrelation is elementary, and its square integrates."""
    a, place = Rational(rate.numerator, rate.denominator), Rational(knot.numerator, knot.denominator)
    density = sympy.Piecewise((exp(a * (x - place)), x < place), (exp(place - x), True)) / (1 / a + 1)
    parts = smooth_parts(density, x, -oo, oo)
    ball = enclose_convolution_roughness(parts, x)
    with mpmath.workdps(25):
        rate_left = mpmath.mpf(a.p) / a.q

        def autocorrelation(y: mpmath.mpf) -> mpmath.mpf:
            left = mpmath.exp(-rate_left * y) / (2 * rate_left)
            # K(z) on the left times K(z + y) on the right, for z from -y to 0.
            excess = rate_left - 1
            middle = mpmath.exp(-y) * (y if excess == 0 else -mpmath.expm1(-excess * y) / excess)
            return (left + middle + mpmath.exp(-y) / 2) / (1 / rate_left + 1) ** 2

        value = 2 * mpmath.quad(lambda y: autocorrelation(y) ** 2, [0, 1, 4, 16, 80])
    assert float(value) == pytest.approx(float(ball), rel=1e-8)
    assert float(ball.rad()) < 1e-8


def test_a_ball_of_a_kink_is_not_analytic() -> None:
    from theory.algebra.balls import analytic_function

    around = flint.acb(arb(0, 0.1), arb(0, 0.1))
    for kinked in (abs(x), sympy.sign(x), sympy.Max(x, 0), sympy.Piecewise((x, x < 0), (1, True)), sympy.asin(x + 1)):
        function = analytic_function(kinked, x, {})
        assert not function(around, True).is_finite(), kinked
        assert function(around + 0.5, True).is_finite() or kinked.has(sympy.asin), kinked
