"""Laws of the pixels of an image given the decoder's logits, p(x | z): independent pixels, each from its logit l.

The cross-entropy of the Bernoulli law is a likelihood of binary pixels only. The other two are densities, of which a
likelihood of grey pixels in [0, 1] is made: their values in nats can be negative, and are not comparable with those of
the Bernoulli law. A density of pixels that take few values, such as binary ones, grows without bound as it narrows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from evae.configuration.configuration import Configuration

#: Standard deviation from which a learned one of the Gaussian law starts.
FIRST_SCALE = 0.1

#: Below these absolute values, series of double precision replace formulas that lose digits near zero.
_NEAR_LOG, _NEAR_MEAN = 0.25, 0.5

#: Coefficients of the even powers of log(y / tanh y), and of the odd and even powers of the mean and the variance of
#: the continuous Bernoulli law as functions of l.
_LOG_SERIES = (0.0, 1 / 3, -7 / 90, 62 / 2835, -127 / 18900, 146 / 66825)

_MEAN_SERIES = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160)

_VARIANCE_SERIES = (1 / 12, -1 / 240, 1 / 6048, -1 / 172800, 1 / 5322240, -691 / 118879488000)


class PixelLaw(nn.Module, ABC):
    """p(x | z) with independent pixels x in [0, 1], given logits of the same shape (N, C, S, S)."""

    #: Its value of ``--pixels``.
    name: ClassVar[str]

    @property
    def label(self) -> str:
        """Name with all that distinguishes the law from others."""
        return self.name

    @property
    def fitted_scale(self) -> float | None:
        """The learned standard deviation of a single network; None if none is learned."""
        return None

    def stack(self, networks: int) -> PixelLaw:  # noqa: ARG002 (a law without weights serves any number of networks)
        """Return a law of this kind for ``networks`` stacked networks, with weights that are yet to be set."""
        return self

    @abstractmethod
    def error(self, logits: Tensor, images: Tensor) -> Tensor:
        """Compute -log p(x | z) in nats for each image, (N,), summed over pixels and channels."""

    @abstractmethod
    def mean(self, logits: Tensor) -> Tensor:
        """Compute the mean of each pixel."""

    @abstractmethod
    def draw(self, logits: Tensor, levels: Tensor) -> Tensor:
        """Return the pixels that have the ``levels``, uniform on [0, 1), of their distribution functions."""

    @abstractmethod
    def slope(self, logits: Tensor, images: Tensor) -> Tensor:
        """Compute the derivative of log p(x | z) by each logit."""

    @abstractmethod
    def information(self, logits: Tensor) -> Tensor:
        """Compute the variance of the slope, which is the mean of the negative second derivative, for each logit."""


class BernoulliPixels(PixelLaw):
    """Pixels are 1 with the probability sigmoid(l). The error of grey pixels is a cross-entropy, and no likelihood."""

    name: ClassVar[str] = "bernoulli"

    def error(self, logits: Tensor, images: Tensor) -> Tensor:
        """Compute the binary cross-entropy."""
        return reconstruction_error(logits, images)

    def mean(self, logits: Tensor) -> Tensor:
        """Compute the probabilities."""
        return logits.sigmoid()

    def draw(self, logits: Tensor, levels: Tensor) -> Tensor:
        """Return 1 where the level is below the probability, otherwise 0."""
        return (levels < logits.sigmoid()).to(logits.dtype)

    def slope(self, logits: Tensor, images: Tensor) -> Tensor:
        """Compute the residuals."""
        return images - logits.sigmoid()

    def information(self, logits: Tensor) -> Tensor:
        """Compute the variances of the pixels."""
        probabilities = logits.sigmoid()
        return probabilities * (1 - probabilities)


class ContinuousBernoulliPixels(PixelLaw):
    """Pixels have the density C(l) lambda^x (1 - lambda)^(1 - x) on [0, 1] with lambda = sigmoid(l).

    log C = log(2 atanh(1 - 2 lambda) / (1 - 2 lambda)) = log(l / tanh(l / 2)) makes its integral one. Source:
    Loaiza-Ganem and Cunningham, The continuous Bernoulli, 2019.
    """

    name: ClassVar[str] = "continuous-bernoulli"

    def error(self, logits: Tensor, images: Tensor) -> Tensor:
        """Compute the cross-entropy less log C for each pixel."""
        return reconstruction_error(logits, images) - log_normaliser(logits).flatten(1).sum(1)

    def mean(self, logits: Tensor) -> Tensor:
        """Compute 1 / (1 - exp(-l)) - 1 / l."""
        near = logits.abs() < _NEAR_MEAN
        # A logit that is not near zero in place of those that are, so that no gradient becomes NaN.
        far = torch.where(near, 1.0, logits)
        series = 0.5 + logits * _polynomial(_MEAN_SERIES, logits.square())
        return torch.where(near, series, -1 / torch.expm1(-far) - 1 / far)

    def draw(self, logits: Tensor, levels: Tensor) -> Tensor:
        """Compute log(1 + u (exp(l) - 1)) / l at the level u.

        For a positive logit it is 1 less the pixel of the opposite logit at the opposite level.
        """
        rising = logits > 0
        # The limit of a logit of 0 is u, which a tiny one has to the last bit.
        falling = -logits.abs().clamp(min=torch.finfo(logits.dtype).tiny ** 0.5)
        u = torch.where(rising, 1 - levels, levels)
        change = u * torch.expm1(falling)
        # Near -1 the change has lost the digits of their sum, but not the two parts of this.
        logarithm = torch.where(change > -0.5, torch.log1p(change), torch.log((1 - u) + u * falling.exp()))
        pixels = logarithm / falling
        return torch.where(rising, 1 - pixels, pixels).clamp(0, 1)

    def slope(self, logits: Tensor, images: Tensor) -> Tensor:
        """Compute the residuals."""
        return images - self.mean(logits)

    def information(self, logits: Tensor) -> Tensor:
        """Compute the variances of the pixels, 1 / l^2 - 1 / (4 sinh^2(l / 2))."""
        near = logits.abs() < _NEAR_MEAN
        far = torch.where(near, 1.0, logits)
        exact = far.square().reciprocal() - (2 * torch.sinh(far / 2)).square().reciprocal()
        return torch.where(near, _polynomial(_VARIANCE_SERIES, logits.square()), exact)


class GaussianPixels(PixelLaw):
    """Pixels are normal with the mean sigmoid(l) and one standard deviation for all of them.

    Parameters
    ----------
    scale : float, optional
        The standard deviation; None if it is learned, from `FIRST_SCALE` on.
    networks : int
        Number of stacked networks, each with a scale of its own.
    """

    name: ClassVar[str] = "gaussian"

    def __init__(self, scale: float | None = None, networks: int = 1) -> None:
        super().__init__()
        self.scale = scale
        if scale is None:
            self.log_scale = nn.Parameter(torch.full((networks,), math.log(FIRST_SCALE)))

    @property
    def label(self) -> str:
        """Name with the standard deviation."""
        return f"{self.name} of standard deviation {'learned' if self.scale is None else self.scale}"

    @property
    def fitted_scale(self) -> float | None:
        """The learned standard deviation."""
        return float(self.log_scale.detach().exp()) if self.scale is None else None

    def stack(self, networks: int) -> GaussianPixels:
        """Return a law of as many networks."""
        return GaussianPixels(self.scale, networks)

    def error(self, logits: Tensor, images: Tensor) -> Tensor:
        """Compute half the squared residuals in units of the scale, and the logarithm of the density's normaliser."""
        log_scale = self._log_scale(logits)
        residuals = (images - logits.sigmoid()) * torch.exp(-log_scale)
        return (0.5 * residuals.square() + log_scale + 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)

    def mean(self, logits: Tensor) -> Tensor:
        """Compute sigmoid(l)."""
        return logits.sigmoid()

    def draw(self, logits: Tensor, levels: Tensor) -> Tensor:
        """Return the normal quantiles, which may lie outside [0, 1]."""
        least = torch.finfo(levels.dtype).tiny
        return logits.sigmoid() + torch.special.ndtri(levels.clamp(min=least)) * self._log_scale(logits).exp()

    def slope(self, logits: Tensor, images: Tensor) -> Tensor:
        """Compute the residuals over the variance, times the derivative of the mean."""
        mean = logits.sigmoid()
        return (images - mean) * mean * (1 - mean) * torch.exp(-2 * self._log_scale(logits))

    def information(self, logits: Tensor) -> Tensor:
        """Compute the squared derivative of the mean over the variance."""
        mean = logits.sigmoid()
        return (mean * (1 - mean)).square() * torch.exp(-2 * self._log_scale(logits))

    def _log_scale(self, like: Tensor) -> Tensor:
        """Return the logarithm of the scale of each row, of shape (N, 1, 1, 1), or of all."""
        if self.scale is not None:
            return like.new_tensor(math.log(self.scale))
        # The rows of one stacked network follow those of another.
        return self.log_scale.repeat_interleave(len(like) // len(self.log_scale)).view(-1, 1, 1, 1)


#: The paper's law.
BERNOULLI = BernoulliPixels()


def pixel_law(config: Configuration, networks: int = 1) -> PixelLaw:
    """Return the law that a configuration names."""
    if config.pixels == "gaussian":
        return GaussianPixels(config.pixel_scale if isinstance(config.pixel_scale, float) else None, networks)
    return BernoulliPixels() if config.pixels == "bernoulli" else ContinuousBernoulliPixels()


def reconstruction_error(logits: Tensor, images: Tensor) -> Tensor:
    """Compute the binary cross-entropy in nats between ``images`` in [0, 1] and the probabilities sigmoid(``logits``).

    Summed over pixels and channels: shapes (N, C, H, W) and (N, C, H, W) to (N,). For grey values strictly between 0
    and 1 the minimum is not zero but the entropy of the pixels.
    """
    each_pixel = functional.binary_cross_entropy_with_logits(logits, images, reduction="none")
    return each_pixel.flatten(1).sum(1)


def log_normaliser(logits: Tensor) -> Tensor:
    """Compute log C = log(l / tanh(l / 2)) of the continuous Bernoulli law, of the same shape; log 2 at zero."""
    half = logits.abs() / 2
    near = half < _NEAR_LOG / 2
    far = torch.where(near, 1.0, half)
    exact = far.log() - far.tanh().log()
    return math.log(2) + torch.where(near, _polynomial(_LOG_SERIES, half.square()), exact)


def _polynomial(coefficients: tuple[float, ...], variable: Tensor) -> Tensor:
    """Evaluate a polynomial, whose coefficients are given from the constant on, by Horner's scheme."""
    value = torch.full_like(variable, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * variable + coefficient
    return value
