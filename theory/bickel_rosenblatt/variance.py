r"""The exact variance of T_m at a finite m."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import product

import numpy as np

from foundation.errors import InputError
from foundation.types import Array, Indices
from foundation.validation import require_positive
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.bickel_rosenblatt.mean import TAIL, _fraction, require_bounded
from theory.bickel_rosenblatt.quadrature import Feature, Mesh, Nodes, Panels, Table, blocks, gauss_legendre
from theory.densities.density import Density
from theory.densities.evaluation import Aspect, local_density, local_weight, numerical
from theory.densities.validation import valid_density
from theory.densities.weights import ONE, Weight, weight_named
from theory.kernels import GAUSSIAN, Kernel, kernel_named, x

ORDERS = (12, 20)
PARTS = (1, 2, 4)
RELATIVE_TOLERANCE = 1e-9
GAUSSIAN_GRID = tuple(map(Fraction, (-9, -6, -3, 0, 3, 6, 9)))


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
    for parts in PARTS:
        lower, higher = (_coefficients(setting, parts, order) for order in ORDERS)
        total = float(factors(m) @ higher)
        error = float(factors(m) @ np.abs(higher - lower))
        if error <= RELATIVE_TOLERANCE * total:
            return ExactVariance(m, *map(float, higher), error)
    raise InputError(f"the quadrature of Var T_m did not converge: two orders differ by {error:g} of {total:g}.")


@lru_cache
def _coefficients(setting: _Setting, parts: int, order: int) -> Array:
    return _Quadrature(setting, parts, order).coefficients()


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
    def knots(self) -> tuple[Fraction, ...]:
        """The points at which the kernel has kinks."""
        return self.grid if self.kernel.has_compact_support else (self.grid[0], self.grid[-1])

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
    def density_features(self) -> tuple[Feature, ...]:
        components = [density for _, density in self.density.components] or [self.density]
        if all(piece.density.is_polynomial(x) for piece in self.density.pieces):
            return ()
        return tuple(
            Feature(_fraction(place), float(scale)) for density in components for place, scale in density.landmarks
        )

    @cached_property
    def density_kinks(self) -> tuple[Fraction, ...]:
        return tuple(map(_fraction, self.density.knots))

    @cached_property
    def weight_kinks(self) -> tuple[Fraction, ...]:
        return tuple(map(_fraction, self.weight.knots))

    @cached_property
    def weight_features(self) -> tuple[Feature, ...]:
        return tuple(Feature(_fraction(place), float(scale)) for place, scale in self.weight.landmarks)

    @cached_property
    def smoothed_features(self) -> tuple[Feature, ...]:
        """Where K_b * f changes."""
        if self.kernel.has_compact_support:
            return tuple(
                Feature(place + self.step * knot, scale)
                for (place, scale), knot in product(self.density_features, self.knots)
            )
        wide = [Feature(place, max(scale, self.bandwidth)) for place, scale in self.density_features]
        return (*wide, *(Feature(kink, self.bandwidth) for kink in self.density_kinks))

    @cached_property
    def smoothed_kinks(self) -> tuple[Fraction, ...]:
        """Where K_b * f has kinks."""
        if not self.kernel.has_compact_support:
            return ()
        return tuple(kink + self.step * knot for kink, knot in product(self.density_kinks, self.knots))


@dataclass(frozen=True)
class _Quadrature:
    setting: _Setting
    parts: int
    order: int

    def coefficients(self) -> Array:
        """Return the coefficients of Var T_m that do not depend on m, in the order of `factors`."""
        pairs = 2 * self._squared_covariances()
        diagonal, bias, cross = self._single()
        return self.setting.bandwidth**2 * np.array([pairs, diagonal, 4 * bias, 4 * cross])

    # The density

    @cached_property
    def _density_mesh(self) -> Mesh:
        s = self.setting
        return self._mesh(s.reached, s.density_kinks, s.density_features)

    def _mesh(self, ends: tuple[Fraction, Fraction], kinks: Iterable[Fraction], features: Iterable[Feature]) -> Mesh:
        lower, upper = ends
        edges = [lower, upper, *(kink for kink in kinks if lower < kink < upper)]
        return Mesh.graded(edges, tuple(features)).divide(self.parts)

    def _tail(self, aspect: Aspect, bases: Array, offsets: Array) -> Array:
        return local_density(self.setting.density, aspect)(bases, offsets[:, None])[:, 0]

    # The smoothed density

    def _smooth(self, nodes: Nodes) -> tuple[Array, Array]:
        """Return K_b * f and K_b * f - f at nodes."""
        s, mesh = self.setting, self._density_mesh
        shifts = -s.bandwidth * np.array([float(point) for point in reversed(s.grid)])
        here = local_density(s.density)(nodes.bases, nodes.offsets[:, None])[:, 0]
        smoothed, bias = np.empty_like(here), np.empty_like(here)
        fractions, shares = gauss_legendre(self.order)
        kernel = numerical(s.kernel.smooth_pieces)
        for part in blocks(here.size, (mesh.bases.size + shifts.size) * self.order):
            bases, offsets = nodes.bases[part], nodes.offsets[part]
            panels = mesh.cut(bases, offsets, np.broadcast_to(shifts, (bases.size, shifts.size)))
            along = panels.widths[:, None] * fractions
            f = self._density_at(panels, along)
            k = kernel(-(panels.starts[:, None] + along) / s.bandwidth) / s.bandwidth
            weights = panels.widths[:, None] * shares * k
            smoothed[part] = _sum(panels.rows, weights * f, bases.size)
            bias[part] = _sum(panels.rows, weights * (f - here[part][panels.rows, None]), bases.size)
        return smoothed, bias

    def _density_at(self, panels: Panels, along: Array) -> Array:
        mesh = self._density_mesh
        offsets = (mesh.rests[panels.cells] + panels.lows)[:, None] + along
        return local_density(self.setting.density)(mesh.bases[panels.cells], offsets)

    @cached_property
    def _smoothed_mesh(self) -> Mesh:
        s = self.setting
        return self._mesh(
            s.ends,
            (*s.weight_kinks, *s.density_kinks, *s.smoothed_kinks),
            (*s.weight_features, *s.density_features, *s.smoothed_features),
        )

    @cached_property
    def _smoothed(self) -> Table:
        """K_b * f and K_b * f - f, on the support of the weight."""
        return Table.of(self._smoothed_mesh, np.stack(self._at_nodes[:2]))

    @cached_property
    def _at_nodes(self) -> tuple[Array, Array, Array]:
        nodes = self._smoothed_mesh.nodes(self.order)
        return *self._smooth(nodes), self._weight(nodes.bases, nodes.offsets)

    @cached_property
    def _products(self) -> Table:
        """(K_b * f)^2 a and (K_b * f) (K_b * f - f) a, on the support of the weight."""
        smoothed, bias, weight = self._at_nodes
        return Table.of(self._smoothed_mesh, np.stack([smoothed**2 * weight, smoothed * bias * weight]))

    def _weight(self, bases: Array, offsets: Array) -> Array:
        return local_weight(self.setting.weight)(bases, offsets[:, None])[:, 0]

    # One observation

    def _single(self) -> tuple[float, float, float]:
        s = self.setting
        kinks = (*s.weight_kinks, *s.density_kinks, *s.smoothed_kinks)
        features = (*s.weight_features, *s.density_features, *s.smoothed_features)
        mesh = self._mesh(
            s.reached,
            (*s.density_kinks, *(kink - s.step * knot for kink, knot in product(kinks, s.knots))),
            (
                *s.density_features,
                *(Feature(place - s.step * knot, scale) for (place, scale), knot in product(features, s.knots)),
            ),
        )
        nodes = mesh.nodes(self.order)
        d, g = self._at_observations(nodes)
        f = local_density(s.density)(nodes.bases, nodes.offsets[:, None])[:, 0]
        ends = np.array([float(end) for end in s.reached])
        outside = self._tail("distribution", ends[:1], np.zeros(1)) + self._tail("survival", ends[1:], np.zeros(1))
        # Observations outside see no kernel.
        square, across = self._products.totals
        d, g = np.append(d, square), np.append(g, -across)
        mass = np.append(nodes.lengths * f, outside)
        d = d - mass @ d
        g = g - mass @ g
        return float(mass @ d**2), float(mass @ g**2), float(mass @ (d * g))

    def _at_observations(self, nodes: Nodes) -> tuple[Array, Array]:
        s, mesh = self.setting, self._smoothed_mesh
        shifts = s.bandwidth * np.array([float(point) for point in s.grid])
        d, g = np.empty_like(nodes.offsets), np.empty_like(nodes.offsets)
        fractions, shares = gauss_legendre(self.order)
        kernel = numerical(s.kernel.smooth_pieces)
        for part in blocks(d.size, (mesh.bases.size + shifts.size) * self.order):
            bases, offsets = nodes.bases[part], nodes.offsets[part]
            panels = mesh.cut(bases, offsets, np.broadcast_to(shifts, (bases.size, shifts.size)))
            along = panels.widths[:, None] * fractions
            within = (panels.lows[:, None] + along) / mesh.widths[panels.cells, None]
            smoothed, bias = self._smoothed(panels.cells, within)
            a = local_weight(s.weight)(
                mesh.bases[panels.cells], (mesh.rests[panels.cells] + panels.lows)[:, None] + along
            )
            psi = kernel((panels.starts[:, None] + along) / s.bandwidth) / s.bandwidth - smoothed
            weights = panels.widths[:, None] * shares * a
            outside = self._products.below(bases, offsets + shifts[0]) + self._products.above(
                bases, offsets + shifts[-1]
            )
            d[part] = _sum(panels.rows, weights * psi**2, bases.size) + outside[0]
            g[part] = _sum(panels.rows, weights * psi * bias, bases.size) - outside[1]
        return d, g

    # Pairs of observations

    def _squared_covariances(self) -> float:
        s = self.setting
        width = s.grid[-1] - s.grid[0]
        lags, shares = self._lags(width)
        rows = [self._at_lag(lag, share) for lag, share in zip(lags, shares, strict=True)]
        counts = [nodes.bases.size for nodes in rows]
        lag = np.repeat(lags, counts)
        nodes = Nodes(
            *(np.concatenate(parts) for parts in zip(*((n.bases, n.offsets, n.lengths) for n in rows), strict=True))
        )
        covariances = self._covariances(nodes, lag)
        a = self._weight(nodes.bases, nodes.offsets) * self._weight(nodes.bases, nodes.offsets + s.bandwidth * lag)
        near = 2 * s.bandwidth * float(nodes.lengths @ (covariances**2 * a))
        return near + self._far(width)

    def _lags(self, width: Fraction) -> tuple[Array, Array]:
        s = self.setting
        last = min(width, (s.ends[1] - s.ends[0]) / s.step)
        kinks = {*s.weight_kinks, *s.smoothed_kinks}
        lags = {(one - other) / s.step for one, other in product(kinks, repeat=2)}
        lags |= {one - other for one, other in product(s.knots, repeat=2)}
        features = [*s.weight_features, *s.smoothed_features]
        places = [*features, *(Feature(kink, 0.0) for kink in kinks)]
        guides: list[Feature] = []
        for one, other in product(places, repeat=2):
            scale = max(one.scale, other.scale) / s.bandwidth
            if 0 < scale < 4:
                guides.append(Feature((one.place - other.place) / s.step, scale))
        if not s.kernel.has_compact_support:
            guides.append(Feature(Fraction(0), 1.0))
        nodes = self._mesh((Fraction(0), last), lags, guides).nodes(self.order)
        return nodes.bases + nodes.offsets, nodes.lengths

    def _at_lag(self, lag: float, share: float) -> Nodes:
        s = self.setting
        back = s.step * Fraction(lag)
        ends = s.ends[0], s.ends[1] - back
        kinks = (*s.weight_kinks, *s.smoothed_kinks)
        features = (*s.weight_features, *s.smoothed_features)
        mesh = self._mesh(
            ends,
            (*kinks, *(kink - back for kink in kinks)),
            (*features, *(Feature(place - back, scale) for place, scale in features)),
        )
        nodes = mesh.nodes(self.order)
        return Nodes(nodes.bases, nodes.offsets, share * nodes.lengths)

    def _covariances(self, nodes: Nodes, lags: Array) -> Array:
        s, mesh = self.setting, self._density_mesh
        grid = -s.bandwidth * np.array([float(point) for point in reversed(s.grid)])
        result = np.empty_like(lags)
        fractions, shares = gauss_legendre(self.order)
        kernel = numerical(s.kernel.smooth_pieces)
        for part in blocks(result.size, (mesh.bases.size + 2 * grid.size) * self.order):
            bases, offsets, lag = nodes.bases[part], nodes.offsets[part], lags[part]
            later = s.bandwidth * lag[:, None] + grid
            shifts = np.sort(np.concatenate([np.broadcast_to(grid, later.shape), later], axis=1), axis=1)
            panels = mesh.cut(bases, offsets, shifts)
            along = panels.widths[:, None] * fractions
            weights = panels.widths[:, None] * shares * self._density_at(panels, along)
            z = -(panels.starts[:, None] + along) / s.bandwidth
            first = kernel(z) / s.bandwidth
            second = kernel(z + lag[panels.rows, None]) / s.bandwidth
            e = _sum(panels.rows, weights * first, bases.size)
            h = _sum(panels.rows, weights * second, bases.size)
            core = weights * (first - e[panels.rows, None]) * (second - h[panels.rows, None])
            outside = self._tail("distribution", bases, offsets + shifts[:, 0])
            outside += self._tail("survival", bases, offsets + shifts[:, -1])
            result[part] = _sum(panels.rows, core, bases.size) + e * h * outside
        return result

    def _far(self, width: Fraction) -> float:
        """Return the part of pairs x, y so far apart that no kernel reaches both, where C = - E phi E phi."""
        s = self.setting
        if s.step * width >= s.ends[1] - s.ends[0]:
            return 0.0
        nodes = self._at_lag(float(width), 1.0)
        cells, within = self._smoothed_mesh.locate(nodes.bases, nodes.offsets)
        smoothed = self._smoothed(cells, within[:, None])[0, :, 0]
        squares = smoothed**2 * self._weight(nodes.bases, nodes.offsets)
        return 2 * float(
            nodes.lengths @ (squares * self._products.above(nodes.bases, nodes.offsets + float(s.step * width))[0])
        )


def _sum(rows: Indices, values: Array, count: int) -> Array:
    return np.asarray(np.bincount(rows, values.sum(axis=1), count), dtype=np.float64)
