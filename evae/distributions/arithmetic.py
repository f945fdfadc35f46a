"""Floating-point arithmetic shared by the distributions: rounding errors, safe logarithms, cube roots, checks."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import constraints


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


def compensated_sum(first: Tensor, *others: Tensor) -> Tensor:
    """Return the sum of tensors that broadcast, rounded about once: the rounding errors of its steps are added to it.

    The gradient is that of the plain sum. Source: Ogita, Rump and Oishi, Accurate sum and dot product.
    """
    total, error = first, torch.zeros_like(first)
    for term in others:
        error = error + rounding_error(total, -term)
        total = total + term
    return total + error


def positive_part(x: Tensor) -> Tensor:
    """Return max(x, 0), whose gradient at 0 is 1, the derivative from the right, unlike that of ``clamp``."""
    return torch.where(x < 0, 0.0, x)


def resolved(distance: Tensor, unit: Tensor) -> Tensor:
    """Return whether a distance is positive and, by itself and in a unit, large enough for a finite log-gradient."""
    return torch.minimum(distance, distance / unit) >= torch.finfo(distance.dtype).tiny


def cube_root(x: Tensor) -> Tensor:
    """Return the cube root of positive numbers, accurate to rounding for subnormal numbers too."""
    root = x.pow(1 / 3)
    # A step of Newton's method: the rounded exponent 1/3 costs two digits of the root of 1e-300.
    excess = root * (root * (root / x)) - 1
    return root - (root * excess / 3).detach()


def require_probabilities(value: Tensor) -> None:
    """Check that every element of a tensor of any shape is a probability.

    Raises
    ------
    ValueError
        If an element lies outside [0, 1] or is NaN; the message names the first one.
    """
    valid = constraints.unit_interval.check(value)
    if not bool(valid.all()):
        raise ValueError(
            f"every probability given to icdf must lie in [0, 1], got {value[~valid][0].item()}. "
            "Clamp the probabilities, or construct the distribution with validate_args=False to get NaN."
        )


def log_normal_cdf(x: Tensor) -> Tensor:
    """Return the logarithm of the standard normal distribution function, whose gradient is accurate in both tails.

    The gradient of `torch.special.log_ndtr` is the exponential of a difference of large numbers: in single precision it
    is 6 times too large at x = -10^4, and infinite or 0 beyond.
    """
    below = x < 0
    t = torch.where(below, -x, 1.0) / math.sqrt(2)
    tail = (torch.special.erfcx(t) / 2).log() - t.square()
    return torch.where(below, tail, (-torch.erfc(torch.where(below, 1.0, x) / math.sqrt(2)) / 2).log1p())
