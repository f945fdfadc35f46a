r"""T_m with the smoothed density in place of the density: m b times the integral of (f_m - K_b * f)^2 a.

Samples of f have the mean density K_b * f, so that this statistic measures chance alone: its mean has no bias term, at
any bandwidth. It is T_m less a constant and a sum over the sample (`theory.bickel_rosenblatt.bias_projection`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from foundation.errors import InputError
from foundation.types import Array, Indices
from simulations.compiled import compiled
from simulations.engines.exact.cross_terms import DEGREE, CrossTable, sum_cross_terms
from simulations.engines.exact.statistic import Statistic
from theory.bickel_rosenblatt.bias_projection import BiasProjection, bias_projection
from theory.bickel_rosenblatt.quadrature import Nodes
from theory.densities.density import Density
from theory.densities.weights import Weight
from theory.kernels import Kernel

TOLERANCE = 1e-10
"""Error of the polynomials relative to the largest value of g, before a last halving, which divides it by 2**8."""

MOST_HALVINGS = 12
"""Of a cell of the mesh, on which g is smooth."""


@dataclass(frozen=True)
class SmoothedStatistic(Statistic):
    """The statistic that compares the estimate with K_b * f."""

    def of_rows(self, samples: Array) -> Array:
        """Compute the statistic of each row of sorted, finite samples, shape (n, m), without checks."""
        m = samples.shape[1]
        bandwidth = self.bandwidth.at(m)
        correction = _correction(self.kernel, self.density, self.weight, bandwidth)
        sums = np.empty(len(samples))
        _sum_rows(sums, samples, correction.table)
        bias = 2 * bandwidth * (sums + m * correction.outside) + m * correction.squared_bias
        # The statistic is not negative; rounding may leave less than 0 of a difference of large terms.
        return np.maximum(super().of_rows(samples) - bias, 0.0)


@dataclass(frozen=True)
class _Correction:
    """The terms that the bias adds to T_m.

    Attributes
    ----------
    table : CrossTable
        g less its value outside.
    outside : float
    squared_bias : float
        The integral of b (K_b * f - f)^2 a.
    """

    table: CrossTable
    outside: float
    squared_bias: float


@cache
def _correction(kernel: Kernel, density: Density, weight: Weight, bandwidth: float) -> _Correction:
    projection = bias_projection(kernel, density, weight, bandwidth)
    return _Correction(_tabulate(projection), projection.outside, projection.squared_bias)


def _tabulate(projection: BiasProjection) -> CrossTable:
    """Interpolate g, less its value outside, by polynomials on equal parts of every cell of its mesh."""
    mesh = projection.mesh
    lowers = mesh.bases + mesh.rests
    scale = float(np.abs(projection.at(mesh.nodes(DEGREE + 1))).max())
    fitted: dict[int, Array] = {}
    pending = np.arange(lowers.size)
    for halvings in range(MOST_HALVINGS):
        parts = 2**halvings
        coefficients = _interpolate(projection, pending, parts)
        v = np.linspace(-0.9, 0.9, DEGREE + 2)
        exact = _on_parts(projection, pending, parts, v)
        errors = np.abs(np.polynomial.polynomial.polyval(v, np.moveaxis(coefficients, 2, 0)) - exact).max(axis=(1, 2))
        done = errors <= TOLERANCE * scale
        if done.any():
            finer = _interpolate(projection, pending[done], 2 * parts)
            fitted.update(zip(pending[done].tolist(), finer, strict=True))
        pending = pending[~done]
        if not pending.size:
            break
    if pending.size:
        raise InputError(
            f"the bias of the estimate must be smooth between its knots, but near {lowers[pending[0]]:.6g} it is not. "
            "Choose the hypothesis itself, without smoothing."
        )
    counts = [len(fitted[cell]) for cell in range(lowers.size)]
    ends = np.append(lowers, lowers[-1] + mesh.widths[-1])
    table = np.ascontiguousarray(np.concatenate([fitted[cell] for cell in range(lowers.size)]))
    table[:, 0] -= projection.outside
    return CrossTable(ends, np.array(counts) / np.diff(ends), np.cumsum([0, *counts]), table)


def _interpolate(projection: BiasProjection, cells: Indices, parts: int) -> Array:
    """Return the coefficients of polynomials on ``parts`` equal parts of cells, shape (cells, parts, degree + 1)."""
    v = np.polynomial.chebyshev.chebpts1(DEGREE + 1)
    values = _on_parts(projection, cells, parts, v)
    return np.asarray(np.linalg.solve(np.vander(v, increasing=True), values[..., None])[..., 0])


def _on_parts(projection: BiasProjection, cells: Indices, parts: int, v: Array) -> Array:
    """Return g at the points v of each of ``parts`` equal parts of cells, shape (cells, parts, points)."""
    mesh = projection.mesh
    fractions = (np.arange(parts)[:, None] + (1 + v) / 2) / parts
    offsets = mesh.rests[cells, None, None] + mesh.widths[cells, None, None] * fractions
    bases = np.broadcast_to(mesh.bases[cells, None, None], offsets.shape)
    nodes = Nodes(bases.ravel(), offsets.ravel(), np.ones(offsets.size))
    return projection.at(nodes).reshape(offsets.shape)


@compiled
def _sum_rows(values: Array, samples: Array, table: CrossTable) -> None:
    """Set ``values`` to the sum of the table's function over each row of sorted samples."""
    work = np.empty(samples.shape[1])
    for i in range(values.size):
        values[i] = sum_cross_terms(samples[i], table, work)
