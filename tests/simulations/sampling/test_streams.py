"""The streams of random numbers: keyed by (seed, replicate) alone, and of the law they should have.

The statistical tests have a fixed seed; each would fail for one seed in ten thousand although the generator is right.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from foundation.errors import InputError
from foundation.types import Array
from simulations.sampling.philox import COUNTS, OBSERVATIONS, PILOT, POSITIONS, fill
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.quantile_tables import quantiles_into
from simulations.sampling.streams import BATCH, LARGEST_SEED, check_seed, draw, draw_into, fill_signed_tails
from theory.densities.families import DENSITIES, NORMAL, density_named
from theory.kernels import x

FALSE_ALARM = 1e-4

CRITICAL = float(stats.norm.isf(FALSE_ALARM / 2))

LAWS = [
    *DENSITIES,
    "uniform:-1,1",
    "beta:2,3",
    "beta:0.5,1.5",
    "mixture:0.3*normal(-1,0.5)+0.7*normal(1,1)",
    "mixture:0.5*normal(-5,0.5)+0.5*normal(5,0.5)",
    *("t:3", "gamma:0.5,2", "lognormal:1,0.5", "scipy:invgauss(0.5)", "expression:1-abs(x),-1,1"),
]


def stream(seed: int, replicate: int, purpose: int, m: int) -> Array:
    """Return ``m`` normals of any stream, also of those that serve another purpose than observations."""
    sample = np.empty(m)
    draw_into(sample, quantile_table(NORMAL), np.uint64(seed), np.uint64(replicate), np.uint32(purpose))
    return sample


@pytest.mark.parametrize("name", LAWS)
def test_an_observation_is_the_quantile_at_the_tail_that_its_two_words_mean(name: str) -> None:
    m, density = BATCH + 77, density_named(name)
    words = np.empty(2 * m, np.uint32)
    fill(words, 7, 11, OBSERVATIONS, 0)
    tails = np.empty(m)
    for i, (high, low) in enumerate(words.reshape(m, 2).tolist()):
        side, digits = divmod(2**32 * high + low, 2**63)
        tails[i] = (1 if side else -1) * float(2 * digits + 1) / 2**65
    expected = np.empty(m)
    quantiles_into(expected, tails, quantile_table(density))
    assert (draw(density, 7, 11, m) == expected).all()


@given(st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=40))
def test_tails_are_exact_to_rounding_and_never_zero(words: list[int]) -> None:
    words = words[: len(words) // 2 * 2]
    tails = np.empty(len(words) // 2)
    fill_signed_tails(tails, np.array(words, np.uint32))
    for tail, high, low in zip(tails, words[::2], words[1::2], strict=True):
        side, digits = divmod(2**32 * high + low, 2**63)
        assert abs(tail) == float(2 * digits + 1) / 2**65
        assert (tail > 0) == (side == 1)


def test_the_smallest_and_the_largest_words_give_finite_symmetric_observations() -> None:
    full = 2**32 - 1
    words = np.array([0, 0, 2**31, 0, 2**31 - 1, full, full, full], np.uint32)
    tails, normals = np.empty(4), np.empty(4)
    fill_signed_tails(tails, words)
    assert tails.tolist() == [-(2.0**-65), 2.0**-65, -0.5, 0.5]
    quantiles_into(normals, tails, quantile_table(NORMAL))
    assert normals == pytest.approx([stats.norm.ppf(2.0**-65), -stats.norm.ppf(2.0**-65), 0, 0], rel=1e-14)


@pytest.mark.parametrize("m", [1, 2, 3, BATCH - 1, BATCH, BATCH + 1, 999])
def test_a_longer_sample_begins_with_the_shorter_one(m: int) -> None:
    assert (draw(NORMAL, 3, 5, 1000)[:m] == draw(NORMAL, 3, 5, m)).all()


def test_a_sample_does_not_depend_on_the_threads_that_draw() -> None:
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda replicate: draw(NORMAL, 8, replicate, 700), range(200)))
    assert all((sample == draw(NORMAL, 8, replicate, 700)).all() for replicate, sample in enumerate(together))


def test_seeds_and_replicates_are_not_interchangeable() -> None:
    samples = {tuple(draw(NORMAL, seed, replicate, 4)) for seed in range(20) for replicate in range(20)}
    assert len(samples) == 400


@pytest.mark.parametrize("replicate", [0, 2**32, LARGEST_SEED])
def test_the_largest_seed_and_replicate_have_streams(replicate: int) -> None:
    assert np.isfinite(draw(NORMAL, LARGEST_SEED, replicate, 1000)).all()


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


@pytest.mark.parametrize("name", LAWS)
def test_samples_of_every_density_pass_the_kolmogorov_smirnov_test(name: str) -> None:
    density = density_named(name)
    distribution = sympy.lambdify(x, density.distribution, "scipy")
    sample = np.concatenate([draw(density, 12, replicate, 1000) for replicate in range(200)])
    assert stats.kstest(sample, distribution).pvalue > FALSE_ALARM


def test_every_digit_of_a_level_is_uniform() -> None:
    """The levels, magnified about the median and deep in the tail, are uniform there as well."""
    levels = stats.norm.cdf(draw(NORMAL, 13, 0, 2_000_000))
    for magnification in (2**10, 2**20, 2**30):
        assert stats.kstest(levels * magnification % 1, "uniform").pvalue > FALSE_ALARM
    deep = levels[levels < 2.0**-8] * 2**8
    assert stats.kstest(deep, "uniform").pvalue > FALSE_ALARM


def test_neighbouring_streams_and_observations_are_uncorrelated() -> None:
    m = 200_000
    first = draw(NORMAL, 6, 0, m)
    others = [draw(NORMAL, 6, 1, m), draw(NORMAL, 7, 0, m), draw(NORMAL, 6, 2**32, m), draw(NORMAL, 6 + 2**32, 0, m)]
    others += [stream(6, 0, purpose, m) for purpose in (COUNTS, POSITIONS, OBSERVATIONS + PILOT)]
    others += [np.roll(first, lag) for lag in (1, 2, 3, 4, BATCH)]
    for other in others:
        for power in (1, 2):
            one, another = (values**power - (power - 1) for values in (first, other))
            # The fourth moment of a normal is 3, so that its square has the variance 2.
            z = float(np.mean(one * another)) / power * math.sqrt(m)
            assert abs(z) < CRITICAL


def test_the_means_of_neighbouring_replicates_are_independent() -> None:
    means = np.array([draw(NORMAL, 9, replicate, 50).mean() for replicate in range(20_000)]) * math.sqrt(50)
    z = float(np.mean(means[:-1] * means[1:])) * math.sqrt(means.size - 1)
    assert abs(z) < CRITICAL
    assert stats.kstest(means, "norm").pvalue > FALSE_ALARM


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "0", None])
def test_a_seed_out_of_range_is_refused(seed: object) -> None:
    with pytest.raises(InputError, match="the seed must be a whole number from 0 to 18446744073709551615, got"):
        check_seed(seed)  # type: ignore[arg-type]
