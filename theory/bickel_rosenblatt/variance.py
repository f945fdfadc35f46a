r"""The exact variance of T_m at a finite m."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise, product

import numpy as np

from foundation.errors import InputError
from foundation.types import Array, Indices
from foundation.validation import require_positive
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.bickel_rosenblatt.mean import TAIL, _fraction, require_bounded
from theory.bickel_rosenblatt.quadrature import Feature, Mesh, Nodes, Panels, Table, blocks, gauss_legendre
from theory.densities.density import Density
from theory.densities.evaluation import local_density, local_weight, numerical
from theory.densities.validation import valid_density
from theory.densities.weights import ONE, Weight, weight_named
from theory.kernels import GAUSSIAN, Kernel, kernel_named, x

ORDERS = (8, 12, 20, 32)
RELATIVE_TOLERANCE = 1e-9
GAUSSIAN_GRID = tuple(map(Fraction, range(-12, 13, 3)))
GAUSSIAN_LAGS = tuple(map(Fraction, (0, 4, 8, 12)))


@dataclass(frozen=True)
class ExactVariance:
    """Var T_m at a finite m."""

    m: int
    pairs: float
    diagonal: float
    bias: float
    cross: float
    error: float

    @property
    def total(self) -> float:
        """Var T_m."""
        return float(factors(self.m) @ [self.pairs, self.diagonal, self.bias, self.cross])


def factors(m: int) -> Array:
    """Return the factors of the four coefficients in Var T_m."""
    return np.array([(1 - 1 / m), 1 / m, m, 1.0])


def exact_variance(
    m: int,
    kernel: str | Kernel = "epanechnikov",
    density: str | Density = "normal",
    weight: str | Weight = "window:-2,2",
    bandwidth: str | float | Bandwidth = "m^-0.235",
) -> ExactVariance:
    """Compute Var T_m for a sample of size ``m``, exact up to quadrature error."""
    require_positive("m", m)
    density = valid_density(density)
    setting = _Setting(kernel_named(kernel), density, weight_named(weight, density), bandwidth_named(bandwidth).at(m))
    setting.check()
    for orders in pairwise(ORDERS):
        lower, higher = (_coefficients(setting, order) for order in orders)
        total = float(factors(m) @ higher)
        error = float(factors(m) @ np.abs(higher - lower))
        if error <= RELATIVE_TOLERANCE * total:
            pairs, diagonal, bias, cross = map(float, higher)
            return ExactVariance(m, pairs, diagonal, bias, cross, error)
    raise InputError(f"the quadrature of Var T_m did not converge: two orders differ by {error:g} of {total:g}.")


@lru_cache
def _coefficients(setting: _Setting, order: int) -> Array:
    return _Quadrature(setting, order).coefficients()


@dataclass(frozen=True)
class _Outline:
    """Where a function changes.

    Attributes
    ----------
    kinks : tuple of Fraction
        The points between which it is smooth.
    features : tuple of Feature
    powers : tuple of (Fraction, float)
        Points next to which it is like a power of the distance that is not a polynomial, with the exponent.
    """

    kinks: tuple[Fraction, ...] = ()
    features: tuple[Feature, ...] = ()
    powers: tuple[tuple[Fraction, float], ...] = ()

    def __or__(self, other: _Outline) -> _Outline:
        return _Outline(self.kinks + other.kinks, self.features + other.features, self.powers + other.powers)

    def move(self, distances: Iterable[Fraction], smoother: int = 0) -> _Outline:
        """Return the outline of the sum of copies moved by distances, ``smoother`` times integrated."""
        distances = tuple(distances)
        return _Outline(
            tuple({kink + distance for kink, distance in product(self.kinks, distances)}),
            tuple({Feature(place + distance, scale) for (place, scale), distance in product(self.features, distances)}),
            tuple(
                {(place + distance, power + smoother) for (place, power), distance in product(self.powers, distances)}
            ),
        )

    def blur(self, width: float) -> _Outline:
        """Return the outline of the convolution with an analytic function of a given width."""
        features = [Feature(place, max(scale, width)) for place, scale in self.features]
        features += [Feature(kink, width) for kink in self.kinks]
        return _Outline(features=tuple(set(features)))


@dataclass(frozen=True)
class _Setting:
    kernel: Kernel
    density: Density
    weight: Weight
    bandwidth: float

    def check(self) -> None:
        reach = self.bandwidth * max(abs(float(self.grid[0])), abs(float(self.grid[-1])))
        require_bounded(self.density, self.weight, reach)
        self.density.require_resolution()

    @cached_property
    def step(self) -> Fraction:
        return Fraction(self.bandwidth)

    @cached_property
    def grid(self) -> tuple[Fraction, ...]:
        """Points of the kernel's argument between which its expression is smooth, and integrated as it is."""
        if self.kernel.has_compact_support:
            pieces = self.kernel.smooth_pieces
            return tuple(_fraction(end) for end in (*(piece.lower for piece in pieces), pieces[-1].upper))
        if self.kernel == GAUSSIAN:
            return GAUSSIAN_GRID
        raise InputError(
            f"for the exact variance the kernel must have compact support or be gaussian, got {self.kernel.name}."
        )

    @cached_property
    def lags(self) -> tuple[Fraction, ...]:
        """Points of the lag between which the kernel's autocorrelation is smooth, from 0 upwards."""
        if self.kernel.has_compact_support:
            return tuple(sorted({abs(one - other) for one, other in product(self.grid, repeat=2)}))
        return GAUSSIAN_LAGS

    @cached_property
    def ends(self) -> tuple[Fraction, Fraction]:
        """The interval of x on which the integrands do not vanish."""
        lower, upper = self.weight.support
        if lower.is_finite and upper.is_finite:
            return _fraction(lower), _fraction(upper)
        if self.weight != ONE:
            raise InputError(
                "for the exact variance the weight must vanish outside a bounded interval or be one, got "
                f"{self.weight.name}. Try window:-2,2."
            )
        low, high = self.density.bulk(TAIL)
        return Fraction(low) + self.step * self.grid[0], Fraction(high) + self.step * self.grid[-1]

    @cached_property
    def reached(self) -> tuple[Fraction, Fraction]:
        """The interval of observations whose kernels reach into `ends`."""
        return self.ends[0] - self.step * self.grid[-1], self.ends[1] - self.step * self.grid[0]

    @cached_property
    def reference(self) -> Fraction | None:
        """The median, if the kernels of all observations are much alike."""
        low, middle, high = map(float, self.density.quantiles(np.array([0.16, 0.5, 0.84])))
        half = float(self.lags[-1]) / 2 if self.kernel.has_compact_support else 2.0
        return Fraction(middle) if self.bandwidth * half > (high - low) / 2 else None

    # Outlines

    @cached_property
    def density_outline(self) -> _Outline:
        components = [density for _, density in self.density.components] or [self.density]
        features = [
            Feature(_fraction(place), float(scale)) for density in components for place, scale in density.landmarks
        ]
        if not any(piece.density.has(x) for piece in self.density.pieces):
            features = []
        rough = set(self.density.rough_knots)
        powers = {(_fraction(knot), float(power)) for knot, power in self.density.powers_at_knots() if knot in rough}
        return _Outline(tuple(map(_fraction, self.density.knots)), tuple(features), tuple(powers))

    @cached_property
    def weight_outline(self) -> _Outline:
        features = tuple(Feature(_fraction(place), float(scale)) for place, scale in self.weight.landmarks)
        return _Outline(tuple(map(_fraction, self.weight.knots)), features)

    @cached_property
    def reference_outline(self) -> _Outline:
        """The place of the reference observation."""
        return _Outline() if self.reference is None else _Outline((self.reference,))

    def smooth(self, outline: _Outline, sign: int) -> _Outline:
        """Return the outline of the integral with K((x - t) / b) over t (sign 1) or x (sign -1)."""
        if not self.kernel.has_compact_support:
            return outline.blur(self.bandwidth)
        return outline.move((sign * self.step * point for point in self.grid), smoother=1)

    def correlate(self, outline: _Outline) -> _Outline:
        """Return the outline of the convolution with the kernel's autocorrelation."""
        if not self.kernel.has_compact_support:
            return outline.blur(self.bandwidth)
        return outline.move((sign * self.step * lag for lag in self.lags for sign in (1, -1)), smoother=2)


@dataclass(frozen=True)
class _Quadrature:
    setting: _Setting
    order: int

    def coefficients(self) -> Array:
        """Return the coefficients of Var T_m that do not depend on m, in the order of `factors`."""
        s = self.setting
        nodes, masses = self._observations
        squares, projections, biases = self._singles(nodes)
        diagonal = squares - 2 * projections
        diagonal, biases = diagonal - masses @ diagonal, biases - masses @ biases
        pairs = self._squared_interactions() - 2 * (masses @ projections**2) + (masses @ projections) ** 2
        return s.bandwidth**2 * np.array(
            [2 * pairs, masses @ diagonal**2, 4 * (masses @ biases**2), 4 * (masses @ (diagonal * biases))]
        )

    def _mesh(self, ends: tuple[Fraction, Fraction], outline: _Outline) -> Mesh:
        lower, upper = ends
        edges = [lower, upper, *(kink for kink in outline.kinks if lower < kink < upper)]
        features = [*outline.features, *(Feature(place, _rough_scale(power)) for place, power in outline.powers)]
        return Mesh.graded(edges, features)

    # The density and the smoothed density

    @cached_property
    def _density_mesh(self) -> Mesh:
        s = self.setting
        moved = s.smooth(s.weight_outline, -1)
        return self._mesh(s.reached, s.density_outline | moved | s.correlate(s.reference_outline))

    def _density(self, mesh: Mesh, panels: Panels, along: Array) -> Array:
        offsets = (mesh.rests[panels.cells] + panels.lows)[:, None] + along
        return local_density(self.setting.density)(mesh.bases[panels.cells], offsets)

    def _kernel(self, distances: Array) -> Array:
        """Return K_b at distances."""
        b = self.setting.bandwidth
        return np.asarray(numerical(self.setting.kernel.smooth_pieces)(distances / b) / b)

    def _scaled(self, points: Iterable[Fraction]) -> Array:
        return self.setting.bandwidth * np.array([float(point) for point in points])

    def _smooth(self, nodes: Nodes) -> tuple[Array, Array]:
        """Return K_b * f and K_b * f - f at nodes."""
        s, mesh = self.setting, self._density_mesh
        shifts = -self._scaled(reversed(s.grid))
        here = local_density(s.density)(nodes.bases, nodes.offsets[:, None])[:, 0]
        smoothed, bias = np.empty_like(here), np.empty_like(here)
        for part in blocks(here.size, (mesh.bases.size + shifts.size) * self.order):
            bases, offsets = nodes.bases[part], nodes.offsets[part]
            panels = mesh.cut(bases, offsets, np.broadcast_to(shifts, (bases.size, shifts.size)))
            along, lengths = panels.nodes(self.order)
            f = self._density(mesh, panels, along)
            weights = lengths * self._kernel(-(panels.starts[:, None] + along))
            smoothed[part] = _sum(panels.rows, weights * f, bases.size)
            bias[part] = _sum(panels.rows, weights * (f - here[part][panels.rows, None]), bases.size)
        return smoothed, bias

    @cached_property
    def _smoothed(self) -> Table:
        """K_b * f and K_b * f - f, on the support of the weight."""
        s = self.setting
        mesh = self._mesh(s.ends, s.weight_outline | s.density_outline | s.smooth(s.density_outline, 1))
        return Table.of(mesh, np.stack(self._smooth(mesh.nodes(self.order))))

    # One observation

    @cached_property
    def _observations(self) -> tuple[Nodes, Array]:
        """Nodes for an observation, with the probability that each stands for."""
        s = self.setting
        on_support = s.weight_outline | s.density_outline | s.smooth(s.density_outline | s.reference_outline, 1)
        mesh = self._mesh(s.reached, s.density_outline | s.smooth(on_support, -1))
        nodes = mesh.nodes(self.order)
        masses = nodes.lengths * local_density(s.density)(nodes.bases, nodes.offsets[:, None])[:, 0]
        beyond, mass = self._beyond
        return (
            Nodes(np.append(nodes.bases, beyond), np.append(nodes.offsets, 0.0), np.append(nodes.lengths, 0.0)),
            np.append(masses, mass),
        )

    @cached_property
    def _beyond(self) -> tuple[float, float]:
        """A place beyond those from which kernels reach the support of the weight, and the probability of all of them."""
        s = self.setting
        lower, upper = np.array([float(s.reached[0])]), np.array([float(s.reached[1])])
        zero = np.zeros((1, 1))
        mass = local_density(s.density, "distribution")(lower, zero) + local_density(s.density, "survival")(upper, zero)
        return float(s.reached[0] - s.step * s.lags[-1]), float(mass[0, 0])

    def _singles(self, nodes: Nodes) -> tuple[Array, Array, Array]:
        """Return the integrals of (k - r)^2 a, (k - r) (K_b * f - r) a and (k - r) (K_b * f - f) a."""
        s, mesh = self.setting, self._smoothed.mesh
        grid = self._scaled(s.grid)
        results = np.empty((3, nodes.bases.size))
        for part in blocks(nodes.bases.size, (mesh.bases.size + 2 * grid.size) * self.order):
            bases, offsets = nodes.bases[part], nodes.offsets[part]
            away = self._from_reference(bases, offsets)
            shifts = np.broadcast_to(grid, (bases.size, grid.size))
            if away is not None:
                shifts = np.sort(np.concatenate([shifts, grid - away[:, None]], axis=1), axis=1)
            panels = mesh.cut(bases, offsets, shifts)
            along, lengths = panels.nodes(self.order)
            at = panels.starts[:, None] + along
            r = 0.0 if away is None else self._kernel(at + away[panels.rows, None])
            smoothed, bias = self._smoothed(
                panels.cells, (panels.lows[:, None] + along) / mesh.widths[panels.cells, None]
            )
            k = self._kernel(at) - r
            weights = lengths * k * self._weight(mesh, panels, along)
            for result, factor in zip(results, (k, smoothed - r, bias), strict=True):
                result[part] = _sum(panels.rows, weights * factor, bases.size)
        return results[0], results[1], results[2]

    def _from_reference(self, bases: Array, offsets: Array) -> Array | None:
        """Return the distances of positions from the reference observation."""
        reference = self.setting.reference
        return None if reference is None else (bases - float(reference)) + offsets

    def _weight(self, mesh: Mesh, panels: Panels, along: Array) -> Array:
        offsets = (mesh.rests[panels.cells] + panels.lows)[:, None] + along
        return local_weight(self.setting.weight)(mesh.bases[panels.cells], offsets)

    # Pairs of observations

    def _squared_interactions(self) -> float:
        s, mesh = self.setting, self._density_mesh
        moved = s.smooth(s.weight_outline, -1)
        both = s.density_outline | moved
        s_mesh = self._mesh(s.reached, both | s.correlate(both | s.correlate(s.reference_outline)))
        nodes = s_mesh.nodes(self.order)
        masses = nodes.lengths * local_density(s.density)(nodes.bases, nodes.offsets[:, None])[:, 0]
        lags = self._scaled(s.lags)
        if s.reference is not None:
            lags = np.append(lags, np.inf)
        total = 0.0
        for part in blocks(masses.size, (mesh.bases.size + lags.size) * self.order):
            bases, offsets = nodes.bases[part], nodes.offsets[part]
            panels = mesh.cut(bases, offsets, np.broadcast_to(lags, (bases.size, lags.size)))
            along, lengths = panels.nodes(self.order)
            weights = lengths * self._density(mesh, panels, along) * masses[part][panels.rows, None]
            rows = panels.rows.repeat(self.order)
            gaps = (panels.starts[:, None] + along).ravel()
            total += 2 * float(weights.ravel() @ self._interactions(bases[rows], offsets[rows], gaps) ** 2)
        if s.reference is not None:
            beyond, mass = self._beyond
            with_beyond = self._interactions(nodes.bases, nodes.offsets, (beyond - nodes.bases) - nodes.offsets)
            place, zero = np.array([beyond]), np.zeros(1)
            total += 2 * mass * float(masses @ with_beyond**2) + (mass * self._interactions(place, zero, zero)[0]) ** 2
        return total

    @cached_property
    def _weight_mesh(self) -> Mesh:
        return self._mesh(self.setting.ends, self.setting.weight_outline)

    @cached_property
    def _inner_order(self) -> int:
        """The number of nodes for the integral of a product of two kernels and the weight."""
        s = self.setting
        if s.kernel.polynomial is None or any(piece.density.has(x) for piece in s.weight.pieces):
            return self.order
        return max(len(piece.coefficients) for piece in s.kernel.polynomial.pieces)

    def _interactions(self, bases: Array, offsets: Array, gaps: Array) -> Array:
        """Return the integrals of (k - r) (k' - r) a for observations at bases + offsets, and ``gaps`` farther on."""
        s, mesh = self.setting, self._weight_mesh
        grid = self._scaled(s.grid)
        results = np.empty_like(gaps)
        for part in blocks(gaps.size, (mesh.bases.size + 3 * grid.size) * self._inner_order):
            gap = gaps[part][:, None]
            away = self._from_reference(bases[part], offsets[part])
            shifts = np.concatenate([np.broadcast_to(grid, (gap.size, grid.size)), gap + grid], axis=1)
            if away is None:
                shifts = np.clip(shifts, np.maximum(gap, 0) + grid[0], np.minimum(gap, 0) + grid[-1])
            else:
                shifts = np.concatenate([shifts, grid - away[:, None]], axis=1)
            panels = mesh.cut(bases[part], offsets[part], np.sort(shifts, axis=1))
            along, lengths = panels.nodes(self._inner_order)
            at = panels.starts[:, None] + along
            r = 0.0 if away is None else self._kernel(at + away[panels.rows, None])
            first, second = self._kernel(at) - r, self._kernel(at - gap[panels.rows]) - r
            values = lengths * first * second * self._weight(mesh, panels, along)
            results[part] = _sum(panels.rows, values, gap.size)
        return results


def _rough_scale(power: float) -> float:
    return float(144 * 1e-11 ** (1 / (power + 1)))


def _sum(rows: Indices, values: Array, count: int) -> Array:
    return np.asarray(np.bincount(rows, values.sum(axis=1), count), dtype=np.float64)
