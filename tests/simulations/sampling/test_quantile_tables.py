"""Tables of quantile functions: as exact as double precision, in both tails, at every seam, next to gaps and kinks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sympy import Expr

from foundation.errors import InputError
from foundation.types import Array
from simulations.sampling.quantile_fitting import quantile_table, upper_tail_quantiles
from simulations.sampling.quantile_tables import (
    FURTHER_BITS,
    LEADING_BITS,
    OCTAVES,
    PARTS,
    PIECES_ON_A_SIDE,
    SMALLEST_EXPONENT,
    QuantileTable,
    quantiles_into,
)
from tests.support.examples import examples
from theory.densities.density import Density, probability
from theory.densities.families import LAPLACE, NORMAL, density_named
from theory.kernels import Piece, x

EPSILON = 2.0**-52

SMOOTH = ["normal", "logistic", "laplace", "uniform:-1,1", "uniform:0,3", "beta:2,3", "beta:2.5,1.5"]

ROUGH = [
    "beta:0.1,0.3",
    "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)",
    "mixture:0.5*normal(-5,0.5)+0.5*normal(5,0.5)",
    "mixture:0.3*normal(-5,0.1)+0.7*normal(50,0.5)",
    "mixture:0.1*normal(0,1)+0.9*normal(0,0.001)",
]


def quantiles(density: Density, tails: Array) -> Array:
    values = np.empty_like(tails)
    quantiles_into(values, tails, quantile_table(density))
    return values


def both(tails: Array) -> Array:
    return np.concatenate([-tails, tails])


def some_tails(seed: int, count: int) -> Array:
    """Return tails that are uniform, that are uniform in their logarithm, and all that lie at the ends."""
    generator = np.random.default_rng(seed)
    uniform, logarithmic = generator.uniform(0, 0.5, count), 2.0 ** generator.uniform(-65, -1, count)
    near_a_half = [0.5 - 2.0**-k for k in range(2, 55)]
    return both(np.concatenate([uniform, logarithmic, near_a_half, [0.5, 2.0**-65, 3 * 2.0**-65]]))


def some_seams(seed: int, count: int, bits: int) -> Array:
    generator = np.random.default_rng(seed)
    start, exponent = generator.integers(0, 2**bits, count), generator.integers(-64, -1, count)
    exponent[: count // 2] = -2
    return np.ldexp(1 + start / 2**bits, exponent)


def precise(density: Density) -> tuple[Callable[[mpmath.mpf], mpmath.mpf], ...]:
    """Return the distribution, survival and density function in mpmath's arithmetic."""
    if density.name.startswith("beta"):
        p, q = (mpmath.mpf(number) for number in density.name[5:].split(","))
        return (
            lambda at: mpmath.betainc(p, q, 0, at, regularized=True),
            lambda at: mpmath.betainc(q, p, 0, 1 - at, regularized=True),
            lambda at: at ** (p - 1) * (1 - at) ** (q - 1) / mpmath.beta(p, q),
        )
    pdf = sympy.Piecewise(*((piece.density, x <= piece.upper) for piece in density.pieces))
    return tuple(sympy.lambdify(x, function, "mpmath") for function in (density.distribution, density.survival, pdf))


def errors(density: Density, tails: Array) -> tuple[Array, Array]:
    """Return how far each quantile is off, and how far its level would have to move for it to be right, relatively."""
    distribution, survival, pdf = precise(density)
    forward, backward = np.zeros_like(tails), np.zeros_like(tails)
    lower, upper = (float(end) for end in density.support)
    with mpmath.workdps(30):
        for i, (tail, value) in enumerate(zip(tails, quantiles(density, tails), strict=True)):
            assert lower <= value <= upper
            if value in (lower, upper):
                # The quantile differs from the end of the support by less than rounding.
                inside = mpmath.mpf(value) + (1 if value == lower else -1) * EPSILON * (upper - lower)
                residual = (distribution if tail < 0 else survival)(inside) - abs(tail)
                assert residual > 0
                continue
            point = mpmath.mpf(value)
            residual = (distribution if tail < 0 else survival)(point) - mpmath.mpf(abs(tail))
            forward[i], backward[i] = abs(residual / pdf(point)), abs(residual / abs(tail))
    return forward, backward


def scale(density: Density) -> float:
    below, above = density.quantiles(np.array([0.25, 0.75]))
    return float(above - below)


@pytest.mark.parametrize("name", SMOOTH)
def test_quantiles_are_right_to_a_few_units_in_the_last_place(name: str) -> None:
    density = density_named(name)
    seams = some_seams(2, 30, LEADING_BITS)
    adjacent = np.concatenate([seams, np.nextafter(seams, 0), np.nextafter(seams, 1)])
    tails = np.concatenate([some_tails(1, 60), both(adjacent)])
    forward, _ = errors(density, tails)
    assert (forward <= 8 * EPSILON * np.maximum(np.abs(quantiles(density, tails)), scale(density))).all()


@pytest.mark.parametrize("name", ROUGH)
def test_rough_quantiles_are_right_to_the_last_bits_of_their_level(name: str) -> None:
    """Where a quantile function is steep, its value is known no better than the level is."""
    density = density_named(name)
    seams = np.concatenate([some_seams(3, 20, LEADING_BITS), some_seams(4, 20, LEADING_BITS + FURTHER_BITS)])
    adjacent = np.concatenate([seams, np.nextafter(seams, 0), np.nextafter(seams, 1)])
    tails = np.concatenate([some_tails(5, 60), both(adjacent)])
    forward, backward = errors(density, tails)
    close = forward <= 8 * EPSILON * np.maximum(np.abs(quantiles(density, tails)), scale(density))
    assert (close | (backward <= 32 * EPSILON)).all()


@settings(max_examples=examples(10), deadline=None)
@given(
    st.integers(1, 99),
    st.fractions(-10, 10, max_denominator=10),
    st.fractions(Fraction(1, 1000), 10, max_denominator=1000),
)
def test_any_mixture_is_tabulated(percent: int, mean: Fraction, deviation: Fraction) -> None:
    name = f"mixture:{percent / 100}*normal({float(mean)},{float(deviation)})+{1 - Fraction(percent, 100)}*normal(0,1)"
    density = density_named(name)
    tails = some_tails(6, 10)
    forward, backward = errors(density, tails)
    close = forward <= 8 * EPSILON * np.maximum(np.abs(quantiles(density, tails)), scale(density))
    assert (close | (backward <= 32 * EPSILON)).all()


@pytest.mark.parametrize("name", SMOOTH)
def test_no_seam_shows(name: str) -> None:
    """At every one of them the quantile moves by rounding and by what the step to the next tail brings."""
    density = density_named(name)
    seams = np.unique(np.concatenate([some_seams(7, 5000, LEADING_BITS), 2.0 ** np.arange(-64, 0)]))
    steps = np.abs(quantiles(density, both(seams)) - quantiles(density, both(np.nextafter(seams, 0))))
    wide = np.abs(quantiles(density, both(seams)) - quantiles(density, both(seams * (1 - 2.0**-20))))
    unit = EPSILON * np.maximum(np.abs(quantiles(density, both(seams))), scale(density))
    assert (steps <= 8 * unit + wide * 2.0**-30).all()


@pytest.mark.parametrize("density", [NORMAL, LAPLACE])
def test_the_quantiles_of_a_symmetric_density_are_symmetric(density: Density) -> None:
    tails = np.abs(some_tails(8, 1000))
    assert (quantiles(density, tails) == -quantiles(density, -tails)).all()


@pytest.mark.parametrize("name", [*SMOOTH, *ROUGH])
def test_both_tails_agree_with_the_quantiles_of_theory(name: str) -> None:
    density = density_named(name)
    levels = np.random.default_rng(9).uniform(0.01, 0.99, 1000)
    tails = np.where(levels <= 0.5, -levels, 1 - levels)
    expected = density.quantiles(levels)
    change = np.abs(density.quantiles(levels * (1 + 2.0**-40)) - density.quantiles(levels * (1 - 2.0**-40)))
    assert (np.abs(quantiles(density, tails) - expected) <= 1e-14 * scale(density) + change * 2.0**-6).all()


def slow_piece(tail: float, split: set[int]) -> tuple[int, Fraction]:
    """Return the piece in which a tail lies, and where in it, in rational arithmetic; ``split`` pieces have parts."""
    p, exponent = abs(Fraction(tail)), -1
    while p < Fraction(2) ** exponent:
        exponent -= 1
    place = (p / Fraction(2) ** exponent - 1) * 2**LEADING_BITS
    piece = (exponent - SMALLEST_EXPONENT) * 2**LEADING_BITS + int(place) + (PIECES_ON_A_SIDE if tail > 0 else 0)
    position = place - int(place)
    while piece in split:
        part = int(position * PARTS)
        piece, position = 2 * PIECES_ON_A_SIDE + PARTS * sorted(split).index(piece) + part, position * PARTS - part
    return piece, position


@given(
    st.lists(st.floats(2.0**-65, 0.5), min_size=1, max_size=40),
    st.sampled_from([-1, 1]),
    st.booleans(),
)
def test_the_bits_of_a_tail_say_where_it_lies(magnitudes: list[float], side: int, refined: bool) -> None:
    """A table whose polynomials return the number of the piece, or the position in it, shows what was looked up."""
    tails = side * np.array(magnitudes)
    first = {slow_piece(tail, set())[0] for tail in tails[::2]} if refined else set()
    second = {2 * PIECES_ON_A_SIDE} if refined else set()
    split = first | second
    coefficients = np.zeros((2 * PIECES_ON_A_SIDE + PARTS * len(split), 6))
    parts = np.zeros(len(coefficients), np.int64)
    parts[sorted(split)] = 2 * PIECES_ON_A_SIDE + PARTS * np.arange(len(split))
    found = np.empty((2, tails.size))
    for column, out in enumerate(found):
        coefficients[:] = 0
        coefficients[:, column] = np.arange(len(coefficients)) if column == 0 else 1
        coefficients[sorted(split)] = np.nan
        quantiles_into(out, tails, QuantileTable(coefficients, parts, -np.inf, np.inf))
    expected = [slow_piece(float(tail), split) for tail in tails]
    assert found[0].tolist() == [piece for piece, _ in expected]
    assert [Fraction(position) for position in found[1]] == [position for _, position in expected]


def test_quantiles_stay_inside_the_support() -> None:
    coefficients = np.zeros((2 * PIECES_ON_A_SIDE, 6))
    coefficients[:PIECES_ON_A_SIDE, 0], coefficients[PIECES_ON_A_SIDE:, 0] = -1e-18, 1.1
    out = np.empty(2)
    quantiles_into(out, np.array([-0.1, 0.1]), QuantileTable(coefficients, np.zeros(len(coefficients), int), 0.0, 1.0))
    assert out.tolist() == [0.0, 1.0]


def test_the_first_pieces_cover_every_tail() -> None:
    assert PIECES_ON_A_SIDE == slow_piece(-0.5, set())[0] + 1 == OCTAVES * 2**LEADING_BITS + 1
    assert slow_piece(-(2.0**SMALLEST_EXPONENT), set()) == (0, Fraction(0))


def test_the_upper_tail_is_as_precise_as_the_lower_one() -> None:
    tails = np.array([1e-3, 1e-10, 1e-19])
    assert (upper_tail_quantiles(NORMAL)(tails) == -NORMAL.quantiles(tails)).all()
    skewed, mirrored = density_named("beta:2,3.5"), density_named("beta:3.5,2")
    assert upper_tail_quantiles(skewed)(tails) == pytest.approx(1 - mirrored.quantiles(tails), rel=1e-14)


def test_a_density_without_quantiles_is_refused() -> None:
    density = Density("nameless", NORMAL.pieces, NORMAL.distribution)
    with pytest.raises(InputError, match="nameless has neither a quantile nor a survival function"):
        quantile_table(density)


def test_a_density_that_no_table_can_follow_is_refused() -> None:
    wild = probability + sympy.sin(10**9 * probability) / (2 * 10**9)
    density = Density("wild", (Piece(sympy.Integer(0), sympy.Integer(1), sympy.Integer(1)),), x, quantile=wild)
    density = replace(density, keeps_digits=True)
    with pytest.raises(InputError, match="wild changes too steeply for its quantiles to be tabulated"):
        quantile_table(density)


def on_half_line(name: str, formula: Expr, distribution: Expr) -> Density:
    pieces = (Piece(sympy.Integer(0), sympy.oo, formula),)
    return Density(name, pieces, distribution, survival=sympy.expand(1 - distribution))


def on_line(name: str, formula: Expr, distribution: Expr) -> Density:
    return Density(name, (Piece(-sympy.oo, sympy.oo, formula),), distribution, survival=distribution.subs(x, -x))


HALF, ROOT = sympy.Rational(1, 2), sympy.sqrt(3)
STUDENT = HALF + (x / ROOT / (1 + x**2 / 3) + sympy.atan(x / ROOT)) / sympy.pi
LOGNORMAL = sympy.exp(-(sympy.log(x) ** 2) / 2) / (x * sympy.sqrt(2 * sympy.pi))

#: As a textbook has them: in double precision, these distribution functions have no digits in one tail or in both.
TEXTBOOK = [
    (on_half_line("gamma", x * sympy.exp(-x), 1 - (1 + x) * sympy.exp(-x)), stats.gamma(2)),
    (on_half_line("weibull", 2 * x * sympy.exp(-(x**2)), 1 - sympy.exp(-(x**2))), stats.weibull_min(2)),
    (on_half_line("lognormal", LOGNORMAL, sympy.erfc(-sympy.log(x) / sympy.sqrt(2)) / 2), stats.lognorm(1)),
    (on_line("student", 2 / (sympy.pi * ROOT * (1 + x**2 / 3) ** 2), STUDENT), stats.t(3)),
]


@pytest.mark.parametrize(("density", "law"), TEXTBOOK, ids=lambda value: getattr(value, "name", ""))
def test_formulas_that_lose_their_digits_in_the_tails_are_tabulated_to_double_precision(
    density: Density, law: Any
) -> None:
    table = quantile_table(density)
    tails = np.array([1e-18, 1e-12, 1e-6, 0.01, 0.3])
    for sign, tail, quantiles in ((-1.0, density.distribution, law.ppf), (1.0, density.survival, law.isf)):
        found = np.empty(tails.size)
        quantiles_into(found, sign * tails, table)
        assert found == pytest.approx(solve(tail, tails, quantiles(tails)), rel=1e-13)


def solve(tail: Expr, levels: np.ndarray, starts: np.ndarray) -> list[float]:
    """Solve for the quantiles with 50 digits; those of older versions of SciPy have ten."""
    with mpmath.workdps(50):
        function = sympy.lambdify(x, tail, "mpmath")
        return [
            float(mpmath.findroot(lambda place, level=level: function(place) / level - 1, start))
            for level, start in zip(levels.tolist(), starts.tolist(), strict=True)
        ]


def test_a_closed_quantile_that_loses_its_digits_in_the_tails_is_evaluated_with_more() -> None:
    cauchy = on_line("cauchy", 1 / (sympy.pi * (1 + x**2)), HALF + sympy.atan(x) / sympy.pi)
    density = replace(cauchy, quantile=sympy.tan(sympy.pi * (probability - HALF)))
    tails = np.array([1e-18, 1e-6, 0.3])
    known = 1 / np.tan(np.pi * tails)
    assert density.quantiles(tails) == pytest.approx(-known, rel=1e-14)
    assert upper_tail_quantiles(density)(tails) == pytest.approx(known, rel=1e-14)
