"""The posterior of Algorithm 1: a kernel's noise plus uniform noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evae.compute.random_streams import Source, drawn
from evae.configuration.recipe import STEP_SIZE
from evae.distributions import STANDARD_VARIANCE, standard_epanechnikov
from evae.distributions import closed_forms as convolutions
from evae.models.posteriors import Posterior, standard_uniform


def step_size(m: int = 100) -> float:
    """b(m) = m^(-2/9), the bandwidth of the kernel density estimator.

    Source: Section 4, which takes b(100) = 0.3594 whatever the batch: m counts draws from the prior, not images.
    """
    return float(m ** (-2 / 9))


Combination = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class NoiseKernel:
    """K of Algorithm 1, of mean 0 and variance 1/5 whatever its shape.

    Parameters
    ----------
    draw : callable
        Of a tensor like which to draw, and a generator.
    roughness : float
        I(K), the integral of the squared density.
    half_width : float, optional
        Half the length of the support; None if unbounded.
    entropy_with_uniform, roughness_with_uniform : callable, optional
        Of s K' + B U as in `evae.distributions.closed_forms`, of s and B, K' being K scaled to the support [-1, 1].
    """

    draw: Callable[[Tensor, Source], Tensor]
    roughness: float
    half_width: float | None = None
    entropy_with_uniform: Combination | None = None
    roughness_with_uniform: Combination | None = None


def _draw_epanechnikov(like: Tensor, generator: Source) -> Tensor:
    return drawn(standard_epanechnikov, like, generator)


def _draw_gaussian(like: Tensor, generator: Source) -> Tensor:
    return math.sqrt(STANDARD_VARIANCE) * drawn(torch.randn, like, generator)


def _draw_uniform(like: Tensor, generator: Source) -> Tensor:
    return math.sqrt(3 * STANDARD_VARIANCE) * standard_uniform(like, generator)


NOISE_KERNELS = {
    "epanechnikov": NoiseKernel(
        _draw_epanechnikov, 3 / 5, 1.0, convolutions.epanechnikov_entropy, convolutions.epanechnikov_roughness
    ),
    # There is no closed form of the entropy of a normal plus a uniform variable.
    "gaussian": NoiseKernel(_draw_gaussian, 1 / (2 * math.sqrt(math.pi * STANDARD_VARIANCE))),
    "uniform": NoiseKernel(
        _draw_uniform,
        1 / (2 * math.sqrt(3 * STANDARD_VARIANCE)),
        math.sqrt(3 * STANDARD_VARIANCE),
        convolutions.uniform_entropy,
        convolutions.uniform_roughness,
    ),
}


@dataclass(frozen=True)
class KernelDensityPosterior(Posterior):
    """z = b (mu + r K) + U with K of variance 1/5 and U uniform: Algorithm 1, equation (10).

    K is ``kernel``, one of `NOISE_KERNELS`; b is the constant `step_size`. U is drawn from [-B, B] as Algorithm 1
    prints it (``interval`` printed), though the text calls B the length of that interval (``eq-6.interval-length`` in
    the ledger): from [-B/2, B/2] if ``interval`` is corrected. Mean b mu; variance b^2 r^2 / 5 + H^2 / 3, H being half
    the length of U's interval.
    """

    mu: Tensor
    r: Tensor
    prior_length: Tensor
    b: float = STEP_SIZE
    kernel: str = "epanechnikov"
    interval: str = "printed"

    @property
    def label(self) -> str:
        """Its name with its kernel."""
        return f"posterior kde with the {self.kernel} kernel"

    @property
    def noise(self) -> NoiseKernel:
        """The kernel, K."""
        return NOISE_KERNELS[self.kernel]

    @property
    def half_length(self) -> Tensor:
        """Half the length of the interval from which U is drawn."""
        return self.prior_length if self.interval == "printed" else self.prior_length / 2

    @property
    def mean(self) -> Tensor:
        """The mean, b mu."""
        return self.b * self.mu

    @property
    def variance(self) -> Tensor:
        """The variance, that of the kernel's part and that of the uniform part."""
        return STANDARD_VARIANCE * (self.b * self.r).square() + self.half_length.square() / 3

    @property
    def spreads(self) -> dict[str, Tensor]:
        """The kernel's r, before the step size b, and the B of the uniform part, as the paper calls it."""
        return {"r": self.r, "B": self.prior_length}

    @property
    def reach(self) -> Tensor | None:
        """The sum of the half-widths; None for the Gaussian kernel."""
        half_width = self.noise.half_width
        return None if half_width is None else self.b * half_width * self.r + self.half_length

    @property
    def entropy(self) -> Tensor | None:
        """The closed forms of `evae.distributions.closed_forms`; None for the Gaussian kernel."""
        return self._combine(self.noise.entropy_with_uniform)

    @property
    def roughness(self) -> Tensor | None:
        """The closed forms of `evae.distributions.closed_forms`; None for the Gaussian kernel."""
        return self._combine(self.noise.roughness_with_uniform)

    def _combine(self, formula: Combination | None) -> Tensor | None:
        half_width = self.noise.half_width
        if formula is None or half_width is None:
            return None
        return formula(self.b * half_width * self.r, self.half_length)

    def rsample(self, generator: Source = None) -> Tensor:
        """Draw as Algorithm 1 does."""
        kernel = self.noise.draw(self.mu, generator)
        uniform = standard_uniform(self.mu, generator)
        return self.b * (self.mu + self.r * kernel) + self.half_length * uniform

    def kernel_penalty(self, minibatch_size: int) -> Tensor:
        """B I(K_r) / M for every dimension, in nats; for the Epanechnikov kernel 3 B / (5 M r).

        I(K_r) = I(K)/r is the roughness of r K, before the step size; 3/(5r) is the least of Lemma 3.2. B is as it is
        printed, whatever the interval. Source: equation (8).
        """
        return self.noise.roughness * self.prior_length / (minibatch_size * self.r)
