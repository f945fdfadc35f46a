"""Two samples: the statistic against integrals, divisions that are equally likely, sizes, power and refusals."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cli import main
from foundation.errors import InputError
from simulations import two_sample_test
from simulations.engines.exact.overlaps import require_overlap_table
from simulations.goodness_of_fit.bandwidths import take_bandwidths
from simulations.goodness_of_fit.two_samples import PermutationReplicates
from tests.support.examples import examples
from tests.support.processes.runner import runner
from theory.densities.evaluation import numerical
from theory.kernels import kernel_named

FALSE_ALARM = 1e-4

RNG = np.random.default_rng(11)
FIRST, SECOND = RNG.normal(size=60), RNG.normal(0.2, 1.2, size=45)


def integrate(first: np.ndarray, second: np.ndarray, kernel: str, bandwidth: float) -> float:
    function = numerical(kernel_named(kernel).pieces)
    grid = np.linspace(-8, 8, 40_001) + 1e-8

    def estimate(sample: np.ndarray) -> np.ndarray:
        return np.asarray(sum(function((grid - one) / bandwidth) for one in sample) / (bandwidth * sample.size))

    m, n = first.size, second.size
    return m * n / (m + n) * bandwidth * float(np.trapezoid((estimate(first) - estimate(second)) ** 2, grid))


@pytest.mark.parametrize("kernel", ["epanechnikov", pytest.param("triweight", marks=pytest.mark.slow)])
def test_the_statistic_is_the_integral_of_the_squared_difference_of_the_estimates(kernel: str) -> None:
    found = two_sample_test(FIRST, SECOND, kernel=kernel, bandwidth=[0.2, 0.9, 3.0], replicates=9)
    for one in found.at_bandwidths:
        assert one.statistic == pytest.approx(integrate(FIRST, SECOND, kernel, one.value), rel=1e-5)


@given(
    st.lists(st.floats(-3, 3, width=16), min_size=1, max_size=8),
    st.lists(st.floats(-3, 3, width=16), min_size=1, max_size=8),
    st.sampled_from([0.05, 1.0, 9.0]),
)
@settings(max_examples=examples(40))
def test_the_statistic_does_not_depend_on_which_sample_is_first(a: list[float], b: list[float], width: float) -> None:
    pooled, table = np.sort([*a, *b]), require_overlap_table(kernel_named("epanechnikov"), "here")
    ends = (np.sort(a), np.sort(b)), (np.sort(b), np.sort(a))
    found = [PermutationReplicates(pooled, one.size, table, width).statistic(one, other) for one, other in ends]
    assert found[0] == pytest.approx(found[1], rel=1e-9, abs=1e-12)
    assert found[0] >= -1e-12


def test_the_adaptive_grid_has_the_bandwidths_of_a_sample_that_is_as_informative_as_both() -> None:
    found = two_sample_test(FIRST[:20], np.linspace(-2, 2, 2_000), replicates=9)
    widths = [one.value for one in found.at_bandwidths]
    expected = take_bandwidths("adaptive", widths[-1] / 1.6, 20 * 2_000 // 2_020)
    assert widths == pytest.approx([one.at(1) for one in expected], rel=1e-4)


def test_every_division_is_equally_likely() -> None:
    pooled, table = np.array([0.0, 1.0, 3.0, 7.0, 15.0]), require_overlap_table(kernel_named("epanechnikov"), "here")
    engine = PermutationReplicates(pooled, 2, table, 20.0)
    possible = {}
    for pair in itertools.combinations(range(5), 2):
        rest = np.delete(pooled, pair)
        possible[round(engine.statistic(pooled[list(pair)], rest), 9)] = pair
    assert len(possible) == 10
    found = np.round(engine.values(0, range(20_000)), 9)
    counts = [np.count_nonzero(found == value) for value in possible]
    assert sum(counts) == 20_000
    assert stats.chisquare(counts).pvalue > FALSE_ALARM


@pytest.mark.parametrize("draw", [np.random.Generator.standard_cauchy, lambda rng, n: rng.integers(0, 6, n) / 2])
def test_samples_of_one_density_have_uniform_p_values_also_with_ties_and_heavy_tails(draw: Any) -> None:
    rng = np.random.default_rng(2)
    found = [two_sample_test(draw(rng, 30), draw(rng, 20), replicates=199, seed=k).p_value for k in range(300)]
    level = 0.05
    assert stats.binomtest(sum(p <= level for p in found), 300, level, alternative="greater").pvalue > FALSE_ALARM
    # With ties p-values are larger than uniform ones, never smaller.
    assert stats.kstest(found, "uniform", alternative="greater").pvalue > FALSE_ALARM


def test_a_difference_at_any_scale_is_seen() -> None:
    rng = np.random.default_rng(4)
    plain = rng.normal(size=400)
    spiked = np.where(rng.random(400) < 0.1, 1 + 0.02 * rng.normal(size=400), rng.normal(size=400))
    assert two_sample_test(plain, rng.normal(0.3, 1, size=400), replicates=999).rejected
    fine = two_sample_test(plain, spiked, replicates=999)
    assert fine.rejected
    assert fine.deciding.value < 0.3


def test_the_result_does_not_depend_on_the_number_of_threads_or_the_order() -> None:
    one, other = (two_sample_test(FIRST[::step], SECOND, replicates=500, workers=n) for step, n in ((1, 1), (-1, 3)))
    assert (one.null_law == other.null_law).all()
    assert one == other


def test_an_observation_far_from_all_others_does_no_harm() -> None:
    found = two_sample_test(np.append(FIRST, 1e9), SECOND, bandwidth=0.5, replicates=99)
    assert 0 < found.p_value <= 1
    assert np.isfinite(found.statistic)


@pytest.mark.parametrize(
    ("first", "choices", "message"),
    [
        (FIRST, {"kernel": "gaussian"}, "must be one polynomial"),
        (FIRST, {"bandwidth": "m^-0.2"}, "must be a number in the units of the data"),
        (FIRST, {"bandwidth": 1e-14}, "spacing of doubles"),
        (FIRST, {"alpha": 1}, "between 0 and 1"),
        ([], {}, "at least one observation"),
        ([1.0, np.nan], {}, "missing"),
    ],
)
def test_what_cannot_be_compared_is_refused(first: Any, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        two_sample_test(first, SECOND, replicates=9, **choices)
    with pytest.raises(InputError, match="must differ, but all are 2"):
        two_sample_test([2.0, 2.0], [2.0], replicates=9)


def test_options_of_a_given_density_are_refused_with_two_samples(tmp_path: Any) -> None:
    for name, values in (("a", FIRST), ("b", SECOND)):
        np.savetxt(tmp_path / name, values)
    command = ["test-fit", str(tmp_path / "a"), "--against", str(tmp_path / "b"), "--replicates", "99"]
    plain = runner().invoke(main, command)
    assert plain.exit_code == 0
    assert "permutations" in plain.output
    for option in (
        ["--estimate"],
        ["--density", "normal"],
        ["--null", "smoothed"],
        ["--plot", "x.png"],
        ["--no-cache"],
    ):
        refused = runner().invoke(main, [*command, *option])
        assert refused.exit_code == 2
        assert f"{option[0]} does not apply to --against" in refused.stderr
