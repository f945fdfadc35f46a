"""The Bickel-Rosenblatt test of whether a sample comes from a given density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError, suggest
from foundation.files import locate_user_cache
from simulations.engines.choice import engine_for
from simulations.engines.exact.statistic import check_sample
from simulations.goodness_of_fit.bandwidths import Bandwidths, share_progress, take_bandwidths
from simulations.goodness_of_fit.comparison import compare
from simulations.goodness_of_fit.estimation.fitted_shape import FitOptions, fit_and_test, require_plain
from simulations.goodness_of_fit.estimation.location_scale import standardise
from simulations.goodness_of_fit.estimation.model import Number, take_model
from simulations.goodness_of_fit.names import DEFAULT_BANDWIDTH, NULLS, SIGNIFICANCE, require_level
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.goodness_of_fit.result import GoodnessOfFit, combine
from simulations.goodness_of_fit.rounding import Rounding
from simulations.observations.read import take_sample
from simulations.observations.sample import Sample
from simulations.study.simulate import Progress
from simulations.study.study import Study
from simulations.study.values import execution
from theory.densities.density import DensityLike
from theory.densities.validation import valid_density
from theory.densities.weights import Weight
from theory.kernels import Kernel, kernel_named

if TYPE_CHECKING:
    import pandas as pd


def bickel_rosenblatt_test(
    sample: Sample | pd.DataFrame | pd.Series | npt.ArrayLike,
    density: DensityLike = "normal",
    *,
    column: object = None,
    missing: str = "refuse",
    kernel: str | Kernel = "epanechnikov",
    weight: str | Weight = "one",
    bandwidth: Bandwidths = DEFAULT_BANDWIDTH,
    null: str = "density",
    estimate: bool = False,
    fixed: Mapping[str, Number] | None = None,
    rounded_to: float | None = None,
    alpha: float = SIGNIFICANCE,
    replicates: int = 9_999,
    seed: int = 0,
    workers: int | None = None,
    cluster: str | None = None,
    resume: str | Path | None = None,
    cache: Path | str | bool = True,
    progress: Progress | None = None,
) -> GoodnessOfFit:
    r"""Test whether a sample comes from ``density``; large values of T_m are evidence against it.

    Parameters
    ----------
    sample : array_like, shape (m,), Series, DataFrame or Sample
        Finite numbers in any order. `simulations.observations.read_sample` reads them from a file.
    density : str, Density, frozen distribution of scipy.stats, or (expression, (lower, upper))
        The hypothesis, without unknown parameters unless ``estimate`` is set.
    column : hashable, optional
        The label of a DataFrame's column; required if it has several.
    missing : {"refuse", "drop"}
        What is done with NaN, None, NA and masked elements.
    kernel, weight, bandwidth
        Those of T_m. The weight ``one`` covers the whole line; b is in the units of the density. With several
        bandwidths the statistic is the largest excess of the cube root of T_m(b) over its mean under the null
        hypothesis, in standard deviations, and the null distribution is that of this maximum. ``adaptive`` is a
        geometric grid from 1.6 scales of the density downwards.
    null : {"density", "smoothed"}
        What the estimate is compared with: f, or its mean K_b * f. Without the bias, wide bandwidths have power
        against shifts as well; and the statistic is finite where the square of f has no integral.
    estimate : bool
        Test the family: its parameters are estimated from the sample by maximum likelihood, and the null distribution
        takes the estimation into account. ``density`` is then a family without parameters: ``normal``, ``gamma``, or
        any of scipy's as ``scipy:invgauss``. Where location and scale alone are estimated, T_m is that of the
        standardised sample. Where a shape is, the null distribution is that of the parametric bootstrap, and b is in
        units of half the distance between the 16 % and 84 % quantiles of the fitted density.
    fixed : dict from str to number, optional
        Parameters of the family that are known, as ``{"location": 0}``.
    rounded_to : float, optional
        The width to whose multiples the data were rounded, in their units, as 0.1 for one decimal. The samples of the
        null distribution are then rounded in the same way, halves to the even multiple. With ``estimate`` every sample
        is given the estimated location and scale, rounded and estimated again, so that the null distribution is that
        given the estimates; the width must not exceed the standard deviation of the data.
    alpha : float
        The level at which the result in words rejects.
    replicates, seed : int
        For the simulation of the null distribution. With 9,999, the p-value is a multiple of 1/10,000.
    workers : int, optional
        Threads for the simulation; by default one for each usable core. The result does not depend on it.
    cluster : str, optional
        As for `simulations.simulate`: workers that compute in place of threads, with the same result.
    resume : path-like, optional
        File in which the values of the null distribution are kept, from which an interrupted test resumes with the
        identical result; created if it does not exist. A finished test can be resumed with more replicates.
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
    if null not in NULLS:
        raise InputError(f"null must be one of {', '.join(NULLS)}, got {null!r}. {suggest(null, NULLS)}")
    require_level(alpha)
    model = take_model(density, fixed or {}) if estimate else None
    if fixed and model is None:
        raise InputError("parameters are fixed where others are estimated: give --estimate as well (estimate=True).")
    if model is not None and model.has_free_shape:
        refused = {"the weight": weight != "one", "rounding": rounding is not None}
        require_plain(model, [name for name, given in refused.items() if given])
        options = FitOptions(kernel_named(kernel), replicates, seed, alpha, workers, null, cluster, resume)
        return fit_and_test(observed, values, model, bandwidth, options, progress)
    hypothesis = valid_density(density) if model is None else model.standard(model.fixed_shapes)
    bandwidths = take_bandwidths(bandwidth, hypothesis, values.size)
    studies = [Study(values.size, replicates, kernel, hypothesis, weight, one, seed) for one in bandwidths]
    fitted = None if model is None else standardise(values, model)
    # The null distribution at every bandwidth; those of several are of the same samples.
    folder = (locate_user_cache("null-laws") if cache else None) if isinstance(cache, bool) else Path(cache)
    place = (0.0, 1.0)
    if rounding is not None and fitted is not None:
        # A median of rounded data is itself rounded; their mean tells where the multiples lie in the density.
        place = float(values.mean()), rounding.scale_before(fitted.fit.scale, values)
    laws = [NullLaw(study, model, rounding, *place, null == "smoothed") for study in studies]
    if len(laws) > 1:
        laws = [replace(law, study=_draw_every_observation(law.study)) for law in laws]
    prepared = values if fitted is None else fitted.values
    statistics = np.array([law.statistic.of_sample(prepared) for law in laws])
    with execution(workers, cluster, resume, [law.kept_as for law in laws]) as run:
        shares = [share_progress(progress, replicates, k, len(laws)) for k in range(len(laws))]
        nulls = np.array([law.values(None, folder, share, run) for law, share in zip(laws, shares, strict=True)])
    widths = [one.at(values.size) for one in bandwidths]
    return combine(
        laws,
        compare(bandwidths, widths, statistics, nulls, alpha),
        null,
        location=None if fitted is None else fitted.fit.location,
        scale=None if fitted is None else fitted.fit.scale,
        estimates=None if model is None or fitted is None else model.describe(fitted.fit),
        rounded_to=rounded_to,
        sample=observed,
    )


def _draw_every_observation(study: Study) -> Study:
    """Return the study with an engine that draws every observation, so that all bandwidths see the same samples."""
    return replace(study, engine=engine_for("auto", study.setting, study.m, among=("exact", "cells")).name)
