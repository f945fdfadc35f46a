"""The ablation's statistics, against cell means by hand, brute-force least squares, statsmodels and simulations."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from evae.experiments.variance import (
    EFFECTS,
    INTERACTION,
    Treatment,
    Trial,
    decompose_gain,
    paragraph,
    treatment_estimates,
    two_way,
)
from theory.errors import InputError

KERNELS = ("epanechnikov", "gaussian", "uniform")
OBJECTIVES = ("elbo", "kde-bound", "kde-bound, constant B")
FIRST, LAST = ("gaussian", "elbo"), ("epanechnikov", "kde-bound")

Values = np.ndarray[Any, np.dtype[np.float64]]


def trials_of(values: Values) -> list[Trial]:
    """Trials from an array of shape (kernels, objectives, seeds); NaN is no trial."""
    return [
        Trial(KERNELS[k], OBJECTIVES[o], s, float(value))
        for (k, o, s), value in np.ndenumerate(values)
        if not math.isnan(value)
    ]


@st.composite
def balanced(draw: st.DrawFn) -> Values:
    """Values of a complete design with two or three kernels, objectives and seeds."""
    shape = tuple(draw(st.integers(2, 3)) for _ in range(3))
    numbers = st.lists(st.integers(-50, 50), min_size=math.prod(shape), max_size=math.prod(shape))
    return np.array(draw(numbers), dtype=float).reshape(shape)


@st.composite
def unbalanced(draw: st.DrawFn) -> Values:
    """Values of a design with every treatment, some of which lack seeds."""
    values = draw(balanced())
    gaps = draw(st.lists(st.booleans(), min_size=values.size, max_size=values.size))
    absent = np.array(gaps).reshape(values.shape)
    absent[:, :, 0] = False
    absent[0, 0, 1] = True
    absent[1, 1, 1] = False
    return np.where(absent, np.nan, values)


def scenario(cells: Mapping[tuple[str, str], float], noise: float = 0.1, seeds: int = 4) -> list[Trial]:
    """Trials about these means, with noise of this standard deviation and effects of the seeds."""
    generator = np.random.default_rng(40)
    return [
        Trial(*treatment, seed, mean + seed + noise * generator.normal())
        for seed in range(seeds)
        for treatment, mean in cells.items()
    ]


def corners(start: float, kernel_only: float, objective_only: float, end: float) -> dict[tuple[str, str], float]:
    return {
        FIRST: start,
        ("epanechnikov", "elbo"): kernel_only,
        ("gaussian", "kde-bound"): objective_only,
        LAST: end,
    }


def words(trials: Sequence[Trial], *, lower_is_better: bool = True) -> str:
    split = decompose_gain(trials, lower_is_better=lower_is_better)
    return paragraph("reconstruction error", "nats", split, two_way(trials))


# --- Analysis of variance --------------------------------------------------------------------------------------------


@given(values=balanced())
def test_the_sums_of_squares_are_those_of_the_cell_means(values: Values) -> None:
    kernels, objectives, seeds = values.shape
    grand = values.mean()
    of_kernel, of_objective, of_seed = (values.mean(axes) - grand for axes in ((1, 2), (0, 2), (0, 1)))
    treatments = values.mean(2)
    joint = treatments - grand - of_kernel[:, None] - of_objective[None]
    rest = values - treatments[:, :, None] - of_seed
    expected = {
        "kernel": objectives * seeds * (of_kernel**2).sum(),
        "objective": kernels * seeds * (of_objective**2).sum(),
        INTERACTION: seeds * (joint**2).sum(),
        "seed": kernels * objectives * (of_seed**2).sum(),
        "residual": (rest**2).sum(),
    }
    analysis = two_way(trials_of(values))
    assert analysis.blocked
    assert {s.name: s.sum_of_squares for s in analysis.sources} == pytest.approx(expected, rel=1e-9, abs=1e-8)
    assert analysis.total_sum_of_squares == pytest.approx(sum(expected.values()), rel=1e-9, abs=1e-8)
    freedom = [kernels - 1, objectives - 1, (kernels - 1) * (objectives - 1), seeds - 1]
    freedom.append((kernels * objectives - 1) * (seeds - 1))
    assert [s.degrees_of_freedom for s in analysis.sources] == freedom


@given(values=unbalanced())
def test_without_balance_they_are_those_of_brute_force_least_squares(values: Values) -> None:
    trials = trials_of(values)
    y = np.array([trial.value for trial in trials])

    def indicators(key: Callable[[Trial], object]) -> Values:
        keys = [key(trial) for trial in trials]
        return np.array([[float(k == level) for level in sorted(set(keys), key=str)] for k in keys])

    def left(*columns: Values) -> float:
        design = np.hstack([np.ones((len(y), 1)), *columns])
        fitted = design @ np.linalg.lstsq(design, y, rcond=None)[0]
        return float(((y - fitted) ** 2).sum())

    kernel, objective = indicators(lambda t: t.kernel), indicators(lambda t: t.objective)
    treatment = indicators(lambda t: t.treatment)
    expected = {
        "kernel": left(objective) - left(kernel, objective),
        "objective": left(kernel) - left(kernel, objective),
        INTERACTION: left(kernel, objective) - left(treatment),
        "residual": left(treatment),
    }
    analysis = two_way(trials)
    assert not analysis.blocked
    assert {s.name: s.sum_of_squares for s in analysis.sources} == pytest.approx(expected, rel=1e-8, abs=1e-7)


@settings(max_examples=25)
@given(values=balanced() | unbalanced())
def test_the_tests_are_those_of_statsmodels(values: Values) -> None:
    frame = pytest.importorskip("pandas").DataFrame
    trials = trials_of(values)
    analysis = two_way(trials)
    if not analysis.tested:
        return
    block = "C(seed, Sum) + " if analysis.blocked else ""
    columns = {name: [getattr(t, name) for t in trials] for name in ("kernel", "objective", "seed", "value")}
    theirs = anova_lm(ols(f"value ~ {block}C(kernel, Sum) * C(objective, Sum)", frame(columns)).fit(), typ=2)
    for name, line in {
        "kernel": "C(kernel, Sum)",
        "objective": "C(objective, Sum)",
        INTERACTION: "C(kernel, Sum):C(objective, Sum)",
        **({"seed": "C(seed, Sum)"} if analysis.blocked else {}),
    }.items():
        source = analysis.source(name)
        assert source.f == pytest.approx(theirs.loc[line, "F"], rel=1e-6, abs=1e-9)
        assert source.p_value == pytest.approx(theirs.loc[line, "PR(>F)"], rel=1e-6, abs=1e-9)


def test_a_two_by_two_interaction_is_the_contrast_of_four_means() -> None:
    values = np.random.default_rng(41).normal(size=(2, 2, 5))
    contrast = values[0, 0] - values[0, 1] - values[1, 0] + values[1, 1]
    source = two_way(trials_of(values)).source(INTERACTION)
    assert source.sum_of_squares == pytest.approx(5 * contrast.mean() ** 2 / 4)


@pytest.mark.parametrize("seeds", [2, 4])
def test_without_an_effect_an_f_test_is_significant_in_5_of_100_cases(seeds: int) -> None:
    """With the seed fixed; for a fresh seed the bound of 4.5 standard errors fails once in 150,000, for each effect."""
    generator = np.random.default_rng(42)
    repetitions = 2000
    alarms = dict.fromkeys(EFFECTS, 0)
    for _ in range(repetitions):
        analysis = two_way(trials_of(10 + generator.normal(size=seeds) + generator.normal(size=(3, 2, seeds))))
        for name in EFFECTS:
            p_value = analysis.source(name).p_value
            assert p_value is not None
            alarms[name] += p_value < 0.05
    error = math.sqrt(0.05 * 0.95 / repetitions)
    assert all(abs(count / repetitions - 0.05) < 4.5 * error for count in alarms.values()), alarms


def test_omega_squared_is_nearly_unbiased_where_eta_squared_is_not() -> None:
    """Without any effect eta squared is 2/26 on average, and omega squared, were it not clipped at 0, about 0."""
    generator = np.random.default_rng(43)
    sources = [two_way(trials_of(generator.normal(size=(3, 3, 3)))).source("kernel") for _ in range(300)]
    eta = np.array([s.eta_squared for s in sources], dtype=float)
    omega = np.array([s.omega_squared for s in sources], dtype=float)
    assert abs(eta.mean() - 2 / 26) < 4.5 * eta.std() / math.sqrt(300)
    assert omega.min() == 0
    assert omega.mean() < eta.mean() / 2


@given(values=balanced())
def test_omega_squared_is_its_formula_in_terms_of_f(values: Values) -> None:
    """That is: df (F - 1) / (sum of df F over all sources + residual df + 1), here clipped at 0."""
    analysis = two_way(trials_of(values))
    if not analysis.tested:
        return
    f = {s.name: s.f for s in analysis.sources if s.f is not None}
    freedom = {s.name: s.degrees_of_freedom for s in analysis.sources}
    whole = sum(freedom[name] * f[name] for name in f) + freedom["residual"] + 1
    for name in f:
        expected = max(freedom[name] * (f[name] - 1) / whole, 0)
        assert analysis.source(name).omega_squared == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(values=balanced())
def test_shares_of_a_balanced_design_add_up_to_1(values: Values) -> None:
    shares = [s.eta_squared for s in two_way(trials_of(values)).sources]
    known = [share for share in shares if share is not None]
    assert known == [] or sum(known) == pytest.approx(1)


@given(values=balanced() | unbalanced(), seed=st.integers(0, 99))
def test_the_order_of_trials_does_not_matter(values: Values, seed: int) -> None:
    trials = trials_of(values)
    shuffled = random.Random(seed).sample(trials, len(trials))
    assert two_way(shuffled) == two_way(trials)
    assert treatment_estimates(shuffled) == treatment_estimates(trials)


@given(values=balanced() | unbalanced(), shift=st.integers(-1000, 1000), scale=st.sampled_from((-3.0, 0.25, 1000.0)))
def test_shifting_and_scaling_change_no_test(values: Values, shift: int, scale: float) -> None:
    before, after = two_way(trials_of(values)), two_way(trials_of(scale * values + shift))
    assert after.total_sum_of_squares == pytest.approx(scale**2 * before.total_sum_of_squares, rel=1e-9, abs=1e-9)
    for one, other in zip(before.sources, after.sources, strict=True):
        assert (one.f is None) == (other.f is None)
        for name in ("f", "p_value", "holm_p_value", "eta_squared", "omega_squared"):
            if getattr(one, name) is not None:
                assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-5, abs=1e-7)


def test_a_block_removes_what_the_seeds_share() -> None:
    values = np.random.default_rng(44).normal(size=(3, 3, 4))
    shifted = values + 1000 * np.arange(4)
    before, after = two_way(trials_of(values)), two_way(trials_of(shifted))
    assert [after.source(n).f for n in EFFECTS] == pytest.approx([before.source(n).f for n in EFFECTS], rel=1e-6)


def test_seeds_that_differ_between_treatments_are_no_block() -> None:
    values = np.random.default_rng(45).normal(size=(2, 2, 2))
    crossed = trials_of(values)
    nested = [Trial(t.kernel, t.objective, 10 * i + t.seed, t.value) for i, t in enumerate(crossed)]
    assert two_way(crossed).blocked
    assert not two_way(nested).blocked
    assert two_way(nested).source("residual").degrees_of_freedom == 4


def test_one_seed_gives_shares_without_tests() -> None:
    analysis = two_way(trials_of(np.array([[[1.0], [2.0]], [[4.0], [9.0]]])))
    assert not analysis.tested
    assert [s.p_value for s in analysis.sources] == [None] * 4
    assert analysis.source("kernel").eta_squared == pytest.approx(25 / 38)
    assert "No effect is tested, for one seed leaves nothing" in words(scenario(corners(9, 8, 3, 1), seeds=1))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("effect", [0.0, 0.1])
def test_a_residual_of_rounding_errors_is_no_error_term(seeds: int, effect: float) -> None:
    cells = np.array([[0.1, 0.2], [0.7, 0.3]]) * effect + 136.7
    analysis = two_way(trials_of(np.repeat(cells[:, :, None], seeds, 2) + 0.1 * np.arange(seeds)))
    assert not analysis.tested
    json.dumps(analysis.document(), allow_nan=False)


def test_a_missing_treatment_is_refused_by_name() -> None:
    trials = [t for t in trials_of(np.ones((2, 2, 2))) if t.treatment != Treatment("gaussian", "kde-bound")]
    with pytest.raises(InputError, match="gaussian with kde-bound has no trial"):
        two_way(trials)


def test_one_kernel_is_refused() -> None:
    with pytest.raises(InputError, match="needs two kernels and two objectives, got epanechnikov with elbo and kde"):
        two_way(trials_of(np.ones((1, 2, 2))))


def test_a_trial_given_twice_is_refused() -> None:
    with pytest.raises(InputError, match="2 trials of gaussian with elbo and seed 0"):
        two_way([Trial(*FIRST, 0, 1.0), Trial(*FIRST, 0, 2.0), Trial(*LAST, 0, 2.0)])


def test_a_trial_that_is_not_finite_is_refused() -> None:
    with pytest.raises(InputError, match="the value of gaussian with elbo, seed 7, is nan"):
        Trial(*FIRST, 7, math.nan)


def test_no_trials_are_refused() -> None:
    with pytest.raises(InputError, match="needs trials, got none"):
        two_way([])


# --- Decomposition of a gain -----------------------------------------------------------------------------------------


@given(values=balanced(), lower_is_better=st.booleans())
def test_the_parts_are_shapley_values_and_add_up(values: Values, lower_is_better: bool) -> None:
    """Against the definition: the average over all orders of the players of what each adds when it comes."""
    split = decompose_gain(trials_of(values), lower_is_better=lower_is_better)
    sign = -1 if lower_is_better else 1
    for seed in range(values.shape[2]):

        def worth(players: frozenset[str], seed: int = seed) -> float:
            kernel = 0 if "kernel" in players else 1
            return sign * float(values[kernel, int("objective" in players), seed])

        added = {"kernel": 0.0, "objective": 0.0}
        for order in itertools.permutations(added):
            for place, player in enumerate(order):
                before = frozenset(order[:place])
                added[player] += (worth(before | {player}) - worth(before)) / 2
        assert (split.kernel.values[seed], split.objective.values[seed]) == (added["kernel"], added["objective"])
        assert split.gain.values[seed] == added["kernel"] + added["objective"]
    assert split.kernel.mean + split.objective.mean == pytest.approx(split.gain.mean, abs=1e-12)
    assert split.kernel.mean == pytest.approx((split.kernel_first.mean + split.kernel_last.mean) / 2, abs=1e-12)
    assert split.objective.mean == pytest.approx(
        (split.objective_first.mean + split.objective_last.mean) / 2, abs=1e-12
    )
    assert split.interaction.mean == pytest.approx(split.kernel_last.mean - split.kernel_first.mean, abs=1e-12)
    assert split.interaction.mean == pytest.approx(split.objective_last.mean - split.objective_first.mean, abs=1e-12)


@given(values=balanced())
def test_exchanging_start_and_end_turns_the_gain_into_a_loss(values: Values) -> None:
    trials = trials_of(values)
    there, back = decompose_gain(trials), decompose_gain(trials, LAST, FIRST)
    for name in ("gain", "kernel", "objective"):
        assert getattr(back, name).mean == pytest.approx(-getattr(there, name).mean, abs=1e-12)


@given(values=balanced(), shift=st.integers(-1000, 1000), scale=st.sampled_from((0.25, 8.0)))
def test_shifting_changes_no_part_and_scaling_scales_them(values: Values, shift: int, scale: float) -> None:
    before, after = decompose_gain(trials_of(values)), decompose_gain(trials_of(scale * values + shift))
    assert after.kernel.values == tuple(scale * value for value in before.kernel.values)
    assert (after.kernel_share is None) == (before.kernel_share is None)
    if before.kernel_share is not None and after.kernel_share is not None:
        assert after.kernel_share.interval == pytest.approx(before.kernel_share.interval, rel=1e-6, abs=1e-9)


@given(values=balanced())
def test_the_ends_of_fiellers_interval_are_where_the_t_test_turns(values: Values) -> None:
    split = decompose_gain(trials_of(values))
    share = split.kernel_share
    assert (share is None) == (split.gain.sign == 0)
    if share is None:
        return
    part, gain = np.array(split.kernel.values), np.array(split.gain.values)
    assert share.interval[0] <= share.value <= share.interval[1]
    if share.interval[1] - share.interval[0] > 1e-6:
        for bound in share.interval:
            assert stats.ttest_1samp(part - bound * gain, 0).pvalue == pytest.approx(0.05, rel=1e-3)


def test_fiellers_interval_covers_the_share_in_95_of_100_cases() -> None:
    """With the seed fixed; for a fresh seed the bound of 4.5 standard errors fails once in 150,000."""
    generator = np.random.default_rng(46)
    means = np.array([[10 - 7.0, 10 - 7 - 6.0], [10, 10 - 6.0]])  # [epanechnikov, gaussian] x [elbo, kde-bound]
    covered = []
    for _ in range(1000):
        noise = generator.normal(size=(2, 2, 5)) + 3 * generator.normal(size=5)
        share = decompose_gain(trials_of(means[:, :, None] + noise)).kernel_share
        covered.append(share is not None and share.interval[0] <= 7 / 13 <= share.interval[1])
    assert abs(np.mean(covered) - 0.95) < 4.5 * math.sqrt(0.95 * 0.05 / 1000)


def test_the_two_shares_add_up_to_1() -> None:
    split = decompose_gain(scenario(corners(10, 9, 5, 3)))
    assert split.kernel_share is not None
    assert split.objective_share is not None
    assert split.kernel_share.value + split.objective_share.value == pytest.approx(1)
    assert split.kernel_share.interval[0] + split.objective_share.interval[1] == pytest.approx(1)
    assert split.objective_share.value == pytest.approx(split.objective.mean / split.gain.mean)


def test_a_seed_without_all_four_is_left_out_and_named() -> None:
    trials = [t for t in scenario(corners(10, 9, 5, 3)) if (t.treatment, t.seed) != (LAST, 2)]
    split = decompose_gain(trials)
    assert (split.gain.n, split.left_out) == (3, (2,))
    assert "Left out for want of one of the four models: seed 2." in paragraph("error", "", split)


def test_no_seed_with_all_four_is_refused() -> None:
    with pytest.raises(InputError, match="one seed must have gaussian with elbo, epanechnikov with elbo, gaussian"):
        decompose_gain([Trial(*FIRST, 0, 1.0), Trial(*LAST, 0, 2.0)])


@pytest.mark.parametrize("end", [("gaussian", "kde-bound"), ("epanechnikov", "elbo"), FIRST])
def test_treatments_that_share_a_factor_are_refused(end: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="differ in kernel and objective"):
        decompose_gain(scenario(corners(1, 2, 3, 4)), end=end)


@given(values=balanced() | unbalanced())
def test_documents_are_strict_json_and_words_are_whole(values: Values) -> None:
    trials = trials_of(values)
    analysis = two_way(trials)
    documents: list[dict[str, Any]] = [analysis.document()]
    if not np.isnan(values[:2, :2]).any(axis=(0, 1)).all():
        split = decompose_gain(trials)
        documents.append(split.document())
        text = paragraph("FID", "", split, analysis)
        assert not any(word in text for word in ("nan", "inf ", "None", "  ", "()"))
        assert text.endswith(".")
    for document in documents:
        assert json.loads(json.dumps(document, allow_nan=False)) == document


# --- Words -----------------------------------------------------------------------------------------------------------


def test_the_words_give_all_to_the_objective_where_it_did_all() -> None:
    text = words(scenario(corners(136, 136, 114, 114)))
    assert "EVAE has a lower reconstruction error than VAE, by 2" in text
    assert "the kernel's part cannot be told from zero, and the objective improves the reconstruction error" in text
    assert "may simply add up" in text
    assert "Significant at 5 % after Holm: the objective; not significant: the kernel and their interaction." in text


def test_the_words_give_all_to_the_kernel_where_it_did_all() -> None:
    text = words(scenario(corners(136, 114, 136, 114)))
    assert "the kernel improves the reconstruction error, and the objective's part cannot be told from zero" in text
    assert "Significant at 5 % after Holm: the kernel; not significant: the objective and their interaction." in text


def test_the_words_call_the_split_a_convention_where_the_interaction_dominates() -> None:
    text = words(scenario(corners(136, 136, 136, 114)))
    assert "the effect of one depends on the other" in text
    assert "by more than either part, so that the split is a convention" in text
    assert "the kernel improves the reconstruction error, and the objective improves" in text


def test_opposite_effects_are_both_named() -> None:
    text = words(scenario(corners(136, 140, 114, 118)))
    assert "the kernel worsens the reconstruction error, and the objective improves the reconstruction error" in text
    assert "may simply add up" in text
    assert "the kernel accounts for -" in text


def test_the_words_claim_nothing_where_nothing_is_significant() -> None:
    text = words(scenario(corners(100, 100, 100, 100), noise=5))
    assert "which may be chance" in text
    assert "the kernel's part cannot be told from zero, and the objective's part cannot be told from zero" in text
    assert "No effect is significant at 5 % after Holm." in text
    assert "of it," not in text


def test_a_negative_gain_is_called_a_loss() -> None:
    text = words(scenario(corners(114, 114, 136, 136)))
    assert "EVAE has a higher reconstruction error than VAE, by 2" in text
    assert "Of this loss" in text
    assert "the objective worsens the reconstruction error" in text
    assert "the objective accounts for 2" in text


def test_for_a_metric_that_should_be_high_the_words_turn() -> None:
    text = words(scenario(corners(114, 114, 136, 136)), lower_is_better=False)
    assert "EVAE has a higher reconstruction error than VAE, by 2" in text
    assert "Of this gain" in text
    assert "the objective improves" in text


def test_one_seed_claims_no_uncertainty() -> None:
    text = words(scenario(corners(136, 136, 114, 114), seeds=1))
    assert "With one seed, no uncertainty can be given" in text
    assert "interval" not in text
    assert "at 5 %" not in text


def test_seeds_that_change_nothing_claim_no_uncertainty() -> None:
    text = words(scenario(corners(136, 135, 114, 112), noise=0))
    assert "the kernel's part does not vary from seed to seed, so that it cannot be tested" in text
    assert "No effect is tested, for the residual is zero" in text


def test_equal_models_are_called_equal() -> None:
    text = words(scenario(corners(1, 1, 1, 1), noise=0, seeds=1))
    assert text.startswith("EVAE and VAE have the same reconstruction error on average over 1 seed.")
    assert "In the analysis of variance nothing varies." in text


def test_the_words_have_the_shares_of_the_table() -> None:
    trials = scenario(corners(136, 134, 116, 113), noise=0.5)
    text = words(trials)
    for source in two_way(trials).sources:
        assert source.eta_squared is not None
        name = "their interaction" if source.name == INTERACTION else f"the {source.name}"
        share = "under 0.1 %" if source.eta_squared < 5e-4 else f"{100 * source.eta_squared:.1f} %"
        assert f"{name} {share}" in text


@given(values=balanced(), lower_is_better=st.booleans())
def test_the_words_follow_the_numbers(values: Values, lower_is_better: bool) -> None:
    trials = trials_of(values)
    text = words(trials, lower_is_better=lower_is_better)
    means = treatment_estimates(trials)
    old, new = means[Treatment(*FIRST)].mean, means[Treatment(*LAST)].mean
    assert ("EVAE has a lower" in text) == (new < old)
    assert ("Of this gain" in text) == (new < old if lower_is_better else new > old)
    split, analysis = decompose_gain(trials, lower_is_better=lower_is_better), two_way(trials)
    for name in ("kernel", "objective"):
        sign = getattr(split, name).sign
        assert (f"the {name} improves" in text) == (sign > 0)
        assert (f"the {name} worsens" in text) == (sign < 0)
    significant = [analysis.source(name).significant for name in EFFECTS]
    assert ("Significant at 5 %" in text) == any(significant)
    assert ("% of it" in text) == (split.gain.sign != 0)
