"""Long runs: kept as they go, resumed to the last bit, and never at the cost of somebody's file."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from foundation.errors import InputError
from foundation.signals import handle_signals
from foundation.types import Array
from simulations import Result, SimulationInterrupted, Study, simulate, simulate_studies
from simulations.engines.choice import ENGINES
from simulations.engines.names import LARGEST_M
from simulations.study import save_pace
from simulations.study.accumulators import KEPT, QuantileSketch
from simulations.study.blocks import blocks_of
from simulations.study.saved_state import state_file
from tests.support.places import ROOT
from tests.support.processes.signals import ignoring_interrupts

STUDY = Study(m=60, replicates=3500, seed=5)


def told(result: Result) -> dict[str, object]:
    return {key: value for key, value in result.document().items() if not key.endswith(("seconds", "second"))}


def kept_replicates(path: Path) -> int:
    moments = json.loads(path.read_text())["studies"][0]["moments"]
    return moments["count"] if moments else 0


@pytest.mark.parametrize("m", [1, 60, 2001, 10**6, 10**9])
def test_blocks_cover_the_replicates_and_depend_on_m_alone(m: int) -> None:
    blocks = list(blocks_of(m, 0, 3500))
    assert [replicate for block in blocks for replicate in block] == list(range(3500))
    assert blocks[: len(blocks) // 2] == list(blocks_of(m, 0, 10**6 if m > 10**5 else 10**4))[: len(blocks) // 2]


def test_a_study_grows_to_what_it_would_have_been_at_once(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    for replicates in (700, 1000, 2300, 3500, 3500):
        grown = simulate(replace(STUDY, replicates=replicates), resume=path)
        assert grown.study.replicates == replicates
    assert told(grown) == told(simulate(STUDY))


class _Quick:
    name, cells_per_bandwidth, discretisation, draws, strata_drawn = "quick", None, None, 5, None

    def __init__(self, *_: object) -> None:
        pass

    def values(self, seed: int, replicates: range) -> np.ndarray:
        return 1e6 + np.random.default_rng([seed, replicates.start]).gamma(4.0, 0.1, len(replicates))


def test_a_study_grows_beyond_the_values_that_are_kept_to_what_it_would_have_been_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On an engine that takes no time."""
    monkeypatch.setitem(ENGINES, "quick", _Quick)
    monkeypatch.setitem(LARGEST_M, "quick", 10**9)
    path = tmp_path / "state.json"
    study = Study(m=5, replicates=2 * KEPT + 700, engine="quick")
    for replicates in (KEPT - 384, KEPT + 700, study.replicates):
        grown = simulate(replace(study, replicates=replicates), resume=path)
        (kept,) = json.loads(path.read_text())["studies"]
        assert (kept["grid"] is None) == (replicates < KEPT)
    assert told(grown) == told(simulate(study)) == told(simulate(study, workers=1))


def test_several_studies_are_kept_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    studies = [Study(m=m, replicates=1200) for m in (20, 30)]
    running = simulate_studies(studies, resume=path)
    first = next(running)
    running.close()
    resumed = list(simulate_studies(studies, resume=path))
    assert [told(result) for result in resumed] == [told(simulate(study)) for study in studies]
    assert told(first) == told(resumed[0])


RUN = """
import sys, time
from simulations import SimulationInterrupted, Study, simulate
study = Study(m=60, replicates=3500, seed=5)
try:
    simulate(study, workers=1, resume=sys.argv[1], progress=lambda done: (print(done, flush=True), time.sleep(0.7)))
except SimulationInterrupted as interruption:
    sys.exit(128 + interruption.signal_number)
"""


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_stopped_process_is_resumed_to_the_identical_result(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "state.json"
    process = subprocess.Popen([sys.executable, "-c", RUN, str(path)], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["1000\n", "2000\n"]
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    assert kept_replicates(path) in (1000, 2000, 3000)
    assert list(tmp_path.glob("*.json")) == [path]
    assert told(simulate(STUDY, resume=path)) == told(simulate(STUDY))


def test_a_process_started_with_sigint_ignored_is_not_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    command = ignoring_interrupts(sys.executable, "-c", RUN, str(path))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "1000\n"
    process.send_signal(signal.SIGINT)
    done, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert done.split() == ["2000", "3000", "3500"]


def test_a_second_ctrl_c_in_the_middle_of_a_merge_saves_nothing_half_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.json"
    merged: list[int] = []
    add = QuantileSketch.add

    def interrupted_add(sketch: QuantileSketch, values: Array) -> None:
        merged.append(len(values))
        if len(merged) == 3:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        add(sketch, values)

    monkeypatch.setattr(save_pace, "SECONDS_BETWEEN_SAVES", 0.0)
    monkeypatch.setattr(save_pace, "SHARE_OF_TIME", math.inf)
    monkeypatch.setattr(QuantileSketch, "add", interrupted_add)
    with pytest.raises(SimulationInterrupted, match="after 2,000 of 3,500 replicates at m = 60; they are saved in"):
        simulate(STUDY, resume=path)
    monkeypatch.undo()
    assert kept_replicates(path) == 2000
    assert told(simulate(STUDY, resume=path)) == told(simulate(STUDY))


def damaged(path: Path, kind: str) -> None:
    whole = path.read_bytes()
    if kind == "torn":
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "altered":
        path.write_bytes(whole.replace(b'"count": 3000', b'"count": 2000'))
    elif kind == "foreign":
        path.write_text('{"m": 60}')
    elif kind == "no text":
        path.write_bytes(b"\xff\x00")
    else:
        path.write_text("")
    assert path.read_bytes() != whole


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("torn", "cut short or not a file that simulate-tm wrote"),
        ("altered", "has been altered: its checksum does not match"),
        ("foreign", "not a file that this version of simulate-tm wrote"),
        ("no text", "cut short or not a file that simulate-tm wrote"),
        ("empty", "cut short or not a file that simulate-tm wrote"),
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, kind: str, complaint: str) -> None:
    path = tmp_path / "state.json"
    simulate(STUDY, resume=path)
    damaged(path, kind)
    before = path.read_bytes()
    with pytest.raises(InputError, match=complaint):
        simulate(STUDY, resume=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"m": 61}, "it has m = 60, not 61"),
        ({"seed": 6}, "its seed is 5, not 6"),
        ({"kernel": "biweight"}, "its kernel is epanechnikov, not biweight"),
        ({"density": "laplace"}, "its density is normal, not laplace"),
        ({"weight": "window:-1,2"}, "its weight is window:-2,2, not window:-1,2"),
        ({"bandwidth": "0.3"}, "its bandwidth is m\\^-0.235, not 0.3"),
        ({"replicates": 2999}, "must be at least 3,000 at m = 60, the number in --resume .*, got 2,999"),
    ],
)
def test_the_file_of_another_study_is_refused_and_left_as_it_is(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    path = tmp_path / "state.json"
    simulate(STUDY, resume=path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=complaint):
        simulate(replace(STUDY, **change), resume=path)  # type: ignore[arg-type]
    assert path.read_bytes() == before


def test_a_file_of_a_program_that_computes_other_values_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with state_file(path, [{"m": 60, "first_value": 0.1}]):
        pass
    with (
        pytest.raises(InputError, match="another version of this program or on another kind of processor"),
        state_file(path, [{"m": 60, "first_value": 0.1 + 2**-53}]),
    ):
        pass


def test_a_file_in_use_by_another_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    code = f"import filelock; lock = filelock.FileLock({str(path.with_name('.state.json.lock'))!r}); lock.acquire();"
    holder = subprocess.Popen(
        [sys.executable, "-c", code + "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(InputError, match="is in use by another process"):
        simulate(STUDY, resume=path)
    holder.communicate(b"\n")
    assert not path.exists()
    simulate(Study(m=20, replicates=10), resume=path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"must be a file, but .* is a folder"):
        simulate(STUDY, resume=tmp_path)


def test_saving_takes_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock of our own, on which a save takes 1 s and the blocks in between 0.1 s each."""
    # The file is saved once when it is created, on the real clock, which this one must continue.
    with state_file(tmp_path / "state.json", [{"m": 60}]) as file:
        now = start = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now)
        saved: list[float] = []

        def slow_save() -> None:
            nonlocal now
            saved.append(now)
            with file._pace.measure():
                now += 1.0

        monkeypatch.setattr(file, "save", slow_save)
        for _ in range(2000):
            now += 0.1
            file.save_periodically()
    assert 5 <= len(saved) <= 0.05 * (now - start) + 1


def test_nothing_but_the_lock_stays_next_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    simulate(Study(m=20, replicates=10), resume=path)
    lock = FileLock(path.with_name(".state.json.lock"))
    assert {entry.name for entry in tmp_path.iterdir()} <= {path.name, Path(lock.lock_file).name}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_after_the_last_block_of_a_study_is_not_lost(number: signal.Signals) -> None:
    """Nothing looks at what was noted there, and the next study would begin."""
    received: list[int] = []

    def progress(done: int) -> None:
        if done == study.replicates:
            signal.raise_signal(number)

    study = Study(m=20, replicates=30)
    with handle_signals(lambda number, _: received.append(number)):
        studies = simulate_studies([study, study], display=lambda _: contextlib.nullcontext(progress))
        next(studies)
        assert received == [number]
        studies.close()
