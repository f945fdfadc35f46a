"""The record of the study: what was simulated and what is exact at every m, and powers fitted to them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from foundation.errors import InputError
from simulations.asymptotics.courses import COURSES, SIZES, Course
from simulations.study.convergence import fit_power
from simulations.study.study import Result
from simulations.study.summary import PROBABILITIES
from theory.bickel_rosenblatt.expansions import LeadingTerms, leading_terms
from theory.bickel_rosenblatt.mean import limit_mean

NOMINAL = 0.05
"""Level of the one-sided test with the limit law, whose true size is recorded."""

FIRST_OF_FIT = 10**4
"""The smallest m to which powers of b are fitted: below, the terms of higher order show."""

FIRST_OF_GROWTH = 10**9
"""The smallest m to which powers of m are fitted: below, the other terms of the mean show."""

POSITIVE = ("m", "bandwidth", "replicates", "mean_error", "variance_error", "exact_variance", "skewness_error")
"""What must be positive in a point."""


@dataclass(frozen=True)
class Point:
    """The statistic at one m, standardised: T_m minus the limit of its mean, divided by the root of b.

    Attributes
    ----------
    m : int
    bandwidth : float
    engine : str
    replicates : int
    seconds : float
        Computing time of the replicates.
    mean, mean_error, exact_mean : float
        Simulated, its standard error, and exact at this m; so below.
    variance, variance_error, exact_variance : float
    skewness, skewness_error : float
    quantiles : tuple of float
        At `PROBABILITIES`.
    limit_distance : float
        Kolmogorov distance of the replicates to the limit law.
    normal_distance : float
        Kolmogorov distance to the normal law with the exact mean and variance.
    size : float
        Share of replicates beyond the 95 % point of the limit law.
    """

    m: int
    bandwidth: float
    engine: str
    replicates: int
    seconds: float
    mean: float
    mean_error: float
    exact_mean: float
    variance: float
    variance_error: float
    exact_variance: float
    skewness: float
    skewness_error: float
    quantiles: tuple[float, ...]
    limit_distance: float
    normal_distance: float
    size: float

    @classmethod
    def of(cls, result: Result) -> Point:
        """Return the point of a study; raise a ValueError if it lacks a number, as one of one replicate does."""
        summary = result.summary
        root = math.sqrt(summary.bandwidth)
        exact = _known("exact variance", summary.exact_variance)
        critical = summary.limit_mean + root * math.sqrt(summary.limit_variance) * float(ndtri(1 - NOMINAL))
        beyond = summary.sketch.histogram(np.array([critical, np.inf]))
        return cls(
            m=result.study.m,
            bandwidth=summary.bandwidth,
            engine=result.engine,
            replicates=result.study.replicates,
            seconds=result.seconds,
            mean=summary.standardised_mean,
            mean_error=_known("standard error", summary.standardised_mean_error),
            exact_mean=summary.standardise(summary.exact.total),
            variance=_known("variance", summary.standardised_variance),
            variance_error=_known("standard error of the variance", summary.standardised_variance_error),
            exact_variance=exact / summary.bandwidth,
            skewness=_known("skewness", summary.skewness),
            skewness_error=_known("standard error of the skewness", summary.moments.skewness_error),
            quantiles=tuple(summary.standardise(value) for value in summary.sketch.quantiles(PROBABILITIES)),
            limit_distance=_known("distance to the limit law", summary.limit_distance),
            normal_distance=summary.sketch.distance_to(
                lambda values: np.asarray(ndtr((values - summary.exact.total) / math.sqrt(exact)))
            ),
            size=int(beyond[0]) / result.study.replicates,
        )

    @property
    def mean_z(self) -> float:
        """Simulated minus exact mean, in standard errors."""
        return (self.mean - self.exact_mean) / self.mean_error

    @property
    def variance_z(self) -> float:
        """Simulated minus exact variance, in standard errors."""
        return (self.variance - self.exact_variance) / self.variance_error

    @property
    def distance_error(self) -> float:
        """A bound on the standard error of a Kolmogorov distance."""
        return 0.5 / math.sqrt(self.replicates)

    @property
    def size_error(self) -> float:
        """The standard error of `size`."""
        return math.sqrt(self.size * (1 - self.size) / self.replicates)


def _known(name: str, value: float | None) -> float:
    """Return a number, or raise a ValueError if there is none."""
    if value is None:
        raise ValueError(f"the study has no {name}")
    return value


@dataclass(frozen=True)
class Fit:
    """A power of b, fitted on logarithms by least squares weighted with the standard errors.

    Attributes
    ----------
    quantity : str
    predicted : float
        The power of the leading term.
    fitted : float
    standard_error : float or None
        None for exact values.
    """

    quantity: str
    predicted: float
    fitted: float
    standard_error: float | None

    @property
    def z(self) -> float | None:
        """Fitted minus predicted power, in standard errors."""
        return None if self.standard_error is None else (self.fitted - self.predicted) / self.standard_error


@dataclass(frozen=True)
class Track:
    """A course with its points, ascending in m."""

    course: Course
    points: tuple[Point, ...]

    @cached_property
    def terms(self) -> LeadingTerms:
        """The leading terms of mean, variance and skewness."""
        return leading_terms(self.course.kernel, self.course.density, self.course.weight)

    @cached_property
    def limit_mean(self) -> float:
        """The limit of E T_m by Theorem 3.1, whether its conditions hold or not."""
        return float(limit_mean(self.course.kernel, self.course.density, self.course.weight))

    def at(self, m: int) -> Point:
        """Return the point of one m."""
        return next(point for point in self.points if point.m == m)

    def fits(self) -> tuple[Fit, ...]:
        """Return the powers of b at which mean, variance, skewness and distance approach their limits."""
        points = [point for point in self.points if point.m >= FIRST_OF_FIT]
        roots = [math.sqrt(point.bandwidth) for point in points]
        limit = self.terms.limit_variance
        series: list[tuple[str, float, list[tuple[float, float]]]] = [
            ("exact mean less its limit", 1.0, [(p.exact_mean * r, 0.0) for p, r in zip(points, roots, strict=True)]),
            (
                "simulated mean less its limit",
                1.0,
                [(p.mean * r, p.mean_error * r) for p, r in zip(points, roots, strict=True)],
            ),
            ("exact variance less its limit", 1.0, [(p.exact_variance - limit, 0.0) for p in points]),
            ("skewness", 0.5, [(p.skewness, p.skewness_error) for p in points]),
            ("distance to the limit law", 0.5, [(p.limit_distance, p.distance_error) for p in points]),
        ]
        return tuple(
            fit
            for quantity, predicted, values in series
            if (fit := _fit(quantity, predicted, [point.bandwidth for point in points], values)) is not None
        )

    def growth(self, predicted: float) -> Fit:
        """Return the power of m at which the exact mean diverges from the limit, next to that predicted."""
        points = [point for point in self.points if point.m >= FIRST_OF_GROWTH]
        values = [(point.exact_mean * math.sqrt(point.bandwidth), 0.0) for point in points]
        fit = _fit("exact mean less its limit", predicted, [float(point.m) for point in points], values)
        if fit is None:
            raise ValueError(f"the mean of {self.course.name} has no power of m")
        return fit


def _fit(quantity: str, predicted: float, bases: list[float], values: list[tuple[float, float]]) -> Fit | None:
    fitted, error = fit_power(bases, values)
    return None if fitted is None else Fit(quantity, predicted, fitted, error)


@dataclass(frozen=True)
class Record:
    """The study as it was simulated.

    Attributes
    ----------
    tracks : mapping from the name of a course to Track
    machine : mapping
        Processor and versions of packages.
    """

    tracks: Mapping[str, Track]
    machine: Mapping[str, Any]

    def __getitem__(self, name: str) -> Track:
        return self.tracks[name]

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read a record.

        Raises
        ------
        InputError
            If the file cannot be read, or is not a record of the courses that there are.
        """
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            tracks = {name: Track(course, _points(document["courses"][name])) for name, course in COURSES.items()}
            return cls(tracks, document["machine"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                f"{path} must be a record of the study, and cannot be read as one ({type(error).__name__}: {error}). "
                "Make one with python -m benchmarks.asymptotics --json FILE."
            ) from None


def courses_document(points: Mapping[str, list[Point]]) -> dict[str, Any]:
    """Return the machine-readable form of points by the name of their course."""
    return {name: [asdict(point) for point in some] for name, some in points.items()}


def _points(documents: list[Mapping[str, Any]]) -> tuple[Point, ...]:
    points = tuple(map(_point, documents))
    if tuple(point.m for point in points) != SIZES:
        raise ValueError("a course must have a point at every m, ascending")
    return points


def _point(document: Mapping[str, Any]) -> Point:
    names = {field.name: field.type for field in fields(Point)}
    if set(document) != set(names):
        raise ValueError(f"a point must have the fields {', '.join(sorted(names))}")
    for name, kind in names.items():
        value = document[name]
        numbers = value if kind == "tuple[float, ...]" else [value]
        accepted = {"int": int, "str": str}.get(str(kind), (int, float))
        if not all(isinstance(number, accepted) and not isinstance(number, bool) for number in numbers):
            raise ValueError(f"{name} must be of type {kind}, got {value!r}")
        if kind != "str" and not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"{name} must be finite, got {value!r}")
    if len(document["quantiles"]) != len(PROBABILITIES):
        raise ValueError(f"there must be {len(PROBABILITIES)} quantiles, got {len(document['quantiles'])}")
    if not all(document[name] > 0 for name in POSITIVE):
        raise ValueError(f"{', '.join(POSITIVE)} must be positive")
    return Point(**{**document, "quantiles": tuple(document["quantiles"])})
