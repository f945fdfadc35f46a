"""T_m of one sorted sample for a Gaussian or a logistic kernel, compiled: Gauss-Legendre panels as wide as the kernel.

f_m is analytic, and smooth on the scale of the bandwidth, so a few nodes per bandwidth give full precision. Its values
at the nodes are sums over groups of observations (`gaussian`, `logistic`).
"""

from __future__ import annotations

import math

import numpy as np

from foundation.types import Array
from simulations.compiled import compiled, horner
from simulations.engines.exact.analytic.gaussian import add_gaussians, expand_gaussian
from simulations.engines.exact.analytic.groups import GROUP, Groups, distance_to, first_after, group_observations
from simulations.engines.exact.analytic.logistic import add_logistics, expand_logistic

WIDTH = 2.0
"""Width of a panel near observations, in scales of the kernel."""

TAIL_WIDTH = 16.0
"""Far from all observations panels of a Gaussian are `TAIL_WIDTH` / distance wide where that is smaller."""

WIDEST = 8.0
"""Those of a logistic kernel, whose tails are exponentials, grow to this width."""

NEGLIGIBLE = 1e-18
"""Share of f_m, or of its maximum on a cell, that may be neglected."""

GAUSSIAN_REACH, LOGISTIC_REACH = 39.0, 745.0
"""Distances at which exp(-reach^2 / 2) and exp(-reach) underflow."""

LONGEST = 16.0
"""Distance after which the anchor moves."""


@compiled
def panel_statistic(
    is_logistic: bool,
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
    is_logistic : bool
        Whether the kernel is logistic instead of Gaussian.
    sample : array, shape (m,)
    bandwidth : float
    location, scale, height
        Those of a `simulations.engines.exact.kernel_tables.AnalyticKernel`.
    edges, density, weight
        The arrays of a `simulations.engines.exact.density_tables.CellTable`.
    nodes, weights
        A Gauss-Legendre rule on [-1, 1] that is exact for (f_m - f)^2 a on a cell no wider than `WIDTH`.
    """
    # Group the observations once; all sums below are over groups.
    m, width, shift = sample.size, bandwidth * scale, location / scale
    groups = _expand(is_logistic, sample, width)
    centres, count = groups.centres, groups.centres.size
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
        after = first_after(centres, after, anchor, width, shift, u)
        nearest = distance_to(centres, after, anchor, width, shift, u, far) + GROUP
        reach = _reach(is_logistic, nearest, spread)
        block = 0.0
        while u < far:
            after = first_after(centres, after, anchor, width, shift, u)
            distance = distance_to(centres, after, anchor, width, shift, u, u)
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
            # Integrate one panel.
            widest = _widest(is_logistic, distance)
            end = u + (far - u) / max(np.ceil((far - u) / widest), 1.0)
            estimate[:] = 0.0
            if is_logistic:
                add_logistics(estimate, groups, after, anchor, width, shift, u, end, nodes)
            else:
                add_gaussians(estimate, sample, groups, after, anchor, width, shift, u, end, spread, nodes)
            block += _panel(u, end, offset, slope, estimate, height, expected, a, nodes, weights)
            u = end
        total += block
    return scale * total / m


@compiled
def _expand(is_logistic: bool, sample: Array, width: float) -> Groups:
    """Group the observations, and sum over each group."""
    first = group_observations(sample, width)
    return expand_logistic(sample, width, first) if is_logistic else expand_gaussian(sample, width, first)


@compiled
def _reach(is_logistic: bool, nearest: float, spread: float) -> float:
    """Compute the distance from which observations are negligible where others are as far as ``nearest``."""
    if is_logistic:
        return min(nearest + spread / 2, LOGISTIC_REACH)
    return min(math.sqrt(nearest * nearest + spread), GAUSSIAN_REACH)


@compiled
def _widest(is_logistic: bool, distance: float) -> float:
    """Compute how wide a panel may be whose lower end is at a distance from all observations."""
    # The tails of a Gaussian become steeper. An exponential does not, and a panel of at most half the distance is
    # farther from the poles of its kernels than it is wide.
    if is_logistic:
        return min(max(WIDTH, distance / 2), WIDEST)
    return min(WIDTH, TAIL_WIDTH / min(max(distance, 1.0), GAUSSIAN_REACH))


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
