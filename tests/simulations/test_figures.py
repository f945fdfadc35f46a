"""The figures: valid files with what they should show."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from foundation.errors import InputError
from foundation.figures import save_figure
from simulations import GoodnessOfFit, Result, Study, bickel_rosenblatt_test, simulate_studies
from simulations.figures import convergence_figure, goodness_of_fit_figure, law_figure, laws_figure, study_figure
from simulations.study.convergence import Convergence
from tests.support.figures import assert_fit_to_print, curve, legend_of
from theory.bickel_rosenblatt.mean import exact_mean


@pytest.fixture(scope="module")
def results() -> Sequence[Result]:
    return list(simulate_studies([Study(m=m, replicates=2000) for m in (50, 200, 400)]))


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


def test_a_statistic_that_does_not_vary_is_not_drawn(tmp_path: Path) -> None:
    nothing = list(simulate_studies([Study(m=3, replicates=30, weight="window:900,901")]))
    with pytest.raises(InputError, match="nothing to draw"):
        save_figure(study_figure(nothing), tmp_path / "law.png")
    assert not list(tmp_path.iterdir())


def test_every_figure_is_labelled_legible_in_grey_and_whole(results: Sequence[Result]) -> None:
    for figure in (law_figure(results[0]), laws_figure(results), study_figure(results)):
        assert_fit_to_print(figure)


def test_the_laws_of_several_m_come_in_the_order_of_m_each_with_its_quantiles(results: Sequence[Result]) -> None:
    densities, quantiles = laws_figure(results[::-1]).axes
    labels = [str(line.get_label()) for line in densities.lines]
    assert labels[1:] == ["$m$ = 50", "$m$ = 200", "$m$ = 400"]
    normal, values = curve(quantiles, "$m$ = 200")
    summary = results[1].summary
    deviation = np.sqrt(summary.limit_variance)
    assert np.interp(0, normal, values) == pytest.approx(summary.quantiles[0.5], abs=0.02)
    assert normal[-1] == pytest.approx(2.5758 * deviation, rel=1e-3)
    x, heights = curve(densities, "$m$ = 50")
    assert np.trapezoid(heights, x) == pytest.approx(1, abs=0.01)


def test_more_laws_than_can_be_told_apart_are_refused(results: Sequence[Result]) -> None:
    with pytest.raises(InputError, match="must have at most 6 sizes m, got 9"):
        laws_figure([*results, *results, *results])


def fit_shifted_by(shift: float) -> GoodnessOfFit:
    sample = np.linspace(-2, 2, 60) + shift
    return bickel_rosenblatt_test(sample, replicates=400, cache=False)


def test_the_observed_statistic_stands_on_the_law_under_the_hypothesis() -> None:
    test = fit_shifted_by(0.0)
    figure = goodness_of_fit_figure(test)
    assert_fit_to_print(figure)
    axes = figure.axes[0]
    x, _ = curve(axes, "observed")
    assert x == pytest.approx([test.statistic] * 2)
    x, _ = curve(axes, "critical at 5%")
    assert x[0] == pytest.approx(np.quantile(test.null_law, 0.95))
    steps = [patch for patch in axes.patches if hasattr(patch, "get_data")]
    heights, edges, _ = steps[0].get_data()
    assert np.sum(heights * np.diff(edges)) == pytest.approx(1, abs=0.01)


def test_an_observation_far_beyond_the_law_is_named_and_does_not_squeeze_it() -> None:
    test = fit_shifted_by(40.0)
    axes = goodness_of_fit_figure(test).axes[0]
    assert axes.get_xlim()[1] < 10 < test.statistic
    assert any("beyond the right edge" in text for text in legend_of(axes))


def test_the_null_law_is_what_the_p_value_counts() -> None:
    test = fit_shifted_by(0.3)
    assert test.p_value == (1 + np.sum(test.null_law >= test.statistic)) / 401
    assert "null_law" not in test.document()
