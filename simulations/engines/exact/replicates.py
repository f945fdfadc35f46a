"""Replicates of T_m to nearly machine precision."""

from __future__ import annotations

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from simulations.engines.exact.statistic import Statistic
from simulations.sampling.streams import draw


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
        """Compute T_m of the samples (seed, r), r in ``replicates``, shape (len(replicates),)."""
        return np.array([self._value(seed, replicate) for replicate in replicates])

    def _value(self, seed: int, replicate: int) -> float:
        return self._statistic.of_sorted(np.sort(self._sample(seed, replicate)))

    def _sample(self, seed: int, replicate: int) -> Array:
        return draw(self._statistic.density, seed, replicate, self._m)
