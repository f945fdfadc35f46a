"""What the pages in docs/ say is so: the files, claims and options they name, the examples and their output."""

from __future__ import annotations

import ast
import contextlib
import doctest
import importlib
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import pytest

import evae
import simulations
import theory
from cli import main
from tests.support.ledger import deciding_here
from tests.support.loggers import Loggers
from tests.support.networks import networks_narrowed
from tests.support.places import ROOT
from tests.support.processes.runner import runner
from theory.claim import Verdict
from theory.ledger.registry import claims

DOCS = ROOT / "docs"

PAGES = sorted(DOCS.glob("*.md"))

#: Pages whose examples are run, and how many there are at least.
FOLLOWED = {"tutorial.md": 12, "mathematics.md": 5, "callbacks.md": 3, "extending.md": 13, "../README.md": 2}

TRAINING = ("callbacks.md", "extending.md")

LEFT_OUT = "<!-- not run:"
"""Begins the remark before a block that trains."""

VERDICT = re.compile(r"`([a-z0-9]+(?:-[a-z0-9.]+)*\.[a-z0-9-]+)`, (\w+)")
"""A claim with the verdict on record, as in "(`lemma-3.2.unique`, proved)"."""


@cache
def functions(module: Path) -> dict[str, bool]:
    """Return the names of a module's functions, and whether each is a test that runs in ``make test-all`` alone."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    return {
        node.name: any(ast.unparse(decorator) == "pytest.mark.slow" for decorator in node.decorator_list)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    }


def test_every_promise_names_a_test_that_is_there() -> None:
    page = (DOCS / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) > 80
    assert [f"{file}::{name}" for file, name in named if name not in functions(ROOT / file)] == []
    promises = [
        line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| ---"))
    ]
    assert all(re.search(r"`tests/[\w/]+\.py::\w+`(?: \(slow\))? \|$", promise) for promise in promises)
    marked = re.findall(r"`(tests/[\w/]+\.py)::(\w+)` \(slow\)", page)
    assert {(file, name) for file, name in named if functions(ROOT / file)[name]} == set(marked)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    # The notebooks are pages of the site, below docs/, to which each build copies them.
    places = {target: (ROOT if target.startswith("notebooks/") else page.parent) / target for target in targets}
    assert [target for target, place in places.items() if not place.exists()] == []


@pytest.mark.parametrize("name", ["mathematics.md", "decisions.md"])
def test_every_claim_on_a_page_has_the_verdict_on_record(name: str) -> None:
    page = " ".join((DOCS / name).read_text(encoding="utf-8").split())
    stated = VERDICT.findall(page)
    recorded = {claim.id: str(claim.expected) for claim in claims().values()}
    assert len(stated) > 10
    assert [(claim, verdict) for claim, verdict in stated if recorded.get(claim) != verdict] == []
    # Whatever else looks like a claim is one, too.
    groups = {claim.partition(".")[0] for claim in recorded}
    named = [text for text in re.findall(r"`([a-z0-9.-]+)`", page) if text.partition(".")[0] in groups]
    assert [text for text in named if text not in recorded] == []


def test_a_verdict_that_is_not_the_one_on_record_would_be_noticed() -> None:
    assert VERDICT.findall("(`lemma-3.2.unique`, refuted; `eq-6.bound`, proved)") == [
        ("lemma-3.2.unique", "refuted"),
        ("eq-6.bound", "proved"),
    ]
    assert {verdict.value for verdict in Verdict} >= {"proved", "refuted"}


def test_the_reference_has_a_page_for_every_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["setuptools"]["packages"]
    index = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    for package in packages:
        page = DOCS / "reference" / f"{package}.md"
        assert page.exists(), f"write {page.name} as the others there are, for the package {package}"
        assert f".. modules:: {package}\n" in page.read_text(encoding="utf-8")
        assert f"\n{package}\n" in index


@pytest.mark.parametrize("package", [theory, simulations, evae], ids=lambda package: package.__name__)
def test_the_reference_lists_what_the_packages_offer(package: ModuleType) -> None:
    index = (DOCS / "reference" / "index.md").read_text(encoding="utf-8")
    listed = re.findall(rf"`({package.__name__}\.\w+)(?: <([\w.]+)>)?`", index)
    assert {name for name, _ in listed} >= {f"{package.__name__}.{name}" for name in package.__all__}
    for name, home in listed:
        if home:
            module, _, attribute = home.rpartition(".")
            found = getattr(package, name.rpartition(".")[2])
            assert getattr(importlib.import_module(module), attribute) is found


def blocks(page: Path, *languages: str) -> Iterator[tuple[str, str]]:
    """Yield the language and the text of the page's blocks in these languages, but for those that are not run."""
    parts = re.split(r"^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for before, block in zip(parts[::2], parts[1::2], strict=False):
        language, _, text = block.partition("\n")
        if language in languages and not before.rstrip().rpartition("\n")[2].startswith(LEFT_OUT):
            yield language, text


@pytest.fixture
def quick_examples(name: str) -> Iterator[None]:
    """Claims are decided in this process, since others take seconds to start; a page that trains needs few channels."""
    with deciding_here(), networks_narrowed() if name in TRAINING else contextlib.nullcontext():
        yield


@pytest.fixture
def loggers(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loggers]:
    """The loggers that a page passes its metrics to, which get them all."""
    found = Loggers()
    for module, stand_in in found.modules.items():
        monkeypatch.setitem(sys.modules, module, stand_in)
    yield found
    if name == "extending.md":
        assert found.open == []
        assert {how for _, how in found.closed} == {"FINISHED"}
        # Two seeds and a run of two epochs each, and one that was stopped after three.
        assert [step for _, step, _ in found.metrics] == [1, 1, 2, 2, 1, 2, 1, 2, 3]
        assert all({"train/loss", "holdout/loss", "latent/active_dimensions"} < set(one) for *_, one in found.metrics)
        assert all(options["model"] == "evae" for options in found.options.values())


@pytest.mark.usefixtures("quick_examples", "loggers")
@pytest.mark.parametrize("name", FOLLOWED)
def test_who_follows_a_page_sees_what_it_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run the page's Python and its commands from top to bottom, in one folder."""
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    examples = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    scope: dict[str, object] = {}
    followed = 0
    monkeypatch.syspath_prepend(str(tmp_path))
    for number, (language, text) in enumerate(blocks(DOCS / name, "pycon", "console", "python")):
        # A file, named by the comment in its first line.
        if language == "python":
            (tmp_path / text.partition("\n")[0].removeprefix("# ")).write_text(text)
            continue
        if language == "pycon":
            test = doctest.DocTestParser().get_doctest(text, {}, f"{name}, block {number}", name, 0)
            test.globs = scope
            failures = examples.run(test, clear_globs=False).failed
            assert not failures, capsys.readouterr().out
        else:
            command, _, shown = text.partition("\n")
            words = shlex.split(command.removeprefix("$ python cli.py "))
            printed = runner().invoke(main, words).stdout
            assert re.fullmatch(pattern(shown), normal(printed)), f"{command}\n{printed}"
        followed += 1
    assert followed >= FOLLOWED[name]


def normal(printed: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in printed.rstrip().splitlines())


def pattern(shown: str) -> str:
    """Return a pattern for what a command prints: a line with an ellipsis alone stands for any lines."""
    lines = normal(shown).splitlines(keepends=True)
    return "".join(r"(?:.*\n)*?" if line == "…\n" else re.escape(line) for line in lines)


def test_another_output_would_be_noticed() -> None:
    shown = "a\n…\nb 1\n"
    assert re.fullmatch(pattern(shown), "a\nx\ny\nb 1\n")
    assert not re.fullmatch(pattern(shown), "a\nx\nb 2\n")
    assert not re.fullmatch(pattern(shown), "a\nb 1\nc\n")


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", ROOT / "results" / "README.md"], ids=lambda page: page.name
)
def test_the_commands_on_a_page_have_the_options_they_are_given(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = re.findall(r"^(?:\$ )?.*?(?:python cli\.py|cli\.py) ([a-z].*?)(?:   .*)?$", text, flags=re.MULTILINE)
    for line in commands:
        unknown = unknown_words(line)
        assert unknown == [], f"{line}: {unknown}"


def unknown_words(line: str) -> list[str]:
    """Return the command or the options in a line that do not exist."""
    words = re.findall(r"[^\s`'\"…]+", line.partition("`")[0].partition("#")[0])
    command: click.Command | None = main
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        if name.startswith("-") or name == "COMMAND":
            return []
        if name not in command.commands:
            return [name]
        command = command.commands[name]
    known = {option for parameter in getattr(command, "params", []) for option in parameter.opts} | {"--help", "-h"}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]


def test_a_command_or_an_option_that_does_not_exist_would_be_noticed() -> None:
    assert unknown_words("train --dataset digits --models evae") == ["--models"]
    assert unknown_words("verify-lemma lemma-3.2") == ["verify-lemma"]
    assert unknown_words("datasets get mnist --data-dir data") == []
