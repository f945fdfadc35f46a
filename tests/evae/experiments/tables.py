"""Tables of kernels by objectives over seeds, for the tests of the ablation's statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from evae.experiments.statistics.trials import Trial

KERNELS = ("epanechnikov", "gaussian", "uniform")

OBJECTIVES = ("elbo", "kde-bound", "kde-bound, constant B")

FIRST, LAST = ("gaussian", "elbo"), ("epanechnikov", "kde-bound")

Values = np.ndarray[Any, np.dtype[np.float64]]


def trials_of(values: Values) -> list[Trial]:
    """Trials from an array of shape (kernels, objectives, seeds); NaN is not a trial."""
    return [
        Trial(KERNELS[k], OBJECTIVES[o], s, float(value))
        for (k, o, s), value in np.ndenumerate(values)
        if not math.isnan(value)
    ]


@st.composite
def balanced(draw: st.DrawFn) -> Values:
    """Values of a complete design with two or three kernels and objectives, and one to five seeds."""
    shape = (draw(st.integers(2, 3)), draw(st.integers(2, 3)), draw(st.integers(1, 5)))
    numbers = st.lists(st.integers(-50, 50), min_size=math.prod(shape), max_size=math.prod(shape))
    return np.array(draw(numbers), dtype=float).reshape(shape)


@st.composite
def unbalanced(draw: st.DrawFn) -> Values:
    """Values of which some are missing, but none of the first seed."""
    values = draw(balanced())
    gaps = draw(st.lists(st.booleans(), min_size=values.size, max_size=values.size))
    absent = np.array(gaps).reshape(values.shape)
    absent[:, :, 0] = False
    return np.where(absent, np.nan, values)


def scenario(cells: Mapping[tuple[str, str], float], noise: float = 0.1, seeds: int = 4) -> list[Trial]:
    """Trials about these means, with noise of this standard deviation and effects of the seeds."""
    generator = np.random.default_rng(40)
    return [
        Trial(*treatment, seed, mean + seed + noise * generator.normal())
        for seed in range(seeds)
        for treatment, mean in cells.items()
    ]


def corners(start: float, kernel_only: float, objective_only: float, end: float) -> dict[tuple[str, str], float]:
    return {
        FIRST: start,
        ("epanechnikov", "elbo"): kernel_only,
        ("gaussian", "kde-bound"): objective_only,
        LAST: end,
    }
