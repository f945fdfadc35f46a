"""Images and labels in memory: uint8 tensors, their labels, and resizing to the resolution of the network."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from evae.data.inventory import Inventory
from evae.data.published import SPLITS, Content
from evae.exceptions import DataWarning
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
    """Return the SHA-256 of each split (`pixels_sha256`), computed unless it is known since the data were read."""
    return {split: data.known_sha256.get(split) or _digest(getattr(data, split)) for split in SPLITS}


def _digest(images: Tensor) -> str:
    # In chunks, because a memory-mapped file may exceed the memory.
    return pixels_sha256(tuple(images.shape), (chunk.contiguous().numpy().data for chunk in images.split(4096)))


def pixels_sha256(shape: tuple[int, ...], pixels: Iterable[bytes | memoryview]) -> str:
    """Compute the SHA-256 of the shape (N, C, S, S) of images and of their bytes in order, given in any parts."""
    digest = hashlib.sha256(repr(shape).encode())
    for part in pixels:
        digest.update(part)
    return digest.hexdigest()


#: The brightest pixel of images that must be on another scale, such as masks of 0 and 1 or grey values of 4 bits, and
#: of images that may be.
DARK, DIM = 16, 127


def require_full_range(data: ImageData, place: str) -> None:
    """Check that pixels are on the scale from 0 to 255; ``place`` begins messages.

    Raises
    ------
    InputError
        If no pixel of a split is brighter than `DARK`; the message names the largest value and the remedy.

    Warns
    -----
    DataWarning
        If no pixel is brighter than `DIM`.
    """
    brightest = {"training": int(data.train.max()), "hold-out": int(data.holdout.max())}
    for split, value in brightest.items():
        if value <= DARK:
            raise InputError(
                f"{place}: the pixels of the {split} images must be on the scale from 0 to 255, got a largest value of "
                f"{value} at {data.train.shape[2]}x{data.train.shape[3]}, so that they are nearly black. Multiply "
                f"images of 0 to {max(value, 1)} by {255 / max(value, 1):.4g} and round them."
            )
    if (value := max(brightest.values())) <= DIM:
        warnings.warn(
            f"{place}: the brightest pixel is {value} of 255. If the images are not meant to be dark, multiply them by "
            f"{255 / value:.4g}.",
            DataWarning,
            stacklevel=2,
        )


#: Images resized at a time: in single precision, all of them would need four times the memory of the data.
CHUNK = 4096


@dataclass(frozen=True)
class ImageData:
    """Training and hold-out images as uint8 tensors of shape (N, C, S, S).

    Attributes
    ----------
    train, holdout : Tensor
    note : str, optional
        Says if the data are not the complete official set: ``a subset of CelebA: …``.
    content : Content, optional
        The published data set that the images were found to belong to, with their checksums.
    inventory : Inventory, optional
        What became of the image files, if the data are read from such.
    known_sha256 : mapping of str to str
        By split, its `pixels_sha256` if that was computed when the images were read.
    inner : (int, int), optional
        Height and width of the images within a border of zeros (`pad`).
    grey : Tensor, optional
        The grey training images from which ``train`` was drawn, if training draws anew in each epoch
        (`evae.data.binarisation`).
    labels : Labels, optional
        Of images that are given in Python; those of other data sets are read where they are needed
        (`evae.data.load_labels`).
    """

    train: Tensor
    holdout: Tensor
    note: str | None = None
    content: Content | None = None
    inventory: Inventory | None = None
    known_sha256: Mapping[str, str] = field(default_factory=dict)
    inner: tuple[int, int] | None = None
    grey: Tensor | None = None
    labels: Labels | None = field(default=None, kw_only=True)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    def limited(self, train: int | None, holdout: int | None) -> ImageData:
        """Return the data with at most so many images in each split, the first ones; None for no limit."""
        first, others = self.train[:train], self.holdout[:holdout]
        whole = {"train": len(first) == len(self.train), "holdout": len(others) == len(self.holdout)}
        known = {split: sha256 for split, sha256 in self.known_sha256.items() if whole[split]}
        return dataclasses.replace(self, train=first, holdout=others, known_sha256=known)

    def document(self) -> dict[str, Any]:
        """Return what a run records of its data: shape, numbers, SHA-256, and where the images come from."""
        return {
            "image_shape": list(self.image_shape),
            "images": {"train": len(self.train), "holdout": len(self.holdout)},
            "sha256": fingerprint(self),
            "note": self.note,
            "content": None if self.content is None else self.content.document(),
            "inventory": None if self.inventory is None else self.inventory.document(),
        }


def as_images(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels to the network's input: single precision in [0, 1], same shape.

    Raises
    ------
    InputError
        If they are not uint8.
    """
    _require_bytes(pixels)
    return pixels.float() / 255


def binarise(pixels: Tensor, how: str, generator: torch.Generator) -> Tensor:
    """Make uint8 pixels binary, 0 or 255; same shape and device.

    Parameters
    ----------
    pixels : Tensor
        uint8, shape (N, C, S, S).
    how : str
        ``threshold``: 255 from 128 on. ``static``: 255 with probability pixel / 255, drawn once; the draws for the
        first images do not depend on how many follow.
    generator : torch.Generator
        On the CPU; the only state that a draw depends on.

    Raises
    ------
    InputError
        If the pixels are not uint8.
    """
    _require_bytes(pixels)
    if how == "threshold":
        return torch.where(pixels >= 128, 255, 0).to(torch.uint8)
    # Uniform on 0 to 254, so that the probability is exactly pixel / 255.
    levels = [torch.randint(0, 255, image.shape, generator=generator, dtype=torch.uint8) for image in pixels]
    return torch.where(pixels > torch.stack(levels).to(pixels.device), 255, 0).to(torch.uint8)


def is_binary(pixels: Tensor) -> bool:
    """Return whether every one of uint8 pixels is 0 or 255."""
    _require_bytes(pixels)
    return all(bool(((part == 0) | (part == 255)).all()) for part in pixels.split(CHUNK))


def resize(images: Tensor, side: int) -> Tensor:
    """Resize uint8 images (N, C, H, W) to uint8 (N, C, side, side): bilinear, antialiased when shrinking.

    Raises
    ------
    InputError
        If they are not uint8.
    """
    _require_bytes(images)
    if images.shape[2:] == (side, side):
        return images.contiguous()
    resized = torch.empty(*images.shape[:2], side, side, dtype=torch.uint8)
    # Compute in single precision, then round back to 8 bits.
    for source, target in zip(images.split(CHUNK), resized.split(CHUNK), strict=True):
        enlarged = functional.interpolate(source.float(), size=(side, side), mode="bilinear", antialias=True)
        target.copy_(enlarged.round())
    return resized


def pad(images: Tensor, side: int, place: str) -> Tensor:
    """Put uint8 images (N, C, H, W) in the middle of a border of zeros: uint8 (N, C, side, side).

    Where the border is odd, it has the additional row or column at the end.

    Raises
    ------
    InputError
        If they are not uint8; or are larger, or so large that there is no border. Messages begin with ``place``.
    """
    _require_bytes(images)
    height, width = images.shape[2:]
    if max(height, width) > side or min(height, width) == side:
        fault = "larger" if max(height, width) > side else "as large already"
        raise InputError(
            f"{place}: --fit pad needs images smaller than the {side}x{side} pixels of the network, got "
            f"{height}x{width}, which are {fault}. Leave it out."
        )
    top, left = (side - height) // 2, (side - width) // 2
    padded = images.new_zeros(*images.shape[:2], side, side)
    padded[:, :, top : top + height, left : left + width] = images
    return padded


def crop_inner(images: Tensor, inner: tuple[int, int]) -> Tensor:
    """Cut the border of `pad` off images (N, C, side, side): (N, C, H, W) with ``inner`` = (H, W)."""
    height, width = inner
    top, left = ((side - length) // 2 for side, length in zip(images.shape[2:], inner, strict=True))
    return images[:, :, top : top + height, left : left + width]


def fit_images(images: Tensor, side: int, fit: str, place: str) -> Tensor:
    """Bring uint8 images to (N, C, side, side), ``fit`` being ``resize`` (`resize`) or ``pad`` (`pad`)."""
    return resize(images, side) if fit == "resize" else pad(images, side, place)


def _require_bytes(pixels: Tensor) -> None:
    # The type alone, since looking at the values would wait for the device.
    if pixels.dtype != torch.uint8:
        raise InputError(f"pixels must be uint8 (0 to 255), got {pixels.dtype}. Round them by evae.metrics.eight_bit.")


def crop_centre(images: Tensor) -> Tensor:
    """Crop the largest centred square of images (N, C, H, W), as torchvision's CenterCrop does."""
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    return images[:, :, top : top + side, left : left + side]


def default_side(shortest: int) -> int:
    """Return the default resolution for images whose shorter side has ``shortest`` pixels: 64 from 64 on, else 32."""
    return 64 if shortest >= 64 else 32


def padded_side(longest: int) -> int:
    """Return the default resolution for images to be padded whose longer side has ``longest`` pixels."""
    return 32 if longest <= 32 else 64


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Wrap a writable array as a tensor that shares its memory."""
    return torch.from_numpy(pixels)
