"""The cells, nodes and weights that turn power sums in cells into T_m, for one setting and one m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.errors import InputError
from foundation.types import Array, Indices
from foundation.validation import require_positive
from simulations.engines.cells.kernel_expansions import kernel_geometry
from simulations.engines.cells.moments import GridTables, kernel_sums, scatter, statistic_of_moments
from simulations.engines.cells.quadrature import Segment, TooFewNodes, nodes_over, segments
from simulations.engines.exact.statistic import Statistic
from theory.densities.weights import ONE

MOST_CELLS = 2**20

MOST_STEPS = 2**28
"""Largest number of steps from the power sums of a replicate to its T_m, about a tenth of a second."""

STEPS_OF_AN_OBSERVATION, ALWAYS_AFFORDABLE = 100, 2**25
"""Steps that the exact engine takes for an observation, and steps that no search for a resolution minds."""

FEWEST_STEPS = 2**20
"""The fewest doubles in a cell, so that the positions in it have six digits."""

MISSED = 1e-9
"""Probability that a sample has an observation outside the cells when the weight has unbounded support; it is then
ignored, although it would add I(K) / m to T_m."""


class TooManyCells(Exception):
    """The grid would need more cells or steps than the bounds allow."""


@dataclass(frozen=True)
class Grid:
    """Cells of equal width, the nodes on their edges, and the tables that give T_m from power sums in the cells.

    Attributes
    ----------
    origin, width : float
        Lower edge of the first cell, and width of every cell.
    cells : int
    orders : int
        Number of power sums in a cell: the sums of s^0, s^1, ..., s^(orders - 1).
    tables : GridTables
    """

    origin: float
    width: float
    cells: int
    orders: int
    tables: GridTables

    @property
    def edges(self) -> Array:
        """The edges of the cells, shape (cells + 1,)."""
        return self.origin + self.width * np.arange(self.cells + 1, dtype=np.float64)

    @property
    def steps(self) -> int:
        """The approximate number of multiplications and additions from power sums to T_m."""
        reach, orders = self.tables.expansion.shape
        return self.tables.nodes * (reach * orders if orders > 1 else self.tables.offsets.size)

    def is_affordable(self, m: int) -> bool:
        """Whether a replicate takes no more steps than an exact one of ``m`` observations, or at least not too many."""
        return self.steps <= max(ALWAYS_AFFORDABLE, STEPS_OF_AN_OBSERVATION * m)

    def moments(self, sample: Array) -> Array:
        """Compute the power sums of the observations in their cells, shape (orders, cells)."""
        moments = np.zeros((self.cells + 1, self.orders))
        scatter(sample, self.origin, 1 / self.width, moments)
        return np.ascontiguousarray(moments[:-1].T)

    def kernel_sums(self, sample: Array) -> Array:
        """Sum K((x - X) / b) over all observations X at every node x, shape (nodes,)."""
        sums = np.empty(self.tables.nodes)
        kernel_sums(self.moments(sample), self.tables, sums)
        return sums

    def of_sample(self, sample: Array) -> float:
        """Compute T_m of a sample of m observations in any order."""
        return float(statistic_of_moments(self.moments(sample), self.tables))


def grid(statistic: Statistic, m: int, cells_per_bandwidth: int) -> Grid:
    """Build the grid with ``cells_per_bandwidth`` cells in a bandwidth, the half-width of a kernel.

    Raises
    ------
    InputError
        If the kernel's knots do not lie on edges of cells, or doubles are too far apart at the location of the cells.
    TooManyCells
        If there would be more than 2**20 cells, or more than 2**28 steps in a replicate.
    TooFewNodes
        If two knots of f and a are so close together that no cubic fits between them.
    """
    geometry, bandwidth = kernel_geometry(statistic.kernel), statistic.bandwidth.at(m)
    if cells_per_bandwidth % geometry.divisor:
        raise InputError(
            f"the cells in a bandwidth must be a multiple of {geometry.divisor} for the kernel "
            f"{statistic.kernel.name}, got {cells_per_bandwidth}."
        )
    # Scale the kernel's expansion, which is in bandwidths, to the data.
    expansion = geometry.expansion(cells_per_bandwidth)
    width, scale = bandwidth * expansion.width, m * bandwidth
    support = _support(statistic, m, bandwidth * expansion.lower, bandwidth * expansion.upper)
    if (support[1] - support[0]) / width > MOST_CELLS:
        raise TooManyCells
    spacing = float(np.spacing(max(map(abs, support))))
    if width < FEWEST_STEPS * spacing:
        raise InputError(
            f"a cell must be at least {FEWEST_STEPS:,} times as wide as the spacing of doubles at its location, got "
            f"{width:g} where they are {spacing:.3g} apart. Use the engine exact."
        )
    # Place the nodes on edges of cells, and collect the quadrature of all smooth segments between knots of f and a.
    nodes = nodes_over(support, width)
    parts = segments(nodes, statistic.density, statistic.weight, support)
    tables = GridTables(
        nodes.count,
        expansion.coefficients,
        expansion.offsets,
        expansion.jumps,
        expansion.slopes,
        _table(parts),
        np.concatenate([part.weight for part in parts]) / scale,
        np.concatenate([part.density for part in parts]) * scale,
        np.concatenate([part.a for part in parts]) * (width / scale),
    )
    # The cells reach beyond the first and the last node as far as the kernel does.
    cells = nodes.count - 1 + expansion.reach
    built = Grid(nodes.first - bandwidth * expansion.upper, width, cells, expansion.orders, tables)
    if built.steps > MOST_STEPS:
        raise TooManyCells
    return built


def smallest_bandwidth(statistic: Statistic, m: int, cells_per_bandwidth: int) -> float:
    """Compute the bandwidth below which ``cells_per_bandwidth`` cells in it would be more than `MOST_CELLS`."""
    expansion = kernel_geometry(statistic.kernel).expansion(cells_per_bandwidth)
    lower, upper = _support(statistic, m, 0.0, 0.0)
    return (upper - lower) / (MOST_CELLS * expansion.width)


def _support(statistic: Statistic, m: int, below: float, above: float) -> tuple[float, float]:
    """Return the interval of integration of T_m."""
    if statistic.weight != ONE:
        lower, upper = statistic.weight.support
        return float(lower), float(upper)
    # Without a bounded weight, the bulk of the density and the kernels that reach beyond it.
    least, greatest = statistic.density.bulk(MISSED / m)
    return least + below, greatest + above


def _table(parts: tuple[Segment, ...]) -> Indices:
    """Build one row for each segment, with its range in the concatenated arrays."""
    rows, start = [], 0
    for part in parts:
        stop = start + part.weight.size
        # The columns are those of `GridTables.segments`; an empty range of whole intervals must not run backwards.
        rows.append((part.first, start, stop, start + part.whole.start, start + max(part.whole.start, part.whole.stop)))
        start = stop
    return np.array(rows, dtype=np.int64)


def usable_grid(statistic: Statistic, m: int, cells_per_bandwidth: int) -> Grid:
    """Build `grid` for a number of cells that the caller has chosen.

    Raises
    ------
    InputError
        If the number is not positive, or the grid is impossible.
    """
    require_positive("m", m)
    require_positive("the number of cells in a bandwidth", cells_per_bandwidth)
    asked = f"{cells_per_bandwidth} cells in the bandwidth {statistic.bandwidth.at(m):g}"
    try:
        return grid(statistic, m, cells_per_bandwidth)
    except TooManyCells:
        raise InputError(f"{asked} would be too many or too slow. Use fewer, or the engine exact.") from None
    except TooFewNodes:
        raise InputError(f"{asked} are too wide for the distances between knots of f and a. Use more.") from None
