"""API reference of the packages from their docstrings: every module, with names resolved as Python does.

Text in single backticks is a name, looked up in the module of the docstring, imported names included; an unknown name
causes a warning. The types of parameters are prose, in which known names are linked.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import pkgutil
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import find_pending_xref_condition

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
HIDDEN_COLON = "\ue000"
"""A character that occurs in no docstring."""
HYPHENS = re.compile(r"^(\)?) -- ")
"""The separator between a name, with or without its type, and its description."""
LONGEST_VALUE = 200
_WITHOUT_INHERITED = "   :exclude-members: set"
"""A method that Matplotlib adds, with a docstring, to every class of figures."""
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]


class Modules(SphinxDirective):
    """``.. modules:: PACKAGE`` documents the package and each of its modules; subpackages have separate pages."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the docstring of the package, and a section for every module, in alphabetical order."""
        package = importlib.import_module(self.arguments[0])
        lines = [f".. automodule:: {package.__name__}", "   :no-members:", ""]
        for name in modules_of(package.__name__):
            lines += [name, "-" * len(name), "", f".. automodule:: {name}", _WITHOUT_INHERITED, ""]
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def modules_of(package: str) -> list[str]:
    """Return the full names of the modules in a package, without subpackages, in alphabetical order."""
    folder = importlib.import_module(package).__path__
    return [f"{package}.{found.name}" for found in pkgutil.iter_modules(folder) if not found.ispkg]


def meaning(name: str, module: str | None, enclosing: str | None) -> Any:
    """Look ``name`` up in a class, in its module, in its package, or as a full Python name.

    Raises
    ------
    LookupError
        If the name is unknown.
    """
    path = name.split(".")
    scopes = [(importlib.import_module(module), path), (_package_of(module), path)] if module else []
    if module and enclosing:
        scopes.insert(0, (importlib.import_module(module), [*enclosing.split("."), *path]))
    scopes += [(builtins, path), (sys.modules.get(path[0]), path[1:])]
    for scope, steps in scopes:
        found = _followed(scope, steps)
        if found is not None:
            return found
    raise LookupError(name)


def _package_of(module: str) -> Any:
    return sys.modules.get(module.rpartition(".")[0])


def _followed(found: Any, path: list[str]) -> Any:
    for part in path:
        fields = getattr(found, "__annotations__", {}) if inspect.isclass(found) else {}
        found = getattr(found, part, fields.get(part))
    return found


def full_name(found: Any) -> str | None:
    """Return the name under which one of our modules, classes or functions is documented; None for anything else."""
    name = found.__name__ if inspect.ismodule(found) else f"{found.__module__}.{found.__qualname__}"
    return name if name.partition(".")[0] in PACKAGES else None


def link_types(app: Sphinx, document: nodes.document) -> None:
    """Link the names in the types of parameters, and leave the rest of the types as prose."""
    for reference in list(document.findall(addnodes.pending_xref)):
        if reference.get("refspecific"):
            try:
                target = full_name(_meaning_of(reference))
            except (LookupError, AttributeError):
                target = None
            if target is None:
                short = find_pending_xref_condition(reference, "resolved")
                reference.replace_self((short or reference).children)
            else:
                reference["reftarget"], reference["refspecific"] = target, False


def dash(app: Sphinx, document: nodes.document) -> None:
    """Set a dash between a name and its description; two hyphens elsewhere begin an option."""
    for text in list(document.findall(nodes.Text)):
        if HYPHENS.match(text):
            text.parent.replace(text, nodes.Text(HYPHENS.sub("\\1 \N{EN DASH} ", text)))


def shorten_values(app: Sphinx, document: nodes.document) -> None:
    """Omit values that are too long for the page."""
    for shown in list(document.findall(addnodes.desc_annotation)):
        if shown.astext().startswith(" = ") and len(shown.astext()) > LONGEST_VALUE:
            shown.children = [nodes.Text(" = …")]


def link_names(
    app: Sphinx, environment: BuildEnvironment, reference: addnodes.pending_xref, text: nodes.TextElement
) -> nodes.Element | None:
    """Link a name imported in the module that uses it; show an undocumented name without a link.

    Unknown names are left to Sphinx, which warns about them.
    """
    if reference.get("refdomain") != "py":
        return None
    try:
        found = _meaning_of(reference)
    except LookupError:
        return None
    domain, name = environment.domains.python_domain, reference["reftarget"]
    try:
        target = full_name(found)
    except AttributeError:
        # A value does not know its name: take the only documented value of this name.
        fitting = [known for known in domain.objects if known.rpartition(".")[2] == name]
        target = fitting[0] if len(fitting) == 1 else None
    if target is None or target not in domain.objects:
        return text
    reference["reftarget"], reference["refspecific"] = target, False
    return domain.resolve_xref(environment, reference["refdoc"], app.builder, "obj", target, reference, text)


def _meaning_of(reference: addnodes.pending_xref) -> Any:
    return meaning(reference["reftarget"], reference.get("py:module"), reference.get("py:class"))


def skip_fields(app: Sphinx, kind: str, name: str, found: Any, skip: bool, options: Any) -> bool | None:
    """Skip Python's generated docstrings of a named tuple's fields; the docstring of the tuple describes them."""
    return True if (getattr(found, "__doc__", None) or "").startswith("Alias for field number") else None


def hide_colons(app: Sphinx, kind: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Keep Napoleon from reading the text before a colon in the docstring of a value as its type."""
    if kind in ("attribute", "data", "property"):
        lines[:] = [line.replace(":", HIDDEN_COLON) for line in lines]


def show_colons(app: Sphinx, kind: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Undo `hide_colons` after Napoleon."""
    lines[:] = [line.replace(HIDDEN_COLON, ":") for line in lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and the event handlers."""
    app.add_directive("modules", Modules)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-docstring", hide_colons, priority=400)
    app.connect("autodoc-process-docstring", show_colons, priority=600)
    app.connect("doctree-read", link_types)
    app.connect("doctree-read", dash)
    app.connect("doctree-read", shorten_values)
    app.connect("missing-reference", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
