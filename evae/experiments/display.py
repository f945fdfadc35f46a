"""The terminal output of a grid of runs: one line per run, and a progress bar."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from evae.configuration.configuration import Configuration
from evae.experiments.callbacks import GridCallback
from evae.experiments.results import Failure, RunRecord
from evae.training.callbacks import Callback
from evae.training.display import TrainingDisplay, make_terms_column
from foundation.progress import DecodingDisplay, ProgressLog
from foundation.terminal import choose_progress_console, print_sentence


class GridDisplay(GridCallback):
    """Prints one line per run, and on a terminal shows a bar while a run is trained. `close` removes the bar."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_on = choose_progress_console(console)
        self._decoding = DecodingDisplay()
        self._bar: Progress | None = None
        self._place = ""
        self._remaining = 0
        self._seconds: list[float] = []
        self._started = 0.0
        self._submitted: int | None = None
        self._epochs = 0
        self._epochs_submitted = 0
        self._minute_line = ProgressLog(lambda sentence: print_sentence(self._shown_on, sentence))

    def on_prepare(self, description: str, done: int, total: int) -> None:
        """Show the progress in decoding, or in training a classifier."""
        self._decoding(description, done, total)

    def on_compare(self, description: str, done: int, total: int) -> None:
        """Show the progress in comparing features, on a terminal only."""
        if self._shown_on.is_terminal:
            self._end_bar()
            self._decoding(description, done, total)

    def on_run_start(self, number: int, total: int, configuration: Configuration) -> Callback:
        """Start a bar for the training of the run, or print its progress once a minute."""
        self._end_bar()
        self._place = f"{number:>{len(str(total))}}/{total}"
        self._remaining = total - number
        self._started = time.perf_counter()
        if not self._shown_on.is_terminal:
            place = f"{self._place} {configuration.name}"
            progress_log = ProgressLog(lambda sentence: print_sentence(self._shown_on, f"{place}: {sentence}"))
            return TrainingDisplay(Console(quiet=True), bar=None, progress_log=progress_log)
        name = TextColumn(f"{self._place} {configuration.name}", table_column=Column(overflow="fold"))
        columns = (name, BarColumn(bar_width=8), MofNCompleteColumn(), make_terms_column(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._shown_on, transient=True)
        self._bar.start()
        return TrainingDisplay(Console(quiet=True), self._bar)

    def on_runs_submitted(self, runs: int, epochs: int) -> None:
        """Print the number of runs on the cluster, and start a bar for all their epochs."""
        self._end_bar()
        print_sentence(self._console, f"handed out: {runs:,} runs of {epochs:,} epochs together")
        self._submitted, self._remaining, self._place = runs, runs, ""
        self._started = time.perf_counter()
        self._epochs, self._epochs_submitted = 0, epochs
        self._minute_line.restart()
        if self._shown_on.is_terminal:
            columns = (TextColumn("epochs"), BarColumn(bar_width=16), MofNCompleteColumn(), TimeRemainingColumn())
            last = TextColumn("{task.fields[last]}", table_column=Column(overflow="fold"))
            self._bar = Progress(*columns, last, console=self._shown_on, transient=True)
            self._bar.start()
            self._bar.add_task("", total=epochs, last="")

    def on_worker_epoch_end(self, name: str, epoch: int) -> None:
        """Move the bar, or print the progress once a minute."""
        self._epochs += 1
        if not self._shown_on.is_terminal:
            place = f"{self._epochs:,} of {self._epochs_submitted:,} epochs"
            self._minute_line(lambda: f"{place}; the last is epoch {epoch} of {name}")
        if self._bar is not None:
            (task,) = self._bar.task_ids
            self._bar.update(task, advance=1, last=f"{name}: epoch {epoch}")

    def on_data_read(self, dataset: str, sentence: str) -> None:
        """Print the sentence."""
        print_sentence(self._console, f"{dataset}: {sentence}")

    def on_known_runs(self, source: Path, used: int, total: int) -> None:
        """Print the numbers of known runs."""
        print_sentence(self._console, f"known: {used:,} of the {total:,} runs in {source} are of this table")

    def on_run_known(self, record: RunRecord) -> None:
        """Print the figures of a run from a file."""
        self._say(record.name, f"known: {_format_figures(record)}")

    def on_run_found(self, record: RunRecord) -> None:
        """Print the figures of a run that was already finished."""
        self._say(record.name, f"there already: {_format_figures(record)}")

    def on_run_end(self, record: RunRecord) -> None:
        """Print the figures of the run, and the remaining time, estimated from the runs so far."""
        self._seconds.append(time.perf_counter() - self._started)
        if self._submitted is None:
            rest = self._remaining * sum(self._seconds) / len(self._seconds)
        else:
            self._count()
            # Runs of a cluster overlap: the time since the submission is divided by their number.
            rest = self._remaining * self._seconds[-1] / (self._submitted - self._remaining)
        left = f"; about {_format_duration(rest)} left" if self._remaining else ""
        self._say(record.name, f"{_format_figures(record)}; {_format_duration(self._seconds[-1])}{left}")

    def on_run_failed(self, failure: Failure) -> None:
        """Print the reason."""
        if self._submitted is not None:
            self._count()
        self._say(failure.name, f"FAILED: {failure.reason}")

    def close(self) -> None:
        """Remove the bars."""
        self._end_bar()
        self._decoding.close()

    def _count(self) -> None:
        """Count a run that the cluster has finished, in any order."""
        assert self._submitted is not None
        self._remaining -= 1
        self._place = f"{self._submitted - self._remaining:>{len(str(self._submitted))}}/{self._submitted}"

    def _say(self, name: str, text: str) -> None:
        if self._submitted is None:
            self._end_bar()
        print_sentence(self._console, f"{self._place} {name}: {text}".strip())

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def open_grid_display(console: Console) -> Iterator[GridCallback]:
    """Yield a callback that prints on ``console``; one without output if it is quiet."""
    if console.quiet:
        yield GridCallback()
        return
    display = GridDisplay(console)
    try:
        yield display
    finally:
        display.close()


def _format_figures(record: RunRecord) -> str:
    error = record.evaluation["reconstruction_error"]["one_posterior_draw"]
    parts = [f"reconstruction {error:.2f}"]
    distances = record.evaluation["frechet_distance"]
    if distances is not None:
        parts.append(f"distance {distances['one_posterior_draw']:.3g}")
    return ", ".join([*parts, f"sharpness {record.evaluation['sharpness']['one_posterior_draw']:.4f}"])


def _format_duration(seconds: float) -> str:
    """Return a duration such as ``35 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
