"""Divergences of the families of kernels in closed form, registered with `torch.distributions.kl_divergence`.

They are as those of `evae.distributions.divergences.closed`: in nats, infinite if the first law has mass outside the
support of the second, and exact.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, Uniform
from torch.distributions.kl import register_kl

from evae.distributions.kernels.radial_epanechnikov import RadialEpanechnikov
from evae.distributions.kernels.symmetric_beta import SymmetricBeta
from evae.distributions.standard_normal import StandardNormal


@register_kl(SymmetricBeta, Normal)
def _kl_symmetric_beta_normal(p: SymmetricBeta, q: Normal) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q, always finite."""
    second_moment = ((p.loc - q.loc) / q.scale).square() + (p.stddev / q.scale).square()
    return q.scale.log() + 0.5 * (math.log(2 * math.pi) + second_moment) - p.entropy()


@register_kl(SymmetricBeta, StandardNormal)
def _kl_symmetric_beta_standard_normal(p: SymmetricBeta, _: StandardNormal) -> Tensor:
    """Return KL(p || N(0, 1)) = log(2 pi)/2 + (mean^2 + variance)/2 - h(p)."""
    return 0.5 * (math.log(2 * math.pi) + p.loc.square() + p.variance) - p.entropy()


@register_kl(SymmetricBeta, Uniform)
def _kl_symmetric_beta_uniform(p: SymmetricBeta, q: Uniform) -> Tensor:
    """Return KL(p || q) = log(length of q) - h(p); +inf if p reaches beyond q."""
    inside = (p.low >= q.low) & (p.high <= q.high)
    return torch.where(inside, (q.high - q.low).log() - p.entropy(), math.inf)


@register_kl(RadialEpanechnikov, MultivariateNormal)
def _kl_radial_epanechnikov_multivariate_normal(p: RadialEpanechnikov, q: MultivariateNormal) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q, always finite."""
    factor = q._unbroadcasted_scale_tril
    offset = torch.linalg.solve_triangular(factor, (p.loc - q.loc)[..., None], upper=False)
    spread = torch.linalg.solve_triangular(factor, p.scale_tril, upper=False)
    moments = offset.square().sum((-2, -1)) + spread.square().sum((-2, -1)) / (p.dimension + 4)
    log_determinant = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return log_determinant + 0.5 * (p.dimension * math.log(2 * math.pi) + moments) - p.entropy()
