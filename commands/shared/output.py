"""Output of commands: the console, ``--json``, ``--plot`` and atomically replaced files."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console


def checked_plots(plots: Sequence[Path]) -> None:
    """Check before the computation that every file of ``--plot`` can be written."""
    if plots:
        from foundation.figures import check_plot_path

        for path in plots:
            check_plot_path(path)


def save_plots(figure: Figure, plots: Sequence[Path]) -> None:
    """Write a figure atomically to every file of ``--plot``."""
    from foundation.figures import save_figure

    for path in plots:
        with naming("--plot", path):
            save_figure(figure, path)


def console_for(json_path: str | None, quiet: bool) -> Console:
    """Return the console on standard output, or on standard error if ``--json -`` uses standard output."""
    from foundation.terminal import create_console

    return create_console(stderr=json_path == "-", quiet=quiet)


#: Parameters of commands that name a file to write; ``--resume`` of a simulation is also read.
_OUTPUTS = ("json_path", "plots", "output", "resume")

#: Files of a run that no other output may replace.
_FILES_OF_RUNS = ("config.json", "environment.json", "metrics.jsonl", "model.safetensors", "status.json", ".lock")


@contextlib.contextmanager
def json_output(json_path: str | None) -> Iterator[IO[str] | None]:
    """Open the file of ``--json`` before the computation, so that an unwritable path fails early.

    The file is replaced atomically at the end, so that an interrupted command keeps an earlier result. Every command
    calls this before it writes anything, so this is where it is checked that no output replaces another file of the
    same command.
    """
    require_separate_files()
    if json_path is None:
        yield None
    elif json_path == "-":
        yield sys.stdout
    else:
        with replaced_file(Path(json_path), "--json") as stream:
            yield stream


def require_separate_files() -> None:
    """Require that each file that the current command writes has no second part in it, as another output or an input.

    Raises
    ------
    InputError
        If two options name one file, also by different links, or an output is a file of a run.
    """
    from foundation.errors import InputError

    context = click.get_current_context(silent=True)
    files = list(_named_files(context)) if context is not None else []
    for number, (name, option, path) in enumerate(files):
        if name not in _OUTPUTS:
            continue
        if path.name in _FILES_OF_RUNS and (path.parent / "config.json").is_file():
            raise InputError(f"{option} {path} is a file of the run {path.parent}. Name a file outside it.")
        for other_name, other_option, other_path in files[:number] + files[number + 1 :]:
            if _is_one_file(path, other_path):
                both = option if other_option == option else f"{other_option} and {option}"
                twice = " twice" if other_name == name else ""
                raise InputError(f"{both} must name different files, got {path}{twice}. Name another file.")


def _named_files(context: click.Context) -> Iterator[tuple[str, str, Path]]:
    """Yield the name, the option and the path of every file that the command line names."""
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.params.get(name)
        option = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name
        for value in given if isinstance(given, tuple) else () if given in (None, "-") else (given,):
            if isinstance(parameter.type, click.Path):
                yield name, option, Path(value)
            elif name == "dataset" and str(value).startswith("npz:"):
                yield name, option, Path(str(value).removeprefix("npz:"))


def _is_one_file(path: Path, other: Path) -> bool:
    """Return whether two paths name one file, by links too; a device such as /dev/null can serve twice."""
    if os.path.realpath(path) != os.path.realpath(other):
        try:
            if not path.samefile(other):
                return False
        except OSError:
            return False
    return path.is_file() or not path.exists()


@contextlib.contextmanager
def replaced_file(path: Path, option: str) -> Iterator[IO[str]]:
    """Check that ``path`` can be written; yield a buffer whose text is written there if the block succeeds."""
    from foundation.errors import InputError
    from foundation.files import open_output

    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file in it.")
    page = io.StringIO()
    with contextlib.ExitStack() as writing:
        with naming(option, path):
            stream = writing.enter_context(open_output(path))
        yield page
        with naming(option, path):
            stream.write(page.getvalue().encode())
            writing.pop_all().close()


@contextlib.contextmanager
def naming(option: str, path: Path) -> Iterator[None]:
    """Convert an error about a file to an error message that names the option and the file."""
    from foundation.errors import InputError

    try:
        yield
    except InputError as error:
        raise InputError(f"{option} {error}") from None
    except OSError as error:
        raise InputError(f"{option} {path} cannot be written: {error.strerror}.") from None


def write_json(stream: IO[str] | None, document: dict[str, Any]) -> None:
    """Write ``document`` with a final newline, whole or, if it cannot be written as JSON, not at all."""
    if stream is not None:
        stream.write(format_json(document))


def format_json(document: dict[str, Any]) -> str:
    """Format ``document`` as strict JSON with a final newline; a number that is not finite becomes null."""
    return json.dumps(_finite(document), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """Return a JSON value with null in place of infinities and NaN."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextlib.contextmanager
def text_output(path: Path | None, console: Console) -> Iterator[Console]:
    """Yield the console, or one that writes to ``path``, which is replaced atomically at the end."""
    from foundation.terminal import create_console

    if path is None:
        yield console
        return
    with replaced_file(path, "--output") as stream:
        # A file has no colours, even with FORCE_COLOR.
        yield create_console(file=stream, width=100, color_system=None, force_terminal=False)
