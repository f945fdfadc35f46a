"""The training loop: epochs and batches, and the measurements and files of each epoch."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence

import torch

from evae.compute.precision import full_precision_or_tf32
from evae.evaluation.holdout import holdout_metrics
from evae.evaluation.pictures import reconstruction_rows, save_reconstructions
from evae.models.vae import VAE
from evae.runs.checkpoints import Checkpoint, Position
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run
from evae.training.batch_statistics import warn_of_few_steps
from evae.training.callbacks.callback import Callback
from evae.training.callbacks.combination import StopRecorder
from evae.training.checkpointing import Saver
from evae.training.group import Group, require_finite
from evae.training.progress import Progress
from evae.training.session import Session
from evae.training.steps import Steps
from evae.training.stop_request import StopRequest
from evae.training.tensorboard import Curves, hyperparameters
from evae.training.updates.optimizers import set_learning_rate
from evae.training.updates.schedules import learning_rate
from foundation.errors import InputError


def run_epochs(
    group: Group, session: Session, checkpoints: Sequence[Checkpoint], callback: StopRecorder, stop: StopRequest
) -> None:
    """Train the remaining epochs. The first process measures and writes, while the others wait."""
    config, writes = session.config, session.processes.is_first
    saver, steps = Saver(group, session, stop), Steps(session, callback.on_step_captured)
    # The last hook is called when the outcome is written.
    with contextlib.ExitStack() as after, group.write_outcome(stop, session.processes):
        if writes:
            _write_environment(group, session)
        # The first checkpoint also shows whether the disk has room for one.
        start = Position(0, 0, 0, 0.0, session.device.type)
        position = saver.restart(checkpoints[0].position) if checkpoints else saver.save(start)
        losses: list[float] = []
        if writes:
            _prepare_folders(group, session, position)
            losses = [record.holdout["loss"] for record in group.runs[0].records]
        after.callback(callback.on_end, group.runs)
        callback.on_start(group.runs, session.models, session.data)
        if checkpoints:
            callback.on_resume(position)
        # An epoch in progress is trained to its end, and a run without weights is not finished.
        may_stop = position.epochs_finished > 0 and position.batches == 0
        with contextlib.ExitStack() as files:
            curves = [files.enter_context(_open_curves(run, position)) for run in group.runs if writes]
            for epoch in range(position.epochs_finished + 1, config.epochs + 1):
                # All processes learn of a request at the same point, so that none waits for one that has stopped.
                (stops,) = stop.agree(len(callback.stops))
                stop.raise_if_requested()
                if stops and may_stop:
                    _stop_runs(group, session, saver, callback, epoch - 1)
                    if not group.active():
                        break
                may_stop = True
                rate = _set_learning_rate(session, epoch, losses)
                with full_precision_or_tf32(config.precision), steps.preserved_global_generator():
                    progress, seconds = train_epoch(steps, epoch, callback, saver, checkpoints)
                # A checkpoint within an epoch restores the progress of that epoch alone.
                checkpoints = ()
                with saver.saved_if_stopped(progress, steps.noise, seconds):
                    measured = _measure_epoch(group, session, progress, seconds, rate, stop)
                records = _write_records(group, session, measured, curves)
                # After the epoch's weights and record: a kill in between repeats the epoch and loses nothing.
                saver.save_after_epoch(epoch)
                if writes:
                    losses += [record.holdout["loss"] for number, record in records.items() if number == 0]
                    group.set_status("running", epochs_finished=epoch)
                    callback.on_epoch_end(records)
        if writes:
            for number, _ in group.active():
                _finish_folder(group, session, number, config.epochs)
    # Runs that diverged are reported when the others have finished.
    group.require_no_failures()


def _stop_runs(group: Group, session: Session, saver: Saver, callback: StopRecorder, epochs: int) -> None:
    """Finish the runs that a callback has stopped, after ``epochs`` epochs; others are trained further."""
    named = {number for stop in callback.stops for number in stop.runs or ()}
    if unknown := named - set(range(len(group.runs))):
        raise InputError(
            f"StopTraining must name runs from 0 to {len(group.runs) - 1}, their indices, got {min(unknown)}."
        )
    # Resuming trains on from this epoch.
    saver.save_epoch(epochs)
    for number, _ in group.active():
        # Several processes have one run, of which the first one alone knows the reason.
        reason = callback.reason_to_stop(number) if session.processes.is_first else ""
        if reason is not None:
            if session.processes.is_first:
                _finish_folder(group, session, number, epochs, reason)
            group.stopped.add(number)
    callback.stops.clear()


def _write_environment(group: Group, session: Session) -> None:
    # Before the first checkpoint, so that a folder with a checkpoint names the versions that trained it.
    environment = session.environment
    for _, run in group.active():
        run.write_environment(environment)


def _prepare_folders(group: Group, session: Session, position: Position) -> None:
    """Remove everything written after ``position``, repair the weights, and set the status."""
    warn_of_few_steps(session.model, session.batches * session.config.epochs)
    for number, run in group.active():
        run.checkpoints.clear_leftovers(position)
        run.keep_records(position.epochs_finished)
        run.discard_weights()
        _repair_weights(run, session.models[number], position)
        run.set_status("running", epochs_finished=position.epochs_finished)


def _set_learning_rate(session: Session, epoch: int, losses: Sequence[float]) -> float | None:
    """Set the learning rate of an epoch, and return it; None if it is constant.

    ``losses`` are those of the first run on hold-out images, which the first process knows.
    """
    config, processes = session.config, session.processes
    if config.schedule == "constant":
        return None
    rate = learning_rate(config, epoch, losses)
    if config.schedule == "plateau" and processes.count > 1:
        rate = float(processes.broadcast_text(repr(rate)))
    set_learning_rate(session.optimizer, rate)
    return rate


def _open_curves(run: Run, position: Position) -> Curves:
    return Curves(run.path, position.epochs_finished, hyperparameters(run.configuration))


def _measure_epoch(
    group: Group, session: Session, progress: Progress, seconds: float, rate: float | None, stop: StopRequest
) -> dict[int, EpochRecord]:
    """Measure an epoch of each run in the first process; return the records by index.

    A signal ends it at once, since hold-out images may take minutes.
    """
    records: dict[int, EpochRecord] = {}
    for number, _ in group.active():
        with group.isolate_failure(number):
            # In every process, so that all of them fail where a term is not finite.
            means = progress.means(number)
            if session.processes.is_first:
                with stop.at_once():
                    record = measure_epoch(session, number, progress.epoch, means, seconds)
                    records[number] = dataclasses.replace(record, learning_rate=rate)
    return records


def _write_records(
    group: Group, session: Session, measured: dict[int, EpochRecord], curves: Sequence[Curves]
) -> dict[int, EpochRecord]:
    """Write the measured epoch of each run; return the records of the runs that have not failed."""
    for number, run in group.active():
        if number in measured:
            with group.isolate_failure(number):
                write_epoch(run, session, number, measured[number], curves[number])
    return {number: measured[number] for number, _ in group.active() if number in measured}


def _finish_folder(group: Group, session: Session, number: int, epochs: int, reason: str | None = None) -> None:
    """Save a picture of reconstructions, and set the status."""
    run, model, seed = group.runs[number], session.models[number], session.seeds[number]
    save_reconstructions(run.path, run.name, model, session.holdout_pixels, seed)
    run.set_status("finished", epochs_finished=epochs, reason=reason)


def measure_epoch(session: Session, number: int, epoch: int, means: dict[str, float], seconds: float) -> EpochRecord:
    """Measure the model of a run on hold-out images after an epoch.

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
    speed, scale = len(session.data.train) / seconds, model.pixels.fitted_scale
    return EpochRecord(epoch, means, holdout, seconds, latent, images_per_second=speed, pixel_scale=scale)


def write_epoch(run: Run, session: Session, number: int, record: EpochRecord, curves: Curves) -> None:
    """Write the weights, the record and the curves of a run after an epoch."""
    model = session.models[number]
    run.write_weights(model.state_dict(), epoch=record.epoch)
    run.write_best_weights(model.state_dict(), record)
    run.append_record(record)
    run.discard_weights()
    pictures = reconstruction_rows(model, session.holdout_pixels, session.seeds[number])
    curves.write(record, [rows.images for rows in pictures])


def train_epoch(
    steps: Steps,
    epoch: int,
    callback: Callback,
    saver: Saver | None = None,
    checkpoints: Sequence[Checkpoint] = (),
) -> tuple[Progress, float]:
    """Train one epoch, or the rest of it from checkpoints within this epoch.

    Every run has its own order of images. A batch holds the images of all runs, one run after another: a tensor of N
    images per run has ``runs`` * N rows.

    Parameters
    ----------
    steps : Steps
    epoch : int
        From 1.
    callback : Callback
        `Callback.on_batch_end` is called after each batch.
    saver : Saver, optional
        Writes checkpoints within the epoch.
    checkpoints : sequence of Checkpoint, optional
        One per run, all at the same position.

    Returns
    -------
    progress : Progress
        Its means are the loss and its terms in nats per image over the epoch: the weights change from batch to batch,
        and batch normalisation uses the statistics of each batch.
    seconds : float
        Duration, including the part before the checkpoints.
    """
    session = steps.session
    config, processes, runs = session.config, session.processes, len(session.seeds)
    batches = session.order_images(epoch).split(config.batch_size, dim=1)
    names = session.objective.names
    sums = torch.zeros(len(batches), runs, len(names), dtype=torch.float64, device=session.device)
    progress = Progress(epoch, config.epochs, len(batches), names, sums)
    # Each epoch has its own streams of noise, so that it does not depend on where training was resumed.
    steps.reseed(epoch)
    started = time.perf_counter()
    if session.redrawn is not None:
        session.redrawn.redraw(epoch)
    if checkpoints and checkpoints[0].position.batches > 0:
        progress = _restore_progress(progress, steps, checkpoints)
        started -= checkpoints[0].position.seconds

    session.replica.train()
    for index in range(progress.batch, len(batches)):
        steps.seed_layers(epoch, index)
        # The sums stay on the device: the loop waits for it only where a callback calls `progress.means`.
        sums[index] = steps(batches[index])
        size = batches[index].shape[1]
        seen = processes.rows(size)
        progress = progress.add_batch(size, seen.stop - seen.start)
        callback.on_batch_end(progress)
        if saver is not None and saver.is_due():
            saver.save_within_epoch(progress, steps.noise, time.perf_counter() - started)
    return progress.sum_over(processes), time.perf_counter() - started


def _repair_weights(run: Run, model: VAE, position: Position) -> None:
    """Write the weights of the last finished epoch again where the file is damaged and the checkpoint holds them."""
    if position.epochs_finished > 0 and position.batches == 0:
        try:
            run.read_weights()
        except InputError:
            run.write_weights(model.state_dict(), epoch=position.epochs_finished)


def _restore_progress(progress: Progress, steps: Steps, checkpoints: Sequence[Checkpoint]) -> Progress:
    """Return the progress at the checkpoints' position within the epoch, and restore the state of the noise."""
    position, session = checkpoints[0].position, steps.session
    done, images = position.batches, int(checkpoints[0].epoch["images"])
    # Sums of all processes before the checkpoint are counted once, in the first process.
    seen = images if session.processes.is_first else 0
    for number, checkpoint in enumerate(checkpoints):
        before = progress.sums[:done, number]
        if before.shape != checkpoint.epoch["sums"].shape or int(checkpoint.epoch["images"]) != images:
            raise InputError(f"the checkpoint of {position} is of another run than config.json says.")
        if seen > 0:
            before.copy_(checkpoint.epoch["sums"])
    if position.device != session.device.type:
        # The state of a generator cannot move to another kind of device: the rest of the epoch uses separate streams.
        steps.reseed(progress.epoch, batch=done)
    else:
        for noise, checkpoint in zip(steps.noise, checkpoints, strict=True):
            _restore_noise(noise, checkpoint)
    return dataclasses.replace(progress, batch=done, images=images, seen=seen)


def _restore_noise(noise: torch.Generator, checkpoint: Checkpoint) -> None:
    try:
        noise.set_state(checkpoint.epoch["noise"])
    except RuntimeError as error:
        raise InputError(f"the checkpoint of {checkpoint.position} holds no state of a generator ({error}).") from error
