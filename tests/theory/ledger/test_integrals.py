"""The integrals on which the ledger's claims rest, against rigorous enclosures."""

from __future__ import annotations

import pytest
import sympy
from flint import arb
from sympy import Expr, Integer, Rational

from theory.algebra.balls import EntropyTerm, ball_of
from theory.algebra.enclosed_integrals import enclose_integral
from theory.algebra.self_convolution import enclose_convolution_roughness
from theory.algebra.smooth_parts import Part
from theory.densities.density import Density
from theory.densities.families import LAPLACE, LOGISTIC, NORMAL, beta, mixture, normal, uniform
from theory.kernels import KERNELS, Kernel, Piece, x
from theory.posterior import posterior_law

LAWS = {
    **KERNELS,
    **{f"{name} of variance 1/5": kernel.rescale(variance=Rational(1, 5)) for name, kernel in KERNELS.items()},
    "posterior, wide": posterior_law(1, 2),
    "posterior, narrow": posterior_law(2, Rational(1, 3)),
    "posterior, moved": posterior_law(1, 1, mean=Rational(3, 4)),
}

DENSITIES: list[Density] = [
    *(NORMAL, LOGISTIC, LAPLACE, normal(1, 2), uniform(-1, 3), beta(2, 3), beta(Rational(3, 2), 4)),
    mixture((Rational(1, 2), -1, Rational(1, 2)), (Rational(1, 2), 1, Rational(1, 2))),
]


def enclosed(pieces: tuple[Piece, ...], function: type | None = None, weight: Expr | int = 1, power: int = 1) -> arb:
    total = arb(0)
    for piece in pieces:
        integrand = EntropyTerm(piece.density) if function is EntropyTerm else weight * piece.density**power
        total += enclose_integral(integrand, x, piece.lower, piece.upper)
    return total


def require_equal(value: Expr, ball: arb) -> None:
    assert ball.overlaps(ball_of(value)), (value, ball)
    assert float(ball.rad()) < 1e-12 * max(1.0, abs(float(ball.mid())))


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_constants_of_every_law_are_enclosed(law: Kernel) -> None:
    require_equal(sympy.Integer(1), enclosed(law.pieces))
    assert law.total == 1
    require_equal(law.mean, enclosed(law.pieces, weight=x))
    require_equal(law.second_moment, enclosed(law.pieces, weight=x**2))
    require_equal(law.roughness, enclosed(law.pieces, power=2))
    parts = [Part(piece.lower, piece.upper, piece.density) for piece in law.pieces]
    ball = enclose_convolution_roughness(parts, x)
    # Of several pieces with irrational knots J(K) is a number with the digits that the enclosure determines.
    close = arb(0, 1e-8) if law.convolution_roughness.has(sympy.Float) else arb(0)
    assert ball.overlaps(ball_of(law.convolution_roughness) + close)


@pytest.mark.slow
@pytest.mark.parametrize("law", KERNELS.values(), ids=KERNELS)
def test_the_entropies_of_the_kernels_are_enclosed(law: Kernel) -> None:
    require_equal(law.entropy, enclosed(law.pieces, EntropyTerm))


@pytest.mark.parametrize("density", DENSITIES, ids=lambda density: density.name)
def test_the_densities_and_their_squares_are_enclosed(density: Density) -> None:
    require_equal(sympy.Integer(1), enclosed(density.pieces))
    assert density.squared_distribution is not None
    # sympy has no values of the beta family's incomplete integrals at 0 and 1; just inside it has.
    ends = (Rational(1, 4), Rational(3, 4)) if density.support[1].is_finite else (Integer(-3), Integer(3))
    difference = density.squared_distribution.subs(x, ends[1]) - density.squared_distribution.subs(x, ends[0])
    total = arb(0)
    for piece in density.pieces:
        low, high = max(piece.lower, ends[0]), min(piece.upper, ends[1])
        total += enclose_integral(piece.density**2, x, low, high) if low < high else 0
    require_equal(difference, total)
