"""Features of images and the Fréchet distance between their laws: Inception's for FID, and two others' without it.

`feature_network` gives a network; its names are imported when they are first used, so that a wrong option is answered
without waiting for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from foundation.errors import InputError, suggestion

if TYPE_CHECKING:
    from evae.features.catalogue import feature_network
    from evae.features.choice import Choice, chosen_features
    from evae.features.network import FeatureNetwork
    from evae.features.statistics import FeatureStatistics, cached_statistics, distance, few_images, statistics_of

__all__ = [
    "FEATURES",
    "Choice",
    "FeatureNetwork",
    "FeatureStatistics",
    "cached_statistics",
    "chosen_features",
    "distance",
    "feature_network",
    "few_images",
    "statistics_of",
]

#: The networks by name.
FEATURES = ("inception", "imagenet", "classifier")

#: What a model may be judged by: the features of one of them, none, or what `choice.chosen_features` makes of auto.
CHOICES = ("auto", *FEATURES, "none")

_HOMES = {
    "Choice": "evae.features.choice",
    "FeatureNetwork": "evae.features.network",
    "FeatureStatistics": "evae.features.statistics",
    "cached_statistics": "evae.features.statistics",
    "chosen_features": "evae.features.choice",
    "distance": "evae.features.statistics",
    "feature_network": "evae.features.catalogue",
    "few_images": "evae.features.statistics",
    "statistics_of": "evae.features.statistics",
}


def require_features(name: str) -> None:
    """Refuse what is not one of `CHOICES`."""
    if name not in CHOICES:
        raise InputError(f"--features {name!r} is not known. {suggestion(name, CHOICES)}")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'evae.features' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
