"""The datum of a claim as text, evaluated without sympy: Python's parser, and mpmath for the values."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mpmath import mp, mpf

from foundation.errors import InputError
from theory.ledger.registry import claim_named

DIGITS = 40

#: Two values are one if they differ by less, relative to their size.
CLOSE = mpf(10) ** -25

TRIALS = 6

LARGEST_EXPONENT = 10_000

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "abs": abs,
    "digamma": mp.digamma,
    "factorial": mp.factorial,
    "gamma": mp.gamma,
    "acos": mp.acos,
    "asin": mp.asin,
    "atan": mp.atan,
    "cos": mp.cos,
    "cosh": mp.cosh,
    "erf": mp.erf,
    "exp": mp.exp,
    "log": mp.log,
    "sin": mp.sin,
    "sinh": mp.sinh,
    "sqrt": mp.sqrt,
    "tanh": mp.tanh,
}

_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.Pow: lambda left, right: _power(left, right),
}


def _power(base: Any, exponent: Any) -> Any:
    # Whole powers are computed by multiplication, one beyond this without end.
    if abs(exponent) > LARGEST_EXPONENT:
        raise NoValue
    return base**exponent


def is_read(datum: Datum) -> bool:
    """Return whether the claim's grammar takes the datum."""
    try:
        claim_named(datum.claim_id).parse(datum.text)
    except InputError:
        return False
    return True


class NoValue(Exception):
    """Raised where a datum has no real value."""


@dataclass(frozen=True)
class Datum:
    """What a claim states, or might have stated, as it is typed."""

    claim_id: str
    text: str

    @cached_property
    def elements(self) -> list[ast.expr]:
        """The expressions of a tuple, or the one expression."""
        body = ast.parse(self.text.strip(), mode="eval").body
        return body.elts if isinstance(body, ast.Tuple) else [body]

    @cached_property
    def parts(self) -> list[str]:
        """The expressions as they are typed."""
        return [ast.get_source_segment(self.text.strip(), element) or "" for element in self.elements]

    @cached_property
    def decimals(self) -> list[tuple[mpf, mpf]]:
        """For each number its value and half a unit in the last digit typed, 0 for a number without a point."""
        return [_rounded(part) for part in self.parts]

    def at(self, **values: Any) -> list[mpf]:
        """Return the values of the expressions; raise `NoValue` if one is not real and finite."""
        with mp.workdps(max(DIGITS, mp.dps)):
            numbers = {
                name: mpf(value) if isinstance(value, int | float | str) else value for name, value in values.items()
            }
            return [_value(element, numbers) for element in self.elements]

    def alone(self, **values: Any) -> mpf:
        """Return the value of the only expression."""
        (value,) = self.at(**values)
        return value

    def numbers(self) -> list[mpf]:
        """Return the values of expressions without symbols."""
        return self.at()


def _rounded(part: str) -> tuple[mpf, mpf]:
    bare = part.strip().lstrip("+-(").rstrip(")")
    if not any(mark in bare for mark in ".eE") or not bare.replace(".", "").replace("e", "").replace("-", "").isdigit():
        return Datum("", part).alone(), mpf(0)
    mantissa, _, exponent = bare.lower().partition("e")
    places = len(mantissa.partition(".")[2]) - int(exponent or 0)
    with mp.workdps(DIGITS):
        return Datum("", part).alone(), mpf(10) ** -places / 2


def _value(node: ast.expr, values: Mapping[str, Any]) -> mpf:
    try:
        value = _evaluate(node, values)
    except (ArithmeticError, ValueError, TypeError, OverflowError):
        raise NoValue from None
    if isinstance(value, mp.mpc):
        raise NoValue
    if not mp.isfinite(value):
        raise NoValue
    return mpf(value)


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=int() as number):
            return mpf(number)
        case ast.Constant(value=float() as number):
            return mpf(repr(number))
        case ast.Name(id=name) if name in values:
            return values[name]
        case ast.Name(id="pi"):
            return +mp.pi
        case ast.Name(id="E"):
            return +mp.e
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, values)
        case ast.UnaryOp(operand=operand):
            return _evaluate(operand, values)
        case ast.BinOp(left=left, op=operator, right=right):
            return _OPERATIONS[type(operator)](_evaluate(left, values), _evaluate(right, values))
        case ast.Call(func=ast.Name(id=name), args=[argument]):
            return _FUNCTIONS[name](_evaluate(argument, values))
    raise NoValue


def points(claim_id: str, domain: Mapping[str, tuple[float, float]]) -> list[dict[str, mpf]]:
    """Return random values of a claim's symbols within their assumptions, or within ``domain``."""
    generator = random.Random(claim_id)
    chosen = []
    for _ in range(TRIALS):
        values = {}
        for symbol in claim_named(claim_id).symbols:
            lower, upper = domain.get(symbol.name, (0.2, 3.0) if symbol.is_nonnegative else (-2.0, 2.0))
            value = generator.uniform(lower, upper)
            values[symbol.name] = mpf(generator.randint(2, 9)) if symbol.is_integer else mpf(repr(value))
        chosen.append(values)
    return chosen


def same(datum: Datum, other: Datum, **domain: tuple[float, float]) -> bool | None:
    """Return whether two data have the same values at random points; None where they have none."""
    if len(datum.elements) != len(other.elements):
        return False
    compared = 0
    for values in points(datum.claim_id, domain):
        try:
            pairs = list(zip(datum.at(**values), other.at(**values), strict=True))
        except NoValue:
            continue
        compared += 1
        if any(abs(one - two) > CLOSE * (abs(one) + abs(two)) for one, two in pairs):
            return False
    return True if compared > TRIALS / 2 else None
