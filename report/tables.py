"""Tables as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from report.formulas import typeset


@dataclass(frozen=True)
class PageTable:
    """A table of typeset text.

    Attributes
    ----------
    caption : Markup
    columns : tuple of Markup
        The first ``words`` hold words, the others figures.
    rows : tuple of tuple of Markup
    words : int
    """

    caption: Markup
    columns: tuple[Markup, ...]
    rows: tuple[tuple[Markup, ...], ...]
    words: int = 1


def page_table(caption: str, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], words: int = 1) -> PageTable:
    """Typeset a table of plain text."""
    return PageTable(
        typeset(caption), tuple(map(typeset, columns)), tuple(tuple(map(typeset, row)) for row in rows), words
    )
