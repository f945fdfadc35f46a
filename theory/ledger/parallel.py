"""Deciding many claims side by side, each in a process that can be ended.

Symbolic algebra may run for ever on an unlucky expression. A claim that exceeds its time, or whose process dies, is
reported as undecided; it is never waited for.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

from foundation.errors import InputError
from foundation.processes import LOST, start_process
from foundation.signals import ignore_terminal_signals
from theory.claim import undecided
from theory.ledger.finding import Finding
from theory.ledger.registry import claim_named, verify

T = TypeVar("T")

TIME_LIMIT = 60.0
"""Seconds that one claim may take, unless told otherwise."""


@dataclass(frozen=True)
class Request:
    """A claim to decide, by its id, with another datum in place of the printed one if there is one."""

    claim_id: str
    assumed: str | None = None


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    request: Request | None = None
    started: float = 0.0


def decide(
    requests: Iterable[Request],
    jobs: int,
    time_limit: float = TIME_LIMIT,
    progress: Callable[[Finding], object] | None = None,
) -> list[Finding]:
    """Return the finding of each request, in their order.

    Parameters
    ----------
    requests : iterable of Request
    jobs : int
        How many processes decide at the same time, at least 1.
    time_limit : float
        Seconds after which a claim is given up as undecided.
    progress : function of a Finding, optional
        Called with each finding as it comes.

    Raises
    ------
    InputError
        Before anything is decided, if a request names no claim or assumes what is no expression.
    """
    order = list(requests)
    for request in order:
        claim = claim_named(request.claim_id)
        claim.parse(claim.printed if request.assumed is None else request.assumed)
    pending = deque(dict.fromkeys(order))
    unique = len(pending)
    findings: dict[Request, Finding] = {}
    workers: list[_Worker] = []
    try:
        for _ in range(min(jobs, unique)):
            workers.append(_Worker(*start_process(_serve)))
        while len(findings) < unique:
            for worker in workers:
                if worker.request is None and pending:
                    _assign(worker, pending.popleft())
            for index, finding in _collect(workers, time_limit):
                findings[Request(finding.claim.id, finding.assumed)] = finding
                workers[index].request = None
                if progress is not None:
                    progress(finding)
                if not workers[index].process.is_alive() and pending:
                    workers[index] = _Worker(*start_process(_serve))
    finally:
        for worker in workers:
            worker.process.kill()
    return [findings[request] for request in order]


def within(time_limit: float, function: Callable[..., T], *arguments: object) -> T:
    """Return ``function(*arguments)``, worked out in a process that is ended after ``time_limit`` seconds.

    Raises
    ------
    InputError
        If the time is up; and whatever the function raises.
    """
    process: BaseProcess | None = None
    try:
        process, connection = start_process(_call, function, arguments)
        if not connection.poll(time_limit):
            raise InputError(f"nothing came out within {time_limit:g} seconds. Try --time-limit with more.")
        answer = connection.recv()
    except LOST:
        raise InputError("the process that worked it out was ended from outside. Try again.") from None
    finally:
        if process is not None:
            process.kill()
    if isinstance(answer, Exception):
        raise answer
    result: T = answer
    return result


def _call(connection: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    ignore_terminal_signals()
    try:
        connection.send(function(*arguments))
    except Exception as error:
        connection.send(error)


def _assign(worker: _Worker, request: Request) -> None:
    worker.request = request
    worker.started = time.monotonic()
    # A worker that died while idle cannot be written to; `_collect` finds out what became of it.
    with contextlib.suppress(BrokenPipeError):
        worker.connection.send(request)


def _collect(workers: list[_Worker], time_limit: float) -> list[tuple[int, Finding]]:
    """Wait until a worker answers, dies or runs out of time, and return what that means for its claim."""
    busy = [worker for worker in workers if worker.request is not None]
    soonest = min(worker.started for worker in busy) + time_limit
    wait([worker.connection for worker in busy], timeout=max(0.0, soonest - time.monotonic()))
    collected = []
    for index, worker in enumerate(workers):
        if worker.request is None:
            continue
        if worker.connection.poll():
            collected.append((index, _receive(worker)))
        elif time.monotonic() - worker.started > time_limit:
            worker.process.kill()
            worker.process.join()
            collected.append((index, _give_up(worker, f"it took more than {time_limit:g} seconds.")))
    return collected


def _receive(worker: _Worker) -> Finding:
    try:
        answer = worker.connection.recv()
    except LOST:
        worker.process.join()
        return _give_up(worker, f"its process ended with exit code {worker.process.exitcode}.")
    return answer if isinstance(answer, Finding) else _give_up(worker, answer)


def _give_up(worker: _Worker, reason: str) -> Finding:
    assert worker.request is not None
    seconds = time.monotonic() - worker.started
    return Finding(claim_named(worker.request.claim_id), worker.request.assumed, undecided(reason), seconds)


def _serve(connection: Connection) -> None:
    """Decide the requests that come through ``connection`` until it is closed."""
    ignore_terminal_signals()
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            connection.send(verify(request.claim_id, request.assumed))
        except BrokenPipeError:
            return
        except Exception:
            # A defect of the check itself: the claim stays undecided, and the traceback says where to look.
            connection.send(f"the check itself failed:\n{traceback.format_exc()}")
