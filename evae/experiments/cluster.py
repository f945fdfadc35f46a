"""The runs of a grid on a dask cluster: each is trained and evaluated by one worker, in a shared folder.

A worker returns only whether the run is done; everything else is read from the run's folder, as in a later call. If a
worker dies, another resumes its run from the checkpoint.
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
from foundation.cluster import GPU, Channel, Cluster, ClusterLost, open_cluster
from foundation.errors import InputError, Interruption, describe_error

SECONDS_BETWEEN_GLANCES = 0.2

#: Time limit for the workers, after a signal, to finish a batch and write a checkpoint, or to finish the evaluation.
SECONDS_TO_STOP = 120

SECONDS_BETWEEN_TRIES = 1.0


@dataclass(frozen=True)
class Work:
    """The input of a worker apart from the run's configuration.

    Attributes
    ----------
    features, inception_weights, choice
        As in `Plan`.
    network : dict or None
        The identity of the features' network on the submitting machine: the worker's must be the same.
    threads : int
        Number of CPU threads, on which the last bits of the results depend.
    channel : Channel
    """

    features: str
    inception_weights: str | None
    choice: str | None
    network: dict[str, Any] | None
    threads: int
    channel: Channel


def on_cluster(outcomes: Outcomes, judges: dict[str, Judge], address: str, late: Callable[[], bool]) -> None:
    """Train and evaluate the runs without an outcome on a cluster, in parallel.

    When ``late`` returns True, the time is over: the workers write their checkpoints, as after a signal.

    Raises
    ------
    InputError
        If the cluster cannot be used; as `ClusterLost`, if it was lost.
    Interruption
        On SIGINT or SIGTERM, when the workers have written their checkpoints.
    """
    waiting = outcomes.waiting
    gpus = 0 if waiting[0].device == "cpu" else torch.cuda.device_count()
    with open_cluster(address, gpus=gpus) as workers:
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
    """Submit the runs and collect their outcomes."""
    messages: queue.Queue[dict[str, Any]] = queue.Queue()
    channel = workers.listen(messages.put)
    outcomes.callback.on_runs_submitted(len(waiting), sum(config.epochs for config in waiting))
    # A worker announces a GPU as a resource, so that no two runs share one.
    needs = {GPU: 1.0} if waiting[0].device == "cuda" else {}
    with StopRequest() as stop:
        pending: dict[Future[str | None], Configuration] = {}
        for config in waiting:
            work = _work(outcomes.plan, judges[config.dataset], channel)
            pending[workers.submit(trained_and_judged, work, config, needs=needs)] = config
        try:
            while pending and not stop.requested and not late():
                _gather(pending, judges, outcomes)
                _pass_on(messages, outcomes.callback)
                workers.check_alive()
            _pass_on(messages, outcomes.callback)
        except ClusterLost as error:
            raise ClusterLost(f"{error} {_way_on(outcomes)}") from None
        except (KeyboardInterrupt, Interruption) as error:
            # A second Ctrl-C interrupts immediately.
            raise _interruption(stop.signal_behind(error), outcomes) from None
        # A stop or the deadline: the workers write checkpoints, and what finished meanwhile is collected.
        if pending:
            _stop(workers, list(pending))
            _take_what_is_finished(pending, judges, outcomes)
        if stop.requested:
            raise _interruption(stop.signal, outcomes)


def _gather(pending: dict[Future[str | None], Configuration], judges: dict[str, Judge], outcomes: Outcomes) -> None:
    """Wait briefly; move finished runs from ``pending`` to the outcomes."""
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
    """Return the outcome of a run; its worker ``said`` None, or why it failed."""
    if isinstance(said, Exception):
        return describe_error(said)
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
    """Collect the runs that finished while the workers were asked to stop; a later call resumes the others."""
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
    with contextlib.suppress(KeyboardInterrupt, Interruption, ClusterLost):
        while time.monotonic() < deadline and wait(pending, SECONDS_BETWEEN_GLANCES).not_done:
            workers.check_alive()


def _way_on(outcomes: Outcomes) -> str:
    return (
        f"{outcomes.progress}; the same command, with a cluster or without, resumes the others from their checkpoints."
    )


def _interruption(told: tuple[str, int], outcomes: Outcomes) -> Interruption:
    name, number = told
    return Interruption(f"interrupted by {name}; {_way_on(outcomes)}", number)


def _work(plan: Plan, judge: Judge, channel: Channel) -> Work:
    weights = None if plan.inception_weights is None else str(Path(plan.inception_weights).resolve())
    network = None if judge.network is None else judge.network.document()
    return Work(plan.features, weights, plan.choice, network, torch.get_num_threads(), channel)


def _placed(config: Configuration, device: str) -> Configuration:
    """Return the configuration for a worker, whose current folder may differ."""
    runs_dir, data_dir = (str(Path(folder).resolve()) for folder in (config.runs_dir, config.data_dir))
    return dataclasses.replace(config, device=device, runs_dir=runs_dir, data_dir=data_dir)


def _device(workers: Cluster, config: Configuration) -> str:
    """Return cpu or cuda: for ``auto``, cuda if any worker has a GPU as a resource."""
    gpus = sum(worker.resources.get(GPU, 0) > 0 for worker in workers.list_workers())
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
    """Raise `InputError` if a worker has several threads or another version of torch."""
    if threads := [worker.threads for worker in workers.list_workers() if worker.threads > 1]:
        raise InputError(
            f"a worker of the cluster at {workers.address} computes in {threads[0]} threads, and a process trains one "
            f"model at a time. Start the workers with: dask worker {workers.address} --nthreads 1"
        )
    for version in set(workers.run_on_workers(torch_version)) - {torch_version()}:
        raise InputError(
            f"a worker of the cluster at {workers.address} has torch {version}, and this is {torch_version()}: results "
            "would depend on where a run is trained. Install the same version."
        )


def torch_version() -> str:
    """Return torch's version; also called on the workers."""
    return str(torch.__version__)


@contextlib.contextmanager
def _shared_folder(workers: Cluster, folder: Path) -> Iterator[None]:
    """Raise `InputError` if a worker does not see the folder of the runs; create the folder if it does not exist."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        mark = folder.resolve() / f".{uuid.uuid4().hex}.shared"
        mark.touch()
    except OSError as error:
        raise InputError(f"--runs-dir {folder} cannot be written: {error.strerror}.") from None
    try:
        if not all(workers.run_on_workers(is_there, str(mark))):
            raise InputError(
                f"a worker of the cluster at {workers.address} does not see {folder.resolve()}. Let --runs-dir (and "
                "--data-dir) be in a folder that all machines share under the same path."
            )
        yield
    finally:
        mark.unlink(missing_ok=True)


def is_there(path: str) -> bool:
    """Return whether the file exists on the machine that runs this function."""
    return Path(path).exists()


class _EpochReporter(Callback):
    """Reports the end of every epoch to the machine that submitted the run."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._name = ""

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: object) -> None:  # noqa: ARG002
        self._name = runs[0].name

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        self._channel.report({"run": self._name, "epoch": records[0].epoch})


def trained_and_judged(work: Work, config: Configuration) -> str | None:
    """Train or resume a run and evaluate it; return None, or a sentence that says why it failed.

    A process that was thought dead may still be writing the run: then this one waits until it has finished.
    """
    # The last bits depend on the number of threads, so that every worker takes the caller's.
    torch.set_num_threads(work.threads)
    stop, callback = work.channel.stop_requested, _EpochReporter(work.channel)
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
        return describe_error(error)
    return f"interrupted by {signal.SIGTERM.name} before it began."


def _decides_judge(config: Configuration) -> Configuration:
    """Return the configuration without the fields that do not affect the evaluation; such runs share one judge."""
    plain = Configuration()
    images = ("dataset", "data_dir", "limit_train", "limit_holdout", "image_size", "fit", "binarise")
    deciding = (*images, "skip_undecodable", "network", "device")
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
