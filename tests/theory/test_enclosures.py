"""The enclosed mean of T_m against the quadrature and against figures computed elsewhere."""

import pytest
import sympy
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.bickel_rosenblatt import exact_mean
from theory.claims.bickel_rosenblatt import uniform_mean
from theory.enclosures import enclosed_mean
from theory.errors import InputError
from theory.kernels import EPANECHNIKOV, KERNELS

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


@settings(max_examples=25, deadline=None)
@given(
    m=st.integers(1, 10**6),
    kernel=st.sampled_from(POLYNOMIAL),
    lower=st.integers(-30, 20),
    length=st.integers(1, 40),
    bandwidth=st.floats(0.02, 2.0).map(lambda b: round(b, 3)),
)
def test_the_quadrature_lies_within_the_enclosure(
    m: int, kernel: str, lower: int, length: int, bandwidth: float
) -> None:
    weight = f"window:{lower / 10},{(lower + length) / 10}"
    ball = enclosed_mean(m, kernel, "normal", weight, bandwidth)
    mean = exact_mean(m, kernel, "normal", weight, bandwidth)
    for enclosed, computed in (
        (ball.variance_term, mean.variance_term),
        (ball.product_term, mean.product_term),
        (ball.squared_bias_term, mean.squared_bias_term),
        (ball.total, mean.total),
    ):
        assert enclosed.overlaps(arb(computed, 1e-11 * max(abs(computed), mean.variance_term)))


def test_the_weight_one_holds_the_figure_on_record() -> None:
    total = enclosed_mean(10_000, weight="one").total
    assert total.overlaps(arb("0.5680749566134", 5e-14))
    assert float(total.rad()) < 1e-25


@pytest.mark.parametrize("kernel", ["uniform", "triangular", "triweight"])
@pytest.mark.parametrize("bandwidth", [0.1, 3.0])
def test_under_the_weight_one_the_quadrature_lies_within_the_enclosure(kernel: str, bandwidth: float) -> None:
    ball = enclosed_mean(1000, kernel, "normal", "one", bandwidth)
    mean = exact_mean(1000, kernel, "normal", "one", bandwidth)
    for enclosed, computed in (
        (ball.variance_term, mean.variance_term),
        (ball.product_term, mean.product_term),
        (ball.squared_bias_term, mean.squared_bias_term),
    ):
        assert enclosed.overlaps(arb(computed, 1e-12 * abs(computed)))
        assert float(enclosed.rad()) < 1e-25


def test_a_density_or_weight_that_is_not_enclosed_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="for the normal density, not for laplace"):
        enclosed_mean(100, density="laplace")
    with pytest.raises(InputError, match="a window weight and the weight one, not for inverse-density:-1,1"):
        enclosed_mean(100, weight="inverse-density:-1,1")


def test_a_kernel_with_a_mean_has_the_figures_on_record() -> None:
    shifted = EPANECHNIKOV.transformed(sympy.Rational(1, 2), sympy.Integer(1))
    for m, value in ((100, 0.60393), (10_000, 1.04807), (100_000, 1.55725)):
        assert float(enclosed_mean(m, shifted).total.mid()) == pytest.approx(value, abs=5e-6)


@pytest.mark.parametrize(
    ("exponent", "values"),
    [
        (2 / 9, [1.5751486, 3.6940536, 10.881779, 36.436701]),
        (0.235, [1.510502947, 3.270658867, 8.836122028, 27.44447197]),
    ],
)
def test_the_uniform_densitys_means_are_those_on_record(exponent: float, values: list[float]) -> None:
    m, b = sympy.symbols("m b", positive=True)
    for size, value in zip((100, 1_000, 10_000, 100_000), values, strict=True):
        assert float(uniform_mean(1).subs({m: size, b: size**-exponent})) == pytest.approx(value, rel=5e-8)


@pytest.mark.parametrize("kernel", ["cosine", "gaussian"])
def test_what_cannot_be_enclosed_is_refused(kernel: str) -> None:
    with pytest.raises(InputError, match="piecewise polynomial"):
        enclosed_mean(100, kernel)
    with pytest.raises(InputError, match="positive whole number"):
        enclosed_mean(0)
