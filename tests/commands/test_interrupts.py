"""Ctrl-C twice, as a terminal sends it to all processes of a command: it ends at once, and leaves none behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foundation.processes import count_usable_cores
from tests.support.places import ROOT


def running(group: int) -> list[int]:
    """The processes of a group, but for those that ended and were not asked for their exit code."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, its_group = path.read_text().rpartition(") ")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(path.parent.name))
    return found


def wait_until(condition: Callable[[], bool]) -> bool:
    """Whether something comes to hold within half a minute."""
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Enough images for several processes to decode them; all but two are links."""
    folder = tmp_path / "pictures"
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    for split in ("train", "test"):
        (folder / split).mkdir(parents=True)
        Image.fromarray(pixels).save(folder / split / "first.png")
    for number in range(2500):
        os.link(folder / "train" / "first.png", folder / "train" / f"{number}.png")
    return folder


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("command", ["verify-lemmas", "datasets"])
def test_ctrl_c_twice_ends_every_process(command: str, pictures: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    check = ["datasets", "check", f"folder:{pictures}", "--data-dir", str(data), "--quiet"]
    process = subprocess.Popen(
        [sys.executable, "cli.py", *(["verify-lemmas", "--jobs", "2"] if command == "verify-lemmas" else check)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    processes = 1 + (2 if command == "verify-lemmas" else min(2, count_usable_cores()))
    try:
        assert wait_until(lambda: len(running(process.pid)) >= processes)
        for _ in range(2):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.01)
        started = time.monotonic()
        output, errors = process.communicate(timeout=30)
        assert time.monotonic() - started < 5
        assert process.returncode == 130
        assert output == ""
        assert errors.strip() == "Error: interrupted. No partial output was left; run the same command to start over."
        assert wait_until(lambda: running(process.pid) == [])
    finally:
        for left in running(process.pid):
            os.kill(left, signal.SIGKILL)
    assert [path.suffix for path in data.rglob("*") if path.is_file()] in ([], [".lock"])


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_ctrl_c_twice_does_not_wait_for_a_long_computation(tmp_path: Path) -> None:
    """A block of this size is under way in each thread for seconds."""
    state = tmp_path / "state.json"
    arguments = ["--m", "8000000", "--engine", "exact", "--replicates", "100", "--quiet", "--resume", str(state)]
    process = subprocess.Popen(
        [sys.executable, "cli.py", "simulate-tm", *arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert wait_until(state.exists)
        time.sleep(0.2)
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert errors.strip().startswith("Error: interrupted")
    assert "Traceback" not in errors
