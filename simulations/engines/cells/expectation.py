"""The exact mean of T_m on cells, and so their bias at any m, without simulation.

On cells T_m is a quadratic polynomial in the power sums M of all cells, which are sums of m independent contributions.
With Q its purely quadratic part and M(X) the contribution of one observation X,

    E T_m = T(E M) - Q(E M) / m + m E Q(M(X)).

M(X) has one cell, so the last term needs only the second moments of the powers of a position on every cell.
"""

from __future__ import annotations

import numpy as np

from foundation.types import Array
from simulations.engines.cells.grids import Grid
from simulations.engines.cells.moments import GridTables, statistic_of_moments
from simulations.engines.cells.strata import strata
from simulations.engines.cells.stratum_moments import positions_in
from theory.densities.density import Density


def expected_statistic(cells: Grid, density: Density, m: int) -> float:
    """Compute the mean of T_m on ``cells`` over samples of ``m`` observations of ``density``.

    Raises
    ------
    InputError
        If the density has no strata on the cells: no survival function, unbounded, or too steep.
    """
    products, tables = _mean_products(cells, density), cells.tables
    mean = np.ascontiguousarray(m * products[:, 0, :].T)
    # Without the density T is its quadratic part and a linear one, which the change of sign removes.
    alone = tables._replace(expected=np.zeros_like(tables.expected))
    quadratic = (statistic_of_moments(mean, alone) + statistic_of_moments(-mean, alone)) / 2
    single = _squares(tables, products) + _products_with_corrections(tables, products)
    return float(statistic_of_moments(mean, tables) - quadratic / m + m * single)


def _mean_products(cells: Grid, density: Density) -> Array:
    """Compute E v v' on every cell, shape (cells, orders, orders); v is (1, s, s^2, ...) there and 0 elsewhere."""
    parts = strata(density, cells.edges)
    positions, shares = positions_in(density, parts, cells.origin, cells.width)
    powers = positions[:, :, None] ** np.arange(cells.orders)
    weighted = powers * (shares * parts.probabilities[:, None])[:, :, None]
    products = np.zeros((cells.cells, cells.orders, cells.orders))
    np.add.at(products, parts.cells, np.einsum("sni,snj->sij", weighted, powers))
    return products


def _squares(tables: GridTables, products: Array) -> float:
    """Compute the part of E Q(M(X)) from the squares of the kernel's sums at the nodes."""
    weights = np.zeros(tables.nodes)
    for first, start, stop, _, _ in tables.segments:
        weights[first : first + stop - start] += tables.weight[start:stop]
    orders, total = tables.expansion.shape[1], 0.0
    for j, factors in enumerate(tables.expansion):
        squares = factors @ products[j : j + tables.nodes, :orders, :orders] @ factors
        total += float(weights @ squares)
    return total


def _products_with_corrections(tables: GridTables, products: Array) -> float:
    """Compute the part of E Q(M(X)) from the corrections for jumps and bends between the nodes."""
    total = 0.0
    for first, start, _, whole, end in tables.segments:
        if end <= whole:
            continue
        node, size = first + whole - start, end - whole
        share = tables.share[whole : whole + size + 1]
        for offset, jump, slope in zip(tables.offsets, tables.jumps, tables.slopes, strict=True):
            there = products[node + offset : node + offset + size]
            # What an observation in the interval's cell adds to the sums at the two nodes around it, times its powers.
            left, right = (_seen_from(tables, offset - step, there) for step in (0, 1))
            if jump != 0.0:
                both = share[:-1] * left[:, 1] + share[1:] * right[:, 1]
                pairs = (share[:-1] + share[1:]) * (right[:, 0] - left[:, 0]) / 12
                total -= jump * float(np.sum(both + pairs))
            if slope != 0.0:
                bends = [part[:, 2] - part[:, 0] / 12 for part in (left, right)]
                total += 0.5 * slope * float(np.sum(share[:-1] * bends[0] + share[1:] * bends[1]))
    return total


def _seen_from(tables: GridTables, place: int, products: Array) -> Array:
    """Compute the mean of K v' over the cells that are the ``place``-th in reach of their nodes."""
    if not 0 <= place < tables.expansion.shape[0]:
        return np.zeros(products.shape[:2])
    factors = tables.expansion[place]
    return np.asarray(factors @ products[:, : factors.size, :])
