"""Replicates of T_m by cells: every observation is drawn, and added to the power sums of its cell.

The sample of a replicate is that of `simulations.sampling.streams.draw`, so its value differs from the exact statistic
by the discretisation alone. Observations are drawn in batches: memory does not grow with m.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foundation.types import Array
from simulations.compiled import vectorised
from simulations.engines.cells.grid_replicates import GridReplicates, Numbers
from simulations.engines.cells.moments import GridTables, scatter, statistic_of_moments
from simulations.sampling.philox import OBSERVATIONS, WORDS_IN_A_BLOCK, Whole, fill
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.quantile_tables import QuantileTable, quantiles_into
from simulations.sampling.streams import BATCH, WORDS_OF_AN_OBSERVATION, draw, fill_signed_tails


class CellReplicates(GridReplicates):
    """T_m of independent samples of ``m``, whose observations are drawn individually and counted in cells."""

    name = "cells"

    def _fill(self, values: Array, replicates: Numbers, seed: np.uint64) -> None:
        table, cells = quantile_table(self.statistic.density), self.grid
        place = (cells.origin, 1 / cells.width)
        shape = (cells.cells + 1, cells.orders)
        _fill_values(values, replicates, seed, self.m, table, place, shape, cells.tables)

    def sample(self, seed: int, replicate: int) -> Array:
        """Draw the sample of a replicate, shape (m,)."""
        return draw(self.statistic.density, seed, replicate, self.m)


@vectorised
def _fill_values(
    values: Array,
    replicates: npt.NDArray[np.uint64],
    seed: Whole,
    m: int,
    table: QuantileTable,
    place: tuple[float, float],
    shape: tuple[int, int],
    tables: GridTables,
) -> None:
    rows, moments = np.empty(shape), np.empty((shape[1], shape[0] - 1))
    for i in range(values.size):
        rows[:] = 0.0
        _scatter_sample(rows, seed, replicates[i], m, table, place)
        # Scattering wants the orders of a cell side by side, the sums over cells want the cells of an order.
        for k in range(shape[1]):
            for cell in range(shape[0] - 1):
                moments[k, cell] = rows[cell, k]
        values[i] = statistic_of_moments(moments, tables)


@vectorised
def _scatter_sample(
    rows: Array, seed: Whole, replicate: Whole, m: int, table: QuantileTable, place: tuple[float, float]
) -> None:
    """Draw the sample in batches, and add its power sums to ``rows``."""
    words = np.empty(WORDS_OF_AN_OBSERVATION * BATCH, np.uint32)
    tails, batch = np.empty(BATCH), np.empty(BATCH)
    for start in range(0, m, BATCH):
        size = min(BATCH, m - start)
        block = np.uint64(WORDS_OF_AN_OBSERVATION * start // WORDS_IN_A_BLOCK)
        fill(words[: WORDS_OF_AN_OBSERVATION * size], seed, replicate, np.uint64(OBSERVATIONS), block)
        fill_signed_tails(tails[:size], words)
        quantiles_into(batch[:size], tails[:size], table)
        scatter(batch[:size], place[0], place[1], rows)
