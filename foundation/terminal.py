"""Layout of text and tables on a terminal, without truncated cells, broken words or broken numbers."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from rich.box import HEAVY_HEAD, SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from foundation.typography import format_printable

#: Width in characters beyond that of any terminal, at which a table has its natural width.
_UNBOUNDED = 10_000

#: Headings of at most this many characters are not wrapped if there is room, even above narrower numbers.
_HEADING = 12

#: Characters of the narrowest terminal on which `fit_columns` sets columns.
_NARROWEST = 70


class _PrintableConsole(Console):
    """A console that writes no control character but newlines and its own commands, whatever it is given to print."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable, with unprintable characters as escapes."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control or text.isprintable():
                yield segment
            else:
                yield Segment(format_printable(text, keep_lines=True), style)


def create_console(**settings: Any) -> Console:
    """Return a console, with the ``settings`` of `rich.console.Console`, that shows all text as it is.

    Names in brackets are not taken for styles, names between colons not for pictures, and control characters are shown
    as escapes.
    """
    return _PrintableConsole(markup=False, emoji=False, highlight=False, **settings)


def is_notebook() -> bool:
    """Return whether the output of this process is that of cells in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    # The shell of a terminal has no kernel.
    return getattr(shell, "kernel", None) is not None


def choose_progress_console(console: Console) -> Console:
    """Return the console for a progress bar: ``console`` if it is a terminal or quiet, else standard error.

    A bar and lines on the same terminal must be written by one console, or they overwrite each other.
    """
    return console if console.is_terminal or console.quiet else create_console(stderr=True)


def print_sentence(console: Console, sentence: str) -> None:
    """Print a sentence, wrapped between words on a terminal, and as one line elsewhere, as in a log file.

    A path or another word that is wider than the terminal is not broken, so that it can be copied. Characters that
    cannot be printed are escaped.
    """
    sentence = format_printable(sentence)
    lines = [sentence]
    if console.is_terminal:
        lines = textwrap.wrap(
            sentence, console.width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class FittingTable:
    """A table that adapts to the width of the terminal.

    If it is too wide, the space between columns is reduced; if that does not suffice, each row becomes a paragraph.

    Attributes
    ----------
    columns : tuple of str
        The headings.
    rows : sequence of sequences of str or rich.text.Text
        The cells. In those of type str, and in the title, characters that cannot be printed are escaped.
    figures : range or set of int
        The indices of columns of numbers, which are aligned at the right and not wrapped; their headings may be.
    title : str, optional
    box : rich.box.Box
    style : str
        The title's style, in rich's notation.
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str | Text]]
    figures: range | frozenset[int] = frozenset()
    title: str | None = None
    box: Box = HEAVY_HEAD
    style: str = ""

    def __post_init__(self) -> None:
        rows = tuple(tuple(Text(format_printable(c)) if isinstance(c, str) else c for c in row) for row in self.rows)
        object.__setattr__(self, "rows", rows)
        if self.title is not None:
            object.__setattr__(self, "title", format_printable(self.title))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the first layout that fits the width of the terminal."""
        for table in (self._table(self.box, padding=1), self._table(SIMPLE_HEAD, padding=0)):
            if _least_width(table, console, options) <= options.max_width:
                yield table
                return
        yield from self._records()

    def _table(self, box: Box, padding: int) -> Table:
        sides = (0, padding) if box is not SIMPLE_HEAD else (0, padding, 0, 0)
        table = Table(
            title=None if self.title is None else Text(self.title, style=self.style),
            title_justify="left",
            box=box,
            padding=sides,
            show_edge=padding > 0,
        )
        everywhere = range(len(self.columns))
        widths = [max((cell_len(str(row[number])) for row in self.rows), default=0) for number in everywhere]
        words = [number for number in everywhere if number not in self.figures]
        # Only one column may be wrapped: with two, rich would break words in one before it wraps the other.
        wrapped = max(words, key=lambda number: widths[number], default=None)
        for number, heading in enumerate(self.columns):
            if number == wrapped:
                table.add_column(heading, overflow="fold")
                continue
            heading = _wrap(heading, max(widths[number], _HEADING if padding else 0))
            side: Literal["left", "right"] = "right" if number in self.figures else "left"
            # Without a minimal width rich reserves only the longest word of a column that is not wrapped.
            least = max(widths[number], *map(cell_len, heading.splitlines() or [""]))
            table.add_column(heading, justify=side, no_wrap=True, min_width=least)
        for row in self.rows:
            table.add_row(*row)
        return table

    def _records(self) -> RenderResult:
        """Yield a paragraph for each row: its first cell, and below it the other cells after their headings."""
        if self.title is not None:
            yield Text(self.title, style=self.style)
        for first, *others in self.rows:
            yield Text(str(first), style="bold")
            grid = Table.grid(padding=(0, 1))
            grid.add_column(overflow="fold")
            grid.add_column(overflow="fold")
            for heading, cell in zip_longest(self.columns[1:], others, fillvalue=""):
                if str(cell):
                    grid.add_row(f"{str(heading).replace(chr(10), ' ')}:", cell)
            yield Padding(grid, (0, 0, 0, 2))


def fit_columns(rows: Sequence[tuple[Text, RenderableType]], columns: Table) -> RenderableType:
    """Return ``columns``, which on a terminal of less than 70 characters are replaced by ``rows``.

    Each of the ``rows`` is a heading and the body that is then set below it.
    """
    return _FittingColumns(rows, columns)


@dataclass(frozen=True)
class _FittingColumns:
    rows: Sequence[tuple[Text, RenderableType]]
    columns: Table

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= _NARROWEST:
            yield self.columns
            return
        for heading, body in self.rows:
            yield heading
            yield Padding(body, (0, 0, 0, 4))


def _least_width(table: Table, console: Console, options: ConsoleOptions) -> int:
    return table.__rich_measure__(console, options.update_width(_UNBOUNDED)).minimum


def _wrap(heading: str, width: int) -> str:
    """Wrap a heading to the width of the cells below it, or to its longest word if that is wider."""
    longest = max(map(len, heading.split()), default=0)
    return "\n".join(
        textwrap.fill(line, max(width, longest), break_on_hyphens=False) for line in heading.splitlines() or [""]
    )
