"""Learned priors: densities, draws and bounds, how they begin, and how they are trained, resumed and evaluated."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from evae import VAE, Configuration, data, evaluate, resume, train
from evae.data import as_images
from evae.metrics import cluster_accuracy
from evae.models.initial_weights import begin_prior, initial_model
from evae.models.posteriors import LocationScalePosterior
from evae.models.priors import Components, FixedMixture, MixturePrior, NormalPrior, VampPrior
from evae.models.regularisation.divergences import divergence
from evae.training.group import TrainingInterrupted
from foundation.errors import InputError
from tests.evae.conftest import small
from tests.evae.models.posteriors import epanechnikov_posterior, gaussian_posterior
from tests.evae.training.test_resume import Stopping, result

double = pytest.mark.usefixtures("double")

#: Bounds the false-alarm rate of a test with a fixed seed.
LEVEL = 1e-4


def mixture(number: int = 3, latent_dim: int = 2, networks: int = 1) -> FixedMixture:
    weights = torch.randn(networks, number).log_softmax(1)
    means, scales = torch.randn(networks, number, latent_dim), torch.rand(networks, number, latent_dim) + 0.3
    return FixedMixture(Components(weights, means, scales), "a mixture")


def parts(law: FixedMixture, network: int = 0) -> list[tuple[float, Any]]:
    found = law.components()
    return [
        (math.exp(float(weight)), stats.multivariate_normal(mean.numpy(), np.diag(scale.numpy() ** 2)))
        for weight, mean, scale in zip(
            found.log_weights[network], found.means[network], found.scales[network], strict=True
        )
    ]


@double
def test_the_density_is_that_of_the_mixture_in_parts_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    law, codes = mixture(networks=2), torch.randn(14, 2)
    found = law.log_prob(codes)
    for network, rows in enumerate(codes.chunk(2)):
        expected = np.log(sum(weight * part.pdf(rows.numpy()) for weight, part in parts(law, network)))
        np.testing.assert_allclose(found.chunk(2)[network], expected, rtol=1e-12)
    monkeypatch.setattr("evae.models.priors.mixture._ROWS", 3)
    torch.testing.assert_close(law.log_prob(codes), found)


def test_draws_come_from_all_components_by_their_weights_and_scales() -> None:
    """Far apart, so that each code tells its component; Pythae's sampler draws from the first of them alone."""
    means = torch.tensor([-40.0, -10.0, 0.0, 10.0, 40.0])[:, None].expand(-1, 2)
    weights = torch.tensor([0.1, 0.2, 0.05, 0.4, 0.25])
    scales = torch.tensor([[1.0, 0.2], [0.5, 0.5], [1.0, 1.0], [0.3, 1.5], [2.0, 1.0]])
    law = FixedMixture(Components(weights.log()[None], means[None], scales[None]), "far")
    codes = law.draw(8000, torch.Generator().manual_seed(1))
    assert (codes.shape, codes.dtype) == ((8000, 2), torch.float32)
    nearest = (codes[:, :1] - means[:, 0]).abs().argmin(1)
    assert stats.chisquare(torch.bincount(nearest, minlength=5).numpy(), 8000 * weights.numpy()).pvalue > LEVEL
    standard = (codes - means[nearest]) / scales[nearest]
    assert stats.kstest(standard.flatten().numpy(), "norm").pvalue > LEVEL


@double
@pytest.mark.parametrize("posterior", [gaussian_posterior, epanechnikov_posterior])
def test_the_bound_is_not_below_the_mean_of_the_estimates_and_exact_where_components_agree(posterior: Any) -> None:
    law = mixture(latent_dim=2)
    mu, scale, rows = torch.randn(1, 2), torch.rand(1, 2) + 0.5, 40_000
    q = posterior(mu.expand(rows, -1), scale.expand(rows, -1))
    estimates = divergence(q, law, q.draw(torch.Generator().manual_seed(2)), "draws")[1]
    name, bound = divergence(posterior(mu, scale), law, by="bound")
    assert name == "kl_bound"
    error = 4.5 * float(estimates.std()) / math.sqrt(rows)
    assert float(bound) > float(estimates.mean()) - error
    # It is the least of the decomposition over responsibilities, of which any other choice is a bound too.
    found = law.components()
    shares = found.responsibilities(mu, posterior(mu, scale).variance)[0, 0]
    costs = found.cross_entropies(mu, posterior(mu, scale).variance)[0, 0] - posterior(mu, scale).entropy.sum()
    decomposed = (shares * (costs + shares.log() - found.log_weights[0])).sum()
    torch.testing.assert_close(bound[0], decomposed)
    # Equal components are one law.
    same = FixedMixture(Components(found.log_weights, found.means * 0, found.scales * 0 + 1), "N(0, I)")
    torch.testing.assert_close(
        divergence(posterior(mu, scale), same, by="bound")[1], divergence(posterior(mu, scale), NormalPrior(2))[1]
    )
    # Of components far apart one alone counts, with the cost of its weight.
    apart = FixedMixture(
        Components(
            found.log_weights, torch.tensor([0.0, 1e3, -1e3])[None, :, None].expand(1, 3, 2), found.scales * 0 + 1
        ),
        "far",
    )
    expected = divergence(posterior(mu, scale), NormalPrior(2))[1] - found.log_weights[0, 0]
    torch.testing.assert_close(divergence(posterior(mu, scale), apart, by="bound")[1], expected)


@double
def test_gradients_of_the_bound_and_the_estimate_reach_every_weight_of_the_prior() -> None:
    prior = MixturePrior(2, 3)
    mu, scale = torch.randn(4, 2), torch.rand(4, 2) + 0.5
    drawn = gaussian_posterior(mu, scale).draw(torch.Generator().manual_seed(3))
    weights = tuple(weight.detach().clone().requires_grad_() for weight in prior.parameters())
    names = [name for name, _ in prior.named_parameters()]

    for by in ("bound", "draws"):

        def term(*values: Tensor, by: str = by) -> Tensor:
            for name, value in zip(names, values, strict=True):
                delattr(prior, name)
                setattr(prior, name, value)
            return divergence(gaussian_posterior(mu, scale), prior, drawn, by)[1]

        assert torch.autograd.gradcheck(term, weights)


@torch.no_grad()
def test_components_begin_apart_and_none_can_shrink_to_a_point() -> None:
    prior = MixturePrior(64, 10, networks=2)
    found = prior.components()
    assert found.log_weights.exp().flatten().tolist() == pytest.approx([0.1] * 20)
    torch.testing.assert_close(found.scales, torch.ones(2, 10, 64))
    distances = torch.cdist(found.means[0], found.means[0])
    assert float(distances[~torch.eye(10, dtype=torch.bool)].min()) > 5
    nn.init.constant_(prior.raw_scales, -1e4)
    assert float(prior.components().scales.min()) >= 0.0099
    assert math.isfinite(float(prior.log_prob(torch.zeros(2, 64)).sum()))


def vamp(posterior: str = "gaussian", number: int = 4, **options: Any) -> VAE:
    config = Configuration(
        posterior=posterior, prior="vamp", divergence_by="bound", prior_components=number, latent_dim=3, **options
    )
    return initial_model(config, (1, 32, 32))


@pytest.mark.parametrize("posterior", ["gaussian", "epanechnikov"])
def test_a_pseudo_input_that_is_the_only_image_leaves_no_divergence_but_that_of_the_shapes(posterior: str) -> None:
    """KL = 0 for the normal law, and otherwise that of the kernel from the normal law of its variance."""
    model = vamp(posterior, number=1).double().eval()
    assert isinstance(model.prior, VampPrior)
    q = model.encode(model.prior.pixels.detach())
    bound = divergence(q, model.prior, by="bound")[1].detach()
    zero = torch.zeros(1, 3, dtype=torch.float64)
    unit = LocationScalePosterior(zero, zero, posterior)
    expected = divergence(dataclasses.replace(unit, scale=zero + unit.noise.variance**-0.5), NormalPrior(3))[1]
    torch.testing.assert_close(bound, expected, atol=1e-12, rtol=1e-9)
    assert (float(bound) > 0.01) == (posterior != "gaussian")


def test_the_order_of_pseudo_inputs_does_not_matter_and_equal_ones_are_one() -> None:
    model, codes = vamp().eval(), torch.randn(5, 3)
    assert isinstance(model.prior, VampPrior)
    before = model.prior.log_prob(codes)
    with torch.no_grad():
        model.prior.pixels.copy_(model.prior.pixels.flip(0))
    torch.testing.assert_close(model.prior.log_prob(codes), before)
    with torch.no_grad():
        model.prior.pixels.copy_(model.prior.pixels[:1].expand_as(model.prior.pixels))
    posterior = model.encode(model.prior.pixels[:1].detach())
    single = stats.norm(posterior.mean.detach().numpy(), posterior.variance.detach().sqrt().numpy())
    np.testing.assert_allclose(model.prior.log_prob(codes).detach(), single.logpdf(codes.numpy()).sum(1), rtol=1e-4)


def test_pseudo_inputs_pass_the_encoder_by_its_running_averages_and_leave_them_alone() -> None:
    model = vamp().train()
    assert isinstance(model.prior, VampPrior)
    model(torch.rand(8, 1, 32, 32))
    averages = {name: buffer.clone() for name, buffer in model.named_buffers()}
    trained = model.prior.components()
    assert all(torch.equal(buffer, averages[name]) for name, buffer in model.named_buffers())
    assert all(layer.training for layer in model.modules())
    model.eval()
    evaluated = model.prior.components()
    assert torch.equal(trained.means, evaluated.means)
    trained.means.sum().backward()
    gradient = model.prior.pixels.grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0


def test_pseudo_inputs_from_data_are_different_training_images_chosen_by_the_seed() -> None:
    images = data.load("digits").train[:40]
    found = []
    for seed, kind in ((0, "data"), (0, "frozen"), (1, "data")):
        config = Configuration(model="vamp-vae", pseudo_inputs=kind, prior_components=30, seed=seed, latent_dim=3)
        model = initial_model(config, (1, 32, 32))
        begin_prior(model, config, images)
        assert isinstance(model.prior, VampPrior)
        assert ("prior.pixels" in dict(model.named_parameters())) == (kind == "data")
        found.append(model.prior.pixels.detach())
    matches = (found[0].flatten(1)[:, None] == as_images(images).flatten(1)).all(2)
    assert matches.any(1).all()
    assert len(matches.int().argmax(1).unique()) == 30
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    with pytest.raises(InputError, match="--prior-components must be at most 20, the number of training images"):
        begin_prior(model, config, images[:20])


@pytest.mark.parametrize(
    "options", [{"model": "gm-evae"}, {"model": "vamp-evae", "prior_components": 5, "pseudo_inputs": "frozen"}]
)
def test_a_run_with_a_learned_prior_resumes_to_the_bit_and_is_evaluated_under_it(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    settings = {**options, "epochs": 2, "limit_train": 28, "limit_holdout": 20, "batch_size": 12, "name": "run"}
    whole = train(small(tmp_path / "whole", **settings))
    with pytest.raises(TrainingInterrupted):
        train(small(tmp_path / "parts", **settings), Stopping(2, 2))
    assert result(resume(tmp_path / "parts" / "run"))[:2] == result(whole)[:2]
    model, started = VAE.load(whole), initial_model(whole.configuration, (1, 32, 32))
    changed = {
        name: not torch.equal(tensor, started.state_dict()[name])
        for name, tensor in model.state_dict().items()
        if name.startswith("prior.")
    }
    assert changed
    assert all(changed.values())
    document = evaluate(whole, features="none", likelihood="is", samples=200, binarise="threshold", likelihood_images=2)
    number = model.prior.snapshot().components().means.shape[1]  # type: ignore[union-attr]
    assert document["samplers"]["prior"]["components"] == number
    assert math.isfinite(document["likelihood"]["is"]["laws"]["prior"]["log_likelihood"])
    assert 1 <= document["clusters"]["components"] <= number
    assert 0 <= document["clusters"]["accuracy"] <= 1


def test_clusters_are_named_by_training_images_alone() -> None:
    train_clusters, train_labels = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([3, 3, 1, 2, 2, 0])
    found, labels = torch.tensor([0, 0, 1, 2, 5]), torch.tensor([3, 1, 2, 0, 0])
    assert cluster_accuracy(train_clusters, train_labels, found, labels) == 3 / 5
