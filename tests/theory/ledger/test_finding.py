"""The forms in which the ledger is shown."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from foundation.typography import format_symbols
from theory.ledger import finding as report
from theory.ledger.finding import Finding
from theory.ledger.registry import verify


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return [verify("lemma-2.1.taylor"), verify("lemma-3.2.minimum", "4/(5*r)"), verify("algorithm-2.median")]


def printed(renderable: object, width: int = 80) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(renderable)
    return stream.getvalue()


def test_the_json_has_the_documented_keys(findings: list[Finding]) -> None:
    document = json.loads(json.dumps(report.document(findings), allow_nan=False))
    assert set(document) == {"claims", "summary", "versions"}
    assert document["summary"] == {"proved": 1, "erratum": 1, "refuted": 1}
    keys = ["id", "source", "statement", "printed", "verdict", "expected", "method", "corrected", "charitable"]
    for claim in document["claims"]:
        assert list(claim) == [*keys, "evidence", "seconds"]
        assert all(set(step) == {"step", "holds", "detail"} for step in claim["evidence"])
    assert {"python", "sympy", "python-flint"} <= set(document["versions"])


def test_what_is_not_as_recorded_comes_first(findings: list[Finding]) -> None:
    assert report.document(findings)["claims"][0]["id"] == "lemma-3.2.minimum"
    text = printed(report.table(findings))
    assert text.index("lemma-3.2.minimum") < text.index("lemma-2.1.taylor")
    assert "recorded: proved" in text
    assert "3 claims: 1 proved, 1 erratum, 1 refuted. 1 not as recorded." in text


def test_the_table_fits_80_columns(findings: list[Finding]) -> None:
    assert max(map(len, printed(report.table(findings)).splitlines())) <= 80


def test_an_explanation_shows_each_step_and_what_holds_instead(findings: list[Finding]) -> None:
    text = printed(report.explanation(findings[0]), width=200)
    for evidence in findings[0].evidence:
        assert format_symbols(evidence.statement) in text
        assert format_symbols(evidence.detail) in text
    assert "fails" in text
    assert "what holds" in text
    assert "charitably" in text


def test_markdown_keeps_its_columns_whatever_the_text_holds(findings: list[Finding]) -> None:
    lines = report.markdown(findings).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 2 + len(findings)
    assert {line.replace("\\|", "").count("|") for line in rows} == {5}
    assert all(
        format_symbols(evidence.statement).split()[0] in report.markdown(findings, explain=True)
        for evidence in findings[0].evidence
    )


def test_latex_braces_and_environments_balance(findings: list[Finding]) -> None:
    for explain in (False, True):
        text = report.latex(findings, explain)
        unescaped = text.replace("\\{", "").replace("\\}", "")
        assert unescaped.count("{") == unescaped.count("}")
        assert text.count("\\begin{") == text.count("\\end{")
        assert text.replace("\\$", "").count("$") % 2 == 0


def test_an_explanation_says_what_is_assumed_of_the_symbols() -> None:
    finding = verify("lemma-3.2.minimum")
    assert "r > 0" in printed(report.explanation(finding))
    assert r"for r \textgreater{} 0" in report.latex([finding])
    assert "for r \\> 0" in report.markdown([finding], explain=True)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="there is no LaTeX on this machine")
def test_the_latex_document_compiles_by_itself(findings: list[Finding], tmp_path: Path) -> None:
    for explain in (False, True):
        (tmp_path / "ledger.tex").write_text(report.latex(findings, explain), encoding="utf-8")
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "ledger.tex"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_a_finding_prints_as_its_explanation_and_shows_as_markdown_in_a_notebook(findings: list[Finding]) -> None:
    text = str(findings[0])
    assert text.startswith("lemma-2.1.taylor  erratum")
    assert "what holds" in text
    assert max(map(len, text.splitlines())) <= 100
    assert findings[0]._repr_markdown_().startswith("## `lemma-2.1.taylor`: erratum")
