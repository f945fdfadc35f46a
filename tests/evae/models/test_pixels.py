"""Laws of pixels given logits: densities, moments and derivatives."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch
from scipy import integrate
from torch import Tensor

from evae.models.pixels import (
    BernoulliPixels,
    ContinuousBernoulliPixels,
    GaussianPixels,
    PixelLaw,
    log_normaliser,
)

#: On both sides of the points where series give way to formulas.
LOGITS = (-40.0, -3.0, -0.51, -0.49, -0.26, -0.24, -1e-3, 0.0, 1e-9, 0.1, 0.24, 0.26, 0.49, 0.51, 7.0, 300.0)

LAWS = {"bernoulli": BernoulliPixels(), "cb": ContinuousBernoulliPixels(), "gaussian": GaussianPixels(0.3)}


def at(value: float) -> Tensor:
    return torch.tensor([[[[value]]]], dtype=torch.float64)


def density(law: PixelLaw, logit: float, pixel: float) -> float:
    return math.exp(-float(law.error(at(logit), at(pixel))))


@pytest.mark.parametrize("logit", [logit for logit in LOGITS if abs(logit) < 100])
def test_the_continuous_bernoulli_is_a_density_on_the_unit_interval_with_its_mean(logit: float) -> None:
    law = LAWS["cb"]
    total, _ = integrate.quad(lambda x: density(law, logit, x), 0, 1, epsabs=1e-13)
    mean, _ = integrate.quad(lambda x: x * density(law, logit, x), 0, 1, epsabs=1e-13)
    variance, _ = integrate.quad(lambda x: (x - mean) ** 2 * density(law, logit, x), 0, 1, epsabs=1e-13)
    assert total == pytest.approx(1, abs=1e-11)
    assert float(law.mean(at(logit))) == pytest.approx(mean, abs=1e-11)
    assert float(law.information(at(logit))) == pytest.approx(variance, rel=1e-9)


def test_the_continuous_bernoulli_is_torchs_where_that_has_digits() -> None:
    logits = torch.tensor([-9.0, -2.0, -0.7, 0.7, 5.0], dtype=torch.float64).view(-1, 1, 1, 1)
    pixels = torch.linspace(0, 1, 5, dtype=torch.float64).view(-1, 1, 1, 1)
    peer = torch.distributions.ContinuousBernoulli(logits=logits)
    assert torch.allclose(-LAWS["cb"].error(logits, pixels), peer.log_prob(pixels).flatten(1).sum(1), atol=1e-9)
    assert torch.allclose(LAWS["cb"].mean(logits), peer.mean, atol=1e-9)


def test_the_gaussian_is_torchs() -> None:
    logits, pixels = torch.randn(3, 2, 4, 4), torch.rand(3, 2, 4, 4)
    peer = torch.distributions.Normal(logits.sigmoid(), 0.3)
    assert torch.allclose(-LAWS["gaussian"].error(logits, pixels), peer.log_prob(pixels).flatten(1).sum(1), atol=1e-4)


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("logit", LOGITS)
def test_slopes_are_the_gradients_of_the_error_and_finite_everywhere(name: str, logit: float) -> None:
    law = LAWS[name]
    logits = at(logit).requires_grad_()
    (gradient,) = torch.autograd.grad(law.error(logits, at(0.3)).sum(), logits)
    assert float(law.slope(at(logit), at(0.3))) == pytest.approx(-float(gradient), abs=1e-10)
    assert math.isfinite(float(law.information(at(logit))))
    assert 0 <= float(law.mean(at(logit))) <= 1


@pytest.mark.parametrize("logit", LOGITS)
@pytest.mark.parametrize("name", ["cb", "gaussian"])
def test_a_drawn_pixel_has_the_level_of_its_distribution_function(name: str, logit: float) -> None:
    """In 50 digits, of the pixel as it was rounded, or of its neighbours in [0, 1]."""
    levels = (0.0, 2.0**-53, 0.1, 0.5, 0.77, 1 - 2.0**-53)
    pixels = [float(LAWS[name].draw(at(logit), at(level))) for level in levels]
    assert pixels == sorted(pixels)
    with mpmath.workdps(50):
        slope, scale = mpmath.mpf(logit), mpmath.mpf(0.3)

        def distribution(pixel: float) -> mpmath.mpf:
            if name == "gaussian":
                return mpmath.ncdf((mpmath.mpf(pixel) - 1 / (1 + mpmath.exp(-slope))) / scale)
            return mpmath.expm1(slope * pixel) / mpmath.expm1(slope) if slope else mpmath.mpf(pixel)

        for level, pixel in zip(levels, pixels, strict=True):
            if name == "cb":
                assert 0 <= pixel <= 1
            below, above = pixel - 4e-16 * (1 + abs(pixel)), pixel + 4e-16 * (1 + abs(pixel))
            # A level of 0 is that of the law's end, or near it where there is none.
            assert level == 0 or distribution(below) <= level <= distribution(above)
            assert level > 0 or distribution(pixel) < 1e-300


def test_a_binary_pixel_is_1_as_often_as_its_mean_says() -> None:
    levels = torch.linspace(0, 1 - 1e-3, 1000).view(-1, 1, 1, 1)
    for logit in (-3.0, 0.0, 1.0):
        drawn = LAWS["bernoulli"].draw(torch.full_like(levels, logit), levels)
        assert set(drawn.unique().tolist()) == {0.0, 1.0}
        assert float(drawn.mean()) == pytest.approx(float(at(logit).sigmoid()), abs=1e-3)


@pytest.mark.parametrize("name", LAWS)
def test_the_information_is_the_variance_of_the_slope(name: str) -> None:
    """By quadrature over pixels of the law itself; of the Bernoulli law over its two values."""
    law, logit = LAWS[name], 0.8

    def slope(pixel: float) -> float:
        return float(law.slope(at(logit), at(pixel)))

    if name == "bernoulli":
        expected = sum(density(law, logit, pixel) * slope(pixel) ** 2 for pixel in (0.0, 1.0))
    else:
        low, high = (0, 1) if name == "cb" else (-4, 5)
        expected, _ = integrate.quad(lambda x: density(law, logit, x) * slope(x) ** 2, low, high, epsabs=1e-12)
    assert float(law.information(at(logit))) == pytest.approx(expected, rel=1e-9)


def test_single_precision_keeps_its_digits_at_every_logit() -> None:
    logits = torch.cat([torch.linspace(-2, 2, 4001), torch.tensor([-90.0, 90.0, 2e4])])[:, None, None, None]
    for of in (log_normaliser, LAWS["cb"].mean):
        assert torch.allclose(of(logits).double(), of(logits.double()), rtol=2e-6, atol=2e-6)


def test_each_stacked_network_has_a_scale_of_its_own() -> None:
    law = GaussianPixels(networks=2)
    with torch.no_grad():
        law.log_scale.copy_(torch.tensor([math.log(0.2), math.log(0.5)]))
    logits, pixels = torch.randn(6, 1, 2, 2), torch.rand(6, 1, 2, 2)
    first, second = slice(3), slice(3, 6)
    parts = [GaussianPixels(0.2).error(logits[first], pixels[first])]
    parts.append(GaussianPixels(0.5).error(logits[second], pixels[second]))
    assert torch.allclose(law.error(logits, pixels), torch.cat(parts), atol=1e-4)


def test_the_learned_scale_of_least_error_is_the_root_of_the_mean_square() -> None:
    law = GaussianPixels().double()
    logits, pixels = torch.randn(50, 1, 3, 3, dtype=torch.float64), torch.rand(50, 1, 3, 3, dtype=torch.float64)
    with torch.no_grad():
        law.log_scale.fill_((pixels - logits.sigmoid()).square().mean().sqrt().log())
    law.error(logits, pixels).sum().backward()
    assert law.log_scale.grad is not None
    assert float(law.log_scale.grad) == pytest.approx(0, abs=1e-8)
