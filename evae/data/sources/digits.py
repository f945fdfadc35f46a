"""The 1,797 handwritten digits of scikit-learn, which need no download."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from evae.data.images import ImageData, Labels, fit_images, ten_classes
from evae.data.source import Check, Survey
from foundation.progress import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class Digits:
    """The digits of 8 x 8 pixels, resized or padded (``fit``) to 32 x 32 or another ``side``; every sixth held out."""

    name: ClassVar[str] = "digits"

    fit: str = "resize"
    side: int = 32

    def survey(self) -> Survey:
        """Report that they are embedded."""
        return Survey(self.name, "embedded", "scikit-learn", 1498, 299, remark="nothing to download.")

    def checksums(self) -> Iterator[Check]:
        """Yield nothing: the digits are part of scikit-learn."""
        yield from ()

    def read(self, progress: ProgressCallback = ignore_progress, *, fresh: bool = False) -> ImageData:  # noqa: ARG002
        """Read the images, every sixth held out: no seed is needed, and both splits have all writers and digits."""
        grey = torch.from_numpy(_load_digits().images)[:, None]
        images = fit_images((grey * (255 / 16)).round().to(torch.uint8), self.side, self.fit, self.name)
        held_out = torch.from_numpy(_holdout_mask(len(images)))
        return ImageData(images[~held_out], images[held_out], inner=None if self.fit == "resize" else (8, 8))

    def labels(self) -> Labels:
        """Return the digit that each image shows."""
        digits = _load_digits().target
        held_out = _holdout_mask(len(digits))
        return ten_classes(digits[~held_out], digits[held_out])


def _load_digits() -> Any:
    from sklearn.datasets import load_digits

    return load_digits()


def _holdout_mask(count: int) -> NDArray[np.bool_]:
    return np.arange(count) % 6 == 5
