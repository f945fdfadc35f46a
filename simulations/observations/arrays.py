"""Arrays and other sequences of numbers in Python, converted to double precision without silent changes."""

from __future__ import annotations

import math
import numbers
import sys
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from foundation.errors import InputError
from foundation.types import Array

_KINDS = {
    "b": "booleans",
    "c": "complex numbers",
    "M": "dates",
    "m": "durations",
    "U": "text",
    "S": "text",
    "T": "text",
    "V": "records",
}

_REMEDIES = {
    "b": "Convert them with astype(float) if 0 and 1 are meant.",
    "c": "Pass the real or the imaginary part.",
    "M": "Convert them to numbers of a unit first.",
    "m": "Convert them to numbers of a unit first.",
    "V": "Choose one of the fields.",
}


def to_doubles(values: object, what: str = "the sample") -> tuple[Array, npt.NDArray[np.bool_]]:
    """Convert an array, a sequence or a pandas Series to double precision, and mark what is missing.

    NaN, None, pandas' NA and masked elements are missing.

    Returns
    -------
    values, missing : arrays of the same shape
        Missing values are NaN. Infinite values stay infinite.

    Raises
    ------
    InputError
        If an element is text, a boolean, a date, a complex number or anything else but a real number, or if it is
        beyond double precision; the message begins with ``what``.

    Examples
    --------
    >>> to_doubles([1, None, 2.5])
    (array([1. , nan, 2.5]), array([False,  True, False]))
    """
    data, masked = _as_array(values, what)
    if data.dtype.kind in "fiu":
        doubles = _narrow(data, what)
    elif data.dtype.kind == "O":
        flat = [_to_double(one, place, what) for place, one in enumerate(data.reshape(-1), start=1)]
        doubles = np.array(flat, dtype=np.float64).reshape(data.shape)
    else:
        raise InputError(_on_kind(what, data.dtype.kind, str(data.dtype)))
    doubles = np.where(masked, np.nan, doubles) if masked is not None else doubles
    return doubles, np.isnan(doubles)


def _as_array(values: object, what: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Return the elements of ``values`` and, for a masked array, which of them are masked."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(values.data), np.ma.getmaskarray(values)
    dtype = getattr(values, "dtype", None)
    if dtype is not None and not isinstance(dtype, np.dtype) and _is_of_pandas(values):
        return _from_extension(values, what), None
    try:
        data = np.asarray(values)
    except Exception as error:
        # A sequence with elements of different lengths, a tensor on a device, an integer that no double can hold, ...
        reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        raise InputError(f"{what} must consist of numbers, got {_type_name(values)}: {reason}.") from None
    if data.ndim == 0 and data.dtype.kind == "O":
        raise InputError(f"{what} must be a sequence of numbers, got {_type_name(values)}.")
    return data, None


def _is_of_pandas(values: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(
        values, pandas.Series | pandas.Index | pandas.api.extensions.ExtensionArray
    )


def _from_extension(values: Any, what: str) -> npt.NDArray[Any]:
    """Return the elements of a pandas object whose type is not one of NumPy's; what is missing becomes NaN or None."""
    dtype = values.dtype
    if str(dtype) == "category" or getattr(dtype, "kind", "O") not in "fiuO":
        raise InputError(_on_kind(what, getattr(dtype, "kind", "O"), str(dtype)))
    if dtype.kind == "O":
        return np.asarray(values, dtype=object)
    return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))


def _narrow(data: npt.NDArray[Any], what: str) -> Array:
    with np.errstate(over="ignore"):
        doubles = data.astype(np.float64)
    if data.dtype.kind == "f" and data.dtype.itemsize > 8 and (np.isinf(doubles) & np.isfinite(data)).any():
        raise InputError(f"{what} must be within double precision, got numbers beyond 1.8e308. Choose other units.")
    return doubles


def _to_double(one: object, place: int, what: str) -> float:
    if one is None or _is_missing_in_pandas(one):
        return math.nan
    if isinstance(one, bool | np.bool_) or not isinstance(one, numbers.Real | Decimal):
        shown = repr(one) if len(repr(one)) < 80 else f"{repr(one)[:60]}..."
        raise InputError(
            f"{what} must consist of numbers, but value {place} is {_type_name(one)}, {shown}. Convert it to a number, "
            "or to None or NaN if it is missing."
        )
    try:
        return float(one)
    except (OverflowError, ValueError):
        raise InputError(
            f"{what} must be within double precision, but value {place} is not. Choose other units."
        ) from None


def _is_missing_in_pandas(one: object) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and (one is pandas.NA or one is pandas.NaT)


def _on_kind(what: str, kind: str, dtype: str) -> str:
    named = "categories" if dtype == "category" else _KINDS.get(kind, "other values")
    remedy = _REMEDIES.get(kind, "Convert them to numbers first.")
    return f"{what} must consist of numbers, got {named} (type {dtype}). {remedy}"


def _type_name(value: object) -> str:
    name = type(value).__name__
    return f"an object of type {name}"
