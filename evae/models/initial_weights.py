"""Initial weights, drawn for each part of a model from its own random stream.

Models of one seed, image shape and d_z therefore start with the same encoder trunk, the same decoder and the same head
of the same name, whatever other heads there are. Such models differ by their posteriors and objectives, not by their
starting points, so that comparisons over seeds are paired.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from evae.compute.random_streams import Stream, generator, weights_seed
from evae.configuration.configuration import Configuration
from evae.models.priors.mixture import VampPrior
from evae.models.vae import VAE


def initial_model(config: Configuration, image_shape: tuple[int, int, int]) -> VAE:
    """Make a model on the CPU whose weights depend only on the seed; preserve the caller's random state."""
    with torch.random.fork_rng(devices=[]):
        model = VAE.of(config, image_shape)
    draw_weights(model.parts, config.seed)
    return model


def begin_prior(model: VAE, config: Configuration, train_pixels: Tensor) -> None:
    """Set the pseudo-inputs of a prior, if they are to be training images: uint8, (N, C, S, S), chosen by the seed.

    Raises
    ------
    InputError
        If there are fewer images than pseudo-inputs.
    """
    if config.recipe.pseudo_inputs in ("data", "frozen"):
        assert isinstance(model.prior, VampPrior)
        model.prior.begin_with(train_pixels, generator(config.seed, Stream.PSEUDO_INPUTS))


def draw_weights(parts: Mapping[str, nn.Module], seed: int) -> None:
    """Draw the initial weights of each part from the stream of its name by the layers' ``reset_parameters``."""
    for name, part in parts.items():
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(weights_seed(seed, name))
            for layer in part.modules():
                if callable(reset := getattr(layer, "reset_parameters", None)):
                    reset()
