"""The prior that a recipe names."""

from __future__ import annotations

from collections.abc import Sequence

from evae.configuration.recipe import Recipe
from evae.models.priors.epanechnikov import EpanechnikovVampPrior
from evae.models.priors.mixture import MixturePrior, VampPrior
from evae.models.priors.prior import NormalPrior, Prior, UniformPrior


def prior_for(recipe: Recipe, latent_dim: int, image_shape: Sequence[int]) -> Prior | None:
    """Return the prior towards which a model is trained; None if its objective has none.

    ``recipe`` is complete; ``image_shape`` is that of pseudo-inputs, (channels, side, side).
    """
    if not recipe.has_prior:
        return None
    if recipe.uniform_length is not None:
        return UniformPrior(latent_dim, recipe.uniform_length)
    if recipe.objective == "iwae" or recipe.prior == "normal":
        return NormalPrior(latent_dim)
    assert recipe.prior_components is not None
    if recipe.prior == "mixture":
        return MixturePrior(latent_dim, recipe.prior_components)
    learned = recipe.pseudo_inputs != "frozen"
    if recipe.vamp_components == "epanechnikov":
        assert recipe.defensive_share is not None
        return EpanechnikovVampPrior(image_shape, recipe.prior_components, recipe.defensive_share, learned=learned)
    return VampPrior(image_shape, recipe.prior_components, learned=learned)
