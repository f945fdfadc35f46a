"""The Bickel-Rosenblatt test: its size, its power compared with the classical tests, its null laws and their cache."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from cli import main
from foundation.errors import CacheWarning, InputError
from simulations import bickel_rosenblatt_test, tm_statistic
from simulations.goodness_of_fit.estimation.model import take_model
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.study.study import Study
from simulations.study.values import replicate_values

FALSE_ALARM = 1e-4

REPLICATES = 999

NORMALS = np.random.default_rng(3).standard_normal(200)


def p_value(sample: np.ndarray, **choices: Any) -> float:
    return bickel_rosenblatt_test(sample, replicates=REPLICATES, cache=False, **choices).p_value


def p_values(samples: list[np.ndarray], folder: Path, **choices: Any) -> np.ndarray:
    return np.array(
        [bickel_rosenblatt_test(sample, replicates=REPLICATES, cache=folder, **choices).p_value for sample in samples]
    )


def rejections(p_values: np.ndarray, level: float = 0.05) -> float:
    return float(np.mean(p_values <= level))


def test_a_simulated_value_equal_to_the_statistic_counts_as_one_beyond_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the test rejects too often, by the chance of a tie."""
    statistic = tm_statistic(NORMALS, weight="one")
    null = np.array([statistic - 1, statistic, statistic, statistic + 1])
    monkeypatch.setattr(NullLaw, "values", lambda *_: null)
    test = bickel_rosenblatt_test(NORMALS, weight="one", replicates=4, cache=False)
    assert (test.statistic, test.p_value) == (statistic, (1 + 3) / (1 + 4))


def test_the_statistic_is_tm_and_the_p_value_its_rank_among_the_replicates() -> None:
    test = bickel_rosenblatt_test(NORMALS, weight="window:-2,2", replicates=REPLICATES, cache=False)
    assert test.statistic == tm_statistic(NORMALS)
    null = replicate_values(Study(200, REPLICATES))
    assert test.p_value == (1 + np.count_nonzero(null >= test.statistic)) / (1 + REPLICATES)
    assert test.critical_values[0.05] == pytest.approx(np.quantile(null, 0.95))


@pytest.mark.parametrize(
    ("choices", "law"),
    [
        ({"density": "normal"}, stats.norm()),
        ({"density": "beta:2,3", "kernel": "triangular", "bandwidth": 0.2}, stats.beta(2, 3)),
        ({"density": "laplace", "weight": "window:-1,2"}, stats.laplace()),
        ({"density": "normal", "estimate": True}, stats.norm(170, 8)),
        ({"density": "logistic", "estimate": True}, stats.logistic(-3, 0.1)),
    ],
)
def test_under_the_hypothesis_the_p_value_is_uniform(choices: dict[str, Any], law: Any, tmp_path: Path) -> None:
    samples = [law.rvs(60, random_state=seed) for seed in range(200)]
    found = p_values(samples, tmp_path, **choices)
    assert stats.kstest(found, "uniform").pvalue > FALSE_ALARM


def test_the_asymptotic_p_value_is_that_of_the_theorems_normal_law() -> None:
    """With the limit's mean 0.6 and variance 2 J / (2 sqrt(pi)) b of the weight one."""
    test = bickel_rosenblatt_test(NORMALS, replicates=99, cache=False)
    spread = math.sqrt(2 * 167 / 385 / (2 * math.sqrt(math.pi)) * 200**-0.235)
    assert test.asymptotic_p_value == pytest.approx(stats.norm.sf((test.statistic - 0.6) / spread), rel=1e-12)


def test_a_fine_structure_is_seen_that_kolmogorov_and_smirnov_do_not_see(tmp_path: Path) -> None:
    """A normal with a comb on it: its distribution function hardly moves, its density does. A shift is the reverse."""
    rng = np.random.default_rng(0)
    combed, shifted = [], []
    for _ in range(60):
        normals = rng.standard_normal(2000)
        keep = rng.random(2000) < (1 + np.cos(20 * normals)) / 2
        combed.append(normals[keep][:800])
        shifted.append(rng.standard_normal(800) + 0.1)
    ours = {"bandwidth": 0.08}
    kolmogorov = [np.array([stats.kstest(s, "norm").pvalue for s in samples]) for samples in (combed, shifted)]
    assert rejections(p_values(combed, tmp_path, **ours)) > 0.95
    assert rejections(kolmogorov[0]) < 0.5
    assert rejections(p_values(shifted, tmp_path, **ours)) < rejections(kolmogorov[1])


@pytest.mark.parametrize("density", ["normal", "laplace", "logistic"])
def test_an_estimated_location_and_scale_do_not_matter(density: str) -> None:
    first = bickel_rosenblatt_test(NORMALS, density, estimate=True, replicates=99, cache=False)
    moved = bickel_rosenblatt_test(7 - 1e3 * NORMALS[::-1], density, estimate=True, replicates=99, cache=False)
    assert moved.statistic == pytest.approx(first.statistic, rel=1e-9)
    assert moved.scale == pytest.approx(1e3 * (first.scale or 0), rel=1e-9)


def test_a_null_law_is_simulated_once_and_kept(tmp_path: Path) -> None:
    law = NullLaw(Study(50, 200))
    values = law.values(cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulations.goodness_of_fit.null_law.execution", lambda *_, **__: pytest.fail("simulated again"))
        assert (law.values(cache=tmp_path) == values).all()
    assert replicate_values(Study(50, 200)).tolist() == values.tolist()
    assert kept.suffix == ".npz"


@pytest.mark.parametrize("damage", [b"", b"no zip file", None])
def test_a_damaged_null_law_is_simulated_again(tmp_path: Path, damage: bytes | None) -> None:
    law = NullLaw(Study(50, 200))
    values = law.values(cache=tmp_path)
    (kept,) = tmp_path.iterdir()
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(np.float64(values[100]).tobytes())] ^= 1
    kept.write_bytes(bytes(flipped) if damage is None else damage)
    assert (law.values(cache=tmp_path) == values).all()
    assert kept.read_bytes() == whole


def test_laws_that_differ_in_anything_are_kept_apart(tmp_path: Path) -> None:
    studies = [
        Study(50, 20),
        Study(51, 20),
        Study(50, 21),
        Study(50, 20, seed=1),
        Study(50, 20, kernel="uniform"),
        Study(50, 20, density="logistic"),
        Study(50, 20, weight="one"),
        Study(50, 20, bandwidth=0.3),
    ]
    for study in studies:
        NullLaw(study).values(cache=tmp_path)
    NullLaw(Study(50, 20), model=take_model("normal", {})).values(cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(studies) + 1


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("here")
    with pytest.warns(CacheWarning, match=r"is not cached, .* cannot be written \(File exists\)\. Give another"):
        assert NullLaw(Study(50, 20)).values(cache=blocked).size == 20


def test_a_null_law_that_another_version_simulated_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    law = NullLaw(Study(50, 20))
    law.values(cache=tmp_path)
    (path,) = tmp_path.iterdir()
    monkeypatch.setattr("simulations.goodness_of_fit.null_law.digest_sources", lambda: "another")
    assert law._load(path) is None
    law.values(cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("sample", "choices", "complaint"),
    [
        ([], {}, "must have at least one observation"),
        ([1.0, math.nan], {}, "value 2 is missing"),
        ([2.0, 2.0], {"estimate": True}, "2 observations with 1 distinct value"),
        ([2.0], {"estimate": True}, "must have at least 2 observations with --estimate, got 1"),
        (
            [0.5, 0.6],
            {"estimate": True, "density": "uniform:0,1"},
            "must be a family without parameters",
        ),
        ([0.5], {"density": "cauchi"}, "'cauchi' is not a density. Did you mean cauchy"),
    ],
)
def test_what_cannot_be_tested_is_refused(sample: list[float], choices: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        bickel_rosenblatt_test(sample, **choices, cache=False)


def test_the_command_prints_and_writes_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, target = tmp_path / "sample.txt", tmp_path / "test.json"
    path.write_text("\n".join(map(str, 170 + 8 * NORMALS)))
    arguments = ["test-fit", str(path), "--replicates", "199", "--json", str(target)]
    blunt = CliRunner().invoke(main, arguments)
    assert blunt.exit_code == 0
    assert json.loads(target.read_text())["p_value"] == 0.005
    assert "--estimate" in blunt.stdout
    drawing = tmp_path / "test.svg"
    fitted = CliRunner().invoke(main, [*arguments, "--estimate", "--plot", str(drawing)])
    assert "samples of the hypothesis" in drawing.read_text(encoding="utf-8")
    document = json.loads(target.read_text())
    assert document["p_value"] > 0.01
    assert document["estimated"]["mean"] == pytest.approx(np.mean(170 + 8 * NORMALS))
    assert f"{document['statistic']:.6f}" in fitted.stdout
    refused = CliRunner().invoke(main, ["test-fit", str(tmp_path / "none.txt")])
    assert refused.exit_code == 2
    assert "none.txt is missing." in refused.output
    refused = CliRunner().invoke(main, ["test-fit", str(tmp_path / "none.txt"), "--plot", "test.gif"])
    assert refused.exit_code == 2
    assert "--plot must end in .png, .svg or .pdf, got test.gif" in refused.output
