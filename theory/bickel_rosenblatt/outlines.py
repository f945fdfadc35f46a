"""Outlines of functions: where a density, a weight and their integrals with a kernel have kinks or change quickly."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from sympy import Expr, Pow, log

from theory.bickel_rosenblatt.mean import LANDMARK_LEVELS, exact_fraction
from theory.bickel_rosenblatt.quadrature import Feature, Mesh
from theory.densities.density import Density, Landmark, numerical
from theory.densities.tabulated.computed import has_computed
from theory.densities.weights import Weight
from theory.kernels import Kernel, x
from theory.unbounded_kernels import UnboundedForm, require_unbounded_form

ROUGHNESS = 1e-11
"""Accepted error of an integral from the innermost cell beside a fractional power."""

CLOSE, VANISHING = 2.0**-40, 1e-6
"""A density vanishes at an end if it is below the second number at the first distance, in units of its spread."""

NODES = 12
"""Nodes per cell for which `ROUGHNESS` holds."""


class Power(NamedTuple):
    """A point beside which a function is like a fractional power of the distance."""

    place: Fraction
    exponent: float


@dataclass(frozen=True)
class Outline:
    """Where a function changes.

    Attributes
    ----------
    kinks : frozenset of Fraction
        The points between which it is smooth.
    features : frozenset of Feature
        The places around which it changes quickly, each with a scale.
    powers : frozenset of Power
        Those of its kinks beside which it is not smooth either.
    """

    kinks: frozenset[Fraction] = frozenset()
    features: frozenset[Feature] = frozenset()
    powers: frozenset[Power] = frozenset()

    def __or__(self, other: Outline) -> Outline:
        """Return the outline of a product or a sum."""
        return Outline(self.kinks | other.kinks, self.features | other.features, self.powers | other.powers)

    def move(self, distances: Iterable[Fraction], *, integrations: int = 0) -> Outline:
        """Return the outline of a sum of copies of the function, each moved by a distance and integrated repeatedly."""
        distances = tuple(distances)
        return Outline(
            frozenset(kink + distance for kink, distance in product(self.kinks, distances)),
            frozenset(
                Feature(place + distance, scale) for (place, scale), distance in product(self.features, distances)
            ),
            frozenset(
                Power(place + distance, exponent + integrations)
                for (place, exponent), distance in product(self.powers, distances)
            ),
        )

    def blur(self, width: float) -> Outline:
        """Return the outline of the convolution with an analytic function of the given width."""
        blurred = {Feature(place, max(scale, width)) for place, scale in self.features}
        return Outline(features=frozenset(blurred | {Feature(kink, width) for kink in self.kinks}))

    def mesh(self, lower: Fraction, upper: Fraction, unit: float) -> Mesh:
        """Return the mesh from ``lower`` to ``upper`` for the function; ``unit`` is the distance of its powers' law."""
        steep = (Feature(place, unit * _innermost(exponent)) for place, exponent in self.powers)
        inside = (kink for kink in self.kinks if lower < kink < upper)
        return Mesh.graded((lower, upper, *inside), (*self.features, *steep))


def outline_of(function: Density | Weight) -> Outline:
    """Return the outline of a density or a weight."""
    kinks = frozenset(map(exact_fraction, function.knots))
    # A constant changes at its ends alone.
    if not any(piece.density.has(x) for piece in function.pieces):
        return Outline(kinks)
    if isinstance(function, Weight):
        return Outline(kinks, _features(function.landmarks))
    parts = [density for _, density in function.components] or [function]
    features = frozenset[Feature]().union(*(_features(part.landmarks) or _quantile_features(part) for part in parts))
    rough = set(function.rough_knots)
    powers = {Power(exact_fraction(knot), float(power)) for knot, power in function.powers_at_knots() if knot in rough}
    flat = {power for part in parts for power in _flat_ends(part)}
    return Outline(kinks, features, frozenset(powers | flat))


@dataclass(frozen=True)
class KernelGrid:
    """The points of a kernel's argument between which it is smooth, or well integrated.

    Parameters
    ----------
    kernel : Kernel
        With compact support, or Gaussian or logistic.
    bandwidth : float
    """

    kernel: Kernel
    bandwidth: float

    @cached_property
    def points(self) -> tuple[Fraction, ...]:
        """The ascending points, from one end of the support to the other."""
        if not self.kernel.has_compact_support:
            return tuple(map(exact_fraction, self._form.grid))
        pieces = self.kernel.smooth_pieces
        return tuple(exact_fraction(end) for end in (*(piece.lower for piece in pieces), pieces[-1].upper))

    @cached_property
    def lags(self) -> tuple[Fraction, ...]:
        """The same for the kernel's autocorrelation, from 0 upwards."""
        if not self.kernel.has_compact_support:
            return tuple(map(exact_fraction, self._form.lags))
        return tuple(sorted({abs(one - other) for one, other in product(self.points, repeat=2)}))

    @cached_property
    def width(self) -> Fraction:
        """The bandwidth, exactly."""
        return Fraction(self.bandwidth)

    @property
    def step(self) -> float:
        """The width of the narrowest panels of a kernel without bounded support."""
        middle = len(self.points) // 2
        return self.bandwidth * float(self.points[middle + 1] - self.points[middle])

    @cached_property
    def _form(self) -> UnboundedForm:
        return require_unbounded_form(self.kernel, "the exact variance")

    def smooth(self, outline: Outline) -> Outline:
        """Return the outline of K_b * f for a function f."""
        return self._convolve(outline, self.points, 1)

    def gather(self, outline: Outline) -> Outline:
        """Return the outline of the integral of K_b(x - t) f(x) over x, as a function of t."""
        return self._convolve(outline, [-point for point in self.points], 1)

    def correlate(self, outline: Outline) -> Outline:
        """Return the outline of the convolution of f with the kernel's autocorrelation."""
        return self._convolve(outline, {*self.lags, *(-lag for lag in self.lags)}, 2)

    def _convolve(self, outline: Outline, points: Iterable[Fraction], integrations: int) -> Outline:
        if not self.kernel.has_compact_support:
            return outline.blur(self.bandwidth * float(self._form.scale))
        return outline.move((self.width * point for point in points), integrations=integrations)


def _features(landmarks: Iterable[Landmark]) -> frozenset[Feature]:
    return frozenset(Feature(exact_fraction(place), float(scale)) for place, scale in landmarks)


def _quantile_features(density: Density) -> frozenset[Feature]:
    """Return quantiles of a density without landmarks, each with the distance to its nearest neighbour."""
    places = np.unique(density.quantiles(np.array(LANDMARK_LEVELS)))
    gaps = np.diff(places, prepend=-np.inf, append=np.inf)
    return frozenset(
        Feature(Fraction(place), float(min(gap))) for place, gap in zip(places.tolist(), pairwise(gaps), strict=True)
    )


def _flat_ends(density: Density) -> Iterator[Power]:
    """Yield the ends of the support, other than known powers, where the density vanishes and may not be analytic."""
    known = {knot for knot, _ in density.powers_at_knots() if density.powers is not None or knot in density.rough_knots}
    lower, upper = density.support
    for piece, end, level in ((density.pieces[0], lower, ROUGHNESS), (density.pieces[-1], upper, 1 - ROUGHNESS)):
        if end.is_finite and end not in known and _is_singular(piece.density, end):
            distance = abs(float(density.quantiles(np.array([level]))[0]) - float(end))
            step = max(CLOSE * density.spread, 8 * float(np.spacing(abs(float(end)))))
            if _height_at(density, end, step) < VANISHING:
                yield Power(exact_fraction(end), _equivalent_exponent(max(distance, step) / density.spread))


def _height_at(density: Density, end: Expr, step: float) -> float:
    """Return the density at a distance from an end of its support, in units of 1 / spread."""
    place = float(end) + (step if end == density.support[0] else -step)
    return float(numerical(density.pieces)(np.array([place]))[0]) * density.spread


def _equivalent_exponent(share: float) -> float:
    """Return the exponent for which `_innermost` is ``share``, the distance from an end within which f is negligible.

    A density that vanishes faster than any power, such as the lognormal one at 0, needs no finer mesh than that power.
    """
    return math.log(ROUGHNESS) / math.log(min(share, 1.0) / NODES**2) - 1


def _is_singular(formula: Expr, end: Expr) -> bool:
    """Return whether a formula divides by 0 or takes the logarithm of 0 at ``end``, or has no closed form."""
    if has_computed(formula):
        return True
    poles = [power.base for power in formula.atoms(Pow) if power.exp.is_negative]
    return any(argument.subs(x, end) == 0 for argument in [*poles, *(one.args[0] for one in formula.atoms(log))])


def _innermost(exponent: float) -> float:
    """Return the width of the cell beside a power of the distance whose rule has the error `ROUGHNESS`."""
    # On a cell of width w next to it the error of n nodes is about w^(1 + exponent) n^(-2 (1 + exponent)).
    return NODES**2 * float(ROUGHNESS ** (1 / (exponent + 1)))
