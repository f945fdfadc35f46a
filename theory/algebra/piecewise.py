"""Piecewise polynomials with bounded support, in exact arithmetic.

A function is stored as a sum of truncated powers, each ``coefficient * (x - knot)_+**power / power!``. In this basis
convolution is multiplication: the truncated powers of orders j and k at knots a and b convolve to the one of order
j + k + 1 at a + b. The roughness of a kernel, its autocorrelation and their convolutions are therefore exact rationals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import comb, factorial

Polynomial = tuple[Fraction, ...]
"""Coefficients of 1, x, x**2, ..."""


@dataclass(frozen=True)
class PolynomialPiece:
    """A polynomial on the interval from ``lower`` to ``upper``."""

    lower: Fraction
    upper: Fraction
    coefficients: Polynomial


@dataclass(frozen=True)
class PiecewisePolynomial:
    """A piecewise polynomial that vanishes outside a bounded interval.

    Attributes
    ----------
    terms : mapping from (knot, power) to coefficient
        The truncated powers, normalised by ``power!``.
    """

    terms: Mapping[tuple[Fraction, int], Fraction]

    @classmethod
    def from_pieces(cls, pieces: Iterable[PolynomialPiece]) -> PiecewisePolynomial:
        """Return the sum of ``pieces``, each zero outside its interval."""
        terms: defaultdict[tuple[Fraction, int], Fraction] = defaultdict(Fraction)
        # A piece is its polynomial switched on at its lower end and off at its upper end.
        for piece in pieces:
            for sign, knot in ((1, piece.lower), (-1, piece.upper)):
                for power, coefficient in enumerate(expand_at(piece.coefficients, knot)):
                    terms[knot, power] += sign * coefficient * factorial(power)
        return cls(_nonzero(terms))

    @property
    def knots(self) -> tuple[Fraction, ...]:
        """The points at which the polynomial changes, in ascending order."""
        return tuple(sorted({knot for knot, _ in self.terms}))

    @property
    def pieces(self) -> tuple[PolynomialPiece, ...]:
        """The polynomials between neighbouring knots, in powers of x."""
        knots = self.knots
        return tuple(PolynomialPiece(lower, upper, self._polynomial_after(lower)) for lower, upper in pairwise(knots))

    def __call__(self, point: Fraction) -> Fraction:
        """Return the value at ``point``; at a jump, the limit from the right."""
        return sum(
            (
                coefficient * (point - knot) ** power / factorial(power)
                for (knot, power), coefficient in self.terms.items()
                if knot <= point
            ),
            start=Fraction(0),
        )

    def reflect(self) -> PiecewisePolynomial:
        """Return the function x -> f(-x)."""
        return PiecewisePolynomial.from_pieces(
            PolynomialPiece(-piece.upper, -piece.lower, tuple((-1) ** k * c for k, c in enumerate(piece.coefficients)))
            for piece in self.pieces
        )

    def square(self) -> PiecewisePolynomial:
        """Return the function x -> f(x)^2."""
        return PiecewisePolynomial.from_pieces(
            PolynomialPiece(piece.lower, piece.upper, _product(piece.coefficients, piece.coefficients))
            for piece in self.pieces
        )

    def convolve(self, other: PiecewisePolynomial) -> PiecewisePolynomial:
        """Return the convolution x -> integral of f(t) g(x - t) dt."""
        terms: defaultdict[tuple[Fraction, int], Fraction] = defaultdict(Fraction)
        for (knot, power), coefficient in self.terms.items():
            for (other_knot, other_power), other_coefficient in other.terms.items():
                terms[knot + other_knot, power + other_power + 1] += coefficient * other_coefficient
        return PiecewisePolynomial(_nonzero(terms))

    def autocorrelation(self) -> PiecewisePolynomial:
        """Return y -> integral of f(z + y) f(z) dz; its value at 0 is the roughness of f."""
        return self.convolve(self.reflect())

    def moment(self, order: int) -> Fraction:
        """Return the integral of x^order f(x).

        Examples
        --------
        >>> triangle = PolynomialPiece(Fraction(0), Fraction(1), (Fraction(0), Fraction(2)))
        >>> PiecewisePolynomial.from_pieces([triangle]).moment(1)
        Fraction(2, 3)
        """
        return sum(
            (
                coefficient * (piece.upper**power - piece.lower**power) / power
                for piece in self.pieces
                for power, coefficient in enumerate(piece.coefficients, start=order + 1)
            ),
            start=Fraction(0),
        )

    def _polynomial_after(self, knot: Fraction) -> Polynomial:
        # Expand the truncated powers that are active after the knot, and drop zero leading coefficients.
        degree = max(power for _, power in self.terms)
        coefficients = [Fraction(0)] * (degree + 1)
        for (start, power), coefficient in self.terms.items():
            if start <= knot:
                for k in range(power + 1):
                    coefficients[k] += coefficient * comb(power, k) * (-start) ** (power - k) / factorial(power)
        while len(coefficients) > 1 and coefficients[-1] == 0:
            coefficients.pop()
        return tuple(coefficients)


def _product(left: Polynomial, right: Polynomial) -> Polynomial:
    coefficients = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            coefficients[i + j] += a * b
    return tuple(coefficients)


def expand_at(coefficients: Polynomial, point: Fraction) -> Polynomial:
    """Return the coefficients of the polynomial in powers of x - ``point``.

    Examples
    --------
    >>> [int(value) for value in expand_at((Fraction(0), Fraction(0), Fraction(1)), Fraction(3))]
    [9, 6, 1]
    """
    degree = len(coefficients) - 1
    return tuple(
        sum((coefficients[j] * comb(j, k) * point ** (j - k) for j in range(k, degree + 1)), start=Fraction(0))
        for k in range(degree + 1)
    )


def _nonzero(terms: Mapping[tuple[Fraction, int], Fraction]) -> dict[tuple[Fraction, int], Fraction]:
    return {key: coefficient for key, coefficient in terms.items() if coefficient}
