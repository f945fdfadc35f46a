"""Warnings and errors of training and evaluation; each message is written for the user."""

from __future__ import annotations

from collections.abc import Sequence

from foundation.errors import InputError, Notice


class DataWarning(Notice):
    """The images are read, but look as if they were not meant so."""


class TrainingWarning(Notice):
    """Training continues, but not exactly as requested."""


class ResumeWarning(TrainingWarning):
    """A run resumes, but its results may differ from those of an uninterrupted run."""


class CaptureWarning(TrainingWarning):
    """A step could not be captured as a CUDA graph, so that training is slower."""


class BatchStatisticsWarning(TrainingWarning):
    """Training is so short that the running statistics of batch normalisation do not match those of the batches."""


class ArithmeticWarning(TrainingWarning):
    """The processor lacks instructions for the requested precision and emulates it."""


class FeaturesWarning(Notice):
    """Images are compared by features other than those of FID, because its weights are unavailable."""


class ProcessLost(InputError):
    """Another process of the run died without reporting an error; one of the remaining processes raises this."""


class DivergenceError(InputError):
    """A term of the loss or a weight is NaN or infinite; the message names it, the epoch and the batch."""

    @classmethod
    def of(cls, quantity: str, value: float, where: str) -> DivergenceError:
        """Return the error for a quantity that became infinite or NaN, and the place in training where it did."""
        return cls(
            f"the {quantity} became {value} {where}. The last checkpoint, from before that, is kept. "
            "A new run with a smaller --lr is the usual remedy."
        )


class StopTraining(Exception):
    """Raised in a hook of a callback: training ends, and the run is *finished*, not interrupted or failed.

    The epoch in progress is trained to its end, measured and recorded first, since the weights and the records of a run
    are those of whole epochs; before the first epoch that is the first one. The status of the run holds the reason.
    Resuming the run trains the remaining epochs.

    Parameters
    ----------
    reason : str
        A phrase or sentence.
    runs : sequence of int, optional
        Indices in the group of the runs that stop, while the others are trained further; by default all.
    """

    def __init__(self, reason: str, runs: Sequence[int] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.runs = None if runs is None else tuple(runs)
