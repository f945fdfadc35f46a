"""Densities and weights, symbolically, and assumptions A2 to A4.

A density or weight is defined here once, by sympy expressions on consecutive intervals. The exact mean of T_m and
the compiled statistic derive their numerical forms from these definitions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise

import sympy
from sympy import Expr, Rational, erfc, erfcinv, exp, oo, pi, sqrt

from theory.conditions import Condition
from theory.errors import InputError, suggestion
from theory.kernels import Piece, x

probability = sympy.Symbol("p", positive=True)
"""The argument of every quantile function, between 0 and 1."""


@dataclass(frozen=True)
class Density:
    """A probability density from which samples are drawn (the paper's f).

    Parameters
    ----------
    name : str
        What the command line calls it.
    pieces : tuple of Piece
        The density in `x` on consecutive intervals; it is zero outside them.
    distribution : sympy.Expr
        The distribution function in `x`, on the support; written so that its lower tail keeps full precision.
    quantile : sympy.Expr
        Its inverse in `probability`; written so that the lower tail keeps full precision.

    Examples
    --------
    >>> NORMAL.support, NORMAL.knots
    ((-oo, oo), ())
    >>> NORMAL.distribution.subs(x, 0), NORMAL.quantile.subs(probability, Rational(1, 2))
    (1/2, 0)
    """

    name: str
    pieces: tuple[Piece, ...]
    distribution: Expr
    quantile: Expr

    @property
    def support(self) -> tuple[Expr, Expr]:
        """The interval outside which the density is zero."""
        return self.pieces[0].lower, self.pieces[-1].upper

    @property
    def knots(self) -> tuple[Expr, ...]:
        """The finite points, in order, where one expression gives way to the next or to zero."""
        return _finite_bounds(self.pieces)


@dataclass(frozen=True)
class Weight:
    """A weight under the integral of T_m (the paper's a).

    Parameters
    ----------
    name : str
        What the command line calls it.
    pieces : tuple of Piece
        The weight in `x` on consecutive intervals; it is zero outside them.

    Examples
    --------
    >>> window(-2, 2).support
    (-2, 2)
    """

    name: str
    pieces: tuple[Piece, ...]

    @property
    def support(self) -> tuple[Expr, Expr]:
        """The interval outside which the weight is zero."""
        return self.pieces[0].lower, self.pieces[-1].upper

    @property
    def knots(self) -> tuple[Expr, ...]:
        """The finite points, in order, where one expression gives way to the next or to zero."""
        return _finite_bounds(self.pieces)


NORMAL = Density(
    name="normal",
    pieces=(Piece(-oo, oo, exp(-(x**2) / 2) / sqrt(2 * pi)),),
    distribution=erfc(-x / sqrt(2)) / 2,
    quantile=-sqrt(2) * erfcinv(2 * probability),
)

DENSITIES = {density.name: density for density in (NORMAL,)}


def window(lower: Expr | int, upper: Expr | int) -> Weight:
    """Return the weight that is 1 on [lower, upper] and 0 elsewhere.

    Raises
    ------
    InputError
        If ``lower`` is not below ``upper``, or one of them is not finite.
    """
    lower, upper = sympy.sympify(lower), sympy.sympify(upper)
    if not (lower.is_finite and upper.is_finite and lower < upper):
        raise InputError(f"a window needs two finite ends, the lower first, got {lower} and {upper}. Try window:-2,2.")
    return Weight(f"window:{_decimal(lower)},{_decimal(upper)}", (Piece(lower, upper, sympy.Integer(1)),))


def density_named(name: str | Density) -> Density:
    """Return the density called ``name`` (a Density is returned as it is).

    Raises
    ------
    InputError
        If there is no such density; the message lists those there are.
    """
    if isinstance(name, Density):
        return name
    if name not in DENSITIES:
        raise InputError(f"{name!r} is no density. {suggestion(name, DENSITIES)}")
    return DENSITIES[name]


def weight_named(name: str | Weight) -> Weight:
    """Return the weight called ``name``, as in ``"window:-2,2"`` (a Weight is returned as it is).

    Raises
    ------
    InputError
        If there is no such weight, or the ends of the window are not two numbers, the lower first.

    Examples
    --------
    >>> weight_named("window:-0.5,2").support
    (-1/2, 2)
    """
    if isinstance(name, Weight):
        return name
    kind, _, ends = name.partition(":")
    if kind != "window":
        raise InputError(f"{name!r} is no weight. {suggestion(kind, ('window:c,d',))}")
    number = r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?\s*"
    if not re.fullmatch(f"{number},{number}", ends):
        raise InputError(f"{name!r} is no weight: a window needs two numbers, the lower first. Try window:-2,2.")
    lower, upper = (Rational(end.strip()) for end in ends.split(","))
    return window(lower, upper)


def density_assumptions(density: str | Density) -> tuple[Condition, ...]:
    """Decide A2, A3 and A4 for ``density``, each with its reason.

    Source: Section 2.2.2. The decisions are symbolic: a function that is continuous on an open interval and has
    finite limits at both ends is bounded there.
    """
    density = density_named(density)
    continuous, positive = _continuous(density), _positive(density)
    return (
        continuous,
        positive,
        _bounded("A2: f bounded", "f", density, lambda pdf: pdf),
        _smooth_root(density, continuous),
        _second_derivative(density),
    )


def weight_conditions(weight: str | Weight) -> tuple[Condition, ...]:
    """Decide what Theorem 3.1 asks of the weight: integrable, piecewise continuous and bounded."""
    weight = weight_named(weight)
    unbounded = _unbounded_where(weight.pieces, lambda value: value)
    continuous = all(_singularities(piece, piece.density) is sympy.S.EmptySet for piece in weight.pieces)
    integral = integral_of(weight.pieces)
    return (
        Condition("weight: integrable", bool(integral.is_finite), f"the integral of a is {integral}"),
        Condition(
            "weight: piecewise continuous",
            continuous,
            f"a is {'' if continuous else 'not '}continuous between its knots {_listed(weight.knots)}",
        ),
        Condition("weight: bounded", not unbounded, unbounded or "a has finite limits at both ends of every piece"),
    )


def integral_of(*factors: tuple[Piece, ...]) -> Expr:
    """Return the exact integral of the product of piecewise functions, each zero outside its pieces.

    Examples
    --------
    >>> integral_of(NORMAL.pieces, window(-2, 2).pieces)
    erf(sqrt(2))
    """
    product: tuple[Piece, ...] = (Piece(-oo, oo, sympy.Integer(1)),)
    for factor in factors:
        product = tuple(_overlaps(product, factor))
    parts = (sympy.integrate(piece.density, (x, piece.lower, piece.upper)) for piece in product)
    return sympy.simplify(sum(parts, start=sympy.Integer(0)))


def _overlaps(left: tuple[Piece, ...], right: tuple[Piece, ...]) -> Iterable[Piece]:
    for one in left:
        for other in right:
            lower, upper = sympy.Max(one.lower, other.lower), sympy.Min(one.upper, other.upper)
            if lower < upper:
                yield Piece(lower, upper, one.density * other.density)


def _continuous(density: Density) -> Condition:
    name = "A2: f continuous"
    for piece in density.pieces:
        gaps = _singularities(piece, piece.density)
        if gaps is not sympy.S.EmptySet:
            return Condition(name, False, f"f is singular at {gaps}")
    jump = _jump_of(density, lambda pdf: pdf)
    return Condition(name, not jump, f"f {jump}" if jump else "one-sided limits of f agree everywhere")


def _positive(density: Density) -> Condition:
    name = "A2: f positive"
    lower, upper = density.support
    if lower.is_finite or upper.is_finite:
        return Condition(name, False, f"f vanishes outside [{lower}, {upper}]")
    positive = all(piece.density.is_positive for piece in density.pieces)
    return Condition(name, positive, f"f(x) > 0 for every real x{'' if positive else ' could not be established'}")


def _smooth_root(density: Density, continuous: Condition) -> Condition:
    name = "A3: sqrt(f) absolutely continuous with a bounded derivative"
    if not continuous.holds:
        return Condition(name, False, f"sqrt(f) is not continuous: {continuous.reason}")
    return _bounded(name, "(sqrt f)'", density, lambda pdf: sympy.simplify(sympy.diff(sqrt(pdf), x)))


def _second_derivative(density: Density) -> Condition:
    name = "A4: f'' exists and is bounded"
    for symbol, derived in (("f", lambda pdf: pdf), ("f'", lambda pdf: sympy.diff(pdf, x))):
        jump = _jump_of(density, derived)
        if jump:
            return Condition(name, False, f"{symbol} {jump}")
    return _bounded(name, "f''", density, lambda pdf: sympy.diff(pdf, x, 2))


def _bounded(name: str, symbol: str, density: Density, derived: Callable[[Expr], Expr]) -> Condition:
    broken = _unbounded_where(density.pieces, derived)
    reason = (
        f"{symbol} {broken}" if broken else f"{symbol} is continuous between knots with finite limits at their ends"
    )
    return Condition(name, not broken, reason)


def _unbounded_where(pieces: tuple[Piece, ...], derived: Callable[[Expr], Expr]) -> str:
    """Return where the function derived from ``pieces`` is unbounded, in words, or an empty string."""
    for piece in pieces:
        function = derived(piece.density)
        poles = _singularities(piece, function)
        if poles is not sympy.S.EmptySet:
            return f"is singular at {poles}"
        for bound, side in ((piece.lower, "+"), (piece.upper, "-")):
            limit = sympy.limit(function, x, bound, side)
            if not limit.is_finite:
                return f"tends to {limit} at {bound}"
    return ""


def _jump_of(density: Density, derived: Callable[[Expr], Expr]) -> str:
    """Return the first jump, at a knot, of the function derived from the density, in words, or an empty string."""
    nothing = sympy.Integer(0)
    pieces = (Piece(-oo, density.support[0], nothing), *density.pieces, Piece(density.support[1], oo, nothing))
    for left, right in pairwise(pieces):
        if left.upper.is_finite:
            before = sympy.limit(derived(left.density), x, left.upper, "-")
            after = sympy.limit(derived(right.density), x, right.lower, "+")
            if sympy.simplify(before - after) != 0:
                return f"jumps from {before} to {after} at {left.upper}"
    return ""


def _singularities(piece: Piece, function: Expr) -> sympy.Set:
    """Return the singular points of ``function`` inside ``piece``; its ends are judged by limits."""
    return sympy.singularities(function, x, sympy.S.Reals) & sympy.Interval.open(piece.lower, piece.upper)


def _finite_bounds(pieces: tuple[Piece, ...]) -> tuple[Expr, ...]:
    bounds = {bound for piece in pieces for bound in (piece.lower, piece.upper) if bound.is_finite}
    return tuple(sorted(bounds))


def _decimal(number: Expr) -> str:
    return f"{float(number):.15g}"


def _listed(values: Iterable[Expr]) -> str:
    return ", ".join(str(value) for value in values)
