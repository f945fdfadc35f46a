"""How many examples and parameters a test is tried with: all of them in `make test-all`, a part in `make test`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings

#: Of all examples.
PART = 0.4

ALL = 100
"""The examples of a property that asks for no number, as in Hypothesis itself."""


def draw_part(part: float) -> None:
    """Draw this part of all examples, from here on."""
    # The same examples in every run, so that a failure can be repeated. No deadline: a busy machine is not a defect.
    settings.register_profile("house", max_examples=math.ceil(part * ALL), derandomize=True, deadline=None)
    settings.load_profile("house")


def examples(number: int) -> int:
    """Return how many of ``number`` examples are drawn."""
    return math.ceil(number * settings().max_examples / ALL)


def each_slow(cases: Iterable[Any]) -> list[Any]:
    """Return parameters that only `make test-all` tries; a tuple has one for each argument."""
    return [pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow) for case in cases]


def first(number: int, cases: Iterable[Any]) -> list[Any]:
    """Return parameters of which only `make test-all` tries those after the first ``number``."""
    listed = list(cases)
    return [*listed[:number], *each_slow(listed[number:])]


def each_value(cases: Iterable[dict[str, Any]]) -> list[Any]:
    """Return parameters of which `make test` tries those that are the first with some value of an option."""
    seen: set[tuple[str, Any]] = set()
    found: list[Any] = []
    for case in cases:
        new = set(case.items()) - seen
        found += [case] if new else each_slow([case])
        seen |= new
    return found
