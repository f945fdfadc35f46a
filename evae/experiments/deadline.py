"""The time after which no run is started."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from foundation.errors import InputError

SECONDS_PER_HOUR = 3600


def deadline(hours: float | None, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Return a function that returns whether these hours have passed since this call; without hours, never.

    Parameters
    ----------
    hours : float, optional
        More than 0.
    clock : callable
        Returns seconds, and never decreases.

    Raises
    ------
    InputError
        If the hours are not a positive number.
    """
    if hours is None:
        return lambda: False
    if not 0 < hours < math.inf:
        raise InputError(f"--hours must be a positive number, got {hours:g}. Leave it out to train until all is done.")
    end = clock() + SECONDS_PER_HOUR * hours
    return lambda: clock() >= end
