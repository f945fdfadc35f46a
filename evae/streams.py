"""Independent streams of random numbers, each a function of the run's seed, of what it is for, and of the epoch.

No stream depends on how much of another was used, so that the order of the images in epoch 7 is what it is whether
epochs 1 to 6 ran in this process or not.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Stream(IntEnum):
    """What random numbers are for."""

    WEIGHTS = 0
    ORDER = 1
    NOISE = 2
    HOLDOUT = 3
    CLASSIFIER = 4
    AGGREGATE = 5
    SAMPLES = 6


def stream_seed(seed: int, stream: Stream, epoch: int = 0, batch: int = 0) -> int:
    """Return a 64-bit seed for the stream; ``batch`` is not 0 where an epoch goes on with another stream."""
    key = (int(stream), epoch) if batch == 0 else (int(stream), epoch, batch)
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=key)
    return int(sequence.generate_state(1, np.uint64)[0])


def generator(
    seed: int, stream: Stream, epoch: int = 0, device: torch.device | str = "cpu", batch: int = 0
) -> torch.Generator:
    """Return a generator at the beginning of the stream."""
    return torch.Generator(device).manual_seed(stream_seed(seed, stream, epoch, batch))
