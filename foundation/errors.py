"""What all packages raise: for wrong use or bad input, and when they are stopped."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST, _BEGINNING, _END = 4000, 2500, 1000


class InputError(ValueError):
    """Bad input, said in one sentence that names the value, the rule and the remedy.

    The command line prints the sentence and exits with 2; a caller of the Python API can catch it as a `ValueError`.
    Whatever bad input put into it, the sentence is one line: what cannot be printed is escaped, and a sentence longer
    than 4,000 characters loses its middle.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(_one_line(sentence))


class Interruption(BaseException):
    """Work was stopped by SIGINT or SIGTERM, and what was begun was brought to an orderly end.

    Like `KeyboardInterrupt` it is no `Exception`, so that nothing takes it for a failure.

    Attributes
    ----------
    sentence : str
        What was done, what is kept, and how to go on.
    signal_number : int
    """

    def __init__(self, sentence: str, signal_number: int) -> None:
        self.sentence, self.signal_number = sentence, signal_number
        super().__init__(sentence)


def reason_of(error: Exception) -> str:
    """Return the sentence of an `InputError`; of a defect its type and what it says."""
    return str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"


def suggestion(name: str, known: Iterable[str], otherwise: str | None = None, *, likeness: float = 0.5) -> str:
    """Return what to say to somebody who wrote ``name``: the nearest known name, or ``otherwise``, or all there are.

    A name is near if its `difflib` ratio is at least ``likeness``, or if it begins as the written one does.

    Examples
    --------
    >>> suggestion("gausian", ["gaussian", "uniform"])
    'Did you mean gaussian?'
    >>> suggestion("x", ["gaussian", "uniform"])
    'There is gaussian, uniform.'
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=likeness)
    near = near or [longer for longer in names if len(name) > 2 and longer.startswith(name)]
    return f"Did you mean {near[0]}?" if near else otherwise or f"There is {', '.join(names)}."


def _one_line(sentence: str) -> str:
    shorter = _shortened(sentence)
    if shorter.isprintable():
        return shorter
    return _shortened("".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in shorter))


def _shortened(sentence: str) -> str:
    if len(sentence) <= _LONGEST:
        return sentence
    return f"{sentence[:_BEGINNING]} ... {sentence[-_END:]}"
