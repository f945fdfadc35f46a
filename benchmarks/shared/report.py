"""The report of a benchmark: the machine, the targets, and a JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "scipy", "statsmodels", "scikit-learn", "KDEpy", "torch", "pythae")


@dataclass(frozen=True)
class Target:
    """A target value for a measurement, and the measured value.

    Attributes
    ----------
    what : str
    wanted : str
    found : float
    met : bool
    """

    what: str
    wanted: str
    found: float
    met: bool

    def __str__(self) -> str:
        return f"{'met   ' if self.met else 'MISSED'}  {self.what}: {self.found:.4g} (wanted {self.wanted})"


def at_least(what: str, wanted: float, found: float) -> Target:
    """Return a target with a lower bound."""
    return Target(what, f">= {wanted:g}", found, found >= wanted)


def at_most(what: str, wanted: float, found: float) -> Target:
    """Return a target with an upper bound."""
    return Target(what, f"<= {wanted:g}", found, found <= wanted)


def machine() -> dict[str, Any]:
    """Describe the machine and the versions on which the measurements depend."""
    return {
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def write(path: Path | None, document: dict[str, Any], targets: Iterable[Target]) -> None:
    """Write the document, with machine and targets, as JSON; do nothing without a path."""
    if path is not None:
        whole = {"machine": machine(), **document, "targets": [asdict(target) for target in targets]}
        path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
