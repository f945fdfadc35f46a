"""Progress of long computations: callbacks, displays on a terminal, and lines for log files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID, TextColumn

#: Called during a computation with its description, the number of items that are done, and their total.
ProgressCallback: TypeAlias = Callable[[str, int, int], object]

#: Seconds between two lines of `DecodingDisplay` without a terminal.
SECONDS_BETWEEN_LINES = 2.0

#: Seconds between two lines of a `ProgressLog`.
LOG_INTERVAL = 60.0


def ignore_progress(description: str, done: int, total: int) -> None:
    """Do nothing: the default `ProgressCallback`."""


class ProgressLog:
    """Writes a sentence on progress at most once in `LOG_INTERVAL` seconds, the first one after that time.

    Parameters
    ----------
    write : callable
        Called with the sentence.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._written_at = clock()

    def restart(self) -> None:
        """Wait a whole interval again, because something else was written."""
        self._written_at = self._clock()

    def __call__(self, sentence: Callable[[], str]) -> None:
        """Write the sentence if it is due. Only then is it composed, since that may have to wait for the device."""
        if self._clock() - self._written_at >= LOG_INTERVAL:
            self._write(sentence())
            self._written_at = self._clock()


def make_text_column(attribute: str) -> TextColumn:
    """Return a progress bar's column with an attribute of the task, such as ``description`` or ``fields[last]``.

    The text is shown as it is, and folded where the line is too short.
    """
    from rich.progress import TextColumn
    from rich.table import Column

    return TextColumn(f"{{task.{attribute}}}", markup=False, table_column=Column(overflow="fold"))


class DecodingDisplay:
    """Progress of decoding images on standard error: a bar on a terminal, elsewhere a line for each tenth."""

    def __init__(self) -> None:
        from foundation.terminal import create_console

        self._console = create_console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._tenths = 0
        self._written_at = time.monotonic()

    def __call__(self, description: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` images are decoded."""
        from foundation.terminal import print_sentence

        if self._console.is_terminal:
            self._update_bar(description, done, total)
        elif 10 * done // total > self._tenths and time.monotonic() - self._written_at > SECONDS_BETWEEN_LINES:
            self._tenths, self._written_at = 10 * done // total, time.monotonic()
            print_sentence(self._console, f"{description}: {done:,} of {total:,}")
        if done == total:
            self.close()

    def _update_bar(self, description: str, done: int, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        # Started with the first images, because cached images are not decoded.
        if self._bar is None or self._task is None:
            columns = (
                make_text_column("description"),
                BarColumn(bar_width=16),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(description, total=total)
        self._bar.update(self._task, completed=done)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None
        self._tenths = 0


@contextlib.contextmanager
def show_decoding_progress(quiet: bool) -> Iterator[ProgressCallback]:
    """Yield a callback that shows the progress of decoding on standard error, or does nothing if ``quiet``."""
    if quiet:
        yield ignore_progress
        return
    display = DecodingDisplay()
    try:
        yield display
    finally:
        display.close()


@contextlib.contextmanager
def show_progress_bar(description: str, total: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show a bar over ``total`` items on a terminal; yield the function to call with the name of each finished item."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    from foundation.terminal import create_console

    columns = (
        make_text_column("description"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        make_text_column("fields[last]"),
    )
    console = create_console(stderr=True)
    if quiet or not console.is_terminal:
        # Some versions of rich print an empty line for a disabled bar.
        yield lambda _: None
        return
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(description, total=total, last="")
        yield lambda last: progress.update(task, advance=1, last=last)


@contextlib.contextmanager
def show_spinner(description: str, quiet: bool) -> Iterator[None]:
    """Show on a terminal that a computation of unknown length is running, and for how long."""
    from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

    from foundation.terminal import create_console

    console = create_console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    columns = (SpinnerColumn(), make_text_column("description"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(description, total=None)
        yield
