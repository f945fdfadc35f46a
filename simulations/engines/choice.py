"""The engines for replicates of T_m, and the rule that selects one when none is named."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

from foundation.errors import InputError, suggest
from foundation.types import Array
from simulations.engines.cells.discretisation import Discretisation
from simulations.engines.cells.replicates import CellReplicates
from simulations.engines.exact.replicates import ExactReplicates
from simulations.engines.exact.statistic import Statistic
from simulations.engines.multinomial.replicates import MultinomialReplicates
from simulations.engines.names import CHOSEN_FROM, LARGEST_M
from simulations.engines.sums.replicates import SumReplicates


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
        """Its value of ``--engine``."""

    @property
    def cells_per_bandwidth(self) -> int | None:
        """The resolution."""

    @property
    def discretisation(self) -> Discretisation | None:
        """The measured error of the resolution."""

    @property
    def strata_drawn(self) -> dict[str, int] | None:
        """The numbers of parts of cells whose sums, and whose positions, are drawn; None if all are drawn alike."""

    @property
    def draws(self) -> int:
        """The approximate number of random numbers of a replicate, which its time is proportional to."""

    @property
    def is_economical(self) -> bool:
        """Whether ``auto`` may select it: by a count of steps, the exact engine is not faster."""

    def values(self, seed: int, replicates: range) -> Array:
        """Compute T_m of the samples (seed, r), r in ``replicates``; each depends on (seed, r) alone."""


Factory = Callable[[Statistic, int, int | None], Replicates]

ENGINES: dict[str, Factory] = {
    "exact": ExactReplicates,
    "cells": CellReplicates,
    "multinomial": MultinomialReplicates,
    "sums": SumReplicates,
}


def check_engine(name: str) -> str:
    """Check that ``name`` is ``auto`` or the name of an engine, and return it.

    Raises
    ------
    InputError
        If it is neither.

    Examples
    --------
    >>> check_engine("auto")
    'auto'
    """
    known = ["auto", *ENGINES]
    if name not in known:
        raise InputError(f"engine must be auto or the name of an engine, got {name!r}. {suggest(name, known)}")
    return name


def engine_for(
    name: str,
    statistic: Statistic,
    m: int,
    cells_per_bandwidth: int | None = None,
    among: Collection[str] = tuple(ENGINES),
) -> Replicates:
    """Return the engine called ``name``.

    ``auto`` selects the engine that `CHOSEN_FROM` gives for m, if it supports the setting, its discretisation error is
    small compared with the spread of T_m, and its cells are few enough to be faster than the exact engine; otherwise
    the next that does. It selects ``among`` the engines of these names.

    Raises
    ------
    InputError
        If the engine does not exist, or does not support the setting.
    """
    if check_engine(name) != "auto":
        _require_within_reach(name, m)
        return ENGINES[name](statistic, m, cells_per_bandwidth)
    ascending = sorted(among, key=lambda engine: CHOSEN_FROM[engine])
    # First the engines meant for this m, the one for the largest samples first; then those meant for larger m.
    ranked = [engine for engine in reversed(ascending) if CHOSEN_FROM[engine] <= m]
    ranked += [engine for engine in ascending if CHOSEN_FROM[engine] > m]
    # Beyond the reach of an engine its refusal says less than that of one that might have done it.
    ranked = [engine for engine in ranked if m <= LARGEST_M[engine]]
    complaints = []
    for candidate in ranked:
        try:
            engine = ENGINES[candidate](statistic, m, cells_per_bandwidth)
            measured = engine.discretisation
        except InputError as complaint:
            complaints.append(complaint)
            continue
        if measured is None or (measured.is_acceptable and engine.is_economical):
            return engine
    raise complaints[-1]


def _require_within_reach(name: str, m: int) -> None:
    if m > LARGEST_M[name]:
        remedy = "Use the engine sums." if m <= LARGEST_M["sums"] else "Use a smaller m."
        raise InputError(f"m must be at most {LARGEST_M[name]:,} for the engine {name}, got {m:,}. {remedy}")
