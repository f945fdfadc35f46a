"""What separates the fields of a text file, whether its first line holds names, and which column is meant.

All of this is decided once, from the first records, and never by a guess: where they can be read in two ways, the
error describes both and names the option that chooses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from foundation.errors import InputError, suggest
from foundation.typography import format_count
from simulations.observations.cells import PADDING, is_grouped, is_missing, is_name, is_number, shown
from simulations.observations.names import SEPARATORS
from simulations.observations.records import Record, Records, StructureError

HEAD_RECORDS, HEAD_CHARACTERS = 1_000, 2**20
"""The records and characters from which the dialect is decided."""

MOST_COMPARED = 1_000
"""The names that a misspelt one is compared with."""

_STRONG = ("tab", "semicolon", "bar", "comma")
"""Separators by rank. Blanks separate only where none of these does, since they also occur inside fields."""

_NAMES = {
    "\t": "tab",
    "\\t": "tab",
    ";": "semicolon",
    "|": "bar",
    ",": "comma",
    " ": "blank",
    "": "none",
    **{name: name for name in SEPARATORS},
}


@dataclass(frozen=True)
class Choices:
    """What the caller says of a file; None where the file is to show it.

    Attributes
    ----------
    column : str or None
        The name of a column, or its number from 1.
    header : bool or None
        Whether the first record holds names.
    decimal, separator, encoding : str or None
    """

    column: str | None = None
    header: bool | None = None
    decimal: str | None = None
    separator: str | None = None
    encoding: str | None = None

    def chosen(self) -> list[str]:
        """Return the options that hold for text files alone and are set."""
        flag = {True: "--header", False: "--no-header", None: None}[self.header]
        named = [(f"--{name}", getattr(self, name)) for name in ("decimal", "separator", "encoding")]
        return [*([flag] if flag else []), *(option for option, value in named if value is not None)]


@dataclass(frozen=True)
class Layout:
    """Where the sample is in a text file.

    Attributes
    ----------
    separator, decimal : str
    header : bool
        Whether the first record holds names.
    names : list of str or None
        They, if it does.
    index : int
        The column, from 0.
    width : int
        The number of fields in each record.
    first_line : int
        The line of the first record.
    """

    separator: str
    decimal: str
    header: bool
    names: list[str] | None
    index: int
    width: int
    first_line: int

    @property
    def column(self) -> str | None:
        """The name of the column."""
        return None if self.names is None else self.names[self.index]


class _Misplaced(Exception):
    """The column cannot be found under one reading; the message is the sentence for the user."""


class _Undecided(_Misplaced):
    """The column is there, but it is open which, or whether the first record holds names."""


def separator_named(name: str) -> str:
    """Return the key of `SEPARATORS` for a name or the character itself; raise an `InputError` for others."""
    if name not in _NAMES:
        raise InputError(
            f"--separator must be one of {', '.join(SEPARATORS)}, or the character itself, got {name!r}. Choose one."
        )
    return _NAMES[name]


def decide_layout(text: str, source: str, choices: Choices) -> Layout:
    """Decide how a text is to be read.

    Raises
    ------
    InputError
        If it has no records, if no reading finds the column, or if more than one does.
    """
    separator = None if choices.separator is None else separator_named(choices.separator)
    heads = _Heads(text, source, choices)
    if separator is not None:
        if separator == "comma" and choices.decimal == "," and not heads.has_quoted_commas():
            raise InputError(
                f"{source}: --separator and --decimal must differ where numbers are not quoted, got a comma for both."
            )
        return heads.place(separator, heads.records(separator))
    readings = [one for one in _STRONG if heads.is_regular(one)]
    if not readings and heads.is_regular("blank"):
        readings = ["blank"]
    readings += [one for one in heads.rivals(readings) if one not in readings]
    if not readings:
        return heads.complain()
    return heads.choose(readings)


class _Heads:
    """The first records of a text under each separator."""

    def __init__(self, text: str, source: str, choices: Choices) -> None:
        self._text, self._source, self._choices = text, source, choices
        self._decimals = [choices.decimal] if choices.decimal else [".", ","]
        self._kept: dict[str, list[Record] | StructureError] = {}
        if not self.records("none", partial=True):
            comments = self._comments
            found = f"only {format_count(comments, 'comment line')}" if comments else "none"
            raise InputError(f"{source} must contain numbers, got {found}.")

    def records(self, separator: str, *, partial: bool = False) -> list[Record]:
        """Return the first records; raise an `InputError` if they are not well formed."""
        found = self._found(separator)
        if isinstance(found, StructureError):
            if partial:
                return [Record(1, "", [])]
            raise InputError(f"{self._source}, {found}.")
        return found

    def _found(self, separator: str) -> list[Record] | StructureError:
        if separator not in self._kept:
            records = Records(self._text, separator)
            try:
                self._kept[separator] = list(_head(records))
            except StructureError as error:
                self._kept[separator] = error
            self._comments = records.comment_lines
        return self._kept[separator]

    def is_regular(self, separator: str) -> bool:
        """Return whether all records have the same number of fields, and more than one."""
        if separator == "comma" and self._decimals == [","] and not self.has_quoted_commas():
            return False
        return _is_regular(self._found(separator))

    def has_quoted_commas(self) -> bool:
        """Return whether commas separate fields, and quotes protect those inside numbers, as in Google Sheets."""
        found = self._found("comma")
        if isinstance(found, StructureError):
            return False
        return any("," in field and is_number(field, ",") for record in found for field in record.fields)

    # Readings beside those by a strong separator.

    def rivals(self, readings: list[str]) -> Iterator[str]:
        """Yield the further separators under which the file makes sense as well.

        Where commas fit, blanks may be meant if all commas, or those in the column, are inside numbers; where tabs fit,
        if all fields are numbers. One column may be meant if each record as a whole is a number.
        """
        if self._may_be_blanks(readings):
            yield "blank"
        if not readings or self._may_be_one_column(readings[0]):
            single = self._found("none")
            if not isinstance(single, StructureError) and (readings or self._any_numeric(single)):
                yield "none"

    def _may_be_blanks(self, readings: list[str]) -> bool:
        if not {"comma", "tab"} & set(readings) or not self.is_regular("blank"):
            return False
        fields = [field for record in self.records("blank") for field in record.fields]
        if "comma" in readings:
            inside = all(self._is_numberlike(field) for field in fields if "," in field)
            return inside or any("," in cell and self._is_numberlike(cell) for cell in self._cells_of("blank"))
        names = self.records("blank")[0].fields
        below = fields[len(names) :] if all(map(is_name, names)) else fields
        return all(self._is_numberlike(field) or is_missing(field) for field in below)

    def _may_be_one_column(self, separator: str) -> bool:
        """Return whether the records are numbers as a whole, with the separator as decimal mark or in thousands."""
        single = self._found("none")
        if isinstance(single, StructureError):
            return False
        first, *rest = (record.fields[0].strip(PADDING) for record in single)
        column = "1" if self._choices.column is None else self._choices.column
        if self._is_numberlike(first) and self._choices.header is not True:
            return column == "1" and all(map(self._is_numberlike, rest))
        if column not in ("1", *_names_of_one(first)):
            return False
        # A line of names that are as many as the fields shows that there are several columns, unless a blank is what
        # makes them so: "Weight, kg" may be one name.
        mark = SEPARATORS[separator]
        one_name = separator == "blank" or (f"{mark} " in first and not any(f"{mark} " in one for one in rest))
        return one_name and bool(rest) and all(map(self._is_numberlike, rest))

    def _any_numeric(self, records: list[Record]) -> bool:
        return any(self._is_numberlike(record.fields[0]) for record in records if record.fields)

    def _is_numberlike(self, field: str) -> bool:
        return any(is_number(field, mark) for mark in self._decimals) or is_grouped(field)

    # The choice between readings.

    def choose(self, readings: list[str]) -> Layout:
        """Return the layout of the only reading that finds numbers in the column.

        Raises
        ------
        InputError
            If several do, or if none does: then for the reasons of the first.
        """
        found: dict[str, Layout | _Misplaced] = {}
        for separator in readings:
            try:
                found[separator] = self._place(separator, self.records(separator))
            except _Misplaced as error:
                found[separator] = error
        possible = [one for one in readings if self._is_possible(one, found[one], readings)]
        distinct = {tuple(self._cells(one, found[one])): one for one in reversed(possible)}
        ways = [one for one in readings if one in distinct.values()]
        if len(ways) > 1 or (ways and ways[0] != readings[0] and ways[0] not in _STRONG and len(readings) > 1):
            raise InputError(self._on_two_ways(list(dict.fromkeys([*ways, readings[0]])), found))
        chosen = ways[0] if ways else next((one for one in readings if isinstance(found[one], Layout)), readings[0])
        layout = found[chosen]
        if isinstance(layout, _Misplaced):
            if readings == ["none"]:
                return self.complain()
            raise InputError(str(layout))
        return layout

    def _is_possible(self, separator: str, layout: Layout | _Misplaced, readings: list[str]) -> bool:
        if isinstance(layout, _Misplaced):
            # Several columns of which none is chosen are a reading where one column is another.
            undecided = isinstance(layout, _Undecided) or self._choices.column is None
            return undecided or (separator == "none" and len(readings) > 1)
        cells = self._cells(separator, layout)
        return not cells or any(map(self._is_numberlike, cells))

    def _cells_of(self, separator: str) -> list[str]:
        """Return the cells of the column under a separator, or none if it has no such column."""
        try:
            return self._cells(separator, self._place(separator, self.records(separator)))
        except _Misplaced:
            return []

    def _cells(self, separator: str, layout: Layout | _Misplaced) -> list[str]:
        if isinstance(layout, _Misplaced):
            # Two separators that divide the records alike are one reading.
            return ["\0".join(field.strip(PADDING) for field in record.fields) for record in self.records(separator)]
        records = self.records(separator)[1 if layout.header else 0 :]
        cells = [record.fields[layout.index].strip(PADDING) for record in records if len(record.fields) > layout.index]
        return [cell for cell in cells if not is_missing(cell)]

    def _on_two_ways(self, ways: list[str], found: dict[str, Layout | _Misplaced]) -> str:
        described = [self._describe(one, found[one]) for one in ways]
        return f"{self._source} can be read in {_in_words(len(ways))} ways: {'; or '.join(described)}."

    def _describe(self, separator: str, layout: Layout | _Misplaced) -> str:
        record = self.records(separator)[-1]
        width = len(record.fields)
        index = layout.index if isinstance(layout, Layout) else 0
        cell = record.fields[index].strip(PADDING) if width > index else ""
        if separator == "none":
            mark = "decimal commas" if is_number(cell, ",") else "separated thousands"
            options = "--decimal ," if is_number(cell, ",") else "--separator none"
            return f"as one column of numbers with {mark}, {shown(cell)} on line {record.line} ({options})"
        column = " and --column" if self._choices.column is None else ""
        commas = ", with decimal commas" if is_number(cell, ",") and not is_number(cell, ".") else ""
        options = f"--separator {separator}{column}{' --decimal ,' if commas else ''}"
        place = f"{shown(cell)} in column {index + 1} of line {record.line}"
        return f"as {width} columns separated by {_PLURALS[separator]}{commas}, {place} ({options})"

    # The place of the column under one separator.

    def place(self, separator: str, records: list[Record]) -> Layout:
        """Return the layout under a separator; raise an `InputError` if the column cannot be found."""
        try:
            return self._place(separator, records)
        except _Misplaced as error:
            raise InputError(str(error)) from None

    def _place(self, separator: str, records: list[Record]) -> Layout:
        fields = [field.strip(PADDING) for field in records[0].fields]
        index, named = self._index(fields, separator, records)
        decimal = self._choices.decimal or "."
        header = self._choices.header
        if header and self._comments and records[0].line > 1 and self._is_numberlike(fields[index]):
            raise _Misplaced(
                f"{self._source}, line {records[0].line} holds a number in the column, and lines before it that begin "
                "with # are comments, so that --header finds no names. Remove the # before the names, or use "
                "--no-header."
            )
        if header is None:
            header = named or self._begins_with_names(records, index)
        return Layout(separator, decimal, header, fields if header else None, index, len(fields), records[0].line)

    def _index(self, fields: list[str], separator: str, records: list[Record]) -> tuple[int, bool]:
        """Return the column's index, and whether it was found by its name in the first record."""
        column, width, source = self._choices.column, len(fields), self._source
        if column is None:
            if width > 1:
                raise _Misplaced(self._on_several(fields, records))
            return 0, False
        by_number = int(column) - 1 if _is_place(column, width) else None
        places = [place for place, name in enumerate(fields) if name == column.strip(PADDING)]
        if self._choices.header is False:
            places = []
        if by_number is not None and places and self._choices.header is None:
            # A column may be called by a number, unless the first record is data.
            of_data = all(self._is_numberlike(field) or is_missing(field) for field in fields)
            places = [] if of_data or self._is_numberlike(fields[by_number]) else places
            if places:
                raise _Undecided(
                    f"{source}, line {records[0].line}: --column {column} can be the column named {column!r} "
                    f"(--header) or column {column} (--no-header, if the line holds data)."
                )
        if len(places) > 1:
            numbers = " and ".join(str(place + 1) for place in places)
            raise _Misplaced(f"{source} has {len(places)} columns named {column!r}. Choose by number: {numbers}.")
        if places:
            return places[0], True
        if by_number is not None:
            return by_number, False
        names = self._names(fields)
        if width == 1 and not names:
            raise _Misplaced(
                f"{source} has no column {column!r}, but one of numbers without a name. Leave --column out."
            )
        near = suggest(column, names[:MOST_COMPARED]) if names else f"Choose from: {_numbered(width)}."
        raise _Misplaced(f"{source} has no column {column!r}. {near}{self._note(separator, width)}")

    def _note(self, separator: str, width: int) -> str:
        """Say what may have hidden a column that is not found."""
        column = self._choices.column or ""
        if column.startswith("#") and self._comments:
            return " Lines that begin with # are comments."
        if self._decimals == [","] and separator != "comma" and _is_regular(self._found("comma")):
            return " With --decimal , a comma separates fields only where the numbers are quoted."
        return f" The fields are separated by {_PLURALS[separator]}." if width > 1 else ""

    def _names(self, fields: list[str]) -> list[str] | None:
        """Return the first record if it seems to hold names, for a list of them."""
        if self._choices.header is False or (self._choices.header is None and not any(map(is_name, fields))):
            return None
        return None if self._choices.header is None and any(map(self._is_numberlike, fields)) else fields

    def _on_several(self, fields: list[str], records: list[Record]) -> str:
        source, width = self._source, len(fields)
        if len(records) == 1 and all(map(self._is_numberlike, fields)):
            return f"{source} has {width:,} numbers on its only line. Write each observation on a line of its own."
        names = self._names(fields)
        listed = ", ".join(name or repr(name) for name in names) if names else _numbered(width)
        return f"{source} has {width:,} columns ({listed}). Choose one with --column."

    def _begins_with_names(self, records: list[Record], index: int) -> bool:
        """Return whether the first record holds names: a number in the chosen column shows that it is data."""
        first = records[0].fields[index].strip(PADDING)
        if not self._is_numberlike(first):
            return is_name(first)
        reason = self._sign_of_names(records, index)
        if reason:
            raise _Undecided(
                f"{self._source}, line {records[0].line} can hold names or data: column {index + 1} has "
                f"{shown(first)}, but {reason}. Use --header if it holds names, --no-header if it holds data."
            )
        return False

    def _sign_of_names(self, records: list[Record], index: int) -> str | None:
        """Return what speaks for names in the first record although the chosen field is a number."""
        first, *rest = records
        if rest and '"' in first.text and not any('"' in record.text for record in rest):
            return "only this line has quotes"
        for place, name in enumerate(first.fields):
            below = [record.fields[place] for record in rest if place < len(record.fields)]
            known = [field for field in below if not is_missing(field)]
            if place != index and is_name(name) and known and all(map(self._is_numberlike, known)):
                return f"column {place + 1} has {shown(name)} above numbers"
        return None

    def complain(self) -> Layout:
        """Raise the error of a file that no separator divides regularly, and whose lines are not numbers either."""
        ragged = [(_Widths(records), records) for records in map(self._several, (*_STRONG, "blank")) if records]
        ragged = [one for one in ragged if one[0].usual > 1 and one[0].odd is not None]
        if ragged:
            widths, records = max(ragged, key=lambda pair: pair[0].share)
            reference = next(record for record in records if len(record.fields) == widths.usual)
            odd = widths.odd or reference
            raise InputError(on_widths(self._source, odd, reference.line, widths.usual, odd is records[0]))
        if isinstance(self._found("none"), StructureError):
            # Under a wrong separator a quote ends too early: the right one comes farthest.
            errors = [found for found in map(self._found, SEPARATORS) if isinstance(found, StructureError)]
            raise InputError(f"{self._source}, {max(errors, key=lambda error: error.line)}.")
        return self.place("none", self.records("none"))

    def _several(self, separator: str) -> list[Record]:
        """Return the records under a separator if some have several fields."""
        found = self._found(separator)
        if isinstance(found, StructureError):
            return []
        return found if any(len(record.fields) > 1 for record in found) else []


class _Widths:
    """The numbers of fields in records.

    Attributes
    ----------
    usual : int
        That of most records.
    share : float
        Their share of all.
    odd : Record or None
        The first that has another.
    """

    def __init__(self, records: list[Record]) -> None:
        ((self.usual, count),) = Counter(len(record.fields) for record in records).most_common(1)
        self.share = count / len(records)
        self.odd = next((record for record in records if len(record.fields) != self.usual), None)


_PLURALS = {
    "tab": "tabs",
    "semicolon": "semicolons",
    "bar": "vertical bars",
    "comma": "commas",
    "blank": "blanks",
    "none": "line ends alone",
}


def on_widths(source: str, record: Record, reference: int, width: int, is_first: bool) -> str:
    """Return the sentence on a record with another number of fields than the one on the line ``reference``."""
    found = len(record.fields)
    remedy = "Write the file with one separator, and quote the fields that contain it."
    if is_first and found == 1:
        remedy = "Remove what stands before the table, or begin it with #."
    elif is_first and width == found + 1:
        remedy = "Give each column a name, also one of row names, and write no separator at the end of a line."
    fields = format_count(width, "field")
    return f"{source}, line {record.line} must have {fields} as line {reference} has, got {found}. {remedy}"


def _is_regular(records: list[Record] | StructureError) -> bool:
    if isinstance(records, StructureError):
        return False
    widths = {len(record.fields) for record in records}
    return len(widths) == 1 and min(widths) > 1


def _names_of_one(header: str) -> list[str]:
    """Return what a user may call an only column: its name, or a part of it."""
    return [header, *(part.strip(PADDING) for part in header.split(",")), *header.replace(",", " ").split()]


def _head(records: Iterable[Record]) -> Iterator[Record]:
    characters = 0
    for number, record in enumerate(records, start=1):
        yield record
        characters += len(record.text)
        if number >= HEAD_RECORDS or characters >= HEAD_CHARACTERS:
            return


def _is_place(column: str, width: int) -> bool:
    return column.isascii() and column.isdecimal() and len(column) < 10 and 1 <= int(column) <= width


def _numbered(width: int) -> str:
    return "1" if width == 1 else f"1 to {width}"


def _in_words(number: int) -> str:
    return {2: "two", 3: "three", 4: "four"}.get(number, str(number))
