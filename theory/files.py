"""Files that are whole or absent, on disk when a call returns."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from theory.errors import InputError


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a name to write to, which becomes ``path`` when everything is on disk, and vanishes after an error."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield aside
        sync_file(aside)
        aside.replace(path)
        sync_folder(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, document: Any) -> None:
    """Replace a JSON file; NaN and infinities are refused."""
    with written_aside(path) as aside:
        aside.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file; an `InputError` where it is missing or none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged: it is no JSON ({error}).") from error
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing.") from error


def sync_file(path: Path) -> None:
    """Return when the content of a file is on disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename durable; Windows neither needs nor permits it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def user_cache(name: str) -> Path:
    """Return the user's folder for what can be made again: under XDG_CACHE_HOME where that is set, else ~/.cache."""
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "epanechnikov-vae" / name
