"""Counts first, then positions: the law must be that of a sample. Every test has a fixed seed.

Each statistical test would fail for about one seed in ten thousand although the law is right.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from mpmath import mp
from scipy import stats

from foundation.errors import InputError
from foundation.types import Counts
from simulations.engines.cells.discretisation import TARGET_BIAS
from simulations.engines.cells.replicates import CellReplicates
from simulations.engines.cells.strata import strata, tails
from simulations.engines.exact.statistic import Statistic
from simulations.engines.multinomial.alias_tables import (
    ALIAS_BITS,
    alias_table,
    poisson_probabilities,
    poisson_tables,
)
from simulations.engines.multinomial.counts import count_tables, draw_counts
from simulations.engines.multinomial.replicates import MultinomialReplicates
from simulations.sampling.philox import POSITIONS, fill
from tests.support.examples import first
from theory.bickel_rosenblatt.bandwidth import bandwidth_named
from theory.bickel_rosenblatt.mean import exact_mean
from theory.densities.families import density_named
from theory.densities.weights import weight_named
from theory.kernels import kernel_named

FALSE_ALARM = 1e-4

CRITICAL = float(stats.norm.isf(FALSE_ALARM / 2))

TWO_PEAKS = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"

NARROW = "mixture:0.9*normal(0,1)+0.1*normal(1,0.05)"

CLASSES = np.array([0.001, 0.4, 0.05, 0.05, 0.2, 0.0, 0.299])


def setting(kernel: str = "epanechnikov", density: str = "normal", weight: str = "window:-2,2") -> Statistic:
    f = density_named(density)
    return Statistic(kernel_named(kernel), f, weight_named(weight, f), bandwidth_named("m^-0.235"))


def multinomial_counts(m: int, margin: float, replicates: int, seed: int = 1) -> Counts:
    tables = count_tables(CLASSES, m, margin)
    counts = np.empty((replicates, CLASSES.size), np.int64)
    for replicate, row in enumerate(counts):
        draw_counts(row, m, tables, np.uint64(seed), np.uint64(replicate), np.uint64(1))
    return counts


ALWAYS_TOO_MANY, HALF_TOO_MANY, USUAL = -6.0, 0.0, 2.5

EVERY_BRANCH = pytest.mark.parametrize("margin", [ALWAYS_TOO_MANY, HALF_TOO_MANY, USUAL, 40.0])


@EVERY_BRANCH
@pytest.mark.parametrize("m", [1, 2, 7, 300, 40_000])
def test_the_counts_sum_to_m_and_none_is_negative(m: int, margin: float) -> None:
    counts = multinomial_counts(m, margin, 300)
    assert (counts.sum(axis=1) == m).all()
    assert (counts >= 0).all()
    assert (counts[:, CLASSES == 0] == 0).all()


@EVERY_BRANCH
def test_the_counts_have_the_multinomial_moments(margin: float) -> None:
    """The total over replicates is multinomial again; the covariance of two classes is -m p q."""
    m, replicates = 900, 20_000
    counts = multinomial_counts(m, margin, replicates, seed=3)
    possible = CLASSES > 0
    totals = counts.sum(axis=0)[possible]
    assert stats.chisquare(totals, replicates * m * CLASSES[possible]).pvalue > FALSE_ALARM
    deviations = counts - m * CLASSES
    for i, j in ((1, 1), (0, 0), (1, 4), (1, 6), (2, 3)):
        products = deviations[:, i] * deviations[:, j]
        expected = m * CLASSES[i] * ((i == j) - CLASSES[j])
        assert abs(products.mean() - expected) < CRITICAL * products.std() / np.sqrt(replicates)


@EVERY_BRANCH
def test_one_count_has_the_binomial_law(margin: float) -> None:
    m, replicates, share = 12, 40_000, CLASSES[1]
    counts = multinomial_counts(m, margin, replicates, seed=4)[:, 1]
    expected = replicates * stats.binom.pmf(np.arange(m + 1), m, share)
    frequent = expected > 10
    observed = np.bincount(counts, minlength=m + 1)
    rest = [np.append(table[frequent], table[~frequent].sum()) for table in (observed, expected)]
    assert stats.chisquare(*rest).pvalue > FALSE_ALARM


def test_large_counts_drawn_as_sums_keep_their_variance() -> None:
    m, replicates = 10**6, 4000
    counts = multinomial_counts(m, USUAL, replicates, seed=5)
    assert poisson_tables(m * CLASSES).terms.max() > 50
    for count, share in zip(counts.T, CLASSES, strict=True):
        variance = m * share * (1 - share)
        assert abs(count.mean() - m * share) <= CRITICAL * np.sqrt(variance / replicates)
        assert abs(count.var() - variance) <= CRITICAL * variance * np.sqrt(2 / replicates)


@pytest.mark.parametrize("mean", [0.0, 1e-12, 0.3, 5.0, 34.2, 4096.0])
def test_the_poisson_probabilities_are_scipys(mean: float) -> None:
    least, law = poisson_probabilities(mean)
    expected = stats.poisson.pmf(least + np.arange(law.size), mean)
    assert np.allclose(law / law.sum(), expected, rtol=1e-9, atol=1e-300)
    assert stats.poisson.cdf(least - 1, mean) + stats.poisson.sf(least + law.size - 1, mean) < 1e-16


@pytest.mark.parametrize("size", [1, 2, 3, 17, 1000])
def test_the_columns_of_an_alias_table_add_up_to_its_law(size: int) -> None:
    law = np.random.default_rng(size).random(size) ** 4
    columns = alias_table(law)
    total = np.zeros(columns.size)
    for column, entry in enumerate(columns.tolist()):
        own = (entry >> ALIAS_BITS) / 2 ** (64 - ALIAS_BITS)
        total[column] += own
        total[entry % 2**ALIAS_BITS] += 1 - own
    assert total[:size] / columns.size == pytest.approx(law / law.sum(), abs=1e-12)
    assert total[size:] == pytest.approx(0, abs=1e-12)


DENSITIES = pytest.mark.parametrize(
    "density", ["normal", "logistic", "laplace", "uniform:-1,1", "beta:2.5,1.75", "beta:1.5,1", TWO_PEAKS, NARROW]
)


@DENSITIES
def test_positions_in_a_cell_follow_the_density_there(density: str) -> None:
    """Wide cells, so that the density bends, jumps and vanishes within them: each position's level is uniform."""
    f = density_named(density)
    engine = MultinomialReplicates(setting("biweight", density, "window:-1.3,1.1"), 40, 2)
    sample = np.concatenate([engine.sample(2, replicate) for replicate in range(1000)])
    edges = engine.grid.edges
    sample = sample[sample < edges[-1]]
    cell = np.searchsorted(edges, sample) - 1
    below = tails(f, edges)[0]
    levels = (tails(f, sample)[0] - below[cell]) / (below[cell + 1] - below[cell])
    assert stats.kstest(levels, "uniform").pvalue > FALSE_ALARM
    assert stats.chisquare(np.bincount((levels * 64).astype(int), minlength=64)).pvalue > FALSE_ALARM


@DENSITIES
def test_the_probabilities_of_the_strata_sum_to_one_and_their_ends_meet(density: str) -> None:
    edges = np.linspace(-1.9, 1.3, 41)
    parts = strata(density_named(density), edges)
    assert parts.probabilities.sum() + parts.outside == pytest.approx(1, abs=1e-14)
    width = edges[1] - edges[0]
    ends = [
        edges[0] + width * (parts.cells + 0.5 + np.polynomial.polynomial.polyval(w, parts.quantiles.T, tensor=False))
        for w in (-0.5, 0.5)
    ]
    support = [float(end) for end in density_named(density).support]
    assert ends[0][0] == pytest.approx(max(support[0], edges[0]), abs=2e-9 * width)
    assert ends[1][-1] == pytest.approx(min(support[1], edges[-1]), abs=2e-9 * width)
    assert ends[0][1:] == pytest.approx(ends[1][:-1], abs=4e-9 * width)


def test_the_positions_are_the_quantiles_to_a_billionth_of_a_cell() -> None:
    """Against 25-digit arithmetic, where the density falls from one end of a cell to the other by half.

    The level of a position within its stratum is w + 1/2, up to a billionth of the density times the cell.
    """
    edges, width = np.linspace(1.0, 3.0, 9), 0.25
    parts = strata(density_named("normal"), edges)
    w = np.array([-0.5, -0.37, 0.0, 0.41, 0.5])
    for cell, row in zip(parts.cells, parts.quantiles, strict=True):
        positions = 1.0 + width * (cell + 0.5 + np.polynomial.polynomial.polyval(w, row))
        with mp.workdps(25):
            below = [mp.ncdf(mp.mpf(float(position))) for position in positions]
            levels = [float((level - below[0]) / (below[-1] - below[0])) for level in below]
            steepest = float(mp.npdf(positions[0]) * width / (below[-1] - below[0]))
        assert levels == pytest.approx((w + 0.5).tolist(), abs=4e-9 * steepest)


def test_the_probabilities_keep_their_digits_far_in_the_upper_tail() -> None:
    parts = strata(density_named("normal"), np.linspace(6, 8, 9))
    cells = np.bincount(parts.cells, parts.probabilities)
    with mp.workdps(30):
        expected = [float(mp.ncdf(-(6 + mp.mpf(k) / 4)) - mp.ncdf(-(6 + mp.mpf(k + 1) / 4))) for k in range(8)]
    assert cells == pytest.approx(expected, rel=1e-12)


def test_the_sample_is_read_from_the_words_of_its_stream() -> None:
    """A twin in NumPy: word after word, stratum after stratum, whatever blocks the engine takes them in."""
    engine = MultinomialReplicates(setting(), 9000, 4)
    counts, parts = engine.counts(8, 5), strata(density_named("normal"), engine.grid.edges)
    inside = counts[:-1]
    words = np.empty(int(inside.sum()), np.uint32)
    fill(words, 8, 5, POSITIONS, 0)
    w = (words.astype(np.float64) + 0.5) / 2**32 - 0.5
    s = np.polynomial.polynomial.polyval(w, parts.quantiles.repeat(inside, axis=0).T, tensor=False)
    expected = engine.grid.origin + engine.grid.width * (parts.cells.repeat(inside) + 0.5 + s)
    sample = engine.sample(8, 5)
    assert sample.size == 9000
    assert sample[: w.size] == pytest.approx(expected, rel=1e-13, abs=1e-13)
    assert (sample[w.size :] > engine.grid.edges[-1]).all()


@pytest.mark.parametrize("kernel", ["epanechnikov", "uniform", "triangular", "triweight", "cosine", "gaussian"])
@pytest.mark.parametrize("m", [3, 400, 20_000])
def test_the_values_are_those_of_the_samples(kernel: str, m: int) -> None:
    engine, statistic = MultinomialReplicates(setting(kernel), m, 16), setting(kernel)
    values = engine.values(4, range(20, 26))
    seen = [engine.sample(4, replicate) for replicate in range(20, 26)]
    assert values == pytest.approx([engine.grid.of_sample(sample) for sample in seen], rel=1e-10)
    exact = np.array([statistic.of_sorted(np.sort(sample)) for sample in seen])
    assert np.abs(values / exact - 1).max() < (2e-2 if kernel == "uniform" else 1e-3)


@pytest.mark.parametrize(
    ("kernel", "density", "weight", "m"),
    first(
        4,
        [
            ("epanechnikov", "normal", "window:-2,2", 2000),
            ("triangular", "laplace", "inverse-density:-1,1", 300),
            ("uniform", TWO_PEAKS, "window:-1,2", 400),
            ("epanechnikov", NARROW, "one", 1000),
            ("triweight", "uniform:-1,1", "window:-2,2", 500),
            ("biweight", "beta:1.5,1", "one", 300),
            ("cosine", "logistic", "window:-2,1", 400),
            ("gaussian", "beta:2,3", "window:0,1", 300),
        ],
    ),
)
def test_the_mean_is_the_exact_mean(kernel: str, density: str, weight: str, m: int) -> None:
    replicates = 10_000
    engine = MultinomialReplicates(setting(kernel, density, weight), m)
    values = engine.values(7, range(replicates))
    expected = exact_mean(m, kernel, density, weight).total
    tolerated = CRITICAL * values.std() / np.sqrt(replicates) + TARGET_BIAS * values.std()
    assert abs(values.mean() - expected) < tolerated
    assert engine.discretisation.is_within_target


@pytest.mark.parametrize(("density", "weight"), [("normal", "window:-2,2"), ("laplace", "one")])
def test_the_law_of_the_statistic_is_that_of_cells(density: str, weight: str) -> None:
    statistic = setting("epanechnikov", density, weight)
    first = MultinomialReplicates(statistic, 800, 8).values(1, range(10_000))
    second = CellReplicates(statistic, 800, 8).values(1, range(10_000))
    assert stats.ks_2samp(first, second).pvalue > FALSE_ALARM
    z = float(np.corrcoef(first, second)[0, 1]) * np.sqrt(first.size)
    assert abs(z) < CRITICAL


def test_the_bits_depend_on_the_seed_and_the_replicate_alone() -> None:
    engine = MultinomialReplicates(setting(), 5000, 6)
    together = engine.values(9, range(2**40, 2**40 + 30))
    starts = range(2**40, 2**40 + 30, 5)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: engine.values(9, range(start, start + 5)), starts))
    assert np.concatenate(parts).tolist() == together.tolist()
    assert len({*together, *engine.values(10, range(30)), *engine.values(9, range(30))}) == 90


def test_neighbouring_replicates_are_uncorrelated() -> None:
    values = MultinomialReplicates(setting(), 500, 6).values(12, range(20_000))
    z = float(np.corrcoef(values[:-1], values[1:])[0, 1]) * np.sqrt(values.size)
    assert abs(z) < CRITICAL


def test_a_density_unbounded_within_reach_is_refused_by_name_and_cells_take_it() -> None:
    statistic = setting(density="beta:0.5,2", weight="window:0.1,1")
    with pytest.raises(InputError, match=r"beta:0\.5,2 is unbounded at 0\. Use the engine cells"):
        MultinomialReplicates(statistic, 200, 16).values(0, range(1))
    values = CellReplicates(statistic, 200).values(0, range(5))
    exact = [
        statistic.of_sorted(np.sort(CellReplicates(statistic, 200, 16).sample(0, replicate))) for replicate in range(5)
    ]
    assert values == pytest.approx(exact, rel=2e-3)
