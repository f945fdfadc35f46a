"""Every claim comes out as recorded, and comes out differently when what is printed is altered."""

from functools import cache

import pytest
import sympy

from theory.errors import InputError
from theory.ledger import Finding, Verdict, claim_named, claims, select, verify

ALTERED = {
    "lemma-2.1.bound": [("u**3", "refuted"), ("u**4", "refuted"), ("u**2 + u**4", "conditional")],
    "lemma-2.1.sharp-constant": [
        ("1/2", "refuted"),
        ("log(2)", "refuted"),
        ("1/2 + C/5", "refuted"),
        ("1", "proved"),
        ("exp(C)", "proved"),
        ("((1 - C)*log(1 - C) + C)/C**2", "proved"),
    ],
    "lemma-2.1.no-condition": [
        ("chi2/2", "refuted"),
        ("chi2**2", "refuted"),
        ("chi2 - 1", "refuted"),
        ("log(1 + chi2)", "proved"),
        ("chi2 + chi2**2", "proved"),
    ],
    "lemma-2.1.taylor": [
        ("(x-1) + (x-1)**2/2 - (x-1)**3/6 + (x-1)**4/12", "proved"),
        ("(x-1) + (x-1)**2/2 - (x-1)**3/6", "proved"),
        ("(x-1) + (x-1)**2/2 + (x-1)**3/6", "erratum"),
        ("(x-1) - (x-1)**2/2 - (x-1)**3/6", "refuted"),
        ("1 + (x-1) + (x-1)**2/2", "refuted"),
    ],
    "lemma-2.1.series-constant": [("1/(k*(k-1))", "proved"), ("1", "proved"), ("1/factorial(k)/2", "erratum")],
    "kernel.epanechnikov": [
        ("3/4*(1 - x**4)", "refuted"),
        ("3/5*(1 - x**2)", "refuted"),
        ("1/2", "refuted"),
        ("3/4*(1 - x**2) + x/4", "refuted"),
    ],
    "kernel.location-scale": [("(mu, r**2/3)", "refuted"), ("(0, r**2/5)", "refuted"), ("(mu, r/5)", "refuted")],
    "kernel.gaussian-a1": [
        ("exp(-x**2/2)/sqrt(2*pi)", "proved"),
        ("exp(-x**2)/sqrt(2*pi)", "refuted"),
        ("1/(pi*(1 + x**2))", "refuted"),
    ],
    "kernel.figure-s1": [
        ("(3/4*(1 - x**2), exp(-x**2)/sqrt(pi))", "refuted"),
        ("(3/4*(1 - x**4), exp(-x**2/2)/sqrt(2*pi))", "refuted"),
    ],
    "lemma-3.2.feasible": [
        ("3/(5*r)*(1 - ((x - mu)/r)**2)", "refuted"),
        ("3/(4*r)*(1 - ((x - mu)/r)**4)", "refuted"),
        ("3/(4*r)*(1 - (x/r)**2)", "undecided"),
    ],
    "lemma-3.2.minimum": [("4/(5*r)", "refuted"), ("3/(5*r**2)", "refuted"), ("-3/(5*r)", "refuted")],
    "lemma-3.2.optimal": [
        ("(213/280 - 240/280*((x - mu)/r)**2 + 35/280*((x - mu)/r)**4)/r", "refuted"),
        ("3/(5*r)*(1 - ((x - mu)/r)**2)", "refuted"),
    ],
    "lemma-3.2.unique": [
        ("(213/280 - 240/280*((x - mu)/r)**2 + 35/280*((x - mu)/r)**4)/r", "refuted"),
        ("1/(2*r)", "refuted"),
    ],
    "lemma-3.2.multipliers": [("(1/2, 1)", "refuted"), ("(3/4, 2)", "refuted"), ("(-3/4, 1)", "refuted")],
    "lemma-3.2.numeric": [("4/(5*r)", "refuted"), ("59/(100*r)", "refuted")],
    "section-3.gain": [("15/16*(1 - x**2)**2", "refuted"), ("1/2", "refuted"), ("1 - x**2", "refuted")],
    "section-3.scale": [("I*sigma", "proved"), ("I**2", "conditional"), ("I + sigma", "undecided")],
    "section-2.mise": [("15/16*(1 - x**2)**2", "refuted"), ("1/2", "refuted"), ("3/8*(1 + x)**2", "refuted")],
    "section-6.uniform-minimises-j": [("3/4*(1 - x**2)", "refuted"), ("1", "refuted")],
    "algorithm-2.median": [("3/4*(1 - t**4)", "refuted"), ("1/2", "refuted"), ("3/4*(1 + t**2)", "refuted")],
    "algorithm-2.inverse": [("2*sin(asin(2*p - 1)/2)", "refuted"), ("-2*sin(asin(2*p - 1)/3)", "refuted")],
}


@cache
def decided(claim_id: str, printed: str | None = None) -> Finding:
    """Decide a claim once for all the tests that look at it."""
    return verify(claim_id, printed)


def test_every_claim_has_alterations_and_no_alteration_is_without_a_claim() -> None:
    assert set(ALTERED) == set(claims())


@pytest.mark.parametrize("claim_id", claims())
def test_the_verdict_on_what_is_printed_is_the_recorded_one(claim_id: str) -> None:
    finding = decided(claim_id)
    assert finding.verdict is claim_named(claim_id).expected
    assert finding.evidence
    assert finding.decision.method


@pytest.mark.parametrize("claim_id", claims())
def test_some_alteration_changes_the_verdict(claim_id: str) -> None:
    assert any(Verdict(verdict) is not claim_named(claim_id).expected for _, verdict in ALTERED[claim_id])


@pytest.mark.parametrize(
    ("claim_id", "altered", "verdict"), [(name, *case) for name, cases in ALTERED.items() for case in cases]
)
def test_an_alteration_meets_its_own_verdict(claim_id: str, altered: str, verdict: str) -> None:
    assert decided(claim_id, altered).verdict.value == verdict


@pytest.mark.parametrize("claim_id", claims())
def test_every_verdict_but_proved_has_a_charitable_reading_and_every_erratum_its_correction(claim_id: str) -> None:
    decision = decided(claim_id).decision
    assert decision.verdict is Verdict.PROVED or decision.charitable
    assert decision.verdict not in (Verdict.ERRATUM, Verdict.CONDITIONAL) or decision.corrected


@pytest.mark.parametrize("claim_id", claims())
def test_a_verdict_follows_from_the_steps(claim_id: str) -> None:
    for printed in [None, *(altered for altered, _ in ALTERED[claim_id])]:
        finding = decided(claim_id, printed)
        holds = all(step.holds for step in finding.evidence)
        if finding.verdict in (Verdict.PROVED, Verdict.COMPUTED):
            assert holds
        elif finding.verdict in (Verdict.REFUTED, Verdict.ERRATUM, Verdict.UNDECIDED):
            assert not holds


def test_the_corrected_taylor_series_is_that_of_x_log_x() -> None:
    x = sympy.Symbol("x", positive=True)
    series = sympy.series(x * sympy.log(x), x, 1, 5).removeO()
    printed = claim_named("lemma-2.1.taylor").parse("(x-1) + (x-1)**2/2 - (x-1)**3/6 + (x-1)**4/12")
    assert sympy.expand(series - printed.subs(printed.free_symbols.pop(), x)) == 0


def test_a_prefix_names_a_group() -> None:
    assert {claim.id for claim in select(["lemma-3.2"])} == {i for i in claims() if i.startswith("lemma-3.2.")}
    assert len(select([])) == len(claims())
    assert [claim.id for claim in select(["lemma-3.2.minimum", "lemma-2.1.bound"])] == [
        "lemma-2.1.bound",
        "lemma-3.2.minimum",
    ]


def test_an_unknown_id_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match=r"Did you mean lemma-3.2.minimum\?"):
        select(["lemma-3.2.minimun"])
    with pytest.raises(InputError, match="--list"):
        verify("zzzzzzz")


def test_a_datum_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match="takes one expression"):
        verify("lemma-3.2.minimum", "(1, 2)")
    with pytest.raises(InputError, match="takes 2 expressions in parentheses"):
        verify("lemma-3.2.multipliers", "3/4")
    with pytest.raises(InputError, match="is no name of this claim"):
        verify("lemma-3.2.minimum", "3/(5*x)")
