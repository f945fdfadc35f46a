"""The built pages: every command and option is there with its help, formulas are MathML, and nothing is fetched.

`make docs` builds all pages, with warnings as errors; two of them, with the same settings, are built here.
"""

from __future__ import annotations

import html
import re
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from cli import main
from docs.extensions.mathml import NoFormula, mathml
from tests.support.places import ROOT

PAGES = ("commands", "mathematics")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The HTML of two pages by their names."""
    pytest.importorskip("sphinx")
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for page in PAGES:
        text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
        (source / f"{page}.md").write_text(text, encoding="utf-8")
    # The pages that these name are not built with them.
    links = {
        link
        for page in source.glob("*.md")
        for link in re.findall(r"\]\((\w+)\.md(?:#([\w-]+))?\)", page.read_text("utf-8"))
    }
    named = {name for name, _ in links}
    for other in named - {*PAGES}:
        headings = "".join(f"\n## {anchor}\n" for name, anchor in sorted(links) if name == other and anchor)
        (source / f"{other}.md").write_text(f"# Another page\n{headings}", encoding="utf-8")
    rest = "".join(f"{page}\n" for page in sorted({*PAGES, *named}))
    (source / "index.md").write_text(f"# All\n\n```{{toctree}}\n{rest}```\n", encoding="utf-8")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs", str(source), str(built)]
    done = subprocess.run(sphinx, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {page: (built / f"{page}.html").read_text(encoding="utf-8") for page in PAGES}


def undocumented(command: click.Command, path: tuple[str, ...], page: str) -> Iterator[str]:
    """Yield what the command and those below it do not say, and what they say that the page does not."""
    text, name = shown(page), " ".join(path)
    said = (command.help or "").replace("\b", "")
    if not said or not command.get_short_help_str():
        yield f"{name} has no help"
    if any(" ".join(line.split()) not in text for line in said.splitlines()):
        yield f"the help of {name} is not on the page"
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield from _undocumented_option(parameter, path, page, text)
        elif not re.search(rf"\b{re.escape(parameter.human_readable_name.strip('[]. '))}\b", said):
            yield f"the help of {name} does not explain {parameter.human_readable_name}"
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        yield from undocumented(below, (*path, below.name or ""), page)


def _undocumented_option(option: click.Option, path: tuple[str, ...], page: str, text: str) -> Iterator[str]:
    name = f"{' '.join(path)} {option.opts[0]}"
    if not option.help:
        yield f"{name} has no help"
    anchor = "-".join((*" ".join(path).split(), option.opts[0].lstrip("-")))
    if f'id="cmdoption-{anchor}"' not in page or " ".join((option.help or "").split()) not in text:
        yield f"{name} is not on the page"


def shown(page: str) -> str:
    """Return the text of a page, with single spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", page)).split())


def test_every_command_and_option_is_documented(site: dict[str, str]) -> None:
    assert list(undocumented(main, ("python cli.py",), site["commands"])) == []


def test_a_command_or_an_option_without_documentation_is_noticed(site: dict[str, str]) -> None:
    @click.group(help="Commands of this test.")
    def group() -> None: ...

    @group.command(help="It takes a FILE.")
    @click.argument("file")
    @click.option("--silent")
    @click.option("--new", help="What no page tells of.")
    def known(file: str, silent: str, new: str) -> None: ...

    @group.command()
    @click.argument("run")
    def unknown(run: str) -> None: ...

    page = "Commands of this test. It takes a FILE."
    assert set(undocumented(group, ("test",), page)) == {
        "test known --silent has no help",
        "test known --silent is not on the page",
        "test known --new is not on the page",
        "test unknown has no help",
        "the help of test unknown does not explain RUN",
    }
    train = main.commands["train"]
    altered = site["commands"].replace("cmdoption-python-cli.py-train-beta", "")
    assert list(undocumented(train, ("python cli.py", "train"), altered)) == [
        "python cli.py train --beta is not on the page"
    ]


def test_formulas_are_mathml_and_no_latex_is_left(site: dict[str, str]) -> None:
    page = site["mathematics"]
    assert page.count("<math ") > 100
    assert "<merror" not in page
    assert re.findall(r"\$[^$<]*\$", shown(page)) == []
    assert re.findall(r"\\[a-zA-Z]+", re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)) == []


@pytest.mark.parametrize("formula", [r"\frac{1}{", r"\unheardof x", r"a & b", r"f''^2"])
def test_what_is_not_a_formula_is_refused(formula: str) -> None:
    with pytest.raises(NoFormula):
        mathml(formula, display=True)


def test_signs_bars_and_names_of_functions_are_spaced_as_they_are_meant() -> None:
    assert '<mo form="prefix">\N{MINUS SIGN}</mo>' in mathml("-x", display=False)
    assert "form" not in mathml("a - b", display=False)
    bars = mathml("|u| |v|", display=False)
    assert re.findall('form="([a-z]*)"', bars) == ["prefix", "postfix"] * 2
    assert mathml(r"x \log x", display=False).count("<mspace") == 2
    assert "msup" not in mathml("f''", display=False)
    assert "<mrow><mi>G</mi><mi>\N{PRIME}</mi></mrow>" in mathml("G_n'", display=False)


def test_the_pages_fetch_nothing(site: dict[str, str]) -> None:
    for page in site.values():
        sources = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"([^\"]*)\"", page)
        assert len(sources) > 5
        assert [source for source in sources if re.match(r"(?:https?:)?//", source)] == []
        assert "@import" not in page
    styles = (ROOT / "docs" / "static" / "pages.css").read_text(encoding="utf-8")
    assert "url(" not in styles
    assert "@import" not in styles
