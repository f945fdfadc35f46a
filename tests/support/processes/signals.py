"""Signals in tests: processes that report their signal handling, and processes started with SIGINT ignored."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection

from foundation.signals import ignore_terminal_signals


@contextlib.contextmanager
def interrupts_accepted() -> Iterator[None]:
    """Let SIGINT interrupt this process and, by default, every program that it starts.

    A shell starts a background job of a script with SIGINT ignored, and a new program inherits that. A
    signal with a handler here, however, has its default effect there.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def ignoring_interrupts(*command: str) -> list[str]:
    """Return the command that runs ``command`` with SIGINT ignored from the start."""
    return ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command]


def tell_what_is_blocked(connection: Connection) -> None:
    """Send the numbers of the signals that are blocked in a new process."""
    connection.send(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))


def tell_what_a_worker_handles(connection: Connection) -> None:
    """Send the blocked signals and the handlers of SIGINT and SIGTERM in a process that leaves Ctrl-C to its parent."""
    ignore_terminal_signals()
    tell_what_is_blocked(connection)
    connection.send([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])
