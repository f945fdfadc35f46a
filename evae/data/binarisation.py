"""Binary data sets: images of 0 and 255 made from grey ones, once or again for each epoch of training.

The Bernoulli likelihood of a decoder is one of binary pixels only, and there are three ways to get them: by a threshold
at one half, by one draw with the grey values as probabilities (static), or by a new draw in each epoch (dynamic), which
leaves the expected loss that of the grey values, and the hold-out images those of static.

The draws of a data set do not depend on the run: all runs see, and are scored on, equal hold-out images. They are made
on the CPU, and thus the same for every device.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from evae.compute.random_streams import Stream, generator
from evae.data.images import ImageData, binarise, is_binary
from evae.data.published import SPLITS
from foundation.errors import InputError

#: Seed of the draws that all runs share.
_SHARED_SEED = 0


def binarise_data(data: ImageData, how: str, dataset: str) -> ImageData:
    """Make the images of both splits binary.

    Parameters
    ----------
    data : ImageData
        Grey or coloured.
    how : str
        ``threshold``, ``static``, or ``dynamic``: as static, and with the attribute ``grey`` to draw from.
    dataset : str
        Its name in messages.

    Raises
    ------
    InputError
        If the images are binary already.
    """
    if is_binary(data.holdout) and is_binary(data.train):
        raise InputError(f"--binarise does nothing with {dataset}, whose pixels are all 0 or 255. Leave it out.")
    train, holdout = (binarise_split(getattr(data, split), how, split) for split in SPLITS)
    grey = data.train if how == "dynamic" else None
    return dataclasses.replace(data, train=train, holdout=holdout, grey=grey, known_sha256={})


def binarise_split(pixels: Tensor, how: str, split: str) -> Tensor:
    """Make the images of ``train`` or ``holdout`` binary; the first ones, however many follow, are the same always."""
    at = "threshold" if how == "threshold" else "static"
    return binarise(pixels, at, generator(_SHARED_SEED, Stream.BINARISATION, ("holdout", "train").index(split)))


@dataclass(frozen=True)
class RedrawnImages:
    """The binary training images of one or several runs, drawn for each epoch from a stream of the run's seed.

    Attributes
    ----------
    grey : Tensor
        uint8, shape (N, C, S, S), on the CPU.
    seeds : tuple of int
        One for each run.
    pixels : Tensor
        The draws of one run after another, (runs * N, C, S, S), on the device; its address stays the same.
    """

    grey: Tensor
    seeds: tuple[int, ...]
    pixels: Tensor

    @classmethod
    def of(cls, grey: Tensor, seeds: Sequence[int], device: torch.device) -> RedrawnImages:
        """Reserve the memory for the draws."""
        shape = (len(seeds) * len(grey), *grey.shape[1:])
        return cls(grey, tuple(seeds), torch.zeros(shape, dtype=torch.uint8, device=device))

    def redraw(self, epoch: int) -> None:
        """Draw the images of an epoch, from 1."""
        for seed, part in zip(self.seeds, self.pixels.chunk(len(self.seeds)), strict=True):
            part.copy_(binarise(self.grey, "static", generator(seed, Stream.EPOCH_BINARISATION, epoch)))
