"""The table of options and what is made from it: fields, checks, sets of options, schemas."""

from __future__ import annotations

import dataclasses
import json
import typing
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli import main
from evae import Configuration
from evae.configuration.domains import (
    FOLDER_NAME,
    POSITIVE,
    SWITCH,
    DataSet,
    Domain,
    Folder,
    Network,
    WordOrNumber,
    choice,
    number,
    whole_number,
)
from evae.configuration.options import CHANGEABLE, INDIFFERENT, OPTIONS, WITHOUT_EFFECT, Option, TrainingOptions
from evae.configuration.recipe import RECIPE_FIELDS
from foundation.errors import InputError


@pytest.mark.parametrize("name", OPTIONS)
def test_the_type_of_a_field_is_that_of_its_domain(name: str) -> None:
    option, annotation = OPTIONS[name], typing.get_type_hints(Configuration)[name]
    types = typing.get_args(annotation) or (annotation,)
    assert option.domain.type in types
    assert (type(None) in types) == (option.default is None)
    assert option.require(option.default) == option.default


def test_the_fields_of_a_configuration_are_the_options_in_their_order() -> None:
    assert [field.name for field in dataclasses.fields(Configuration)] == list(OPTIONS)
    assert Configuration() == Configuration(**{name: option.default for name, option in OPTIONS.items()})


def test_the_options_of_train_are_the_table_and_what_makes_several_runs_of_one_command() -> None:
    train = {parameter.name for parameter in main.commands["train"].params}
    assert train - set(OPTIONS) == {
        *("seeds", "resume", "help_combinations", "plots", "json_path", "quiet", "debug"),
    }
    assert set(OPTIONS) < train


def test_what_an_option_affects_and_whether_a_resumed_run_may_change_it() -> None:
    assert set(WITHOUT_EFFECT) == {"data_dir", "runs_dir", "name", "checkpoint_minutes"}
    assert set(INDIFFERENT) == {*WITHOUT_EFFECT, "device"}
    assert set(CHANGEABLE) == {"epochs", "device", "data_dir", "checkpoint_minutes"}


def test_every_option_of_a_recipe_has_a_label() -> None:
    assert {name for name, option in OPTIONS.items() if option.label} == RECIPE_FIELDS


def test_the_docstring_explains_every_option() -> None:
    for option in OPTIONS.values():
        assert f"\n{option.name} : " in str(Configuration.__doc__)
        assert f"\n    {option.summary}" in str(Configuration.__doc__)


def test_a_field_is_its_row() -> None:
    @dataclasses.dataclass(frozen=True)
    class Longer(TrainingOptions):
        momentum: float = dataclasses.field(default=0.9, metadata={"domain": POSITIVE, "summary": "Momentum."})

    from evae.configuration.options import table_of

    option = table_of(Longer)["momentum"]
    assert (option.flag, option.default, option.help) == ("--momentum", 0.9, "Momentum.")


DOMAINS: list[tuple[Domain, list[Any], list[tuple[Any, str]]]] = [
    (whole_number(maximum=9), [1, 9], [(v, f"--x must be a whole number from 1 to 9, got {v!r}.") for v in (0, 10)]),
    (whole_number(0, 2**63 - 1), [0, 2**63 - 1], [(-1, "--x must be a whole number from 0 to 9,223,372,036,854,775")]),
    (whole_number(), [5], [(v, f"from 1 to 1,000,000,000, got {v!r}.") for v in (True, 2.0, "3", None, [1])]),
    (
        Network(words=("appendix-b", "mlp")),
        ["appendix-b", "mlp", "given", "my_networks:build", "my.networks:make_2"],
        [
            ("mpl", "--x 'mpl' is not known. Did you mean mlp?"),
            *(
                (name, f"my_networks:build for build in my_networks.py; got {name!r}")
                for name in ("a:", ":b", "a/b:c", "../a:b", "a:b:c", "a:b()", "a.:b", 3)
            ),
        ],
    ),
    (number(), [1e-6, 2, 1e6], [(v, f"--x must be a number from 1e-06 to 1e6, got {v!r}.") for v in (0, 1e7, "1")]),
    (POSITIVE, [1e-300, 3], [(v, f"--x must be a positive number, got {v!r}.") for v in (0, float("inf"), "1", True)]),
    (SWITCH, [True, False], [(v, f"--x must be True or False, got {v!r}.") for v in (1, "yes", None)]),
    (FOLDER_NAME, ["a-1", "é.b"], [(v, "--x must be a plain folder name") for v in ("", "a/b", ".", "a" * 201, 1)]),
    (choice("cpu", "cuda", gpu="cuda"), ["cpu"], [("gpu", "Did you mean cuda?"), (1, "--x 1 is not known.")]),
    (
        Folder(),
        ["a/b", ""],
        [("a\0b", "--x must be the path of a folder, got 'a\\x00b'."), (1, "the path of a folder")],
    ),
    (WordOrNumber(words=("learned",)), ["learned", 0.5], [("short", "--x must be learned or a number"), (True, "--x")]),
    (
        DataSet(names=("digits",), forms=("npz:FILE",)),
        ["digits", "npz:a"],
        [("npz:", "--x npz: lacks its path: it is npz:FILE."), ("digit", "Did you mean digits?"), (None, "a data set")],
    ),
]


@pytest.mark.parametrize(("domain", "accepted", "refused"), DOMAINS)
def test_a_domain_refuses_what_is_outside_in_a_sentence_and_its_schema_agrees(
    domain: Domain, accepted: list[Any], refused: list[tuple[Any, str]]
) -> None:
    schema = Draft202012Validator(domain.schema())
    for value in accepted:
        assert domain.require("--x", value) == value
        assert schema.is_valid(value)
    for value, sentence in refused:
        with pytest.raises(InputError) as caught:
            domain.require("--x", value)
        assert sentence in str(caught.value)


def test_values_are_stored_as_json_has_them() -> None:
    config = Configuration(data_dir=Path("data"), dataset=Path("mnist"), model="evae", prior_length="0.5")  # type: ignore[arg-type]
    assert json.loads(json.dumps(dataclasses.asdict(config)))["prior_length"] == 0.5
    assert (config.data_dir, config.dataset) == ("data", "mnist")


def test_the_advice_ends_the_help_and_the_message() -> None:
    option = Option("lr", 1e-4, POSITIVE, "Learning rate.", "Of Adam.", advice="The paper uses 1e-4.")
    assert option.help == "Learning rate. Of Adam. The paper uses 1e-4."
    with pytest.raises(InputError, match=r"^--lr must be a positive number, got 0\. The paper uses 1e-4\.$"):
        option.require(0)


def test_none_is_accepted_where_it_is_the_default_alone() -> None:
    assert Option("lr", None, POSITIVE, "Learning rate.").require(None) is None
    with pytest.raises(InputError, match="got None"):
        Option("lr", 1.0, POSITIVE, "Learning rate.").require(None)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_schema_of_an_option_takes_its_default_and_its_words(name: str) -> None:
    option = OPTIONS[name]
    schema = Draft202012Validator(option.schema())
    assert schema.is_valid(option.default)
    words = [] if name == "dataset" else option.domain.words
    assert all(schema.is_valid(option.domain.type(word)) for word in words)
    assert not schema.is_valid({})
