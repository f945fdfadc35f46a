r"""Closed forms of repeated integrals of densities, :math:`G_n(x) = E\,(x - X)_+^{n-1} / (n - 1)!`.

Here :math:`G_1` is the distribution function and :math:`G_{n+1}' = G_n`. A polynomial kernel is a sum of truncated
powers, so its convolution with the density of X is a sum of such functions (see `theory.bickel_rosenblatt.smoothing`).

Every function returns the pieces of :math:`G_n` on the whole line, for an order ``n`` of at least 1.
"""

from __future__ import annotations

from collections.abc import Iterable

import sympy
from sympy import (
    Expr,
    Integer,
    Rational,
    binomial,
    erfc,
    exp,
    factorial,
    gamma,
    hyper,
    log,
    oo,
    pi,
    polylog,
    rf,
    sqrt,
)

from theory.kernels import Piece, x

Pieces = tuple[Piece, ...]


def of_normal(mean: Expr, deviation: Expr, order: int) -> Pieces:
    """Integrate the normal density: n G_(n+1) = z G_n + G_(n-1), from (z phi)' = ... and G_0 = phi, G_1 = Phi.

    Examples
    --------
    >>> of_normal(Integer(0), Integer(1), 1)[0].density
    erfc(-sqrt(2)*x/2)/2
    """
    z = (x - mean) / deviation
    before, value = exp(-(z**2) / 2) / sqrt(2 * pi), erfc(-z / sqrt(2), evaluate=False) / 2
    # Each G_n is stored as P(z) phi + Q(z) Phi, with expanded polynomials P and Q.
    point = sympy.Symbol("z", real=True)
    pairs = [(Integer(1), Integer(0)), (Integer(0), Integer(1))]
    for n in range(1, order):
        older, newer = pairs
        step = tuple(sympy.expand((point * new + old) / n) for old, new in zip(older, newer, strict=True))
        pairs = [newer, (step[0], step[1])]
    of_density, of_distribution = (part.subs(point, z) for part in pairs[1])
    return (Piece(-oo, oo, deviation ** (order - 1) * (of_density * before + of_distribution * value)),)


def of_mixture(components: Iterable[tuple[Expr, Pieces]]) -> Pieces:
    """Return the weighted sum of functions with one piece each."""
    return (Piece(-oo, oo, sum((weight * pieces[0].density for weight, pieces in components), start=Integer(0))),)


def of_logistic(order: int) -> Pieces:
    """Integrate the logistic density to polylogarithms: Li_0(-e^x) = -F(x) and d Li_s(-e^x)/dx = Li_(s-1)(-e^x)."""
    if order == 1:
        return (Piece(-oo, oo, 1 / (1 + exp(-x))),)
    if order == 2:
        return (Piece(-oo, oo, log(1 + exp(x))),)
    return (Piece(-oo, oo, -polylog(order - 1, -exp(x))),)


def of_laplace(order: int) -> Pieces:
    """Integrate the Laplace density, whose moments of even order k are k! and of odd order 0.

    Examples
    --------
    >>> [piece.density for piece in of_laplace(1)]
    [exp(x)/2, 1 - exp(-x)/2]
    """
    # For x > 0, (x - X)_+^(n-1) is the full power, which the moments of X expand, except on the tail beyond x.
    powers = (x ** (order - 1 - k) / factorial(order - 1 - k) for k in range(0, order, 2))
    after = sum(powers, start=Integer(0)) + (-1) ** order * exp(-x) / 2
    return Piece(-oo, Integer(0), exp(x) / 2), Piece(Integer(0), oo, after)


def of_uniform(lower: Expr, upper: Expr, order: int) -> Pieces:
    """Integrate the uniform density to truncated powers at its two ends.

    Examples
    --------
    >>> [piece.density for piece in of_uniform(Integer(0), Integer(1), 1)]
    [0, x, 1]
    """
    scale = factorial(order) * (upper - lower)
    return (
        Piece(-oo, lower, Integer(0)),
        Piece(lower, upper, (x - lower) ** order / scale),
        Piece(upper, oo, ((x - lower) ** order - (x - upper) ** order) / scale),
    )


def of_beta(p: Expr, q: Expr, order: int) -> Pieces:
    """Integrate the beta density: Euler's integral of the hypergeometric function, a polynomial for integer q."""
    constant = gamma(p + q) / (gamma(p) * gamma(q))
    # On [0, 1]: integrate the expanded density term by term, or use the hypergeometric function.
    if p.is_Integer and q.is_Integer:
        inside = sum(
            (
                constant
                * (-1) ** k
                * binomial(q - 1, k)
                * x ** (p + k + order - 1)
                * factorial(p + k - 1)
                / factorial(p + k + order - 1)
                for k in range(int(q))
            ),
            start=Integer(0),
        )
    else:
        factor = constant * gamma(p) / gamma(p + order)
        inside = factor * x ** (p + order - 1) * hyper([1 - q, p], [p + order], x)
    # Beyond 1: expand the power (x - X)^(order - 1) in the moments of X.
    moments = (rf(p, k) / rf(p + q, k) for k in range(order))
    beyond = sum(
        (binomial(order - 1, k) * x ** (order - 1 - k) * (-1) ** k * moment for k, moment in enumerate(moments)),
        start=Integer(0),
    ) * Rational(1, factorial(order - 1))
    return Piece(-oo, Integer(0), Integer(0)), Piece(Integer(0), Integer(1), inside), Piece(Integer(1), oo, beyond)
