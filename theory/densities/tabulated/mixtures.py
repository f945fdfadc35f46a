"""Mixtures of any densities."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import sympy
from sympy import Expr

from theory.densities.density import Density
from theory.densities.numbers import format_number
from theory.densities.tabulated.laws import tabulated_density
from theory.kernels import Piece

LEVELS = (1e-20, 1e-9, 1e-4, 0.01, 0.1, 0.5, 0.9, 0.99, 1 - 1e-4, 1 - 1e-9)
"""Levels at whose quantiles, of every component, the mixture is tabulated first."""


def general_mixture(weighted: tuple[tuple[Expr, Density], ...]) -> Density:
    """Return a mixture of densities, each with its weight.

    Examples
    --------
    >>> from theory.densities.families import density_named
    >>> general_mixture(((sympy.Integer(1), density_named("exponential:2")),)).name
    'mixture:1*exponential(2)'
    """
    joined = "+".join(f"{format_number(weight)}*{_in_parentheses(density.name)}" for weight, density in weighted)
    return tabulated_density(
        f"mixture:{joined}",
        tuple(_pieces(weighted)),
        partial(_move, weighted),
        places=[float(place) for _, density in weighted for place in density.quantiles(np.array(LEVELS))],
        components=weighted,
        landmarks=tuple(landmark for _, density in weighted for landmark in density.landmarks),
    )


def _move(weighted: tuple[tuple[Expr, Density], ...], distance: Expr) -> Density:
    return general_mixture(
        tuple((weight, density if distance == 0 else density.translate(distance)) for weight, density in weighted)
    )


def _in_parentheses(name: str) -> str:
    """Return a component's name as it stands within a mixture."""
    family, colon, parameters = name.partition(":")
    return name if family == "scipy" or not colon else f"{family}({parameters})"


def _pieces(weighted: tuple[tuple[Expr, Density], ...]) -> Iterator[Piece]:
    """Yield the mixture between the knots of all components."""
    pieces = [(weight, piece) for weight, density in weighted for piece in density.pieces]
    ends = sorted({end for _, piece in pieces for end in (piece.lower, piece.upper)})
    for lower, upper in pairwise(ends):
        terms = [weight * piece.density for weight, piece in pieces if piece.lower <= lower and upper <= piece.upper]
        yield Piece(lower, upper, sympy.Add(*terms))
