"""T_m of one sorted sample for a kernel with bounded support, compiled: a sweep over the points where f_m changes.

Between those points f_m combines a few functions: 1, u, u**2, ... or a cosine and a sine. Its coefficients change
linearly where a kernel begins, ends, or passes from one piece to the next. All tables come in as arguments, so that
one source serves every kernel, density and weight; it is compiled anew only for another number of functions or knots.
"""

from __future__ import annotations

import math

import numpy as np

from simulations.compiled import Array, Indices, compiled, horner

SHORT = 0.125
"""Share of a cell, and angle of a cosine, up to which half a piece needs only the few nodes that are exact for f_m."""

STEP = 1.0
"""Distance, in bandwidths, after which the coefficients of f_m are recomputed around a new anchor."""

BATCH = 256
"""Short pieces that are integrated together, in vector registers."""


@compiled
def sweep(
    sample: Array,
    bandwidth: float,
    knots: tuple[float, ...],
    functions: tuple[int, ...],
    frequency: float,
    transfers: Array,
    jumps: Array,
    edges: Array,
    density: Array,
    weight: Array,
    few_nodes: Array,
    few_weights: Array,
    many_nodes: Array,
    many_weights: Array,
) -> float:
    """Return T_m of a sorted, finite, non-empty sample.

    With u = (x - anchor) / b and F = m b f_m = sum of K(u - s_i), s_i = (X_i - anchor) / b, T_m is the integral of
    (F - m b f)^2 a du over m. The coefficients of F are updated at each breakpoint s_i + knot, and recomputed from
    the active samples before rounding accumulates. The anchor moves with the sweep, so that u and s_i stay of order 1
    and differences of close numbers are exact.

    Parameters
    ----------
    sample : array, shape (m,)
    bandwidth : float
    knots, functions, frequency, transfers, jumps
        Those of a `simulations.engines.exact.kernel_tables.PiecewiseKernel`.
    edges, density, weight
        The arrays of a `simulations.engines.exact.density_tables.CellTable` of quintic polynomials.
    few_nodes, few_weights, many_nodes, many_weights
        Gauss-Legendre rules on [-1, 1] for short pieces and for all others.
    """
    m, last, size = sample.size, len(knots) - 1, len(functions)
    # passed[j] counts the samples whose knot j lies behind; those in kernel piece j are passed[j + 1] to passed[j].
    passed = np.empty(len(knots), np.int64)
    # Those near the anchor are set; behind the last sample there is always one more, at infinity.
    positions = np.full(m + 1, np.inf)
    coefficients = np.zeros(size)
    middles, reaches, batch = np.empty(BATCH), np.empty(BATCH), np.empty((size, BATCH))
    anchor, u = edges[0], 0.0
    for j in range(len(knots)):
        passed[j] = _count_behind(sample, anchor, bandwidth, knots[j])
    alone = passed[0] == passed[last]
    _locate(positions, sample, passed, anchor, bandwidth, knots[0], u + STEP)
    _recompute(coefficients, positions, passed, functions, frequency, transfers)

    total, limit = 0.0, u + STEP
    for cell in range(edges.size - 1):
        centre, half = (edges[cell] + edges[cell + 1]) / 2, (edges[cell + 1] - edges[cell]) / 2
        expected, a = m * bandwidth * density[cell], weight[cell]
        slope, offset = bandwidth / half, (anchor - centre) / half
        far = (edges[cell + 1] - anchor) / bandwidth
        longest = 2 * SHORT / max(slope, frequency)
        block, count = 0.0, 0
        while True:
            end, crossed = far, -1
            for j in range(len(knots)):
                change = positions[passed[j]] + knots[j]
                if change < end:
                    end, crossed = change, j
            if end - u <= longest:
                middles[count], reaches[count] = (u + end) / 2, (end - u) / 2
                for q in range(size):
                    batch[q, count] = coefficients[q]
                count += end > u
            else:
                block += _long_piece(
                    u, end, coefficients, frequency, offset, slope, expected, a, many_nodes, many_weights
                )
            u = max(u, end)

            moves = crossed >= 0 and (alone or u > limit)
            if crossed < 0 or moves or count == BATCH:
                block += _short_pieces(
                    count,
                    middles,
                    reaches,
                    batch,
                    functions,
                    frequency,
                    offset,
                    slope,
                    expected,
                    a,
                    few_nodes,
                    few_weights,
                )
                count = 0
            if crossed < 0:
                break
            index = passed[crossed]
            passed[crossed] += 1
            if moves:
                if alone:
                    # After a gap the anchor may be far off: take the sample itself, so that its own s is exactly 0.
                    anchor, u = sample[index], knots[crossed]
                else:
                    ahead = anchor + bandwidth * (u + 0.5)
                    anchor, u = ahead, u - (ahead - anchor) / bandwidth
                limit = u + STEP
                _locate(positions, sample, passed, anchor, bandwidth, knots[0], limit)
                _recompute(coefficients, positions, passed, functions, frequency, transfers)
                offset, far = (anchor - centre) / half, (edges[cell + 1] - anchor) / bandwidth
            else:
                _add_jump(coefficients, jumps, crossed, positions[index], functions, frequency)
            alone = passed[0] == passed[last]
            if alone:
                coefficients[:] = 0.0
        total += block
    return total / m


@compiled
def _count_behind(sample: Array, anchor: float, bandwidth: float, knot: float) -> int:
    """Return how many samples have their knot at or before the anchor."""
    low, high = 0, sample.size
    while low < high:
        middle = (low + high) // 2
        if (sample[middle] - anchor) / bandwidth + knot <= 0.0:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def _locate(
    positions: Array, sample: Array, passed: Indices, anchor: float, bandwidth: float, knot: float, limit: float
) -> None:
    """Set the positions of the active samples, of those whose first knot is within the limit, and of one more."""
    for i in range(passed[-1], sample.size):
        positions[i] = (sample[i] - anchor) / bandwidth
        if i >= passed[0] and positions[i] + knot > limit:
            break


@compiled
def _recompute(
    coefficients: Array,
    positions: Array,
    passed: Indices,
    functions: tuple[int, ...],
    frequency: float,
    transfers: Array,
) -> None:
    """Set the coefficients around a new anchor, from the active samples."""
    size = len(functions)
    features = np.empty(size)
    coefficients[:] = 0.0
    for j in range(passed.size - 1):
        features[:] = 0.0
        for i in range(passed[j + 1], passed[j]):
            s = positions[i]
            if frequency > 0.0:
                features[0] += math.cos(frequency * s)
                features[1] += math.sin(frequency * s)
            else:
                power = 1.0
                for r in range(size):
                    features[r] += power
                    power *= -s
        for q in range(size):
            for r in range(size):
                coefficients[q] += transfers[j, q, r] * features[r]


@compiled
def _add_jump(
    coefficients: Array, jumps: Array, knot: int, s: float, functions: tuple[int, ...], frequency: float
) -> None:
    """Add the jump at a knot of the kernel centred at ``s``."""
    size = len(functions)
    if frequency > 0.0:
        cosine, sine = math.cos(frequency * s), math.sin(frequency * s)
        for q in range(size):
            coefficients[q] += jumps[knot, q, 0] * cosine + jumps[knot, q, 1] * sine
    else:
        for q in range(size):
            value = jumps[knot, q, size - 1 - q]
            for r in range(1, size - q):
                value = jumps[knot, q, size - 1 - q - r] - s * value
            coefficients[q] += value


@compiled
def _short_pieces(
    count: int,
    middles: Array,
    reaches: Array,
    batch: Array,
    functions: tuple[int, ...],
    frequency: float,
    offset: float,
    slope: float,
    expected: Array,
    weight: Array,
    nodes: Array,
    weights: Array,
) -> float:
    """Return the integral of (F - m b f)^2 a over short pieces of one cell, a node of all of them at a time."""
    if frequency > 0.0:
        _turn_to_middles(count, middles, batch, frequency)
    values, sums = np.empty(count), np.zeros(count)
    for k in range(nodes.size):
        if frequency > 0.0:
            _harmonics(count, nodes[k], reaches, batch, frequency, values)
        else:
            _polynomials(count, nodes[k], middles, reaches, batch, functions, values)
        _add_squares(count, nodes[k], weights[k], middles, reaches, offset, slope, values, expected, weight, sums)
    total = 0.0
    for i in range(count):
        total += reaches[i] * sums[i]
    return total


@compiled
def _polynomials(
    count: int, node: float, middles: Array, reaches: Array, batch: Array, functions: tuple[int, ...], values: Array
) -> None:
    """Set ``values`` to F at one node of every piece."""
    for i in range(count):
        at = middles[i] + reaches[i] * node
        value = batch[len(functions) - 1, i]
        for q in range(1, len(functions)):
            value = value * at + batch[len(functions) - 1 - q, i]
        values[i] = value


@compiled
def _harmonics(count: int, node: float, reaches: Array, batch: Array, frequency: float, values: Array) -> None:
    """Set ``values`` to F at one node of every piece, by series that are exact to rounding for angles up to `SHORT`."""
    for i in range(count):
        angle = frequency * reaches[i] * node
        square = angle * angle
        cosine = 1 - square / 2 * (1 - square / 12 * (1 - square / 30 * (1 - square / 56 * (1 - square / 90))))
        sine = angle * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72))))
        values[i] = batch[0, i] * cosine + batch[1, i] * sine


@compiled
def _add_squares(
    count: int,
    node: float,
    share: float,
    middles: Array,
    reaches: Array,
    offset: float,
    slope: float,
    values: Array,
    expected: Array,
    weight: Array,
    sums: Array,
) -> None:
    """Add share * (F - m b f)^2 a at one node of every piece; a is a constant or a quintic."""
    # As scalars they stay in registers.
    e0, e1, e2, e3, e4, e5 = expected[0], expected[1], expected[2], expected[3], expected[4], expected[5]
    if weight.size == 1:
        constant = share * weight[0]
        for i in range(count):
            v = offset + slope * (middles[i] + reaches[i] * node)
            deviation = values[i] - (((((e5 * v + e4) * v + e3) * v + e2) * v + e1) * v + e0)
            sums[i] += constant * deviation * deviation
    else:
        a0, a1, a2, a3, a4, a5 = weight[0], weight[1], weight[2], weight[3], weight[4], weight[5]
        for i in range(count):
            v = offset + slope * (middles[i] + reaches[i] * node)
            deviation = values[i] - (((((e5 * v + e4) * v + e3) * v + e2) * v + e1) * v + e0)
            a = ((((a5 * v + a4) * v + a3) * v + a2) * v + a1) * v + a0
            sums[i] += share * a * deviation * deviation


@compiled
def _turn_to_middles(count: int, middles: Array, batch: Array, frequency: float) -> None:
    """Turn coefficients of cos(w u) and sin(w u) into those of the same functions of the distance from the middle."""
    for i in range(count):
        cosine, sine = math.cos(frequency * middles[i]), math.sin(frequency * middles[i])
        first, second = batch[0, i], batch[1, i]
        batch[0, i], batch[1, i] = first * cosine + second * sine, second * cosine - first * sine


@compiled
def _long_piece(
    u: float,
    end: float,
    coefficients: Array,
    frequency: float,
    offset: float,
    slope: float,
    expected: Array,
    weight: Array,
    nodes: Array,
    weights: Array,
) -> float:
    """Return the integral of (F - m b f)^2 a from ``u`` to ``end``, where F, m b f and a have one form each."""
    middle, reach = (u + end) / 2, (end - u) / 2
    total = 0.0
    for k in range(nodes.size):
        at = middle + reach * nodes[k]
        v = offset + slope * at
        if frequency > 0.0:
            value = coefficients[0] * math.cos(frequency * at) + coefficients[1] * math.sin(frequency * at)
        else:
            value = horner(coefficients, at)
        deviation = value - horner(expected, v)
        total += weights[k] * deviation * deviation * horner(weight, v)
    return reach * total
