"""Rigorous enclosures of the exact mean of T_m, a counterpart of the quadrature in `theory.bickel_rosenblatt.mean`.

For a piecewise polynomial kernel K_b * f has a closed form between breakpoints (`theory.bickel_rosenblatt.smoothing`).
The remaining one-dimensional integrals are of analytic functions, and Arb bounds their errors rigorously.
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
from foundation.validation import require_positive
from theory.algebra.balls import analytic_function, ball_of
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.bickel_rosenblatt.mean import require_bounded
from theory.bickel_rosenblatt.smoothing import Breakpoint, Panel, Smoothing, b
from theory.densities.density import DensityLike
from theory.densities.validation import valid_density
from theory.densities.weights import Weight, weight_named
from theory.kernels import Kernel, kernel_named, x

PRECISIONS = (192, 384, 768, 1536)
"""Precisions in bits, tried in turn: for narrow kernels of high degree the closed forms cancel many digits."""

DIGITS = 25
"""The accuracy of A, B and C in digits, relative to A, unless more are required."""

SPARE_BITS = 12

SPARE_DIGITS = 5
"""With the weight 1, by how many digits the mass of f in a tail that is replaced by a bound may exceed the error."""

WIDEST_PANEL = 0.5
"""The longest interval of integration: the integrands grow fast away from the real line."""


@dataclass(frozen=True)
class EnclosedMean:
    """Enclosures of E T_m = A - B + C, each term a ball that is guaranteed to contain it.

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
        with flint.ctx.workprec(PRECISIONS[-1]):
            return self.variance_term - self.product_term + self.squared_bias_term


def enclosed_mean(
    m: int,
    kernel: str | Kernel = "epanechnikov",
    density: DensityLike = "normal",
    weight: str | Weight = "window:-2,2",
    bandwidth: str | float | Bandwidth = "m^-0.235",
    digits: int = DIGITS,
) -> EnclosedMean:
    r"""Compute rigorous enclosures of the three terms of E T_m.

    Parameters
    ----------
    m : int
        The number of observations, at least 1.
    kernel, density, weight, bandwidth
        Objects of ``theory``, or their names; the kernel must be a piecewise polynomial.
    digits : int
        The required accuracy of each term in digits, relative to A.

    Raises
    ------
    InputError
        If a name is unknown, ``m`` is not positive, the kernel is not a piecewise polynomial, the density is unbounded
        near the support of the weight or has unknown repeated integrals, or 1,536 bits do not suffice for so small a
        bandwidth and so many digits.

    Examples
    --------
    >>> enclosed_mean(10_000).total.str(15)
    '[0.540763130233842 +/- 2.88e-16]'
    >>> enclosed_mean(100, "triangular", "laplace", "inverse-density:-1,1", 0.25).total.str(15)
    '[1.18152715126861 +/- 7.09e-16]'
    """
    density = valid_density(density)
    smoothing = Smoothing(kernel_named(kernel), density, weight_named(weight, density))
    require_positive("m", m)
    if smoothing.kernel.polynomial is None:
        raise InputError(f"the kernel must be a piecewise polynomial for an enclosure, got {smoothing.kernel.name}.")
    rule = bandwidth_named(bandwidth)
    require_bounded(density, smoothing.weight, rule.at(m) * smoothing.kernel_radius)
    width = Rational(rule.factor) * Integer(m) ** -Rational(rule.exponent.numerator, rule.exponent.denominator)
    # Double the precision until cancellation leaves enough correct bits.
    for bits in PRECISIONS:
        with flint.ctx.workprec(bits):
            mean = _Enclosure(m, smoothing, width, bits, digits).mean()
            if mean.total.rad() < mean.variance_term * arb(10) ** -digits:
                return mean
    raise InputError(
        f"the bandwidth {float(width):g} is too small to enclose E T_m to {digits} digits. Try a larger one."
    )


@dataclass(frozen=True)
class _Enclosure:
    """The computation at one precision, to be used in a context of that precision."""

    m: int
    smoothing: Smoothing
    width: Expr
    bits: int
    digits: int

    def mean(self) -> EnclosedMean:
        panels = self.smoothing.panels(self._sort_by_value)
        # For the weight 1 the panels are cut at a finite reach, and the tails beyond it are bounded.
        tails = self._tails() if self.smoothing.weight.is_one else arb(0)
        product = self._width * self._sum_over(panels, lambda p: p.smoothed**2 * p.weight)
        squares = self._sum_over(panels, lambda p: (p.smoothed - p.density) ** 2 * p.weight)
        return EnclosedMean(
            self._variance_term(panels),
            product + self._width * tails,
            self.m * self._width * (squares + 2 * tails),
        )

    @property
    def _width(self) -> arb:
        return self._ball(self.width)

    def _ball(self, expression: Expr) -> arb:
        return ball_of(expression.subs(b, self.width), bits=self.bits)

    def _sort_by_value(self, points: Iterable[Breakpoint]) -> list[Breakpoint]:
        """Sort by value; only rational points can coincide, because an irrational bandwidth is not a ratio of knots."""
        return sorted(points, key=cmp_to_key(self._compare))

    def _compare(self, left: Breakpoint, right: Breakpoint) -> int:
        if left.at.is_infinite or right.at.is_infinite:
            return int(sympy.sign(left.at - right.at)) if left.at != right.at else 0
        difference = (left.value - right.value).subs(b, self.width)
        if difference.is_Rational:
            return int(sympy.sign(difference))
        gap = self._ball(difference)
        if gap.contains(0):
            raise ArithmeticError(f"{self.bits} bits do not separate {left} from {right}")
        return 1 if gap > 0 else -1

    def _variance_term(self, panels: Sequence[Panel]) -> arb:
        if self.smoothing.weight.is_one:
            return self._ball(self.smoothing.kernel.roughness)
        # A constant weight on each panel leaves an integral with a known antiderivative.
        if any(panel.weight.has(x) for panel in panels):
            return self._sum_over(panels, lambda panel: panel.smoothed_by_square * panel.weight)
        total = arb(0)
        for panel in panels:
            antiderivative = analytic_function(panel.antiderivative, x, {b: self._width})
            start, end = (antiderivative(acb(self._ball(bound)), False).real for bound in (panel.lower, panel.upper))
            total += self._ball(panel.weight) * (end - start)
        return total

    def _sum_over(self, panels: Sequence[Panel], integrand: Callable[[Panel], Expr]) -> arb:
        """Return the integral over all panels, each cut into short ones, up to the reach."""
        # The squared bias is multiplied by m b, and the errors of all panels add up.
        tolerance = arb(10) ** -self.digits * arb(2) ** -SPARE_BITS / (1 + self.m * self._width)
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
        """An integer beyond which, less the width of the kernel, the mass of f on either side does not count."""
        density, radius = self.smoothing.density, self.smoothing.kernel_radius
        ends = density.bulk(10.0 ** (SPARE_DIGITS - self.digits) / self.m)
        return math.ceil(max(map(abs, ends)) + float(self.width) * radius)

    def _tails(self) -> arb:
        """Return a ball that contains the integrals of (K_b * f)^2 and of f^2 beyond the reach on both sides.

        By Jensen's inequality (K_b * f)^2 is at most K_b * f^2, whose integral beyond the reach is at most that of f^2
        beyond the reach less the width of the kernel.
        """
        square = self.smoothing.density.squared_distribution
        if not any(end.is_infinite for end in self.smoothing.density.support):
            return arb(0)
        if square is None:
            raise InputError(
                f"the integral of the square of {self.smoothing.density.name} is unknown: define squared_distribution."
            )
        # Round the width of the kernel up to a rational number, which keeps the bound rigorous.
        near = Integer(self._reach) - Rational(
            math.ceil(float(self.width) * self.smoothing.kernel_radius * 1024) + 1, 1024
        )
        above = self._ball(square.subs(x, oo)) - self._ball(square.subs(x, near))
        return arb(0).union(above + self._ball(square.subs(x, -near)))
