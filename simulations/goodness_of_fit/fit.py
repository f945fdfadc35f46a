"""The Bickel-Rosenblatt test of whether a sample comes from a given density."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from foundation.errors import InputError
from foundation.files import locate_user_cache
from foundation.types import Array
from foundation.typography import format_count
from simulations.engines.exact.statistic import check_sample, tm_statistic
from simulations.goodness_of_fit.location_scale import StandardisedSample, standardise
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.goodness_of_fit.rounding import Rounding, count_ties, guess_width
from simulations.observations.read import take_sample
from simulations.observations.sample import Sample
from simulations.study.simulate import Progress
from simulations.study.study import Study
from theory.algebra.evidence import Evidence, assumptions_document
from theory.bickel_rosenblatt.bandwidth import Bandwidth
from theory.bickel_rosenblatt.mean import limit_mean, limit_variance, theorem_conditions
from theory.densities.density import Density, DensityLike
from theory.densities.weights import Weight
from theory.kernels import Kernel

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 2
"""Smallest number of observations from which location and scale can be estimated."""


@dataclass(frozen=True)
class GoodnessOfFit:
    """The result of the test of a sample.

    Attributes
    ----------
    study : Study
        The setting of T_m and of the simulation of its null distribution.
    statistic : float
        T_m of the sample, standardised where location and scale were estimated.
    p_value : float
        Share of samples under the null hypothesis, this one included, whose T_m is at least as large. Under the null
        hypothesis it is at most p with probability p, for every multiple p of 1/(replicates + 1), at any m.
    p_value_error : float
        Standard error of the p-value due to the finite number of replicates.
    asymptotic_p_value : float
        From the normal limit of Theorem 3.1, which is a poor approximation at practical m.
    critical_values : dict from level to float
        Quantiles of the null distribution at 1 - level.
    location, scale : float or None
        The estimates, if requested.
    rounded_to : float or None
        The width to whose multiples the data are rounded, and with them the samples of the null distribution.
    conditions : tuple of Condition
        The conditions of Theorem 3.1, and so of the asymptotic p-value.
    null_law : array, shape (replicates,)
        T_m of the samples simulated under the null hypothesis, ascending.
    sample : Sample
        The observations, and what was read.
    """

    study: Study
    statistic: float
    p_value: float
    p_value_error: float
    asymptotic_p_value: float
    critical_values: dict[float, float]
    location: float | None
    scale: float | None
    rounded_to: float | None
    conditions: tuple[Evidence, ...]
    null_law: Array = field(repr=False, compare=False)
    sample: Sample = field(repr=False, compare=False)

    def in_words(self) -> list[str]:
        """Describe in sentences the conclusions from the test, and their limits."""
        sentences = self._finding(), self._on_ties(), self._on_the_limit(), self._advice()
        return [sentence for sentence in sentences if sentence]

    @cached_property
    def ties(self) -> int:
        """The number of observations that equal another one; a continuous hypothesis has none."""
        return count_ties(self.sample.values)

    def _on_ties(self) -> str:
        """Return what rounding does to the test, or an empty string if no observations are equal."""
        if self.rounded_to is not None:
            return (
                f"The p-value is that of data rounded to multiples of {self.rounded_to:g}: the samples of the "
                "hypothesis are rounded alike. The limit law knows nothing of it."
            )
        if not self.ties:
            return ""
        values = self.sample.values
        width = guess_width(values)
        option = "--rounded-to WIDTH (in Python, rounded_to=WIDTH)"
        if width is not None:
            option = f"--rounded-to {width:g} (in Python, rounded_to={width:g}), of which all are multiples"
        return (
            f"{self.ties:,} of the {values.size:,} observations equal another one; there are "
            f"{format_count(np.unique(values).size, 'different value')}. Data of a continuous density are never equal, "
            "and T_m takes rounding for a departure from it, so that the p-value may be far too small. If the data "
            f"were rounded, use {option}."
        )

    def _finding(self) -> str:
        name = self.study.setting.density.name
        if self.p_value <= SIGNIFICANCE:
            return (
                f"The test rejects {name} at the level {SIGNIFICANCE:.0%}: T_m is at least as large in "
                f"{self.p_value:.2%} of its samples."
            )
        return (
            f"The test does not reject {name} at the level {SIGNIFICANCE:.0%}, which does not show that the sample "
            "comes from it."
        )

    def _on_the_limit(self) -> str:
        broken = [condition.statement for condition in self.conditions if not condition.holds]
        if broken:
            return (
                f"Theorem 3.1 does not cover this choice ({'; '.join(broken)}): the p-value by its limit law is not "
                "justified."
            )
        return "The p-value by the limit law ignores the remaining bias and skewness of T_m at this m."

    def _advice(self) -> str:
        """Return advice if the data seem to be in other units than the density, or an empty string."""
        sample = self.sample.values
        inside = self.study.setting.density.bulk(OUTLYING)
        share = float(np.mean((sample < inside[0]) | (sample > inside[1])))
        if self.location is not None or share < MANY_OUTLYING:
            return ""
        return (
            f"{share:.0%} of the sample lies where {self.study.setting.density.name} has almost no mass. To test the "
            "shape alone, for any location and scale, use --estimate (in Python, estimate=True)."
        )

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        study, setting = self.study, self.study.setting
        return {
            "m": study.m,
            "data": self.sample.reading.document(),
            "density": setting.density.name,
            "kernel": setting.kernel.name,
            "weight": setting.weight.name,
            "bandwidth": setting.bandwidth.name,
            "bandwidth_value": setting.bandwidth.at(study.m),
            "estimated": None if self.location is None else {"location": self.location, "scale": self.scale},
            "ties": self.ties,
            "rounded_to": self.rounded_to,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "p_value_standard_error": self.p_value_error,
            "asymptotic_p_value": self.asymptotic_p_value,
            "critical_values": {f"{level:g}": value for level, value in self.critical_values.items()},
            "replicates": study.replicates,
            "seed": study.seed,
            "assumptions": assumptions_document(self.conditions),
        }


LEVELS = (0.1, 0.05, 0.01)

SIGNIFICANCE = 0.05

OUTLYING, MANY_OUTLYING = 1e-4, 0.05
"""Mass of the hypothesis in each tail that counts as outlying; share of the sample there that triggers the advice."""


def bickel_rosenblatt_test(
    sample: Sample | pd.DataFrame | pd.Series | npt.ArrayLike,
    density: DensityLike = "normal",
    *,
    column: object = None,
    missing: str = "refuse",
    kernel: str | Kernel = "epanechnikov",
    weight: str | Weight = "one",
    bandwidth: str | float | Bandwidth = "m^-0.235",
    estimate: bool = False,
    rounded_to: float | None = None,
    replicates: int = 9_999,
    seed: int = 0,
    workers: int | None = None,
    cache: Path | str | bool = True,
    progress: Progress | None = None,
) -> GoodnessOfFit:
    r"""Test whether a sample comes from ``density``; large values of T_m are evidence against it.

    Parameters
    ----------
    sample : array_like, shape (m,), Series, DataFrame or Sample
        Finite numbers in any order. `simulations.observations.read_sample` reads them from a file.
    density : str or Density
        The hypothesis, without unknown parameters unless ``estimate`` is set.
    column : hashable, optional
        The label of a DataFrame's column; required if it has several.
    missing : {"refuse", "drop"}
        What is done with NaN, None, NA and masked elements.
    kernel, weight, bandwidth
        Those of T_m. The weight ``one`` covers the whole line; b is in the units of the density.
    estimate : bool
        Test the shape alone: f((x - location) / scale) / scale with both estimated from the sample. The null
        distribution takes the estimation into account. For the densities normal, laplace and logistic.
    rounded_to : float, optional
        The width to whose multiples the data were rounded, in their units, as 0.1 for one decimal. The samples of the
        null distribution are then rounded in the same way, halves to the even multiple. With ``estimate`` every sample
        is given the estimated location and scale, rounded and estimated again, so that the null distribution is that
        given the estimates; the width must not exceed the standard deviation of the data.
    replicates, seed : int
        For the simulation of the null distribution. With 9,999, the p-value is a multiple of 1/10,000.
    workers : int, optional
        Threads for the simulation; by default one for each usable core.
    cache : Path, str or bool, optional
        Folder of the cache of null distributions: True for the user's cache folder, False for no cache.
    progress : callable, optional
        Called in this thread with the number of replicates done so far.

    Returns
    -------
    GoodnessOfFit

    Raises
    ------
    InputError
        If the sample is not one-dimensional, finite and non-empty, or an argument is not one of those described.

    References
    ----------
    Bickel and Rosenblatt (1973); Theorem 3.1 of the paper.

    Examples
    --------
    >>> sample = np.linspace(-1, 1, 40)
    >>> test = bickel_rosenblatt_test(sample, "uniform:-1,1", replicates=199, cache=False)
    >>> test.p_value > 0.5
    True
    """
    # T_m of the sample, standardised first if location and scale are to be estimated.
    observed = take_sample(sample, column, missing)
    values = check_sample(observed.values)
    rounding = None if rounded_to is None else Rounding(rounded_to)
    if rounding is not None:
        values = rounding.require(values)
    study = Study(values.size, replicates, kernel, density, weight, bandwidth, seed)
    fitted = _standardise_sample(values, study.setting.density) if estimate else None
    setting = study.setting
    statistic = tm_statistic(
        values if fitted is None else fitted.values,
        kernel=setting.kernel,
        density=setting.density,
        weight=setting.weight,
        bandwidth=setting.bandwidth,
    )
    # The null distribution, and the p-value with the observed sample counted as one of the samples.
    folder = (locate_user_cache("null-laws") if cache else None) if isinstance(cache, bool) else Path(cache)
    law = NullLaw(study, estimate, rounding)
    if rounding is not None and fitted is not None:
        # A median of rounded data is itself rounded; their mean tells where the multiples lie in the density.
        law = replace(law, location=float(values.mean()), scale=rounding.scale_before(fitted.scale, values))
    null = law.values(workers, folder, progress)
    p_value = (1 + np.count_nonzero(null >= statistic)) / (1 + null.size)
    return GoodnessOfFit(
        study,
        statistic,
        float(p_value),
        math.sqrt(p_value * (1 - p_value) / null.size),
        _asymptotic_p_value(statistic, study),
        {level: float(np.quantile(null, 1 - level)) for level in LEVELS},
        None if fitted is None else fitted.location,
        None if fitted is None else fitted.scale,
        rounded_to,
        theorem_conditions(setting.kernel, setting.density, setting.weight, setting.bandwidth),
        null,
        observed,
    )


def _standardise_sample(values: Array, density: Density) -> StandardisedSample:
    if values.size < FEWEST:
        raise InputError(f"the sample must have at least {FEWEST} observations with --estimate, got {values.size}.")
    return standardise(values, density)


def _asymptotic_p_value(statistic: float, study: Study) -> float:
    setting = study.setting
    mean = float(limit_mean(setting.kernel, setting.density, setting.weight))
    variance = float(limit_variance(setting.kernel, setting.density, setting.weight)) * setting.bandwidth.at(study.m)
    return float(ndtr(-(statistic - mean) / math.sqrt(variance)))
