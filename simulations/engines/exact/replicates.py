"""Replicates of T_m to nearly machine precision."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from foundation.types import Array
from simulations.engines.exact.statistic import Statistic
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.quantile_tables import QuantileTable
from simulations.sampling.streams import check_seed, draw_rows_into

OBSERVATIONS_AT_ONCE = 2**14
"""Number of observations that are drawn and sorted together: few enough for the second level of cache."""


class ExactReplicates:
    """The engine ``exact``: every sample is drawn, sorted and integrated exactly, to nearly machine precision.

    Parameters
    ----------
    statistic : Statistic
    m : int
        Observations in a sample.
    cells_per_bandwidth : None
        This engine has no cells.

    Raises
    ------
    InputError
        If the exact statistic does not support the kernel, the density or the weight, or if rounding of the
        observations would change it.

    Examples
    --------
    >>> from simulations import Study
    >>> exact = ExactReplicates(Study(m=50).setting, 50)
    >>> bool((exact.values(0, range(5))[2:] == exact.values(0, range(2, 5))).all())
    True
    """

    name = "exact"
    is_economical = True
    discretisation = None
    cells_per_bandwidth = None
    strata_drawn = None

    def __init__(self, statistic: Statistic, m: int, cells_per_bandwidth: int | None = None) -> None:
        if cells_per_bandwidth is not None:
            raise InputError(
                f"the number of cells in a bandwidth must be None for the engine exact, got {cells_per_bandwidth}."
            )
        statistic.prepare()
        statistic.require_resolved_samples(m)
        self._statistic, self._m = statistic, m

    @property
    def draws(self) -> int:
        """The number of random numbers of a replicate."""
        return self._m

    def values(self, seed: int, replicates: range) -> Array:
        """Compute T_m of the samples (seed, r), r in ``replicates``, shape (len(replicates),).

        Raises
        ------
        InputError
            If the seed is not a whole number from 0 to 2**64 - 1.
        """
        key, values = np.uint64(check_seed(seed)), np.empty(len(replicates))
        at_once = max(1, OBSERVATIONS_AT_ONCE // self._m)
        samples = np.empty((min(at_once, len(replicates)), self._m))
        for start in range(0, len(replicates), at_once):
            numbers = np.array(replicates[start : start + at_once], dtype=np.uint64)
            rows = samples[: numbers.size]
            self._draw(rows, key, numbers)
            # Sorting many rows at once takes a tenth of the time of sorting one.
            rows.sort(axis=1)
            values[start : start + numbers.size] = self._statistic.of_rows(rows)
        return values

    def _draw(self, samples: Array, seed: np.uint64, replicates: npt.NDArray[np.uint64]) -> None:
        """Fill the rows of ``samples`` with the samples of the replicates."""
        draw_rows_into(samples, self._table, seed, replicates)

    @cached_property
    def _table(self) -> QuantileTable:
        return quantile_table(self._statistic.density)
