"""The uniform distribution by its centre and half-width."""

import pytest
import torch
from scipy import stats

from evae.distributions import CentredUniform

#: False-alarm rate of a test whose seed is fixed.
LEVEL = 1e-5


def test_samples_are_uniform_on_the_support_and_differentiable_in_both_parameters() -> None:
    loc, scale = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (-0.7, 2.5))
    samples = CentredUniform(loc, scale).rsample((5000,))
    assert stats.kstest(samples.detach().numpy(), "uniform", (-3.2, 5.0)).pvalue > LEVEL
    by_loc, by_scale = torch.autograd.grad(samples.sum(), (loc, scale))
    assert float(by_loc) == 5000
    assert float(by_scale) == pytest.approx(((samples - loc) / scale).sum().item())


def test_an_expanded_distribution_is_the_same_in_every_place() -> None:
    law = CentredUniform(torch.tensor([0.5, -3.0]), torch.tensor([1.5, 0.25]))
    expanded = law.expand((3, 2))
    assert expanded.batch_shape == (3, 2)
    for name in ("loc", "scale", "low", "high", "mean", "variance", "stddev"):
        assert torch.equal(getattr(expanded, name), getattr(law, name).expand(3, 2))
    assert torch.equal(expanded.entropy(), law.entropy().expand(3, 2))


def test_moments_keep_the_digits_that_rounded_ends_lose() -> None:
    law = CentredUniform(torch.tensor(3.0), torch.tensor(1e-9), validate_args=False)
    assert float(law.high - law.low) == 0
    assert float(law.entropy()) == pytest.approx(float(torch.tensor(2e-9).log()))
    assert float(law.stddev) == pytest.approx(1e-9 / 3**0.5)
