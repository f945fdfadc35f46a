"""The entry point of the program: signals and streams are in order before anything is imported that takes long."""

from __future__ import annotations

import signal
from typing import NoReturn

from foundation.signals import exit_on_signals


def run() -> NoReturn:
    """Run the command line; a signal during its imports, which take most of the time of a short command, ends it."""
    end_on_signals()
    from commands.shared.streams import prepare_streams

    prepare_streams()
    from cli import main

    main()
    raise AssertionError("a command ends by exiting")


def end_on_signals() -> None:
    """End with the sentence of `describe_stop` on a signal from now on, until a command handles signals."""
    exit_on_signals(lambda number: f"Error: {describe_stop(number)}")


def describe_stop(number: int) -> str:
    """Return the sentence of a command that a signal ended before it could save anything."""
    word = "terminated" if number == signal.SIGTERM else "interrupted"
    return f"{word}. No partial output was left; run the same command to start over."
