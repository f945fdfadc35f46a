"""The registered Kullback-Leibler divergences, against quadrature in 30 digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mpmath import mpf
from sympy import Rational
from torch import Tensor
from torch.distributions import Distribution, Normal, Uniform, kl_divergence

from evae.distributions import Epanechnikov, EpanechnikovPlusUniform, UniformPlusUniform
from tests.support.examples import examples
from theory.posterior import kl_to_standard_normal

pytestmark = pytest.mark.usefixtures("double")

Density = Callable[[Any], Any]


def epanechnikov(loc: float, scale: float) -> Density:
    return lambda x: 3 / (4 * mpf(scale)) * (1 - ((x - mpf(loc)) / mpf(scale)) ** 2)


def normal(loc: float, scale: float) -> Density:
    return lambda x: mpmath.npdf(x, mpf(loc), mpf(scale))


def quadrature(p: Density, q: Density, lower: float, upper: float) -> float:
    """KL(p || q) over [lower, upper], the support of p."""

    def integrand(x: Any) -> Any:
        density = p(x)
        return density * mpmath.log(density / q(x)) if density > 0 else mpf(0)

    with mpmath.workdps(30):
        return float(mpmath.re(mpmath.quad(integrand, [lower, (mpf(lower) + mpf(upper)) / 2, upper])))


def divergence(p: Distribution, q: Distribution) -> float:
    return float(kl_divergence(p, q))


@pytest.mark.parametrize(
    ("loc", "scale", "mean", "deviation"), [(0.0, 1.0, 0.0, 1.0), (1.5, 0.25, -1.0, 0.5), (-2.0, 8.0, 3.0, 2.0)]
)
def test_to_a_normal_law(loc: float, scale: float, mean: float, deviation: float) -> None:
    exact = quadrature(epanechnikov(loc, scale), normal(mean, deviation), loc - scale, loc + scale)
    assert divergence(Epanechnikov(loc, scale), Normal(mean, deviation)) == pytest.approx(exact, rel=1e-12)


def test_to_the_standard_normal_law_is_the_ledgers_formula() -> None:
    """`beyond.direct-kl`: -log r - (5/3 - log 3) + log(2 pi)/2 + (mu^2 + r^2/5)/2."""
    mu, r = 0.7, 1.3
    formula = -math.log(r) - (5 / 3 - math.log(3)) + math.log(2 * math.pi) / 2 + (mu**2 + r**2 / 5) / 2
    assert divergence(Epanechnikov(mu, r), Normal(0.0, 1.0)) == pytest.approx(formula, rel=1e-14)


def test_at_equal_variance_a_gaussian_is_nearer_to_the_standard_normal_law() -> None:
    """By log(2 pi e / 5)/2 - 5/3 + log 3 = 0.0461652 nats, whatever mean and variance."""
    kernel = Epanechnikov(0.3, 2.0)
    gaussian = Normal(kernel.mean, kernel.stddev)
    target = Normal(0.0, 1.0)
    assert divergence(kernel, target) - divergence(gaussian, target) == pytest.approx(0.0461652, abs=1e-7)


@pytest.mark.parametrize(
    ("b", "mu", "r", "width"),
    [
        (0.36, 0.7, 1.3, 1.1),
        (0.5, -1.5, 2.0, 1.0),
        (0.36, 0.0, 0.03, 0.004),
        (0.36, 1.0, 2.0, 1e-9),
        (1.0, 1.0, 1e-9, 2.0),
    ],
)
def test_evaes_posterior_to_the_standard_normal_law_is_the_ledgers_formula(
    b: float, mu: float, r: float, width: float
) -> None:
    exact = float(kl_to_standard_normal(*(Rational(value) for value in (b, mu, r, width))).evalf(30))
    law = EpanechnikovPlusUniform(b * mu, b * r, width)
    assert divergence(law, Normal(0.0, 1.0)) == pytest.approx(exact, rel=3e-14)
    single = EpanechnikovPlusUniform(law.loc.float(), law.scale.float(), law.half_width.float())
    assert divergence(single, Normal(torch.zeros((), dtype=torch.float32), 1.0)) == pytest.approx(exact, rel=3e-6)


@pytest.mark.parametrize(("scale", "width"), [(0.5, 0.3), (0.3, 0.5)])
def test_of_an_epanechnikov_plus_a_uniform_variable_by_quadrature(scale: float, width: float) -> None:
    def density(z: Any) -> Any:
        upper, lower = (min(max((z - 0.1 + side * mpf(width)) / scale, mpf(-1)), mpf(1)) for side in (1, -1))
        return ((upper - lower) * 3 - (upper**3 - lower**3)) / (8 * mpf(width))

    law = EpanechnikovPlusUniform(0.1, scale, width)
    ends = (float(law.low), float(law.high))
    knots = [ends[0], 0.1 - abs(scale - width), 0.1, 0.1 + abs(scale - width), ends[1]]
    for q, target in (
        (Normal(0.4, 0.7), normal(0.4, 0.7)),
        (Uniform(-1.0, 2.0), lambda _: mpf(1) / 3),
    ):
        exact = sum(quadrature(density, target, lower, upper) for lower, upper in pairwise(knots))
        assert divergence(law, q) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (Epanechnikov(0.3, 1.2), Normal(-0.2, 0.8)),
        (Epanechnikov(0.3, 0.4), Uniform(-1.0, 1.0)),
        (Epanechnikov(0.3, 0.4), Epanechnikov(0.1, 1.0)),
        (Uniform(-0.4, 0.7), Epanechnikov(0.1, 1.0)),
        (EpanechnikovPlusUniform(0.3, 0.5, 0.2), Normal(-0.2, 0.8)),
        (EpanechnikovPlusUniform(0.3, 0.2, 0.5), Uniform(-1.0, 1.0)),
    ],
    ids=lambda law: type(law).__name__,
)
def test_each_is_the_mean_log_ratio_of_the_densities_of_samples(p: Distribution, q: Distribution) -> None:
    """Monte Carlo within 4.5 standard errors: a false alarm in 150,000, were the seed not fixed."""
    drawn = p.sample(torch.Size([100_000]))
    ratios = p.log_prob(drawn) - q.log_prob(drawn)
    assert divergence(p, q) == pytest.approx(float(ratios.mean()), abs=4.5 * float(ratios.std()) / math.sqrt(100_000))


@pytest.mark.parametrize(("loc", "scale"), [(0.1, 0.2), (0.0, 0.9), (0.4, 0.59), (-0.3, 1e-4)])
def test_in_single_precision_they_agree_with_double(loc: float, scale: float) -> None:
    def both(dtype: torch.dtype) -> list[float]:
        # The same numbers in both precisions, those of single precision.
        low, high, a, r = (torch.tensor(v, dtype=torch.float32).to(dtype) for v in (-1.0, 1.0, loc, scale))
        law, outer = Epanechnikov(a, r), Epanechnikov(torch.zeros_like(a), high)
        inner = Uniform(a - r / 2, a + r / 2)
        sum_law = EpanechnikovPlusUniform(a, r / 2, r / 4)
        pairs = [(law, Normal(high, high)), (law, Uniform(low, high)), (law, outer), (inner, outer)]
        pairs += [(sum_law, Normal(high, high)), (sum_law, Uniform(low, high))]
        return [divergence(p, q) for p, q in pairs]

    assert both(torch.float32) == pytest.approx(both(torch.float64), rel=2e-5, abs=2e-6)


def test_to_a_uniform_law_that_contains_it() -> None:
    assert divergence(Epanechnikov(0.0, 0.4), Uniform(-1.0, 1.0)) == pytest.approx(1.041384, abs=1e-6)
    exact = quadrature(epanechnikov(0.5, 0.5), lambda _: mpf(1) / 3, 0.0, 1.0)
    assert divergence(Epanechnikov(0.5, 0.5), Uniform(-2.0, 1.0)) == pytest.approx(exact, rel=1e-13)


@pytest.mark.parametrize(
    ("low", "high", "loc", "scale"),
    [
        (-0.5, 0.25, 0.0, 1.0),
        (0.0, 1.0, 0.0, 1.0),
        (-1.0, 1.0, 0.0, 1.0),
        (0.1, 0.1 + 1e-5, 0.0, 3.0),
        (2.0, 3.0, 2.5, 9.0),
    ],
)
def test_of_a_uniform_law(low: float, high: float, loc: float, scale: float) -> None:
    width = mpf(high) - mpf(low)
    exact = quadrature(lambda _: 1 / width, epanechnikov(loc, scale), low, high)
    assert divergence(Uniform(low, high), Epanechnikov(loc, scale)) == pytest.approx(exact, abs=1e-11)


@given(ratio=st.floats(1e-3, 1), place=st.floats(-1, 1), loc=st.floats(-5, 5), scale=st.floats(0.01, 100))
@settings(deadline=None, derandomize=True, max_examples=examples(40))
def test_to_an_epanechnikov_law_that_contains_it(ratio: float, place: float, loc: float, scale: float) -> None:
    inner_scale = ratio * scale
    inner_loc = loc + 0.999 * place * (scale - inner_scale)
    exact = quadrature(
        epanechnikov(inner_loc, inner_scale), epanechnikov(loc, scale), inner_loc - inner_scale, inner_loc + inner_scale
    )
    ours = divergence(Epanechnikov(inner_loc, inner_scale), Epanechnikov(loc, scale))
    assert ours == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize("ratio", [0.19, 0.2, 0.21, 0.2499, 0.25, 0.2501, 0.3])
def test_the_closed_form_and_the_series_meet(ratio: float) -> None:
    exact = quadrature(epanechnikov(0.0, ratio), epanechnikov(0.0, 1.0), -ratio, ratio)
    assert divergence(Epanechnikov(0.0, ratio), Epanechnikov(0.0, 1.0)) == pytest.approx(exact, abs=1e-14)


@pytest.mark.parametrize("scale", [1e-30, 0.1, 1.0, 3.7, 1e30])
def test_of_a_law_to_itself_is_exactly_zero(scale: float) -> None:
    law = Epanechnikov(torch.tensor([0.0, 0.3]), scale)
    assert kl_divergence(law, law).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shrink", [1e-3, 1e-6, 1e-9])
def test_almost_equal_laws_have_a_small_divergence_of_either_sign_of_shift(shrink: float) -> None:
    exact = quadrature(epanechnikov(0.0, 1 - shrink), epanechnikov(0.0, 1.0), shrink - 1, 1 - shrink)
    assert divergence(Epanechnikov(0.0, 1 - shrink), Epanechnikov(0.0, 1.0)) == pytest.approx(exact, abs=1e-15)


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_touching_edges_have_a_finite_divergence_and_gradient(side: float) -> None:
    loc = torch.tensor(0.5 * side, requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    value = kl_divergence(Epanechnikov(loc, scale), Epanechnikov(0.0, 1.0))
    exact = quadrature(epanechnikov(0.5, 0.5), epanechnikov(0.0, 1.0), 0.0, 1.0)
    assert value.item() == pytest.approx(exact, abs=1e-14)
    assert all(bool(gradient.isfinite()) for gradient in torch.autograd.grad(value, (loc, scale)))


def test_edges_that_touch_after_rounding_count_as_touching() -> None:
    """-0.4 - 0.6 in single precision: the exact sum of the two numbers is below -1, the rounded one is -1."""
    inner = Epanechnikov(torch.tensor(-0.4, dtype=torch.float32), torch.tensor(0.6, dtype=torch.float32))
    outer = Epanechnikov(torch.tensor(0.0, dtype=torch.float32), torch.tensor(1.0, dtype=torch.float32))
    assert math.isfinite(divergence(inner, outer))


def test_a_wider_law_is_never_contained_however_its_ends_round() -> None:
    """At 1e8 both supports round to the one point that double precision has there."""
    assert divergence(Epanechnikov(1e8, 2e-9), Epanechnikov(1e8, 1e-9)) == math.inf
    assert math.isfinite(divergence(Epanechnikov(1e8, 1e-9), Epanechnikov(1e8, 2e-9)))


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (Epanechnikov(0.0, 1.0), Epanechnikov(0.0, 0.999)),
        (Epanechnikov(0.1, 1.0), Epanechnikov(0.0, 1.0)),
        (Epanechnikov(0.0, 1.0), Epanechnikov(5.0, 1.0)),
        (Epanechnikov(0.0, 1e-9), Epanechnikov(5.0, 1.0)),
        (Epanechnikov(0.0, 1.0), Uniform(-1.0, 0.999)),
        (Epanechnikov(0.0, 1.0), Uniform(3.0, 4.0)),
        (Uniform(-1.0, 1.001), Epanechnikov(0.0, 1.0)),
        (Uniform(3.0, 4.0), Epanechnikov(0.0, 1.0)),
        (Normal(0.0, 0.01), Epanechnikov(0.0, 1.0)),
        (Normal(0.0, 0.01), EpanechnikovPlusUniform(0.0, 1.0, 1.0)),
        (EpanechnikovPlusUniform(0.0, 0.5, 0.5), Uniform(-1.0, 0.999)),
        (EpanechnikovPlusUniform(0.0, 0.5, 0.5), Uniform(3.0, 4.0)),
    ],
)
def test_without_absolute_continuity_it_is_infinite_and_its_gradient_zero(p: Any, q: Any) -> None:
    assert divergence(p, q) == math.inf
    parameters = [torch.tensor(float(getattr(p, name)), requires_grad=True) for name in p.arg_constraints]
    value = kl_divergence(type(p)(*parameters), q)
    if value.requires_grad:
        gradients = torch.autograd.grad(value, parameters, allow_unused=True)
        assert all(gradient is None or float(gradient) == 0 for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(
    exponents=st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
    locs=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
)
@example(exponents=(24.0, -22.0), locs=(0.0, 0.0))
@example(exponents=(-22.0, 24.0), locs=(0.0, 0.0))
@settings(deadline=None, derandomize=True, max_examples=examples(60))
def test_it_is_never_negative_and_never_not_a_number(
    dtype: torch.dtype, exponents: tuple[float, float], locs: tuple[float, float]
) -> None:
    loc, other = (torch.tensor(value, dtype=dtype) for value in locs)
    scale, wide = (torch.tensor(10.0**exponent, dtype=dtype) for exponent in exponents)
    for q in (Epanechnikov(other, wide), Epanechnikov(loc, wide), Uniform(loc - wide, loc + 2 * wide + 1)):
        assert divergence(Epanechnikov(loc, scale), q) >= 0
    assert divergence(EpanechnikovPlusUniform(loc, scale, wide), Uniform(-wide - 1e4, wide + 1e4)) >= 0
    assert divergence(EpanechnikovPlusUniform(loc, scale, wide), Normal(other, wide)) >= 0
    assert divergence(Uniform(loc, loc + 1), Epanechnikov(other, wide)) >= 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_numbers_for_laws_of_every_size_near_and_far(dtype: torch.dtype) -> None:
    """Scales over 20 orders of magnitude and centres over 40, half of them equal, so that many ends are rounded."""
    number = 20_000

    def sizes(decades: float) -> Tensor:
        return (10 ** (decades * (2 * torch.rand(number) - 1))).to(dtype)

    centres = [(torch.randn(number) * sizes(10)).to(dtype).requires_grad_() for _ in range(2)]
    scales = [sizes(10).requires_grad_() for _ in range(3)]
    loc, other = centres[0], torch.where(torch.rand(number) < 0.5, centres[0], centres[1])
    laws = [Epanechnikov(loc, scales[0]), EpanechnikovPlusUniform(loc, scales[0], scales[1])]
    ends = loc - scales[0], loc + scales[0]
    outer_ends = other - scales[2], other + scales[2]
    uniform = Uniform(ends[0], torch.where(ends[1] > ends[0], ends[1], math.inf), validate_args=False)
    outer = Uniform(outer_ends[0], torch.where(outer_ends[1] > outer_ends[0], outer_ends[1], 1e30), validate_args=False)
    pairs: list[tuple[Distribution, Distribution]]
    pairs = [(law, target) for law in laws for target in (outer, Normal(other, scales[2]))]
    pairs += [(law, Epanechnikov(other, scales[2])) for law in (laws[0], uniform)]
    for p, q in pairs:
        values = kl_divergence(p, q)
        assert bool((values >= 0).all())
        inputs = [tensor for tensor in (*centres, *scales) if tensor.requires_grad]
        gradients = torch.autograd.grad(values.sum(), inputs, allow_unused=True, retain_graph=True)
        assert not any(bool(gradient.isnan().any()) for gradient in gradients if gradient is not None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_to_the_uniform_law_on_its_support_it_is_not_negative_however_narrow_the_other_part(dtype: torch.dtype) -> None:
    """As it vanishes the two laws become equal, and the divergence is less than its rounding."""
    narrow = (10 ** (-40 * torch.rand(2000))).to(dtype).clamp(min=1e-37)
    wide = (torch.rand(2000) + 0.1).to(dtype)
    for law in (EpanechnikovPlusUniform(0.0, narrow, wide), UniformPlusUniform(0.0, wide, narrow)):
        assert bool((kl_divergence(law, Uniform(law.low, law.high)) >= 0).all())


def test_a_law_whose_ends_round_onto_those_of_a_uniform_law_has_the_divergence_of_equal_supports() -> None:
    """At 1e8 single precision has every eighth number: ends at a distance of 9 are rounded to a distance of 8."""
    loc, scale = torch.tensor(1e8, dtype=torch.float32), torch.tensor(9.0, dtype=torch.float32)
    law = Epanechnikov(loc, scale)
    equal = math.log(6) - 5 / 3
    assert divergence(law, Uniform(law.low, law.high)) == pytest.approx(equal, rel=1e-5)


def test_gradients_are_right_in_both_branches() -> None:
    for ratio in (0.05, 0.7):
        inputs = tuple(torch.tensor(value, requires_grad=True) for value in (0.1, ratio, 0.05, 1.3))
        assert torch.autograd.gradcheck(
            lambda a, r, c, s: kl_divergence(Epanechnikov(a, r), Epanechnikov(c, s)), inputs
        )
        assert torch.autograd.gradcheck(lambda a, r, c, s: kl_divergence(Epanechnikov(a, r), Normal(c, s)), inputs)
    for scale, width in ((0.5, 0.3), (0.3, 0.5)):
        inputs = tuple(torch.tensor(value, requires_grad=True) for value in (0.1, scale, width, 0.05, 1.3))
        assert torch.autograd.gradcheck(
            lambda a, r, w, c, s: kl_divergence(EpanechnikovPlusUniform(a, r, w), Normal(c, s)), inputs
        )
        assert torch.autograd.gradcheck(
            lambda a, r, w, c, s: kl_divergence(EpanechnikovPlusUniform(a, r, w), Uniform(c - s, c + s)), inputs
        )
    bounds = tuple(torch.tensor(value, requires_grad=True) for value in (-0.3, 0.4, 0.05, 1.3))
    assert torch.autograd.gradcheck(lambda a, b, c, s: kl_divergence(Uniform(a, b), Epanechnikov(c, s)), bounds)


def test_batches_broadcast() -> None:
    p = Epanechnikov(torch.zeros(3, 1), 0.5)
    q = Epanechnikov(torch.zeros(2), torch.tensor([1.0, 0.1]))
    assert kl_divergence(p, q).shape == (3, 2)
    assert kl_divergence(p, q)[0].tolist()[1] == math.inf
    assert kl_divergence(Normal(torch.zeros(3, 1), 1.0), q).shape == (3, 2)
    assert kl_divergence(p, Uniform(-torch.ones(2), torch.ones(2))).shape == (3, 2)
