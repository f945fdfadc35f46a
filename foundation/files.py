"""Files that are whole or absent, on disk when a call returns.

A file is written aside, under a name that ends in ``.part``, and locked meanwhile, so that what a killed process left
behind can be told from what another is writing, and goes the next time.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from foundation.errors import InputError

#: A JSON file of ours is smaller by far; reading one takes some twenty times its size in memory.
LARGEST_JSON = 2**26

#: Lists and objects of a JSON file inside one another; ours are not six deep.
_DEEPEST = 64

#: What is unpacked from a file may be this large, or so many times the file: pictures pack well, but not like a bomb.
_UNPACKED, _TIMES = 2**28, 100


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
    content = read_bytes(path, LARGEST_JSON)
    try:
        return parse_json(content)
    except ValueError as error:
        raise InputError(f"{path} is damaged: it is no JSON ({error}).") from error


def parse_json(content: bytes | str, *, finite: bool = True) -> Any:
    """Read strict JSON: at most 64 levels and, if ``finite``, neither NaN nor infinities; else a `ValueError`."""
    read = _finite if finite else float
    try:
        value = json.loads(content, parse_constant=read, parse_float=read, parse_int=_whole)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


_TOO_DEEP = f"it is nested more than {_DEEPEST} levels deep"


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:40]} is no finite number")
    return value


def _whole(number: str) -> int:
    # A whole number that no double can hold would fail wherever it meets one.
    if len(number) > 300:
        raise ValueError(f"{number[:40]}... is no number of less than 300 digits")
    return int(number)


def read_bytes(path: Path, most: int) -> bytes:
    """Read a whole file of at most ``most`` bytes; an `InputError` says why it cannot be read."""
    size = regular_size(path)
    if size > most:
        raise InputError(f"{path} has {size:,} bytes; a file of its kind has at most {most:,}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def regular_size(path: Path) -> int:
    """Return the size of a file in bytes; an `InputError` where it is missing or no file.

    Asked before a file is opened: a pipe would make the opening wait for ever, and a device may have no end.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path} is no name of a file ({error}).") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise InputError(f"{path} is {kind}; it must be a file.")
    return status.st_size


def most_unpacked(packed: int) -> int:
    """Return how many bytes may be unpacked from a file of ``packed`` bytes: more of them would be a bomb."""
    return max(_UNPACKED, _TIMES * packed)


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
