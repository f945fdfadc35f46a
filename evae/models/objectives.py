"""What is minimised: a reconstruction term and, but for one objective, a regularisation term, in nats for one image.

Every term is summed over pixels or latent dimensions and is one number for each image, shape (N,); the loss of a
batch is the mean of their sum over its images. All terms carry the sign with which they are *minimised*, and no term
is clipped. Hold-out metrics are means of the same numbers over the hold-out images, so that training and hold-out
have one scale. The logged terms add up to the logged loss: a KL divergence that is weighted has another name.
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
    """Binary cross-entropy in nats between ``images`` in [0, 1] and the probabilities sigmoid(``logits``).

    Summed over pixels and channels: shapes (N, C, H, W) and (N, C, H, W) to (N,). For grey values between 0 and 1 its
    least value is not zero but the entropy of the pixels.
    """
    each_pixel = functional.binary_cross_entropy_with_logits(logits, images, reduction="none")
    return each_pixel.flatten(1).sum(1)


@dataclass(frozen=True)
class Objective(ABC):
    """The terms of a loss by name; the first is always ``reconstruction``.

    ``beta`` weighs the regularisation term: 1 is what the paper has, more regularises more, as in a beta-VAE.
    """

    beta: float = field(default=1.0, kw_only=True)

    @property
    @abstractmethod
    def measure(self) -> str | None:
        """What the regularisation term measures, before it is weighed; None where there is no such term."""

    @abstractmethod
    def regularisation(self, posterior: Posterior) -> Tensor:
        """Return it for each image, (N,), summed over latent dimensions; an `InputError` if it has no formula."""

    @property
    def term(self) -> str | None:
        """The regularisation term's name in the metrics: ``measure``, behind ``beta_`` where it is weighed."""
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

    For the Epanechnikov kernel I(K_r) = 3/(5r); another kernel brings its own roughness. As printed, (8) adds the
    penalty to +log p(x | z) (``eq-7.sign`` in the ledger). M is the batch size that was *configured*, also in a short
    last batch and for hold-out images: the objective is one function throughout. Summed over latent dimensions,
    averaged over images; not clipped, but r is never below `evae.models.posteriors.SMALLEST_SPREAD`.

    The term is called ``kernel_penalty``: equation (8) has it in the place of a KL divergence, which it is not.
    """

    minibatch_size: int

    measure: ClassVar[str] = "kernel_penalty"

    def regularisation(self, posterior: Posterior) -> Tensor:
        """Sum over dimensions of B I(K_r) / M."""
        if not isinstance(posterior, KernelDensityPosterior):
            raise InputError(f"the kde-bound has no formula for the {posterior.label}, which has no B.")
        return posterior.kernel_penalty(self.minibatch_size).sum(1)


@dataclass(frozen=True)
class UniformPriorBound(Objective):
    """The prior is uniform on [-l/2, l/2] in every dimension, and the posterior lies inside it.

    ``divergence`` kl: the exact KL divergence log l - h(q), for the Epanechnikov log(l/r) + log 3 - 5/3; renyi2: the
    Renyi divergence of order 2, log(l I(q)), for the Epanechnikov log(3l/(5r)), which is never below it and which
    Lemma 3.2 says the Epanechnikov kernel makes least (``beyond.repaired-bound``). Summed over latent dimensions,
    averaged over images, not clipped: a posterior that reaches beyond the prior has an infinite term.
    """

    length: float
    divergence: str = "kl"

    @property
    def measure(self) -> str:
        """``kl`` or ``renyi2``."""
        return self.divergence

    def regularisation(self, posterior: Posterior) -> Tensor:
        """Sum over dimensions of the divergence from the uniform prior."""
        entropy, roughness, reach = posterior.entropy, posterior.roughness, posterior.reach
        if entropy is None or roughness is None or reach is None:
            raise InputError(f"the uniform-prior has no finite exact formula for the {posterior.label}.")
        excess = -entropy if self.divergence == "kl" else roughness.log()
        inside = posterior.mean.abs() + reach <= self.length / 2
        return torch.where(inside, math.log(self.length) + excess, math.inf).sum(1)


@dataclass(frozen=True)
class ReconstructionAlone(Objective):
    """The reconstruction error and nothing else: no term holds the posterior's noise or its codes."""

    measure: ClassVar[None] = None

    def regularisation(self, posterior: Posterior) -> Tensor:
        """Zero."""
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
