"""A dask cluster in place of threads."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from simulations.execution import Pool
from theory.errors import InputError

SECONDS_TO_CONNECT = 5


@contextlib.contextmanager
def cluster(address: str) -> Iterator[Pool]:
    """Connect to the dask scheduler at ``address``, such as ``tcp://host:8786``, until the block ends.

    Raises
    ------
    InputError
        If dask.distributed is not installed, no scheduler answers within `SECONDS_TO_CONNECT`, it has no workers, or
        they go away.
    """
    _require_dask()
    with _without_its_tracebacks(), _connection(address) as pool:
        yield pool


class ClusterExecutor(Executor):
    """The workers of a dask cluster as an executor of the standard library.

    The one that comes with dask leaves its futures unfinished for ever when the scheduler goes away.
    """

    def __init__(self, client: Any) -> None:
        self.client = client

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Begin ``function(*arguments, **options)`` on a worker."""
        future: Future[Any] = Future()
        task = self.client.submit(function, *arguments, **options, pure=False)
        task.add_done_callback(partial(_hand_over, future))
        # This also keeps the task alive, which the cluster would forget with its last reference.
        future.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
        return future


def _hand_over(future: Future[Any], task: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(task.result())
    except BaseException as error:
        future.set_exception(error)


@contextlib.contextmanager
def _without_its_tracebacks() -> Iterator[None]:
    """Keep dask, which sets these levels when imported, from logging what one sentence says here."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado.application")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _connection(address: str) -> Iterator[Pool]:
    client: Any = _connected(address)
    try:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(f"the cluster at {address} has no workers. Start some: dask worker {address}")
        yield Pool(ClusterExecutor(client), threads, remote=True)
    except _failures() as error:
        raise InputError(
            f"the cluster at {address} failed while it computed ({type(error).__name__}). With --resume FILE a run "
            "goes on from what was done."
        ) from error
    finally:
        client.close()


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise InputError(
            "--cluster needs dask and distributed, which are not installed. Add them: pip install "
            "'epanechnikov-vae[cluster]'"
        ) from None


def _connected(address: str) -> Any:
    from distributed import Client

    try:
        return Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no dask scheduler answers at {address} within {SECONDS_TO_CONNECT} seconds "
            f"({type(error).__name__}). Start one with `dask scheduler`, or run without --cluster."
        ) from None


def _failures() -> tuple[type[BaseException], ...]:
    """Return what is raised when workers or the scheduler go away."""
    from distributed import CancelledError, KilledWorker
    from distributed.comm import CommClosedError

    return CancelledError, KilledWorker, CommClosedError


def answers(pool: Pool, function: Any, *arguments: Any) -> list[Any]:
    """Return what each worker of the cluster says of ``function(*arguments)``."""
    if not isinstance(pool.executor, ClusterExecutor):
        raise TypeError("only a cluster has workers to ask")
    return list(pool.executor.client.run(function, *arguments).values())
