"""Samples in arrays, Series, tables and their files: nothing is converted silently."""

from __future__ import annotations

import datetime
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from foundation.errors import InputError
from simulations import bickel_rosenblatt_test, read_sample, tm_statistic
from simulations.observations import take_sample

VALUES = [0.5, -1.25, 2.0]

MASKED = np.ma.MaskedArray([0.5, 9.0, -1.25, 2.0], mask=[False, True, False, False])

TABLE = pd.DataFrame({"name": ["a", "b", "c"], "x": VALUES, "n": pd.array([1, None, 3], dtype="Int64")})


@pytest.mark.parametrize(
    ("sample", "options", "expected"),
    [
        (VALUES, {}, VALUES),
        (tuple(VALUES), {}, VALUES),
        (np.array(VALUES, dtype=">f4"), {}, VALUES),
        (np.array([1, 2], dtype=np.uint64), {}, [1, 2]),
        (np.array(VALUES, dtype=object), {}, VALUES),
        ([Decimal("0.5"), Fraction(-5, 4), np.float32(2)], {}, VALUES),
        ([0.5, None, -1.25, float("nan"), 2.0], {"missing": "drop"}, VALUES),
        (MASKED, {"missing": "drop"}, VALUES),
        (pd.Series(VALUES), {}, VALUES),
        (pd.Series([0.5, pd.NA, -1.25, 2.0], dtype="Float64"), {"missing": "drop"}, VALUES),
        (pd.Series([0.5, pd.NA, -1.25, None, 2.0], dtype=object), {"missing": "drop"}, VALUES),
        (pd.arrays.SparseArray(VALUES), {}, VALUES),
        (TABLE, {"column": "x"}, VALUES),
        (TABLE[["x"]], {}, VALUES),
        (TABLE, {"column": "n", "missing": "drop"}, [1, 3]),
        (pd.DataFrame({2: VALUES, 1: [7.0] * 3}), {"column": 2}, VALUES),
    ],
)
def test_a_sample_is_taken_from_an_object(sample: Any, options: dict[str, Any], expected: list[float]) -> None:
    taken = take_sample(sample, **options)
    assert taken.values.dtype == np.float64
    assert taken.values.tolist() == expected
    assert np.asarray(taken).tolist() == expected


@pytest.mark.parametrize(
    ("sample", "options", "complaint"),
    [
        ([0.5, None], {}, "value 2 is missing"),
        (MASKED, {}, "value 2 is missing"),
        (TABLE, {"column": "n"}, "the sample, value 2 in column n is missing"),
        ([0.5, np.inf], {"missing": "drop"}, "value 2 must be finite, got inf"),
        ([None], {"missing": "drop"}, "got 1 missing value alone"),
        ([], {}, "at least one observation"),
        (["1.5", "2"], {}, "must consist of numbers, got text"),
        (TABLE, {"column": "name"}, "column name must consist of numbers"),
        (pd.Series(["1.5", 2], dtype=object), {}, "value 1 is an object of type str"),
        ([True, False], {}, "got booleans.*astype"),
        (pd.Series([True, None], dtype="boolean"), {}, "got booleans"),
        ([1 + 0j], {}, "got complex numbers"),
        (pd.Series(pd.Categorical([1, 2])), {}, "got categories"),
        (np.array(["2024-01-01"], dtype="datetime64[D]"), {}, "got dates"),
        (np.array([1], dtype="timedelta64[s]"), {}, "got durations"),
        ([datetime.date(2024, 1, 1)], {}, "value 1 is an object of type date"),
        (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), {}, "got records.*Choose one of the fields"),
        ([10**400], {}, "within double precision"),
        ([10**400, 0.5], {}, "within double precision, but value 1 is not"),
        ([[1.0], [1.0, 2.0]], {}, "must consist of numbers"),
        (np.ones((2, 2)), {}, r"must be one-dimensional, got the shape \(2, 2\)"),
        ({1.0, 2.0}, {}, "must be a sequence of numbers, got an object of type set"),
        ((one for one in VALUES), {}, "must be a sequence of numbers, got an object of type generator"),
        ("table.csv", {}, "Read a file with read_sample"),
        (TABLE, {}, r"has 3 columns \(name, x, n\)"),
        (TABLE, {"column": "X"}, "no column 'X'"),
        (TABLE, {"column": 2}, "no column 2"),
        (pd.concat([TABLE, TABLE], axis=1), {"column": "x"}, "2 columns labelled 'x'"),
        (VALUES, {"column": "x"}, "must be a DataFrame to have a column 'x'"),
        (VALUES, {"missing": "zero"}, "--missing must be refuse or drop"),
    ],
)
def test_what_is_no_sample_is_refused_in_one_sentence(sample: Any, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refusal:
        take_sample(sample, **options)
    assert str(refusal.value).isprintable()


@pytest.mark.skipif(np.finfo(np.longdouble).max == np.finfo(np.float64).max, reason="long doubles are doubles here")
def test_a_long_double_beyond_double_precision_is_refused() -> None:
    with pytest.raises(InputError, match="within double precision"):
        take_sample(np.array([np.longdouble("1e400")]))


def test_the_statistic_and_the_test_take_the_same_objects() -> None:
    statistic = tm_statistic(VALUES, weight="one")
    assert tm_statistic(pd.Series(VALUES), weight="one") == statistic
    with pytest.raises(InputError, match="1 of its 4 values are NaN"):
        tm_statistic(MASKED)
    tests = [
        bickel_rosenblatt_test(sample, column=column, missing="drop", replicates=19, cache=False)
        for sample, column in ((VALUES, None), (MASKED, None), (TABLE, "x"), (TABLE["x"], None))
    ]
    assert [test.statistic for test in tests] == [statistic] * 4
    assert (
        tests[1].sample.reading.in_words()
        == "3 observations, values 1 to 4; 1 missing value dropped (1 'NaN'; value 2)"
    )
    assert tests[2].document()["data"]["column"] == "x"
    assert tests[2].document()["data"]["form"] == "table"


def test_a_sample_that_was_read_keeps_its_record(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x\n0.5\n0.25\n")
    test = bickel_rosenblatt_test(read_sample(path), replicates=19, cache=False)
    assert test.sample.reading.in_words() == "2 observations from column x, lines 2 to 3; line 1 holds names"
    with pytest.raises(InputError, match="Give it to read_sample"):
        bickel_rosenblatt_test(read_sample(path), column="x")


@pytest.mark.parametrize(
    ("array", "column", "outcome"),
    [
        (np.array(VALUES), None, VALUES),
        (np.array(VALUES)[:, None], None, VALUES),
        (np.array([[1, 2], [3, 4]], order="F"), "2", [2, 4]),
        (np.array([[1, 2], [3, 4]]), None, r"shape \(2, 2\). Choose a column with --column, from 1 to 2"),
        (np.array([[1, 2], [3, 4]]), "3", "no column '3'. Choose a number from 1 to 2"),
        (np.array(VALUES), "1", "one array without columns"),
        (np.array([0.5, np.nan]), None, "value 2 is missing"),
        (np.array([0.5, -np.inf]), None, "value 2 must be finite"),
        (np.array([1j]), None, "got complex numbers"),
        (np.array(["1"]), None, "got text"),
        (np.ones((2, 2, 2)), None, "must be one-dimensional"),
        (np.array([1, None]), None, "Python objects, which are never unpickled"),
        (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "a", "must hold booleans, numbers or text"),
    ],
)
def test_a_sample_in_an_npy_file(tmp_path: Path, array: Any, column: str | None, outcome: list[float] | str) -> None:
    path = tmp_path / "a.npy"
    np.save(path, array, allow_pickle=True)
    if isinstance(outcome, str):
        with pytest.raises(InputError, match=outcome):
            read_sample(path, column)
    else:
        assert read_sample(path, column).values.tolist() == outcome


def test_a_sample_in_an_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, heights=np.array(VALUES), table=np.ones((2, 2)), objects=np.array([None]))
    sample = read_sample(path, "heights")
    assert sample.values.tolist() == VALUES
    assert sample.reading.in_words() == "3 observations from array heights, values 1 to 3"
    for column, complaint in (
        (None, r"3 arrays \(heights, objects, table\). Choose one with --column"),
        ("hieghts", "Did you mean heights"),
        ("table", r"array table must be one-dimensional, got the shape \(2, 2\)"),
        ("objects", "never unpickled"),
    ):
        with pytest.raises(InputError, match=complaint):
            read_sample(path, column)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="cannot be read as an archive"):
        read_sample(path, "heights")


def test_options_of_text_and_contents_of_another_kind_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(VALUES))
    with pytest.raises(InputError, match="--decimal is for text files"):
        read_sample(tmp_path / "a.npy", decimal=",")
    (tmp_path / "a.npy").rename(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"content of a .npy file. Give it a name ending in .npy"):
        read_sample(tmp_path / "a.txt")


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"needs pyarrow.*epanechnikov-vae\[parquet\]"):
        read_sample(tmp_path / "a.parquet")


def test_a_sample_in_a_parquet_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    TABLE.to_parquet(path, index=False)
    assert read_sample(path, "x").values.tolist() == VALUES
    dropped = read_sample(path, "n", missing="drop")
    assert dropped.values.tolist() == [1, 3]
    assert dropped.reading.in_words() == (
        "2 observations from column n, values 1 to 3; 1 missing value dropped (1 'NaN'; value 2)"
    )
    for column, complaint in (
        (None, r"3 columns \(name, x, n\). Choose one"),
        ("y", "no column 'y'"),
        ("name", "column name must consist of numbers"),
        ("n", "value 2 in column n is missing"),
    ):
        with pytest.raises(InputError, match=complaint):
            read_sample(path, column)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="cannot be read as a Parquet file"):
        read_sample(path, "x")
    path.write_bytes(b"x\n1\n")
    with pytest.raises(InputError, match="must be a Parquet file, got other content"):
        read_sample(path)
