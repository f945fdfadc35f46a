"""T_m of one sample, to nearly machine precision."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial.legendre import leggauss

from foundation.errors import InputError
from foundation.types import Array
from simulations.engines.exact.analytic.panels import GAUSSIAN_REACH, LOGISTIC_REACH, panel_statistic
from simulations.engines.exact.density_tables import QUINTIC, CellTable, cell_table
from simulations.engines.exact.expansion import Expansion
from simulations.engines.exact.kernel_tables import AnalyticKernel, PiecewiseKernel, kernel_table
from simulations.engines.exact.sweep import SHORT, sweep
from simulations.observations.arrays import to_doubles
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.densities.density import FEWEST_STEPS, Density, DensityLike
from theory.densities.validation import valid_density
from theory.densities.weights import Weight, weight_named
from theory.kernels import Kernel, kernel_named

NEGLIGIBLE = 1e-11
"""Share of f^2 that may lie in terms beyond the second on a short piece; its quadrature misses a twentieth of that."""

HARMONIC_DEGREES = 4, 12
"""Degrees of the polynomials that equal a cosine to rounding, squared, on a short piece and on half a period."""

FARTHEST = 1e306
"""Largest distance of an observation from 0 in bandwidths; beyond it, computations may overflow."""

COINCIDENCES = 1e-6
"""Largest share of the doubles in a scale of f that a sample may take, for its observations hardly ever to coincide."""

PANEL_NODES = 16
"""Nodes that integrate f_m^2 to rounding on a panel two scales of an analytic kernel wide."""

Rule = tuple[Array, Array]
"""The nodes and weights of a Gauss-Legendre rule on [-1, 1]."""


@dataclass(frozen=True)
class Statistic:
    r"""T_m for one kernel, density, weight and bandwidth rule, with tables that are built once for many samples.

    Parameters
    ----------
    kernel : Kernel
        Piecewise a polynomial or a cosine, with bounded support, or Gaussian or logistic.
    density : Density
    weight : Weight
        Zero outside a bounded interval, or 1 everywhere.
    bandwidth : Bandwidth
    """

    kernel: Kernel
    density: Density
    weight: Weight
    bandwidth: Bandwidth

    def prepare(self) -> None:
        """Build the tables of the kernel, the density and the weight now.

        Raises
        ------
        InputError
            If one of them is not supported.
        """
        _ = self._evaluation

    def require_resolved_samples(self, m: int) -> None:
        """Require that rounding of the observations does not change the law of T_m at the bandwidth of ``m``.

        Raises
        ------
        InputError
            If the bandwidth spans fewer than 1,024 doubles at the location of a part of the density, and so few are in
            that part that observations coincide.
        """
        bandwidth = self.bandwidth.at(m)
        for location, scale in self.density.landmarks:
            place = abs(float(location)) + float(scale)
            spacing = float(np.spacing(place))
            if bandwidth < FEWEST_STEPS * spacing and m * spacing > COINCIDENCES * float(scale):
                raise InputError(
                    f"the bandwidth must be at least {FEWEST_STEPS:,} times the spacing of doubles where samples are "
                    f"drawn, got {bandwidth:g} near {place:.6g}, where they are {spacing:.3g} apart. Choose a "
                    "larger bandwidth, or move the density and the weight towards 0."
                )

    def of_sample(self, sample: Array) -> float:
        """Compute T_m of a finite, non-empty sample in any order.

        Raises
        ------
        InputError
            If the weight is 1 everywhere and an observation is farther from 0 than `FARTHEST` bandwidths.
        """
        greatest, bandwidth = float(np.abs(sample).max()), self.bandwidth.at(sample.size)
        if not self.weight.support[1].is_finite and greatest > FARTHEST * bandwidth:
            raise InputError(
                f"observations must be at most {FARTHEST:g} bandwidths from 0 under the weight {self.weight.name}, "
                f"got {greatest:g} and the bandwidth {bandwidth:g}. Choose a window:c,d."
            )
        return self.of_sorted(np.sort(sample))

    def of_sorted(self, sample: Array) -> float:
        """Compute T_m of a sorted, finite, non-empty sample, without checks."""
        return float(self.of_rows(sample[None])[0])

    def of_rows(self, samples: Array) -> Array:
        """Compute T_m of each row of sorted, finite samples, shape (n, m), without checks; a row has the same bits."""
        return self._evaluation.of_rows(samples, self.bandwidth.at(samples.shape[1]))

    @property
    def _evaluation(self) -> _Sweep | _Panels:
        return _evaluation(self.kernel, self.density, self.weight)


@lru_cache(maxsize=16)
def _evaluation(kernel: Kernel, density: Density, weight: Weight) -> _Sweep | _Panels:
    """Return the tables, which statistics of one kernel, density and weight share."""
    table = kernel_table(kernel)
    if isinstance(table, AnalyticKernel):
        return _Panels.of(table, density, weight)
    return _Sweep.of(table, density, weight)


@dataclass(frozen=True)
class _Sweep:
    """T_m for a kernel with bounded support: multiplied out where that keeps its digits, and otherwise by a sweep."""

    kernel: PiecewiseKernel
    density: Density
    cells: CellTable
    few: Rule
    many: Rule
    expansions: dict[float, Expansion | None] = field(default_factory=dict)

    @classmethod
    def of(cls, kernel: PiecewiseKernel, density: Density, weight: Weight) -> _Sweep:
        cells = cell_table(density, weight)
        few, many = _numbers_of_nodes(kernel, cells)
        return cls(kernel, density, cells, leggauss(few), leggauss(many))

    def of_rows(self, samples: Array, bandwidth: float) -> Array:
        expansion = self._expansion(bandwidth)
        if expansion is not None and expansion.is_economical(samples.shape[1]):
            values = expansion.of_rows(samples)
        else:
            values = np.full(len(samples), np.nan)
        for row in np.flatnonzero(np.isnan(values)):
            values[row] = self.sweep(samples[row], bandwidth)
        return values

    def _expansion(self, bandwidth: float) -> Expansion | None:
        if bandwidth not in self.expansions:
            self.expansions[bandwidth] = Expansion.of(self.kernel, self.cells, self.density, bandwidth)
        return self.expansions[bandwidth]

    def sweep(self, sample: Array, bandwidth: float) -> float:
        kernel, total = self.kernel, 0.0
        least, greatest = sample[0] + bandwidth * kernel.knots[0], sample[-1] + bandwidth * kernel.knots[-1]
        for part in self.cells.parts(least, greatest):
            total += sweep(
                sample,
                bandwidth,
                kernel.knots,
                kernel.functions,
                kernel.frequency,
                kernel.transfers,
                kernel.jumps,
                *part,
                *self.few,
                *self.many,
            )
        return total


@dataclass(frozen=True)
class _Panels:
    """T_m for a Gaussian or a logistic kernel."""

    kernel: AnalyticKernel
    cells: CellTable
    rule: Rule

    @classmethod
    def of(cls, kernel: AnalyticKernel, density: Density, weight: Weight) -> _Panels:
        return cls(kernel, cell_table(density, weight, PANEL_NODES - 1), leggauss(PANEL_NODES))

    def of_rows(self, samples: Array, bandwidth: float) -> Array:
        return np.array([self._of_sorted(sample, bandwidth) for sample in samples])

    def _of_sorted(self, sample: Array, bandwidth: float) -> float:
        kernel, total = self.kernel, 0.0
        reach = (LOGISTIC_REACH if kernel.is_logistic else GAUSSIAN_REACH) * kernel.scale
        least = sample[0] + bandwidth * (kernel.location - reach)
        greatest = sample[-1] + bandwidth * (kernel.location + reach)
        for part in self.cells.parts(least, greatest):
            total += panel_statistic(
                kernel.is_logistic,
                sample,
                bandwidth,
                kernel.location,
                kernel.scale,
                kernel.height,
                *part,
                *self.rule,
            )
        return total


def tm_statistic(
    sample: npt.ArrayLike,
    *,
    kernel: str | Kernel = "epanechnikov",
    density: DensityLike = "normal",
    weight: str | Weight = "window:-2,2",
    bandwidth: str | float | Bandwidth = "m^-0.235",
) -> float:
    r"""Compute the Bickel-Rosenblatt statistic :math:`T_m = m b \int (f_m - f)^2 a` of one sample.

    Parameters
    ----------
    sample : array_like, shape (m,)
        Finite numbers in any order; ties are allowed.
    kernel : str or Kernel
        Piecewise a polynomial or a cosine, with bounded support, or Gaussian or logistic; with any scale and shift.
    density : str or Density
        The hypothesised density f.
    weight : str or Weight
        The weight a; it vanishes outside a bounded interval, or is 1 everywhere.
    bandwidth : str, float or Bandwidth
        b, the half-width of a kernel supported on [-1, 1], the standard deviation of the Gaussian kernel, the scale
        of the logistic one: a number, or the rule ``m^-DELTA``.

    Returns
    -------
    float
        T_m, with a relative error below 1e-10, at any location and for parts of f of any scales. Where f_m all but
        equals f, their digits cancel: the root of T_m, which is the norm of f_m - f, then has an error of at most
        1e-14 times the norm of f_m + f. One observation whose kernel is f leaves about 1e-32 instead of 0.

    Raises
    ------
    InputError
        If the sample is empty, not one-dimensional, not numeric or not finite, if an argument is not one of those
        described above, if the scale of a part of f spans fewer than 1,024 doubles at its location, if f contradicts
        its distribution function or a closed form, or if under the weight 1 an observation is farther from 0 than
        1e306 bandwidths.

    Notes
    -----
    A sweep over the sorted sample integrates the squared deviation by Gauss-Legendre rules between the points where
    the estimate f_m changes its form; no large terms cancel. For the Gaussian and the logistic kernel f_m is analytic,
    and the rules are applied to panels about as wide as the kernel. If K is one polynomial of degree 6 or less and a is
    constant, the square is multiplied out instead, unless too many digits would cancel; that takes less time.

    References
    ----------
    Section 3 of the paper; Bickel and Rosenblatt (1973).

    Examples
    --------
    One observation at 0, with a bandwidth so small that f hardly matters, leaves the integral of the squared kernel:

    >>> round(tm_statistic([0.0], bandwidth=1e-9), 8)
    0.6
    """
    density = valid_density(density)
    statistic = Statistic(kernel_named(kernel), density, weight_named(weight, density), bandwidth_named(bandwidth))
    return statistic.of_sample(check_sample(sample))


def _numbers_of_nodes(kernel: PiecewiseKernel, cells: CellTable) -> tuple[int, int]:
    """Count the nodes that integrate (f_m - f)^2 a on a short piece and on a long one.

    n nodes are exact for degree 2 n - 1. On a long piece this covers f, f_m and a at their full degrees; on a short
    one f is nearly quadratic, unless its cells are as wide as those of a polynomial density may be.
    """
    # Degrees of f_m on a short piece and on a long one.
    low, high = HARMONIC_DEGREES if kernel.frequency > 0 else (kernel.functions[-1], kernel.functions[-1])
    weight_degree = cells.weight.shape[1] - 1
    many = max(high, QUINTIC) + 1 + (weight_degree + 1) // 2
    return (max(low, 2) + 1 + weight_degree // 2 if _is_nearly_quadratic(cells.density) else max(low + 1, many)), many


def _is_nearly_quadratic(polynomials: Array) -> bool:
    """Test whether, on a short piece, the terms beyond the second are negligible in the square of f.

    ``polynomials`` has the shape (cells, 6).
    """
    terms = np.abs(polynomials) * SHORT ** np.arange(polynomials.shape[1])
    scale = terms.max(axis=1)
    neglected = np.maximum(terms[:, 3] ** 2, scale * terms[:, 4:].max(axis=1))
    return bool((neglected <= NEGLIGIBLE * scale**2).all())


def check_sample(sample: npt.ArrayLike) -> Array:
    """Check ``sample`` and return it as an array, shape (m,).

    Raises
    ------
    InputError
        If it is empty, not one-dimensional, not numeric or not finite.

    Examples
    --------
    >>> check_sample([1, 2.5])
    array([1. , 2.5])
    """
    values, _ = to_doubles(sample)
    if values.ndim != 1:
        raise InputError(f"the sample must be one-dimensional, got the shape {values.shape}.")
    if values.size == 0:
        raise InputError("the sample must have at least one observation, got none.")
    if not np.isfinite(values).all():
        count = int(np.count_nonzero(~np.isfinite(values)))
        raise InputError(f"the sample must be finite, but {count} of its {values.size} values are NaN or infinite.")
    return values
