"""The split of a gain, against Shapley's definition, t-tests and simulations with known parts."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.comparisons import EFFECTIVE, NOISES, SEEDS, coverages, truth
from evae.experiments.statistics.decomposition import decompose_gain
from evae.experiments.statistics.trials import Trial
from foundation.errors import InputError
from tests.evae.experiments.tables import FIRST, LAST, Values, balanced, corners, scenario, trials_of, unbalanced

TABLES = 1000


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
    share, both = split.kernel_share, (split.kernel, split.objective)
    assert (share is None) == (split.gain.sign == 0 or any(part.interval is None for part in both))
    if share is None:
        return
    part, gain = np.array(split.kernel.values), np.array(split.gain.values)
    assert share.interval[0] <= share.value <= share.interval[1]
    if share.interval[1] - share.interval[0] > 1e-6:
        for bound in share.interval:
            assert stats.ttest_1samp(part - bound * gain, 0).pvalue == pytest.approx(0.05, rel=1e-3)


@given(values=balanced())
def test_a_share_is_told_from_0_exactly_where_its_part_is(values: Values) -> None:
    split = decompose_gain(trials_of(values))
    for part, share in ((split.kernel, split.kernel_share), (split.objective, split.objective_share)):
        if share is not None and part.interval is not None and min(map(abs, part.interval)) > 1e-6:
            assert (share.interval[0] > 0 or share.interval[1] < 0) == (part.sign != 0)


def test_a_part_that_does_not_vary_has_no_share() -> None:
    cells = corners(136, 134, 116, 114)
    moved = {LAST: 1.0, ("gaussian", "kde-bound"): 1.0}
    trials = [Trial(*t, seed, mean + seed**2 * moved.get(t, 0)) for seed in range(4) for t, mean in cells.items()]
    split = decompose_gain(trials)
    assert (split.gain.sign, split.objective.sign, split.kernel.interval) == (1, 1, None)
    assert split.kernel_share is None
    assert split.objective_share is None


@pytest.mark.parametrize("noise", NOISES)
def test_every_interval_holds_the_truth_in_95_of_100_tables_whatever_varies_with_the_seed(noise: str) -> None:
    """With the seed fixed; for a fresh one the bound of 4.5 standard errors fails once in 150,000 for each interval."""
    bound = 4.5 * math.sqrt(0.95 * 0.05 / TABLES)
    for part, column in coverages(NOISES[noise], EFFECTIVE, TABLES).items():
        for seeds, found in zip(SEEDS, column, strict=True):
            assert found.given > 0.99 * TABLES
            assert abs(found.share - 0.95) < bound, (part, seeds, found)


def test_the_truth_of_the_simulations_is_what_is_found_without_noise() -> None:
    split = decompose_gain(
        [
            Trial(kernel, objective, 0, float(EFFECTIVE[k, o]))
            for k, kernel in enumerate(("gaussian", "epanechnikov"))
            for o, objective in enumerate(("elbo", "kde-bound"))
        ]
    )
    known = truth(EFFECTIVE)
    assert known.pop("kernel_share") == split.kernel.mean / split.gain.mean
    assert {name: getattr(split, name).mean for name in known} == known


@given(values=balanced() | unbalanced())
def test_documents_are_strict_json(values: Values) -> None:
    document = decompose_gain(trials_of(values)).document()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_the_two_shares_add_up_to_1() -> None:
    split = decompose_gain(scenario(corners(10, 9, 5, 3)))
    assert split.kernel_share is not None
    assert split.objective_share is not None
    assert split.kernel_share.value + split.objective_share.value == pytest.approx(1)
    assert split.kernel_share.interval[0] + split.objective_share.interval[1] == pytest.approx(1)
    assert split.objective_share.value == pytest.approx(split.objective.mean / split.gain.mean)


def test_a_seed_without_all_four_is_left_out() -> None:
    trials = [t for t in scenario(corners(10, 9, 5, 3)) if (t.treatment, t.seed) != (LAST, 2)]
    split = decompose_gain(trials)
    assert (split.gain.n, split.left_out) == (3, (2,))
    assert split.gain.values == pytest.approx((7, 7, 7), abs=1)


def test_no_seed_with_all_four_is_refused() -> None:
    with pytest.raises(InputError, match="one seed must have gaussian with elbo, epanechnikov with elbo, gaussian"):
        decompose_gain([Trial(*FIRST, 0, 1.0), Trial(*LAST, 0, 2.0)])


@pytest.mark.parametrize("end", [("gaussian", "kde-bound"), ("epanechnikov", "elbo"), FIRST])
def test_treatments_that_share_a_factor_are_refused(end: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="differ in kernel and objective"):
        decompose_gain(scenario(corners(1, 2, 3, 4)), end=end)
