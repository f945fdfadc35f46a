"""What a run says and keeps when the machine fails it."""

from __future__ import annotations

import errno
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from evae import Run, train
from evae.compute.processes import Processes
from evae.exceptions import DivergenceError
from evae.runs import checkpoints
from evae.runs.checkpoints import Checkpoints
from evae.training.callbacks import Callback
from evae.training.checkpointing import Saver
from evae.training.group import Group, TrainingStopped
from evae.training.progress import Progress
from evae.training.session import Session
from evae.training.stop_request import StopRequest
from evae.training.train import resume
from foundation.errors import InputError
from tests.evae.conftest import small


def whole(run: Run) -> bool:
    """Whether a run can resume from its newest checkpoint, and every number in that is finite."""
    found, damage = run.checkpoints.newest()
    return (
        damage == [] and found is not None and all(bool(tensor.isfinite().all()) for tensor in found.weights.values())
    )


class Breaking(Callback):
    """Does something after a given batch of the second epoch."""

    def on_start(self, runs: Any, models: Any, data: Any) -> None:  # noqa: ARG002
        (self.run,), (self.model,) = runs, models

    def on_batch_end(self, progress: Progress) -> None:
        if (progress.epoch, progress.batch) == (2, 2):
            self.break_it()

    def break_it(self) -> None:
        raise NotImplementedError


def test_a_full_disk_is_one_sentence_and_the_run_resumes_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Filling(Breaking):
        def break_it(self) -> None:
            def full(path: Path, _: bytes) -> None:
                path.touch()
                raise OSError(errno.ENOSPC, "No space left on device", str(path))

            monkeypatch.setattr(checkpoints, "_write_synced", full)

    callback = Filling()
    with pytest.raises(TrainingStopped) as caught:
        train(small(tmp_path, name="run", epochs=3, batch_size=60, limit_train=130), callback)
    sentence = str(caught.value)
    assert "run could not be written: No space left on device (" in sentence
    assert sentence.endswith(f"When that is mended, resume with: python cli.py train --resume {tmp_path / 'run'}")
    assert callback.run.status["state"] == "failed"
    assert "No space left" in callback.run.status["reason"]
    assert whole(callback.run)
    monkeypatch.undo()
    reference = train(small(tmp_path, name="reference", epochs=3, batch_size=60, limit_train=130))
    assert resume(callback.run).weights_path.read_bytes() == reference.weights_path.read_bytes()


def test_a_disk_without_room_for_the_status_leaves_one_that_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Filling(Breaking):
        def break_it(self) -> None:
            def full(*_: object, **__: object) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            monkeypatch.setattr("evae.runs.run.atomic_write", full)
            monkeypatch.setattr("evae.runs.run.write_json", full)

    callback = Filling()
    with pytest.raises(TrainingStopped, match=r"could not be written: No space left on device\. What was written"):
        train(small(tmp_path, name="run", epochs=3, batch_size=60, limit_train=130), callback)
    monkeypatch.undo()
    assert callback.run.status["state"] == "interrupted"
    assert whole(callback.run)


def test_a_disk_too_small_for_a_checkpoint_is_found_before_the_first_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checkpoints, "write", full)
    with pytest.raises(TrainingStopped, match="No space left"):
        train(small(tmp_path, name="run"))
    assert Run.open(tmp_path / "run").records == ()


def test_memory_that_is_missing_on_the_device_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausting(Breaking):
        def break_it(self) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory")

    callback = Exhausting()
    with pytest.raises(TrainingStopped, match="not enough free memory for a step of 60 images") as caught:
        train(small(tmp_path, epochs=3, batch_size=60, limit_train=130), callback)
    assert "begin a new run with a smaller --batch-size" in str(caught.value)
    assert callback.run.status["state"] == "failed"
    assert whole(callback.run)

    def exhaust(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Session, "_begin", exhaust)
    with pytest.raises(InputError, match=r"free memory for the model and the images of digits \(439,296 bytes"):
        train(small(tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_a_weight_that_is_not_a_number_gets_into_no_checkpoint(tmp_path: Path) -> None:
    """The weights can be lost in the step before the loss shows it: a checkpoint there is refused."""

    class Poisoning(Breaking):
        def break_it(self) -> None:
            with torch.no_grad():
                self.model.encoder.heads["mu"].bias.fill_(math.nan)

    callback = Poisoning()
    with pytest.raises(
        DivergenceError, match=r"the weight encoder\.heads\.mu\.bias became nan by epoch 2, batch 2 \(step 5\)\."
    ):
        train(small(tmp_path, epochs=3, batch_size=60, limit_train=130, checkpoint_minutes=1e-9), callback)
    assert callback.run.status["state"] == "failed"
    found, _ = callback.run.checkpoints.newest()
    assert found is not None
    assert str(found.position) == "epoch 2, batch 1"
    assert whole(callback.run)


def test_a_loss_that_is_not_a_number_gets_into_no_checkpoint(tmp_path: Path) -> None:
    session = Session.begin(small(tmp_path), _digits(), Processes())
    sums = torch.tensor([[[1.0, 2.0]], [[math.nan, 2.0]]], dtype=torch.float64)
    progress = Progress(1, 3, 4, ("reconstruction", "kl"), sums, batch=2, images=20)

    class Refusing(Saver):
        def save(self, *_: Any, **__: Any) -> Any:
            raise AssertionError

    saver = Refusing(Group((Run(tmp_path),)), session, StopRequest())
    with pytest.raises(DivergenceError, match=r"reconstruction term became nan in epoch 1, batch 2 of 4 \(step 2\)"):
        saver.save_within_epoch(progress, [torch.Generator()], 0.0)


def _digits() -> Any:
    from evae.data import load

    return load("digits", limit_train=20)
