"""Simulation studies of T_m at one m, and their results."""

from __future__ import annotations

import signal
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from foundation.errors import InputError, Interruption
from foundation.validation import require_positive
from simulations.engines.choice import check_engine
from simulations.engines.exact.statistic import Statistic
from simulations.engines.names import LARGEST_M as LARGEST_OF_AN_ENGINE
from simulations.sampling.streams import check_seed
from simulations.study.accumulators import Accumulator
from simulations.study.summary import Summary, summarise
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.densities.density import DensityLike
from theory.densities.validation import valid_density
from theory.densities.weights import Weight, weight_named
from theory.kernels import Kernel, kernel_named

LARGEST_M = max(LARGEST_OF_AN_ENGINE.values())
"""Largest m of any engine."""

MOST_REPLICATES = 2**32
"""Number of streams for one m."""


@dataclass(frozen=True)
class Study:
    """A Monte Carlo study of T_m at one m.

    Parameters
    ----------
    m : int
        Observations in a sample, at least 1.
    replicates : int
        Independent samples, at least 1.
    kernel, density, weight, bandwidth
        Objects of ``theory``, or their names.
    seed : int
        From 0 to 2**64 - 1. Replicate r draws from the stream (seed, m, r), whatever the other settings are; so studies
        at different m are independent.
    engine : str
        A name in `simulations.engines.choice.ENGINES`, or ``"auto"``, which selects one by m.

    Raises
    ------
    InputError
        If a value is out of range or a name unknown.

    Examples
    --------
    >>> Study(m=100, replicates=50).setting.bandwidth.at(100)
    0.33884415613920255
    """

    m: int
    replicates: int = 10_000
    kernel: str | Kernel = "epanechnikov"
    density: DensityLike = "normal"
    weight: str | Weight = "window:-2,2"
    bandwidth: str | float | Bandwidth = "m^-0.235"
    seed: int = 0
    engine: str = "auto"

    def __post_init__(self) -> None:
        require_positive("m", self.m, LARGEST_M, "Try 100, as the paper's example.")
        require_positive("replicates", self.replicates, MOST_REPLICATES, "Try 10,000.")
        check_seed(self.seed)
        check_engine(self.engine)
        self.setting.bandwidth.at(self.m)

    def __reduce__(self) -> tuple[type[Study], tuple[Any, ...]]:
        # Without the tables of `setting`, which another process builds faster than it unpickles them.
        return Study, tuple(getattr(self, field.name) for field in fields(self))

    @cached_property
    def setting(self) -> Statistic:
        """The kernel, density, weight and bandwidth as objects."""
        density = valid_density(self.density, drawn=True)
        return Statistic(
            kernel_named(self.kernel),
            density,
            weight_named(self.weight, density),
            bandwidth_named(self.bandwidth),
        )

    def streams(self, replicates: range) -> range:
        """Compute the numbers of the streams from which ``replicates`` are drawn.

        An m of 2**32 and more has the numbers of its lower 32 bits; the engine that reaches it adds the others.
        """
        first = self.m % MOST_REPLICATES * MOST_REPLICATES
        return range(first + replicates.start, first + replicates.stop)


@dataclass(frozen=True)
class Result:
    """The result of a study.

    Attributes
    ----------
    study : Study
    engine : str
        Name of the engine that computed it.
    discretisation : mapping or None
        Measured error of the engine; None for the exact one.
    accumulator : Accumulator
        Moments and quantile sketch of T_m.
    seconds : float
        Computing time of the replicates without compilation, in total over all sessions of a resumed study.
    """

    study: Study
    engine: str
    discretisation: dict[str, Any] | None
    accumulator: Accumulator
    seconds: float

    @cached_property
    def summary(self) -> Summary:
        """The comparison of the replicates with theory."""
        return summarise(self.accumulator, self.study.setting, self.study.m, self.discretisation)

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form; a number that does not exist, as the variance of one value, is None."""
        study, setting = self.study, self.study.setting
        return {
            "m": study.m,
            "bandwidth": setting.bandwidth.name,
            "bandwidth_value": setting.bandwidth.at(study.m),
            "kernel": setting.kernel.name,
            "density": setting.density.name,
            "weight": setting.weight.name,
            "engine": self.engine,
            "discretisation": self.discretisation,
            "replicates": study.replicates,
            "seed": study.seed,
            **self.summary.document(),
            "seconds": self.seconds,
            "replicates_per_second": study.replicates / self.seconds,
        }


class SimulationInterrupted(Interruption):
    """Raised when SIGINT or SIGTERM stops a study.

    Attributes
    ----------
    study : Study
    done : int
        Number of finished replicates.
    saved : Path or None
        State file that holds them; None if they are not saved.
    partial : Result or None
        Their result; None if there are none.
    signal_number : int
    """

    def __init__(
        self, study: Study, done: int, signal_number: int, saved: Path | None = None, partial: Result | None = None
    ) -> None:
        self.study, self.done, self.saved, self.partial = study, done, saved, partial
        kept = (
            f"they are saved in {saved}."
            if saved
            else f"they were not saved, but the same seed ({study.seed}) reproduces them."
        )
        super().__init__(
            f"interrupted by {signal.Signals(signal_number).name} after {done:,} of {study.replicates:,} replicates "
            f"at m = {study.m:,}; {kept}",
            signal_number,
        )


class SimulationStopped(InputError):
    """Raised when a study stops because its cluster was lost.

    Attributes
    ----------
    study : Study
    saved : Path or None
        State file that holds the finished replicates; None if it could not be written.
    partial : Result or None
        Their result; None if there are none.
    """

    def __init__(
        self, study: Study, reason: str, kept: str, saved: Path | None, partial: Result | None, done: int | None = None
    ) -> None:
        self.study, self.saved, self.partial = study, saved, partial
        if done is None:
            done = 0 if partial is None else partial.accumulator.count
        super().__init__(
            f"{reason} {done:,} of {study.replicates:,} replicates at m = {study.m:,} were done; they {kept}."
        )
