"""Interrupted tests: what was simulated is kept, and the result is that of a test that was never interrupted."""

from __future__ import annotations

import pickle
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cli import main
from foundation.errors import InputError
from foundation.files import hold_lock
from simulations import SimulationInterrupted, Study, bickel_rosenblatt_test
from simulations.goodness_of_fit.estimation.bootstrap import BootstrapReplicates, KernelSums, ShapeStatistic
from simulations.goodness_of_fit.estimation.model import take_model
from simulations.study.simulate import same_engine_values
from tests.support.processes.runner import runner
from theory.kernels import kernel_named

SAMPLE = stats.gamma(2.5, scale=3).rvs(100, random_state=1)

#: A null distribution by the bootstrap; two of one family; and one that cells compute.
TESTS: dict[str, dict[str, Any]] = {
    "a shape": {"density": "gamma", "estimate": True, "bandwidth": [0.5, 1.5], "replicates": 450},
    "location and scale": {"density": "normal", "estimate": True, "bandwidth": "adaptive", "replicates": 2500},
    "no parameter": {"density": "gamma:2.5,3", "weight": "window:1,20", "replicates": 4500},
}


def interrupt(after: int) -> Any:
    """Return a callback that sends SIGINT once so many replicates are done."""

    def progress(done: int) -> None:
        if done >= after:
            signal.raise_signal(signal.SIGINT)

    return progress


@pytest.mark.parametrize("name", TESTS)
def test_an_interrupted_test_resumes_to_the_identical_result(name: str, tmp_path: Path) -> None:
    choices, path = {**TESTS[name], "cache": False}, tmp_path / "kept"
    whole = bickel_rosenblatt_test(SAMPLE, workers=1, **choices)
    after = choices["replicates"] // 3
    with pytest.raises(SimulationInterrupted) as interruption:
        bickel_rosenblatt_test(SAMPLE, workers=2, resume=path, progress=interrupt(after), **choices)
    assert interruption.value.saved == path
    assert 0 < interruption.value.done <= choices["replicates"]
    seen: list[int] = []
    resumed = bickel_rosenblatt_test(SAMPLE, workers=2, resume=path, progress=seen.append, **choices)
    assert seen[0] > 0
    assert resumed.null_law.tolist() == whole.null_law.tolist()
    assert resumed.p_value == whole.p_value


def test_a_finished_test_grows_to_more_replicates(tmp_path: Path) -> None:
    choices = {**TESTS["a shape"], "cache": False}
    for replicates in (150, 450):
        grown = bickel_rosenblatt_test(SAMPLE, resume=tmp_path / "kept", **{**choices, "replicates": replicates})
        assert grown.null_law.size == replicates
    fewer = bickel_rosenblatt_test(SAMPLE, resume=tmp_path / "kept", **{**choices, "replicates": 99})
    assert grown.null_law.tolist() == bickel_rosenblatt_test(SAMPLE, **choices).null_law.tolist()
    assert fewer.null_law.tolist() == bickel_rosenblatt_test(SAMPLE, **{**choices, "replicates": 99}).null_law.tolist()


def test_the_file_of_another_test_a_damaged_one_and_one_in_use_are_refused_and_left_as_they_are(tmp_path: Path) -> None:
    choices: dict[str, Any] = {"density": "gamma", "estimate": True, "replicates": 20}
    path = tmp_path / "kept"
    bickel_rosenblatt_test(SAMPLE, resume=path, **choices)
    content = path.read_bytes()
    for other in ({"seed": 1}, {"density": "weibull"}, {"bandwidth": 0.3}, {"density": "gumbel"}, {"null": "smoothed"}):
        with pytest.raises(InputError, match="belongs to another test"):
            bickel_rosenblatt_test(SAMPLE, resume=path, **{**choices, **other})
    with pytest.raises(InputError, match="belongs to another test"):
        bickel_rosenblatt_test(SAMPLE[1:], resume=path, **choices)
    assert path.read_bytes() == content
    with hold_lock(path.with_name(".kept.lock"), 0), pytest.raises(InputError, match="in use by another process"):
        bickel_rosenblatt_test(SAMPLE, resume=path, **choices)
    middle = content.rindex(b"NUMPY") + 150
    altered = content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]
    for damaged in (b"", b"{}", content[:-50], altered):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="is damaged or not a file that test-fit wrote"):
            bickel_rosenblatt_test(SAMPLE, resume=path, **choices)
        assert path.read_bytes() == damaged


def test_values_of_another_processor_are_refused(tmp_path: Path) -> None:
    choices: dict[str, Any] = {"density": "gamma", "estimate": True, "replicates": 20}
    path = tmp_path / "kept"
    bickel_rosenblatt_test(SAMPLE, resume=path, **choices)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["values0"] = arrays["values0"] * (1 + 2**-52)
    with path.open("wb") as stream:
        np.savez(stream, **arrays)
    with pytest.raises(InputError, match="another kind of processor"):
        bickel_rosenblatt_test(SAMPLE, resume=path, **choices)


def test_an_engine_that_is_sent_to_a_worker_computes_the_same_bits() -> None:
    model = take_model("gamma", {})
    statistic = ShapeStatistic(model, KernelSums(kernel_named("epanechnikov")), (0.2, 0.8))
    engine, study = BootstrapReplicates(statistic, model.fit(SAMPLE), 60), Study(60, 5)
    first = engine.values(0, study.streams(range(1)))
    sent = pickle.loads(pickle.dumps(engine))
    (values,) = same_engine_values(study, sent, first.tobytes(), [range(2, 5)])
    assert values.tolist() == engine.values(0, study.streams(range(2, 5))).tolist()
    with pytest.raises(InputError, match="must compute the same first replicate"):
        same_engine_values(study, sent, (first * (1 + 2**-52)).tobytes(), [range(1)])


def test_the_command_keeps_its_values_and_says_what_does_not_go_together(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x", SAMPLE)
    command = ["test-fit", str(tmp_path / "x"), "--density", "gamma", "--estimate", "--replicates", "49", "--quiet"]
    kept = [*command, "--resume", str(tmp_path / "kept")]
    (tmp_path / "other").write_text("1\n")
    assert runner().invoke(main, kept).exit_code == 0
    assert runner().invoke(main, kept).exit_code == 0
    for more, complaint in (
        (["--resume", str(tmp_path / "other")], "not a file that test-fit wrote"),
        (["--cluster", "local:1", "--workers", "1"], "exclude each other"),
        (["--power", "normal", "--cluster", "local:1"], "leave out --power or --cluster"),
        (["--power-support", "0,1"], "give both"),
    ):
        refused = runner().invoke(main, [*command, *more])
        assert (refused.exit_code, complaint in refused.stderr) == (2, True), refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


def test_the_alternative_may_be_a_formula(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x", SAMPLE[:20])
    command = ["test-fit", str(tmp_path / "x"), "--density", "exponential", "--replicates", "49", "--no-cache"]
    result = runner().invoke(main, [*command, "--power", "x*exp(-x)", "--power-support", "0,oo"])
    assert result.exit_code == 0, result.output
    assert "expression:x*exp(-x),0,oo" in " ".join(result.output.split())
