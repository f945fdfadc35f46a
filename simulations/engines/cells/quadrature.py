"""Quadrature of (f_m - f)^2 a over a support, at equally spaced nodes that need not include its ends.

Between neighbouring knots of f and a the integrand is interpolated by cubics through four nodes each: the trapezoid
rule, with corrections near the knots. Near a knot the nodes just beyond it are used too, with the expressions of f and
a continued there: f_m is known there as well, so jumps and kinks of f and a do not reduce the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import sympy

from foundation.types import Array, ArrayFunction
from theory.densities.density import Density
from theory.densities.weights import Weight
from theory.kernels import Piece, x

STENCIL = 4
"""Number of nodes that determine a cubic."""

BEYOND = 2
"""Number of nodes beyond an end that a centred stencil needs."""

GROWTH = 10.0
"""Beyond a knot an expression of f or a is used while it is below this multiple of its maximum before the knot."""


@dataclass(frozen=True)
class Nodes:
    """Equally spaced points.

    Attributes
    ----------
    first, spacing : float
    count : int
    """

    first: float
    spacing: float
    count: int

    @property
    def points(self) -> Array:
        """The points, shape (count,)."""
        return self.first + self.spacing * np.arange(self.count, dtype=np.float64)


@dataclass(frozen=True)
class Segment:
    """The quadrature between two neighbouring knots of f and a.

    Attributes
    ----------
    first : int
        Index of the node of the arrays' first entry.
    weight : array, shape (n,)
        Quadrature weights times a, so that the integral is the sum of weight (f_m - f)^2.
    a, density : array, shape (n,)
        a and f at the nodes; beyond the knots, the continuation of their expressions between the knots.
    whole : range
        Entries whose interval to the next node lies between the knots.
    """

    first: int
    weight: Array
    a: Array
    density: Array
    whole: range


class TooFewNodes(Exception):
    """Two knots have too few nodes between them for a cubic."""


def nodes_over(support: tuple[float, float], spacing: float) -> Nodes:
    """Place nodes over ``support``, starting at its lower end, plus those on both sides that stencils need."""
    lower, upper = support
    inside = int(np.ceil((upper - lower) / spacing)) + 1
    return Nodes(lower - BEYOND * spacing, spacing, inside + 2 * BEYOND)


def segments(nodes: Nodes, density: Density, weight: Weight, support: tuple[float, float]) -> tuple[Segment, ...]:
    """Build the quadrature of every interval between knots of f and a within ``support``.

    Raises
    ------
    TooFewNodes
        If an interval, with its continuations, has fewer than four nodes.
    """
    return tuple(_segment(nodes, *ends, f, a) for ends, f, a in smooth_parts(density, weight, support))


def smooth_parts(
    density: Density, weight: Weight, support: tuple[float, float]
) -> Iterator[tuple[tuple[float, float], ArrayFunction, ArrayFunction]]:
    """Yield the intervals between knots of f and a within ``support``, each with f and a as functions of arrays."""
    lower, upper = support
    knots = [float(knot) for knot in (*density.knots, *weight.knots)]
    edges = sorted({lower, upper, *(knot for knot in knots if lower < knot < upper)})
    for start, end in pairwise(edges):
        middle = (start + end) / 2
        a = expression_at(weight.pieces, middle)
        if a is not None:
            yield (start, end), function_of(expression_at(density.pieces, middle)), function_of(a)


def expression_at(pieces: tuple[Piece, ...], point: float) -> sympy.Expr | None:
    """Return the expression that holds at ``point``, or None where the piecewise function is zero."""
    return next((piece.density for piece in pieces if float(piece.lower) < point < float(piece.upper)), None)


def function_of(expression: sympy.Expr | None) -> ArrayFunction:
    """Turn an expression in `x`, None being zero, into a function of arrays; it is NaN where it is undefined."""
    if expression is None:
        return np.zeros_like
    compiled = sympy.lambdify(x, expression, "scipy")

    def evaluate(points: Array) -> Array:
        with np.errstate(all="ignore"):
            values = np.asarray(compiled(points), dtype=np.float64)
        return np.array(np.broadcast_to(values, points.shape))

    return evaluate


def _segment(nodes: Nodes, start: float, end: float, f: ArrayFunction, a: ArrayFunction) -> Segment:
    place = np.array([start - nodes.first, end - nodes.first]) / nodes.spacing
    # Rounding must not push a node that lies on a knot to its other side.
    nearest = np.rint(place)
    place = np.where(np.abs(place - nearest) < 1e-9, nearest, place)
    inside = range(int(np.ceil(place[0])), int(np.floor(place[1])) + 1)
    reach = range(max(0, inside.start - BEYOND), min(nodes.count, inside.stop + BEYOND))
    points = nodes.points[reach.start : reach.stop]
    kept = _continuation(points, range(inside.start - reach.start, inside.stop - reach.start), f, a, (start, end))
    first = reach.start + kept.start
    weights = _interpolatory_weights(place - first, len(kept))
    points = points[kept.start : kept.stop]
    values = a(points)
    whole = range(inside.start - first, inside.stop - 1 - first)
    return Segment(first, nodes.spacing * weights * values, values, f(points), whole)


def _continuation(
    points: Array,
    inside: range,
    f: ArrayFunction,
    a: ArrayFunction,
    ends: tuple[float, float],
) -> range:
    """Return the range of ``points`` around those ``inside`` on which f and a continue without growing much.

    Raises
    ------
    TooFewNodes
        If the range has fewer than four nodes.
    """
    # On a wide interval a narrow part of f lies between the equidistant points, but not between the nodes.
    within = np.concatenate([np.linspace(*ends, 64)[1:-1], points[inside.start : inside.stop]])
    usable = np.ones(points.size, dtype=bool)
    for function in (f, a):
        values, known = np.abs(function(points)), np.abs(function(within))
        usable &= values <= GROWTH * known[np.isfinite(known)].max(initial=0.0)
    # Extend the range while the continuation is usable, then drop unusable points at its ends.
    first, stop = inside.start, inside.stop
    while first > 0 and usable[first - 1]:
        first -= 1
    while stop < points.size and usable[stop]:
        stop += 1
    while first < stop and not usable[first]:
        first += 1
    while first < stop and not usable[stop - 1]:
        stop -= 1
    if stop - first < STENCIL:
        raise TooFewNodes
    return range(first, stop)


def _interpolatory_weights(place: Array, count: int) -> Array:
    """Compute the weights at the nodes 0, 1, ..., ``count`` - 1 of the integral over the interval ``place``."""
    # Every subinterval between nodes takes the cubic through the four nearest nodes.
    interior = np.arange(np.ceil(place[0]), np.floor(place[1]) + 1)
    edges = np.unique(np.concatenate([[place[0]], interior, [place[1]]]))
    starts, ends = edges[:-1], edges[1:]
    stencils = np.clip(np.floor((starts + ends) / 2).astype(np.int64) - 1, 0, count - STENCIL)
    # The integrals of the powers over each subinterval, times the inverse Vandermonde matrix, are its weights.
    powers = np.arange(1, STENCIL + 1)
    low, high = ((at - stencils)[:, None] ** powers for at in (starts, ends))
    integrals = (high - low) / powers
    lagrange = np.linalg.inv(np.vander(np.arange(STENCIL), increasing=True))
    weights = np.zeros(count)
    np.add.at(weights, stencils[:, None] + np.arange(STENCIL), integrals @ lagrange)
    return weights
