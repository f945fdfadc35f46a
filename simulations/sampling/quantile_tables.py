"""Tables of quantile functions: polynomial pieces that give any quantile of a density to about double precision.

A level is given as a signed tail: the probability p of the nearer tail, negative for the lower and positive for the
upper one, so that both tails are as finely resolved as p itself. The pieces follow the digits of p: its exponent and
its leading bits select one, and the remaining bits give the position of p in the piece. Where a quantile function is
too rough for that, as next to a gap in the density, a piece is split by further bits of p until polynomials are
accurate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from foundation.types import Array, Indices
from simulations.compiled import compiled

DEGREE = 5
SMALLEST_EXPONENT = -65
"""Tails range from 2**-65 to 1/2: those of 64 random bits, of which one selects the side."""
LEADING_BITS, FURTHER_BITS = 6, 4
"""Number of bits of p after its exponent that select a piece, and of those that select a part of a split piece."""
PARTS = 2**FURTHER_BITS
MANTISSA_BITS = 52
OCTAVES = -1 - SMALLEST_EXPONENT
PIECES_ON_A_SIDE = OCTAVES * 2**LEADING_BITS + 1
"""Number of pieces for all octaves, plus one for the tail 1/2 itself."""

_ONE_BITS, _MANTISSA = np.uint64(0x3FF << MANTISSA_BITS), np.uint64(2**MANTISSA_BITS - 1)
_LEADING, _FURTHER = np.uint64(LEADING_BITS), np.uint64(FURTHER_BITS)
_LEADING_SHIFT, _FURTHER_SHIFT = np.uint64(MANTISSA_BITS - LEADING_BITS), np.uint64(MANTISSA_BITS - FURTHER_BITS)
_FIRST_PIECE = np.uint64((SMALLEST_EXPONENT + 1023) << LEADING_BITS)
_UPPER_PIECES = np.uint64(PIECES_ON_A_SIDE)
_MAGNITUDE, _SIGN_SHIFT, _UNIT = np.uint64(2**63 - 1), np.uint64(63), np.uint64(1)


class QuantileTable(NamedTuple):
    """The quantile function of a density; a named tuple, since compiled functions accept one.

    Attributes
    ----------
    coefficients : array, shape (n, 6)
        Coefficients of 1, t, t**2, ..., where t runs from 0 to 1 over a piece. The first pieces are those selected by
        the exponent and the leading bits of p, on the lower and then on the upper side. A split piece has NaN.
    parts : array of int64, shape (n,)
        Index of the first of the 2**4 parts of a split piece; 0 for other pieces.
    lower, upper : float
        Ends of the support.
    """

    coefficients: Array
    parts: Indices
    lower: float
    upper: float


@compiled
def quantiles_into(out: Array, tails: Array, table: QuantileTable) -> None:
    """Fill ``out`` with the quantiles at signed tails.

    Parameters
    ----------
    out, tails : array, shape (n,)
        Tails from 2**-65 to 1/2 in magnitude, negative for the lower tail.
    table : QuantileTable
    """
    pieces, positions = np.empty(out.size, np.uint64), np.empty(out.size)
    _locate(pieces, positions, tails)
    # NaN marks a split piece: splits are rare, so one loop without branches comes first.
    split = 0
    for i in range(out.size):
        value = _polynomial(table.coefficients, pieces[i], positions[i])
        split += value != value
        out[i] = min(max(value, table.lower), table.upper)
    if split > 0:
        _refine(out, pieces, tails, table)


@compiled
def _locate(pieces: npt.NDArray[np.uint64], positions: Array, tails: Array) -> None:
    """Set the first-level piece of each tail and the position in it, from 0 to 1; by bits alone, in vector lanes."""
    # The exponent and the leading bits of a double, read as one integer, number the pieces of a side consecutively.
    for i in range(tails.size):
        bits = np.float64(tails[i]).view(np.uint64)
        digits = bits & _MAGNITUDE
        upper = _UNIT - (bits >> _SIGN_SHIFT)
        pieces[i] = (digits >> _LEADING_SHIFT) - _FIRST_PIECE + upper * _UPPER_PIECES
        positions[i] = _fraction(digits << _LEADING)


@compiled
def _fraction(digits: np.uint64) -> float:
    """Return the number from 0 to 1 whose binary digits are the lowest 52 of ``digits``."""
    return np.uint64((digits & _MANTISSA) | _ONE_BITS).view(np.float64) - 1.0


@compiled
def _polynomial(coefficients: Array, piece: np.uint64, t: float) -> float:
    # Unrolled: a loop over the coefficients would be slower.
    value = coefficients[piece, 5] * t + coefficients[piece, 4]
    value = value * t + coefficients[piece, 3]
    value = value * t + coefficients[piece, 2]
    value = value * t + coefficients[piece, 1]
    return value * t + coefficients[piece, 0]


@compiled
def _refine(out: Array, pieces: npt.NDArray[np.uint64], tails: Array, table: QuantileTable) -> None:
    """Set the quantiles whose first-level piece is split."""
    for i in range(out.size):
        piece = pieces[i]
        if table.parts[piece] == 0:
            continue
        # Descend by further bits of p to a part that is not split.
        digits = np.float64(tails[i]).view(np.uint64) << _LEADING
        while table.parts[piece] > 0:
            piece = np.uint64(table.parts[piece]) + ((digits & _MANTISSA) >> _FURTHER_SHIFT)
            digits = digits << _FURTHER
        value = _polynomial(table.coefficients, piece, _fraction(digits))
        out[i] = min(max(value, table.lower), table.upper)
