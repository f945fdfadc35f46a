"""The integral of f_m^2 beyond an end of a window, compiled: what the overlaps of whole kernels have too much."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from foundation.types import Array
from simulations.compiled import compiled, horner
from simulations.engines.exact.kernel_tables import PiecewiseKernel, expand, transfer


class EndTable(NamedTuple):
    """A kernel that is one polynomial, as seen from an end of a window; a named tuple for compiled functions.

    Attributes
    ----------
    side : int
        1 for the upper end; -1 for the lower one, for which the kernel is mirrored.
    middle, upper : float
        Middle and upper end of the support, in bandwidths.
    kernel : array, shape (n,)
        Coefficients of the powers of the distance from the middle.
    transfer : array, shape (n, n)
        Their `simulations.engines.exact.kernel_tables.transfer`.
    nodes, shares : array, shape (n,)
        A Gauss-Legendre rule on [0, 1], exact for the product of two kernels.
    """

    side: int
    middle: float
    upper: float
    kernel: Array
    transfer: Array
    nodes: Array
    shares: Array


def end_table(kernel: PiecewiseKernel, side: int) -> EndTable:
    """Build the table of a kernel that is one polynomial."""
    coefficients, lower, upper = kernel.exact_polynomial()
    if side < 0:
        coefficients = [(-1) ** n * value for n, value in enumerate(coefficients)]
        lower, upper = -upper, -lower
    centred = expand(coefficients, (lower + upper) / 2)
    nodes, shares = np.polynomial.legendre.leggauss(len(centred))
    return EndTable(
        side=side,
        middle=float((lower + upper) / 2),
        upper=float(upper),
        kernel=np.array([float(value) for value in centred]),
        transfer=transfer(centred),
        nodes=(1 + nodes) / 2,
        shares=shares / 2,
    )


@compiled
def integrate_beyond(sample: Array, end: float, bandwidth: float, table: EndTable) -> float:
    """Integrate (m b f_m)^2 du beyond the end of a window, u in bandwidths.

    ``sample`` is sorted, and all its kernels reach to the inner side of the end.
    """
    # With z the distance beyond the end and s that of an observation, K(z - s) counts from z = 0 to s + upper. The
    # outermost observations come first, so that at each one the kernels of those before it are still active.
    size, total = table.kernel.size, 0.0
    sums, potential = np.zeros(size), np.empty(size)
    for i in range(sample.size):
        observation = sample[sample.size - 1 - i] if table.side > 0 else sample[i]
        s = table.side * (observation - end) / bandwidth
        reach = s + table.upper
        if reach <= 0.0:
            break
        # The sum of the kernels before this one is a polynomial in z.
        for q in range(size):
            potential[q] = 0.0
            for r in range(size - q):
                potential[q] += table.transfer[q, r] * sums[r]
        for k in range(size):
            z = reach * table.nodes[k]
            own = horner(table.kernel, z - (s + table.middle))
            total += reach * table.shares[k] * own * (own + 2 * horner(potential, z))
        power = 1.0
        for r in range(size):
            sums[r] += power
            power *= -(s + table.middle)
    return total
