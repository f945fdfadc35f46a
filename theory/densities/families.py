"""Densities by name: normal, uniform, logistic, Laplace and beta, and mixtures of normals."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from itertools import product

import sympy
from sympy import (
    Expr,
    Integer,
    Piecewise,
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

from foundation.errors import InputError, suggest
from theory.densities import repeated_integrals
from theory.densities.density import Density, Landmark, probability
from theory.densities.numbers import NUMBER, format_number, parse_numbers
from theory.kernels import Piece, x
from theory.names import DENSITY_FORMS, MIXTURE_EXAMPLE

LARGEST_BETA_PARAMETER = 80
"""Up to this limit the gamma functions of a beta density stay within double precision."""


MOST_COMPONENTS = 30
"""Normal densities in a mixture; the cost of E T_m grows with the square of their number."""


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
        raise InputError(
            f"a normal density must have a finite mean and a positive standard deviation, got {mean} and {deviation}."
        )
    z = (x - mean) / deviation
    return Density(
        name=f"normal({format_number(mean)},{format_number(deviation)})",
        pieces=(Piece(-oo, oo, exp(-(z**2) / 2) / (deviation * sqrt(2 * pi))),),
        distribution=_normal_distribution(z),
        quantile=mean - deviation * sqrt(2) * erfcinv(2 * probability),
        survival=_normal_distribution(-z),
        squared_distribution=_normal_distribution(sqrt(2) * z) / (2 * sqrt(pi) * deviation),
        landmarks=(Landmark(mean, deviation),),
        repeated_integral=partial(repeated_integrals.of_normal, mean, deviation),
        moved=partial(_move_normal, mean, deviation),
        keeps_digits=True,
    )


def _move_normal(mean: Expr, deviation: Expr, distance: Expr) -> Density:
    return normal(mean + distance, deviation)


def _normal_distribution(z: Expr) -> Expr:
    """Return the normal distribution function; evaluated, sympy rewrites erfc(-z) as 2 - erfc(z) and loses the tail."""
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
            f"a uniform density must have two finite ends, the lower first, got {lower} and {upper}. Try uniform:-1,1."
        )
    width = upper - lower
    return Density(
        name=f"uniform:{format_number(lower)},{format_number(upper)}",
        pieces=(Piece(lower, upper, 1 / width),),
        distribution=(x - lower) / width,
        quantile=lower + width * probability,
        survival=(upper - x) / width,
        squared_distribution=(x - lower) / width**2,
        landmarks=(Landmark((lower + upper) / 2, width / 2),),
        repeated_integral=partial(repeated_integrals.of_uniform, lower, upper),
        moved=partial(_move_uniform, lower, upper),
        keeps_digits=True,
    )


def _move_uniform(lower: Expr, upper: Expr, distance: Expr) -> Density:
    return uniform(lower + distance, upper + distance)


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
            f"a beta density must have two positive parameters of at most {LARGEST_BETA_PARAMETER}, got {p} and {q}. "
            "Try beta:2,3."
        )
    # f^2 is integrable only if both exponents of f^2 exceed -1; it is then a multiple of another beta density.
    square = None
    if 2 * p > 1 and 2 * q > 1:
        square = _beta_constant(p, q) ** 2 / _beta_constant(2 * p - 1, 2 * q - 1)
        square *= _beta_distribution(2 * p - 1, 2 * q - 1, x)
    return Density(
        name=f"beta:{format_number(p)},{format_number(q)}",
        pieces=(Piece(Integer(0), Integer(1), _beta_constant(p, q) * x ** (p - 1) * (1 - x) ** (q - 1)),),
        distribution=_beta_distribution(p, q, x),
        survival=_beta_distribution(q, p, 1 - x),
        squared_distribution=square,
        landmarks=(Landmark(p / (p + q), sqrt(p * q / (p + q + 1)) / (p + q)),),
        repeated_integral=partial(repeated_integrals.of_beta, p, q),
        keeps_digits=True,
    )


def _beta_constant(p: Expr, q: Expr) -> Expr:
    return gamma(p + q) / (gamma(p) * gamma(q))


def _beta_distribution(p: Expr, q: Expr, point: Expr) -> Expr:
    """Return the beta distribution function; for integer parameters a binomial tail, a sum of nonnegative terms."""
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
        If a weight or a standard deviation is not positive, the weights do not sum to 1, or there are more than 30.

    Examples
    --------
    >>> half = Rational(1, 2)
    >>> mixture((half, -1, half), (half, 1, half)).name
    'mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)'
    """
    if len(components) > MOST_COMPONENTS:
        raise InputError(
            f"a mixture must have at most {MOST_COMPONENTS} components, got {len(components)}. Leave out the smallest."
        )
    weights = [sympy.sympify(weight) for weight, _, _ in components]
    densities = [normal(mean, deviation) for _, mean, deviation in components]
    listed = " + ".join(format_number(weight) for weight in weights) or "none"
    if not all(weight > 0 for weight in weights) or sum(weights) != 1:
        raise InputError(
            f"the weights of a mixture must be positive and sum to 1, got {listed}. Try {MIXTURE_EXAMPLE}."
        )
    # Every formula of a mixture but that of its square is the weighted sum of those of its components.
    weighted = tuple(zip(weights, densities, strict=True))
    joined = "+".join(f"{format_number(weight)}*{density.name}" for weight, density in weighted)
    return Density(
        name=f"mixture:{joined}",
        pieces=(Piece(-oo, oo, _mix(weighted, lambda density: density.pieces[0].density)),),
        distribution=_mix(weighted, lambda density: density.distribution),
        survival=_mix(weighted, lambda density: density.survival),
        squared_distribution=_integral_of_products(components),
        components=weighted,
        landmarks=tuple(landmark for density in densities for landmark in density.landmarks),
        repeated_integral=partial(_integrate_mixture, weighted),
        moved=partial(_move_mixture, components),
        keeps_digits=True,
    )


def _move_mixture(components: Iterable[tuple[Expr | int, Expr | int, Expr | int]], distance: Expr) -> Density:
    return mixture(*((weight, mean + distance, deviation) for weight, mean, deviation in components))


def _mix(weighted: Iterable[tuple[Expr, Density]], function: Callable[[Density], Expr | None]) -> Expr:
    return sum((weight * function(density) for weight, density in weighted), start=Integer(0))


def _integrate_mixture(weighted: Iterable[tuple[Expr, Density]], order: int) -> tuple[Piece, ...]:
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


def _move_standard(name: str, distance: Expr) -> Density:
    """Return the density of X + distance for X with a density without parameters."""
    density = DENSITIES[name]
    return density if distance == 0 else replace(density, moved=None).translate(distance)


NORMAL = Density(
    name="normal",
    pieces=(Piece(-oo, oo, exp(-(x**2) / 2) / sqrt(2 * pi)),),
    distribution=_normal_distribution(x),
    quantile=-sqrt(2) * erfcinv(2 * probability),
    survival=_normal_distribution(-x),
    squared_distribution=_normal_distribution(sqrt(2) * x) / (2 * sqrt(pi)),
    landmarks=(Landmark(Integer(0), Integer(1)),),
    repeated_integral=partial(repeated_integrals.of_normal, Integer(0), Integer(1)),
    moved=partial(_move_standard, "normal"),
    keeps_digits=True,
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
    landmarks=(Landmark(Integer(0), Integer(1)),),
    repeated_integral=repeated_integrals.of_logistic,
    moved=partial(_move_standard, "logistic"),
    keeps_digits=True,
)

LAPLACE = Density(
    name="laplace",
    pieces=(Piece(-oo, Integer(0), exp(x) / 2), Piece(Integer(0), oo, exp(-x) / 2)),
    distribution=Piecewise((exp(x) / 2, x <= 0), (1 - exp(-x) / 2, True)),
    quantile=Piecewise((log(2 * probability), probability <= Rational(1, 2)), (-log(2 * (1 - probability)), True)),
    survival=Piecewise((1 - exp(x) / 2, x <= 0), (exp(-x) / 2, True)),
    squared_distribution=Piecewise((exp(2 * x) / 8, x <= 0), (Rational(1, 4) - exp(-2 * x) / 8, True)),
    landmarks=(Landmark(Integer(0), Integer(1)),),
    repeated_integral=repeated_integrals.of_laplace,
    moved=partial(_move_standard, "laplace"),
    keeps_digits=True,
)

DENSITIES = {density.name: density for density in (NORMAL, LOGISTIC, LAPLACE)}
"""The densities without parameters."""


FAMILIES: dict[str, Callable[..., Density]] = {"uniform": uniform, "beta": beta}
"""The functions that return the densities with two parameters."""


def density_named(name: str | Density) -> Density:
    """Return the density called ``name`` (a Density is returned as it is).

    Raises
    ------
    InputError
        If the name is unknown or its parameters are not valid; the message lists the known densities.

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
        numbers = parse_numbers(parameters, 2)
        if numbers is None:
            (form,) = (form for form in DENSITY_FORMS if form.startswith(f"{kind}:"))
            raise InputError(f"{name!r} is not a density: {kind} needs two numbers. Write {form}.")
        return FAMILIES[kind](*numbers)
    if kind == "mixture":
        return mixture(*_parse_components(name, parameters))
    known = [*DENSITIES, *FAMILIES, "mixture"]
    near = suggest(kind, known, otherwise=" ").strip()
    raise InputError(f"{name!r} is not a density. {near + ' ' if near else ''}Choose from: {', '.join(DENSITY_FORMS)}.")


def _parse_components(name: str, text: str) -> Iterable[tuple[Expr, Expr, Expr]]:
    """Yield the weight, mean and standard deviation of each component in ``text``."""
    # A plus sign separates components unless it belongs to a number: only the former is followed by a weight and *.
    for term in re.split(r"\+(?=[^+(]*\*)", text.replace(" ", "")):
        parts = re.fullmatch(rf"({NUMBER})\*normal\(({NUMBER},{NUMBER})\)", term)
        numbers = parse_numbers(f"{parts[1]},{parts[2]}", 3) if parts else None
        if numbers is None:
            raise InputError(f"{name!r} is not a density. Write a mixture of normals as {MIXTURE_EXAMPLE}.")
        yield numbers[0], numbers[1], numbers[2]
