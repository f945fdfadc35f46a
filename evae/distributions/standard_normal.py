"""The standard normal distribution, the prior of a VAE, and the divergences from it that are minimised in training."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Distribution, Laplace, Normal
from torch.distributions.kl import register_kl

from evae.distributions.centred_uniform import CentredUniform
from evae.distributions.epanechnikov import Epanechnikov
from evae.distributions.epanechnikov_plus_uniform import EpanechnikovPlusUniform
from evae.distributions.uniform_plus_uniform import UniformPlusUniform


class StandardNormal(Normal):
    """N(0, 1), one dimension of the prior N(0, I).

    A separate type, so that divergences from it are computed without the terms that vanish or cancel.
    """

    def __init__(self) -> None:
        super().__init__(torch.zeros(()), torch.ones(()), validate_args=False)


@register_kl(Epanechnikov, StandardNormal)
@register_kl(EpanechnikovPlusUniform, StandardNormal)
@register_kl(CentredUniform, StandardNormal)
@register_kl(UniformPlusUniform, StandardNormal)
@register_kl(Laplace, StandardNormal)
def _kl_standard_normal(p: Distribution, _: StandardNormal) -> Tensor:
    """Return KL(p || N(0, 1)) = log(2 pi)/2 + (mean^2 + variance)/2 - h(p), exact."""
    return 0.5 * (math.log(2 * math.pi) + p.mean.square() + p.variance) - p.entropy()


@register_kl(Normal, StandardNormal)
def _kl_normal_standard_normal(p: Normal, _: StandardNormal) -> Tensor:
    """Return KL(N(mu, sigma^2) || N(0, 1)), without the constants that cancel."""
    return 0.5 * (p.loc.square() + p.scale.square() - 1) - p.scale.log()
