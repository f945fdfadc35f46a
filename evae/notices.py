"""What is said of work that goes on all the same: each kind of warning is one sentence for its user."""


class Notice(UserWarning):
    """Something is not quite what was asked for; the sentence says how. The command line prints it."""


class TrainingWarning(Notice):
    """Training is not quite what was asked for."""


class ResumeWarning(TrainingWarning):
    """A run goes on, but not quite as if it had never stopped."""


class RecordingWarning(TrainingWarning):
    """A step could not be recorded, and training is slower than it could be."""


class BatchStatisticsWarning(TrainingWarning):
    """Training is so short that what batch normalisation does on hold-out images is not what it does in training."""


class ArithmeticWarning(TrainingWarning):
    """The machine has no instructions for the arithmetic, and imitates it."""


class FeaturesWarning(Notice):
    """Images are compared by other features than FID's, which could not be had."""
