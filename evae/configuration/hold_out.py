"""Metrics of hold-out images by which epochs are compared: their names, directions and improvements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HoldoutMetric:
    """A metric that is measured on hold-out images after each epoch.

    Attributes
    ----------
    name : str
    words : str
        As words in a sentence.
    higher_is_better : bool
    """

    name: str
    words: str
    higher_is_better: bool = False

    def latest_gain(self, values: Sequence[float], min_delta: float = 0.0) -> int:
        """Return the number, from 1, of the last value that was better than the best one before by over ``min_delta``.

        The first value counts as one; 0 if there is none. With a ``min_delta`` of 0 it is the first of the best values.

        Examples
        --------
        >>> METRICS["loss"].latest_gain([5.0, 3.0, 4.0, 3.0, 2.9], min_delta=0.5)
        2
        """
        sign, gain, best = (1 if self.higher_is_better else -1), 0, 0.0
        for number, value in enumerate(values, 1):
            if number == 1 or sign * (value - best) > min_delta:
                gain, best = number, value
        return gain


#: The metrics by name. A single regularisation term is not one of them: it is least where the codes carry nothing.
METRICS = {
    metric.name: metric
    for metric in (
        HoldoutMetric("loss", "loss"),
        HoldoutMetric("reconstruction", "reconstruction error"),
        HoldoutMetric("reconstruction_at_mean", "reconstruction error at the posterior's mean"),
        HoldoutMetric("active_dimensions", "number of active dimensions", higher_is_better=True),
    )
}

#: The values of ``--keep``.
KEEP = tuple(f"best:{name}" for name in METRICS)


def kept_metric(keep: str) -> HoldoutMetric:
    """Return the metric of a value of ``--keep``.

    Examples
    --------
    >>> kept_metric("best:loss").name
    'loss'
    """
    return METRICS[keep.partition(":")[2]]
