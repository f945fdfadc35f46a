"""The progress of an epoch, and the means of the loss so far."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import Tensor

from evae.compute.processes import Processes
from evae.exceptions import DivergenceError


@dataclass(frozen=True)
class Progress:
    """The progress of an epoch.

    Attributes
    ----------
    epoch, epochs : int
        Number of this epoch, from 1, and of all epochs.
    batches : int
        Number of batches in an epoch.
    term_names : tuple of str
        Names of the terms of the loss.
    sums : Tensor
        Sums over the images of each batch, in nats, of shape (batches, runs, terms), float64, on the device.
    batch, images : int
        Numbers of finished batches, and of their images for each run.
    seen : int
        Number of those images whose terms are in ``sums``: each of several processes has a part of every batch.
    """

    epoch: int
    epochs: int
    batches: int
    term_names: tuple[str, ...]
    sums: Tensor
    batch: int = 0
    images: int = 0
    seen: int = 0

    def add_batch(self, images: int, seen: int) -> Progress:
        """Return the progress after one more batch with this number of images, of which this process has ``seen``."""
        return dataclasses.replace(self, batch=self.batch + 1, images=self.images + images, seen=self.seen + seen)

    def sum_over(self, processes: Processes) -> Progress:
        """Return the progress with the sums over the images of all processes, on the CPU; waits for all processes."""
        return dataclasses.replace(self, sums=processes.all_reduce_sum(self.sums).cpu(), seen=self.images)

    @property
    def step(self) -> int:
        """Number of batches since the start of the run."""
        return (self.epoch - 1) * self.batches + self.batch

    @property
    def runs(self) -> int:
        """Number of runs that are trained at once."""
        return self.sums.shape[1]

    def means(self, run: int = 0) -> dict[str, float]:
        """Return the means of ``loss`` and its terms over the images of this epoch so far, in nats per image.

        Waits for the device.

        Parameters
        ----------
        run : int, optional
            Index of the run in the group.

        Raises
        ------
        DivergenceError
            If a term of some batch is infinite or NaN; the sentence names the first one.
        """
        sums = self.sums[: self.batch, run].cpu()
        bad = (~sums.isfinite()).nonzero()
        if len(bad):
            batch, term = bad[0].tolist()
            step = self.step - self.batch + batch + 1
            where = f"in epoch {self.epoch}, batch {batch + 1} of {self.batches} (step {step})"
            raise DivergenceError.of(describe_term(self.term_names[term]), float(sums[batch, term]), where)
        values = (sums.sum(0) / self.seen).tolist()
        return {"loss": sum(values), **dict(zip(self.term_names, values, strict=True))}


def describe_term(name: str) -> str:
    """Return the name of a term as words in a sentence."""
    return f"{name.replace('_', ' ')} term"
