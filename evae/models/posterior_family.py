"""Posterior families: maps from the encoder's outputs to posteriors with parameters in their ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from evae.configuration.noises import NOISES
from evae.configuration.recipe import POSTERIORS, STEP_SIZE, Recipe
from evae.models.kernel_density import KernelDensityPosterior, kernel_reach
from evae.models.posteriors import SMALLEST_SPREAD, LocationScalePosterior, PointPosterior, Posterior
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
    within : float, optional
        Half the length of the prior's interval.
    """

    posterior: str
    kernel: str = "epanechnikov"
    interval: str = "printed"
    prior_length: float | None = None
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
            within=None if recipe.uniform_length is None else recipe.uniform_length / 2,
        )

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the encoder's outputs, in the order of the arguments of `from_heads`."""
        if self.posterior == "kde":
            return ("mu", "r", "B") if self.prior_length is None else ("mu", "r")
        return ("mu",) if self.posterior == "none" else ("mu", NOISES[self.posterior].scale)

    def from_heads(self, *outputs: Tensor) -> Posterior:
        """Make the posterior from the unconstrained outputs of the heads, each of shape (N, d_z)."""
        if self.posterior == "none":
            return PointPosterior(*outputs)
        if self.posterior == "kde":
            return self._kernel_density(*outputs)
        mu, spread = outputs
        if self.within is None:
            return LocationScalePosterior(mu, positive(spread), self.posterior)
        reach = NOISES[self.posterior].reach or math.inf
        room = self.within * _MARGIN
        spread = below(room / reach, spread)
        return LocationScalePosterior((room - reach * spread) * mu.tanh(), spread, self.posterior)

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
