"""Streaming moments and quantiles, and the test of normality that needs no more than moments."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulations.study.accumulators import KEPT, PAGE, RESOLUTION, Accumulator, Grid, Moments, QuantileSketch
from simulations.study.summary import normality
from tests.support.examples import examples

PROBABILITIES = (0.0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.9999, 1.0)


def gamma_values(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(4.0, 0.1, size)


def merged_in_blocks(values: np.ndarray, *cuts: int) -> Moments:
    first, *rest = (Moments.of(block) for block in np.split(values, cuts))
    for block in rest:
        first = first.merge(block)
    return first


@given(st.integers(0, 2**32), st.integers(1, 999), st.floats(-1e6, 1e6))
def test_merged_moments_are_those_of_all_values(seed: int, cut: int, shift: float) -> None:
    values = gamma_values(1000, seed) + shift
    merged, whole = merged_in_blocks(values, cut), Moments.of(values)
    assert (merged.count, merged.least, merged.greatest) == (1000, values.min(), values.max())
    assert merged.mean == pytest.approx(float(values.mean()), rel=1e-14)
    assert merged.sums == pytest.approx(whole.sums, rel=1e-7 if abs(shift) > 1e3 else 1e-11)


def test_moments_of_many_blocks_agree_with_scipy() -> None:
    values = gamma_values(100_000)
    moments = merged_in_blocks(values, *range(500, 100_000, 500))
    assert moments.variance == pytest.approx(np.var(values, ddof=1), rel=1e-13)
    assert moments.skewness == pytest.approx(stats.skew(values), rel=1e-12)
    assert moments.kurtosis == pytest.approx(stats.kurtosis(values, fisher=False), rel=1e-12)


def test_a_large_constant_added_to_the_values_costs_no_more_digits_than_it_must() -> None:
    values = gamma_values(10_000) + 2.0**20
    moments = merged_in_blocks(values, 1, 17, 5000)
    assert moments.variance == pytest.approx(np.var(values - 2.0**20, ddof=1), rel=1e-9)


def test_standard_errors_are_the_spread_of_the_estimates() -> None:
    """The relative error of a standard deviation from 4,000 samples is about 1.1 %, so 6 % is beyond five of them."""
    samples = gamma_values(4_000_000).reshape(4000, 1000)
    variances, skewnesses = samples.var(axis=1, ddof=1), stats.skew(samples, axis=1)
    several = [Moments.of(sample) for sample in samples[:300]]
    typical = [np.mean([getattr(one, name) for one in several]) for name in ("variance_error", "skewness_error")]
    assert typical[0] == pytest.approx(variances.std(), rel=0.06)
    # Of moments up to the sixth, a sample of 1,000 knows the standard error of the skewness less well.
    assert typical[1] == pytest.approx(skewnesses.std(), rel=0.12)


def test_standard_errors_of_normal_values_are_the_known_ones() -> None:
    quantiles = stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    moments = Moments.of(quantiles)
    assert moments.variance_error == pytest.approx(math.sqrt(2 / 200_000), rel=2e-3)
    assert moments.skewness_error == pytest.approx(math.sqrt(6 / 200_000), rel=2e-3)
    assert moments.kurtosis_error == pytest.approx(math.sqrt(24 / 200_000), rel=2e-2)


def test_where_nothing_varies_shape_and_errors_do_not_exist() -> None:
    same = merged_in_blocks(np.full(40, 0.1), 7)
    assert same.variance == pytest.approx(0, abs=1e-30)
    assert (same.skewness, same.kurtosis, same.skewness_error, same.variance_error) == (None, None, None, None)
    assert normality(same).p_value is None
    assert Moments.of(np.array([0.3])).variance is None


def test_powers_that_overflow_leave_only_the_error_of_the_kurtosis_unknown() -> None:
    huge = merged_in_blocks(gamma_values(1000) * 1e60, 300)
    assert huge.skewness == pytest.approx(stats.skew(gamma_values(1000)), rel=1e-10)
    assert huge.kurtosis_error is None


@pytest.mark.parametrize("size", [20, 51, 1000, 200_000])
@pytest.mark.parametrize("draw", [np.random.Generator.standard_normal, np.random.Generator.standard_exponential])
def test_normality_is_what_scipy_says_of_the_same_values(size: int, draw: object) -> None:
    values = draw(np.random.default_rng(size), size)  # type: ignore[operator]
    test, peer = normality(Moments.of(values)), stats.normaltest(values)
    assert test.statistic == pytest.approx(peer.statistic, rel=1e-10)
    assert test.p_value == pytest.approx(peer.pvalue, rel=1e-8)


def test_the_test_of_normality_keeps_its_size() -> None:
    """Of 2,000 normal samples 100, give or take 10, are rejected at 5 %: outside 60 to 145 once in 20,000 seeds."""
    samples = np.random.default_rng(1).standard_normal((2000, 200))
    p_values = [normality(Moments.of(sample)).p_value for sample in samples]
    assert 60 < sum(p_value is not None and p_value < 0.05 for p_value in p_values) < 145


LAWS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "normal": np.random.Generator.standard_normal,
    "lognormal": lambda generator, size: generator.lognormal(0.0, 1.5, size),
    "Pareto with 4.5 moments": lambda generator, size: generator.pareto(4.5, size),
    "two points": lambda generator, size: generator.choice([-1.0, 1.0], size),
    "mostly one value": lambda generator, size: np.maximum(generator.standard_normal(size) - 1.0, 0.0),
    "rare spikes": lambda generator, size: generator.normal(np.where(generator.random(size) < 1e-3, 1e6, 0.0)),
}


def sketch_of(blocks: Iterable[np.ndarray]) -> QuantileSketch:
    sketch = QuantileSketch()
    for block in blocks:
        sketch.add(block)
    return sketch


@pytest.mark.parametrize("law", LAWS)
@given(st.integers(0, 2**32), st.integers(1, 4 * KEPT), st.floats(-10, 10), st.floats(-100, 100))
@settings(max_examples=examples(8))
def test_quantiles_are_numpys_within_a_ten_thousandth_of_the_spread(
    law: str, seed: int, size: int, shift: float, magnitude: float
) -> None:
    """Whatever the spread is beside the values: their centre is up to 10^10 spreads from 0."""
    values = LAWS[law](np.random.default_rng(seed), size)
    values = (values + np.sign(shift) * 10.0 ** abs(shift)) * 10.0**magnitude
    found, known = sketch_of(np.array_split(values, 5)).quantiles(PROBABILITIES), np.quantile(values, PROBABILITIES)
    # Beyond the reported quantiles, the error grows with the distance from the centre.
    tolerance = np.maximum(RESOLUTION * values.std(), 1e-5 * np.abs(known - np.median(values)))
    assert (np.abs(found - known) <= (tolerance if size > KEPT else 0.0) + 4 * np.spacing(np.abs(known))).all()


def test_rare_large_values_do_not_coarsen_the_quantiles_of_the_others() -> None:
    values = LAWS["rare spikes"](np.random.default_rng(0), 3 * KEPT)
    levels = np.linspace(0.01, 0.99, 50)
    assert sketch_of([values]).quantiles(levels) == pytest.approx(np.quantile(values, levels), abs=RESOLUTION)


def test_bins_are_in_the_order_of_the_values_from_the_smallest_to_the_largest_number() -> None:
    values = np.array([-8e307, -2.0, -1e-250, -5e-324, 0.0, 3e-320, 1e-250, 0.5, 8e307])
    for grid in (Grid(0.0, 1.0), Grid.of(values), Grid.of(np.zeros(9)), Grid.of(np.full(9, 1e300))):
        bins = grid.bins(values)
        assert (np.diff(bins) >= 0).all()
        assert np.isfinite(grid.middles(bins)).all()
    tiny = Grid.of(np.zeros(9))
    assert tiny.middles(tiny.bins(values)) == pytest.approx(values, rel=1e-5, abs=1e-300)


@given(st.integers(0, 2**32), st.lists(st.integers(0, 3 * KEPT), max_size=6))
@settings(max_examples=examples(20))
def test_a_sketch_is_the_same_in_whatever_blocks_its_values_come(seed: int, cuts: list[int]) -> None:
    values = gamma_values(3 * KEPT, seed)
    whole, parts = sketch_of([values]), sketch_of(np.split(values, sorted(cuts)))
    assert whole.grid == parts.grid == Grid.of(values[:KEPT])
    for bins, again in zip(whole.occupied, parts.occupied, strict=True):
        assert (bins == again).all()
    assert whole.grid is not None
    restored = QuantileSketch.from_bins(whole.grid, *whole.occupied)
    assert restored.quantiles(PROBABILITIES) == whole.quantiles(PROBABILITIES)
    assert restored.count == values.size


@pytest.mark.parametrize("size", [KEPT, 2 * KEPT])
def test_the_histogram_counts_what_numpy_counts(size: int) -> None:
    values, edges = gamma_values(size), np.linspace(0.05, 1.0, 30)
    difference = np.abs(sketch_of([values]).histogram(edges) - np.histogram(values, edges)[0])
    near_an_edge = [np.count_nonzero(np.abs(values - edge) < RESOLUTION * values.std()) for edge in edges]
    assert difference.sum() <= (2 * sum(near_an_edge) if size > KEPT else 0)


@pytest.mark.parametrize("size", [100, 2 * KEPT])
def test_a_copy_goes_its_own_way(size: int) -> None:
    accumulator = Accumulator()
    accumulator.add(gamma_values(size))
    copy = accumulator.copy()
    copy.add(gamma_values(50, seed=1))
    assert (accumulator.count, accumulator.sketch.count) == (size, size)
    assert (copy.count, copy.sketch.count) == (size + 50, size + 50)


def test_memory_does_not_grow_with_the_number_of_values() -> None:
    """One page of bins, 32 KB, is more than forty times as many values may add beyond what the first needed."""
    accumulator, block = Accumulator(), gamma_values(KEPT + 1)
    tracemalloc.start()
    accumulator.add(block)
    before = tracemalloc.get_traced_memory()[0]
    for shuffled in range(40):
        accumulator.add(np.random.default_rng(shuffled).permutation(block))
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < PAGE * 8
