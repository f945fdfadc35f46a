"""The figures in the README's findings are those that the code computes."""

import math
import re

import pytest

from tests.support.places import ROOT
from theory.bickel_rosenblatt.bandwidth import window_at
from theory.kernels import EPANECHNIKOV, GAUSSIAN
from theory.paper import DATASETS, EXPERIMENTS, Metric, count_wins

README = (ROOT / "README.md").read_text(encoding="utf-8")
FINDINGS = " ".join(README[README.index("## Findings") : README.index("## Quick start")].split())


def test_the_gain_of_the_kernel_is_the_ratio_of_roughnesses_at_equal_variance() -> None:
    best, gaussian = (float(kernel.roughness) * math.sqrt(kernel.variance) for kernel in (EPANECHNIKOV, GAUSSIAN))
    assert FINDINGS.count(f"{100 * (1 - best / gaussian):.1f} %") == 2


def test_the_distance_from_the_limit_is_that_of_the_simulation_shown_below() -> None:
    (score,) = re.findall(r"limit, I\(K\) ∫ f a .* -(\d+)\.\d+ │", README)
    assert f"{score} standard errors" in FINDINGS


def test_the_window_for_the_bandwidth_opens_where_it_is_said_to() -> None:
    (power,) = map(int, re.findall(r"below m = 10\^(\d+)", FINDINGS))
    for exponent, opened in ((power, False), (power + 1, True)):
        lower, upper = window_at(10**exponent)
        assert (lower < upper) is opened


def test_the_wins_are_those_of_the_printed_tables() -> None:
    wins = count_wins(Metric.FID)
    assert f"{wins} of the paper's {len(EXPERIMENTS)} FID comparisons" in FINDINGS
    assert (
        f"They share {len(DATASETS)} data sets, on which no sign test can fall below 1/{2 ** len(DATASETS)}" in FINDINGS
    )


@pytest.mark.parametrize("claim", re.findall(r"`([a-z0-9.-]+\.[a-z0-9-]+)`", FINDINGS))
def test_every_claim_that_is_named_exists(claim: str) -> None:
    from theory.ledger import claims

    assert claim in claims()
