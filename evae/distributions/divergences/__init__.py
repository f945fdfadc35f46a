"""Kullback-Leibler divergences between the distributions of this package and PyTorch's; importing it registers them."""

from __future__ import annotations

from evae.distributions.divergences import by_quadrature as _by_quadrature  # noqa: F401
from evae.distributions.divergences import closed as _closed  # noqa: F401
