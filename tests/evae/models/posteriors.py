"""The location-scale posteriors, as functions of mu and the scale; and divergences of posteriors from a prior."""

from functools import partial

from torch import Tensor

from evae.models.objectives import EvidenceLowerBound, RegularisedObjective
from evae.models.posteriors import LocationScalePosterior, Posterior
from evae.models.priors import NormalPrior, Prior, UniformPrior

gaussian_posterior = partial(LocationScalePosterior, name="gaussian")
epanechnikov_posterior = partial(LocationScalePosterior, name="epanechnikov")
uniform_posterior = partial(LocationScalePosterior, name="uniform")
laplace_posterior = partial(LocationScalePosterior, name="laplace")


def prior_of(objective: RegularisedObjective, length: float | None = None) -> Prior | None:
    """The prior uniform on an interval of this length, or N(0, I), if the objective has one."""
    if not isinstance(objective, EvidenceLowerBound):
        return None
    return NormalPrior(1) if length is None else UniformPrior(1, length)


def kl_to_normal(posterior: Posterior) -> Tensor:
    return EvidenceLowerBound().regularisation(posterior, NormalPrior(1))


def from_uniform(posterior: Posterior, length: float, divergence: str = "kl") -> Tensor:
    return EvidenceLowerBound(divergence).regularisation(posterior, UniformPrior(1, length))
