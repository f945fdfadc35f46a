"""What the paper publishes: Tables 1 and 2, the networks of Appendix B, the splits and statistics of Appendix C.

Figures are kept as printed (`Decimal`), and everything that follows from them is exact (`Fraction`, `int`): wins,
sign tests, shapes and parameter counts of the networks, the expected sharpness of white noise. Nothing here needs
more than the standard library, so that an experiment can put the paper's figure beside its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Literal, TypeVar

from theory.errors import InputError

# --- Tables 1 and 2 --------------------------------------------------------------------------------------------------


class Metric(StrEnum):
    """A column of Tables 1 and 2."""

    FID = "fid"
    SHARPNESS = "sharpness"

    @property
    def lower_is_better(self) -> bool:
        """Whether the paper counts the smaller figure as the better one."""
        return self is Metric.FID


@dataclass(frozen=True)
class Scores:
    """The two figures of one trained model; `Decimal` as printed, or `float` as measured."""

    fid: Decimal | float
    sharpness: Decimal | float

    def value(self, metric: Metric) -> Decimal | float:
        """Return the figure of this metric."""
        return self.fid if metric is Metric.FID else self.sharpness


@dataclass(frozen=True)
class Experiment:
    """A VAE and an EVAE, trained on the same data with the same dimension of the latent space.

    Attributes
    ----------
    dataset : str
        ``"mnist"``, ``"fashion-mnist"``, ``"cifar10"`` or ``"celeba"`` in the paper.
    latent_dim : int
    vae, evae : Scores
    """

    dataset: str
    latent_dim: int
    vae: Scores
    evae: Scores

    def evae_wins(self, metric: Metric) -> bool:
        """Tell whether EVAE's figure is strictly the better one."""
        evae, vae = self.evae.value(metric), self.vae.value(metric)
        return evae < vae if metric.lower_is_better else evae > vae


LATENT_DIMS = (8, 16, 32, 64)

_PRINTED_ROWS = {
    "mnist": """
        16.39 0.0217 14.20 0.0245
        12.66 0.0244 10.52 0.0314
        12.57 0.0252 8.13 0.0340
        12.53 0.0245 5.67 0.0359""",
    "fashion-mnist": """
        41.33 0.0154 34.77 0.0186
        39.01 0.0166 25.05 0.0222
        37.66 0.0166 17.98 0.0250
        39.49 0.0163 11.87 0.0276""",
    "cifar10": """
        229.2 0.0354 217.0 0.0343
        182.9 0.0349 163.9 0.0346
        147.2 0.0353 117.9 0.0358
        146.6 0.0356 79.78 0.0360""",
    "celeba": """
        189.4 0.0149 193.2 0.0145
        145.2 0.0153 139.8 0.0159
        100.8 0.0162 94.40 0.0160
        76.48 0.0165 58.84 0.0168""",
}
"""For each data set, a line for each of `LATENT_DIMS`: VAE's FID and sharpness, EVAE's FID and sharpness."""


def _printed_experiments(dataset: str) -> tuple[Experiment, ...]:
    experiments = []
    for latent_dim, line in zip(LATENT_DIMS, _PRINTED_ROWS[dataset].split("\n")[1:], strict=True):
        vae_fid, vae_sharpness, evae_fid, evae_sharpness = map(Decimal, line.split())
        vae, evae = Scores(vae_fid, vae_sharpness), Scores(evae_fid, evae_sharpness)
        experiments.append(Experiment(dataset, latent_dim, vae, evae))
    return tuple(experiments)


TABLE_1 = _printed_experiments("mnist") + _printed_experiments("fashion-mnist")
TABLE_2 = _printed_experiments("cifar10") + _printed_experiments("celeba")
TABLES: Mapping[int, tuple[Experiment, ...]] = {1: TABLE_1, 2: TABLE_2}
EXPERIMENTS = TABLE_1 + TABLE_2
DATASETS = tuple(_PRINTED_ROWS)


def published_experiment(dataset: str, latent_dim: int) -> Experiment:
    """Return the paper's experiment on ``dataset`` with a latent space of ``latent_dim`` dimensions.

    Raises
    ------
    InputError
        If the paper has no such experiment.

    Examples
    --------
    >>> published_experiment("celeba", 32).evae.fid
    Decimal('94.40')
    """
    for experiment in EXPERIMENTS:
        if (experiment.dataset, experiment.latent_dim) == (dataset, latent_dim):
            return experiment
    known = f"{', '.join(DATASETS)} with {', '.join(map(str, LATENT_DIMS))} dimensions"
    raise InputError(f"the paper has no experiment on {dataset!r} with {latent_dim} dimensions; it has {known}.")


def count_wins(metric: Metric, experiments: Iterable[Experiment] = EXPERIMENTS) -> int:
    """Return in how many of the experiments EVAE's figure is strictly the better one.

    Examples
    --------
    >>> count_wins(Metric.FID), count_wins(Metric.SHARPNESS)
    (15, 12)
    """
    return sum(experiment.evae_wins(metric) for experiment in experiments)


def misses(metric: Metric, experiments: Iterable[Experiment] = EXPERIMENTS) -> tuple[Experiment, ...]:
    """Return the experiments in which EVAE's figure is not the better one.

    Examples
    --------
    >>> [(one.dataset, one.latent_dim) for one in misses(Metric.FID)]
    [('celeba', 8)]
    """
    return tuple(experiment for experiment in experiments if not experiment.evae_wins(metric))


# --- Sign tests (Appendix C) -----------------------------------------------------------------------------------------

Probability = TypeVar("Probability", Fraction, float)


def upper_tail(successes: int, trials: int, probability: Fraction = Fraction(1, 2)) -> Fraction:
    """Return P(X >= successes) for X binomial, exactly.

    Examples
    --------
    >>> upper_tail(15, 16)
    Fraction(17, 65536)
    """
    if not 0 <= successes <= trials:
        raise InputError(f"the number of successes must lie between 0 and {trials}, got {successes}.")
    terms = (
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k) for k in range(successes, trials + 1)
    )
    return sum(terms, start=Fraction(0))


def sign_test(wins: int, trials: int, alternative: Literal["greater", "two-sided"] = "greater") -> Fraction:
    """Return the p-value of ``wins`` in ``trials`` under the hypothesis that either outcome has probability 1/2.

    Examples
    --------
    >>> sign_test(12, 16), sign_test(12, 16, "two-sided")
    (Fraction(2517, 65536), Fraction(2517, 32768))
    """
    if alternative == "greater":
        return upper_tail(wins, trials)
    return min(Fraction(1), 2 * upper_tail(max(wins, trials - wins), trials))


def bonferroni(p_values: Sequence[Fraction]) -> tuple[Fraction, ...]:
    """Return the p-values adjusted for their number by Bonferroni's inequality.

    Examples
    --------
    >>> bonferroni([Fraction(1, 100), Fraction(2, 3)])
    (Fraction(1, 50), Fraction(1, 1))
    """
    return tuple(min(Fraction(1), len(p_values) * p_value) for p_value in p_values)


def holm(p_values: Sequence[Probability]) -> tuple[Probability, ...]:
    """Return the p-values, all fractions or all floats, adjusted by Holm's step-down procedure, in the given order.

    Examples
    --------
    >>> holm([Fraction(1, 10), Fraction(1, 50)]), holm([0.5, 0.125, 1.0])
    ((Fraction(1, 10), Fraction(1, 25)), (1.0, 0.375, 1.0))
    """
    count = len(p_values)
    order = sorted(range(count), key=lambda index: p_values[index])
    scaled = [min((count - rank) * p_values[index], type(p_values[index])(1)) for rank, index in enumerate(order)]
    adjusted = dict(zip(order, accumulate(scaled, max), strict=True))
    return tuple(adjusted[index] for index in range(count))


def last_place(value: Fraction) -> Fraction | None:
    """Return one unit in the last place of a decimal other than 0, or None if ``value`` is no finite decimal.

    Examples
    --------
    >>> last_place(Fraction("0.0384"))
    Fraction(1, 10000)
    """
    twos, fives, rest = _multiplicity(value.denominator)
    if rest != 1 or value == 0:
        return None
    if value.denominator != 1:
        return Fraction(1, 10 ** max(twos, fives))
    twos, fives, _ = _multiplicity(abs(value.numerator))
    return Fraction(10 ** min(twos, fives))


def _multiplicity(number: int) -> tuple[int, int, int]:
    """Return how often 2 and 5 divide ``number``, and what is left of it."""
    counts = {2: 0, 5: 0}
    for prime in counts:
        while number and number % prime == 0:
            number //= prime
            counts[prime] += 1
    return counts[2], counts[5], number


# --- Networks (Appendix B) -------------------------------------------------------------------------------------------

Padding = Literal["same", "valid"] | int
"""SAME and VALID as in TensorFlow; a number is what is added (or cut off) on every side, as in PyTorch."""


@dataclass(frozen=True)
class FeatureMap:
    """The shape of a square image or feature map."""

    channels: int
    side: int

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.channels * self.side**2


@dataclass(frozen=True)
class Convolution:
    """A convolution with square filters; no bias where a batch normalisation follows, which would remove it."""

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
        """Return the rows that are added in all; SAME adds what makes ceil(side/stride) positions, where it must."""
        if self.padding == "same":
            positions = -(-side // self.stride)
            return max((positions - 1) * self.stride + self.kernel - side, 0)
        return 0 if self.padding == "valid" else 2 * self.padding

    def parameters(self, given: FeatureMap) -> int:
        """Return the number of weights and biases."""
        return given.channels * self.channels * self.kernel**2 + self.bias * self.channels


@dataclass(frozen=True)
class TransposedConvolution:
    """The transpose of a convolution: every entry spreads over a filter, neighbours ``stride`` apart.

    VALID keeps all that is spread; SAME keeps stride * side, the most that a SAME convolution takes back to ``side``.
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
    """The averages over a grid of side * side rectangles, whatever the side of the image."""

    side: int = 1

    def output(self, given: FeatureMap) -> FeatureMap:
        """Return the shape of the result."""
        return replace(given, side=self.side)

    def parameters(self, given: FeatureMap) -> int:  # noqa: ARG002
        """Return 0: it learns nothing."""
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
    """Return how many numbers the layers learn."""
    return sum(layer.parameters(shape) for layer, shape in zip(layers, shapes(layers, given), strict=False))


@dataclass(frozen=True)
class Network:
    """An encoder and a decoder as Appendix B lists them, without their fully connected layers.

    Attributes
    ----------
    image : FeatureMap
    encoder : tuple of Layer
        What stands before the fully connected heads.
    seed : FeatureMap
        What the decoder's fully connected layer makes of a code.
    decoder : tuple of Layer
        What follows it.
    """

    image: FeatureMap
    encoder: tuple[Layer, ...]
    seed: FeatureMap
    decoder: tuple[Layer, ...]

    @property
    def encoded(self) -> FeatureMap:
        """The shape that enters the heads."""
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

    def pooled(self) -> Network:
        """Return the network with an adaptive average pooling to 1 x 1 before the heads."""
        return replace(self, encoder=(*self.encoder, AdaptiveAveragePooling()))

    def with_padding(self, padding: Padding) -> Network:
        """Return the network with this padding in every (transposed) convolution."""
        return replace(
            self,
            encoder=tuple(_padded(layer, padding) for layer in self.encoder),
            decoder=tuple(_padded(layer, padding) for layer in self.decoder),
        )

    def with_unpadded_first_transposition(self) -> Network:
        """Return the network whose first transposed convolution is VALID."""
        return replace(self, decoder=(_padded(self.decoder[0], "valid"), *self.decoder[1:]))

    def with_first_transposed_width(self, channels: int) -> Network:
        """Return the network with this many channels after the first transposed convolution."""
        first, *others = self.decoder
        if isinstance(first, TransposedConvolution):
            first = replace(first, channels=channels)
        return replace(self, decoder=(first, *others))


def _padded(layer: Layer, padding: Padding) -> Layer:
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
"""The networks exactly as Appendices B.1 (MNIST and Fashion-MNIST), B.2 and B.3 list them, 126 channels and all."""

CLOSED_NETWORKS: Mapping[str, Network] = {
    "mnist": replace(
        PRINTED_NETWORKS["mnist"].pooled(), decoder=_transpositions(4, (128, 64, 32, 1))
    ).with_unpadded_first_transposition(),
    "cifar10": PRINTED_NETWORKS["cifar10"].with_unpadded_first_transposition(),
    "celeba": PRINTED_NETWORKS["celeba"],
}
"""The same with the corrections that the ledger records, so that the shapes close."""

# --- Data sets (Appendix C) ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Split:
    """The numbers of training and hold-out samples."""

    training: int
    hold_out: int


PRINTED_SPLITS: Mapping[str, Split] = {
    "mnist": Split(60_000, 10_000),
    "fashion-mnist": Split(60_000, 10_000),
    "cifar10": Split(50_000, 10_000),
    "celeba": Split(162_770, 19_867),
}

CELEBA_LAST_IMAGES: Mapping[str, int] = {"training": 162_770, "validation": 182_637, "test": 202_599}
"""The number of the last image of each part of CelebA, in its own list of partitions (images count from 1)."""


def celeba_parts() -> dict[str, int]:
    """Return the sizes of the parts of CelebA.

    Examples
    --------
    >>> celeba_parts()
    {'training': 162770, 'validation': 19867, 'test': 19962}
    """
    ends = pairwise([0, *CELEBA_LAST_IMAGES.values()])
    return {part: last - before for part, (before, last) in zip(CELEBA_LAST_IMAGES, ends, strict=True)}


@dataclass(frozen=True)
class ImageFiles:
    """How a data set is distributed: ``files`` files of ``length`` bytes, each a header and records of equal length."""

    files: int
    length: int
    header: int
    label: int
    channels: int
    side: int

    def images(self) -> Fraction:
        """Return how many images the files hold."""
        record = self.label + self.channels * self.side**2
        return Fraction(self.files * (self.length - self.header), record)


IMAGE_FILES: Mapping[str, tuple[ImageFiles, ImageFiles]] = {
    "mnist": (ImageFiles(1, 47_040_016, 16, 0, 1, 28), ImageFiles(1, 7_840_016, 16, 0, 1, 28)),
    "cifar10": (ImageFiles(5, 30_730_000, 0, 1, 3, 32), ImageFiles(1, 30_730_000, 0, 1, 3, 32)),
}
"""Training and test files, unpacked: MNIST's (and Fashion-MNIST's) IDX files, CIFAR-10's binary batches."""

# --- Sharpness (Appendix C) ------------------------------------------------------------------------------------------

LAPLACE_FILTER = ((0, 1, 0), (1, -4, 1), (0, 1, 0))


def noise_gain(weights: Sequence[Sequence[int]] = LAPLACE_FILTER) -> int:
    """Return the variance of a filter's activation on white noise of variance 1: the sum of its squared weights.

    Examples
    --------
    >>> noise_gain()
    20
    """
    return sum(weight**2 for row in weights for weight in row)


def white_noise_sharpness(height: int, width: int, weights: Sequence[Sequence[int]] = LAPLACE_FILTER) -> Fraction:
    """Return the expected sharpness of white noise of variance 1 on an image of ``height`` by ``width`` pixels.

    Sharpness is the variance, with divisor N, of the N activations where the filter fits into the image. Its
    expectation is the variance of one activation less that of their mean, and the mean is a weighted sum of pixels.

    Examples
    --------
    >>> float(white_noise_sharpness(32, 32))
    19.999693827160495
    """
    rows, columns = height - len(weights) + 1, width - len(weights[0]) + 1
    if rows < 1 or columns < 1:
        raise InputError(f"the filter does not fit into an image of {height} by {width} pixels.")
    total = [[0] * width for _ in range(height)]
    for i, row in enumerate(weights):
        for j, weight in enumerate(row):
            for y in range(rows):
                for x in range(columns):
                    total[y + i][x + j] += weight
    of_mean = Fraction(noise_gain(total), (rows * columns) ** 2)
    return noise_gain(weights) - of_mean
