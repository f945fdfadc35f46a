"""T_m as a statistic for scipy's goodness_of_fit: the same values, and the same p-values within Monte Carlo error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from foundation.errors import InputError
from simulations import bickel_rosenblatt_test, scipy_statistic, tm_statistic

STANDARD_ERRORS = 4

RESAMPLES = 399

SAMPLE = np.random.default_rng(5).gamma(9, 2, 80)

#: Eight families, as scipy and as test-fit name them, with what is known of them.
FAMILIES: list[tuple[str, str, dict[str, float]]] = [
    ("norm", "normal", {}),
    ("logistic", "logistic", {}),
    ("laplace", "laplace", {}),
    ("gumbel_r", "gumbel", {}),
    ("expon", "exponential", {"loc": 0}),
    ("gamma", "gamma", {"loc": 0}),
    ("lognorm", "lognormal", {"loc": 0}),
    ("weibull_min", "weibull", {"loc": 0}),
]


@pytest.mark.parametrize(
    ("law", "family", "known"),
    [pytest.param(*row, marks=pytest.mark.slow if k not in (0, 5) else ()) for k, row in enumerate(FAMILIES)],
)
def test_its_p_value_is_that_of_the_test(law: str, family: str, known: dict[str, float]) -> None:
    theirs = stats.goodness_of_fit(
        getattr(stats, law),
        SAMPLE,
        known_params=known,
        statistic=scipy_statistic(),
        n_mc_samples=RESAMPLES,
        random_state=np.random.default_rng(1),
    )
    ours = bickel_rosenblatt_test(SAMPLE, family, estimate=True, replicates=RESAMPLES, cache=False)
    # Of normal samples scipy divides the variance by n - 1 here, which is not its own maximum likelihood.
    assert theirs.statistic == pytest.approx(ours.statistic, rel=0.02 if law == "norm" else 1e-3)
    error = np.sqrt(2 * max(ours.p_value * (1 - ours.p_value), 1 / RESAMPLES) / RESAMPLES)
    assert abs(theirs.pvalue - ours.p_value) <= STANDARD_ERRORS * error


def test_known_parameters_and_any_axis_are_taken() -> None:
    statistic = scipy_statistic("uniform", 0.4)
    samples = np.random.default_rng(2).normal(3, 2, size=(30, 4))
    found = statistic(stats.norm(3, scale=2), samples, axis=0)
    for k in range(4):
        exact = tm_statistic((samples[:, k] - 3) / 2, kernel="uniform", weight="one", bandwidth=0.4)
        assert found[k] == pytest.approx(exact, rel=1e-6)
    assert statistic(stats.norm(3, scale=2), samples[:, 1]) == found[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: scipy_statistic("gaussian"), "one polynomial"),
        (lambda: scipy_statistic(bandwidth=-1), "positive"),
        (lambda: scipy_statistic()("norm", [1.0, 2.0]), "must be a frozen one of scipy.stats, got str"),
    ],
)
def test_what_it_cannot_use_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
