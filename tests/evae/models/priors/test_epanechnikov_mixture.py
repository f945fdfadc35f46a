"""Mixtures of Epanechnikov kernels with a defensive share: densities, draws, gradients, and the prior of them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from evae import VAE, Configuration, evaluate, train
from evae.models.initial_weights import initial_model
from evae.models.priors import EpanechnikovVampPrior, FixedEpanechnikovMixture, Kernels
from evae.models.regularisation.divergences import divergence
from foundation.errors import InputError
from tests.evae.conftest import small
from tests.evae.models.posteriors import epanechnikov_posterior

double = pytest.mark.usefixtures("double")

#: Bounds the false-alarm rate of a test with a fixed seed.
LEVEL = 1e-4


def mixture(dimension: int, share: float = 0.2, networks: int = 1) -> FixedEpanechnikovMixture:
    """Three kernels, of which two overlap."""
    centres = torch.tensor([-1.5, 0.5, 1.0])[:, None] + torch.linspace(0, 0.4, dimension)
    bandwidths = torch.tensor([0.4, 1.2, 0.7])[:, None] * torch.linspace(1, 1.5, dimension)
    return FixedEpanechnikovMixture(
        Kernels(
            *(each.expand(networks, -1, -1) + torch.arange(networks)[:, None, None] for each in (centres, bandwidths))
        ),
        share,
        "a mixture",
    )


def compute_density(law: FixedEpanechnikovMixture, code: np.ndarray, network: int = 0) -> float:
    """The density at one code, kernel by kernel and dimension by dimension."""
    centres, bandwidths = (each[network].numpy() for each in law.kernels())
    total = 0.0
    for centre, bandwidth in zip(centres, bandwidths, strict=True):
        u = (code - centre) / bandwidth
        total += math.prod(max(0.0, 0.75 * (1 - one**2)) / width for one, width in zip(u, bandwidth, strict=True))
    return float((1 - law.share) * total / len(centres) + law.share * stats.norm.pdf(code).prod())


@double
def test_the_density_is_that_of_its_parts_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    law, codes = mixture(2, networks=2), 6 * torch.rand(40, 2) - 3
    found = law.log_prob(codes)
    expected = [compute_density(law, code.numpy(), row // 20) for row, code in enumerate(codes)]
    np.testing.assert_allclose(found.exp(), expected, rtol=1e-12)
    monkeypatch.setattr("evae.models.priors.epanechnikov._ROWS", 3)
    torch.testing.assert_close(law.log_prob(codes), found)


@double
@pytest.mark.parametrize("share", [0.02, 0.7])
def test_its_mass_is_one(share: float) -> None:
    """By adaptive quadrature between the ends of the supports in one dimension, by Gauss-Legendre cells in two."""
    law = mixture(1, share)
    centres, bandwidths = (each[0, :, 0].numpy() for each in law.kernels())
    ends = sorted({-12.0, 12.0, *(centres - bandwidths), *(centres + bandwidths)})
    mass = sum(
        integrate.quad(lambda z: float(law.log_prob(torch.tensor([[z]])).exp()), *piece)[0]
        for piece in itertools.pairwise(ends)
    )
    assert mass == pytest.approx(1, abs=1e-9)
    square = mixture(2, share)
    axes = []
    for dimension in range(2):
        centres, bandwidths = (each[0, :, dimension].numpy() for each in square.kernels())
        ends = sorted({-8.0, 8.0, *(centres - bandwidths), *(centres + bandwidths)})
        # The long outer pieces, in which the normal law ends, are cut further.
        ends = sorted({*ends, *np.linspace(-8, 8, 9)})
        nodes, weights = np.polynomial.legendre.leggauss(6)
        pieces = [(0.5 * (b - a) * nodes + 0.5 * (a + b), 0.5 * (b - a) * weights) for a, b in itertools.pairwise(ends)]
        axes.append(tuple(torch.tensor(np.concatenate(part)) for part in zip(*pieces, strict=True)))
    (first, first_weights), (second, second_weights) = axes
    grid = torch.cartesian_prod(first, second)
    values = square.log_prob(grid).exp().view(len(first), len(second))
    assert float(first_weights @ values @ second_weights) == pytest.approx(1, abs=1e-7)


def test_draws_follow_the_density_and_come_from_all_components() -> None:
    """By the chi-squared statistic of 40 intervals of equal length, and of the parts of the line that they leave."""
    law, number = mixture(1), 20_000
    codes = law.draw(number, torch.Generator().manual_seed(1))
    assert (codes.shape, codes.dtype) == ((number, 1), torch.float32)
    edges = np.linspace(-2.2, 2.4, 41)
    exact = law.in_double(torch.device("cpu"))

    def density(z: float) -> float:
        return float(exact.log_prob(torch.tensor([[z]], dtype=torch.float64)).exp())

    inner = [integrate.quad(density, *piece, points=[sum(piece) / 2])[0] for piece in itertools.pairwise(edges)]
    left = integrate.quad(density, -12, edges[0])[0]
    shares = np.array([left, *inner, 1 - left - sum(inner)])
    counts = np.bincount(np.searchsorted(edges, codes[:, 0].double().numpy()), minlength=42)
    assert stats.chisquare(counts, number * shares).pvalue > LEVEL
    assert float(number * shares.min()) > 5
    # Far apart, so that each code tells its component.
    centres = torch.tensor([-60.0, -30.0, 30.0, 60.0])[None, :, None].expand(1, 4, 2)
    apart = FixedEpanechnikovMixture(Kernels(centres, torch.full((1, 4, 2), 2.0)), 0.3, "far")
    draws = apart.draw(8000, torch.Generator().manual_seed(2))
    places = torch.tensor([-60.0, -30.0, 30.0, 60.0, 0.0])
    nearest = (draws[:, :1] - places).abs().argmin(1)
    weights = np.array([0.175] * 4 + [0.3])
    assert stats.chisquare(torch.bincount(nearest, minlength=5).numpy(), 8000 * weights).pvalue > LEVEL
    kernels, normal = nearest < 4, nearest == 4
    standard = ((draws - places[nearest][:, None]) / 2)[kernels].flatten().numpy()
    assert stats.kstest(standard, lambda u: 0.5 + 0.75 * (u - u**3 / 3)).pvalue > LEVEL
    assert stats.kstest(draws[normal].flatten().numpy(), "norm").pvalue > LEVEL


@double
def test_gradients_are_those_of_finite_differences_and_finite_at_and_beyond_the_ends() -> None:
    centres, bandwidths = (each.clone().requires_grad_() for each in mixture(2).kernels())
    codes = torch.tensor([[0.35, 0.4], [-1.4, -1.0], [0.9, 1.9], [4.0, 0.0]], requires_grad=True)

    def log_density(codes: Tensor, centres: Tensor, bandwidths: Tensor) -> Tensor:
        return FixedEpanechnikovMixture(Kernels(centres, bandwidths), 0.2, "a mixture").log_prob(codes)

    assert torch.autograd.gradcheck(log_density, (codes, centres, bandwidths))
    law = FixedEpanechnikovMixture(Kernels(torch.zeros(1, 1, 2), torch.ones(1, 1, 2)), 0.2, "one kernel")
    ends = torch.tensor([[1.0, 0.0], [1.0, 1.0], [-1.0, 2.0], [40.0, 0.0]], requires_grad=True)
    values = law.log_prob(ends)
    (gradient,) = torch.autograd.grad(values.sum(), ends)
    torch.testing.assert_close(values, math.log(0.2) - 0.5 * ends.square().sum(1) - math.log(2 * math.pi))
    torch.testing.assert_close(gradient, -ends)


@double
def test_the_moments_near_a_code_are_those_of_its_component() -> None:
    law = FixedEpanechnikovMixture(Kernels(torch.full((1, 1, 2), 3.0), torch.tensor([[[0.5, 2.0]]])), 0.5, "one kernel")
    mean, covariance = law.moments_near(torch.tensor([3.1, 2.5]))
    assert mean.tolist() == [3.0, 3.0]
    torch.testing.assert_close(covariance, torch.diag(torch.tensor([0.05, 0.8])))
    mean, covariance = law.moments_near(torch.zeros(2))
    assert (mean.tolist(), covariance.tolist()) == ([0.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])


@double
def test_the_estimate_has_the_divergence_as_its_mean() -> None:
    """In one dimension, against quadrature of q log(q/p)."""
    law, rows = mixture(1), 100_000
    q = epanechnikov_posterior(torch.full((rows, 1), 0.2), torch.full((rows, 1), 0.9))
    name, estimates = divergence(q, law, q.draw(torch.Generator().manual_seed(2)), "draws")

    def integrand(z: float) -> float:
        density = 0.75 * (1 - ((z - 0.2) / 0.9) ** 2) / 0.9
        return density * (math.log(density) - float(law.log_prob(torch.tensor([[z]]))))

    exact = integrate.quad(integrand, -0.7, 1.1, points=[-0.7, 0.3], limit=200)[0]
    assert name == "kl_estimate"
    assert float(estimates.mean()) == pytest.approx(exact, abs=4.5 * float(estimates.std()) / math.sqrt(rows))
    for by in ("exact", "bound"):
        with pytest.raises(InputError, match="the KL divergence of the posterior epanechnikov from a mixture has no"):
            divergence(q, law, by=by)


VAMP: dict[str, Any] = {"model": "vamp-evae", "vamp_components": "epanechnikov", "divergence_by": "draws"}


def test_its_kernels_are_the_posteriors_of_the_pseudo_inputs() -> None:
    model = initial_model(Configuration(**VAMP, prior_components=5, latent_dim=3), (1, 32, 32)).eval()
    assert isinstance(model.prior, EpanechnikovVampPrior)
    posterior = model.encode(model.prior.pixels.detach())
    code = posterior.mean[2:3].detach() + 0.01
    inside = posterior.log_prob(code.expand(5, -1)).exp().mean()
    expected = 0.9 * inside + 0.1 * stats.norm.pdf(code.numpy()).prod()
    torch.testing.assert_close(model.prior.log_prob(code).exp()[0], expected.to(code.dtype), rtol=1e-4, atol=0)
    model.prior.log_prob(code).sum().backward()
    assert model.prior.pixels.grad is not None
    assert float(model.prior.pixels.grad.abs().max()) > 0


def test_a_run_is_trained_sampled_and_scored_under_it(tmp_path: Any) -> None:
    settings = {**VAMP, "prior_components": 4, "pseudo_inputs": "frozen", "defensive_share": 0.3}
    run = train(small(tmp_path, **settings, epochs=1, limit_train=28, limit_holdout=20, batch_size=14, name="run"))
    document = evaluate(run, features="none", likelihood="is", samples=200, binarise="threshold", likelihood_images=2)
    law = "the prior, a mixture of the posteriors at 4 frozen pseudo-inputs, with the share 0.3 of N(0, I)"
    assert document["samplers"]["prior"] == {"law": law, "components": 4}
    assert math.isfinite(document["likelihood"]["is"]["laws"]["prior"]["log_likelihood"])
    assert document["clusters"] is None
    assert VAE.load(run).sample(3).shape == (3, 1, 32, 32)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"model": "vamp-evae", "vamp_components": "epanechnikov"}, "--divergence-by bound has no formula for --vamp"),
        (VAMP | {"divergence_by": "exact"}, "no exact formula for --prior vamp: .* Use --divergence-by draws"),
        (VAMP | {"model": "vamp-vae"}, "goes with --posterior epanechnikov alone, got --posterior gaussian"),
        (VAMP | {"vamp_components": "normal", "defensive_share": 0.1}, "does nothing with the vamp components normal"),
        ({"defensive_share": 0.1}, "does nothing without --vamp-components: it belongs to --vamp-components epan"),
        (VAMP | {"defensive_share": 0.0}, "--defensive-share must be a number from 1e-06 to 0.999, got 0.0"),
        ({"model": "gm-evae", "vamp_components": "normal"}, "--vamp-components does nothing with"),
    ],
)
def test_what_it_does_not_go_with_is_refused_by_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Configuration(**options)
