"""From the text of a file to its records: lines without blank ones and comments, and the fields they hold.

The records are read by Python's `csv` in its strict mode. pandas, which pads short records, shortens long ones and
accepts text after a closing quote without a word, finds the same fields in records that are well formed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import NamedTuple

from simulations.observations.names import SEPARATORS

LONGEST_LINE = 2**20
"""Characters of the longest line."""

_BLANKS = " \t"

#: Excel's error values, which are fields and not comments.
_ERROR_VALUE = re.compile(r"#(?:N/A|DIV/0!|REF!|NAME\?|NUM!|NULL!|VALUE!)")

#: A first line by which Excel is told the separator.
_FOR_EXCEL = re.compile(r'"?sep=.?"?', re.IGNORECASE)


class StructureError(ValueError):
    """A record is not well formed; the message says which line it begins in and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} {reason}")
        self.line = line


class Record(NamedTuple):
    """A record.

    Attributes
    ----------
    line : int
        The line it begins in, from 1.
    text : str
        Its lines, each with a newline at its end.
    fields : list of str
    """

    line: int
    text: str
    fields: list[str]


class Records:
    """The records of a text, for one separator.

    Iterating raises a `StructureError` where a quote is not closed, text follows a closing quote, or a line or a field
    is too long. While it runs, the numbers of blank lines and comments passed over are counted.
    """

    def __init__(self, text: str, separator: str) -> None:
        self.blank_lines = self.comment_lines = 0
        self._text, self._separator = text, separator
        self._between, self._taken = True, [""]
        self._line = self._begin = 0

    def __iter__(self) -> Iterator[Record]:
        reader = csv.reader(
            self._lines(),
            delimiter=SEPARATORS[self._separator],
            quotechar='"',
            doublequote=True,
            skipinitialspace=True,
            strict=True,
        )
        while True:
            self._between, self._taken = True, []
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise StructureError(self._begin, f"is not well formed: {_reason(error)}") from None
            yield Record(self._begin, "".join(self._taken), fields)

    def _lines(self) -> Iterator[str]:
        """Yield the lines for the reader of records, and pass over blank lines and comments between them."""
        start, end = 0, len(self._text)
        while start < end:
            stop = self._text.find("\n", start)
            stop = end if stop < 0 else stop
            self._line += 1
            if stop - start > LONGEST_LINE:
                raise StructureError(self._line, f"has more than {LONGEST_LINE:,} characters")
            line = self._text[start:stop]
            start = stop + 1
            if self._between:
                if self._is_passed_over(line):
                    continue
                self._between, self._begin = False, self._line
            prepared = self._prepared(line)
            self._taken.append(prepared)
            yield prepared

    def _is_passed_over(self, line: str) -> bool:
        # A line of tabs alone is a record of empty fields where tabs separate.
        content = line.strip(" " if self._separator == "tab" else _BLANKS)
        if not content:
            self.blank_lines += 1
            return True
        commented = content.startswith("#") and not _ERROR_VALUE.match(content)
        if commented or (self._line == 1 and _FOR_EXCEL.fullmatch(content)):
            self.comment_lines += 1
            return True
        return False

    def _prepared(self, line: str) -> str:
        if self._separator == "blank":
            return f"{line.strip(_BLANKS).expandtabs(1)}\n"
        return f"{line.rstrip(' ')}\n"


def _reason(error: csv.Error) -> str:
    reason = str(error)
    if "field larger than" in reason:
        return f"a field has more than {csv.field_size_limit():,} characters, or a quoted field does not end"
    if "unexpected end of data" in reason:
        return "a quoted field does not end. Close the quote, or remove it"
    if "expected after" in reason:
        return "text follows a closing quote. Write a quote inside a quoted field twice"
    return reason
