"""How a training run looks on a terminal, and in a log file."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column

from evae.data import ImageData
from evae.exceptions import DivergenceError
from evae.models.vae import VAE
from evae.runs.checkpoints import Position
from evae.runs.run import Run
from evae.training.callbacks import GroupWatcher
from evae.training.progress import Progress as EpochProgress
from foundation.progress import ProgressCallback, ProgressLog, ignore_progress, show_decoding_progress
from foundation.terminal import choose_progress_console, print_sentence

#: Seconds between two looks at the loss: each look waits for the device.
REFRESH = 0.5


class TrainingDisplay(GroupWatcher):
    """One line an epoch; on a terminal also a bar with the terms of the loss, images/s and the time left.

    Without a bar, ``progress_log`` says the same once a minute. Of several runs that are trained at once it shows the
    mean, and the standard deviation of the loss.
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
        self._looked = 0.0
        self._epoch_started = 0.0
        self._images_before = 0
        self._batch_size = 0

    def images_decoded(self, what: str, done: int, total: int) -> None:
        """Show how far decoding is."""
        self._decoding(what, done, total)

    def runs_started(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        """Say what is trained on what, and in which unit."""
        self._runs, config = runs, runs[0].configuration
        self._epochs, self._batch_size = config.epochs, config.batch_size
        self._epoch_started = time.perf_counter()
        size = "x".join(str(side) for side in runs[0].image_shape[1:])
        parameters = sum(parameter.numel() for parameter in models[0].parameters())
        alone = len(runs) == 1
        print_sentence(
            self._console,
            f"{config.label} with d_z = {config.latent_dim} ({parameters:,} parameters) on {config.dataset}: "
            f"{len(data.train):,} training and {len(data.holdout):,} hold-out images of {size}; "
            + (f"run {runs[0].path}" if alone else f"{len(runs)} runs at once"),
        )
        for run in () if alone else runs:
            print_sentence(self._console, f"seed {run.configuration.seed}: run {run.path}")
        spread = "" if alone else " Means of the runs, with the standard deviation of the loss."
        print_sentence(
            self._console,
            f"Losses are in nats per image: sums over pixels and latent dimensions, means over images.{spread}",
        )
        if data.note is not None:
            print_sentence(self._console, f"The data are {data.note}.")
        if self._bar is not None:
            batches = -(-len(data.train) // config.batch_size)
            self._task = self._bar.add_task("", total=config.epochs * batches, terms="")

    def runs_resumed(self, position: Position) -> None:
        """Say where the runs go on; the bar begins there."""
        print_sentence(
            self._console,
            f"The run goes on from {position}." if len(self._runs) == 1 else f"They go on from {position}.",
        )
        self._images_before = position.batches * self._batch_size
        if self._bar is not None and self._task is not None:
            self._bar.reset(self._task, completed=position.step)

    def step_recorded(self, seconds: float) -> None:
        """Say what the bar waited for."""
        print_sentence(self._console, f"A step of training was recorded as a CUDA graph in {seconds:.1f} s.")

    def batch_finished(self, progress: EpochProgress) -> None:
        """Move the bar, and look at the loss if the last look is old enough; or print the line of the minute."""
        if self._progress_log is not None:
            self._progress_log(lambda: f"{self._place(progress)}, batch {progress.batch:,} of {progress.batches:,}")
        if self._bar is None or self._task is None:
            return
        self._bar.update(self._task, completed=(progress.epoch - 1) * progress.batches + progress.batch)
        now = time.perf_counter()
        if now - self._looked >= REFRESH:
            self._bar.update(self._task, terms=self._place(progress))
            self._looked = now

    def _place(self, progress: EpochProgress) -> str:
        speed = progress.runs * (progress.images - self._images_before) / (time.perf_counter() - self._epoch_started)
        return f"epoch {progress.epoch}/{progress.epochs}  {_sum_of_terms(_terms(progress))}  {speed:,.0f} images/s"

    def run_failed(self, number: int, reason: str) -> None:
        """Say which, and why."""
        print_sentence(self._console, f"{self._runs[number].path} FAILED, the others go on: {reason}")

    def epoch_trained(self, records: Mapping[int, dict[str, Any]]) -> None:
        """Print the epoch's line."""
        each = list(records.values())
        latent = _mean([record["latent"] for record in each])
        train = [record["train"] for record in each]
        holdout = [{name: record["holdout"][name] for name in record["train"]} for record in each]
        spreads = "  ".join(
            f"{name.replace('_', ' ')} {latent[name]:.3g}" for name in latent if name.startswith("mean_")
        )
        print_sentence(
            self._console,
            f"epoch {each[0]['epoch']}/{self._epochs}  train {_sum_of_terms(train)}  "
            f"hold-out {_sum_of_terms(holdout)}  {spreads}  {latent['active_dimensions']:.3g} active  "
            # Those that have failed are computed all the same.
            f"{len(self._runs) * each[0]['images_per_second']:,.0f} images/s",
        )
        if self._progress_log is not None:
            self._progress_log.restart()
        self._epoch_started = time.perf_counter()
        self._images_before = 0


@contextmanager
def training_display(console: Console) -> Iterator[GroupWatcher]:
    """Yield a watcher that prints on ``console``, with a live bar on a terminal; a silent one if it is quiet."""
    if console.quiet:
        yield GroupWatcher()
        return
    with show_decoding_progress(quiet=False) as decoding:
        shown_on = choose_progress_console(console)
        if not shown_on.is_terminal:
            progress_log = ProgressLog(lambda sentence: print_sentence(shown_on, sentence))
            yield TrainingDisplay(console, bar=None, decoding=decoding, progress_log=progress_log)
            return
        columns = (BarColumn(bar_width=16), MofNCompleteColumn(), terms_column(), TimeRemainingColumn())
        with Progress(*columns, console=shown_on, transient=True) as bar:
            yield TrainingDisplay(console, bar, decoding)


def terms_column() -> TextColumn:
    """Return the column of the terms of the loss, which takes more lines where one is too short."""
    return TextColumn("{task.fields[terms]}", table_column=Column(overflow="fold"))


def _terms(progress: EpochProgress) -> list[dict[str, float]]:
    """Return the means of each run so far. Among several, one that comes to no number is left out, as it is later."""
    if progress.runs == 1:
        return [progress.means()]
    found = []
    for number in range(progress.runs):
        with suppress(DivergenceError):
            found.append(progress.means(number))
    return found


def _mean(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the means, by name, of what is a number in all."""
    numbers = {name: [one[name] for one in each] for name, value in each[0].items() if isinstance(value, float | int)}
    return {name: statistics.fmean(values) for name, values in numbers.items()}


def _sum_of_terms(each: Sequence[dict[str, float]]) -> str:
    """Such as ``150.10 = reconstruction 140.12 + kl 9.98``, and of several ``150.10 ± 0.31 = …``.

    The loss is the sum of the terms as they are printed, so that a reader who adds them up finds it.
    """
    if not each:
        return "no run has a finite loss"
    cents = {name: round(100 * value) for name, value in _mean(each).items() if name != "loss"}
    parts = [f"{name.replace('_', ' ')} {value / 100:.2f}" for name, value in cents.items()]
    spread = f" ± {statistics.stdev(one['loss'] for one in each):.2f}" if len(each) > 1 else ""
    return f"{sum(cents.values()) / 100:.2f}{spread} = {' + '.join(parts)}"
