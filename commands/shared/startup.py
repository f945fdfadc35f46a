"""The start of the program: signals and streams are in order before anything is imported that takes long."""

from __future__ import annotations

import os
import signal
import sys

from foundation.signals import exit_on_signals

#: Names of the files that are run as this program: the script, and the command that pip installs.
_PROGRAMS = ("cli.py", "evae")


def prepare_program() -> None:
    """Handle signals and prepare the standard streams if this program was started, rather than imported by another."""
    if os.path.basename(getattr(sys.modules["__main__"], "__file__", None) or "") in _PROGRAMS:  # noqa: PTH119 (slow)
        prepare_process()


def prepare_process() -> None:
    """Handle signals and prepare the standard streams of this process."""
    exit_on_signals(lambda number: f"Error: {describe_stop(number)}")
    from commands.shared.streams import prepare_streams

    prepare_streams()


def describe_stop(number: int) -> str:
    """Return the sentence of a command that a signal ended before it could save anything."""
    word = "terminated" if number == signal.SIGTERM else "interrupted"
    return f"{word}. No partial output was left; run the same command to start over."
