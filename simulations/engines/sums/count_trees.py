"""Multinomial counts in time proportional to the number of classes, down a binary tree of binomial counts.

The counts of the two halves of a group, given that of the group, are binomial, independent of all other groups. So the
number of observations descends from the root, which has all m of them, to the single classes. The cost does not depend
on m, and the counts are exact up to the rounding of the probabilities, 1e-16 of each.
"""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

import numpy as np

from foundation.types import Array, Indices
from simulations.compiled import compiled
from simulations.engines.sums.binomials import WORDS_OF_A_PROPOSAL, complete, propose
from simulations.sampling.philox import WORDS_IN_A_BLOCK, Whole, fill

NODES_AT_A_TIME = 256
"""Number of groups that are divided in one batch, so that their words stay in the fastest cache."""

MORE_WORDS = 64
"""Number of words in a batch for further proposals."""


class CountTree(NamedTuple):
    """The probabilities with which groups of classes are divided, level after level from the root.

    Group i of a level is divided into the groups 2 i and 2 i + 1 of the next level; the second does not exist for the
    last group of a level with an odd successor. The last level holds single classes and is not divided.

    Attributes
    ----------
    starts : array of int64, shape (levels + 1,)
        Index of each level's first group in the arrays below; their length, last.
    shares : array, shape (groups,)
        Probability of the less probable half, given the group.
    second : array, shape (groups,)
        1.0 where the second half is the less probable one, else 0.0.
    classes : int
    """

    starts: Indices
    shares: Array
    second: Array
    classes: int


def count_tree(probabilities: Array) -> CountTree:
    """Build the tree of classes with ``probabilities``, shape (n,), not negative, with any positive sum."""
    levels = [np.asarray(probabilities, dtype=np.float64)]
    while levels[0].size > 1:
        # A group without a second half is completed by an impossible one.
        lower = levels[0]
        padded = np.append(lower, np.zeros(lower.size % 2))
        levels.insert(0, padded[0::2] + padded[1::2])
    shares, second = [], []
    for lower in levels[1:]:
        padded = np.append(lower, np.zeros(lower.size % 2))
        first, last = padded[0::2], padded[1::2]
        total = first + last
        less = np.minimum(first, last)
        shares.append(np.divide(less, total, out=np.zeros_like(total), where=total > 0))
        second.append((last <= first).astype(np.float64))
    starts = np.array([0, *accumulate(share.size for share in shares)], dtype=np.int64)
    nothing = [np.zeros(0)]
    return CountTree(starts, np.concatenate(shares or nothing), np.concatenate(second or nothing), levels[-1].size)


@compiled
def divide(
    counts: Array, m: float, tree: CountTree, seed: Whole, replicate: Whole, purpose: Whole, further: Whole
) -> None:
    """Set ``counts`` to multinomial counts that sum to ``m``; they depend on the two streams alone.

    Parameters
    ----------
    counts : array, shape (classes,)
        Whole numbers.
    m : float
        A whole number up to 10^15.
    tree : CountTree
    seed, replicate, purpose
        The stream of the first proposals, as `simulations.sampling.philox.fill` takes it.
    further : int
        Purpose of the stream of further proposals.
    """
    words = np.empty(NODES_AT_A_TIME * WORDS_OF_A_PROPOSAL, np.uint32)
    more, state = np.empty(MORE_WORDS, np.uint32), np.array([MORE_WORDS, 0])
    drawn, trials = np.empty(NODES_AT_A_TIME), np.empty(counts.size)
    counts[0] = m
    for level in range(tree.starts.size - 1):
        first, groups = tree.starts[level], tree.starts[level + 1] - tree.starts[level]
        following = tree.classes if level == tree.starts.size - 2 else tree.starts[level + 2] - tree.starts[level + 1]
        trials[:groups] = counts[:groups]
        for start in range(0, groups, NODES_AT_A_TIME):
            size = min(NODES_AT_A_TIME, groups - start)
            # The words of a group are at a fixed place of the stream, whatever other groups need.
            block = np.uint64((first + start) * WORDS_OF_A_PROPOSAL // WORDS_IN_A_BLOCK)
            fill(words[: size * WORDS_OF_A_PROPOSAL], seed, replicate, purpose, block)
            parts, shares = trials[start : start + size], tree.shares[first + start : first + start + size]
            propose(drawn[:size], parts, shares, words)
            complete(drawn[:size], parts, shares, words, more, state, (seed, replicate, further))
            _split(counts, following, start, parts, drawn, tree.second[first + start : first + start + size])


@compiled
def _split(counts: Array, following: int, start: int, parts: Array, drawn: Array, second: Array) -> None:
    """Write the counts of the halves of the groups from ``start``, the less probable one being ``drawn``."""
    for i in range(parts.size):
        last = second[i] * drawn[i] + (1.0 - second[i]) * (parts[i] - drawn[i])
        counts[2 * (start + i)] = parts[i] - last
        if 2 * (start + i) + 1 < following:
            counts[2 * (start + i) + 1] = last
