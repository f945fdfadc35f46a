"""``npz:FILE``: a user's images in a NumPy archive, with the array names of MedMNIST or Keras."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evae.data.images import (
    ImageData,
    Labels,
    as_tensor,
    crop_centre,
    default_side,
    number_classes,
    pad,
    padded_side,
    resize,
)
from evae.data.published import SPLITS, Content, Published, as_published, identify, known_checksum
from evae.data.source import Check, Survey
from foundation.errors import InputError
from foundation.progress import ProgressCallback, ignore_progress
from foundation.untrusted import ArrayArchive

#: Array names of the training and hold-out images: those of MedMNIST, and those of Keras.
SCHEMES = (("train_images", "test_images"), ("x_train", "x_test"))

#: The array of labels for each array of images.
LABELS = {"train_images": "train_labels", "test_images": "test_labels", "x_train": "y_train", "x_test": "y_test"}


@dataclass(frozen=True)
class ArrayFile:
    """uint8 arrays N x H x W, N x H x W x C or N x C x H x W with C = 1 or 3; the largest centred square is resized.

    Parameters
    ----------
    path : Path
        Tried as given, then relative to ``data_dir``.
    data_dir : Path
    image_size : int, optional
        The side of the images; by default 64 if the shorter side has at least 64 pixels, else 32.
    fit : str
        ``resize``; or ``pad``: whole images within a border of zeros, by default at 32 if their longer side allows it.
    """

    path: Path
    data_dir: Path
    image_size: int | None = None
    fit: str = "resize"

    @property
    def name(self) -> str:
        """``npz:`` followed by the path as given."""
        return f"npz:{self.path}"

    @property
    def place(self) -> Path:
        """Path of the file."""
        return next((path for path in (self.path, self.data_dir / self.path) if path.is_file()), self.path)

    def survey(self) -> Survey:
        """Check that the file exists."""
        if not self.place.is_file():
            return Survey(self.name, "missing", str(self.place))
        return Survey(self.name, "present", str(self.place), bytes=self.place.stat().st_size)

    def checksums(self) -> Iterator[Check]:
        """Yield nothing: none are published. Those within the archive are checked when it is read."""
        yield from ()

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Read both arrays, one after the other, so that only one is in memory at its original size."""
        train_name, holdout_name = self._names()
        train, train_content, inner = self._images(train_name, self.image_size)
        holdout, holdout_content, inner_holdout = self._images(holdout_name, train.shape[2])
        if train.shape[1] != holdout.shape[1]:
            raise InputError(
                f"{self.place}: {train_name} and {holdout_name} must have the same number of channels, got "
                f"{train.shape[1]} and {holdout.shape[1]}."
            )
        if inner != inner_holdout:
            raise InputError(
                f"{self.place}: --fit pad needs {train_name} and {holdout_name} of the same height and width, got "
                f"{inner} and {inner_holdout}."
            )
        return ImageData(train, holdout, content=identify(train_content, holdout_content), inner=inner)

    def labels(self) -> Labels:
        """Read ``train_labels`` and ``test_labels``, or ``y_train`` and ``y_test``; classes are numbered from 0."""
        return number_classes(*self.label_arrays(), str(self.place))

    def label_arrays(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Read both arrays of labels as they are, each of shape (N,)."""
        train, holdout = (self._labels_of(name) for name in self._names())
        return train, holdout

    def pixels(self) -> dict[str, Tensor]:
        """Read both arrays of images as they are, uint8 of shape (N, C, H, W), by split."""
        return {split: self._pixels(name) for split, name in zip(SPLITS, self._names(), strict=True)}

    def could_hold(self, published: Published) -> bool:
        """Return whether the headers of the arrays describe as many images as published, of the same shape."""
        try:
            with self._open() as archive:
                headers = [archive.read_header(name) for name in self._names()]
        except (InputError, ValueError):
            return False
        height, width, *channels = published.shape
        shapes = [published.shape, (*channels, height, width)] if channels else [(height, width), (height, width, 1)]
        counts = [published.count(split) for split in SPLITS]
        alike = [shape[1:] in shapes and shape[0] == count for (shape, _), count in zip(headers, counts, strict=True)]
        return all(alike) and all(dtype == np.uint8 for _, dtype in headers)

    def _labels_of(self, images: str) -> NDArray[np.int64]:
        """Read the labels of an array of images: non-negative integers N or N x 1, one per image."""
        name, label = LABELS[images], f"{self.place}: the array {LABELS[images]}"
        if name not in self._present():
            raise InputError(
                f"{self.place} must hold the array {name}, the class of each image of {images} as an integer."
            )
        labels, count = self._array(name), len(self._array(images))
        # Several labels per image, as in multi-label data sets, are not classes.
        if labels.ndim == 2 and labels.shape[1] > 1:
            raise InputError(f"{label} must have one class per image, got {labels.shape[1]}.")
        if labels.dtype.kind not in "iu" or labels.shape not in ((count,), (count, 1)):
            raise InputError(
                f"{label} must hold {count:,} integers, the classes of {images}, got {labels.dtype} of shape "
                f"{labels.shape}."
            )
        if labels.min(initial=0) < 0:
            raise InputError(f"{label} must hold classes of 0 or more, got {labels.min()}.")
        return labels.reshape(-1).astype(np.int64)

    def _names(self) -> tuple[str, str]:
        """Return the names of the two arrays in the naming scheme of the file."""
        present = self._present()
        schemes = [scheme for scheme in SCHEMES if present.issuperset(scheme)]
        if len(schemes) != 1:
            state = "neither" if not schemes else "both"
            raise InputError(
                f"{self.place} must hold either train_images and test_images or x_train and x_test, got {state} "
                f"(its arrays: {', '.join(sorted(present)) or 'none'})."
            )
        return schemes[0]

    def _present(self) -> set[str]:
        """Return the names of all arrays."""
        if not self.place.exists():
            raise InputError(
                f"npz:FILE must name a NumPy archive with the arrays train_images and test_images, got {self.path}, "
                f"which is neither a file nor one in {self.data_dir}."
            )
        with self._open() as archive:
            return archive.names

    def _open(self) -> ArrayArchive:
        try:
            return ArrayArchive(self.place)
        except InputError:
            raise
        except ValueError as error:
            raise InputError(f"{self.place} is not an npz file, or is cut short ({error}).") from error

    def _images(self, name: str, side: int | None) -> tuple[Tensor, str, tuple[int, int] | None]:
        """Read one array as uint8 images (N, C, side, side).

        Returns them, their `known_checksum`, and their height and width within a border.
        """
        images = self._pixels(name)
        checksum, (height, width) = known_checksum(images.numpy()), images.shape[2:]
        if self.fit == "pad":
            side = side or padded_side(max(height, width))
            return pad(images, side, f"{self.place}: the array {name}"), checksum, (height, width)
        square = crop_centre(images)
        return resize(square, side or default_side(square.shape[2])), checksum, None

    def _pixels(self, name: str) -> Tensor:
        return channels_first(self._array(name), f"{self.place}: the array {name}")

    def _array(self, name: str) -> NDArray[Any]:
        """Read one array without unpickling."""
        with self._open() as archive:
            try:
                return archive.read(name)
            except ValueError as error:
                raise InputError(f"{self.place}: the array {name} cannot be read ({error}).") from error


@dataclass(frozen=True)
class PublishedArchive:
    """An .npz file that holds a published data set; ``pixels`` by split are in the axes of `Published.shape`."""

    file: ArrayFile
    pixels: dict[str, NDArray[np.uint8]]
    content: Content


def find_archive(published: Published, data_dir: Path) -> PublishedArchive | None:
    """Return the .npz file in a folder that holds a published data set, in any order; None if there is none.

    Raises
    ------
    InputError
        If the only files with as many images of the same shape hold other images.
    """
    refusal = None
    for path in sorted(data_dir.glob("*.npz")):
        file = ArrayFile(path, data_dir)
        if not file.could_hold(published):
            continue
        try:
            pixels = {split: as_published(images.numpy()) for split, images in file.pixels().items()}
            return PublishedArchive(file, pixels, published.verify(pixels, str(path)))
        except InputError as error:
            refusal = refusal or error
    if refusal is not None:
        raise refusal
    return None


def survey_archives(name: str, published: Published, data_dir: Path, otherwise: Path) -> Survey:
    """Return the survey of a published data set that is looked for in the .npz files of a folder.

    If there is none it is missing at its usual place, ``otherwise``.
    """
    try:
        found = find_archive(published, data_dir)
    except InputError as error:
        return Survey(name, "damaged", str(data_dir), remark=str(error))
    if found is None:
        return Survey(name, "missing", str(otherwise))
    place = found.file.place
    return Survey(name, "complete", str(place), published.train, published.holdout, place.stat().st_size)


def channels_first(array: NDArray[np.generic], label: str) -> Tensor:
    """View an array of images in shape (N, C, H, W), C = 1 or 3, without copying it; ``label`` begins messages.

    Raises
    ------
    InputError
        If the array is not uint8, is empty, has another shape, or its axes are ambiguous.
    """
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise InputError(f"{label} must be N x H x W, N x H x W x C or N x C x H x W with N > 0, got {array.shape}.")
    if array.dtype != np.uint8:
        raise InputError(f"{label} must be uint8 (0 to 255), got {describe_values(array)}")
    pixels = as_tensor(np.ascontiguousarray(array).view(np.uint8))
    if array.ndim == 3:
        return pixels[:, None]
    # Channels are recognised by a length of 1 or 3; both axes may have it for tiny images.
    first, last = (array.shape[axis] in (1, 3) for axis in (1, 3))
    if first and last:
        raise InputError(
            f"{label} must have unambiguous axes, got {array.shape}, which is N x H x W x C or N x C x H x W."
        )
    if not first and not last:
        raise InputError(f"{label} must have 1 or 3 channels, got {array.shape}.")
    return pixels if first else torch.movedim(pixels, 3, 1)


def describe_values(array: NDArray[Any]) -> str:
    """Describe the type and the range of an array that is not uint8, with a remedy, as the end of a message."""
    if array.dtype == np.bool_:
        return "bool. Convert it by (255 * images).astype('uint8')."
    if array.dtype.kind not in "iuf":
        return f"{array.dtype}. Convert it to whole numbers from 0 to 255."
    lowest, highest = (float(value) for value in (array.min(), array.max()))
    found = f"{array.dtype} from {lowest:g} to {highest:g}"
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        bad = int(np.count_nonzero(~np.isfinite(array)))
        return f"{array.dtype} with {bad:,} values that are NaN or infinite. Repair the images first."
    if lowest >= 0 and highest <= 1:
        return f"{found}. Multiply images in [0, 1] by 255: (255 * images).round().astype('uint8')."
    if lowest >= -1 and highest <= 1:
        return f"{found}. Scale images in [-1, 1]: (127.5 * (images + 1)).round().astype('uint8')."
    if lowest >= 0 and highest <= 255:
        return f"{found}. Convert it by images.round().astype('uint8')."
    return f"{found}. Scale these values to 0 to 255, and convert them to uint8."
