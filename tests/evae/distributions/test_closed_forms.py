"""Entropy and roughness of a kernel plus a uniform variable: against the exact forms of `theory`, and quadrature."""

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
