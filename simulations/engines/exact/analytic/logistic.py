r"""Sums of logistic kernels at the nodes of a panel, compiled.

With :math:`k(u) = 1/(4 \cosh^2(u/2)) = e^{-|u|}/(1 + e^{-|u|})^2`, observations near the panel are summed one by one,
without an exponential for each: with t = exp(s - u) = exp(s - c) exp(c - u), k is t/(1 + t)^2. The others are summed
as :math:`k(u) = \sum_{n \ge 1} (-1)^{n-1} n e^{-n|u|}`: sums of exp(n s) over all observations on one side of a group
follow from those of its neighbour. An observation is near to a few panels alone, so the time is proportional to m.
"""

from __future__ import annotations

import math

import numpy as np

from foundation.types import Array, Indices
from simulations.compiled import compiled
from simulations.engines.exact.analytic.groups import GROUP, Groups

NEAR = 2.0
"""Distance up to which observations are summed one by one."""

ORDER = 21
"""Number of terms of the series; at the distance `NEAR` the next one is below 2e-17 of the first."""


@compiled
def expand_logistic(sample: Array, width: float, first: Indices) -> Groups:
    """Compute the sums of ``exp(-n |c - s|)``, n = 1, ..., over the groups up to each one, and over those from it on.

    The first `ORDER` columns are the sums over each group, with the centre c, and all before it; the others those over
    it and all after it.
    """
    count = first.size - 1
    centres, sums, factors = np.empty(count), np.zeros((count, 2 * ORDER)), np.empty(sample.size)
    for g in range(count):
        start, end = sample[first[g]], sample[first[g + 1] - 1]
        centres[g] = start + (end - start) / 2
        for i in range(first[g], first[g + 1]):
            factors[i] = math.exp((sample[i] - centres[g]) / width)
            inverse = 1 / factors[i]
            rising, falling = 1.0, 1.0
            for n in range(ORDER):
                rising *= factors[i]
                falling *= inverse
                sums[g, n] += rising
                sums[g, ORDER + n] += falling
    for g in range(1, count):
        _carry(sums, g, g - 1, 0, math.exp((centres[g - 1] - centres[g]) / width))
    for g in range(count - 2, -1, -1):
        _carry(sums, g, g + 1, ORDER, math.exp((centres[g] - centres[g + 1]) / width))
    return Groups(first, centres, sums, factors)


@compiled
def _carry(sums: Array, g: int, neighbour: int, column: int, decay: float) -> None:
    """Add the sums of a neighbour to those of a group."""
    power = 1.0
    for n in range(column, column + ORDER):
        power *= decay
        sums[g, n] += power * sums[neighbour, n]


@compiled
def add_logistics(
    estimate: Array,
    groups: Groups,
    after: int,
    anchor: float,
    width: float,
    shift: float,
    u: float,
    end: float,
    nodes: Array,
) -> None:
    """Add the sum of k(u - s) over all observations, at the nodes of [u, end]."""
    centres = groups.centres
    middle, half = (u + end) / 2, (end - u) / 2
    # The nearest groups on either side of which no observation is near to the panel.
    left = after - 1
    while left >= 0 and u - ((centres[left] - anchor) / width + shift) < NEAR + GROUP:
        left -= 1
    right = after
    while right < centres.size and (centres[right] - anchor) / width + shift - end < NEAR + GROUP:
        right += 1
    if left >= 0:
        y = (middle - shift) - (centres[left] - anchor) / width
        _add_series(estimate, groups.sums[left, :ORDER], y, half, nodes)
    if right < centres.size:
        y = (centres[right] - anchor) / width - (middle - shift)
        _add_series(estimate, groups.sums[right, ORDER:], y, -half, nodes)
    falls = np.empty(nodes.size)
    for k in range(nodes.size):
        falls[k] = math.exp(-half * nodes[k])
    for g in range(left + 1, right):
        level = math.exp((centres[g] - anchor) / width - (middle - shift))
        for i in range(groups.first[g], groups.first[g + 1]):
            factor = level * groups.factors[i]
            for k in range(nodes.size):
                t = factor * falls[k]
                estimate[k] += t / ((1 + t) * (1 + t))


@compiled
def _add_series(estimate: Array, sums: Array, y: float, half: float, nodes: Array) -> None:
    """Add the sum of (-1)^(n - 1) n sums[n - 1] exp(-n (y + half v)) at the nodes v."""
    for k in range(nodes.size):
        decay = math.exp(-(y + half * nodes[k]))
        total = 0.0
        for n in range(ORDER, 0, -1):
            total = n * sums[n - 1] - decay * total
        estimate[k] += decay * total
