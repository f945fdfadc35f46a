"""Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw (2011), as streams of 32-bit words.

A word is a function of the seed (the key, 64 bits) and of the counter: its block within the stream, the stream's
purpose and the replicate. It depends neither on the words before it nor on the thread that computes it, and streams
never overlap: two streams of one seed have no counter in common, and two seeds are two keys.

Source: Parallel random numbers: as easy as 1, 2, 3. Proceedings of SC11, section 4.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from simulations.compiled import compiled

Words: TypeAlias = npt.NDArray[np.uint32]
Whole: TypeAlias = int | np.integer[Any]

OBSERVATIONS, COUNTS, POSITIONS, FURTHER_COUNTS, SUMS, PERMUTATIONS = 0, 1, 2, 3, 4, 5
"""Purposes of streams: the observations of a sample; or the counts in its cells, the positions inside them, further
proposals for the counts, and sums of positions; or permutations of a sample."""
PURPOSE_BITS = 3
"""Bits of a purpose; above them, up to `PILOT`, there is room for a part of m."""
PILOT = 2**31
"""Offset that turns a purpose into the same purpose in a pilot study."""
WORDS_IN_A_BLOCK = 4
LARGEST_BLOCK = 2**32 - 1

ROUNDS = 10
_FIRST_MULTIPLIER, _SECOND_MULTIPLIER = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_FIRST_INCREMENT, _SECOND_INCREMENT = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


@compiled
def fill(words: Words, seed: Whole, replicate: Whole, purpose: Whole, first_block: Whole) -> None:
    """Fill ``words`` with the stream of (seed, replicate, purpose), starting at word 0 of ``first_block``.

    Word w of block ``first_block`` + k goes to ``words[4 k + w]``, so that a longer fill begins with the shorter one.

    Parameters
    ----------
    words : array of uint32, shape (n,)
        Contiguous; n is any number of words.
    seed, replicate : int
        From 0 to 2**64 - 1. The low and high halves of the seed are the two words of the key; those of the replicate
        are the last two words of the counter.
    purpose, first_block : int
        From 0 to 2**32 - 1: the second and the first word of the counter. After the last block the stream repeats.

    Examples
    --------
    >>> words = np.empty(4, np.uint32)
    >>> fill(words, 0, 0, 0, 0)
    >>> [f"{word:08x}" for word in words]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    blocks = words.size // WORDS_IN_A_BLOCK
    _fill_blocks(words[: blocks * WORDS_IN_A_BLOCK], seed, replicate, purpose, first_block)
    rest = words.size - blocks * WORDS_IN_A_BLOCK
    if rest > 0:
        last = np.empty(WORDS_IN_A_BLOCK, np.uint32)
        _fill_blocks(last, seed, replicate, purpose, np.uint64(first_block) + np.uint64(blocks))
        # Word by word: a slice assignment would pull in numba's string support, and seconds of compilation.
        for w in range(rest):
            words[blocks * WORDS_IN_A_BLOCK + w] = last[w]


@compiled
def _fill_blocks(words: Words, seed: Whole, replicate: Whole, purpose: Whole, first_block: Whole) -> None:
    """Fill ``words``, a whole number of blocks; the iterations are independent and run in vector lanes."""
    first, low, high = np.uint64(first_block), np.uint64(replicate) & _LOW, np.uint64(replicate) >> _HALF
    for k in range(words.size // WORDS_IN_A_BLOCK):
        # 64-bit lanes hold 32-bit words in their low halves, so that a product of two words stays in its lane.
        zero, one, two, three = (first + np.uint64(k)) & _LOW, np.uint64(purpose) & _LOW, low, high
        # Ten rounds, with the key bumped by constant increments after each.
        key, other_key = np.uint64(seed) & _LOW, np.uint64(seed) >> _HALF
        for _ in range(ROUNDS):
            product, other_product = _FIRST_MULTIPLIER * zero, _SECOND_MULTIPLIER * two
            zero, one = (other_product >> _HALF) ^ one ^ key, other_product & _LOW
            two, three = (product >> _HALF) ^ three ^ other_key, product & _LOW
            key, other_key = (key + _FIRST_INCREMENT) & _LOW, (other_key + _SECOND_INCREMENT) & _LOW
        words[4 * k] = np.uint32(zero)
        words[4 * k + 1] = np.uint32(one)
        words[4 * k + 2] = np.uint32(two)
        words[4 * k + 3] = np.uint32(three)
