"""Latent distributions as `torch.distributions`; importing this package registers their divergences."""

from __future__ import annotations

from evae.distributions import divergences as _divergences  # noqa: F401 (registers Kullback-Leibler divergences)
from evae.distributions.centred_uniform import CentredUniform, standard_uniform
from evae.distributions.epanechnikov import STANDARD_ENTROPY, STANDARD_VARIANCE, Epanechnikov, standard_epanechnikov
from evae.distributions.epanechnikov_plus_uniform import EpanechnikovPlusUniform
from evae.distributions.laplace import standard_laplace
from evae.distributions.standard_normal import StandardNormal
from evae.distributions.uniform_plus_uniform import UniformPlusUniform

__all__ = [
    "STANDARD_ENTROPY",
    "STANDARD_VARIANCE",
    "CentredUniform",
    "Epanechnikov",
    "EpanechnikovPlusUniform",
    "StandardNormal",
    "UniformPlusUniform",
    "standard_epanechnikov",
    "standard_laplace",
    "standard_uniform",
]
