"""The normal approximation of the true posterior of an image's code: its mode, and its curvature there (Laplace).

The decoders are piecewise linear in the code, so that the curvature by Gauss and Newton is the likelihood's own almost
everywhere if its logit is the natural parameter, as of the Bernoulli law and the continuous one. The law of codes is
represented by a normal law that is like it near the image's code.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evae.models.pixels import PixelLaw

#: Most steps of Gauss and Newton, and the fractions of a step that are tried.
_STEPS, _FRACTIONS = 30, (1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 0.003)

#: The search ends when a step gains less, in nats.
_ENOUGH = 1e-3

#: Step of the finite differences, in standard deviations of the codes.
_DIFFERENCE = 1e-5

#: Added to the curvature, in units of its trace.
_RIDGE = 1e-13

Decoder = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Normal:
    """A normal law by its mean, (1, d), and the lower triangular factor L of its precision L L^T, (d, d)."""

    mean: Tensor
    factor: Tensor

    @classmethod
    def of(cls, mean: Tensor, covariance: Tensor) -> Normal:
        """Return the law with a mean, (d,), and a positive definite covariance, (d, d)."""
        return cls(mean[None], torch.linalg.cholesky(torch.linalg.inv(covariance)))

    @property
    def precision(self) -> Tensor:
        """The inverse of the covariance, (d, d)."""
        return self.factor @ self.factor.T

    def widened(self, width: float) -> Normal:
        """Return the law with ``width`` times the standard deviations."""
        return Normal(self.mean, self.factor / width)

    def at(self, noise: Tensor) -> Tensor:
        """Return the points, (N, d), that standard normal ``noise`` (N, d) stands for."""
        return self.mean + torch.linalg.solve_triangular(self.factor.T, noise.T, upper=True).T

    def log_prob(self, points: Tensor) -> Tensor:
        """Compute the log-density, (N,), at points (N, d)."""
        noise = (points - self.mean) @ self.factor
        return (-0.5 * (noise.square() + math.log(2 * math.pi)) + self.factor.diagonal().log()).sum(1)


def approximate_posterior(decoder: Decoder, pixels: PixelLaw, image: Tensor, start: Tensor, law: Normal) -> Normal:
    """Approximate p(z | x) by a normal law about its mode, in double precision.

    Parameters
    ----------
    decoder : callable
        Maps codes (N, d_z) to logits (N, C, S, S).
    pixels : PixelLaw
        p(x | z) given the logits.
    image : Tensor
        In [0, 1], shape (1, C, S, S).
    start : Tensor
        The code, (1, d_z), from which the mode is searched.
    law : Normal
        p(z), or a normal law that is like it.
    """
    fractions = torch.tensor([0.0, *_FRACTIONS]).to(start)[:, None]
    code = start
    for _ in range(_STEPS):
        gradient, curvature = _expand(decoder, pixels, image, code, law)
        tried = code + fractions * torch.linalg.solve(curvature, gradient)
        height = law.log_prob(tried) - pixels.error(decoder(tried), image.expand(len(tried), -1, -1, -1))
        best = int(height.argmax())
        code = tried[best : best + 1]
        if float(height[best] - height[0]) < _ENOUGH:
            break
    return Normal(code, torch.linalg.cholesky(_expand(decoder, pixels, image, code, law)[1]))


def _expand(decoder: Decoder, pixels: PixelLaw, image: Tensor, code: Tensor, law: Normal) -> tuple[Tensor, Tensor]:
    """Return the gradient, (d_z,), of the log-density of the code given the image, and its negative curvature."""
    # By differences: one product for all dimensions, in which double precision leaves eight digits.
    precision = law.precision
    step = _DIFFERENCE / precision.diagonal().sqrt()
    maps = decoder(torch.cat([code, code + torch.diag(step)]))
    logits = maps.flatten(1)
    slopes = (logits[1:] - logits[0]) / step[:, None]
    gradient = slopes @ pixels.slope(maps[:1], image).flatten() - precision @ (code - law.mean)[0]
    curvature = (slopes * pixels.information(maps[:1]).flatten()) @ slopes.T + precision
    # Rounding must not make the curvature indefinite, even if the image hardly leaves any freedom in some direction.
    return gradient, curvature + _RIDGE * curvature.diagonal().sum() * torch.eye(len(curvature)).to(curvature)
