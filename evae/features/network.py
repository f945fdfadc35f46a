"""Interface of feature networks, which map 8-bit images to vectors."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from evae.compute.precision import full_precision_or_tf32
from evae.data.images import as_images
from foundation.errors import InputError

#: Batch size of the networks.
CHUNK = 50


@dataclass(frozen=True, eq=False)
class FeatureNetwork(ABC):
    """A trained network whose features of images are compared.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode and on ``device``.
    device : torch.device
    weights_sha256 : str
        Hexadecimal SHA-256 of the file of weights, or of the weights.
    """

    module: nn.Module
    device: torch.device
    weights_sha256: str

    #: Its value of ``--features``, and the number of features of an image.
    name: ClassVar[str]
    dimension: ClassVar[int]

    @property
    @abstractmethod
    def recipe(self) -> str:
        """Everything that determines the features apart from the weights."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Name of the Fréchet distance of these features."""

    @property
    def identity(self) -> str:
        """SHA-256 (hexadecimal) of all that determines the features, except the device, which affects rounding."""
        return hashlib.sha256(f"{self.name}\n{self.recipe}\n{self.weights_sha256}\n".encode()).hexdigest()

    def features(self, pixels: Tensor) -> Tensor:
        """Return the features of images, single precision of shape (n, d), on the network's device.

        Parameters
        ----------
        pixels : Tensor
            uint8, shape (n, 1 or 3, S, S) with n >= 1, on any device.

        Raises
        ------
        InputError
            If the type or the shape is not as described.
        """
        _require_images(pixels)
        with (
            torch.no_grad(),
            torch.autocast(self.device.type, enabled=False),
            full_precision_or_tf32("fp32"),
        ):
            return torch.cat([self._of(as_images(chunk.to(self.device))) for chunk in pixels.split(CHUNK)])

    def document(self) -> dict[str, Any]:
        """Return the network's identity as a JSON document."""
        return {
            "name": self.name,
            "title": self.title,
            "dimension": self.dimension,
            "weights_sha256": self.weights_sha256,
            "identity": self.identity,
        }

    @abstractmethod
    def _of(self, images: Tensor) -> Tensor:
        """Return the features (n, d) of images (n, C, S, S) in [0, 1]."""


def _require_images(pixels: Tensor) -> None:
    shape = tuple(pixels.shape)
    if pixels.dtype != torch.uint8:
        raise InputError(f"images must be uint8 (0 to 255), got {pixels.dtype}. Round them by evae.metrics.eight_bit.")
    if len(shape) != 4 or shape[0] < 1 or shape[1] not in (1, 3) or shape[2] != shape[3] or shape[2] < 1:
        raise InputError(f"images must have shape (n, 1 or 3, S, S) with n >= 1, got {shape}.")
