"""Kernels of Algorithm 1, against their definitions in `theory`."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
import torch
from scipy import integrate, stats

from evae.configuration.noises import KERNEL_NOISES
from evae.distributions.kernels.noises import PROFILES, sum_log_density
from evae.models.kernel_density import KernelDensityPosterior
from evae.models.posteriors import draw_noise
from theory.kernels import KERNELS, x

NAMES = tuple(PROFILES)


@pytest.mark.parametrize("name", KERNEL_NOISES)
def test_constants_are_those_of_theory(name: str) -> None:
    noise, kernel = KERNEL_NOISES[name], KERNELS[name]
    assert noise.variance == pytest.approx(float(kernel.variance), rel=1e-15)
    assert noise.roughness == pytest.approx(float(kernel.roughness), rel=1e-15)
    assert noise.entropy == pytest.approx(float(kernel.entropy), rel=1e-13)
    assert noise.reach == (float(kernel.support[1]) if kernel.has_compact_support else None)


@pytest.mark.parametrize("name", NAMES)
def test_densities_and_distribution_functions_are_those_of_theory(name: str) -> None:
    piece = KERNELS[name].pieces[0]
    density = sympy.lambdify(x, piece.density)
    for distance in (1e-9, 1e-3, 0.2, 0.7, 1.0):
        given = torch.tensor(distance, dtype=torch.float64)
        area = float(sympy.integrate(piece.density, (x, -1, sympy.Rational(str(distance)) - 1)))
        assert float(PROFILES[name].density(given)) == pytest.approx(float(density(distance - 1)), rel=1e-7)
        assert float(PROFILES[name].distribution(given)) == pytest.approx(area, rel=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_draws_follow_the_kernel(name: str) -> None:
    """Kolmogorov's test of 20,000 draws under a fixed seed; a true sampler fails for one seed in a thousand."""
    drawn = draw_noise(KERNEL_NOISES[name], torch.empty(20_000, 1), torch.Generator().manual_seed(7))

    def distribution(values: np.ndarray) -> np.ndarray:
        distance = torch.from_numpy(1 - np.abs(values))
        tail = PROFILES[name].distribution(distance).numpy()
        return np.where(values < 0, tail, 1 - tail)

    assert stats.kstest(drawn.flatten().double().numpy(), distribution).pvalue > 1e-3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("width", [1e-7, 1e-4, 0.3, 1.0, 5.0])
def test_the_law_of_the_sum_is_the_mean_of_the_kernel_over_the_interval(name: str, width: float) -> None:
    s, density = 0.7, sympy.lambdify(x, KERNELS[name].pieces[-1].density)

    def kernel(value: float) -> float:
        return float(density(abs(value))) if abs(value) < 1 else 0.0

    for share in (1e-6, 0.01, 0.3, 0.8, 1.0):
        end = share * (s + width)
        offset = s + width - end
        low, high = offset - width, offset + width
        inside = [0.0] if low < 0 < high else None
        total, _ = integrate.quad(lambda v: kernel(v / s) / s, low, min(high, s), points=inside, epsabs=0)
        found = sum_log_density(name, *(torch.tensor(value, dtype=torch.float64) for value in (end, s, width)))
        assert float(found) == pytest.approx(math.log(total / (2 * width)), abs=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_drawn_code_has_the_density_of_its_law_and_a_finite_one_at_the_ends(name: str) -> None:
    mu, r, length = (torch.full((400, 3), value, dtype=torch.float64) for value in (0.4, 0.8, 0.3))
    posterior = KernelDensityPosterior(mu, r, length, kernel=name)
    drawn = posterior.draw(torch.Generator().manual_seed(1))
    assert drawn.log_density is not None
    assert torch.allclose(drawn.log_density, posterior.log_prob(drawn.codes), atol=1e-6)
    assert bool(drawn.log_density.isfinite().all())
    assert posterior.reach is not None
    outside = posterior.mean + posterior.reach * 1.01
    assert bool((posterior.log_prob(outside) == -math.inf).all())
    assert float(drawn.codes.var()) == pytest.approx(float(posterior.variance[0, 0]), rel=0.15)
