"""Callbacks of a grid of runs: hooks that are called while its runs are trained and evaluated."""

from __future__ import annotations

from pathlib import Path

from evae.configuration.configuration import Configuration
from evae.experiments.results import Failure, RunRecord
from evae.training.callbacks import Callback


class GridCallback:
    """Hooks of `evae.experiments.runner.reproduce`. Each hook does nothing by default; override those that you need."""

    def on_prepare(self, description: str, done: int, total: int) -> None:
        """Handle progress before the first run: in decoding images, or in training a classifier.

        Parameters
        ----------
        description : str
            The work, as words in a sentence.
        done, total : int
            Numbers of finished and of all parts, such as images.
        """

    def on_data_read(self, dataset: str, sentence: str) -> None:
        """Handle a sentence on what was skipped of a data set, or is remarkable; called before the first run."""

    def on_known_runs(self, source: Path, used: int, total: int) -> None:
        """Handle a file of earlier results: ``used`` of its ``total`` runs replace planned runs."""

    def on_run_known(self, record: RunRecord) -> None:
        """Handle a run that is taken from a file of earlier results."""

    def on_run_found(self, record: RunRecord) -> None:
        """Handle a run that was already trained and evaluated in its folder."""

    def on_run_start(self, number: int, total: int, configuration: Configuration) -> Callback:  # noqa: ARG002
        """Handle the start of a run, and return the callback of its training.

        Parameters
        ----------
        number, total : int
            Position in the plan, from 1, and number of planned runs.
        configuration : Configuration
        """
        return Callback()

    def on_compare(self, description: str, done: int, total: int) -> None:
        """Handle progress in evaluating a run; the parameters are those of `on_prepare`."""

    def on_run_end(self, record: RunRecord) -> None:
        """Handle a run that was trained and evaluated."""

    def on_run_failed(self, failure: Failure) -> None:
        """Handle a run that could not be trained or evaluated; the grid continues with the next one."""

    def on_runs_submitted(self, runs: int, epochs: int) -> None:
        """Handle the submission of runs, with ``epochs`` epochs in total, to a cluster.

        The cluster trains them in any order, without `on_run_start`.
        """

    def on_worker_epoch_end(self, name: str, epoch: int) -> None:
        """Handle the end of an epoch (from 1) of the run with this name on a worker of the cluster."""
