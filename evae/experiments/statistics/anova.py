"""Analysis of variance of a table of kernels by objectives, with the seeds as blocks.

Each seed gives one vector of values, with one component per treatment. The vectors are independent; the components are
not, since models of one seed start from the same weights, and an effect may vary between seeds. An effect is therefore
compared with its own variation over the seeds, never with a residual that pools all variation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, special

from evae.experiments.statistics.estimates import ROUNDING_UNITS
from evae.experiments.statistics.trials import Treatment, Trial, complete_blocks, ordered
from evae.experiments.statistics.wording import listed
from foundation.errors import InputError
from foundation.types import Array

INTERACTION = "kernel x objective"

EFFECTS = ("kernel", "objective", INTERACTION)


@dataclass(frozen=True)
class Source:
    """A row of an analysis-of-variance table.

    Attributes
    ----------
    name : str
        An effect of `EFFECTS`, ``"seed"``, or an effect by the seed such as ``"kernel x seed"``: its variation over the
        seeds, which is its stratum of error.
    sum_of_squares : float
    degrees_of_freedom : int
    share : float or None
        Share of the total sum of squares; the shares add up to 1. None if nothing varies.
    f, p_value : float or None
        `multivariate_test` of the effect; None for the other rows, and for an effect that cannot be tested.
    """

    name: str
    sum_of_squares: float
    degrees_of_freedom: int
    share: float | None
    f: float | None = None
    p_value: float | None = None

    def document(self) -> dict[str, Any]:
        """Return the row as strict JSON."""
        return {
            "name": self.name,
            "sum_of_squares": self.sum_of_squares,
            "degrees_of_freedom": self.degrees_of_freedom,
            "share": self.share,
            "f": self.f,
            "p_value": self.p_value,
        }


@dataclass(frozen=True)
class AnalysisOfVariance:
    """The analysis of a complete table of kernels by objectives over seeds.

    Attributes
    ----------
    sources : tuple of Source
        The effects; with two seeds or more also the seed, and each effect by the seed.
    seeds : tuple of int
        Seeds that have every treatment.
    left_out : tuple of int
        Seeds that lack some treatment.
    kernels, objectives : tuple of str
    """

    sources: tuple[Source, ...]
    seeds: tuple[int, ...]
    left_out: tuple[int, ...]
    kernels: tuple[str, ...]
    objectives: tuple[str, ...]

    def source(self, name: str) -> Source:
        """Return the row of this name."""
        return next(source for source in self.sources if source.name == name)

    @property
    def error_share(self) -> float:
        """The share of the variation over the seeds, summed over all effects."""
        return sum(source.share or 0.0 for source in self.sources if source.name.endswith(" x seed"))

    def document(self) -> dict[str, Any]:
        """Return the table as strict JSON."""
        return {
            "sources": [source.document() for source in self.sources],
            "seeds": list(self.seeds),
            "left_out": list(self.left_out),
            "kernels": list(self.kernels),
            "objectives": list(self.objectives),
        }


def analyse(trials: Iterable[Trial]) -> AnalysisOfVariance:
    """Analyse the variance between kernels, objectives and seeds.

    Parameters
    ----------
    trials : iterable of Trial
        At least two kernels and two objectives. Only seeds that have every kernel with every objective are used.

    Raises
    ------
    InputError
        If there are fewer kernels or objectives, no seed has them all, or one treatment has two trials with one seed.

    Notes
    -----
    The sums of squares are those of a randomised block design, in which the stratum of an effect is its variation over
    the seeds. The tests are multivariate, see `multivariate_test`: the F test of a stratum would also require
    sphericity, equal variance of all contrasts of an effect, without which it rejects up to three times too often.
    """
    found = ordered(trials)
    kernels = tuple(sorted({trial.kernel for trial in found}))
    objectives = tuple(sorted({trial.objective for trial in found}))
    if len(kernels) < 2 or len(objectives) < 2:
        raise InputError(
            f"a table must have two kernels and two objectives, got {listed(kernels)} with {listed(objectives)}. "
            "Train others, too."
        )
    blocks = complete_blocks(found, [Treatment(kernel, objective) for kernel in kernels for objective in objectives])
    sources = _sources(blocks.values, len(kernels), len(objectives))
    return AnalysisOfVariance(sources, blocks.seeds, blocks.left_out, kernels, objectives)


def _sources(values: Array, kernels: int, objectives: int) -> tuple[Source, ...]:
    """Return the rows for values of shape (seeds, kernels * objectives)."""
    seeds = len(values)
    magnitude = float(np.abs(values).max())
    # Contrasts are orthonormal, so that the squares of their means add up to the sums of squares.
    contrasts = dict(zip(EFFECTS, effect_contrasts(kernels, objectives), strict=True))
    vectors = {name: values @ contrast.T for name, contrast in contrasts.items()}
    squares = {name: (seeds * _square(vector.mean(0)), vector.shape[1]) for name, vector in vectors.items()}
    if seeds > 1:
        means = values.mean(1)
        squares["seed"] = (values.shape[1] * _square(means - means.mean()), seeds - 1)
        for name, vector in vectors.items():
            squares[f"{name} x seed"] = (_square(vector - vector.mean(0)), vector.shape[1] * (seeds - 1))
    # Upper bound on a sum of squares due to rounding.
    rounding = values.size * (ROUNDING_UNITS * np.finfo(float).eps * magnitude) ** 2
    kept = {name: (square if square > rounding else 0.0, freedom) for name, (square, freedom) in squares.items()}
    total = sum(square for square, _ in kept.values())
    tests = {name: multivariate_test(vector, magnitude) for name, vector in vectors.items()}
    return tuple(
        Source(name, square, freedom, square / total if total else None, *(tests.get(name) or (None, None)))
        for name, (square, freedom) in kept.items()
    )


def _square(values: Array) -> float:
    return float((values**2).sum())


def effect_contrasts(kernels: int, objectives: int) -> tuple[Array, Array, Array]:
    """Return orthonormal contrasts of the kernel, the objective and their interaction.

    Each has the shape (degrees of freedom, kernels * objectives), with treatments ordered by kernel, then by objective.
    """
    kernel, objective = linalg.helmert(kernels), linalg.helmert(objectives)
    mean_kernel, mean_objective = np.full((1, kernels), kernels**-0.5), np.full((1, objectives), objectives**-0.5)
    return np.kron(kernel, mean_objective), np.kron(mean_kernel, objective), np.kron(kernel, objective)


def multivariate_test(vectors: Array, magnitude: float = 0.0) -> tuple[float, float] | None:
    r"""Test whether the mean of independent vectors is 0, by Hotelling's :math:`T^2`.

    Parameters
    ----------
    vectors : array of shape (n, p)
        Contrasts of an effect, one row per seed.
    magnitude : float
        The largest absolute value among the numbers from which the contrasts were computed: variation within its
        rounding error counts as none.

    Returns
    -------
    (float, float) or None
        F with (p, n - p) degrees of freedom, and its p-value. None if n <= p, or if the vectors do not vary in every
        direction.

    Notes
    -----
    :math:`F = \frac{n - p}{p (n - 1)} T^2` with :math:`T^2 = n \bar z^\top S^{-1} \bar z` (Hotelling, 1931). For
    normal vectors it is exact for any covariance: neither equal variances nor sphericity are assumed. With p = 1 it is
    the square of Student's t.
    """
    n, p = vectors.shape
    if n <= p:
        return None
    mean = vectors.mean(0)
    # A QR decomposition avoids forming the covariance, which would square the condition number.
    triangle = np.linalg.qr((vectors - mean) / np.sqrt(n - 1), mode="r")
    rounding = ROUNDING_UNITS * float(np.finfo(float).eps) * max(magnitude, float(np.abs(vectors).max()))
    if np.linalg.svd(triangle, compute_uv=False).min() <= rounding:
        return None
    t_squared = n * _square(linalg.solve_triangular(triangle, mean, trans="T"))
    f = t_squared * (n - p) / (p * (n - 1))
    return f, float(special.fdtrc(p, n - p, f))
