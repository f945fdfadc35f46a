"""Training, readable from top to bottom: `train` begins a run, `resume` goes on with one, `train_epoch` is the loop."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import shlex
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from evae.arithmetic import deterministic_algorithms, full_precision_or_tf32, require_precision, resolve_device
from evae.checkpoints import Checkpoint, Position
from evae.configuration import Configuration
from evae.curves import Curves
from evae.data import ImageData, as_images, load
from evae.holdout import holdout_metrics
from evae.launch import ProcessLost
from evae.model import VAE
from evae.pictures import reconstruction_rows, save_reconstructions
from evae.processes import Processes, joined
from evae.resuming import ResumeWarning, continued, departures, fingerprint, require_same_data
from evae.runs import Run, environment
from evae.session import Session
from evae.stopping import StopRequest
from evae.streams import RowsOf, Stream, generator
from theory.errors import InputError, Interruption

#: At the end of an epoch a checkpoint is left out if the last one took more than this share of the time since.
CHECKPOINT_SHARE = 0.05


class DivergenceError(InputError):
    """A term of the loss or a weight is no longer a finite number; the sentence names it, the epoch and the batch."""


class TrainingStopped(InputError):
    """The machine could not go on (a full disk, no memory); the sentence says why, and how to go on."""


class TrainingInterrupted(Interruption):
    """Training was stopped by SIGINT or SIGTERM, after a checkpoint was written."""

    def __init__(self, run: Run, epochs_finished: int, signal_name: str, signal_number: int) -> None:
        self.run = run
        self.epochs_finished = epochs_finished
        if epochs_finished == 0:
            kept = f"no epoch was finished, and {run.path} holds no weights to judge"
        else:
            kept = f"the weights and metrics of epoch {epochs_finished} are in {run.path}, and `evaluate` judges them"
        super().__init__(f"interrupted by {signal_name}; {kept}; {way_on(run)}", signal_number)


class Watcher:
    """What may follow a training run; this one ignores everything."""

    def images_decoded(self, what: str, done: int, total: int) -> None:
        """Be told, before the run has a folder, that a data set is being decoded: so many images of so many."""

    def run_started(self, run: Run, model: VAE, data: ImageData) -> None:
        """Be told that the run's folder exists and training begins, or goes on."""

    def run_resumed(self, position: Position) -> None:
        """Be told, after `run_started`, where a run goes on."""

    def batch_finished(self, progress: Progress) -> None:
        """Be told of a step. Reading `Progress.means` waits for the device: do it a few times a second at most."""

    def epoch_finished(self, record: dict[str, Any]) -> None:
        """Be told that an epoch is trained, measured and written; ``record`` is its line of ``metrics.jsonl``."""


def train(config: Configuration, watcher: Watcher | None = None, *, stop: Callable[[], bool] = lambda: False) -> Run:
    """Train a model as configured and return its run.

    ``stop`` says whether an end is asked for in another way than by a signal; it counts as SIGTERM.

    Started by torchrun, it trains with the others: all return the run, which the first has written, and the watcher
    of the first is told. What fails in one fails in all: the first raises why, and the others `SystemExit`.

    Raises
    ------
    InputError
        If the data, the device or the run's name cannot be used (nothing is written then); as `DivergenceError`, if a
        term of the loss becomes infinite or NaN; as `TrainingStopped`, if the disk or the memory is full.
    TrainingInterrupted
        On SIGINT or SIGTERM: the batch is finished and a checkpoint written first. A second SIGINT acts at once.
    """
    with deterministic_algorithms(config.deterministic), joined(_device(config)) as processes:
        return _begun(config, _watcher(watcher, processes), StopRequest(processes, stop), processes)


def _begun(config: Configuration, watcher: Watcher, stop: StopRequest, processes: Processes) -> Run:
    data = _data(config, watcher, processes)
    session = Session.begin(config, data, processes)
    with stop:
        run = _created(config, data, processes)
        with _held(run, processes):
            _run(run, session, None, watcher, stop)
    return run


def resume(
    run: Run | str | Path, watcher: Watcher | None = None, *, stop: Callable[[], bool] = lambda: False, **options: Any
) -> Run:
    """Go on with a run as if it had never stopped: on one machine's CPU the result is the same to the bit.

    Parameters
    ----------
    run : Run, str or Path
        Its folder.
    watcher : Watcher, optional
    stop : callable, optional
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
    run = run if isinstance(run, Run) else Run.open(run)
    with joined(_device(continued(run, options))) as processes, _held(run, processes):
        config = continued(Run(run.path), options)
        with deterministic_algorithms(config.deterministic):
            return _gone_on_with(run, config, _watcher(watcher, processes), StopRequest(processes, stop), processes)


def _gone_on_with(run: Run, config: Configuration, watcher: Watcher, stop: StopRequest, processes: Processes) -> Run:
    checkpoint = _newest_checkpoint(run, processes)
    data = _data(config, watcher, processes)
    require_same_data(run, config, data)
    session = Session.begin(config, data, processes)
    if checkpoint is not None:
        session.restore(checkpoint)
    with stop:
        run = run.go_on_with(config) if processes.is_first else run
        _run(run, session, checkpoint, watcher, stop)
    return run


def _run(run: Run, session: Session, checkpoint: Checkpoint | None, watcher: Watcher, stop: StopRequest) -> None:
    """Train the epochs that are not yet trained. The first process measures and writes, while the others wait."""
    config, writes = session.config, session.processes.is_first
    saver = Saver(run, session, stop)
    with _outcome_written(run, stop, session.processes):
        # The first checkpoint also finds out whether the disk has room for one.
        position = checkpoint.position if checkpoint else saver.save(Position(0, 0, 0, 0.0, session.device.type))
        if writes:
            run.checkpoints.clear_leftovers(position)
            run.keep_metrics(position.epochs_finished)
            _mend_weights(run, session, position)
            run.set_status("running", epochs_finished=position.epochs_finished)
            run.write_environment(session.device, session.processes.count)
        watcher.run_started(run, session.model, session.data)
        if checkpoint is not None:
            watcher.run_resumed(position)
        with Curves(run.path, position.epochs_finished) if writes else contextlib.nullcontext() as curves:
            for epoch in range(position.epochs_finished + 1, config.epochs + 1):
                stop.agree()
                stop.raise_if_requested()
                with full_precision_or_tf32(config.precision):
                    terms, seconds = train_epoch(session, epoch, watcher, saver, begun=checkpoint)
                checkpoint = None
                record = {"epoch": epoch, "train": terms}
                if curves is not None:
                    record |= _measured(session, epoch, seconds)
                    run.write_weights(session.model.state_dict(), epoch=epoch)
                    run.append_metrics(record)
                    pictures = reconstruction_rows(session.model, session.holdout_pixels, config.seed)
                    curves.write(record, [rows.images for rows in pictures])
                saver.epoch_finished(epoch)
                if writes:
                    run.set_status("running", epochs_finished=epoch)
                watcher.epoch_finished(record)
        if writes:
            save_reconstructions(run.path, run.name, session.model, session.holdout_pixels, config.seed)
            run.set_status("finished", epochs_finished=config.epochs)


def _measured(session: Session, epoch: int, seconds: float) -> dict[str, Any]:
    """Measure the model on hold-out images, after an epoch that took so many seconds."""
    seed = session.config.seed
    holdout, latent = holdout_metrics(session.model, session.objective, session.holdout_pixels, seed)
    _require_finite(holdout, f"on hold-out images after epoch {epoch}")
    speed = len(session.train_pixels) / seconds
    return {"holdout": holdout, "latent": latent, "seconds": seconds, "images_per_second": speed}


def train_epoch(
    session: Session,
    epoch: int,
    watcher: Watcher,
    saver: Saver | None = None,
    begun: Checkpoint | None = None,
) -> tuple[dict[str, float], float]:
    """One pass over the training images, or the rest of it if ``begun`` is a checkpoint within this epoch.

    Returns the mean loss and terms, in nats per image, and the seconds the pass took. The means are over the images
    as they came by: the weights move meanwhile, and batch normalisation uses the batch.
    """
    optimizer, pixels, config, processes = session.optimizer, session.train_pixels, session.config, session.processes
    # Drawn on the CPU, so that the order is the same on every device; the noise is the device's own.
    order = torch.randperm(len(pixels), generator=generator(config.seed, Stream.ORDER, epoch)).to(pixels.device)
    batches = order.split(config.batch_size)
    noise = generator(config.seed, Stream.NOISE, epoch, pixels.device)
    sums = torch.zeros(len(batches), len(session.objective.names), dtype=torch.float64, device=pixels.device)
    progress = Progress(epoch, config.epochs, len(batches), session.objective.names, sums)
    started = time.perf_counter()
    if begun is not None and begun.position.batches > 0:
        progress, noise = _go_on_within(progress, noise, begun, session)
        started -= begun.position.seconds

    session.model.train()
    for index in range(progress.batch, len(batches)):
        # All images of the batch, unless other processes take some; and the rows of the noise that belong to them.
        batch, rows = batches[index], processes.rows(len(batches[index]))
        images = as_images(pixels[batch[rows]])
        logits, posterior = session.replica(images, RowsOf(noise, len(batch), rows), config.precision)
        terms = session.objective.terms(logits, images, posterior)
        term_sums = torch.stack([term.sum() for term in terms.values()])
        # The gradients are averaged over processes: that of this loss becomes that of the mean over the batch.
        loss = term_sums.sum() / (len(batch) / processes.count)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # Sums stay on the device: nothing here waits for it, until somebody asks for `progress.means`.
        sums[index] = term_sums.detach()
        progress = progress.after(len(batch), len(images))
        watcher.batch_finished(progress)
        if saver is not None and saver.is_due():
            saver.save_within(progress, noise, time.perf_counter() - started)
    means = progress.of_all(processes).means()
    return means, time.perf_counter() - started


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far an epoch is. ``sums`` holds the sum of every term over each batch, on the device.

    Of several processes each has the sums of its own rows: so many of the ``images`` are ``seen``.
    """

    epoch: int
    epochs: int
    batches: int
    term_names: tuple[str, ...]
    sums: Tensor
    batch: int = 0
    images: int = 0
    seen: int = 0

    def after(self, images: int, seen: int) -> Progress:
        """Return the progress after one more batch, of so many images, of which this process saw some."""
        return dataclasses.replace(self, batch=self.batch + 1, images=self.images + images, seen=self.seen + seen)

    def of_all(self, processes: Processes) -> Progress:
        """Return the progress with the sums over the rows of all processes. All wait for all."""
        return dataclasses.replace(self, sums=processes.total(self.sums), seen=self.images)

    @property
    def step(self) -> int:
        """Batches trained since the run began."""
        return (self.epoch - 1) * self.batches + self.batch

    def means(self) -> dict[str, float]:
        """Mean loss and terms over the images of this epoch that are seen so far. Waits for the device.

        Raises
        ------
        DivergenceError
            If a term of some batch is infinite or NaN; names the first.
        """
        sums = self.sums[: self.batch].cpu()
        bad = (~sums.isfinite()).nonzero()
        if len(bad):
            batch, term = bad[0].tolist()
            step = self.step - self.batch + batch + 1
            where = f"in epoch {self.epoch}, batch {batch + 1} of {self.batches} (step {step})"
            raise _divergence(_term(self.term_names[term]), float(sums[batch, term]), where)
        values = (sums.sum(0) / self.seen).tolist()
        return {"loss": sum(values), **dict(zip(self.term_names, values, strict=True))}


class Saver:
    """Writes checkpoints: at the end of epochs, within one when it is time, and when the run is to stop."""

    def __init__(self, run: Run, session: Session, stop: StopRequest) -> None:
        self._run, self._session, self._stop = run, session, stop
        self._saved = time.perf_counter()
        self._cost = 0.0

    def save(self, position: Position, epoch: dict[str, Tensor] | None = None) -> Position:
        """Write a checkpoint; a `DivergenceError`, and no checkpoint, where a weight is infinite or NaN.

        Of several processes the first writes it, and the others do nothing.
        """
        if not self._session.processes.is_first:
            return position
        started = time.perf_counter()
        checkpoint = self._session.capture(position, epoch or {})
        _require_finite_weights(checkpoint)
        self._run.checkpoints.write(checkpoint)
        self._saved = time.perf_counter()
        self._cost = self._saved - started
        return position

    def epoch_finished(self, epoch: int) -> None:
        """Save, unless epochs are so short that it would take more than `CHECKPOINT_SHARE` of the time."""
        last = epoch == self._session.config.epochs
        self._stop.agree()
        waited = time.perf_counter() - self._saved
        if last or self._stop.requested or waited * CHECKPOINT_SHARE >= self._cost:
            self.save(Position(epoch, 0, epoch * self._session.batches, 0.0, self._session.device.type))

    def is_due(self) -> bool:
        """Whether it is time to save within an epoch: for all processes, or for none."""
        waited = time.perf_counter() - self._saved
        (time_is_up,) = self._stop.agree(int(waited >= 60 * self._session.config.checkpoint_minutes))
        return self._stop.requested or bool(time_is_up)

    def save_within(self, progress: Progress, noise: torch.Generator, seconds: float) -> None:
        """Save within an epoch; then stop, if that was asked for. A `DivergenceError` as in `Progress.means`."""
        progress = progress.of_all(self._session.processes)
        progress.means()
        position = Position(progress.epoch - 1, progress.batch, progress.step, seconds, self._session.device.type)
        images = torch.tensor(progress.images)
        self.save(position, {"noise": noise.get_state(), "sums": progress.sums[: progress.batch], "images": images})
        # Nobody leaves before it is written.
        self._stop.agree()
        self._stop.raise_if_requested()


def way_on(run: Run) -> str:
    """Return the command that goes on with a run, as words in a sentence."""
    return f"go on with: python cli.py train --resume {shlex.quote(str(run.path))}"


def _watcher(watcher: Watcher | None, processes: Processes) -> Watcher:
    return watcher if watcher is not None and processes.is_first else Watcher()


def _data(config: Configuration, watcher: Watcher, processes: Processes) -> ImageData:
    with processes.in_turn():
        data = load(
            config.dataset,
            config.data_dir,
            limit_train=config.limit_train,
            image_size=config.image_size,
            progress=watcher.images_decoded,
        )
    if processes.count > 1:
        mine = json.dumps(fingerprint(data))
        if processes.told(mine) != mine:
            raise InputError(
                f"process {processes.place.rank} finds other images of {config.dataset} in {config.data_dir} than the "
                "first one does: their SHA-256 is another. Give all processes the same --data-dir."
            )
    return data


def _created(config: Configuration, data: ImageData, processes: Processes) -> Run:
    """Make the run's folder, or learn from the first process where it is."""
    if not processes.is_first:
        return Run(Path(processes.told("")))
    counts = {"train": len(data.train), "holdout": len(data.holdout)}
    run = Run.create(config, data.image_shape, counts, fingerprint(data), data.note)
    processes.told(str(run.path))
    return run


@contextlib.contextmanager
def _held(run: Run, processes: Processes) -> Iterator[None]:
    """Hold the run for writing, once for all processes."""
    with run.locked() if processes.is_first else contextlib.nullcontext():
        processes.wait()
        yield


def _device(config: Configuration) -> torch.device:
    device = resolve_device(config.device)
    require_precision(config.precision, device)
    return device


def _newest_checkpoint(run: Run, processes: Processes) -> Checkpoint | None:
    """Read the newest whole checkpoint; warn of damage, and of what makes the bits differ."""
    checkpoint, damage = run.checkpoints.newest()
    if checkpoint is None:
        if run.metrics:
            raise InputError(f"{run.path} holds no checkpoint to go on from. Begin a new run.")
        return None
    # What is wrong with them is said while nothing is changed.
    run.first_metrics(checkpoint.position.epochs_finished)
    if processes.is_first:
        warned = [f"{error} The run goes on from {checkpoint.position}." for error in damage]
        now = environment(processes.device, processes.count)
        for sentence in [*warned, *departures(checkpoint, run.environment, now)]:
            warnings.warn(sentence, ResumeWarning, stacklevel=3)
    return checkpoint


def _mend_weights(run: Run, session: Session, position: Position) -> None:
    """Write the weights of the last finished epoch again where the file is damaged and the checkpoint holds them."""
    if position.epochs_finished > 0 and position.batches == 0:
        try:
            run.read_weights()
        except InputError:
            run.write_weights(session.model.state_dict(), epoch=position.epochs_finished)


def _go_on_within(
    progress: Progress, noise: torch.Generator, begun: Checkpoint, session: Session
) -> tuple[Progress, torch.Generator]:
    """Return how far the epoch is, and the noise from there on."""
    done, images = begun.position.batches, int(begun.epoch["images"])
    if progress.sums[:done].shape != begun.epoch["sums"].shape:
        raise InputError(f"the checkpoint of {begun.position} is of another run than config.json says.")
    # What all processes saw before is counted once.
    seen = images if session.processes.is_first else 0
    if seen > 0:
        progress.sums[:done] = begun.epoch["sums"].to(progress.sums.device)
    if noise.device.type == begun.position.device:
        try:
            noise.set_state(begun.epoch["noise"])
        except RuntimeError as error:
            raise InputError(f"the checkpoint of {begun.position} holds no state of a generator ({error}).") from error
    else:
        # A generator of another kind of device has no such state: the rest of the epoch has a stream of its own.
        noise = generator(session.config.seed, Stream.NOISE, progress.epoch, noise.device, batch=done)
    return dataclasses.replace(progress, batch=done, images=images, seen=seen), noise


@contextlib.contextmanager
def _outcome_written(run: Run, stop: StopRequest, processes: Processes) -> Iterator[None]:
    """Write into ``status.json`` why the block ended, and say in one sentence what the machine could not do."""
    try:
        yield
    except BaseException as error:
        epochs = len(run.metrics)
        outcome = processes.outcome(_in_one_sentence(run, epochs, stop, error))
        if isinstance(outcome, ProcessLost):
            outcome = ProcessLost(f"{outcome}; {way_on(run)}")
        if processes.is_first:
            with _if_there_is_room():
                state, reason = _state(outcome)
                run.set_status(state, epochs_finished=epochs, reason=reason)
        if outcome is error:
            raise
        raise outcome from error


def _in_one_sentence(run: Run, epochs: int, stop: StopRequest, error: BaseException) -> BaseException:
    if isinstance(error, KeyboardInterrupt):
        return TrainingInterrupted(run, epochs, *stop.signal)
    return _stopped_by_machine(run, error) or error


def _state(outcome: BaseException) -> tuple[str, str | None]:
    """Return the state in which a run is left, and the reason."""
    if isinstance(outcome, Interruption):
        return "interrupted", None
    if isinstance(outcome, ProcessLost):
        return "interrupted", "one of its processes ended without a word"
    return "failed", str(outcome) if isinstance(outcome, TrainingStopped) else f"{type(outcome).__name__}: {outcome}"


def _if_there_is_room() -> contextlib.suppress:
    # On a full disk there may be none; a run that says that it is running while nobody holds it is known to have ended.
    return contextlib.suppress(OSError)


def _stopped_by_machine(run: Run, error: BaseException) -> TrainingStopped | None:
    if isinstance(error, OSError) and not run.path.exists():
        return TrainingStopped(f"the folder {run.path} was removed while its run was trained. Begin a new run.")
    if isinstance(error, OSError) and error.strerror:
        file = f" ({error.filename})" if error.filename else ""
        return TrainingStopped(
            f"{run.path} could not be written: {error.strerror}{file}. What was written before is whole. "
            f"When that is mended, {way_on(run)}"
        )
    if isinstance(error, torch.OutOfMemoryError):
        size = run.configuration.batch_size
        return TrainingStopped(
            f"the CUDA device has not enough free memory for a step of {size} images. When other programs have left "
            f"it, {way_on(run)}; or begin a new run with a smaller --batch-size."
        )
    return None


def _require_finite(terms: dict[str, float], where: str) -> None:
    for name, value in terms.items():
        if name != "loss" and not math.isfinite(value):
            raise _divergence(_term(name), value, where)


def _require_finite_weights(checkpoint: Checkpoint) -> None:
    for name, tensor in checkpoint.weights.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            value = float(tensor[~tensor.isfinite()][0])
            raise _divergence(f"weight {name}", value, f"by {checkpoint.position} (step {checkpoint.position.step})")


def _term(name: str) -> str:
    return f"{name.replace('_', ' ')} term"


def _divergence(what: str, value: float, where: str) -> DivergenceError:
    return DivergenceError(
        f"the {what} became {value} {where}. The last checkpoint, from before that, is kept. "
        "A new run with a smaller --lr is the usual remedy."
    )
