r"""The interactions of observations in T_m, and their moments.

With the kernel of an observation less its mean, :math:`\psi_X(x) = K_b(x - X) - (K_b * f)(x)`, two observations
interact through :math:`h(X, Y) = \int \psi_X \psi_Y a`. What is integrated is :math:`H(X, Y) = \int D_X D_Y a`, where
:math:`D_X(x) = K_b(x - X) - r(x)` with a function r that no moment of h depends on: with the projection
:math:`p(X) = \int D_X (K_b * f - r)\, a`, the mean of H given X,

.. math:: h(X, Y) = H(X, Y) - p(X) - p(Y) + E p .

Where the kernels of most observations are nearly the same function, r is the kernel at the median, because their
differences would be lost to rounding otherwise; elsewhere r is 0, and H vanishes unless the kernels overlap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from foundation.errors import InputError
from foundation.types import Array
from theory.bickel_rosenblatt.mean import TAIL, VALIDATION, exact_fraction, require_bounded
from theory.bickel_rosenblatt.outlines import KernelGrid, Outline, outline_of
from theory.bickel_rosenblatt.quadrature import Mesh, Nodes, Table, blocks
from theory.densities.density import Density
from theory.densities.evaluation import local_density, local_weight, numerical
from theory.densities.integrals import require_known_integrals
from theory.densities.weights import ONE, Weight
from theory.kernels import GAUSSIAN, LOGISTIC, Kernel, x
from theory.unbounded_kernels import logistic_autocorrelation, require_unbounded_form

MOST_EVALUATIONS = 300_000_000
"""The most evaluations of a product of two kernels with rules of one order, which take about half a minute."""

TOO_COSTLY = 5
"""How far an estimate from the first observations may exceed that number: they may be more costly than others."""

PAIRS = 50_000
"""The size of the arrays of pairs of observations."""


class Coefficients(NamedTuple):
    r"""The parts of Var T_m that depend on m through the bandwidth alone.

    Attributes
    ----------
    pairs : float
        :math:`2 b^2 E h(X, Y)^2`, whose factor is 1 - 1/m.
    diagonal : float
        :math:`b^2 \mathrm{Var}\\, h(X, X)`, whose factor is 1/m.
    bias : float
        :math:`4 b^2 \mathrm{Var}\\, g(X)`, whose factor is m.
    cross : float
        :math:`4 b^2 \mathrm{Cov}(h(X, X), g(X))`.
    """

    pairs: float
    diagonal: float
    bias: float
    cross: float

    def at(self, m: int) -> Coefficients:
        """Return the terms for a sample of size ``m``, each coefficient times its factor."""
        return Coefficients((1 - 1 / m) * self.pairs, self.diagonal / m, m * self.bias, self.cross)


@dataclass(frozen=True)
class Setting:
    """A kernel, density, weight and bandwidth, and the intervals of integration."""

    kernel: Kernel
    density: Density
    weight: Weight
    bandwidth: float

    def check(self) -> None:
        """Raise InputError if the kernel, weight or density is not one whose integrals can be computed."""
        if not self.kernel.has_compact_support:
            require_unbounded_form(self.kernel, "the exact variance")
        if not (self.weight == ONE or all(end.is_finite for end in self.weight.support)):
            raise InputError(
                "for the exact variance the weight must vanish outside a bounded interval or be one, got "
                f"{self.weight.name}. Try window:-2,2."
            )
        points = self.grid.points
        require_bounded(self.density, self.weight, self.bandwidth * max(-float(points[0]), float(points[-1])))
        self.density.require_resolution()

    @cached_property
    def grid(self) -> KernelGrid:
        """The points between which the kernel and its autocorrelation are smooth."""
        return KernelGrid(self.kernel, self.bandwidth)

    @cached_property
    def support(self) -> tuple[Fraction, Fraction]:
        """The interval of x outside which the integrands vanish to rounding."""
        if self.weight != ONE:
            return exact_fraction(self.weight.support[0]), exact_fraction(self.weight.support[1])
        lower, upper = map(Fraction, self.density.bulk(TAIL))
        return lower + self.grid.width * self.grid.points[0], upper + self.grid.width * self.grid.points[-1]

    @cached_property
    def reached(self) -> tuple[Fraction, Fraction]:
        """The interval of the observations whose kernels reach the support of the weight."""
        lower, upper = self.support
        return lower - self.grid.width * self.grid.points[-1], upper - self.grid.width * self.grid.points[0]

    @cached_property
    def observed(self) -> tuple[Fraction, Fraction]:
        """What is left of `reached` without the tails of the density, if these are negligible."""
        lower, upper = self.reached
        # Where the weight grows like 1/f, the least probable observations may weigh most.
        is_tail_known = self.density.survival is not None or all(end.is_finite for end in self.density.support)
        if not (self.has_constant_weight and is_tail_known):
            return lower, upper
        low, high = map(Fraction, self.density.bulk(TAIL))
        return (low, high) if lower <= low and high <= upper else (lower, upper)

    @cached_property
    def has_constant_weight(self) -> bool:
        """Whether the weight is constant on each of its pieces."""
        return not any(piece.density.has(x) for piece in self.weight.pieces)

    @cached_property
    def spread(self) -> float:
        """The spread of the density."""
        return self.density.spread

    @cached_property
    def reference(self) -> float | None:
        """The observation whose kernel is r, or None if r is 0."""
        median = float(self.density.quantiles(np.array([0.5]))[0])
        radius = float(self.grid.lags[-1]) / 2 if self.kernel.has_compact_support else 2.0
        return median if self.bandwidth * radius > self.spread else None


@dataclass(frozen=True)
class Quadrature:
    """The moments of the interactions, by Gauss-Legendre rules of one order."""

    setting: Setting
    order: int

    def coefficients(self) -> Coefficients:
        """Return the coefficients of Var T_m."""
        nodes, masses = self._observations
        squares, projections, biases = self._integrate_single(nodes)
        # By orthogonality, E H^2 = E h^2 + 2 E p^2 - (E p)^2.
        pairs = self._mean_squared_interaction() - 2 * (masses @ projections**2) + (masses @ projections) ** 2
        diagonal = squares - 2 * projections
        diagonal, biases = diagonal - masses @ diagonal, biases - masses @ biases
        values = 2 * pairs, masses @ diagonal**2, 4 * (masses @ biases**2), 4 * (masses @ (diagonal * biases))
        return Coefficients(*(self.setting.bandwidth**2 * float(value) for value in values))

    def project_bias(self, nodes: Nodes) -> Array:
        """Return g at nodes: the integral of (K_b(x - X) - K_b * f) (K_b * f - f) a, whose mean is 0."""
        return self._integrate_single(nodes)[2] - self._mean_of_biases

    @cached_property
    def projected(self) -> Mesh:
        """The cells on which g is smooth: all observations whose kernels reach the support of the weight."""
        density, weight, _ = self._outlines
        grid = self.setting.grid
        outline = density | grid.gather(weight | density | grid.smooth(density))
        return self._mesh(self.setting.reached, outline)

    @cached_property
    def projected_outside(self) -> float:
        """The value of g at all other observations."""
        return float(self.project_bias(self._outside[0])[0])

    @cached_property
    def _mean_of_biases(self) -> float:
        nodes, masses = self._observations
        return float(masses @ self._integrate_single(nodes)[2])

    def validate(self) -> None:
        """Raise InputError if the integrals of f and f^2 at the nodes are not those of their closed forms."""
        ends = self.setting.reached
        nodes = self._mesh(ends, self._outlines[0]).nodes(self.order)
        f = self._density(nodes)
        found = {"mass": float(nodes.lengths @ f), "square": float(nodes.lengths @ f**2)}
        lower, upper = map(float, ends)
        require_known_integrals(self.setting.density, lower, upper, found, "the quadrature of Var T_m", VALIDATION)

    # Outlines and meshes

    @cached_property
    def _outlines(self) -> tuple[Outline, Outline, Outline]:
        """The outlines of the density, of the weight, and of the probability of being the reference."""
        reference = self.setting.reference
        place = frozenset[Fraction]() if reference is None else frozenset([Fraction(reference)])
        return outline_of(self.setting.density), outline_of(self.setting.weight), Outline(place)

    def _mesh(self, ends: tuple[Fraction, Fraction], outline: Outline) -> Mesh:
        return outline.mesh(*ends, self.setting.spread)

    @cached_property
    def _weight_mesh(self) -> Mesh:
        return self._mesh(self.setting.support, self._outlines[1])

    def _ends_of_panels(self, *distances: Array) -> Array:
        """Return the knots of kernels at distances, shape (rows,), from the position of each row, ascending."""
        if not self.setting.kernel.has_compact_support:
            # An analytic kernel has no knots: its panels are moved to those of the others, which avoids slivers.
            step = self.setting.grid.step
            distances = tuple(step * np.round(distance / step) for distance in distances)
        knots = self._scale(self.setting.grid.points)
        return np.sort(np.concatenate([distance[:, None] + knots for distance in distances], axis=1), axis=1)

    def _scale(self, points: Iterable[Fraction]) -> Array:
        return self.setting.bandwidth * np.array([float(point) for point in points])

    # Functions

    def _density(self, nodes: Nodes) -> Array:
        return local_density(self.setting.density)(nodes.bases, nodes.offsets[:, None])[:, 0]

    def _kernel(self, distances: Array) -> Array:
        """Return K_b at distances."""
        b = self.setting.bandwidth
        return np.asarray(numerical(self.setting.kernel.smooth_pieces)(distances / b) / b)

    def _reference_kernel(self, distances: Array) -> Array | float:
        """Return r at distances from the reference."""
        return 0.0 if self.setting.reference is None else self._kernel(distances)

    def _from_reference(self, nodes: Nodes) -> Array:
        """Return the positions of nodes less that of the reference; without one, 0."""
        reference = self.setting.reference
        return np.zeros(nodes.bases.size) if reference is None else (nodes.bases - reference) + nodes.offsets

    @cached_property
    def _smoothed(self) -> Table:
        """K_b * f and K_b * f - f on the support of the weight."""
        density, weight, _ = self._outlines
        mesh = self._mesh(self.setting.support, weight | density | self.setting.grid.smooth(density))
        return Table.of(mesh, np.concatenate(list(self._smooth(mesh.nodes(self.order))), axis=1))

    def _smooth(self, nodes: Nodes) -> Iterator[Array]:
        """Yield K_b * f and K_b * f - f at blocks of nodes, shape (2, nodes)."""
        mesh, density = self._mesh(self.setting.reached, self._outlines[0]), local_density(self.setting.density)
        knots = -self._scale(reversed(self.setting.grid.points))
        for block in blocks(nodes.bases.size, (mesh.bases.size + knots.size) * self.order):
            rows = nodes.part(block)
            panels = mesh.cut(rows, np.broadcast_to(knots, (rows.bases.size, knots.size)))
            along, lengths = panels.nodes(self.order)
            values, here = density(*mesh.places(panels, along)), self._density(rows)
            weights = lengths * self._kernel(-(panels.starts[:, None] + along))
            # The integral of the difference does not cancel where the bias is small.
            yield np.stack([panels.sum(weights * f) for f in (values, values - here[panels.rows, None])])

    # One observation

    @cached_property
    def _observations(self) -> tuple[Nodes, Array]:
        """Nodes for an observation, and the probability that each stands for."""
        density, weight, reference = self._outlines
        grid = self.setting.grid
        integrands = weight | density | grid.smooth(density) | grid.smooth(reference)
        nodes = self._mesh(self.setting.observed, density | grid.gather(integrands)).nodes(self.order)
        outside, mass = self._outside
        return nodes.join(outside), np.append(nodes.lengths * self._density(nodes), mass)

    @cached_property
    def _outside(self) -> tuple[Nodes, float]:
        """One node for all observations that no kernel connects with the weight, and their probability."""
        ends, zeros = np.array([float(end) for end in self.setting.reached]), np.zeros((2, 1))
        below = local_density(self.setting.density, "distribution")(ends, zeros)[0, 0]
        above = local_density(self.setting.density, "survival")(ends, zeros)[1, 0]
        place = self.setting.reached[0] - self.setting.grid.width * self.setting.grid.lags[-1]
        return Nodes(np.array([float(place)]), np.zeros(1), np.zeros(1)), float(below + above)

    def _integrate_single(self, nodes: Nodes) -> Array:
        """Return the integrals of D^2 a, D (K_b * f - r) a and D (K_b * f - f) a, shape (3, nodes)."""
        if self.setting.reference is None:
            return self._integrate_kernels(nodes)
        results = np.empty((3, nodes.bases.size))
        away = self._from_reference(nodes)
        apart = np.abs(away) > self._scale([self.setting.grid.lags[-1]])
        near, far = np.flatnonzero(~apart), np.flatnonzero(apart)
        results[:, near] = self._integrate_kernels(nodes.part(near), away[near])
        # The kernel of a far observation does not overlap r, so that the integrals with r are the same for all of them.
        # Positions near r, measured from the observation, would lose precision.
        reference = Nodes(np.array([self.setting.reference]), np.zeros(1), np.zeros(1))
        square, smoothed, bias = self._integrate_kernels(reference)
        results[:, far] = self._integrate_kernels(nodes.part(far)) + np.stack([square, square - smoothed, -bias])
        return results

    def _integrate_kernels(self, nodes: Nodes, away: Array | None = None) -> Array:
        """Return the integrals of `_integrate_single`, with r = 0 unless the distances from the reference are given."""
        mesh, weight = self._smoothed.mesh, local_weight(self.setting.weight)
        results = np.empty((3, nodes.bases.size))
        size = (mesh.bases.size + 2 * len(self.setting.grid.points)) * self.order
        for block in blocks(nodes.bases.size, size):
            rows = nodes.part(block)
            centres = [np.zeros(rows.bases.size)] if away is None else [np.zeros(rows.bases.size), -away[block]]
            panels = mesh.cut(rows, self._ends_of_panels(*centres))
            along, lengths = panels.nodes(self.order)
            at = panels.starts[:, None] + along
            r = 0.0 if away is None else self._kernel(at + away[block][panels.rows, None])
            smoothed, bias = self._smoothed(panels, along)
            difference = self._kernel(at) - r
            weights = lengths * difference * weight(*mesh.places(panels, along))
            results[:, block] = [panels.sum(weights * factor) for factor in (difference, smoothed - r, bias)]
        return results

    # Two observations

    def _mean_squared_interaction(self) -> float:
        """Return E H(X, Y)^2 for independent observations X and Y."""
        density, weight, reference = self._outlines
        grid = self.setting.grid
        # H(X, Y) f(Y) has kinks in Y at fixed places and at the lags from X; so its integral has them at their sums.
        outline = density | grid.gather(weight) | grid.correlate(reference)
        second = self._mesh(self.setting.observed, outline)
        nodes = self._mesh(self.setting.observed, outline | grid.correlate(outline)).nodes(self.order)
        masses = nodes.lengths * self._density(nodes)
        # H is symmetric: Y is above X, and without a reference at most the widest lag away.
        lags = self._scale(grid.lags)
        if self.setting.reference is not None:
            lags = np.append(lags, np.inf)
        total, evaluations = 0.0, 0
        for block in blocks(nodes.bases.size, (second.bases.size + lags.size) * self.order, PAIRS):
            rows = nodes.part(block)
            panels = second.cut(rows, np.broadcast_to(lags, (rows.bases.size, lags.size)))
            along, lengths = panels.nodes(self.order)
            weights = lengths * local_density(self.setting.density)(*second.places(panels, along))
            firsts = panels.rows.repeat(self.order)
            values, count = self._interact(rows.part(firsts), (panels.starts[:, None] + along).ravel())
            total += 2 * float((masses[block][firsts] * weights.ravel()) @ values**2)
            evaluations += count
            expected = evaluations * nodes.bases.size / block.stop
            if max(evaluations, expected / TOO_COSTLY) > MOST_EVALUATIONS:
                raise InputError(self._too_costly())
        return total + self._squared_interaction_outside(nodes, masses)

    def _squared_interaction_outside(self, nodes: Nodes, masses: Array) -> float:
        """Return the part of E H(X, Y)^2 in which an observation is outside."""
        outside, mass = self._outside
        one, _ = self._interact(nodes, (outside.bases - nodes.bases) - nodes.offsets)
        both, _ = self._interact(outside, np.zeros(1))
        return 2 * mass * float(masses @ one**2) + float(mass * both[0]) ** 2

    def _interact(self, nodes: Nodes, gaps: Array) -> tuple[Array, int]:
        """Return H(X, Y) for X at nodes and Y at X + gaps, and the number of evaluations that it took."""
        setting = self.setting
        if setting.reference is None and setting.kernel == GAUSSIAN and setting.has_constant_weight:
            return self._interact_in_closed_form(nodes, gaps), gaps.size
        if setting.reference is None and setting.kernel == LOGISTIC and setting.weight == ONE:
            return logistic_autocorrelation(gaps / setting.bandwidth) / setting.bandwidth, gaps.size
        mesh, weight = self._weight_mesh, local_weight(setting.weight)
        results, evaluations = np.empty_like(gaps), 0
        for block in blocks(gaps.size, (mesh.bases.size + 3 * len(setting.grid.points)) * self._inner_order):
            rows, gap = nodes.part(block), gaps[block]
            away = self._from_reference(rows)
            panels = mesh.cut(rows, self._ends_for_pairs(gap, away))
            along, lengths = panels.nodes(self._inner_order)
            at = panels.starts[:, None] + along
            r = self._reference_kernel(at + away[panels.rows, None])
            product = (self._kernel(at) - r) * (self._kernel(at - gap[panels.rows, None]) - r)
            results[block] = panels.sum(lengths * product * weight(*mesh.places(panels, along)))
            evaluations += at.size * self._cost_of_weight
        return results, evaluations

    def _ends_for_pairs(self, gaps: Array, away: Array) -> Array:
        """Return the ends of the panels of x for two observations."""
        zeros = np.zeros_like(gaps)
        if self.setting.reference is not None:
            return self._ends_of_panels(zeros, gaps, -away)
        # Without a reference the product vanishes where one of the two kernels does.
        knots = self._scale(self.setting.grid.points)
        lower, upper = np.maximum(gaps, 0) + knots[0], np.minimum(gaps, 0) + knots[-1]
        return np.clip(self._ends_of_panels(zeros, gaps), lower[:, None], np.maximum(lower, upper)[:, None])

    @cached_property
    def _inner_order(self) -> int:
        """The number of nodes for H: where the integrand is a polynomial, those that are exact for it."""
        polynomial = self.setting.kernel.polynomial
        if polynomial is None or not self.setting.has_constant_weight:
            return self.order
        return max(len(piece.coefficients) for piece in polynomial.pieces)

    @cached_property
    def _cost_of_weight(self) -> int:
        """The cost of evaluating the weight and two kernels, beside that of a constant weight."""
        return 1 if self.setting.has_constant_weight else 1 + len(self.setting.weight.landmarks) // 2

    def _interact_in_closed_form(self, nodes: Nodes, gaps: Array) -> Array:
        """Return H for the Gaussian kernel without a reference: the product of two is again Gaussian, in the middle."""
        b = self.setting.bandwidth
        shares = np.zeros_like(gaps)
        for piece in self.setting.weight.pieces:
            ends = [float(end) for end in (piece.lower, piece.upper)]
            lower, upper = (math.sqrt(2) / b * ((end - nodes.bases) - nodes.offsets - gaps / 2) for end in ends)
            # In the upper tail the difference of two probabilities is taken from the other side.
            sign = np.where(lower > 0, -1.0, 1.0)
            shares += float(piece.density) * sign * (ndtr(sign * upper) - ndtr(sign * lower))
        return np.asarray(np.exp(-((gaps / (2 * b)) ** 2)) / (2 * math.sqrt(math.pi) * b) * shares)

    def _too_costly(self) -> str:
        return (
            f"Var T_m must take at most {MOST_EVALUATIONS:,} evaluations, but the narrow parts of "
            f"{self.setting.density.name} take more. Choose fewer components, a bandwidth closer to their scales, or a "
            "weight that is constant."
        )
