"""The simulated null distribution of T_m, with a cache on disk."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from foundation.errors import CacheWarning, InputError
from foundation.files import atomic_write
from foundation.types import Array
from foundation.untrusted import ArrayArchive
from simulations.compiled import digest_sources
from simulations.engines.choice import Replicates
from simulations.engines.exact.replicates import ExactReplicates
from simulations.engines.exact.smoothed import SmoothedStatistic
from simulations.engines.exact.statistic import Statistic
from simulations.goodness_of_fit.estimation.location_scale import standardise
from simulations.goodness_of_fit.estimation.model import Model
from simulations.goodness_of_fit.rounding import Rounding
from simulations.sampling.streams import draw
from simulations.study.simulate import Progress
from simulations.study.study import Study
from simulations.study.values import Execution, execution


@dataclass(frozen=True)
class NullLaw:
    """A null distribution of T_m, specified by everything it depends on.

    Parameters
    ----------
    study : Study
        The setting, the numbers of observations and replicates, and the seed.
    model : Model, optional
        The family whose location and scale are estimated from each sample, which is then standardised.
    rounding : Rounding, optional
        Applied to each sample.
    location, scale : float
        What is added to each sample, and by what it is multiplied, before it is rounded and location and scale are
        estimated; without rounding they do not matter.
    smoothed : bool
        Whether the estimate is compared with the smoothed density, K_b * f.
    """

    study: Study
    model: Model | None = None
    rounding: Rounding | None = None
    location: float = 0.0
    scale: float = 1.0
    smoothed: bool = False

    def values(
        self,
        workers: int | None = None,
        cache: Path | None = None,
        progress: Progress | None = None,
        run: Execution | None = None,
    ) -> Array:
        """Load or simulate T_m under the null hypothesis, in the order of the replicates, shape (replicates,).

        Parameters
        ----------
        workers : int, optional
            Threads; by default one for each usable core. The values do not depend on it.
        cache : Path, optional
            Folder of the cache. A damaged file, or one that cannot be written, costs time only: the values are
            simulated.
        progress : callable, optional
            Called with the number of replicates done so far.
        run : Execution, optional
            Where the values are computed and kept, in place of threads of their own.
        """
        path = None if cache is None else cache / f"{self._digest}.npz"
        values = None if path is None else self._load(path)
        if values is None:
            if run is None:
                with execution(workers) as own:
                    values = self._simulate(own, progress)
            else:
                values = self._simulate(run, progress)
            if path is not None:
                try:
                    self._save(path, values)
                except (OSError, InputError) as error:
                    consequence = "The null distribution is not cached, so that the next test simulates it again"
                    remedy = "Give another --cache-dir, or --no-cache."
                    warnings.warn(CacheWarning.of(consequence, path.parent, error, remedy), stacklevel=2)
        return values

    @property
    def statistic(self) -> Statistic:
        """The statistic of a sample, once it is changed as the data were."""
        setting = self.study.setting
        if not self.smoothed:
            return setting
        return SmoothedStatistic(setting.kernel, setting.density, setting.weight, setting.bandwidth)

    @property
    def kept_as(self) -> str:
        """The identity under which the values are kept for resuming, also with more replicates."""
        return self._identify()

    def _simulate(self, run: Execution, progress: Progress | None) -> Array:
        engine: Replicates | None = None
        if self.model is not None or self.rounding is not None:
            engine = ChangedReplicates(self.statistic, self.study.m, self.change)
        elif self.smoothed:
            engine = ExactReplicates(self.statistic, self.study.m)
        return run.values(self.study, engine, self.kept_as, progress)

    def sample(self, replicate: int) -> Array:
        """Draw the sample of a replicate, changed as the data were, shape (m,)."""
        study = self.study
        (stream,) = study.streams(range(replicate, replicate + 1))
        return self.change(draw(study.setting.density, study.seed, stream, study.m))

    def change(self, sample: Array) -> Array:
        """Do to a sample of the hypothesis what was done to the data."""
        model, rounding = self.model, self.rounding
        if model is None:
            return sample if rounding is None else rounding.apply(sample)
        if rounding is None:
            return standardise(sample, model).values
        # The scale decides how coarse the rounding is. So every sample is given the location and the scale estimated
        # from the data, instead of scattering about them: the law is that of T_m given the estimates.
        moved = self.location + self.scale * standardise(sample, model).values
        return standardise(rounding.apply(moved), model).values

    @property
    def _identity(self) -> str:
        return self._identify(self.study.replicates)

    def _identify(self, *numbers_of_replicates: int) -> str:
        study, setting = self.study, self.study.setting
        functions = [setting.kernel.pieces, setting.density.pieces, setting.weight.pieces]
        numbers: list[Any] = [study.m, *numbers_of_replicates, study.seed, study.engine]
        numbers += [setting.bandwidth.at(study.m), repr(self.model), self.smoothed]
        if self.rounding is not None:
            numbers += [self.rounding.width, self.location, self.scale]
        # What an earlier version simulated, perhaps with a fault, is not believed by this one.
        return json.dumps([digest_sources(), *map(str, functions), *numbers])

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self._identity.encode()).hexdigest()

    def _load(self, path: Path) -> Array | None:
        """Load the values cached at ``path``, or return None unless they are intact and of this null distribution.

        The checksums are those of the zip format.
        """
        try:
            with ArrayArchive(path) as file:
                identity, values = file.read("identity"), file.read("values")
        except (OSError, ValueError):
            return None
        # The checksums find damage; these checks find a whole file with other content under the same name.
        of_this_law = identity.shape == () and str(identity) == self._identity
        complete = values.shape == (self.study.replicates,) and values.dtype == np.float64
        whole = of_this_law and complete and np.isfinite(values).all()
        return values if whole else None

    def _save(self, path: Path, values: Array) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as stream:
            np.savez(stream, values=values, identity=np.array(self._identity))


class ChangedReplicates(ExactReplicates):
    """The engine ``exact``, with every sample changed by a function before T_m is computed."""

    def __init__(self, statistic: Statistic, m: int, change: Callable[[Array], Array]) -> None:
        super().__init__(statistic, m)
        self._change = change

    def _draw(self, samples: Array, seed: np.uint64, replicates: npt.NDArray[np.uint64]) -> None:
        super()._draw(samples, seed, replicates)
        for sample in samples:
            sample[:] = self._change(sample)
