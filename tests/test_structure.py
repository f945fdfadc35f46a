"""The shape of the house."""

import ast
import tomllib

import pytest

import theory
from tests.support.places import ROOT

UPSTREAM = {
    "foundation": {"foundation"},
    "theory": {"foundation", "theory"},
    "simulations": {"foundation", "theory", "simulations"},
    "evae": {"foundation", "theory", "evae"},
    "report": {"foundation", "theory", "simulations", "evae", "report"},
    "commands": {"foundation", "theory", "simulations", "evae", "report", "commands"},
}


@pytest.mark.parametrize("package", UPSTREAM)
def test_imports_run_one_way(package: str) -> None:
    for module in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                told = f"{module} imports {name}"
                assert top not in {"cli", *UPSTREAM} - UPSTREAM[package], told
                assert package not in {"foundation", "theory"} or top not in {"torch", "numba"}, told


def test_every_package_is_installed() -> None:
    """Setuptools takes the list as it is: a folder left out of it would be missing from an installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {module.parent.relative_to(ROOT) for package in UPSTREAM for module in (ROOT / package).rglob("*.py")}
    assert set(project["tool"]["setuptools"]["packages"]) == {".".join(folder.parts) for folder in folders}


def test_the_package_offers_what_a_notebook_needs() -> None:
    assert theory.verify("lemma-3.2.minimum").verdict is theory.Verdict.PROVED
    with pytest.raises(AttributeError):
        getattr(theory, "nothing")  # noqa: B009
