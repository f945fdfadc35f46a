"""Packages with known vulnerabilities are neither admitted by pyproject.toml nor installed.

The list is part of the repository, so that checking it needs no network. It holds the newest advisory of each package
that its authors knew of when the list was last changed; pip-audit finds newer ones where a service of advisories can be
reached. pip, which comes with Python, is not listed.
"""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.places import ROOT


@dataclass(frozen=True)
class Advisory:
    """A vulnerability of ``package`` that is ``fixed_in`` a version."""

    package: str
    fixed_in: str
    name: str


ADVISORIES = (
    Advisory("certifi", "2024.7.4", "CVE-2024-39689"),
    Advisory("cryptography", "46.0.5", "CVE-2026-26007"),
    Advisory("distributed", "2026.1.0", "CVE-2026-23528"),
    Advisory("filelock", "3.20.3", "CVE-2026-22701"),
    Advisory("fonttools", "4.60.2", "CVE-2025-66034"),
    Advisory("idna", "3.7", "CVE-2024-3651"),
    Advisory("jinja2", "3.1.6", "CVE-2025-27516"),
    Advisory("jupyter-core", "5.8.1", "CVE-2025-30167"),
    Advisory("markdown", "3.8.1", "CVE-2025-69534"),
    Advisory("mpmath", "1.3.0", "CVE-2021-29063"),
    Advisory("pillow", "12.1.1", "CVE-2026-25990"),
    Advisory("protobuf", "6.33.5", "CVE-2026-0994"),
    Advisory("pytest", "9.0.3", "CVE-2025-71176"),
    Advisory("requests", "2.32.4", "CVE-2024-47081"),
    Advisory("scikit-learn", "1.5.0", "CVE-2024-5206"),
    Advisory("setuptools", "78.1.1", "CVE-2025-47273"),
    Advisory("torch", "2.10.0", "CVE-2026-24747"),
    Advisory("tornado", "6.5.3", "CVE-2025-67724"),
    Advisory("urllib3", "2.6.3", "CVE-2026-21441"),
    Advisory("werkzeug", "3.1.6", "CVE-2026-27199"),
)


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version; those of its pre-releases do not matter here."""
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])[:4]))


def lowest_admitted() -> Iterator[tuple[str, str]]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = document["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    for requirement in [*document["build-system"]["requires"], *project["dependencies"], *extras]:
        name, *bounds = re.split("[>=]=|,", requirement)
        if bounds:
            yield name.lower(), bounds[0]


def test_the_lower_bounds_exclude_known_vulnerabilities() -> None:
    fixed = {advisory.package: advisory for advisory in ADVISORIES}
    bounds = [(name, bound) for name, bound in lowest_admitted() if name in fixed]
    assert {"distributed", "pillow", "setuptools", "torch"} <= {name for name, _ in bounds}
    assert [(name, bound) for name, bound in bounds if numbers(bound) < numbers(fixed[name].fixed_in)] == []


@pytest.mark.parametrize("advisory", ADVISORIES, ids=lambda advisory: advisory.package)
def test_no_installed_package_has_a_known_vulnerability(advisory: Advisory) -> None:
    try:
        installed = importlib.metadata.version(advisory.package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{advisory.package} is not installed")
    assert numbers(installed) >= numbers(advisory.fixed_in), (
        f"{advisory.name} concerns {advisory.package} {installed}. Install {advisory.fixed_in} or newer."
    )
