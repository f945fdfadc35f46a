"""Enclosures of J(K), the integral of the squared autocorrelation of a function that is analytic between cuts.

K is replaced by a piecewise polynomial P whose distance from K is bounded, and J(P) is computed by Gauss-Legendre
rules that are exact for polynomials. By Young's inequality the square roots of J(K) and J(P) differ by at most
``||K - P|| (||K|| + ||P||)``, in the norm of L^(4/3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise

import flint
import numpy as np
import sympy
from flint import acb, arb
from sympy import Expr, Symbol

from foundation.types import Array, Indices
from theory.algebra.balls import analytic_function, ball_of
from theory.algebra.enclosed_integrals import WIDEST, NotEnclosed, singular_points
from theory.algebra.growth import REACHES, SingularEnd, Term, Unbounded, growth, variable_at_infinity
from theory.algebra.smooth_parts import Part, sorted_points

DEGREE = 24

ELLIPSES = (2.5, 4.0, 8.0, 16.0)
"""Sums of the half-axes of the ellipses, for a cell of half-length 1, on which an analytic function is bounded."""

MOST_CELLS = 64

ERROR = 3e-12
"""The distance between K and P on one cell that is aimed at, relative to the roughest bound on the norm of K."""

NEGLIGIBLE = 1e-14
"""What is left out of an autocorrelation, or of J(P), relative to a rough bound on it."""

ROUNDING = 1e-12
"""The relative rounding error of J(P): far more than the thousands of operations on which each term depends."""


@dataclass(frozen=True)
class _Cell:
    """A polynomial in Chebyshev coefficients on an interval, and a bound on the norm of its error."""

    lower: float
    upper: float
    coefficients: Array
    error: float
    """The integral of |K - P|^(4/3), as an upper bound."""

    @property
    def norm(self) -> float:
        """A bound on the integral of |P|^(4/3)."""
        return float(np.abs(self.coefficients).sum() ** (4 / 3) * (self.upper - self.lower))


def enclose_convolution_roughness(parts: Sequence[Part], variable: Symbol) -> arb:
    """Return a ball that contains the integral over y of the square of the integral of K(z) K(z + y) dz.

    Parameters
    ----------
    parts : sequence of Part
        K on consecutive intervals; it is zero outside them.
    variable : Symbol

    Raises
    ------
    NotEnclosed
        If K is not analytic on few intervals, or has too much of its mass far out or next to a singular point.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> parabola = Part(sympy.Integer(-1), sympy.Integer(1), sympy.Rational(3, 4) * (1 - x**2))
    >>> round(float(enclose_convolution_roughness([parabola], x) * 385), 9)
    167.0
    """
    cells: list[_Cell] = []
    dropped = 0.0
    with flint.ctx.workprec(128):
        for part in chain.from_iterable(_without_singular_points(one, variable) for one in parts):
            try:
                inner, rest = _Approximation(part, variable, MOST_CELLS - len(cells)).cells()
            except NotImplementedError as reason:
                raise NotEnclosed(str(reason)) from None
            cells += inner
            dropped += rest
    distance = (dropped + sum(cell.error for cell in cells)) ** 0.75
    norm = sum(cell.norm for cell in cells) ** 0.75
    value, neglected = _norm_of_autocorrelation(cells)
    root, error = math.sqrt(value), distance * (2 * norm + distance)
    radius = (2 * root + error) * error + ROUNDING * value + neglected
    if not radius <= WIDEST * value:
        raise NotEnclosed(f"J(K) is known to a relative error of {radius / value:.1g} only")
    return arb(value, radius)


def _without_singular_points(part: Part, variable: Symbol) -> Iterator[Part]:
    """Cut a part at its singular points; leave it out if it is 0."""
    if part.expression == 0:
        return
    inside = sorted_points(singular_points(part.expression, variable, part.lower, part.upper))
    for lower, upper in pairwise((part.lower, *inside, part.upper)):
        yield Part(lower, upper, part.expression)


class _Approximation:
    """The approximation of one part by polynomials on cells."""

    def __init__(self, part: Part, variable: Symbol, most_cells: int) -> None:
        self.part, self.variable, self.most = part, variable, most_cells
        self.function = analytic_function(part.expression, variable, {})
        polynomial = part.expression.is_polynomial(variable)
        self.exact = polynomial and sympy.degree(part.expression, variable) <= DEGREE

    def cells(self) -> tuple[list[_Cell], float]:
        """Return the cells, and a bound on the integral of K^(4/3) outside of them."""
        ends, rest = self._ends()
        pending = [ends]
        done: list[_Cell] = []
        scale = max(abs(float(end)) for end in ends)
        while pending:
            lower, upper = pending.pop()
            if len(pending) + len(done) >= self.most:
                raise NotEnclosed("J(K) needs too many cells")
            cell = self._cell(lower, upper) or self._small_cell(lower, upper, scale)
            if cell is not None:
                done.append(cell)
                continue
            middle = lower + (upper - lower) * self._share(lower, upper, ends)
            pending += [(lower, middle), (middle, upper)]
        return done, rest

    def _ends(self) -> tuple[tuple[float, float], float]:
        """Return finite ends between which K is bounded, and a bound on the integral of K^(4/3) beyond them."""
        found, rest = [], 0.0
        for point, into in ((self.part.lower, 1), (self.part.upper, -1)):
            near = self.function(acb(_near(point, into)), False) if point.is_finite else acb("nan")
            if near.is_finite():
                found.append(float(ball_of(point).mid()))
                # The rounded end may leave out a sliver.
                sliver = abs(ball_of(point) - found[-1]).upper()
                rest += float((abs(near).upper() ** (arb(4) / 3) * sliver).upper())
                continue
            end = SingularEnd(point, into)
            reach, bound = self._reach(end)
            found.append(-into * reach if point.is_infinite else float(ball_of(point).mid()) + into / reach)
            rest += bound
        return (found[0], found[1]), rest

    def _reach(self, end: SingularEnd) -> tuple[float, float]:
        moved = end.moved(self.part.expression, self.variable)
        reason = "no bound near an end"
        for power in REACHES[:-5]:
            for reach in (arb(2) ** power, arb(3) * arb(2) ** (power - 1)):
                try:
                    bounds = growth(moved, variable_at_infinity, reach)
                except Unbounded as error:
                    reason = str(error)
                    continue
                third = Term(arb(max(1, len(bounds.upper))).log()) ** Fraction(1, 3)
                slope = Term(arb(0), Fraction(0 if end.point.is_infinite else -2))
                tail = sum((((one ** Fraction(4, 3)) * third * slope).integral(reach) for one in bounds.upper), arb(0))
                if tail < _power(ERROR):
                    return float(reach), float(tail)
        raise NotEnclosed(f"too much of K is near {end.point} for J(K): {reason}")

    def _cell(self, lower: float, upper: float) -> _Cell | None:
        """Return the interpolating polynomial on a cell, or None if its error is not known to be small."""
        length = upper - lower
        error = 0.0 if self.exact else self._interpolation_error(lower, upper)
        if not _power(error) * length <= _power(ERROR):
            return None
        nodes = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
        values = np.array([self._value((lower + upper) / 2 + length / 2 * node) for node in nodes])
        if not np.isfinite(values).all():
            return None
        angles = np.outer(np.arange(DEGREE + 1), np.arccos(nodes))
        coefficients = 2 / (DEGREE + 1) * np.cos(angles) @ values
        coefficients[0] /= 2
        return _Cell(lower, upper, coefficients, _power(error) * length)

    def _interpolation_error(self, lower: float, upper: float) -> float:
        """Bound the error of the interpolation by the size of K on an ellipse around the cell."""
        middle, half = (arb(lower) + upper) / 2, (arb(upper) - lower) / 2
        best = math.inf
        for sum_of_axes in ELLIPSES:
            axes = [half * (sum_of_axes + sign / arb(sum_of_axes)) / 2 for sign in (1, -1)]
            around = acb(arb(middle, axes[0].upper()), arb(0, axes[1].upper()))
            value = self.function(around, True)
            if not value.is_finite():
                break
            bound = 4 * abs(value).upper() * arb(sum_of_axes) ** -DEGREE / (arb(sum_of_axes) - 1)
            best = min(best, float(bound.upper()))
        return best

    def _small_cell(self, lower: float, upper: float, scale: float) -> _Cell | None:
        """Return the polynomial 0 on a cell on which K is small, or that is very short."""
        value = self.function(acb(arb(lower).union(arb(upper))), False)
        if not value.is_finite():
            if upper - lower < 1e-14 * scale:
                raise NotEnclosed("K is unbounded at a point inside of a part")
            return None
        error = _power(float(abs(value).upper())) * (upper - lower)
        # Next to the end of a power such as (1 - x^2)^(1/2) the ball of K shrinks with the cell.
        return _Cell(lower, upper, np.zeros(DEGREE + 1), error) if error <= _power(30 * ERROR) else None

    def _value(self, point: float) -> float:
        value = self.function(acb(point), False)
        return float(value.real.mid()) if value.is_finite() else math.nan

    def _share(self, lower: float, upper: float, ends: tuple[float, float]) -> float:
        """Return where to cut a cell: cells grow by a factor of 4 away from an end, and are halved elsewhere."""
        if (lower == ends[0]) == (upper == ends[1]):
            return 0.5
        return 0.25 if lower == ends[0] else 0.75


def _power(value: float) -> float:
    """Return the power 4/3 of a bound, infinite where it would overflow."""
    return float(value ** (4 / 3)) if value < 1e200 else math.inf


def _near(point: Expr, into: int) -> arb:
    at = ball_of(point)
    return at.union(at + into * arb(2) ** -40)


def _norm_of_autocorrelation(cells: Sequence[_Cell]) -> tuple[float, float]:
    """Return the integral of the squared autocorrelation of a piecewise polynomial, and a bound on what it neglects."""
    ordered = sorted((cell for cell in cells if cell.coefficients.any()), key=lambda cell: cell.lower)
    if not ordered:
        return 0.0, 0.0
    lower, upper = np.array([cell.lower for cell in ordered]), np.array([cell.upper for cell in ordered])
    edges = np.unique(np.concatenate([lower, upper]))
    differences = (edges[:, None] - edges).ravel()
    lags = np.unique(np.concatenate([differences[differences > 0], [0.0]]))
    # Differences that are equal but for rounding are one breakpoint.
    lags = lags[np.concatenate([[True], np.diff(lags) > 1e-14 * lags[-1]])]
    coefficients = np.array([cell.coefficients for cell in ordered])
    sizes = np.abs(coefficients).sum(axis=1)
    # Products of two tails are left out where they are below rounding.
    negligible = NEGLIGIBLE * float(sizes @ (upper - lower)) * float(sizes.max())
    nodes, weights = np.polynomial.legendre.leggauss(2 * DEGREE + 2)
    total = neglected = 0.0
    # The longest panels first: many are so short, or so far out, that a bound on them suffices.
    for panel in np.argsort(lags[:-1] - lags[1:]):
        start, end = float(lags[panel]), float(lags[panel + 1])
        product = _Product.between(start, end, edges, lower, upper, sizes, negligible)
        bound = (end - start) * product.bound**2
        if bound <= NEGLIGIBLE * total:
            neglected += bound
            continue
        half, points = (end - start) / 2, (start + end) / 2 + (end - start) / 2 * nodes
        total += half * float(weights @ product.autocorrelation(points, lower, upper, coefficients) ** 2)
    # The neglected part of an autocorrelation, times twice the autocorrelation, whose integral is that of |P| squared.
    most = 2 * edges.size * negligible
    return 2 * total, 2 * (neglected + most * (float(sizes @ (upper - lower)) ** 2 + most * float(lags[-1])))


@dataclass(frozen=True)
class _Product:
    """The product P(z) P(z + lag) for lags between which the order of all edges is the same.

    Attributes
    ----------
    at, moved : array
        The edges of the product in ascending order: ``at - moved * lag``.
    used, left, right : array
        The intervals between edges that count, and the cells of the two factors on them.
    bound : float
        A bound on the autocorrelation.
    """

    at: Array
    moved: Array
    used: Indices
    left: Indices
    right: Indices
    bound: float

    @classmethod
    def between(
        cls, start: float, end: float, edges: Array, lower: Array, upper: Array, sizes: Array, negligible: float
    ) -> _Product:
        """Return the product for lags from ``start`` to ``end``."""
        middle = (start + end) / 2
        # An edge of the product is one of P, or one of P moved by the lag.
        moved = np.concatenate([np.zeros(edges.size), np.ones(edges.size)])
        at = np.concatenate([edges, edges])
        order = np.argsort(at - moved * middle, kind="stable")
        at, moved = at[order], moved[order]
        positions = at - moved * middle
        centres = (positions[:-1] + positions[1:]) / 2
        left, right = _containing(centres, lower, upper), _containing(centres + middle, lower, upper)
        # A length is linear in the lag and never negative, so that it is at most twice its value in the middle.
        sides = 2 * np.diff(positions) * np.where((left >= 0) & (right >= 0), sizes[left] * sizes[right], 0.0)
        used = np.flatnonzero(sides > negligible)
        return cls(at, moved, used, left[used], right[used], float(sides.sum()))

    def autocorrelation(self, lags: Array, lower: Array, upper: Array, coefficients: Array) -> Array:
        """Return the integrals of the product at ``lags``."""
        nodes, weights = np.polynomial.legendre.leggauss(DEGREE + 1)
        positions = self.at - np.multiply.outer(lags, self.moved)
        starts, ends = positions[:, self.used], positions[:, self.used + 1]
        half = (ends - starts) / 2
        points = ((starts + ends) / 2)[..., None] + half[..., None] * nodes
        product = _polynomial(points, self.left, lower, upper, coefficients)
        product *= _polynomial(points + lags[:, None, None], self.right, lower, upper, coefficients)
        integrals: Array = ((product @ weights) * half).sum(axis=1)
        return integrals


def _containing(points: Array, lower: Array, upper: Array) -> Indices:
    """Return the index of the cell that contains each point, -1 if none does."""
    index = np.searchsorted(lower, points, side="right") - 1
    return np.where((index >= 0) & (points < upper[index]), index, -1)


def _polynomial(points: Array, cells: Indices, lower: Array, upper: Array, coefficients: Array) -> Array:
    """Evaluate the polynomials of ``cells``, one for each column of ``points``, by Clenshaw's recurrence."""
    centre, half = (lower + upper)[cells] / 2, (upper - lower)[cells] / 2
    twice = (points - centre[:, None]) * (2 / half[:, None])
    chosen = coefficients[cells].T[:, :, None]
    last, before, following = np.zeros((3, *points.shape))
    for coefficient in chosen[:0:-1]:
        # In place, because new arrays would cost more than the arithmetic.
        np.multiply(twice, last, out=following)
        following -= before
        following += coefficient
        last, before, following = following, last, before
    value: Array = twice * last / 2 - before + chosen[0]
    return value
