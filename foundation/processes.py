"""Worker processes, what crosses their boundaries, and the number of usable cores.

An exception crosses as text: many exceptions cannot be pickled, or not be built again from their pickle, and the
process that waits for an answer would then see a broken connection.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler

from foundation.errors import InputError
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


class WorkerFailed(InputError):
    """A computation in another process ended with an exception that is not about its input."""


class _WorkerTraceback(Exception):
    """The traceback of a worker process, shown as the cause of `WorkerFailed`."""


@dataclass(frozen=True)
class Failure:
    """An exception as text.

    Attributes
    ----------
    sentence : str
        Its type and message; only the message of an `InputError`.
    traceback : str
        Where it was raised; empty for an `InputError`.
    """

    sentence: str
    traceback: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return the exception as text, even if its message cannot be formatted."""
        try:
            message = str(error)
        except Exception:
            message = "without a message that can be shown"
        if isinstance(error, InputError):
            return cls(message)
        try:
            trace = "".join(traceback.format_exception(error))
        except Exception:
            trace = "it cannot be formatted"
        return cls(f"{type(error).__name__}{': ' if message else ''}{message}", trace)

    def exception(self) -> InputError:
        """Return the exception to raise in the process that waited for the answer."""
        if not self.traceback:
            return InputError(self.sentence)
        failed = WorkerFailed(f"the computation failed with {self.sentence}. Please report it; --debug shows where.")
        failed.__cause__ = _WorkerTraceback(f"\n{self.traceback}")
        return failed


def send_outcome(connection: Connection, function: Callable[..., object], *arguments: object) -> None:
    """Send the value of ``function(*arguments)``, or a `Failure` if it raises or its value cannot be pickled."""
    try:
        value = function(*arguments)
    # Also SystemExit and the like: the process that waits is to hear of them.
    except BaseException as error:
        connection.send(Failure.of(error))
        return
    try:
        # A value is pickled whole before its first byte is written.
        connection.send((value,))
    except LOST:
        raise
    except Exception as error:
        connection.send(Failure.of(error))


def receive_outcome(connection: Connection) -> object:
    """Return the value that `send_outcome` sent.

    Raises
    ------
    InputError
        If the function raised one, with the same sentence; `WorkerFailed` if it raised anything else, or its value
        cannot be read here.
    EOFError, OSError
        If the process has died (`LOST`).
    """
    content = connection.recv_bytes()
    try:
        answer = ForkingPickler.loads(content)
    except Exception as error:
        raise Failure.of(error).exception() from error
    if isinstance(answer, Failure):
        raise answer.exception()
    return answer[0]
