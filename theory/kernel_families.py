r"""Families of kernels in closed form: Epanechnikov kernels in d dimensions, and symmetric beta kernels.

In d dimensions the density :math:`c_d (1 - |u|^2)` on the unit ball, the *radial* Epanechnikov kernel, has the least
roughness at its covariance (``beyond.radial-kernel``). The *product* of d one-dimensional Epanechnikov kernels is the
noise of EVAE. The *beta* kernel of shape a has a density proportional to :math:`(1 - u^2)^{a - 1}` on [-1, 1]: uniform
for a = 1, Epanechnikov for a = 2, and nearer to the normal density the larger a is.

Every function is exact: dimensions and shapes are sympy expressions or numbers, and so may be symbols.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import sympy
from sympy import Expr, Integer, digamma, gamma, log, oo, pi, sqrt

from foundation.errors import InputError
from theory.kernels import EPANECHNIKOV
from theory.posterior import EPANECHNIKOV_ENTROPY

Number: TypeAlias = Expr | int | float


@dataclass(frozen=True)
class KernelConstants:
    """Constants of a kernel on R^d whose covariance is a multiple of the identity.

    Attributes
    ----------
    dimension : sympy.Expr
        d.
    variance : sympy.Expr
        The variance of each coordinate.
    roughness : sympy.Expr
        The integral of the squared density.
    entropy : sympy.Expr
        The differential entropy, in nats.
    """

    dimension: Expr
    variance: Expr
    roughness: Expr
    entropy: Expr

    def rescale(self, variance: Number) -> KernelConstants:
        """Return the constants of the kernel stretched to this variance.

        Examples
        --------
        >>> radial_epanechnikov(1).rescale(1).roughness
        3*sqrt(5)/25
        """
        target = sympy.sympify(variance)
        factor = sqrt(target / self.variance)
        return KernelConstants(
            self.dimension,
            target,
            self.roughness / factor**self.dimension,
            self.entropy + self.dimension * log(factor),
        )

    @property
    def relative_roughness(self) -> Expr:
        """The roughness divided by that of the normal density of equal covariance."""
        return self.roughness * (4 * pi * self.variance) ** (self.dimension / 2)

    @property
    def normal_divergence(self) -> Expr:
        """The divergence KL from the normal density of equal mean and covariance, in nats."""
        return self.dimension / 2 * log(2 * pi * sympy.E * self.variance) - self.entropy


def ball_volume(dimension: Number) -> Expr:
    """Return the volume of the unit ball in R^d.

    Examples
    --------
    >>> [ball_volume(d) for d in (1, 2, 3)]
    [2, pi, 4*pi/3]
    """
    d = _require_dimension(dimension)
    return pi ** (d / 2) / gamma(d / 2 + 1)


def radial_epanechnikov(dimension: Number) -> KernelConstants:
    r"""Return the constants of the radial Epanechnikov kernel, :math:`c_d (1 - |u|^2)` on the unit ball of R^d.

    Notes
    -----
    :math:`c_d = (d + 2)/2V_d`, with :math:`V_d` the volume of the ball. The covariance is :math:`I/(d + 4)`, and
    :math:`|u|^2` has the beta distribution of shapes d/2 and 2.

    Examples
    --------
    >>> radial_epanechnikov(1)
    KernelConstants(dimension=1, variance=1/5, roughness=3/5, entropy=5/3 - log(3))
    >>> radial_epanechnikov(2).roughness, round(float(radial_epanechnikov(64).relative_roughness), 6)
    (4/(3*pi), 0.000216)
    """
    d, volume = _require_dimension(dimension), ball_volume(dimension)
    entropy = log(2 * volume / (d + 2)) + digamma(d / 2 + 2) - digamma(Integer(2))
    return KernelConstants(d, 1 / (d + 4), 2 * (d + 2) / ((d + 4) * volume), sympy.expand_log(entropy))


def product_epanechnikov(dimension: Number) -> KernelConstants:
    """Return the constants of d independent Epanechnikov kernels on [-1, 1], the kernel of EVAE.

    Examples
    --------
    >>> round(float(product_epanechnikov(64).relative_roughness), 4)
    0.0407
    """
    d = _require_dimension(dimension)
    return KernelConstants(d, EPANECHNIKOV.variance, EPANECHNIKOV.roughness**d, d * EPANECHNIKOV_ENTROPY)


def symmetric_beta(shape: Number) -> KernelConstants:
    r"""Return the constants of the kernel on [-1, 1] with a density proportional to :math:`(1 - u^2)^{a - 1}`.

    Parameters
    ----------
    shape : sympy.Expr or number
        a, positive. The roughness is infinite unless a > 1/2.

    Notes
    -----
    With B the beta function the density is :math:`(1 - u^2)^{a - 1}/2^{2a - 1}B(a, a)`, the variance 1/(2a + 1), the
    roughness :math:`B(2a - 1, 2a - 1)/2B(a, a)^2` and the entropy
    :math:`\log 2B(a, a) - 2(a - 1)(\psi(a) - \psi(2a))`, with :math:`\psi` the digamma function.

    Examples
    --------
    >>> symmetric_beta(1)
    KernelConstants(dimension=1, variance=1/3, roughness=1/2, entropy=log(2))
    >>> [round(float(symmetric_beta(a).rescale(1).normal_divergence), 4) for a in (1, 2, 3, 5, 10)]
    [0.1765, 0.0462, 0.0207, 0.0075, 0.0019]
    """
    a = sympy.sympify(shape)
    if a.is_positive is False:
        raise InputError(f"the shape of a beta kernel must be positive, got {shape}.")
    whole = _beta(a, a)
    roughness = oo if (2 * a - 1).is_nonpositive else _beta(2 * a - 1, 2 * a - 1) / (2 * whole**2)
    entropy = log(2 * whole) - 2 * (a - 1) * (digamma(a) - digamma(2 * a))
    return KernelConstants(Integer(1), 1 / (2 * a + 1), roughness, entropy)


def radial_kl_to_standard_normal(
    dimension: Number, squared_mean: Number, squared_scale: Number, log_determinant: Number
) -> Expr:
    r"""Return KL(mu + L u || N(0, I)) for u from the radial Epanechnikov kernel, in nats.

    Parameters
    ----------
    dimension : sympy.Expr or int
        d.
    squared_mean, squared_scale : sympy.Expr or number
        :math:`|\mu|^2`, and the sum of the squared entries of L.
    log_determinant : sympy.Expr or number
        :math:`\log |\det L|`; for a triangular L, the sum of the logarithms of its diagonal.

    Notes
    -----
    :math:`-h_0 - \log|\det L| + \frac d2 \log 2\pi + \frac12(|\mu|^2 + |L|_F^2/(d + 4))`, with :math:`h_0` the entropy
    of u.

    Examples
    --------
    >>> from theory.posterior import direct_kl_to_standard_normal
    >>> radial_kl_to_standard_normal(1, 1, 4, log(2)) - direct_kl_to_standard_normal(1, 2)
    0
    """
    kernel = radial_epanechnikov(dimension)
    moments = sympy.sympify(squared_mean) + kernel.variance * squared_scale
    return -kernel.entropy - log_determinant + kernel.dimension / 2 * log(2 * pi) + moments / 2


def _beta(first: Expr, second: Expr) -> Expr:
    return gamma(first) * gamma(second) / gamma(first + second)


def _require_dimension(dimension: Number) -> Expr:
    d = sympy.sympify(dimension)
    if d.is_number and not (d.is_Integer and d >= 1):
        raise InputError(f"the dimension must be a positive whole number, got {dimension}.")
    return d
