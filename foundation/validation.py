"""What a JSON document of ours must look like: a form takes a value and says whether it is of that form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Form = Callable[[Any], bool]

#: Beyond this a sum of squares would leave double precision.
LARGEST = 1e150


def text(value: Any) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def number(value: Any) -> bool:
    """Whether it is a finite number.

    Examples
    --------
    >>> number(1.5), number(float("nan")), number("1")
    (True, False, False)
    """
    return real(value) and -LARGEST < value < LARGEST


def real(value: Any) -> bool:
    """Whether it is a number, be it infinite or NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def integer(value: Any) -> bool:
    """Whether it is a whole number that 64 bits hold."""
    return type(value) is int and -(2**63) <= value < 2**63


def whole(value: Any) -> bool:
    """Whether it is a whole number from 0 to 2^63 - 1.

    Examples
    --------
    >>> whole(3), whole(-1), whole(True)
    (True, False, False)
    """
    return type(value) is int and 0 <= value < 2**63


def nothing(value: Any) -> bool:
    """Whether it is null."""
    return value is None


def either(*forms: Form) -> Form:
    """Whether it has one of these forms."""
    return lambda value: any(form(value) for form in forms)


def one_of(*values: Any) -> Form:
    """Whether it is one of these strings.

    Examples
    --------
    >>> one_of("running", "finished")("running")
    True
    """
    return lambda value: isinstance(value, str) and value in values


def listed(form: Form) -> Form:
    """Whether it is a list of values of a form.

    Examples
    --------
    >>> listed(number)([1, 2.5]), listed(number)([1, None])
    (True, False)
    """
    return lambda value: isinstance(value, list) and all(map(form, value))


def mapping(form: Form) -> Form:
    """Whether it is an object whose values have a form, whatever their names."""
    return lambda value: isinstance(value, dict) and all(map(form, value.values()))


def record(required: Mapping[str, Form], optional: Mapping[str, Form] | None = None) -> Form:
    """Whether it is an object in which the required names, and the optional ones where they stand, have their forms.

    Examples
    --------
    >>> point = record({"x": number}, {"label": text})
    >>> point({"x": 1, "other": None}), point({"x": True}), point({"x": 1, "label": 2})
    (True, False, False)
    """
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and form(value[name]) for name, form in required.items())
        and all(form(value[name]) for name, form in (optional or {}).items() if name in value)
    )
