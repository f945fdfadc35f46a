"""Laws of codes that do not depend on an image, with a density and from which new codes are drawn.

A `Prior` is a law towards which a model is trained, and a part of the model, since it may have weights of its own.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from evae.models.posteriors import Posterior


class CodeSource(ABC):
    """A law of codes, from which new images are decoded."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Description of the law."""

    @abstractmethod
    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw codes of shape (number, d_z) in single precision, on the CPU."""

    def document(self) -> dict[str, Any]:
        """Return the description as a JSON document."""
        return {"law": self.label}


class CodeLaw(CodeSource):
    """A law of codes with a density, under which images are also scored."""

    @abstractmethod
    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density in nats, (N,), at any ``codes`` (N, d_z); -inf outside the support."""

    @abstractmethod
    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean, (d_z,), and the covariance, (d_z, d_z), of the normal law that is like this near a code.

        ``code`` has the shape (d_z,) and double precision, as the moments.
        """

    @abstractmethod
    def in_double(self, device: torch.device) -> CodeLaw:
        """Return a copy of the law on a device, in double precision."""


@dataclass(frozen=True)
class Components:
    """The components of a mixture prior, normal laws with independent dimensions.

    Attributes
    ----------
    log_weights : Tensor
        Shape (networks, C).
    means, scales : Tensor
        Shape (networks, C, d_z).
    """

    log_weights: Tensor
    means: Tensor
    scales: Tensor

    def cross_entropies(self, means: Tensor, variances: Tensor) -> Tensor:
        """Compute -E log of each component's density, (networks, N, C), for laws with these moments, (rows, d_z).

        A component is normal, so that nothing else of a law matters; for codes, the variances are zero.
        """
        rows, spread = (moment.unflatten(0, (len(self.means), -1))[:, :, None] for moment in (means, variances))
        squares = (rows - self.means[:, None]).square() + spread
        each = 0.5 * (squares / self.scales[:, None].square() + math.log(2 * math.pi)) + self.scales[:, None].log()
        return each.sum(3)

    def responsibilities(self, means: Tensor, variances: Tensor) -> Tensor:
        """Compute the probability of each component for laws with these moments, (networks, N, C).

        They minimise the bound on the divergence from the mixture. The entropies of the laws do not matter.
        """
        return (self.log_weights[:, None] - self.cross_entropies(means, variances)).softmax(2)

    def in_double(self, device: torch.device) -> Components:
        """Return a copy on a device, in double precision."""
        return Components(*(each.detach().double().to(device) for each in (self.log_weights, self.means, self.scales)))


class Prior(nn.Module, CodeLaw):
    """The law towards which a model is trained.

    Learned tensors of a prior for several stacked networks (`evae.models.networks`) have these along their first
    dimension. The rows of ``codes`` in `log_prob` are then those of one network after those of another; a prior of
    several networks does not draw.

    Attributes
    ----------
    part : str, optional
        What its initial weights are named by (`evae.models.initial_weights`); None for a prior without weights.
    """

    part: ClassVar[str | None] = None

    def components(self) -> Components | None:
        """Return the components of a mixture; None for another law."""
        return None

    def attach(self, encode: Callable[[Tensor], Posterior]) -> None:
        """Use the model's encoder, ``encode`` of images, if the law depends on it."""

    def snapshot(self) -> Prior:
        """Return the law with the present weights, for repeated use while they do not change."""
        return self

    def stack(self, networks: int) -> Prior:  # noqa: ARG002 (a prior without weights serves any number of networks)
        """Return a prior of this kind for ``networks`` stacked networks, with weights that are yet to be set."""
        return self

    def in_double(self, device: torch.device) -> Prior:
        """Return a copy on a device, in double precision."""
        return copy.deepcopy(self).double().to(device)


class NormalPrior(Prior):
    """N(0, I), towards which the objective elbo regularises.

    Parameters
    ----------
    latent_dim : int
        d_z.
    """

    label = "the prior, N(0, I)"

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw standard normal codes."""
        return torch.randn(number, self.latent_dim, generator=random)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the standard normal log-density, summed over dimensions."""
        return -0.5 * (codes.square() + math.log(2 * math.pi)).sum(1)

    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return zero and the identity."""
        return _isotropic(code, 1.0)


class UniformPrior(Prior):
    """Uniform on [-l/2, l/2] in every dimension, inside which the objective uniform-prior keeps the posterior.

    Parameters
    ----------
    latent_dim : int
        d_z.
    length : float
        l.
    """

    def __init__(self, latent_dim: int, length: float) -> None:
        super().__init__()
        self.latent_dim, self.length = latent_dim, length

    @property
    def label(self) -> str:
        """Description with the interval."""
        return f"the prior, uniform on [-{self.length / 2:.4g}, {self.length / 2:.4g}]"

    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw uniform codes."""
        return self.length * (torch.rand(number, self.latent_dim, generator=random) - 0.5)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Return -d_z log l inside the box, ends included."""
        inside = (codes.abs() <= self.length / 2).all(1)
        # A tensor, because numbers would become single precision.
        log_density = codes.new_full((), -self.latent_dim * math.log(self.length))
        return torch.where(inside, log_density, -math.inf)

    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the moments of the law itself, zero and l^2/12 times the identity."""
        return _isotropic(code, self.length**2 / 12)


def _isotropic(like: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Return the mean zero and the covariance ``variance`` times the identity."""
    return torch.zeros_like(like), torch.diag(torch.full_like(like, variance))
