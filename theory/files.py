"""Files that are whole or absent, on disk when a call returns.

A file is written aside, under a name that ends in ``.part``, and locked meanwhile, so that what a killed process left
behind can be told from what another is writing, and goes the next time.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from theory.errors import InputError


@contextlib.contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a name to write to, which becomes ``path`` when everything is on disk, and vanishes after an error."""
    clear_leftovers(path.parent, path.name)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _made_and_locked(aside):
            try:
                yield aside
                sync_file(aside)
                aside.replace(path)
                sync_folder(path.parent)
            finally:
                aside.unlink(missing_ok=True)
    except OSError as error:
        # Whoever reads the message knows the file by the name that it was to have.
        if error.errno is not None and error.filename in (None, str(aside)):
            error.filename = str(path)
        raise


def clear_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes were writing aside in a folder: for the file ``name``, or for any."""
    of_file = ".+" if name is None else re.escape(name)
    for path in folder.iterdir() if os.name == "posix" and folder.is_dir() else ():
        if re.fullmatch(rf"\.{of_file}\.\d+\.part", path.name):
            # Another process is writing it, or it is not ours to remove.
            with contextlib.suppress(OSError), _locked(os.open(path, os.O_RDWR)):
                path.unlink()


@contextlib.contextmanager
def _made_and_locked(path: Path) -> Iterator[None]:
    if os.name != "posix":
        # Windows renames no open file.
        yield
        return
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o666)
    try:
        with contextlib.suppress(OSError):
            # Where a file system has no locks, nothing is ever taken for a leftover.
            _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    try:
        _lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Lock an open file until it is closed; an `OSError` where another process has locked it."""
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


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
