"""A grid of runs: done once, gone on with after a stop, and not stopped by one that fails."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evae import Run
from evae.configuration import Configuration
from evae.data import ImageData
from evae.experiments.grid import Plan
from evae.experiments.results import Failure, Results, RunRecord
from evae.experiments.runner import reproduce
from evae.experiments.watching import GridWatcher
from evae.model import VAE
from evae.progress import Progress
from evae.watching import Watcher
from theory.errors import InputError, Interruption
from theory.files import read_json, write_json

SMALL: dict[str, Any] = {"datasets": ("digits",), "latent_dims": (2, 3), "epochs": 1, "limit_train": 60}


def plan(folder: Path, **options: Any) -> Plan:
    settings = {**SMALL, "seeds": (0,), "features": "none", "device": "cpu", "lr": 1e-3, "runs_dir": str(folder)}
    return Plan.of("1", **{**settings, **options})


class Recorder(GridWatcher):
    """Remembers what became of every run."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.found: list[RunRecord] = []
        self.finished: list[RunRecord] = []
        self.failed: list[Failure] = []

    def run_begins(self, number: int, total: int, configuration: Configuration) -> Watcher:
        self.begun.append((number, total))
        return self.following(configuration)

    def following(self, configuration: Configuration) -> Watcher:  # noqa: ARG002
        return Watcher()

    def run_found(self, record: RunRecord) -> None:
        self.found.append(record)

    def run_finished(self, record: RunRecord) -> None:
        self.finished.append(record)

    def run_failed(self, failure: Failure) -> None:
        self.failed.append(failure)


@dataclasses.dataclass
class After(Watcher):
    """Does something after so many batches of a run."""

    batches: int
    action: Callable[[Run, VAE], object]
    run: Run | None = None
    model: VAE | None = None

    def run_started(self, run: Run, model: VAE, data: ImageData) -> None:  # noqa: ARG002
        self.run, self.model = run, model

    def batch_finished(self, progress: Progress) -> None:
        if progress.step == self.batches:
            assert self.run is not None
            assert self.model is not None
            self.action(self.run, self.model)


class InTheRun(Recorder):
    """Does something within the run of a given name."""

    def __init__(self, part: str, action: Callable[[Run, VAE], object]) -> None:
        super().__init__()
        self.part, self.action = part, action

    def following(self, configuration: Configuration) -> Watcher:
        return After(1, self.action) if self.part in str(configuration.name) else Watcher()


def test_every_run_is_trained_and_judged_and_is_there_for_the_next_call(tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    results = reproduce(plan(tmp_path), first)
    assert first.begun == [(number, 4) for number in (1, 2, 3, 4)]
    assert [record.name for record in first.finished] == [record.name for record in results.records]
    for record in results.records:
        run = Run.open(tmp_path / record.name)
        assert run.status["state"] == "finished"
        assert record.curve == tuple(line["holdout"]["reconstruction"] for line in run.metrics)
        assert record.evaluation["weights_of_epoch"] == 1
    again = reproduce(plan(tmp_path), second)
    assert (len(second.found), second.finished) == (4, [])
    assert again == results


def test_only_what_is_missing_is_done(tmp_path: Path) -> None:
    reproduce(plan(tmp_path))
    watcher = Recorder()
    wider = reproduce(plan(tmp_path, seeds=(0, 1)), watcher)
    assert (len(watcher.found), len(watcher.finished)) == (4, 4)
    assert [record.configuration.seed for record in wider.records] == [0] * 4 + [1] * 4


def test_a_run_whose_judgement_is_lost_is_judged_and_not_trained_again(tmp_path: Path) -> None:
    results = reproduce(plan(tmp_path))
    run = Run.open(tmp_path / results.records[0].name)
    weights = run.weights_path.stat().st_mtime_ns
    (run.path / "evaluation.json").unlink()
    watcher = Recorder()
    assert reproduce(plan(tmp_path), watcher) == results
    assert [record.name for record in watcher.finished] == [run.name]
    assert run.weights_path.stat().st_mtime_ns == weights


def test_a_judgement_in_other_features_is_made_anew(tmp_path: Path) -> None:
    results = reproduce(plan(tmp_path))
    path = tmp_path / results.records[1].name / "evaluation.json"
    evaluation = read_json(path)
    write_json(path, {**evaluation, "features": {"name": "classifier", "warning": None}})
    watcher = Recorder()
    assert reproduce(plan(tmp_path), watcher) == results
    assert [record.name for record in watcher.finished] == [results.records[1].name]
    assert read_json(path) == evaluation


def test_a_run_that_failed_after_its_last_epoch_goes_on_to_its_end(tmp_path: Path) -> None:
    results = reproduce(plan(tmp_path))
    run = Run.open(tmp_path / results.records[0].name)
    run.set_status("failed", epochs_finished=1, reason="the disk was full")
    watcher = Recorder()
    assert reproduce(plan(tmp_path), watcher) == results
    assert run.status["state"] == "finished"
    assert [record.name for record in watcher.finished] == [run.name]


def test_a_run_that_fails_is_listed_and_the_rest_is_done(tmp_path: Path) -> None:
    def poison(_run: Run, model: VAE) -> None:
        model.encoder.heads["r"].bias.data.fill_(float("nan"))  # type: ignore[operator]

    watcher = InTheRun("-evae-d2-", poison)
    results = reproduce(plan(tmp_path, batch_size=20), watcher)
    (failure,) = results.failures
    assert watcher.failed == [failure]
    assert failure.name == "digits-first60-evae-d2-seed0-1epochs-lr0.001-batch20"
    assert "became nan in epoch 1" in failure.reason
    assert len(results.records) == 3


def test_a_defect_in_one_run_is_listed_by_its_type(tmp_path: Path) -> None:
    def break_down(_run: Run, _model: VAE) -> None:
        raise RuntimeError("a defect")

    results = reproduce(plan(tmp_path), InTheRun("-vae-d3-", break_down))
    assert [failure.reason for failure in results.failures] == ["RuntimeError: a defect"]
    assert len(results.records) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_grid_goes_on_to_the_same_results(tmp_path: Path, number: signal.Signals) -> None:
    whole = reproduce(plan(tmp_path / "whole", epochs=2, batch_size=20))

    def stop(_run: Run, _model: VAE) -> None:
        os.kill(os.getpid(), number)

    stopped = tmp_path / "stopped"
    with pytest.raises(Interruption) as interruption:
        reproduce(plan(stopped, epochs=2, batch_size=20), InTheRun("-vae-d3-", stop))
    assert interruption.value.signal_number == number
    assert interruption.value.sentence == (
        f"interrupted by {number.name}; 2 of the 4 runs are finished, and the same command goes on."
    )
    resumed = reproduce(plan(stopped, epochs=2, batch_size=20))
    assert [comparable(record) for record in resumed.records] == [comparable(record) for record in whole.records]


def comparable(record: RunRecord) -> tuple[object, ...]:
    return record.name, record.curve, record.evaluation


def test_a_folder_of_the_same_name_that_is_another_run_is_refused_and_kept(tmp_path: Path) -> None:
    results = reproduce(plan(tmp_path))
    run = Run.open(tmp_path / results.records[0].name)
    run.go_on_with(dataclasses.replace(run.configuration, lr=0.5))
    refused = reproduce(plan(tmp_path))
    (failure,) = refused.failures
    assert failure.reason.startswith(f"{run.path} was made with --lr 0.5, and 0.001 is wanted. Move that folder away")
    assert Run.open(run.path).configuration.lr == 0.5


def test_nothing_is_trained_where_a_data_set_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is missing"):
        reproduce(plan(tmp_path / "runs", datasets=("digits", "mnist"), data_dir=str(tmp_path)))
    assert not (tmp_path / "runs").exists()


def test_nothing_is_trained_where_the_features_weights_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.pth"):
        reproduce(plan(tmp_path / "runs", features="inception", inception_weights=str(tmp_path / "nowhere.pth")))
    assert not (tmp_path / "runs").exists()


def test_results_come_back_from_their_file_as_they_were(tmp_path: Path) -> None:
    results = reproduce(plan(tmp_path))
    failed = dataclasses.replace(results, failures=(Failure("a-run", "a reason."),))
    failed.save(tmp_path / "results.json")
    back = Results.load(tmp_path / "results.json")
    assert back.document() == failed.document()
    assert [record.recipe for record in back.records] == [record.recipe for record in results.records]
    assert str(tmp_path) not in (tmp_path / "results.json").read_text()


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"version": 1, "runs": 3}', '{"version": 99}'])
def test_a_file_that_holds_no_results_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"results\.json"):
        Results.load(path)
