"""The test of a family whose shape is estimated."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foundation.errors import InputError
from foundation.types import Array
from simulations.compiled import digest_sources
from simulations.goodness_of_fit.bandwidths import Bandwidths, take_bandwidths
from simulations.goodness_of_fit.comparison import compare
from simulations.goodness_of_fit.estimation.bootstrap import BootstrapReplicates, KernelSums, ShapeStatistic
from simulations.goodness_of_fit.estimation.model import Model
from simulations.goodness_of_fit.null_law import NullLaw
from simulations.goodness_of_fit.result import GoodnessOfFit, combine
from simulations.observations.sample import Sample
from simulations.study.simulate import Progress
from simulations.study.study import Study
from simulations.study.values import execution
from theory.bickel_rosenblatt.bandwidth import bandwidth_named
from theory.kernels import Kernel


@dataclass(frozen=True)
class FitOptions:
    """Options of the test that apply where a shape is estimated."""

    kernel: Kernel
    replicates: int
    seed: int
    alpha: float
    workers: int | None
    null: str = "density"
    cluster: str | None = None
    resume: str | Path | None = None


def require_plain(model: Model, refused: Sequence[str]) -> None:
    """Raise an `InputError` if an option is given that does not apply where a shape is estimated."""
    if refused:
        shapes = " and ".join(shape for shape in model.form.shapes if shape in model.free)
        raise InputError(
            f"{' and '.join(refused)} cannot be combined with the estimated {shapes} of {model.name}. Leave it out, or "
            f"fix {shapes}."
        )


def fit_and_test(
    observed: Sample,
    values: Array,
    model: Model,
    bandwidth: Bandwidths,
    options: FitOptions,
    progress: Progress | None = None,
) -> GoodnessOfFit:
    """Test whether a sample comes from a family, by the parametric bootstrap.

    Raises
    ------
    InputError
        If the parameters cannot be estimated, or the fitted density is not one that T_m can be simulated for.
    """
    m = values.size
    relative = take_bandwidths(bandwidth, 1.0, m)
    sums = KernelSums(options.kernel, smoothed=options.null == "smoothed")
    statistic = ShapeStatistic(model, sums, tuple(one.at(m) for one in relative))
    found, statistics = statistic.of_sample(values)
    # In the units of the standardised sample.
    density, spread = model.standard(found.fit.shapes), statistic.terms(found.fit.shapes).spread
    _require_finite(statistics, f"the fitted density {density.name}")
    widths = [one.at(m) * spread for one in relative]
    studies = [
        Study(m, options.replicates, options.kernel, density, "one", bandwidth_named(width), options.seed)
        for width in widths
    ]
    engine = BootstrapReplicates(statistic, found.fit, m)
    identity = json.dumps([digest_sources(), options.seed, repr(engine)])
    with execution(options.workers, options.cluster, options.resume, [identity]) as run:
        nulls = run.values(studies[0], engine, identity, progress)
    infinite = float(np.isinf(nulls.max(axis=1)).mean())
    _require_finite(nulls, f"densities fitted to {infinite:.2g} of the samples of {density.name}")
    return combine(
        [NullLaw(study, smoothed=sums.smoothed) for study in studies],
        compare(relative, widths, statistics, nulls.T, options.alpha),
        options.null,
        shape_known=False,
        location=found.fit.location,
        scale=found.fit.scale,
        estimates=model.describe(found.fit),
        rounded_to=None,
        sample=observed,
    )


def _require_finite(statistics: Array, whose: str) -> None:
    """Raise an `InputError` if T_m is infinite, compared with densities that are described by ``whose``."""
    if not np.isfinite(statistics).all():
        raise InputError(
            f"T_m must be finite, but the square of {whose} has no integral. Choose --null smoothed, which needs none."
        )
