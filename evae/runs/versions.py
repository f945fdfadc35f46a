"""Versions of this package that trained a run: versions may draw different initial weights from the same seed."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

PACKAGE = "epanechnikov-vae"

#: Placeholder for a version that a run does not record.
UNKNOWN = "unknown"


def package_version() -> str:
    """Return the version of this package, as recorded in runs."""
    return importlib.metadata.version(PACKAGE)


def versions_of(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the distinct versions that trained a run, in order; `UNKNOWN` if one is not recorded.

    Parameters
    ----------
    environment : mapping
        A document of `evae.runs.environment`; those under ``earlier`` trained parts of the run, too.
    """
    parts = [*environment.get("earlier", ()), environment]
    return tuple(dict.fromkeys(part.get("packages", {}).get(PACKAGE, UNKNOWN) for part in parts))


def format_versions(versions: Sequence[str]) -> str:
    """Format versions for a sentence.

    Examples
    --------
    >>> format_versions(["0.1.0"]), format_versions(["0.1.0", "0.2.0"]), format_versions(["unknown"])
    ('version 0.1.0', 'versions 0.1.0 and 0.2.0', 'an unknown version')
    """
    known = [version for version in versions if version != UNKNOWN]
    words = [f"version{'s' if len(known) > 1 else ''} {' and '.join(known)}"] if known else []
    return " and ".join([*words, *(["an unknown version"] if UNKNOWN in versions else [])])
