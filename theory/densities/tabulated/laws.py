"""Densities whose distribution functions are tabulated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from sympy import Expr, Rational

from foundation.errors import InputError
from foundation.types import ArrayFunction
from theory.densities.density import Density, Landmark, numerical
from theory.densities.tabulated.computed import computed_function
from theory.densities.tabulated.tables import NotSmooth, SmoothPart, end_power, tabulate
from theory.kernels import Piece, x

LEAST_MASS = 1e-6
"""Share of the mass that a part between two minima of a density must have for a landmark of its own."""

HALF = Rational(4999, 10_000)
"""One half, less the error of an exponent."""

MOST_CUTS, MOST_LANDMARKS = 30, 60


def tabulated_density(
    name: str,
    pieces: tuple[Piece, ...],
    moved: Callable[[Expr], Density],
    *,
    places: Sequence[float] = (),
    components: tuple[tuple[Expr, Density], ...] = (),
    landmarks: tuple[Landmark, ...] = (),
) -> Density:
    """Return the density with the given pieces; its distribution function and the integral of its square are tabulated.

    Parameters
    ----------
    name : str
    pieces : tuple of Piece
        The formulas of the density. Where one has a kink or jumps it is cut in two.
    moved : callable
        As in `Density`.
    places : sequence of float
        Points around which the density may be narrow.
    components, landmarks
        As in `Density`; without landmarks they are found.

    Raises
    ------
    InputError
        If the density is negative or not a number somewhere, does not integrate to 1, or is too steep.
    """
    what = f"the density {name}"
    for _ in range(MOST_CUTS):
        parts = [SmoothPart(float(piece.lower), float(piece.upper), numerical((piece,))) for piece in pieces]
        try:
            table = tabulate(parts, what, places)
            break
        except NotSmooth as found:
            pieces = tuple(_cut(pieces, Rational(found.place.numerator, found.place.denominator)))
    else:
        raise InputError(
            f"{what} must be smooth between at most {MOST_CUTS} points, got more. Choose a smoother density."
        )
    marks = landmarks or tuple(
        Landmark(Rational(place), Rational(scale)) for place, scale in table.basins(LEAST_MASS)[:MOST_LANDMARKS]
    )
    width, powers = min(float(scale) for _, scale in marks), tuple(_powers(pieces, parts))
    # Beside a pole of order 1/2 the square is not integrable.
    has_square = all(exponent > -HALF for _, exponent in powers)
    return Density(
        name=name,
        pieces=pieces,
        distribution=_function("distribution", name, table.distribution, width),
        survival=_function("survival", name, table.survival, width),
        squared_distribution=_function("square", name, table.squared_distribution, width) if has_square else None,
        components=components,
        landmarks=marks,
        moved=moved,
        keeps_digits=True,
        powers=powers,
    )


def place_density(
    density: Density, name: str, location: Expr, scale: Expr, moved: Callable[[Expr], Density]
) -> Density:
    """Return the density of location + scale X for X with a tabulated density."""
    z = (x - location) / scale

    def at(point: Expr) -> Expr:
        return location + scale * point

    survival, square = density.survival, density.squared_distribution
    return replace(
        density,
        name=name,
        pieces=tuple(
            Piece(at(piece.lower), at(piece.upper), piece.density.subs(x, z) / scale) for piece in density.pieces
        ),
        distribution=density.distribution.subs(x, z),
        survival=None if survival is None else survival.subs(x, z),
        squared_distribution=None if square is None else square.subs(x, z) / scale,
        landmarks=tuple(Landmark(at(mark.location), scale * mark.scale) for mark in density.landmarks),
        moved=moved,
        powers=tuple((at(knot), exponent) for knot, exponent in density.powers or ()),
    )


def _function(aspect: str, name: str, function: ArrayFunction, width: float) -> Expr:
    return computed_function(f"{aspect} of {name}", function, width)(x)


def _cut(pieces: tuple[Piece, ...], place: Expr) -> list[Piece]:
    cut: list[Piece] = []
    for piece in pieces:
        if piece.lower < place < piece.upper:
            cut += [Piece(piece.lower, place, piece.density), Piece(place, piece.upper, piece.density)]
        else:
            cut.append(piece)
    return cut


def _powers(pieces: tuple[Piece, ...], parts: Sequence[SmoothPart]) -> Iterator[tuple[Expr, Expr]]:
    """Yield the ends of parts beside which the density is like a fractional or a negative power."""
    for piece, part in zip(pieces, parts, strict=True):
        for knot, end in ((piece.lower, end_power(part, upper=False)), (piece.upper, end_power(part, upper=True))):
            if end is not None and end.is_rough:
                yield knot, Rational(end.exponent).limit_denominator(10_000)
