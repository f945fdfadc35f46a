"""Estimated log-likelihoods against closed forms and quadrature."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor

import evae
from evae import VAE, Run, data, resume, train
from evae.compute.random_streams import Stream, generator
from evae.configuration.recipe import PRESETS
from evae.data.images import binarise
from evae.evaluation.code_laws import Mixture, fit_mixture
from evae.evaluation.evaluate import earlier_likelihoods
from evae.evaluation.likelihood.importance_sampling import Estimate, Proposal, log_mean_exp
from evae.evaluation.likelihood.laplace import Normal, approximate_posterior
from evae.evaluation.likelihood.options import LikelihoodOptions
from evae.evaluation.likelihood.scorer import Scorer, summarise
from evae.models.kernel_density import KernelDensityPosterior
from evae.models.objectives import EvidenceLowerBound
from evae.models.pixels import (
    BERNOULLI,
    ContinuousBernoulliPixels,
    GaussianPixels,
    PixelLaw,
    reconstruction_error,
)
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import LocationScalePosterior, PointPosterior, Posterior
from evae.models.priors import CodeLaw, NormalPrior, Prior, UniformPrior
from foundation.errors import InputError
from tests.evae.conftest import refusal, small

#: Standard errors that an estimate may be off, under fixed seeds.
SIGMAS = 4.5


#: Literals are in double precision, as the estimates are.
DOUBLE = pytest.mark.usefixtures("double")


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class LinearModel:
    """Probabilistic principal components: x = W z + c + noise of variance t, z standard normal; one image x."""

    def __init__(self, latent_dim: int, pixels: int, variance: float = 0.3) -> None:
        self.weights = torch.randn(pixels, latent_dim, generator=random(1)) / math.sqrt(latent_dim)
        self.offset, self.variance = torch.randn(pixels, generator=random(2)), variance
        self.image = torch.randn(pixels, generator=random(3))
        precision = torch.eye(latent_dim) + self.weights.T @ self.weights / variance
        self.posterior_covariance = torch.linalg.inv(precision)
        mean = self.posterior_covariance @ self.weights.T @ (self.image - self.offset) / variance
        self.posterior = Normal.of(mean, self.posterior_covariance)

    @property
    def log_likelihood(self) -> float:
        """The closed form: x is normal with the covariance W W^T + t I."""
        covariance = self.weights @ self.weights.T + self.variance * torch.eye(len(self.image))
        return float(torch.distributions.MultivariateNormal(self.offset, covariance).log_prob(self.image))

    def log_weights(self, proposal: Proposal, seed: int = 0) -> Tensor:
        drawn = proposal.draw(random(seed))
        assert drawn.log_density is not None
        noise = self.image - self.offset - drawn.codes @ self.weights.T
        conditional = (-0.5 * noise.square() / self.variance - 0.5 * math.log(2 * math.pi * self.variance)).sum(1)
        return conditional + NormalPrior(drawn.codes.shape[1]).log_prob(drawn.codes) - drawn.log_density


def posteriors(mean: Tensor, deviation: Tensor) -> Iterator[Posterior]:
    """Posteriors of every kind with this mean, (1, d), and about this deviation."""
    for name in ("gaussian", "epanechnikov", "uniform", "laplace"):
        scale = deviation / math.sqrt(LocationScalePosterior(mean, deviation, name).noise.variance)
        yield LocationScalePosterior(mean, scale, name)
    for kernel in ("epanechnikov", "uniform", "gaussian"):
        yield KernelDensityPosterior(mean / 0.36, 2 * deviation / 0.36, deviation, b=0.36, kernel=kernel)
    yield PointPosterior(mean)


@DOUBLE
def test_the_closed_form_of_probabilistic_principal_components_is_found_with_every_posterior() -> None:
    model = LinearModel(latent_dim=3, pixels=5)
    # Neither part is the true posterior: the one lacks its correlations, the other is shifted and has another shape.
    mean, deviation = model.posterior.mean, model.posterior_covariance.diagonal().sqrt()[None]
    normal = Normal(mean + 0.3 * deviation, torch.diag(1 / (1.4 * deviation[0])))
    for posterior in posteriors(mean, deviation):
        own = 0 if isinstance(posterior, PointPosterior) else 6000
        weights = model.log_weights(Proposal(posterior, (normal,), own, 12_000 - own))
        estimate = Estimate.of(weights)
        error = float((weights - estimate.log_likelihood).exp().std()) / math.sqrt(len(weights))
        assert error < 0.02, posterior.label
        assert estimate.log_likelihood == pytest.approx(model.log_likelihood, abs=SIGMAS * error), posterior.label
        assert estimate.pareto_k < 0.7, posterior.label


@DOUBLE
def test_two_normal_laws_are_one_proposal() -> None:
    model = LinearModel(latent_dim=2, pixels=4)
    wide = (model.posterior.widened(1.5), Normal(model.posterior.mean + 1, 0.4 * torch.eye(2)))
    posterior = LocationScalePosterior(model.posterior.mean, torch.ones(1, 2), "epanechnikov")
    weights = model.log_weights(Proposal(posterior, wide, 4000, 2000))
    assert len(weights) == 8000
    assert float(log_mean_exp(weights)) == pytest.approx(model.log_likelihood, abs=0.05)


@DOUBLE
def test_the_true_posterior_gives_every_weight_the_value_itself() -> None:
    model = LinearModel(latent_dim=3, pixels=5)
    weights = model.log_weights(Proposal(PointPosterior(model.posterior.mean), (model.posterior,), 0, 200))
    assert weights.tolist() == pytest.approx([model.log_likelihood] * 200, abs=1e-10)
    estimate = Estimate.of(weights)
    assert estimate.at_half == pytest.approx(model.log_likelihood)
    assert estimate.pareto_k == 0


@DOUBLE
@pytest.mark.parametrize("latent_dim", [1, 8])
def test_an_epanechnikov_posterior_alone_is_short_by_what_its_support_leaves_out(latent_dim: int) -> None:
    """By 0.02567 nats in a dimension in the conjugate case, however many codes; with a normal part nothing is missing.

    Every dimension is a separate model, x = z + noise, whose true posterior is normal.
    """
    variance = 0.25
    model = LinearModel(latent_dim, latent_dim, variance)
    model.weights = torch.eye(latent_dim)
    deviation = torch.full((1, latent_dim), math.sqrt(variance / (1 + variance)))
    mean = ((model.image - model.offset) / (1 + variance))[None]
    posterior = LocationScalePosterior(mean, math.sqrt(5) * deviation, "epanechnikov")
    normal = Normal(mean, torch.diag(1 / deviation[0])).widened(1 + 1 / math.sqrt(2 * latent_dim))
    alone = float(log_mean_exp(model.log_weights(Proposal(posterior, (), 300_000, 0))))
    mixed = float(log_mean_exp(model.log_weights(Proposal(posterior, (normal,), 150_000, 150_000))))
    missing = math.log(math.erf(math.sqrt(5 / 2)))
    assert missing == pytest.approx(-0.02567, abs=1e-5)
    assert alone - model.log_likelihood == pytest.approx(latent_dim * missing, abs=0.008)
    assert mixed == pytest.approx(model.log_likelihood, abs=0.008)


@DOUBLE
def test_the_approximation_is_the_posterior_where_that_is_normal() -> None:
    """A decoder whose logits hardly depend on the code leaves the law of codes; else the gradient at the mode is 0."""
    law = Normal.of(torch.tensor([0.5, -1.0]), torch.tensor([[1.0, 0.4], [0.4, 0.6]]))
    image = torch.tensor([1.0, 0.0, 1.0, 1.0]).reshape(1, 1, 2, 2)
    flat = approximate_posterior(
        lambda z: 1e-9 * z.sum(1).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2), BERNOULLI, image, law.mean + 3, law
    )
    torch.testing.assert_close(flat.mean, law.mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(flat.precision, law.precision, atol=1e-6, rtol=0)

    slopes = torch.tensor([[2.0, -1.0, 0.5, 3.0], [0.0, 1.0, -2.0, 1.0]])
    found = approximate_posterior(lambda z: (z @ slopes).reshape(-1, 1, 2, 2), BERNOULLI, image, law.mean + 3, law)

    def height(code: Tensor) -> Tensor:
        return (law.log_prob(code[None]) - reconstruction_error((code @ slopes).reshape(1, 1, 2, 2), image)).squeeze()

    code = found.mean[0].clone()
    (gradient,) = torch.autograd.grad(height(code.requires_grad_()), code)
    curvature = torch.autograd.functional.hessian(height, code)
    assert float(gradient @ torch.linalg.solve(found.precision, gradient)) < 1e-2
    torch.testing.assert_close(found.precision, -curvature, rtol=1e-5, atol=1e-6)


def trained_model(posterior: str = "epanechnikov", latent_dim: int = 1) -> VAE:
    """A narrow network in which the code matters: its weights are as drawn, but the logits are enlarged."""
    model = VAE.appendix_b((1, 32, 32), latent_dim, posterior).eval()
    with torch.no_grad():
        list(model.decoder.parameters())[-2].mul_(3)
    return model


def binary_digits(count: int) -> Tensor:
    return binarise(data.load("digits").holdout[:count], "threshold", random())


LAWS: dict[str, CodeLaw] = {
    "prior": NormalPrior(1),
    "box": UniformPrior(1, 3.0),
    "mixture": Mixture(
        weights=torch.tensor([0.4, 0.6]).double(),
        means=torch.tensor([[-1.0], [0.5]]).double(),
        factors=torch.tensor([[[0.7]], [[0.3]]]).double(),
        images=100,
        converged=True,
    ),
}


@pytest.mark.parametrize("posterior", ["gaussian", "epanechnikov", "kde", "none"])
def test_one_dimension_is_integrated_right_under_every_law(posterior: str) -> None:
    """Against the trapezoidal rule over the decoder itself."""
    model, pixels = trained_model(posterior), binary_digits(3)
    scorer = Scorer.of(model, LAWS, seed=0)
    scores = list(scorer.score(pixels, 2400))
    grid = torch.linspace(-7, 7, 2801, dtype=torch.float64)[:, None]
    with torch.no_grad():
        logits = torch.cat([scorer.model.decoder(part) for part in grid.split(400)])
    for image, score in zip(data.as_images(pixels).double(), scores, strict=True):
        conditional = -reconstruction_error(logits, image.expand(len(grid), -1, -1, -1))
        for name, law in LAWS.items():
            integrand = conditional + law.log_prob(grid)
            exact = float(integrand.logsumexp(0) + math.log(float(grid[1] - grid[0])))
            assert score[name].log_likelihood == pytest.approx(exact, abs=0.15), name
            assert score[name].pareto_k < 0.7


@pytest.mark.parametrize("pixels", [ContinuousBernoulliPixels(), GaussianPixels(0.3), GaussianPixels()])
def test_grey_images_are_scored_under_a_density(pixels: PixelLaw) -> None:
    """Against the trapezoidal rule over the decoder itself, of images as they are."""
    model, grey = trained_model("gaussian"), data.load("digits").holdout[:2]
    model.pixels = pixels
    scorer = Scorer.of(model, {"prior": NormalPrior(1)}, seed=0)
    grid = torch.linspace(-7, 7, 2801, dtype=torch.float64)[:, None]
    with torch.no_grad():
        logits = torch.cat([scorer.model.decoder(part) for part in grid.split(400)])
        for image, score in zip(data.as_images(grey).double(), scorer.score(grey, 2400), strict=True):
            conditional = -scorer.model.pixels.error(logits, image.expand(len(grid), -1, -1, -1))
            integrand = conditional + NormalPrior(1).log_prob(grid)
            exact = float(integrand.logsumexp(0) + math.log(float(grid[1] - grid[0])))
            assert score["prior"].log_likelihood == pytest.approx(exact, abs=0.15)


@pytest.mark.parametrize(
    ("family", "law"),
    [
        (PosteriorFamily("gaussian"), NormalPrior(3)),
        (PosteriorFamily("epanechnikov"), NormalPrior(3)),
        (PosteriorFamily("laplace"), NormalPrior(3)),
        (PosteriorFamily("kde"), NormalPrior(3)),
        (PosteriorFamily("epanechnikov", within=1.5), UniformPrior(3, 3.0)),
    ],
    ids=lambda one: getattr(one, "posterior", type(one).__name__),
)
@torch.no_grad()
def test_one_code_is_the_elbo(family: PosteriorFamily, law: Prior) -> None:
    """The mean of single weights is the ELBO: the mean error of the same draws, and the exact divergence."""
    model, image = VAE.appendix_b((1, 32, 32), 3, family).eval(), data.as_images(binary_digits(1)).double()
    scorer = Scorer.of(model, {"law": law}, seed=0)
    posterior = scorer.model.encode(image)
    weights = scorer.log_weights(image, Proposal(posterior, (), 3000, 0), random(5))["law"]
    logits = scorer.model.decoder(posterior.repeat(3000).rsample(random(5)))
    errors = reconstruction_error(logits, image.expand(3000, -1, -1, -1))
    objective = EvidenceLowerBound()
    divergences = -(weights + errors)
    spread = SIGMAS * float(divergences.std()) / math.sqrt(3000) + 1e-9
    assert float(divergences.mean()) == pytest.approx(float(objective.regularisation(posterior, law)), abs=spread)


def test_an_image_has_the_same_bits_in_chunks_of_any_size_and_among_any_others() -> None:
    pixels = binary_digits(5)
    scorer = Scorer.of(trained_model(), LAWS, seed=3)
    whole = list(scorer.score(pixels, 240))
    for chunk in (1, 2, 5, 1000):
        assert list(scorer.score(pixels, 240, chunk=chunk)) == whole
    assert list(scorer.score(pixels[:2], 240)) == whole[:2]
    assert list(Scorer.of(trained_model(), LAWS, seed=4).score(pixels[:1], 240)) != whole[:1]


@DOUBLE
def test_the_halves_have_the_same_shares_and_their_mean_bound_is_not_above_the_whole() -> None:
    model = LinearModel(latent_dim=2, pixels=4)
    posterior = LocationScalePosterior(model.posterior.mean, torch.full((1, 2), 0.05), "uniform")
    proposal = Proposal(posterior, (model.posterior.widened(2.0),), 100, 100)
    codes = proposal.draw(random()).codes
    inside = ((codes - posterior.mean).abs() <= 0.05).all(1)
    assert inside[:50].all()
    assert inside[100:150].all()
    for seed in range(20):
        estimate = Estimate.of(model.log_weights(proposal, seed))
        # log is concave.
        assert estimate.at_half <= estimate.log_likelihood + 1e-12


@DOUBLE
def test_the_mean_bound_rises_with_the_number_of_codes() -> None:
    model = LinearModel(latent_dim=2, pixels=4)
    posterior = LocationScalePosterior(model.posterior.mean, torch.full((1, 2), 1.0), "gaussian")
    weights = model.log_weights(Proposal(posterior, (), 40_000, 0))
    bounds = [float(log_mean_exp(weights.reshape(-1, count)).mean()) for count in (1, 2, 8, 64, 40_000)]
    assert all(fewer < more for fewer, more in pairwise(bounds))


def test_a_summary_has_the_error_over_images_and_null_for_what_is_infinite() -> None:
    estimates = [Estimate(-10.0, -11.0, 0.2), Estimate(-14.0, -14.0, 0.9), Estimate(-12.0, -12.5, math.inf)]
    assert summarise(estimates) == {
        "log_likelihood": -12.0,
        "standard_error": pytest.approx(2 / math.sqrt(3)),
        "at_half_the_samples": -12.5,
        "pareto_k": {"median": 0.9, "largest": None, "share_above_0.7": pytest.approx(2 / 3)},
        "by_image": [-10.0, -14.0, -12.0],
    }
    assert summarise([Estimate(-math.inf, -math.inf, math.inf)] * 2)["log_likelihood"] is None


def test_an_evaluation_says_what_was_estimated(trained: dict[str, Run]) -> None:
    options = {"device": "cpu", "features": "none", "binarise": "static", "samples": 200, "likelihood_images": 4}
    results = {name: evae.evaluate(run, likelihood="is", **options) for name, run in trained.items()}  # type: ignore[arg-type]
    found = {name: result["likelihood"]["is"] for name, result in results.items()}
    assert [list(one["laws"]) for one in found.values()] == [["prior", "mixture"], ["mixture"]]
    assert found["evae"]["laws"]["mixture"]["fitted_to_images"] == 130
    assert [(one["samples"], one["images"], one["binarise"]) for one in found.values()] == [(200, 4, "static")] * 2
    # A bit of each pixel at most, and not none: the networks have hardly been trained.
    for one in found.values():
        for law in one["laws"].values():
            assert -1024 * math.log(2) * 1.1 < law["log_likelihood"] < -100
            assert law["at_half_the_samples"] <= law["log_likelihood"]
            assert law["standard_error"] > 0


def test_a_later_evaluation_keeps_the_estimates_of_the_same_weights_alone(tmp_path: Path) -> None:
    run = train(small(tmp_path, limit_holdout=6, binarise="static"))
    plain = {"device": "cpu", "features": "none"}
    assert evae.evaluate(run, **plain)["likelihood"] is None  # type: ignore[arg-type]
    first = evae.evaluate(run, likelihood="is", samples=200, **plain)["likelihood"]  # type: ignore[arg-type]
    assert list(first) == ["is"]
    settings = {"chains": 2, "temperatures": 2, "leapfrog_steps": 1}
    both = evae.evaluate(run, likelihood="ais", **settings, **plain)["likelihood"]  # type: ignore[arg-type]
    assert list(both) == ["is", "ais"]
    assert both["is"] == first["is"]
    # After another epoch the estimates are those of a model that no longer exists.
    resume(run, epochs=2)
    assert evae.evaluate(run, **plain)["likelihood"] is None  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["{}", "[]", '{"likelihood": {"is": 3}}', '{"likelihood": [1]}', "{", None])
def test_a_damaged_evaluation_leaves_no_estimates(text: str | None, trained: dict[str, Run], tmp_path: Path) -> None:
    run = dataclasses.replace(trained["vae"], path=tmp_path)
    if text is not None:
        (tmp_path / "evaluation.json").write_text(text)
    assert earlier_likelihoods(run) == {}


def test_every_preset_can_be_scored() -> None:
    """No posterior lacks a draw with its density or a proposal in its place."""
    image = binary_digits(1)
    for name, recipe in PRESETS.items():
        model = VAE.appendix_b((1, 32, 32), 2, PosteriorFamily.of(recipe.completed())).eval()
        (score,) = Scorer.of(model, {"prior": NormalPrior(2)}, seed=0).score(image, 200)
        assert math.isfinite(score["prior"].log_likelihood), name


@pytest.mark.parametrize("sensitivity", [0.0, 1e-6, 1e3, 1e6])
def test_decoders_of_any_sensitivity_are_scored_under_laws_of_any_shape(sensitivity: float) -> None:
    """A mixture without spread in one dimension; decoders that ignore the code, or that hang on its last digits."""
    model, image = VAE.appendix_b((1, 32, 32), 3, "kde").eval(), binary_digits(1)
    with torch.no_grad():
        list(model.decoder.parameters())[-2].mul_(sensitivity)
    codes = torch.randn(60, 3, generator=random()) * torch.tensor([1.0, 1e-3, 0.0])
    laws = {"prior": NormalPrior(3), "mixture": fit_mixture(codes, 0, components=2)}
    (score,) = Scorer.of(model, laws, seed=0).score(image, 200)
    for name, estimate in score.items():
        assert math.isfinite(estimate.log_likelihood), name
        assert estimate.at_half <= estimate.log_likelihood + 1e-9
    if sensitivity <= 1e-6:
        # Every code gives the same image, so that its likelihood is that of the image for any code.
        with torch.no_grad():
            error = float(reconstruction_error(model.decoder(torch.zeros(1, 3)), data.as_images(image)))
        assert score["prior"].log_likelihood == pytest.approx(-error, abs=0.2)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"samples": 400}, "--samples applies to --likelihood only, got 400 without it. Add --likelihood is."),
        ({"binarise": "static"}, "--binarise applies to --likelihood only"),
        ({"likelihood_images": 3}, "--likelihood-images applies to --likelihood only"),
        ({"likelihood": "is", "samples": 500.0}, "--samples must be a multiple of 8 from 200 to 100,000, got 500.0"),
        ({"likelihood": "is", "samples": 204}, "--samples must be a multiple of 8 from 200 to 100,000, got 204"),
        ({"likelihood": "is", "samples": True}, "got True"),
        ({"likelihood": "ias"}, "--likelihood 'ias' is not known. Did you mean"),
        ({"chains": 4}, "--chains applies to --likelihood only, got 4 without it. Add --likelihood ais."),
        ({"likelihood": "is", "chains": 4}, "--chains applies to --likelihood ais only, got 4 with --likelihood is."),
        ({"likelihood": "ais", "samples": 400}, "--samples applies to --likelihood is only, got 400"),
        ({"likelihood": "ais", "chains": 3}, "--chains must be a multiple of 2 from 2 to 1,000, got 3"),
        ({"likelihood": "ais", "temperatures": 0}, "--temperatures must be a whole number from 1 to 100,000, got 0"),
        ({"likelihood": "ais", "leapfrog_steps": 0}, "--leapfrog-steps must be a whole number from 1 to 1,000, got 0"),
        ({"likelihood": "is", "binarise": "dynamic"}, "--binarise 'dynamic' is not known"),
        ({"likelihood": "is", "likelihood_images": 0}, "--likelihood-images must be a whole number from 1"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        LikelihoodOptions.of(**{"likelihood": None, **options})  # type: ignore[arg-type]
    assert sentence in str(refused.value)


def test_grey_images_have_no_likelihood_and_nothing_is_written(trained: dict[str, Run]) -> None:
    path = Path(trained["vae"].path)
    (path / "evaluation.json").unlink(missing_ok=True)
    common = ("evaluate", path, "--features", "none", "--device", "cpu", "--likelihood", "is")
    sentence = refusal(*common)
    assert "--likelihood needs images whose pixels are all 0 or 255, got others in digits" in sentence
    assert "Add --binarise threshold or --binarise static." in sentence
    for count in (1, 300):
        sentence = refusal(*common, "--binarise", "static", "--likelihood-images", count)
        assert f"must be a whole number from 2 to 299, the number of hold-out images, got {count}." in sentence
    assert not (path / "evaluation.json").exists()


def test_noise_of_an_image_has_a_stream_of_its_own() -> None:
    first, second = (generator(0, Stream.LIKELIHOOD, number).initial_seed() for number in (0, 1))
    assert first != second
