"""A user's own density: its formulas must describe one distribution, or a sentence says which does not."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Integer, Rational, atan, erfc, exp, log, oo, pi, sqrt, tan

from foundation.errors import InputError
from simulations.engines.exact.statistic import tm_statistic
from simulations.study.study import Study
from tests.support.examples import examples
from theory.bickel_rosenblatt.mean import exact_mean
from theory.densities.density import Density, probability
from theory.densities.families import beta, density_named, mixture, normal, uniform
from theory.densities.validation import valid_density
from theory.kernels import Piece, x

ZERO, UNIT, HALF = Integer(0), Integer(1), Rational(1, 2)

FLAT = (Piece(ZERO, UNIT, UNIT),)

GAMMA = Density("gamma", (Piece(ZERO, oo, x * exp(-x)),), 1 - (1 + x) * exp(-x), survival=(1 + x) * exp(-x))


@pytest.mark.parametrize(
    "density",
    [
        GAMMA,
        Density(
            "cauchy",
            (Piece(-oo, oo, 1 / (pi * (1 + x**2))),),
            HALF + atan(x) / pi,
            tan(pi * (probability - HALF)),
            survival=HALF - atan(x) / pi,
        ),
        Density("triangle", (Piece(-UNIT, ZERO, 1 + x), Piece(ZERO, UNIT, 1 - x)), HALF + x - x * abs(x) / 2),
        Density("tent", (Piece(-UNIT, UNIT, 1 - abs(x)),), HALF + x - x * abs(x) / 2),
        Density("decimal", (Piece(ZERO, UNIT, 0.5 + x),), 0.5 * x + x**2 / 2),
        Density("ray", (Piece(ZERO, UNIT, 1 / (2 * sqrt(x))),), sqrt(x), probability**2, survival=1 - sqrt(x)),
        pytest.param(
            Density(
                "lognormal",
                (Piece(ZERO, oo, exp(-(log(x) ** 2) / 2) / (x * sqrt(2 * pi))),),
                erfc(-log(x) / sqrt(2)) / 2,
                survival=erfc(log(x) / sqrt(2)) / 2,
            ),
            marks=pytest.mark.slow,
        ),
        normal(1, 2),
        uniform(0, 3),
        beta(HALF, Rational(7, 3)),
        mixture((HALF, -1, 1), (HALF, 5, Rational(1, 10))),
    ],
    ids=lambda density: density.name,
)
def test_a_density_whose_formulas_agree_is_valid(density: Density) -> None:
    assert valid_density(density, drawn=True) is density


@pytest.mark.parametrize(
    ("density", "reason"),
    [
        (
            Density("two", (Piece(ZERO, Integer(2), UNIT),), x / 2),
            "the density two must integrate to 1, got 2. Divide it by 2",
        ),
        (Density("pole", (Piece(ZERO, UNIT, 1 / x),), x), "must integrate to 1, got inf"),
        (Density("neg", (Piece(-UNIT, UNIT, HALF + x),), (x + 1) / 2), "a density must be nonnegative"),
        (Density("bad", FLAT, x**2), "the distribution function of bad must agree with its density"),
        (Density("up", FLAT, x, survival=1 - x**2), "the survival function of up must agree"),
        (Density("back", FLAT, x, quantile=probability**2), "the quantile function of back must agree"),
        (Density("square", FLAT, x, squared_distribution=2 * x), "the integral of the square of square must agree"),
        (Density("gap", (Piece(ZERO, UNIT, HALF), Piece(Integer(2), Integer(3), HALF)), x), "must follow each other"),
        (Density("order", (Piece(UNIT, ZERO, UNIT),), x), "must have its lower end first"),
        (Density("free", (Piece(ZERO, UNIT, sympy.Symbol("a")),), x), "must have no symbol but x"),
        (Density("normal", (Piece(ZERO, UNIT, 2 * x),), x), "the distribution function of normal must agree"),
    ],
)
def test_a_density_that_contradicts_itself_is_refused(density: Density, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        valid_density(density, drawn=True)


@settings(max_examples=examples(15))
@given(
    field=st.sampled_from(["distribution", "survival", "pieces"]),
    share=st.fractions(min_value=Fraction(1, 1000), max_value=Fraction(1, 2), max_denominator=1000),
)
def test_a_formula_that_is_a_little_off_is_refused(field: str, share: Fraction) -> None:
    factor = 1 + Rational(share.numerator, share.denominator)
    right: dict[str, Expr] = {"distribution": GAMMA.distribution, "survival": GAMMA.survival}
    if field == "pieces":
        spoilt = dataclasses.replace(GAMMA, pieces=(Piece(ZERO, oo, factor * x * exp(-x)),))
    else:
        spoilt = dataclasses.replace(GAMMA, **{field: right[field] * factor})
    with pytest.raises(InputError, match="must"):
        valid_density(spoilt, drawn=True)


def test_what_uses_a_density_validates_what_it_uses() -> None:
    twice = Density("twice", (Piece(ZERO, UNIT, Integer(2)),), x)
    with pytest.raises(InputError, match="the density twice must integrate to 1, got 2"):
        tm_statistic(np.array([0.2, 0.4]), density=twice)
    with pytest.raises(InputError, match="the density twice must integrate to 1, got 2"):
        exact_mean(100, density=twice)
    # The statistic needs no distribution function; a study draws by it.
    contradicted = Density("bad", FLAT, x**2)
    assert tm_statistic(np.array([0.2, 0.4]), density=contradicted) > 0
    with pytest.raises(InputError, match="the distribution function of bad"):
        _ = Study(m=100, density=contradicted, replicates=10).setting


def test_a_named_density_needs_no_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("theory.densities.validation._validate", lambda _: pytest.fail("examined"))
    for name in ("normal", "uniform:-1,1", "beta:2,3", "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"):
        assert valid_density(name) == density_named(name)
        assert valid_density(density_named(name)) == density_named(name)
