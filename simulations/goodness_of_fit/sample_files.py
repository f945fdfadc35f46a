"""Samples in files: one number on each line, a column of a table, or a NumPy array."""

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
"""Line number, from 1, and fields."""

LARGEST_TEXT = 2**28
"""Largest size of a text file in bytes; a larger sample must be a NumPy array."""

_LINE = re.compile(r"(?:[^\r\n]+(?:\r\n?|\n)?)|\r\n?|\n")

_SEPARATOR = re.compile(r"\s*[,;\t]\s*|\s+")


def read_sample(path: str | Path, column: str | None = None) -> Array:
    """Read a sample from a file, shape (m,).

    Parameters
    ----------
    path : str or Path
        A text file with fields separated by commas, semicolons, tabs or blanks, with or without a header line; empty
        lines and lines that start with ``#`` are skipped. A file ending in ``.npy`` holds a one-dimensional array.
        ``-`` is standard input.
    column : str, optional
        Name of a column, or its number from 1; required if the file has several columns.

    Raises
    ------
    InputError
        If the file cannot be read, has no such column, has several columns and none is chosen, or a field is not a
        number.
    """
    name = "standard input" if str(path) == "-" else str(path)
    if name.endswith(".npy"):
        return _array(Path(path), column)
    rows = _rows(_text(name, path))
    first = next(rows, None)
    if first is None:
        raise InputError(f"{name} must contain numbers, got none.")
    # A first line that is not all numbers is a header.
    names = None if all(map(_is_number, first[1])) else first[1]
    width = len(first[1])
    index = _index(name, names, width, column)
    # Row by row, since lists of all fields would take a hundred times the size of the file.
    values = array("d")
    for line, fields in rows if names else itertools.chain([first], rows):
        if len(fields) != width:
            raise InputError(f"{name}, line {line} must have as many fields as the first, {width}, got {len(fields)}.")
        values.append(_number(name, line, fields[index]))
    if not values:
        raise InputError(f"{name} must contain numbers, got only the line {', '.join(names or [])!r}.")
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
            f"{path} must hold one-dimensional numbers and takes no --column, got the shape {values.shape} and the "
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
        raise InputError(
            f"{name} must have at most {LARGEST_TEXT:,} characters, got more. Save the sample as a NumPy array in a "
            ".npy file."
        )
    return text


def _rows(text: str) -> Iterator[Row]:
    """Split a table into rows, without empty lines and comments."""
    for number, found in enumerate(_LINE.finditer(text), start=1):
        line = found[0].strip()
        if line and not line.startswith("#"):
            yield number, _SEPARATOR.split(line)


def _index(name: str, names: list[str] | None, width: int, column: str | None) -> int:
    columns = ", ".join(names) if names else f"1 to {width}"
    if column is None:
        if width > 1:
            raise InputError(f"{name} has {width} columns ({columns}). Choose one with --column.")
        return 0
    # A name takes precedence over a number, since a header such as `2,b` may name a column by a number.
    if names and column in names:
        return names.index(column)
    if column.isdecimal() and len(column) < 10 and 1 <= int(column) <= width:
        return int(column) - 1
    near = suggest(column, names) if names else f"Choose from: {columns}."
    raise InputError(f"{name} has no column {column!r}. {near}")


def _number(name: str, line: int, field: str) -> float:
    if not _is_number(field):
        raise InputError(f"{name}, line {line}: field must be a number, got {field!r}.")
    return float(field)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error).splitlines()[0]
