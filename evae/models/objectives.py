"""Training objectives: a reconstruction term and, except for one objective, a regularisation term, in nats per image.

Each term is summed over pixels or latent dimensions and has shape (N,), one value per image; the loss of a batch is
the mean over its images of their sum. All terms have the sign with which they are *minimised*, and no term is clipped.
Hold-out metrics are means of the same terms over the hold-out images, so that both have the same scale. The logged
terms add up to the logged loss: a weighted KL divergence therefore has another name.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import kl_divergence
from torch.nn import functional

from evae.configuration.configuration import Configuration
from evae.distributions import StandardNormal
from evae.models.kernel_density import KernelDensityPosterior
from evae.models.posteriors import Posterior
from foundation.errors import InputError


def reconstruction_error(logits: Tensor, images: Tensor) -> Tensor:
    """Compute the binary cross-entropy in nats between ``images`` in [0, 1] and the probabilities sigmoid(``logits``).

    Summed over pixels and channels: shapes (N, C, H, W) and (N, C, H, W) to (N,). For grey values strictly between 0
    and 1 the minimum is not zero but the entropy of the pixels.
    """
    each_pixel = functional.binary_cross_entropy_with_logits(logits, images, reduction="none")
    return each_pixel.flatten(1).sum(1)


@dataclass(frozen=True)
class Objective(ABC):
    """The terms of a loss by name; the first is always ``reconstruction``.

    ``beta`` weights the regularisation term, as in a beta-VAE; the paper has 1.
    """

    beta: float = field(default=1.0, kw_only=True)

    @property
    @abstractmethod
    def measure(self) -> str | None:
        """Name of the unweighted regularisation term; None if there is none."""

    @abstractmethod
    def regularisation(self, posterior: Posterior) -> Tensor:
        """Compute the unweighted term for each image, (N,), summed over dimensions.

        Raises `InputError` if no formula is known for the posterior.
        """

    @property
    def term(self) -> str | None:
        """Name of the regularisation term in the metrics: ``measure``, prefixed with ``beta_`` if it is weighted."""
        return self.measure if self.measure is None or self.beta == 1 else f"beta_{self.measure}"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the terms, in the order of `terms`."""
        return ("reconstruction",) if self.term is None else ("reconstruction", self.term)

    def terms(self, logits: Tensor, images: Tensor, posterior: Posterior) -> dict[str, Tensor]:
        """Return the terms by name, each of shape (N,), in nats; their sum is the loss of each image."""
        terms = {"reconstruction": reconstruction_error(logits, images)}
        return terms if self.term is None else {**terms, self.term: self.beta * self.regularisation(posterior)}


@dataclass(frozen=True)
class EvidenceLowerBound(Objective):
    """The negative ELBO, equation (2): the term is beta KL(q(z | x) || N(0, I)), exact.

    Summed over latent dimensions, averaged over images, not clipped.
    """

    measure: ClassVar[str] = "kl"
    prior: ClassVar[StandardNormal] = StandardNormal()

    def regularisation(self, posterior: Posterior) -> Tensor:
        """Sum KL(q(z | x) || N(0, 1)) over dimensions, exact."""
        try:
            distribution = posterior.distribution
        except InputError as refusal:
            raise InputError(f"the elbo has no exact formula for the {posterior.label}.") from refusal
        return kl_divergence(distribution, self.prior).sum(1)


@dataclass(frozen=True)
class KernelDensityBound(Objective):
    """Equation (8) with its sign corrected: -log p(x | z) + beta sum_d B_d I(K_r) / M is minimised.

    For the Epanechnikov kernel I(K_r) = 3/(5r); another kernel has another roughness. As printed, (8) adds the
    penalty to +log p(x | z) (``eq-7.sign`` in the ledger). M is the *configured* batch size, also for a short
    last batch and for hold-out images, so that the objective is a fixed function. Summed over latent dimensions,
    averaged over images; not clipped, but r is never below `evae.models.posteriors.SMALLEST_SPREAD`.

    The term is called ``kernel_penalty``: in equation (8) it replaces the KL divergence, but it is not one.
    """

    minibatch_size: int

    measure: ClassVar[str] = "kernel_penalty"

    def regularisation(self, posterior: Posterior) -> Tensor:
        """Compute the sum over dimensions of B I(K_r) / M."""
        if not isinstance(posterior, KernelDensityPosterior):
            raise InputError(f"the kde-bound has no formula for the {posterior.label}, which has no B.")
        return posterior.kernel_penalty(self.minibatch_size).sum(1)


@dataclass(frozen=True)
class UniformPriorBound(Objective):
    """The prior is uniform on [-l/2, l/2] in every dimension, and the posterior lies inside it.

    ``divergence`` kl: the exact KL divergence log l - h(q), for the Epanechnikov log(l/r) + log 3 - 5/3; renyi2: the
    Renyi divergence of order 2, log(l I(q)), for the Epanechnikov log(3l/(5r)), which is never below it and which,
    by Lemma 3.2, the Epanechnikov kernel minimises (``beyond.repaired-bound``). Summed over latent dimensions,
    averaged over images, not clipped: a posterior that reaches beyond the prior has an infinite term.
    """

    length: float
    divergence: str = "kl"

    @property
    def measure(self) -> str:
        """``kl`` or ``renyi2``."""
        return self.divergence

    def regularisation(self, posterior: Posterior) -> Tensor:
        """Compute the sum over dimensions of the divergence from the uniform prior."""
        entropy, roughness, reach = posterior.entropy, posterior.roughness, posterior.reach
        if entropy is None or roughness is None or reach is None:
            raise InputError(f"the uniform-prior has no finite exact formula for the {posterior.label}.")
        excess = -entropy if self.divergence == "kl" else roughness.log()
        inside = posterior.mean.abs() + reach <= self.length / 2
        return torch.where(inside, math.log(self.length) + excess, math.inf).sum(1)


@dataclass(frozen=True)
class ReconstructionAlone(Objective):
    """The reconstruction error without regularisation of the posterior."""

    measure: ClassVar[None] = None

    def regularisation(self, posterior: Posterior) -> Tensor:
        """Return zeros, shape (N,)."""
        return torch.zeros_like(posterior.mean).sum(1)


def objective_for(config: Configuration) -> Objective:
    """Return the objective that the configuration names."""
    recipe = config.recipe
    if recipe.beta is None:
        return ReconstructionAlone()
    if recipe.objective == "elbo":
        return EvidenceLowerBound(beta=recipe.beta)
    if recipe.objective == "kde-bound":
        return KernelDensityBound(config.batch_size, beta=recipe.beta)
    assert recipe.uniform_length is not None
    assert recipe.divergence is not None
    return UniformPriorBound(recipe.uniform_length, recipe.divergence, beta=recipe.beta)
