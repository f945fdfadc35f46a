"""A line a minute on how far training is, for a log file: where there is no terminal, a bar would not be seen."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two lines.
INTERVAL = 60.0


class MinuteLine:
    """Says a sentence at most once in `INTERVAL` seconds; the first when that much time has passed.

    Parameters
    ----------
    say : callable
        Is called with the sentence.
    clock : callable
        Returns seconds; a test's own, or the system's.
    """

    def __init__(self, say: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._said = clock()

    def restart(self) -> None:
        """Count the time from now on: something else was said."""
        self._said = self._clock()

    def __call__(self, sentence: Callable[[], str]) -> None:
        """Say the sentence if it is time to; it is not made before, because that may wait for the device."""
        if self._clock() - self._said >= INTERVAL:
            self._say(sentence())
            self._said = self._clock()
