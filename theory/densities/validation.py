"""Validation of a user's own density: its formulas must describe one and the same distribution.

Samples are drawn by the quantile or the distribution function and compared with the density, so that a contradiction
between the formulas would look like a property of the statistic.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from functools import cache
from itertools import pairwise

import numpy as np
import sympy
from sympy import Expr

from foundation.errors import InputError
from theory.algebra.smooth_parts import sample
from theory.densities.density import Density, DensityLike, probability
from theory.densities.evaluation import numerical
from theory.densities.families import DENSITIES, density_named, is_as_named
from theory.kernels import Kernel, x

POINTS = 9
"""Points of the support, denser where the mass is, at which the formulas are compared."""

#: Around a landmark, in scales.
_SCALES = (-40, -8, -1, 0, 1, 8, 40)

#: Beyond this, a density is integrated without its distribution function as a guide.
_FARTHEST = 1e6

#: Mass of an interval that is halved in any case.
_MUCH = 0.1

_MOST_HALVINGS = 400

AGREEMENT = 1e-7
"""The largest difference between two probabilities, or between two quantiles relative to their size."""


def valid_density(name: DensityLike, *, drawn: bool = False) -> Density:
    """Return the density called ``name``, or a `Density` after its validation.

    Parameters
    ----------
    name : str, Density, frozen distribution of scipy.stats, or (expression, (lower, upper))
    drawn : bool
        Whether samples are drawn from it, by its distribution or quantile function.

    Raises
    ------
    InputError
        If the name is unknown, or a `Density` is negative somewhere, does not integrate to 1, or has a survival
        function, an integral of its square or, with ``drawn``, a distribution or quantile function that contradicts
        its formula.

    Examples
    --------
    >>> from theory.kernels import Piece
    >>> twice = Density("twice", (Piece(sympy.Integer(0), sympy.Integer(2), sympy.Integer(1)),), x / 2)
    >>> valid_density(twice)
    Traceback (most recent call last):
        ...
    foundation.errors.InputError: the density twice must integrate to 1, got 2. Divide it by 2.
    """
    density = density_named(name)
    if isinstance(name, Density) and not _is_of_a_family(density):
        _validate(density)
        _require_agreement(density, drawn)
    return density


@cache
def _validate(density: Density) -> None:
    # Named densities need no python-flint, which a machine may lack.
    from theory.kernel_examination import NotAssessable, require_consecutive, require_nonnegative

    _require_intervals(density)
    require_consecutive(density.pieces, f"the density {density.name}")
    try:
        require_nonnegative(Kernel(density.name, density.pieces), f"the density {density.name}", "a density")
    except NotAssessable:
        # A function without enclosures; its values at some points can still be looked at.
        formula = _piecewise(density)
        for point in _points(density):
            if not formula(point) >= 0:
                raise InputError(
                    f"a density must be nonnegative, but the density {density.name} is {formula(point):.6g} at "
                    f"x = {point:.6g}."
                ) from None
    total = sum(_integral(density, piece.density, piece.lower, piece.upper) for piece in density.pieces)
    if not abs(total - 1) <= AGREEMENT:
        hint = f" Divide it by {total:.12g}." if math.isfinite(total) and total > 0 else ""
        raise InputError(f"the density {density.name} must integrate to 1, got {total:.12g}.{hint}")


@cache
def _is_of_a_family(density: Density) -> bool:
    """Return whether the density is one that its name stands for, or that a function of this package made."""
    return density in DENSITIES.values() or density.is_as_made or is_as_named(density)


def _require_intervals(density: Density) -> None:
    for piece in density.pieces:
        if (piece.density.free_symbols | piece.lower.free_symbols | piece.upper.free_symbols) - {x}:
            raise InputError(f"the density {density.name} must have no symbol but x, got {piece.density}.")
        if not piece.lower < piece.upper:
            raise InputError(f"a piece of the density {density.name} must have its lower end first, got {piece.lower}.")


@cache
def _require_agreement(density: Density, drawn: bool) -> None:
    """Compare the survival function, the integral of the square and what samples are drawn by with the density."""
    survival = None if density.survival is None else _compiled(density.survival, x)
    square = None if density.squared_distribution is None else _compiled(density.squared_distribution, x)
    for point in _points(density):
        below = _integral_up_to(density, point, 1)
        if survival is not None:
            _compare(density, "survival function", survival(point), 1 - below, point)
        if square is not None:
            expected = _integral_up_to(density, point, 2)
            _compare(density, "integral of the square", square(point), expected, point, max(1.0, expected))
        if drawn:
            _compare_drawn(density, point, below)


def _compare_drawn(density: Density, point: float, below: float) -> None:
    distribution = _compiled(density.distribution, x)
    _compare(density, "distribution function", distribution(point), below, point)
    if density.quantile is not None and 1e-3 < below < 1 - 1e-3:
        quantile = _compiled(density.quantile, probability)
        _compare(density, "quantile function", distribution(quantile(below)), below, point)


def _compare(density: Density, what: str, found: float, expected: float, point: float, scale: float = 1.0) -> None:
    if not abs(found - expected) <= AGREEMENT * scale:
        raise InputError(
            f"the {what} of {density.name} must agree with its density, got {found:.9g} instead of {expected:.9g} at "
            f"x = {point:.6g}. Correct one of the two."
        )


def _points(density: Density) -> Iterable[float]:
    for piece in density.pieces:
        yield from (float(point) for point in sample(piece.lower, piece.upper, POINTS))


def _integral_up_to(density: Density, point: float, power: int) -> float:
    total = 0.0
    end = sympy.Rational(point)
    for piece in density.pieces:
        if piece.lower < end:
            total += _integral(density, piece.density**power, piece.lower, min(piece.upper, end))
    return total


@cache
def _integral(density: Density, expression: Expr, lower: Expr, upper: Expr) -> float:
    """Return an integral of an expression in the density's, enclosed if that is possible."""
    from theory.algebra.enclosed_integrals import NotEnclosed, enclose_integral

    try:
        return float(enclose_integral(expression, x, lower, upper))
    except NotEnclosed:
        function, start, end = _compiled(expression, x), float(lower), float(upper)
        inner = (place for place in _places(density) if start < place < end)
        return sum(_quadrature(function, left, right) for left, right in pairwise((start, *inner, end)))


@cache
def _places(density: Density) -> tuple[float, ...]:
    """Return points that separate the narrow parts of a density, so that quadrature between them misses none.

    They stand around its landmarks, and where intervals are halved: those that hold much mass, or another mass than the
    distribution function says.
    """
    places = {float(mark.location + scale * mark.scale) for mark in density.landmarks for scale in _SCALES}
    formula, distribution = _piecewise(density), _compiled(density.distribution, x)
    intervals = deque([(-_FARTHEST, -1.0), (-1.0, 1.0), (1.0, _FARTHEST)])
    for _ in range(_MOST_HALVINGS):
        if not intervals:
            break
        lower, upper = intervals.popleft()
        middle, mass = (lower + upper) / 2, distribution(upper) - distribution(lower)
        if not lower < middle < upper:
            continue
        if mass > _MUCH or abs(_quadrature(formula, lower, upper) - mass) > AGREEMENT / 10:
            places.add(middle)
            intervals += [(lower, middle), (middle, upper)]
    return tuple(sorted(places))


def _quadrature(function: Callable[[float], float], lower: float, upper: float) -> float:
    """Integrate numerically; whether that has converged is for the comparison with the distribution function to say."""
    # The import takes a tenth of a second, and few densities are validated.
    from scipy.integrate import quad

    return float(quad(function, lower, upper, epsabs=1e-11, epsrel=1e-11, limit=200, full_output=1)[0])


def _piecewise(density: Density) -> Callable[[float], float]:
    function = numerical(density.pieces)
    return lambda point: float(function(np.array([point]))[0])


def _compiled(expression: Expr, variable: sympy.Symbol) -> Callable[[float], float]:
    function = sympy.lambdify(variable, expression, "scipy")

    def evaluate(point: float) -> float:
        with np.errstate(all="ignore"):
            return float(function(point))

    return evaluate
