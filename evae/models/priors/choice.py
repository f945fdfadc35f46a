"""The prior that a recipe names."""

from __future__ import annotations

from evae.configuration.recipe import Recipe
from evae.models.priors.prior import NormalPrior, Prior, UniformPrior


def prior_for(recipe: Recipe, latent_dim: int) -> Prior | None:
    """Return the prior towards which a model is trained; None if its objective has none.

    ``recipe`` is complete.
    """
    if recipe.objective in ("elbo", "iwae"):
        return NormalPrior(latent_dim)
    if recipe.uniform_length is not None:
        return UniformPrior(latent_dim, recipe.uniform_length)
    return None
