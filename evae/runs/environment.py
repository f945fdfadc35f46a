"""Environment of a run: machine, versions and commit."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from evae.runs.versions import PACKAGE


def environment(device: torch.device, processes: int = 1, seeds_at_once: int = 1) -> dict[str, Any]:
    """Return versions, device, threads and commit of this process, and the numbers of processes and of runs at once."""
    packages = (PACKAGE, "torch", "torchvision", "numpy", "safetensors")
    on_cuda = device.type == "cuda"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "device": str(device),
        "device_name": torch.cuda.get_device_name(device) if on_cuda else _processor(),
        "cuda": torch.version.cuda if on_cuda else None,
        "threads": torch.get_num_threads(),
        "processes": processes,
        "seeds_at_once": seeds_at_once,
        "commit": _commit(),
    }


def _processor() -> str:
    """Return the model name of the processor, or else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _commit() -> str | None:
    """Return the commit of the working copy that holds this package; None without a working copy or git."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
