"""The constants of kernels in several dimensions and of beta kernels, against quadrature, samples and rivals."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational

from foundation.errors import InputError
from tests.support.examples import examples
from theory.kernel_families import (
    KernelConstants,
    ball_volume,
    product_epanechnikov,
    radial_epanechnikov,
    radial_kl_to_standard_normal,
    symmetric_beta,
)
from theory.kernels import EPANECHNIKOV, KERNELS, x
from theory.posterior import direct_kl_to_standard_normal

DIMENSIONS = (1, 2, 3, 8, 17, 64)
SHAPES = (Rational(3, 4), 1, Rational(3, 2), 2, 3, Rational(17, 2), 40)


def radial_integral(profile: object, dimension: int) -> mpmath.mpf:
    """Integrate a function of |u| over the unit ball: the sphere of radius s has the area d V_d s^(d - 1)."""
    volume = mpmath.pi ** (mpmath.mpf(dimension) / 2) / mpmath.gamma(mpmath.mpf(dimension) / 2 + 1)
    return dimension * volume * mpmath.quad(lambda s: s ** (dimension - 1) * profile(s), [0, 0.5, 0.9, 1])  # type: ignore[operator]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_the_radial_constants_are_those_of_quadrature(dimension: int) -> None:
    kernel = radial_epanechnikov(dimension)
    total = radial_integral(lambda s: 1 - s**2, dimension)

    def density(s: mpmath.mpf) -> mpmath.mpf:
        return (1 - s**2) / total

    second = radial_integral(lambda s: s**2 * density(s), dimension)
    assert float(kernel.variance) == pytest.approx(float(second) / dimension, rel=1e-12)
    roughness = radial_integral(lambda s: density(s) ** 2, dimension)
    assert float(kernel.roughness) == pytest.approx(float(roughness), rel=1e-12)
    entropy = -radial_integral(lambda s: density(s) * mpmath.log(density(s)) if s < 1 else mpmath.mpf(0), dimension)
    assert float(kernel.entropy) == pytest.approx(float(entropy), rel=1e-10, abs=1e-10)


def test_the_volume_of_the_ball_follows_from_that_of_its_slices() -> None:
    for dimension in (2, 3, 7, 64):
        slices = mpmath.quad(lambda h, d=dimension: (1 - h**2) ** (mpmath.mpf(d - 1) / 2), [-1, 0, 1])
        assert float(ball_volume(dimension)) == pytest.approx(
            float(ball_volume(dimension - 1)) * float(slices), rel=1e-9
        )


def test_in_one_dimension_the_kernels_are_the_epanechnikov_kernel() -> None:
    radial, product = radial_epanechnikov(1), product_epanechnikov(1)
    assert radial == product == symmetric_beta(2)
    assert (radial.variance, radial.roughness) == (EPANECHNIKOV.variance, EPANECHNIKOV.roughness)


@pytest.mark.parametrize(("dimension", "radial", "product"), [(8, 0.494, 0.670), (64, 2.157e-4, 0.0407)])
def test_the_roughness_beside_the_normal_density_is_that_on_record(
    dimension: int, radial: float, product: float
) -> None:
    found = [float(family(dimension).relative_roughness) for family in (radial_epanechnikov, product_epanechnikov)]
    assert found == pytest.approx([radial, product], rel=2e-3)


def test_the_divergences_at_64_dimensions_are_those_on_record() -> None:
    found = [float(family(64).normal_divergence) for family in (radial_epanechnikov, product_epanechnikov)]
    assert found == pytest.approx([1.12, 2.95], abs=5e-3)


def test_in_very_many_dimensions_the_constants_are_those_of_stirlings_formula() -> None:
    d = 10_000
    kernel = radial_epanechnikov(d)
    share = sympy.log(kernel.relative_roughness).evalf(20)
    leading = mpmath.log(2) - 2 + mpmath.log(mpmath.pi * d) / 2 + d / mpmath.mpf(2) * (mpmath.log(2) - 1)
    assert float(share) == pytest.approx(float(leading), abs=1e-3)
    divergence = float(kernel.normal_divergence.evalf(20))
    assert divergence == pytest.approx(float(mpmath.log(mpmath.pi * d) / 2 - 1 - mpmath.euler), abs=1e-3)


def test_samples_of_the_radial_kernel_have_its_moments_and_entropy() -> None:
    """A sampler with nothing of the formulas in it: coordinates of uniform points on a sphere of d + 4 dimensions."""
    for dimension in (2, 5, 64):
        points = np.random.default_rng(dimension).standard_normal((40_000, dimension + 4))
        codes = points[:, :dimension] / np.linalg.norm(points, axis=1, keepdims=True)
        heights = 1 - (codes**2).sum(axis=1)
        kernel = radial_epanechnikov(dimension)
        assert codes.var() == pytest.approx(float(kernel.variance), rel=0.02)
        constant = (dimension + 2) / (2 * float(ball_volume(dimension)))
        for sample, exact in (
            (constant * heights, float(kernel.roughness)),
            (-np.log(constant * heights), float(kernel.entropy)),
        ):
            assert abs(sample.mean() - exact) < 5 * sample.std() / np.sqrt(sample.size)


@settings(max_examples=examples(40))
@given(st.integers(1, 64), st.floats(0.05, 6))
def test_no_radial_rival_of_equal_covariance_is_less_rough(dimension: int, power: float) -> None:
    """Kernels proportional to (1 - |u|^2)^p, by beta functions, scaled to the radial kernel's covariance."""
    half, rival = mpmath.mpf(dimension) / 2, mpmath.mpf(power)
    total = mpmath.beta(half, rival + 1)
    roughness = mpmath.beta(half, 2 * rival + 1) / total**2
    # E |u|^2 is half/(half + p + 1), so that 1/(d + 4) a coordinate asks for a stretch.
    stretch = mpmath.sqrt((half + rival + 1) / (half + 2))
    sphere = dimension * mpmath.mpf(float(ball_volume(dimension))) / 2
    scaled = float(roughness / sphere / stretch**dimension)
    assert scaled >= float(radial_epanechnikov(dimension).roughness) * (1 - 1e-9)


def test_the_product_is_rougher_in_every_dimension_but_one() -> None:
    ratios = [
        float(product_epanechnikov(d).relative_roughness / radial_epanechnikov(d).relative_roughness)
        for d in range(1, 65)
    ]
    assert ratios[0] == 1
    assert all(left < right for left, right in pairwise(ratios))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_beta_constants_are_those_of_quadrature(shape: sympy.Expr) -> None:
    kernel, a = symmetric_beta(shape), mpmath.mpf(float(shape))
    ends = [-1, -0.99, 0, 0.99, 1]
    total = mpmath.quad(lambda u: (1 - u**2) ** (a - 1), ends)

    def mean(function: object) -> float:
        return float(mpmath.quad(lambda u: function(u, (1 - u**2) ** (a - 1) / total), ends).real)  # type: ignore[operator]

    near = 1e-4 if shape < 1 else 1e-9
    assert float(kernel.variance) == pytest.approx(mean(lambda u, f: u**2 * f), rel=near)
    assert float(kernel.entropy) == pytest.approx(mean(lambda _, f: -f * mpmath.log(f) if f > 0 else 0), rel=near)
    if shape >= 1:
        assert float(kernel.roughness) == pytest.approx(mean(lambda _, f: f**2), rel=near)


def test_the_beta_kernels_include_the_named_ones() -> None:
    for shape, name in ((1, "uniform"), (2, "epanechnikov"), (3, "biweight"), (4, "triweight")):
        named, kernel = KERNELS[name], symmetric_beta(shape)
        assert (kernel.variance, kernel.roughness) == (named.variance, named.roughness)
        support = mpmath.linspace(-1, 1, 5)
        density = sympy.lambdify(x, named.pieces[0].density, "mpmath")
        entropy = mpmath.quad(lambda u, f=density: -f(u) * mpmath.log(f(u)), support)
        assert float(kernel.entropy) == pytest.approx(float(entropy), abs=1e-10)


def test_the_roughness_is_infinite_where_the_integral_is() -> None:
    assert symmetric_beta(Rational(1, 2)).roughness == sympy.oo
    near = [float(symmetric_beta(Rational(1, 2) + Rational(1, 10**k)).roughness) for k in (2, 3, 4)]
    assert near[0] > 5
    assert near[1:] == pytest.approx([10 * near[0], 100 * near[0]], rel=0.15)


def test_along_the_beta_kernels_the_two_criteria_have_different_optima() -> None:
    shapes = [Rational(k, 4) for k in range(3, 81)]
    kernels = [symmetric_beta(a).rescale(1) for a in shapes]
    roughness = [float(kernel.roughness) for kernel in kernels]
    divergences = [float(kernel.normal_divergence) for kernel in kernels]
    assert shapes[roughness.index(min(roughness))] == 2
    assert all(left > right > 0 for left, right in pairwise(divergences))


@pytest.mark.parametrize("dimension", [1, 3])
def test_the_divergence_from_the_prior_is_that_of_a_sample(dimension: int) -> None:
    """Monte Carlo with a triangular scale: the mean of log q - log p over draws from q."""
    random = np.random.default_rng(dimension)
    scale = np.tril(random.uniform(0.2, 1.2, (dimension, dimension)))
    mean = random.normal(size=dimension)
    points = random.standard_normal((60_000, dimension + 4))
    noise = points[:, :dimension] / np.linalg.norm(points, axis=1, keepdims=True)
    codes = mean + noise @ scale.T
    determinant = float(np.log(np.diag(scale)).sum())
    log_q = np.log((dimension + 2) / (2 * float(ball_volume(dimension)))) + np.log1p(-(noise**2).sum(1)) - determinant
    log_p = -(codes**2).sum(1) / 2 - dimension / 2 * np.log(2 * np.pi)
    difference = log_q - log_p
    exact = float(radial_kl_to_standard_normal(dimension, mean @ mean, (scale**2).sum(), determinant))
    assert abs(difference.mean() - exact) < 5 * difference.std() / np.sqrt(difference.size)


def test_in_one_dimension_the_divergence_from_the_prior_is_that_of_the_direct_posterior() -> None:
    mu, r = sympy.symbols("mu r", positive=True)
    difference = radial_kl_to_standard_normal(1, mu**2, r**2, sympy.log(r)) - direct_kl_to_standard_normal(mu, r)
    assert sympy.simplify(sympy.expand_log(difference)) == 0


@given(st.integers(1, 12), st.integers(1, 30))
@settings(max_examples=examples(20))
def test_scaling_changes_neither_ratio_nor_divergence(dimension: int, tenths: int) -> None:
    for kernel in (radial_epanechnikov(dimension), product_epanechnikov(dimension)):
        scaled = kernel.rescale(Rational(tenths, 10))
        for constant in ("relative_roughness", "normal_divergence"):
            assert float(getattr(scaled, constant)) == pytest.approx(float(getattr(kernel, constant)), rel=1e-12)


def test_a_symbol_may_stand_for_the_dimension() -> None:
    d = sympy.Symbol("d", positive=True, integer=True)
    kernel = radial_epanechnikov(d)
    assert isinstance(kernel, KernelConstants)
    for value in DIMENSIONS:
        known = radial_epanechnikov(value)
        for name in ("variance", "roughness", "entropy"):
            assert float(getattr(kernel, name).subs(d, value)) == pytest.approx(float(getattr(known, name)), rel=1e-12)


@pytest.mark.parametrize("dimension", [0, -1, 1.5, Rational(1, 2)])
def test_a_dimension_is_a_positive_whole_number(dimension: float) -> None:
    for family in (radial_epanechnikov, product_epanechnikov, ball_volume):
        with pytest.raises(InputError, match="the dimension must be a positive whole number, got"):
            family(dimension)


def test_a_shape_is_positive() -> None:
    with pytest.raises(InputError, match="must be positive, got -1"):
        symmetric_beta(-1)
