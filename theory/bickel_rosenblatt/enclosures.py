"""The exact mean of T_m, enclosed: a rigorous computation beside the quadrature of `theory.bickel_rosenblatt.mean`.

For a piecewise polynomial kernel K_b * f is known in closed form between its breakpoints
(`theory.bickel_rosenblatt.smoothing`), which leaves one-dimensional integrals of analytic functions. Arb integrates
these with a proven bound on the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, cmp_to_key
from itertools import pairwise

import flint
import sympy
from flint import acb, arb
from sympy import Expr, Integer, Rational, oo

from foundation.errors import InputError
from theory.algebra.balls import analytic_function, ball_of
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.bickel_rosenblatt.mean import refuse_unbounded
from theory.bickel_rosenblatt.smoothing import Breakpoint, Panel, Smoothing, b
from theory.densities.density import Density
from theory.densities.families import density_named
from theory.densities.weights import Weight, weight_named
from theory.kernels import Kernel, kernel_named, x

PRECISIONS = (192, 384, 768, 1536)
"""Bits that are tried in turn: for a narrow kernel of high degree the closed forms cancel many digits."""

ACCURACY_BITS = 84
"""Bits to which A, B and C are wanted, relative to A: 25 digits."""

SPARE_BITS = 12

TAIL = 1e-20
"""The mass of f in each tail that is left out, with a bound added, where the weight is 1 everywhere."""

WIDEST_PANEL = 0.5
"""The integrands grow fast off the real line: short panels keep that in hand."""


@dataclass(frozen=True)
class EnclosedMean:
    """E T_m = A - B + C, each term a ball that contains it for certain.

    Attributes
    ----------
    variance_term, product_term, squared_bias_term : flint.arb
        A, B and C, as in `theory.bickel_rosenblatt.mean.ExactMean`.
    """

    variance_term: arb
    product_term: arb
    squared_bias_term: arb

    @property
    def total(self) -> arb:
        """E T_m."""
        with flint.ctx.workprec(PRECISIONS[0]):
            return self.variance_term - self.product_term + self.squared_bias_term


def enclosed_mean(
    m: int,
    kernel: str | Kernel = "epanechnikov",
    density: str | Density = "normal",
    weight: str | Weight = "window:-2,2",
    bandwidth: str | float | Bandwidth = "m^-0.235",
) -> EnclosedMean:
    r"""Enclose the three terms of E T_m.

    Parameters
    ----------
    m : int
        The number of observations, at least 1.
    kernel, density, weight, bandwidth
        Objects of ``theory``, or their names; the kernel is a piecewise polynomial.

    Raises
    ------
    InputError
        If a name is unknown, ``m`` is not positive, the kernel is no piecewise polynomial, the density is unbounded
        where it matters or its repeated integrals are unknown, or the bandwidth is too small for 1,536 bits.

    Examples
    --------
    >>> enclosed_mean(10_000).total.str(15)
    '[0.540763130233842 +/- 2.88e-16]'
    >>> enclosed_mean(100, "triangular", "laplace", "inverse-density:-1,1", 0.25).total.str(15)
    '[1.18152715126861 +/- 7.09e-16]'
    """
    density = density_named(density)
    smoothing = Smoothing(kernel_named(kernel), density, weight_named(weight, density))
    if m < 1:
        raise InputError(f"m must be a positive whole number, got {m}.")
    if smoothing.kernel.polynomial is None:
        raise InputError(f"the mean is enclosed for piecewise polynomial kernels, not for {smoothing.kernel.name}.")
    rule = bandwidth_named(bandwidth)
    refuse_unbounded(density, smoothing.weight, rule.at(m) * smoothing.kernel_radius)
    width = Rational(rule.factor) * Integer(m) ** -Rational(rule.exponent.numerator, rule.exponent.denominator)
    for bits in PRECISIONS:
        with flint.ctx.workprec(bits):
            mean = _Enclosure(m, smoothing, width, bits).mean()
            if mean.total.rad() < mean.variance_term * arb(2) ** -ACCURACY_BITS:
                return mean
    raise InputError(f"the bandwidth {float(width):g} is too small for E T_m to be enclosed.")


@dataclass(frozen=True)
class _Enclosure:
    """The computation at one precision, which is also that of the context it is used in."""

    m: int
    smoothing: Smoothing
    width: Expr
    bits: int

    def mean(self) -> EnclosedMean:
        panels = self.smoothing.panels(self._sorted)
        left_out = self._tails() if self.smoothing.weight.is_one else arb(0)
        product = self._width * self._sum_over(panels, lambda p: p.smoothed**2 * p.weight)
        squares = self._sum_over(panels, lambda p: (p.smoothed - p.density) ** 2 * p.weight)
        return EnclosedMean(
            self._variance_term(panels),
            product + self._width * left_out,
            self.m * self._width * (squares + 2 * left_out),
        )

    @property
    def _width(self) -> arb:
        return self._ball(self.width)

    def _ball(self, expression: Expr) -> arb:
        return ball_of(expression.subs(b, self.width), bits=self.bits)

    def _sorted(self, points: Iterable[Breakpoint]) -> list[Breakpoint]:
        """Sort by value; only rational points can coincide, for an irrational bandwidth is no ratio of knots."""
        return sorted(points, key=cmp_to_key(self._compare))

    def _compare(self, left: Breakpoint, right: Breakpoint) -> int:
        if left.at.is_infinite or right.at.is_infinite:
            return int(sympy.sign(left.at - right.at)) if left.at != right.at else 0
        difference = (left.value - right.value).subs(b, self.width)
        if difference.is_Rational:
            return int(sympy.sign(difference))
        gap = self._ball(difference)
        if gap.contains(0):
            raise ArithmeticError(f"{left} and {right} are not told apart by {self.bits} bits")
        return 1 if gap > 0 else -1

    def _variance_term(self, panels: Sequence[Panel]) -> arb:
        if self.smoothing.weight.is_one:
            return self._ball(self.smoothing.kernel.roughness)
        if any(panel.weight.has(x) for panel in panels):
            return self._sum_over(panels, lambda panel: panel.smoothed_by_square * panel.weight)
        total = arb(0)
        for panel in panels:
            antiderivative = analytic_function(panel.antiderivative, x, {b: self._width})
            start, end = (antiderivative(acb(self._ball(bound)), False).real for bound in (panel.lower, panel.upper))
            total += self._ball(panel.weight) * (end - start)
        return total

    def _sum_over(self, panels: Sequence[Panel], integrand: Callable[[Panel], Expr]) -> arb:
        """Return the integral over all panels, each cut into short ones; beyond the reach there is nothing."""
        # The squared bias is multiplied by m b, and every panel adds its own error.
        tolerance = arb(2) ** -(ACCURACY_BITS + SPARE_BITS) / (1 + self.m * self._width)
        total = acb(0)
        for panel in panels:
            function = analytic_function(integrand(panel), x, {b: self._width})
            for start, end in pairwise(self._cut(panel)):
                total += acb.integral(function, start, end, rel_tol=tolerance, abs_tol=tolerance)
        return total.real

    def _cut(self, panel: Panel) -> list[arb]:
        lower, upper = (self._within_reach(end) for end in (panel.lower, panel.upper))
        pieces = max(1, math.ceil(float(upper - lower) / WIDEST_PANEL))
        return [lower + (upper - lower) * k / pieces for k in range(pieces + 1)]

    def _within_reach(self, end: Expr) -> arb:
        return arb(int(sympy.sign(end)) * self._reach) if end.is_infinite else self._ball(end)

    @cached_property
    def _reach(self) -> int:
        """A point such that little of f is left beyond it, and beyond a kernel's width before it."""
        density, radius = self.smoothing.density, self.smoothing.kernel_radius
        ends = density.bulk(TAIL / self.m)
        return math.ceil(max(map(abs, ends)) + float(self.width) * radius)

    def _tails(self) -> arb:
        """Return a ball that holds the integral of (K_b * f)^2, and that of f^2, beyond the reach on either side.

        By Jensen's inequality the square of K_b * f is at most K_b * f^2, whose integral beyond the reach is at most
        that of f^2 beyond a kernel's width less.
        """
        square = self.smoothing.density.squared_distribution
        if not any(end.is_infinite for end in self.smoothing.density.support):
            return arb(0)
        if square is None:
            raise InputError(f"the integral of the square of {self.smoothing.density.name} is not known.")
        near = Integer(self._reach) - Rational(
            math.ceil(float(self.width) * self.smoothing.kernel_radius * 1024) + 1, 1024
        )
        above = self._ball(square.subs(x, oo)) - self._ball(square.subs(x, near))
        return arb(0).union(above + self._ball(square.subs(x, -near)))
