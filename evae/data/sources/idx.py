"""MNIST and Fashion-MNIST: images and labels in the idx format, in torchvision's folders."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evae.data.images import ImageData, Labels, resize, ten_classes
from evae.data.source import Check, Official, Survey, get_command, md5_check
from foundation.errors import InputError
from foundation.files import limit_unpacked_size
from foundation.progress import ProgressCallback, ignore_progress

#: Names of the files with images, and of those with labels.
TRAIN, HOLDOUT = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"

TRAIN_LABELS, HOLDOUT_LABELS = "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"

#: MD5 sums of the unpacked files by torchvision's folder; torchvision publishes those of the compressed files.
_UNPACKED = {
    ("MNIST", TRAIN): "6bbc9ace898e44ae57da46a324031adb",
    ("MNIST", HOLDOUT): "2646ac647ad5339dbf082846283269ea",
    ("FashionMNIST", TRAIN): "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ("FashionMNIST", HOLDOUT): "8181f5470baa50b63fa0f6fddb340f0a",
}


@dataclass(frozen=True)
class Content:
    """Content of an idx file: its magic number, the shape of one item, and a title for messages.

    The header holds the magic number, the number of items and the sides of one, each as a big-endian 32-bit integer.
    """

    magic: int
    item: tuple[int, ...]
    title: str

    @property
    def header(self) -> int:
        """Length of the header in bytes."""
        return 4 * (2 + len(self.item))

    def beginning(self) -> str:
        """Describe the header in words."""
        *numbers, last = [f"{self.magic}", "the number of " + self.title.split()[-1], *map(str, self.item)]
        return f"{', '.join(numbers)} and {last}"


IMAGES, LABELS = Content(2051, (28, 28), "28x28 images"), Content(2049, (), "labels")


@dataclass(frozen=True)
class IdxPair:
    """Images and labels of both splits in ``data_dir/folder/raw``, unpacked or compressed (.gz); resized to 32 x 32.

    Parameters
    ----------
    name : str
        Its value of ``--dataset``.
    folder : str
        The folder, which torchvision names after its class.
    official : Official
    data_dir : Path
        The folder that torchvision calls ``root``.
    """

    name: str
    folder: str
    official: Official
    data_dir: Path

    @property
    def raw(self) -> Path:
        """Path of the folder with the files."""
        return self.data_dir / self.folder / "raw"

    def survey(self) -> Survey:
        """Read the headers only."""
        try:
            paths = [self._path(TRAIN), self._path(HOLDOUT)]
        except InputError:
            return Survey(self.name, "missing", str(self.raw))
        size = sum(path.stat().st_size for path in paths)
        try:
            train, holdout = (self._count(path) for path in paths)
        except InputError as error:
            return Survey(self.name, "damaged", str(self.raw), bytes=size, remark=str(error))
        return Survey(self.name, self.official.state(train, holdout), str(self.raw), train, holdout, size)

    def checksums(self) -> Iterator[Check]:
        """Compare compressed files with torchvision's checksums, and unpacked ones if the data set is complete."""
        from torchvision import datasets

        for packed, published in getattr(datasets, self.folder).resources:
            if (self.raw / packed).is_file():
                yield md5_check(self.raw / packed, published)
        if self.survey().state == "complete":
            for name in (TRAIN, HOLDOUT):
                if (self.raw / name).is_file():
                    yield md5_check(self.raw / name, _UNPACKED[self.folder, name])

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Read both files and resize the images from 28 x 28 to 32 x 32 (Appendix B.1)."""
        train, holdout = (torch.from_numpy(self._items(name, IMAGES))[:, None] for name in (TRAIN, HOLDOUT))
        return ImageData(resize(train, 32), resize(holdout, 32), self.official.note(len(train), len(holdout)))

    def labels(self) -> Labels:
        """Read both files of labels, one label per image."""
        train, holdout = self._labels(TRAIN_LABELS, TRAIN), self._labels(HOLDOUT_LABELS, HOLDOUT)
        return ten_classes(train, holdout)

    def _labels(self, name: str, images: str) -> NDArray[np.uint8]:
        """Read labels of shape (N,), 0 to 9."""
        labels, expected = self._items(name, LABELS), self._count(self._path(images))
        path = self._path(name)
        if len(labels) != expected:
            raise InputError(
                f"{path} must hold one label for each of the {expected:,} images in {images}, got {len(labels):,}. "
                f"{self._remedy(path)}"
            )
        if labels.max() > 9:
            raise InputError(f"{path}: labels must lie in 0 to 9, got {labels.max()}. {self._remedy(path)}")
        return labels

    def _path(self, name: str) -> Path:
        """Return the path of the unpacked file, or else of the compressed one."""
        for path in (self.raw / name, self.raw / f"{name}.gz"):
            if path.is_file():
                return path
        if name in (TRAIN_LABELS, HOLDOUT_LABELS):
            raise InputError(f"{self.raw / name} is missing. {self._labels_by_hand(name)}")
        raise InputError(
            f"{self.raw / name} is missing. Point --data-dir at the folder in which torchvision created "
            f"{self.folder}/raw, or run {get_command(self.name, self.data_dir)}."
        )

    def _count(self, path: Path) -> int:
        """Return the number of images according to the header; the size of an unpacked file is checked too."""
        packed = path.suffix == ".gz"
        try:
            with gzip.open(path) if packed else path.open("rb") as stream:
                header = stream.read(IMAGES.header)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise self._damage_error(path, error) from error
        count = self._parse_header(header, IMAGES, path)
        if not packed:
            self._require_size(path.stat().st_size, count, IMAGES, path)
        return count

    def _items(self, name: str, content: Content) -> NDArray[np.uint8]:
        """Read the items of a file, uint8 of shape (N, *item)."""
        path = self._path(name)
        size = path.stat().st_size
        packed = path.suffix == ".gz"
        try:
            with gzip.open(path) if packed else path.open("rb") as stream:
                header = stream.read(content.header)
                count = self._parse_header(header, content, path)
                expected = content.header + count * math.prod(content.item)
                if not packed:
                    self._require_size(size, count, content, path)
                elif expected > limit_unpacked_size(size):
                    raise self._damage_error(
                        path, f"{size:,} bytes cannot hold the {expected:,} that its header announces"
                    )
                # Read one byte too many to detect a file that is too long without unpacking all of it.
                found = header + stream.read(expected - content.header + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise self._damage_error(path, error) from error
        self._require_size(len(found), count, content, path)
        # A copy, because a tensor needs writable memory.
        return np.frombuffer(bytearray(found[content.header :]), dtype=np.uint8).reshape(count, *content.item)

    def _parse_header(self, header: bytes, content: Content, path: Path) -> int:
        """Parse the number of items from a header, which must match the content."""
        whole = len(header) == content.header
        magic, count, *item = np.frombuffer(header, dtype=">u4").tolist() if whole else (0, 0)
        if magic != content.magic or tuple(item) != content.item or count < 1:
            raise InputError(
                f"{path} is not an idx file of {content.title}: it must begin with {content.beginning()}. "
                f"{self._remedy(path)}"
            )
        return int(count)

    def _require_size(self, size: int, count: int, content: Content, path: Path) -> None:
        expected = content.header + count * math.prod(content.item)
        if size != expected:
            state = "cut short" if size < expected else "too long"
            raise InputError(f"{path} is {state} ({size:,} of {expected:,} bytes). {self._remedy(path)}")

    def _damage_error(self, path: Path, error: Exception | str) -> InputError:
        return InputError(f"{path} is cut short or damaged ({error}). {self._remedy(path)}")

    def _remedy(self, path: Path) -> str:
        name = path.name.removesuffix(".gz")
        if name in (TRAIN_LABELS, HOLDOUT_LABELS):
            return f"Delete it. {self._labels_by_hand(name)}"
        return f"Delete {path} and run {get_command(self.name, self.data_dir)}."

    def _labels_by_hand(self, name: str) -> str:
        """Describe the manual download of labels: ``datasets get`` fetches nothing if the images are complete."""
        where = f"on a machine with network access (from {self.official.page})"
        return f"Fetch {name}.gz {where} and put it, without unpacking, into {self.raw}."
