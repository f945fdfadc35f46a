"""Counts by a tree of binomials, sums as normal vectors: the law must be that of a sample. Every test has a fixed seed.

Each statistical test would fail for about one seed in ten thousand although the law is right.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy import integrate, stats

from foundation.errors import InputError
from foundation.types import Array
from simulations.engines.cells.strata import strata
from simulations.engines.cells.stratum_moments import stratum_moments
from simulations.engines.choice import engine_for
from simulations.engines.exact.statistic import Statistic
from simulations.engines.multinomial.replicates import MultinomialReplicates
from simulations.engines.sums.binomials import log_probability, log_ratio
from simulations.engines.sums.count_trees import count_tree, divide
from simulations.engines.sums.replicates import SumReplicates
from simulations.study.study import Study
from tests.support.examples import examples, first
from theory.bickel_rosenblatt.bandwidth import bandwidth_named
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.variance import exact_variance
from theory.densities.evaluation import at_points, local_density
from theory.densities.families import density_named
from theory.densities.weights import weight_named
from theory.kernels import kernel_named

FALSE_ALARM = 1e-4

CRITICAL = float(stats.norm.isf(FALSE_ALARM / 2))


def setting(kernel: str = "epanechnikov", density: str = "normal", weight: str = "window:-2,2") -> Statistic:
    f = density_named(density)
    return Statistic(kernel_named(kernel), f, weight_named(weight, f), bandwidth_named("m^-0.235"))


def tree_counts(probabilities: Array, m: int, replicates: int, seed: int = 1) -> Array:
    tree, counts = count_tree(probabilities), np.empty((replicates, probabilities.size))
    for replicate, row in enumerate(counts):
        divide(row, float(m), tree, np.uint64(seed), np.uint64(replicate), np.uint64(1), np.uint64(3))
    return counts


@pytest.mark.parametrize(
    ("trials", "share"),
    [(30, 0.4), (1000, 0.1), (3000, 0.4), (10**5, 0.01), (10**6, 0.5), (10**9, 0.3), (10**12, 1e-6), (10**15, 0.2)],
)
def test_the_ratio_of_probabilities_keeps_its_digits_at_any_number_of_trials(trials: int, share: float) -> None:
    """Against 50 digits, up to the rounding of the mean in doubles; factorials' logarithms lose all from 10^13."""
    spread, mode = math.sqrt(trials * share * (1 - share)), math.floor((trials + 1) * share)
    for z in (-6.0, -3.0, -0.5, 2.0, 5.0, 7.0):
        count = min(trials, max(0, int(mode + z * spread)))
        with mp.workdps(50):
            p = mp.mpf(share)

            def exact(k: int, p: mp.mpf = p) -> mp.mpf:
                return mp.log(mp.binomial(trials, k)) + k * mp.log(p) + (trials - k) * mp.log(1 - p)

            if trials <= 10**6:
                expected = float(exact(count))
                assert log_probability(float(count), float(trials), share) == pytest.approx(expected, abs=1e-10)
            expected = float(exact(count) - exact(mode))
        rounding = 8 * abs(z) * np.spacing(trials * share) / spread
        assert log_ratio(float(count), float(mode), float(trials), share) == pytest.approx(
            expected, abs=1e-11 + rounding
        )


@pytest.mark.parametrize(
    ("trials", "share"), [(7, 0.2), (25, 0.45), (40, 0.5), (100, 0.3), (1000, 0.0101), (30, 0.9), (10**6, 1e-5)]
)
def test_a_count_has_the_binomial_law(trials: int, share: float) -> None:
    """Small means by inversion, larger ones by rejection, on both sides of the border."""
    replicates = 40_000
    counts = tree_counts(np.array([share, 1 - share]), trials, replicates, seed=trials)[:, 0].astype(int)
    values = np.arange(min(trials, 2000) + 1)
    expected = replicates * stats.binom.pmf(values, trials, share)
    observed = np.bincount(counts, minlength=values.size)
    frequent = expected > 10
    rest = [np.append(table[frequent], table[~frequent].sum()) for table in (observed, expected)]
    rest[1] *= replicates / rest[1].sum()
    assert stats.chisquare(*rest).pvalue > FALSE_ALARM


@pytest.mark.parametrize("trials", [10**6, 10**9, 10**12, 10**15])
def test_a_large_count_has_the_normal_law_of_its_mean_and_variance(trials: int) -> None:
    share = 0.37
    counts = tree_counts(np.array([share, 1 - share]), trials, 20_000, seed=2)[:, 0]
    z = (counts - trials * share) / math.sqrt(trials * share * (1 - share))
    assert stats.kstest(z, "norm").pvalue > FALSE_ALARM
    assert (counts == np.floor(counts)).all()


@settings(max_examples=examples(60), deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from([0.0, 1e-20, 1e-9, 0.001, 0.2, 1.0, 30.0]), min_size=1, max_size=40).filter(any),
    st.sampled_from([1, 2, 7, 300, 40_000, 10**9, 10**15]),
)
def test_the_counts_are_whole_sum_to_m_and_are_zero_in_impossible_classes(weights: list[float], m: int) -> None:
    probabilities = np.array(weights)
    counts = tree_counts(probabilities, m, 20, seed=m % 97)
    assert (counts.sum(axis=1) == m).all()
    assert ((counts >= 0) & (counts == np.floor(counts))).all()
    assert (counts[:, probabilities == 0] == 0).all()


@pytest.mark.parametrize("m", [40, 10**4, 10**12])
def test_the_counts_have_the_multinomial_covariances(m: int) -> None:
    probabilities = np.array([0.001, 0.4, 0.05, 0.05, 0.2, 0.0, 0.299])
    replicates = 20_000
    deviations = tree_counts(probabilities, m, replicates, seed=3) - m * probabilities
    for i, j in ((1, 1), (0, 0), (6, 6), (1, 4), (1, 6), (2, 3)):
        products = deviations[:, i] * deviations[:, j]
        expected = m * probabilities[i] * ((i == j) - probabilities[j])
        assert abs(products.mean() - expected) < CRITICAL * products.std() / math.sqrt(replicates)


@pytest.mark.parametrize(
    "density", ["normal", "beta:2.5,1.75", "laplace", "mixture:0.9*normal(0,1)+0.1*normal(1,0.05)"]
)
def test_the_moments_of_a_stratum_are_those_of_its_density(density: str) -> None:
    """Against adaptive quadrature, for every stratum and six powers, and their covariance factor."""
    f = density_named(density)
    edges = np.linspace(0.05, 1.05, 6)
    parts = strata(f, edges)
    moments = stratum_moments(f, parts, 0.05, 0.2, 6)
    ends: Array = np.polynomial.polynomial.polyval(np.array([[-0.5], [0.5]]), parts.quantiles.T, tensor=False)
    for stratum in range(parts.cells.size):
        centre = 0.05 + 0.2 * (parts.cells[stratum] + 0.5)

        def power(k: int, centre: float = centre, stratum: int = stratum) -> float:
            value, _ = integrate.quad(
                lambda s: s**k * float(at_points(local_density(f), np.array([centre + 0.2 * s]))[0]),
                ends[0][stratum],
                ends[1][stratum],
                epsabs=1e-13,
                epsrel=1e-10,
            )
            return float(value)

        raw = np.array([power(k) for k in range(13)]) / power(0)
        assert moments.means[stratum] == pytest.approx(raw[1:7], rel=1e-9, abs=1e-10)
        covariance = raw[np.add.outer(np.arange(1, 7), np.arange(1, 7))] - np.outer(raw[1:7], raw[1:7])
        factor = moments.factors[stratum]
        assert factor @ factor.T == pytest.approx(covariance, rel=1e-8, abs=1e-12)
        assert factor == pytest.approx(np.tril(factor))


@pytest.mark.parametrize(
    ("kernel", "density", "weight", "m"),
    first(
        3,
        [
            ("epanechnikov", "normal", "window:-2,2", 10**12),
            ("triangular", "laplace", "inverse-density:-1,1", 10**6),
            ("triweight", "uniform:-1,1", "window:-2,2", 30_000),
            ("epanechnikov", "normal", "window:-2,2", 10**5),
            ("uniform", "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)", "window:-1,2", 10**5),
            ("cosine", "logistic", "window:-2,1", 10**5),
            ("gaussian", "beta:2,3", "window:0,1", 10**5),
        ],
    ),
)
def test_mean_and_variance_are_the_exact_ones(kernel: str, density: str, weight: str, m: int) -> None:
    replicates = 2000 if m > 10**9 else 6000
    engine = SumReplicates(setting(kernel, density, weight), m)
    values = engine.values(7, range(replicates))
    mean = exact_mean(m, kernel, density, weight).total
    variance = exact_variance(m, kernel, density, weight).total
    bias = abs(engine.discretisation.bias) * math.sqrt(variance)
    assert abs(values.mean() - mean) < CRITICAL * math.sqrt(variance / replicates) + bias
    excess = stats.kurtosis(values)
    assert abs(values.var() - variance) < CRITICAL * variance * math.sqrt((2 + excess) / replicates) + 0.01 * variance
    assert engine.discretisation.is_within_target


@pytest.mark.parametrize(
    ("density", "weight", "m"), [("normal", "window:-2,2", 20_000), ("laplace", "one", 2000), ("beta:2,2", "one", 500)]
)
def test_the_law_of_the_statistic_is_that_of_positions(density: str, weight: str, m: int) -> None:
    """With four cells in a bandwidth, so that as much as possible happens within the cells."""
    statistic = setting("epanechnikov", density, weight)
    first = SumReplicates(statistic, m, 4).values(1, range(10_000))
    second = MultinomialReplicates(statistic, m, 4).values(1, range(10_000))
    assert stats.ks_2samp(first, second).pvalue > FALSE_ALARM
    assert abs(float(np.corrcoef(first, second)[0, 1])) * math.sqrt(first.size) < CRITICAL


def test_strata_with_few_observations_have_their_positions_drawn() -> None:
    engine = SumReplicates(setting(weight="one"), 3000, 4)
    drawn = engine.strata_drawn
    parts = strata(density_named("normal"), engine.grid.edges)
    assert drawn == {
        "sums": int((3000 * parts.probabilities >= 32).sum()),
        "positions": int((3000 * parts.probabilities < 32).sum()),
    }
    assert min(drawn.values()) > 10


def test_the_bits_depend_on_the_seed_m_and_the_replicate_alone() -> None:
    engine = SumReplicates(setting(), 50_000, 4)
    together = engine.values(9, range(2**40, 2**40 + 30))
    starts = range(2**40, 2**40 + 30, 5)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: engine.values(9, range(start, start + 5)), starts))
    assert np.concatenate(parts).tolist() == together.tolist()
    assert len({*together, *engine.values(10, range(30)), *engine.values(9, range(30))}) == 90


def test_sizes_that_agree_in_their_lower_32_bits_have_streams_of_their_own() -> None:
    """Their counts are drawn from different words: with the same ones they would nearly be multiples."""
    fixed = Statistic(
        kernel_named("epanechnikov"),
        density_named("normal"),
        weight_named("window:-2,2", density_named("normal")),
        bandwidth_named("0.05"),
    )
    sizes = [2**32 * k + 10**6 for k in (1, 2)]
    assert Study(m=sizes[0]).streams(range(3)) == Study(m=sizes[1]).streams(range(3))
    first, second = (SumReplicates(fixed, m, 4).values(3, Study(m=m).streams(range(2000))) for m in sizes)
    assert abs(float(np.corrcoef(first, second)[0, 1])) * math.sqrt(first.size) < CRITICAL


def test_a_size_beyond_an_engine_is_refused_with_the_one_that_reaches_it() -> None:
    for name in ("exact", "cells", "multinomial"):
        with pytest.raises(InputError, match=r"m must be at most 1,000,000,000 for the engine .*Use the engine sums\."):
            engine_for(name, setting(), 10**10)
    assert engine_for("auto", setting(), 10**10).name == "sums"
    with pytest.raises(InputError, match=r"Use a bandwidth of at least 7\.6e-06, or an m of at most 1,000,000,000"):
        engine_for("auto", Study(m=10**10, bandwidth=1e-9).setting, 10**10)
