"""Numerical forms of theory's densities and weights: arrays, so that one compiled function handles them all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import sympy

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction
from theory.densities.density import Density
from theory.densities.weights import Weight
from theory.kernels import Piece, x

QUINTIC = 5
"""Degree of the local polynomials that represent a density or a weight under a kernel with bounded support."""

TOLERANCE = 1e-13
"""Relative error at which refinement ends, with one last halving that divides the error by 2**6 or more."""

MOST_CELLS, MOST_HALVINGS = 200_000, 60

SMALLEST_SHARE = 2.0**-36
"""Share of the total width below which a cell at a knot is not halved where f behaves like a fractional power."""

TAIL = 1e-25
"""Mass neglected in each tail of f when the weight has unbounded support."""

FLOOR = 1e-4
"""Share of the maximum of f above which its error is relative, when the weight is 1 everywhere; below, absolute."""

SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True)
class CellTable:
    """A density f and a weight a as local polynomials on the cells that cover the weight's support.

    For the weight 1 the cells cover all of f except its negligible tails, and `parts` adds the rest of the line.

    Attributes
    ----------
    edges : array, shape (c + 1,)
        Ends of the cells, ascending.
    density, weight : array, shape (c, degree + 1) and (c, d + 1)
        Coefficients of 1, v, v**2, ... where v runs from -1 to 1 over a cell; d equals the degree, or 0 if the weight
        is constant on every cell.
    unbounded : bool
        Whether the weight is 1 everywhere.
    """

    edges: Array
    density: Array
    weight: Array
    unbounded: bool = False

    def parts(self, least: float, greatest: float) -> list[tuple[Array, Array, Array]]:
        """Return the edges, densities and weights of all cells, then of the outer cells, where the density is 0.

        There are outer cells only under the weight 1; they reach to ``least`` and to ``greatest``.
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
    """Build the cells on which ``density`` and ``weight`` are polynomials to about 16 digits, relative to each cell.

    The higher the degree of the polynomials, the fewer and wider the cells.

    Raises
    ------
    InputError
        If the weight's support is unbounded and the weight is not 1, if the density is unbounded inside the support,
        or if a function is too steep for polynomials on any reasonable cells.
    """
    # The interval to cover: the weight's support, or the bulk of f if the weight is 1 everywhere.
    lower, upper = density.bulk(TAIL) if weight.is_one else (float(end) for end in weight.support)
    if not np.isfinite([lower, upper]).all():
        raise InputError(
            f"the weight must vanish outside a bounded interval or be one, got {weight.name}. "
            "Choose a window:c,d or one."
        )
    for knot in density.unbounded_knots:
        if lower <= knot <= upper:
            raise InputError(
                f"the density must be bounded on the weight's support, but {density.name} is unbounded at {knot}. "
                "Choose a window:c,d without that point."
            )
    # No cell may straddle a knot: the first cells are the intervals between knots.
    knots = np.array([lower, upper, *(float(knot) for knot in (*density.knots, *weight.knots))])
    inside = knots[(knots >= lower) & (knots <= upper)]
    rough = np.array([float(knot) for knot in density.rough_knots])
    # Under the weight 1 small values of f are negligible; elsewhere a weight such as 1/f may magnify them.
    f, a = _numerical(density.pieces), _numerical(weight.pieces)
    floor = (
        FLOOR * f(np.linspace(lower, upper, 1002)[None, 1:-1]).max() if weight.is_one else SMALLEST_NORMAL / TOLERANCE
    )
    edges = _refine(np.unique(inside), (f, a), degree, rough, floor)
    # A weight that is constant on every cell, such as a window, is stored as one coefficient: the usual, faster case.
    weights = _local_polynomials(a, edges, degree)
    constant = not weights[:, 1:].any()
    return CellTable(
        edges, _local_polynomials(f, edges, degree), weights[:, :1] if constant else weights, weight.is_one
    )


def _refine(edges: Array, functions: tuple[ArrayFunction, ...], degree: int, rough: Array, floor: float) -> Array:
    """Halve the cells between ``edges`` until every function is a polynomial on each, to rounding."""
    smallest = SMALLEST_SHARE * (edges[-1] - edges[0])
    for _ in range(MOST_HALVINGS):
        coarse = ~np.logical_and.reduce([_is_polynomial(function, edges, degree, floor) for function in functions])
        # A bounded f that behaves like a fractional power at a knot vanishes there, and nearly so on a small cell.
        coarse &= (np.diff(edges) > smallest) | ~(np.isin(edges[:-1], rough) | np.isin(edges[1:], rough))
        middles = (edges[:-1] + edges[1:]) / 2
        # One more halving of every cell leaves a margin below the tolerance.
        if not coarse.any():
            return np.union1d(edges, middles)
        edges = np.union1d(edges, middles[coarse])
        if edges.size > MOST_CELLS:
            break
    raise InputError("the density or the weight is too steep for T_m to 10 digits. Choose a smoother one.")


def _is_polynomial(function: ArrayFunction, edges: Array, degree: int, floor: float) -> npt.NDArray[np.bool_]:
    """Test, for each cell, whether the local polynomial reproduces ``function`` between its nodes."""
    v = np.linspace(-0.98, 0.98, degree + 4)
    exact = function(_points(edges, v))
    fitted = np.polynomial.polynomial.polyval(v, _local_polynomials(function, edges, degree).T)
    # Where the function underflows or is negligible, it has no digits to reproduce.
    scale = np.maximum(np.abs(exact).max(axis=1), floor)
    # Rounding of the argument limits the accuracy of the function's values.
    slope = np.ptp(exact, axis=1) / np.diff(edges)
    noise = 4 * np.spacing(np.maximum(np.abs(edges[:-1]), np.abs(edges[1:]))) * slope
    return np.asarray(np.abs(fitted - exact).max(axis=1) <= TOLERANCE * scale + noise)


def _local_polynomials(function: ArrayFunction, edges: Array, degree: int) -> Array:
    """Interpolate ``function`` at each cell's Chebyshev points; return coefficients, shape (cells, degree + 1)."""
    v = np.polynomial.chebyshev.chebpts1(degree + 1)
    values = function(_points(edges, v))
    coefficients = np.linalg.solve(np.vander(v, increasing=True), values.T).T
    # A constant function keeps one exact coefficient, free of the solver's rounding.
    constant = (values == values[:, :1]).all(axis=1)
    coefficients[constant] = 0.0
    coefficients[constant, 0] = values[constant, 0]
    return np.ascontiguousarray(coefficients, dtype=np.float64)


def _points(edges: Array, v: npt.NDArray[np.floating]) -> Array:
    centres, halves = (edges[:-1] + edges[1:]) / 2, np.diff(edges) / 2
    return centres[:, None] + halves[:, None] * v


def _numerical(pieces: tuple[Piece, ...]) -> ArrayFunction:
    """Turn pieces into a function of arrays of points inside cells, shape (cells, points)."""
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
