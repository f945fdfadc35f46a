"""The file in which the simulated values of a test are kept, written atomically, for resuming."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from foundation.errors import InputError
from foundation.files import atomic_write
from foundation.types import Array
from foundation.untrusted import ArrayArchive
from simulations.study.save_pace import SavePace
from simulations.study.saved_state import locked

FORMAT = "T_m values, 1"


@dataclass
class KeptValues:
    """Values of replicates by the identity of their simulation, and the file that stores them.

    Attributes
    ----------
    path : Path or None
        Without a path they are not stored.
    values : dict from str to array, shape (replicates,) or (replicates, bandwidths)
        Those of the first replicates, in order.
    """

    path: Path | None = None
    values: dict[str, Array] = field(default_factory=dict)
    _pace: SavePace = field(default_factory=SavePace, init=False, repr=False)

    def save(self) -> None:
        """Replace the file atomically by one with the current values.

        Raises
        ------
        InputError
            If it cannot be written; the last saved file is then intact.
        """
        if self.path is None:
            return
        with self._pace.measure():
            self._write(self.path)

    def save_periodically(self) -> None:
        """Save if the last save was long enough ago."""
        if self._pace.is_due():
            self.save()

    def _write(self, path: Path) -> None:
        identities = np.array(list(self.values), dtype=np.str_)
        arrays: dict[str, Any] = {f"values{k}": values for k, values in enumerate(self.values.values())}
        try:
            with atomic_write(path) as stream:
                np.savez(stream, format=np.array(FORMAT), identities=identities, **arrays)
        except OSError as error:
            raise InputError(f"--resume {path} cannot be written: {error.strerror}.") from error


@contextlib.contextmanager
def kept_values(path: str | Path | None, identities: Sequence[str]) -> Iterator[KeptValues]:
    """Open and lock the file of simulations with these identities; create it if it does not exist.

    Parameters
    ----------
    path : path-like, optional
        Without a path the values are in memory only.
    identities : sequence of str
        Everything on which the values of each simulation depend but their number.

    Raises
    ------
    InputError
        If the file is locked by another process, cannot be written, is damaged, or belongs to another test. The file is
        then unchanged.
    """
    if path is None:
        yield KeptValues()
        return
    try:
        path = Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"--resume {path} cannot be found ({error}).") from None
    with locked(path):
        kept = KeptValues(path, _read(path) if path.exists() else {})
        if not set(kept.values) <= set(identities):
            raise InputError(
                f"--resume {path} belongs to another test: other data, another hypothesis or option, or another "
                "version of this program. The file is unchanged. Name another file to start over."
            )
        if not path.exists():
            kept.save()
        yield kept


def _read(path: Path) -> dict[str, Array]:
    try:
        with ArrayArchive(path) as file:
            if file.read("format").tolist() != FORMAT:
                raise ValueError("it has another format")
            identities = file.read("identities").tolist()
            values = [file.read(f"values{k}") for k in range(len(identities))]
        if not all(one.dtype == np.float64 and one.ndim in (1, 2) and np.isfinite(one).all() for one in values):
            raise ValueError("its values are not finite numbers")
    except (OSError, ValueError) as error:
        raise InputError(
            f"--resume {path} is damaged or not a file that test-fit wrote ({error}). The file is unchanged. Name "
            "another file to start over."
        ) from None
    return dict(zip(map(str, identities), values, strict=True))
