"""A grid of runs: done once, resumed after a stop, and not stopped by one that fails."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from evae import Run
from evae.configuration.configuration import Configuration
from evae.data import ImageData
from evae.experiments import runner
from evae.experiments.callbacks import GridCallback
from evae.experiments.deadline import deadline
from evae.experiments.judging import Judge, foreign_versions
from evae.experiments.plan import Plan
from evae.experiments.results import Failure, Results, RunRecord
from evae.experiments.runner import reproduce
from evae.models.vae import VAE
from evae.runs.checkpoints import Checkpoint, Checkpoints
from evae.runs.epoch_record import EpochRecord
from evae.runs.versions import PACKAGE, UNKNOWN, package_version
from evae.training.callbacks import Callback
from evae.training.progress import Progress
from evae.training.train import resume, train
from foundation.errors import InputError, Interruption
from foundation.files import read_json, write_json
from tests.support.places import ROOT

SMALL: dict[str, Any] = {"datasets": ("digits",), "latent_dims": (2, 3), "epochs": 1, "limit_train": 60}


def plan(folder: Path, **options: Any) -> Plan:
    settings = {**SMALL, "seeds": (0,), "features": "none", "device": "cpu", "lr": 1e-3, "runs_dir": str(folder)}
    return Plan.of("1", **{**settings, **options})


class Recorder(GridCallback):
    """Remembers what became of every run."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.found: list[RunRecord] = []
        self.finished: list[RunRecord] = []
        self.failed: list[Failure] = []

    def on_run_start(self, number: int, total: int, configuration: Configuration) -> Callback:
        self.begun.append((number, total))
        return self.following(configuration)

    def following(self, configuration: Configuration) -> Callback:  # noqa: ARG002
        return Callback()

    def on_run_found(self, record: RunRecord) -> None:
        self.found.append(record)

    def on_run_end(self, record: RunRecord) -> None:
        self.finished.append(record)

    def on_run_failed(self, failure: Failure) -> None:
        self.failed.append(failure)


@dataclasses.dataclass
class After(Callback):
    """Does something after the given number of batches of a run."""

    batches: int
    action: Callable[[Run, VAE], object]
    run: Run | None = None
    model: VAE | None = None

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:  # noqa: ARG002
        (self.run,), (self.model,) = runs, models

    def on_batch_end(self, progress: Progress) -> None:
        if progress.step == self.batches:
            assert self.run is not None
            assert self.model is not None
            self.action(self.run, self.model)


class InTheRun(Recorder):
    """Does something within the run of a given name."""

    def __init__(self, part: str, action: Callable[[Run, VAE], object]) -> None:
        super().__init__()
        self.part, self.action = part, action

    def following(self, configuration: Configuration) -> Callback:
        return After(1, self.action) if self.part in str(configuration.name) else Callback()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results, Recorder]:
    """The four runs of `plan`, trained and evaluated once for all tests; tests copy the folder."""
    folder, callback = tmp_path_factory.mktemp("grid"), Recorder()
    return folder, reproduce(plan(folder), callback), callback


@pytest.fixture
def results(trained: tuple[Path, Results, Recorder], tmp_path: Path) -> Results:
    """The results of the four finished runs that `tmp_path` holds."""
    shutil.copytree(trained[0], tmp_path, dirs_exist_ok=True)
    return trained[1]


def test_every_run_is_trained_and_evaluated_and_is_there_for_the_next_call(
    trained: tuple[Path, Results, Recorder], results: Results, tmp_path: Path
) -> None:
    first, second = trained[2], Recorder()
    assert first.begun == [(number, 4) for number in (1, 2, 3, 4)]
    assert [record.name for record in first.finished] == [record.name for record in results.records]
    for record in results.records:
        run = Run.open(tmp_path / record.name)
        assert run.status["state"] == "finished"
        assert record.curve == tuple(line.reconstruction for line in run.records)
        assert record.evaluation["weights_of_epoch"] == 1
    again = reproduce(plan(tmp_path), second)
    assert (len(second.found), second.finished) == (4, [])
    assert again == results


@pytest.mark.usefixtures("results")
def test_only_what_is_missing_is_done(tmp_path: Path) -> None:
    callback = Recorder()
    wider = reproduce(plan(tmp_path, seeds=(0, 1)), callback)
    assert (len(callback.found), len(callback.finished)) == (4, 4)
    assert [record.configuration.seed for record in wider.records] == [0] * 4 + [1] * 4


def test_a_run_whose_evaluation_is_lost_is_evaluated_and_not_trained_again(results: Results, tmp_path: Path) -> None:
    run = Run.open(tmp_path / results.records[0].name)
    weights = run.weights_path.stat().st_mtime_ns
    (run.path / "evaluation.json").unlink()
    callback = Recorder()
    assert reproduce(plan(tmp_path), callback) == results
    assert [record.name for record in callback.finished] == [run.name]
    assert run.weights_path.stat().st_mtime_ns == weights


def test_an_evaluation_with_other_features_is_made_again(results: Results, tmp_path: Path) -> None:
    path = tmp_path / results.records[1].name / "evaluation.json"
    evaluation = read_json(path)
    write_json(path, {**evaluation, "features": {"name": "classifier", "warning": None}})
    callback = Recorder()
    assert reproduce(plan(tmp_path), callback) == results
    assert [record.name for record in callback.finished] == [results.records[1].name]
    assert read_json(path) == evaluation


@pytest.mark.parametrize("error", [0, -1.5])
def test_an_evaluation_with_an_error_that_no_cross_entropy_has_is_made_again(
    error: float, results: Results, tmp_path: Path
) -> None:
    path = tmp_path / results.records[1].name / "evaluation.json"
    evaluation = read_json(path)
    errors = {**evaluation["reconstruction_error"], "one_posterior_draw": error}
    write_json(path, {**evaluation, "reconstruction_error": errors})
    assert reproduce(plan(tmp_path), Recorder()) == results
    assert read_json(path) == evaluation


def test_a_run_that_failed_after_its_last_epoch_resumes_to_its_end(results: Results, tmp_path: Path) -> None:
    run = Run.open(tmp_path / results.records[0].name)
    run.set_status("failed", epochs_finished=1, reason="the disk was full")
    callback = Recorder()
    assert reproduce(plan(tmp_path), callback) == results
    assert run.status["state"] == "finished"
    assert [record.name for record in callback.finished] == [run.name]


def test_a_run_that_fails_is_listed_and_the_rest_is_done(tmp_path: Path) -> None:
    def poison(_run: Run, model: VAE) -> None:
        model.get_parameter("encoder.heads.r.bias").data.fill_(float("nan"))

    callback = InTheRun("-evae-d2-", poison)
    results = reproduce(plan(tmp_path, latent_dims=(2,), batch_size=20), callback)
    (failure,) = results.failures
    assert callback.failed == [failure]
    assert failure.name == "digits-first60-evae-d2-seed0-1epochs-lr0.001-batch20"
    assert "became nan in epoch 1" in failure.reason
    assert len(results.records) == 1


def test_a_defect_in_one_run_is_listed_by_its_type(tmp_path: Path) -> None:
    def break_down(_run: Run, _model: VAE) -> None:
        raise RuntimeError("a defect")

    results = reproduce(plan(tmp_path, latent_dims=(2,)), InTheRun("-vae-", break_down))
    assert [failure.reason for failure in results.failures] == ["RuntimeError: a defect"]
    assert len(results.records) == 1


#: Two runs, of two epochs with several batches each: they can be stopped within an epoch.
LONGER: dict[str, Any] = {"epochs": 2, "batch_size": 20, "latent_dims": (2,)}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """What is compared of the results of `LONGER`, trained without a stop."""
    return [comparable(record) for record in reproduce(plan(tmp_path_factory.mktemp("whole"), **LONGER)).records]


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_grid_resumes_to_the_same_results(
    tmp_path: Path, uninterrupted: list[tuple[object, ...]], number: signal.Signals
) -> None:
    def stop(_run: Run, _model: VAE) -> None:
        os.kill(os.getpid(), number)

    with pytest.raises(Interruption) as interruption:
        reproduce(plan(tmp_path, **LONGER), InTheRun("-evae-", stop))
    assert interruption.value.signal_number == number
    assert interruption.value.sentence == (
        f"interrupted by {number.name}; 1 of the 2 runs are finished. Repeat the command to resume."
    )
    resumed = reproduce(plan(tmp_path, **LONGER))
    assert [comparable(record) for record in resumed.records] == uninterrupted


@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("after its last batch", signal.SIGINT),
        ("after its last batch", signal.SIGTERM),
        ("while it is evaluated", signal.SIGINT),
        ("after it was evaluated", signal.SIGTERM),
    ],
)
def test_a_signal_that_comes_when_a_run_is_trained_stops_the_grid_all_the_same(
    tmp_path: Path, moment: str, number: signal.Signals
) -> None:
    class Signalling(Recorder):
        def send(self, when: str) -> None:
            if when == moment and len(self.begun) == 1:
                os.kill(os.getpid(), number)

        def following(self, configuration: Configuration) -> Callback:  # noqa: ARG002
            class Following(Callback):
                def on_epoch_end(_, records: Mapping[int, EpochRecord]) -> None:  # noqa: ARG002, N805
                    self.send("after its last batch")

            return Following()

        def on_compare(self, description: str, done: int, total: int) -> None:  # noqa: ARG002
            self.send("while it is evaluated")

        def on_run_end(self, record: RunRecord) -> None:
            super().on_run_end(record)
            self.send("after it was evaluated")

    callback = Signalling()
    with pytest.raises(Interruption) as interruption:
        reproduce(plan(tmp_path), callback)
    judged = int(moment == "after it was evaluated")
    assert interruption.value.sentence == (
        f"interrupted by {number.name}; {judged} of the 4 runs are finished. Repeat the command to resume."
    )
    assert interruption.value.signal_number == number
    assert len(callback.begun) == 1
    (run,) = (Run.open(path.parent) for path in tmp_path.glob("*/config.json"))
    assert run.status["state"] == "finished"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_grid_whose_time_is_over_stops_with_a_checkpoint_and_resumes_to_the_same_results(
    tmp_path: Path, uninterrupted: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    over: list[bool] = []
    monkeypatch.setattr(runner, "deadline", lambda hours: lambda: hours == 8 and bool(over))
    callback = InTheRun("-evae-", lambda _run, _model: over.append(True))
    parts = plan(tmp_path, **LONGER)
    stopped = reproduce(parts, callback, hours=8)
    first, second = (config.name for config in parts.configurations)
    assert ([one.name for one in stopped.records], stopped.unfinished) == ([first], (second,))
    assert (stopped.planned, stopped.failures) == (2, ())
    run = Run.open(tmp_path / str(second))
    assert run.status == {"state": "interrupted", "epochs_finished": 0}
    assert {path.name for path in run.checkpoints.folder.iterdir()} == {"epoch-00000", "epoch-00001-batch-000001"}
    assert reproduce(parts, hours=8).unfinished == (second,)
    resumed = reproduce(parts)
    assert resumed.unfinished == ()
    assert [comparable(record) for record in resumed.records] == uninterrupted


def test_the_time_is_over_after_the_given_hours_and_not_before() -> None:
    now = 100.0
    late = deadline(2, lambda: now)
    never = deadline(None, lambda: now)
    for now, over in ((100.0, False), (100.0 + 7199.9, False), (100.0 + 7200, True)):  # noqa: B007
        assert late() is over
        assert not never()
    for hours in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match="--hours must be a positive number, got"):
            deadline(hours)


def test_what_is_finished_is_kept_after_every_run_with_all_that_was_there(results: Results, tmp_path: Path) -> None:
    names = [config.name for config in plan(tmp_path).configurations]
    for name in names[:2]:
        shutil.rmtree(tmp_path / str(name))
    kept: list[Results] = []
    results = reproduce(plan(tmp_path), kept=kept.append)
    assert [len(one.records) for one in kept] == [3, 4]
    assert kept[0].unfinished == (names[1],)
    assert [one.name for one in kept[0].records] == [names[0], *names[2:]]
    assert kept[1] == results


class Knowing(Recorder):
    """Remembers what was said of known runs, too."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: list[tuple[Path, int, int]] = []
        self.known: list[RunRecord] = []

    def on_known_runs(self, source: Path, used: int, total: int) -> None:
        self.counted.append((source, used, total))

    def on_run_known(self, record: RunRecord) -> None:
        self.known.append(record)


def test_known_runs_are_neither_trained_nor_looked_for(trained: tuple[Path, Results, Recorder], tmp_path: Path) -> None:
    trained[1].save(tmp_path / "known.json")
    callback = Knowing()
    wanted = plan(tmp_path / "here", latent_dims=(2,), models=("vae",), seeds=(0, 1))
    here = reproduce(wanted, callback, known=[tmp_path / "known.json"])
    assert callback.counted == [(tmp_path / "known.json", 1, 4)]
    assert [one.document() for one in callback.known] == [trained[1].records[0].document()]
    assert [one.configuration.seed for one in here.records] == [0, 1]
    assert [path.parent.name for path in (tmp_path / "here").glob("*/config.json")] == [here.records[1].name]


def test_known_runs_of_other_images_are_refused_before_anything_is_trained(
    trained: tuple[Path, Results, Recorder], tmp_path: Path
) -> None:
    there = trained[1]
    digests = {**there.records[0].data_sha256, "train": "another"}
    records = tuple(dataclasses.replace(one, data_sha256=digests) for one in there.records)
    dataclasses.replace(there, records=records).save(tmp_path / "known.json")
    with pytest.raises(
        InputError, match=r"its training images of digits are not those at hand \(SHA-256 another there"
    ):
        reproduce(plan(tmp_path / "here"), known=[tmp_path / "known.json"])
    assert not (tmp_path / "here").exists()


def test_a_run_that_another_version_made_is_neither_counted_nor_resumed(results: Results, tmp_path: Path) -> None:
    for name in (record.name for record in results.records):
        run = Run.open(tmp_path / name)
        environment = {**run.environment, "packages": {**run.environment["packages"], PACKAGE: "0.1.0"}}
        write_json(run.path / "environment.json", environment)
    run.set_status("interrupted", epochs_finished=0)
    with pytest.raises(InputError) as refused:
        reproduce(plan(tmp_path))
    assert str(refused.value) == (
        f"{tmp_path / results.records[0].name} and 3 other runs were made by version 0.1.0 of this program, "
        f"and this is {package_version()}, whose figures do not compare with theirs. "
        "Give another --runs-dir, or move them away."
    )
    assert len([*tmp_path.glob("*/config.json")]) == 4
    # Somebody resumes it by hand: what results is of both versions.
    resume(Run.open(run.path), epochs=1)
    assert foreign_versions(Run.open(run.path)) == ("0.1.0",)
    judge = Judge.of(plan(tmp_path).configurations[0], "none")
    with pytest.raises(InputError, match=r"was made by version 0\.1\.0 of this program.*Move that folder away"):
        judge.found(plan(tmp_path).configurations[-1])


def test_a_run_killed_before_it_was_trained_has_no_version_and_is_begun(tmp_path: Path) -> None:
    (config, *_) = plan(tmp_path).configurations
    run = Run.create(config, (1, 32, 32), {"train": 60, "holdout": 299})
    assert foreign_versions(run) == ()
    assert reproduce(plan(tmp_path, latent_dims=(2,), models=("vae",))).failures == ()
    assert len(Run.open(run.path).records) == 1
    # Whatever was trained says by which version, and what does not say it is of no known one.
    (run.path / "environment.json").unlink()
    assert foreign_versions(run) == (UNKNOWN,)


def test_a_run_says_its_version_before_its_first_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, said = Checkpoints.write, []

    def watched(checkpoints: Checkpoints, checkpoint: Checkpoint) -> None:
        said.append((checkpoints.folder.parent / "environment.json").exists())
        write(checkpoints, checkpoint)

    monkeypatch.setattr(Checkpoints, "write", watched)
    train(plan(tmp_path).configurations[0])
    assert said == [True, True]


def test_a_run_of_other_images_is_not_taken_for_the_one_that_is_wanted(results: Results, tmp_path: Path) -> None:
    path = tmp_path / results.records[0].name / "config.json"
    document = read_json(path)
    document["data"]["sha256"]["holdout"] = "another"
    write_json(path, document)
    (failure,) = reproduce(plan(tmp_path, latent_dims=(2,))).failures
    assert failure.reason.startswith(
        f"{path.parent} was trained on other images of digits than those in data: their SHA"
    )


def comparable(record: RunRecord) -> tuple[object, ...]:
    return record.name, record.curve, record.evaluation


def test_a_folder_of_the_same_name_that_is_another_run_is_refused_and_kept(results: Results, tmp_path: Path) -> None:
    run = Run.open(tmp_path / results.records[0].name)
    run.replace_configuration(dataclasses.replace(run.configuration, lr=0.5))
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


def test_results_come_back_from_their_file_as_they_were(results: Results, tmp_path: Path) -> None:
    part = dataclasses.replace(results, failures=(Failure("a-run", "a reason."),), unfinished=("another-run",))
    part.save(tmp_path / "results.json")
    back = Results.load(tmp_path / "results.json")
    assert back.document() == part.document()
    document = read_json(tmp_path / "results.json")
    assert (document["version"], document["finished"], document["planned"]) == (2, 4, 6)
    assert [one["data_sha256"] for one in document["runs"]] == [
        Run.open(tmp_path / results.records[0].name).data_sha256
    ] * 4
    assert [record.recipe for record in back.records] == [record.recipe for record in results.records]
    assert str(tmp_path) not in (tmp_path / "results.json").read_text()


@pytest.mark.parametrize("field", ["finished", "planned", "unfinished", "data_sha256"])
def test_results_of_which_a_part_was_taken_out_are_refused(tmp_path: Path, field: str) -> None:
    path = ROOT / "results" / "table-1.json"
    Results.load(path).save(tmp_path / "results.json")
    document = read_json(tmp_path / "results.json")
    document["runs"][3].pop(field, None)
    document.pop(field, None)
    write_json(tmp_path / "results.json", document)
    with pytest.raises(InputError, match="something is missing or wrong"):
        Results.load(tmp_path / "results.json")


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"version": 1, "runs": 3}', '{"version": 99}'])
def test_a_file_that_holds_no_results_is_one_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"results\.json"):
        Results.load(path)
