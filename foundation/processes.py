"""Worker processes, and the number of usable cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from foundation.signals import signals_deferred


def count_usable_cores() -> int:
    """Return the number of processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_process(target: Callable[..., None], *arguments: object) -> tuple[BaseProcess, Connection]:
    """Start ``target(connection, *arguments)`` in a new process; return the process and this end of the connection.

    Each process has its own pipe, which ends when the process dies, even in the middle of a message (`LOST`). With a
    queue that processes share, as in `concurrent.futures`, a process that is killed while writing blocks all others.
    The process starts with SIGINT and SIGTERM blocked: ``target`` calls `foundation.signals.ignore_terminal_signals`
    first.
    """
    # The tracker unblocks signals when it starts, and the new process would then start with them unblocked.
    resource_tracker.ensure_running()
    with signals_deferred():
        context = multiprocessing.get_context("spawn")
        connection, other_end = context.Pipe()
        process = context.Process(target=target, args=(other_end, *arguments), daemon=True)
        process.start()
        other_end.close()
        return process, connection


#: Exceptions of reading from or writing to a process that has died.
LOST = (EOFError, OSError)
