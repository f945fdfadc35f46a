r"""Entropy, roughness and mean distances of s K + B U, the noise of Algorithm 1, in closed form; U is uniform.

With K standard Epanechnikov this is equation (9) for the prior U[-B, B]; with K uniform it is a trapezoid. U is uniform
on [-1, 1]. Arguments are positive tensors that broadcast: ``s`` is the half-width of the scaled kernel, ``width`` is B.
Derivations with exact arithmetic are in `theory.posterior`; here every formula avoids cancellation, in single
precision too, and has finite gradients for all positive arguments, also at s = B.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from evae.distributions.arithmetic import log_normal_cdf, positive_part

#: h(q) = log 2B + _SLOPE s / B while s <= B.
_SLOPE = 9 / 4 - 27 / 16 * math.log(3)

#: Below this argument `_edge_remainder` sums its series; the first term left out is then below 1e-16.
_SMALL = 0.2

_TERMS = tuple(1 / (k * (k - 1) * (k + 3)) for k in range(2, 20))


def epanechnikov_entropy(s: Tensor, width: Tensor) -> Tensor:
    r"""Return the differential entropy of s K + B U in nats, K standard Epanechnikov.

    Notes
    -----
    Two regimes: :math:`\log 2B + (9/4 - (27/16) \log 3)\, s/B` while s <= B, where the density has a plateau, and
    :math:`\log s + g(B/s)` beyond, where its middle is a parabola. The entropy and its gradient are continuous at
    s = B. Source: ``beyond.exact-kl-evae``.
    """
    wide = s <= width
    plateau = (2 * width).log() + _SLOPE * torch.where(wide, s, width) / width
    # A ratio that underflows would be multiplied by its infinite logarithm.
    ratio = (torch.where(wide, s, width) / s).clamp(min=torch.finfo(s.dtype).tiny)
    return torch.where(wide, plateau, s.log() + _narrow_entropy(ratio))


def epanechnikov_roughness(s: Tensor, width: Tensor) -> Tensor:
    """Return the integral of the squared density of s K + B U, K standard Epanechnikov, in the same two regimes."""
    wide = s <= width
    plateau = (1 - 9 / 35 * torch.where(wide, s, width) / width) / (2 * width)
    beta = torch.where(wide, s, width) / s
    parabola = (3 / 5 - beta.square() * (1 / 2 - 3 / 10 * beta + beta**3 / 35)) / s
    return torch.where(wide, plateau, parabola)


def normal_plus_uniform_log_density(offset: Tensor, s: Tensor, width: Tensor) -> Tensor:
    r"""Return the log-density of s N + B U at an ``offset`` from its centre, N standard normal.

    It is :math:`\log[\Phi((B + x)/s) - \Phi((x - B)/s)] - \log 2B`, by the tail on the side of x, so that it keeps its
    digits far outside [-B, B] and for a width much below s.
    """
    distance = offset.abs()
    log_near, log_far = (log_normal_cdf(-(distance + side * width) / s) for side in (-1, 1))
    ratio = log_near - log_far
    # If B is much below s, the two tails cancel, and the density of the normal variable is accurate.
    wide = ratio > torch.finfo(ratio.dtype).eps ** (1 / 3)
    mass = log_near + (-(-torch.where(wide, ratio, 1.0)).expm1()).log() - (2 * width).log()
    narrow = -0.5 * ((distance / s).square() + math.log(2 * math.pi)) - s.log()
    return torch.where(wide, mass, narrow)


def uniform_entropy(s: Tensor, width: Tensor) -> Tensor:
    """Return the differential entropy of s V + B U in nats, V uniform on [-1, 1].

    With a and c the larger and the smaller of s and B it is log 2a + c / 2a.
    """
    larger, smaller = torch.maximum(s, width), torch.minimum(s, width)
    return (2 * larger).log() + smaller / larger / 2


def uniform_roughness(s: Tensor, width: Tensor) -> Tensor:
    """Return the integral of the squared density of s V + B U, V uniform on [-1, 1].

    With a and c the larger and the smaller of s and B it is (1 - c / 3a) / 2a.
    """
    larger, smaller = torch.maximum(s, width), torch.minimum(s, width)
    return (1 - smaller / larger / 3) / (2 * larger)


def epanechnikov_mean_distance(offset: Tensor, s: Tensor, width: Tensor | None = None) -> Tensor:
    r"""Return E\|s K + B U - offset\|, or without a ``width`` E\|s K - offset\|, for K standard Epanechnikov.

    ``offset`` is any real number. For \|u\| <= 1 it is :math:`E|K - u| = 3/8 + 3 u^2/4 - u^4/8`.
    """
    return _mean_distance(offset, s, width, _epanechnikov_distance)


def uniform_mean_distance(offset: Tensor, s: Tensor, width: Tensor | None = None) -> Tensor:
    """Return E|s V + B U - offset|, or without a ``width`` E|s V - offset|, for V uniform and any real ``offset``."""
    return _mean_distance(offset, s, width, _uniform_distance)


def _epanechnikov_distance(u: Tensor, half: Tensor) -> Tensor:
    """Return the mean of E|K - v| over v in [u - half, u + half], within [-1, 1], by powers without cancellation."""
    a, b = u.square(), half.square()
    return 3 / 8 + 3 / 4 * (a + b / 3) - (a.square() + 2 * a * b + b.square() / 5) / 8


def _uniform_distance(u: Tensor, half: Tensor) -> Tensor:
    """Return the mean of E|V - v| over v in [u - half, u + half], within [-1, 1]."""
    return (1 + u.square() + half.square() / 3) / 2


def _mean_distance(
    offset: Tensor, s: Tensor, width: Tensor | None, mean_within: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return E|s X - offset|, or its mean over [offset - B, offset + B], for X on [-1, 1].

    It is |v| at v beyond s; the mean over an interval within [-s, s] is s times ``mean_within`` of its midpoint and
    half-width over s.
    """
    c = offset.abs()
    outside = c - s >= (0.0 if width is None else width)
    inner = torch.where(outside, 0.0, c)
    if width is None:
        distance = s * mean_within(inner / s, torch.zeros_like(inner))
    else:
        distance = _straddling_mean_distance(inner, s, width, mean_within)
    return torch.where(outside, c, distance)


def _straddling_mean_distance(
    c: Tensor, s: Tensor, width: Tensor, mean_within: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Return the mean of E|s X - v| over v in [c - B, c + B] for 0 <= c < s + B.

    It averages the means over the parts of the interval above s, below -s and between, weighted by their lengths / 2B.
    """
    above = ((c - s) + width).clamp(min=0.0)
    below = ((width - s) - c).clamp(min=0.0)
    between = positive_part((2 * width - above) - below)
    # If B is far larger than s, rounding may leave both outside [-s, s]; their weight is small there.
    middle = torch.minimum(torch.maximum(c + (below - above) / 2, -s), s)
    within = s * mean_within(middle / s, torch.minimum(between / 2, s) / s)
    outer = (above / width) * (c + (width - above / 2)) + (below / width) * (s + below / 2)
    return (outer + (between / width) * within) / 2


def _narrow_entropy(beta: Tensor) -> Tensor:
    r"""Return g(beta) for 0 < beta = B/s <= 1, the entropy in units of s.

    At a distance 2 beta v from an end, 0 < v < 1, the density is :math:`\frac\beta2 v^2 (3 - 2 \beta v)`; between the
    edges, for |t| <= a = 1 - beta, it is :math:`\frac34 (c^2 - t^2)` with :math:`c^2 = 1 - \beta^2/3`.
    """
    y = 2 / 3 * beta
    a, c = 1 - beta, (1 - beta.square() / 3).sqrt()
    # c^2 - a^2 = 2 beta (1 - y), so that the difference d = c - a needs no subtraction of almost equal numbers.
    log_density_at_edge = (2 * beta).log() + (-y).log1p()
    d = 2 * beta * (1 - y) / (c + a)
    edges = beta.square() * ((1 - beta / 2) * (3 / 2 * beta).log() - 2 / 3 + beta / 4) + _edge_remainder(y)
    middle = 4 / 9 * a**3 - 8 / 3 * c.square() * a + 8 / 3 * c**3 * (c + a).log()
    middle = middle - 2 * d.square() * (c - d / 3) * log_density_at_edge
    mass = 1 - beta.square() * (2 - beta)
    return -2 * edges - mass * math.log(3 / 4) - 3 / 4 * middle


def _edge_remainder(y: Tensor) -> Tensor:
    r"""Return :math:`\frac{27}{4} y^2 \int_0^1 v^2 (1 - y v) \log(1 - y v)\, dv` for 0 < y <= 2/3.

    The integral's series is :math:`-\frac y4 + \sum_{k \ge 2} y^k / (k (k-1) (k+3))`; its closed form divides by y^3.
    """
    small = y < _SMALL
    x = torch.where(small, y, 0.0)
    series = torch.zeros_like(x)
    for coefficient in reversed(_TERMS):
        series = x * (coefficient + series)
    near = 27 / 4 * x**3 * (series - 1 / 4)
    x = torch.where(small, _SMALL, y)
    u = 1 - x
    polynomial = u.square() * (1 / 4 - 2 / 9 * u + u.square() / 16) - 13 / 144
    logarithm = u.square() * (1 / 2 - 2 / 3 * u + u.square() / 4) * (-x).log1p()
    # P(1) - P(u) by parts: the antiderivative of (1 - u)^2 u log u.
    far = 27 / 4 * (polynomial - logarithm) / x
    return torch.where(small, near, far)
