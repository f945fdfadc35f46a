"""Worker processes start with SIGINT and SIGTERM blocked, and what they raise crosses as text."""

from __future__ import annotations

import builtins
import multiprocessing
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import InputError
from foundation.processes import WorkerFailed, receive_outcome, send_outcome
from tests.support.examples import examples
from tests.support.places import ROOT


def test_the_first_process_too_starts_with_signals_blocked() -> None:
    """Python's resource tracker, which starts with the first one, unblocks signals."""
    script = (
        "from tests.support.processes.signals import tell_what_is_blocked\n"
        "from foundation.processes import start_process\n"
        "print(*(int(number) for number in start_process(tell_what_is_blocked)[1].recv()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {signal.SIGINT, signal.SIGTERM} <= set(map(int, done.stdout.split()))


class Picky(Exception):
    """An exception that cannot be built again from its message."""

    def __init__(self, first: int, second: str, *, third: object) -> None:
        super().__init__(f"{first}: {second}")
        self.third = third


class Unpicklable(Exception):
    """An exception that holds what cannot be sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.held = lambda: None


class Speechless(Exception):
    """An exception whose message cannot be formatted."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Explosive(Exception):
    """An exception that fails as soon as it is read from a pickle."""

    def __reduce__(self) -> tuple[object, ...]:
        return int, ("not a number",)


BUILTIN = [
    one
    for one in vars(builtins).values()
    if isinstance(one, type) and issubclass(one, Exception) and one is not Exception
]


def built(kind: type[Exception], message: str) -> Exception:
    """An exception of a class, whatever its arguments must be."""
    if issubclass(kind, Picky):
        return kind(7, message, third=object())
    if issubclass(kind, UnicodeDecodeError):
        return kind("utf-8", message.encode("utf-8", "replace"), 0, 1, "reason")
    if issubclass(kind, UnicodeEncodeError):
        return kind("utf-8", message, 0, 1, "reason")
    if issubclass(kind, UnicodeTranslateError):
        return kind(message, 0, 1, "reason")
    if issubclass(kind, BaseExceptionGroup):
        return kind(message, [ValueError("inner"), Picky(1, "x", third=None)])
    return kind(message)


def received(function: Callable[[], object]) -> object:
    """What `receive_outcome` makes of what `send_outcome` sends, through a pipe."""
    here, there = multiprocessing.Pipe()
    with here, there:
        send_outcome(there, function)
        return receive_outcome(here)


@settings(max_examples=examples(120))
@given(kind=st.sampled_from([*BUILTIN, Picky, Unpicklable, Speechless, Explosive]), message=st.text(max_size=30))
def test_every_exception_crosses_as_text(kind: type[Exception], message: str) -> None:
    error = built(kind, message)

    def fail() -> None:
        raise error

    with pytest.raises(WorkerFailed) as caught:
        received(fail)
    assert kind.__name__ in str(caught.value)
    assert str(caught.value).isprintable()
    # The traceback of the other process is the cause, for --debug.
    assert "in fail" in str(caught.value.__cause__)


@given(st.text(max_size=60))
def test_an_input_error_crosses_as_the_same_sentence(sentence: str) -> None:
    def refuse() -> None:
        raise InputError(sentence)

    with pytest.raises(InputError) as caught:
        received(refuse)
    assert str(caught.value) == str(InputError(sentence))
    assert not isinstance(caught.value, WorkerFailed)


@pytest.mark.parametrize("value", [None, 3, "text", [1, 2], (4,), {"a": 1.5}])
def test_a_value_crosses_as_it_is(value: object) -> None:
    assert received(lambda: value) == value


@pytest.mark.parametrize("value", [lambda: None, Explosive("a value, not raised"), Unpicklable("held")])
def test_a_value_that_cannot_cross_is_a_failure_and_no_loss(value: object) -> None:
    with pytest.raises(WorkerFailed, match="the computation failed with"):
        received(lambda: value)


def test_an_exit_of_a_worker_is_told() -> None:
    with pytest.raises(WorkerFailed, match="SystemExit: 3"):
        received(lambda: sys.exit(3))
