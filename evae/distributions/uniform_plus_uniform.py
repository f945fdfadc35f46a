"""The law of the sum of two uniform variables, a trapezoid: the noise of Algorithm 1 with the uniform kernel."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evae.distributions.centred_uniform import standard_uniform
from evae.distributions.closed_forms import uniform_entropy, uniform_roughness
from evae.distributions.plus_uniform import PlusUniform, SupportPosition


class UniformPlusUniform(PlusUniform):
    r"""Law of loc + s V + B U, with V and U uniform on [-1, 1], independent: a trapezoid, or a triangle if s = B.

    Parameters
    ----------
    loc : Tensor or float
        The centre: mean, median and a mode. Any shape.
    scale : Tensor or float
        s > 0, half the length of the support of s V. Broadcast against the others.
    half_width : Tensor or float
        B > 0, half the length of the support of B U. Exchanging it with s does not change the law.
    validate_args : bool, optional
        Whether parameters and values are checked; by default as torch is set.

    Raises
    ------
    ValueError
        If ``validate_args`` and a parameter breaks its constraint, or a value given to `log_prob` lies outside the
        support (without validation its log-density is -inf), or a probability given to `icdf` outside [0, 1].

    Notes
    -----
    With a and c the larger and the smaller of s and B, the density is 1/(2a) on a plateau of length 2 (a - c), and
    d/(4ac) at a distance d < 2c from the nearer end of the support.

    Examples
    --------
    >>> UniformPlusUniform(0.0, 1.0, 2.0).variance
    tensor(1.6667)
    """

    @property
    def variance(self) -> Tensor:
        """The variance, (scale^2 + half_width^2) / 3."""
        return (self.scale.square() + self.half_width.square()) / 3

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, without the squares, which underflow for small widths."""
        return torch.hypot(self.scale, self.half_width) / math.sqrt(3)

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats, in closed form. Shape: the batch shape."""
        return uniform_entropy(self.scale, self.half_width)

    @property
    def roughness(self) -> Tensor:
        """Integral of the squared density, in closed form. Shape: the batch shape."""
        return uniform_roughness(self.scale, self.half_width)

    def standard_noise(self, shape: torch.Size) -> Tensor:
        """Draw V."""
        return standard_uniform(shape, dtype=self.loc.dtype, device=self.loc.device)

    def _log_density(self, place: SupportPosition) -> Tensor:
        edge = (torch.where(place.edge, place.from_end, self.narrower) / self.narrower).log() - (4 * self.wider).log()
        inner = -(2 * self.wider).log()
        return torch.where(place.edge, edge, torch.where(place.inner, inner, -math.inf))

    def _tail(self, place: SupportPosition) -> Tensor:
        from_end = torch.where(place.edge, place.from_end, 0.0)
        edge = (from_end / self.narrower) * (from_end / self.wider) / 8
        plateau = torch.where(place.inner, place.gap, 0.0) / self.wider / 2
        return torch.where(place.edge, edge, plateau)

    @property
    def _edge_probability(self) -> Tensor:
        return self.narrower / self.wider / 2

    def _quantile_from_end(self, probability: Tensor) -> Tensor:
        on_edge = probability < self._edge_probability
        inside = on_edge & (probability > 0)
        root = (2 * torch.where(inside, probability, 0.5)).sqrt()
        edge = torch.where(inside, 2 * root * (self.narrower.sqrt() * self.wider.sqrt()), 0.0)
        return torch.where(on_edge, edge, self.narrower + 2 * probability * self.wider)

    def _offset_from_centre(self, t: Tensor) -> Tensor:
        return self.wider * t
