"""`EpanechnikovPlusUniform` is the law of equation (9): against the exact forms of `theory`, also in the limits."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sympy import Rational, S
from torch import Tensor

from evae.distributions import Epanechnikov, EpanechnikovPlusUniform, standard_epanechnikov
from evae.models.kernel_density import KernelDensityPosterior
from tests.support.examples import examples
from theory.kernels import x
from theory.posterior import posterior_distribution, posterior_law, posterior_moments

pytestmark = pytest.mark.usefixtures("double")

#: Spread s and half-width B: every regime, its boundary, and the limits B -> 0 and s -> 0.
PAIRS = [(0.5, 0.25), (0.25, 0.5), (1.0, 1.0), (1.0, 0.75), (1.0, 2**-30), (2**-30, 1.0), (1.0, 2**-60), (2**-60, 1.0)]

WIDTHS = pytest.mark.parametrize(("s", "width"), PAIRS)

#: Where, as shares of the way from the lower end to the centre.
SHARES = [1e-9, 1e-3, 0.1, 0.25, 0.5, 0.9, 1.0]


def real(value: float) -> Tensor:
    return torch.tensor(value, dtype=torch.float64)


def exact_density(s: float, width: float, z: Rational) -> float:
    for piece in posterior_law(Rational(s), Rational(width)).pieces:
        if piece.lower <= z <= piece.upper:
            return float(piece.density.subs(x, z))
    return 0.0


def points(s: float, width: float) -> list[float]:
    """Points of the lower half in every piece; exact numbers, also where the pieces are narrow."""
    end, kink = -(s + width), -abs(s - width)
    inside = [end + share * (s + width) for share in SHARES]
    edge = [end + share * min(s, width) for share in (2**-20, 0.5, 1.0, 1.5)]
    return [z for z in (*inside, *edge, kink, 0.5 * kink) if z > end]


@WIDTHS
def test_density_and_distribution_function_are_those_of_theory(s: float, width: float) -> None:
    law = EpanechnikovPlusUniform(0.0, s, width)
    for z in points(s, width):
        density = exact_density(s, width, Rational(z))
        level = float(posterior_distribution(Rational(s), Rational(width), Rational(z)))
        for side in (-1, 1):
            assert law.log_prob(real(-side * z)).exp().item() == pytest.approx(density, rel=1e-14)
        assert law.cdf(real(z)).item() == pytest.approx(level, rel=1e-14)
        assert law.cdf(real(-z)).item() == pytest.approx(1 - level, rel=1e-15)


@pytest.mark.parametrize(("s", "width"), [(s, width) for s, width in PAIRS if min(s, width) > 2**-53])
def test_at_the_very_end_both_have_full_relative_accuracy(s: float, width: float) -> None:
    """With loc = s + B, a number without rounding, the support begins at 0: a value is its own distance from it."""
    law = EpanechnikovPlusUniform(s + width, s, width)
    for distance in (1e-200, 1e-30, 1e-17, 1e-9):
        w = Fraction(distance) / Fraction(s)
        if Fraction(distance) > 2 * Fraction(min(s, width)):
            continue
        with mpmath.workdps(40):
            w_exact = mpmath.mpf(w.numerator) / w.denominator
            log_density = mpmath.log(w_exact**2 * (3 - w_exact) / (8 * mpmath.mpf(width)))
            level = w_exact**3 * (4 - w_exact) * mpmath.mpf(s) / (32 * mpmath.mpf(width))
        assert law.log_prob(real(distance)).item() == pytest.approx(float(log_density), rel=2e-15)
        assert law.cdf(real(distance)).item() == pytest.approx(float(level), rel=1e-14)


@WIDTHS
def test_the_moments_are_those_of_theory(s: float, width: float) -> None:
    law = EpanechnikovPlusUniform(0.75, s, width)
    mean, variance = (float(value) for value in posterior_moments(S(1), Rational(0.75), Rational(s), Rational(width)))
    assert law.mean.item() == mean
    assert law.variance.item() == pytest.approx(variance, rel=1e-15)
    assert law.stddev.item() == pytest.approx(math.sqrt(variance), rel=1e-15)


def test_widths_whose_squares_underflow_still_have_a_standard_deviation() -> None:
    law = EpanechnikovPlusUniform(0.0, 1e-200, 1e-200)
    assert law.stddev.item() == pytest.approx(1e-200 * math.sqrt(8 / 15))


@pytest.mark.parametrize("interval", ["printed", "corrected"])
def test_it_is_the_posterior_that_the_networks_draw_from(interval: str) -> None:
    """Equations (9) and (10), with U on [-B, B] as printed or on the interval of length B."""
    mu, r, length = torch.randn(4, 3), torch.rand(4, 3) + 0.1, torch.rand(4, 3) + 0.1
    posterior = KernelDensityPosterior(mu, r, length, interval=interval)
    half_width = length if interval == "printed" else length / 2
    law = EpanechnikovPlusUniform(posterior.b * mu, posterior.b * r, half_width)
    torch.testing.assert_close(law.mean, posterior.mean)
    torch.testing.assert_close(law.variance, posterior.variance)
    torch.testing.assert_close(law.entropy(), posterior.entropy)
    torch.testing.assert_close(law.high - law.loc, posterior.reach)
    levels = torch.stack([law.cdf(posterior.rsample()) for _ in range(2000)])
    assert stats.kstest(levels.flatten().numpy(), "uniform").pvalue > 1e-5


def test_with_half_the_uniforms_width_the_samples_are_told_apart() -> None:
    law = EpanechnikovPlusUniform(0.0, 0.5, 0.4)
    corrected = EpanechnikovPlusUniform(0.0, 0.5, 0.2).sample((24_000,))
    assert stats.kstest(law.cdf(corrected).numpy(), "uniform").pvalue < 1e-5


@pytest.mark.parametrize("width", [1e-4, 1e-8, 1e-100, 1e-300])
def test_as_the_uniform_part_vanishes_it_is_the_epanechnikov_law(width: float) -> None:
    """Densities differ by (B/s)^2 / 4s, less than rounding from 1e-8 on; nothing is lost on the way."""
    law, limit = EpanechnikovPlusUniform(0.3, 2.0, width), Epanechnikov(0.3, 2.0)
    values = limit.icdf(torch.linspace(0.001, 0.999, 101))
    torch.testing.assert_close(law.log_prob(values).exp(), limit.log_prob(values).exp(), rtol=1e-14, atol=width**2)
    torch.testing.assert_close(law.cdf(values), limit.cdf(values), rtol=1e-14, atol=width**2)
    torch.testing.assert_close(law.variance, limit.variance, rtol=1e-15, atol=width**2)
    torch.testing.assert_close(law.entropy(), limit.entropy(), rtol=1e-15, atol=10 * width**2 * -math.log(width))


@pytest.mark.parametrize("s", [1e-8, 1e-100, 1e-300])
def test_as_the_kernel_vanishes_it_is_the_uniform_law(s: float) -> None:
    law, limit = EpanechnikovPlusUniform(0.3, s, 2.0), torch.distributions.Uniform(-1.7, 2.3)
    values = torch.linspace(-1.699, 2.299, 101)
    torch.testing.assert_close(law.log_prob(values), limit.log_prob(values), rtol=1e-15, atol=0)
    torch.testing.assert_close(law.cdf(values), limit.cdf(values), rtol=1e-15, atol=1e-15)
    torch.testing.assert_close(law.entropy(), limit.entropy(), rtol=1e-15, atol=s)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(exponents=st.tuples(st.floats(-6, 6), st.floats(-6, 6)), loc=st.floats(-1e3, 1e3), share=st.floats(-1, 1))
@settings(deadline=None, derandomize=True, max_examples=examples(60))
def test_values_and_gradients_are_finite_wherever_the_density_is_positive(
    dtype: torch.dtype, exponents: tuple[float, float], loc: float, share: float
) -> None:
    given = [torch.tensor(v, dtype=dtype, requires_grad=True) for v in (loc, *(10.0**e for e in exponents))]
    law = EpanechnikovPlusUniform(given[0], given[1], given[2], validate_args=False)
    low, high = law.low.detach(), law.high.detach()
    place = torch.tensor(loc, dtype=dtype)
    ends = torch.stack([low, high, low.nextafter(place), high.nextafter(place), place])
    values = torch.cat([ends, (place + share * (high - place))[None]]).requires_grad_()
    log_density, level = law.log_prob(values), law.cdf(values)
    assert not bool(log_density.isnan().any())
    assert bool(((level >= 0) & (level <= 1)).all())
    kept = log_density[log_density.isfinite()].sum() + level.sum()
    assert all(bool(gradient.isfinite().all()) for gradient in torch.autograd.grad(kept, (values, *given)))


@pytest.mark.parametrize(
    ("s", "width", "z"), [(1.0, 0.3, 0.5), (1.0, 0.3, 1.1), (0.3, 1.0, 0.5), (0.3, 1.0, -1.1), (1.0, 0.3, 0.0)]
)
def test_gradients_are_right_on_every_piece(s: float, width: float, z: float) -> None:
    inputs = tuple(torch.tensor(value, requires_grad=True) for value in (0.0, s, width, z))
    for function in ("log_prob", "cdf"):
        assert torch.autograd.gradcheck(
            lambda a, b, c, v, f=function: getattr(EpanechnikovPlusUniform(a, b, c), f)(v), inputs
        )


def test_gradients_of_mean_powers_of_samples_are_those_of_the_moments() -> None:
    """E (z - loc)^4 = 3 s^4/35 + 2 s^2 B^2/5 + B^4/5; four standard errors from the samples themselves."""
    number, s, width = 200_000, 1.5, 0.8
    scale, half = (torch.full((number,), value, requires_grad=True) for value in (s, width))
    drawn = EpanechnikovPlusUniform(torch.zeros(number), scale, half).rsample()
    exact = {
        2: (2 * s / 5, 2 * width / 3),
        4: (12 * s**3 / 35 + 4 * s * width**2 / 5, 4 * s**2 * width / 5 + 4 * width**3 / 5),
    }
    for power, expected in exact.items():
        gradients = torch.autograd.grad(drawn.pow(power).sum(), (scale, half), retain_graph=True)
        for gradient, value in zip(gradients, expected, strict=True):
            assert float(gradient.mean()) == pytest.approx(value, abs=4 * float(gradient.std()) / math.sqrt(number))


PROBABILITIES = [5e-324, 1e-300, 1e-100, 1e-30, 1e-17, 1e-12, 1e-8, 1e-3, 0.1, 0.2499, 0.2501, 0.4, 0.5]


def tail(s: float, width: float, distance: mpmath.mpf) -> mpmath.mpf:
    """Probability of the tail up to a distance from the end, at most that of the centre."""
    w, beta = distance / s, mpmath.mpf(width) / s
    if w <= 2 * min(1, beta):
        return w**3 * (4 - w) / (32 * beta)
    if beta >= 1:
        return (distance - s) / (2 * mpmath.mpf(width))
    y = w - beta
    return (y**2 * (3 - y) + beta**2 * (1 - y)) / 4


def exact_quantile(s: float, width: float, p: float) -> mpmath.mpf:
    """Distance from the end, by bisection on its logarithm."""
    lower, upper = mpmath.mpf(-800), mpmath.log(mpmath.mpf(s) + width)
    for _ in range(130):
        middle = (lower + upper) / 2
        lower, upper = (middle, upper) if tail(s, width, mpmath.exp(middle)) < p else (lower, middle)
    return mpmath.exp(lower)


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize(
    ("s", "width"), [(s, width) for s, width in PAIRS if min(s, width) > 2**-53] + [(2.0, 1.0), (1.0, 2.0)]
)
def test_the_distance_of_a_quantile_from_the_end_is_accurate_relative_to_itself(
    s: float, width: float, p: float
) -> None:
    """With loc = s + B, a number without rounding, a lower quantile is its own distance from the end."""
    with mpmath.workdps(40):
        distance = float(exact_quantile(s, width, p))
    assert EpanechnikovPlusUniform(s + width, s, width).icdf(real(p)).item() == pytest.approx(
        distance, rel=2e-15, abs=0
    )
    upper = 1 - p
    if 1 - upper == p:
        mirrored = EpanechnikovPlusUniform(-s - width, s, width).icdf(real(upper)).item()
        assert mirrored == pytest.approx(-distance, rel=2e-15, abs=0)


@pytest.mark.parametrize("ratio", [1e-12, 1e-6, 0.01, 0.5, 0.999, 1.001, 2.0, 1e3, 1e9])
@pytest.mark.parametrize("factor", [0.999, 1.0, 1.001])
def test_quantiles_are_accurate_where_two_pieces_meet(ratio: float, factor: float) -> None:
    law = EpanechnikovPlusUniform(0.0, 1.0, ratio)
    p = factor * float(tail(1.0, ratio, mpmath.mpf(2 * min(1.0, ratio))))
    with mpmath.workdps(40):
        distance = float(exact_quantile(1.0, ratio, p))
    # With loc = 0 the distance is rounded as the end is: half an ulp of the reach.
    assert law.icdf(real(p)).item() == pytest.approx(distance - (1 + ratio), abs=5e-16 * (1 + ratio))


def test_near_the_centre_of_a_plateau_or_a_parabola_the_quantile_is_accurate_relative_to_its_offset() -> None:
    for s, width in ((1.0, 0.25), (0.25, 1.0)):
        law = EpanechnikovPlusUniform(0.0, s, width)
        density = law.log_prob(real(0.0)).exp().item()
        for step in (2.0**-50, 2.0**-30):
            assert law.icdf(real(0.5 + step)).item() == pytest.approx(step / density, rel=1e-14)
            assert law.icdf(real(0.5 - step)).item() == pytest.approx(-step / density, rel=1e-14)


@pytest.mark.parametrize("p", [1e-30, 1e-6, 0.01, 0.2, 0.45, 0.6, 0.9])
@pytest.mark.parametrize(("s", "width"), [(0.5, 0.25), (0.25, 0.5), (1.0, 1e-3), (1e-3, 1.0)])
def test_first_and_second_derivatives_of_quantiles_are_right(s: float, width: float, p: float) -> None:
    inputs = tuple(torch.tensor(value, requires_grad=True) for value in (0.3, s, width, p))

    def quantile(loc: Tensor, scale: Tensor, half_width: Tensor, level: Tensor) -> Tensor:
        return EpanechnikovPlusUniform(loc, scale, half_width, validate_args=False).icdf(level)

    gradients = torch.autograd.grad(quantile(*inputs), inputs, create_graph=True)
    with mpmath.workdps(40):
        distance = real(float(exact_quantile(s, width, min(p, 1 - p))))
    density = EpanechnikovPlusUniform(0.3, s, width).log_density_from_end(distance).exp().item()
    assert gradients[3].item() == pytest.approx(1 / density, rel=1e-12)
    if p > 1e-6 and min(s, width) > 0.1:
        assert torch.autograd.gradcheck(quantile, inputs, eps=1e-7)
        assert torch.autograd.gradgradcheck(quantile, inputs, eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_quantiles_are_finite_for_widths_of_every_size(dtype: torch.dtype) -> None:
    sizes = torch.tensor([1e-10, 1e-6, 1e-3, 1.0, 30.0, 1e6, 1e10], dtype=dtype)
    levels = torch.tensor([0.0, 1e-30, 1e-6, 0.1, 0.3, 0.5, 0.8, 1.0], dtype=dtype)
    s, width = (grid.reshape(-1).requires_grad_() for grid in torch.meshgrid(sizes, sizes, indexing="ij"))
    quantile = EpanechnikovPlusUniform(torch.zeros((), dtype=dtype), s, width).icdf(levels[:, None])
    assert bool(quantile.isfinite().all())
    assert all(bool(gradient.isfinite().all()) for gradient in torch.autograd.grad(quantile.sum(), (s, width)))


def test_samples_are_the_two_parts_added() -> None:
    torch.manual_seed(5)
    drawn = EpanechnikovPlusUniform(0.1, 2.0, 3.0).sample((10,))
    torch.manual_seed(5)
    kernel, uniform = standard_epanechnikov((10,)), 2 * torch.rand(10) - 1
    torch.testing.assert_close(drawn, 0.1 + 2 * kernel + 3 * uniform)
