"""The warning that initial weights still decide compares the spread over seeds before training with that after it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from evae.experiments.plan import Plan
from evae.experiments.results import RunRecord
from evae.experiments.statistics.starting_point import NEGLIGIBLE, starting_points
from tests.evae.experiments.reports.test_reports import record


def records(spread_after: float, seeds: int = 200, base: float = 60.0) -> list[RunRecord]:
    """Runs whose untrained errors spread by ``base`` nats over seeds, and trained ones by ``spread_after``."""
    random = np.random.default_rng(0)
    before, after = random.normal(700, base, seeds), random.normal(0, spread_after, (seeds, 2))
    plan = Plan.of("1", datasets=("digits",), latent_dims=(2,), seeds=range(seeds), features="none")
    made = []
    for config in plan.configurations:
        # Models differ by 20 nats, which is not spread over seeds.
        own = (config.model == "evae") * 20 + after[config.seed, int(config.model == "evae")]
        made.append(record(config, 140 + own))
        made[-1].evaluation["reconstruction_error"]["untrained"] = before[config.seed]
    return made


def test_the_spreads_are_those_within_models() -> None:
    (point,) = starting_points(records(spread_after=2.0))
    # Standard errors of a standard deviation from 199 and 398 degrees of freedom: 5 % and 3.5 %; four of them.
    assert point.untrained == pytest.approx(60, rel=0.2)
    assert point.trained == pytest.approx(2, rel=0.14)
    assert (point.seeds, point.cell.dataset, point.cell.latent_dim) == (200, "digits", 2)


@pytest.mark.parametrize(("spread_after", "warned"), [(1.0, False), (60.0, True)])
def test_a_spread_that_training_has_not_reduced_is_warned_of(spread_after: float, warned: bool) -> None:
    (point,) = starting_points(records(spread_after))
    assert point.decides is warned
    assert str(point).startswith("Warning: the initial weights still decide") is warned
    assert (point.share > NEGLIGIBLE) is warned


def test_no_spread_before_training_but_some_after_is_warned_of() -> None:
    (point,) = starting_points(records(spread_after=1.0, base=0.0))
    assert point.decides


def test_one_seed_or_unknown_untrained_errors_say_nothing() -> None:
    assert list(starting_points(records(1.0, seeds=1))) == []
    unknown = [dataclasses.replace(one, evaluation={**one.evaluation}) for one in records(1.0, seeds=3)]
    for one in unknown:
        one.evaluation["reconstruction_error"] = {"one_posterior_draw": 1.0, "posterior_mean": 1.0}
    assert list(starting_points(unknown)) == []
