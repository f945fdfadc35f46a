r"""T_m with the square multiplied out, for kernels that are one polynomial and weights that are constant.

:math:`T_m = \frac1m\sum_{i,j}\int K(u - s_i)K(u - s_j)a\,du - 2b\sum_i g(X_i) + mb\int f^2a`, s = X / b: a sum of
overlaps of kernels (`overlaps`), less what lies beyond the window (`window_ends`), a sum over a table (`cross_terms`)
and a constant. It takes a fraction of the time of the sweep. The three terms are larger than T_m, and a value is used
only if they are not so large that rounding in them would matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from foundation.types import Array
from simulations.compiled import compiled
from simulations.engines.exact.cross_terms import CrossTable, SmoothedDensity, sum_cross_terms
from simulations.engines.exact.density_tables import CellTable
from simulations.engines.exact.kernel_tables import PiecewiseKernel
from simulations.engines.exact.overlaps import OverlapTable, Workspace, make_workspace, overlap_table, sum_overlaps
from simulations.engines.exact.window_ends import EndTable, end_table, integrate_beyond
from theory.densities.density import Density
from theory.densities.evaluation import graded_places, local_density

LARGEST_CANCELLATION = 2.0**15
"""Largest ratio of the sum of the terms' magnitudes to T_m; the terms have relative errors of about 3e-16."""

MOST_OBSERVATIONS = 2**20
"""Largest sample for which the arrays of the sums are allocated."""

MOST_EDGES = 32
"""Largest number of knots of f and places around its narrow parts."""

MASS = 1e-12
"""Accepted relative difference of the integrals of g and of f a."""


class ExpansionTables(NamedTuple):
    """Everything that T_m of a sample depends on; a named tuple, since compiled functions accept one.

    Attributes
    ----------
    bandwidth : float
    lower, upper, weight : float
        The window, from -inf to inf for the weight 1 everywhere, and the value of a on it.
    square : float
        The integral of f^2 a.
    overlaps : OverlapTable
    lower_end, upper_end : EndTable
    cross : CrossTable
    """

    bandwidth: float
    lower: float
    upper: float
    weight: float
    square: float
    overlaps: OverlapTable
    lower_end: EndTable
    upper_end: EndTable
    cross: CrossTable


@dataclass(frozen=True)
class Expansion:
    """T_m multiplied out, for one kernel, density, weight and bandwidth.

    Attributes
    ----------
    tables : ExpansionTables
    mass : float
        The integral of f a.
    """

    tables: ExpansionTables
    mass: float

    @classmethod
    def of(cls, kernel: PiecewiseKernel, cells: CellTable, density: Density, bandwidth: float) -> Expansion | None:
        """Build the tables; None if the kernel or the weight has another form, or f is too rough for them."""
        overlaps, weight = overlap_table(kernel), float(cells.weight[0, 0])
        if overlaps is None or cells.weight.shape[1] > 1 or (cells.weight != weight).any() or not weight > 0:
            return None
        lower, upper = float(cells.edges[0]), float(cells.edges[-1])
        places = [*map(float, density.knots), *graded_places(density.landmarks, upper - lower)]
        edges = np.unique([lower, upper, *(place for place in places if lower < place < upper)])
        if edges.size > MOST_EDGES:
            return None
        support = overlaps.lower, overlaps.upper
        smoothed = SmoothedDensity(kernel.pieces[0], support, bandwidth, local_density(density), edges, weight)
        cross, (mass, square) = smoothed.tabulate(), cells.integrals()
        # The two integrals share neither nodes nor cells: a part of f that one of them missed would set them apart.
        if cross is None or not abs(cross.integral() - weight * mass) <= MASS * weight * mass:
            return None
        window = (-math.inf, math.inf) if cells.unbounded else (lower, upper)
        ends = end_table(kernel, -1), end_table(kernel, 1)
        return cls(ExpansionTables(bandwidth, *window, weight, weight * square, overlaps, *ends, cross), weight * mass)

    def is_economical(self, m: int) -> bool:
        """Whether the values of typical samples can be used, by the sizes of the terms and of E T_m for large m."""
        terms, mean = 4 * m * self.tables.bandwidth * self.tables.square, self.tables.overlaps.itself * self.mass
        return m <= MOST_OBSERVATIONS and terms <= LARGEST_CANCELLATION / 4 * mean

    def of_rows(self, samples: Array) -> Array:
        """Compute T_m of sorted samples, shape (n, m): NaN for one that the sweep must compute."""
        values = np.empty(len(samples))
        expand_rows(values, samples, self.tables)
        return values


@compiled
def expand_rows(values: Array, samples: Array, tables: ExpansionTables) -> None:
    """Set ``values`` to T_m of each row of sorted samples, or to NaN where too many digits cancel."""
    work = make_workspace(samples.shape[1], tables.overlaps)
    for i in range(values.size):
        values[i] = _expand_sample(samples[i], tables, work)


@compiled
def _expand_sample(sample: Array, tables: ExpansionTables, work: Workspace) -> float:
    m, b, overlaps = sample.size, tables.bandwidth, tables.overlaps
    # Observations whose kernels do not reach into the window contribute nothing.
    first, last = 0, m
    while first < m and (sample[first] - tables.lower) / b + overlaps.upper <= 0.0:
        first += 1
    while last > first and (sample[last - 1] - tables.upper) / b + overlaps.lower >= 0.0:
        last -= 1
    near = sample[first:last]
    whole = near.size * overlaps.itself + 2 * sum_overlaps(near, b, overlaps, work)
    beyond = 0.0
    if tables.upper < np.inf:
        beyond = integrate_beyond(near, tables.lower, b, tables.lower_end)
        beyond += integrate_beyond(near, tables.upper, b, tables.upper_end)
    square = tables.weight * (whole - beyond) / m
    cross = 2 * b * sum_cross_terms(near, tables.cross, work.values)
    constant = m * b * tables.square
    value = (square - cross) + constant
    magnitude = tables.weight * (whole + beyond) / m + cross + constant
    return value if magnitude <= LARGEST_CANCELLATION * value else np.nan
