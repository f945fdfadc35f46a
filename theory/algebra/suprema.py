"""Rigorous bounds on the absolute value of a function on an interval, and the places where it has none."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, pairwise

import flint
import sympy
from flint import acb, arb
from sympy import Expr, Symbol

from theory.algebra.balls import analytic_function, ball_of
from theory.algebra.enclosed_integrals import singular_points
from theory.algebra.growth import REACHES, Growth, SingularEnd, Unbounded, growth, variable_at_infinity
from theory.algebra.smooth_parts import sorted_points

MOST_CELLS = 3000

CLOSE_ENOUGH = 1.00001
"""The ratio of the bound to the largest value found at which the search ends."""


@dataclass(frozen=True)
class Supremum:
    """A bound on a function, or where it is unbounded or not known to be bounded.

    Attributes
    ----------
    bound : float
        An upper bound on the absolute value; infinite if there is none.
    point : sympy.Expr, optional
        The point near which no bound is found.
    is_unbounded : bool
        Whether the function is proved to be unbounded near ``point``.
    """

    bound: float
    point: Expr | None = None
    is_unbounded: bool = False


def enclose_supremum(expression: Expr, variable: Symbol, lower: Expr, upper: Expr) -> Supremum:
    """Bound the absolute value of ``expression`` between ``lower`` and ``upper``, which may be infinite.

    Raises
    ------
    NotImplementedError
        If the expression contains a function without balls.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> round(enclose_supremum(x**2 - x, x, sympy.Integer(0), sympy.Integer(1)).bound, 3)
    0.25
    >>> enclose_supremum(sympy.sqrt(1 - x) ** -1, x, sympy.Integer(0), sympy.Integer(1)).point
    1
    """
    with flint.ctx.workprec(128):
        function = analytic_function(expression, variable, {})
        points = (lower, *sorted_points(singular_points(expression, variable, lower, upper)), upper)
        greatest = Supremum(0.0)
        for left, right in pairwise(points):
            found = _between(expression, function, variable, left, right)
            if not found.bound < sympy.oo:
                return found
            greatest = max(greatest, found, key=lambda one: one.bound)
        return greatest


def growth_at(expression: Expr, variable: Symbol, end: SingularEnd) -> Iterator[tuple[arb, Growth]]:
    """Yield ever nearer distances from an end, as the start of t, with bounds on ``expression`` beyond them."""
    moved = end.moved(expression, variable)
    for power in REACHES:
        try:
            yield arb(2) ** power, growth(moved, variable_at_infinity, arb(2) ** power)
        except Unbounded:
            continue


def is_bounded_at(function: Callable[[acb, bool], acb], point: Expr, into: int) -> bool:
    """Return whether a function has a finite ball next to a finite point."""
    if point.is_infinite:
        return False
    at = ball_of(point)
    return bool(function(acb(at.union(at + into * arb(2) ** -40)), False).is_finite())


def _between(
    expression: Expr, function: Callable[[acb, bool], acb], variable: Symbol, lower: Expr, upper: Expr
) -> Supremum:
    ends, bound = [], 0.0
    for point, into in ((lower, 1), (upper, -1)):
        if is_bounded_at(function, point, into):
            ends.append(ball_of(point))
            continue
        near = _near(expression, variable, SingularEnd(point, into))
        if isinstance(near, Supremum):
            return near
        reach, supremum = near
        ends.append(-into * reach if point.is_infinite else ball_of(point) + into / reach)
        bound = max(bound, supremum)
    inside = _inside(function, ends[0], ends[1])
    return Supremum(max(bound, inside), None if inside < sympy.oo else lower)


def _near(expression: Expr, variable: Symbol, end: SingularEnd) -> tuple[arb, float] | Supremum:
    """Return the start of t beyond which the function is bounded, with the bound."""
    for reach, bounds in growth_at(expression, variable, end):
        if bounds.grows:
            return Supremum(float("inf"), end.point, is_unbounded=True)
        supremum = bounds.supremum(reach)
        if supremum.is_finite():
            return reach, float(supremum)
    return Supremum(float("inf"), end.point)


def _inside(function: Callable[[acb, bool], acb], lower: arb, upper: arb) -> float:
    """Return a bound on a closed interval by halving the cells with the largest bounds."""
    order = count()
    least = 0.0

    def cell(left: arb, right: arb) -> tuple[float, int, arb, arb]:
        value = function(acb(left.union(right)), False)
        size = float(abs(value).upper()) if value.is_finite() else float("inf")
        return -size, next(order), left, right

    cells = [cell(lower, upper)]
    for _ in range(MOST_CELLS):
        size, _, left, right = heapq.heappop(cells)
        middle = ((left + right) / 2).mid()
        value = function(acb(middle), False)
        if value.is_finite():
            least = max(least, float(abs(value).lower()))
        if -size <= CLOSE_ENOUGH * least or size == 0:
            return -size
        heapq.heappush(cells, cell(left, middle))
        heapq.heappush(cells, cell(middle, right))
    return -cells[0][0]
