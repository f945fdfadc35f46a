r"""Closed forms of the smoothed density :math:`K_b * f`, for a symbolic or numeric bandwidth.

A piecewise polynomial kernel is a sum of truncated powers :math:`c\,(u - \kappa)_+^p / p!`, and
:math:`\int (u - \kappa)_+^p / p!\, f(x - b u)\,du = b^{-p-1} G_{p+1}(x - b \kappa)`, where :math:`G_n` is f
integrated n times (`theory.densities.repeated_integrals`). For other kernels an integral over u is left unevaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import sympy
from sympy import Expr, Integer, oo

from foundation.errors import InputError
from theory.algebra.piecewise import PiecewisePolynomial
from theory.densities.density import Density
from theory.densities.weights import Weight
from theory.kernels import Kernel, Piece, x

b = sympy.Symbol("b", positive=True)
"""The bandwidth."""

u = sympy.Symbol("u", real=True)
"""The argument of the kernel in unevaluated integrals."""


@dataclass(frozen=True)
class Breakpoint:
    """The point ``at + offset * b``: an end of a piece of f or a, or a knot of K centred at a knot of f."""

    at: Expr
    offset: Expr

    @property
    def value(self) -> Expr:
        """The point, in terms of the bandwidth `b`."""
        return self.at + self.offset * b if self.at.is_finite else self.at


@dataclass(frozen=True)
class Panel:
    """An interval of x on which each of K_b * f, f and a is a single expression in `x` and `b`.

    Attributes
    ----------
    lower, upper : sympy.Expr
        Its ends.
    density, weight : sympy.Expr
        f and a.
    smoothed, smoothed_by_square : sympy.Expr
        The integrals of K(u) f(x - b u) and of K(u)^2 f(x - b u) over u.
    antiderivative : sympy.Expr or None
        The antiderivative of ``smoothed_by_square`` in x; None without a known closed form.
    """

    lower: Expr
    upper: Expr
    density: Expr
    weight: Expr
    smoothed: Expr
    smoothed_by_square: Expr
    antiderivative: Expr | None


@dataclass(frozen=True)
class Smoothing:
    """A density smoothed with a kernel, on the panels of a weight.

    Parameters
    ----------
    kernel : Kernel
    density : Density
    weight : Weight

    Examples
    --------
    >>> from theory.densities import uniform, window
    >>> from theory.kernels import EPANECHNIKOV
    >>> smoothing = Smoothing(EPANECHNIKOV, uniform(0, 1), window(0, 1))
    >>> [(panel.lower, panel.upper) for panel in smoothing.panels()]
    [(0, b), (b, 1 - b), (1 - b, 1)]
    >>> smoothing.largest_bandwidth, sympy.expand(smoothing.panels()[1].smoothed)
    (1/2, 1)
    """

    kernel: Kernel
    density: Density
    weight: Weight

    def panels(self, order: Callable[[Iterable[Breakpoint]], list[Breakpoint]] | None = None) -> tuple[Panel, ...]:
        """Return the panels that cover the weight's support.

        Parameters
        ----------
        order : callable, optional
            Sorts breakpoints by value. The default order holds for small bandwidths, up to `largest_bandwidth`.

        Raises
        ------
        InputError
            If the kernel is a polynomial and the repeated integrals of the density are unknown.
        """
        points = (order or _sort_for_small_bandwidths)(self.breakpoints)
        ranks = {point: rank for rank, point in enumerate(points)}
        panels = (self._panel(start, end, ranks) for start, end in pairwise(points))
        return tuple(panel for panel in panels if panel is not None)

    @cached_property
    def breakpoints(self) -> frozenset[Breakpoint]:
        """The points at which the expression of a function may change."""
        # Ends of pieces of f and a are fixed; knots of K centred at knots of f move with b.
        ends = {end for piece in (*self.weight.pieces, *self._everywhere) for end in (piece.lower, piece.upper)}
        moving = product(self.density.knots, (knot for knot in self._kernel_knots if knot.is_finite))
        return frozenset(Breakpoint(*point) for point in (*product(ends, [Integer(0)]), *moving))

    @cached_property
    def largest_bandwidth(self) -> Expr:
        """The bandwidth up to which the order of the breakpoints is that for small bandwidths."""
        # Two breakpoints meet where their values agree.
        crossings = [
            (right.at - left.at) / (left.offset - right.offset)
            for left, right in product(self.breakpoints, repeat=2)
            if left.at.is_finite and right.at.is_finite and left.at < right.at and left.offset > right.offset
        ]
        return min(crossings, default=oo)

    @property
    def kernel_radius(self) -> float:
        """The distance from 0 beyond which K vanishes."""
        return max(abs(float(end)) for end in self.kernel.support)

    @cached_property
    def _everywhere(self) -> tuple[Piece, ...]:
        """The pieces of f on the whole line, including those on which it is 0."""
        lower, upper = self.density.support
        before = (Piece(-oo, lower, Integer(0)),) if lower.is_finite else ()
        after = (Piece(upper, oo, Integer(0)),) if upper.is_finite else ()
        return (*before, *self.density.pieces, *after)

    @cached_property
    def _kernel_knots(self) -> tuple[Expr, ...]:
        return (*(piece.lower for piece in self.kernel.pieces), self.kernel.support[1])

    @cached_property
    def _square(self) -> PiecewisePolynomial | None:
        return None if self.kernel.polynomial is None else self.kernel.polynomial.square()

    def _panel(self, start: Breakpoint, end: Breakpoint, ranks: Mapping[Breakpoint, int]) -> Panel | None:
        """Return the panel between two neighbouring breakpoints, or None where the weight is 0."""
        weight = next((piece.density for piece in self.weight.pieces if _covers(piece, ranks, start)), None)
        if weight is None:
            return None

        def position(knot: Expr) -> int:
            """Return the index of the piece of f that contains x - b knot, for x in the panel."""
            if knot.is_infinite:
                return len(self.density.knots) if knot < 0 else 0
            return sum(ranks[Breakpoint(at, knot)] <= ranks[start] for at in self.density.knots)

        density = self._everywhere[position(Integer(0))].density
        return Panel(start.value, end.value, density, weight, *self._smooth(position))

    def _smooth(self, position: Callable[[Expr], int]) -> tuple[Expr, Expr, Expr | None]:
        """Return K_b * f, its analogue with K^2 in place of K, and the antiderivative of the latter."""
        if self.kernel.polynomial is None or self._square is None:
            return self._keep_as_integral(1, position), self._keep_as_integral(2, position), None
        return (
            self._sum_truncated_powers(self.kernel.polynomial, position),
            self._sum_truncated_powers(self._square, position),
            self._sum_truncated_powers(self._square, position, further=1),
        )

    def _sum_truncated_powers(
        self, polynomial: PiecewisePolynomial, position: Callable[[Expr], int], further: int = 0
    ) -> Expr:
        """Return the smoothed density, integrated ``further`` times."""
        if self.density.repeated_integral is None:
            raise InputError(f"the repeated integrals of {self.density.name} are unknown: define repeated_integral.")
        total: Expr = Integer(0)
        for (knot, power), coefficient in sorted(polynomial.terms.items()):
            at = sympy.Rational(knot.numerator, knot.denominator)
            integral = self.density.repeated_integral(power + 1 + further)[position(at)].density
            factor = sympy.Rational(coefficient.numerator, coefficient.denominator) / b ** (power + 1)
            total += factor * integral.subs(x, x - b * at)
        return total

    def _keep_as_integral(self, power: int, position: Callable[[Expr], int]) -> Expr:
        total: Expr = Integer(0)
        for kernel in self.kernel.pieces:
            # As u rises through the piece of K, x - b u falls through these pieces of f.
            for number in range(position(kernel.upper), position(kernel.lower) + 1):
                piece = self._everywhere[number]
                lower = (x - piece.upper) / b if number < position(kernel.lower) else kernel.lower
                upper = (x - piece.lower) / b if number > position(kernel.upper) else kernel.upper
                integrand = kernel.density.subs(x, u) ** power * piece.density.subs(x, x - b * u)
                if integrand != 0:
                    total += sympy.Integral(integrand, (u, lower, upper))
        return total


def _sort_for_small_bandwidths(points: Iterable[Breakpoint]) -> list[Breakpoint]:
    return sorted(points, key=lambda point: (point.at, point.offset))


def _covers(piece: Piece, ranks: Mapping[Breakpoint, int], start: Breakpoint) -> bool:
    zero = Integer(0)
    return ranks[Breakpoint(piece.lower, zero)] <= ranks[start] < ranks[Breakpoint(piece.upper, zero)]
