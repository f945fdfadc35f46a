"""The continuous distributions of scipy.stats as densities.

Those of our own families become these, with their closed forms. Of all others the density is taken from scipy, and its
integrals are tabulated and compared with scipy's distribution function.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
import sympy
from sympy import Expr, Integer, Rational, oo

from foundation.errors import InputError, suggest
from foundation.signals import ProcessorTimeExceeded, processor_time_limited
from foundation.types import Array
from theory.densities.density import Density
from theory.densities.grammar import read_numbers
from theory.densities.numbers import format_number
from theory.densities.tabulated.computed import computed_function
from theory.densities.tabulated.laws import place_density, tabulated_density
from theory.kernels import Piece, x
from theory.names import SCIPY_EXAMPLE

SECONDS = 1.5
"""Processor time in which a distribution is tabulated."""

AGREEMENT = 1e-8
"""Largest difference between our distribution function and scipy's."""

REFUSED = {
    "levy_stable": "its density takes a numerical integral at every point",
    "studentized_range": "its density takes a numerical integral at every point",
    "ksone": "its density takes too long at many points",
    "kstwo": "its density takes too long at many points",
    "vonmises": "it is a law on the circle; vonmises_line is the one on the line",
}
"""Distributions of scipy that are not densities on the line, or take minutes to tabulate."""

HALF = Rational(1, 2)

_Values = tuple[Rational, ...]

_FAMILIES: Mapping[str, tuple[str, Callable[..., _Values]]] = {
    # scipy's name, and the parameters of our family from scipy's shapes, location and scale.
    "norm": ("normal", lambda location, scale: (location, scale)),
    "logistic": ("logistic", lambda location, scale: (location, scale)),
    "laplace": ("laplace", lambda location, scale: (location, scale)),
    "cauchy": ("cauchy", lambda location, scale: (location, scale)),
    "gumbel_r": ("gumbel", lambda location, scale: (location, scale)),
    "uniform": ("uniform", lambda location, scale: (location, location + scale)),
    "expon": ("exponential", lambda location, scale: (scale, location)),
    "t": ("t", lambda df, location, scale: (df, location, scale)),
    "gamma": ("gamma", lambda a, location, scale: (a, scale, location)),
    "erlang": ("gamma", lambda a, location, scale: (a, scale, location)),
    "chi2": ("gamma", lambda df, location, scale: (df / 2, 2 * scale, location)),
    "weibull_min": ("weibull", lambda c, location, scale: (c, scale, location)),
    # Our families lack the location and the scale of these.
    "beta": ("beta", lambda a, b, location, scale: (a, b) if (location, scale) == (0, 1) else ()),
    "arcsine": ("beta", lambda location, scale: (HALF, HALF) if (location, scale) == (0, 1) else ()),
    "lognorm": ("lognormal", lambda s, location, scale: (Integer(0), s, location) if scale == 1 else ()),
    "pareto": ("pareto", lambda b, location, scale: (b, scale, location)),
}


class ScipyLaw(NamedTuple):
    """A continuous distribution of scipy.stats with its parameters.

    Attributes
    ----------
    name : str
        One of `continuous_distributions`.
    shapes : tuple of Rational
    location, scale : Rational
    """

    name: str
    shapes: _Values
    location: Rational
    scale: Rational

    @property
    def family(self) -> tuple[str, _Values] | None:
        """The family of ours that it belongs to, with the values of all its parameters; None if there is none."""
        if self.name not in _FAMILIES:
            return None
        family, parameters = _FAMILIES[self.name]
        values = parameters(*self.shapes, self.location, self.scale)
        return (family, values) if values else None

    def density(self) -> Density:
        """Return the density, whose integrals are tabulated.

        Raises
        ------
        InputError
            If it has no density on the line, or one that takes too long.
        """
        return _density(*self)

    def check(self) -> ScipyLaw:
        """Return the distribution itself.

        Raises
        ------
        InputError
            If a parameter is out of scipy's range.
        """
        if not self.scale > 0:
            scale = format_number(self.scale)
            raise InputError(f"the parameter scale of scipy:{self.name} must be positive, got {scale}.")
        law, numbers = continuous_distributions()[self.name], [float(shape) for shape in self.shapes]
        # scipy warns of a shape that is not whole where it should be.
        with warnings.catch_warnings(record=True, action="always") as warned:
            valid = np.all(law._argcheck(*numbers))
        if warned or not valid:
            listed = ", ".join(f"{one}={value:g}" for one, value in zip(_shapes(law), numbers, strict=True))
            raise InputError(
                f"the parameters of scipy:{self.name} must be in the range that scipy gives, got {listed}."
            )
        return self


def read_scipy(text: str) -> ScipyLaw:
    """Return the distribution of scipy.stats that is written as ``name(shapes, loc, scale)``.

    Raises
    ------
    InputError
        If scipy has no continuous distribution of that name, or the parameters are not its own or out of range.

    Examples
    --------
    >>> read_scipy("norm(1, scale=2)").family, read_scipy("invgauss(0.5)").density().name
    (('normal', (1, 2)), 'scipy:invgauss(0.5)')
    """
    found = re.fullmatch(r"\s*([A-Za-z]\w{0,39})\s*(?:\(([^()]*)\))?\s*", text)
    if found is None:
        raise InputError(
            f"a distribution of scipy must be a name with numbers in parentheses, got {text[:60]!r}. Write it as "
            f"{SCIPY_EXAMPLE}."
        )
    name = found[1]
    law = continuous_distributions().get(name)
    if law is None:
        raise InputError(
            f"scipy:{name} must be the name of a continuous distribution of scipy.stats, which {name!r} is not. "
            f"{suggest(name, continuous_distributions(), f'Write it as {SCIPY_EXAMPLE}.')}"
        )
    what, shapes = f"scipy:{name}", _shapes(law)
    form = f"Write scipy:{name}({','.join([*shapes, 'loc=0', 'scale=1'])})."
    positional, named = read_numbers(found[2] or "", what, form)
    names = [*shapes, "loc", "scale"]
    if len(positional) > len(names):
        raise InputError(f"{what} must have at most {len(names)} parameters, got {len(positional)}. {form}")
    given = dict(zip(names, positional, strict=False))
    for one, value in named.items():
        if one not in names or one in given:
            why = "given once, got it twice" if one in given else f"one of {', '.join(names)}"
            raise InputError(f"the parameter {one} of {what} must be {why}. {form}")
        given[one] = value
    missing = [shape for shape in shapes if shape not in given]
    if missing:
        raise InputError(f"{what} must have the parameter {missing[0]}, got none. {form}")
    values = tuple(given[shape] for shape in shapes)
    return ScipyLaw(name, values, given.get("loc", Integer(0)), given.get("scale", Integer(1))).check()


def read_frozen(frozen: Any) -> ScipyLaw:
    """Return what a frozen continuous distribution of scipy.stats is, such as ``scipy.stats.gamma(2)``.

    Raises
    ------
    InputError
        If the object is something else.
    """
    law, arguments, named = (getattr(frozen, attribute, None) for attribute in ("dist", "args", "kwds"))
    name = getattr(law, "name", None)
    if not isinstance(name, str) or not isinstance(arguments, tuple) or not isinstance(named, dict):
        raise InputError(
            "a density must be a name, a Density, a frozen continuous distribution of scipy.stats or (expression, "
            f"(lower, upper)), got {type(frozen).__name__}. Try {SCIPY_EXAMPLE}."
        )
    known = continuous_distributions().get(name)
    if law is None or known is None or type(known) is not type(law):
        raise InputError(
            f"a frozen distribution must be a continuous one of scipy.stats, got {name!r}. Give a formula with its "
            "support."
        )
    shapes, location, scale = law._parse_args(*arguments, **named)
    try:
        numbers = [_exact(value) for value in (*shapes, location, scale)]
    except (TypeError, ValueError):
        listed = ", ".join(map(str, (*shapes, location, scale)))
        raise InputError(f"the parameters of {name} must be single finite numbers, got {listed}.") from None
    return ScipyLaw(name, tuple(numbers[:-2]), *numbers[-2:]).check()


def _exact(value: Any) -> Rational:
    """Return the shortest decimal that is the double."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(number)
    return Rational(repr(number))


@cache
def continuous_distributions() -> Mapping[str, Any]:
    """Return the continuous distributions of scipy.stats by name."""
    # The import takes most of a second, and few densities need it.
    from scipy import stats

    found = {name: getattr(stats, name) for name in dir(stats)}
    return {name: law for name, law in found.items() if isinstance(law, stats.rv_continuous)}


def _shapes(law: Any) -> list[str]:
    return [shape.strip() for shape in law.shapes.split(",")] if law.shapes else []


def _write(name: str, shapes: _Values, location: Expr, scale: Expr) -> str:
    parts = [*map(format_number, shapes)]
    parts += [f"loc={format_number(location)}"] if location != 0 else []
    parts += [f"scale={format_number(scale)}"] if scale != 1 else []
    return f"scipy:{name}({','.join(parts)})" if parts else f"scipy:{name}"


@cache
def _density(name: str, shapes: _Values, location: Rational, scale: Rational) -> Density:
    written = _write(name, shapes, location, scale)
    if name in REFUSED:
        raise InputError(f"scipy:{name} must be tabulated, but {REFUSED[name]}. Choose another density.")
    standard = _standard_within_time(name, shapes)
    if (location, scale) == (0, 1):
        return standard
    return place_density(standard, written, location, scale, partial(_move, name, shapes, location, scale))


def _move(name: str, shapes: _Values, location: Rational, scale: Rational, distance: Expr) -> Density:
    return _density(name, shapes, location + distance, scale)


def _standard_within_time(name: str, shapes: _Values) -> Density:
    written = _write(name, shapes, Integer(0), Integer(1))
    try:
        # At the borders of their parameters scipy's functions warn of, or raise, many things.
        with processor_time_limited(SECONDS), warnings.catch_warnings(action="ignore"):
            return _standard(name, shapes)
    except InputError:
        raise
    except ProcessorTimeExceeded:
        raise InputError(
            f"{written} must be tabulated within {SECONDS:g} seconds, which it is not. Choose other parameters."
        ) from None
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as reason:
        raise InputError(
            f"{written} must have a density and quantiles, but scipy says: {reason}. Choose other parameters."
        ) from None


@cache
def _standard(name: str, shapes: _Values) -> Density:
    """Return the density at location 0 and scale 1."""
    law = continuous_distributions()[name]
    numbers = [float(shape) for shape in shapes]
    written = _write(name, shapes, Integer(0), Integer(1))
    lower, upper = (float(end) for end in law.support(*numbers))

    def values(points: Array) -> Array:
        # Outside of the support there is no density to be continued.
        with np.errstate(all="ignore"):
            found = law.pdf(points, *numbers)
        return np.where((points < lower) | (points > upper), np.nan, found)

    if not lower < upper:
        raise InputError(f"{written} must have a support, got {lower} to {upper}. Choose other parameters.")
    first, middle, last = (float(level) for level in law.ppf([0.25, 0.5, 0.75], *numbers))
    if not math.isfinite(first + middle + last):
        raise InputError(f"{written} must have finite quartiles, got {first}, {middle}, {last}. Choose others.")
    function = computed_function(f"density of {written}", values, max((last - first) / 2, 1e-300))
    piece = Piece(_end(lower), _end(upper), function(x))
    density = tabulated_density(
        written, (piece,), partial(_move, name, shapes, Integer(0), Integer(1)), places=(first, middle, last)
    )
    _require_agreement(density, law, numbers)
    return density


def _end(value: float) -> Expr:
    return oo * int(math.copysign(1, value)) if math.isinf(value) else sympy.Rational(repr(value))


def _require_agreement(density: Density, law: Any, numbers: list[float]) -> None:
    """Require that the tabulated distribution function is scipy's."""
    levels = np.array([0.001, 0.05, 0.3, 0.5, 0.8, 0.99])
    points = law.ppf(levels, *numbers)
    function = sympy.lambdify(x, density.distribution, "scipy")
    found, expected = function(points), law.cdf(points, *numbers)
    worst = int(np.argmax(np.abs(found - expected)))
    if not abs(found[worst] - expected[worst]) <= AGREEMENT:
        raise InputError(
            f"the density {density.name} must be the derivative of its distribution function, but at "
            f"{points[worst]:.6g} scipy's is {expected[worst]:.9g}, and the integral of its density "
            f"{found[worst]:.9g}. Choose other parameters."
        )
