"""Several bandwidths in one test: the same samples at each, the largest excess, and a p-value that accounts for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from foundation.errors import InputError
from simulations import bickel_rosenblatt_test, tm_statistic, two_sample_test
from simulations.engines.cells.replicates import CellReplicates
from simulations.engines.exact.replicates import ExactReplicates
from simulations.goodness_of_fit.bandwidths import standardise_each, take_bandwidths
from simulations.study.study import Study
from tests.support.examples import examples
from theory.densities.families import LAPLACE, NORMAL, density_named

FALSE_ALARM = 1e-4

NORMALS = np.random.default_rng(3).standard_normal(200)


@given(arrays(np.float64, st.tuples(st.integers(1, 3), st.integers(3, 9)), elements=st.floats(-50, 50, width=16)))
@settings(max_examples=examples(60))
def test_each_value_is_standardised_by_all_others(values: np.ndarray) -> None:
    found = standardise_each(values)
    for (row, column), result in np.ndenumerate(found):
        others = np.delete(values[row], column)
        difference = values[row, column] - others.mean()
        if abs(difference) < 1e-9:
            assert abs(result) < 1e-6 or others.std() < 1e-9
        elif others.std() < 1e-9:
            assert abs(result) > 1e6
        else:
            assert result == pytest.approx(difference / others.std(), rel=1e-6)


def test_a_value_far_from_all_others_keeps_its_digits() -> None:
    values = np.array([[*np.linspace(0, 1, 11), 1e12]])
    others = values[0, :-1]
    assert standardise_each(values)[0, -1] == pytest.approx((1e12 - others.mean()) / others.std(), rel=1e-12)


@pytest.mark.parametrize("m", [2, 50, 500, 10**6])
def test_the_adaptive_grid_is_geometric_and_in_units_of_the_density(m: int) -> None:
    widths = np.array([one.at(m) for one in take_bandwidths("adaptive", NORMAL, m)])
    assert widths[-1] == pytest.approx(1.6, rel=0.01)
    assert np.diff(np.log(widths)) == pytest.approx(np.log(8) / 2, rel=1e-4)
    wider = np.array([one.at(m) for one in take_bandwidths("adaptive", density_named("mixture:1*normal(3,100)"), m)])
    assert wider == pytest.approx(100 * widths, rel=1e-4)
    assert m * widths[0] >= 15 * 0.99 or widths.size == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "number of bandwidths"),
        ([0.1, "0.10"], "must differ"),
        (["m^-0.5", 0.1], "must differ"),
        (["adaptive", 0.1], "must be the only one"),
        ([0.1, -1], "positive"),
        ([0.01 * k for k in range(1, 40)], "from 1 to 32"),
        ("adaptiv", "positive number or m"),
    ],
)
def test_bandwidths_that_cannot_be_compared_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        take_bandwidths(given, NORMAL, 100)


def test_the_engines_that_draw_every_observation_see_the_same_samples() -> None:
    study = Study(600, 1, weight="one", bandwidth=0.5)
    exact, cells = (engine(study.setting, 600).values(0, range(40)) for engine in (ExactReplicates, CellReplicates))
    assert np.abs(exact - cells).max() < 0.05 * exact.std()


def test_one_bandwidth_of_several_has_its_own_statistic_and_p_value() -> None:
    several = bickel_rosenblatt_test(NORMALS, bandwidth=[0.6, "m^-0.235"], replicates=199, cache=False)
    for one in several.at_bandwidths:
        alone = bickel_rosenblatt_test(NORMALS, bandwidth=one.bandwidth, replicates=199, cache=False)
        assert one.statistic == tm_statistic(NORMALS, weight="one", bandwidth=one.value)
        assert (one.statistic, one.p_value) == (alone.statistic, alone.p_value)
        roots = np.cbrt(alone.null_law)
        assert one.excess == pytest.approx((np.cbrt(one.statistic) - roots.mean()) / roots.std(), rel=1e-9)
    assert several.statistic == max(one.excess for one in several.at_bandwidths) == several.deciding.excess
    assert several.asymptotic_p_value is None
    assert min(one.p_value for one in several.at_bandwidths) <= several.p_value


@pytest.mark.parametrize(
    ("choices", "law"),
    [
        pytest.param({}, stats.norm(), marks=pytest.mark.slow),
        ({"null": "smoothed"}, stats.norm()),
        pytest.param(
            {"null": "smoothed", "density": "laplace", "estimate": True}, stats.laplace(3, 20), marks=pytest.mark.slow
        ),
        pytest.param({"rounded_to": 0.25, "null": "smoothed"}, stats.norm(), marks=pytest.mark.slow),
    ],
)
def test_under_the_hypothesis_the_adaptive_p_value_is_uniform(
    choices: dict[str, Any], law: Any, tmp_path: Path
) -> None:
    samples = [law.rvs(60, random_state=seed) for seed in range(200)]
    if "rounded_to" in choices:
        samples = [np.rint(4 * sample) / 4 for sample in samples]
    found = [
        bickel_rosenblatt_test(one, bandwidth="adaptive", replicates=999, cache=tmp_path, **choices).p_value
        for one in samples
    ]
    assert stats.kstest(found, "uniform").pvalue > FALSE_ALARM


def test_structure_at_any_scale_is_seen() -> None:
    rng = np.random.default_rng(5)
    shifted = rng.standard_normal(500) + 0.25
    spike = np.where(rng.random(500) < 0.1, 1 + 0.02 * rng.standard_normal(500), rng.standard_normal(500))
    for sample, narrow in ((shifted, False), (spike, True)):
        test = bickel_rosenblatt_test(sample, bandwidth="adaptive", null="smoothed", replicates=999, cache=False)
        assert test.p_value <= 0.01
        assert (test.deciding.value < 0.3) == narrow
        assert f"b = {test.deciding.value:.4g} decides" in " ".join(test.in_words())


def test_the_interval_covers_the_p_value_of_more_replicates() -> None:
    few, many = (bickel_rosenblatt_test(NORMALS, replicates=n, cache=False, seed=n) for n in (99, 20_000))
    lower, upper = few.p_value_interval
    assert lower < many.p_value < upper
    assert few.pvalue == few.p_value


def test_the_interval_has_its_ends_where_no_or_every_replicate_is_beyond() -> None:
    none = bickel_rosenblatt_test(NORMALS + 9, replicates=99, cache=False)
    assert none.p_value_interval == pytest.approx((0.0, 1 - 0.025 ** (1 / 99)))
    every = bickel_rosenblatt_test(LAPLACE.quantiles((np.arange(60) + 0.5) / 60), "laplace", replicates=99, cache=False)
    assert every.p_value_interval == pytest.approx((0.025 ** (1 / 99), 1.0))


@pytest.mark.parametrize(
    ("choices", "message"),
    [({"null": "smooth"}, "Did you mean smoothed"), ({"alpha": 0.0}, "between 0 and 1"), ({"alpha": 5}, "between 0")],
)
def test_choices_out_of_range_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bickel_rosenblatt_test(NORMALS, replicates=9, cache=False, **choices)


@pytest.mark.parametrize(
    "find",
    [
        lambda adaptive: bickel_rosenblatt_test(NORMALS, bandwidth=adaptive, replicates=9, cache=False).p_value,
        lambda adaptive: (
            bickel_rosenblatt_test(np.abs(NORMALS), "gamma", estimate=True, bandwidth=adaptive, replicates=9).p_value
        ),
        lambda adaptive: two_sample_test(NORMALS, NORMALS + 1, bandwidth=adaptive, replicates=9).p_value,
    ],
    ids=["known", "shape estimated", "two samples"],
)
def test_adaptive_alone_in_a_list_is_adaptive(find: Callable[[Any], float]) -> None:
    """The command line gives every option that can be repeated as a list."""
    assert find(["adaptive"]) == find(("adaptive",)) == find("adaptive")
