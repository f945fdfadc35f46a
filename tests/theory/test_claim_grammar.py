"""Other data than the claims', generated from their grammar: what states the same keeps the verdict, the rest does not.

Whether a datum states the same is decided numerically from its text (`tests.theory.grammar.senses`), without the code
of the claims. ``undecided`` is an honest answer to both; ``--hypothesis-show-statistics`` shows its share.
"""

from collections.abc import Iterable
from itertools import chain, islice
from random import Random

import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st

from foundation.signals import ProcessorTimeExceeded, processor_time_limited
from tests.support.examples import examples
from tests.theory.grammar.data import Datum
from tests.theory.grammar.mutations import alterations, rewritings
from tests.theory.grammar.senses import Sense, judged, senses
from theory.claim import Verdict
from theory.ledger.registry import claims, verify

SENSES = [sense for claim_id in claims() for sense in senses(claim_id)]

EACH = 3
"""How many wrong and how many right data a test draws for a claim."""

SECONDS = 10.0
"""Processor time for one datum, after which it is undecided, as on the command line."""

SLOW_GROUPS = (
    *("beyond", "kernel", "lemma-3.2", "theorem-3.1", "algorithm-2", "eq-9", "section-2.a1-a4", "section-2.kde-view"),
    *("section-4.shifted-kernel", "section-4.step-size", "section-4.uniform-prior", "section-5.fid-closeness"),
    *("section-6.higher-order", "eq-6.selection", "appendix-b.bernoulli"),
)
"""Claims whose decision takes a tenth of a second or more."""

#: Shrinking would decide a claim hundreds of times.
GENERATED = settings(phases=[Phase.generate], deadline=None)


@pytest.mark.parametrize("sense", SENSES, ids=str)
def test_the_sense_of_a_claim_is_that_of_its_own_datum(sense: Sense) -> None:
    assert judged(sense, sense.datum) is True


@pytest.mark.slow
@pytest.mark.parametrize("claim_id", claims())
def test_every_claim_has_wrong_data_close_to_it_and_right_ones_in_other_forms(claim_id: str) -> None:
    for wanted, pools in ((False, [alterations]), (True, [alterations, rewritings])):
        drawn = chain.from_iterable(
            stating(sense, pool(sense.datum), wanted) for sense in senses(claim_id) for pool in pools
        )
        found: set[str] = set()
        while len(found) < EACH:
            found.add(next(drawn).text)


@given(sense=st.sampled_from([s for s in SENSES if not s.datum.claim_id.startswith(SLOW_GROUPS)]), random=st.randoms())
@settings(GENERATED, max_examples=examples(25))
def test_generated_data_of_quick_claims_meet_the_verdict_of_what_they_state(sense: Sense, random: Random) -> None:
    require_own_verdicts(sense, random, 1)


@pytest.mark.slow
@pytest.mark.parametrize("sense", SENSES, ids=str)
@given(random=st.randoms())
@settings(GENERATED, max_examples=examples(1))
def test_generated_data_meet_the_verdict_of_what_they_state(sense: Sense, random: Random) -> None:
    require_own_verdicts(sense, random, EACH)


def require_own_verdicts(sense: Sense, random: Random, each: int) -> None:
    """Decide up to ``each`` wrong alterations, and as many alterations and rewritings that state the same."""
    altered, rewritten = alterations(sense.datum), rewritings(sense.datum)
    for pool, wanted in ((altered, False), (altered, True), (rewritten, True)):
        random.shuffle(pool)
        for datum in islice(stating(sense, pool, wanted), each):
            verdict = verdict_of(datum)
            event(f"{'right' if wanted else 'wrong'}: {'un' if verdict is Verdict.UNDECIDED else ''}decided")
            if verdict is not Verdict.UNDECIDED:
                assert (verdict.value == sense.verdict) is wanted, f"{datum.text} is {verdict.value}"


def stating(sense: Sense, pool: list[Datum], wanted: bool) -> Iterable[Datum]:
    return (datum for datum in pool if judged(sense, datum) is wanted)


def verdict_of(datum: Datum) -> Verdict:
    try:
        with processor_time_limited(SECONDS):
            return verify(datum.claim_id, datum.text).verdict
    except ProcessorTimeExceeded:
        return Verdict.UNDECIDED
