"""The figures: valid files with what they should show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.image import imread

from simulations import Result, Study, simulate_studies
from simulations.convergence import Convergence
from simulations.plots import convergence_figure, law_figure, study_figure
from theory.bickel_rosenblatt import exact_mean
from theory.errors import InputError
from theory.figure_style import checked_plot_path, save_figure


@pytest.fixture(scope="module")
def results() -> Sequence[Result]:
    return list(simulate_studies([Study(m=m, replicates=2000) for m in (50, 200, 400)]))


def curve(axes: Axes, label: str) -> tuple[np.ndarray, np.ndarray]:
    line = next(line for line in axes.lines if label in str(line.get_label()))
    return np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)


@pytest.mark.parametrize(("count", "shape"), [(1, (780, 1260)), (3, (1200, 1480))])
def test_a_png_is_an_image_with_ink_on_it(
    results: Sequence[Result], tmp_path: Path, count: int, shape: tuple[int, int]
) -> None:
    path = tmp_path / "figure.png"
    save_figure(study_figure(results[:count]), path)
    image = imread(path)
    assert image.shape[:2] == shape
    assert 0.02 < np.mean(image[..., :3].min(axis=2) < 0.9) < 0.5
    assert list(tmp_path.iterdir()) == [path]


def test_an_svg_is_well_formed_keeps_its_text_and_is_the_same_twice(results: Sequence[Result], tmp_path: Path) -> None:
    paths = [tmp_path / "one.svg", tmp_path / "two.SVG"]
    for path in paths:
        save_figure(study_figure(results), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    root = ElementTree.parse(paths[0]).getroot()
    assert root.tag.endswith("svg")
    words = " ".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))
    for label in (
        "simulated",
        "quantiles",
        "skewness",
        "95%",
        "epanechnikov kernel, normal density, weight window:-2,2",
    ):
        assert label in re.sub(r"\s+", " ", words)


def test_the_histogram_has_the_area_of_the_values_shown(results: Sequence[Result]) -> None:
    axes = law_figure(results[0]).axes[0]
    stairs = [patch for patch in axes.patches if hasattr(patch, "get_data")]
    heights, edges, _ = stairs[0].get_data()
    assert np.sum(heights * np.diff(edges)) == pytest.approx(0.999, abs=0.0011)
    x, y = curve(axes, "limit law")
    assert np.trapezoid(y, x) == pytest.approx(1.0, abs=0.002)


def test_the_exact_mean_is_marked_where_it_is(results: Sequence[Result]) -> None:
    summary = results[0].summary
    x, _ = curve(law_figure(results[0]).axes[0], "exact mean")
    expected = (exact_mean(50).total - summary.limit_mean) / np.sqrt(summary.bandwidth)
    assert x == pytest.approx([expected, expected])


def test_the_curves_of_a_convergence_study_are_those_of_theory(results: Sequence[Result]) -> None:
    means, quantiles, variance, skewness = convergence_figure(Convergence.of(results)).axes
    sizes, exact = curve(means, "exact")
    assert exact[0] == pytest.approx(exact_mean(int(sizes[0])).total)
    assert len(quantiles.containers) == 5 + 1  # points with error bars at five levels, and the one in the legend
    for axes, power, at_zero in ((variance, 1.0, 0.2436), (skewness, 0.5, 0.0)):
        b, leading = curve(axes, "leading")
        assert leading[-1] == pytest.approx(at_zero, abs=0.4 * b[-1] if power == 1 else 2.3 * b[-1] ** 0.5)


def test_a_bandwidth_without_a_rate_and_a_rough_density_are_drawn_too(tmp_path: Path) -> None:
    studies = [Study(m=m, replicates=200, bandwidth=0.3, density="laplace", weight="one") for m in (30, 60)]
    save_figure(study_figure(list(simulate_studies(studies))), tmp_path / "figure.png")
    assert imread(tmp_path / "figure.png").size


@pytest.mark.parametrize("name", ["law.eps", "law", "no/such/folder/law.png", "folder.png"])
def test_a_path_that_cannot_be_drawn_to_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(InputError, match="--plot"):
        checked_plot_path(tmp_path / name)


def test_a_statistic_that_does_not_vary_is_not_drawn(tmp_path: Path) -> None:
    nothing = list(simulate_studies([Study(m=3, replicates=30, weight="window:900,901")]))
    with pytest.raises(InputError, match="nothing to draw"):
        save_figure(study_figure(nothing), tmp_path / "law.png")
    assert not list(tmp_path.iterdir())
