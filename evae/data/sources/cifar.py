"""CIFAR-10: the binary version, the Python version without unpickling, and arrays.

The Python version, which torchvision downloads, is a pickle, and a pickle can run arbitrary code. The reader only lists
its opcodes and executes none. Images and labels are compared with the published ones by their content, so that any
container will do: also an .npz file.
"""

from __future__ import annotations

import contextlib
import pickletools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evae.data.images import ImageData, Labels, as_tensor, resize, ten_classes
from evae.data.published import CIFAR10, SPLITS, Content, as_published
from evae.data.source import Check, Survey, get_command
from evae.data.sources.npz import PublishedArchive, find_archive, survey_archives
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress

#: Images per file, and the shape of one: three planes of 32 rows.
RECORDS = 10_000

SHAPE = (3, 32, 32)

_PIXELS = 3 * 32 * 32

#: Upper bound of the size in bytes of the files of either version.
LARGEST_FILE = 2**26

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))

_TEST = ("test_batch",)

#: Converts the content of a file to an array with one row per image; raises `ValueError` with the defect.
Parser = Callable[[bytes], NDArray[np.uint8]]

#: Opcodes that memoize an object of a pickle, and those that hold a string or a small number.
_NUMBERING = frozenset(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"))

_STRINGS = frozenset(("STRING", "BINSTRING", "SHORT_BINSTRING"))

_NUMBERS = frozenset(("INT", "BININT", "BININT1", "BININT2"))


@dataclass(frozen=True)
class Cifar10:
    """The training and test images, 32 x 32 RGB or resized to ``side``, in the first of these containers.

    ``cifar-10-batches-py``, ``cifar-10-batches-bin``, or an .npz file (`evae.data.sources.npz.ArrayFile`) with as many
    images. The order of the images is that of the container.
    """

    data_dir: Path
    name: str = "cifar10"
    side: int = 32

    @property
    def folder(self) -> Path:
        """The folder of the Python version, as torchvision names it, or else of the binary version."""
        python, binary = (self.data_dir / f"cifar-10-batches-{version}" for version in ("py", "bin"))
        return binary if binary.is_dir() and not python.is_dir() else python

    def survey(self) -> Survey:
        """Check that all files exist, and compare the images with the published ones."""
        if not self.folder.is_dir():
            return survey_archives(self.name, CIFAR10, self.data_dir, self.folder)
        paths = [self._path(name) for name in (*_TRAIN, *_TEST)]
        present = [path for path in paths if path.is_file()]
        if not present:
            return Survey(self.name, "missing", str(self.folder))
        size = sum(path.stat().st_size for path in present)
        if absent := [path.name for path in paths if path not in present]:
            return Survey(self.name, "damaged", str(self.folder), bytes=size, remark=f"without {', '.join(absent)}")
        try:
            self._verified_pixels()
        except InputError as error:
            return Survey(self.name, "damaged", str(self.folder), bytes=size, remark=str(error))
        return Survey(self.name, "complete", str(self.folder), CIFAR10.train, CIFAR10.holdout, size)

    def checksums(self) -> Iterator[Check]:
        """Yield nothing: reading compares the content, in any container, with the published one."""
        yield from ()

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Read the training and test images, which must be the published ones."""
        pixels, content = self._verified_pixels()
        # Channels first, as the networks read them.
        train, holdout = (
            resize(as_tensor(np.ascontiguousarray(np.moveaxis(pixels[split], 3, 1))), self.side) for split in SPLITS
        )
        return ImageData(train, holdout, content=content)

    def labels(self) -> Labels:
        """Read the labels of the same files, which must be the published ones."""
        archive = self._archive()
        if archive is None:
            pixels = _as_published(self._parse_splits(parse_binary_images, parse_pickled_images))
            labels: dict[str, NDArray[Any]] = {**self._parse_splits(parse_binary_labels, parse_pickled_labels)}
        else:
            pixels, labels = archive.pixels, dict(zip(SPLITS, archive.file.label_arrays(), strict=True))
        CIFAR10.verify_labels(pixels, labels, str(self.folder if archive is None else archive.file.place))
        return ten_classes(labels["train"], labels["holdout"])

    @property
    def _binary(self) -> bool:
        return self.folder.name.endswith("-bin")

    def _path(self, name: str) -> Path:
        return self.folder / (f"{name}.bin" if self._binary else name)

    def _archive(self) -> PublishedArchive | None:
        """Return the .npz file with the images if there is no folder of either version."""
        return None if self.folder.is_dir() else find_archive(CIFAR10, self.data_dir)

    def _verified_pixels(self) -> tuple[dict[str, NDArray[np.uint8]], Content]:
        """Read the images of both splits, (N, 32, 32, 3), and compare them with the published ones."""
        archive = self._archive()
        if archive is not None:
            return archive.pixels, archive.content
        pixels = _as_published(self._parse_splits(parse_binary_images, parse_pickled_images))
        content = CIFAR10.verify(pixels, str(self.folder))
        if not content.complete:
            counts = " and ".join(f"{len(pixels[split]):,}" for split in SPLITS)
            raise InputError(
                f"{self.folder} must hold {CIFAR10.train:,} training and {CIFAR10.holdout:,} test images, got "
                f"{counts}. Delete it and run {get_command(self.name, self.data_dir)}."
            )
        return pixels, content

    def _parse_splits(self, binary: Parser, listed: Parser) -> dict[str, NDArray[np.uint8]]:
        """Parse the training files and the test file with the parser of their version; return the arrays by split."""
        parse = binary if self._binary else listed
        return {
            split: np.concatenate([self._parse_file(name, parse) for name in names])
            for split, names in zip(SPLITS, (_TRAIN, _TEST), strict=True)
        }

    def _parse_file(self, name: str, parse: Parser) -> NDArray[np.uint8]:
        """Read and parse one file."""
        path = self._path(name)
        if not path.is_file():
            raise InputError(
                f"{path} is missing. Run {get_command(self.name, self.data_dir)}, or point --data-dir at the folder "
                "that holds cifar-10-batches-py, cifar-10-batches-bin or an npz file of all images."
            )
        try:
            # Check the size before reading: the published files have about 30 MB.
            if path.stat().st_size > LARGEST_FILE:
                raise ValueError(f"it has more than {LARGEST_FILE:,} bytes")
            return parse(path.read_bytes())
        except ValueError as error:
            remedy = f"Delete {self.folder} and run {get_command(self.name, self.data_dir)}."
            raise InputError(f"{path} is cut short or damaged ({error}). {remedy}") from error


def _as_published(pixels: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.uint8]]:
    return {split: as_published(images) for split, images in pixels.items()}


def parse_binary_images(content: bytes) -> NDArray[np.uint8]:
    """Parse the images (N, 3, 32, 32) of a binary file; raises `ValueError` if it is invalid."""
    return _records(content)[:, 1:].reshape(-1, *SHAPE)


def parse_binary_labels(content: bytes) -> NDArray[np.uint8]:
    """Parse the labels (N,) of a binary file; raises `ValueError` if it is invalid."""
    return _records(content)[:, 0]


def _records(content: bytes) -> NDArray[np.uint8]:
    """Split a binary file into records: a label (one byte, 0 to 9) and 3,072 pixels, plane by plane."""
    expected = RECORDS * (1 + _PIXELS)
    if len(content) != expected:
        raise ValueError(f"{len(content):,} of {expected:,} bytes")
    records = np.frombuffer(content, dtype=np.uint8).reshape(RECORDS, 1 + _PIXELS)
    if records[:, 0].max() > 9:
        raise ValueError("a label is above 9")
    return records


@contextlib.contextmanager
def _escapes_accepted() -> Iterator[None]:
    """Suppress the warnings of Python about escape sequences in damaged string opcodes, which are refused anyway."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", SyntaxWarning)
        yield


@_escapes_accepted()
def parse_pickled_images(content: bytes) -> NDArray[np.uint8]:
    """Parse the pixels from the opcodes of a pickled batch without executing any.

    A NumPy array of bytes is pickled as (version, (rows, columns), dtype, whether columns are contiguous, its bytes);
    the batch holds one. Returns images of shape (N, 3, 32, 32); raises `ValueError` if the file has another structure.
    """
    # The longest string is the array; the flag before it tells whether columns are contiguous.
    flag, longest = None, b""
    order = None
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "BINSTRING" and len(str(argument)) > len(longest):
            # pickletools decodes the bytes of an old string opcode as Latin-1.
            longest, order = str(argument).encode("latin-1"), flag
        flag = opcode.name
    if not longest or len(longest) % _PIXELS or order not in ("NEWFALSE", "NEWTRUE"):
        raise ValueError("it holds no array of 3,072 bytes per image")
    pixels = np.frombuffer(longest, dtype=np.uint8)
    rows = pixels.reshape((-1, _PIXELS), order="C" if order == "NEWFALSE" else "F")
    return np.ascontiguousarray(rows).reshape(-1, *SHAPE)


@_escapes_accepted()
def parse_pickled_labels(content: bytes) -> NDArray[np.uint8]:
    """Parse the labels from the opcodes of a pickled batch without executing any.

    After the key ``labels`` a list is pickled as an empty list, followed by its numbers in groups of up to 1,000, each
    between a mark and ``APPENDS``, or a single one before ``APPEND``. Returns labels of shape (N,); raises `ValueError`
    if the file has another structure, or the labels are not 10,000 numbers from 0 to 9.
    """
    listing = ((code.name, value) for code, value, _ in pickletools.genops(content) if code.name not in _NUMBERING)
    # Skip to the key of the labels, then collect the numbers of the list that follows.
    for name, value in listing:
        if name in _STRINGS and value == "labels":
            break
    begins, _ = next(listing, ("", None))
    labels = []
    for name, value in listing:
        if name in _NUMBERS:
            labels.append(int(str(value)))
        elif name not in ("MARK", "APPENDS", "APPEND"):
            break
    if begins != "EMPTY_LIST" or len(labels) != RECORDS or not all(0 <= label <= 9 for label in labels):
        raise ValueError(f"it holds no list of {RECORDS:,} labels from 0 to 9")
    return np.array(labels, dtype=np.uint8)
