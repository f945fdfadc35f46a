"""The ledger on the page is the ledger."""

from __future__ import annotations

import dataclasses
import re

import pytest

from report.sections.ledger import MEANINGS, TURNING_POINTS, Ledger, ledger_of
from theory.algebra.evidence import Evidence
from theory.claim import Decision, Verdict
from theory.ledger.finding import Finding
from theory.ledger.registry import claims, verify


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    """Every claim, undecided: how it is shown does not depend on the verdict."""
    decision = Decision(Verdict.PROVED, "theorem-3.1.mean", (Evidence("a step", True, "see eq-1.elbo, and 3/(5*r)"),))
    return ledger_of([Finding(claim, None, decision, 0.0) for claim in claims().values()])


def test_every_claim_is_shown_once(ledger: Ledger) -> None:
    shown = [entry.id for group in ledger.groups for entry in group.entries]
    assert sorted(shown) == sorted(claims())
    assert ledger.total == len(claims())


def test_every_verdict_is_explained() -> None:
    assert set(MEANINGS) == set(Verdict)


def test_the_turning_points_are_claims(ledger: Ledger) -> None:
    assert [entry.id for entry in ledger.turning_points] == list(TURNING_POINTS)


def test_a_claim_that_is_named_becomes_a_link_to_it(ledger: Ledger) -> None:
    entry = ledger.groups[0].entries[0]
    assert '<a href="#claim-theorem-3.1.mean">theorem-3.1.mean</a>' in entry.method
    assert '<a href="#claim-eq-1.elbo">eq-1.elbo</a>' in entry.steps[0].detail


def test_claims_not_decided_as_recorded_are_counted(ledger: Ledger) -> None:
    recorded = sum(claim.expected is Verdict.PROVED for claim in claims().values())
    assert ledger.unexpected == len(claims()) - recorded > 0


def test_another_formula_meets_another_verdict_on_the_page() -> None:
    (group,) = ledger_of([verify("lemma-3.2.minimum", "4/(5*r)")]).groups
    (entry,) = group.entries
    assert (entry.verdict, entry.recorded, entry.spelled) == ("refuted", "proved", "4/(5*r)")
    assert not entry.as_expected
    assert re.search(r"<mn>4</mn>.*<mn>5</mn>", entry.printed)


def test_text_cannot_become_markup() -> None:
    claim = dataclasses.replace(claims()["lemma-3.2.minimum"], statement="<img src=x onerror=alert(1)>")
    decision = Decision(Verdict.PROVED, "<b>", (Evidence("<i>", True, "<u> & 'x'"),))
    (group,) = ledger_of([Finding(claim, None, decision, 0.0)]).groups
    (entry,) = group.entries
    assert "<" not in f"{entry.statement}{entry.method}{entry.steps[0].text}{entry.steps[0].detail}"
