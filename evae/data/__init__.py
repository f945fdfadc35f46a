"""Data sets as uint8 tensors of shape (N, C, S, S), at the resolution of Appendix B's networks.

`load` reads one, `load_labels` its class labels; `ImageData` and `Labels` are what comes. The names below are imported
when they are first used: the processes that decode images do not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evae.data.catalogue import load, load_for, load_labels
    from evae.data.images import ImageData, as_images, resize
    from evae.data.labels import Labels

__all__ = ["ImageData", "Labels", "as_images", "load", "load_for", "load_labels", "resize"]

_HOMES = {
    "ImageData": "evae.data.images",
    "Labels": "evae.data.labels",
    "as_images": "evae.data.images",
    "load": "evae.data.catalogue",
    "load_for": "evae.data.catalogue",
    "load_labels": "evae.data.catalogue",
    "resize": "evae.data.images",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'evae.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
