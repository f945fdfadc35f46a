"""Spread over seeds before and after training, as a measure of the remaining influence of the initial weights."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import variance
from typing import TYPE_CHECKING

from evae.experiments.statistics.digits import common_digits
from evae.experiments.statistics.measurements import Cell
from foundation.typography import format_count

if TYPE_CHECKING:
    from evae.experiments.results import RunRecord

#: Above this share of remaining spread, the initial weights decide comparisons of models.
NEGLIGIBLE = 0.1


@dataclass(frozen=True)
class StartingPoint:
    """The reconstruction error's standard deviation over seeds, in nats, within models of one data set and d_z.

    Attributes
    ----------
    cell : Cell
    seeds : int
        The largest number of seeds of a model; at least 2.
    untrained, trained : float
        Before the first step and after the last, pooled over models.
    """

    cell: Cell
    seeds: int
    untrained: float
    trained: float

    @property
    def share(self) -> float:
        """Spread after training divided by spread before; infinite if the latter is 0."""
        return self.trained / self.untrained if self.untrained else math.inf

    @property
    def decides(self) -> bool:
        """Whether the initial weights still decide comparisons of trained models."""
        return self.share > NEGLIGIBLE

    def __str__(self) -> str:
        left = f" ({100 * self.share:.1f} % of it)" if math.isfinite(self.share) else ""
        place = f"{self.cell.dataset}, d_z = {self.cell.latent_dim}"
        sentence = (
            f"{place}: over {format_count(self.seeds, 'seed')} the error's standard deviation is "
            f"{_show(self.untrained)} nats before training and {_show(self.trained)} after{left}."
        )
        if not self.decides:
            return sentence
        return (
            f"Warning: the initial weights still decide. {sentence} Train for more epochs, until less than "
            f"{NEGLIGIBLE:.0%} is left, before models are compared."
        )


def starting_points(records: Iterable[RunRecord]) -> Iterator[StartingPoint]:
    """Yield one for each data set and d_z in which some model has two seeds with known untrained errors."""
    cells: defaultdict[Cell, defaultdict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        errors, config = record.evaluation["reconstruction_error"], record.configuration
        if "untrained" in errors:
            cell = Cell(config.dataset, config.latent_dim)
            cells[cell][record.label].append((errors["untrained"], errors["one_posterior_draw"]))
    for cell, models in cells.items():
        several = [values for values in models.values() if len(values) > 1]
        if several:
            untrained, trained = (_pooled([[pair[which] for pair in values] for values in several]) for which in (0, 1))
            yield StartingPoint(cell, max(map(len, several)), untrained, trained)


def _show(deviation: float) -> str:
    return common_digits([deviation]).show(deviation)


def _pooled(groups: Sequence[Sequence[float]]) -> float:
    """Return the standard deviation within groups."""
    freedom = sum(len(group) - 1 for group in groups)
    return math.sqrt(sum(variance(group) * (len(group) - 1) for group in groups) / freedom)
