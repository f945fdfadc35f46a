"""EfficientNet-Lite0 up to its pooled features, for inference only: batch normalisation is folded into convolutions.

The architecture is that of EfficientNet-B0 (Tan and Le, 2019), as its authors adapted it to small devices in 2020
(tensorflow/tpu, models/official/efficientnet/lite): no squeeze and excitation, ReLU6, stem and head of fixed width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

State = Mapping[str, Tensor]

#: Number of features of an image: the channels of the last convolution.
WIDTH = 1280

#: Constant that the batch normalisations add to the variance.
EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """Consecutive blocks, of which only the first has the stride; the others preserve the shape of the maps."""

    blocks: int
    stride: int
    expands: bool


#: The stages in order; kernels and widths follow from the shapes of the weights.
STAGES = (
    Stage(1, 1, False),
    Stage(2, 2, True),
    Stage(2, 2, True),
    Stage(3, 2, True),
    Stage(3, 1, True),
    Stage(4, 2, True),
    Stage(1, 1, True),
)


class Convolution(nn.Module):
    """A convolution with bias, into which a batch normalisation is folded, followed by ReLU6 unless ``linear``.

    Parameters
    ----------
    weight : Tensor
        Shape (D, C, K, K); of a depthwise convolution (D, 1, K, K).
    bias : Tensor
        Shape (D,).
    stride : int
    linear : bool
    """

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, linear: bool) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.stride, self.linear = stride, linear

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, D, ⌈S / stride⌉, ⌈S / stride⌉), padded like TensorFlow's SAME."""
        weight: Tensor = self.get_buffer("weight")
        side, kernel = maps.shape[-1], weight.shape[-1]
        outputs = -(-side // self.stride)
        padding = max((outputs - 1) * self.stride + kernel - side, 0)
        if padding % 2:
            # The extra row and column go below and to the right, which conv2d's padding argument cannot express.
            maps = functional.pad(maps, (0, 1, 0, 1))
        groups = maps.shape[1] // weight.shape[1]
        found = functional.conv2d(maps, weight, self.get_buffer("bias"), self.stride, padding // 2, 1, groups)
        return found if self.linear else functional.relu6(found, inplace=True)


class Block(nn.Module):
    """An inverted bottleneck: an optional expansion, a depthwise convolution and a linear projection.

    Parameters
    ----------
    convolutions : list of Convolution
    residual : bool
        Whether the input is added to the output.
    """

    def __init__(self, convolutions: list[Convolution], residual: bool) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(*convolutions)
        self.residual = residual

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, S, S) to (N, D, T, T)."""
        found: Tensor = self.convolutions(maps)
        return found.add_(maps) if self.residual else found


class EfficientNetLite0(nn.Module):
    """The network with weights from a state dict, named as in the package efficientnet-lite-pytorch.

    The weights are in double precision, in which the batch normalisations are folded.
    """

    def __init__(self, state: State) -> None:
        super().__init__()
        layers: list[nn.Module] = [_fold_batch_norm(state, "_conv_stem", "_bn0", stride=2)]
        for stage in STAGES:
            # The blocks are numbered through all stages; the stem comes first in the list and has no number.
            for number in range(stage.blocks):
                name = f"_blocks.{len(layers) - 1}."
                widening = [_fold_batch_norm(state, f"{name}_expand_conv", f"{name}_bn0")] if stage.expands else []
                filtering = _fold_batch_norm(
                    state, f"{name}_depthwise_conv", f"{name}_bn1", stride=1 if number else stage.stride
                )
                narrowing = _fold_batch_norm(state, f"{name}_project_conv", f"{name}_bn2", linear=True)
                layers.append(Block([*widening, filtering, narrowing], residual=number > 0))
        self.layers = nn.Sequential(*layers, _fold_batch_norm(state, "_conv_head", "_bn1"))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, 3, S, S) in [-127/128, 1] to features (N, 1280), the spatial means of the last maps."""
        maps: Tensor = self.layers(images)
        return maps.mean((2, 3))


def _fold_batch_norm(
    state: State, convolution: str, normalisation: str, *, stride: int = 1, linear: bool = False
) -> Convolution:
    """Return a convolution equivalent to the named one followed by its batch normalisation in evaluation mode."""
    scale, shift, mean, variance = (
        state[f"{normalisation}.{name}"].double() for name in ("weight", "bias", "running_mean", "running_var")
    )
    # Normalisation is affine in evaluation mode: its factor goes into the weight, the remainder into the bias.
    factor = scale / (variance + EPSILON).sqrt()
    weight = state[f"{convolution}.weight"].double() * factor[:, None, None, None]
    return Convolution(weight, shift - mean * factor, stride, linear)
