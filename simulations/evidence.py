"""Simulated evidence for the claims of the ledger that need it."""

from __future__ import annotations

from functools import cache

from foundation.errors import InputError
from simulations.study.simulate import simulate
from simulations.study.study import Study
from theory import ledger
from theory.claim import SimulatedMoments, StudyPlan, Verdict
from theory.ledger.finding import Finding


@cache
def simulate_moments(plan: StudyPlan) -> SimulatedMoments:
    """Simulate the standard example of Theorem 3.1 according to ``plan``; the result is cached for other claims.

    Raises
    ------
    InputError
        If the plan has too few replicates for a skewness.

    Examples
    --------
    >>> simulate_moments(StudyPlan(m=50, replicates=200)).plan.m
    50
    """
    summary = simulate(Study(m=plan.m, replicates=plan.replicates, seed=plan.seed)).summary
    variance, variance_error = summary.standardised_variance, summary.standardised_variance_error
    skewness, skewness_error = summary.skewness, summary.moments.skewness_error
    if variance is None or variance_error is None or skewness is None or skewness_error is None:
        raise InputError(f"the plan of a claim must have several replicates, got {plan.replicates}.")
    return SimulatedMoments(plan, variance, variance_error, skewness, skewness_error)


def with_evidence(finding: Finding) -> Finding:
    """Run the simulations of a pending finding and decide it by them; return any other finding unchanged."""
    if finding.verdict is not Verdict.PENDING:
        return finding
    return ledger.verify(finding.claim.id, finding.assumed, tuple(map(simulate_moments, finding.claim.plans)))
