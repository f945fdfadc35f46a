"""The power of the test: against repeated tests, in closed form at the level itself, and the m at which it suffices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from foundation.errors import InputError
from simulations import bickel_rosenblatt_test, estimate_power
from simulations.goodness_of_fit.power import WANTED, PowerAt, _interpolate, _search
from simulations.sampling.streams import draw
from theory.densities.families import LAPLACE

STANDARD_ERRORS = 4


def test_the_power_is_the_share_of_samples_that_the_test_rejects(tmp_path: Path) -> None:
    options: dict[str, Any] = {"bandwidth": "adaptive", "null": "smoothed", "estimate": True}
    found = estimate_power(60, "laplace", **options).here
    samples = [3 + 2 * draw(LAPLACE, 9, replicate, 60) for replicate in range(300)]
    rejected = [bickel_rosenblatt_test(one, replicates=999, cache=tmp_path, **options).rejected for one in samples]
    share = float(np.mean(rejected))
    error = np.sqrt(found.standard_error**2 + share * (1 - share) / 300)
    assert abs(found.share - share) <= STANDARD_ERRORS * error


def test_against_the_hypothesis_itself_the_power_is_the_level(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulations.goodness_of_fit.power.MOST_OBSERVATIONS", 200)
    found = estimate_power(100, "normal", alpha=0.1)
    assert abs(found.here.share - 0.1) <= STANDARD_ERRORS * found.here.standard_error * 2**0.5
    assert (found.needed, found.needed_range) == (None, None)
    assert "does not reach 80%" in found.in_words()


@pytest.mark.parametrize("start", [4, 300, 20_000])
def test_the_search_finds_where_the_power_crosses_what_is_wanted(start: int) -> None:
    """With the power of a one-sided test of a mean, Phi(sqrt(m) / 10 - 1.645): 80 % at m = 618."""
    from scipy.special import ndtr

    def at(m: int) -> PowerAt:
        share = float(ndtr(np.sqrt(m) / 10 - 1.6449))
        return PowerAt(m, share, float(np.sqrt(max(share * (1 - share), 1e-3) / 1000)))

    tried = {start: at(start)}
    needed, low, high = _search(tried, at, start)
    assert needed is not None
    assert low <= needed <= high
    assert needed == pytest.approx(618, rel=0.02)
    assert at(needed).share == pytest.approx(WANTED, abs=0.01)


def test_a_power_that_is_reached_by_any_sample_needs_the_fewest() -> None:
    assert _search({64: PowerAt(64, 1.0, 1e-3)}, lambda m: PowerAt(m, 1.0, 1e-3), 64) == (2, 2, 2)


def test_a_power_that_falls_with_more_observations_is_said() -> None:
    with pytest.raises(InputError, match="does not grow"):
        _interpolate([PowerAt(10, 0.85, 0.01), PowerAt(20, 0.75, 0.01)])


def test_an_alternative_that_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="not a density"):
        estimate_power(20, "nonsense")
