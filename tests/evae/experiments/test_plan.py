"""The plans of tables: which runs they need, under which names, and what is refused before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evae.configuration.configuration import Configuration
from evae.configuration.recipe import KERNELS, PRESETS
from evae.experiments.plan import (
    ABLATION_PRESETS,
    CURVES,
    FACTOR_KERNELS,
    FACTOR_OBJECTIVES,
    Plan,
    ablation_members,
    curve_of,
    factorial,
    factors_of,
    known_models,
    whole_numbers,
)
from evae.experiments.plan import (
    TABLES as TABLE_NAMES,
)
from foundation.errors import InputError
from theory.paper.tables import TABLES


@pytest.mark.parametrize("table", [1, 2])
def test_a_table_has_the_papers_experiments_once_for_each_seed(table: int) -> None:
    plan = Plan.of(str(table), seeds=(3, 4))
    wanted = {
        (experiment.dataset, experiment.latent_dim, model, seed)
        for experiment in TABLES[table]
        for model in ("vae", "evae")
        for seed in (3, 4)
    }
    found = [(c.dataset, c.latent_dim, c.model, c.seed) for c in plan.configurations]
    assert set(found) == wanted
    assert len(found) == len(wanted)


def test_the_defaults_are_the_papers_settings() -> None:
    for config in Plan.of("1").configurations:
        assert (config.epochs, config.batch_size, config.lr, config.limit_train) == (50, 100, 1e-4, None)


def test_the_ablation_has_every_preset_every_cell_and_every_point_of_the_curves_once() -> None:
    recipes = [Configuration(**member).recipe for member in ablation_members()]
    assert len(set(recipes)) == len(recipes)
    assert {PRESETS[name].completed() for name in ABLATION_PRESETS} <= set(recipes)
    assert PRESETS["laplace-vae"].completed() not in recipes
    assert {factors_of(recipe) for recipe in recipes} - {None} == {
        (kernel, objective) for kernel in FACTOR_KERNELS for objective in FACTOR_OBJECTIVES
    }
    assert {curve_of(recipe) for recipe in recipes} - {None} == {
        (model, beta) for model, betas in CURVES.items() for beta in (1.0, *betas)
    }


def test_a_cell_is_made_of_its_kernel_and_its_objective() -> None:
    for (kernel, objective), member in factorial().items():
        recipe = Configuration(**member).recipe
        assert recipe.objective == objective.partition(",")[0]
        assert kernel == (recipe.kernel if recipe.posterior == "kde" else recipe.posterior)
        assert (recipe.prior_length == 1.0) == objective.endswith("constant B")
    assert set(FACTOR_KERNELS) < set(KERNELS)


def test_what_is_neither_a_cell_nor_a_point_of_a_curve_is_none() -> None:
    assert factors_of(PRESETS["evae-repaired"].completed()) is None
    assert curve_of(PRESETS["evae-direct"].completed()) is None
    assert curve_of(PRESETS["ae"].completed()) is None
    assert curve_of(PRESETS["beta-vae"].completed()) == ("vae", 4.0)


def test_runs_of_one_data_set_and_of_one_seed_stand_together() -> None:
    configurations = Plan.of("1", seeds=(0, 1)).configurations
    groups = [(config.dataset, config.seed) for config in configurations]
    assert [*dict.fromkeys(groups)] == [(d, s) for d in ("mnist", "fashion-mnist") for s in (0, 1)]
    assert groups == sorted(groups, key=[*dict.fromkeys(groups)].index)


def test_a_table_has_the_models_that_are_asked_for_in_their_order() -> None:
    for table in TABLE_NAMES:
        plan = Plan.of(table, models=("ae", "evae-B1", "vae"), seeds=(0,))
        assert [*dict.fromkeys(config.label for config in plan.configurations)] == ["ae", "evae-B1", "vae"]


def test_every_model_is_known_by_its_label() -> None:
    for label, member in known_models().items():
        assert Configuration(**member).label == label
    assert set(PRESETS) <= set(known_models())
    assert [config.label for config in Plan.of("ablation", seeds=(0,)).configurations] == [
        label for label in known_models() if label in ABLATION_PRESETS or label not in PRESETS
    ]


@pytest.mark.parametrize(
    "option",
    [
        {"lr": 1e-3},
        {"batch_size": 50},
        {"schedule": "cosine"},
        {"optimizer": "sgd"},
        {"clip_gradient": 5.0},
        {"epochs": 5},
        {"limit_train": 1000},
        {"precision": "bf16"},
        {"network": "mlp"},
        {"network": "mlp", "image_size": 28},
        {"fit": "pad"},
        {"binarise": "static"},
        {"pixels": "continuous-bernoulli"},
        {"pixels": "gaussian", "pixel_scale": 0.1},
        {"seeds": (1,)},
        {"latent_dims": (8,)},
        {"datasets": ("digits",)},
    ],
    ids=str,
)
def test_what_decides_a_run_is_in_its_name(option: dict[str, Any]) -> None:
    plain, other = (Plan.of("ablation", **{"seeds": (0,), **options}).configurations for options in ({}, option))
    names = {config.name for config in plain}
    assert len(names) == len(plain)
    assert names.isdisjoint(config.name for config in other)


@pytest.mark.parametrize(
    ("table", "options", "sentence"),
    [
        ("3", {}, "--table '3' is not known. Choose from 1, 2, ablation."),
        ("ablatoin", {}, "--table 'ablatoin' is not known. Did you mean ablation?"),
        ("1", {"seeds": (0, 0)}, "--seeds must name at least one, and none twice; got 0,0."),
        ("1", {"models": ("vae", "vae")}, "--models must name at least one, and none twice; got vae,vae."),
        ("1", {"models": ("vae", "evea")}, "--models 'evea' is not known. Did you mean evae?"),
        ("ablation", {"models": ("evae-b1",)}, "--models 'evae-b1' is not known. Did you mean evae-B1?"),
        ("1", {"datasets": ("digits", "mnits")}, "--dataset 'mnits' is not known. Did you mean mnist?"),
        ("1", {"latent_dims": (0,)}, "--latent-dim must be a whole number from 1 to 65,536, got 0."),
        ("2", {"epochs": 0}, "--epochs must be a whole number from 1 to 1,000,000,000, got 0."),
    ],
)
def test_a_wrong_plan_is_one_sentence(table: str, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        Plan.of(table, **options)
    assert str(refused.value).startswith(sentence)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=6))
def test_numbers_are_read_as_they_are_written(numbers: list[int]) -> None:
    assert whole_numbers(", ".join(map(str, numbers)), "--seeds") == tuple(numbers)


@pytest.mark.parametrize("text", ["", "1,", "a", "1;2", "-1", "1.5", "3-1", "0-99999999"])
def test_what_is_not_a_list_of_numbers_is_one_sentence(text: str) -> None:
    with pytest.raises(InputError, match=r"^--seeds"):
        whole_numbers(text, "--seeds")
