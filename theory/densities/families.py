"""Densities by name: families with parameters, mixtures, distributions of scipy.stats, and formulas."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import TYPE_CHECKING

import sympy
from sympy import Expr, Integer, Rational, betainc_regularized, binomial, erfc, erfcinv, exp, gamma, oo, pi, sqrt

from foundation.errors import InputError, suggest
from theory.algebra.expressions import split_top
from theory.densities import repeated_integrals
from theory.densities.closed_forms import (
    cauchy,
    exponential,
    gamma_density,
    gumbel,
    laplace,
    logistic,
    lognormal,
    pareto,
    student,
    weibull,
)
from theory.densities.density import Density, DensityLike, Landmark, probability
from theory.densities.grammar import Call, read_call, read_numbers
from theory.densities.numbers import format_name, format_number, parse_number
from theory.kernels import Piece, x
from theory.names import FAMILY_PARAMETERS, MIXTURE_EXAMPLE, OTHER_FORMS, write_form

if TYPE_CHECKING:
    from theory.densities.tabulated.scipy_distributions import ScipyLaw

LONGEST_NAME = 20_000

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
    ('normal:1,2', sqrt(2)*exp(-(x/2 - 1/2)**2/2)/(4*sqrt(pi)))
    """
    mean, deviation = sympy.sympify(mean), sympy.sympify(standard_deviation)
    if not (mean.is_finite and deviation.is_finite and deviation > 0):
        raise InputError(
            f"a normal density must have a finite mean and a positive standard deviation, got {mean} and {deviation}."
        )
    z = (x - mean) / deviation
    return Density(
        name=format_name("normal", (mean, deviation)),
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
    require_few_components(len(components))
    weights = [sympy.sympify(weight) for weight, _, _ in components]
    densities = [normal(mean, deviation) for _, mean, deviation in components]
    require_weights(weights)
    # Every formula of a mixture but that of its square is the weighted sum of those of its components.
    weighted = tuple(zip(weights, densities, strict=True))
    joined = "+".join(
        f"{format_number(weight)}*normal({format_number(mean)},{format_number(deviation)})"
        for weight, mean, deviation in (map(sympy.sympify, component) for component in components)
    )
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


NORMAL, LOGISTIC, LAPLACE = normal(0, 1), logistic(Integer(0), Integer(1)), laplace(Integer(0), Integer(1))

DENSITIES = {density.name: density for density in (NORMAL, LOGISTIC, LAPLACE)}
"""The standard densities whose location and scale can be estimated."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a family.

    Attributes
    ----------
    name : str
    default : Rational or None
        None if it must be given.
    least, most : Rational or None
        Its bounds; None for no bound. The value may equal ``most``, and ``least`` unless that is 0.
    """

    name: str
    default: Rational | None
    least: Rational | None
    most: Rational | None

    def accepts(self, value: Rational) -> bool:
        """Return whether the value is within the bounds."""
        low = self.least is None or (value > 0 if self.least == 0 else value >= self.least)
        return bool(low and (self.most is None or value <= self.most))

    def check(self, family: str, value: Rational) -> None:
        """Raise InputError if the value is out of bounds."""
        if self.accepts(value):
            return
        limits = f"from {self._say(self.least)} to {self._say(self.most)}"
        if self.least == 0:
            limits = f"positive and at most {self._say(self.most)}"
        raise InputError(
            f"the parameter {self.name} of the density {family} must be {limits}, got {format_number(value)}. "
            f"Write {write_form(family)}."
        )

    @staticmethod
    def _say(bound: Rational | None) -> str:
        return "anything" if bound is None else f"{float(bound):g}"


@dataclass(frozen=True)
class Family:
    """A family of densities.

    Attributes
    ----------
    name : str
    make : callable
        The function of the values of all parameters, in their order, that returns the density.
    parameters : tuple of Parameter
    """

    name: str
    make: Callable[..., Density]
    parameters: tuple[Parameter, ...]

    def accepts(self, values: Sequence[Rational]) -> bool:
        """Return whether the values of all parameters are within their bounds."""
        return all(parameter.accepts(value) for parameter, value in zip(self.parameters, values, strict=True))

    def density(self, values: Sequence[Rational], named: Mapping[str, Rational] | None = None) -> Density:
        """Return the density with the first parameters by position and others by name.

        Raises
        ------
        InputError
            If a parameter is missing, unknown, given twice, or out of its bounds.

        Examples
        --------
        >>> FAMILIES["gamma"].density([Rational(2)], {"location": Rational(1)}).name
        'gamma:2,1,1'
        """
        names = [parameter.name for parameter in self.parameters]
        form = f"Write {write_form(self.name)}."
        if len(values) > len(names):
            raise InputError(
                f"the density {self.name} must have at most {len(names)} parameters ({', '.join(names)}), got "
                f"{len(values)}. {form}"
            )
        given = dict(zip(names, values, strict=False))
        for name, value in (named or {}).items():
            full = {"loc": "location"}.get(name, name)
            if full not in names:
                raise InputError(
                    f"{name} must be a parameter of the density {self.name}. {suggest(name, names)} {form}"
                )
            if full in given:
                raise InputError(f"the parameter {full} of the density {self.name} must be given once, got it twice.")
            given[full] = value
        missing = [one.name for one in self.parameters if one.default is None and one.name not in given]
        if missing:
            raise InputError(f"the density {self.name} must have the parameter {missing[0]}, got none. {form}")
        chosen = [given.get(one.name, one.default) for one in self.parameters]
        for parameter, value in zip(self.parameters, chosen, strict=True):
            parameter.check(self.name, value)
        return self.make(*chosen)


LARGEST = Integer(10) ** 15
"""Bound on locations and scales, and the reciprocal of the least scale."""

_SMALLEST_SHAPE, _HEAVIEST = Rational(1, 10), Rational(1, 2)
"""The least shape of densities like powers at an end, and of tails like powers: beyond it, too much is far away."""

_BOUNDS: dict[str, tuple[Rational, Rational]] = {
    **dict.fromkeys(("mean", "location", "lower", "upper"), (-LARGEST, LARGEST)),
    **dict.fromkeys(("deviation", "scale"), (1 / LARGEST, LARGEST)),
    "mu": (Integer(-100), Integer(100)),
    "sigma": (Integer(0), Integer(15)),
    "df": (_HEAVIEST, Integer(300)),
    "shape": (_SMALLEST_SHAPE, Integer(150)),
    **dict.fromkeys(("p", "q"), (Integer(0), Integer(LARGEST_BETA_PARAMETER))),
}
"""The least and the largest value of parameters; the gamma functions of a shape stay within double precision."""

_CONSTRUCTORS: dict[str, Callable[..., Density]] = {
    "normal": normal,
    "logistic": logistic,
    "laplace": laplace,
    "cauchy": cauchy,
    "gumbel": gumbel,
    "t": student,
    "exponential": exponential,
    "gamma": gamma_density,
    "weibull": weibull,
    "lognormal": lognormal,
    "pareto": pareto,
    "uniform": uniform,
    "beta": beta,
}


def _parameter(family: str, text: str) -> Parameter:
    name, _, default = text.partition("=")
    bounds = (_HEAVIEST, Integer(100)) if (family, name) == ("pareto", "shape") else _BOUNDS.get(name, (None, None))
    return Parameter(name, Rational(default) if default else None, *bounds)


FAMILIES = {
    name: Family(name, make, tuple(_parameter(name, text) for text in FAMILY_PARAMETERS[name].split(",")))
    for name, make in _CONSTRUCTORS.items()
}
"""The families by name."""


def density_named(name: DensityLike) -> Density:
    """Return the density that ``name`` stands for.

    Parameters
    ----------
    name : str, Density, frozen distribution of scipy.stats, or (expression, (lower, upper))
        A family with its parameters as in ``"gamma:2,1"`` or ``"gamma(2, scale=1)"``; a mixture of densities as in
        ``"mixture:0.5*normal(0,1)+0.5*t(5)"``; ``"scipy:invgauss(0.5)"``; ``"expression:x*exp(-x),0,oo"``. A formula of
        sympy in one symbol has its support with it. A `Density` is returned as it is.

    Raises
    ------
    InputError
        If the name is unknown or its parameters are not valid.

    Examples
    --------
    >>> density_named("uniform:-1,1").pieces
    (Piece(lower=-1, upper=1, density=1/2),)
    >>> density_named("t:5").support, density_named("gamma:shape=2,loc=1").name
    ((-oo, oo), 'gamma:2,1,1')
    """
    if isinstance(name, Density):
        return name
    if isinstance(name, str):
        return _read_density(name)
    if isinstance(name, tuple) and len(name) == 2:
        from theory.densities.tabulated.expressions import density_of_expression

        return density_of_expression(*name)
    from theory.densities.tabulated.scipy_distributions import read_frozen

    return _density_of_scipy(read_frozen(name))


@cache
def _read_density(name: str) -> Density:
    if len(name) > LONGEST_NAME:
        raise InputError(f"the name of a density must have at most {LONGEST_NAME:,} characters, got {len(name):,}.")
    kind, colon, rest = name.strip().partition(":")
    if kind == "mixture" and colon:
        return _read_mixture(name, rest)
    return density_of_call(read_call(name), name)


def density_of_call(call: Call | None, name: str) -> Density:
    """Return the density of a family, of scipy's or of a formula that is written in a name."""
    if call is None:
        raise InputError(
            f"{_quote(name)} is not a density. {_CHOICE[:-1]}; a formula needs its support, as in --support 0,oo."
        )
    if call.family == "scipy":
        from theory.densities.tabulated.scipy_distributions import read_scipy

        return _density_of_scipy(read_scipy(call.arguments))
    if call.family == "expression":
        from theory.densities.tabulated.expressions import read_expression

        return read_expression(call.arguments)
    if call.family not in FAMILIES:
        raise InputError(f"{_quote(name)} is not a density. {_suggest_family(call.family)}{_CHOICE}")
    values, named = read_numbers(call.arguments, f"the density {call.family}", f"Write {write_form(call.family)}.")
    return FAMILIES[call.family].density(values, named)


_CHOICE = f"Choose from {', '.join(FAMILY_PARAMETERS)}, {', '.join(OTHER_FORMS)}."

_OTHER_NAMES = {"gaussian": "normal", "student": "t", "chi2": "scipy:chi2(df)", "weibull_min": "weibull"}


def _suggest_family(name: str) -> str:
    """Return the question whether a similar name was meant, with a blank after it, or an empty string."""
    from theory.densities.tabulated.scipy_distributions import continuous_distributions

    near = suggest(name, [*FAMILIES, *_OTHER_NAMES, "mixture", "expression"], otherwise=" ").strip()
    for other, meant in _OTHER_NAMES.items():
        near = near.replace(f" {other}?", f" {meant}?")
    if name in continuous_distributions():
        near = f"Did you mean scipy:{name}?"
    return f"{near} " if near else ""


def _density_of_scipy(law: ScipyLaw) -> Density:
    """Return a distribution of scipy as a density of one of our families, if it is one, for its closed forms."""
    known = law.family
    if known is not None and FAMILIES[known[0]].accepts(known[1]):
        return FAMILIES[known[0]].density(known[1])
    return law.density()


def _read_mixture(name: str, text: str) -> Density:
    terms = split_top(text, "+")
    if terms is None:
        raise InputError(f"{_quote(name)} is not a density: its parentheses do not match. Write {MIXTURE_EXAMPLE}.")
    require_few_components(len(terms))
    weighted: list[tuple[Rational, Density]] = []
    for term in terms:
        weight, times, rest = term.partition("*")
        share, call = parse_number(weight.strip()), read_call(rest)
        if not times or share is None or call is None or call.family == "mixture":
            raise InputError(
                f"{_quote(name)} is not a density: {_quote(term)} is not a weight, * and a density. Write a mixture as "
                f"{MIXTURE_EXAMPLE}."
            )
        weighted.append((share, density_of_call(call, rest)))
    return mixture_of(*weighted)


def mixture_of(*weighted: tuple[Expr | int, Density]) -> Density:
    """Return a mixture of densities, each given with its weight.

    Raises
    ------
    InputError
        If the weights are not positive or do not sum to 1, or there are more than 30.

    Examples
    --------
    >>> half = Rational(1, 2)
    >>> mixture_of((half, NORMAL), (half, density_named("gamma:2"))).name
    'mixture:0.5*normal+0.5*gamma(2)'
    """
    require_few_components(len(weighted))
    weights = [sympy.sympify(weight) for weight, _ in weighted]
    require_weights(weights)
    moments = [normal_moments(density) for _, density in weighted]
    if all(moments):
        return mixture(*((weight, *pair) for weight, pair in zip(weights, moments, strict=True) if pair))
    from theory.densities.tabulated.mixtures import general_mixture

    return general_mixture(tuple((weight, density) for weight, (_, density) in zip(weights, weighted, strict=True)))


def standard_form(density: Density) -> Density:
    """Return the density of the same family at location 0 and scale 1, or the density itself.

    Examples
    --------
    >>> standard_form(density_named("t:5,2,3")).name, standard_form(density_named("beta:2,3")).name
    ('t:5', 'beta:2,3')
    """
    call = read_call(density.name)
    if call is None or call.family not in FAMILIES or not is_as_named(density):
        return density
    family = FAMILIES[call.family]
    values, _ = read_numbers(call.arguments, density.name, "")
    standard = {"location": Integer(0), "mean": Integer(0), "scale": Integer(1), "deviation": Integer(1)}
    names = [parameter.name for parameter in family.parameters]
    given = zip(names, values, strict=False)
    return family.density((), {name: standard.get(name, value) for name, value in given})


def is_as_named(density: Density) -> bool:
    """Return whether a density is the one that its name stands for; one of a user's own may have any name.

    Examples
    --------
    >>> from dataclasses import replace
    >>> is_as_named(density_named("gamma:2")), is_as_named(replace(NORMAL, name="gamma"))
    (True, False)
    """
    try:
        return density_named(density.name) == density
    except InputError:
        return False


def normal_moments(density: Density) -> tuple[Expr, Expr] | None:
    """Return the mean and the standard deviation of a normal density, and None for any other."""
    if len(density.landmarks) != 1:
        return None
    mean, deviation = density.landmarks[0]
    return (mean, deviation) if density == normal(mean, deviation) else None


def require_weights(weights: Sequence[Expr]) -> None:
    """Raise InputError unless the weights of a mixture are positive and sum to 1."""
    listed = " + ".join(format_number(weight) for weight in weights) or "none"
    if not all(weight > 0 for weight in weights) or sum(weights) != 1:
        raise InputError(
            f"the weights of a mixture must be positive and sum to 1, got {listed}. Try {MIXTURE_EXAMPLE}."
        )


def require_few_components(number: int) -> None:
    """Raise InputError if a mixture has too many components."""
    if number > MOST_COMPONENTS:
        raise InputError(
            f"a mixture must have at most {MOST_COMPONENTS} components, got {number}. Leave out the smallest."
        )


def _quote(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")
