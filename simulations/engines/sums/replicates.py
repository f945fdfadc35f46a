"""Replicates of T_m at a cost that does not grow with m: exact counts in cells, sums of positions as normal vectors.

T_m is a quadratic form in the power sums of the cells. Given the counts, the sums of a cell with many observations are
drawn from the normal law that has their exact mean vector and covariance, instead of from the positions one by one. So
E T_m is the same; docs/statistic.md bounds what the rest of the distribution loses. Positions are drawn, as by the
engine multinomial, in strata with few observations.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from foundation.types import Array, Counts, Indices
from simulations.compiled import compiled, vectorised
from simulations.engines.cells.grid_replicates import GridReplicates, Numbers
from simulations.engines.cells.moments import GridTables, statistic_of_moments
from simulations.engines.cells.strata import strata
from simulations.engines.cells.stratum_moments import stratum_moments
from simulations.engines.multinomial.positions import add_power_sums
from simulations.engines.sums.count_trees import CountTree, count_tree, divide
from simulations.sampling.philox import (
    COUNTS,
    FURTHER_COUNTS,
    POSITIONS,
    PURPOSE_BITS,
    SUMS,
    WORDS_IN_A_BLOCK,
    Whole,
    fill,
)
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.quantile_tables import QuantileTable, quantiles_into
from simulations.sampling.streams import WORDS_OF_AN_OBSERVATION, fill_signed_tails
from theory.densities.families import NORMAL

FEWEST_FOR_SUMS = 32
"""Mean number of observations in a stratum from which its power sums are drawn as a normal vector."""

STRATA_AT_A_TIME = 128


class SumTables(NamedTuple):
    """The tables for drawing a replicate's power sums; a named tuple, since compiled functions accept one.

    Attributes
    ----------
    tree : CountTree
        Of the strata and, last, the outside of all cells.
    sparse : array of int64, shape (few,)
        Numbers of the strata whose positions are drawn.
    sparse_cells, sparse_quantiles
        Their cells, and quantile polynomials as in `simulations.engines.cells.strata.Strata`.
    dense, dense_cells : array of int64, shape (many,)
        Numbers and cells of the strata whose power sums are drawn.
    means, factors : array, shape (many, k) and (many, k, k)
        Their moments, as in `simulations.engines.cells.stratum_moments.StratumMoments`.
    """

    tree: CountTree
    sparse: Indices
    sparse_cells: Indices
    sparse_quantiles: Array
    dense: Indices
    dense_cells: Indices
    means: Array
    factors: Array


class SumReplicates(GridReplicates):
    """T_m of independent samples of ``m``, drawn as counts and sums of positions in cells."""

    name = "sums"

    @property
    def draws(self) -> int:
        """The approximate number of random numbers of a replicate: counts, positions, and sums in the other strata."""
        parts = self._tables
        return parts.tree.classes + FEWEST_FOR_SUMS * parts.sparse.size + parts.means[:, 0].size * self.grid.orders

    @property
    def is_economical(self) -> bool:
        """Whether, also, the cells hold enough observations for sums to be faster than positions."""
        return super().is_economical and self.grid.cells * FEWEST_FOR_SUMS <= self.m

    @property
    def strata_drawn(self) -> dict[str, int]:
        """The numbers of strata of which the sums are drawn, and of those of which the positions are."""
        return {"sums": self._tables.dense.size, "positions": self._tables.sparse.size}

    def _fill(self, values: Array, replicates: Numbers, seed: np.uint64) -> None:
        shape = (self.grid.orders, self.grid.cells)
        purposes = (
            _purpose(COUNTS, self.m),
            _purpose(FURTHER_COUNTS, self.m),
            _purpose(POSITIONS, self.m),
            _purpose(SUMS, self.m),
        )
        _fill_values(
            values, replicates, seed, float(self.m), shape, purposes, self._tables, _normal_table(), self.grid.tables
        )

    @cached_property
    def _tables(self) -> SumTables:
        parts = strata(self.statistic.density, self.grid.edges)
        tree = count_tree(np.append(parts.probabilities, parts.outside))
        moments = stratum_moments(
            self.statistic.density, parts, self.grid.origin, self.grid.width, max(1, self.grid.orders - 1)
        )
        many = parts.probabilities * self.m >= FEWEST_FOR_SUMS
        sparse, dense = np.flatnonzero(~many), np.flatnonzero(many)
        return SumTables(
            tree,
            sparse,
            parts.cells[sparse],
            parts.quantiles[sparse],
            dense,
            parts.cells[dense],
            moments.means[dense],
            moments.factors[dense],
        )


def _purpose(purpose: int, m: int) -> np.uint64:
    """Return the purpose of a stream for ``m``: the streams' own numbers have room for its lower 32 bits only."""
    return np.uint64(purpose | (m >> 32) << PURPOSE_BITS)


def _normal_table() -> QuantileTable:
    return quantile_table(NORMAL)


@vectorised
def _fill_values(
    values: Array,
    replicates: npt.NDArray[np.uint64],
    seed: Whole,
    m: float,
    shape: tuple[int, int],
    purposes: tuple[Whole, Whole, Whole, Whole],
    parts: SumTables,
    normal: QuantileTable,
    tables: GridTables,
) -> None:
    # Every purpose has a stream of its own, so that what one part needs does not move another.
    counts, moments = np.empty(parts.tree.classes), np.empty(shape)
    few = np.empty(parts.sparse.size, np.int64)
    for i in range(values.size):
        replicate = replicates[i]
        divide(counts, m, parts.tree, seed, replicate, purposes[0], purposes[1])
        moments[:] = 0.0
        _select(few, counts, parts.sparse)
        add_power_sums(moments, few, parts.sparse_cells, parts.sparse_quantiles, seed, replicate, purposes[2])
        _add_normal_sums(moments, counts, parts, normal, seed, replicate, purposes[3])
        values[i] = statistic_of_moments(moments, tables)


@compiled
def _select(few: Counts, counts: Array, sparse: Indices) -> None:
    for i in range(few.size):
        few[i] = np.int64(counts[sparse[i]])


@compiled
def _add_normal_sums(
    moments: Array,
    counts: Array,
    parts: SumTables,
    normal: QuantileTable,
    seed: Whole,
    replicate: Whole,
    purpose: Whole,
) -> None:
    """Add the power sums of the dense strata to their cells: n mean + root(n) L z, with z standard normal."""
    powers = parts.means.shape[1]
    largest = STRATA_AT_A_TIME * powers
    words = np.empty(WORDS_OF_AN_OBSERVATION * largest, np.uint32)
    tails, normals = np.empty(largest), np.empty(largest)
    for start in range(0, parts.dense.size, STRATA_AT_A_TIME):
        stop = min(parts.dense.size, start + STRATA_AT_A_TIME)
        # The normal vectors of a batch, from a fixed place of the stream.
        size = (stop - start) * powers
        block = np.uint64(WORDS_OF_AN_OBSERVATION * start * powers // WORDS_IN_A_BLOCK)
        fill(words[: WORDS_OF_AN_OBSERVATION * size], seed, replicate, purpose, block)
        fill_signed_tails(tails[:size], words)
        quantiles_into(normals[:size], tails[:size], normal)
        for stratum in range(start, stop):
            count, cell = counts[parts.dense[stratum]], parts.dense_cells[stratum]
            root, first = np.sqrt(count), (stratum - start) * powers
            moments[0, cell] += count
            # Orders beyond those that the statistic needs do not exist; the order 1 may be such.
            for k in range(moments.shape[0] - 1):
                spread = 0.0
                for j in range(k + 1):
                    spread += parts.factors[stratum, k, j] * normals[first + j]
                moments[k + 1, cell] += count * parts.means[stratum, k] + root * spread
