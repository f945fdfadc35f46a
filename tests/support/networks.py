"""Networks of a few channels, for the tests that are not about the paper's networks.

They train and are saved several times as fast, and what becomes of a run does not depend on their widths.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from evae.models.networks import ARCHITECTURES, Architecture

PAPERS = ARCHITECTURES[32]

NARROW = Architecture(4, (8,) * 4, decoder_side=1, decoder_widths=(8,) * 4, first_padding=0)


def narrow_networks() -> None:
    """Let the networks of 32 x 32 images have few channels in this process, and in those that it forks."""
    ARCHITECTURES[32] = NARROW


@contextlib.contextmanager
def networks_of_the_paper() -> Iterator[None]:
    """Give the networks their widths until the end of the block, for a model that was trained with them."""
    before, ARCHITECTURES[32] = ARCHITECTURES[32], PAPERS
    try:
        yield
    finally:
        ARCHITECTURES[32] = before


@contextlib.contextmanager
def networks_narrowed() -> Iterator[None]:
    """Narrow the networks until the end of the block."""
    before = ARCHITECTURES[32]
    narrow_networks()
    try:
        yield
    finally:
        ARCHITECTURES[32] = before
