"""The notebooks run from top to bottom, and show what they are committed with."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from nbformat import NotebookNode

from notebooks.execute import FOLDER, cleaned, executed, main, notebooks, read, texts

NUMBER = r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"

#: What a folder of somebody's machine begins with.
PLACES = r"(?:/(?:work|tmp|home|root|Users|var|mnt|opt)/|[A-Z]:\\|~/)"

LARGEST_PICTURE = 170_000

#: The notebooks that are executed by the tests that always run: one on theory, and one on the networks.
QUICK = ("kl_bound", "ablation")

every_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


def code(notebook: NotebookNode) -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def differences(shown: str, now: str, tolerance: float) -> list[str]:
    """What a text says otherwise than it did: other words, or numbers further apart than a share of the larger."""
    if re.sub(NUMBER, "#", shown) != re.sub(NUMBER, "#", now):
        return [f"{shown!r} has become {now!r}"]
    pairs = zip(re.findall(NUMBER, shown), re.findall(NUMBER, now), strict=True)
    values = [tuple(float(number.replace(",", "")) for number in pair) for pair in pairs]
    return [f"{a:g} has become {b:g}" for a, b in values if abs(a - b) > tolerance * max(abs(a), abs(b))]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem, marks=() if path.stem in QUICK else pytest.mark.slow) for path in notebooks()],
)
def test_a_notebook_runs_and_shows_what_it_was_committed_with(path: Path) -> None:
    """Numbers may differ by the notebook's tolerance, which only those that train a network have."""
    committed, again = read(path), executed(path)
    assert len(texts(committed)) == len(texts(again))
    tolerance = committed.metadata.get("tolerance", 0.0)
    for shown, now in zip(texts(committed), texts(again), strict=True):
        assert differences(shown, now, tolerance) == [], "run: make notebooks"
    kinds = [sorted(output.get("data", {})) for output in outputs(committed)]
    assert kinds == [sorted(output.get("data", {})) for output in outputs(again)]


@every_notebook
def test_a_notebook_was_run_whole_without_error_warning_or_trace_of_a_machine(path: Path) -> None:
    notebook = read(path)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert {output.output_type for output in outputs(notebook)} <= {"execute_result", "display_data"}
    assert not re.search(PLACES, "\n".join(texts(notebook)))
    assert cleaned(read(path)) == notebook
    assert ("train(" in code(notebook)) == ("tolerance" in notebook.metadata)


@every_notebook
def test_a_notebook_takes_nothing_from_outside_the_repository(path: Path) -> None:
    source = code(read(path))
    assert not re.search(PLACES, source)
    assert not re.search(r"https?:|urllib|requests|!pip|%pip|subprocess", source)
    named = re.findall(r'"(\.\./[^"]*)"', re.sub(r"#.*", "", source))
    assert all((FOLDER / name).resolve().is_relative_to(FOLDER.parent) and (FOLDER / name).exists() for name in named)


@every_notebook
def test_a_notebook_begins_with_its_question_and_names_the_command(path: Path) -> None:
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "?" in first.source
    assert "`python cli.py " in first.source


@every_notebook
def test_a_notebook_is_short_and_its_pictures_are_small(path: Path) -> None:
    notebook = read(path)
    pictures = [
        base64.b64decode(one.data["image/png"]) for one in outputs(notebook) if "image/png" in one.get("data", {})
    ]
    assert pictures
    assert max(map(len, pictures)) < LARGEST_PICTURE
    assert len(code(notebook).splitlines()) < 60
    assert "matplotlib" not in code(notebook)


def test_every_notebook_is_listed_with_its_question() -> None:
    listed = re.findall(
        r"^\| \[(\w+)\]\((\w+)\.ipynb\) \| .*\? ?.*\|$", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(listed) == [(path.stem, path.stem) for path in notebooks()]


def test_another_number_or_word_is_a_difference_and_a_close_number_is_not() -> None:
    shown = "| vae | 697 | 408 |, p = 1.5e-04, 10,000 of m^-0.235"
    assert differences(shown, shown, 0.0) == []
    assert differences(shown, shown.replace("697", "690"), 0.1) == []
    assert differences(shown, shown.replace("697", "690"), 0.001) == ["697 has become 690"]
    assert differences(shown, shown.replace("1.5e-04", "2.5e-04"), 0.1) == ["0.00015 has become 0.00025"]
    assert len(differences(shown, shown.replace("vae", "evae"), 0.1)) == 1


def test_a_name_that_is_not_a_notebook_is_refused() -> None:
    with pytest.raises(SystemExit, match="no such notebook: kernel in notebooks/"):
        main(["kernel"])
