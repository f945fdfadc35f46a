"""The benchmark measures what it says: every peer computes T_m, and the classical statistics are SciPy's."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks import power, tm
from benchmarks.shared import peers, report
from benchmarks.shared.timing import Times, side_by_side
from simulations import tm_statistic

SAMPLE = np.random.default_rng(2).standard_normal(2_000)
B = 0.2
ALL = {**peers.EPANECHNIKOV, **peers.GAUSSIAN}


@pytest.mark.parametrize("name", ALL)
def test_every_peer_computes_tm_with_the_same_bandwidth(name: str) -> None:
    kernel = "epanechnikov" if name in peers.EPANECHNIKOV else "gaussian"
    expected = tm_statistic(SAMPLE, kernel=kernel, bandwidth=B)
    # KDEpy's TreeKDE and statsmodels' FFT approximate; a wrong bandwidth would be off by tens of percent.
    assert ALL[name](SAMPLE, B) == pytest.approx(expected, rel=0.02)


def test_the_classical_statistics_are_scipys() -> None:
    ordered = np.sort(SAMPLE[:100])
    assert power.kolmogorov_smirnov(ordered) == pytest.approx(stats.kstest(ordered, "norm").statistic)
    known = {"loc": 0, "scale": 1}
    fitted = stats.goodness_of_fit(stats.norm, ordered, known_params=known, statistic="ad", n_mc_samples=2)
    assert power.anderson_darling(ordered) == pytest.approx(fitted.statistic)


@pytest.mark.parametrize("name", power.ALTERNATIVES)
def test_every_alternative_but_the_shifted_and_the_wider_has_the_normals_moments(name: str) -> None:
    """So that the tests are compared on shape; the spike moves them a little."""
    drawn = power.ALTERNATIVES[name](np.random.default_rng(5), 20_000)
    mean = {"shifted by 0.15": 0.15, "5 % in a spike at 1": 0.05}.get(name, 0.0)
    variance = {"wider by 15 %": 1.15**2, "5 % in a spike at 1": 0.95 + 0.05 * (1 + 0.03**2) - 0.05**2}.get(name, 1.0)
    assert drawn.shape == (20_000,)
    assert abs(np.mean(drawn) - mean) < 4 * np.std(drawn) / np.sqrt(20_000)
    assert np.var(drawn) == pytest.approx(variance, rel=4 * np.sqrt(5 / 20_000))


def test_every_contestant_runs_in_every_round_with_fresh_calls() -> None:
    calls: dict[str, list[int]] = {"one": [], "two": []}

    def work(name: str) -> Callable[[int], None]:
        def call(number: int) -> None:
            calls[name].append(number)
            time.sleep(0.001)

        return call

    times = side_by_side({name: work(name) for name in calls}, rounds=3, seconds_a_round=0.01)
    assert all(len(time.seconds) == 3 for time in times.values())
    assert all(max(seen) > 1 for seen in calls.values())


def test_a_ratio_is_the_median_over_rounds_of_paired_times() -> None:
    slow_round = Times((1.0, 10.0, 2.0)), Times((0.5, 5.0, 1.0))
    assert slow_round[0].ratio_to(slow_round[1]) == 2
    assert slow_round[0].median == 2


def test_targets_say_whether_they_are_met(tmp_path: Path) -> None:
    met, missed = report.at_least("speed", 15, 20.0), report.at_most("error", 1e-4, 2e-4)
    assert str(met) == "met     speed: 20 (wanted >= 15)"
    assert str(missed) == "MISSED  error: 0.0002 (wanted <= 0.0001)"
    report.write(tmp_path / "out.json", {"figures": 1}, [met, missed])
    document = json.loads((tmp_path / "out.json").read_text())
    assert [target["met"] for target in document["targets"]] == [True, False]
    assert document["machine"]["packages"]["numpy"] == np.__version__


def test_the_benchmark_compares_the_engines_with_every_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tm, "M", 500)
    monkeypatch.setattr(tm, "SAMPLES", 4)
    rows = tm.evaluation("epanechnikov", {tm.FASTEST_PEER: peers.kdepy_fft}, rounds=1)
    assert [name.split(",")[0] for name in rows] == ["cells", "exact", "KDEpy FFTKDE"]
    cells, exact, peer = rows.values()
    assert cells.ratio == 1
    assert exact.rms_error == 0
    assert 0 < (cells.rms_error or 0) < 1e-2
    assert 0 < (peer.rms_error or 0) < 1e-2
