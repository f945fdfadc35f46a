"""The fitting of quantile tables: polynomials on pieces, with pieces split where polynomials are not accurate enough.

The quantiles come from their definitions in `theory`; the table's pieces are those of `quantile_tables`.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import sympy

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction, Indices
from simulations.sampling.quantile_tables import (
    DEGREE,
    FURTHER_BITS,
    LEADING_BITS,
    MANTISSA_BITS,
    OCTAVES,
    PARTS,
    PIECES_ON_A_SIDE,
    SMALLEST_EXPONENT,
    QuantileTable,
    quantiles_into,
)
from theory.densities.density import Density, compile_tail, invert, probability
from theory.densities.evaluation import NARROW, at_points, local_density

Choice: TypeAlias = npt.NDArray[np.bool_]

MOST_PIECES = 500_000

LEVELS_IN_AN_OCTAVE, GOLDEN, SPACINGS = 16, 0.618, 8
"""The levels at which a table is checked, their place between powers of two, and the doubles granted to a quantile."""

INVERSION = 1e-9
"""Accepted relative error of a level."""

_EPSILON = float(np.finfo(np.float64).eps)
RELATIVE_TOLERANCE, BACKWARD_TOLERANCE = 2 * _EPSILON, 8 * _EPSILON
"""Accepted errors of a piece: relative to its quantiles (forward), and as a relative change of p (backward)."""
NEGLIGIBLE = 2.0**-60
"""Error accepted in any case, as a share of the width of the support, or of the interquartile range."""
NOISE = 2.0**-42
"""Relative error in p up to which an error may be due to rounding in a distribution function."""
_NODES, _LONG_NODES = np.polynomial.chebyshev.chebpts1(DEGREE + 3), np.polynomial.chebyshev.chebpts1(32)
_T = (1 + _NODES) / 2


class _Pieces(NamedTuple):
    """Pieces of p with one number of bits: each starts at 2**exponent (1 + start / 2**bits).

    Its length is 2**(exponent - bits); ``error`` is the error of the piece from which it was split.
    """

    upper: Choice
    exponent: Indices
    start: Indices
    error: Array
    bits: int

    def tails(self, t: Array) -> Array:
        return np.ldexp(1 + np.ldexp(self.start[:, None] + t, -self.bits), self.exponent[:, None])

    def split(self, rough: Choice, error: Array) -> _Pieces:
        start = self.start[rough].repeat(PARTS) * PARTS + np.tile(np.arange(PARTS), np.count_nonzero(rough))
        return _Pieces(
            self.upper[rough].repeat(PARTS),
            self.exponent[rough].repeat(PARTS),
            start,
            error[rough].repeat(PARTS),
            self.bits + FURTHER_BITS,
        )


@cache
def quantile_table(density: Density) -> QuantileTable:
    """Build the table of the quantile function of ``density``.

    Raises
    ------
    InputError
        If the density has neither a quantile function nor a survival function to invert, or is too rough.
    """
    sides = lower_tail_quantiles(density), upper_tail_quantiles(density)
    lower, upper = (float(end) for end in density.support)
    density.require_resolution()
    negligible = NEGLIGIBLE * _scale(density, sides, upper - lower)
    # Fit all pieces of one depth together; those that are too rough are split and fitted in the next pass.
    pieces = _first_pieces()
    values = np.concatenate([_first_values(function, negligible) for function in sides])
    coefficients, parts, count = [], [], 0
    while pieces.start.size:
        fitted, error, rough = _fit(values, pieces, negligible)
        # A rough piece holds NaN and the index of its first part in the next pass.
        count += rough.size
        first_parts = np.zeros(rough.size, np.int64)
        first_parts[rough] = count + PARTS * np.arange(np.count_nonzero(rough))
        fitted[rough] = np.nan
        coefficients.append(fitted)
        parts.append(first_parts)
        pieces = pieces.split(rough, error)
        if count + pieces.start.size > MOST_PIECES:
            raise InputError(
                f"the density {density.name} changes too steeply for its quantiles to be tabulated. Choose one with "
                "wider parts."
            )
        values = _values(pieces, sides)
    table = QuantileTable(np.concatenate(coefficients), np.concatenate(parts), lower, upper)
    _require_inverse(density, table, negligible)
    return table


def _require_inverse(density: Density, table: QuantileTable, negligible: float) -> None:
    """Require that the table inverts the distribution function of ``density``, at levels between its nodes.

    Raises
    ------
    InputError
        If it does not at some level; the message names the largest error.
    """
    if density.survival is None:
        return
    octaves = np.arange(SMALLEST_EXPONENT, -1)[:, None]
    levels = np.ldexp(1 + (np.arange(LEVELS_IN_AN_OCTAVE) + GOLDEN) / LEVELS_IN_AN_OCTAVE, octaves).ravel()
    for sign, side in ((-1.0, "distribution"), (1.0, "survival")):
        points = np.empty(levels.size)
        quantiles_into(points, sign * levels, table)
        # A quantile is known to a few doubles, in which the distribution function may rise much.
        slack = SPACINGS * (np.spacing(np.abs(points)) + _EPSILON / NEGLIGIBLE * negligible)
        function = local_density(density, side)
        ends = [at_points(function, np.clip(points + shift, table.lower, table.upper)) for shift in (-slack, slack)]
        least, greatest = np.minimum(*ends), np.maximum(*ends)
        wrong = np.maximum(least - levels, levels - greatest) / levels
        worst = int(np.argmax(wrong))
        if not wrong[worst] <= INVERSION:
            raise InputError(
                f"the quantiles of {density.name} must invert its {side} function, but {points[worst]:.10g}, that at "
                f"{levels[worst]:.6g}, has {at_points(function, points[[worst]])[0]:.6g}. Correct the quantile or the "
                "distribution and survival functions."
            )


def lower_tail_quantiles(density: Density) -> ArrayFunction:
    """Return the quantile as a function of the probability below it."""
    return density.quantiles


def upper_tail_quantiles(density: Density) -> ArrayFunction:
    """Return the quantile as a function of the probability above it, so that the upper tail keeps full precision.

    Raises
    ------
    InputError
        If the density has neither a quantile function nor a survival function to invert.
    """
    if density.upper_quantile is not None:
        return compile_tail(density, density.upper_quantile, probability)
    if density.quantile is not None:
        mirrored = density.quantile.subs(probability, 1 - probability)
        # erfcinv(2 - a) is -erfcinv(a), and only the latter is precise for small a.
        mirrored = mirrored.replace(sympy.erfcinv, lambda a: -sympy.erfcinv(sympy.expand(2 - a)))
        return compile_tail(density, mirrored, probability)
    inverse = invert(density, reflected=True)
    return lambda tails: -inverse(tails)


def _scale(density: Density, sides: tuple[ArrayFunction, ArrayFunction], width: float) -> float:
    """Return the width of the support, or the interquartile range if it is unbounded, but not many narrow scales."""
    below, above = (float(function(np.array([0.25]))[0]) for function in sides)
    narrow = [NARROW * float(scale) for _, scale in density.landmarks]
    return min([width if np.isfinite(width) else above - below, *narrow])


def _first_pieces() -> _Pieces:
    """Return the pieces selected by the exponent and the leading bits of p; the last of a side is for the tail 1/2."""
    start = np.append(np.tile(np.arange(2**LEADING_BITS), OCTAVES), 0)
    exponent = np.append(np.arange(SMALLEST_EXPONENT, -1).repeat(2**LEADING_BITS), -1)
    upper = np.array([False, True]).repeat(PIECES_ON_A_SIDE)
    return _Pieces(upper, np.tile(exponent, 2), np.tile(start, 2), np.full(upper.size, np.inf), LEADING_BITS)


def _values(pieces: _Pieces, sides: tuple[ArrayFunction, ArrayFunction]) -> Array:
    """Compute the quantiles at the nodes of every piece, shape (pieces, 8)."""
    tails = pieces.tails(_T)
    values = np.empty_like(tails)
    for side, function in zip((~pieces.upper, pieces.upper), sides, strict=True):
        values[side] = function(tails[side])
    return values


def _first_values(function: ArrayFunction, negligible: float) -> Array:
    """Compute the quantiles of one side at the nodes of its first pieces, shape (PIECES_ON_A_SIDE, 8).

    On an octave of p one long Chebyshev series is used where it converges, so that few quantiles are computed.
    """
    # Evaluate the quantiles at few nodes of every octave, and assess the series by its last coefficients.
    octaves = np.arange(SMALLEST_EXPONENT, -1)[:, None]
    known = function(np.ldexp(1.5 + _LONG_NODES / 2, octaves))
    middle = known[:, [_LONG_NODES.size // 2]]
    series = _chebyshev_series(known - middle)
    error = np.abs(series[:, -4:]).sum(axis=1) + _EPSILON * np.abs(series).max(axis=1)
    # Evaluate the series at the nodes of all pieces; where it has not converged, the quantile function itself.
    t = ((np.arange(2**LEADING_BITS)[:, None] + _T) / 2**LEADING_BITS).ravel()
    values = middle + np.polynomial.chebyshev.chebval(2 * t - 1, series.T)
    direct = error > _tolerance(known, 1.5 + _LONG_NODES / 2, negligible)
    values[direct] = function(np.ldexp(1 + t, octaves[direct]))
    median = np.full(_T.size, function(np.array([0.5]))[0])
    return np.vstack([values.reshape(-1, _T.size), median])


def _tolerance(values: Array, positions: Array, negligible: float) -> Array:
    """Compute the accepted error of each row of quantiles; ``positions`` are p in units of its octave."""
    return RELATIVE_TOLERANCE * np.abs(values).min(axis=1) + BACKWARD_TOLERANCE * _slope(values, positions) + negligible


def _slope(values: Array, positions: Array) -> Array:
    """Compute the smallest p dq/dp in each row: the change of the quantiles with a relative change of p."""
    return np.asarray(np.abs(np.diff(values, axis=1) / np.diff(positions)).min(axis=1))


def _fit(values: Array, pieces: _Pieces, negligible: float) -> tuple[Array, Array, Choice]:
    """Fit the coefficients on every piece; return them, their errors, and which pieces must be split.

    A Chebyshev series of degree 7 through 8 points is truncated after degree 5: the dropped terms are the error.
    """
    # Subtracting the middle value keeps the digits of quantiles that hardly vary on a piece.
    middle = values[:, [_T.size // 2]]
    series = _chebyshev_series(values - middle)
    coefficients = series[:, : DEGREE + 1] @ _powers_of_chebyshev()
    coefficients[:, 0] += middle[:, 0]
    error = np.abs(series[:, DEGREE + 1 :]).sum(axis=1)
    positions = np.ldexp(_T, -pieces.bits)
    rough = error > _tolerance(values, positions, negligible)
    # An error that splitting did not reduce is rounding in the distribution function that is inverted.
    noise = np.maximum(NOISE * _slope(values, positions), _EPSILON / NEGLIGIBLE * negligible)
    rough &= (error > noise) | (error < pieces.error / PARTS)
    # The bits of p do not allow further parts.
    return coefficients, error, rough & (pieces.bits + FURTHER_BITS <= MANTISSA_BITS)


def _chebyshev_series(values: Array) -> Array:
    """Compute the coefficients of the Chebyshev series through each row of values at as many Chebyshev points."""
    n = values.shape[1]
    # The points ascend. Full turns are dropped first, so that the cosines are exact to rounding.
    steps = np.outer(2 * np.arange(n)[::-1] + 1, np.arange(n)) % (4 * n)
    series = values @ np.cos(steps * (np.pi / (2 * n))) * (2 / n)
    series[:, 0] /= 2
    return np.asarray(series)


def _powers_of_chebyshev() -> Array:
    """Build the matrix from Chebyshev coefficients on [0, 1] to those of powers; its entries are integers."""
    matrix = np.zeros((DEGREE + 1, DEGREE + 1))
    argument = np.polynomial.Polynomial([-1, 2])
    for k in range(DEGREE + 1):
        power = np.polynomial.chebyshev.Chebyshev.basis(k).convert(kind=np.polynomial.Polynomial)(argument)
        matrix[k, : k + 1] = power.coef
    return matrix
