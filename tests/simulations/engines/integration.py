"""T_m by independent integration: exact places, Gauss-Legendre rules between all edges of kernels, knots and scales.

Every place is a fraction, so that the distance of a node to an observation or to a location is exact to double
precision whatever their magnitudes. Nothing of the package is used but the definitions of kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

NODES, SHARES = np.polynomial.legendre.leggauss(32)

HALF_SCALES = 78
"""Half-scales around a location that are integrated one by one: beyond 39 scales a normal density underflows."""


@dataclass(frozen=True)
class Part:
    """A part of a mixture: ``weight`` times the density of location + scale * Z."""

    weight: Fraction
    location: Fraction
    scale: Fraction
    shape: Callable[[Array], Array] = lambda z: np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    knots: tuple[Fraction, ...] = ()


KERNELS: dict[str, tuple[Callable[[Array], Array], tuple[int, ...]]] = {
    "epanechnikov": (lambda u: np.where(np.abs(u) <= 1, 0.75 * (1 - u) * (1 + u), 0.0), (-1, 1)),
    "uniform": (lambda u: np.where(np.abs(u) <= 1, 0.5, 0.0), (-1, 1)),
    "triangular": (lambda u: np.where(np.abs(u) <= 1, 1 - np.abs(u), 0.0), (-1, 0, 1)),
    "biweight": (lambda u: np.where(np.abs(u) <= 1, 15 / 16 * ((1 - u) * (1 + u)) ** 2, 0.0), (-1, 1)),
    "triweight": (lambda u: np.where(np.abs(u) <= 1, 35 / 32 * ((1 - u) * (1 + u)) ** 3, 0.0), (-1, 1)),
    "cosine": (lambda u: np.where(np.abs(u) <= 1, math.pi / 4 * np.cos(math.pi * u / 2), 0.0), (-1, 1)),
    "gaussian": (lambda u: np.exp(-(u**2) / 2) / math.sqrt(2 * math.pi), ()),
}
"""The kernels and their knots; the Gaussian is integrated on half-bandwidths."""


def integrate_statistic(
    sample: Sequence[float],
    kernel: str,
    parts: Sequence[Part],
    bandwidth: float,
    window: tuple[Fraction, Fraction] | None = None,
    reciprocal: bool = False,
) -> float:
    """Compute m b * integral of (f_m - f)^2 a, with a = 1 everywhere, on a window, or 1/f on a window."""
    return integrate_squares(sample, kernel, parts, bandwidth, window, reciprocal)[0]


def integrate_squares(
    sample: Sequence[float],
    kernel: str,
    parts: Sequence[Part],
    bandwidth: float,
    window: tuple[Fraction, Fraction] | None = None,
    reciprocal: bool = False,
) -> tuple[float, float]:
    """Compute the same of the difference and of the sum of f_m and f."""
    k, knots = KERNELS[kernel]
    observations, b, m = [Fraction(value) for value in sample], Fraction(bandwidth), len(sample)
    edges = {part.location + part.scale * knot for part in parts for knot in part.knots}
    edges |= {part.location + part.scale * j / 2 for part in parts for j in range(-HALF_SCALES, HALF_SCALES + 1)}
    edges |= {value + b * knot for value in observations for knot in knots}
    if not knots:
        edges |= {value + b * j / 2 for value in observations for j in range(-HALF_SCALES, HALF_SCALES + 1)}
    lower, upper = window or (min(edges), max(edges))
    ends = sorted({lower, upper, *(edge for edge in edges if lower < edge < upper)})
    centres = [(start + end) / 2 for start, end in pairwise(ends)]
    halves = np.array([float((end - start) / 2) for start, end in pairwise(ends)])
    steps = halves[:, None] * NODES
    # A compact kernel covers a whole panel or none of it.
    estimate, density = np.zeros_like(steps), np.zeros_like(steps)
    for value in observations:
        from_value = np.array([float(centre - value) for centre in centres])[:, None] + steps
        estimate += k(from_value / bandwidth) / (m * bandwidth)
    for part in parts:
        z = (np.array([float(centre - part.location) for centre in centres])[:, None] + steps) / float(part.scale)
        density += float(part.weight / part.scale) * part.shape(z)
    share = halves[:, None] * SHARES / (density if reciprocal else 1.0)
    difference, total = ((share * (estimate + sign * density) ** 2).ravel().tolist() for sign in (-1, 1))
    return m * bandwidth * math.fsum(difference), m * bandwidth * math.fsum(total)
