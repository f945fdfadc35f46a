"""Rigorous evaluation of sympy expressions in ball arithmetic (Arb, through python-flint).

A ball is guaranteed to contain the true value, so a comparison of two disjoint balls is a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import flint
import sympy
from flint import acb, arb, fmpq
from sympy import Expr, Symbol

PRECISION_BITS = 128

Ball = Any
"""A real or a complex ball: `flint.arb` or `flint.acb`."""

_Rule = Callable[[Mapping[Symbol, Ball], bool], Ball]

_FUNCTIONS = {
    sympy.exp: lambda ball: ball.exp(),
    sympy.sin: lambda ball: ball.sin(),
    sympy.cos: lambda ball: ball.cos(),
    sympy.sinh: lambda ball: ball.sinh(),
    sympy.cosh: lambda ball: ball.cosh(),
    sympy.tanh: lambda ball: ball.tanh(),
    sympy.asin: lambda ball: ball.asin(),
    sympy.acos: lambda ball: ball.acos(),
    sympy.atan: lambda ball: ball.atan(),
    sympy.erf: lambda ball: ball.erf(),
    sympy.erfc: lambda ball: ball.erfc(),
    sympy.gamma: lambda ball: ball.gamma(),
    sympy.factorial: lambda ball: (ball + 1).gamma(),
    sympy.Abs: abs,
}


def ball_of(expression: Expr, values: Mapping[Symbol, Ball] | None = None, bits: int = PRECISION_BITS) -> Ball:
    """Return a ball that contains ``expression`` for every choice of its symbols within the balls ``values``.

    Parameters
    ----------
    expression : sympy.Expr
    values : mapping from sympy.Symbol to ball, optional
    bits : int
        Working precision.

    Raises
    ------
    NotImplementedError
        If the expression contains a function other than the elementary and special ones in this module, or a symbol
        without a ball in ``values``.

    Examples
    --------
    >>> ball = ball_of(sympy.exp(1))
    >>> bool(ball > 2.718281828459045 and ball < 2.718281828459046)
    True
    """
    with flint.ctx.workprec(bits):
        return _rule(expression)(values or {}, False)


def analytic_function(expression: Expr, variable: Symbol, values: Mapping[Symbol, Ball]) -> Callable[[acb, bool], acb]:
    """Return ``expression`` as a function of ``variable`` on complex balls, as `flint.acb.integral` calls it.

    The second argument requests a proof that the function is analytic on the ball; the value on a ball that meets a
    branch cut is then not finite. The precision is that of the caller's context.

    Raises
    ------
    NotImplementedError
        As in `ball_of`.
    """
    # Common subexpressions are evaluated once per point: the integrands share long polynomials.
    replacements, (reduced,) = sympy.cse(expression)
    steps = [(symbol, _rule(part)) for symbol, part in replacements]
    last = _rule(reduced)

    def function(point: acb, analytic: bool) -> acb:
        known = {**values, variable: point}
        for symbol, rule in steps:
            known[symbol] = rule(known, analytic)
        return acb(last(known, analytic))

    return function


def interval(lower: Expr, upper: Expr) -> arb:
    """Return a ball that contains the interval from ``lower`` to ``upper``, two rational numbers.

    Examples
    --------
    >>> bool(interval(sympy.Integer(0), sympy.Integer(1)).contains(flint.arb("0.5")))
    True
    """
    with flint.ctx.workprec(PRECISION_BITS):
        return ball_of(lower).union(ball_of(upper))


def format_ball(ball: arb, digits: int = 12) -> str:
    """Format a ball as its digits and its radius, as in ``0.718281828459 +/- 5e-39``.

    Examples
    --------
    >>> format_ball(ball_of(sympy.Integer(3) / 8))
    '0.375000000000 +/- 0'
    """
    return f"{ball.mid().str(digits, radius=False)} +/- {ball.rad().str(1, radius=False)}"


@cache
def _rule(expression: Expr) -> _Rule:
    """Return the function that evaluates ``expression`` from balls for its symbols."""
    if expression.is_Symbol:
        return lambda values, _: _value_of(expression, values)
    # Rules are cached, so that constants are rounded at each call, to the precision of its context.
    if expression.is_Rational:
        fraction = fmpq(int(expression.p), int(expression.q))
        return lambda *_: arb(fraction)
    if expression is sympy.pi:
        return lambda *_: arb.pi()
    if expression is sympy.E:
        return lambda *_: arb(1).exp()
    if expression.func is sympy.hyper:
        return _hypergeometric(expression)
    if expression.func is sympy.polylog:
        return _polylogarithm(expression)
    # Compound expressions combine the rules of their arguments.
    rules = [_rule(argument) for argument in expression.args]
    if expression.is_Add:
        return lambda values, analytic: sum((rule(values, analytic) for rule in rules), start=arb(0))
    if expression.is_Mul:
        return lambda values, analytic: _product(rule(values, analytic) for rule in rules)
    if expression.is_Pow:
        return _power(expression, rules)
    if expression.func is sympy.log:
        return lambda values, analytic: _logarithm(rules[0](values, analytic), analytic)
    if expression.func in _FUNCTIONS:
        function = _FUNCTIONS[expression.func]
        return lambda values, analytic: function(rules[0](values, analytic))
    raise NotImplementedError(f"no ball for {expression}")


def _value_of(symbol: Symbol, values: Mapping[Symbol, Ball]) -> Ball:
    if symbol not in values:
        raise NotImplementedError(f"no ball for {symbol}")
    return values[symbol]


def _product(factors: Any) -> Ball:
    total: Ball = arb(1)
    for factor in factors:
        total = total * factor
    return total


def _power(expression: Expr, rules: list[_Rule]) -> _Rule:
    # Arb computes integer powers and square roots directly; general powers go through the logarithm.
    base, exponent = rules
    if expression.exp.is_Integer:
        whole = int(expression.exp)
        return lambda values, analytic: base(values, analytic) ** whole
    if expression.exp == sympy.Rational(1, 2):
        return lambda values, analytic: _square_root(base(values, analytic), analytic)

    def power(values: Mapping[Symbol, Ball], analytic: bool) -> Ball:
        root, of = base(values, analytic), exponent(values, analytic)
        if not isinstance(root, acb):
            return root**of
        if not analytic and root.contains(0) and of > 0:
            # Arb gives no finite value on a ball around the branch point; with a positive exponent this bound holds.
            return _up_to(root.abs_upper() ** of)
        return root.pow(of, analytic=analytic)

    return power


def _up_to(bound: arb) -> acb:
    """Return a ball that contains all complex numbers of absolute value at most ``bound``."""
    error = arb(0, bound.upper()) if bound.is_finite() else arb("nan")
    return acb(error, error)


def _square_root(ball: Ball, analytic: bool) -> Ball:
    return ball.sqrt(analytic=analytic) if isinstance(ball, acb) else ball.sqrt()


def _logarithm(ball: Ball, analytic: bool) -> Ball:
    return ball.log(analytic=analytic) if isinstance(ball, acb) else ball.log()


def _hypergeometric(expression: Expr) -> _Rule:
    upper, lower, point = expression.args
    above, below = [_rule(entry) for entry in upper], [_rule(entry) for entry in lower]
    argument = _rule(point)
    # The function pFq with p = q + 1 has a branch cut from 1 to infinity.
    has_cut = len(above) == len(below) + 1

    def hypergeometric(values: Mapping[Symbol, Ball], analytic: bool) -> Ball:
        at = argument(values, analytic)
        if analytic and has_cut and _meets_the_cut(at):
            return acb("nan")
        parameters = [[rule(values, analytic) for rule in rules] for rules in (above, below)]
        # Only 2F1 has a formula near the branch point 1, which integrands reach; all others are left to Arb.
        if len(above) != 2 or len(below) != 1:
            return at.hypgeom(*parameters)
        (first, second), (third,) = parameters
        value = _gauss(first, second, third, acb(at))
        return value if isinstance(at, acb) else value.real

    return hypergeometric


def _gauss(a: arb, b: arb, c: arb, z: acb) -> acb:
    """Return the hypergeometric function 2F1; near 1 in powers of 1 - z (DLMF 15.8.4), where c - a - b > 0."""
    value = z.hypgeom_2f1(acb(a), acb(b), acb(c))
    excess, rest = c - a - b, 1 - z
    if value.is_finite() or not (rest.contains(0) and excess > 0):
        return value
    # The factor (1 - z)^(c - a - b) has a branch point at z = 1, so it is bounded instead of evaluated.
    regular = c.gamma() * excess.gamma() / ((c - a).gamma() * (c - b).gamma())
    singular = c.gamma() * (-excess).gamma() / (a.gamma() * b.gamma())
    return regular * rest.hypgeom_2f1(acb(a), acb(b), acb(1 - excess)) + singular * _up_to(
        rest.abs_upper() ** excess
    ) * rest.hypgeom_2f1(acb(c - a), acb(c - b), acb(1 + excess))


def _polylogarithm(expression: Expr) -> _Rule:
    order, argument = (_rule(part) for part in expression.args)

    def polylogarithm(values: Mapping[Symbol, Ball], analytic: bool) -> Ball:
        at = argument(values, analytic)
        if analytic and _meets_the_cut(at):
            return acb("nan")
        value = acb(at).polylog(order(values, analytic))
        return value if isinstance(at, acb) else value.real

    return polylogarithm


def _meets_the_cut(ball: Ball) -> bool:
    """Return whether the ball may meet the branch cut, the real numbers of at least 1."""
    point = acb(ball)
    return bool(not point.is_finite() or (point.imag.contains(0) and not point.real < 1))
