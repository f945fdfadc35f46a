"""Numerical forms of theory's kernels, recognised from their definitions, not their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import sympy
from sympy import Expr

from foundation.errors import InputError
from foundation.types import Array
from theory.algebra.piecewise import PolynomialPiece
from theory.kernels import KERNELS, Kernel, x
from theory.unbounded_kernels import unbounded_form


@dataclass(frozen=True)
class PiecewiseKernel:
    r"""A kernel with bounded support, on each piece a linear combination of a few functions :math:`\varphi_q`.

    The functions are 1, u, u**2, ... or, with a positive frequency w, cos(w u) and sin(w u). A piece shifted by s is a
    combination of the same functions, with the coefficients ``transfers[piece] @ features(s)``, where the features of s
    are 1, -s, s**2, ... or cos(w s) and sin(w s).

    Attributes
    ----------
    knots : tuple of float, length k + 1
        Boundaries between pieces, the ends of the support included, ascending.
    functions : tuple of int, length n
        0, 1, ..., n - 1: the index of each function, which is its power where the pieces are polynomials.
    frequency : float
        w, or 0 for polynomials.
    pieces : array, shape (k, n)
        The coefficients of each piece.
    transfers : array, shape (k, n, n)
    jumps : array, shape (k + 1, n, n)
        At each knot, the transfer of the piece that begins there minus that of the piece that ends there.
    """

    knots: tuple[float, ...]
    functions: tuple[int, ...]
    frequency: float
    pieces: Array
    transfers: Array
    jumps: Array

    @property
    def is_one_polynomial(self) -> bool:
        """Whether the kernel is one polynomial on its support."""
        return self.frequency == 0 and len(self.pieces) == 1

    def exact_pieces(self) -> list[PolynomialPiece]:
        """Return the pieces of a polynomial kernel in rational numbers, exactly as stored."""
        return [
            PolynomialPiece(Fraction(lower), Fraction(upper), tuple(map(Fraction, row)))
            for (lower, upper), row in zip(pairwise(self.knots), self.pieces.tolist(), strict=True)
        ]


@dataclass(frozen=True)
class AnalyticKernel:
    """The kernel height * exp(-u**2 / 2), or height / (4 cosh(u / 2)**2), at u = (x - location) / scale.

    Attributes
    ----------
    is_logistic : bool
        Whether it is the second.
    location, scale, height : float
    """

    is_logistic: bool
    location: float
    scale: float
    height: float


@cache
def kernel_table(kernel: Kernel) -> PiecewiseKernel | AnalyticKernel:
    """Build the numerical form of ``kernel``.

    Raises
    ------
    InputError
        If the kernel is neither piecewise polynomial, nor piecewise a cosine, nor Gaussian or logistic; the message
        lists the named kernels that are.
    """
    form = _form(kernel)
    if form is None:
        names = ", ".join(name for name, other in KERNELS.items() if _form(other) is not None)
        raise InputError(
            f"the kernel must be piecewise a polynomial or a cosine, or Gaussian or logistic, got {kernel.name}. "
            f"Choose from: {names}."
        )
    return form


def _form(kernel: Kernel) -> PiecewiseKernel | AnalyticKernel | None:
    return (_polynomial(kernel) or _harmonic(kernel)) if kernel.has_compact_support else _analytic(kernel)


def _polynomial(kernel: Kernel) -> PiecewiseKernel | None:
    if not all(piece.density.is_polynomial(x) for piece in kernel.pieces):
        return None
    ascending = [sympy.Poly(piece.density, x).all_coeffs()[::-1] for piece in kernel.pieces]
    if not all(coefficient.is_real and coefficient.is_number for row in ascending for coefficient in row):
        return None
    # All pieces are padded to one degree, so that their coefficients form one array.
    size = max(len(row) for row in ascending)
    pieces = np.zeros((len(ascending), size))
    for numbers, row in zip(pieces, ascending, strict=True):
        numbers[: len(row)] = [float(coefficient) for coefficient in row]
    transfers = np.array([transfer(piece) for piece in pieces.tolist()])
    return _piecewise(kernel, 0.0, pieces, transfers)


def transfer(polynomial: Sequence[float | Fraction]) -> Array:
    """Return the matrix t with p(u - s) = sum of t[q, r] u^q (-s)^r for a polynomial p.

    Examples
    --------
    >>> transfer([0.0, 0.0, 1.0]).tolist()
    [[0.0, 0.0, 1.0], [0.0, 2.0, 0.0], [1.0, 0.0, 0.0]]
    """
    # (u - s)^p is the sum of binomial(p, q) u^q (-s)^(p - q).
    size = len(polynomial)
    matrix = np.zeros((size, size))
    for q in range(size):
        for r in range(size - q):
            matrix[q, r] = float(math.comb(q + r, q) * polynomial[q + r])
    return matrix


def _harmonic(kernel: Kernel) -> PiecewiseKernel | None:
    """Build the form of a kernel whose pieces K all solve K'' = -w^2 K: they are cosines and sines of w u."""
    # One ratio on all pieces means one frequency: the pieces differ in amplitude and phase alone.
    ratios = {sympy.simplify(sympy.diff(piece.density, x, 2) / piece.density) for piece in kernel.pieces}
    if len(ratios) != 1 or not all(ratio.is_number and ratio.is_negative for ratio in ratios):
        return None
    frequency = sympy.sqrt(-ratios.pop())
    pieces = np.array([_initial_values(piece.density, frequency) for piece in kernel.pieces])
    # cos(w (u - s)) = cos(w u) cos(w s) + sin(w u) sin(w s), and likewise for the sine.
    transfers = np.array([[[cosine, -sine], [sine, cosine]] for cosine, sine in pieces])
    return _piecewise(kernel, float(frequency), pieces, transfers)


def _initial_values(density: Expr, frequency: Expr) -> tuple[float, float]:
    return float(density.subs(x, 0)), float(sympy.diff(density, x).subs(x, 0) / frequency)


def _piecewise(kernel: Kernel, frequency: float, pieces: Array, transfers: Array) -> PiecewiseKernel | None:
    # Pieces with a gap between them would need a knot that is not in the tables.
    ends = [piece.lower for piece in kernel.pieces] + [kernel.support[1]]
    if any(one.upper != other.lower for one, other in pairwise(kernel.pieces)):
        return None
    # At an end of the support a piece is missing on one side: the jump is that of the other piece.
    jumps = np.zeros((len(ends), *transfers.shape[1:]))
    jumps[:-1] += transfers
    jumps[1:] -= transfers
    knots, functions = tuple(float(end) for end in ends), tuple(range(pieces.shape[1]))
    return PiecewiseKernel(knots, functions, frequency, pieces, transfers, jumps)


def _analytic(kernel: Kernel) -> AnalyticKernel | None:
    form = unbounded_form(kernel)
    if form is None:
        return None
    location, scale = float(form.location), float(form.scale)
    if form.family == "logistic":
        return AnalyticKernel(True, location, scale, 1 / scale)
    return AnalyticKernel(False, location, scale, float(kernel.pieces[0].density.subs(x, form.location)))
