"""Machine code from Python functions, kept on disk for the next process.

Numba keeps a function's machine code until the module of that function changes. The machine code contains that of the
functions it calls, whose modules may change too. So the code on disk carries a mark, the digest of every module of this
package, and is removed as soon as one of them differs.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Indices = npt.NDArray[np.int64]

Function = TypeVar("Function", bound=Callable[..., Any])

MARK = "simulations.digest"
"""The file, in a folder of kept machine code, that says from which modules it was made."""


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
    try:
        dispatcher = numba.njit(cache=True, **options)(function)
    except RuntimeError:
        # No folder can be written: numba refuses to cache, so every process compiles its own code.
        return cast(Function, numba.njit(**options)(function))
    discard_stale_code(Path(dispatcher.stats.cache_path))
    return cast(Function, dispatcher)


@cache
def discard_stale_code(folder: Path) -> None:
    """Remove the machine code in ``folder`` that was made from other modules than those of this package now."""
    mark, digest = folder / MARK, _digest()
    if mark.is_file() and mark.read_bytes() == digest.encode():
        return
    with contextlib.suppress(OSError):
        for index in folder.glob("*.nbi"):
            index.unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        aside = folder / f"{MARK}.{os.getpid()}"
        aside.write_text(digest, encoding="utf-8")
        aside.replace(mark)


@cache
def _digest() -> str:
    """Return the digest of the modules of this package, their names and contents."""
    total = hashlib.sha256()
    package = Path(__file__).parent
    for module in sorted(package.rglob("*.py")):
        total.update(str(module.relative_to(package)).encode() + b"\0" + module.read_bytes() + b"\0")
    return total.hexdigest()


@compiled
def horner(coefficients: Array, at: float) -> float:
    """Evaluate a polynomial whose coefficients stand from the constant to the highest power."""
    value = coefficients[-1]
    for k in range(coefficients.size - 2, -1, -1):
        value = value * at + coefficients[k]
    return value
