"""Training objectives: a reconstruction term and, except for one objective, a regularisation term, in nats per image.

Each term is summed over pixels or latent dimensions and has shape (N,), one value per image; the loss of a batch is
the mean over its images of their sum. All terms have the sign with which they are *minimised*, and no term is clipped.
Hold-out metrics are means of the same terms over the hold-out images, so that both have the same scale. The logged
terms add up to the logged loss: a weighted KL divergence therefore has another name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from evae.configuration.configuration import Configuration
from evae.models.importance_weighting import importance_bound, separate_gradients, weigh_gradient
from evae.models.kernel_density import KernelDensityPosterior
from evae.models.pixels import BERNOULLI, PixelLaw
from evae.models.posteriors import Draw, Posterior
from evae.models.priors.prior import Prior
from evae.models.regularisation.divergences import divergence, term_name
from evae.models.regularisation.penalties import Penalty, penalty_for
from foundation.errors import InputError


class Objective(ABC):
    """The terms of a loss by name; the first is always ``reconstruction``, -log p(x | z) of `evae.models.pixels`."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The names of the terms, in the order of `terms`."""

    @property
    def needs_density(self) -> bool:
        """Whether `terms` needs the log-density of the draw."""
        return False

    @property
    def samples(self) -> int:
        """Number of codes that are drawn for each image."""
        return 1

    @property
    def separates_gradients(self) -> bool:
        """True if encoder and decoder have different losses; `terms` then needs ``Draw.decoded``."""
        return False

    @property
    def draw_options(self) -> dict[str, Any]:
        """The keyword arguments of `VAE.forward` for which its draw has what `terms` needs."""
        return {"density": self.needs_density, "samples": self.samples, "separate": self.separates_gradients}

    @abstractmethod
    def terms(
        self,
        logits: Tensor,
        images: Tensor,
        posterior: Posterior,
        draw: Draw,
        prior: Prior | None = None,
        networks: int = 1,
        *,
        pixels: PixelLaw = BERNOULLI,
    ) -> dict[str, Tensor]:
        """Return the terms by name in nats, whose sum is the loss of each image.

        Parameters
        ----------
        logits, images : Tensor
            Shape (N, C, H, W): the decoded codes of ``draw``, and the images in [0, 1]. With several `samples` K, the
            logits have N K rows, K consecutive ones for each image, as the draw.
        posterior : Posterior
            Of the N images.
        draw : Draw
            The codes, with their log-density if `needs_density`.
        prior : Prior, optional
            The model's, if it has one.
        networks : int
            Number of stacked networks (`evae.models.networks`), whose rows follow one another.
        pixels : PixelLaw
            p(x | z) given the logits.

        Returns
        -------
        dict
            Tensors of shape (N,).
        """


@dataclass(frozen=True)
class RegularisedObjective(Objective):
    """The reconstruction error and, unless there is no ``measure``, a regularisation term.

    ``beta`` weights the regularisation term, as in a beta-VAE; the paper has 1.
    """

    beta: float = field(default=1.0, kw_only=True)

    @property
    @abstractmethod
    def measure(self) -> str | None:
        """Name of the unweighted regularisation term; None if there is none."""

    @abstractmethod
    def regularisation(self, posterior: Posterior, prior: Prior | None = None, draw: Draw | None = None) -> Tensor:
        """Compute the unweighted term for each image, (N,), summed over dimensions.

        Raises `InputError` if no formula is known for the posterior and the prior.
        """

    @property
    def term(self) -> str | None:
        """Name of the regularisation term in the metrics: ``measure``, prefixed with ``beta_`` if it is weighted."""
        return self.measure if self.measure is None or self.beta == 1 else f"beta_{self.measure}"

    @property
    def names(self) -> tuple[str, ...]:
        """``reconstruction`` and the regularisation term."""
        return ("reconstruction",) if self.term is None else ("reconstruction", self.term)

    def terms(
        self,
        logits: Tensor,
        images: Tensor,
        posterior: Posterior,
        draw: Draw,
        prior: Prior | None = None,
        networks: int = 1,  # noqa: ARG002 (each row is a function of its image alone)
        *,
        pixels: PixelLaw = BERNOULLI,
    ) -> dict[str, Tensor]:
        """Return the reconstruction error and the weighted regularisation term."""
        terms = {"reconstruction": pixels.error(logits, images)}
        if self.term is None:
            return terms
        return {**terms, self.term: self.beta * self.regularisation(posterior, prior, draw)}


@dataclass(frozen=True)
class EvidenceLowerBound(RegularisedObjective):
    """The negative ELBO, equation (2): the term is beta times the divergence of q(z | x) from the model's prior.

    ``divergence`` and ``by`` are as for `evae.models.regularisation.divergences.divergence`. With the prior uniform on
    [-l/2, l/2] in every dimension, kl is log l - h(q), for the Epanechnikov log(l/r) + log 3 - 5/3; renyi2 is log(l
    I(q)), for the Epanechnikov log(3l/(5r)), which is never below it and which, by Lemma 3.2, the Epanechnikov kernel
    minimises (``beyond.repaired-bound``). Summed over latent dimensions, averaged over images, not clipped: a posterior
    that reaches beyond a uniform prior has an infinite term.
    """

    divergence: str = "kl"
    by: str = "exact"

    @property
    def measure(self) -> str:
        """The name of the divergence, which says whether it is exact, a bound or an estimate."""
        return term_name(self.divergence, self.by)

    @property
    def needs_density(self) -> bool:
        """Whether the divergence is estimated from the draw."""
        return self.by == "draws"

    def regularisation(self, posterior: Posterior, prior: Prior | None = None, draw: Draw | None = None) -> Tensor:
        """Sum the divergence from the prior over dimensions."""
        if prior is None:
            raise InputError("the evidence lower bound needs a model with a prior, got one without. Give it a prior.")
        return divergence(posterior, prior, draw, self.by, self.divergence)[1]


@dataclass(frozen=True)
class KernelDensityBound(RegularisedObjective):
    """Equation (8) with its sign corrected: -log p(x | z) + beta sum_d B_d I(K_r) / M is minimised.

    For the Epanechnikov kernel I(K_r) = 3/(5r); another kernel has another roughness. As printed, (8) adds the
    penalty to +log p(x | z) (``eq-7.sign`` in the ledger). M is the *configured* batch size, also for a short
    last batch and for hold-out images, so that the objective is a fixed function. Summed over latent dimensions,
    averaged over images; not clipped, but r is never below `evae.models.posteriors.SMALLEST_SPREAD`.

    The term is called ``kernel_penalty``: in equation (8) it replaces the KL divergence, but it is not one.
    """

    minibatch_size: int

    measure: ClassVar[str] = "kernel_penalty"

    def regularisation(
        self,
        posterior: Posterior,
        prior: Prior | None = None,  # noqa: ARG002 (equation (8) has no prior)
        draw: Draw | None = None,  # noqa: ARG002
    ) -> Tensor:
        """Compute the sum over dimensions of B I(K_r) / M."""
        if not isinstance(posterior, KernelDensityPosterior):
            raise InputError(f"the kde-bound has no formula for the {posterior.label}, which has no B.")
        return posterior.kernel_penalty(self.minibatch_size).sum(1)


@dataclass(frozen=True)
class ReconstructionAlone(RegularisedObjective):
    """The reconstruction error without regularisation of the posterior."""

    measure: ClassVar[None] = None

    def regularisation(
        self,
        posterior: Posterior,
        prior: Prior | None = None,  # noqa: ARG002
        draw: Draw | None = None,  # noqa: ARG002
    ) -> Tensor:
        """Return zeros, shape (N,)."""
        return torch.zeros_like(posterior.mean).sum(1)


@dataclass(frozen=True)
class ImportanceWeighted(Objective):
    """The negative importance-weighted bound (`evae.models.importance_weighting`) from several codes of each image.

    The term ``importance_weighted`` is what the loss has besides the mean reconstruction error of the codes; for one
    code it is log q(z | x) - log p(z), the estimate of the KL divergence.

    Attributes
    ----------
    codes : int
        K, the number of codes in a bound.
    groups : int
        M, the number of bounds whose mean is taken.
    elbo_share : float
        Weight of the bound from single codes.
    decoder_bound : str
        ``groups``: all weights are trained with this bound. ``all``: those of the decoder and of the law of the pixels
        are trained with the bound from all M K codes in one group, the rest with this one; the terms add up to the
        negative bound from all codes.
    gradient : str
        ``plain``: the derivative of the bound. ``stl``: without the derivative of log q(z | x) with respect to its
        parameters at the drawn code; for one code its mean is the same. ``dreg``: the doubly reparametrised gradient.
        Both need a density that vanishes nowhere.
    """

    codes: int = 5
    groups: int = 1
    elbo_share: float = 0.0
    decoder_bound: str = "groups"
    gradient: str = "plain"

    names: ClassVar[tuple[str, ...]] = ("reconstruction", "importance_weighted")
    needs_density: ClassVar[bool] = True

    @property
    def samples(self) -> int:
        """M K."""
        return self.groups * self.codes

    @property
    def separates_gradients(self) -> bool:
        """Whether the decoder has a bound of its own."""
        return self.decoder_bound == "all"

    def terms(
        self,
        logits: Tensor,
        images: Tensor,
        posterior: Posterior,
        draw: Draw,
        prior: Prior | None = None,
        networks: int = 1,  # noqa: ARG002 (each image's bound is a function of its own codes)
        *,
        pixels: PixelLaw = BERNOULLI,
    ) -> dict[str, Tensor]:
        """Return the mean reconstruction error, and the rest of the negative bound."""
        if prior is None or draw.log_density is None:
            raise InputError(f"the importance-weighted bound needs a prior, and a density of the {posterior.label}.")
        errors = pixels.error(logits, images.repeat_interleave(self.samples, 0))
        log_density = draw.log_density
        if self.gradient != "plain":
            log_density = posterior.detach().repeat_each(self.samples).log_prob(draw.codes)
        log_prior = prior.log_prob(draw.codes)
        log_weights = (log_prior - errors - log_density).view(len(images), self.groups, self.codes)
        if self.gradient == "dreg":
            weigh_gradient(draw.codes, log_weights)
        bound = importance_bound(log_weights, self.elbo_share)
        if self.separates_gradients:
            of_all = importance_bound((log_prior.detach() - errors - log_density.detach()).view(len(images), 1, -1))
            direct = (log_prior - errors.detach() - log_density).view_as(log_weights)
            bound = separate_gradients(bound, importance_bound(direct, self.elbo_share), of_all, draw)
        # The gradient is that of the bound alone; its split in two terms is for the log.
        error = errors.detach().view(len(images), -1).mean(1)
        return {"reconstruction": error, "importance_weighted": -bound - error}


@dataclass(frozen=True)
class Penalised(Objective):
    """An objective with a further term, the penalty times its weight."""

    objective: Objective
    penalty: Penalty

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the objective's terms and of the penalty."""
        return (*self.objective.names, self.penalty.term)

    @property
    def needs_density(self) -> bool:
        """Whether the objective needs it."""
        return self.objective.needs_density

    @property
    def samples(self) -> int:
        """The number of the objective."""
        return self.objective.samples

    @property
    def separates_gradients(self) -> bool:
        """Whether the objective does."""
        return self.objective.separates_gradients

    def terms(
        self,
        logits: Tensor,
        images: Tensor,
        posterior: Posterior,
        draw: Draw,
        prior: Prior | None = None,
        networks: int = 1,
        *,
        pixels: PixelLaw = BERNOULLI,
    ) -> dict[str, Tensor]:
        """Return the terms of the objective, and the penalty."""
        terms = self.objective.terms(logits, images, posterior, draw, prior, networks, pixels=pixels)
        return {**terms, self.penalty.term: self.penalty.weight * self.penalty(posterior, networks)}


def objective_for(config: Configuration) -> Objective:
    """Return the objective that the configuration names, with its penalty if there is one."""
    recipe = config.recipe
    objective: Objective
    if recipe.importance_samples is not None:
        objective = ImportanceWeighted(
            recipe.importance_samples,
            groups=recipe.importance_groups or 1,
            elbo_share=recipe.elbo_share or 0.0,
            decoder_bound=recipe.decoder_bound or "groups",
            gradient=recipe.gradient or "plain",
        )
    elif recipe.beta is None:
        objective = ReconstructionAlone()
    elif recipe.divergence_by is not None:
        objective = EvidenceLowerBound(recipe.divergence or "kl", recipe.divergence_by, beta=recipe.beta)
    else:
        objective = KernelDensityBound(config.batch_size, beta=recipe.beta)
    penalty = penalty_for(recipe)
    return objective if penalty is None else Penalised(objective, penalty)
