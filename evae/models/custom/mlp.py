"""The network mlp: two hidden layers in the encoder and in the decoder, for images of any size.

Like those of Appendix B, several can be stacked in one module (`evae.models.networks`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from torch import Tensor, nn

from evae.models.custom.encoder import HeadedEncoder
from evae.models.networks import StackedLinear, stack_channels, unstack_channels

#: Units of each hidden layer.
WIDTH = 512


def mlp_encoder(
    image_shape: Sequence[int],
    latent_dim: int,
    heads: Sequence[str],
    networks: int = 1,
    zero_heads: Mapping[str, int] = MappingProxyType({}),
) -> HeadedEncoder:
    """Return an encoder of the pixels: two hidden layers of `WIDTH` ReLUs, then a fully connected layer for each head.

    Parameters are as for `evae.models.networks.Encoder`, with images of any size.
    """
    features = nn.Sequential(nn.Flatten(), *_hidden_layers(math.prod(image_shape), networks))
    return HeadedEncoder(features, WIDTH, latent_dim, heads, networks, zero_heads)


class MLPDecoder(nn.Module):
    """Map codes (N, d_z) to logits (N, C, S, S) by two hidden layers of `WIDTH` ReLUs and a fully connected layer."""

    def __init__(self, image_shape: Sequence[int], latent_dim: int, networks: int = 1) -> None:
        super().__init__()
        self.networks = networks
        self.image_shape = tuple(image_shape)
        output = StackedLinear(WIDTH, math.prod(image_shape), networks)
        self.layers = nn.Sequential(*_hidden_layers(latent_dim, networks), output)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of the pixels, of shape (N, C, S, S)."""
        pixels = unstack_channels(self.layers(stack_channels(codes, self.networks)), self.networks)
        return pixels.unflatten(1, self.image_shape)


def _hidden_layers(inputs: int, networks: int) -> list[nn.Module]:
    first, second = StackedLinear(inputs, WIDTH, networks), StackedLinear(WIDTH, WIDTH, networks)
    return [first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True)]
