"""Numerical forms of theory's densities and weights: arrays, so that one compiled function serves them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import sympy

from foundation.errors import InputError
from theory.densities.density import Density
from theory.densities.weights import Weight
from theory.kernels import Piece, x

Array = npt.NDArray[np.float64]

QUINTIC = 5
"""Degree of the local polynomials that stand for a density or a weight under a kernel with bounded support."""

TOLERANCE = 1e-13
"""Relative error below which a cell is narrow enough to be halved once more, which divides its error by 2**6 or more.
"""

MOST_CELLS, MOST_HALVINGS = 200_000, 60

SMALLEST_SHARE = 2.0**-36
"""Share of all cells together below which a cell at a knot where f is like a fractional power is left as it is."""

TAIL = 1e-25
"""The mass in each tail of f that is neglected where the weight does not end."""

FLOOR = 1e-4
"""Share of its largest value from which on f is given to a relative error, where the weight is 1 everywhere."""

SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class CellTable:
    """A density f and a weight a as local polynomials on the cells that cover the weight's support.

    For the weight that is 1 everywhere they cover all of f but its negligible tails, and `parts` adds the rest.

    Attributes
    ----------
    edges : array, shape (c + 1,)
        The ends of the cells, ascending.
    density, weight : array, shape (c, degree + 1) and (c, d + 1)
        Coefficients of 1, v, v**2, ... where v runs from -1 to 1 over a cell; d is the degree too, or 0 if the weight
        is constant on every cell.
    unbounded : bool
        Whether the weight is 1 everywhere.
    """

    edges: Array
    density: Array
    weight: Array
    unbounded: bool = False

    def parts(self, least: float, greatest: float) -> list[tuple[Array, Array, Array]]:
        """Return the edges, densities and weights of all cells, then those outside, where only the density is 0.

        There are cells outside only where a is not 0, and as far as [least, greatest].
        """
        inner = (self.edges, self.density, self.weight)
        if not self.unbounded:
            return [inner]
        # By a margin, so that the ends stay apart from those of the interval at any magnitude.
        before = np.array([least - 0.01 * abs(least), self.edges[0]])
        after = np.array([self.edges[-1], greatest + 0.01 * abs(greatest)])
        nothing, one = np.zeros((1, self.density.shape[1])), np.ones((1, 1))
        return [inner, *((edges, nothing, one) for edges in (before, after) if edges[0] < edges[1])]


@cache
def cell_table(density: Density, weight: Weight, degree: int = QUINTIC) -> CellTable:
    """Return the cells on which ``density`` and ``weight`` are polynomials to about 16 digits, relative to each cell.

    The higher the degree of the polynomials, the fewer and wider are the cells.

    Raises
    ------
    InputError
        If the weight's support is unbounded and the weight is not 1, if the density is unbounded inside the support,
        or if a function is too steep for polynomials on any reasonable cells.
    """
    lower, upper = density.bulk(TAIL) if weight.is_one else (float(end) for end in weight.support)
    if not np.isfinite([lower, upper]).all():
        raise InputError(
            "T_m is computed for weights that vanish outside a bounded interval, and the weight one, not for "
            f"{weight.name}."
        )
    for knot in density.unbounded_knots:
        if lower <= knot <= upper:
            raise InputError(
                f"T_m is computed for densities that are bounded on the weight's support, but {density.name} is "
                f"unbounded at {knot}."
            )
    knots = np.array([lower, upper, *(float(knot) for knot in (*density.knots, *weight.knots))])
    inside = knots[(knots >= lower) & (knots <= upper)]
    rough = np.array([float(knot) for knot in density.rough_knots])
    f, a = _numerical(density.pieces), _numerical(weight.pieces)
    floor = (
        FLOOR * f(np.linspace(lower, upper, 1002)[None, 1:-1]).max() if weight.is_one else SMALLEST_NORMAL / TOLERANCE
    )
    edges = _refine(np.unique(inside), (f, a), degree, rough, floor)
    weights = _local_polynomials(a, edges, degree)
    constant = not weights[:, 1:].any()
    return CellTable(
        edges, _local_polynomials(f, edges, degree), weights[:, :1] if constant else weights, weight.is_one
    )


def _refine(
    edges: Array, functions: tuple[Callable[[Array], Array], ...], degree: int, rough: Array, floor: float
) -> Array:
    """Return ``edges`` with cells halved until every function is a polynomial on each, to rounding."""
    smallest = SMALLEST_SHARE * (edges[-1] - edges[0])
    for _ in range(MOST_HALVINGS):
        coarse = ~np.logical_and.reduce([_is_polynomial(function, edges, degree, floor) for function in functions])
        # A bounded f that is like a fractional power at a knot vanishes there, and all but vanishes on such a cell.
        coarse &= (np.diff(edges) > smallest) | ~(np.isin(edges[:-1], rough) | np.isin(edges[1:], rough))
        middles = (edges[:-1] + edges[1:]) / 2
        if not coarse.any():
            return np.union1d(edges, middles)
        edges = np.union1d(edges, middles[coarse])
        if edges.size > MOST_CELLS:
            break
    raise InputError("the density or the weight is too steep for T_m to be computed to 10 digits.")


def _is_polynomial(
    function: Callable[[Array], Array], edges: Array, degree: int, floor: float
) -> npt.NDArray[np.bool_]:
    """Return, for each cell, whether the local polynomial reproduces ``function`` between its own nodes."""
    v = np.linspace(-0.98, 0.98, degree + 4)
    exact = function(_points(edges, v))
    fitted = np.polynomial.polynomial.polyval(v, _local_polynomials(function, edges, degree).T)
    # Where the function underflows, or hardly counts, there are no digits to reproduce.
    scale = np.maximum(np.abs(exact).max(axis=1), floor)
    # A function is known no better than its argument is.
    slope = np.ptp(exact, axis=1) / np.diff(edges)
    noise = 4 * np.spacing(np.maximum(np.abs(edges[:-1]), np.abs(edges[1:]))) * slope
    return np.asarray(np.abs(fitted - exact).max(axis=1) <= TOLERANCE * scale + noise)


def _local_polynomials(function: Callable[[Array], Array], edges: Array, degree: int) -> Array:
    """Return the coefficients, shape (cells, degree + 1), of polynomials through each cell's Chebyshev points."""
    v = np.polynomial.chebyshev.chebpts1(degree + 1)
    values = function(_points(edges, v))
    coefficients = np.linalg.solve(np.vander(v, increasing=True), values.T).T
    # A constant function keeps one exact coefficient, whatever the solver rounds.
    constant = (values == values[:, :1]).all(axis=1)
    coefficients[constant] = 0.0
    coefficients[constant, 0] = values[constant, 0]
    return np.ascontiguousarray(coefficients, dtype=np.float64)


def _points(edges: Array, v: npt.NDArray[np.floating]) -> Array:
    centres, halves = (edges[:-1] + edges[1:]) / 2, np.diff(edges) / 2
    return centres[:, None] + halves[:, None] * v


def _numerical(pieces: tuple[Piece, ...]) -> Callable[[Array], Array]:
    """Return the piecewise function as a function of arrays of points inside cells, shape (cells, points)."""
    bounds = [(float(piece.lower), float(piece.upper)) for piece in pieces]
    functions = [sympy.lambdify(x, piece.density, "scipy") for piece in pieces]

    def evaluate(points: Array) -> Array:
        values = np.zeros_like(points)
        for (lower, upper), function in zip(bounds, functions, strict=True):
            inside = (points > lower) & (points < upper)
            with np.errstate(over="ignore", under="ignore"):
                values[inside] = function(points[inside])
        return values

    return evaluate
