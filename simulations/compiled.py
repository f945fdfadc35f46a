"""Machine code from Python functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile ``function`` without the interpreter lock, and keep the machine code on disk where that is possible.

    What is kept on disk is used until the function's own module changes. It contains the compiled functions that are
    called, so after a change to another module's the caches have to be removed.
    """
    try:
        return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:
        # No folder can be written: numba refuses to cache, so every process compiles anew.
        return cast(Function, numba.njit(nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """Compile ``function`` into each function that calls it: a call with several arrays costs more than small work."""
    return cast(Function, numba.njit(inline="always", nogil=True, error_model="numpy")(function))
