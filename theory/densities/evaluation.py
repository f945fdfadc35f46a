"""Numerical forms of piecewise functions, which keep their digits at any location.

Near a narrow part that is far from 0, x - location cancels in formulas such as x / scale - location / scale. Functions
are therefore evaluated at a base, a double, plus an offset: with the distance from the base to the location of the
nearest part, which is exact to double precision, and the formula of the density moved to that location.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

import numpy as np
import sympy
from sympy import Expr, Integer, oo

from foundation.types import Array, ArrayFunction, Indices
from theory.densities.density import Density, Landmark, compile_tail, translate_pieces
from theory.densities.density import numerical as numerical
from theory.densities.weights import Weight
from theory.kernels import Piece, x

LocalFunction: TypeAlias = Callable[[Array, Array], Array]
"""The values at bases + offsets, shape (n, k), from bases, shape (n,), and offsets, shape (n, k)."""

Aspect: TypeAlias = Literal["density", "distribution", "survival"]

FAR = 32
"""Distance from 0, in scales, beyond which a part is evaluated by the distance from its location."""

NARROW, FIRST_OCTAVE = 128.0, 3
"""A part is narrow beside more than 128 of its scales; the first intervals next to it are 2**3 scales wide."""


@cache
def local_density(density: Density, aspect: Aspect = "density") -> LocalFunction:
    """Return a density, or its distribution or survival function, as a local function."""
    if not density.keeps_digits and aspect != "density":
        function = _tail_on_the_line(density, aspect)
        return lambda bases, offsets: function(bases[:, None] + offsets)
    if not far_locations(density.landmarks):
        return _plain(_pieces(density, aspect))
    # Every component of a mixture has its own location.
    if density.components:
        parts = [(float(weight), local_density(component, aspect)) for weight, component in density.components]
        return lambda bases, offsets: np.asarray(sum(share * part(bases, offsets) for share, part in parts))
    return _nearest(density.landmarks, lambda location: _pieces(density.translate(-location), aspect))


@cache
def local_weight(weight: Weight) -> LocalFunction:
    """Return a weight as a local function."""
    if not far_locations(weight.landmarks):
        return _plain(weight.pieces)
    return _nearest(weight.landmarks, lambda location: translate_pieces(weight.pieces, -location))


def far_locations(landmarks: Iterable[Landmark]) -> tuple[Expr, ...]:
    """Return the locations that are farther from 0 than `FAR` scales."""
    return tuple(sorted({landmark.location for landmark in landmarks if _is_far(landmark)}))


def _is_far(landmark: Landmark) -> bool:
    return abs(float(landmark.location)) > FAR * float(landmark.scale)


@dataclass(frozen=True)
class _Anchors:
    """The places from which the parts of a function are evaluated: far locations, and 0 for all others.

    Attributes
    ----------
    places : tuple of sympy.Expr, length n
    """

    places: tuple[Expr, ...]

    @classmethod
    def of(cls, landmarks: Iterable[Landmark]) -> _Anchors:
        places = {mark.location if _is_far(mark) else Integer(0) for mark in landmarks}
        return cls(tuple(sorted(places or {Integer(0)})))

    def distances(self, bases: Array) -> Array:
        """Return the distance of each base to each anchor, shape (n, anchors)."""
        return np.asarray(bases[:, None] - np.array([float(place) for place in self.places]))

    def nearest(self, bases: Array) -> Indices:
        """Return the anchor that is nearest to each base.

        The distance to it has the least rounding error. A narrow part is steep up to many scales from its location, at
        places that a wide part is fewer scales from; and where another anchor is nearer than a part's own, the location
        of the part as seen from there is at most twice as far as the base is from it, and rounded little more.
        """
        return np.asarray(np.abs(self.distances(bases)).argmin(axis=1))


def narrow_landmarks(landmarks: Iterable[Landmark], width: float) -> list[tuple[float, float]]:
    """Return the locations and scales that are narrow beside an interval of the given width, ascending."""
    marks = {(float(location), float(scale)) for location, scale in landmarks}
    return sorted(mark for mark in marks if NARROW * mark[1] < width)


def graded_places(landmarks: Iterable[Landmark], width: float) -> list[float]:
    """Return the location of every narrow landmark and places around it whose distances double, up to ``width``.

    Examples
    --------
    >>> from sympy import Rational
    >>> graded_places([Landmark(Integer(2), Rational(1, 512))], 0.5)[:4]
    [2.0, 1.984375, 1.96875, 1.9375]
    """
    places: list[float] = []
    for location, scale in narrow_landmarks(landmarks, width):
        steps = scale * 2.0 ** np.arange(FIRST_OCTAVE, math.log2(width / scale))
        places.extend([location, *(location - steps), *(location + steps)])
    return [float(place) for place in places]


def at_points(function: LocalFunction, points: Array) -> Array:
    """Evaluate a local function at ``points``, shape (n,)."""
    return function(points, np.zeros((points.size, 1)))[:, 0]


def distances(bases: Array, landmarks: Iterable[Landmark]) -> Array:
    """Return the distance of each base to the place from which it is evaluated, which rounding is relative to."""
    anchors = _Anchors.of(landmarks)
    return np.asarray(np.abs(anchors.distances(bases))[np.arange(bases.size), anchors.nearest(bases)])


def _plain(pieces: tuple[Piece, ...]) -> LocalFunction:
    function = numerical(pieces)
    return lambda bases, offsets: function(bases[:, None] + offsets)


def _nearest(landmarks: tuple[Landmark, ...], moved: Callable[[Expr], tuple[Piece, ...]]) -> LocalFunction:
    """Return the local function that takes at each base the formula moved from its anchor to 0."""
    anchors = _Anchors.of(landmarks)
    functions = [numerical(moved(place)) for place in anchors.places]
    # The place of an anchor as the sum of two doubles, so that the distance to it is exact to double precision.
    rest = np.array([float(place - sympy.Rational(float(place))) for place in anchors.places])

    def evaluate(bases: Array, offsets: Array) -> Array:
        nearest, away = anchors.nearest(bases), anchors.distances(bases) - rest
        values = np.empty_like(offsets)
        for k, function in enumerate(functions):
            rows = nearest == k
            if rows.any():
                values[rows] = function(away[rows, k][:, None] + offsets[rows])
        return values

    return evaluate


def _tail_on_the_line(density: Density, aspect: Aspect) -> ArrayFunction:
    """Return a tail of a user's density, to all its digits, on the whole line."""
    lower, upper = (float(end) for end in density.support)
    formula = density.distribution if aspect == "distribution" else density.survival
    function = compile_tail(density, 1 - density.distribution if formula is None else formula, x)
    before, after = (0.0, 1.0) if aspect == "distribution" else (1.0, 0.0)

    def evaluate(points: Array) -> Array:
        values = np.where(points <= lower, before, after)
        inside = (points > lower) & (points < upper)
        values[inside] = function(points[inside])
        return values

    return evaluate


def _pieces(density: Density, aspect: Aspect) -> tuple[Piece, ...]:
    """Return the pieces of a density, or of a tail on the whole line."""
    if aspect == "density":
        return density.pieces
    lower, upper = density.support
    function = density.distribution if aspect == "distribution" else density.survival
    function = 1 - density.distribution if function is None else function
    before, after = (Integer(0), Integer(1)) if aspect == "distribution" else (Integer(1), Integer(0))
    pieces = (Piece(-oo, lower, before), Piece(lower, upper, function), Piece(upper, oo, after))
    return tuple(piece for piece in pieces if piece.lower < piece.upper)
