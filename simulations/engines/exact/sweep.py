"""T_m of one sorted sample for a kernel with bounded support, compiled: a sweep over the points where f_m changes.

Between those points f_m is a linear combination of a few functions: 1, u, u**2, ... or a cosine and a sine. Its
coefficients change where a kernel begins, ends, or passes from one piece to the next. All tables are arguments, so
that one source handles every kernel, density and weight; only another number of functions or knots is recompiled.
"""

from __future__ import annotations

import math

import numpy as np

from foundation.types import Array, Indices
from simulations.compiled import compiled, horner

SHORT = 0.125
"""Largest half-width of a short piece, as a share of a cell and as the angle of a cosine; few nodes suffice for it."""

STEP = 1.0
"""Distance, in bandwidths, after which the coefficients of f_m are recomputed at a new anchor."""

FARTHEST_ANCHOR = 4096.0
"""Largest distance of a cell from the anchor, in half-widths of the cell; there v loses 12 of its 53 bits."""

BATCH = 256
"""Number of short pieces that are integrated together, in vector registers."""


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
    """Compute T_m of a sorted, finite, non-empty sample.

    With u = (x - anchor) / b and F = m b f_m = sum of K(u - s_i), s_i = (X_i - anchor) / b, T_m is the integral of
    (F - m b f)^2 a du, divided by m. The coefficients of F are updated at each breakpoint s_i + knot, and recomputed
    from the active samples before rounding accumulates. The anchor moves with the sweep, so that u and s_i stay of
    order 1 and differences of close numbers are exact.

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
    # Initialise: which kernels are active at the first edge, and the coefficients of F there.
    m, last, size = sample.size, len(knots) - 1, len(functions)
    # passed[j] counts the samples whose knot j has been passed; those in kernel piece j are passed[j + 1] to passed[j].
    passed = np.empty(len(knots), np.int64)
    # Positions near the anchor are set by _locate; a sentinel at infinity follows the last sample.
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
        # Seen from a distant anchor a narrow cell has few digits: its own edge becomes the anchor.
        if abs(u) * bandwidth > FARTHEST_ANCHOR * half:
            anchor, u = edges[cell], 0.0
            limit = u + STEP
            _locate(positions, sample, passed, anchor, bandwidth, knots[0], limit)
            _recompute(coefficients, positions, passed, functions, frequency, transfers)
        # Enter the cell: its polynomials are in v = offset + slope * u.
        expected, a = m * bandwidth * density[cell], weight[cell]
        slope, offset = bandwidth / half, (anchor - centre) / half
        far = (edges[cell + 1] - anchor) / bandwidth
        longest = 2 * SHORT / max(slope, frequency)
        block, count = 0.0, 0
        while True:
            # Find the next breakpoint, or the end of the cell.
            end, crossed = far, -1
            for j in range(len(knots)):
                change = positions[passed[j]] + knots[j]
                if change < end:
                    end, crossed = change, j
            # Seen from a distant anchor, a kernel that begins just before the end of the cell may seem to begin at it.
            after = passed[0]
            if crossed < 0 and alone and after < m and (sample[after] - edges[cell + 1]) / bandwidth + knots[0] < 0.0:
                crossed = 0
            # Integrate the piece up to there: a short one is only recorded, and integrated with its batch.
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

            # A full batch, the end of the cell or a new anchor ends the batch: all its pieces share one offset.
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
            # Cross the breakpoint: move the anchor and recompute the coefficients, or update them by the jump.
            index = passed[crossed]
            passed[crossed] += 1
            if moves:
                step = u + 0.5
                if alone:
                    # After a gap the old anchor may be far away: the sample itself becomes the anchor, and its s is 0.
                    anchor, u, step = sample[index], knots[crossed], 0.0
                if bandwidth > FARTHEST_ANCHOR * half:
                    # In a narrow cell the anchor must be close.
                    step = u
                ahead = anchor + bandwidth * step
                anchor, u = ahead, u - (ahead - anchor) / bandwidth
                limit = u + STEP
                _locate(positions, sample, passed, anchor, bandwidth, knots[0], limit)
                _recompute(coefficients, positions, passed, functions, frequency, transfers)
                offset, far = (anchor - centre) / half, (edges[cell + 1] - anchor) / bandwidth
            else:
                _add_jump(coefficients, jumps, crossed, positions[index], functions, frequency)
            # Without active samples F is exactly zero: accumulated rounding is dropped.
            alone = passed[0] == passed[last]
            if alone:
                coefficients[:] = 0.0
        total += block
    return total / m


@compiled
def _count_behind(sample: Array, anchor: float, bandwidth: float, knot: float) -> int:
    """Count the samples whose knot is at or before the anchor, by bisection."""
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
    """Set the positions of the active samples, of those whose first knot is within the limit, and of the next one."""
    # passed is non-increasing in the knots: the last entry is the first active sample, the first ends the active ones.
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
    """Set the coefficients at a new anchor, from the active samples."""
    # Features are summed over the samples of a kernel piece first: one product with the transfer serves them all.
    size = len(functions)
    features = np.empty(size)
    coefficients[:] = 0.0
    for j in range(passed.size - 1):
        features[:] = 0.0
        for i in range(passed[j + 1], passed[j]):
            s = positions[i]
            # The features of s: those of a shift, as in `PiecewiseKernel`.
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
        # Horner's scheme in -s; the transfer of a polynomial is triangular.
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
    """Integrate (F - m b f)^2 a over short pieces of one cell, one node of all pieces at a time."""
    # The loops are over pieces inside a loop over nodes, so that they run in vector registers.
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
    # Horner's scheme; the length of a tuple is a constant of the compiled function, so the inner loop can be unrolled.
    for i in range(count):
        at = middles[i] + reaches[i] * node
        value = batch[len(functions) - 1, i]
        for q in range(1, len(functions)):
            value = value * at + batch[len(functions) - 1 - q, i]
        values[i] = value


@compiled
def _harmonics(count: int, node: float, reaches: Array, batch: Array, frequency: float, values: Array) -> None:
    """Set ``values`` to F at one node of every piece, by series exact to rounding for angles up to `SHORT`."""
    # The batch holds coefficients at the middles of the pieces, so that the angles are small.
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
    # Scalars, unlike array elements, stay in registers.
    e0, e1, e2, e3, e4, e5 = expected[0], expected[1], expected[2], expected[3], expected[4], expected[5]
    # A weight that is constant on the cell, such as a window, needs no polynomial.
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
    """Convert coefficients of cos(w u) and sin(w u) into those of the same functions of u minus the middle."""
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
    """Integrate (F - m b f)^2 a from ``u`` to ``end``, where each of F, m b f and a has a single form."""
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
