"""T_m by other libraries: their density estimate on a grid, then the trapezoid rule.

Each uses the same sample, the same half-width b of the kernel (for the Gaussian its standard deviation), converted to
the library's units, and the grid at which the library performs best.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import gaussian_kde

from foundation.types import Array

LOWER, UPPER = -2.0, 2.0
"""The window of the standard example; its density is the standard normal."""
MARGIN = 1.0
"""Length of the grid beyond the outermost observations, in bandwidths of the kernel with the longest tails."""


def direct(sample: Array, b: float, nodes: int = 1024) -> float:
    """Sum every kernel at every node in NumPy."""
    grid = np.linspace(LOWER, UPPER, nodes)
    ordered = np.sort(sample)
    estimate = np.empty(nodes)
    for i, (start, end) in enumerate(
        zip(*(np.searchsorted(ordered, grid + sign * b) for sign in (-1, 1)), strict=True)
    ):
        u = (grid[i] - ordered[start:end]) / b
        estimate[i] = 0.75 * np.sum(1 - u * u) / (sample.size * b)
    return from_estimate(grid, estimate, sample.size, b)


def kdepy_fft(sample: Array, b: float, nodes: int = 4096) -> float:
    """Use KDEpy's FFTKDE, the fastest peer; its ``bw`` is the kernel's standard deviation, b over the root of 5."""
    from KDEpy import FFTKDE

    grid = np.linspace(min(sample.min(), LOWER) - MARGIN * b, max(sample.max(), UPPER) + MARGIN * b, nodes)
    estimate = FFTKDE(kernel="epa", bw=b / math.sqrt(5)).fit(sample).evaluate(grid)
    return from_estimate(grid, estimate, sample.size, b)


def kdepy_tree(sample: Array, b: float, nodes: int = 512) -> float:
    """Use KDEpy's TreeKDE."""
    from KDEpy import TreeKDE

    grid = np.linspace(LOWER, UPPER, nodes)
    estimate = TreeKDE(kernel="epa", bw=b / math.sqrt(5)).fit(sample).evaluate(grid)
    return from_estimate(grid, estimate, sample.size, b)


def scikit_learn(sample: Array, b: float, nodes: int = 512) -> float:
    """Use scikit-learn's KernelDensity, a ball tree; its ``bandwidth`` is b."""
    from sklearn.neighbors import KernelDensity

    grid = np.linspace(LOWER, UPPER, nodes)
    fitted = KernelDensity(kernel="epanechnikov", bandwidth=b).fit(sample[:, None])
    with np.errstate(divide="ignore"):
        estimate = np.exp(fitted.score_samples(grid[:, None]))
    return from_estimate(grid, estimate, sample.size, b)


def statsmodels_fft(sample: Array, b: float, nodes: int = 4096) -> float:
    """Use statsmodels' KDEUnivariate by FFT, which has the Gaussian kernel only."""
    from statsmodels.nonparametric.kde import KDEUnivariate

    fitted = KDEUnivariate(sample)
    fitted.fit(kernel="gau", bw=b, fft=True, gridsize=nodes, cut=5)
    return from_estimate(fitted.support, fitted.density, sample.size, b)


def scipy_gaussian(sample: Array, b: float, nodes: int = 512) -> float:
    """Use SciPy's gaussian_kde; its ``bw_method`` is in standard deviations of the sample."""
    grid = np.linspace(LOWER, UPPER, nodes)
    estimate = gaussian_kde(sample, bw_method=b / sample.std(ddof=1)).evaluate(grid)
    return from_estimate(grid, estimate, sample.size, b)


def from_estimate(grid: Array, estimate: Array, m: int, b: float) -> float:
    """Compute m b times the integral of (f_m - f)^2 over the window, by the trapezoid rule on the grid's nodes."""
    square = (estimate - norm_pdf(grid)) ** 2
    inside = (grid > LOWER) & (grid < UPPER)
    ends = np.interp([LOWER, UPPER], grid, square)
    points = np.concatenate([[LOWER], grid[inside], [UPPER]])
    return float(m * b * np.trapezoid(np.concatenate([ends[:1], square[inside], ends[1:]]), points))


def norm_pdf(points: Array) -> Array:
    """Compute the standard normal density, without the overhead of scipy.stats."""
    return np.exp(-0.5 * points**2) / math.sqrt(2 * math.pi)


EPANECHNIKOV: dict[str, Callable[[Array, float], float]] = {
    "KDEpy FFTKDE, 4096 nodes": kdepy_fft,
    "KDEpy TreeKDE, 512 nodes": kdepy_tree,
    "scikit-learn KernelDensity, 512 nodes": scikit_learn,
    "NumPy, every kernel at 1024 nodes": direct,
}
GAUSSIAN: dict[str, Callable[[Array, float], float]] = {
    "statsmodels KDEUnivariate FFT, 4096 nodes": statsmodels_fft,
    "SciPy gaussian_kde, 512 nodes": scipy_gaussian,
}
