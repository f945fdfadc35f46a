r"""Theorem 3.1 (Bickel and Rosenblatt, 1973): the exact mean of T_m, its limits, and the theorem's conditions.

:math:`T_m = m b \int (f_m - f)^2 a`, where :math:`f_m` is the kernel density estimate from ``m`` observations of the
density :math:`f`, with bandwidth :math:`b`, and :math:`a` is a weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
import sympy
from sympy import Expr

from foundation.errors import InputError
from foundation.types import Array
from foundation.validation import require_positive
from theory.algebra.evidence import Evidence
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_conditions, bandwidth_named
from theory.bickel_rosenblatt.quadrature import Mesh, Nodes, gauss_legendre, split
from theory.densities.assumptions import density_assumptions, weight_conditions
from theory.densities.density import Density, DensityLike, Landmark
from theory.densities.evaluation import far_locations, local_density, local_weight, numerical
from theory.densities.integrals import integral_of_product, require_known_integrals
from theory.densities.validation import valid_density
from theory.densities.weights import ONE, Weight, weight_named
from theory.kernels import Kernel, assumption_a1, kernel_named, x
from theory.unbounded_kernels import require_unbounded_form

RELATIVE_TOLERANCE = 1e-13

LOWER_ORDER, HIGHER_ORDER = 16, 24

PANELS = (1, 2, 4, 8, 16, 32, 64)

MANY_PANELS, MOST_EVALUATIONS = 8, 50_000_000
"""The quadrature stops before it takes more than both: the first in panels, the second in evaluations of f."""

VALIDATION = 1e-9
"""Accepted relative error of the integrals of f and f^2."""

STEPS = (-8, -5, -3, -2, -1, 0, 1, 2, 3, 5, 8)
"""Distances of edges from a landmark, in scales."""

LANDMARK_LEVELS = (1e-15, 1e-6, 0.01, 0.25, 0.5, 0.75, 0.99, 1 - 1e-6, 1 - 1e-15)

GRADING = 4.0 ** -np.arange(1, 27)
"""Distances of extra edges from knots where f is like a fractional power: geometric, so f is smooth on each panel."""

TAIL = 1e-22
"""The mass neglected in each tail for the weight ``one``."""

FAR = 64
"""Interquartile ranges that panels between quantiles cover; on wider intervals panels grow with the distance."""


@dataclass(frozen=True)
class ExactMean:
    """E T_m = A - B + C at a finite m.

    Attributes
    ----------
    variance_term : float
        A, the double integral of K(u)^2 f(x - b u) a(x).
    product_term : float
        B, the integral b (K_b * f)^2 a.
    squared_bias_term : float
        C, the integral m b (K_b * f - f)^2 a.
    error : float
        The difference between two orders of quadrature, an estimate of the absolute error of the total.
    """

    variance_term: float
    product_term: float
    squared_bias_term: float
    error: float

    @property
    def total(self) -> float:
        """E T_m."""
        return self.variance_term - self.product_term + self.squared_bias_term


def exact_mean(
    m: int,
    kernel: str | Kernel = "epanechnikov",
    density: DensityLike = "normal",
    weight: str | Weight = "window:-2,2",
    bandwidth: str | float | Bandwidth = "m^-0.235",
) -> ExactMean:
    r"""Compute E T_m for a sample of size ``m``, exact up to quadrature error.

    Parameters
    ----------
    m : int
        The number of observations, at least 1.
    kernel, density, weight, bandwidth
        Objects of ``theory``, or their names. The kernel must have compact support, or be Gaussian
        or logistic.

    Returns
    -------
    ExactMean
        The three terms and an estimate of their error.

    Raises
    ------
    InputError
        If a name is unknown, ``m`` is not positive, the kernel is neither compactly supported nor Gaussian or logistic,
        the weight neither vanishes outside a bounded interval nor is 1 everywhere, the density is unbounded within the
        support of the weight, or the quadrature does not converge.

    Notes
    -----
    With :math:`K_b(t) = K(t/b)/b`, the variance of :math:`f_m(x)` is
    :math:`(\int K^2(u) f(x - b u)\,du / b - (K_b * f)^2(x)) / m` and its bias is :math:`K_b * f - f`. The bias is
    computed as :math:`\int K(u) [f(x - b u) - f(x)]\,du`, which avoids cancellation when it is small. Where a pole of
    f outside the support of the weight is within reach of the kernel, the integrals over u are taken by parts: they
    contain the distribution function, which is bounded. Gauss-Legendre panels are split where the expression of K, f or
    a changes, and halved until two orders agree. The integrals of f and f^2 over the same panels must be those of their
    closed forms.

    Examples
    --------
    >>> mean = exact_mean(10_000)
    >>> round(mean.total, 12), round(mean.product_term, 10)
    (0.540763130234, 0.0321931158)
    """
    require_positive("m", m)
    density = valid_density(density)
    problem = _Problem(kernel_named(kernel), density, weight_named(weight, density), bandwidth_named(bandwidth).at(m))
    problem.check()
    # The difference between two orders estimates the error; halve the panels until it is small enough.
    scale = np.array([1.0, 1.0, m, 1.0, 1.0])
    for panels in PANELS:
        if panels > MANY_PANELS and problem.count_evaluations(panels) > MOST_EVALUATIONS:
            break
        lower, higher = (scale * problem.terms(panels, order) for order in (LOWER_ORDER, HIGHER_ORDER))
        error = float(np.sum(np.abs(higher - lower)[:3]))
        if error <= RELATIVE_TOLERANCE * float(np.sum(higher[:3])):
            variance, product, squared_bias, mass, square = (float(term) for term in higher)
            problem.validate(mass, square)
            return ExactMean(variance, product, squared_bias, error)
    raise InputError(
        f"E T_m must be known to {RELATIVE_TOLERANCE:g} of itself, but two orders of quadrature differ by {error:.2g}. "
        f"Choose a density in place of {density.name} that is smooth between its knots, or a wider bandwidth."
    )


@lru_cache
def limit_mean(
    kernel: str | Kernel = "epanechnikov", density: DensityLike = "normal", weight: str | Weight = "window:-2,2"
) -> Expr:
    r"""Return :math:`I(K) \int f a`, the limit of E T_m under the conditions of Theorem 3.1 (`theorem_conditions`).

    Examples
    --------
    >>> limit_mean("epanechnikov", "normal", "window:-2,2")
    3*erf(sqrt(2))/5
    """
    density = valid_density(density)
    return kernel_named(kernel).roughness * integral_of_product(density, weight_named(weight, density))


@lru_cache
def limit_variance(
    kernel: str | Kernel = "epanechnikov", density: DensityLike = "normal", weight: str | Weight = "window:-2,2"
) -> Expr:
    r"""Return :math:`2 J(K) \int a^2 f^2`, the variance of the limit law of :math:`b^{-1/2} (T_m - I(K) \int f a)`.

    Examples
    --------
    >>> round(float(limit_variance()), 14)
    0.24358162558669
    """
    density = valid_density(density)
    return (
        2
        * kernel_named(kernel).convolution_roughness
        * integral_of_product(density, weight_named(weight, density), power=2)
    )


@lru_cache
def theorem_conditions(
    kernel: str | Kernel = "epanechnikov",
    density: DensityLike = "normal",
    weight: str | Weight = "window:-2,2",
    bandwidth: str | float | Bandwidth = "m^-0.235",
) -> tuple[Evidence, ...]:
    """Decide every condition of Theorem 3.1, each with its reason: A1 to A4, those on the weight and the bandwidth.

    Examples
    --------
    >>> all(condition.holds for condition in theorem_conditions())
    True
    >>> [condition.statement for condition in theorem_conditions(bandwidth="m^-0.3") if not condition.holds]
    ['bandwidth: m^(-1/4) (log m)^(1/2) (log log m)^(1/4) = o(b)']
    """
    return (
        *assumption_a1(kernel_named(kernel)),
        *density_assumptions(density),
        *weight_conditions(weight, density),
        *bandwidth_conditions(bandwidth),
    )


def require_bounded(density: Density, weight: Weight, reach: float) -> None:
    """Raise InputError if the density is unbounded within ``reach`` of the weight's support."""
    lower, upper = (float(end) for end in weight.support)
    for knot in map(float, density.unbounded_knots):
        if lower - reach <= knot <= upper + reach:
            where = "within a bandwidth of the weight's support" if reach else "within the weight's support"
            raise InputError(
                f"the density must be bounded {where}, but {density.name} is unbounded at {knot:g}. Choose a window:c,d"
                " farther away from that point."
            )


@dataclass(frozen=True)
class _Problem:
    """The integrals of E T_m for one kernel, density, weight and bandwidth."""

    kernel: Kernel
    density: Density
    weight: Weight
    bandwidth: float

    def check(self) -> None:
        """Raise InputError if the density is unbounded where the weight is, or too narrow for its location."""
        require_bounded(self.density, self.weight, 0.0)
        self.density.require_resolution()

    def terms(self, panels: int, order: int) -> Array:
        """Return A, B, C / m and the integrals of f and f^2, with ``panels`` of ``order`` nodes on every interval."""
        total = np.zeros(5)
        points = Mesh.graded(self._outer_edges, ()).divide(panels).nodes(order)
        # Blocks of outer points bound the memory of the double integral.
        block = max(1, 1_000_000 // self._count_inner_nodes(panels, order))
        for start in range(0, points.bases.size, block):
            total += self._integrals(points.part(slice(start, start + block)), panels, order)
        return total

    def count_evaluations(self, panels: int) -> int:
        """Return about how often `terms` evaluates f with the higher order."""
        return len(self._outer_edges) * panels * HIGHER_ORDER * self._count_inner_nodes(panels, HIGHER_ORDER)

    def _count_inner_nodes(self, panels: int, order: int) -> int:
        return (self._kernel_knots.size + len(self._landmarks)) * panels * order

    def validate(self, mass: float, square: float) -> None:
        """Raise InputError if the integrals of f and f^2 at the nodes are not those of their closed forms."""
        found = {"mass": mass, "square": square}
        require_known_integrals(self.density, *self._outer_ends, found, "the quadrature of E T_m", VALIDATION)

    def _integrals(self, points: Nodes, panels: int, order: int) -> Array:
        """Return the integrals of `terms` over ``points``."""
        # Inner nodes u depend on the outer point: shape (points, nodes).
        density = local_density(self.density)
        u, lengths = _gauss_legendre(self._inner_edges(points), panels, order)
        here = density(points.bases, points.offsets[:, None])
        if self._has_pole_within_reach:
            smoothed, variance = (self._by_parts(power, points, u, lengths) for power in (1, 2))
            bias = smoothed - here[:, 0]
        else:
            kernel = numerical(self.kernel.pieces)(u)
            values = density(points.bases, points.offsets[:, None] - self.bandwidth * u)
            smoothed = np.sum(lengths * kernel * values, axis=1)
            bias = np.sum(lengths * kernel * (values - here), axis=1)
            variance = np.sum(lengths * kernel**2 * values, axis=1)
        weights = points.lengths * local_weight(self.weight)(points.bases, points.offsets[:, None])[:, 0]
        terms = np.stack([variance, self.bandwidth * smoothed**2, self.bandwidth * bias**2]) @ weights
        return np.concatenate([terms, [points.lengths @ here[:, 0], points.lengths @ here[:, 0] ** 2]])

    def _by_parts(self, power: int, points: Nodes, u: Array, lengths: Array) -> Array:
        """Return the integral of K(u)^power f(x - b u) over u, with the distribution function in the place of f."""
        distribution = local_density(self.density, "distribution")

        def below(shifts: Array) -> Array:
            return distribution(points.bases, points.offsets[:, None] - self.bandwidth * shifts)

        slopes = [replace(piece, density=sympy.diff(piece.density**power, x)) for piece in self.kernel.pieces]
        total = np.sum(lengths * numerical(tuple(slopes))(u) * below(u), axis=1)
        for piece in self.kernel.pieces:
            for end, sign in ((piece.upper, -1), (piece.lower, 1)):
                height = float(sympy.limit(piece.density**power, x, end, "-" if end == piece.upper else "+"))
                if height:
                    total += sign * height * below(np.full((points.bases.size, 1), float(end)))[:, 0]
        return np.asarray(total / self.bandwidth)

    @cached_property
    def _has_pole_within_reach(self) -> bool:
        lower, upper = (float(end) for end in self.weight.support)
        reach = self.bandwidth * float(np.abs(self._kernel_knots).max())
        return any(lower - reach <= float(knot) <= upper + reach for knot in self.density.unbounded_knots)

    def _inner_edges(self, points: Nodes) -> Array:
        """Return, for each point x, the ascending ends of the intervals of u on which K(u) f(x - b u) is smooth."""
        # Clipping keeps the number of intervals constant; those outside the kernel become empty.
        knots = np.broadcast_to(self._kernel_knots, (points.bases.size, self._kernel_knots.size))
        high, low = split(self._landmarks)
        crossings = (((points.bases[:, None] - high) - low) + points.offsets[:, None]) / self.bandwidth
        inside = np.clip(crossings, self._kernel_knots[0], self._kernel_knots[-1])
        return np.sort(np.concatenate([knots, inside], axis=1), axis=1)

    @cached_property
    def _outer_edges(self) -> tuple[Fraction, ...]:
        """The ascending ends of the intervals of x on which K_b * f, f and a are smooth."""
        # K_b * f is not smooth where a knot of K meets a landmark of f.
        reaches = [Fraction(self.bandwidth) * Fraction(float(knot)) for knot in self._kernel_knots]
        smoothed = [place + reach for place in self._landmarks for reach in reaches]
        lower, upper = (Fraction(end) for end in self._outer_ends)
        edges = [lower, upper, *map(exact_fraction, self.weight.knots), *self._landmarks, *smoothed]
        if self.weight.landmarks != self.density.landmarks:
            edges.extend(places_around(self.weight.landmarks))
        edges.extend(tail_places(self.density, lower, upper))
        # Of edges that are one double the first is kept: ends and knots stand before others.
        distinct = {float(edge): edge for edge in reversed(edges) if lower <= edge <= upper}
        return tuple(sorted(distinct.values()))

    @cached_property
    def _outer_ends(self) -> tuple[float, float]:
        """The interval of x outside which the integrands vanish to rounding."""
        lower, upper = (float(end) for end in self.weight.support)
        if np.isfinite([lower, upper]).all():
            return lower, upper
        if self.weight != ONE:
            raise InputError(
                "for the exact mean the weight must vanish outside a bounded interval or be one, got "
                f"{self.weight.name}. Try window:-2,2."
            )
        lower, upper = self.density.bulk(TAIL)
        return lower + self.bandwidth * self._kernel_knots[0], upper + self.bandwidth * self._kernel_knots[-1]

    @cached_property
    def _kernel_knots(self) -> Array:
        if self.kernel.has_compact_support:
            return _floats([piece.lower for piece in self.kernel.pieces] + [self.kernel.support[1]])
        form = require_unbounded_form(self.kernel, "the exact mean")
        if form.family == "logistic":
            return _floats(form.grid)
        # A Gaussian falls off so fast that one panel on either side suffices.
        return _floats((form.grid[0], form.location, form.grid[-1]))

    @cached_property
    def _landmarks(self) -> tuple[Fraction, ...]:
        """The knots of f and some of its quantiles, so that panels are narrow where f is narrow or steep."""
        components = [density for _, density in self.density.components] or [self.density]
        places = [*map(exact_fraction, self.density.knots)]
        for component in components:
            places.extend(_quantiles(component))
            # A density that is not a known mixture may have narrow parts that its quantiles pass over.
            if len(component.landmarks) > 1:
                places.extend(places_around(component.landmarks))
        # Near a fractional power quantiles are too far apart, so additional edges are graded towards the knot.
        rough = _floats(self.density.rough_knots)
        graded = (rough[:, None] + np.concatenate([-GRADING, GRADING])).ravel()
        inside = (graded > float(self.density.support[0])) & (graded < float(self.density.support[1]))
        places.extend(Fraction(place) for place in graded[inside].tolist())
        distinct = {float(place): place for place in reversed(places)}
        return tuple(sorted(distinct.values()))


def _quantiles(density: Density) -> list[Fraction]:
    """Return the quantiles at `LANDMARK_LEVELS`; those of a part far from 0 exactly as far from its location."""
    far = far_locations(density.landmarks)
    levels = np.array(LANDMARK_LEVELS)
    if density.moved is None or not far:
        return [Fraction(place) for place in density.quantiles(levels).tolist()]
    return [exact_fraction(far[0]) + Fraction(place) for place in density.moved(-far[0]).quantiles(levels).tolist()]


def tail_places(density: Density, lower: Fraction, upper: Fraction) -> Iterator[Fraction]:
    """Yield places whose distances from the median double, so that panels grow with the scale of a heavy tail.

    There are none if [lower, upper] does not reach far into the tails of a density that keeps its digits.
    """
    first, middle, last = map(Fraction, density.quantiles(np.array([0.25, 0.5, 0.75])).tolist())
    distance = last - first
    if density.keeps_digits and upper - lower <= FAR * distance:
        return
    while distance > 0 and (middle - distance > lower or middle + distance < upper):
        yield middle - distance
        yield middle + distance
        distance *= 2


def places_around(landmarks: tuple[Landmark, ...]) -> list[Fraction]:
    """Return places within some scales of each landmark."""
    return [exact_fraction(place) + exact_fraction(scale) * step for place, scale in landmarks for step in STEPS]


def exact_fraction(value: Expr) -> Fraction:
    """Return a number as a fraction: exactly if it is rational, and otherwise its double."""
    return Fraction(int(value.p), int(value.q)) if value.is_Rational else Fraction(float(value))


def _gauss_legendre(edges: Array, panels: int, order: int) -> tuple[Array, Array]:
    """Return the nodes and weights, (..., k * panels * order), of all intervals between ``edges``, (..., k + 1)."""
    nodes, weights = gauss_legendre(order)
    fractions = (np.arange(panels)[:, None] + nodes).ravel() / panels
    shares = np.tile(weights, panels) / panels
    starts, lengths = edges[..., :-1, None], np.diff(edges)[..., None]
    shape = (*edges.shape[:-1], -1)
    return (starts + lengths * fractions).reshape(shape), (lengths * shares).reshape(shape)


def _floats(values: Iterable[Expr]) -> Array:
    return np.array([float(value) for value in values])
