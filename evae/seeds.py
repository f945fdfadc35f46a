"""The runs of several seeds, as they are asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from evae.configuration import Configuration
from evae.launch import place
from foundation.errors import InputError

#: All of their networks and optimizers are in memory at once.
MOST_SEEDS = 64


def configurations(config: Configuration, seeds: Sequence[int]) -> list[Configuration]:
    """Return a configuration for each seed: they differ in that, and in the name if there is one.

    Raises
    ------
    InputError
        If there is no seed, more than `MOST_SEEDS`, one twice, or one that is none.
    """
    listed = ",".join(map(str, seeds))
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(f"--seeds must name at least one, and none twice; got {listed or 'none'}.")
    if len(seeds) > MOST_SEEDS:
        raise InputError(f"--seeds trains at most {MOST_SEEDS} runs at once, got {len(seeds):,} seeds.")
    names = [None if config.name is None else f"{config.name}-seed{seed}" for seed in seeds]
    return [dataclasses.replace(config, seed=seed, name=name) for seed, name in zip(seeds, names, strict=True)]


def require_alone(runs: int) -> None:
    """Refuse to train several runs at once in processes that torchrun started, with an `InputError`."""
    count = place().count
    if runs > 1 and count > 1:
        raise InputError(
            f"torchrun started {count} processes, which share one run, and several runs at once share one process. "
            "Leave torchrun out, or train one seed."
        )
