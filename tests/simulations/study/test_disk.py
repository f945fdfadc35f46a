"""A simulation on a disk that is full, cannot be written or loses a folder: one sentence, and no file is damaged."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.processes.faults import Faults

COMMAND = ["simulate-tm", "--m", "60", "--replicates", "2500", "--quiet"]


def told(path: Path) -> dict[str, object]:
    """A result but for the time it took."""
    return {key: value for key, value in json.loads(path.read_text()).items() if "second" not in key}


@pytest.mark.parametrize("size", [300, 5_000])
def test_a_state_that_finds_no_room_stops_the_simulation_and_keeps_the_state_before_it(
    faults: Faults, tmp_path: Path, size: int
) -> None:
    """What was computed since the last save, half a second before or a twentieth of the time, is lost; no more."""
    state, result, whole = (tmp_path / name for name in ("state.json", "result.json", "whole.json"))
    ended = faults.run(*COMMAND, "--resume", state, "--json", result, file_size=size)
    assert ended.code == 2
    assert ended.sentence.startswith(f"--resume {state} cannot be written: File too large")
    assert ended.sentence.endswith("the same command resumes from it.") == state.exists() == (size == 5_000)
    assert not result.exists()
    assert faults.run(*COMMAND, "--resume", state, "--json", result).code == 0
    assert faults.run(*COMMAND, "--json", whole).code == 0
    assert told(result) == told(whole)
    assert {path.name for path in tmp_path.iterdir()} == {state.name, result.name, whole.name, ".state.json.lock"}


@pytest.mark.parametrize(
    ("option", "name"), [("--json", "result.json"), ("--plot", "plot.png"), ("--plot", "plot.svg")]
)
def test_a_result_that_finds_no_room_leaves_the_earlier_one(
    faults: Faults, tmp_path: Path, option: str, name: str
) -> None:
    path = tmp_path / name
    path.write_text("earlier")
    ended = faults.run(*COMMAND, option, path, file_size=400)
    assert ended.code == 2
    assert ended.sentence == f"{option} {path} cannot be written: File too large."
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_verdicts_that_find_no_room_leave_the_earlier_ones(faults: Faults, tmp_path: Path) -> None:
    for option in ("--json", "--output"):
        path = tmp_path / option
        path.write_text("earlier")
        ended = faults.run("verify-lemmas", "algorithm-2", "--jobs", "1", "--quiet", option, path, file_size=400)
        assert ended.code == 2
        assert ended.sentence == f"{option} {path} cannot be written: File too large."
        assert path.read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 2


def test_where_nothing_can_be_written_each_file_is_refused_before_anything_is_simulated(
    mounting_faults: Faults, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    mounting_faults.make_read_only(folder)
    try:
        for option, name in (("--resume", "state.json"), ("--json", "result.json"), ("--plot", "plot.svg")):
            ended = mounting_faults.run("simulate-tm", "--m", "60", "--replicates", "1000000000", option, folder / name)
            assert ended.code == 2
            assert ended.sentence.startswith(option)
            assert str(folder / name) in ended.sentence
    finally:
        mounting_faults.unmount(folder)
    assert list(folder.iterdir()) == []


def test_a_state_whose_folder_is_removed_is_one_sentence_and_not_made_again(faults: Faults, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    stopped = faults.run(
        *COMMAND, "--resume", folder / "state.json", watched=folder, at_kinds={"renamed state.json": signal.SIGSTOP}
    )
    shutil.rmtree(folder)
    ended = faults.resume(stopped)
    assert ended.code == 2
    assert ended.sentence == f"--resume {folder / 'state.json'} cannot be written: No such file or directory."
    assert not folder.exists()


def test_a_second_process_is_refused_and_the_first_continues(faults: Faults, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    state, result, whole = folder / "state.json", tmp_path / "result.json", tmp_path / "whole.json"
    command = [*COMMAND, "--resume", state, "--json", result]
    stopped = faults.run(*command, watched=folder, at_kinds={"renamed state.json": signal.SIGSTOP})
    ended = faults.run(*command)
    assert ended.code == 2
    assert ended.sentence == f"--resume {state} is in use by another process. Wait until that ends."
    assert faults.resume(stopped).code == 0
    assert faults.run(*COMMAND, "--json", whole).code == 0
    assert told(result) == told(whole)


def test_a_clock_that_steps_back_changes_nothing(faults: Faults, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    state, result, whole = folder / "state.json", tmp_path / "result.json", tmp_path / "whole.json"
    ended = faults.run(*COMMAND, "--resume", state, "--json", result, watched=folder, clock=(8, -7200.0))
    assert ended.code == 0, ended.errors
    assert faults.run(*COMMAND, "--json", whole).code == 0
    assert told(result) == told(whole)
    assert 0 < json.loads(result.read_text())["seconds"] < 3600


@pytest.mark.parametrize("second", [10, 11, 12, 14, 16])
def test_ctrl_c_twice_ends_at_once_and_keeps_what_was_saved(faults: Faults, tmp_path: Path, second: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    state, result, whole = folder / "state.json", tmp_path / "result.json", tmp_path / "whole.json"
    command = [*COMMAND, "--resume", state, "--json", result]
    ended = faults.run(*command, watched=folder, at={9: signal.SIGINT, second: signal.SIGINT})
    assert ended.code == 130
    assert f"--resume {state}" in ended.sentence
    assert not result.exists()
    assert faults.run(*command).code == 0
    assert faults.run(*COMMAND, "--json", whole).code == 0
    assert told(result) == told(whole)
    assert {path.name for path in folder.iterdir()} == {state.name, ".state.json.lock"}
