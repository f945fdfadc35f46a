"""Contestants in separate processes, so that no contestant profits from another's changes to its process."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import torch

Epoch = Callable[[int], float]
"""Trains for the epoch of the given number, waits for the device, and returns the mean loss in nats per image."""


@contextlib.contextmanager
def in_a_process(contestant: Callable[[], Epoch], threads: int) -> Iterator[Callable[[], Epoch]]:
    """Build a contestant in a new process with ``threads`` threads of PyTorch; the process ends with the block.

    Yields a function that waits until the contestant is built and returns its epoch, to be called from this process.

    Raises
    ------
    ImportError
        By the yielded function, if the contestant needs a package that is not installed.
    """
    # Forked from a process that has only loaded the libraries: loading them again would take seconds each time.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.shared.trainers"])
    # Not a daemon, since a contestant's loader may start processes.
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, contestant, threads))
    process.start()
    theirs.close()

    def ready() -> Epoch:
        error = ours.recv()
        if error is not None:
            raise error
        return epoch

    def epoch(number: int) -> float:
        ours.send(number)
        return float(ours.recv())

    try:
        yield ready
    finally:
        ours.close()
        process.join()


def _serve(connection: Connection, contestant: Callable[[], Epoch], threads: int) -> None:
    # Ctrl-C reaches every process of a command; the main process reports it.
    with contextlib.suppress(KeyboardInterrupt):
        torch.set_num_threads(threads)
        try:
            epoch = contestant()
        except ImportError as error:
            connection.send(error)
            return
        connection.send(None)
        # The other end is closed when no more epochs are needed.
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                connection.send(epoch(connection.recv()))
