"""Exceptions that all packages raise, and the wording of their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from foundation.typography import format_printable

#: Characters of the longest message, and of the beginning and the end that are kept of a longer one.
_LONGEST, _BEGINNING, _END = 4000, 2500, 1000


class InputError(ValueError):
    """Invalid input, described in one sentence that names the value, the rule and the remedy.

    The command line prints the sentence and exits with 2. A caller of the Python API can catch it as a `ValueError`.
    The sentence is always one line: characters that cannot be printed are escaped, and a sentence of more than 4,000
    characters is shortened in the middle.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(format_line(sentence))


class Notice(UserWarning):
    """Warning that something is not as requested or expected; the message says what. The command line prints it."""


class CacheWarning(Notice):
    """A result could not be cached, so that it is computed again the next time."""

    @classmethod
    def of(cls, consequence: str, folder: object, error: Exception, remedy: str) -> CacheWarning:
        """Return the warning that ``folder`` cannot be written, with its consequence and a remedy."""
        return cls(f"{consequence}: {folder} cannot be written ({describe_cause(error)}). {remedy}")


class Interruption(BaseException):
    """The work was stopped by SIGINT or SIGTERM and ended cleanly.

    Like `KeyboardInterrupt` it is not an `Exception`, so that no handler of failures catches it.

    Attributes
    ----------
    sentence : str
        What was done, what is saved, and how to resume.
    signal_number : int
    """

    def __init__(self, sentence: str, signal_number: int) -> None:
        self.sentence, self.signal_number = sentence, signal_number
        super().__init__(sentence)


def describe_cause(error: Exception) -> str:
    """Return what the operating system says of an `OSError`, or the message of any other exception."""
    return getattr(error, "strerror", None) or str(error)


def describe_error(error: Exception) -> str:
    """Return the sentence of an `InputError`, or the type and the message of any other exception."""
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def suggest(name: str, known: Iterable[str], otherwise: str | None = None, *, likeness: float = 0.5) -> str:
    """Return a suggestion for an unknown ``name``: the most similar known name, else ``otherwise`` or all names.

    A known name is similar if its `difflib` ratio is at least ``likeness``, or if it begins with ``name``.

    Examples
    --------
    >>> suggest("gausian", ["gaussian", "uniform"])
    'Did you mean gaussian?'
    >>> suggest("x", ["gaussian", "uniform"])
    'Choose from gaussian, uniform.'
    """
    names = list(known)
    similar = difflib.get_close_matches(name, names, n=1, cutoff=likeness)
    similar = similar or [longer for longer in names if len(name) > 2 and longer.startswith(name)]
    return f"Did you mean {similar[0]}?" if similar else otherwise or f"Choose from {', '.join(names)}."


def format_line(sentence: str) -> str:
    """Return a sentence as one printable line of at most 4,000 characters."""
    shorter = _shorten(sentence)
    return shorter if shorter.isprintable() else _shorten(format_printable(shorter))


def _shorten(sentence: str) -> str:
    if len(sentence) <= _LONGEST:
        return sentence
    return f"{sentence[:_BEGINNING]} ... {sentence[-_END:]}"
