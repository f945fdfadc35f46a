"""The enclosed mean of T_m against the quadrature and against figures computed elsewhere."""

from __future__ import annotations

import flint
import pytest
import sympy
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from foundation.errors import InputError
from tests.support.examples import examples, first
from theory.bickel_rosenblatt import enclosures
from theory.bickel_rosenblatt.enclosures import enclosed_mean
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.smoothing import Smoothing
from theory.densities.families import density_named
from theory.densities.weights import ONE
from theory.kernels import EPANECHNIKOV, KERNELS, kernel_named

MIXTURE = "mixture:0.25*normal(-1,0.5)+0.75*normal(1,2)"

POLYNOMIAL = [name for name, kernel in KERNELS.items() if kernel.polynomial is not None]


@pytest.mark.parametrize(
    ("bandwidth", "values"),
    [
        ("m^-0.235", ["0.4784478376319", "0.5177454036465", "0.5407631302338", "0.5541551571634"]),
        ("m^-2/9", ["0.4730433724881", "0.5129439960248", "0.5370259455076", "0.5514470527907"]),
    ],
)
def test_the_enclosures_hold_the_figures_on_record(bandwidth: str, values: list[str]) -> None:
    for m, value in zip((100, 1_000, 10_000, 100_000), values, strict=True):
        total = enclosed_mean(m, bandwidth=bandwidth).total
        assert total.overlaps(arb(value, 5e-14))
        assert float(total.rad()) < 1e-25


def test_as_many_digits_as_are_asked_for_are_right() -> None:
    with flint.ctx.workprec(400):
        means = [enclosed_mean(100, digits=digits).total for digits in (25, 60)]
        assert means[0].overlaps(means[1])
        assert means[1].rad() < arb(10) ** -60


DENSITIES_AND_WEIGHTS = [
    *((density, weight) for density in ("normal", "laplace", MIXTURE) for weight in ("one", "inverse-density:-1,1.5")),
    *((density, "window:-1.5,0.75") for density in ("normal", "logistic", "laplace", "uniform:-1,1", MIXTURE)),
    *((density, weight) for density in ("uniform:0,2", "beta:2,3") for weight in ("one", "inverse-density:0.25,0.75")),
    ("logistic", "inverse-density:-1,1.5"),
    ("beta:1.5,2.5", "window:0.25,0.75"),
    ("beta:0.5,1", "inverse-density:0.5,1"),
]


@pytest.mark.slow
@settings(max_examples=examples(25), deadline=None)
@given(
    m=st.integers(1, 10**6),
    kernel=st.sampled_from(POLYNOMIAL),
    choice=st.sampled_from(DENSITIES_AND_WEIGHTS),
    bandwidth=st.sampled_from(["m^-0.235", "m^-2/9", 0.02, 0.1, 0.25, 3.0]),
)
def test_the_quadrature_lies_within_the_enclosure(
    m: int, kernel: str, choice: tuple[str, str], bandwidth: str | float
) -> None:
    density, weight = choice
    if choice[0] == "beta:0.5,1":
        bandwidth = 0.1
    if density == "logistic" and kernel == "triweight":
        kernel = "biweight"  # polylogarithms of high order take seconds
    assert_the_quadrature_lies_within(m, kernel, density, weight, bandwidth)


@pytest.mark.parametrize(
    ("density", "weight"),
    first(1, [("logistic", "one"), ("beta:1.5,2.5", "window:0,1"), ("beta:1.1,1.1", "one")]),
)
def test_a_density_like_a_fractional_power_at_its_ends_and_a_long_tail_are_enclosed_too(
    density: str, weight: str
) -> None:
    assert_the_quadrature_lies_within(1000, "epanechnikov", density, weight, 0.1)


def assert_the_quadrature_lies_within(m: int, kernel: str, density: str, weight: str, bandwidth: str | float) -> None:
    ball = enclosed_mean(m, kernel, density, weight, bandwidth)
    mean = exact_mean(m, kernel, density, weight, bandwidth)
    for enclosed, computed in (
        (ball.variance_term, mean.variance_term),
        (ball.product_term, mean.product_term),
        (ball.squared_bias_term, mean.squared_bias_term),
        (ball.total, mean.total),
    ):
        assert enclosed.overlaps(arb(computed, 1e-11 * max(abs(computed), mean.variance_term)))
        assert float(enclosed.rad()) < 1e-24 * mean.variance_term


def test_breakpoints_that_coincide_are_told_apart_where_they_should_be() -> None:
    """At m = 10^4 the rule m^-1/4 is exactly 1/10, so that -1 + b is the window's end -0.9."""
    assert_the_quadrature_lies_within(10_000, "epanechnikov", "uniform:-1,1", "window:-0.9,0.9", "m^-1/4")


def test_the_weight_one_holds_the_figure_on_record() -> None:
    total = enclosed_mean(10_000, weight="one").total
    assert total.overlaps(arb("0.5680749566134", 5e-14))
    assert float(total.rad()) < 1e-25


def test_a_kernel_with_a_mean_has_the_figures_on_record() -> None:
    shifted = EPANECHNIKOV.transform(sympy.Rational(1, 2), sympy.Integer(1))
    for m, value in ((100, 0.60393), (10_000, 1.04807), (100_000, 1.55725)):
        assert float(enclosed_mean(m, shifted).total.mid()) == pytest.approx(value, abs=5e-6)


@pytest.mark.parametrize(
    ("exponent", "values"),
    [
        ("2/9", ["1.5751486", "3.6940536", "10.881779", "36.436701"]),
        ("0.235", ["1.510502947", "3.270658867", "8.836122028", "27.44447197"]),
    ],
)
def test_the_uniform_densitys_means_are_those_on_record(exponent: str, values: list[str]) -> None:
    for size, value in zip((100, 1_000, 10_000, 100_000), values, strict=True):
        total = enclosed_mean(size, "epanechnikov", "uniform:-1,1", "inverse-density:-1,1", f"m^-{exponent}").total
        assert float(total.mid()) == pytest.approx(float(value), rel=5e-8)


@pytest.mark.parametrize("kernel", ["cosine", "gaussian"])
def test_what_cannot_be_enclosed_is_refused(kernel: str) -> None:
    with pytest.raises(InputError, match="piecewise polynomial"):
        enclosed_mean(100, kernel)
    with pytest.raises(InputError, match="positive whole number"):
        enclosed_mean(0)


@pytest.mark.parametrize("density", first(2, ["normal", "logistic", "laplace", MIXTURE]))
def test_what_is_left_out_beyond_the_reach_is_inside_the_ball(density: str) -> None:
    """With a hundredth of the mass left out in each tail the ball is wide, and still holds the value."""
    whole = enclosed_mean(100, "epanechnikov", density, "one", 0.25)
    smoothing = Smoothing(kernel_named("epanechnikov"), density_named(density), ONE)
    with flint.ctx.workprec(192):
        wide = enclosures._Enclosure(100, smoothing, sympy.Rational(1, 4), 192, enclosures.SPARE_DIGITS).mean()
    for part in ("product_term", "squared_bias_term"):
        assert getattr(wide, part).contains(getattr(whole, part).mid())
        assert getattr(wide, part).rad() > 1000 * getattr(whole, part).rad()
