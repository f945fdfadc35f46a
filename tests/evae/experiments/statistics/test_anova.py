"""The analysis of variance, against cell means by hand, determinants, statsmodels, SciPy and simulations."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.anova import AnovaRM

from benchmarks.comparisons import NOISES, SEEDS, p_values, rejections
from evae.experiments.statistics.anova import EFFECTS, INTERACTION, analyse, multivariate_test
from evae.experiments.statistics.trials import Treatment, Trial, values_by_treatment
from foundation.errors import InputError
from tests.evae.experiments.tables import FIRST, LAST, Values, balanced, trials_of, unbalanced
from tests.support.examples import examples

TABLES = 2000

#: For a fresh seed of the simulation, a bound of 4.5 standard errors fails once in 150,000.
BOUND = 4.5 * math.sqrt(0.05 * 0.95 / TABLES)


@given(values=balanced())
def test_the_sums_of_squares_are_those_of_the_cell_means(values: Values) -> None:
    kernels, objectives, seeds = values.shape
    grand = values.mean()
    of_kernel, of_objective, of_seed = (values.mean(axes) - grand for axes in ((1, 2), (0, 2), (0, 1)))
    joint = values.mean(2) - grand - of_kernel[:, None] - of_objective[None]
    by_kernel = values.mean(1) - grand - of_kernel[:, None] - of_seed[None]
    by_objective = values.mean(0) - grand - of_objective[:, None] - of_seed[None]
    rest = values - grand - of_kernel[:, None, None] - of_objective[None, :, None] - of_seed - joint[:, :, None]
    rest = rest - by_kernel[:, None] - by_objective[None]
    expected = {
        "kernel": (objectives * seeds * (of_kernel**2).sum(), kernels - 1),
        "objective": (kernels * seeds * (of_objective**2).sum(), objectives - 1),
        INTERACTION: (seeds * (joint**2).sum(), (kernels - 1) * (objectives - 1)),
    }
    if seeds > 1:
        expected |= {
            "seed": (kernels * objectives * (of_seed**2).sum(), seeds - 1),
            "kernel x seed": (objectives * (by_kernel**2).sum(), (kernels - 1) * (seeds - 1)),
            "objective x seed": (kernels * (by_objective**2).sum(), (objectives - 1) * (seeds - 1)),
            f"{INTERACTION} x seed": ((rest**2).sum(), (kernels - 1) * (objectives - 1) * (seeds - 1)),
        }
    sources = analyse(trials_of(values)).sources
    assert [source.name for source in sources] == list(expected)
    found = {source.name: (source.sum_of_squares, source.degrees_of_freedom) for source in sources}
    for name, (square, freedom) in expected.items():
        assert found[name] == pytest.approx((square, freedom), rel=1e-9, abs=1e-8)
    total = ((values - grand) ** 2).sum()
    for source in sources:
        assert (source.share is None) == (total == 0)
        assert source.share is None or source.share == pytest.approx(source.sum_of_squares / total, abs=1e-9)


@settings(max_examples=examples(20))
@given(values=balanced().filter(lambda values: values.shape[2] > 1))
def test_each_effect_and_its_variation_over_the_seeds_are_those_of_statsmodels(values: Values) -> None:
    frame = pytest.importorskip("pandas").DataFrame
    trials, analysis = trials_of(values), analyse(trials_of(values))
    if any(s.sum_of_squares < 1e-6 for s in analysis.sources):
        return
    columns = {name: [getattr(t, name) for t in trials] for name in ("kernel", "objective", "seed", "value")}
    theirs = AnovaRM(frame(columns), "value", "seed", within=["kernel", "objective"]).fit().anova_table
    for name, line in zip(EFFECTS, ("kernel", "objective", "kernel:objective"), strict=True):
        effect, error = analysis.source(name), analysis.source(f"{name} x seed")
        f = (effect.sum_of_squares / effect.degrees_of_freedom) / (error.sum_of_squares / error.degrees_of_freedom)
        assert f == pytest.approx(theirs.loc[line, "F Value"], rel=1e-6)


@given(seed=st.integers(0, 2**32 - 1), p=st.integers(1, 4), more=st.integers(1, 7))
def test_the_multivariate_test_is_the_likelihood_ratio_of_two_determinants(seed: int, p: int, more: int) -> None:
    n = p + more
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(n, p)) @ generator.normal(size=(p, p)) + generator.normal(size=p)
    rest = vectors - vectors.mean(0)
    ratio = np.linalg.det(vectors.T @ vectors) / np.linalg.det(rest.T @ rest)
    found = multivariate_test(vectors)
    assert found is not None
    f = (ratio - 1) * (n - p) / p
    assert found[0] == pytest.approx(f, rel=1e-5)
    assert found[1] == pytest.approx(stats.f.sf(f, p, n - p), rel=1e-4)


@given(values=st.lists(st.integers(-9, 9), min_size=2, max_size=6).filter(lambda values: len(set(values)) > 1))
def test_with_one_component_it_is_students_t(values: list[int]) -> None:
    found = multivariate_test(np.array(values, dtype=float)[:, None])
    assert found is not None
    theirs = stats.ttest_1samp(values, 0)
    assert found == pytest.approx((theirs.statistic**2, theirs.pvalue), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("factor", [np.diag([1e-4, 3.0]), np.array([[1.0, 5.0], [0.0, 1e-3]])])
def test_it_does_not_depend_on_the_units_of_the_components(factor: Values) -> None:
    vectors = np.random.default_rng(47).normal(size=(6, 2)) + 1
    assert multivariate_test(vectors @ factor) == pytest.approx(multivariate_test(vectors), rel=1e-6)


def test_vectors_as_few_as_their_components_and_vectors_in_a_plane_are_not_tested() -> None:
    vectors = np.random.default_rng(48).normal(size=(5, 3))
    assert multivariate_test(vectors) is not None
    assert multivariate_test(vectors[:3]) is None
    assert multivariate_test(np.column_stack([vectors[:, :2], vectors[:, 0] + vectors[:, 1]])) is None
    assert multivariate_test(1e-13 * vectors, magnitude=130.0) is None


@pytest.mark.parametrize("noise", NOISES)
def test_without_an_effect_our_test_finds_one_in_5_of_100_tables_whatever_varies_with_the_seed(noise: str) -> None:
    shares = rejections(NOISES[noise], np.zeros((3, 3)), TABLES)
    for effect in EFFECTS:
        ours = shares[effect]["multivariate"]
        # Four contrasts of the interaction want five seeds.
        assert [size is None for size in ours] == [effect == INTERACTION, False, False]
        assert all(abs(size - 0.05) < BOUND for size in ours if size is not None), (effect, ours)


def test_one_pooled_residual_finds_an_objective_that_has_no_effect_in_a_third_of_tables() -> None:
    """It is the test that was here before; a test of sizes that it passed would be worth nothing."""
    pooled = rejections(NOISES["seed, objective x seed"], np.zeros((3, 3)), 500)["objective"]["pooled"]
    assert all(size is not None and size > 0.3 for size in pooled)


@pytest.mark.parametrize("seeds", SEEDS)
def test_the_tests_of_a_table_are_those_whose_size_is_simulated(seeds: int) -> None:
    values = NOISES["the same, unequal"].draw(np.random.default_rng(49), 1, seeds)
    simulated = p_values(values)
    analysis = analyse(trials_of(np.moveaxis(values[0], 0, 2)))
    for effect in EFFECTS:
        p_value = analysis.source(effect).p_value
        expected = simulated[effect]["multivariate"][0]
        assert (p_value is None) == math.isnan(expected)
        assert p_value is None or p_value == pytest.approx(expected, rel=1e-9)


@given(values=balanced() | unbalanced(), seed=st.integers(0, 99))
def test_the_order_of_trials_does_not_matter(values: Values, seed: int) -> None:
    trials = trials_of(values)
    shuffled = random.Random(seed).sample(trials, len(trials))
    assert values_by_treatment(shuffled) == values_by_treatment(trials)
    assert analyse(shuffled) == analyse(trials)


@given(values=unbalanced())
def test_seeds_that_lack_a_treatment_are_left_out_and_named(values: Values) -> None:
    whole = ~np.isnan(values).any((0, 1))
    started = ~np.isnan(values).all((0, 1))
    if (~np.isnan(values)).any(2).all():
        analysis = analyse(trials_of(values))
        assert analysis.seeds == tuple(np.flatnonzero(whole))
        assert analysis.left_out == tuple(np.flatnonzero(started & ~whole))
        assert analysis.sources == analyse(trials_of(values[:, :, whole])).sources


@given(values=balanced(), shift=st.integers(-1000, 1000), scale=st.sampled_from((-3.0, 0.25, 1000.0)))
def test_shifting_and_scaling_change_no_test(values: Values, shift: int, scale: float) -> None:
    before, after = analyse(trials_of(values)), analyse(trials_of(scale * values + shift))
    for one, other in zip(before.sources, after.sources, strict=True):
        assert other.share == (None if one.share is None else pytest.approx(one.share, abs=1e-7))
        if one.f is not None and other.f is not None and one.f < 1e6:
            assert other.f == pytest.approx(one.f, rel=1e-4, abs=1e-9)
            assert other.p_value == pytest.approx(one.p_value, abs=1e-6)


def test_what_the_seeds_share_changes_no_effect() -> None:
    values = np.random.default_rng(44).normal(size=(3, 3, 6))
    before, after = analyse(trials_of(values)), analyse(trials_of(values + 1000 * np.arange(6)))
    assert [after.source(n).f for n in EFFECTS] == pytest.approx([before.source(n).f for n in EFFECTS], rel=1e-6)


def test_one_seed_gives_shares_without_tests() -> None:
    analysis = analyse(trials_of(np.array([[[1.0], [2.0]], [[4.0], [9.0]]])))
    assert [s.p_value for s in analysis.sources] == [None] * 3
    assert analysis.source("kernel").share == pytest.approx(25 / 38)


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("effect", [0.0, 0.1])
def test_rounding_errors_are_not_variation(seeds: int, effect: float) -> None:
    cells = np.array([[0.1, 0.2], [0.7, 0.3]]) * effect + 136.7
    analysis = analyse(trials_of(np.repeat(cells[:, :, None], seeds, 2) + 0.1 * np.arange(seeds)))
    assert [s.f for s in analysis.sources if s.f is not None] == []
    assert [s.share for s in analysis.sources if s.name.endswith(" x seed") and s.share] == []
    json.dumps(analysis.document(), allow_nan=False)


def test_a_missing_treatment_is_refused_by_name() -> None:
    trials = [t for t in trials_of(np.ones((2, 2, 2))) if t.treatment != Treatment("gaussian", "kde-bound")]
    with pytest.raises(InputError, match=r"one seed must have .*gaussian with kde-bound, and none has all of them"):
        analyse(trials)


def test_one_kernel_is_refused() -> None:
    with pytest.raises(
        InputError, match="must have two kernels and two objectives, got epanechnikov with elbo and kde"
    ):
        analyse(trials_of(np.ones((1, 2, 2))))


def test_a_trial_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="one trial a seed, got 2 of gaussian with elbo and seed 0"):
        analyse([Trial(*FIRST, 0, 1.0), Trial(*FIRST, 0, 2.0), Trial(*LAST, 0, 2.0)])


def test_a_trial_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="the value of gaussian with elbo, seed 7, is nan"):
        Trial(*FIRST, 7, math.nan)


def test_no_trials_are_refused() -> None:
    with pytest.raises(InputError, match="needs trials, got none"):
        analyse([])
