"""The contract that PyTorch's own tests check for every distribution, for every law here."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import AffineTransform, Distribution, Independent, TransformedDistribution, constraints

from evae.distributions import Epanechnikov, EpanechnikovPlusUniform, UniformPlusUniform

pytestmark = pytest.mark.usefixtures("double")

Law = Epanechnikov | EpanechnikovPlusUniform | UniformPlusUniform

FALSE_ALARMS = 1e-5
"""Of each statistical test, were the seed not fixed."""


def batch(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


EXAMPLES: dict[str, Callable[[], Law]] = {
    "Epanechnikov": lambda: Epanechnikov(batch(0.5, -3.0, 40.0), batch(1.5, 0.01, 7.0)),
    "Epanechnikov of numbers": lambda: Epanechnikov(0.2, 1.3),
    "wide uniform": lambda: EpanechnikovPlusUniform(batch(0.5, -3.0), batch(1.0, 0.01), batch(1.7, 0.5)),
    "narrow uniform": lambda: EpanechnikovPlusUniform(batch(0.5, -3.0), batch(2.0, 0.4), batch(0.6, 0.001)),
    "equal widths": lambda: EpanechnikovPlusUniform(0.0, 1.0, 1.0),
    "trapezoid": lambda: UniformPlusUniform(batch(0.5, -3.0, 1.0), batch(1.0, 0.01, 2.0), batch(0.7, 0.5, 1e-3)),
    "triangle": lambda: UniformPlusUniform(0.3, 2.0, 2.0),
}


@pytest.fixture(params=EXAMPLES.values(), ids=list(EXAMPLES))
def law(request: pytest.FixtureRequest, double: None) -> Law:  # noqa: ARG001 (numbers become double precision)
    made: Law = request.param()
    return made


def parameters(law: Law) -> dict[str, Any]:
    return {name: getattr(law, name) for name in law.arg_constraints}


def test_its_parameters_meet_their_constraints_and_its_name_is_printed(law: Law) -> None:
    for name, value in parameters(law).items():
        assert bool(law.arg_constraints[name].check(value).all())
    assert repr(law).startswith(f"{type(law).__name__}(loc: ")


def test_samples_are_detached_and_reparametrised_samples_are_not(law: Law) -> None:
    assert law.has_rsample
    assert not law.sample().requires_grad
    assert law.rsample().requires_grad == law.loc.requires_grad
    if law.loc.requires_grad:
        gradients = torch.autograd.grad(law.rsample((5,)).sum(), tuple(parameters(law).values()))
        assert all(bool(gradient.isfinite().all()) for gradient in gradients)


def test_the_support_is_continuous_has_no_events_and_cannot_be_enumerated(law: Law) -> None:
    for support in (law.support, type(law).support):
        assert not support.is_discrete
        assert support.event_dim == 0
    assert constraints.is_dependent(type(law).support)
    with pytest.raises(NotImplementedError):
        law.enumerate_support()


@pytest.mark.parametrize("sample", [(), (1,), (5, 2)])
def test_shapes(law: Law, sample: tuple[int, ...]) -> None:
    assert law.event_shape == ()
    for value in (law.mean, law.mode, law.variance, law.stddev, law.entropy(), law.low, law.high, law.reach):
        assert value.shape == law.batch_shape
    drawn = law.sample(torch.Size(sample))
    assert drawn.shape == sample + law.batch_shape
    assert law.log_prob(drawn).shape == law.cdf(drawn).shape == law.icdf(law.cdf(drawn)).shape == drawn.shape
    # One value for a whole batch.
    one = torch.zeros(4, *[1] * len(law.batch_shape))
    assert law.cdf(one).shape == law.icdf(one).shape == (4, *law.batch_shape)


@pytest.mark.parametrize("shape", [(), (2,), (2, 1)])
def test_expanding_repeats_the_law(law: Law, shape: tuple[int, ...]) -> None:
    for kind in (law, subclassed(law)):
        wide = kind.expand(torch.Size(shape) + law.batch_shape)
        assert type(wide) is type(kind)
        assert wide.batch_shape == shape + law.batch_shape
        value = law.sample()
        for function in ("log_prob", "cdf"):
            same = getattr(law, function)(value).expand(wide.batch_shape)
            torch.testing.assert_close(getattr(wide, function)(value), same)
        for statistic in ("mean", "variance", "stddev", "mode", "low", "high"):
            torch.testing.assert_close(getattr(wide, statistic), getattr(law, statistic).expand(wide.batch_shape))
        level = law.cdf(value)
        torch.testing.assert_close(wide.icdf(level), law.icdf(level).expand(wide.batch_shape))
        torch.testing.assert_close(wide.entropy(), law.entropy().expand(wide.batch_shape))
        # The entries are drawn independently, not copied.
        many = wide.expand((50, *wide.batch_shape)).sample()
        assert len(many.reshape(50, -1).unique(dim=0)) == 50


def subclassed(law: Law) -> Law:
    kind = type("Subclass", (type(law),), {})
    made: Law = kind(**parameters(law))
    return made


def test_the_law_is_copied_and_pickled(law: Law) -> None:
    value = law.sample()
    for again in (copy.deepcopy(law), pickle.loads(pickle.dumps(law))):
        assert type(again) is type(law)
        assert torch.equal(again.log_prob(value), law.log_prob(value))


def test_every_sample_lies_in_the_support_and_values_beyond_are_refused(law: Law) -> None:
    assert bool(law.support.check(law.sample((2000,))).all())
    for beyond in (law.high + 1, law.low - 1, torch.full_like(law.loc, math.nan)):
        assert not bool(law.support.check(beyond).any())
        with pytest.raises(ValueError, match=r"within the support \(Interval"):
            law.log_prob(beyond.detach())


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan])
def test_a_parameter_out_of_range_is_named_with_its_constraint(law: Law, wrong: float) -> None:
    for name in parameters(law).keys() - {"loc"}:
        given = {**parameters(law), name: torch.full_like(law.loc, wrong)}
        with pytest.raises(ValueError, match=rf"parameter {name} .*constraint GreaterThan"):
            type(law)(**given, validate_args=True)
        type(law)(**given, validate_args=False)


def test_a_location_that_is_not_a_number_is_refused(law: Law) -> None:
    with pytest.raises(ValueError, match=r"parameter loc .*constraint Real"):
        type(law)(**{**parameters(law), "loc": torch.full_like(law.loc, math.nan)}, validate_args=True)


def test_parameters_broadcast_or_are_refused(law: Law) -> None:
    two: dict[str, Any] = {name: torch.ones(2, 1) for name in parameters(law)}
    assert type(law)(**{**two, "scale": torch.ones(3)}).batch_shape == (2, 3)
    two = {name: torch.ones(2) for name in two}
    with pytest.raises(RuntimeError, match="size"):
        type(law)(**{**two, "scale": torch.ones(3)})


def test_the_density_is_the_derivative_of_the_distribution_function(law: Law) -> None:
    values = law.sample((300,)).requires_grad_()
    (density,) = torch.autograd.grad(law.cdf(values).sum(), values)
    torch.testing.assert_close(density, law.log_prob(values).exp().detach(), rtol=1e-8, atol=1e-12)


def test_the_distribution_function_rises_from_zero_to_one_and_is_one_half_at_the_centre(law: Law) -> None:
    steps = torch.linspace(0, 1, 101).reshape(-1, *[1] * len(law.batch_shape))
    levels = law.cdf(law.low + steps * (law.high - law.low))
    assert bool((levels.diff(dim=0) >= 0).all())
    torch.testing.assert_close(law.cdf(law.low), torch.zeros(law.batch_shape))
    torch.testing.assert_close(law.cdf(law.high), torch.ones(law.batch_shape))
    torch.testing.assert_close(law.cdf(law.loc), torch.full(law.batch_shape, 0.5))
    far = torch.tensor(math.inf)
    assert bool((law.cdf(far) == 1).all())
    assert bool((law.cdf(-far) == 0).all())


LEVELS = [
    1e-300,
    1e-30,
    1e-17,
    1e-9,
    1e-3,
    0.1,
    0.2499,
    0.2501,
    0.4,
    0.5,
    0.6,
    0.7499,
    0.7501,
    0.9,
    1 - 1e-9,
    1 - 1e-15,
]


def levels_of(law: Law, *levels: float) -> Tensor:
    """Levels along a new first dimension that broadcasts against the batch."""
    return torch.tensor(levels or LEVELS).reshape(-1, *[1] * len(law.batch_shape))


def test_quantile_and_distribution_function_are_inverse(law: Law) -> None:
    level = levels_of(law)
    quantile = law.icdf(level)
    assert bool((quantile.diff(dim=0) >= 0).all())
    assert bool(law.support.check(quantile).all())
    # The rounding of a quantile moves its level by the density times half an ulp.
    rounding = quantile.abs() * law.log_prob(law.mode).exp() * torch.finfo(torch.float64).eps
    assert bool(((law.cdf(quantile) - level).abs() <= 2 * rounding + 1e-15).all())


def test_the_extreme_quantiles_are_the_ends_and_the_median_is_loc(law: Law) -> None:
    low, median, high = law.icdf(levels_of(law, 0.0, 0.5, 1.0)).unbind()
    assert torch.equal(median, law.loc)
    torch.testing.assert_close(low, law.low, rtol=1e-15, atol=0)
    torch.testing.assert_close(high, law.high, rtol=1e-15, atol=0)


def test_the_derivative_of_the_quantile_is_the_reciprocal_of_the_density(law: Law) -> None:
    level = levels_of(law, 1e-9, 0.01, 0.2, 0.3, 0.7, 0.8, 0.99).expand(7, *law.batch_shape).clone().requires_grad_()
    quantile = law.icdf(level)
    (derivative,) = torch.autograd.grad(quantile.sum(), level)
    # Away from zero, where loc rounds the quantile from which the density is taken.
    torch.testing.assert_close(derivative, (-law.log_prob(quantile)).exp().detach(), rtol=1e-6, atol=0)


def test_gradients_of_quantiles_are_those_of_implicit_differentiation(law: Law) -> None:
    """dx/dtheta = -(dF/dtheta) / f, for every parameter and on every piece of the density."""
    given = {name: value.detach().clone().requires_grad_() for name, value in parameters(law).items()}
    made = type(law)(**given)
    for level in (1e-3, 0.1, 0.24, 0.3, 0.5, 0.74, 0.95):
        quantile = made.icdf(torch.tensor(level))
        direct = torch.autograd.grad(quantile.sum(), list(given.values()), retain_graph=True)
        implicit = torch.autograd.grad(made.cdf(quantile.detach()).sum(), list(given.values()))
        density = made.log_prob(quantile.detach()).exp().detach()
        for ours, function in zip(direct, implicit, strict=True):
            torch.testing.assert_close(ours, -function / density, rtol=1e-6, atol=1e-9)


def test_at_the_ends_the_gradient_in_the_probability_is_zero_and_the_others_are_exact(law: Law) -> None:
    given = {name: value.detach().clone().requires_grad_() for name, value in parameters(law).items()}
    made = type(law)(**given)
    for end, side in ((0.0, -1.0), (1.0, 1.0)):
        level = torch.full(law.batch_shape, end, requires_grad=True)
        by_level, *by_parameter = torch.autograd.grad(made.icdf(level).sum(), (level, *given.values()))
        assert bool((by_level == 0).all())
        for name, gradient in zip(given, by_parameter, strict=True):
            torch.testing.assert_close(gradient, torch.full_like(gradient, 1.0 if name == "loc" else side))


def test_values_outside_of_zero_and_one_are_refused_or_give_nan(law: Law) -> None:
    for wrong in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match=r"probability given to icdf must lie in \[0, 1\], got"):
            law.icdf(torch.tensor([0.5, wrong]).reshape(2, *[1] * len(law.batch_shape)))
    free = type(law)(**parameters(law), validate_args=False)
    assert bool(free.icdf(levels_of(law, -0.1, 1.5, math.nan)).isnan().all())


def test_the_mode_has_the_largest_density(law: Law) -> None:
    assert bool((law.log_prob(law.mode) >= law.log_prob(law.sample((1000,)))).all())


def test_mean_variance_and_entropy_are_those_of_samples(law: Law) -> None:
    number = 100_000
    limit = float(stats.norm.isf(FALSE_ALARMS / 2)) / math.sqrt(number)
    drawn = law.sample((number,))
    for found, expected in (
        (drawn, law.mean),
        ((drawn - law.mean).square(), law.variance),
        (-law.log_prob(drawn), law.entropy()),
    ):
        assert bool(((found.mean(0) - expected).abs() <= limit * found.std(0)).all())


def test_samples_follow_the_distribution_function(law: Law) -> None:
    """Under the probability integral transform they are uniform: Kolmogorov-Smirnov, for every entry of the batch."""
    levels = law.cdf(law.sample((20_000,))).detach().reshape(20_000, -1)
    for column in levels.unbind(1):
        assert stats.kstest(column.numpy(), "uniform").pvalue > FALSE_ALARMS


def test_as_independent_dimensions_the_log_densities_and_entropies_add(law: Law) -> None:
    wide = law.expand((3, *law.batch_shape))
    joint = Independent(wide, len(wide.batch_shape))
    value = wide.sample()
    assert joint.event_shape == wide.batch_shape
    torch.testing.assert_close(joint.log_prob(value), wide.log_prob(value).sum())
    torch.testing.assert_close(joint.entropy(), wide.entropy().sum())


def test_shifted_and_stretched_it_is_the_law_with_those_parameters(law: Law) -> None:
    moved = TransformedDistribution(law, AffineTransform(2.0, 3.0))
    given = {name: 3 * value + (2 if name == "loc" else 0) for name, value in parameters(law).items()}
    direct = type(law)(**given)
    value = direct.sample((50,))
    torch.testing.assert_close(moved.log_prob(value), direct.log_prob(value))
    torch.testing.assert_close(moved.cdf(value), direct.cdf(value))


def test_under_vmap_log_density_and_quantile_are_the_same(law: Law) -> None:
    given = {name: value.detach() for name, value in parameters(law).items()}
    values = law.sample((7,))

    def log_density(value: Tensor) -> Tensor:
        return type(law)(**given, validate_args=False).log_prob(value)

    def quantile(level: Tensor) -> Tensor:
        return type(law)(**given, validate_args=False).icdf(level)

    torch.testing.assert_close(torch.vmap(log_density)(values), law.log_prob(values).detach())
    levels = law.cdf(values).detach()
    torch.testing.assert_close(torch.vmap(quantile)(levels), law.icdf(levels).detach())


def test_single_precision_stays_single_and_agrees(law: Law) -> None:
    single = type(law)(**{name: value.detach().float() for name, value in parameters(law).items()})
    same = type(law)(**{name: value.double() for name, value in parameters(single).items()})
    value = single.sample((100,))
    for function, tolerance in (("log_prob", 1e-4), ("cdf", 1e-6)):
        found = getattr(single, function)(value)
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), getattr(same, function)(value.double()), rtol=1e-5, atol=tolerance)
    level = torch.tensor([1e-30, 1e-6, 0.1, 0.3, 0.6, 0.9]).reshape(-1, *[1] * len(law.batch_shape))
    assert single.icdf(level.float()).dtype == torch.float32
    quantile = single.icdf(level.float()) - single.loc
    exact = same.icdf(level.float().double()) - same.loc
    rounding = torch.finfo(torch.float32).eps * (same.loc.abs() + same.reach)
    assert bool(((quantile.double() - exact).abs() <= 2 * rounding).all())
    torch.testing.assert_close(single.entropy().double(), same.entropy(), rtol=1e-6, atol=1e-6)


def test_an_unvalidated_law_has_no_density_outside_and_a_gradient_of_zero_there(law: Law) -> None:
    given = {name: value.detach().clone().requires_grad_() for name, value in parameters(law).items()}
    free = type(law)(**given, validate_args=False)
    beyond = torch.stack([law.high + 1, law.low - 1, torch.full_like(law.loc, math.inf), law.high, law.low])
    value = beyond.detach().requires_grad_()
    log_density = free.log_prob(value)
    assert bool((log_density.exp() < 1e-6 / law.stddev).all())
    assert bool((log_density[:3] == -math.inf).all())
    outside = log_density[:3].sum() + free.cdf(value).sum()
    for gradient in torch.autograd.grad(outside, (value, *given.values())):
        assert bool(gradient.isfinite().all())
    assert bool(free.log_prob(torch.full_like(law.loc, math.nan)).isnan().all())
    assert bool(free.cdf(torch.full_like(law.loc, math.nan)).isnan().all())


def test_the_laws_are_distributions() -> None:
    assert issubclass(Epanechnikov, Distribution)
    assert issubclass(EpanechnikovPlusUniform, Distribution)
    assert issubclass(UniformPlusUniform, Distribution)
