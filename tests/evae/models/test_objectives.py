"""Posteriors draw what they say, and objectives sum what they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch.distributions import Bernoulli, Normal, kl_divergence

from evae.configuration.configuration import Configuration
from evae.configuration.recipe import INTERVALS, KERNELS, POSTERIORS, PRESETS, STEP_SIZE
from evae.distributions import Epanechnikov
from evae.models.kernel_density import KernelDensityPosterior, step_size
from evae.models.objectives import (
    EvidenceLowerBound,
    ImportanceWeighted,
    KernelDensityBound,
    ReconstructionAlone,
    RegularisedObjective,
    objective_for,
)
from evae.models.pixels import reconstruction_error
from evae.models.posterior_family import PosteriorFamily, positive
from evae.models.posteriors import Draw, PointPosterior, Posterior
from evae.models.priors import NormalPrior
from foundation.errors import InputError
from tests.evae.models.posteriors import (
    epanechnikov_posterior,
    from_uniform,
    gaussian_posterior,
    kl_to_normal,
    prior_of,
)
from theory.kernels import EPANECHNIKOV

DRAWS = 40_000


def one_number(posterior: Callable[..., Posterior], *parameters: float) -> Posterior:
    """A posterior of many images that are all alike, in one dimension."""
    return posterior(*(torch.full((DRAWS, 1), value) for value in parameters))


def drawn(posterior: Posterior) -> Draw:
    return posterior.draw(torch.Generator().manual_seed(0))


def test_the_step_size_is_the_papers() -> None:
    assert step_size() == step_size(100) == STEP_SIZE == pytest.approx(0.3594, abs=5e-5)


def test_spreads_are_positive_and_their_gradient_does_not_vanish_into_nothing() -> None:
    raw = torch.tensor([-1e4, -200.0, -20.0, 0.0, 50.0], requires_grad=True)
    spread = positive(raw)
    assert bool((spread > 0).all())
    assert spread[3].item() == pytest.approx(math.log(2), abs=2e-6)
    assert spread[4].item() == pytest.approx(50, rel=1e-6)
    (gradient,) = torch.autograd.grad((1 / spread).sum(), raw)
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize(
    ("posterior", "parameters"),
    [
        (gaussian_posterior, (0.7, 1.3)),
        (KernelDensityPosterior, (-2.0, 1.5, 0.3)),
        (KernelDensityPosterior, (1.0, 0.2, 2.0)),
    ],
)
def test_mean_and_variance_are_those_of_the_draws(posterior: type[Posterior], parameters: tuple[float, ...]) -> None:
    q = one_number(posterior, *parameters)
    draws = q.rsample(torch.Generator().manual_seed(1)).double()
    mean, variance = float(q.mean[0]), float(q.variance[0])
    assert float(draws.mean()) == pytest.approx(mean, abs=4.5 * math.sqrt(variance / DRAWS))
    assert float(draws.var()) == pytest.approx(variance, rel=4.5 * math.sqrt(2 / DRAWS))


def test_algorithm_1_draws_the_convolution_of_equation_9() -> None:
    """q(z) = [F((z+B)/b) - F((z-B)/b)] / 2B, by Kolmogorov-Smirnov at false-alarm rate 1e-4 under a fixed seed."""
    b, mu, r, half_length = step_size(), 0.8, 1.7, 0.4
    draws = one_number(KernelDensityPosterior, mu, r, half_length).rsample(torch.Generator().manual_seed(2))
    kernel = Epanechnikov(b * mu, b * r, validate_args=False)
    grid = torch.linspace(-2, 2, 20_001, dtype=torch.float64)
    density = (kernel.cdf(grid + half_length) - kernel.cdf(grid - half_length)) / (2 * half_length)
    distribution = torch.cumulative_trapezoid(density, grid)
    assert float(distribution[-1]) == pytest.approx(1, abs=1e-6)
    p_value = stats.kstest(draws[:, 0].numpy(), lambda z: np.interp(z, grid[1:].numpy(), distribution.numpy())).pvalue
    assert p_value > 1e-4
    assert float(draws.min()) >= b * (mu - r) - half_length
    assert float(draws.max()) <= b * (mu + r) + half_length


@pytest.mark.parametrize("name", [name for name in POSTERIORS if name != "none"])
def test_draws_depend_on_the_generator_and_carry_gradients_to_every_head(name: str) -> None:
    family = PosteriorFamily(name)
    heads = [torch.randn(5, 3, requires_grad=True) for _ in family.heads]
    q = family.from_heads(*heads)
    first, second = (q.rsample(torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, q.rsample(torch.Generator().manual_seed(8)))
    assert all(bool((gradient != 0).all()) for gradient in torch.autograd.grad(first.sum(), heads))


def test_the_gaussian_kl_is_torchs() -> None:
    q = gaussian_posterior(torch.randn(6, 4), torch.rand(6, 4) + 0.1)
    expected = kl_divergence(Normal(q.mu, q.scale), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(kl_to_normal(q), expected)


def test_the_penalty_is_equation_8_with_the_roughness_of_lemma_3_2() -> None:
    r, half_length = torch.rand(6, 4) + 0.1, torch.rand(6, 4) + 0.1
    q = KernelDensityPosterior(torch.randn(6, 4), r, half_length)
    roughness = float(EPANECHNIKOV.roughness) / r
    torch.testing.assert_close(KernelDensityBound(100).regularisation(q), (half_length * roughness / 100).sum(1))


def test_the_penalty_falls_when_r_grows_and_rises_with_b() -> None:
    def penalty(r: float, half_length: float) -> float:
        return float(KernelDensityBound(100).regularisation(one_number(KernelDensityPosterior, 0.0, r, half_length))[0])

    assert penalty(2, 1) < penalty(1, 1) < penalty(1, 2)


def test_the_penalty_does_not_see_mu() -> None:
    near, far = (one_number(KernelDensityPosterior, mu, 1.0, 1.0) for mu in (0.0, 1e3))
    assert torch.equal(KernelDensityBound(100).regularisation(near), KernelDensityBound(100).regularisation(far))


def test_the_reconstruction_error_is_a_bernoulli_log_likelihood_summed_over_pixels() -> None:
    logits = torch.randn(3, 3, 8, 8)
    images = torch.randint(0, 2, (3, 3, 8, 8)).float()
    expected = -Bernoulli(logits=logits).log_prob(images).sum((1, 2, 3))
    torch.testing.assert_close(reconstruction_error(logits, images), expected)


def test_extreme_logits_give_a_finite_error_where_probabilities_would_not() -> None:
    logits = torch.full((1, 1, 2, 2), 200.0)
    assert float(reconstruction_error(logits, torch.zeros(1, 1, 2, 2))) == 800


def test_terms_are_per_image_and_positive_signs_are_minimised() -> None:
    q = gaussian_posterior(torch.randn(5, 2), torch.rand(5, 2) + 0.5)
    logits, images = torch.randn(5, 1, 8, 8), torch.rand(5, 1, 8, 8)
    terms = EvidenceLowerBound().terms(logits, images, q, drawn(q), NormalPrior(2))
    assert list(terms) == ["reconstruction", "kl"]
    assert all(term.shape == (5,) and bool((term >= 0).all()) for term in terms.values())


def test_a_pair_without_an_exact_formula_is_refused_by_name() -> None:
    gaussian = one_number(gaussian_posterior, 0.0, 1.0)
    kde = replace(one_number(KernelDensityPosterior, 0.0, 1.0, 1.0), kernel="gaussian")  # type: ignore[call-arg]
    point = one_number(PointPosterior, 0.0)
    with pytest.raises(
        InputError,
        match=r"kde with the gaussian kernel from the prior, N\(0, I\) has no exact formula: .* It has bound and draws",
    ):
        kl_to_normal(kde)
    with pytest.raises(InputError, match=r"posterior none from .* has no exact formula: .* It has none of any kind\."):
        kl_to_normal(point)
    with pytest.raises(InputError, match="kde-bound has no formula for the posterior gaussian, which has no B"):
        KernelDensityBound(100).regularisation(gaussian)
    for unbounded in (gaussian, kde, point):
        with pytest.raises(
            InputError, match=f"{unbounded.label} from the prior, uniform on .* It has none of any kind"
        ):
            from_uniform(unbounded, 2.0)


def test_m_is_the_configured_batch_size() -> None:
    assert objective_for(Configuration(model="evae", batch_size=64)) == KernelDensityBound(64)
    assert objective_for(Configuration(model="vae")) == EvidenceLowerBound()


def test_every_preset_is_the_posterior_and_the_objective_of_the_design() -> None:
    expected = {
        "vae": ("gaussian", EvidenceLowerBound()),
        "evae": ("kde", KernelDensityBound(100)),
        "evae-exact": ("kde", EvidenceLowerBound()),
        "evae-direct": ("epanechnikov", EvidenceLowerBound()),
        "evae-repaired": ("epanechnikov", EvidenceLowerBound("kl")),
        "gaussian-kde": ("kde", KernelDensityBound(100)),
        "beta-vae": ("gaussian", EvidenceLowerBound(beta=4.0)),
        "ae": ("none", ReconstructionAlone()),
        "laplace-vae": ("laplace", EvidenceLowerBound()),
        "gm-vae": ("gaussian", EvidenceLowerBound(by="bound")),
        "gm-evae": ("epanechnikov", EvidenceLowerBound(by="bound")),
        "vamp-vae": ("gaussian", EvidenceLowerBound(by="bound")),
        "vamp-evae": ("epanechnikov", EvidenceLowerBound(by="bound")),
        "evae-beta": ("beta", EvidenceLowerBound()),
        "evae-beta-repaired": ("beta", EvidenceLowerBound("renyi2")),
        "evae-radial": ("radial", EvidenceLowerBound()),
        "evae-radial-full": ("radial-full", EvidenceLowerBound()),
        "gaussian-full": ("gaussian-full", EvidenceLowerBound()),
        "iwae": ("gaussian", ImportanceWeighted(5)),
        "iwae-epanechnikov": ("epanechnikov", ImportanceWeighted(5)),
    }
    assert {name: (c.recipe.posterior, objective_for(c)) for name in PRESETS if (c := Configuration(model=name))} == (
        expected
    )
    assert Configuration(model="gaussian-kde").recipe.kernel == "gaussian"


def test_beta_weighs_the_regularisation_and_the_weighted_term_has_another_name() -> None:
    images, mu, spread = torch.rand(5, 1, 8, 8), torch.randn(5, 2) / 9, torch.rand(5, 2) / 9 + 0.5
    pairs = [
        (EvidenceLowerBound(), gaussian_posterior(mu, spread), None),
        (EvidenceLowerBound(by="bound"), KernelDensityPosterior(mu, spread, spread), None),
        (EvidenceLowerBound(by="draws"), epanechnikov_posterior(mu, spread), None),
        (KernelDensityBound(50), KernelDensityPosterior(mu, spread, spread), None),
        (EvidenceLowerBound(), epanechnikov_posterior(mu, spread), 4.0),
        (EvidenceLowerBound("renyi2"), epanechnikov_posterior(mu, spread), 4.0),
    ]
    for plain, q, length in pairs:
        weighted = replace(plain, beta=4.0)
        assert plain.term is not None
        assert weighted.names == ("reconstruction", f"beta_{plain.term}")
        draw, prior = drawn(q), prior_of(plain, length)
        before, after = (one.terms(images, images, q, draw, prior) for one in (plain, weighted))
        assert torch.equal(after["reconstruction"], before["reconstruction"])
        assert torch.equal(after[f"beta_{plain.term}"], 4 * before[plain.term])


def test_the_option_beta_reaches_every_objective_that_has_a_term() -> None:
    for model in PRESETS:
        if PRESETS[model].objective not in ("reconstruction", "iwae"):
            objective = objective_for(Configuration(model=model, beta=0.25))
            assert isinstance(objective, RegularisedObjective)
            assert objective.beta == 0.25


def test_reconstruction_alone_has_one_term() -> None:
    q = one_number(PointPosterior, 0.5)
    images = torch.rand(5, 1, 8, 8)
    assert (
        list(ReconstructionAlone().terms(images, images, q, drawn(q)))
        == ["reconstruction"]
        == list(ReconstructionAlone().names)
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_penalty_has_the_kernels_own_roughness(kernel: str) -> None:
    """I(K) by quadrature of the squared density of r K, of variance r^2/5, whatever the interval of U."""
    r, length = 1.7, 0.4
    unit, variance, edge = {
        "epanechnikov": (lambda x: 0.75 * (1 - x**2), 1 / 5, 1),
        "gaussian": (stats.norm.pdf, 1.0, 12),
        "uniform": (lambda _: 0.5, 1 / 3, 1),
        "triangular": (lambda x: 1 - abs(x), 1 / 6, 1),
        "biweight": (lambda x: 15 / 16 * (1 - x**2) ** 2, 1 / 7, 1),
        "triweight": (lambda x: 35 / 32 * (1 - x**2) ** 3, 1 / 9, 1),
        "cosine": (lambda x: math.pi / 4 * math.cos(math.pi * x / 2), 1 - 8 / math.pi**2, 1),
    }[kernel]
    scale = r / math.sqrt(5 * variance)
    roughness = integrate.quad(lambda x: unit(x) ** 2, -edge, edge, points=[0.0])[0] / scale
    for interval in INTERVALS:
        q = KernelDensityPosterior(
            torch.zeros(1, 1), torch.full((1, 1), r), torch.full((1, 1), length), kernel=kernel, interval=interval
        )
        penalty = KernelDensityBound(50).regularisation(q)
        assert float(penalty) == pytest.approx(length * roughness / 50, rel=1e-6)


def test_the_divergences_from_a_uniform_prior_are_the_ledgers() -> None:
    """`beyond.repaired-bound`: l = 2, r = 0.4: 1.041384 <= log 3, with a slack of 0.0572 for every r."""
    q = epanechnikov_posterior(torch.tensor([[0.3, -0.6]]), torch.tensor([[0.4, 0.4]]))
    kl, bound = (float(from_uniform(q, 2.0, name)) / 2 for name in ("kl", "renyi2"))
    assert kl == pytest.approx(1.041384, abs=1e-6)
    assert bound == pytest.approx(math.log(3), abs=1e-6)
    assert bound - kl == pytest.approx(0.0572, abs=5e-5)


def test_a_posterior_that_reaches_beyond_the_uniform_prior_has_an_infinite_term() -> None:
    outside = epanechnikov_posterior(torch.tensor([[0.7]]), torch.tensor([[0.4]]))
    assert float(from_uniform(outside, 2.0)) == math.inf
