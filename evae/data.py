"""Data sets as uint8 tensors of shape (N, C, S, S), at the resolution of Appendix B's networks."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evae.configuration import DATASETS
from theory.errors import InputError


@dataclass(frozen=True)
class ImageData:
    """Training and hold-out images as uint8 tensors of shape (N, C, S, S)."""

    train: Tensor
    holdout: Tensor

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, S, S)."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width


def load(dataset: str, data_dir: str | Path = "data", *, limit_train: int | None = None) -> ImageData:
    """Read a data set.

    Parameters
    ----------
    dataset : str
        ``digits``: scikit-learn's 1,797 digits, embedded. ``mnist``, ``fashion-mnist``: the files that torchvision
        keeps in MNIST/raw and FashionMNIST/raw, official split, resized from 28 x 28 to 32 x 32 (Appendix B.1).
    data_dir : str or Path
        The folder that is called ``root`` in torchvision.
    limit_train : int, optional
        Keep the first so many training images.

    Raises
    ------
    InputError
        If the data set is unknown, or a file is missing, cut short or not what its name says; the sentence names the
        file and the remedy.
    """
    if dataset == "digits":
        data = _digits()
    elif dataset == "mnist":
        data = _idx_pair(Path(data_dir) / "MNIST")
    elif dataset == "fashion-mnist":
        data = _idx_pair(Path(data_dir) / "FashionMNIST")
    else:
        raise InputError(f"there is no data set {dataset!r}; there is {', '.join(DATASETS)}.")
    return ImageData(data.train[:limit_train], data.holdout)


def as_images(pixels: Tensor) -> Tensor:
    """uint8 pixels to what the network sees: single precision in [0, 1], the same shape."""
    return pixels.float() / 255


def resize(images: Tensor, side: int) -> Tensor:
    """Resize uint8 images (N, C, H, W) to (N, C, side, side): bilinear, antialiased where it shrinks, 8 bits again."""
    # In chunks: the intermediate images in single precision would be four times the data.
    resized = [
        functional.interpolate(chunk.float(), size=(side, side), mode="bilinear", antialias=True)
        .round()
        .to(torch.uint8)
        for chunk in images.split(4096)
    ]
    return torch.cat(resized)


def _digits() -> ImageData:
    """Every sixth digit is held out: no seed, and every writer and digit on both sides."""
    from sklearn.datasets import load_digits

    grey = torch.from_numpy(load_digits().images)[:, None]
    images = resize((grey * (255 / 16)).round().to(torch.uint8), 32)
    held_out = torch.arange(len(images)) % 6 == 5
    return ImageData(train=images[~held_out], holdout=images[held_out])


def _idx_pair(folder: Path) -> ImageData:
    """Read the official training and test images of MNIST or its relatives, in torchvision's folder of their name."""
    train = _read_idx_images(folder / "raw" / "train-images-idx3-ubyte")
    holdout = _read_idx_images(folder / "raw" / "t10k-images-idx3-ubyte")
    return ImageData(train=resize(train, 32), holdout=resize(holdout, 32))


def _read_idx_images(path: Path) -> Tensor:
    """Read images in the idx format: magic number 2051, three sizes (big-endian, 32 bits), one byte a pixel."""
    content, path = _read_bytes(path)
    header = np.frombuffer(content[:16], dtype=">u4") if len(content) >= 16 else np.zeros(4, dtype=">u4")
    magic, *sizes = (int(number) for number in header)
    if magic != 2051 or sizes[1:] != [28, 28] or sizes[0] < 1:
        raise InputError(
            f"{path} is no idx file of 28x28 images: it should begin with 2051, the number of images, 28 and 28. "
            f"{_remedy(path)}"
        )
    length = 16 + math.prod(sizes)
    if len(content) != length:
        state = "cut short" if len(content) < length else "too long"
        raise InputError(f"{path} is {state} ({len(content):,} of {length:,} bytes). {_remedy(path)}")
    # A copy, because a tensor must be writable and the bytes of a file are not.
    return torch.frombuffer(bytearray(content[16:]), dtype=torch.uint8).reshape(sizes[0], 1, sizes[1], sizes[2])


def _read_bytes(path: Path) -> tuple[bytes, Path]:
    """Read the file, unpacked if only its .gz is there; return also the path that was read."""
    if path.is_file():
        return path.read_bytes(), path
    packed = path.with_name(path.name + ".gz")
    if not packed.is_file():
        name = path.parent.parent.name
        raise InputError(
            f"{path} is missing. Point --data-dir at the folder in which torchvision made {name}/raw "
            f"(root of torchvision.datasets.{name}(root, download=True))."
        )
    content = packed.read_bytes()
    try:
        return gzip.decompress(content), packed
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{packed} is cut short or damaged ({error}). {_remedy(packed)}") from error


def _remedy(path: Path) -> str:
    name = path.parent.parent.name
    return f"Delete {path.parent} and let torchvision.datasets.{name}(root, download=True) make it again."
