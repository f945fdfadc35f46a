"""The terminal output of training: one line per epoch, and a progress bar."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TaskID, TimeRemainingColumn

from evae.configuration.options import NETWORKS
from evae.data import ImageData
from evae.exceptions import DivergenceError
from evae.models.vae import VAE
from evae.runs.checkpoints import Position
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run
from evae.training.callbacks.callback import Callback
from evae.training.progress import Progress as EpochProgress
from foundation.progress import (
    ProgressCallback,
    ProgressLog,
    ignore_progress,
    make_text_column,
    show_decoding_progress,
)
from foundation.terminal import choose_progress_console, print_sentence

#: Seconds between two readings of the loss, each of which waits for the device.
REFRESH = 0.5


class TrainingDisplay(Callback):
    """Prints one line per epoch, and shows a bar with the terms of the loss, images/s and the remaining time.

    For several runs the lines show the means over the runs, and the standard deviation of the loss.

    Parameters
    ----------
    console : Console
        Where lines are printed.
    bar : rich.progress.Progress or None
        None without a terminal.
    decoding : callable, optional
        Shows the progress in decoding the data.
    minute_line : MinuteLine, optional
        Prints the terms once a minute without a bar.
    """

    def __init__(
        self,
        console: Console,
        bar: Progress | None,
        decoding: ProgressCallback = ignore_progress,
        progress_log: ProgressLog | None = None,
    ) -> None:
        self._console = console
        self._decoding = decoding
        self._bar = bar
        self._progress_log = progress_log
        self._task: TaskID | None = None
        self._runs: Sequence[Run] = ()
        self._epochs = 0
        self._refreshed = 0.0
        self._epoch_started = 0.0
        self._images_before = 0
        self._batch_size = 0

    def on_data_decoded(self, description: str, done: int, total: int) -> None:
        """Show the progress in decoding."""
        self._decoding(description, done, total)

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        """Print the model, the data, the folders and the unit of the loss."""
        self._runs, config = runs, runs[0].configuration
        self._epochs, self._batch_size = config.epochs, config.batch_size
        self._epoch_started = time.perf_counter()
        size = "x".join(str(side) for side in runs[0].image_shape[1:])
        parameters = sum(parameter.numel() for parameter in models[0].parameters())
        single = len(runs) == 1
        network = "" if config.network == NETWORKS[0] else f" of the network {models[0].network_name},"
        print_sentence(
            self._console,
            f"{config.label}{network} with d_z = {config.latent_dim} ({parameters:,} parameters) on {config.dataset}: "
            f"{len(data.train):,} training and {len(data.holdout):,} hold-out images of {size}; "
            + (f"run {runs[0].path}" if single else f"{len(runs)} runs at once"),
        )
        for run in () if single else runs:
            print_sentence(self._console, f"seed {run.configuration.seed}: run {run.path}")
        # The unit of the loss is said once, because every later line is a bare number.
        spread = "" if single else " Means of the runs, with the standard deviation of the loss."
        print_sentence(
            self._console,
            f"Losses are in nats per image: sums over pixels and latent dimensions, means over images.{spread}",
        )
        if data.note is not None:
            print_sentence(self._console, f"The data are {data.note}.")
        for sentence in () if data.inventory is None else data.inventory.sentences():
            print_sentence(self._console, sentence)
        if self._bar is not None:
            batches = -(-len(data.train) // config.batch_size)
            self._task = self._bar.add_task("", total=config.epochs * batches, terms="")

    def on_resume(self, position: Position) -> None:
        """Print where training continues, and move the bar there."""
        print_sentence(
            self._console,
            f"The run is resumed from {position}." if len(self._runs) == 1 else f"They are resumed from {position}.",
        )
        self._images_before = position.batches * self._batch_size
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, completed=position.step)

    def on_step_captured(self, seconds: float) -> None:
        """Print how long the bar waited for the capture."""
        print_sentence(self._console, f"A step of training was captured as a CUDA graph in {seconds:.1f} s.")

    def on_batch_end(self, progress: EpochProgress) -> None:
        """Move the bar, with the terms of the loss once per `REFRESH`; or print the line of the minute."""
        if self._progress_log is not None:
            self._progress_log(lambda: f"{self._describe(progress)}, batch {progress.batch:,} of {progress.batches:,}")
        if self._bar is None or self._task is None:
            return
        self._bar.update(self._task, completed=(progress.epoch - 1) * progress.batches + progress.batch)
        now = time.perf_counter()
        if now - self._refreshed >= REFRESH:
            self._bar.update(self._task, terms=self._describe(progress))
            self._refreshed = now

    def _describe(self, progress: EpochProgress) -> str:
        speed = progress.runs * (progress.images - self._images_before) / (time.perf_counter() - self._epoch_started)
        terms = _format_terms(_read_finite_means(progress))
        return f"epoch {progress.epoch}/{progress.epochs}  {terms}  {speed:,.0f} images/s"

    def on_run_failed(self, number: int, reason: str) -> None:
        """Print the run that failed, and the reason."""
        print_sentence(self._console, f"{self._runs[number].path} FAILED, the others are trained further: {reason}")

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        """Print the line of the epoch."""
        each = list(records.values())
        train = [record.train for record in each]
        holdout = [{name: record.holdout[name] for name in record.train} for record in each]
        spreads = _average([record.latent.spreads for record in each])
        active = statistics.fmean(record.latent.active_dimensions or 0 for record in each)
        # A failed run is still computed with the others.
        speed = len(self._runs) * (each[0].images_per_second or 0)
        print_sentence(
            self._console,
            f"epoch {each[0].epoch}/{self._epochs}  train {_format_terms(train)}  hold-out {_format_terms(holdout)}  "
            + "  ".join(f"mean {name} {value:.3g}" for name, value in spreads.items())
            + f"  {active:.3g} active  {speed:,.0f} images/s",
        )
        if self._progress_log is not None:
            self._progress_log.restart()
        self._epoch_started = time.perf_counter()
        self._images_before = 0


@contextmanager
def open_training_display(console: Console) -> Iterator[Callback]:
    """Yield a callback that prints on ``console``, with a bar on a terminal; one without output if it is quiet."""
    if console.quiet:
        yield Callback()
        return
    with show_decoding_progress(quiet=False) as decoding:
        shown_on = choose_progress_console(console)
        if not shown_on.is_terminal:
            progress_log = ProgressLog(lambda sentence: print_sentence(shown_on, sentence))
            yield TrainingDisplay(console, bar=None, decoding=decoding, progress_log=progress_log)
            return
        with Progress(*make_columns(), console=shown_on, transient=True) as bar:
            yield TrainingDisplay(console, bar, decoding)


def make_columns() -> tuple[ProgressColumn, ...]:
    """Return the columns of the bar."""
    terms = make_text_column("fields[terms]")
    return BarColumn(bar_width=16), MofNCompleteColumn(), terms, TimeRemainingColumn()


def _read_finite_means(progress: EpochProgress) -> list[dict[str, float]]:
    """Return the means of each run so far; of several runs, those that diverged are left out."""
    if progress.runs == 1:
        return [progress.means()]
    found = []
    for number in range(progress.runs):
        with suppress(DivergenceError):
            found.append(progress.means(number))
    return found


def _average(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the means over the runs by name."""
    return {name: statistics.fmean(one[name] for one in each) for name in each[0]}


def _format_terms(each: Sequence[Mapping[str, float]]) -> str:
    """Return ``150.10 = reconstruction 140.12 + kl 9.98``, or for several runs ``150.10 ± 0.31 = …``.

    The loss is the sum of the rounded terms, so that the printed terms add up to it.
    """
    if not each:
        return "no run has a finite loss"
    cents = {name: round(100 * value) for name, value in _average(each).items() if name != "loss"}
    parts = [f"{name.replace('_', ' ')} {value / 100:.2f}" for name, value in cents.items()]
    spread = f" ± {statistics.stdev(one['loss'] for one in each):.2f}" if len(each) > 1 else ""
    return f"{sum(cents.values()) / 100:.2f}{spread} = {' + '.join(parts)}"
