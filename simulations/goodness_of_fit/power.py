"""The power of the test against a given density, and the number of observations from which it suffices."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import ndtri

from foundation.errors import InputError
from foundation.types import Array
from simulations.engines.exact.statistic import Statistic
from simulations.goodness_of_fit.bandwidths import Bandwidths, make_comparable, take_bandwidths
from simulations.goodness_of_fit.comparison import rank
from simulations.goodness_of_fit.estimation.model import Number, take_model
from simulations.goodness_of_fit.names import DEFAULT_BANDWIDTH, SIGNIFICANCE, require_level
from simulations.goodness_of_fit.null_law import ChangedReplicates, NullLaw
from simulations.sampling.quantile_fitting import quantile_table
from simulations.sampling.quantile_tables import QuantileTable
from simulations.study.study import Study
from simulations.study.values import replicate_values
from theory.densities.density import Density, DensityLike
from theory.densities.validation import valid_density
from theory.densities.weights import Weight
from theory.kernels import Kernel

WANTED = 0.8
"""The power that planning asks for."""

SAMPLES = 1_000
"""Samples of the alternative at each number of observations, and of the hypothesis besides the last one."""

MOST_OBSERVATIONS = 100_000
"""Largest number of observations that is tried."""

SMALLEST = 2


@dataclass(frozen=True)
class PowerAt:
    """The share of samples of the alternative that the test rejects.

    Attributes
    ----------
    m : int
    share : float
    standard_error : float
        Due to the number of samples; at least that of one sample in all.
    """

    m: int
    share: float
    standard_error: float


@dataclass(frozen=True)
class PowerEstimate:
    """The power of a test.

    Attributes
    ----------
    alternative : Density
    alpha : float
    here : PowerAt
        At the number of observations asked for.
    needed : int or None
        From which number of observations the power is about `WANTED`; None if not up to `MOST_OBSERVATIONS`.
    needed_range : tuple of int, or None
        The numbers that the standard errors do not tell from it.
    tried : tuple of PowerAt
        All numbers of observations that were simulated, ascending.
    """

    alternative: Density
    alpha: float
    here: PowerAt
    needed: int | None
    needed_range: tuple[int, int] | None
    tried: tuple[PowerAt, ...]

    def in_words(self) -> str:
        """Describe the power, and the number of observations that would suffice, in one sentence."""
        level = f"{100 * self.alpha:.3g}%"
        here = (
            f"If the data came from {self.alternative.name}, the test at the level {level} would reject in "
            f"{self.here.share:.1%} (± {self.here.standard_error:.1%}) of samples of {self.here.m:,} observations"
        )
        if self.needed is None or self.needed_range is None:
            return f"{here}; the power does not reach {WANTED:.0%} with up to {MOST_OBSERVATIONS:,}."
        low, high = self.needed_range
        return f"{here}; {WANTED:.0%} are reached with about {self.needed:,} ({low:,} to {high:,})."

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form."""
        return {
            "alternative": self.alternative.name,
            "power": self.here.share,
            "power_standard_error": self.here.standard_error,
            "wanted": WANTED,
            "needed": self.needed,
            "needed_range": None if self.needed_range is None else list(self.needed_range),
            "tried": [vars(one) for one in self.tried],
        }


def estimate_power(
    m: int,
    alternative: DensityLike,
    density: DensityLike = "normal",
    *,
    kernel: str | Kernel = "epanechnikov",
    weight: str | Weight = "one",
    bandwidth: Bandwidths = DEFAULT_BANDWIDTH,
    null: str = "density",
    estimate: bool = False,
    fixed: Mapping[str, Number] | None = None,
    alpha: float = SIGNIFICANCE,
    seed: int = 0,
    workers: int | None = None,
) -> PowerEstimate:
    """Estimate the power of `bickel_rosenblatt_test` against samples of ``alternative``, and the m for 80 %.

    Parameters
    ----------
    m : int
        Observations in a sample.
    alternative : str, Density, or what else stands for one
        From which the samples come.
    density, kernel, weight, bandwidth, null, estimate, fixed, alpha
        The test, as for `bickel_rosenblatt_test`.
    seed, workers : int
        As there. Hypothesis and alternative are simulated with different seeds.

    Raises
    ------
    InputError
        If an argument is not valid.

    Examples
    --------
    >>> power = estimate_power(500, "laplace")
    >>> power.here.share > 0.9, power.needed < 500
    (True, True)
    """
    require_level(alpha)
    model = take_model(density, fixed or {}) if estimate else None
    if model is not None and model.has_free_shape:
        raise InputError(
            f"the power is simulated with estimated locations and scales, but {', '.join(model.free)} of {model.name} "
            "are to be estimated. Fix the shape."
        )
    hypothesis = valid_density(density) if model is None else model.standard(model.fixed_shapes)
    other = valid_density(alternative, drawn=True)

    def at(size: int) -> PowerAt:
        bandwidths = take_bandwidths(bandwidth, hypothesis, size)
        studies = [Study(size, 2 * SAMPLES - 1, kernel, hypothesis, weight, one, seed, "exact") for one in bandwidths]
        laws = [NullLaw(study, model, smoothed=null == "smoothed") for study in studies]
        nulls = np.array([law.values(workers) for law in laws])
        found = np.array([_alternative_values(law, other, workers) for law in laws])
        return _power_at(size, nulls, found, alpha)

    tried = {m: at(m)}
    needed, low, high = _search(tried, at, m)
    return PowerEstimate(
        alternative=other,
        alpha=alpha,
        here=tried[m],
        needed=needed,
        needed_range=None if needed is None else (low, high),
        tried=tuple(tried[size] for size in sorted(tried)),
    )


def _power_at(m: int, nulls: Array, values: Array, alpha: float) -> PowerAt:
    """Compare samples of the alternative with those of the hypothesis, both of shape (bandwidths, samples)."""
    nulls, values = make_comparable(nulls), make_comparable(values)
    means, deviations = nulls.mean(axis=1, keepdims=True), nulls.std(axis=1, keepdims=True)
    statistics = ((values - means) / deviations).max(axis=0)
    null = ((nulls - means) / deviations).max(axis=0)
    share = float(np.mean([rank(statistic, null) <= alpha for statistic in statistics.tolist()]))
    return PowerAt(m, share, math.sqrt(max(share * (1 - share), 1 / values.shape[1]) / values.shape[1]))


def _alternative_values(law: NullLaw, alternative: Density, workers: int | None) -> Array:
    study = replace(law.study, replicates=SAMPLES, seed=law.study.seed + 1)
    engine = AlternativeReplicates(law.statistic, study.m, law.change, alternative)
    return replicate_values(study, workers=workers, engine=engine)


class AlternativeReplicates(ChangedReplicates):
    """The statistic of samples that come from another density than the one with which they are compared."""

    def __init__(self, statistic: Statistic, m: int, change: Callable[[Array], Array], alternative: Density) -> None:
        super().__init__(statistic, m, change)
        self._alternative = alternative

    @cached_property
    def _table(self) -> QuantileTable:
        return quantile_table(self._alternative)


def _search(tried: dict[int, PowerAt], at: Callable[[int], PowerAt], m: int) -> tuple[int | None, int, int]:
    """Return the number of observations for the wanted power, and the ends of its range; fill ``tried``."""
    # Double or halve until the power is on the other side.
    size, up = m, tried[m].share < WANTED
    while (tried[size].share < WANTED) == up:
        size = min(2 * size, MOST_OBSERVATIONS) if up else max(size // 2, SMALLEST)
        if size in tried:
            # At an end of the range the power may still be on the same side.
            return (None, 0, 0) if up else (SMALLEST, SMALLEST, SMALLEST)
        tried[size] = at(size)
    # One more at the estimate itself.
    first = _interpolate(list(tried.values()))[0]
    if first not in tried:
        tried[first] = at(first)
    return _interpolate(list(tried.values()))


def _interpolate(found: list[PowerAt]) -> tuple[int, int, int]:
    """Fit the probit of the power by a line in log m; return where it is the wanted power, and one s.e. around."""
    near = sorted(found, key=lambda one: abs(_probit(one) - ndtri(WANTED)))[:3]
    x, y = np.log([one.m for one in near]), np.array([_probit(one) for one in near])
    # The error of a probit is that of the share divided by the normal density there.
    errors = np.array([one.standard_error for one in near]) * math.sqrt(2 * math.pi) * np.exp(y**2 / 2)
    design = np.stack([np.ones_like(x), x], axis=1) / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    intercept, slope = covariance @ design.T @ (y / errors)
    if not slope > 0:
        raise InputError("the power does not grow with the number of observations here. Choose another bandwidth.")
    crossing = (ndtri(WANTED) - intercept) / slope
    gradient = np.array([-1.0, -crossing]) / slope
    error = math.sqrt(gradient @ covariance @ gradient)
    middle, low, high = (max(SMALLEST, round(math.exp(crossing + step * error))) for step in (0, -1, 1))
    return middle, low, high


def _probit(one: PowerAt) -> float:
    least = 1 / (2 * SAMPLES)
    return float(ndtri(min(max(one.share, least), 1 - least)))
