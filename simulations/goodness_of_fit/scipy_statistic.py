"""T_m as a statistic for `scipy.stats.goodness_of_fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from simulations.goodness_of_fit.estimation.bootstrap import DensityTerms, KernelSums
from simulations.goodness_of_fit.names import DEFAULT_BANDWIDTH
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.kernels import Kernel, kernel_named


def scipy_statistic(
    kernel: str | Kernel = "epanechnikov", bandwidth: str | float | Bandwidth = DEFAULT_BANDWIDTH
) -> Callable[..., Any]:
    """Return T_m with the weight one as a callable for ``statistic`` of `scipy.stats.goodness_of_fit`.

    It takes a frozen continuous distribution, data, and the axis of a sample. The bandwidth is in units of the
    distribution's scale, or, if it has shapes, of half the distance between its 16 % and 84 % quantiles, as in
    `bickel_rosenblatt_test`.

    Parameters
    ----------
    kernel : str or Kernel
        One polynomial of degree 6 or less on a bounded support.
    bandwidth : str, float or Bandwidth

    Raises
    ------
    InputError
        If the kernel or the bandwidth is not one of those.

    Examples
    --------
    >>> from scipy import stats
    >>> sample = stats.norm(2, 3).ppf((np.arange(50) + 0.5) / 50)
    >>> result = stats.goodness_of_fit(stats.norm, sample, statistic=scipy_statistic(), n_mc_samples=99)
    >>> bool(result.pvalue > 0.5)
    True
    """
    sums, rule = KernelSums(kernel_named(kernel)), bandwidth_named(bandwidth)

    def statistic(distribution: Any, data: Any, axis: int = -1) -> Any:
        samples = np.moveaxis(np.asarray(data, dtype=np.float64), axis, -1)
        shape = samples.shape[:-1]
        *shapes, location, scale = _parameters(distribution, shape)
        rows = samples.reshape(-1, samples.shape[-1])
        values = np.empty(len(rows))
        terms: dict[tuple[float, ...], DensityTerms] = {}
        for k, row in enumerate(rows):
            own = tuple(float(one[k]) for one in shapes)
            if own not in terms:
                terms[own] = DensityTerms.of(distribution.dist, own)
            b = rule.at(row.size) * (terms[own].spread if own else 1.0)
            values[k] = sums.statistic(np.sort((row - location[k]) / scale[k]), b, terms[own])
        return values.reshape(shape)[()]

    return statistic


def _parameters(distribution: Any, shape: tuple[int, ...]) -> list[Array]:
    """Return the shapes, the location and the scale of a frozen distribution for every sample, each as an array."""
    try:
        shapes, location, scale = distribution.dist._parse_args(*distribution.args, **distribution.kwds)
    except AttributeError:
        raise InputError(
            f"the distribution must be a frozen one of scipy.stats, got {type(distribution).__name__}. Pass the "
            "callable as statistic of scipy.stats.goodness_of_fit."
        ) from None
    # The parameters of several samples have an axis of length 1 for the observations.
    found = []
    for one in (*shapes, location, scale):
        values = np.asarray(one, dtype=np.float64)
        values = values[..., 0] if values.ndim > len(shape) else values
        found.append(np.broadcast_to(values, shape).ravel())
    return found
