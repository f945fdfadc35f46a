"""Types of numerical arrays and of elementwise functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
"""Numbers in double precision."""

Indices: TypeAlias = npt.NDArray[np.int64]
"""Positions in another array, or numbers of cells or bins."""

Counts: TypeAlias = npt.NDArray[np.int64]
"""Numbers of occurrences."""

ArrayFunction: TypeAlias = Callable[[Array], Array]
"""A function that is evaluated elementwise."""
