"""Gauss-Legendre quadrature on meshes that follow kinks and narrow parts of the integrands.

Positions are doubles plus offsets, so that they keep their digits next to narrow parts far from 0.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from foundation.types import Array, Indices

GROWTH = 2.0
"""The largest width of a cell, in units of a feature's scale plus the distance to that feature."""

NEAR = 0.25
"""A feature within this distance from an edge, in its own scales, needs no edge of its own."""


class Feature(NamedTuple):
    """A place around which a function changes, and the distance over which it does."""

    place: Fraction
    scale: float


@dataclass(frozen=True)
class Nodes:
    """Nodes of Gauss-Legendre rules.

    Attributes
    ----------
    bases, offsets, lengths : array, shape (n,)
        The nodes are bases + offsets, and their weights are lengths.
    """

    bases: Array
    offsets: Array
    lengths: Array

    def part(self, rows: slice | Indices) -> Nodes:
        """Return some of the nodes."""
        return Nodes(self.bases[rows], self.offsets[rows], self.lengths[rows])

    def join(self, other: Nodes) -> Nodes:
        """Return these nodes and then the others."""
        pairs = ((self.bases, other.bases), (self.offsets, other.offsets), (self.lengths, other.lengths))
        return Nodes(*map(np.concatenate, pairs))


@dataclass(frozen=True)
class Panels:
    """Parts of cells of a mesh, each of which belongs to a position, its row.

    Attributes
    ----------
    count : int
        The number of rows.
    rows, cells : array of int, shape (n,)
        The row and the cell of each panel.
    starts, lows, widths : array, shape (n,)
        The lower end relative to the position of the row and to the lower end of the cell, and the width.
    """

    count: int
    rows: Indices
    cells: Indices
    starts: Array
    lows: Array
    widths: Array

    def nodes(self, order: int) -> tuple[Array, Array]:
        """Return ``order`` nodes in every panel, from its lower end, and their weights, shape (n, order)."""
        fractions, shares = gauss_legendre(order)
        return self.widths[:, None] * fractions, self.widths[:, None] * shares

    def sum(self, values: Array) -> Array:
        """Sum values at the nodes, shape (n, order), over the panels of each row."""
        return np.asarray(np.bincount(self.rows, values.sum(axis=1), self.count), dtype=np.float64)


@dataclass(frozen=True)
class Mesh:
    """Consecutive cells.

    Attributes
    ----------
    bases, rests, widths : array, shape (n,)
        The lower end of each cell is bases + rests.
    """

    bases: Array
    rests: Array
    widths: Array

    @classmethod
    def graded(cls, edges: Iterable[Fraction], features: Sequence[Feature]) -> Mesh:
        """Return the mesh between the first and the last edge whose cells are narrow beside narrow features.

        Parameters
        ----------
        edges : iterable of Fraction
            At least two; every edge is the end of a cell.
        features : sequence of Feature
            No cell is wider than `GROWTH` times the scale of a feature plus the distance to it.
        """
        ends = _with_guides(_distinct(edges), features)
        high, low = split(ends)
        places, rests = split([feature.place for feature in features])
        scales = np.array([feature.scale for feature in features])
        parts = _Parts.of(np.diff(high) + np.diff(low))
        while True:
            near = (places - high[parts.anchors, None]) + (rests - low[parts.anchors, None])
            away = np.maximum(np.maximum(parts.lowers[:, None] - near, near - parts.uppers[:, None]), 0.0)
            wide = parts.uppers - parts.lowers > GROWTH * np.min(scales + away, axis=1, initial=np.inf)
            if not wide.any():
                break
            parts = parts.halve(wide)
        # Parts that are measured from an upper end are below it, and stand before those above the same end.
        order = np.lexsort([parts.lowers, parts.anchors])
        anchors, lowers, uppers = parts.anchors[order], parts.lowers[order], parts.uppers[order]
        return cls(high[anchors], low[anchors] + lowers, uppers - lowers)

    def divide(self, parts: int) -> Mesh:
        """Divide every cell into equal parts."""
        steps = np.arange(parts) / parts
        return Mesh(
            self.bases.repeat(parts),
            (self.rests[:, None] + self.widths[:, None] * steps).ravel(),
            (self.widths / parts).repeat(parts),
        )

    def nodes(self, order: int) -> Nodes:
        """Place ``order`` nodes in every cell."""
        fractions, shares = gauss_legendre(order)
        offsets = self.rests[:, None] + self.widths[:, None] * fractions
        return Nodes(self.bases.repeat(order), offsets.ravel(), (self.widths[:, None] * shares).ravel())

    def places(self, panels: Panels, along: Array) -> tuple[Array, Array]:
        """Return points of panels, at distances from their lower ends, as bases and offsets."""
        return self.bases[panels.cells], (self.rests[panels.cells] + panels.lows)[:, None] + along

    def cut(self, rows: Nodes, shifts: Array) -> Panels:
        """Cut the mesh, from the first to the last point of each row, at the points of the row.

        Parameters
        ----------
        rows : Nodes
            The positions.
        shifts : array, shape (rows, k)
            The points of each row relative to its position, ascending.
        """
        # The lower ends of the cells relative to each position.
        ends = (self.bases - rows.bases[:, None]) + (self.rests - rows.offsets[:, None])
        points = np.clip(shifts, ends[:, :1], ends[:, -1:] + self.widths[-1])
        edges = np.concatenate([np.clip(ends, points[:, :1], points[:, -1:]), points], axis=1)
        order = np.argsort(edges, axis=1, kind="stable")
        edges = np.take_along_axis(edges, order, axis=1)
        row, column = np.nonzero(edges[:, 1:] > edges[:, :-1])
        cells = (np.cumsum(order < self.bases.size, axis=1) - 1)[row, column]
        starts, stops, origins = edges[row, column], edges[row, column + 1], ends[row, cells]
        # The upper end of a cell is at its own width, which has more digits than the difference of two positions.
        following = np.minimum(cells + 1, self.bases.size - 1)
        whole = (stops == ends[row, following]) & (following > cells)
        highs = np.where(whole, self.widths[cells], stops - origins)
        return Panels(rows.bases.size, row, cells, starts, starts - origins, highs - (starts - origins))


@dataclass(frozen=True)
class Table:
    """Functions on a mesh, as Legendre series on every cell.

    Attributes
    ----------
    mesh : Mesh
    series : array, shape (cells, order, functions)
    """

    mesh: Mesh
    series: Array

    @classmethod
    def of(cls, mesh: Mesh, values: Array) -> Table:
        """Interpolate ``values``, shape (functions, cells * order), at the Gauss-Legendre nodes of ``mesh``."""
        order = values.shape[1] // mesh.bases.size
        return cls(mesh, _projection(order) @ np.moveaxis(values.reshape(values.shape[0], -1, order), 0, 2))

    def __call__(self, panels: Panels, along: Array) -> Iterator[Array]:
        """Yield each function at points of panels, at distances from their lower ends."""
        within = (panels.lows[:, None] + along) / self.mesh.widths[panels.cells, None]
        values = legendre.legvander(2 * within - 1, self.series.shape[1] - 1) @ self.series[panels.cells]
        yield from np.moveaxis(values, 2, 0)


@dataclass(frozen=True)
class _Parts:
    """Parts of the gaps between edges, each measured from the nearer edge, its anchor.

    Attributes
    ----------
    anchors : array of int, shape (n,)
        Positions among the edges.
    lowers, uppers : array, shape (n,)
        The ends of the parts, relative to their anchors.
    whole : array of bool, shape (n,)
        Whether a part is a whole gap, which is measured from its lower edge.
    """

    anchors: Indices
    lowers: Array
    uppers: Array
    whole: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, gaps: Array) -> _Parts:
        """Return whole gaps of the given widths."""
        return cls(np.arange(gaps.size), np.zeros_like(gaps), gaps, np.ones(gaps.size, dtype=bool))

    def halve(self, chosen: npt.NDArray[np.bool_]) -> _Parts:
        """Cut some of the parts in their middles."""
        anchors, lowers, uppers, whole = (values[chosen] for values in vars(self).values())
        middles = (lowers + uppers) / 2
        # The upper half of a whole gap is measured from the gap's upper edge.
        moved = np.where(whole, uppers, 0.0)
        kept = tuple(values[~chosen] for values in vars(self).values())
        return _Parts(
            np.concatenate([kept[0], anchors, anchors + whole]),
            np.concatenate([kept[1], lowers, middles - moved]),
            np.concatenate([kept[2], middles, uppers - moved]),
            np.concatenate([kept[3], np.zeros(2 * middles.size, dtype=bool)]),
        )


def gauss_legendre(order: int) -> tuple[Array, Array]:
    """Return the nodes and weights of the rule on [0, 1]."""
    nodes, weights = legendre.leggauss(order)
    return (nodes + 1) / 2, weights / 2


def split(places: Sequence[Fraction]) -> tuple[Array, Array]:
    """Return each place as a double and the rest."""
    high = [float(place) for place in places]
    low = [float(place - Fraction(near)) for place, near in zip(places, high, strict=True)]
    return np.array(high), np.array(low)


def blocks(rows: int, size: int, most: int = 500_000) -> Iterator[slice]:
    """Yield slices of ``rows`` rows whose arrays, of ``size`` numbers a row, are within a bound on memory."""
    step = max(1, most // size)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _distinct(edges: Iterable[Fraction]) -> list[Fraction]:
    return sorted({float(edge): edge for edge in edges}.values())


def _with_guides(edges: list[Fraction], features: Sequence[Feature]) -> list[Fraction]:
    """Return the edges, and the places of features that are not near one."""
    ends = list(edges)
    for place, scale in sorted(features, key=lambda feature: feature.scale):
        after = bisect(ends, place)
        if 0 < after < len(ends):
            distance = min(place - ends[after - 1], ends[after] - place)
            if distance > NEAR * Fraction(scale):
                ends.insert(after, place)
    return ends


def _projection(order: int) -> Array:
    """Return the matrix that takes values at the Gauss-Legendre nodes to the coefficients of a Legendre series."""
    nodes, weights = legendre.leggauss(order)
    return np.asarray((np.arange(order)[:, None] + 0.5) * legendre.legvander(nodes, order - 1).T * weights)
