"""Exact numbers in the names of densities and weights, such as ``uniform:-1,1`` or ``window:1/3,2.5``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sympy import Expr, Rational

from theory.names import FAMILY_PARAMETERS

NUMBER = r"[-+]?(?:\d+/0*[1-9]\d*|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?)"
"""A decimal number or a fraction of integers, as a regular expression."""

LONGEST = 200
"""The most characters in a number; longer ones may overflow when converted to floating point."""


def parse_numbers(text: str, count: int) -> tuple[Rational, ...] | None:
    """Parse ``count`` numbers separated by commas; return None if ``text`` is anything else.

    Examples
    --------
    >>> parse_numbers("-0.5, 2/3", 2)
    (-1/2, 2/3)
    """
    found = [parse_number(part.strip()) for part in text.split(",")]
    numbers = tuple(number for number in found if number is not None)
    return numbers if len(found) == len(numbers) == count else None


def parse_number(text: str) -> Rational | None:
    """Parse one number; return None if ``text`` is anything else.

    Examples
    --------
    >>> parse_number("1/3"), parse_number("1e400"), parse_number("one")
    (1/3, None, None)
    """
    return Rational(text) if len(text) <= LONGEST and re.fullmatch(NUMBER, text) else None


def format_number(number: Expr) -> str:
    """Format a number as a decimal if that is exact, otherwise as a fraction; `parse_numbers` reads both.

    Examples
    --------
    >>> format_number(Rational(-5, 4)), format_number(Rational(1, 3))
    ('-1.25', '1/3')
    """
    decimals = f"{float(number):.15g}", repr(float(number))
    exact = (decimal for decimal in decimals if not number.is_Rational or Rational(decimal) == number)
    return next(exact, str(number))


def format_name(family: str, parameters: Sequence[Expr]) -> str:
    """Return the name of a density of a family, without parameters at the end that have their defaults.

    Examples
    --------
    >>> format_name("gamma", [Rational(5, 2), Rational(1), Rational(0)])
    'gamma:2.5'
    """
    written = [format_number(parameter) for parameter in parameters]
    defaults = [parameter.partition("=")[2] for parameter in FAMILY_PARAMETERS[family].split(",")]
    while written and written[-1] == defaults[len(written) - 1]:
        written.pop()
    return f"{family}:{','.join(written)}" if written else family
