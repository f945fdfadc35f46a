"""Kullback-Leibler divergences in closed form, registered with `torch.distributions.kl_divergence`.

All are in nats, infinite if the first law has mass outside the support of the second, never NaN, and have finite
gradients, which are zero for an infinite divergence. The others are in `evae.distributions.divergences.by_quadrature`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Laplace, Normal, Uniform
from torch.distributions.kl import register_kl
from torch.distributions.utils import broadcast_all

from evae.distributions.closed_forms import epanechnikov_mean_distance, uniform_mean_distance
from evae.distributions.epanechnikov import STANDARD_VARIANCE, Epanechnikov
from evae.distributions.epanechnikov_plus_uniform import EpanechnikovPlusUniform
from evae.distributions.plus_uniform import PlusUniform
from evae.distributions.uniform_plus_uniform import UniformPlusUniform

Bounded = Uniform | Epanechnikov | PlusUniform


def contained(p: Bounded, q: Bounded) -> Tensor:
    """Return whether the support of p lies in that of q, by their rounded ends."""
    return (p.low >= q.low) & (p.high <= q.high)


@register_kl(Epanechnikov, Normal)
def _kl_epanechnikov_normal(p: Epanechnikov, q: Normal) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q, always finite. Source: ``beyond.direct-kl``."""
    second_moment = ((p.loc - q.loc) / q.scale).square() + STANDARD_VARIANCE * (p.scale / q.scale).square()
    return _normal_cross_entropy(second_moment, q) - p.entropy()


@register_kl(EpanechnikovPlusUniform, Normal)
def _kl_epanechnikov_plus_uniform_normal(p: EpanechnikovPlusUniform, q: Normal) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q, always finite. Source: ``beyond.exact-kl-evae``."""
    noise = STANDARD_VARIANCE * (p.scale / q.scale).square() + (p.half_width / q.scale).square() / 3
    return _normal_cross_entropy(((p.loc - q.loc) / q.scale).square() + noise, q) - p.entropy()


@register_kl(UniformPlusUniform, Normal)
def _kl_uniform_plus_uniform_normal(p: UniformPlusUniform, q: Normal) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q, always finite."""
    noise = ((p.scale / q.scale).square() + (p.half_width / q.scale).square()) / 3
    return _normal_cross_entropy(((p.loc - q.loc) / q.scale).square() + noise, q) - p.entropy()


def _normal_cross_entropy(second_moment: Tensor, q: Normal) -> Tensor:
    """Return -E log q of a law, by its second moment about the mean of q in units of its standard deviation."""
    return q.scale.log() + 0.5 * (math.log(2 * math.pi) + second_moment)


@register_kl(Epanechnikov, Laplace)
def _kl_epanechnikov_laplace(p: Epanechnikov, q: Laplace) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q, always finite."""
    return _laplace_cross_entropy(epanechnikov_mean_distance(p.loc - q.loc, p.scale), q) - p.entropy()


@register_kl(Uniform, Laplace)
def _kl_uniform_laplace(p: Uniform, q: Laplace) -> Tensor:
    """Return KL(p || q) = -log(length of p) - E_p log q, always finite."""
    offset, half_length = ((p.high - q.loc) + (p.low - q.loc)) / 2, (p.high - p.low) / 2
    return _laplace_cross_entropy(uniform_mean_distance(offset, half_length), q) - (2 * half_length).log()


@register_kl(EpanechnikovPlusUniform, Laplace)
def _kl_epanechnikov_plus_uniform_laplace(p: EpanechnikovPlusUniform, q: Laplace) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q, always finite."""
    distance = epanechnikov_mean_distance(p.loc - q.loc, p.scale, p.half_width)
    return _laplace_cross_entropy(distance, q) - p.entropy()


@register_kl(UniformPlusUniform, Laplace)
def _kl_uniform_plus_uniform_laplace(p: UniformPlusUniform, q: Laplace) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q, always finite."""
    distance = uniform_mean_distance(p.loc - q.loc, p.scale, p.half_width)
    return _laplace_cross_entropy(distance, q) - p.entropy()


def _laplace_cross_entropy(mean_distance: Tensor, q: Laplace) -> Tensor:
    """Return -E log q of a law, by its mean distance from the centre of q."""
    return (2 * q.scale).log() + mean_distance / q.scale


@register_kl(Epanechnikov, Uniform)
@register_kl(EpanechnikovPlusUniform, Uniform)
@register_kl(UniformPlusUniform, Uniform)
def _kl_to_uniform(p: Epanechnikov | PlusUniform, q: Uniform) -> Tensor:
    """Return KL(p || q) = log(length of q) - h(p); +inf if p reaches beyond q."""
    length, own_length = q.high - q.low, 2 * p.reach.detach()
    # If the ends of p were rounded into q, q may be shorter, and the divergence would be negative.
    length = torch.where(length < own_length, own_length, length)
    # A guard: for a narrow kernel and an equal support the terms cancel to within their rounding.
    divergence = (length.log() - p.entropy()).clamp(min=0.0)
    return torch.where(contained(p, q), divergence, math.inf)


@register_kl(Normal, Epanechnikov)
@register_kl(Normal, EpanechnikovPlusUniform)
@register_kl(Normal, UniformPlusUniform)
@register_kl(Laplace, Epanechnikov)
@register_kl(Laplace, EpanechnikovPlusUniform)
@register_kl(Laplace, UniformPlusUniform)
def _kl_of_unbounded(p: Normal | Laplace, q: Epanechnikov | PlusUniform) -> Tensor:
    """Return infinity, since normal and Laplace laws have mass outside every bounded interval."""
    return torch.full_like(broadcast_all(p.loc, q.loc)[0], math.inf)


@register_kl(Uniform, Epanechnikov)
def _kl_uniform_epanechnikov(p: Uniform, q: Epanechnikov) -> Tensor:
    """Return KL(p || q) = -log(length of p) - E_p log q; +inf if p reaches beyond q."""
    half_length = (p.high - p.low) / 2
    centre = (p.high + p.low) / 2 - q.loc
    inside = contained(p, q)
    half_length, centre = torch.where(inside, half_length, q.scale / 2), torch.where(inside, centre, 0.0)
    # If the ends of q were rounded outwards, p may be longer, or reach beyond q by less than the rounding error.
    half_length = torch.where(half_length > q.scale, q.scale.detach(), half_length)
    room = (q.scale - half_length).detach()
    centre = torch.where(centre.abs() > room, room.copysign(centre.detach()), centre)
    # E_p log(1 - v^2) with v = (x - loc)/scale is a mean logarithm on either side, with 1 -+ v measured from the ends.
    expectation = sum(
        (middle / q.scale).log() + _mean_log_about_one((half_length / middle).clamp(max=1.0))
        for middle in (q.scale - centre, q.scale + centre)
    )
    divergence = q.scale.log() - (2 * half_length).log() - math.log(3 / 4) - expectation
    return torch.where(inside, divergence, math.inf)


def _mean_log_about_one(s: Tensor) -> Tensor:
    """Return the mean of log over [1 - s, 1 + s], for 0 < s <= 1; at s = 1, log 2 - 1 with the gradient set to zero."""
    at_one, tiny = s == 1, s < 1e-3
    safe = torch.where(at_one | tiny, 0.5, s)
    exact = ((1 + safe) * safe.log1p() - (1 - safe) * (-safe).log1p()) / (2 * safe) - 1
    # The next term of the series, -s^6/42, is below 3e-20.
    series = -s.square() / 6 - s.square().square() / 20
    return torch.where(at_one, math.log(2) - 1, torch.where(tiny, series, exact))


@register_kl(Epanechnikov, Epanechnikov)
def _kl_epanechnikov_epanechnikov(p: Epanechnikov, q: Epanechnikov) -> Tensor:
    r"""Return KL(p || q) in closed form; +inf if p reaches beyond q; exactly 0 for equal laws.

    Let g_1, g_2 >= 0 be the gaps between the lower and the upper ends of the two supports, r and R the scales of p
    and q, and d_i = g_i / r. Then R / r = 1 + (d_1 + d_2)/2, and, K being standard,

    KL = 3 log(R / r) - G(d_1) - G(d_2),   G(d) = E log(1 + d + K) - E log(1 + K).
    """
    shift = p.loc - q.loc
    excess = q.scale - p.scale
    inside = contained(p, q) & (excess >= 0)
    # Supports whose rounded ends touch may overlap by less than a rounding error: such a gap counts as 0.
    lower_gap = torch.where(inside, excess + shift, 0.0).clamp(min=0.0)
    upper_gap = torch.where(inside, excess - shift, 0.0).clamp(min=0.0)
    log_ratio = _log_of_sum(p.scale, (lower_gap + upper_gap) / 2)
    divergence = 3 * log_ratio - _expected_log_gain(lower_gap, p.scale) - _expected_log_gain(upper_gap, p.scale)
    # A guard: for laws that are almost equal the three terms cancel to within their rounding.
    return torch.where(inside, divergence.clamp(min=0.0), math.inf)


def _log_of_sum(r: Tensor, gap: Tensor) -> Tensor:
    """Return log((r + gap) / r) without overflow of gap / r and without cancellation for a small gap."""
    near = gap < r
    return torch.where(near, (torch.where(near, gap, 0.0) / r).log1p(), (r + gap).log() - r.log())


#: From this many half-widths on, the series of `_expected_log_gain` is more accurate than the closed form.
_FAR = 3.0

#: E K^(2j) = 3 / ((2j + 1)(2j + 3)), divided by 2j; with a = 1 + d >= 4 the first term left out is below 1e-20.
_SERIES = tuple(3 / (2 * j * (2 * j + 1) * (2 * j + 3)) for j in range(1, 15))


def _expected_log_gain(gap: Tensor, r: Tensor) -> Tensor:
    """Return G(d) = E log(1 + d + K) - E log(1 + K) for standard Epanechnikov K and d = gap / r >= 0.

    The closed form by partial integration against the distribution function is
    G(d) = log(1 + d/2) + d + d^2/2 - d^2 (d + 3)/4 log(1 + 2/d);
    for large d its terms cancel, and the series log(1 + d) - sum_j E K^(2j) / (2j (1 + d)^(2j)) replaces it.
    """
    far = gap >= _FAR * r
    d = torch.where(far, 0.0, gap) / r
    positive = d > torch.finfo(d.dtype).tiny
    safe = torch.where(positive, d, 1.0)
    touching = torch.where(positive, d.square() * (d + 3) / 4, 0.0) * ((safe + 2) / safe).log()
    closed = (d / 2).log1p() + d + d.square() / 2 - touching
    inverse_square = (r / (r + gap)).square()
    series = torch.zeros_like(inverse_square)
    for coefficient in reversed(_SERIES):
        series = inverse_square * (coefficient + series)
    distant = _log_of_sum(r, gap) - series - (math.log(2) - 5 / 6)
    return torch.where(far, distant, closed)
