"""The posterior whose noise is a symmetric beta kernel, of a fixed or a learned shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from evae.compute.random_streams import NoiseSource, draw
from evae.configuration.noises import LARGEST_SHAPE
from evae.distributions.kernels import SymmetricBeta
from evae.distributions.kernels.symmetric_beta import (
    log_normaliser,
    standard_entropy,
    standard_log_roughness,
    transform_uniforms,
)
from evae.models.posteriors import Draw, Posterior

#: Change of log(a - 1) for a unit of `LearnedShape`'s weight. A step of Adam moves every weight by about the learning
#: rate; an output of the encoder moves further, because hundreds of weights have a part in it, and so should a.
LEARNING_RATIO = 30.0


@dataclass(frozen=True)
class SymmetricBetaPosterior(Posterior):
    """z = mu + sigma sqrt(2a + 1) u, with u on [-1, 1] of density proportional to (1 - u^2)^(a - 1).

    The variance is sigma^2 for every shape a, so that shapes are compared at equal variance, as in Lemma 3.2: the noise
    is uniform for a = 1, Epanechnikov for a = 2, and Gaussian in the limit of a large a.

    Attributes
    ----------
    mu, sigma : Tensor
        Shape (N, d_z).
    shape : Tensor
        a >= 1, of shape (N, 1) or (N, d_z).
    """

    mu: Tensor
    sigma: Tensor
    shape: Tensor

    label: ClassVar[str] = "posterior beta"

    @property
    def scale(self) -> Tensor:
        """Half the length of the support."""
        return self.sigma * reach_of(self.shape)

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
        """The standard deviation, and the shape of the kernel."""
        return {"sigma": self.sigma, "a": self.shape}

    @property
    def reach(self) -> Tensor:
        """Half the length of the support."""
        return self.scale

    @property
    def entropy(self) -> Tensor:
        """The entropy of the kernel, shifted by the logarithm of its scale."""
        return self.scale.log() + standard_entropy(self.shape)

    @property
    def log_roughness(self) -> Tensor:
        """The logarithm of the kernel's roughness over its scale."""
        return standard_log_roughness(self.shape) - self.scale.log()

    @property
    def roughness(self) -> Tensor:
        """The roughness of the kernel over its scale."""
        return self.log_roughness.exp()

    @property
    def distribution(self) -> Distribution:
        """The symmetric beta law."""
        return SymmetricBeta(self.mu, self.scale, self.shape, validate_args=False)

    def rsample(self, generator: NoiseSource = None) -> Tensor:
        """Draw by two uniform variables for each code and dimension, differentiable in the shape too."""
        return self.mu + self.scale * self._draw_noise(generator)[0]

    def draw(self, generator: NoiseSource = None) -> Draw:
        """Draw as `rsample`; the log-density follows from the distances of the noise from its ends."""
        u, log_complement = self._draw_noise(generator)
        scale = self.scale
        log_density = (self.shape - 1) * log_complement - log_normaliser(self.shape) - scale.log()
        return Draw(self.mu + scale * u, log_density.sum(1))

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density of the symmetric beta law."""
        return self.distribution.log_prob(codes).sum(1)

    def _draw_noise(self, generator: NoiseSource) -> tuple[Tensor, Tensor]:
        """Draw u, and log(1 - u^2)."""
        first, second = (draw(torch.rand, self.mu, generator) for _ in range(2))
        return transform_uniforms(first, second, self.shape)


def reach_of(shape: Tensor) -> Tensor:
    """Return half the length of the support of the kernel of variance 1, sqrt(2a + 1)."""
    return (2 * shape + 1).sqrt()


def shape_from(log_ratio: Tensor, initial: float) -> Tensor:
    """Return a = 1 + (initial - 1) exp(log_ratio), at most `LARGEST_SHAPE`."""
    return 1 + (initial - 1) * log_ratio.clamp(max=math.log((LARGEST_SHAPE - 1) / (initial - 1))).exp()


class LearnedShape(nn.Module):
    """The logarithm of (a - 1) over its initial value, one for each stacked network: zero before the first step.

    Parameters
    ----------
    networks : int
        Number of stacked networks.
    """

    def __init__(self, networks: int = 1) -> None:
        super().__init__()
        self.log_ratio = nn.Parameter(torch.zeros(networks))

    def reset_parameters(self) -> None:
        """Return to the initial shape."""
        nn.init.zeros_(self.log_ratio)

    def forward(self, rows: int) -> Tensor:
        """Return the logarithm for each of ``rows`` images, (rows, 1); a network has an equal share of them."""
        networks = len(self.log_ratio)
        return (LEARNING_RATIO * self.log_ratio)[:, None].expand(networks, rows // networks).reshape(rows, 1)
