"""The error of T_m from cells, measured against the exact statistic on the same samples, and the number of cells."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from foundation.validation import require_positive
from simulations.engines.cells.grids import TooManyCells, grid
from simulations.engines.cells.kernel_expansions import kernel_geometry
from simulations.engines.cells.quadrature import TooFewNodes
from simulations.engines.exact.statistic import Statistic
from simulations.sampling.philox import OBSERVATIONS, PILOT
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.streams import draw_into
from theory.bickel_rosenblatt.bandwidth import Bandwidth
from theory.densities.integrals import known_square

LARGEST_ERROR = 1.5e-4
"""Largest accepted root mean square of the relative error of T_m over the pilot study.

The errors have heavy tails, and a pilot study estimates their root mean square to within about a third: with this bound
the true value is below 2.5e-4, about a thousandth of the standard deviation of T_m.
"""

LARGEST_BIAS = 1e-4
"""Largest accepted relative bias, beyond two of its standard errors."""

CELLS_PER_BANDWIDTH = (
    *(2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80),
    *(96, 112, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 2048, 4096),
)
"""Candidate numbers of cells per bandwidth, tried in ascending order."""

PILOT_REPLICATES, LARGEST_PILOT = 32, 50_000

PILOT_SEED = 0

FAR_TAIL, FAR_REACH, CLOSED_FORM = 1e-25, 100.0, 1e-9
"""Mass above the end of f, standard deviations beyond which a kernel does not reach, and accepted relative error."""


@dataclass(frozen=True)
class Discretisation:
    """The relative error of T_m from cells in a pilot study.

    Attributes
    ----------
    cells_per_bandwidth : int
    rms_relative_error : float
        Root mean square. Where T_m of a sample is 0, its error is divided by the mean of T_m.
    mean_relative_error, mean_standard_error : float
        Mean and its standard error.
    pilot_replicates, pilot_m : int
        Number of samples in the pilot study and their size: m, or 50,000 at the bandwidth of m if m is larger. The
        relative error depends on the bandwidth, and hardly on m.
    closed_form_error : float or None
        The relative error of the integral of f^2 a on the cells, against its closed form; None if it has none.
    """

    cells_per_bandwidth: int
    rms_relative_error: float
    mean_relative_error: float
    mean_standard_error: float
    pilot_replicates: int
    pilot_m: int
    closed_form_error: float | None = None

    @property
    def is_within_target(self) -> bool:
        """Whether error and bias are within their bounds; if not, a finer grid would have needed too many cells."""
        bias = abs(self.mean_relative_error) - 2 * self.mean_standard_error
        return self.rms_relative_error <= LARGEST_ERROR and bias <= LARGEST_BIAS


def choose_discretisation(statistic: Statistic, m: int) -> Discretisation:
    """Choose the coarsest discretisation within the error bounds, or the finest possible one.

    Raises
    ------
    InputError
        If the exact statistic does not support the setting, or no grid of cells does.
    """
    best: Discretisation | None = None
    require_positive("m", m)
    divisor = kernel_geometry(statistic.kernel).divisor
    # From coarse to fine: the first grid within the bounds is also the fastest.
    for cells in CELLS_PER_BANDWIDTH:
        try:
            best = measure_discretisation(statistic, m, cells * divisor)
        except TooFewNodes:
            # Finer cells have more nodes between knots.
            continue
        except TooManyCells:
            # Finer cells would be even more.
            break
        if best.is_within_target:
            break
    if best is None:
        raise InputError(
            f"cells cannot cover {statistic.weight.name} with {statistic.density.name} at the bandwidth "
            f"{statistic.bandwidth.at(m):g}: it would need too many of them, or f and a have knots too close together. "
            "Use the engine exact."
        )
    return best


@lru_cache(maxsize=64)
def measure_discretisation(statistic: Statistic, m: int, cells_per_bandwidth: int) -> Discretisation:
    """Measure the error of T_m with ``cells_per_bandwidth`` cells in a bandwidth, by a pilot study.

    Raises
    ------
    InputError
        If the exact statistic does not support the setting, or contradicts a closed form.
    TooManyCells, TooFewNodes
        As from `simulations.engines.cells.grids.grid`.
    """
    # A large m is represented by a smaller sample at its bandwidth, on which the error depends.
    size = min(m, LARGEST_PILOT)
    pilot = _at_the_bandwidth_of(statistic, m)
    cells, square = grid(pilot, size, cells_per_bandwidth), known_square(pilot.density, pilot.weight)
    # Neither engine is taken to be right: each is compared with a closed form before one is compared with the other.
    _require_closed_form(pilot, square)
    on_the_cells = cells.of_sample(np.empty(0)) / (size * pilot.bandwidth.at(size))
    values = np.array([cells.of_sample(sample) for sample in _samples(pilot, size)])
    errors = _relative_errors(values, _exact_values(pilot, size))
    return Discretisation(
        cells_per_bandwidth,
        rms_relative_error=math.sqrt(float(np.mean(errors**2))),
        mean_relative_error=float(errors.mean()),
        mean_standard_error=float(errors.std(ddof=1)) / math.sqrt(errors.size),
        pilot_replicates=PILOT_REPLICATES,
        pilot_m=size,
        closed_form_error=None if not square else on_the_cells / square - 1,
    )


@lru_cache(maxsize=8)
def _require_closed_form(statistic: Statistic, square: float | None) -> None:
    """Require that T_m of one observation far from f and a is b int f^2 a, plus I(K) under the weight 1.

    Raises
    ------
    InputError
        If the exact engine gives another value.
    """
    if square is None:
        return
    weight, b = statistic.weight, statistic.bandwidth.at(1)
    upper = statistic.density.bulk(FAR_TAIL)[1] if weight.is_one else float(weight.support[1])
    observation = np.array([upper + abs(upper) + FAR_REACH * b * math.sqrt(float(statistic.kernel.second_moment))])
    expected = b * square + (float(statistic.kernel.roughness) if weight.is_one else 0.0)
    found = statistic.of_sorted(observation)
    if not abs(found - expected) <= CLOSED_FORM * expected:
        raise InputError(
            f"T_m of one observation far from {statistic.density.name} must be {expected:.12g} by closed forms at the "
            f"bandwidth {b:g}, but the engine exact gives {found:.12g}. Choose another bandwidth or weight."
        )


def _relative_errors(values: Array, exact: Array) -> Array:
    """Divide the errors by the exact values, or by the mean of T_m where T_m is 0."""
    errors = values - exact
    scale = np.where(exact > 0, exact, exact.mean())
    return np.divide(errors, scale, out=errors.copy(), where=scale > 0)


@lru_cache(maxsize=8)
def _exact_values(statistic: Statistic, m: int) -> Array:
    return np.array([statistic.of_sorted(np.sort(sample)) for sample in _samples(statistic, m)])


def _samples(statistic: Statistic, m: int) -> Iterator[Array]:
    """Draw the samples of the pilot study, from streams that no simulation uses."""
    table, sample = quantile_table(statistic.density), np.empty(m)
    for replicate in range(PILOT_REPLICATES):
        draw_into(sample, table, np.uint64(PILOT_SEED), np.uint64(replicate), np.uint64(OBSERVATIONS + PILOT))
        yield sample


def _at_the_bandwidth_of(statistic: Statistic, m: int) -> Statistic:
    """Fix the bandwidth of a setting at its value for ``m``, whatever the sample size."""
    value = statistic.bandwidth.at(m)
    fixed = Bandwidth(f"{value!r}", factor=value, exponent=Fraction(0))
    return Statistic(statistic.kernel, statistic.density, statistic.weight, fixed)
