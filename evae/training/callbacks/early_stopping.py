"""Early stopping: the end of training when a metric of hold-out images no longer improves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evae.configuration.hold_out import METRICS
from evae.data import ImageData
from evae.exceptions import StopTraining
from evae.models.vae import VAE
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run
from evae.training.callbacks.callback import Callback
from foundation.errors import InputError, suggest


class EarlyStopping(Callback):
    """Stops a run when a metric of hold-out images has not improved for several epochs; the run is then finished.

    Of several seeds at once each stops by its own metric, after the epoch at which it would stop alone, while the
    others are trained further. The metrics of a resumed run are read from its folder, so that it stops after the epoch
    at which it would have stopped if it had never been interrupted.

    Parameters
    ----------
    metric : str
        One of `evae.configuration.hold_out.METRICS`: ``loss``, ``reconstruction`` or ``reconstruction_at_mean``, of
        which less is better, or ``active_dimensions``, of which more is.
    patience : int
        Number of epochs without improvement after which the run stops, from 1.
    min_delta : float
        Least change of the metric, in its own unit (nats per image for the errors), that counts as an improvement; a
        change must be greater.

    Raises
    ------
    InputError
        If a parameter is outside its domain.
    """

    def __init__(self, metric: str = "loss", patience: int = 5, min_delta: float = 0.0) -> None:
        if metric not in METRICS:
            raise InputError(f"metric {metric!r} is not known. {suggest(str(metric), tuple(METRICS))}")
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 1:
            raise InputError(f"patience must be a whole number of epochs from 1, got {patience!r}.")
        if not min_delta >= 0:
            raise InputError(f"min_delta must be a number from 0, got {min_delta!r}.")
        self.metric, self.patience, self.min_delta = METRICS[metric], patience, min_delta
        self._values: list[list[float]] = []

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:  # noqa: ARG002
        """Read the metrics of the finished epochs; stop the runs that need no more."""
        self._values = [[record.metric(self.metric.name) for record in run.records] for run in runs]
        self._stop(range(len(runs)))

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        """Stop the runs whose metric has not improved for long enough."""
        for number, record in records.items():
            self._values[number].append(record.metric(self.metric.name))
        self._stop(records)

    def _stop(self, runs: Sequence[int] | Mapping[int, EpochRecord]) -> None:
        stopped = [number for number in runs if self._waited(number) >= self.patience]
        if stopped:
            epochs = "epoch" if self.patience == 1 else f"{self.patience} epochs"
            by = f" by more than {self.min_delta:g}" if self.min_delta else ""
            reason = f"the {self.metric.words} on hold-out images has not improved{by} in the last {epochs}"
            raise StopTraining(reason, stopped)

    def _waited(self, number: int) -> int:
        values = self._values[number]
        return len(values) - self.metric.latest_gain(values, self.min_delta)
