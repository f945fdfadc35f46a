"""The state file of a simulation: the replicates accumulated so far, written atomically, for resuming."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from filelock import Timeout

from foundation.errors import InputError
from foundation.files import LARGEST_JSON, hold_lock, open_output, parse_json, read_bytes
from foundation.validation import (
    is_any_of,
    is_count,
    is_finite_number,
    is_integer,
    is_list_of,
    is_null,
    is_number,
    is_record,
)
from simulations.study.accumulators import (
    KEPT,
    LARGEST_BIN,
    LARGEST_SCALE,
    ORDER,
    SMALLEST_SCALE,
    Accumulator,
    Grid,
    Moments,
    QuantileSketch,
)
from simulations.study.save_pace import SavePace

FORMAT = "T_m simulation, 2"
"""With number 1, the quantiles were kept to a share of T_m, not of its spread."""


def _is_finite_float(value: Any) -> bool:
    """Return whether a value is a number as `StudyState.document` writes those of any size."""
    return isinstance(value, float) and math.isfinite(value)


_MOMENTS = {
    "count": is_count,
    "mean": is_number,
    "least": is_number,
    "greatest": is_number,
    # Large values can have powers beyond double precision.
    "sums": is_list_of(is_number),
}

_STUDY = is_record(
    {
        "identity": is_record({"m": is_count}),
        "seconds": is_finite_number,
        "moments": is_any_of(is_null, is_record(_MOMENTS)),
        "values": is_list_of(_is_finite_float),
        "grid": is_any_of(is_null, is_record({"centre": _is_finite_float, "scale": _is_finite_float})),
        "bins": is_list_of(is_integer),
        "counts": is_list_of(is_count),
    }
)

Identity = dict[str, Any]
"""The properties that identify a study: everything its replicates depend on."""


@dataclass
class StudyState:
    """The progress of one study.

    Attributes
    ----------
    identity : mapping
    accumulator : Accumulator
        Accumulates all complete blocks so far.
    seconds : float
        Computing time of these blocks.
    saved : int
        Number of replicates in the file.
    """

    identity: Identity
    accumulator: Accumulator = field(default_factory=Accumulator)
    seconds: float = 0.0
    saved: int = 0

    def document(self) -> dict[str, Any]:
        """Return the machine-readable form, in which floats are exact to the last bit."""
        moments, sketch = self.accumulator.moments, self.accumulator.sketch
        bins, counts = sketch.occupied
        return {
            "identity": self.identity,
            "seconds": self.seconds,
            "moments": None if moments is None else asdict(moments),
            "values": sketch.kept.tolist(),
            "grid": None if sketch.grid is None else asdict(sketch.grid),
            "bins": bins.tolist(),
            "counts": counts.tolist(),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> StudyState:
        """Restore the state from the result of `document`.

        Raises
        ------
        ValueError
            If it is not a possible result.
        """
        kept = document["moments"]
        moments = None if kept is None else _moments(kept)
        if len(document["values"]) + sum(document["counts"]) != (0 if moments is None else moments.count):
            raise ValueError("its values do not number as many as its replicates")
        accumulator = Accumulator(moments, _sketch(document))
        return cls(document["identity"], accumulator, document["seconds"], accumulator.count)


def _moments(document: dict[str, Any]) -> Moments:
    moments = Moments(**{name: document[name] for name in _MOMENTS} | {"sums": tuple(map(float, document["sums"]))})
    if moments.count < 1 or len(moments.sums) != ORDER - 1 or not moments.least <= moments.mean <= moments.greatest:
        raise ValueError("its moments contradict each other")
    return moments


def _sketch(document: dict[str, Any]) -> QuantileSketch:
    bins, counts = (np.array(document[name], dtype=np.int64) for name in ("bins", "counts"))
    kept = np.array(document["values"], dtype=np.float64)
    if bins.shape != counts.shape or (np.diff(bins) <= 0).any() or np.abs(bins).max(initial=0) > LARGEST_BIN:
        raise ValueError("its bins are not in order")
    if document["grid"] is None:
        if bins.size or kept.size > KEPT:
            raise ValueError("its bins have no grid")
        return QuantileSketch(kept)
    grid = Grid(**document["grid"])
    if kept.size or not SMALLEST_SCALE <= grid.scale <= LARGEST_SCALE:
        raise ValueError("its values do not fit its grid")
    return QuantileSketch.from_bins(grid, bins, counts)


@dataclass
class StateFile:
    """The states of studies, and the file that stores them; without a path they are not stored.

    Attributes
    ----------
    path : Path or None
    states : sequence of StudyState
    """

    path: Path | None
    states: Sequence[StudyState]
    _pace: SavePace = field(default_factory=SavePace, init=False, repr=False)

    def save(self) -> None:
        """Replace the file atomically by one with the current states.

        Raises
        ------
        InputError
            If it cannot be written; the last saved file is then intact.
        """
        if self.path is None:
            return
        with self._pace.measure():
            self._write(self.path)
        for state in self.states:
            state.saved = state.accumulator.count

    def save_periodically(self) -> None:
        """Save if the last save was long enough ago."""
        if self._pace.is_due():
            self.save()

    def _write(self, path: Path) -> None:
        studies = [state.document() for state in self.states]
        text = json.dumps({"format": FORMAT, "sha256": _digest(studies), "studies": studies})
        try:
            with open_output(path) as stream:
                stream.write(text.encode())
        except OSError as error:
            remedy = " The last saved state is intact; the same command resumes from it." if path.exists() else ""
            raise InputError(f"--resume {path} cannot be written: {error.strerror}.{remedy}") from error


def find_unused_path(seed: int) -> Path:
    """Find the name of a file in the current folder that does not exist, for a study without a state file."""
    names = (f"simulate-tm-seed{seed}{tail}.json" for tail in ("", *(f"-{number}" for number in range(2, 10_000))))
    return next(path for path in map(Path, names) if not path.exists()).resolve()


@contextlib.contextmanager
def state_file(path: str | Path | None, identities: Sequence[Identity]) -> Iterator[StateFile]:
    """Open and lock the state file of the studies with these identities; create it if it does not exist.

    Parameters
    ----------
    path : path-like, optional
        Without a path the states are in memory only.
    identities : sequence of mapping
        Identities of the studies, in order.

    Raises
    ------
    InputError
        If the file is locked by another process, cannot be written, is damaged, or belongs to other studies. The file
        is then unchanged.
    """
    if path is None:
        yield StateFile(None, [StudyState(identity) for identity in identities])
        return
    try:
        path = Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"--resume {path} cannot be found ({error}).") from None
    with locked(path):
        states = _read(path, identities) if path.exists() else [StudyState(identity) for identity in identities]
        file = StateFile(path, states)
        if not path.exists():
            file.save()
        yield file


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file that ``--resume`` names; raise an `InputError` if it cannot be had."""
    if path.is_dir():
        raise InputError(f"--resume must be a file, but {path} is a folder. Name a file in it.")
    if not path.parent.is_dir():
        # The lock would create the missing folders.
        raise InputError(f"--resume {path} cannot be written: the folder {path.parent} does not exist.")
    # The lock belongs to the file itself, by whatever links it is named.
    file = Path(os.path.realpath(path))
    with contextlib.ExitStack() as lock:
        try:
            lock.enter_context(hold_lock(file.with_name(f".{file.name}.lock"), 0))
        except Timeout:
            raise InputError(f"--resume {path} is in use by another process. Wait until that ends.") from None
        except OSError as error:
            raise InputError(f"--resume {path} cannot be written: {error.strerror}.") from None
        yield


def _read(path: Path, identities: Sequence[Identity]) -> list[StudyState]:
    remedy = "The file is unchanged. Name another file to start over."
    # From the outside in: a readable file, JSON of this format, intact, of the right form, and possible.
    try:
        content = read_bytes(path, LARGEST_JSON)
    except InputError as error:
        raise InputError(f"--resume {error}") from None
    try:
        document = parse_json(content, finite=False)
    except ValueError:
        raise InputError(f"--resume {path} is cut short or not a file that simulate-tm wrote. {remedy}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"--resume {path} is not a file that this version of simulate-tm wrote. {remedy}")
    if document.get("sha256") != _digest(document.get("studies")):
        raise InputError(f"--resume {path} has been altered: its checksum does not match. {remedy}")
    if not is_list_of(_STUDY)(document["studies"]):
        raise InputError(f"--resume {path} must hold studies, got other data. {remedy}")
    try:
        states = [StudyState.from_document(study) for study in document["studies"]]
    except ValueError as error:
        raise InputError(f"--resume {path} holds an impossible study: {error}. {remedy}") from None
    # The file is valid; it must also belong to these studies.
    difference = _difference([state.identity for state in states], identities)
    if difference:
        raise InputError(f"--resume {path} belongs to another study: {difference}. {remedy}")
    return states


def _difference(kept: Sequence[Identity], asked: Sequence[Identity]) -> str | None:
    """Describe the first difference between the stored studies and those asked for; None if there is none."""
    sizes = [[f"{identity['m']:,}" for identity in identities] for identities in (kept, asked)]
    if sizes[0] != sizes[1]:
        return f"it has m = {' and '.join(sizes[0])}, not {' and '.join(sizes[1])}"
    for theirs, ours in zip(kept, asked, strict=True):
        for name, value in ours.items():
            if theirs.get(name) == value:
                continue
            if name == "first_value":
                return "its replicates were computed by another version of this program or on another kind of processor"
            return f"its {name.replace('_', ' ')} is {theirs.get(name)}, not {value}"
    return None


def _digest(studies: Any) -> str:
    return hashlib.sha256(json.dumps(studies, sort_keys=True).encode()).hexdigest()
