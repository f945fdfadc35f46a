"""What torchrun tells a process about its place among those that it started; read without importing torch."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Which process this is: ``rank`` of ``count``, and on its own machine ``local_rank`` of ``local_count``."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all of them."""
        return self.rank == 0


def place() -> Place:
    """Return the place that torchrun gave this process; that of a process alone where torchrun did not start it."""
    # A scheduler may leave RANK and WORLD_SIZE in an environment in which no other process waits.
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Place()
    return Place(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")))
