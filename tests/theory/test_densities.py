"""Densities and weights: their definitions agree with each other, and A2 to A4 are decided rightly."""

import pytest
import sympy
from mpmath import mp
from sympy import Abs, Rational, exp, oo, sqrt

from theory.densities import (
    DENSITIES,
    NORMAL,
    Density,
    Weight,
    density_assumptions,
    density_named,
    integral_of,
    probability,
    weight_conditions,
    weight_named,
    window,
)
from theory.errors import InputError
from theory.kernels import Piece, x

EVERY_DENSITY = pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
ZERO, ONE = sympy.Integer(0), sympy.Integer(1)


def density_of(*pieces: Piece) -> Density:
    """Return a density of which only the pieces matter."""
    return Density("test", pieces, distribution=ZERO, quantile=ZERO)


UNIFORM = density_of(Piece(ZERO, ONE, ONE))
LAPLACE = density_of(Piece(-oo, ZERO, exp(x) / 2), Piece(ZERO, oo, exp(-x) / 2))
TRIANGULAR = density_of(Piece(-ONE, ZERO, 1 + x), Piece(ZERO, ONE, 1 - x))
UNBOUNDED = density_of(Piece(ZERO, ONE, 1 / (2 * sqrt(x))))
LOGISTIC = density_of(Piece(-oo, oo, exp(-x) / (1 + exp(-x)) ** 2))


def failures(density: Density) -> set[str]:
    return {condition.name.split(":")[0] for condition in density_assumptions(density) if not condition.holds}


@EVERY_DENSITY
def test_a_density_integrates_to_one(density: Density) -> None:
    assert integral_of(density.pieces) == 1


@EVERY_DENSITY
def test_the_distribution_function_is_the_integral_of_the_density(density: Density) -> None:
    for piece in density.pieces:
        assert sympy.simplify(sympy.diff(density.distribution, x) - piece.density) == 0
    assert sympy.limit(density.distribution, x, density.support[0]) == 0


@EVERY_DENSITY
def test_the_quantile_inverts_the_distribution_function(density: Density) -> None:
    assert sympy.simplify(density.distribution.subs(x, density.quantile) - probability) == 0


@EVERY_DENSITY
def test_the_quantile_is_the_increasing_branch(density: Density) -> None:
    quantile = sympy.lambdify(probability, density.quantile, "scipy")
    distribution = sympy.lambdify(x, density.distribution, "mpmath")
    for level in (1e-300, 1e-12, 0.2, 0.5, 0.7):
        assert float(distribution(mp.mpf(float(quantile(level))))) == pytest.approx(level, rel=1e-11)


def test_the_normal_density_meets_every_assumption() -> None:
    assert failures(NORMAL) == set()


@pytest.mark.parametrize(
    ("density", "broken"),
    [
        (UNIFORM, {"A2", "A3", "A4"}),
        (TRIANGULAR, {"A2", "A3", "A4"}),
        (LAPLACE, {"A4"}),
        (UNBOUNDED, {"A2", "A3", "A4"}),
        (LOGISTIC, set()),
    ],
    ids=["uniform", "triangular", "laplace", "unbounded", "logistic"],
)
def test_each_assumption_is_decided(density: Density, broken: set[str]) -> None:
    assert failures(density) == broken


def test_a_broken_assumption_says_where_it_breaks() -> None:
    reasons = {condition.name: condition.reason for condition in density_assumptions(LAPLACE)}
    assert reasons["A4: f'' exists and is bounded"] == "f' jumps from 1/2 to -1/2 at 0"


def test_a_window_meets_what_the_theorem_asks_of_a_weight() -> None:
    assert all(condition.holds for condition in weight_conditions("window:-2,2"))


def test_the_reciprocal_of_the_normal_density_is_no_weight_for_the_theorem() -> None:
    reciprocal = Weight("1/f", (Piece(-oo, oo, 1 / NORMAL.pieces[0].density),))
    broken = {condition.name for condition in weight_conditions(reciprocal) if not condition.holds}
    assert broken == {"weight: integrable", "weight: bounded"}


def test_a_pole_inside_the_window_is_found() -> None:
    broken = {condition.name for condition in weight_conditions(Weight("pole", (Piece(-ONE, ONE, 1 / Abs(x)),)))}
    assert "weight: bounded" in broken


def test_a_product_of_piecewise_functions_is_integrated_over_what_they_share() -> None:
    assert integral_of(TRIANGULAR.pieces, window(Rational(1, 2), 3).pieces) == Rational(1, 8)
    assert integral_of(TRIANGULAR.pieces, window(1, 3).pieces) == 0


@pytest.mark.parametrize(
    ("text", "support"),
    [
        ("window:-2,2", (-2, 2)),
        ("window:0.1,.25", (Rational(1, 10), Rational(1, 4))),
        ("window:-1e1, 3.", (-10, 3)),
    ],
)
def test_a_window_is_read_exactly(text: str, support: tuple[Rational, Rational]) -> None:
    assert weight_named(text).support == support


def test_the_name_of_a_window_reads_back_as_the_same_window() -> None:
    weight = weight_named("window:-1.25,3")
    assert weight_named(weight.name) == weight


@pytest.mark.parametrize(
    "text",
    [
        *("", "one", "window", "window:", "window:1", "window:1,2,3", "window:2,-2", "window:1,1"),
        *("window:a,b", "window:nan,2", "window:0,inf", "window:__import__('os'),2"),
    ],
)
def test_a_bad_weight_is_refused_in_one_sentence_with_the_remedy(text: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*window:[^\n]*$"):
        weight_named(text)


def test_an_unknown_density_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"'norml' is no density. Did you mean normal\?"):
        density_named("norml")


def test_an_object_is_accepted_where_its_name_is() -> None:
    assert density_named(NORMAL) is NORMAL
    assert weight_named(window(-2, 2)) == weight_named("window:-2,2")
