"""Posteriors of all dimensions together, against torch's own normal law, quadrature and the exact sums of `theory`."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import MultivariateNormal, kl_divergence

from evae.compute.random_streams import RowsOf, StackedGenerators
from evae.configuration.noises import JOINT_NOISES
from evae.configuration.recipe import DIVERGENCES
from evae.evaluation.holdout import latent_summary
from evae.models.joint import JointPosterior
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import LocationScalePosterior
from evae.models.regularisation.penalties import MomentPenalty
from tests.evae.models.posteriors import from_uniform, kl_to_normal
from theory.kernel_families import radial_kl_to_standard_normal

pytestmark = pytest.mark.usefixtures("double")

EACH = pytest.mark.parametrize("name", JOINT_NOISES)

#: Of each Kolmogorov-Smirnov test, were its seed not fixed.
FALSE_ALARMS = 1e-5


def posterior(name: str, rows: int = 4, dimension: int = 3, seed: int = 0) -> JointPosterior:
    random = torch.Generator().manual_seed(seed)
    mu, sigma = torch.randn(rows, dimension, generator=random), 0.2 + torch.rand(rows, dimension, generator=random)
    couplings = torch.randn(rows, dimension * (dimension - 1) // 2, generator=random)
    return JointPosterior(mu, sigma, name, couplings if JOINT_NOISES[name].full else None)


@EACH
def test_the_factor_is_lower_triangular_with_the_standard_deviations_as_the_lengths_of_its_rows(name: str) -> None:
    q = posterior(name)
    factor = q.scale_tril
    assert torch.equal(factor, factor.tril())
    assert bool((factor.diagonal(dim1=1, dim2=2) > 0).all())
    torch.testing.assert_close(factor.square().sum(2), q.variance)
    torch.testing.assert_close(factor.diagonal(dim1=1, dim2=2).log().sum(1), q._log_determinant)
    # Row by row: the couplings of the third dimension are the second and the third number.
    if q.couplings is not None:
        torch.testing.assert_close(factor[:, 2, :2] / factor[:, 2, 2:], q.couplings[:, 1:])
        assert float((factor @ factor.mT - torch.diag_embed(q.variance)).abs().max()) > 0.1


def test_the_full_gaussian_posterior_is_torchs() -> None:
    q = posterior("gaussian-full")
    law = MultivariateNormal(q.mu, scale_tril=q.scale_tril)
    prior = MultivariateNormal(torch.zeros(3), torch.eye(3))
    torch.testing.assert_close(q.entropy, law.entropy())
    torch.testing.assert_close(kl_to_normal(q), kl_divergence(law, prior))
    codes = torch.randn(4, 3)
    torch.testing.assert_close(q.log_prob(codes), law.log_prob(codes))
    # The square of a normal density is one of half the variance, up to the factor.
    half = MultivariateNormal(q.mu, scale_tril=q.scale_tril / math.sqrt(2))
    torch.testing.assert_close(q.log_roughness, 2 * law.log_prob(q.mu) - half.log_prob(q.mu))


def test_without_couplings_the_full_gaussian_posterior_is_the_gaussian_one() -> None:
    q = JointPosterior(torch.randn(5, 3), torch.rand(5, 3) + 0.1, "gaussian-full", torch.zeros(5, 3))
    same = LocationScalePosterior(q.mu, q.sigma, "gaussian")
    torch.testing.assert_close(kl_to_normal(q), kl_to_normal(same))
    draws = [each.draw(torch.Generator().manual_seed(1)) for each in (q, same)]
    torch.testing.assert_close(draws[0].codes, draws[1].codes)
    torch.testing.assert_close(draws[0].log_density, draws[1].log_density)
    assert latent_summary([q]).rate == pytest.approx(latent_summary([same]).rate)


def test_couplings_cost_the_dependence_of_the_dimensions() -> None:
    """KL to N(0, I) is that without couplings plus -log det of the correlation matrix / 2."""
    for name in ("gaussian-full", "radial-full"):
        q = posterior(name)
        free = JointPosterior(q.mu, q.sigma, name, torch.zeros(4, 3))
        correlation = q.scale_tril @ q.scale_tril.mT / (q.sigma[:, :, None] * q.sigma[:, None, :])
        added = kl_to_normal(q) - kl_to_normal(free)
        torch.testing.assert_close(added, -0.5 * torch.logdet(correlation))


def test_in_one_dimension_the_radial_posterior_is_the_epanechnikov_one() -> None:
    mu, sigma = torch.randn(5, 1) / 9, torch.rand(5, 1) + 0.1
    q, same = JointPosterior(mu, sigma, "radial"), LocationScalePosterior(mu, sigma * math.sqrt(5), "epanechnikov")
    torch.testing.assert_close(kl_to_normal(q), kl_to_normal(same))
    for divergence in DIVERGENCES:
        torch.testing.assert_close(from_uniform(q, 9.0, divergence), from_uniform(same, 9.0, divergence))
    codes = q.rsample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(q.log_prob(codes), same.log_prob(codes))
    torch.testing.assert_close(q.reach, same.reach)


@pytest.mark.parametrize("name", ["radial", "radial-full"])
@pytest.mark.parametrize("dimension", [2, 5])
def test_the_kl_of_the_radial_posterior_is_theorys(name: str, dimension: int) -> None:
    q = posterior(name, rows=1, dimension=dimension)
    factor = math.sqrt(dimension + 4) * q.scale_tril[0]
    arguments = (q.mu.square().sum(), factor.square().sum(), factor.diagonal().log().sum())
    exact = radial_kl_to_standard_normal(dimension, *(float(one) for one in arguments))
    assert float(kl_to_normal(q)) == pytest.approx(float(exact), rel=1e-12)
    prior = MultivariateNormal(torch.zeros(dimension), torch.eye(dimension))
    assert float(kl_divergence(q.distribution, prior)) == pytest.approx(float(exact), rel=1e-12)


@EACH
def test_draws_have_the_moments_and_the_entropy(name: str) -> None:
    q = posterior(name, rows=1)
    rows = 60_000
    drawn = q.repeat(rows).draw(torch.Generator().manual_seed(2))
    assert drawn.log_density is not None
    assert torch.equal(drawn.codes, q.repeat(rows).rsample(torch.Generator().manual_seed(2)))
    noise = torch.linalg.solve_triangular(q.scale_tril[0], (drawn.codes - q.mu).T, upper=False).T
    torch.testing.assert_close(noise.mean(0), torch.zeros(3), rtol=0, atol=4.5 / math.sqrt(rows))
    torch.testing.assert_close(noise.T @ noise / rows, torch.eye(3), rtol=0, atol=4.5 * math.sqrt(2 / rows))
    error = float(drawn.log_density.std()) / math.sqrt(rows)
    assert -float(drawn.log_density.mean()) == pytest.approx(float(q.entropy), abs=4.5 * error)
    # The mean density is the roughness.
    density = drawn.log_density.exp()
    error = float(density.std()) / math.sqrt(rows)
    assert float(density.mean()) == pytest.approx(float(q.roughness), abs=4.5 * error)
    if q.reach is not None:
        assert float(((drawn.codes - q.mu).abs() / q.reach).max()) <= 1
        square = noise.square().sum(1) / 7
        assert stats.kstest(square[:20_000].numpy(), stats.beta(3 / 2, 2).cdf).pvalue > FALSE_ALARMS


@EACH
def test_a_draw_knows_its_log_density(name: str) -> None:
    q = posterior(name, rows=500)
    drawn = q.draw(torch.Generator().manual_seed(5))
    assert drawn.log_density is not None
    torch.testing.assert_close(drawn.log_density, q.log_prob(drawn.codes), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(q.distribution.log_prob(drawn.codes), drawn.log_density, rtol=1e-7, atol=1e-7)
    # Far from 0 the codes lose the digits of the noise; the log-density does not.
    moved = JointPosterior(q.mu + 1e12, q.sigma, name, q.couplings)
    far = moved.draw(torch.Generator().manual_seed(5)).log_density
    assert far is not None
    assert torch.equal(far, drawn.log_density)
    if q.reach is not None:
        assert bool((q.log_prob(q.mu + 1.001 * q.reach) == -math.inf).all())


@EACH
def test_the_noise_of_rows_and_of_stacked_networks_is_that_of_each_alone(name: str) -> None:
    q = posterior(name, rows=6)

    def rows(part: slice) -> JointPosterior:
        couplings = None if q.couplings is None else q.couplings[part]
        return JointPosterior(q.mu[part], q.sigma[part], name, couplings)

    def source(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    part = slice(2, 5)
    torch.testing.assert_close(rows(part).rsample(RowsOf(source(1), 6, part)), q.rsample(source(1))[part])
    stacked = q.rsample(StackedGenerators((source(3), source(4))))
    alone = [rows(slice(3 * k, 3 * k + 3)).rsample(source(3 + k)) for k in range(2)]
    torch.testing.assert_close(stacked, torch.cat(alone))


PAIRS: list[tuple[str, str | None]] = [
    *((name, None) for name in JOINT_NOISES),
    *itertools.product(("radial", "radial-full"), DIVERGENCES),
]


@pytest.mark.parametrize(("name", "divergence"), PAIRS)
def test_terms_have_right_gradients_and_are_finite_whatever_the_heads_say(name: str, divergence: str | None) -> None:
    within = None if divergence is None else 1.5
    family = PosteriorFamily(name, within=within)
    outputs = tuple(family.outputs(3).values())

    def loss(*heads: Tensor) -> Tensor:
        q = family.from_heads(*heads)
        drawn = q.draw(torch.Generator().manual_seed(0))
        assert drawn.log_density is not None
        term = kl_to_normal(q) if divergence is None else from_uniform(q, 3.0, divergence)
        return torch.stack([term, drawn.log_density, drawn.codes.square().sum(1)])

    assert torch.autograd.gradcheck(loss, tuple(torch.randn(2, each, requires_grad=True) for each in outputs))
    extremes = torch.tensor([-100.0, -14.0, -3.0, 0.0, 3.0, 14.0, 100.0])
    values = torch.cartesian_prod(*(extremes for _ in family.heads))
    exact = loss(*(values[:, [k]].expand(-1, each) for k, each in enumerate(outputs)))
    heads = [values[:, [k]].expand(-1, each).float().requires_grad_() for k, each in enumerate(outputs)]
    found = loss(*heads)
    gradients = torch.autograd.grad(found[:2].sum(), heads)
    assert all(bool(tensor.isfinite().all()) for tensor in (found, *gradients))
    torch.testing.assert_close(found[0].double(), exact[0], rtol=1e-4, atol=1e-4)
    q = family.from_heads(*(head.detach() for head in heads))
    if within is not None:
        assert q.reach is not None
        assert float((q.mean.abs() + q.reach).max()) <= within
        assert float(q.rsample(torch.Generator().manual_seed(3)).abs().max()) <= within


def test_a_radial_posterior_beyond_the_uniform_prior_has_an_infinite_term() -> None:
    q = JointPosterior(torch.tensor([[0.0, 0.7], [0.0, 0.0]]), torch.full((2, 2), 0.3), "radial")
    outside, inside = from_uniform(q, 2.0).tolist()
    assert outside == math.inf
    assert inside == pytest.approx(2 * math.log(2.0) - float(q.entropy[1]))


def test_the_moment_penalty_sees_the_covariance_of_the_noise() -> None:
    """Against the covariance of many codes of the batch."""
    q = posterior("radial-full", rows=3)
    assert q.couplings is not None
    parts = zip(q.mu, q.sigma, q.couplings, strict=True)
    rows = [JointPosterior(m[None], s[None], q.name, c[None]).repeat(40_000) for m, s, c in parts]
    codes = torch.cat([each.rsample(torch.Generator().manual_seed(1)) for each in rows])
    expected = (torch.cov(codes.T, correction=0) - torch.eye(3)).square().sum()
    assert float(MomentPenalty()(q)[0]) == pytest.approx(float(expected), rel=0.05)
