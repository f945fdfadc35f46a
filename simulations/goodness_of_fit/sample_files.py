"""A sample read from a file: one number a line, a column of a table, or a NumPy array."""

from __future__ import annotations

import itertools
import re
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from foundation.errors import InputError, suggest
from foundation.files import read_bytes
from foundation.types import Array
from foundation.untrusted import read_npy

Row = tuple[int, list[str]]
"""The number of a line, from 1, and its fields."""

LARGEST_TEXT = 2**28
"""Bytes of a text; a larger sample can come as a NumPy array."""

_LINE = re.compile(r"(?:[^\r\n]+(?:\r\n?|\n)?)|\r\n?|\n")

_SEPARATOR = re.compile(r"\s*[,;\t]\s*|\s+")


def read_sample(path: str | Path, column: str | None = None) -> Array:
    """Return the numbers in a file, shape (m,).

    Parameters
    ----------
    path : str or Path
        A text file with fields separated by commas, semicolons, tabs or blanks, with or without a line of names;
        empty lines and lines that start with ``#`` are skipped. A file ending in ``.npy`` holds a one-dimensional
        array. ``-`` is standard input.
    column : str, optional
        The name of a column, or its number from 1; needed where a file has several.

    Raises
    ------
    InputError
        If the file cannot be read, has no such column, several and none is chosen, or something in it is no number.
    """
    name = "standard input" if str(path) == "-" else str(path)
    if name.endswith(".npy"):
        return _array(Path(path), column)
    rows = _rows(_text(name, path))
    first = next(rows, None)
    if first is None:
        raise InputError(f"{name} holds no numbers.")
    names = None if all(map(_is_number, first[1])) else first[1]
    width = len(first[1])
    index = _index(name, names, width, column)
    # Row by row: lists of all fields would take a hundred times the file.
    values = array("d")
    for line, fields in rows if names else itertools.chain([first], rows):
        if len(fields) != width:
            raise InputError(f"{name}, line {line} has {len(fields)} fields where there should be {width}.")
        values.append(_number(name, line, fields[index]))
    if not values:
        raise InputError(f"{name} holds no numbers, only the line {', '.join(names or [])!r}.")
    return np.array(values)


def _array(path: Path, column: str | None) -> Array:
    try:
        values = read_npy(path)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a NumPy array: {_reason(error)}.") from None
    if column is not None or values.ndim != 1 or values.dtype.kind not in "fiu":
        raise InputError(
            f"{path} should hold one-dimensional numbers, without a --column; it has the shape {values.shape} and the "
            f"type {values.dtype}."
        )
    return np.asarray(values, dtype=np.float64)


def _text(name: str, path: str | Path) -> str:
    try:
        if str(path) != "-":
            return read_bytes(Path(path), LARGEST_TEXT).decode("utf-8-sig")
        text = sys.stdin.read(LARGEST_TEXT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read as text: {_reason(error)}.") from None
    if len(text) > LARGEST_TEXT:
        raise InputError(f"{name} has more than {LARGEST_TEXT:,} characters; write it as a NumPy array, a .npy file.")
    return text


def _rows(text: str) -> Iterator[Row]:
    """Yield the rows of a table, without empty lines and comments."""
    for number, found in enumerate(_LINE.finditer(text), start=1):
        line = found[0].strip()
        if line and not line.startswith("#"):
            yield number, _SEPARATOR.split(line)


def _index(name: str, names: list[str] | None, width: int, column: str | None) -> int:
    listed = ", ".join(names) if names else f"1 to {width}"
    if column is None:
        if width > 1:
            raise InputError(f"{name} has {width} columns ({listed}); choose one with --column.")
        return 0
    if names and column in names:
        return names.index(column)
    if column.isdecimal() and len(column) < 10 and 1 <= int(column) <= width:
        return int(column) - 1
    near = suggest(column, names) if names else f"There are {listed}."
    raise InputError(f"{name} has no column {column!r}. {near}")


def _number(name: str, line: int, field: str) -> float:
    if not _is_number(field):
        raise InputError(f"{name}, line {line}: {field!r} is no number.")
    return float(field)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error).splitlines()[0]
