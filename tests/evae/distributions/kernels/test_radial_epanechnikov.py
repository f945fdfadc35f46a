"""The radial Epanechnikov law against its one-dimensional form, the exact constants of `theory`, and quadrature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from evae.distributions import Epanechnikov
from evae.distributions.kernels import RadialEpanechnikov
from evae.distributions.kernels.radial_epanechnikov import (
    log_constant,
    project_normals,
    standard_entropy,
    standard_log_density,
    standard_log_roughness,
)
from theory.kernel_families import radial_epanechnikov

pytestmark = pytest.mark.usefixtures("double")

#: Of each Kolmogorov-Smirnov test, were its seed not fixed.
FALSE_ALARMS = 1e-5

EACH = pytest.mark.parametrize("dimension", [1, 2, 3, 8, 64])


def factor(dimension: int, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    below = torch.randn(dimension, dimension, generator=random).tril(-1)
    return below + torch.diag(0.3 + torch.rand(dimension, generator=random))


@EACH
def test_the_constants_are_those_of_theory(dimension: int) -> None:
    exact = radial_epanechnikov(dimension)
    assert standard_entropy(dimension) == pytest.approx(float(exact.entropy), rel=1e-13)
    assert math.exp(standard_log_roughness(dimension)) == pytest.approx(float(exact.roughness), rel=1e-13)
    unit = RadialEpanechnikov(torch.zeros(dimension), torch.eye(dimension))
    assert unit.variance.tolist() == pytest.approx([float(exact.variance)] * dimension)


def test_in_one_dimension_it_is_the_epanechnikov_law() -> None:
    assert standard_entropy(1) == pytest.approx(5 / 3 - math.log(3), abs=1e-14)
    assert math.exp(standard_log_roughness(1)) == pytest.approx(3 / 5, abs=1e-14)
    p, same = RadialEpanechnikov(torch.tensor([0.3]), torch.tensor([[0.7]])), Epanechnikov(0.3, 0.7, False)
    assert float(p.variance) == pytest.approx(0.7**2 / 5)
    x = torch.linspace(-0.6, 1.2, 37)
    torch.testing.assert_close(p.log_prob(x[:, None]), same.log_prob(x))


@EACH
def test_draws_have_the_law_and_know_their_distance_from_the_sphere(dimension: int) -> None:
    """The square of the length is Beta(d/2, 2); a coordinate is beta of shape (d + 3)/2; directions are uniform."""
    normals = torch.randn(20_000, dimension + 4, generator=torch.Generator().manual_seed(dimension))
    u, log_complement = project_normals(normals)
    square = u.square().sum(1)
    assert stats.kstest(square.numpy(), stats.beta(dimension / 2, 2).cdf).pvalue > FALSE_ALARMS
    coordinate = stats.beta((dimension + 3) / 2, (dimension + 3) / 2, loc=-1, scale=2)
    for column in (u[:, 0], u[:, -1], u.sum(1) / math.sqrt(dimension)):
        assert stats.kstest(column.numpy(), coordinate.cdf).pvalue > FALSE_ALARMS
    torch.testing.assert_close(log_complement, (1 - square).log(), rtol=1e-9, atol=1e-9)
    density = log_complement + log_constant(dimension)
    torch.testing.assert_close(density, standard_log_density(u), rtol=1e-9, atol=1e-9)
    error = float(density.std()) / math.sqrt(len(u))
    assert float(-density.mean()) == pytest.approx(standard_entropy(dimension), abs=4.5 * error)
    # The covariance is I/(d + 4).
    moments = u.T @ u / len(u) * (dimension + 4)
    torch.testing.assert_close(moments, torch.eye(dimension), rtol=0, atol=0.06)


def test_the_distance_of_a_draw_keeps_its_digits_in_single_precision() -> None:
    normals = torch.randn(2000, 7, generator=torch.Generator().manual_seed(4))
    exact, single = project_normals(normals), project_normals(normals.float())
    for before, after in zip(exact, single, strict=True):
        torch.testing.assert_close(after.double(), before, rtol=2e-6, atol=2e-6)


def test_the_density_in_two_dimensions_integrates_to_1_and_its_square_to_the_roughness() -> None:
    p = RadialEpanechnikov(torch.tensor([0.5, -0.2]), factor(2))
    axis = np.linspace(-3.2, 3.2, 1281)
    points = torch.from_numpy(np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    density = p.log_prob(points).exp()
    cell = (axis[1] - axis[0]) ** 2
    assert float(density.sum()) * cell == pytest.approx(1, abs=1e-4)
    assert float(density.square().sum()) * cell == pytest.approx(math.exp(float(p.log_roughness())), rel=1e-4)
    entropy = -float(torch.special.xlogy(density, density).sum()) * cell
    assert float(p.entropy()) == pytest.approx(entropy, abs=1e-4)


@pytest.mark.parametrize("dimension", [1, 3, 8])
def test_the_divergence_from_a_normal_law_is_the_mean_of_log_ratios(dimension: int) -> None:
    p = RadialEpanechnikov(torch.linspace(-1, 1, dimension), factor(dimension))
    for q in (
        MultivariateNormal(torch.zeros(dimension), torch.eye(dimension)),
        MultivariateNormal(torch.full((dimension,), 0.3), scale_tril=factor(dimension, seed=1) + torch.eye(dimension)),
    ):
        torch.manual_seed(dimension)
        x = p.sample((40_000,))
        ratios = p.log_prob(x) - q.log_prob(x)
        error = float(ratios.std()) / math.sqrt(len(x))
        assert float(kl_divergence(p, q)) == pytest.approx(float(ratios.mean()), abs=4.5 * error)


def test_the_divergence_from_the_standard_normal_law_in_one_dimension_by_quadrature() -> None:
    p = RadialEpanechnikov(torch.tensor([0.4]), torch.tensor([[1.3]]))

    def integrand(u: float) -> float:
        density = 0.75 * (1 - u * u)
        return density * (math.log(density / 1.3) - float(stats.norm.logpdf(0.4 + 1.3 * u)))

    expected, _ = integrate.quad(integrand, -1, 1)
    found = kl_divergence(p, MultivariateNormal(torch.zeros(1), torch.eye(1)))
    assert float(found) == pytest.approx(expected, abs=1e-8)


def test_at_equal_covariance_the_radial_kernel_is_further_from_the_product_the_more_dimensions() -> None:
    """Divergence from the normal law of equal covariance in 64 dimensions: 1.12, and 2.95 for the product."""
    d = 64
    p = RadialEpanechnikov(torch.zeros(d), math.sqrt(d + 4) * torch.eye(d))
    divergence = float(kl_divergence(p, MultivariateNormal(torch.zeros(d), torch.eye(d))))
    assert divergence == pytest.approx(1.12, abs=0.005)
    relative = math.exp(float(p.log_roughness()) + 0.5 * d * math.log(4 * math.pi))
    assert relative == pytest.approx(2.2e-4, rel=0.03)


def test_gradients_are_right_and_outside_the_ellipsoid_zero() -> None:
    loc, below = torch.tensor([0.2, -0.1, 0.4], requires_grad=True), factor(3).requires_grad_()
    inside, outside = loc.detach() + 0.1, loc.detach() + 9.0

    def functions(loc: Tensor, below: Tensor) -> tuple[Tensor, ...]:
        p = RadialEpanechnikov(loc, below.tril())
        return p.log_prob(inside), p.entropy(), p.log_roughness()

    assert torch.autograd.gradcheck(functions, (loc, below))
    found = RadialEpanechnikov(loc, below).log_prob(outside)
    assert float(found.detach()) == -math.inf
    assert not bool(torch.autograd.grad(found, loc)[0].any())


def test_expanding_repeats_the_law() -> None:
    p = RadialEpanechnikov(torch.tensor([0.5, -3.0]), factor(2))
    wide = p.expand((4,))
    assert (wide.batch_shape, wide.event_shape) == ((4,), (2,))
    assert torch.equal(wide.log_prob(p.mean), p.log_prob(p.mean).expand(4))
    assert wide.sample().unique().numel() == 8
