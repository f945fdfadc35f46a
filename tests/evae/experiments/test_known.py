"""Runs of earlier files stand for planned ones where they are the same, and are refused where they only look so."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evae.configuration.configuration import Configuration
from evae.configuration.options import INDIFFERENT
from evae.configuration.recipe import Recipe
from evae.experiments.comparability import place_of
from evae.experiments.known import Known
from evae.experiments.plan import Plan
from evae.experiments.results import Results, RunRecord
from evae.runs.versions import PACKAGE, package_version
from foundation.errors import InputError
from tests.evae.experiments.reports.test_reports import record as measured
from tests.support.places import ROOT

DIGESTS = {"train": "a" * 64, "holdout": "b" * 64}

FEATURES = {"name": "classifier", "identity": "c" * 64, "holdout_accuracy": 0.9, "warning": None}

ENVIRONMENT = {"device_name": "a processor", "threads": 1, "packages": {"torch": "2.15.0", PACKAGE: package_version()}}


def plan(**options: Any) -> Plan:
    return Plan.of("1", **{"datasets": ("digits",), "latent_dims": (2, 3), "seeds": (0, 1), **options})


def made(config: Configuration, **fields: Any) -> RunRecord:
    """A run of this version, as its results say it."""
    one = measured(config, 100.0 + config.seed)
    evaluation = {**one.evaluation, "features": FEATURES}
    fields = {"evaluation": evaluation, "environment": ENVIRONMENT, "data_sha256": DIGESTS, **fields}
    return dataclasses.replace(one, **fields)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes records into a file of results."""

    def written(*records: RunRecord, name: str = "known.json", table: str = "1") -> Path:
        Results(table, "classifier", records).save(tmp_path / name)
        return tmp_path / name

    return written


def judges(digests: dict[str, str] = DIGESTS, name: str = "classifier", identity: str = "c" * 64) -> Any:
    network = None if name == "none" else SimpleNamespace(name=name, identity=identity)
    return {"digits": SimpleNamespace(network=network, data_sha256=digests)}


def test_runs_of_the_plan_are_taken_and_others_are_ignored(write: Callable[..., Path]) -> None:
    wanted = plan()
    held = [made(config) for config in plan(seeds=(1, 2), models=("evae", "ae"), epochs=50).configurations]
    # What is not of the plan may have been made otherwise.
    foreign = [made(config, data_sha256={}) for config in plan(seeds=(3,), lr=0.5).configurations]
    path = write(*held, *foreign, table="ablation")
    known = Known.of([path], wanted)
    assert set(known.runs) == {c.name for c in wanted.configurations if c.model == "evae" and c.seed == 1}
    assert known.counts == {path: (2, len(held) + len(foreign))}
    known.require_comparable(judges())


#: Another value of each option that decides a run, and how a sentence names it there and here.
DECIDING: dict[str, tuple[dict[str, Any], str, str]] = {
    "fit": ({"fit": "pad"}, "--fit pad", "--fit resize"),
    "binarise": ({"binarise": "static"}, "--binarise static", "no --binarise"),
    "network": ({"network": "mlp"}, "--network mlp", "--network appendix-b"),
    "pixels": ({"pixels": "gaussian"}, "--pixels gaussian", "--pixels bernoulli"),
    "epochs": ({"epochs": 60}, "--epochs 60", "--epochs 50"),
    "batch_size": ({"batch_size": 50}, "--batch-size 50", "--batch-size 100"),
    "lr": ({"lr": 1e-3}, "--lr 0.001", "--lr 0.0001"),
    "schedule": ({"schedule": "cosine"}, "--schedule cosine", "--schedule constant"),
    "optimizer": ({"optimizer": "adamw"}, "--optimizer adamw", "--optimizer adam"),
    "clip_gradient": ({"clip_gradient": 5.0}, "--clip-gradient 5.0", "no --clip-gradient"),
    "keep": ({"keep": "best:loss"}, "--keep best:loss", "no --keep"),
    "precision": ({"precision": "bf16"}, "--precision bf16", "--precision fp32"),
    "deterministic": ({"deterministic": True}, "--deterministic", "no --deterministic"),
    "limit_train": ({"limit_train": 60}, "--limit-train 60", "no --limit-train"),
    "limit_holdout": ({"limit_holdout": 20}, "--limit-holdout 20", "no --limit-holdout"),
}

#: And of each that does not.
IDLE: dict[str, Any] = {
    "device": "cpu",
    "data_dir": "there",
    "runs_dir": "there",
    "name": "another-name",
    "checkpoint_minutes": 1.0,
}


def test_every_option_of_a_run_decides_it_or_does_not_or_makes_its_place() -> None:
    fields = {field.name for field in dataclasses.fields(Configuration)}
    recipe = {field.name for field in dataclasses.fields(Recipe)}
    assert set(IDLE) == INDIFFERENT
    # Chosen for user-supplied images alone, or with an optimizer or a law of the pixels that decide a run anyway.
    own = {"image_size", "skip_undecodable", "weight_decay", "pixel_scale"}
    assert fields - INDIFFERENT - set(DECIDING) - recipe - own == {"dataset", "model", "latent_dim", "seed"}


@pytest.mark.parametrize("option", DECIDING)
def test_a_run_made_with_another_option_is_refused(option: str, write: Callable[..., Path]) -> None:
    wanted = plan()
    value, there, here = DECIDING[option]
    path = write(*(made(dataclasses.replace(config, **value)) for config in wanted.configurations))
    with pytest.raises(InputError) as refused:
        Known.of([path], wanted)
    assert str(refused.value) == (
        f"{path}: the run digits-vae-d2-seed0-50epochs is not the one that is wanted: it was made with {there}, and "
        f"{here} is wanted. The same is true of 7 other runs. Give the options it was made with, or leave --known "
        f"{path} out, and its runs are trained here."
    )


def test_what_decides_nothing_may_differ(write: Callable[..., Path]) -> None:
    wanted = plan()
    for changed in (IDLE, *({name: value} for name, value in IDLE.items())):
        path = write(*(made(dataclasses.replace(config, **changed)) for config in wanted.configurations))
        assert len(Known.of([path], wanted).runs) == len(wanted.configurations)


def test_a_model_of_the_same_name_with_another_weight_is_refused(write: Callable[..., Path]) -> None:
    wanted = plan(models=("vae-beta0.0625",))
    other = dataclasses.replace(wanted.configurations[0], beta=0.0625 + 1e-9)
    assert place_of(other) == place_of(wanted.configurations[0])
    with pytest.raises(InputError, match=r"made with --beta 0\.062500001, and --beta 0\.0625 is wanted"):
        Known.of([write(made(other))], wanted)


@pytest.mark.parametrize(
    ("environment", "made_by"),
    [
        ({**ENVIRONMENT, "packages": {"torch": "2", PACKAGE: "0.1.0"}}, "version 0.1.0"),
        ({**ENVIRONMENT, "packages": {"torch": "2"}}, "an unknown version"),
        ({**ENVIRONMENT, "earlier": [{"packages": {PACKAGE: "0.1.0"}}]}, f"versions 0.1.0 and {package_version()}"),
        ({**ENVIRONMENT, "earlier": [{}]}, f"version {package_version()} and an unknown version"),
    ],
)
def test_a_run_that_another_version_had_a_part_in_is_refused(
    environment: dict[str, Any], made_by: str, write: Callable[..., Path]
) -> None:
    (config, *_) = plan().configurations
    with pytest.raises(InputError, match=f"it was made by {made_by} of this program, and this is {package_version()}"):
        Known.of([write(made(config, environment=environment))], plan())


def test_a_file_of_version_1_is_refused_where_it_has_a_run_of_the_plan_and_read_where_it_has_none() -> None:
    path = ROOT / "results" / "table-1.json"
    options: dict[str, Any] = {"seeds": (0,), "epochs": 3, "limit_train": 20_000, "lr": 1e-3}
    with pytest.raises(InputError, match=r"made by version 0\.1\.0 of this program.* does not say on which images"):
        Known.of([path], Plan.of("1", **options))
    assert Known.of([path], plan()).counts == {path: (0, 32)}


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        (judges({**DIGESTS, "holdout": "x" * 64}), "its hold-out images of digits are not those at hand"),
        (judges(name="none"), "it was evaluated with the features classifier, and none is wanted. "),
        (judges(name="inception"), "it was evaluated with the features classifier, and inception is wanted. "),
        (judges(identity="x" * 64), "it was evaluated by another network of the features classifier (identity ccc"),
    ],
)  # fmt: skip
def test_a_run_of_other_images_or_features_than_those_at_hand_is_refused(
    there: Any, sentence: str, write: Callable[..., Path]
) -> None:
    known = Known.of([write(made(plan().configurations[0]))], plan())
    known.require_comparable(judges())
    with pytest.raises(InputError) as refused:
        known.require_comparable(there)
    assert f"known.json: the run digits-vae-d2-seed0-50epochs is not the one that is wanted: {sentence}" in str(
        refused.value
    )


def test_files_with_other_figures_for_one_run_are_refused(write: Callable[..., Path]) -> None:
    one = made(plan().configurations[0])
    first, same = write(one, name="first.json"), write(dataclasses.replace(one, seconds=1.0), name="same.json")
    assert len(Known.of([first, same], plan()).runs) == 1
    other = write(dataclasses.replace(one, curve=(1.0, 2.0)), name="other.json")
    with pytest.raises(
        InputError, match=r"first\.json and .*other\.json have other figures for the run digits-vae-d2-"
    ):
        Known.of([first, same, other], plan())


def test_several_differences_are_named_at_once_with_every_remedy(write: Callable[..., Path]) -> None:
    (config, *_) = plan().configurations
    write = functools.partial(write, made(dataclasses.replace(config, lr=0.5), data_sha256={}))
    with pytest.raises(InputError) as refused:
        Known.of([write()], plan())
    assert "--lr 0.5, and --lr 0.0001 is wanted; it does not say on which images" in str(refused.value)
