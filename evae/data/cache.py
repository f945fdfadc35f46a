"""Cache of decoded images on disk: checked on every read, decoded again if the source or the cached bytes change.

An entry is an array (``.npy``, uint8) and a record (``.json``) of its source, its parameters and the SHA-256 of its
pixels. If any of these does not match, the entry is rebuilt. Of the source the stamps of all files are compared
(`evae.data.stamps`), and not the content; of the array every byte is read. The array is memory-mapped, so that reading
needs no memory beyond the pixels themselves.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from evae.data.images import pixels_sha256
from evae.data.inventory import Decoded
from evae.data.stamps import SourceStamp
from foundation.errors import InputError
from foundation.files import (
    atomic_write,
    hold_lock,
    locate_user_cache,
    read_file_size,
    read_json,
    remove_file,
    write_json,
)
from foundation.untrusted import read_npy_header
from foundation.validation import is_count

#: Bytes that must be free beyond those of the images: for the record and the folder.
SPARE = 2**20

#: Version of the decoding: changes whenever the same source and parameters would give other pixels.
VERSION = 1


@dataclass(frozen=True)
class DecodeRequest:
    """A request for decoded images.

    Parameters
    ----------
    label : str
        Prefix of the entry's file names.
    source : SourceStamp
        Taken before any of the files is read.
    parameters : dict
        Everything else that determines the pixels; JSON values only.
    """

    label: str
    source: SourceStamp
    parameters: dict[str, Any]

    @property
    def stem(self) -> str:
        """File name of the entry: one entry for each path and parameters, replaced when the source changes."""
        key = json.dumps([self.source.record["path"], self.parameters], sort_keys=True)
        return f"{self.label}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"

    def record(self) -> dict[str, Any]:
        """Return the part of the entry's record that is known before decoding."""
        return {"version": VERSION, "source": self.source.record, "parameters": self.parameters}


@dataclass(frozen=True)
class DecodePlan:
    """Images to be decoded.

    Parameters
    ----------
    train, holdout : int
        Numbers of files in each split.
    shape : (int, int, int)
        (C, S, S) of an image.
    batches : iterator of array
        The images in order; there are fewer than files if some are left out.
    report : callable
        Called after the last batch: returns the number of training images among the batches, and the `Decoded` files.
    """

    train: int
    holdout: int
    shape: tuple[int, int, int]
    batches: Iterator[NDArray[np.uint8]]
    report: Callable[[], tuple[int, Decoded]] | None = None


@dataclass(frozen=True)
class DecodedImages:
    """uint8 images of shape (N, C, S, S), memory-mapped copy-on-write: writing to them does not change the file.

    ``sha256`` is, by split, their `evae.data.images.pixels_sha256`.
    """

    train: NDArray[np.uint8]
    holdout: NDArray[np.uint8]
    decoded: Decoded
    sha256: dict[str, str]


def cache_folder(data_dir: Path) -> Path:
    """Return ``data_dir/decoded``, or the user's cache folder if that is not writable."""
    folder = data_dir / "decoded"
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if os.access(nearest, os.W_OK):
        return folder
    return locate_user_cache("decoded")


def fetch(
    folder: Path, request: DecodeRequest, plan: Callable[[], DecodePlan], *, fresh: bool = False
) -> DecodedImages:
    """Load the images of an entry; decode them first if it is missing, stale or damaged, or if ``fresh`` is set.

    ``plan`` is called only if images are decoded. Another process that needs the same entry waits until it is complete.

    Raises
    ------
    InputError
        If the disk is full; errors of decoding propagate. A partial entry is never left behind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    array, record = folder / f"{request.stem}.npy", folder / f"{request.stem}.json"
    with hold_lock(folder / f"{request.stem}.lock"):
        found = None if fresh else _intact(array, record, request)
        if found is None:
            request.source.wait_until_settled()
            found = _make(array, record, request, plan())
        train, decoded, sha256 = found
        # Map the file while the lock is held, so that no other process can replace it first.
        images: NDArray[np.uint8] = np.load(array, mmap_mode="c", allow_pickle=False)
    return DecodedImages(images[:train], images[train:], decoded, sha256)


#: Of an entry, the number of training images, the report of the decoding, and `pixels_sha256` by split.
_Entry: TypeAlias = tuple[int, Decoded, dict[str, str]]


def _intact(array: Path, record: Path, request: DecodeRequest) -> _Entry | None:
    """Return an entry if it is intact and up to date, else None."""
    try:
        document = read_json(record)
        train, holdout, sha256, report = (document.pop(name) for name in ("train", "holdout", "sha256", "decoded"))
        decoded = Decoded.of(report)
        if document != request.record() or not (is_count(train) and is_count(holdout) and train > 0 and holdout > 0):
            return None
        return (train, decoded, sha256) if sha256 == _compute_sha256(array, train, holdout) else None
    except (InputError, OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def _make(array: Path, record: Path, request: DecodeRequest, plan: DecodePlan) -> _Entry:
    """Write the array while it is decoded, then the record, each atomically; the caller holds the lock."""
    # Without its record an entry is invalid, so that an interruption leaves none that looks intact.
    remove_file(record)
    shape = (plan.train + plan.holdout, *plan.shape)
    needed, free = math.prod(shape) + SPARE, shutil.disk_usage(array.parent).free
    if free < needed:
        raise InputError(
            f"{array.parent} must have {needed:,} bytes free for the decoded images, got {free:,}. Free some space."
        )
    try:
        # Write the header first and then each batch, so that the images never have to fit into memory.
        with atomic_write(array) as stream:
            header, rows = _header(shape), 0
            stream.write(header)
            for batch in plan.batches:
                stream.write(np.ascontiguousarray(batch).data)
                rows += len(batch)
            train, decoded = (plan.train, Decoded()) if plan.report is None else plan.report()
            # NumPy leaves room in a header for other numbers of images, so that its length stays the same.
            final = _header((rows, *plan.shape))
            assert len(final) == len(header)
            stream.seek(0)
            stream.write(final)
        # Hash what is on disk, and write the record last.
        counts = {"train": train, "holdout": rows - train}
        sha256 = _compute_sha256(array, **counts)
        write_json(record, {**request.record(), **counts, "sha256": sha256, "decoded": decoded.document()})
    except OSError as error:
        raise InputError(f"the decoded images cannot be written to {array.parent}: {error.strerror}.") from error
    return train, decoded, sha256


def _header(shape: tuple[int, ...]) -> bytes:
    """Return the header of a .npy file of uint8."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _compute_sha256(array: Path, train: int, holdout: int) -> dict[str, str]:
    """Read a whole array of uint8 images; return `pixels_sha256` of each split.

    Raises
    ------
    ValueError
        If it does not hold so many images.
    """
    size = read_file_size(array)
    # Reading through a map would end the process by a signal where the disk has an error.
    with array.open("rb") as stream:
        shape, fortran, dtype = read_npy_header(stream, size)
        if len(shape) != 4 or dtype != np.uint8 or fortran or shape[0] != train + holdout:
            raise ValueError(f"it must hold {train + holdout} images, got {dtype} of shape {shape}")
        shapes = {"train": (train, *shape[1:]), "holdout": (holdout, *shape[1:])}
        return {split: pixels_sha256(own, _read_parts(stream, math.prod(own))) for split, own in shapes.items()}


def _read_parts(stream: io.BufferedReader, size: int) -> Iterator[memoryview]:
    """Yield the next ``size`` bytes of a file in parts, or fewer if it ends."""
    buffer = memoryview(bytearray(2**20))
    while size and (count := stream.readinto(buffer[: min(size, len(buffer))])):
        size -= count
        yield buffer[:count]
