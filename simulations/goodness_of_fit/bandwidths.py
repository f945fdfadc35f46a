"""The bandwidths of a test: one, or several among which the data decide."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from simulations.goodness_of_fit.names import ADAPTIVE
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.densities.density import Density

WIDEST, RATIO = 1.6, 2 * math.sqrt(2)
"""The widest bandwidth of the grid, in scales of the density, and the ratio of neighbouring ones.

T_m at neighbouring bandwidths is so dependent that a finer grid costs power instead of adding any.
"""

LEAST_WITHIN = 15
"""The narrowest bandwidth of the grid is at least this number of scales of the density, divided by m."""

MOST_ADAPTIVE = 8
"""The largest number of bandwidths of the grid: each costs a simulation."""

MOST = 32
"""The largest number of bandwidths of a test."""

Bandwidths: TypeAlias = str | float | Bandwidth | Sequence[str | float | Bandwidth]
"""One bandwidth, several, or ``adaptive``."""


@dataclass(frozen=True)
class AtBandwidth:
    """T_m of a sample at one of the bandwidths of a test.

    Attributes
    ----------
    bandwidth : Bandwidth
    value : float
        b.
    statistic : float
        T_m.
    null_mean, null_deviation : float
        Of T_m in the simulated samples of the hypothesis.
    excess : float
        The cube root of T_m less its mean, in standard deviations; 0 if T_m does not vary.
    p_value : float
        What the p-value would be if this were the only bandwidth.
    """

    bandwidth: Bandwidth
    value: float
    statistic: float
    null_mean: float
    null_deviation: float
    excess: float
    p_value: float

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {
            "bandwidth": self.bandwidth.name,
            "bandwidth_value": self.value,
            "statistic": self.statistic,
            "null_mean": self.null_mean,
            "null_standard_deviation": self.null_deviation,
            "excess": self.excess if math.isfinite(self.excess) else None,
            "p_value": self.p_value,
        }


def take_bandwidths(given: Bandwidths, scale: Density | float, m: int) -> tuple[Bandwidth, ...]:
    """Return the bandwidths of a test in ascending order at ``m``.

    Parameters
    ----------
    given : str, float, Bandwidth or sequence of these
    scale : Density or float
        The unit of the grid ``adaptive``: a number, or the spread of a density.
    m : int

    Raises
    ------
    InputError
        If one is not valid, none is given, ``adaptive`` is given with others, or two are equal at ``m``.

    Examples
    --------
    >>> from theory.densities.families import NORMAL
    >>> [round(bandwidth.at(500), 3) for bandwidth in take_bandwidths("adaptive", NORMAL, 500)]
    [0.07, 0.199, 0.563, 1.591]
    """
    several = [given] if isinstance(given, str | int | float | Bandwidth) else list(given)
    if ADAPTIVE in several:
        if len(several) > 1:
            raise InputError("the bandwidth adaptive must be the only one. Leave out the others, or name them all.")
        return _adaptive_bandwidths(scale.spread if isinstance(scale, Density) else scale, m)
    if not 1 <= len(several) <= MOST:
        raise InputError(f"the number of bandwidths must be from 1 to {MOST}, got {len(several)}.")
    found = sorted((bandwidth_named(one) for one in several), key=lambda one: one.at(m))
    for lower, upper in itertools.pairwise(found):
        if lower.at(m) == upper.at(m):
            raise InputError(
                f"the bandwidths must differ, but {lower.name} and {upper.name} are both {lower.at(m):g} at m = {m:,}."
            )
    return tuple(found)


def _adaptive_bandwidths(scale: float, m: int) -> tuple[Bandwidth, ...]:
    """Return a geometric grid of bandwidths from `WIDEST` times ``scale`` downwards, ascending."""
    ratios = max(0, math.floor(math.log(WIDEST * m / LEAST_WITHIN) / math.log(RATIO)))
    count = min(MOST_ADAPTIVE, 1 + ratios)
    return tuple(bandwidth_named(f"{WIDEST * scale / RATIO**k:.5g}") for k in reversed(range(count)))


def make_comparable(values: Array) -> Array:
    """Return statistics at different bandwidths on a scale on which they are nearly normal: their cube roots.

    The wider the bandwidth, the more T_m is skewed, and the farther its upper quantiles are from the mean in standard
    deviations. Of a chi-squared variable, and of a sum of several, the cube root is nearly normal (Wilson and Hilferty,
    1931), so that the same excess is equally rare at every bandwidth.

    Examples
    --------
    >>> make_comparable(np.array([0.0, 8.0])).tolist()
    [0.0, 2.0]
    """
    return np.asarray(np.cbrt(values))


def standardise_each(values: Array) -> Array:
    """Standardise each value by the mean and the standard deviation of all others in its row, shape (rows, n).

    All columns are treated alike: if the n samples are exchangeable, so are the results. Where the others do not vary,
    the result is 0 for a value that equals them, and infinite otherwise.

    Examples
    --------
    >>> standardise_each(np.array([[1.0, 3.0, 5.0]])).tolist()
    [[-3.0, 0.0, 3.0]]
    """
    n = values.shape[1]
    centred = values - values.mean(axis=1, keepdims=True)
    # The mean of the others is -x / (n - 1) for a centred value x; the sum of their squares about it follows.
    squares = (centred**2).sum(axis=1, keepdims=True) - centred**2 * n / (n - 1)
    differences = centred * n / (n - 1)
    # Rounding of the value that is farthest from the others would swamp their squares.
    for row, column in enumerate(np.abs(centred).argmax(axis=1)):
        others = np.delete(values[row], column)
        differences[row, column] = values[row, column] - others.mean()
        squares[row, column] = ((others - others.mean()) ** 2).sum()
    deviations = np.sqrt(np.maximum(squares, 0.0) / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(differences == 0, 0.0, differences / deviations)


def share_progress(
    progress: Callable[[int], None] | None, replicates: int, part: int, parts: int
) -> Callable[[int], None] | None:
    """Return the callback of one of ``parts`` simulations, each of which counts as an equal share of the replicates."""
    if progress is None:
        return None
    return lambda done: progress((part * replicates + done) // parts)
