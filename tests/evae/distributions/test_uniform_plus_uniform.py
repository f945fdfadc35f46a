"""`UniformPlusUniform` is the trapezoidal law: against exact arithmetic, SciPy, and the limits."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
import torch
from scipy import stats
from torch import Tensor

from evae.distributions import UniformPlusUniform
from evae.models.kernel_density import KernelDensityPosterior

pytestmark = pytest.mark.usefixtures("double")

#: Plateaus of every length, the triangle, and the limits in which one part vanishes.
PAIRS = [(0.5, 0.25), (0.25, 0.5), (1.0, 1.0), (1.0, 0.75), (1.0, 2**-30), (2**-30, 1.0), (1.0, 2**-60), (2**-60, 1.0)]

WIDTHS = pytest.mark.parametrize(("s", "width"), PAIRS)


def real(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def exact(s: float, width: float, distance: float) -> tuple[float, float]:
    """Density and tail probability at a distance from the end of the support."""
    wider, narrower, d = Fraction(max(s, width)), Fraction(min(s, width)), Fraction(distance)
    if d < 2 * narrower:
        return float(d / (4 * wider * narrower)), float(d**2 / (8 * wider * narrower))
    return float(1 / (2 * wider)), float((d - narrower) / (2 * wider))


@WIDTHS
def test_density_and_distribution_function_are_those_of_the_trapezoid(s: float, width: float) -> None:
    law = UniformPlusUniform(0.0, s, width)
    reach = Fraction(s) + Fraction(width)
    for share in (1e-9, 1e-3, 0.1, 0.25, 0.5, 0.9, 1.0):
        z = -float(reach) * (1 - share)
        density, level = exact(s, width, float(reach + Fraction(z)))
        if float(reach) != reach and density < 0.4 / max(s, width):
            continue  # z itself is rounded by more than this edge is long
        for side in (-1, 1):
            assert law.log_prob(real(side * z)).exp().item() == pytest.approx(density, rel=1e-14)
        assert law.cdf(real(z)).item() == pytest.approx(level, rel=1e-14)
        assert law.cdf(real(-z)).item() == pytest.approx(1 - level, rel=1e-15)


@WIDTHS
@pytest.mark.parametrize("p", [5e-324, 1e-300, 1e-100, 1e-17, 1e-8, 1e-3, 0.1, 0.2499, 0.2501, 0.4, 0.5])
def test_at_the_end_everything_has_full_relative_accuracy(s: float, width: float, p: float) -> None:
    """With loc = s + B the support begins at 0, but for the rounding of that sum: a value is its own distance."""
    law = UniformPlusUniform(s + width, s, width)
    wider, narrower = max(s, width), min(s, width)
    # Square roots of the factors: the product may be subnormal.
    on_edge = 2 * math.sqrt(2 * p) * math.sqrt(wider) * math.sqrt(narrower)
    distance = on_edge if p < narrower / wider / 2 else narrower + 2 * p * wider
    rounding = float(abs(Fraction(s + width) - Fraction(s) - Fraction(width)))
    assert law.icdf(real(p)).item() == pytest.approx(distance, rel=2e-15, abs=2 * rounding)
    if rounding == 0 and distance > 1e-150:
        density, level = exact(s, width, distance)
        assert law.cdf(real(distance)).item() == pytest.approx(level, rel=1e-14, abs=0)
        assert law.log_prob(real(distance)).item() == pytest.approx(math.log(density), rel=2e-15, abs=2e-15)


def test_density_and_distribution_function_are_scipys() -> None:
    law, peer = UniformPlusUniform(0.4, 1.5, 0.5), stats.trapezoid(0.25, 0.75, loc=-1.6, scale=4.0)
    values = torch.linspace(-1.59, 2.39, 101)
    torch.testing.assert_close(law.log_prob(values).exp(), torch.from_numpy(peer.pdf(values.numpy())))
    torch.testing.assert_close(law.cdf(values), torch.from_numpy(peer.cdf(values.numpy())))
    levels = torch.linspace(0, 1, 51)
    torch.testing.assert_close(law.icdf(levels), torch.from_numpy(peer.ppf(levels.numpy())))


def test_exchanging_the_two_widths_does_not_change_the_law() -> None:
    law, same = UniformPlusUniform(0.1, 0.3, 0.7), UniformPlusUniform(0.1, 0.7, 0.3)
    values, levels = torch.linspace(-0.89, 1.09, 31), torch.linspace(0, 1, 31)
    for function, points in (("log_prob", values), ("cdf", values), ("icdf", levels)):
        torch.testing.assert_close(getattr(law, function)(points), getattr(same, function)(points))
    assert law.entropy() == same.entropy()
    assert law.roughness == same.roughness


def test_variance_entropy_and_roughness_of_the_standard_triangle() -> None:
    """On [-2, 2] with the density (2 - |z|)/4: 2/3, 1/2 + log 2 and 1/3."""
    law = UniformPlusUniform(0.0, 1.0, 1.0)
    assert law.variance.item() == pytest.approx(2 / 3)
    assert law.entropy().item() == pytest.approx(0.5 + math.log(2))
    assert law.roughness.item() == pytest.approx(1 / 3)


def test_widths_whose_squares_underflow_still_have_a_standard_deviation() -> None:
    assert float(UniformPlusUniform(0.0, 1e-200, 1e-200).stddev) == pytest.approx(1e-200 * math.sqrt(2 / 3))


@pytest.mark.parametrize("interval", ["printed", "corrected"])
def test_it_is_the_posterior_with_the_uniform_kernel(interval: str) -> None:
    """Algorithm 1 with uniform noise of the Epanechnikov kernel's variance, 1/5."""
    mu, r, length = torch.randn(4, 3), torch.rand(4, 3) + 0.1, torch.rand(4, 3) + 0.1
    posterior = KernelDensityPosterior(mu, r, length, kernel="uniform", interval=interval)
    half_width = length if interval == "printed" else length / 2
    law = UniformPlusUniform(posterior.b * mu, posterior.b * math.sqrt(3 / 5) * r, half_width)
    torch.testing.assert_close(law.variance, posterior.variance)
    torch.testing.assert_close(law.entropy(), posterior.entropy)
    torch.testing.assert_close(law.roughness, posterior.roughness)
    torch.testing.assert_close(law.reach, posterior.reach)
    levels = torch.stack([law.cdf(posterior.rsample()) for _ in range(2000)])
    assert stats.kstest(levels.flatten().numpy(), "uniform").pvalue > 1e-5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_finite_for_widths_of_every_size(dtype: torch.dtype) -> None:
    sizes = torch.tensor([1e-30, 1e-10, 1e-3, 1.0, 30.0, 1e10, 1e30], dtype=dtype)
    levels = torch.tensor([0.0, 1e-30, 1e-6, 0.1, 0.3, 0.5, 0.8, 1.0], dtype=dtype)
    s, width = (grid.reshape(-1).requires_grad_() for grid in torch.meshgrid(sizes, sizes, indexing="ij"))
    law = UniformPlusUniform(torch.zeros((), dtype=dtype), s, width, validate_args=False)
    quantile = law.icdf(levels[:, None])
    for result in (quantile, law.cdf(quantile.detach()), law.log_prob(0.99 * quantile.detach())):
        assert bool(result.isfinite().all())
        assert all(bool(gradient.isfinite().all()) for gradient in torch.autograd.grad(result.sum(), (s, width)))


@pytest.mark.parametrize(("s", "width"), [(0.5, 0.25), (0.25, 0.5)])
def test_gradients_are_right_on_every_piece(s: float, width: float) -> None:
    for z in (-0.6, 0.1, 0.7):
        inputs = tuple(torch.tensor(value, requires_grad=True) for value in (0.0, s, width, z))
        for function in ("log_prob", "cdf"):
            assert torch.autograd.gradcheck(
                lambda a, b, c, v, f=function: getattr(UniformPlusUniform(a, b, c), f)(v), inputs
            )
    for p in (0.1, 0.4, 0.6, 0.97):
        inputs = tuple(torch.tensor(value, requires_grad=True) for value in (0.0, s, width, p))
        assert torch.autograd.gradcheck(lambda a, b, c, v: UniformPlusUniform(a, b, c).icdf(v), inputs)
