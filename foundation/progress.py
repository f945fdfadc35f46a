"""Progress on a terminal: bars, a spinner, and the callback by which long work reports how far it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Called as work proceeds, with what is being done, how many items are done, and their total.
ProgressCallback = Callable[[str, int, int], object]

#: Seconds between two lines of progress where there is no terminal.
SECONDS_BETWEEN_LINES = 2.0


def silent(what: str, done: int, total: int) -> None:
    """Report nothing: the `ProgressCallback` of callers that want none."""


class DecodingDisplay:
    """Progress of decoding on standard error: a bar on a terminal, else a line for each tenth. `close` ends it."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._tenths = 0
        self._said = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` are done."""
        from foundation.terminal import say

        if self._console.is_terminal:
            self._move_bar(what, done, total)
        elif 10 * done // total > self._tenths and time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._tenths, self._said = 10 * done // total, time.monotonic()
            say(self._console, f"{what}: {done:,} of {total:,}")
        if done == total:
            self.close()

    def _move_bar(self, what: str, done: int, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        # Started at the first images, because nothing is decoded where a cache holds them.
        if self._bar is None or self._task is None:
            columns = (TextColumn(what), BarColumn(bar_width=16), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(what, total=total)
        self._bar.update(self._task, completed=done)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
        self._bar = self._task = None
        self._tenths = 0


@contextlib.contextmanager
def decoding_display(quiet: bool) -> Iterator[ProgressCallback]:
    """Yield a callback that shows the progress of decoding on standard error, or nothing if ``quiet``."""
    if quiet:
        yield silent
        return
    display = DecodingDisplay()
    try:
        yield display
    finally:
        display.close()


@contextlib.contextmanager
def progress_bar(what: str, total: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show a bar over ``total`` items on a terminal; yield the function that advances it by the item it names."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[last]}"),
    )
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        # A disabled bar prints an empty line in some versions of rich.
        yield lambda _: None
        return
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total, last="")
        yield lambda last: progress.update(task, advance=1, last=last)


@contextlib.contextmanager
def spinner(what: str, quiet: bool) -> Iterator[None]:
    """Show on a terminal that work of unknown length is under way, and the time since it started."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with Progress(SpinnerColumn(), TextColumn(what), TimeElapsedColumn(), console=console, transient=True) as progress:
        progress.add_task(what, total=None)
        yield
