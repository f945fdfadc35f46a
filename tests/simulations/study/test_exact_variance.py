"""The exact variance of T_m against simulated samples, whose statistic is computed by another algorithm."""

from __future__ import annotations

import numpy as np
import pytest

from simulations.study.study import Study
from simulations.study.values import replicate_values
from theory.bickel_rosenblatt.variance import exact_variance

REPLICATES = 20_000

SETTINGS = [
    ("epanechnikov", "normal", "window:-2,2", "m^-0.235"),
    ("triangular", "uniform:-1,1", "inverse-density:-1,1", 0.3),
    ("gaussian", "laplace", "one", 0.5),
    ("biweight", "beta:2,3", "window:0.1,0.6", 3.0),
    ("epanechnikov", "normal", "window:-2,2", 3.0),
    ("epanechnikov", "uniform:0,0.01", "window:-2,2", "m^-0.235"),
    ("uniform", "logistic", "window:-1,2", 1.5),
    ("cosine", "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.1)", "inverse-density:-1,1", 0.4),
    ("triweight", "normal", "one", 10.0),
    ("gaussian", "beta:1.5,2.5", "window:0,1", 0.2),
]


@pytest.mark.parametrize("m", [20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "setting",
    [*SETTINGS[:2], *(pytest.param(setting, marks=pytest.mark.slow) for setting in SETTINGS[2:])],
    ids=lambda setting: " ".join(map(str, setting)),
)
def test_the_simulated_variance_is_the_exact_one(m: int, setting: tuple[str, str, str, str | float]) -> None:
    """Within five standard errors: one of the 20 tests would fail by chance once in about 90,000 changes of seed.

    The standard error of a variance is that of the mean of squares, from the replicates' own fourth moment.
    """
    kernel, density, weight, bandwidth = setting
    study = Study(m, REPLICATES, kernel, density, weight, bandwidth, seed=2024, engine="exact")
    values = replicate_values(study, workers=1)
    squares = (values - values.mean()) ** 2
    error = squares.std() / np.sqrt(REPLICATES)
    assert abs(squares.mean() - exact_variance(m, kernel, density, weight, bandwidth).total) < 5 * error
