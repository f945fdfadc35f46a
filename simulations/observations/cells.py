"""Numbers written as text: which text is a number, which stands for a missing value, and what is wrong with others."""

from __future__ import annotations

import math
import re
import unicodedata

from foundation.errors import InputError

#: The decimal marks, and the numbers that have them: ASCII digits, with an exponent after e or E. A decimal comma is
#: followed by a digit, so that "1," is a number before an empty field.
NUMBERS = {
    ".": re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII),
    ",": re.compile(r"[+-]?(?:\d+(?:,\d+)?|,\d+)(?:[eE][+-]?\d+)?", re.ASCII),
}

#: What stands for a missing value, whether in capitals or not.
MISSING = frozenset(["", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "-", "--", ".", "?", "*"])

#: What may stand around a field. A tab inside a field shows that it is no padding there, but a separator.
PADDING = " "

_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)

_GROUPED = re.compile(
    r"[+-]?[1-9]\d{0,2}(?:(?P<mark>[,. '\u2019\u00a0\u2009\u202f])\d{3})(?:(?P=mark)\d{3})*(?:[.,]\d+)?", re.ASCII
)

_NONZERO = re.compile("[^eE]*[1-9]")

_PROGRAMMED = re.compile(
    r"[+-]?0[xXoObB][0-9a-fA-F]+|[+-]?\d[\d.]*(?:_\d+)+(?:\.\d*)?|[+-]?[\d.]+[dD][+-]?\d+", re.ASCII
)

_CONFUSED = str.maketrans({"O": "0", "o": "0", "l": "1", "I": "1"})


def is_number(cell: str, decimal: str) -> bool:
    """Return whether a cell is a number with this decimal mark.

    Examples
    --------
    >>> is_number("-1.5e3", "."), is_number("76,9", "."), is_number("76,9", ","), is_number("1_000", ".")
    (True, False, True, False)
    """
    return NUMBERS[decimal].fullmatch(cell.strip(PADDING)) is not None


def is_grouped(cell: str) -> bool:
    """Return whether a cell is a number whose thousands are set apart, as 1,234 or 4 640.

    Examples
    --------
    >>> is_grouped("4 640"), is_grouped("1,234,567.8"), is_grouped("12,34")
    (True, True, False)
    """
    return _GROUPED.fullmatch(cell.strip(PADDING)) is not None


def is_missing(cell: str) -> bool:
    """Return whether a cell stands for a missing value."""
    return cell.strip(PADDING).casefold() in MISSING


def is_name(cell: str) -> bool:
    """Return whether a cell can be the name of a column: it begins with a letter, and is not a misspelt number.

    Examples
    --------
    >>> is_name("Weight"), is_name("1.2.3"), is_name("NA"), is_name("O.5"), is_name("inf")
    (True, False, False, False, False)
    """
    text = cell.strip(PADDING)
    if is_missing(text) or _INFINITE.fullmatch(text) or "\t" in text or not (text[0].isalpha() or text[0] == "_"):
        return False
    return not any(digit.isdecimal() for digit in text) or not is_number(text.translate(_CONFUSED), ".")


def to_number(cell: str, decimal: str) -> float:
    """Return the double nearest to a number.

    Raises
    ------
    InputError
        If the cell is not a number, or one that double precision would make infinite or zero; the message has what the
        cell must be, what it is, and the remedy.
    """
    if NUMBERS[decimal].fullmatch(cell) is None:
        raise InputError(f"must be a number, got {shown(cell)}. {_remedy(cell, decimal)}")
    value = float(cell.replace(",", "."))
    if not math.isfinite(value) or (value == 0 and _NONZERO.match(cell)):
        raise InputError(
            f"must be a number within double precision, 0 or from 5e-324 to 1.8e308, got {shown(cell)}. Choose other "
            "units."
        )
    return value


def shown(cell: str) -> str:
    """Return a cell as a message quotes it, shortened in the middle if it is long."""
    return repr(cell if len(cell) <= 80 else f"{cell[:50]}...{cell[-20:]}")


def _remedy(cell: str, decimal: str) -> str:
    """Say what to do about a cell that is not a number."""
    other = "," if decimal == "." else "."
    if decimal == "." and is_number(cell, ","):
        thousands = "; if it separates thousands, remove it" if is_grouped(cell) else ""
        return f"If the comma is the decimal mark, use --decimal ,{thousands}."
    if decimal == "," and is_number(cell, "."):
        return "With --decimal , a point is not a decimal mark; without it, a point is."
    if is_grouped(cell):
        return f"Remove the separators of thousands{_and_mark(cell, other)}."
    for sign, remedy in _SIGNS:
        if sign(cell):
            return remedy
    return "Correct it, or choose another column with --column."


def _and_mark(cell: str, other: str) -> str:
    """Return the option that a number with separated thousands needs as well, if it has the other decimal mark."""
    found = _GROUPED.fullmatch(cell.strip(PADDING))
    fraction = found is not None and re.search(rf"{re.escape(other)}\d+$", cell.strip(PADDING))
    return f", and use --decimal {other}" if fraction and found is not None and found["mark"] != other else ""


def _has(*names: str) -> re.Pattern[str]:
    return re.compile("|".join(names))


_DASHES = _has("\u2212", "\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\ufe63", "\uff0d")


def _has_foreign_digit(cell: str) -> bool:
    return any(unicodedata.category(one) == "Nd" and not one.isascii() for one in cell)


#: Signs of common misspellings, each with its remedy.
_SIGNS = (
    (_DASHES.search, "Write a minus sign as the hyphen on the keyboard, -."),
    (_INFINITE.fullmatch, "Observations must be finite."),
    (_PROGRAMMED.fullmatch, "Write it in decimal digits, with an exponent after e."),
    (_has_foreign_digit, "Write it in the digits 0 to 9."),
    (lambda cell: "%" in cell, "Remove the percent signs from the column."),
    (
        lambda cell: any(one.isspace() or one in "\u200b\u2060\ufeff" for one in cell.strip(PADDING)),
        "Remove the blanks and invisible characters from it.",
    ),
    (lambda cell: cell.casefold() in MISSING, "It stands for a missing value."),
)
