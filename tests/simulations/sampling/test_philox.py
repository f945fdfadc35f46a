"""The generator: the words that Philox4x32-10 gives by definition, in an order that depends on nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulations.sampling.philox import COUNTS, LARGEST_BLOCK, OBSERVATIONS, PILOT, POSITIONS, Words, fill

words_32 = st.integers(0, 2**32 - 1)

words_64 = st.integers(0, 2**64 - 1)


def slow_block(counter: tuple[int, int, int, int], key: tuple[int, int]) -> list[int]:
    """Return one block as the paper defines it, in Python's unbounded integers."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        (high_0, low_0), (high_1, low_1) = divmod(0xD2511F53 * c0, 2**32), divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return [c0, c1, c2, c3]


def stream(seed: int, replicate: int, purpose: int, first_block: int, length: int) -> Words:
    words = np.zeros(length, np.uint32)
    fill(words, np.uint64(seed), np.uint64(replicate), np.uint32(purpose), np.uint32(first_block))
    return words


@pytest.mark.parametrize(
    ("counter", "key", "published"),
    [
        ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_its_published_known_answers(
    counter: tuple[int, int, int, int], key: tuple[int, int], published: str
) -> None:
    """The known answers are those that the authors publish with Random123."""
    block, purpose, low, high = counter
    words = stream(key[0] + 2**32 * key[1], low + 2**32 * high, purpose, block, 4)
    assert " ".join(f"{word:08x}" for word in words) == published
    assert slow_block(counter, key) == words.tolist()


@given(words_64, words_64, words_32, words_32, st.integers(0, 150))
def test_every_word_is_that_of_the_definition(
    seed: int, replicate: int, purpose: int, first_block: int, length: int
) -> None:
    expected: list[int] = []
    for k in range(-(-length // 4)):
        counter = ((first_block + k) % 2**32, purpose, replicate % 2**32, replicate >> 32)
        expected += slow_block(counter, (seed % 2**32, seed >> 32))
    assert stream(seed, replicate, purpose, first_block, length).tolist() == expected[:length]


@given(words_64, words_64, words_32, st.integers(0, 40), st.integers(0, 40))
def test_a_stream_may_be_filled_in_parts(seed: int, replicate: int, purpose: int, before: int, after: int) -> None:
    whole = stream(seed, replicate, purpose, 0, 4 * (before + after))
    parts = (stream(seed, replicate, purpose, 0, 4 * before), stream(seed, replicate, purpose, before, 4 * after))
    assert (np.concatenate(parts) == whole).all()


def test_python_integers_name_the_same_stream() -> None:
    words = np.empty(11, np.uint32)
    fill(words, 3, 2**62 + 5, PILOT, LARGEST_BLOCK)
    assert (words == stream(3, 2**62 + 5, PILOT, LARGEST_BLOCK, 11)).all()


def test_no_two_streams_share_a_block() -> None:
    """Blocks that differ in seed, purpose or replicate are different: 32-bit words alone would repeat by chance."""
    purposes = [purpose + pilot for purpose in (OBSERVATIONS, COUNTS, POSITIONS) for pilot in (0, PILOT)]
    seeds = replicates = (0, 1, 2, 2**32, 2**64 - 1)
    blocks = [
        tuple(block)
        for seed in seeds
        for replicate in replicates
        for purpose in purposes
        for block in stream(seed, replicate, purpose, 0, 4 * 100).reshape(-1, 4).tolist()
    ]
    assert len(set(blocks)) == len(blocks) == 5 * 5 * 6 * 100


def test_the_bits_of_a_stream_are_fair_and_independent_of_their_neighbours() -> None:
    """Every bit, and its sum modulo 2 with each bit up to a block later; 1 false alarm in 10**4 over all of them."""
    from scipy import stats

    bits = np.unpackbits(stream(17, 3, OBSERVATIONS, 0, 2**17).view(np.uint8))
    shifts = range(1, 129)
    ones = [bits.sum(dtype=np.int64), *((bits[:-shift] ^ bits[shift:]).sum(dtype=np.int64) for shift in shifts)]
    sizes = np.array([bits.size, *(bits.size - shift for shift in shifts)])
    critical = stats.norm.isf(1e-4 / (2 * len(ones)))
    assert (np.abs(2 * np.array(ones) - sizes) / np.sqrt(sizes) < critical).all()
