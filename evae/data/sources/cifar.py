"""CIFAR-10 in its binary version, and in its Python version without unpickling it.

The Python version, which torchvision downloads, is a pickle; and a pickle can run any program. Here its opcodes are
only listed, none is carried out, and its MD5 sum must be the published one.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evae.data.images import ImageData, Labels, as_tensor, ten_classes
from evae.data.source import Check, Official, Survey, get_command, md5_check
from foundation.errors import InputError
from foundation.progress import ProgressCallback, silent

OFFICIAL = Official("CIFAR-10", 50_000, 10_000, "www.cs.toronto.edu/~kriz/cifar.html")

#: Images in a file, and the shape of one: three planes of 32 rows.
RECORDS = 10_000

SHAPE = (3, 32, 32)

_PIXELS = 3 * 32 * 32

#: No file of either version is as large.
LARGEST_FILE = 2**26

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))

_TEST = ("test_batch",)

#: Takes the content of a file to an array with one row an image; a `ValueError` says what is wrong with it.
Parser = Callable[[bytes], NDArray[np.uint8]]

#: Opcodes that number an object of a pickle for later use, and those that hold a string or a small number.
_NUMBERING = frozenset(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"))

_STRINGS = frozenset(("STRING", "BINSTRING", "SHORT_BINSTRING"))

_NUMBERS = frozenset(("INT", "BININT", "BININT1", "BININT2"))


@dataclass(frozen=True)
class Cifar10:
    """The five training files and the test file in ``data_dir/cifar-10-batches-py`` or ``…-bin``; 32 x 32 colours."""

    data_dir: Path
    name: str = "cifar10"

    @property
    def folder(self) -> Path:
        """The Python version, as torchvision keeps it, or else the binary one."""
        python, binary = (self.data_dir / f"cifar-10-batches-{version}" for version in ("py", "bin"))
        return binary if binary.is_dir() and not python.is_dir() else python

    def survey(self) -> Survey:
        """Look whether all six files are there."""
        paths = [self._path(name) for name in (*_TRAIN, *_TEST)]
        present = [path for path in paths if path.is_file()]
        if not present:
            return Survey(self.name, "missing", str(self.folder))
        size = sum(path.stat().st_size for path in present)
        if absent := [path.name for path in paths if path not in present]:
            return Survey(self.name, "damaged", str(self.folder), bytes=size, remark=f"without {', '.join(absent)}")
        return Survey(self.name, "complete", str(self.folder), OFFICIAL.train, OFFICIAL.holdout, size)

    def checksums(self) -> Iterator[Check]:
        """Compare the Python version with what torchvision publishes; it publishes nothing for the binary one."""
        if not self._binary:
            published = _published_md5()
            for name in (*_TRAIN, *_TEST):
                if self._path(name).is_file():
                    yield md5_check(self._path(name), published[name])

    def read(self, progress: ProgressCallback = silent, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Read the official training and test images."""
        train, holdout = self._parse_splits(parse_binary_images, parse_pickled_images)
        return ImageData(as_tensor(train), as_tensor(holdout))

    def labels(self) -> Labels:
        """Read the labels of the same files."""
        return ten_classes(*self._parse_splits(parse_binary_labels, parse_pickled_labels))

    @property
    def _binary(self) -> bool:
        return self.folder.name.endswith("-bin")

    def _path(self, name: str) -> Path:
        return self.folder / (f"{name}.bin" if self._binary else name)

    def _parse_splits(self, binary: Parser, listed: Parser) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Read what the version's parser finds in the training files and in the test file."""
        parse = binary if self._binary else listed
        train, holdout = (
            np.concatenate([self._parse_file(name, parse) for name in names]) for names in (_TRAIN, _TEST)
        )
        return train, holdout

    def _parse_file(self, name: str, parse: Parser) -> NDArray[np.uint8]:
        """Read one file, with the published MD5 sum where there is one."""
        path = self._path(name)
        if not path.is_file():
            raise InputError(
                f"{path} is missing. Run {get_command(self.name, self.data_dir)}, or point --data-dir at the folder "
                "that holds cifar-10-batches-py or cifar-10-batches-bin."
            )
        try:
            # Before the file is hashed: the published ones have 30,000,000 and some bytes.
            if path.stat().st_size > LARGEST_FILE:
                raise ValueError(f"it has more than {LARGEST_FILE:,} bytes")
            if not self._binary and not (check := md5_check(path, _published_md5()[name])).passed:
                raise ValueError(f"its MD5 sum is not the published one: {check.detail}")
            return parse(path.read_bytes())
        except ValueError as error:
            remedy = f"Delete {self.folder} and run {get_command(self.name, self.data_dir)}."
            raise InputError(f"{path} is cut short or damaged ({error}). {remedy}") from error


def parse_binary_images(content: bytes) -> NDArray[np.uint8]:
    """Return the images of a file of the binary version, (N, 3, 32, 32); a `ValueError` where it is none."""
    return _records(content)[:, 1:].reshape(-1, *SHAPE)


def parse_binary_labels(content: bytes) -> NDArray[np.uint8]:
    """Return the labels of a file of the binary version, (N,); a `ValueError` where it is none."""
    return _records(content)[:, 0]


def _records(content: bytes) -> NDArray[np.uint8]:
    """Cut a file of the binary version: records of a label (one byte, 0 to 9) and 3,072 pixels, plane by plane."""
    expected = RECORDS * (1 + _PIXELS)
    if len(content) != expected:
        raise ValueError(f"{len(content):,} of {expected:,} bytes")
    records = np.frombuffer(content, dtype=np.uint8).reshape(RECORDS, 1 + _PIXELS)
    if records[:, 0].max() > 9:
        raise ValueError("a label is above 9")
    return records


def parse_pickled_images(content: bytes) -> NDArray[np.uint8]:
    """Find the pixels among the opcodes of a pickled batch; no opcode is carried out.

    A NumPy array of bytes is pickled as (version, (rows, columns), dtype, whether columns are contiguous, its bytes);
    the batch holds one. Returns images of shape (N, 3, 32, 32); a `ValueError` where the file is not like that.
    """
    flag, longest = None, b""
    order = None
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name == "BINSTRING" and len(str(argument)) > len(longest):
            # An old pickle's string is bytes, which are listed as Latin-1.
            longest, order = str(argument).encode("latin-1"), flag
        flag = opcode.name
    if not longest or len(longest) % _PIXELS or order not in ("NEWFALSE", "NEWTRUE"):
        raise ValueError("it holds no array of 3,072 bytes an image")
    pixels = np.frombuffer(longest, dtype=np.uint8)
    rows = pixels.reshape((-1, _PIXELS), order="C" if order == "NEWFALSE" else "F")
    return np.ascontiguousarray(rows).reshape(-1, *SHAPE)


def parse_pickled_labels(content: bytes) -> NDArray[np.uint8]:
    """Find the labels among the opcodes of a pickled batch; no opcode is carried out.

    After the key ``labels`` a list is pickled as its beginning, empty, and then its numbers in groups of up to 1,000,
    each between a mark and ``APPENDS``, or a single one before ``APPEND``. Returns labels of shape (N,); a `ValueError`
    where the file is not like that, or the labels are not 10,000 from 0 to 9.
    """
    listing = ((code.name, value) for code, value, _ in pickletools.genops(content) if code.name not in _NUMBERING)
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


def _published_md5() -> dict[str, Any]:
    from torchvision.datasets import CIFAR10

    return dict(CIFAR10.train_list + CIFAR10.test_list)
