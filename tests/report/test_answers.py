"""The verdicts that the page gives first follow from what it shows below."""

from __future__ import annotations

import math

import pytest

from report.sections.answers import answer_on_method, answer_on_theory
from report.sections.experiments import OURS, experiment_of
from report.sections.ledger import Count, Ledger
from report.sections.statistic import judge_limit
from tests.report.conftest import Made
from theory.claim import Verdict


def ledger(**numbers: int) -> Ledger:
    return Ledger((), tuple(Count(name, "", number) for name, number in numbers.items()), ())


def test_the_theory_is_right_only_if_every_statement_holds_as_printed() -> None:
    assert (
        answer_on_theory(ledger(proved=3, computed=2, simulated=1)).verdict == "Yes: all 6 statements hold as printed"
    )
    for verdict in set(Verdict) - {Verdict.PROVED, Verdict.COMPUTED, Verdict.SIMULATED}:
        found = answer_on_theory(ledger(proved=3, **{verdict.value: 1}))
        assert found.verdict == "In part: 3 of 4 statements hold as printed"


@pytest.mark.parametrize(
    ("share", "verdict"),
    [
        (0.5, "Not yet: at m = 100 the mean is 50.0% below its limit"),
        (0.98, "Not yet: at m = 100 the mean is 2.0% below its limit"),
        (0.995, "Nearly: at m = 100 the mean is within 1% of its limit"),
        (1.2, "Not yet: at m = 100 the mean is 20.0% above its limit"),
    ],
)
def test_the_limit_holds_where_the_exact_mean_is_near_it(share: float, verdict: str) -> None:
    assert judge_limit(100, share * 0.57, 0.57) == verdict


def test_a_mean_without_a_limit_is_not_near_it() -> None:
    assert judge_limit(100, 0.57, math.inf).startswith("No: ")


def test_without_an_ablation_the_method_is_not_judged() -> None:
    assert "Not decided" in answer_on_method(None).verdict
    assert "Not decided" in answer_on_method(experiment_of(OURS / "table-1.json")).verdict


def test_the_answers_are_on_the_page_before_the_rest(made: Made) -> None:
    first = made.html[made.html.index('id="short"') : made.html.index('id="experiments"')]
    answer = answer_on_method(experiment_of(OURS / "ablation.json"))
    assert str(answer.verdict) in first
    assert str(answer.evidence) in first
    assert first.count('class="verdict"') == 3
    assert '<figure id="ablation-ablation">' in first
