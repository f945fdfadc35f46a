"""Whatever lies around the files that a command writes, nothing else changes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import cli
from tests.commands.test_json import COMMANDS, GRID, folder
from tests.support.hostile.trees import KINDS, make, snapshot
from tests.support.processes.runner import runner

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the kinds of files that these tests make are POSIX's")

__all__ = ["folder"]

#: Names like those of our temporary files and unfinished runs, and what lies there.
OUR_FORMS = {
    ".result.json.0123456789abcdef.part": "link to a file",
    ".result.json.1.part": "file",
    ".plot.png.0123456789abcdef.part": "pipe",
    ".config.new": "folder",
    f".{'0' * 32}.new": "link to a folder",
    f".{'1' * 32}.new": "pipe",
    "..new": "folder",
}

#: Commands that write nothing which others do not write, too.
SLOW = ("datasets-get", "verify-lemmas-kernel")

#: Options for what the commands write, besides ``--json``; RESULTS is the hostile folder.
OUTPUTS = {
    "verify-lemmas": "--output RESULTS/ledger.txt",
    "simulate-tm": "--plot RESULTS/plot.png --resume RESULTS/state.json",
    "test-fit": "--plot RESULTS/plot.png",
    "train": "--plot RESULTS/plot.png",
    "evaluate": "--plot RESULTS/plot.png",
    "sample": "--output RESULTS/plot.png",
    "reproduce": "--plot RESULTS/plot.png --output RESULTS/table",
}


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in SLOW])
def test_a_command_changes_nothing_but_its_outputs(name: str, folder: Path, tmp_path: Path) -> None:
    hostile, outside = tmp_path / "hostile", tmp_path / "outside"
    hostile.mkdir()
    outside.mkdir()
    (outside / "victim").write_bytes(b"kept")
    for form, kind in OUR_FORMS.items():
        make(hostile / form, kind, outside)
    for kind in KINDS:
        make(hostile / kind, kind, outside)
    (hostile / ".config.new" / "file").write_text("kept")
    command = f"{COMMANDS[name]} {OUTPUTS.get(name, '')}"
    # The folders of runs are as hostile as that of the results.
    for place in ("FOLDER/trained", "FOLDER/grid"):
        command = command.replace(place, str(hostile))
    command = command.replace("FOLDER", str(folder)).replace("RESULTS", str(hostile))
    before = snapshot(tmp_path)
    result = runner().invoke(cli.main, [*command.split(), "--json", str(hostile / "result.json"), "--quiet"])
    assert result.exit_code in (0, 1), result.output
    assert (hostile / "result.json").stat().st_size > 0
    after = snapshot(tmp_path)
    assert {path: after.get(path) for path in before} == before


@pytest.mark.parametrize("kind", ["link to a file", "link to a folder", "pipe"])
@pytest.mark.parametrize(
    "entry", ["checkpoints", ".lock", "metrics.jsonl", "evaluation.json", "checkpoints/epoch-00001/manifest.json"]
)
@pytest.mark.parametrize("command", ["evaluate RUN", "sample RUN", "train --resume RUN", "report --run RUN --m 50"])
def test_a_run_that_leads_outside_is_refused_before_anything_is_written(
    command: str, entry: str, kind: str, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    for inner in ("", "epoch-00001", ".epoch-00002.part"):
        (outside / inner).mkdir()
        (outside / inner / "victim").write_bytes(b"kept")
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    there = run / entry
    if there.is_dir():
        shutil.rmtree(there)
    else:
        there.unlink(missing_ok=True)
    make(there, kind, outside)
    before = snapshot(tmp_path)
    output = ["--output", str(tmp_path / "page.html")] if command.startswith("report") else []
    result = runner().invoke(cli.main, [*command.replace("RUN", str(run)).split(), *output])
    (line,) = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{there} must be a file or a folder, got a {kind.split()[0]}" in line
    assert snapshot(tmp_path) == before


def test_a_grid_does_not_follow_a_run_that_leads_outside(tmp_path: Path) -> None:
    """Every run of a grid is opened by its name in --runs-dir."""
    outside, grid = tmp_path / "outside", tmp_path / "grid"
    outside.mkdir()
    (outside / "victim").write_bytes(b"kept")
    command = ["reproduce", "--table", "1", "--datasets", "digits", "--seeds", "0", "--models", "vae", *GRID, "--quiet"]
    assert runner().invoke(cli.main, [*command, "--runs-dir", str(grid)]).exit_code == 0
    (run,) = [path.parent for path in grid.glob("*/config.json")]
    (run / "evaluation.json").unlink()
    make(run / "evaluation.json", "link to a file", outside)
    before = snapshot(outside)
    result = runner().invoke(cli.main, [*command, "--runs-dir", str(grid)])
    assert result.exit_code == 1
    assert "evaluation.json must be a file or a folder" in result.stderr
    assert snapshot(outside) == before


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (
            "simulate-tm --m 50 --resume a.json --json a.json",
            "--json and --resume must name different files, got a.json",
        ),
        ("simulate-tm --m 50 --plot a.png --plot ./a.png", "--plot must name different files, got a.png twice"),
        ("simulate-tm --m 50 --json b.json --resume a.json", "--resume must name different files, got"),
        ("test-fit sample.txt --json sample.txt", "FILE and --json must name different files, got sample.txt"),
        ("test-fit sample.txt --json link.txt", "FILE and --json must name different files, got link.txt"),
        ("train --dataset npz:sample.txt --json sample.txt", "--dataset and --json must name different files"),
        ("verify-lemmas --output a.txt --json a.txt", "--json and --output must name different files"),
        ("evaluate run --json run/config.json", "--json run/config.json is a file of the run run. Name a file outside"),
        ("report --output page.html --json page.html", "--json and --output must name different files"),
    ],
)
def test_a_file_serves_one_option(command: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the second would replace what the first had written, or what was to be read."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.json", "a.png", "a.txt", "page.html", "sample.txt", "run/config.json"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text("1\n2\n4\n")
    Path("link.txt").symlink_to("sample.txt")
    Path("b.json").symlink_to("a.json")
    before = snapshot(tmp_path)
    result = runner().invoke(cli.main, command.split())
    (line,) = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert sentence in line
    assert snapshot(tmp_path) == before
