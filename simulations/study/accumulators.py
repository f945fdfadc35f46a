"""Streaming moments and quantiles of the replicates of T_m, in memory that does not grow with their number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from foundation.types import Array, Counts

ORDER = 8
"""Highest central moment that is accumulated: the standard error of a sample kurtosis needs it."""

_BINOMIALS = np.array([[math.comb(p, k) for k in range(ORDER + 1)] for p in range(ORDER + 1)], dtype=np.float64)

RELATIVE_ERROR = 1e-5
"""Bound on the relative error of a quantile."""

LOG_WIDTH = 2.0**-16
"""Width of a bin in the logarithm; its midpoint is within 2**-17, or 7.7e-6, of every value in it."""

SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)

OFFSET = 1 - round(math.log(SMALLEST_NORMAL) / LOG_WIDTH)
"""Offset of the bin numbers of positive values, so that the smallest has number 1 and zero has number 0."""

PAGE = 4096
"""Number of bins allocated together: 32 kilobytes for a range of values of 6 %."""


@dataclass(frozen=True)
class Moments:
    r"""The number, mean, extremes and central moments of values, accumulated in one pass.

    Attributes
    ----------
    count : int
    mean, least, greatest : float
    sums : tuple of float
        Sums of the powers 2, 3, ..., `ORDER` of the deviations from the mean.

    References
    ----------
    Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance; Pebay (2008), Formulas for robust,
    one-pass parallel computation of covariances and arbitrary-order statistical moments.

    Examples
    --------
    >>> halves = Moments.of(np.array([1.0, 2.0])).merge(Moments.of(np.array([3.0, 6.0])))
    >>> halves.mean, halves.variance
    (3.0, 4.666666666666667)
    """

    count: int
    mean: float
    least: float
    greatest: float
    sums: tuple[float, ...]

    @classmethod
    def of(cls, values: Array) -> Moments:
        """Compute the moments of ``values``, shape (n,), n at least 1."""
        mean = float(values.mean())
        deviations = values - mean
        # This term corrects the rounding of the mean, which would distort the moments of nearly equal values.
        mean += float(deviations.mean())
        deviations = values - mean
        powers, sums = deviations.copy(), []
        # High powers of extreme values may overflow; the moments that need them are then None.
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            for _ in range(2, ORDER + 1):
                powers *= deviations
                sums.append(float(np.sum(powers)))
        return cls(values.size, mean, float(values.min()), float(values.max()), tuple(sums))

    def merge(self, other: Moments) -> Moments:
        """Combine with ``other``; return the moments of the values of both."""
        count, gap = self.count + other.count, other.mean - self.mean
        # Each part's deviations from the common mean are its own deviations plus a constant.
        ours, theirs = -gap * other.count / count, gap * self.count / count
        sums = self._sums_shifted(ours) + other._sums_shifted(theirs)
        least, greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        return Moments(count, self.mean - ours, least, greatest, tuple(sums.tolist()))

    def _sums_shifted(self, shift: float) -> Array:
        """Compute the sums of the powers 2, 3, ... of the deviations plus ``shift``."""
        # The binomial theorem, with the sums of the powers 0 and 1 of the deviations in front.
        sums = np.array([self.count, 0.0, *self.sums])
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            powers = np.float64(shift) ** np.arange(ORDER + 1)
            return np.array([_BINOMIALS[p, : p + 1] @ (powers[p::-1] * sums[: p + 1]) for p in range(2, ORDER + 1)])

    @property
    def variance(self) -> float | None:
        """The unbiased sample variance; None for a single value."""
        return self.sums[0] / (self.count - 1) if self.count > 1 else None

    @property
    def skewness(self) -> float | None:
        """The third central moment over the cubed standard deviation; None if the values do not vary."""
        return self._z_moment(3)

    @property
    def kurtosis(self) -> float | None:
        """The fourth central moment over the squared variance, 3 for a normal law; None if the values do not vary."""
        return self._z_moment(4)

    @property
    def variance_error(self) -> float | None:
        r"""The standard error of the variance, from its influence function :math:`\sigma^2 (z^2 - 1)`."""
        spread = self._error((-1.0, 0.0, 1.0))
        return None if spread is None else spread * self.sums[0] / self.count

    @property
    def skewness_error(self) -> float | None:
        r"""The standard error of the skewness g, from its influence :math:`z^3 - 3 z - g - \frac32 g (z^2 - 1)`."""
        g = self.skewness
        return None if g is None else self._error((g / 2, -3.0, -1.5 * g, 1.0))

    @property
    def kurtosis_error(self) -> float | None:
        r"""The standard error of the kurtosis k, from its influence :math:`z^4 - 4 g z - k - 2 k (z^2 - 1)`."""
        g, k = self.skewness, self.kurtosis
        return None if g is None or k is None else self._error((k, -4.0 * g, -2.0 * k, 0.0, 1.0))

    def _z_moment(self, power: int) -> float | None:
        """Compute the mean of z**power, z the deviation in standard deviations; None if the values do not vary."""
        scale = math.sqrt(self.sums[0] / self.count)
        # Deviations below the rounding of the mean are rounding errors.
        if scale <= 4 * np.finfo(np.float64).eps * max(abs(self.least), abs(self.greatest)):
            return None
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            moment = float(np.float64(self.sums[power - 2]) / self.count / np.float64(scale) ** power)
        # The sum of powers may have overflowed.
        return moment if math.isfinite(moment) else None

    def _error(self, influence: tuple[float, ...]) -> float | None:
        """Compute the standard error of an estimate with this polynomial in z as influence function (delta method)."""
        square = np.polynomial.polynomial.polypow(influence, 2)
        moments = [1.0, 0.0, *(self._z_moment(power) for power in range(2, square.size))]
        if None in moments:
            return None
        return math.sqrt(max(0.0, float(np.dot(square, np.array(moments, dtype=float)))) / self.count)


@dataclass
class QuantileSketch:
    r"""A histogram with bins of equal width in the logarithm, for quantiles of arbitrary values.

    Every quantile is within the relative error `RELATIVE_ERROR` of the sample quantile: each order statistic is known
    to a relative :math:`2^{-17}`, and so is an interpolation between two. Values below the smallest normal number count
    as zero. Pages of bins are allocated where values fall: the memory is bounded by the range, at 0.5 megabytes for a
    factor of e between the smallest and the largest value, and does not grow with their number. Merging adds integers,
    so the order does not matter.

    Source: the logarithmic bins are those of DDSketch (Masson, Rim and Lee, 2019).

    Examples
    --------
    >>> sketch = QuantileSketch()
    >>> sketch.add(np.array([0.0, 1.0, 2.0, 4.0]))
    >>> [round(value, 4) for value in sketch.quantiles([0.0, 0.5, 1.0])]
    [0.0, 1.5, 4.0]
    """

    pages: dict[int, Counts] = field(default_factory=dict)

    @classmethod
    def from_bins(cls, bins: Counts, counts: Counts) -> QuantileSketch:
        """Build the sketch with the given `occupied` bins and their counts."""
        sketch = cls()
        sketch._add(bins, counts)
        return sketch

    @property
    def occupied(self) -> tuple[Counts, Counts]:
        """The numbers of the occupied bins, ascending, and the number of values in each."""
        numbers = sorted(self.pages)
        if not numbers:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        counts = np.concatenate([self.pages[number] for number in numbers])
        bins = (np.array(numbers)[:, None] * PAGE + np.arange(PAGE)).ravel()
        return bins[counts > 0], counts[counts > 0]

    @property
    def count(self) -> int:
        """The number of values that were added."""
        return sum(int(page.sum()) for page in self.pages.values())

    def add(self, values: Array) -> None:
        """Add ``values``, finite numbers, shape (n,)."""
        self._add(*np.unique(_bins(values), return_counts=True))

    def merge(self, other: QuantileSketch) -> QuantileSketch:
        """Combine with ``other``; return the sketch of the values of both."""
        sketch = QuantileSketch({number: page.copy() for number, page in self.pages.items()})
        sketch._add(*other.occupied)
        return sketch

    def quantiles(self, probabilities: Iterable[float]) -> list[float]:
        """Estimate quantiles, with interpolation between order statistics as in `numpy.quantile`.

        At least one value must have been added.
        """
        bins, counts = self.occupied
        behind = np.cumsum(counts)
        middles = bin_middles(bins)
        quantiles = []
        for probability in probabilities:
            # The bins of the two order statistics around the level, found by their cumulative counts.
            lower, share = divmod(probability * (int(behind[-1]) - 1), 1.0)
            below, above = np.searchsorted(behind, [lower, lower + (share > 0)], side="right")
            quantiles.append(float(middles[below] + share * (middles[above] - middles[below])))
        return quantiles

    def histogram(self, edges: Array) -> Counts:
        """Count the values between neighbouring ``edges``, shape (k + 1,), with each bin placed at its midpoint."""
        bins, counts = self.occupied
        return np.histogram(bin_middles(bins), edges, weights=counts)[0].astype(np.int64)

    def _add(self, bins: Counts, counts: Counts) -> None:
        # The bins are sorted, so those of one page are contiguous.
        numbers, places = np.divmod(bins, PAGE)
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1), bins.size]
        for start, stop in pairwise(edges if bins.size else []):
            page = self.pages.setdefault(int(numbers[start]), np.zeros(PAGE, np.int64))
            page[places[start:stop]] += counts[start:stop]


@dataclass
class Accumulator:
    """Moments and a quantile sketch of the replicates added so far.

    Attributes
    ----------
    moments : Moments or None
        None before the first values are added.
    sketch : QuantileSketch
    """

    moments: Moments | None = None
    sketch: QuantileSketch = field(default_factory=QuantileSketch)

    @property
    def count(self) -> int:
        """The number of values that were added."""
        return 0 if self.moments is None else self.moments.count

    def add(self, values: Array) -> None:
        """Add ``values``, shape (n,), n at least 1; the same blocks in the same order give the same bits."""
        moments = Moments.of(values)
        self.moments = moments if self.moments is None else self.moments.merge(moments)
        self.sketch.add(values)

    def copy(self) -> Accumulator:
        """Return an independent accumulator of the same values."""
        return Accumulator(self.moments, self.sketch.merge(QuantileSketch()))


def bin_middles(bins: Counts) -> Array:
    """Compute the value that represents each bin of a `QuantileSketch`."""
    return np.sign(bins) * np.exp((np.abs(bins) - OFFSET) * LOG_WIDTH)


def _bins(values: Array) -> Counts:
    """Compute the bin of each value: an odd, increasing function of the value."""
    sizes = np.abs(values)
    counted = sizes >= SMALLEST_NORMAL
    numbers = np.rint(np.log(np.where(counted, sizes, 1.0)) / LOG_WIDTH).astype(np.int64) + OFFSET
    return np.where(counted, np.sign(values).astype(np.int64) * numbers, 0)


LARGEST_BIN = int(_bins(np.array([np.finfo(np.float64).max]))[0])
"""The bin of the largest finite value."""
