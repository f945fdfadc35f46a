"""The kinks of a density that is known by its values alone."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.polynomial import polynomial

from foundation.types import Array, ArrayFunction
from theory.algebra.signs import simplest_between

DISTANCES = np.array([0.0, 1.0, 4.0, 16.0])
"""Distances, in steps, at which the density on both sides of a place is compared with the density there."""

STEADY = 1.5
"""The change of slope across a kink is nearly the same at every distance: largest ratio between two distances."""

NOISE = 1e-7
"""Change of the density over a step, relative to it, that may be rounding."""

SIDE = np.array([1.0, 2.0, 3.0, 4.0])
"""Distances from a kink, in steps, of the points through which the density is extrapolated to it."""

ERROR, SPACINGS = 1e-8, 64.0
"""Accepted error of the location of a kink: in steps, and in spacings of doubles."""

SHORTEST = 2.0**20
"""The steps towards a kink end at this many spacings of doubles, or at the first step divided by this."""


def find_kink(density: ArrayFunction, support: tuple[float, float], near: Array, steps: Array) -> Fraction | None:
    """Return a kink of the density within a quarter of a step of one of the places; None if there is none.

    Parameters
    ----------
    density : callable
    support : pair of float
        The interval on which the function is the density; outside it the function may have other kinks.
    near, steps : array, shape (n,)
        The places, and the unit of distance at each of them.
    """
    lower, upper = support
    inside = np.minimum(near - lower, upper - near) > DISTANCES[-1] * steps
    sides = np.where(inside, steps, np.nan)[:, None] * DISTANCES
    with np.errstate(all="ignore"):
        values = _on_both_sides(density, near, sides).sum(axis=0)
        bends = np.abs(values[:, 1:] - values[:, :1]) / sides[:, 1:]
        ratios = bends[:, 1:] / bends[:, :-1]
        bent = ((ratios > 1 / STEADY) & (ratios < STEADY)).all(axis=1)
        bent &= bends[:, 0] * steps > NOISE * values[:, 0]
        found = (_locate(density, float(near[number]), float(steps[number])) for number in np.flatnonzero(bent))
        return next((place for place in found if place is not None), None)


def _locate(density: ArrayFunction, near: float, step: float) -> Fraction | None:
    """Return the location of a kink: where the cubic extrapolations of the density from both sides intersect.

    None if they do not intersect at every distance: the density is then smooth here, or not smooth in another way.
    """
    margin, shortest = 0.0, step / SHORTEST
    # The shorter the steps, the more accurate the extrapolation.
    while not margin or step > max(shortest, SHORTEST * float(np.spacing(abs(near)))):
        above, below = _on_both_sides(density, np.array([near]), step * SIDE[None])[:, 0]
        cubics = [polynomial.polyfit(s, values, 3) for s, values in ((SIDE, above), (-SIDE, below))]
        roots = polynomial.polyroots(cubics[0] - cubics[1])
        real = roots.real[(roots.imag == 0) & (np.abs(roots.real) <= 0.25)]
        if not real.size:
            return None
        near += step * float(min(real, key=abs))
        margin = max(SPACINGS * float(np.spacing(abs(near))), ERROR * step)
        step /= 16
    return simplest_between(Fraction(near - margin), Fraction(near + margin))


def _on_both_sides(density: ArrayFunction, places: Array, distances: Array) -> Array:
    """Return the density at distances, shape (n, k), above and below places, shape (2, n, k)."""
    points = np.stack([places[:, None] + distances, places[:, None] - distances])
    return np.asarray(density(points.ravel()), dtype=np.float64).reshape(points.shape)
