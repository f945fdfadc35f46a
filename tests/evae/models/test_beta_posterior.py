"""The posterior with a symmetric beta kernel: the posteriors that it contains, and how its shape is learned."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from scipy import optimize
from torch import Tensor

from evae.compute.random_streams import RowsOf, StackedGenerators
from evae.configuration import Configuration
from evae.configuration.noises import LARGEST_SHAPE
from evae.models.initial_weights import initial_model
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import LocationScalePosterior, Posterior
from evae.models.stacked import stack_models
from evae.models.symmetric_beta import LEARNING_RATIO, SymmetricBetaPosterior, shape_from
from tests.evae.models.posteriors import from_uniform, kl_to_normal

pytestmark = pytest.mark.usefixtures("double")

DIVERGENCES: dict[str, Callable[[Posterior], Tensor]] = {
    "normal": kl_to_normal,
    "uniform": partial(from_uniform, length=7.0),
    "renyi2": partial(from_uniform, length=7.0, divergence="renyi2"),
}


def beta(mu: Tensor, sigma: Tensor, shape: float) -> SymmetricBetaPosterior:
    return SymmetricBetaPosterior(mu, sigma, torch.full_like(mu[:, :1], shape))


@pytest.mark.parametrize(("shape", "name"), [(1.0, "uniform"), (2.0, "epanechnikov")])
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_at_equal_variance_it_contains_the_uniform_and_the_epanechnikov_posterior(
    shape: float, name: str, divergence: str
) -> None:
    mu, sigma = torch.randn(5, 3) / 3, 0.2 + torch.rand(5, 3)
    ours, same = beta(mu, sigma, shape), LocationScalePosterior(mu, sigma * math.sqrt(2 * shape + 1), name)
    for one, other in ((ours.variance, same.variance), (ours.entropy, same.entropy), (ours.reach, same.reach)):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(DIVERGENCES[divergence](ours), DIVERGENCES[divergence](same))
    codes = ours.rsample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours.log_prob(codes), same.log_prob(codes))


def test_the_gaussian_posterior_is_the_limit_of_a_large_shape() -> None:
    mu, sigma = torch.randn(5, 3), 0.2 + torch.rand(5, 3)
    ours, limit = beta(mu, sigma, LARGEST_SHAPE), LocationScalePosterior(mu, sigma, "gaussian")
    torch.testing.assert_close(kl_to_normal(ours), kl_to_normal(limit), rtol=0, atol=1e-7)
    codes = limit.rsample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours.log_prob(codes), limit.log_prob(codes), rtol=0, atol=0.02)


def test_a_posterior_inside_the_prior_is_that_of_the_epanechnikov_family_at_shape_2() -> None:
    """So that `evae-repaired` and `evae-beta-repaired` begin alike."""
    heads = torch.randn(2, 5, 3).unbind()
    beta, same = (PosteriorFamily(name, within=1.7).from_heads(*heads) for name in ("beta", "epanechnikov"))
    torch.testing.assert_close(beta.mean, same.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(beta.reach, same.reach, rtol=1e-5, atol=1e-5)


def test_a_small_standard_deviation_inside_the_prior_does_not_depend_on_the_shape() -> None:
    heads = torch.zeros(1, 1), torch.full((1, 1), -6.0)
    families = [PosteriorFamily("beta", shape=a, within=1.7) for a in (1, 2, 40)]
    sigmas = [float(family.from_heads(*heads).variance.sqrt()) for family in families]
    assert sigmas == pytest.approx([sigmas[1]] * 3, rel=0.02)


def best_shape(divergence: str, sigma: float) -> float:
    """Return the shape up to 100 that minimises the term at a constant standard deviation."""

    def term(shape: float) -> float:
        return float(DIVERGENCES[divergence](beta(torch.zeros(1, 1), torch.full((1, 1), sigma), shape)))

    return float(optimize.minimize_scalar(term, bounds=(1, 100), method="bounded").x)


def test_at_equal_variance_renyi_2_chooses_the_epanechnikov_shape_and_the_kl_the_largest() -> None:
    """Lemma 3.2: the sharpest statement of which kernel an objective prefers, where the prior leaves room."""
    assert best_shape("renyi2", sigma=0.1) == pytest.approx(2, abs=1e-3)
    assert best_shape("uniform", sigma=0.1) > 99
    assert best_shape("normal", sigma=1.0) > 99


def test_the_noise_of_rows_and_of_stacked_networks_is_that_of_each_alone() -> None:
    mu, sigma, shape = torch.randn(6, 2), torch.rand(6, 2) + 0.1, torch.rand(6, 2) + 1

    def whole(rows: slice = slice(None)) -> SymmetricBetaPosterior:
        return SymmetricBetaPosterior(mu[rows], sigma[rows], shape[rows])

    def source(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    codes = whole().rsample(source(1))
    part = slice(2, 5)
    assert torch.equal(whole(part).rsample(RowsOf(source(1), 6, part)), codes[part])
    stacked = whole().rsample(StackedGenerators((source(3), source(4))))
    alone = [whole(slice(3 * k, 3 * k + 3)).rsample(source(3 + k)) for k in range(2)]
    assert torch.equal(stacked, torch.cat(alone))


@pytest.mark.parametrize("shape", ["learned", "encoded"])
def test_a_shape_begins_at_its_initial_value_and_every_seed_learns_its_own(shape: str) -> None:
    config = Configuration(model="evae-beta", shape=shape, initial_shape=3.5, latent_dim=2)
    models = [initial_model(config, (1, 32, 32)).double() for _ in range(3)]
    images = torch.rand(6, 1, 32, 32)
    assert bool((models[0].encode(images[:2]).spreads["a"] == 3.5).all())
    for number, model in enumerate(models):
        weights = model.get_parameter("shape.log_ratio" if shape == "learned" else "encoder.heads.a.bias")
        torch.nn.init.constant_(weights, number / LEARNING_RATIO if shape == "learned" else number)
    whole = stack_models(models)
    spreads = whole.encode(images).spreads["a"][:, 0].detach()
    expected = [1 + 2.5 * math.exp(number) for number in range(3) for _ in range(2)]
    assert spreads.tolist() == pytest.approx(expected)


def test_a_constant_shape_is_no_weight() -> None:
    model = initial_model(Configuration(model="evae-beta", shape=7, latent_dim=2), (1, 32, 32))
    assert not any("shape" in name for name in model.state_dict())
    assert bool((model.encode(torch.rand(2, 1, 32, 32).float()).spreads["a"] == 7).all())


@pytest.mark.parametrize("initial", [1.001, 2.0, LARGEST_SHAPE])
def test_a_learned_shape_stays_in_its_range_and_has_a_finite_gradient(initial: float) -> None:
    log_ratio = torch.tensor([-1e4, -30.0, 0.0, 30.0, 1e4], dtype=torch.float32, requires_grad=True)
    shape = shape_from(log_ratio, initial)
    assert 1 <= float(shape.detach().min()) <= float(shape.detach().max()) <= LARGEST_SHAPE * (1 + 1e-6)
    assert float(shape[2].detach()) == pytest.approx(initial, rel=1e-6)
    (gradient,) = torch.autograd.grad(shape.sum(), log_ratio)
    assert bool(gradient.isfinite().all())


def test_the_gradient_of_the_learned_shape_is_that_of_the_whole_loss() -> None:
    """Through the draw, the density and the term, by finite differences."""

    def loss(log_ratio: Tensor) -> Tensor:
        q: Posterior = PosteriorFamily("beta", within=2.0).from_heads(mu, spread, log_ratio.expand(3, 1))
        drawn = q.draw(torch.Generator().manual_seed(0))
        assert drawn.log_density is not None
        return drawn.codes.pow(3).sum() + drawn.log_density.sum() + from_uniform(q, 4.0).sum()

    mu, spread = torch.randn(2, 3, 2).unbind()
    assert torch.autograd.gradcheck(loss, (torch.tensor([[0.3]], requires_grad=True),))
