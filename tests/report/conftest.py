"""One page for all tests of the report, and a browser to read it in."""

from __future__ import annotations

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
from tests.support.runner import runner
from theory.ledger import parallel
from theory.ledger.finding import Finding

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
