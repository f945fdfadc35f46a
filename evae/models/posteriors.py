"""The posteriors q(z | x): sampling, moments, entropy and roughness of the codes.

A posterior is a small frozen object that holds the parameters of one batch, each of shape (N, d_z). The codes of
different images are independent given these parameters, and so are their dimensions unless the posterior is joint. A
property without a closed form, or with an infinite value, is None; an objective that needs it raises an `InputError`
that names the posterior.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pkgutil import resolve_name
from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.distributions import Distribution

from evae.compute.random_streams import NoiseSource, draw
from evae.configuration.noises import NOISES, Noise
from foundation.errors import InputError

#: Smallest spread. Equation (8) divides by r, and softplus alone reaches zero in single precision.
SMALLEST_SPREAD = 1e-6


@dataclass(frozen=True)
class Draw:
    """Codes with the log-density that their posterior has at them, in nats.

    The log-density is computed from the noise. Computed from the codes, it would lose its digits near the end of a
    support, and could be -inf at a code that was drawn.

    Attributes
    ----------
    codes : Tensor
        Shape (N, d_z).
    log_density : Tensor, optional
        Shape (N,), summed over dimensions; None if the posterior has no density, or nobody asked for it.
    decoded : Tensor, optional
        The copy of the codes that the decoder received, at which its gradient ends; None if it received the codes.
    """

    codes: Tensor
    log_density: Tensor | None
    decoded: Tensor | None = None


@dataclass(frozen=True)
class Posterior(ABC):
    """Parameters of q(z | x) for a batch of N images. Every tensor has the shape (N, d_z).

    If ``joint``, the dimensions of a code are dependent, and the entropy and the roughness are those of all dimensions
    together, (N,).
    """

    joint: ClassVar[bool] = False

    @property
    @abstractmethod
    def label(self) -> str:
        """Name in messages, such as ``posterior gaussian``."""

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """E[z | x]."""

    @property
    @abstractmethod
    def variance(self) -> Tensor:
        """Var[z | x]."""

    @property
    def covariance(self) -> Tensor:
        """Cov[z | x], of shape (N, d_z, d_z)."""
        return torch.diag_embed(self.variance)

    @property
    @abstractmethod
    def spreads(self) -> dict[str, Tensor]:
        """The positive parameters by their names in the paper, for the metrics."""

    @property
    def reach(self) -> Tensor | None:
        """Half the length of the support, which is centred at the mean; None if it is unbounded."""
        return None

    @property
    def entropy(self) -> Tensor | None:
        """Differential entropy in nats, exact; None without a density or a closed form."""
        return None

    @property
    def roughness(self) -> Tensor | None:
        """Integral of the squared density, exact; None without a density or a closed form."""
        return None

    @property
    def log_roughness(self) -> Tensor | None:
        """Logarithm of the roughness; None without a density or a closed form."""
        roughness = self.roughness
        return None if roughness is None else roughness.log()

    @property
    def distribution(self) -> Distribution:
        """q(z | x) as a distribution with batch shape (N, d_z), or (N,) if it is joint.

        Raises
        ------
        InputError
            If its entropy has no closed form, or it has no density.
        """
        raise InputError(f"the {self.label} has no distribution with an entropy in closed form.")

    @abstractmethod
    def rsample(self, generator: NoiseSource = None) -> Tensor:
        """Draw one code for every image, differentiable in the parameters.

        ``generator`` may be a `evae.compute.random_streams.RowsOf` if these images are rows of a larger batch.
        """

    @abstractmethod
    def draw(self, generator: NoiseSource = None) -> Draw:
        """Draw the codes of `rsample`, the same numbers from the same ``generator``, with their log-density."""

    @abstractmethod
    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density in nats, (N,), at any ``codes`` (N, d_z); -inf outside the support.

        At codes that were drawn from this posterior, use the log-density of `draw`.

        Raises
        ------
        InputError
            If the posterior has no density.
        """

    def repeat(self, rows: int) -> Self:
        """Return the posterior of a single image in ``rows`` rows, as a view, to draw as many codes for it."""
        return self._map(lambda value: value.expand(rows, -1))

    def repeat_each(self, samples: int) -> Self:
        """Return the posteriors of all images, each in ``samples`` consecutive rows, to draw as many codes for it."""
        return self._map(lambda value: value.repeat_interleave(samples, 0))

    def detach(self) -> Self:
        """Return the same posteriors without gradients in their parameters."""
        return self._map(Tensor.detach)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **{name: function(value) for name, value in tensors.items()})


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
        """The variance, zero."""
        return torch.zeros_like(self.mu)

    @property
    def spreads(self) -> dict[str, Tensor]:
        """An empty mapping: there are no spreads."""
        return {}

    def rsample(self, generator: NoiseSource = None) -> Tensor:  # noqa: ARG002 (there is nothing to draw)
        """Return mu, without drawing."""
        return self.mu

    def draw(self, generator: NoiseSource = None) -> Draw:
        """Return mu, without a log-density."""
        return Draw(self.rsample(generator), None)

    def log_prob(self, codes: Tensor) -> Tensor:  # noqa: ARG002 (there is no density at any code)
        """Raise `InputError`."""
        raise InputError(f"the {self.label} has no density: all of its mass is at one point.")


@dataclass(frozen=True)
class LocationScalePosterior(Posterior):
    """z = mu + scale * noise, with a noise of `NOISES`: sigma eps, r K, r U, and so on.

    Scales are made positive by softplus for all noises (`evae.models.posterior_family`), so that models differ only in
    their noise, not in the parametrisation of a spread.
    """

    mu: Tensor
    scale: Tensor
    name: str

    @property
    def noise(self) -> Noise:
        """The noise's constants."""
        return NOISES[self.name]

    @property
    def label(self) -> str:
        """Name in messages."""
        return f"posterior {self.name}"

    @property
    def mean(self) -> Tensor:
        """The mean, mu."""
        return self.mu

    @property
    def variance(self) -> Tensor:
        """The noise's variance times scale^2."""
        return self.noise.variance * self.scale.square()

    @property
    def spreads(self) -> dict[str, Tensor]:
        """The scale, by its name in the paper."""
        return {self.noise.scale: self.scale}

    @property
    def reach(self) -> Tensor | None:
        """The noise's half-width times the scale."""
        return None if self.noise.reach is None else self.noise.reach * self.scale

    @property
    def entropy(self) -> Tensor:
        """The noise's entropy, shifted by log scale."""
        return self.scale.log() + self.noise.entropy

    @property
    def roughness(self) -> Tensor:
        """The noise's roughness over the scale."""
        return self.noise.roughness / self.scale

    @property
    def distribution(self) -> Distribution:
        """The noise's law at mu and scale."""
        return law_of(self.noise)(self.mu, self.scale, validate_args=False)

    def rsample(self, generator: NoiseSource = None) -> Tensor:
        """Draw mu + scale * noise."""
        return self._at(draw_noise(self.noise, self.mu, generator))

    def draw(self, generator: NoiseSource = None) -> Draw:
        """Draw mu + scale * noise; the log-density is that of the noise less log scale."""
        noise = draw_noise(self.noise, self.mu, generator)
        standard = law_of(self.noise)(torch.zeros_like(self.mu), torch.ones_like(self.mu), validate_args=False)
        return Draw(self._at(noise), (standard.log_prob(noise) - self.scale.log()).sum(1))

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density of the noise's law at mu and scale."""
        return self.distribution.log_prob(codes).sum(1)

    def _at(self, noise: Tensor) -> Tensor:
        return self.mu + self.scale * noise


def draw_noise(noise: Noise, like: Tensor, source: NoiseSource) -> Tensor:
    """Draw a standard noise in the shape, type and device of ``like``."""
    return draw(_resolve(noise.draw), like, source)


def law_of(noise: Noise) -> Callable[..., Distribution]:
    """Return the class of the noise's distribution, which takes a location and a scale."""
    law: Callable[..., Distribution] = _resolve(noise.law)
    return law


_resolve = cache(resolve_name)
