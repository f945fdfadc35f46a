"""Ties and rounding: observations that a continuous hypothesis would not repeat, and the rounding that repeats them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from foundation.typography import format_count

DECIMALS = 1e-6
"""Largest distance of an observation from a multiple of the width, in widths: decimal fractions are not exact."""

COARSEST = 1.0
"""Largest width of rounding after which location and scale are estimated, in standard deviations of the sample."""


@dataclass(frozen=True)
class Rounding:
    """Rounding to the nearest multiple of a width, halves to the even multiple.

    Examples
    --------
    >>> Rounding(0.25).apply(np.array([0.1, 0.125, 0.375, -0.3])).tolist()
    [0.0, 0.0, 0.5, -0.25]
    """

    width: float

    def __post_init__(self) -> None:
        if not (isinstance(self.width, Real) and 0 < self.width < math.inf):
            raise InputError(
                f"--rounded-to must be a positive number, got {self.width}. Give the distance between neighbouring "
                "values, in the units of the data, such as 0.5."
            )

    def apply(self, values: Array) -> Array:
        """Round ``values``, of any shape."""
        return np.rint(values / self.width) * self.width

    def require(self, sample: Array) -> Array:
        """Return ``sample``, shape (m,), as exact multiples of the width in double precision.

        Raises
        ------
        InputError
            If an observation is none.
        """
        rounded = self.apply(sample)
        # A large observation is itself a rounded double.
        allowed = DECIMALS * self.width + np.spacing(np.abs(sample))
        off = np.flatnonzero(~(np.abs(sample - rounded) <= allowed))
        if off.size:
            raise InputError(
                f"every observation must be a multiple of {self.width:g} with --rounded-to {self.width:g}, but "
                f"{off.size:,} of {format_count(sample.size, 'observation')} {'is' if off.size == 1 else 'are'} not, "
                f"such as {sample[off[0]]:.15g}. Give the width to which the data were rounded, or leave it out."
            )
        return rounded

    def scale_before(self, scale: float, sample: Array) -> float:
        """Return the scale of a sample before its rounding, given the estimate after it.

        Rounding adds about width**2 / 12 to the variance (Sheppard, 1898).

        Raises
        ------
        InputError
            If the width is too large for the spread of ``sample``.
        """
        deviation = float(sample.std())
        if not self.width <= COARSEST * deviation:
            raise InputError(
                f"the width of --rounded-to must be at most the standard deviation of the data, {deviation:.4g}, with "
                f"--estimate, got {self.width:g}: location and scale cannot be told from so few different values."
            )
        return scale * math.sqrt(1 - self.width**2 / (12 * deviation**2))


def count_ties(sample: Array) -> int:
    """Count the observations that equal another one, shape (m,).

    Examples
    --------
    >>> count_ties(np.array([1.0, 2.0, 2.0, 3.0, 3.0, 3.0]))
    5
    """
    _, counts = np.unique(sample, return_counts=True)
    return int(counts[counts > 1].sum())


def guess_width(sample: Array) -> float | None:
    """Return the largest width, to 12 digits, of which all observations are multiples; None if there is no plain one.

    Considered are the smallest distance between two observations and the powers of 10 below it.

    Examples
    --------
    >>> guess_width(np.array([0.25, 1.0, 1.25])), guess_width(np.array([0.3, 0.5, 0.7])), guess_width(np.array([1.0]))
    (0.25, 0.1, None)
    """
    distinct = np.unique(sample)
    if distinct.size < 2:
        return None
    gap = float(np.diff(distinct).min())
    power = math.floor(math.log10(gap))
    for width in (float(f"{gap:.12g}"), *(float(f"1e{power - down}") for down in range(3))):
        if (np.abs(distinct - np.rint(distinct / width) * width) <= DECIMALS * width).all():
            return width
    return None
