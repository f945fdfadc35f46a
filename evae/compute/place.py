"""Rank of this process among those started by torchrun, read without importing torch."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Rank of a process: ``rank`` of ``count``, and on its machine ``local_rank`` of ``local_count``."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and messages for all."""
        return self.rank == 0


def place() -> Place:
    """Read the rank that torchrun assigned to this process; that of a single process if torchrun did not start it."""
    # A scheduler may set RANK and WORLD_SIZE even if there are no other processes.
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return Place()
    return Place(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")))
