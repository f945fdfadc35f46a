"""Kernels: symbolic densities that know their own constants.

A kernel is defined here once, by sympy expressions on consecutive intervals. The simulations derive their compiled
forms from these definitions, and the proofs work on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import sympy
from sympy import Expr, Rational, cos, exp, oo, pi, sqrt

from theory.conditions import Condition
from theory.errors import InputError, suggestion
from theory.piecewise import PiecewisePolynomial, PolynomialPiece

x = sympy.Symbol("x", real=True)
"""The argument of every kernel's density."""


@dataclass(frozen=True)
class Piece:
    """A density's expression in `x` on the interval from ``lower`` to ``upper`` (either may be infinite)."""

    lower: Expr
    upper: Expr
    density: Expr


@dataclass(frozen=True)
class Kernel:
    """A probability density used as a kernel (the paper's K).

    Parameters
    ----------
    name : str
    pieces : tuple of Piece
        The density on consecutive intervals; it is zero outside them.

    Examples
    --------
    >>> EPANECHNIKOV.roughness, EPANECHNIKOV.convolution_roughness, EPANECHNIKOV.variance
    (3/5, 167/385, 1/5)
    >>> EPANECHNIKOV.scaled(variance=1).support
    (-sqrt(5), sqrt(5))
    """

    name: str
    pieces: tuple[Piece, ...]

    @property
    def support(self) -> tuple[Expr, Expr]:
        """The interval outside which the density is zero."""
        return self.pieces[0].lower, self.pieces[-1].upper

    @property
    def has_compact_support(self) -> bool:
        """Whether the support is bounded."""
        return all(bound.is_finite for bound in self.support)

    def integral(self, function: Callable[[Expr], Expr]) -> Expr:
        """Return the integral of ``function(density)`` over the support, where ``function`` may also use `x`."""
        parts = (sympy.integrate(function(piece.density), (x, piece.lower, piece.upper)) for piece in self.pieces)
        return sympy.simplify(sum(parts, start=sympy.Integer(0)))

    @cached_property
    def total(self) -> Expr:
        """The integral of the density, which is 1."""
        return self.integral(lambda density: density)

    @cached_property
    def mean(self) -> Expr:
        """The first moment."""
        return self.integral(lambda density: x * density)

    @cached_property
    def second_moment(self) -> Expr:
        """The second moment about 0 (mu_2 in the expansion of the bias)."""
        return self.integral(lambda density: x**2 * density)

    @cached_property
    def variance(self) -> Expr:
        """The variance."""
        return sympy.simplify(self.second_moment - self.mean**2)

    @cached_property
    def roughness(self) -> Expr:
        """The integral of the squared density, I(K) of equation (5)."""
        if self.polynomial is not None:
            return _rational(self.polynomial.autocorrelation()(Fraction(0)))
        return self.integral(lambda density: density**2)

    @cached_property
    def convolution_roughness(self) -> Expr:
        """The integral of the squared autocorrelation, J(K) of equation (5)."""
        if self.polynomial is not None:
            autocorrelation = self.polynomial.autocorrelation()
            return _rational(autocorrelation.convolved_with(autocorrelation)(Fraction(0)))
        lag = sympy.Symbol("y", positive=True)
        autocorrelation = self._autocorrelation(lag)
        width = self.support[1] - self.support[0]
        return sympy.simplify(2 * sympy.integrate(sympy.expand(autocorrelation**2), (lag, 0, width)))

    @cached_property
    def entropy(self) -> Expr:
        """The differential entropy, in nats."""
        parts = (
            sympy.integrate(sympy.expand(-piece.density * _log(piece)), (x, piece.lower, piece.upper))
            for piece in self.pieces
        )
        return sympy.simplify(sum(parts, start=sympy.Integer(0)))

    @cached_property
    def polynomial(self) -> PiecewisePolynomial | None:
        """The density as a piecewise polynomial with rational coefficients and knots, or None if it is not one."""
        pieces = []
        for piece in self.pieces:
            if not (piece.density.is_polynomial(x) and piece.lower.is_Rational and piece.upper.is_Rational):
                return None
            ascending = sympy.Poly(piece.density, x).all_coeffs()[::-1]
            if not all(coefficient.is_Rational for coefficient in ascending):
                return None
            coefficients = tuple(_fraction(coefficient) for coefficient in ascending)
            pieces.append(PolynomialPiece(_fraction(piece.lower), _fraction(piece.upper), coefficients))
        return PiecewisePolynomial.from_pieces(pieces)

    def transformed(self, location: Expr, scale: Expr) -> Kernel:
        """Return the density of ``location + scale * X`` for X with this density; ``scale`` is positive."""
        pieces = tuple(
            Piece(
                location + scale * piece.lower,
                location + scale * piece.upper,
                piece.density.subs(x, (x - location) / scale) / scale,
            )
            for piece in self.pieces
        )
        return Kernel(self.name, pieces)

    def scaled(self, *, variance: Expr | int) -> Kernel:
        """Return the kernel stretched about 0 to the given variance."""
        return self.transformed(sympy.Integer(0), sqrt(sympy.sympify(variance) / self.variance))

    def _autocorrelation(self, lag: Expr) -> Expr:
        """Return the integral of K(z + lag) K(z) dz for a kernel of one piece and a positive lag."""
        (piece,) = self.pieces
        product = sympy.expand(piece.density.subs(x, x + lag) * piece.density, trig=True)
        return sympy.integrate(sympy.powsimp(product), (x, piece.lower, piece.upper - lag))


def assumption_a1(kernel: Kernel) -> tuple[Condition, ...]:
    """Decide the conditions of assumption A1 for ``kernel``, each with its reason.

    Source: Section 2.2.2, A1. Case (a) is a closed bounded interval [-B, B], case (b) the whole line.
    """
    compact = kernel.has_compact_support
    return (
        _bounded(kernel),
        Condition("A1: integral 1", kernel.total == 1, f"the integral of K is {kernel.total}"),
        _symmetric(kernel),
        _finite("A1: finite second moment", "the integral of x^2 K", kernel.second_moment),
        _finite("A1: square integrable", "the integral of K^2", kernel.roughness),
        _absolutely_continuous(kernel),
        _tail(kernel) if not compact else Condition("A1: tail integral", True, "K vanishes outside a bounded interval"),
    )


def _bounded(kernel: Kernel) -> Condition:
    name = "A1: bounded"
    for piece in kernel.pieces:
        interval = sympy.Interval(piece.lower, piece.upper)
        poles = sympy.singularities(piece.density, x, sympy.Reals) & interval
        if poles is not sympy.S.EmptySet:
            return Condition(name, False, f"K is unbounded near {poles}")
        for bound in (piece.lower, piece.upper):
            limit = sympy.limit(piece.density, x, bound, "-" if bound == piece.upper else "+")
            if not limit.is_finite:
                return Condition(name, False, f"K tends to {limit} at {bound}")
    return Condition(name, True, "K is continuous on each closed piece, with finite limits at its ends")


def _symmetric(kernel: Kernel) -> Condition:
    mirrored = zip(kernel.pieces, reversed(kernel.pieces), strict=True)
    for piece, mirror in mirrored:
        difference = sympy.simplify(piece.density - mirror.density.subs(x, -x))
        if sympy.simplify(piece.lower + mirror.upper) not in (0, sympy.nan) or difference != 0:
            return Condition("A1: symmetric about 0", False, f"K(x) - K(-x) = {difference} is not 0")
    return Condition("A1: symmetric about 0", True, "K(-x) = K(x) identically")


def _finite(name: str, what: str, value: Expr) -> Condition:
    return Condition(name, bool(value.is_finite), f"{what} is {value}")


def _absolutely_continuous(kernel: Kernel) -> Condition:
    name = "A1: absolutely continuous on its support"
    for left, right in pairwise(kernel.pieces):
        jump = sympy.simplify(left.density.subs(x, left.upper) - right.density.subs(x, right.lower))
        if jump != 0:
            return Condition(name, False, f"K jumps by {jump} at {left.upper}")
    if kernel.has_compact_support:
        return Condition(name, True, "continuous, with a bounded derivative on each closed piece: case (a)")
    # With g = K'/K, |K'| <= (1 + g^2) K / 2: a domination whose integrals have no absolute value in them.
    dominating = kernel.integral(lambda density: _dominates_slope(density))
    squared = kernel.integral(lambda density: sympy.diff(density, x) ** 2)
    finite = bool(dominating.is_finite and squared.is_finite)
    return Condition(name, finite, f"case (b): the integral of |K'| is at most {dominating}, that of K'^2 is {squared}")


def _tail(kernel: Kernel) -> Condition:
    """Decide the last integral of A1 by domination: for x >= 3, 0 < log log x <= x, so the weight is at most x^2."""
    dominating = kernel.integral(lambda density: x**2 * (density + _dominates_slope(density)))
    reason = (
        f"the weight x^(3/2) (log log x)^(1/2) is at most x^2, and x^2 (|K| + |K'|) integrates to at most {dominating}"
    )
    return Condition("A1: tail integral", bool(dominating.is_finite), reason)


def _dominates_slope(density: Expr) -> Expr:
    logarithmic_slope = sympy.simplify(sympy.diff(density, x) / density)
    return sympy.expand((1 + logarithmic_slope**2) / 2) * density


def _log(piece: Piece) -> Expr:
    """Return log density as a sum of logs of factors, each taken with the sign that makes it positive on the piece."""
    inside = (piece.lower + piece.upper) / 2
    total = sympy.Integer(0)
    for factor in sympy.Mul.make_args(sympy.factor(piece.density)):
        base, exponent = factor.as_base_exp()
        if base is sympy.E:
            total += exponent
        else:
            total += exponent * sympy.log(-base if base.subs(x, inside).is_negative else base)
    return total


def _fraction(value: Expr) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _rational(value: Fraction) -> Expr:
    return Rational(value.numerator, value.denominator)


def _on_unit_interval(name: str, density: Expr) -> Kernel:
    return Kernel(name, (Piece(sympy.Integer(-1), sympy.Integer(1), density),))


EPANECHNIKOV = _on_unit_interval("epanechnikov", Rational(3, 4) * (1 - x**2))
UNIFORM = _on_unit_interval("uniform", Rational(1, 2))
BIWEIGHT = _on_unit_interval("biweight", Rational(15, 16) * (1 - x**2) ** 2)
TRIWEIGHT = _on_unit_interval("triweight", Rational(35, 32) * (1 - x**2) ** 3)
COSINE = _on_unit_interval("cosine", pi / 4 * cos(pi * x / 2))
TRIANGULAR = Kernel(
    "triangular",
    (
        Piece(sympy.Integer(-1), sympy.Integer(0), 1 + x),
        Piece(sympy.Integer(0), sympy.Integer(1), 1 - x),
    ),
)
GAUSSIAN = Kernel("gaussian", (Piece(-oo, oo, exp(-(x**2) / 2) / sqrt(2 * pi)),))

KERNELS = {kernel.name: kernel for kernel in (EPANECHNIKOV, UNIFORM, TRIANGULAR, BIWEIGHT, TRIWEIGHT, COSINE, GAUSSIAN)}


def kernel_named(name: str | Kernel) -> Kernel:
    """Return the kernel called ``name`` (a Kernel is returned as it is).

    Raises
    ------
    InputError
        If there is no such kernel; the message lists those there are.
    """
    if isinstance(name, Kernel):
        return name
    if name not in KERNELS:
        raise InputError(f"{name!r} is no kernel. {suggestion(name, KERNELS)}")
    return KERNELS[name]
