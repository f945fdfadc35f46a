"""Multinomial counts by Poisson ones, compiled.

With independent Poisson counts of the means mu p_c, their sum N is Poisson and, given N, they are multinomial. So the
counts of m observations are those of N, and of m - N more that are drawn one by one; or, if N exceeds m, those that
remain when N - m, drawn without replacement, are taken away. With mu a little below m the latter is rare.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from foundation.types import Array, Counts
from simulations.compiled import compiled
from simulations.engines.multinomial.alias_tables import Columns, PoissonTables, alias_table, pick, poisson_tables
from simulations.sampling.philox import WORDS_IN_A_BLOCK, Whole, Words, fill

MARGIN = 2.5
"""How many standard deviations mu lies below m: what then is mostly missing costs little, and an excess is rare."""


class CountTables(NamedTuple):
    """What draws the counts of ``m`` observations in n classes.

    Attributes
    ----------
    poisson : PoissonTables
        Of the means mu p_c.
    classes : array of uint64
        The alias table of p.
    bits : int
        The binary logarithm of its length.
    words : int
        32-bit words that are drawn at a time, which mostly are enough: a multiple of 4.
    """

    poisson: PoissonTables
    classes: Columns
    bits: int
    words: int


def count_tables(probabilities: Array, m: int, margin: float = MARGIN) -> CountTables:
    """Return the tables of the multinomial counts of ``m`` observations.

    Parameters
    ----------
    probabilities : array, shape (n,)
        They sum to 1; n is at most 2^20.
    m : int
        At least 1.
    margin : float
        mu is m less ``margin`` times its square root, or 0. The law of the counts does not depend on it.
    """
    probabilities = probabilities / probabilities.sum()
    mean = max(0.0, m - margin * math.sqrt(m))
    poisson = poisson_tables(mean * probabilities)
    classes = alias_table(probabilities)
    draws = int(poisson.terms.sum()) + abs(m - mean) + 4 * math.sqrt(m)
    words = WORDS_IN_A_BLOCK * math.ceil(2 * draws / WORDS_IN_A_BLOCK)
    return CountTables(poisson, classes, int(classes.size).bit_length() - 1, words)


@compiled
def draw_counts(counts: Counts, m: int, tables: CountTables, seed: Whole, replicate: Whole, purpose: Whole) -> None:
    """Set ``counts``, shape (n,), to multinomial counts that sum to ``m``; they depend on the stream alone.

    Parameters
    ----------
    counts : array of int64, shape (n,)
    m : int
    tables : CountTables
        For the same m.
    seed, replicate, purpose
        The stream, as `simulations.sampling.philox.fill` takes it.
    """
    words = np.empty(tables.words, np.uint32)
    block, used, total = np.uint64(0), 0, 0
    fill(words, seed, replicate, purpose, block)
    poisson = tables.poisson
    for c in range(counts.size):
        count = 0
        for _ in range(poisson.terms[c]):
            word = np.uint64(words[used]) | (np.uint64(words[used + 1]) << np.uint64(32))
            count += poisson.least[c] + pick(poisson.columns, poisson.first[c], poisson.bits[c], word)
            used += 2
        counts[c] = count
        total += count
    for _ in range(total, m):
        if used >= words.size:
            block, used = _more(words, seed, replicate, purpose, block), 0
        word = np.uint64(words[used]) | (np.uint64(words[used + 1]) << np.uint64(32))
        counts[pick(tables.classes, 0, tables.bits, word)] += 1
        used += 2
    while total > m:
        if used >= words.size:
            block, used = _more(words, seed, replicate, purpose, block), 0
        # A product of the word with N is uniform on 0, ..., N - 1 in its high half, if some of its low halves are
        # refused (Lemire, 2019).
        product = np.uint64(words[used]) * np.uint64(total)
        used += 2
        if (product & np.uint64(0xFFFFFFFF)) >= np.uint64(2**32) % np.uint64(total):
            _take_away(counts, np.int64(product >> np.uint64(32)))
            total -= 1


@compiled
def _more(words: Words, seed: Whole, replicate: Whole, purpose: Whole, block: Whole) -> np.uint64:
    """Draw the words that follow, and return the block at which they begin."""
    following = np.uint64(block) + np.uint64(words.size // WORDS_IN_A_BLOCK)
    fill(words, seed, replicate, purpose, following)
    return following


@compiled
def _take_away(counts: Counts, observation: Whole) -> None:
    """Take the observation of that number, counted through the classes, away."""
    c = 0
    while observation >= counts[c]:
        observation -= counts[c]
        c += 1
    counts[c] -= 1
