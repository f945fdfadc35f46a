"""Fuzzed: any text and any bytes hold numbers, or are refused in one sentence."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.observations import read_sample
from simulations.observations.names import SEPARATORS
from simulations.observations.records import Record, Records, StructureError
from tests.support.hostile.mutations import answered, examples, mutated

CELLS = st.one_of(
    st.sampled_from(
        [
            *(
                "1",
                "-2.5",
                "3,25",
                "1e5",
                "0",
                "4 640",
                "1,234",
                "1.234,5",
                "NA",
                "",
                "-",
                "#N/A",
                "#",
                "# c",
                "inf",
                "nan",
            ),
            *(
                '"',
                '""',
                '"a"',
                "'",
                '"1,5"',
                '"a\nb"',
                "x",
                "Weight",
                "2024-01-01",
                "1_0",
                "0x1",
                "\u22121",
                "\uff11",
                "5%",
            ),
            *(
                "\t",
                " ",
                ";",
                "|",
                "\r",
                "\x1a",
                "\x1f",
                "\x0b",
                "\x85",
                "\u2028",
                "\ufeff",
                "\ud7ff",
                "9" * 400,
                "1e999",
            ),
        ]
    ),
    st.floats(allow_nan=False).map(repr),
    st.text(max_size=6),
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """Draw something like a table, mostly of one separator and of rows as long as the first."""
    separator = draw(st.sampled_from([",", ";", "\t", "|", " ", ", ", "  "]))
    width = draw(st.integers(1, 4))
    lines = []
    for _ in range(draw(st.integers(0, 8))):
        count = width if draw(st.integers(0, 9)) else draw(st.integers(0, 6))
        lines.append(separator.join(draw(st.lists(CELLS, min_size=count, max_size=count))))
    text = draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines)
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32"]))
    content = text.encode(encoding, "replace")
    return gzip.compress(content, mtime=0) if draw(st.integers(0, 9)) == 0 else content


@st.composite
def options(draw: st.DrawFn) -> dict[str, object]:
    drawn = {
        "column": draw(st.sampled_from([None, None, "1", "2", "x", "Weight", "", "#", "\x00", "9" * 30])),
        "header": draw(st.sampled_from([None, None, True, False])),
        "decimal": draw(st.sampled_from([None, None, ".", ","])),
        "separator": draw(st.sampled_from([None, None, None, "comma", ";", "\t", "blank", "none", "|"])),
        "encoding": draw(st.sampled_from([None, None, None, "utf-16-le", "latin-1", "utf-8"])),
        "missing": draw(st.sampled_from(["refuse", "drop"])),
    }
    return {name: value for name, value in drawn.items() if value is not None}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz-tables")


@given(st.one_of(texts(), texts(), texts(), mutated(b'name;"x"\nA;170,5\nB;"180"\n')), options())
@examples(200)
def test_a_table_holds_numbers_or_is_refused_in_one_sentence(
    place: Path, content: bytes, chosen: dict[str, object]
) -> None:
    path = place / "table.csv"
    path.write_bytes(content)
    sample = answered(lambda: read_sample(path, **chosen), "table.csv")  # type: ignore[arg-type]
    if sample is not None:
        assert sample.values.dtype == np.float64
        assert sample.values.shape == (sample.reading.observations,) != (0,)
        assert np.isfinite(sample.values).all()
        assert sample.reading.in_words().isprintable()
        assert 1 <= sample.reading.first <= sample.reading.last


def fields_by_pandas(records: list[Record], separator: str, index: int) -> list[str]:
    """Return a field of records that are well formed, with nothing left to pandas' own judgement."""
    table = pd.read_csv(
        io.StringIO("".join(record.text for record in records)),
        sep=r"\s+" if separator == "blank" else SEPARATORS[separator],
        engine="c",
        header=None,
        names=range(len(records[0].fields)),
        usecols=[index],
        index_col=False,
        dtype=object,
        na_filter=False,
        skipinitialspace=True,
        skip_blank_lines=False,
    )
    return list(table[index])


@given(texts().map(lambda content: content.decode("latin-1")), st.sampled_from(list(SEPARATORS)))
@examples(200)
def test_pandas_finds_the_same_fields_in_records_that_are_well_formed(text: str, separator: str) -> None:
    # Carriage returns and byte order marks do not get past the decoding; older versions of pandas end a field at a NUL.
    try:
        records = list(Records(text.replace("\r", "\n").replace("\ufeff", "").replace("\0", ""), separator))
    except StructureError:
        return
    for width in {len(record.fields) for record in records}:
        equal = [record for record in records if len(record.fields) == width]
        for index in range(width):
            assert [record.fields[index] for record in equal] == fields_by_pandas(equal, separator, index)
