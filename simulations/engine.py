"""The replicate loop: T_m of many independent samples, on threads.

A replicate is drawn, sorted and swept over outside the interpreter's lock, so threads share the cores. Its value
depends on (seed, replicate) alone: any number of workers returns the same bits.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

import numpy as np
import numpy.typing as npt

from simulations.statistic import Statistic
from simulations.streams import draw
from theory.cores import usable_cores
from theory.errors import InputError

Array = npt.NDArray[np.float64]
Progress = Callable[[int], None]
"""Called in the calling thread with the number of replicates done so far."""

ENGINES = ("exact",)
OBSERVATIONS_IN_A_CHUNK, REPLICATES_IN_A_CHUNK = 200_000, 500
"""A chunk takes some 15 ms whatever m is: long beside the cost of handing it out, short beside a glance at a bar."""


class Interrupted(Exception):
    """A signal stopped the replicate loop.

    Attributes
    ----------
    done : int
        How many replicates were finished.
    """

    def __init__(self, done: int) -> None:
        self.done = done
        super().__init__(f"interrupted after {done} replicates")


def engine_named(name: str) -> str:
    """Return the engine that ``name`` means; ``auto`` is the exact one, the only one there is.

    Raises
    ------
    InputError
        If there is no such engine.
    """
    if name != "auto" and name not in ENGINES:
        raise InputError(f"{name!r} is no engine. There is auto, {', '.join(ENGINES)}.")
    return ENGINES[0] if name == "auto" else name


def replicate_values(
    statistic: Statistic, m: int, replicates: int, seed: int, workers: int, progress: Progress | None = None
) -> Array:
    """Return T_m of the replicates 0, 1, ..., shape (replicates,).

    Parameters
    ----------
    statistic : Statistic
    m : int
        Observations in a sample.
    replicates, seed : int
    workers : int
        Threads, at least 1. More than one for each usable core would bring nothing and are not started.
    progress : callable, optional
        Called with the number of replicates done.

    Raises
    ------
    Interrupted
        On Ctrl-C, after the replicates under way have ended.
    """
    statistic.prepare()
    workers = min(workers, usable_cores())
    values = np.full(replicates, np.nan)
    stop = threading.Event()

    def work(chunk: range) -> int:
        done = 0
        for replicate in chunk:
            if stop.is_set():
                break
            sample = draw(statistic.density, seed, replicate, m)
            sample.sort()
            values[replicate] = statistic.of_sorted(sample)
            done += 1
        return done

    size = max(1, min(OBSERVATIONS_IN_A_CHUNK // m, REPLICATES_IN_A_CHUNK))
    chunks = (range(start, min(start + size, replicates)) for start in range(0, replicates, size))
    done = 0
    with ThreadPoolExecutor(workers) as pool:
        # Only a few chunks are in the queue at a time, so that memory and the wait after Ctrl-C stay bounded.
        pending: set[Future[int]] = {pool.submit(work, chunk) for chunk in islice(chunks, 2 * workers)}
        try:
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                done += sum(future.result() for future in finished)
                pending |= {pool.submit(work, chunk) for _, chunk in zip(finished, chunks, strict=False)}
                if progress is not None:
                    progress(done)
        except KeyboardInterrupt:
            stop.set()
            finished, _ = wait(pending)
            raise Interrupted(done + sum(future.result() for future in finished)) from None
    return values
