"""Independent random streams, each a function of the run's seed, the purpose and the epoch.

No stream depends on the use of another, so that the order of the images in epoch 7 does not depend on whether epochs 1
to 6 ran in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor


class Stream(IntEnum):
    """Purposes of random numbers."""

    WEIGHTS = 0
    ORDER = 1
    NOISE = 2
    HOLDOUT = 3
    CLASSIFIER = 4
    AGGREGATE = 5
    SAMPLES = 6
    TRAINING_SAMPLE = 7
    LIKELIHOOD = 8
    BINARISATION = 9
    EPOCH_BINARISATION = 10
    ANNEALING = 11
    SIMULATION = 12
    PSEUDO_INPUTS = 13
    SECOND_STAGE = 14
    LAYERS = 20


def stream_seed(seed: int, stream: Stream, epoch: int = 0, batch: int = 0) -> int:
    """Return a 64-bit seed for the stream; a nonzero ``batch`` gives another stream within an epoch."""
    return _seed_of(seed, (int(stream), epoch) if batch == 0 else (int(stream), epoch, batch))


def weights_seed(seed: int, part: str) -> int:
    """Return a 64-bit seed for the initial weights of the named part of a model."""
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
    """A generator for some rows of a batch, which receive the same values as in a draw for all ``images``.

    Thus the noise of an image does not depend on the number of processes that share the batch.
    """

    generator: torch.Generator
    images: int
    rows: slice


@dataclass(frozen=True)
class StackedGenerators:
    """The generators of stacked networks: each draws for an equal share of the rows, as for its network alone."""

    generators: tuple[torch.Generator, ...]


#: Sources of noise; None is torch's global generator.
NoiseSource = torch.Generator | RowsOf | StackedGenerators | None


def repeat_source(source: NoiseSource, samples: int) -> NoiseSource:
    """Return the source of a batch in which each image has ``samples`` consecutive rows instead of one."""
    if isinstance(source, RowsOf):
        rows = slice(source.rows.start * samples, source.rows.stop * samples)
        return RowsOf(source.generator, source.images * samples, rows)
    return source


def draw(law: Callable[..., Tensor], like: Tensor, source: NoiseSource) -> Tensor:
    """Draw a tensor with the shape, type and device of ``like`` from a law such as `torch.randn`."""
    if isinstance(source, RowsOf):
        shape = (source.images, *like.shape[1:])
        return law(shape, generator=source.generator, dtype=like.dtype, device=like.device)[source.rows]
    if isinstance(source, StackedGenerators):
        shares = like.chunk(len(source.generators))
        return torch.cat([draw(law, share, one) for share, one in zip(shares, source.generators, strict=True)])
    return law(like.shape, generator=source, dtype=like.dtype, device=like.device)
