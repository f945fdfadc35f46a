r"""Rigorous enclosures of the Kullback-Leibler divergence of a smoothed normal from the normal.

For Z standard normal and W symmetric on [-w, w], independent, the density of Z + W relative to that of Z is
:math:`\rho(z) = E\,e^{zW - W^2/2} = \sum_j c_j z^{2j}` with :math:`c_j = E[W^{2j} e^{-W^2/2}]/(2j)!`. No coefficient
is negative, so the series loses no digits, and :math:`\int \varphi \rho \log \rho` is integrated by Arb with a proven
bound on the error.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy
from flint import acb, acb_poly, arb, ctx
from sympy import Expr

from foundation.errors import InputError
from theory.algebra.balls import ball_of
from theory.posterior import PERTURBATIONS

PRECISION_BITS = 96
ACCURACY_BITS = 40
REACH = 9
TERMS = 40


def enclose_kl(kernel: str, variance: Expr | int) -> arb:
    r"""Return a ball that contains KL(Z + W || Z), in nats.

    Parameters
    ----------
    kernel : str
        The law of W up to scale: one of `theory.posterior.PERTURBATIONS`.
    variance : sympy.Expr or int
        The variance of W, positive and at most 1.

    Raises
    ------
    InputError
        If the kernel is unknown or the variance is out of range.

    Notes
    -----
    For the Gaussian it is :math:`\frac12(v - \log(1 + v))`. Beyond :math:`|z| = 9` the integrand is bounded through
    :math:`-w^2/2 \le \log\rho(z) \le w|z|` and :math:`\varphi(z)\rho(z) \le \varphi(|z| - w)`.

    Examples
    --------
    >>> [enclose_kl(kernel, sympy.Rational(1, 2)).str(6, radius=False) for kernel in PERTURBATIONS]
    ['0.0486545', '0.0477070', '0.0474799', '0.0472674']
    """
    variance = sympy.sympify(variance)
    if kernel not in PERTURBATIONS:
        raise InputError(f"the kernel must be one of {', '.join(PERTURBATIONS)}, got {kernel!r}.")
    if not 0 < variance <= 1:
        raise InputError(f"the variance must be positive and at most 1, got {variance}.")
    if kernel == "gaussian":
        return ball_of((variance - sympy.log(1 + variance)) / 2)
    with ctx.workprec(PRECISION_BITS):
        reach = (ball_of(variance) * {"two-point": 1, "uniform": 3, "epanechnikov": 5}[kernel]).sqrt()
        tolerance = arb(2) ** -ACCURACY_BITS
        # By symmetry the integral over |z| <= 9 is twice that over [0, 9]; the rest is bounded.
        inner = acb.integral(_integrand(kernel, reach), acb(0), acb(REACH), rel_tol=tolerance, abs_tol=tolerance)
        return 2 * inner.real + _tail(reach)


def _integrand(kernel: str, reach: arb) -> Callable[[acb, bool], acb]:
    """Return the integrand as a function that encloses its values on complex balls."""
    series = acb_poly([acb(_coefficient(kernel, j) * reach ** (2 * j) * _damping(kernel, j, reach)) for j in _ORDERS])
    scale = 1 / (2 * arb.pi()).sqrt()

    def integrand(z: acb, analytic: bool) -> acb:
        ratio = series(z * z) + _remainder(reach * abs(z))
        return scale * (-z * z / 2).exp() * ratio * ratio.log(analytic=analytic)

    return integrand


_ORDERS = range(TERMS + 1)


def _coefficient(kernel: str, j: int) -> arb:
    """Return the 2j-th moment of the kernel on [-1, 1], over (2j)!."""
    moment = {"two-point": 1, "uniform": arb(1) / (2 * j + 1), "epanechnikov": arb(3) / ((2 * j + 1) * (2 * j + 3))}
    return moment[kernel] / arb.fac_ui(2 * j)


def _damping(kernel: str, j: int, reach: arb) -> arb:
    """Return E[W^2j exp(-W^2/2)] over E[W^2j]: for both continuous kernels Kummer's function."""
    if kernel == "two-point":
        return (-(reach**2) / 2).exp()
    shift = {"uniform": 1, "epanechnikov": 2}[kernel]
    half = arb(2 * j + 1) / 2
    return (-(reach**2) / 2).hypgeom([half], [half + shift])


def _remainder(size: arb) -> acb:
    """Return a ball about 0 for the truncated terms: the sum of size^2j/(2j)! beyond the last order."""
    order = 2 * TERMS + 2
    bound = (size**order / arb.fac_ui(order) * size.cosh()).upper()
    error = arb(0, bound) if bound.is_finite() else arb("nan")
    return acb(error, error)


def _tail(reach: arb) -> arb:
    """Return a ball about 0 for the integral over |z| > 9: 2 times that of (w z + w^2/2) phi(z - w) bounds it."""
    start = REACH - reach
    density = (-(start**2) / 2).exp() / (2 * arb.pi()).sqrt()
    mass = (start / arb(2).sqrt()).erfc() / 2
    bound = 2 * reach * (density + reach * mass) + reach**2 * mass
    return arb(0, bound.upper())
