"""Independent streams of random numbers, each a function of the run's seed, of what it is for, and of the epoch.

No stream depends on how much of another was used, so that the order of the images in epoch 7 is what it is whether
epochs 1 to 6 ran in this process or not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Stream(IntEnum):
    """What random numbers are for."""

    WEIGHTS = 0
    ORDER = 1
    NOISE = 2
    HOLDOUT = 3
    CLASSIFIER = 4
    AGGREGATE = 5
    SAMPLES = 6
    TRAINING_SAMPLE = 7


def stream_seed(seed: int, stream: Stream, epoch: int = 0, batch: int = 0) -> int:
    """Return a 64-bit seed for the stream; ``batch`` is not 0 where an epoch goes on with another stream."""
    return _seed_of(seed, (int(stream), epoch) if batch == 0 else (int(stream), epoch, batch))


def weights_seed(seed: int, part: str) -> int:
    """Return a 64-bit seed for the initial weights of the part of a model that has this name."""
    return _seed_of(seed, (int(Stream.WEIGHTS), *part.encode()))


def _seed_of(seed: int, key: tuple[int, ...]) -> int:
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=key)
    return int(sequence.generate_state(1, np.uint64)[0])


def generator(
    seed: int, stream: Stream, epoch: int = 0, device: torch.device | str = "cpu", batch: int = 0
) -> torch.Generator:
    """Return a generator at the beginning of the stream."""
    return torch.Generator(device).manual_seed(stream_seed(seed, stream, epoch, batch))


@dataclass(frozen=True)
class RowsOf:
    """A generator for some rows of a batch: they get what they would get in a draw for all ``images`` of it.

    So the noise of an image does not depend on how many processes share the batch.
    """

    generator: torch.Generator
    images: int
    rows: slice


@dataclass(frozen=True)
class StackedGenerators:
    """The generators of several networks: each gives an equal share of the rows what it would give them alone."""

    generators: tuple[torch.Generator, ...]


#: Where noise comes from; None is torch's global generator.
NoiseSource = torch.Generator | RowsOf | StackedGenerators | None


def draw(law: Callable[..., Tensor], like: Tensor, source: NoiseSource) -> Tensor:
    """Draw what has the shape of ``like`` from a law that takes a shape, such as `torch.randn`."""
    if isinstance(source, RowsOf):
        shape = (source.images, *like.shape[1:])
        return law(shape, generator=source.generator, dtype=like.dtype, device=like.device)[source.rows]
    if isinstance(source, StackedGenerators):
        shares = like.chunk(len(source.generators))
        return torch.cat([draw(law, share, one) for share, one in zip(shares, source.generators, strict=True)])
    return law(like.shape, generator=source, dtype=like.dtype, device=like.device)
