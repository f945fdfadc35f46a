"""Positions of observations within strata with known counts, and their power sums in the cells, compiled."""

from __future__ import annotations

import numpy as np

from foundation.types import Array, Counts, Indices
from simulations.compiled import vectorised
from simulations.sampling.philox import WORDS_IN_A_BLOCK, Whole, Words, fill

WORDS_AT_A_TIME = 2048
"""Number of words drawn in one batch: enough to amortise the cost of a batch, few enough for the fastest cache."""

LANES = 32
"""Number of observations that compiled loops process together; lanes beyond the last observation are masked."""

_WORD = 2.0**-32


@vectorised
def add_power_sums(
    moments: Array, counts: Counts, cells: Indices, quantiles: Array, seed: Whole, replicate: Whole, purpose: Whole
) -> None:
    """Draw the positions of ``counts`` observations in every stratum, and add their power sums to its cell.

    One 32-bit word is drawn for each observation; it stands for the middle of one of 2^32 equal parts of [-1/2, 1/2].

    Parameters
    ----------
    moments : array, shape (orders, cells)
        Changed: row k receives the sums of s^k.
    counts : array of int64, shape (n,) or longer
    cells, quantiles
        Of the `simulations.engines.cells.strata.Strata`.
    seed, replicate, purpose
        The stream, as `simulations.sampling.philox.fill` takes it.
    """
    words = np.zeros(WORDS_AT_A_TIME + LANES, np.uint32)
    positions, powers = np.empty(WORDS_AT_A_TIME + LANES), np.empty(WORDS_AT_A_TIME + LANES)
    orders = moments.shape[0]
    block, used = np.uint64(0), WORDS_AT_A_TIME
    for stratum in range(cells.size):
        cell, left = np.uint64(cells[stratum]), counts[stratum]
        while left > 0:
            # Draw the next batch of words when the last is used up.
            if used == WORDS_AT_A_TIME:
                fill(words[:WORDS_AT_A_TIME], seed, replicate, purpose, block)
                block, used = block + np.uint64(WORDS_AT_A_TIME // WORDS_IN_A_BLOCK), 0
            # Take as many words as the stratum and the batch allow, padded to whole vectors: a fixed length of the
            # inner loop is worth the masked lanes.
            taken = min(left, WORDS_AT_A_TIME - used)
            padded = (taken + LANES - 1) // LANES * LANES
            part = words[used : used + padded]
            # Up to two powers need no intermediate array.
            if orders <= 3:
                first, second = _two_power_sums(part, taken, quantiles[stratum])
                moments[0, cell] += taken
                moments[1, cell] += first
                if orders == 3:
                    moments[2, cell] += second
            else:
                _locate(part, quantiles[stratum], positions)
                _add_all_power_sums(positions[:padded], powers[:padded], taken, moments[:, cell])
            used += taken
            left -= taken


@vectorised
def _two_power_sums(words: Words, count: int, quantile: Array) -> tuple[float, float]:
    """Sum s and s^2 over the first ``count`` of ``words``."""
    # Scalars, unlike array elements, stay in registers.
    q0, q1, q2, q3, q4, q5 = quantile[0], quantile[1], quantile[2], quantile[3], quantile[4], quantile[5]
    first = second = 0.0
    for i in range(words.size):
        w = np.float64(words[i]) * _WORD + (0.5 * _WORD - 0.5)
        s = q0 + w * (q1 + w * (q2 + w * (q3 + w * (q4 + w * q5))))
        s = s if i < count else 0.0
        first += s
        second += s * s
    return first, second


@vectorised
def _locate(words: Words, quantile: Array, positions: Array) -> None:
    """Set the positions for ``words``, measured from the centre of the cell, in cells."""
    q0, q1, q2, q3, q4, q5 = quantile[0], quantile[1], quantile[2], quantile[3], quantile[4], quantile[5]
    for i in range(words.size):
        w = np.float64(words[i]) * _WORD + (0.5 * _WORD - 0.5)
        positions[i] = q0 + w * (q1 + w * (q2 + w * (q3 + w * (q4 + w * q5))))


@vectorised
def _add_all_power_sums(positions: Array, powers: Array, count: int, moments: Array) -> None:
    # A power of zero masks the lanes beyond the last observation.
    for i in range(positions.size):
        powers[i] = 1.0 if i < count else 0.0
    moments[0] += count
    for k in range(1, moments.size):
        total = 0.0
        for i in range(positions.size):
            powers[i] *= positions[i]
            total += powers[i]
        moments[k] += total


@vectorised
def draw_positions(
    positions: Array, counts: Counts, quantiles: Array, seed: Whole, replicate: Whole, purpose: Whole
) -> None:
    """Set ``positions`` to those that `add_power_sums` draws, stratum after stratum.

    Parameters
    ----------
    positions : array, shape (total of the counts,)
    counts : array of int64, shape (n,)
    quantiles : array, shape (n, 6)
    seed, replicate, purpose
        The stream, as `simulations.sampling.philox.fill` takes it.
    """
    words = np.empty(positions.size, np.uint32)
    fill(words, seed, replicate, purpose, 0)
    start = 0
    for stratum in range(counts.size):
        stop = start + counts[stratum]
        _locate(words[start:stop], quantiles[stratum], positions[start:stop])
        start = stop
