"""The integral of f_m f a as a sum over the sample of g(X) = the integral of K((x - X) / b) / b f(x) a(x) dx.

Between its knots, where the kernel's support meets those of f and of a, g is smooth. Polynomials on equal cells between
each two knots give it to rounding; they are built once for a kernel, a density, a weight and a bandwidth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from foundation.types import Array, Indices
from simulations.compiled import compiled
from simulations.engines.exact.overlaps import add_up
from theory.densities.evaluation import LocalFunction

DEGREE = 7
"""Degree of the polynomials: their eight coefficients fill a line of the cache."""

TOLERANCE = 1e-14
"""Error of the polynomials, relative to the largest value of g, before the last halving, which divides it by 2**8."""

PRECISION = 2e-15
"""Relative change of g at which more nodes of its quadrature no longer matter."""

NODES, MOST_PANELS = 16, 128
"""Nodes of the quadrature on a panel, and the largest number of panels between two edges."""

MOST_CELLS, MOST_VALUES = 4096, 2**20
"""Largest number of cells between two knots, and of values of f for all of them; beyond these, there is no table."""


class CrossTable(NamedTuple):
    """The function g; a named tuple, since compiled functions accept one.

    Attributes
    ----------
    ends : array, shape (s + 1,)
        Ends of the segments between the knots of g, ascending; g is zero outside them.
    rates : array, shape (s,)
        Cells of each segment per unit of length.
    first : array of int64, shape (s + 1,)
        The first cell of each segment; then the number of cells.
    coefficients : array, shape (cells, 8)
        Coefficients of the powers of v, which runs from -1 to 1 over a cell.
    """

    ends: Array
    rates: Array
    first: Indices
    coefficients: Array

    def integral(self) -> float:
        """Return the integral of g."""
        means = self.coefficients[:, ::2] @ (1 / np.arange(1.0, DEGREE + 1, 2))
        widths = 1 / np.repeat(self.rates, np.diff(self.first))
        return float(means @ widths)


@dataclass(frozen=True)
class SmoothedDensity:
    """The function g.

    Parameters
    ----------
    kernel : array, shape (degree + 1,)
        Coefficients of the powers of u in K(u), one polynomial on its support.
    support : pair of float
        Ends of the support of K.
    bandwidth : float
    density : LocalFunction
        f as a function.
    edges : array, shape (n,)
        Points between which f a is smooth, ascending; it is zero outside the first and the last.
    weight : float
        The value of a.
    """

    kernel: Array
    support: tuple[float, float]
    bandwidth: float
    density: LocalFunction
    edges: Array
    weight: float

    def tabulate(self) -> CrossTable | None:
        """Build the table, or return None if it would need too many cells, or f too many nodes."""
        ends = np.unique(np.concatenate([self.edges - self.bandwidth * knot for knot in self.support]))
        segments = [_Segment(self, lower, upper) for lower, upper in pairwise(ends.tolist())]
        scale = max(float(np.abs(segment.values(np.linspace(0, segment.length, 9))).max()) for segment in segments)
        parts = [segment.fit(scale) for segment in segments]
        found = [part for part in parts if part is not None]
        if len(found) < len(parts):
            return None
        counts = [len(part) for part in found]
        return CrossTable(ends, np.array(counts) / np.diff(ends), np.cumsum([0, *counts]), np.concatenate(found))


class _Cut(NamedTuple):
    """An end of an interval: a point, or the place at a distance from the argument of g."""

    point: float | None
    distance: float


@cache
def _rule(panels: int) -> tuple[Array, Array]:
    """Return the nodes and weights of Gauss-Legendre rules on equal panels of [-1, 1]."""
    nodes, shares = np.polynomial.legendre.leggauss(NODES)
    centres = (2 * np.arange(panels)[:, None] + 1) / panels - 1
    return (centres + nodes / panels).ravel(), np.tile(shares / panels, panels)


@dataclass(frozen=True)
class _Segment:
    """The function g between two of its knots, as a function of the distance from the lower one."""

    function: SmoothedDensity
    lower: float
    upper: float

    @property
    def length(self) -> float:
        return self.upper - self.lower

    def fit(self, scale: float) -> Array | None:
        """Return the coefficients of polynomials on equal cells that give g to rounding beside ``scale``, or None."""
        panels = self._number_of_panels(scale)
        if panels is None:
            return None
        cells, most = 1, min(MOST_CELLS, MOST_VALUES // (panels * NODES * (DEGREE + 1)))
        while cells <= most // 2:
            # Between the nodes of the interpolation its error is about as large as it gets.
            v = np.linspace(-0.9, 0.9, DEGREE + 2)
            fitted = np.polynomial.polynomial.polyval(v, self._interpolate(cells, panels).T)
            if np.abs(fitted - self._on_cells(cells, v, panels)).max() <= TOLERANCE * scale:
                return self._interpolate(2 * cells, panels)
            cells *= 2
        return None

    def _number_of_panels(self, scale: float) -> int | None:
        """Return a number of panels of the quadrature with which twice as many agree."""
        places = np.linspace(0, self.length, 4 * DEGREE)
        panels = 1
        while panels <= MOST_PANELS // 2:
            change = self.values(places, 2 * panels) - self.values(places, panels)
            if np.abs(change).max() <= PRECISION * scale:
                return 2 * panels
            panels *= 2
        return None

    def _interpolate(self, cells: int, panels: int) -> Array:
        v = np.polynomial.chebyshev.chebpts1(DEGREE + 1)
        values = self._on_cells(cells, v, panels)
        return np.ascontiguousarray(np.linalg.solve(np.vander(v, increasing=True), values.T).T)

    def _on_cells(self, cells: int, v: Array, panels: int) -> Array:
        """Return g at the points v of each of ``cells`` equal cells."""
        places = self.length / cells * (np.arange(cells)[:, None] + (1 + v) / 2)
        return self.values(places.ravel(), panels).reshape(places.shape)

    def values(self, places: Array, panels: int = 1) -> Array:
        """Return g at distances from the lower end, shape (n,), by Gauss-Legendre rules on panels."""
        rule, total = _rule(panels), np.zeros(places.size)
        for one, other in self._intervals():
            total += self._integral(one, other, places, *rule)
        return total

    def _intervals(self) -> Iterator[tuple[_Cut, _Cut]]:
        """Yield the intervals between the ends of the kernel's support and the edges of f a inside it."""
        function, middle = self.function, self.lower + self.length / 2
        below, above = (function.bandwidth * knot for knot in function.support)
        edges = function.edges.tolist()
        inside = [_Cut(edge, 0.0) for edge in edges[1:-1] if middle + below < edge < middle + above]
        first = _Cut(None, below) if middle + below > edges[0] else _Cut(edges[0], 0.0)
        last = _Cut(None, above) if middle + above < edges[-1] else _Cut(edges[-1], 0.0)
        return pairwise([first, *inside, last])

    def _integral(self, one: _Cut, other: _Cut, places: Array, nodes: Array, shares: Array) -> Array:
        """Integrate K((y - x) / b) / b f(y) a(y) dy from one cut to another, for each x."""
        function = self.function
        # All positions are relative to a base, a double, so that neither the location of f nor a very large or small
        # bandwidth costs digits: an edge if there is one, and otherwise the double next to x.
        point = one.point if one.point is not None else other.point
        base = self.lower + places if point is None else np.full(places.size, point)
        x = (self.lower - base) + places
        moving = [float(cut.point is None) for cut in (one, other)]
        ends = [cut.distance if cut.point is None else cut.point - base[0] for cut in (one, other)]
        half = ((moving[1] - moving[0]) * x + (ends[1] - ends[0])) / 2
        middle = ((moving[0] + moving[1]) * x + (ends[0] + ends[1])) / 2
        from_x = ((moving[0] + moving[1] - 2) * x + (ends[0] + ends[1])) / 2
        steps = half[:, None] * nodes
        u = (from_x[:, None] + steps) / function.bandwidth
        values = np.polynomial.polynomial.polyval(u, function.kernel) * function.density(base, middle[:, None] + steps)
        return np.asarray(function.weight / function.bandwidth * half * (values @ shares))


@compiled
def sum_cross_terms(sample: Array, table: CrossTable, values: Array) -> float:
    """Sum g over a sorted sample; ``values`` is an array at least as long, which is overwritten."""
    start, stop = _count_below(sample, table.ends[0]), 0
    begin = start
    for segment in range(table.rates.size):
        stop = _count_below(sample, table.ends[segment + 1])
        first, last = table.first[segment], table.first[segment + 1]
        _set_terms(
            values[start - begin : stop - begin],
            sample[start:stop],
            table.ends[segment],
            table.rates[segment],
            table.coefficients[first:last],
        )
        start = stop
    return add_up(values[: start - begin])


@compiled
def _set_terms(values: Array, sample: Array, lower: float, rate: float, coefficients: Array) -> None:
    """Set ``values`` to g at the observations in one segment."""
    for i in range(values.size):
        place = (sample[i] - lower) * rate
        cell = np.uint64(min(place, coefficients.shape[0] - 1.0))
        v = 2 * (place - cell) - 1
        value = coefficients[cell, DEGREE]
        for k in range(1, DEGREE + 1):
            value = value * v + coefficients[cell, DEGREE - k]
        values[i] = value


@compiled
def _count_below(sample: Array, end: float) -> int:
    """Count the observations below ``end``, by bisection."""
    low, high = 0, sample.size
    while low < high:
        middle = (low + high) // 2
        if sample[middle] < end:
            low = middle + 1
        else:
            high = middle
    return low
