"""Estimates of location and scale, for hypotheses about the shape of a density alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from foundation.typography import format_count
from theory.densities.density import Density
from theory.densities.families import LAPLACE, LOGISTIC, NORMAL


@dataclass(frozen=True)
class StandardisedSample:
    """A sample standardised by its estimates of location and scale.

    Attributes
    ----------
    values : array, shape (m,)
        (sample - location) / scale.
    location, scale : float
        Estimates for the family of densities f((x - location) / scale) / scale.
    """

    values: Array
    location: float
    scale: float


def standardise(sample: Array, density: Density) -> StandardisedSample:
    """Standardise ``sample`` by equivariant estimates of location and scale.

    Under the hypothesis the distribution of any statistic of the result is therefore free of the unknown location and
    scale, and can be simulated from the standard density. The normal and the Laplace density are fitted by maximum
    likelihood, the logistic by its first two moments.

    Raises
    ------
    InputError
        If the density is none of the three, or the sample has no spread.

    Examples
    --------
    >>> standardise(np.array([1.0, 3.0]), NORMAL)
    StandardisedSample(values=array([-1.,  1.]), location=2.0, scale=1.0)
    """
    if density not in _ESTIMATORS:
        names = ", ".join(known.name for known in _ESTIMATORS)
        raise InputError(f"the density must be one of {names} with --estimate, got {density.name}.")
    # Degenerate samples are found by the result, whichever estimator is used.
    location, scale = _ESTIMATORS[density](sample)
    if not (math.isfinite(location) and math.isfinite(scale) and scale > 0):
        raise InputError(
            "the spread of the sample must be positive and within double precision with --estimate, got "
            f"{sample.size} observations with {_distinct(sample)}."
        )
    return StandardisedSample((sample - location) / scale, location, scale)


def _distinct(sample: Array) -> str:
    return format_count(np.unique(sample).size, "distinct value")


def _of_normal(sample: Array) -> tuple[float, float]:
    return float(sample.mean()), float(sample.std())


def _of_laplace(sample: Array) -> tuple[float, float]:
    centre = float(np.median(sample))
    return centre, float(np.abs(sample - centre).mean())


def _of_logistic(sample: Array) -> tuple[float, float]:
    return float(sample.mean()), float(sample.std()) * math.sqrt(3) / math.pi


_ESTIMATORS: dict[Density, Callable[[Array], tuple[float, float]]] = {
    NORMAL: _of_normal,
    LAPLACE: _of_laplace,
    LOGISTIC: _of_logistic,
}
