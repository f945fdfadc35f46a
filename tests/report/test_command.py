"""`report` with odd and bad input."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import Result

import cli
from foundation.errors import InputError
from report.build import Contents
from report.sections.experiments import OURS, results_files
from tests.support.processes.runner import runner
from theory.claim import Decision, Verdict
from theory.ledger import parallel as workers
from theory.ledger.finding import Finding
from theory.ledger.registry import claims


def invoked(*arguments: str) -> Result:
    return runner().invoke(cli.main, ["report", *arguments])


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with the input is said before the claims are decided."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.setattr(workers, "decide", fail)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--output", "page.pdf"], "--output must end in .html, got page.pdf"),
        (["--output", "missing/page.html"], "--output missing/page.html cannot be written"),
        (["--m", "0"], "m must be"),
        (["--m", "100", "--m", "100"], "every --m must be different, got 100 twice"),
        (["--replicates", "1"], "--replicates must be at least 2"),
        (["--seed", "-1"], "seed"),
        (["--results", "none.json"], "none.json"),
        (["--results", "damaged.json"], "damaged.json is damaged"),
        (["--results", "copy.json", "--results", "again.json"], "--results again.json holds table-1, as another file"),
        (["--run", "none"], "none"),
        (["--jobs", "0"], "--jobs"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_sentence_and_nothing_is_lost(
    options: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report.html").write_text("an earlier page")
    (tmp_path / "damaged.json").write_text("{")
    for name in ("copy.json", "again.json"):
        shutil.copy(OURS / "table-1.json", tmp_path / name)
    result = invoked(*options)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith("Error: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert (tmp_path / "report.html").read_text() == "an earlier page"


def test_a_verdict_that_is_not_on_record_is_said_on_the_page_and_by_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(*_: object, **__: object) -> list[Finding]:
        found = {claim.id: claim.expected for claim in claims().values()} | {"eq-6.bound": Verdict.PROVED}
        return [Finding(claims()[name], None, Decision(verdict, "chance", ()), 0.0) for name, verdict in found.items()]

    monkeypatch.setattr(workers, "decide", decide)
    monkeypatch.setattr("report.build.theory_drawings", lambda: ())
    monkeypatch.setattr("report.build.asymptotics_of", lambda _: None)
    monkeypatch.setattr("report.build.Contents.experiments", lambda _: ())
    page = tmp_path / "page.html"
    result = invoked("--output", str(page), "--m", "50", "--replicates", "100", "--quiet")
    assert result.exit_code == 1, result.output
    text = page.read_text(encoding="utf-8")
    assert "1 not as recorded." in text
    assert text.count("recorded: refuted") == 1


def test_results_in_the_runs_folder_take_the_place_of_the_projects(tmp_path: Path) -> None:
    own = tmp_path / "ablation" / "results.json"
    own.parent.mkdir()
    shutil.copy(OURS / "ablation.json", own)
    assert results_files(tmp_path) == [own, OURS / "table-1.json"]


def test_what_is_simulated_is_what_was_asked_for() -> None:
    studies = Contents(sizes=(70, 300), replicates=40, seed=3).studies()
    assert [(study.m, study.replicates, study.seed) for study in studies] == [(70, 40, 3), (300, 40, 3)]


def test_the_same_table_twice_is_refused() -> None:
    twice = Contents(results=[OURS / "table-1.json", OURS / "table-1.json"])
    with pytest.raises(InputError, match="holds table-1, as another file does"):
        twice.experiments()


def test_a_page_that_cannot_be_replaced_is_not_said_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is removed while the page is made."""
    output = tmp_path / "folder" / "page.html"
    output.parent.mkdir()

    def make(*_: object, **__: object) -> SimpleNamespace:
        shutil.rmtree(output.parent)
        return SimpleNamespace(html=lambda: "<p>", document=dict, ledger=SimpleNamespace(unexpected=[]))

    monkeypatch.setattr("report.build.make_page", make)
    result = invoked("--output", str(output))
    assert result.exit_code == 2
    assert f"--output {output} cannot be written" in result.output
    assert "Written" not in result.output
