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
from simulations.engines.cells.expectation import expected_statistic
from simulations.engines.cells.grids import TooManyCells, grid, smallest_bandwidth
from simulations.engines.cells.kernel_expansions import kernel_geometry
from simulations.engines.cells.quadrature import TooFewNodes
from simulations.engines.exact.statistic import Statistic
from simulations.engines.names import LARGEST_M
from simulations.sampling.philox import OBSERVATIONS, PILOT
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.streams import draw_into
from theory.bickel_rosenblatt.bandwidth import Bandwidth
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.variance import exact_variance
from theory.densities.integrals import known_square

LARGEST_ERROR, LARGEST_BIAS = 0.05, 0.02
"""Largest accepted root mean square error and bias of T_m, in standard deviations of T_m."""

TARGET_ERROR, TARGET_BIAS = 0.003, 0.002
"""Error and bias to which the number of cells is chosen: a tenth of what is accepted, where it costs little.

The errors have heavy tails, and a pilot study estimates their root mean square to within about a third.
"""

CELLS_PER_BANDWIDTH = (
    *(2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80),
    *(96, 112, 128, 160, 192, 256, 320, 384, 512, 768, 1024, 2048, 4096, 8192, 16384),
)
"""Candidate numbers of cells per bandwidth, tried in ascending order."""

PILOT_REPLICATES, LARGEST_PILOT = 32, 50_000

LARGEST_EXCESS = 1e12
"""Excess over a target that is believed where the error is even larger, or infinite."""

PILOT_SEED = 0

FAR_TAIL, FAR_REACH, CLOSED_FORM = 1e-25, 100.0, 1e-9
"""Mass above the end of f, standard deviations beyond which a kernel does not reach, and accepted relative error."""


@dataclass(frozen=True)
class Discretisation:
    """The error of T_m from cells, in standard deviations of T_m.

    Attributes
    ----------
    cells_per_bandwidth : int
    standard_deviation : float
        That of T_m at m: exact, or estimated in the pilot study where the exact variance cannot be computed.
    bias, bias_standard_error : float
        Mean error and its standard error: 0 if the bias was computed, positive if the pilot study estimated it.
    rms_error : float
        Root mean square error: the bias at m, and the deviations from it in the pilot study.
    rms_relative_error : float
        Root mean square error of the pilot study relative to T_m, or to the mean of T_m where T_m of a sample is 0.
    pilot_replicates, pilot_m : int
        Number of samples in the pilot study and their size: m, or 50,000 at the bandwidth of m if m is larger.
    closed_form_error : float or None
        The relative error of the integral of f^2 a on the cells, against its closed form; None if it has none.
    """

    cells_per_bandwidth: int
    standard_deviation: float
    bias: float
    bias_standard_error: float
    rms_error: float
    rms_relative_error: float
    pilot_replicates: int
    pilot_m: int
    closed_form_error: float | None = None

    @property
    def is_within_target(self) -> bool:
        """Whether error and bias are as small as the number of cells is chosen for."""
        return self._is_within(TARGET_ERROR, TARGET_BIAS)

    @property
    def is_acceptable(self) -> bool:
        """Whether error and bias are small compared with the spread of T_m."""
        return self._is_within(LARGEST_ERROR, LARGEST_BIAS)

    @property
    def excess(self) -> float:
        """Error or bias, whichever is farther from its target, as a multiple of that."""
        return max(self.rms_error / TARGET_ERROR, abs(self.bias) / TARGET_BIAS)

    def _is_within(self, error: float, bias: float) -> bool:
        return self.rms_error <= error and abs(self.bias) - 2 * self.bias_standard_error <= bias


def choose_discretisation(statistic: Statistic, m: int) -> Discretisation:
    """Choose the coarsest discretisation with the targeted error, or the finest possible one if that is acceptable.

    Raises
    ------
    InputError
        If the exact statistic does not support the setting, no grid of cells does, or the error of every one is too
        large compared with the spread of T_m.
    """
    require_positive("m", m)
    divisor = kernel_geometry(statistic.kernel).divisor
    best: Discretisation | None = None
    pending, skipped = [cells * divisor for cells in CELLS_PER_BANDWIDTH], list[int]()
    # From coarse to fine: the first grid within the target is also the fastest.
    while pending:
        cells, *pending = pending
        try:
            best = _measure_affordable(statistic, m, cells)
        except TooFewNodes:
            # Finer cells have more nodes between knots.
            continue
        except TooManyCells:
            # Finer cells would be even more; of those passed over, the finest possible is the best.
            pending, skipped = skipped[-1:], skipped[:-1]
            continue
        if best.is_within_target:
            break
        # No error falls much faster than with the eighth power, which leaves out grids that cannot be fine enough.
        sufficient = cells * min(best.excess, LARGEST_EXCESS) ** 0.125
        skipped = [finer for finer in pending if finer < sufficient]
        pending = [finer for finer in pending if finer >= sufficient] or skipped[-1:]
    if best is None:
        raise InputError(
            f"cells cannot cover {statistic.weight.name} with {statistic.density.name} at the bandwidth "
            f"{statistic.bandwidth.at(m):g}: it would need too many of them, or f and a have knots too close together. "
            f"{_alternative(m, smallest_bandwidth(statistic, m, CELLS_PER_BANDWIDTH[0] * divisor))}"
        )
    if not best.is_acceptable:
        raise InputError(
            f"the error of T_m from cells must be at most {LARGEST_ERROR:g} and its bias {LARGEST_BIAS:g} standard "
            f"deviations of T_m, got {best.rms_error:.2g} and {best.bias:+.2g} with {best.cells_per_bandwidth} cells "
            f"in the bandwidth {statistic.bandwidth.at(m):g}, the finest possible grid. {_alternative(m)}"
        )
    return best


def _measure_affordable(statistic: Statistic, m: int, cells_per_bandwidth: int) -> Discretisation:
    if not grid(statistic, m, cells_per_bandwidth).is_affordable(m):
        raise TooManyCells
    return measure_discretisation(statistic, m, cells_per_bandwidth)


def _alternative(m: int, smallest: float = 0.0) -> str:
    """Say what can be used where no cells can."""
    if m <= LARGEST_M["exact"]:
        return "Use the engine exact."
    bandwidth = f"a bandwidth of at least {smallest:.2g}, or " if smallest else ""
    return f"Use {bandwidth}an m of at most {LARGEST_M['exact']:,}, where the engine exact can be used."


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
    exact = _exact_values(pilot, size)
    values = np.array([cells.of_sample(sample) for sample in _samples(pilot, size)])
    errors = values - exact
    # The pilot study shows how far single values are off; their mean error is computed, and at m itself.
    estimated = float(exact.std(ddof=1))
    deviation = _in_spreads(float(errors.std()), standard_deviation(pilot, size, estimated))
    spread = standard_deviation(statistic, m, estimated)
    bias, bias_error = _bias(statistic, m, cells_per_bandwidth, errors)
    return Discretisation(
        cells_per_bandwidth,
        standard_deviation=spread,
        bias=_in_spreads(bias, spread),
        bias_standard_error=_in_spreads(bias_error, spread),
        rms_error=math.hypot(_in_spreads(bias, spread), deviation),
        rms_relative_error=math.sqrt(float(np.mean(_relative_errors(errors, exact) ** 2))),
        pilot_replicates=PILOT_REPLICATES,
        pilot_m=size,
        closed_form_error=None if not square else on_the_cells / square - 1,
    )


def _bias(statistic: Statistic, m: int, cells_per_bandwidth: int, errors: Array) -> tuple[float, float]:
    """Compute the mean error of T_m, or estimate it by the ``errors`` of the pilot study, with its standard error."""
    try:
        expected = expected_statistic(grid(statistic, m, cells_per_bandwidth), statistic.density, m)
    except InputError:
        # The density has no strata: it is unbounded, or too steep.
        return float(errors.mean()), float(errors.std(ddof=1)) / math.sqrt(errors.size)
    exact = exact_mean(m, statistic.kernel, statistic.density, statistic.weight, statistic.bandwidth)
    return expected - exact.total, 0.0


@lru_cache(maxsize=64)
def standard_deviation(statistic: Statistic, m: int, estimated: float) -> float:
    """Compute the standard deviation of T_m; where that is not possible, return the one that was ``estimated``."""
    try:
        variance = exact_variance(m, statistic.kernel, statistic.density, statistic.weight, statistic.bandwidth)
    except InputError:
        return estimated
    return math.sqrt(max(0.0, variance.total))


def _in_spreads(error: float, spread: float) -> float:
    """Divide an error by the standard deviation of T_m; no error is 0 of any spread."""
    if error == 0.0:
        return 0.0
    return error / spread if spread > 0.0 else math.copysign(math.inf, error)


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


def _relative_errors(errors: Array, exact: Array) -> Array:
    """Divide the errors by the exact values, or by the mean of T_m where T_m is 0."""
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
