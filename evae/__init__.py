"""Variational autoencoders with Gaussian and with Epanechnikov noise, as in the paper's Sections 4 and 5.

The names below are imported when they are first used, so that a wrong option is answered without waiting for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evae import metrics
    from evae.configuration import Configuration
    from evae.distributions import Epanechnikov
    from evae.evaluation import evaluate
    from evae.model import VAE
    from evae.runs import Run
    from evae.training import resume, resume_seeds, train, train_seeds

__all__ = [
    "VAE",
    "Configuration",
    "Epanechnikov",
    "Run",
    "evaluate",
    "metrics",
    "resume",
    "resume_seeds",
    "train",
    "train_seeds",
]

_HOMES = {
    "Configuration": "evae.configuration",
    "Epanechnikov": "evae.distributions",
    "Run": "evae.runs",
    "VAE": "evae.model",
    "evaluate": "evae.evaluation",
    "resume": "evae.training",
    "resume_seeds": "evae.training",
    "train": "evae.training",
    "train_seeds": "evae.training",
}


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return importlib.import_module("evae.metrics")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'evae' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
