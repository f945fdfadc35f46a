"""The pace of saving: a file is saved often enough to lose little, and seldom enough to cost little."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

SECONDS_BETWEEN_SAVES = 0.5

SHARE_OF_TIME = 0.05
"""Largest share of the time spent on saving: slow saves are made less often."""


@dataclass
class SavePace:
    """The time of the last save and its duration."""

    _saved_at: float = field(default=-math.inf, init=False, repr=False)
    _cost: float = field(default=0.0, init=False, repr=False)

    @contextlib.contextmanager
    def measure(self) -> Iterator[None]:
        """Measure the save within the block; one that fails does not count."""
        started = time.monotonic()
        yield
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def is_due(self) -> bool:
        """Return whether the last save was long enough ago."""
        return time.monotonic() - self._saved_at >= max(SECONDS_BETWEEN_SAVES, self._cost / SHARE_OF_TIME)
