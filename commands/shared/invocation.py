"""The given command line, and the command that repeats or resumes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from foundation.typography import quote_for_shell

if TYPE_CHECKING:
    from foundation.errors import Interruption
    from simulations import SimulationInterrupted

FROM_THE_COMMAND_LINE = click.core.ParameterSource.COMMANDLINE


def with_the_way_on(interruption: SimulationInterrupted, context: click.Context) -> Interruption:
    """Add to the interruption the command that resumes, or the option that would have made resuming possible."""
    from foundation.errors import Interruption

    return Interruption(f"{interruption.sentence} {way_on(context, interruption.saved)}", interruption.signal_number)


def way_on(context: click.Context, saved: Path | None) -> str:
    """Return the command that resumes from a saved file, or name the option that saves one."""
    if saved is None:
        return "With --resume FILE an interrupted run can be resumed."
    given = was_given(context, "resume")
    return f"Resume with: {command_line(context, () if given else ('--resume', str(saved)))}"


def command_line(context: click.Context, more: Sequence[str] = ()) -> str:
    """Return this command with its given options and ``more``, quoted for a shell."""
    words = ["python", "cli.py", str(context.info_name)]
    for option in context.command.params:
        if option.name not in context.params or not was_given(context, option.name):
            continue
        value = context.params[option.name]
        if getattr(option, "is_flag", False):
            words.append(option.opts[0])
            continue
        for one in value if option.multiple else (value,):
            words += [option.opts[0], str(one)]
    return " ".join(map(quote_for_shell, [*words, *more]))


def was_given(context: click.Context, name: str) -> bool:
    """Return whether an option was given on the command line."""
    return context.get_parameter_source(name) is FROM_THE_COMMAND_LINE
