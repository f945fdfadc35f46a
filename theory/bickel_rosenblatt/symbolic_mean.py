r"""Symbolic expressions for E T_m in m and b, for any kernel, density and weight.

The symbolic counterpart of `theory.bickel_rosenblatt.exact_mean`, which computes numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import sympy
from sympy import Expr, Integer

from theory.bickel_rosenblatt.smoothing import Panel, Smoothing, b
from theory.densities.density import DensityLike
from theory.densities.validation import valid_density
from theory.densities.weights import Weight, weight_named
from theory.kernels import Kernel, kernel_named, x

m = sympy.Symbol("m", positive=True)
"""The number of observations."""


@dataclass(frozen=True)
class MeanExpression:
    """E T_m = A - B + C in terms of the symbols `m` and `b`.

    Attributes
    ----------
    variance_term, product_term, squared_bias_term : sympy.Expr
        A, B and C, as in `theory.bickel_rosenblatt.ExactMean`; integrals over x without a closed form are left as
        `sympy.Integral`, as are integrals over u unless K is a polynomial.
    largest_bandwidth : sympy.Expr
        The expressions hold for every b up to this bandwidth.
    """

    variance_term: Expr
    product_term: Expr
    squared_bias_term: Expr
    largest_bandwidth: Expr

    @property
    def total(self) -> Expr:
        """E T_m."""
        return self.variance_term - self.product_term + self.squared_bias_term


def mean_expression(
    kernel: str | Kernel = "epanechnikov", density: DensityLike = "normal", weight: str | Weight = "window:-2,2"
) -> MeanExpression:
    r"""Return E T_m as an expression in `m` and `b`.

    Parameters
    ----------
    kernel, density, weight
        Objects of ``theory``, or their names.

    Raises
    ------
    InputError
        If a name is unknown, or the kernel is a polynomial and the repeated integrals of the density are unknown.

    Notes
    -----
    The integrals have closed forms if their integrands are sums of powers of x times exponentials: for uniform and
    Laplace densities, and for betas with integer parameters. The variance term has one for every density if the
    weight is constant on intervals and K is a polynomial.

    Examples
    --------
    For the uniform prior with the weight 1/f on its support, the mean diverges at the theorem's rates:

    >>> mean = mean_expression("epanechnikov", "uniform:-1,1", "inverse-density:-1,1")
    >>> mean.variance_term, mean.squared_bias_term, mean.largest_bandwidth
    (6/5 - 3*b/16, 33*b**2*m/560, 1)
    """
    density = valid_density(density)
    smoothing = Smoothing(kernel_named(kernel), density, weight_named(weight, density))
    panels = smoothing.panels()
    return MeanExpression(
        _variance_term(smoothing, panels),
        _sum(b * _integral(panel.smoothed**2 * panel.weight, panel) for panel in panels),
        _sum(m * b * _integral((panel.smoothed - panel.density) ** 2 * panel.weight, panel) for panel in panels),
        smoothing.largest_bandwidth,
    )


def _variance_term(smoothing: Smoothing, panels: Iterable[Panel]) -> Expr:
    if smoothing.weight.is_one:
        return smoothing.kernel.roughness
    return _sum(_variance_on(panel) for panel in panels)


def _variance_on(panel: Panel) -> Expr:
    if panel.antiderivative is None or panel.weight.has(x):
        return _integral(panel.smoothed_by_square * panel.weight, panel)
    upper, lower = (panel.antiderivative.subs(x, end) for end in (panel.upper, panel.lower))
    return panel.weight * (upper - lower)


def _integral(integrand: Expr, panel: Panel) -> Expr:
    """Return the integral over the panel, in closed form if the integrand is a sum of powers times exponentials."""
    # Collect the terms c x^k exp(r x) by k and r, so that each antiderivative is evaluated once.
    coefficients: defaultdict[tuple[int, Expr], Expr] = defaultdict(lambda: Integer(0))
    for term in sympy.Add.make_args(sympy.expand(integrand)):
        parts = _as_power_times_exponential(term)
        if parts is None:
            return sympy.Integral(integrand, (x, panel.lower, panel.upper))
        coefficient, power, rate = parts
        coefficients[power, rate] += coefficient
    total: Expr = Integer(0)
    for (power, rate), coefficient in coefficients.items():
        upper, lower = (_antiderivative(power, rate, end) for end in (panel.upper, panel.lower))
        total += sympy.expand(coefficient) * (upper - lower)
    return total


def _as_power_times_exponential(term: Expr) -> tuple[Expr, int, Expr] | None:
    """Return c, k and r of a term c x^k exp(r x), or None if it is not of this form."""
    # Constant parts of an exponent, such as exp(-b x + c), go into the coefficient.
    coefficient, varying = term.as_independent(x, as_Add=False)
    power, rate = 0, Integer(0)
    for factor in sympy.Mul.make_args(varying):
        base, exponent = factor.as_base_exp()
        if base == x and exponent.is_Integer and exponent > 0:
            power += int(exponent)
        elif base is sympy.E and (slope := sympy.diff(exponent, x)).is_number:
            rate += slope
            coefficient *= sympy.exp(exponent - slope * x)
        elif factor.has(x):
            return None
        else:
            coefficient *= factor
    return coefficient, power, rate


def _antiderivative(power: int, rate: Expr, at: Expr) -> Expr:
    """Return an antiderivative of x^power exp(rate x) at a point; it is 0 at an infinite end."""
    if at.is_infinite:
        return Integer(0)
    if rate == 0:
        return at ** (power + 1) / (power + 1)
    terms = ((-1) ** j * sympy.ff(power, j) * at ** (power - j) / rate ** (j + 1) for j in range(power + 1))
    return sympy.exp(rate * at) * sum(terms, start=Integer(0))


def _sum(terms: Iterable[Expr]) -> Expr:
    total = sum(terms, start=Integer(0))
    return total if total.has(sympy.Integral, sympy.erfc, sympy.polylog) else sympy.expand(total)
