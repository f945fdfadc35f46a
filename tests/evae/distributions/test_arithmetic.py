"""Compensated sums and cube roots, against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import mpmath
import pytest
import torch

from evae.distributions.arithmetic import compensated_sum, cube_root, log_normal_cdf, require_probabilities


def real(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


@pytest.mark.parametrize("terms", [(1.0, 1e-20, -1.0), (1e8, 0.1, -1e8, 1e-9), (0.3, 0.7, -1.0), (1e300, 1.0, -1e300)])
def test_a_compensated_sum_is_the_exact_sum_rounded(terms: tuple[float, ...]) -> None:
    exact = float(sum(Fraction(term) for term in terms))
    assert compensated_sum(*map(real, terms)).item() == exact


def test_the_gradient_of_a_compensated_sum_is_one_in_every_term() -> None:
    terms = [real(value).requires_grad_() for value in (1.0, 1e-20, -1.0)]
    assert [gradient.item() for gradient in torch.autograd.grad(compensated_sum(*terms), terms)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("x", [5e-324, 1e-310, 1e-300, 1e-17, 0.1, 1.0, 27.0, 1e300])
def test_cube_roots_are_accurate_to_rounding(x: float) -> None:
    with mpmath.workdps(40):
        exact = float(mpmath.cbrt(mpmath.mpf(x)))
    assert cube_root(real(x)).item() == pytest.approx(exact, rel=3e-16, abs=0)


def test_the_gradient_of_a_cube_root_is_right() -> None:
    x = torch.tensor([1e-3, 0.7, 30.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cube_root, x, eps=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_logarithm_of_the_normal_distribution_function_and_its_gradient_keep_their_digits(
    dtype: torch.dtype,
) -> None:
    x = torch.tensor(
        [-1e8, -1e4, -300.0, -9.0, -1.0, -1e-3, 0.0, 1e-3, 1.0, 6.0, 13.0], dtype=dtype, requires_grad=True
    )
    found = log_normal_cdf(x)
    (gradient,) = torch.autograd.grad(found.sum(), x)
    with mpmath.workdps(40):
        points = [mpmath.mpf(value) for value in x.tolist()]
        logarithms = [mpmath.log(mpmath.erfc(-point / mpmath.sqrt(2)) / 2) for point in points]
        slopes = [mpmath.npdf(point) / mpmath.exp(value) for point, value in zip(points, logarithms, strict=True)]
    tolerance = 50 * torch.finfo(dtype).eps
    assert found.tolist() == pytest.approx([float(value) for value in logarithms], rel=tolerance, abs=1e-38)
    assert gradient.tolist() == pytest.approx([float(value) for value in slopes], rel=tolerance, abs=1e-35)


def test_the_first_number_that_is_not_a_probability_is_named() -> None:
    require_probabilities(torch.tensor([0.0, 0.5, 1.0]))
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\], got -2\.0\. Clamp .* validate_args=False to get NaN"):
        require_probabilities(torch.tensor([[0.5], [-2.0], [7.0]]))
