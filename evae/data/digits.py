"""scikit-learn's 1,797 handwritten digits, which need no download."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from evae.data.images import ImageData, resize
from evae.data.source import Check, Progress, Survey, silent


class Digits:
    """The embedded digits, 8 x 8 pixels, seen at 32 x 32. Every sixth is held out."""

    name = "digits"

    def survey(self) -> Survey:
        """Say that they are embedded."""
        return Survey(self.name, "embedded", "scikit-learn", 1498, 299, remark="nothing to download.")

    def checksums(self) -> Iterator[Check]:
        """There are none: the digits come with scikit-learn."""
        yield from ()

    def read(self, progress: Progress = silent, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Every sixth digit is held out: no seed, and every writer and digit on both sides."""
        from sklearn.datasets import load_digits

        grey = torch.from_numpy(load_digits().images)[:, None]
        images = resize((grey * (255 / 16)).round().to(torch.uint8), 32)
        held_out = torch.arange(len(images)) % 6 == 5
        return ImageData(train=images[~held_out], holdout=images[held_out])
