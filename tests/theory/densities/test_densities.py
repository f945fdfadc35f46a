"""Densities and weights: their definitions agree with each other, and A2 to A4 are decided rightly."""

import pickle
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from scipy import stats
from sympy import Abs, Rational, exp, oo, sqrt

from foundation.errors import InputError
from tests.support.examples import examples
from theory.densities.assumptions import density_assumptions, weight_conditions
from theory.densities.density import Density, Landmark
from theory.densities.families import NORMAL, density_named, mixture, normal
from theory.densities.integrals import integral_of, integral_of_product
from theory.densities.weights import ONE, Weight, weight_named, window
from theory.kernels import Piece, x

TWO_PEAKS = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"
NAMES = (
    *("normal", "logistic", "laplace", "uniform:-1,1", "uniform:0.25,1/3", "beta:2,2", "beta:5,3", "beta:2.5,3"),
    *("normal:3,2", "logistic:1,2", "laplace:1,3", "cauchy:1,2", "gumbel:1,2", "t:5", "t:2.5,1,2", "exponential:2,1"),
    *("gamma:2,3", "gamma:2.5,1,4", "weibull:1.5,2", "lognormal:1,0.5,2", "pareto:2,3"),
    *("beta:0.5,0.5", "beta:1,0.75", TWO_PEAKS, "mixture:1/3*normal(0,1)+2/3*normal(-3,1/8)"),
)
EVERY_DENSITY = pytest.mark.parametrize("density", [density_named(name) for name in NAMES], ids=NAMES)
ZERO, UNIT = sympy.Integer(0), sympy.Integer(1)


def density_of(*pieces: Piece) -> Density:
    """Return a density of which only the pieces matter."""
    return Density("test", pieces, distribution=ZERO, quantile=ZERO)


UNIFORM = density_of(Piece(ZERO, UNIT, UNIT))
LAPLACE = density_of(Piece(-oo, ZERO, exp(x) / 2), Piece(ZERO, oo, exp(-x) / 2))
TRIANGULAR = density_of(Piece(-UNIT, ZERO, 1 + x), Piece(ZERO, UNIT, 1 - x))
UNBOUNDED = density_of(Piece(ZERO, UNIT, 1 / (2 * sqrt(x))))
LOGISTIC = density_of(Piece(-oo, oo, exp(-x) / (1 + exp(-x)) ** 2))


def failures(density: Density) -> set[str]:
    return {condition.statement.split(":")[0] for condition in density_assumptions(density) if not condition.holds}


def inside(piece: Piece) -> sympy.Expr:
    """Return a point of the piece as an expression in a positive t, for every point of it where it is unbounded."""
    t = sympy.Symbol("t", positive=True)
    if piece.lower.is_finite and piece.upper.is_finite:
        return piece.lower + (piece.upper - piece.lower) / (1 + t)
    return piece.lower + t if piece.lower.is_finite else piece.upper - t if piece.upper.is_finite else x


def value_at(formula: sympy.Expr, point: float) -> mpf:
    """Return a formula at a point in 300-digit arithmetic, without sympy's transformations of it."""
    regularised = {"betainc_regularized": lambda p, q, low, high: mp.betainc(p, q, low, high, regularized=True)}
    with mp.workdps(300):
        try:
            return mp.re(sympy.lambdify(x, formula, [regularised, "mpmath"])(mpf(point)))
        except (ZeroDivisionError, ValueError):
            # At an end of the support; no value there differs from the limit.
            return mpf(0)


def agree(left: sympy.Expr, right: sympy.Expr) -> bool:
    """Return whether two expressions agree to 40 digits at five points where both are defined."""
    (variable,) = (left - right).free_symbols or (x,)
    points = [Rational(k, 7) for k in (1, 2, 5, 9, 20)]
    differences = [sympy.N((left - right).subs(variable, point), 40, chop=Rational(1, 10**38)) for point in points]
    return all(abs(difference) < 1e-35 for difference in differences)


@EVERY_DENSITY
def test_the_distribution_function_is_the_integral_of_the_density(density: Density) -> None:
    for piece in density.pieces:
        assert agree(sympy.diff(density.distribution, x).subs(x, inside(piece)), piece.density.subs(x, inside(piece)))
    lower, upper = density.bulk(1e-30)
    # The ends of the bulk are rounded, and so may be those of the support.
    assert value_at(density.distribution, lower) <= 1e-15
    assert value_at(density.distribution, upper) >= 1 - 1e-15


@EVERY_DENSITY
def test_the_survival_function_is_the_rest(density: Density) -> None:
    assert density.survival is not None
    for piece in density.pieces:
        assert agree((density.survival + density.distribution).subs(x, inside(piece)), UNIT)


@EVERY_DENSITY
def test_the_integral_of_the_square_is_that_of_the_density(density: Density) -> None:
    square = density.squared_distribution
    if square is None:
        assert density.unbounded_knots, "only a density whose square has no integral goes without"
        return
    for piece in density.pieces:
        assert agree(sympy.diff(square, x).subs(x, inside(piece)), (piece.density**2).subs(x, inside(piece)))
    assert value_at(square, density.bulk(1e-30)[0]) <= 1e-25


@EVERY_DENSITY
def test_the_quantile_inverts_the_distribution_function_in_both_tails(density: Density) -> None:
    levels = np.array([1e-200, 1e-15, 1e-12, 0.003, 0.2, 0.5, 0.7, 0.999, 1 - 1e-12])
    assert density.survival is not None
    for level, point in zip(map(float, levels), map(float, density.quantiles(levels)), strict=True):
        lower, least, greatest = level <= 0.5, *map(float, density.support)
        tail = density.distribution if lower else density.survival
        # A point is known to some of its spacings.
        places = [min(max(point + steps * np.spacing(abs(point)), least), greatest) for steps in (-4, 0, 4)]
        expected, found = Fraction(level) if lower else 1 - Fraction(level), [value_at(tail, place) for place in places]
        assert min(found) * (1 - 2e-13) <= mpf(expected.numerator) / expected.denominator <= max(found) * (1 + 2e-13)


@EVERY_DENSITY
def test_quantiles_rise_with_the_level(density: Density) -> None:
    points = density.quantiles(np.linspace(0, 1, 4001)[1:-1])
    assert (np.diff(points) > 0).all()


@settings(max_examples=examples(30), deadline=None)
@given(p=st.integers(2, 200), q=st.integers(2, 200), level=st.floats(1e-12, 1 - 1e-12))
def test_the_numerical_inverse_is_scipys_beta_quantile(p: int, q: int, level: float) -> None:
    density = density_named(f"beta:{p / 10},{q / 10}")
    expected = stats.beta(p / 10, q / 10).ppf(level)
    assert density.quantiles(np.array([level]))[0] == pytest.approx(expected, rel=1e-10, abs=1e-300)


def test_a_density_with_neither_quantile_nor_survival_function_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="bare has neither a quantile nor a survival function"):
        Density("bare", (Piece(ZERO, UNIT, UNIT),), x).quantiles(np.array([0.5]))


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_density_reads_back_as_the_same_density(name: str) -> None:
    assert density_named(density_named(name).name) == density_named(name)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("gausian", r"Did you mean normal\? Choose from normal, logistic, laplace, cauchy, "),
        ("unifrom:0,1", r"Did you mean uniform\? Choose from "),
        ("invgauss:0.5", r"Did you mean scipy:invgauss\? Choose from "),
        ("1*normal", r"'1\*normal' is not a density\. Choose from normal, "),
        ("uniform", r"uniform must have the parameter lower, got none\. Write uniform:lower,upper"),
        ("uniform:1,0", "two finite ends, the lower first, got 1 and 0"),
        ("uniform:0,inf", "a parameter of the density uniform must be a number, got 'inf'"),
        ("beta:2", r"beta must have the parameter q, got none\. Write beta:p,q"),
        ("beta:-1,2", "the parameter p of the density beta must be positive and at most 80, got -1"),
        ("beta:81,2", "the parameter p of the density beta must be positive and at most 80, got 81"),
        ("beta:1/0,2", "a parameter of the density beta must be a number, got '1/0'"),
        ("gamma:0", r"the parameter shape of the density gamma must be from 0.1 to 150, got 0\. Write gamma:shape"),
        ("gamma:2,-1", "the parameter scale of the density gamma must be from 1e-15 to 1e[+]15, got -1"),
        ("gamma:2,1,0,1", "gamma must have at most 3 parameters .shape, scale, location., got 4"),
        ("gamma:2,rate=1", "rate must be a parameter of the density gamma"),
        ("gamma:2,shape=1", "the parameter shape of the density gamma must be given once"),
        ("gamma:shape=2,1", "without names must come first, got '1' last"),
        ("gamma:150,0.001", r"must be such that scale\^\(2 shape \+ 1\) is from 1e-250 to 1e250, got the scale 0.001"),
        ("t:0.4", "the parameter df of the density t must be from 0.5 to 300, got 0.4"),
        ("t:301", "the parameter df of the density t must be from 0.5 to 300, got 301"),
        ("normal:0,0", "the parameter deviation of the density normal must be from 1e-15 to"),
        ("mixture:", "Write a mixture as mixture:"),
        ("mixture:0.5*laplace(0,1)+normal", "'normal' is not a weight, . and a density. Write a mixture as mixture:"),
        ("mixture:1*mixture(1*normal)", "is not a weight, . and a density"),
        ("mixture:__import__('os')", "Write a mixture as mixture:"),
        ("mixture:0.5*normal(0,1", "is not a density"),
        ("scipy:", "must be a name with numbers in parentheses, got ''"),
        ("scipy:binom(5,0.5)", "must be the name of a continuous distribution of scipy.stats, which 'binom' is not"),
        ("scipy:invgaus(1)", r"which 'invgaus' is not\. Did you mean invgauss\?"),
        ("scipy:norm.rvs(1)", "must be a name with numbers in parentheses"),
        ("scipy:__class__", "must be a name with numbers in parentheses"),
        ("scipy:norm(__import__('os'))", "must be a name with numbers in parentheses"),
        ("scipy:norm(0,1,2)", r"must have at most 2 parameters, got 3\. Write scipy:norm\(loc=0,scale=1\)"),
        ("scipy:gamma", r"must have the parameter a, got none\. Write scipy:gamma\(a,loc=0,scale=1\)"),
        ("scipy:gamma(2,b=1)", "the parameter b of scipy:gamma must be one of a, loc, scale"),
        ("scipy:gamma(2,a=1)", "the parameter a of scipy:gamma must be given once"),
        ("scipy:invgauss(-1)", "must be in the range that scipy gives, got mu=-1"),
        ("scipy:invgauss(1,scale=0)", "the parameter scale of scipy:invgauss must be positive, got 0"),
        ("scipy:vonmises(2)", "it is a law on the circle"),
        ("scipy:levy_stable(1.5,0)", "takes a numerical integral at every point"),
        ("expression:x", "must have a formula in x and the two ends of its support, got 'x'"),
        ("expression:2*x,1,0", "must be two ends, the lower first, got 1 and 0"),
        ("expression:x,0,1", r"must integrate to 1, got 0.5\. Divide it by 0.5"),
        ("expression:2*x-1/2+1/2,-1,1", "a density must be nonnegative, but the density expression:2[*]x,-1,1 is -1"),
        ("expression:y,0,1", "is not a known name"),
        ("expression:exec('1'),0,1", "is not a call of one of"),
        ("expression:1/x,0,1", "must integrate to 1"),
        ("mixture:0.5*normal(0,1)+0.4*normal(1,1)", r"positive and sum to 1, got 0.5 \+ 0.4"),
        ("mixture:1.5*normal(0,1)+-0.5*normal(1,1)", r"positive and sum to 1, got 1.5 \+ -0.5"),
        ("mixture:1*normal(0,0)", "the parameter deviation of the density normal must be from 1e-15 to"),
    ],
)
def test_a_bad_density_is_refused_in_one_sentence(name: str, complaint: str) -> None:
    with pytest.raises(InputError, match=rf"^[^\n]*{complaint}[^\n]*$"):
        density_named(name)


@EVERY_DENSITY
def test_a_density_travels_between_processes_with_its_landmarks(density: Density) -> None:
    travelled = pickle.loads(pickle.dumps(density))
    assert travelled == density
    # Formulas that are equal may have been evaluated to others that lose the tails.
    assert (str(travelled.distribution), str(travelled.survival)) == (str(density.distribution), str(density.survival))


def test_a_changed_density_travels_as_it_is() -> None:
    changed = replace(NORMAL, name="renamed", landmarks=())
    assert pickle.loads(pickle.dumps(changed)).name == "renamed"
    assert changed.translate(UNIT).name == "renamed"


@pytest.mark.parametrize("name", ["uniform:2,5", "beta:2.5,3", "laplace", "mixture:1*normal(4,0.25)"])
def test_a_translated_density_is_the_density_of_the_moved_variable(name: str) -> None:
    density, distance = density_named(name), Rational(7, 3)
    component = density.components[0][1] if density.components else density
    moved = component.translate(distance)
    points = [float(quantile) for quantile in component.quantiles(np.array([0.1, 0.4, 0.8]))]
    for point in points:
        near, far = Rational(point), Rational(point) + distance
        assert float(moved.distribution.subs(x, far)) == pytest.approx(float(component.distribution.subs(x, near)))
        piece = next(piece for piece in moved.pieces if piece.lower <= far <= piece.upper)
        unmoved = next(piece for piece in component.pieces if piece.lower <= near <= piece.upper)
        assert float(piece.density.subs(x, far)) == pytest.approx(float(unmoved.density.subs(x, near)))


def test_a_mixture_of_one_is_its_component() -> None:
    assert mixture((1, 2, 3)).pieces == normal(2, 3).pieces


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
        (density_named("logistic"), set()),
        (density_named(TWO_PEAKS), set()),
        (density_named("laplace"), {"A4"}),
        (density_named("uniform:-1,1"), {"A2", "A3", "A4"}),
        (density_named("beta:0.5,2"), {"A2", "A3", "A4"}),
        (density_named("beta:2,2"), {"A2", "A3", "A4"}),
        (density_named("beta:3,3"), {"A2", "A4"}),
        (density_named("beta:3.5,7/2"), {"A2"}),
    ],
    ids=lambda value: value.name if isinstance(value, Density) else "",
)
def test_each_assumption_is_decided(density: Density, broken: set[str]) -> None:
    assert failures(density) == broken


def test_a_broken_assumption_says_where_it_breaks() -> None:
    reasons = {condition.statement: condition.detail for condition in density_assumptions(LAPLACE)}
    assert reasons["A4: f'' exists and is bounded"] == "f' jumps from 1/2 to -1/2 at 0"


def test_a_second_derivative_that_jumps_breaks_a4() -> None:
    reasons = {condition.statement: condition.detail for condition in density_assumptions("beta:3,3")}
    assert reasons["A4: f'' exists and is bounded"] == "f'' jumps from 0 to 60 at 0"


def test_a_mixture_of_densities_that_break_an_assumption_is_assessed_as_a_whole() -> None:
    """A sum of two uniform densities is uniform, and no Cauchy-Schwarz helps."""
    halves = ((Rational(1, 2), density_named("uniform:0,1")), (Rational(1, 2), density_named("uniform:0,1")))
    pieces = density_named("uniform:0,1").pieces
    assert failures(Density("twice", pieces, distribution=x, quantile=ZERO, components=halves)) == {"A2", "A3", "A4"}


@pytest.mark.parametrize("power", [1, 2])
def test_an_integral_without_a_closed_form_sees_the_narrow_part_of_a_weight(power: int) -> None:
    """A bump of width 1e-5 at 3/10, where f is 3/2 sqrt(x)."""
    place, width = Rational(3, 10), Rational(1, 100_000)
    bump = exp(-(((x - place) / width) ** 2) / 2)
    weight = Weight("bump", (Piece(ZERO, UNIT, bump),), (Landmark(place, width),))
    integral = integral_of_product(density_named("beta:1.5,1"), weight, power)
    expected = (1.5 * 0.3**0.5) ** power * 1e-5 * (2 * np.pi / power) ** 0.5
    assert float(integral) == pytest.approx(expected, rel=1e-8)


def test_a_window_meets_what_the_theorem_asks_of_a_weight() -> None:
    assert all(condition.holds for condition in weight_conditions("window:-2,2"))


def test_the_reciprocal_of_the_normal_density_is_not_a_weight_for_the_theorem() -> None:
    reciprocal = Weight("1/f", (Piece(-oo, oo, 1 / NORMAL.pieces[0].density),))
    broken = {condition.statement for condition in weight_conditions(reciprocal) if not condition.holds}
    assert broken == {"weight: integrable", "weight: bounded"}


@pytest.mark.parametrize("density", ["normal", "logistic", "laplace", TWO_PEAKS, "uniform:-3,3"])
def test_the_reciprocal_on_an_interval_is_a_weight_for_the_theorem(density: str) -> None:
    weight = weight_named("inverse-density:-2,2", density)
    assert all(condition.holds for condition in weight_conditions(weight))
    assert all(
        piece.density.equals(1 / other.density)
        for piece in weight.pieces
        for other in density_named(density).pieces
        if other.lower < piece.upper and piece.lower < other.upper
    )


def test_the_weight_one_is_not_integrable() -> None:
    assert weight_named("one") is ONE
    assert [c.statement for c in weight_conditions("one") if not c.holds] == ["weight: integrable"]


@pytest.mark.parametrize(
    ("density", "ends", "complaint"),
    [
        ("uniform:-1,1", "-2,1", r"uniform:-1,1 vanishes outside \[-1, 1\]"),
        ("beta:2,2", "0,0.5", "beta:2,2 is below 1e-290 at 0"),
        ("normal", "-50,2", "normal is below 1e-290 at -50"),
        ("mixture:1/2*normal(-60,1)+1/2*normal(60,1)", "-60,60", "is below 1e-290 at -2"),
        (None, "-1,1", "needs a density f"),
        ("normal", "2,-2", "two finite ends, the lower first"),
    ],
)
def test_no_reciprocal_is_taken_where_the_density_vanishes(density: str | None, ends: str, complaint: str) -> None:
    with pytest.raises(InputError, match=rf"^[^\n]*{complaint}[^\n]*$"):
        weight_named(f"inverse-density:{ends}", density)


def test_a_pole_inside_the_window_is_found() -> None:
    broken = {condition.statement for condition in weight_conditions(Weight("pole", (Piece(-UNIT, UNIT, 1 / Abs(x)),)))}
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
        ("window:-1/3,2/3", (Rational(-1, 3), Rational(2, 3))),
    ],
)
def test_a_window_is_read_exactly(text: str, support: tuple[Rational, Rational]) -> None:
    assert weight_named(text).support == support


def test_the_name_of_a_window_reads_back_as_the_same_window() -> None:
    for name in ("window:-1.25,3", "window:1/3,0.7"):
        assert weight_named(weight_named(name).name) == weight_named(name)


@pytest.mark.parametrize(
    "text",
    [
        *("", "two", "window", "window:", "window:1", "window:1,2,3", "window:2,-2", "window:1,1"),
        *("window:a,b", "window:nan,2", "window:0,inf", "window:__import__('os'),2"),
    ],
)
def test_a_bad_weight_is_refused_in_one_sentence_with_the_remedy(text: str) -> None:
    with pytest.raises(InputError, match=r"^[^\n]*window:[^\n]*$"):
        weight_named(text)


def test_an_unknown_density_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"'norml' is not a density. Did you mean normal\?"):
        density_named("norml")


def test_an_object_is_accepted_where_its_name_is() -> None:
    assert density_named(NORMAL) is NORMAL
    assert weight_named(window(-2, 2)) == weight_named("window:-2,2")


@pytest.mark.parametrize("number", [31, 500])
def test_a_mixture_of_too_many_components_is_refused_at_once(number: int) -> None:
    parts = "+".join(f"1/{number}*normal({place},1)" for place in range(number))
    with pytest.raises(InputError, match=rf"must have at most 30 components, got {number}\. Leave out the smallest"):
        density_named(f"mixture:{parts}")


GAMMA = Density("gamma", (Piece(ZERO, oo, x * exp(-x)),), 1 - (1 + x) * exp(-x), survival=(1 + x) * exp(-x))
WEIBULL = Density("weibull", (Piece(ZERO, oo, 2 * x * exp(-(x**2))),), 1 - exp(-(x**2)), survival=exp(-(x**2)))
MIRRORED = Density("mirrored", (Piece(-oo, ZERO, -x * exp(x)),), (1 - x) * exp(x), survival=1 - (1 - x) * exp(x))
LOGNORMAL = Density(
    "lognormal",
    (Piece(ZERO, oo, exp(-(sympy.log(x) ** 2) / 2) / (x * sqrt(2 * sympy.pi))),),
    sympy.erfc(-sympy.log(x) / sqrt(2)) / 2,
    survival=sympy.erfc(sympy.log(x) / sqrt(2)) / 2,
)


@pytest.mark.parametrize(
    ("density", "law"),
    [(GAMMA, stats.gamma(2)), (WEIBULL, stats.weibull_min(2)), (LOGNORMAL, stats.lognorm(1))],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_bulk_of_a_density_on_a_half_line_ends_where_its_support_does(density: Density, law: object) -> None:
    """Outside the support the formulas of the tails grow, overflow or are undefined."""
    lower, upper = density.bulk(1e-12)
    assert lower == 0
    assert upper == pytest.approx(law.isf(1e-12), rel=1e-9)  # type: ignore[attr-defined]


def test_the_bulk_of_a_density_on_the_negative_half_line_is_the_mirror_image() -> None:
    assert MIRRORED.bulk(1e-12) == tuple(-end for end in reversed(GAMMA.bulk(1e-12)))


def test_a_factor_that_outweighs_a_negative_power_keeps_a_density_bounded() -> None:
    assert LOGNORMAL.unbounded_knots == ()
    slow = density_of(Piece(ZERO, UNIT, 1 / sqrt(x) / 4 + Rational(1, 2)))
    pole = density_of(Piece(ZERO, UNIT, 1 / (2 * sqrt(1 - x))), Piece(UNIT, oo, exp(1 - x)))
    assert slow.unbounded_knots == (0,)
    assert pole.unbounded_knots == (1,)
