"""The encoder that adds the heads of a posterior to a trunk, which maps images to features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from torch import Tensor, nn

from evae.models.networks import StackedLinear, ZeroLinear, stack_channels, unstack_channels


class HeadedEncoder(nn.Module):
    """Map images (N, C, S, S) to one unconstrained tensor for each head, by way of features (N, F).

    The tensors have the shape (N, d_z), or (N, outputs) for ``zero_heads``.

    Parameters
    ----------
    features : nn.Module
        Maps images to features.
    width : int
        F, the number of features.
    latent_dim : int
        d_z.
    heads : sequence of str
        Names of the posterior's parameters; each has its own fully connected layer.
    networks : int
        Number of stacked networks (`evae.models.networks`).
    zero_heads : mapping of str to int, optional
        Further parameters, whose layers start with weights of zero, and the number of outputs of each.
    """

    def __init__(
        self,
        features: nn.Module,
        width: int,
        latent_dim: int,
        heads: Sequence[str],
        networks: int = 1,
        zero_heads: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.networks = networks
        self.features = features
        self.heads = nn.ModuleDict({name: StackedLinear(width, latent_dim, networks) for name in heads})
        for name, outputs in zero_heads.items():
            self.heads[name] = ZeroLinear(width, outputs, networks)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the outputs of the heads by name, each of shape (N, d_z) or (N, outputs)."""
        features = self.features(stack_channels(images, self.networks))
        return {name: unstack_channels(head(features), self.networks) for name, head in self.heads.items()}
