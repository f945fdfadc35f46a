"""The second stage: a VAE of codes, whose draws follow the law of the codes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

import evae
from evae import Run
from evae.evaluation import code_laws, two_stage
from evae.evaluation.generation import new_images
from evae.evaluation.two_stage import CodeVAE, SecondStage, fit_second_stage
from foundation.errors import InputError


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second stage is trained for a few steps."""
    monkeypatch.setattr(two_stage, "STEPS", 20)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw_clusters(number: int, seed: int) -> Tensor:
    """Draw from 0.3 N((11, 20), diag(1, 30^2)) + 0.7 N((7, -100), diag(0.5^2, 15^2))."""
    random = seeded(seed)
    first = torch.rand(number, 1, generator=random) < 0.3
    noise = torch.randn(number, 2, generator=random) * torch.where(first, 1.0, 0.5)
    return (noise + torch.where(first, 2.0, -2.0)) * torch.tensor([1.0, 30.0]) + torch.tensor([9.0, -40.0])


def energy_distance(one: Tensor, other: Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| in units of the clusters; zero for equal laws alone (Szekely and Rizzo)."""
    one, other = (codes / torch.tensor([1.0, 30.0]) for codes in (one, other))
    return float(2 * torch.cdist(one, other).mean() - torch.cdist(one, one).mean() - torch.cdist(other, other).mean())


def test_draws_follow_the_law_of_the_codes_far_better_than_a_normal_law_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_stage, "STEPS", 600)
    codes = draw_clusters(2000, 1)
    law = fit_second_stage(codes, seed=0)
    draws, fresh = law.draw(2000, seeded(2)), draw_clusters(2000, 3)
    matched = MultivariateNormal(codes.mean(0), torch.cov(codes.T))
    with torch.random.fork_rng():
        torch.manual_seed(4)
        normal, standard = matched.sample((2000,)), torch.randn(2000, 2)
    distance = energy_distance(draws, fresh)
    # Seen: 0.02, beside 0.002 for fresh codes of the law itself, 0.18 for the normal law of its moments.
    assert distance < energy_distance(normal, fresh) / 4
    assert distance < energy_distance(standard, fresh) / 100
    spread = fresh.std(0)
    assert bool(((draws.mean(0) - fresh.mean(0)).abs() < 0.15 * spread).all())
    assert bool(((draws.std(0) / spread).log().abs() < 0.15).all())
    assert float((draws[:, 0] > 9).float().mean()) == pytest.approx(0.3, abs=0.06)


@pytest.mark.usefixtures("short")
def test_the_same_seed_gives_the_same_bits_and_another_one_others() -> None:
    codes = draw_clusters(300, 1)
    state = torch.random.get_rng_state()
    one, again, other = (fit_second_stage(codes, seed).draw(5, seeded(7)) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(one, fit_second_stage(codes, 0).draw(5, seeded(8)))


@pytest.mark.usefixtures("short")
def test_the_fit_does_not_depend_on_the_unit_of_the_codes() -> None:
    codes, unit, origin = draw_clusters(300, 1), torch.tensor([2.0**-9, 64.0]), torch.tensor([0.5, -3.0])
    plain = fit_second_stage(codes, 0).draw(50, seeded(7))
    changed = fit_second_stage(codes * unit + origin, 0).draw(50, seeded(7))
    torch.testing.assert_close(changed, plain * unit + origin, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("short")
def test_a_dimension_without_spread_is_drawn_as_it_is() -> None:
    codes = torch.cat([torch.randn(100, 1, generator=seeded(0)), torch.full((100, 1), 4.0)], 1)
    draws = fit_second_stage(codes, 0).draw(30, seeded(1))
    assert draws[:, 1].tolist() == [4.0] * 30
    assert bool(draws[:, 0].std() > 0)


def test_the_loss_is_the_negative_elbo() -> None:
    """Against torch's normal laws, at weights that are not the initial ones."""
    model, codes, noise = CodeVAE(3), torch.randn(6, 3), torch.randn(6, 3)
    with torch.no_grad():
        model.log_noise.copy_(torch.tensor([-1.0, 0.5, math.log(2)]))
    mean, log_scale = model.encoder(codes).chunk(2, 1)
    posterior = Independent(Normal(mean, log_scale.exp()), 1)
    likelihood = Independent(Normal(model.decoder(mean + log_scale.exp() * noise), model.log_noise.exp()), 1)
    prior = Independent(Normal(torch.zeros(6, 3), torch.ones(6, 3)), 1)
    expected = (kl_divergence(posterior, prior) - likelihood.log_prob(codes)).mean()
    torch.testing.assert_close(model.loss(codes, noise), expected)


def test_a_draw_is_the_decoded_latent_variable_with_the_decoders_noise() -> None:
    """With a decoder that returns its input, of two latent dimensions, the sum of two normal variables remains."""
    model = CodeVAE(2)
    model.decoder = torch.nn.Sequential(torch.nn.Identity())
    with torch.no_grad():
        model.log_noise.copy_(torch.tensor([math.log(0.5), math.log(3.0)]))
    law = SecondStage(model, torch.tensor([1.0, -1.0]), torch.tensor([2.0, 10.0]), 100)
    draws = law.draw(40_000, seeded(0)).double()
    expected = torch.tensor([2 * math.sqrt(1.25), 10 * math.sqrt(10.0)], dtype=torch.float64)
    # Standard errors of a mean and of a standard deviation, 4.5 of which a normal variable exceeds once in 150,000.
    assert bool(((draws.mean(0) - law.centre).abs() < 4.5 * expected / 200).all())
    assert bool(((draws.std(0) / expected - 1).abs() < 4.5 / math.sqrt(80_000)).all())
    assert law.document()["decoder_noise"] == pytest.approx(math.sqrt((0.25 + 9) / 2))


@pytest.mark.parametrize("number", [0, 1])
def test_without_codes_there_is_no_second_stage(number: int) -> None:
    with pytest.raises(
        InputError, match=f"--sampler two-stage needs the codes of 2 training images or more, got {number}"
    ):
        fit_second_stage(torch.randn(number, 2), seed=0)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("model", ["vae", "evae"])
def test_images_of_the_second_stage_are_drawn_and_evaluated(trained: dict[str, Run], model: str) -> None:
    run = trained[model]
    found = new_images(run, sampler="two-stage", number=4, device="cpu")
    assert found["sampler"] == "two-stage"
    assert found["law"] == "a second VAE, fitted to one code of each of the first 130 training images"
    images = evae.sample(run, 299, sampler="two-stage", device="cpu")
    result = evae.evaluate(run, device="cpu", features="none", two_stage=True)
    assert result["sharpness"]["two-stage"] == pytest.approx(evae.metrics.sharpness(images), rel=1e-12)
    assert result["samplers"]["two-stage"]["fitted_to_images"] == 130
    assert "two-stage" not in evae.evaluate(run, device="cpu", features="none")["samplers"]


def test_it_has_neither_components_nor_a_density(trained: dict[str, Run], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code_laws, "draw_posterior_codes", lambda *_, **__: pytest.fail("images were encoded"))
    with pytest.raises(InputError, match="applies to --sampler mixture only, got --sampler two-stage"):
        new_images(trained["vae"], sampler="two-stage", components=3, device="cpu")
    images = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    with pytest.raises(
        InputError, match="law must be prior or mixture, got 'two-stage': its density has no closed form"
    ):
        evae.log_likelihood(trained["vae"], images, 200, law="two-stage", device="cpu")
    with pytest.raises(InputError, match="needs the codes of 2 training images or more, got 1"):
        code_laws.code_law("two-stage", evae.VAE.load(trained["vae"]), trained["vae"].configuration.recipe, images, 0)
