"""Tables of any dialect are read back as they were written, or refused in one sentence: never silently otherwise."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.observations import read_sample
from tests.support.hostile.mutations import answered, examples

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "blank": " "}

MISSING = ["", "NA", "NaN", "n/a", "null", "-", ".", "?"]

LABELS = st.sampled_from(
    ["setosa", "a;b", "x,y", "Los Angeles, CA", 'six "inch"', "2024-01-01 00:00:01", "4 640", "1,234"]
)

NAMES = st.sampled_from(
    ["Weight", "body height", "x", "2011", "#N", "", "Gewicht (kg)", "id", "a|b", "größe", 'say "x"']
)


@dataclass(frozen=True)
class Written:
    """A table as bytes, the column that is meant, and the truth about how it was written."""

    content: bytes
    values: list[float]
    options: dict[str, Any]


FORMS = ["{!r}", "{:.3f}", "{:.1f}", "{:.2e}", "{:.0f}", "{:+.4g}"]

VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-200, 200),
    st.integers(-2000, 2000).map(float),
    st.integers(1, 4).map(float),
)


@st.composite
def tables(draw: st.DrawFn) -> Written:
    """Draw a table that Python's csv module writes, and what a user may say of it."""
    width, height = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    chosen = draw(st.integers(0, width - 1))
    separator = draw(st.sampled_from(list(SEPARATORS)))
    decimal = draw(st.sampled_from([".", ","]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1"]))
    numeric = [place == chosen or draw(st.booleans()) for place in range(width)]
    # Numbers of one form have as many decimal commas in every row, which look like separators.
    forms = draw(st.one_of(st.sampled_from(FORMS).map(lambda form: [form]), st.just(FORMS)))
    rows, values = [], []
    for _ in range(height):
        row = []
        for place in range(width):
            if not numeric[place]:
                row.append(draw(LABELS))
            elif draw(st.integers(0, 9)) == 0:
                # Between blanks an empty field does not show.
                row.append(draw(st.sampled_from(MISSING[1:] if separator == "blank" else MISSING)))
            else:
                text = draw(st.sampled_from(forms)).format(draw(VALUES))
                row.append(text.replace(".", decimal))
                values += [float(text)] if place == chosen else []
        rows.append(row)
    named = NAMES.filter(bool) if separator == "blank" else NAMES
    names = draw(st.lists(named, min_size=width, max_size=width)) if draw(st.booleans()) else None
    content = write([names, *rows] if names else rows, separator, draw)
    return Written(
        content.encode(encoding, "replace"), values, draw(truths(chosen, names, separator, decimal, encoding))
    )


def write(rows: list[list[str]], separator: str, draw: st.DrawFn) -> str:
    stream = io.StringIO()
    quotings: list[Literal[0, 1]] = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL]
    quoting = draw(st.sampled_from(quotings))
    ending = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    csv.writer(stream, delimiter=SEPARATORS[separator], quoting=quoting, lineterminator=ending).writerows(rows)
    text = stream.getvalue()
    blank, comment = draw(st.booleans()), draw(st.booleans())
    return f"{ending if blank else ''}{'# written by a test' + ending if comment else ''}{text}"


@st.composite
def truths(
    draw: st.DrawFn, chosen: int, names: list[str] | None, separator: str, decimal: str, encoding: str
) -> dict[str, Any]:
    """Draw which true statements the user makes; without any, the reader must see for itself or ask."""
    by_name = names is not None and names.count(names[chosen]) == 1 and draw(st.booleans())
    told: dict[str, Any] = {"column": names[chosen] if by_name and names else str(chosen + 1)}
    for option, value in (
        ("header", names is not None),
        ("decimal", decimal),
        ("separator", separator),
        ("encoding", encoding.removesuffix("-sig")),
    ):
        # A line of names whose field in the column is a number cannot be told from data.
        if draw(st.booleans()) or (option == "header" and names is not None and names[chosen] == "2011"):
            told[option] = value
    return told


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("round-trip")


@given(tables())
@examples(200)
def test_a_written_table_is_read_back_or_refused_and_never_changed(place: Path, table: Written) -> None:
    path = place / "table.csv"
    path.write_bytes(table.content)
    found = answered(lambda: read_sample(path, missing="drop", **table.options), "table.csv")
    assert found is None or found.values.tolist() == table.values, (table, found.reading)
