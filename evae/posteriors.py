"""The posteriors q(z | x): what the encoder's heads mean, how a code is drawn, its moments, entropy and roughness.

A posterior is a small frozen object that holds the parameters of one batch, each of shape (N, d_z). The codes of
different images and dimensions are independent given these parameters. What has no closed form, or is infinite, is
None: an objective that needs it refuses the posterior by name.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from evae import convolutions
from evae.configuration import POSTERIORS, STEP_SIZE, Recipe
from evae.distributions import STANDARD_ENTROPY, STANDARD_VARIANCE, standard_epanechnikov
from evae.streams import Source, drawn
from foundation.errors import InputError

#: Least value of a spread. Equation (8) divides by r, and softplus alone reaches zero in single precision.
SMALLEST_SPREAD = 1e-6

#: A posterior kept inside an interval stays this factor inside it, so that rounding never puts it outside.
_MARGIN = 1 - 2**-18


def step_size(m: int = 100) -> float:
    """b(m) = m^(-2/9), the bandwidth of the kernel density estimator.

    Source: Section 4, which takes b(100) = 0.3594 whatever the batch: m counts draws from the prior, not images.
    """
    return float(m ** (-2 / 9))


def positive(raw: Tensor) -> Tensor:
    """Map a head's output to a spread: softplus, and never below `SMALLEST_SPREAD`, with a gradient everywhere."""
    return functional.softplus(raw) + SMALLEST_SPREAD


def below(limit: Tensor | float, raw: Tensor) -> Tensor:
    """Map a head's output to a spread between `SMALLEST_SPREAD` and ``limit``, by a sigmoid."""
    return SMALLEST_SPREAD + (limit - SMALLEST_SPREAD) * raw.sigmoid()


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

        ``generator`` may be the `evae.streams.RowsOf` a batch, where these images are some of its rows.
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
        return self.mu + self.r * _standard_uniform(self.mu, generator)


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
        Of s K' + B U as in `evae.convolutions`, of s and B, K' being K scaled to the support [-1, 1].
    """

    draw: Callable[[Tensor, Source], Tensor]
    roughness: float
    half_width: float | None = None
    entropy_with_uniform: Combination | None = None
    roughness_with_uniform: Combination | None = None


def _standard_uniform(like: Tensor, generator: Source) -> Tensor:
    return 2 * drawn(torch.rand, like, generator) - 1


def _draw_epanechnikov(like: Tensor, generator: Source) -> Tensor:
    return drawn(standard_epanechnikov, like, generator)


def _draw_gaussian(like: Tensor, generator: Source) -> Tensor:
    return math.sqrt(STANDARD_VARIANCE) * drawn(torch.randn, like, generator)


def _draw_uniform(like: Tensor, generator: Source) -> Tensor:
    return math.sqrt(3 * STANDARD_VARIANCE) * _standard_uniform(like, generator)


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
        """The closed forms of `evae.convolutions`; None for the Gaussian kernel."""
        return self._combine(self.noise.entropy_with_uniform)

    @property
    def roughness(self) -> Tensor | None:
        """The closed forms of `evae.convolutions`; None for the Gaussian kernel."""
        return self._combine(self.noise.roughness_with_uniform)

    def _combine(self, formula: Combination | None) -> Tensor | None:
        half_width = self.noise.half_width
        if formula is None or half_width is None:
            return None
        return formula(self.b * half_width * self.r, self.half_length)

    def rsample(self, generator: Source = None) -> Tensor:
        """Draw as Algorithm 1 does."""
        kernel = self.noise.draw(self.mu, generator)
        uniform = _standard_uniform(self.mu, generator)
        return self.b * (self.mu + self.r * kernel) + self.half_length * uniform

    def kernel_penalty(self, minibatch_size: int) -> Tensor:
        """B I(K_r) / M for every dimension, in nats; for the Epanechnikov kernel 3 B / (5 M r).

        I(K_r) = I(K)/r is the roughness of r K, before the step size; 3/(5r) is the least of Lemma 3.2. B is as it is
        printed, whatever the interval. Source: equation (8).
        """
        return self.noise.roughness * self.prior_length / (minibatch_size * self.r)


@dataclass(frozen=True)
class PosteriorFamily:
    """How the encoder's heads become a posterior.

    Unbounded, mu is the head's output and a spread is `positive` of it. With ``within`` the whole support is kept in
    [-within, within] by construction: every spread takes, by a sigmoid, a share of the room that is left (B before r),
    and tanh places the mean in the rest.

    Parameters
    ----------
    posterior : str
        A name in `evae.configuration.POSTERIORS`.
    kernel, interval : str
        Of the posterior kde: see `KernelDensityPosterior`.
    prior_length : float, optional
        A constant B for the posterior kde; None if it is learned.
    within : float, optional
        Half the length of the prior's interval.
    """

    posterior: str
    kernel: str = "epanechnikov"
    interval: str = "printed"
    prior_length: float | None = None
    within: float | None = None

    def __post_init__(self) -> None:
        if self.posterior not in POSTERIORS:
            raise InputError(f"there is no posterior {self.posterior!r}; there is {', '.join(POSTERIORS)}.")

    @classmethod
    def of(cls, recipe: Recipe) -> PosteriorFamily:
        """Return the family that a configuration's recipe describes."""
        constant = None if isinstance(recipe.prior_length, str) else recipe.prior_length
        return cls(
            recipe.posterior,
            kernel=recipe.kernel or "epanechnikov",
            interval=recipe.interval or "printed",
            prior_length=constant,
            within=None if recipe.uniform_length is None else recipe.uniform_length / 2,
        )

    @property
    def heads(self) -> tuple[str, ...]:
        """The outputs of the encoder that `from_heads` takes, in their order."""
        if self.posterior == "kde":
            return ("mu", "r", "B") if self.prior_length is None else ("mu", "r")
        return {"gaussian": ("mu", "sigma"), "none": ("mu",)}.get(self.posterior, ("mu", "r"))

    def from_heads(self, *outputs: Tensor) -> Posterior:
        """Make the posterior from the unconstrained outputs of the heads, each of shape (N, d_z)."""
        if self.posterior == "none":
            return PointPosterior(*outputs)
        if self.posterior == "kde":
            return self._kernel_density(*outputs)
        kind = _LOCATION_SCALE[self.posterior]
        mu, spread = outputs
        if self.within is None:
            return kind(mu, positive(spread))
        room = self.within * _MARGIN
        spread = below(room, spread)
        return kind((room - spread) * mu.tanh(), spread)

    def _kernel_density(self, mu: Tensor, r: Tensor, raw_length: Tensor | None = None) -> KernelDensityPosterior:
        half = 1.0 if self.interval == "printed" else 0.5
        if self.within is None:
            length = self._constant(mu) if raw_length is None else positive(raw_length)
            return KernelDensityPosterior(mu, positive(r), length, kernel=self.kernel, interval=self.interval)
        room = self.within * _MARGIN
        length = self._constant(mu) if raw_length is None else below((room - SMALLEST_SPREAD) / half, raw_length)
        scale = STEP_SIZE * (NOISE_KERNELS[self.kernel].half_width or math.inf)
        r = below((room - half * length) / scale, r)
        mu = (room - half * length - scale * r) * mu.tanh() / STEP_SIZE
        return KernelDensityPosterior(mu, r, length, kernel=self.kernel, interval=self.interval)

    def _constant(self, like: Tensor) -> Tensor:
        assert self.prior_length is not None
        return torch.full_like(like, self.prior_length)


_LOCATION_SCALE: dict[str, Callable[[Tensor, Tensor], Posterior]] = {
    "gaussian": GaussianPosterior,
    "epanechnikov": EpanechnikovPosterior,
    "uniform": UniformPosterior,
}
