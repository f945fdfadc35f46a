"""The simulations that some claims of the ledger ask for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from simulations.study import Study, simulate
from theory.claim import SimulatedMoments, StudyPlan

BATCHES = 20
"""Independent batches of replicates, whose spread gives the standard error of any moment."""


@cache
def simulated(plan: StudyPlan) -> SimulatedMoments:
    """Run the standard example of Theorem 3.1 as ``plan`` says; once, however many claims ask for it.

    Examples
    --------
    >>> simulated(StudyPlan(m=50, replicates=200)).plan.m
    50
    """
    study = Study(m=plan.m, replicates=plan.replicates, seed=plan.seed)
    values = simulate(study).summary.standardised
    variance, skewness = _variance(values), _skewness(values)
    return SimulatedMoments(plan, variance, _batch_error(values, _variance), skewness, _batch_error(values, _skewness))


def _variance(values: npt.NDArray[np.float64]) -> float:
    return float(np.var(values, ddof=1))


def _skewness(values: npt.NDArray[np.float64]) -> float:
    deviations = values - values.mean()
    return float(np.mean(deviations**3) / np.mean(deviations**2) ** 1.5)


def _batch_error(values: npt.NDArray[np.float64], moment: Callable[[npt.NDArray[np.float64]], float]) -> float:
    """Return the standard error of ``moment``, from its spread over batches."""
    estimates = [moment(batch) for batch in np.array_split(values, BATCHES)]
    return float(np.std(estimates, ddof=1) / np.sqrt(BATCHES))
