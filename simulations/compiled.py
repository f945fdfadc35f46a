"""Machine code from Python functions, cached on disk for the next process.

The machine code of a function contains that of the functions it calls, whose modules may change while its own does not.
So the name of every file contains a digest of all modules of this package, and files of other digests are removed. The
content carries its SHA-256: a file that is empty, cut short or altered is never loaded, and compiled again. A folder in
which nothing can be written costs time only; a warning says so.

A file is a pickle, and loading it runs what it says. So a folder is used only if nobody can write to it who could not
change the module itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import re
import stat
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

from foundation.errors import CacheWarning, InputError, describe_cause
from foundation.files import atomic_write
from foundation.types import Array

Function = TypeVar("Function", bound=Callable[..., Any])

#: Form of the names of the files: the function's, a digest of the modules, and one of the function's arguments.
_NAME = re.compile(r".+\.([0-9a-f]{16})-[0-9a-f]{32}\.code")

#: Bytes of the digest at the beginning of a file.
_DIGEST = 32


def compiled(function: Function) -> Function:
    """Compile ``function`` without the interpreter lock, and keep the machine code on disk where that is possible.

    The machine code contains that of every compiled function it calls, so that it returns the same bits in a process
    that compiles it and in one that loads it from disk.
    """
    return _kept(function)


def vectorised(function: Function) -> Function:
    """Compile as `compiled` does, with sums in whatever order vector lanes bring.

    The order is fixed when the machine code is made, so a function still returns the same bits for the same input.
    """
    return _kept(function, fastmath={"reassoc", "nsz", "contract"})


def _kept(function: Function, **options: Any) -> Function:
    # Every callee is compiled into its caller. Otherwise its machine code would exist twice, compiled on its own and
    # kept on disk with the caller. The two are optimised separately and may add in different orders. A process that
    # compiles would call the first and one that loads the caller from disk the second, so that the last bits of what
    # they compute would differ.
    options |= {"nogil": True, "error_model": "numpy", "forceinline": True}
    dispatcher = numba.njit(**options)(function)
    try:
        cached = CodeCache(function)
    except RuntimeError:
        # Numba finds no folder that it could write to.
        _warn("no folder for it can be written; set NUMBA_CACHE_DIR to one")
        return cast(Function, dispatcher)
    folder = Path(cached.cache_path)
    if not is_private(folder, Path(function.__code__.co_filename)):
        _warn(f"others can write to {folder}; set NUMBA_CACHE_DIR to a folder of your own")
        return cast(Function, dispatcher)
    discard_stale_code(folder)
    dispatcher._cache = cached
    return cast(Function, dispatcher)


class CodeCache(FunctionCache):
    """The cache of one function, with files that are verified, in the folder that numba chooses.

    Numba's own files are loaded as they are: an empty or altered one ends the process, or is run.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = CodeFiles(Path(self._cache_path), self._impl.filename_base)

    def save_overload(self, signature: Any, code: Any) -> None:
        """Cache the machine code for a signature, or warn that it cannot be."""
        try:
            super().save_overload(signature, code)
        except (OSError, InputError) as error:
            # The folder differs from module to module; the warning is for all.
            _warn(f"its folder cannot be written ({describe_cause(error)}); set NUMBA_CACHE_DIR to one that can")


@dataclass(frozen=True)
class CodeFiles:
    """The files of one function in ``folder``, one for each signature; they replace numba's index and data files."""

    folder: Path
    function: str

    def load(self, key: Any) -> Any:
        """Return what was saved under ``key``, or None if there is no intact file of it."""
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        intact = hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]
        return pickle.loads(content[_DIGEST:]) if intact else None

    def save(self, key: Any, code: Any) -> None:
        """Write a file; raises an `OSError` or an `InputError` if it cannot be written."""
        content = dumps(code)
        with atomic_write(self._path(key)) as stream:
            stream.write(hashlib.sha256(content).digest() + content)

    def flush(self) -> None:
        """Remove the function's files; numba calls this before it compiles a function again."""
        for path in self.folder.glob(f"{self.function}.*.code"):
            path.unlink(missing_ok=True)

    def _path(self, key: Any) -> Path:
        argument = hashlib.sha256(repr(key).encode()).hexdigest()[:32]
        return self.folder / f"{self.function}.{digest_sources()[:16]}-{argument}.code"


def is_private(folder: Path, source: Path) -> bool:
    """Return whether nobody can write to a folder who could not change the file ``source``, except root.

    A folder that does not exist yet will be the user's own.
    """
    if os.name != "posix" or not folder.exists():
        return True
    found, module = folder.stat(), source.stat()
    others = stat.S_IWOTH
    if found.st_gid not in (os.getegid(), module.st_gid):
        others |= stat.S_IWGRP
    return found.st_uid in (os.geteuid(), module.st_uid, 0) and not found.st_mode & others


@cache
def discard_stale_code(folder: Path) -> None:
    """Remove the machine code in ``folder`` that was made from other modules than those of this package now."""
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            name = _NAME.fullmatch(path.name)
            if name and name[1] != digest_sources()[:16]:
                path.unlink(missing_ok=True)


@cache
def digest_sources() -> str:
    """Return the SHA-256 of the modules of this package, their names and contents, and of numba's versions."""
    total = hashlib.sha256(f"{version('numba')} {version('llvmlite')}".encode())
    package = Path(__file__).parent
    for module in sorted(package.rglob("*.py")):
        total.update(str(module.relative_to(package)).encode() + b"\0" + module.read_bytes() + b"\0")
    return total.hexdigest()


@cache
def _warn(reason: str) -> None:
    """Warn once for each reason."""
    warnings.warn(
        f"Machine code is not cached, so that every command compiles it: {reason}.", CacheWarning, stacklevel=2
    )


@compiled
def horner(coefficients: Array, at: float) -> float:
    """Evaluate a polynomial whose coefficients stand from the constant to the highest power."""
    value = coefficients[-1]
    for k in range(coefficients.size - 2, -1, -1):
        value = value * at + coefficients[k]
    return value
