"""The record of the study: it holds what theory and a repetition say, and a damaged one is refused."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import asymptotics as benchmark
from foundation.errors import InputError
from simulations import simulate
from simulations.asymptotics.courses import COURSES, SIZES
from simulations.asymptotics.record import Point, Record, Track
from tests.support.examples import examples
from tests.support.places import RESULTS
from theory.bickel_rosenblatt import exact_mean, exact_variance, limit_mean, theorem_conditions
from theory.bickel_rosenblatt.bandwidth import window_at

PATH = RESULTS / "asymptotics.json"


@pytest.fixture(scope="module")
def record() -> Record:
    return Record.load(PATH)


def test_the_record_holds_every_course_at_every_size(record: Record) -> None:
    assert list(record.tracks) == list(COURSES)
    for name, track in record.tracks.items():
        assert [point.m for point in track.points] == list(SIZES)
        assert {point.replicates for point in track.points} == {COURSES[name].replicates}
        assert [point.bandwidth for point in track.points] == [track.course.bandwidth.at(m) for m in SIZES]
    assert len({course.seed for course in COURSES.values()}) == len(COURSES)
    assert {"numpy", "numba"} <= set(record.machine["packages"])


@pytest.mark.parametrize(
    ("name", "m"),
    [*((name, 10**2) for name in COURSES), *((name, 10**12) for name in ("inside", "uniform", "shifted"))],
)
def test_the_exact_values_on_record_are_those_of_the_theory(name: str, m: int, record: Record) -> None:
    course, point = COURSES[name], record[name].at(m)
    setting = course.kernel, course.density, course.weight, course.bandwidth
    root = math.sqrt(point.bandwidth)
    standardised = (exact_mean(m, *setting).total - float(limit_mean(*setting[:3]))) / root
    assert point.exact_mean == pytest.approx(standardised, rel=1e-8)
    assert point.exact_variance == pytest.approx(exact_variance(m, *setting).total / point.bandwidth, rel=1e-8)


def test_simulated_means_and_variances_agree_with_the_exact_ones(record: Record) -> None:
    """Of 132 distances one beyond 4.5 standard errors is expected in 1,100 studies."""
    points = [point for track in record.tracks.values() for point in track.points]
    assert max(abs(point.mean_z) for point in points) < 4.5
    assert max(abs(point.variance_z) for point in points) < 4.5
    # The limits are another matter: at the smaller m they are many standard errors away.
    inside = record["inside"]
    assert all(abs(point.mean) > 5 * point.mean_error for point in inside.points)
    assert abs(inside.points[0].variance - inside.terms.limit_variance) > 30 * inside.points[0].variance_error


def test_skewness_distance_and_quantiles_follow_their_leading_terms(record: Record) -> None:
    track = record["inside"]
    for point in (point for point in track.points if point.m >= 10**6):
        leading = track.terms.skewness_at(point.bandwidth)
        assert abs(point.skewness - leading) < 4 * point.skewness_error
        distance = track.terms.limit_distance_at(point.m, point.bandwidth)
        assert distance is not None
        # The distance of replicates to their own law adds less than two of these errors.
        assert abs(point.limit_distance - distance) < 4 * point.distance_error
        median = track.terms.quantile_at(0.5, point.m, point.bandwidth)
        assert point.quantiles[3] == pytest.approx(median, abs=5 * point.mean_error)
    # Without its leading term none of the skewnesses would be explained.
    assert all(point.skewness > 8 * point.skewness_error for point in track.points)


def test_the_fitted_powers_are_those_of_the_leading_terms(record: Record) -> None:
    fits = {fit.quantity: fit for fit in record["inside"].fits()}
    assert len(fits) == 5
    for fit in fits.values():
        assert abs(fit.fitted - fit.predicted) < 4 * (fit.standard_error or 0.0) + 0.02
    assert record["uniform"].growth(0.53).fitted == pytest.approx(0.53, abs=0.002)
    assert record["shifted"].growth(0.295).fitted == pytest.approx(0.295, abs=0.02)


def test_the_courses_are_inside_on_the_border_and_outside_of_the_theorem() -> None:
    failing = {
        name: {
            condition.statement
            for condition in theorem_conditions(course.kernel, course.density, course.weight, course.bandwidth)
            if not condition.holds
        }
        for name, course in COURSES.items()
    }
    assert failing["inside"] == failing["inside-wide"] == set()
    assert failing["border"] == failing["border-wide"] == {"bandwidth: b = o(m^(-2/9))"}
    assert failing["shifted"] == {"A1: symmetric about 0"}
    assert len(failing["uniform"]) > 2
    # With constants 1 the window is empty at all of the sizes, as the page says.
    assert all(lower > upper for lower, upper in map(window_at, SIZES))


@pytest.mark.parametrize(("name", "m"), [("inside", 10**2), ("inside", 10**12), ("uniform", 10**6), ("shifted", 10**9)])
def test_a_repetition_agrees_with_the_record(name: str, m: int, record: Record) -> None:
    """Other random numbers; four comparisons each at 4.5 standard errors."""
    old = record[name].at(m)
    new = Point.of(simulate(dataclasses.replace(COURSES[name].study(m, replicates=1_000), seed=77)))
    assert abs(new.mean - old.mean) < 4.5 * math.hypot(new.mean_error, old.mean_error)
    assert abs(new.variance - old.variance) < 4.5 * math.hypot(new.variance_error, old.variance_error)
    assert abs(new.size - old.size) <= 4.5 * math.hypot(max(new.size_error, 1e-3), old.size_error)


def test_a_course_repeated_with_its_seed_is_the_same(record: Record) -> None:
    """The engine exact has the same digits on every machine, up to the last; the record's course is short here."""
    course, m = COURSES["uniform"], 10**2
    point, old = Point.of(simulate(course.study(m))), record["uniform"].at(m)
    assert point.engine == old.engine == "exact"
    for name in ("mean", "variance", "skewness", "limit_distance", "size"):
        assert getattr(point, name) == pytest.approx(getattr(old, name), rel=1e-9), name


def test_a_known_power_is_fitted() -> None:
    course = COURSES["inside"]
    track = Track(course, ())
    limit = track.terms.limit_variance
    points = []
    for m in SIZES:
        b = course.bandwidth.at(m)
        points.append(
            Point(
                m=m,
                bandwidth=b,
                engine="exact",
                replicates=10_000,
                seconds=1.0,
                mean=-0.3 * b**0.5,
                mean_error=0.01,
                exact_mean=-0.3 * b**0.5,
                variance=limit,
                variance_error=0.01,
                exact_variance=limit - 0.2 * b**1.5,
                skewness=2 * b**0.7,
                skewness_error=0.01,
                quantiles=(0.0,) * 7,
                limit_distance=b**0.4,
                normal_distance=0.1,
                size=0.05,
            )
        )
    fitted = [fit.fitted for fit in Track(course, tuple(points)).fits()]
    assert fitted == pytest.approx([1.0, 1.0, 1.5, 0.7, 0.4])


def test_the_benchmark_writes_a_record_of_the_courses_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "SIZES", (50, 200))
    path = tmp_path / "record.json"
    status = benchmark.main(["--only", "border", "--replicates", "300", "--json", str(path)])
    shown, document = capsys.readouterr().out, json.loads(path.read_text(encoding="utf-8"))
    assert status == int("MISSED" in shown)
    assert list(document["courses"]) == ["border"]
    assert [(point["m"], point["replicates"]) for point in document["courses"]["border"]] == [(50, 300), (200, 300)]
    # Half of a record is none.
    with pytest.raises(InputError, match=r"python -m benchmarks\.asymptotics --json FILE"):
        Record.load(path)


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(PATH.read_text(encoding="utf-8"))


WRONG: st.SearchStrategy[Any] = st.sampled_from([None, True, "1", [], {}, math.nan, math.inf, -math.inf, [1.0], -1.0])


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_record_that_lacks_a_field_or_holds_another_kind_of_value_is_refused(
    data: st.DataObject, document: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    changed = copy.deepcopy(document)
    name = data.draw(st.sampled_from(sorted(COURSES)))
    points = changed["courses"][name]
    point = points[data.draw(st.integers(0, len(points) - 1))]
    field = data.draw(st.sampled_from(sorted(point)))
    change = data.draw(st.sampled_from(["remove", "replace", "add", "drop a point", "drop a course", "quantile"]))
    if change == "remove":
        del point[field]
    elif change == "replace":
        value = data.draw(WRONG)
        if value == -1.0 and isinstance(value, float) and field not in ("engine", "quantiles", "bandwidth", "m"):
            value = None
        if field == "engine" and value == "1":
            value = 1
        point[field] = value
    elif change == "add":
        point["another"] = 1.0
    elif change == "drop a point":
        points.pop(data.draw(st.integers(0, len(points) - 1)))
    elif change == "drop a course":
        del changed["courses"][name]
    else:
        point["quantiles"][data.draw(st.integers(0, 6))] = data.draw(st.sampled_from([None, "x", math.nan, True]))
    path = tmp_path_factory.mktemp("record") / "record.json"
    path.write_text(json.dumps(changed), encoding="utf-8")
    with pytest.raises(InputError, match="must be a record of the study"):
        Record.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, "\ufeff{}", '{"courses": []}'])
def test_another_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="must be a record of the study"):
        Record.load(path)
    with pytest.raises(InputError, match="must be a record of the study"):
        Record.load(tmp_path / "missing.json")
    path.write_bytes(np.arange(128, 256, dtype=np.uint8).tobytes())
    with pytest.raises(InputError, match="must be a record of the study"):
        Record.load(path)


def test_a_study_of_one_replicate_is_no_point() -> None:
    with pytest.raises(ValueError, match="the study has no standard error"):
        Point.of(simulate(COURSES["inside"].study(50, replicates=1)))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--replicates", "1"], "--replicates must be from 20 to 4,294,967,296, got 1."),
        (["--replicates", "-5"], "got -5."),
        (["--replicates", "99999999999"], "got 99999999999."),
        (["--json", "/nowhere/record.json"], "--json must be a file in a folder that exists"),
        (["--json", "/"], "--json must be a file in a folder that exists"),
        (["--only", "nothing"], "invalid choice: 'nothing'"),
    ],
)
def test_the_benchmark_refuses_what_it_cannot_use_before_it_simulates(
    options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(options)
    assert sentence in capsys.readouterr().err
