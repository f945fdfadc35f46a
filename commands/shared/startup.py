"""The start of the program: signals and streams are in order before anything is imported that takes long."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Iterator

from foundation.signals import exit_on_signals

#: Names of the files that are run as this program: the script, and the command that pip installs.
_PROGRAMS = ("cli.py", "evae")

OBJECTS_BETWEEN_COLLECTIONS = 200_000
"""New objects after which garbage is collected in a short command; a few tens of megabytes at the most."""


def prepare_program() -> None:
    """Handle signals and prepare the standard streams if this program was started, rather than imported by another."""
    if os.path.basename(getattr(sys.modules["__main__"], "__file__", None) or "") in _PROGRAMS:  # noqa: PTH119 (slow)
        prepare_process()


def prepare_process() -> None:
    """Handle signals and prepare the standard streams of this process."""
    exit_on_signals(lambda number: f"Error: {describe_stop(number)}")
    from commands.shared.streams import prepare_streams

    prepare_streams()


@contextlib.contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Collect garbage rarely in a command that spends most of its time on imports and formulas.

    These create hundreds of thousands of objects that stay. Each time that their number has grown by a quarter, Python
    examines all of them: a fifth of a short command's time.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def describe_stop(number: int) -> str:
    """Return the sentence of a command that a signal ended before it could save anything."""
    word = "terminated" if number == signal.SIGTERM else "interrupted"
    return f"{word}. No partial output was left; run the same command to start over."
