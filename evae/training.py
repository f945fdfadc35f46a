"""Training, readable from top to bottom: `train` is the run, `train_epoch` the loop over batches."""

from __future__ import annotations

import dataclasses
import math
import signal
import threading
import time
from types import FrameType
from typing import Any

import torch
from torch import Tensor

from evae.configuration import Configuration
from evae.data import ImageData, as_images, load
from evae.evaluation import holdout_metrics, resolve_device, save_reconstructions
from evae.model import VAE
from evae.objectives import Objective, objective_for
from evae.posteriors import PosteriorFamily
from evae.runs import Run
from evae.streams import Stream, generator, stream_seed
from theory.errors import InputError, Interruption


class DivergenceError(InputError):
    """A term of the loss is no longer a finite number; the sentence names it, the epoch and the batch."""


class TrainingInterrupted(Interruption):
    """Training was stopped by SIGINT or SIGTERM, after everything begun was written."""

    def __init__(self, run: Run, epochs_finished: int, signal_number: int) -> None:
        self.run = run
        self.epochs_finished = epochs_finished
        name = signal.Signals(signal_number).name
        if epochs_finished == 0:
            sentence = f"interrupted by {name} before an epoch was finished; {run.path} holds no weights."
        else:
            kept = f"the weights and metrics of epoch {epochs_finished} are in {run.path}"
            sentence = f"interrupted by {name}; {kept}, and `evaluate` judges them."
        super().__init__(sentence, signal_number)


class Watcher:
    """What may follow a training run; this one ignores everything."""

    def images_decoded(self, what: str, done: int, total: int) -> None:
        """Be told, before the run has a folder, that a data set is being decoded: so many images of so many."""

    def run_started(self, run: Run, model: VAE, data: ImageData) -> None:
        """Be told that the run's folder exists and its first epoch begins."""

    def batch_finished(self, progress: Progress) -> None:
        """Be told of a step. Reading `Progress.means` waits for the device: do it a few times a second at most."""

    def epoch_finished(self, record: dict[str, Any]) -> None:
        """Be told that an epoch is trained, measured and written; ``record`` is its line of ``metrics.jsonl``."""


def train(config: Configuration, watcher: Watcher | None = None) -> Run:
    """Train a model as configured and return its run.

    Raises
    ------
    InputError
        If the data, the device or the run's name cannot be used (nothing is written then), or, as
        `DivergenceError`, if a term of the loss becomes infinite or NaN.
    TrainingInterrupted
        On SIGINT or SIGTERM: the batch and what is being written are finished first. A second SIGINT acts at once.
    """
    watcher = watcher or Watcher()
    device = resolve_device(config.device)
    data = load(
        config.dataset,
        config.data_dir,
        limit_train=config.limit_train,
        image_size=config.image_size,
        progress=watcher.images_decoded,
    )
    objective = objective_for(config)
    model = initial_model(config, data.image_shape).placed_on(device)
    # Fused Adam: 2,280 against 2,050 images/s on the machine of `VAE.placed_on`, and no launch a tensor on CUDA.
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)
    # All pixels live on the device as uint8: no loader, no copy a batch, a quarter of the memory.
    train_pixels, holdout_pixels = data.train.to(device), data.holdout.to(device)

    counts = {"train": len(data.train), "holdout": len(data.holdout)}
    run = Run.create(config, data.image_shape, counts)
    epochs_finished = 0
    with run.locked(), _StopRequest() as stop:
        try:
            run.write_environment(device)
            watcher.run_started(run, model, data)
            for epoch in range(1, config.epochs + 1):
                started = time.perf_counter()
                terms = train_epoch(model, objective, optimizer, train_pixels, config, epoch, watcher, stop)
                seconds = time.perf_counter() - started
                holdout, latent = holdout_metrics(model, objective, holdout_pixels, config.seed)
                _require_finite(holdout, f"on hold-out images after epoch {epoch}")
                record = {
                    "epoch": epoch,
                    "train": terms,
                    "holdout": holdout,
                    "latent": latent,
                    "seconds": seconds,
                    "images_per_second": len(train_pixels) / seconds,
                }
                run.write_weights(model.state_dict(), epoch=epoch)
                run.append_metrics(record)
                epochs_finished = epoch
                run.set_status("running", epochs_finished=epochs_finished)
                watcher.epoch_finished(record)
            save_reconstructions(run, model, holdout_pixels, config.seed)
        except KeyboardInterrupt as interrupt:
            run.set_status("interrupted", epochs_finished=epochs_finished)
            raise TrainingInterrupted(run, epochs_finished, stop.signal_number or signal.SIGINT) from interrupt
        except BaseException as error:
            run.set_status("failed", epochs_finished=epochs_finished, reason=f"{type(error).__name__}: {error}")
            raise
        run.set_status("finished", epochs_finished=epochs_finished)
    return run


def train_epoch(
    model: VAE,
    objective: Objective,
    optimizer: torch.optim.Optimizer,
    pixels: Tensor,
    config: Configuration,
    epoch: int,
    watcher: Watcher,
    stop: _StopRequest,
) -> dict[str, float]:
    """One pass over ``pixels`` (N, C, S, S, uint8, on the device). Returns the mean loss and terms, in nats per image.

    The means are over the images as they came by: the weights move meanwhile, and batch normalisation uses the batch.
    """
    # Drawn on the CPU, so that the order is the same on every device; the noise is the device's own.
    order = torch.randperm(len(pixels), generator=generator(config.seed, Stream.ORDER, epoch)).to(pixels.device)
    noise = generator(config.seed, Stream.NOISE, epoch, pixels.device)
    batches = order.split(config.batch_size)
    sums = torch.zeros(len(batches), len(objective.names), dtype=torch.float64, device=pixels.device)
    progress = Progress(epoch, config.epochs, len(batches), objective.names, sums)

    model.train()
    for index, chosen in enumerate(batches):
        images = as_images(pixels[chosen])
        logits, posterior = model(images, noise)
        terms = objective.terms(logits, images, posterior)
        term_sums = torch.stack([term.sum() for term in terms.values()])
        loss = term_sums.sum() / len(images)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        # Sums stay on the device: nothing here waits for it, until somebody asks for `progress.means`.
        sums[index] = term_sums.detach()
        progress = dataclasses.replace(progress, batch=index + 1, images=progress.images + len(images))
        watcher.batch_finished(progress)
        stop.raise_if_requested()
    return progress.means()


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far an epoch is. ``sums`` holds the sum of every term over each batch, on the device."""

    epoch: int
    epochs: int
    batches: int
    term_names: tuple[str, ...]
    sums: Tensor
    batch: int = 0
    images: int = 0

    def means(self) -> dict[str, float]:
        """Mean loss and terms over the images of this epoch so far. Waits for the device.

        Raises
        ------
        DivergenceError
            If a term of some batch is infinite or NaN; names the first.
        """
        sums = self.sums[: self.batch].cpu()
        bad = (~sums.isfinite()).nonzero()
        if len(bad):
            batch, term = bad[0].tolist()
            raise _divergence(
                self.term_names[term],
                float(sums[batch, term]),
                f"in epoch {self.epoch}, batch {batch + 1} of {self.batches}",
            )
        values = (sums.sum(0) / self.images).tolist()
        return {"loss": sum(values), **dict(zip(self.term_names, values, strict=True))}


def initial_model(config: Configuration, image_shape: tuple[int, int, int]) -> VAE:
    """Make a model on the CPU whose weights depend on the seed alone; the caller's random numbers are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream_seed(config.seed, Stream.WEIGHTS))
        return VAE(image_shape, config.latent_dim, PosteriorFamily.of(config.recipe))


def _require_finite(terms: dict[str, float], where: str) -> None:
    for name, value in terms.items():
        if name != "loss" and not math.isfinite(value):
            raise _divergence(name, value, where)


def _divergence(term: str, value: float, where: str) -> DivergenceError:
    return DivergenceError(
        f"the {term.replace('_', ' ')} term became {value} {where}. "
        "The weights of the last finished epoch, if any, are kept. A smaller --lr is the usual remedy."
    )


class _StopRequest:
    """Turns SIGINT and SIGTERM into a request that the loop answers between two batches, when nothing is half done.

    Signals can be caught in the main thread only; elsewhere they are left as they are.
    """

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, _frame: FrameType | None) -> None:
        self.signal_number = number
        # A second Ctrl-C does not wait.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def raise_if_requested(self) -> None:
        if self.signal_number is not None:
            raise KeyboardInterrupt
