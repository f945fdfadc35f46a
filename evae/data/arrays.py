"""Images and labels that are given in Python, as arrays or tensors."""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from evae.data.images import ImageData, number_classes, require_full_range
from evae.data.published import SPLITS
from evae.data.sources.npz import channels_first
from evae.exceptions import DataWarning
from foundation.errors import InputError

#: Images of both splits, or these two: training and hold-out images, arrays or tensors (`from_arrays`).
GivenData = ImageData | tuple[Any, Any]

#: Floating-point pixels further than this from every k / 255 are not the 8-bit pixels that they are rounded to.
_ROUNDING = 1e-4


def from_arrays(train: Any, holdout: Any, *, labels: tuple[Any, Any] | None = None) -> ImageData:
    """Return images in memory as a data set.

    Parameters
    ----------
    train, holdout : Tensor or array
        Training and hold-out images: N x H x W, N x C x H x W or N x H x W x C with C = 1 or 3, square and of the same
        shape; uint8, or floating point in [0, 1], which is rounded to 8 bits.
    labels : pair of Tensor or array, optional
        The class of each image of the two, integers or strings of shape (N,). Only ``--features classifier`` needs
        them.

    Raises
    ------
    InputError
        If the images or labels are not as described, or so dark that they must be on another scale.

    Warns
    -----
    DataWarning
        If the images are dark, or rounding to 8 bits changes them.
    """
    images = {split: _as_pixels(given, split) for split, given in zip(SPLITS, (train, holdout), strict=True)}
    shapes = {tuple(pixels.shape[1:]) for pixels in images.values()}
    if len(shapes) > 1:
        one, other = (tuple(images[split].shape[1:]) for split in SPLITS)
        raise InputError(f"data: training and hold-out images must have the same shape, got {one} and {other}.")
    _, height, width = shapes.pop()
    if height != width:
        raise InputError(f"data: images must be square, got {height}x{width} pixels. Crop or pad them.")
    data = ImageData(images["train"], images["holdout"])
    require_full_range(data, "data")
    if labels is None:
        return data
    train_labels, holdout_labels = (
        _as_labels(given, len(images[split]), split) for split, given in zip(SPLITS, labels, strict=True)
    )
    return dataclasses.replace(data, labels=number_classes(train_labels, holdout_labels, "data"))


def as_image_data(given: GivenData) -> ImageData:
    """Return what is given as ``data``: an `ImageData`, or a pair of training and hold-out images (`from_arrays`)."""
    if isinstance(given, ImageData):
        return given
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(
            f"data must be a pair of training and hold-out images, or evae.data.from_arrays(…), got "
            f"{type(given).__name__}."
        )
    return from_arrays(*given)


def _as_pixels(given: Any, split: str) -> Tensor:
    """Return images as uint8 (N, C, H, W), with a copy only where it is needed."""
    label = f"data: the {'training' if split == 'train' else 'hold-out'} images"
    array = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if array.dtype.kind != "f":
        return channels_first(array, label)
    if array.size == 0 or not np.isfinite(array).all():
        raise InputError(f"{label} must be finite and at least one, got shape {array.shape} with NaN or infinities.")
    lowest, highest = float(array.min()), float(array.max())
    if lowest < 0 or highest > 1:
        raise InputError(
            f"{label} must be floating point in [0, 1] or uint8 from 0 to 255, got {array.dtype} from {lowest:g} to "
            f"{highest:g}. Scale them."
        )
    levels = 255 * array.astype(np.float64)
    rounded = np.rint(levels)
    if (change := float(np.abs(levels - rounded).max())) > 255 * _ROUNDING:
        warnings.warn(
            f"{label} are rounded to 8 bits, which changes pixels by up to {change / 255:.2g}.",
            DataWarning,
            stacklevel=4,
        )
    return channels_first(rounded.astype(np.uint8), label)


def _as_labels(given: Any, count: int, split: str) -> NDArray[Any]:
    labels = given.detach().cpu().numpy() if isinstance(given, Tensor) else np.asarray(given)
    if labels.shape != (count,) or labels.dtype.kind not in "iuUS":
        name = "training" if split == "train" else "hold-out"
        raise InputError(
            f"data: the labels of the {name} images must be {count:,} integers or strings, one for each image, got "
            f"{labels.dtype} of shape {labels.shape}."
        )
    return labels
