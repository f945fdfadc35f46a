"""Studies of convergence: the rates at which mean, variance and skewness approach their limits as m grows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from foundation.errors import InputError
from simulations.study.study import Result, Study
from simulations.study.summary import Summary
from theory.bickel_rosenblatt.expansions import LeadingTerms, leading_terms


def studies_at(sizes: Sequence[int], **options: Any) -> list[Study]:
    """Build a study at each of several m, with all other options in common.

    Raises
    ------
    InputError
        If an m occurs twice, or an option of the studies is out of range.

    Examples
    --------
    >>> [study.m for study in studies_at([100, 1_000], kernel="uniform")]
    [100, 1000]
    """
    for index, m in enumerate(sizes):
        if m in sizes[:index]:
            raise InputError(f"every --m must be different, got {m} twice. Give each m once.")
    return [Study(m=m, **options) for m in sizes]


@dataclass(frozen=True)
class Rate:
    """The power of b at which a quantity vanishes, predicted and fitted by least squares on logarithms.

    Attributes
    ----------
    quantity : str
    predicted : float
        Power of the leading term as b tends to 0.
    fitted : float or None
        None if there are fewer than two bandwidths, or a value of 0.
    standard_error : float or None
        Standard error of the fitted power; None if the values have none.
    """

    quantity: str
    predicted: float
    fitted: float | None
    standard_error: float | None


@dataclass(frozen=True)
class Point:
    """The results of a convergence study at one m, with the leading terms; None for numbers that do not exist.

    Attributes
    ----------
    m : int
    bandwidth : float
    mean_difference, mean_error : float
        Simulated mean minus the limit, and its standard error.
    exact_difference : float
        Exact mean minus the limit.
    product, squared_bias : float
        Leading terms -b int f^2 a and, for a symmetric kernel, m b^5 (mu_2^2 / 4) int f''^2 a of that difference.
    leading_difference : float
        Sum of the leading terms.
    variance, variance_error, exact_variance, leading_variance : float
        For the standardised statistic.
    skewness, skewness_error, leading_skewness : float
        For the standardised statistic.
    limit_distance, limit_distance_error : float
        Kolmogorov distance of the standardised statistic's law to its limit, and a bound on its standard error.
    """

    m: int
    bandwidth: float
    mean_difference: float
    mean_error: float | None
    exact_difference: float
    product: float
    squared_bias: float | None
    leading_difference: float | None
    variance: float | None
    variance_error: float | None
    exact_variance: float | None
    leading_variance: float | None
    skewness: float | None
    skewness_error: float | None
    leading_skewness: float
    limit_distance: float | None
    limit_distance_error: float


@dataclass(frozen=True)
class Convergence:
    """A study of convergence.

    Attributes
    ----------
    results : tuple of Result
        Results at different m, for one kernel, density, weight and bandwidth rule.
    terms : LeadingTerms
    points : tuple of Point
        One for each result.
    rates : tuple of Rate
    """

    results: tuple[Result, ...]
    terms: LeadingTerms
    points: tuple[Point, ...]
    rates: tuple[Rate, ...]

    @classmethod
    def of(cls, results: Sequence[Result]) -> Convergence:
        """Compare results, at least one, with the leading terms.

        Examples
        --------
        >>> from simulations import Study, simulate
        >>> study = Convergence.of([simulate(Study(m=m, replicates=200)) for m in (50, 100)])
        >>> [rate.predicted for rate in study.rates]
        [1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
        """
        setting = results[0].study.setting
        terms = leading_terms(setting.kernel, setting.density, setting.weight)
        points = tuple(_point(result.summary, terms) for result in results)
        return cls(tuple(results), terms, points, tuple(_rates(points, terms)))

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {
            "points": [asdict(point) for point in self.points],
            "rates": [asdict(rate) for rate in self.rates],
            "leading_terms": asdict(self.terms),
        }


def _point(summary: Summary, terms: LeadingTerms) -> Point:
    m, b = summary.m, summary.bandwidth
    return Point(
        m=m,
        bandwidth=b,
        mean_difference=summary.mean - summary.limit_mean,
        mean_error=summary.standard_error,
        exact_difference=summary.exact.total - summary.limit_mean,
        product=-b * terms.product,
        squared_bias=terms.bias_at(m, b),
        leading_difference=terms.mean_difference(m, b),
        variance=summary.standardised_variance,
        variance_error=summary.standardised_variance_error,
        exact_variance=summary.exact_standardised_variance,
        leading_variance=terms.variance_at(m, b),
        skewness=summary.skewness,
        skewness_error=summary.moments.skewness_error,
        leading_skewness=terms.skewness_at(b),
        limit_distance=summary.limit_distance,
        # The distance is a difference of probabilities at one point, whose share of n values has at most this error.
        limit_distance_error=0.5 / math.sqrt(summary.moments.count),
    )


def _rates(points: Sequence[Point], terms: LeadingTerms) -> Iterable[Rate]:
    bandwidths = [point.bandwidth for point in points]
    limit = terms.limit_variance
    observed: tuple[tuple[str, float, list[tuple[float | None, float | None]]], ...] = (
        ("|simulated mean - limit|", 1.0, [(point.mean_difference, point.mean_error) for point in points]),
        ("|exact mean - limit|", 1.0, [(point.exact_difference, 0.0) for point in points]),
        (
            "|variance - limit|",
            1.0,
            [(None if p.variance is None else p.variance - limit, p.variance_error) for p in points],
        ),
        (
            "|exact variance - limit|",
            1.0,
            [(None if p.exact_variance is None else p.exact_variance - limit, 0.0) for p in points],
        ),
        ("skewness", 0.5, [(point.skewness, point.skewness_error) for point in points]),
        ("distance to the limit law", 0.5, [(point.limit_distance, point.limit_distance_error) for point in points]),
    )
    for quantity, predicted, values in observed:
        yield Rate(quantity, predicted, *fit_power(bandwidths, values))


def fit_power(
    bases: Sequence[float], values: Sequence[tuple[float | None, float | None]]
) -> tuple[float | None, float | None]:
    """Fit the power of ``bases`` in the absolute values, by least squares on logarithms.

    Parameters
    ----------
    bases : sequence of float
        Positive, such as bandwidths.
    values : sequence of pairs
        A value and its standard error, for each base. Errors of 0 mark exact values, which have equal weights.

    Returns
    -------
    power, standard error
        Both are None with fewer than two different bases, a value of 0 or a missing number; the error also for exact
        values.

    Examples
    --------
    >>> power, error = fit_power([1.0, 2.0], [(3.0, 0.3), (12.0, 1.2)])
    >>> round(power, 12), round(error, 4)
    (2.0, 0.204)
    """
    known = [(abs(value), error) for value, error in values if value and error is not None]
    if len(known) < len(values) or len(set(bases)) < 2:
        return None, None
    sizes, errors = np.array(known).T
    exact = not errors.all()
    weights = np.ones(len(known)) if exact else (sizes / errors) ** 2
    # By the delta method the variance of log |value| is the squared relative error, hence the weights.
    logs = np.log(bases)
    deviations = logs - np.average(logs, weights=weights)
    spread = float(weights @ deviations**2)
    slope = float((weights * deviations) @ np.log(sizes)) / spread
    return slope, None if exact else 1 / math.sqrt(spread)
