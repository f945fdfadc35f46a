"""Packages with known vulnerabilities are neither admitted by pyproject.toml nor installed.

The list is part of the repository, so that checking it needs no network. It holds, of each package, the newest advisory
that was found in November 2026; pip-audit finds newer ones where a service of advisories can be reached. Each entry
was compared with the source that it names. pip, which comes with Python, is not listed.
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
    """A vulnerability of ``package`` that is ``fixed_in`` a version, as the ``source`` says."""

    package: str
    fixed_in: str
    name: str
    source: str


#: Sources: the record of the CVE itself; its author's release notes; the database of reviewed advisories.
RECORD, NOTES, DATABASE = "record of the CVE", "release notes", "database of reviewed advisories"

ADVISORIES = (
    Advisory("certifi", "2024.7.4", "CVE-2024-39689", DATABASE),
    Advisory("cryptography", "50.0.0", "CVE-2026-69247", RECORD),
    Advisory("distributed", "2026.1.0", "CVE-2026-23528", RECORD),
    Advisory("filelock", "4.2.1", "CVE-2026-112934", RECORD),
    Advisory("fonttools", "4.60.2", "CVE-2025-66034", RECORD),
    Advisory("idna", "3.15", "CVE-2026-45409", DATABASE),
    Advisory("jinja2", "3.1.6", "CVE-2025-27516", RECORD),
    # 5.8.0 has the fix, but does not work with other packages of its authors.
    Advisory("jupyter-core", "5.8.1", "CVE-2025-30167", DATABASE),
    Advisory("markdown", "3.8.1", "CVE-2025-69534", RECORD),
    Advisory("mpmath", "1.3.0", "CVE-2021-29063", RECORD),
    # Of 13.0.0's many fixes this one is reached by reading an image of several frames.
    Advisory("pillow", "13.0.0", "CVE-2026-96639", NOTES),
    # The record counts in versions of the protocol's compiler, of which 33.5 is Python's 6.33.5.
    Advisory("protobuf", "6.33.5", "CVE-2026-0994", RECORD),
    Advisory("pyarrow", "14.0.1", "CVE-2023-47248", RECORD),
    Advisory("pygments", "2.20.0", "CVE-2026-4539", DATABASE),
    # The record says that 9.0.2 is affected.
    Advisory("pytest", "9.0.3", "CVE-2025-71176", DATABASE),
    Advisory("requests", "2.33.0", "CVE-2026-25645", RECORD),
    Advisory("scikit-learn", "1.5.0", "CVE-2024-5206", RECORD),
    Advisory("setuptools", "83.0.0", "CVE-2026-59890", DATABASE),
    Advisory("torch", "2.10.0", "CVE-2026-24747", RECORD),
    Advisory("tornado", "6.5.8", "CVE-2026-82397", DATABASE),
    Advisory("urllib3", "2.8.0", "CVE-2026-97687", NOTES),
    Advisory("werkzeug", "3.1.6", "CVE-2026-27199", DATABASE),
)

#: Vulnerabilities of functions that this program does not call, in versions that it admits or that are not fixed.
NOT_CALLED = {
    "CVE-2025-3000 of torch up to 2.12.0": r"torch\.jit|from torch import jit",
    "CVE-2026-4538 of torch up to 2.10.0": r"export\.load\(|load_pt2",
    "CVE-2026-136427 of torch 2.12.1": r"_inductor|aoti|AOTI",
    "CVE-2026-95897 of dask up to 2026.8.0": r"from_npy_stack",
}


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


@pytest.mark.parametrize("name", NOT_CALLED)
def test_vulnerable_functions_without_a_fix_are_not_called(name: str) -> None:
    sources = [
        path
        for package in ("commands", "evae", "foundation", "report", "simulations", "theory")
        for path in (ROOT / package).rglob("*.py")
    ]
    assert len(sources) > 150
    assert [path for path in sources if re.search(NOT_CALLED[name], path.read_text(encoding="utf-8"))] == []
