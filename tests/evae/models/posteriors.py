"""The location-scale posteriors, as functions of mu and the scale."""

from functools import partial

from evae.models.posteriors import LocationScalePosterior

gaussian_posterior = partial(LocationScalePosterior, name="gaussian")
epanechnikov_posterior = partial(LocationScalePosterior, name="epanechnikov")
uniform_posterior = partial(LocationScalePosterior, name="uniform")
laplace_posterior = partial(LocationScalePosterior, name="laplace")
