r"""Leading terms of the convergence in Theorem 3.1, as b tends to 0 and m b to infinity.

Up to smaller terms, T_m is its mean plus a quadratic form whose second and third cumulants are traces of powers of
the operator with kernel :math:`H(x, y) = b \int K_b(t - x) K_b(t - y) a(t)\,dt`, centred. With :math:`C = K * K`
(autocorrelation) the traces are integrals of C; the centring and the ends of the weight add terms of order b.
The bias is :math:`\frac12 \mu_2 b^2 f''`, or :math:`-\mu b f'` for a kernel with the mean :math:`\mu \ne 0`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from itertools import pairwise

import numpy as np
import sympy
from scipy.special import ndtri
from sympy import Expr, Rational, pi, sqrt

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction
from theory.bickel_rosenblatt.mean import limit_variance, places_around, tail_places
from theory.bickel_rosenblatt.quadrature import gauss_legendre
from theory.densities.density import Density, DensityLike
from theory.densities.integrals import integral_of_product, require_known_integrals
from theory.densities.validation import valid_density
from theory.densities.weights import Weight, weight_named
from theory.kernels import COSINE, Kernel, Piece, kernel_named, x
from theory.unbounded_kernels import require_unbounded_form

TAIL = 1e-18
"""The mass neglected in each tail if the weight is 1 everywhere."""

NODES, PANELS, MANY_NODES = 16, 8, 200

SYMMETRY = 1e-12
"""The mean of a kernel up to which it is taken as 0, where it was computed numerically."""

VALIDATION = 1e-9
"""Accepted relative error of the integrals of f and f^2."""

LEVELS = (1e-12, 1e-6, 1e-3, 0.1, 0.5, 0.9, 1 - 1e-3, 1 - 1e-6, 1 - 1e-12)
"""Quantiles of f at which the integrals are split, so that panels are narrow where f is narrow."""

# By Parseval (C * C * C)(0) is the integral of the sixth power of the characteristic function, divided by 2 pi. That of
# the cosine, pi^2 cos t / (pi^2 - 4 t^2), has residues at the two poles of each of its frequencies. That of the
# Gaussian is exp(-t^2 / 2), that of the logistic kernel s/sinh s at s = pi t; the integral of (s/sinh s)^6 follows from
# (1/sinh^n)'' = n^2/sinh^n + n (n + 1)/sinh^(n + 2) and those of s^p/sinh^2, p! zeta(p)/2^(p - 1).
_COSINE_CYCLE = pi**2 * (945 + 105 * pi**2 + 11 * pi**4) / 81920
_CYCLES: dict[str, Expr] = {
    "gaussian": 1 / sqrt(12 * pi),
    "logistic": Rational(1, 2) - pi**2 / 6 + 4 * pi**4 / 315,
}
"""(C * C * C)(0) of the kernels without bounded support, at scale 1."""

_ABSOLUTE_LAGS: dict[str, Expr] = {
    "gaussian": 1 / (2 * pi),
    "logistic": Rational(19, 30) - Rational(2, 5) * sympy.zeta(3),
}
"""The integrals of |w| C(w)^2 of these kernels, at any scale."""


@dataclass(frozen=True)
class LeadingTerms:
    r"""The coefficients of the leading terms for one kernel, density and weight.

    If f is not twice differentiable on the closed support of a, the terms that require it are None.

    Attributes
    ----------
    product : float
        :math:`\int f^2 a`, the rate at which the mean decreases with b.
    bias_order : int
        The power k of b in the bias: 2, or 1 if the mean :math:`\mu` of K is not 0.
    squared_bias : float or None
        The rate at which the mean increases with :math:`m b^{2k + 1}`: :math:`\frac14 \mu_2(K)^2 \int (f'')^2 a`, or
        :math:`\mu^2 \int (f')^2 a`.
    limit_variance : float
        The limit variance of the standardised statistic.
    variance_centring : float or None
        :math:`2 (\int f^2 a)^2 - 4 \int f^3 a^2 - \int |w| C(w)^2 dw \sum (f \Delta a)^2`, summed over the jumps of
        a: the rate at which the standardised variance changes with b. None also if the mean of K is not 0.
    variance_bias : float or None
        The rate at which it increases with :math:`m b^{2k + 1}`: :math:`\mu_2(K)^2 \mathrm{Var}(f''(X) a(X))`, or
        :math:`4 \mu^2 \mathrm{Var}(f'(X) a(X))`.
    skewness : float
        :math:`8 (C * C * C)(0) \int f^3 a^3 / V^{3/2}`, with V the limit variance: the factor of :math:`b^{1/2}`.
    """

    product: float
    bias_order: int
    squared_bias: float | None
    limit_variance: float
    variance_centring: float | None
    variance_bias: float | None
    skewness: float

    def bias_at(self, m: float, b: float) -> float | None:
        """Return the leading term of the squared bias in E T_m."""
        return None if self.squared_bias is None else m * b ** (2 * self.bias_order + 1) * self.squared_bias

    def mean_difference(self, m: float, b: float) -> float | None:
        r"""Return E T_m - I int f a, up to terms of order :math:`b^2` and :math:`m b^7`.

        If the mean of K is not 0, up to terms of order b and :math:`m b^4`.
        """
        bias = self.bias_at(m, b)
        return None if bias is None else bias - b * self.product

    def variance_at(self, m: float, b: float) -> float | None:
        """Return the standardised variance, up to terms of order b**2, 1 / (m b) and m b**7.

        If the mean of K is not 0, up to terms of order b and m b**4.
        """
        if self.variance_bias is None:
            return None
        bias = m * b ** (2 * self.bias_order + 1) * self.variance_bias
        return self.limit_variance + b * (self.variance_centring or 0.0) + bias

    def skewness_at(self, b: float) -> float:
        """Return the skewness, up to terms of order b**(3/2)."""
        return math.sqrt(b) * self.skewness

    def quantile_at(self, level: float, m: float, b: float) -> float | None:
        """Return a quantile of the standardised statistic, up to terms of order b; None for a bias of first order.

        The normal quantile is corrected for the mean and the skewness (Cornish and Fisher, 1938).
        """
        shift = self._shift_at(m, b)
        z = float(ndtri(level))
        return None if shift is None else self._spread * (z + shift + self.skewness_at(b) / 6 * (z**2 - 1))

    def limit_distance_at(self, m: float, b: float) -> float | None:
        r"""Return the Kolmogorov distance to the limit law, up to terms of order b; None for a bias of first order.

        With the mean :math:`\delta` and the skewness :math:`\gamma`, in units of the limit law, the distribution
        function is :math:`\Phi(z) - \varphi(z) (\delta + \gamma (z^2 - 1) / 6)`, by Edgeworth's expansion.

        Examples
        --------
        >>> round(leading_terms().limit_distance_at(10_000, 10_000**-0.235), 4)
        0.1252
        """
        shift = self._shift_at(m, b)
        if shift is None:
            return None
        bend = self.skewness_at(b) / 6
        # The difference is stationary at 0 and where z^2 = 3 - shift / bend.
        squares = [0.0, max(0.0, 3 - shift / bend)]
        return max(math.exp(-square / 2) * abs(shift + bend * (square - 1)) for square in squares) / math.sqrt(
            2 * math.pi
        )

    def _shift_at(self, m: float, b: float) -> float | None:
        """Return the mean of the standardised statistic in standard deviations of the limit law."""
        difference = self.mean_difference(m, b)
        return None if difference is None or self.bias_order == 1 else difference / (math.sqrt(b) * self._spread)

    @property
    def _spread(self) -> float:
        return math.sqrt(self.limit_variance)


@lru_cache
def leading_skewness(
    kernel: str | Kernel = "epanechnikov", density: DensityLike = "normal", weight: str | Weight = "window:-2,2"
) -> Expr:
    r"""Return the limit of the skewness of T_m over the root of b.

    It is :math:`8 (C * C * C)(0) \int a^3 f^3 / (2 J(K) \int a^2 f^2)^{3/2}`.

    Returns
    -------
    sympy.Expr
        Exact for piecewise polynomial kernels with rational coefficients, the Gaussian, the logistic and the cosine;
        for other kernels C, the autocorrelation of K, is integrated numerically. An integral without a known closed
        form is unevaluated; ``float`` evaluates it.

    Raises
    ------
    InputError
        If a name is unknown.

    Notes
    -----
    The third cumulant of a quadratic form in normal variables is eight times the trace of the cube of its operator, and
    the second twice the trace of the square. Neither changes if the kernel is shifted. The relative errors are of
    orders b and 1 / (m b); the linear term in the bias, whose skewness tends to 0, is not included.

    Examples
    --------
    >>> leading_skewness("uniform", "uniform:0,1", "window:0,1")
    33*sqrt(6)/20
    >>> round(float(leading_skewness()), 12)
    2.185215783589
    """
    density = valid_density(density)
    kernel, weight = kernel_named(kernel), weight_named(weight, density)
    third = 8 * _cycle(kernel) * integral_of_product(density, weight, power=3)
    return third / limit_variance(kernel, density, weight) ** Rational(3, 2)


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
    # Not in closed form, which takes seconds for some densities.
    skewness = 8 * float(_cycle(kernel)) * float(lengths @ (f * a) ** 3) / variance**1.5
    shift = float(kernel.mean)
    order, factor = (1, -shift) if abs(shift) > SYMMETRY else (2, float(kernel.second_moment) / 2)
    if not smooth:
        return LeadingTerms(product, order, None, variance, None, None, skewness)
    # The other terms need the derivatives of f.
    bias = factor * _numerical(density.pieces, order)(points)
    scatter = float(lengths @ (f * (bias * a) ** 2)) - float(lengths @ (f * bias * a)) ** 2
    centring = None
    if order == 2:
        centring = 2 * product**2 - 4 * float(lengths @ (f**3 * a**2))
        centring -= _absolute_lag(kernel) * _sum_squared_jumps(density, weight)
    return LeadingTerms(product, order, float(lengths @ (bias**2 * a)), variance, centring, 4 * scatter, skewness)


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
    tails = [float(place) for place in tail_places(density, Fraction(lower), Fraction(upper))]
    edges = np.unique(np.clip(np.concatenate([*landmarks, knots, tails, [lower, upper]]), lower, upper))
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
def _cycle(kernel: Kernel) -> Expr:
    """Return (C * C * C)(0), C the autocorrelation of the kernel."""
    if kernel.polynomial is not None:
        autocorrelation = kernel.polynomial.autocorrelation()
        value = autocorrelation.convolve(autocorrelation).convolve(autocorrelation)(Fraction(0))
        return Rational(value.numerator, value.denominator)
    if kernel == COSINE:
        return _COSINE_CYCLE
    if not kernel.has_compact_support:
        form = require_unbounded_form(kernel, "the leading terms")
        return _CYCLES[form.family] / form.scale
    width, u, lengths, values = _tabulate_autocorrelation(kernel)
    # The period 4 * width exceeds the support of C * C * C, so by Poisson's formula the sum is the value at 0.
    frequencies = np.arange(-400, 401) * math.pi / (2 * width)
    transform = np.array([float(2 * lengths @ (values * np.cos(frequency * u))) for frequency in frequencies])
    return sympy.Float(float(np.sum(transform**3)) / (4 * width))


@cache
def _absolute_lag(kernel: Kernel) -> float:
    """Return the integral of |w| C(w)^2."""
    if not kernel.has_compact_support:
        return float(_ABSOLUTE_LAGS[require_unbounded_form(kernel, "the leading terms").family])
    if kernel.polynomial is None:
        _, u, lengths, values = _tabulate_autocorrelation(kernel)
        return 2 * float(lengths @ (u * values**2))
    total = Fraction(0)
    for piece in kernel.polynomial.autocorrelation().pieces:
        if piece.lower < 0:
            continue
        for j, left in enumerate(piece.coefficients):
            for k, right in enumerate(piece.coefficients):
                power = j + k + 2
                total += left * right * (piece.upper**power - piece.lower**power) / power
    return float(2 * total)


def _tabulate_autocorrelation(kernel: Kernel) -> tuple[float, Array, Array, Array]:
    """Return the width of the support of a smooth K, and nodes on [0, width] with their weights and the values of C."""
    lower, upper = (float(end) for end in kernel.support)
    width, (shares, weights) = upper - lower, gauss_legendre(MANY_NODES)
    lags = shares * width
    # The overlap of K with itself, moved by each lag.
    overlaps = (width - lags)[:, None]
    z, function = lower + overlaps * shares, _numerical(kernel.smooth_pieces, 0)
    products = function(z) * function(np.minimum(z + lags[:, None], upper))
    return width, lags, weights * width, overlaps[:, 0] * (products @ weights)
