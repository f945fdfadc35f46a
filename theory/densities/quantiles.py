"""Quantiles of a distribution whose inverse has no closed form, to double precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]

Function: TypeAlias = Callable[[Array], Array]

LOGITS = np.linspace(-40.0, 40.0, 2001)
"""The log odds of the tabulated levels: from 4e-18 to 1 - 4e-18."""

TABLE_STEPS, MOST_STEPS = 60, 1100
"""Halvings of the bracket for the table, and steps for a quantile: halving alone ends at the smallest double."""

BACKWARD_ERROR = 4 * float(np.finfo(np.float64).eps)
"""The relative error in the level, or in 1 less the level, to which its quantile is found."""


@dataclass(frozen=True)
class NumericalInverse:
    """The inverse of a continuous distribution function, by Newton steps kept inside a bracket.

    Levels up to 1/2 are matched by the distribution function and those above by the survival function, so that both
    tails keep their precision.

    Parameters
    ----------
    density, distribution, survival : callable
        Of arrays; each accurate where it is small.
    support : pair of float
        Outside it the density is zero; either end may be infinite.

    Examples
    --------
    >>> inverse = NumericalInverse(lambda t: 2 * t, lambda t: t**2, lambda t: (1 - t) * (1 + t), (0.0, 1.0))
    >>> inverse(np.array([0.25, 0.81])).round(14)
    array([0.5, 0.9])
    """

    density: Function
    distribution: Function
    survival: Function
    support: tuple[float, float]

    def __call__(self, levels: Array) -> Array:
        """Return the quantiles at ``levels``, numbers strictly between 0 and 1, of any shape."""
        flat = np.asarray(levels, dtype=np.float64).ravel()
        logits = np.log(flat) - np.log1p(-flat)
        (below, above), (least, greatest) = self._table, self._bracket
        behind = np.searchsorted(LOGITS, logits)
        low = np.concatenate([[least], below])[behind]
        high = np.concatenate([above, [greatest]])[behind]
        start = np.clip(np.interp(logits, LOGITS, below / 2 + above / 2), low, high)
        return self._solve(flat, start, low, high).reshape(np.shape(levels))

    def residual(self, points: Array, levels: Array) -> Array:
        """Return F(points) - levels, taken from the smaller tail of each level."""
        lower = levels <= 0.5
        result = np.empty_like(points)
        result[lower] = self.distribution(points[lower]) - levels[lower]
        result[~lower] = (1 - levels[~lower]) - self.survival(points[~lower])
        return result

    def _solve(self, levels: Array, points: Array, low: Array, high: Array) -> Array:
        points, low, high = points.copy(), low.copy(), high.copy()
        active = np.arange(levels.size)
        for _ in range(MOST_STEPS):
            at, level = points[active], levels[active]
            error = self.residual(at, level)
            low[active] = np.where(error < 0, at, low[active])
            high[active] = np.where(error > 0, at, high[active])
            with np.errstate(all="ignore"):
                following = at - error / self.density(at)
            outside = ~((following > low[active]) & (following < high[active]))
            following[outside] = (low[active] / 2 + high[active] / 2)[outside]
            done = (np.abs(error) <= BACKWARD_ERROR * np.minimum(level, 1 - level)) | (following == at)
            points[active[~done]] = following[~done]
            active = active[~done]
            if active.size == 0:
                break
        return points

    @cached_property
    def _bracket(self) -> tuple[float, float]:
        """Finite ends beyond which a distribution function is 0 or 1 to double precision."""
        least, greatest = self.support
        if not np.isfinite(least):
            least = -1.0
            while self.distribution(np.array([least]))[0] > 0:
                least *= 2
        if not np.isfinite(greatest):
            greatest = 1.0
            while self.survival(np.array([greatest]))[0] > 0:
                greatest *= 2
        return least, greatest

    @cached_property
    def _table(self) -> tuple[Array, Array]:
        """Close points below and above the quantiles at the tabulated levels, from which Newton steps start."""
        levels = 1 / (1 + np.exp(-LOGITS))
        low, high = (np.full(levels.size, end) for end in self._bracket)
        for _ in range(TABLE_STEPS):
            middle = low / 2 + high / 2
            below = self.residual(middle, levels) < 0
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return low, high
