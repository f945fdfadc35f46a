"""A study of several m: the leading terms next to what was seen, and the rates."""

from __future__ import annotations

import json
import math

import pytest

from simulations import Study, simulate_studies
from simulations.study.convergence import Convergence, fit_power


@pytest.fixture(scope="module")
def convergence() -> Convergence:
    return Convergence.of(list(simulate_studies([Study(m=m, replicates=8000) for m in (50, 400)])))


def test_variance_and_skewness_agree_with_their_leading_terms(convergence: Convergence) -> None:
    """What is left out is of a higher order in b <= 0.4, about 2 %; 4 standard errors more fail one seed in 8,000."""
    for point in convergence.points:
        assert point.variance is not None
        assert point.variance_error is not None
        assert point.leading_variance is not None
        assert point.skewness is not None
        assert point.skewness_error is not None
        limit = convergence.terms.limit_variance
        assert abs(point.variance - point.leading_variance) < 4 * point.variance_error + 0.05 * (limit - point.variance)
        assert abs(point.skewness - point.leading_skewness) < 4 * point.skewness_error + 0.05 * point.skewness
        # The limits themselves are far outside.
        assert abs(point.variance - limit) > 8 * point.variance_error
        assert point.skewness > 8 * point.skewness_error


def test_the_points_repeat_the_summaries(convergence: Convergence) -> None:
    for point, result in zip(convergence.points, convergence.results, strict=True):
        summary = result.summary
        assert point.mean_difference == summary.mean - summary.limit_mean
        assert point.variance == summary.standardised_variance
        assert point.leading_difference == pytest.approx(point.product + (point.squared_bias or 0.0), rel=1e-14)


def test_the_exact_mean_approaches_its_limit_at_the_predicted_rate(convergence: Convergence) -> None:
    rates = {rate.quantity: rate for rate in convergence.rates}
    exact = rates["|exact mean - limit|"]
    assert exact.fitted == pytest.approx(exact.predicted, abs=0.01)
    assert exact.standard_error is None
    for quantity in ("|simulated mean - limit|", "|variance - limit|", "skewness"):
        rate = rates[quantity]
        assert rate.fitted is not None
        assert rate.standard_error is not None
        assert abs(rate.fitted - rate.predicted) < 4 * rate.standard_error + 0.02


def test_the_document_is_strict_json(convergence: Convergence) -> None:
    document = json.loads(json.dumps(convergence.document(), allow_nan=False))
    assert set(document) == {"points", "rates", "leading_terms"}


def test_a_power_is_found_whatever_the_weights() -> None:
    bandwidths = [0.4, 0.3, 0.1]
    values = [(-3 * b**1.7, 0.01 * b) for b in bandwidths]
    slope, error = fit_power(bandwidths, values)
    assert slope == pytest.approx(1.7, rel=1e-12)
    assert error is not None
    assert error > 0


def test_the_error_of_a_power_through_two_points_is_that_of_their_difference() -> None:
    slope, error = fit_power([math.exp(-1), 1.0], [(1.0, 0.01), (math.e, math.e * 0.02)])
    assert slope == pytest.approx(1.0)
    assert error == pytest.approx(math.hypot(0.01, 0.02), rel=1e-12)


@pytest.mark.parametrize(
    ("bandwidths", "values"),
    [
        ([0.3, 0.3], [(0.1, 0.01), (0.2, 0.01)]),
        ([0.3, 0.2], [(0.0, 0.01), (0.2, 0.01)]),
        ([0.3, 0.2], [(0.1, None)] * 2),
    ],
    ids=["one bandwidth", "a zero", "no errors"],
)
def test_where_there_is_no_line_to_fit_there_is_no_power(
    bandwidths: list[float], values: list[tuple[float | None, float | None]]
) -> None:
    assert fit_power(bandwidths, values) == (None, None)
