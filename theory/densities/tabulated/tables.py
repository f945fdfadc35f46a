"""Distribution functions of densities that are known by their values: quadrature on panels, summed from both ends.

The panels double in width away from a centre and are halved towards every end of a smooth part, so that tails like
powers and densities like powers at an end have as many panels as digits. A panel is halved until a polynomial through
its nodes is the density to rounding, beside the probability of the nearer tail. Both tails are sums of positive terms,
and keep their digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction, Indices
from theory.algebra.signs import simplest_between
from theory.densities.tabulated.kinks import find_kink

NODES = 16
"""Nodes of a panel."""

TOLERANCE = 2e-14
"""Accepted error of a panel's integral and of its polynomial, beside the probability beyond the panel."""

NEGLIGIBLE = 1e-45
"""Mass of an octave below which the octaves beyond it are left out."""

FARTHEST, NEAREST = 1e300, 1e-300

NEAR_OCTAVES, TAIL = 64, 1e-25
"""Octaves in which parts are looked for, and the largest mass that may lie beyond double precision."""

MOST_PANELS, MOST_ROUNDS, PARTS = 100_000, 200, 64
"""Largest number of panels, of rounds in which some are halved, and the parts of every panel in a second search."""

NOISE, FLOOR, FALL = 1e-9, 1e-15, 3.0
"""Error, relative and beside the largest mean of a panel, that may be rounding if a halving does not divide it by 3."""

NARROWEST, SPACINGS = 64, 4.0
"""Width of the narrowest panel, and error of an argument, in doubles."""

TOTAL = 1e-9
"""Accepted difference of the integral of a density from 1."""

UNRESOLVED = 1e-3
"""Mass below which what is missing may lie between doubles, next to a pole."""

SAME_POWER = 1e-3
"""Accepted error of the exponent of a power that a density is like at an end."""

_X, _WEIGHTS = legendre.leggauss(NODES)
_PROJECTION = (np.arange(NODES)[:, None] + 0.5) * legendre.legvander(_X, NODES - 1).T * _WEIGHTS
_CHECKS = np.array([-0.995, -0.9, -0.67, -0.35, 0.05, 0.42, 0.71, 0.93, 0.998])
_AT_CHECKS = legendre.legvander(_CHECKS, NODES - 1)


@dataclass(frozen=True)
class SmoothPart:
    """A density on an interval inside which it is smooth; ``lower`` and ``upper`` may be infinite."""

    lower: float
    upper: float
    density: ArrayFunction


class NotSmooth(Exception):
    """A density has a kink, a jump or a pole inside a part.

    Attributes
    ----------
    place : Fraction
        The simplest number next to it.
    """

    def __init__(self, place: Fraction) -> None:
        super().__init__(f"not smooth at {place}")
        self.place = place


@dataclass(frozen=True)
class Tabulation:
    """The integrals of a density up to any point, and from there on.

    Attributes
    ----------
    edges : array, shape (n + 1,)
        The ends of the panels, ascending.
    density, square : array, shape (n, nodes)
        Legendre series of f and of its square on every panel.
    below, above, squares : array, shape (n + 1,)
        The integrals of f up to every edge and from it on, and of f^2 up to it.
    """

    edges: Array
    density: Array
    square: Array
    below: Array
    above: Array
    squares: Array

    def distribution(self, points: Array) -> Array:
        """Return the integral of f up to ``points``, of any shape."""
        panels, t = self._locate(points)
        return self.below[panels] + self._shares(self.density, panels, t, lower=True)

    def survival(self, points: Array) -> Array:
        """Return the integral of f from ``points`` on."""
        panels, t = self._locate(points)
        return self.above[panels + 1] + self._shares(self.density, panels, t, lower=False)

    def squared_distribution(self, points: Array) -> Array:
        """Return the integral of f^2 up to ``points``."""
        panels, t = self._locate(points)
        return self.squares[panels] + self._shares(self.square, panels, t, lower=True)

    def quantile(self, level: float) -> float:
        """Return the quantile at ``level``, to a few digits."""
        return float(np.interp(level, self.below / self.below[-1], self.edges))

    def basins(self, least: float) -> list[tuple[float, float]]:
        """Return the median and half the interquartile range of the mass between the minima of f.

        Mass below ``least`` joins that of the next part.
        """
        heights = self.density[:, 0]
        lows = np.flatnonzero((heights[1:-1] < heights[:-2]) & (heights[1:-1] <= heights[2:])) + 1
        found, start, total = [], 0.0, float(self.below[-1])
        for end in [*(float(self.below[low]) for low in lows), total]:
            if end - start > least * total:
                levels = np.array([0.25, 0.5, 0.75]) * (end - start) + start
                first, middle, last = (self.quantile(level / total) for level in levels)
                if last > first:
                    found.append((middle, (last - first) / 2))
                start = end
        return found

    def _locate(self, points: Array) -> tuple[Indices, Array]:
        """Return the panel of each point and the place in it, from -1 to 1."""
        inside = np.clip(points, self.edges[0], self.edges[-1])
        panels = np.clip(np.searchsorted(self.edges, inside, side="right") - 1, 0, self.edges.size - 2)
        # Differences of halves do not overflow.
        lower, upper = self.edges[panels] / 2, self.edges[panels + 1] / 2
        return panels, np.clip(2 * ((inside / 2 - lower) / (upper - lower)) - 1, -1.0, 1.0)

    def _shares(self, series: Array, panels: Indices, t: Array, *, lower: bool) -> Array:
        """Return the integral from the lower end of the panel to ``t``, or from there to its upper end."""
        halves = self.edges[panels + 1] / 2 - self.edges[panels] / 2
        flat, places = panels.ravel(), t.ravel()
        # The integral of a Legendre polynomial P_n from -1 to t is (P_(n+1) - P_(n-1)) / (2 n + 1).
        values = legendre.legvander(places, NODES)
        rises = np.empty((places.size, NODES))
        rises[:, 0] = 1 + places if lower else 1 - places
        rises[:, 1:] = (values[:, 2:] - values[:, :-2]) / (2 * np.arange(1, NODES) + 1)
        if not lower:
            rises[:, 1:] *= -1
        shares = np.einsum("ij,ij->i", rises, series[flat]).reshape(t.shape)
        return np.asarray(halves * np.maximum(shares, 0.0))


@dataclass(frozen=True)
class EndPower:
    """The exponent of the power of the distance that a density is like at an end of a part."""

    place: float
    exponent: float

    @property
    def is_rough(self) -> bool:
        """Whether polynomials approximate it poorly."""
        return self.exponent < -SAME_POWER or abs(self.exponent - round(self.exponent)) > SAME_POWER


def tabulate(parts: Sequence[SmoothPart], name: str, places: Sequence[float] = ()) -> Tabulation:
    """Tabulate the integrals of a density.

    Parameters
    ----------
    parts : sequence of SmoothPart
        Consecutive.
    name : str
        What messages call the density.
    places : sequence of float
        Further ends of panels, such as around narrow parts.

    Raises
    ------
    InputError
        If it is negative or not a number somewhere, does not integrate to 1, has a tail that double precision does not
        hold, or is too steep.
    NotSmooth
        If it is not smooth inside a part.
    """
    powers = [end_power(part, upper=upper) for part in parts for upper in (False, True)]
    poles = [end for end in powers if end is not None and end.exponent < -SAME_POWER]
    for pole in poles:
        if pole.exponent <= SAME_POWER - 1:
            raise InputError(
                f"{name} must integrate to 1, got infinity next to {pole.place:g}. Choose another density."
            )
    edges = [np.unique(np.append(_first_edges(part, name), _inside(part, places))) for part in parts]
    found = _refine_all(parts, [_Panels.of(part, own, name) for part, own in zip(parts, edges, strict=True)], name)
    # A narrow part may lie between the nodes of wide panels.
    if not abs(sum(float(panels.masses.sum()) for panels in found) - 1) <= TOTAL:
        finer = [_Panels.of(part, panels.divide(), name) for part, panels in zip(parts, found, strict=True)]
        found = _refine_all(parts, finer, name)
    for part, panels in zip(parts, found, strict=True):
        panels.require_no_kink(part)
    missing = 1 - sum(float(panels.masses.sum()) for panels in found)
    far = next((pole.place for pole in poles if pole.place != 0), None)
    if far is not None and TOTAL < missing < UNRESOLVED:
        raise InputError(
            f"{name} must be bounded at {far:g}, next to which doubles are too far apart for its values. Reflect or "
            "move it, so that it is unbounded at 0 alone."
        )
    return _joined(found, name)


def _inside(part: SmoothPart, places: Iterable[float]) -> list[float]:
    return [place for place in places if part.lower < place < part.upper]


def _refine_all(parts: Sequence[SmoothPart], found: list[_Panels], name: str) -> list[_Panels]:
    for _ in range(MOST_ROUNDS):
        masses = [float(panels.masses.sum()) for panels in found]
        refined = [
            panels.refine(part, sum(masses[:number]), sum(masses[number + 1 :]), name)
            for number, (part, panels) in enumerate(zip(parts, found, strict=True))
        ]
        if all(after is before for after, before in zip(refined, found, strict=True)):
            break
        found = refined
        if sum(panels.lowers.size for panels in found) > MOST_PANELS:
            raise InputError(f"{name} is too steep to be integrated. Choose a smoother density.")
    return found


def _joined(found: Sequence[_Panels], name: str) -> Tabulation:
    series = np.concatenate([panels.series for panels in found])
    lowers = np.concatenate([panels.lowers for panels in found])
    edges = np.append(lowers, found[-1].uppers[-1])
    halves = np.diff(edges / 2)
    masses = np.concatenate([panels.masses for panels in found]).astype(np.longdouble)
    values = series @ legendre.legvander(_X, NODES - 1).T
    # Beside a pole the square may overflow.
    with np.errstate(all="ignore"):
        squares = np.nan_to_num(values**2 @ _PROJECTION.T, nan=np.inf)
    # The sums of many terms are taken with more digits.
    below = np.concatenate([[0.0], np.cumsum(masses)]).astype(np.float64)
    above = np.concatenate([np.cumsum(masses[::-1])[::-1], [0.0]]).astype(np.float64)
    squared = np.cumsum((2 * halves * squares[:, 0]).astype(np.longdouble))
    total = float(below[-1])
    if not abs(total - 1) <= TOTAL:
        # A formula that anyone may have typed is easily mended.
        mended = "expression:" in name and 0 < total < math.inf
        hint = f" Divide it by {total:.12g}." if mended else " Choose another density."
        raise InputError(f"{name} must integrate to 1, got {total:.12g}.{hint}")
    return Tabulation(edges, series, squares, below, above, np.concatenate([[0.0], squared]).astype(np.float64))


def end_power(part: SmoothPart, upper: bool) -> EndPower | None:
    """Return the power that the density is like at a finite end of a part; None at an infinite one."""
    end, other = (part.upper, part.lower) if upper else (part.lower, part.upper)
    if not math.isfinite(end):
        return None
    reach = abs(other - end) if math.isfinite(other) else 1.0
    nearest = max(abs(end) * 2.0**-44, reach * 2.0**-200, NEAREST)
    distances = nearest * np.array([1.0, 2.0, 4.0])
    with np.errstate(all="ignore"):
        values = np.log2(part.density(end - distances if upper else end + distances))
        slopes = np.diff(values)
    if not np.isfinite(slopes).all():
        return EndPower(end, 0.0)
    # The exponent at a distance of 0, where a factor that is linear in the distance has gone.
    return EndPower(end, float(2 * slopes[0] - slopes[1]))


@dataclass(frozen=True)
class _Panels:
    """The panels of one part, ascending.

    Attributes
    ----------
    lowers, uppers, masses : array, shape (n,)
        The ends, and the integrals of the density.
    series : array, shape (n, nodes)
        Legendre series of the density.
    errors, least, rounding : array, shape (n,)
        The error of the series, the least value and the error by rounding of the argument, times the width.
    before : array, shape (n,)
        The error of the panel that was halved.
    """

    lowers: Array
    uppers: Array
    series: Array
    masses: Array
    errors: Array
    least: Array
    rounding: Array
    before: Array

    @classmethod
    def of(cls, part: SmoothPart, edges: Array, name: str) -> _Panels:
        return cls._between(part, edges[:-1], edges[1:], np.full(edges.size - 1, np.inf), name)

    @classmethod
    def _between(cls, part: SmoothPart, lowers: Array, uppers: Array, before: Array, name: str) -> _Panels:
        halves, middles = uppers / 2 - lowers / 2, uppers / 2 + lowers / 2
        values = _values(part, middles, halves, _X, name)
        series = values @ _PROJECTION.T
        checks = _values(part, middles, halves, _CHECKS, name)
        errors = 2 * halves * np.abs(series @ _AT_CHECKS.T - checks).max(axis=1)
        least = 2 * halves * np.minimum(values.min(axis=1), checks.min(axis=1))
        # What rounding of the argument makes of the values: a slope of them times the width is their range.
        rounding = SPACINGS * np.spacing(np.maximum(np.abs(lowers), np.abs(uppers))) * np.ptp(values, axis=1)
        return cls(lowers, uppers, series, 2 * halves * series[:, 0], errors, least, rounding, before)

    def divide(self) -> Array:
        """Return the ends of `PARTS` equal parts of every panel."""
        steps = np.arange(PARTS) / PARTS
        inner = self.lowers[:, None] * (1 - steps) + self.uppers[:, None] * steps
        return np.unique(np.append(inner.ravel(), self.uppers[-1]))

    def refine(self, part: SmoothPart, below: float, above: float, name: str) -> _Panels:
        """Halve the panels that are too wide; return this object itself if there is none.

        The other parts have the mass ``below`` and ``above`` this one.
        """
        # The probability beyond the panel, on the side of the nearer tail.
        before = below + np.concatenate([[0.0], np.cumsum(self.masses)[:-1]])
        after = above + np.concatenate([np.cumsum(self.masses[::-1])[::-1][1:], [0.0]])
        beyond = np.minimum(before, after)
        total = below + above + float(self.masses.sum())
        rounded = FLOOR * self.series[:, 0].max() * (self.uppers - self.lowers)
        accepted = np.maximum(NOISE * self.least, rounded)
        noisy = (self.errors > self.before / FALL) & (self.errors <= accepted)
        allowed = TOLERANCE * np.maximum(beyond, self.least) + self.rounding + NEGLIGIBLE * total
        rough = (self.errors > allowed) & ~noisy
        if not rough.any():
            return self
        width = self.uppers / 2 - self.lowers / 2
        stuck = rough & (width < NARROWEST / 2 * np.spacing(np.maximum(np.abs(self.lowers), np.abs(self.uppers))))
        if stuck.any():
            self._refuse_stuck(part, stuck)
            rough &= ~stuck
            if not rough.any():
                return self
        middles = self.lowers[rough] / 2 + self.uppers[rough] / 2
        parts = _Panels._between(
            part,
            np.concatenate([self.lowers[rough], middles]),
            np.concatenate([middles, self.uppers[rough]]),
            np.tile(self.errors[rough], 2),
            name,
        )
        joined = [
            np.concatenate([kept[~rough], new])
            for kept, new in zip(vars(self).values(), vars(parts).values(), strict=True)
        ]
        order = np.argsort(joined[0], kind="stable")
        return _Panels(*(values[order] for values in joined))

    def require_no_kink(self, part: SmoothPart) -> None:
        """Raise `NotSmooth` if the density has a kink inside the part.

        The integral converges without it: near a kink panels are just narrow, and one between two panels has no effect.
        """
        narrow = np.minimum(np.diff(self.lowers), np.diff(self.uppers))
        steps = np.concatenate([16 * narrow, narrow / 64])
        place = find_kink(part.density, (part.lower, part.upper), np.tile(self.uppers[:-1], 2), steps)
        if place is not None:
            raise NotSmooth(place)

    def _refuse_stuck(self, part: SmoothPart, stuck: npt.NDArray[np.bool_]) -> None:
        """Raise `NotSmooth` for a place inside the part that no halving makes smooth."""
        for number in np.flatnonzero(stuck):
            lower, upper = float(self.lowers[number]), float(self.uppers[number])
            margin = NARROWEST * float(np.spacing(max(abs(lower), abs(upper))))
            inside = lower - part.lower > margin and part.upper - upper > margin
            if inside:
                raise NotSmooth(simplest_between(Fraction(lower - margin), Fraction(upper + margin)))


def _values(part: SmoothPart, middles: Array, halves: Array, places: Array, name: str) -> Array:
    points = np.clip(middles[:, None] + halves[:, None] * places, part.lower, part.upper)
    with np.errstate(all="ignore"):
        values = np.asarray(part.density(points.ravel()), dtype=np.float64).reshape(points.shape)
    bad = ~(values >= 0)
    if bad.any():
        point = float(points[bad][0])
        value = float(values[bad][0])
        what = "nonnegative" if value < 0 else "a number on its support"
        raise InputError(f"a density must be {what}, but {name} is {value:.6g} at x = {point:.6g}.")
    # A node next to a pole may round to the pole itself.
    return np.where(np.isinf(values), 0.0, values)


def _first_edges(part: SmoothPart, name: str) -> Array:
    """Return edges whose distances double from the ends of the part and from a centre."""
    lower, upper = part.lower, part.upper
    if math.isfinite(lower) and math.isfinite(upper):
        middle = lower / 2 + upper / 2
        reach = upper / 2 - lower / 2
        edges = [middle, *_towards(part, lower, reach, 1), *_towards(part, upper, reach, -1), lower, upper]
    elif math.isfinite(lower):
        edges = [lower, lower + 1.0, *_towards(part, lower, 1.0, 1), *_outwards(part, lower, 1, name)]
    elif math.isfinite(upper):
        edges = [upper, upper - 1.0, *_towards(part, upper, 1.0, -1), *_outwards(part, upper, -1, name)]
    else:
        edges = [0.0, *(sign * 2.0**-k for sign in (-1, 1) for k in range(7))]
        edges += [*_outwards(part, 0.0, 1, name), *_outwards(part, 0.0, -1, name)]
    return np.unique(np.array(edges))


def _towards(part: SmoothPart, end: float, reach: float, sign: int) -> Iterable[float]:
    """Yield points between an end of a part and the point at a distance, each half as far away as the one before."""
    nearest = max(NARROWEST * float(np.spacing(abs(end))), NEAREST)
    for k in range(1, 1000):
        distance = reach * 2.0**-k
        if distance < nearest:
            return
        yield end + sign * distance
        with np.errstate(all="ignore"):
            value = float(part.density(np.array([end + sign * distance]))[0])
        if k > 8 and value * distance < NEGLIGIBLE:
            return


def _outwards(part: SmoothPart, start: float, sign: int, name: str) -> Iterable[float]:
    """Yield points whose distances from the start double, up to where no mass is left."""
    steps = np.ldexp(1.0, np.arange(1, 998))
    steps = steps[steps < FARTHEST]
    # Nearby several points between neighbours, so that a part far away is seen.
    near = np.asarray(steps[:NEAR_OCTAVES, None] * np.linspace(0.5, 1.0, PARTS + 1)[1:], dtype=np.float64)
    shares = np.maximum(_shares(part, start, sign * steps), 0.0)
    shares[:NEAR_OCTAVES] = _shares(part, start, sign * near.ravel()).reshape(near.shape).max(axis=1)
    heavy = np.flatnonzero(shares > NEGLIGIBLE)
    # Far beyond a light tail, formulas may overflow to anything.
    gaps = np.flatnonzero(np.diff(heavy, append=10 * steps.size) > NEAR_OCTAVES)
    last = int(heavy[gaps[0]]) + 2 if heavy.size else 8
    points = start + sign * steps
    if last >= points.size and shares[-1] > TAIL:
        raise InputError(
            f"the tail of {name} must end within double precision, but it has mass beyond {abs(points[-1]):.0e}. "
            "Choose a lighter tail."
        )
    yield from (float(point) for point in points[: last + 1])


def _shares(part: SmoothPart, start: float, distances: Array) -> Array:
    """Return the mass, about, of the octave at each distance from ``start``."""
    with np.errstate(all="ignore"):
        values = np.asarray(part.density(start + distances), dtype=np.float64)
    return np.nan_to_num(np.abs(values * distances), nan=0.0, posinf=0.0)
