"""Summaries of the replicates of T_m, and their comparison with Theorem 3.1 and the exact mean."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import sympy
from scipy.special import ndtr, ndtri, stdtrit
from sympy import Integer

from foundation.errors import InputError
from foundation.typography import format_count
from simulations.engines.exact.statistic import Statistic
from simulations.study.accumulators import Accumulator, Moments, QuantileSketch
from theory.algebra.evidence import Evidence, assumptions_document
from theory.bickel_rosenblatt.bandwidth import window_at
from theory.bickel_rosenblatt.mean import ExactMean, exact_mean, limit_mean, limit_variance, theorem_conditions
from theory.bickel_rosenblatt.variance import exact_variance
from theory.densities.density import overlaps
from theory.densities.weights import Weight
from theory.kernels import Piece

TEST = "D'Agostino-Pearson K^2"

FEWEST = 20
"""Smallest number of values for the approximations, as D'Agostino, Belanger and D'Agostino (1990) advise."""


@dataclass(frozen=True)
class Normality:
    """A test of normality with unknown mean and variance; None if there are too few values for it."""

    test: str
    statistic: float | None
    p_value: float | None


def normality(moments: Moments) -> Normality:
    r"""Test whether the values behind ``moments`` are normal.

    :math:`K^2` is the sum of the squares of two statistics that are nearly standard normal under normality, one from
    the skewness and one from the kurtosis; it is nearly chi-squared with 2 degrees of freedom.

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
    """Transform the skewness of ``n`` normal values to nearly standard normal (D'Agostino, 1970)."""
    y = skewness * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    kurtosis = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    w_squared = math.sqrt(2 * (kurtosis - 1)) - 1
    return math.asinh(y * math.sqrt((w_squared - 1) / 2)) / math.sqrt(math.log(w_squared) / 2)


def _normal_from_kurtosis(kurtosis: float, n: float) -> float:
    """Transform the kurtosis of ``n`` normal values to nearly standard normal (Anscombe and Glynn, 1983)."""
    mean = 3 * (n - 1) / (n + 1)
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis - mean) / math.sqrt(variance)
    skewness = 6 * (n**2 - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / skewness * (2 / skewness + math.sqrt(1 + 4 / skewness**2))
    ratio = (1 - 2 / a) / (1 + x * math.sqrt(2 / (a - 4)))
    return (1 - 2 / (9 * a) - math.copysign(abs(ratio) ** (1 / 3), ratio)) / math.sqrt(2 / (9 * a))


PROBABILITIES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)

AGREEMENT = 3.5
"""Standard errors within which two means agree; a correct simulation deviates more once in 2,100 studies."""

UNSEEN = 4
"""Replicates as extreme as the most extreme one that are counted beside those seen, where the tail is judged."""

ROUNDING = 1e-10
"""Bound on the relative error of T_m and of its exact mean."""

RARE = 10
"""Expected number of draws up to which values are rare: their part of the mean is not seen in the standard error."""

NOTABLE = 0.01
"""Smallest share of the exact mean from such values that is mentioned where they may explain a difference."""

SIGNIFICANCE = 0.01


def chance_bound(count: int, kurtosis: Any, extreme: Any) -> Any:
    r"""Bound the standard errors by which a right mean of few or heavy-tailed values deviates.

    For normal values the bound would be Student's quantile k at the level of `AGREEMENT`. The mean and the variance of
    n values are correlated, by at most 1, and the variance has the relative standard error
    :math:`r = ((\kappa - 1)/n)^{1/2}`; where the mean is z standard errors too small, the variance may thus be too
    small by the factor 1 + z r. The bound is the solution of :math:`z^2 = k^2 (1 + z r)`. A sample shows less of a
    heavy tail than there is: `UNSEEN` values as extreme as the most extreme one are added to the kurtosis.

    A tail so rare that no replicate shows it is not found by this bound.

    Parameters
    ----------
    count : int
        Number of values, at least 2.
    kurtosis, extreme : float or array
        The fourth central moment over the squared variance, and the largest deviation from the mean in standard
        deviations.

    Examples
    --------
    >>> [round(float(chance_bound(n, 3.0, 3.0)), 2) for n in (10, 100, 10_000)]
    [53.53, 5.42, 3.59]
    """
    k = -float(stdtrit(count - 1, ndtr(-AGREEMENT)))
    r = np.sqrt(np.maximum(kurtosis - 1 + UNSEEN * extreme**4 / count, 0.0) / count)
    return k * (k * r / 2 + np.sqrt(1 + (k * r / 2) ** 2))


@dataclass(frozen=True)
class Summary:
    r"""The distribution of T_m over replicates, compared with theory.

    The standardised statistic is :math:`b^{-1/2} (T_m - I \int f a)`.

    Attributes
    ----------
    m : int
    bandwidth : float
        b(m).
    moments : Moments
        Moments of T_m over the replicates.
    sketch : QuantileSketch
        Quantile sketch of T_m over the replicates.
    exact : ExactMean
        E T_m at this m.
    limit_mean, limit_variance : float
        :math:`I \int f a`, and :math:`2 J \int a^2 f^2`, the variance of the standardised statistic's limit law.
    normality : Normality
    conditions : tuple of Condition
        The conditions of Theorem 3.1.
    discretisation : mapping or None
        Measured error of the engine; None for the exact one.
    exact_variance : float or None
        Var T_m at this m; None if it cannot be computed for the setting.
    unreached_mean : float
        The part of E T_m from values that all replicates together draw fewer than `RARE` times on average. It is
        computed where the means differ by more than `AGREEMENT`, and may explain that.
    """

    m: int
    bandwidth: float
    moments: Moments
    sketch: QuantileSketch
    exact: ExactMean
    limit_mean: float
    limit_variance: float
    normality: Normality
    conditions: tuple[Evidence, ...]
    discretisation: Mapping[str, Any] | None = None
    exact_variance: float | None = None
    unreached_mean: float = 0.0

    @property
    def mean(self) -> float:
        """The mean of T_m over the replicates."""
        return self.moments.mean

    @property
    def variance(self) -> float | None:
        """The unbiased variance of T_m; None for a single replicate."""
        return self.moments.variance

    @property
    def standard_error(self) -> float | None:
        """The standard error of the mean; None for a single replicate."""
        return None if self.variance is None else math.sqrt(self.variance / self.moments.count)

    @property
    def z_exact(self) -> float | None:
        """The simulated mean minus the exact mean, in standard errors."""
        return self._z(self.exact.total)

    @property
    def z_limit(self) -> float | None:
        """The simulated mean minus the limit, in standard errors."""
        return self._z(self.limit_mean)

    @property
    def contradicts_exact_mean(self) -> bool:
        """Whether the means differ by more than `z_bound`."""
        return self.z_exact is not None and self.z_bound is not None and abs(self.z_exact) > self.z_bound

    @property
    def z_bound(self) -> float | None:
        """The standard errors by which chance, errors of the engine and values that were not drawn may part the means.

        None without a standard error.
        """
        if not self.standard_error:
            return None
        # Values that are not drawn can only be missing from the simulated mean.
        missing = self.unreached_mean if self.mean < self.exact.total else 0.0
        unseen = (missing + ROUNDING * self.exact.total) / self.standard_error
        return self.chance_bound + _bias_in_standard_errors(self) + unseen

    @property
    def chance_bound(self) -> float:
        """The standard errors by which chance parts a simulated mean from its expectation; see `chance_bound`."""
        deviation = max(self.moments.greatest - self.mean, self.mean - self.moments.least)
        n, square = self.moments.count, self.moments.sums[0] / self.moments.count
        kurtosis = self.moments.kurtosis
        # The kurtosis of n values is below n.
        return float(chance_bound(n, n if kurtosis is None else kurtosis, deviation / math.sqrt(square)))

    @property
    def standardised_mean(self) -> float:
        """The mean of the standardised statistic, 0 in the limit."""
        return self.standardise(self.mean)

    @property
    def standardised_mean_error(self) -> float | None:
        """The standard error of the mean of the standardised statistic."""
        return None if self.standard_error is None else self.standard_error / math.sqrt(self.bandwidth)

    @property
    def standardised_variance(self) -> float | None:
        """The variance of the standardised statistic, `limit_variance` in the limit."""
        return None if self.variance is None else self.variance / self.bandwidth

    @property
    def standardised_variance_error(self) -> float | None:
        """The standard error of the variance of the standardised statistic."""
        error = self.moments.variance_error
        return None if error is None else error / self.bandwidth

    @property
    def exact_standardised_variance(self) -> float | None:
        """The exact variance of the standardised statistic at this m; None if it cannot be computed."""
        return None if self.exact_variance is None else self.exact_variance / self.bandwidth

    @cached_property
    def limit_distance(self) -> float | None:
        """The Kolmogorov distance of the standardised statistic's law to its limit; None if that is a single point."""
        spread = math.sqrt(self.limit_variance * self.bandwidth)
        if spread == 0.0:
            return None
        return self.sketch.distance_to(lambda values: np.asarray(ndtr((values - self.limit_mean) / spread)))

    @property
    def skewness(self) -> float | None:
        """The third central moment over the cubed standard deviation, 0 in the limit."""
        return self.moments.skewness

    @cached_property
    def quantiles(self) -> dict[float, float]:
        """The quantiles of the standardised statistic, by probability."""
        values = self.sketch.quantiles(PROBABILITIES)
        return {level: self.standardise(value) for level, value in zip(PROBABILITIES, values, strict=True)}

    def standardise(self, value: float) -> float:
        """Standardise a value of T_m: subtract the limit of the mean and divide by the root of b."""
        return (value - self.limit_mean) / math.sqrt(self.bandwidth)

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
            "exact_variance": self.exact_variance,
            "exact_mean": self.exact.total,
            "exact_mean_parts": {
                "variance_term": self.exact.variance_term,
                "product_term": self.exact.product_term,
                "squared_bias_term": self.exact.squared_bias_term,
            },
            "limit_mean": self.limit_mean,
            "limit_variance": self.limit_variance,
            "z_exact": self.z_exact,
            "z_bound": self.z_bound,
            "z_limit": self.z_limit,
            "standardised": {
                "mean": self.standardised_mean,
                "variance": self.standardised_variance,
                "skewness": self.skewness,
                "kurtosis": self.moments.kurtosis,
                "limit_distance": self.limit_distance,
                "standard_errors": {
                    "mean": self.standardised_mean_error,
                    "variance": self.standardised_variance_error,
                    "skewness": self.moments.skewness_error,
                    "kurtosis": self.moments.kurtosis_error,
                },
                "quantiles": {f"{level:g}": value for level, value in self.quantiles.items()},
            },
            "normality": asdict(self.normality),
            "assumptions": assumptions_document(self.conditions),
        }

    def _z(self, reference: float) -> float | None:
        return (self.mean - reference) / self.standard_error if self.standard_error else None


def summarise(
    accumulator: Accumulator, setting: Statistic, m: int, discretisation: Mapping[str, Any] | None = None
) -> Summary:
    """Summarise at least one replicate of T_m, with the theory for the same setting and m."""
    if accumulator.moments is None:
        raise ValueError("there are no replicates to summarise")
    kernel, density, weight, bandwidth = setting.kernel, setting.density, setting.weight, setting.bandwidth
    summary = Summary(
        m=m,
        bandwidth=bandwidth.at(m),
        moments=accumulator.moments,
        sketch=accumulator.sketch,
        exact=exact_mean(m, kernel, density, weight, bandwidth),
        limit_mean=float(limit_mean(kernel, density, weight)),
        limit_variance=float(limit_variance(kernel, density, weight)),
        normality=normality(accumulator.moments),
        conditions=theorem_conditions(kernel, density, weight, bandwidth),
        discretisation=discretisation,
        exact_variance=_exact_variance(setting, m),
    )
    if summary.z_exact is not None and abs(summary.z_exact) > AGREEMENT:
        return replace(summary, unreached_mean=_unreached_mean(setting, m, accumulator.count, summary.exact.total))
    return summary


def _exact_variance(setting: Statistic, m: int) -> float | None:
    try:
        return exact_variance(m, setting.kernel, setting.density, setting.weight, setting.bandwidth).total
    except InputError:
        return None


def _unreached_mean(setting: Statistic, m: int, replicates: int, exact: float) -> float:
    """Compute the part of E T_m outside the interval beyond whose ends fewer than `RARE` draws are expected."""
    tail = RARE / (m * replicates)
    if tail >= 0.5:
        return exact
    lower, upper = map(sympy.Float, setting.density.bulk(tail))
    reached = Piece(lower, upper, Integer(1))
    pieces = tuple(overlaps(setting.weight.pieces, (reached,)))
    if not pieces:
        return exact
    weight = Weight("the reached part of the weight", pieces, setting.weight.landmarks)
    return max(0.0, exact - exact_mean(m, setting.kernel, setting.density, weight, setting.bandwidth).total)


def in_words(summary: Summary) -> list[str]:
    """Describe in sentences the theorem's statement for this setting, the observations, and why they differ.

    Examples
    --------
    >>> from simulations import Study, simulate
    >>> summary = simulate(Study(m=50, replicates=100, engine="exact")).summary
    >>> in_words(summary)[0][:27]
    'Theorem 3.1 applies: all 17'
    """
    sentences = [
        _on_the_conditions(summary),
        _on_the_window(summary),
        _on_the_exact_mean(summary),
        _on_the_limit(summary),
        _on_normality(summary),
    ]
    return sentences if summary.discretisation is None else [*sentences, _on_the_discretisation(summary)]


def _on_the_conditions(summary: Summary) -> str:
    broken = [condition for condition in summary.conditions if not condition.holds]
    if not broken:
        return (
            f"Theorem 3.1 applies: all {len(summary.conditions)} of its conditions hold, those on the bandwidth as "
            "statements about the rule for m tending to infinity, which no single m can decide."
        )
    # Conditions that fail for the same reason are listed together.
    named_by_reason: dict[str, list[str]] = {}
    for condition in broken:
        named_by_reason.setdefault(condition.detail, []).append(condition.statement)
    listed = "; ".join(f"{', and '.join(names)} ({reason})" for reason, names in named_by_reason.items())
    return f"Theorem 3.1 is not shown to apply. What fails or is not established: {listed}."


def _on_the_window(summary: Summary) -> str:
    lower, upper = window_at(summary.m)
    sides = (
        f"the theorem's window for b, m^(-1/4) (log m)^(1/2) (log log m)^(1/4) = {lower:.3g} < b < "
        f"m^(-2/9) = {upper:.3g}"
    )
    if lower >= upper:
        return (
            f"Taken with constants 1 at this m, {sides}, is empty, as it is from m = 5 to 10^41; b = "
            f"{summary.bandwidth:.3g} can satisfy it only as a rule for m tending to infinity."
        )
    inside = "inside" if lower < summary.bandwidth < upper else "outside"
    return f"Taken with constants 1 at this m, {sides}, is not empty, and b = {summary.bandwidth:.3g} is {inside}."


def _on_the_discretisation(summary: Summary) -> str:
    measured = summary.discretisation or {}
    sentence = f"The engine works on {measured['cells_per_bandwidth']} cells per bandwidth: T_m has a root mean square"
    sentence += (
        f" error of {measured['rms_error']:.1e} and a bias of {measured['bias']:+.1e} standard deviations of T_m"
    )
    share = _bias_in_standard_errors(summary)
    sentence += f": at most {share:.2g} standard errors of the simulated mean." if share else "."
    error, drawn = measured.get("closed_form_error"), measured.get("strata")
    if error is not None:
        sentence += f" ∫ f² a on the cells is within {abs(error):.0e} of its closed form."
    if drawn is not None:
        sentence += (
            f" Of {format_count(drawn['sums'] + drawn['positions'], 'part')} of cells, {drawn['sums']:,} had sums "
            f"drawn as normal vectors and {drawn['positions']:,} the positions of their observations."
        )
    return sentence


def _on_the_exact_mean(summary: Summary) -> str:
    z, bound = summary.z_exact, summary.z_bound
    if z is None or bound is None:
        what = "One replicate has" if summary.moments.count == 1 else "Replicates that are all equal have"
        return f"{what} no standard error, so that the simulated mean cannot be assessed."
    if abs(z) <= AGREEMENT:
        return f"The simulated mean agrees with the exact mean at this m (z = {z:+.2f})."
    count, chance, share = summary.moments.count, summary.chance_bound, summary.unreached_mean / summary.exact.total
    tail = f"the kurtosis of T_m, {summary.moments.kurtosis or math.nan:.3g} in {count:,} replicates"
    if summary.contradicts_exact_mean:
        reasons = [f"{tail}, with which chance explains {chance:.2g} standard errors"]
        if summary.discretisation is not None:
            reasons.append(f"the bias of the cells ({_bias_in_standard_errors(summary):.2g} standard errors)")
        reasons.append(f"values that are hardly ever drawn ({share:.2g} of the exact mean)")
        return (
            f"The simulated mean contradicts the exact mean at this m (z = {z:+.2f}): one of the two is wrong. "
            f"Considered, and too small to explain it: {'; '.join(reasons)}."
        )
    causes = []
    if share >= NOTABLE and z < 0:
        causes.append(
            f"{share:.0%} of the latter comes from values that all replicates together draw fewer than {RARE} times on "
            "average"
        )
    if abs(z) <= chance:
        causes.append(f"{tail}, leaves the standard error so uncertain that chance explains up to {chance:.2g} of them")
    differs = f"The simulated mean differs from the exact mean (z = {z:+.2f}), but"
    if causes:
        remedy = "Simulate more replicates, or narrow the weight."
        return f"{differs} {', and '.join(causes)}. Neither mean is in doubt; the standard error is too small. {remedy}"
    cause = "rounding of T_m" if summary.discretisation is None else "bias of the cells"
    return f"{differs} the {cause} may explain that."


def _bias_in_standard_errors(summary: Summary) -> float:
    """Bound the bias of the cells, plus two of its standard errors, in standard errors of the mean."""
    measured = summary.discretisation or {}
    if not summary.standard_error or measured.get("bias") is None:
        return 0.0
    bias = abs(measured["bias"]) + 2 * measured["bias_standard_error"]
    return float(bias) * measured["standard_deviation"] / summary.standard_error


def _on_the_limit(summary: Summary) -> str:
    exact, gap = summary.exact, summary.exact.total - summary.limit_mean
    # The exact mean minus the limit is the sum of these parts; the largest is named first.
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
    seen = "distinguish" if abs(summary.z_limit) > AGREEMENT else "cannot distinguish"
    return f"{sentence} These replicates {seen} the mean from the limit (z = {summary.z_limit:+.1f})."


def _on_normality(summary: Summary) -> str:
    if summary.normality.p_value is None or summary.standardised_variance is None or summary.skewness is None:
        return f"Normality is tested only with at least {FEWEST} different replicates."
    ratio = summary.standardised_variance / summary.limit_variance
    spread = f"The standardised variance is {ratio:.0%} of its limit"
    if summary.exact_standardised_variance is not None:
        spread += f", {summary.exact_standardised_variance / summary.limit_variance:.0%} by its exact value at this m"
    if summary.normality.p_value < SIGNIFICANCE:
        return f"{spread}, and the normal law has not been reached at this m: skewness {summary.skewness:+.2f}."
    return f"{spread}, and these replicates show no departure from a normal law (skewness {summary.skewness:+.2f})."
