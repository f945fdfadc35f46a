"""Kullback-Leibler divergences to a law with bounded support whose mean logarithm has no well-conditioned closed form.

KL(p || q) = -h(p) - E_p log q, in nats, with the entropy h(p) in closed form and E_p log q by `graded_rule` on every
piece on which the density of p is a polynomial and that of q a product of powers of linear functions. Infinite if p
reaches beyond q, exactly 0 for equal laws, never negative, never NaN. Against 30 digits the error is below 2e-14 times
1 + KL in double precision and 3e-6 times 1 + KL in single precision, for scales from 1e-9 to 1e9 times each other.
Gradients are those of the sums: finite, and accurate to five digits, except where a uniform p ends within 1e-12 of its
length from an end of q; there the derivative grows without bound as the distance vanishes, and two digits are right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.distributions import Uniform
from torch.distributions.kl import register_kl

from evae.distributions.arithmetic import compensated_sum, positive_part
from evae.distributions.divergences.closed import Bounded, contained
from evae.distributions.divergences.quadrature import graded_rule
from evae.distributions.epanechnikov import Epanechnikov
from evae.distributions.epanechnikov_plus_uniform import EpanechnikovPlusUniform
from evae.distributions.plus_uniform import PlusUniform
from evae.distributions.uniform_plus_uniform import UniformPlusUniform


@register_kl(Uniform, EpanechnikovPlusUniform)
@register_kl(Uniform, UniformPlusUniform)
@register_kl(Epanechnikov, EpanechnikovPlusUniform)
@register_kl(Epanechnikov, UniformPlusUniform)
@register_kl(EpanechnikovPlusUniform, Epanechnikov)
@register_kl(EpanechnikovPlusUniform, EpanechnikovPlusUniform)
@register_kl(EpanechnikovPlusUniform, UniformPlusUniform)
@register_kl(UniformPlusUniform, Epanechnikov)
@register_kl(UniformPlusUniform, EpanechnikovPlusUniform)
@register_kl(UniformPlusUniform, UniformPlusUniform)
def _kl_by_quadrature(p: Bounded, q: Epanechnikov | PlusUniform) -> Tensor:
    """Return KL(p || q) = -h(p) - E_p log q; +inf if p reaches beyond q."""
    # The geometric mean: in this unit neither law over- or underflows where their quotient would.
    unit = (_reach(p).sqrt() * q.reach.sqrt()).detach().clamp(min=torch.finfo(q.reach.dtype).tiny)
    lower_gap, upper_gap = _gaps(p, q)
    ours, theirs = _Shape.of(p, unit), _Shape.of(q, unit)
    expectation = _expected_log_density(ours, theirs, lower_gap / unit, upper_gap / unit)
    # A guard: for laws that are almost equal the two terms cancel to within their rounding.
    divergence = (-ours.entropy - expectation).clamp(min=0.0)
    return torch.where(_contained(p, q), torch.where(_equal(p, q), 0.0, divergence), torch.inf)


def _contained(p: Bounded, q: Epanechnikov | PlusUniform) -> Tensor:
    """Return whether the rounded support of p lies in that of q; False if p is not uniform and longer."""
    return contained(p, q) if isinstance(p, Uniform) else contained(p, q) & (p.reach <= q.reach)


def _equal(p: Bounded, q: Epanechnikov | PlusUniform) -> Tensor:
    """Return whether the two laws have equal parameters."""
    if isinstance(p, EpanechnikovPlusUniform) and isinstance(q, EpanechnikovPlusUniform):
        return (p.loc == q.loc) & (p.scale == q.scale) & (p.half_width == q.half_width)
    if isinstance(p, UniformPlusUniform) and isinstance(q, UniformPlusUniform):
        return (p.loc == q.loc) & (p.narrower == q.narrower) & (p.wider == q.wider)
    return torch.zeros_like(q.loc, dtype=torch.bool)


def _gaps(p: Bounded, q: Epanechnikov | PlusUniform) -> tuple[Tensor, Tensor]:
    """Return the distances between the lower ends of the supports and between the upper ends, at least 0.

    They are compensated sums. If rounded ends touch, the exact ones may overlap by less than a rounding error. Such a
    gap is set to 0 and the other one shortened by as much: the centre of p moves, and neither length changes.
    """
    lower = compensated_sum(*_end(p, -1), *(-term for term in _end(q, -1)))
    upper = compensated_sum(*_end(q, 1), *(-term for term in _end(p, 1)))
    both = positive_part(lower + upper)
    return torch.where(upper < 0, both, positive_part(lower)), torch.where(lower < 0, both, positive_part(upper))


def _end(law: Bounded, side: int) -> tuple[Tensor, ...]:
    """Return the terms whose sum is the lower (side -1) or the upper end (side 1) of the support."""
    if isinstance(law, Uniform):
        return (law.low if side < 0 else law.high,)
    widths = (law.scale,) if isinstance(law, Epanechnikov) else (law.scale, law.half_width)
    return (law.loc, *(side * width for width in widths))


def _reach(law: Bounded) -> Tensor:
    """Return half the length of the support."""
    return (law.high - law.low) / 2 if isinstance(law, Uniform) else law.reach


@dataclass(frozen=True)
class _Shape:
    """A law with bounded support in some unit, regardless of its centre.

    Attributes
    ----------
    reach : Tensor
        Half the length of the support.
    edge : Tensor
        The distance from the ends at which the formula of the density changes; 0 if it is the same everywhere.
    log_density : callable
        Log-density by the distance from the nearer end of the support.
    entropy : Tensor
        Differential entropy in nats.
    """

    reach: Tensor
    edge: Tensor
    log_density: Callable[[Tensor], Tensor]
    entropy: Tensor

    @classmethod
    def of(cls, law: Bounded, unit: Tensor) -> _Shape:
        """Return the shape of a law."""
        zero = torch.zeros_like(unit)

        def scaled(width: Tensor) -> Tensor:
            return (width / unit).clamp(min=torch.finfo(unit.dtype).tiny)

        if isinstance(law, Uniform):
            reach = scaled(_reach(law))
            return cls(reach, zero, lambda distance: -(2 * reach).log().expand_as(distance), (2 * reach).log())
        if isinstance(law, Epanechnikov):
            kernel = Epanechnikov(zero, scaled(law.scale), validate_args=False)
            return cls(kernel.reach, zero, kernel.log_density_from_end, kernel.entropy())
        kind = EpanechnikovPlusUniform if isinstance(law, EpanechnikovPlusUniform) else UniformPlusUniform
        total = kind(zero, scaled(law.scale), scaled(law.half_width), validate_args=False)
        return cls(total.reach, 2 * total.narrower, total.log_density_from_end, total.entropy())


def _expected_log_density(p: _Shape, q: _Shape, lower_gap: Tensor, upper_gap: Tensor) -> Tensor:
    """Return E_p log q, by the two parts of the support of p below and above the centre of q."""
    below = torch.minimum((p.reach - (lower_gap - upper_gap) / 2).clamp(min=0.0), 2 * p.reach)
    return _part(p, q, lower_gap, below) + _part(p, q, upper_gap, 2 * p.reach - below)


def _part(p: _Shape, q: _Shape, gap: Tensor, length: Tensor) -> Tensor:
    """Return the integral of p log q over the points within ``length`` of one end of the support of p.

    This end lies a ``gap`` inside the end of q on the same side, which is the nearer end of q for all of these points.
    """
    knots = torch.stack([torch.zeros_like(length), p.edge, 2 * p.reach - p.edge, q.edge - gap, length])
    knots = torch.minimum(knots.clamp(min=0.0), length).sort(dim=0).values
    start, piece = knots[:-1], knots.diff(dim=0)
    # On its edges, log q is singular at the end of q; its continuation from a parabola is singular about edge/2 away.
    singularity = torch.where(gap + start + piece / 2 < q.edge, 0.0, q.edge / 2)
    positive = piece > 0
    ratio = (gap + start - singularity).clamp(min=0.0) / torch.where(positive, piece, 1.0)
    nodes, weights = graded_rule(ratio)
    distance = start + piece * nodes
    density = p.log_density(torch.minimum(distance, 2 * p.reach - distance)).exp()
    log_density = q.log_density(gap + distance)
    # -inf at the end itself, or where the distance from it is too small for a finite gradient of its logarithm.
    log_density = torch.where(log_density.isfinite(), log_density, 0.0)
    return (density * piece * weights * log_density).sum((0, 1))
