"""A progress line once a minute, for log files, where there is no terminal to show a bar on."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two lines.
INTERVAL = 60.0


class MinuteLine:
    """Print a sentence at most once in `INTERVAL` seconds, the first time after that much time.

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
        """Start counting again, because something else was printed."""
        self._said = self._clock()

    def __call__(self, sentence: Callable[[], str]) -> None:
        """Print the sentence if it is due; only then is it made, because that may wait for the device."""
        if self._clock() - self._said >= INTERVAL:
            self._say(sentence())
            self._said = self._clock()
