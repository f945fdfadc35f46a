"""The moment after which nothing more is begun."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from foundation.errors import InputError

SECONDS_PER_HOUR = 3600


def deadline(hours: float | None, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Return a function that tells if these hours have passed since this call; without any it never does.

    Parameters
    ----------
    hours : float, optional
        More than 0.
    clock : callable
        Gives seconds, and never steps back.

    Raises
    ------
    InputError
        If the hours are no positive number.
    """
    if hours is None:
        return lambda: False
    if not 0 < hours < math.inf:
        raise InputError(f"--hours must be a positive number, got {hours:g}. Leave it out to train until all is done.")
    end = clock() + SECONDS_PER_HOUR * hours
    return lambda: clock() >= end
