"""The claims that only a simulation can support."""

import numpy as np
import pytest

from simulations.evidence import simulated
from simulations.study import Study, simulate
from theory.claim import SimulatedMoments, StudyPlan, Verdict
from theory.ledger import claim_named, verify

CLAIMS = ("theorem-3.1.variance", "theorem-3.1.normality")
ALTERED = {"theorem-3.1.variance": "J*S", "theorem-3.1.normality": "1"}


def test_the_moments_are_those_of_the_study() -> None:
    plan = StudyPlan(m=60, replicates=2_000, seed=5)
    moments = simulated(plan)
    values = simulate(Study(m=60, replicates=2_000, seed=5)).summary.standardised
    assert moments.variance == pytest.approx(np.var(values, ddof=1))
    assert moments.skewness == pytest.approx(np.mean(((values - values.mean()) / values.std()) ** 3))
    # The error from batches is an estimate with 19 degrees of freedom of what a normal sample would have, or more.
    assert (
        0.5 * moments.variance * np.sqrt(2 / 2_000) < moments.variance_error < 4 * moments.variance * np.sqrt(2 / 2_000)
    )


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_a_claim_waits_for_its_simulation_and_is_then_supported(claim_id: str) -> None:
    waiting = verify(claim_id)
    assert waiting.verdict is Verdict.PENDING
    assert waiting.as_expected
    moments = tuple(map(simulated, claim_named(claim_id).plans))
    assert verify(claim_id, simulated=moments).verdict is Verdict.SIMULATED
    assert verify(claim_id, ALTERED[claim_id], moments).verdict is Verdict.REFUTED


def test_other_moments_refute_what_is_printed() -> None:
    plans = claim_named("theorem-3.1.variance").plans
    flat = tuple(
        SimulatedMoments(plan, variance=1.0, variance_error=0.01, skewness=1.0, skewness_error=0.01) for plan in plans
    )
    assert all(verify(claim_id, simulated=flat).verdict is Verdict.REFUTED for claim_id in CLAIMS)
