"""Schedules of the learning rate: one rate for each epoch.

The rate of an epoch is a function of the configuration and of the records of the epochs before. A resumed run therefore
has the rates of a run that was never stopped, without any state in its checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from evae.configuration.configuration import Configuration
from foundation.errors import InputError

#: Of the schedule plateau: the number of epochs in a row without a lower loss, and the factor of the rate after them.
PATIENCE, FACTOR = 5, 0.5


def learning_rate(config: Configuration, epoch: int, losses: Sequence[float] = ()) -> float:
    """Return the learning rate of an epoch.

    Parameters
    ----------
    config : Configuration
    epoch : int
        From 1.
    losses : sequence of float
        The loss on hold-out images after each epoch before; only the schedule plateau depends on it.

    Examples
    --------
    >>> config = Configuration(lr=0.1, epochs=4, schedule="cosine")
    >>> [round(learning_rate(config, epoch), 4) for epoch in (1, 2, 3, 4)]
    [0.1, 0.0854, 0.05, 0.0146]
    """
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * (epoch - 1) / config.epochs)) / 2
    if config.schedule == "plateau":
        return config.lr * FACTOR ** _count_plateaus(losses)
    return config.lr


def require_one_rate(config: Configuration, runs: int) -> None:
    """Raise `InputError` if several runs, which are trained at once with one learning rate, would need different ones.

    The schedule plateau depends on the loss of the run.
    """
    if runs > 1 and config.schedule == "plateau":
        raise InputError(
            "--schedule plateau gives each run a learning rate by its own loss, and several runs at once have one: "
            "train one seed at a time, or use --schedule constant or cosine."
        )


def _count_plateaus(losses: Sequence[float]) -> int:
    best, waited, plateaus = math.inf, 0, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited == PATIENCE:
            plateaus, waited = plateaus + 1, 0
    return plateaus
