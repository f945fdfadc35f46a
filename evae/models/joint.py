"""Posteriors whose noise is one law of all dimensions: radial Epanechnikov, and normal with a full covariance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, MultivariateNormal

from evae.compute.random_streams import NoiseSource, draw
from evae.configuration.noises import JOINT_NOISES, JointNoise
from evae.distributions.kernels import RadialEpanechnikov, radial_epanechnikov
from evae.models.posteriors import Draw, Posterior


@dataclass(frozen=True)
class JointPosterior(Posterior):
    """z = mu + L e with e a noise of `JOINT_NOISES` with mean 0 and covariance I, and L lower triangular.

    L = diag(sigma) C, in which the rows of C have length 1 and its diagonal is positive: C C^T is the correlation
    matrix, and sigma are the standard deviations of the dimensions. For a posterior without a full covariance C is the
    identity.

    Attributes
    ----------
    mu, sigma : Tensor
        Shape (N, d_z).
    name : str
        A name in `JOINT_NOISES`.
    couplings : Tensor, optional
        The entries of C below its diagonal, row by row, each divided by the diagonal entry of its row: any numbers, of
        shape (N, d_z (d_z - 1)/2). None for uncorrelated dimensions.
    """

    mu: Tensor
    sigma: Tensor
    name: str
    couplings: Tensor | None = None

    joint: ClassVar[bool] = True

    @property
    def noise(self) -> JointNoise:
        """The noise."""
        return JOINT_NOISES[self.name]

    @property
    def dimension(self) -> int:
        """d_z."""
        return self.mu.shape[1]

    @property
    def label(self) -> str:
        """Name in messages."""
        return f"posterior {self.name}"

    @property
    def mean(self) -> Tensor:
        """The mean, mu."""
        return self.mu

    @property
    def variance(self) -> Tensor:
        """The variances of the dimensions, sigma^2."""
        return self.sigma.square()

    @property
    def covariance(self) -> Tensor:
        """The covariance, L L^T."""
        return self.scale_tril @ self.scale_tril.mT

    @property
    def spreads(self) -> dict[str, Tensor]:
        """The standard deviations of the dimensions."""
        return {"sigma": self.sigma}

    @property
    def reach(self) -> Tensor | None:
        """Half the extent of the support in each dimension, sqrt(d_z + 4) sigma; None for the normal law."""
        return reach_of(self.dimension) * self.sigma if self.noise.radial else None

    @property
    def entropy(self) -> Tensor:
        """Entropy of all dimensions together, (N,)."""
        if self.noise.radial:
            of_noise = radial_epanechnikov.standard_entropy(self.dimension) + self._log_reach
        else:
            of_noise = 0.5 * self.dimension * math.log(2 * math.pi * math.e)
        return of_noise + self._log_determinant

    @property
    def log_roughness(self) -> Tensor:
        """Logarithm of the integral of the squared density over all dimensions, (N,)."""
        if self.noise.radial:
            of_noise = radial_epanechnikov.standard_log_roughness(self.dimension) - self._log_reach
        else:
            of_noise = -0.5 * self.dimension * math.log(4 * math.pi)
        return of_noise - self._log_determinant

    @property
    def roughness(self) -> Tensor:
        """The integral of the squared density over all dimensions, (N,), which may overflow: see `log_roughness`."""
        return self.log_roughness.exp()

    @property
    def scale_tril(self) -> Tensor:
        """L, of shape (N, d_z, d_z)."""
        return self.sigma[:, :, None] * self._correlation_factor

    @property
    def distribution(self) -> Distribution:
        """The law of the code, with batch shape (N,) and event shape (d_z,)."""
        if self.noise.radial:
            return RadialEpanechnikov(self.mu, reach_of(self.dimension) * self.scale_tril, validate_args=False)
        return MultivariateNormal(self.mu, scale_tril=self.scale_tril, validate_args=False)

    def rsample(self, generator: NoiseSource = None) -> Tensor:
        """Draw mu + L e."""
        return self._at(self._draw_noise(generator)[0])

    def draw(self, generator: NoiseSource = None) -> Draw:
        """Draw mu + L e; the log-density is that of e less the logarithm of the determinant of L."""
        noise, log_density = self._draw_noise(generator)
        return Draw(self._at(noise), log_density - self._log_determinant)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Compute the log-density at codes (N, d_z); -inf outside the support."""
        noise = (codes - self.mu) / self.sigma
        if self.couplings is not None:
            noise = torch.linalg.solve_triangular(self._correlation_factor, noise[:, :, None], upper=False)[:, :, 0]
        if self.noise.radial:
            of_noise = radial_epanechnikov.standard_log_density(noise / reach_of(self.dimension)) - self._log_reach
        else:
            of_noise = _normal_log_density(noise)
        return of_noise - self._log_determinant

    def _draw_noise(self, generator: NoiseSource) -> tuple[Tensor, Tensor]:
        """Draw e, (N, d_z), and its log-density, (N,)."""
        if not self.noise.radial:
            noise = draw(torch.randn, self.mu, generator)
            return noise, _normal_log_density(noise)
        normals = draw(torch.randn, self.mu.new_empty(len(self.mu), self.dimension + 4), generator)
        u, log_complement = radial_epanechnikov.project_normals(normals)
        constant = radial_epanechnikov.log_constant(self.dimension) - self._log_reach
        return reach_of(self.dimension) * u, log_complement + constant

    def _at(self, noise: Tensor) -> Tensor:
        if self.couplings is not None:
            noise = (self._correlation_factor @ noise[:, :, None])[:, :, 0]
        return self.mu + self.sigma * noise

    @property
    def _log_reach(self) -> float:
        """The logarithm of the factor that gives the radial noise unit variances, for all dimensions."""
        return self.dimension * math.log(reach_of(self.dimension))

    @property
    def _correlation_factor(self) -> Tensor:
        """C, of shape (N, d_z, d_z)."""
        rows = self._directions
        return rows / rows.square().sum(2, keepdim=True).sqrt()

    @property
    def _directions(self) -> Tensor:
        """C with its rows scaled to diagonal entries of 1."""
        identity = torch.eye(self.dimension, dtype=self.mu.dtype, device=self.mu.device)
        return identity.expand(len(self.mu), -1, -1) if self.couplings is None else identity + self._below

    @property
    def _log_determinant(self) -> Tensor:
        """The logarithm of the determinant of L, (N,)."""
        of_sigma = self.sigma.log().sum(1)
        if self.couplings is None:
            return of_sigma
        return of_sigma - 0.5 * self._below.square().sum(2).log1p().sum(1)

    @property
    def _below(self) -> Tensor:
        """The couplings as a strictly lower triangular matrix, (N, d_z, d_z)."""
        assert self.couplings is not None
        d = self.dimension
        row, column = torch.tril_indices(d, d, -1, device=self.mu.device)
        entries = self.mu.new_zeros(len(self.mu), d * d).index_copy(1, d * row + column, self.couplings)
        return entries.view(-1, d, d)


def reach_of(dimension: int) -> float:
    """Return the radius of the ball on which the radial law has covariance I, sqrt(d + 4)."""
    return math.sqrt(dimension + 4)


def _normal_log_density(noise: Tensor) -> Tensor:
    return -0.5 * (noise.square() + math.log(2 * math.pi)).sum(1)
