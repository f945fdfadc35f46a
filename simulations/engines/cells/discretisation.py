"""The error of T_m from cells, measured against the exact statistic on the same samples, and the cells it asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from simulations.engines.cells.grids import TooManyCells, grid, require_positive
from simulations.engines.cells.kernel_expansions import kernel_geometry
from simulations.engines.cells.quadrature import TooFewNodes
from simulations.engines.exact.statistic import Statistic
from simulations.sampling.philox import OBSERVATIONS, PILOT
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.streams import draw_into
from theory.bickel_rosenblatt.bandwidth import Bandwidth

Array = npt.NDArray[np.float64]

LARGEST_ERROR = 1.5e-4
"""The root mean square, over the pilot study, of the relative error of T_m that is allowed.

The errors have heavy tails, and a pilot study tells their root mean square to a third or so: with this bound it is
below 2.5e-4 in truth, a thousandth of the spread of T_m, or about.
"""

LARGEST_BIAS = 1e-4
"""The relative bias that is allowed, beyond two of its standard errors."""

CELLS_PER_BANDWIDTH = (
    *(2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80),
    *(96, 112, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 2048, 4096),
)
"""The numbers of cells in a bandwidth that are tried."""

PILOT_REPLICATES, LARGEST_PILOT = 32, 50_000

PILOT_SEED = 0


@dataclass(frozen=True)
class Discretisation:
    """The relative error of T_m from cells in a pilot study.

    Attributes
    ----------
    cells_per_bandwidth : int
    rms_relative_error : float
        The root of the mean square. Where T_m of a sample is 0, its error is divided by the mean of T_m.
    mean_relative_error, mean_standard_error : float
        The mean, and its standard error.
    pilot_replicates, pilot_m : int
        The samples of the pilot study, and their size: m, or 50,000 at the bandwidth of m if m is larger. The relative
        error depends on the bandwidth, and hardly on m.
    """

    cells_per_bandwidth: int
    rms_relative_error: float
    mean_relative_error: float
    mean_standard_error: float
    pilot_replicates: int
    pilot_m: int

    @property
    def is_within_target(self) -> bool:
        """Whether error and bias are at most those allowed; if not, more cells would have been too many."""
        bias = abs(self.mean_relative_error) - 2 * self.mean_standard_error
        return self.rms_relative_error <= LARGEST_ERROR and bias <= LARGEST_BIAS


def choose_discretisation(statistic: Statistic, m: int) -> Discretisation:
    """Return the coarsest discretisation whose error is small enough, or the finest there is.

    Raises
    ------
    InputError
        If the setting is not one that T_m is computed for, or would need too many cells.
    """
    best: Discretisation | None = None
    require_positive("m", m)
    divisor = kernel_geometry(statistic.kernel).divisor
    for cells in CELLS_PER_BANDWIDTH:
        try:
            best = measure_discretisation(statistic, m, cells * divisor)
        except TooFewNodes:
            continue
        except TooManyCells:
            break
        if best.is_within_target:
            break
    if best is None:
        raise InputError(
            f"cells cannot cover {statistic.weight.name} with {statistic.density.name} at the bandwidth "
            f"{statistic.bandwidth.at(m):g}: they would be too many, or f and a change too often there: take the "
            "engine exact."
        )
    return best


@lru_cache(maxsize=64)
def measure_discretisation(statistic: Statistic, m: int, cells_per_bandwidth: int) -> Discretisation:
    """Measure the error with that many cells in a bandwidth.

    Raises
    ------
    InputError
        If the setting is not one that T_m is computed for.
    TooManyCells, TooFewNodes
        As from `simulations.engines.cells.grids.grid`.
    """
    size = min(m, LARGEST_PILOT)
    pilot = _at_the_bandwidth_of(statistic, m)
    cells = grid(pilot, size, cells_per_bandwidth)
    values = np.array([cells.of_sample(sample) for sample in _samples(pilot, size)])
    errors = _relative_errors(values, _exact_values(pilot, size))
    return Discretisation(
        cells_per_bandwidth,
        rms_relative_error=math.sqrt(float(np.mean(errors**2))),
        mean_relative_error=float(errors.mean()),
        mean_standard_error=float(errors.std(ddof=1)) / math.sqrt(errors.size),
        pilot_replicates=PILOT_REPLICATES,
        pilot_m=size,
    )


def _relative_errors(values: Array, exact: Array) -> Array:
    """Return the errors by the exact values; where T_m is 0, by the mean of T_m."""
    errors = values - exact
    scale = np.where(exact > 0, exact, exact.mean())
    return np.divide(errors, scale, out=errors.copy(), where=scale > 0)


@lru_cache(maxsize=8)
def _exact_values(statistic: Statistic, m: int) -> Array:
    return np.array([statistic.of_sorted(np.sort(sample)) for sample in _samples(statistic, m)])


def _samples(statistic: Statistic, m: int) -> Iterator[Array]:
    """Yield the samples of the pilot study, from streams of their own."""
    table, sample = quantile_table(statistic.density), np.empty(m)
    for replicate in range(PILOT_REPLICATES):
        draw_into(sample, table, np.uint64(PILOT_SEED), np.uint64(replicate), np.uint64(OBSERVATIONS + PILOT))
        yield sample


def _at_the_bandwidth_of(statistic: Statistic, m: int) -> Statistic:
    """Return the same setting with the bandwidth of ``m`` for samples of any size."""
    value = statistic.bandwidth.at(m)
    fixed = Bandwidth(f"{value!r}", factor=value, exponent=Fraction(0))
    return Statistic(statistic.kernel, statistic.density, statistic.weight, fixed)
