"""SIGINT and SIGTERM: who handles them, what is restored, and what stays ignored."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from foundation.errors import Interruption
from foundation.processes import start_process
from foundation.signals import (
    STOP_SIGNALS,
    InsistentStop,
    ProcessorTimeExceeded,
    handle_signals,
    handlers_deferred,
    ignore_signals,
    processor_time_limited,
    restore_handlers,
    set_handler,
    signals_deferred,
)
from tests.support.places import ROOT
from tests.support.processes.signals import ignoring_interrupts, tell_what_a_worker_handles


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in STOP_SIGNALS]


@pytest.fixture
def received() -> Iterator[list[int]]:
    """The signals that came to a handler that was there before; the handlers of the test run are put back."""
    numbers: list[int] = []
    before = {number: signal.signal(number, lambda number, _: numbers.append(number)) for number in STOP_SIGNALS}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


def in_a_thread(function: Callable[[], object]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_block_handles_signals_and_restores_the_handlers_before_it(
    received: list[int], number: signal.Signals
) -> None:
    inside: list[int] = []
    before = handlers()
    with handle_signals(lambda number, _: inside.append(number)) as replaced:
        assert list(replaced.values()) == before
        signal.raise_signal(number)
    assert handlers() == before
    signal.raise_signal(number)
    assert (inside, received) == ([number], [number])


@pytest.mark.usefixtures("received")
def test_a_block_that_fails_restores_them_too() -> None:
    before = handlers()
    with pytest.raises(RuntimeError), handle_signals(signal.SIG_DFL):
        raise RuntimeError
    assert handlers() == before


def test_only_the_named_signals_are_handled(received: list[int]) -> None:
    with handle_signals(signal.SIG_IGN, [signal.SIGTERM]):
        signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGINT]


def test_handlers_are_set_until_they_are_restored(received: list[int]) -> None:
    replaced = set_handler(lambda *_: None)
    signal.raise_signal(signal.SIGINT)
    restore_handlers(replaced)
    signal.raise_signal(signal.SIGTERM)
    assert received == [signal.SIGTERM]


@pytest.mark.usefixtures("received")
def test_in_another_thread_nothing_is_changed() -> None:
    before = handlers()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def use_all() -> None:
        with handle_signals(signal.SIG_DFL) as replaced, signals_deferred():
            assert replaced == {}
            assert handlers() == before
            assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
        ignore_signals()
        seen.append(handlers())

    seen: list[list[object]] = []
    in_a_thread(use_all)
    assert seen == [before]


def test_what_is_ignored_stays_ignored(received: list[int]) -> None:
    ignore_signals([signal.SIGINT])
    with handle_signals(lambda number, _: received.append(number)):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    set_handler(signal.default_int_handler, [signal.SIGINT])
    with signals_deferred():
        signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_what_is_ignored_inside_a_block_stays_ignored_after_it(received: list[int]) -> None:
    with handle_signals(lambda *_: None):
        ignore_signals()
    for number in STOP_SIGNALS:
        signal.raise_signal(number)
    assert received == []


def test_deferred_signals_arrive_after_the_block(received: list[int]) -> None:
    with signals_deferred():
        for number in STOP_SIGNALS:
            os.kill(os.getpid(), number)
        assert received == []
    assert sorted(received) == sorted(STOP_SIGNALS)


def test_a_block_that_fails_does_not_defer_any_longer(received: list[int]) -> None:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    with pytest.raises(RuntimeError), signals_deferred():
        raise RuntimeError
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    signal.raise_signal(signal.SIGTERM)
    assert received == [signal.SIGTERM]


def run(code: str, *, ignoring: bool = False) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"import os, signal\nfrom foundation.signals import *\n{code}"]
    command = ignoring_interrupts(*command) if ignoring else command
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_deferred_signal_without_a_handler_ends_the_process() -> None:
    done = run("with signals_deferred():\n    os.kill(os.getpid(), signal.SIGTERM)\n    print('done', flush=True)")
    assert (done.stdout, done.returncode) == ("done\n", -signal.SIGTERM)


@pytest.mark.parametrize(("ignoring", "code"), [(False, -signal.SIGINT), (True, 0)])
def test_a_program_started_with_sigint_ignored_continues(ignoring: bool, code: int) -> None:
    done = run("with handle_signals(signal.SIG_DFL):\n    os.kill(os.getpid(), signal.SIGINT)", ignoring=ignoring)
    assert (done.returncode, done.stderr) == (code, "")


def test_a_worker_leaves_ctrl_c_to_its_parent_and_is_ended_by_sigterm() -> None:
    process, connection = start_process(tell_what_a_worker_handles)
    blocked, handled = connection.recv(), connection.recv()
    process.join()
    assert set(STOP_SIGNALS).isdisjoint(blocked)
    assert handled == [signal.SIG_IGN, signal.SIG_DFL]


def compute(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() - start < seconds:
        pass


def limited(seconds: float, function: Callable[[], object]) -> None:
    with processor_time_limited(seconds):
        function()


def test_a_block_is_interrupted_after_its_processor_time() -> None:
    before = signal.getsignal(signal.SIGVTALRM)
    start = time.process_time()
    with pytest.raises(ProcessorTimeExceeded):
        limited(0.05, lambda: compute(60))
    assert time.process_time() - start < 5
    limited(60, lambda: compute(0.01))
    assert signal.getsignal(signal.SIGVTALRM) is before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_the_shorter_of_two_limits_holds_and_the_longer_one_goes_on_after_it() -> None:
    with pytest.raises(ProcessorTimeExceeded, match=r"than 0\.1 seconds"):
        limited(0.1, lambda: limited(30, lambda: compute(60)))
    ended: list[str] = []

    def within() -> None:
        try:
            limited(0.05, lambda: compute(60))
        except ProcessorTimeExceeded as reason:
            ended.append(str(reason))
        compute(60)

    with pytest.raises(ProcessorTimeExceeded, match=r"than 0\.2 seconds"):
        limited(0.2, within)
    assert ended == ["more than 0.05 seconds of processor time"]


def test_a_limit_is_not_lost_in_a_finalizer() -> None:
    class Slow:
        def __del__(self) -> None:
            compute(0.1)

    def work() -> None:
        Slow()
        compute(60)

    with pytest.raises(ProcessorTimeExceeded):
        limited(0.05, work)


@pytest.mark.parametrize("threads", [0, 3])
def test_a_limit_waits_for_code_that_cannot_be_unwound(threads: int) -> None:
    """Also where other threads, which the kernel may hand the signal to, wait."""
    finished, end = [], threading.Event()
    waiting = [threading.Thread(target=end.wait, args=(60,)) for _ in range(threads)]
    for thread in waiting:
        thread.start()

    def work() -> None:
        with handlers_deferred():
            compute(0.5)
            finished.append(True)
        compute(60)

    try:
        with pytest.raises(ProcessorTimeExceeded):
            limited(0.2, work)
    finally:
        end.set()
        for thread in waiting:
            thread.join()
    assert finished


def test_a_stop_signal_waits_for_code_that_cannot_be_unwound() -> None:
    finished = []

    def work() -> None:
        with handlers_deferred():
            os.kill(os.getpid(), signal.SIGINT)
            compute(0.01)
            finished.append(True)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert finished


def test_no_limit_holds_outside_of_the_main_thread() -> None:
    ended = []

    def work() -> None:
        with processor_time_limited(0.01), handlers_deferred():
            compute(0.05)
        ended.append(True)

    in_a_thread(work)
    assert ended


class Dropped:
    """Sends a signal where Python ignores exceptions."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)
        for _ in range(10):
            pass


def drop_in_a_destructor() -> None:
    Dropped()


def drop_by_catching_everything() -> None:
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGTERM)


def stop_insistently(number: int) -> BaseException:
    return Interruption("a sentence", number)


@pytest.mark.usefixtures("received")
@pytest.mark.parametrize("drop", [drop_in_a_destructor, drop_by_catching_everything])
def test_a_stop_that_a_library_drops_is_raised_again(
    drop: Callable[[], object], capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        for _ in range(3):
            drop()
        time.sleep(30)

    with pytest.raises(Interruption) as caught, InsistentStop(stop_insistently):
        work()
    assert caught.value.signal_number == signal.SIGTERM
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("received")
@pytest.mark.parametrize("convert", [False, True])
def test_a_stop_on_its_way_is_not_raised_again(convert: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in clauses that take long, nor where it is the cause of another exception."""
    monkeypatch.setattr("foundation.signals.SECONDS_BETWEEN_REMINDERS", 0.01)
    cleaned: list[str] = []

    def work() -> None:
        try:
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                time.sleep(0.1)
                cleaned.append("inside")
        except Interruption:
            if convert:
                raise Interruption("another", signal.SIGINT) from None
            raise
        finally:
            time.sleep(0.1)
            cleaned.append("outside")

    with pytest.raises(Interruption) as caught, InsistentStop(stop_insistently):
        work()
    assert caught.value.sentence == ("another" if convert else "a sentence")
    assert cleaned == ["inside", "outside"]


def test_handlers_and_timers_are_as_before_after_an_insistent_stop(received: list[int]) -> None:
    before = [*handlers(), signal.getsignal(signal.SIGALRM), sys.unraisablehook]
    with contextlib.suppress(Interruption), InsistentStop(stop_insistently):
        signal.raise_signal(signal.SIGINT)
    assert [*handlers(), signal.getsignal(signal.SIGALRM), sys.unraisablehook] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    signal.raise_signal(signal.SIGTERM)
    assert received == [signal.SIGTERM]


@pytest.mark.usefixtures("received")
def test_other_exceptions_that_python_ignores_are_still_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        def __del__(self) -> None:
            raise ValueError

    reported: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: reported.append(unraisable.exc_type))
    with InsistentStop(stop_insistently):
        Failing()
    assert reported == [ValueError]
