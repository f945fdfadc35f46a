"""The display of training in a notebook, which needs no widgets: lines of text, and a bar that is written again."""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections.abc import Iterator
from typing import Any

from rich.progress import Progress, ProgressColumn

from evae.training.callbacks.callback import Callback
from evae.training.display import REFRESH, TrainingDisplay, make_columns
from foundation.progress import show_decoding_progress
from foundation.terminal import create_console

#: Width of the bar with its texts, in characters.
WIDTH = 120


class NotebookBar(Progress):
    """A bar of rich as one output of a cell, which is updated in place; rich's own needs the package ipywidgets."""

    def __init__(self, *columns: ProgressColumn) -> None:
        super().__init__(*columns, console=create_console(file=io.StringIO(), width=WIDTH, force_jupyter=False))
        self._output: Any = None
        self._shown = 0.0

    def start(self) -> None:
        """Make the output."""
        from IPython import display

        self._output = display.display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """Leave the bar as it is in the end."""
        self.show()

    def update(self, *arguments: Any, **options: Any) -> None:
        """Move the bar, and show it if that is due."""
        super().update(*arguments, **options)
        if time.perf_counter() - self._shown >= REFRESH:
            self.show()

    def show(self) -> None:
        """Write the bar again."""
        self._shown = time.perf_counter()
        with self.console.capture() as text:
            self.console.print(self.get_renderable())
        self._output.update({"text/plain": text.get().rstrip()}, raw=True)


@contextlib.contextmanager
def open_notebook_display() -> Iterator[Callback]:
    """Yield a callback that prints in the cell of a notebook that is being executed, with a bar."""
    lines = create_console(file=sys.stdout, width=WIDTH, force_jupyter=False, force_terminal=False)
    with show_decoding_progress(quiet=False) as decoding, NotebookBar(*make_columns()) as bar:
        yield TrainingDisplay(lines, bar, decoding)
