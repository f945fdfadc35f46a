"""Rigorous evaluation of sympy expressions in ball arithmetic (Arb, through python-flint).

A ball is guaranteed to contain the true value, so a comparison of two disjoint balls is a proof.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import flint
import sympy
from flint import acb, arb, arb_series, fmpq
from sympy import Expr, Symbol

PRECISION_BITS = 128

ROOT_DIGITS = 60
"""The digits of a root of a polynomial that has no other formula."""

Ball = Any
"""A real or a complex ball: `flint.arb` or `flint.acb`."""

_Rule = Callable[[Mapping[Symbol, Ball], bool], Ball]

_SeriesRule = Callable[[arb], Any]
"""A map from a ball to a power series about its points, or to a ball if the function is constant."""

_FUNCTIONS: Mapping[Any, Callable[[Ball], Ball]] = {
    sympy.exp: lambda ball: ball.exp(),
    sympy.sin: lambda ball: ball.sin(),
    sympy.cos: lambda ball: ball.cos(),
    sympy.sinh: lambda ball: ball.sinh(),
    sympy.cosh: lambda ball: ball.cosh(),
    sympy.tanh: lambda ball: ball.tanh(),
    sympy.tan: lambda ball: ball.tan(),
    sympy.cot: lambda ball: ball.cot(),
    sympy.erf: lambda ball: ball.erf(),
    sympy.erfc: lambda ball: ball.erfc(),
    sympy.gamma: lambda ball: ball.gamma(),
    sympy.factorial: lambda ball: (ball + 1).gamma(),
}
"""Functions that are analytic wherever they are finite."""


class EntropyTerm(sympy.Function):
    """The function u -> -u log u for u >= 0, with the value 0 at 0; a ball around 0 has a finite image."""

    nargs = 1

    def doit(self, **_: Any) -> Expr:
        """Return the term as a product."""
        return -self.args[0] * sympy.log(self.args[0])


def _absolute(ball: Ball, analytic: bool) -> Ball:
    # The modulus is not analytic; a real function is extended by u or -u on each side of its zeros. A ball that is 0
    # exactly, as of sign(x) + 1 for x < 0, is that of the function 0.
    if acb(ball).is_zero():
        return ball
    return ball.real_abs(analytic) if isinstance(ball, acb) else abs(ball)


def _sign(ball: Ball, analytic: bool) -> Ball:
    if acb(ball).is_zero():
        return ball
    return ball.real_sgn(analytic) if isinstance(ball, acb) else ball.sgn()


def _step(ball: Ball, analytic: bool) -> Ball:
    value = acb(ball).real_heaviside(analytic and not acb(ball).is_zero())
    return value if isinstance(ball, acb) else value.real


def _arcsine(ball: Ball, analytic: bool) -> Ball:
    return acb("nan") if analytic and _leaves_unit_interval(ball) else ball.asin()


def _arccosine(ball: Ball, analytic: bool) -> Ball:
    return acb("nan") if analytic and _leaves_unit_interval(ball) else ball.acos()


def _arctangent(ball: Ball, analytic: bool) -> Ball:
    return acb("nan") if analytic and _leaves_unit_interval(acb(ball) * acb(0, 1)) else ball.atan()


def _inverse_hyperbolic_sine(ball: Ball, analytic: bool) -> Ball:
    return acb("nan") if analytic and _leaves_unit_interval(acb(ball) * acb(0, 1)) else ball.asinh()


def _entropy_term(ball: Ball, analytic: bool) -> Ball:
    if analytic or not acb(ball).contains(0):
        return -ball * _logarithm(ball, analytic)
    # |u log u| increases up to 1/e, and beyond 1 as well.
    size = abs(ball).upper()
    if size.is_zero():
        return ball
    bound = (arb(1) / arb(1).exp()).max(abs(size * size.log())) if size > 0.36 else abs(size * size.log())
    return _up_to(bound) if isinstance(ball, acb) else arb(0, bound.upper())


_REAL_FUNCTIONS: Mapping[Any, Callable[[Ball, bool], Ball]] = {
    sympy.Abs: _absolute,
    sympy.sign: _sign,
    sympy.Heaviside: _step,
    sympy.asin: _arcsine,
    sympy.acos: _arccosine,
    sympy.atan: _arctangent,
    sympy.asinh: _inverse_hyperbolic_sine,
    EntropyTerm: _entropy_term,
}
"""Functions with a branch cut or a kink, on which they are not analytic."""


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


def taylor_coefficients(expression: Expr, variable: Symbol) -> Callable[[arb, int], list[arb]]:
    """Return the function that encloses the first Taylor coefficients of ``expression`` about all points of a ball.

    It is called with a real ball and a count. Where ``expression`` is not known to be analytic on the ball, the
    coefficients are not finite.

    Raises
    ------
    NotImplementedError
        If the expression contains a function without power series in this module.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> [float(one) for one in taylor_coefficients(sympy.exp(x) - x, x)(arb(0), 4)][:3]
    [1.0, 0.0, 0.5]
    """
    rule = _series_rule(expression, variable)

    def coefficients(ball: arb, count: int) -> list[arb]:
        with _series_of(count):
            try:
                series = arb_series(rule(ball))
            except (_NotAnalytic, ValueError, ZeroDivisionError):
                return [arb.nan()] * count
            # A series divided by a power of the variable is known to fewer terms.
            return [series[k] for k in range(count)] if series.prec >= count else [arb.nan()] * count

    return coefficients


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
    if expression.is_Float:
        exact = sympy.Rational(expression)
        return lambda *_: arb(fmpq(int(exact.p), int(exact.q)))
    if isinstance(expression, sympy.CRootOf) and expression.is_real:
        near = sympy.Rational(expression.eval_rational(n=ROOT_DIGITS))
        root = arb(fmpq(int(near.p), int(near.q))) + arb(0, arb(10) ** -ROOT_DIGITS)
        return lambda *_: root
    if expression is sympy.pi:
        return lambda *_: arb.pi()
    if expression is sympy.E:
        return lambda *_: arb(1).exp()
    if expression is sympy.EulerGamma:
        return lambda *_: arb.const_euler()
    if expression.func is sympy.hyper:
        return _hypergeometric(expression)
    if expression.func is sympy.polylog:
        return _polylogarithm(expression)
    if expression.func is sympy.polygamma and expression.args[0] == 0:
        argument = _rule(expression.args[1])
        return lambda values, analytic: argument(values, analytic).digamma()
    if expression.func is sympy.Piecewise:
        return _piecewise(expression)
    if expression.func is sympy.betainc_regularized and expression.args[2] == 0:
        return _beta_distribution(expression)
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
    if expression.func in _REAL_FUNCTIONS:
        real_function = _REAL_FUNCTIONS[expression.func]
        return lambda values, analytic: real_function(rules[0](values, analytic), analytic)
    if expression.func in (sympy.Max, sympy.Min):
        return _extreme(rules, greatest=expression.func is sympy.Max)
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
        return lambda values, analytic: integer_power(base(values, analytic), whole)
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


def integer_power(ball: Ball, exponent: int) -> Ball:
    """Return a power of a ball; that of a real ball around 0 is finite, which it is not by python-flint's operator."""
    if isinstance(ball, arb) and ball.contains(0) and exponent >= 0:
        return (acb(ball) ** exponent).real
    return ball**exponent


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


def _piecewise(expression: Expr) -> _Rule:
    branches = [(_rule(value), _condition(condition)) for value, condition in expression.args]

    def piecewise(values: Mapping[Symbol, Ball], analytic: bool) -> Ball:
        possible: Ball = None
        for rule, condition in branches:
            holds = condition(values)
            if holds is False:
                continue
            if holds is None and analytic:
                return acb("nan")
            value = rule(values, analytic)
            possible = value if possible is None else acb(possible).union(acb(value))
            if holds:
                return possible
        # Outside all conditions the expression is undefined.
        return acb("nan")

    return piecewise


def _condition(condition: Any) -> Callable[[Mapping[Symbol, Ball]], bool | None]:
    """Return the function that decides ``condition`` on balls: True, False, or None if it may be either."""
    if condition in (True, False):
        return lambda _: bool(condition)
    if isinstance(condition, sympy.And | sympy.Or | sympy.Not):
        parts = [_condition(part) for part in condition.args]
        return lambda values: _combine(condition, [part(values) for part in parts])
    if not isinstance(condition, sympy.core.relational.Relational):
        raise NotImplementedError(f"no ball for {condition}")
    difference = _rule(condition.lhs - condition.rhs)
    return lambda values: _compare(condition, difference(values, False))


def _combine(condition: Any, parts: list[bool | None]) -> bool | None:
    if isinstance(condition, sympy.Not):
        return None if parts[0] is None else not parts[0]
    decisive = isinstance(condition, sympy.Or)
    if decisive in parts:
        return decisive
    return None if None in parts else not decisive


def _compare(condition: Any, difference: Ball) -> bool | None:
    """Decide a relation between a difference and 0; on complex balls it is that of the real parts."""
    real = acb(difference).real
    if real > 0:
        return isinstance(condition, sympy.Gt | sympy.Ge | sympy.Ne)
    if real < 0:
        return isinstance(condition, sympy.Lt | sympy.Le | sympy.Ne)
    if real.is_zero() and acb(difference).imag.is_zero():
        return isinstance(condition, sympy.Ge | sympy.Le | sympy.Eq)
    return None


def _extreme(rules: list[_Rule], greatest: bool) -> _Rule:
    def extreme(values: Mapping[Symbol, Ball], analytic: bool) -> Ball:
        first, *others = (acb(rule(values, analytic)) for rule in rules)
        for other in others:
            first = first.real_max(other, analytic) if greatest else first.real_min(other, analytic)
        return first if any(isinstance(value, acb) for value in values.values()) else first.real

    return extreme


def _beta_distribution(expression: Expr) -> _Rule:
    first, second, _, point = (_rule(part) for part in expression.args)

    def distribution(values: Mapping[Symbol, Ball], analytic: bool) -> Ball:
        return point(values, analytic).beta_lower(first(values, analytic), second(values, analytic), regularized=1)

    return distribution


def _leaves_unit_interval(ball: Ball) -> bool:
    """Return whether the ball may meet the branch cuts of the arcsine, the real numbers of at least 1 in size."""
    point = acb(ball)
    return bool(not point.is_finite() or (point.imag.contains(0) and not abs(point.real) < 1))


def _meets_the_cut(ball: Ball) -> bool:
    """Return whether the ball may meet the branch cut, the real numbers of at least 1."""
    point = acb(ball)
    return bool(not point.is_finite() or (point.imag.contains(0) and not point.real < 1))


class _NotAnalytic(Exception):
    """Raised where a ball meets a kink, a jump or the end of a domain."""


@contextlib.contextmanager
def _series_of(count: int) -> Iterator[None]:
    """Compute power series up to ``count`` terms in the block."""
    before, flint.ctx.cap = flint.ctx.cap, count
    try:
        yield
    finally:
        flint.ctx.cap = before


_SERIES: Mapping[Any, Callable[[arb_series], arb_series]] = {
    sympy.exp: lambda u: u.exp(),
    sympy.log: lambda u: u.log(),
    sympy.sin: lambda u: u.sin(),
    sympy.cos: lambda u: u.cos(),
    sympy.tan: lambda u: u.tan(),
    sympy.cot: lambda u: u.cos() * u.sin() ** -1,
    sympy.sinh: lambda u: (u.exp() - (-u).exp()) * arb(0.5),
    sympy.cosh: lambda u: (u.exp() + (-u).exp()) * arb(0.5),
    sympy.tanh: lambda u: 1 - 2 * ((2 * u).exp() + 1) ** -1,
    sympy.asin: lambda u: u.asin(),
    sympy.acos: lambda u: u.acos(),
    sympy.atan: lambda u: u.atan(),
    sympy.asinh: lambda u: (u + (u**2 + 1).sqrt()).log(),
    sympy.erf: lambda u: u.erf(),
    sympy.erfc: lambda u: u.erfc(),
    sympy.gamma: lambda u: u.gamma(),
    sympy.factorial: lambda u: (u + 1).gamma(),
    EntropyTerm: lambda u: -u * u.log(),
    sympy.Abs: lambda u: u * _definite_sign(u),
    sympy.sign: lambda u: arb_series([_definite_sign(u)]),
    sympy.Heaviside: lambda u: arb_series([(1 + _definite_sign(u)) / 2]),
}
"""Functions of a power series; kinks and jumps have one only beside them."""


@cache
def _series_rule(expression: Expr, variable: Symbol) -> _SeriesRule:
    """Return the function that expands ``expression`` about all points of a ball."""
    if not expression.has(variable):
        constant = _rule(expression)
        return lambda _: constant({}, False)
    if expression == variable:
        return lambda ball: arb_series([ball, arb(1)])
    if isinstance(expression, sympy.Piecewise):
        return _series_of_cases(expression, variable)
    rules = [_series_rule(argument, variable) for argument in expression.args]
    if expression.is_Add:
        return lambda ball: sum((rule(ball) for rule in rules), start=arb_series([0]))
    if expression.is_Mul:
        return lambda ball: _product(rule(ball) for rule in rules)
    if expression.is_Pow:
        return _power_of_series(expression, rules)
    if isinstance(expression, sympy.Max | sympy.Min):
        return _extreme_of_series(rules, 1 if isinstance(expression, sympy.Max) else -1)
    if expression.func not in _SERIES:
        raise NotImplementedError(f"no power series for {expression}")
    function = _SERIES[expression.func]
    return lambda ball: function(arb_series(rules[0](ball)))


def _power_of_series(expression: Expr, rules: list[_SeriesRule]) -> _SeriesRule:
    base, exponent = rules
    if expression.exp.is_Integer:
        whole = int(expression.exp)
        return lambda ball: base(ball) ** whole
    if expression.exp == sympy.Rational(1, 2):
        return lambda ball: arb_series(base(ball)).sqrt()
    return lambda ball: (exponent(ball) * arb_series(base(ball)).log()).exp()


def _series_of_cases(expression: Expr, variable: Symbol) -> _SeriesRule:
    branches = [(_series_rule(value, variable), _condition(condition)) for value, condition in expression.args]

    def series(ball: arb) -> Any:
        for rule, condition in branches:
            holds = condition({variable: ball})
            if holds:
                return rule(ball)
            if holds is None:
                break
        raise _NotAnalytic

    return series


def _extreme_of_series(rules: list[_SeriesRule], wanted: int) -> _SeriesRule:
    def extreme(ball: arb) -> Any:
        best, *others = (arb_series(rule(ball)) for rule in rules)
        for other in others:
            best = other if _definite_sign(other - best) == wanted else best
        return best

    return extreme


def _definite_sign(series: arb_series) -> int:
    value = series[0]
    if not value.is_finite() or value.contains(0):
        raise _NotAnalytic
    return 1 if value > 0 else -1
