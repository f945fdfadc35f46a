"""The law of an Epanechnikov plus a uniform variable: equations (9) and (10), the posterior that Algorithm 1 samples.

Derivations with exact arithmetic are in `theory.posterior`. Here, as in `evae.distributions.epanechnikov`, nothing
overflows or cancels, also where one of the two parts is far narrower than the other, and untaken branches get harmless
arguments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.distributions.utils import broadcast_all

from evae.distributions.closed_forms import epanechnikov_entropy, epanechnikov_roughness
from evae.distributions.epanechnikov import STANDARD_VARIANCE, resolved, rounding_error, standard_epanechnikov


class EpanechnikovPlusUniform(Distribution):
    r"""Law of loc + s K + B U, with K standard Epanechnikov and U uniform on [-1, 1], independent.

    Equation (9) with the prior U[-B, B] is this law with s = b r and loc = b mu; with the corrected interval, whose
    *length* is B, ``half_width`` is B/2.

    Parameters
    ----------
    loc : Tensor or float
        The centre: mean, median and a mode. Any shape.
    scale : Tensor or float
        s > 0, half the length of the Epanechnikov part's support. Broadcast against the others.
    half_width : Tensor or float
        B > 0, half the length of the uniform part's support.
    validate_args : bool, optional
        Whether parameters and values are checked; by default as `Distribution.set_default_validate_args` says.

    Raises
    ------
    ValueError
        If ``validate_args`` and a parameter breaks its constraint, or a value given to `log_prob` lies outside the
        support (without validation its log-density is -inf).

    Notes
    -----
    The density is :math:`[F((z + B)/s) - F((z - B)/s)] / 2B` with the distribution function F of K. With w the
    distance from the nearer end of the support in units of s, a the distance from the centre, and
    :math:`\beta = B/s`, it has two edges, :math:`w^2 (3 - w) / 8B` for w below 2 and :math:`2 \beta`, and between them
    a plateau, :math:`1 / 2B`, if s <= B, or else a parabola, :math:`\frac{3}{4s}(1 - (a/s)^2 - \beta^2/3)`.

    There is no `icdf`: on the edges the distribution function is a quartic. The gradient of `rsample` is that of the
    two parts, as Algorithm 1 draws them; it agrees with implicit reparametrisation on average, not sample by sample.

    Examples
    --------
    >>> EpanechnikovPlusUniform(0.0, 1.0, 2.0).variance
    tensor(1.5333)
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "half_width": constraints.positive,
    }
    has_rsample = True

    loc: Tensor
    scale: Tensor
    half_width: Tensor

    def __init__(
        self,
        loc: Tensor | float,
        scale: Tensor | float,
        half_width: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale, self.half_width = broadcast_all(loc, scale, half_width)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Distribution | None = None) -> EpanechnikovPlusUniform:
        """Return the same distribution with ``batch_shape``; no memory is copied."""
        new = self._get_checked_instance(EpanechnikovPlusUniform, _instance)  # type: ignore[no-untyped-call]
        shape = torch.Size(batch_shape)
        new.loc, new.scale = self.loc.expand(shape), self.scale.expand(shape)
        new.half_width = self.half_width.expand(shape)
        super(EpanechnikovPlusUniform, new).__init__(shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        """Return the closed interval [loc - scale - half_width, loc + scale + half_width]."""
        return constraints.interval(self.low, self.high)

    @property
    def low(self) -> Tensor:
        """Lower end of the support; rounded as `rsample` rounds, so that no sample is below it."""
        return (self.loc - self.scale) - self.half_width

    @property
    def high(self) -> Tensor:
        """Upper end of the support."""
        return (self.loc + self.scale) + self.half_width

    @property
    def mean(self) -> Tensor:
        """The mean, loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """A mode, loc; if scale < half_width every point of the plateau is one."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The variance, scale^2 / 5 + half_width^2 / 3."""
        return STANDARD_VARIANCE * self.scale.square() + self.half_width.square() / 3

    @property
    def stddev(self) -> Tensor:
        """The standard deviation: not by way of the squares, which underflow for small widths."""
        return torch.hypot(math.sqrt(STANDARD_VARIANCE) * self.scale, self.half_width / math.sqrt(3))

    def entropy(self) -> Tensor:
        """Differential entropy in nats, in closed form. Shape: the batch shape. Source: ``beyond.exact-kl-evae``."""
        return epanechnikov_entropy(self.scale, self.half_width)

    @property
    def roughness(self) -> Tensor:
        """Integral of the squared density."""
        return epanechnikov_roughness(self.scale, self.half_width)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw loc + scale * K + half_width * U as Algorithm 1 does, differentiable in all three."""
        shape = self._extended_shape(sample_shape)
        kernel = standard_epanechnikov(shape, dtype=self.loc.dtype, device=self.loc.device)
        uniform = 2 * torch.rand(shape, dtype=self.loc.dtype, device=self.loc.device) - 1
        return (self.loc + self.scale * kernel) + self.half_width * uniform

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density at ``value``; -inf at the ends of the support and, without validation, outside of it.

        The gradient is finite everywhere: zero where the log-density is -inf.
        """
        if self._validate_args:
            self._validate_sample(value)
        place = self._place(value)
        w = torch.where(place.edge, place.from_end, self.scale) / self.scale
        # Logarithms of the factors: the product may underflow.
        edge = 2 * w.log() + (3 - w).log() - (8 * self.half_width).log()
        y, beta = self._within_kernel(place)
        # With x = 1 - y, 1 - x^2 = y (2 - y) is at least beta, three times what is taken away.
        parabola = math.log(3 / 4) - self.scale.log() + (y * (2 - y) - beta.square() / 3).log()
        log_density = torch.where(value.isnan(), value, -math.inf)
        log_density = torch.where(place.plateau, -(2 * self.half_width).log(), log_density)
        log_density = torch.where(place.parabola, parabola, log_density)
        return torch.where(place.edge, edge, log_density)

    def cdf(self, value: Tensor) -> Tensor:
        """Distribution function at any real ``value``: 0 below the support, 1 above it.

        Near the lower end it has full relative accuracy. No value is refused.
        """
        place = self._place(value)
        # The mass of the tail that the point cuts off on its side of the centre: products and sums of positive terms.
        from_end = torch.where(place.edge, place.from_end, 0.0)
        w = from_end / self.scale
        edge = w.square() * (4 - w) * (from_end / self.half_width) / 32
        plateau = torch.where(place.plateau, place.gap, 0.0) / self.half_width / 2
        y, beta = self._within_kernel(place)
        parabola = (y.square() * (3 - y) + beta.square() * (1 - y)) / 4
        tail = torch.where(value.isnan(), value, 0.0)
        tail = torch.where(place.plateau, plateau, tail)
        tail = torch.where(place.parabola, parabola, tail)
        tail = torch.where(place.edge, edge, tail)
        return torch.where(place.upper, 1 - tail, tail)

    def _place(self, value: Tensor) -> _Place:
        offset, error = value - self.loc, rounding_error(value, self.loc)
        upper = offset > 0
        wider, narrower = torch.maximum(self.scale, self.half_width), torch.minimum(self.scale, self.half_width)
        # No rounding yet where it would matter: subtracting the wider half-width first leaves the narrower to cancel.
        # Not the absolute value, whose gradient is zero at the centre.
        gap, error = wider - torch.where(upper, offset, -offset), torch.where(upper, error, -error)
        from_end = (gap + narrower) - error
        gap = gap - error
        inner = gap >= narrower
        wide = self.scale <= self.half_width
        edge = ~inner & resolved(from_end, self.scale)
        return _Place(upper, from_end, gap, edge=edge, plateau=inner & wide, parabola=inner & ~wide)

    def _within_kernel(self, place: _Place) -> tuple[Tensor, Tensor]:
        """Distance from the end of the kernel's part in units of scale, and beta; 1 and 0 but on the parabola."""
        y = torch.where(place.parabola, place.gap, self.scale) / self.scale
        return y, torch.where(place.parabola, self.half_width, 0.0) / self.scale


@dataclass(frozen=True)
class _Place:
    """Where points lie. By symmetry their side does not matter to the density.

    Attributes
    ----------
    upper : Tensor
        Whether a point is above the centre.
    from_end : Tensor
        The distance from the nearer end of the support; negative outside.
    gap : Tensor
        The same from the nearer end of the wider one of the two parts.
    edge, plateau, parabola : Tensor
        Which piece of the density a point is on; none outside of the support.
    """

    upper: Tensor
    from_end: Tensor
    gap: Tensor
    edge: Tensor
    plateau: Tensor
    parabola: Tensor
