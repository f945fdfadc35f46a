"""Weight functions a(x) of the statistic T_m, by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import sympy
from sympy import Expr, Integer, oo

from foundation.errors import InputError, suggest
from theory.densities.density import SMALLEST_DENSITY, DensityLike, Landmark, finite_bounds, overlaps
from theory.densities.families import density_named
from theory.densities.numbers import format_number, parse_numbers
from theory.kernels import Piece, x
from theory.names import WEIGHT_FORMS


@dataclass(frozen=True)
class Weight:
    """A weight in the integral of T_m (the paper's a).

    Parameters
    ----------
    name : str
        The name on the command line.
    pieces : tuple of Piece
        The weight in `x` on consecutive intervals; it is zero outside them.
    landmarks : tuple of Landmark, optional
        The locations and scales of its narrow parts; see `theory.densities.density.Density`.

    Examples
    --------
    >>> window(-2, 2).support
    (-2, 2)
    """

    name: str
    pieces: tuple[Piece, ...]
    landmarks: tuple[Landmark, ...] = ()

    @property
    def support(self) -> tuple[Expr, Expr]:
        """The interval outside which the weight is zero."""
        return self.pieces[0].lower, self.pieces[-1].upper

    @property
    def is_one(self) -> bool:
        """Whether the weight is 1 on the whole line."""
        return self.pieces == (Piece(-oo, oo, Integer(1)),)

    @property
    def knots(self) -> tuple[Expr, ...]:
        """The finite points at which the expression changes, in ascending order."""
        return finite_bounds(self.pieces)


ONE = Weight("one", (Piece(-oo, oo, Integer(1)),))
"""The weight that is 1 on the whole line."""


def window(lower: Expr | int, upper: Expr | int) -> Weight:
    """Return the weight that is 1 on [lower, upper] and 0 elsewhere.

    Raises
    ------
    InputError
        If ``lower`` is not below ``upper``, or one of them is not finite.

    Examples
    --------
    >>> window(-2, 2).name, window(-2, 2).support
    ('window:-2,2', (-2, 2))
    """
    lower, upper = _interval("a window", "window:-2,2", lower, upper)
    return Weight(f"window:{format_number(lower)},{format_number(upper)}", (Piece(lower, upper, Integer(1)),))


def inverse_density(density: DensityLike, lower: Expr | int, upper: Expr | int) -> Weight:
    """Return the weight that is 1/f on [lower, upper] and 0 elsewhere, for the density f.

    Raises
    ------
    InputError
        If ``lower`` is not below ``upper``, one of them is not finite, or f vanishes on [lower, upper], exactly or in
        double precision.

    Examples
    --------
    >>> inverse_density("uniform:-1,1", -1, 1).pieces
    (Piece(lower=-1, upper=1, density=2),)
    """
    density = density_named(density)
    lower, upper = _interval("inverse-density", "inverse-density:-2,2", lower, upper)
    name = f"inverse-density:{format_number(lower)},{format_number(upper)}"
    if lower < density.support[0] or upper > density.support[1]:
        start, end = density.support
        raise InputError(
            f"the density must be positive on the support of the weight {name}, but {density.name} vanishes "
            f"outside [{start}, {end}]."
        )
    # A density may be positive and yet too small to invert in double precision.
    pieces = tuple(overlaps((Piece(lower, upper, Integer(1)),), density.pieces))
    vanishing = next((point for piece in pieces for point in _vanishing(piece)), None)
    if vanishing is not None:
        raise InputError(
            f"the density must be positive on the support of the weight {name}, but {density.name} is below "
            f"{SMALLEST_DENSITY:g} at {vanishing:.6g}."
        )
    reciprocals = tuple(Piece(piece.lower, piece.upper, 1 / piece.density) for piece in pieces)
    return Weight(name, reciprocals, density.landmarks)


def _vanishing(piece: Piece) -> Iterable[float]:
    """Yield the points of a fine grid over ``piece``, including its ends, where its density is below the minimum."""
    points = np.linspace(float(piece.lower), float(piece.upper), 1001)
    with np.errstate(all="ignore"):
        values = np.broadcast_to(sympy.lambdify(x, piece.density, "scipy")(points), points.shape)
    yield from points[values < SMALLEST_DENSITY].tolist()


def _interval(weight: str, example: str, lower: Expr | int, upper: Expr | int) -> tuple[Expr, Expr]:
    lower, upper = sympy.sympify(lower), sympy.sympify(upper)
    if not (lower.is_finite and upper.is_finite and lower < upper):
        raise InputError(
            f"{weight} must have two finite ends, the lower first, got {lower} and {upper}. Try {example}."
        )
    return lower, upper


def weight_named(name: str | Weight, density: DensityLike | None = None) -> Weight:
    """Return the weight called ``name``, as in ``"window:-2,2"`` (a Weight is returned as it is).

    Parameters
    ----------
    name : str or Weight
        ``one``, ``window:c,d``, or ``inverse-density:c,d``.
    density : str or Density, optional
        The density f, required for an inverse-density weight.

    Raises
    ------
    InputError
        If the name is unknown, its ends are not two numbers with the lower first, or the density of an inverse-density
        weight is missing or vanishes between them.

    Examples
    --------
    >>> weight_named("window:-0.5,2").support
    (-1/2, 2)
    >>> weight_named("inverse-density:0,1/2", "beta:1,2").pieces[0].density
    1/(2 - 2*x)
    """
    if isinstance(name, Weight):
        return name
    text = name.strip()
    if text == "one":
        return ONE
    kind, _, ends = text.partition(":")
    if kind not in ("window", "inverse-density"):
        near = suggest(kind, WEIGHT_FORMS, otherwise=" ").strip()
        raise InputError(
            f"{name!r} is not a weight. {near + ' ' if near else ''}Choose from: {', '.join(WEIGHT_FORMS)}."
        )
    numbers = parse_numbers(ends, 2)
    if numbers is None:
        raise InputError(f"{name!r} is not a weight: {kind} needs two numbers, the lower first. Try {kind}:-2,2.")
    if kind == "window":
        return window(*numbers)
    if density is None:
        raise InputError(f"the weight {text} is 1/f, so it needs a density f. Pass the argument density.")
    return inverse_density(density, *numbers)
