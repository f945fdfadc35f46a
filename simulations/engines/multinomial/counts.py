"""Multinomial counts from Poisson counts, compiled.

The sum N of independent Poisson counts with means mu p_c is Poisson and, given N, the counts are multinomial. The
counts of m observations are therefore those of N, plus those of m - N more that are drawn individually; or, if N
exceeds m, those left after removing N - m observations without replacement. With mu a little below m this is rare.
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
"""Standard deviations by which mu is below m: the usual deficit costs little, and an excess is rare."""


class CountTables(NamedTuple):
    """The tables for drawing the counts of m observations in n classes.

    Attributes
    ----------
    poisson : PoissonTables
        For the means mu p_c.
    classes : array of uint64
        Alias table of p.
    bits : int
        Binary logarithm of its length.
    words : int
        Number of 32-bit words drawn in one batch, which usually suffices: a multiple of 4.
    """

    poisson: PoissonTables
    classes: Columns
    bits: int
    words: int


def count_tables(probabilities: Array, m: int, margin: float = MARGIN) -> CountTables:
    """Build the tables of the multinomial counts of ``m`` observations.

    Parameters
    ----------
    probabilities : array, shape (n,)
        They sum to 1; n is at most 2^20.
    m : int
        At least 1.
    margin : float
        mu is m minus ``margin`` times its square root, or 0. The distribution of the counts does not depend on it.
    """
    probabilities = probabilities / probabilities.sum()
    # One Poisson table for each class, and one alias table of all classes for single observations.
    mean = max(0.0, m - margin * math.sqrt(m))
    poisson = poisson_tables(mean * probabilities)
    classes = alias_table(probabilities)
    # The usual number of draws: the Poisson counts and the deficit, with a margin of four standard deviations.
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
    # Poisson counts, two words for each draw.
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
    # Add the missing observations individually.
    for _ in range(total, m):
        if used >= words.size:
            block, used = _more(words, seed, replicate, purpose, block), 0
        word = np.uint64(words[used]) | (np.uint64(words[used + 1]) << np.uint64(32))
        counts[pick(tables.classes, 0, tables.bits, word)] += 1
        used += 2
    # Remove the excess observations, each uniformly among those that remain.
    while total > m:
        if used >= words.size:
            block, used = _more(words, seed, replicate, purpose, block), 0
        # The high half of the product of the word with N is uniform on 0, ..., N - 1, if products with certain low
        # halves are rejected (Lemire, 2019).
        product = np.uint64(words[used]) * np.uint64(total)
        used += 2
        if (product & np.uint64(0xFFFFFFFF)) >= np.uint64(2**32) % np.uint64(total):
            _remove(counts, np.int64(product >> np.uint64(32)))
            total -= 1


@compiled
def _more(words: Words, seed: Whole, replicate: Whole, purpose: Whole, block: Whole) -> np.uint64:
    """Draw the next batch of words, and return the block at which it begins."""
    following = np.uint64(block) + np.uint64(words.size // WORDS_IN_A_BLOCK)
    fill(words, seed, replicate, purpose, following)
    return following


@compiled
def _remove(counts: Counts, observation: Whole) -> None:
    """Remove the observation with that number, in the order of the classes."""
    c = 0
    while observation >= counts[c]:
        observation -= counts[c]
        c += 1
    counts[c] -= 1
