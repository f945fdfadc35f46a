"""Every posterior against an independent density: moments, entropy, divergences by quadrature and by Monte Carlo."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor
from torch.distributions import kl_divergence

from evae.configuration.recipe import CLOSED_SUMS, DIVERGENCES, KERNELS
from evae.distributions import StandardNormal
from evae.models.kernel_density import KernelDensityPosterior
from evae.models.objectives import EvidenceLowerBound, KernelDensityBound, RegularisedObjective
from evae.models.posterior_family import PosteriorFamily
from evae.models.posteriors import PointPosterior, Posterior
from evae.models.symmetric_beta import SymmetricBetaPosterior
from foundation.errors import InputError
from foundation.types import Array
from tests.evae.models.posteriors import (
    epanechnikov_posterior,
    from_uniform,
    gaussian_posterior,
    kl_to_normal,
    laplace_posterior,
    prior_of,
    uniform_posterior,
)
from theory.posterior import direct_kl_to_standard_normal, kl_to_standard_normal

pytestmark = pytest.mark.usefixtures("double")

DRAWS = 40_000

#: Standard errors that a Monte Carlo mean may be off: a false alarm of 7e-6 a comparison, under fixed seeds.
SIGMAS = 4.5

Distribution = Callable[[Array], Array]


def epanechnikov_distribution(t: Array) -> Array:
    t = np.clip(t, -1, 1)
    return (2 + 3 * t - t**3) / 4


def convolved(
    kernel: Distribution, location: float, scale: float, half_length: float
) -> Callable[[Array | float], Array]:
    """Density of location + scale K + U[-half_length, half_length], from K's distribution function."""

    def density(z: Array | float) -> Array:
        upper, lower = (kernel(np.asarray((z - location + shift) / scale)) for shift in (half_length, -half_length))
        return (upper - lower) / (2 * half_length)

    return density


@dataclass(frozen=True)
class Case:
    """A posterior with its parameters, and its density found another way; knots are where that is not smooth."""

    posterior: Callable[..., Posterior]
    parameters: tuple[float, ...]
    density: Callable[[Any], Any]
    knots: tuple[float, ...]

    def batch(self, count: int = 1) -> Posterior:
        return self.posterior(*(torch.full((count, 1), value) for value in self.parameters))


def kde(
    kernel: str, mu: float, r: float, length: float, b: float = 0.36, interval: str = "printed"
) -> tuple[str, Case]:
    half = length if interval == "printed" else length / 2
    form: Distribution = {
        "epanechnikov": epanechnikov_distribution,
        "uniform": lambda t: np.clip((1 + t * math.sqrt(5 / 3)) / 2, 0, 1),
        "gaussian": lambda t: stats.norm.cdf(t * math.sqrt(5)),
    }[kernel]
    s = b * r * {"epanechnikov": 1.0, "uniform": math.sqrt(3 / 5), "gaussian": 3.0}[kernel]
    ends = sorted({-s - half, -abs(s - half), abs(s - half), s + half})
    case = Case(
        lambda mu, r, length: KernelDensityPosterior(mu, r, length, b, kernel, interval),
        (mu, r, length),
        convolved(form, b * mu, b * r, half),
        tuple(b * mu + end for end in ends),
    )
    return f"kde-{kernel}-{interval}-{r}-{length}", case


def kl_to_prior(q: Posterior) -> Tensor:
    return kl_divergence(q.distribution, StandardNormal())


CASES = dict(
    [
        ("gaussian", Case(gaussian_posterior, (0.7, 0.4), stats.norm(0.7, 0.4).pdf, (-3.5, 0.7, 4.9))),
        (
            "epanechnikov",
            Case(epanechnikov_posterior, (-0.5, 1.3), lambda z: 0.75 / 1.3 * (1 - ((z + 0.5) / 1.3) ** 2), (-1.8, 0.8)),
        ),
        ("uniform", Case(uniform_posterior, (0.2, 0.6), stats.uniform(-0.4, 1.2).pdf, (-0.4, 0.8))),
        *(
            (
                f"beta-{a}",
                Case(
                    SymmetricBetaPosterior,
                    (0.2, 0.6 / math.sqrt(2 * a + 1), a),
                    stats.beta(a, a, -0.4, 1.2).pdf,
                    (-0.4, 0.8),
                ),
            )
            for a in (1.0, 2.0, 3.7)
        ),
        ("laplace", Case(laplace_posterior, (-0.3, 0.5), stats.laplace(-0.3, 0.5).pdf, (-20.3, -0.3, 19.7))),
        kde("epanechnikov", 0.7, 1.3, 1.1),
        kde("epanechnikov", -1.5, 2.0, 1.0, b=0.5),
        kde("epanechnikov", -1.5, 2.0, 0.3),
        kde("epanechnikov", 0.4, 1.0, 0.7, interval="corrected"),
        kde("uniform", 0.7, 1.3, 1.1),
        kde("uniform", 0.7, 3.0, 0.2),
        kde("uniform", 0.7, 1.0, 0.5, interval="corrected"),
        kde("gaussian", -0.7, 1.3, 0.3),
    ]
)

EACH = pytest.mark.parametrize("name", list(CASES))

EXACT = pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.batch().entropy is not None])

BOUNDED = pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.batch().reach is not None])


def expectation(case: Case, function: Callable[[float, float], float]) -> float:
    """E_q function(z, q(z)) by quadrature between the knots."""

    def integrand(z: float) -> float:
        density = float(case.density(z))
        return density * function(z, density) if density > 0 else 0.0

    pieces = zip(case.knots, case.knots[1:], strict=False)
    return sum(integrate.quad(integrand, low, high, epsabs=1e-13, epsrel=1e-13, limit=200)[0] for low, high in pieces)


def log_normal(z: Any) -> Any:
    return -0.5 * z * z - 0.5 * math.log(2 * math.pi)


@EACH
def test_moments_and_draws_are_those_of_the_density(name: str) -> None:
    case = CASES[name]
    if "gaussian" in name:
        wide = (-8.0, *case.knots, 8.0)
        case = Case(case.posterior, case.parameters, case.density, tuple(sorted(wide)))
    q = case.batch(DRAWS)
    mean = expectation(case, lambda z, _: z)
    variance = expectation(case, lambda z, _: (z - mean) ** 2)
    fourth = expectation(case, lambda z, _: (z - mean) ** 4)
    assert float(q.mean[0]) == pytest.approx(mean, abs=1e-10)
    assert float(q.variance[0]) == pytest.approx(variance, rel=1e-9)
    draws = q.rsample(torch.Generator().manual_seed(1))
    assert float(draws.mean()) == pytest.approx(mean, abs=SIGMAS * math.sqrt(variance / DRAWS))
    assert float(draws.var()) == pytest.approx(variance, abs=SIGMAS * math.sqrt((fourth - variance**2) / DRAWS))
    if q.reach is not None:
        assert float((draws - q.mean).abs().max()) <= float(q.reach[0]) * (1 + 1e-12)
        assert float(q.reach[0]) == pytest.approx((case.knots[-1] - case.knots[0]) / 2)


@EXACT
def test_entropy_and_roughness_by_quadrature(name: str) -> None:
    case = CASES[name]
    q = case.batch()
    assert q.entropy is not None
    assert q.roughness is not None
    assert float(q.entropy) == pytest.approx(expectation(case, lambda _, density: -math.log(density)), abs=1e-9)
    assert float(q.roughness) == pytest.approx(expectation(case, lambda _, density: density), rel=1e-9)


@EXACT
def test_the_kl_to_the_standard_normal_by_quadrature_and_by_monte_carlo(name: str) -> None:
    case = CASES[name]
    kl = float(kl_to_normal(case.batch()))
    exact = expectation(case, lambda z, density: math.log(density) - log_normal(z))
    assert kl == pytest.approx(exact, abs=1e-9)
    draws = case.batch(DRAWS).rsample(torch.Generator().manual_seed(2))[:, 0].numpy()
    estimates = np.log(case.density(draws)) - log_normal(draws)
    spread = estimates.std() / math.sqrt(DRAWS)
    # For the uniform posterior log q is constant: rounding is then all the spread there may be.
    assert kl == pytest.approx(estimates.mean(), abs=SIGMAS * spread + 1e-12)


@BOUNDED
@pytest.mark.parametrize("divergence", DIVERGENCES)
def test_the_divergence_from_a_uniform_prior_by_quadrature_and_by_monte_carlo(name: str, divergence: str) -> None:
    case, length = CASES[name], 7.0
    ours = float(from_uniform(case.batch(), length, divergence))
    ratio = length * case.density(case.batch(DRAWS).rsample(torch.Generator().manual_seed(4))[:, 0].numpy())
    if divergence == "kl":
        assert ours == pytest.approx(expectation(case, lambda _, density: math.log(density * length)), abs=1e-9)
        estimates, expected = np.log(ratio), ours
    else:
        # The Renyi divergence is a logarithm of a mean: the mean is what is estimated without bias.
        assert ours == pytest.approx(math.log(expectation(case, lambda _, density: density * length)), abs=1e-9)
        estimates, expected = ratio, math.exp(ours)
    spread = estimates.std() / math.sqrt(DRAWS)
    assert expected == pytest.approx(estimates.mean(), abs=SIGMAS * spread + 1e-12)


@BOUNDED
def test_the_renyi_divergence_is_never_below_the_kl(name: str) -> None:
    kl, bound = (from_uniform(CASES[name].batch(), 7.0, divergence) for divergence in DIVERGENCES)
    assert float(bound) >= float(kl) - 1e-14


@pytest.mark.parametrize(
    ("b", "r", "length", "mu", "ledger"),
    [(0.36, 1.3, 1.1, 0.7, 0.2172831985758), (0.5, 2.0, 1.0, -1.5, 0.3776162564388), (0.36, 3.0, 0.2, 0.1, None)],
)
def test_the_kl_of_algorithm_1_is_the_ledgers(
    b: float, r: float, length: float, mu: float, ledger: float | None
) -> None:
    q = KernelDensityPosterior(torch.tensor([[mu]]), torch.tensor([[r]]), torch.tensor([[length]]), b)
    assert float(kl_to_prior(q)) == pytest.approx(float(kl_to_standard_normal(b, mu, r, length)), abs=1e-12)
    if ledger is not None:
        assert float(kl_to_prior(q)) == pytest.approx(ledger, abs=5e-13)


def test_the_kl_of_the_direct_kernel_is_the_ledgers() -> None:
    q = epanechnikov_posterior(torch.tensor([[0.7]]), torch.tensor([[1.3]]))
    assert float(kl_to_prior(q)) == pytest.approx(float(direct_kl_to_standard_normal(0.7, 1.3)), abs=1e-14)


@EACH
def test_a_draw_knows_its_log_density(name: str) -> None:
    """The codes are those of `rsample`; the log-density is that of the case at them, and -inf outside the support."""
    q, case = CASES[name].batch(3000), CASES[name]
    drawn = q.draw(torch.Generator().manual_seed(5))
    assert torch.equal(drawn.codes, q.rsample(torch.Generator().manual_seed(5)))
    assert drawn.log_density is not None
    assert drawn.log_density.shape == (3000,)
    expected = torch.from_numpy(np.log(np.broadcast_to(case.density(drawn.codes[:, 0].numpy()), 3000)))
    torch.testing.assert_close(drawn.log_density, expected, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(q.log_prob(drawn.codes), drawn.log_density, rtol=1e-8, atol=1e-8)
    if q.reach is not None:
        outside = q.mean + 1.001 * q.reach * torch.randn_like(q.mean).sign()
        assert bool((q.log_prob(outside) == -math.inf).all())


@EACH
def test_the_log_density_of_a_draw_does_not_depend_on_where_the_posterior_lies(name: str) -> None:
    """Far from 0 the codes lose the digits of the noise, and a log-density found from them would too."""
    case = CASES[name]
    near, far = (case.posterior(*(torch.full((2000, 1), v) for v in (m, *case.parameters[1:]))) for m in (0.0, 1e12))
    densities = [q.draw(torch.Generator().manual_seed(6)).log_density for q in (near, far)]
    assert torch.equal(*densities)  # type: ignore[arg-type]
    assert bool(densities[1].isfinite().all())  # type: ignore[union-attr]


def test_densities_add_over_dimensions_and_one_image_has_many_rows() -> None:
    q = KernelDensityPosterior(torch.randn(1, 3), torch.rand(1, 3) + 0.5, torch.rand(1, 3) + 0.1)
    drawn = q.repeat(40).draw(torch.Generator().manual_seed(7))
    assert drawn.codes.shape == (40, 3)
    parts = [KernelDensityPosterior(q.mu[:, [d]], q.r[:, [d]], q.prior_length[:, [d]]).repeat(40) for d in range(3)]
    total = sum(part.log_prob(drawn.codes[:, [d]]) for d, part in enumerate(parts))
    torch.testing.assert_close(drawn.log_density, total)


def test_a_point_has_no_density() -> None:
    q = PointPosterior(torch.zeros(2, 3))
    assert q.draw().log_density is None
    with pytest.raises(InputError, match="the posterior none has no density: all of its mass is at one point"):
        q.log_prob(q.mu)


def test_a_point_stays_where_it_is() -> None:
    q = PointPosterior(torch.randn(4, 3))
    assert torch.equal(q.rsample(torch.Generator()), q.mu)
    assert torch.equal(q.mean, q.mu)
    assert not q.variance.any()
    assert q.spreads == {}


#: Kernels whose sum with a uniform variable has no entropy in closed form.
OPEN_SUMS = {f"kde-{kernel}" for kernel in set(KERNELS) - set(CLOSED_SUMS)}

FAMILIES = {
    "gaussian": PosteriorFamily("gaussian"),
    "epanechnikov": PosteriorFamily("epanechnikov"),
    "uniform": PosteriorFamily("uniform"),
    "beta": PosteriorFamily("beta", shape=3.5),
    "beta-encoded": PosteriorFamily("beta", shape="encoded"),
    "radial": PosteriorFamily("radial"),
    **{f"kde-{kernel}": PosteriorFamily("kde", kernel=kernel) for kernel in KERNELS},
    "kde-corrected": PosteriorFamily("kde", interval="corrected"),
    "kde-constant": PosteriorFamily("kde", prior_length=0.5),
}

INSIDE = {
    "epanechnikov": PosteriorFamily("epanechnikov", within=1.5),
    "uniform": PosteriorFamily("uniform", within=1.5),
    "beta": PosteriorFamily("beta", shape=1.0, within=1.5),
    "beta-encoded": PosteriorFamily("beta", shape="encoded", initial_shape=5.0, within=1.5),
    "radial": PosteriorFamily("radial", within=1.5),
    "kde-epanechnikov": PosteriorFamily("kde", within=1.5),
    "kde-uniform": PosteriorFamily("kde", kernel="uniform", within=1.5),
    "kde-corrected": PosteriorFamily("kde", interval="corrected", within=1.5),
    "kde-constant": PosteriorFamily("kde", prior_length=0.5, within=1.5),
    "kde-tight": PosteriorFamily("kde", prior_length=1.48, within=1.5),
}

PAIRS: list[tuple[str, PosteriorFamily, RegularisedObjective]] = [
    *(
        (f"elbo {name}", family, EvidenceLowerBound(beta=2.0))
        for name, family in FAMILIES.items()
        if name not in OPEN_SUMS
    ),
    *(
        (f"kl_bound {name}", family, EvidenceLowerBound(by="bound"))
        for name, family in FAMILIES.items()
        if "kde" in name
    ),
    *((f"kde-bound {name}", family, KernelDensityBound(10)) for name, family in FAMILIES.items() if "kde" in name),
    *((f"kl {name}", family, EvidenceLowerBound("kl")) for name, family in INSIDE.items()),
    *((f"renyi2 {name}", family, EvidenceLowerBound("renyi2")) for name, family in INSIDE.items()),
]

EVERY_PAIR = pytest.mark.parametrize(("family", "objective"), [pair[1:] for pair in PAIRS], ids=[p[0] for p in PAIRS])


@EVERY_PAIR
def test_gradients_of_the_term_are_right(family: PosteriorFamily, objective: RegularisedObjective) -> None:
    heads = tuple(torch.randn(3, 2, requires_grad=True) for _ in family.heads)

    def term(*outputs: Tensor) -> Tensor:
        return objective.regularisation(
            family.from_heads(*outputs), prior_of(objective, 3.0 if family.within else None)
        )

    assert torch.autograd.gradcheck(term, heads)


@EVERY_PAIR
def test_the_term_and_its_gradient_are_finite_in_single_precision_whatever_the_heads_say(
    family: PosteriorFamily, objective: RegularisedObjective
) -> None:
    extremes = torch.tensor([-100.0, -14.0, -3.0, 0.0, 3.0, 14.0, 100.0])
    grids = torch.meshgrid(*(extremes for _ in family.heads), indexing="ij")
    prior = prior_of(objective, 3.0 if family.within else None)
    exact = objective.regularisation(family.from_heads(*(grid.reshape(-1, 1) for grid in grids)), prior)
    heads = [grid.reshape(-1, 1).float().requires_grad_() for grid in grids]
    terms = objective.regularisation(family.from_heads(*heads), prior)
    gradients = torch.autograd.grad(terms.sum(), heads, allow_unused=True, materialize_grads=True)
    assert all(bool(tensor.isfinite().all()) for tensor in (terms, *gradients))
    if family.within is None:
        torch.testing.assert_close(terms.double(), exact, rtol=1e-4, atol=1e-4)


SHORT = {name: replace(family, within=5e-4) for name, family in INSIDE.items() if family.prior_length is None}


@pytest.mark.parametrize("family", [*INSIDE.values(), *SHORT.values()], ids=[*INSIDE, *(f"{n}-short" for n in SHORT)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inside_the_prior_by_construction_everywhere(family: PosteriorFamily, dtype: torch.dtype) -> None:
    heads = [(20 * torch.randn(4000, 3)).to(dtype) for _ in family.heads]
    q = family.from_heads(*heads)
    assert q.reach is not None
    assert family.within is not None
    assert float((q.mean.abs() + q.reach).max()) <= family.within
    assert float(q.rsample(torch.Generator().manual_seed(3)).abs().max()) <= family.within
    assert all(float(spread.min()) > 0 for spread in q.spreads.values())


def test_a_constant_b_is_not_a_head_and_is_still_logged() -> None:
    family = FAMILIES["kde-constant"]
    assert family.heads == ("mu", "r")
    assert float(family.from_heads(torch.zeros(2, 3), torch.zeros(2, 3)).spreads["B"].unique()) == 0.5
