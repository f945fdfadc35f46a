"""Assumptions A2 to A4 for a density that is known by its values alone.

Values can refute a condition, by a jump or a power at an end of the support, but they prove none.
"""

from __future__ import annotations

import numpy as np

from foundation.types import Array
from theory.algebra.evidence import Evidence
from theory.densities.density import Density, numerical
from theory.densities.tabulated.tables import SAME_POWER, SmoothPart, end_power
from theory.densities.weights import Weight

JUMP = 1e-6
"""Share of the largest value of a density above which the difference of two limits is a jump."""

NEAR = 1e-9
"""Distance from a knot, in scales of the density, at which a limit is taken."""

UNPROVED = "f is known by its values alone, which do not decide it"


def decide_by_values(density: Density) -> tuple[Evidence, ...]:
    """Decide A2 to A4 where values can, and say where they cannot.

    Examples
    --------
    >>> from theory.densities.families import density_named
    >>> [condition.holds for condition in decide_by_values(density_named("scipy:halfnorm"))]
    [False, False, False, False, False]
    """
    jump, pole = _describe_jump(density), _describe_pole(density)
    lower, upper = density.support
    finite = lower.is_finite or upper.is_finite
    power = _describe_power(density)
    return (
        Evidence("A2: f continuous", False, pole or jump or UNPROVED),
        Evidence("A2: f positive", False, f"f vanishes outside [{lower}, {upper}]" if finite else UNPROVED),
        Evidence("A2: f bounded", False, pole or UNPROVED),
        Evidence(
            "A3: sqrt(f) absolutely continuous with a bounded derivative", False, pole or jump or power or UNPROVED
        ),
        Evidence("A4: f'' exists and is bounded", False, pole or jump or power or UNPROVED),
    )


def weight_by_values(weight: Weight) -> tuple[Evidence, ...]:
    """Decide what Theorem 3.1 asks of a weight that is 1/f on an interval on which f is positive."""
    lower, upper = (float(end) for end in weight.support)
    values = numerical(weight.pieces)(np.linspace(lower, upper, 1001)[1:-1])
    reason = f"a is at most {values.max():.4g} at 1,001 points of a bounded interval; f is known by its values alone"
    finite = bool(np.isfinite(values).all())
    names = ("weight: integrable", "weight: piecewise continuous", "weight: bounded")
    return tuple(Evidence(name, finite, reason) for name in names)


def _limits(density: Density) -> list[tuple[float, float, float]]:
    """Return each knot with the values just below and just above it."""
    f = numerical(density.pieces)
    scale = min(float(mark.scale) for mark in density.landmarks)
    found = []
    for knot in map(float, density.knots):
        step = max(NEAR * scale, 8 * float(np.spacing(abs(knot))))
        below, above = f(np.array([knot - step, knot + step])).tolist()
        found.append((knot, below, above))
    return found


def _largest(density: Density) -> float:
    f: Array = numerical(density.pieces)(density.quantiles(np.linspace(0.01, 0.99, 99)))
    return float(f.max())


def _describe_jump(density: Density) -> str:
    allowed = JUMP * _largest(density)
    for knot, below, above in _limits(density):
        if not abs(above - below) <= allowed and knot not in map(float, density.rough_knots):
            return f"f jumps from {below:.4g} to {above:.4g} at {knot:.6g}"
    return ""


def _describe_pole(density: Density) -> str:
    return next((f"f tends to oo at {float(knot):.6g}" for knot in density.unbounded_knots), "")


def _describe_power(density: Density) -> str:
    """Describe an end beside which f is like a power below 2 of the distance: neither f'' nor (sqrt f)' is bounded."""
    for piece in density.pieces:
        part = SmoothPart(float(piece.lower), float(piece.upper), numerical((piece,)))
        for end in (end_power(part, upper=False), end_power(part, upper=True)):
            if end is not None and SAME_POWER < end.exponent < 2 - SAME_POWER:
                return f"f is like the power {end.exponent:.4g} of the distance at {end.place:.6g}"
    return ""
