"""Models of one seed start from one point, so that what differs after training is their posterior's and objective's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from evae.configuration.configuration import Configuration
from evae.configuration.recipe import PRESETS
from evae.experiments.plan import ablation_members
from evae.models.initial_weights import initial_model
from evae.models.vae import VAE

SHAPES = {32: (1, 32, 32), 64: (3, 64, 64)}


def started(seed: int = 0, side: int = 32, **member: Any) -> VAE:
    return initial_model(Configuration(latent_dim=3, seed=seed, **member), SHAPES[side])


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("side", SHAPES)
def test_all_models_of_one_seed_start_with_the_same_parts(side: int) -> None:
    models = [started(side=side, model=name) for name in PRESETS]
    models += [started(side=side, **member) for member in ablation_members()] if side == 32 else []
    for first, second in itertools.pairwise(models):
        shared = first.parts.keys() & second.parts.keys()
        assert {"encoder.features", "encoder.heads.mu", "decoder"} <= shared
        for name in shared:
            assert same(first.parts[name].state_dict(), second.parts[name].state_dict()), name


def test_heads_of_one_name_start_alike_wherever_they_stand() -> None:
    with_b, without = started(model="evae"), started(model="evae", prior_length=1.0)
    direct, uniform = started(model="evae-direct"), started(model="vae", posterior="uniform")
    for other in (without, direct, uniform):
        assert same(with_b.parts["encoder.heads.r"].state_dict(), other.parts["encoder.heads.r"].state_dict())


def test_heads_of_other_names_start_otherwise() -> None:
    heads = [part for name, part in started(model="evae").parts.items() if "heads" in name]
    for first, second in itertools.combinations(heads, 2):
        assert not torch.equal(first.state_dict()["weight"], second.state_dict()["weight"])


def test_another_seed_starts_every_part_elsewhere() -> None:
    first, second = started(seed=0, model="evae"), started(seed=1, model="evae")
    for name, part in first.parts.items():
        weights = [(key, tensor) for key, tensor in part.named_parameters() if tensor.dim() > 1]
        assert weights
        assert all(not torch.equal(tensor, second.parts[name].get_parameter(key)) for key, tensor in weights), name


@pytest.mark.parametrize("model", PRESETS)
def test_every_weight_belongs_to_one_part(model: str) -> None:
    made = started(model=model)
    owned = [id(weight) for part in made.parts.values() for weight in part.parameters()]
    assert sorted(owned) == sorted(id(weight) for weight in made.parameters())


def test_the_weights_depend_on_nothing_else() -> None:
    torch.manual_seed(1)
    first, after_first = started(model="evae"), torch.rand(1)
    torch.manual_seed(1)
    expected_after = torch.rand(1)
    torch.manual_seed(2)
    second = started(model="evae")
    assert same(first.state_dict(), second.state_dict())
    assert torch.equal(after_first, expected_after)
