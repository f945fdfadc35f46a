"""How far an epoch is, what its terms come to so far, and what it is called when they come to no number."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from torch import Tensor

from evae.compute.processes import Processes
from evae.exceptions import DivergenceError


@dataclass(frozen=True)
class Progress:
    """How far an epoch is.

    Attributes
    ----------
    epoch, epochs : int
        Which of how many.
    batches : int
        Steps in an epoch.
    term_names : tuple of str
    sums : Tensor
        The sum of every term over each batch, for every run that is trained: (batches, runs, terms), on the device.
    batch, images : int
        How many of them are done. Of several processes each has the sums of its own rows: so many of the images are
        ``seen``.
    """

    epoch: int
    epochs: int
    batches: int
    term_names: tuple[str, ...]
    sums: Tensor
    batch: int = 0
    images: int = 0
    seen: int = 0

    def after(self, images: int, seen: int) -> Progress:
        """Return the progress after one more batch, of so many images, of which this process saw some."""
        return dataclasses.replace(self, batch=self.batch + 1, images=self.images + images, seen=self.seen + seen)

    def of_all(self, processes: Processes) -> Progress:
        """Return the progress with the sums over the rows of all processes, on the CPU. All wait for all."""
        return dataclasses.replace(self, sums=processes.all_reduce_sum(self.sums).cpu(), seen=self.images)

    @property
    def step(self) -> int:
        """Batches trained since the run began."""
        return (self.epoch - 1) * self.batches + self.batch

    @property
    def runs(self) -> int:
        """How many runs are trained at once."""
        return self.sums.shape[1]

    def means(self, run: int = 0) -> dict[str, float]:
        """Mean loss and terms of a run over the images of this epoch that are seen so far. Waits for the device.

        Raises
        ------
        DivergenceError
            If a term of some batch is infinite or NaN; names the first.
        """
        sums = self.sums[: self.batch, run].cpu()
        bad = (~sums.isfinite()).nonzero()
        if len(bad):
            batch, term = bad[0].tolist()
            step = self.step - self.batch + batch + 1
            where = f"in epoch {self.epoch}, batch {batch + 1} of {self.batches} (step {step})"
            raise DivergenceError.of(term_label(self.term_names[term]), float(sums[batch, term]), where)
        values = (sums.sum(0) / self.seen).tolist()
        return {"loss": sum(values), **dict(zip(self.term_names, values, strict=True))}


def term_label(name: str) -> str:
    """Return a term's name as words in a sentence."""
    return f"{name.replace('_', ' ')} term"
