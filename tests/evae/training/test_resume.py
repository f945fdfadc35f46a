"""A run that was stopped, however, ends as one that never was."""

from __future__ import annotations

import json
import math
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from evae import Run, train
from evae.exceptions import ResumeWarning
from evae.models.symmetric_beta import LEARNING_RATIO
from evae.runs.checkpoints import Position
from evae.runs.run import find_run
from evae.training.callbacks import Callback
from evae.training.group import TrainingInterrupted
from evae.training.progress import Progress
from evae.training.train import resume
from foundation.errors import InputError
from tests.evae.conftest import small, write_mnist

#: Three batches an epoch, the last of them short.
SETTINGS = {
    "dataset": "mnist",
    "limit_train": 28,
    "batch_size": 12,
    "epochs": 2,
    "latent_dim": 4,
    "device": "cpu",
    "lr": 1e-3,
}

#: A checkpoint after every batch.
OFTEN = 1e-9


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run of a moment, on a few images of noise."""
    return {**SETTINGS, "data_dir": str(write_mnist(tmp_path_factory.mktemp("data")))}


def result(run: Run) -> tuple[Any, ...]:
    """All that a run comes to, but for how long it took."""
    timeless = [
        {name: value for name, value in record.items() if name not in ("seconds", "images_per_second")}
        for record in run.metrics
    ]
    pictures = (run.path / "reconstructions.png").read_bytes()
    return timeless, run.weights_path.read_bytes(), pictures, run.status


@pytest.fixture(scope="module")
def never_stopped(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was not stopped, with a checkpoint after every batch: when one is written changes nothing."""
    return train(small(tmp_path_factory.mktemp("reference"), name="run", **settings, checkpoint_minutes=OFTEN))


def test_the_moment_of_a_checkpoint_changes_nothing(
    settings: dict[str, Any], never_stopped: Run, tmp_path: Path
) -> None:
    run = train(small(tmp_path, name="run", **settings))
    assert result(run) == result(never_stopped)


class Stopping(Callback):
    """Stops in the middle of an epoch, as Ctrl-C does."""

    def __init__(self, epoch: int, batch: int) -> None:
        self.at = (epoch, batch)

    def on_batch_end(self, progress: Progress) -> None:
        if (progress.epoch, progress.batch) == self.at:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture
def trained_once(settings: dict[str, Any], tmp_path: Path) -> Run:
    """A finished run of one epoch."""
    return train(small(tmp_path, name="run", **{**settings, "epochs": 1}))


class Following(Callback):
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.position: Position | None = None

    def on_resume(self, position: Position) -> None:
        self.position = position

    def on_batch_end(self, progress: Progress) -> None:
        self.steps.append(progress.step)


@pytest.fixture
def stopped(settings: dict[str, Any], tmp_path: Path) -> Run:
    """A run stopped after the second of three batches of its second epoch."""
    with pytest.raises(TrainingInterrupted) as caught:
        train(small(tmp_path, name="run", **settings), Stopping(2, 2))
    return caught.value.run


def test_a_stopped_run_resumes_at_the_next_batch(stopped: Run, never_stopped: Run) -> None:
    following = Following()
    run = resume(stopped, following)
    assert str(following.position) == "epoch 2, batch 2"
    assert following.steps == [6]
    assert result(run) == result(never_stopped)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_hold_out_images_are_measured_stops_at_once_and_the_epoch_is_measured_again(
    number: signal.Signals,
    settings: dict[str, Any],
    never_stopped: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Measuring takes minutes where there are many images."""

    def measure(*_: object) -> None:
        signal.raise_signal(number)
        pytest.fail("it is measured to the end")

    with monkeypatch.context() as patch:
        patch.setattr("evae.training.loop.holdout_metrics", measure)
        with pytest.raises(TrainingInterrupted) as caught:
            train(small(tmp_path, name="run", **settings))
    assert caught.value.signal_number == number
    assert caught.value.run.metrics == []
    following = Following()
    run = resume(caught.value.run, following)
    assert str(following.position) == "epoch 1, batch 3"
    assert result(run) == result(never_stopped)


def test_more_epochs_are_as_if_they_had_been_asked_for_at_once(
    settings: dict[str, Any], never_stopped: Run, tmp_path: Path
) -> None:
    first = train(small(tmp_path, name="run", **{**settings, "epochs": 1}))
    run = resume(first.path, epochs=2)
    assert run.configuration.epochs == 2
    assert result(run) == result(never_stopped)
    again = result(resume(run))
    assert again == result(never_stopped)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"latent_dim": 8}, "--latent-dim must be 4 to resume the run .*, got 8. Leave it out"),
        ({"seed": 3}, "--seed must be 0 to resume the run .*, got 3"),
        ({"precision": "bf16"}, "--precision must be fp32 to resume the run .*, got bf16"),
        ({"deterministic": True}, "--deterministic must be False to resume the run .*, got True"),
        ({"name": "other"}, "--name must be run to resume the run .*, got other"),
        ({"model": "evae"}, "--model must be vae to resume the run .*, got evae"),
        ({"epochs": 1}, "--epochs must be at least 2 to resume the run .*, got 1"),
    ],
)
def test_an_option_that_contradicts_the_run_is_refused(
    stopped_once: Run, options: dict[str, Any], sentence: str
) -> None:
    before = {path: path.read_bytes() for path in stopped_once.path.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=sentence):
        resume(stopped_once, **options)
    assert {path: path.read_bytes() for path in stopped_once.path.rglob("*") if path.is_file()} == before


@pytest.fixture(scope="module")
def stopped_once(settings: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The same, for tests that leave it as it is."""
    with pytest.raises(TrainingInterrupted) as caught:
        train(small(tmp_path_factory.mktemp("stopped"), name="run", **settings), Stopping(2, 2))
    return caught.value.run


def test_the_same_options_again_do_not_contradict(settings: dict[str, Any], stopped: Run) -> None:
    assert resume(stopped, **{**settings, "name": "run"}).status["state"] == "finished"


def test_a_killed_run_does_not_say_that_it_is_running(stopped_once: Run) -> None:
    stopped_once.set_status("running", epochs_finished=1)
    with stopped_once.locked():
        assert stopped_once.status["state"] == "running"
    status = stopped_once.status
    assert (status["state"], status["reason"]) == ("interrupted", "its process died without reporting an error")


def test_a_torn_line_and_records_after_the_checkpoint_are_written_again(stopped: Run, never_stopped: Run) -> None:
    (record,) = stopped.metrics
    with (stopped.path / "metrics.jsonl").open("a") as stream:
        stream.write(json.dumps({**record, "epoch": 2}) + "\n" + '{"epoch": 3, "tr')
    assert result(resume(stopped)) == result(never_stopped)


def test_what_a_killed_process_left_half_done_goes_also_when_nothing_is_left_to_train(trained_once: Run) -> None:
    names = "checkpoints/.epoch-00001.gone", ".status.json.0123456789abcdef.part"
    leftovers = [trained_once.path / name for name in names]
    leftovers[0].mkdir()
    leftovers[1].touch()
    assert resume(trained_once).status["state"] == "finished"
    assert not any(leftover.exists() for leftover in leftovers)


def test_a_missing_record_is_noticed(stopped: Run) -> None:
    (stopped.path / "metrics.jsonl").write_text("")
    with pytest.raises(InputError, match=r"metrics\.jsonl must hold one record for each of the epochs 1 to 1"):
        resume(stopped)


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_taken(stopped: Run, never_stopped: Run) -> None:
    path = stopped.path / "checkpoints" / "epoch-00002-batch-000002" / "optimizer.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.warns(ResumeWarning, match=rf"{path} was altered: .* The run is resumed from epoch \d\."):
        run = resume(stopped)
    assert result(run) == result(never_stopped)


def test_without_a_whole_checkpoint_nothing_is_guessed(stopped: Run) -> None:
    for manifest in stopped.path.glob("checkpoints/*/manifest.json"):
        manifest.unlink()
    with pytest.raises(InputError, match=r"holds no intact checkpoint: .*manifest\.json is missing"):
        resume(stopped)
    shutil.rmtree(stopped.path / "checkpoints")
    with pytest.raises(InputError, match=r"holds no checkpoint to resume from\. Begin a new run"):
        resume(stopped)


def test_other_images_are_refused(mnist: Path, tmp_path: Path) -> None:
    config = small(tmp_path / "runs", dataset="mnist", data_dir=str(mnist), limit_train=None)
    run = train(config)
    path = mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"are not those that .* was trained on: their SHA-256 differs"):
        resume(run, epochs=2)
    assert run.configuration.epochs == 1


def test_another_number_of_threads_or_kind_of_device_is_warned_of(stopped: Run) -> None:
    document = {**stopped.environment, "threads": 77}
    (stopped.path / "environment.json").write_text(json.dumps(document))
    with pytest.warns(ResumeWarning, match="trained with a number of threads of 77 and resumes with 1: its last bits"):
        run = resume(stopped)
    assert [environment["threads"] for environment in run.environment["earlier"]] == [77]


def test_an_epoch_begun_on_another_kind_of_device_continues_with_a_separate_stream(stopped: Run) -> None:
    checkpoint, _ = stopped.checkpoints.newest()
    assert checkpoint is not None
    position = Position(**{**vars(checkpoint.position), "device": "cuda"})
    on_cuda = {**checkpoint.epoch, "noise": torch.zeros(16, dtype=torch.uint8)}
    stopped.checkpoints.write(type(checkpoint)(position, checkpoint.weights, checkpoint.optimizer, on_cuda))
    with pytest.warns(ResumeWarning, match="trained on cuda and resumes on cpu: its results will not be identical"):
        run = resume(stopped)
    assert run.status == {"state": "finished", "epochs_finished": 2}


def test_a_run_is_found_by_its_folder_or_its_name(stopped_once: Run) -> None:
    assert find_run(stopped_once.path, "elsewhere") == stopped_once
    assert find_run("run", stopped_once.path.parent) == stopped_once
    with pytest.raises(InputError, match="nothing must be a run, but neither nothing nor elsewhere/"):
        find_run("nothing", "elsewhere")


def test_a_second_process_is_refused(stopped_once: Run) -> None:
    with stopped_once.locked(), pytest.raises(InputError, match="is being written by another process"):
        resume(stopped_once)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_deterministic_run_on_cuda_resumes_to_the_bit(settings: dict[str, Any], tmp_path: Path) -> None:
    settings = {**settings, "device": "cuda", "deterministic": True}
    reference = train(small(tmp_path / "a", name="run", **settings))
    with pytest.raises(TrainingInterrupted) as caught:
        train(small(tmp_path / "b", name="run", **settings), Stopping(2, 2))
    assert result(resume(caught.value.run)) == result(reference)


def test_a_learned_shape_is_resumed_to_the_bit_and_recorded(tmp_path: Path, settings: dict[str, Any]) -> None:
    options = {**settings, "model": "evae-beta", "limit_holdout": 10}
    whole = train(small(tmp_path, name="whole", **options))
    resumed = resume(train(small(tmp_path, name="part", **{**options, "epochs": 1})), epochs=2)
    weights = [run.read_weights()["shape.log_ratio"] for run in (whole, resumed)]
    assert torch.equal(*weights)
    recorded = [record.latent.spreads["a"] for record in whole.records]
    assert recorded[1] == pytest.approx(1 + math.exp(LEARNING_RATIO * float(weights[0])), rel=1e-6)
    assert len({2.0, *recorded}) == 3
    assert whole.records[1].latent.document()["mean_a"] == recorded[1]
