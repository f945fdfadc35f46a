"""Progress on a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


@contextlib.contextmanager
def progress_bar(what: str, total: int, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show on a terminal how many of ``total`` things are done; yield the function that counts one more."""
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
def busy(what: str, quiet: bool) -> Iterator[None]:
    """Show on a terminal that something of unknown length is under way, and for how long it has been."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield
        return
    with Progress(SpinnerColumn(), TextColumn(what), TimeElapsedColumn(), console=console, transient=True) as progress:
        progress.add_task(what, total=None)
        yield
