"""The comparison of a statistic with its null distribution, at one bandwidth or at the one of several that decides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import betaincinv

from foundation.types import Array
from simulations.goodness_of_fit.bandwidths import AtBandwidth, make_comparable, standardise_each
from theory.bickel_rosenblatt.bandwidth import Bandwidth

LEVELS = (0.1, 0.05, 0.01)

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """A statistic of data beside its simulated null distribution.

    Attributes
    ----------
    statistic : float
        The statistic of the data. With several bandwidths, the largest excess of its cube root over the mean under the
        null hypothesis, in standard deviations.
    at_bandwidths : tuple of AtBandwidth
        The statistic at each bandwidth, ascending.
    alpha : float
        The level of the sentence that states the result.
    null_law : array, shape (replicates,)
        The statistic under the null hypothesis, ascending.
    """

    statistic: float
    at_bandwidths: tuple[AtBandwidth, ...]
    alpha: float
    null_law: Array = field(repr=False, compare=False)

    @cached_property
    def p_value(self) -> float:
        """The share of samples under the null hypothesis, this one included, whose statistic is at least as large.

        Under the null hypothesis it is at most p with probability p, for every multiple p of 1/(replicates + 1).
        """
        return rank(self.statistic, self.null_law)

    @property
    def pvalue(self) -> float:
        """The p-value, under the name that results of `scipy.stats` have."""
        return self.p_value

    @property
    def p_value_error(self) -> float:
        """The standard error of the p-value due to the finite number of replicates."""
        return math.sqrt(self.p_value * (1 - self.p_value) / self.null_law.size)

    @cached_property
    def p_value_interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the p-value that more replicates would approach (Clopper and Pearson)."""
        count, n = int(np.count_nonzero(self.null_law >= self.statistic)), self.null_law.size
        tail = (1 - CONFIDENCE) / 2
        lower = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
        upper = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
        return lower, upper

    @cached_property
    def critical_values(self) -> dict[float, float]:
        """Quantiles of the null distribution at 1 - level, by level."""
        return {level: float(np.quantile(self.null_law, 1 - level)) for level in LEVELS}

    @property
    def rejected(self) -> bool:
        """Whether the p-value is at most alpha."""
        return self.p_value <= self.alpha

    @property
    def level(self) -> str:
        """The level alpha in percent."""
        return f"{100 * self.alpha:.3g}%"

    @property
    def deciding(self) -> AtBandwidth:
        """The statistic at the bandwidth where its cube root exceeds the mean by the most standard deviations."""
        return max(self.at_bandwidths, key=lambda one: one.excess)

    def on_bandwidths(self) -> str:
        """Return which of several bandwidths decides, or an empty string."""
        if len(self.at_bandwidths) == 1:
            return ""
        one = self.deciding
        side = "above" if one.excess >= 0 else "below"
        return (
            f"Of the {len(self.at_bandwidths)} bandwidths, b = {one.value:.4g} decides: the cube root of the "
            f"statistic is {abs(one.excess):.3g} standard deviations {side} its mean. The p-value accounts for the "
            "choice."
        )

    def attributes(self) -> dict[str, Any]:
        """Return the fields of a comparison by name, from which a result is made."""
        return {one.name: getattr(self, one.name) for one in fields(Comparison)}

    def comparison_document(self) -> dict[str, Any]:
        """Return the machine-readable form of what is compared."""
        return {
            "bandwidth": self.deciding.bandwidth.name,
            "bandwidth_value": self.deciding.value,
            "bandwidths": [one.document() for one in self.at_bandwidths],
            "statistic": self.statistic if math.isfinite(self.statistic) else None,
            "p_value": self.p_value,
            "p_value_standard_error": self.p_value_error,
            "p_value_interval": list(self.p_value_interval),
            "alpha": self.alpha,
            "rejected": self.rejected,
            "critical_values": {f"{level:g}": value for level, value in self.critical_values.items()},
        }


def compare(
    bandwidths: Sequence[Bandwidth], values: Sequence[float], statistics: Array, nulls: Array, alpha: float
) -> Comparison:
    """Compare statistics with their null distributions.

    Parameters
    ----------
    bandwidths : sequence of Bandwidth, length k
    values : sequence of float, length k
        The bandwidths at the size of the sample, ascending.
    statistics : array, shape (k,)
        Of the data.
    nulls : array, shape (k, replicates)
        Of samples under the null hypothesis, the same ones at every bandwidth.
    alpha : float
    """
    excesses = standardise_each(make_comparable(np.column_stack([nulls, statistics])))
    at_bandwidths = tuple(
        AtBandwidth(
            bandwidth=bandwidth,
            value=value,
            statistic=float(statistic),
            null_mean=float(null.mean()),
            null_deviation=float(null.std()),
            excess=float(excess),
            p_value=rank(float(statistic), null),
        )
        for bandwidth, value, statistic, null, excess in zip(
            bandwidths, values, statistics, nulls, excesses[:, -1], strict=True
        )
    )
    if len(at_bandwidths) == 1:
        return Comparison(float(statistics[0]), at_bandwidths, alpha, np.sort(nulls[0]))
    return Comparison(float(excesses[:, -1].max()), at_bandwidths, alpha, np.sort(excesses[:, :-1].max(axis=0)))


def rank(statistic: float, null: Array) -> float:
    """Return the share of samples, the observed one included, whose statistic is at least as large.

    Examples
    --------
    >>> rank(2.0, np.array([1.0, 2.0, 3.0]))
    0.75
    """
    return float((1 + np.count_nonzero(null >= statistic)) / (1 + null.size))
