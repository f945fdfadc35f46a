"""What is minimised: a reconstruction term and a regularisation term, each in nats for one image.

Every term is summed over pixels or latent dimensions and is one number for each image, shape (N,); the loss of a
batch is the mean of their sum over its images. All terms carry the sign with which they are *minimised*. Hold-out
metrics are means of the same numbers over the hold-out images, so that training and hold-out have one scale.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from evae.configuration import Configuration
from evae.posteriors import GaussianPosterior, KernelDensityPosterior, Posterior
from theory.errors import InputError


def reconstruction_error(logits: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy in nats between ``images`` in [0, 1] and the probabilities sigmoid(``logits``).

    Summed over pixels and channels: shapes (N, C, H, W) and (N, C, H, W) to (N,). For grey values between 0 and 1 its
    least value is not zero but the entropy of the pixels.
    """
    each_pixel = functional.binary_cross_entropy_with_logits(logits, images, reduction="none")
    return each_pixel.flatten(1).sum(1)


class Objective(ABC):
    """A regularisation term beside the reconstruction error; ``term`` is its name in the metrics."""

    term: ClassVar[str]

    @abstractmethod
    def regularisation(self, posterior: Posterior) -> Tensor:
        """Return the term of each image, (N,), summed over latent dimensions; an `InputError` if it has no formula."""

    def terms(self, logits: Tensor, images: Tensor, posterior: Posterior) -> dict[str, Tensor]:
        """Return both terms by name, each of shape (N,), in nats; their sum is the loss of each image."""
        return {
            "reconstruction": reconstruction_error(logits, images),
            self.term: self.regularisation(posterior),
        }


@dataclass(frozen=True)
class EvidenceLowerBound(Objective):
    """The negative ELBO, equation (2): the term is KL(q(z | x) || N(0, I)), exact."""

    term: ClassVar[str] = "kl"

    def regularisation(self, posterior: Posterior) -> Tensor:
        """KL(q(z | x) || N(0, I)), exact."""
        if not isinstance(posterior, GaussianPosterior):
            raise InputError(f"the elbo has no exact formula for a {type(posterior).__name__}.")
        return posterior.kl_to_standard_normal().sum(1)


@dataclass(frozen=True)
class KernelDensityBound(Objective):
    """Equation (8) with its sign corrected: -log p(x | z) + sum_d 3 B_d / (5 M r_d) is minimised.

    As printed, (8) adds the penalty to +log p(x | z) (``eq-7.sign`` in the ledger). M is the batch size that was
    *configured*, also in a short last batch and for hold-out images: the objective is one function throughout.
    """

    minibatch_size: int

    term: ClassVar[str] = "kernel_penalty"

    def regularisation(self, posterior: Posterior) -> Tensor:
        """Sum over dimensions of 3 B / (5 M r)."""
        if not isinstance(posterior, KernelDensityPosterior):
            raise InputError(f"the kde-bound has no exact formula for a {type(posterior).__name__}.")
        return posterior.kernel_penalty(self.minibatch_size).sum(1)


def objective_for(config: Configuration) -> Objective:
    """Return the objective that the configuration names."""
    if config.preset.objective == "elbo":
        return EvidenceLowerBound()
    return KernelDensityBound(minibatch_size=config.batch_size)
