"""The figures of the theory show what the theory says."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from tests.support.figures import assert_fit_to_print, curve, legend_of
from theory import figures as plots
from theory.bickel_rosenblatt.bandwidth import window_at
from theory.bickel_rosenblatt.mean import exact_mean
from theory.kernel_assessment import assess_kernel
from theory.kernels import EPANECHNIKOV, GAUSSIAN, LOGISTIC, UNIFORM

BIWEIGHT = "15/16*(1 - x**2)**2", "-1,1"


def values_next_to_points(axes: Axes) -> list[float]:
    """The numbers that are written into a panel, without the panel's letter."""
    return [float(text.get_text()) for text in axes.texts if text.get_text()[0].isdigit()]


@pytest.mark.parametrize(
    "draw",
    [
        plots.kernels_figure,
        plots.kl_bound_figure,
        plots.optimal_kernel_figure,
        plots.many_dimensions_figure,
        plots.bandwidth_window_figure,
        lambda: plots.bandwidth_window_figure(largest=10**12),
        lambda: plots.uniform_prior_figure(largest=10**4),
        lambda: plots.kernel_figure(assess_kernel(*BIWEIGHT)),
        lambda: plots.kernel_figure(assess_kernel("exp(-x)", "0,oo")),
    ],
    ids=[
        "kernels",
        "kl-bound",
        "optimal-kernel",
        "many-dimensions",
        "window",
        "window-of-practice",
        "uniform-prior",
        "biweight",
        "one-sided",
    ],
)
def test_every_figure_is_labelled_legible_in_grey_and_whole(draw: Callable[[], Figure]) -> None:
    assert_fit_to_print(draw())


def test_the_efficiencies_are_those_of_the_constants() -> None:
    assert plots.efficiencies(EPANECHNIKOV)[0] == 1
    assert plots.efficiencies(UNIFORM)[1] == 1
    # Exact: 6 sqrt(5 pi)/25.
    assert plots.efficiencies(GAUSSIAN)[0] == pytest.approx(6 * np.sqrt(5 * np.pi) / 25, rel=1e-14)
    assert max(plots.efficiencies(LOGISTIC)) < 0.94


def test_a_kernel_of_the_readers_stands_in_its_place_among_the_others() -> None:
    densities, efficiency = plots.kernel_figure(assess_kernel("exp(-x)", "0,oo")).axes
    names = [label.get_text() for label in efficiency.get_yticklabels()]
    # The exponential density has I = 1/2 at variance 1: an efficiency of 3/(5 sqrt(5)) / (1/2), below all of the table.
    assert names[-1] == "yours"
    assert values_next_to_points(efficiency)[-1] == pytest.approx(120 / np.sqrt(5), abs=0.05)
    x, y = curve(densities, "yours")
    assert y[x < 0].max() == 0
    assert y.max() == pytest.approx(1, abs=1e-3)


def test_a_kernel_that_is_unbounded_is_drawn_up_to_a_height() -> None:
    figure = plots.kernel_figure(assess_kernel("1/(4*sqrt(x))", "0,4"))
    figure.savefig(io.BytesIO(), format="png")
    assert figure.axes[0].get_ylim()[1] < 10
    assert values_next_to_points(figure.axes[1])[-1] == 0


def test_the_printed_series_is_below_what_two_points_reach() -> None:
    constants, divergences = plots.kl_bound_figure().axes
    bounds, ratios = curve(constants, "two points")
    _, sharp = curve(constants, "least constant")
    x, printed = curve(constants, "equation (12)")
    assert np.all(ratios <= np.interp(bounds, x, sharp) + 1e-6)
    assert ratios[-1] > np.interp(bounds[-1], x, printed) + 0.2
    assert (sharp[0], sharp[-1]) == pytest.approx((0.5, 1.0), abs=2e-3)
    chi_square, divergence = curve(divergences, "random pairs")
    assert np.all(divergence <= np.log1p(chi_square) + 1e-12)


def test_in_many_dimensions_the_curves_are_those_of_the_constants() -> None:
    roughness, divergence, criteria, marginals = plots.many_dimensions_figure().axes
    for axes, label, value in (
        (roughness, "product", 0.0407),
        (roughness, "radial", 2.157e-4),
        (divergence, "product", 2.9546),
        (divergence, "radial", 1.1221),
    ):
        dimensions, values = curve(axes, label)
        assert np.exp(np.interp(np.log(64), np.log(dimensions), np.log(values))) == pytest.approx(value, rel=2e-3)
    shapes, excess = curve(criteria, "order 2")
    assert shapes[np.argmin(excess)] == pytest.approx(2, rel=0.03)
    assert np.all(np.diff(curve(criteria, "KL")[1]) < 0)
    for line in marginals.lines:
        x, density = (np.asarray(data, dtype=float) for data in line.get_data())
        assert np.trapezoid(density, x) == pytest.approx(1, abs=1e-3)
        assert np.trapezoid(x**2 * density, x) == pytest.approx(1, abs=0.01)


def test_the_families_have_their_minimum_at_the_epanechnikov_kernel() -> None:
    beta, power, named, rivals = plots.optimal_kernel_figure(rivals=100).axes
    for axes, best in ((beta, 1), (power, 2)):
        x, excess = (np.asarray(data, dtype=float) for data in axes.lines[1].get_data())
        assert x[np.argmin(excess)] == pytest.approx(best, abs=0.05)
        assert -1e-12 < excess.min() < 1e-3
    # The points of the families are those of the kernels' own constants.
    drawn = {
        text.get_text(): text.xy[1]
        for text in beta.texts
        if isinstance(text, Annotation) and text.get_text() in ("uniform", "triweight")
    }
    values = values_next_to_points(named)
    assert drawn["uniform"] == pytest.approx(values[6], abs=0.1)
    assert drawn["triweight"] == pytest.approx(values[3], abs=0.01)
    _, ratios = curve(rivals, "random densities")
    assert ratios.min() > 1 - 1e-9
    assert ratios.max() > 1.2


def test_the_window_is_empty_where_its_sides_have_changed_places() -> None:
    _, relative = plots.bandwidth_window_figure().axes
    assert "empty, from $m$ = 5 to $10^{41}$" in legend_of(relative)
    for m, empty in ((4, False), (5, True), (10**41, True), (10**42, False)):
        assert (window_at(m)[0] >= window_at(m)[1]) == empty


def test_the_mean_diverges_for_the_uniform_prior_and_not_for_the_normal_density() -> None:
    uniform, normal = plots.uniform_prior_figure(largest=10**6).axes
    sizes, means = curve(uniform, "-2/9")
    assert means[0] == pytest.approx(
        exact_mean(100, "epanechnikov", "uniform:-1,1", "inverse-density:-1,1", "m^-2/9").total
    )
    # m b^2 grows as m^(5/9).
    slope = np.diff(np.log(means[-2:]))[0] / np.diff(np.log(sizes[-2:]))[0]
    assert slope == pytest.approx(5 / 9, abs=0.01)
    _, means = curve(normal, "-2/9")
    _, limit = curve(normal, "limit")
    assert 0 < limit[0] - means[-1] < limit[0] - means[0]
