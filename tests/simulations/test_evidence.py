"""The claims that only a simulation can support."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from foundation.errors import InputError
from simulations.evidence import simulate_moments
from simulations.study.study import Study
from simulations.study.values import replicate_values
from theory.claim import SimulatedMoments, StudyPlan, Verdict
from theory.ledger.registry import claim_named, verify

CLAIMS = {"theorem-3.1.variance": "variance", "theorem-3.1.normality": "skewness"}
"""The claims, and the simulated figure that each rests on."""

ALTERED = [
    ("theorem-3.1.variance", "2.1*J*S"),
    ("theorem-3.1.variance", "1.9*J*S"),
    ("theorem-3.1.normality", "1/20"),
    ("theorem-3.1.normality", "-1/20"),
]


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
    assert verify(claim_id, simulated=studies()).verdict is Verdict.SIMULATED


@pytest.mark.parametrize(("claim_id", "altered"), ALTERED)
def test_what_is_printed_is_refuted_if_it_is_5_percent_off_with_or_without_simulations(
    claim_id: str, altered: str
) -> None:
    assert verify(claim_id, altered).verdict is Verdict.REFUTED
    assert verify(claim_id, altered, studies()).verdict is Verdict.REFUTED


@pytest.mark.parametrize("factor", [0.95, 1.05])
@pytest.mark.parametrize(("claim_id", "figure"), CLAIMS.items())
def test_simulations_that_are_5_percent_off_refute_the_claim(claim_id: str, figure: str, factor: float) -> None:
    moved = tuple(replace(study, **{figure: factor * getattr(study, figure)}) for study in studies())
    assert verify(claim_id, simulated=moved).verdict is Verdict.REFUTED


def test_simulations_that_cannot_tell_5_percent_support_nothing() -> None:
    vague = tuple(replace(study, variance_error=0.02, skewness_error=0.2) for study in studies())
    assert all(verify(claim_id, simulated=vague).verdict is Verdict.UNDECIDED for claim_id in CLAIMS)


def studies() -> tuple[SimulatedMoments, ...]:
    return tuple(map(simulate_moments, claim_named("theorem-3.1.variance").plans))
