r"""What a single observation adds to T_m through the bias of the estimate.

With the bias :math:`\delta = K_b * f - f`, T_m splits into a part without bias and two with it,

.. math:: T_m = m b \int (f_m - K_b * f)^2 a + 2 b \sum_i g(X_i) + m b \int \delta^2 a ,

where :math:`g(X) = \int [K_b(x - X) - (K_b * f)(x)]\, \delta(x)\, a(x)\, dx` has mean 0
(`theory.bickel_rosenblatt.variance`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from theory.bickel_rosenblatt.interactions import Quadrature, Setting
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.quadrature import Mesh, Nodes
from theory.densities.density import DensityLike
from theory.densities.validation import valid_density
from theory.densities.weights import Weight, weight_named
from theory.kernels import Kernel, kernel_named

ORDERS = (20, 32, 48, 64)
"""Numbers of nodes per panel, of which two neighbours must agree."""

TOLERANCE = 1e-9
"""Accepted difference of the two orders, relative to the largest value of g."""


@dataclass(frozen=True)
class BiasProjection:
    """The function g for one kernel, density, weight and bandwidth.

    Attributes
    ----------
    mesh : Mesh
        The cells on which g is smooth; beyond them it is constant.
    outside : float
        g at an observation whose kernel does not reach the support of the weight.
    squared_bias : float
        The integral of b (K_b * f - f)^2 a.
    """

    quadrature: Quadrature
    mesh: Mesh
    outside: float
    squared_bias: float

    def at(self, nodes: Nodes) -> Array:
        """Compute g at nodes within the mesh, shape (n,)."""
        return self.quadrature.project_bias(nodes)


def bias_projection(
    kernel: str | Kernel, density: DensityLike, weight: str | Weight, bandwidth: float
) -> BiasProjection:
    """Return the function g.

    Parameters
    ----------
    kernel, density, weight
        As for `exact_mean`.
    bandwidth : float
        b.

    Raises
    ------
    InputError
        If an argument is not valid (see `exact_mean`), or g cannot be computed to `TOLERANCE`.

    Examples
    --------
    >>> projection = bias_projection("epanechnikov", "normal", "one", 0.5)
    >>> values = projection.at(Nodes(np.array([0.0, 2.0]), np.zeros(2), np.zeros(2)))
    >>> [round(float(value), 6) for value in values]
    [-0.005674, 0.007167]
    """
    density = valid_density(density, drawn=True)
    setting = Setting(kernel_named(kernel), density, weight_named(weight, density), bandwidth)
    setting.check()
    for coarse, fine in pairwise(Quadrature(setting, order) for order in ORDERS):
        fine.validate()
        mesh = fine.projected
        points = mesh.nodes(2)
        values, others = fine.project_bias(points), coarse.project_bias(points)
        difference, scale = float(np.abs(values - others).max()), float(np.abs(values).max())
        if difference <= TOLERANCE * scale:
            break
    else:
        raise InputError(
            f"the bias of the estimate must be known to {TOLERANCE:g} of itself, but two orders of quadrature differ "
            f"by {difference:.2g} of {scale:.2g}. Choose a smooth kernel and a bandwidth below 10,000 times the scale "
            "of the density."
        )
    squared_bias = exact_mean(1, setting.kernel, density, setting.weight, bandwidth).squared_bias_term
    return BiasProjection(fine, mesh, fine.projected_outside, squared_bias)
