"""MNIST and Fashion-MNIST: images in the idx format, in the folders that torchvision makes."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evae.data.images import ImageData, resize
from evae.data.source import Check, Official, Progress, Survey, get_command, md5_check, silent
from theory.errors import InputError

#: The files with images. Labels are not read.
TRAIN, HOLDOUT = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"

_HEADER = 16

#: MD5 sums of the unpacked files, in torchvision's folders. torchvision publishes those of the packed ones.
_UNPACKED = {
    ("MNIST", TRAIN): "6bbc9ace898e44ae57da46a324031adb",
    ("MNIST", HOLDOUT): "2646ac647ad5339dbf082846283269ea",
    ("FashionMNIST", TRAIN): "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    ("FashionMNIST", HOLDOUT): "8181f5470baa50b63fa0f6fddb340f0a",
}


@dataclass(frozen=True)
class IdxPair:
    """Training and test images in ``data_dir/folder/raw``, each file unpacked or packed (.gz); seen at 32 x 32.

    Parameters
    ----------
    name : str
        How ``--dataset`` calls it.
    folder : str
        torchvision's folder, which is also the name of its class.
    official : Official
    data_dir : Path
        The folder that is called ``root`` in torchvision.
    """

    name: str
    folder: str
    official: Official
    data_dir: Path

    @property
    def raw(self) -> Path:
        """Where the files are."""
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
        """Compare packed files with what torchvision publishes, and unpacked ones where the set is complete."""
        from torchvision import datasets

        for packed, published in getattr(datasets, self.folder).resources:
            if (self.raw / packed).is_file():
                yield md5_check(self.raw / packed, published)
        if self.survey().state == "complete":
            for name in (TRAIN, HOLDOUT):
                if (self.raw / name).is_file():
                    yield md5_check(self.raw / name, _UNPACKED[self.folder, name])

    def read(self, progress: Progress = silent, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Read both files and resize the images from 28 x 28 to 32 x 32 (Appendix B.1)."""
        train, holdout = self._images(TRAIN), self._images(HOLDOUT)
        return ImageData(resize(train, 32), resize(holdout, 32), self.official.note(len(train), len(holdout)))

    def _path(self, name: str) -> Path:
        """Return the unpacked file, or else the packed one."""
        for path in (self.raw / name, self.raw / f"{name}.gz"):
            if path.is_file():
                return path
        raise InputError(
            f"{self.raw / name} is missing. Point --data-dir at the folder in which torchvision made "
            f"{self.folder}/raw, or run {get_command(self.name, self.data_dir)}."
        )

    def _count(self, path: Path) -> int:
        """Return the number of images that the header names; of an unpacked file the size is checked too."""
        packed = path.suffix == ".gz"
        try:
            with gzip.open(path) if packed else path.open("rb") as stream:
                header = stream.read(_HEADER)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise self._damaged(path, error) from error
        shape = self._shape(header, path)
        if not packed:
            self._require_size(path.stat().st_size, shape, path)
        return shape[0]

    def _images(self, name: str) -> Tensor:
        """Read uint8 images of shape (N, 1, 28, 28)."""
        path = self._path(name)
        content = path.read_bytes()
        if path.suffix == ".gz":
            try:
                content = gzip.decompress(content)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                raise self._damaged(path, error) from error
        count, height, width = self._shape(content[:_HEADER], path)
        self._require_size(len(content), (count, height, width), path)
        # A copy, because a tensor must be writable and the bytes of a file are not.
        return torch.frombuffer(bytearray(content[_HEADER:]), dtype=torch.uint8).reshape(count, 1, height, width)

    def _shape(self, header: bytes, path: Path) -> tuple[int, int, int]:
        """Take the sizes from an idx header: magic number 2051, three sizes (big-endian, 32 bits)."""
        numbers = np.frombuffer(header, dtype=">u4") if len(header) == _HEADER else np.zeros(4, dtype=">u4")
        magic, count, height, width = (int(number) for number in numbers)
        if magic != 2051 or (height, width) != (28, 28) or count < 1:
            raise InputError(
                f"{path} is no idx file of 28x28 images: it should begin with 2051, the number of images, 28 and 28. "
                f"{self._remedy(path)}"
            )
        return count, height, width

    def _require_size(self, size: int, shape: tuple[int, int, int], path: Path) -> None:
        expected = _HEADER + math.prod(shape)
        if size != expected:
            state = "cut short" if size < expected else "too long"
            raise InputError(f"{path} is {state} ({size:,} of {expected:,} bytes). {self._remedy(path)}")

    def _damaged(self, path: Path, error: Exception) -> InputError:
        return InputError(f"{path} is cut short or damaged ({error}). {self._remedy(path)}")

    def _remedy(self, path: Path) -> str:
        return f"Delete {path} and run {get_command(self.name, self.data_dir)}."
