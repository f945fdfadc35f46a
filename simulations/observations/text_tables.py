"""Samples in text files: tables and lists of numbers, read by Python's `csv` once their dialect is decided."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from foundation.errors import InputError
from simulations.observations.collector import Collector
from simulations.observations.decoding import decode
from simulations.observations.dialects import Choices, Layout, decide_layout, on_widths
from simulations.observations.records import Record, Records, StructureError
from simulations.observations.sample import Dialect, Sample

CHUNK_RECORDS, CHUNK_CHARACTERS = 2**16, 2**22
"""The records and characters that are taken at a time; memory beyond that of the text and the sample is bounded so."""


def read_text(content: bytes, source: str, choices: Choices, missing: str) -> Sample:
    """Read the sample in the content of a text file.

    Raises
    ------
    InputError
        If it is not text, has no such column, can be read in two ways, or has a field that is not a number.
    """
    text, encoding = decode(content, source, choices.encoding)
    del content
    layout = decide_layout(text, source, choices)
    column = f"column {layout.column or layout.index + 1}" if layout.width > 1 or layout.column else ""
    collector = Collector(source, column, "line", missing)
    records = Records(text, layout.separator)
    for chunk in _chunks(_checked(records, layout, source)):
        cells = [record.fields[layout.index] for record in chunk]
        collector.add_cells([record.line for record in chunk], cells, layout.decimal)
    return collector.sample(
        f"only the line {', '.join(layout.names or [])!r}",
        form="text",
        column=layout.column,
        column_number=layout.index + 1 if layout.width > 1 else None,
        blank_lines=records.blank_lines,
        comment_lines=records.comment_lines,
        dialect=Dialect(encoding, layout.separator, layout.decimal, layout.first_line if layout.header else None),
    )


def _checked(records: Records, layout: Layout, source: str) -> Iterator[Record]:
    """Yield the records of data; raise an `InputError` at one that is not well formed or has other fields."""
    try:
        for record in itertools.islice(records, 1 if layout.header else 0, None):
            if len(record.fields) != layout.width:
                raise InputError(on_widths(source, record, layout.first_line, layout.width, False))
            yield record
    except StructureError as error:
        raise InputError(f"{source}, {error}.") from None


def _chunks(records: Iterator[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    characters = 0
    for record in records:
        chunk.append(record)
        characters += len(record.text)
        if len(chunk) >= CHUNK_RECORDS or characters >= CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
