"""Images and labels in memory: uint8 tensors, their labels, and resizing to the resolution of the network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from foundation.errors import InputError


@dataclass(frozen=True)
class Labels:
    """Class labels of the training and hold-out images: int64 tensors of shape (N,) with values below ``classes``."""

    train: Tensor
    holdout: Tensor
    classes: int


def ten_classes(train: NDArray[Any], holdout: NDArray[Any]) -> Labels:
    """Return labels for classes already numbered from 0 to 9, each array of shape (N,)."""
    return Labels(_tensor(train), _tensor(holdout), 10)


def number_classes(train: NDArray[Any], holdout: NDArray[Any], place: str) -> Labels:
    """Return labels that number the classes, strings or integers of shape (N,), from 0 in sorted order.

    Raises
    ------
    InputError
        If the training images have fewer than two classes, or lack the class of a hold-out image; the message begins
        with ``place``.
    """
    classes = np.unique(train)
    if len(classes) < 2:
        raise InputError(
            f"{place}: the number of classes of the training images must be two or more, got {len(classes)}."
        )
    if len(unknown := np.setdiff1d(holdout, classes)):
        raise InputError(f"{place}: there are hold-out images of the class {unknown[0]}, but no training images of it.")
    return Labels(_tensor(np.searchsorted(classes, train)), _tensor(np.searchsorted(classes, holdout)), len(classes))


def _tensor(labels: NDArray[Any]) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))


def fingerprint(data: ImageData) -> dict[str, str]:
    """Compute the SHA-256 of the shape and the pixels of each split."""
    return {"train": _digest(data.train), "holdout": _digest(data.holdout)}


def _digest(images: Tensor) -> str:
    digest = hashlib.sha256(repr(tuple(images.shape)).encode())
    # In chunks, because a memory-mapped file may exceed the memory.
    for chunk in images.split(4096):
        digest.update(chunk.contiguous().numpy())
    return digest.hexdigest()


#: Images resized at a time: in single precision, all of them would need four times the memory of the data.
CHUNK = 4096


@dataclass(frozen=True)
class ImageData:
    """Training and hold-out images as uint8 tensors of shape (N, C, S, S).

    ``note`` says if the data are not the complete official set: ``a subset of CelebA: …``.
    """

    train: Tensor
    holdout: Tensor
    note: str | None = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width


def as_images(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels to the network's input: single precision in [0, 1], same shape."""
    return pixels.float() / 255


def resize(images: Tensor, side: int) -> Tensor:
    """Resize uint8 images (N, C, H, W) to uint8 (N, C, side, side): bilinear, antialiased when shrinking."""
    if images.shape[2:] == (side, side):
        return images.contiguous()
    resized = torch.empty(*images.shape[:2], side, side, dtype=torch.uint8)
    # Compute in single precision, then round back to 8 bits.
    for source, target in zip(images.split(CHUNK), resized.split(CHUNK), strict=True):
        enlarged = functional.interpolate(source.float(), size=(side, side), mode="bilinear", antialias=True)
        target.copy_(enlarged.round())
    return resized


def crop_centre(images: Tensor) -> Tensor:
    """Crop the largest centred square of images (N, C, H, W), as torchvision's CenterCrop does."""
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    return images[:, :, top : top + side, left : left + side]


def default_side(shortest: int) -> int:
    """Return the default resolution for images whose shorter side has ``shortest`` pixels: 64 from 64 on, else 32."""
    return 64 if shortest >= 64 else 32


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Wrap a writable array as a tensor that shares its memory."""
    return torch.from_numpy(pixels)
