"""Studies: the replicate loop, its reproducibility, and what it says next to theory."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sympy
from scipy import stats

from foundation.errors import InputError
from foundation.processes import count_usable_cores
from simulations import (
    Result,
    SimulationInterrupted,
    Study,
    bickel_rosenblatt_test,
    replicate_values,
    simulate,
    tm_statistic,
)
from simulations.engines import choice as engine
from simulations.engines.cells.discretisation import TARGET_BIAS, TARGET_ERROR, Discretisation
from simulations.engines.choice import ENGINES
from simulations.engines.names import CHOSEN_FROM, LARGEST_M
from simulations.sampling.streams import draw
from simulations.study.accumulators import Accumulator
from simulations.study.summary import AGREEMENT, Summary, chance_bound, in_words, summarise
from theory.bickel_rosenblatt.mean import exact_mean, limit_mean, limit_variance
from theory.bickel_rosenblatt.variance import exact_variance
from theory.densities.density import Density
from theory.densities.families import NORMAL
from theory.kernels import Piece, x

SMALL = Study(m=60, replicates=1203, seed=5)


@pytest.fixture(scope="module")
def small() -> Result:
    return simulate(SMALL)


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return replicate_values(SMALL)


def same_but_for_time(one: Result, other: Result) -> bool:
    documents = [
        {key: value for key, value in result.document().items() if not key.endswith(("seconds", "second"))}
        for result in (one, other)
    ]
    return documents[0] == documents[1]


TWO_PEAKS = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"


@pytest.mark.parametrize(
    ("density", "weight"),
    [
        *[(density, "one") for density in ("normal", "logistic", "laplace", "uniform:-1,1", "beta:2.5,1.5", TWO_PEAKS)],
        *[(density, "window:-0.5,1") for density in ("logistic", "laplace", "beta:2,3", TWO_PEAKS)],
        *[(density, "inverse-density:-1,0.75") for density in ("normal", "laplace", "uniform:-1,1", TWO_PEAKS)],
    ],
)
def test_every_density_and_weight_agrees_with_its_exact_mean(density: str, weight: str) -> None:
    """Fixed seeds; a right engine fails for one seed in 2,100."""
    summary = simulate(Study(m=200, replicates=1000, density=density, weight=weight, seed=3)).summary
    assert summary.z_exact is not None
    assert abs(summary.z_exact) < AGREEMENT
    assert summary.standard_error is not None
    assert summary.standard_error < 0.03 * summary.exact.total


def test_samples_of_a_density_of_ones_own_agree_with_its_exact_mean() -> None:
    """As a textbook has it, without digits in the lower tail; a right engine fails for one seed in 2,100."""
    below = 1 - (1 + x) * sympy.exp(-x)
    gamma = Density("gamma", (Piece(sympy.Integer(0), sympy.oo, x * sympy.exp(-x)),), below, survival=1 - below)
    for m, weight in ((50, "one"), (700, "window:0.1,2")):
        z = simulate(Study(m=m, replicates=400, density=gamma, weight=weight)).summary.z_exact
        assert z is not None
        assert abs(z) < AGREEMENT
    sample = stats.gamma(2).rvs(size=200, random_state=1)
    assert bickel_rosenblatt_test(sample, gamma, replicates=99, cache=False).p_value > 0.01
    assert bickel_rosenblatt_test(sample + 0.5, gamma, replicates=99, cache=False).p_value == 0.01


def test_each_value_is_the_statistic_of_its_replicates_sample(values: np.ndarray) -> None:
    streams = SMALL.streams(range(SMALL.replicates))
    for replicate in (0, 1, 999, 1000, 1202):
        assert values[replicate] == tm_statistic(draw(NORMAL, SMALL.seed, streams[replicate], SMALL.m))


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_number_of_workers_does_not_change_a_bit(small: Result, values: np.ndarray, workers: int) -> None:
    assert (replicate_values(SMALL, workers=workers) == values).all()
    assert same_but_for_time(simulate(SMALL, workers=workers), small)


def test_more_replicates_begin_with_the_same_ones(values: np.ndarray) -> None:
    assert (replicate_values(Study(m=60, replicates=700, seed=5)) == values[:700]).all()


def test_another_seed_gives_other_values(values: np.ndarray) -> None:
    assert not np.isin(replicate_values(Study(m=60, replicates=50, seed=6)), values).any()


def test_studies_at_different_m_are_independent() -> None:
    """The correlation of 4,000 independent pairs has the standard deviation 0.016: beyond 0.07 once in 100,000 seeds.

    From one stream, the larger sample would begin with the smaller.
    """
    smaller, larger = (replicate_values(Study(m=m, replicates=4000)) for m in (40, 50))
    assert abs(np.corrcoef(smaller, larger)[0, 1]) < 0.07
    streams = Study(m=40).streams(range(2**32))
    assert streams.stop == Study(m=41).streams(range(1)).start


def test_auto_takes_an_engine_that_is_named_and_exact_is_exact() -> None:
    study = Study(m=60, replicates=20)
    assert simulate(study).engine in ENGINES
    exact = simulate(replace(study, engine="exact"))
    assert (exact.engine, exact.discretisation) == ("exact", None)


@pytest.mark.parametrize(("m", "name"), [(20, "exact"), (700, "cells"), (4000, "multinomial"), (40_000, "sums")])
def test_auto_goes_by_m(m: int, name: str) -> None:
    assert engine.engine_for("auto", Study(m=m).setting, m).name == name


@pytest.mark.parametrize("name", ["cells", "multinomial", "sums"])
def test_the_engines_on_cells_agree_with_the_exact_mean_and_law(name: str) -> None:
    """A right engine fails the first for one seed in 2,100, the second for one in 1,000."""
    study = Study(m=300, replicates=4000, engine=name, seed=2)
    result = simulate(study)
    assert result.engine == name
    assert result.summary.z_exact is not None
    assert abs(result.summary.z_exact) < AGREEMENT
    exact = replicate_values(replace(study, engine="exact", seed=3))
    assert stats.ks_2samp(replicate_values(study), exact).pvalue > 1e-3


def test_the_error_of_the_cells_stands_in_the_result() -> None:
    document = simulate(Study(m=300, replicates=50, engine="cells")).document()
    measured = document["discretisation"]
    assert 0 < measured["rms_error"] < TARGET_ERROR
    assert abs(measured["bias"]) <= TARGET_BIAS
    assert measured["standard_deviation"] == pytest.approx(math.sqrt(exact_variance(300).total))
    assert measured["cells_per_bandwidth"] in range(1, 100)


def test_auto_passes_over_an_engine_that_does_not_take_the_setting() -> None:
    assert engine.engine_for("auto", Study(m=700, bandwidth=1e-90).setting, 700).name == "exact"
    with pytest.raises(InputError, match="Use the engine exact"):
        simulate(Study(m=700, bandwidth=1e-90, engine="cells"))


class _Coarse:
    name, cells_per_bandwidth, is_economical, draws, strata_drawn = "coarse", 2, True, 700, None
    discretisation = Discretisation(2, 0.2, 0.03, 0.0, 0.04, 0.01, pilot_replicates=32, pilot_m=700)

    def __init__(self, *_: object) -> None:
        pass

    def values(self, _seed: int, replicates: range) -> np.ndarray:
        return np.ones(len(replicates))


def test_auto_passes_over_an_engine_whose_error_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine.ENGINES, "coarse", _Coarse)
    monkeypatch.setitem(CHOSEN_FROM, "coarse", 600)
    monkeypatch.setitem(LARGEST_M, "coarse", 10**9)
    setting = Study(m=700).setting
    assert engine.engine_for("coarse", setting, 700).name == "coarse"
    assert engine.engine_for("auto", setting, 700).name == "cells"


def test_auto_passes_over_an_engine_that_would_need_too_many_cells() -> None:
    """Near its end at 0 this density is like x^0.2, so that only the smallest cells would do, which take too long."""
    study = Study(m=700, replicates=2, density="beta:1.2,3", weight="one")
    assert simulate(study).engine == "exact"
    measured = simulate(replace(study, engine="cells")).document()["discretisation"]
    assert measured["cells_per_bandwidth"] >= 64


def test_auto_draws_the_observations_where_the_cells_are_too_many_for_counts() -> None:
    """The uniform kernel's jumps ask for small cells."""
    study = Study(m=5_000, replicates=2, density="uniform:-1,1", weight="one", kernel="uniform")
    assert simulate(study).engine == "cells"


def test_twenty_thousand_replicates_at_a_thousand_agree_with_the_exact_mean() -> None:
    """The known value to ten digits; a right engine fails for one seed in 2,100."""
    summary = simulate(Study(m=1000, replicates=20_000)).summary
    assert summary.standard_error is not None
    assert 0.0013 < summary.standard_error < 0.0016
    assert abs(summary.mean - 0.5177454036) < 3.5 * summary.standard_error


@pytest.mark.parametrize("kernel", ["uniform", "triangular", "biweight", "triweight"])
@pytest.mark.parametrize("bandwidth", ["m^-2/9", "1.5"])
def test_every_kernel_agrees_with_its_exact_mean(kernel: str, bandwidth: str) -> None:
    """A right engine fails one of the eight for one seed in 260."""
    study = Study(m=40, replicates=4000, kernel=kernel, weight="window:-1,2.5", bandwidth=bandwidth, seed=1)
    z = simulate(study).summary.z_exact
    assert z is not None
    assert abs(z) < 3.5


def test_progress_counts_up_to_all_replicates_in_the_calling_thread() -> None:
    seen: list[tuple[int, int]] = []
    simulate(SMALL, progress=lambda done: seen.append((done, threading.get_ident())))
    counts = [done for done, _ in seen]
    assert counts == sorted(counts)
    assert counts[-1] == SMALL.replicates
    assert {thread for _, thread in seen} == {threading.get_ident()}


def test_ctrl_c_ends_a_study_with_a_sentence_and_its_partial_result_and_leaves_no_thread() -> None:
    threads, handler = threading.active_count(), signal.getsignal(signal.SIGINT)
    with pytest.raises(
        SimulationInterrupted, match=r"interrupted by SIGINT after [\d,]+ of 200,000 replicates"
    ) as caught:
        simulate(Study(m=50, replicates=200_000), progress=lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert caught.value.signal_number == signal.SIGINT
    partial = caught.value.partial
    assert partial is not None
    assert same_but_for_time(partial, simulate(Study(m=50, replicates=caught.value.done)))
    assert threading.active_count() == threads
    assert signal.getsignal(signal.SIGINT) is handler


def test_the_null_law_is_interrupted_in_order_too(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = itertools.count()

    def interrupting(samples: np.ndarray, *_: object) -> None:
        if next(calls) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        samples[:] = 0.0

    monkeypatch.setattr("simulations.engines.exact.replicates.draw_rows_into", interrupting)
    with pytest.raises(SimulationInterrupted, match=r"after [\d,]+ of 200,000"):
        replicate_values(Study(m=50, replicates=200_000, engine="exact"), workers=1)


def test_sigterm_ends_a_study_and_its_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SimulationInterrupted, match="interrupted by SIGTERM") as caught:
        simulate(Study(m=50, replicates=200_000), progress=lambda _: os.kill(os.getpid(), signal.SIGTERM))
    assert caught.value.signal_number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_error_in_a_replicate_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> float:
        raise ZeroDivisionError

    monkeypatch.setattr("simulations.engines.exact.replicates.draw_rows_into", failing)
    with pytest.raises(ZeroDivisionError):
        simulate(replace(SMALL, engine="exact"))


def test_the_summary_is_what_numpy_and_scipy_say_of_the_values(small: Result, values: np.ndarray) -> None:
    summary = small.summary
    b, limit = SMALL.setting.bandwidth.at(SMALL.m), float(limit_mean())
    standardised = (values - limit) / math.sqrt(b)
    assert summary.mean == pytest.approx(values.mean(), rel=1e-14)
    assert summary.variance == pytest.approx(np.var(values, ddof=1), rel=1e-14)
    assert summary.standard_error == pytest.approx(stats.sem(values), rel=1e-14)
    assert summary.z_exact == pytest.approx((values.mean() - exact_mean(60).total) / stats.sem(values), rel=1e-10)
    assert summary.z_limit == pytest.approx((values.mean() - limit) / stats.sem(values), rel=1e-10)
    assert summary.standardised_mean == pytest.approx(standardised.mean(), rel=1e-12)
    assert summary.skewness == pytest.approx(stats.skew(standardised), rel=1e-12)
    for level, quantile in summary.quantiles.items():
        known = np.quantile(values, level)
        assert quantile == pytest.approx((known - limit) / math.sqrt(b), rel=1e-13)
    assert summary.limit_quantiles[0.95] == pytest.approx(1.6448536269514722 * math.sqrt(float(limit_variance())))
    assert summary.normality.statistic == pytest.approx(stats.normaltest(standardised).statistic, rel=1e-10)


def test_the_document_has_the_keys_of_the_contract_and_is_strict_json(small: Result) -> None:
    document = json.loads(json.dumps(small.document(), allow_nan=False))
    assert set(document) == {
        *("m", "bandwidth", "bandwidth_value", "kernel", "density", "weight", "engine", "discretisation"),
        *("replicates", "seed"),
        *(
            "mean",
            "standard_error",
            "variance",
            "exact_variance",
            "exact_mean",
            "exact_mean_parts",
            "limit_mean",
            "limit_variance",
        ),
        *("z_exact", "z_bound", "z_limit", "standardised", "normality", "assumptions"),
        *("seconds", "replicates_per_second"),
    }
    assert set(document["exact_mean_parts"]) == {"variance_term", "product_term", "squared_bias_term"}
    assert set(document["standardised"]) == {
        *("mean", "variance", "skewness", "kurtosis", "limit_distance", "standard_errors", "quantiles"),
    }
    assert set(document["standardised"]["standard_errors"]) == {"mean", "variance", "skewness", "kurtosis"}
    assert set(document["normality"]) == {"test", "statistic", "p_value"}
    assert all(set(condition) == {"name", "holds", "reason"} for condition in document["assumptions"])
    assert document["engine"] == "exact"
    assert document["discretisation"] is None
    assert document["bandwidth"] == "m^-0.235"
    parts = document["exact_mean_parts"]
    total = parts["variance_term"] - parts["product_term"] + parts["squared_bias_term"]
    assert document["exact_mean"] == pytest.approx(total, rel=1e-15)


@pytest.mark.parametrize(
    "study",
    [
        Study(m=1, replicates=1),
        Study(m=1, replicates=2, bandwidth=1e-90),
        Study(m=3, replicates=30, weight="window:900,901"),
    ],
    ids=["one replicate", "two replicates", "nothing in the window"],
)
def test_what_cannot_be_computed_is_null_and_not_nan(study: Study) -> None:
    result = simulate(study)
    json.dumps(result.document(), allow_nan=False)
    assert all(in_words(result.summary))


def fabricated(values: np.ndarray, m: int = 1000, bandwidth: str = "m^-0.235") -> Summary:
    accumulator = Accumulator()
    accumulator.add(values)
    return summarise(accumulator, Study(m=m, bandwidth=bandwidth).setting, m)


def normal_values(mean: float, spread: float, size: int = 4000) -> np.ndarray:
    """Return values whose quantiles are exactly those of a normal law."""
    quantiles: np.ndarray = stats.norm.ppf((np.arange(size) + 0.5) / size)
    return mean + spread * quantiles


def test_a_simulated_mean_away_from_the_exact_one_is_called_a_contradiction() -> None:
    exact = exact_mean(1000).total
    standard_error = 0.2 / math.sqrt(4000)
    inside, outside = 0.9 * AGREEMENT * standard_error, 1.1 * AGREEMENT * standard_error
    assert "agrees with the exact mean" in in_words(fabricated(normal_values(exact + inside, 0.2)))[2]
    assert "contradicts the exact mean" in in_words(fabricated(normal_values(exact - outside, 0.2)))[2]


def test_the_largest_reason_for_the_distance_to_the_limit_comes_first() -> None:
    exact = exact_mean(1000).total
    sentence = in_words(fabricated(normal_values(exact, 0.2)))[3]
    assert sentence.startswith("The exact mean is 0.055 below the limit I(K) ∫ f a: -0.0552 from -B")
    assert "These replicates distinguish the mean from the limit" in sentence
    wide = in_words(fabricated(normal_values(exact_mean(1000, bandwidth=1.5).total, 0.2), bandwidth="1.5"))[3]
    assert "above the limit" in wide
    assert "∫ f a: +9.55 from C, the squared bias, -0.343 from -B" in wide


def test_few_replicates_cannot_tell_the_mean_from_the_limit() -> None:
    assert "cannot distinguish the mean from the limit" in in_words(fabricated(normal_values(0.52, 0.2, size=25)))[3]


def test_normality_is_assessed_from_the_values() -> None:
    normal = normal_values(0.5, 0.2)
    assert "show no departure from a normal law" in in_words(fabricated(normal))[4]
    assert "the normal law has not been reached" in in_words(fabricated(np.exp(normal)))[4]


class _Quick:
    name, cells_per_bandwidth, discretisation, draws, strata_drawn = "quick", None, None, 5, None

    def __init__(self, *_: object) -> None:
        pass

    def values(self, _seed: int, replicates: range) -> np.ndarray:
        generator = np.random.default_rng(replicates.start)
        return generator.uniform(0.5, 1.0, len(replicates))


def test_memory_does_not_grow_with_the_number_of_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an engine that takes no time. Ten times as many values would take 3 MB more."""
    monkeypatch.setitem(engine.ENGINES, "quick", _Quick)
    monkeypatch.setitem(LARGEST_M, "quick", 10**9)
    peaks = []
    for replicates in (40_000, 40_000, 400_000):
        tracemalloc.start()
        assert (
            simulate(Study(m=5, replicates=replicates, engine="quick"), workers=1).summary.moments.count == replicates
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1]


def test_the_window_of_bandwidths_is_said_to_be_empty_where_it_is() -> None:
    at_a_thousand = in_words(fabricated(normal_values(0.5, 0.2)))[1]
    assert "= 0.551 < b < m^(-2/9) = 0.215, is empty" in at_a_thousand
    assert "b = 0.722 is inside" in in_words(fabricated(normal_values(0.5, 0.2), m=4))[1]
    assert "b = 0.1 is outside" in in_words(fabricated(normal_values(0.5, 0.2), m=4, bandwidth="0.1"))[1]


def test_the_discretisation_is_set_against_the_standard_error() -> None:
    measured = {
        "cells_per_bandwidth": 16,
        "standard_deviation": 0.2,
        "rms_error": 1.5e-4,
        "bias": -2e-6,
        "bias_standard_error": 3e-6,
    }
    summary = replace(fabricated(normal_values(0.5, 0.2)), discretisation=measured)
    assert summary.standard_error is not None
    share = 8e-6 * 0.2 / summary.standard_error
    sentence = in_words(summary)[-1]
    assert "closed form" not in sentence
    checked = replace(summary, discretisation={**measured, "closed_form_error": -2e-7})
    assert in_words(checked)[-1] == f"{sentence} ∫ f² a on the cells is within 2e-07 of its closed form."
    assert "16 cells per bandwidth" in sentence
    assert "1.5e-04 and a bias of -2.0e-06 standard deviations of T_m" in sentence
    assert f"T_m: at most {share:.2g} standard errors of the simulated mean" in sentence


def test_a_mean_that_rests_on_values_never_drawn_is_not_called_wrong() -> None:
    """Of E T_m with the weight 1/f on [-8, 8], 61 % comes from |X| > 3.7, which these replicates hardly draw."""
    summary = simulate(Study(m=100, replicates=1_000, weight="inverse-density:-8,8")).summary
    assert summary.z_exact is not None
    assert summary.z_exact < -AGREEMENT
    assert summary.unreached_mean / summary.exact.total == pytest.approx(0.61, abs=0.01)
    assert not summary.contradicts_exact_mean
    (sentence,) = [sentence for sentence in in_words(summary) if "simulated mean" in sentence]
    assert "Neither mean is in doubt; the standard error is too small" in sentence
    # A difference that those values cannot explain is a contradiction still.
    wrong = replace(summary, exact=replace(summary.exact, variance_term=summary.exact.variance_term * 5))
    assert wrong.contradicts_exact_mean


def test_values_never_drawn_can_only_be_missing_from_the_simulated_mean() -> None:
    exact, standard_error = exact_mean(1000).total, 0.2 / math.sqrt(4000)
    below, above = (fabricated(normal_values(exact + shift * standard_error, 0.2)) for shift in (-9, 9))
    assert below.contradicts_exact_mean
    assert above.contradicts_exact_mean
    assert not replace(below, unreached_mean=0.1 * exact).contradicts_exact_mean
    assert replace(above, unreached_mean=0.1 * exact).contradicts_exact_mean


def test_a_bias_of_the_cells_is_named_before_a_contradiction() -> None:
    exact = exact_mean(1000).total
    summary = fabricated(normal_values(exact + 5 * 0.2 / math.sqrt(4000), 0.2))
    assert "contradicts the exact mean" in in_words(summary)[2]
    measured = {"cells_per_bandwidth": 2, "standard_deviation": 0.2, "rms_error": 0.05, "bias": 0.02}
    biased = replace(summary, discretisation={**measured, "bias_standard_error": 2e-3})
    assert "the bias of the cells may explain that" in in_words(biased)[2]
    unbiased = replace(summary, discretisation={**measured, "bias": 2e-4, "bias_standard_error": 2e-5})
    assert "contradicts the exact mean" in in_words(unbiased)[2]


#: Laws with mean 0 and standard deviation 1.
HEAVY_TAILED: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "exponential": lambda generator, shape: generator.exponential(size=shape) - 1,
    "lognormal": lambda generator, shape: (
        (generator.lognormal(size=shape) - math.exp(0.5)) / math.sqrt(math.exp(2) - math.e)
    ),
    "Pareto with 4.5 moments": lambda generator, shape: (
        (generator.pareto(4.5, shape) - 1 / 3.5) / math.sqrt(4.5 / (3.5**2 * 2.5))
    ),
}


def z_and_bound(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the mean of each row in its standard errors, and what chance explains."""
    n, mean = samples.shape[1], samples.mean(axis=1)
    deviations = samples - mean[:, None]
    squares = deviations**2
    variance = squares.mean(axis=1)
    kurtosis = (squares**2).mean(axis=1) / variance**2
    extreme = np.sqrt(squares.max(axis=1) / variance)
    return mean / np.sqrt(variance / (n - 1)), chance_bound(n, kurtosis, extreme)


@pytest.mark.parametrize("law", HEAVY_TAILED)
@pytest.mark.parametrize("size", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_right_means_of_heavy_tailed_values_are_called_wrong_once_in_2000_studies_at_most(law: str, size: int) -> None:
    """Measured: once in 3,000 to 20,000. By the normal approximation it would be 1 in 25 to 1 in 60."""
    samples = HEAVY_TAILED[law](np.random.default_rng(1), (60_000, size))
    z, bound = z_and_bound(samples)
    assert np.mean(np.abs(z) > bound) <= 1 / 2000
    assert np.mean(np.abs(z) > AGREEMENT) > 10 / 2000 or size > 20


def test_right_means_with_rare_spikes_are_called_wrong_once_in_2000_studies_at_most() -> None:
    """Of 10,000 values, 10 on average are 100 standard deviations of the others away; moments given their number."""
    n, size = 10_000, 100.0
    generator = np.random.default_rng(1)
    number = generator.poisson(10, 200_000)
    p = number / n
    mean = size * (p - 1e-3) + generator.standard_normal(p.size) / math.sqrt(n)
    variance = 1 + size**2 * p * (1 - p)
    fourth = 3 + 6 * size**2 * p * (1 - p) + size**4 * p * (1 - p) * (1 - 3 * p + 3 * p**2)
    z = mean / np.sqrt(variance / n)
    bound = chance_bound(n, fourth / variance**2, np.where(number, size * (1 - p), 4.0) / np.sqrt(variance))
    assert np.mean(np.abs(z) > bound) <= 1 / 2000
    assert np.mean(np.abs(z) > AGREEMENT) > 10 / 2000
    wrong = [(mean + shift * size * math.sqrt(1e-3 / n)) / np.sqrt(variance / n) for shift in (-10, 10)]
    assert all(np.mean(np.abs(z) > bound) > 0.95 for z in wrong)


@pytest.mark.parametrize("law", HEAVY_TAILED)
def test_means_that_are_wrong_by_ten_standard_errors_are_found(law: str) -> None:
    exact = exact_mean(1000).total
    for seed in range(20):
        values = HEAVY_TAILED[law](np.random.default_rng(seed), (1, 10_000))[0]
        summary = fabricated(exact + 0.2 * (values + (-1) ** seed * 10 / 100))
        assert summary.contradicts_exact_mean
        assert "Considered, and too small to explain it: the kurtosis of T_m" in in_words(summary)[2]
        assert not fabricated(exact + 0.2 * values).contradicts_exact_mean


def test_a_difference_that_the_kurtosis_explains_is_not_called_a_contradiction() -> None:
    """Three spikes where ten are expected: 4 standard errors too few."""
    values = np.zeros(10_000)
    values[:3] = 100.0
    summary = fabricated(exact_mean(1000).total + values - 0.1)
    assert summary.z_exact == pytest.approx(-4.04, abs=0.01)
    assert not summary.contradicts_exact_mean
    assert "the kurtosis of T_m, 3.33e+03 in 10,000 replicates, leaves the standard error so" in in_words(summary)[2]


def test_few_replicates_contradict_nothing_by_chance() -> None:
    """Of two normal values, a third have means that are too far off for the normal approximation of one in 2,100."""
    z, bound = z_and_bound(np.random.default_rng(0).standard_normal((100_000, 3)))
    assert np.mean(np.abs(z) > bound) <= 1 / 2000
    assert np.mean(np.abs(z) > AGREEMENT) > 0.05


def test_replicates_that_are_all_equal_have_no_standard_error() -> None:
    sentence = in_words(fabricated(np.full(30, 0.5)))[2]
    assert sentence == "Replicates that are all equal have no standard error, so that the simulated mean cannot be " + (
        "assessed."
    )


def test_the_conditions_that_fail_are_named_with_their_reasons() -> None:
    assert in_words(fabricated(normal_values(0.5, 0.2)))[0].startswith("Theorem 3.1 applies: all")
    paper = in_words(fabricated(normal_values(0.5, 0.2), bandwidth="m^-2/9"))[0]
    assert "not shown to apply" in paper
    assert "b = o(m^(-2/9)) (the ratio b / m^(-2/9) is 1 for every m and does not tend to 0)" in paper


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"m": 0}, "m must be a positive whole number, got 0"),
        ({"m": -3}, "m must be a positive whole number, got -3"),
        ({"m": 2.5}, "m must be a positive whole number, got 2.5"),
        ({"m": 10**16}, "m must be at most 1,000,000,000,000,000"),
        ({"m": 5, "replicates": 0}, "replicates must be a positive whole number, got 0"),
        ({"m": 5, "seed": -1}, "the seed must be"),
        ({"m": 5, "kernel": "epanechnikow"}, r"Did you mean epanechnikov\?"),
        ({"m": 5, "density": "cauchi"}, "cauchi.*Did you mean cauchy"),
        ({"m": 5, "weight": "window:2,-2"}, "the lower first, got 2 and -2"),
        ({"m": 5, "bandwidth": "m^0.2"}, "must shrink as m grows"),
        (
            {"m": 10**9, "bandwidth": "m^-30"},
            r"must lie between .*\. Use an m of at most 2,154, or",
        ),
        ({"m": 5, "replicates": 2**33}, "replicates must be at most 4,294,967,296"),
        ({"m": 5, "engine": "quick"}, "Choose from auto, exact"),
    ],
)
def test_a_study_that_cannot_be_is_refused_when_it_is_stated(arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        Study(**arguments)  # type: ignore[arg-type]


def test_a_number_of_workers_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InputError, match="workers must be a positive whole number, got 0"):
        simulate(SMALL, workers=0)


def test_there_is_at_least_one_usable_core() -> None:
    assert count_usable_cores() >= 1
