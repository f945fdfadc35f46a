"""The runs of a grid on a dask cluster: each is trained and judged by one worker, in the folder that all of them see.

What comes back from a worker is only whether the run is done; its folder says the rest, as it does to a later call. A
run whose worker died is taken up by another, from its checkpoint.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import queue
import signal
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from evae.compute.precision import require_precision
from evae.configuration.configuration import Configuration
from evae.experiments.callbacks import GridCallback
from evae.experiments.judging import Judge
from evae.experiments.outcomes import Outcomes
from evae.experiments.plan import Plan
from evae.experiments.results import RunRecord
from evae.models.vae import VAE
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run, RunInUse
from evae.training.callbacks import Callback
from evae.training.stop_request import StopRequest
from foundation.cluster import GPU, Cluster, ClusterLost, Correspondence, cluster
from foundation.errors import InputError, Interruption, reason_of

SECONDS_BETWEEN_GLANCES = 0.2

#: How long the workers may take, after a signal, to finish a batch and write a checkpoint, or to finish judging.
SECONDS_TO_STOP = 120

SECONDS_BETWEEN_TRIES = 1.0


@dataclass(frozen=True)
class Work:
    """What a worker must know beside the run's configuration.

    Attributes
    ----------
    features, inception_weights, choice
        As in `Plan`.
    network : dict or None
        What the features' network says of itself on the machine that asks: the worker's must be the same.
    threads : int
        For the CPU's arithmetic, whose last bits depend on their number.
    correspondence : Correspondence
    """

    features: str
    inception_weights: str | None
    choice: str | None
    network: dict[str, Any] | None
    threads: int
    correspondence: Correspondence


def on_cluster(outcomes: Outcomes, judges: dict[str, Judge], address: str, late: Callable[[], bool]) -> None:
    """Train and judge on a cluster, side by side, the runs of which nothing has come yet.

    ``late`` says that the time is over: then the workers write their checkpoints, as after a signal.

    Raises
    ------
    InputError
        If the cluster cannot be used, or, as `ClusterLost`, was lost.
    Interruption
        On SIGINT or SIGTERM, when the workers have written their checkpoints.
    """
    waiting = outcomes.waiting
    gpus = 0 if waiting[0].device == "cpu" else torch.cuda.device_count()
    with cluster(address, gpus=gpus) as workers:
        device = _device(workers, waiting[0])
        _require_alike(workers)
        with _shared_folder(workers, Path(waiting[0].runs_dir)):
            _hand_out(outcomes, judges, workers, [_placed(config, device) for config in waiting], late)


def _hand_out(
    outcomes: Outcomes,
    judges: dict[str, Judge],
    workers: Cluster,
    waiting: list[Configuration],
    late: Callable[[], bool],
) -> None:
    """Hand out the runs and gather what comes of them."""
    messages: queue.Queue[dict[str, Any]] = queue.Queue()
    correspondence = workers.listen(messages.put)
    outcomes.callback.on_runs_submitted(len(waiting), sum(config.epochs for config in waiting))
    needs = {GPU: 1.0} if waiting[0].device == "cuda" else {}
    with StopRequest() as stop:
        pending: dict[Future[str | None], Configuration] = {}
        for config in waiting:
            work = _work(outcomes.plan, judges[config.dataset], correspondence)
            pending[workers.submit(trained_and_judged, work, config, needs=needs)] = config
        try:
            while pending and not stop.requested and not late():
                _gather(pending, judges, outcomes)
                _pass_on(messages, outcomes.callback)
                workers.look()
            _pass_on(messages, outcomes.callback)
        except ClusterLost as error:
            raise ClusterLost(f"{error} {_way_on(outcomes)}") from None
        except KeyboardInterrupt:
            # A second Ctrl-C does not wait.
            raise _interruption(stop, outcomes) from None
        if pending:
            _stop(workers, list(pending))
            _take_what_is_finished(pending, judges, outcomes)
        if stop.requested:
            raise _interruption(stop, outcomes)


def _gather(pending: dict[Future[str | None], Configuration], judges: dict[str, Judge], outcomes: Outcomes) -> None:
    """Wait a moment; take what is done out of ``pending``."""
    done, _ = wait(pending, SECONDS_BETWEEN_GLANCES, FIRST_COMPLETED)
    for future in done:
        said = future.exception() or future.result()
        if isinstance(said, ClusterLost):
            raise said
        config = pending.pop(future)
        outcome = _outcome(config, said, judges[config.dataset])
        if isinstance(outcome, RunRecord):
            outcomes.finished(config, outcome)
        else:
            outcomes.failed(config, outcome)


def _outcome(config: Configuration, said: BaseException | str | None, judge: Judge) -> RunRecord | str:
    """Return what came of a run, of which its worker ``said`` nothing, or why it failed."""
    if isinstance(said, Exception):
        return reason_of(said)
    if said is not None:
        return str(said)
    try:
        found = judge.found(config)
    except InputError as error:
        return str(error)
    return found or "its worker says that it is done, but it is not in its folder here."


def _take_what_is_finished(
    pending: dict[Future[str | None], Configuration], judges: dict[str, Judge], outcomes: Outcomes
) -> None:
    """Take the runs that were finished while the workers were asked to stop; the others go on another time."""
    for config in pending.values():
        with contextlib.suppress(InputError):
            found = judges[config.dataset].found(config)
            if found is not None:
                outcomes.finished(config, found)


def _pass_on(messages: queue.Queue[dict[str, Any]], callback: GridCallback) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            message = messages.get_nowait()
            callback.on_worker_epoch_end(message["run"], message["epoch"])


def _stop(workers: Cluster, pending: list[Future[str | None]]) -> None:
    """Let the workers write their checkpoints; a second Ctrl-C does not wait for them."""
    workers.request_stop()
    deadline = time.monotonic() + SECONDS_TO_STOP
    with contextlib.suppress(KeyboardInterrupt, ClusterLost):
        while time.monotonic() < deadline and wait(pending, SECONDS_BETWEEN_GLANCES).not_done:
            workers.look()


def _way_on(outcomes: Outcomes) -> str:
    return (
        f"{outcomes.progress}; the same command, with a cluster or without, goes on with the others from their "
        "checkpoints."
    )


def _interruption(stop: StopRequest, outcomes: Outcomes) -> Interruption:
    name, number = stop.signal
    return Interruption(f"interrupted by {name}; {_way_on(outcomes)}", number)


def _work(plan: Plan, judge: Judge, correspondence: Correspondence) -> Work:
    weights = None if plan.inception_weights is None else str(Path(plan.inception_weights).resolve())
    network = None if judge.network is None else judge.network.document()
    return Work(plan.features, weights, plan.choice, network, torch.get_num_threads(), correspondence)


def _placed(config: Configuration, device: str) -> Configuration:
    """Return the configuration for a worker, whose current folder may be another."""
    runs_dir, data_dir = (str(Path(folder).resolve()) for folder in (config.runs_dir, config.data_dir))
    return dataclasses.replace(config, device=device, runs_dir=runs_dir, data_dir=data_dir)


def _device(workers: Cluster, config: Configuration) -> str:
    """Return cpu or cuda: for ``auto``, cuda if any worker has a GPU as a resource."""
    gpus = sum(worker.resources.get(GPU, 0) > 0 for worker in workers.workers())
    if config.device == "cuda" and not gpus:
        raise InputError(
            f"--device cuda was asked for, but no worker of the cluster at {workers.address} was started with a GPU as "
            f"its resource. Start one for each: CUDA_VISIBLE_DEVICES=0 dask worker {workers.address} --nthreads 1 "
            "--resources GPU=1; or use --device cpu."
        )
    if config.device == "cpu" or not gpus:
        require_precision(config.precision, torch.device("cpu"))
        return "cpu"
    return "cuda"


def _require_alike(workers: Cluster) -> None:
    """Refuse workers of several threads, or with another torch, with an `InputError`."""
    if threads := [worker.threads for worker in workers.workers() if worker.threads > 1]:
        raise InputError(
            f"a worker of the cluster at {workers.address} computes in {threads[0]} threads, and a process trains one "
            f"model at a time. Start the workers with: dask worker {workers.address} --nthreads 1"
        )
    for version in set(workers.ask(torch_version)) - {torch_version()}:
        raise InputError(
            f"a worker of the cluster at {workers.address} has torch {version}, and this is {torch_version()}: results "
            "would depend on where a run is trained. Install the same version."
        )


def torch_version() -> str:
    """Return torch's version, as a worker says it too."""
    return str(torch.__version__)


@contextlib.contextmanager
def _shared_folder(workers: Cluster, folder: Path) -> Iterator[None]:
    """Refuse workers that do not see the folder of the runs, with an `InputError`; make it if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder.resolve() / f".{uuid.uuid4().hex}.shared"
        mark.touch()
    except OSError as error:
        raise InputError(f"--runs-dir {folder} cannot be written: {error.strerror}.") from None
    try:
        if not all(workers.ask(is_there, str(mark))):
            raise InputError(
                f"a worker of the cluster at {workers.address} does not see {folder.resolve()}. Let --runs-dir (and "
                "--data-dir) be in a folder that all machines share under the same path."
            )
        yield
    finally:
        mark.unlink(missing_ok=True)


def is_there(path: str) -> bool:
    """Whether there is such a file on the machine that is asked."""
    return Path(path).exists()


class _EpochReporter(Callback):
    """Reports the end of every epoch to the machine that submitted the run."""

    def __init__(self, correspondence: Correspondence) -> None:
        self._correspondence = correspondence
        self._name = ""

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: object) -> None:  # noqa: ARG002
        self._name = runs[0].name

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        self._correspondence.report({"run": self._name, "epoch": records[0].epoch})


def trained_and_judged(work: Work, config: Configuration) -> str | None:
    """Train a run, or what is left of it, and judge it; return None, or in a sentence why it failed.

    A process that was thought dead may still be writing the run: then this one waits until it is done.
    """
    torch.set_num_threads(work.threads)
    stop, callback = work.correspondence.stop_requested, _EpochReporter(work.correspondence)
    try:
        while not stop():
            judge = _judge(_decides_judge(config), work.features, work.inception_weights, work.choice)
            _require_network(judge, work)
            try:
                if judge.found(config) is None:
                    judge.judged(judge.trained(config, callback, stop), config, judge.data())
            except RunInUse:
                time.sleep(SECONDS_BETWEEN_TRIES)
            else:
                return None
    except Interruption as interruption:
        return interruption.sentence
    except Exception as error:
        return reason_of(error)
    return f"interrupted by {signal.SIGTERM.name} before it began."


def _decides_judge(config: Configuration) -> Configuration:
    """Return the configuration without what differs between runs that are judged alike, so that one judge is kept."""
    plain = Configuration()
    deciding = ("dataset", "data_dir", "limit_train", "limit_holdout", "image_size", "device")
    return dataclasses.replace(plain, **{name: getattr(config, name) for name in deciding})


@functools.lru_cache(maxsize=1)
def _judge(config: Configuration, features: str, inception_weights: str | None, choice: str | None = None) -> Judge:
    return Judge.of(config, features, inception_weights, choice=choice)


def _require_network(judge: Judge, work: Work) -> None:
    if judge.network is not None and judge.network.document() != work.network:
        raise InputError(
            "the worker's network of features is not that of the machine that asks: it was trained on another kind of "
            "processor. Let both share the cache folder (XDG_CACHE_HOME), or use other --features."
        )
