"""Where a sample departs from the hypothesis: the density estimate with its band, and what each region adds to T_m."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

from foundation.types import Array
from simulations.engines.exact.statistic import Statistic
from simulations.goodness_of_fit.result import GoodnessOfFit
from theory.bickel_rosenblatt.outlines import KernelGrid
from theory.densities.evaluation import local_density, numerical

POINTS = 400
"""Points at which the estimate is computed."""

MOST_SAMPLES, MOST_DRAWN = 400, 40_000_000
"""Largest number of samples of the hypothesis for the band, and of their observations."""

BAND = 0.95

BULK = 1e-3
"""Mass of the hypothesis beyond each end of the range, unless the sample reaches farther."""

FARTHEST = 3.0
"""How far the range may exceed the bulk of the hypothesis for the sample's sake, in widths of the bulk."""

BINS = 32
"""Bins in a bandwidth, by which the estimates of the band are computed."""

CELLS = 256
"""Cells per smooth part of the kernel, over whose probabilities K_b * f sums."""

PARTS = 24
"""Regions of equal width among which the one is sought that adds most to T_m."""


@dataclass(frozen=True)
class Regions:
    """The estimate and the hypothesis on a grid, in the units of the data.

    Attributes
    ----------
    x : array, shape (n,)
    estimate, hypothesis : array, shape (n,)
        f_m, and what it is compared with.
    lower, upper : array, shape (n,)
        The pointwise 95 % band of f_m under the hypothesis.
    contribution : array, shape (n,)
        What T_m gains per unit of x.
    statistic : float
        T_m at this bandwidth.
    """

    x: Array
    estimate: Array
    hypothesis: Array
    lower: Array
    upper: Array
    contribution: Array
    statistic: float

    def in_words(self) -> str:
        """Say which region of x adds most to T_m, and whether observations lack there or abound."""
        edges = np.linspace(self.x[0], self.x[-1], PARTS + 1)
        step = self.x[1] - self.x[0]
        shares = np.histogram(self.x, edges, weights=self.contribution * step)[0] / self.statistic
        most = int(shares.argmax())
        inside = (self.x >= edges[most]) & (self.x <= edges[most + 1])
        more = (self.estimate - self.hypothesis)[inside].mean() > 0
        return (
            f"{shares[most]:.0%} of T_m come from {edges[most]:.4g} to {edges[most + 1]:.4g}, with "
            f"{'more' if more else 'fewer'} observations than expected."
        )


def locate_misfit(test: GoodnessOfFit) -> Regions:
    """Compute where the sample of a test departs from the hypothesis, at the deciding bandwidth.

    Examples
    --------
    >>> from simulations import bickel_rosenblatt_test
    >>> test = bickel_rosenblatt_test(np.linspace(-1, 1, 50), replicates=19, cache=False)
    >>> regions = locate_misfit(test)
    >>> bool(regions.estimate[200] > regions.hypothesis[200])
    True
    """
    setting, m = test.study.setting, test.study.m
    location, scale = test.location or 0.0, test.scale or 1.0
    sample = (test.sample.values - location) / scale
    bandwidth = setting.bandwidth.at(m)
    x = _range(setting, sample, bandwidth)
    density = numerical(setting.density.pieces)
    hypothesis = _smoothed(setting, x, bandwidth) if test.null == "smoothed" else density(x)
    estimate = _estimate(setting, np.sort(sample), x, bandwidth)
    lower, upper = _band(test, x, bandwidth)
    contribution = m * bandwidth * (estimate - hypothesis) ** 2 * numerical(setting.weight.pieces)(x)
    return Regions(
        x=location + scale * x,
        estimate=estimate / scale,
        hypothesis=hypothesis / scale,
        lower=lower / scale,
        upper=upper / scale,
        contribution=contribution / scale,
        statistic=test.deciding.statistic,
    )


def _range(setting: Statistic, sample: Array, bandwidth: float) -> Array:
    """Return the grid: the bulk of the density, what the sample adds within reason, and a bandwidth on either side."""
    low, high = setting.density.bulk(BULK)
    most = FARTHEST * (high - low)
    least, greatest = max(sample.min(), low - most), min(sample.max(), high + most)
    lower, upper = (float(end) for end in setting.weight.support)
    ends = max(min(low, least) - bandwidth, lower), min(max(high, greatest) + bandwidth, upper)
    return np.linspace(*ends, POINTS)


def _edges(setting: Statistic) -> Array:
    """Return the points between which the kernel is smooth, from one end of its support, or a negligible tail, on."""
    return np.array([float(point) for point in KernelGrid(setting.kernel, 1.0).points])


def _reach(setting: Statistic) -> tuple[float, float]:
    edges = _edges(setting)
    return float(edges[0]), float(edges[-1])


def _smoothed(setting: Statistic, x: Array, bandwidth: float) -> Array:
    """Compute K_b * f at points, from the probabilities of cells: the density may have poles and jumps."""
    edges = _edges(setting)
    steps = np.arange(CELLS) / CELLS
    ends = np.append((edges[:-1, None] + np.diff(edges)[:, None] * steps).ravel(), edges[-1])
    heights = numerical(setting.kernel.pieces)((ends[:-1] + ends[1:]) / 2)
    distribution = local_density(setting.density, "distribution")
    masses = -np.diff(distribution(x, -bandwidth * np.broadcast_to(ends, (x.size, ends.size))), axis=1)
    return np.asarray(masses @ heights / bandwidth)


def _estimate(setting: Statistic, ordered: Array, x: Array, bandwidth: float) -> Array:
    """Compute f_m of an ascending sample at points."""
    kernel, (lower, upper) = numerical(setting.kernel.pieces), _reach(setting)
    first = np.searchsorted(ordered, x - bandwidth * upper)
    last = np.searchsorted(ordered, x - bandwidth * lower, side="right")
    sums = [kernel((x[k] - ordered[first[k] : last[k]]) / bandwidth).sum() for k in range(x.size)]
    return np.array(sums) / (ordered.size * bandwidth)


def _band(test: GoodnessOfFit, x: Array, bandwidth: float) -> tuple[Array, Array]:
    """Compute the pointwise band of f_m over samples of the hypothesis, from counts in bins."""
    setting, m = test.study.setting, test.study.m
    lower, upper = _reach(setting)
    width = bandwidth / BINS
    offsets = np.arange(np.floor(lower * BINS), np.ceil(upper * BINS) + 1)
    kernel = numerical(setting.kernel.pieces)(offsets / BINS)
    start = x[0] - bandwidth * upper - width
    bins = int(np.ceil((x[-1] - bandwidth * lower - start) / width)) + 2
    centres = start + width * (np.arange(bins + offsets.size - 1) + 0.5 + offsets[0])
    count = max(20, min(MOST_SAMPLES, MOST_DRAWN // m))
    estimates = np.empty((count, x.size))
    for row in range(count):
        counts = np.histogram(test.law.sample(row), bins, (start, start + bins * width))[0]
        values = fftconvolve(counts.astype(np.float64), kernel) / (m * bandwidth)
        estimates[row] = np.interp(x, centres, values)
    tail = (1 - BAND) / 2
    ends = np.quantile(estimates, [tail, 1 - tail], axis=0)
    return np.maximum(ends[0], 0.0), ends[1]
