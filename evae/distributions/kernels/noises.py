"""Kernels of Algorithm 1 beyond those with a distribution of their own: draws, and the law of their sum with a uniform.

Each is symmetric on [-1, 1] and is described by its density and its distribution function at a distance t from -1, from
0 to 1; both keep their digits as t vanishes. Their names, variances and roughnesses are those of `theory.kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Profile = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class KernelProfile:
    """The density and the distribution function of a kernel at a distance in [0, 1] from the end of its support."""

    density: Profile
    distribution: Profile


PROFILES = {
    "triangular": KernelProfile(lambda t: t, lambda t: t.square() / 2),
    "biweight": KernelProfile(
        lambda t: 15 / 16 * (t * (2 - t)).square(),
        lambda t: t**3 * (5 / 4 - 15 / 16 * t + 3 / 16 * t.square()),
    ),
    "triweight": KernelProfile(
        lambda t: 35 / 32 * (t * (2 - t)) ** 3,
        lambda t: t**4 * (35 / 16 - 21 / 8 * t + 35 / 32 * t.square() - 5 / 32 * t**3),
    ),
    "cosine": KernelProfile(
        lambda t: math.pi / 4 * (math.pi / 2 * t).sin(),
        lambda t: (math.pi / 4 * t).sin().square(),
    ),
}


def standard_triangular(
    shape: Sequence[int],
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw the difference of two uniform variables, with the arguments of `torch.rand`."""
    first, second = torch.rand((2, *shape), generator=generator, dtype=dtype, device=device)
    return first - second


def standard_biweight(
    shape: Sequence[int],
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw the median of five uniform variables on [-1, 1], with the arguments of `torch.rand`."""
    return 2 * torch.rand((5, *shape), generator=generator, dtype=dtype, device=device).median(0).values - 1


def standard_triweight(
    shape: Sequence[int],
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw the median of seven uniform variables on [-1, 1], with the arguments of `torch.rand`."""
    return 2 * torch.rand((7, *shape), generator=generator, dtype=dtype, device=device).median(0).values - 1


def standard_cosine(
    shape: Sequence[int],
    *,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw by the inverse of the distribution function, with the arguments of `torch.rand`."""
    level = torch.rand(tuple(shape), generator=generator, dtype=dtype, device=device)
    return 2 / math.pi * (2 * level - 1).asin()


def sum_log_density(kernel: str, end: Tensor, s: Tensor, width: Tensor) -> Tensor:
    """Return the log-density of s K + B U at a distance ``end`` from the nearer end of its support, -(s + B).

    It is log[F((x + B)/s) - F((x - B)/s)] - log 2B; -inf at a negative distance.

    Parameters
    ----------
    kernel : str
        One of `PROFILES`.
    end, s, width : Tensor
        The distance, the scale of the kernel, and B; positive, of one shape.
    """
    profile = PROFILES[kernel]
    upper, lower = end / s, (end - 2 * width) / s
    # Where the kernel is much wider than the interval, both values agree in most digits, and its density is accurate.
    narrow = 2 * width / s < torch.finfo(s.dtype).eps ** (1 / 3) * lower.clamp(0, 1)
    mass = (_distribution(profile, upper) - _distribution(profile, lower)) / (2 * width)
    middle = ((upper + lower) / 2).clamp(0, 2)
    density = profile.density(torch.minimum(middle, 2 - middle)) / s
    return torch.where(narrow, density, mass).log()


def _distribution(profile: KernelProfile, distance: Tensor) -> Tensor:
    """Return the distribution function at any distance from the lower end of the support."""
    inside = distance.clamp(0, 2)
    tail = profile.distribution(torch.minimum(inside, 2 - inside))
    return torch.where(inside <= 1, tail, 1 - tail)
