"""One page for all tests of the report, and a browser to read it in."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

import cli
from tests.support.runner import runner

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
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The page, made once however many processes test."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    page, said = shared / "report.html", shared / "report.json"
    with FileLock(shared / "report.lock"):
        if not said.is_file():
            options = ["--m", "50", "--m", "200", "--replicates", "500", "--quiet", "--runs-dir", str(shared / "none")]
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
