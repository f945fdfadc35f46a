"""Annealed importance sampling against closed forms, quadrature and importance sampling."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import evae
from evae import Run, data
from evae.evaluation.likelihood.annealed import AnnealedScorer, Gap, summarise_gaps
from evae.evaluation.likelihood.annealing import Bridge, sigmoid_schedule
from evae.evaluation.likelihood.coordinates import Coordinates
from evae.evaluation.likelihood.scorer import Scorer
from evae.models.pixels import (
    BernoulliPixels,
    ContinuousBernoulliPixels,
    GaussianPixels,
    PixelLaw,
    reconstruction_error,
)
from evae.models.priors import UniformPrior
from tests.evae.evaluation.test_likelihood import (
    DOUBLE,
    LAWS,
    SIGMAS,
    LinearModel,
    binary_digits,
    random,
    trained_model,
)


def bridge_of(model: LinearModel, temperatures: int, leaps: int = 2, curvature: float | None = None) -> Bridge:
    """From the standard normal law to the posterior, with its principal axes unless the curvature is given."""
    slopes = model.weights.T @ model.weights / model.variance
    exact, rotation = torch.linalg.eigh(slopes)
    latent_dim = len(slopes)
    found = exact if curvature is None else torch.full((latent_dim,), curvature)
    turned = rotation if curvature is None else torch.eye(latent_dim)

    def log_conditional(points: Tensor) -> Tensor:
        noise = model.image - model.offset - points @ turned.T @ model.weights.T
        return (-0.5 * noise.square() / model.variance - 0.5 * math.log(2 * math.pi * model.variance)).sum(1)

    return Bridge(
        lambda points: -0.5 * points.square().sum(1), log_conditional, found, sigmoid_schedule(temperatures), leaps
    )


def posterior_draws(model: LinearModel, count: int, seed: int) -> Tensor:
    """Points drawn exactly from the posterior, without principal axes."""
    return model.posterior.at(torch.randn(count, len(model.posterior.factor), generator=random(seed)))


def test_the_schedule_rises_from_0_to_1_evenly_about_the_middle() -> None:
    for temperatures in (1, 2, 5, 100):
        schedule = sigmoid_schedule(temperatures)
        assert len(schedule) == temperatures + 1
        assert (schedule[0], schedule[-1]) == (0, 1)
        steps = [b - a for a, b in itertools.pairwise(schedule)]
        assert min(steps) > 0
        assert steps == pytest.approx(steps[::-1])
    assert steps[0] < steps[50] / 4


@DOUBLE
@pytest.mark.parametrize(("leaps", "curvature"), [(1, None), (3, 2.0)], ids=["principal axes", "other axes"])
def test_forward_weights_are_unbiased_for_the_likelihood_and_backward_weights_for_its_inverse(
    leaps: int, curvature: float | None
) -> None:
    """With few temperatures and any steps: mean weights over independent chains, in standard errors."""
    model = LinearModel(latent_dim=2, pixels=4)
    bridge = bridge_of(model, 24, leaps, curvature)
    steps = bridge.adapt(torch.randn(16, 2, generator=random(4)), random(5))
    forwards, accepted = bridge.forwards(torch.randn(8000, 2, generator=random(6)), steps, random(7))
    assert 0.3 < accepted < 0.95
    end = posterior_draws(model, 8000, 8)
    if curvature is None:
        slopes = model.weights.T @ model.weights / model.variance
        end = end @ torch.linalg.eigh(slopes)[1]
    backwards, _ = bridge.backwards(end, steps, random(9))
    for ratios in ((forwards - model.log_likelihood).exp(), (model.log_likelihood - backwards).exp()):
        error = float(ratios.std()) / math.sqrt(len(ratios))
        assert error < 0.04
        assert float(ratios.mean()) == pytest.approx(1, abs=SIGMAS * error)


@DOUBLE
def test_bounds_close_in_on_the_closed_form_from_both_sides() -> None:
    model = LinearModel(latent_dim=4, pixels=8, variance=0.1)
    gaps = []
    for temperatures in (2, 60):
        bridge = bridge_of(model, temperatures, curvature=4.0)
        steps = bridge.adapt(torch.randn(8, 4, generator=random(1)), random(2))
        forwards, _ = bridge.forwards(torch.randn(300, 4, generator=random(3)), steps, random(4))
        backwards, _ = bridge.backwards(posterior_draws(model, 300, 5), steps, random(6))
        # The mean of single log-weights bounds from below, and of backward ones from above (Jensen).
        assert float(forwards.mean()) < model.log_likelihood < float(backwards.mean())
        gaps.append(float(backwards.mean() - forwards.mean()))
    assert gaps[1] < gaps[0] / 5


@DOUBLE
def test_one_temperature_is_importance_sampling_from_the_prior() -> None:
    model = LinearModel(latent_dim=3, pixels=5)
    bridge = bridge_of(model, 1)
    points = torch.randn(50, 3, generator=random())
    assert bridge.adapt(points, random()) == ()
    weights, _ = bridge.forwards(points, (), random())
    assert torch.equal(weights, bridge.log_conditional(points))
    assert torch.equal(bridge.backwards(points, (), random())[0], weights)


@DOUBLE
def test_steps_are_adapted_towards_the_acceptance_that_is_aimed_at() -> None:
    model = LinearModel(latent_dim=8, pixels=20, variance=0.05)
    for curvature in (None, 0.0):
        bridge = bridge_of(model, 120, curvature=curvature)
        steps = bridge.adapt(torch.randn(8, 8, generator=random(1)), random(2))
        assert len(steps) == 119
        _, accepted = bridge.forwards(torch.randn(16, 8, generator=random(3)), steps, random(4))
        assert accepted == pytest.approx(0.65, abs=0.1)


@pytest.mark.parametrize("posterior", ["epanechnikov", "none"])
def test_one_dimension_is_integrated_right_under_every_law(posterior: str) -> None:
    """Against the trapezoidal rule over the decoder itself."""
    scorer = Scorer.of(trained_model(posterior), LAWS, seed=0)
    pixels = binary_digits(2)
    grid = torch.linspace(-7, 7, 2801, dtype=torch.float64)[:, None]
    with torch.no_grad():
        logits = torch.cat([scorer.model.decoder(part) for part in grid.split(400)])
    for image, score in zip(pixels.split(1), AnnealedScorer(scorer, 16, 40, 2).score(pixels), strict=True):
        conditional = -reconstruction_error(logits, data.as_images(image).double().expand(len(grid), -1, -1, -1))
        for name, law in LAWS.items():
            integrand = conditional + law.log_prob(grid)
            exact = float(integrand.logsumexp(0) + math.log(float(grid[1] - grid[0])))
            assert score[name].log_likelihood == pytest.approx(exact, abs=0.15), name
            assert score[name].at_half <= score[name].log_likelihood
            assert 0.3 < score[name].acceptance < 0.95


def test_it_agrees_with_importance_sampling_on_digits_within_two_standard_errors() -> None:
    """The errors are those of the difference over images, and of a single image by both."""
    pixels = binary_digits(4)
    scorer = Scorer.of(trained_model("gaussian"), {"mixture": LAWS["mixture"]}, seed=0)
    sampled = torch.tensor([score["mixture"].log_likelihood for score in scorer.score(pixels, 1000)])
    annealed = AnnealedScorer(scorer, 16, 60, 2).score(pixels)
    differences = torch.tensor([score["mixture"].log_likelihood for score in annealed]) - sampled
    assert abs(float(differences.mean())) < 2 * float(differences.std()) / math.sqrt(4) + 0.02


def test_an_image_has_the_same_bits_whatever_the_others_are() -> None:
    scorer = Scorer.of(trained_model(), LAWS, seed=3)
    annealed = AnnealedScorer(scorer, 4, 5, 1)
    whole = list(annealed.score(binary_digits(3)))
    assert list(annealed.score(binary_digits(1))) == whole[:1]
    assert (
        list(dataclasses.replace(annealed, scorer=dataclasses.replace(scorer, seed=4)).score(binary_digits(1)))
        != whole[:1]
    )


@pytest.mark.parametrize(
    "pixels", [BernoulliPixels(), ContinuousBernoulliPixels(), GaussianPixels(0.2)], ids=lambda law: law.name
)
def test_the_gap_of_simulated_images_is_not_negative_and_shrinks_with_the_temperatures(pixels: PixelLaw) -> None:
    """Within three standard errors under every law, for a decoder that depends much on the code."""
    model = trained_model()
    model.pixels = pixels
    model.decoder = nn.Sequential(nn.Linear(1, 1024), nn.Unflatten(1, (1, 32, 32)))
    scorer = Scorer.of(model, LAWS, seed=1)
    for name in LAWS:
        found = {t: summarise_gaps(list(AnnealedScorer(scorer, 2, t, 1).simulate(name, 8))) for t in (1, 30)}
        for one in found.values():
            assert one["gap"] > -3 * one["standard_error"], name
            assert one["upper_bound"] - one["lower_bound"] == pytest.approx(one["gap"])
        assert found[1]["gap"] > 5, name
        assert found[30]["gap"] < found[1]["gap"] / 4, name


@DOUBLE
def test_points_of_a_uniform_law_stand_for_uniform_codes_and_never_leave_the_box() -> None:
    law = UniformPrior(3, 3.0)
    coordinates = Coordinates.of(law, torch.tensor([[0.3, 1.5, -1.4]]))
    codes = coordinates.to_codes(coordinates.draw(4000, random()))
    assert float(codes.abs().max()) <= 1.5
    share = torch.histc(codes, 10, -1.5, 1.5) / codes.numel()
    assert share.tolist() == pytest.approx([0.1] * 10, abs=0.015)
    assert coordinates.to_codes(coordinates.start)[0].tolist() == pytest.approx([0.3, 1.5, -1.4], abs=0.01)


def test_a_gap_that_is_not_finite_is_null() -> None:
    found = summarise_gaps([Gap(-math.inf, -3.0), Gap(-4.0, -3.5)])
    assert (found["gap"], found["lower_bound"], found["upper_bound"]) == (None, None, -3.25)


def test_an_evaluation_says_what_was_annealed(trained: dict[str, Run]) -> None:
    options = {"device": "cpu", "features": "none", "binarise": "static", "likelihood_images": 2}
    settings = {"chains": 2, "temperatures": 3, "leapfrog_steps": 1}
    found = evae.evaluate(trained["vae"], likelihood="ais", **options, **settings)["likelihood"]["ais"]  # type: ignore[arg-type]
    assert {name: found[name] for name in settings} == settings
    assert (found["method"], found["images"], found["pixels"]) == ("ais", 2, [32, 32])
    assert list(found["laws"]) == ["prior", "mixture"]
    for law in found["laws"].values():
        assert -1024 * math.log(2) * 1.1 < law["log_likelihood"] < -100
        assert law["simulated"]["images"] == 2
    assert Path(trained["vae"].path / "evaluation.json").exists()
