"""The values of all replicates of a study, in order: computed in threads or on a cluster, and kept for resuming."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foundation.cluster import ClusterLost, WorkersDied
from foundation.errors import InputError
from foundation.types import Array
from simulations.engines.choice import Replicates, engine_for
from simulations.study.blocks import Pool, Stopped, signals_noted
from simulations.study.kept_values import KeptValues, kept_values
from simulations.study.simulate import Progress, compute_blocks, open_pool
from simulations.study.study import SimulationInterrupted, SimulationStopped, Study


@dataclass(frozen=True)
class Execution:
    """Where replicates are computed and kept, for one simulation after another.

    Attributes
    ----------
    pool : Pool
    kept : KeptValues
    """

    pool: Pool
    kept: KeptValues

    def values(
        self,
        study: Study,
        engine: Replicates | None = None,
        identity: str = "",
        progress: Progress | None = None,
    ) -> Array:
        """Compute the values of all replicates that are not kept yet; return all, shape (replicates, ...).

        Parameters
        ----------
        study : Study
        engine : Replicates, optional
            In place of the one that the study names.
        identity : str
            Under which the values are kept.
        progress : callable, optional
            Called with the number of replicates done so far.

        Raises
        ------
        InputError
            If kept values are not those that this machine computes; as `SimulationStopped`, if the cluster is lost.
        SimulationInterrupted
            On SIGINT or SIGTERM.
        """
        chosen = engine or engine_for(study.engine, study.setting, study.m)
        found = self._kept(study, chosen, identity)
        count, kept = len(found), self.kept
        report = progress or (lambda _done: None)
        report(min(count, study.replicates))
        done = [found] if count else []
        with signals_noted() as stop:
            try:
                for values in compute_blocks(study, chosen, self.pool, count, stop, by_name=engine is None):
                    done.append(values)
                    count += len(values)
                    if kept.path is not None:
                        kept.values[identity] = np.concatenate(done)
                        kept.save_periodically()
                    report(count)
            except Stopped:
                kept.save()
                raise SimulationInterrupted(study, count, stop.signals[0], kept.path) from None
            except (ClusterLost, WorkersDied) as error:
                kept.save()
                where = "were not saved" if kept.path is None else f"are saved in {kept.path}"
                raise SimulationStopped(study, str(error), where, kept.path, None, count) from None
            kept.save()
            if stop:
                # A signal after the last block ends the simulation that would follow.
                stop.answered = True
                raise SimulationInterrupted(study, count, stop.signals[0], kept.path)
        return np.concatenate(done)[: study.replicates]

    def _kept(self, study: Study, engine: Replicates, identity: str) -> Array:
        """Return the values that are kept, after a check of the first."""
        found = self.kept.values.get(identity, np.empty(0))
        if len(found):
            first = engine.values(study.seed, study.streams(range(1)))
            if first.shape[1:] != found.shape[1:] or first.tobytes() != found[:1].tobytes():
                raise InputError(
                    f"--resume {self.kept.path} belongs to another study: its replicates were computed on another kind "
                    "of processor. The file is unchanged. Name another file to start over."
                )
        return found


@contextlib.contextmanager
def execution(
    workers: int | None = None,
    cluster: str | None = None,
    resume: str | Path | None = None,
    identities: Sequence[str] = (),
) -> Iterator[Execution]:
    """Start threads or connect to a cluster, and open the file of kept values, for the time of a ``with`` block.

    Parameters
    ----------
    workers, cluster, resume
        As for `simulations.simulate`.
    identities : sequence of str
        Of the simulations whose values may be in the file.

    Examples
    --------
    >>> with execution(workers=1) as run:
    ...     run.values(Study(m=50, replicates=3)).shape
    (3,)
    """
    with open_pool(workers, cluster) as pool, kept_values(resume, identities) as kept:
        yield Execution(pool, kept)


def replicate_values(
    study: Study,
    *,
    workers: int | None = None,
    engine: Replicates | None = None,
    progress: Progress | None = None,
) -> Array:
    """Compute T_m of every replicate of a study, in order, shape (replicates,): the null distribution itself.

    Where moments and quantiles are enough, `simulate` gives them in bounded memory. An ``engine`` replaces the one
    that the study names.

    Examples
    --------
    >>> replicate_values(Study(m=50, replicates=3)).shape
    (3,)
    """
    with execution(workers) as run:
        return run.values(study, engine, progress=progress)
