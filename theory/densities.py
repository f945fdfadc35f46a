"""Densities and weights, symbolically, and assumptions A2 to A4.

A density or weight is defined here once, by sympy expressions on consecutive intervals. The exact mean of T_m and
the compiled statistic derive their numerical forms from these definitions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import pairwise, product

import numpy as np
import numpy.typing as npt
import sympy
from sympy import (
    Expr,
    Integer,
    Piecewise,
    Pow,
    Rational,
    betainc_regularized,
    binomial,
    cosh,
    erfc,
    erfcinv,
    exp,
    gamma,
    log,
    oo,
    pi,
    sqrt,
)

from theory import repeated_integrals
from theory.conditions import Condition
from theory.errors import InputError, suggestion
from theory.kernels import Piece, x
from theory.names import NUMBER, numbers_in, written
from theory.quantiles import NumericalInverse

Array = npt.NDArray[np.float64]

LARGEST_BETA_PARAMETER = 80
"""Up to here the gamma functions of a beta density stay within double precision."""
SMALLEST_DENSITY = 1e-290
"""Where a density is smaller, its reciprocal nears the end of double precision."""

probability = sympy.Symbol("p", positive=True)
"""The argument of every quantile function, between 0 and 1."""


@dataclass(frozen=True)
class Density:
    """A probability density from which samples are drawn (the paper's f).

    Parameters
    ----------
    name : str
        What the command line calls it.
    pieces : tuple of Piece
        The density in `x` on consecutive intervals; it is zero outside them.
    distribution : sympy.Expr
        The distribution function in `x`, on the support; written so that its lower tail keeps full precision.
    quantile : sympy.Expr, optional
        Its inverse in `probability`; written so that the lower tail keeps full precision. Without one `quantiles`
        inverts numerically.
    survival : sympy.Expr, optional
        1 less the distribution function, written so that the upper tail keeps full precision. It is needed where
        there is no quantile, and for a weight that does not end.
    squared_distribution : sympy.Expr, optional
        The integral of the squared density from the lower end of the support up to `x`.
    components : tuple of (sympy.Expr, Density)
        The weights and densities of which this one is a mixture, if it is one.
    repeated_integral : function of an order, optional
        The pieces, on the whole line, of the density integrated so many times (see `theory.repeated_integrals`).

    Examples
    --------
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
    repeated_integral: Callable[[int], tuple[Piece, ...]] | None = field(default=None, compare=False, repr=False)

    @property
    def support(self) -> tuple[Expr, Expr]:
        """The interval outside which the density is zero."""
        return self.pieces[0].lower, self.pieces[-1].upper

    @property
    def knots(self) -> tuple[Expr, ...]:
        """The finite points, in order, where one expression gives way to the next or to zero."""
        return _finite_bounds(self.pieces)

    @property
    def rough_knots(self) -> tuple[Expr, ...]:
        """The knots at which the density behaves like a fractional power, so that no polynomial is close to it."""
        return tuple(knot for knot, exponent in self.powers_at_knots() if not exponent.is_Integer or exponent < 0)

    @property
    def unbounded_knots(self) -> tuple[Expr, ...]:
        """The knots at which the density is unbounded."""
        return tuple(knot for knot, exponent in self.powers_at_knots() if exponent < 0)

    def quantiles(self, levels: Array) -> Array:
        """Return the quantiles at ``levels``, numbers strictly between 0 and 1, to double precision."""
        return _quantile_function(self)(levels)

    def bulk(self, tail: float) -> tuple[float, float]:
        """Return an interval beyond each end of which the density has at most the mass ``tail``.

        Raises
        ------
        InputError
            If the support is unbounded and no survival function says how heavy its tail is.

        Examples
        --------
        >>> [round(end, 3) for end in NORMAL.bulk(0.025)], [round(end, 3) for end in LAPLACE.bulk(1e-22)]
        ([-1.96, 1.96], [-49.964, 49.964])
        """
        lower, upper = self.support
        if self.survival is None and not (lower.is_finite and upper.is_finite):
            raise InputError(f"the tail of {self.name} is unknown: the density has no survival function.")
        below, above = (sympy.lambdify(x, tail_of, "scipy") for tail_of in (self.distribution, self.survival))
        return (
            float(lower) if lower.is_finite else -_falls_to(tail, lambda point: float(below(-point))),
            float(upper) if upper.is_finite else _falls_to(tail, lambda point: float(above(point))),
        )

    def powers_at_knots(self) -> Iterable[tuple[Expr, Expr]]:
        """Yield each knot where a base of a power in the density vanishes, with the exponent."""
        for piece in self.pieces:
            for knot, power in product({piece.lower, piece.upper}, piece.density.atoms(Pow)):
                if knot.is_finite and power.base.subs(x, knot) == 0:
                    yield knot, power.exp


@dataclass(frozen=True)
class Weight:
    """A weight under the integral of T_m (the paper's a).

    Parameters
    ----------
    name : str
        What the command line calls it.
    pieces : tuple of Piece
        The weight in `x` on consecutive intervals; it is zero outside them.

    Examples
    --------
    >>> window(-2, 2).support
    (-2, 2)
    """

    name: str
    pieces: tuple[Piece, ...]

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
        """The finite points, in order, where one expression gives way to the next or to zero."""
        return _finite_bounds(self.pieces)


@cache
def _quantile_function(density: Density) -> Callable[[Array], Array]:
    if density.quantile is not None:
        closed: Callable[[Array], Array] = sympy.lambdify(probability, density.quantile, "scipy")
        return closed
    if density.survival is None:
        raise InputError(f"the density {density.name} has neither a quantile nor a survival function to invert.")
    ((piece,), (lower, upper)) = density.pieces, density.support
    pdf, distribution, survival = (
        sympy.lambdify(x, function, "scipy") for function in (piece.density, density.distribution, density.survival)
    )
    return NumericalInverse(pdf, distribution, survival, (float(lower), float(upper)))


def _falls_to(level: float, function: Callable[[float], float]) -> float:
    """Return a point, exact to rounding, from which on a falling function is at most ``level``."""
    reach = 1.0
    while function(reach) > level or function(-reach) <= level:
        reach *= 2
    low, high = -reach, reach
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > level else (low, middle)
    return high


def normal(mean: Expr | int, standard_deviation: Expr | int) -> Density:
    """Return the normal density with the given moments.

    Raises
    ------
    InputError
        If the mean is not finite, or the standard deviation not positive and finite.

    Examples
    --------
    >>> normal(1, 2).name, normal(1, 2).pieces[0].density
    ('normal(1,2)', sqrt(2)*exp(-(x/2 - 1/2)**2/2)/(4*sqrt(pi)))
    """
    mean, deviation = sympy.sympify(mean), sympy.sympify(standard_deviation)
    if not (mean.is_finite and deviation.is_finite and deviation > 0):
        raise InputError(f"a normal density needs a mean and a positive standard deviation, got {mean}, {deviation}.")
    z = (x - mean) / deviation
    return Density(
        name=f"normal({written(mean)},{written(deviation)})",
        pieces=(Piece(-oo, oo, exp(-(z**2) / 2) / (deviation * sqrt(2 * pi))),),
        distribution=_normal_distribution(z),
        quantile=mean - deviation * sqrt(2) * erfcinv(2 * probability),
        survival=_normal_distribution(-z),
        squared_distribution=_normal_distribution(sqrt(2) * z) / (2 * sqrt(pi) * deviation),
        repeated_integral=partial(repeated_integrals.of_normal, mean, deviation),
    )


def _normal_distribution(z: Expr) -> Expr:
    """Return the normal distribution function; sympy itself would turn erfc(-z) into 2 - erfc(z), losing the tail."""
    return erfc(-z / sqrt(2), evaluate=False) / 2


def uniform(lower: Expr | int, upper: Expr | int) -> Density:
    """Return the uniform density on [lower, upper].

    Raises
    ------
    InputError
        If ``lower`` is not below ``upper``, or one of them is not finite.

    Examples
    --------
    >>> uniform(-1, 1).support, uniform(-1, 1).distribution
    ((-1, 1), x/2 + 1/2)
    """
    lower, upper = sympy.sympify(lower), sympy.sympify(upper)
    if not (lower.is_finite and upper.is_finite and lower < upper):
        raise InputError(
            f"a uniform density needs two finite ends, the lower first, got {lower} and {upper}. Try uniform:-1,1."
        )
    width = upper - lower
    return Density(
        name=f"uniform:{written(lower)},{written(upper)}",
        pieces=(Piece(lower, upper, 1 / width),),
        distribution=(x - lower) / width,
        quantile=lower + width * probability,
        survival=(upper - x) / width,
        squared_distribution=(x - lower) / width**2,
        repeated_integral=partial(repeated_integrals.of_uniform, lower, upper),
    )


def beta(p: Expr | int, q: Expr | int) -> Density:
    """Return the beta density with the parameters ``p`` and ``q``, on [0, 1].

    Raises
    ------
    InputError
        If a parameter is not positive, or is so large that the density leaves double precision.

    Examples
    --------
    >>> beta(2, 2).pieces[0].density, beta(2, 2).distribution.expand()
    (6*x*(1 - x), -2*x**3 + 3*x**2)
    """
    p, q = sympy.sympify(p), sympy.sympify(q)
    if not (0 < p <= LARGEST_BETA_PARAMETER and 0 < q <= LARGEST_BETA_PARAMETER):
        raise InputError(
            f"a beta density needs two positive parameters of at most {LARGEST_BETA_PARAMETER}, got {p} and {q}. "
            "Try beta:2,3."
        )
    square = None
    if 2 * p > 1 and 2 * q > 1:
        square = _beta_constant(p, q) ** 2 / _beta_constant(2 * p - 1, 2 * q - 1)
        square *= _regularised_beta(2 * p - 1, 2 * q - 1, x)
    return Density(
        name=f"beta:{written(p)},{written(q)}",
        pieces=(Piece(Integer(0), Integer(1), _beta_constant(p, q) * x ** (p - 1) * (1 - x) ** (q - 1)),),
        distribution=_regularised_beta(p, q, x),
        survival=_regularised_beta(q, p, 1 - x),
        squared_distribution=square,
        repeated_integral=partial(repeated_integrals.of_beta, p, q),
    )


def _beta_constant(p: Expr, q: Expr) -> Expr:
    return gamma(p + q) / (gamma(p) * gamma(q))


def _regularised_beta(p: Expr, q: Expr, point: Expr) -> Expr:
    """Return the beta distribution function; for whole parameters the tail of a binomial law, a sum without signs."""
    if not (p.is_Integer and q.is_Integer):
        return betainc_regularized(p, q, 0, point)
    trials = int(p + q) - 1
    terms = (binomial(trials, j) * point**j * (1 - point) ** (trials - j) for j in range(int(p), trials + 1))
    return sum(terms, start=Integer(0))


def mixture(*components: tuple[Expr | int, Expr | int, Expr | int]) -> Density:
    """Return a mixture of normal densities, each given by its weight, mean and standard deviation.

    Raises
    ------
    InputError
        If there is none, a weight is not positive, the weights do not sum to 1, or a component is no density.

    Examples
    --------
    >>> half = Rational(1, 2)
    >>> mixture((half, -1, half), (half, 1, half)).name
    'mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)'
    """
    weights = [sympy.sympify(weight) for weight, _, _ in components]
    densities = [normal(mean, deviation) for _, mean, deviation in components]
    listed = " + ".join(written(weight) for weight in weights) or "none"
    if not all(weight > 0 for weight in weights) or sum(weights) != 1:
        raise InputError(
            f"the weights of a mixture must be positive and sum to 1, got {listed}. Try {MIXTURE_EXAMPLE}."
        )
    weighted = tuple(zip(weights, densities, strict=True))
    joined = "+".join(f"{written(weight)}*{density.name}" for weight, density in weighted)
    return Density(
        name=f"mixture:{joined}",
        pieces=(Piece(-oo, oo, _weighted_sum(weighted, lambda density: density.pieces[0].density)),),
        distribution=_weighted_sum(weighted, lambda density: density.distribution),
        survival=_weighted_sum(weighted, lambda density: density.survival),
        squared_distribution=_integral_of_products(components),
        components=weighted,
        repeated_integral=partial(_repeated_integral_of_mixture, weighted),
    )


def _weighted_sum(weighted: Iterable[tuple[Expr, Density]], function: Callable[[Density], Expr | None]) -> Expr:
    return sum((weight * function(density) for weight, density in weighted), start=Integer(0))


def _repeated_integral_of_mixture(weighted: Iterable[tuple[Expr, Density]], order: int) -> tuple[Piece, ...]:
    parts = ((weight, density.repeated_integral) for weight, density in weighted)
    return repeated_integrals.of_mixture((weight, integral(order)) for weight, integral in parts if integral)


def _integral_of_products(components: Iterable[tuple[Expr | int, Expr | int, Expr | int]]) -> Expr:
    """Return the integral up to `x` of the square of a normal mixture: a product of two normals is again normal."""
    total: Expr = Integer(0)
    for one, other in product(components, repeat=2):
        (w, mean, s), (v, centre, t) = (tuple(map(sympy.sympify, component)) for component in (one, other))
        variance = s**2 + t**2
        overlap = exp(-((mean - centre) ** 2) / (2 * variance)) / sqrt(2 * pi * variance)
        z = (x - (mean * t**2 + centre * s**2) / variance) * sqrt(variance) / (s * t)
        total += w * v * overlap * _normal_distribution(z)
    return total


NORMAL = Density(
    name="normal",
    pieces=(Piece(-oo, oo, exp(-(x**2) / 2) / sqrt(2 * pi)),),
    distribution=_normal_distribution(x),
    quantile=-sqrt(2) * erfcinv(2 * probability),
    survival=_normal_distribution(-x),
    squared_distribution=_normal_distribution(sqrt(2) * x) / (2 * sqrt(pi)),
    repeated_integral=partial(repeated_integrals.of_normal, Integer(0), Integer(1)),
)
# With u = F(x), f = u (1 - u) = du/dx: the integral of f^2 is that of u (1 - u) du.
_LOGISTIC_DISTRIBUTION = 1 / (1 + exp(-x))
LOGISTIC = Density(
    name="logistic",
    pieces=(Piece(-oo, oo, 1 / (4 * cosh(x / 2) ** 2)),),
    distribution=_LOGISTIC_DISTRIBUTION,
    quantile=log(probability / (1 - probability)),
    survival=1 / (1 + exp(x)),
    squared_distribution=_LOGISTIC_DISTRIBUTION**2 / 2 - _LOGISTIC_DISTRIBUTION**3 / 3,
    repeated_integral=repeated_integrals.of_logistic,
)
LAPLACE = Density(
    name="laplace",
    pieces=(Piece(-oo, Integer(0), exp(x) / 2), Piece(Integer(0), oo, exp(-x) / 2)),
    distribution=Piecewise((exp(x) / 2, x <= 0), (1 - exp(-x) / 2, True)),
    quantile=Piecewise((log(2 * probability), probability <= Rational(1, 2)), (-log(2 * (1 - probability)), True)),
    survival=Piecewise((1 - exp(x) / 2, x <= 0), (exp(-x) / 2, True)),
    squared_distribution=Piecewise((exp(2 * x) / 8, x <= 0), (Rational(1, 4) - exp(-2 * x) / 8, True)),
    repeated_integral=repeated_integrals.of_laplace,
)
DENSITIES = {density.name: density for density in (NORMAL, LOGISTIC, LAPLACE)}
"""The densities without parameters."""
WEIGHT_FORMS = ("window:c,d", "inverse-density:c,d", "one")
"""How the weights are written."""
MIXTURE_EXAMPLE = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"
FAMILIES: dict[str, tuple[str, Callable[..., Density]]] = {"uniform": ("lo,hi", uniform), "beta": ("p,q", beta)}
"""The densities with two parameters: how these are called, and what makes the density."""
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
    return Weight(f"window:{written(lower)},{written(upper)}", (Piece(lower, upper, Integer(1)),))


def inverse_density(density: str | Density, lower: Expr | int, upper: Expr | int) -> Weight:
    """Return the weight that is 1/f on [lower, upper] and 0 elsewhere, for the density f.

    Raises
    ------
    InputError
        If ``lower`` is not below ``upper``, one of them is not finite, or f vanishes between them, at one of them, or
        in double precision.

    Examples
    --------
    >>> inverse_density("uniform:-1,1", -1, 1).pieces
    (Piece(lower=-1, upper=1, density=2),)
    """
    density = density_named(density)
    lower, upper = _interval("inverse-density", "inverse-density:-2,2", lower, upper)
    name = f"inverse-density:{written(lower)},{written(upper)}"
    if lower < density.support[0] or upper > density.support[1]:
        start, end = density.support
        raise InputError(
            f"the weight {name} needs a density that vanishes nowhere on it, but {density.name} vanishes "
            f"outside [{start}, {end}]."
        )
    pieces = tuple(overlaps((Piece(lower, upper, Integer(1)),), density.pieces))
    vanishing = next((point for piece in pieces for point in _vanishing(piece)), None)
    if vanishing is not None:
        raise InputError(
            f"the weight {name} needs a density that vanishes nowhere on it, but {density.name} is below "
            f"{SMALLEST_DENSITY:g} at {vanishing:.6g}."
        )
    return Weight(name, tuple(Piece(piece.lower, piece.upper, 1 / piece.density) for piece in pieces))


def _vanishing(piece: Piece) -> Iterable[float]:
    """Yield the points of a fine grid over ``piece``, its ends included, where the function is all but zero."""
    points = np.linspace(float(piece.lower), float(piece.upper), 1001)
    with np.errstate(all="ignore"):
        values = np.broadcast_to(sympy.lambdify(x, piece.density, "scipy")(points), points.shape)
    yield from points[values < SMALLEST_DENSITY].tolist()


def _interval(what: str, example: str, lower: Expr | int, upper: Expr | int) -> tuple[Expr, Expr]:
    lower, upper = sympy.sympify(lower), sympy.sympify(upper)
    if not (lower.is_finite and upper.is_finite and lower < upper):
        raise InputError(f"{what} needs two finite ends, the lower first, got {lower} and {upper}. Try {example}.")
    return lower, upper


def density_named(name: str | Density) -> Density:
    """Return the density called ``name`` (a Density is returned as it is).

    Raises
    ------
    InputError
        If there is no such density, or its parameters are not those of one; the message says what there is.

    Examples
    --------
    >>> density_named("uniform:-1,1").pieces
    (Piece(lower=-1, upper=1, density=1/2),)
    """
    if isinstance(name, Density):
        return name
    text = name.strip()
    kind, _, parameters = text.partition(":")
    if text in DENSITIES:
        return DENSITIES[text]
    if kind in FAMILIES:
        called, family = FAMILIES[kind]
        numbers = numbers_in(parameters, 2)
        if numbers is None:
            raise InputError(f"{name!r} is no density: {kind} needs two numbers, {kind}:{called}.")
        return family(*numbers)
    if kind == "mixture":
        return mixture(*_components(name, parameters))
    known = [*DENSITIES, *FAMILIES, "mixture"]
    near = suggestion(kind, known, otherwise=" ").strip()
    listed = ", ".join([*DENSITIES, *(f"{kind}:{called}" for kind, (called, _) in FAMILIES.items()), MIXTURE_EXAMPLE])
    raise InputError(f"{name!r} is no density. {near + ' ' if near else ''}There is {listed}.")


def _components(name: str, text: str) -> Iterable[tuple[Expr, Expr, Expr]]:
    """Yield the weight, mean and standard deviation of each component written in ``text``."""
    for term in re.split(r"\+(?=[^+(]*\*)", text.replace(" ", "")):
        parts = re.fullmatch(rf"({NUMBER})\*normal\(({NUMBER},{NUMBER})\)", term)
        numbers = numbers_in(f"{parts[1]},{parts[2]}", 3) if parts else None
        if numbers is None:
            raise InputError(f"{name!r} is no density: write a mixture of normals as {MIXTURE_EXAMPLE}.")
        yield numbers[0], numbers[1], numbers[2]


def weight_named(name: str | Weight, density: str | Density | None = None) -> Weight:
    """Return the weight called ``name``, as in ``"window:-2,2"`` (a Weight is returned as it is).

    Parameters
    ----------
    name : str or Weight
        ``one``, ``window:c,d``, or ``inverse-density:c,d``.
    density : str or Density, optional
        The density f, of which an inverse-density weight is the reciprocal.

    Raises
    ------
    InputError
        If there is no such weight, its ends are not two numbers, the lower first, or the density vanishes where its
        reciprocal is wanted.

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
        near = suggestion(kind, WEIGHT_FORMS, otherwise=" ").strip()
        raise InputError(f"{name!r} is no weight. {near + ' ' if near else ''}There is {', '.join(WEIGHT_FORMS)}.")
    numbers = numbers_in(ends, 2)
    if numbers is None:
        raise InputError(f"{name!r} is no weight: {kind} needs two numbers, the lower first. Try {kind}:-2,2.")
    if kind == "window":
        return window(*numbers)
    if density is None:
        raise InputError(f"the weight {text} is 1/f: say for which density.")
    return inverse_density(density, *numbers)


def density_assumptions(density: str | Density) -> tuple[Condition, ...]:
    """Decide A2, A3 and A4 for ``density``, each with its reason.

    Source: Section 2.2.2. The decisions are symbolic: a function that is continuous on an open interval and has
    finite limits at both ends is bounded there.

    Examples
    --------
    >>> all(condition.holds for condition in density_assumptions("normal"))
    True
    >>> [condition.name[:2] for condition in density_assumptions("uniform:-1,1") if not condition.holds]
    ['A2', 'A2', 'A3', 'A4']
    """
    density = density_named(density)
    of_components = _component_assumptions(density)
    if of_components:
        return of_components
    continuous, positive = _continuous(density), _positive(density)
    return (
        continuous,
        positive,
        _bounded("A2: f bounded", "f", density, lambda pdf: pdf),
        _smooth_root(density, continuous),
        _second_derivative(density),
    )


def _component_assumptions(density: Density) -> tuple[Condition, ...]:
    """Decide A2 to A4 for a mixture whose components meet them all; otherwise return nothing.

    With f = sum of w f_i, f'^2 / f <= sum of w f_i'^2 / f_i (Cauchy and Schwarz), so that A3 passes to the mixture.
    """
    decided = [density_assumptions(component) for _, component in density.components]
    if not decided or not all(condition.holds for conditions in decided for condition in conditions):
        return ()
    reasons = {"A3": "(f')^2 / f <= the weighted sum of (f_i')^2 / f_i (Cauchy-Schwarz), and each is bounded"}
    each = "f is a weighted sum of densities, each of which meets it"
    return tuple(
        Condition(condition.name, True, reasons.get(condition.name.split(":")[0], each)) for condition in decided[0]
    )


def weight_conditions(weight: str | Weight, density: str | Density | None = None) -> tuple[Condition, ...]:
    """Decide what Theorem 3.1 asks of the weight: integrable, piecewise continuous and bounded.

    ``density`` is needed where ``weight`` is a name that depends on it, as ``"inverse-density:-2,2"``.

    Examples
    --------
    >>> [condition.holds for condition in weight_conditions("window:-2,2")]
    [True, True, True]
    >>> [condition.reason for condition in weight_conditions("one") if not condition.holds]
    ['the integral of a is oo']
    """
    weight = weight_named(weight, density)
    unbounded = _unbounded_where(weight.pieces, lambda value: value)
    continuous = all(_singularities(piece, piece.density) is sympy.S.EmptySet for piece in weight.pieces)
    return (
        _integrable(weight, bounded=continuous and not unbounded),
        Condition(
            "weight: piecewise continuous",
            continuous,
            f"a is {'' if continuous else 'not '}continuous between its knots {_listed(weight.knots)}",
        ),
        Condition("weight: bounded", not unbounded, unbounded or "a has finite limits at both ends of every piece"),
    )


def _integrable(weight: Weight, bounded: bool) -> Condition:
    name = "weight: integrable"
    if bounded and all(end.is_finite for end in weight.support) and any(p.density.has(x) for p in weight.pieces):
        return Condition(name, True, "a is bounded, and vanishes outside a bounded interval")
    integral = integral_of(weight.pieces)
    return Condition(name, bool(integral.is_finite), f"the integral of a is {integral}")


def integral_of(*factors: tuple[Piece, ...]) -> Expr:
    """Return the exact integral of the product of piecewise functions, each zero outside its pieces.

    Examples
    --------
    >>> integral_of(NORMAL.pieces, window(-2, 2).pieces)
    erf(sqrt(2))
    """
    pieces: tuple[Piece, ...] = (Piece(-oo, oo, sympy.Integer(1)),)
    for factor in factors:
        pieces = tuple(overlaps(pieces, factor))
    parts = (sympy.integrate(piece.density, (x, piece.lower, piece.upper)) for piece in pieces)
    return sympy.simplify(sum(parts, start=sympy.Integer(0)))


def integral_of_product(density: Density, weight: Weight, power: int = 1) -> Expr:
    """Return the exact integral of f a, or of f^2 a^2 with a power of 2, for the density f and the weight a.

    Where no closed form is known the integral is returned unevaluated; ``float`` evaluates it numerically.

    Examples
    --------
    >>> integral_of_product(NORMAL, window(-2, 2)), integral_of_product(LAPLACE, ONE, power=2)
    (erf(sqrt(2)), 1/4)
    """
    parts = (
        _integral_of_power(density, Piece(lower, upper, piece.density), one.density, power)
        for one in weight.pieces
        for piece in density.pieces
        for lower, upper in [(sympy.Max(one.lower, piece.lower), sympy.Min(one.upper, piece.upper))]
        if lower < upper
    )
    total = sum(parts, start=Integer(0))
    return total if total.has(sympy.Integral) else sympy.simplify(total.rewrite(sympy.erf))


def _integral_of_power(density: Density, piece: Piece, weight: Expr, power: int) -> Expr:
    """Return the integral of (f a)^power over a part of one piece of f."""
    known = density.distribution if power == 1 else density.squared_distribution
    if not weight.has(x) and known is not None:
        return weight**power * (_value(known, piece.upper) - _value(known, piece.lower))
    integrand = sympy.simplify(weight * piece.density)
    if not integrand.has(x):
        return integrand**power * (piece.upper - piece.lower)
    if any(piece.lower <= knot <= piece.upper and power * order <= -1 for knot, order in density.powers_at_knots()):
        return oo
    if density.rough_knots:
        return sympy.Integral(integrand**power, (x, piece.lower, piece.upper))
    return sympy.integrate(integrand**power, (x, piece.lower, piece.upper))


def _value(function: Expr, point: Expr) -> Expr:
    """Return the value of a distribution function, in which sympy leaves the ends of a beta distribution open."""
    ends = {(0, 0): Integer(0), (0, 1): Integer(1)}
    return function.subs(x, point).replace(
        betainc_regularized, lambda p, q, low, high: ends.get((low, high), betainc_regularized(p, q, low, high))
    )


def overlaps(left: tuple[Piece, ...], right: tuple[Piece, ...]) -> Iterable[Piece]:
    """Yield the pieces of the product of two piecewise functions, each zero outside its pieces."""
    for one in left:
        for other in right:
            lower, upper = sympy.Max(one.lower, other.lower), sympy.Min(one.upper, other.upper)
            if lower < upper:
                yield Piece(lower, upper, one.density * other.density)


def _continuous(density: Density) -> Condition:
    name = "A2: f continuous"
    for piece in density.pieces:
        gaps = _singularities(piece, piece.density)
        if gaps is not sympy.S.EmptySet:
            return Condition(name, False, f"f is singular at {gaps}")
    jump = _jump_of(density, lambda pdf: pdf)
    return Condition(name, not jump, f"f {jump}" if jump else "one-sided limits of f agree everywhere")


def _positive(density: Density) -> Condition:
    name = "A2: f positive"
    lower, upper = density.support
    if lower.is_finite or upper.is_finite:
        return Condition(name, False, f"f vanishes outside [{lower}, {upper}]")
    positive = all(piece.density.is_positive for piece in density.pieces)
    return Condition(name, positive, f"f(x) > 0 for every real x{'' if positive else ' could not be established'}")


def _smooth_root(density: Density, continuous: Condition) -> Condition:
    name = "A3: sqrt(f) absolutely continuous with a bounded derivative"
    if not continuous.holds:
        return Condition(name, False, f"sqrt(f) is not continuous: {continuous.reason}")
    return _bounded(name, "(sqrt f)'", density, lambda pdf: sympy.simplify(sympy.diff(pdf, x) / (2 * sqrt(pdf))))


def _second_derivative(density: Density) -> Condition:
    name = "A4: f'' exists and is bounded"
    for order, symbol in enumerate(("f", "f'", "f''")):
        jump = _jump_of(density, _derivative(order))
        if jump:
            return Condition(name, False, f"{symbol} {jump}")
    return _bounded(name, "f''", density, _derivative(2))


def _derivative(order: int) -> Callable[[Expr], Expr]:
    return lambda pdf: sympy.diff(pdf, x, order)


def _bounded(name: str, symbol: str, density: Density, derived: Callable[[Expr], Expr]) -> Condition:
    broken = _unbounded_where(density.pieces, derived)
    reason = (
        f"{symbol} {broken}" if broken else f"{symbol} is continuous between knots with finite limits at their ends"
    )
    return Condition(name, not broken, reason)


def _unbounded_where(pieces: tuple[Piece, ...], derived: Callable[[Expr], Expr]) -> str:
    """Return where the function derived from ``pieces`` is unbounded, in words, or an empty string."""
    for piece in pieces:
        function = _without_absolute_values(derived(piece.density), piece)
        poles = _singularities(piece, function)
        if poles is not sympy.S.EmptySet:
            return f"is singular at {poles}"
        for bound, side in ((piece.lower, "+"), (piece.upper, "-")):
            limit = sympy.limit(function, x, bound, side)
            if not limit.is_finite:
                return f"tends to {limit} at {bound}"
    return ""


def _without_absolute_values(function: Expr, piece: Piece) -> Expr:
    """Return ``function`` with |u| replaced by u or -u, for every linear u that keeps its sign on ``piece``."""
    signs = {}
    for part in function.atoms(sympy.Abs):
        (argument,) = part.args
        if argument.is_polynomial(x) and sympy.degree(argument, x) == 1:
            (root,) = sympy.solve(argument, x)
            slope = sympy.diff(argument, x)
            if root <= piece.lower or root >= piece.upper:
                rising = (slope > 0) == bool(root <= piece.lower)
                signs[part] = argument if rising else -argument
    return function.subs(signs)


def _jump_of(density: Density, derived: Callable[[Expr], Expr]) -> str:
    """Return the first jump, at a knot, of the function derived from the density, in words, or an empty string."""
    nothing = sympy.Integer(0)
    pieces = (Piece(-oo, density.support[0], nothing), *density.pieces, Piece(density.support[1], oo, nothing))
    for left, right in pairwise(pieces):
        if left.upper.is_finite:
            before = sympy.limit(derived(left.density), x, left.upper, "-")
            after = sympy.limit(derived(right.density), x, right.lower, "+")
            if sympy.simplify(before - after) != 0:
                return f"jumps from {before} to {after} at {left.upper}"
    return ""


def _singularities(piece: Piece, function: Expr) -> sympy.Set:
    """Return the singular points of ``function`` inside ``piece``; its ends are judged by limits."""
    if _is_analytic(function):
        return sympy.S.EmptySet
    return sympy.singularities(function, x, sympy.S.Reals) & sympy.Interval.open(piece.lower, piece.upper)


def _is_analytic(function: Expr) -> bool:
    """Return whether ``function`` is analytic on the line because it is built from functions and powers that are."""
    entire = all(isinstance(part, (exp, cosh, sympy.sinh)) for part in function.atoms(sympy.Function))
    return entire and all(
        (power.exp.is_Integer and power.exp >= 0) or power.base.is_positive for power in function.atoms(Pow)
    )


def _finite_bounds(pieces: tuple[Piece, ...]) -> tuple[Expr, ...]:
    bounds = {bound for piece in pieces for bound in (piece.lower, piece.upper) if bound.is_finite}
    return tuple(sorted(bounds))


def _listed(values: Iterable[Expr]) -> str:
    return ", ".join(str(value) for value in values)
