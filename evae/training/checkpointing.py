"""The schedule of checkpoints."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import torch

from evae.runs.checkpoints import Position
from evae.training.group import Group, require_finite_weights
from evae.training.progress import Progress
from evae.training.session import Session
from evae.training.stop_request import StopRequest
from foundation.errors import Interruption

#: At the end of an epoch no checkpoint is written if the last one took more than this share of the time since then.
CHECKPOINT_SHARE = 0.05


class Saver:
    """Writes checkpoints: after epochs, within an epoch every ``checkpoint_minutes`` minutes, and before a stop.

    Each run of the group gets its own checkpoint, all at the same position.
    """

    def __init__(self, group: Group, session: Session, stop: StopRequest) -> None:
        self._group, self._session, self._stop = group, session, stop
        self._saved = time.perf_counter()
        self._cost = 0.0
        self._position: Position | None = None

    def restart(self, position: Position) -> Position:
        """Note the position of the checkpoint from which training resumes, and return it."""
        self._position = position
        return position

    def save(
        self, position: Position, progress: Progress | None = None, noise: Sequence[torch.Generator] = ()
    ) -> Position:
        """Write a checkpoint of each run and return the position; processes other than the first write nothing.

        Parameters
        ----------
        position : Position
        progress : Progress, optional
            Within an epoch, its progress with the sums over all processes.
        noise : sequence of torch.Generator, optional
            Within an epoch, the generator of each run.

        Raises
        ------
        DivergenceError
            If a weight is infinite or NaN; of a group as `Group.isolate_failure` says.
        """
        if not self._session.processes.is_first:
            return position
        started = time.perf_counter()
        self._position = position
        for number, run in self._group.active():
            epoch = {}
            if progress is not None:
                sums = progress.sums[: progress.batch, number]
                epoch = {"noise": noise[number].get_state(), "sums": sums, "images": torch.tensor(progress.images)}
            with self._group.isolate_failure(number):
                checkpoint = self._session.capture(number, position, epoch)
                require_finite_weights(checkpoint.weights, position)
                run.checkpoints.write(checkpoint)
        self._saved = time.perf_counter()
        self._cost = self._saved - started
        return position

    def save_after_epoch(self, epoch: int) -> None:
        """Save after an epoch, unless epochs are so short that this takes more than `CHECKPOINT_SHARE` of the time."""
        last = epoch == self._session.config.epochs
        self._stop.agree()
        waited = time.perf_counter() - self._saved
        if last or self._stop.requested or waited * CHECKPOINT_SHARE >= self._cost:
            self.save_epoch(epoch)

    def save_epoch(self, epoch: int) -> None:
        """Save after an epoch, unless that was done."""
        if self._position is None or self._position.place != (epoch, 0):
            self.save(Position(epoch, 0, epoch * self._session.batches, 0.0, self._session.device.type))

    def is_due(self) -> bool:
        """Return whether a checkpoint within the epoch is due; all processes return the same."""
        waited = time.perf_counter() - self._saved
        (time_is_up,) = self._stop.agree(int(waited >= 60 * self._session.config.checkpoint_minutes))
        return self._stop.requested or bool(time_is_up)

    def save_within_epoch(self, progress: Progress, noise: Sequence[torch.Generator], seconds: float) -> None:
        """Save within an epoch, ``seconds`` after its start; then raise KeyboardInterrupt if a stop was requested.

        A run whose loss diverged fails as in `Group.isolate_failure`.
        """
        progress = progress.sum_over(self._session.processes)
        for number, _ in self._group.active():
            with self._group.isolate_failure(number):
                progress.means(number)
        position = Position(progress.epoch - 1, progress.batch, progress.step, seconds, self._session.device.type)
        self.save(position, progress, noise)
        # No process stops before the first one has written.
        self._stop.agree()
        self._stop.raise_if_requested()

    @contextlib.contextmanager
    def saved_if_stopped(self, progress: Progress, noise: Sequence[torch.Generator], seconds: float) -> Iterator[None]:
        """Save at the end of an epoch's batches if a signal ends the block that measures it; resuming repeats that."""
        try:
            yield
        except (KeyboardInterrupt, Interruption):
            self.save_within_epoch(progress, noise, seconds)
            raise
