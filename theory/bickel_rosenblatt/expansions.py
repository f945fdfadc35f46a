r"""Leading terms of the convergence in Theorem 3.1, as b tends to 0 and m b to infinity.

Up to smaller terms, T_m is its mean plus a quadratic form whose second and third cumulants are traces of powers of
the operator with kernel :math:`H(x, y) = b \int K_b(t - x) K_b(t - y) a(t)\,dt`, centred. With :math:`C = K * K`
(autocorrelation) the traces are integrals of C; the centring and the ends of the weight add terms of order b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import sympy

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction
from theory.algebra.piecewise import PiecewisePolynomial
from theory.bickel_rosenblatt.mean import limit_variance, places_around
from theory.densities.density import Density, DensityLike
from theory.densities.integrals import require_known_integrals
from theory.densities.validation import valid_density
from theory.densities.weights import Weight, weight_named
from theory.kernels import Kernel, Piece, kernel_named, x

TAIL = 1e-18
"""The mass neglected in each tail if the weight is 1 everywhere."""

NODES, PANELS = 16, 8

VALIDATION = 1e-9
"""Accepted relative error of the integrals of f and f^2."""

LEVELS = (1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-3, 1 - 1e-6, 1 - 1e-12)
"""Quantiles of f at which the integrals are split, so that panels are narrow where f is narrow."""


@dataclass(frozen=True)
class LeadingTerms:
    r"""The coefficients of the leading terms for one kernel, density and weight.

    If f is not twice differentiable on the closed support of a, the terms that require it are None.

    Attributes
    ----------
    product : float
        :math:`\int f^2 a`, the rate at which the mean decreases with b.
    squared_bias : float or None
        :math:`\frac14 \mu_2(K)^2 \int (f'')^2 a`, the rate at which the mean increases with
        :math:`m b^5`.
    limit_variance : float
        The limit variance of the standardised statistic.
    variance_centring : float or None
        :math:`2 (\int f^2 a)^2 - 4 \int f^3 a^2 - \int |w| C(w)^2 dw \sum (f \Delta a)^2`, summed over the jumps of
        a: the rate at which the standardised variance changes with b.
    variance_bias : float or None
        :math:`\mu_2(K)^2 \mathrm{Var}(f''(X) a(X))`, the rate at which it increases with :math:`m b^5`.
    skewness : float
        :math:`8 (C * C * C)(0) \int f^3 a^3 / V^{3/2}`, with V the limit variance: the factor of :math:`b^{1/2}`.
    """

    product: float
    squared_bias: float | None
    limit_variance: float
    variance_centring: float | None
    variance_bias: float | None
    skewness: float

    def mean_difference(self, m: float, b: float) -> float | None:
        r"""Return E T_m - I int f a, up to terms of order :math:`b^2` and :math:`m b^7`."""
        return None if self.squared_bias is None else -b * self.product + m * b**5 * self.squared_bias

    def variance_at(self, m: float, b: float) -> float | None:
        """Return the standardised variance, up to terms of order b**2, 1 / (m b) and m b**7."""
        if self.variance_centring is None or self.variance_bias is None:
            return None
        return self.limit_variance + b * self.variance_centring + m * b**5 * self.variance_bias

    def skewness_at(self, b: float) -> float:
        """Return the skewness, up to terms of order b**(3/2)."""
        return math.sqrt(b) * self.skewness


def leading_terms(
    kernel: str | Kernel = "epanechnikov", density: DensityLike = "normal", weight: str | Weight = "window:-2,2"
) -> LeadingTerms:
    r"""Return the coefficients of the leading terms of the mean, variance and skewness of T_m.

    Raises
    ------
    InputError
        If a name is unknown, the weight neither vanishes outside a bounded interval nor is 1 everywhere, or f
        vanishes on its support.

    Notes
    -----
    The mean is expanded from its exact form A - B + C. The second cumulant is twice the trace of the squared operator,
    :math:`2 (E H^2 - 2 E_x (E_y H)^2 + (E H)^2)`, and the third eight times the trace of its cube.

    Examples
    --------
    >>> terms = leading_terms()
    >>> round(terms.product, 6), round(terms.variance_centring, 6), round(terms.skewness, 6)
    (0.280775, -0.210654, 2.185216)
    """
    density = valid_density(density)
    kernel, weight = kernel_named(kernel), weight_named(weight, density)
    # Evaluate f and a at quadrature nodes; every term is a weighted sum over them.
    lower, upper = _ends(density, weight)
    smooth = not any(lower <= float(knot) <= upper for knot in density.knots)
    points, lengths = _nodes(density, weight, lower, upper)
    f, a = _numerical(density.pieces, 0)(points), _numerical(weight.pieces, 0)(points)
    found = {"mass": float(lengths @ f), "square": float(lengths @ f**2)}
    require_known_integrals(density, lower, upper, found, "the quadrature of the leading terms", VALIDATION)
    product, variance = float(lengths @ (f**2 * a)), float(limit_variance(kernel, density, weight))
    if product == 0:
        raise InputError(
            f"{density.name} vanishes, to rounding, on the support of {weight.name}, which excludes a limit law."
        )
    lag, triple = _autocorrelation_constants(kernel)
    skewness = 8 * triple * float(lengths @ (f * a) ** 3) / variance**1.5
    if not smooth:
        return LeadingTerms(product, None, variance, None, None, skewness)
    # The other terms need the second derivative of f.
    second, moment = _numerical(density.pieces, 2)(points) * a, float(kernel.second_moment)
    centring = 2 * product**2 - 4 * float(lengths @ (f**3 * a**2)) - lag * _sum_squared_jumps(density, weight)
    scatter = float(lengths @ (f * second**2)) - float(lengths @ (f * second)) ** 2
    curvature = _numerical(density.pieces, 2)(points) * second
    return LeadingTerms(
        product, moment**2 / 4 * float(lengths @ curvature), variance, centring, moment**2 * scatter, skewness
    )


def _ends(density: Density, weight: Weight) -> tuple[float, float]:
    lower, upper = density.bulk(TAIL) if weight.is_one else (float(end) for end in weight.support)
    if not np.isfinite([lower, upper]).all():
        raise InputError(
            "for the leading terms the weight must vanish outside a bounded interval or be one, got "
            f"{weight.name}. Try window:-2,2."
        )
    return lower, upper


def _nodes(density: Density, weight: Weight, lower: float, upper: float) -> tuple[Array, Array]:
    """Return Gauss-Legendre nodes and weights on panels between the knots and some quantiles of f."""
    # Clip the landmarks to the interval, cut each part into panels, and map the nodes from [-1, 1] to each panel.
    components = [component for _, component in density.components] or [density]
    landmarks = [component.quantiles(np.array(LEVELS)) for component in components]
    further = (*density.landmarks, *weight.landmarks) if len(components[0].landmarks) > 1 else weight.landmarks
    landmarks.append(np.array([float(place) for place in places_around(further)]))
    knots = np.array([float(knot) for knot in (*density.knots, *weight.knots)])
    edges = np.unique(np.clip(np.concatenate([*landmarks, knots, [lower, upper]]), lower, upper))
    edges = np.unique(np.concatenate([np.linspace(*pair, PANELS + 1) for pair in pairwise(edges)]))
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    halves = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + halves * (1 + nodes)).ravel(), (halves * weights).ravel()


def _sum_squared_jumps(density: Density, weight: Weight) -> float:
    """Sum the squared jumps of f a over the knots of the weight."""
    total = 0.0
    for knot in weight.knots:
        # At each knot the weight may end, begin, or change its expression.
        sides = [
            float(piece.density.subs(x, knot)) * sign
            for piece in weight.pieces
            for sign, end in ((1, piece.lower), (-1, piece.upper))
            if end == knot
        ]
        f = _numerical(density.pieces, 0)(np.array([float(knot)]))[0]
        total += float(f * sum(sides)) ** 2
    return total


@cache
def _numerical(pieces: tuple[Piece, ...], order: int) -> ArrayFunction:
    """Compile a derivative of a piecewise function, zero outside its pieces, to a function of NumPy arrays."""
    functions = [sympy.lambdify(x, sympy.diff(piece.density, x, order), "scipy") for piece in pieces]

    def evaluate(points: Array) -> Array:
        values = np.zeros_like(points)
        for piece, function in zip(pieces, functions, strict=True):
            inside = (points >= float(piece.lower)) & (points <= float(piece.upper))
            values[inside] = function(points[inside])
        return values

    return evaluate


@cache
def _autocorrelation_constants(kernel: Kernel) -> tuple[float, float]:
    """Return the integral of |w| C(w)^2 and (C * C * C)(0), C the autocorrelation of the kernel."""
    if kernel.polynomial is not None:
        autocorrelation = kernel.polynomial.autocorrelation()
        triple = autocorrelation.convolve(autocorrelation).convolve(autocorrelation)(Fraction(0))
        return float(_absolute_lag(autocorrelation)), float(triple)
    # Otherwise tabulate C at Gauss-Legendre nodes on its support.
    reach = float(kernel.support[1]) if kernel.has_compact_support else 12.0
    points, weights = np.polynomial.legendre.leggauss(200)
    u, lengths = (points + 1) * reach, weights * reach
    values = np.array([_autocorrelation(kernel, reach, lag) for lag in u])
    lag = 2 * float(lengths @ (u * values**2))
    # The period 8 * reach exceeds the support of C * C * C, so by Poisson's formula the sum is the value at 0.
    frequencies = np.arange(-400, 401) * math.pi / (4 * reach)
    transform = np.array([float(2 * lengths @ (values * np.cos(frequency * u))) for frequency in frequencies])
    return lag, float(np.sum(transform**3)) / (8 * reach)


def _absolute_lag(autocorrelation: PiecewisePolynomial) -> Fraction:
    """Return the integral of |w| C(w)^2 for an even piecewise polynomial C."""
    total = Fraction(0)
    for piece in autocorrelation.pieces:
        if piece.lower < 0:
            continue
        for j, left in enumerate(piece.coefficients):
            for k, right in enumerate(piece.coefficients):
                power = j + k + 2
                total += left * right * (piece.upper**power - piece.lower**power) / power
    return 2 * total


def _autocorrelation(kernel: Kernel, reach: float, lag: float) -> float:
    """Return the integral of K(z) K(z + lag) for a smooth kernel that vanishes beyond ``reach``."""
    nodes, weights = np.polynomial.legendre.leggauss(100)
    half = reach - lag / 2
    z = -lag / 2 + half * nodes
    values = _numerical(kernel.pieces, 0)
    return float(half * weights @ (values(z) * values(z + lag)))
