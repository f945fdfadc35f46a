"""Stacking of equal-shaped models into one, which computes and trains all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evae.models.vae import VAE


def stack_models(models: Sequence[VAE]) -> VAE:
    """Stack the networks of ``models`` in one model; a single model is returned unchanged.

    Afterwards the weights and running statistics of the models are views of those of the stacked model: training it
    trains them, and each model can still be evaluated, saved and loaded alone. All must have the same device, shape and
    posterior.
    """
    if len(models) == 1:
        return models[0]
    first = models[0]
    # Without weights, since all are replaced below.
    whole = first.stacked_with(len(models))
    states = [model.state_dict() for model in models]
    whole.load_state_dict({name: _concatenate([state[name] for state in states]) for name in states[0]}, assign=True)
    whole.place_on(first.device)
    # Replace each model's tensors by views of the stacked ones.
    for model, own in zip(models, _by_model(whole.state_dict(), len(models)), strict=True):
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            tensor.data = own[name]
    return whole


def split_by_model(tensor: Tensor, models: int) -> Sequence[Tensor]:
    """Split a tensor of the stacked model into views, one per model; a scalar, such as a count, is shared by all."""
    return tensor.chunk(models) if tensor.dim() > 0 else [tensor] * models


def _concatenate(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([*tensors]) if tensors[0].dim() > 0 else tensors[0].clone()


def _by_model(state: dict[str, Tensor], models: int) -> list[dict[str, Tensor]]:
    split = {name: split_by_model(tensor, models) for name, tensor in state.items()}
    return [{name: tensors[number] for name, tensors in split.items()} for number in range(models)]
