"""The ways to compute replicates of T_m, and which is chosen when none is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError, suggestion
from simulations.engines.cells.discretisation import Discretisation
from simulations.engines.cells.replicates import CellReplicates
from simulations.engines.exact.replicates import ExactReplicates
from simulations.engines.exact.statistic import Statistic
from simulations.engines.multinomial.replicates import MultinomialReplicates
from simulations.engines.names import CHOSEN_FROM

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


Factory = Callable[[Statistic, int, int | None], Replicates]

ENGINES: dict[str, Factory] = {
    "exact": ExactReplicates,
    "cells": CellReplicates,
    "multinomial": MultinomialReplicates,
}


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
