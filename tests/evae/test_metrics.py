"""Sharpness against closed forms and scipy's own filter; signal and noise of latent dimensions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, optimize, stats
from torch.distributions import Normal, kl_divergence

from evae import metrics
from foundation.errors import InputError
from tests.evae.models.posteriors import epanechnikov_posterior, gaussian_posterior
from tests.support.examples import examples

LAPLACE = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]


def test_white_noise_of_variance_s2_has_sharpness_20_s2() -> None:
    noise = torch.rand(40, 1, 128, 128)
    assert metrics.sharpness(noise) == pytest.approx(20 / 12, rel=0.01)


def test_a_checkerboard_of_amplitude_one_has_sharpness_16() -> None:
    """Every activation is +4 or -4, as many of one as of the other."""
    rows = torch.arange(32)
    board = ((rows[:, None] + rows) % 2).float()[None, None]
    assert metrics.sharpness(board) == pytest.approx(16, rel=1e-12)


def test_a_flat_image_and_a_linear_ramp_have_none() -> None:
    ramp = (torch.arange(32, dtype=torch.uint8) * 8).expand(1, 1, 32, 32)
    assert metrics.sharpness(ramp) == pytest.approx(0, abs=1e-25)
    assert metrics.sharpness(torch.full((2, 1, 32, 32), 0.4)) == 0


def test_it_is_the_variance_of_scipys_laplace_filter_without_borders() -> None:
    images = torch.randint(0, 256, (5, 1, 32, 20), dtype=torch.uint8)
    expected = [ndimage.convolve(image[0].numpy() / 255, LAPLACE)[1:-1, 1:-1].var() for image in images]
    assert metrics.sharpness_of_each(images).tolist() == pytest.approx(expected, rel=1e-12)
    assert metrics.sharpness(images) == pytest.approx(sum(expected) / 5, rel=1e-12)


def test_colour_is_measured_by_its_grey_value() -> None:
    grey = torch.randint(0, 256, (3, 1, 32, 32), dtype=torch.uint8)
    assert metrics.sharpness(grey.expand(3, 3, 32, 32)) == pytest.approx(metrics.sharpness(grey), rel=1e-12)
    only_red = torch.cat([grey, torch.zeros(3, 2, 32, 32, dtype=torch.uint8)], dim=1)
    assert metrics.sharpness(only_red) == pytest.approx(0.299**2 * metrics.sharpness(grey), rel=1e-12)


def test_floating_point_images_are_rounded_to_8_bits_first() -> None:
    images = torch.rand(3, 1, 32, 32)
    assert metrics.sharpness(images) == metrics.sharpness(metrics.eight_bit(images))
    assert metrics.sharpness(torch.rand(3, 1, 32, 32) / 600) == 0


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (torch.rand(32, 32), "shape"),
        (torch.rand(2, 2, 32, 32), "shape"),
        (torch.rand(0, 1, 32, 32), "shape"),
        (torch.rand(1, 1, 2, 32), "shape"),
        (torch.rand(1, 1, 8, 8) + 0.5, "in \\[0, 1\\]"),
        (torch.full((1, 1, 8, 8), math.nan), "in \\[0, 1\\]"),
        (torch.ones(1, 1, 8, 8, dtype=torch.int64), "uint8 or floating point"),
    ],
)
def test_what_is_not_an_image_is_refused(images: torch.Tensor, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        metrics.sharpness(images)


def test_noise_to_signal_compares_posterior_variance_with_the_variance_of_means() -> None:
    means = torch.randn(50_000, 3) * torch.tensor([1.0, 2.0, 0.01])
    variances = torch.tensor([0.5, 0.5, 1.0]).expand(50_000, 3)
    ratio = metrics.noise_to_signal(means, variances)
    assert ratio.tolist() == pytest.approx([0.5, 0.125, 1e4], rel=0.03)
    assert (ratio < metrics.ACTIVE_BELOW).tolist() == [True, True, False]


def test_the_signal_is_the_unbiased_variance_of_the_means() -> None:
    means, variances = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([[1.0], [2.0], [4.0]])
    assert metrics.noise_to_signal(means, variances).tolist() == pytest.approx([7 / 3 / 7])


def test_a_dimension_without_signal_is_all_noise() -> None:
    assert metrics.noise_to_signal(torch.ones(5, 1), torch.ones(5, 1)).tolist() == [math.inf]


def test_the_rate_is_the_least_mean_divergence_from_a_normal_law() -> None:
    """Against torch's own KL, minimised over the law's mean and deviation by a search that knows no formula."""
    means, deviations = 3 * torch.randn(50, 1).double() + 1, torch.rand(50, 1).double() + 0.1
    posteriors = Normal(means, deviations)

    def mean_divergence(law: np.ndarray) -> float:
        return float(kl_divergence(posteriors, Normal(torch.tensor(law[0]), torch.tensor(law[1]).exp())).mean())

    precise = {"xatol": 1e-9, "fatol": 1e-12}
    least = optimize.minimize(mean_divergence, [0.0, 0.0], method="Nelder-Mead", options=precise)
    found = metrics.rate(means, deviations.square(), posteriors.entropy())
    assert found == pytest.approx(least.fun, abs=1e-9)


def test_the_rate_knows_no_unit_and_adds_over_dimensions() -> None:
    means, r = torch.randn(80, 3), torch.rand(80, 3) + 0.2
    scale, shift = torch.tensor([0.01, 1.0, 40.0]), torch.tensor([5.0, 0.0, -300.0])

    def rate(means: torch.Tensor, r: torch.Tensor) -> float:
        q = epanechnikov_posterior(means.double(), r.double())
        assert q.entropy is not None
        return metrics.rate(q.mean, q.variance, q.entropy)

    assert rate(scale * means + shift, scale * r) == pytest.approx(rate(means, r), rel=1e-5)
    assert sum(rate(means[:, [d]], r[:, [d]]) for d in range(3)) == pytest.approx(rate(means, r), rel=1e-12)


def test_posteriors_that_ignore_their_image_have_the_rate_of_their_shape() -> None:
    """Nothing is sent: for normal noise the rate is 0; for Epanechnikov noise it is 0.04617, what its shape costs."""
    mu, spread = torch.zeros(20, 1).double(), torch.full((20, 1), 0.7).double()
    for q, expected in ((gaussian_posterior(mu, spread), 0), (epanechnikov_posterior(mu, spread), 0.0461652)):
        assert q.entropy is not None
        assert metrics.rate(q.mean, q.variance, q.entropy) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("shape", [-0.3, 0.2, 0.5, 0.9, 1.5])
def test_the_pareto_shape_is_that_of_greatest_likelihood_drawn_a_little_to_one_half(shape: float) -> None:
    exceedances = np.sort(stats.genpareto.rvs(shape, scale=3.0, size=1000, random_state=1))
    greatest = stats.genpareto.fit(exceedances, floc=0)[0]
    assert metrics.pareto_shape(exceedances) == pytest.approx((1000 * greatest + 10 * 0.5) / 1010, abs=0.02)


@pytest.mark.parametrize("shape", [0.3, 0.5, 0.7, 1.2])
def test_weights_with_a_pareto_tail_have_its_shape_in_any_unit_and_order(shape: float) -> None:
    """Quantiles of the Pareto law with the index 1/k, 20,000 of them."""
    quantiles = -shape * np.log((np.arange(20_000) + 0.5) / 20_000)
    found, fitted_to = metrics.pareto_k(quantiles), math.ceil(3 * math.sqrt(20_000))
    assert found == pytest.approx((fitted_to * shape + 10 * 0.5) / (fitted_to + 10), abs=0.02)
    assert metrics.pareto_k(np.random.default_rng(0).permutation(quantiles) - 1e4) == pytest.approx(found, abs=1e-9)


def test_weights_whose_tail_cannot_be_fitted_are_trusted_or_not() -> None:
    one = np.full(1000, -math.inf)
    assert metrics.pareto_k(one) == math.inf
    one[7] = -900.0
    assert metrics.pareto_k(one) == math.inf
    assert metrics.pareto_k(np.full(1000, -900.0)) == 0
    # Weights over thousands of orders of magnitude, of which the largest has all: finite, and far above 0.7.
    assert metrics.pareto_k(np.linspace(-1e5, 0, 1000)) > 10


@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(-math.inf), st.sampled_from([0.0, 1e-300, -745.0])), min_size=10)
)
@settings(max_examples=examples(200), deadline=None, derandomize=True)
def test_every_list_of_weights_has_a_shape_that_is_a_number_or_infinite(log_weights: list[float]) -> None:
    with np.errstate(all="raise", under="ignore"):
        assert not math.isnan(metrics.pareto_k(np.array(log_weights)))
