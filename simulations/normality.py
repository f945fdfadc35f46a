"""D'Agostino and Pearson's test of normality, from the number of values, their skewness and their kurtosis alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulations.accumulators import Moments

TEST = "D'Agostino-Pearson K^2"
FEWEST = 20
"""Values from which on the approximations are used, as D'Agostino, Belanger and D'Agostino (1990) advise."""


@dataclass(frozen=True)
class Normality:
    """A test that the values are normal with some mean and variance; None where there are too few values for it."""

    test: str
    statistic: float | None
    p_value: float | None


def normality(moments: Moments) -> Normality:
    r"""Test whether the values behind ``moments`` are normal.

    :math:`K^2` is the sum of the squares of two numbers that are nearly standard normal under normality, one from the
    skewness and one from the kurtosis, so that its law is nearly chi-squared with 2 degrees of freedom.

    References
    ----------
    D'Agostino and Pearson (1973), Tests for departure from normality.

    Examples
    --------
    >>> import numpy as np
    >>> round(normality(Moments.of(np.arange(40.0) ** 2)).statistic, 10)
    5.20974018
    """
    skewness, kurtosis = moments.skewness, moments.kurtosis
    if moments.count < FEWEST or skewness is None or kurtosis is None:
        return Normality(TEST, None, None)
    n = float(moments.count)
    statistic = _normal_from_skewness(skewness, n) ** 2 + _normal_from_kurtosis(kurtosis, n) ** 2
    return Normality(TEST, statistic, math.exp(-statistic / 2))


def _normal_from_skewness(skewness: float, n: float) -> float:
    """Return the skewness of ``n`` normal values made nearly standard normal (D'Agostino, 1970)."""
    y = skewness * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    kurtosis = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    w_squared = math.sqrt(2 * (kurtosis - 1)) - 1
    return math.asinh(y * math.sqrt((w_squared - 1) / 2)) / math.sqrt(math.log(w_squared) / 2)


def _normal_from_kurtosis(kurtosis: float, n: float) -> float:
    """Return the kurtosis of ``n`` normal values made nearly standard normal (Anscombe and Glynn, 1983)."""
    mean = 3 * (n - 1) / (n + 1)
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis - mean) / math.sqrt(variance)
    skewness = 6 * (n**2 - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / skewness * (2 / skewness + math.sqrt(1 + 4 / skewness**2))
    ratio = (1 - 2 / a) / (1 + x * math.sqrt(2 / (a - 4)))
    return (1 - 2 / (9 * a) - math.copysign(abs(ratio) ** (1 / 3), ratio)) / math.sqrt(2 / (9 * a))
