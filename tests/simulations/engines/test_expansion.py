"""T_m with the square multiplied out: each term against its definition, and the whole against the sweep."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Rational, exp, sqrt

from simulations import tm_statistic
from simulations.engines.exact.cross_terms import sum_cross_terms
from simulations.engines.exact.density_tables import cell_table
from simulations.engines.exact.expansion import LARGEST_CANCELLATION, Expansion
from simulations.engines.exact.kernel_tables import PiecewiseKernel, kernel_table
from simulations.engines.exact.overlaps import OverlapTable, make_workspace, overlap_table, sum_overlaps
from simulations.engines.exact.replicates import ExactReplicates
from simulations.engines.exact.statistic import Statistic, _Sweep
from simulations.engines.exact.window_ends import end_table, integrate_beyond
from simulations.sampling.streams import draw
from tests.support.examples import examples
from theory.bickel_rosenblatt.bandwidth import bandwidth_named
from theory.densities.density import Density
from theory.densities.evaluation import numerical
from theory.densities.families import NORMAL, density_named, mixture
from theory.densities.weights import Weight, weight_named, window
from theory.kernels import BIWEIGHT, EPANECHNIKOV, TRIWEIGHT, UNIFORM, Kernel, Piece, kernel_named, x

Array = npt.NDArray[np.float64]

ONE_POLYNOMIAL = (
    UNIFORM,
    EPANECHNIKOV,
    BIWEIGHT,
    TRIWEIGHT,
    EPANECHNIKOV.transform(Rational(1, 3), sqrt(2)),
    TRIWEIGHT.transform(Rational(-1, 5), Rational(1, 2)),
)
"""The last two are stretched and not centred at 0."""

LOPSIDED = Kernel("lopsided", (Piece(Rational(-1), Rational(1), (1 - x) / 2),))
"""Neither symmetric nor zero at both ends."""

EVERY_KERNEL = pytest.mark.parametrize("kernel", [*ONE_POLYNOMIAL, LOPSIDED], ids=lambda kernel: kernel.name)


def piecewise(kernel: Kernel) -> PiecewiseKernel:
    table = kernel_table(kernel)
    assert isinstance(table, PiecewiseKernel)
    return table


@cache
def overlaps_of(kernel: Kernel) -> OverlapTable:
    table = overlap_table(piecewise(kernel))
    assert table is not None
    return table


def product_integral(kernel: PiecewiseKernel, distance: Fraction, start: Fraction, stop: Fraction) -> Fraction:
    """Integrate K(u) K(u - distance) du from ``start`` to ``stop``, within both supports, in rational arithmetic."""
    (piece,) = kernel.exact_pieces()
    coefficients, lower, upper = piece.coefficients, piece.lower, piece.upper
    start, stop = max(start, lower, lower + distance), min(stop, upper, upper + distance)
    if start >= stop:
        return Fraction(0)
    total = Fraction(0)
    for p, one in enumerate(coefficients):
        for q, other in enumerate(coefficients):
            for r in range(q + 1):
                power = p + r + 1
                shifted = other * math.comb(q, r) * (-distance) ** (q - r)
                total += one * shifted * (stop**power - start**power) / power
    return total


def exact_overlaps(sample: Sequence[float], kernel: PiecewiseKernel, bandwidth: float) -> float:
    """Sum the overlaps of all pairs of different observations in rational arithmetic."""
    places = [Fraction(value) / Fraction(bandwidth) for value in sample]
    far = Fraction(10) ** 400
    pairs = ((i, j) for j in range(len(places)) for i in range(j))
    return float(sum((product_integral(kernel, places[j] - places[i], -far, far) for i, j in pairs), Fraction(0)))


samples = st.lists(
    st.one_of(
        st.floats(-3, 3),
        st.integers(-12, 12).map(lambda number: number / 4),  # ties, and distances at which kernels cease to overlap
        st.floats(1e6, 1e6 + 3),
        st.floats(-1e-6, 1e-6),
    ),
    min_size=1,
    max_size=12,
).map(sorted)


@settings(max_examples=examples(40), deadline=None)
@given(
    sample=samples,
    kernel=st.sampled_from([*ONE_POLYNOMIAL, LOPSIDED]),
    bandwidth=st.one_of(st.floats(-8, 8).map(lambda power: 10.0**power), st.sampled_from([0.25, 0.5, 1.0])),
)
def test_sums_of_overlaps_are_those_of_rational_arithmetic(
    sample: list[float], kernel: Kernel, bandwidth: float
) -> None:
    table = overlaps_of(kernel)
    value = sum_overlaps(np.array(sample), bandwidth, table, make_workspace(len(sample), table))
    expected = exact_overlaps(sample, piecewise(kernel), bandwidth)
    # Relative to the overlaps of the kernels with themselves, which T_m has in addition.
    assert value == pytest.approx(expected, rel=2e-15, abs=2e-15 * len(sample) * table.itself)


@EVERY_KERNEL
def test_hundreds_of_thousands_of_overlaps_do_not_accumulate_rounding(kernel: Kernel) -> None:
    """The twin adds pairs, sorted by their lag, in extended precision; several chains of ranks run side by side."""
    table, m, b = overlaps_of(kernel), 900, 0.2
    sample = np.sort(np.random.default_rng(m).standard_normal(m))
    long, reach = sample.astype(np.longdouble), table.upper - table.lower
    expected = np.longdouble(0)
    powers = [np.longdouble(value) for value in table.transfers[0, :, 0]]
    for lag in range(1, m):
        distances = (long[lag:] - long[:-lag]) / np.longdouble(b)
        near = distances[distances < reach]
        if near.size == 0:
            break
        expected += sum((value * near**k for k, value in enumerate(powers)), np.zeros_like(near)).sum()
    value = sum_overlaps(sample, b, table, make_workspace(m, table))
    assert value == pytest.approx(float(expected), rel=4e-15)


@settings(max_examples=examples(80), deadline=None)
@given(sample=samples, kernel=st.sampled_from([*ONE_POLYNOMIAL, LOPSIDED]), side=st.sampled_from([-1, 1]))
def test_the_square_beyond_an_end_of_the_window_is_that_of_rational_arithmetic(
    sample: list[float], kernel: Kernel, side: int
) -> None:
    table, end, b = piecewise(kernel), 0.75, 0.5
    lower, upper = table.knots[0], table.knots[-1]
    reaching = [s for s in sample if ((s - end) / b + lower < 0 if side > 0 else (s - end) / b + upper > 0)]
    total, far = Fraction(0), Fraction(10) ** 9
    for one in reaching:
        for other in reaching:
            # From the place of one observation, in bandwidths.
            beyond = (Fraction(end) - Fraction(one)) / Fraction(b)
            interval = (beyond, far) if side > 0 else (-far, beyond)
            total += product_integral(table, (Fraction(other) - Fraction(one)) / Fraction(b), *interval)
    value = integrate_beyond(np.array(reaching), end, b, end_table(table, side))
    assert value == pytest.approx(float(total), rel=1e-13, abs=1e-14)


NARROW = "mixture:0.9*normal(0,1)+0.1*normal(1,0.05)"

DENSITIES = ("normal", "logistic", "laplace", "uniform:-1,1", "beta:2,3", NARROW)

WEIGHTS = ("one", "window:-0.5,0.75", "window:0.25,0.5")


def statistic(kernel: Kernel, density: Density, weight: str | Weight, bandwidth: float | str) -> Statistic:
    return Statistic(kernel, density, weight_named(weight, density), bandwidth_named(bandwidth))


def expansion_of(setting: Statistic, bandwidth: float) -> Expansion | None:
    return Expansion.of(
        piecewise(setting.kernel), cell_table(setting.density, setting.weight), setting.density, bandwidth
    )


def swept(setting: Statistic, sample: Array) -> float:
    """Return T_m by the sweep alone."""
    evaluation = _Sweep.of(piecewise(setting.kernel), setting.density, setting.weight)
    return evaluation.sweep(sample, setting.bandwidth.at(sample.size))


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("weight", WEIGHTS)
def test_the_cross_term_is_the_integral_that_defines_it(density: str, weight: str) -> None:
    f, b = density_named(density), 0.3
    setting = statistic(LOPSIDED, f, weight, b)
    found = expansion_of(setting, b)
    assert found is not None
    table, cells = found.tables.cross, cell_table(f, setting.weight)
    pdf, (nodes, shares) = numerical(f.pieces), np.polynomial.legendre.leggauss(20)
    places = np.random.default_rng(5).uniform(table.ends[0], table.ends[-1], 8).tolist()
    for place in [*places, *table.ends[1:-1].tolist()]:
        lower, upper = max(cells.edges[0], place - b), min(cells.edges[-1], place + b)
        knots = [float(knot) for knot in f.knots if lower < knot < upper]
        cuts = np.unique([*np.linspace(lower, upper, 40), *knots])
        centres, halves = (cuts[1:] + cuts[:-1]) / 2, np.diff(cuts) / 2
        points = centres[:, None] + halves[:, None] * nodes
        values = (1 - (points - place) / b) / (2 * b) * pdf(points) * (halves[:, None] * shares)
        found_there = sum_cross_terms(np.array([place]), table, np.empty(1))
        assert found_there == pytest.approx(math.fsum(values.ravel()), rel=1e-13, abs=1e-15)


def test_observations_far_from_the_window_have_no_cross_term() -> None:
    found = expansion_of(statistic(EPANECHNIKOV, NORMAL, "window:-2,2", 0.3), 0.3)
    assert found is not None
    far = np.array([-1e300, -2.31, 2.31, 1e300])
    assert sum_cross_terms(far, found.tables.cross, np.empty(4)) == 0.0


DIFFERENT = st.one_of(
    st.floats(-4, 4),
    st.integers(-8, 8).map(lambda number: number / 4),
    st.floats(-1e6, 1e6),
    st.floats(-1e-6, 1e-6),
)


@settings(max_examples=examples(50), deadline=None)
@given(
    sample=st.lists(DIFFERENT, min_size=1, max_size=60).map(lambda values: np.sort(np.array(values))),
    kernel=st.sampled_from([*ONE_POLYNOMIAL, LOPSIDED]),
    density=st.sampled_from(DENSITIES),
    weight=st.sampled_from([*WEIGHTS, "window:-0.75,0.999"]),
    bandwidth=st.one_of(st.floats(-2, 1).map(lambda power: 10.0**power), st.floats(-80, 80).map(lambda p: 10.0**p)),
)
def test_the_square_multiplied_out_agrees_with_the_sweep(
    sample: Array, kernel: Kernel, density: str, weight: str, bandwidth: float
) -> None:
    """The sweep forms f_m - f before it squares, and shares nothing with the sums but the tables of f."""
    f = density_named(density)
    setting = statistic(kernel, f, weight, bandwidth)
    assert setting.of_sorted(sample) == pytest.approx(swept(setting, sample), rel=1e-11)


@pytest.mark.parametrize("density", ["normal", "laplace", "uniform:-1,1", "beta:2,3"])
@pytest.mark.parametrize("weight", ["one", "window:0.1,0.9"])
@EVERY_KERNEL
def test_typical_samples_are_multiplied_out(kernel: Kernel, density: str, weight: str) -> None:
    f = density_named(density)
    setting = statistic(kernel, f, weight, "m^-0.235")
    for m in (1, 100, 3000):
        found = expansion_of(setting, setting.bandwidth.at(m))
        assert found is not None
        assert found.is_economical(m)
        sample = np.sort(draw(f, 2, 0, m))
        (value,) = found.of_rows(sample[None])
        assert value == pytest.approx(swept(setting, sample), rel=1e-11)


def test_a_sample_for_which_too_many_digits_cancel_is_swept() -> None:
    """The quantiles of f make f_m agree with f to three digits."""
    m, b = 4000, 0.5
    sample = NORMAL.quantiles((np.arange(m) + 0.5) / m)
    setting = statistic(BIWEIGHT, NORMAL, "window:-1,1", b)
    found = expansion_of(setting, b)
    assert found is not None
    assert found.is_economical(m)
    nearly = np.sort(sample * 0.981)
    drawn = np.sort(draw(NORMAL, 0, 0, m))
    values = found.of_rows(np.array([nearly, drawn]))
    assert np.isnan(values).tolist() == [True, False]
    both = setting.of_rows(np.array([nearly, drawn]))
    assert both.tolist() == [swept(setting, nearly), values[1]]


def test_samples_so_large_that_digits_always_cancel_are_not_tried() -> None:
    setting = statistic(EPANECHNIKOV, NORMAL, "window:-2,2", "m^-0.235")
    found = expansion_of(setting, setting.bandwidth.at(200_000))
    assert found is not None
    assert not found.is_economical(200_000)
    terms = 4 * 200_000 * found.tables.bandwidth * found.tables.square
    assert terms > LARGEST_CANCELLATION / 4 * 0.6 * found.mass
    sample = np.sort(draw(NORMAL, 0, 0, 200_000))
    assert setting.of_sorted(sample) == swept(setting, sample)


BENT = Weight("bent", (Piece(Rational(-1), Rational(1), exp(x)),))

STEPS = Weight("steps", (Piece(Rational(-1), Rational(0), Rational(1)), Piece(Rational(0), Rational(1), Rational(2))))


@pytest.mark.parametrize(
    ("kernel", "weight"),
    [("triangular", "window:-1,1"), ("cosine", "window:-1,1"), (EPANECHNIKOV, BENT), (BIWEIGHT, STEPS)],
)
def test_other_kernels_and_weights_are_swept(kernel: str | Kernel, weight: str | Weight) -> None:
    setting = statistic(kernel_named(kernel), NORMAL, weight, 0.4)
    assert expansion_of(setting, 0.4) is None
    sample = np.sort(draw(NORMAL, 1, 0, 50))
    assert setting.of_sorted(sample) == swept(setting, sample)


def test_a_constant_weight_other_than_1_is_multiplied_out() -> None:
    f = density_named("uniform:-1,1")
    setting = statistic(EPANECHNIKOV, f, "inverse-density:-1,1", 0.3)
    found, sample = expansion_of(setting, 0.3), np.sort(draw(f, 1, 0, 50))
    assert found is not None
    assert found.of_rows(sample[None])[0] == pytest.approx(swept(setting, sample), rel=1e-12)
    assert found.of_rows(sample[None])[0] == pytest.approx(
        2 * tm_statistic(sample, density=f, weight="window:-1,1", bandwidth=0.3), rel=1e-12
    )


def test_a_part_of_f_that_the_cross_terms_miss_is_noticed() -> None:
    """The quadrature of g has no landmarks; the table of f has found the part by its mass."""
    narrow = mixture((Rational(9, 10), 0, 1), (Rational(1, 10), Rational("33.3"), Rational("1e-5")))
    for density in (narrow, replace(narrow, name="hidden", landmarks=(), components=(), moved=None)):
        setting = statistic(EPANECHNIKOV, density, window(-40, 40), 0.3)
        assert expansion_of(setting, 0.3) is None


@pytest.mark.parametrize("engine", ["fast", "swept"])
def test_the_replicates_are_the_statistics_of_the_samples_drawn(engine: str) -> None:
    """However many are computed together, from whichever one on."""
    kernel = EPANECHNIKOV if engine == "fast" else kernel_named("triangular")
    setting = statistic(kernel, NORMAL, "window:-2,2", "m^-0.235")
    for m in (1, 7, 100, 3000):
        exact = ExactReplicates(setting, m)
        values = exact.values(11, range(5, 305)) if m < 3000 else exact.values(11, range(5, 25))
        expected = [setting.of_sorted(np.sort(draw(NORMAL, 11, r, m))) for r in range(5, 25)]
        assert values[:20].tolist() == expected
        assert exact.values(11, range(12, 19)).tolist() == expected[7:14]


def test_a_far_location_costs_no_digits() -> None:
    """Near a million doubles are 1e-10 apart; the sample and the window move with the density."""
    rng = np.random.default_rng(4)
    steps = np.sort(rng.integers(-(2**34), 2**34, 300)) / 2.0**33
    values = []
    for place in (0, 10**6):
        f = mixture((Rational(1), Rational(place), Rational(1)))
        setting = statistic(TRIWEIGHT, f, window(place - 1, place + 1), 0.25)
        found = expansion_of(setting, 0.25)
        assert found is not None
        values.append(float(found.of_rows((place + steps)[None])[0]))
    assert values[1] == pytest.approx(values[0], rel=1e-12)
