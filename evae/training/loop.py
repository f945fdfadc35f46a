"""The training loop: epochs, batches, checkpoints, and what is measured after each epoch."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence

import torch

from evae.compute.precision import full_precision_or_tf32
from evae.compute.random_streams import Stream, generator
from evae.evaluation.holdout import holdout_metrics
from evae.evaluation.pictures import reconstruction_rows, save_reconstructions
from evae.models.vae import VAE
from evae.runs.checkpoints import Checkpoint, Position
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run
from evae.training.batch_statistics import warn_of_few_steps
from evae.training.callbacks import GroupWatcher
from evae.training.checkpointing import Saver
from evae.training.group import Group, require_finite
from evae.training.progress import Progress
from evae.training.session import Session
from evae.training.steps import Steps
from evae.training.stop_request import StopRequest
from evae.training.tensorboard import Curves
from foundation.errors import InputError


def run_epochs(
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
                run.keep_records(position.epochs_finished)
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
                records: dict[int, EpochRecord] = {}
                for number, run in group.going():
                    with group.failing(number):
                        # Every process raises where a term is not finite, also those that write nothing.
                        means = progress.means(number)
                        if writes:
                            records[number] = measure_epoch(session, number, epoch, means, seconds)
                            write_epoch(run, session, number, records[number], curves[number])
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


def measure_epoch(session: Session, number: int, epoch: int, means: dict[str, float], seconds: float) -> EpochRecord:
    """Measure a run's model on hold-out images after an epoch.

    Parameters
    ----------
    session : Session
    number : int
        Index of the run in the group.
    epoch : int
        From 1.
    means : dict
        `Progress.means` of the epoch.
    seconds : float
        Duration of the epoch.

    Raises
    ------
    DivergenceError
        If a term of the loss on hold-out images is infinite or NaN.
    """
    model, seed = session.models[number], session.seeds[number]
    holdout, latent = holdout_metrics(model, session.objective, session.holdout_pixels, seed)
    require_finite(holdout, f"on hold-out images after epoch {epoch}")
    return EpochRecord(epoch, means, holdout, seconds, latent, images_per_second=len(session.train_pixels) / seconds)


def write_epoch(run: Run, session: Session, number: int, record: EpochRecord, curves: Curves) -> None:
    """Write a run's weights, record and curves after an epoch."""
    model = session.models[number]
    run.write_weights(model.state_dict(), epoch=record.epoch)
    run.append_record(record)
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
