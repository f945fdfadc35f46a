"""Moments of the observations in cells, and T_m computed from them by compiled functions.

Cells have equal widths h, and the nodes of the quadrature lie on their edges. With s the position of an observation
from the centre of its cell, in units of h, the power sums of s in the cells around a node give f_m there: the kernel's
knots, seen from a node, fall on edges of cells, so on every cell the kernel is one polynomial in s.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from foundation.types import Array, Indices
from simulations.compiled import vectorised

Rows = npt.NDArray[np.uint32]

OBSERVATIONS_AT_A_TIME = 512
"""Observations that are located in one batch before they are counted, so that locating runs in vector lanes."""

NODES_AT_A_TIME = 512
"""Nodes whose sums stay in the fastest cache while the loop passes over the cells around them."""


class GridTables(NamedTuple):
    """The tables that turn power sums in cells into T_m; a named tuple, since compiled functions accept one.

    Attributes
    ----------
    nodes : int
    expansion : array, shape (cells in reach, orders of the kernel)
        Coefficients of s^k in K, seen from a node, on the cells in its reach; the first cell in the reach of node i is
        cell i.
    offsets : array of int64, shape (knots,)
        The kernel's knots, in cells: an observation that many cells after the node's number has the knot in the
        interval from that node to the next.
    jumps, slopes : array, shape (knots,)
        Jumps of K there, and of its derivative with respect to cells.
    segments : array of int64, shape (segments, 5)
        For each segment its first node, the start and stop of its entries in the arrays below, and the start and stop
        of those entries whose interval to the next node lies wholly inside the segment.
    weight, expected, share : array, shape (entries,)
        Quadrature weights, m b f and a at the nodes; weights and a are divided by m b, and a is multiplied by h.
    """

    nodes: int
    expansion: Array
    offsets: Indices
    jumps: Array
    slopes: Array
    segments: Indices
    weight: Array
    expected: Array
    share: Array


@vectorised
def scatter(sample: Array, origin: float, cells_per_unit: float, moments: Array) -> None:
    """Add the observations' power sums to their cells; those outside all cells are added to an extra last row.

    Parameters
    ----------
    sample : array, shape (n,)
    origin : float
        The lower edge of the first cell.
    cells_per_unit : float
        1 / h.
    moments : array, shape (cells + 1, orders)
        Changed: column k receives the sum of s^k. Contiguous.
    """
    # Unsigned indices spare the check for negative ones in the inner loops.
    orders = np.uint64(moments.shape[1])
    flat = moments.ravel()
    positions, rows = np.empty(OBSERVATIONS_AT_A_TIME), np.empty(OBSERVATIONS_AT_A_TIME, np.uint32)
    for start in range(0, sample.size, OBSERVATIONS_AT_A_TIME):
        part = sample[start : min(sample.size, start + OBSERVATIONS_AT_A_TIME)]
        _locate(part, origin, cells_per_unit, moments.shape[0] - 1, positions, rows)
        # Three orders, those of the quadratic kernel, are the usual case and are unrolled.
        if orders == 3:
            for i in range(part.size):
                at, s = np.uint64(rows[i]) * orders, positions[i]
                flat[at] += 1.0
                flat[at + np.uint64(1)] += s
                flat[at + np.uint64(2)] += s * s
        else:
            for i in range(part.size):
                at, s, power = np.uint64(rows[i]) * orders, positions[i], 1.0
                for k in range(orders):
                    flat[at + k] += power
                    power *= s


@vectorised
def _locate(sample: Array, origin: float, cells_per_unit: float, outside: int, positions: Array, rows: Rows) -> None:
    """Set the cell of each observation of a batch, and its position from the centre of that cell."""
    # Branch-free selection keeps the loop in vector lanes; NaN and everything outside is sent to the last row.
    last = float(outside)
    for i in range(sample.size):
        place = (sample[i] - origin) * cells_per_unit
        place = place if place >= 0.0 else last
        place = place if place < last else last
        cell = np.int32(place)
        positions[i] = place - cell - 0.5
        rows[i] = cell


@vectorised
def statistic_of_moments(moments: Array, tables: GridTables) -> float:
    """Compute T_m from the power sums in the cells, shape (orders, cells)."""
    sums = np.empty(tables.nodes)
    kernel_sums(moments, tables, sums)
    return _quadrature(sums, tables) + _corrections(sums, moments, tables)


@vectorised
def kernel_sums(moments: Array, tables: GridTables, sums: Array) -> None:
    """Set ``sums`` to the sum of K((x - X) / b) over all observations X, at every node x.

    Parameters
    ----------
    moments : array, shape (orders, cells)
    tables : GridTables
    sums : array, shape (nodes,)
        Changed.
    """
    reach, orders = tables.expansion.shape
    if orders == 1:
        _sums_between_knots(moments[0], tables, sums)
        return
    sums[:] = 0.0
    # The outer loop is over blocks of nodes, so that their sums stay in the cache while all cells pass.
    for start in range(0, sums.size, NODES_AT_A_TIME):
        part = sums[start : min(sums.size, start + NODES_AT_A_TIME)]
        for j in range(reach):
            cells = moments[:, start + j : start + j + part.size]
            # Three orders in one pass load and store each sum once instead of three times.
            k = 0
            while k + 3 <= orders:
                _add_three(part, tables.expansion[j, k : k + 3], cells[k], cells[k + 1], cells[k + 2])
                k += 3
            while k < orders:
                _add_one(part, tables.expansion[j, k], cells[k])
                k += 1


@vectorised
def _sums_between_knots(counts: Array, tables: GridTables, sums: Array) -> None:
    """Set the sums of a kernel that is constant between its knots, from the counts in the cells."""
    # Cumulative counts make the cost independent of the number of cells in a bandwidth.
    before = np.zeros(counts.size + 1)
    for cell in range(counts.size):
        before[cell + 1] = before[cell] + counts[cell]
    sums[:] = 0.0
    # Each knot contributes its jump times the number of observations in the cells before its offset.
    for knot in range(tables.offsets.size):
        start = tables.offsets[knot]
        _add_one(sums, tables.jumps[knot], before[start : start + sums.size])


@vectorised
def _add_three(sums: Array, factors: Array, zeroth: Array, first: Array, second: Array) -> None:
    one, two, three = factors[0], factors[1], factors[2]
    for i in range(sums.size):
        sums[i] += one * zeroth[i] + two * first[i] + three * second[i]


@vectorised
def _add_one(sums: Array, factor: float, terms: Array) -> None:
    for i in range(sums.size):
        sums[i] += factor * terms[i]


@vectorised
def _quadrature(sums: Array, tables: GridTables) -> float:
    """Sum weight (f_m - f)^2 over the nodes."""
    total = 0.0
    for row in range(tables.segments.shape[0]):
        first, start, stop = tables.segments[row, 0], tables.segments[row, 1], tables.segments[row, 2]
        estimate = sums[first : first + stop - start]
        expected, weight = tables.expected[start:stop], tables.weight[start:stop]
        for i in range(estimate.size):
            deviation = estimate[i] - expected[i]
            total += weight[i] * deviation * deviation
    return total


@vectorised
def _corrections(sums: Array, moments: Array, tables: GridTables) -> float:
    """Compute the corrections of the quadrature for the jumps and bends of f_m between the nodes.

    By the Euler-Maclaurin formula a jump of the integrand g at s, from the centre of an interval between nodes,
    changes the trapezoid rule's error by -h [g] s, and a jump of its slope by h^2 [g'] (s^2 - 1/12) / 2. The power
    sums give both to first order: [g] = 2 a (f_m - f) [f_m], and likewise for the slope. Where f_m jumps, the jumps of
    the other observations in the interval also move f_m - f; the conditional expectation of that, given the counts, is
    added.
    """
    total = 0.0
    any_jump = tables.jumps.any()
    for row in range(tables.segments.shape[0]):
        first, start = tables.segments[row, 0], tables.segments[row, 1]
        whole, size = tables.segments[row, 3], max(0, tables.segments[row, 4] - tables.segments[row, 3])
        if size == 0:
            continue
        # Terms of single observations: exact in their positions, through the power sums of the cells.
        node = first + whole - start
        estimate = sums[node : node + size + 1]
        expected, share = tables.expected[whole : whole + size + 1], tables.share[whole : whole + size + 1]
        for knot in range(tables.offsets.size):
            cell = node + tables.offsets[knot]
            cells = moments[:, cell : cell + size]
            if tables.jumps[knot] != 0.0:
                total -= tables.jumps[knot] * _of_jumps(estimate, expected, share, cells[1])
            if tables.slopes[knot] != 0.0:
                total += 0.5 * tables.slopes[knot] * _of_bends(estimate, expected, share, cells[0], cells[2])
        # Terms of pairs of observations: their positions are known in expectation only.
        if any_jump:
            total -= _of_pairs_of_jumps(estimate, expected, share, moments[0], node, tables)
    return total


@vectorised
def _of_jumps(sums: Array, expected: Array, share: Array, first: Array) -> float:
    total = 0.0
    for i in range(first.size):
        total += (share[i] * (sums[i] - expected[i]) + share[i + 1] * (sums[i + 1] - expected[i + 1])) * first[i]
    return total


@vectorised
def _of_bends(sums: Array, expected: Array, share: Array, zeroth: Array, second: Array) -> float:
    total = 0.0
    for i in range(zeroth.size):
        deviation = share[i] * (sums[i] - expected[i]) + share[i + 1] * (sums[i + 1] - expected[i + 1])
        total += deviation * (second[i] - zeroth[i] / 12.0)
    return total


@vectorised
def _of_pairs_of_jumps(
    sums: Array, expected: Array, share: Array, counts: Array, node: int, tables: GridTables
) -> float:
    """Compute the expectation of a jump times the change of f_m - f up to it, from the centre of the interval.

    For two uniform positions s and t the mean of s ([t < s] - 1/2) is 1/12, and so is the mean of s^2, the factor of
    the slope of f.
    """
    total = 0.0
    for i in range(sums.size - 1):
        # The sum of the jumps in the interval, and the part of its square that pairs an observation with itself.
        change, variation = 0.0, 0.0
        for knot in range(tables.offsets.size):
            jumps = tables.jumps[knot] * counts[node + i + tables.offsets[knot]]
            change += jumps
            variation += tables.jumps[knot] * jumps
        rise = sums[i + 1] - sums[i] - (expected[i + 1] - expected[i])
        total += (share[i] + share[i + 1]) * (change * rise - variation)
    return total / 12.0
