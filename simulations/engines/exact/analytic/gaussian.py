"""Sums of Gaussian kernels at the nodes of a panel, compiled.

They are taken over groups of neighbouring observations: exp(-(y - d)^2 / 2) is exp(-y^2 / 2) exp(-d^2 / 2) times the
Taylor series of exp(y d), whose coefficients are summed once over each group.
"""

from __future__ import annotations

import math

import numpy as np

from foundation.types import Array, Indices
from simulations.compiled import compiled
from simulations.engines.exact.analytic.groups import GROUP, Groups, distance_to

FEW = 2
"""Largest size of a group whose observations are summed individually."""

ORDER = 32
"""Number of terms of the Taylor series, enough for groups up to the distance `FAR`."""

FAR = 14.0


@compiled
def expand_gaussian(sample: Array, width: float, first: Indices) -> Groups:
    """Compute, for large groups, the sums of exp(-d^2 / 2) d^n / n! over the distances d from the centre."""
    count = first.size - 1
    centres, moments = np.empty(count), np.zeros((count, ORDER))
    # Small groups keep their centre alone: they are summed directly.
    for g in range(count):
        start, end = sample[first[g]], sample[first[g + 1] - 1]
        centres[g] = start + (end - start) / 2
        if first[g + 1] - first[g] <= FEW:
            continue
        for i in range(first[g], first[g + 1]):
            d = (sample[i] - centres[g]) / width
            term = math.exp(-d * d / 2)
            for n in range(ORDER):
                moments[g, n] += term
                term *= d
        # Divide by n! once per group instead of once per observation.
        factorial = 1.0
        for n in range(1, ORDER):
            factorial *= n
            moments[g, n] /= factorial
    return Groups(first, centres, moments, np.empty(0))


@compiled
def add_gaussians(
    estimate: Array,
    sample: Array,
    groups: Groups,
    after: int,
    anchor: float,
    width: float,
    shift: float,
    u: float,
    end: float,
    spread: float,
    nodes: Array,
) -> None:
    """Add the sum of exp(-(u - s)^2 / 2) over all non-negligible observations, at the nodes of [u, end]."""
    first, centres, moments, _ = groups
    # Every node has an observation within this distance, so that groups beyond the reach are negligible relative to it.
    nearest = distance_to(centres, after, anchor, width, shift, u, end) + (end - u) + GROUP
    reach = math.sqrt(nearest * nearest + spread) + GROUP
    # Groups to the left, nearest first, then groups to the right.
    g = after - 1
    while g >= 0 and u - ((centres[g] - anchor) / width + shift) <= reach:
        _add_group(estimate, sample, first, centres, moments, g, anchor, width, shift, u, end, nodes)
        g -= 1
    g = after
    while g < centres.size and (centres[g] - anchor) / width + shift - end <= reach:
        _add_group(estimate, sample, first, centres, moments, g, anchor, width, shift, u, end, nodes)
        g += 1


@compiled
def _add_group(
    estimate: Array,
    sample: Array,
    first: Indices,
    centres: Array,
    moments: Array,
    g: int,
    anchor: float,
    width: float,
    shift: float,
    u: float,
    end: float,
    nodes: Array,
) -> None:
    middle, reach = (u + end) / 2, (end - u) / 2
    # Both differences are small near the group, so that their rounding does not grow with the distance from 0.
    y = (middle - shift) - (centres[g] - anchor) / width
    distance = abs(y) + reach
    # Direct summation where a group is small, or too far for the series to converge within `ORDER` terms.
    if first[g + 1] - first[g] <= FEW or distance > FAR:
        for i in range(first[g], first[g + 1]):
            z = (middle - shift) - (sample[i] - anchor) / width
            for k in range(nodes.size):
                estimate[k] += math.exp(-((z + reach * nodes[k]) ** 2) / 2)
        return
    # Horner's scheme for all nodes at once: the inner loop runs in vector lanes.
    terms = _number_of_terms(distance * GROUP / 2)
    series = np.full(nodes.size, moments[g, terms - 1])
    for n in range(terms - 2, -1, -1):
        moment = moments[g, n]
        for k in range(nodes.size):
            series[k] = series[k] * (y + reach * nodes[k]) + moment
    for k in range(nodes.size):
        estimate[k] += series[k] * math.exp(-((y + reach * nodes[k]) ** 2) / 2)


@compiled
def _number_of_terms(argument: float) -> int:
    """Count the terms of the exponential series that suffice for arguments between -argument and argument."""
    # Relative to the smallest value of the sum, exp(-2 argument), the dropped terms are below rounding.
    term, count, least = 1.0, 0, math.exp(-2 * argument) * 1e-17
    while term > least and count < ORDER:
        count += 1
        term *= argument / count
    return count
