"""The exact mean of T_m, enclosed: a rigorous computation beside the quadrature of `bickel_rosenblatt`.

For a piecewise polynomial kernel and the normal density the convolution K_b * f is elementary in the error function,
which leaves one-dimensional integrals of analytic functions. Arb integrates these with a proven bound on the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import comb

import flint
from flint import acb, arb, fmpq

from theory.bandwidth import Bandwidth, bandwidth_named
from theory.densities import NORMAL, ONE, Density, Weight, density_named, weight_named
from theory.errors import InputError
from theory.kernels import Kernel, kernel_named
from theory.piecewise import Polynomial, PolynomialPiece

PRECISION_BITS = 192
NORMAL_REACH = 20
"""The weight one is integrated as far as this beyond the kernel's reach; what is left out is below 1e-87, and added."""


@dataclass(frozen=True)
class EnclosedMean:
    """E T_m = A - B + C, each term a ball that contains it for certain.

    Attributes
    ----------
    variance_term, product_term, squared_bias_term : flint.arb
        A, B and C, as in `bickel_rosenblatt.ExactMean`.
    """

    variance_term: arb
    product_term: arb
    squared_bias_term: arb

    @property
    def total(self) -> arb:
        """E T_m."""
        with flint.ctx.workprec(PRECISION_BITS):
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
        Objects of ``theory``, or their names: a piecewise polynomial kernel, the normal density, a window weight
        or the weight one.

    Raises
    ------
    InputError
        For any other kernel, density or weight, and for a number of observations that is not positive.

    Notes
    -----
    With :math:`M_k(s, t) = \int_s^t y^k \varphi(y)\,dy` and integration by parts,
    :math:`M_k = -[y^{k-1} \varphi]_s^t + (k-1) M_{k-2}`, so that for each polynomial piece of K the integral
    :math:`\int K((x - y)/b) \varphi(y)\,dy / b` is a combination of the error function and :math:`\varphi`.

    Examples
    --------
    >>> enclosed_mean(10_000).total.str(15)
    '[0.540763130233842 +/- 2.88e-16]'
    """
    kernel, weight = kernel_named(kernel), weight_named(weight, density)
    if m < 1:
        raise InputError(f"m must be a positive whole number, got {m}.")
    if kernel.polynomial is None:
        raise InputError(f"the mean is enclosed for piecewise polynomial kernels, not for {kernel.name}.")
    if density_named(density) != NORMAL:
        raise InputError(f"the mean is enclosed for the normal density, not for {density_named(density).name}.")
    if [piece.density for piece in weight.pieces] != [1] or not (weight == ONE or _is_bounded(weight)):
        raise InputError(f"the mean is enclosed for a window weight and the weight one, not for {weight.name}.")
    with flint.ctx.workprec(PRECISION_BITS):
        rule = bandwidth_named(bandwidth)
        width = arb(rule.factor) * arb(m) ** -arb(fmpq(rule.exponent.numerator, rule.exponent.denominator))
        if weight == ONE:
            return _terms_everywhere(m, kernel.polynomial.pieces, width)
        ends = tuple(fmpq(int(end.p), int(end.q)) for end in weight.support)
        return _terms(m, kernel.polynomial.pieces, width, ends)


def _terms(m: int, pieces: tuple[PolynomialPiece, ...], width: arb, ends: tuple[fmpq, fmpq]) -> EnclosedMean:
    lower, upper = ends

    variance = arb(0)
    for piece in pieces:
        square = _product(piece.coefficients, piece.coefficients)

        def integrand(u: acb, square: Polynomial = square) -> acb:
            return _evaluate(square, u) * (_distribution(upper - width * u) - _distribution(lower - width * u))

        variance += _integral(integrand, [arb(_exact(piece.lower)), arb(_exact(piece.upper))])
    # The integrands are entire, but grow fast off the real line when the bandwidth is small: panels keep that in hand.
    panels = [arb(lower) + arb(upper - lower) * k / 8 for k in range(9)]
    return EnclosedMean(variance, *_squares(m, pieces, width, panels))


def _squares(m: int, pieces: tuple[PolynomialPiece, ...], width: arb, panels: list[arb]) -> tuple[arb, arb]:
    """Return the integrals of b (K_b * f)^2 and of m b (K_b * f - f)^2 over consecutive panels."""

    def smoothed(x: acb) -> acb:
        return _sum(_smoothed_by(piece, x, width) for piece in pieces)

    product = width * _integral(lambda x: smoothed(x) ** 2, panels)
    squared_bias = m * width * _integral(lambda x: (smoothed(x) - _normal(x)) ** 2, panels)
    return product, squared_bias


def _terms_everywhere(m: int, pieces: tuple[PolynomialPiece, ...], width: arb) -> EnclosedMean:
    """Return the terms for the weight one, under which A is the integral of K^2.

    Beyond NORMAL_REACH + b R, where K vanishes beyond R, both squares are at most the largest value of f times
    K_b * f + f, and that has at most the mass of f beyond NORMAL_REACH on either side, twice.
    """
    squares = (PolynomialPiece(p.lower, p.upper, _product(p.coefficients, p.coefficients)) for p in pieces)
    variance = arb(_exact(sum((_integral_of_polynomial(piece) for piece in squares), start=Fraction(0))))
    end = NORMAL_REACH + width * _exact(max(-pieces[0].lower, pieces[-1].upper))
    count = 4 * NORMAL_REACH
    panels = [end * (2 * k - count) / count for k in range(count + 1)]
    product, squared_bias = _squares(m, pieces, width, panels)
    most = 4 * width * _normal(acb(0)).real * _distribution(acb(-NORMAL_REACH)).real
    return EnclosedMean(variance, product + _between_zero_and(most), squared_bias + _between_zero_and(m * most))


def _between_zero_and(most: arb) -> arb:
    return arb(0).union(most)


def _integral_of_polynomial(piece: PolynomialPiece) -> Fraction:
    powers = enumerate(piece.coefficients, start=1)
    return sum((c * (piece.upper**k - piece.lower**k) / k for k, c in powers), start=Fraction(0))


def _is_bounded(weight: Weight) -> bool:
    return all(end.is_finite for end in weight.support)


def _smoothed_by(piece: PolynomialPiece, x: acb, width: arb) -> acb:
    """Return the integral of K(u) f(x - b u) over one piece of K."""
    start, end = x - width * _exact(piece.upper), x - width * _exact(piece.lower)
    moments = _normal_moments(len(piece.coefficients) - 1, start, end)
    # K((x - y)/b) in powers of y: expand each power of (x - y)/b by the binomial theorem.
    total = acb(0)
    for degree, coefficient in enumerate(piece.coefficients):
        power = _sum((-1) ** k * comb(degree, k) * x ** (degree - k) * moments[k] for k in range(degree + 1))
        total += _exact(coefficient) * power / width**degree
    return total / width


def _normal_moments(highest: int, start: acb, end: acb) -> list[acb]:
    """Return the integrals of y^k times the normal density from ``start`` to ``end``, for k up to ``highest``."""
    at_start, at_end = _normal(start), _normal(end)
    moments = [_distribution(end) - _distribution(start), at_start - at_end]
    for k in range(2, highest + 1):
        moments.append(start ** (k - 1) * at_start - end ** (k - 1) * at_end + (k - 1) * moments[k - 2])
    return moments


def _normal(y: acb) -> acb:
    return (-(y**2) / 2).exp() / (2 * arb.pi()).sqrt()


def _distribution(y: acb) -> acb:
    return (acb(1) + (y / arb(2).sqrt()).erf()) / 2


def _integral(integrand: Callable[[acb], acb], ends: list[arb]) -> arb:
    """Return the integral of an entire function over consecutive intervals, as a rigorous enclosure."""
    parts = (acb.integral(lambda z, _: integrand(z), start, end) for start, end in pairwise(ends))
    return _sum(parts).real


def _sum(terms: Iterable[acb]) -> acb:
    return sum(terms, start=acb(0))


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    coefficients = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            coefficients[i + j] += a * b
    return tuple(coefficients)


def _evaluate(polynomial: Polynomial, point: acb) -> acb:
    value = acb(0)
    for coefficient in reversed(polynomial):
        value = value * point + _exact(coefficient)
    return value


def _exact(value: Fraction) -> fmpq:
    return fmpq(value.numerator, value.denominator)
