"""Alias tables: a draw from a discrete law in constant time, from one 64-bit word.

The word's leading bits pick a column, the bits after them decide between the column's own value and its alias. A
column packs both into 64 bits: a threshold of 44 bits and the alias of 20. So probabilities are rounded to 2^-44 of a
column, and those below 1e-18 at the ends of a Poisson law are left out.

Source: Walker (1977), with the construction of Vose (1991).
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from simulations.compiled import compiled
from simulations.sampling.philox import Whole

Array: TypeAlias = npt.NDArray[np.float64]

Indices: TypeAlias = npt.NDArray[np.int64]

Columns: TypeAlias = npt.NDArray[np.uint64]

ALIAS_BITS = 20

LARGEST_TABLE = 2**ALIAS_BITS

_ALIAS_BITS, _ALIAS_MASK = np.uint64(ALIAS_BITS), np.uint64(2**ALIAS_BITS - 1)

_THRESHOLDS = 2.0 ** (64 - ALIAS_BITS)

NEGLIGIBLE = 1e-18
"""Share of the largest probability of a Poisson law at which its tails are cut off."""

LARGEST_MEAN = 4096.0
"""A Poisson variable of a larger mean is drawn as a sum, so that tables stay small."""


class PoissonTables(NamedTuple):
    """Alias tables of many Poisson laws, one after the other.

    Attributes
    ----------
    columns : array of uint64
    first, bits : array of int64, shape (n,)
        Where the table of a law starts, and the binary logarithm of its length.
    least : array of int64, shape (n,)
        The count that belongs to a table's first column.
    terms : array of int64, shape (n,)
        How many draws from the table are added.
    """

    columns: Columns
    first: Indices
    bits: Indices
    least: Indices
    terms: Indices


@compiled
def pick(columns: Columns, first: int, bits: int, word: Whole) -> np.int64:
    """Return a value drawn by one 64-bit word from the table of 2^bits columns that starts at ``first``.

    Parameters
    ----------
    columns : array of uint64
    first : int
    bits : int
        At least 1.
    word : uint64
    """
    shift = np.uint64(bits)
    column = np.uint64(word) >> (np.uint64(64) - shift)
    entry = columns[np.uint64(first) + column]
    if ((np.uint64(word) << shift) >> _ALIAS_BITS) < (entry >> _ALIAS_BITS):
        return np.int64(column)
    return np.int64(entry & _ALIAS_MASK)


@compiled
def fill_columns(columns: Columns, probabilities: Array) -> None:
    """Set the columns, a power of two, to the table of ``probabilities``, which may be fewer and sum to anything."""
    size = columns.size
    share = np.zeros(size)
    factor = size / probabilities.sum()
    for value in range(probabilities.size):
        share[value] = factor * probabilities[value]
    small, large = np.empty(size, np.int64), np.empty(size, np.int64)
    smalls = larges = 0
    for column in range(size):
        if share[column] < 1.0:
            small[smalls] = column
            smalls += 1
        else:
            large[larges] = column
            larges += 1
    while smalls > 0 and larges > 0:
        smalls -= 1
        poor, rich = small[smalls], large[larges - 1]
        columns[poor] = _pack(share[poor], rich)
        share[rich] -= 1.0 - share[poor]
        if share[rich] < 1.0:
            larges -= 1
            small[smalls] = rich
            smalls += 1
    # What is left has a full column, but for rounding.
    for place in range(smalls):
        columns[small[place]] = _pack(1.0, small[place])
    for place in range(larges):
        columns[large[place]] = _pack(1.0, large[place])


@compiled
def _pack(share: float, alias: Whole) -> np.uint64:
    threshold = min(np.uint64(share * _THRESHOLDS), np.uint64(_THRESHOLDS - 1))
    return (threshold << _ALIAS_BITS) | np.uint64(alias)


def alias_table(probabilities: Array) -> Columns:
    """Return the table of a law on 0, 1, ..., of at most 2^20 values; its length is a power of two."""
    columns = np.zeros(2 ** max(1, int(probabilities.size - 1).bit_length()), np.uint64)
    fill_columns(columns, probabilities)
    return columns


def poisson_tables(means: Array) -> PoissonTables:
    """Return the tables of the Poisson laws with the given means, shape (n,)."""
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
    """Return the least count that matters, and the probabilities from it on, up to a common factor."""
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
    least = mode - downward + 1
    law = np.empty(upward + downward - 1)
    law[mode - least] = 1.0
    for count in range(mode + 1, least + law.size):
        law[count - least] = law[count - least - 1] * mean / count
    for count in range(mode - 1, least - 1, -1):
        law[count - least] = law[count - least + 1] * (count + 1) / mean
    return least, law
