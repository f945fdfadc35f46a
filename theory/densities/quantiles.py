"""Quantiles to double precision for distributions without a closed-form inverse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import mpmath
import numpy as np
import sympy
from sympy import Expr

from foundation.types import Array, ArrayFunction

LOGITS = np.linspace(-40.0, 40.0, 2001)
"""The log odds of the tabulated levels: from 4e-18 to 1 - 4e-18."""

WIDE = 1e6
"""Half the width of a bracket above which it is halved on the scale of the inverse hyperbolic sine."""

TABLE_STEPS, MOST_STEPS = 60, 1100
"""Bisection steps for the table, and steps for a quantile, enough for bisection alone to reach the smallest double."""

FARTHEST_LOGIT, LOGIT_STEP, MOST_ROUNDS = 50.0, 0.5, 200
"""The log odds to which a table of few quantiles reaches, their largest distance, and the rounds in which it grows."""

FARTHEST = 1e300
"""Distance beyond which no end of a tail is looked for."""

TAIL, DIGITS = 0.05, 45
"""Probability below which a formula is evaluated with this many digits."""

BACKWARD_ERROR = 4 * float(np.finfo(np.float64).eps)
"""The tolerance of a quantile: the relative error in its level, or in 1 minus the level."""

TABULATED_ERROR = 1e-14
"""The same where the distribution function is a table."""


@dataclass(frozen=True)
class NumericalInverse:
    """The inverse of a continuous distribution function, by Newton steps safeguarded by a bracket.

    Levels up to 1/2 use the distribution function and higher ones the survival function, so that both tails keep full
    precision.

    Parameters
    ----------
    density, distribution, survival : callable
        Functions of arrays; each must be accurate where it is small.
    support : pair of float
        The interval outside which the density is zero; either end may be infinite.

    Examples
    --------
    >>> inverse = NumericalInverse(lambda t: 2 * t, lambda t: t**2, lambda t: (1 - t) * (1 + t), (0.0, 1.0))
    >>> inverse(np.array([0.25, 0.81])).round(14)
    array([0.5, 0.9])
    """

    density: ArrayFunction
    distribution: ArrayFunction
    survival: ArrayFunction
    support: tuple[float, float]

    def __call__(self, levels: Array) -> Array:
        """Return the quantiles at ``levels``, numbers strictly between 0 and 1, of any shape."""
        # The table brackets each quantile, and interpolation between its entries gives the starting point.
        flat = np.asarray(levels, dtype=np.float64).ravel()
        logits = np.log(flat) - np.log1p(-flat)
        (known, below, above), (least, greatest) = self._table, self._bracket
        behind = np.searchsorted(known, logits)
        low = np.concatenate([[least], below])[behind]
        high = np.concatenate([above, [greatest]])[behind]
        start = np.clip(np.interp(logits, known, below / 2 + above / 2), low, high)
        return self._solve(flat, start, low, high).reshape(np.shape(levels))

    def residual(self, points: Array, levels: Array) -> Array:
        """Return F(points) - levels, computed in the smaller tail of each level."""
        lower = levels <= 0.5
        result = np.empty_like(points)
        result[lower] = self.distribution(points[lower]) - levels[lower]
        result[~lower] = (1 - levels[~lower]) - self.survival(points[~lower])
        return result

    def _solve(self, levels: Array, points: Array, low: Array, high: Array) -> Array:
        """Solve F(points) = levels from starting points within the brackets [low, high]; all have the same shape."""
        points, low, high = points.copy(), low.copy(), high.copy()
        active = np.arange(levels.size)
        for _ in range(MOST_STEPS):
            # Narrow the brackets by the sign of the residual.
            at, level = points[active], levels[active]
            error = self.residual(at, level)
            low[active] = np.where(error < 0, at, low[active])
            high[active] = np.where(error > 0, at, high[active])
            # Take a Newton step, or bisect where the step leaves the bracket or is not a number.
            with np.errstate(all="ignore"):
                following = at - error / self.density(at)
            outside = ~((following > low[active]) & (following < high[active]))
            following[outside] = (low[active] / 2 + high[active] / 2)[outside]
            # Stop at the tolerance, or where the step no longer changes the point.
            done = (np.abs(error) <= self.backward_error * np.minimum(level, 1 - level)) | (following == at)
            points[active[~done]] = following[~done]
            active = active[~done]
            if active.size == 0:
                break
        return points

    #: Probability below which a tail is not inverted.
    negligible: ClassVar[float] = 0.0

    #: The relative error of a level at which its quantile is found.
    backward_error: ClassVar[float] = BACKWARD_ERROR

    @cached_property
    def _bracket(self) -> tuple[float, float]:
        """Finite ends beyond which a distribution function is 0 or 1 to double precision."""
        least, greatest = self.support
        # Outside of the support the formulas may mean nothing.
        if not np.isfinite(least):
            least = self._end_of_tail(self.distribution, greatest, -1.0)
        if not np.isfinite(greatest):
            greatest = self._end_of_tail(self.survival, self.support[0], 1.0)
        return least, greatest

    def _end_of_tail(self, tail: ArrayFunction, other_end: float, step: float) -> float:
        origin = other_end if np.isfinite(other_end) else 0.0
        while abs(step) < FARTHEST and tail(np.array([origin + step]))[0] > self.negligible:
            step *= 2
        return origin + step

    @cached_property
    def _table(self) -> tuple[Array, Array, Array]:
        """The log odds of the tabulated levels, and tight lower and upper bounds of their quantiles, by bisection."""
        levels = 1 / (1 + np.exp(-LOGITS))
        low, high = (np.full(levels.size, end) for end in self._bracket)
        # Halves of the distance do not reach the middle of a heavy tail.
        heavy = self._bracket[1] / 2 - self._bracket[0] / 2 > WIDE
        for _ in range(TABLE_STEPS):
            middle = low / 2 + high / 2
            if heavy:
                middle = np.clip(np.sinh(np.arcsinh(low) / 2 + np.arcsinh(high) / 2), low, high)
            below = self.residual(middle, levels) < 0
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return LOGITS, low, high


class TabulatedInverse(NumericalInverse):
    """The same for functions from tables, whose last digits are rounding."""

    backward_error = TABULATED_ERROR


class EconomicalInverse(NumericalInverse):
    """The same for functions that are slow to evaluate: the table holds few points, whose levels are known."""

    negligible = math.exp(-FARTHEST_LOGIT)

    @cached_property
    def _table(self) -> tuple[Array, Array, Array]:
        points = np.array(self._bracket)
        logits = self._logits(points)
        for _ in range(MOST_ROUNDS):
            middles = points[:-1] / 2 + points[1:] / 2
            wide = (np.diff(logits) > LOGIT_STEP) & (points[:-1] < middles) & (middles < points[1:])
            if not wide.any():
                break
            points, logits = np.append(points, middles[wide]), np.append(logits, self._logits(middles[wide]))
            order = np.argsort(points)
            points, logits = points[order], np.maximum.accumulate(logits[order])
        return logits, points, points

    def _logits(self, points: Array) -> Array:
        with np.errstate(all="ignore"):
            logits = np.log(self.distribution(points)) - np.log(self.survival(points))
        return np.clip(np.nan_to_num(logits, nan=0.0), -FARTHEST_LOGIT, FARTHEST_LOGIT)


def precise_tail(probability_at: Expr, variable: sympy.Symbol) -> ArrayFunction:
    """Compile a formula of a probability, or of a quantile in `density.probability`, that may lose digits in its tail.

    Where the probability is below `TAIL`, the formula is evaluated with `DIGITS` digits, which outweigh differences of
    nearly equal numbers, as in 1 - exp(-x).

    Examples
    --------
    >>> x = sympy.Symbol("x")
    >>> precise_tail(1 - sympy.exp(-x), x)(np.array([1e-20, 1.0])).tolist()
    [1e-20, 0.6321205588285577]
    """
    plain, exact = (sympy.lambdify(variable, probability_at, module) for module in ("scipy", "mpmath"))
    is_level = variable.name != "x"

    def evaluate(points: Array) -> Array:
        points = np.asarray(points, dtype=np.float64)
        with np.errstate(all="ignore"):
            values = np.array(np.broadcast_to(plain(points), points.shape), dtype=np.float64)
        tail = (points if is_level else np.abs(values)) < TAIL
        with mpmath.workdps(DIGITS):
            values[tail] = [_as_double(exact, point) for point in points[tail]]
        return values

    return evaluate


def _as_double(function: Callable[[Any], Any], point: float) -> float:
    try:
        value = mpmath.mpmathify(function(mpmath.mpf(float(point))))
    except (ArithmeticError, ValueError):
        return math.nan
    return float(value.real)
