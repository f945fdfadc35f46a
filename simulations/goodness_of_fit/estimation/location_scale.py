"""Samples standardised by their estimated location and scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from simulations.goodness_of_fit.estimation.model import Fit, Model

FEWEST = 2
"""Smallest number of observations from which parameters can be estimated."""


@dataclass(frozen=True)
class StandardisedSample:
    """A sample standardised by the estimates of its parameters.

    Attributes
    ----------
    values : array, shape (m,)
        (sample - location) / scale.
    fit : Fit
    """

    values: Array
    fit: Fit


def standardise(sample: Array, model: Model) -> StandardisedSample:
    """Standardise ``sample`` by the estimates of the parameters of ``model``.

    The estimates of location and scale are equivariant: under the hypothesis the distribution of any statistic of the
    result is free of the unknown location and scale, and can be simulated from the standard density.

    Raises
    ------
    InputError
        If the sample has fewer than two observations, or no estimates.

    Examples
    --------
    >>> from simulations.goodness_of_fit.estimation.model import take_model
    >>> standardise(np.array([1.0, 3.0]), take_model("normal", {}))
    StandardisedSample(values=array([-1.,  1.]), fit=Fit(shapes=(), location=2.0, scale=1.0))
    """
    if sample.size < FEWEST:
        raise InputError(f"the sample must have at least {FEWEST} observations with --estimate, got {sample.size}.")
    fit = model.fit(sample)
    return StandardisedSample(np.asarray((sample - fit.location) / fit.scale), fit)
