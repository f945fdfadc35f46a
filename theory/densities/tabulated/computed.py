"""Functions of numbers as functions of sympy, so that they stand in the formulas of a density."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import sympy
from sympy import Expr

from foundation.types import Array, ArrayFunction

STEP = 1e-3
"""The distance between the values of which a derivative is a difference, in units of the function's scale."""

_MADE: dict[str, type[Computed]] = {}


class Computed(sympy.Function):
    """A function that is known by its values alone; `computed_function` makes one.

    Attributes
    ----------
    key : str
        What identifies it: two functions with the same key are one.
    scale : float
        The distance over which it changes.
    """

    nargs = 1
    key: ClassVar[str] = ""
    scale: ClassVar[float] = 1.0
    _imp_: ClassVar[Callable[[Any], Any]]

    def fdiff(self, argindex: int = 1) -> Expr:
        """Return the derivative, as a function that is a difference of the values of this one."""
        assert argindex == 1
        made = type(self)
        return computed_function(f"derivative of {made.key}", _differentiate(made), made.scale)(self.args[0])


def computed_function(key: str, function: ArrayFunction, scale: float = 1.0) -> type[Computed]:
    """Return the function of sympy whose values are those of ``function``.

    Parameters
    ----------
    key : str
        What identifies it: the function that was made first with a key is returned for every later call.
    function : callable
        A function of arrays.
    scale : float
        The distance over which it changes, for its derivatives.

    Examples
    --------
    >>> cube = computed_function("cube", lambda points: points**3)
    >>> float(cube(sympy.Integer(2))), cube(sympy.Integer(2)) == computed_function("cube", np.sin)(sympy.Integer(2))
    (8.0, True)
    """
    if key not in _MADE:
        # Generated code calls it by its name, so that the name tells it from all others.
        words = re.sub(r"\W+", "_", key).strip("_")
        name = f"{words[:60]}_{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        values = {"_imp_": staticmethod(_of_any_number(function)), "key": key, "scale": scale}
        _MADE[key] = type(name, (Computed,), values)
    return _MADE[key]


def has_computed(expression: Expr) -> bool:
    """Return whether a function that is known by its values alone stands in ``expression``."""
    return bool(expression.has(Computed))


def _of_any_number(function: ArrayFunction) -> Callable[[Any], Any]:
    """Return the function of arrays for numbers of sympy and mpmath as well."""

    def evaluate(points: Any) -> Any:
        if isinstance(points, np.ndarray):
            return function(points)
        return float(function(np.array([float(points)]))[0])

    return evaluate


def _differentiate(made: type[Computed]) -> ArrayFunction:
    def difference(points: Array) -> Array:
        step = STEP * made.scale
        near = made._imp_(points + step) - made._imp_(points - step)
        far = made._imp_(points + 2 * step) - made._imp_(points - 2 * step)
        return np.asarray((8 * near - far) / (12 * step))

    return difference
