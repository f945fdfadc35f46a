"""The posterior of Algorithm 1: a kernel's noise plus uniform noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Distribution

from evae.compute.random_streams import NoiseSource
from evae.configuration.noises import KERNEL_NOISES, NOISES, Noise
from evae.configuration.recipe import STEP_SIZE
from evae.distributions import EpanechnikovPlusUniform, UniformPlusUniform
from evae.distributions.closed_forms import normal_plus_uniform_log_density
from evae.distributions.kernels.noises import sum_log_density
from evae.models.posteriors import Draw, Posterior, draw_noise


def step_size(m: int = 100) -> float:
    """Compute b(m) = m^(-2/9), the bandwidth of the kernel density estimator.

    Source: Section 4, which uses b(100) = 0.3594 for all batch sizes: m counts draws from the prior, not images.
    """
    return float(m ** (-2 / 9))


#: Variance of K in Algorithm 1 for every kernel, so that kernels differ only in shape: that of the Epanechnikov kernel.
KERNEL_VARIANCE = NOISES["epanechnikov"].variance


@dataclass(frozen=True)
class KernelDensityPosterior(Posterior):
    """z = b (mu + r K) + U with K of variance 1/5 and U uniform: Algorithm 1, equation (10).

    K is the noise ``kernel`` scaled to that variance; b is the constant `step_size`. If ``interval`` is printed, U is
    drawn from [-B, B] as in Algorithm 1; if it is corrected, from [-B/2, B/2], because the text calls B the length of
    that interval (``eq-6.interval-length`` in the ledger). The mean is b mu; the variance is b^2 r^2 / 5 + H^2 / 3
    with H half the length of U's interval.
    """

    mu: Tensor
    r: Tensor
    prior_length: Tensor
    b: float = STEP_SIZE
    kernel: str = "epanechnikov"
    interval: str = "printed"

    @property
    def label(self) -> str:
        """Name with the kernel, for messages."""
        return f"posterior kde with the {self.kernel} kernel"

    @property
    def noise(self) -> Noise:
        """The noise that is K up to a factor."""
        return KERNEL_NOISES[self.kernel]

    @property
    def factor(self) -> float:
        """The factor that gives the noise the variance of K."""
        return kernel_factor(self.kernel)

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
        """The variance: the sum of those of the kernel and uniform parts."""
        return KERNEL_VARIANCE * (self.b * self.r).square() + self.half_length.square() / 3

    @property
    def spreads(self) -> dict[str, Tensor]:
        """The kernel's r, before multiplication by b, and the paper's B of the uniform part."""
        return {"r": self.r, "B": self.prior_length}

    @property
    def reach(self) -> Tensor | None:
        """The sum of the half-widths; None for the Gaussian kernel."""
        half_width = kernel_reach(self.kernel)
        return None if half_width is None else self.b * half_width * self.r + self.half_length

    @property
    def entropy(self) -> Tensor | None:
        """The closed forms of `evae.distributions.closed_forms`; None for the other kernels."""
        return self.distribution.entropy() if self.kernel in _LAWS else None

    @property
    def roughness(self) -> Tensor | None:
        """The closed forms of `evae.distributions.closed_forms`; None for the other kernels."""
        return self._law.roughness if self.kernel in _LAWS else None

    @property
    def kernel_entropy(self) -> Tensor:
        """Differential entropy of the kernel part b r K in nats, exact for every kernel."""
        return (self.b * self.factor * self.r).log() + self.noise.entropy

    @property
    def distribution(self) -> Distribution:
        """The law of the sum, equation (9) for the Epanechnikov kernel."""
        # With other kernels the entropy of the sum has no closed form.
        return self._law if self.kernel in _LAWS else super().distribution

    @property
    def _law(self) -> EpanechnikovPlusUniform | UniformPlusUniform:
        scale = self.b * self.factor * self.r
        return _LAWS[self.kernel](self.mean, scale, self.half_length, validate_args=False)

    def rsample(self, generator: NoiseSource = None) -> Tensor:
        """Draw one code per image by Algorithm 1."""
        return self._at(*self._draw_noises(generator))

    def draw(self, generator: NoiseSource = None) -> Draw:
        """Draw by Algorithm 1; near the ends the log-density follows from the distances of both noises from theirs."""
        kernel, uniform = self._draw_noises(generator)
        scale = self.b * self.factor * self.r
        if self.kernel == "gaussian":
            offset = scale * kernel + self.half_length * uniform
            log_density = normal_plus_uniform_log_density(offset, scale, self.half_length)
        else:
            # Sums of positive terms: the distances of the code from the two ends of its support.
            ends = [scale * (1 + side * kernel) + self.half_length * (1 + side * uniform) for side in (1, -1)]
            end = torch.minimum(*ends)
            if self.kernel in _LAWS:
                log_density = self._law.log_density_from_end(end)
            else:
                log_density = sum_log_density(self.kernel, end, scale, self.half_length)
        return Draw(self._at(kernel, uniform), log_density.sum(1))

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density of the sum of both noises."""
        if self.kernel in _LAWS:
            return self._law.log_prob(codes).sum(1)
        scale, offset = self.b * self.factor * self.r, codes - self.mean
        if self.kernel == "gaussian":
            return normal_plus_uniform_log_density(offset, scale, self.half_length).sum(1)
        return sum_log_density(self.kernel, scale + self.half_length - offset.abs(), scale, self.half_length).sum(1)

    def _draw_noises(self, generator: NoiseSource) -> tuple[Tensor, Tensor]:
        """Draw the kernel's noise, before its factor, and the uniform one."""
        return draw_noise(self.noise, self.mu, generator), draw_noise(NOISES["uniform"], self.mu, generator)

    def _at(self, kernel: Tensor, uniform: Tensor) -> Tensor:
        return self.b * (self.mu + self.r * (self.factor * kernel)) + self.half_length * uniform

    def kernel_penalty(self, minibatch_size: int) -> Tensor:
        """Compute B I(K_r) / M for each dimension, in nats; for the Epanechnikov kernel 3 B / (5 M r).

        I(K_r) = I(K)/r is the roughness of r K, before multiplication by b; 3/(5r) is the minimum of Lemma 3.2. B is
        used as printed for both intervals. Source: equation (8).
        """
        return self.noise.roughness / self.factor * self.prior_length / (minibatch_size * self.r)


def kernel_factor(kernel: str) -> float:
    """Return the factor that gives the noise ``kernel`` the variance of K, 1/5."""
    return math.sqrt(KERNEL_VARIANCE / KERNEL_NOISES[kernel].variance)


def kernel_reach(kernel: str) -> float | None:
    """Return half the length of the support of K with variance 1/5; None if it is unbounded."""
    reach = KERNEL_NOISES[kernel].reach
    return None if reach is None else kernel_factor(kernel) * reach


_LAWS: dict[str, type[EpanechnikovPlusUniform] | type[UniformPlusUniform]] = {
    "epanechnikov": EpanechnikovPlusUniform,
    "uniform": UniformPlusUniform,
}
