"""What may follow training while it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evae.data import ImageData
from evae.models.vae import VAE
from evae.runs.checkpoints import Position
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run
from evae.training.progress import Progress


class GroupWatcher:
    """What may follow runs that are trained at once, or one; this one ignores everything.

    A run is known by its number, its place among ``runs``.
    """

    def images_decoded(self, what: str, done: int, total: int) -> None:
        """Be told, before a run has a folder, that a data set is being decoded: so many images of so many."""

    def runs_started(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        """Be told that the runs' folders exist and training begins, or goes on."""

    def runs_resumed(self, position: Position) -> None:
        """Be told, after `runs_started`, where the runs go on."""

    def step_recorded(self, seconds: float) -> None:
        """Note that a step is recorded, which took ``seconds``; from now on it is replayed (`evae.training.steps`)."""

    def batch_finished(self, progress: Progress) -> None:
        """Be told of a step. Reading `Progress.means` waits for the device: do it a few times a second at most."""

    def run_failed(self, number: int, reason: str) -> None:
        """Be told that a run's loss is no number any more, and that the others go on without it."""

    def epoch_trained(self, records: Mapping[int, EpochRecord]) -> None:
        """Be told that an epoch is trained, measured and written: each run's record by number."""


class Watcher(GroupWatcher):
    """What may follow one run; this one ignores everything."""

    def run_started(self, run: Run, model: VAE, data: ImageData) -> None:
        """Be told that the run's folder exists and training begins, or goes on."""

    def run_resumed(self, position: Position) -> None:
        """Be told, after `run_started`, where a run goes on."""

    def epoch_finished(self, record: EpochRecord) -> None:
        """Be told that an epoch is trained, measured and written; its record."""

    def runs_started(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        """Pass on what concerns the one run."""
        self.run_started(runs[0], models[0], data)

    def runs_resumed(self, position: Position) -> None:
        """Pass on what concerns the one run."""
        self.run_resumed(position)

    def epoch_trained(self, records: Mapping[int, EpochRecord]) -> None:
        """Pass on what concerns the one run."""
        self.epoch_finished(records[0])
