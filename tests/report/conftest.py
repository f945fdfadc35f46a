"""One page for all tests of the report, and a browser to read it in."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

import cli
from evae.experiments.results import Results
from tests.support.hostile.text import NAMES, TEXTS
from tests.support.places import RESULTS
from tests.support.processes.runner import runner
from theory.claim import Decision
from theory.ledger import parallel
from theory.ledger.finding import Finding
from theory.ledger.registry import claims

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Made:
    """A page that the command wrote, and what it said of it."""

    path: Path
    document: dict[str, Any]

    @property
    def html(self) -> str:
        return self.path.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def made(shared_folder: Path, findings: Mapping[str, Finding]) -> Made:
    """The page, made once however many processes test; the claims are those that other tests have decided."""

    def look_up(requests: Iterable[parallel.ClaimRequest], *_: object, **__: object) -> list[Finding]:
        return [findings[request.claim_id] for request in requests]

    page, said = shared_folder / "report.html", shared_folder / "report.json"
    with FileLock(shared_folder / "report.lock"), pytest.MonkeyPatch.context() as patch:
        if not said.is_file():
            patch.setattr(parallel, "decide", look_up)
            nowhere = str(shared_folder / "none")
            options = ["--m", "50", "--m", "200", "--replicates", "500", "--quiet", "--runs-dir", nowhere]
            result = runner().invoke(
                cli.main, ["report", "--output", str(page), "--json", str(said), *options], catch_exceptions=False
            )
            assert result.exit_code == 0, result.stderr
    return Made(page, json.loads(said.read_text(encoding="utf-8")))


@dataclass(frozen=True)
class Twins:
    """Two pages that differ only in the text from outside that they show: names of runs, and fields of results."""

    harmless: Path
    hostile: Path


@pytest.fixture(scope="session")
def twins(shared_folder: Path) -> Twins:
    """A page of a run with a hostile name and of results with hostile fields, and the same with plain ones."""
    folder = shared_folder / "twins"
    with FileLock(shared_folder / "twins.lock"):
        if not folder.is_dir():
            make_twin(folder / "harmless", "run", "text")
            make_twin(folder / "hostile", "".join(NAMES.values()), "".join(TEXTS.values()))
    return Twins(folder / "harmless" / "page.html", folder / "hostile" / "page.html")


def make_twin(folder: Path, name: str, text: str) -> None:
    """Write a page about the project's own run under this name, and results with the text in their fields."""
    run = Path(shutil.copytree(RESULTS / "digits-evae", folder / name))
    (folder / "results.json").write_text(json.dumps(results_with(text)))
    page = ["--output", str(folder / "page.html"), "--m", "50", "--replicates", "100", "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        found = [Finding(claim, None, Decision(claim.expected, "record", ()), 0.0) for claim in claims().values()]
        patch.setattr(parallel, "decide", lambda *_, **__: found)
        # Neither depends on a name or a field.
        patch.setattr("report.build.theory_drawings", lambda: ())
        patch.setattr("report.build.asymptotics_of", lambda _: None)
        command = ["report", *page, "--run", str(run), "--results", str(folder / "results.json")]
        result = runner().invoke(cli.main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr


def results_with(text: str) -> dict[str, Any]:
    """Return some of the project's results with a text in every field that is shown."""
    whole = Results.load(RESULTS / "table-1.json")
    document = copy.deepcopy(dataclasses.replace(whole, records=tuple(whole.where(dataset="mnist")[:2])).document())
    for run in document["runs"]:
        run["data_sha256"] = {"train": "0"}
        run["name"] = run["evaluation"]["note"] = run["evaluation"]["features"]["warning"] = text
        run["environment"]["device_name"] = run["environment"]["packages"]["torch"] = text
        run["configuration"]["dataset"] = f"folder:{text.replace(TEXTS['no character'], '')}"
    return {**document, "failures": [{"name": text, "reason": text}], "planned": document["planned"] + 1}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium, where there is one; CI installs it."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        assert "CI" not in os.environ, "CI has no browser: .ci/run installs one"
        pytest.skip("this machine has no Chromium to read the page in")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=quiet)
        yield browser
        browser.close()
