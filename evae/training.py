"""Training, readable from top to bottom: `train` begins a run, `resume` goes on with one, `train_epoch` is the loop.

`train_seeds` and `resume_seeds` do the same with several runs at once, which differ in their seeds. All of them go
through the same functions: what trains one run trains a group of one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from evae.arithmetic import deterministic_algorithms, full_precision_or_tf32, require_precision, resolve_device
from evae.batch_statistics import warn_of_few_steps
from evae.checkpoints import Checkpoint, Position
from evae.configuration import Configuration
from evae.curves import Curves
from evae.data import ImageData, load_for
from evae.group import Group, require_finite
from evae.holdout import holdout_metrics
from evae.model import VAE
from evae.notices import ResumeWarning
from evae.pictures import reconstruction_rows, save_reconstructions
from evae.processes import Processes, joined
from evae.progress import Progress
from evae.resuming import continued, departures, fingerprint, require_alike, require_same_data
from evae.runs import Run, environment
from evae.saving import Saver
from evae.seeds import configurations, require_alone
from evae.session import Session
from evae.steps import Steps
from evae.stopping import StopRequest
from evae.streams import Stream, generator
from evae.watching import GroupWatcher
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
        `evae.progress.DivergenceError`, if a term of the loss becomes infinite or NaN; as `evae.group.TrainingStopped`,
        if the disk or the memory is full.
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

    Their networks lie side by side in one (`evae.stacking`), which fills a GPU that one of them leaves idle. Each has
    the first weights, the order of images and the noise that `train` gives its seed, and ends, within rounding, where
    that would: nothing of one enters another. Each run is a run as any other, and can be judged and resumed alone.

    Parameters
    ----------
    config : Configuration
        Its seed is of no account. Its name, if it has one, gets ``-seed0`` and so on behind it.
    seeds : sequence of int
        From one to `evae.seeds.MOST_SEEDS`, none twice.
    watcher, stop
        As for `train`.

    Raises
    ------
    InputError
        As `train`, and if torchrun started several processes; as `evae.group.SomeDiverged`, if the loss of some becomes
        infinite or NaN: these fail, and are named, when the others have finished.
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
    with deterministic_algorithms(config.deterministic), joined(_device(config)) as processes:
        return _begun(configs, _watcher(watcher, processes), StopRequest(processes, stop), processes)


def _begun(
    configs: Sequence[Configuration], watcher: GroupWatcher, stop: StopRequest, processes: Processes
) -> tuple[Run, ...]:
    data = _data(configs[0], watcher, processes)
    session = Session.begin(configs[0], data, processes, [config.seed for config in configs])
    with stop:
        group = Group(_created(configs, data, processes), watcher.run_failed)
        with _held(group.runs, processes):
            _run(group, session, (), watcher, stop)
    return group.runs


def _resumed(
    named: Sequence[Run | str | Path],
    watcher: GroupWatcher | None,
    stop: Callable[[], bool],
    options: dict[str, Any],
) -> tuple[Run, ...]:
    runs = [run if isinstance(run, Run) else Run.open(run) for run in named]
    require_alike(runs, [continued(run, options) for run in runs])
    with joined(_device(continued(runs[0], options))) as processes, _held(runs, processes):
        configs = [continued(Run(run.path), options) for run in runs]
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
    require_same_data(runs, configs[0], data)
    session = Session.begin(configs[0], data, processes, [config.seed for config in configs])
    if checkpoints:
        session.restore(checkpoints)
    with stop:
        if processes.is_first:
            runs = [run.go_on_with(config) for run, config in zip(runs, configs, strict=True)]
        group = Group(tuple(runs), watcher.run_failed)
        _run(group, session, checkpoints, watcher, stop)
    return group.runs


def _run(
    group: Group, session: Session, checkpoints: Sequence[Checkpoint], watcher: GroupWatcher, stop: StopRequest
) -> None:
    """Train the epochs that are not yet trained. The first process measures and writes, while the others wait."""
    config, writes = session.config, session.processes.is_first
    saver, steps = Saver(group, session, stop), Steps(session, watcher.step_recorded)
    with group.outcome_written(stop, session.processes):
        if writes:
            # Before the first checkpoint: whatever was trained says by which version.
            here = session.environment
            for _, run in group.going():
                run.write_environment(here)
        # The first checkpoint also finds out whether the disk has room for one.
        start = Position(0, 0, 0, 0.0, session.device.type)
        position = checkpoints[0].position if checkpoints else saver.save(start)
        if writes:
            warn_of_few_steps(session.model, session.batches * config.epochs)
            for number, run in group.going():
                run.checkpoints.clear_leftovers(position)
                run.keep_metrics(position.epochs_finished)
                _mend_weights(run, session.models[number], position)
                run.set_status("running", epochs_finished=position.epochs_finished)
        watcher.runs_started(group.runs, session.models, session.data)
        if checkpoints:
            watcher.runs_resumed(position)
        with contextlib.ExitStack() as files:
            curves = [files.enter_context(Curves(run.path, position.epochs_finished)) for run in group.runs if writes]
            for epoch in range(position.epochs_finished + 1, config.epochs + 1):
                stop.agree()
                stop.raise_if_requested()
                with full_precision_or_tf32(config.precision):
                    progress, seconds = train_epoch(steps, epoch, watcher, saver, begun=checkpoints)
                checkpoints = ()
                records = {}
                for number, run in group.going():
                    with group.failing(number):
                        record = {"epoch": epoch, "train": progress.means(number)}
                        if writes:
                            record |= _measured(session, number, epoch, seconds)
                            _write(run, session, number, record, curves[number])
                        records[number] = record
                saver.epoch_finished(epoch)
                if writes:
                    group.set_status("running", epochs_finished=epoch)
                watcher.epoch_trained(records)
        if writes:
            for number, run in group.going():
                model, seed = session.models[number], session.seeds[number]
                save_reconstructions(run.path, run.name, model, session.holdout_pixels, seed)
            group.set_status("finished", epochs_finished=config.epochs)
    group.require_all()


def _measured(session: Session, number: int, epoch: int, seconds: float) -> dict[str, Any]:
    """Measure a run's model on hold-out images, after an epoch that took so many seconds."""
    model, seed = session.models[number], session.seeds[number]
    holdout, latent = holdout_metrics(model, session.objective, session.holdout_pixels, seed)
    require_finite(holdout, f"on hold-out images after epoch {epoch}")
    speed = len(session.train_pixels) / seconds
    return {"holdout": holdout, "latent": latent, "seconds": seconds, "images_per_second": speed}


def _write(run: Run, session: Session, number: int, record: dict[str, Any], curves: Curves) -> None:
    """Write a run's weights, metrics and curves after an epoch."""
    model = session.models[number]
    run.write_weights(model.state_dict(), epoch=record["epoch"])
    run.append_metrics(record)
    pictures = reconstruction_rows(model, session.holdout_pixels, session.seeds[number])
    curves.write(record, [rows.images for rows in pictures])


def train_epoch(
    steps: Steps,
    epoch: int,
    watcher: GroupWatcher,
    saver: Saver | None = None,
    begun: Sequence[Checkpoint] = (),
) -> tuple[Progress, float]:
    """One pass over the training images, or the rest of it if ``begun`` are checkpoints within this epoch.

    Every run has an order of its own, and batch after batch its images follow those of the run before it: tensors of
    N images have ``runs`` * N rows.

    Returns the progress, whose means are the loss and its terms in nats per image, and the seconds the pass took. The
    means are over the images as they came by: the weights move meanwhile, and batch normalisation uses the batch.
    """
    session = steps.session
    pixels, config, processes, runs = session.train_pixels, session.config, session.processes, len(session.seeds)
    # Drawn on the CPU, so that the order is the same on every device; the noise is the device's own.
    orders = [torch.randperm(len(pixels), generator=generator(seed, Stream.ORDER, epoch)) for seed in session.seeds]
    batches = torch.stack(orders).to(pixels.device).split(config.batch_size, dim=1)
    names = session.objective.names
    sums = torch.zeros(len(batches), runs, len(names), dtype=torch.float64, device=pixels.device)
    progress = Progress(epoch, config.epochs, len(batches), names, sums)
    steps.reseed(epoch)
    started = time.perf_counter()
    if begun and begun[0].position.batches > 0:
        progress = _go_on_within(progress, steps, begun)
        started -= begun[0].position.seconds

    session.replica.train()
    for index in range(progress.batch, len(batches)):
        # Sums stay on the device: nothing here waits for it, until somebody asks for `progress.means`.
        sums[index] = steps(batches[index])
        size = batches[index].shape[1]
        seen = processes.rows(size)
        progress = progress.after(size, seen.stop - seen.start)
        watcher.batch_finished(progress)
        if saver is not None and saver.is_due():
            saver.save_within(progress, steps.noise, time.perf_counter() - started)
    return progress.of_all(processes), time.perf_counter() - started


def _watcher(watcher: GroupWatcher | None, processes: Processes) -> GroupWatcher:
    return watcher if watcher is not None and processes.is_first else GroupWatcher()


def _data(config: Configuration, watcher: GroupWatcher, processes: Processes) -> ImageData:
    with processes.in_turn():
        data = load_for(config, progress=watcher.images_decoded)
    if processes.count > 1:
        mine = json.dumps(fingerprint(data))
        if processes.told(mine) != mine:
            raise InputError(
                f"process {processes.place.rank} finds other images of {config.dataset} in {config.data_dir} than the "
                "first one does: their SHA-256 is another. Give all processes the same --data-dir."
            )
    return data


def _created(configs: Sequence[Configuration], data: ImageData, processes: Processes) -> tuple[Run, ...]:
    """Make the folders of all runs or of none; or learn from the first process where its run's is."""
    if not processes.is_first:
        return (Run(Path(processes.told(""))),)
    counts, digests = {"train": len(data.train), "holdout": len(data.holdout)}, fingerprint(data)
    runs: list[Run] = []
    with contextlib.ExitStack() as undone:
        for config in configs:
            runs.append(Run.create(config, data.image_shape, counts, digests, data.note))
            undone.callback(shutil.rmtree, runs[-1].path, ignore_errors=True)
        undone.pop_all()
    processes.told(str(runs[0].path))
    return tuple(runs)


@contextlib.contextmanager
def _held(runs: Sequence[Run], processes: Processes) -> Iterator[None]:
    """Hold the runs for writing, once for all processes."""
    with contextlib.ExitStack() as locks:
        for run in runs if processes.is_first else ():
            locks.enter_context(run.locked())
        processes.wait()
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


def _mend_weights(run: Run, model: VAE, position: Position) -> None:
    """Write the weights of the last finished epoch again where the file is damaged and the checkpoint holds them."""
    if position.epochs_finished > 0 and position.batches == 0:
        try:
            run.read_weights()
        except InputError:
            run.write_weights(model.state_dict(), epoch=position.epochs_finished)


def _go_on_within(progress: Progress, steps: Steps, begun: Sequence[Checkpoint]) -> Progress:
    """Return how far the epoch is; the noise goes on from there."""
    position, session = begun[0].position, steps.session
    done, images = position.batches, int(begun[0].epoch["images"])
    # What all processes saw before is counted once.
    seen = images if session.processes.is_first else 0
    for number, checkpoint in enumerate(begun):
        before = progress.sums[:done, number]
        if before.shape != checkpoint.epoch["sums"].shape or int(checkpoint.epoch["images"]) != images:
            raise InputError(f"the checkpoint of {position} is of another run than config.json says.")
        if seen > 0:
            before.copy_(checkpoint.epoch["sums"])
    if position.device != session.device.type:
        # A generator of another kind of device has no such state: the rest of the epoch has streams of its own.
        steps.reseed(progress.epoch, batch=done)
    else:
        for noise, checkpoint in zip(steps.noise, begun, strict=True):
            _set_state(noise, checkpoint)
    return dataclasses.replace(progress, batch=done, images=images, seen=seen)


def _set_state(noise: torch.Generator, checkpoint: Checkpoint) -> None:
    try:
        noise.set_state(checkpoint.epoch["noise"])
    except RuntimeError as error:
        raise InputError(f"the checkpoint of {checkpoint.position} holds no state of a generator ({error}).") from error
