"""The grammar of the names of densities: ``family:parameters``, ``family(parameters)`` and sums of such terms.

Nothing is evaluated: a name is cut at commas and signs outside of parentheses, and its parts are numbers or words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sympy import Rational

from foundation.errors import InputError
from theory.densities.numbers import parse_number

_CALL = re.compile(r"\s*([A-Za-z]\w*)\s*(?::(?P<after>.*)|\((?P<within>.*)\))?\s*", re.DOTALL)


@dataclass(frozen=True)
class Call:
    """A family and what stands after it.

    Attributes
    ----------
    family : str
    arguments : str
        The text after the colon or between the parentheses; empty without them.
    """

    family: str
    arguments: str


def read_call(text: str) -> Call | None:
    """Read ``family``, ``family:parameters`` or ``family(parameters)``; return None for anything else.

    Examples
    --------
    >>> read_call("gamma:2,1"), read_call("scipy:t(5)"), read_call("2*x")
    (Call(family='gamma', arguments='2,1'), Call(family='scipy', arguments='t(5)'), None)
    """
    found = _CALL.fullmatch(text)
    if found is None:
        return None
    return Call(found[1], (found["after"] or found["within"] or "").strip())


def read_numbers(text: str, what: str, remedy: str) -> tuple[list[Rational], dict[str, Rational]]:
    """Read numbers separated by commas, the last of which may have names, as in ``2,scale=3``.

    Raises
    ------
    InputError
        If a part is not a number; the message calls the density ``what`` and ends with the ``remedy``.

    Examples
    --------
    >>> read_numbers("2, scale=1/3", "it", "")
    ([2], {'scale': 1/3})
    """
    values: list[Rational] = []
    named: dict[str, Rational] = {}
    for part in text.split(",") if text.strip() else ():
        name, equals, number = (word.strip() for word in part.partition("="))
        value = parse_number(number if equals else name)
        if value is None:
            raise InputError(f"a parameter of {what} must be a number, got {_quote(part.strip())}. {remedy}")
        if not equals and named:
            raise InputError(
                f"the parameters of {what} without names must come first, got {_quote(part)} last. {remedy}"
            )
        if equals and name in named:
            raise InputError(f"the parameter {_quote(name)} of {what} must be given once, got it twice. {remedy}")
        if equals:
            named[name] = value
        else:
            values.append(value)
    return values, named


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
