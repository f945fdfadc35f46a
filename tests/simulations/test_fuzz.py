"""Fuzzed: samples, kept states and null laws, and the names of what is simulated, are read or refused in one line."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import main
from simulations import Study, simulate
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.observations import Sample, read_sample
from simulations.study.accumulators import Accumulator, Grid, QuantileSketch
from simulations.study.saved_state import FORMAT, state_file
from tests.support.hostile.mutations import (
    Trap,
    answered,
    as_json,
    contents,
    examples,
    foreign,
    little_memory,
    little_time,
    mutated,
    mutated_document,
    mutated_json,
)
from tests.support.processes.runner import runner

TABLE = b"name;height;weight\nA;170.5;60\nB;180;70\nC;1e2;-3\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(
    mutated(TABLE, [b"1\n" * 10**6, b"9" * 10**6, b"," * 10**5, b"#" * 10**5, b"\r" * 10**5, b"1_0\n0x1\n", b"inf\n"])
)
@examples(80)
def test_fuzzed_texts_are_read_or_refused(place: Path, content: bytes) -> None:
    path = place / "sample.csv"
    path.write_bytes(content)
    for column in (None, "height", "2", "9" * 5000, "\u0663", "\u00b2"):
        sample = answered(lambda chosen=column: read_sample(path, chosen), "sample.csv")  # type: ignore[misc]
        require_numbers(sample)


def require_numbers(sample: Sample | None) -> None:
    if sample is not None:
        values = sample.values
        assert values.dtype == np.float64
        assert values.ndim == 1
        assert values.size == sample.reading.observations > 0
        assert np.isfinite(values).all()


def npy(array: Any, *, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


@given(mutated(npy(np.linspace(0, 1, 20))))
@examples(100)
def test_fuzzed_arrays_are_read_or_refused(place: Path, content: bytes) -> None:
    path = place / "sample.npy"
    path.write_bytes(content)
    require_numbers(answered(lambda: read_sample(path, missing="drop"), "sample.npy"))


def refused(*arguments: object, text: str = "") -> str:
    result = runner().invoke(main, [str(argument) for argument in arguments], input=text, env={"COLUMNS": "80"})
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


def test_a_pickled_sample_is_never_unpickled(tmp_path: Path) -> None:
    trap = Trap(tmp_path / "mark")
    (tmp_path / "objects.npy").write_bytes(npy(np.array([trap], dtype=object), pickled=True))
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(trap))
    assert "Python objects, which are never unpickled" in refused("test-fit", tmp_path / "objects.npy")
    assert "pickle.npy cannot be read" in refused("test-fit", tmp_path / "pickle.npy")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("count", [2**31, 2**60, 2**64, -1])
def test_an_array_header_of_a_huge_length_allots_nothing(tmp_path: Path, count: int) -> None:
    header = repr({"descr": "<f8", "fortran_order": False, "shape": (count,)}).encode()
    (tmp_path / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64))
    with little_memory(2**27):
        assert "huge.npy cannot be read" in refused("test-fit", tmp_path / "huge.npy")


@pytest.mark.parametrize("name", ["special.txt", "special.npy"])
def test_what_is_not_a_file_is_refused_without_waiting_for_it(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for make in (os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path)):
        make(path)
        with little_time():
            assert name in refused("test-fit", path)
            refused("simulate-tm", "--m", 20, "--replicates", 10, "--resume", path)
        (path.rmdir if path.is_dir() else path.unlink)()


@pytest.mark.parametrize("content", foreign(), ids=lambda content: repr(content[:12]))
def test_foreign_files_are_refused_by_the_commands_and_nothing_is_changed(tmp_path: Path, content: bytes) -> None:
    for name in ("a.txt", "a.npy", "state.json"):
        (tmp_path / name).write_bytes(content)
    before = contents(tmp_path)
    refused("test-fit", tmp_path / "a.txt")
    if not content.startswith(b"\x93NUMPY"):
        refused("test-fit", tmp_path / "a.npy")
    refused("simulate-tm", "--m", 20, "--replicates", 10, "--resume", tmp_path / "state.json")
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before


STUDY = Study(m=20, replicates=1100)


@pytest.fixture(scope="module", params=["values", "bins"])
def state(place: Path, request: pytest.FixtureRequest) -> bytes:
    """Return a state whose quantiles are kept as the values themselves, or in bins."""
    path = place / f"original-{request.param}.json"
    simulate(STUDY, resume=path)
    (study,) = json.loads(path.read_text())["studies"]
    if request.param == "bins":
        path.unlink()
        with state_file(path, [study["identity"]]) as file:
            file.states[0].accumulator = in_bins(np.array(study["values"]))
            file.save()
    return path.read_bytes()


def in_bins(values: np.ndarray) -> Accumulator:
    accumulator, grid = Accumulator(), Grid.of(values)
    accumulator.add(values)
    accumulator.sketch = QuantileSketch.from_bins(grid, *np.unique(grid.bins(values), return_counts=True))
    return accumulator


@given(st.data())
@examples(60)
def test_fuzzed_states_are_what_they_were_or_refused(place: Path, state: bytes, data: st.DataObject) -> None:
    path = place / "state.json"
    content = data.draw(st.one_of(mutated(state), mutated_json(state)))
    path.write_bytes(content)
    identities = [study["identity"] for study in json.loads(state)["studies"]]

    def opened() -> dict[str, Any]:
        with state_file(path, identities) as file:
            return dict(json.loads(json.dumps(file.states[0].document())))

    found = answered(opened, "state.json")
    assert found is None or found == json.loads(state)["studies"][0]
    assert path.read_bytes() == content


@given(st.data())
@examples(50)
def test_fuzzed_states_with_a_right_checksum_are_possible_or_refused(
    place: Path, state: bytes, data: st.DataObject
) -> None:
    path = place / "sealed.json"
    studies = data.draw(mutated_document(json.loads(state)["studies"]))
    try:
        read = json.loads(as_json(studies))
        sha256 = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
        path.write_bytes(as_json({"format": FORMAT, "sha256": sha256, "studies": studies}))
    except (ValueError, RecursionError):
        return
    identities = [study["identity"] for study in json.loads(state)["studies"]]

    def opened() -> None:
        with state_file(path, identities) as file:
            (kept,) = file.states
            assert kept.accumulator.count == kept.accumulator.sketch.count
            if kept.accumulator.count:
                kept.accumulator.sketch.quantiles([0.1, 0.5])

    answered(opened, "sealed.json")


def test_large_values_whose_powers_overflow_are_kept_and_come_back(tmp_path: Path) -> None:
    """Such sums are infinite, which a state may hold."""
    identity = {"m": 7}
    with state_file(tmp_path / "state.json", [identity]) as file:
        file.states[0].accumulator.add(np.array([1e100, 2e100]))
        file.save()
    with state_file(tmp_path / "state.json", [identity]) as file:
        assert file.states[0].accumulator.moments is not None
        assert np.isinf(file.states[0].accumulator.moments.sums[-1])


LAW = NullLaw(Study(20, 50))


@given(st.data())
@examples(50)
def test_fuzzed_null_laws_are_what_they_were_or_simulated_again(place: Path, data: st.DataObject) -> None:
    folder = place / "laws"
    values = LAW.values(cache=folder)
    (path,) = folder.glob("*.npz")
    whole = path.read_bytes()
    path.write_bytes(data.draw(mutated(whole, beginning=200)))
    found = answered(lambda: LAW.values(cache=folder))
    assert found is not None
    assert (found == values).all()
    path.write_bytes(whole)


NAMES = {
    "--kernel": ["epanechnikov", "gaussian"],
    "--density": [
        "normal",
        "uniform:-1,1",
        "beta:2,3",
        "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)",
        "beta:1e99,1e99",
        "uniform:0,1e-99",
        "mixture:" + "0.1*normal(0,1)+" * 9 + "0.1*normal(0,1)",
        "mixture:" + "0.001*normal(0,1)+" * 999 + "0.001*normal(0,1)",
        "mixture:1*normal(0,1e-99)",
        "uniform:" + "9" * 5000 + ",1",
        "beta:1/" + "3" * 300 + ",2",
    ],
    "--weight": [
        "one",
        "window:-2,2",
        "inverse-density:-1,1",
        "window:-1e99,1e99",
        "inverse-density:-1e9,1e9",
        "window:" + "9" * 5000 + ",1",
    ],
    "--bandwidth": ["m^-0.235", "0.3", "m^-2/9", "1e-99", "m^-" + "9" * 5000, "1e9999", "nan", "m^-0." + "1" * 400],
}

CHOICES = st.sampled_from([*NAMES]).flatmap(
    lambda option: st.tuples(
        st.just(option),
        st.one_of(
            st.sampled_from(NAMES[option]),
            st.sampled_from(NAMES[option])
            .flatmap(lambda name: mutated(name.encode(), [b"__import__('os')"], 12))
            .map(lambda content: content.decode("utf-8", "replace")[:6000]),
            st.text(max_size=40),
        ),
    )
)


@given(CHOICES)
@examples(120)
def test_fuzzed_names_are_understood_or_refused(choice: tuple[str, str]) -> None:
    """As `Study` takes them: by their names, with all that is decided before anything is simulated."""
    option, name = choice
    study = answered(lambda: Study(m=20, replicates=10, **{option[2:]: name}))  # type: ignore[arg-type]
    if study is not None:
        answered(lambda: study.setting)


@pytest.mark.parametrize("option", [*NAMES])
def test_hostile_names_are_refused_by_the_command_in_one_line(option: str) -> None:
    hostile = [
        "",
        "\n",
        "\x1b[31m",
        "\ud800",
        "__import__('os').system('true')",
        "x" * 10**5,
        "normal\nError: no",
        "²",
        "m^-²",
    ]
    for name in hostile:
        refused("simulate-tm", "--m", 20, "--replicates", 10, option, name)


def test_an_endless_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.observations.read.LARGEST_TEXT", 10**4)
    assert "standard input must have at most 10,000 bytes" in refused("test-fit", "-", text="1\n" * 10**5)
