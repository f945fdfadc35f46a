"""Alias tables: draws from discrete distributions in constant time, from one 64-bit word each.

The word's leading bits select a column, the bits after them decide between the column's own value and its alias. A
column packs both into 64 bits: a threshold of 44 bits and an alias of 20. Probabilities are therefore rounded to 2^-44
of a column, and those below 1e-18 at the ends of a Poisson distribution are dropped.

Source: Walker (1977), with the construction of Vose (1991).
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from foundation.types import Array, Indices
from simulations.compiled import compiled
from simulations.sampling.philox import Whole

Columns: TypeAlias = npt.NDArray[np.uint64]

ALIAS_BITS = 20

LARGEST_TABLE = 2**ALIAS_BITS

_ALIAS_BITS, _ALIAS_MASK = np.uint64(ALIAS_BITS), np.uint64(2**ALIAS_BITS - 1)

_THRESHOLDS = 2.0 ** (64 - ALIAS_BITS)

NEGLIGIBLE = 1e-18
"""Share of the largest probability of a Poisson distribution at which its tails are truncated."""

LARGEST_MEAN = 4096.0
"""Largest mean of a Poisson table; a variable with a larger mean is drawn as a sum, so that tables stay small."""


class PoissonTables(NamedTuple):
    """Concatenated alias tables of many Poisson distributions.

    Attributes
    ----------
    columns : array of uint64
    first, bits : array of int64, shape (n,)
        Index of each table's first column, and binary logarithm of its length.
    least : array of int64, shape (n,)
        Count that a table's first column stands for.
    terms : array of int64, shape (n,)
        Number of draws from the table that are added.
    """

    columns: Columns
    first: Indices
    bits: Indices
    least: Indices
    terms: Indices


@compiled
def pick(columns: Columns, first: int, bits: int, word: Whole) -> np.int64:
    """Draw a value with one 64-bit word from the table of 2^bits columns that starts at ``first``.

    Parameters
    ----------
    columns : array of uint64
    first : int
    bits : int
        At least 1.
    word : uint64
    """
    # The leading bits are the column; the rest, as a fraction, is compared with its threshold.
    shift = np.uint64(bits)
    column = np.uint64(word) >> (np.uint64(64) - shift)
    entry = columns[np.uint64(first) + column]
    if ((np.uint64(word) << shift) >> _ALIAS_BITS) < (entry >> _ALIAS_BITS):
        return np.int64(column)
    return np.int64(entry & _ALIAS_MASK)


@compiled
def fill_columns(columns: Columns, probabilities: Array) -> None:
    """Set ``columns`` to the alias table of ``probabilities``.

    Parameters
    ----------
    columns : array of uint64
        Changed; its length is a power of two.
    probabilities : array
        At most as many as columns, with any positive sum.
    """
    # Scale the probabilities so that a full column is 1.
    size = columns.size
    share = np.zeros(size)
    factor = size / probabilities.sum()
    for value in range(probabilities.size):
        share[value] = factor * probabilities[value]
    # Sort the columns into those with room and those with more than they hold.
    small, large = np.empty(size, np.int64), np.empty(size, np.int64)
    smalls = larges = 0
    for column in range(size):
        if share[column] < 1.0:
            small[smalls] = column
            smalls += 1
        else:
            large[larges] = column
            larges += 1
    # Fill the room of a poor column with a rich one's excess, until one kind runs out.
    while smalls > 0 and larges > 0:
        smalls -= 1
        poor, rich = small[smalls], large[larges - 1]
        columns[poor] = _pack(share[poor], rich)
        share[rich] -= 1.0 - share[poor]
        if share[rich] < 1.0:
            larges -= 1
            small[smalls] = rich
            smalls += 1
    # The remaining columns are full, up to rounding.
    for place in range(smalls):
        columns[small[place]] = _pack(1.0, small[place])
    for place in range(larges):
        columns[large[place]] = _pack(1.0, large[place])


@compiled
def _pack(share: float, alias: Whole) -> np.uint64:
    threshold = min(np.uint64(share * _THRESHOLDS), np.uint64(_THRESHOLDS - 1))
    return (threshold << _ALIAS_BITS) | np.uint64(alias)


def alias_table(probabilities: Array) -> Columns:
    """Build the table of a distribution on 0, 1, ..., of at most 2^20 values; its length is a power of two."""
    columns = np.zeros(2 ** max(1, int(probabilities.size - 1).bit_length()), np.uint64)
    fill_columns(columns, probabilities)
    return columns


def poisson_tables(means: Array) -> PoissonTables:
    """Build the tables of the Poisson distributions with the given means, shape (n,)."""
    # A large mean is divided among several independent terms, which share one table.
    terms = np.maximum(1, np.ceil(means / LARGEST_MEAN)).astype(np.int64)
    laws = [poisson_probabilities(mean) for mean in means / terms]
    sizes = np.array([2 ** max(1, int(law.size - 1).bit_length()) for _, law in laws], dtype=np.int64)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    columns = np.zeros(first[-1], np.uint64)
    for start, size, (_, law) in zip(first, sizes, laws, strict=False):
        fill_columns(columns[start : start + size], law)
    bits = np.array([int(size).bit_length() - 1 for size in sizes], dtype=np.int64)
    return PoissonTables(columns, first[:-1], bits, np.array([least for least, _ in laws], dtype=np.int64), terms)


@compiled
def poisson_probabilities(mean: float) -> tuple[int, Array]:
    """Compute the probabilities of all non-negligible counts, up to a common factor.

    Returns the least such count, and the probabilities of it and the counts that follow.
    """
    # Find how far the probabilities are above the bound, on both sides of the mode.
    mode = int(mean)
    upward = downward = 1
    probability = 1.0
    while probability > NEGLIGIBLE:
        probability *= mean / (mode + upward)
        upward += 1
    probability = 1.0
    while downward <= mode and probability > NEGLIGIBLE:
        probability *= (mode - downward + 1) / mean
        downward += 1
    # Fill them in from the mode outwards, so that no factorial overflows.
    least = mode - downward + 1
    law = np.empty(upward + downward - 1)
    law[mode - least] = 1.0
    for count in range(mode + 1, least + law.size):
        law[count - least] = law[count - least - 1] * mean / count
    for count in range(mode - 1, least - 1, -1):
        law[count - least] = law[count - least + 1] * (count + 1) / mean
    return least, law
