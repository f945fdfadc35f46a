"""Families of densities with locations and scales whose distribution functions have closed forms.

Every formula of a tail keeps its digits: differences from 1 are written with expm1 and log1p, and both tails of
Student's and Cauchy's distributions by functions of 1 / z.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sympy import (
    Expr,
    Integer,
    Piecewise,
    Rational,
    atan,
    betainc_regularized,
    cosh,
    erfc,
    erfcinv,
    exp,
    gamma,
    log,
    lowergamma,
    oo,
    pi,
    sqrt,
    tan,
    uppergamma,
)
from sympy.codegen.cfunctions import expm1, log1p

from foundation.errors import InputError
from theory.densities import repeated_integrals
from theory.densities.density import Density, Landmark, probability
from theory.densities.numbers import format_name, format_number
from theory.kernels import Piece, x

HALF = Rational(1, 2)

MOST_DIGITS = 250
"""The decimal exponent of the largest power of a scale in a formula."""


class StandardForm(NamedTuple):
    """The formulas of a family at location 0 and scale 1, in z = (x - location) / scale.

    Attributes
    ----------
    pieces : tuple of (lower end, upper end, density)
    distribution, survival : sympy.Expr
    squared_distribution : sympy.Expr or None
        The integral of the squared density up to z; None if it diverges.
    landmark : tuple of two numbers
        A place and a scale of the mass.
    quantile, upper_quantile : sympy.Expr, optional
        As in `Density`, in `probability`.
    repeated_integral : function of an order, optional
        Of the standard density, in `x`.
    powers : tuple, optional
        As in `Density`.
    """

    pieces: tuple[tuple[Expr, Expr, Expr], ...]
    distribution: Expr
    survival: Expr
    squared_distribution: Expr | None
    landmark: tuple[Expr, Expr] = (Integer(0), Integer(1))
    quantile: Expr | None = None
    upper_quantile: Expr | None = None
    repeated_integral: Callable[[int], tuple[Piece, ...]] | None = None
    powers: tuple[tuple[Expr, Expr], ...] | None = None


def logistic(location: Expr, scale: Expr) -> Density:
    """Return the logistic density.

    Examples
    --------
    >>> logistic(Integer(1), Integer(2)).name
    'logistic:1,2'
    """
    z = _standardise(location, scale)
    below = 1 / (1 + exp(-z))
    form = StandardForm(
        ((-oo, oo, 1 / (4 * cosh(z / 2) ** 2)),),
        below,
        1 / (1 + exp(z)),
        # With u = F, f = u (1 - u) = du/dz: the integral of f^2 is that of u (1 - u) du.
        below**2 / 2 - below**3 / 3,
        quantile=log(probability / (1 - probability)),
        upper_quantile=log((1 - probability) / probability),
        repeated_integral=repeated_integrals.of_logistic,
    )
    return _place(form, "logistic", (location, scale), location, scale, partial(_move_logistic, location, scale))


def _move_logistic(location: Expr, scale: Expr, distance: Expr) -> Density:
    return logistic(location + distance, scale)


def laplace(location: Expr, scale: Expr) -> Density:
    """Return the Laplace density."""
    z = _standardise(location, scale)
    form = StandardForm(
        ((-oo, Integer(0), exp(z) / 2), (Integer(0), oo, exp(-z) / 2)),
        Piecewise((exp(z) / 2, x <= location), (1 - exp(-z) / 2, True)),
        Piecewise((1 - exp(z) / 2, x <= location), (exp(-z) / 2, True)),
        Piecewise((exp(2 * z) / 8, x <= location), (Rational(1, 4) - exp(-2 * z) / 8, True)),
        # Levels above 1/2 are those of the other tail.
        quantile=Piecewise((log(2 * probability), probability <= HALF), (-log(2 * (1 - probability)), True)),
        upper_quantile=Piecewise((-log(2 * probability), probability <= HALF), (log(2 * (1 - probability)), True)),
        repeated_integral=repeated_integrals.of_laplace,
    )
    return _place(form, "laplace", (location, scale), location, scale, partial(_move_laplace, location, scale))


def _move_laplace(location: Expr, scale: Expr, distance: Expr) -> Density:
    return laplace(location + distance, scale)


def cauchy(location: Expr, scale: Expr) -> Density:
    """Return the Cauchy density."""
    z = _standardise(location, scale)
    tail, centre = atan(1 / z) / pi, HALF + atan(z) / pi
    form = StandardForm(
        ((-oo, oo, 1 / (pi * (1 + z**2))),),
        Piecewise((-tail, z < -1), (centre, z <= 1), (1 - tail, True)),
        Piecewise((1 + tail, z < -1), (1 - centre, z <= 1), (tail, True)),
        (z / (1 + z**2) + atan(z) + pi / 2) / (2 * pi**2),
        quantile=Piecewise((-1 / tan(pi * probability), probability <= HALF), (1 / tan(pi * (1 - probability)), True)),
        upper_quantile=1 / tan(pi * probability),
    )
    return _place(form, "cauchy", (location, scale), location, scale, partial(_move_cauchy, location, scale))


def _move_cauchy(location: Expr, scale: Expr, distance: Expr) -> Density:
    return cauchy(location + distance, scale)


def gumbel(location: Expr, scale: Expr) -> Density:
    """Return Gumbel's density, the law of the largest of many observations with light tails."""
    z = _standardise(location, scale)
    u = exp(-z)
    form = StandardForm(
        ((-oo, oo, exp(-z - u)),),
        exp(-u),
        -expm1(-u),
        (2 * u + 1) * exp(-2 * u) / 4,
        quantile=-log(-log(probability)),
        upper_quantile=-log(-log1p(-probability)),
    )
    return _place(form, "gumbel", (location, scale), location, scale, partial(_move_gumbel, location, scale))


def _move_gumbel(location: Expr, scale: Expr, distance: Expr) -> Density:
    return gumbel(location + distance, scale)


def student(freedom: Expr, location: Expr, scale: Expr) -> Density:
    """Return Student's t density with ``freedom`` degrees of freedom."""
    z = _standardise(location, scale)
    below, above = _student_tails(freedom, z)
    # The square is a multiple of the t density with 2 freedom + 1 degrees of freedom of another scale.
    other = 2 * freedom + 1
    ratio = sqrt(other / freedom)
    square = _student_constant(freedom) ** 2 / (_student_constant(other) * ratio)
    form = StandardForm(
        ((-oo, oo, _student_constant(freedom) * (1 + z**2 / freedom) ** (-(freedom + 1) / 2)),),
        below,
        above,
        square * _student_tails(other, z * ratio)[0],
    )
    moved = partial(_move_student, freedom, location, scale)
    return _place(form, "t", (freedom, location, scale), location, scale, moved)


def _move_student(freedom: Expr, location: Expr, scale: Expr, distance: Expr) -> Density:
    return student(freedom, location + distance, scale)


def _student_constant(freedom: Expr) -> Expr:
    return gamma((freedom + 1) / 2) / (sqrt(freedom * pi) * gamma(freedom / 2))


def _student_tails(freedom: Expr, z: Expr) -> tuple[Expr, Expr]:
    """Return the distribution and the survival function, each by the incomplete beta function that is small there."""
    tail = betainc_regularized(freedom / 2, HALF, 0, freedom / (freedom + z**2)) / 2
    centre = betainc_regularized(HALF, freedom / 2, 0, z**2 / (freedom + z**2)) / 2
    below = Piecewise((tail, z < -1), (HALF - centre, z <= 0), (HALF + centre, z <= 1), (1 - tail, True))
    above = Piecewise((1 - tail, z < -1), (HALF + centre, z <= 0), (HALF - centre, z <= 1), (tail, True))
    return below, above


def exponential(scale: Expr, location: Expr) -> Density:
    """Return the exponential density from ``location`` on; its mean is the location plus the scale."""
    z = _standardise(location, scale)
    form = StandardForm(
        ((Integer(0), oo, exp(-z)),),
        -expm1(-z),
        exp(-z),
        -expm1(-2 * z) / 2,
        (Integer(1), Integer(1)),
        quantile=-log1p(-probability),
        upper_quantile=-log(probability),
    )
    moved = partial(_move_exponential, scale, location)
    return _place(form, "exponential", (scale, location), location, scale, moved)


def _move_exponential(scale: Expr, location: Expr, distance: Expr) -> Density:
    return exponential(scale, location + distance)


def gamma_density(shape: Expr, scale: Expr, location: Expr) -> Density:
    """Return the gamma density from ``location`` on."""
    _require_power("gamma", shape, scale)
    z = _standardise(location, scale)
    # f^2 is integrable at 0 only if its exponent exceeds -1; it is then a multiple of another gamma density.
    square, other = None, 2 * shape - 1
    if other > 0:
        square = gamma(other) / (gamma(shape) ** 2 * 2**other) * _gamma_tail(lowergamma, other, 2 * z)
    form = StandardForm(
        ((Integer(0), oo, z ** (shape - 1) * exp(-z) / gamma(shape)),),
        _gamma_tail(lowergamma, shape, z),
        _gamma_tail(uppergamma, shape, z),
        square,
        (shape, sqrt(shape)),
    )
    moved = partial(_move_gamma, shape, scale, location)
    return _place(form, "gamma", (shape, scale, location), location, scale, moved)


def _move_gamma(shape: Expr, scale: Expr, location: Expr, distance: Expr) -> Density:
    return gamma_density(shape, scale, location + distance)


def _gamma_tail(function: type[Expr], shape: Expr, z: Expr) -> Expr:
    """Return an incomplete gamma function; evaluated, for whole shapes it would be a difference from 1."""
    return function(shape, z, evaluate=False) / gamma(shape)


def lognormal(mu: Expr, sigma: Expr, location: Expr) -> Density:
    """Return the density of ``location`` + exp(Y) for Y normal with mean ``mu`` and standard deviation ``sigma``."""
    y = x - location
    u = (log(y) - mu) / sigma
    # The square is a normal density in log y, with the mean mu - sigma^2 / 2.
    v = (log(y) - mu + sigma**2 / 2) / sigma
    form = StandardForm(
        ((Integer(0), oo, exp(-(u**2) / 2) / (y * sigma * sqrt(2 * pi))),),
        erfc(-u / sqrt(2), evaluate=False) / 2,
        erfc(u / sqrt(2), evaluate=False) / 2,
        exp(sigma**2 / 4 - mu) / (2 * sigma * sqrt(pi)) * erfc(-v, evaluate=False) / 2,
        (exp(mu), exp(mu) * sigma),
        quantile=exp(mu - sigma * sqrt(2) * erfcinv(2 * probability)),
        upper_quantile=exp(mu + sigma * sqrt(2) * erfcinv(2 * probability)),
        # The exponential outweighs 1 / y, however near to 0 that begins.
        powers=(),
    )
    moved = partial(_move_lognormal, mu, sigma, location)
    return _place(form, "lognormal", (mu, sigma, location), location, Integer(1), moved)


def _move_lognormal(mu: Expr, sigma: Expr, location: Expr, distance: Expr) -> Density:
    return lognormal(mu, sigma, location + distance)


def weibull(shape: Expr, scale: Expr, location: Expr) -> Density:
    """Return Weibull's density from ``location`` on."""
    _require_power("weibull", shape, scale)
    z = _standardise(location, scale)
    # With u = z^shape, the integral of f^2 is that of shape u^(1 - 1/shape) exp(-2 u) du.
    square, order = None, 2 - 1 / shape
    if order > 0:
        square = shape * gamma(order) / 2**order * _gamma_tail(lowergamma, order, 2 * z**shape)
    form = StandardForm(
        ((Integer(0), oo, shape * z ** (shape - 1) * exp(-(z**shape))),),
        -expm1(-(z**shape)),
        exp(-(z**shape)),
        square,
        # The median, and the scale of log z.
        (log(2) ** (1 / shape), log(2) ** (1 / shape) / shape),
        quantile=(-log1p(-probability)) ** (1 / shape),
        upper_quantile=(-log(probability)) ** (1 / shape),
    )
    moved = partial(_move_weibull, shape, scale, location)
    return _place(form, "weibull", (shape, scale, location), location, scale, moved)


def _move_weibull(shape: Expr, scale: Expr, location: Expr, distance: Expr) -> Density:
    return weibull(shape, scale, location + distance)


def pareto(shape: Expr, scale: Expr, location: Expr) -> Density:
    """Return Pareto's density, shape z^(-shape - 1) / scale for z = (x - location) / scale from 1 on."""
    _require_power("pareto", shape, scale)
    z = _standardise(location, scale)
    power = 2 * shape + 1
    form = StandardForm(
        ((Integer(1), oo, shape * z ** (-shape - 1)),),
        -expm1(-shape * log(z)),
        z**-shape,
        -(shape**2) / power * expm1(-power * log(z)),
        (2 ** (1 / shape), 2 ** (1 / shape) / shape),
        quantile=exp(-log1p(-probability) / shape),
        upper_quantile=probability ** (-1 / shape),
    )
    moved = partial(_move_pareto, shape, scale, location)
    return _place(form, "pareto", (shape, scale, location), location, scale, moved)


def _move_pareto(shape: Expr, scale: Expr, location: Expr, distance: Expr) -> Density:
    return pareto(shape, scale, location + distance)


def _require_power(family: str, shape: Expr, scale: Expr) -> None:
    """Require that the power of the scale that stands in the formulas is within double precision."""
    digits = abs(float(2 * shape + 1) * math.log10(float(scale)))
    if digits > MOST_DIGITS:
        raise InputError(
            f"the scale of the density {family} must be such that scale^(2 shape + 1) is from 1e-{MOST_DIGITS} to "
            f"1e{MOST_DIGITS}, got the scale {format_number(scale)} with the shape {format_number(shape)}. Measure in "
            "other units."
        )


def _standardise(location: Expr, scale: Expr) -> Expr:
    return (x - location) / scale


def _place(
    form: StandardForm,
    family: str,
    parameters: tuple[Expr, ...],
    location: Expr,
    scale: Expr,
    moved: partial[Density],
) -> Density:
    """Return the density of location + scale z for z with the standard density."""
    square, integral, (place, width) = form.squared_distribution, form.repeated_integral, form.landmark
    return Density(
        name=format_name(family, parameters),
        pieces=tuple(
            Piece(location + scale * lower, location + scale * upper, density / scale)
            for lower, upper, density in form.pieces
        ),
        distribution=form.distribution,
        quantile=None if form.quantile is None else location + scale * form.quantile,
        survival=form.survival,
        squared_distribution=None if square is None else square / scale,
        landmarks=(Landmark(location + scale * place, scale * width),),
        repeated_integral=None if integral is None else partial(_place_integral, integral, location, scale),
        moved=moved,
        keeps_digits=True,
        upper_quantile=None if form.upper_quantile is None else location + scale * form.upper_quantile,
        powers=form.powers,
    )


def _place_integral(
    standard: Callable[[int], tuple[Piece, ...]], location: Expr, scale: Expr, order: int
) -> tuple[Piece, ...]:
    z = _standardise(location, scale)
    return tuple(
        Piece(
            location + scale * piece.lower,
            location + scale * piece.upper,
            scale ** (order - 1) * piece.density.subs(x, z),
        )
        for piece in standard(order)
    )
