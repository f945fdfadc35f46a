"""What the replicates of T_m say beside what Theorem 3.1 and the exact mean say."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from simulations.statistic import Statistic
from theory.bickel_rosenblatt import ExactMean, exact_mean, limit_mean, limit_variance, theorem_conditions
from theory.conditions import Condition

Array = npt.NDArray[np.float64]

PROBABILITIES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
AGREEMENT = 3.5
"""Standard errors within which two means agree; independent truths differ by more once in 2,100 studies."""
NORMALITY_TEST = "D'Agostino-Pearson K^2 (statsmodels omni_normtest)"
FEWEST_FOR_NORMALITY = 20
SIGNIFICANCE = 0.01


@dataclass(frozen=True)
class Normality:
    """A test that the values are normal with some mean and variance; None where there are too few values for it."""

    test: str
    statistic: float | None
    p_value: float | None


@dataclass(frozen=True)
class Summary:
    r"""The distribution of T_m over replicates, beside theory.

    Attributes
    ----------
    m : int
    bandwidth : float
        b(m).
    mean : float
        Of T_m over the replicates.
    variance : float or None
        Of T_m, unbiased; None for a single replicate.
    standard_error : float or None
        Of the mean.
    exact : ExactMean
        E T_m at this m.
    limit_mean, limit_variance : float
        :math:`I \int f a`, and :math:`2 J \int a^2 f^2`, the variance of the standardised statistic's limit law.
    standardised : array, shape (replicates,)
        :math:`b^{-1/2} (T_m - I \int f a)`.
    normality : Normality
    conditions : tuple of Condition
        Of Theorem 3.1.
    """

    m: int
    bandwidth: float
    mean: float
    variance: float | None
    standard_error: float | None
    exact: ExactMean
    limit_mean: float
    limit_variance: float
    standardised: Array
    normality: Normality
    conditions: tuple[Condition, ...]

    @property
    def z_exact(self) -> float | None:
        """The simulated mean less the exact one, in standard errors."""
        return self._z(self.exact.total)

    @property
    def z_limit(self) -> float | None:
        """The simulated mean less the limit, in standard errors."""
        return self._z(self.limit_mean)

    @cached_property
    def standardised_mean(self) -> float:
        """The mean of the standardised statistic, 0 in the limit."""
        return float(self.standardised.mean())

    @cached_property
    def standardised_variance(self) -> float | None:
        """The variance of the standardised statistic, `limit_variance` in the limit."""
        return _variance(self.standardised)

    @cached_property
    def skewness(self) -> float | None:
        """The third central moment over the cubed standard deviation, 0 in the limit."""
        deviations = self.standardised - self.standardised.mean()
        spread = math.sqrt(float(np.mean(deviations**2)))
        return float(np.mean((deviations / spread) ** 3)) if spread > 0 else None

    @cached_property
    def quantiles(self) -> dict[float, float]:
        """The quantiles of the standardised statistic, by probability."""
        return dict(zip(PROBABILITIES, np.quantile(self.standardised, PROBABILITIES).tolist(), strict=True))

    @property
    def limit_quantiles(self) -> dict[float, float]:
        """The quantiles of the limit law, by probability."""
        return {level: math.sqrt(self.limit_variance) * float(ndtri(level)) for level in PROBABILITIES}

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {
            "mean": self.mean,
            "standard_error": self.standard_error,
            "variance": self.variance,
            "exact_mean": self.exact.total,
            "exact_mean_parts": {
                "variance_term": self.exact.variance_term,
                "product_term": self.exact.product_term,
                "squared_bias_term": self.exact.squared_bias_term,
            },
            "limit_mean": self.limit_mean,
            "limit_variance": self.limit_variance,
            "z_exact": self.z_exact,
            "z_limit": self.z_limit,
            "standardised": {
                "mean": self.standardised_mean,
                "variance": self.standardised_variance,
                "skewness": self.skewness,
                "quantiles": {f"{level:g}": value for level, value in self.quantiles.items()},
            },
            "normality": asdict(self.normality),
            "assumptions": [asdict(condition) for condition in self.conditions],
        }

    def _z(self, reference: float) -> float | None:
        return (self.mean - reference) / self.standard_error if self.standard_error else None


def summarise(values: Array, setting: Statistic, m: int) -> Summary:
    """Set the values of T_m, shape (replicates,), beside theory for the same setting and m."""
    kernel, density, weight, bandwidth = setting.kernel, setting.density, setting.weight, setting.bandwidth
    limit, variance = float(limit_mean(kernel, density, weight)), _variance(values)
    standardised = (values - limit) / math.sqrt(bandwidth.at(m))
    return Summary(
        m=m,
        bandwidth=bandwidth.at(m),
        mean=float(values.mean()),
        variance=variance,
        standard_error=None if variance is None else math.sqrt(variance / values.size),
        exact=exact_mean(m, kernel, density, weight, bandwidth),
        limit_mean=limit,
        limit_variance=float(limit_variance(kernel, density, weight)),
        standardised=standardised,
        normality=_normality(standardised),
        conditions=theorem_conditions(kernel, density, weight, bandwidth),
    )


def in_words(summary: Summary) -> list[str]:
    """Return, in sentences, what the theorem promises for this choice, what was seen, and why they differ."""
    return [_on_the_conditions(summary), _on_the_exact_mean(summary), _on_the_limit(summary), _on_normality(summary)]


def _on_the_conditions(summary: Summary) -> str:
    broken = [condition for condition in summary.conditions if not condition.holds]
    if not broken:
        return (
            f"Theorem 3.1 applies: all {len(summary.conditions)} of its conditions hold, those on the bandwidth as "
            "statements about the rule for m tending to infinity, which no single m can decide."
        )
    named_by_reason: dict[str, list[str]] = {}
    for condition in broken:
        named_by_reason.setdefault(condition.reason, []).append(condition.name)
    listed = "; ".join(f"{', and '.join(names)} ({reason})" for reason, names in named_by_reason.items())
    return f"Theorem 3.1 is not shown to apply. What fails or is not established: {listed}."


def _on_the_exact_mean(summary: Summary) -> str:
    if summary.z_exact is None:
        return "One replicate has no standard error, so its mean cannot be judged."
    judged = f"(z = {summary.z_exact:+.2f})"
    if abs(summary.z_exact) <= AGREEMENT:
        return f"The simulated mean agrees with the exact mean at this m {judged}."
    return f"The simulated mean contradicts the exact mean at this m {judged}: one of the two is wrong."


def _on_the_limit(summary: Summary) -> str:
    exact, gap = summary.exact, summary.exact.total - summary.limit_mean
    parts = [
        (exact.variance_term - summary.limit_mean, "A - I(K) ∫ f a, the smoothing inside the variance term"),
        (-exact.product_term, "-B = -b ∫ (K_b*f)² a, the product term"),
        (exact.squared_bias_term, "C, the squared bias"),
    ]
    parts.sort(key=lambda part: -abs(part[0]))
    listed = ", ".join(f"{value:+.3g} from {name}" for value, name in parts)
    where = "below" if gap < 0 else "above"
    sentence = f"The exact mean is {abs(gap):.3g} {where} the limit I(K) ∫ f a: {listed}."
    if summary.z_limit is None:
        return sentence
    seen = "tell" if abs(summary.z_limit) > AGREEMENT else "cannot tell"
    return f"{sentence} These replicates {seen} the mean from the limit (z = {summary.z_limit:+.1f})."


def _on_normality(summary: Summary) -> str:
    if summary.normality.p_value is None or summary.standardised_variance is None or summary.skewness is None:
        return f"Normality is judged from {FEWEST_FOR_NORMALITY} different replicates on."
    ratio = summary.standardised_variance / summary.limit_variance
    spread = f"The standardised variance is {ratio:.0%} of its limit"
    if summary.normality.p_value < SIGNIFICANCE:
        return f"{spread}, and the normal law has not been reached at this m: skewness {summary.skewness:+.2f}."
    return f"{spread}, and these replicates show no departure from a normal law (skewness {summary.skewness:+.2f})."


def _variance(values: Array) -> float | None:
    return float(values.var(ddof=1)) if values.size > 1 else None


def _normality(values: Array) -> Normality:
    if values.size < FEWEST_FOR_NORMALITY or np.ptp(values) == 0:
        return Normality(NORMALITY_TEST, None, None)
    from statsmodels.stats.stattools import omni_normtest

    statistic, p_value = omni_normtest(values)
    return Normality(NORMALITY_TEST, float(statistic), float(p_value))
