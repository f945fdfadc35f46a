"""The exact mean and covariance of the powers of a position, for every stratum of a density on cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.types import Array
from simulations.engines.cells.strata import Strata
from theory.densities.density import Density
from theory.densities.evaluation import local_density

NODES = 24
"""Gauss-Legendre nodes in a stratum: exact for densities of degree 9, the strata's own, and powers up to 24."""


@dataclass(frozen=True)
class StratumMoments:
    """The first two moments of (s, s^2, ..., s^k), s the position of an observation from the centre of its cell.

    Attributes
    ----------
    means : array, shape (strata, k)
    factors : array, shape (strata, k, k)
        Lower triangular L with L L' the covariance: L z has it, if z is standard normal.
    """

    means: Array
    factors: Array


def stratum_moments(density: Density, parts: Strata, origin: float, width: float, powers: int) -> StratumMoments:
    """Compute the moments of the powers 1, ..., ``powers`` in every stratum.

    Parameters
    ----------
    density : Density
    parts : Strata
        On cells of ``width`` from ``origin``.
    origin, width : float
    powers : int
        From 1 to 24.
    """
    positions, shares = positions_in(density, parts, origin, width)
    table = positions[:, :, None] ** np.arange(1, powers + 1)
    means = np.einsum("ij,ijk->ik", shares, table)
    # The triangular factor of the weighted, centred table is that of the covariance, without squaring its condition.
    centred = np.sqrt(shares)[:, :, None] * (table - means[:, None, :])
    factors = np.asarray(np.linalg.qr(centred, mode="r")).transpose(0, 2, 1)
    signs = np.where(np.diagonal(factors, axis1=1, axis2=2) < 0, -1.0, 1.0)
    return StratumMoments(means, np.ascontiguousarray(factors * signs[:, None, :]))


def positions_in(density: Density, parts: Strata, origin: float, width: float) -> tuple[Array, Array]:
    """Return nodes in every stratum, from the centre of its cell in cells, and their shares of its probability.

    Both have the shape (strata, `NODES`). Sums over the nodes are expectations given the stratum.
    """
    # The ends of a stratum, in cells from the centre of its cell, are the quantiles of the levels 0 and 1.
    ends = np.stack([np.polynomial.polynomial.polyval(w, parts.quantiles.T, tensor=False) for w in (-0.5, 0.5)], axis=1)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    middles, halves = ends.mean(axis=1), np.diff(ends, axis=1)[:, 0] / 2
    positions = middles[:, None] + halves[:, None] * nodes
    centres = origin + width * (parts.cells + 0.5)
    values = local_density(density)(centres + width * middles, width * halves[:, None] * nodes)
    shares = np.nan_to_num(values, nan=0.0, posinf=0.0) * weights
    # In a stratum at the very end of a support rounding can place all nodes outside.
    shares = np.where(shares.sum(axis=1, keepdims=True) > 0, shares, weights)
    return positions, shares / shares.sum(axis=1, keepdims=True)
