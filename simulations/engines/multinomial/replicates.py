"""Replicates of T_m by drawing first the counts in cells, then the positions inside them, as in an ordinary sample.

Observations outside all cells are only counted, and no observation has to be sorted into its cell: this makes it the
fastest engine for all but small samples. A replicate's value depends on (seed, replicate) alone, but its sample differs
from that of `simulations.sampling.streams.draw`.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from foundation.types import Array, Indices
from simulations.compiled import vectorised
from simulations.engines.cells.grid_replicates import GridReplicates, Numbers
from simulations.engines.cells.moments import GridTables, statistic_of_moments
from simulations.engines.cells.strata import strata
from simulations.engines.multinomial.counts import CountTables, count_tables, draw_counts
from simulations.engines.multinomial.positions import add_power_sums, draw_positions
from simulations.sampling.philox import COUNTS, POSITIONS, Whole
from simulations.sampling.streams import check_seed

FEWEST_IN_A_CELL = 8
"""Mean number of observations in a cell above which drawing counts is faster than drawing observations."""


class StratumTables(NamedTuple):
    """The tables for drawing a replicate's power sums; a named tuple, since compiled functions accept one.

    Attributes
    ----------
    cells : array of int64, shape (strata,)
    quantiles : array, shape (strata, 6)
        As in `simulations.engines.cells.strata.Strata`.
    counts : CountTables
        For the strata and, last, the outside of all cells.
    """

    cells: Indices
    quantiles: Array
    counts: CountTables


class MultinomialReplicates(GridReplicates):
    """T_m of independent samples of ``m``, drawn as counts in cells and positions inside them."""

    name = "multinomial"

    @property
    def is_economical(self) -> bool:
        """Whether, also, the cells hold enough observations for counts to be faster than drawing observations."""
        return super().is_economical and self.grid.cells * FEWEST_IN_A_CELL <= self.m

    def _fill(self, values: Array, replicates: Numbers, seed: np.uint64) -> None:
        shape = (self.grid.orders, self.grid.cells)
        _fill_values(values, replicates, seed, self.m, shape, self._strata, self.grid.tables)

    def sample(self, seed: int, replicate: int) -> Array:
        """Draw the sample of a replicate, shape (m,), stratum after stratum.

        Observations outside all cells, whose positions are not drawn, are placed where their kernels do not reach the
        weight's support.
        """
        counts = self.counts(seed, replicate)
        number = np.uint64(replicate)
        positions = np.empty(int(counts[:-1].sum()))
        draw_positions(positions, counts[:-1], self._strata.quantiles, np.uint64(seed), number, np.uint64(POSITIONS))
        centres = self.grid.origin + self.grid.width * (self._strata.cells + 0.5)
        inside = centres.repeat(counts[:-1]) + self.grid.width * positions
        return np.concatenate([inside, np.full(int(counts[-1]), self.grid.edges[-1] + self.grid.width)])

    def counts(self, seed: int, replicate: int) -> Indices:
        """Draw the counts in the strata and, last, outside all cells; they sum to m."""
        counts = np.empty(self._strata.cells.size + 1, np.int64)
        key = np.uint64(check_seed(seed))
        draw_counts(counts, self.m, self._strata.counts, key, np.uint64(replicate), np.uint64(COUNTS))
        return counts

    @cached_property
    def _strata(self) -> StratumTables:
        parts = strata(self.statistic.density, self.grid.edges)
        classes = np.append(parts.probabilities, parts.outside)
        return StratumTables(parts.cells, parts.quantiles, count_tables(classes, self.m))


@vectorised
def _fill_values(
    values: Array,
    replicates: npt.NDArray[np.uint64],
    seed: Whole,
    m: int,
    shape: tuple[int, int],
    parts: StratumTables,
    tables: GridTables,
) -> None:
    # The two streams of a replicate are separate, so that the number of words for the counts does not matter.
    counts, moments = np.empty(parts.cells.size + 1, np.int64), np.empty(shape)
    for i in range(values.size):
        draw_counts(counts, m, parts.counts, seed, replicates[i], np.uint64(COUNTS))
        moments[:] = 0.0
        add_power_sums(moments, counts, parts.cells, parts.quantiles, seed, replicates[i], np.uint64(POSITIONS))
        values[i] = statistic_of_moments(moments, tables)
