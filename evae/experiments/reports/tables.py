"""Tables of text with commentary, and their output formats: terminal, Markdown, LaTeX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.text import Text

from evae.experiments.reports.headline import Headline
from foundation.terminal import FittingTable
from foundation.typography import escape_latex, format_markdown, format_printable


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    title : str
    columns : tuple of str
        Those after the first ``words`` hold figures.
    rows : tuple of tuple of str
        Each as long as ``columns``.
    words : int
        Number of columns that hold words, and are aligned left.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1

    def markdown(self) -> str:
        """Return the table in Markdown, below its title in bold."""
        marks = ["---" if number < self.words else "---:" for number in range(len(self.columns))]
        head, *body = (tuple(map(format_markdown, line)) for line in (self.columns, *self.rows))
        lines = [f"| {' | '.join(line)} |" for line in (head, tuple(marks), *body)]
        return "\n".join([f"**{format_markdown(self.title)}**", "", *lines, ""])

    def latex(self) -> str:
        """Return the table as a LaTeX ``table`` with rules of the package booktabs."""
        alignment = "l" * self.words + "r" * (len(self.columns) - self.words)
        head, *body = (" & ".join(map(escape_latex, line)) + r" \\" for line in (self.columns, *self.rows))
        lines = [r"\begin{table}", rf"\caption{{{escape_latex(self.title)}}}", r"\centering", r"\small"]
        lines += [rf"\begin{{tabular}}{{{alignment}}}", r"\toprule", head, r"\midrule", *body, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", r"\end{table}", ""])

    def for_terminal(self) -> FittingTable:
        """Return the table for a terminal."""
        return FittingTable(self.columns, self.rows, range(self.words, len(self.columns)), self.title, SIMPLE_HEAD)


@dataclass(frozen=True)
class Report:
    """Tables and paragraphs, in reading order; ``document`` has the same content for a JSON file.

    ``headline`` is the verdict on the method, which only the ablation gives.
    """

    title: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    paragraphs: tuple[str, ...]
    document: dict[str, Any]
    headline: Headline | None = None

    def markdown(self) -> str:
        """Return the report in Markdown."""
        notes = "\n".join(f"- {format_markdown(note)}" for note in self.notes)
        tables = "\n".join(table.markdown() for table in self.tables)
        paragraphs = (f"{format_markdown(text)}\n" for text in self.paragraphs)
        return "\n".join([f"# {self.title}", "", notes, "", tables, *paragraphs])

    def for_terminal(self) -> RenderableType:
        """Return the report for a terminal."""
        notes = [Text(format_printable(note), style="dim") for note in self.notes]
        paragraphs = [Text(f"\n{format_printable(text)}") for text in self.paragraphs]
        return Group(*(table.for_terminal() for table in self.tables), *notes, *paragraphs)

    def latex(self) -> str:
        """Return the tables in LaTeX, for a document that loads booktabs."""
        return "\n".join(table.latex() for table in self.tables)
