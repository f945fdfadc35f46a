"""The table of divergences: all ordered pairs of six laws, PyTorch's own included, against numerical integration.

The densities that are integrated are written here a second time, from the definitions. The parameters are random, from
fixed seeds, and multiples of 2^-12, so that the ends of the supports, touching or not, are exact in both precisions.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from scipy.integrate import quad
from torch import Tensor
from torch.distributions import Distribution, Laplace, Normal, Uniform, kl_divergence

from evae.distributions import Epanechnikov, EpanechnikovPlusUniform, UniformPlusUniform

LAWS: dict[str, Any] = {
    "U": Uniform,
    "N": Normal,
    "L": Laplace,
    "E": Epanechnikov,
    "EU": EpanechnikovPlusUniform,
    "UU": UniformPlusUniform,
}

UNBOUNDED = ("N", "L")

PAIRS = list(itertools.product(LAWS, LAWS))

ALWAYS_INFINITE = [(p, q) for p, q in PAIRS if p in UNBOUNDED and q not in UNBOUNDED]

FINITE = [pair for pair in PAIRS if pair not in ALWAYS_INFINITE]

BOUNDED = [(p, q) for p, q in FINITE if q not in UNBOUNDED]

#: PyTorch gives these the shape of the first law, not of the two broadcast.
SHAPED_AS_THE_FIRST = [("N", "U"), ("L", "U")]

#: Of the divergence, relative to 1 + KL.
TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-6}

PRECISIONS = pytest.mark.parametrize("dtype", TOLERANCES, ids=["double", "single"])

Pair = tuple[str, str]


def of_pairs(pairs: list[Pair]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("pair", pairs, ids=["-".join(pair) for pair in pairs])


@dataclass(frozen=True)
class Law:
    """A law by its kind, its centre, its reach (four scales for N and L) and its narrower width."""

    kind: str
    centre: float
    reach: float
    narrower: float = 0.0
    swapped: bool = False

    @property
    def parameters(self) -> tuple[float, ...]:
        if self.kind == "U":
            return self.centre - self.reach, self.centre + self.reach
        if self.kind == "E":
            return self.centre, self.reach
        if self.kind in UNBOUNDED:
            return self.centre, self.reach / 4
        widths = (self.narrower, self.reach - self.narrower)
        return (self.centre, *(widths[::-1] if self.swapped else widths))

    def distribution(self, dtype: torch.dtype) -> Distribution:
        return made(self.kind, *(torch.tensor(value, dtype=dtype) for value in self.parameters))

    @property
    def knots(self) -> list[float]:
        """Where the density or a derivative of it has a jump."""
        if self.kind in UNBOUNDED:
            return [self.centre]
        steps = (self.reach, self.reach - 2 * self.narrower)
        return [self.centre + side * step for side in (-1, 1) for step in steps]

    def log_density(self, x: float) -> float:
        z, parameters = x - self.centre, self.parameters
        if self.kind == "N":
            return -0.5 * (z / parameters[1]) ** 2 - math.log(parameters[1] * math.sqrt(2 * math.pi))
        if self.kind == "L":
            return -abs(z) / parameters[1] - math.log(2 * parameters[1])
        if self.kind in ("U", "E"):
            t = z / self.reach
            density = (0.5 if self.kind == "U" else 0.75 * (1 - t) * (1 + t)) / self.reach
        else:
            _, s, width = parameters
            lower, upper = ((z - width) / s, (z + width) / s)
            # By symmetry where both distribution functions are small, so that their difference has relative accuracy.
            lower, upper = (lower, upper) if z < 0 else (-upper, -lower)
            density = (self._distribution(upper) - self._distribution(lower)) / (2 * width)
        return math.log(density) if density > 0 else -math.inf

    def _distribution(self, t: float) -> float:
        t = min(max(t, -1.0), 1.0)
        return (1 + t) ** 2 * (2 - t) / 4 if self.kind == "EU" else (1 + t) / 2


def made(kind: str, *parameters: Tensor) -> Distribution:
    law: Distribution = LAWS[kind](*parameters)
    return law


def integral(p: Law, q: Law) -> float:
    """KL(p || q) by adaptive quadrature between all knots, and between points that approach them geometrically."""
    reach = 60 * p.reach if p.kind in UNBOUNDED else p.reach
    ends = (p.centre - reach, p.centre + reach)
    knots = p.knots + q.knots
    near = [knot + side * reach * 16.0**-step for knot in knots for side in (-1, 1) for step in range(9)]
    points = sorted({*ends, *(point for point in knots + near if ends[0] < point < ends[1])})

    def integrand(x: float) -> float:
        ours, theirs = p.log_density(x), q.log_density(x)
        # Within rounding of the ends of the supports a density may be computed to be zero.
        return math.exp(ours) * (ours - theirs) if min(ours, theirs) > -math.inf else 0.0

    # With full output there is no warning where rounding next to an end limits the accuracy of a tiny piece.
    pieces = (quad(integrand, a, b, epsabs=1e-14, epsrel=1e-12, full_output=1) for a, b in itertools.pairwise(points))
    return math.fsum(piece[0] for piece in pieces)


def rounded(value: float) -> float:
    return round(value * 4096) / 4096


def law(kind: str, centre: float, reach: float, numbers: random.Random) -> Law:
    """A law with a random narrower width, down to a thousandth of the reach."""
    share = numbers.choice([0.5, numbers.uniform(0.05, 0.5), 10 ** numbers.uniform(-3, -1)])
    narrower = max(rounded(reach * share), 1 / 4096) if kind in ("EU", "UU") else 0.0
    return Law(kind, centre, reach, narrower, numbers.random() < 0.5)


def pairs_of_laws(pair: Pair, number: int) -> Iterator[tuple[Law, Law]]:
    """Pairs with p within q if q is bounded: touching it, near its size, far narrower, anywhere in it."""
    numbers = random.Random("-".join(pair))
    for _ in range(number):
        outer = rounded(10 ** numbers.uniform(0, 1.5))
        share = numbers.choice([numbers.uniform(0.1, 1), 1.0, 0.999, 10 ** numbers.uniform(-2.5, -1)])
        inner = max(rounded(outer * share), 2 / 4096)
        centre = rounded(numbers.uniform(-2, 2))
        shift = rounded((outer - inner) * numbers.choice([-1.0, 0.0, 1.0, 0.99, numbers.uniform(-1, 1)]))
        yield law(pair[0], centre + shift, inner, numbers), law(pair[1], centre, outer, numbers)


def divergence(p: Law, q: Law, dtype: torch.dtype) -> float:
    found = kl_divergence(p.distribution(dtype), q.distribution(dtype))
    assert found.dtype == dtype
    return found.item()


@of_pairs(FINITE)
def test_it_is_the_integral(pair: Pair) -> None:
    for p, q in pairs_of_laws(pair, 8):
        exact = integral(p, q)
        for dtype, tolerance in TOLERANCES.items():
            assert divergence(p, q, dtype) == pytest.approx(exact, abs=tolerance * (1 + exact)), (p, q)


@of_pairs(BOUNDED)
@PRECISIONS
def test_beyond_the_support_it_is_infinite_and_its_gradient_zero(pair: Pair, dtype: torch.dtype) -> None:
    for centre, reach in ((0.5625, 0.5), (-0.5625, 0.5), (0.0, 1.0625), (9.0, 0.25)):
        p, q = Law(pair[0], centre, reach, 0.125), Law(pair[1], 0.0, 1.0, 0.125)
        parameters = [torch.tensor(value, dtype=dtype, requires_grad=True) for value in (*p.parameters, *q.parameters)]
        first = len(p.parameters)
        value = kl_divergence(made(p.kind, *parameters[:first]), made(q.kind, *parameters[first:]))
        assert value.item() == math.inf
        for gradient in torch.autograd.grad(value, parameters, allow_unused=True):
            assert gradient is None or gradient.item() == 0


@of_pairs(ALWAYS_INFINITE)
@PRECISIONS
def test_of_an_unbounded_law_to_a_bounded_one_it_is_infinite(pair: Pair, dtype: torch.dtype) -> None:
    for p, q in pairs_of_laws(pair, 3):
        assert divergence(p, q, dtype) == math.inf


@pytest.mark.parametrize("kind", LAWS)
@PRECISIONS
def test_of_equal_laws_it_is_exactly_zero(kind: str, dtype: torch.dtype) -> None:
    numbers = random.Random(kind)
    for _ in range(20):
        p = law(kind, rounded(numbers.uniform(-2, 2)), rounded(10 ** numbers.uniform(-1, 2)), numbers)
        assert divergence(p, p, dtype) == 0
        if kind == "UU":
            assert divergence(p, Law(kind, p.centre, p.reach, p.narrower, not p.swapped), dtype) == 0


@of_pairs(FINITE)
@PRECISIONS
def test_values_are_not_negative_and_gradients_finite_for_laws_of_every_size(pair: Pair, dtype: torch.dtype) -> None:
    """Scales over six orders of magnitude, a third of the centres and of the scales equal, so that supports touch."""
    torch.manual_seed(20240521)
    number = 2000

    def sizes(like: Tensor | None = None) -> Tensor:
        drawn = 10 ** (6 * torch.rand(number, dtype=torch.float64) - 3)
        return (drawn if like is None else torch.where(torch.rand(number) < 1 / 3, like.detach(), drawn)).to(dtype)

    centre = (torch.randn(number, dtype=torch.float64) * 10).to(dtype)
    other = torch.where(torch.rand(number) < 1 / 3, centre, (torch.randn(number, dtype=torch.float64) * 10).to(dtype))
    widths = [sizes(), sizes()]
    outer = [sizes(widths[0]), sizes(widths[1])]
    given: list[list[Tensor]] = []
    for kind, place, (wide, narrow) in zip(pair, (centre, other), (widths, outer), strict=True):
        parameters = {
            "U": [place - wide, torch.maximum(place + wide, (place - wide).nextafter(place + 1))],
            "EU": [place, wide, narrow],
            "UU": [place, wide, narrow],
        }.get(kind, [place, wide])
        given.append([parameter.clone().requires_grad_() for parameter in parameters])
    values = kl_divergence(made(pair[0], *given[0]), made(pair[1], *given[1]))
    rounding = torch.finfo(dtype).eps if pair[0] in UNBOUNDED else 0.0  # these are PyTorch's own
    assert bool((values >= -10 * rounding).all())
    gradients = torch.autograd.grad(values.sum(), given[0] + given[1], allow_unused=True)
    assert all(bool(gradient.isfinite().all()) for gradient in gradients if gradient is not None)


@of_pairs(FINITE)
def test_gradients_are_those_of_finite_differences(pair: Pair) -> None:
    numbers = random.Random("gradients of " + "-".join(pair))
    for _ in range(3):
        p = law(pair[0], rounded(numbers.uniform(-0.1, 0.1)), rounded(numbers.uniform(0.3, 0.9)), numbers)
        q = law(pair[1], 0.0, 1.0625, numbers)
        values = (*p.parameters, *q.parameters)
        inputs = tuple(torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values)
        first = len(p.parameters)

        def value(*given: Tensor, first: int = first) -> Tensor:
            return kl_divergence(made(pair[0], *given[:first]), made(pair[1], *given[first:]))

        assert torch.autograd.gradcheck(value, inputs, eps=1e-6 * min(abs(v) for v in values[1:first] or (1.0,)))


@of_pairs([pair for pair in PAIRS if pair not in SHAPED_AS_THE_FIRST])
def test_batches_broadcast(pair: Pair) -> None:
    p, q = Law(pair[0], 0.0, 0.5, 0.125), Law(pair[1], 0.0, 1.0, 0.125)
    first = made(pair[0], *(torch.full((3, 1), value) for value in p.parameters))
    second = made(pair[1], *(torch.full((2,), value) for value in q.parameters))
    values = kl_divergence(first, second)
    assert values.shape == (3, 2)
    torch.testing.assert_close(values, torch.full((3, 2), divergence(p, q, torch.float32)))
