"""A decided statement, and what decides it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Evidence:
    """Whether one statement holds, and what decides it; true if the statement holds.

    Attributes
    ----------
    statement : str
        What is asserted, in words, with the paper's label where it has one, as in ``"A1: symmetric about 0"``.
    holds : bool
    detail : str
        The formula, the value or the point that decides it, and how it was decided.
    """

    statement: str
    holds: bool
    detail: str

    def __bool__(self) -> bool:
        return self.holds


def assumptions_document(conditions: Iterable[Evidence]) -> list[dict[str, Any]]:
    """Return the conditions of an assumption or a theorem as ``--json`` writes them."""
    return [{"name": one.statement, "holds": one.holds, "reason": one.detail} for one in conditions]
