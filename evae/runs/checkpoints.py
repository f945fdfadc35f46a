"""Checkpoints: the complete state of training, from which it resumes bit for bit.

A checkpoint is a folder such as ``epoch-00017`` (after 17 epochs) or ``epoch-00018-batch-000120`` (after 120 more
batches). Its tensors are in safetensors files; ``manifest.json`` holds the position of training, and the size and
SHA-256 of each file. The folder is written atomically; later changes are detected when it is read. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from foundation.errors import InputError
from foundation.files import (
    LARGEST_JSON,
    parse_json,
    read_bytes,
    read_file_size,
    remove_leftovers,
    remove_tree,
    require_own_tree,
    sync_file,
    sync_folder,
)
from foundation.validation import is_count, is_finite_number, is_one_of, is_record, is_text

#: Number of checkpoints kept: the newest, and its predecessor in case the newest is damaged.
KEPT = 2

#: The files of a checkpoint, each a group of named tensors.
GROUPS = ("weights", "optimizer", "epoch")

_POSITION = {
    "epochs_finished": is_count,
    "batches": is_count,
    "step": is_count,
    "seconds": is_finite_number,
    "device": is_one_of("cpu", "cuda"),
}

_FILE = is_record({"bytes": is_count, "sha256": is_text})

_MANIFEST = is_record({"position": is_record(_POSITION), "files": is_record(dict.fromkeys(GROUPS, _FILE))})

_NAME = re.compile(r"epoch-(\d+)(?:-batch-(\d+))?")

#: Form of the name of a checkpoint that is being written or removed.
_LEFTOVER = re.compile(rf"\.{_NAME.pattern}\.(?:part|gone)")


class DamagedCheckpoint(InputError):
    """A checkpoint was altered or truncated; the message names the file and the defect."""


@dataclass(frozen=True)
class Position:
    """Position of training.

    Parameters
    ----------
    epochs_finished : int
        Number of epochs that are trained, evaluated and logged.
    batches : int
        Number of batches trained in the following epoch.
    step : int
        Number of batches trained since the beginning.
    seconds : float
        Time that these ``batches`` took, in this process and its predecessors.
    device : str
        The kind of the training device: ``cpu`` or ``cuda``.
    """

    epochs_finished: int
    batches: int
    step: int
    seconds: float
    device: str

    @property
    def name(self) -> str:
        """Name of the checkpoint's folder."""
        if self.batches == 0:
            return f"epoch-{self.epochs_finished:05}"
        return f"epoch-{self.epochs_finished + 1:05}-batch-{self.batches:06}"

    @property
    def place(self) -> tuple[int, int]:
        """Numbers of finished epochs and of batches after them, the sort key of positions."""
        return self.epochs_finished, self.batches

    def __str__(self) -> str:
        if self.batches == 0:
            return f"epoch {self.epochs_finished}"
        return f"epoch {self.epochs_finished + 1}, batch {self.batches}"


@dataclass(frozen=True)
class Checkpoint:
    """State of training at a position: all tensors are on the CPU, in the default memory format.

    Parameters
    ----------
    position : Position
    weights, optimizer : dict
        The state of the model, and that of the optimizer, keyed by its part, such as ``step.`` and ``exp_avg.`` of
        Adam, and the weight.
    epoch : dict
        Within an epoch ``noise``, the state of the generator (uint8), ``sums``, the sum of each term over each batch
        (batches, terms), and ``images``, the number of images so far; else empty, because each epoch has its own
        random streams.
    """

    position: Position
    weights: dict[str, Tensor]
    optimizer: dict[str, Tensor]
    epoch: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoints:
    """The folder ``checkpoints`` of a run."""

    folder: Path

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove all others except its predecessor."""
        path, aside = self.folder / checkpoint.position.name, self.folder / f".{checkpoint.position.name}.part"
        self.folder.mkdir(exist_ok=True)
        require_own_tree(self.folder, 2)
        remove_tree(aside)
        try:
            _write_files(checkpoint, aside)
            # Only a damaged checkpoint, or one from which training did not resume, can already have this name.
            self._discard(path)
            aside.rename(path)
        finally:
            remove_tree(aside)
        sync_folder(self.folder)
        self._keep_last(path)

    def newest(self, most: tuple[int, int] | None = None) -> tuple[Checkpoint | None, list[DamagedCheckpoint]]:
        """Read the newest intact checkpoint; return it with the errors of newer, damaged ones.

        ``most`` restricts the search to checkpoints whose `Position.place` is at most this. The checkpoint is None if
        there is none, as in a run that was killed before its first.

        Raises
        ------
        InputError
            If there are checkpoints but none is intact.
        """
        damage: list[DamagedCheckpoint] = []
        for path in reversed(self._paths(most)):
            try:
                return read(path), damage
            except DamagedCheckpoint as error:
                damage.append(error)
        if damage:
            found = " ".join(str(error) for error in damage)
            raise InputError(f"{self.folder} holds no intact checkpoint: {found} Start a new run.")
        return None, []

    def epochs(self) -> list[int]:
        """Return the number of finished epochs at each checkpoint, ascending."""
        return [_place(match)[0] for path in self._paths() if (match := _NAME.fullmatch(path.name))]

    def clear_leftovers(self, newest: Position | None = None) -> None:
        """Remove partial files of a killed process, and checkpoints that it would have removed after the newest."""
        if newest is not None:
            for path in self._too_old(self.folder / newest.name):
                self._discard(path)
        remove_leftovers(self.folder, _LEFTOVER)

    def _paths(self, most: tuple[int, int] | None = None) -> list[Path]:
        """Return the paths of all checkpoints, or of those up to a place, oldest first."""
        if not self.folder.is_dir():
            return []
        names = ((_NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        found = sorted((_place(match), path) for match, path in names if match)
        return [path for place, path in found if most is None or place <= most]

    def _keep_last(self, newest: Path) -> None:
        paths = self._paths()
        for path in [*self._too_old(newest), *paths[paths.index(newest) + 1 :]]:
            self._discard(path)
        self.clear_leftovers()

    def _too_old(self, newest: Path) -> list[Path]:
        paths = self._paths()
        return paths[: max(paths.index(newest) + 1 - KEPT, 0)]

    def _discard(self, path: Path) -> None:
        """Remove a checkpoint such that an interruption does not leave one that looks damaged."""
        if path.exists():
            gone = self.folder / f".{path.name}.gone"
            remove_tree(gone)
            path.rename(gone)
            remove_tree(gone)


def read(path: Path) -> Checkpoint:
    """Read a checkpoint; raises `DamagedCheckpoint` if it was altered or truncated."""
    manifest = _read_manifest(path / "manifest.json")
    groups = {group: _read_tensors(path / f"{group}.safetensors", manifest["files"][group]) for group in GROUPS}
    checkpoint = Checkpoint(Position(**manifest["position"]), **groups)
    if checkpoint.position.batches > 0:
        _require_epoch(path / "epoch.safetensors", checkpoint)
    return checkpoint


def _write_files(checkpoint: Checkpoint, folder: Path) -> None:
    folder.mkdir()
    # The manifest is written last: it holds the digests of the other files.
    files = {}
    for group in GROUPS:
        content = save(getattr(checkpoint, group), metadata={"format": "pt"})
        _write_synced(folder / f"{group}.safetensors", content)
        files[group] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    document = {"position": vars(checkpoint.position), "files": files}
    manifest = {**document, "sha256": _digest(document)}
    _write_synced(folder / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    sync_folder(folder)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = parse_json(_read(path))
        digest = manifest.pop("sha256")
    except DamagedCheckpoint:
        raise
    except (ValueError, KeyError, AttributeError, TypeError):
        raise DamagedCheckpoint(f"{path} is cut short or damaged: it is not a manifest.") from None
    if digest != _digest(manifest):
        raise DamagedCheckpoint(f"{path} was altered: its SHA-256 does not match its content.")
    if not _MANIFEST(manifest) or set(manifest["position"]) != _POSITION.keys():
        raise DamagedCheckpoint(f"{path} is not a manifest of this program.")
    return dict(manifest)


def _read(path: Path, most: int = LARGEST_JSON) -> bytes:
    try:
        return read_bytes(path, most)
    except InputError as error:
        raise DamagedCheckpoint(str(error)) from None


def _read_tensors(path: Path, expected: dict[str, Any]) -> dict[str, Tensor]:
    try:
        return load(_read_checked(path, expected))
    except SafetensorError as error:
        raise DamagedCheckpoint(f"{path} holds no tensors ({error}).") from None


def _require_epoch(path: Path, checkpoint: Checkpoint) -> None:
    """Raise `DamagedCheckpoint` if a checkpoint within an epoch lacks state needed to resume."""
    sums, noise, images = (checkpoint.epoch.get(name) for name in ("sums", "noise", "images"))
    if (
        sums is None
        or noise is None
        or images is None
        or sums.dtype != torch.float64
        or (sums.dim(), len(sums)) != (2, checkpoint.position.batches)
        or (noise.dtype, noise.dim()) != (torch.uint8, 1)
        or (images.dtype, images.dim()) != (torch.int64, 0)
        or int(images) < 1
    ):
        raise DamagedCheckpoint(f"{path} lacks the sums, the noise or the number of images of its epoch.")


def _read_checked(path: Path, expected: dict[str, Any]) -> bytes:
    size = expected["bytes"]
    try:
        found = read_file_size(path)
    except InputError as error:
        raise DamagedCheckpoint(str(error)) from None
    # Check the size before reading: a damaged file may have any size.
    if found != size:
        state = "cut short" if found < size else "too long"
        raise DamagedCheckpoint(f"{path} is {state} ({found:,} of {size:,} bytes).")
    content = _read(path, size)
    if hashlib.sha256(content).hexdigest() != expected["sha256"]:
        raise DamagedCheckpoint(f"{path} was altered: its SHA-256 does not match manifest.json.")
    return content


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def _place(name: re.Match[str]) -> tuple[int, int]:
    epoch, batch = int(name[1]), int(name[2] or 0)
    return (epoch, 0) if batch == 0 else (epoch - 1, batch)


def _write_synced(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sync_file(path)
