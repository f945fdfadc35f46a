"""Class labels of images, aligned with what `evae.data.load` gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foundation.errors import InputError


@dataclass(frozen=True)
class Labels:
    """Classes of the training and of the hold-out images: int64 tensors of shape (N,) with values below ``classes``."""

    train: Tensor
    holdout: Tensor
    classes: int


def ten_classes(train: NDArray[Any], holdout: NDArray[Any]) -> Labels:
    """Return labels of shape (N,) that are numbered 0 to 9 already."""
    return Labels(_tensor(train), _tensor(holdout), 10)


def numbered(train: NDArray[Any], holdout: NDArray[Any], place: str) -> Labels:
    """Return labels with the classes, strings or integers of shape (N,), numbered from 0 in their order.

    Raises
    ------
    InputError
        If there are fewer than two classes among the training images, or a hold-out image's is not among them; the
        sentence begins with ``place``.
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
