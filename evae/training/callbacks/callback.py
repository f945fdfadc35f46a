"""The hooks that are called while runs are trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evae.data import ImageData
from evae.models.vae import VAE
from evae.runs.checkpoints import Position
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run
from evae.training.progress import Progress


class Callback:
    """Hooks of the training of a group of runs: one, or several seeds at once. Each hook does nothing by default.

    Override the hooks that you need, and pass an instance, or a list of several, to `evae.train`, `evae.train_seeds`,
    `evae.resume` or `evae.resume_seeds`. The hooks are called in the order in which they are listed here, those from
    `on_batch_end` to `on_epoch_end` for each batch, failure or epoch. A run is identified by its index in the group,
    which is 0 for a single run. With several processes only the first one calls hooks.

    `evae.StopTraining`, raised in any hook, ends training at the end of the epoch, with the runs finished. Any other
    exception ends it at once, and its message is written into the status of every run.
    """

    def on_data_decoded(self, description: str, done: int, total: int) -> None:
        """Handle progress in decoding the data set, before any run has a folder.

        Parameters
        ----------
        description : str
            The data that are decoded, as words in a sentence.
        done, total : int
            Numbers of images.
        """

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        """Handle the start of training, when all folders exist and hold a configuration.

        Parameters
        ----------
        runs : sequence of Run
        models : sequence of VAE
            The model of each run, which training changes in place.
        data : ImageData
            The images that all runs are trained on.
        """

    def on_resume(self, position: Position) -> None:
        """Handle the continuation of training from a checkpoint at this position; called after `on_start`."""

    def on_step_captured(self, seconds: float) -> None:
        """Handle the capture of a step as a CUDA graph in ``seconds``; later steps replay it."""

    def on_batch_end(self, progress: Progress) -> None:
        """Handle the end of a batch. Hot: `Progress.means` waits for the device, so call it a few times a second."""

    def on_run_failed(self, number: int, reason: str) -> None:
        """Handle the divergence of the run with index ``number``, while training continues for others of the group.

        ``reason`` is a sentence. A single run that diverges raises `evae.exceptions.DivergenceError` instead.
        """

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        """Handle the end of an epoch, after its weights and record are written.

        Parameters
        ----------
        records : mapping of int to EpochRecord
            The record of each run that has not failed, by its index.
        """

    def on_end(self, runs: Sequence[Run]) -> None:
        """Handle the end of training, however it ends; called if `on_start` was.

        ``runs`` are all runs of the group; their ``status`` says how they ended. A `evae.StopTraining` comes too late
        here.
        """
