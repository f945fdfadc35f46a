r"""The exact variance of T_m at a finite m.

With :math:`\psi_X(x) = K_b(x - X) - (K_b * f)(x)`, :math:`\delta = K_b * f - f`, :math:`h(X, Y) = \int \psi_X \psi_Y a`
and :math:`g(X) = \int \psi_X \delta a`,

.. math:: T_m = \frac{b}{m} \sum_{i, j} h(X_i, X_j) + 2 b \sum_i g(X_i) + m b \int \delta^2 a .

Since :math:`E h(x, X) = 0` for every x, pairs are not correlated with each other nor with single observations:

.. math::

    \mathrm{Var}\, T_m = b^2 \left[2 \left(1 - \tfrac1m\right) E h(X, Y)^2 + \tfrac1m \mathrm{Var}\, h(X, X)
    + 4 m \mathrm{Var}\, g(X) + 4 \mathrm{Cov}(h(X, X), g(X))\right] .
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from foundation.errors import InputError
from foundation.validation import require_positive
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.bickel_rosenblatt.interactions import Coefficients, Quadrature, Setting
from theory.densities.density import DensityLike
from theory.densities.validation import valid_density
from theory.densities.weights import Weight, weight_named
from theory.kernels import Kernel, kernel_named

ORDERS = (8, 12, 20, 32)
"""Numbers of nodes per panel: the variance is computed with one after the other until two agree."""

RELATIVE_TOLERANCE = 1e-9
"""Accepted difference of two orders. The higher one is returned, which is far closer to the variance."""


@dataclass(frozen=True)
class ExactVariance:
    """Var T_m at a finite m, in four terms.

    Attributes
    ----------
    m : int
        The number of observations.
    coefficients : Coefficients
        What does not depend on m at the same bandwidth.
    errors : Coefficients
        The difference of two orders of quadrature, for each coefficient.
    """

    m: int
    coefficients: Coefficients
    errors: Coefficients

    @property
    def terms(self) -> Coefficients:
        """The four terms, whose sum is the variance."""
        return self.coefficients.at(self.m)

    @property
    def total(self) -> float:
        """Var T_m."""
        return sum(self.terms)

    @property
    def error(self) -> float:
        """An estimate of the absolute error of the total."""
        return sum(self.errors.at(self.m))

    def at(self, m: int) -> ExactVariance:
        """Return the variance for another sample size at the same bandwidth.

        Raises
        ------
        InputError
            If ``m`` is not positive, or the coefficients are not accurate enough for it.

        Examples
        --------
        >>> exact_variance(100, bandwidth=0.1).at(5000).total == exact_variance(5000, bandwidth=0.1).total
        True
        """
        require_positive("m", m)
        other = replace(self, m=m)
        if not other.is_accurate:
            raise InputError(
                f"the variance for m = {m} must be accurate to {RELATIVE_TOLERANCE:g}, but its coefficients for m = "
                f"{self.m} give it to {other.error / other.total:.1g}. Call exact_variance with the new m."
            )
        return other

    @property
    def is_accurate(self) -> bool:
        """Whether the error is within the tolerance."""
        return self.error <= RELATIVE_TOLERANCE * self.total


def exact_variance(
    m: int,
    kernel: str | Kernel = "epanechnikov",
    density: DensityLike = "normal",
    weight: str | Weight = "window:-2,2",
    bandwidth: str | float | Bandwidth = "m^-0.235",
) -> ExactVariance:
    r"""Compute Var T_m for a sample of size ``m``, exact up to quadrature error.

    Parameters
    ----------
    m : int
        The number of observations, at least 1.
    kernel, density, weight, bandwidth
        As for `exact_mean`.

    Returns
    -------
    ExactVariance
        The four terms, and an estimate of their error, which is at most 1e-9 of the variance.

    Raises
    ------
    InputError
        If an argument is not valid (see `exact_mean`), or the variance cannot be computed to that accuracy: two orders
        of quadrature differ, or it takes too many nodes.

    Notes
    -----
    The expectations over X and Y and the integral over x are Gauss-Legendre rules on meshes whose edges are the kinks
    of the integrands, and whose cells are narrow beside narrow parts of the density, also where these stand a knot of
    the kernel away. The cost therefore depends little on the bandwidth.

    Where the bandwidth is large beside the density all kernels are nearly one and the same function, which cancels in
    :math:`\psi_X`. There :math:`K_b(x - X) - K_b(x - x_0)` is integrated instead of :math:`K_b(x - X)`, with the median
    :math:`x_0`; h differs from these integrals by their means. This is accurate for bandwidths up to 10,000 times the
    scale of the density.

    Examples
    --------
    >>> variance = exact_variance(10_000)
    >>> round(variance.total, 12), round(variance.terms.pairs, 10), round(variance.terms.bias, 10)
    (0.025213469298, 0.0251766512, 3.5416e-05)
    """
    require_positive("m", m)
    density = valid_density(density, drawn=True)
    setting = Setting(kernel_named(kernel), density, weight_named(weight, density), bandwidth_named(bandwidth).at(m))
    setting.check()
    # A mesh that passes over a narrow part of the density does so with every number of nodes.
    Quadrature(setting, ORDERS[-1]).validate()
    least = np.inf
    for order, higher in pairwise(ORDERS):
        found, coarse = _coefficients(setting, higher), _coefficients(setting, order)
        differences = Coefficients(*(abs(one - other) for one, other in zip(found, coarse, strict=True)))
        variance = ExactVariance(m, found, differences)
        if variance.is_accurate:
            return variance
        # Rounding errors do not become smaller with more nodes.
        if variance.error > least / 2:
            break
        least = variance.error
    raise InputError(
        f"Var T_m must be accurate to {RELATIVE_TOLERANCE:g} of itself, but two orders of quadrature differ by "
        f"{variance.error:.2g} of {variance.total:.2g}. Choose a smooth kernel and a bandwidth below 10,000 times the "
        "scale of the density."
    )


@lru_cache
def _coefficients(setting: Setting, order: int) -> Coefficients:
    return Quadrature(setting, order).coefficients()
