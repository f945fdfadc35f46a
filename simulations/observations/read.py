"""One way from anything that holds a sample to its numbers: files, standard input, tables and arrays."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from foundation.errors import InputError, suggest
from foundation.files import read_bytes
from simulations.observations.array_files import (
    read_npy_sample,
    read_npz_sample,
    read_parquet_sample,
    take_values,
)
from simulations.observations.collector import check_missing
from simulations.observations.decoding import LARGEST_TEXT, check_encoding
from simulations.observations.dialects import Choices
from simulations.observations.names import DECIMAL_MARKS
from simulations.observations.sample import Sample

if TYPE_CHECKING:
    import pandas as pd

STANDARD_INPUT = "-"

_READERS = {".npy": read_npy_sample, ".npz": read_npz_sample, ".parquet": read_parquet_sample}

#: The first bytes of the files that are read by their ending alone.
_BINARY = {b"\x93NUMPY": ".npy", b"PAR1": ".parquet"}


def read_sample(
    path: str | Path,
    column: str | None = None,
    *,
    header: bool | None = None,
    decimal: str | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    missing: str = "refuse",
) -> Sample:
    """Read a sample from a file or standard input.

    Parameters
    ----------
    path : str or Path
        A text file, also compressed by gzip: one number a line, or a table. Blank lines and lines that begin with
        ``#`` are skipped. A file that ends in ``.npy``, ``.npz`` or ``.parquet`` holds arrays or columns. ``-`` is
        standard input, as text.
    column : str, optional
        Name of a column or array, or a column's number from 1; required if there are several.
    header : bool, optional
        Whether the first line holds names. By default it does if its field in the column is not a number but a name.
    decimal : {".", ","}, optional
        The decimal mark. By default the point, and a number with a comma is an error that says how to read it.
    separator : str, optional
        One of tab, semicolon, bar, comma, blank and none, or the character itself. By default the one that divides all
        lines into the same number of fields.
    encoding : str, optional
        By default that of the byte order mark, or UTF-8.
    missing : {"refuse", "drop"}
        What is done with missing values: an empty field, NA, NaN, null, None, a lone minus, point, asterisk or question
        mark.

    Returns
    -------
    Sample
        The finite values, and what was read.

    Raises
    ------
    InputError
        If the file cannot be read, has no such column, can be read in two ways, or a field is not a number; the message
        names the line.
    """
    check_missing(missing)
    choices = _checked(Choices(column, header, decimal, separator, encoding))
    suffix = Path(path).suffix.lower() if str(path) != STANDARD_INPUT else ""
    if suffix in _READERS:
        if choices.chosen():
            raise InputError(f"{choices.chosen()[0]} is for text files, got {path}. Leave it out.")
        return _READERS[suffix](Path(path), column, missing)
    from simulations.observations.text_tables import read_text

    if str(path) != STANDARD_INPUT and _is_pipe(Path(path)):
        raise InputError(f"{path} must be a file, got a pipe. Redirect it to standard input, and name that -.")
    source = "standard input" if str(path) == STANDARD_INPUT else str(path)
    content = _standard_input() if str(path) == STANDARD_INPUT else read_bytes(Path(path), LARGEST_TEXT)
    for start, ending in _BINARY.items():
        if content.startswith(start):
            raise InputError(
                f"{source} must be text, got the content of a {ending} file. Give it a name ending in {ending}."
            )
    return read_text(content, source, choices, missing)


def take_sample(
    sample: Sample | pd.DataFrame | pd.Series | npt.ArrayLike, column: object = None, missing: str = "refuse"
) -> Sample:
    """Take the sample from an object in Python, with the checks that a file has.

    Parameters
    ----------
    sample : Sample, DataFrame, Series or array_like
    column : hashable, optional
        The label of a DataFrame's column; required if it has several.
    missing : {"refuse", "drop"}
        What is done with NaN, None, NA and masked elements.

    Raises
    ------
    InputError
        If there is no such column, an element is not a finite number, or nothing is left.

    Examples
    --------
    >>> take_sample([1.5, None, 2], missing="drop").reading.in_words()
    "2 observations, values 1 to 3; 1 missing value dropped (1 'NaN'; value 2)"
    """
    check_missing(missing)
    if isinstance(sample, Sample):
        if column is not None:
            raise InputError(f"a sample that was read has no columns, got column={column!r}. Give it to read_sample.")
        return sample
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(sample, pandas.DataFrame):
        return _from_frame(sample, column, missing)
    if column is not None:
        raise InputError(f"the sample must be a DataFrame to have a column {column!r}, got {type(sample).__name__}.")
    if pandas is not None and isinstance(sample, pandas.Series):
        name = None if sample.name is None else str(sample.name)
        return take_values(sample, "the sample", missing, form="table", column=name)
    if isinstance(sample, str | bytes | Path):
        raise InputError("the sample must consist of numbers, got text. Read a file with read_sample.")
    return take_values(sample, "the sample", missing, form="array")


def _from_frame(table: pd.DataFrame, column: Any, missing: str) -> Sample:
    labels = list(table.columns)
    if column is None:
        if len(labels) != 1:
            listed = ", ".join(map(str, labels))
            raise InputError(f"the sample has {len(labels)} columns ({listed}). Choose one with column.")
        column = labels[0]
    places = [place for place, label in enumerate(labels) if label == column]
    if len(places) > 1:
        raise InputError(f"the sample has {len(places)} columns labelled {column!r}. Give each a label of its own.")
    if not places:
        raise InputError(f"the sample has no column {column!r}. {suggest(str(column), map(str, labels))}")
    values = table.iloc[:, places[0]]
    return take_values(values, "the sample", missing, form="table", column=str(column), column_number=places[0] + 1)


def _checked(choices: Choices) -> Choices:
    if choices.decimal not in (None, *DECIMAL_MARKS):
        raise InputError(f"--decimal must be . or a comma, got {choices.decimal!r}.")
    if choices.encoding is not None:
        check_encoding(choices.encoding)
    return choices


def _is_pipe(path: Path) -> bool:
    try:
        return path.is_fifo()
    except OSError:
        # Why the file cannot be read is said where it is read.
        return False


def _standard_input() -> bytes:
    """Read standard input, up to the limit."""
    stream = sys.stdin
    if stream is None:
        raise InputError("standard input is closed. Name a file, or redirect one.")
    try:
        binary = getattr(stream, "buffer", None)
        content = binary.read(LARGEST_TEXT + 1) if binary is not None else stream.read(LARGEST_TEXT + 1).encode()
    except InputError:
        # As the command line's own stream says it.
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"standard input cannot be read ({error}). Name a file instead.") from None
    if len(content) > LARGEST_TEXT:
        raise InputError(
            f"standard input must have at most {LARGEST_TEXT:,} bytes, got more. Save the sample as a NumPy array in a "
            ".npy file."
        )
    return bytes(content)
