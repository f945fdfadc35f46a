"""Reproducible samples: a stream of its own for every replicate, keyed by (seed, replicate) alone.

The generator is Philox4x64-10 (Salmon, Moraes, Dror and Shaw, 2011) as NumPy provides it. Its key holds the seed and
the number of the replicate and its counter starts at 0, so two replicates never share a stream, and a replicate's
sample depends neither on the others nor on the thread that draws it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from theory.densities import Density
from theory.errors import InputError

Array = npt.NDArray[np.float64]

LARGEST_SEED = 2**64 - 1


def uniforms(seed: int, replicate: int, m: int) -> Array:
    """Return ``m`` uniform numbers strictly between 0 and 1.

    Each is the middle of one of 2**52 equal intervals, taken from the high bits of one word: symmetric about 1/2,
    never 0 or 1, and exact in double precision.

    Parameters
    ----------
    seed, replicate : int
        From 0 to 2**64 - 1.
    m : int
        At least 1.

    Examples
    --------
    >>> uniforms(0, 1, 3).round(6)
    array([0.813354, 0.751331, 0.671649])
    """
    generator = np.random.Philox(key=np.array([seed, replicate], dtype=np.uint64))
    return ((generator.random_raw(m) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def draw(density: Density, seed: int, replicate: int, m: int) -> Array:
    """Return the sample of ``m`` observations of ``density`` that belongs to (seed, replicate), by its quantiles.

    Raises
    ------
    InputError
        If the seed is not a whole number from 0 to 2**64 - 1.
    """
    return density.quantiles(uniforms(checked_seed(seed), replicate, m))


def checked_seed(seed: int) -> int:
    """Return ``seed``.

    Raises
    ------
    InputError
        If it is not a whole number from 0 to 2**64 - 1.
    """
    if not (isinstance(seed, int) and 0 <= seed <= LARGEST_SEED):
        raise InputError(f"the seed must be a whole number from 0 to {LARGEST_SEED}, got {seed}.")
    return seed
