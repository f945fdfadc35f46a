"""T_m of one sorted sample for a Gaussian kernel, compiled: Gauss-Legendre panels about as wide as the kernel.

f_m is analytic, and smooth on the scale of the bandwidth, so a few nodes per bandwidth give full precision. Its values
at the nodes are summed over groups of neighbouring observations: exp(-(y - d)^2 / 2) is exp(-y^2 / 2) exp(-d^2 / 2)
times the Taylor series of exp(y d), whose coefficients are summed once over each group.
"""

from __future__ import annotations

import math

import numpy as np

from foundation.types import Array, Indices
from simulations.compiled import compiled, horner

WIDTH = 2.0
"""Width of a panel in standard deviations of the kernel; `TAIL_WIDTH` / distance where that is smaller."""

TAIL_WIDTH = 16.0

GROUP = 0.5
"""Largest extent of a group of observations, in standard deviations of the kernel."""

FEW = 2
"""Largest size of a group whose observations are summed individually."""

ORDER = 32
"""Number of terms of the Taylor series, enough for groups up to the distance `FAR`."""

FAR = 14.0

NEGLIGIBLE = 1e-18
"""Share of f_m, or of its maximum on a cell, that may be neglected."""

REACH = 39.0
"""Distance at which exp(-REACH^2 / 2) underflows."""

LONGEST = 16.0
"""Distance after which the anchor moves."""


@compiled
def gaussian_statistic(
    sample: Array,
    bandwidth: float,
    location: float,
    scale: float,
    height: float,
    edges: Array,
    density: Array,
    weight: Array,
    nodes: Array,
    weights: Array,
) -> float:
    """Compute T_m of a sorted, finite, non-empty sample.

    With u = (x - anchor) / (b scale) and F = m b f_m, T_m is the integral of (F - m b f)^2 a du, times scale / m. On
    each cell F is taken as zero where it is negligible relative to its maximum on the cell.

    Parameters
    ----------
    sample : array, shape (m,)
    bandwidth : float
    location, scale, height
        Those of a `simulations.engines.exact.kernel_tables.GaussianKernel`.
    edges, density, weight
        The arrays of a `simulations.engines.exact.density_tables.CellTable`.
    nodes, weights
        A Gauss-Legendre rule on [-1, 1] that is exact for (f_m - f)^2 a on a cell no wider than `WIDTH`.
    """
    # Group the observations once; all sums below are over groups.
    m, width, shift = sample.size, bandwidth * scale, location / scale
    first = _groups(sample, width)
    count = first.size - 1
    centres, moments = _expansions(sample, width, first)
    spread = 2 * math.log(m / NEGLIGIBLE)
    estimate = np.empty(nodes.size)
    after = 0  # the first group that lies after the current point
    total = 0.0
    for cell in range(edges.size - 1):
        # Set up the cell: its polynomials, and the distance beyond which observations are negligible on it.
        centre, half = (edges[cell] + edges[cell + 1]) / 2, (edges[cell + 1] - edges[cell]) / 2
        expected, a = m * bandwidth * density[cell], weight[cell]
        slope = width / half
        anchor, u, far = edges[cell], 0.0, (edges[cell + 1] - edges[cell]) / width
        after = _first_after(centres, after, anchor, width, shift, u)
        nearest = _distance(centres, after, anchor, width, shift, u, far) + GROUP
        reach = min(math.sqrt(nearest * nearest + spread), REACH)
        block = 0.0
        while u < far:
            after = _first_after(centres, after, anchor, width, shift, u)
            distance = _distance(centres, after, anchor, width, shift, u, u)
            offset = (anchor - centre) / half
            if distance >= reach and far - u > GROUP:
                # Skip a gap: F is zero up to the reach of the next group, or to the end of the cell. The new anchor
                # is that group, so that even the smallest part of the cell within its reach is resolved. A cell that
                # is short beside the kernel is not cut: seen from a distant group its parts would have few digits.
                ends = after == count or (edges[cell + 1] - centres[after]) / width <= shift - reach
                begin = far if ends else min(far, (centres[after] - anchor) / width + shift - reach)
                estimate[:] = 0.0
                if begin > u:
                    block += _panel(u, begin, offset, slope, estimate, height, expected, a, nodes, weights)
                if ends:
                    break
                anchor, u, far = centres[after], shift - reach, (edges[cell + 1] - centres[after]) / width
                offset = (anchor - centre) / half
                distance = reach
            elif u > LONGEST:
                # Move the anchor along, so that u keeps its digits.
                ahead = anchor + width * u
                moved = (ahead - anchor) / width
                anchor, u, far = ahead, u - moved, (edges[cell + 1] - ahead) / width
                offset = (anchor - centre) / half
            # Integrate one panel; far from all observations F is steeper and the panels are narrower.
            widest = min(WIDTH, TAIL_WIDTH / min(max(distance, 1.0), REACH))
            end = u + (far - u) / max(np.ceil((far - u) / widest), 1.0)
            estimate[:] = 0.0
            _add_groups(estimate, sample, first, centres, moments, after, anchor, width, shift, u, end, spread, nodes)
            block += _panel(u, end, offset, slope, estimate, height, expected, a, nodes, weights)
            u = end
        total += block
    return scale * total / m


@compiled
def _groups(sample: Array, width: float) -> Indices:
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
def _expansions(sample: Array, width: float, first: Indices) -> tuple[Array, Array]:
    """Compute the centre of each group and, for large groups, the sums of exp(-d^2 / 2) d^n / n!."""
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
    return centres, moments


@compiled
def _first_after(centres: Array, after: int, anchor: float, width: float, shift: float, u: float) -> int:
    """Find the first group at or after ``u``, searching from the index ``after``."""
    while after < centres.size and (centres[after] - anchor) / width + shift < u:
        after += 1
    return after


@compiled
def _distance(centres: Array, after: int, anchor: float, width: float, shift: float, u: float, end: float) -> float:
    """Compute the distance from [u, end] to the nearest group."""
    distance = np.inf
    if after > 0:
        distance = u - ((centres[after - 1] - anchor) / width + shift)
    if after < centres.size:
        distance = min(distance, max((centres[after] - anchor) / width + shift - end, 0.0))
    return distance


@compiled
def _add_groups(
    estimate: Array,
    sample: Array,
    first: Indices,
    centres: Array,
    moments: Array,
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
    # Every node has an observation within this distance, so that groups beyond the reach are negligible relative to it.
    nearest = _distance(centres, after, anchor, width, shift, u, end) + (end - u) + GROUP
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


@compiled
def _panel(
    u: float,
    end: float,
    offset: float,
    slope: float,
    estimate: Array,
    height: float,
    expected: Array,
    weight: Array,
    nodes: Array,
    weights: Array,
) -> float:
    """Integrate (F - m b f)^2 a from ``u`` to ``end``."""
    middle, reach = (u + end) / 2, (end - u) / 2
    total = 0.0
    # The deviation is formed before it is squared: f_m and f agree in leading digits, which must cancel first.
    for k in range(nodes.size):
        v = offset + slope * (middle + reach * nodes[k])
        deviation = height * estimate[k] - horner(expected, v)
        total += weights[k] * deviation * deviation * horner(weight, v)
    return reach * total
