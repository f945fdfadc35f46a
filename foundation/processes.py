"""Processes that work for this one: how they are started, and what all do with SIGINT and SIGTERM.

A terminal sends these signals to every process of a command.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_HELD_BACK = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until a process is started and known, so that it can be ended in its turn.

    The mask is for the new process, which inherits it and is not disturbed either while it comes up. In this process
    a library's own thread may still take the signal, and Python then runs the handler here: it waits in a list.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    handlers = {number: signal.signal(number, lambda *arrival: received.append(arrival)) for number in _HELD_BACK}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for arrived, frame in received:
        answer = handlers[signal.Signals(arrived)]
        if callable(answer):
            answer(arrived, frame)
        elif answer == signal.SIG_DFL:
            signal.raise_signal(arrived)


def listen_to_the_parent_alone() -> None:
    """In a new process: leave Ctrl-C, which a terminal sends to all, to the parent; let SIGTERM through again."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)


def started(target: Callable[..., None], *arguments: object) -> tuple[BaseProcess, Connection]:
    """Start ``target(connection, *arguments)`` in a process of its own; return it and our end of the connection.

    Each process has a pipe of its own, which is at its end when the process dies, even in the middle of an answer
    (`LOST`). Where processes share a queue, as in `concurrent.futures`, one that is killed there leaves all waiting.
    """
    # It lets signals through again when it starts, and the process that started it would meet them as it comes up.
    resource_tracker.ensure_running()
    with undisturbed():
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
        process.start()
        theirs.close()
        return process, ours


#: What reading from or writing to a process that died raises.
LOST = (EOFError, OSError)
