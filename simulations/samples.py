"""A sample read from a file: one number a line, a column of a table, or a NumPy array."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from theory.errors import InputError, suggestion

Array = npt.NDArray[np.float64]
Row = tuple[int, list[str]]
"""The number of a line, from 1, and its fields."""

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
    rows = _rows(name, path)
    names = None if all(map(_is_number, rows[0][1])) else rows.pop(0)[1]
    if not rows:
        raise InputError(f"{name} holds no numbers, only the line {', '.join(names or [])!r}.")
    width = len(names or rows[0][1])
    for line, fields in rows:
        if len(fields) != width:
            raise InputError(f"{name}, line {line} has {len(fields)} fields where there should be {width}.")
    index = _index(name, names, width, column)
    return np.array([_number(name, line, fields[index]) for line, fields in rows])


def _array(path: Path, column: str | None) -> Array:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a NumPy array: {_reason(error)}.") from None
    if column is not None or values.ndim != 1 or values.dtype.kind not in "fiu":
        raise InputError(
            f"{path} should hold one-dimensional numbers, without a --column; it has the shape {values.shape} and the "
            f"type {values.dtype}."
        )
    return np.asarray(values, dtype=np.float64)


def _rows(name: str, path: str | Path) -> list[Row]:
    try:
        text = sys.stdin.read() if str(path) == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name} cannot be read as text: {_reason(error)}.") from None
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    rows = [(number, _SEPARATOR.split(line)) for number, line in lines if line and not line.startswith("#")]
    if not rows:
        raise InputError(f"{name} holds no numbers.")
    return rows


def _index(name: str, names: list[str] | None, width: int, column: str | None) -> int:
    listed = ", ".join(names) if names else f"1 to {width}"
    if column is None:
        if width > 1:
            raise InputError(f"{name} has {width} columns ({listed}); choose one with --column.")
        return 0
    if names and column in names:
        return names.index(column)
    if column.isdecimal() and 1 <= int(column) <= width:
        return int(column) - 1
    near = suggestion(column, names) if names else f"There are {listed}."
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
