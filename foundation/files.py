"""Atomic writing of files, JSON files, and safe reading of untrusted files.

A file is written under a temporary name, which ends in ``.part``, and renamed when its content is on disk. The
temporary file is locked meanwhile, so that a leftover of a killed process, which the next call removes, can be
distinguished from a file that another process is writing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from foundation.errors import InputError

#: Bytes of the largest JSON file that is read. Our own are far smaller; reading takes about twenty times the size in
#: memory.
LARGEST_JSON = 2**26

#: Levels of nested lists and objects in a JSON file. Our own have fewer than six.
_DEEPEST = 64

_TOO_DEEP = f"it is nested more than {_DEEPEST} levels deep"

#: Digits of the longest integer in a JSON file. A longer one may be infinite in double precision.
_MOST_DIGITS = 300

#: The content of a compressed file may have this many bytes, or this many times the size of the file.
_UNPACKED, _TIMES = 2**28, 100


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary name to write to, which is renamed to ``path`` at the end of the block and removed on error.

    When the block ends, the content and the renaming are on disk. An `OSError` names ``path``.
    """
    clear_leftovers(path.parent, path.name)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _create_locked(temporary):
            try:
                yield temporary
                sync_file(temporary)
                temporary.replace(path)
                sync_folder(path.parent)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        # The reader of the message knows only the final name.
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise


def clear_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove temporary files that killed processes left in a folder: those for the file ``name``, or for any file."""
    of_file = ".+" if name is None else re.escape(name)
    for path in folder.iterdir() if os.name == "posix" and folder.is_dir() else ():
        if re.fullmatch(rf"\.{of_file}\.\d+\.part", path.name):
            # An error means that another process is writing the file, or that we may not remove it.
            with contextlib.suppress(OSError), _locked(os.open(path, os.O_RDWR)):
                path.unlink()


@contextlib.contextmanager
def _create_locked(path: Path) -> Iterator[None]:
    if os.name != "posix":
        # Windows does not rename an open file.
        yield
        return
    descriptor = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o666)
    try:
        with contextlib.suppress(OSError):
            # On a file system without locks no file is ever treated as a leftover.
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
    """Lock an open file until it is closed; raise an `OSError` if another process has locked it."""
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def write_json(path: Path, document: Any) -> None:
    """Write a JSON file atomically; raise a `ValueError` for NaN and infinities."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(document, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file; raise an `InputError` if it is missing or not valid."""
    content = read_bytes(path, LARGEST_JSON)
    try:
        return parse_json(content)
    except ValueError as error:
        raise InputError(f"{path} is damaged: it is not valid JSON ({error}).") from error


def parse_json(content: bytes | str, *, finite: bool = True) -> Any:
    """Parse strict JSON of at most 64 levels.

    Raises
    ------
    ValueError
        If it is not valid, is nested more deeply or, with ``finite``, holds NaN or an infinity.
    """
    read = _parse_finite if finite else float
    try:
        value = json.loads(content, parse_constant=read, parse_float=read, parse_int=_parse_integer)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _items(outer)]
        if not level:
            return value
    raise ValueError(_TOO_DEEP)


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _parse_finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number[:40]} is not a finite number")
    return value


def _parse_integer(number: str) -> int:
    if len(number) > _MOST_DIGITS:
        raise ValueError(f"{number[:40]}... has more than {_MOST_DIGITS} digits")
    return int(number)


def read_bytes(path: Path, most: int) -> bytes:
    """Read a whole file of at most ``most`` bytes; raise an `InputError` if it is larger or cannot be read."""
    size = read_file_size(path)
    if size > most:
        raise InputError(f"{path} must have at most {most:,} bytes, got {size:,}.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error


def read_file_size(path: Path) -> int:
    """Return the size of a regular file in bytes; raise an `InputError` if it is missing or of another kind.

    To be called before a file is opened: opening a pipe could block forever, and a device may be infinite.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise InputError(f"{path} is not a valid file name ({error}).") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise InputError(f"{path} must be a file, got {kind}.")
    return status.st_size


def limit_unpacked_size(packed: int) -> int:
    """Return how many bytes the content of a compressed file of ``packed`` bytes may have.

    Images compress well, but not as well as a decompression bomb.
    """
    return max(_UNPACKED, _TIMES * packed)


def require_creatable_folder(path: Path) -> None:
    """Raise an `OSError` if a folder is not writable, or does not exist and cannot be created; nothing is created."""
    nearest = next(folder for folder in (path.absolute(), *path.absolute().parents) if os.path.lexists(folder))
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
    if os.name == "posix" and os.statvfs(nearest).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(nearest))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(nearest))


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on disk; Windows neither needs nor permits it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def locate_user_cache(name: str) -> Path:
    """Return the user's cache folder for recomputable results, in ``$XDG_CACHE_HOME``, by default ~/.cache."""
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "epanechnikov-vae" / name
