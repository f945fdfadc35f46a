"""Parallel decisions on claims, in worker processes with a time limit.

Symbolic algebra may run without end on an unfortunate expression. A claim that exceeds the time limit, or whose process
dies, is reported as undecided.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar, cast

from foundation.errors import InputError
from foundation.processes import LOST, receive_outcome, send_outcome, start_process
from foundation.signals import ignore_terminal_signals
from theory.claim import undecided
from theory.ledger.finding import Finding
from theory.ledger.registry import claim_named, verify

T = TypeVar("T")

TIME_LIMIT = 60.0
"""Default time limit for one claim, in seconds."""

SECONDS_TO_END = 5.0
"""How long a process that has closed its connection is waited for."""


@dataclass(frozen=True)
class ClaimRequest:
    """A claim to decide, by its id, with an optional datum in place of the printed one."""

    claim_id: str
    assumed: str | None = None


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    request: ClaimRequest | None = None
    started: float = 0.0


def decide(
    requests: Iterable[ClaimRequest],
    jobs: int,
    time_limit: float = TIME_LIMIT,
    progress: Callable[[Finding], object] | None = None,
) -> list[Finding]:
    """Decide all requests in parallel and return their findings in the order of the requests.

    Parameters
    ----------
    requests : iterable of ClaimRequest
    jobs : int
        The number of worker processes, at least 1.
    time_limit : float
        Seconds after which a claim is abandoned as undecided.
    progress : function of a Finding, optional
        Called with each finding as soon as it is available.

    Raises
    ------
    InputError
        Before anything is decided, if a request names an unknown claim or its datum is not an expression.
    """
    # Reject bad input before any process is started.
    order = list(requests)
    for request in order:
        claim = claim_named(request.claim_id)
        claim.parse(claim.printed if request.assumed is None else request.assumed)
    # Equal requests are decided once.
    pending = deque(dict.fromkeys(order))
    unique = len(pending)
    findings: dict[ClaimRequest, Finding] = {}
    workers: list[_Worker] = []
    try:
        for _ in range(min(jobs, unique)):
            workers.append(_Worker(*start_process(_serve)))
        while len(findings) < unique:
            for worker in workers:
                if worker.request is None and pending:
                    _assign(worker, pending.popleft())
            for index, finding in _collect(workers, time_limit):
                findings[ClaimRequest(finding.claim.id, finding.assumed)] = finding
                workers[index].request = None
                if progress is not None:
                    progress(finding)
                # Replace a worker that died or was killed at its time limit.
                if not workers[index].process.is_alive() and pending:
                    workers[index] = _Worker(*start_process(_serve))
    finally:
        for worker in workers:
            worker.process.kill()
    return [findings[request] for request in order]


def run_within(time_limit: float, function: Callable[..., T], *arguments: object) -> T:
    """Run ``function(*arguments)`` in a process that is killed after ``time_limit`` seconds, and return its result.

    Raises
    ------
    InputError
        If the time limit is exceeded or the process is killed, or the function raises an `InputError`;
        `foundation.processes.WorkerFailed` if it raises anything else.
    """
    # `poll` also returns when the process dies, and reading then raises one of `LOST`.
    process: BaseProcess | None = None
    try:
        process, connection = start_process(_call, function, arguments)
        if not connection.poll(time_limit):
            raise InputError(f"no result within {time_limit:g} seconds. Try a larger --time-limit.")
        try:
            return cast(T, receive_outcome(connection))
        except LOST:
            raise InputError(_describe_loss(process)) from None
    finally:
        if process is not None:
            process.kill()


def _describe_loss(process: BaseProcess) -> str:
    """Say how a process ended that sent no answer."""
    process.join(SECONDS_TO_END)
    code = process.exitcode
    if code is not None and code >= 0:
        return f"the worker process ended with exit code {code} before it had a result. Try again."
    return "the worker process was killed from outside, perhaps for want of memory. Try again."


def _call(connection: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    ignore_terminal_signals()
    send_outcome(connection, function, *arguments)


def _assign(worker: _Worker, request: ClaimRequest) -> None:
    worker.request = request
    worker.started = time.monotonic()
    # A worker that died while idle cannot be written to; `_collect` reports its death.
    with contextlib.suppress(BrokenPipeError):
        worker.connection.send(request)


def _collect(workers: list[_Worker], time_limit: float) -> list[tuple[int, Finding]]:
    """Wait until a worker answers, dies or exceeds its time, and return such workers' indices with their findings."""
    busy = [worker for worker in workers if worker.request is not None]
    # A dead worker closes its connection, which wakes `wait` as an answer does.
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
        answer = receive_outcome(worker.connection)
    except LOST:
        worker.process.join()
        return _give_up(worker, f"its process ended with exit code {worker.process.exitcode}.")
    except InputError as failure:
        # A defect of the check itself: the claim stays undecided, and the traceback locates the defect.
        return _give_up(worker, f"the check itself failed: {failure.__cause__ or failure}")
    assert isinstance(answer, Finding)
    return answer


def _give_up(worker: _Worker, reason: str) -> Finding:
    """Return the undecided finding on the request of ``worker``."""
    assert worker.request is not None
    seconds = time.monotonic() - worker.started
    return Finding(claim_named(worker.request.claim_id), worker.request.assumed, undecided(reason), seconds)


def _serve(connection: Connection) -> None:
    """Decide the requests received through ``connection`` until it is closed."""
    ignore_terminal_signals()
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        try:
            send_outcome(connection, verify, request.claim_id, request.assumed)
        except BrokenPipeError:
            return
