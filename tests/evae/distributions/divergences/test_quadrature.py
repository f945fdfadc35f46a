"""`graded_rule` integrates a polynomial times a logarithm, wherever the logarithm is singular before the interval."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch

from evae.distributions.divergences.quadrature import graded_rule

RATIOS = [0.0, 1e-30, 1e-16, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0, 3.0, 100.0, 1e6]


def exact(power: int, ratio: float) -> float:
    """Integral of y^power log(y + ratio) over [0, 1], by parts; its terms cancel, hence the digits."""
    with mpmath.workdps(80):
        g, k = mpmath.mpf(ratio), power + 1
        if g == 0:
            return float(-mpmath.mpf(1) / k**2)
        remainder = sum((-g) ** (k - 1 - j) / (j + 1) for j in range(k)) + (-g) ** k * mpmath.log(1 + 1 / g)
        return float((mpmath.log(1 + g) - remainder) / k)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 2e-15), (torch.float32, 1e-6)])
@pytest.mark.parametrize("power", range(4))
@pytest.mark.parametrize("ratio", RATIOS)
def test_it_integrates_powers_times_the_logarithm(
    ratio: float, power: int, dtype: torch.dtype, tolerance: float
) -> None:
    distance = torch.tensor(ratio, dtype=dtype)
    nodes, weights = graded_rule(distance)
    found = float((weights * nodes**power * (nodes + distance).log()).sum())
    assert found == pytest.approx(exact(power, ratio), abs=tolerance * (1 + math.log1p(ratio)))


def test_nodes_increase_within_the_interval_and_weights_are_positive_with_sum_one() -> None:
    ratio = torch.tensor([[*RATIOS, math.inf]], dtype=torch.float64, requires_grad=True)
    nodes, weights = graded_rule(ratio)
    assert nodes.shape == weights.shape == (32, *ratio.shape)
    assert not nodes.requires_grad
    assert bool((nodes.diff(dim=0) > 0).all())
    assert bool(((nodes > 0) & (nodes < 1)).all())
    assert bool((weights > 0).all())
    torch.testing.assert_close(weights.sum(0), torch.ones_like(ratio), rtol=1e-14, atol=0)
    torch.testing.assert_close((weights * nodes**3).sum(0), torch.full_like(ratio, 1 / 4), rtol=3e-14, atol=0)


@pytest.mark.parametrize("ratio", [0.0, 1e-10, 1e-3, 1.0])
def test_smooth_factors_do_not_lower_the_accuracy(ratio: float) -> None:
    """log(3/2 - y), as on the edges of a law whose kernel is as wide as its uniform part: singular behind the end."""
    nodes, weights = graded_rule(torch.tensor(ratio, dtype=torch.float64))
    found = float((weights * nodes**3 * (1.5 - nodes).log()).sum())
    assert found == pytest.approx(float(mpmath.quad(lambda y: y**3 * mpmath.log(1.5 - y), [0, 1])), abs=2e-15)
