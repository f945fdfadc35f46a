"""The law of an Epanechnikov plus a uniform variable: equations (9) and (10), the posterior that Algorithm 1 samples.

Derivations with exact arithmetic are in `theory.posterior`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evae.distributions.arithmetic import cube_root
from evae.distributions.closed_forms import epanechnikov_entropy, epanechnikov_roughness
from evae.distributions.epanechnikov import (
    STANDARD_VARIANCE,
    quantile_above_low_end,
    quantile_from_centre,
    standard_epanechnikov,
)
from evae.distributions.plus_uniform import PlusUniform, SupportPosition


class EpanechnikovPlusUniform(PlusUniform):
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
        Whether parameters and values are checked; by default as torch is set.

    Raises
    ------
    ValueError
        If ``validate_args`` and a parameter breaks its constraint, or a value given to `log_prob` lies outside the
        support (without validation its log-density is -inf), or a probability given to `icdf` outside [0, 1].

    Notes
    -----
    The density is :math:`[F((z + B)/s) - F((z - B)/s)] / 2B` with the distribution function F of K. With w the
    distance from the nearer end of the support in units of s, a the distance from the centre, and
    :math:`\beta = B/s`, it has two edges, :math:`w^2 (3 - w) / 8B` for w below 2 and :math:`2 \beta`, and between them
    a plateau, :math:`1 / 2B`, if s <= B, or else a parabola, :math:`\frac{3}{4s}(1 - (a/s)^2 - \beta^2/3)`.

    The gradient of `rsample` is that of the two parts, as Algorithm 1 draws them; it agrees with implicit
    reparametrisation on average, not sample by sample.

    Examples
    --------
    >>> EpanechnikovPlusUniform(0.0, 1.0, 2.0).variance
    tensor(1.5333)
    """

    @property
    def variance(self) -> Tensor:
        """The variance, scale^2 / 5 + half_width^2 / 3."""
        return STANDARD_VARIANCE * self.scale.square() + self.half_width.square() / 3

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, without the squares, which underflow for small widths."""
        return torch.hypot(math.sqrt(STANDARD_VARIANCE) * self.scale, self.half_width / math.sqrt(3))

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, in closed form. Shape: the batch shape.

        Source: ``beyond.exact-kl-evae``.
        """
        return epanechnikov_entropy(self.scale, self.half_width)

    @property
    def roughness(self) -> Tensor:
        """Integral of the squared density, in closed form. Shape: the batch shape."""
        return epanechnikov_roughness(self.scale, self.half_width)

    def standard_noise(self, shape: torch.Size) -> Tensor:
        """Draw K as Algorithm 2 does."""
        return standard_epanechnikov(shape, dtype=self.loc.dtype, device=self.loc.device)

    def _log_density(self, place: SupportPosition) -> Tensor:
        w = torch.where(place.edge, place.from_end, self.scale) / self.scale
        # Logarithms of the factors: the product may underflow.
        edge = 2 * w.log() + (3 - w).log() - (8 * self.half_width).log()
        y, beta = self._within_kernel(place.gap, place.inner & ~self._wide)
        # With x = 1 - y, 1 - x^2 = y (2 - y) is at least beta, three times the subtrahend.
        parabola = math.log(3 / 4) - self.scale.log() + (y * (2 - y) - beta.square() / 3).log()
        inner = torch.where(self._wide, -(2 * self.half_width).log(), parabola)
        return torch.where(place.edge, edge, torch.where(place.inner, inner, -math.inf))

    def _tail(self, place: SupportPosition) -> Tensor:
        # Products and sums of positive terms.
        from_end = torch.where(place.edge, place.from_end, 0.0)
        w = from_end / self.scale
        edge = w.square() * (4 - w) * (from_end / self.half_width) / 32
        # Not half_width: for equal widths, the gradient of the gap at the centre is divided between the two.
        plateau = torch.where(place.inner & self._wide, place.gap, 0.0) / self.wider / 2
        y, beta = self._within_kernel(place.gap, place.inner & ~self._wide)
        parabola = (y.square() * (3 - y) + beta.square() * (1 - y)) / 4
        inner = torch.where(self._wide, plateau, parabola)
        return torch.where(place.edge, edge, torch.where(place.inner, inner, 0.0))

    @property
    def _edge_probability(self) -> Tensor:
        ratio = self.narrower / self.wider
        return torch.where(self._wide, ratio, ratio.square() * (2 - ratio)) / 2

    def _quantile_from_end(self, probability: Tensor) -> Tensor:
        on_edge = probability < self._edge_probability
        parabolic = ~on_edge & ~self._wide
        edge = self._edge_quantile_from_end(probability, on_edge)
        plateau = self.scale + 2 * probability * self.half_width
        # The parabola is c^3 times the density of an Epanechnikov law with the scale c s.
        below_one, below_one_cubed = _contraction(torch.where(parabolic, self.half_width, 0.0) / self.scale)
        within = (2 * torch.where(parabolic, probability, 0.5) - below_one_cubed) / (1 - below_one_cubed) / 2
        y = below_one + (1 - below_one) * quantile_above_low_end(within)
        parabola = self.half_width + self.scale * y
        return torch.where(on_edge, edge, torch.where(self._wide, plateau, parabola))

    def _edge_quantile_from_end(self, probability: Tensor, on_edge: Tensor) -> Tensor:
        """Return the root w, in units of scale, of w^3 (4 - w) = 4 r^3 with r^3 = 8 p B / s; exactly 0 for p = 0."""
        inside = on_edge & (probability > 0)
        half_width = torch.where(inside, self.half_width, self.scale)
        # The cube roots of the factors: the product may underflow, and the quotient of the widths overflow.
        root = 2 * cube_root(torch.where(inside, probability, 1 / 8))
        r = root * (cube_root(half_width) / cube_root(self.scale))
        return torch.where(inside, self.scale * (r * _quartic_root(r)), 0.0)

    def _offset_from_centre(self, t: Tensor) -> Tensor:
        below_one, below_one_cubed = _contraction(torch.where(self._wide, 0.0, self.half_width) / self.scale)
        parabola = self.scale * ((1 - below_one) * quantile_from_centre(t / (1 - below_one_cubed)))
        return torch.where(self._wide, self.half_width * t, parabola)

    @property
    def _wide(self) -> Tensor:
        """Whether the uniform part is at least as wide as the kernel, so that the inner piece is a plateau."""
        return self.scale <= self.half_width

    def _within_kernel(self, gap: Tensor, parabolic: Tensor) -> tuple[Tensor, Tensor]:
        """Return the scaled distance from the end of the kernel's part, and beta; 1 and 0 off the parabola."""
        y = torch.where(parabolic, gap, self.scale) / self.scale
        return y, torch.where(parabolic, self.half_width, 0.0) / self.scale


def _contraction(beta: Tensor) -> tuple[Tensor, Tensor]:
    """Return 1 - c and 1 - c^3 without cancellation; the parabola is zero at c = sqrt(1 - beta^2/3) scales from loc."""
    third = beta.square() / 3
    return third / (1 + (1 - third).sqrt()), -(1.5 * (-third).log1p()).expm1()


def _quartic_root(r: Tensor) -> Tensor:
    """Return the t = w/r with t^3 (4 - r t) = 4, between 1 and 4/3, for 0 < r <= 2^(2/3).

    Newton's method from the series in r, whose error is below 5 %. Four steps, each of which squares the error, reach
    rounding in double precision; the derivatives of the steps converge to those of the root, so that autograd applies.
    """
    t = 1 + r * (1 / 12 + r * (1 / 48 + r * 35 / 5184))
    for _ in range(4):
        t = t - (t**3 * (4 - r * t) - 4) / (4 * t.square() * (3 - r * t))
    return t
