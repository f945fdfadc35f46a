"""The one style: what is written, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from foundation.errors import InputError
from foundation.figures import FORMATS, STYLE, StyledFigure, apply_style, check_plot_path, create_figure, save_figure


@apply_style
def drawn() -> Figure:
    figure = create_figure(3, 2)
    axes = figure.subplots()
    axes.fill_between([0, 1], [0, 1], [1, 2], hatch="//", label="a band")
    axes.plot([0, 1], [1, 2], clip_on=True, label=r"a curve, $\int f$")
    axes.set(xlabel="x", ylabel="density")
    axes.legend()
    return figure


@pytest.mark.parametrize("ending", [*FORMATS, ".SVG", ".PDF"])
def test_the_same_figure_gives_the_same_file_without_date_or_version(tmp_path: Path, ending: str) -> None:
    paths = [tmp_path / f"{name}{ending}" for name in ("one", "two")]
    for path in paths:
        save_figure(drawn(), path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    assert not re.search(rb"Date|Software|20\d\d-\d\d-\d\d", first)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


def test_each_format_is_what_its_name_says(tmp_path: Path) -> None:
    for ending in FORMATS:
        save_figure(drawn(), tmp_path / f"figure{ending}")
    assert imread(tmp_path / "figure.png").shape[:2] == (400, 600)
    assert (tmp_path / "figure.pdf").read_bytes().startswith(b"%PDF")
    root = ElementTree.parse(tmp_path / "figure.svg").getroot()
    words = ["".join(node.itertext()).strip() for node in root.iter() if node.tag.endswith("text")]
    assert {"a band", "density"} <= set(words)


def test_a_notebook_shows_a_figure_by_itself() -> None:
    figure = drawn()
    assert isinstance(figure, StyledFigure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert figure._repr_png_() == figure._repr_png_()


def test_the_style_is_not_left_behind() -> None:
    before = dict(matplotlib.rcParams)
    drawn()
    assert dict(matplotlib.rcParams) == before
    assert before["svg.hashsalt"] != STYLE["svg.hashsalt"]


@pytest.mark.parametrize("name", ["figure.eps", "figure", "no/such/folder/figure.png", "folder.png"])
def test_a_path_that_cannot_be_drawn_to_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match=r"^--plot .*(end in .png, .svg or .pdf|be a file in a writable folder), got "):
        check_plot_path(tmp_path / name)


def test_a_figure_that_fails_while_it_is_drawn_leaves_the_earlier_file(tmp_path: Path) -> None:
    figure, path = drawn(), tmp_path / "figure.png"
    path.write_text("earlier")
    figure.axes[0].set_xlabel("$\\frac{$")
    with pytest.raises(ValueError, match="frac"):
        save_figure(figure, path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]
