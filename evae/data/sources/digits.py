"""scikit-learn's 1,797 handwritten digits, which need no download."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evae.data.images import ImageData, Labels, resize, ten_classes
from evae.data.source import Check, Survey
from foundation.progress import ProgressCallback, silent


class Digits:
    """The embedded digits, 8 x 8 pixels, seen at 32 x 32. Every sixth is held out."""

    name = "digits"

    def survey(self) -> Survey:
        """Say that they are embedded."""
        return Survey(self.name, "embedded", "scikit-learn", 1498, 299, remark="nothing to download.")

    def checksums(self) -> Iterator[Check]:
        """There are none: the digits come with scikit-learn."""
        yield from ()

    def read(self, progress: ProgressCallback = silent, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Every sixth digit is held out: no seed, and every writer and digit on both sides."""
        grey = torch.from_numpy(_load_digits().images)[:, None]
        images = resize((grey * (255 / 16)).round().to(torch.uint8), 32)
        held_out = torch.from_numpy(_holdout_mask(len(images)))
        return ImageData(train=images[~held_out], holdout=images[held_out])

    def labels(self) -> Labels:
        """Return which digit each is."""
        digits = _load_digits().target
        held_out = _holdout_mask(len(digits))
        return ten_classes(digits[~held_out], digits[held_out])


def _load_digits() -> Any:
    from sklearn.datasets import load_digits

    return load_digits()


def _holdout_mask(count: int) -> NDArray[np.bool_]:
    return np.arange(count) % 6 == 5
