"""A mean over seeds with its uncertainty."""

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

#: The fewest seeds that are judged. The t-interval of two values has one degree of freedom: it is 13 standard errors
#: wide on each side, and where two values agree by luck it still claims much.
FEWEST_SEEDS = 3

#: Spread below this many units in the last place of what was subtracted is rounding, not spread.
ROUNDING_UNITS = 64


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, with what they tell of its uncertainty under a normal law.

    Attributes
    ----------
    values : tuple of float
        One for each seed.
    mean : float
    standard_error : float or None
        None for one value.
    interval : pair of float, or None
        The 95 % t-interval of the mean. None for fewer than `FEWEST_SEEDS` values, and for values without spread, which
        tell of no law.
    p_value : float or None
        Two-sided, of Student's t-test that the mean is 0. None where ``interval`` is.
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
        """1 or -1 where the interval lies on one side of 0, otherwise 0."""
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return 0
        return 1 if self.mean > 0 else -1

    def document(self) -> dict[str, Any]:
        """Return the estimate as strict JSON has it."""
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
        The largest absolute value among the numbers that were subtracted to make ``values``: a mean or a spread that is
        within its rounding counts as none.

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
    """Return the quantile of Student's t at the upper end of a two-sided 95 % interval."""
    return float(special.stdtrit(degrees_of_freedom, (1 + CONFIDENCE) / 2))


def rounding(values: Sequence[float], magnitude: float = 0.0) -> float:
    """Return what is rounding in numbers of this magnitude, or of their own if that is larger."""
    return ROUNDING_UNITS * float(np.finfo(float).eps) * max(magnitude, *map(abs, values))


def without_spread(values: Sequence[float], magnitude: float = 0.0) -> bool:
    """Tell whether ``values`` differ by no more than the rounding of numbers of this magnitude, or of their own."""
    return max(values) - min(values) <= rounding(values, magnitude)


def require_finite(value: float, what: str) -> None:
    """Refuse what is not finite.

    Raises
    ------
    InputError
        If ``value`` is infinite or not a number.
    """
    if not math.isfinite(value):
        raise InputError(f"{what} is {value}, and statistics need finite numbers; leave that run out or repeat it.")
