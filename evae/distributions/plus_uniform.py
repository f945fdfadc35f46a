"""The common base of the laws of a symmetric plus an independent uniform variable: parameters, support and pieces.

As in `evae.distributions.epanechnikov`, formulas avoid overflow and cancellation, even if one of the two parts is far
narrower than the other, and untaken branches get harmless arguments.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import constraints

from evae.distributions.arithmetic import require_probabilities, resolved, rounding_error
from evae.distributions.bounded import BoundedSymmetric
from evae.distributions.centred_uniform import standard_uniform
from evae.distributions.epanechnikov import is_central


class PlusUniform(BoundedSymmetric):
    r"""Law of loc + s X + B U with independent X and U, U uniform and X symmetric on [-1, 1]; subclasses choose X.

    From either end of the support the density rises over an edge, whose length is twice the smaller of s and B;
    between the two edges lies the inner piece. Shapes, ranges and errors are those of the subclasses.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "half_width": constraints.positive,
    }

    half_width: Tensor

    def __init__(
        self,
        loc: Tensor | float,
        scale: Tensor | float,
        half_width: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(validate_args, loc=loc, scale=scale, half_width=half_width)

    @property
    def low(self) -> Tensor:
        """Lower end of the support; rounded as `rsample` rounds, so that no sample is below it."""
        return (self.loc - self.scale) - self.half_width

    @property
    def high(self) -> Tensor:
        """Upper end of the support."""
        return (self.loc + self.scale) + self.half_width

    @property
    def reach(self) -> Tensor:
        """Half the length of the support, scale + half_width."""
        return self.scale + self.half_width

    @property
    def wider(self) -> Tensor:
        """The larger of scale and half_width."""
        return torch.maximum(self.scale, self.half_width)

    @property
    def narrower(self) -> Tensor:
        """The smaller of scale and half_width: half the length of an edge."""
        return torch.minimum(self.scale, self.half_width)

    @abstractmethod
    def standard_noise(self, shape: torch.Size) -> Tensor:
        """Draw X, a tensor of ``shape`` with the type and the device of the parameters."""

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw loc + scale * X + half_width * U as Algorithm 1 does, differentiable in all three."""
        shape = self._extended_shape(sample_shape)
        noise = self.standard_noise(shape)
        uniform = standard_uniform(shape, dtype=self.loc.dtype, device=self.loc.device)
        return (self.loc + self.scale * noise) + self.half_width * uniform

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density at ``value``; -inf at the ends of the support and, without validation, outside it.

        The gradient is finite everywhere: zero where the log-density is -inf.
        """
        if self._validate_args:
            self._validate_sample(value)
        return torch.where(value.isnan(), value, self._log_density(self._place(*self._distances(value))))

    def log_density_from_end(self, distance: Tensor) -> Tensor:
        """Return the log-density at a ``distance`` from the nearer end, to full relative accuracy; broadcasts."""
        return self._log_density(self._place(distance, distance - self.narrower))

    def cdf(self, value: Tensor) -> Tensor:
        """Return the distribution function at any real ``value``: 0 below the support, 1 above it.

        Near the lower end it has full relative accuracy. Every value is accepted.
        """
        tail = torch.where(value.isnan(), value, self._tail(self._place(*self._distances(value))))
        return torch.where(self._is_upper(value), 1 - tail, tail)

    def icdf(self, value: Tensor) -> Tensor:
        """Return the quantile of the probability ``value``.

        Accurate to rounding; near 0 and 1, so is the distance from the end of the support. Differentiable in the
        probability and in all parameters. At exactly 0 and 1 the derivative in the probability is infinite, and is set
        to zero; the gradients in the parameters are exact.
        """
        if self._validate_args:
            require_probabilities(value)
        upper = value > 0.5
        probability = torch.where(upper, 1 - value, value)
        distance = self._quantile_from_end(probability)
        # Near the ends the distances are small, and the rounding errors of the ends themselves are added to them.
        low_error = rounding_error(self.loc, self.scale) + rounding_error(self.loc - self.scale, self.half_width)
        high_error = rounding_error(self.loc, -self.scale) + rounding_error(self.loc + self.scale, -self.half_width)
        outer = torch.where(upper, self.high - (distance - high_error), self.low + (distance + low_error))
        central = is_central(value) & (probability >= self._edge_probability)
        inner = self.loc + self._offset_from_centre(torch.where(central, 2 * value - 1, 0.0))
        valid = (value >= 0) & (value <= 1)
        return torch.where(valid, torch.where(central, inner, outer), torch.nan)

    @abstractmethod
    def _log_density(self, place: SupportPosition) -> Tensor:
        """Return the log-density at places; -inf outside the support."""

    @abstractmethod
    def _tail(self, place: SupportPosition) -> Tensor:
        """Return the probability of the tail that a place cuts off on its side of the centre; 0 outside the support."""

    @property
    @abstractmethod
    def _edge_probability(self) -> Tensor:
        """Probability of one edge."""

    @abstractmethod
    def _quantile_from_end(self, probability: Tensor) -> Tensor:
        """Return the distance from the end of the support at which a tail has a ``probability`` of at most 1/2."""

    @abstractmethod
    def _offset_from_centre(self, t: Tensor) -> Tensor:
        """Return the distance from loc of the quantile of (1 + t)/2 on the inner piece, for -1/2 < t < 1/2."""

    def _is_upper(self, value: Tensor) -> Tensor:
        """Return whether a value lies above the centre."""
        return value - self.loc > 0

    def _distances(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distances of a value from the nearer end of the support and from that of its wider part."""
        offset, error = value - self.loc, rounding_error(value, self.loc)
        upper = self._is_upper(value)
        # No harmful rounding yet: subtracting the wider half-width first leaves the narrower one to cancel.
        # Not the absolute value, whose gradient is zero at the centre.
        gap, error = self.wider - torch.where(upper, offset, -offset), torch.where(upper, error, -error)
        return (gap + self.narrower) - error, gap - error

    def _place(self, from_end: Tensor, gap: Tensor) -> SupportPosition:
        inner = gap >= self.narrower
        return SupportPosition(from_end, gap, edge=~inner & resolved(from_end, self.scale), inner=inner)


@dataclass(frozen=True)
class SupportPosition:
    """Positions of points. By symmetry, the density does not depend on their side.

    Attributes
    ----------
    from_end : Tensor
        The distance from the nearer end of the support; negative outside.
    gap : Tensor
        The distance from the nearer end of the support of the wider of the two parts; negative outside.
    edge, inner : Tensor
        Whether a point is on an edge of the density or between the two; both False outside the support.
    """

    from_end: Tensor
    gap: Tensor
    edge: Tensor
    inner: Tensor
