r"""The symmetric beta distribution: density proportional to (1 - u^2)^(a - 1), uniform, Epanechnikov or nearly normal.

Constants that depend on the shape a are computed in double precision whatever the type of a: the logarithms of gamma
functions of a large a cancel.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import constraints

from evae.distributions.bounded import BoundedSymmetric


class SymmetricBeta(BoundedSymmetric):
    r"""Symmetric beta distribution: density :math:`(1 - ((x-\mu)/r)^2)^{a-1} / (2^{2a-1} B(a, a)\, r)`.

    The support is [mu - r, mu + r]. The law is uniform for a = 1 and Epanechnikov for a = 2; as a grows, it tends to
    the normal law of the same variance r^2 / (2a + 1).

    Parameters
    ----------
    loc : Tensor or float
        mu, the centre. Any shape.
    scale : Tensor or float
        r > 0, half the length of the support. Broadcast against ``loc``.
    shape : Tensor or float
        a >= 1. Broadcast against ``loc``.
    validate_args : bool, optional
        As for `torch.distributions.Distribution`. Without validation the log-density outside the support is -inf.

    Examples
    --------
    >>> SymmetricBeta(0.0, 2.0, 2.0).variance
    tensor(0.8000)
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "shape": constraints.greater_than_eq(1.0),
    }

    shape: Tensor

    def __init__(
        self,
        loc: Tensor | float,
        scale: Tensor | float,
        shape: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        super().__init__(validate_args, loc=loc, scale=scale, shape=shape)

    @property
    def variance(self) -> Tensor:
        """The variance, scale^2 / (2 shape + 1)."""
        return self.scale.square() / (2 * self.shape + 1)

    @property
    def stddev(self) -> Tensor:
        """The standard deviation, scale / sqrt(2 shape + 1)."""
        return self.scale / (2 * self.shape + 1).sqrt()

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats. Shape: the batch shape."""
        return self.scale.log() + standard_entropy(self.shape)

    def log_roughness(self) -> Tensor:
        """Return the logarithm of the integral of the squared density. Shape: the batch shape."""
        return standard_log_roughness(self.shape) - self.scale.log()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw by `transform_uniforms`, differentiable in all parameters."""
        size = self._extended_shape(sample_shape)
        first, second = (torch.rand(size, dtype=self.loc.dtype, device=self.loc.device) for _ in range(2))
        return self.loc + self.scale * transform_uniforms(first, second, self.shape)[0]

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density at ``value``; without validation, -inf outside the support."""
        if self._validate_args:
            self._validate_sample(value)
        u = (value - self.loc) / self.scale
        # The double where: an untaken branch must not have an infinite gradient.
        inside = u.abs() < 1
        interior = torch.where(inside, u, 0.0)
        at_end = torch.where((u.abs() == 1) & (self.shape == 1), 0.0, -math.inf)
        power = torch.where(inside, (self.shape - 1) * ((1 - interior) * (1 + interior)).log(), at_end)
        return power - log_normaliser(self.shape) - self.scale.log()


def transform_uniforms(first: Tensor, second: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
    """Map two independent uniform variables on [0, 1) to a standard symmetric beta variable.

    Differentiable in the shape, without rejection: the number of random numbers does not depend on any parameter.

    Parameters
    ----------
    first, second : Tensor
        Of one shape, float32 or float64. A zero in ``first`` is replaced by a quarter of the machine's epsilon.
    shape : Tensor
        a >= 1. Broadcast against the others.

    Returns
    -------
    u : Tensor
        In [-1, 1], with density (1 - u^2)^(a - 1) / (2^(2a-1) B(a, a)).
    log_complement : Tensor
        log(1 - u^2), finite, without the cancellation that u suffers near -1 and 1.

    Notes
    -----
    u = sqrt(1 - U^(1/(a - 1/2))) cos(2 pi V), a projection of a point of the disk. Source: Ulrich, Computer generation
    of distributions on the m-sphere (1984); Devroye, Non-uniform random variate generation (1986), IX.3.
    """
    log_power = first.clamp(min=torch.finfo(first.dtype).eps / 4).log() / (shape - 0.5)
    square_radius = -torch.expm1(log_power)
    angle = 2 * math.pi * second
    u = square_radius.sqrt() * angle.cos()
    # 1 - u^2 is a sum of positive terms; where u is small, log1p keeps the digits of u^2 instead.
    square = u.square()
    small = square < 0.5
    complement = log_power.exp() + square_radius * angle.sin().square()
    return u, torch.where(small, (-torch.where(small, square, 0.0)).log1p(), complement.log())


def log_normaliser(shape: Tensor) -> Tensor:
    """Return the logarithm of the integral of (1 - u^2)^(a - 1), 2^(2a-1) B(a, a), for any a > 0."""
    return _log_normaliser(shape.double()).to(shape.dtype)


def standard_entropy(shape: Tensor) -> Tensor:
    """Return the entropy in nats of the standard law on [-1, 1].

    It is log(2^(2a-1) B(a, a)) - (a - 1)(psi(a) - psi(a + 1/2)). At equal variance it grows with the shape towards that
    of the normal law.
    """
    a = shape.double()
    mean_log_complement = torch.digamma(a) - torch.digamma(a + 0.5)
    return (_log_normaliser(a) - (a - 1) * mean_log_complement).to(shape.dtype)


def standard_log_roughness(shape: Tensor) -> Tensor:
    """Return the logarithm of the roughness I of the standard law on [-1, 1], B(2a - 1, 2a - 1) / (2 B(a, a)^2).

    At equal variance it is least for a = 2, the Epanechnikov law. Source: Lemma 3.2.
    """
    a = shape.double()
    return (_log_normaliser(2 * a - 1) - 2 * _log_normaliser(a)).to(shape.dtype)


def _log_normaliser(a: Tensor) -> Tensor:
    # By the duplication formula: the powers of 2 in 2^(2a-1) B(a, a) cancel.
    return 0.5 * math.log(math.pi) + torch.lgamma(a) - torch.lgamma(a + 0.5)
