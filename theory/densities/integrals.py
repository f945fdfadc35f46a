"""Integrals of powers and products of densities, exact where a closed form exists."""

from __future__ import annotations

import sympy
from sympy import Expr, Integer, betainc_regularized, oo

from theory.densities.density import Density, overlaps
from theory.densities.weights import Weight
from theory.kernels import Piece, x


def integral_of(*factors: tuple[Piece, ...]) -> Expr:
    """Return the exact integral of the product of piecewise functions, each zero outside its pieces.

    Examples
    --------
    >>> from theory.densities import NORMAL, window
    >>> integral_of(NORMAL.pieces, window(-2, 2).pieces)
    erf(sqrt(2))
    """
    pieces: tuple[Piece, ...] = (Piece(-oo, oo, sympy.Integer(1)),)
    for factor in factors:
        pieces = tuple(overlaps(pieces, factor))
    parts = (sympy.integrate(piece.density, (x, piece.lower, piece.upper)) for piece in pieces)
    return sympy.simplify(sum(parts, start=sympy.Integer(0)))


def integral_of_product(density: Density, weight: Weight, power: int = 1) -> Expr:
    """Return the exact integral of (f a)^power for the density f and the weight a; the power is 1 or 2.

    An integral without a known closed form is returned unevaluated; ``float`` evaluates it numerically.

    Examples
    --------
    >>> from theory.densities import LAPLACE, NORMAL, ONE, window
    >>> integral_of_product(NORMAL, window(-2, 2)), integral_of_product(LAPLACE, ONE, power=2)
    (erf(sqrt(2)), 1/4)
    """
    parts = (
        _integral_of_power(density, Piece(lower, upper, piece.density), one.density, power)
        for one in weight.pieces
        for piece in density.pieces
        for lower, upper in [(sympy.Max(one.lower, piece.lower), sympy.Min(one.upper, piece.upper))]
        if lower < upper
    )
    total = sum(parts, start=Integer(0))
    return total if total.has(sympy.Integral) else sympy.simplify(total.rewrite(sympy.erf))


def _integral_of_power(density: Density, piece: Piece, weight: Expr, power: int) -> Expr:
    """Return the integral of (f a)^power over a part of one piece of f."""
    # A constant weight leaves an integral of f or f^2, which the density may provide in closed form.
    known = density.distribution if power == 1 else density.squared_distribution
    if not weight.has(x) and known is not None:
        return weight**power * (_value(known, piece.upper) - _value(known, piece.lower))
    integrand = sympy.simplify(weight * piece.density)
    if not integrand.has(x):
        return integrand**power * (piece.upper - piece.lower)
    if any(piece.lower <= knot <= piece.upper and power * order <= -1 for knot, order in density.powers_at_knots()):
        return oo
    # Leave fractional powers to numerical integration.
    if density.rough_knots:
        return sympy.Integral(integrand**power, (x, piece.lower, piece.upper))
    return sympy.integrate(integrand**power, (x, piece.lower, piece.upper))


def _value(function: Expr, point: Expr) -> Expr:
    """Return ``function`` at ``point``; sympy does not evaluate a beta distribution at 0 and 1, so this does."""
    ends = {(0, 0): Integer(0), (0, 1): Integer(1)}
    return function.subs(x, point).replace(
        betainc_regularized, lambda p, q, low, high: ends.get((low, high), betainc_regularized(p, q, low, high))
    )
