"""The latent laws as `torch.distributions`: import them from here, so that their divergences are registered too."""

from __future__ import annotations

from evae.distributions import kl as _closed  # noqa: F401 (registers Kullback-Leibler divergences, as the next does)
from evae.distributions import kl_by_quadrature as _by_quadrature  # noqa: F401
from evae.distributions.epanechnikov import STANDARD_ENTROPY, STANDARD_VARIANCE, Epanechnikov, standard_epanechnikov
from evae.distributions.epanechnikov_plus_uniform import EpanechnikovPlusUniform
from evae.distributions.uniform_plus_uniform import UniformPlusUniform

__all__ = [
    "STANDARD_ENTROPY",
    "STANDARD_VARIANCE",
    "Epanechnikov",
    "EpanechnikovPlusUniform",
    "UniformPlusUniform",
    "standard_epanechnikov",
]
