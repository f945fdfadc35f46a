"""The execution of studies: in threads or on a cluster, block by block, with interruption and resuming."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from foundation.cluster import ClusterLost, WorkersDied, open_cluster
from foundation.errors import InputError
from foundation.processes import count_usable_cores
from foundation.types import Array
from foundation.validation import require_positive
from simulations.engines.choice import Replicates, engine_for
from simulations.study.accumulators import Accumulator
from simulations.study.blocks import (
    Pool,
    Stop,
    Stopped,
    blocks_of,
    in_order,
    number_of_blocks,
    pieces_of,
    signals_noted,
    threads,
    whole_blocks,
)
from simulations.study.saved_state import Identity, StateFile, StudyState, find_unused_path, state_file
from simulations.study.study import (
    LARGEST_M,
    Result,
    SimulationInterrupted,
    SimulationStopped,
    Study,
)

BLOCKS_AHEAD = 3
"""Largest number of blocks for each worker that are submitted but not yet accumulated."""

Progress = Callable[[int], None]
"""Called in the calling thread with the number of replicates done so far."""


def simulate(
    study: Study,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    resume: str | Path | None = None,
    progress: Progress | None = None,
) -> Result:
    """Run a study.

    Parameters
    ----------
    study : Study
    workers : int, optional
        Threads; by default one for each usable core. The result does not depend on it.
    cluster : str, optional
        Address of a dask scheduler, whose workers compute in place of threads, or ``local:N``, which starts one with N
        workers on this machine. The result does not depend on it, nor on workers that die, whose work is repeated.
    resume : path-like, optional
        State file, from which an interrupted study resumes with the identical result; created if it does not exist. A
        finished study can be resumed with more replicates.
    progress : callable, optional
        Called in this thread with the number of replicates done so far.

    Returns
    -------
    Result

    Raises
    ------
    InputError
        If ``workers`` is not positive, the engine does not support the study's setting, the cluster cannot be reached,
        or the state file is damaged, in use or of another study; as `SimulationStopped`, if the cluster is lost: the
        finished replicates are then saved in the state file or, without one, in a new file in the current folder.
    SimulationInterrupted
        On SIGINT (Ctrl-C) or SIGTERM.

    Examples
    --------
    >>> study = Study(m=50, replicates=100, seed=1)
    >>> one, two = simulate(study, workers=1), simulate(study, workers=2)
    >>> one.summary.mean == two.summary.mean
    True
    """
    (result,) = simulate_studies(
        [study],
        workers=workers,
        cluster=cluster,
        resume=resume,
        display=lambda _: contextlib.nullcontext(progress or _ignore),
    )
    return result


def simulate_studies(
    studies: Sequence[Study],
    *,
    workers: int | None = None,
    cluster: str | None = None,
    resume: str | Path | None = None,
    display: Callable[[Study], AbstractContextManager[Progress]] = lambda _: contextlib.nullcontext(_ignore),
) -> Generator[Result, None, None]:
    """Run studies one after another, such as those of several m; yield each result as soon as it is complete.

    ``display`` returns, for each study, a context manager of the callback for its number of replicates done. All else
    is as for `simulate`; one state file holds all studies.

    Examples
    --------
    >>> studies = [Study(m=m, replicates=100, engine="exact") for m in (20, 40)]
    >>> [result.study.m for result in simulate_studies(studies)]
    [20, 40]
    """
    with open_pool(workers, cluster) as pool:
        # Every study is checked before the first one runs, which may take hours.
        engines = [engine_for(study.engine, study.setting, study.m) for study in studies]
        identify = _identity if resume is not None else _no_identity
        identities = [identify(study, engine) for study, engine in zip(studies, engines, strict=True)]
        with state_file(resume, identities) as file:
            for study, state in zip(studies, file.states, strict=True):
                _refuse_fewer(study, state, file)
            for study, engine, state in zip(studies, engines, file.states, strict=True):
                with display(study) as progress:
                    try:
                        result = _run(study, engine, state, file, pool, progress)
                    except (ClusterLost, WorkersDied) as error:
                        kept = _save_and_describe(file, studies, engines)
                        raise SimulationStopped(study, str(error), *kept, _partial(study, engine, state)) from None
                yield result


def _run(
    study: Study, engine: Replicates, state: StudyState, file: StateFile, pool: Pool, progress: Progress
) -> Result:
    """Accumulate the blocks that the state does not have yet, in order, with periodic saves."""
    # One replicate is computed and discarded, so that the clock and the progress bar do not measure compilation.
    engine.values(study.seed, study.streams(range(1)))
    whole = whole_blocks(engine.draws, study.replicates)
    accumulator, earlier, started = state.accumulator, state.seconds, time.perf_counter()
    if accumulator.count:
        progress(accumulator.count)
    with signals_noted() as stop, _report_second_signal(study, state, file, stop):
        try:
            for values in compute_blocks(study, engine, pool, accumulator.count, stop):
                if accumulator.count == whole:
                    # The last block may be incomplete; it is not saved, so that more replicates can follow.
                    accumulator = accumulator.copy()
                accumulator.add(values)
                seconds = earlier + time.perf_counter() - started
                if accumulator is state.accumulator:
                    state.seconds = seconds
                    file.save_periodically()
                progress(accumulator.count)
        except Stopped:
            raise _interruption(study, engine, state, file, stop) from None
        finally:
            # A second signal may have interrupted a merge, which must not be saved half done.
            if len(stop.signals) < 2:
                file.save()
    return _result(study, engine, accumulator, max(earlier + time.perf_counter() - started, 1e-9))


def compute_blocks(
    study: Study, engine: Replicates, pool: Pool, done: int, stop: Stop, *, by_name: bool = True
) -> Iterator[Array]:
    """Compute T_m of the replicates that follow the first ``done``, in ``pool``; yield them block by block in order.

    The workers of a cluster make the engine themselves if it is the one that the study has ``by_name``; another one is
    sent to them.
    """
    blocks, ahead = blocks_of(engine.draws, done, study.replicates), BLOCKS_AHEAD * pool.size
    if not pool.remote:
        yield from in_order(
            lambda block: pool.submit(engine.values, study.seed, study.streams(block)), blocks, ahead, stop
        )
        return
    # Workers of a cluster may run other versions: each proves on the first replicate that it computes the same bits.
    expected = engine.values(study.seed, study.streams(range(1))).tobytes()
    compute = (
        partial(same_block_values, study, engine.name, engine.cells_per_bandwidth, expected)
        if by_name
        else partial(same_engine_values, study, engine, expected)
    )
    pieces = pieces_of(blocks, number_of_blocks(engine.draws, done, study.replicates), pool.size)
    for values in in_order(lambda piece: pool.submit(compute, piece), pieces, ahead, stop, pool.look):
        yield from values


def same_block_values(
    study: Study, engine: str, cells_per_bandwidth: int | None, expected: bytes, blocks: Sequence[range]
) -> list[Array]:
    """Compute `block_values` of each block, if this process computes the same bits as the caller's.

    ``expected`` is T_m of the first replicate as computed by the caller, in bytes.

    Raises
    ------
    InputError
        If this process computes other bits: a package has another version, or the processor is of another kind.
    """
    # The number of replicates is irrelevant here; without it, all blocks of a study share one cached answer.
    _require_same(_computes(replace(study, replicates=1), engine, cells_per_bandwidth, expected))
    return [block_values(study, engine, cells_per_bandwidth, block) for block in blocks]


def same_engine_values(study: Study, engine: Replicates, expected: bytes, blocks: Sequence[range]) -> list[Array]:
    """Compute the values of each block with an engine that was sent here, as `same_block_values` does."""
    _require_same(engine.values(study.seed, study.streams(range(1))).tobytes() == expected)
    return [engine.values(study.seed, study.streams(block)) for block in blocks]


def _require_same(same: bool) -> None:
    if not same:
        raise InputError(
            "every worker of the cluster must compute the same first replicate as this machine, but one has other "
            "versions of packages or another kind of processor. Use workers like this machine."
        )


@lru_cache(maxsize=8)
def _computes(study: Study, engine: str, cells_per_bandwidth: int | None, expected: bytes) -> bool:
    return block_values(study, engine, cells_per_bandwidth, range(1)).tobytes() == expected


def block_values(study: Study, engine: str, cells_per_bandwidth: int | None, block: range) -> Array:
    """Compute T_m of the replicates in ``block``; a pure function, for processes that cache the engine."""
    return _engine(replace(study, replicates=1), engine, cells_per_bandwidth).values(study.seed, study.streams(block))


@lru_cache(maxsize=8)
def _engine(study: Study, name: str, cells_per_bandwidth: int | None) -> Replicates:
    return engine_for(name, study.setting, study.m, cells_per_bandwidth)


@contextlib.contextmanager
def _report_second_signal(study: Study, state: StudyState, file: StateFile, stop: Stop) -> Iterator[None]:
    """Turn a second signal, which ends everything at once, into an interruption that reports the last save."""
    try:
        yield
    except KeyboardInterrupt as second:
        # Without a signal it was raised by the caller's own callback.
        if not stop:
            raise
        done = state.accumulator.count if file.path is None else state.saved
        raise SimulationInterrupted(study, done, stop.signals[0], file.path) from second


def _interruption(
    study: Study, engine: Replicates, state: StudyState, file: StateFile, stop: Stop
) -> SimulationInterrupted:
    partial = _partial(study, engine, state)
    return SimulationInterrupted(study, state.accumulator.count, stop.signals[0], file.path, partial)


def _partial(study: Study, engine: Replicates, state: StudyState) -> Result | None:
    done = state.accumulator.count
    return _result(replace(study, replicates=done), engine, state.accumulator, state.seconds) if done else None


def _save_and_describe(
    file: StateFile, studies: Sequence[Study], engines: Sequence[Replicates]
) -> tuple[str, Path | None]:
    """Save the finished replicates in the state file, or in a new one if there is none; describe where they are."""
    try:
        if file.path is None:
            for study, engine, state in zip(studies, engines, file.states, strict=True):
                state.identity = _identity(study, engine)
            file.path = find_unused_path(studies[0].seed)
            file.save()
    except OSError as error:
        return f"could not be saved, since {file.path} cannot be written ({error.strerror})", None
    return f"are saved in {file.path}", file.path


def _result(study: Study, engine: Replicates, accumulator: Accumulator, seconds: float) -> Result:
    return Result(study, engine.name, _describe_error(engine), accumulator, seconds)


def _describe_error(engine: Replicates) -> dict[str, Any] | None:
    """Return an engine's discretisation in machine-readable form, and how its strata are drawn; None if it is exact."""
    measured = engine.discretisation
    return None if measured is None else {**asdict(measured), "strata": engine.strata_drawn}


def _identity(study: Study, engine: Replicates) -> Identity:
    setting = study.setting
    return {
        "m": study.m,
        "kernel": setting.kernel.name,
        "density": setting.density.name,
        "weight": setting.weight.name,
        "bandwidth": setting.bandwidth.name,
        "seed": study.seed,
        "engine": engine.name,
        "cells_per_bandwidth": engine.cells_per_bandwidth,
        # Detects a version of the program, or a processor, that would continue with other bits.
        "first_value": float(engine.values(study.seed, study.streams(range(1)))[0]),
    }


def _no_identity(_study: Study, _engine: Replicates) -> Identity:
    """Return an empty identity for a study that is not saved: the first value at a large m is expensive."""
    return {}


def _refuse_fewer(study: Study, state: StudyState, file: StateFile) -> None:
    done = state.accumulator.count
    if done > study.replicates:
        raise InputError(
            f"--replicates must be at least {done:,} at m = {study.m:,}, the number in --resume {file.path}, got "
            f"{study.replicates:,}. Ask for more, or name another file."
        )


@contextlib.contextmanager
def open_pool(workers: int | None, address: str | None) -> Iterator[Pool]:
    """Start threads, or connect to the cluster at an address, for the time of a ``with`` block."""
    if workers is not None:
        require_positive("workers", workers, LARGEST_M, "Try the number of cores.")
    if address is None:
        with threads(min(workers or count_usable_cores(), count_usable_cores())) as pool:
            yield pool
        return
    if workers is not None:
        raise InputError(
            "--workers and --cluster exclude each other: a cluster's workers replace local threads. Give one of them."
        )
    with open_cluster(address) as found:
        threads_there = sum(worker.threads for worker in found.list_workers())
        yield Pool(found.submit, threads_there, remote=True, look=found.check_alive)


def _ignore(_done: int) -> None:
    pass
