"""The common base of the engines that compute T_m from power sums in cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from foundation.types import Array
from foundation.validation import require_positive
from simulations.engines.cells.discretisation import Discretisation, choose_discretisation, measure_discretisation
from simulations.engines.cells.grids import STEPS_OF_AN_OBSERVATION, Grid, usable_grid
from simulations.engines.exact.statistic import Statistic
from simulations.sampling.streams import check_seed

Numbers: TypeAlias = npt.NDArray[np.uint64]


class GridReplicates(ABC):
    """T_m of independent samples of ``m``, computed on cells.

    Parameters
    ----------
    statistic : Statistic
    m : int
        At least 1.
    cells_per_bandwidth : int, optional
        By default the fewest whose discretisation error in a pilot study is within its bounds.

    Raises
    ------
    InputError
        If T_m cannot be computed for the setting at all, or not by cells.
    """

    statistic: Statistic
    m: int
    cells_per_bandwidth: int
    grid: Grid

    def __init__(self, statistic: Statistic, m: int, cells_per_bandwidth: int | None = None) -> None:
        self.statistic, self.m = statistic, m
        require_positive("m", m)
        statistic.prepare()
        statistic.require_resolved_samples(m)
        if cells_per_bandwidth is None:
            cells_per_bandwidth = choose_discretisation(statistic, m).cells_per_bandwidth
        self.cells_per_bandwidth = cells_per_bandwidth
        self.grid = usable_grid(statistic, m, cells_per_bandwidth)

    def values(self, seed: int, replicates: range) -> Array:
        """Compute T_m of the replicates, shape (len(replicates),), each drawn from its own streams.

        Raises
        ------
        InputError
            If the seed is not a whole number from 0 to 2**64 - 1.
        """
        values = np.empty(len(replicates))
        self._fill(values, np.array(replicates, dtype=np.uint64), np.uint64(check_seed(seed)))
        return values

    @abstractmethod
    def _fill(self, values: Array, replicates: Numbers, seed: np.uint64) -> None:
        """Set ``values`` to T_m of the replicates with the numbers ``replicates``."""

    @property
    def strata_drawn(self) -> dict[str, int] | None:
        """The numbers of parts of cells whose sums, and whose positions, are drawn; None if all are drawn alike."""
        return None

    @property
    def draws(self) -> int:
        """The approximate number of random numbers of a replicate."""
        return self.m

    @property
    def is_economical(self) -> bool:
        """Whether, by a count of steps, a replicate takes less time than with the exact engine."""
        return self.grid.steps <= STEPS_OF_AN_OBSERVATION * self.m

    @property
    def discretisation(self) -> Discretisation:
        """The error of T_m from these cells, measured in a pilot study."""
        return measure_discretisation(self.statistic, self.m, self.cells_per_bandwidth)
