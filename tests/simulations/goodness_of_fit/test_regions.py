"""Where a sample departs from the hypothesis: the estimate, its band, and what each region adds to T_m."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from simulations import bickel_rosenblatt_test
from simulations.goodness_of_fit.regions import Regions, locate_misfit
from theory.densities.evaluation import numerical
from theory.kernels import EPANECHNIKOV

NORMALS = np.random.default_rng(8).normal(size=300)

CHOICES: list[dict[str, Any]] = [
    {},
    {"null": "smoothed", "bandwidth": [0.2, 0.8]},
    {"kernel": "gaussian", "bandwidth": 0.2, "weight": "window:-1,1"},
    {"density": "laplace", "estimate": True},
]


def located(sample: np.ndarray, **choices: Any) -> tuple[Regions, float]:
    test = bickel_rosenblatt_test(sample, replicates=49, cache=False, **choices)
    return locate_misfit(test), test.deciding.statistic


@pytest.mark.parametrize("choices", CHOICES)
def test_the_contributions_add_up_to_the_statistic(choices: dict[str, Any]) -> None:
    regions, statistic = located(NORMALS, **choices)
    assert np.trapezoid(regions.contribution, regions.x) == pytest.approx(statistic, rel=0.02)


@pytest.mark.parametrize("shape", [0.4, 1.0])
def test_the_contributions_add_up_near_a_pole_or_a_jump(shape: float) -> None:
    sample = np.random.default_rng(9).gamma(shape, 3.0, 200)
    regions, statistic = located(sample, density="gamma", estimate=True, null="smoothed", bandwidth="adaptive")
    assert np.trapezoid(regions.contribution, regions.x) == pytest.approx(statistic, rel=0.02)


def test_the_estimate_is_the_mean_of_the_kernels_in_the_units_of_the_data() -> None:
    regions, _ = located(5 + 20 * NORMALS, estimate=True, bandwidth=0.3)
    scale = (20 * NORMALS).std()
    kernel = numerical(EPANECHNIKOV.pieces)
    direct = kernel((regions.x[:, None] - 5 - 20 * NORMALS) / (0.3 * scale)).mean(axis=1) / (0.3 * scale)
    assert regions.estimate == pytest.approx(direct, rel=1e-9, abs=1e-12)
    assert np.trapezoid(regions.hypothesis, regions.x) == pytest.approx(1, abs=0.01)


def test_the_band_holds_the_estimate_of_a_sample_of_the_hypothesis_nearly_everywhere() -> None:
    outside = []
    for seed in range(20):
        regions, _ = located(np.random.default_rng(seed).normal(size=200), bandwidth=0.5)
        middle = np.abs(regions.x) < 2
        beyond = (regions.estimate < regions.lower) | (regions.estimate > regions.upper)
        outside.append(beyond[middle].mean())
    # Of 20 independent samples; the estimate is correlated along x, which a bound of twice the mean allows for.
    assert 0.005 < np.mean(outside) < 0.12


def test_the_region_of_a_spike_is_named() -> None:
    rng = np.random.default_rng(3)
    spiked = np.where(rng.random(500) < 0.15, 1 + 0.05 * rng.normal(size=500), rng.normal(size=500))
    words = located(spiked, bandwidth=0.1)[0].in_words()
    assert "more observations than expected" in words
    low, high = (float(word.strip(",")) for word in words.split() if word.strip(",").replace(".", "").isdigit())
    assert low < 1.05
    assert high > 0.95


@pytest.mark.parametrize("sample", [[0.3], [0.1, 1e12], [-1e300, 0.0, 1e300]])
def test_observations_far_away_do_not_stretch_the_range(sample: list[float]) -> None:
    regions, _ = located(np.array(sample), weight="window:-2,2", bandwidth=0.5)
    assert -30 < regions.x[0] < regions.x[-1] < 30
    assert np.isfinite([regions.estimate, regions.lower, regions.upper, regions.contribution]).all()
