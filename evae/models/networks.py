"""Encoders and decoders of Appendix B, with the corrections that make their shapes consistent.

The shapes printed in Appendix B are inconsistent (see ``appendix-b.*`` in the ledger of `theory`). The corrections are:

- the encoders of the 32 x 32 networks end in adaptive average pooling to 1 x 1, as the one for CIFAR-10 does;
- the first transposed convolution of their decoders has no padding: sides 1, 4, 8, 16, 32;
- "126 ConvTran" is read as 128 channels.

"SAME" padding means (kernel - 1) // 2 on every side: a stride of 2 halves an even side, and a transposed layer
doubles it (with one row and column of output padding for the odd kernel). For the 4 x 4 kernel this equals TensorFlow's
SAME; for the 5 x 5 kernel TensorFlow pads 1 before and 2 after, we pad 2 and 2: the same sides, shifted by half a
step. A convolution before a batch normalisation has no bias, which the normalisation would remove.

Several networks of equal architecture, such as those of several seeds, can be stacked in one module along the channels,
and no layer mixes them. Convolutions have a group for each network, batch normalisation is by channel anyway, and the
fully connected layers are batched products. The networks are contiguous blocks of the first dimension of each weight.
Inputs and outputs hold the rows of one network after those of another: "(N, ...)" below is (``networks`` * N, ...).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from foundation.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """The parameters in which the networks of Appendix B differ.

    Parameters
    ----------
    kernel : int
        Side of every convolutional filter.
    encoder_widths : tuple of int
        Channels after each stride-2 convolution of the encoder; the last is the number of pooled features.
    decoder_side : int
        Side of the feature map after the decoder's fully connected layer.
    decoder_widths : tuple of int
        Channels of that feature map, and after each transposed convolution except the last.
    first_padding : int
        Padding of the decoder's first transposed convolution, which has stride 1.
    """

    kernel: int
    encoder_widths: tuple[int, ...]
    decoder_side: int
    decoder_widths: tuple[int, ...]
    first_padding: int


#: By the side of the (square) image: Appendices B.1 and B.2, and B.3.
ARCHITECTURES = {
    32: Architecture(4, (32, 64, 128, 256), decoder_side=1, decoder_widths=(256, 128, 64, 32), first_padding=0),
    64: Architecture(5, (64, 128, 256, 512), decoder_side=8, decoder_widths=(512, 256, 128, 64), first_padding=2),
}


def architecture_for(image_shape: Sequence[int]) -> Architecture:
    """Return the architecture for images (channels, side, side); raises `InputError` for sides other than 32 and 64."""
    _, height, width = image_shape
    if height != width or height not in ARCHITECTURES:
        raise InputError(
            f"images must have 32x32 or 64x64 pixels, as in Appendix B, got {height}x{width}. The network mlp takes "
            "images of any size."
        )
    return ARCHITECTURES[height]


class Encoder(nn.Module):
    """Map images (N, C, S, S) in [0, 1] to one unconstrained tensor, (N, d_z) or (N, outputs), for each head.

    Parameters
    ----------
    image_shape : sequence of int
        (C, S, S), with S = 32 or 64.
    latent_dim : int
        d_z.
    heads : sequence of str
        Names of the posterior's parameters; each has its own fully connected layer.
    networks : int
        Number of stacked networks.
    zero_heads : mapping of str to int, optional
        Further parameters, whose layers start with weights of zero, and the number of outputs of each.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        heads: Sequence[str],
        networks: int = 1,
        zero_heads: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        super().__init__()
        self.networks = networks
        architecture = architecture_for(image_shape)
        kernel, padding = architecture.kernel, _same_padding(architecture.kernel)
        layers: list[nn.Module] = []
        channels, side = networks * image_shape[0], image_shape[1]
        for each in architecture.encoder_widths:
            width, side = networks * each, side // 2
            # A special case in the same interface: 4 x 4 filters on 4 x 4 maps are faster as matrix products.
            kind = _ConvolutionToFourPixels if (kernel, side) == (4, 2) else nn.Conv2d
            convolution = kind(channels, width, kernel, stride=2, padding=padding, bias=False, groups=networks)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.heads = nn.ModuleDict({name: StackedLinear(channels // networks, latent_dim, networks) for name in heads})
        for name, outputs in zero_heads.items():
            self.heads[name] = ZeroLinear(channels // networks, outputs, networks)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the outputs of the heads by name, each of shape (N, d_z) or (N, outputs)."""
        features = self.features(stack_channels(images, self.networks))
        return {name: unstack_channels(head(features), self.networks) for name, head in self.heads.items()}


class Decoder(nn.Module):
    """Map codes (N, d_z) to logits (N, C, S, S), whose sigmoid is the probability of Appendix B.

    The sigmoid is left to the caller, because the cross-entropy of logits loses no digits near 0 and 1. Parameters are
    as for `Encoder`.
    """

    def __init__(self, image_shape: Sequence[int], latent_dim: int, networks: int = 1) -> None:
        super().__init__()
        self.networks = networks
        architecture = architecture_for(image_shape)
        kernel, padding, side = architecture.kernel, _same_padding(architecture.kernel), architecture.decoder_side
        channels, *widths = architecture.decoder_widths
        layers: list[nn.Module] = [
            StackedLinear(latent_dim, channels * side * side, networks),
            nn.Unflatten(1, (networks * channels, side, side)),
        ]
        # The first transposed convolution keeps the side, or expands one pixel; the others double it.
        for index, width in enumerate(widths):
            if index > 0:
                transposed: nn.Module = _transposed_convolution(channels, width, kernel, 2, padding, networks)
            elif side == 1:
                transposed = _ConvolutionOfOnePixel(
                    networks * channels, networks * width, kernel, bias=False, groups=networks
                )
            else:
                transposed = _transposed_convolution(channels, width, kernel, 1, architecture.first_padding, networks)
            layers += [transposed, nn.BatchNorm2d(networks * width), nn.ReLU(inplace=True)]
            channels = width
        # The last has neither normalisation nor activation: its outputs are logits.
        layers.append(_transposed_convolution(channels, image_shape[0], kernel, 2, padding, networks, bias=True))
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of the pixels' probabilities, of shape (N, C, S, S)."""
        return unstack_channels(self.layers(stack_channels(codes, self.networks)), self.networks)


def stack_channels(rows: Tensor, networks: int) -> Tensor:
    """Move stacked networks from rows to channels: (networks * N, C, ...) to (N, networks * C, ...)."""
    if networks == 1:
        return rows
    return rows.unflatten(0, (networks, -1)).transpose(0, 1).flatten(1, 2)


def unstack_channels(values: Tensor, networks: int) -> Tensor:
    """Invert `stack_channels`."""
    if networks == 1:
        return values
    return values.unflatten(1, (networks, -1)).transpose(0, 1).flatten(0, 1)


class StackedLinear(nn.Linear):
    """A fully connected layer for each stacked network: (N, networks * inputs) to (N, networks * outputs)."""

    def __init__(self, inputs: int, outputs: int, networks: int) -> None:
        super().__init__(inputs, networks * outputs)
        self.networks = networks

    def forward(self, input: Tensor) -> Tensor:
        """Apply each network's layer to its columns by one batched product."""
        if self.networks == 1:
            return super().forward(input)
        rows = input.unflatten(1, (self.networks, -1)).transpose(0, 1)
        weights, biases = (each.unflatten(0, (self.networks, -1)) for each in (self.weight, self.bias))
        return torch.baddbmm(biases[:, None], rows, weights.mT).transpose(0, 1).flatten(1)


class ZeroLinear(StackedLinear):
    """A fully connected layer whose weights and outputs are zero before the first step."""

    def reset_parameters(self) -> None:
        """Set all weights to zero."""
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)


class _ConvolutionOfOnePixel(nn.ConvTranspose2d):
    """A transposed convolution of 1 x 1 maps without padding, computed as a matrix product, which is faster on a CPU.

    It reduces the time of a step of the MNIST network by 8 to 18 %. Parameters and initial values are inherited.
    """

    def forward(self, pixels: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: ARG002
        """Map pixels (N, C, 1, 1) to (N, O, k, k), in channels-last format, the fastest on a CPU."""
        channels, width, *sides = self.weight.shape
        weights = self.weight.permute(0, 2, 3, 1).reshape(self.groups, channels // self.groups, -1)
        rows = pixels.view(-1, *weights.shape[:2]).transpose(0, 1)
        product = (rows @ weights).view(self.groups, -1, *sides, width)
        return product.permute(1, 2, 3, 0, 4).flatten(3).permute(0, 3, 1, 2)


class _ConvolutionToFourPixels(nn.Conv2d):
    """A convolution of 4 x 4 maps with 4 x 4 filters, SAME padding and stride 2, without the products with padding.

    Each of the four output pixels uses 9 of the 16 values of a filter; the others multiply padding. On a CPU, four
    matrix products of these 9 take half the time of the convolution, which reduces a step of the MNIST network by 7 %.
    On other devices, and for stacked networks, the base class is used. Parameters and initial values are inherited.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, 4, 4) to (N, O, 2, 2), in channels-last format, the fastest on a CPU."""
        if input.device.type != "cpu" or self.groups > 1:
            return super().forward(input)
        # Channels last, so that each window and each filter is one row of a matrix product.
        maps, filters = (each.permute(0, 2, 3, 1) for each in (input, self.weight))
        pixels = [
            functional.linear(
                maps[:, row : row + 3, column : column + 3].flatten(1),
                filters[:, 1 - row : 4 - row, 1 - column : 4 - column].flatten(1),
            )
            for row in (0, 1)
            for column in (0, 1)
        ]
        return torch.stack(pixels, 1).unflatten(1, (2, 2)).permute(0, 3, 1, 2)


def _same_padding(kernel: int) -> int:
    return (kernel - 1) // 2


def _transposed_convolution(
    channels: int, width: int, kernel: int, stride: int, padding: int, networks: int, bias: bool = False
) -> nn.ConvTranspose2d:
    """Make a transposed convolution, which doubles the side exactly with stride 2 and SAME padding."""
    missing = kernel % 2 if stride == 2 else 0
    return nn.ConvTranspose2d(
        networks * channels,
        networks * width,
        kernel,
        stride=stride,
        padding=padding,
        output_padding=missing,
        bias=bias,
        groups=networks,
    )
