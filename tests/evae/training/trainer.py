"""One small run of the command `train`, in processes that meet with faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evae import Run
from tests.support.processes.faults import Ended, Faults

#: Three batches an epoch, the last of them short, and a checkpoint after each.
EPOCHS = 2

SETTINGS = ["--limit-train", "28", "--batch-size", "12", "--epochs", str(EPOCHS), "--latent-dim", "4", "--lr", "1e-3"]

SETTINGS += ["--device", "cpu", "--checkpoint-minutes", "1e-9"]


class Trainer:
    """Trains one run, by what is left to do: the command itself, or ``--resume``."""

    def __init__(self, faults: Faults, data: Path, runs: Path) -> None:
        self.faults, self.data = faults, data
        self.runs, self.folder = runs, runs / "run"

    @property
    def run(self) -> Run:
        """The run, seen from here."""
        return Run.open(self.faults.seen(self.folder))

    @property
    def begun(self) -> bool:
        """Whether there is a run."""
        return (self.faults.seen(self.folder) / "config.json").exists()

    def train(self, **broken: Any) -> Ended:
        """Begin the run or resume it."""
        if self.begun:
            return self.faults.run("train", "--resume", self.folder, watched=self.runs, **broken)
        options = ["--dataset", "mnist", *SETTINGS, "--data-dir", self.data, "--runs-dir", self.runs, "--name", "run"]
        return self.faults.run("train", *options, watched=self.runs, **broken)

    @property
    def result(self) -> tuple[Any, ...]:
        """All that the run comes to, but for how long it took; and what is there next to it."""
        run, runs = self.run, self.faults.seen(self.runs)
        timeless = [
            {name: value for name, value in record.items() if name not in ("seconds", "images_per_second")}
            for record in run.metrics
        ]
        pictures = (run.path / "reconstructions.png").read_bytes()
        names = sorted(str(path.relative_to(runs)) for path in runs.rglob("*") if path.parent.name != "tensorboard")
        return timeless, run.weights_path.read_bytes(), pictures, run.status, names

    def require_true_status(self) -> None:
        """The status after a kill must be so: not that of a run that continues, and no epoch more than there was."""
        if self.begun:
            run = self.run
            epochs = len(run.metrics)
            assert run.status["state"] in ({"interrupted", "finished"} if epochs == EPOCHS else {"interrupted"})
            assert run.status["epochs_finished"] in (epochs, epochs - 1)
