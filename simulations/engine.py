"""The ways to compute replicates of T_m, and which is chosen when none is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError, suggestion
from simulations.cells.discretisation import Discretisation
from simulations.cells.multinomial import MultinomialReplicates
from simulations.cells.scattering import CellReplicates
from simulations.sampling.streams import draw
from simulations.statistic import Statistic

Array = npt.NDArray[np.float64]


class Replicates(Protocol):
    """An engine: T_m of independent samples of ``m`` observations, for one statistic.

    Attributes
    ----------
    name : str
    cells_per_bandwidth : int or None
        The resolution; None for an engine without cells.
    discretisation : Discretisation or None
        The measured error of the resolution; None for an engine that is exact.
    """

    @property
    def name(self) -> str:
        """What ``--engine`` calls it."""

    @property
    def cells_per_bandwidth(self) -> int | None:
        """The resolution."""

    @property
    def discretisation(self) -> Discretisation | None:
        """The measured error of the resolution."""

    @property
    def is_economical(self) -> bool:
        """Whether ``auto`` may take it: as far as counting steps can tell, no other that is exact is faster."""

    def values(self, seed: int, replicates: range) -> Array:
        """Return T_m of the samples (seed, r), r in ``replicates``; each depends on (seed, r) alone."""


class ExactReplicates:
    """The engine ``exact``: every sample is drawn, sorted and swept over, to nearly machine precision.

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
        If T_m is not computed for the kernel, the density or the weight.

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

    def __init__(self, statistic: Statistic, m: int, cells_per_bandwidth: int | None = None) -> None:
        if cells_per_bandwidth is not None:
            raise InputError(f"the engine exact has no cells, but {cells_per_bandwidth} a bandwidth were asked for.")
        statistic.prepare()
        self._statistic, self._m = statistic, m

    def values(self, seed: int, replicates: range) -> Array:
        """Return T_m of the samples (seed, r), r in ``replicates``, shape (len(replicates),)."""
        return np.array([self._value(seed, replicate) for replicate in replicates])

    def _value(self, seed: int, replicate: int) -> float:
        return self._statistic.of_sorted(np.sort(self._sample(seed, replicate)))

    def _sample(self, seed: int, replicate: int) -> Array:
        return draw(self._statistic.density, seed, replicate, self._m)


Factory = Callable[[Statistic, int, int | None], Replicates]

ENGINES: dict[str, Factory] = {
    "exact": ExactReplicates,
    "cells": CellReplicates,
    "multinomial": MultinomialReplicates,
}
CHOSEN_FROM = {"exact": 1, "cells": 500, "multinomial": 3000}
"""The m from which ``auto`` takes each engine.

Below m = 500 the exact engine takes less than a tenth of a millisecond a replicate and has no error to speak of. From
about 3,000 on drawing the counts of the cells is faster than drawing every observation.
"""


def checked_engine(name: str) -> str:
    """Return ``name``, which is ``auto`` or an engine's.

    Raises
    ------
    InputError
        If there is no such engine.

    Examples
    --------
    >>> checked_engine("auto")
    'auto'
    """
    if name != "auto" and name not in ENGINES:
        raise InputError(f"{name!r} is no engine. {suggestion(name, ['auto', *ENGINES])}")
    return name


def engine_for(name: str, statistic: Statistic, m: int, cells_per_bandwidth: int | None = None) -> Replicates:
    """Return the engine called ``name``.

    For ``auto`` it is that of `CHOSEN_FROM`, if it takes the setting, its discretisation error is within the target,
    and its cells are not so many that the exact engine is faster; otherwise the next that does, or the exact one.

    Raises
    ------
    InputError
        If there is no such engine, or it does not compute T_m for the setting.
    """
    if checked_engine(name) != "auto":
        return ENGINES[name](statistic, m, cells_per_bandwidth)
    ascending = sorted(ENGINES, key=lambda engine: CHOSEN_FROM[engine])
    ranked = [engine for engine in reversed(ascending) if CHOSEN_FROM[engine] <= m]
    ranked += [engine for engine in ascending if CHOSEN_FROM[engine] > m]
    complaints = []
    for candidate in ranked:
        try:
            engine = ENGINES[candidate](statistic, m, cells_per_bandwidth)
            measured = engine.discretisation
        except InputError as complaint:
            complaints.append(complaint)
            continue
        if measured is None or (measured.is_within_target and engine.is_economical):
            return engine
    raise complaints[-1]
