"""Exact numbers in the names of densities and weights, such as ``uniform:-1,1`` or ``window:1/3,2.5``."""

from __future__ import annotations

import re

from sympy import Expr, Rational

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
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != count or not all(len(part) <= LONGEST and re.fullmatch(NUMBER, part) for part in parts):
        return None
    return tuple(Rational(part) for part in parts)


def format_number(number: Expr) -> str:
    """Format a number as a decimal if that is exact, otherwise as a fraction; `parse_numbers` reads both.

    Examples
    --------
    >>> format_number(Rational(-5, 4)), format_number(Rational(1, 3))
    ('-1.25', '1/3')
    """
    decimal = f"{float(number):.15g}"
    return decimal if not number.is_Rational or Rational(decimal) == number else str(number)
