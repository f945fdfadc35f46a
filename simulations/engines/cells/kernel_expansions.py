"""The kernel as seen from a node: on every cell in its reach, a polynomial in the position within the cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import sympy

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction, Indices
from simulations.engines.cells.quadrature import expression_at, function_of
from theory.kernels import Kernel, x
from theory.unbounded_kernels import unbounded_form

NEGLIGIBLE = 1e-9
"""Share of K(0) below which a kernel with unbounded support is truncated and terms of an expansion are dropped."""

HIGHEST_ORDER, MOST_UNITS = 12, 64

NEARLY = 1e-9
"""Distance from a knot to the points on its two sides, as a share of a kernel's width; far below that of two knots."""


@dataclass(frozen=True)
class KernelExpansion:
    """The expansion of a kernel in cells that divide its half-width evenly.

    Attributes
    ----------
    lower, upper : float
        Ends of the kernel's reach, in bandwidths; the first cell's lower edge is ``upper`` below the node.
    width : float
        Width of a cell, in bandwidths.
    coefficients : array, shape (cells in reach, orders)
        Coefficients of s^k in K, where s is the position of an observation from the centre of its cell, in cells.
    offsets : array, shape (knots,)
        Where K or its derivative jumps: the number of cells from the first in reach to the one in which an observation
        has that knot just after the node.
    jumps, slopes : array, shape (knots,)
        Jumps of K and of its derivative there; the derivative is with respect to bandwidths, times ``width``.
    """

    lower: float
    upper: float
    width: float
    coefficients: Array
    offsets: Indices
    jumps: Array
    slopes: Array

    @property
    def reach(self) -> int:
        """The number of cells within the kernel's reach."""
        return int(self.coefficients.shape[0])

    @property
    def orders(self) -> int:
        """The number of power sums, of s^0, s^1, ..., that the kernel's sums and their corrections need."""
        correction = 3 if self.slopes.any() else 2 if self.jumps.any() else 1
        return max(int(self.coefficients.shape[1]), correction)


@dataclass(frozen=True)
class KernelGeometry:
    """The positions of a kernel's knots, as rational multiples of its half-width.

    Attributes
    ----------
    kernel : Kernel
    unit : float
        Half-width, in bandwidths; for a kernel with unbounded support, its standard deviation.
    lower, upper : sympy.Rational
        Ends of the kernel's reach, in units.
    knots : tuple of sympy.Rational
        Boundaries between pieces, the ends of the support included, in units.
    """

    kernel: Kernel
    unit: sympy.Expr
    lower: sympy.Rational
    upper: sympy.Rational
    knots: tuple[sympy.Rational, ...]

    @cached_property
    def divisor(self) -> int:
        """The number that must divide the cells in a unit, so that every knot lies on the edge of a cell."""
        return math.lcm(*(int(knot.q) for knot in (self.lower, self.upper, *self.knots)))

    def expansion(self, cells: int) -> KernelExpansion:
        """Expand the kernel on ``cells`` cells in a unit, a multiple of `divisor`."""
        width = float(self.unit) / cells
        reach = int((self.upper - self.lower) * cells)
        # The first cell is farthest below the node, where the kernel's argument, node less observation, is largest.
        centres = float(self.upper * self.unit) - (np.arange(reach, dtype=np.float64) + 0.5) * width
        return KernelExpansion(
            lower=float(self.lower * self.unit),
            upper=float(self.upper * self.unit),
            width=width,
            coefficients=self._coefficients(centres, width),
            offsets=np.array([int((self.upper - knot) * cells) for knot in self.knots], dtype=np.int64),
            jumps=np.array([self._jump(knot, 0) for knot in self.knots]),
            slopes=np.array([self._jump(knot, 1) for knot in self.knots]) * width,
        )

    def _coefficients(self, centres: Array, width: float) -> Array:
        """Compute the Taylor coefficients of K(centre - width s) in s: all of a polynomial, or all that matter."""
        polynomial = all(piece.density.is_polynomial(x) for piece in self.kernel.pieces)
        # A polynomial's expansion ends by itself; any other ends where a term is negligible at the edge of a cell.
        negligible = 0.0 if polynomial else NEGLIGIBLE * abs(_derivative(self.kernel, 0, centres)).max()
        columns: list[Array] = []
        for order in range(HIGHEST_ORDER + 1):
            column = _derivative(self.kernel, order, centres) * (-width) ** order / math.factorial(order)
            if order > 0 and abs(column).max() * 0.5**order <= negligible:
                return np.ascontiguousarray(np.stack(columns, axis=1))
            columns.append(column)
        raise InputError(
            f"the kernel {self.kernel.name} needs more than {HIGHEST_ORDER} powers in a cell. Use the engine exact."
        )

    def _jump(self, knot: sympy.Rational, order: int) -> float:
        """Compute the jump of the derivative of the given order at a knot."""
        point = knot * self.unit
        # Exact one-sided limits: the expression on each side is evaluated at the knot itself.
        sides = []
        for sign in (1, -1):
            expression = expression_at(self.kernel.pieces, float(point) + sign * NEARLY * float(self.unit))
            value = sympy.Integer(0) if expression is None else sympy.diff(expression, x, order).subs(x, point)
            sides.append(float(value))
        return sides[0] - sides[1]


@cache
def kernel_geometry(kernel: Kernel) -> KernelGeometry:
    """Locate the knots of ``kernel``.

    Raises
    ------
    InputError
        If the distances between its knots are not commensurable, or its tails are too heavy to be truncated.
    """
    if not kernel.has_compact_support:
        return _truncate(kernel)
    # In units of the half-width all knots must be rational, so that a common denominator exists.
    ends = [piece.lower for piece in kernel.pieces] + [kernel.support[1]]
    unit = max(abs(ends[0]), abs(ends[-1]))
    knots = tuple(sympy.nsimplify(sympy.simplify(end / unit)) for end in ends)
    if not all(knot.is_Rational for knot in knots):
        raise InputError(
            "cells need a kernel whose knots are rational multiples of each other, got "
            f"{', '.join(map(str, ends))} for {kernel.name}. Use the engine exact."
        )
    return KernelGeometry(kernel, unit, knots[0], knots[-1], knots)


def _truncate(kernel: Kernel) -> KernelGeometry:
    """Truncate a kernel with one piece on the whole line, whose centre is a rational multiple of its unit."""
    unit = sympy.sqrt(kernel.variance)
    centre = sympy.nsimplify(sympy.simplify(kernel.mean / unit))
    (peak,) = _derivative(kernel, 0, np.array([float(centre * unit)]))
    # The smallest whole number of units beyond which the kernel is negligible.
    for units in range(1, MOST_UNITS) if centre.is_Rational and len(kernel.pieces) == 1 else ():
        ends = np.array([float((centre - units) * unit), float((centre + units) * unit)])
        if _derivative(kernel, 0, ends).max() <= NEGLIGIBLE * peak:
            return KernelGeometry(kernel, unit, centre - units, centre + units, ())
    raise InputError(f"cells need a kernel that can be truncated, got {kernel.name}. Use the engine exact.")


def _derivative(kernel: Kernel, order: int, points: Array) -> Array:
    """Evaluate a derivative of the kernel at points other than its knots."""
    values = np.zeros_like(points)
    for piece, function in zip(kernel.pieces, _derivatives(kernel, order), strict=True):
        inside = (points > float(piece.lower)) & (points < float(piece.upper))
        values[inside] = function(points[inside])
    return values


@cache
def _derivatives(kernel: Kernel, order: int) -> tuple[ArrayFunction, ...]:
    form = unbounded_form(kernel)
    if form is not None and form.family == "logistic":
        # The expressions that sympy derives take seconds to compile.
        return (form.logistic_derivative(order),)
    return tuple(function_of(sympy.diff(piece.density, x, order)) for piece in kernel.pieces)
