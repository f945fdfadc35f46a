"""When a checkpoint is written, and of what."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from evae.runs.checkpoints import Position
from evae.training.group import Group, require_finite_weights
from evae.training.progress import Progress
from evae.training.session import Session
from evae.training.stop_request import StopRequest

#: At the end of an epoch a checkpoint is left out if the last one took more than this share of the time since.
CHECKPOINT_SHARE = 0.05


class Saver:
    """Writes checkpoints: at the end of epochs, within one when it is time, and when training is to stop.

    Of several runs that are trained at once each gets its own, all of one position.
    """

    def __init__(self, group: Group, session: Session, stop: StopRequest) -> None:
        self._group, self._session, self._stop = group, session, stop
        self._saved = time.perf_counter()
        self._cost = 0.0

    def save(
        self, position: Position, progress: Progress | None = None, noise: Sequence[torch.Generator] = ()
    ) -> Position:
        """Write checkpoints; an `evae.exceptions.DivergenceError` for a run of which a weight is infinite or NaN.

        Within an epoch ``progress`` and ``noise``, the generator of every run, say what its rest needs. Of several
        processes the first writes, and the others do nothing.
        """
        if not self._session.processes.is_first:
            return position
        started = time.perf_counter()
        for number, run in self._group.going():
            epoch = {}
            if progress is not None:
                sums = progress.sums[: progress.batch, number]
                epoch = {"noise": noise[number].get_state(), "sums": sums, "images": torch.tensor(progress.images)}
            with self._group.failing(number):
                checkpoint = self._session.capture(number, position, epoch)
                require_finite_weights(checkpoint.weights, position)
                run.checkpoints.write(checkpoint)
        self._saved = time.perf_counter()
        self._cost = self._saved - started
        return position

    def epoch_finished(self, epoch: int) -> None:
        """Save, unless epochs are so short that it would take more than `CHECKPOINT_SHARE` of the time."""
        last = epoch == self._session.config.epochs
        self._stop.agree()
        waited = time.perf_counter() - self._saved
        if last or self._stop.requested or waited * CHECKPOINT_SHARE >= self._cost:
            self.save(Position(epoch, 0, epoch * self._session.batches, 0.0, self._session.device.type))

    def is_due(self) -> bool:
        """Whether it is time to save within an epoch: for all processes, or for none."""
        waited = time.perf_counter() - self._saved
        (time_is_up,) = self._stop.agree(int(waited >= 60 * self._session.config.checkpoint_minutes))
        return self._stop.requested or bool(time_is_up)

    def save_within(self, progress: Progress, noise: Sequence[torch.Generator], seconds: float) -> None:
        """Save within an epoch; then stop, if that was asked for. A run fails as in `Progress.means`."""
        progress = progress.of_all(self._session.processes)
        for number, _ in self._group.going():
            with self._group.failing(number):
                progress.means(number)
        position = Position(progress.epoch - 1, progress.batch, progress.step, seconds, self._session.device.type)
        self.save(position, progress, noise)
        # Nobody leaves before it is written.
        self._stop.agree()
        self._stop.raise_if_requested()
