"""The registered Kullback-Leibler divergences, against quadrature in 30 digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mpf
from torch.distributions import Distribution, Normal, Uniform, kl_divergence

from evae.distributions import Epanechnikov

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
@settings(deadline=None, derandomize=True, max_examples=40)
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
@settings(deadline=None, derandomize=True, max_examples=60)
def test_it_is_never_negative_and_never_not_a_number(
    dtype: torch.dtype, exponents: tuple[float, float], locs: tuple[float, float]
) -> None:
    loc, other = (torch.tensor(value, dtype=dtype) for value in locs)
    scale, wide = (torch.tensor(10.0**exponent, dtype=dtype) for exponent in exponents)
    for q in (Epanechnikov(other, wide), Epanechnikov(loc, wide), Uniform(loc - wide, loc + 2 * wide + 1)):
        assert divergence(Epanechnikov(loc, scale), q) >= 0
    assert divergence(Uniform(loc, loc + 1), Epanechnikov(other, wide)) >= 0


def test_gradients_are_right_in_both_branches() -> None:
    for ratio in (0.05, 0.7):
        inputs = tuple(torch.tensor(value, requires_grad=True) for value in (0.1, ratio, 0.05, 1.3))
        assert torch.autograd.gradcheck(
            lambda a, r, c, s: kl_divergence(Epanechnikov(a, r), Epanechnikov(c, s)), inputs
        )
        assert torch.autograd.gradcheck(lambda a, r, c, s: kl_divergence(Epanechnikov(a, r), Normal(c, s)), inputs)
    bounds = tuple(torch.tensor(value, requires_grad=True) for value in (-0.3, 0.4, 0.05, 1.3))
    assert torch.autograd.gradcheck(lambda a, b, c, s: kl_divergence(Uniform(a, b), Epanechnikov(c, s)), bounds)


def test_batches_broadcast() -> None:
    p = Epanechnikov(torch.zeros(3, 1), 0.5)
    q = Epanechnikov(torch.zeros(2), torch.tensor([1.0, 0.1]))
    assert kl_divergence(p, q).shape == (3, 2)
    assert kl_divergence(p, q)[0].tolist()[1] == math.inf
    assert kl_divergence(Normal(torch.zeros(3, 1), 1.0), q).shape == (3, 2)
    assert kl_divergence(p, Uniform(-torch.ones(2), torch.ones(2))).shape == (3, 2)
