"""A dask cluster computes the same bits as threads do, whatever becomes of its workers."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cli
from foundation.errors import InputError
from simulations import Result, SimulationStopped, Study, bickel_rosenblatt_test, simulate
from simulations.study.blocks import pieces_of
from simulations.study.simulate import block_values, same_block_values
from simulations.study.values import replicate_values
from tests.support.clusters import Processes
from tests.support.processes.runner import runner

pytest.importorskip("distributed")

#: Of three blocks, the last of them cut short.
STUDY = Study(m=60, replicates=2500, seed=5)

#: Of blocks that take a while, so that something can happen to them.
LONG = Study(m=1000, replicates=9000, seed=5, engine="exact")


@pytest.fixture(scope="module")
def long_result() -> Result:
    """The result of the long study when nothing happens."""
    return simulate(LONG)


class Once:
    """Does something when the first replicates are done."""

    def __init__(self, action: Any) -> None:
        self.action = action

    def __call__(self, done: int) -> None:
        if self.action is not None and done:
            action, self.action = self.action, None
            action()


def told(result: Result) -> dict[str, object]:
    return {key: value for key, value in result.document().items() if not key.endswith(("seconds", "second"))}


def test_a_cluster_gives_the_result_of_threads_to_the_last_bit(address: str, tmp_path: Path) -> None:
    alone = simulate(STUDY)
    assert told(simulate(STUDY, cluster=address)) == told(alone)
    path = tmp_path / "state.json"
    simulate(replace(STUDY, replicates=1000), resume=path)
    assert told(simulate(STUDY, cluster=address, resume=path)) == told(alone)


@pytest.mark.parametrize("density", ["gamma", "normal"])
def test_the_null_distribution_of_estimated_parameters_has_the_bits_of_threads(address: str, density: str) -> None:
    """Engines that no name stands for are sent to the workers."""
    sample = np.random.default_rng(1).gamma(2.5, size=60)
    choices: dict[str, Any] = {"density": density, "estimate": True, "bandwidth": [0.4, 1.2], "replicates": 700}
    alone, there = (bickel_rosenblatt_test(sample, cache=False, cluster=where, **choices) for where in (None, address))
    assert there.null_law.tolist() == alone.null_law.tolist()


@pytest.mark.slow
def test_a_cluster_started_here_does_so_too() -> None:
    assert told(simulate(STUDY, cluster="local:2")) == told(simulate(STUDY))


def test_a_worker_killed_in_the_middle_changes_nothing(mortal: Processes, long_result: Result) -> None:
    death = Once(lambda: mortal.workers[0].send_signal(signal.SIGKILL))
    result = simulate(LONG, cluster=mortal.address, progress=death)
    mortal.workers[0].wait(10)
    assert told(result) == told(long_result)


def test_a_lost_scheduler_leaves_what_was_done_and_the_study_resumes_from_there(
    mortal: Processes, tmp_path: Path, long_result: Result
) -> None:
    path = tmp_path / "state.json"
    with pytest.raises(
        SimulationStopped, match=r"was lost while it computed .* they are saved in .*state\.json"
    ) as lost:
        simulate(LONG, cluster=mortal.address, resume=path, progress=Once(mortal.kill_scheduler))
    partial = lost.value.partial
    assert partial is not None
    assert 0 < partial.accumulator.count < LONG.replicates
    (kept,) = json.loads(path.read_text())["studies"]
    assert kept["moments"]["count"] == partial.accumulator.count
    assert told(simulate(LONG, resume=path)) == told(long_result)


def test_what_was_to_be_kept_nowhere_is_kept_when_the_scheduler_is_lost(
    mortal: Processes, tmp_path: Path, long_result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command says how to resume, and that command does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("simulations.terminal.progress_display", lambda *_: _Shown(mortal))
    options = ["--m", "1000", "--replicates", "9000", "--seed", "5", "--engine", "exact"]
    result = runner().invoke(cli.main, ["simulate-tm", *options, "--cluster", mortal.address])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    sentence = re.fullmatch(r"Error: the cluster at .* was lost .* they are saved in (.*)\. Resume with: (.*)", line)
    assert sentence is not None
    assert sentence[1] == str(tmp_path / "simulate-tm-seed5.json")
    assert "INTERRUPTED: only the first" in result.stdout
    command = shlex.split(sentence[2])
    assert command[:3] == ["python", "cli.py", "simulate-tm"]
    at = command.index("--cluster")
    monkeypatch.undo()
    again = runner().invoke(cli.main, [*command[2:at], *command[at + 2 :], "--json", "-"])
    assert again.exit_code == 0, again.stderr
    assert json.loads(again.stdout)["mean"] == long_result.summary.mean


class _Shown:
    """Kills the scheduler where the progress of the first study would be shown."""

    def __init__(self, mortal: Processes) -> None:
        self.death = Once(mortal.kill_scheduler)

    def __enter__(self) -> Once:
        return self.death

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_ctrl_c_leaves_no_worker_behind_and_keeps_what_was_done(tmp_path: Path, long_result: Result) -> None:
    from simulations import SimulationInterrupted

    path = tmp_path / "state.json"
    interrupt = Once(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(SimulationInterrupted):
        simulate(LONG, cluster="local:2", resume=path, progress=interrupt)
    assert told(simulate(LONG, resume=path)) == told(long_result)


def test_a_worker_that_computes_other_values_is_refused() -> None:
    engine, values = "exact", block_values(STUDY, "exact", None, range(1))
    (same,) = same_block_values(STUDY, engine, None, values.tobytes(), [range(1)])
    assert (same == values).all()
    other = (values * (1 + 2**-52)).tobytes()
    with pytest.raises(InputError, match="must compute the same first replicate as this machine"):
        same_block_values(STUDY, engine, None, other, [range(1)])


@given(number=st.integers(0, 3000), workers=st.integers(1, 40))
@settings(deadline=None, derandomize=True)
def test_pieces_hold_every_block_once_in_order_and_leave_no_worker_without(number: int, workers: int) -> None:
    blocks = [range(start, start + 1) for start in range(number)]
    pieces = list(pieces_of(blocks, number, workers))
    assert [block for piece in pieces for block in piece] == blocks
    assert len(pieces) >= min(number, 8 * workers)
    assert all(len(piece) <= 50 for piece in pieces)


def test_a_block_is_a_pure_function_of_the_study_and_its_place() -> None:
    values = replicate_values(STUDY)
    assert (block_values(STUDY, "exact", None, range(1200, 1210)) == values[1200:1210]).all()
