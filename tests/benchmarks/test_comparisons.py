"""The page on comparisons has every line that the benchmark prints."""

from __future__ import annotations

import pytest

from benchmarks import comparisons
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "comparisons.md"


def test_the_page_has_the_lines_that_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    comparisons.main(["--tables", "40"])
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert len(printed) == 9 + 3 + 5 + 3 * 2
    for line in printed:
        names = "|".join(line.split("|")[: 3 if line.count("|") == 7 else 2])
        assert any(there.startswith(names) for there in page), line
