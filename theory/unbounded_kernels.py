r"""Kernels on the whole line whose integrals are computed: the Gaussian and the logistic, at any location and scale.

They are recognised by what their densities satisfy, not by their names: the logarithm of a Gaussian has a linear
derivative, and the logistic one, :math:`1/(4 s \cosh^2((u - l)/2s))`, solves :math:`(\log K)'' = -2 K/s`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import sympy
from numpy.polynomial import Polynomial
from sympy import Expr, Integer, oo

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction
from theory.kernels import GAUSSIAN, LOGISTIC, Kernel, x

FAMILIES = ("gaussian", "logistic")

_GRIDS = {"gaussian": (0, 3, 6, 9, 12), "logistic": (0, 2, 4, 7, 11, 18, 29, 46, 72)}
"""Ends of panels on which the kernels are integrated, in scales; beyond the last they are below 6e-32."""

_LAGS = {"gaussian": tuple(range(0, 25, 4)), "logistic": (0, 3, 6, 10, 16, 26, 42, 72)}
"""The same for their autocorrelations."""

TERMS = 22
"""Terms of the series of the logistic autocorrelation up to 1, which leave 1e-20."""


@dataclass(frozen=True)
class UnboundedForm:
    """A Gaussian or a logistic kernel.

    Attributes
    ----------
    family : str
        One of `FAMILIES`.
    location, scale : sympy.Expr
        The median, and the standard deviation of the Gaussian or the scale s of the logistic one.
    """

    family: str
    location: Expr
    scale: Expr

    @cached_property
    def grid(self) -> tuple[Expr, ...]:
        """The points between which the kernel is well integrated, ascending, from one negligible tail to the other."""
        steps = _GRIDS[self.family]
        return tuple(self.location + self.scale * step for step in (*(-step for step in steps[:0:-1]), *steps))

    @cached_property
    def lags(self) -> tuple[Expr, ...]:
        """The same for the kernel's autocorrelation, from 0 upwards."""
        return tuple(self.scale * lag for lag in _LAGS[self.family])

    def logistic_derivative(self, order: int) -> ArrayFunction:
        """Return a derivative of a logistic kernel: with its distribution function F a polynomial, since K = F (1 - F).

        Each derivative multiplies that of the polynomial by F (1 - F). F is the smaller tail, which keeps its digits.
        """
        step = Polynomial([0, 1, -1])
        polynomial = step
        for _ in range(order):
            polynomial = step * polynomial.deriv()
        location, scale = float(self.location), float(self.scale)

        def derivative(points: Array) -> Array:
            z = (points - location) / scale
            q = np.exp(-np.abs(z))
            values = polynomial(q / (1 + q)) / scale ** (order + 1)
            return np.asarray(np.where(z > 0, (-1) ** order, 1) * values)

        return derivative


@cache
def unbounded_form(kernel: Kernel) -> UnboundedForm | None:
    """Return the form of a Gaussian or a logistic kernel, and None for any other.

    Examples
    --------
    >>> unbounded_form(GAUSSIAN.rescale(variance=4))
    UnboundedForm(family='gaussian', location=0, scale=2)
    >>> unbounded_form(LOGISTIC.transform(Integer(1), Integer(3)))
    UnboundedForm(family='logistic', location=1, scale=3)
    """
    known = {GAUSSIAN: "gaussian", LOGISTIC: "logistic"}
    if kernel in known:
        return UnboundedForm(known[kernel], Integer(0), Integer(1))
    if len(kernel.pieces) != 1 or kernel.support != (-oo, oo) or kernel.is_symbolic:
        return None
    density = kernel.pieces[0].density
    if density.has(sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Min, sympy.Max):
        return None
    slope = sympy.simplify(sympy.diff(density, x) / density)
    return _gaussian(slope) or _logistic(density, slope)


def require_unbounded_form(kernel: Kernel, purpose: str) -> UnboundedForm:
    """Return the form of a kernel whose support is not bounded.

    Raises
    ------
    InputError
        If it is neither Gaussian nor logistic.
    """
    form = unbounded_form(kernel)
    if form is None:
        raise InputError(
            f"for {purpose} the kernel must have compact support, or be Gaussian or logistic, got {kernel.name}."
        )
    return form


def logistic_autocorrelation(lags: Array) -> Array:
    r"""Return the autocorrelation of the logistic kernel, :math:`(u \coth(u/2) - 2)/(4 \sinh^2(u/2))`.

    Parameters
    ----------
    lags : array
        u, of any shape.

    Notes
    -----
    It is the density of the difference of two independent logistic variables. With :math:`q = e^{-|u|}` it is
    :math:`q\,(u - 2 + (u + 2) q)/(1 - q)^3`, which keeps its digits in the tail; near 0, where it tends to 1/6, the
    numerator is summed as a series, :math:`\sum_{n \ge 3} (2 - n)(-u)^n/n!`.

    Examples
    --------
    >>> logistic_autocorrelation(np.array([0.0, 1.0, 10.0])).round(12).tolist()
    [0.166666666667, 0.150947578709, 0.000363273647]
    """
    u = np.abs(lags)
    q, falls = np.exp(-u), -np.expm1(-u)
    near = np.minimum(u, 1.0)
    # Divided by u^3, so that 0 is a value like any other.
    series = np.zeros_like(u)
    for n in range(TERMS, 2, -1):
        series = series * -near + (n - 2) / math.factorial(n)
    with np.errstate(divide="ignore", invalid="ignore"):
        far = (u - 2 + (u + 2) * q) / falls**3
        ratio = np.where(u > 0, near / falls, 1.0)
    return np.asarray(q * np.where(u < 1, series * ratio**3, far))


def _gaussian(slope: Expr) -> UnboundedForm | None:
    """Recognise K' = -(u - location) / scale^2 K."""
    if not slope.is_polynomial(x) or sympy.degree(slope, x) != 1:
        return None
    steepness, intercept = sympy.Poly(slope, x).all_coeffs()
    if not (steepness.is_negative and intercept.is_real):
        return None
    return UnboundedForm("gaussian", -intercept / steepness, sympy.sqrt(-1 / steepness))


def _logistic(density: Expr, slope: Expr) -> UnboundedForm | None:
    """Recognise (log K)'' = -2 K / scale, with the slope (1 - 2 F) / scale, F the distribution function."""
    ratio = sympy.simplify((sympy.diff(slope, x) / density).rewrite(sympy.exp))
    if not (ratio.is_number and ratio.is_negative):
        return None
    scale = -2 / ratio
    # At 0 the slope is tanh(location / 2 scale) / scale.
    location = sympy.simplify(2 * scale * sympy.atanh(scale * slope.subs(x, 0)))
    if not location.is_real:
        return None
    # The same equation has solutions with a pole, of the other sign.
    peak = density.subs(x, location) * 4 * scale
    return UnboundedForm("logistic", location, scale) if sympy.simplify(peak) == 1 else None
