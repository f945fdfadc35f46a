"""Training, readable from top to bottom: `train` begins a run, `resume` goes on with one, `train_epoch` is the loop.

`train_seeds` and `resume_seeds` do the same with several runs at once, which differ in their seeds. All of them go
through the same functions: what trains one run trains a group of one.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from evae.compute.precision import deterministic_algorithms, require_precision, resolve_device
from evae.compute.processes import Processes, process_group
from evae.configuration.configuration import Configuration
from evae.data import ImageData, load_for
from evae.data.images import fingerprint
from evae.exceptions import ResumeWarning
from evae.runs.checkpoints import Checkpoint
from evae.runs.continuation import departures, require_alike, require_same_data, update_configuration
from evae.runs.environment import environment
from evae.runs.run import Run
from evae.training.callbacks import GroupWatcher
from evae.training.group import Group, configurations, require_alone
from evae.training.loop import run_epochs
from evae.training.session import Session
from evae.training.stop_request import StopRequest
from foundation.errors import InputError


def train(
    config: Configuration, watcher: GroupWatcher | None = None, *, stop: Callable[[], bool] = lambda: False
) -> Run:
    """Train a model as configured and return its run.

    ``stop`` says whether an end is asked for in another way than by a signal; it counts as SIGTERM.

    Started by torchrun, it trains with the others: all return the run, which the first has written, and the watcher
    of the first is told. What fails in one fails in all: the first raises why, and the others `SystemExit`.

    Raises
    ------
    InputError
        If the data, the device or the run's name cannot be used (nothing is written then); as
        `evae.exceptions.DivergenceError`, if a term of the loss becomes infinite or NaN; as
        `evae.training.group.TrainingStopped`, if the disk or the memory is full.
    TrainingInterrupted
        On SIGINT or SIGTERM: the batch is finished and a checkpoint written first. A second SIGINT acts at once.
    """
    (run,) = _trained([config], watcher, stop)
    return run


def train_seeds(
    config: Configuration,
    seeds: Sequence[int],
    watcher: GroupWatcher | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> tuple[Run, ...]:
    """Train a model with several seeds at once and return their runs, in the order of the seeds.

    Their networks lie side by side in one (`evae.models.stacked`), which fills a GPU that one of them leaves idle. Each
    has the first weights, the order of images and the noise that `train` gives its seed, and ends, within rounding,
    where that would: nothing of one enters another. Each run is a run as any other, and can be judged and resumed
    alone.

    Parameters
    ----------
    config : Configuration
        Its seed is of no account. Its name, if it has one, gets ``-seed0`` and so on behind it.
    seeds : sequence of int
        From one to `evae.training.group.MOST_SEEDS`, none twice.
    watcher, stop
        As for `train`.

    Raises
    ------
    InputError
        As `train`, and if torchrun started several processes; as `evae.training.group.SomeDiverged`, if the loss of
        some becomes infinite or NaN: these fail, and are named, when the others have finished.
    TrainingInterrupted
        As `train`: all stop at one place, with a checkpoint of each.
    """
    require_alone(len(seeds))
    return _trained(configurations(config, seeds), watcher, stop)


def resume(
    run: Run | str | Path,
    watcher: GroupWatcher | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    **options: Any,
) -> Run:
    """Go on with a run as if it had never stopped: on one machine's CPU the result is the same to the bit.

    Parameters
    ----------
    run : Run, str or Path
        Its folder.
    watcher, stop
        As for `train`.
    **options
        Fields of `Configuration`. ``epochs`` may be more than they were; ``device``, ``data_dir`` and
        ``checkpoint_minutes`` may be others; the rest must be what they were.

    Raises
    ------
    InputError
        As `train`; or if an option contradicts the run, its data are not what they were, no checkpoint is whole, or
        another process writes the run.

    Warns
    -----
    ResumeWarning
        If the newest checkpoint is damaged and the one before it is taken, or the machine is not what it was.
    """
    (run,) = _resumed([run], watcher, stop, options)
    return run


def resume_seeds(
    runs: Sequence[Run | str | Path],
    watcher: GroupWatcher | None = None,
    *,
    stop: Callable[[], bool] = lambda: False,
    **options: Any,
) -> tuple[Run, ...]:
    """Go on with runs that were trained at once, at once, and return them; the rest is as for `resume`.

    Raises
    ------
    InputError
        As `resume` and `train_seeds`; or if the runs differ in more than their seeds, or are not at one place. A run
        that is a checkpoint ahead of another, as after a kill between the two, goes back to the one before.
    """
    require_alone(len(runs))
    return _resumed(runs, watcher, stop, options)


def _trained(
    configs: Sequence[Configuration], watcher: GroupWatcher | None, stop: Callable[[], bool]
) -> tuple[Run, ...]:
    config = configs[0]
    with deterministic_algorithms(config.deterministic), process_group(_device(config)) as processes:
        return _begun(configs, _watcher(watcher, processes), StopRequest(processes, stop), processes)


def _begun(
    configs: Sequence[Configuration], watcher: GroupWatcher, stop: StopRequest, processes: Processes
) -> tuple[Run, ...]:
    data = _data(configs[0], watcher, processes)
    session = Session.begin(configs[0], data, processes, [config.seed for config in configs])
    with stop:
        group = Group(_created(configs, data, processes), watcher.run_failed)
        with _held(group.runs, processes):
            run_epochs(group, session, (), watcher, stop)
    return group.runs


def _resumed(
    named: Sequence[Run | str | Path],
    watcher: GroupWatcher | None,
    stop: Callable[[], bool],
    options: dict[str, Any],
) -> tuple[Run, ...]:
    runs = [run if isinstance(run, Run) else Run.open(run) for run in named]
    require_alike(runs, [update_configuration(run, options) for run in runs])
    with process_group(_device(update_configuration(runs[0], options))) as processes, _held(runs, processes):
        configs = [update_configuration(Run(run.path), options) for run in runs]
        require_alike(runs, configs)
        with deterministic_algorithms(configs[0].deterministic):
            return _gone_on_with(runs, configs, _watcher(watcher, processes), StopRequest(processes, stop), processes)


def _gone_on_with(
    runs: Sequence[Run],
    configs: Sequence[Configuration],
    watcher: GroupWatcher,
    stop: StopRequest,
    processes: Processes,
) -> tuple[Run, ...]:
    checkpoints = _newest_checkpoints(runs, processes)
    data = _data(configs[0], watcher, processes)
    require_same_data(runs, configs[0], fingerprint(data))
    session = Session.begin(configs[0], data, processes, [config.seed for config in configs])
    if checkpoints:
        session.restore(checkpoints)
    with stop:
        if processes.is_first:
            runs = [run.with_configuration(config) for run, config in zip(runs, configs, strict=True)]
        group = Group(tuple(runs), watcher.run_failed)
        run_epochs(group, session, checkpoints, watcher, stop)
    return group.runs


def _watcher(watcher: GroupWatcher | None, processes: Processes) -> GroupWatcher:
    return watcher if watcher is not None and processes.is_first else GroupWatcher()


def _data(config: Configuration, watcher: GroupWatcher, processes: Processes) -> ImageData:
    with processes.local_first():
        data = load_for(config, progress=watcher.images_decoded)
    if processes.count > 1:
        mine = json.dumps(fingerprint(data))
        if processes.broadcast_text(mine) != mine:
            raise InputError(
                f"process {processes.place.rank} finds other images of {config.dataset} in {config.data_dir} than the "
                "first one does: their SHA-256 is another. Give all processes the same --data-dir."
            )
    return data


def _created(configs: Sequence[Configuration], data: ImageData, processes: Processes) -> tuple[Run, ...]:
    """Make the folders of all runs or of none; or learn from the first process where its run's is."""
    if not processes.is_first:
        return (Run(Path(processes.broadcast_text(""))),)
    counts, digests = {"train": len(data.train), "holdout": len(data.holdout)}, fingerprint(data)
    runs: list[Run] = []
    with contextlib.ExitStack() as undone:
        for config in configs:
            runs.append(Run.create(config, data.image_shape, counts, digests, data.note))
            undone.callback(shutil.rmtree, runs[-1].path, ignore_errors=True)
        undone.pop_all()
    processes.broadcast_text(str(runs[0].path))
    return tuple(runs)


@contextlib.contextmanager
def _held(runs: Sequence[Run], processes: Processes) -> Iterator[None]:
    """Hold the runs for writing, once for all processes."""
    with contextlib.ExitStack() as locks:
        for run in runs if processes.is_first else ():
            locks.enter_context(run.locked())
        processes.barrier()
        yield


def _device(config: Configuration) -> torch.device:
    device = resolve_device(config.device)
    require_precision(config.precision, device)
    return device


def _newest_checkpoints(runs: Sequence[Run], processes: Processes) -> list[Checkpoint]:
    """Read the newest whole checkpoints, none where nothing was trained; warn of damage, and of what changes bits."""
    found = [run.checkpoints.newest() for run in runs]
    least = min(_place(checkpoint) for checkpoint, _ in found)
    for number, (checkpoint, _) in enumerate(found):
        # Killed between two runs' checkpoints, the first of them has one more.
        if _place(checkpoint) > least and runs[number].status["state"] != "finished":
            found[number] = runs[number].checkpoints.newest(least)
    _require_one_place(runs, [checkpoint for checkpoint, _ in found])
    checkpoints, now = [], environment(processes.device, processes.count, len(runs))
    for run, (checkpoint, damage) in zip(runs, found, strict=True):
        if checkpoint is None:
            if run.metrics:
                raise InputError(f"{run.path} holds no checkpoint to go on from. Begin a new run.")
            continue
        # What is wrong with them is said while nothing is changed.
        run.first_metrics(checkpoint.position.epochs_finished)
        checkpoints.append(checkpoint)
        if processes.is_first:
            warned = [f"{error} The run goes on from {checkpoint.position}." for error in damage]
            for sentence in [*warned, *departures(checkpoint, run.environment, now)]:
                warnings.warn(sentence, ResumeWarning, stacklevel=3)
    # Without a checkpoint nothing is trained, as at the first: then all begin, by their seeds.
    return checkpoints if len(checkpoints) == len(runs) else []


def _place(checkpoint: Checkpoint | None) -> tuple[int, int]:
    return (0, 0) if checkpoint is None else checkpoint.position.place


def _require_one_place(runs: Sequence[Run], checkpoints: Sequence[Checkpoint | None]) -> None:
    places = [_place(checkpoint) for checkpoint in checkpoints]
    for run, checkpoint, place in zip(runs, checkpoints, places, strict=True):
        if place != places[0]:
            here, there = (str(one.position) if one else "the beginning" for one in (checkpoints[0], checkpoint))
            raise InputError(
                f"the runs cannot go on at once: {runs[0].path} is at {here}, {run.path} at {there}. Resume those that "
                "are at one place together, and the others alone."
            )
