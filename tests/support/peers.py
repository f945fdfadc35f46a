"""Results of other libraries, for comparison with ours."""

from __future__ import annotations

from collections.abc import Sequence
from unittest import mock

from statsmodels.stats.multitest import multipletests


def adjusted(p_values: Sequence[float], method: str) -> list[float]:
    """Return statsmodels' adjusted p-values.

    Each of its calls starts with a full garbage collection, which takes a second after many tests; here it is disabled.
    """
    with mock.patch("gc.collect"):
        return [float(p) for p in multipletests(p_values, method=method)[1]]
