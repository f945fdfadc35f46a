"""Differences between two models within each cell, paired by seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from evae.experiments.statistics.estimates import SIGNIFICANCE, Estimate, estimate
from evae.experiments.statistics.measurements import Cell, Criterion, Measurement, group_by_seed, pair_values
from theory.paper.significance import holm


@dataclass(frozen=True)
class PairedDifference:
    """The difference between candidate and baseline on common seeds in one cell.

    Attributes
    ----------
    cell : Cell
    metric : str
    estimate : Estimate
        Mean difference; positive if the candidate is better.
    holm_p_value : float or None
        The p-value of the paired t-test, adjusted for all cells in which this metric was tested.
    unpaired : tuple of int
        Seeds that only one of the two models has.
    """

    cell: Cell
    metric: str
    estimate: Estimate
    holm_p_value: float | None
    unpaired: tuple[int, ...] = ()

    @property
    def sign(self) -> int:
        """1 or -1 if the candidate or the baseline is significantly better after Holm's correction, otherwise 0."""
        if self.holm_p_value is None or self.holm_p_value >= SIGNIFICANCE:
            return 0
        return 1 if self.estimate.mean > 0 else -1

    def document(self) -> dict[str, Any]:
        """Return the difference as strict JSON."""
        own = {"holm_p_value": self.holm_p_value, "unpaired": list(self.unpaired)}
        return {**self.cell._asdict(), **self.estimate.document(), **own}


def paired_differences(
    measurements: Iterable[Measurement], criterion: Criterion, candidate: str = "evae", baseline: str = "vae"
) -> tuple[PairedDifference, ...]:
    """Compare two models in every cell in which they have a common seed, seed by seed.

    Raises
    ------
    InputError
        If a model was measured twice in one cell with one seed.
    """
    found = {}
    for cell, better, other in pair_values(group_by_seed(measurements), criterion.metric, candidate, baseline):
        seeds = sorted(set(better) & set(other))
        if seeds:
            magnitude = max(abs(values[seed]) for values in (better, other) for seed in seeds)
            difference = estimate([criterion.advantage(better[s], other[s]) for s in seeds], magnitude)
            found[cell] = difference, tuple(sorted(set(better) ^ set(other)))
    tested = {cell: p for cell, (difference, _) in found.items() if (p := difference.p_value) is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return tuple(
        PairedDifference(cell, criterion.metric, difference, adjusted.get(cell), unpaired)
        for cell, (difference, unpaired) in found.items()
    )
