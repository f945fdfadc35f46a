"""A dask scheduler and its workers in separate processes, which tests may kill."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes.forks import Forked, Forks


@dataclass
class Processes:
    """A scheduler at ``address`` and its workers, by their process."""

    forks: Forks
    address: str
    scheduler: Forked
    workers: list[Forked] = field(default_factory=list)

    def add_worker(self, *options: str) -> Forked:
        worker = _started(
            self.forks, "worker", self.address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", *options
        )
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
def processes(forks: Forks, folder: Path, workers: int) -> Iterator[Processes]:
    """Start a scheduler and workers, and kill the remaining ones at the end."""
    file = folder / "scheduler.json"
    scheduler = _started(forks, "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    started = Processes(forks, _address(file), scheduler)
    try:
        for _ in range(workers):
            started.add_worker()
        if workers:
            started.wait_for_workers(workers)
        yield started
    finally:
        for process in (*started.workers, scheduler):
            process.kill()
            process.end()


def _started(forks: Forks, what: str, *options: str) -> Forked:
    return forks.fork("tests.support.clusters:run_dask", what, "--dashboard-address", "127.0.0.1:0", *options)


def run_dask(*arguments: str) -> None:
    """Run dask's own command in this process."""
    from dask.cli import run_cli

    # Nobody reads what it says.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["dask", *arguments]
    run_cli()  # type: ignore[no-untyped-call]


def _address(file: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.02)
    raise RuntimeError("the scheduler did not start")
