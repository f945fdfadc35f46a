"""Samples in text: what public bug reports describe is read right, or refused in a sentence that has the remedy."""

from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from cli import main
from foundation.errors import InputError
from simulations.observations import Sample, read_sample
from tests.support.processes.runner import runner


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def read(text: str | bytes, **options: Any) -> Sample:
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_sample(path, **options)

    return read


GERMAN = "Body height;Weight\n179;76,9\n180;80,1\n"

MASSES = "body mass,age,income\n70.9,43,4 640\n60.2,51,3 100\n"

IRIS = "5.1,setosa\n4.9,setosa\n6.3,virginica\n"


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        # Lists of numbers.
        ("1\n2.5\n\n# a comment\n-3e-1\n", {}, [1, 2.5, -0.3]),
        ("height\n170\n180\n", {}, [170, 180]),
        ("height\n170\n180\n", {"column": "height"}, [170, 180]),
        ("\ufeffx\r\n1\r\n", {}, [1]),
        ("x\r1\r2\r", {}, [1, 2]),
        ("Height (cm)\n170\n180\n", {}, [170, 180]),
        (".5\n5.\n+1E2\n-0\n", {}, [0.5, 5, 100, 0]),
        # One separator a file.
        ("name;height\nA;170\nB;180\n", {"column": "height"}, [170, 180]),
        ("1, 2\n3, 4\n", {"column": "2"}, [2, 4]),
        ("1\t2\n3\t4\n", {"column": "1"}, [1, 3]),
        ("1\t\n2\t\n", {"column": "1"}, [1, 2]),
        (" 1.5  2 \n 3.5\t4 \n", {"column": "1"}, [1.5, 3.5]),
        ("x,y\n1,2\n3,4\n", {"column": "1"}, [1, 3]),
        ("1,2\n3,4\n", {"column": "2"}, [2, 4]),
        (GERMAN, {"column": "Body height"}, [179, 180]),
        (GERMAN, {"column": "Weight", "decimal": ","}, [76.9, 80.1]),
        (MASSES, {"column": "age"}, [43, 51]),
        (MASSES, {"column": "2"}, [43, 51]),
        ("id,body height\n1,170\n2,180\n", {"column": "body height"}, [170, 180]),
        ("time,value\n2024-01-01 00:00:01,0.3\n2024-01-01 00:00:02,0.4\n", {"column": "value"}, [0.3, 0.4]),
        ("0,298746\n1,5\n", {"decimal": ","}, [0.298746, 1.5]),
        ("0,298746\n1,5\n", {"column": "1", "separator": "comma"}, [0, 1]),
        ("1,2\n3,4\n", {"column": "1", "separator": ","}, [1, 3]),
        ('"76,9","80,1"\n"77","81,5"\n', {"column": "2", "decimal": ","}, [80.1, 81.5]),
        ("sep=;\nx;y\n1;2\n", {"column": "y"}, [2]),
        # Whether the first line holds names.
        (IRIS, {"column": "1"}, [5.1, 4.9, 6.3]),
        ("1,setosa\n2,setosa\n", {"column": "1"}, [1, 2]),
        ("179,1,x\n180,2,x\n", {"column": "1"}, [179, 180]),
        ("height,2011\n170,65\n180,70\n", {"column": "2", "header": True}, [65, 70]),
        ("height,2011\n170,65\n180,70\n", {"column": "2", "header": False}, [2011, 65, 70]),
        ("2010,2011\n1,2\n", {"column": "2011"}, [2]),
        ("O2\n1\n2\n", {"header": True}, [1, 2]),
        # Quotes are those of RFC 4180.
        ('"","x"\n"1",0.3\n"2",0.5\n', {"column": "x"}, [0.3, 0.5]),
        ('"a ""b"", c","x"\n1,"2"\n', {"column": 'a "b", c'}, [1]),
        ('name,x\n"a\nb",1\n"c\n# d",2\n', {"column": "x"}, [1, 2]),
        # Encodings, compression.
        ("x\n1\n2\n".encode("utf-16"), {}, [1, 2]),
        (codecs.BOM_UTF16_BE + "x\r\n1\r\n".encode("utf-16-be"), {}, [1]),
        ("x\n1\n2\n".encode("utf-16-le"), {"encoding": "utf-16-le"}, [1, 2]),
        ("x\n1\n2\n".encode("utf-32"), {}, [1, 2]),
        ("Größe\n1\n2\n".encode("latin-1"), {"column": "Größe", "encoding": "ISO-8859-1"}, [1, 2]),
        (gzip.compress(b"x\n1\n", mtime=0) + gzip.compress(b"2\n", mtime=0), {}, [1, 2]),
        # Missing values.
        ("x\n1\n NA\n#N/A\n-\nNaN\n3\n", {"missing": "drop"}, [1, 3]),
        ("x,y\n1,2\n,3\n4,\n", {"column": "x", "missing": "drop"}, [1, 4]),
        ("x\ty\n1\t2\n\t\n4\t5\n", {"column": "x", "missing": "drop"}, [1, 4]),
    ],
)
def test_a_sample_is_read_from_text(
    read: Any, text: str | bytes, options: dict[str, Any], expected: list[float]
) -> None:
    assert read(text, **options).values.tolist() == expected


@pytest.mark.parametrize(
    ("text", "options", "complaint"),
    [
        ("", {}, "must contain numbers, got none"),
        ("\n \n", {}, "must contain numbers, got none"),
        ("# 1\n#2\n", {}, "must contain numbers, got only 2 comment lines"),
        ("height\n", {}, "at least one observation in column height, got only the line 'height'"),
        ("x\nNA\n", {"missing": "drop"}, "got 1 missing value alone"),
        ("1\ntwo\n", {}, "line 2 must be a number, got 'two'"),
        ("x\n1\n\n# c\ntwo\n", {}, "line 5 in column x must be a number, got 'two'"),
        ('n,x\n"a\nb",1\n"c",two\n', {"column": "x"}, "line 4 in column x must be a number"),
        # Two readings: both are named, with the option for each.
        ("0,298746\n1,5\n", {}, r"two ways: as 2 columns.*--separator comma and --column.*--decimal ,"),
        ("0,298746\n1,5\n", {"column": "1"}, r"--separator comma\).*'1,5' on line 2 \(--decimal ,\)"),
        ("Weight, kg\n76,9\n80,1\n", {"column": "Weight"}, r"two ways.*decimal commas"),
        ("179;76,9\n180;80,1\n", {"column": "2"}, r"--separator semicolon --decimal ,.*--separator comma"),
        ("179,5;76,9\n180,1;80,1\n", {"column": "1"}, r"--separator semicolon --decimal ,.*--separator comma"),
        ("179 76,9\n180 80,1\n", {"column": "2"}, r"--separator comma.*--separator blank --decimal ,"),
        ("a||0,0\nb||1,5\n", {"column": "2"}, r"--separator bar.*--separator comma"),
        ('0,5 "Los Angeles, CA" 3,5\n', {"column": "3"}, r"--separator comma.*--separator blank --decimal ,"),
        ("3,0 x,y\n4,0 x,z\n", {"column": "1"}, r"--separator comma.*--separator blank --decimal ,"),
        ("setosa 1,5\nvirginica 2,5\n", {"column": "2"}, r"--separator comma.*--separator blank --decimal ,"),
        ("1,5 2,5 NA\n3,5 4,5 NA\n", {"column": "1"}, r"--separator comma.*--separator blank --decimal ,"),
        ("1 234\n5 678\n", {}, r"separated by blanks.*separated thousands"),
        # Tabs that blanks could replace are one reading.
        ("a\tb\n1\t0.5\n2\t0.25\n", {}, r"has 2 columns \(a, b\). Choose one with --column"),
        ("height,2011\n170,65\n", {"column": "2"}, r"names or data.*--header.*--no-header"),
        ('"2011"\n170\n', {}, r"names or data.*only this line has quotes"),
        ("2,b\n1,5\n", {"column": "2"}, r"column named '2' \(--header\) or column 2 \(--no-header"),
        # The decimal comma.
        (GERMAN, {"column": "Weight"}, r"line 2 in column Weight must be a number, got '76,9'.*use --decimal ,"),
        ("x\n1.5\n2,5\n", {}, r"line 3.*use --decimal ,"),
        ("x\n1,5\n2.5\n", {"decimal": ","}, r"line 3.*a point is not a decimal mark"),
        ("x\n1,234\n", {}, r"use --decimal ,; if it separates thousands, remove it"),
        ("A,B,C\n1,2,4\n", {"column": "C", "decimal": ","}, "a comma separates fields only where"),
        # Not numbers.
        (MASSES, {"column": "income"}, r"line 2 in column income must be a number, got '4 640'. Remove the separators"),
        ("NA\n1\n2\n", {}, r"line 1 is missing \('NA'\). Use --missing drop"),
        ("\u22121.5\n1\n", {}, "line 1 must be a number, got '\u22121.5'. Write a minus sign as the hyphen"),
        ("1.2.3\n1\n", {}, "line 1 must be a number, got '1.2.3'"),
        ("O.5\n1\n", {}, "line 1 must be a number, got 'O.5'"),
        ("2024-01-01\n1\n", {}, "line 1 must be a number"),
        ("x\n-inf\n", {}, "line 2 in column x must be a number, got '-inf'. Observations must be finite"),
        ("x\n1e999\n", {}, "within double precision"),
        ("x\n-1e-999\n", {}, "within double precision"),
        ("x\n1_000\n", {}, "in decimal digits"),
        ("x\n0x1F\n", {}, "in decimal digits"),
        ("x\n1d5\n", {}, "in decimal digits"),
        ("x\n5%\n", {}, "percent"),
        ("x\n\uff11\uff12\n", {}, "in the digits 0 to 9"),
        ("x\n1\u202f234\n", {}, "Remove the separators of thousands"),
        ("x\n1.5\u00a0\n", {}, "blanks and invisible characters"),
        ("x\n1.234,5\n", {}, "Remove the separators of thousands, and use --decimal ,"),
        ("height,weight\ncm,kg\n170,65\n", {"column": "weight"}, "line 2 in column weight must be a number, got 'kg'"),
        ("x,y\n1,2\nTotal,2\n", {"column": "x"}, "line 3 in column x must be a number, got 'Total'"),
        # Columns and fields.
        ("a,b\n1,2\n", {}, r"has 2 columns \(a, b\). Choose one with --column"),
        (IRIS, {}, r"has 2 columns \(1 to 2\)"),
        ("1 2 3 4\n", {}, "has 4 numbers on its only line. Write each observation on a line of its own"),
        ("height,b\n1,2\n", {"column": "heigth"}, "no column 'heigth'. Did you mean height"),
        ("1.5,2\n3.5,4\n", {"column": "3"}, "no column '3'. Choose from: 1 to 2"),
        ("1\n2\n", {"column": "Weight"}, "but one of numbers without a name"),
        ("x,y\n1,2\n", {"column": "x", "header": False}, "no column 'x'"),
        ("# x y\n1 2\n3 4\n", {"column": "1", "header": True}, "lines before it that begin with # are comments"),
        ("x,y,x\n1,2,3\n", {"column": "x"}, "2 columns named 'x'. Choose by number: 1 and 3"),
        ("1.5,2\n3\n", {"column": "1", "separator": ","}, "line 2 must have 2 fields as line 1 has, got 1"),
        ("a,b\n1,2\n3\n", {"column": "a"}, "line 3 must have 2 fields as line 1 has, got 1"),
        ("Report\nof today\n\nx,y\n1,2\n3,4\n", {"column": "x"}, "line 1 must have 2 fields.*before the table"),
        ('"x" "y"\n"1" 0.3 0.5\n"2" 0.3 0.5\n', {"column": "x"}, "Give each column a name, also one of row names"),
        ('a, b\n"1", "2"\n"3", "4\n', {"column": "a"}, "line 3 is not well formed: a quoted field does not end"),
        ('x\n"1"5\n', {}, "line 2 is not well formed: text follows a closing quote"),
        ("9" * (2**20 + 1), {}, "line 1 has more than 1,048,576 characters"),
        ("9" * 10**6, {}, "a field has more than 131,072 characters"),
        # Encodings, and what is no text.
        ("x\n1\n2\n".encode("utf-16-le"), {}, "looks like utf-16-le.*Use --encoding utf-16-le"),
        ("x\n1\n2\n".encode("utf-16-be"), {}, "looks like utf-16-be.*Use --encoding utf-16-be"),
        ("Größe\n1\n".encode("utf-16"), {"encoding": "utf-8"}, "looks like utf-16. Use --encoding utf-16"),
        ("Größe\n1\n".encode("latin-1"), {}, r"line 1.*byte 0xf6.*looks like latin-1. Use --encoding latin-1"),
        ("x\n1\n“2”\n".encode("cp1252"), {}, r"line 3.*looks like cp1252. Use --encoding cp1252"),
        ("Größe\n1\n".encode(), {"encoding": "ascii"}, "line 1 is not text in ascii"),
        (b"x\n1\x002\n", {}, "line 2 contains the character NUL"),
        (bytes(range(256)) * 4, {}, "seems to be binary"),
        (b"PK\x03\x04" + bytes(40), {}, "Excel workbook. Export the table"),
        (gzip.compress(b"x\n1\n2\n", mtime=0)[:-5], {}, "not a whole gzip file"),
        # Options.
        ("1\n", {"separator": "!"}, "--separator must be one of tab, semicolon"),
        ("1\n", {"decimal": "'"}, "--decimal must be"),
        ("1\n", {"encoding": "rot13"}, "--encoding must be one of utf-8"),
        ("1\n", {"missing": "zero"}, "--missing must be refuse or drop"),
        ("1,5\n", {"separator": ",", "decimal": ","}, "must differ where numbers are not quoted"),
    ],
)
def test_what_is_not_a_sample_is_refused_with_the_remedy(
    read: Any, text: str | bytes, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        read(text, **options)


THREES = "3\n" * 10**4


@pytest.mark.parametrize(
    ("report", "text", "options", "outcome"),
    [
        ("Rdatatable/data.table#2667", '"abc"\n"1,000"\n"2,000"\n', {}, "line 2 in column abc must be a number"),
        ("Rdatatable/data.table#6447", "t\n2023-10-12T06:53:53,123Z", {}, "line 2 in column t must be a number"),
        ("Rdatatable/data.table#4483", "A,B,C\n1,+,4\n2,-,5\n3,-,6\n", {"column": "C"}, [4, 5, 6]),
        ("Rdatatable/data.table#4483", "A,B,C\n1,+,4\n2,-,5\n", {"column": "C", "decimal": ","}, "no column 'C'"),
        (
            "Rdatatable/data.table#2750",
            'a,b,c,d\n1e1,1e2,1e3,"4,0001"\n1,2,3,4\n',
            {"column": "d", "decimal": ","},
            [4.0001, 4],
        ),
        (
            "Rdatatable/data.table#5619",
            'var1,var2\n,2014-06-15\n"15,3",2014-06-16\n',
            {"column": "var1", "decimal": ",", "missing": "drop"},
            [15.3],
        ),
        ("Rdatatable/data.table#923", '"a"\t"b"\n"this,that"\t2\n', {"column": "b"}, [2]),
        (
            "Rdatatable/data.table#2430",
            '"block" "yield"\n"1" 49,5\n"1" 57\n',
            {"column": "yield", "decimal": ","},
            [49.5, 57],
        ),
        (
            "tidyverse/readr#1520",
            'num,codes,mixed\n1,1,a\n2,2,2\n3,"1,23,4",c\n',
            {"column": "codes"},
            "line 4 in column codes must be a number, got '1,23,4'",
        ),
        ("tidyverse/readr#1349", 'name,x\nJon,23\nVic,"2,3"\nTab,"24,5"\n', {"column": "x"}, "got '2,3'.*--decimal ,"),
        ("tidyverse/readr#1181", "x\n1,5\n2,5\n", {}, "use --decimal ,"),
        ("tidyverse/readr#1522", "x\n2,1\n2.1\n", {"decimal": ","}, "line 3.*got '2.1'"),
        ("tidyverse/readr#1562", "id\n12\n1176413S03\n", {}, "line 3 in column id must be a number, got '1176413S03'"),
        ("tidyverse/readr#890", "abundance\n1\n2e4\n", {}, [1, 2e4]),
        ("tidyverse/readr#346", f"value\n{THREES}54.0000019783304\n", {}, [*[3] * 10**4, 54.0000019783304]),
        ("tidyverse/readr#265", "this\n4\n4,000.\n", {}, "line 3 in column this must be a number"),
        ("pandas-dev/pandas#14124", "A,B,C\n1,4,7,\n2,5,8,\n", {"column": "C"}, "no separator at the end of a line"),
        ("pandas-dev/pandas#15203", 'A,B,C \n100636,"R",0,\n', {"column": "C"}, "line 2 must have 3 fields"),
        ("pandas-dev/pandas#41304", '"M";"T";"P"\n"04.05.";"9.8";"759.0";\n', {"column": "T"}, "line 2 must have 3"),
        ("pandas-dev/pandas#5697", "x\n\n1111111111111111111", {}, [float(1111111111111111111)]),
        ("pandas-dev/pandas#31821", "n\n10551438040000064\n", {}, [float(10551438040000064)]),
        ("pandas-dev/pandas#34120", "test;\nTrue;\n;\n", {"column": "test"}, "line 2 in column test.*got 'True'"),
        (
            "pandas-dev/pandas#59299",
            "a;b\na;1,20\nb;22,3\nc;1.234,56\n",
            {"column": "b", "decimal": ","},
            "line 4 in column b must be a number, got '1.234,56'",
        ),
        ("pandas-dev/pandas#27515", "1,  0.614,0x42ef4,\n  1,  0.615,0x42f05,\n", {"column": "2"}, [0.614, 0.615]),
        ("pandas-dev/pandas#27515", "1,  0.614,0x42ef4,\n  1,  0.615,0x42f05,\n", {"column": "3"}, "in decimal digits"),
        ("pandas-dev/pandas#15898", f"5{'2' * 303}.00000\n1\n", {}, [float("5" + "2" * 303), 1]),
        ("numpy/numpy#13088", '"Label"; "Type"; "#N"\n1; TET10; 10\n2; TET10; 11\n', {"column": "#N"}, [10, 11]),
        ("numpy/numpy#2387", "aa,bb\n , \n1,2\n", {"column": "aa", "missing": "drop"}, [1]),
        ("numpy/numpy#21052", "# head  \n 1.5 2 \n 3.5 4 \n", {"column": "1"}, [1.5, 3.5]),
        ("v923z/micropython-ulab#709", "0 1\n\n2 3\n\n\n", {"column": "1"}, [0, 2]),
        (
            "python/cpython#119123",
            "id;cost;group;sub\n1;62.25;['345'];['10']\n4;46.50;['112', '112'];['765', '766']\n",
            {"column": "cost"},
            [62.25, 46.5],
        ),
        ("python/cpython#97611", 'a\tb\n"x y z"\t1\n"u v w"\t2\n', {"column": "b"}, [1, 2]),
        ("apple/turicreate#1692", 'a, b\n"1", "2"\n"3", "4\n', {"column": "a"}, "a quoted field does not end"),
        ("NVIDIA/cudf#11948", 'id,street,x\n1,"63, Way",5\n2,abc"",6\n', {"column": "x"}, [5, 6]),
        ("NVIDIA/cudf#2398", 'a,b,c\n1,/images",500\n2,"/x",200\n', {"column": "c"}, [500, 200]),
        ("alexpcosta/opengym#7", 'lift,reps\nBox Jump 24",5\nRow,6\n', {"column": "reps"}, [5, 6]),
        ("deephaven/deephaven-core#1800", "A|B|C|\n1|2|3|\n", {"column": "C"}, [3]),
    ],
)
def test_tables_of_public_bug_reports(
    read: Any, report: str, text: str, options: dict[str, Any], outcome: list[float] | str
) -> None:
    assert "#" in report
    if isinstance(outcome, str):
        with pytest.raises(InputError, match=outcome):
            read(text, **options)
    else:
        assert read(text, **options).values.tolist() == outcome


def test_the_reading_says_what_was_read(read: Any) -> None:
    rows = "\n".join(f"A;{number}" for number in range(60))
    sample = read(f"Name;Weight\n{rows}\n", column="Weight")
    assert sample.reading.in_words() == "60 observations from column Weight, lines 2 to 61; line 1 holds names"
    assert sample.reading.dialect.in_words() == "fields separated by semicolons, decimal points, utf-8"
    with_gaps = read("# made today\n\n1\nNA\nna\n-\n4\n", missing="drop").reading
    assert with_gaps.in_words() == (
        "2 observations, lines 3 to 7; 3 missing values dropped (1 'NA', 1 'na', 1 '-'; lines 4, 5, 6); 1 blank "
        "line and 1 comment line skipped"
    )
    assert with_gaps.document()["dropped"] == {"number": 3, "by_text": {"NA": 1, "na": 1, "-": 1}, "places": [4, 5, 6]}


def test_the_name_of_a_column_is_shown_in_one_printable_line(read: Any) -> None:
    words = read('"\x1b[31mx\ny",z\n1,2\n', column="1", header=True).reading.in_words()
    assert words.isprintable()
    assert "column \\x1b[31mx\\ny" in words


def test_a_decompression_bomb_is_refused_before_it_unfolds(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.observations.decoding.LARGEST_TEXT", 10**4)
    with pytest.raises(InputError, match="at most 10,000 bytes when decompressed"):
        read(gzip.compress(b"1\n" * 10**4, mtime=0))


def test_chunks_do_not_show(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.observations.text_tables.CHUNK_RECORDS", 3)
    text = "n,x\n" + "".join(f'"a\n{number}",{number}\n' for number in range(10))
    sample = read(text, column="x")
    assert sample.values.tolist() == list(range(10))
    assert (sample.reading.first, sample.reading.last) == (2, 20)
    with pytest.raises(InputError, match="line 22 in column x"):
        read(f"{text}a,two\n", column="x")
    with pytest.raises(InputError, match="line 22 must have 2 fields as line 1 has, got 3"):
        read(f"{text}a,2,3\n", column="x", separator=",")


def test_the_command_says_what_was_read_in_text_and_json(tmp_path: Path) -> None:
    path, target = tmp_path / "table.csv", tmp_path / "result.json"
    path.write_text("Name;Weight\n" + "".join(f"A;{number / 10:.1f}\n".replace(".", ",") for number in range(20)))
    arguments = ["test-fit", str(path), "--column", "Weight", "--replicates", "19", "--no-cache"]
    result = runner().invoke(main, [*arguments, "--decimal", ",", "--json", str(target)], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    assert "20 observations from column Weight, lines 2 to 21; line 1 holds names" in " ".join(result.stdout.split())
    document = json.loads(target.read_text())
    assert document["data"]["dialect"] == {"encoding": "utf-8", "separator": "semicolon", "decimal": ","}
    assert document["data"]["header_line"] == 1
    refused = runner().invoke(main, arguments)
    assert refused.exit_code == 2
    assert "line 2 in column Weight must be a number, got '0,0'" in refused.stderr


def test_standard_input_is_read_like_a_file() -> None:
    arguments = ["test-fit", "-", "--replicates", "19", "--no-cache", "--json", "-"]
    result = runner().invoke(main, arguments, input="x\n0.5\n0.25\n".encode("utf-16"))
    assert result.exit_code == 0, result.output
    data = json.loads(result.stdout)["data"]
    assert (data["source"], data["observations"], data["column"]) == ("standard input", 2, "x")
