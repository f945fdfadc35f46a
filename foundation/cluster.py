"""A dask cluster, one that is there or one that is started on this machine, as something that work is handed to.

It serves `simulations` and `evae` alike. What a worker computes is a pure function of its arguments, so that work whose
worker died is simply done again, by another: dask's scheduler sees to that. What is left to do here is to say in one
sentence what went wrong, to end when the scheduler or all workers are gone, and to let workers report and be stopped.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import re
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from foundation.errors import InputError
from foundation.signals import ignore_signals

SECONDS_TO_CONNECT = 5

SECONDS_TO_CLOSE = 15

SECONDS_WITHOUT_WORKERS = 60
"""How long a cluster may have no worker at all, as while a batch system replaces them, before it counts as lost."""

SECONDS_BETWEEN_LOOKS = 2

MOST_LOCAL_WORKERS = 256

GPU = "GPU"
"""The resource of a worker that has a GPU for itself: ``dask worker ADDRESS --resources GPU=1``."""

_DISTRIBUTION = "epanechnikov-vae"

_LOCAL = re.compile(r"local:(\d+)")

_ADDRESS = re.compile(r"([a-z]+://)?[^\s:/][^\s/]*:\d{1,5}")


class ClusterLost(InputError):
    """The scheduler, or all its workers, went away while they computed; what they had handed over is not lost."""


class WorkersDied(InputError):
    """A piece of work is not tried again, since one worker after another died in it."""


@dataclass(frozen=True)
class Worker:
    """A worker of the cluster: its address, the threads it computes in, and the resources it was started with."""

    address: str
    threads: int
    resources: Mapping[str, float]


@dataclass
class Cluster:
    """The workers of a dask scheduler.

    Attributes
    ----------
    address : str
        As it was asked for.
    client : distributed.Client
    """

    address: str
    client: Any
    _session: str = field(default_factory=lambda: f"{_DISTRIBUTION}-{uuid.uuid4().hex}")
    _looked: float = field(default=-float("inf"), repr=False)
    _last_seen: float = field(default_factory=time.monotonic, repr=False)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, needs: Mapping[str, float] | None = None) -> Any:
        """Begin ``function(*arguments)`` on a worker that has what it ``needs``; return its `Future`.

        The future raises what the function raises, `ClusterLost` or `WorkersDied`. The one that dask itself makes
        for the standard library stays unfinished for ever when the scheduler goes away.
        """
        future: Future[Any] = Future()
        task = self.client.submit(function, *arguments, pure=False, resources=dict(needs or {}) or None)
        task.add_done_callback(partial(self._hand_over, future))
        # This also keeps the task alive, which the cluster would forget with its last reference.
        future.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
        return future

    def workers(self) -> list[Worker]:
        """Return the workers that there are now."""
        found = self.client.scheduler_info().get("workers", {})
        return [Worker(at, int(one["nthreads"]), dict(one.get("resources") or {})) for at, one in found.items()]

    def ask(self, function: Callable[..., Any], /, *arguments: Any) -> list[Any]:
        """Return what each worker there is now answers to ``function(*arguments)``, beside its work."""
        try:
            return list(self.client.run(function, *arguments).values())
        except (ImportError, AttributeError) as error:
            raise _stranger(self.address, str(error)) from None

    def look(self) -> None:
        """Raise `ClusterLost` if the scheduler does not answer, or no worker was there for a while. Cheap to repeat."""
        now = time.monotonic()
        if now - self._looked < SECONDS_BETWEEN_LOOKS:
            return
        self._looked = now
        try:
            there = bool(self.client.nthreads())
        except (OSError, RuntimeError, ValueError, TimeoutError) as error:
            raise self._lost(type(error).__name__) from error
        if there:
            self._last_seen = now
        elif now - self._last_seen > SECONDS_WITHOUT_WORKERS:
            raise self._lost(f"no worker for {SECONDS_WITHOUT_WORKERS} seconds")

    def listen(self, handler: Callable[[Any], None]) -> Correspondence:
        """Return what the functions submitted are to be given to `report` and be stopped.

        ``handler`` takes each message, in another thread.
        """
        self.client.register_plugin(_companion(self._session))
        self.client.subscribe_topic(self._session, lambda event: handler(event[1]))
        return Correspondence(self._session)

    def request_stop(self) -> None:
        """Let `Correspondence.stop_requested` be true on every worker."""
        with contextlib.suppress(OSError, RuntimeError, ValueError, TimeoutError):
            self.client.run(_request_stop, self._session)

    def _hand_over(self, future: Future[Any], task: Any) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(task.result())
        except BaseException as error:
            future.set_exception(self._explained(error))

    def _explained(self, error: BaseException) -> BaseException:
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        if isinstance(error, KilledWorker):
            return WorkersDied(
                f"one worker of the cluster at {self.address} after another died in the same piece of work "
                f"({error.allowed_failures + 1} of them). See why in their logs; too little memory is the usual reason."
            )
        if isinstance(error, (CancelledError, CommClosedError)):
            return self._lost(type(error).__name__)
        if isinstance(error, ModuleNotFoundError):
            return _stranger(self.address, str(error))
        return error

    def _lost(self, reason: str) -> ClusterLost:
        return ClusterLost(f"the cluster at {self.address} was lost while it computed ({reason}).")


@dataclass(frozen=True)
class Correspondence:
    """What travels with a piece of work, for what the worker and the program that submitted it tell each other."""

    session: str

    def report(self, message: Any) -> None:
        """Send a message, made of JSON values, from a worker to the handler of `Cluster.listen`."""
        from distributed import get_worker

        get_worker().log_event(self.session, message)

    def stop_requested(self) -> bool:
        """Whether the program has asked this worker to stop."""
        from distributed import get_worker

        companion = get_worker().plugins.get(self.session)
        return companion is not None and companion.stopped.is_set()


@contextlib.contextmanager
def cluster(address: str, *, gpus: int = 0) -> Iterator[Cluster]:
    """Connect to a dask scheduler, or start one here, until the block ends.

    Parameters
    ----------
    address : str
        Such as ``tcp://host:8786``; or ``local:N``, which starts N workers on this machine, each of one thread.
    gpus : int
        With ``local:N``, how many GPUs this machine has: each is given to one of the workers, as the resource `GPU`.

    Raises
    ------
    InputError
        If dask.distributed is not installed, no scheduler answers within `SECONDS_TO_CONNECT`, it has no workers, or
        they do not have this program.
    """
    _require_dask()
    with _without_its_tracebacks(), _scheduler(address, gpus) as (where, local), _connection(where) as client:
        found = Cluster(address, client)
        if not found.workers():
            raise InputError(f"the cluster at {address} has no workers. Start some: dask worker {address}")
        _require_this_program(found)
        if local:
            # A terminal sends Ctrl-C to all: what becomes of the workers is decided here.
            found.ask(ignore_signals, [signal.SIGINT])
        yield found


@contextlib.contextmanager
def _scheduler(address: str, gpus: int) -> Iterator[tuple[str, bool]]:
    """Yield the address of the scheduler, and whether it was started here."""
    match = _LOCAL.fullmatch(address)
    if match is None:
        if address.partition(":")[0] == "local":
            raise InputError(f"--cluster {address} should be local:N, as in local:4, or a scheduler's address.")
        if not _ADDRESS.fullmatch(address):
            raise InputError(f"--cluster {address!r} is no address such as tcp://host:8786, nor local:N, as local:4.")
        yield address, False
        return
    number = int(match[1])
    if not 1 <= number <= MOST_LOCAL_WORKERS:
        raise InputError(f"--cluster {address} must start between 1 and {MOST_LOCAL_WORKERS} workers.")
    from distributed import Nanny, Scheduler, SpecCluster

    workers = {index: {"cls": Nanny, "options": _worker_options(index, gpus)} for index in range(number)}
    scheduler = {"cls": Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard_address": "127.0.0.1:0"}}
    started = SpecCluster(workers=workers, scheduler=scheduler, silence_logs=logging.CRITICAL)
    try:
        yield started.scheduler_address, True
    finally:
        # One that is just being started in place of a dead one would not end well; one that never comes is not waited
        # for: it ends with this process.
        with contextlib.suppress(TimeoutError):
            started.wait_for_workers(number, timeout=SECONDS_TO_CONNECT)
        with contextlib.suppress(TimeoutError):
            started.close(timeout=SECONDS_TO_CLOSE)


def _worker_options(index: int, gpus: int) -> dict[str, Any]:
    # Threads that wait for each other by sleeping: several processes of several threads share the cores, where
    # threads that spin would take five to ten times as long.
    environment = {"OMP_WAIT_POLICY": "PASSIVE"}
    if index < gpus:
        environment["CUDA_VISIBLE_DEVICES"] = str(index)
    return {
        "host": "127.0.0.1",
        "nthreads": 1,
        "memory_limit": None,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.CRITICAL,
        "env": environment,
        "resources": {GPU: 1} if index < gpus else {},
    }


@contextlib.contextmanager
def _connection(address: str) -> Iterator[Any]:
    from distributed import Client
    from distributed.security import Security

    if address.startswith("tls://") and Security().get_connection_args("client")["ssl_context"] is None:
        raise InputError(
            f"--cluster {address} wants certificates, and dask's configuration names none. Give them, for example in "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, __CLIENT__CERT and __CLIENT__KEY."
        )
    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no dask scheduler answers at {address} within {SECONDS_TO_CONNECT} seconds "
            f"({type(error).__name__}). Start one with `dask scheduler`, give --cluster local:N, or run without it."
        ) from None
    try:
        yield client
    finally:
        # It may be gone already.
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            client.close(timeout=SECONDS_TO_CONNECT)


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise InputError(
            "--cluster needs dask and distributed, which are not installed. Add them: pip install "
            "'epanechnikov-vae[cluster]'"
        ) from None


def _require_this_program(found: Cluster) -> None:
    """Refuse workers that do not have this version of this program, with an `InputError`."""
    here = version_here()
    for there in found.ask(version_here):
        if there != here:
            raise _stranger(found.address, f"a worker has version {there}, and this is {here}")


def version_here() -> str:
    """Return the version of this program, as a worker says it too."""
    return importlib.metadata.version(_DISTRIBUTION)


def _stranger(address: str, reason: str) -> InputError:
    return InputError(
        f"the workers of the cluster at {address} do not have this program as it is here ({reason}). Install the same "
        "version in the environment in which they are started."
    )


def _companion(session: str) -> Any:
    """Make what stays on every worker, also on those that come later, for a `Correspondence`."""
    from distributed import WorkerPlugin

    # A class of its own at each call would not travel; one at the top of this module would need dask to import it.
    class Companion(WorkerPlugin):
        name = session

        def setup(self, worker: Any) -> None:  # noqa: ARG002
            self.stopped = threading.Event()

    return Companion()


def _request_stop(session: str, dask_worker: Any) -> None:
    companion = dask_worker.plugins.get(session)
    if companion is not None:
        companion.stopped.set()


@contextlib.contextmanager
def _without_its_tracebacks() -> Iterator[None]:
    """Keep dask, which sets these levels when imported, from logging what one sentence says here."""
    import distributed  # noqa: F401

    names = ("distributed", "distributed.client", "distributed.nanny", "distributed.scheduler", "tornado.application")
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
