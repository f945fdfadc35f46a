"""Functions with absolute values, signs, steps, minima, maxima and cases, cut into parts without them.

sympy integrates each part; across the cuts it is slow, or wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sympy
from sympy import Expr, Symbol

from foundation.signals import ProcessorTimeExceeded, processor_time_limited

x = sympy.Symbol("x", real=True)
"""The argument of every kernel's density."""

SWITCHES = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min, sympy.Piecewise)
"""The functions whose formula changes where another function changes its sign."""

SECONDS_FOR_ZEROS = 2.0

SAMPLES = 128
"""Points between neighbouring zeros at which the sign is checked to be the same."""


@dataclass(frozen=True)
class Part:
    """An expression on the interval from ``lower`` to ``upper`` (either may be infinite)."""

    lower: Expr
    upper: Expr
    expression: Expr


def smooth_parts(expression: Expr, variable: Symbol, lower: Expr, upper: Expr) -> tuple[Part, ...]:
    """Cut ``expression`` at the zeros inside its absolute values, signs, steps, minima, maxima and cases.

    Where zeros are not found exactly, as those of ``cos(x) - x``, the part keeps the function that they belong to.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> [part.expression for part in smooth_parts(1 - abs(x), x, sympy.Integer(-1), sympy.Integer(1))]
    [x + 1, 1 - x]
    """
    return tuple(_merge(_resolve(Part(lower, upper, expression), variable, frozenset())))


def _resolve(part: Part, variable: Symbol, unresolved: frozenset[Expr]) -> Iterable[Part]:
    switch = _innermost_switch(part.expression, variable, unresolved)
    if switch is None:
        yield part
        return
    deciding = _deciding_functions(switch)
    cuts = sorted_points({zero for function in deciding for zero in zeros(function, variable, part.lower, part.upper)})
    for lower, upper in pairwise((part.lower, *cuts, part.upper)):
        chosen = _chosen(switch, deciding, variable, lower, upper)
        if chosen is None:
            yield from _resolve(Part(lower, upper, part.expression), variable, unresolved | {switch})
        else:
            yield from _resolve(Part(lower, upper, part.expression.xreplace({switch: chosen})), variable, unresolved)


def _innermost_switch(expression: Expr, variable: Symbol, unresolved: frozenset[Expr]) -> Expr | None:
    found = [one for one in expression.atoms(*SWITCHES) if one.has(variable) and one not in unresolved]
    return min(found, key=lambda one: (sympy.count_ops(one), str(one)), default=None)


def _deciding_functions(switch: Expr) -> list[Expr]:
    """Return the functions whose signs decide which formula ``switch`` has."""
    if isinstance(switch, sympy.Piecewise):
        relations = {one for _, condition in switch.args for one in condition.atoms(sympy.core.relational.Relational)}
        return [relation.lhs - relation.rhs for relation in sorted(relations, key=str)]
    if isinstance(switch, sympy.Max | sympy.Min):
        ordered = list(switch.args)
        return [one - other for k, one in enumerate(ordered) for other in ordered[k + 1 :]]
    return [switch.args[0]]


def _chosen(switch: Expr, deciding: list[Expr], variable: Symbol, lower: Expr, upper: Expr) -> Expr | None:
    """Return the formula of ``switch`` between two cuts, or None if a sign is not the same everywhere between them."""
    found = {function: constant_sign(function, variable, lower, upper) for function in deciding}
    signs = {function: sign for function, sign in found.items() if sign is not None}
    if len(signs) < len(found):
        return None
    if isinstance(switch, sympy.Piecewise):
        for value, condition in switch.args:
            relations = condition.atoms(sympy.core.relational.Relational)
            truth = {one: one.func(sympy.Integer(signs[one.lhs - one.rhs]), 0) for one in relations}
            if condition.xreplace(truth) == True:  # noqa: E712 (sympy's true is no bool)
                return value
        return None
    if isinstance(switch, sympy.Max | sympy.Min):
        wanted = 1 if isinstance(switch, sympy.Max) else -1
        best = switch.args[0]
        for other in switch.args[1:]:
            sign = signs[other - best] if other - best in signs else -signs[best - other]
            best = other if sign == wanted else best
        return best
    sign = sympy.Integer(signs[switch.args[0]])
    return sign * switch.args[0] if isinstance(switch, sympy.Abs) else switch.func(sign, *switch.args[1:])


def constant_sign(function: Expr, variable: Symbol, lower: Expr, upper: Expr) -> int | None:
    """Return the sign of ``function`` at `SAMPLES` points of an interval, or None if it is not the same at all."""
    if function == 0:
        return 0
    signs = {_sign_at(function, variable, point) for point in sample(lower, upper, SAMPLES)}
    return signs.pop() if len(signs) == 1 else None


def _sign_at(function: Expr, variable: Symbol, point: Any) -> int | None:
    from theory.algebra.balls import ball_of

    try:
        ball = ball_of(function, {variable: point})
    except NotImplementedError:
        return None
    return 1 if ball > 0 else -1 if ball < 0 else None


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
        # sympy raises any of these on functions that it cannot solve; the caller checks signs between the zeros.
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
