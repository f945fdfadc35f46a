"""How text and tables are laid out on a terminal: nothing is cut off, and no word or number is broken."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from rich.box import HEAVY_HEAD, SIMPLE_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: No terminal is wider, so that what a table measures at this width is what it would like to have.
_UNBOUNDED = 10_000

#: A heading of so many characters is not wrapped, however narrow the figures below it, where there is room.
_HEADING = 12


def progress_console(console: Console) -> Console:
    """Return where a bar goes: to ``console`` if that is a terminal, since both write there, else to standard error."""
    return console if console.is_terminal or console.quiet else Console(stderr=True, highlight=False)


def say(console: Console, sentence: str) -> None:
    """Print a sentence: on a terminal wrapped between words, elsewhere as one line, which stays whole in a log.

    A path or another word that is longer than the terminal is wide keeps its line, so that it can be copied.
    """
    lines = [sentence]
    if console.is_terminal:
        lines = textwrap.wrap(
            sentence, console.width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
        )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class FittingTable:
    """A table that is set closer where it would be too wide, and one cell under another where that is not enough.

    Attributes
    ----------
    columns : tuple of str
        The headings.
    rows : sequence of sequences
        Of cells, each a string or a `rich.text.Text`.
    figures : range or set of int
        The columns that hold numbers: aligned at the right, and never wrapped, though their headings are.
    title : str
    box : rich.box.Box
    style : rich style of the title
    """

    columns: tuple[str, ...]
    rows: Sequence[Sequence[str | Text]]
    figures: range | frozenset[int] = frozenset()
    title: str | None = None
    box: Box = HEAVY_HEAD
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the first layout that fits."""
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
        # Were more than one column to give way, rich would break words in one before it wraps the other.
        gives_way = max(words, key=lambda number: widths[number], default=None)
        for number, heading in enumerate(self.columns):
            if number == gives_way:
                table.add_column(heading, overflow="fold")
                continue
            heading = _wrapped(heading, max(widths[number], _HEADING if padding else 0))
            side: Literal["left", "right"] = "right" if number in self.figures else "left"
            # Without a least width rich takes the longest word for what a column needs, wrapped or not.
            least = max(widths[number], *map(cell_len, heading.splitlines() or [""]))
            table.add_column(heading, justify=side, no_wrap=True, min_width=least)
        for row in self.rows:
            table.add_row(*row)
        return table

    def _records(self) -> RenderResult:
        """Yield a paragraph for each row: its first cell, and below it the others behind their headings."""
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


def beside_or_below(rows: Sequence[tuple[Text, RenderableType]], columns: Table) -> RenderableType:
    """Return ``columns``, or, on a terminal under 70 columns, each of the ``rows`` as a heading with its body below."""
    return _BesideOrBelow(rows, columns)


@dataclass(frozen=True)
class _BesideOrBelow:
    rows: Sequence[tuple[Text, RenderableType]]
    columns: Table

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= 70:
            yield self.columns
            return
        for heading, body in self.rows:
            yield heading
            yield Padding(body, (0, 0, 0, 4))


def _least_width(table: Table, console: Console, options: ConsoleOptions) -> int:
    return table.__rich_measure__(console, options.update_width(_UNBOUNDED)).minimum


def _wrapped(heading: str, width: int) -> str:
    """Wrap a heading to the width of the cells below it, but for words that are longer."""
    longest = max(map(len, heading.split()), default=0)
    return "\n".join(
        textwrap.fill(line, max(width, longest), break_on_hyphens=False) for line in heading.splitlines() or [""]
    )
