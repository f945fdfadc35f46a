"""Contestants in processes of their own, so that what one changes of its process is not another's gain."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

import torch

Epoch = Callable[[int], float]
"""Trains for an epoch of the given number, waits for the device, and returns the mean loss in nats per image."""


@contextlib.contextmanager
def in_a_process(contestant: Callable[[], Epoch], threads: int) -> Iterator[Callable[[], Epoch]]:
    """Make a contestant in a new process, where PyTorch has so many threads; the process ends with the block.

    Returns what waits until the contestant is made and returns its epoch, as it is called from here.

    Raises
    ------
    ImportError
        When waited for, if the contestant needs what is not installed.
    """
    # From a process that has loaded the libraries, and computed nothing: each would take seconds to load them anew.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.trainers"])
    # Not a daemon: a contestant's loader has processes of its own.
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
    # Ctrl-C reaches every process of a command, and one of them says so.
    with contextlib.suppress(KeyboardInterrupt):
        torch.set_num_threads(threads)
        try:
            epoch = contestant()
        except ImportError as error:
            connection.send(error)
            return
        connection.send(None)
        # The other end is closed when no more epochs are wanted.
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                connection.send(epoch(connection.recv()))
