"""What every benchmark ends with: the machine, the targets, and a JSON file."""

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
    """A figure that is wanted, and the one that was found.

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
    """Return a target that a figure reaches from below."""
    return Target(what, f">= {wanted:g}", found, found >= wanted)


def at_most(what: str, wanted: float, found: float) -> Target:
    """Return a target that a figure stays under."""
    return Target(what, f"<= {wanted:g}", found, found <= wanted)


def machine() -> dict[str, Any]:
    """Return what the figures depend on besides the code."""
    return {
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def write(path: Path | None, document: dict[str, Any], targets: Iterable[Target]) -> None:
    """Write the document, with machine and targets, as JSON."""
    if path is not None:
        whole = {"machine": machine(), **document, "targets": [asdict(target) for target in targets]}
        path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
