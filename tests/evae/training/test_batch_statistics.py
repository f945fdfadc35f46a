"""Running averages of batch normalisation need steps; where there are few, training says so."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch

from evae import train
from evae.configuration.configuration import Configuration
from evae.exceptions import BatchStatisticsWarning
from evae.models.initial_weights import initial_model
from evae.training.batch_statistics import NEGLIGIBLE, warn_of_few_steps
from tests.evae.conftest import invoke, small


def kept_after(steps: int) -> float:
    """Measure the share of its initial value 1 that a running variance keeps when every batch has variance 0."""
    layer = torch.nn.BatchNorm2d(1)
    for _ in range(steps):
        layer(torch.zeros(4, 1, 2, 2))
    assert layer.running_var is not None
    return float(layer.running_var)


@pytest.mark.parametrize("steps", [1, 10, 43, 44, 45, 600])
def test_the_warning_comes_exactly_where_initial_values_still_count(steps: int) -> None:
    model = initial_model(Configuration(latent_dim=2), (1, 32, 32))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BatchStatisticsWarning)
        warn_of_few_steps(model, steps)
    assert bool(caught) == (kept_after(steps) > NEGLIGIBLE)
    if steps == 10:
        assert f"{kept_after(10):.0%} of their initial values" in str(caught[0].message)
        assert "at least 44 steps" in str(caught[0].message)


def test_training_warns_before_it_takes_the_steps(tmp_path: Path) -> None:
    with pytest.warns(BatchStatisticsWarning, match="training has 3 steps"):
        train(small(tmp_path, limit_train=130, batch_size=50))


def test_the_command_line_prints_one_sentence(tmp_path: Path) -> None:
    arguments = ["--epochs", "1", "--limit-train", "60", "--latent-dim", "2", "--device", "cpu"]
    shown = invoke("train", *arguments, "--limit-holdout", "20", "--runs-dir", tmp_path)
    assert shown.exit_code == 0
    (sentence,) = [line for line in shown.stderr.splitlines() if line.startswith("Warning")]
    assert sentence.startswith("Warning: training has 1 step, after which the running averages of batch normalisation")
