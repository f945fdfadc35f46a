"""The posteriors q(z | x): what the encoder's heads mean, how a code is drawn, its moments, entropy and roughness.

A posterior is a small frozen object that holds the parameters of one batch, each of shape (N, d_z). The codes of
different images and dimensions are independent given these parameters. What has no closed form, or is infinite, is
None: an objective that needs it refuses the posterior by name.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from evae.compute.random_streams import Source, drawn
from evae.distributions import STANDARD_ENTROPY, STANDARD_VARIANCE, standard_epanechnikov
from foundation.errors import InputError

#: Least value of a spread. Equation (8) divides by r, and softplus alone reaches zero in single precision.
SMALLEST_SPREAD = 1e-6


class Posterior(ABC):
    """Parameters of q(z | x) for a batch of N images. Every tensor has the shape (N, d_z)."""

    @property
    @abstractmethod
    def label(self) -> str:
        """Its name in sentences, such as ``posterior gaussian``."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """E[z | x]."""

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """Var[z | x]."""

    @property
    @abstractmethod
    def spreads(self) -> dict[str, Tensor]:
        """The positive parameters by their name in the paper, for the log."""

    @property
    def reach(self) -> Tensor | None:
        """Half the length of the support, which is centred at the mean; None where it is unbounded."""
        return None

    @property
    def entropy(self) -> Tensor | None:
        """Differential entropy in nats, exact; None without a density or a closed form."""
        return None

    @property
    def roughness(self) -> Tensor | None:
        """Integral of the squared density, exact; None without a density or a closed form."""
        return None

    @abstractmethod
    def rsample(self, generator: Source = None) -> Tensor:
        """Draw one code for every image, differentiable in the parameters.

        ``generator`` may be the `evae.compute.random_streams.RowsOf` a batch, where these images are some of its rows.
        """

    def kl_to_standard_normal(self) -> Tensor:
        """KL(q || N(0, 1)) = -h(q) + log(2 pi)/2 + (mean^2 + variance)/2 in nats, exact, for every dimension.

        Raises
        ------
        InputError
            If the entropy has no closed form.
        """
        entropy = self.entropy
        if entropy is None:
            raise InputError(f"the elbo has no exact formula for the {self.label}.")
        return 0.5 * (math.log(2 * math.pi) + self.mean.square() + self.variance) - entropy


@dataclass(frozen=True)
class PointPosterior(Posterior):
    """z = mu, without noise: a plain autoencoder's code. It has no density."""

    mu: Tensor

    label: ClassVar[str] = "posterior none"

    @property
    def mean(self) -> Tensor:
        """The point, mu."""
        return self.mu

    @property
    def variance(self) -> Tensor:
        """Zero."""
        return torch.zeros_like(self.mu)

    @property
    def spreads(self) -> dict[str, Tensor]:
        """Nothing is spread."""
        return {}

    def rsample(self, generator: Source = None) -> Tensor:  # noqa: ARG002 (there is nothing to draw)
        """Return mu."""
        return self.mu


@dataclass(frozen=True)
class GaussianPosterior(Posterior):
    """z = mu + sigma * eps with eps standard normal: the vanilla VAE's.

    sigma is made positive by softplus, as r and B of `KernelDensityPosterior` are, so that the models differ in
    their noise and not in how a spread is parametrised.
    """

    mu: Tensor
    sigma: Tensor

    label: ClassVar[str] = "posterior gaussian"

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

    @property
    def entropy(self) -> Tensor:
        """The entropy, log sigma + log(2 pi e)/2."""
        return self.sigma.log() + 0.5 * math.log(2 * math.pi * math.e)

    @property
    def roughness(self) -> Tensor:
        """1 / (2 sqrt(pi) sigma)."""
        return 1 / (2 * math.sqrt(math.pi) * self.sigma)

    def rsample(self, generator: Source = None) -> Tensor:
        """Draw mu + sigma * eps."""
        return self.mu + self.sigma * drawn(torch.randn, self.mu, generator)

    def kl_to_standard_normal(self) -> Tensor:
        """KL(N(mu, sigma^2) || N(0, 1)) in nats, without the constants that cancel."""
        return 0.5 * (self.mu.square() + self.sigma.square() - 1) - self.sigma.log()


@dataclass(frozen=True)
class EpanechnikovPosterior(Posterior):
    """z = mu + r K with K standard Epanechnikov: the kernel itself as the noise. Variance r^2 / 5."""

    mu: Tensor
    r: Tensor

    label: ClassVar[str] = "posterior epanechnikov"

    @property
    def mean(self) -> Tensor:
        """The mean, mu."""
        return self.mu

    @property
    def variance(self) -> Tensor:
        """The variance, r^2 / 5."""
        return STANDARD_VARIANCE * self.r.square()

    @property
    def spreads(self) -> dict[str, Tensor]:
        """The half-width, r."""
        return {"r": self.r}

    @property
    def reach(self) -> Tensor:
        """The half-width, r."""
        return self.r

    @property
    def entropy(self) -> Tensor:
        """The entropy, log r + 5/3 - log 3."""
        return self.r.log() + STANDARD_ENTROPY

    @property
    def roughness(self) -> Tensor:
        """3 / (5 r), the least of Lemma 3.2."""
        return 3 / (5 * self.r)

    def rsample(self, generator: Source = None) -> Tensor:
        """Draw mu + r K by Algorithm 2."""
        return self.mu + self.r * drawn(standard_epanechnikov, self.mu, generator)


@dataclass(frozen=True)
class UniformPosterior(Posterior):
    """z = mu + r U with U uniform on [-1, 1]. Variance r^2 / 3."""

    mu: Tensor
    r: Tensor

    label: ClassVar[str] = "posterior uniform"

    @property
    def mean(self) -> Tensor:
        """The mean, mu."""
        return self.mu

    @property
    def variance(self) -> Tensor:
        """The variance, r^2 / 3."""
        return self.r.square() / 3

    @property
    def spreads(self) -> dict[str, Tensor]:
        """The half-width, r."""
        return {"r": self.r}

    @property
    def reach(self) -> Tensor:
        """The half-width, r."""
        return self.r

    @property
    def entropy(self) -> Tensor:
        """The entropy, log 2r."""
        return (2 * self.r).log()

    @property
    def roughness(self) -> Tensor:
        """1 / 2r."""
        return 1 / (2 * self.r)

    def rsample(self, generator: Source = None) -> Tensor:
        """Draw mu + r U."""
        return self.mu + self.r * standard_uniform(self.mu, generator)


def standard_uniform(like: Tensor, generator: Source) -> Tensor:
    """Draw from the uniform law on [-1, 1] in the shape, type and device of ``like``."""
    return 2 * drawn(torch.rand, like, generator) - 1
