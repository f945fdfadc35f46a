"""Initial weights, drawn for each part of a model from its own random stream.

Models of one seed, image shape and d_z therefore start with the same encoder trunk, the same decoder and the same head
of the same name, whatever other heads there are. Such models differ by their posteriors and objectives, not by their
starting points, so that comparisons over seeds are paired. The trunk and the decoder of a user's network draw their
weights themselves, from one stream of the same seed; a model given in Python keeps its weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from evae.compute.random_streams import weights_seed
from evae.configuration.configuration import Configuration
from evae.models.custom.functions import Builder
from evae.models.vae import VAE


def initial_model(
    config: Configuration, image_shape: tuple[int, int, int], model: VAE | Builder | str | None = None
) -> VAE:
    """Make a model on the CPU whose weights depend only on the seed; preserve the caller's random state.

    ``model`` is a network of the user's own, as for `VAE.of`.
    """
    with torch.random.fork_rng(devices=[]):
        if config.has_own_network:
            torch.default_generator.manual_seed(weights_seed(config.seed, "network"))
        found = VAE.of(config, image_shape, model)
    if found is not model:
        draw_weights(found.parts, config.seed)
    return found


def draw_weights(parts: Mapping[str, nn.Module], seed: int) -> None:
    """Draw the initial weights of each part from the stream of its name by the layers' ``reset_parameters``."""
    for name, part in parts.items():
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(weights_seed(seed, name))
            for layer in part.modules():
                if callable(reset := getattr(layer, "reset_parameters", None)):
                    reset()
