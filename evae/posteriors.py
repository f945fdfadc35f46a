"""The posteriors q(z | x): what the encoder's heads mean, how a code is drawn, and its first two moments.

A posterior is a small frozen object that holds the parameters of one batch, each of shape (N, d_z). The codes of
different images and dimensions are independent given these parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from evae.distributions import STANDARD_VARIANCE, standard_epanechnikov

#: Least value of a spread. Equation (8) divides by r, and softplus alone reaches zero in single precision.
SMALLEST_SPREAD = 1e-6


def step_size(m: int = 100) -> float:
    """b(m) = m^(-2/9), the bandwidth of the kernel density estimator.

    Source: Section 4, which takes b(100) = 0.3594 whatever the batch: m counts draws from the prior, not images.
    """
    return float(m ** (-2 / 9))


def positive(raw: Tensor) -> Tensor:
    """Map a head's output to a spread: softplus, and never below `SMALLEST_SPREAD`, with a gradient everywhere."""
    return functional.softplus(raw) + SMALLEST_SPREAD


class Posterior(ABC):
    """Parameters of q(z | x) for a batch of N images.

    ``heads`` names the outputs of the encoder that `from_heads` takes, in their order.
    """

    heads: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def from_heads(cls, *outputs: Tensor) -> Posterior:
        """Make the posterior from the unconstrained outputs of the heads, each of shape (N, d_z)."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """E[z | x], of shape (N, d_z)."""

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """Var[z | x], of shape (N, d_z)."""

    @property
    @abstractmethod
    def spreads(self) -> dict[str, Tensor]:
        """The positive parameters by their name in the paper, for the log; each of shape (N, d_z)."""

    @abstractmethod
    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw one code for every image, of shape (N, d_z), differentiable in the parameters."""


@dataclass(frozen=True)
class GaussianPosterior(Posterior):
    """z = mu + sigma * eps with eps standard normal: the vanilla VAE's.

    sigma is made positive by softplus, as r and B of `KernelDensityPosterior` are, so that the models differ in
    their noise and not in how a spread is parametrised.
    """

    mu: Tensor
    sigma: Tensor

    heads: ClassVar[tuple[str, ...]] = ("mu", "sigma")

    @classmethod
    def from_heads(cls, *outputs: Tensor) -> GaussianPosterior:
        """Take mu as it is, and sigma through `positive`."""
        mu, sigma = outputs
        return cls(mu, positive(sigma))

    @property
    def mean(self) -> Tensor:
        """The mean, mu."""
        return self.mu

    @property
    def variance(self) -> Tensor:
        """The variance, sigma^2."""
        return self.sigma.square()

    @property
    def spreads(self) -> dict[str, Tensor]:
        """The standard deviation, sigma."""
        return {"sigma": self.sigma}

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw mu + sigma * eps."""
        noise = torch.randn(self.mu.shape, generator=generator, dtype=self.mu.dtype, device=self.mu.device)
        return self.mu + self.sigma * noise

    def kl_to_standard_normal(self) -> Tensor:
        """KL(N(mu, sigma^2) || N(0, 1)) in nats, for every dimension: shape (N, d_z)."""
        return 0.5 * (self.mu.square() + self.sigma.square() - 1) - self.sigma.log()


@dataclass(frozen=True)
class KernelDensityPosterior(Posterior):
    """z = b (mu + r K) + U with K standard Epanechnikov and U uniform on [-B, B]: Algorithm 1, equation (10).

    mu, r and B are outputs of the encoder, r and B made positive by softplus; b is the constant `step_size`.
    U is drawn from [-B, B] as Algorithm 1 prints it, though the text calls B the length of that interval
    (``eq-6.interval-length`` in the ledger). Mean b mu, variance b^2 r^2 / 5 + B^2 / 3.
    """

    mu: Tensor
    r: Tensor
    half_length: Tensor
    b: float = step_size()

    heads: ClassVar[tuple[str, ...]] = ("mu", "r", "B")

    @classmethod
    def from_heads(cls, *outputs: Tensor) -> KernelDensityPosterior:
        """Take mu as it is, and r and B through `positive`."""
        mu, r, half_length = outputs
        return cls(mu, positive(r), positive(half_length))

    @property
    def mean(self) -> Tensor:
        """The mean, b mu."""
        return self.b * self.mu

    @property
    def variance(self) -> Tensor:
        """The variance, b^2 r^2 / 5 + B^2 / 3."""
        kernel = STANDARD_VARIANCE * (self.b * self.r).square()
        return kernel + self.half_length.square() / 3

    @property
    def spreads(self) -> dict[str, Tensor]:
        """The kernel's half-width r, before the step size b, and the half-length B of the uniform part."""
        return {"r": self.r, "B": self.half_length}

    def rsample(self, generator: torch.Generator | None = None) -> Tensor:
        """Draw as Algorithm 1 does."""
        shape, dtype, device = self.mu.shape, self.mu.dtype, self.mu.device
        kernel = standard_epanechnikov(shape, generator=generator, dtype=dtype, device=device)
        uniform = 2 * torch.rand(shape, generator=generator, dtype=dtype, device=device) - 1
        return self.b * (self.mu + self.r * kernel) + self.half_length * uniform

    def kernel_penalty(self, minibatch_size: int) -> Tensor:
        """B I(K*) / M = 3 B / (5 M r) for every dimension, in nats: shape (N, d_z).

        I(K*) = 3/(5r) is the least roughness of Lemma 3.2. Source: equation (8).
        """
        return 3 * self.half_length / (5 * minibatch_size * self.r)


POSTERIORS: dict[str, type[Posterior]] = {"gaussian": GaussianPosterior, "kde": KernelDensityPosterior}
