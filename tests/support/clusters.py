"""A dask scheduler and its workers in separate processes, which tests may kill."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.places import ROOT

#: OpenMP threads that sleep while waiting, so that two workers can share the two cores of a small machine.
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass
class Processes:
    """A scheduler at ``address`` and its workers, by their process."""

    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self, *options: str) -> subprocess.Popen[bytes]:
        worker = _started("worker", self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", *options)
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, number: int) -> None:
        # Imported here, because tests without a cluster also run without dask.
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(number, timeout=60)

    def kill_scheduler(self) -> None:
        self.scheduler.send_signal(signal.SIGKILL)
        self.scheduler.wait()


@contextlib.contextmanager
def processes(folder: Path, workers: int, *options: str) -> Iterator[Processes]:
    """Start a scheduler and workers, and kill the remaining ones at the end."""
    file = folder / "scheduler.json"
    scheduler = _started("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    started = Processes(_address(file, scheduler), scheduler)
    try:
        for _ in range(workers):
            started.add_worker(*options)
        if workers:
            started.wait_for_workers(workers)
        yield started
    finally:
        for process in (*started.workers, scheduler):
            process.kill()
            process.wait()


def _started(what: str, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dask", what, "--dashboard-address", "127.0.0.1:0", *options],
        cwd=ROOT,
        env={**os.environ, **QUIET},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _address(file: Path, scheduler: subprocess.Popen[bytes]) -> str:
    import json

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and scheduler.poll() is None:
        with contextlib.suppress(OSError, ValueError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.05)
    raise RuntimeError("the scheduler did not start")
