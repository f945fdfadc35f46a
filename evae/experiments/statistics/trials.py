"""Trials of the ablation: one trained model each, by kernel, objective and seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from evae.experiments.statistics.estimates import require_finite
from evae.experiments.statistics.wording import listed
from foundation.errors import InputError
from foundation.types import Array


class Treatment(NamedTuple):
    """A kernel with an objective."""

    kernel: str
    objective: str

    def __str__(self) -> str:
        return f"{self.kernel} with {self.objective}"


@dataclass(frozen=True)
class Trial:
    """One trained model and its value.

    Attributes
    ----------
    kernel, objective : str
    seed : int
        Trials with the same seed share initial weights and the order of the images: the seed is a block.
    value : float

    Raises
    ------
    InputError
        If ``value`` is infinite or not a number.
    """

    kernel: str
    objective: str
    seed: int
    value: float

    def __post_init__(self) -> None:
        require_finite(self.value, f"the value of {self.treatment}, seed {self.seed},")

    @property
    def treatment(self) -> Treatment:
        """The kernel with the objective."""
        return Treatment(self.kernel, self.objective)


@dataclass(frozen=True)
class Blocks:
    """The values of several treatments on the seeds that have all of them.

    Attributes
    ----------
    values : array of shape (seeds, treatments)
    seeds : tuple of int
        In sorted order.
    left_out : tuple of int
        Seeds with some of the treatments, but not all.
    """

    values: Array
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]


def complete_blocks(trials: Iterable[Trial], treatments: Sequence[Treatment]) -> Blocks:
    """Gather the values of the treatments seed by seed.

    Raises
    ------
    InputError
        If no seed has all of the treatments, or one treatment has two trials with one seed.
    """
    by_seed: defaultdict[int, dict[Treatment, float]] = defaultdict(dict)
    for trial in ordered(trials):
        if trial.treatment in treatments:
            by_seed[trial.seed][trial.treatment] = float(trial.value)
    seeds = tuple(seed for seed in sorted(by_seed) if len(by_seed[seed]) == len(treatments))
    if not seeds:
        raise InputError(
            f"one seed must have {listed([str(treatment) for treatment in treatments])}, and none has all of them. "
            "Train what is missing."
        )
    values = np.array([[by_seed[seed][treatment] for treatment in treatments] for seed in seeds], dtype=float)
    return Blocks(values, seeds, tuple(sorted(set(by_seed) - set(seeds))))


def values_by_treatment(trials: Iterable[Trial]) -> dict[Treatment, tuple[float, ...]]:
    """Return the values of every treatment in the order of the seeds, with the treatments sorted.

    Raises
    ------
    InputError
        If no trial is given, or one treatment has two trials with one seed.
    """
    values: defaultdict[Treatment, list[float]] = defaultdict(list)
    for trial in ordered(trials):
        values[trial.treatment].append(float(trial.value))
    return {treatment: tuple(found) for treatment, found in values.items()}


def ordered(trials: Iterable[Trial]) -> list[Trial]:
    """Sort the trials by treatment and seed.

    Raises
    ------
    InputError
        If no trial is given, or one treatment has two trials with one seed.
    """
    found = sorted(trials, key=lambda trial: (trial.treatment, trial.seed))
    if not found:
        raise InputError("an ablation needs trials, got none. Train its models first.")
    (treatment, seed), most = Counter((trial.treatment, trial.seed) for trial in found).most_common(1)[0]
    if most > 1:
        raise InputError(
            f"each treatment must have one trial a seed, got {most} of {treatment} and seed {seed}. Keep one."
        )
    return found
