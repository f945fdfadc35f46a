"""What the tests of the commands share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.ledger import deciding_here
from tests.support.networks import networks_narrowed


@pytest.fixture(autouse=True, scope="module")
def narrow() -> Iterator[None]:
    """Networks have few channels; the tests of `evae.models` are about the paper's."""
    with networks_narrowed():
        yield


@pytest.fixture(scope="module")
def decided_here() -> Iterator[None]:
    """Claims are decided and kernels assessed in this process."""
    with deciding_here():
        yield
