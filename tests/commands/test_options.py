"""Options of the commands: one row, and one sentence of help, for each."""

from __future__ import annotations

import re
from collections import defaultdict

import click
import pytest

from cli import main
from commands.shared.failures import CommandLine
from commands.shared.options import SHARED, density_option, kernel_option
from evae.configuration.options import OPTIONS, Option
from evae.features.names import CHOICES
from foundation.errors import InputError
from tests.commands.test_suggestions import COMMANDS, refusal
from theory.densities.families import FAMILIES, density_named
from theory.kernels import KERNELS
from theory.names import DENSITY_BEGINNINGS, FAMILY_PARAMETERS, KERNEL_NAMES, OTHER_FORMS

#: Options that mean something else in another command, or work otherwise there.
DIFFERENT = {
    *("kernel", "density", "support", "bandwidth", "seed", "seeds", "replicates", "sizes", "resume", "output", "plots"),
    *("data_dir", "runs_dir", "cluster", "jobs", "binarise", "network"),
}


def test_an_option_of_several_commands_has_one_help() -> None:
    helps: defaultdict[str, set[str]] = defaultdict(set)
    for command in COMMANDS.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                helps[str(parameter.name)].add(str(parameter.help))
    assert {name for name, found in helps.items() if len(found) > 1} == DIFFERENT


@pytest.mark.parametrize("row", [*OPTIONS.values(), *SHARED.values()], ids=lambda row: row.name)
def test_a_row_is_explained_in_sentences(row: Option) -> None:
    assert row.summary.endswith(".")
    assert all(not part or part.endswith(".") for part in (row.details, row.advice))


def test_a_value_outside_a_domain_is_refused_before_any_work() -> None:
    assert (
        refusal("evaluate", "nowhere", "--device", "gpu") == "Error: --device 'gpu' is not known. Did you mean cuda?\n"
    )
    assert refusal("report", "--jobs", "0").startswith("Error: --jobs must be a whole number from 1 to 1,000,000,000, ")
    assert "--features 'fid' is not known." in refusal("reproduce", "--table", "1", "--features", "fid")
    assert set(SHARED["features"].domain.words) == set(CHOICES)


def test_the_light_names_are_those_of_the_definitions() -> None:
    assert set(KERNEL_NAMES) == set(KERNELS)
    assert list(FAMILY_PARAMETERS) == list(FAMILIES)
    assert {beginning.partition(":")[0] for beginning in DENSITY_BEGINNINGS} == {
        *FAMILIES,
        *(form.partition(":")[0] for form in OTHER_FORMS),
    }
    assert all(density_named(form) for form in OTHER_FORMS)


@pytest.mark.parametrize(
    ("density", "support", "name"),
    [
        ("gamma:2", None, "gamma:2"),
        ("x*exp(-x)", "0,oo", "expression:x*exp(-x),0,oo"),
        ("max(x, 0)/2", "-2,2", "expression:max(x, 0)/2,-2,2"),
    ],
)
def test_a_formula_and_its_support_are_one_density(density: str, support: str | None, name: str) -> None:
    assert density_option(density, support) == name
    assert density_named(name).support == density_named(density_named(name).name).support


@pytest.mark.parametrize(
    ("kernel", "support", "reason"),
    [
        ("biweight", "-1,1", "--kernel-support must stand with a --kernel that is a formula in x, got 'biweight'."),
        ("expression:1,0,1", "0,1", "--kernel-support must stand with a --kernel that is a formula in x, got"),
        ("1-x**2", "1", "--kernel-support must be two ends, got '1'. Try 0,1 or -oo,oo."),
    ],
)
def test_a_support_that_does_not_fit_a_kernel_is_refused(kernel: str, support: str, reason: str) -> None:
    with pytest.raises(InputError, match=re.escape(reason)):
        kernel_option(kernel, support)


@pytest.mark.parametrize(
    ("density", "support", "reason"),
    [
        ("normal", "0,1", "--support must stand with a --density that is a formula in x, got 'normal'. Leave it out."),
        ("gamma:2", "0,oo", "--support must stand with a --density that is a formula in x, got 'gamma:2'."),
        ("2*x", "0", "--support must be two ends, got '0'. Try 0,1 or -oo,oo."),
        ("2*x", "0,1,2", "--support must be two ends, got '0,1,2'."),
    ],
)
def test_a_support_that_does_not_fit_is_refused(density: str, support: str, reason: str) -> None:
    with pytest.raises(InputError, match=re.escape(reason)):
        density_option(density, support)


SINGLE = [
    pytest.param(words, parameter, id=f"{' '.join(words)} {parameter.opts[0]}")
    for words, command in COMMANDS.items()
    for parameter in command.params
    if isinstance(parameter, click.Option) and not parameter.multiple
]


@pytest.mark.parametrize(("words", "parameter"), SINGLE)
def test_an_option_given_again_is_refused_where_the_last_value_alone_would_count(
    words: tuple[str, ...], parameter: click.Option
) -> None:
    if not parameter.is_flag:
        names = parameter.opts
        given = [[first, "1", second, value] for first in names for second in names for value in "12"]
        given += [[f"{name}=1", f"{name}=2"] for name in parameter.opts if name.startswith("--")]
    elif parameter.secondary_opts:
        given = [[parameter.opts[0], parameter.secondary_opts[0]], [parameter.secondary_opts[0], parameter.opts[0]]]
    else:
        # A flag has but one value, so that nothing is lost.
        command = COMMANDS[words]
        parser = command.make_parser(click.Context(command))
        assert parser.parse_args([parameter.opts[0]] * 2)[0] == parser.parse_args([parameter.opts[0]])[0]
        return
    for options in given:
        complaint = refusal(*words, *options)
        assert parameter.opts[0] in complaint
        assert "must be given once, got 2 times: only the last would count. Keep one of them." in complaint


def test_options_that_are_repeatable_keep_all_their_values() -> None:
    assert "every --m must be different, got 100 twice" in refusal("simulate-tm", "--m", "100", "--m", "100")


def test_a_group_refuses_an_option_given_again_as_its_commands_do() -> None:
    assert "--json must be given once, got 2 times" in refusal("datasets", "list", "--json", "a", "--json", "b")
    for group in (main, *(command for command in main.commands.values() if isinstance(command, click.Group))):
        assert isinstance(group, CommandLine)
