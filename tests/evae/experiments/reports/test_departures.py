"""A table says every setting in which its runs are not the paper's."""

from __future__ import annotations

from typing import Any

import pytest

from evae.configuration.configuration import Configuration
from evae.experiments.comparability import model_settings, settings
from evae.experiments.reports.departures import PHRASES, departures
from evae.experiments.results import Results
from tests.evae.experiments.reports.test_reports import record
from tests.evae.experiments.test_known import DECIDING

#: A value of each setting that `DECIDING` does not change, with the settings that it needs.
DEPENDENT: dict[str, dict[str, Any]] = {
    "weight_decay": {"weight_decay": 0.25, "optimizer": "sgd"},
    "pixel_scale": {"pixel_scale": 0.25, "pixels": "gaussian"},
    "image_size": {"image_size": 28, "network": "mlp"},
}


def test_every_setting_that_decides_the_figures_has_a_phrase() -> None:
    config = Configuration()
    # What was left out of a data set is said by the note on the data, and repeatable arithmetic is no departure.
    assert set(settings(config)) - set(model_settings(config)) - {"skip_undecodable", "deterministic"} == set(PHRASES)


@pytest.mark.parametrize("name", PHRASES)
def test_a_setting_that_is_not_the_papers_is_said_with_its_value(name: str) -> None:
    options = DEPENDENT.get(name) or DECIDING[name][0]
    said = departures(Results("1", "classifier", (record(Configuration(name="run", **options), 100.0),)))[0]
    value = f"{options[name]:g}" if isinstance(options[name], float) else f"{options[name]}"
    assert said.startswith("Not the paper's settings: ")
    assert any(PHRASES[name].partition("{")[0] + value in part for part in (said, said.replace(",", "")))
