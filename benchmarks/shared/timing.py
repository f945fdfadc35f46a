"""Interleaved timing: every contestant runs in every round, so that a slow phase of the machine affects all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Work = Callable[[int], object]
"""Does the work once; the argument is the number of the call, so that each can use a different input."""


@dataclass(frozen=True)
class Times:
    """Seconds per call, one value for each round.

    Attributes
    ----------
    seconds : tuple of float
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.seconds)

    def ratio_to(self, other: Times) -> float:
        """Compute the ratio of these times to those of ``other``: the median over the rounds."""
        return statistics.median(mine / its for mine, its in zip(self.seconds, other.seconds, strict=True))


def side_by_side(contestants: Mapping[str, Work], rounds: int = 7, seconds_a_round: float = 0.1) -> dict[str, Times]:
    """Time every contestant in each of some rounds.

    Parameters
    ----------
    contestants : mapping from name to work
    rounds : int
    seconds_a_round : float
        Approximate time of each contestant in a round; at least one call.
    """
    calls = {name: _calls_in(work, seconds_a_round) for name, work in contestants.items()}
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, work in contestants.items():
            found[name].append(_seconds_a_call(work, range(calls[name])))
    return {name: Times(tuple(seconds)) for name, seconds in found.items()}


def _calls_in(work: Work, seconds: float) -> int:
    """Estimate the number of calls that take ``seconds``, after a first call, which may compile."""
    work(0)
    return max(1, round(seconds / _seconds_a_call(work, range(1, 3))))


def _seconds_a_call(work: Work, calls: Sequence[int]) -> float:
    started = time.perf_counter()
    for call in calls:
        work(call)
    return (time.perf_counter() - started) / len(calls)
