"""Counts of wins, and sign tests on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import fmean
from typing import Any

from evae.experiments.statistics.measurements import Cell, Criterion
from evae.experiments.statistics.paired_differences import PairedDifference
from theory.paper.significance import holm, sign_test


@dataclass(frozen=True)
class Wins:
    """The number of cells in which the candidate has the better mean over seeds, and the sign tests on it.

    Attributes
    ----------
    criterion : Criterion
    advantages : mapping of Cell to float
        The mean difference over the seeds that both models have; positive if the candidate is better.
    two_sided_holm : Fraction
        `two_sided`, adjusted for the number of metrics.
    metrics : int
        Number of metrics that were compared.
    """

    criterion: Criterion
    advantages: Mapping[Cell, float]
    two_sided_holm: Fraction
    metrics: int

    @property
    def cells(self) -> int:
        """The number of cells that have both models on a common seed."""
        return len(self.advantages)

    @property
    def wins(self) -> int:
        """The number of cells in which the candidate is strictly better."""
        return sum(advantage > 0 for advantage in self.advantages.values())

    @property
    def losses(self) -> int:
        """The number of cells in which the baseline is strictly better."""
        return sum(advantage < 0 for advantage in self.advantages.values())

    @property
    def ties(self) -> int:
        """The number of cells in which the means are equal."""
        return self.cells - self.wins - self.losses

    @property
    def one_sided(self) -> Fraction:
        """P(X >= wins), X binomial with all cells as trials: the paper's test, which does not count ties as wins."""
        return sign_test(self.wins, self.cells)

    @property
    def two_sided(self) -> Fraction:
        """The p-value of the two-sided sign test, which leaves ties out."""
        return _two_sided(self.advantages.values())

    @property
    def by_dataset(self) -> dict[str, float]:
        """The mean of `advantages` over the latent dimensions of each data set."""
        grouped = defaultdict(list)
        for cell, advantage in self.advantages.items():
            grouped[cell.dataset].append(advantage)
        return {dataset: fmean(values) for dataset, values in grouped.items()}

    @property
    def dataset_wins(self) -> int:
        """The number of data sets on which the candidate is strictly better, by `by_dataset`."""
        return sum(advantage > 0 for advantage in self.by_dataset.values())

    @property
    def dataset_two_sided(self) -> Fraction:
        """The p-value of the two-sided sign test with the data sets as trials, which leaves ties out."""
        return _two_sided(self.by_dataset.values())

    @property
    def smallest_one_sided(self) -> Fraction:
        """The smallest possible p-value of a one-sided sign test with the data sets as trials."""
        return Fraction(1, 2) ** len(self.by_dataset)

    @property
    def smallest_two_sided(self) -> Fraction:
        """The smallest possible p-value of a two-sided sign test with the data sets as trials."""
        return 2 * self.smallest_one_sided

    def document(self) -> dict[str, Any]:
        """Return the count and the tests as strict JSON."""
        return {
            "wins": self.wins,
            "ties": self.ties,
            "losses": self.losses,
            "one_sided": float(self.one_sided),
            "two_sided": float(self.two_sided),
            "two_sided_holm": float(self.two_sided_holm),
            "metrics": self.metrics,
            "datasets": self.by_dataset,
            "dataset_wins": self.dataset_wins,
            "dataset_one_sided": float(sign_test(self.dataset_wins, len(self.by_dataset))),
            "dataset_two_sided": float(self.dataset_two_sided),
            "smallest_one_sided": float(self.smallest_one_sided),
            "smallest_two_sided": float(self.smallest_two_sided),
        }


def _two_sided(advantages: Iterable[float]) -> Fraction:
    decided = [advantage > 0 for advantage in advantages if advantage != 0]
    return sign_test(sum(decided), len(decided), "two-sided")


def count_wins(differences: Mapping[Criterion, Sequence[PairedDifference]]) -> tuple[Wins, ...]:
    """Count wins for each criterion that has a cell; these criteria are the family for Holm's correction."""
    advantages = {c: {d.cell: d.estimate.mean for d in found} for c, found in differences.items() if found}
    adjusted = holm([_two_sided(cells.values()) for cells in advantages.values()])
    return tuple(
        Wins(criterion, cells, p_value, len(advantages))
        for (criterion, cells), p_value in zip(advantages.items(), adjusted, strict=True)
    )
