"""Importance-weighted bounds: against closed forms, against each other, and their gradients."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

from evae.compute.random_streams import RowsOf, StackedGenerators
from evae.configuration import Configuration
from evae.models.importance_weighting import importance_bound
from evae.models.initial_weights import initial_model
from evae.models.objectives import EvidenceLowerBound, ImportanceWeighted, Objective, objective_for
from evae.models.pixels import BernoulliPixels
from evae.models.posteriors import LocationScalePosterior
from evae.models.priors import NormalPrior
from evae.models.stacked import stack_models
from evae.models.vae import VAE
from foundation.errors import InputError

pytestmark = pytest.mark.usefixtures("double")

#: Standard errors that a mean may be off: a false alarm of 7e-6 a comparison, under fixed seeds.
SIGMAS = 4.5

#: One observation of a linear model with p(z) = N(0, 1) and p(x | z) = N(z, 1/4): log p(x) and p(z | x) are known.
OBSERVED, NOISE = 0.8, 0.5

EVIDENCE = float(Normal(0.0, math.sqrt(1 + NOISE**2)).log_prob(torch.tensor(OBSERVED)))

TRUE_VARIANCE = 1 / (1 + 1 / NOISE**2)

TRUE_MEAN = TRUE_VARIANCE * OBSERVED / NOISE**2


def log_weights(posterior: LocationScalePosterior, seed: int = 0) -> Tensor:
    """The logarithms of the weights of one code of each row."""
    drawn = posterior.draw(torch.Generator().manual_seed(seed))
    assert drawn.log_density is not None
    likelihood = Normal(drawn.codes, NOISE).log_prob(torch.tensor(OBSERVED)).sum(1)
    return likelihood + NormalPrior(1).log_prob(drawn.codes) - drawn.log_density


def rows(name: str, mean: float, scale: float, number: int) -> LocationScalePosterior:
    return LocationScalePosterior(torch.full((number, 1), mean), torch.full((number, 1), scale), name)


def mean_and_error(values: Tensor) -> tuple[float, float]:
    return float(values.mean()), float(values.std()) / math.sqrt(len(values))


def test_the_bounds_are_in_order_and_tend_to_the_evidence() -> None:
    weights = log_weights(rows("gaussian", 0.3, 0.6, 160_000))
    bounds = [mean_and_error(importance_bound(weights.view(-1, 1, k))) for k in (1, 2, 5, 20, 100)]
    for (mean, error), (larger, _) in itertools.pairwise(bounds):
        assert mean < larger
        assert mean < EVIDENCE + SIGMAS * error
    assert bounds[-1][0] == pytest.approx(EVIDENCE, abs=0.02)
    # The gap is about Var(w) / (2 K E[w]^2).
    ratio = (weights - EVIDENCE).exp()
    assert EVIDENCE - bounds[-1][0] == pytest.approx(float(ratio.var()) / 200, abs=SIGMAS * bounds[-1][1])
    # With the true posterior every weight is p(x), however many codes there are.
    exact = log_weights(rows("gaussian", TRUE_MEAN, math.sqrt(TRUE_VARIANCE), 60)).view(10, 2, 3)
    torch.testing.assert_close(importance_bound(exact, 0.3), torch.full((10,), EVIDENCE))


def test_the_bound_of_a_compact_posterior_tends_to_less_than_the_evidence() -> None:
    """By the logarithm of the mass that the support leaves out: -0.025674 for the best Epanechnikov approximation."""
    scale = math.sqrt(5 * TRUE_VARIANCE)
    weights = log_weights(rows("epanechnikov", TRUE_MEAN, scale, 2_000_000))
    limit = math.log(2 * float(Normal(0.0, 1.0).cdf(torch.tensor(math.sqrt(5.0)))) - 1)
    assert limit == pytest.approx(-0.025674, abs=5e-7)
    found = float(importance_bound(weights.view(1, 1, -1))) - EVIDENCE
    assert found == pytest.approx(limit, abs=0.003)


def test_groups_are_averaged_single_codes_have_their_share_and_the_order_does_not_matter() -> None:
    weights = torch.randn(4, 3, 5)
    single = importance_bound(weights.view(4, 15, 1))
    torch.testing.assert_close(single, weights.mean((1, 2)))
    each = torch.stack([importance_bound(weights[:, [m]]) for m in range(3)]).mean(0)
    torch.testing.assert_close(importance_bound(weights), each)
    torch.testing.assert_close(importance_bound(weights, 0.25), 0.75 * each + 0.25 * single)
    torch.testing.assert_close(importance_bound(weights, 1.0), single)
    torch.testing.assert_close(importance_bound(weights[:, :, torch.randperm(5)]), each)


def compute(model: VAE, objective: Objective, images: Tensor, seed: int = 0) -> tuple[dict[str, Tensor], Tensor]:
    """Return the terms, and the gradient of the mean loss in one vector."""
    model.zero_grad()
    source = torch.Generator().manual_seed(seed)
    logits, q, drawn = model(images, source, **objective.draw_options)
    terms = objective.terms(logits, images, q, drawn, model.prior, pixels=model.pixels)
    sum(terms.values()).mean().backward()  # type: ignore[union-attr]
    return terms, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("posterior", ["gaussian", "epanechnikov", "kde", "beta", "radial-full"])
def test_one_code_gives_the_elbo_by_draws_and_its_gradient(posterior: str) -> None:
    config = Configuration(posterior=posterior, objective="iwae", importance_samples=1, latent_dim=3)
    model, images = initial_model(config, (1, 32, 32)).double().eval(), torch.rand(4, 1, 32, 32)
    ours, gradient = compute(model, objective_for(config), images)
    same, expected = compute(model, EvidenceLowerBound(by="draws"), images)
    torch.testing.assert_close(ours["reconstruction"], same["reconstruction"])
    torch.testing.assert_close(ours["importance_weighted"], same["kl_estimate"])
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("gradient", ["plain", "stl", "dreg"])
def test_the_terms_do_not_depend_on_the_gradient_and_add_up_to_the_negative_bound(gradient: str) -> None:
    config = Configuration(model="iwae", importance_samples=4, importance_groups=2, gradient=gradient, latent_dim=3)
    model, images = initial_model(config, (1, 32, 32)).double().eval(), torch.rand(3, 1, 32, 32)
    objective = objective_for(config)
    assert objective == ImportanceWeighted(4, groups=2, gradient=gradient)
    terms, _ = compute(model, objective, images)
    with torch.no_grad():
        drawn = model.encode(images).repeat_each(8).draw(torch.Generator().manual_seed(0))
        logits = model.decoder(drawn.codes)
    assert drawn.log_density is not None
    weights = torch.empty(3, 8)
    for row in range(24):
        pixels = images[row // 8].flatten() * torch.nn.functional.logsigmoid(logits[row].flatten())
        pixels = pixels + (1 - images[row // 8].flatten()) * torch.nn.functional.logsigmoid(-logits[row].flatten())
        log_prior = Normal(0.0, 1.0).log_prob(drawn.codes[row]).sum()
        weights[row // 8, row % 8] = pixels.sum() + log_prior - drawn.log_density[row]
    by_hand = weights.view(3, 2, 4).exp().mean(2).log().mean(1)
    torch.testing.assert_close(-terms["reconstruction"] - terms["importance_weighted"], by_hand)


def split(model: VAE, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parts of a gradient of `compute` that belong to the generative model, and to the posterior."""
    generative = {"decoder", "pixels"}
    marks = [torch.full((p.numel(),), name.partition(".")[0] in generative) for name, p in model.named_parameters()]
    mine = torch.cat(marks)
    return gradient[mine], gradient[~mine]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"elbo_share": 0.3},
        {"gradient": "stl"},
        {"gradient": "dreg"},
        {"posterior": "epanechnikov", "pixels": "gaussian"},
        {"posterior": "beta"},
    ],
)
def test_the_decoder_has_the_gradient_of_all_codes_and_the_encoder_that_of_its_groups(
    options: dict[str, Any],
) -> None:
    """Also in training, where batch normalisation makes an image a function of the codes of others."""
    config = Configuration(
        model="iwae", importance_samples=3, importance_groups=2, decoder_bound="all", latent_dim=3, **options
    )
    model, images = initial_model(config, (1, 32, 32)).double().train(), torch.rand(4, 1, 32, 32)
    objective = objective_for(config)
    assert isinstance(objective, ImportanceWeighted)
    terms, gradient = compute(model, objective, images)
    _, of_groups = compute(model, replace(objective, decoder_bound="groups"), images)
    all_terms, of_all = compute(model, ImportanceWeighted(6), images)
    torch.testing.assert_close(terms, all_terms)
    decoder, encoder = split(model, gradient)
    torch.testing.assert_close(decoder, split(model, of_all)[0], rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(encoder, split(model, of_groups)[1], rtol=1e-9, atol=1e-10)
    # The comparison can fail: the two bounds have different gradients.
    assert not torch.allclose(decoder, split(model, of_groups)[0], rtol=1e-3)
    assert not torch.allclose(encoder, split(model, of_all)[1], rtol=1e-3)


@pytest.mark.parametrize("codes", [1, 4])
def test_with_one_group_both_bounds_are_that_of_all_codes(codes: int) -> None:
    config = Configuration(model="iwae", importance_samples=codes, latent_dim=3)
    model, images = initial_model(config, (1, 32, 32)).double().train(), torch.rand(4, 1, 32, 32)
    terms, gradient = compute(model, ImportanceWeighted(codes, decoder_bound="all"), images)
    same, expected = compute(model, ImportanceWeighted(codes), images)
    torch.testing.assert_close(terms, same)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-10)


def test_single_codes_train_the_encoder_with_the_elbo_and_the_decoder_with_the_bound_from_all() -> None:
    config = Configuration(model="iwae", latent_dim=3)
    model, images = initial_model(config, (1, 32, 32)).double().train(), torch.rand(4, 1, 32, 32)
    _, gradient = compute(model, ImportanceWeighted(1, groups=5, decoder_bound="all"), images)
    _, elbo = compute(model, ImportanceWeighted(5, elbo_share=1.0), images)
    _, bound = compute(model, ImportanceWeighted(5), images)
    torch.testing.assert_close(split(model, gradient)[1], split(model, elbo)[1], rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(split(model, gradient)[0], split(model, bound)[0], rtol=1e-9, atol=1e-10)


def test_codes_that_were_decoded_themselves_cannot_train_the_two_parts_apart() -> None:
    config = Configuration(model="iwae", importance_samples=2, decoder_bound="all", latent_dim=3)
    model, images = initial_model(config, (1, 32, 32)).double(), torch.rand(2, 1, 32, 32)
    logits, q, drawn = model(images, torch.Generator().manual_seed(0), density=True, samples=2)
    with pytest.raises(ValueError, match="call the model with separate=True"):
        objective_for(config).terms(logits, images, q, drawn, model.prior)
    with torch.no_grad():
        logits, q, drawn = model(images, torch.Generator().manual_seed(0), density=True, samples=2)
        assert set(objective_for(config).terms(logits, images, q, drawn, model.prior)) == set(
            objective_for(config).names
        )


def test_the_noise_of_a_share_of_the_images_and_of_stacked_networks_is_that_of_each_alone() -> None:
    config = Configuration(model="iwae", importance_samples=3, latent_dim=2)
    models = [initial_model(replace(config, seed=seed), (1, 32, 32)).double().eval() for seed in (3, 4)]
    images = torch.rand(6, 1, 32, 32)
    sources = tuple(torch.Generator().manual_seed(seed) for seed in (3, 4))
    alone = [
        model(part, torch.Generator().manual_seed(seed), samples=3)[0]
        for model, part, seed in zip(models, images.split(3), (3, 4), strict=True)
    ]
    rows = slice(1, 3)
    share, _, _ = models[0](images[rows], RowsOf(torch.Generator().manual_seed(3), 3, rows), samples=3)
    torch.testing.assert_close(share, alone[0][3:9])
    stacked, _, _ = stack_models(models).eval()(images, StackedGenerators(sources), samples=3)
    torch.testing.assert_close(stacked, torch.cat(alone))


def gradients(name: str, gradient: str, number: int, scale: float = 0.7) -> Tensor:
    """Independent estimates of the gradient of the bound of 3 codes with respect to mean and scale, (number, 2)."""
    mean, spread = (torch.full((number, 1), value, requires_grad=True) for value in (0.3, scale))
    q = LocationScalePosterior(mean, spread, name)
    drawn = q.repeat_each(3).draw(torch.Generator().manual_seed(11))
    prior = NormalPrior(1)

    class LinearModel(BernoulliPixels):
        """The linear model in place of the pixels: 'logits' are codes, and the error is their negative likelihood."""

        def error(self, logits: Tensor, images: Tensor) -> Tensor:
            return -Normal(logits, NOISE).log_prob(images.flatten(1)).sum(1)

    images = torch.full((number, 1, 1, 1), OBSERVED)
    objective = ImportanceWeighted(3, gradient=gradient)
    terms = objective.terms(drawn.codes, images, q, drawn, prior, pixels=LinearModel())
    found = torch.autograd.grad(sum(terms.values()).sum(), (mean, spread))  # type: ignore[union-attr]
    return torch.cat(found, 1)


def test_the_doubly_reparametrised_gradient_has_the_mean_of_the_plain_one_and_less_variance() -> None:
    plain, double = (gradients("gaussian", name, 100_000) for name in ("plain", "dreg"))
    difference = plain - double
    error = difference.std(0) / math.sqrt(len(difference))
    assert bool((difference.mean(0).abs() < SIGMAS * error).all())
    assert bool((double.var(0) < plain.var(0)).all())


def test_for_a_uniform_posterior_it_has_another_mean_which_is_why_it_is_refused() -> None:
    plain, double = (gradients("uniform", name, 100_000) for name in ("plain", "dreg"))
    difference = (plain - double)[:, 1]
    assert abs(float(difference.mean())) > 20 * float(difference.std()) / math.sqrt(len(difference))


@pytest.mark.parametrize("gradient", ["stl", "dreg"])
@pytest.mark.parametrize("posterior", ["epanechnikov", "uniform", "beta", "kde", "radial", "radial-full"])
def test_gradients_that_need_a_density_without_an_end_are_refused_by_name(posterior: str, gradient: str) -> None:
    with pytest.raises(
        InputError, match=f"--gradient {gradient} is not for --posterior {posterior}: .* Use --gradient"
    ):
        Configuration(model="iwae", posterior=posterior, gradient=gradient)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"posterior": "none"}, "--objective iwae has no weights for --posterior none: a point has no density."),
        ({"beta": 2.0}, "--beta does nothing with the objective iwae"),
        ({"gradient": "stl", "elbo_share": 0.1}, "--elbo-share goes with --gradient plain alone, got --gradient stl."),
        ({"importance_samples": 0}, "--importance-samples must be a whole number from 1 to 1,000, got 0"),
        ({"elbo_share": 1.5}, "--elbo-share must be a number from 0 to 1, got 1.5"),
    ],
)
def test_options_without_meaning_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Configuration(model="iwae", **options)  # type: ignore[arg-type]
