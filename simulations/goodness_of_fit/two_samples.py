r"""The test of whether two samples come from one density, by permutations.

The statistic is :math:`\frac{m n}{m + n} b \int (f_m - g_n)^2` with the kernel estimates of both samples (Anderson,
Hall and Titterington, 1994). Its null distribution is that over all divisions of the pooled observations into two
samples of these sizes, so the p-value is valid for any density, sizes and bandwidths, with ties or without.

Multiplied out, the integral needs the sum of the overlaps of kernels over the pairs within each sample alone: that over
all pairs of the pooled observations does not depend on the division.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from foundation.types import Array
from simulations.compiled import compiled
from simulations.engines.exact.overlaps import (
    OverlapTable,
    Workspace,
    make_workspace,
    require_overlap_table,
    sum_overlaps,
)
from simulations.engines.exact.statistic import check_sample
from simulations.goodness_of_fit.bandwidths import (
    Bandwidths,
    share_progress,
    take_bandwidths,
)
from simulations.goodness_of_fit.comparison import Comparison, compare
from simulations.goodness_of_fit.names import ADAPTIVE, SIGNIFICANCE, require_level
from simulations.observations.read import take_sample
from simulations.observations.sample import Sample
from simulations.sampling.philox import PERMUTATIONS, Whole, Words, fill
from simulations.sampling.streams import check_seed
from simulations.study.simulate import Progress
from simulations.study.study import Study
from simulations.study.values import replicate_values
from theory.bickel_rosenblatt.bandwidth import Bandwidth
from theory.densities.density import FEWEST_STEPS, SPREAD_LEVELS
from theory.kernels import Kernel, kernel_named

if TYPE_CHECKING:
    import pandas as pd

_WORD, _FRACTION = np.uint64(32), np.uint64(11)


@dataclass(frozen=True)
class TwoSamples(Comparison):
    """The result of the comparison of two samples.

    Attributes
    ----------
    kernel : Kernel
    replicates, seed : int
        Of the permutations.
    first, second : Sample
        The observations, and what was read.
    """

    kernel: Kernel
    replicates: int
    seed: int
    first: Sample = field(repr=False, compare=False)
    second: Sample = field(repr=False, compare=False)

    def in_words(self) -> list[str]:
        """Describe in sentences the conclusions from the test, and their limits."""
        share = (
            "If both samples came from one density, the statistic would be at least as large in "
            f"{100 * self.p_value:.3g}% of the divisions of their observations into two"
        )
        finding = (
            f"{share}: the test rejects one density at the level {self.level}."
            if self.rejected
            else f"{share}: the test does not reject one density at the level {self.level}, which does not show that "
            "there is only one."
        )
        return [sentence for sentence in (finding, self.on_bandwidths()) if sentence]

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {
            "m": self.first.values.size,
            "n": self.second.values.size,
            "data": self.first.reading.document(),
            "against": self.second.reading.document(),
            "kernel": self.kernel.name,
            **self.comparison_document(),
            "replicates": self.replicates,
            "seed": self.seed,
        }


def two_sample_test(
    first: Sample | pd.DataFrame | pd.Series | npt.ArrayLike,
    second: Sample | pd.DataFrame | pd.Series | npt.ArrayLike,
    *,
    column: object = None,
    missing: str = "refuse",
    kernel: str | Kernel = "epanechnikov",
    bandwidth: Bandwidths = ADAPTIVE,
    alpha: float = SIGNIFICANCE,
    replicates: int = 9_999,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> TwoSamples:
    """Test whether two samples come from one density; large values of the statistic are evidence against it.

    Parameters
    ----------
    first, second : array_like, Series, DataFrame or Sample
        Finite numbers in any order, of any two sizes.
    column, missing
        As for `bickel_rosenblatt_test`, for both.
    kernel : str or Kernel
        One polynomial of degree 6 or less on a bounded support.
    bandwidth : float, sequence of float or "adaptive"
        b, in the units of the data. The adaptive grid is in units of the spread of all observations.
    alpha : float
        The level at which the result in words rejects.
    replicates, seed : int
        Of the random permutations.
    workers : int, optional
        Threads; by default one for each usable core.
    progress : callable, optional
        Called with the number of permutations done so far.

    Raises
    ------
    InputError
        If a sample or another argument is not one of those described, or all observations are equal.

    References
    ----------
    Anderson, Hall and Titterington (1994). Two-sample test statistics for measuring discrepancies between two
    multivariate probability density functions using kernel-based density estimates. J. Multivariate Analysis 50.

    Examples
    --------
    >>> test = two_sample_test(np.linspace(0, 1, 30), np.linspace(0.5, 1.5, 40), replicates=199)
    >>> test.p_value, test.rejected
    (0.005, True)
    """
    samples = take_sample(first, column, missing), take_sample(second, column, missing)
    require_level(alpha)
    values = [np.sort(check_sample(sample.values)) for sample in samples]
    pooled = np.sort(np.concatenate(values))
    chosen = kernel_named(kernel)
    table = require_overlap_table(chosen, "to compare two samples")
    bandwidths = _take_bandwidths(bandwidth, pooled, values[0].size, values[1].size)
    widths = [one.at(pooled.size) for one in bandwidths]
    study = Study(pooled.size, replicates, seed=seed)
    statistics, nulls = [], []
    for k, width in enumerate(widths):
        engine = PermutationReplicates(pooled, values[0].size, table, width)
        statistics.append(engine.statistic(*values))
        nulls.append(
            replicate_values(
                study, workers=workers, engine=engine, progress=share_progress(progress, replicates, k, len(widths))
            )
        )
    comparison = compare(bandwidths, widths, np.array(statistics), np.array(nulls), alpha)
    rest = comparison.attributes()
    return TwoSamples(**rest, kernel=chosen, replicates=replicates, seed=seed, first=samples[0], second=samples[1])


def _take_bandwidths(given: Bandwidths, pooled: Array, m: int, n: int) -> tuple[Bandwidth, ...]:
    """Return the bandwidths; what depends on the data depends on all observations alike."""
    low, high = np.quantile(pooled, SPREAD_LEVELS)
    scale = float((high - low) / 2 or pooled.std())
    if not scale > 0:
        raise InputError(f"the observations of the two samples must differ, but all are {pooled[0]:g}.")
    found = take_bandwidths(given, scale, max(1, m * n // (m + n)))
    for one in found:
        if one.states_a_rate:
            raise InputError(
                f"the bandwidth must be a number in the units of the data to compare two samples, got {one.name}. Give "
                "one, or adaptive."
            )
    narrowest, spacing = found[0].at(pooled.size), float(np.spacing(np.abs(pooled[[0, -1]]).max()))
    if not narrowest >= FEWEST_STEPS * spacing:
        raise InputError(
            f"the bandwidth must be at least {FEWEST_STEPS:,} times the spacing of doubles at the observations, "
            f"{spacing:.3g}, got {narrowest:g}. Choose a larger one, or move the observations towards 0."
        )
    return found


class PermutationReplicates:
    """The statistic of random divisions of pooled observations into two samples.

    Parameters
    ----------
    pooled : array, shape (m + n,)
        All observations, ascending.
    first_size : int
        m.
    table : OverlapTable
        The kernel's.
    bandwidth : float
    """

    name = "permutations"
    is_economical = True
    discretisation = None
    cells_per_bandwidth = None
    strata_drawn = None

    def __init__(self, pooled: Array, first_size: int, table: OverlapTable, bandwidth: float) -> None:
        self._pooled, self._first_size, self._table, self._bandwidth = pooled, first_size, table, bandwidth
        self._whole = _sum_pairs(pooled, bandwidth, table)

    @property
    def draws(self) -> int:
        """The number of random numbers of a permutation."""
        return self._pooled.size

    def statistic(self, first: Array, second: Array) -> float:
        """Compute the statistic of two ascending samples whose union are the pooled observations."""
        within = _sum_pairs(first, self._bandwidth, self._table), _sum_pairs(second, self._bandwidth, self._table)
        return float(_combine(*within, self._whole, first.size, second.size, self._table.itself))

    def values(self, seed: int, replicates: range) -> Array:
        """Compute the statistic of the permutations (seed, r), r in ``replicates``, shape (len(replicates),)."""
        values = np.empty(len(replicates))
        numbers = np.array(replicates, dtype=np.uint64)
        key = np.uint64(check_seed(seed))
        _permute(values, self._pooled, self._first_size, self._bandwidth, self._table, self._whole, key, numbers)
        return values


@compiled
def _permute(
    values: Array,
    pooled: Array,
    first_size: int,
    bandwidth: float,
    table: OverlapTable,
    whole: float,
    seed: Whole,
    replicates: npt.NDArray[np.uint64],
) -> None:
    """Set ``values`` to the statistics of random divisions."""
    m, n = first_size, pooled.size - first_size
    first, second, words = np.empty(m), np.empty(n), np.empty(2 * pooled.size, np.uint32)
    work = make_workspace(max(m, n), table)
    for i in range(replicates.size):
        fill(words, seed, replicates[i], np.uint64(PERMUTATIONS), np.uint64(0))
        _divide(first, second, pooled, words)
        one, other = sum_overlaps(first, bandwidth, table, work), sum_overlaps(second, bandwidth, table, work)
        values[i] = _combine(one, other, whole, m, n, table.itself)


@compiled
def _divide(first: Array, second: Array, pooled: Array, words: Words) -> None:
    """Divide the pooled observations at random, in order: each subset of the first size is equally likely."""
    taken, left = 0, 0
    for i in range(pooled.size):
        number = (np.uint64(words[2 * i]) << _WORD) | np.uint64(words[2 * i + 1])
        uniform = np.float64(number >> _FRACTION) * 2.0**-53
        # The share that the first sample still needs of the observations that remain.
        if uniform * (pooled.size - i) < first.size - taken:
            first[taken] = pooled[i]
            taken += 1
        else:
            second[left] = pooled[i]
            left += 1


@compiled
def _combine(one: float, other: float, whole: float, m: int, n: int, itself: float) -> float:
    """Return the statistic from the sums over pairs within each sample and over all pairs."""
    across = whole - one - other
    square = (m * itself + 2 * one) / m**2 + (n * itself + 2 * other) / n**2 - 2 * across / (m * n)
    return m * n / (m + n) * square


@compiled
def _sum_pairs(sample: Array, bandwidth: float, table: OverlapTable) -> float:
    work: Workspace = make_workspace(sample.size, table)
    return sum_overlaps(sample, bandwidth, table, work)
