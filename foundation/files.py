"""Writing, replacing and removing files, JSON files, and safe reading of untrusted files.

Rules for everything that is written:

- A file is written under a temporary name of our own form, ``.NAME.RANDOM.part``, synced, and renamed. The temporary
  file is new (``O_EXCL``, which follows no link) and locked while it is written, so that a leftover of a killed
  process, which the next call removes, can be distinguished from a file that another process is writing.
- `atomic_write` replaces regular files only, and keeps their permissions: whatever else lies at its path is refused.
- `open_output`, for a file that the user names, also follows links, and writes to pipes and character devices directly.
- Only files with names of our own form are ever removed, and no link is followed to remove anything.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock

from foundation.errors import InputError, Interruption

#: Bytes of the largest JSON file that is read. Our own are far smaller; reading takes about twenty times the size in
#: memory.
LARGEST_JSON = 2**26

#: Levels of nested lists and objects in a JSON file. Our own have fewer than six.
_DEEPEST = 64

_TOO_DEEP = f"it is nested more than {_DEEPEST} levels deep"

#: Digits of the longest integer in a JSON file. A longer one may be infinite in double precision.
_MOST_DIGITS = 300

#: Bytes of a name that are repeated in the name of its temporary file.
_LONGEST_STEM = 200

#: The content of a compressed file may have this many bytes, or this many times the size of the file.
_UNPACKED, _TIMES = 2**28, 100


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream whose content replaces the file ``path`` at the end of the block, and is discarded on an error.

    When the block ends, the content and the renaming are on disk. The permissions of an earlier file are kept. An
    `OSError` names ``path``.

    Raises
    ------
    InputError
        If something other than a regular file lies there: a link, a folder, a pipe, a socket or a device.
    """
    earlier = _status_of_regular_file(path)
    clear_leftovers(path.parent, path.name)
    temporary = path.with_name(_temporary_name(path.name))
    try:
        # The mode "x" neither follows a link nor opens a file that exists.
        with _removed_if_stopped(temporary), temporary.open("xb") as stream:
            try:
                with contextlib.suppress(OSError):
                    # On a file system without locks no file is ever treated as a leftover.
                    _lock(stream.fileno())
                if earlier is not None:
                    _keep_owner_and_mode(temporary, earlier)
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                if os.name != "posix":
                    # Windows does not rename an open file.
                    stream.close()
                temporary.replace(path)
                sync_folder(path.parent)
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        # The reader of the message knows only the final name.
        if error.errno is not None and str(error.filename or temporary) == str(temporary):
            error.filename = str(path)
        raise


@contextlib.contextmanager
def _removed_if_stopped(path: Path) -> Iterator[None]:
    """Remove a new file if a signal ends the block, also between its creation and the next statement."""
    try:
        yield
    except (KeyboardInterrupt, Interruption):
        path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def open_output(path: Path) -> Iterator[BinaryIO]:
    """Yield a stream for a file that the user named; its content appears at the end of the block, or not at all.

    Links are followed. A regular file is replaced atomically; to a pipe, a character device such as ``/dev/null``, or
    the file that is this process's standard output or error, the content is written directly.

    Raises
    ------
    InputError
        If a folder, a socket or a block device lies there, or a pipe that no process reads.
    OSError
        If it cannot be written.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    if status is None or (stat.S_ISREG(status.st_mode) and _own_stream(status) is None):
        with atomic_write(Path(os.path.realpath(path))) as stream:
            yield stream
        return
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        raise InputError(f"{path} must be a file, got {_kind(status.st_mode)}. Name a file.")
    with os.fdopen(_open_directly(path, status), "wb") as direct:
        content = io.BytesIO()
        yield content
        direct.write(content.getvalue())


def _open_directly(path: Path, status: os.stat_result) -> int:
    """Return a descriptor for writing to a pipe, a character device, or a standard stream of this process."""
    own = _own_stream(status)
    if own is not None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        return os.dup(own)
    try:
        # Opening a pipe would wait for a reader, for ever if none comes.
        descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise InputError(f"{path} is a pipe that no process reads. Start its reader first.") from None
        raise
    os.set_blocking(descriptor, True)
    return descriptor


def _own_stream(status: os.stat_result) -> int | None:
    """Return the descriptor of this process's standard output or error if it is open on the file of ``status``."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(status, os.fstat(descriptor)):
                return descriptor
    return None


def _status_of_regular_file(path: Path) -> os.stat_result | None:
    """Return the status of the file, None if there is none; raise an `InputError` for anything but a regular file."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(
            f"{path} must be a regular file, got {_kind(status.st_mode)}. Move it away, or name another file."
        )
    return status


def _keep_owner_and_mode(path: Path, earlier: os.stat_result) -> None:
    """Give a new file the permissions of the one it replaces, and its owner, where this user may."""
    if os.name == "posix":
        # Root, as in a container, would otherwise take a user's file away.
        with contextlib.suppress(PermissionError):
            os.chown(path, earlier.st_uid, earlier.st_gid)
    path.chmod(stat.S_IMODE(earlier.st_mode) & 0o777)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _temporary_name(name: str) -> str:
    # A name has at most 255 bytes.
    return f".{os.fsdecode(os.fsencode(name)[:_LONGEST_STEM])}.{secrets.token_hex(8)}.part"


def clear_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove temporary files that killed processes left in a folder: those for the file ``name``, or for any file."""
    of_file = ".+" if name is None else re.escape(os.fsdecode(os.fsencode(name)[:_LONGEST_STEM]))
    ours = re.compile(rf"\.{of_file}\.[0-9a-f]{{16}}\.part", re.DOTALL)
    for path in folder.iterdir() if os.name == "posix" and folder.is_dir() else ():
        if ours.fullmatch(path.name) and path.is_file() and not path.is_symlink():
            # An error means that another process is writing the file, or that we may not remove it.
            with contextlib.suppress(OSError), _locked(os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)):
                path.unlink()


def remove_leftovers(folder: Path, form: re.Pattern[str]) -> None:
    """Remove the files and folders that killed processes left in a folder under names of a form of our own."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if form.fullmatch(path.name) and not path.is_symlink() and (path.is_file() or path.is_dir()):
            remove_tree(path)


def remove_file(path: Path) -> None:
    """Remove a regular file if it is there; raise an `InputError` for anything else."""
    if _status_of_regular_file(path) is not None:
        path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove a file, a link or a folder with its content, whichever is there; no link is followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def require_own_tree(folder: Path, depth: int) -> None:
    """Require that a folder and its subfolders hold only files and folders, down to ``depth`` levels.

    Our own folders hold nothing else. A link, say, could lead a later write or removal to a place outside.

    Raises
    ------
    InputError
        If a link, a pipe, a socket or a device is among them; it is named.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                if depth > 1:
                    require_own_tree(Path(entry.path), depth - 1)
            elif not stat.S_ISREG(mode):
                raise InputError(
                    f"{entry.path} must be a file or a folder, got {_kind(mode)}, which is never followed or written "
                    "there. Put the file itself in its place."
                )


@contextlib.contextmanager
def hold_lock(path: Path, seconds: float = -1) -> Iterator[None]:
    """Hold the lock of a file, which is created; wait at most the given number of seconds, by default for ever.

    A process that still imports the script of the process that started it does not wait: that one may hold the lock and
    wait in turn for this process, if the script does its work outside of ``if __name__ == "__main__":``.

    Raises
    ------
    filelock.Timeout
        If another process still holds it.
    InputError
        If something other than a regular file lies there: opening it could truncate the target of a link.
    OSError
        If it cannot be created or opened.
    """
    _status_of_regular_file(path)
    lock = FileLock(path)
    lock.acquire(timeout=0 if _is_importing_script() else seconds, poll_interval=0.02)
    try:
        yield
    finally:
        lock.release()


def _is_importing_script() -> bool:
    """Return whether multiprocessing started this process, and it still imports the script that started it."""
    from multiprocessing import process

    # multiprocessing asks the same before it starts further processes.
    return bool(getattr(process.current_process(), "_inheriting", False))


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
    content = json.dumps(document, indent=2, allow_nan=False) + "\n"
    with atomic_write(path) as stream:
        stream.write(content.encode())


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
