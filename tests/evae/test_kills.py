"""A command that is killed anywhere leaves what it wrote whole, and the same command again ends as if never stopped."""

from __future__ import annotations

import itertools
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from evae import Run
from tests.faults import Ended, Faults, kind

from .conftest import write_mnist

#: Three batches an epoch, the last of them short, and a checkpoint after each.
EPOCHS = 2
SETTINGS = ["--limit-train", "28", "--batch-size", "12", "--epochs", EPOCHS, "--latent-dim", "4", "--lr", "1e-3"]
SETTINGS += ["--device", "cpu", "--checkpoint-minutes", "1e-9"]


class Trainer:
    """Trains one run, by what is left to do: the command itself, or ``--resume``."""

    def __init__(self, faults: Faults, data: Path, runs: Path) -> None:
        self.faults, self.data, self.runs = faults, data, runs
        self.folder = runs / "run"

    def train(self, **broken: Any) -> Ended:
        """Begin the run or go on with it."""
        if (self.folder / "config.json").exists():
            return self.faults.run("train", "--resume", self.folder, watched=self.runs, **broken)
        options = ["--dataset", "mnist", *SETTINGS, "--data-dir", self.data, "--runs-dir", self.runs, "--name", "run"]
        return self.faults.run("train", *options, watched=self.runs, **broken)

    @property
    def result(self) -> tuple[Any, ...]:
        """All that the run comes to, but for how long it took; and what is there beside it."""
        run = Run.open(self.folder)
        timeless = [
            {name: value for name, value in record.items() if name not in ("seconds", "images_per_second")}
            for record in run.metrics
        ]
        pictures = (run.path / "reconstructions.png").read_bytes()
        names = sorted(
            str(path.relative_to(self.runs)) for path in self.runs.rglob("*") if path.parent.name != "tensorboard"
        )
        return timeless, run.weights_path.read_bytes(), pictures, run.status, names

    def require_true_status(self) -> None:
        """The status after a kill must be so: not that of a run that goes on, and no epoch more than there was."""
        if (self.folder / "config.json").exists():
            run = Run.open(self.folder)
            epochs = len(run.metrics)
            assert run.status["state"] in ({"interrupted", "finished"} if epochs == EPOCHS else {"interrupted"})
            assert run.status["epochs_finished"] in (epochs, epochs - 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mnist(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def never_stopped(faults: Faults, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trainer, list[str]]:
    """A run that was not stopped, and the moments at which it could have been."""
    trainer = Trainer(faults, data, tmp_path_factory.mktemp("reference"))
    ended = trainer.train()
    assert ended.code == 0, ended.errors
    assert len(ended.moments) > 250
    return trainer, ended.moments


def test_a_run_killed_at_every_kind_of_boundary_one_after_another_ends_bit_identical(
    faults: Faults, data: Path, never_stopped: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    """Each process goes on to the first kind of boundary at which none before it was killed."""
    reference, moments = never_stopped
    killed: list[str] = []
    # Some boundaries are those of a new run alone: a second run, and a third, come to what is left of them.
    for number in itertools.count():
        trainer = Trainer(faults, data, tmp_path / str(number))
        before = len(killed)
        while (ended := trainer.train(spared=killed)).code:
            assert ended.code == -signal.SIGKILL, ended.errors
            killed.append(kind(ended.moments[-1]))
            trainer.require_true_status()
        assert trainer.result == reference.result
        if len(killed) == before:
            break
    assert {*map(kind, moments), "removed run/checkpoints/.epoch-N.part"} <= set(killed)
    assert {"half written run/metrics.jsonl", "renamed run/status.json", "synced run/checkpoints", "step"} <= set(
        killed
    )


def test_a_run_killed_once_anywhere_ends_bit_identical(
    faults: Faults, data: Path, never_stopped: tuple[Trainer, list[str]], tmp_path: Path
) -> None:
    reference, moments = never_stopped
    for moment in random.Random(0).sample(range(1, len(moments)), 10):
        trainer = Trainer(faults, data, tmp_path / str(moment))
        assert trainer.train(at={moment: signal.SIGKILL}).code == -signal.SIGKILL
        trainer.require_true_status()
        ended = trainer.train()
        assert ended.code == 0, (moments[moment - 1], ended.errors)
        assert trainer.result == reference.result, moments[moment - 1]
