"""The divergences by quadrature where they are hardest, against 30 digits; `test_table` has them for random laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import mpmath
import pytest
import torch
from mpmath import mpf
from torch.distributions import Distribution, Independent, Uniform, kl_divergence

from evae.distributions import Epanechnikov, EpanechnikovPlusUniform, UniformPlusUniform

pytestmark = pytest.mark.usefixtures("double")


def widths(law: Any) -> list[mpf]:
    """The half-widths of the parts of a law, of which a uniform law has its own."""
    if isinstance(law, Uniform):
        return [(mpf(float(law.high)) - mpf(float(law.low))) / 2]
    return [mpf(float(getattr(law, name))) for name in ("scale", "half_width") if hasattr(law, name)]


def lower_end(law: Any) -> mpf:
    return mpf(float(law.low)) if isinstance(law, Uniform) else mpf(float(law.loc)) - sum(widths(law))


def knots(law: Any) -> list[mpf]:
    reach, edge = sum(widths(law)), 2 * min(widths(law))
    return [lower_end(law) + step for step in (0, edge, reach, 2 * reach - edge, 2 * reach)]


def density(law: Any) -> Callable[[mpf], mpf]:
    centre, (s, *half_width) = lower_end(law) + sum(widths(law)), widths(law)

    def distribution(t: mpf) -> mpf:
        t = min(max(t, mpf(-1)), mpf(1))
        return (1 + t) / 2 if isinstance(law, Uniform | UniformPlusUniform) else (2 + 3 * t - t**3) / 4

    if isinstance(law, Uniform):
        return lambda _: 1 / (2 * s)
    if not half_width:
        return lambda x: 3 / (4 * s) * (1 - ((x - centre) / s) ** 2)
    (width,) = half_width
    return lambda x: (distribution((x - centre + width) / s) - distribution((x - centre - width) / s)) / (2 * width)


def exact(p: Any, q: Any) -> float:
    """KL(p || q) by tanh-sinh quadrature between the knots of both laws and points that approach them geometrically."""
    with mpmath.workdps(40):
        lower, *_, upper = own = knots(p)
        steps = [(upper - lower) * mpf(2) ** (-10 * step) for step in range(1, 5)]
        near = [knot + side * step for knot in own + knots(q) for side in (-1, 1) for step in steps]
        points = sorted({point for point in (*own, *knots(q), *near) if lower <= point <= upper})
        ours, theirs = density(p), density(q)

        def integrand(x: mpf) -> mpf:
            value, other = ours(x), theirs(x)
            return value * mpmath.log(value / other) if min(value, other) > 0 else mpf(0)

        return float(sum(mpmath.quad(integrand, piece, maxdegree=5) for piece in pairwise(points)))


CASES: dict[str, Callable[[], tuple[Distribution, Distribution]]] = {
    "almost equal": lambda: (
        EpanechnikovPlusUniform(0.0, 0.75, 0.25 - 2**-30),
        EpanechnikovPlusUniform(0.0, 0.75, 0.25),
    ),
    "almost equal in the other part": lambda: (
        EpanechnikovPlusUniform(0.0, 0.25, 0.75 - 2**-20),
        EpanechnikovPlusUniform(0.0, 0.25 - 2**-20, 0.75),
    ),
    "touching with far narrower parts": lambda: (
        EpanechnikovPlusUniform(0.5, 0.5 - 2**-30, 2**-30),
        EpanechnikovPlusUniform(0.0, 2**-20, 1 - 2**-20),
    ),
    "uniform, touching": lambda: (Uniform(0.0, 1.25), EpanechnikovPlusUniform(0.0, 1.0, 0.25)),
    "uniform, touching a narrow edge": lambda: (Uniform(-1.25, 1.0), UniformPlusUniform(0.0, 2**-28, 1.25 - 2**-28)),
    "uniform, nearly touching": lambda: (Uniform(0.0, 1.25 - 2**-40), EpanechnikovPlusUniform(0.0, 1.0, 0.25)),
    "uniform, on a parabola that ends next to its zero": lambda: (
        Uniform(-1 - 2**-24, 1 + 2**-24),
        EpanechnikovPlusUniform(0.0, 1.0, 2**-24),
    ),
    "Epanechnikov, with a narrow uniform part": lambda: (
        Epanechnikov(0.0, 1.0),
        EpanechnikovPlusUniform(0.0, 1.0, 2**-30),
    ),
    "to Epanechnikov, touching": lambda: (EpanechnikovPlusUniform(-0.5, 0.375, 0.125), Epanechnikov(0.0, 1.0)),
    "to Epanechnikov, touching, with a narrow kernel": lambda: (
        EpanechnikovPlusUniform(0.5, 2**-33, 0.5 - 2**-33),
        Epanechnikov(0.0, 1.0),
    ),
    "far narrower, next to an end": lambda: (
        UniformPlusUniform(1.25 - 2**-28, 2**-31, 2**-29),
        EpanechnikovPlusUniform(0.0, 1.0, 0.25),
    ),
    "far narrower, on an edge that is narrow": lambda: (
        EpanechnikovPlusUniform(-1 + 2**-25, 2**-30, 2**-31),
        EpanechnikovPlusUniform(0.0, 2**-22, 1 - 2**-22),
    ),
    "trapezoids": lambda: (UniformPlusUniform(0.25, 0.5, 0.25 - 2**-35), UniformPlusUniform(0.0, 0.25, 0.75)),
    "far from zero": lambda: (
        EpanechnikovPlusUniform(2.0**20, 0.5, 0.125),
        EpanechnikovPlusUniform(2.0**20 + 0.25, 0.75, 0.25),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_integral_in_the_hardest_cases(case: str) -> None:
    p, q = CASES[case]()
    value = exact(p, q)
    assert kl_divergence(p, q).item() == pytest.approx(value, abs=1e-14 * (1 + value))


def test_supports_that_touch_after_rounding_count_as_touching() -> None:
    """-0.3 - 0.7 is -1 in double precision, though the exact sum of the two numbers is above -1."""
    q = EpanechnikovPlusUniform(0.0, 0.3, 0.7)
    for p in (Uniform(-1.0, 1.0), Epanechnikov(0.0, 1.0), UniformPlusUniform(0.0, 0.5, 0.5)):
        assert math.isfinite(kl_divergence(p, q).item())
    near = EpanechnikovPlusUniform(0.0, torch.tensor(0.3).nextafter(torch.tensor(0.0)), 0.7)
    assert 0 <= kl_divergence(near, q).item() < 1e-15


def test_a_wider_law_is_never_contained_however_its_ends_round() -> None:
    """At 1e8 both supports round to the one point that double precision has there."""
    narrow, wide = EpanechnikovPlusUniform(1e8, 2e-10, 8e-10), UniformPlusUniform(1e8, 1e-9, 1e-9)
    assert kl_divergence(wide, narrow).item() == math.inf
    centred = kl_divergence(EpanechnikovPlusUniform(0.0, 2e-10, 8e-10), UniformPlusUniform(0.0, 1e-9, 1e-9))
    assert kl_divergence(narrow, wide).item() == pytest.approx(centred.item(), rel=1e-14)


@pytest.mark.parametrize("gap", [0.0, 2.0**-50, 2.0**-30, 2.0**-10])
def test_gradients_are_right_next_to_touching_supports(gap: float) -> None:
    """By the loc of p the derivative of the divergence from a triangle to a kernel, in closed form at gap 0."""
    loc, width = torch.tensor(-0.5 + gap, requires_grad=True), torch.tensor(0.25, requires_grad=True)
    (found,) = torch.autograd.grad(kl_divergence(UniformPlusUniform(loc, width, 0.25), Epanechnikov(0.0, 1.0)), loc)
    step = 2.0**-26
    below, above = (
        exact(UniformPlusUniform(-0.5 + gap + side * step, 0.25, 0.25), Epanechnikov(0.0, 1.0)) for side in (1, 2)
    )
    # The one-sided difference has an error of step log step.
    assert found.item() == pytest.approx((above - below) / step, abs=1e-5)


def test_equal_laws_have_a_gradient_of_zero() -> None:
    scale, half_width = (torch.tensor(value, requires_grad=True) for value in (0.3, 0.2))
    value = kl_divergence(EpanechnikovPlusUniform(0.1, scale, half_width), EpanechnikovPlusUniform(0.1, 0.3, 0.2))
    assert [gradient.item() for gradient in torch.autograd.grad(value, (scale, half_width))] == [0.0, 0.0]


def test_scaling_and_shifting_both_laws_does_not_change_it() -> None:
    reference = kl_divergence(EpanechnikovPlusUniform(0.25, 0.5, 0.125), UniformPlusUniform(0.0, 1.0, 0.5)).item()
    for unit in (2.0**-900, 2.0**-20, 2.0**900):
        p = EpanechnikovPlusUniform(0.25 * unit, 0.5 * unit, 0.125 * unit)
        assert kl_divergence(p, UniformPlusUniform(0.0, unit, 0.5 * unit)).item() == pytest.approx(reference, rel=1e-14)


def test_divergences_of_independent_dimensions_add_and_may_be_mapped() -> None:
    scales = torch.tensor([0.5, 0.25, 0.7])

    def divergence(scale: torch.Tensor) -> torch.Tensor:
        p = EpanechnikovPlusUniform(torch.zeros_like(scale), scale, 0.1, validate_args=False)
        return kl_divergence(p, UniformPlusUniform(torch.zeros_like(scale), 0.5, 0.6, validate_args=False))

    separate = divergence(scales)
    torch.testing.assert_close(torch.vmap(divergence)(scales), separate)
    p = Independent(EpanechnikovPlusUniform(torch.zeros(3), scales, 0.1), 1)
    q = Independent(UniformPlusUniform(torch.zeros(3), 0.5, 0.6), 1)
    torch.testing.assert_close(kl_divergence(p, q), separate.sum())
