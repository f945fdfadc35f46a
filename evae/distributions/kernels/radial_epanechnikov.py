"""The radial Epanechnikov distribution in d dimensions: density proportional to 1 - u^2 on the unit ball.

Among all densities of equal covariance it has the least roughness (``beyond.radial-kernel``). For d = 1 it is the
Epanechnikov distribution; for d > 1 its coordinates are uncorrelated and dependent.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints


class RadialEpanechnikov(Distribution):
    r"""Radial Epanechnikov distribution of loc + scale_tril u, with :math:`c_d (1 - |u|^2)` the density of u.

    Parameters
    ----------
    loc : Tensor
        The centre, of shape (..., d).
    scale_tril : Tensor
        L, lower triangular with a positive diagonal, of shape (..., d, d): the support is the ellipsoid loc + L u with
        u in the unit ball, and the covariance is L L^T / (d + 4). Broadcast against ``loc``.
    validate_args : bool, optional
        As for `torch.distributions.Distribution`. The log-density outside the ellipsoid is -inf.

    Examples
    --------
    >>> RadialEpanechnikov(torch.zeros(2), torch.eye(2)).variance
    tensor([0.1667, 0.1667])
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real_vector,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    loc: Tensor
    scale_tril: Tensor

    def __init__(self, loc: Tensor, scale_tril: Tensor, validate_args: bool | None = None) -> None:
        batch, dimension = torch.broadcast_shapes(loc.shape[:-1], scale_tril.shape[:-2]), loc.shape[-1]
        self.loc = loc.expand(*batch, dimension)
        self.scale_tril = scale_tril.expand(*batch, dimension, dimension)
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Distribution | None = None) -> RadialEpanechnikov:
        """Return the same distribution with ``batch_shape``, without copying memory."""
        new = self._get_checked_instance(RadialEpanechnikov, _instance)  # type: ignore[no-untyped-call]
        wanted = torch.Size(batch_shape)
        new.loc = self.loc.expand(*wanted, self.dimension)
        new.scale_tril = self.scale_tril.expand(*wanted, self.dimension, self.dimension)
        super(RadialEpanechnikov, new).__init__(wanted, self.event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @property
    def dimension(self) -> int:
        """The number d of dimensions."""
        return self.event_shape[0]

    @property
    def mean(self) -> Tensor:
        """The mean, loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """The mode, loc."""
        return self.loc

    @property
    def covariance_matrix(self) -> Tensor:
        """The covariance, L L^T / (d + 4)."""
        return self.scale_tril @ self.scale_tril.mT / (self.dimension + 4)

    @property
    def variance(self) -> Tensor:
        """The variance of each coordinate."""
        return self.scale_tril.square().sum(-1) / (self.dimension + 4)

    def entropy(self) -> Tensor:
        """Return the differential entropy in nats. Shape: the batch shape."""
        return standard_entropy(self.dimension) + self._log_determinant

    def log_roughness(self) -> Tensor:
        """Return the logarithm of the integral of the squared density. Shape: the batch shape."""
        return standard_log_roughness(self.dimension) - self._log_determinant

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw by `project_normals`, differentiable in both parameters."""
        size = (*torch.Size(sample_shape), *self.batch_shape, self.dimension + 4)
        u, _ = project_normals(torch.randn(size, dtype=self.loc.dtype, device=self.loc.device))
        return self.loc + (self.scale_tril @ u[..., None])[..., 0]

    def log_prob(self, value: Tensor) -> Tensor:
        """Return the log-density at ``value``, of shape (..., d); -inf outside the ellipsoid and on its surface."""
        if self._validate_args:
            self._validate_sample(value)
        offset = (value - self.loc)[..., None]
        factor = self.scale_tril.expand(*offset.shape[:-1], self.dimension)
        u = torch.linalg.solve_triangular(factor, offset, upper=False)[..., 0]
        return standard_log_density(u) - self._log_determinant

    @property
    def _log_determinant(self) -> Tensor:
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def project_normals(normals: Tensor) -> tuple[Tensor, Tensor]:
    """Map standard normal vectors of d + 4 coordinates to standard radial Epanechnikov vectors of d coordinates.

    Parameters
    ----------
    normals : Tensor
        Of shape (..., d + 4), d >= 1.

    Returns
    -------
    u : Tensor
        The first d coordinates of the unit vectors, (..., d), whose law is exactly that of density c_d (1 - u^2), with
        u^2 the square of the length.
    log_complement : Tensor
        log(1 - u^2), of shape (...), from the other four coordinates, without cancellation.
    """
    squares = normals.square()
    square_norm = squares.sum(-1)
    u = normals[..., :-4] / square_norm.sqrt()[..., None]
    return u, squares[..., -4:].sum(-1).log() - square_norm.log()


def standard_log_density(u: Tensor) -> Tensor:
    """Return log c_d + log(1 - u^2) at vectors (..., d); -inf outside the open unit ball."""
    complement = 1 - u.square().sum(-1)
    # The double where: an untaken branch must not have an infinite gradient.
    inside = complement > 0
    logarithm = torch.where(inside, complement, 1.0).log()
    return torch.where(inside, logarithm + log_constant(u.shape[-1]), -math.inf)


@cache
def log_constant(dimension: int) -> float:
    """Return log c_d = log((d + 2) / (2 V_d)), with V_d the volume of the unit ball in d dimensions."""
    return math.log((dimension + 2) / 2) - _log_ball_volume(dimension)


@cache
def standard_entropy(dimension: int) -> float:
    """Return the entropy of the standard law in nats, -log c_d + psi(2 + d/2) - psi(2)."""
    # By psi(x + 1) = psi(x) + 1/x from psi(2) or psi(5/2) = psi(2) + 5/3 - 2 log 2. There is no tensor, since the loss
    # of a step on CUDA must have none on the CPU.
    odd = dimension % 2
    first = 2 + odd / 2
    steps = math.fsum(1 / (first + k) for k in range(dimension // 2))
    return steps + odd * (5 / 3 - 2 * math.log(2)) - log_constant(dimension)


@cache
def standard_log_roughness(dimension: int) -> float:
    """Return the logarithm of the roughness of the standard law, 2 (d + 2) / (V_d (d + 4))."""
    return math.log(2 * (dimension + 2) / (dimension + 4)) - _log_ball_volume(dimension)


def _log_ball_volume(dimension: int) -> float:
    return dimension / 2 * math.log(math.pi) - math.lgamma(dimension / 2 + 1)
