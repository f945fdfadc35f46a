"""Rigorous values: sympy expressions in ball arithmetic (Arb, through python-flint).

A ball encloses the true value for certain, so a comparison of two disjoint balls is a proof.
"""

from __future__ import annotations

from collections.abc import Mapping

import flint
import sympy
from sympy import Expr

PRECISION_BITS = 128

_FUNCTIONS = {
    sympy.exp: lambda ball: ball.exp(),
    sympy.log: lambda ball: ball.log(),
    sympy.sin: lambda ball: ball.sin(),
    sympy.cos: lambda ball: ball.cos(),
    sympy.sinh: lambda ball: ball.sinh(),
    sympy.cosh: lambda ball: ball.cosh(),
    sympy.tanh: lambda ball: ball.tanh(),
    sympy.asin: lambda ball: ball.asin(),
    sympy.acos: lambda ball: ball.acos(),
    sympy.atan: lambda ball: ball.atan(),
    sympy.erf: lambda ball: ball.erf(),
    sympy.factorial: lambda ball: (ball + 1).gamma(),
    sympy.Abs: abs,
}


def ball_of(expression: Expr, values: Mapping[sympy.Symbol, flint.arb] | None = None) -> flint.arb:
    """Return a ball that contains ``expression`` for every choice of its symbols within the balls ``values``.

    Raises
    ------
    NotImplementedError
        If the expression uses something other than elementary functions of the given symbols.
    """
    with flint.ctx.workprec(PRECISION_BITS):
        return _enclose(expression, values or {})


def interval(lower: Expr, upper: Expr) -> flint.arb:
    """Return a ball that contains the interval from ``lower`` to ``upper``, two rational numbers."""
    with flint.ctx.workprec(PRECISION_BITS):
        return _enclose(lower, {}).union(_enclose(upper, {}))


def shown(ball: flint.arb, digits: int = 12) -> str:
    """Return the ball as text: its digits and its radius, as in ``0.718281828459 +/- 5e-39``."""
    return f"{ball.mid().str(digits, radius=False)} +/- {ball.rad().str(1, radius=False)}"


def _enclose(expression: Expr, values: Mapping[sympy.Symbol, flint.arb]) -> flint.arb:
    if expression in values:
        return values[expression]
    if expression.is_Rational:
        return flint.arb(flint.fmpq(int(expression.p), int(expression.q)))
    if expression is sympy.pi:
        return flint.arb.pi()
    if expression is sympy.E:
        return flint.arb(1).exp()
    if expression.func is sympy.hyper:
        *parameters, point = expression.args
        return _enclose(point, values).hypgeom(*([_enclose(entry, values) for entry in row] for row in parameters))
    arguments = [_enclose(argument, values) for argument in expression.args]
    if expression.is_Add:
        return sum(arguments, start=flint.arb(0))
    if expression.is_Mul:
        product = flint.arb(1)
        for argument in arguments:
            product = product * argument
        return product
    if expression.is_Pow:
        return _power(expression, arguments)
    if expression.func in _FUNCTIONS:
        return _FUNCTIONS[expression.func](*arguments)
    raise NotImplementedError(f"no ball for {expression}")


def _power(expression: Expr, arguments: list[flint.arb]) -> flint.arb:
    base, exponent = arguments
    if expression.exp.is_Integer:
        return base ** int(expression.exp)
    if expression.exp == sympy.Rational(1, 2):
        return base.sqrt()
    return base**exponent
