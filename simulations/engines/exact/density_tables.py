"""Numerical forms of theory's densities and weights: arrays, so that one compiled function handles them all."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from foundation.types import Array
from theory.densities.density import Density, Landmark
from theory.densities.evaluation import (
    LocalFunction,
    at_points,
    distances,
    graded_places,
    local_density,
    local_weight,
    narrow_landmarks,
)
from theory.densities.integrals import is_reciprocal, require_known_integrals
from theory.densities.weights import Weight
from theory.kernels import x

QUINTIC = 5
"""Degree of the local polynomials that represent a density or a weight under a kernel with bounded support."""

TOLERANCE = 1e-13
"""Relative error at which refinement ends, with one last halving that divides the error by 2**6 or more."""

MOST_CELLS, MOST_HALVINGS = 200_000, 200

MISSED_MASS, ROUNDING = 1e-12, 1e-14
"""Share of the mass that no cell may miss, and relative error granted to a distribution function."""

MOST_HIDDEN_PARTS = 4096
"""Largest number of cells that narrow parts of f may explain; in more, f contradicts its distribution function."""

VALIDATION = 1e-10
"""Accepted relative error of the integrals of a table."""

SMALLEST_SHARE = 2.0**-36
"""Share of the total width below which a cell at a knot is not halved where f behaves like a fractional power."""

TAIL = 1e-25
"""Mass neglected in each tail of f when the weight has unbounded support."""

FLOOR = 1e-4
"""Share of the maximum of f above which its error is relative, when the weight is 1 everywhere; below, absolute."""

WINDOW_FLOOR = 1e-40
"""The same for any other constant weight: formulas of far smaller values have lost digits to rounding."""

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

    def integrals(self) -> tuple[float, float]:
        """Return the integrals of f and of f^2 over all cells."""
        _, f, shares = _on_the_cells(self.edges, self.density)
        return float((shares * f).sum()), float((shares * f**2).sum())

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

    The higher the degree of the polynomials, the fewer and wider the cells. The table is returned only if its integrals
    are those of the closed forms.

    Raises
    ------
    InputError
        If the weight's support is unbounded and the weight is not 1, if the density is unbounded inside the support,
        if a part of it is too narrow for double precision at its location, if a function is too steep for polynomials
        on any reasonable cells, or if the density contradicts its distribution function or a closed form.
    """
    lower, upper = _interval(density, weight)
    density.require_resolution()
    # Under the weight 1 small values of f are negligible; elsewhere a weight such as 1/f may magnify them.
    f, a = local_density(density), local_weight(weight)
    floor = SMALLEST_NORMAL / TOLERANCE
    if not any(piece.density.has(x) for piece in weight.pieces):
        peaks = [location for location, _ in narrow_landmarks(density.landmarks, upper - lower)]
        highest = at_points(f, np.append(np.linspace(lower, upper, 1002)[1:-1], peaks)).max()
        floor = max(floor, (FLOOR if weight.is_one else WINDOW_FLOOR) * highest)
    edges = _Refinement(density, weight, (f, a), degree, floor).refine(_first_edges(density, weight, lower, upper))
    # A weight that is constant on every cell, such as a window, is stored as one coefficient: the usual, faster case.
    weights = _local_polynomials(a, edges, degree)
    constant = not weights[:, 1:].any()
    table = CellTable(
        edges, _local_polynomials(f, edges, degree), weights[:, :1] if constant else weights, weight.is_one
    )
    _validate(table, density, weight)
    return table


def _interval(density: Density, weight: Weight) -> tuple[float, float]:
    """Return the interval to cover: the weight's support, or the bulk of f if the weight is 1 everywhere."""
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
    return lower, upper


def _first_edges(density: Density, weight: Weight, lower: float, upper: float) -> Array:
    """Return the knots, which no cell may straddle, and edges graded towards the narrow parts of f and a."""
    knots = [float(knot) for knot in (*density.knots, *weight.knots)]
    edges = np.array([lower, upper, *knots, *graded_places(_landmarks(density, weight), upper - lower)])
    return np.unique(edges[(edges >= lower) & (edges <= upper)])


def _landmarks(density: Density, weight: Weight) -> list[Landmark]:
    """Return the landmarks of f and a, except those on a piece that is constant."""
    return [
        landmark
        for function in (density, weight)
        for landmark in function.landmarks
        if any(piece.density.has(x) for piece in function.pieces if piece.lower <= landmark.location <= piece.upper)
    ]


@dataclass(frozen=True)
class _Refinement:
    """The halving of cells until f and a are polynomials on each, to rounding, and no cell misses any mass of f.

    Parameters
    ----------
    density : Density
    weight : Weight
    functions : pair of LocalFunction
        Both as functions.
    degree : int
    floor : float
        The value above which errors are relative.
    """

    density: Density
    weight: Weight
    functions: tuple[LocalFunction, LocalFunction]
    degree: int
    floor: float

    def refine(self, edges: Array) -> Array:
        """Halve the cells between ``edges``; return the edges of the final cells.

        Raises
        ------
        InputError
            If there would be too many cells.
        """
        smallest = SMALLEST_SHARE * (edges[-1] - edges[0])
        rough = np.array([float(knot) for knot in self.density.rough_knots])
        for _ in range(MOST_HALVINGS):
            coarse = ~np.logical_and.reduce([self._is_polynomial(function, edges) for function in self.functions])
            # A bounded f that behaves like a fractional power at a knot vanishes there, and nearly so on a small cell.
            coarse &= (np.diff(edges) > smallest) | ~(np.isin(edges[:-1], rough) | np.isin(edges[1:], rough))
            # A cell may be smooth wherever it was sampled and yet contain a narrow part of f, whose mass it misses.
            if not coarse.any():
                coarse = self._misses_mass(edges)
            middles = (edges[:-1] + edges[1:]) / 2
            # One more halving of every cell leaves a margin below the tolerance.
            if not coarse.any():
                return np.union1d(edges, middles)
            edges = np.union1d(edges, middles[coarse])
            if edges.size > MOST_CELLS:
                break
        raise InputError("the density or the weight is too steep for T_m to 10 digits. Choose a smoother one.")

    def _is_polynomial(self, function: LocalFunction, edges: Array) -> npt.NDArray[np.bool_]:
        """Test, for each cell, whether the local polynomial reproduces ``function`` between its nodes."""
        v = np.linspace(-0.98, 0.98, self.degree + 4)
        exact = function(*_points(edges, v))
        fitted = np.polynomial.polynomial.polyval(v, _local_polynomials(function, edges, self.degree).T)
        # Where the function underflows or is negligible, it has no digits to reproduce.
        scale = np.maximum(np.abs(exact).max(axis=1), self.floor)
        # Rounding of the argument limits the accuracy of the function's values.
        slope = np.ptp(exact, axis=1) / np.diff(edges)
        noise = 4 * self._spacing(edges) * slope
        return np.asarray(np.abs(fitted - exact).max(axis=1) <= TOLERANCE * scale + noise)

    def _misses_mass(self, edges: Array) -> npt.NDArray[np.bool_]:
        """Test, for each cell, whether its integral of f differs from the rise of the distribution function.

        Raises
        ------
        InputError
            If that is so in more cells than narrow parts of f could explain.
        """
        polynomials = _local_polynomials(self.functions[0], edges, self.degree)
        _, values, shares = _on_the_cells(edges, polynomials)
        found = (values * shares).sum(axis=1)
        # The difference of the nearer tail's probabilities keeps its digits in both tails.
        below, above = (at_points(local_density(self.density, side), edges) for side in ("distribution", "survival"))
        lower = below[1:] < above[:-1]
        known = np.where(lower, np.diff(below), -np.diff(above))
        tail = np.where(lower, below[1:], above[:-1])
        if self.density.survival is None:
            known, tail = np.diff(below), np.ones(known.size)
        noise = ROUNDING * tail + 4 * self._spacing(edges) * np.abs(polynomials[:, 0])
        missed = ~(np.abs(found - known) <= MISSED_MASS * np.abs(known).sum() + noise)
        if np.count_nonzero(missed) > MOST_HIDDEN_PARTS:
            worst = int(np.argmax(np.abs(found - known)))
            raise InputError(
                f"the density {self.density.name} must be the derivative of its distribution function, but from "
                f"{edges[worst]:.10g} to {edges[worst + 1]:.10g} the density integrates to {found[worst]:.10g} and the "
                f"distribution function rises by {known[worst]:.10g}. Correct one of them."
            )
        return np.asarray(missed)

    def _spacing(self, edges: Array) -> Array:
        """Return the rounding error of a distance in each cell."""
        places = distances(edges, (*self.density.landmarks, *self.weight.landmarks))
        return np.asarray(np.spacing(np.maximum(places[:-1], places[1:])))


def _local_polynomials(function: LocalFunction, edges: Array, degree: int) -> Array:
    """Interpolate ``function`` at each cell's Chebyshev points; return coefficients, shape (cells, degree + 1)."""
    v = np.polynomial.chebyshev.chebpts1(degree + 1)
    values = function(*_points(edges, v))
    coefficients = np.linalg.solve(np.vander(v, increasing=True), values.T).T
    # A constant function keeps one exact coefficient, free of the solver's rounding.
    constant = (values == values[:, :1]).all(axis=1)
    coefficients[constant] = 0.0
    coefficients[constant, 0] = values[constant, 0]
    return np.ascontiguousarray(coefficients, dtype=np.float64)


def _points(edges: Array, v: npt.NDArray[np.floating]) -> tuple[Array, Array]:
    """Return the points v of each cell, as its centre and the distances from there."""
    centres, halves = (edges[:-1] + edges[1:]) / 2, np.diff(edges) / 2
    return centres, halves[:, None] * v


def _validate(table: CellTable, density: Density, weight: Weight) -> None:
    """Require that the integrals over a table agree with their closed forms: of f, (x - c) f, f^2, and of a f for 1/f.

    Raises
    ------
    InputError
        If one does not; the message names it, with both values.
    """
    lower, upper = float(table.edges[0]), float(table.edges[-1])
    middle = Fraction(lower) / 2 + Fraction(upper) / 2
    places, f, shares = _on_the_cells(table.edges, table.density)
    mass, square = table.integrals()
    # The middle need not be a double.
    distances_from_it = ((table.edges[:-1] + table.edges[1:]) / 2 - float(middle))[:, None] + places
    moment = float((shares * f * distances_from_it).sum()) - float(middle - Fraction(float(middle))) * mass
    found = {"mass": mass, "moment": moment, "square": square}
    require_known_integrals(density, lower, upper, found, "the table for T_m", VALIDATION)
    if is_reciprocal(weight, density):
        _, a, _ = _on_the_cells(table.edges, table.weight, table.density.shape[1])
        product = float((shares * a * f).sum())
        if not abs(product - (upper - lower)) <= VALIDATION * (upper - lower):
            raise InputError(
                f"the integral of {density.name} times the weight {weight.name} must be {upper - lower:.15g}, but the "
                f"table for T_m gives {product:.15g}. Choose a smaller interval."
            )


def _on_the_cells(edges: Array, polynomials: Array, count: int | None = None) -> tuple[Array, Array, Array]:
    """Return nodes, the values of local polynomials there and the weights of Gauss-Legendre rules between the edges.

    The nodes are distances from the centres of the cells, which are rounded: a cell need not reach from v = -1 to 1.
    Every array has a row for each cell.
    """
    nodes, shares = np.polynomial.legendre.leggauss(count or polynomials.shape[1])
    centres, halves = (edges[:-1] + edges[1:]) / 2, np.diff(edges) / 2
    places = ((edges[:-1] - centres) + (edges[1:] - centres))[:, None] / 2 + halves[:, None] * nodes
    v = places / halves[:, None]
    values = np.zeros_like(v)
    for coefficients in polynomials.T[::-1]:
        values = values * v + coefficients[:, None]
    return places, values, halves[:, None] * shares
