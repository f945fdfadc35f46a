"""Initial weights: every part of a model draws its own from a stream of random numbers of its own.

Models of one seed, image shape and d_z therefore start with the same encoder trunk, the same decoder and the same head
of the same name, however many other heads there are. Differences between such models are differences between their
posteriors and objectives, not between their starting points: comparisons over seeds are paired.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from evae.compute.random_streams import weights_seed
from evae.configuration.configuration import Configuration
from evae.models.posterior_family import PosteriorFamily
from evae.models.vae import VAE


def initial_model(config: Configuration, image_shape: tuple[int, int, int]) -> VAE:
    """Make a model on the CPU whose weights depend on the seed alone; the caller's random numbers are left alone."""
    with torch.random.fork_rng(devices=[]):
        model = VAE(image_shape, config.latent_dim, PosteriorFamily.of(config.recipe))
    draw_weights(model.parts, config.seed)
    return model


def draw_weights(parts: Mapping[str, nn.Module], seed: int) -> None:
    """Draw the initial weights of each part from the stream of its name, by its layers' ``reset_parameters``."""
    for name, part in parts.items():
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(weights_seed(seed, name))
            for layer in part.modules():
                if callable(reset := getattr(layer, "reset_parameters", None)):
                    reset()
