"""On a terminal: everything fits, colours are shown where they are wanted, and long work shows how far it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from cli import main
from evae.experiments.reports.files import report
from evae.experiments.results import Results
from foundation.terminal import FittingTable
from tests.support.examples import first
from tests.support.places import ROOT
from tests.support.processes.runner import runner
from tests.support.terminals import COLOUR, CONTROL, shown

TINY = ["--epochs", "1", "--limit-train", "60", "--latent-dim", "2", "--device", "cpu", "--lr", "1e-3"]

MIXTURE = "mixture:0.25*normal(-1,0.5)+0.25*normal(1,0.5)+0.5*normal(0,2)"


pytestmark = pytest.mark.usefixtures("decided_here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("terminal")
    np.savetxt(place / "sample.txt", np.random.default_rng(0).normal(size=50))
    trained = runner().invoke(main, ["train", *TINY, "--runs-dir", str(place), "--name", "run", "--quiet"])
    assert trained.exit_code == 0, trained.output
    return place


def too_long(lines: list[str], columns: int) -> list[str]:
    """The lines that do not fit, but for one long word, as a path, and a command to copy."""
    return [line for line in lines if cell_len(line) > columns and " " in line.strip() and "Next: " not in line]


@pytest.mark.parametrize("columns", first(1, [60, 80]))
@pytest.mark.parametrize(
    "arguments",
    [
        ["verify-lemmas", "--list"],
        ["verify-lemmas", "algorithm-2", "binomial", "--assume", "lemma-3.2.minimum=4/(5*r)"],
        ["verify-lemmas", "algorithm-2", "--explain"],
        ["verify-lemmas", "kernel", "--density", "(1-x**2)**4*315/256", "--support", "-1,1"],
        ["simulate-tm", "--m", "50", "--m", "600", "--m", "100000", "--replicates", "20", "--density", MIXTURE],
        ["test-fit", "FOLDER/sample.txt", "--replicates", "99", "--no-cache", "--estimate"],
        ["train", *TINY, "--model", "evae", "--runs-dir", "FOLDER/trained"],
        ["evaluate", "FOLDER/run", "--features", "none", "--device", "cpu"],
        ["sample", "FOLDER/run", "--images", "2", "--device", "cpu", "--sampler", "mixture", "--components", "2"],
        ["datasets", "list", "--data-dir", "FOLDER"],
        ["datasets", "check", "digits", "--data-dir", "FOLDER"],
        ["datasets", "get", "digits", "--data-dir", "FOLDER"],
    ],
    ids=lambda value: value[0] + "-".join(word for word in value[1:3] if word.isalpha() or word.startswith("--")),
)
def test_everything_fits_the_terminal(arguments: list[str], columns: int, folder: Path) -> None:
    result = shown(*(word.replace("FOLDER", str(folder)) for word in arguments), columns=columns)
    assert result.code in (0, 1), result.errors
    assert result.lines
    assert too_long(result.lines, columns) == []
    assert [line for line in result.lines if "…" in line] == []


@pytest.mark.parametrize("columns", [80, 60])
@pytest.mark.parametrize("name", ["table-1", "ablation"])
def test_the_tables_of_reproduce_fit_the_terminal(name: str, columns: int) -> None:
    console = Console(width=columns, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(report(Results.load(ROOT / "results" / f"{name}.json")).for_terminal())
        lines = console.export_text().splitlines()
    assert too_long(lines, columns) == []
    assert [line for line in lines if "…" in line] == []


def laid_out(table: FittingTable, columns: int) -> list[str]:
    console = Console(width=columns)
    with console.capture() as capture:
        console.print(table)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_table_breaks_no_number_and_no_word_at_any_width() -> None:
    cells = [("first one", "0.1234 ± 0.0001", "12,345.6"), ("second", "-0.5 ± 0.25", "7.0")]
    for columns in range(40, 90):
        text = "\n".join(laid_out(FittingTable(("which", "mean over seeds", "other"), cells, range(1, 3)), columns))
        assert all(figure in text for _, *figures in cells for figure in figures)
        assert all(word in text for word in ("first", "second", "which", "seeds", "other"))
        assert all(cell_len(line) <= columns for line in text.splitlines())


def test_a_table_is_set_close_and_then_cell_under_cell_as_the_terminal_narrows() -> None:
    table = FittingTable(("name", "a", "b"), [("one", "1" * 10, "2" * 10)], range(1, 3))
    assert laid_out(table, 40)[3] == f"│ one  │ {'1' * 10} │ {'2' * 10} │"
    assert laid_out(table, 30)[2] == f"one  {'1' * 10} {'2' * 10}"
    assert laid_out(table, 20) == ["one", f"  a: {'1' * 10}", f"  b: {'2' * 10}"]


def pages(group: click.Group = main, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield words
    for name, command in group.commands.items():
        yield from pages(command, (*words, name)) if isinstance(command, click.Group) else [(*words, name)]


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("words", list(pages()), ids=lambda words: "-".join(words) or "main")
def test_every_help_page_fits_80_columns(words: tuple[str, ...], columns: int) -> None:
    lines = runner().invoke(main, [*words, "--help"], env={"COLUMNS": str(columns)}).stdout.splitlines()
    assert [line for line in lines if len(line) > columns] == []


LEDGER = ("verify-lemmas", "algorithm-2.median")


def test_a_terminal_gets_colours_and_a_file_gets_none() -> None:
    assert COLOUR.search(shown(*LEDGER).output)
    assert not CONTROL.search(shown(*LEDGER, output=False).output)
    assert not CONTROL.search(shown(*LEDGER, errors=False).errors)


@pytest.mark.parametrize(
    "arguments",
    [
        LEDGER,
        (*LEDGER, "--explain"),
        ("verify-lemmas", "kernel", "--density", "3/4*(1-x**2)", "--support", "-1,1"),
        ("simulate-tm", "--m", "50", "--m", "100", "--replicates", "20"),
        ("test-fit", "FOLDER/sample.txt", "--replicates", "20", "--no-cache"),
        ("evaluate", "FOLDER/run", "--features", "none", "--device", "cpu"),
        ("datasets", "list"),
        ("datasets", "check", "digits", "--data-dir", "FOLDER"),
        ("train", *TINY, "--runs-dir", "FOLDER/coloured"),
    ],
    ids=lambda value: "-".join(word for word in value[:2] if word.isascii()),
)
def test_no_color_and_a_dumb_terminal_are_obeyed(arguments: tuple[str, ...], folder: Path) -> None:
    words = [word.replace("FOLDER", str(folder)) for word in arguments]
    plain = shown(*words, NO_COLOR="1")
    assert plain.code == 0
    assert not COLOUR.search(plain.output + plain.errors)
    dumb = shown(*words, term="dumb")
    assert not COLOUR.search(dumb.output + dumb.errors)


def test_force_color_reaches_a_pipe_and_no_file_that_was_named(tmp_path: Path) -> None:
    assert COLOUR.search(shown(*LEDGER, output=False, FORCE_COLOR="1").output)
    target = tmp_path / "ledger.txt"
    assert shown(*LEDGER, "--output", str(target), "--json", str(tmp_path / "ledger.json"), FORCE_COLOR="1").code == 0
    assert "algorithm-2.median" in target.read_text(encoding="utf-8")
    assert not CONTROL.search(target.read_text(encoding="utf-8"))
    assert json.loads((tmp_path / "ledger.json").read_text(encoding="utf-8"))


def test_in_a_pipe_a_table_takes_80_columns_and_a_sentence_one_line(folder: Path) -> None:
    piped = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "cli.py", "datasets", "list", "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=piped,
        check=True,
    )
    assert max(map(cell_len, done.stdout.splitlines()[1:])) <= 80
    result = shown("train", *TINY, "--runs-dir", str(folder / "piped"), output=False, errors=False)
    assert re.search(r"^epoch 1/1  train .* images/s$", result.output, re.MULTILINE)


def test_a_long_command_shows_on_a_terminal_how_far_it_is(folder: Path) -> None:
    """On standard error, but for training, whose bar stands below what it prints where both are on one terminal."""
    kernel = ("verify-lemmas", "kernel", "--density", "3/4*(1-x**2)", "--support", "-1,1")
    assert "assessing the kernel" in shown(*kernel, output=False).errors
    assert "deciding" in shown(*LEDGER, output=False).errors
    assert "m = 50" in shown("simulate-tm", "--m", "50", "--replicates", "20", output=False).errors
    training = ("train", *TINY, "--runs-dir", str(folder / "shown"))
    assert "1/1" in shown(*training, output=False).errors
    drawing = ("sample", str(folder / "run"), "--images", "2", "--device", "cpu", "--output", str(folder / "new.png"))
    assert "drawing images" in shown(*drawing, output=False).errors


def test_quiet_and_a_pipe_show_no_bar() -> None:
    assert shown(*LEDGER, "--quiet").errors == ""
    assert shown(*LEDGER, errors=False).errors == ""
