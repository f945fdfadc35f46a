"""A first batch through a network of the user's own, so that most of its errors come before a run has a folder."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from evae.data import as_images
from evae.models.custom.checks import explained
from evae.models.vae import VAE


def rehearse(model: VAE, pixels: Tensor, precision: str = "fp32") -> None:
    """Encode and decode a batch in training mode by a copy of the model, forwards and backwards.

    Parameters
    ----------
    model : VAE
        It is not changed.
    pixels : Tensor
        uint8, shape (N, C, S, S), on the model's device.
    precision : str
        Of training.

    Raises
    ------
    InputError
        If the network fails, cannot be copied, or its output depends on no weight.
    """
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), explained(model.network_name, "model", pixels):
        trial = copy.deepcopy(model).train()
        logits, *_ = trial(as_images(pixels), precision=precision)
        logits.sum().backward()
