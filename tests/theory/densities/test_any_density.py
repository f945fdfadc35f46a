"""Densities of every kind: families, distributions of scipy, formulas and mixtures are what their names say.

scipy's distributions, quadrature in 30 digits and drawn samples are the references.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from scipy.stats._distr_params import distcont
from sympy import Rational, exp, oo

from foundation.errors import InputError
from foundation.types import Array
from simulations.engines.choice import engine_for
from simulations.engines.exact.statistic import tm_statistic
from simulations.sampling.streams import draw
from simulations.study.study import Study
from simulations.study.values import replicate_values
from tests.support.examples import examples
from theory.bickel_rosenblatt.expansions import leading_terms
from theory.bickel_rosenblatt.mean import exact_mean
from theory.densities.assumptions import density_assumptions, weight_conditions
from theory.densities.density import Density, numerical
from theory.densities.families import FAMILIES, density_named, mixture_of
from theory.densities.integrals import integral_of_product
from theory.densities.tabulated.scipy_distributions import REFUSED
from theory.densities.validation import valid_density
from theory.densities.weights import weight_named
from theory.kernels import x

#: Every family with scipy's distribution of the same parameters.
FAMILY_LAWS: dict[str, Any] = {
    "normal:3,2": stats.norm(3, 2),
    "logistic:1,2": stats.logistic(1, 2),
    "laplace:1,3": stats.laplace(1, 3),
    "cauchy:1,2": stats.cauchy(1, 2),
    "gumbel:1,2": stats.gumbel_r(1, 2),
    "t:5": stats.t(5),
    "t:0.5,3,2": stats.t(0.5, 3, 2),
    "t:300": stats.t(300),
    "exponential:2,1": stats.expon(1, 2),
    "gamma:2.5,3": stats.gamma(2.5, scale=3),
    "gamma:0.3,1,2": stats.gamma(0.3, 2),
    "weibull:1.5,2": stats.weibull_min(1.5, scale=2),
    "lognormal:1,0.5,2": stats.lognorm(0.5, 2, np.e),
    "pareto:2,3": stats.pareto(2, scale=3),
    "uniform:-1,3": stats.uniform(-1, 4),
    "beta:2.5,3": stats.beta(2.5, 3),
}

#: Others, by scipy's name and parameters, with their kinds of ends: tails, jumps, fractional powers, kinks, poles.
OTHER_LAWS: dict[str, Any] = {
    "scipy:invgauss(0.5,loc=1,scale=2)": stats.invgauss(0.5, 1, 2),
    "scipy:genlogistic(2)": stats.genlogistic(2),
    "scipy:argus(1)": stats.argus(1),
    "scipy:halfnorm": stats.halfnorm(),
    "scipy:triang(0.3)": stats.triang(0.3),
    "scipy:powerlaw(0.5)": stats.powerlaw(0.5),
    "scipy:truncnorm(-1,2)": stats.truncnorm(-1, 2),
    "scipy:levy_l": stats.levy_l(),
}

EVERY_LAW = pytest.mark.parametrize(
    ("name", "law"), [*FAMILY_LAWS.items(), *OTHER_LAWS.items()], ids=[*FAMILY_LAWS, *OTHER_LAWS]
)

LEVELS = np.array([1e-9, 0.001, 0.05, 0.3, 0.5, 0.7, 0.95, 0.999, 1 - 1e-9])


def functions(density: Density) -> tuple[Callable[[Array], Array], ...]:
    tails = (density.distribution, density.survival)
    return (numerical(density.pieces), *(sympy.lambdify(x, tail, "scipy") for tail in tails))


def in_one_sentence(error: InputError) -> bool:
    text = str(error)
    return text.isprintable() and text[-1] in ".?" and len(text) < 700


@EVERY_LAW
def test_density_and_both_tails_are_those_of_scipy(name: str, law: Any) -> None:
    density = density_named(name)
    assert density.support == pytest.approx(law.support())
    f, below, above = functions(density)
    points = law.ppf(LEVELS)
    with np.errstate(all="ignore"):
        assert f(points) == pytest.approx(law.pdf(points), rel=1e-12)
        assert below(points) == pytest.approx(law.cdf(points), rel=1e-11)
        assert above(points) == pytest.approx(law.sf(points), rel=1e-11)


@EVERY_LAW
def test_the_integral_of_the_square_is_that_of_scipys_density(name: str, law: Any) -> None:
    density, ends = density_named(name), law.ppf(np.array([0.2, 0.5, 0.8]))
    window = weight_named(f"window:{Rational(float(ends[0]))},{Rational(float(ends[2]))}")
    inside = [float(knot) for knot in density.knots if ends[0] < knot < ends[2]]
    expected = quad(lambda point: law.pdf(point) ** 2, ends[0], ends[2], points=[ends[1], *inside], epsabs=0)[0]
    assert float(integral_of_product(density, window, 2)) == pytest.approx(expected, rel=1e-8)
    assert float(integral_of_product(density, window)) == pytest.approx(0.6, rel=1e-10)


@EVERY_LAW
def test_a_drawn_sample_has_scipys_distribution_and_depends_on_its_stream_alone(name: str, law: Any) -> None:
    density = density_named(name)
    sample = draw(density, 5, 3, 20_000)
    assert stats.kstest(sample, law.cdf).pvalue > 1e-4
    assert (draw(pickle.loads(pickle.dumps(density)), 5, 3, 20_000) == sample).all()
    assert (draw(density, 5, 3, 100) == sample[:100]).all()


@EVERY_LAW
def test_a_frozen_distribution_is_its_name(name: str, law: Any) -> None:
    density = density_named(law)
    points = law.ppf(LEVELS)
    assert numerical(density.pieces)(points) == pytest.approx(law.pdf(points), rel=1e-12)
    # Their scale exp(1) is no decimal, so that the lognormal distribution is tabulated.
    assert density.name == name or "lognorm" in name
    assert density_named(density.name) == density == valid_density(density)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shapes"), [(name, shapes) for name, shapes in distcont if isinstance(name, str)])
def test_every_continuous_distribution_of_scipy_is_taken_or_refused_by_name(
    name: str, shapes: tuple[float, ...]
) -> None:
    law = getattr(stats, name)(*shapes)
    written = f"scipy:{name}({','.join(repr(float(shape)) for shape in shapes)})"
    if name in REFUSED:
        with pytest.raises(InputError, match=name):
            density_named(written)
        return
    density = density_named(written)
    points = density.quantiles(LEVELS[1:-1])
    # A quantile next to an end of the support that is not 0 is rounded.
    assert law.cdf(points) == pytest.approx(LEVELS[1:-1], rel=1e-9, abs=1e-9)
    assert density_named(density.name) == density


T = sympy.Symbol("t")


@pytest.mark.parametrize(
    ("formula", "name"),
    [
        ((T * exp(-T), (0, oo)), "gamma:2"),
        ((exp(-abs(T - 1) / 3) / 6, (-oo, oo)), "laplace:1,3"),
        ((1 / (sympy.pi * (1 + T**2)), (-oo, oo)), "cauchy"),
        ((T ** Rational(-1, 2) / 2, (0, 1)), "scipy:powerlaw(0.5)"),
        ((sympy.Heaviside(T) * exp(-T), (-5, oo)), "exponential"),
        (("1-abs(x)", (-1, 1)), "scipy:triang(0.5,loc=-1,scale=2)"),
        (("50/sqrt(pi)*exp(-2500*(x-1000)**2)", ("-oo", "oo")), "scipy:norm(loc=1000,scale=0.0141421356237309505)"),
    ],
)
def test_a_formula_is_the_density_that_it_describes(formula: Any, name: str) -> None:
    density, known = density_named(formula), density_named(name)
    points = known.quantiles(LEVELS)
    for mine, other in zip(functions(density), functions(known), strict=True):
        with np.errstate(all="ignore"):
            # Far from 0 the points are rounded.
            assert mine(points) == pytest.approx(other(points), rel=1e-9)
    assert density_named(density.name) == density == pickle.loads(pickle.dumps(density))


def test_text_in_python_is_read_by_the_grammar_and_never_evaluated() -> None:
    with pytest.raises(InputError, match="is not a call of one of"):
        density_named(("exec('0')", (0, 1)))
    with pytest.raises(InputError, match="is not part of the grammar"):
        density_named(("2*x", ("os.getpid()", 1)))


@pytest.mark.parametrize(
    ("density", "reason"),
    [
        (stats.poisson(3), "must be a continuous one of scipy.stats, got 'poisson'"),
        (stats.norm, "must be a name, a Density, a frozen continuous distribution"),
        (stats.norm([1, 2], 3), "must be single finite numbers, got"),
        (None, "must be a name, a Density, a frozen continuous distribution"),
        ((T * sympy.Symbol("a"), (0, 1)), "must have one symbol, got a, t"),
        ((T, 3), "must be .expression, .lower, upper.., got something else"),
        ((T, (1, 0)), "must be two ends, the lower first, got 1 and 0"),
        ((1 / T, (0, 1)), "must integrate to 1, got infinity next to 0"),
        ((1 / (sympy.pi * sympy.sqrt(T * (1 - T))), (0, 1)), "must be bounded at 1, next to which doubles are too far"),
        ((1 / (1 + T), (0, oo)), "the tail of .* must end within double precision"),
        ((sympy.sin(T) / 2, (0, 2 * sympy.pi)), "a density must be nonnegative"),
    ],
)
def test_what_is_no_density_is_refused(density: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        density_named(density)


def test_a_mixture_of_any_densities_is_their_weighted_sum() -> None:
    name = "mixture:0.5*t(3)+0.25*uniform(0,1)+0.125*expression(2*x,0,1)+0.125*scipy:invgauss(0.5)"
    density = density_named(name)
    assert density.name == name
    assert density.knots == (0, 1)
    parts = [(0.5, stats.t(3)), (0.25, stats.uniform()), (0.125, stats.powerlaw(2)), (0.125, stats.invgauss(0.5))]
    points = np.array([-1e6, -3.0, -0.1, 0.2, 0.7, 1.5, 40.0])
    for found, aspect in zip(functions(density), ("pdf", "cdf", "sf"), strict=True):
        expected = sum(weight * getattr(law, aspect)(points) for weight, law in parts)
        assert found(points) == pytest.approx(expected, rel=1e-11)
    assert pickle.loads(pickle.dumps(density)) == density == valid_density(density, drawn=True)
    same = mixture_of(*((weight, component) for weight, component in density.components))
    assert same == density


# The assumptions


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("t:5", ""),
        ("t:0.5,3,2", ""),
        ("cauchy:1,2", ""),
        ("gumbel", ""),
        ("gamma:2,1,5", "A2 positive, A3, A4"),
        ("gamma:4.5", "A2 positive"),
        ("exponential:2", "A2 continuous, A2 positive, A3, A4"),
        ("weibull:0.5", "A2 continuous, A2 positive, A2 bounded, A3, A4"),
        ("pareto:2", "A2 continuous, A2 positive, A3, A4"),
        ("expression:exp(-x**4)/1.8128049541109541,-oo,oo", ""),
        ("expression:1-abs(x),-1,1", "A2 positive, A3, A4"),
        ("mixture:0.5*normal(0,1)+0.5*t(5)", ""),
        ("mixture:0.5*normal(0,1)+0.5*gamma(2)", "A3, A4"),
        # Values alone prove nothing.
        ("scipy:genlogistic(2)", "A2 continuous, A2 positive, A2 bounded, A3, A4"),
        ("mixture:0.5*normal(0,1)+0.5*scipy:genlogistic(2)", "A2 continuous, A2 bounded, A3, A4"),
    ],
)
def test_each_assumption_is_decided(name: str, broken: str) -> None:
    failed = [condition for condition in density_assumptions(name) if not condition]
    found = [condition.statement.replace("A2: f ", "A2 ").partition(":")[0] for condition in failed]
    assert ", ".join(found) == broken
    assert all(condition.detail for condition in density_assumptions(name))


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("scipy:halfnorm", ["f jumps from 0 to 0.7979 at 0", "f vanishes outside [0, oo]"]),
        ("scipy:argus(1)", ["f is like the power 1 of the distance at 0"]),
        ("scipy:powerlaw(0.5)", ["f tends to oo at 0"]),
        ("scipy:genlogistic(2)", ["f is known by its values alone, which do not decide it"]),
    ],
)
def test_values_refute_an_assumption_where_they_can(name: str, reasons: list[str]) -> None:
    details = [condition.detail for condition in density_assumptions(name)]
    assert set(reasons) <= set(details)


def test_the_reciprocal_of_a_density_that_is_known_by_its_values_is_a_weight() -> None:
    weight = weight_named("inverse-density:0.2,1", "scipy:invgauss(0.5)")
    assert all(weight_conditions(weight))
    assert float(integral_of_product(density_named("scipy:invgauss(0.5)"), weight)) == pytest.approx(0.8, rel=1e-12)


# E T_m


@pytest.mark.parametrize("weight", ["one", "window:0.3,2"])
@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("gamma:2", "expression:x*exp(-x),0,oo"),
        ("exponential", "scipy:gengamma(1,1)"),
        ("weibull:1.5", "scipy:exponweib(1,1.5)"),
        ("lognormal:0.5,0.5", "scipy:lognorm(0.5,scale=1.6487212707001282)"),
        ("pareto:2.5,0.25", "scipy:genpareto(0.4,loc=0.25,scale=0.1)"),
        ("cauchy:0.5", "mixture:0.25*cauchy(0.5)+0.75*t(1,0.5)"),
    ],
)
def test_two_ways_to_one_density_give_one_mean(name: str, same: str, weight: str) -> None:
    mean = exact_mean(200, density=name, weight=weight, bandwidth=0.2)
    assert exact_mean(200, density=same, weight=weight, bandwidth=0.2).total == pytest.approx(mean.total, rel=1e-12)
    assert mean.error <= 1e-12 * mean.total


# The grammar

NUMBERS = st.one_of(
    st.sampled_from(["0", "1", "-1", "2", "0.5", "1/3", "1e-9", "1e9", "301", "0.05", "1e99", "-0"]),
    st.fractions(min_value=-5, max_value=5, max_denominator=20).map(str),
)
SPOILT = st.sampled_from(
    ["", "nan", "inf", "x", "1/0", "1e999", "0x1", "1,", "(", ")", "'", "\x00", "scale=", "scale=2"]
)
FAMILY_NAMES = st.sampled_from(
    [*FAMILIES, "mixture", "expression", "scipy", "gama", "Normal", "__class__", "os.system"]
)
CALLS = st.builds(
    lambda family, numbers, form: form.format(family, ",".join(numbers)),
    FAMILY_NAMES,
    st.lists(st.one_of(NUMBERS, NUMBERS, NUMBERS, SPOILT), max_size=4),
    st.sampled_from(["{}:{}", "{}({})", "{}", "scipy:{}({})"]),
)
MIXTURES = st.lists(st.tuples(NUMBERS, CALLS), min_size=1, max_size=3).map(
    lambda parts: "mixture:" + "+".join(f"{weight}*{call}" for weight, call in parts)
)


@settings(max_examples=examples(60), deadline=None)
@given(st.one_of(CALLS, CALLS, MIXTURES))
def test_every_name_is_answered_or_refused_in_one_sentence_within_two_seconds(name: str) -> None:
    began = time.process_time()
    try:
        density = density_named(name)
    except InputError as error:
        assert in_one_sentence(error), str(error)
    else:
        assert density_named(density.name) == density
        middle = density.quantiles(np.array([0.25, 0.75]))
        assert np.isfinite(middle).all()
        assert middle[0] <= middle[1]
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "name", ["t:3", "scipy:invgauss(0.5)", "expression:x*exp(-x),0,oo", "mixture:0.5*normal+0.5*gamma(2)"]
)
def test_a_study_travels_to_another_process_with_its_density(name: str) -> None:
    study = Study(50, 10, density=name)
    travelled = pickle.loads(pickle.dumps(study))
    assert travelled.setting.density == study.setting.density


@pytest.mark.parametrize("engine", ["exact", "cells", "multinomial", "sums"])
@pytest.mark.parametrize("name", ["gamma:2", "scipy:invgauss(0.5)"])
def test_every_engine_agrees_with_the_exact_mean_with_the_same_bits_for_any_number_of_threads(
    name: str, engine: str
) -> None:
    study = Study(100, 400, density=name, weight="window:0.5,2", bandwidth=0.3, engine=engine)
    values = replicate_values(study, workers=1)
    assert (replicate_values(study, workers=3) == values).all()
    mean = exact_mean(100, density=name, weight="window:0.5,2", bandwidth=0.3)
    assert abs(values.mean() - mean.total) <= 4 * values.std() / 20


@pytest.mark.parametrize("engine", ["exact", "cells", "multinomial", "sums"])
def test_an_engine_refuses_by_name_a_density_that_is_unbounded_in_the_window(engine: str) -> None:
    study = Study(100, 10, density="gamma:0.5", weight="window:0,2", bandwidth=0.3, engine=engine)
    with pytest.raises(InputError, match=r"gamma:0\.5 is unbounded at 0\. Choose a window"):
        engine_for(engine, study.setting, 100)


@pytest.mark.parametrize("engine", ["cells", "multinomial", "sums"])
def test_cells_refuse_by_name_a_tail_that_takes_too_many_of_them(engine: str) -> None:
    study = Study(100, 10, density="cauchy", weight="one", bandwidth=0.3, engine=engine)
    with pytest.raises(InputError, match=r"cells cannot cover one with cauchy.*Use the engine exact"):
        engine_for(engine, study.setting, 100)


@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("t:3", stats.t(3)),
        ("pareto:2,0.5", stats.pareto(2, scale=0.5)),
        ("lognormal", stats.lognorm(1)),
        ("scipy:triang(0.3)", stats.triang(0.3)),
        ("scipy:halfcauchy", stats.halfcauchy()),
        ("mixture:0.5*uniform(0,1)+0.5*uniform(2,3)", None),
    ],
)
def test_the_statistic_of_a_sample_is_its_definition_with_scipys_density(name: str, law: Any) -> None:
    density = density_named(name)
    sample, b = np.array([0.1, 0.45, 0.5, 0.9, 2.2]), 0.4
    pdf = law.pdf if law else lambda point: 0.5 * ((0 <= point <= 1) + (2 <= point <= 3))

    def squared_error(point: float) -> float:
        u = (point - sample) / b
        return float((np.where(abs(u) <= 1, 0.75 * (1 - u**2), 0.0).sum() / (5 * b) - pdf(point)) ** 2)

    edges = {-1.0, 3.0, *(sample - b), *(sample + b), *map(float, density.knots)}
    inside = sorted(edge for edge in edges if -1 <= edge <= 3)
    expected = 5 * b * sum(quad(squared_error, *ends, epsabs=1e-14, epsrel=1e-12)[0] for ends in pairwise(inside))
    found = tm_statistic(sample, density=density, weight="window:-1,3", bandwidth=b)
    assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("name", "kinks"),
    [
        ("scipy:trapezoid(0.2,0.7)", [0.2, 0.7]),
        ("scipy:laplace_asymmetric(2)", [0]),
        ("scipy:loglaplace(3)", [1]),
        ("scipy:dweibull(1,loc=-0.3)", [-0.3]),
        ("expression:Max(0,1-abs(x-sqrt(2))),0,4", [2**0.5 - 1, 2**0.5, 2**0.5 + 1]),
        ("scipy:genlogistic(2)", []),
        ("scipy:skewnorm(50)", []),
        ("scipy:exponnorm(1.5)", []),
        ("scipy:norminvgauss(2,1)", []),
        ("scipy:jf_skew_t(3,5)", []),
        # Like a power of 1.3 at 0, where the slope does not jump.
        ("scipy:gennorm(1.3)", []),
    ],
)
def test_every_kink_of_a_density_that_is_known_by_its_values_is_a_knot(name: str, kinks: list[float]) -> None:
    density = density_named(name)
    inside = [float(knot) for knot in density.knots if knot not in density.support]
    assert inside == pytest.approx(kinks, abs=1e-14)


@given(hundredths=st.integers(1, 99), location=st.integers(-5, 5))
@settings(max_examples=examples(12))
def test_the_kink_of_a_triangle_is_found_exactly(hundredths: int, location: int) -> None:
    density = density_named(f"scipy:triang({hundredths / 100},loc={location})")
    assert density.knots[1] == location + Rational(hundredths, 100)


def test_the_mean_of_the_statistic_with_a_kink_that_is_known_by_values_is_that_of_its_formula() -> None:
    known, found = (exact_mean(500, "epanechnikov", name, "one", 0.3) for name in ("laplace", "scipy:gennorm(1)"))
    assert found.total == pytest.approx(known.total, rel=1e-11)
    assert found.squared_bias_term == pytest.approx(known.squared_bias_term, rel=1e-10)


def test_the_curvature_of_a_density_that_is_known_by_its_values_is_that_of_its_family() -> None:
    """The leading bias of E T_m needs its second derivative."""
    known, found = (leading_terms(density=name, weight="window:0.5,3") for name in ("gamma:3", "scipy:gengamma(3,1)"))
    assert known.squared_bias is not None
    assert found.squared_bias == pytest.approx(known.squared_bias, rel=1e-6)
    assert found.product == pytest.approx(known.product, rel=1e-12)
