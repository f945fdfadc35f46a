"""Warnings and errors of training and evaluation, each one sentence for its user."""

from __future__ import annotations

from foundation.errors import InputError


class Notice(UserWarning):
    """Something is not quite what was asked for; the sentence says how. The command line prints it."""


class TrainingWarning(Notice):
    """Training is not quite what was asked for."""


class ResumeWarning(TrainingWarning):
    """A run goes on, but not quite as if it had never stopped."""


class CaptureWarning(TrainingWarning):
    """A step could not be captured as a CUDA graph, so that training is slower."""


class BatchStatisticsWarning(TrainingWarning):
    """Training is so short that what batch normalisation does on hold-out images is not what it does in training."""


class ArithmeticWarning(TrainingWarning):
    """The machine has no instructions for the arithmetic, and imitates it."""


class FeaturesWarning(Notice):
    """Images are compared by other features than FID's, which could not be had."""


class ProcessLost(InputError):
    """Another process of the run ended without a word; of those that are left, one raises this."""


class DivergenceError(InputError):
    """A term of the loss or a weight is no longer a finite number; the sentence names it, the epoch and the batch."""

    @classmethod
    def of(cls, what: str, value: float, where: str) -> DivergenceError:
        """Return it with its sentence: what became infinite or NaN, and where."""
        return cls(
            f"the {what} became {value} {where}. The last checkpoint, from before that, is kept. "
            "A new run with a smaller --lr is the usual remedy."
        )
