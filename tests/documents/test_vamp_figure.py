"""The comparison of an Epanechnikov VampPrior with a kernel density estimate of another library."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from evae.models.priors import Kernels
from results.render import FOLDER
from results.vamp import RECORD, compare


def draw_kernels(number: int) -> Kernels:
    random = torch.Generator().manual_seed(number)
    centres = torch.randn(1, number, 2, generator=random, dtype=torch.float64)
    return Kernels(centres, 0.1 + torch.rand(1, number, 2, generator=random, dtype=torch.float64))


def test_the_prior_is_the_estimate_and_that_of_other_bandwidths_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    pseudo, codes = draw_kernels(20), draw_kernels(50)
    for number in range(2):
        found = compare(pseudo, codes, 0.2, number)
        assert found["largest_difference"] < 1e-12
        assert found["largest_density"] == pytest.approx(max(found["prior"]), rel=0.05)
        assert 0.01 < found["total_variation"] < 1
        step = np.diff(found["points"]).mean()
        assert sum(found["aggregated_posterior"]) * step == pytest.approx(1, abs=1e-3)
    # With the radius in place of the standard deviation, KDEpy's bandwidth would be sqrt(5) times too wide.
    monkeypatch.setattr("results.vamp.KERNEL_DEVIATION", 1.0)
    assert compare(pseudo, codes, 0.2, 0)["largest_difference"] > 0.01


def test_the_record_says_that_they_agree_to_rounding() -> None:
    record = json.loads((FOLDER / RECORD).read_text(encoding="utf-8"))
    assert [one["largest_difference"] < 1e-12 * one["largest_density"] for one in record["coordinates"]] == [True, True]
