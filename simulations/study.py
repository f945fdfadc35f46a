"""A simulation study: what is simulated, and the run that does it."""

from __future__ import annotations

import contextlib
import operator
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt

from simulations import summary
from simulations.engine import Interrupted, engine_named, replicate_values
from simulations.statistic import Statistic
from simulations.streams import checked_seed
from theory.bandwidth import Bandwidth, bandwidth_named
from theory.cores import usable_cores
from theory.densities import Density, Weight, density_named, weight_named
from theory.errors import InputError, Interruption
from theory.kernels import Kernel, kernel_named

LARGEST = 10**9
"""Beyond this a sample, or the values of all replicates, would take more than 8 GB."""


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
        From 0 to 2**64 - 1. Replicate r draws from the stream of (seed, r), whatever the other settings are.
    engine : str
        ``"exact"``, or ``"auto"``, which picks it.

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
    density: str | Density = "normal"
    weight: str | Weight = "window:-2,2"
    bandwidth: str | float | Bandwidth = "m^-0.235"
    seed: int = 0
    engine: str = "auto"

    def __post_init__(self) -> None:
        _positive("m", self.m, "100, as the paper's example")
        _positive("replicates", self.replicates, "10,000")
        checked_seed(self.seed)
        engine_named(self.engine)
        self.setting.bandwidth.at(self.m)

    @cached_property
    def setting(self) -> Statistic:
        """The kernel, density, weight and bandwidth as objects."""
        density = density_named(self.density)
        return Statistic(
            kernel_named(self.kernel),
            density,
            weight_named(self.weight, density),
            bandwidth_named(self.bandwidth),
        )


@dataclass(frozen=True)
class Result:
    """What a study gave.

    Attributes
    ----------
    study : Study
    values : array, shape (replicates,)
        T_m of every replicate, in their order.
    seconds : float
        The time the replicates took, without the compilation before them.
    """

    study: Study
    values: npt.NDArray[np.float64]
    seconds: float

    @cached_property
    def summary(self) -> summary.Summary:
        """The values beside what theory says of them."""
        return summary.summarise(self.values, self.study.setting, self.study.m)

    def document(self) -> dict[str, Any]:
        """Return the machine-readable result; a number that does not exist, as a variance of one value, is None."""
        study, setting = self.study, self.study.setting
        return {
            "m": study.m,
            "bandwidth": setting.bandwidth.name,
            "bandwidth_value": setting.bandwidth.at(study.m),
            "kernel": setting.kernel.name,
            "density": setting.density.name,
            "weight": setting.weight.name,
            "engine": engine_named(study.engine),
            "replicates": study.replicates,
            "seed": study.seed,
            **self.summary.document(),
            "seconds": self.seconds,
            "replicates_per_second": study.replicates / self.seconds,
        }


class SimulationInterrupted(Interruption):
    """A study was stopped by SIGINT or SIGTERM.

    Attributes
    ----------
    study : Study
    done : int
        Replicates that were finished.
    signal_number : int
    """

    def __init__(self, study: Study, done: int, signal_number: int) -> None:
        self.study, self.done = study, done
        super().__init__(
            f"interrupted by {signal.Signals(signal_number).name} after {done:,} of {study.replicates:,} replicates "
            f"at m = {study.m:,}; they were not kept, and the same seed ({study.seed}) draws them again.",
            signal_number,
        )


def simulate(study: Study, *, workers: int | None = None, progress: Callable[[int], None] | None = None) -> Result:
    """Run a study.

    Parameters
    ----------
    study : Study
    workers : int, optional
        Threads; by default one for each usable core. The result does not depend on it.
    progress : callable, optional
        Called in this thread with the number of replicates done so far.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        If ``workers`` is not positive, or T_m is not computed for the study's kernel or weight.
    SimulationInterrupted
        On SIGINT (Ctrl-C) or SIGTERM.

    Examples
    --------
    >>> study = Study(m=50, replicates=100, seed=1)
    >>> one, two = simulate(study, workers=1), simulate(study, workers=2)
    >>> bool((one.values == two.values).all())
    True
    """
    workers = usable_cores() if workers is None else _positive("workers", workers, "the number of cores")
    study.setting.prepare()
    with _terminated_as_interrupted() as received:
        started = time.perf_counter()
        try:
            values = replicate_values(study.setting, study.m, study.replicates, study.seed, workers, progress)
        except Interrupted as stop:
            raise SimulationInterrupted(study, stop.done, received[-1] if received else signal.SIGINT) from None
        return Result(study, values, time.perf_counter() - started)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[list[int]]:
    """Let SIGTERM end the work as Ctrl-C does; yield the list that records it. Signals reach the main thread only."""
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _positive(name: str, value: int, advice: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise InputError(f"{name} must be a positive whole number, got {value}. Try {advice}.")
    if number > LARGEST:
        raise InputError(f"{name} must be at most {LARGEST:,}, for memory's sake, got {value:,}.")
    return number
