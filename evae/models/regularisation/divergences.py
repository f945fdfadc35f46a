"""The divergences of a posterior from a prior, by the pair of their types: exact, bounded or estimated.

Each kind has a table of its own, and the name of its result says which it is: ``kl`` is exact, ``kl_bound`` is never
below the divergence, and ``kl_estimate`` has it as its expectation over the draw. A pair that lacks the kind asked for
is refused: no kind is ever taken for another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from evae.configuration.recipe import KINDS
from evae.distributions import StandardNormal
from evae.models.joint import JointPosterior
from evae.models.kernel_density import KernelDensityPosterior
from evae.models.posteriors import Draw, Posterior
from evae.models.priors.mixture import GaussianMixture
from evae.models.priors.prior import NormalPrior, Prior, UniformPrior
from foundation.errors import InputError

Formula = Callable[[Posterior, Prior, Draw | None], Tensor]
"""Computes a divergence for each image, (N,), summed over dimensions; raises `NoFormula` for laws that lack it."""

#: Beginning and end of a result's name by kind.
_ENDINGS = {"exact": "", "bound": "_bound", "draws": "_estimate"}

_STANDARD_NORMAL = StandardNormal()

_FORMULAS: dict[tuple[str, str], dict[tuple[type, type], Formula]] = {}


class NoFormula(InputError):
    """The laws lack a finite formula of a kind, such as a closed-form entropy; the sentence gives the reason."""


def register(kind: str, posterior: type, prior: type, measure: str = "kl") -> Callable[[Formula], Formula]:
    """Return a decorator that enters a formula in the table of a kind.

    Parameters
    ----------
    kind : str
        One of `evae.configuration.recipe.KINDS`.
    posterior, prior : type
        The formula also serves subclasses, unless they have one of their own.
    measure : str
        One of `evae.configuration.recipe.DIVERGENCES`.
    """

    def enter(formula: Formula) -> Formula:
        _FORMULAS.setdefault((measure, kind), {})[posterior, prior] = formula
        return formula

    return enter


def term_name(measure: str, by: str) -> str:
    """Return the name of a divergence in the metrics.

    Examples
    --------
    >>> term_name("kl", "exact"), term_name("kl", "bound"), term_name("kl", "draws")
    ('kl', 'kl_bound', 'kl_estimate')
    """
    return f"{measure}{_ENDINGS[by]}"


def divergence(
    posterior: Posterior, prior: Prior, draw: Draw | None = None, by: str = "exact", measure: str = "kl"
) -> tuple[str, Tensor]:
    """Compute the divergence of a posterior from a prior in nats.

    Parameters
    ----------
    posterior : Posterior
        Of N images.
    prior : Prior
    draw : Draw, optional
        A draw from the posterior with its log-density, which the kind ``draws`` needs.
    by : str
        The kind, one of `evae.configuration.recipe.KINDS`.
    measure : str
        ``kl``, or ``renyi2``, the Renyi divergence of order 2.

    Returns
    -------
    name : str
        `term_name`.
    values : Tensor
        Shape (N,), summed over dimensions.

    Raises
    ------
    InputError
        If the pair has no formula of this kind; the sentence names the pair and the kinds that it has.
    """
    try:
        return term_name(measure, by), _compute(posterior, prior, draw, by, measure)
    except NoFormula as refusal:
        has = kinds(posterior, prior, measure)
        raise InputError(
            f"{_describe(posterior, prior, by, measure)}: {refusal} It has {' and '.join(has) or 'none of any kind'}."
        ) from refusal


def kinds(posterior: Posterior, prior: Prior, measure: str = "kl") -> tuple[str, ...]:
    """Return those of `evae.configuration.recipe.KINDS` that a pair of laws has a finite formula for."""
    found = []
    with torch.no_grad():
        drawn = posterior.draw(torch.Generator(posterior.mean.device))
        for kind in KINDS:
            try:
                _compute(posterior, prior, drawn, kind, measure)
            except NoFormula:
                continue
            found.append(kind)
    return tuple(found)


def _describe(posterior: Posterior, prior: Prior, by: str, measure: str) -> str:
    kind = {"exact": "exact formula", "bound": "bound", "draws": "estimate"}[by]
    name = {"kl": "KL divergence", "renyi2": "Renyi divergence"}[measure]
    return f"the {name} of the {posterior.label} from {prior.label} has no {kind}"


def _compute(posterior: Posterior, prior: Prior, draw: Draw | None, by: str, measure: str) -> Tensor:
    formulas = _FORMULAS.get((measure, by), {})
    return _choose(formulas, type(posterior), type(prior))(posterior, prior, draw)


def _choose(formulas: Mapping[tuple[type, type], Formula], posterior: type, prior: type) -> Formula:
    """Return the formula of the nearest types in the orders of resolution; raise `NoFormula` if there is none."""
    fitting = [pair for pair in formulas if issubclass(posterior, pair[0]) and issubclass(prior, pair[1])]
    if not fitting:
        raise NoFormula("there is no formula for these types.")
    distances = {pair: (posterior.__mro__.index(pair[0]), prior.__mro__.index(pair[1])) for pair in fitting}
    nearest = min(fitting, key=lambda pair: distances[pair])
    if min(fitting, key=lambda pair: distances[pair][::-1]) != nearest:
        raise TypeError(f"the formulas for {posterior.__name__} and {prior.__name__} are ambiguous: register their own")
    return formulas[nearest]


@register("exact", Posterior, NormalPrior)
def _kl_to_normal(posterior: Posterior, _: Prior, __: Draw | None) -> Tensor:
    """Sum KL(q(z | x) || N(0, 1)) over dimensions, exact."""
    try:
        distribution = posterior.distribution
    except InputError as refusal:
        raise NoFormula(str(refusal)) from refusal
    return kl_divergence(distribution, _STANDARD_NORMAL).sum(1)


@register("exact", JointPosterior, NormalPrior)
def _kl_of_joint_to_normal(posterior: Posterior, _: Prior, __: Draw | None) -> Tensor:
    """Return KL(q(z | x) || N(0, I)) = -h(q) + sum of (log(2 pi) + mean^2 + variance)/2 over dimensions, exact."""
    assert isinstance(posterior, JointPosterior)
    second_moments = posterior.mean.square() + posterior.variance
    return 0.5 * (math.log(2 * math.pi) + second_moments).sum(1) - posterior.entropy


@register("bound", KernelDensityPosterior, NormalPrior)
def _kl_bound_to_normal(posterior: Posterior, _: Prior, __: Draw | None) -> Tensor:
    """Bound the KL divergence of Algorithm 1's posterior by the entropy power inequality.

    The entropy h of a sum of independent variables is at least log(e^{2 h_1} + e^{2 h_2}) / 2 of their entropies
    (Shannon 1948), with equality for normal ones.
    """
    assert isinstance(posterior, KernelDensityPosterior)
    entropy = torch.logaddexp(2 * posterior.kernel_entropy, 2 * (2 * posterior.half_length).log()) / 2
    second_moment = posterior.mean.square() + posterior.variance
    return (0.5 * (math.log(2 * math.pi) + second_moment) - entropy).sum(1)


@register("bound", Posterior, GaussianMixture)
def _kl_bound_to_mixture(posterior: Posterior, prior: Prior, _: Draw | None) -> Tensor:
    """Bound the KL divergence by -log of the sum over components of w exp(-KL), exact for a single component.

    Source: Hershey and Olsen, Approximating the Kullback Leibler divergence between Gaussian mixture models (2007).
    """
    components = prior.components()
    assert components is not None
    if posterior.entropy is None:
        raise NoFormula("its entropy has no closed form.")
    cross_entropies = components.cross_entropies(posterior.mean, posterior.variance)
    nearest = (components.log_weights[:, None] - cross_entropies).logsumexp(2).flatten()
    return -nearest - (posterior.entropy if posterior.joint else posterior.entropy.sum(1))


@register("draws", Posterior, Prior)
def _estimate(posterior: Posterior, prior: Prior, draw: Draw | None) -> Tensor:
    """Return log q(z | x) - log p(z) at the code drawn, whose expectation is the divergence."""
    if draw is None:
        raise InputError("a divergence by draws needs a draw from the posterior, got None. Give posterior.draw().")
    if draw.log_density is None:
        raise NoFormula(f"the {posterior.label} has no density.")
    return draw.log_density - prior.log_prob(draw.codes)


@register("draws", Posterior, UniformPrior)
def _estimate_inside(posterior: Posterior, prior: Prior, draw: Draw | None) -> Tensor:
    """Return the estimate for a posterior of bounded support."""
    if posterior.reach is None:
        raise NoFormula("its support is unbounded, so that the divergence is infinite.")
    return _estimate(posterior, prior, draw)


@register("exact", Posterior, UniformPrior)
def _kl_to_uniform(posterior: Posterior, prior: Prior, _: Draw | None) -> Tensor:
    """Sum log l - h(q) over dimensions."""
    if posterior.entropy is None:
        raise NoFormula("its entropy has no closed form.")
    return _excess_over_uniform(posterior, prior, -posterior.entropy)


@register("exact", Posterior, UniformPrior, measure="renyi2")
def _renyi2_to_uniform(posterior: Posterior, prior: Prior, _: Draw | None) -> Tensor:
    """Sum log(l I(q)) over dimensions."""
    log_roughness = posterior.log_roughness
    if log_roughness is None:
        raise NoFormula("its roughness has no closed form.")
    return _excess_over_uniform(posterior, prior, log_roughness)


def _excess_over_uniform(posterior: Posterior, prior: Prior, excess: Tensor) -> Tensor:
    """Sum log l + excess over dimensions; infinite for a posterior that reaches beyond the prior."""
    assert isinstance(prior, UniformPrior)
    if posterior.reach is None:
        raise NoFormula("its support is unbounded, so that the divergence is infinite.")
    inside = posterior.mean.abs() + posterior.reach <= prior.length / 2
    if posterior.joint:
        return torch.where(inside.all(1), inside.shape[1] * math.log(prior.length) + excess, math.inf)
    return torch.where(inside, math.log(prior.length) + excess, math.inf).sum(1)
