"""T_m of one sorted sample, compiled: a sweep over the points where f_m changes its polynomial.

All tables come in as arguments, so one machine-code function serves every kernel, density and weight.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])

SHORT = 0.125
"""Share of a cell up to which a piece needs only the few nodes that are exact for f_m itself."""
STEP = 1.0
"""Distance, in bandwidths, after which the polynomial of f_m is recomputed around a new anchor."""


def compiled(function: Function) -> Function:
    """Compile ``function`` without the interpreter lock, and keep the machine code on disk where that is possible."""
    try:
        return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:
        # No folder can be written: numba refuses to cache, so every process compiles anew.
        return cast(Function, numba.njit(nogil=True, error_model="numpy")(function))


@compiled
def sweep(
    sample: Array,
    bandwidth: float,
    knots: Array,
    pieces: Array,
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
    (F - m b f)^2 a du over m. Between neighbouring breakpoints s_i + knot, F is one polynomial in u, whose
    coefficients are updated at each breakpoint and recomputed from the active samples before rounding accumulates.
    The anchor moves with the sweep, so that u and s_i stay of order 1 and differences of close numbers are exact.

    Parameters
    ----------
    sample : array, shape (m,)
    bandwidth : float
    knots, pieces
        The arrays of a `simulations.tables.KernelTable`.
    edges, density, weight
        The arrays of a `simulations.tables.CellTable`.
    few_nodes, few_weights, many_nodes, many_weights
        Gauss-Legendre rules on [-1, 1] for pieces shorter and longer than `SHORT` of a cell.
    """
    m, last = sample.size, knots.size - 1
    jumps = _jumps(pieces)
    # passed[j] counts the samples whose knot j lies behind; those in kernel piece j are passed[j + 1] to passed[j].
    passed = np.empty(knots.size, np.int64)
    breakpoints = np.empty(knots.size)
    polynomial = np.zeros(pieces.shape[1])
    anchor, u = edges[0], 0.0
    for j in range(knots.size):
        passed[j] = _count_behind(sample, anchor, bandwidth, knots[j])
    _recompute(polynomial, breakpoints, sample, passed, anchor, bandwidth, knots, pieces)
    limit = u + STEP

    total = 0.0
    for cell in range(edges.size - 1):
        centre, half = (edges[cell] + edges[cell + 1]) / 2, (edges[cell + 1] - edges[cell]) / 2
        expected, a = m * bandwidth * density[cell], weight[cell]
        slope = bandwidth / half
        block = 0.0
        while True:
            end, crossed = (edges[cell + 1] - anchor) / bandwidth, -1
            for j in range(knots.size):
                if breakpoints[j] < end:
                    end, crossed = breakpoints[j], j
            if end > u:
                offset = (anchor - centre) / half
                if (end - u) * slope <= 2 * SHORT:
                    block += _integral(u, end, offset, slope, polynomial, expected, a, few_nodes, few_weights)
                else:
                    block += _integral(u, end, offset, slope, polynomial, expected, a, many_nodes, many_weights)
                u = end
            if crossed < 0:
                break

            index = passed[crossed]
            alone = passed[0] == passed[last]
            passed[crossed] += 1
            if alone:
                # After a gap the anchor may be far off: take the sample itself, so that its own s is exactly 0.
                anchor, u = sample[index], knots[crossed]
            elif u > limit:
                ahead = anchor + bandwidth * (u + 0.5)
                anchor, u = ahead, u - (ahead - anchor) / bandwidth
            else:
                _add_jump(polynomial, jumps, crossed, (sample[index] - anchor) / bandwidth)
                breakpoints[crossed] = _breakpoint(sample, passed[crossed], anchor, bandwidth, knots[crossed])
                if passed[0] == passed[last]:
                    polynomial[:] = 0.0
                continue
            _recompute(polynomial, breakpoints, sample, passed, anchor, bandwidth, knots, pieces)
            limit = u + STEP
        total += block
    return total / m


@compiled
def _integral(
    u: float,
    end: float,
    offset: float,
    slope: float,
    polynomial: Array,
    expected: Array,
    weight: Array,
    nodes: Array,
    weights: Array,
) -> float:
    """Return the integral of (F - m b f)^2 a from ``u`` to ``end``, where F, m b f and a are single polynomials."""
    middle, reach = (u + end) / 2, (end - u) / 2
    total = 0.0
    for k in range(nodes.size):
        at = middle + reach * nodes[k]
        v = offset + slope * at
        deviation = _horner(polynomial, at) - _horner(expected, v)
        total += weights[k] * deviation * deviation * _horner(weight, v)
    return reach * total


@compiled
def _jumps(pieces: Array) -> Array:
    """Return what each knot adds to the polynomial of a kernel centred at s, as coefficients of u^q (-s)^r.

    The result has the shape (knots, degree + 1, degree + 1). It is the piece after the knot less the piece before
    it, taken at u - s: (u - s)^p is the sum of binomial(p, q) u^q (-s)^(p - q).
    """
    count, size = pieces.shape
    jumps = np.zeros((count + 1, size, size))
    for p in range(size):
        binomial = 1.0
        for q in range(p + 1):
            for j in range(count):
                jumps[j, q, p - q] += binomial * pieces[j, p]
                jumps[j + 1, q, p - q] -= binomial * pieces[j, p]
            binomial = binomial * (p - q) / (q + 1)
    return jumps


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
def _breakpoint(sample: Array, index: int, anchor: float, bandwidth: float, knot: float) -> float:
    """Return where the kernel of one sample has the given knot, or infinity beyond the last sample."""
    if index < sample.size:
        return (sample[index] - anchor) / bandwidth + knot
    return np.inf


@compiled
def _recompute(
    polynomial: Array,
    breakpoints: Array,
    sample: Array,
    passed: Indices,
    anchor: float,
    bandwidth: float,
    knots: Array,
    pieces: Array,
) -> None:
    """Set ``polynomial`` and the next breakpoints around a new anchor, from the active samples."""
    count, size = pieces.shape
    for j in range(knots.size):
        breakpoints[j] = _breakpoint(sample, passed[j], anchor, bandwidth, knots[j])
    power_sums = np.empty(size)
    polynomial[:] = 0.0
    for j in range(count):
        power_sums[:] = 0.0
        for i in range(passed[j + 1], passed[j]):
            s = (sample[i] - anchor) / bandwidth
            power = 1.0
            for k in range(size):
                power_sums[k] += power
                power *= -s
        # (u - s)^p is the sum of binomial(p, q) u^q (-s)^(p - q).
        for p in range(size):
            binomial = 1.0
            for q in range(p + 1):
                polynomial[q] += pieces[j, p] * binomial * power_sums[p - q]
                binomial = binomial * (p - q) / (q + 1)


@compiled
def _add_jump(polynomial: Array, jumps: Array, knot: int, s: float) -> None:
    """Add the jump at a knot of the kernel centred at ``s`` to ``polynomial``, which is in powers of u."""
    size = polynomial.size
    for q in range(size):
        value = 0.0
        for r in range(size - 1 - q, -1, -1):
            value = jumps[knot, q, r] - s * value
        polynomial[q] += value


@compiled
def _horner(coefficients: Array, at: float) -> float:
    value = coefficients[-1]
    for k in range(coefficients.size - 2, -1, -1):
        value = value * at + coefficients[k]
    return value
