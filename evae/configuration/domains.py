"""Domains of options: accepted values, error messages for other values, and JSON Schemas."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foundation.errors import InputError, suggest

#: Bounds of a weight and of B: single precision resolves them, and a learned B is at least the lower bound.
SMALLEST, LARGEST = 1e-6, 1e6

#: Largest number of epochs, of images in a step and of images in a data set: more would never finish.
MOST = 10**9

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def _accept_all(_value: Any) -> bool:
    return True


@dataclass(frozen=True)
class Domain:
    """The values that an option accepts; any by default.

    Parameters
    ----------
    type : type
        The type to which the command line converts a word: str, int or float; bool for an option without a value.
    rule : str
        The requirement on a value, as in "a positive number".
    accepts : callable
        Whether a value is in the domain.
    keywords : mapping
        Keywords of the JSON Schema besides the type.
    words : tuple of str
        Completions for a shell.
    """

    type: type = str
    rule: str = ""
    accepts: Callable[[Any], bool] = _accept_all
    keywords: Mapping[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()

    def require(self, flag: str, value: Any) -> Any:
        """Return ``value`` as it is stored.

        Raises
        ------
        InputError
            If the value is outside the domain; the message names the option by its ``flag``.
        """
        if not self.accepts(value):
            raise InputError(f"{flag} must be {self.rule}, got {value!r}.")
        return value

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of a value."""
        return {"type": _JSON_TYPES[self.type], **self.keywords}


def whole_number(minimum: int = 1, maximum: int = MOST) -> Domain:
    """Return the whole numbers from ``minimum`` to ``maximum``."""
    return Domain(
        int,
        f"a whole number from {minimum:,} to {maximum:,}",
        lambda value: _is_number(value, int) and minimum <= value <= maximum,
        {"minimum": minimum, "maximum": maximum},
    )


def multiple_of(divisor: int, minimum: int, maximum: int) -> Domain:
    """Return the multiples of ``divisor`` from ``minimum`` to ``maximum``."""
    return Domain(
        int,
        f"a multiple of {divisor} from {minimum:,} to {maximum:,}",
        lambda value: _is_number(value, int) and minimum <= value <= maximum and value % divisor == 0,
        {"minimum": minimum, "maximum": maximum, "multipleOf": divisor},
    )


def number(minimum: float = SMALLEST, maximum: float = LARGEST) -> Domain:
    """Return the numbers from ``minimum`` to ``maximum``."""
    return Domain(
        float,
        f"a number from {minimum:g} to {_format_bound(maximum)}",
        lambda value: _is_number(value, float | int) and minimum <= value <= maximum,
        {"minimum": minimum, "maximum": maximum},
    )


POSITIVE = Domain(
    float,
    "a positive number",
    lambda value: _is_number(value, float | int) and 0 < value <= sys.float_info.max,
    {"exclusiveMinimum": 0},
)

SWITCH = Domain(bool, "True or False", lambda value: isinstance(value, bool))

#: A name that every file system allows, without parent folders.
FOLDER_NAME = Domain(
    str,
    "a plain folder name of letters, digits and . _ + -, at most 200",
    lambda value: isinstance(value, str) and re.fullmatch(r"[\w][\w.+-]{0,199}", value) is not None,
)


@dataclass(frozen=True)
class Choice(Domain):
    """One of the ``words``; the error message for another value suggests the nearest word.

    Parameters
    ----------
    aliases : mapping of str to str
        Words that are rejected, with the accepted word that each stands for.
    """

    aliases: Mapping[str, str] = field(default_factory=dict)

    def require(self, flag: str, value: Any) -> Any:
        """Return the word."""
        if value in self.words:
            return value
        meant = self.aliases.get(str(value))
        near = f"Did you mean {meant}?" if meant else suggest(str(value), self.words)
        raise InputError(f"{flag} {value!r} is not known. {near}")

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema: the words."""
        return {"type": "string", "enum": list(self.words)}


def choice(*words: str, **aliases: str) -> Choice:
    """Return a domain of ``words``; ``aliases`` are rejected, with a suggestion of the accepted word."""
    return Choice(words=words, aliases=aliases)


@dataclass(frozen=True)
class Folder(Domain):
    """The path of a folder, which need not exist."""

    def require(self, flag: str, value: Any) -> str:
        """Return the path as text, since JSON has no paths."""
        if not _is_path(value):
            raise InputError(f"{flag} must be the path of a folder, got {value!r}.")
        return str(value)


@dataclass(frozen=True)
class File(Domain):
    """The path of a file."""


@dataclass(frozen=True)
class DataSet(Domain):
    """A data set by name, or a user-supplied one by a form such as ``npz:FILE``, with a path for the capital letters.

    Parameters
    ----------
    names, forms : tuple of str
    """

    names: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()

    def require(self, flag: str, value: Any) -> str:
        """Return the data set as text; the path need not exist."""
        if not _is_path(value):
            raise InputError(f"{flag} must be a data set, got {value!r}. {suggest('', (*self.names, *self.forms))}")
        if value == GIVEN:
            return GIVEN
        kind, _, path = str(value).partition(":")
        forms = {form.partition(":")[0]: form for form in self.forms}
        if kind in forms and not path:
            raise InputError(f"{flag} {value} lacks its path: it is {forms[kind]}.")
        if kind not in forms and str(value) not in self.names:
            near = suggest(f"{kind}:FILE" if path else str(value), (*self.names, *self.forms))
            raise InputError(f"{flag} {str(value)!r} is not known. {near}")
        return str(value)


#: The data set or the network of a run whose images or model were given in Python, as its configuration names them.
GIVEN = "given"

#: Form of the name of a function: a module, which may be in packages, and the function in it.
_FUNCTION = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Network(Domain):
    """A network of this program by one of the ``words``, the user's own as ``module:FUNCTION``, or `GIVEN`."""

    def require(self, flag: str, value: Any) -> str:
        """Return the name; the module is not imported."""
        if value in (*self.words, GIVEN) or (isinstance(value, str) and _FUNCTION.fullmatch(value)):
            return str(value)
        if isinstance(value, str) and ":" not in value:
            raise InputError(f"{flag} {value!r} is not known. {suggest(value, (*self.words, 'module:FUNCTION'))}")
        raise InputError(
            f"{flag} must be {' or '.join(self.words)}, or a function as module:FUNCTION, such as "
            f"my_networks:build for build in my_networks.py; got {value!r}."
        )


@dataclass(frozen=True)
class WordOrNumber(Domain):
    """One of the ``words``, or a number from ``minimum`` to ``maximum``, which may be written as text."""

    minimum: float = SMALLEST
    maximum: float = LARGEST

    def require(self, flag: str, value: Any) -> str | float:
        """Return the word, or the number as a float."""
        if value in self.words:
            return str(value)
        try:
            found = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            found = math.nan
        if not self.minimum <= found <= self.maximum:
            rule = f"{' or '.join(self.words)} or a number from {self.minimum:g} to {_format_bound(self.maximum)}"
            raise InputError(f"{flag} must be {rule}, got {value!r}.")
        return found

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        return {"type": ["string", "number"]}


def beginnings(forms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the completable part of forms such as ``uniform:lo,hi``: the text up to the colon.

    Examples
    --------
    >>> beginnings(("normal", "uniform:lo,hi"))
    ('normal', 'uniform:')
    """
    return tuple("".join(form.partition(":")[:2]) for form in forms)


def _format_bound(maximum: float) -> str:
    return "1e6" if maximum == LARGEST else f"{maximum:g}"


def _is_number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_path(value: Any) -> bool:
    """Return whether a value can be a path: a file of JSON may hold characters that no name of a file has."""
    try:
        return isinstance(value, str | Path) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False
