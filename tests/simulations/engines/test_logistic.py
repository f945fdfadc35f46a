"""T_m with the logistic kernel, compared with sums over pairs and with the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf
from scipy.special import expit

from foundation.types import Array
from simulations import Study, simulate, tm_statistic
from simulations.engines.choice import ENGINES
from simulations.engines.exact.statistic import Statistic
from theory.bickel_rosenblatt.bandwidth import bandwidth_named
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.variance import exact_variance
from theory.densities.families import NORMAL, density_named
from theory.densities.weights import weight_named, window
from theory.kernels import LOGISTIC, Kernel, kernel_named

STANDARD_ERRORS = 4.5


def autocorrelation(lag: mpf) -> mpf:
    """The density of the difference of two logistic variables."""
    u = abs(lag)
    if u < mpf("1e-9"):
        return mpf(1) / 6 - u**2 / 60
    return (u * mp.coth(u / 2) - 2) / (4 * mp.sinh(u / 2) ** 2)


def by_pairs(sample: Array, b: float) -> float:
    """T_m of the normal density and the weight one: a sum over all pairs, less K_b * f at all observations."""
    with mp.workdps(30):
        m, places = len(sample), [mpf(float(one)) for one in sample]
        pairs = mp.fsum(autocorrelation((one - other) / b) for one in places for other in places) / m

        def smoothed(place: mpf) -> mpf:
            def integrand(z: mpf) -> mpf:
                return mp.npdf(z) / (4 * b * mp.cosh((place - z) / (2 * b)) ** 2)

            steps = [place + b * step for step in (-40, -15, -5, 0, 5, 15, 40)]
            return mp.quad(integrand, sorted([-12, -5, -2, 0, 2, 5, 12, *(s for s in steps if abs(s) < 12)]))

        return float(pairs - 2 * b * mp.fsum(map(smoothed, places)) + m * b / (2 * mp.sqrt(mp.pi)))


def by_definition(sample: Array, b: float, lower: float, upper: float, location: float = 0, scale: float = 1) -> float:
    """T_m on a window, by 20 Gauss-Legendre nodes on panels half as wide as the kernel's scale."""
    panels = max(8, math.ceil((upper - lower) / (0.5 * b * scale)))
    nodes, shares = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(lower, upper, panels + 1)
    half = np.diff(edges)[:, None] / 2
    x = (edges[:-1, None] + half * (1 + nodes)).ravel()
    u = ((x[:, None] - sample) / b - location) / scale
    estimate = (expit(u) * expit(-u)).sum(axis=1) / (len(sample) * b * scale)
    difference = estimate - np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return float(len(sample) * b * ((half * shares).ravel() @ difference**2))


@pytest.mark.parametrize(("m", "b"), [(1, 0.5), (6, 0.05), (6, 4.0), (12, 0.4)])
def test_tm_is_the_sum_over_all_pairs(m: int, b: float) -> None:
    sample = np.random.default_rng(m).normal(size=m)
    value = tm_statistic(sample, kernel="logistic", weight="one", bandwidth=b)
    assert value == pytest.approx(by_pairs(sample, b), rel=1e-12, abs=0)


places = st.one_of(st.floats(-4, 4), st.integers(-6, 6).map(lambda n: n / 2), st.floats(-300, 300))


@given(
    sample=st.lists(places, min_size=1, max_size=40),
    b=st.floats(0.02, 5),
    ends=st.tuples(st.integers(-12, 8), st.integers(1, 12)),
)
def test_tm_on_any_window_is_its_definition(sample: list[float], b: float, ends: tuple[int, int]) -> None:
    lower, upper = ends[0] / 4, (ends[0] + ends[1]) / 4
    value = tm_statistic(sample, kernel="logistic", weight=window(lower, upper), bandwidth=b)
    assert value == pytest.approx(by_definition(np.array(sample), b, lower, upper), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("crowd", [1, 3_000])
def test_crowded_observations_and_those_in_far_tails_count_alike(crowd: int) -> None:
    """The series of one side, the sum near a panel and a gap that is skipped meet in one sample."""
    rng = np.random.default_rng(5)
    sample = np.concatenate([rng.normal(size=crowd), 30 + rng.random(crowd), [-500.0, 2.5, 2.5]])
    for lower, upper in ((-2.0, 2.0), (6.0, 14.0), (25.0, 40.0)):
        value = tm_statistic(sample, kernel="logistic", weight=f"window:{lower},{upper}", bandwidth=0.3)
        assert value == pytest.approx(by_definition(sample, 0.3, lower, upper), rel=1e-11, abs=0)


def test_a_logistic_kernel_stretched_and_shifted_or_written_as_a_formula_is_the_same() -> None:
    sample = np.array([-0.7, 0.1, 0.1, 0.4, 1.3])
    moved = LOGISTIC.transform(sympy.Rational(1, 2), sympy.Rational(2, 3))
    value = tm_statistic(sample, kernel=moved, weight=window(-1, 1), bandwidth=0.3)
    assert value == pytest.approx(by_definition(sample, 0.3, -1, 1, 0.5, 2 / 3), rel=1e-12)
    written = "expression:1/(4*cosh(x/2)**2),-oo,oo"
    for weight in ("one", "window:-1,1"):
        values = [tm_statistic(sample, kernel=kernel, weight=weight) for kernel in ("logistic", written)]
        assert values[0] == values[1]


def test_a_row_of_many_has_the_bits_of_the_sample_alone() -> None:
    statistic = Statistic(LOGISTIC, NORMAL, weight_named("one", NORMAL), bandwidth_named(0.3))
    samples = np.sort(np.random.default_rng(0).normal(size=(5, 50)))
    assert statistic.of_rows(samples).tolist() == [statistic.of_sample(sample[::-1]) for sample in samples]


@pytest.mark.parametrize(
    ("engine", "m"),
    [("exact", 60), ("cells", 900), pytest.param("multinomial", 900, marks=pytest.mark.slow), ("sums", 10**4)],
)
def test_every_engine_simulates_the_exact_mean_and_variance(engine: str, m: int) -> None:
    assert engine in ENGINES
    study = Study(m, 4_000, kernel="logistic", bandwidth=0.25, engine=engine, seed=3)
    summary = simulate(study, workers=1).summary
    variance = exact_variance(m, "logistic", bandwidth=0.25).total
    expected = exact_mean(m, "logistic", bandwidth=0.25).total
    assert abs(summary.mean - expected) < STANDARD_ERRORS * math.sqrt(variance / study.replicates)
    # The relative error of a sample variance is about the root of (kurtosis - 1) / n, here below 0.05.
    assert summary.variance == pytest.approx(variance, rel=0.2)


@pytest.mark.parametrize("density", ["cauchy", "laplace", "uniform:-1,1", "mixture:0.5*normal(-1,0.1)+0.5*t(3)"])
def test_heavy_jumping_and_narrow_densities_have_the_exact_mean(density: str) -> None:
    study = Study(40, 1_500, kernel="logistic", density=density, weight="one", bandwidth=0.2, engine="exact")
    summary = simulate(study, workers=1).summary
    expected = exact_mean(40, "logistic", density_named(density), "one", 0.2).total
    assert summary.variance is not None
    assert abs(summary.mean - expected) < STANDARD_ERRORS * math.sqrt(summary.variance / study.replicates)


def test_another_kernel_on_the_whole_line_is_refused_by_name() -> None:
    laplace: Kernel = kernel_named("expression:exp(-abs(x))/2,-oo,oo")
    with pytest.raises(Exception, match=r"or Gaussian or logistic, got expression:exp\(-abs\(x\)\)/2,-oo,oo"):
        tm_statistic([0.0], kernel=laplace)
