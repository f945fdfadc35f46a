"""Several callbacks as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evae.data import ImageData
from evae.exceptions import StopTraining
from evae.models.vae import VAE
from evae.runs.checkpoints import Position
from evae.runs.epoch_record import EpochRecord
from evae.runs.run import Run
from evae.training.callbacks.callback import Callback
from evae.training.progress import Progress


class Callbacks(Callback):
    """Several callbacks as one: each hook is called on all of them, in their order.

    A `StopTraining` is raised when all of them were called, so that a logger after an `evae.EarlyStopping` still sees
    the last epoch. Any other exception is raised at once.

    Parameters
    ----------
    members : sequence of Callback
    """

    def __init__(self, members: Sequence[Callback] = ()) -> None:
        self.members = tuple(flat for member in members for flat in _flatten(member))

    def on_data_decoded(self, description: str, done: int, total: int) -> None:
        """Call the hook of each."""
        self._call("on_data_decoded", description, done, total)

    def on_start(self, runs: Sequence[Run], models: Sequence[VAE], data: ImageData) -> None:
        """Call the hook of each."""
        self._call("on_start", runs, models, data)

    def on_resume(self, position: Position) -> None:
        """Call the hook of each."""
        self._call("on_resume", position)

    def on_step_captured(self, seconds: float) -> None:
        """Call the hook of each."""
        self._call("on_step_captured", seconds)

    def on_batch_end(self, progress: Progress) -> None:
        """Call the hook of each."""
        self._call("on_batch_end", progress)

    def on_run_failed(self, number: int, reason: str) -> None:
        """Call the hook of each."""
        self._call("on_run_failed", number, reason)

    def on_epoch_end(self, records: Mapping[int, EpochRecord]) -> None:
        """Call the hook of each."""
        self._call("on_epoch_end", records)

    def on_end(self, runs: Sequence[Run]) -> None:
        """Call the hook of each."""
        self._call("on_end", runs)

    def _call(self, hook: str, *arguments: object) -> None:
        stops = []
        for member in self.members:
            try:
                getattr(member, hook)(*arguments)
            except StopTraining as stop:
                stops.append(stop)
        if stops:
            raise _join(stops)


def _flatten(member: Callback) -> Sequence[Callback]:
    # A subclass may override hooks, and is called as a whole.
    return member.members if type(member) is Callbacks else (member,)


def _join(stops: Sequence[StopTraining]) -> StopTraining:
    """Return one exception for all, which stops each run that one of them stops."""
    reason = "; ".join(dict.fromkeys(stop.reason for stop in stops))
    named = [stop.runs for stop in stops if stop.runs is not None]
    return StopTraining(reason, None if len(named) < len(stops) else sorted({run for runs in named for run in runs}))


class StopRecorder(Callbacks):
    """Calls callbacks, and notes the `StopTraining` that they raise, for the end of the epoch.

    Attributes
    ----------
    stops : list of StopTraining
    """

    def __init__(self, members: Sequence[Callback] = ()) -> None:
        super().__init__(members)
        self.stops: list[StopTraining] = []

    def reason_to_stop(self, number: int) -> str | None:
        """Return the first reason for which the run with this index stops; None if there is none."""
        return next((stop.reason for stop in self.stops if stop.runs is None or number in stop.runs), None)

    def _call(self, hook: str, *arguments: object) -> None:
        for member in self.members:
            try:
                getattr(member, hook)(*arguments)
            except StopTraining as stop:
                self.stops.append(stop)
