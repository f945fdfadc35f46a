"""MNIST and Fashion-MNIST: images and labels in the idx format, in torchvision's folders."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evae.data.images import ImageData, Labels, fit_images, ten_classes
from evae.data.published import SPLITS, Content, Published
from evae.data.source import Check, Survey, get_command, md5_check
from evae.data.sources.npz import find_archive, survey_archives
from foundation.errors import InputError
from foundation.files import limit_unpacked_size
from foundation.progress import ProgressCallback, ignore_progress

#: Names of the files with images, and of those with labels.
TRAIN, HOLDOUT = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"

TRAIN_LABELS, HOLDOUT_LABELS = "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"


@dataclass(frozen=True)
class Format:
    """Format of an idx file: its magic number, the shape of one item, and a title for messages.

    The header holds the magic number, the number of items and the sides of one, each as a big-endian 32-bit integer.
    """

    magic: int
    item: tuple[int, ...]
    title: str

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of an image."""
        height, width = self.item
        return height, width

    @property
    def header(self) -> int:
        """Length of the header in bytes."""
        return 4 * (2 + len(self.item))

    def beginning(self) -> str:
        """Describe the header in words."""
        *numbers, last = [f"{self.magic}", "the number of " + self.title.split()[-1], *map(str, self.item)]
        return f"{', '.join(numbers)} and {last}"


IMAGES, LABELS = Format(2051, (28, 28), "28x28 images"), Format(2049, (), "labels")


@dataclass(frozen=True)
class IdxPair:
    """Images and labels of both splits in ``data_dir/folder/raw``, unpacked or compressed (.gz), at a ``side``.

    If there is no such folder, all published images may also be in an .npz file in ``data_dir``, as Keras has MNIST, in
    any order.

    Parameters
    ----------
    name : str
        Its value of ``--dataset``.
    folder : str
        The folder, which torchvision names after its class.
    published : Published
    data_dir : Path
        The folder that torchvision calls ``root``.
    fit : str
        How 28 x 28 pixels become those of the ``side``: `evae.data.images.fit_images`.
    side : int
        Of the images; 28 leaves them as they are.
    """

    name: str
    folder: str
    published: Published
    data_dir: Path
    fit: str = "resize"
    side: int = 32

    @property
    def raw(self) -> Path:
        """Path of the folder with the files."""
        return self.data_dir / self.folder / "raw"

    def survey(self) -> Survey:
        """Read the images and compare them with the published ones."""
        if self._is_elsewhere:
            return survey_archives(self.name, self.published, self.data_dir, self.raw)
        try:
            paths = [self._path(TRAIN), self._path(HOLDOUT)]
        except InputError:
            return Survey(self.name, "missing", str(self.raw))
        size = sum(path.stat().st_size for path in paths)
        try:
            pixels, content = self._verified_pixels()
        except InputError as error:
            return Survey(self.name, "damaged", str(self.raw), bytes=size, remark=str(error))
        train, holdout = (len(pixels[split]) for split in SPLITS)
        state = "complete" if content.complete else "subset"
        return Survey(self.name, state, str(self.raw), train, holdout, size)

    def checksums(self) -> Iterator[Check]:
        """Compare compressed files with torchvision's checksums; reading compares the content anyway."""
        from torchvision import datasets

        for packed, published in getattr(datasets, self.folder).resources:
            if (self.raw / packed).is_file():
                yield md5_check(self.raw / packed, published)

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Read both files, and bring the images from 28 x 28, to 32 x 32 in Appendix B.1 (by interpolation)."""
        pixels, content = self._verified_pixels()
        train, holdout = (
            fit_images(torch.from_numpy(pixels[split])[:, None], self.side, self.fit, self.name) for split in SPLITS
        )
        note = self.published.note(len(train), len(holdout))
        return ImageData(train, holdout, note, content, inner=None if self.fit == "resize" else IMAGES.sides)

    def labels(self) -> Labels:
        """Read both files of labels, one label per image."""
        if self._is_elsewhere and (found := find_archive(self.published, self.data_dir)) is not None:
            pixels, place = found.pixels, str(found.file.place)
            labels: dict[str, NDArray[Any]] = dict(zip(SPLITS, found.file.label_arrays(), strict=True))
        else:
            labels = {"train": self._labels(TRAIN_LABELS, TRAIN), "holdout": self._labels(HOLDOUT_LABELS, HOLDOUT)}
            pixels, place = self._pixels(), str(self.raw)
        self.published.verify_labels(pixels, labels, place)
        return ten_classes(labels["train"], labels["holdout"])

    @property
    def _is_elsewhere(self) -> bool:
        """Whether there are no idx files, so that the images may be in an .npz file."""
        return not self.raw.is_dir()

    def _verified_pixels(self) -> tuple[dict[str, NDArray[np.uint8]], Content]:
        """Read the images of both splits, (N, 28, 28), and compare them with the published ones."""
        if self._is_elsewhere and (found := find_archive(self.published, self.data_dir)) is not None:
            return found.pixels, found.content
        pixels = self._pixels()
        return pixels, self.published.verify(pixels, str(self.raw))

    def _pixels(self) -> dict[str, NDArray[np.uint8]]:
        return {split: self._items(name, IMAGES) for split, name in zip(SPLITS, (TRAIN, HOLDOUT), strict=True)}

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
            f"{self.folder}/raw, or that holds all images as an npz file, or run "
            f"{get_command(self.name, self.data_dir)}."
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

    def _items(self, name: str, form: Format) -> NDArray[np.uint8]:
        """Read the items of a file, uint8 of shape (N, *item)."""
        path = self._path(name)
        size = path.stat().st_size
        packed = path.suffix == ".gz"
        try:
            with gzip.open(path) if packed else path.open("rb") as stream:
                header = stream.read(form.header)
                count = self._parse_header(header, form, path)
                expected = form.header + count * math.prod(form.item)
                if not packed:
                    self._require_size(size, count, form, path)
                elif expected > limit_unpacked_size(size):
                    raise self._damage_error(
                        path, f"{size:,} bytes cannot hold the {expected:,} that its header announces"
                    )
                # Read one byte too many to detect a file that is too long without unpacking all of it.
                found = header + stream.read(expected - form.header + 1)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise self._damage_error(path, error) from error
        self._require_size(len(found), count, form, path)
        # A copy, because a tensor needs writable memory.
        return np.frombuffer(bytearray(found[form.header :]), dtype=np.uint8).reshape(count, *form.item)

    def _parse_header(self, header: bytes, form: Format, path: Path) -> int:
        """Parse the number of items from a header, which must match the format."""
        whole = len(header) == form.header
        magic, count, *item = np.frombuffer(header, dtype=">u4").tolist() if whole else (0, 0)
        if magic != form.magic or tuple(item) != form.item or count < 1:
            raise InputError(
                f"{path} is not an idx file of {form.title}: it must begin with {form.beginning()}. "
                f"{self._remedy(path)}"
            )
        return int(count)

    def _require_size(self, size: int, count: int, form: Format, path: Path) -> None:
        expected = form.header + count * math.prod(form.item)
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
        where = f"on a machine with network access (from {self.published.page})"
        return f"Fetch {name}.gz {where} and put it, without unpacking, into {self.raw}."
