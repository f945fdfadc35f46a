"""Models of one form made parts of one model, which computes and trains all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evae.models.vae import VAE


def stack_models(models: Sequence[VAE]) -> VAE:
    """Return one model whose networks are those of ``models``, side by side; a single model is returned itself.

    From then on the models have no memory of their own: their weights and the running statistics of their batch
    normalisation are parts of the whole one's, so that training that trains them, and each can still be looked at,
    measured, saved and loaded alone. All are on one device, of one shape and of one posterior.
    """
    if len(models) == 1:
        return models[0]
    first = models[0]
    # Neither memory nor random numbers are spent on weights that are replaced.
    with torch.device("meta"):
        whole = VAE(first.image_shape, first.latent_dim, first.family, networks=len(models))
    states = [model.state_dict() for model in models]
    whole.load_state_dict({name: _concatenate([state[name] for state in states]) for name in states[0]}, assign=True)
    whole.place_on(first.device)
    for model, own in zip(models, _by_model(whole.state_dict(), len(models)), strict=True):
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            tensor.data = own[name]
    return whole


def split_by_model(tensor: Tensor, models: int) -> Sequence[Tensor]:
    """Return what of the whole model's tensor belongs to each model; what is but one number, such as a count, is all's.

    Parts are views: what is written to one is written to the whole.
    """
    return tensor.chunk(models) if tensor.dim() > 0 else [tensor] * models


def _concatenate(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([*tensors]) if tensors[0].dim() > 0 else tensors[0].clone()


def _by_model(state: dict[str, Tensor], models: int) -> list[dict[str, Tensor]]:
    split = {name: split_by_model(tensor, models) for name, tensor in state.items()}
    return [{name: tensors[number] for name, tensors in split.items()} for number in range(models)]
