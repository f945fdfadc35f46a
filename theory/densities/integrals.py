"""Integrals of powers and products of densities, exact where a closed form exists."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import sympy
from mpmath import mp, mpf
from sympy import Expr, Function, Integer, Pow, betainc_regularized, cosh, exp, oo

from foundation.errors import InputError
from foundation.signals import ProcessorTimeExceeded, processor_time_limited
from theory.densities.density import Density, Landmark, overlaps
from theory.densities.tabulated.computed import has_computed
from theory.densities.weights import Weight
from theory.kernels import Piece, x

DIGITS, CERTAIN = 60, 1e-35
"""Decimal digits of `known_integrals`; share of the terms of a difference below which it has lost too many of them."""

ASPECTS = {
    "mass": "the density",
    "moment": "the density times the distance from the middle,",
    "square": "the squared density",
}
"""The integrals of `KnownIntegrals`, in words."""

NARROW, STEPS = 8, (-8, -3, -1, 0, 1, 3, 8)
"""A part of f is narrow beside more than 8 of its scales; integrals are split at these distances from it, in scales."""

SECONDS = 5.0
"""Processor time in which sympy looks for a closed form of an integral."""

LARGEST_SIMPLIFIED = 1000
"""Largest numerator and denominator in a number that is simplified."""

LEVELS = (1e-9, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 1 - 1e-4, 1 - 1e-9)
"""The levels of the quantiles between which functions without formulas are integrated."""

NEGLIGIBLE, SMALLEST_DOUBLE = 1e-30, 1e-300
"""Mass neglected in each tail under the weight 1; integrals below the second are not examined."""


@dataclass(frozen=True)
class KnownIntegrals:
    """Integrals of a density over an interval, from closed forms.

    An integral is None if it has no closed form, or is too small a difference of large terms.

    Attributes
    ----------
    mass : float or None
        The integral of f.
    moment : float or None
        The integral of (x - c) f, with the middle c of the interval.
    square : float or None
        The integral of f^2.
    """

    mass: float | None
    moment: float | None
    square: float | None


def known_integrals(density: Density, lower: float, upper: float) -> KnownIntegrals:
    """Return the integrals of ``density`` over the finite interval [lower, upper], to double precision.

    Examples
    --------
    >>> from theory.densities import uniform
    >>> known_integrals(uniform(0, 2), 0.0, 1.0)
    KnownIntegrals(mass=0.5, moment=0.0, square=0.25)
    """
    with mp.workdps(DIGITS):
        least, greatest = (_number(end) for end in density.support)
        start, end = (min(max(mpf(point), least), greatest) for point in (lower, upper))
        if start >= end:
            return KnownIntegrals(0.0, 0.0, 0.0)
        middle = (mpf(lower) + mpf(upper)) / 2
        below = _precise(density.distribution)
        mass = _difference(below(end), below(start))
        if density.survival is not None and below(start) > mpf(1) / 2:
            above = _precise(density.survival)
            mass = _difference(above(start), above(end))
        moment = square = None
        if density.repeated_integral is not None and mass is not None and mass > CERTAIN:
            # By parts: the integral of (x - c) f is (x - c) F less the integral of F.
            again = _precise_pieces(density.repeated_integral(2))
            moment = float((end - middle) * below(end) - (start - middle) * below(start) - (again(end) - again(start)))
        if density.squared_distribution is not None:
            squared = _precise(density.squared_distribution)
            square = _difference(squared(end), squared(start))
        return KnownIntegrals(mass, moment, square)


def require_known_integrals(
    density: Density, lower: float, upper: float, found: Mapping[str, float], source: str, tolerance: float
) -> None:
    """Require that integrals of ``density`` over [lower, upper] agree with their closed forms, where there are any.

    Parameters
    ----------
    density : Density
    lower, upper : float
    found : mapping from "mass", "moment" or "square" to float
        The integrals to be examined; see `KnownIntegrals`.
    source : str
        What gave them, for the message.
    tolerance : float
        Accepted relative error; of the moment, as a share of the mass times the width.

    Raises
    ------
    InputError
        If one disagrees; the message names it, with both values.
    """
    known = known_integrals(density, lower, upper)
    for aspect, name in ASPECTS.items():
        expected = getattr(known, aspect)
        if aspect not in found or expected is None:
            continue
        scale = (upper - lower) * (known.mass or 0.0) if aspect == "moment" else expected
        if not abs(found[aspect] - expected) <= tolerance * scale + SMALLEST_DOUBLE:
            raise InputError(
                f"the integral of {name} {density.name} from {lower:.10g} to {upper:.10g} must be {expected:.15g} by "
                f"its closed form, but {source} gives {found[aspect]:.15g}. Give the density the landmarks of its "
                "narrow parts, or correct its formulas."
            )


def known_square(density: Density, weight: Weight) -> float | None:
    """Return the integral of f^2 a if it has a closed form: for a constant on every piece, or 1/f.

    Examples
    --------
    >>> from theory.densities import NORMAL, inverse_density, window
    >>> round(known_square(NORMAL, window(-2, 2)), 12), round(known_square(NORMAL, inverse_density(NORMAL, -2, 2)), 12)
    (0.280775227098, 0.954499736104)
    """
    if is_reciprocal(weight, density):
        return known_integrals(density, *map(float, weight.support)).mass
    if any(piece.density.has(x) for piece in weight.pieces):
        return None
    total = 0.0
    for piece in weight.pieces:
        lower, upper = density.bulk(NEGLIGIBLE) if weight.is_one else (float(piece.lower), float(piece.upper))
        square = known_integrals(density, lower, upper).square
        if square is None:
            return None
        total += float(piece.density) * square
    return total


def is_reciprocal(weight: Weight, density: Density) -> bool:
    """Return whether the weight is 1/f on its support."""
    within = density.support[0] <= weight.support[0] and weight.support[1] <= density.support[1]
    return bool(within) and all(
        any(piece.density * other.density == 1 for other in density.pieces) for piece in weight.pieces
    )


def _difference(larger: mpf, smaller: mpf) -> float | None:
    difference = larger - smaller
    return float(difference) if difference >= CERTAIN * abs(larger) else None


def _number(value: Expr) -> mpf:
    """Convert a number, which may be infinite, to the current precision."""
    if value.is_infinite:
        return mp.inf if value > 0 else -mp.inf
    return mpf(int(value.p)) / int(value.q) if value.is_Rational else mpf(value.evalf(DIGITS)._mpf_)


@cache
def _precise(function: Expr) -> Callable[[mpf], mpf]:
    """Compile an expression in `x` to a function of mpmath's numbers."""
    # Left alone, sympy takes mpmath's incomplete beta function without dividing by the complete one.
    regularised = {"betainc_regularized": lambda p, q, low, high: mp.betainc(p, q, low, high, regularized=True)}
    compiled: Callable[[mpf], mpf] = sympy.lambdify(x, function, [regularised, "mpmath"])
    return compiled


def _precise_pieces(pieces: tuple[Piece, ...]) -> Callable[[mpf], mpf]:
    def evaluate(point: mpf) -> mpf:
        piece = next(piece for piece in pieces if point <= _number(piece.upper))
        return _precise(piece.density)(point)

    return evaluate


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
    parts = (
        sympy.integrate(piece.density, (x, piece.lower, piece.upper))
        if piece.density.has(x) or piece.density == 0
        else piece.density * (piece.upper - piece.lower)
        for piece in pieces
    )
    return _simplify(sum(parts, start=sympy.Integer(0)))


def integral_of_product(density: Density, weight: Weight, power: int = 1) -> Expr:
    """Return the exact integral of (f a)^power for the density f and the weight a; the power is 1, 2 or 3.

    An integral without a known closed form is returned unevaluated; ``float`` evaluates it numerically.

    Examples
    --------
    >>> from theory.densities import LAPLACE, NORMAL, ONE, window
    >>> integral_of_product(NORMAL, window(-2, 2)), integral_of_product(LAPLACE, ONE, power=2)
    (erf(sqrt(2)), 1/4)
    """
    parts = (
        _integral_of_power(density, weight, Piece(lower, upper, piece.density), one.density, power)
        for one in weight.pieces
        for piece in density.pieces
        for lower, upper in [(sympy.Max(one.lower, piece.lower), sympy.Min(one.upper, piece.upper))]
        if lower < upper
    )
    total = sum(parts, start=Integer(0))
    return total if total.has(sympy.Integral) else _simplify(total.rewrite(sympy.erf))


def _simplify(value: Expr) -> Expr:
    """Simplify a number; one that is a single term when it is expanded is simple already."""
    # The first simplification of a program takes a tenth of a second.
    expanded = sympy.expand(value)
    if expanded.is_number and not expanded.is_Add and expanded.atoms(sympy.Function) <= expanded.atoms(sympy.erf):
        return expanded
    # exp(-1234567/10^6) is the 1,234,567th power of a number to sympy, whose simplification takes minutes or, with
    # python-flint, ends the process.
    if any(max(abs(int(one.p)), int(one.q)) > LARGEST_SIMPLIFIED for one in value.atoms(sympy.Rational)):
        return value
    simplified = sympy.simplify(value)
    # Simplification may introduce an imaginary part that is 0 but for rounding.
    return value if simplified.has(sympy.I) else simplified


def _integral_of_power(density: Density, weight: Weight, piece: Piece, a: Expr, power: int) -> Expr:
    """Return the integral of (f a)^power over a part of one piece of f and of the weight, where it is ``a``."""
    # A constant weight leaves an integral of f or f^2, which the density may provide in closed form.
    known = {1: density.distribution, 2: density.squared_distribution}.get(power)
    if not a.has(x) and known is not None:
        lower, upper = density.support
        below = Integer(0) if piece.lower == lower else _value(known, piece.lower)
        above = Integer(1) if power == 1 and piece.upper == upper else _value(known, piece.upper)
        if piece.upper.is_infinite and not above.is_finite:
            # sympy has no value of the formula at infinity; at the end of the tail it is that value to 15 digits.
            with mp.workdps(DIGITS):
                above = sympy.Float(_precise(known)(mpf(density.bulk(NEGLIGIBLE)[1])))
        return a**power * (above - below)
    integrand = sympy.simplify(a * piece.density)
    if has_computed(integrand):
        return sympy.Float(_integrate_values(integrand**power, piece, density))
    if not integrand.has(x):
        return integrand**power * (piece.upper - piece.lower)
    poles = {knot for knot in density.unbounded_knots if piece.lower <= knot <= piece.upper}
    if any(knot in poles and power * order <= -1 for knot, order in density.powers_at_knots()):
        return oo
    landmarks = (*density.landmarks, *weight.landmarks)
    # Leave fractional powers to numerical integration, and cubes of sums, of which sympy finds no integral.
    if density.rough_knots or (power > 2 and density.components):
        return _unevaluated(integrand**power, piece, landmarks)
    if power > 2 and not _is_elementary(integrand):
        return sympy.Float(_integrate_values(integrand**power, piece, density))
    integral = _closed_form(integrand**power, piece)
    return _unevaluated(integrand**power, piece, landmarks) if integral is None else integral


def _is_elementary(function: Expr) -> bool:
    """Return whether a function is made of whole powers of `x` and exponentials of polynomials."""
    functions = all(isinstance(part, exp | cosh) and part.args[0].is_polynomial(x) for part in function.atoms(Function))
    return functions and all(power.exp.is_Integer or not power.base.has(x) for power in function.atoms(Pow))


def _closed_form(integrand: Expr, piece: Piece) -> Expr | None:
    """Return an integral that sympy finds in time and that is a real number; None if it does not."""
    try:
        with processor_time_limited(SECONDS):
            integral = sympy.integrate(integrand, (x, piece.lower, piece.upper))
            return None if integral.has(sympy.Integral) or math.isnan(float(integral)) else integral
    except (ProcessorTimeExceeded, TypeError):
        return None


def _integrate_values(integrand: Expr, piece: Piece, density: Density) -> float:
    """Integrate a function that is known by its values, between quantiles of the density."""
    # The import takes a tenth of a second, and few integrands have no formula.
    from scipy.integrate import quad

    function, lower, upper = sympy.lambdify(x, integrand, "scipy"), float(piece.lower), float(piece.upper)
    inside = [place for place in density.quantiles(np.array(LEVELS)).tolist() if lower < place < upper]
    parts = (quad(function, *ends, epsabs=0, epsrel=1e-12, limit=200) for ends in pairwise([lower, *inside, upper]))
    return sum(float(part[0]) for part in parts)


def _unevaluated(integrand: Expr, piece: Piece, landmarks: Iterable[Landmark]) -> Expr:
    """Return an integral over a piece, split at narrow parts, which numerical integration could miss."""
    width = piece.upper - piece.lower
    splits = {
        place
        for location, scale in landmarks
        if NARROW * scale < width
        for place in (location + scale * step for step in STEPS)
        if piece.lower < place < piece.upper
    }
    ends = sorted({piece.lower, piece.upper, *splits})
    parts = (sympy.Integral(integrand, (x, *pair)) for pair in pairwise(ends))
    return sum(parts, start=Integer(0))


def _value(function: Expr, point: Expr) -> Expr:
    """Return ``function`` at ``point``; sympy does not evaluate a beta distribution at 0 and 1, so this does."""
    ends = {(0, 0): Integer(0), (0, 1): Integer(1)}
    return function.subs(x, point).replace(
        betainc_regularized, lambda p, q, low, high: ends.get((low, high), betainc_regularized(p, q, low, high))
    )
