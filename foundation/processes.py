"""Processes that work for this one."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from foundation.signals import signals_deferred


def usable_cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def start_process(target: Callable[..., None], *arguments: object) -> tuple[BaseProcess, Connection]:
    """Start ``target(connection, *arguments)`` in a process of its own; return it and our end of the connection.

    Each process has a pipe of its own, which is at its end when the process dies, even in the middle of an answer
    (`LOST`). Where processes share a queue, as in `concurrent.futures`, one that is killed there leaves all waiting.
    """
    # It lets signals through again when it starts, and the process that started it would meet them as it comes up.
    resource_tracker.ensure_running()
    with signals_deferred():
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs, *arguments), daemon=True)
        process.start()
        theirs.close()
        return process, ours


#: What reading from or writing to a process that died raises.
LOST = (EOFError, OSError)
