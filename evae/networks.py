"""Encoders and decoders of Appendix B, with the few corrections without which its shapes do not close.

Appendix B as printed does not close (see ``appendix-b.*`` in the ledger of `theory`). Read here:

- the encoders of the 32 x 32 networks end in an adaptive average pooling to 1 x 1, as the one for CIFAR-10 does;
- the first transposed convolution of their decoders has no padding: sides 1, 4, 8, 16, 32;
- "126 ConvTran" is 128 channels.

"SAME" padding means (kernel - 1) // 2 on every side: a stride of 2 halves an even side, and a transposed layer
doubles it (with one row and column of output padding for the odd kernel). For the 4 x 4 kernel that is TensorFlow's
SAME; for the 5 x 5 kernel TensorFlow pads 1 before and 2 behind where we pad 2 and 2: the same sides, shifted by
half a step. A convolution before a batch normalisation has no bias, which the normalisation would remove.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from theory.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """What distinguishes the networks of Appendix B.

    Parameters
    ----------
    kernel : int
        Side of every convolutional filter.
    encoder_widths : tuple of int
        Channels after each stride-2 convolution of the encoder; the last is the number of pooled features.
    decoder_side : int
        Side of the feature map that the decoder's fully connected layer makes.
    decoder_widths : tuple of int
        Channels of that feature map and after each transposed convolution but the last.
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
    """Return the architecture for images of shape (channels, side, side); an `InputError` where Appendix B has none."""
    _, height, width = image_shape
    if height != width or height not in ARCHITECTURES:
        raise InputError(f"Appendix B has networks for images of 32x32 and 64x64 pixels, got {height}x{width}.")
    return ARCHITECTURES[height]


class Encoder(nn.Module):
    """Images of shape (N, C, S, S) with values in [0, 1] to one tensor of shape (N, d_z) for every head, unconstrained.

    Parameters
    ----------
    image_shape : sequence of int
        (C, S, S), with S = 32 or 64.
    latent_dim : int
        d_z.
    heads : sequence of str
        Names of the posterior's parameters; each has a fully connected layer of its own.
    """

    def __init__(self, image_shape: Sequence[int], latent_dim: int, heads: Sequence[str]) -> None:
        super().__init__()
        architecture = architecture_for(image_shape)
        kernel, padding = architecture.kernel, _same_padding(architecture.kernel)
        layers: list[nn.Module] = []
        channels = image_shape[0]
        for width in architecture.encoder_widths:
            convolution = nn.Conv2d(channels, width, kernel, stride=2, padding=padding, bias=False)
            layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.heads = nn.ModuleDict({name: nn.Linear(channels, latent_dim) for name in heads})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return the outputs of the heads by name, each of shape (N, d_z)."""
        features = self.features(images)
        return {name: head(features) for name, head in self.heads.items()}


class Decoder(nn.Module):
    """Codes of shape (N, d_z) to logits of shape (N, C, S, S), whose sigmoid is the probability of Appendix B.

    The sigmoid is left to the caller: the cross-entropy of logits does not lose digits near 0 and 1.
    """

    def __init__(self, image_shape: Sequence[int], latent_dim: int) -> None:
        super().__init__()
        architecture = architecture_for(image_shape)
        kernel, padding, side = architecture.kernel, _same_padding(architecture.kernel), architecture.decoder_side
        channels, *widths = architecture.decoder_widths
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, channels * side * side),
            nn.Unflatten(1, (channels, side, side)),
        ]
        for index, width in enumerate(widths):
            if index > 0:
                transposed: nn.Module = _doubling(channels, width, kernel, 2, padding)
            elif side == 1:
                transposed = _ConvolutionOfOnePixel(channels, width, kernel, bias=False)
            else:
                transposed = _doubling(channels, width, kernel, 1, architecture.first_padding)
            layers += [transposed, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            channels = width
        layers.append(_doubling(channels, image_shape[0], kernel, 2, padding, bias=True))
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Tensor) -> Tensor:
        """Return the logits of the pixels' probabilities, of shape (N, C, S, S)."""
        logits: Tensor = self.layers(codes)
        return logits


class _ConvolutionOfOnePixel(nn.ConvTranspose2d):
    """A transposed convolution of maps of 1 x 1, without padding: a matrix product, which a CPU does in less time.

    With it a step of the MNIST network takes 8 to 18 % less. Parameters and their initial values are the base class's.
    """

    def forward(self, pixels: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: ARG002
        """Return maps (N, O, k, k) of pixels (N, C, 1, 1), in the memory format that the CPU is fastest with."""
        channels, width, *sides = self.weight.shape
        product = pixels.flatten(1) @ self.weight.permute(0, 2, 3, 1).reshape(channels, -1)
        return product.view(-1, *sides, width).permute(0, 3, 1, 2)


def _same_padding(kernel: int) -> int:
    return (kernel - 1) // 2


def _doubling(
    channels: int, width: int, kernel: int, stride: int, padding: int, bias: bool = False
) -> nn.ConvTranspose2d:
    """Make a transposed convolution; with stride 2 and SAME padding it doubles the side exactly."""
    missing = kernel % 2 if stride == 2 else 0
    return nn.ConvTranspose2d(
        channels, width, kernel, stride=stride, padding=padding, output_padding=missing, bias=bias
    )
