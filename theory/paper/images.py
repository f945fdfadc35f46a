"""The printed splits of the data sets, and the sharpness of white noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from foundation.errors import InputError


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
"""The number of the last image of each part of CelebA, from its list of partitions (images are numbered from 1)."""


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
class FileLayout:
    """The file format of a data set: ``files`` files of ``length`` bytes, each a header and records of equal length.

    Attributes
    ----------
    files : int
    length, header, label : int
        Bytes of a file, of its header, and of the label in each record.
    channels, side : int
        The shape of an image: ``channels`` planes of ``side`` by ``side`` pixels, one byte each.
    """

    files: int
    length: int
    header: int
    label: int
    channels: int
    side: int

    def images(self) -> Fraction:
        """Return the number of images in the files; it is an integer if the files are complete."""
        record = self.label + self.channels * self.side**2
        return Fraction(self.files * (self.length - self.header), record)


IMAGE_FILES: Mapping[str, tuple[FileLayout, FileLayout]] = {
    "mnist": (FileLayout(1, 47_040_016, 16, 0, 1, 28), FileLayout(1, 7_840_016, 16, 0, 1, 28)),
    "cifar10": (FileLayout(5, 30_730_000, 0, 1, 3, 32), FileLayout(1, 30_730_000, 0, 1, 3, 32)),
}
"""Training and test files, unpacked: MNIST's (and Fashion-MNIST's) IDX files, CIFAR-10's binary batches."""

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

    Sharpness is the variance, with divisor N, of the N activations at which the filter lies inside the image. Its
    expectation is the variance of one activation minus that of their mean, and the mean is a weighted sum of pixels.

    Examples
    --------
    >>> float(white_noise_sharpness(32, 32))
    19.999693827160495
    """
    rows, columns = height - len(weights) + 1, width - len(weights[0]) + 1
    if rows < 1 or columns < 1:
        raise InputError(f"the image must be at least as large as the filter, got {height} by {width} pixels.")
    # The weight of each pixel in the sum of all activations.
    total = [[0] * width for _ in range(height)]
    for i, row in enumerate(weights):
        for j, weight in enumerate(row):
            for y in range(rows):
                for x in range(columns):
                    total[y + i][x + j] += weight
    of_mean = Fraction(noise_gain(total), (rows * columns) ** 2)
    return noise_gain(weights) - of_mean
