"""Densities given by a formula and its support."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import sympy
from sympy import Expr, Integer, oo

from foundation.errors import InputError
from foundation.signals import ProcessorTimeExceeded, processor_time_limited
from theory.algebra import expressions
from theory.algebra.expressions import read_end, read_supported, require_order
from theory.algebra.smooth_parts import smooth_parts
from theory.densities.density import Density
from theory.densities.tabulated.laws import place_density, tabulated_density
from theory.kernels import Piece, x
from theory.names import EXPRESSION_EXAMPLE

SECONDS = 20.0
"""Processor time in which a formula is cut into smooth parts and tabulated."""


def read_expression(text: str) -> Density:
    """Return the density written as a formula in x and the two ends of its support, separated by commas.

    Raises
    ------
    InputError
        If the text is not such a formula, or it is not a density.

    Examples
    --------
    >>> read_expression("1/2, 0, 2").pieces
    (Piece(lower=0, upper=2, density=1/2),)
    """
    formula, lower, upper = read_supported(text, x, "a density", EXPRESSION_EXAMPLE)
    return density_of_expression(formula, (lower, upper))


def density_of_expression(formula: Any, support: tuple[Any, Any]) -> Density:
    """Return the density with a formula of sympy in one symbol on its support.

    Raises
    ------
    InputError
        If the formula has several symbols, the support is empty, or it is not a density.

    Examples
    --------
    >>> t = sympy.Symbol("t")
    >>> density_of_expression(3 * (1 - t**2) / 4, (-1, 1)).name
    'expression:3/4-3*x**2/4,-1,1'
    """
    try:
        # Text is never given to sympy, which would evaluate it.
        expression = _as_expression(formula, {"x": x})
        lower, upper = (read_end(end) if isinstance(end, str) else _as_expression(end, {}) for end in support)
    except InputError:
        raise
    except (sympy.SympifyError, TypeError, ValueError, AttributeError):
        raise InputError(
            "a density by its formula must be (expression, (lower, upper)), got something else. Give a formula of "
            "sympy and the two ends of its support."
        ) from None
    symbols = expression.free_symbols
    if not isinstance(expression, Expr) or len(symbols) > 1 or (lower.free_symbols | upper.free_symbols):
        names = ", ".join(sorted(map(str, symbols)))
        raise InputError(
            f"a density by its formula must have one symbol, got {names or expression}. Replace the others."
        )
    require_order(lower, upper, "a density")
    return _density(expression.subs(dict.fromkeys(symbols, x)), lower, upper)


def _as_expression(value: Any, symbols: Mapping[str, sympy.Symbol]) -> Expr:
    if isinstance(value, str):
        return expressions.parse(value, symbols, switches=True)
    return sympy.sympify(value, strict=True)


@cache
def _density(formula: Expr, lower: Expr, upper: Expr) -> Density:
    written = str(formula).replace("Abs(", "abs(")
    name = f"expression:{written},{lower},{upper}".replace(" ", "")
    if formula.has(sympy.I, sympy.nan, sympy.zoo, oo):
        raise InputError(f"a density must be real and finite, got {written}.")
    try:
        with processor_time_limited(SECONDS):
            parts = smooth_parts(formula, x, lower, upper)
            pieces = tuple(
                Piece(part.lower, part.upper, part.expression)
                for part in parts
                # A zero that is not known exactly stands between two ends that are one double.
                if float(part.lower) < float(part.upper)
            )
            return tabulated_density(name, pieces, partial(_move, formula, lower, upper))
    except ProcessorTimeExceeded:
        raise InputError(
            f"the density {written[:60]} must be integrated within {SECONDS:g} seconds, which it is not. Simplify it."
        ) from None


def _move(formula: Expr, lower: Expr, upper: Expr, distance: Expr) -> Density:
    density = _density(formula, lower, upper)
    moved = partial(_move_further, formula, lower, upper, distance)
    return density if distance == 0 else place_density(density, density.name, distance, Integer(1), moved)


def _move_further(formula: Expr, lower: Expr, upper: Expr, distance: Expr, further: Expr) -> Density:
    return _move(formula, lower, upper, distance + further)
