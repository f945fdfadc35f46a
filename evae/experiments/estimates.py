"""A mean over seeds with its uncertainty, and how such numbers are put in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
from scipy import stats

from theory.errors import InputError

#: The level of every interval, and what is called significant.
CONFIDENCE = 0.95
SIGNIFICANCE = 0.05

#: Spread below this many units in the last place of what was subtracted is rounding, not spread.
ROUNDING_UNITS = 64


@dataclass(frozen=True)
class Estimate:
    """A mean over replicates, with what they tell of its uncertainty under a normal law.

    Attributes
    ----------
    values : tuple of float
        One for each seed.
    mean : float
    standard_error : float or None
        None for one value.
    interval : pair of float, or None
        The 95 % t-interval of the mean. None for one value, and for values without spread, which tell of no law.
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
        """How many values there are."""
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
        The largest absolute value among the numbers that were subtracted to make ``values``: a spread that is within
        its rounding counts as none.

    Examples
    --------
    >>> [round(bound, 4) for bound in estimate([1.0, 2.0, 3.0]).interval]
    [-0.4841, 4.4841]
    >>> estimate([2.0]).interval is None
    True
    """
    mean = fmean(values)
    if len(values) < 2:
        return Estimate(tuple(values), mean, None, None, None)
    if without_spread(values, magnitude):
        return Estimate(tuple(values), mean, 0.0, None, None)
    test = stats.ttest_1samp(values, 0.0)
    low, high = test.confidence_interval(CONFIDENCE)
    error = float(stats.sem(values))
    return Estimate(tuple(values), mean, error, (float(low), float(high)), float(test.pvalue))


def without_spread(values: Sequence[float], magnitude: float = 0.0) -> bool:
    """Tell whether ``values`` differ by no more than the rounding of numbers of this magnitude, or of their own."""
    scale = max(magnitude, *map(abs, values))
    return max(values) - min(values) <= ROUNDING_UNITS * float(np.finfo(float).eps) * scale


def require_finite(value: float, what: str) -> None:
    """Refuse what is not finite.

    Raises
    ------
    InputError
        If ``value`` is infinite or not a number.
    """
    if not math.isfinite(value):
        raise InputError(f"{what} is {value}, and statistics need finite numbers; leave that run out or repeat it.")


# --- Words -----------------------------------------------------------------------------------------------------------


def shown(value: float) -> str:
    """Write a number with three significant digits.

    Examples
    --------
    >>> shown(22.1234), shown(-0.00412), shown(13654.2), shown(0), shown(9.999)
    ('22.1', '-0.00412', '13654', '0', '10.0')
    """
    if value == 0:
        return "0"
    rounded = float(f"{value:.2e}")
    if not 1e-4 <= abs(rounded) < 1e6:
        return f"{value:.3g}"
    return f"{value:.{max(2 - math.floor(math.log10(abs(rounded))), 0)}f}"


def shown_p(p_value: float) -> str:
    """Write a p-value with two significant digits, or with as many as show on which side of 5 % it lies.

    Examples
    --------
    >>> shown_p(1 / 256), shown_p(0.04998), shown_p(1e-20)
    ('p = 0.0039', 'p = 0.04998', 'p < 1e-16')
    """
    if p_value < 1e-16:
        return "p < 1e-16"
    significant = p_value < SIGNIFICANCE
    digits = next((d for d in range(2, 17) if (float(f"{p_value:.{d}g}") < SIGNIFICANCE) == significant), 17)
    return f"p = {p_value:.{digits}g}"


def percent(share: float) -> str:
    """Write a share in percent, and as nothing only what is nothing.

    Examples
    --------
    >>> percent(0.98765), percent(0), percent(0.0001), percent(-0.0001)
    ('98.8 %', '0.0 %', 'under 0.1 %', 'just below 0 %')
    """
    if 0 < abs(share) < 5e-4:
        return "under 0.1 %" if share > 0 else "just below 0 %"
    return f"{100 * share:.1f} %"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun, in the plural where it is not 1.

    Examples
    --------
    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: Sequence[str]) -> str:
    """Join words by commas and a final "and".

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def label(model: str) -> str:
    """Write the name of a model as the paper does.

    Examples
    --------
    >>> label("evae"), label("evae-exact")
    ('EVAE', 'evae-exact')
    """
    return model.upper() if model in {"vae", "evae"} else model
