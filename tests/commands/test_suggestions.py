"""A mistyped name is answered with the nearest one, in one sentence."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli import main
from tests.support.networks import networks_of_the_paper
from tests.support.processes.runner import runner


def commands(group: click.Group = main, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name), command


COMMANDS = dict(commands())

OPTIONS = [(words, option) for words, command in COMMANDS.items() for one in command.params for option in one.opts]


def refusal(*arguments: str) -> str:
    """The one sentence of a command that must end with exit code 2."""
    result = runner().invoke(main, list(arguments))
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def typos(word: str) -> set[str]:
    """All that one key too few, too many, wrong, or struck too early makes of a word of more than one letter."""
    letters = range(len(word))
    found = {word[:i] + word[i + 1 :] for i in letters if len(word) > 2}
    found |= {word[:i] + word[i] + word[i:] for i in letters}
    found |= {word[:i] + "xq"[word[i] == "x"] + word[i + 1 :] for i in letters if len(word) > 1}
    found |= {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in letters[:-1]}
    return found - {word}


@pytest.mark.parametrize(
    ("words", "option"),
    [(words, option) for words, option in OPTIONS if option.startswith("--")],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_an_option_with_a_letter_wrong_is_answered_with_that_option(words: tuple[str, ...], option: str) -> None:
    known = {one for parameter in COMMANDS[words].params for one in parameter.opts}
    # Of --seed and --seeds either may be meant.
    alike = [one for one in known if one.startswith(option) or option.startswith(one)]
    for typo in typos(option.removeprefix("--")) - {name.removeprefix("--") for name in known}:
        answer = refusal(*words, f"--{typo}")
        assert any(f"{words[-1]} has no option --{typo}. Did you mean {one}?" in answer for one in alike)


@pytest.mark.parametrize("words", COMMANDS, ids="-".join)
def test_a_command_with_a_letter_wrong_is_answered_with_that_command(words: tuple[str, ...]) -> None:
    *before, name = words
    for typo in typos(name):
        assert f"No such command: '{typo}'. Did you mean {name}?" in refusal(*before, typo)


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        ("verify-lemmas lemma-3.2.minimun", "lemma-3.2.minimum"),
        ("verify-lemmas lema-3.2", "lemma-3.2"),
        ("verify-lemmas --assume eq-6.bond=1", "eq-6.bound"),
        ("verify-lemmas --format markdwon", "markdown"),
        ("simulate-tm --m 10 --kernel epanechnikow", "epanechnikov"),
        ("simulate-tm --m 10 --density norml", "normal"),
        ("simulate-tm --m 10 --density unifrom:0,1", "uniform"),
        ("simulate-tm --m 10 --weight windw:-1,1", "window:c,d"),
        ("simulate-tm --m 10 --engine cell", "cells"),
        ("train --dataset fashion-minst", "fashion-mnist"),
        ("train --dataset nzp:file", "npz:FILE"),
        ("train --model eave", "evae"),
        ("train --posterior epanechnikow", "epanechnikov"),
        ("train --posterior kd", "kde"),
        ("train --objective elob", "elbo"),
        ("train --model evae --kernel gausian", "gaussian"),
        ("train --model evae --interval corected", "corrected"),
        ("train --model evae-repaired --divergence renyi", "renyi2"),
        ("train --precision fp23", "fp32"),
        ("train --device cdua", "cuda"),
        ("train --device gpu", "cuda"),
        ("reproduce --table ablatoin", "ablation"),
        ("reproduce --table 1 --datasets mnist,cifar-10", "cifar10"),
        ("reproduce --table 1 --datasets digits --features clasifier", "classifier"),
        ("reproduce --table 1 --datasets digits --device gpu", "cuda"),
        ("evaluate results/digits-evae --features inceptoin", "inception"),
        ("evaluate results/digits-evae --device cpuu", "cpu"),
        ("sample results/digits-evae --sampler mixtrue", "mixture"),
        ("datasets get minst", "mnist"),
        ("datasets check celebA", "celeba"),
        ("completion bahs", "bash"),
    ],
)
def test_a_value_with_a_letter_wrong_is_answered_with_that_value(arguments: str, nearest: str) -> None:
    with networks_of_the_paper():
        assert f"Did you mean {nearest}?" in refusal(*arguments.split())


def test_a_column_with_a_letter_wrong_is_answered_with_that_column(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("height,weight\n1,2\n3,4\n", encoding="ascii")
    assert "Did you mean height?" in refusal("test-fit", str(table), "--column", "hieght")


def test_an_option_of_another_command_is_recognised() -> None:
    assert "train has no option --replicates. simulate-tm, test-fit and report have it;" in refusal(
        "train", "--replicates", "3"
    )
    assert "evaluate has no option --components. sample has it;" in refusal("evaluate", "--components", "3")


def test_an_option_of_another_command_that_is_like_one_of_this_is_answered_with_both() -> None:
    assert "evaluate has no option --sampler. Did you mean --samples? sample has --sampler." in refusal(
        "evaluate", "--sampler", "prior"
    )


def test_an_option_like_none_is_told_where_all_are_listed() -> None:
    sentence = refusal("train", f"--{string.ascii_lowercase}")
    assert "`python cli.py train --help` lists its options." in sentence


def test_what_is_missing_is_named_with_where_examples_are() -> None:
    assert refusal("simulate-tm").startswith("Error: simulate-tm needs --m M. `python cli.py simulate-tm --help`")
    assert refusal("datasets", "get").startswith("Error: get needs NAME. `python cli.py datasets get --help`")
