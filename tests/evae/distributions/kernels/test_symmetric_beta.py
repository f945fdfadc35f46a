"""The symmetric beta law against scipy's, the exact constants of `theory`, and the laws that it contains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor
from torch.distributions import Laplace, Normal, Uniform, kl_divergence

from evae.distributions import CentredUniform, Epanechnikov, StandardNormal
from evae.distributions.kernels import SymmetricBeta
from evae.distributions.kernels.symmetric_beta import (
    log_normaliser,
    standard_entropy,
    standard_log_roughness,
    transform_uniforms,
)
from theory.kernel_families import symmetric_beta

pytestmark = pytest.mark.usefixtures("double")

#: Of each Kolmogorov-Smirnov test, were its seed not fixed.
FALSE_ALARMS = 1e-5

SHAPES = (1.0, 1.5, 2.0, 3.0, 7.5, 40.0, 1e4)

EACH = pytest.mark.parametrize("shape", SHAPES)


def law(shape: float) -> Any:
    """The same law by scipy, as one of 2X - 1."""
    return stats.beta(shape, shape, loc=-1, scale=2)


def uniforms(number: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    first, second = torch.rand(2, number, dtype=dtype, generator=torch.Generator().manual_seed(seed)).unbind()
    return first, second


@pytest.mark.parametrize("shape", [1, 2, 3, 7])
def test_the_constants_are_those_of_theory(shape: int) -> None:
    exact, a = symmetric_beta(shape), torch.tensor(float(shape))
    assert float(standard_entropy(a)) == pytest.approx(float(exact.entropy), abs=1e-14)
    assert float(standard_log_roughness(a).exp()) == pytest.approx(float(exact.roughness), rel=1e-14)
    assert float(SymmetricBeta(0.0, 1.0, a).variance) == pytest.approx(float(exact.variance), rel=1e-15)


def test_the_epanechnikov_values_to_six_digits() -> None:
    assert float(standard_entropy(torch.tensor(2.0))) == pytest.approx(0.568054, abs=5e-7)
    assert float(standard_log_roughness(torch.tensor(2.0)).exp()) == pytest.approx(0.6, abs=1e-15)


def test_shape_1_is_uniform_and_shape_2_is_epanechnikov() -> None:
    loc, scale, x = torch.tensor([0.3, -2.0]), torch.tensor([0.7, 3.0]), torch.linspace(-6.01, 4.01, 201)[:, None]
    for shape, same in ((1.0, CentredUniform), (2.0, Epanechnikov)):
        ours, other = SymmetricBeta(loc, scale, shape), same(loc, scale, validate_args=False)
        assert torch.allclose(ours.variance, other.variance, rtol=1e-15)
        assert torch.allclose(ours.entropy(), other.entropy(), rtol=1e-14)
        ours = SymmetricBeta(loc, scale, shape, validate_args=False)
        torch.testing.assert_close(ours.log_prob(x), other.log_prob(x))


def test_the_normal_law_is_the_limit_of_a_large_shape() -> None:
    """At variance 1 the divergence from it falls like 3 / (16 a^2)."""
    for shape in (100.0, 1e4):
        p = SymmetricBeta(0.0, math.sqrt(2 * shape + 1), shape)
        assert float(kl_divergence(p, StandardNormal())) == pytest.approx(3 / 16 / shape**2, rel=0.03, abs=2e-12)
        x = torch.linspace(-3, 3, 7)
        torch.testing.assert_close(p.log_prob(x), Normal(0.0, 1.0).log_prob(x), rtol=0, atol=30 / shape)


@pytest.mark.parametrize(
    ("shape", "kl", "roughness"),
    [(1, 0.1765, 0.28868), (2, 0.0462, 0.26833), (3, 0.0207, 0.26997), (5, 0.0075, 0.27348), (10, 0.0019, 0.27730)],
)
def test_at_variance_1_the_kl_wants_a_large_shape_and_the_roughness_two(
    shape: float, kl: float, roughness: float
) -> None:
    p = SymmetricBeta(0.0, math.sqrt(2 * shape + 1), float(shape))
    assert float(kl_divergence(p, StandardNormal())) == pytest.approx(kl, abs=5e-5)
    assert float(p.log_roughness().exp()) == pytest.approx(roughness, abs=5e-6)


def test_the_roughness_at_variance_1_is_least_at_shape_2() -> None:
    shape = torch.tensor(2.0, requires_grad=True)
    (standard_log_roughness(shape) - 0.5 * (2 * shape + 1).log()).backward()
    assert shape.grad is not None
    assert float(shape.grad) == pytest.approx(0, abs=1e-14)


@EACH
def test_the_density_is_scipys_and_integrates_to_1(shape: float) -> None:
    p = SymmetricBeta(0.4, 1.7, shape, validate_args=False)
    x = torch.linspace(-1.3, 2.1, 35)
    inside = (x - 0.4).abs() < 1.7
    expected = torch.from_numpy(law(shape).logpdf(((x - 0.4) / 1.7).numpy())) - math.log(1.7)
    torch.testing.assert_close(p.log_prob(x)[inside], expected[inside], rtol=1e-9, atol=1e-9)
    assert float(p.log_prob(torch.tensor(2.2))) == -math.inf
    width = min(1.7, 12 * 1.7 / math.sqrt(2 * shape + 1))
    total, _ = integrate.quad(lambda v: float(p.log_prob(torch.tensor(v)).exp()), 0.4 - width, 0.4 + width)
    assert total == pytest.approx(1, abs=1e-8)


@EACH
def test_draws_have_the_law_and_know_its_density(shape: float) -> None:
    u, log_complement = transform_uniforms(*uniforms(20_000, seed=int(shape)), torch.tensor(shape))
    assert stats.kstest(u.numpy(), law(shape).cdf).pvalue > FALSE_ALARMS
    torch.testing.assert_close(log_complement, (1 - u.square()).log(), rtol=1e-9, atol=1e-9)
    density = (shape - 1) * log_complement - log_normaliser(torch.tensor(shape))
    # The entropy is the mean of the negative log-density.
    error = float(density.std()) / math.sqrt(len(u))
    assert float(-density.mean()) == pytest.approx(
        float(standard_entropy(torch.tensor(shape))), abs=4.5 * error + 1e-12
    )


def test_samples_of_the_distribution_have_the_law() -> None:
    torch.manual_seed(3)
    drawn = SymmetricBeta(torch.tensor([0.5, -1.0]), torch.tensor([2.0, 0.1]), 4.0).sample((10_000,))
    for column, (loc, scale) in zip(drawn.T, ((0.5, 2.0), (-1.0, 0.1)), strict=True):
        assert stats.kstest(((column - loc) / scale).numpy(), law(4.0).cdf).pvalue > FALSE_ALARMS


def test_the_derivative_of_a_draw_with_respect_to_the_shape_is_that_of_the_law() -> None:
    """d E|u| / da at a = 2 is -0.08236; exact: E|u| is the integral of u (1 - u^2)^(a - 1), twice, over that of 1."""
    shape = torch.tensor(2.0, requires_grad=True)
    draws = 400_000
    each = shape.expand(draws).clone()
    each.retain_grad()
    transform_uniforms(*uniforms(draws), each)[0].abs().sum().backward()
    assert each.grad is not None

    def mean(a: float) -> float:
        return math.exp(-float(log_normaliser(torch.tensor(a)))) / a

    exact = (mean(2 + 1e-5) - mean(2 - 1e-5)) / 2e-5
    assert exact == pytest.approx(-0.08236, abs=5e-6)
    assert float(each.grad.mean()) == pytest.approx(exact, abs=4.5 * float(each.grad.std()) / math.sqrt(draws))


@EACH
def test_gradients_of_a_draw_are_right_and_finite_for_every_uniform_number(shape: float) -> None:
    a = torch.tensor([shape + 0.01], requires_grad=True)
    first, second = torch.tensor([0.2, 0.7, 0.999]), torch.tensor([0.1, 0.26, 0.8])
    assert torch.autograd.gradcheck(lambda a: transform_uniforms(first, second, a), (a,), atol=1e-7)
    for dtype in (torch.float32, torch.float64):
        least = torch.finfo(dtype).eps / 2
        ends = torch.tensor([0.0, least, 0.5, 1 - least], dtype=dtype)
        first, second = (each.flatten() for each in torch.meshgrid(ends, ends, indexing="ij"))
        a = torch.full_like(first, shape, requires_grad=True)
        u, log_complement = transform_uniforms(first, second, a)
        (gradient,) = torch.autograd.grad(u.sum() + log_complement.sum(), a)
        assert all(bool(tensor.isfinite().all()) for tensor in (u, log_complement, gradient))
        assert float(u.detach().abs().max()) <= 1


@EACH
def test_single_precision_agrees_with_double(shape: float) -> None:
    first, second = uniforms(2000, dtype=torch.float32)
    a = torch.tensor(shape)
    single = transform_uniforms(first, second, a.float())
    exact = transform_uniforms(first.double(), second.double(), a)
    unit = 1 / math.sqrt(2 * shape + 1)
    torch.testing.assert_close(single[0].double(), exact[0], rtol=0, atol=2e-6 * unit)
    torch.testing.assert_close((shape - 1) * single[1].double(), (shape - 1) * exact[1], rtol=2e-4, atol=2e-4)
    for constant in (standard_entropy, standard_log_roughness, log_normaliser):
        assert float(constant(a.float())) == pytest.approx(float(constant(a)), rel=1e-6, abs=1e-6)


@EACH
def test_divergences_are_those_of_quadrature(shape: float) -> None:
    p = SymmetricBeta(0.4, 1.7, shape)
    width = min(1.7, 12 * 1.7 / math.sqrt(2 * shape + 1))
    # By Gauss and Legendre on each side of the centre; u = 1 - v^2 removes the power at an end.
    nodes, weights = (torch.from_numpy(each) for each in np.polynomial.legendre.leggauss(200))
    v = (1 + nodes) / 2 * math.sqrt(width / 1.7)
    u = width / 1.7 - v.square()
    x = torch.cat([0.4 - 1.7 * u, 0.4 + 1.7 * u])
    log_density = p.log_prob(x)
    for q in (StandardNormal(), Normal(-0.3, 0.8), Uniform(-1.5, 2.5)):
        integrand = log_density.exp() * (log_density - q.log_prob(x))  # type: ignore[no-untyped-call]
        expected = 1.7 * (integrand * (v * weights).repeat(2)).sum() * math.sqrt(width / 1.7)
        assert float(kl_divergence(p, q)) == pytest.approx(float(expected), abs=1e-8)
    assert float(kl_divergence(p, Uniform(-1.2, 2.5))) == math.inf
    with pytest.raises(NotImplementedError):
        kl_divergence(p, Laplace(0.0, 1.0))


def test_a_shape_below_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"parameter shape .*constraint GreaterThanEq"):
        SymmetricBeta(0.0, 1.0, 0.9, validate_args=True)


def test_expanding_repeats_the_law() -> None:
    p = SymmetricBeta(torch.tensor([0.5, -3.0]), torch.tensor([1.0, 2.0]), 3.0)
    wide = p.expand((4, 2))
    assert wide.batch_shape == (4, 2)
    assert torch.equal(wide.entropy(), p.entropy().expand(4, 2))
    assert torch.equal(wide.log_prob(p.mean + 0.1), p.log_prob(p.mean + 0.1).expand(4, 2))
    assert wide.sample().unique().numel() == 8
