"""The streams of random numbers: keyed by (seed, replicate) alone, and of the law they should have.

The statistical tests have a fixed seed; each would fail for one seed in ten thousand although the generator is right.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from simulations.streams import LARGEST_SEED, checked_seed, draw, uniforms
from theory.densities import NORMAL
from theory.errors import InputError

FALSE_ALARM = 1e-4
CRITICAL = float(stats.norm.isf(FALSE_ALARM / 2))


def test_a_stream_is_numpys_philox_with_the_key_of_seed_and_replicate() -> None:
    words = np.random.Philox(key=np.array([7, 11], dtype=np.uint64)).random_raw(1000)
    expected = [((int(word) >> 12) + 0.5) / 2**52 for word in words]
    assert uniforms(7, 11, 1000).tolist() == expected


def test_philox_gives_its_published_known_answer() -> None:
    """Random123's known answer for the counter 0 and the key 0. NumPy steps the counter before each block."""
    generator = np.random.Philox(key=np.zeros(2, np.uint64), counter=np.full(4, 2**64 - 1, dtype=np.uint64))
    expected = [0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B]
    assert generator.random_raw(4).tolist() == expected


def test_a_longer_sample_begins_with_the_shorter_one() -> None:
    assert (draw(NORMAL, 3, 5, 1000)[:10] == draw(NORMAL, 3, 5, 10)).all()


def test_seeds_and_replicates_are_not_interchangeable() -> None:
    samples = {tuple(uniforms(seed, replicate, 4)) for seed in range(20) for replicate in range(20)}
    assert len(samples) == 400


def test_uniforms_lie_strictly_between_zero_and_one() -> None:
    smallest, largest = 0.5 * 2.0**-52, (2**52 - 0.5) * 2.0**-52
    assert 0 < smallest < largest < 1
    values = uniforms(LARGEST_SEED, LARGEST_SEED, 100_000)
    assert values.min() >= smallest
    assert values.max() <= largest


def test_normals_have_the_moments_of_the_normal_law() -> None:
    sample = np.concatenate([draw(NORMAL, 1, replicate, 1000) for replicate in range(1000)])
    for power, variance in ((1, 1), (2, 2), (3, 15), (4, 96)):
        moment = {1: 0, 2: 1, 3: 0, 4: 3}[power]
        z = (np.mean(sample**power) - moment) / math.sqrt(variance / sample.size)
        assert abs(z) < CRITICAL


@pytest.mark.parametrize("m", [1, 10, 100_000])
def test_normals_pass_the_kolmogorov_smirnov_test(m: int) -> None:
    sample = np.concatenate([draw(NORMAL, 2, replicate, m) for replicate in range(200_000 // max(m, 100))])
    assert stats.kstest(sample, "norm").pvalue > FALSE_ALARM


def test_the_tails_have_the_mass_they_should() -> None:
    sample = np.concatenate([draw(NORMAL, 4, replicate, 100_000) for replicate in range(20)])
    for bound in (-4.0, 4.0):
        expected = sample.size * stats.norm.sf(4.0)
        beyond = np.count_nonzero(np.sign(bound) * sample > 4.0)
        assert abs(beyond - expected) < CRITICAL * math.sqrt(expected)


def test_neighbouring_replicates_and_seeds_are_uncorrelated() -> None:
    m = 200_000
    first = draw(NORMAL, 6, 0, m)
    for other in (draw(NORMAL, 6, 1, m), draw(NORMAL, 7, 0, m), first[np.r_[1:m, 0]]):
        z = float(np.mean(first * other)) * math.sqrt(m)
        assert abs(z) < CRITICAL


def test_the_means_of_neighbouring_replicates_are_independent() -> None:
    means = np.array([draw(NORMAL, 9, replicate, 50).mean() for replicate in range(20_000)]) * math.sqrt(50)
    z = float(np.mean(means[:-1] * means[1:])) * math.sqrt(means.size - 1)
    assert abs(z) < CRITICAL
    assert stats.kstest(means, "norm").pvalue > FALSE_ALARM


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "0", None])
def test_a_seed_out_of_range_is_refused(seed: object) -> None:
    with pytest.raises(InputError, match="the seed must be a whole number from 0 to 18446744073709551615, got"):
        checked_seed(seed)  # type: ignore[arg-type]
