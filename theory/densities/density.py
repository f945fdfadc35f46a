"""Symbolic densities: formulas, supports, knots and quantiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import pairwise, product
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import sympy
from sympy import Expr, Integer, Pow

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction
from theory.densities.quantiles import EconomicalInverse, NumericalInverse, TabulatedInverse, precise_tail
from theory.densities.tabulated.computed import has_computed
from theory.kernels import Piece, x

SMALLEST_DENSITY = 1e-290
"""The reciprocal of a smaller density is close to overflow in double precision."""

FEWEST_STEPS = 2**10
"""The fewest doubles that the scale of a density must span at its location, so that tables can resolve it."""

SPREAD_LEVELS = (0.16, 0.84)
"""Levels of two quantiles that are two standard deviations apart for a normal density."""

probability = sympy.Symbol("p", positive=True)
"""The argument of every quantile function, between 0 and 1."""


class Landmark(NamedTuple):
    """A place around which a density changes, and the distance over which it does: a location and a scale."""

    location: Expr
    scale: Expr


@dataclass(frozen=True)
class Density:
    """A probability density from which samples are drawn (the paper's f).

    Parameters
    ----------
    name : str
        The name on the command line.
    pieces : tuple of Piece
        The density in `x` on consecutive intervals; it is zero outside them.
    distribution : sympy.Expr
        The distribution function in `x`, on the support; written so that its lower tail keeps full precision.
    quantile : sympy.Expr, optional
        The inverse in `probability`, written so that the lower tail keeps full precision. Without it `quantiles`
        inverts numerically.
    survival : sympy.Expr, optional
        1 minus the distribution function, written so that the upper tail keeps full precision. Required without
        ``quantile``, and for a weight of unbounded support.
    squared_distribution : sympy.Expr, optional
        The integral of the squared density from the lower end of the support to `x`.
    components : tuple of (sympy.Expr, Density)
        The weights and components of a mixture; empty for other densities.
    landmarks : tuple of Landmark, optional
        The locations and scales of all parts of the density. Tables and quadratures begin with them, so that no narrow
        part is missed; without them, parts are found by their share of the distribution function.
    repeated_integral : function of an order, optional
        The pieces, on the whole line, of the density integrated ``order`` times; see
        `theory.densities.repeated_integrals`.
    moved : function of a distance, optional
        The density of X + distance, for X with this density. Without it the distance is substituted in the formulas.
    upper_quantile : sympy.Expr, optional
        The quantile as a function of the probability above it, in `probability`; without it, 1 - probability is
        substituted in ``quantile``.
    powers : tuple of (knot, exponent), optional
        The knots beside which the density is like a power of the distance; without it they are found in the formulas.
    keeps_digits : bool
        Whether the formulas of the tails and the quantile are precise in double precision. Those of other densities are
        evaluated with more digits in the tails, which takes longer.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.densities import NORMAL
    >>> NORMAL.support, NORMAL.knots
    ((-oo, oo), ())
    >>> NORMAL.distribution.subs(x, 0), NORMAL.quantiles(np.array([0.5])).tolist()
    (1/2, [0.0])
    """

    name: str
    pieces: tuple[Piece, ...]
    distribution: Expr
    quantile: Expr | None = None
    survival: Expr | None = None
    squared_distribution: Expr | None = None
    components: tuple[tuple[Expr, Density], ...] = ()
    landmarks: tuple[Landmark, ...] = ()
    repeated_integral: Callable[[int], tuple[Piece, ...]] | None = field(default=None, compare=False, repr=False)
    moved: Callable[[Expr], Density] | None = field(default=None, compare=False, repr=False)
    keeps_digits: bool = field(default=False, compare=False, repr=False)
    upper_quantile: Expr | None = None
    powers: tuple[tuple[Expr, Expr], ...] | None = None

    @property
    def support(self) -> tuple[Expr, Expr]:
        """The interval outside which the density is zero."""
        return self.pieces[0].lower, self.pieces[-1].upper

    @property
    def knots(self) -> tuple[Expr, ...]:
        """The finite points at which the expression changes, in ascending order."""
        return finite_bounds(self.pieces)

    @property
    def rough_knots(self) -> tuple[Expr, ...]:
        """The knots at which the density behaves like a fractional power, which polynomials approximate poorly."""
        fractional = [knot for knot, exponent in self.powers_at_knots() if not exponent.is_Integer]
        return tuple(dict.fromkeys([*fractional, *self.unbounded_knots]))

    @property
    def unbounded_knots(self) -> tuple[Expr, ...]:
        """The knots at which the density is unbounded."""
        return _unbounded_knots(self)

    def quantiles(self, levels: Array) -> Array:
        """Return the quantiles at ``levels``, numbers strictly between 0 and 1, to double precision."""
        return _quantile_function(self)(levels)

    @property
    def spread(self) -> float:
        """Half the distance between the quantiles at `SPREAD_LEVELS`."""
        low, high = self.quantiles(np.array(SPREAD_LEVELS)).tolist()
        return float(high - low) / 2

    def bulk(self, tail: float) -> tuple[float, float]:
        """Return an interval with probability at most ``tail`` beyond each end.

        Raises
        ------
        InputError
            If the support is unbounded and the density has no survival function.

        Examples
        --------
        >>> from theory.densities import LAPLACE, NORMAL
        >>> [round(end, 3) for end in NORMAL.bulk(0.025)], [round(end, 3) for end in LAPLACE.bulk(1e-22)]
        ([-1.96, 1.96], [-49.964, 49.964])
        """
        lower, upper = self.support
        if self.survival is None and not (lower.is_finite and upper.is_finite):
            raise InputError(
                f"the tail of {self.name} is unknown: a density of unbounded support must have a survival function."
            )
        least, greatest = float(lower), float(upper)
        if not lower.is_finite:
            below = compile_tail(self, self.distribution, x)
            least = -_find_crossing(tail, lambda point: float(below(np.array([-point]))[0]), -upper)
        if not upper.is_finite:
            above = compile_tail(self, self.survival, x)
            greatest = _find_crossing(tail, lambda point: float(above(np.array([point]))[0]), lower)
        return least, greatest

    def translate(self, distance: Expr) -> Density:
        """Return the density of X + ``distance`` for X with this density; only its values and tails are defined.

        Examples
        --------
        >>> from theory.densities import uniform
        >>> uniform(2, 3).translate(sympy.Integer(-2)).support
        (0, 1)
        """
        if self.moved is not None and self.is_as_made:
            return self.moved(distance)
        return Density(
            self.name,
            translate_pieces(self.pieces, distance),
            distribution=self.distribution.subs(x, x - distance),
            survival=None if self.survival is None else self.survival.subs(x, x - distance),
            keeps_digits=self.keeps_digits,
        )

    def __reduce__(self) -> tuple[Callable[..., Density], tuple[Any, ...]]:
        # Unpickled formulas are evaluated again, which loses the tails of erfc: another process makes them again.
        if self.moved is not None and self.is_as_made:
            return self.moved, (Integer(0),)
        return Density, tuple(getattr(self, field.name) for field in fields(self))

    @property
    def is_as_made(self) -> bool:
        """Whether no field was replaced since a function of this package made the density."""
        moved = getattr(self.moved, "func", None)
        ours = getattr(moved, "__module__", "").startswith(__name__.rpartition(".")[0])
        return ours and self.moved is not None and self.moved(Integer(0)) == self

    def require_resolution(self) -> None:
        """Require that double precision can resolve every part of the density at its location.

        Raises
        ------
        InputError
            If the scale of a part spans fewer than 1,024 doubles at its location.

        Examples
        --------
        >>> from theory.densities import normal
        >>> normal(10**6, 1).require_resolution()
        """
        for location, scale in self.landmarks:
            spacing = float(np.spacing(abs(float(location))))
            if float(scale) < FEWEST_STEPS * spacing:
                raise InputError(
                    f"the scale of each part of a density must be at least {FEWEST_STEPS:,} times the spacing of "
                    f"doubles at its location, got {float(scale):g} at {float(location):.15g}, where they are "
                    f"{spacing:.3g} apart. Subtract that location from the sample, the density and the weight."
                )

    def powers_at_knots(self) -> Iterable[tuple[Expr, Expr]]:
        """Yield each knot at which the base of a power in the density vanishes, with the exponent."""
        if self.powers is not None:
            yield from self.powers
            return
        for piece in self.pieces:
            for knot, power in product({piece.lower, piece.upper}, piece.density.atoms(Pow)):
                if knot.is_finite and power.base.subs(x, knot) == 0:
                    yield knot, power.exp


class FrozenDistribution(Protocol):
    """A frozen continuous distribution of scipy.stats, such as ``scipy.stats.gamma(2)``."""

    dist: Any
    args: tuple[Any, ...]
    kwds: dict[str, Any]


DensityLike: TypeAlias = str | Density | FrozenDistribution | tuple[Expr, tuple[Expr, Expr]]
"""What stands for a density: its name, itself, a distribution of scipy, or a formula with the ends of its support."""


@cache
def _unbounded_knots(density: Density) -> tuple[Expr, ...]:
    knots = {knot for knot, exponent in density.powers_at_knots() if exponent < 0}
    return tuple(sorted(knot for knot in knots if density.powers is not None or not _is_bounded_at(density, knot)))


def _is_bounded_at(density: Density, knot: Expr) -> bool:
    """Return whether another factor outweighs a power with a negative exponent, as in the lognormal density at 0."""
    steps = [sympy.Rational(1, 10**digits) for digits in (20, 40, 80)]
    points = [
        [end + sign * step for step in steps]
        for piece in density.pieces
        for sign, end in ((1, piece.lower), (-1, piece.upper))
        if end == knot
    ]
    formulas = [piece.density for piece in density.pieces for end in (piece.lower, piece.upper) if end == knot]
    values = [
        [abs(formula.subs(x, point).evalf(30)) for point in places]
        for formula, places in zip(formulas, points, strict=True)
    ]
    return all(bool(near <= far) for approaching in values for far, near in pairwise(approaching))


@cache
def _quantile_function(density: Density) -> ArrayFunction:
    if density.quantile is not None:
        return compile_tail(density, density.quantile, probability)
    return invert(density)


def compile_tail(density: Density, formula: Expr, variable: sympy.Symbol) -> ArrayFunction:
    """Compile a formula of a density's tail, in `x`, or of its quantile, in `probability`."""
    if not density.keeps_digits:
        return precise_tail(formula, variable)
    closed: ArrayFunction = sympy.lambdify(variable, formula, "scipy")

    def evaluate(points: Array) -> Array:
        # Where a case of a formula does not hold it may divide by 0 or overflow.
        with np.errstate(all="ignore"):
            return closed(points)

    return evaluate


def invert(density: Density, *, reflected: bool = False) -> NumericalInverse:
    """Return the numerical inverse of a density's distribution function, or of that of -X.

    Raises
    ------
    InputError
        If the density has no survival function.
    """
    if density.survival is None:
        raise InputError(
            f"the density {density.name} has neither a quantile nor a survival function. Define one of them."
        )
    lower, upper = density.support
    pdf = numerical(density.pieces)
    below, above = (compile_tail(density, tail, x) for tail in (density.distribution, density.survival))
    ends = float(lower), float(upper)
    if reflected:
        # The survival function of f is the distribution function of f reflected at 0.
        pdf, below, above = map(_reflect, (pdf, above, below))
        ends = -ends[1], -ends[0]
    inverse = NumericalInverse if density.keeps_digits else EconomicalInverse
    if has_computed(density.distribution):
        inverse = TabulatedInverse
    return inverse(pdf, below, above, ends)


@cache
def numerical(pieces: tuple[Piece, ...]) -> ArrayFunction:
    """Compile a piecewise function, zero outside its pieces, to a function of NumPy arrays.

    Where a formula overflows or is undefined the value is infinite or NaN, without a warning.
    """
    bounds = [(float(piece.lower), float(piece.upper)) for piece in pieces]
    functions = [sympy.lambdify(x, piece.density, "scipy") for piece in pieces]

    def evaluate(points: Array) -> Array:
        values = np.zeros_like(points)
        for (lower, upper), function in zip(bounds, functions, strict=True):
            inside = (points >= lower) & (points <= upper)
            # Far in a tail exp overflows or underflows to the correct limit.
            with np.errstate(all="ignore"):
                values[inside] = function(points[inside])
        return values

    return evaluate


def _reflect(function: ArrayFunction) -> ArrayFunction:
    return lambda points: function(-points)


def _find_crossing(level: float, function: Callable[[float], float], least: Expr) -> float:
    """Return the smallest point above ``least``, to rounding, at which a decreasing function is at most ``level``."""
    # Double the bracket until it contains the crossing, then bisect it until no double lies between its ends. The
    # formula of a tail may mean nothing outside the support.
    origin, bounded = (float(least), True) if least.is_finite else (0.0, False)
    reach = 1.0
    while function(origin + reach) > level or not (bounded or function(origin - reach) > level):
        reach *= 2
    low, high = origin if bounded else origin - reach, origin + reach
    while low < (middle := low + (high - low) / 2) < high:
        low, high = (middle, high) if function(middle) > level else (low, middle)
    return high


def translate_pieces(pieces: tuple[Piece, ...], distance: Expr) -> tuple[Piece, ...]:
    """Return the pieces of the function moved by ``distance``."""
    return tuple(
        Piece(piece.lower + distance, piece.upper + distance, piece.density.subs(x, x - distance)) for piece in pieces
    )


def overlaps(left: tuple[Piece, ...], right: tuple[Piece, ...]) -> Iterable[Piece]:
    """Yield the pieces of the product of two piecewise functions, each zero outside its pieces."""
    for one in left:
        for other in right:
            lower, upper = sympy.Max(one.lower, other.lower), sympy.Min(one.upper, other.upper)
            if lower < upper:
                yield Piece(lower, upper, one.density * other.density)


def finite_bounds(pieces: tuple[Piece, ...]) -> tuple[Expr, ...]:
    """Return the finite ends of the pieces, in order."""
    bounds = {bound for piece in pieces for bound in (piece.lower, piece.upper) if bound.is_finite}
    return tuple(sorted(bounds))
