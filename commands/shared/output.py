"""Output of commands: the console, ``--json``, ``--plot`` and files that are replaced whole."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console


def checked_plots(plots: Sequence[Path]) -> None:
    """Refuse, before the work begins, a file of ``--plot`` that could not be written."""
    if plots:
        from foundation.figures import check_plot_path

        for path in plots:
            check_plot_path(path)


def save_plots(figure: Figure, plots: Sequence[Path]) -> None:
    """Write a figure to every file of ``--plot``, each whole or not at all."""
    from foundation.figures import save_figure

    for path in plots:
        with naming("--plot", path):
            save_figure(figure, path)


def console_for(json_path: str | None, quiet: bool) -> Console:
    """Return where a command prints: standard output, or standard error when ``--json -`` claims standard output."""
    from rich.console import Console

    return Console(stderr=json_path == "-", quiet=quiet, highlight=False)


@contextlib.contextmanager
def json_output(json_path: str | None) -> Iterator[IO[str] | None]:
    """Open where ``--json`` writes, before the work begins, so that a path that cannot be written fails at once.

    The file is written aside and takes its name at the end: an interrupted command leaves an earlier result alone.
    """
    if json_path is None:
        yield None
    elif json_path == "-":
        yield sys.stdout
    else:
        with replaced_file(Path(json_path), "--json") as stream:
            yield stream


@contextlib.contextmanager
def replaced_file(path: Path, option: str) -> Iterator[IO[str]]:
    """Give a page whose text replaces ``path`` when the block ends well, after a look whether that can be written."""
    from foundation.errors import InputError
    from foundation.files import atomic_write

    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file in it.")
    page = io.StringIO()
    with contextlib.ExitStack() as writing:
        with naming(option, path):
            temporary = writing.enter_context(atomic_write(path))
        yield page
        with naming(option, path):
            temporary.write_text(page.getvalue(), encoding="utf-8")
            writing.pop_all().close()


@contextlib.contextmanager
def naming(option: str, path: Path) -> Iterator[None]:
    """Say in one sentence which option's file the system refused to write."""
    from foundation.errors import InputError

    try:
        yield
    except OSError as error:
        raise InputError(f"{option} {path} cannot be written: {error.strerror}.") from None


def write_json(stream: IO[str] | None, document: dict[str, Any]) -> None:
    """Write ``document`` as strict JSON (no NaN) and end the line."""
    if stream is not None:
        json.dump(document, stream, indent=2, allow_nan=False)
        stream.write("\n")


@contextlib.contextmanager
def text_output(path: Path | None, console: Console) -> Iterator[Console]:
    """Yield the console itself, or one that writes to the file, which is opened now and takes its place when whole."""
    from rich.console import Console

    if path is None:
        yield console
        return
    with replaced_file(path, "--output") as stream:
        # A file has no colours, whatever FORCE_COLOR says.
        yield Console(file=stream, width=100, color_system=None, force_terminal=False)
