"""Samples in NumPy's .npy and .npz files and in Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from foundation.errors import InputError, suggest
from foundation.files import limit_unpacked_size, read_file_size
from foundation.untrusted import ArrayArchive, read_npy
from simulations.observations.arrays import to_doubles
from simulations.observations.collector import Collector
from simulations.observations.sample import Sample

_PARQUET = b"PAR1"


def read_npy_sample(path: Path, column: str | None, missing: str) -> Sample:
    """Read a sample from a .npy file: a one-dimensional array, or a column of a two-dimensional one by its number."""
    try:
        values = read_npy(path)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a NumPy array: {_reason(error)}.") from None
    if values.ndim != 2:
        if column is not None:
            raise InputError(f"{path} holds one array without columns, got --column {column}. Leave it out.")
        return take_values(values, str(path), missing, form="npy")
    count = values.shape[1]
    if column is None and count != 1:
        raise InputError(
            f"{path} must be one-dimensional, got the shape {values.shape}. Choose a column with --column, from 1 to "
            f"{count}."
        )
    number = _number(str(path), column or "1", count)
    return take_values(values[:, number - 1], str(path), missing, form="npy", column_number=number)


def read_npz_sample(path: Path, column: str | None, missing: str) -> Sample:
    """Read a sample from a .npz file: its only array, or the one that is named."""
    try:
        with ArrayArchive(path) as archive:
            name = _named(str(path), "array", sorted(archive.names), column)
            values = archive.read(name)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as an archive of NumPy arrays: {_reason(error)}.") from None
    return take_values(values, str(path), missing, form="npz", column=name)


def read_parquet_sample(path: Path, column: str | None, missing: str) -> Sample:
    """Read a sample from a Parquet file: its only column, or the one that is named."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{path} needs pyarrow, which is not installed. Install it with `pip install "
            "'epanechnikov-vae[parquet]'`, or save the table as CSV."
        ) from None
    size = read_file_size(path)
    with path.open("rb") as stream:
        if stream.read(4) != _PARQUET:
            raise InputError(f"{path} must be a Parquet file, got other content. Give a text file another ending.")
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_unpacked_size(path, file.metadata, size)
            names = [field.name for field in file.schema_arrow]
            name = _named(str(path), "column", names, column)
            values = file.read(columns=[name]).column(0).to_pandas()
    except InputError:
        raise
    except Exception as error:
        # A damaged file makes pyarrow raise exceptions of many types.
        raise InputError(f"{path} cannot be read as a Parquet file: {_reason(error)}.") from None
    number = names.index(name) + 1
    return take_values(values, str(path), missing, form="parquet", column=name, column_number=number)


def take_values(
    values: object, source: str, missing: str, *, form: str, column: str | None = None, column_number: int | None = None
) -> Sample:
    """Take the sample from an array, a sequence or a pandas Series, called ``column`` where it is one of several.

    Raises
    ------
    InputError
        If it is not one-dimensional, or an element is not a finite number.
    """
    words = "array" if form == "npz" else "column"
    place = f"{words} {column or column_number}" if column or column_number else ""
    what = f"{source}, {place}" if place else source
    collector = Collector(source, place, "value", missing)
    doubles, absent = to_doubles(values, what)
    if doubles.ndim != 1:
        raise InputError(f"{what} must be one-dimensional, got the shape {doubles.shape}. Choose one column of it.")
    collector.add_values(doubles, absent)
    return collector.sample(form=form, column=column, column_number=column_number)


def _named(source: str, what: str, names: Sequence[str], column: str | None) -> str:
    """Return the name that ``column`` means, or the only one."""
    if not names:
        raise InputError(f"{source} must hold one {what} or more, got none.")
    if column is None:
        if len(names) > 1:
            raise InputError(f"{source} has {len(names)} {what}s ({', '.join(names)}). Choose one with --column.")
        return names[0]
    count = names.count(column)
    if count > 1:
        raise InputError(f"{source} has {count} {what}s named {column!r}. Give each a name of its own.")
    if count == 0:
        raise InputError(f"{source} has no {what} {column!r}. {suggest(column, names)}")
    return column


def _number(source: str, column: str, count: int) -> int:
    if not (column.isascii() and column.isdecimal() and len(column) < 10 and 1 <= int(column) <= count):
        raise InputError(f"{source} has no column {column!r}. Choose a number from 1 to {count}.")
    return int(column)


def _check_unpacked_size(path: Path, metadata: Any, size: int) -> None:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    most, declared = limit_unpacked_size(size), sum(group.total_byte_size for group in groups)
    # An encoding by runs can make any number of rows of a few bytes.
    largest = max(declared, 8 * metadata.num_rows)
    if not 0 <= largest <= most:
        raise InputError(f"{path} must have at most {most:,} bytes when decompressed, got {largest:,}.")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
