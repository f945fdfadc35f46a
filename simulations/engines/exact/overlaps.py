"""The integral of f_m^2 as a sum of the overlaps of kernels, compiled: power sums over a sorted sample.

The overlap of two kernels, the integral of K(u - s) K(u - t) du, is a polynomial in the distance of s and t up to that
at which they cease to overlap, if K is one polynomial on its support. The sorted sample is cut into blocks that are
short beside that distance. From sums of powers of the positions in a block follows a polynomial: the sum of its
overlaps with an observation. A block counts with itself up to the observation, and its predecessors from the first one
within reach.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foundation.errors import InputError
from foundation.types import Array, Indices
from simulations.compiled import compiled
from simulations.engines.exact.kernel_tables import PiecewiseKernel, kernel_table, transfer
from theory.algebra.piecewise import PiecewisePolynomial, expand_at
from theory.kernels import Kernel

HIGHEST_DEGREE = 6
"""Highest degree of a kernel; for higher ones the power sums would lose digits."""

SHORT_BLOCKS_FROM = 3
"""Degree of the kernel from which a block is half as long as kernels overlap, and not as long."""

MOST_CHAINS, OBSERVATIONS_IN_A_CHAIN = 32, 64
"""Parts of a sample whose ranks are found side by side, and the fewest observations in one."""

SEGMENTS = 4
"""Parts of a row that are summed side by side."""


class OverlapTable(NamedTuple):
    """The overlap of two kernels as a function of their distance; a named tuple, since compiled functions accept one.

    Attributes
    ----------
    lower, upper : float
        Ends of the kernel's support, in bandwidths.
    itself : float
        The overlap of a kernel with itself: the roughness of K.
    blocks : int
        Number of blocks in the distance ``upper - lower``, at which two kernels cease to overlap.
    powers : tuple of int, length n
        0, 1, ..., n - 1: the powers of distance in the overlap.
    transfers : array, shape (blocks + 1, n, n)
        For each number of blocks between two observations, `transfer` of the overlap around that distance.
    """

    lower: float
    upper: float
    itself: float
    blocks: int
    powers: tuple[int, ...]
    transfers: Array


def overlap_table(kernel: PiecewiseKernel) -> OverlapTable | None:
    """Build the table of a kernel that is one polynomial of moderate degree on its support; None for others."""
    if not kernel.is_one_polynomial or len(kernel.functions) > HIGHEST_DEGREE + 1:
        return None
    # In rational arithmetic, so that the polynomials around different distances are the same to the last digit.
    (piece,) = kernel.exact_pieces()
    overlap = PiecewisePolynomial.from_pieces([piece]).autocorrelation().pieces[-1].coefficients
    reach = piece.upper - piece.lower
    blocks = 2 if len(piece.coefficients) > SHORT_BLOCKS_FROM else 1
    centres = [back * reach / blocks for back in range(blocks + 1)]
    return OverlapTable(
        lower=float(piece.lower),
        upper=float(piece.upper),
        itself=float(overlap[0]),
        blocks=blocks,
        powers=tuple(range(len(overlap))),
        transfers=np.array([transfer(expand_at(overlap, centre)) for centre in centres]),
    )


def require_overlap_table(kernel: Kernel, purpose: str) -> OverlapTable:
    """Return the table of a kernel that ``purpose`` needs.

    Raises
    ------
    InputError
        If the kernel has none.
    """
    pieces = kernel_table(kernel)
    table = overlap_table(pieces) if isinstance(pieces, PiecewiseKernel) else None
    if table is None:
        raise InputError(
            f"the kernel must be one polynomial of degree 6 or less on a bounded support {purpose}, got {kernel.name}. "
            "Use epanechnikov, uniform, biweight or triweight."
        )
    return table


class Workspace(NamedTuple):
    """Arrays that are used again for each sample.

    Attributes
    ----------
    moments : array, shape (blocks + 1, n, m + 1)
        For the last blocks, in turn: the sums of (-s)^k over the observations before each one; then over all.
    remaining : array, shape (n, m)
        The sums over a block from the first observation within reach of each observation of another.
    positions : array, shape (m,)
    ranks : array of int64, shape (m,)
        For each observation, the number of observations that are too far below it to overlap.
    values : array, shape (m,)
    """

    moments: Array
    remaining: Array
    positions: Array
    ranks: Indices
    values: Array


@compiled
def make_workspace(m: int, table: OverlapTable) -> Workspace:
    """Return the arrays for samples of ``m``."""
    size = len(table.powers)
    return Workspace(
        np.empty((table.blocks + 1, size, m + 1)), np.empty((size, m)), np.empty(m), np.empty(m, np.int64), np.empty(m)
    )


@compiled
def sum_overlaps(sample: Array, bandwidth: float, table: OverlapTable, work: Workspace) -> float:
    """Sum the overlaps of all pairs of different observations, each pair once, of a sorted sample."""
    reach, ring = (table.upper - table.lower) * bandwidth, table.blocks + 1
    step = reach / table.blocks
    starts, stops, anchors = np.zeros(ring, np.int64), np.zeros(ring, np.int64), np.zeros(ring)
    _rank(work.ranks, sample, reach)
    values = work.values[: sample.size]
    for i in range(sample.size):
        values[i] = 0.0
    start, own = 0, 0
    while start < sample.size:
        # Cut off the next block, and sum the overlaps inside it.
        stop = _end_of_block(sample, start, step)
        own = (own + 1) % ring
        starts[own], stops[own], anchors[own] = start, stop, sample[start] + step / 2
        block, out = sample[start:stop], values[start:stop]
        positions = work.positions[: block.size]
        _set_positions(positions, block, anchors[own], bandwidth, 0.0, np.inf)
        _set_moments(work.moments[own], positions)
        _add_potential(out, positions, work.moments[own], table.transfers[0], table.powers)
        # Add the overlaps with the blocks before it; with a gap between them a block may be out of reach.
        for back in range(1, ring):
            other = (own - back) % ring
            if stops[other] > 0 and block[0] - sample[stops[other] - 1] < reach:
                _set_positions(positions, block, anchors[other], bandwidth, back * step / bandwidth, reach / bandwidth)
                ranks = work.ranks[start:stop]
                _set_remaining(work.remaining, work.moments[other], ranks, starts[other], stops[other], table.powers)
                _add_potential(out, positions, work.remaining, table.transfers[back], table.powers)
        start = stop
    return add_up(values)


@compiled
def _end_of_block(sample: Array, start: int, step: float) -> int:
    stop = start + 1
    while stop < sample.size and sample[stop] - sample[start] < step:
        stop += 1
    return stop


@compiled
def _set_positions(
    positions: Array, block: Array, anchor: float, bandwidth: float, shift: float, greatest: float
) -> None:
    """Set the distances from the anchor less ``shift``, in bandwidths, and at most ``greatest``."""
    # Behind a gap a position may be infinite, and its potential is zero times a power of it.
    inverse = 1 / bandwidth
    for i in range(positions.size):
        positions[i] = min((block[i] - anchor) * inverse - shift, greatest)


@compiled
def _set_moments(moments: Array, positions: Array) -> None:
    """Set the sums of (-s)^k over the positions before each one, and over all."""
    size = positions.size
    counts = moments[0]
    for i in range(size + 1):
        counts[i] = i
    for k in range(1, moments.shape[0]):
        row, before = moments[k], moments[k - 1]
        if k == 1:
            for i in range(size):
                row[i] = -positions[i]
        else:
            for i in range(size):
                row[i] = -positions[i] * before[i]
    for k in range(1, moments.shape[0]):
        _accumulate(moments[k], size)


@compiled
def _accumulate(row: Array, size: int) -> None:
    """Replace the first ``size`` numbers by the sum of those before each one, and the next by the sum of all."""
    # Four segments side by side: each addition waits for the one before it in its own segment alone.
    quarter = size // SEGMENTS
    first, second = row[:quarter], row[quarter : 2 * quarter]
    third, fourth = row[2 * quarter : 3 * quarter], row[3 * quarter : 4 * quarter]
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(quarter):
        one, two, three, four = first[i], second[i], third[i], fourth[i]
        first[i], second[i], third[i], fourth[i] = a, b, c, d
        a, b, c, d = a + one, b + two, c + three, d + four
    b, c = a + b, a + b + c
    for i in range(quarter):
        second[i] += a
        third[i] += b
        fourth[i] += c
    total = c + d
    for i in range(4 * quarter, size):
        one = row[i]
        row[i] = total
        total += one
    row[size] = total


@compiled
def _set_remaining(
    remaining: Array, moments: Array, ranks: Indices, start: int, stop: int, powers: tuple[int, ...]
) -> None:
    """Set the sums over the observations of a block from each rank on."""
    size = stop - start
    for i in range(ranks.size):
        first = min(max(ranks[i] - start, 0), size)
        for k in range(len(powers)):
            remaining[k, i] = moments[k, first]
    for k in range(remaining.shape[0]):
        row, total = remaining[k], moments[k, size]
        for i in range(ranks.size):
            row[i] = total - row[i]


@compiled
def _add_potential(values: Array, positions: Array, moments: Array, transfer: Array, powers: tuple[int, ...]) -> None:
    """Add the sum of overlaps at each position, from the moments for it, by Horner's scheme."""
    # The length of a tuple is a constant of the compiled function: both inner loops are unrolled, and the outer one
    # runs in vector lanes.
    for i in range(values.size):
        value = 0.0
        for q in range(len(powers)):
            coefficient = 0.0
            for r in range(q + 1):
                coefficient += transfer[len(powers) - 1 - q, r] * moments[r, i]
            value = value * positions[i] + coefficient
        values[i] += value


@compiled
def add_up(values: Array) -> float:
    """Sum ``values``, which are overwritten, in pairs: with little rounding and in a fixed order."""
    size = values.size
    if size == 0:
        return 0.0
    while size > 1:
        half = (size + 1) // 2
        for i in range(size - half):
            values[i] += values[half + i]
        size = half
    return values[0]


@compiled
def _rank(ranks: Indices, sample: Array, reach: float) -> None:
    """Set, for each observation, the number of observations that are at least ``reach`` below it."""
    # One pass of two fingers over the sorted sample would wait for memory and mispredict a branch at every step. Here
    # several chains, each with a part of the sample, take their steps in turn and without branches.
    chains = min(max(sample.size // OBSERVATIONS_IN_A_CHAIN, 1), MOST_CHAINS)
    upper, lower = np.empty(chains, np.uint64), np.empty(chains, np.uint64)
    last, steps = np.empty(chains, np.uint64), 0
    for chain in range(chains):
        begin, end = sample.size * chain // chains, sample.size * (chain + 1) // chains
        before, after = _bisect(sample, sample[begin], reach), _bisect(sample, sample[end - 1], reach)
        upper[chain], lower[chain], last[chain] = begin, before, end - 1
        steps = max(steps, end - begin + after - before)
    for _ in range(steps):
        for chain in range(chains):
            observation, rank = upper[chain], lower[chain]
            is_behind = sample[observation] - sample[rank] >= reach
            ranks[observation] = rank
            lower[chain] = rank + np.uint64(is_behind)
            # A chain that has finished sets its last rank again.
            upper[chain] = min(observation + np.uint64(not is_behind), last[chain])


@compiled
def _bisect(sample: Array, place: float, reach: float) -> int:
    """Count the observations that are at least ``reach`` below ``place``."""
    low, high = 0, sample.size
    while low < high:
        middle = (low + high) // 2
        if place - sample[middle] >= reach:
            low = middle + 1
        else:
            high = middle
    return low
