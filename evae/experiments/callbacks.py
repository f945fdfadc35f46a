"""What may follow a grid of runs while they are trained and judged."""

from __future__ import annotations

from pathlib import Path

from evae.configuration.configuration import Configuration
from evae.experiments.results import Failure, RunRecord
from evae.training.callbacks import GroupWatcher


class GridWatcher:
    """What may follow a grid of runs; this one ignores everything."""

    def preparing(self, what: str, done: int, total: int) -> None:
        """Be told, before the first run, that images are decoded or a classifier is trained: so many of so many."""

    def comparing(self, what: str, done: int, total: int) -> None:
        """Be told that the features of a run's images are compared: so many of so many."""

    def run_begins(self, number: int, total: int, configuration: Configuration) -> GroupWatcher:  # noqa: ARG002
        """Be told which run of how many comes next; return what follows its training."""
        return GroupWatcher()

    def known_counted(self, source: Path, used: int, total: int) -> None:
        """Be told, before the first run, how many of the runs in an earlier file stand for planned ones."""

    def run_known(self, record: RunRecord) -> None:
        """Be told that the run is taken from an earlier file."""

    def run_found(self, record: RunRecord) -> None:
        """Be told that the run was there already, trained and judged."""

    def run_finished(self, record: RunRecord) -> None:
        """Be told that the run is trained and judged."""

    def run_failed(self, failure: Failure) -> None:
        """Be told that it could not be; the grid goes on."""

    def handed_out(self, runs: int, epochs: int) -> None:
        """Be told that so many runs, of so many epochs together, are handed to a cluster, to be done in any order."""

    def epoch_finished(self, name: str, epoch: int) -> None:
        """Be told that a worker of the cluster has finished an epoch of the run of that name."""
