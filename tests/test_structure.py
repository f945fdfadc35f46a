"""The structure of the project: layers, rooms and their sizes."""

import ast
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import theory
from tests.support.places import ROOT

#: What each package may import, from the bottom up.
LAYERS = {
    "foundation": {"foundation"},
    "theory": {"foundation", "theory"},
    "simulations": {"foundation", "theory", "simulations"},
    "evae": {"foundation", "theory", "evae"},
    "report": {"foundation", "theory", "simulations", "evae", "report"},
    "commands": {"foundation", "theory", "simulations", "evae", "report", "commands"},
}
#: The order of rooms inside a package: each may import those after it, and itself.
ROOMS = {
    "theory": (
        ("figures", "ledger"),
        ("claims",),
        ("kernel_assessment",),
        ("bickel_rosenblatt",),
        ("smoothed_normal", "kernel_families", "unbounded_kernels"),
        ("densities", "posterior"),
        ("kernels", "claim"),
        ("kernel_examination",),
        ("algebra", "paper", "names"),
    ),
    "simulations": (
        ("terminal", "figures", "asymptotics"),
        ("goodness_of_fit", "evidence"),
        ("study",),
        ("engines",),
        ("sampling", "observations"),
        ("compiled",),
    ),
    "evae": (
        ("experiments",),
        ("training",),
        ("evaluation",),
        ("features", "models"),
        ("metrics",),
        ("runs", "data"),
        ("compute",),
        ("distributions",),
        ("configuration",),
        ("exceptions",),
    ),
    "report": (("build",), ("page",), ("sections",), ("elements",), ("formulas",)),
    "commands": (
        (
            "verify_lemmas",
            "simulate_tm",
            "fit",
            "train",
            "evaluate",
            "sample",
            "reproduce",
            "report",
            "datasets",
            "completion",
        ),
        ("shared",),
    ),
}
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in LAYERS
    for path in (ROOT / package).rglob("*.py")
}
MOST_FILES, MOST_LINES, MOST_LINES_OF_THE_COMMAND_LINE = 12, 800, 120


def imports(path: Path) -> Iterator[str]:
    """Yield the project's modules that a module imports, wherever in it, other than for annotations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
            block.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                full = f"{node.module}.{name.name}"
                yield full if full in MODULES else node.module


IMPORTS = {module: sorted(set(imports(path))) for module, path in MODULES.items()}


@pytest.mark.parametrize("package", LAYERS)
def test_packages_import_downwards_only(package: str) -> None:
    for module in (name for name in MODULES if name.split(".")[0] == package):
        for imported in IMPORTS[module]:
            top = imported.split(".")[0]
            assert top not in {"cli", *LAYERS} - LAYERS[package], f"{module} imports {imported}"
            assert package not in {"foundation", "theory"} or top not in {"torch", "numba"}, f"{module}: {imported}"


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_downwards_only(package: str) -> None:
    floors = {room: floor for floor, rooms in enumerate(ROOMS[package]) for room in rooms}
    for module in (name for name in MODULES if name.startswith(f"{package}.")):
        here = module.split(".")[1]
        for imported in (name for name in IMPORTS[module] if name.startswith(f"{package}.")):
            there = imported.split(".")[1]
            assert here == there or floors[here] < floors[there], f"{module} imports {imported}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    inside = {
        module: [name for name in names if name in MODULES and name != module] for module, names in IMPORTS.items()
    }
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(reversed(error.args[1]))}")


def test_no_folder_has_more_modules_than_can_be_read_at_a_glance() -> None:
    others = (path for package in ("benchmarks", "tests") for path in (ROOT / package).rglob("*.py"))
    for folder in {path.parent for path in [*MODULES.values(), *others]}:
        modules = [path.name for path in folder.glob("*.py") if path.name not in ("__init__.py", "conftest.py")]
        assert len(modules) <= MOST_FILES, f"{folder} holds {len(modules)} modules"


def test_no_module_is_longer_than_can_be_read_in_a_sitting() -> None:
    for path in MODULES.values():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, path
    assert len((ROOT / "cli.py").read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_THE_COMMAND_LINE


def test_every_package_is_installed() -> None:
    """Setuptools takes the list as it is: a folder left out of it would be missing from an installation."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {path.parent.relative_to(ROOT) for path in MODULES.values()}
    assert set(project["tool"]["setuptools"]["packages"]) == {".".join(folder.parts) for folder in folders}


def test_the_package_offers_what_a_notebook_needs() -> None:
    assert theory.verify("lemma-3.2.minimum").verdict is theory.Verdict.PROVED
    with pytest.raises(AttributeError):
        getattr(theory, "nothing")  # noqa: B009
