"""Priors: laws of codes that do not depend on an image, with a density and from which new codes are drawn."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evae.configuration.recipe import Recipe


class Prior(ABC):
    """A law of codes, from which new images are decoded and under which images are scored."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Description of the law."""

    @abstractmethod
    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw codes of shape (number, d_z) in single precision, on the CPU."""

    @abstractmethod
    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density in nats, (N,), at any ``codes`` (N, d_z); -inf outside the support."""

    @abstractmethod
    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean, (d_z,), and the covariance, (d_z, d_z), of the normal law that is like this near a code.

        ``code`` has the shape (d_z,) and double precision, as the moments.
        """

    def to(self, device: torch.device) -> Prior:  # noqa: ARG002 (a law without tensors is on every device)
        """Return the same law with its tensors on a device."""
        return self

    def document(self) -> dict[str, Any]:
        """Return the description as a JSON document."""
        return {"law": self.label}


@dataclass(frozen=True)
class NormalPrior(Prior):
    """N(0, I), towards which the objective elbo regularises."""

    latent_dim: int
    label: str = "the prior, N(0, I)"

    def draw(self, number: int, random: torch.Generator) -> Tensor:
        """Draw standard normal codes."""
        return torch.randn(number, self.latent_dim, generator=random)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the standard normal log-density, summed over dimensions."""
        return -0.5 * (codes.square() + math.log(2 * math.pi)).sum(1)

    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return zero and the identity."""
        return _isotropic(code, 1.0)


@dataclass(frozen=True)
class UniformPrior(Prior):
    """Uniform on [-l/2, l/2] in every dimension, inside which the objective uniform-prior keeps the posterior."""

    latent_dim: int
    length: float

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
        log_density = codes.new_tensor(-self.latent_dim * math.log(self.length))
        return torch.where(inside, log_density, -math.inf)

    def moments_near(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Return the moments of the law itself, zero and l^2/12 times the identity."""
        return _isotropic(code, self.length**2 / 12)


def fixed_prior(recipe: Recipe, latent_dim: int) -> Prior | None:
    """Return the fixed prior towards which a model is trained; None if its objective has none."""
    if recipe.objective == "elbo":
        return NormalPrior(latent_dim)
    if recipe.uniform_length is not None:
        return UniformPrior(latent_dim, recipe.uniform_length)
    return None


def _isotropic(like: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """Return the mean zero and the covariance ``variance`` times the identity."""
    return torch.zeros_like(like), torch.diag(torch.full_like(like, variance))
