"""A dask cluster in place of threads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
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
    client: Any = _connected(address)
    try:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(f"the cluster at {address} has no workers. Start some: dask worker {address}")
        yield Pool(client.get_executor(pure=False), threads, remote=True)
    except _failures() as error:
        raise InputError(
            f"the cluster at {address} failed while it computed ({type(error).__name__}: {error}). With --resume FILE "
            "a run goes on from what was done."
        ) from error
    finally:
        client.close()


def _connected(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "--cluster needs dask and distributed, which are not installed. Add them: pip install "
            "'epanechnikov-vae[cluster]'"
        ) from None
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
    client = pool.executor._client  # type: ignore[attr-defined]
    return list(client.run(function, *arguments).values())
