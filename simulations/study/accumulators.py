"""Streaming moments and quantiles of the replicates of T_m, in memory that does not grow with their number."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from foundation.types import Array, ArrayFunction, Counts

ORDER = 8
"""Highest central moment that is accumulated: the standard error of a sample kurtosis needs it."""

_BINOMIALS = np.array([[math.comb(p, k) for k in range(ORDER + 1)] for p in range(ORDER + 1)], dtype=np.float64)

KEPT = 2**14
"""Number of values that a sketch keeps as they are: 128 kilobytes."""

RESOLUTION = 1e-4
"""Bound on the error of a quantile between the 1 % and 99 % points, in standard deviations."""

WIDTH = 2.0**-14
"""Width of a bin near the centre, in scales."""

REACH = 8.0
"""Distance from the centre, in scales, beyond which the bins have equal width in the logarithm of the distance."""

LAST_LINEAR_BIN = round(REACH / WIDTH)

NORMAL_QUARTILE_RANGE = 1.3489795003921634
"""Distance between the quartiles of the standard normal law."""

SMALLEST_SCALE = float(np.finfo(np.float64).tiny) / WIDTH
"""Smallest scale, at which the width of a bin is still a normal number."""

LARGEST_SCALE = float(np.finfo(np.float64).max) / REACH
"""Largest scale, at which the last bin of equal width still lies within double precision."""

PAGE = 4096
"""Number of bins allocated together: 32 kilobytes for a quarter of the scale."""


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


@dataclass(frozen=True)
class Grid:
    r"""The bins of a quantile sketch: numbered from 0 at a centre, negative below it, and chosen by the spread.

    Up to `REACH` scales from the centre every bin is `WIDTH` scales wide; beyond, its width is the same share of the
    distance, :math:`2^{-17}`.

    Attributes
    ----------
    centre : float
        Middle of bin 0.
    scale : float
        Positive, from `SMALLEST_SCALE` to `LARGEST_SCALE`.

    Examples
    --------
    >>> grid = Grid(1e6, 0.5)
    >>> bins = grid.bins(np.array([1e6 - 0.25, 1e6, 1e6 + 80.0]))
    >>> bins.tolist(), grid.middles(bins).round(3).tolist()
    ([-8192, 0, 523729], [999999.75, 1000000.0, 1000080.0])
    """

    centre: float
    scale: float

    @classmethod
    def of(cls, values: Array) -> Grid:
        """Choose the median as centre, and a scale that is the standard deviation for normal values, shape (n,)."""
        lower, centre, upper = (float(quartile) for quartile in np.quantile(values, [0.25, 0.5, 0.75]))
        # The quartiles see the bulk, where rare large values would make the bins too wide for it.
        scale = (upper - lower) / NORMAL_QUARTILE_RANGE
        # Where half of the values are the same, the others decide; where all are, the rounding of that value.
        scale = scale or float(np.abs(values - centre).mean()) or float(np.spacing(centre))
        return cls(centre, min(max(scale, SMALLEST_SCALE), LARGEST_SCALE))

    def bins(self, values: Array) -> Counts:
        """Compute the bin of each value: an increasing function of the value."""
        deviations, reach = values - self.centre, REACH * self.scale
        distances = np.abs(deviations)
        # A difference of logarithms, since the quotient may overflow.
        beyond = np.log(np.maximum(distances, reach)) - math.log(reach)
        numbers = LAST_LINEAR_BIN * (np.minimum(distances, reach) / reach + beyond)
        return (np.sign(deviations) * np.rint(numbers)).astype(np.int64)

    def middles(self, bins: Counts) -> Array:
        """Compute the value that represents each bin."""
        numbers, reach = np.abs(bins) / LAST_LINEAR_BIN, REACH * self.scale
        far = np.exp(np.maximum(numbers, 1.0) - 1 + math.log(reach))
        middles: Array = self.centre + np.sign(bins) * np.where(numbers > 1, far, numbers * reach)
        return middles


@dataclass
class QuantileSketch:
    r"""The quantiles of arbitrary values: exact up to `KEPT` values, from a histogram beyond.

    The centre and the scale of the histogram come from the first `KEPT` values, so that they depend on the values and
    their order alone. Every order statistic is then known to `WIDTH` / 2 = 3e-5 scales or, far from the centre, to
    4e-6 of its distance, and so is an interpolation between two: between the 1 % and 99 % points the error is below
    `RESOLUTION` standard deviations, however small these are compared with the values. Pages of bins are allocated
    where values fall: the memory is bounded by the range, at 2 megabytes for 16 scales and 1 megabyte for each further
    factor of e, and does not grow with the number of values. Values and their differences must be finite.

    Attributes
    ----------
    kept : array
        The values themselves, in order, shape (n,), while there are at most `KEPT`; then empty.
    grid : Grid or None
        The bins of the histogram; None before there is one.
    pages : dict
        Counts of `PAGE` bins each, by the number of the page.

    Examples
    --------
    >>> sketch = QuantileSketch()
    >>> sketch.add(np.array([0.0, 1.0, 2.0, 4.0]))
    >>> sketch.quantiles([0.0, 0.5, 1.0])
    [0.0, 1.5, 4.0]
    """

    kept: Array = field(default_factory=lambda: np.zeros(0))
    grid: Grid | None = None
    pages: dict[int, Counts] = field(default_factory=dict)

    @classmethod
    def from_bins(cls, grid: Grid, bins: Counts, counts: Counts) -> QuantileSketch:
        """Build the sketch with the given `occupied` bins and their counts."""
        sketch = cls(grid=grid)
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
        return self.kept.size + sum(int(page.sum()) for page in self.pages.values())

    def add(self, values: Array) -> None:
        """Add ``values``, shape (n,)."""
        if self.grid is None:
            values = np.concatenate([self.kept, values])
            if values.size <= KEPT:
                self.kept = values
                return
            self.kept, self.grid = np.zeros(0), Grid.of(values[:KEPT])
        self._add(*np.unique(self.grid.bins(values), return_counts=True))

    def copy(self) -> QuantileSketch:
        """Return an independent sketch of the same values."""
        return QuantileSketch(self.kept, self.grid, {number: page.copy() for number, page in self.pages.items()})

    def quantiles(self, probabilities: Iterable[float]) -> list[float]:
        """Estimate quantiles, with interpolation between order statistics as in `numpy.quantile`.

        At least one value must have been added.
        """
        values, counts = self._weighted_values()
        behind = np.cumsum(counts)
        quantiles = []
        for probability in probabilities:
            # The two order statistics around the level, found by their cumulative counts.
            lower, share = divmod(probability * (int(behind[-1]) - 1), 1.0)
            below, above = np.searchsorted(behind, [lower, lower + (share > 0)], side="right")
            quantiles.append(float(values[below] + share * (values[above] - values[below])))
        return quantiles

    def distance_to(self, distribution: ArrayFunction) -> float:
        """Compute the Kolmogorov distance of the values' distribution to that with a distribution function.

        At least one value must have been added.

        Examples
        --------
        >>> sketch = QuantileSketch()
        >>> sketch.add(np.array([0.25, 0.5]))
        >>> sketch.distance_to(lambda value: value)
        0.5
        """
        values, counts = self._weighted_values()
        after = np.cumsum(counts) / counts.sum()
        levels = distribution(values)
        return float(max(np.abs(after - levels).max(), np.abs(after - counts / counts.sum() - levels).max()))

    def histogram(self, edges: Array) -> Counts:
        """Count the values between neighbouring ``edges``, shape (k + 1,), with each bin placed at its middle."""
        values, counts = self._weighted_values()
        return np.histogram(values, edges, weights=counts)[0].astype(np.int64)

    def _weighted_values(self) -> tuple[Array, Counts]:
        """Return ascending values, each with the number of added values for which it stands."""
        if self.grid is None:
            return np.sort(self.kept), np.ones(self.kept.size, np.int64)
        bins, counts = self.occupied
        return self.grid.middles(bins), counts

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
        return Accumulator(self.moments, self.sketch.copy())


LARGEST_BIN = int(Grid(0.0, SMALLEST_SCALE).bins(np.array([np.finfo(np.float64).max]))[0])
"""No bin of any grid has a larger number."""
