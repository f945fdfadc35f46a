"""T_m with the smoothed density in place of the density: against integrals, and its moments against T_m's terms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from foundation.types import Array
from simulations.engines.exact.smoothed import SmoothedStatistic
from simulations.engines.exact.statistic import Statistic
from simulations.sampling.streams import draw
from tests.support.examples import examples
from theory.bickel_rosenblatt import bandwidth_named, exact_mean, exact_variance
from theory.bickel_rosenblatt.bias_projection import bias_projection
from theory.bickel_rosenblatt.quadrature import Nodes
from theory.densities.evaluation import numerical
from theory.densities.validation import valid_density
from theory.densities.weights import weight_named
from theory.kernels import kernel_named

STANDARD_ERRORS = 4.5

SETTINGS = [
    ("epanechnikov", "normal", "one", 0.5),
    ("epanechnikov", "normal", "one", 3.0),
    ("gaussian", "laplace", "window:-2,2", 0.3),
    ("triangular", "uniform:-1,1", "one", 0.4),
    ("biweight", "beta:3,3", "inverse-density:0.1,0.9", 0.1),
    ("epanechnikov", "mixture:0.9*normal(0,1)+0.1*normal(5,0.01)", "one", 0.3),
]


def statistic(kernel: str, density: str, weight: str, bandwidth: float) -> SmoothedStatistic:
    f = valid_density(density)
    return SmoothedStatistic(kernel_named(kernel), f, weight_named(weight, f), bandwidth_named(bandwidth))


def integrate(setting: Statistic, sample: Array, bandwidth: float) -> float:
    """Integrate m b (f_m - K_b * f)^2 a on a grid, with K_b * f by quadrature in u."""
    kernel, density, weight = (numerical(one.pieces) for one in (setting.kernel, setting.density, setting.weight))
    reach = min(12.0, float(setting.kernel.support[1]))
    points, lengths = np.polynomial.legendre.leggauss(40 if setting.kernel.has_compact_support else 120)
    u = reach * points
    smoothing = reach * lengths * kernel(u)

    def difference(x: Array) -> Array:
        estimate = kernel((x[:, None] - sample) / bandwidth).mean(axis=1) / bandwidth
        return np.asarray(estimate - density(x[:, None] - bandwidth * u) @ smoothing)

    grid = np.linspace(-12, 12, 24_001) + 1e-7
    values = np.concatenate([difference(part) ** 2 for part in np.array_split(grid, 40)]) * weight(grid)
    return float(sample.size * bandwidth * np.trapezoid(values, grid))


@pytest.mark.parametrize(
    "setting", [pytest.param(one, marks=pytest.mark.slow if k else ()) for k, one in enumerate(SETTINGS[:5])]
)
def test_it_is_the_integral_of_the_squared_difference_from_the_smoothed_density(
    setting: tuple[str, str, str, float],
) -> None:
    ours = statistic(*setting)
    sample = np.sort(draw(ours.density, 1, 0, 15))
    # The error of the grid, which is largest beside jumps of the density.
    assert ours.of_sorted(sample) == pytest.approx(integrate(ours, sample, setting[3]), rel=2e-3)


@pytest.mark.parametrize("setting", [SETTINGS[0], SETTINGS[1], SETTINGS[3], SETTINGS[5]])
def test_its_mean_and_variance_are_those_of_tm_without_the_terms_of_the_bias(
    setting: tuple[str, str, str, float],
) -> None:
    ours, m, n = statistic(*setting), 60, 4000
    samples = np.sort([draw(ours.density, 2, replicate, m) for replicate in range(n)], axis=1)
    values = ours.of_rows(samples)
    mean, terms = exact_mean(m, *setting), exact_variance(m, *setting).terms
    centred = values - (mean.variance_term - mean.product_term)
    variance = terms.pairs + terms.diagonal
    assert abs(centred.mean()) <= STANDARD_ERRORS * np.sqrt(variance / n)
    squares = centred**2
    assert abs(squares.mean() - variance) <= STANDARD_ERRORS * squares.std() / np.sqrt(n)


def test_the_projection_of_the_bias_is_its_integral_with_a_kernel_less_the_mean() -> None:
    b = 0.7
    f, kernel = numerical(valid_density("normal").pieces), numerical(kernel_named("epanechnikov").pieces)

    def smoothed(x: float) -> float:
        return float(quad(lambda u: kernel(np.array([u]))[0] * f(np.array([x - b * u]))[0], -1, 1)[0])

    def bias(x: float) -> float:
        return smoothed(x) - float(f(np.array([x]))[0])

    projection = bias_projection("epanechnikov", "normal", "one", b)
    mean = quad(lambda x: smoothed(x) * bias(x), -9, 9)[0]
    for place in (0.0, 1.3):
        direct = quad(lambda u, at: kernel(np.array([u]))[0] * bias(at + b * u), -1, 1, (place,))[0] - mean
        found = projection.at(Nodes(np.array([place]), np.zeros(1), np.zeros(1)))
        assert found[0] == pytest.approx(direct, rel=1e-7)
    assert projection.outside == pytest.approx(-mean, rel=1e-9)
    assert projection.squared_bias == pytest.approx(b * quad(lambda x: bias(x) ** 2, -9, 9)[0], rel=1e-7)


@given(
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    location=st.sampled_from([0.0, -3.0, 1e4]),
    bandwidth=st.sampled_from([0.05, 0.6, 4.0]),
    kernel=st.sampled_from(["epanechnikov", "triangular"]),
)
@settings(max_examples=examples(8))
def test_it_does_not_depend_on_the_units(scale: float, location: float, bandwidth: float, kernel: str) -> None:
    plain = statistic(kernel, "mixture:1*normal(0,1)", "one", bandwidth)
    moved = statistic(kernel, f"mixture:1*normal({location * scale:.12g},{scale:g})", "one", bandwidth * scale)
    sample = np.sort(draw(plain.density, 3, 0, 40))
    # Samples at 10,000 scales from 0 have lost four digits.
    assert moved.of_sorted((sample + location) * scale) == pytest.approx(plain.of_sorted(sample), rel=1e-7)


#: A density that is flat, but not analytic, at the end of its support; heavy tails, where the kernels of nearly all
#: observations overlap; a kink that is known by its values alone; and one that takes rules of higher orders.
AWKWARD = [
    ("lognormal", stats.lognorm(1), 0.4),
    ("lognormal:0,2", stats.lognorm(2), 4.0),
    ("scipy:invgauss(0.5)", stats.invgauss(0.5), 0.4),
    ("pareto:3", stats.pareto(3), 0.4),
    ("cauchy", stats.cauchy(), 2.9),
    ("scipy:laplace_asymmetric(2)", stats.laplace_asymmetric(2), 0.5),
    ("scipy:alpha(3.57)", stats.alpha(3.57), 0.017),
]


@pytest.mark.parametrize(
    ("name", "law", "b"),
    [pytest.param(*one, marks=pytest.mark.slow if "0,2" in one[0] else (), id=one[0]) for one in AWKWARD],
)
def test_it_is_the_sum_of_overlaps_of_kernels_and_of_kernels_with_the_density(name: str, law: Any, b: float) -> None:
    """Multiplied out, it needs nothing but the autocorrelation of K, which is not what the statistic computes."""
    sample = law.ppf([0.02, 0.3, 0.31, 0.6, 0.9, 1 - 1e-7])

    def overlap(distance: Array) -> Array:
        t = np.minimum(np.abs(distance) / b, 2.0)
        return np.asarray(3 / 160 * (2 - t) ** 3 * (t**2 + 6 * t + 4))

    # The mean of the overlap with an observation, over panels that are as wide as the kernel in the middle, and whose
    # levels halve towards both ends.
    x, lengths = np.polynomial.legendre.leggauss(16)
    tails = 2.0 ** np.arange(-46, 0)
    places = law.ppf(np.concatenate([tails, 1 - tails[-2::-1]]))
    middle = np.arange(float(law.ppf(0.001)), float(law.ppf(0.999)), b)
    edges = np.unique(np.concatenate([[0.0], places, middle]))
    edges = edges[(edges >= law.support()[0]) & np.isfinite(edges)]
    nodes = (edges[:-1, None] + edges[1:, None]) / 2 + np.diff(edges)[:, None] / 2 * x
    masses = (np.diff(edges)[:, None] / 2 * lengths * law.pdf(nodes)).ravel()
    y = nodes.ravel()
    with_density = np.array([masses @ overlap(place - y) for place in sample])
    squared = np.concatenate([overlap(part[:, None] - y) @ masses for part in np.array_split(y, 40)]) @ masses
    expected = overlap(np.subtract.outer(sample, sample)).sum() / 6 - 2 * with_density.sum() + 6 * squared
    assert masses.sum() == pytest.approx(1, abs=1e-10)
    assert statistic("epanechnikov", name, "one", b).of_sorted(sample) == pytest.approx(expected, rel=1e-6)


def test_an_observation_far_from_the_density_adds_what_its_kernel_integrates_to() -> None:
    ours = statistic("epanechnikov", "normal", "one", 0.5)
    far, farther = (ours.of_sorted(np.array([0.0, place])) for place in (50.0, 5e6))
    assert far == pytest.approx(farther, rel=1e-12)
