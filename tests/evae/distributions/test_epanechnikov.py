"""`Epanechnikov` is a distribution as PyTorch's own are, and the one of Lemma 3.2."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor
from torch.distributions import Distribution

from evae.distributions import STANDARD_ENTROPY, STANDARD_VARIANCE, Epanechnikov, standard_epanechnikov
from evae.distributions.epanechnikov import ALGORITHMS
from foundation.errors import InputError
from tests.support.examples import examples
from theory.kernels import EPANECHNIKOV, x

pytestmark = pytest.mark.usefixtures("double")

locations = st.floats(-10, 10)

scales = st.floats(1e-3, 1e3)

probabilities = st.floats(0, 1)


def real(value: float, **options: bool) -> Tensor:
    return torch.tensor(value, dtype=torch.float64, **options)


def test_its_constants_are_those_of_the_kernel_in_theory() -> None:
    assert float(EPANECHNIKOV.variance) == STANDARD_VARIANCE
    (piece,) = EPANECHNIKOV.pieces
    points = torch.linspace(-0.99, 0.99, 7)
    expected = [float(piece.density.subs(x, point)) for point in points.tolist()]
    torch.testing.assert_close(Epanechnikov(0.0, 1.0).log_prob(points).exp(), torch.tensor(expected))


@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (-3.0, 0.01), (5.0, 40.0)])
def test_the_density_integrates_to_one_and_has_the_stated_moments_and_entropy(loc: float, scale: float) -> None:
    law = Epanechnikov(loc, scale)
    nodes, weights = (torch.from_numpy(array) for array in np.polynomial.legendre.leggauss(400))
    value, dx = loc + scale * nodes, scale * weights
    log_density = law.log_prob(value)
    density = log_density.exp()
    assert float((density * dx).sum()) == pytest.approx(1, abs=1e-12)
    assert float((value * density * dx).sum()) == pytest.approx(float(law.mean), abs=1e-11)
    assert float(((value - loc) ** 2 * density * dx).sum()) == pytest.approx(float(law.variance), rel=1e-11)
    # The logarithmic singularity at the ends limits the quadrature, not the closed form.
    assert float(-(log_density * density * dx).sum()) == pytest.approx(float(law.entropy()), abs=1e-6)


def test_the_entropy_is_five_thirds_minus_log_three_in_high_precision() -> None:
    exact = -mpmath.quad(lambda t: 0.75 * (1 - t * t) * mpmath.log(0.75 * (1 - t * t)), [-1, 0, 1])
    assert pytest.approx(float(exact), abs=1e-14) == STANDARD_ENTROPY


def test_mean_and_mode_are_loc_and_the_standard_deviation_is_the_root_of_the_variance() -> None:
    law = Epanechnikov(torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5]))
    torch.testing.assert_close(law.mean, law.loc)
    torch.testing.assert_close(law.mode, law.loc)
    torch.testing.assert_close(law.stddev.square(), law.variance)
    assert bool((law.log_prob(law.mode) > law.log_prob(law.mode + 0.1)).all())


def test_a_scale_whose_square_underflows_still_has_a_standard_deviation() -> None:
    assert float(Epanechnikov(0.0, 1e-200).stddev) == pytest.approx(1e-200 / math.sqrt(5))


def test_outside_of_the_support_the_log_density_is_minus_infinity_and_its_gradient_zero() -> None:
    loc, scale = real(0.5, requires_grad=True), real(2.0, requires_grad=True)
    value = torch.tensor([-1e300, -1.6, -1.5, 2.5, 2.6, math.inf, -math.inf], requires_grad=True)
    log_density = Epanechnikov(loc, scale, validate_args=False).log_prob(value)
    assert log_density.tolist() == [-math.inf] * 7
    gradients = torch.autograd.grad(log_density.sum(), (loc, scale, value))
    assert all(bool((gradient == 0).all()) for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("loc", "scale"), [(0.0, 1.0), (0.3, 1e-6), (1e3, 7.0), (0.0, 1e30)])
def test_gradients_are_finite_right_up_to_the_edge(dtype: torch.dtype, loc: float, scale: float) -> None:
    centre = torch.tensor(loc, dtype=dtype, requires_grad=True)
    radius = torch.tensor(scale, dtype=dtype, requires_grad=True)
    law = Epanechnikov(centre, radius, validate_args=False)
    edges = torch.stack([law.low, law.high]).detach()
    towards = torch.full_like(edges, loc)
    values = torch.cat([edges, edges.nextafter(towards), edges.nextafter(towards).nextafter(towards)])
    values.requires_grad_()
    log_density = law.log_prob(values)
    assert not bool(log_density.isnan().any())
    for gradient in torch.autograd.grad(log_density[log_density.isfinite()].sum(), (centre, radius, values)):
        assert bool(gradient.isfinite().all())


@given(loc=locations, scale=scales, t=st.floats(-0.999, 0.999))
@settings(deadline=None, derandomize=True)
def test_the_log_density_is_the_logarithm_of_the_derivative_of_the_distribution_function(
    loc: float, scale: float, t: float
) -> None:
    law = Epanechnikov(real(loc), real(scale))
    value = real(loc + scale * t, requires_grad=True)
    (derivative,) = torch.autograd.grad(law.cdf(value), value)
    assert law.log_prob(value).item() == pytest.approx(math.log(derivative.item()), abs=1e-8)


def test_near_the_edge_the_log_density_is_accurate_where_the_square_would_round_away() -> None:
    gap = 2.0**-50
    exact = mpmath.log(mpmath.mpf(3) / 4 * (1 - (1 - mpmath.mpf(gap)) ** 2))
    assert float(Epanechnikov(0.0, 1.0).log_prob(real(1 - gap))) == pytest.approx(float(exact), rel=1e-15)


def test_not_a_number_stays_not_a_number() -> None:
    law = Epanechnikov(0.0, 1.0, validate_args=False)
    assert all(bool(function(real(math.nan)).isnan()) for function in (law.log_prob, law.cdf, law.icdf))


def test_the_distribution_function_is_zero_below_and_one_above_the_support() -> None:
    law = Epanechnikov(1.0, 2.0)
    values = torch.tensor([-math.inf, -5.0, -1.0, 1.0, 3.0, 9.0, math.inf])
    assert law.cdf(values).tolist() == [0, 0, 0, 0.5, 1, 1, 1]


@given(p=probabilities)
@settings(deadline=None, derandomize=True, max_examples=examples(300))
def test_quantiles_are_accurate_to_rounding(p: float) -> None:
    with mpmath.workdps(60):
        exact = 2 * mpmath.sin(mpmath.asin(2 * mpmath.mpf(p) - 1) / 3)
        assert abs(mpmath.mpf(float(Epanechnikov(0.0, 1.0).icdf(real(p)))) - exact) < 3e-16


@pytest.mark.parametrize("p", [0.0, 5e-324, 1e-300, 1e-20, 1e-17, 1e-16, 1e-8, 0.5, 1 - 1e-8, 1 - 2.0**-53, 1.0])
def test_quantiles_at_the_ends_are_accurate_too_and_their_gradients_finite(p: float) -> None:
    loc, scale, probability = (real(number, requires_grad=True) for number in (0.0, 1.0, p))
    quantile = Epanechnikov(loc, scale).icdf(probability)
    with mpmath.workdps(400):
        exact = 2 * mpmath.sin(mpmath.asin(2 * mpmath.mpf(p) - 1) / 3)
        assert abs(mpmath.mpf(quantile.item()) - exact) < 1e-12
    gradients = torch.autograd.grad(quantile, (loc, scale, probability))
    assert all(bool(gradient.isfinite()) for gradient in gradients)
    assert float(gradients[0]) == 1
    assert float(gradients[1]) == quantile.item()


@pytest.mark.parametrize("scale", [1.0, 0.3, 1e-200, 1e200])
@pytest.mark.parametrize("p", [5e-324, 1e-300, 1e-100, 1e-30, 1e-17, 1e-8, 1e-3, 0.2499, 0.2501, 0.4])
def test_the_distance_of_a_quantile_from_the_end_is_accurate_relative_to_itself(p: float, scale: float) -> None:
    """With loc = r the support begins at 0, and with loc = -r it ends there, so that a quantile is its own distance."""
    with mpmath.workdps(40):
        # sin^2(asin(sqrt p)/3) and its relatives do not cancel; 2 sin(asin(2p - 1)/3) + 1 would.
        angle = 2 * mpmath.asin(mpmath.sqrt(mpmath.mpf(p))) / 3
        distance = float(mpmath.mpf(scale) * (mpmath.sqrt(3) * mpmath.sin(angle) + 2 * mpmath.sin(angle / 2) ** 2))
        # The cubic that it solves, w^2 (3 - w)/4 = p: a check of the formula itself.
        w = mpmath.sqrt(3) * mpmath.sin(angle) + 2 * mpmath.sin(angle / 2) ** 2
        assert abs(w**2 * (3 - w) / 4 / mpmath.mpf(p) - 1) < mpmath.mpf(10) ** -35
    assert Epanechnikov(scale, scale).icdf(real(p)).item() == pytest.approx(distance, rel=1e-15)
    upper = 1 - p
    if 1 - upper == p:
        assert Epanechnikov(-scale, scale).icdf(real(upper)).item() == pytest.approx(-distance, rel=1e-15)


@pytest.mark.parametrize("p", [2.0**-53, 2.0**-40, 2.0**-20, 2.0**-3])
def test_the_upper_quantiles_mirror_the_lower_ones(p: float) -> None:
    law = Epanechnikov(0.0, 3.0)
    assert law.icdf(real(1 - p)).item() == -law.icdf(real(p)).item()


@pytest.mark.parametrize("distance", [1e-300, 1e-30, 1e-17, 1e-3, 0.5])
def test_at_the_very_end_density_and_distribution_function_are_accurate_relative_to_themselves(distance: float) -> None:
    """With loc = r = 1 the support begins at 0: value - loc would round a small value away."""
    law = Epanechnikov(1.0, 1.0)
    w = mpmath.mpf(distance)
    assert law.log_prob(real(distance)).item() == pytest.approx(float(mpmath.log(3 * w * (2 - w) / 4)), rel=1e-15)
    assert law.cdf(real(distance)).item() == pytest.approx(float(w**2 * (3 - w) / 4), rel=1e-15, abs=0)


@pytest.mark.parametrize("p", [1e-30, 1e-3, 0.25, 0.5, 0.75, 0.99])
def test_quantiles_in_single_precision_are_accurate_to_single_precision(p: float) -> None:
    single = torch.tensor(p, dtype=torch.float32)
    found = Epanechnikov(torch.tensor(1.0, dtype=torch.float32), 1.0).icdf(single)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(Epanechnikov(1.0, 1.0).icdf(single.double()).item(), rel=3e-7)


@given(loc=locations, scale=scales, p=st.floats(1e-12, 1 - 1e-12))
@settings(deadline=None, derandomize=True)
def test_quantile_and_distribution_function_are_inverse(loc: float, scale: float, p: float) -> None:
    law = Epanechnikov(real(loc), real(scale))
    # The rounding of loc + scale * t moves the probability by the density times an ulp of the value.
    tolerance = 1e-14 + 2e-15 * (abs(loc) + scale) / scale
    assert float(law.cdf(law.icdf(real(p)))) == pytest.approx(p, abs=tolerance)


def test_the_derivative_of_the_quantile_is_the_reciprocal_of_the_density() -> None:
    law = Epanechnikov(-1.0, 3.0)
    p = torch.linspace(0.001, 0.999, 41, requires_grad=True)
    quantile = law.icdf(p)
    (derivative,) = torch.autograd.grad(quantile.sum(), p)
    torch.testing.assert_close(derivative, (-law.log_prob(quantile)).exp().detach())


def test_probabilities_outside_of_zero_and_one_are_refused_or_not_a_number() -> None:
    with pytest.raises(ValueError, match=r"probability given to icdf must lie in \[0, 1\], got 1.5"):
        Epanechnikov(0.0, 1.0).icdf(torch.tensor([0.5, 1.5]))
    assert Epanechnikov(0.0, 1.0, validate_args=False).icdf(torch.tensor([-0.1, 1.5])).isnan().all()


def test_a_value_broadcasts_against_the_batch() -> None:
    law = Epanechnikov(torch.zeros(3), torch.ones(3))
    assert law.log_prob(torch.zeros(2, 1)).shape == (2, 3)
    with pytest.raises(ValueError, match="broadcast"):
        law.log_prob(torch.zeros(2))


def test_expanding_keeps_whether_arguments_are_validated() -> None:
    assert Epanechnikov(0.0, 1.0, validate_args=False).expand((2,)).log_prob(torch.full((2,), 9.0)).isinf().all()
    with pytest.raises(ValueError, match="support"):
        Epanechnikov(0.0, 1.0, validate_args=True).expand((2,)).log_prob(torch.full((2,), 9.0))


def test_a_subclass_that_does_not_define_expand_is_told_so() -> None:
    class Shifted(Epanechnikov):
        def __init__(self, loc: Tensor) -> None:
            super().__init__(loc, torch.ones_like(loc))

    with pytest.raises(NotImplementedError, match="Shifted"):
        Shifted(torch.zeros(2)).expand((3, 2))


def test_numbers_and_tensors_make_the_same_law_and_its_name_is_printed() -> None:
    assert repr(Epanechnikov(0.0, 2.0)) == "Epanechnikov(loc: 0.0, scale: 2.0)"
    assert isinstance(Epanechnikov(0.0, 2.0), Distribution)
    assert Epanechnikov(0.0, 2.0).log_prob(real(1.0)) == Epanechnikov(real(0.0), real(2.0)).log_prob(real(1.0))


def test_the_test_of_samples_would_notice_a_uniform_law() -> None:
    law = Epanechnikov(0.0, 1.0)
    wrong = 2 * torch.rand(50_000) - 1
    assert stats.kstest(wrong.numpy(), lambda values: law.cdf(torch.from_numpy(values)).numpy()).pvalue < 1e-4


def test_samples_are_medians_of_three_uniforms_drawn_from_the_generator() -> None:
    """Algorithm 2, against a median that is computed by sorting."""
    drawn = standard_epanechnikov((1000,), generator=torch.Generator().manual_seed(3))
    uniforms = 2 * torch.rand(3, 1000, generator=torch.Generator().manual_seed(3)) - 1
    torch.testing.assert_close(drawn, uniforms.median(0).values)


def test_samples_by_the_inverse_are_quantiles_of_uniforms_and_follow_the_same_law() -> None:
    law = Epanechnikov(2.0, 0.5)
    torch.manual_seed(3)
    drawn = law.rsample(torch.Size([50_000]), algorithm="inverse")
    torch.manual_seed(3)
    torch.testing.assert_close(drawn, law.icdf(torch.rand(50_000)))
    assert stats.kstest(law.cdf(drawn).numpy(), "uniform").pvalue > 1e-4
    median = law.rsample(torch.Size([50_000]))
    assert stats.ks_2samp(drawn.numpy(), median.numpy()).pvalue > 1e-4


def test_an_unknown_algorithm_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="algorithm must be median or inverse, got 'mean'"):
        Epanechnikov(0.0, 1.0).rsample(algorithm="mean")


def test_sampling_keeps_type_and_seed() -> None:
    law = Epanechnikov(torch.zeros(2, dtype=torch.float32), 1.0)
    assert law.sample().dtype == torch.float32
    torch.manual_seed(1)
    first = law.sample()
    torch.manual_seed(1)
    assert torch.equal(law.sample(), first)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_gradients_of_samples_are_those_of_implicit_reparametrisation(algorithm: str) -> None:
    """dx/dtheta = -(dF/dtheta) / f, whatever algorithm drew x."""
    loc, scale = torch.full((200,), 0.7, requires_grad=True), torch.full((200,), 1.9, requires_grad=True)
    drawn = Epanechnikov(loc, scale).rsample(algorithm=algorithm)
    pathwise = torch.autograd.grad(drawn.sum(), (loc, scale))
    law = Epanechnikov(loc, scale)
    implicit = torch.autograd.grad(law.cdf(drawn.detach()).sum(), (loc, scale))
    density = law.log_prob(drawn.detach()).exp().detach()
    for path, function in zip(pathwise, implicit, strict=True):
        torch.testing.assert_close(path, -function / density, rtol=1e-6, atol=1e-9)


def test_the_gradient_of_a_mean_square_is_that_of_mean_and_variance() -> None:
    loc, scale = real(0.5, requires_grad=True), real(2.0, requires_grad=True)
    sample = Epanechnikov(loc, scale).rsample(torch.Size([200_000]))
    by_loc, by_scale = torch.autograd.grad(sample.square().mean(), (loc, scale))
    # E x^2 = loc^2 + scale^2 / 5; four standard errors of these means are about 0.016 and 0.012.
    assert float(by_loc) == pytest.approx(1.0, abs=0.016)
    assert float(by_scale) == pytest.approx(0.8, abs=0.012)


def test_gradcheck_of_every_smooth_function() -> None:
    loc, scale = torch.tensor([0.1, -0.4], requires_grad=True), torch.tensor([1.5, 0.9], requires_grad=True)
    value = torch.tensor([0.6, -0.8], requires_grad=True)
    p = torch.tensor([0.2, 0.93], requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, r, x: Epanechnikov(a, r).log_prob(x), (loc, scale, value))
    assert torch.autograd.gradcheck(lambda a, r, x: Epanechnikov(a, r).cdf(x), (loc, scale, value))
    assert torch.autograd.gradcheck(lambda a, r, q: Epanechnikov(a, r).icdf(q), (loc, scale, p))
    assert torch.autograd.gradcheck(lambda a, r: Epanechnikov(a, r).entropy(), (loc, scale))
