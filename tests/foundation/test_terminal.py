"""Whatever a terminal is given to print, it is sent printable characters, newlines and our own commands."""

from __future__ import annotations

import ast
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from rich.progress import Progress
from rich.text import Text

from foundation.progress import make_text_column
from foundation.terminal import FittingTable, create_console, print_sentence
from foundation.typography import format_printable
from tests.foundation.test_typography import ANY_TEXT
from tests.support.hostile.text import TEXTS, is_plain
from tests.support.places import ROOT

#: The commands that rich sends for colours and progress bars.
OWN_COMMANDS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def printed(renderable: object, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    create_console(file=stream, width=200, force_terminal=terminal).print(renderable)
    return OWN_COMMANDS.sub("", stream.getvalue()) if terminal else stream.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
@given(text=ANY_TEXT)
def test_a_console_sends_no_control_character(text: str, terminal: bool) -> None:
    for renderable in (text, Text(text, style="bold red"), FittingTable(("name", "x"), [(text, "1")], title=text)):
        assert is_plain(printed(renderable, terminal=terminal).replace("Error: forged", ""))


@pytest.mark.parametrize("name", TEXTS)
def test_a_cell_shows_its_text_as_it_is_on_one_line(name: str) -> None:
    lines = printed(FittingTable(("name", "x"), [(TEXTS[name][:150], "1"), ("short", "2")])).splitlines()
    shown = [line for line in lines if "HOSTILE" in line]
    assert len(shown) == 1
    # No style, picture or escape was taken out.
    assert format_printable(TEXTS[name][:150]) in shown[0]


@given(text=ANY_TEXT)
def test_a_sentence_is_one_line(text: str) -> None:
    stream = io.StringIO()
    print_sentence(create_console(file=stream, width=80), f"Written: {text}")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue()[:-1].isprintable()


@pytest.mark.parametrize("name", TEXTS)
def test_a_progress_bar_shows_any_description(name: str) -> None:
    stream = io.StringIO()
    console = create_console(file=stream, width=600, force_terminal=True)
    with Progress(make_text_column("description"), make_text_column("fields[terms]"), console=console) as bar:
        bar.add_task(TEXTS[name], total=1, terms=TEXTS[name])
    shown = OWN_COMMANDS.sub("", stream.getvalue())
    assert all(line.isprintable() for line in shown.split("\n"))
    assert shown.count("HOSTILE") >= 2


def test_every_console_is_one_of_ours() -> None:
    """So that no new command can print what came from outside by another way."""
    made = []
    for package in ("commands", "report", "evae", "simulations", "theory", "foundation"):
        for path in Path(ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Console":
                    made.append(f"{path}:{node.lineno}")
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("shlex.join", "click.echo"):
                    made.append(f"{path}:{node.lineno}")
    assert made == []
