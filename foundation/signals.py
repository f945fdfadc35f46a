"""Handling of SIGINT, which Ctrl-C sends to every process of a command, and of SIGTERM.

Three rules hold for every function here:

- Python sets handlers in the main thread only, so in any other thread nothing is changed.
- A signal that is ignored stays ignored. A shell starts a background job of a script (``command &``) with SIGINT
  ignored, so that Ctrl-C stops only the command in the foreground.
- A block gives back the handlers that it replaced, except for signals that have been ignored meanwhile: a process that
  ignores them (`ignore_signals`) is about to exit and must not be interrupted.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None
"""A function of the signal's number and the interrupted frame, or a constant of `signal.Handlers`."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_SECONDS_TO_NEXT = 0.5
"""The processor time after which the signal of `processor_time_limited` is repeated."""


def set_handler(handler: Handler, numbers: Iterable[signal.Signals] = STOP_SIGNALS) -> dict[signal.Signals, Handler]:
    """Handle signals by ``handler`` from now on; return the handlers that were replaced, for `restore_handlers`."""
    if not _is_main_thread():
        return {}
    handled = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}


def restore_handlers(handlers: Mapping[signal.Signals, Handler]) -> None:
    """Undo `set_handler`."""
    for number, handler in handlers.items():
        set_handler(handler, [number])


@contextlib.contextmanager
def handle_signals(
    handler: Handler, numbers: Iterable[signal.Signals] = STOP_SIGNALS
) -> Iterator[Mapping[signal.Signals, Handler]]:
    """Handle signals by ``handler`` until the block ends; yield the handlers that are replaced."""
    replaced = set_handler(handler, numbers)
    try:
        yield replaced
    finally:
        restore_handlers(replaced)


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer SIGINT and SIGTERM to the end of the block, so that a process is started and known before it is ended.

    The block's signal mask is for the new process, which inherits it and is not interrupted while it starts. In this
    process a library's own thread may still receive a signal; Python then calls the handler here, which records it.
    """
    if not _is_main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    with handle_signals(lambda number, frame: received.append((number, frame))) as replaced:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for number, frame in received:
        handler = replaced[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)
        else:
            signal.raise_signal(number)


class ProcessorTimeExceeded(BaseException):
    """A block took more processor time than it was given.

    Not an `Exception`, so that no handler inside the block catches it.
    """


@contextlib.contextmanager
def processor_time_limited(seconds: float) -> Iterator[None]:
    """Interrupt the block by `ProcessorTimeExceeded` once this process has computed for ``seconds`` in it.

    For pure Python code, which can be interrupted anywhere. Without effect outside of the main thread, where Python
    handles no signals; within a block of its own kind the shorter limit holds.
    """
    if not _is_main_thread():
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        # The signal comes again; an exception in a finalizer would be lost, with a warning.
        if not _is_in_finalizer(frame):
            raise ProcessorTimeExceeded(f"more than {seconds:g} seconds of processor time")

    before = signal.getitimer(signal.ITIMER_VIRTUAL)[0]
    if before and before <= seconds:
        yield
        return
    replaced = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _SECONDS_TO_NEXT)
    try:
        yield
    finally:
        left = signal.setitimer(signal.ITIMER_VIRTUAL, 0)[0]
        signal.signal(signal.SIGVTALRM, replaced)
        if before:
            # The limit around this one has run on.
            signal.setitimer(signal.ITIMER_VIRTUAL, max(before - (seconds - left), 1e-6), _SECONDS_TO_NEXT)


@contextlib.contextmanager
def handlers_deferred() -> Iterator[None]:
    """Defer what signals raise to the end of the block: for library code that calls Python back and cannot be unwound.

    For blocks of a moment; the signals of a terminal wait as well.
    """
    if not _is_main_thread():
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (*STOP_SIGNALS, signal.SIGALRM, signal.SIGVTALRM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def ignore_signals(numbers: Iterable[signal.Signals] = STOP_SIGNALS) -> None:
    """Ignore signals from now on, in this process and its future children."""
    if _is_main_thread():
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)


def ignore_terminal_signals() -> None:
    """Leave Ctrl-C, which a terminal sends to every process, to the process that started this one.

    To be called first in a process that was started while `signals_deferred`; it lets SIGTERM through again.
    """
    ignore_signals([signal.SIGINT])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _is_in_finalizer(frame: FrameType | None) -> bool:
    callbacks = [getattr(callback, "__code__", None) for callback in gc.callbacks]
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code in callbacks or frame.f_globals.get("__name__") == "weakref":
            return True
        frame = frame.f_back
    return False


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
