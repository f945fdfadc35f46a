"""The claims that only a simulation can support."""

import numpy as np
import pytest
from scipy import stats

from foundation.errors import InputError
from simulations.evidence import simulate_moments
from simulations.study.simulate import replicate_values
from simulations.study.study import Study
from theory.claim import SimulatedMoments, StudyPlan, Verdict
from theory.ledger.registry import claim_named, verify

CLAIMS = ("theorem-3.1.variance", "theorem-3.1.normality")
ALTERED = {"theorem-3.1.variance": "J*S", "theorem-3.1.normality": "1"}


def test_the_moments_are_those_of_the_study() -> None:
    plan = StudyPlan(m=60, replicates=2_000, seed=5)
    moments = simulate_moments(plan)
    values = replicate_values(Study(m=60, replicates=2_000, seed=5)) / np.sqrt(60**-0.235)
    assert moments.variance == pytest.approx(np.var(values, ddof=1))
    assert moments.skewness == pytest.approx(np.mean(((values - values.mean()) / values.std()) ** 3))


@pytest.mark.slow
def test_the_errors_are_the_spread_over_batches() -> None:
    """A spread from 40 batches has 39 degrees of freedom: a ratio beyond 0.6 to 1.6 comes once in 10,000 seeds.

    That of the skewness, whose errors rest on moments up to the sixth, is given twice the room.
    """
    moments = simulate_moments(StudyPlan(m=30, replicates=20_000, seed=1))
    batches = replicate_values(Study(m=30, replicates=20_000, seed=1)).reshape(40, 500) / np.sqrt(30**-0.235)
    variances, skewnesses = batches.var(axis=1, ddof=1), stats.skew(batches, axis=1)
    assert 0.6 < moments.variance_error * np.sqrt(40) / variances.std(ddof=1) < 1.6
    assert 0.4 < moments.skewness_error * np.sqrt(40) / skewnesses.std(ddof=1) < 2.2


def test_a_plan_with_too_few_replicates_is_refused() -> None:
    with pytest.raises(InputError, match="must have several replicates, got 1"):
        simulate_moments(StudyPlan(m=60, replicates=1))


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_a_claim_waits_for_its_simulation_and_is_then_supported(claim_id: str) -> None:
    waiting = verify(claim_id)
    assert waiting.verdict is Verdict.PENDING
    assert waiting.as_expected
    moments = tuple(map(simulate_moments, claim_named(claim_id).plans))
    assert verify(claim_id, simulated=moments).verdict is Verdict.SIMULATED
    assert verify(claim_id, ALTERED[claim_id], moments).verdict is Verdict.REFUTED


def test_other_moments_refute_what_is_printed() -> None:
    plans = claim_named("theorem-3.1.variance").plans
    flat = tuple(
        SimulatedMoments(plan, variance=1.0, variance_error=0.01, skewness=1.0, skewness_error=0.01) for plan in plans
    )
    assert all(verify(claim_id, simulated=flat).verdict is Verdict.REFUTED for claim_id in CLAIMS)
