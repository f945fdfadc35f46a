"""New codes come from the law that is named, and new images from the codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from evae import VAE, Run, data
from evae.compute.random_streams import Stream, generator
from evae.configuration.configuration import Configuration
from evae.configuration.recipe import PRESETS
from evae.evaluation.code_laws import (
    COMPONENTS,
    Mixture,
    code_law,
    decode_samples,
    draw_posterior_codes,
    fit_mixture,
)
from evae.evaluation.generation import choose_sampler
from evae.evaluation.holdout import CHUNK
from evae.metrics import eight_bit
from evae.models.priors import CodeLaw, NormalPrior, UniformPrior, prior_for
from foundation.errors import InputError

#: Bounds the false-alarm rate of a test with a fixed seed.
LEVEL = 1e-3


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_new_images_come_from_the_prior_where_there_is_one() -> None:
    """Also where no divergence from it is a term of the loss."""
    runs = {name: cast("Run", SimpleNamespace(configuration=Configuration(model=name))) for name in PRESETS}
    samplers = {name: choose_sampler(run, None, None) for name, run in runs.items()}
    assert set(samplers.values()) == {"prior", "mixture"}
    assert {name for name, sampler in samplers.items() if sampler == "mixture"} == {"evae", "gaussian-kde", "ae"}


def test_the_objective_decides_which_prior_there_is() -> None:
    priors = {name: prior_for(Configuration(model=name).recipe, 4, (1, 32, 32)) for name in PRESETS}
    normal, uniform = NormalPrior(4).label, UniformPrior(4, math.sqrt(12)).label
    assert {name: prior and prior.label for name, prior in priors.items()} == {
        "vae": normal,
        "beta-vae": normal,
        "evae-exact": normal,
        "evae-direct": normal,
        "evae-repaired": uniform,
        "evae": None,
        "gaussian-kde": None,
        "ae": None,
        "laplace-vae": normal,
        **dict.fromkeys(("gm-vae", "gm-evae"), "the prior, a learned mixture of 10 normal laws"),
        **dict.fromkeys(
            ("vamp-vae", "vamp-evae"),
            "the prior, a mixture with the posteriors' moments at 100 learned pseudo-inputs",
        ),
        "evae-beta": normal,
        "evae-beta-repaired": uniform,
        "evae-radial": normal,
        "evae-radial-full": normal,
        "gaussian-full": normal,
        "iwae": normal,
        "iwae-epanechnikov": normal,
    }


def test_the_priors_draw_what_they_say() -> None:
    for law, name, parameters in (
        (NormalPrior(3), "norm", ()),
        (UniformPrior(3, 2.5), "uniform", (-1.25, 2.5)),
    ):
        codes = law.draw(4000, seeded())
        assert (codes.shape, codes.dtype) == ((4000, 3), torch.float32)
        assert stats.kstest(codes.flatten().numpy(), name, parameters).pvalue > LEVEL


def clusters(number: int = 600) -> Tensor:
    """Codes in two clusters of different shape, far apart, in two dimensions of very different units."""
    random = seeded(3)
    left = torch.randn(number, 2, generator=random) * torch.tensor([1.0, 0.2]) + torch.tensor([-9.0, 1.0])
    right = torch.randn(2 * number, 2, generator=random) * torch.tensor([0.3, 2.0]) + torch.tensor([9.0, -1.0])
    return torch.cat([left, right]) * torch.tensor([1.0, 1000.0])


def covariance(mixture: Mixture) -> tuple[Tensor, Tensor]:
    """Mean and covariance of a mixture, by the law of total variance."""
    mean = mixture.weights @ mixture.means
    within = torch.einsum("k,kij,klj->il", mixture.weights, mixture.factors, mixture.factors)
    centred = mixture.means - mean
    return mean, within + torch.einsum("k,ki,kj->ij", mixture.weights, centred, centred)


def test_a_fitted_mixture_finds_the_clusters() -> None:
    mixture = fit_mixture(clusters(), seed=0, components=2)
    assert mixture.converged
    order = mixture.means[:, 0].argsort()
    assert mixture.weights[order].tolist() == pytest.approx([1 / 3, 2 / 3], abs=0.01)
    expected = torch.tensor([[-9.0, 1000.0], [9.0, -1000.0]], dtype=torch.float64)
    assert torch.allclose(mixture.means[order], expected, atol=0.2, rtol=0.2)


@pytest.mark.parametrize("components", [1, 2, 5])
def test_a_mixture_has_the_mean_and_the_covariance_of_its_codes(components: int) -> None:
    """What every step of EM preserves, whatever the components; but for the 1e-6 that scikit-learn adds."""
    codes = clusters().double()
    mean, spread = covariance(fit_mixture(codes, seed=1, components=components))
    assert torch.allclose(mean, codes.mean(0), rtol=1e-5, atol=1e-3)
    scale = codes.std(0, correction=0)
    assert torch.allclose(spread / torch.outer(scale, scale), codes.T.corrcoef(), atol=1e-4)


def test_a_mixtures_draws_follow_it() -> None:
    mixture = fit_mixture(clusters(), seed=0, components=2)
    draws = mixture.draw(20_000, seeded(5)).double()
    mean, spread = covariance(mixture)
    for dimension in range(2):
        error = math.sqrt(spread[dimension, dimension] / 20_000)
        assert abs(draws[:, dimension].mean() - mean[dimension]) < stats.norm.isf(LEVEL / 4) * error
    first = int(mixture.means[:, 0].argmin())
    left = draws[draws[:, 0] < 0]
    assert stats.binomtest(len(left), 20_000, float(mixture.weights[first])).pvalue > LEVEL
    standard = torch.linalg.solve_triangular(mixture.factors[first], (left - mixture.means[first]).T, upper=False)
    assert stats.kstest(standard.flatten().numpy(), "norm").pvalue > LEVEL


def test_a_mixture_does_not_depend_on_the_unit_of_the_codes() -> None:
    codes, unit, origin = clusters(), torch.tensor([1e-3, 40.0]), torch.tensor([7.0, -2.0])
    plain = fit_mixture(codes, seed=2, components=3).draw(50, seeded())
    changed = fit_mixture(codes * unit + origin, seed=2, components=3).draw(50, seeded())
    assert torch.allclose(changed, plain * unit + origin, rtol=1e-3, atol=1e-3)


def test_a_dimension_without_spread_is_drawn_without() -> None:
    codes = torch.cat([torch.randn(100, 1, generator=seeded()), torch.full((100, 1), 4.0)], dim=1)
    draws = fit_mixture(codes, seed=0, components=2).draw(30, seeded())
    assert torch.allclose(draws[:, 1], torch.tensor(4.0), atol=0.01)


def test_more_components_than_codes_are_refused() -> None:
    for components in (0, 6):
        with pytest.raises(InputError, match=f"from 1 to 5, the number of codes .*, got {components}"):
            fit_mixture(torch.randn(5, 2), seed=0, components=components)


def test_evae_has_no_prior_to_draw_from_and_is_told_of_the_mixture(trained: dict[str, Run]) -> None:
    run = trained["evae"]
    model, recipe = VAE.load(run), run.configuration.recipe
    images = data.load("digits").train
    with pytest.raises(
        InputError, match=r"its prior U\[-B\(x\), B\(x\)\] depends on the image x. Use --sampler mixture"
    ):
        code_law("prior", model, recipe, images, 0)
    with pytest.raises(InputError, match=r"--sampler 'mixtur' is not known\. Did you mean mixture\?"):
        code_law("mixtur", model, recipe, images, 0)
    mixture = code_law("mixture", model, recipe, images[:130], 0)
    assert mixture.document() == {
        "law": "a mixture of 10 normal laws, fitted to one code of each of the first 130 training images",
        "components": COMPONENTS,
        "fitted_to_images": 130,
        "converged": True,
    }


def test_the_aggregated_posterior_has_the_posteriors_mean_and_noise(trained: dict[str, Run]) -> None:
    run = trained["vae"]
    model, images = VAE.load(run), data.load("digits").train[:40]
    with torch.no_grad():
        posterior = model.encode(data.as_images(images))
    draws = torch.stack([draw_posterior_codes(model, images, seed) for seed in range(400)])
    standard = (draws.mean(0) - posterior.mean) / (posterior.variance / 400).sqrt()
    assert float(standard.abs().max()) < stats.norm.isf(LEVEL / 2 / standard.numel())
    ratio = (draws.var(0) / posterior.variance).mean()
    assert float(ratio) == pytest.approx(1, abs=4 * math.sqrt(2 / 399 / standard.numel()))


def test_samples_are_the_decoded_codes_whatever_the_chunk(trained: dict[str, Run]) -> None:
    model = VAE.load(trained["vae"])
    law, number = NormalPrior(4), CHUNK + 3
    images = list(decode_samples(model, law, number, seed=8))
    assert [len(chunk) for chunk in images] == [CHUNK, 3]
    codes = law.draw(number, generator(8, Stream.SAMPLES))
    with torch.no_grad():
        expected = eight_bit(model.decode(codes))
    assert (torch.cat(images).int() - expected.int()).abs().max() <= 1
    again = torch.cat(list(decode_samples(model, law, number, seed=8)))
    other = torch.cat(list(decode_samples(model, law, number, seed=9)))
    assert torch.equal(torch.cat(images), again)
    assert not torch.equal(again, other)


@pytest.mark.usefixtures("double")
def test_laws_have_their_densities_and_the_moments_of_the_part_in_which_a_code_lies() -> None:
    """Densities against scipy's; moments of the priors against those of 200,000 draws."""
    mixture = Mixture(
        weights=torch.tensor([0.3, 0.7]),
        means=torch.tensor([[0.0, 1.0], [2.0, -1.0]]),
        factors=torch.tensor([[[1.0, 0.0], [0.5, 0.3]], [[0.2, 0.0], [-0.4, 2.0]]]),
        images=100,
        converged=True,
    )
    parts = [
        stats.multivariate_normal(mean, factor @ factor.T)
        for mean, factor in zip(mixture.means.numpy(), mixture.factors.numpy(), strict=True)
    ]
    densities: dict[CodeLaw, Callable[[Any], Any]] = {
        NormalPrior(2): lambda z: stats.norm.logpdf(z).sum(1),
        UniformPrior(2, 2.5): lambda z: stats.uniform(-1.25, 2.5).logpdf(z).sum(1),
        mixture: lambda z: np.log(0.3 * parts[0].pdf(z) + 0.7 * parts[1].pdf(z)),
    }
    points = 3 * torch.rand(200, 2) - 1.5
    for law, log_density in densities.items():
        np.testing.assert_allclose(law.log_prob(points), log_density(points.numpy()), rtol=1e-12)
    for prior in (NormalPrior(2), UniformPrior(2, 2.5)):
        draws = prior.draw(200_000, seeded()).double()
        mean, covariance = prior.moments_near(points[0])
        torch.testing.assert_close(draws.mean(0), mean, rtol=0, atol=0.02)
        torch.testing.assert_close(torch.cov(draws.T), covariance, rtol=0, atol=0.04)
    for number, part in enumerate(parts):
        mean, covariance = mixture.moments_near(mixture.means[number] + 0.01)
        np.testing.assert_array_equal(mean, part.mean)
        np.testing.assert_allclose(covariance, part.cov, rtol=1e-14)
