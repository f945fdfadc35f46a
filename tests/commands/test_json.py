"""What ``--json`` writes: alone on standard output, and as the schemas in docs/schemas describe it."""

from __future__ import annotations

import copy
import io
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cli import main
from commands.shared.output import format_json, write_json
from docs.schemas import render
from evae.experiments.results import VERSION
from results.render import FILES
from tests.support.places import ROOT
from tests.support.processes.runner import runner
from tests.support.schemas import faults
from theory.algebra.verified_integrals import closed_forms_within

TINY = ["--epochs", "1", "--limit-train", "60", "--latent-dim", "2", "--device", "cpu", "--lr", "1e-3"]

GRID = ["--epochs", "1", "--limit-train", "60", "--latent-dims", "2", "--device", "cpu", "--features", "none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sample and a trained run."""
    place = tmp_path_factory.mktemp("json")
    np.savetxt(place / "sample.txt", np.random.default_rng(0).normal(size=50))
    trained = runner().invoke(main, ["train", *TINY, "--runs-dir", str(place), "--name", "run", "--quiet"])
    assert trained.exit_code == 0, trained.output
    return place


SCORED = "--likelihood is --samples 200 --binarise threshold --likelihood-images 2"

ANNEALED = "--likelihood ais --chains 2 --temperatures 3 --binarise static --likelihood-images 2"

pytestmark = pytest.mark.usefixtures("decided_here")

#: Every command with tiny settings, by the schema of its document; FOLDER is that of `folder`.
COMMANDS = {
    "verify-lemmas": "verify-lemmas algorithm-2.median --assume lemma-3.2.minimum=4/(5*r) --jobs 1",
    "verify-lemmas-list": "verify-lemmas --list lemma-3.2",
    "verify-lemmas-kernel": "verify-lemmas kernel --density 3/4*(1-x**2) --support -1,1",
    "simulate-tm": "simulate-tm --m 50 --replicates 30 --engine exact",
    "test-fit": "test-fit FOLDER/sample.txt --replicates 99 --no-cache --estimate",
    "test-fit-against": "test-fit FOLDER/sample.txt --against FOLDER/sample.txt --replicates 99",
    "train": f"train {' '.join(TINY)} --model evae --runs-dir FOLDER/trained",
    "evaluate": "evaluate FOLDER/run --features none --device cpu",
    "sample": "sample FOLDER/run --sampler mixture --components 2 --images 2 --device cpu",
    "reproduce": f"reproduce --table 1 --datasets digits --seeds 0 {' '.join(GRID)} --runs-dir FOLDER/grid",
    "datasets-list": "datasets list --data-dir FOLDER",
    "datasets-get": "datasets get digits --data-dir FOLDER",
    "datasets-check": "datasets check digits --data-dir FOLDER",
    "completion": "completion fish",
}

#: Other forms of the same documents.
FORMS = [
    ("simulate-tm", "simulate-tm --m 50 --m 100 --replicates 20 --density uniform:-1,1 --weight one"),
    ("simulate-tm", "simulate-tm --m 600 --replicates 1 --engine cells"),
    ("test-fit", "test-fit FOLDER/sample.txt --replicates 20 --no-cache --weight window:-1,1"),
    ("test-fit", "test-fit FOLDER/sample.txt --replicates 20 --no-cache --bandwidth adaptive --null smoothed"),
    ("test-fit", "test-fit FOLDER/sample.txt --replicates 20 --no-cache --power laplace"),
    ("verify-lemmas-kernel", "verify-lemmas kernel --density exp(-x) --support 0,oo"),
    ("train", f"train {' '.join(TINY)} --seeds 0,1 --runs-dir FOLDER/seeds"),
    ("evaluate", f"evaluate FOLDER/run --features none --device cpu {SCORED}"),
    ("evaluate", f"evaluate FOLDER/run --features none --device cpu {ANNEALED}"),
    ("sample", "sample FOLDER/run --walk 0,1 --device cpu"),
    ("sample", "sample FOLDER/run --traverse 1 --device cpu"),
    ("sample", "sample FOLDER/run --images 2 --device cpu"),
]


def document(command: str, folder: Path) -> Any:
    """The document of a command, which is all that stands on standard output."""
    arguments = [word.replace("FOLDER", str(folder)) for word in command.split()]
    result = runner().invoke(main, [*arguments, "--json", "-"])
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def documents(folder: Path) -> dict[str, Any]:
    return {name: document(command, folder) for name, command in COMMANDS.items()}


def leaves(group: click.Group, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        yield from leaves(command, f"{name}-") if isinstance(command, click.Group) else [f"{before}{name}"]


def test_every_command_has_a_schema_and_is_run() -> None:
    # The report takes longest, and has separate tests.
    assert set(leaves(main)) - {"report"} <= set(COMMANDS)
    assert (
        set(COMMANDS) | {"common", "report"}
        == set(render.NAMES)
        == {path.stem for path in render.FOLDER.glob("*.json")}
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_alone_on_standard_output_and_as_its_schema_says(name: str, documents: dict[str, Any]) -> None:
    assert faults(name, documents[name]) == []


@pytest.mark.parametrize(("name", "command"), FORMS)
def test_every_form_of_a_document_is_as_its_schema_says(name: str, command: str, folder: Path) -> None:
    assert faults(name, document(command, folder)) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_field_too_many_or_too_few_is_a_fault(name: str, documents: dict[str, Any]) -> None:
    whole = documents[name]
    assert faults(name, {**whole, "unheard_of": 1})
    for field in set(whole) & set(render.schemas()[name].get("required", whole)):
        lacking = copy.deepcopy(whole)
        del lacking[field]
        assert faults(name, lacking), field


@pytest.mark.parametrize("name", FILES)
def test_the_results_in_the_repository_are_as_the_schema_says(name: str) -> None:
    document = json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))
    found = faults("reproduce", document)
    # The schema is that of what is written today.
    assert (found == []) == (document["version"] == VERSION)


def test_an_inner_field_too_many_is_a_fault(documents: dict[str, Any]) -> None:
    for name, path in (
        ("verify-lemmas", ("claims", 0)),
        ("verify-lemmas", ("claims", 0, "evidence", 0)),
        ("simulate-tm", ("standardised",)),
        ("simulate-tm", ("assumptions", 0)),
        ("train", ("metrics", 0, "holdout")),
        ("train", ("configuration",)),
        ("evaluate", ("latent",)),
        ("reproduce", ("runs", 0, "evaluation")),
        ("reproduce", ("comparison", "metrics", "sharpness", "wins")),
        ("datasets-list", ("datasets", 0)),
    ):
        spoilt = copy.deepcopy(documents[name])
        part = spoilt
        for step in path:
            part = part[step]
        part["unheard_of"] = 1
        assert faults(name, spoilt), (name, path)


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Every description of an object with named fields, in a schema."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


@pytest.mark.parametrize("name", render.NAMES)
def test_every_schema_is_closed_and_describes_every_field(name: str) -> None:
    schema = render.schemas()[name]
    Draft202012Validator.check_schema(schema)
    for part in objects(schema):
        assert part["additionalProperties"] is False
        assert set(part["required"]) <= set(part["properties"])
        for field, description in part["properties"].items():
            assert description.get("description") or "$ref" in description, field


def test_the_contract_of_verify_lemmas_is_kept_to_the_letter() -> None:
    (claim,) = [part for part in objects(render.schemas()["verify-lemmas"]) if "verdict" in part["properties"]]
    assert claim["required"] == [
        *("id", "source", "statement", "printed", "verdict", "expected", "method", "corrected", "charitable"),
        *("evidence", "seconds"),
    ]
    assert render.schemas()["verify-lemmas"]["required"] == ["claims", "summary", "versions"]


def test_the_contract_of_simulate_tm_is_kept() -> None:
    study = render.schemas()["simulate-tm"]["$defs"]["study"]
    assert set(study["required"]) >= {
        *("m", "bandwidth", "kernel", "density", "weight", "engine", "replicates", "seed", "mean", "standard_error"),
        *("variance", "exact_mean", "exact_mean_parts", "limit_mean", "limit_variance", "z_exact", "z_limit"),
        *("standardised", "normality", "assumptions", "seconds", "replicates_per_second"),
    }
    inner = study["properties"]
    assert inner["exact_mean_parts"]["required"] == ["variance_term", "product_term", "squared_bias_term"]
    assert set(inner["standardised"]["required"]) >= {"mean", "variance", "skewness", "quantiles"}
    assert inner["normality"]["required"] == ["test", "statistic", "p_value"]
    assert render.schemas()["common"]["$defs"]["condition"]["required"] == ["name", "holds", "reason"]


def test_the_schemas_of_a_configuration_are_what_the_table_of_options_says() -> None:
    assert render.schemas() == render.updated_schemas(), "run python -m docs.schemas.render"


def test_the_page_is_what_the_schemas_say() -> None:
    assert render.PAGE.read_text(encoding="utf-8") == render.page(), "run python -m docs.schemas.render"


@pytest.mark.parametrize("name", ["verify-lemmas-list", "verify-lemmas-kernel", "datasets-list", "datasets-check"])
def test_quiet_with_a_path_prints_nothing_and_writes_the_document(
    name: str, folder: Path, tmp_path: Path, documents: dict[str, Any]
) -> None:
    arguments = [word.replace("FOLDER", str(folder)) for word in COMMANDS[name].split()]
    result = runner().invoke(main, [*arguments, "--quiet", "--json", str(tmp_path / "result.json")])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == documents[name]
    assert os.listdir(tmp_path) == ["result.json"]  # noqa: PTH208


def test_quiet_prints_no_form_of_the_ledger() -> None:
    for form in ("table", "json", "markdown", "latex"):
        arguments = ["verify-lemmas", "algorithm-2.median", "--format", form]
        assert "algorithm-2.median" in runner().invoke(main, arguments).output
        assert runner().invoke(main, [*arguments, "--quiet"]).output == ""


def test_an_option_that_would_do_nothing_with_list_is_refused() -> None:
    for option in (["--explain"], ["--format", "latex"], ["--jobs", "2"], ["--with-simulations"]):
        refused = runner().invoke(main, ["verify-lemmas", "--list", *option])
        assert refused.exit_code == 2
        assert f"{option[0]} does nothing with --list" in refused.stderr


ARCSINE = "verify-lemmas kernel --support=-1,1 --density=1/(pi*sqrt(1-x**2))"


def test_infinite_numbers_are_null(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory.kernel_assessment.closed_forms_within", partial(closed_forms_within, 0.2))
    whole = document(ARCSINE, folder)
    assert faults("verify-lemmas-kernel", whole) == []
    assert whole["kernel"]["constants"]["roughness"] == {"exact": "oo", "value": None}
    # The entropy is log(pi / 2).
    assert whole["kernel"]["constants"]["entropy"]["value"] == pytest.approx(np.log(np.pi / 2), rel=1e-12)
    holds = {one["name"]: one["holds"] for one in whole["kernel"]["assumptions"]}
    assert not holds["A1: absolutely continuous on its support"]


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.tuples(inner, inner),
            st.dictionaries(st.text(max_size=3), inner, max_size=3),
        ),
        max_leaves=10,
    )
)
def test_any_document_is_strict_json(value: Any) -> None:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is no JSON")

    assert "value" in json.loads(format_json({"value": value}), parse_constant=refuse)


def test_a_document_is_whole_or_not_written() -> None:
    stream = io.StringIO()
    with pytest.raises(TypeError):
        write_json(stream, {"first": 1, "second": object()})
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("support", "density", "sentence"),
    [
        ("-pi,pi", "abs(cos(x))/2", "Error: a kernel must integrate to 1, got 2 for 'abs(cos(x))/2'. Divide it by 2."),
        ("0,1", "1/x", "Error: a kernel must integrate to 1, got oo for '1/x'."),
    ],
)
def test_a_kernel_of_another_mass_is_refused_in_one_line(support: str, density: str, sentence: str) -> None:
    result = runner().invoke(main, ["verify-lemmas", "kernel", f"--support={support}", "--density", density])
    assert result.exit_code == 2
    assert result.stderr == f"{sentence}\n"
