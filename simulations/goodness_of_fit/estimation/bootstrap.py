r"""The null distribution of T_m where a shape is estimated: the parametric bootstrap.

Every replicate is a sample of the fitted density, whose parameters are estimated again, and T_m compares it with the
density of its own estimates. Multiplied out,

.. math:: T_m = \frac1m \sum_{i,j} \int K(u - s_i) K(u - s_j)\,du - 2 b \sum_i (K_b * f)(X_i) + m b \int f^2 ,

depends on the density through its distribution function near each observation and through the integral of f^2, which is
the mean of f under f. If the estimate is compared with K_b * f, the second term contains the autocorrelation of K
instead of K, and the third the integral of (K_b * f)^2, which is finite for every density.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from foundation.types import Array
from simulations.engines.exact.kernel_tables import PiecewiseKernel, kernel_table
from simulations.engines.exact.overlaps import OverlapTable, make_workspace, require_overlap_table, sum_overlaps
from simulations.goodness_of_fit.estimation.distribution_table import DistributionTable
from simulations.goodness_of_fit.estimation.location_scale import StandardisedSample, standardise
from simulations.goodness_of_fit.estimation.model import Fit, Model
from theory.algebra.piecewise import PiecewisePolynomial
from theory.densities.density import SPREAD_LEVELS
from theory.densities.tabulated.scipy_distributions import continuous_distributions
from theory.kernels import Kernel

NODES = 24
"""Nodes of the quadrature of K_b * f beside an observation."""

PANELS, PANEL_NODES, LOGITS = 12, 16, 36.0
"""Panels and nodes of the quadrature of f^2, over the logit of the distribution function up to this size."""

DIVERGENT = 1e-3
"""The integral of f^2 counts as infinite if a larger share of it comes from the outermost levels."""


@dataclass(frozen=True)
class DensityTerms:
    """What T_m needs of a distribution of scipy.stats at location 0 and scale 1.

    Attributes
    ----------
    law : rv_continuous
    shapes : tuple of float
    spread : float
        Half the distance between the 16 % and the 84 % quantile.
    places, level : array, shape (n,)
        Quantiles, ascending, and the probability of the wider side of each.
    table : DistributionTable or None
        The distribution function, where polynomials give it.
    """

    law: Any
    shapes: tuple[float, ...]
    spread: float
    places: Array = field(repr=False)
    level: Array = field(repr=False)
    table: DistributionTable | None = field(repr=False)

    @classmethod
    def of(cls, law: Any, shapes: tuple[float, ...]) -> DensityTerms:
        """Compute the terms."""
        # scipy warns of quantiles that it does not find; there is then no table.
        with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
            places, level = _places_of_levels(law, shapes)
            table = DistributionTable.of(lambda points: law.cdf(points, *shapes), _thin(places))
            low, high = law.ppf(SPREAD_LEVELS, *shapes)
            return cls(law, shapes, float(high - low) / 2, places, level, table)

    @cached_property
    def edges(self) -> Array:
        """Finite quantiles, ascending, between which f is nearly a polynomial."""
        edges = _thin(self.places)
        return edges[np.isfinite(edges)]

    @cached_property
    def square(self) -> float:
        """The integral of f^2, as the mean of f over its own levels; infinite if it does not converge."""
        _, weights = _logits()
        with np.errstate(all="ignore"):
            parts = weights * self.law.pdf(self.places, *self.shapes) * self.level * (1 - self.level)
        total = float(parts.sum())
        outermost = max(parts[:PANEL_NODES].sum(), parts[-PANEL_NODES:].sum())
        return total if math.isfinite(total) and outermost <= DIVERGENT * total else math.inf

    @cached_property
    def support(self) -> tuple[float, float]:
        """The ends of the support."""
        lower, upper = self.law.support(*self.shapes)
        return float(lower), float(upper)

    def distribution(self, points: Array) -> Array:
        """Compute the distribution function, which is tabulated unless it is too steep for that."""
        return np.asarray(self.law.cdf(points, *self.shapes)) if self.table is None else self.table(points)


class _Part(NamedTuple):
    """A polynomial on an interval."""

    lower: float
    upper: float
    coefficients: Array


@dataclass(frozen=True)
class KernelSums:
    """T_m multiplied out, for one kernel and the weight 1.

    Parameters
    ----------
    kernel : Kernel
        One polynomial of degree 6 or less on a bounded support.
    smoothed : bool
        Whether the estimate is compared with K_b * f in place of f.

    Raises
    ------
    InputError
        If the kernel is another one.
    """

    kernel: Kernel
    smoothed: bool = False

    def __post_init__(self) -> None:
        _ = self._table

    def statistic(self, ordered: Array, b: float, terms: DensityTerms) -> float:
        """Compute T_m of an ascending sample."""
        m, table = ordered.size, self._table
        pairs = sum_overlaps(ordered, b, table, make_workspace(m, table))
        with np.errstate(all="ignore"):
            square = self._smoothed_square(b, terms) if self.smoothed else terms.square
            cross = _convolve(self._overlap if self.smoothed else self._kernel, ordered, b, terms).sum()
        return float(table.itself + 2 * pairs / m - 2 * b * cross + m * b * square)

    def _smoothed_square(self, b: float, terms: DensityTerms) -> float:
        """Return the integral of (K_b * f)^2."""
        reaches = b * np.array([self._kernel[0].lower, self._kernel[-1].upper])
        knots = [end + reach for end in terms.support for reach in (*reaches, 0.0) if math.isfinite(end)]
        edges = np.unique(np.concatenate([terms.edges, knots, terms.edges[:1] + reaches, terms.edges[-1:] + reaches]))
        nodes, lengths = _gauss_legendre(PANEL_NODES)
        half = np.diff(edges) / 2
        points = ((edges[:-1] + edges[1:]) / 2)[:, None] + half[:, None] * nodes
        heights = _convolve(self._kernel, points.ravel(), b, terms).reshape(points.shape)
        return float(half @ (heights**2 @ lengths))

    @cached_property
    def _table(self) -> OverlapTable:
        return require_overlap_table(self.kernel, "for this statistic")

    @cached_property
    def _exact(self) -> PiecewisePolynomial:
        table = kernel_table(self.kernel)
        return PiecewisePolynomial.from_pieces(table.exact_pieces() if isinstance(table, PiecewiseKernel) else ())

    @cached_property
    def _kernel(self) -> tuple[_Part, ...]:
        return _parts(self._exact)

    @cached_property
    def _overlap(self) -> tuple[_Part, ...]:
        """The autocorrelation of the kernel."""
        return _parts(self._exact.autocorrelation())


def _parts(polynomial: PiecewisePolynomial) -> tuple[_Part, ...]:
    return tuple(
        _Part(float(piece.lower), float(piece.upper), np.array(piece.coefficients, dtype=np.float64))
        for piece in polynomial.pieces
    )


def _convolve(parts: Sequence[_Part], points: Array, b: float, terms: DensityTerms) -> Array:
    """Integrate h(u) f(x - b u) by parts, with the distribution function: the density may have poles and jumps."""
    total = np.zeros_like(points)
    lower, upper = terms.support
    nodes, lengths = _graded_rule(NODES)
    for part in parts:
        derivative = np.polynomial.polynomial.polyder(part.coefficients)
        # Between these ends of u the distribution function is neither 0 nor 1.
        first = np.clip((points - upper) / b, part.lower, part.upper)
        last = np.clip((points - lower) / b, part.lower, part.upper)
        half = (last - first) / 2
        u = ((first + last) / 2)[:, None] + half[:, None] * nodes
        below = terms.distribution(points[:, None] - b * u)
        inside = half * ((np.polynomial.polynomial.polyval(u, derivative) * below) @ lengths)
        height = np.polynomial.polynomial.polyval(first, part.coefficients)
        start, end = np.polynomial.polynomial.polyval(np.array([part.lower, part.upper]), part.coefficients)
        ends = [terms.distribution(points - b * place) for place in (part.lower, part.upper)]
        total += inside + (height - start) + start * ends[0] - end * ends[1]
    return total / b


@dataclass(frozen=True)
class ShapeStatistic:
    """T_m of samples that are compared with a fitted density of the model, at bandwidths in units of its spread.

    Parameters
    ----------
    model : Model
    sums : KernelSums
    bandwidths : tuple of float
        In units of half the distance between the 16 % and the 84 % quantile of the fitted density.
    """

    model: Model
    sums: KernelSums
    bandwidths: tuple[float, ...]

    def of_sample(self, sample: Array) -> tuple[StandardisedSample, Array]:
        """Fit the model; return the standardised sample and T_m at every bandwidth."""
        found = standardise(sample, self.model)
        ordered, terms = np.sort(found.values), self.terms(found.fit.shapes)
        return found, np.array([self.sums.statistic(ordered, b * terms.spread, terms) for b in self.bandwidths])

    def terms(self, shapes: tuple[float, ...]) -> DensityTerms:
        """Compute what T_m needs of the density with given shapes."""
        return DensityTerms.of(continuous_distributions()[self.model.form.law], shapes)


class BootstrapReplicates:
    """T_m at several bandwidths of samples of a fitted density, each with its own estimates.

    Parameters
    ----------
    statistic : ShapeStatistic
    fit : Fit
        The parameters of the density.
    m : int
    """

    name = "bootstrap"
    is_economical = True
    discretisation = None
    cells_per_bandwidth = None
    strata_drawn = None

    def __init__(self, statistic: ShapeStatistic, fit: Fit, m: int) -> None:
        self._statistic, self._fit, self._m = statistic, fit, m

    def __repr__(self) -> str:
        """Describe everything that the values depend on."""
        statistic = self._statistic
        sums = statistic.sums
        kernel = f"{sums.kernel.pieces!r}, smoothed={sums.smoothed}"
        return f"BootstrapReplicates({statistic.model!r}, {kernel}, {statistic.bandwidths!r}, {self._fit!r}, {self._m})"

    @property
    def draws(self) -> int:
        """The number of random numbers of a replicate; estimation takes far longer than drawing."""
        return 100 * self._m

    def values(self, seed: int, replicates: Sequence[int]) -> Array:
        """Compute T_m of the samples (seed, r), r in ``replicates``, shape (len(replicates), bandwidths)."""
        return np.array([self._statistic.of_sample(self._draw(seed, replicate))[1] for replicate in replicates])

    def _draw(self, seed: int, replicate: int) -> Array:
        # By scipy: the quantiles of a density that is needed once would take longer to tabulate than all samples.
        law, (shapes, location, scale) = continuous_distributions()[self._statistic.model.form.law], self._fit
        rng = np.random.default_rng([seed, replicate])
        return np.asarray(law.rvs(*shapes, location, scale, size=self._m, random_state=rng))


def _thin(places: Array) -> Array:
    return np.append(places[::4], places[-1])


@cache
def _gauss_legendre(nodes: int) -> tuple[Array, Array]:
    return np.polynomial.legendre.leggauss(nodes)


@cache
def _graded_rule(count: int) -> tuple[Array, Array]:
    """Return nodes and weights on [-1, 1], denser at the ends, where a pole of f makes F behave like a power."""
    nodes, lengths = _gauss_legendre(count)
    return (3 * nodes - nodes**3) / 2, 3 * (1 - nodes**2) / 2 * lengths


def _logits() -> tuple[Array, Array]:
    """Return the nodes of the quadrature over the logit of the distribution function, and their weights."""
    nodes, lengths = _gauss_legendre(PANEL_NODES)
    edges = np.linspace(-LOGITS, LOGITS, PANELS + 1)
    logits = ((edges[:-1] + edges[1:]) / 2)[:, None] + np.diff(edges)[:, None] / 2 * nodes
    return logits.ravel(), (np.diff(edges)[:, None] / 2 * lengths).ravel()


def _places_of_levels(law: Any, shapes: tuple[float, ...]) -> tuple[Array, Array]:
    """Return the quantiles at the nodes, ascending, and the probability of the wider side of each."""
    logits, _ = _logits()
    level = 1 / (1 + np.exp(-np.abs(logits)))
    # Levels near 1 are those of the upper tail, which keeps their digits.
    low, high = logits < 0, logits >= 0
    places = np.empty_like(logits)
    places[low], places[high] = law.ppf(1 - level[low], *shapes), law.isf(1 - level[high], *shapes)
    return places, level
