"""Reproducible samples: one stream for every replicate, keyed by (seed, replicate) alone.

The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, 2011; `philox`). Its key is the seed and its
counter holds the number of the replicate, so two replicates never share a stream, and a replicate's sample depends
neither on the others nor on the thread that draws it.

An observation takes two words, 64 bits. The first bit selects the lower or the upper tail; the other 63 are the digits
of a number r, and p = (2 r + 1) / 2**65, rounded to double precision, is the probability of that tail: from 2**-65 to
1/2. The observation is the quantile there, from the table of `quantile_tables`. Levels and quantiles are thus symmetric
about the median, and both tails are as finely resolved as p is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from foundation.types import Array
from simulations.compiled import compiled
from simulations.sampling.philox import OBSERVATIONS, WORDS_IN_A_BLOCK, Whole, Words, fill
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.quantile_tables import SMALLEST_EXPONENT, QuantileTable, quantiles_into
from theory.densities.density import Density

LARGEST_SEED = 2**64 - 1
BATCH = 512
"""Number of observations drawn in one batch, so that intermediate arrays stay in the fastest cache."""
WORDS_OF_AN_OBSERVATION = 2

_SIGN_SHIFT, _WORD_SHIFT, _UNIT = np.uint64(63), np.uint64(32), np.uint64(1)


def draw(density: Density, seed: int, replicate: int, m: int) -> Array:
    """Draw the sample of ``m`` observations of ``density`` for (seed, replicate).

    A longer sample begins with the shorter one.

    Parameters
    ----------
    density : Density
    seed, replicate : int
        From 0 to 2**64 - 1.
    m : int
        At least 1.

    Raises
    ------
    InputError
        If the seed is not a whole number from 0 to 2**64 - 1, or the density has no quantiles.

    Examples
    --------
    >>> from theory.densities import NORMAL
    >>> draw(NORMAL, 0, 1, 3).round(6)
    array([ 2.127744, -1.563337,  0.550555])
    """
    sample = np.empty(m)
    key = np.uint64(check_seed(seed))
    draw_into(sample, quantile_table(density), key, np.uint64(replicate), np.uint32(OBSERVATIONS))
    return sample


@compiled
def draw_into(out: Array, table: QuantileTable, seed: Whole, replicate: Whole, purpose: Whole = OBSERVATIONS) -> None:
    """Fill ``out`` with the sample for (seed, replicate).

    Parameters
    ----------
    out : array, shape (m,)
    table : QuantileTable
        The table of the density.
    seed, replicate, purpose : int
        The stream, as for `simulations.sampling.philox.fill`; numbers of at least 2**63 as ``np.uint64``.
    """
    words = np.empty(WORDS_OF_AN_OBSERVATION * BATCH, np.uint32)
    tails = np.empty(BATCH)
    for start in range(0, out.size, BATCH):
        size = min(BATCH, out.size - start)
        fill(
            words[: WORDS_OF_AN_OBSERVATION * size],
            seed,
            replicate,
            purpose,
            WORDS_OF_AN_OBSERVATION * start // WORDS_IN_A_BLOCK,
        )
        fill_signed_tails(tails[:size], words)
        quantiles_into(out[start : start + size], tails[:size], table)


@compiled
def draw_rows_into(
    out: Array, table: QuantileTable, seed: Whole, replicates: npt.NDArray[np.uint64], purpose: Whole = OBSERVATIONS
) -> None:
    """Fill each row of ``out``, shape (n, m), with the sample for (seed, replicate), as `draw_into` does."""
    for i in range(replicates.size):
        draw_into(out[i], table, seed, replicates[i], purpose)


@compiled
def fill_signed_tails(out: Array, words: Words) -> None:
    """Fill ``out`` with the signed tails of ``words``, two words each: p, negative for the lower tail."""
    for i in range(out.size):
        word = (np.uint64(words[2 * i]) << _WORD_SHIFT) | np.uint64(words[2 * i + 1])
        # The shift drops the sign bit; the odd last bit keeps the tail away from 0.
        tail = np.float64((word << _UNIT) | _UNIT) * 2.0**SMALLEST_EXPONENT
        out[i] = -tail if word >> _SIGN_SHIFT == 0 else tail


def check_seed(seed: int) -> int:
    """Check that ``seed`` is a whole number from 0 to 2**64 - 1, and return it.

    Raises
    ------
    InputError
        If it is not.
    """
    if not (isinstance(seed, int) and 0 <= seed <= LARGEST_SEED):
        raise InputError(f"the seed must be a whole number from 0 to {LARGEST_SEED}, got {seed}.")
    return seed
