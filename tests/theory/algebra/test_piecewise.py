"""Piecewise polynomials against direct integration."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import sympy
from hypothesis import given
from hypothesis import strategies as st

from theory.algebra.piecewise import PiecewisePolynomial, PolynomialPiece

rationals = st.fractions(min_value=-3, max_value=3, max_denominator=12)


@st.composite
def functions(draw: st.DrawFn) -> PiecewisePolynomial:
    knots = sorted(draw(st.lists(rationals, min_size=2, max_size=4, unique=True)))
    coefficients = st.lists(rationals, min_size=1, max_size=4).map(tuple)
    return PiecewisePolynomial.from_pieces(
        PolynomialPiece(lower, upper, draw(coefficients)) for lower, upper in pairwise(knots)
    )


def integral(function: PiecewisePolynomial, weight: sympy.Expr, x: sympy.Symbol) -> sympy.Expr:
    return sum(
        sympy.integrate(weight * sum(c * x**k for k, c in enumerate(piece.coefficients)), (x, piece.lower, piece.upper))
        for piece in function.pieces
    )


@given(functions(), rationals)
def test_the_pieces_have_the_values_of_the_function(function: PiecewisePolynomial, point: Fraction) -> None:
    values = [
        sum(c * point**k for k, c in enumerate(piece.coefficients))
        for piece in function.pieces
        if piece.lower <= point < piece.upper
    ]
    assert function(point) == sum(values)


@given(functions(), functions(), rationals)
def test_a_convolution_is_the_integral_that_defines_it(
    f: PiecewisePolynomial, g: PiecewisePolynomial, point: Fraction
) -> None:
    edges = sorted({*f.knots, *(point - knot for knot in g.knots)})
    nodes, weights = np.polynomial.legendre.leggauss(8)
    total = Fraction(0)
    for lower, upper in pairwise(edges):
        for node, weight in zip(nodes, weights, strict=True):
            t = (lower + upper) / 2 + (upper - lower) / 2 * Fraction(node)
            total += Fraction(weight) * (upper - lower) / 2 * f(t) * g(point - t)
    expected = float(total)
    assert abs(float(f.convolve(g)(point)) - expected) <= 1e-9 * max(1.0, abs(expected))


@given(functions(), rationals)
def test_an_autocorrelation_is_even(function: PiecewisePolynomial, lag: Fraction) -> None:
    autocorrelation = function.autocorrelation()
    assert autocorrelation(lag) == autocorrelation(-lag)


@given(functions())
def test_the_autocorrelation_at_zero_is_the_integral_of_the_square(function: PiecewisePolynomial) -> None:
    x = sympy.Symbol("x")
    squares = sum(
        sympy.integrate(sum(c * x**k for k, c in enumerate(piece.coefficients)) ** 2, (x, piece.lower, piece.upper))
        for piece in function.pieces
    )
    value = function.autocorrelation()(Fraction(0))
    assert sympy.Rational(value.numerator, value.denominator) == squares


@given(functions(), rationals)
def test_reflecting_twice_changes_nothing(function: PiecewisePolynomial, point: Fraction) -> None:
    assert function.reflect().reflect()(point) == function(point)
