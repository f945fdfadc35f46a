"""Families of kernels: symmetric beta laws of any shape, and the radial Epanechnikov law in several dimensions.

Their constants, exact and for symbols, are in `theory.kernel_families`. Importing this package registers their
divergences. `evae.distributions.kernels.noises` has kernels of Algorithm 1 without a distribution of their own.
"""

from __future__ import annotations

from evae.distributions.kernels import kl as _kl  # noqa: F401 (registers Kullback-Leibler divergences)
from evae.distributions.kernels.radial_epanechnikov import RadialEpanechnikov
from evae.distributions.kernels.symmetric_beta import SymmetricBeta

__all__ = ["RadialEpanechnikov", "SymmetricBeta"]
