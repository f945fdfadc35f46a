"""Error handling of commands: the exit status, and one sentence on standard error for every failure."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO

import click

from commands.shared import completions
from commands.shared.startup import describe_stop
from commands.shared.streams import correct_sizes, discard_output
from foundation.signals import InsistentStop, ignore_signals, set_handler

EXIT_CHECK_FAILED = 1

EXIT_BAD_INPUT = 2

EXIT_INTERRUPTED = 130

#: Time in which the first of several processes reports the error that all have.
SECONDS_TO_SPEAK = 20

OWN_PACKAGES = ("commands", "foundation", "theory", "simulations", "evae", "report")

#: Exceptions that are not defects, so that ``--debug`` shows no traceback for them.
EXPECTED = (click.ClickException, click.Abort, KeyboardInterrupt)


class Command(click.Command):
    """A command that refuses an option given again where only the last value would count."""

    def make_parser(self, ctx: click.Context) -> Any:
        """Build click's parser, whose result names every option as often as it was given."""
        parser = super().make_parser(ctx)
        parse = parser.parse_args

        def parse_options_once(args: list[str]) -> Any:
            values, rest, order = parse(args)
            if not ctx.resilient_parsing:
                _refuse_repeated_options(order)
            return values, rest, order

        parser.parse_args = parse_options_once  # type: ignore[method-assign]
        return parser


def _refuse_repeated_options(order: Sequence[click.Parameter]) -> None:
    for parameter, times in Counter(order).items():
        if times == 1 or not isinstance(parameter, click.Option) or parameter.multiple or parameter.count:
            continue
        # A flag without an opposite has but one value.
        if not parameter.is_flag or parameter.secondary_opts:
            name = "/".join([parameter.opts[0], *parameter.secondary_opts[:1]])
            raise click.UsageError(
                f"{name} must be given once, got {times} times: only the last would count. Keep one of them."
            )


class CommandLine(Command, click.Group):
    """A command group that reports every failure as one sentence on standard error; ``--debug`` shows the traceback."""

    command_class = Command

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run the command and exit with its status: 0, 1 a check failed, 2 bad input, or 128 plus a signal's number."""
        kwargs["standalone_mode"] = False
        kwargs["complete_var"] = completions.VARIABLE
        completions.register()
        correct_sizes()
        # None if this is the program itself. A caller in Python may give no arguments, too: an empty list.
        given = kwargs.get("args", args[0] if args else None)
        try:
            with InsistentStop(_interruption) as stop, warnings_as_sentences():
                try:
                    status = super().main(*args, **kwargs)
                    sys.stdout.flush()
                finally:
                    stop.rest()
                    if given is None:
                        # The process is about to exit; another signal must not interrupt that.
                        _ignore_signals_to_exit()
        except SystemExit as exit_without_a_word:
            status = exit_without_a_word.code
        except BaseException as error:
            if "--debug" in (sys.argv[1:] if given is None else given) and not isinstance(error, EXPECTED):
                raise
            status = _answer(error)
        status = status if isinstance(status, int) else 0
        if given is None:
            # The memory is given back as a whole; a search for garbage in all modules would take a third of a second.
            gc.freeze()
        _exit(status, at_once=given is None and status >= EXIT_INTERRUPTED)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the command, or suggest the nearest."""
        unknown = args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-")
        if unknown and not ctx.resilient_parsing:
            from foundation.errors import suggest

            raise click.UsageError(f"No such command: {args[0]!r}. {suggest(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def _interruption(number: int) -> BaseException:
    """Return what ends a command on a signal; train, simulate-tm and reproduce note the signal and report more."""
    from foundation.errors import Interruption

    return Interruption(describe_stop(number), number)


def _ignore_signals_to_exit() -> None:
    from evae.compute.place import place

    # torchrun ends the processes of a failed run by SIGTERM.
    ignore_signals([signal.SIGINT] if place().count > 1 else [signal.SIGINT, signal.SIGTERM])


def _answer(error: BaseException) -> int:
    """Report bad input or an interruption in one sentence and return the exit status; re-raise all other errors."""
    from evae.exceptions import ProcessLost
    from foundation.errors import InputError, Interruption

    if isinstance(error, click.ClickException):
        return _refuse(_sentence(error))
    if isinstance(error, click.Abort) and isinstance(error.__cause__, EOFError):
        # click takes it for the end of what a user types, but no command asks for anything.
        raise error.__cause__
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return _refuse(describe_stop(signal.SIGINT), EXIT_INTERRUPTED)
    if isinstance(error, Interruption) and error.signal_number == signal.SIGPIPE:
        # The reader of standard output has gone, as `head` does, and knows it.
        return 128 + signal.SIGPIPE
    if isinstance(error, Interruption):
        return _refuse(error.sentence, 128 + error.signal_number)
    if isinstance(error, ProcessLost):
        return _refuse(str(error), in_turn=False)
    if isinstance(error, InputError):
        return _refuse(str(error))
    if isinstance(error, ModuleNotFoundError) and error.name and error.name.partition(".")[0] not in OWN_PACKAGES:
        return _refuse(
            f"{error.name} is not installed for {sys.executable}. Run `make demo` once and `source .venv/bin/activate` "
            "in every shell, or install this project with pip."
        )
    if isinstance(error, OSError) and error.strerror:
        return _refuse(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.")
    raise error


def _sentence(error: click.ClickException) -> str:
    """Return the error and its remedy in one sentence; click's own messages differ between versions."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption) and context is not None:
        return f"{_name(context)} has no option {error.option_name}. {_nearest_option(error.option_name, context)}"
    if isinstance(error, click.MissingParameter) and context is not None and error.param is not None:
        return f"{_name(context)} needs {_as_written(error.param)}. `{_command(context)} --help` shows examples."
    message = error.format_message()
    return message if message.endswith((".", "?", "!", "?)")) else f"{message}."


def _name(context: click.Context) -> str:
    return context.command.name or str(context.info_name)


def _as_written(parameter: click.Parameter) -> str:
    value = parameter.metavar or str(parameter.name).upper()
    return f"{parameter.opts[0]} {value}" if isinstance(parameter, click.Option) else value


def _nearest_option(name: str, context: click.Context) -> str:
    """Suggest the nearest option, name the commands that have this option, or point to the list of all."""
    from foundation.errors import suggest

    known = [option for parameter in context.command.params for option in parameter.opts if option.startswith("--")]
    group = context.find_root().command
    commands = group.commands.values() if isinstance(group, click.Group) else ()
    others = [command.name for command in commands if any(name in parameter.opts for parameter in command.params)]
    otherwise = f"`{_command(context)} --help` lists its options."
    if not others:
        return suggest(name, [*known, "--help"], otherwise, likeness=0.66)
    *first, last = map(str, others)
    named = f"{', '.join(first)} and {last} have" if first else f"{last} has"
    nearest = suggest(name, [*known, "--help"], f"{named} it; {otherwise}", likeness=0.66)
    return f"{nearest} {named} {name}." if nearest.startswith("Did you mean") else nearest


def _command(context: click.Context) -> str:
    """Return the command as typed, without options."""
    parents: list[str] = []
    here = context
    while here.parent is not None:
        parents.insert(0, str(here.info_name))
        here = here.parent
    return " ".join(["python cli.py", *parents])


def _refuse(sentence: str, status: int = EXIT_BAD_INPUT, in_turn: bool = True) -> int:
    if in_turn:
        _let_the_first_process_speak(status)
    print_line(f"Error: {sentence}")
    return status


def print_line(sentence: str) -> None:
    """Print a sentence on standard error as one printable line."""
    from foundation.errors import format_line

    print(format_line(sentence), file=sys.stderr, flush=True)


def _let_the_first_process_speak(status: int) -> None:
    """Let only the first of torchrun's processes report an error that all of them have.

    The others wait: torchrun terminates them once the first has failed. One that is not terminated reports the error
    itself.
    """
    from evae.compute.place import place

    here = place()
    if here.count == 1:
        return
    if here.is_first:
        ignore_signals()
    elif status > 128:
        _exit(status, at_once=True)
    else:
        set_handler(lambda *_: _exit(status, at_once=True), [signal.SIGTERM])
        time.sleep(SECONDS_TO_SPEAK)


def _exit(status: int, at_once: bool) -> NoReturn:
    """Exit; with ``at_once``, kill child processes and do not wait for running threads."""
    from evae.compute.place import place

    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        # The error was reported, or this one hides behind another.
        discard_output()
    # The threads that exchange tensors between processes may outlive the interpreter, which then aborts.
    if not at_once and place().count == 1:
        sys.exit(status)
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing else ():
        child.kill()
    os._exit(status)


class OneOf(click.Choice):  # type: ignore[type-arg]
    """A choice of words; the error for an unknown word suggests the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word; raise a usage error if it is unknown."""
        from foundation.errors import suggest

        if value not in self.choices:
            raise click.UsageError(
                f"{param.opts[0] if param else ''} {value!r} is not known. {suggest(value, self.choices)}"
            )
        return super().convert(value, param, ctx)


@contextlib.contextmanager
def warnings_as_sentences() -> Iterator[None]:
    """Print each of this project's warnings once, as one sentence on standard error."""
    from foundation.errors import Notice
    from foundation.typography import format_printable

    said: set[str] = set()
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if not issubclass(category, Notice):
                printable = format_printable(str(message), keep_lines=True)
                shown(message if printable == str(message) else printable, category, filename, lineno, file, line)
            elif str(message) not in said:
                said.add(str(message))
                print_line(f"Warning: {message}")

        # Without this filter Python would show a repeated warning once per place in the code only.
        warnings.simplefilter("always", Notice)
        warnings.showwarning = show
        yield
