"""How a grid of runs looks on a terminal, and in a log file: a line a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from evae.configuration.configuration import Configuration
from evae.experiments.callbacks import GridWatcher
from evae.experiments.results import Failure, RunRecord
from evae.training.callbacks import GroupWatcher
from evae.training.display import TrainingDisplay, terms_column
from foundation.progress import DecodingDisplay, ProgressLog
from foundation.terminal import choose_progress_console, print_sentence


class GridDisplay(GridWatcher):
    """A line for every run when it is finished; on a terminal also a bar while it trains. `close` ends the bar."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_on = choose_progress_console(console)
        self._decoding = DecodingDisplay()
        self._bar: Progress | None = None
        self._place = ""
        self._left = 0
        self._seconds: list[float] = []
        self._begun = 0.0
        self._handed_out: int | None = None
        self._epochs = 0
        self._epochs_to_do = 0
        self._progress_log = ProgressLog(lambda sentence: print_sentence(self._shown_on, sentence))

    def preparing(self, what: str, done: int, total: int) -> None:
        """Show how far decoding, or the training of a classifier, is."""
        self._decoding(what, done, total)

    def comparing(self, what: str, done: int, total: int) -> None:
        """Show on a terminal how far the comparison of features is."""
        if self._shown_on.is_terminal:
            self._end_bar()
            self._decoding(what, done, total)

    def run_begins(self, number: int, total: int, configuration: Configuration) -> GroupWatcher:
        """Begin a bar for the run's training."""
        self._end_bar()
        self._place = f"{number:>{len(str(total))}}/{total}"
        self._left = total - number
        self._begun = time.perf_counter()
        if not self._shown_on.is_terminal:
            place = f"{self._place} {configuration.name}"
            progress_log = ProgressLog(lambda sentence: print_sentence(self._shown_on, f"{place}: {sentence}"))
            return TrainingDisplay(Console(quiet=True), bar=None, progress_log=progress_log)
        name = TextColumn(f"{self._place} {configuration.name}", table_column=Column(overflow="fold"))
        columns = (name, BarColumn(bar_width=8), MofNCompleteColumn(), terms_column(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=self._shown_on, transient=True)
        self._bar.start()
        return TrainingDisplay(Console(quiet=True), self._bar)

    def handed_out(self, runs: int, epochs: int) -> None:
        """Say how many runs a cluster has, and begin a bar for all their epochs."""
        self._end_bar()
        print_sentence(self._console, f"handed out: {runs:,} runs of {epochs:,} epochs together")
        self._handed_out, self._left, self._place = runs, runs, ""
        self._begun = time.perf_counter()
        self._epochs, self._epochs_to_do = 0, epochs
        self._progress_log.restart()
        if self._shown_on.is_terminal:
            columns = (TextColumn("epochs"), BarColumn(bar_width=16), MofNCompleteColumn(), TimeRemainingColumn())
            last = TextColumn("{task.fields[last]}", table_column=Column(overflow="fold"))
            self._bar = Progress(*columns, last, console=self._shown_on, transient=True)
            self._bar.start()
            self._bar.add_task("", total=epochs, last="")

    def epoch_finished(self, name: str, epoch: int) -> None:
        """Move the bar, or print the line of the minute."""
        self._epochs += 1
        if not self._shown_on.is_terminal:
            place = f"{self._epochs:,} of {self._epochs_to_do:,} epochs"
            self._progress_log(lambda: f"{place}; the last is epoch {epoch} of {name}")
        if self._bar is not None:
            (task,) = self._bar.task_ids
            self._bar.update(task, advance=1, last=f"{name}: epoch {epoch}")

    def known_counted(self, source: Path, used: int, total: int) -> None:
        """Say it."""
        print_sentence(self._console, f"known: {used:,} of the {total:,} runs in {source} are of this table")

    def run_known(self, record: RunRecord) -> None:
        """Say that it is taken from a file."""
        self._say(record.name, f"known: {_figures(record)}")

    def run_found(self, record: RunRecord) -> None:
        """Say that it was there."""
        self._say(record.name, f"there already: {_figures(record)}")

    def run_finished(self, record: RunRecord) -> None:
        """Give its figures, and the time that the rest will take if every run takes as long as those before."""
        self._seconds.append(time.perf_counter() - self._begun)
        if self._handed_out is None:
            rest = self._left * sum(self._seconds) / len(self._seconds)
        else:
            self._count()
            # Side by side they take together what the last of them took.
            rest = self._left * self._seconds[-1] / (self._handed_out - self._left)
        left = f"; about {_duration(rest)} left" if self._left else ""
        self._say(record.name, f"{_figures(record)}; {_duration(self._seconds[-1])}{left}")

    def run_failed(self, failure: Failure) -> None:
        """Say why."""
        if self._handed_out is not None:
            self._count()
        self._say(failure.name, f"FAILED: {failure.reason}")

    def close(self) -> None:
        """Take the bars away."""
        self._end_bar()
        self._decoding.close()

    def _count(self) -> None:
        """Count a run that a cluster is done with: they come in any order."""
        assert self._handed_out is not None
        self._left -= 1
        self._place = f"{self._handed_out - self._left:>{len(str(self._handed_out))}}/{self._handed_out}"

    def _say(self, name: str, text: str) -> None:
        if self._handed_out is None:
            self._end_bar()
        print_sentence(self._console, f"{self._place} {name}: {text}".strip())

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def grid_display(console: Console) -> Iterator[GridWatcher]:
    """Yield a watcher that prints on ``console``; a silent one if it is quiet."""
    if console.quiet:
        yield GridWatcher()
        return
    display = GridDisplay(console)
    try:
        yield display
    finally:
        display.close()


def _figures(record: RunRecord) -> str:
    error = record.evaluation["reconstruction_error"]["one_posterior_draw"]
    parts = [f"reconstruction {error:.2f}"]
    distances = record.evaluation["frechet_distance"]
    if distances is not None:
        parts.append(f"distance {distances['one_posterior_draw']:.3g}")
    return ", ".join([*parts, f"sharpness {record.evaluation['sharpness']['one_posterior_draw']:.4f}"])


def _duration(seconds: float) -> str:
    """Such as ``35 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
