"""A divergence is of the kind that is asked for, and a pair that lacks it is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from evae.configuration.recipe import CLOSED_SUMS, KERNELS, KINDS, POSTERIORS, Recipe, kinds_of
from evae.models.kernel_density import KernelDensityPosterior
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import Draw, Posterior
from evae.models.priors import NormalPrior, Prior, UniformPrior, prior_for
from evae.models.regularisation import divergences
from evae.models.regularisation.divergences import divergence, kinds, register
from foundation.errors import InputError
from tests.evae.models.posteriors import epanechnikov_posterior, gaussian_posterior

pytestmark = pytest.mark.usefixtures("double")

ROWS = 40_000

#: Standard errors that a mean may be off: a false alarm of 7e-6 a comparison, under fixed seeds.
SIGMAS = 4.5

RECIPES = [
    Recipe(posterior, objective, kernel=kernel, divergence=measure).completed()
    for posterior in POSTERIORS
    for kernel in (KERNELS if posterior == "kde" else (None,))
    for objective, measure in (("elbo", None), ("uniform-prior", "kl"), ("uniform-prior", "renyi2"))
]


def laws_of(recipe: Recipe) -> tuple[Posterior, Prior]:
    family, prior = PosteriorFamily.of(recipe), prior_for(recipe, 2, (1, 32, 32))
    assert prior is not None
    return family.from_heads(*(torch.randn(5, outputs) for outputs in family.outputs(2).values())), prior


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.posterior}-{r.kernel}-{r.objective}-{r.divergence}")
def test_the_checks_of_a_recipe_know_the_kinds_of_the_registry(recipe: Recipe) -> None:
    assert kinds_of(recipe) == kinds(*laws_of(recipe), recipe.divergence or "kl")


@pytest.mark.parametrize("recipe", [one for one in RECIPES if {"exact", "draws"} <= set(kinds_of(one))])
@pytest.mark.parametrize("length", [None, 9.0])
def test_an_estimate_has_the_divergence_as_its_mean(recipe: Recipe, length: float | None) -> None:
    posterior, prior = laws_of(recipe)
    posterior, prior = posterior.__class__(**vars(posterior)), prior if length is None else NormalPrior(2)
    many = replace(posterior, **{name: row[:1].expand(ROWS, -1) for name, row in tensors(posterior).items()})
    name, estimates = divergence(many, prior, many.draw(torch.Generator().manual_seed(1)), "draws")
    exact = divergence(posterior, prior)[1][0]
    assert name == "kl_estimate"
    assert estimates.shape == (ROWS,)
    spread = SIGMAS * float(estimates.std()) / math.sqrt(ROWS) + 1e-12
    assert float(estimates.mean()) == pytest.approx(float(exact), abs=spread)


def tensors(posterior: Posterior) -> dict[str, Tensor]:
    return {name: value for name, value in vars(posterior).items() if isinstance(value, Tensor)}


@pytest.mark.parametrize("interval", ["printed", "corrected"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_bound_is_never_below_the_divergence_and_is_attained_without_uniform_noise(
    kernel: str, interval: str
) -> None:
    mu, r, length = torch.randn(400, 1), torch.randn(400, 1).exp(), (2 * torch.randn(400, 1)).exp()
    q = KernelDensityPosterior(mu, r, length, kernel=kernel, interval=interval)
    name, bound = divergence(q, NormalPrior(1), by="bound")
    assert name == "kl_bound"
    if kernel in CLOSED_SUMS:
        gap = bound - divergence(q, NormalPrior(1))[1]
        assert float(gap.min()) > 0
        # The inequality of entropy powers loses at most half a nat of two equal widths.
        assert float(gap.max()) < 0.2
    narrow = replace(q, prior_length=torch.full_like(length, 1e-9))
    scale = q.b * q.factor * r
    if kernel == "gaussian":
        exact = divergence(gaussian_posterior(q.mean, scale), NormalPrior(1))[1]
        torch.testing.assert_close(divergence(narrow, NormalPrior(1), by="bound")[1], exact)


@pytest.mark.parametrize("length", [0.02, 0.4, 3.0])
def test_the_bound_and_the_estimate_of_a_gaussian_kernel_hold_by_quadrature(length: float) -> None:
    mu, r, half_length = (torch.full((ROWS, 1), value) for value in (0.7, 1.3, length))
    q = KernelDensityPosterior(mu, r, half_length, kernel="gaussian")
    scale, mean = float(q.b * q.factor * q.r[0]), float(q.mean[0])

    def density(z: float) -> float:
        ends = ((z - mean + length) / scale, (z - mean - length) / scale)
        return float(stats.norm.cdf(ends[0]) - stats.norm.cdf(ends[1])) / (2 * length)

    reach = length + 9 * scale
    exact, _ = integrate.quad(
        lambda z: density(z) * (math.log(density(z) or 1e-300) - stats.norm.logpdf(z)),
        mean - reach,
        mean + reach,
        points=[mean - length, mean + length],
    )
    estimates = divergence(q, NormalPrior(1), q.draw(torch.Generator().manual_seed(2)), "draws")[1]
    assert float(estimates.mean()) == pytest.approx(exact, abs=SIGMAS * float(estimates.std()) / math.sqrt(ROWS))
    bound = float(divergence(q, NormalPrior(1), by="bound")[1][0])
    assert exact - 1e-9 < bound < exact + 0.1


@pytest.mark.parametrize("recipe", [one for one in RECIPES if "draws" in kinds_of(one)])
def test_an_estimate_and_its_gradient_are_finite_in_single_precision_whatever_the_heads_say(recipe: Recipe) -> None:
    family, prior = PosteriorFamily.of(recipe), prior_for(recipe, 1, (1, 32, 32))
    assert prior is not None
    extremes = torch.tensor([-100.0, -14.0, -3.0, 0.0, 3.0, 14.0, 100.0])
    grids = torch.meshgrid(*(extremes for _ in family.heads), indexing="ij")
    # In one dimension there is nothing to couple.
    heads = [
        grid.reshape(-1, 1)[:, :outputs].repeat(40, 1).float().requires_grad_()
        for grid, outputs in zip(grids, family.outputs(1).values(), strict=True)
    ]
    posterior = family.from_heads(*heads)
    _, values = divergence(posterior, prior, posterior.draw(torch.Generator().manual_seed(4)), "draws")
    gradients = torch.autograd.grad(values.sum(), heads, allow_unused=True, materialize_grads=True)
    assert all(bool(tensor.isfinite().all()) for tensor in (values, *gradients))


def test_a_pair_without_the_kind_is_refused_by_a_sentence_with_those_that_it_has() -> None:
    gaussian = gaussian_posterior(torch.zeros(2, 1), torch.ones(2, 1))
    with pytest.raises(
        InputError,
        match=r"^the KL divergence of the posterior gaussian from .*N\(0, I\) has no bound: .* It has exact and draws",
    ):
        divergence(gaussian, NormalPrior(1), by="bound")
    with pytest.raises(InputError, match=r"has no estimate: its support is unbounded, .* It has none of any kind\.$"):
        divergence(gaussian, UniformPrior(1, 2.0), gaussian.draw(), "draws")
    with pytest.raises(InputError, match=r"^a divergence by draws needs a draw from the posterior, got None"):
        divergence(gaussian, NormalPrior(1), by="draws")


def test_the_formula_of_the_nearest_types_is_chosen_and_an_ambiguous_one_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Narrow(KernelDensityPosterior):
        pass

    class Special(NormalPrior):
        pass

    def constant(value: float) -> divergences.Formula:
        return lambda posterior, _prior, _draw: torch.full_like(posterior.mean, value).sum(1)

    monkeypatch.setattr(divergences, "_FORMULAS", {})
    with pytest.raises(InputError, match=r"there is no formula for these types\. It has none of any kind"):
        divergence(Narrow(*torch.ones(3, 2, 1)), Special(1))
    for types, value in (((Posterior, Prior), 1.0), ((KernelDensityPosterior, Prior), 2.0)):
        register("exact", *types)(constant(value))
    narrow, special = Narrow(*torch.ones(3, 2, 1)), Special(1)
    assert float(divergence(narrow, special)[1][0]) == 2
    assert float(divergence(epanechnikov_posterior(*torch.ones(2, 2, 1)), special)[1][0]) == 1
    register("exact", Posterior, Special)(constant(3.0))
    with pytest.raises(TypeError, match="the formulas for Narrow and Special are ambiguous"):
        divergence(narrow, special)
    register("exact", KernelDensityPosterior, Special)(constant(4.0))
    assert float(divergence(narrow, special)[1][0]) == 4


def test_every_kind_has_its_own_name_and_only_its_own_formula() -> None:
    q = KernelDensityPosterior(*torch.ones(3, 4, 2))
    drawn = q.draw(torch.Generator().manual_seed(3))
    found = dict(divergence(q, NormalPrior(2), drawn, kind) for kind in KINDS)
    assert list(found) == ["kl", "kl_bound", "kl_estimate"]
    assert len({float(values[0]) for values in found.values()}) == 3
    assert drawn.log_density is not None
    shifted = Draw(drawn.codes, drawn.log_density + 1)
    assert torch.equal(divergence(q, NormalPrior(2), shifted)[1], found["kl"])
    torch.testing.assert_close(divergence(q, NormalPrior(2), shifted, "draws")[1], found["kl_estimate"] + 1)
