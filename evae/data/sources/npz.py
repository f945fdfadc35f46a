"""``npz:FILE``: a user's images in a NumPy archive, with the array names of MedMNIST or Keras."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evae.data.images import ImageData, Labels, as_tensor, crop_centre, default_side, number_classes, resize
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
        32 or 64; by default 64 if the shorter side has at least 64 pixels, else 32.
    """

    path: Path
    data_dir: Path
    image_size: int | None = None

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
        train = self._images(train_name, self.image_size)
        holdout = self._images(holdout_name, train.shape[2])
        if train.shape[1] != holdout.shape[1]:
            raise InputError(
                f"{self.place}: {train_name} and {holdout_name} must have the same number of channels, got "
                f"{train.shape[1]} and {holdout.shape[1]}."
            )
        return ImageData(train, holdout)

    def labels(self) -> Labels:
        """Read ``train_labels`` and ``test_labels``, or ``y_train`` and ``y_test``; classes are numbered from 0."""
        train, holdout = (self._labels_of(name) for name in self._names())
        return number_classes(train, holdout, str(self.place))

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

    def _images(self, name: str, side: int | None) -> Tensor:
        """Read one array as uint8 images of shape (N, C, side, side)."""
        images = channels_first(self._array(name), f"{self.place}: the array {name}")
        square = crop_centre(images)
        return resize(square, side or default_side(square.shape[2]))

    def _array(self, name: str) -> NDArray[Any]:
        """Read one array without unpickling."""
        with self._open() as archive:
            try:
                return archive.read(name)
            except ValueError as error:
                raise InputError(f"{self.place}: the array {name} cannot be read ({error}).") from error


def channels_first(array: NDArray[np.generic], label: str) -> Tensor:
    """View an array of images in shape (N, C, H, W), C = 1 or 3, without copying it; ``label`` begins messages.

    Raises
    ------
    InputError
        If the array is not uint8, is empty, has another shape, or its axes are ambiguous.
    """
    if array.dtype != np.uint8:
        raise InputError(f"{label} must be uint8 (0 to 255), got {array.dtype}. Multiply images in [0, 1] by 255.")
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise InputError(f"{label} must be N x H x W, N x H x W x C or N x C x H x W with N > 0, got {array.shape}.")
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
