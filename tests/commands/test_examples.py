"""Every example on a help page is a command that is understood, option by option."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from cli import main
from tests.commands.test_suggestions import COMMANDS


def examples() -> list[str]:
    """The commands that the help pages show, a continued line joined to its beginning."""
    helps = [command.help or "" for command in (*COMMANDS.values(), main.commands["datasets"])]
    joined = "\n".join(helps).replace("\\\n", " ")
    return [match[1] for match in re.finditer(r"^\s*(?:torchrun .*? )?(?:python )?cli\.py (.*)$", joined, re.MULTILINE)]


def test_there_are_examples_for_every_command_that_takes_long() -> None:
    shown = {example.split()[0] for example in examples()}
    assert shown >= {"verify-lemmas", "simulate-tm", "test-fit", "train", "evaluate", "sample", "reproduce"}


@pytest.mark.parametrize("example", examples())
def test_an_example_is_understood(example: str) -> None:
    """Parsing alone: an option that there is not, or a value of the wrong kind, would be refused."""
    name, *words = shlex.split(example)
    command = COMMANDS[(name,)]
    with command.make_context(name, words, parent=click.Context(main, info_name="cli.py")) as context:
        assert set(context.params) == {parameter.name for parameter in command.params if parameter.expose_value}
