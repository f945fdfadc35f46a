"""Strata: parts of cells, each with its probability and a polynomial from uniform numbers to positions in it.

A stratum is a whole cell, unless a knot of the density lies in it, or the density is so steep there that no polynomial
of degree 5 gives its quantiles to 1e-9 of a cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.errors import InputError
from foundation.types import Array, Indices
from theory.densities.density import Density
from theory.densities.evaluation import at_points, graded_places, local_density

DEGREE = 5
"""Degree of a stratum's quantile polynomial."""

DENSITY_DEGREE = 9
"""Degree of the polynomial that represents the density; the quantile polynomial is fitted to its inverse integral."""

TOLERANCE = 1e-9
"""Largest accepted error of a position, in cells."""

MISSED_MASS, ROUNDING = 1e-8, 1e-13
"""Share of its probability that a stratum's polynomial may miss, and relative error of a distribution function."""

NEGLIGIBLE = 1e-24
"""Probability of a stratum below which it is dropped: no sample will ever have an observation in it."""

NEWTON_STEPS, MOST_HALVINGS = 30, 40

MOST_STRATA = 2**20 - 1


@dataclass(frozen=True)
class Strata:
    """The strata of a density on equal cells, ascending.

    Attributes
    ----------
    cells : array of int64, shape (n,)
        Cell that contains each stratum.
    probabilities : array, shape (n,)
    outside : float
        Probability of an observation outside all cells.
    quantiles : array, shape (n, 6)
        Coefficients of 1, w, w^2, ...: for w uniform on [-1/2, 1/2], a position from the centre of the cell, in cells.
    """

    cells: Indices
    probabilities: Array
    outside: float
    quantiles: Array


def strata(density: Density, edges: Array) -> Strata:
    """Build the strata of ``density`` on the cells between ``edges``, equidistant, ascending, shape (cells + 1,).

    Raises
    ------
    InputError
        If the density has no survival function, is unbounded on the cells, or is too steep for them.
    """
    _require_bounded(density, float(edges[0]), float(edges[-1]))
    width = float(edges[1] - edges[0])
    support = [float(end) for end in density.support]
    knots = np.array([*(float(knot) for knot in density.knots), *graded_places(density.landmarks, width)])
    ends = np.unique(np.clip(np.concatenate([edges, knots]), max(edges[0], support[0]), min(edges[-1], support[1])))
    # Fit all pending strata together, keep those that are accurate, and halve the others.
    parts, fits = [], []
    pending = np.stack([ends[:-1], ends[1:]], axis=1)
    for halving in range(MOST_HALVINGS + 1):
        known, rounding = _probabilities(density, pending)
        likely = known > np.maximum(NEGLIGIBLE, rounding / 1000)
        pending, known, rounding = pending[likely], known[likely], rounding[likely]
        quantiles, error, mass = _quantile_polynomials(density, pending)
        # A narrow part of the density that no node has met is missing from the integral.
        error[np.abs(mass - known) > MISSED_MASS * known + rounding] = np.inf
        # In a stratum narrower than the tolerance, every position is accurate enough.
        good = (error * np.diff(pending)[:, 0] <= TOLERANCE * width) | (np.diff(pending)[:, 0] <= TOLERANCE * width)
        parts.append(pending[good])
        fits.append(quantiles[good])
        rough = pending[~good]
        middles = rough.mean(axis=1)
        pending = np.concatenate([np.stack([rough[:, 0], middles], 1), np.stack([middles, rough[:, 1]], 1)])
        if not pending.size:
            break
        if halving == MOST_HALVINGS or pending.size + sum(part.size for part in parts) > 2 * MOST_STRATA:
            raise InputError(f"the density {density.name} is too steep for cells. Use the engine exact.")
    # The passes of refinement leave the strata out of order.
    bounds, polynomials = np.concatenate(parts), np.concatenate(fits)
    order = np.argsort(bounds[:, 0])
    return _in_cells(density, edges, bounds[order], polynomials[order])


def _in_cells(density: Density, edges: Array, bounds: Array, polynomials: Array) -> Strata:
    """Build the strata between ``bounds``, with polynomials rescaled from [-1, 1] to the cells."""
    width = float(edges[1] - edges[0])
    centres = bounds.mean(axis=1)
    cells = np.clip(((centres - edges[0]) / width).astype(np.int64), 0, edges.size - 2)
    quantiles = polynomials * np.diff(bounds) / (2 * width)
    quantiles[:, 0] += (centres - edges[0]) / width - cells - 0.5
    probabilities, _ = _probabilities(density, bounds)
    outer = tails(density, edges[[0, -1]])
    return Strata(cells, np.maximum(probabilities, 0.0), float(outer[0][0] + outer[1][1]), quantiles)


def tails(density: Density, points: Array) -> tuple[Array, Array]:
    """Compute the probabilities below and above ``points``, of any shape.

    Raises
    ------
    InputError
        If the density has no survival function.
    """
    if density.survival is None:
        raise InputError(
            f"the density must have a survival function for cells, got {density.name}. Use the engine exact."
        )
    below, above = (
        at_points(local_density(density, side), points.ravel()).reshape(points.shape)
        for side in ("distribution", "survival")
    )
    return below, above


def _probabilities(density: Density, bounds: Array) -> tuple[Array, Array]:
    """Compute the probabilities of the strata between ``bounds``, and their rounding errors."""
    below, above = tails(density, bounds)
    # The difference of the nearer tail's probabilities does not cancel.
    lower = below[:, 1] < above[:, 0]
    tail = np.where(lower, below[:, 1], above[:, 0])
    return np.where(lower, below[:, 1] - below[:, 0], above[:, 0] - above[:, 1]), ROUNDING * tail


def _require_bounded(density: Density, lower: float, upper: float) -> None:
    for knot in map(float, density.unbounded_knots):
        if lower <= knot <= upper:
            raise InputError(
                "the density must be bounded within a bandwidth of the weight's support for the engine multinomial, "
                f"but {density.name} is unbounded at {knot:g}. Use the engine cells."
            )


def _quantile_polynomials(density: Density, bounds: Array) -> tuple[Array, Array, Array]:
    """Fit each stratum's quantile polynomial in w, in half-widths from the middle.

    Return it, its error in widths and the integral of the density.

    The density is interpolated first, since its integral and the inverse of that are then cheap for all strata at once.
    """
    # Interpolate the densities, and measure how far they are from their polynomials.
    nodes: Array = np.polynomial.chebyshev.chebpts1(DENSITY_DEGREE + 1)
    values = _density_at(density, bounds, nodes)
    scale = values.max(axis=1, keepdims=True)
    values /= scale
    fitted = _series_through(values)
    between = np.linspace(-0.99, 0.99, 2 * DENSITY_DEGREE)
    exact = _density_at(density, bounds, between) / scale
    unlike = np.abs(_series_at(fitted, np.broadcast_to(between, exact.shape)) - exact).max(axis=1)

    # Interpolate the quantiles, found by Newton's method, as polynomials in w.
    integral = np.asarray(np.polynomial.chebyshev.chebint(fitted.T, lbnd=-1).T, dtype=np.float64)
    levels = np.polynomial.chebyshev.chebpts1(DEGREE + 1)
    points = _inverse(fitted, integral, (levels + 1) / 2)
    polynomials = np.linalg.solve(np.vander(levels / 2, increasing=True), points.T).T
    # Measure their error between the nodes, and add the effect of an error of the density.
    checks = np.cos(np.pi * np.arange(DEGREE + 2) / (DEGREE + 1))
    expected = _inverse(fitted, integral, (checks + 1) / 2)
    error = np.abs(np.polynomial.polynomial.polyval(checks / 2, polynomials.T) - expected).max(axis=1)
    error = error + unlike / np.maximum(values.min(axis=1), unlike + np.finfo(float).tiny)
    mass = scale[:, 0] * np.diff(bounds)[:, 0] / 2 * _series_at(integral, np.ones((integral.shape[0], 1)))[:, 0]
    return np.asarray(polynomials, dtype=np.float64), np.where(np.isfinite(error), error / 2, np.inf), mass


def _series_through(values: Array) -> Array:
    """Interpolate each row of values at Chebyshev points by a Chebyshev series, one in each row."""
    nodes = np.polynomial.chebyshev.chebpts1(values.shape[1])
    series = np.polynomial.chebyshev.chebfit(nodes, values.T, nodes.size - 1)
    return np.asarray(series.T, dtype=np.float64)


def _series_at(series: Array, points: Array) -> Array:
    """Evaluate Chebyshev series, one in each row, at the points of the same row, shape (n, points)."""
    values = np.polynomial.chebyshev.chebval(points.T, series.T[:, None, :], tensor=False)
    return np.asarray(values.T, dtype=np.float64)


def _inverse(density: Array, integral: Array, levels: Array) -> Array:
    """Find where integrals, Chebyshev series in rows, reach the shares ``levels`` of their values at 1."""
    ends = np.ones((integral.shape[0], 1))
    # Newton's method from the quantiles of a constant density, which converges quickly for nearly constant ones.
    targets = _series_at(integral, ends) * levels
    points = np.broadcast_to(2 * levels - 1, targets.shape).copy()
    for _ in range(NEWTON_STEPS):
        with np.errstate(all="ignore"):
            steps = (_series_at(integral, points) - targets) / _series_at(density, points)
        # A step beyond the stratum is clipped; at a fixed point of the rounded iteration no digit is left to gain.
        following = np.clip(points - steps, -1.0, 1.0)
        if np.array_equal(following, points):
            break
        points = following
    return np.asarray(points, dtype=np.float64)


def _density_at(density: Density, bounds: Array, nodes: Array) -> Array:
    """Evaluate f at the nodes of [-1, 1] in every stratum; no stratum crosses a knot."""
    centres, halves = bounds.mean(axis=1), np.diff(bounds)[:, 0] / 2
    return np.nan_to_num(local_density(density)(centres, halves[:, None] * nodes), nan=0.0, posinf=0.0)
