"""A distribution function as polynomials on intervals: the bootstrap needs it at many more points than it has features.

The intervals begin at quantiles, so that they are short beside a pole of the density or its steep parts, and are halved
until the polynomials hold between their nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foundation.types import Array
from simulations.compiled import compiled

DEGREE = 12

TOLERANCE = 1e-12
"""Accepted error between the nodes; that of K_b * f is as large, divided by b."""

MOST_HALVINGS = 12

MOST_INTERVALS = 600
"""With more of them the distribution function itself is no slower."""


@dataclass(frozen=True)
class DistributionTable:
    """The distribution function F.

    Attributes
    ----------
    edges : array, shape (n + 1,)
        Ends of the intervals, ascending; F is taken as 0 below the first and as 1 above the last.
    coefficients : array, shape (n, degree + 1)
        Of 1, v, v**2, ... where v runs from -1 to 1 over an interval.
    """

    edges: Array
    coefficients: Array

    @classmethod
    def of(cls, distribution: Callable[[Array], Array], places: Array) -> DistributionTable | None:
        """Tabulate F between ``places``, from one end of its bulk to the other; None if F is too steep for a table."""
        edges = np.unique(places)
        if not (edges.size > 1 and np.isfinite(edges).all()):
            return None
        lower, upper = edges[:-1], edges[1:]
        done: list[tuple[Array, Array]] = []
        for _ in range(MOST_HALVINGS):
            values = distribution(_points(lower, upper, _NODES))
            coefficients = values @ _INVERSE.T
            checks = distribution(_points(lower, upper, _BETWEEN))
            good = np.abs(coefficients @ _AT_CHECKS - checks).max(axis=1) <= TOLERANCE
            done.append((lower[good], coefficients[good]))
            lower, upper = lower[~good], upper[~good]
            if not lower.size:
                break
            middle = lower + (upper - lower) / 2
            lower, upper = np.concatenate([lower, middle]), np.concatenate([middle, upper])
        starts = np.concatenate([one for one, _ in done])
        if lower.size or starts.size > MOST_INTERVALS:
            return None
        order = np.argsort(starts)
        found = np.concatenate([one for _, one in done])[order]
        return cls(np.append(starts[order], edges[-1]), np.ascontiguousarray(found))

    def __call__(self, points: Array) -> Array:
        """Compute F at points of any shape."""
        values = np.empty(points.size)
        _evaluate(values, points.ravel(), self.edges, self.coefficients)
        return values.reshape(points.shape)


_NODES = np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
_INVERSE = np.linalg.inv(np.vander(_NODES, increasing=True))
_BETWEEN = np.cos(np.pi * np.arange(DEGREE + 2) / (DEGREE + 1))
_AT_CHECKS = np.vander(_BETWEEN, DEGREE + 1, increasing=True).T


def _points(lower: Array, upper: Array, v: Array) -> Array:
    """Return the points v of every interval, a row for each."""
    return np.asarray((lower + upper)[:, None] / 2 + (upper - lower)[:, None] / 2 * v)


@compiled
def _evaluate(values: Array, points: Array, edges: Array, coefficients: Array) -> None:
    last, degree = edges.size - 2, coefficients.shape[1] - 1
    k = 0
    for i in range(points.size):
        point = points[i]
        if point <= edges[0]:
            values[i] = 0.0
            continue
        if point >= edges[last + 1]:
            values[i] = 1.0
            continue
        # Neighbours are mostly in the same interval.
        if not (edges[k] <= point < edges[k + 1]):
            k = min(np.searchsorted(edges, point, side="right") - 1, last)
        v = (2 * point - edges[k] - edges[k + 1]) / (edges[k + 1] - edges[k])
        total = coefficients[k, degree]
        for n in range(degree - 1, -1, -1):
            total = total * v + coefficients[k, n]
        values[i] = total
