"""Images in memory: uint8 tensors, and how they come to the network's resolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

#: Images resized at a time: in single precision all of them would be four times the data.
CHUNK = 4096


@dataclass(frozen=True)
class ImageData:
    """Training and hold-out images as uint8 tensors of shape (N, C, S, S).

    ``note`` says in words where the data are not the whole official set: ``a subset of CelebA: …``.
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
    """uint8 pixels to what the network sees: single precision in [0, 1], the same shape."""
    return pixels.float() / 255


def resize(images: Tensor, side: int) -> Tensor:
    """Resize uint8 images (N, C, H, W) to (N, C, side, side): bilinear, antialiased where it shrinks, 8 bits again."""
    if images.shape[2:] == (side, side):
        return images.contiguous()
    resized = torch.empty(*images.shape[:2], side, side, dtype=torch.uint8)
    for source, target in zip(images.split(CHUNK), resized.split(CHUNK), strict=True):
        enlarged = functional.interpolate(source.float(), size=(side, side), mode="bilinear", antialias=True)
        target.copy_(enlarged.round())
    return resized


def centred_square(images: Tensor) -> Tensor:
    """Return the largest centred square of images (N, C, H, W), as torchvision's CenterCrop cuts it."""
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    return images[:, :, top : top + side, left : left + side]


def default_side(shortest: int) -> int:
    """Return the network's resolution for images whose shorter side has ``shortest`` pixels: 64 from 64 on, else 32."""
    return 64 if shortest >= 64 else 32


def as_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """Share the memory of an array, which must be writable, as a tensor's always is."""
    return torch.from_numpy(pixels)
