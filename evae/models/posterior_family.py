"""Posterior families: maps from the encoder's outputs to posteriors with parameters in their ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from evae.configuration.noises import BETA, JOINT_NOISES, NOISES
from evae.configuration.recipe import POSTERIORS, STEP_SIZE, Recipe
from evae.models import joint, symmetric_beta
from evae.models.joint import JointPosterior
from evae.models.kernel_density import KernelDensityPosterior, kernel_reach
from evae.models.posteriors import SMALLEST_SPREAD, LocationScalePosterior, PointPosterior, Posterior
from evae.models.symmetric_beta import SymmetricBetaPosterior, shape_from
from foundation.errors import InputError

#: A posterior bounded by an interval is shrunk by this factor, so that rounding never moves it outside.
_MARGIN = 1 - 2**-18


def positive(raw: Tensor) -> Tensor:
    """Map a head's output to a spread: softplus, at least `SMALLEST_SPREAD`, with a gradient everywhere."""
    return functional.softplus(raw) + SMALLEST_SPREAD


def below(limit: Tensor | float, raw: Tensor) -> Tensor:
    """Map a head's output to a spread between `SMALLEST_SPREAD` and ``limit``, by a sigmoid."""
    return SMALLEST_SPREAD + (limit - SMALLEST_SPREAD) * raw.sigmoid()


@dataclass(frozen=True)
class PosteriorFamily:
    """Map from the outputs of the encoder's heads to a posterior.

    Without bounds, mu is the head's output, and a spread is `positive` of it. With ``within``, the support lies in
    [-within, within] by construction: each spread takes a share, by a sigmoid, of the remaining room (B before r), and
    tanh places the mean in the rest.

    Parameters
    ----------
    posterior : str
        A name in `evae.configuration.POSTERIORS`.
    kernel, interval : str
        Of the posterior kde: see `KernelDensityPosterior`.
    prior_length : float, optional
        A constant B for the posterior kde; None if it is learned.
    shape : str or float
        Of the posterior beta: ``learned``, ``encoded`` or a constant.
    initial_shape : float
        Of the posterior beta: a learned or encoded shape before the first step.
    within : float, optional
        Half the length of the prior's interval.
    """

    posterior: str
    kernel: str = "epanechnikov"
    interval: str = "printed"
    prior_length: float | None = None
    shape: str | float = "learned"
    initial_shape: float = 2.0
    within: float | None = None

    def __post_init__(self) -> None:
        if self.posterior not in POSTERIORS:
            raise InputError(f"the posterior must be one of {', '.join(POSTERIORS)}, got {self.posterior!r}.")

    @classmethod
    def of(cls, recipe: Recipe) -> PosteriorFamily:
        """Return the family of a configuration's recipe."""
        constant = None if isinstance(recipe.prior_length, str) else recipe.prior_length
        return cls(
            recipe.posterior,
            kernel=recipe.kernel or "epanechnikov",
            interval=recipe.interval or "printed",
            prior_length=constant,
            shape=recipe.shape or "learned",
            initial_shape=recipe.initial_shape or 2.0,
            within=None if recipe.uniform_length is None else recipe.uniform_length / 2,
        )

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the encoder's outputs, in the order of the arguments of `from_heads`."""
        if self.posterior == "kde":
            return ("mu", "r", "B") if self.prior_length is None else ("mu", "r")
        if self.posterior == BETA:
            return ("mu", "sigma", "a") if self.shape == "encoded" else ("mu", "sigma")
        if self.posterior in JOINT_NOISES:
            return ("mu", "sigma", "couplings") if JOINT_NOISES[self.posterior].full else ("mu", "sigma")
        return ("mu",) if self.posterior == "none" else ("mu", NOISES[self.posterior].scale)

    @property
    def learns_shape(self) -> bool:
        """Whether the shape is a parameter of the model, whose value follows those of the heads in `from_heads`."""
        return self.posterior == BETA and self.shape == "learned"

    def zero_heads(self, latent_dim: int) -> dict[str, int]:
        """Return those of the heads whose outputs are zero before the first step, with their numbers of outputs.

        The shape of every code is then the initial one, and its dimensions are uncorrelated.
        """
        return {name: number for name, number in self.outputs(latent_dim).items() if name in ("a", "couplings")}

    def free_heads(self, latent_dim: int) -> tuple[str, ...]:
        """Return the heads that start with drawn weights, all but `zero_heads`."""
        zero = self.zero_heads(latent_dim)
        return tuple(name for name in self.heads if name not in zero)

    def outputs(self, latent_dim: int) -> dict[str, int]:
        """Return the number of outputs of each head."""
        couplings = latent_dim * (latent_dim - 1) // 2
        return {name: couplings if name == "couplings" else latent_dim for name in self.heads}

    def from_heads(self, *outputs: Tensor) -> Posterior:
        """Make the posterior from the unconstrained outputs of the heads, (N, d_z) except for `zero_heads`."""
        if self.posterior == "none":
            return PointPosterior(*outputs)
        if self.posterior == "kde":
            return self._kernel_density(*outputs)
        if self.posterior == BETA:
            return self._symmetric_beta(*outputs)
        if self.posterior in JOINT_NOISES:
            return self._joint(*outputs)
        mu, spread = outputs
        if self.within is None:
            return LocationScalePosterior(mu, positive(spread), self.posterior)
        mu, spread = self._inside(mu, spread, NOISES[self.posterior].reach or math.inf)
        return LocationScalePosterior(mu, spread, self.posterior)

    def _inside(self, mu: Tensor, spread: Tensor, reach: Tensor | float) -> tuple[Tensor, Tensor]:
        """Return the mean and the spread of a posterior ``within``, which reaches ``reach`` times its spread."""
        assert self.within is not None
        room = self.within * _MARGIN
        spread = below(room / reach, spread)
        return (room - reach * spread) * mu.tanh(), spread

    def _symmetric_beta(self, mu: Tensor, sigma: Tensor, log_ratio: Tensor | None = None) -> SymmetricBetaPosterior:
        if isinstance(self.shape, float | int):
            shape = torch.full_like(mu[:, :1], self.shape)
        else:
            shape = shape_from(torch.zeros_like(mu[:, :1]) if log_ratio is None else log_ratio, self.initial_shape)
        if self.within is None:
            return SymmetricBetaPosterior(mu, positive(sigma), shape)
        reach = symmetric_beta.reach_of(shape)
        # A small standard deviation does not depend on the shape, whose gradient is then that at equal variance. For
        # the Epanechnikov kernel the shift is zero.
        shifted = sigma + (reach / math.sqrt(5)).log()
        return SymmetricBetaPosterior(*self._inside(mu, shifted, reach), shape)

    def _joint(self, mu: Tensor, sigma: Tensor, couplings: Tensor | None = None) -> JointPosterior:
        if self.within is None:
            return JointPosterior(mu, positive(sigma), self.posterior, couplings)
        reach = joint.reach_of(mu.shape[1]) if JOINT_NOISES[self.posterior].radial else math.inf
        return JointPosterior(*self._inside(mu, sigma, reach), self.posterior, couplings)

    def _kernel_density(self, mu: Tensor, r: Tensor, raw_length: Tensor | None = None) -> KernelDensityPosterior:
        half = 1.0 if self.interval == "printed" else 0.5
        if self.within is None:
            length = self._constant(mu) if raw_length is None else positive(raw_length)
            return KernelDensityPosterior(mu, positive(r), length, kernel=self.kernel, interval=self.interval)
        # B takes its share of the room first, then r, then the mean.
        room = self.within * _MARGIN
        length = self._constant(mu) if raw_length is None else below((room - SMALLEST_SPREAD) / half, raw_length)
        # Half-width of the kernel part per unit of r.
        scale = STEP_SIZE * (kernel_reach(self.kernel) or math.inf)
        r = below((room - half * length) / scale, r)
        mu = (room - half * length - scale * r) * mu.tanh() / STEP_SIZE
        return KernelDensityPosterior(mu, r, length, kernel=self.kernel, interval=self.interval)

    def _constant(self, like: Tensor) -> Tensor:
        assert self.prior_length is not None
        return torch.full_like(like, self.prior_length)
