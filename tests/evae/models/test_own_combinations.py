"""Networks, images and likelihoods of the user's own together with priors, posteriors and forms of the data."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import evae
import evae.data as data
from evae import VAE, Configuration
from evae.configuration.recipe import PRESETS
from evae.evaluation.likelihood.options import LikelihoodOptions
from evae.models.initial_weights import initial_model
from evae.models.objectives import ImportanceWeighted
from evae.models.pixels import ContinuousBernoulliPixels
from evae.models.stacked import stack_models
from foundation.errors import InputError
from tests.evae.models.test_own_networks import SHAPE, config, images, networks
from tests.support.schemas import faults


class Shaky(nn.Module):
    """Features with dropout and a normalisation that are not those of Appendix B."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(144, 8), nn.BatchNorm1d(8), nn.Dropout(0.5))

    def forward(self, pixels: Tensor) -> Tensor:
        found: Tensor = self.layers(pixels)
        return found


def test_a_prior_sees_the_users_encoder_without_dropout_and_leaves_its_averages() -> None:
    model = VAE(Shaky(), networks()[1], "gaussian", image_shape=SHAPE, latent_dim=3).train()
    modes = {name: layer.training for name, layer in model.named_modules()}
    averages = {name: buffer.clone() for name, buffer in model.named_buffers()}
    pixels = torch.rand(6, *SHAPE)
    assert torch.equal(model.encode_still(pixels).mean, model.encode_still(pixels).mean)
    assert all(torch.equal(buffer, averages[name]) for name, buffer in model.named_buffers())
    assert {name: layer.training for name, layer in model.named_modules()} == modes


@pytest.mark.parametrize("preset", ["gm-vae", "vamp-vae"])
def test_the_prior_that_a_given_model_lacks_depends_on_the_seed_alone(preset: str) -> None:
    model = VAE(*networks(), "gaussian", image_shape=SHAPE, latent_dim=3)
    models = []
    for state, seed in ((1, 5), (2, 5), (1, 6)):
        torch.manual_seed(state)
        models.append(
            initial_model(
                Configuration(network="given", model=preset, latent_dim=3, seed=seed), SHAPE, copy.deepcopy(model)
            )
        )
    weights = [[p.detach() for p in one.prior.parameters()] for one in models if one.prior is not None]
    assert all(torch.equal(p, q) for p, q in zip(weights[0], weights[1], strict=True))
    assert not all(torch.equal(p, q) for p, q in zip(weights[0], weights[2], strict=True))
    assert all(
        torch.equal(p, q) for p, q in zip(models[0].encoder.parameters(), model.encoder.parameters(), strict=True)
    )


def test_the_pseudo_inputs_of_a_copy_are_encoded_by_the_copy() -> None:
    settings = Configuration(network="given", model="vamp-vae", latent_dim=3)
    model = initial_model(settings, SHAPE, networks).eval()
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.encoder.parameters():
            parameter.mul_(2)
    codes = torch.randn(4, 3)
    assert model.prior is not None
    assert other.prior is not None
    assert not torch.allclose(model.prior.log_prob(codes), other.prior.log_prob(codes))


@pytest.mark.parametrize("preset", PRESETS)
def test_stacked_small_networks_compute_what_each_computes_alone(preset: str) -> None:
    settings = [Configuration(network="mlp", model=preset, latent_dim=3, seed=seed) for seed in (0, 1)]
    models = [initial_model(one, SHAPE).eval() for one in settings]
    pixels = torch.rand(6, *SHAPE)
    alone = [model.encode(part).mean for model, part in zip(models, pixels.split(3), strict=True)]
    torch.testing.assert_close(stack_models(models).eval().encode(pixels).mean, torch.cat(alone))


@pytest.mark.parametrize(
    "make", [VAE.mlp, lambda *given: VAE(*networks(), given[2], image_shape=given[0], latent_dim=given[1])]
)
def test_dimensions_are_uncorrelated_before_the_first_step_whatever_the_network(make: object) -> None:
    model = make(SHAPE, 3, "gaussian-full")  # type: ignore[operator]
    outputs = model.encoder(torch.rand(4, *SHAPE))
    assert outputs["couplings"].shape == (4, 3)
    assert not bool(outputs["couplings"].any())


def test_an_encoder_that_returns_the_parameters_must_return_as_many_as_the_posterior_has() -> None:
    class Direct(nn.Module):
        def forward(self, pixels: Tensor) -> dict[str, Tensor]:
            return {name: pixels.flatten(1)[:, :4] for name in ("mu", "sigma", "couplings")}

    decoder = networks(latent_dim=4)[1]
    with pytest.raises(
        InputError, match=re.escape("must return couplings of shape (2, 6), got float32 of shape (2, 4)")
    ):
        VAE(Direct(), decoder, "radial-full", image_shape=SHAPE, latent_dim=4)


def test_the_bound_of_one_code_is_of_the_law_of_the_pixels() -> None:
    law, objective = ContinuousBernoulliPixels(), ImportanceWeighted(codes=1)
    model = initial_model(Configuration(network="mlp", model="iwae", latent_dim=3), SHAPE)
    pixels = torch.rand(5, *SHAPE)
    logits, posterior, draw = model(pixels, torch.Generator().manual_seed(1), density=True)
    terms = objective.terms(logits, pixels, posterior, draw, model.prior, pixels=law)
    assert model.prior is not None
    assert draw.log_density is not None
    expected = law.error(logits, pixels) + draw.log_density - model.prior.log_prob(draw.codes)
    torch.testing.assert_close(sum(terms.values()), expected)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"binarise": "static", "pixels": "gaussian"}, "--binarise static is not for --pixels gaussian"),
        ({"fit": "pad", "dataset": "given"}, "--fit pad does nothing with given, the images given in Python"),
        (
            {"kernel": "triangular", "model": "evae-exact"},
            "has no exact formula for --posterior kde --kernel triangular",
        ),
        ({"posterior": "gaussian-full", "objective": "uniform-prior"}, "its support is unbounded"),
    ],
)
def test_combinations_without_a_meaning_are_refused_by_both_names(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError, match=re.escape(sentence)):
        Configuration(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["is", "ais"])
def test_images_scored_under_a_density_are_not_made_binary(method: str) -> None:
    given, config = data.from_arrays(images(4), images(4)), Configuration(pixels="gaussian")
    LikelihoodOptions(method).require(config, given)
    with pytest.raises(InputError, match="--binarise does nothing with this run, whose --pixels gaussian"):
        LikelihoodOptions(method, binarise="static").require(config, given)


def test_small_images_get_a_border_up_to_any_side() -> None:
    found = data.load("digits", image_size=12, fit="pad")
    assert (found.image_shape, found.inner) == ((1, 12, 12), (8, 8))
    assert int(found.train[:, :, 2:10, 2:10].sum()) == int(found.train.sum())
    with pytest.raises(InputError, match="--fit pad needs images smaller than the 8x8 pixels"):
        data.load("digits", image_size=8, fit="pad")


def test_given_images_are_made_binary_and_name_the_components_of_a_prior(tmp_path: Path) -> None:
    labels = np.arange(60) % 2
    given = data.from_arrays(images(60), images(20, seed=1), labels=(labels, labels[:20]))
    run = evae.train(config(tmp_path, model="gm-vae", binarise="dynamic", epochs=1), model=networks, data=given)
    found = evae.evaluate(
        run,
        model=networks,
        data=given,
        features="none",
        device="cpu",
        likelihood="is",
        samples=200,
        likelihood_images=2,
    )
    assert faults("evaluate", found) == []
    assert found["clusters"]["note"] is None
    assert 0 <= found["clusters"]["accuracy"] <= 1
    assert (found["likelihood"]["is"]["binarise"], found["likelihood"]["is"]["pixel_law"]) == ("dynamic", "bernoulli")
    scores = evae.log_likelihood(run, (given.holdout[:2] >= 128).to(torch.uint8) * 255, 200, network=networks)
    assert bool(scores.isfinite().all())
