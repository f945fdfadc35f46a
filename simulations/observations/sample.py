"""A sample, and the record of what was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from foundation.types import Array
from foundation.typography import format_count, format_printable

_IN_WORDS = {
    "tab": "fields separated by tabs",
    "semicolon": "fields separated by semicolons",
    "bar": "fields separated by vertical bars",
    "comma": "fields separated by commas",
    "blank": "fields separated by blanks",
    "none": "one field on each line",
}

LISTED = 10
"""How many of the lines whose value was dropped are listed."""


@dataclass(frozen=True)
class Dialect:
    """How a text file writes a table.

    Attributes
    ----------
    encoding : str
        As Python names it.
    separator : str
        A key of `simulations.observations.names.SEPARATORS`.
    decimal : str
        The decimal mark, "." or ",".
    header_line : int or None
        The line that holds the names of the columns.
    """

    encoding: str
    separator: str
    decimal: str
    header_line: int | None

    def in_words(self) -> str:
        """Describe the dialect."""
        mark = {".": "decimal points", ",": "decimal commas"}[self.decimal]
        return f"{_IN_WORDS[self.separator]}, {mark}, {self.encoding}"

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {"encoding": self.encoding, "separator": self.separator, "decimal": self.decimal}


@dataclass(frozen=True)
class Dropped:
    """The values that were dropped because they are missing.

    Attributes
    ----------
    by_text : mapping of str to int
        Their number by the text that stands for them.
    places : tuple of int
        The lines or positions of the first `LISTED` of them.
    """

    by_text: Mapping[str, int] = field(default_factory=dict)
    places: tuple[int, ...] = ()

    @property
    def number(self) -> int:
        """How many were dropped."""
        return sum(self.by_text.values())

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {"number": self.number, "by_text": dict(self.by_text), "places": list(self.places)}


@dataclass(frozen=True)
class Reading:
    """What was read.

    Attributes
    ----------
    source : str
        The file's path, "standard input", or "the sample" for an object in Python.
    form : str
        One of text, npy, npz, parquet, table (a DataFrame or Series) and array.
    observations : int
    column : str or None
        The name of the column or of the archive's array, if it has one.
    column_number : int or None
        Its number from 1, if there are columns.
    unit : str
        What ``first``, ``last`` and the places of dropped values count: "line", or "value" for the position from 1.
    first, last : int
        Where the first and the last observation were found.
    dropped : Dropped
    blank_lines, comment_lines : int
        Lines of a text file that were skipped.
    dialect : Dialect or None
        That of a text file.
    """

    source: str
    form: str
    observations: int
    column: str | None
    column_number: int | None
    unit: str
    first: int
    last: int
    dropped: Dropped = Dropped()
    blank_lines: int = 0
    comment_lines: int = 0
    dialect: Dialect | None = None

    def in_words(self) -> str:
        """Describe in one sentence, without a full stop, the observations and what was left out.

        Examples
        --------
        >>> dialect = Dialect("utf-8", "comma", ".", header_line=1)
        >>> Reading("a.csv", "text", 60, "Weight", 2, "line", 2, 61, dialect=dialect).in_words()
        '60 observations from column Weight, lines 2 to 61; line 1 holds names'
        """
        parts = [f"{format_count(self.observations, 'observation')}{self._origin()}{self._places()}"]
        if self.dialect is not None and self.dialect.header_line is not None:
            parts.append(f"line {self.dialect.header_line} holds names")
        if self.dropped.number:
            parts.append(self._on_dropped())
        if self.blank_lines or self.comment_lines:
            skipped = [(self.blank_lines, "blank line"), (self.comment_lines, "comment line")]
            parts.append(f"{' and '.join(format_count(*one) for one in skipped if one[0])} skipped")
        return format_printable("; ".join(parts))

    def _origin(self) -> str:
        what = "array" if self.form == "npz" else "column"
        if self.column is not None:
            return f" from {what} {self.column or repr(self.column)}"
        return f" from {what} {self.column_number}" if self.column_number is not None else ""

    def _places(self) -> str:
        if self.first == self.last:
            return f", {self.unit} {self.first}"
        return f", {self.unit}s {self.first} to {self.last}"

    def _on_dropped(self) -> str:
        texts = ", ".join(f"{count} {text!r}" for text, count in self.dropped.by_text.items())
        places = ", ".join(map(str, self.dropped.places))
        more = ", ..." if self.dropped.number > len(self.dropped.places) else ""
        several = "" if self.dropped.number == 1 else "s"
        values = format_count(self.dropped.number, "missing value")
        return f"{values} dropped ({texts}; {self.unit}{several} {places}{more})"

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {
            "source": self.source,
            "form": self.form,
            "observations": self.observations,
            "column": self.column,
            "column_number": self.column_number,
            "unit": self.unit,
            "first": self.first,
            "last": self.last,
            "header_line": None if self.dialect is None else self.dialect.header_line,
            "dropped": self.dropped.document(),
            "blank_lines": self.blank_lines,
            "comment_lines": self.comment_lines,
            "dialect": None if self.dialect is None else self.dialect.document(),
        }


@dataclass(frozen=True, eq=False)
class Sample:
    """Finite numbers, with the record of where they come from.

    Attributes
    ----------
    values : array, shape (m,)
    reading : Reading
    """

    values: Array = field(repr=False)
    reading: Reading

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)
