"""Families with unknown parameters, which are estimated by maximum likelihood."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from sympy import Rational

from foundation.errors import InputError, suggest
from foundation.types import Array
from foundation.typography import format_count
from theory.densities.density import Density, DensityLike
from theory.densities.families import FAMILIES, density_named
from theory.densities.grammar import read_call
from theory.densities.numbers import parse_number
from theory.densities.tabulated.scipy_distributions import ScipyLaw, continuous_distributions

Number: TypeAlias = float | int | str | Rational
"""A number, or how it is written."""


class Form(NamedTuple):
    """How a family of ours is one of scipy's.

    Attributes
    ----------
    law : str
        The name in scipy.stats.
    shapes : tuple of str
        Our names of its shapes.
    location, scale : str
        Our names of its location and its scale; empty if the family has none, at 0 and 1.
    known : dict from str to float
        Parameters that are not estimated unless another value is fixed.
    """

    law: str
    shapes: tuple[str, ...] = ()
    location: str = "location"
    scale: str = "scale"
    known: Mapping[str, float] = {}


FORMS: Mapping[str, Form] = {
    "normal": Form("norm", location="mean", scale="deviation"),
    "logistic": Form("logistic"),
    "laplace": Form("laplace"),
    "cauchy": Form("cauchy"),
    "gumbel": Form("gumbel_r"),
    "t": Form("t", ("df",)),
    "exponential": Form("expon", known={"location": 0.0}),
    "gamma": Form("gamma", ("shape",), known={"location": 0.0}),
    "weibull": Form("weibull_min", ("shape",), known={"location": 0.0}),
    "lognormal": Form("lognorm", ("sigma",), scale="mu", known={"location": 0.0}),
    "pareto": Form("pareto", ("shape",), known={"location": 0.0}),
    "beta": Form("beta", ("p", "q"), location="", scale=""),
    "uniform": Form("uniform", location="lower", scale="width"),
}
"""The families of ours with parameters; positive families have their location at 0."""


class Fit(NamedTuple):
    """The parameters of a distribution of scipy.stats.

    Attributes
    ----------
    shapes : tuple of float
    location, scale : float
    """

    shapes: tuple[float, ...]
    location: float
    scale: float


@dataclass(frozen=True)
class Model:
    """A family, and the values of those of its parameters that are known.

    Parameters
    ----------
    name : str
        As on the command line, without parameters.
    form : Form
    fixed : tuple of (str, float)
        Parameters that are not estimated, by our names.
    """

    name: str
    form: Form
    fixed: tuple[tuple[str, float], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Our names of all parameters."""
        ends = (self.form.location, self.form.scale)
        return (*self.form.shapes, *(name for name in ends if name))

    @property
    def known(self) -> dict[str, float]:
        """The parameters that are not estimated."""
        return {**self.form.known, **dict(self.fixed)}

    @property
    def free(self) -> tuple[str, ...]:
        """The parameters that are estimated."""
        return tuple(name for name in self.names if name not in self.known)

    @property
    def has_free_shape(self) -> bool:
        """Whether a shape is estimated, on which the distribution of T_m depends."""
        return any(shape in self.free for shape in self.form.shapes)

    @property
    def fixed_shapes(self) -> tuple[float, ...]:
        """The shapes, if all of them are fixed."""
        return tuple(self.known[shape] for shape in self.form.shapes)

    def fit(self, sample: Array) -> Fit:
        """Estimate the parameters from a sample by maximum likelihood.

        Raises
        ------
        InputError
            If the sample has too few different values or lies outside of the support, or the likelihood has no maximum.
        """
        law, known = continuous_distributions()[self.form.law], self.known
        given: dict[str, float] = {f"f{k}": known[name] for k, name in enumerate(self.form.shapes) if name in known}
        if self.form.location in known or not self.form.location:
            given["floc"] = known.get(self.form.location, 0.0)
        if self.form.scale in known or not self.form.scale:
            given["fscale"] = self._scale_of(known.get(self.form.scale))
        try:
            # scipy warns of steps of its search that lead outside of the parameters' range.
            with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
                found = law.fit(sample, **given)
        except (ArithmeticError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(self._complaint(sample, str(error))) from None
        *shapes, location, scale = map(float, found)
        if not (scale > 0 and all(map(math.isfinite, (*shapes, location, scale)))):
            raise InputError(self._complaint(sample, "the likelihood has no maximum"))
        return Fit(tuple(shapes), location, scale)

    def describe(self, fit: Fit) -> dict[str, float]:
        """Return the estimated parameters by our names."""
        values = dict(zip(self.form.shapes, fit.shapes, strict=True))
        scale = math.log(fit.scale) if self.form.scale == "mu" else fit.scale
        values |= {self.form.location: fit.location, self.form.scale: scale}
        return {name: values[name] for name in self.free}

    def standard(self, shapes: tuple[float, ...]) -> Density:
        """Return the density with given shapes at location 0 and scale 1.

        Raises
        ------
        InputError
            If the shapes are out of the range of our densities.
        """
        numbers = [Rational(repr(shape)) for shape in shapes]
        written = ",".join(f"{shape:.15g}" for shape in shapes)
        if self.name.startswith("scipy:"):
            return density_named(f"{self.name}({written})")
        if self.name == "uniform":
            return density_named("uniform:0,1")
        values = [Rational(0), *numbers] if self.name == "lognormal" else numbers
        family = FAMILIES[self.name]
        defaults = [one.default for one in family.parameters[len(values) :] if one.default is not None]
        if family.accepts([*values, *defaults]):
            return family.density(values)
        # Beyond the shapes for which our formulas keep their digits the density is tabulated.
        return ScipyLaw(self.form.law, tuple(numbers), Rational(0), Rational(1)).density()

    def _scale_of(self, value: float | None) -> float:
        if value is None:
            return 1.0
        return math.exp(value) if self.form.scale == "mu" else value

    def _complaint(self, sample: Array, reason: str) -> str:
        different = np.unique(sample).size
        known = ", ".join(f"{name}={value:g}" for name, value in self.known.items())
        return (
            f"{', '.join(self.free)} of {self.name} must have estimates, but {sample.size:,} observations with "
            f"{format_count(different, 'distinct value')} from {sample.min():g} to {sample.max():g} have none"
            f"{f' with {known}' if known else ''} ({reason.splitlines()[0].rstrip('.')[:120]}). Choose another family, "
            "or --fix other parameters."
        )


def take_model(density: DensityLike, fixed: Mapping[str, Number]) -> Model:
    """Return the family whose parameters are to be estimated.

    Parameters
    ----------
    density : str or Density
        A family without parameters, as ``gamma``, or a distribution of scipy's as ``scipy:invgauss``; or one of the
        standard densities.
    fixed : mapping of str to number
        The parameters that are known.

    Raises
    ------
    InputError
        If it is no family, has parameters, or a fixed parameter is not one of its own.

    Examples
    --------
    >>> take_model("gamma", {"shape": 2}).free, take_model("lognormal", {}).free
    (('scale',), ('sigma', 'mu'))
    """
    name = density.name if isinstance(density, Density) else str(density).strip()
    model = Model(name, _form(name))
    values = []
    for one, value in fixed.items():
        full = {"loc": "location"}.get(one, one) if model.form.location == "location" else one
        if full not in model.names:
            raise InputError(f"{one!r} must be a parameter of {name} to be fixed. {suggest(one, model.names)}")
        number = parse_number(str(value))
        if number is None:
            raise InputError(f"the fixed {one} must be a number, got {value!r}. Write it as {one}=2.")
        if full == model.form.scale != "mu" and not number > 0:
            raise InputError(f"the fixed {one} must be positive, got {value}.")
        values.append((full, float(number)))
    model = Model(name, model.form, tuple(values))
    if not model.free:
        raise InputError(f"a parameter of {name} must be left to estimate, but all are fixed. Leave out --estimate.")
    return model


def _form(name: str) -> Form:
    families = ", ".join(FORMS)
    call = read_call(name)
    if call is not None and call.family in FORMS:
        if call.arguments:
            raise InputError(
                f"the density must be a family without parameters with --estimate, got {name}. Write {call.family}, "
                "and --fix NAME=VALUE for what is known."
            )
        return FORMS[call.family]
    if call is not None and call.family == "scipy":
        law = continuous_distributions().get(call.arguments)
        if law is not None:
            shapes = tuple(shape.strip() for shape in law.shapes.split(",")) if law.shapes else ()
            return Form(call.arguments, shapes, "loc", "scale")
    raise InputError(
        f"the density must be a family with --estimate, got {name}. Choose from {families}, or scipy:NAME without "
        "parameters."
    )
