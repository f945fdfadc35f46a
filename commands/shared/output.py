"""Output of commands: the console, ``--json``, ``--plot`` and atomically replaced files."""

from __future__ import annotations

import contextlib
import io
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

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
    from rich.console import Console

    return Console(stderr=json_path == "-", quiet=quiet, highlight=False)


@contextlib.contextmanager
def json_output(json_path: str | None) -> Iterator[IO[str] | None]:
    """Open the file of ``--json`` before the computation, so that an unwritable path fails early.

    The file is replaced atomically at the end, so that an interrupted command keeps an earlier result.
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
    """Check that ``path`` can be written; yield a buffer that replaces it atomically if the block succeeds."""
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
    """Convert an `OSError` to an error message that names the option and its file."""
    from foundation.errors import InputError

    try:
        yield
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
    from rich.console import Console

    if path is None:
        yield console
        return
    with replaced_file(path, "--output") as stream:
        # A file has no colours, even with FORCE_COLOR.
        yield Console(file=stream, width=100, color_system=None, force_terminal=False)
