"""The result of a goodness-of-fit test: numbers, sentences and the machine-readable form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import betaincinv, ndtr

from foundation.types import Array
from foundation.typography import format_count
from simulations.goodness_of_fit.bandwidths import AtBandwidth, standardise_each
from simulations.goodness_of_fit.rounding import count_ties, guess_width
from simulations.observations.sample import Sample
from simulations.study.study import Study
from theory.algebra.evidence import Evidence, assumptions_document
from theory.bickel_rosenblatt.mean import limit_mean, limit_variance, theorem_conditions

LEVELS = (0.1, 0.05, 0.01)

CONFIDENCE = 0.95

OUTLYING, MANY_OUTLYING = 1e-4, 0.05
"""Mass of the hypothesis in each tail that counts as outlying; share of the sample there that triggers the advice."""


@dataclass(frozen=True)
class GoodnessOfFit:
    """The result of the test of a sample.

    Attributes
    ----------
    study : Study
        The setting of T_m and of the simulation of its null distribution, at the deciding bandwidth.
    statistic : float
        T_m of the sample, standardised where location and scale were estimated. With several bandwidths, the largest
        excess of T_m over its mean under the null hypothesis, in standard deviations.
    p_value : float
        Share of samples under the null hypothesis, this one included, whose statistic is at least as large. Under the
        null hypothesis it is at most p with probability p, for every multiple p of 1/(replicates + 1), at any m.
    p_value_error : float
        Standard error of the p-value due to the finite number of replicates.
    asymptotic_p_value : float or None
        From the normal limit of Theorem 3.1, which is a poor approximation at practical m; None with several
        bandwidths or the smoothed density, which the theorem is not about.
    critical_values : dict from level to float
        Quantiles of the null distribution at 1 - level.
    at_bandwidths : tuple of AtBandwidth
        T_m at each bandwidth, ascending.
    null : {"density", "smoothed"}
        Whether the estimate is compared with f or with K_b * f.
    alpha : float
        The level of the sentence that states the result.
    location, scale : float or None
        The estimates, if requested.
    rounded_to : float or None
        The width to whose multiples the data are rounded, and with them the samples of the null distribution.
    conditions : tuple of Condition
        The conditions of Theorem 3.1, and so of the asymptotic p-value.
    null_law : array, shape (replicates,)
        The statistic of the samples simulated under the null hypothesis, ascending.
    sample : Sample
        The observations, and what was read.
    """

    study: Study
    statistic: float
    p_value: float
    p_value_error: float
    asymptotic_p_value: float | None
    critical_values: dict[float, float]
    at_bandwidths: tuple[AtBandwidth, ...]
    null: str
    alpha: float
    location: float | None
    scale: float | None
    rounded_to: float | None
    conditions: tuple[Evidence, ...]
    null_law: Array = field(repr=False, compare=False)
    sample: Sample = field(repr=False, compare=False)

    @property
    def pvalue(self) -> float:
        """The p-value, under the name that results of `scipy.stats` have."""
        return self.p_value

    @cached_property
    def p_value_interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the p-value that more replicates would approach (Clopper and Pearson)."""
        count, n = int(np.count_nonzero(self.null_law >= self.statistic)), self.null_law.size
        tail = (1 - CONFIDENCE) / 2
        lower = float(betaincinv(count, n - count + 1, tail)) if count else 0.0
        upper = float(betaincinv(count + 1, n - count, 1 - tail)) if count < n else 1.0
        return lower, upper

    @property
    def deciding(self) -> AtBandwidth:
        """T_m at the bandwidth where it exceeds its mean by the most standard deviations."""
        return max(self.at_bandwidths, key=lambda one: one.excess)

    def in_words(self) -> list[str]:
        """Describe in sentences the conclusions from the test, and their limits."""
        sentences = self._finding(), self._on_bandwidths(), self._on_ties(), self._on_the_limit(), self._advice()
        return [sentence for sentence in sentences if sentence]

    @cached_property
    def ties(self) -> int:
        """The number of observations that equal another one; a continuous hypothesis has none."""
        return count_ties(self.sample.values)

    def _on_ties(self) -> str:
        """Return what rounding does to the test, or an empty string if no observations are equal."""
        if self.rounded_to is not None:
            limit = "" if self.asymptotic_p_value is None else " The limit law knows nothing of it."
            return (
                f"The p-value is that of data rounded to multiples of {self.rounded_to:g}: the samples of the "
                f"hypothesis are rounded alike.{limit}"
            )
        if not self.ties:
            return ""
        values = self.sample.values
        width = guess_width(values)
        option = "--rounded-to WIDTH (in Python, rounded_to=WIDTH)"
        if width is not None:
            option = f"--rounded-to {width:g} (in Python, rounded_to={width:g}), of which all are multiples"
        return (
            f"{self.ties:,} of the {values.size:,} observations equal another one; there are "
            f"{format_count(np.unique(values).size, 'different value')}. Data of a continuous density are never equal, "
            "and T_m takes rounding for a departure from it, so that the p-value may be far too small. If the data "
            f"were rounded, use {option}."
        )

    def _finding(self) -> str:
        name, level = self.study.setting.density.name, f"{100 * self.alpha:.3g}%"
        share = (
            f"If the data came from {name}, the statistic would be at least as large in {100 * self.p_value:.3g}% "
            "of samples of this size"
        )
        if self.p_value <= self.alpha:
            return f"{share}: the test rejects {name} at the level {level}."
        return (
            f"{share}: the test does not reject {name} at the level {level}, which does not show that the "
            "sample comes from it."
        )

    def _on_bandwidths(self) -> str:
        if len(self.at_bandwidths) == 1:
            return ""
        return (
            f"Of the {len(self.at_bandwidths)} bandwidths, b = {self.deciding.value:.4g} decides: T_m exceeds its mean "
            f"by {self.deciding.excess:.3g} standard deviations. The p-value accounts for the choice among them."
        )

    def _on_the_limit(self) -> str:
        if self.asymptotic_p_value is None:
            return ""
        broken = [condition.statement for condition in self.conditions if not condition.holds]
        if broken:
            return (
                f"Theorem 3.1 does not cover this choice ({'; '.join(broken)}): the p-value by its limit law is not "
                "justified."
            )
        return "The p-value by the limit law ignores the remaining bias and skewness of T_m at this m."

    def _advice(self) -> str:
        """Return advice if the data seem to be in other units than the density, or an empty string."""
        sample = self.sample.values
        inside = self.study.setting.density.bulk(OUTLYING)
        share = float(np.mean((sample < inside[0]) | (sample > inside[1])))
        if self.location is not None or share < MANY_OUTLYING:
            return ""
        return (
            f"{share:.0%} of the sample lies where {self.study.setting.density.name} has almost no mass. To test the "
            "shape alone, for any location and scale, use --estimate (in Python, estimate=True)."
        )

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        study, setting = self.study, self.study.setting
        return {
            "m": study.m,
            "data": self.sample.reading.document(),
            "density": setting.density.name,
            "kernel": setting.kernel.name,
            "weight": setting.weight.name,
            "bandwidth": setting.bandwidth.name,
            "bandwidth_value": setting.bandwidth.at(study.m),
            "bandwidths": [one.document() for one in self.at_bandwidths],
            "null": self.null,
            "estimated": None if self.location is None else {"location": self.location, "scale": self.scale},
            "ties": self.ties,
            "rounded_to": self.rounded_to,
            "statistic": self.statistic if math.isfinite(self.statistic) else None,
            "p_value": self.p_value,
            "p_value_standard_error": self.p_value_error,
            "p_value_interval": list(self.p_value_interval),
            "alpha": self.alpha,
            "rejected": self.p_value <= self.alpha,
            "asymptotic_p_value": self.asymptotic_p_value,
            "critical_values": {f"{level:g}": value for level, value in self.critical_values.items()},
            "replicates": study.replicates,
            "seed": study.seed,
            "assumptions": assumptions_document(self.conditions),
        }


def combine(studies: Sequence[Study], statistics: Array, nulls: Array, **rest: Any) -> GoodnessOfFit:
    """Combine T_m at every bandwidth, shape (k,), and in the null samples, shape (k, replicates), to a result."""
    excesses = standardise_each(np.column_stack([nulls, statistics]))
    at_bandwidths = tuple(
        AtBandwidth(
            study.setting.bandwidth,
            study.setting.bandwidth.at(study.m),
            float(statistic),
            float(null.mean()),
            float(null.std()),
            float(excess),
            _p_value(statistic, null),
        )
        for study, statistic, null, excess in zip(studies, statistics, nulls, excesses[:, -1], strict=True)
    )
    deciding = int(excesses[:, -1].argmax())
    statistic, null, asymptotic = float(statistics[0]), nulls[0], None
    if len(studies) > 1:
        statistic, null = float(excesses[deciding, -1]), excesses[:, :-1].max(axis=0)
    elif rest["null"] == "density":
        asymptotic = _asymptotic_p_value(statistic, studies[0])
    p_value, setting = _p_value(statistic, null), studies[deciding].setting
    return GoodnessOfFit(
        study=studies[deciding],
        statistic=statistic,
        p_value=p_value,
        p_value_error=math.sqrt(p_value * (1 - p_value) / null.size),
        asymptotic_p_value=asymptotic,
        critical_values={level: float(np.quantile(null, 1 - level)) for level in LEVELS},
        at_bandwidths=at_bandwidths,
        conditions=theorem_conditions(setting.kernel, setting.density, setting.weight, setting.bandwidth),
        null_law=np.sort(null),
        **rest,
    )


def _p_value(statistic: float, null: Array) -> float:
    """Return the share of samples, the observed one included, whose statistic is at least as large."""
    return float((1 + np.count_nonzero(null >= statistic)) / (1 + null.size))


def _asymptotic_p_value(statistic: float, study: Study) -> float:
    setting = study.setting
    mean = float(limit_mean(setting.kernel, setting.density, setting.weight))
    variance = float(limit_variance(setting.kernel, setting.density, setting.weight)) * setting.bandwidth.at(study.m)
    return float(ndtr(-(statistic - mean) / math.sqrt(variance)))
