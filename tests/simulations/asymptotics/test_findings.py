"""What is written and drawn of the study comes from the record."""

from __future__ import annotations

import dataclasses
import io
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from simulations.asymptotics.figure import HEIGHT, WIDTH, asymptotics_figure, border_limit
from simulations.asymptotics.findings import Listing, listings, sentences, sentences_in_markdown
from simulations.asymptotics.record import Point, Record, Track
from tests.support.places import RESULTS
from theory.bickel_rosenblatt import exact_mean, limit_mean


@pytest.fixture(scope="module")
def record() -> Record:
    return Record.load(RESULTS / "asymptotics.json")


def altered(record: Record, name: str, m: int, **changes: object) -> Record:
    """Return the record with another value at one point of a course."""
    track = record[name]
    points = tuple(
        dataclasses.replace(point, **changes) if point.m == m else point  # type: ignore[arg-type]
        for point in track.points
    )
    return Record({**record.tracks, name: Track(track.course, points)}, record.machine)


@pytest.mark.parametrize(
    ("name", "m", "field", "value"),
    [
        ("inside", 10**2, "skewness", 3.25),
        ("inside", 10**12, "skewness", 0.5),
        ("inside", 10**12, "limit_distance", 0.4321),
        ("inside", 10**12, "size", 0.2),
        ("inside", 10**2, "exact_variance", 0.111),
        ("border-wide", 10**12, "mean", 5.0),
        ("inside-wide", 10**12, "mean", 5.0),
        ("uniform", 10**12, "exact_mean", 1e9),
        ("shifted", 10**12, "exact_mean", 1e9),
        ("border", 10**5, "mean", 55.0),
    ],
)
def test_another_value_on_record_changes_the_words(name: str, m: int, field: str, value: float, record: Record) -> None:
    changed = altered(record, name, m, **{field: value})
    assert len(sentences(changed)) == len(sentences(record)) == 9
    assert sentences_in_markdown(changed) != sentences_in_markdown(record)


@pytest.mark.parametrize(
    "field",
    ["mean", "exact_mean", "variance", "exact_variance", "skewness", "limit_distance", "normal_distance", "size"],
)
def test_another_value_on_record_changes_a_table(field: str, record: Record) -> None:
    changed = altered(record, "inside", 10**7, **{field: 1.2 * getattr(record["inside"].at(10**7), field)})
    shown, before = ([one.markdown() for one in listings(one).values()] for one in (changed, record))
    assert shown != before


@pytest.fixture(scope="module")
def figure(record: Record) -> Figure:
    return asymptotics_figure(record)


def test_the_markers_of_the_figure_are_the_points_of_the_record(figure: Figure, record: Record) -> None:
    inside = record["inside"].points

    def markers(panel: int) -> list[list[float]]:
        lines = [line for line in figure.axes[panel].get_lines() if line.get_marker() not in ("None", "", "_", "|")]
        return [np.asarray(line.get_ydata()).tolist() for line in lines]

    for number in range(7):
        assert [point.quantiles[number] for point in inside] in markers(0)
    assert [point.skewness for point in inside] in markers(1)
    assert [point.limit_distance for point in inside] in markers(3)
    assert [point.normal_distance for point in inside] in markers(3)
    for name in ("inside", "border", "inside-wide", "border-wide"):
        assert [point.mean for point in record[name].points] in markers(4)
    for name in ("inside", "uniform", "shifted"):
        track = record[name]
        means = [track.limit_mean + point.mean * point.bandwidth**0.5 for point in track.points]
        assert any(one == pytest.approx(means, rel=1e-12) for one in markers(5))


def test_the_tables_have_as_many_cells_in_every_row(record: Record) -> None:
    for listing in listings(record).values():
        assert {len(row) for row in listing.rows} == {len(listing.columns)}
        lines = listing.markdown().splitlines()
        assert len(lines) == 2 + len(listing.rows)
        assert len({line.count(" | ") for line in lines}) == 1
    assert Listing("c", ("a|b", "c"), (("x", "1"),), words=1).markdown() == "| a\\|b | c |\n| --- | ---: |\n| x | 1 |\n"


def test_the_sentences_need_no_mathematics_to_be_read_aloud(record: Record) -> None:
    for sentence in sentences(record):
        assert sentence.endswith(".")
        assert not re.search(r"nan|inf\b|None|e[-+]\d|\*\*|  ", sentence), sentence


def test_the_figure_can_be_printed(figure: Figure) -> None:
    """It has the width of a page, letters of 7 points or more, and vectors only."""
    assert tuple(figure.get_size_inches()) == (WIDTH, HEIGHT)
    assert WIDTH <= 7.5
    assert HEIGHT <= 9.5
    texts = [text for text in figure.findobj(Text) if text.get_text()]
    assert min(float(text.get_fontsize()) for text in texts) >= 7
    assert all(axes.get_title(loc="left") for axes in figure.axes)
    assert len(figure.axes) == 6
    stream = io.BytesIO()
    figure.savefig(stream, format="svg")
    assert b"<image" not in stream.getvalue()


def test_on_the_border_the_standardised_mean_tends_to_the_value_that_is_named(record: Record) -> None:
    """What is left at m = 10^13 is the other leading term, -b^(1/2) times the integral of f^2 a."""
    track, m = record["border-wide"], 10**13
    b = track.course.bandwidth.at(m)
    standardised = (exact_mean(m, bandwidth=track.course.bandwidth).total - float(limit_mean())) / b**0.5
    assert standardised - border_limit(track) == pytest.approx(-(b**0.5) * track.terms.product, rel=0.02)


def test_every_point_of_the_standard_example_is_in_the_tables(record: Record) -> None:
    text = "".join(one.markdown() for one in listings(record).values())
    for point in record["inside"].points:
        assert isinstance(point, Point)
        for shown in (f"{point.exact_variance:.5f}", f"{point.limit_distance:.4f}", f"| {100 * point.size:.2f} |"):
            assert shown in text
