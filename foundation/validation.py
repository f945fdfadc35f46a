"""Predicates for the values of a JSON document, and the requirement on a positive whole number."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from foundation.errors import InputError

Predicate: TypeAlias = Callable[[Any], bool]

#: A sum of squares of larger numbers would overflow double precision.
LARGEST_NUMBER = 1e150


def is_text(value: Any) -> bool:
    """Return whether a value is a string."""
    return isinstance(value, str)


def is_finite_number(value: Any) -> bool:
    """Return whether a value is a number of absolute value below `LARGEST_NUMBER`.

    Examples
    --------
    >>> is_finite_number(1.5), is_finite_number(float("nan")), is_finite_number("1")
    (True, False, False)
    """
    return is_number(value) and -LARGEST_NUMBER < value < LARGEST_NUMBER


def is_positive(value: Any) -> bool:
    """Return whether a value is a positive number below `LARGEST_NUMBER`, such as an error of reconstruction.

    Examples
    --------
    >>> is_positive(1.5), is_positive(0), is_positive(-1)
    (True, False, False)
    """
    return is_finite_number(value) and value > 0


def is_not_negative(value: Any) -> bool:
    """Return whether a value is a number from 0 to `LARGEST_NUMBER`, such as a distance, a variance or a duration.

    Examples
    --------
    >>> is_not_negative(0), is_not_negative(-1)
    (True, False)
    """
    return is_finite_number(value) and value >= 0


def is_number(value: Any) -> bool:
    """Return whether a value is a number, infinity and NaN included."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer of 64 bits, from -2^63 to 2^63 - 1."""
    return type(value) is int and -(2**63) <= value < 2**63


def is_count(value: Any) -> bool:
    """Return whether a value is an integer from 0 to 2^63 - 1.

    Examples
    --------
    >>> is_count(3), is_count(-1), is_count(True)
    (True, False, False)
    """
    return type(value) is int and 0 <= value < 2**63


def is_null(value: Any) -> bool:
    """Return whether a value is null."""
    return value is None


def is_any_of(*predicates: Predicate) -> Predicate:
    """Return the predicate that holds where one of the predicates does."""
    return lambda value: any(predicate(value) for predicate in predicates)


def is_one_of(*strings: str) -> Predicate:
    """Return the predicate that holds for each of the strings, and for no other value.

    Examples
    --------
    >>> is_one_of("running", "finished")("running")
    True
    """
    return lambda value: isinstance(value, str) and value in strings


def is_list_of(predicate: Predicate) -> Predicate:
    """Return the predicate that holds for a list all of whose items satisfy ``predicate``.

    Examples
    --------
    >>> is_list_of(is_finite_number)([1, 2.5]), is_list_of(is_finite_number)([1, None])
    (True, False)
    """
    return lambda value: isinstance(value, list) and all(map(predicate, value))


def is_mapping_of(predicate: Predicate) -> Predicate:
    """Return the predicate that holds for an object all of whose values satisfy ``predicate``."""
    return lambda value: isinstance(value, dict) and all(map(predicate, value.values()))


def is_record(required: Mapping[str, Predicate], optional: Mapping[str, Predicate] | None = None) -> Predicate:
    """Return the predicate that holds for an object whose named values satisfy the predicates for them.

    The ``required`` names must be present. The ``optional`` ones may be absent, and other names are permitted.

    Examples
    --------
    >>> is_point = is_record({"x": is_finite_number}, {"label": is_text})
    >>> is_point({"x": 1, "other": None}), is_point({"x": True}), is_point({"x": 1, "label": 2})
    (True, False, False)
    """
    return lambda value: (
        isinstance(value, dict)
        and all(name in value and predicate(value[name]) for name, predicate in required.items())
        and all(predicate(value[name]) for name, predicate in (optional or {}).items() if name in value)
    )


def require_positive(name: str, value: int, largest: int | None = None, remedy: str = "") -> None:
    """Require a whole number of at least 1 and at most ``largest``, if that is given.

    Raises
    ------
    InputError
        If it is not; the message calls the value ``name`` and ends with the sentence ``remedy``.

    Examples
    --------
    >>> require_positive("--images", 0)
    Traceback (most recent call last):
        ...
    foundation.errors.InputError: --images must be a positive whole number, got 0.
    """
    # Integers of NumPy and sympy are whole numbers as well; floats are not, even where their value is whole.
    try:
        number = operator.index(value)
    except TypeError:
        number = 0
    ending = f" {remedy}" if remedy else ""
    if number < 1:
        raise InputError(f"{name} must be a positive whole number, got {value}.{ending}")
    if largest is not None and number > largest:
        raise InputError(f"{name} must be at most {largest:,}, got {number:,}.{ending}")
