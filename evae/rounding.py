"""Differences of floating-point numbers near zero: what rounding drops from them, and when they can be divided by."""

from __future__ import annotations

import torch
from torch import Tensor


def rounding_error(a: Tensor, b: Tensor) -> Tensor:
    """Return the e for which, in exact arithmetic, a - b is the rounded difference plus e; zero if that is not finite.

    Broadcasts. The error is piecewise constant in a and b, so that it carries no gradient. Source: Knuth's TwoSum
    (The Art of Computer Programming, vol. 2, 4.2.2).
    """
    a, b = a.detach(), b.detach()
    difference = a - b
    taken = a - difference
    error = (a - (difference + taken)) + (taken - b)
    return torch.where(error.isfinite(), error, 0.0)


def resolved(distance: Tensor, unit: Tensor) -> Tensor:
    """Whether a distance is positive and so large, in itself and in a unit, that its logarithm's gradient is finite."""
    return torch.minimum(distance, distance / unit) >= torch.finfo(distance.dtype).tiny
