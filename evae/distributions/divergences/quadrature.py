"""Gauss-Legendre quadrature of a polynomial times a logarithm with a singularity at or before the start."""

from __future__ import annotations

import numpy as np
import torch
from numpy.polynomial.legendre import leggauss
from torch import Tensor

#: The power of the substitution. With it the rule below integrates y^j log(y + ratio) over [0, 1] for j <= 3 and every
#: ratio >= 0 with an error below 2e-15; with the fifth power it is 1e-13, with the eighth smooth factors lose accuracy.
_POWER = 6

#: The rule on [-1, 1].
_NODES, _WEIGHTS = leggauss(32)

#: From this ratio on, the nodes are practically those of the rule without a substitution.
_DISTANT = 1e3


def graded_rule(ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Return nodes and weights on [0, 1] for integrands P(y) log(y + ratio) with a polynomial P; without a gradient.

    The substitution y + ratio = v^6 turns the singularity at -ratio, however near, into one of v^5 log v at 0.

    Parameters
    ----------
    ratio : Tensor
        The distance of the singularity from the interval in units of its length, 0 to inf. Any shape.

    Returns
    -------
    tuple of Tensor
        Nodes in increasing order and positive weights of sum 1, both along a new first dimension of length 32.
    """
    ratio = ratio.detach().clamp(max=_DISTANT)
    t, weights = _column((_NODES + 1) / 2, ratio), _column(_WEIGHTS / 2, ratio)
    start, end = ratio.pow(1 / _POWER), (1 + ratio).pow(1 / _POWER)
    length = 1 / _power_difference_quotient(start, end)
    v = start + length * t
    return length * t * _power_difference_quotient(start, v), _POWER * v ** (_POWER - 1) * length * weights


def _power_difference_quotient(a: Tensor, b: Tensor) -> Tensor:
    """Return (b^6 - a^6) / (b - a), a sum of positive terms, by Horner's scheme."""
    total = torch.ones_like(b)
    power = torch.ones_like(a)
    for _ in range(_POWER - 1):
        power = power * a
        total = total * b + power
    return total


def _column(array: np.ndarray, like: Tensor) -> Tensor:
    """Return an array along a new first dimension before those of a tensor, with its type and device."""
    return torch.as_tensor(array, dtype=like.dtype, device=like.device).reshape(-1, *[1] * like.dim())
