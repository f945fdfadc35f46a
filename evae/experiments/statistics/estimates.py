"""Estimates of means over seeds, with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from scipy import special

from foundation.errors import InputError

#: The level of every interval, and of every test.
CONFIDENCE = 0.95

SIGNIFICANCE = 0.05

#: The fewest seeds that allow a verdict. The t-interval of two values has one degree of freedom: it extends 13 standard
#: errors to each side, and if two values agree by chance it still claims too much.
FEWEST_SEEDS = 3

#: Spread below this many units in the last place of the numbers subtracted is rounding error.
ROUNDING_UNITS = 64


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, with its uncertainty under normality.

    Attributes
    ----------
    values : tuple of float
        One for each seed.
    mean : float
    standard_error : float or None
        None for one value.
    interval : pair of float, or None
        The 95 % t-interval of the mean. None for fewer than `FEWEST_SEEDS` values, and for values without spread, from
        which no variance can be estimated.
    p_value : float or None
        Two-sided p-value of Student's t-test that the mean is 0. None if ``interval`` is None.
    """

    values: tuple[float, ...]
    mean: float
    standard_error: float | None
    interval: tuple[float, float] | None
    p_value: float | None

    @property
    def n(self) -> int:
        """The number of values."""
        return len(self.values)

    @property
    def sign(self) -> int:
        """1 or -1 if the interval lies on one side of 0, otherwise 0."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return 0
        return 1 if self.mean > 0 else -1

    def document(self) -> dict[str, Any]:
        """Return the estimate as strict JSON."""
        return {
            "mean": self.mean,
            "standard_error": self.standard_error,
            "interval": None if self.interval is None else list(self.interval),
            "p_value": self.p_value,
            "n": self.n,
            "values": list(self.values),
        }


def estimate(values: Sequence[float], magnitude: float = 0.0) -> Estimate:
    """Estimate a mean from independent ``values``.

    Parameters
    ----------
    values : sequence of float
        At least one.
    magnitude : float
        The largest absolute value among the numbers that were subtracted to give ``values``: a mean or a spread within
        its rounding error counts as zero.

    Examples
    --------
    >>> [round(bound, 4) for bound in estimate([1.0, 2.0, 3.0]).interval]
    [-0.4841, 4.4841]
    >>> estimate([2.0, 3.0]).interval is None
    True
    """
    found, mean, n = tuple(values), fmean(values), len(values)
    if abs(mean) <= rounding(found, magnitude):
        mean = 0.0
    if n < 2:
        return Estimate(found, mean, None, None, None)
    if without_spread(found, magnitude):
        return Estimate(found, mean, 0.0, None, None)
    error = float(np.std(found, ddof=1)) / math.sqrt(n)
    if n < FEWEST_SEEDS:
        return Estimate(found, mean, error, None, None)
    reach = t_quantile(n - 1) * error
    p_value = 2 * float(special.stdtr(n - 1, -abs(mean) / error))
    return Estimate(found, mean, error, (mean - reach, mean + reach), p_value)


def t_quantile(degrees_of_freedom: int) -> float:
    """Return the 97.5 % quantile of Student's t, for a two-sided 95 % interval."""
    return float(special.stdtrit(degrees_of_freedom, (1 + CONFIDENCE) / 2))


def rounding(values: Sequence[float], magnitude: float = 0.0) -> float:
    """Return the rounding error of numbers of this magnitude, or of the largest value if that is larger."""
    return ROUNDING_UNITS * float(np.finfo(float).eps) * max(magnitude, *map(abs, values))


def without_spread(values: Sequence[float], magnitude: float = 0.0) -> bool:
    """Return whether ``values`` differ by no more than their `rounding`."""
    return max(values) - min(values) <= rounding(values, magnitude)


def require_finite(value: float, what: str) -> None:
    """Check that a number is finite.

    Raises
    ------
    InputError
        If ``value`` is infinite or not a number.
    """
    if not math.isfinite(value):
        raise InputError(f"{what} is {value}, and statistics need finite numbers; leave that run out or repeat it.")
