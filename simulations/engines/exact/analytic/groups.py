"""Groups of neighbouring observations, over which the sums of kernels are taken, and distances to them, compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foundation.types import Array, Indices
from simulations.compiled import compiled

GROUP = 0.5
"""Largest extent of a group of observations, in scales of the kernel."""


class Groups(NamedTuple):
    """The groups of a sorted sample; a named tuple, since compiled functions accept one.

    Attributes
    ----------
    first : array of int, shape (groups + 1,)
        The first observation of each, followed by m.
    centres : array, shape (groups,)
        The middle between the first and the last observation of each.
    sums : array, shape (groups, n)
        The sums over each group that the kernel's expansion needs.
    factors : array, shape (m,) or (0,)
        Of the logistic kernel, exp(s - c) for an observation s in the group with the centre c, in scales.
    """

    first: Indices
    centres: Array
    sums: Array
    factors: Array


@compiled
def group_observations(sample: Array, width: float) -> Indices:
    """Split the sample into groups; return the index of the first observation of each, followed by m."""
    first = np.empty(sample.size + 1, np.int64)
    count = 0
    for i in range(sample.size):
        if count == 0 or sample[i] - sample[first[count - 1]] > GROUP * width:
            first[count] = i
            count += 1
    first[count] = sample.size
    return first[: count + 1].copy()


@compiled
def first_after(centres: Array, after: int, anchor: float, width: float, shift: float, u: float) -> int:
    """Find the first group at or after ``u``, searching from the index ``after``."""
    while after < centres.size and (centres[after] - anchor) / width + shift < u:
        after += 1
    return after


@compiled
def distance_to(centres: Array, after: int, anchor: float, width: float, shift: float, u: float, end: float) -> float:
    """Compute the distance from [u, end] to the nearest group."""
    distance = np.inf
    if after > 0:
        distance = u - ((centres[after - 1] - anchor) / width + shift)
    if after < centres.size:
        distance = min(distance, max((centres[after] - anchor) / width + shift - end, 0.0))
    return distance
