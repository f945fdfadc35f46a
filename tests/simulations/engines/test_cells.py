"""T_m on cells: against the exact statistic on the same samples, definitions, and a slow twin."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from foundation.errors import InputError
from foundation.types import Array, ArrayFunction
from simulations.compiled import vectorised
from simulations.engines.cells import discretisation
from simulations.engines.cells.discretisation import choose_discretisation, measure_discretisation
from simulations.engines.cells.expectation import expected_statistic
from simulations.engines.cells.grids import Grid, TooManyCells, grid
from simulations.engines.cells.moments import statistic_of_moments
from simulations.engines.cells.quadrature import nodes_over, segments
from simulations.engines.cells.replicates import CellReplicates
from simulations.engines.cells.strata import strata
from simulations.engines.exact.statistic import Statistic
from tests.support.examples import each_slow, first
from theory.bickel_rosenblatt.bandwidth import Bandwidth, bandwidth_named
from theory.bickel_rosenblatt.mean import exact_mean
from theory.bickel_rosenblatt.variance import exact_variance
from theory.densities.density import Density
from theory.densities.evaluation import at_points, local_density
from theory.densities.families import density_named
from theory.densities.weights import Weight, weight_named
from theory.kernels import KERNELS, Piece, kernel_named, x

POLYNOMIAL_KERNELS = ("epanechnikov", "uniform", "triangular", "biweight", "triweight")

TWO_PEAKS = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"

FALSE_ALARM_Z = 4.0
"""A standard normal variable is beyond this with probability 6e-5."""


def setting(
    kernel: str = "epanechnikov",
    density: str = "normal",
    weight: str = "window:-2,2",
    bandwidth: str | float = "m^-0.235",
) -> Statistic:
    f = density_named(density)
    return Statistic(kernel_named(kernel), f, weight_named(weight, f), bandwidth_named(bandwidth))


def samples(density: str, m: int, count: int, seed: int = 5) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [density_named(density).quantiles(rng.random(m)) for _ in range(count)]


def relative_errors(statistic: Statistic, cells: Grid, drawn: list[Array]) -> Array:
    return np.array([cells.of_sample(sample) / statistic.of_sorted(np.sort(sample)) - 1 for sample in drawn])


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


LAPLACE = "expression:exp(-abs(x))/2,-oo,oo"


def by_definition(pieces: tuple[Piece, ...]) -> ArrayFunction:
    functions = [(float(p.lower), float(p.upper), sympy.lambdify(x, p.density, "numpy")) for p in pieces]
    return lambda u: sum((np.where((u > low) & (u <= high), f(u), 0.0) for low, high, f in functions), np.zeros_like(u))


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("cells_per_bandwidth", [2, 7, 16])
def test_the_estimate_at_the_nodes_is_the_sum_of_all_kernels(kernel: str, cells_per_bandwidth: int) -> None:
    """Exact for piecewise polynomials; for the others a series is cut where its terms are below 1e-9 of K(0)."""
    b = 0.15
    cells = grid(setting(kernel, bandwidth=b), 300, cells_per_bandwidth)
    sample = np.concatenate([samples("normal", 298, 1)[0], [9.0, -30.0]])
    nodes = -2.0 + cells.width * (np.arange(cells.tables.nodes) - 2)
    expected = by_definition(KERNELS[kernel].pieces)((nodes[:, None] - sample) / b).sum(axis=1)
    tolerance = 1e-12 if kernel in POLYNOMIAL_KERNELS else 1e-9
    assert np.allclose(cells.kernel_sums(sample), expected, rtol=0, atol=tolerance * expected.max())


@pytest.mark.parametrize("kernel", ["epanechnikov", "uniform", "triangular"])
def test_the_value_is_that_of_a_slow_twin(kernel: str) -> None:
    """The twin sums over nodes and observations: cubics by polynomial integration, and each jump or bend by itself."""
    m, b, cells_per_bandwidth, lower, upper = 250, 0.31, 4, -0.77, 1.4
    statistic = setting(kernel, weight=f"window:{lower},{upper}", bandwidth=b)
    (sample,) = samples("normal", m, 1)
    h = b / cells_per_bandwidth
    nodes = lower + h * np.arange(-2, int(np.ceil((upper - lower) / h)) + 3)
    k = by_definition(KERNELS[kernel].pieces)
    phi = np.exp(-(nodes**2) / 2) / np.sqrt(2 * np.pi)
    deviation = k((nodes[:, None] - sample) / b).sum(axis=1) - m * b * phi

    total = 0.0
    last = int(np.floor((upper - lower) / h + 1e-9)) + 2
    used = slice(0, min(nodes.size, last + 3))
    edges = [*nodes[2 : last + 1], upper]
    for start, end in pairwise(edges):
        first = min(int(np.floor(((start + end) / 2 - nodes[0]) / h)) - 1, nodes[used].size - 4)
        cubic = np.polynomial.Polynomial.fit(nodes[first : first + 4], deviation[first : first + 4] ** 2, 3).integ()
        total += cubic(end) - cubic(start)
    for i in range(2, last):
        left, right = deviation[i], deviation[i + 1]
        jumps = []
        for knot, jump, bend in knots_of(kernel):
            for s in (sample + b * knot - nodes[i]) / h - 0.5:
                if -0.5 <= s < 0.5:
                    total += -h * jump * (left + right) * s
                    total += h * bend / cells_per_bandwidth / 2 * (left + right) * (s**2 - 1 / 12)
                    jumps.append(jump)
        total -= 2 * h * (sum(jumps) * (right - left) - sum(jump**2 for jump in jumps)) / 12
    value = grid(statistic, m, cells_per_bandwidth).of_sample(sample)
    assert value == pytest.approx(total / (m * b), rel=1e-11)


def knots_of(kernel: str) -> list[tuple[float, float, float]]:
    """Return the knots, how much K jumps there, and its derivative."""
    return {
        "uniform": [(-1.0, 0.5, 0.0), (1.0, -0.5, 0.0)],
        "triangular": [(-1.0, 0.0, 1.0), (0.0, 0.0, -2.0), (1.0, 0.0, 1.0)],
        "epanechnikov": [(-1.0, 0.0, 1.5), (1.0, 0.0, 1.5)],
    }[kernel]


@pytest.mark.parametrize(
    ("kernel", "density", "weight"),
    [
        ("epanechnikov", "normal", "window:-2,2"),
        ("epanechnikov", "laplace", "inverse-density:-1,2"),
        ("epanechnikov", "uniform:-1,1", "window:-2,2"),
        ("epanechnikov", TWO_PEAKS, "one"),
        ("triweight", "normal", "inverse-density:-1,1.5"),
        ("cosine", "normal", "window:-2,2"),
        ("gaussian", "laplace", "inverse-density:-1,1"),
        *each_slow([("triangular", "logistic", "window:-2,1"), ("biweight", "beta:2,3", "one")]),
    ],
)
def test_the_error_falls_at_least_with_the_square_of_the_cells(kernel: str, density: str, weight: str) -> None:
    statistic, drawn = setting(kernel, density, weight), samples(density, 800, 12)
    coarse, fine = (rms(relative_errors(statistic, grid(statistic, 800, cells), drawn)) for cells in (6, 24))
    assert fine < coarse / 4**2
    assert fine < 1e-4


def test_where_the_estimate_jumps_the_error_falls_with_the_power_three_halves() -> None:
    """What remains is the order of the jumps within a cell. Without its expectation the mean would be off by 4e-3."""
    statistic, drawn = setting("uniform"), samples("normal", 2000, 60)
    coarse, fine = (relative_errors(statistic, grid(statistic, 2000, cells), drawn) for cells in (4, 64))
    assert rms(fine) < rms(coarse) / 16**1.5 * 2
    assert abs(fine.mean()) < FALSE_ALARM_Z * fine.std() / np.sqrt(fine.size) + 1e-5
    assert rms(fine) < 3e-4


@pytest.mark.parametrize("density", ["normal", "logistic"])
def test_a_gaussian_kernel_on_the_whole_line_has_no_error_to_speak_of(density: str) -> None:
    """All is smooth and nothing ends: the trapezoid rule's error falls faster than any power."""
    statistic = setting("gaussian", density, "one")
    assert rms(relative_errors(statistic, grid(statistic, 400, 4), samples(density, 400, 5))) < 1e-9


@given(
    lower=st.floats(-2, 2),
    length=st.floats(0.6, 3),
    knot=st.floats(0.1, 0.9),
    spacing=st.floats(0.05, 0.2),
    degree=st.integers(0, 3),
)
def test_the_quadrature_is_exact_for_cubics_on_either_side_of_a_jump(
    lower: float, length: float, knot: float, spacing: float, degree: int
) -> None:
    """Whatever the places of the ends and of the knot among the nodes."""
    ends = [sympy.Rational(str(round(end, 4))) for end in (lower, lower + knot * length, lower + length)]
    steps = (Piece(ends[0], ends[1], sympy.Integer(1)), Piece(ends[1], ends[2], sympy.Integer(3)))
    support = (float(ends[0]), float(ends[2]))
    nodes = nodes_over(support, spacing)
    middle = (support[0] + support[1]) / 2
    total = sum(
        float(part.weight @ (nodes.points[part.first : part.first + part.weight.size] - middle) ** degree)
        for part in segments(nodes, density_named("normal"), Weight("steps", steps), support)
    )
    expected = sum(
        float(piece.density)
        * ((float(piece.upper) - middle) ** (degree + 1) - (float(piece.lower) - middle) ** (degree + 1))
        / (degree + 1)
        for piece in steps
    )
    assert total == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_the_engine_sees_the_exact_engines_samples() -> None:
    engine, statistic = CellReplicates(setting(), 3000), setting()
    values = engine.values(11, range(40, 60))
    exact = np.array([statistic.of_sorted(np.sort(engine.sample(11, replicate))) for replicate in range(40, 60)])
    spread = math.sqrt(exact_variance(3000).total)
    assert rms(values - exact) < 2 * discretisation.TARGET_ERROR * spread
    on_the_same_cells = [engine.grid.of_sample(engine.sample(11, replicate)) for replicate in range(40, 60)]
    assert values == pytest.approx(on_the_same_cells, rel=1e-12)


def test_the_bits_depend_on_the_seed_and_the_replicate_alone() -> None:
    engine = CellReplicates(setting(), 700, 8)
    together = engine.values(2**64 - 1, range(100, 130))
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda r: engine.values(2**64 - 1, r), [range(k, k + 3) for k in range(100, 130, 3)]))
    assert np.concatenate(parts).tolist() == together.tolist()
    assert engine.values(2**64 - 1, range(129, 99, -1)).tolist() == together[::-1].tolist()
    assert len({*together, *engine.values(3, range(100, 130))}) == 60


@pytest.mark.parametrize("kernel", ["epanechnikov", "triweight"])
def test_the_mean_is_the_exact_mean(kernel: str) -> None:
    m, replicates = 400, 20_000
    values = CellReplicates(setting(kernel), m).values(6, range(replicates))
    expected = exact_mean(m, kernel).total
    assert abs(values.mean() - expected) < FALSE_ALARM_Z * values.std() / np.sqrt(replicates)


def test_the_chosen_cells_are_the_fewest_whose_error_is_small_enough() -> None:
    statistic = setting()
    chosen = choose_discretisation(statistic, 1000)
    tried = discretisation.CELLS_PER_BANDWIDTH
    before = tried[tried.index(chosen.cells_per_bandwidth) - 1]
    assert chosen.is_within_target
    assert not measure_discretisation(statistic, 1000, before).is_within_target
    assert CellReplicates(statistic, 1000).cells_per_bandwidth == chosen.cells_per_bandwidth
    assert CellReplicates(statistic, 1000).discretisation == chosen


def test_the_measured_error_is_that_of_other_samples_too() -> None:
    statistic = setting("triangular", "laplace")
    measured = measure_discretisation(statistic, 500, 5)
    others = samples("laplace", 500, 200, seed=8)
    cells, spread = grid(statistic, 500, 5), math.sqrt(exact_variance(500, "triangular", "laplace").total)
    errors = np.array([cells.of_sample(one) - statistic.of_sorted(np.sort(one)) for one in others]) / spread
    assert rms(errors) == pytest.approx(measured.rms_error, rel=0.5)
    assert abs(errors.mean() - measured.bias) < FALSE_ALARM_Z * errors.std() / math.sqrt(errors.size)
    assert measured.bias_standard_error == 0
    assert rms(relative_errors(statistic, cells, others)) == pytest.approx(measured.rms_relative_error, rel=0.5)


@pytest.mark.parametrize(
    ("kernel", "density", "weight"),
    first(
        3,
        [
            ("epanechnikov", "normal", "window:-2,2"),
            ("uniform", "normal", "window:-1,1"),
            ("cosine", "uniform:-1,1", "window:-2,2"),
            ("triangular", "beta:2,3", "window:0.2,0.8"),
            ("gaussian", "logistic", "window:-1,1"),
        ],
    ),
)
def test_the_mean_on_cells_is_the_integral_over_samples_of_one_and_two(kernel: str, density: str, weight: str) -> None:
    """T_m on cells is a polynomial in each observation's position in its stratum, which Gauss quadrature integrates."""
    statistic = setting(kernel, density, weight, bandwidth=0.4)
    nodes, shares = np.polynomial.legendre.leggauss(9 if kernel == "gaussian" else 6)
    cells = grid(statistic, 1, 2)
    parts, f = strata(statistic.density, cells.edges), local_density(statistic.density)
    lower, upper = np.polynomial.polynomial.polyval(np.array([[-0.5], [0.5]]), parts.quantiles.T, tensor=False)
    positions = (lower + upper)[:, None] / 2 + (upper - lower)[:, None] / 2 * nodes
    points = cells.origin + cells.width * (parts.cells[:, None] + 0.5 + positions)
    masses = at_points(f, points.ravel()).reshape(points.shape) * shares * (upper - lower)[:, None] / 2 * cells.width
    # Each observation's power sums, and those of one that no node sees.
    one = np.zeros((points.size + 1, cells.orders, cells.cells))
    for row, (cell, s) in enumerate(zip(parts.cells.repeat(nodes.size), positions.ravel(), strict=True)):
        one[row, :, cell] = s ** np.arange(cells.orders)
    mass = np.append(masses.ravel(), parts.outside)
    assert mass.sum() == pytest.approx(1, abs=1e-9)
    alone = sum(p * statistic_of_moments(moments, cells.tables) for p, moments in zip(mass, one, strict=True))
    assert expected_statistic(cells, statistic.density, 1) == pytest.approx(alone, rel=1e-8)
    two = grid(statistic, 2, 2)
    pairs = sum(
        p * q * statistic_of_moments(a + b, two.tables)
        for p, a in zip(mass, one, strict=True)
        for q, b in zip(mass, one, strict=True)
    )
    assert expected_statistic(two, statistic.density, 2) == pytest.approx(pairs, rel=1e-8)


def test_the_bias_of_cells_is_that_at_m_itself_where_it_grows_with_m() -> None:
    """A pilot study of 50,000 observations sees a twentieth of it; the samples of a million do, without chance."""
    statistic, m = setting(density="uniform:-1,1", weight="one"), 10**6
    measured = measure_discretisation(statistic, m, 4)
    cells = grid(statistic, m, 4)
    engine = CellReplicates(statistic, m, 4)
    errors = np.array(
        [cells.of_sample(one) - statistic.of_sorted(np.sort(one)) for one in map(engine.sample, (1, 1, 1), range(3))]
    )
    spread = math.sqrt(exact_variance(m, "epanechnikov", "uniform:-1,1", "one").total)
    assert measured.bias > 10 * discretisation.LARGEST_BIAS
    assert errors / spread == pytest.approx(measured.bias, rel=0.2)
    assert not measured.is_acceptable


def test_a_bias_counts_where_it_is_not_due_to_chance() -> None:
    unbiased = measure_discretisation(setting(), 1000, 16)
    assert unbiased.is_within_target
    biased = replace(unbiased, rms_error=2.9e-3, bias=-2.5e-3, bias_standard_error=1e-4)
    assert not biased.is_within_target
    assert biased.is_acceptable
    assert replace(biased, bias_standard_error=3e-4).is_within_target


def test_a_statistic_that_is_mostly_zero_has_an_error_all_the_same() -> None:
    """No observation reaches the window, or hardly ever one."""
    nowhere = choose_discretisation(setting(density="uniform:-1,1", weight="window:2,3", bandwidth=0.5), 20)
    assert (nowhere.rms_error, nowhere.bias, nowhere.is_within_target) == (0.0, 0.0, True)
    seldom = choose_discretisation(setting(density="uniform:-1,1", weight="window:1.2,3", bandwidth=0.25), 5)
    assert 0 < seldom.rms_error <= discretisation.LARGEST_ERROR


def test_an_error_that_no_cells_make_small_enough_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discretisation, "CELLS_PER_BANDWIDTH", (2, 4))
    chosen = choose_discretisation(setting("uniform"), 300)
    assert chosen.cells_per_bandwidth == 4
    assert (chosen.is_within_target, chosen.is_acceptable) == (False, True)
    with pytest.raises(
        InputError, match=r"got 6e\+03 and \+6e\+03 with 4 cells in the bandwidth .* Use the engine exact\."
    ):
        choose_discretisation(setting(density="uniform:0,0.01", weight="one"), 1000)


@pytest.mark.parametrize(
    ("statistic", "m", "cells_per_bandwidth", "complaint"),
    [
        (setting(bandwidth=1e-6), 100, 8, r"8 cells in the bandwidth 1e-06 would be too many"),
        (setting(bandwidth=1e-6), 100, None, r"cells cannot cover window:-2,2 with normal at the bandwidth 1e-06"),
        (setting(density="beta:2.5,1.75", weight="window:0,1", bandwidth=0.9), 50, 2, "are too wide for the distances"),
        (setting(), 100, 0, "the number of cells in a bandwidth must be a positive whole number, got 0"),
        (setting(), 0, 8, "m must be a positive whole number, got 0"),
        (setting(), -3, None, "m must be a positive whole number, got -3"),
        (setting(LAPLACE), 100, None, "or Gaussian or logistic, got expression:exp"),
        (setting(LAPLACE), 100, 8, "or Gaussian or logistic, got expression:exp"),
        (setting(density="beta:0.5,2", weight="one"), 100, None, "beta:0.5,2 is unbounded at 0"),
    ],
)
def test_what_cells_cannot_do_is_refused_in_one_sentence(
    statistic: Statistic, m: int, cells_per_bandwidth: int | None, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        CellReplicates(statistic, m, cells_per_bandwidth)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5])
def test_a_seed_out_of_range_is_refused(seed: object) -> None:
    with pytest.raises(InputError, match="the seed must be a whole number"):
        CellReplicates(setting(), 50, 8).values(seed, range(1))  # type: ignore[arg-type]


def test_a_grid_of_too_many_cells_is_not_made() -> None:
    with pytest.raises(TooManyCells):
        grid(setting(bandwidth=1e-9), 100, 2)


def test_code_is_compiled_even_where_no_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def refusing(**options: Any) -> Callable[..., Callable[..., float]]:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        decorator: Callable[..., Callable[..., float]] = njit(**options)
        return decorator

    monkeypatch.setattr(numba, "njit", refusing)

    def half(number: float) -> float:
        return number / 2

    assert vectorised(half)(3.0) == 1.5


def test_a_shifted_and_stretched_kernel_keeps_its_knots_on_edges_of_cells() -> None:
    moved = KERNELS["triangular"].transform(sympy.Rational(1, 2), sympy.sqrt(5) / 1)
    rational = KERNELS["triangular"].transform(sympy.Rational(1, 2), sympy.Rational(3, 2))
    with pytest.raises(InputError, match="rational multiples of each other"):
        grid(Statistic(moved, *rest_of(setting(bandwidth=0.2))), 100, 8)
    statistic = Statistic(rational, *rest_of(setting(bandwidth=0.2)))
    with pytest.raises(InputError, match="must be a multiple of 4 for the kernel triangular, got 6"):
        grid(statistic, 100, 6)
    (sample,) = samples("normal", 100, 1)
    assert grid(statistic, 100, 64).of_sample(sample) == pytest.approx(statistic.of_sorted(np.sort(sample)), rel=1e-4)


def rest_of(statistic: Statistic) -> tuple[Density, Weight, Bandwidth]:
    return statistic.density, statistic.weight, statistic.bandwidth


def test_observations_far_from_the_weight_count_as_observations_only() -> None:
    statistic = setting(bandwidth=0.3)
    near = samples("normal", 60, 1)[0]
    far = np.concatenate([near[:50], [1e300, -1e300, np.inf, -np.inf, 5.0, -5.0, 1e9, -1e9, 7.0, 50.0]])
    farther = np.concatenate([near[:50], np.full(10, 1e6)])
    assert grid(statistic, 60, 8).of_sample(far) == grid(statistic, 60, 8).of_sample(farther)
