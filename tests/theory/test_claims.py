"""Every claim comes out as recorded, and comes out differently when what is printed is altered."""

import ast
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sympy

import theory.claims
from foundation.errors import InputError
from tests.theory.alterations import ALTERED
from theory.claim import Decision, Verdict
from theory.claims import MODULES
from theory.ledger.finding import Finding
from theory.ledger.registry import claim_named, claims, select, verify


def test_every_claim_has_alterations_and_no_alteration_is_without_a_claim() -> None:
    assert set(ALTERED) == set(claims())


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_alterations_of_a_module_are_in_one_of_the_same_name(module: ModuleType) -> None:
    altered = import_module(module.__name__.replace("theory.claims", "tests.theory.alterations"))
    assert set(altered.ALTERED) == {claim.id for claim in module.CLAIMS}


def test_a_group_of_claims_is_in_one_module() -> None:
    homes = defaultdict(set)
    for module in MODULES:
        for claim in module.CLAIMS:
            homes[claim.id.rpartition(".")[0]].add(module.__name__)
    assert all(len(modules) == 1 for modules in homes.values())


@pytest.mark.parametrize("claim_id", claims())
def test_the_verdict_on_what_is_printed_is_the_recorded_one(claim_id: str, findings: Mapping[str, Finding]) -> None:
    finding = findings[claim_id]
    assert finding.as_expected
    assert finding.evidence
    assert finding.decision.method


@pytest.mark.parametrize("claim_id", claims())
def test_some_alteration_changes_the_verdict(claim_id: str) -> None:
    assert any(Verdict(verdict) is not claim_named(claim_id).expected for _, verdict in ALTERED[claim_id])


def alterations() -> list[Any]:
    """Return every alteration; of those of a claim with the same verdict, all but the first are slow tests."""
    parameters, met = [], set()
    for claim_id, cases in ALTERED.items():
        for altered, verdict in cases:
            again = (claim_id, verdict) in met
            parameters.append(pytest.param(claim_id, altered, verdict, marks=pytest.mark.slow if again else ()))
            met.add((claim_id, verdict))
    return parameters


@pytest.mark.parametrize(("claim_id", "altered", "verdict"), alterations())
def test_an_alteration_meets_its_own_verdict_which_follows_from_the_steps(
    claim_id: str, altered: str, verdict: str
) -> None:
    finding = verify(claim_id, altered)
    assert finding.verdict.value == verdict
    assert follows_from_steps(finding)


@pytest.mark.parametrize("claim_id", claims())
def test_every_verdict_but_proved_has_a_charitable_reading_and_every_erratum_its_correction(
    claim_id: str, findings: Mapping[str, Finding]
) -> None:
    decision = findings[claim_id].decision
    assert decision.verdict is Verdict.PROVED or decision.charitable
    assert decision.verdict not in (Verdict.ERRATUM, Verdict.CONDITIONAL) or decision.corrected


@pytest.mark.parametrize("claim_id", claims())
def test_the_verdict_on_what_is_printed_follows_from_the_steps(claim_id: str, findings: Mapping[str, Finding]) -> None:
    assert follows_from_steps(findings[claim_id])


def follows_from_steps(finding: Finding) -> bool:
    holds = all(step.holds for step in finding.evidence)
    if finding.verdict in (Verdict.PROVED, Verdict.COMPUTED):
        return holds
    return not holds or finding.verdict is Verdict.CONDITIONAL


def test_the_corrected_taylor_series_is_that_of_x_log_x() -> None:
    x = sympy.Symbol("x", positive=True)
    series = sympy.series(x * sympy.log(x), x, 1, 5).removeO()
    printed = claim_named("lemma-2.1.taylor").parse("(x-1) + (x-1)**2/2 - (x-1)**3/6 + (x-1)**4/12")
    assert sympy.expand(series - printed.subs(printed.free_symbols.pop(), x)) == 0


@pytest.mark.parametrize("path", sorted(Path(theory.claims.__file__).parent.rglob("*.py")), ids=lambda path: path.stem)
def test_limits_integrals_and_sums_of_claims_are_evaluated_or_undecided(path: Path) -> None:
    """`decisions.find_limit` and its like; sympy's own functions return unevaluated objects, which are no failures."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    named = [ast.unparse(function) for function in calls if isinstance(function, ast.Attribute)]
    assert not {"sympy.limit", "sympy.summation", "sympy.Integral"} & set(named)
    assert not [name for name in named if name.endswith(".limit")]
    assert not [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "sympy.integrate"
        and isinstance(node.args[1], ast.Tuple)
    ]


@pytest.mark.parametrize(
    ("claim_id", "text"),
    [
        ("section-4.r-small", "-sin(r)"),
        ("section-4.b-stabilises", "sin(1/r)/B"),
        ("eq-6.collapse", "sin(1/b)"),
    ],
)
def test_a_datum_whose_integrals_or_limits_sympy_does_not_find_is_undecided(claim_id: str, text: str) -> None:
    assert verify(claim_id, text).verdict is Verdict.UNDECIDED


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


@pytest.mark.parametrize(
    ("claim_id", "odd"),
    [
        ("kernel.gaussian-a1", "sqrt(-x)"),
        ("lemma-2.1.no-condition", "asin(chi2 + 2)"),
        ("lemma-2.1.taylor", "x - x"),
        ("lemma-3.2.numeric", "1/(r - 1)"),
        ("section-4.step-size", "(0.3594, 10**40)"),
    ],
)
def test_a_datum_that_the_check_cannot_work_with_is_undecided_with_the_reason(claim_id: str, odd: str) -> None:
    finding = verify(claim_id, odd)
    assert finding.verdict is Verdict.UNDECIDED
    assert finding.evidence[-1].detail


def test_a_failure_on_what_the_paper_prints_is_a_defect_and_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: sympy.Expr) -> Decision:
        raise TypeError("a defect of the check")

    claim = replace(claim_named("lemma-3.2.minimum"), decide=fails)
    monkeypatch.setattr("theory.ledger.registry.claim_named", lambda _: claim)
    with pytest.raises(TypeError, match="a defect"):
        verify(claim.id)
    assert verify(claim.id, "3/r").verdict is Verdict.UNDECIDED


def test_the_bound_with_phi_of_minus_c_is_corrected_for_equal_supports_alone(
    findings: Mapping[str, Finding],
) -> None:
    corrected = findings["lemma-2.1.bound"].decision.corrected
    assert corrected is not None
    assert "(D2 within D1), KL(q||p) <= chi-square; if D1 = D2" in corrected


def test_a_datum_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(InputError, match="must be one expression"):
        verify("lemma-3.2.minimum", "(1, 2)")
    with pytest.raises(InputError, match="must be one expression"):
        verify("lemma-3.2.minimum", "(3/(5*r),)")
    with pytest.raises(InputError, match="must be 2 expressions in parentheses"):
        verify("lemma-3.2.multipliers", "3/4")
    with pytest.raises(InputError, match="is not a known name"):
        verify("lemma-3.2.minimum", "3/(5*x)")
