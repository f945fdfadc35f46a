"""Functions with absolute values, signs, steps, minima, maxima and cases, cut into parts without them.

sympy integrates each part; across the cuts it is slow, or wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr, Symbol

from foundation.signals import ProcessorTimeExceeded, processor_time_limited

x = sympy.Symbol("x", real=True)
"""The argument of every kernel's density."""

SWITCHES = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min, sympy.Piecewise)
"""The functions whose formula changes where another function changes its sign."""

SECONDS_FOR_ZEROS = 2.0

RESOLUTION = sympy.Rational(1, 2**64)
"""The width of slivers around zeros that are not known exactly, for an interval of length 1."""


@dataclass(frozen=True)
class Part:
    """An expression on the interval from ``lower`` to ``upper`` (either may be infinite)."""

    lower: Expr
    upper: Expr
    expression: Expr


def smooth_parts(expression: Expr, variable: Symbol, lower: Expr, upper: Expr) -> tuple[Part, ...]:
    """Cut ``expression`` at the zeros inside its absolute values, signs, steps, minima, maxima and cases.

    Which formula holds between two cuts is proved. Where it is not, the part keeps the function: on a sliver around
    each zero that is not known exactly, as that of ``cos(x) - x``, or on a whole interval.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> [part.expression for part in smooth_parts(1 - abs(x), x, sympy.Integer(-1), sympy.Integer(1))]
    [x + 1, 1 - x]
    >>> [part.expression for part in smooth_parts(sympy.Max(x, sympy.cos(x)), x, sympy.Integer(0), sympy.Integer(1))]
    [cos(x), Max(x, cos(x)), x]
    """
    others = (expression.free_symbols | lower.free_symbols | upper.free_symbols) - {variable}
    if others or not expression.has(*SWITCHES):
        return (Part(lower, upper, expression),)
    narrowest = RESOLUTION * sympy.Rational(min(1.0, float(upper - lower)))
    return tuple(_merge(_resolve(Part(lower, upper, expression), variable, frozenset(), narrowest)))


def _resolve(part: Part, variable: Symbol, unresolved: frozenset[Expr], narrowest: Expr) -> Iterable[Part]:
    switch = _innermost_switch(part.expression, variable, unresolved)
    if switch is None:
        yield part
        return
    for lower, upper, chosen in _choices(switch, variable, part, narrowest):
        if chosen is None:
            yield from _resolve(Part(lower, upper, part.expression), variable, unresolved | {switch}, narrowest)
        else:
            replaced = Part(lower, upper, part.expression.xreplace({switch: chosen}))
            yield from _resolve(replaced, variable, unresolved, narrowest)


def _innermost_switch(expression: Expr, variable: Symbol, unresolved: frozenset[Expr]) -> Expr | None:
    found = [one for one in expression.atoms(*SWITCHES) if one.has(variable) and one not in unresolved]
    return min(found, key=lambda one: (sympy.count_ops(one), str(one)), default=None)


def _choices(switch: Expr, variable: Symbol, part: Part, narrowest: Expr) -> Iterator[tuple[Expr, Expr, Expr | None]]:
    """Yield consecutive intervals with the formula of ``switch`` on each, or None where it is not decided."""
    from theory.algebra.signs import sign_stretches

    deciding = _deciding_functions(switch)
    cuts = sorted_points({zero for one in deciding for zero in zeros(one, variable, part.lower, part.upper)})
    points = (part.lower, *cuts, part.upper)
    stretches = {one: sign_stretches(one, variable, points, narrowest) for one in deciding}
    # Ends of different functions may be one number in two forms.
    digits = {one.upper: sympy.N(one.upper, 60) for several in stretches.values() for one in several}
    reached = dict.fromkeys(stretches, 0)
    lower, below = part.lower, sympy.N(part.lower, 60)
    for upper, value in sorted(digits.items(), key=lambda item: item[1]):
        if value > below:
            yield lower, upper, _chosen(switch, {one: several[reached[one]].sign for one, several in stretches.items()})
            lower, below = upper, value
        for one, several in stretches.items():
            while reached[one] < len(several) and digits[several[reached[one]].upper] <= value:
                reached[one] += 1


def _deciding_functions(switch: Expr) -> list[Expr]:
    """Return the functions whose signs decide which formula ``switch`` has."""
    if isinstance(switch, sympy.Piecewise):
        relations = {one for _, condition in switch.args for one in condition.atoms(sympy.core.relational.Relational)}
        return [relation.lhs - relation.rhs for relation in sorted(relations, key=str)]
    if isinstance(switch, sympy.Max | sympy.Min):
        return [one - other for one, other in itertools.combinations(switch.args, 2)]
    return [switch.args[0]]


def _chosen(switch: Expr, signs: Mapping[Expr, int | None]) -> Expr | None:
    """Return the formula of ``switch`` where the deciding functions have ``signs``, or None if that is not decided."""
    if isinstance(switch, sympy.Piecewise):
        return _chosen_case(switch, signs)
    if isinstance(switch, sympy.Max | sympy.Min):
        opposite = -1 if isinstance(switch, sympy.Max) else 1
        differences = {pair: signs[pair[0] - pair[1]] for pair in itertools.combinations(switch.args, 2)}
        differences |= {(two, one): sign if sign is None else -sign for (one, two), sign in differences.items()}
        for one in switch.args:
            if all(differences[one, other] not in (None, opposite) for other in switch.args if other != one):
                return one
        return None
    sign = signs[switch.args[0]]
    if sign is None:
        return None
    return sign * switch.args[0] if isinstance(switch, sympy.Abs) else switch.func(sign, *switch.args[1:])


def _chosen_case(switch: Expr, signs: Mapping[Expr, int | None]) -> Expr | None:
    for value, condition in switch.args:
        relations = condition.atoms(sympy.core.relational.Relational)
        known = {one: signs[one.lhs - one.rhs] for one in relations}
        truth = {one: one.func(sympy.Integer(sign), 0) for one, sign in known.items() if sign is not None}
        holds = condition.xreplace(truth)
        if holds == True:  # noqa: E712 (sympy's true is no bool)
            return value
        if holds != False:  # noqa: E712
            return None
    return None


def sample(lower: Expr, upper: Expr, count: int) -> list[Any]:
    """Return balls of ``count`` points inside an interval; on an unbounded one they thin out towards infinity."""
    from flint import arb

    from theory.algebra.balls import ball_of

    shares = [arb(2 * k + 1) / (2 * count) for k in range(count)]
    if lower.is_finite and upper.is_finite:
        start, width = ball_of(lower), ball_of(upper) - ball_of(lower)
        return [start + width * share for share in shares]
    if lower.is_finite:
        return [ball_of(lower) + share / (1 - share) for share in shares]
    if upper.is_finite:
        return [ball_of(upper) - share / (1 - share) for share in shares]
    return [(2 * share - 1) / (share * (1 - share)) for share in shares]


def zeros(function: Expr, variable: Symbol, lower: Expr, upper: Expr) -> tuple[Expr, ...]:
    """Return the zeros of ``function`` inside an interval that sympy finds exactly, in ascending order.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> zeros(sympy.cos(x) * (x**2 - 2), x, -sympy.pi, sympy.pi)
    (-pi/2, -sqrt(2), sqrt(2), pi/2)
    """
    if not function.has(variable):
        return ()
    try:
        with processor_time_limited(SECONDS_FOR_ZEROS):
            found = set(_zeros(sympy.factor(function), variable, lower, upper))
    except (ProcessorTimeExceeded, NotImplementedError, ValueError, TypeError, RecursionError, AttributeError):
        # sympy raises any of these on functions that it cannot solve; signs are proved whether zeros are known or not.
        return ()
    inside = [zero for zero in found if _is_inside(zero, lower, upper)]
    return sorted_points(inside)


def _zeros(function: Expr, variable: Symbol, lower: Expr, upper: Expr) -> Iterable[Expr]:
    for factor in sympy.Mul.make_args(function):
        base = factor.as_base_exp()[0]
        if not base.has(variable):
            continue
        if base.is_polynomial(variable) and all(c.is_Rational for c in sympy.Poly(base, variable).all_coeffs()):
            yield from (root for root in sympy.real_roots(sympy.Poly(base, variable)) if root.is_real)
            continue
        solutions = sympy.solveset(base, variable, sympy.Interval(lower, upper))
        for one in solutions.args if isinstance(solutions, sympy.Union) else (solutions,):
            if isinstance(one, sympy.FiniteSet):
                yield from one


def _is_inside(point: Expr, lower: Expr, upper: Expr) -> bool:
    return bool(point.is_number and point.is_real and (lower < point) == True and (point < upper) == True)  # noqa: E712


def sorted_points(points: Iterable[Expr]) -> tuple[Expr, ...]:
    """Return different numbers in ascending order; of two that agree to 30 digits the simpler one is kept."""
    ordered = sorted(points, key=lambda point: (sympy.N(point, 30), sympy.count_ops(point)))
    kept: list[Expr] = []
    for point in ordered:
        if not kept or abs(sympy.N(point - kept[-1], 30)) > sympy.Float("1e-25"):
            kept.append(point)
    return tuple(kept)


def _merge(parts: Iterable[Part]) -> Iterable[Part]:
    """Join neighbouring parts with the same expression."""
    current: Part | None = None
    for part in parts:
        if current is not None and current.expression == part.expression:
            current = Part(current.lower, part.upper, part.expression)
            continue
        if current is not None:
            yield current
        current = part
    if current is not None:
        yield current
