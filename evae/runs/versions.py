"""The version of this package that made a run: another version may draw other first weights from the same seed."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Any

PACKAGE = "epanechnikov-vae"

#: Stands for the version where a run does not say it.
UNKNOWN = "unknown"


def package_version() -> str:
    """Return the version of this package, as the runs that it makes say it."""
    return importlib.metadata.version(PACKAGE)


def versions_of(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the versions that trained a run, in their order, each once; `UNKNOWN` where one is not said.

    Parameters
    ----------
    environment : mapping
        As `evae.runs.environment` makes it; what it keeps under ``earlier`` had its part in the run, too.
    """
    parts = [*environment.get("earlier", ()), environment]
    return tuple(dict.fromkeys(part.get("packages", {}).get(PACKAGE, UNKNOWN) for part in parts))


def format_versions(versions: Sequence[str]) -> str:
    """Write versions as words of a sentence.

    Examples
    --------
    >>> format_versions(["0.1.0"]), format_versions(["0.1.0", "0.2.0"]), format_versions(["unknown"])
    ('version 0.1.0', 'versions 0.1.0 and 0.2.0', 'an unknown version')
    """
    known = [version for version in versions if version != UNKNOWN]
    words = [f"version{'s' if len(known) > 1 else ''} {' and '.join(known)}"] if known else []
    return " and ".join([*words, *(["an unknown version"] if UNKNOWN in versions else [])])
