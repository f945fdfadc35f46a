"""Errors in the code of a user's network, each as one sentence that says where."""

from __future__ import annotations

import traceback
from pathlib import Path

import torch

from foundation.errors import InputError

#: Characters of a message of the user's code that are repeated.
_LONGEST = 300

#: Folders whose code is not the user's: torch, and this program.
_FOREIGN = (Path(torch.__file__).resolve().parent, Path(__file__).resolve().parents[2])


class NetworkError(InputError):
    """The user's network failed, or its output is not as it must be; the message says what and where."""


def describe(error: BaseException) -> str:
    """Return the type, the first line of the message and the place in the user's code of an exception."""
    message = (str(error).strip().splitlines() or [""])[0][:_LONGEST].rstrip(".")
    named = f"{type(error).__name__}: {message}" if message else type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_file() and not any(path.resolve().is_relative_to(folder) for folder in _FOREIGN):
            return f"{named} ({path.name}, line {frame.lineno})"
    return named
