"""Entropy, roughness and mean distances of a kernel plus a uniform variable: against `theory`, and quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import pytest
import torch
from mpmath import mpf
from sympy import Rational, S
from torch import Tensor

from evae.distributions import closed_forms as convolutions
from theory.posterior import posterior_entropy, posterior_roughness

PAIRS = [
    "0.5 0.3",
    "0.0108 0.004",
    "1 1",
    "1 0.99",
    "1 0.31",
    "1 0.3",
    "1 0.29",
    "1 1e-3",
    "1 1e-6",
    "1e-6 1e-6",
    "3 5",
]

EPANECHNIKOV = (convolutions.epanechnikov_entropy, convolutions.epanechnikov_roughness)

UNIFORM = (convolutions.uniform_entropy, convolutions.uniform_roughness)

BOTH = pytest.mark.parametrize(("entropy", "roughness"), [EPANECHNIKOV, UNIFORM], ids=["epanechnikov", "uniform"])

Formula = Callable[[Tensor, Tensor], Tensor]


def at(formula: Formula, s: float, width: float, dtype: torch.dtype = torch.float64) -> float:
    return float(formula(torch.tensor(s, dtype=dtype), torch.tensor(width, dtype=dtype)))


@pytest.mark.parametrize("pair", PAIRS)
def test_the_epanechnikov_forms_are_those_of_theory(pair: str) -> None:
    s, width = (Rational(number) for number in pair.split())
    entropy, roughness = (float(form(s, width).evalf(30)) for form in (posterior_entropy, posterior_roughness))
    assert at(EPANECHNIKOV[0], float(s), float(width)) == pytest.approx(entropy, abs=4e-15)
    assert at(EPANECHNIKOV[1], float(s), float(width)) == pytest.approx(roughness, rel=2e-15)
    assert at(EPANECHNIKOV[0], float(s), float(width), torch.float32) == pytest.approx(entropy, abs=2e-6)


def test_the_ledgers_entropies() -> None:
    assert at(EPANECHNIKOV[0], 0.5, 0.3) == pytest.approx(0.144982337, abs=5e-10)
    assert at(EPANECHNIKOV[0], 0.0108, 0.004) == pytest.approx(-3.826807242, abs=5e-10)


def distribution(kernel: str, t: mpf) -> mpf:
    t = min(max(t, mpf(-1)), mpf(1))
    return (1 + t) / 2 if kernel == "uniform" else (2 + 3 * t - t**3) / 4


@pytest.mark.parametrize(("kernel", "formulas"), [("epanechnikov", EPANECHNIKOV), ("uniform", UNIFORM)])
@pytest.mark.parametrize(("s", "width"), [(0.5, 0.3), (0.3, 0.5), (2.0, 2.0), (1.0, 0.05)])
def test_entropy_and_roughness_by_quadrature(
    kernel: str, formulas: tuple[Formula, Formula], s: float, width: float
) -> None:
    def density(z: mpf) -> mpf:
        upper, lower = (distribution(kernel, (z + shift) / mpf(s)) for shift in (width, -width))
        return (upper - lower) / (2 * mpf(width))

    def information(z: mpf) -> mpf:
        value = density(z)
        return -value * mpmath.log(value) if value > 0 else mpf(0)

    knots = sorted({mpf(0), abs(mpf(s) - mpf(width)), mpf(s) + mpf(width)})
    with mpmath.workdps(20):
        assert at(formulas[0], s, width) == pytest.approx(float(2 * mpmath.quad(information, knots)), abs=1e-13)
        assert at(formulas[1], s, width) == pytest.approx(
            float(2 * mpmath.quad(lambda z: density(z) ** 2, knots)), rel=1e-13
        )


@BOTH
def test_gradients_are_right_in_every_regime(entropy: Formula, roughness: Formula) -> None:
    s = torch.tensor([0.5, 0.3, 1.0, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    width = torch.tensor([0.3, 0.5, 1.0, 0.01, 0.59], dtype=torch.float64, requires_grad=True)
    for formula in (entropy, roughness):
        assert torch.autograd.gradcheck(formula, (s, width), atol=1e-6)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_finite_however_small_or_unequal_the_widths(
    entropy: Formula, roughness: Formula, dtype: torch.dtype
) -> None:
    sizes = torch.tensor([3e-7, 1e-6, 1e-3, 0.1, 1.0, 30.0, 1e6], dtype=dtype)
    s, width = (grid.reshape(-1).requires_grad_() for grid in torch.meshgrid(sizes, sizes, indexing="ij"))
    for formula in (entropy, roughness):
        value = formula(s, width)
        gradients = torch.autograd.grad(value.sum(), (s, width))
        assert all(bool(tensor.isfinite().all()) for tensor in (value, *gradients))
        # A wider law has a larger entropy and a smaller roughness, in both widths, but for rounding.
        sign = 1 if formula is entropy else -1
        assert all(bool((sign * gradient * width.maximum(s) >= -1e-4 * value.abs()).all()) for gradient in gradients)


@pytest.mark.parametrize("entropy", [EPANECHNIKOV[0], UNIFORM[0]], ids=["epanechnikov", "uniform"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_entropy_is_that_of_the_wider_part_where_the_ratio_is_out_of_range(
    entropy: Formula, dtype: torch.dtype
) -> None:
    size = torch.finfo(dtype).max ** 0.8
    s = torch.tensor([size, 1 / size], dtype=dtype, requires_grad=True)
    width = s.detach().flip(0).requires_grad_()
    value = entropy(s, width)
    gradients = torch.autograd.grad(value.sum(), (s, width))
    assert all(bool(tensor.isfinite().all()) for tensor in (value, *gradients))
    one, tiny = torch.tensor(1.0, dtype=dtype), torch.tensor(torch.finfo(dtype).eps ** 2, dtype=dtype)
    alone = torch.stack([entropy(one, tiny), entropy(tiny, one)])
    torch.testing.assert_close(value - math.log(size), alone, rtol=1e-5, atol=1e-5)


@BOTH
def test_the_entropy_is_at_least_minus_the_log_roughness_and_at_most_the_log_of_the_length(
    entropy: Formula, roughness: Formula
) -> None:
    s, width = torch.rand(2, 500, dtype=torch.float64) + 1e-9
    h = entropy(s, width)
    assert bool((h >= -roughness(s, width).log()).all())
    assert bool((h <= (2 * (s + width)).log()).all())


def test_the_uniform_part_vanishes_smoothly() -> None:
    assert at(EPANECHNIKOV[0], 1.0, 1e-9) == pytest.approx(5 / 3 - math.log(3), abs=1e-15)
    assert at(UNIFORM[0], 1.0, 1e-9) == pytest.approx(float(math.log(2)), abs=1e-9)
    assert at(EPANECHNIKOV[1], 1.0, 1e-9) == pytest.approx(float(S(3) / 5), rel=1e-15)


DISTANCES = {"epanechnikov": convolutions.epanechnikov_mean_distance, "uniform": convolutions.uniform_mean_distance}


def distance_of_kernel(kernel: str, u: mpf) -> mpf:
    """E|K - u| = 2 E max(u - K, 0) - u, and E max(u - K, 0) is the integral of the distribution function up to u."""
    t = min(max(u, mpf(-1)), mpf(1))
    below = (1 + t) ** 2 / 4 if kernel == "uniform" else (t + 1) ** 3 * (3 - t) / 16
    return 2 * (below + max(u - 1, 0)) - u


@pytest.mark.parametrize("kernel", DISTANCES)
def test_the_reference_for_mean_distances_is_the_integral(kernel: str) -> None:
    for u in (-1.5, -0.4, 0.0, 0.7, 1.0, 2.0):
        below = mpmath.quad(lambda t: distribution(kernel, t), [-1, min(max(u, -1), 1)]) + max(u - 1, 0)
        assert float(distance_of_kernel(kernel, mpf(u))) == pytest.approx(float(2 * below - u), rel=1e-14)


@pytest.mark.parametrize("kernel", DISTANCES)
@pytest.mark.parametrize("offset", [0.0, 0.3, -0.9, 1.0, 1.4, -3.0, 50.0])
def test_the_mean_distance_of_the_kernel_alone(kernel: str, offset: float) -> None:
    for s in (1.0, 0.25):
        found = DISTANCES[kernel](torch.tensor(s * offset, dtype=torch.float64), torch.tensor(s, dtype=torch.float64))
        assert float(found) == pytest.approx(s * float(distance_of_kernel(kernel, mpf(offset))), rel=4e-16)


@pytest.mark.parametrize("kernel", DISTANCES)
@pytest.mark.parametrize("pair", ["0.5 0.3", "0.3 0.5", "1 1", "1 1e-3", "1 1e-17", "1e-6 1", "1e-17 1"])
@pytest.mark.parametrize("share", [0.0, 0.2, -0.5, 0.9, 1.0, 1.5])
def test_the_mean_distance_with_a_uniform_part(kernel: str, pair: str, share: float) -> None:
    """The mean of that of the kernel, by quadrature between the points where it changes its formula."""
    s, width = map(float, pair.split())
    offset = share * (s + width)
    with mpmath.workdps(30):
        lower, upper = ((mpf(offset) + side * mpf(width)) / mpf(s) for side in (-1, 1))
        knots = sorted({lower, upper, *(mpf(knot) for knot in (-1, 1) if lower < knot < upper)})
        mean = mpmath.quad(lambda u: distance_of_kernel(kernel, u), knots) / (upper - lower) * mpf(s)
    given = [torch.tensor(value, dtype=torch.float64) for value in (offset, s, width)]
    assert float(DISTANCES[kernel](*given)) == pytest.approx(float(mean), rel=1e-15)
    single = [value.float() for value in given]
    assert float(DISTANCES[kernel](*single)) == pytest.approx(float(mean), rel=1e-6)


@pytest.mark.parametrize("kernel", DISTANCES)
def test_the_gradients_of_mean_distances_are_right_and_finite(kernel: str) -> None:
    formula = DISTANCES[kernel]
    # Among them the points where the pieces of the formulas meet.
    offset = torch.tensor([0.1, -0.7, 0.0, 3.0, 0.45, 1.0, 0.5, 1.5], dtype=torch.float64, requires_grad=True)
    s = torch.tensor([0.5, 0.3, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0], dtype=torch.float64, requires_grad=True)
    width = torch.tensor([0.3, 0.5, 0.9, 0.01, 0.59, 0.5, 0.5, 0.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(formula, (offset, s, width), atol=1e-6)
    assert torch.autograd.gradcheck(formula, (offset, s), atol=1e-6)
    sizes = torch.tensor([1e-20, 1e-6, 1.0, 1e6, 1e18], dtype=torch.float32)
    grids = [grid.reshape(-1).requires_grad_() for grid in torch.meshgrid(sizes, sizes, sizes, indexing="ij")]
    value = formula(*grids)
    assert all(bool(tensor.isfinite().all()) for tensor in (value, *torch.autograd.grad(value.sum(), grids)))


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("s", [1e-3, 1.0, 40.0])
@pytest.mark.parametrize("ratio", [1e-12, 1e-7, 3e-6, 1e-5, 1e-2, 1.0, 30.0])
def test_the_density_of_a_normal_plus_a_uniform_variable_against_50_digits(s: float, ratio: float) -> None:
    """With a uniform part far narrower and far wider than the normal one, from the centre to where exp underflows."""
    width = s * ratio
    offsets = [side * x * max(s, width) for x in (0.0, 0.3, 0.999, 1.0, 1.001, 3.0, 9.0, 60.0) for side in (-1, 1)]
    found = convolutions.normal_plus_uniform_log_density(torch.tensor(offsets), torch.tensor(s), torch.tensor(width))
    with mpmath.workdps(50):
        # As a difference of tails on the side of the offset: 50 digits are enough for a narrow part in the tail.
        expected = []
        for x in map(abs, map(mpmath.mpf, offsets)):
            ends = [(x + side * mpmath.mpf(width)) / mpmath.mpf(s) / mpmath.sqrt(2) for side in (-1, 1)]
            mass = (mpmath.erfc(ends[0]) - mpmath.erfc(ends[1])) / 2
            expected.append(float(mpmath.log(mass / (2 * mpmath.mpf(width)))))
    assert found.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-9)
