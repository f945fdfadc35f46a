"""The size of the test: the statistic of a sample is exact, its null distribution comes from another engine.

Both seeds are fixed; a right test would fail for one seed in ten thousand.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from simulations.engines.exact.replicates import ExactReplicates
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.study.study import Study

FALSE_ALARM = 1e-4

LEVEL = 0.05

#: Densities with their scales, as a bandwidth is compared with them.
SCALES = {"normal": 1.0, "uniform:0,0.01": 0.01}

WEIGHTS = {"normal": ["one", "window:-2,2", "inverse-density:-2,2"], "uniform:0,0.01": ["one", "window:0,0.01"]}


def p_values(density: str, weight: str, ratio: float, m: int, samples: int, replicates: int) -> np.ndarray:
    """Compute the p-values of samples of the hypothesis itself."""
    study = Study(m, replicates, density=density, weight=weight, bandwidth=ratio * SCALES[density])
    null = np.sort(NullLaw(study).values())
    exact = ExactReplicates(study.setting, m).values(1, study.streams(range(samples)))
    return (1 + null.size - np.searchsorted(null, exact, side="left")) / (1 + null.size)


def check(p: np.ndarray) -> None:
    rejected = int(np.count_nonzero(p <= LEVEL))
    assert stats.binomtest(rejected, p.size, LEVEL).pvalue > FALSE_ALARM
    assert stats.kstest(p, "uniform").pvalue > FALSE_ALARM


@pytest.mark.parametrize(
    ("density", "weight", "ratio", "m"),
    [
        ("uniform:0,0.01", "one", 20.0, 1000),
        ("normal", "one", 30.0, 1000),
        ("normal", "window:-2,2", 30.0, 600),
        ("normal", "inverse-density:-2,2", 1.0, 3000),
    ],
)
def test_the_size_is_five_percent_also_where_the_spread_is_tiny(
    density: str, weight: str, ratio: float, m: int
) -> None:
    check(p_values(density, weight, ratio, m, samples=400, replicates=1999))


@pytest.mark.slow
@pytest.mark.parametrize("m", [100, 499, 500, 3_000, 100_000])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize(("density", "weight"), [(f, a) for f, weights in WEIGHTS.items() for a in weights])
def test_the_size_is_five_percent_at_any_bandwidth_and_wherever_the_engine_changes(
    density: str, weight: str, ratio: float, m: int
) -> None:
    check(p_values(density, weight, ratio, m, samples=200 if m > 10_000 else 1000, replicates=4999))
