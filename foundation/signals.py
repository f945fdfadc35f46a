"""Handling of SIGINT, which Ctrl-C sends to every process of a command, and of SIGTERM.

Every handler is set here. A command raises an exception for a signal (`InsistentStop`), unless a block inside it only
notes the signal to stop at a better moment; such a block passes on a signal that it did not answer.

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
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from types import FrameType
from typing import Any, NoReturn, TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None
"""A function of the signal's number and the interrupted frame, or a constant of `signal.Handlers`."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_SECONDS_TO_NEXT = 0.5
"""The processor time after which the signal of `processor_time_limited` is repeated."""

_DEFERRED: ContextVar[bool] = ContextVar("_DEFERRED", default=False)
"""Whether this is within a block of `handlers_deferred`."""

SECONDS_BETWEEN_REMINDERS = 0.25
"""Time after which `InsistentStop` raises its exception again if a library has dropped it."""


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
        deliver(number, frame, replaced)


def deliver(number: int, frame: FrameType | None, handlers: Mapping[signal.Signals, Handler]) -> None:
    """Handle a signal that an inner block noted and did not answer by the handler that the block had replaced."""
    handler = handlers.get(signal.Signals(number))
    if callable(handler):
        handler(number, frame)
    elif handler is signal.SIG_DFL:
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
        if not (_DEFERRED.get() or _is_in_finalizer(frame)):
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

    For blocks of a moment; the signals of a terminal wait as well. A mask of signals would not do: the kernel may hand
    a signal to any other thread, after which Python calls the handler here.
    """
    if not _is_main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    token = _DEFERRED.set(True)
    try:
        numbers = (*STOP_SIGNALS, signal.SIGALRM)
        with handle_signals(lambda number, frame: received.append((number, frame)), numbers) as replaced:
            yield
    finally:
        _DEFERRED.reset(token)
    for number, frame in received:
        deliver(number, frame, replaced)


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


def exit_on_signals(describe: Callable[[int], str]) -> None:
    """Exit at once on a signal from now on, with a sentence on standard error: for a program that has done nothing yet.

    An exception could be raised in the middle of an import, where it is dropped or shown as a traceback. ``describe``
    returns the sentence for the number of a signal.
    """

    def exit_at_once(number: int, _frame: FrameType | None) -> NoReturn:
        with contextlib.suppress(OSError):
            os.write(2, f"{describe(number)}\n".encode())
        os._exit(128 + number)

    set_handler(exit_at_once)


class InsistentStop:
    """A context that raises an exception for SIGINT and SIGTERM, again and again until it arrives.

    Python raises the exception of a handler wherever the program happens to be. If that is a callback whose exceptions
    are ignored, such as the removal of an object, or a library that catches every exception, it is lost. The exception
    is therefore raised again after `SECONDS_BETWEEN_REMINDERS` if it no longer exists: while it is on its way, also
    through ``finally`` clauses that take long, or as the cause of another exception, it does.

    It uses SIGALRM, and belongs around a whole program.

    Parameters
    ----------
    exception_for : callable
        Returns the exception for the number of a signal; its class must admit weak references.
    """

    def __init__(self, exception_for: Callable[[int], BaseException]) -> None:
        self._exception_for = exception_for
        self._number = 0
        self._raised: Callable[[], BaseException | None] = lambda: None
        self._replaced: Mapping[signal.Signals, Handler] = {}
        self._unraisable: Callable[[Any], Any] = sys.unraisablehook

    def __enter__(self) -> InsistentStop:
        self._unraisable, sys.unraisablehook = sys.unraisablehook, self._report_unraisable
        self._replaced = {**set_handler(self._raise), **set_handler(self._remind, [signal.SIGALRM])}
        return self

    def __exit__(self, *_: object) -> None:
        self.rest()
        restore_handlers(self._replaced)
        sys.unraisablehook = self._unraisable

    def rest(self) -> None:
        """Raise no exception again: it has arrived, or the work is complete."""
        if self._number:
            signal.setitimer(signal.ITIMER_REAL, 0)
        self._number = 0

    def _raise(self, number: int, _frame: FrameType | None) -> NoReturn:
        self._number = number
        signal.setitimer(signal.ITIMER_REAL, SECONDS_BETWEEN_REMINDERS, SECONDS_BETWEEN_REMINDERS)
        exception = self._exception_for(number)
        self._raised = weakref.ref(exception)
        try:
            raise exception
        finally:
            # The exception refers to this frame, which must not keep it alive.
            del exception

    def _remind(self, _number: int, frame: FrameType | None) -> None:
        if self._number and self._raised() is None:
            self._raise(self._number, frame)

    def _report_unraisable(self, unraisable: Any) -> None:
        """Report an exception that Python ignores, but for our own, which will be raised again."""
        if unraisable.exc_value is None or unraisable.exc_value is not self._raised():
            self._unraisable(unraisable)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
