"""Cache of computed tensors on disk: verified on every read, and recomputed if an entry is missing or damaged.

An entry is one safetensors file; its metadata hold facts about the tensors and the SHA-256 of key, tensors and facts.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from evae.runs.fingerprints import tensors_sha256
from foundation.errors import CacheWarning, InputError
from foundation.files import atomic_write, hold_lock, parse_json, read_bytes

#: Upper bound of the size of an entry in bytes; the covariance of Inception's features has 33,554,432.
LARGEST_ENTRY = 2**28


@dataclass(frozen=True)
class CacheEntry:
    """Named tensors on the CPU, and facts about them: JSON values only."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def load_or_compute(folder: Path, key: str, make: Callable[[], CacheEntry]) -> CacheEntry:
    """Load the entry for a key; compute and store it first if it is missing or damaged.

    Another process that needs the same entry waits until it is complete. Where the folder cannot be written, the entry
    is computed and not stored, with a `CacheWarning`; errors of ``make`` propagate. A partial entry is never left
    behind.
    """
    path = folder / f"{key[:24]}.safetensors"
    with _hold_lock(path):
        entry = _intact(path, key)
        if entry is None:
            entry = make()
            _write(path, key, entry)
    return entry


def _digest(key: str, tensors: Mapping[str, Tensor], facts: str) -> str:
    return hashlib.sha256(f"{key}\0{tensors_sha256(tensors)}\0{facts}".encode()).hexdigest()


def _intact(path: Path, key: str) -> CacheEntry | None:
    """Return the entry if it is intact and belongs to this key, else None."""
    try:
        content = read_bytes(path, LARGEST_ENTRY)
        # A safetensors file begins with the length of its JSON header, which holds the metadata.
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        facts, digest = header["__metadata__"]["facts"], header["__metadata__"]["sha256"]
        tensors = load(content)
        return CacheEntry(tensors, parse_json(facts)) if digest == _digest(key, tensors, facts) else None
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(path: Path, key: str, entry: CacheEntry) -> None:
    # In their order, so that a document that holds them is the same whether they were computed or loaded.
    facts = json.dumps(entry.facts, allow_nan=False)
    metadata = {"facts": facts, "sha256": _digest(key, entry.tensors, facts)}
    try:
        with atomic_write(path) as stream:
            stream.write(save(entry.tensors, metadata))
    except (OSError, InputError) as error:
        _warn(path.parent, error)


@contextlib.contextmanager
def _hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock of an entry, where its folder can be written; create the folder if needed."""
    with contextlib.ExitStack() as lock:
        # Without a lock two processes may compute the same entry, and each writes it whole.
        with contextlib.suppress(OSError, InputError):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.enter_context(hold_lock(path.with_suffix(".lock")))
        yield


def _warn(folder: Path, error: Exception) -> None:
    consequence = "Features are not cached, so that the next evaluation computes them again"
    remedy = "Set XDG_CACHE_HOME to a folder that can."
    warnings.warn(CacheWarning.of(consequence, folder, error, remedy), stacklevel=2)
