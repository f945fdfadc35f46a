"""The networks of Appendix B as printed, with shapes and parameter counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Padding = Literal["same", "valid"] | int
"""SAME and VALID as in TensorFlow; a number is the padding (or cropping) on every side, as in PyTorch."""


@dataclass(frozen=True)
class FeatureMap:
    """The shape of a square image or feature map."""

    channels: int
    side: int

    @property
    def size(self) -> int:
        """The number of entries."""
        return self.channels * self.side**2


@dataclass(frozen=True)
class Convolution:
    """A convolution with square filters, without bias by default: batch normalisation would remove it."""

    channels: int
    kernel: int
    stride: int = 1
    padding: Padding = "same"
    bias: bool = False

    def output(self, given: FeatureMap) -> FeatureMap:
        """Return the shape of the result: one entry for each position of the filter within the padded image."""
        room = given.side + self.total_padding(given.side) - self.kernel
        return FeatureMap(self.channels, room // self.stride + 1)

    def total_padding(self, side: int) -> int:
        """Return the total number of padding rows; SAME pads to ceil(side/stride) filter positions, if needed."""
        if self.padding == "same":
            positions = -(-side // self.stride)
            return max((positions - 1) * self.stride + self.kernel - side, 0)
        return 0 if self.padding == "valid" else 2 * self.padding

    def parameters(self, given: FeatureMap) -> int:
        """Return the number of weights and biases."""
        return given.channels * self.channels * self.kernel**2 + self.bias * self.channels


@dataclass(frozen=True)
class TransposedConvolution:
    """The transpose of a convolution: every entry is spread over a filter, with neighbours ``stride`` apart.

    VALID keeps the whole result; SAME keeps stride * side, the largest side that a SAME convolution maps to ``side``.
    """

    channels: int
    kernel: int
    stride: int = 1
    padding: Padding = "same"
    bias: bool = False

    def output(self, given: FeatureMap) -> FeatureMap:
        """Return the shape of the result."""
        if self.padding == "same":
            return FeatureMap(self.channels, given.side * self.stride)
        spread = (given.side - 1) * self.stride + self.kernel
        return FeatureMap(self.channels, spread - (0 if self.padding == "valid" else 2 * self.padding))

    def parameters(self, given: FeatureMap) -> int:
        """Return the number of weights and biases."""
        return given.channels * self.channels * self.kernel**2 + self.bias * self.channels


@dataclass(frozen=True)
class BatchNormalisation:
    """A scale and a shift for every channel."""

    def output(self, given: FeatureMap) -> FeatureMap:
        """Return the shape of the result."""
        return given

    def parameters(self, given: FeatureMap) -> int:
        """Return the number of scales and shifts."""
        return 2 * given.channels


@dataclass(frozen=True)
class AdaptiveAveragePooling:
    """Averages over a grid of side * side rectangles, for an image of any size."""

    side: int = 1

    def output(self, given: FeatureMap) -> FeatureMap:
        """Return the shape of the result."""
        return replace(given, side=self.side)

    def parameters(self, given: FeatureMap) -> int:  # noqa: ARG002
        """Return 0: the layer has no parameters."""
        return 0


@dataclass(frozen=True)
class FullyConnected:
    """A linear map with bias from all entries of a feature map to all entries of another."""

    result: FeatureMap

    def output(self, given: FeatureMap) -> FeatureMap:  # noqa: ARG002
        """Return the shape of the result."""
        return self.result

    def parameters(self, given: FeatureMap) -> int:
        """Return the number of weights and biases."""
        return (given.size + 1) * self.result.size


Layer = Convolution | TransposedConvolution | BatchNormalisation | AdaptiveAveragePooling | FullyConnected


def shapes(layers: Sequence[Layer], given: FeatureMap) -> tuple[FeatureMap, ...]:
    """Return the shapes from ``given`` through every layer to the result.

    Examples
    --------
    >>> [shape.side for shape in shapes([Convolution(32, 4, 2), Convolution(64, 4, 2)], FeatureMap(1, 32))]
    [32, 16, 8]
    """
    passed = [given]
    for layer in layers:
        passed.append(layer.output(passed[-1]))
    return tuple(passed)


def parameter_count(layers: Sequence[Layer], given: FeatureMap) -> int:
    """Return the number of parameters of the layers."""
    return sum(layer.parameters(shape) for layer, shape in zip(layers, shapes(layers, given), strict=False))


@dataclass(frozen=True)
class Network:
    """An encoder and a decoder as Appendix B lists them, without their fully connected layers.

    Attributes
    ----------
    image : FeatureMap
    encoder : tuple of Layer
        The layers before the fully connected heads.
    seed : FeatureMap
        The output shape of the fully connected layer of the decoder.
    decoder : tuple of Layer
        The layers after it.
    """

    image: FeatureMap
    encoder: tuple[Layer, ...]
    seed: FeatureMap
    decoder: tuple[Layer, ...]

    @property
    def encoded(self) -> FeatureMap:
        """The input shape of the heads."""
        return shapes(self.encoder, self.image)[-1]

    @property
    def decoded(self) -> FeatureMap:
        """The shape of a decoded image."""
        return shapes(self.decoder, self.seed)[-1]

    def head_parameters(self, latent_dim: int) -> int:
        """Return the number of parameters of one fully connected head of the encoder."""
        return FullyConnected(FeatureMap(latent_dim, 1)).parameters(self.encoded)

    def parameters(self, latent_dim: int, heads: int) -> int:
        """Return the number of parameters of the encoder with its heads and of the decoder."""
        decoder = (FullyConnected(self.seed), *self.decoder)
        return (
            parameter_count(self.encoder, self.image)
            + heads * self.head_parameters(latent_dim)
            + parameter_count(decoder, FeatureMap(latent_dim, 1))
        )

    def with_pooling(self) -> Network:
        """Return the network with an adaptive average pooling to 1 x 1 before the heads."""
        return replace(self, encoder=(*self.encoder, AdaptiveAveragePooling()))

    def with_padding(self, padding: Padding) -> Network:
        """Return the network with the given padding in every (transposed) convolution."""
        return replace(
            self,
            encoder=tuple(_set_padding(layer, padding) for layer in self.encoder),
            decoder=tuple(_set_padding(layer, padding) for layer in self.decoder),
        )

    def with_unpadded_first_transposition(self) -> Network:
        """Return the network with a VALID first transposed convolution."""
        return replace(self, decoder=(_set_padding(self.decoder[0], "valid"), *self.decoder[1:]))

    def with_first_transposed_width(self, channels: int) -> Network:
        """Return the network with ``channels`` channels after the first transposed convolution."""
        first, *others = self.decoder
        if isinstance(first, TransposedConvolution):
            first = replace(first, channels=channels)
        return replace(self, decoder=(first, *others))


def _set_padding(layer: Layer, padding: Padding) -> Layer:
    if isinstance(layer, Convolution | TransposedConvolution):
        return replace(layer, padding=padding)
    return layer


def _convolutions(kernel: int, widths: Sequence[int]) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for width in widths:
        layers += [Convolution(width, kernel, stride=2), BatchNormalisation()]
    return tuple(layers)


def _transpositions(kernel: int, widths: Sequence[int]) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for index, width in enumerate(widths[:-1]):
        layers += [TransposedConvolution(width, kernel, stride=2 if index else 1), BatchNormalisation()]
    return (*layers, TransposedConvolution(widths[-1], kernel, stride=2, bias=True))


PRINTED_NETWORKS: Mapping[str, Network] = {
    "mnist": Network(
        FeatureMap(1, 32),
        _convolutions(4, (32, 64, 128, 256)),
        FeatureMap(256, 1),
        _transpositions(4, (126, 64, 32, 1)),
    ),
    "cifar10": Network(
        FeatureMap(3, 32),
        (*_convolutions(4, (32, 64, 128, 256)), AdaptiveAveragePooling()),
        FeatureMap(256, 1),
        _transpositions(4, (128, 64, 32, 3)),
    ),
    "celeba": Network(
        FeatureMap(3, 64),
        (*_convolutions(5, (64, 128, 256, 512)), AdaptiveAveragePooling()),
        FeatureMap(512, 8),
        _transpositions(5, (256, 128, 64, 3)),
    ),
}
"""The networks exactly as in Appendices B.1 (MNIST and Fashion-MNIST), B.2 and B.3, including the misprint of 126."""

CLOSED_NETWORKS: Mapping[str, Network] = {
    "mnist": replace(
        PRINTED_NETWORKS["mnist"].with_pooling(), decoder=_transpositions(4, (128, 64, 32, 1))
    ).with_unpadded_first_transposition(),
    "cifar10": PRINTED_NETWORKS["cifar10"].with_unpadded_first_transposition(),
    "celeba": PRINTED_NETWORKS["celeba"],
}
"""The same networks with the corrections recorded in the ledger, which make the shapes consistent."""
