"""Initial weights, drawn for each part of a model from its own random stream.

Models of one seed, image shape and d_z therefore start with the same encoder trunk, the same decoder and the same head
of the same name, whatever other heads there are. Such models differ by their posteriors and objectives, not by their
starting points, so that comparisons over seeds are paired. The trunk and the decoder of a user's network draw their
weights themselves, from one stream of the same seed; a model given in Python keeps its weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from evae.compute.random_streams import Stream, generator, weights_seed
from evae.configuration.configuration import Configuration
from evae.models.custom.functions import Builder
from evae.models.priors.pseudo_inputs import PseudoInputs
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
        has_prior = isinstance(model, VAE) and model.prior is not None
        found = VAE.of(config, image_shape, model)
    parts = found.parts
    if found is model:
        # It is trained as it is, except for a prior that it had not.
        parts = {name: part for name, part in parts.items() if part is found.prior and not has_prior}
    draw_weights(parts, config.seed)
    return found


def begin_prior(model: VAE, config: Configuration, train_pixels: Tensor) -> None:
    """Set the pseudo-inputs of a prior, if they are to be training images: uint8, (N, C, S, S), chosen by the seed.

    Raises
    ------
    InputError
        If there are fewer images than pseudo-inputs.
    """
    if config.recipe.pseudo_inputs in ("data", "frozen"):
        assert isinstance(model.prior, PseudoInputs)
        model.prior.begin_with(train_pixels, generator(config.seed, Stream.PSEUDO_INPUTS))


def draw_weights(parts: Mapping[str, nn.Module], seed: int) -> None:
    """Draw the initial weights of each part from the stream of its name by the layers' ``reset_parameters``."""
    for name, part in parts.items():
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(weights_seed(seed, name))
            for layer in part.modules():
                if callable(reset := getattr(layer, "reset_parameters", None)):
                    reset()
