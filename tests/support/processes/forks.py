"""Processes forked from one that has imported the program, each of which is thereby spared seconds of imports.

`Forks` is the interface for tests. All processes that test share one server, which ends with the last of them. It runs
this module, imports everything and forks a process for every order.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

from filelock import FileLock

from tests.support.places import ROOT

#: OpenMP threads sleep while waiting, so that several processes can share the two cores of a small machine.
VARIABLES = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "COLUMNS": "120", "NO_COLOR": "1"}

#: How long the server waits for its first connection.
SECONDS_TO_CONNECT = 60.0

MOST_BYTES = 1 << 20


@dataclass
class Forked:
    """A forked process, with its standard input and output."""

    pid: int
    stdin: IO[str]
    stdout: IO[str]
    descriptor: int

    def send_signal(self, number: int) -> None:
        """Send a signal to the process, which may have ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, number)

    def wait(self, seconds: float = 60) -> None:
        """Wait until the process has ended."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        assert ready, f"process {self.pid} has not ended in {seconds} seconds"

    def end(self) -> None:
        """Close the standard input, and wait until the process has ended."""
        self.stdin.close()
        self.wait()
        self.stdout.close()
        os.close(self.descriptor)

    def kill(self) -> None:
        """Kill the process, which may have ended."""
        self.send_signal(signal.SIGKILL)


class Forks:
    """A connection to the server.

    Parameters
    ----------
    folder : Path
        Where all processes that test find the server. The first of them starts it.
    """

    def __init__(self, folder: Path) -> None:
        self._log = folder / "forks.log"
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with FileLock(folder / "forks.lock"), _short_path(folder / "forks.socket") as path:
            if not (folder / "forks.socket").exists():
                _start_server(path, self._log)
            self._server.connect(path)

    def fork(self, function: str, *arguments: object, environment: Mapping[str, str] | None = None) -> Forked:
        """Call a function, given as ``module:name``, with arguments of JSON, in a new process.

        Its environment is that of this process, with `VARIABLES` and ``environment``.
        """
        variables = {**os.environ, **VARIABLES, **(environment or {})}
        order = json.dumps({"function": function, "arguments": arguments, "environment": variables}).encode()
        assert len(order) < MOST_BYTES
        (their_input, our_input), (our_output, their_output) = os.pipe(), os.pipe()
        socket.send_fds(self._server, [order], [their_input, their_output])
        os.close(their_input)
        os.close(their_output)
        answer, descriptors, _, _ = socket.recv_fds(self._server, 100, 1)
        assert answer, self._log.read_text()
        return Forked(int(answer), os.fdopen(our_input, "w"), os.fdopen(our_output), *descriptors)

    def close(self) -> None:
        """Leave the server."""
        self._server.close()


@contextlib.contextmanager
def _short_path(path: Path) -> Iterator[str]:
    """Yield a path that is short enough for the name of a socket."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _start_server(path: str, log: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        listener.set_inheritable(True)
        os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", __name__, str(listener.fileno())],
            {**os.environ, **VARIABLES, "PYTHONPATH": str(ROOT)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            # Ctrl-C ends the tests, which end their processes.
            setsid=True,
        )


@dataclass
class _Server:
    """Forks processes for whoever connects to ``listener``."""

    listener: socket.socket
    connections: list[socket.socket] = field(default_factory=list)
    processes: set[int] = field(default_factory=set)

    def serve(self) -> None:
        """Answer orders until the last connection is closed, and kill the processes that are left."""
        while self._wait():
            pass
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _wait(self) -> bool:
        """Wait for orders and answer them; return whether any connection is left."""
        ready, _, _ = select.select(
            [self.listener, *self.connections], [], [], None if self.connections else SECONDS_TO_CONNECT
        )
        for source in ready:
            if source is self.listener:
                self.connections.append(source.accept()[0])
            else:
                self._answer(source)
        return bool(self.connections)

    def _answer(self, connection: socket.socket) -> None:
        order, descriptors, _, _ = socket.recv_fds(connection, MOST_BYTES, 2)
        if not order:
            self.connections.remove(connection)
            connection.close()
            return
        self._forget_ended()
        process = os.fork()
        if process == 0:
            for inherited in (self.listener, *self.connections):
                inherited.close()
            _run(json.loads(order), descriptors)
        self.processes.add(process)
        descriptor = os.pidfd_open(process)
        socket.send_fds(connection, [str(process).encode()], [descriptor])
        for each in (descriptor, *descriptors):
            os.close(each)

    def _forget_ended(self) -> None:
        self.processes -= {process for process in self.processes if os.waitpid(process, os.WNOHANG)[0]}


def _run(order: dict[str, Any], descriptors: list[int]) -> NoReturn:
    code = 70
    try:
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.environ.clear()
        os.environ.update(order["environment"])
        module, _, name = order["function"].partition(":")
        getattr(importlib.import_module(module), name)(*order["arguments"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _prepare() -> None:
    """Import everything, and do once what each process would otherwise do first."""
    # Matplotlib searches for fonts once and caches the result; do this outside a child's quota.
    import matplotlib.font_manager  # noqa: F401

    import cli  # noqa: F401
    from simulations import Study, simulate
    from simulations.terminal import study_report

    # Compile with Numba and simplify with sympy once.
    study_report(simulate(Study(m=60, replicates=10), workers=1))
    # The simulations are also tested without torch and without dask.
    if importlib.util.find_spec("torch") is not None:
        _prepare_training()
    if importlib.util.find_spec("distributed") is not None:
        import dask.cli  # noqa: F401
        import distributed.cli.dask_scheduler
        import distributed.cli.dask_worker  # noqa: F401


def _prepare_training() -> None:
    import sklearn.mixture  # noqa: F401
    import torch

    import evae.evaluation.evaluate
    import evae.evaluation.generation
    import evae.evaluation.pictures
    import evae.evaluation.terminal
    import evae.experiments.cluster
    import evae.experiments.display
    import evae.experiments.reports.figures
    import evae.experiments.reports.files
    import evae.experiments.runner
    import evae.runs.continuation
    import evae.training.display
    import evae.training.train
    from tests.support.networks import narrow_networks

    torch.set_num_threads(1)
    # A checkpoint is written sixty times as fast; what happens to a process does not depend on its size.
    narrow_networks()
    # torch imports its compiler for its first optimizer.
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    rows = evae.evaluation.pictures.ImageRows("a row", torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    with tempfile.TemporaryDirectory() as folder:
        evae.evaluation.pictures.save_rows([rows], Path(folder, "rows.png"), "rows")


def main(listener: str) -> None:
    """Prepare and serve."""
    os.chdir(ROOT)
    _prepare()
    # The processes share the memory of what is there by now, and no collection goes through it.
    gc.collect()
    gc.freeze()
    _Server(socket.socket(fileno=int(listener))).serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
