r"""The posterior of EVAE: density, moments, entropy, roughness, and divergences from the usual priors.

Equation (10) makes the posterior the law of :math:`b(\mu + rK) + U`, with K the Epanechnikov kernel and U uniform on
[-B, B], as Algorithm 1 samples it. Up to the translation by :math:`b\mu` it depends only on the *spread* s = b r and
the *half-width* B. There are two regimes: for s <= B the density has a plateau, for s > B its middle is a parabola.
Every function is exact: it takes sympy expressions or numbers and returns a sympy expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import sympy
from sympy import Expr, Integer, Piecewise, Rational, cosh, erf, exp, hyper, log, pi, sqrt

from foundation.errors import InputError
from theory.kernels import EPANECHNIKOV, Kernel, Piece, x

EPANECHNIKOV_ENTROPY = Rational(5, 3) - log(3)
"""The differential entropy of the Epanechnikov kernel on [-1, 1], in nats."""

PERTURBATIONS = ("two-point", "uniform", "epanechnikov", "gaussian")
"""The kernels for which `smoothed_normal` and its divergences are given, from the least chi-square to the largest."""

Number: TypeAlias = Expr | int | float


def epanechnikov_distribution(point: Number) -> Expr:
    """Return the distribution function of the Epanechnikov kernel at a point of [-1, 1].

    Examples
    --------
    >>> epanechnikov_distribution(0), epanechnikov_distribution(1)
    (1/2, 1)
    """
    t = sympy.sympify(point)
    return Rational(1, 2) + 3 * t / 4 - t**3 / 4


def epanechnikov_distribution_integral(point: Number) -> Expr:
    """Return the integral of the Epanechnikov distribution function from -1 to a point of [-1, 1].

    Beyond 1 that integral is the point itself, because the kernel has mean 0.

    Examples
    --------
    >>> epanechnikov_distribution_integral(-1), epanechnikov_distribution_integral(1)
    (0, 1)
    """
    t = sympy.sympify(point)
    return Rational(3, 16) + t / 2 + 3 * t**2 / 8 - t**4 / 16


def posterior_law(spread: Number, half_width: Number, mean: Number = 0) -> Kernel:
    r"""Return the density of equation (9), as three polynomial pieces.

    Source: equations (9) and (10), with the prior uniform on [-B, B].

    Parameters
    ----------
    spread : sympy.Expr or number
        s = b r, the half-width of the scaled kernel's support; positive.
    half_width : sympy.Expr or number
        B, the half-width of the uniform's support; positive.
    mean : sympy.Expr or number
        :math:`b\mu`.

    Raises
    ------
    InputError
        If ``spread`` and ``half_width`` cannot be compared. For symbols, express one in terms of the other, as in
        ``half_width = spread + d`` with a positive symbol d.

    Notes
    -----
    :math:`q(z) = [F((z + B)/s) - F((z - B)/s)] / 2B`, with F the kernel's distribution function.

    Examples
    --------
    >>> law = posterior_law(1, 2)
    >>> law.support, law.total, law.variance, law.roughness
    ((-3, 3), 1, 23/15, 61/280)
    """
    s, width = sympy.sympify(spread), sympy.sympify(half_width)
    left, right = epanechnikov_distribution((x + width) / s), epanechnikov_distribution((x - width) / s)
    # On the middle piece F((z + B)/s) - F((z - B)/s) is 1 if the window covers the kernel, and a parabola if not.
    middle = Integer(1) if _is_wide(s, width) else left - right
    inner = width - s if _is_wide(s, width) else s - width
    pieces = [
        Piece(-width - s, -inner, left / (2 * width)),
        Piece(-inner, inner, middle / (2 * width)),
        Piece(inner, width + s, (1 - right) / (2 * width)),
    ]
    law = Kernel("posterior", tuple(piece for piece in pieces if piece.lower != piece.upper))
    return law if mean == 0 else law.transform(sympy.sympify(mean), Integer(1))


def posterior_distribution(spread: Number, half_width: Number, point: Number, mean: Number = 0) -> Expr:
    r"""Return the distribution function of the posterior at a point.

    Parameters
    ----------
    spread, half_width, mean : sympy.Expr or number
        As for `posterior_law`.
    point : sympy.Expr or number

    Notes
    -----
    :math:`s\,[A((z + B)/s) - A((z - B)/s)] / 2B`, with A the integral of the kernel's distribution function.

    Examples
    --------
    >>> [posterior_distribution(1, 2, z) for z in (-3, -1, 0, 3)]
    [0, 1/4, 1/2, 1]
    """
    s, width, z = sympy.sympify(spread), sympy.sympify(half_width), sympy.sympify(point) - mean

    def integral(t: Expr) -> Expr:
        return Piecewise((Integer(0), t <= -1), (epanechnikov_distribution_integral(t), t <= 1), (t, True))

    return s / (2 * width) * (integral((z + width) / s) - integral((z - width) / s))


def posterior_moments(b: Number, mu: Number, r: Number, half_width: Number) -> tuple[Expr, Expr]:
    r"""Return the mean and the variance of a code sampled by Algorithm 1.

    Parameters
    ----------
    b, mu, r, half_width : sympy.Expr or number
        The step size, the kernel's location and scale, and B.

    Examples
    --------
    >>> posterior_moments(Rational(1, 2), 3, 2, 1)
    (3/2, 8/15)
    """
    b, mu, r, width = map(sympy.sympify, (b, mu, r, half_width))
    return b * mu, b**2 * r**2 / 5 + width**2 / 3


def posterior_roughness(spread: Number, half_width: Number) -> Expr:
    r"""Return I(q), the integral of the squared density of the posterior.

    Parameters
    ----------
    spread, half_width : sympy.Expr or number
        s = b r and B, both positive.

    Notes
    -----
    :math:`\frac{1}{2B}(1 - \frac{9s}{35B})` for s <= B, and with :math:`\beta = B/s` otherwise
    :math:`\frac{1}{s}(\frac35 - \frac{\beta^2}{2} + \frac{3\beta^3}{10} - \frac{\beta^5}{35})`.

    Examples
    --------
    >>> posterior_roughness(1, 2), posterior_roughness(1, 1), posterior_roughness(2, 1)
    (61/280, 13/35, 573/2240)
    """
    s, width = sympy.sympify(spread), sympy.sympify(half_width)
    beta = width / s
    wide = (1 - 9 * s / (35 * width)) / (2 * width)
    narrow = (Rational(3, 5) - beta**2 / 2 + 3 * beta**3 / 10 - beta**5 / 35) / s
    return Piecewise((wide, s <= width), (narrow, True))


def posterior_entropy(spread: Number, half_width: Number) -> Expr:
    r"""Return h(q), the differential entropy of the posterior in nats.

    Parameters
    ----------
    spread, half_width : sympy.Expr or number
        s = b r and B, both positive.

    Notes
    -----
    For s <= B it is :math:`\log 2B + \frac{s}{B}(\frac94 - \frac{27}{16}\log 3)`. For s > B, with
    :math:`\beta = B/s` and :math:`c^2 = 1 - \beta^2/3`, the density in units of s is
    :math:`\frac34(c^2 - t^2)` on :math:`|t| \le 1 - \beta`, and at a distance w from either end, for
    :math:`w \le 2\beta`, it is :math:`w^2(3 - w)/8\beta`. `edge_antiderivative` and `middle_antiderivative` integrate
    the logarithms.

    Examples
    --------
    >>> sympy.expand(posterior_entropy(1, 2))
    -27*log(3)/32 + 9/8 + 2*log(2)
    >>> round(float(posterior_entropy(Rational(1, 2), Rational(3, 10))), 9)
    0.144982337
    """
    s, width = sympy.sympify(spread), sympy.sympify(half_width)
    wide = log(2 * width) + s / width * (Rational(9, 4) - Rational(27, 16) * log(3))
    return Piecewise((wide, s <= width), (_narrow_entropy(s, width), True))


def edge_antiderivative(distance: Number) -> Expr:
    """Return the integral of w^2 (3 - w) log(w^2 (3 - w)) over w from 0 to ``distance``, a number in (0, 2].

    Examples
    --------
    >>> edge_antiderivative(2)
    -9 + 8*log(2) + 27*log(3)/4
    """
    w = sympy.sympify(distance)

    def complement(u: Expr) -> Expr:
        return 9 * _power_log(1, u) - 6 * _power_log(2, u) + _power_log(3, u)

    return 2 * (3 * _power_log(2, w) - _power_log(3, w)) + complement(Integer(3)) - complement(3 - w)


def middle_antiderivative(point: Number, root: Number) -> Expr:
    r"""Return an antiderivative in t of :math:`(c^2 - t^2) \log(c^2 - t^2)`, for :math:`|t| < c`; ``root`` is c.

    Examples
    --------
    >>> round(float(middle_antiderivative(1, 2) - middle_antiderivative(0, 2)), 6)
    4.776399
    """
    t, c = sympy.sympify(point), sympy.sympify(root)

    def half(u: Expr) -> Expr:
        return 2 * c * _power_log(1, u) - _power_log(2, u)

    return half(c + t) - half(c - t)


def kl_to_standard_normal(b: Number, mu: Number, r: Number, half_width: Number) -> Expr:
    r"""Return KL(q || N(0, 1)) for the posterior that Algorithm 1 samples, in nats.

    Parameters
    ----------
    b, mu, r, half_width : sympy.Expr or number
        The step size, the kernel's location and scale, and B; all but mu positive.

    Notes
    -----
    :math:`-h(q) + \frac12 \log 2\pi + \frac12 (b^2\mu^2 + b^2r^2/5 + B^2/3)`.

    Examples
    --------
    >>> round(float(kl_to_standard_normal(0.36, 0.7, 1.3, 1.1)), 13)
    0.2172831985758
    """
    mean, variance = posterior_moments(b, mu, r, half_width)
    entropy = posterior_entropy(sympy.sympify(b) * r, half_width)
    return -entropy + log(2 * pi) / 2 + (mean**2 + variance) / 2


def direct_kl_to_standard_normal(mu: Number, r: Number) -> Expr:
    r"""Return KL(mu + r K || N(0, 1)) for the Epanechnikov kernel itself as posterior, in nats.

    Notes
    -----
    :math:`-\log r - (\frac53 - \log 3) + \frac12 \log 2\pi + \frac12 (\mu^2 + r^2/5)`, finite for every r > 0.

    Examples
    --------
    >>> gap = direct_kl_to_standard_normal(0, 2) - normal_kl_to_standard_normal(0, 2 / sqrt(5))
    >>> round(float(gap), 7)
    0.0461652
    """
    mu, r = sympy.sympify(mu), sympy.sympify(r)
    return -log(r) - EPANECHNIKOV_ENTROPY + log(2 * pi) / 2 + (mu**2 + r**2 / 5) / 2


def normal_kl_to_standard_normal(mu: Number, sigma: Number) -> Expr:
    """Return KL(N(mu, sigma^2) || N(0, 1)), the term of an ordinary VAE, in nats.

    Examples
    --------
    >>> normal_kl_to_standard_normal(1, 1)
    1/2
    """
    mu, sigma = sympy.sympify(mu), sympy.sympify(sigma)
    return -log(sigma) + (mu**2 + sigma**2 - 1) / 2


@dataclass(frozen=True)
class UniformPriorDivergences:
    """The divergences of mu + r K from a uniform prior whose support contains that of mu + r K.

    Attributes
    ----------
    kl : sympy.Expr
        The Kullback-Leibler divergence, in nats.
    renyi2 : sympy.Expr
        The Renyi divergence of order 2, log of the integral of q^2/p.
    chi_square : sympy.Expr
        The integral of (q - p)^2/p.
    """

    kl: Expr
    renyi2: Expr
    chi_square: Expr


def uniform_prior_divergences(r: Number, length: Number) -> UniformPriorDivergences:
    r"""Return the divergences of the Epanechnikov posterior from a uniform prior of the given length.

    Parameters
    ----------
    r : sympy.Expr or number
        The posterior is mu + r K, and [mu - r, mu + r] lies within the prior's support.
    length : sympy.Expr or number
        The length of the prior's support, at least 2 r.

    Raises
    ------
    InputError
        If the posterior is wider than the prior, so that the divergences are infinite.

    Notes
    -----
    :math:`\log(\ell/r) + \log 3 - \frac53 \le \log\frac{3\ell}{5r} \le \frac{3\ell}{5r} - 1`.

    Examples
    --------
    >>> uniform_prior_divergences(Rational(2, 5), 2)
    UniformPriorDivergences(kl=-5/3 + log(3) + log(5), renyi2=log(3), chi_square=2)
    """
    r, length = sympy.sympify(r), sympy.sympify(length)
    if (2 * r > length) == True:  # noqa: E712 - a relation of symbols is neither true nor false
        raise InputError(
            f"the prior must be at least as long as the posterior is wide, {2 * r}, got a length of {length}."
        )
    scaled = length * EPANECHNIKOV.roughness / r
    return UniformPriorDivergences(log(length / r) - EPANECHNIKOV_ENTROPY, log(scaled), scaled - 1)


def smoothed_normal(kernel: str, variance: Number) -> Expr:
    r"""Return the density in `x` of Z + W, with Z standard normal and W of mean 0, independent.

    Parameters
    ----------
    kernel : str
        The law of W up to scale: one of `PERTURBATIONS`.
    variance : sympy.Expr or number
        The variance of W, :math:`b^2 \sigma^2` in equation (9) with the prior N(0, 1).

    Examples
    --------
    >>> smoothed_normal("gaussian", 3)
    sqrt(2)*exp(-x**2/8)/(4*sqrt(pi))
    """
    variance = sympy.sympify(variance)
    _require_perturbation(kernel)
    if kernel == "gaussian":
        return _normal(x / sqrt(1 + variance)) / sqrt(1 + variance)
    reach = sqrt(variance * {"two-point": 1, "uniform": 3, "epanechnikov": 5}[kernel])
    if kernel == "two-point":
        return (_normal(x - reach) + _normal(x + reach)) / 2
    # The integrals of phi(x - w) and, below, of w^2 phi(x - w) over |w| <= reach.
    mass = (erf((x + reach) / sqrt(2)) - erf((x - reach) / sqrt(2))) / 2
    if kernel == "uniform":
        return mass / (2 * reach)
    second = (x**2 + 1) * mass + (x - reach) * _normal(x + reach) - (x + reach) * _normal(x - reach)
    return 3 / (4 * reach) * (mass - second / reach**2)


def smoothed_normal_chi_square(kernel: str, variance: Number) -> Expr:
    r"""Return the chi-square divergence of `smoothed_normal` from N(0, 1).

    Parameters
    ----------
    kernel, variance
        As for `smoothed_normal`; for the Gaussian the divergence is infinite unless the variance is below 1.

    Notes
    -----
    It is :math:`E \exp(WW') - 1` for independent W and W' (``beyond.chi2-identity``). For the uniform and the
    Epanechnikov kernel the series in the even moments is a hypergeometric function.

    Examples
    --------
    >>> [round(float(smoothed_normal_chi_square(kernel, Rational(1, 2))), 6) for kernel in PERTURBATIONS]
    [0.127626, 0.133768, 0.137763, 0.154701]
    """
    t = sympy.sympify(variance)
    _require_perturbation(kernel)
    half, shift = Rational(1, 2), {"uniform": Rational(3, 2), "epanechnikov": Rational(5, 2)}.get(kernel)
    if shift is not None:
        return hyper([half], [shift, shift], (2 * shift * t) ** 2 / 4) - 1
    if kernel == "two-point":
        return cosh(t) - 1
    if (t >= 1) == True:  # noqa: E712 - a relation of symbols is neither true nor false
        return sympy.oo
    return 1 / sqrt(1 - t**2) - 1


def _narrow_entropy(s: Expr, width: Expr) -> Expr:
    beta = width / s
    root, inner = sqrt(1 - beta**2 / 3), 1 - beta
    # In units of s: each edge is w^2 (3 - w) / (8 beta) for w up to 2 beta, the middle a parabola on |t| <= 1 - beta.
    edges = (edge_antiderivative(2 * beta) - (8 * beta**3 - 4 * beta**4) * log(8 * beta)) / (8 * beta)
    mass = Rational(3, 4) * (2 * root**2 * inner - 2 * inner**3 / 3)
    middle = mass * log(Rational(3, 4)) + Rational(3, 2) * middle_antiderivative(inner, root)
    return log(s) - 2 * edges - middle


def _power_log(power: int, u: Expr) -> Expr:
    """Return the integral of u**power * log(u) from 0."""
    return u ** (power + 1) * (log(u) / (power + 1) - Rational(1, (power + 1) ** 2))


def _normal(point: Expr) -> Expr:
    return exp(-(point**2) / 2) / sqrt(2 * pi)


def _is_wide(s: Expr, width: Expr) -> bool:
    """Return whether s <= B; for symbols, from the sign of the difference."""
    difference = sympy.expand(width - s)
    if difference.is_nonnegative or difference.is_negative:
        return bool(difference.is_nonnegative)
    raise InputError(
        f"the spread and the half-width must be comparable, got {s} and {width}. Write the half-width as the spread "
        "plus a positive symbol."
    )


def _require_perturbation(kernel: str) -> None:
    if kernel not in PERTURBATIONS:
        raise InputError(f"the kernel must be one of {', '.join(PERTURBATIONS)}, got {kernel!r}.")
