"""Dask clusters, existing or started on this machine, that run functions for the other packages.

Dask runs any code that a connected client sends it. A cluster that is started here therefore talks TLS with credentials
that are created for it and exist only in the memory of its own processes: no other program on the machine can connect.

A task is a pure function of its arguments: if its worker dies, dask's scheduler repeats it on another one. This module
adds error messages of one sentence, detection of a lost scheduler or of the loss of all workers, and messages between
tasks and the program.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import logging
import re
import signal
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from foundation.errors import InputError
from foundation.signals import ignore_signals

SECONDS_TO_CONNECT = 5

SECONDS_TO_CLOSE = 15

SECONDS_WITHOUT_WORKERS = 60
"""How long a cluster may have no workers before it counts as lost; a batch system may be replacing them."""

SECONDS_BETWEEN_CHECKS = 2

MOST_LOCAL_WORKERS = 256

GPU = "GPU"
"""The resource of a worker that has a GPU: ``dask worker ADDRESS --resources GPU=1``."""

_DISTRIBUTION = "epanechnikov-vae"

#: Options of a scheduler or a worker whose server of HTTP shows nothing.
_WITHOUT_PAGES = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}

_LOCAL = re.compile(r"local:(\d+)")

_ADDRESS = re.compile(r"([a-z]+://)?[^\s:/][^\s/]*:\d{1,5}")


class ClusterLost(InputError):
    """The scheduler or all its workers were lost during a computation; results received before are kept."""


class WorkersDied(InputError):
    """A task is no longer repeated, because several workers died while running it."""


@dataclass(frozen=True)
class Worker:
    """A worker of a cluster: its address, its number of threads, and the resources it was started with."""

    address: str
    threads: int
    resources: Mapping[str, float]


@dataclass
class Cluster:
    """A connection to a dask scheduler and its workers.

    Attributes
    ----------
    address : str
        As given to `open_cluster`.
    client : distributed.Client
    """

    address: str
    client: Any
    _session: str = field(default_factory=lambda: f"{_DISTRIBUTION}-{uuid.uuid4().hex}")
    _unfinished: WeakSet[Future[Any]] = field(default_factory=WeakSet, repr=False)
    _checked_at: float = field(default=-float("inf"), repr=False)
    _alive_at: float = field(default_factory=time.monotonic, repr=False)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, needs: Mapping[str, float] | None = None) -> Any:
        """Submit ``function(*arguments)`` to a worker that has the resources it ``needs``; return its `Future`.

        The future raises the function's own exceptions, `ClusterLost` or `WorkersDied`. Dask's own future of the
        standard library's type would never finish after the loss of the scheduler.
        """
        future: Future[Any] = Future()
        self._unfinished.add(future)
        task = self.client.submit(function, *arguments, pure=False, resources=dict(needs or {}) or None)
        # On the client's own event loop: dask calls the callbacks of all clients in one thread, which a result that is
        # lost with its scheduler can block forever.
        self.client.loop.add_callback(self._transfer_result, future, task)
        # The reference also keeps the task alive: dask cancels a task without references.
        future.add_done_callback(lambda done: task.cancel() if done.cancelled() else None)
        return future

    def list_workers(self) -> list[Worker]:
        """Return the connected workers."""
        found = self.client.scheduler_info().get("workers", {})
        return [Worker(at, int(one["nthreads"]), dict(one.get("resources") or {})) for at, one in found.items()]

    def run_on_workers(self, function: Callable[..., Any], /, *arguments: Any) -> list[Any]:
        """Call ``function(*arguments)`` on each connected worker, in parallel to its tasks; return the results."""
        try:
            return list(self.client.run(function, *arguments).values())
        except (ImportError, AttributeError) as error:
            raise _version_error(self.address, str(error)) from None

    def check_alive(self) -> None:
        """Raise `ClusterLost` if the scheduler does not answer or workers are missing for too long.

        It can be called often: the scheduler is queried at most once in `SECONDS_BETWEEN_CHECKS`.
        """
        now = time.monotonic()
        if now - self._checked_at < SECONDS_BETWEEN_CHECKS:
            return
        self._checked_at = now
        try:
            has_workers = bool(self.client.nthreads())
        except (OSError, RuntimeError, ValueError, TimeoutError) as error:
            raise self._loss(type(error).__name__) from error
        if has_workers:
            self._alive_at = now
        elif now - self._alive_at > SECONDS_WITHOUT_WORKERS:
            raise self._loss(f"no worker for {SECONDS_WITHOUT_WORKERS} seconds")

    def listen(self, handler: Callable[[Any], None]) -> Channel:
        """Return a channel through which submitted functions send messages and receive requests to stop.

        ``handler`` is called with each message, in another thread.
        """
        self.client.register_plugin(_stop_plugin(self._session))
        self.client.subscribe_topic(self._session, lambda event: handler(event[1]))
        return Channel(self._session)

    def request_stop(self) -> None:
        """Make `Channel.stop_requested` true on every worker."""
        with contextlib.suppress(OSError, RuntimeError, ValueError, TimeoutError):
            self.client.run(_request_stop, self._session)

    def abandon(self) -> None:
        """Let every unfinished future raise `ClusterLost`: no result can arrive any more."""
        for future in list(self._unfinished):
            with contextlib.suppress(InvalidStateError):
                future.set_exception(self._loss("the connection was closed"))

    async def _transfer_result(self, future: Future[Any], task: Any) -> None:
        outcome: Callable[[Any], None] = future.set_result
        try:
            value = await self.client.gather(task, asynchronous=True)
        except BaseException as error:
            outcome, value = future.set_exception, self._explain(error)
        # The future may have been cancelled or abandoned meanwhile.
        with contextlib.suppress(InvalidStateError):
            outcome(value)

    def _explain(self, error: BaseException) -> BaseException:
        import asyncio

        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        if isinstance(error, KilledWorker):
            return WorkersDied(
                f"{error.allowed_failures + 1} workers of the cluster at {self.address} died in the same task. "
                "See their logs for the reason, which is usually too little memory."
            )
        if isinstance(error, (CancelledError, asyncio.CancelledError, CommClosedError)):
            return self._loss(type(error).__name__)
        if isinstance(error, ModuleNotFoundError):
            return _version_error(self.address, str(error))
        return error

    def _loss(self, reason: str) -> ClusterLost:
        return ClusterLost(f"the cluster at {self.address} was lost while it computed ({reason}).")


@dataclass(frozen=True)
class Channel:
    """The connection of a task with the program that submitted it; it can be pickled."""

    session: str

    def report(self, message: Any) -> None:
        """Send a message of JSON values from a worker to the handler of `Cluster.listen`."""
        from distributed import get_worker

        get_worker().log_event(self.session, message)

    def stop_requested(self) -> bool:
        """Return whether the program has asked this worker to stop."""
        from distributed import get_worker

        plugin = get_worker().plugins.get(self.session)
        return plugin is not None and plugin.stop.is_set()


@contextlib.contextmanager
def open_cluster(address: str, *, gpus: int = 0) -> Iterator[Cluster]:
    """Connect to a dask scheduler, or start one on this machine, until the block ends.

    Parameters
    ----------
    address : str
        A scheduler's address, such as ``tcp://host:8786``, or ``local:N``, which starts a scheduler and N workers of
        one thread each on this machine.
    gpus : int
        With ``local:N``, the number of GPUs of this machine. Each is given to one worker, as the resource `GPU`.

    Raises
    ------
    InputError
        If dask.distributed or, for ``local:N``, cryptography is not installed, no scheduler answers within
        `SECONDS_TO_CONNECT`, it has no workers, or they have another version of this program or none.
    """
    _require_dask()
    with (
        _dask_logging_silenced(),
        _scheduler(address, gpus) as (found, security),
        _connection(found, security) as client,
    ):
        cluster = Cluster(address, client)
        if not cluster.list_workers():
            raise InputError(f"the cluster at {address} has no workers. Start some: dask worker {address}")
        _require_same_version(cluster)
        if security is not None:
            # Ctrl-C in a terminal also reaches the workers, but the program decides when they end.
            cluster.run_on_workers(ignore_signals, [signal.SIGINT])
        try:
            yield cluster
        finally:
            cluster.abandon()


@contextlib.contextmanager
def _scheduler(address: str, gpus: int) -> Iterator[tuple[str, Any]]:
    """Yield the address of the scheduler, and its credentials if it was started here, else None."""
    number = _parse_address(address)
    if number is None:
        yield address, None
        return
    import dask
    from distributed import Nanny, Scheduler, SpecCluster

    security = _create_credentials()
    own = {"host": "127.0.0.1", "protocol": "tls://", "security": security, **_WITHOUT_PAGES}
    # A folder of this user alone: the files of dask's own would lie in one that others may have created.
    with tempfile.TemporaryDirectory(prefix=f"{_DISTRIBUTION}-", ignore_cleanup_errors=True) as folder:
        workers = {
            index: {"cls": Nanny, "options": {**own, **_worker_options(index, gpus), "local_directory": folder}}
            for index in range(number)
        }
        # Pages of HTTP would show the computation to everyone on this machine.
        with dask.config.set({"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}):
            scheduler = {"cls": Scheduler, "options": {**own, "port": 0}}
            local = SpecCluster(workers=workers, scheduler=scheduler, security=security, silence_logs=logging.CRITICAL)
        try:
            yield local.scheduler_address, security
        finally:
            # A worker that is being started in place of a dead one cannot be closed in order, so it is awaited first.
            # One that does not start in time ends with this process.
            with contextlib.suppress(TimeoutError):
                local.wait_for_workers(number, timeout=SECONDS_TO_CONNECT)
            with contextlib.suppress(TimeoutError):
                local.close(timeout=SECONDS_TO_CLOSE)


def _create_credentials() -> Any:
    """Create a key and a certificate that both sides of every connection must have; they are never given to others."""
    from distributed.security import Security

    try:
        return Security.temporary()
    except ImportError:
        raise InputError(
            "--cluster local:N needs cryptography, which is not installed, to admit only its own processes. Install "
            "it: pip install 'epanechnikov-vae[cluster]'"
        ) from None


def _parse_address(address: str) -> int | None:
    """Return the number of workers to start on this machine, or None for a scheduler's address."""
    match = _LOCAL.fullmatch(address)
    if match is None:
        if address.partition(":")[0] == "local" or not _ADDRESS.fullmatch(address):
            raise InputError(
                f"--cluster must be local:N or a scheduler's address, got {address!r}. Write local:4 or "
                "tcp://host:8786, for example."
            )
        return None
    number = int(match[1])
    if not 1 <= number <= MOST_LOCAL_WORKERS:
        raise InputError(f"--cluster local:N must have N from 1 to {MOST_LOCAL_WORKERS}, got {number}.")
    return number


def _worker_options(index: int, gpus: int) -> dict[str, Any]:
    # OpenMP threads sleep while waiting: several multi-threaded processes share the cores, and spinning threads would
    # make the computation five to ten times slower.
    environment = {"OMP_WAIT_POLICY": "PASSIVE"}
    if index < gpus:
        environment["CUDA_VISIBLE_DEVICES"] = str(index)
    return {
        "nthreads": 1,
        "memory_limit": None,
        "silence_logs": logging.CRITICAL,
        "env": environment,
        "resources": {GPU: 1} if index < gpus else {},
    }


@contextlib.contextmanager
def _connection(address: str, security: Any) -> Iterator[Any]:
    from distributed import Client
    from distributed.security import Security

    security = security or Security()
    if address.startswith("tls://") and security.get_connection_args("client")["ssl_context"] is None:
        raise InputError(
            f"--cluster {address} needs certificates, and dask's configuration names none. Name them, for example in "
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, __CLIENT__CERT and __CLIENT__KEY."
        )
    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False, security=security)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no dask scheduler answers at {address} within {SECONDS_TO_CONNECT} seconds "
            f"({type(error).__name__}). Start one with `dask scheduler`, use --cluster local:N, or omit --cluster."
        ) from None
    try:
        yield client
    finally:
        # The scheduler may be lost already.
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            client.close(timeout=SECONDS_TO_CONNECT)


def _require_dask() -> None:
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise InputError(
            "--cluster needs dask and distributed, which are not installed. Install them: pip install "
            "'epanechnikov-vae[cluster]'"
        ) from None


def _require_same_version(cluster: Cluster) -> None:
    """Raise an `InputError` if a worker has another version of this program or none."""
    version = read_version()
    for other in cluster.run_on_workers(read_version):
        if other != version:
            raise _version_error(cluster.address, f"a worker has version {other}")


def read_version() -> str:
    """Return the installed version of this program."""
    return importlib.metadata.version(_DISTRIBUTION)


def _version_error(address: str, reason: str) -> InputError:
    return InputError(
        f"the workers of the cluster at {address} must have version {read_version()} of this program ({reason}). "
        "Install it in the environment in which they are started."
    )


def _stop_plugin(session: str) -> Any:
    """Return the plugin of every worker, also of those that connect later, that records a request to stop."""
    from distributed import WorkerPlugin

    # Defined here, because at the top of the module it would make dask a requirement; dask pickles it by value.
    class StopPlugin(WorkerPlugin):
        name = session

        def setup(self, worker: Any) -> None:  # noqa: ARG002
            self.stop = threading.Event()

    return StopPlugin()


def _request_stop(session: str, dask_worker: Any) -> None:
    plugin = dask_worker.plugins.get(session)
    if plugin is not None:
        plugin.stop.set()


@contextlib.contextmanager
def _dask_logging_silenced() -> Iterator[None]:
    """Silence dask's loggers, whose levels dask sets when it is imported; errors are reported in one sentence here."""
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
