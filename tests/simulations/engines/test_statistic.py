"""T_m of one sample against 40-digit arithmetic and closed forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import cycle, pairwise

import numba
import numpy as np
import numpy.typing as npt
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf
from mpmath.calculus.quadrature import GaussLegendre
from sympy import Rational, exp

from foundation.errors import InputError
from simulations import tm_statistic
from simulations.compiled import compiled
from simulations.engines.exact.density_tables import cell_table
from simulations.engines.exact.kernel_tables import AnalyticKernel, PiecewiseKernel, kernel_table
from tests.support.examples import each_slow, examples
from theory.densities.density import Density, probability
from theory.densities.families import NORMAL, density_named
from theory.densities.weights import Weight, weight_named, window
from theory.kernels import COSINE, EPANECHNIKOV, GAUSSIAN, KERNELS, Kernel, Piece, kernel_named, x

DIGITS = 40

WIDEST_PANEL = mpf(1) / 4

ACCURACY = 1e-10

COMPACT_KERNELS = ("epanechnikov", "uniform", "triangular", "biweight", "triweight", "cosine")

EVERY_KERNEL = (*COMPACT_KERNELS, "gaussian")

FARTHEST_OBSERVATION = 40
"""In bandwidths; no kernel here is above 1e-340 of its peak beyond it."""

PANEL, FARTHEST_PANEL = 2, 15
"""Standard deviations over which 24 nodes integrate the square of a Gaussian, and panels up to where it counts."""

LongDoubles = npt.NDArray[np.longdouble]

LONG_PI = 4 * np.arctan(np.longdouble(1))

ZERO, ONE = sympy.Integer(0), sympy.Integer(1)


def reference_statistic(
    sample: Sequence[float], kernel: Kernel, density: Density, weight: Weight, bandwidth: float
) -> float:
    """Compute m b * integral of (f_m - f)^2 a from its definition, with 24 Gauss nodes wherever f_m is smooth."""
    with mp.workdps(DIGITS):
        m, b = len(sample), mpf(bandwidth)
        observations = [mpf(float(value)) for value in sample]
        lower, upper = (exactly(end) for end in weight.support)
        changes = landmarks(kernel, observations, b)
        changes |= {exactly(knot) for knot in (*density.knots, *weight.knots)}
        rough = [exactly(knot) for knot in density.rough_knots]
        changes |= {knot + sign * mpf(4) ** -j for knot in rough for sign in (-1, 1) for j in range(1, 20)}
        edges = sorted({lower, upper, *(change for change in changes if lower < change < upper)})
        k, f, a = function(kernel.pieces), function(density.pieces), function(weight.pieces)

        def integrand(point: mpf) -> mpf:
            distances = ((point - value) / b for value in observations)
            estimate = mp.fsum(k(u) for u in distances if abs(u) < FARTHEST_OBSERVATION) / (m * b)
            return (estimate - f(point)) ** 2 * a(point)

        return float(m * b * mp.fsum(integral(integrand, start, end) for start, end in pairwise(edges)))


def landmarks(kernel: Kernel, observations: Sequence[mpf], b: mpf) -> set[mpf]:
    """Return points between which f_m is a polynomial, a harmonic, or close to a polynomial."""
    if kernel.has_compact_support:
        knots = [exactly(piece.lower) for piece in kernel.pieces] + [exactly(kernel.support[1])]
        return {value + b * knot for value in observations for knot in knots}
    mean, panel = exactly(kernel.mean), PANEL * b * exactly(sympy.sqrt(kernel.variance))
    nearest = {int(mp.nint((value + b * mean) / panel)) for value in observations}
    return {(near + j) * panel for near in nearest for j in range(-FARTHEST_PANEL, FARTHEST_PANEL + 1)}


def integral(integrand: Callable[[mpf], mpf], start: mpf, end: mpf) -> mpf:
    panels = int(mp.ceil((end - start) / WIDEST_PANEL))
    half = (end - start) / (2 * panels)
    centres = [start + (2 * i + 1) * half for i in range(panels)]
    return half * mp.fsum(
        weight * integrand(centre + half * node) for centre in centres for node, weight in gauss_rule()
    )


@cache
def gauss_rule() -> list[tuple[mpf, mpf]]:
    with mp.workdps(DIGITS):
        rule: list[tuple[mpf, mpf]] = GaussLegendre(mp).calc_nodes(degree=4, prec=mp.prec)
        return rule


@cache
def function(pieces: tuple[Piece, ...]) -> Callable[[mpf], mpf]:
    numeric = [(exactly(p.lower), exactly(p.upper), sympy.lambdify(x, p.density, "mpmath")) for p in pieces]

    def evaluate(point: mpf) -> mpf:
        return next((f(point) for lower, upper, f in numeric if lower <= point <= upper), mpf(0))

    return evaluate


def exactly(value: sympy.Expr) -> mpf:
    if value.is_infinite:
        return mp.inf if value > 0 else -mp.inf
    if value.is_Rational:
        return mpf(int(value.p)) / int(value.q)
    return mpf(value.evalf(mp.dps + 5)._mpf_)


def assert_accurate(sample: Sequence[float], kernel: str, weight: Weight, bandwidth: float) -> None:
    expected = reference_statistic(sample, kernel_named(kernel), NORMAL, weight, bandwidth)
    value = tm_statistic(sample, kernel=kernel, weight=weight, bandwidth=bandwidth)
    assert value == pytest.approx(expected, rel=ACCURACY, abs=0)


def lost_digits(expected: float, m: int, bandwidth: float) -> float:
    """Return what rounding leaves of T_m where f_m all but equals f: the norm of f_m - f is known to 1e-14 of f's."""
    return 1e-14 * float(np.sqrt(expected * m * bandwidth)) + 1e-28 * m * bandwidth


observations = st.one_of(
    st.floats(-4, 4),
    st.integers(-6, 6).map(lambda number: number / 2),  # ties, atoms, and values on the window's ends
    st.floats(-1e6, 1e6),
    st.floats(-1e-6, 1e-6),
)

windows = st.builds(
    lambda start, length: window(Rational(start, 4), Rational(start + length, 4)),
    st.integers(-16, 12),
    st.integers(1, 16),
)

bandwidths = st.floats(-9, 6).map(lambda power: 10.0**power)


@settings(max_examples=examples(150), deadline=None)
@given(
    sample=st.lists(observations, min_size=1, max_size=12),
    kernel=st.sampled_from(COMPACT_KERNELS),
    weight=windows,
    bandwidth=bandwidths,
)
def test_the_statistic_agrees_with_forty_digit_arithmetic(
    sample: list[float], kernel: str, weight: Weight, bandwidth: float
) -> None:
    assert_accurate(sample, kernel, weight, bandwidth)


@settings(max_examples=examples(60), deadline=None)
@given(sample=st.lists(observations, min_size=1, max_size=4), weight=windows, bandwidth=bandwidths)
def test_the_statistic_of_the_gaussian_kernel_agrees_with_forty_digit_arithmetic(
    sample: list[float], weight: Weight, bandwidth: float
) -> None:
    expected = reference_statistic(sample, GAUSSIAN, NORMAL, weight, bandwidth)
    value = tm_statistic(sample, kernel="gaussian", weight=weight, bandwidth=bandwidth)
    assert value == pytest.approx(expected, rel=ACCURACY, abs=lost_digits(expected, len(sample), bandwidth))


@pytest.mark.parametrize(
    ("kernel", "bandwidth"),
    [
        *zip(EVERY_KERNEL, cycle([0.2, 30.0, 1e-3])),
        *each_slow(zip(EVERY_KERNEL * 2, cycle([30.0, 1e-3, 0.2]))),
    ],
)
def test_a_sample_of_dozens_agrees_with_forty_digit_arithmetic(kernel: str, bandwidth: float) -> None:
    """Dozens of kernels overlap, with ties."""
    sample = np.random.default_rng(3).standard_normal(60).round(2)
    assert_accurate(sample.tolist(), kernel, window(Rational(-1, 2), Rational(1, 4)), bandwidth)


IN_EXTENDED_PRECISION: dict[str, Callable[[LongDoubles], LongDoubles]] = {
    "epanechnikov": lambda u: np.where(np.abs(u) < 1, (1 - u**2) * 3 / 4, 0),
    "triweight": lambda u: np.where(np.abs(u) < 1, (1 - u**2) ** 3 * 35 / 32, 0),
    "cosine": lambda u: np.where(np.abs(u) < 1, np.cos(LONG_PI * u / 2) * LONG_PI / 4, 0),
    "gaussian": lambda u: np.exp(-(u**2) / 2) / np.sqrt(2 * LONG_PI),
}


@pytest.mark.parametrize("kernel", COMPACT_KERNELS)
def test_pieces_as_long_as_short_ones_may_be_keep_their_precision(kernel: str) -> None:
    """All breakpoints are 2/13 apart, just under a quarter of a radian of the cosine; f is constant on the window."""
    sample, density = [2 * k / 13 for k in range(-9, 10)], density_named("uniform:-2,2")
    expected = reference_statistic(sample, kernel_named(kernel), density, window(-1, 1), 1.0)
    value = tm_statistic(sample, kernel=kernel, density=density, weight="window:-1,1", bandwidth=1.0)
    assert value == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("kernel", IN_EXTENDED_PRECISION)
def test_a_large_sample_agrees_with_the_same_sum_in_extended_precision(kernel: str) -> None:
    """At m = 20,000 the running coefficients are updated 40,000 times; the twin sums every kernel at every node.

    A window of width b / 500 keeps the twin affordable, and every observation counts that is near enough.
    """
    rng = np.random.default_rng(8)
    sample, b = rng.standard_normal(20_000), 0.1
    lower, upper = Rational(1, 10), Rational(1, 10) + Rational(1, 5000)
    reach = 1.2 if kernel == "gaussian" else 0.1002
    near = np.sort(sample[np.abs(sample - 0.1) < reach]).astype(np.longdouble)
    edges = np.concatenate([[lower, upper], near - b, near + b]).astype(np.longdouble)
    edges = np.unique(edges[(edges >= float(lower)) & (edges <= float(upper))])
    edges = edges[[0, -1]] if kernel == "gaussian" else edges
    nodes, weights = np.polynomial.legendre.leggauss(8)
    half = np.diff(edges)[:, None] / 2
    points = (edges[:-1, None] + half + half * nodes).ravel()
    kernels = IN_EXTENDED_PRECISION[kernel]((points[:, None] - near) / np.longdouble(b))
    estimate = kernels.sum(axis=1) / (20_000 * np.longdouble(b))
    normal = np.exp(-(points**2) / 2) / np.sqrt(2 * LONG_PI)
    expected = 20_000 * b * np.sum((half * weights).ravel() * (estimate - normal) ** 2)
    value = tm_statistic(sample, kernel=kernel, weight=window(lower, upper), bandwidth=b)
    assert value == pytest.approx(float(expected), rel=ACCURACY)


def test_the_statistic_of_one_observation_equals_its_closed_form() -> None:
    """At X = 0 and b = 1: 3/5 - 2 * integral of K phi + integral of phi^2 = 3/5 - 3 phi(1) + erf(2) / (2 sqrt pi)."""
    with mp.workdps(30):
        expected = float(mpf(3) / 5 - 3 * mp.npdf(1) + mp.erf(2) / (2 * mp.sqrt(mp.pi)))
    assert tm_statistic([0.0], bandwidth=1) == pytest.approx(expected, rel=1e-14)


def test_a_sample_outside_the_window_leaves_the_integral_of_the_squared_density() -> None:
    with mp.workdps(30):
        integral_of_square = mp.erf(2) / (2 * mp.sqrt(mp.pi))
    for sample in ([50.0], [-50.0, 50.0, 50.0], [1e300, -1e300]):
        value = tm_statistic(sample, bandwidth=0.1)
        assert value == pytest.approx(float(len(sample) * mpf(0.1) * integral_of_square), rel=1e-14)


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
@pytest.mark.parametrize("bandwidth", [1e-13, 1e-30, 1e-90])
def test_a_bandwidth_below_the_spacing_of_doubles_leaves_the_roughness(kernel: str, bandwidth: float) -> None:
    """Distinct observations no longer share a kernel: T_m -> I(K) for those inside the window."""
    roughness = float(KERNELS[kernel].roughness)
    value = tm_statistic([0.5, 1.5, -1.0, 7.0], kernel=kernel, bandwidth=bandwidth)
    assert value == pytest.approx(roughness * 3 / 4, rel=1e-10)
    assert tm_statistic([0.5] * 5, kernel=kernel, bandwidth=bandwidth) == pytest.approx(roughness * 5, rel=1e-10)


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
@pytest.mark.parametrize("bandwidth", [1e-12, 1e-17, 1e-30, 1e-90])
def test_an_observation_on_an_end_of_the_window_counts_half(kernel: str, bandwidth: float) -> None:
    """Also where no double lies between the end and the beginning of its kernel."""
    half = float(KERNELS[kernel].roughness) / 2
    for place in (-2.0, 2.0):
        assert tm_statistic([place], kernel=kernel, bandwidth=bandwidth) == pytest.approx(half, rel=1e-11)


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
def test_a_huge_bandwidth_leaves_the_squared_density_times_m_b(kernel: str) -> None:
    with mp.workdps(30):
        integral_of_square = float(mp.erf(2) / (2 * mp.sqrt(mp.pi)))
    value = tm_statistic([0.3, -8.0], kernel=kernel, bandwidth=1e90)
    assert value == pytest.approx(2e90 * integral_of_square, rel=1e-12)


def test_an_atom_followed_by_a_straggler_keeps_its_precision() -> None:
    """The running polynomial falls from 200 kernels to one: what cancels must not stay behind."""
    assert_accurate([0.0] * 200 + [1.1], "triweight", window(-1, 2), 1.0)


@pytest.mark.parametrize("kernel", ["uniform", "triweight"])
def test_a_cluster_leaves_no_trace_in_the_gap_behind_it(kernel: str) -> None:
    """A residue of 1e-16 in the running polynomial would be magnified by (gap / b)^degree."""
    sample = [0.0, 1e-7, 3.3e-7, 7.1e-7, 9e-7, 1.3e-6, 0.5, 0.5 + 3e-7]
    assert_accurate(sample, kernel, window(-1, 1), 1e-6)


@pytest.mark.parametrize("kernel", EVERY_KERNEL)
@pytest.mark.parametrize("m", [50, 20_000])
def test_the_statistic_of_a_window_is_the_sum_over_its_parts(kernel: str, m: int) -> None:
    """Every part starts its own sweep, so whatever a long sweep accumulates would show."""
    sample = np.random.default_rng(5).standard_normal(m)
    parts = [
        tm_statistic(sample, kernel=kernel, weight=window(Rational(k, 8), Rational(k + 1, 8)), bandwidth=0.02)
        for k in range(-16, 16)
    ]
    assert tm_statistic(sample, kernel=kernel, bandwidth=0.02) == pytest.approx(sum(parts), rel=1e-11)


def test_observations_a_few_doubles_apart_keep_their_precision() -> None:
    """Near 1,000 doubles are 1.1e-13 apart: kernels half as wide, as wide and twice as wide."""
    spacing = float(np.spacing(1000.0))
    sample = [1000.5 + k * spacing for k in (0, 0, 1, 3, 4, 9)]
    for factor in (0.3, 0.5, 1.0, 1.5, 2.0, 5.0):
        assert_accurate(sample, "epanechnikov", window(1000, 1001), factor * spacing)


def test_the_order_and_the_type_of_the_sample_do_not_matter() -> None:
    sample = [3, -1, 0, 1, 0]
    value = tm_statistic(sample)
    assert tm_statistic(sample[::-1]) == value
    assert tm_statistic(np.array(sample, dtype=np.float32)) == value
    assert tm_statistic(np.array(sample, dtype=np.int8)) == value


def test_the_sample_is_left_as_it_was() -> None:
    sample = np.array([1.0, -1.0, 0.0])
    tm_statistic(sample)
    assert sample.tolist() == [1.0, -1.0, 0.0]


def test_the_bandwidth_rule_is_taken_at_the_size_of_the_sample() -> None:
    sample = np.linspace(-1, 1, 40)
    assert tm_statistic(sample, bandwidth="m^-0.5") == tm_statistic(sample, bandwidth=float(40**-0.5))


def test_a_density_with_jumps_and_a_weight_that_varies_are_integrated_too() -> None:
    """The same compiled code serves tables of any density and weight."""
    steps = (Piece(ZERO, ONE, Rational(1, 4)), Piece(ONE, sympy.Integer(2), Rational(3, 4)))
    distribution = sympy.Piecewise((x / 4, x <= 1), (1 - Rational(3, 4) * (2 - x), True))
    density = Density("steps", steps, distribution, quantile=probability)
    weight = Weight("bent", (Piece(Rational(-1, 2), ONE, exp(x)), Piece(ONE, Rational(5, 2), 1 + x**2)))
    sample = [0.1, 0.9, 1.0, 1.2, 1.2, 2.4]
    for kernel in EVERY_KERNEL:
        expected = reference_statistic(sample, kernel_named(kernel), density, weight, 0.4)
        value = tm_statistic(sample, kernel=kernel, density=density, weight=weight, bandwidth=0.4)
        assert value == pytest.approx(expected, rel=1e-12)


TWO_PEAKS = "mixture:0.5*normal(-1,0.5)+0.5*normal(1,0.5)"

NARROW = "mixture:0.9*normal(0,1)+0.1*normal(1,0.05)"

DENSITIES = (
    "normal",
    "logistic",
    "laplace",
    "uniform:-1,1",
    "beta:2,3",
    "beta:2.5,1.75",
    "beta:1.5,1",
    TWO_PEAKS,
    NARROW,
)

EVERY_DENSITY = pytest.mark.parametrize("density", DENSITIES)


@EVERY_DENSITY
@pytest.mark.parametrize("weight", ["window:-0.5,1", "inverse-density:0.25,0.75"])
@pytest.mark.parametrize("bandwidth", [0.01, 0.3])
def test_every_density_and_weight_agrees_with_forty_digit_arithmetic(
    density: str, weight: str, bandwidth: float
) -> None:
    hypothesised = density_named(density)
    sample = [*hypothesised.quantiles(np.random.default_rng(2).random(8)).tolist(), 0.5, 0.5, 0.0, 1.0]
    a = weight_named(weight, hypothesised)
    expected = reference_statistic(sample, EPANECHNIKOV, hypothesised, a, bandwidth)
    value = tm_statistic(sample, density=density, weight=weight, bandwidth=bandwidth)
    assert value == pytest.approx(expected, rel=ACCURACY, abs=0)


@EVERY_DENSITY
@pytest.mark.parametrize("kernel", ["cosine", "gaussian"])
def test_every_density_agrees_with_forty_digit_arithmetic_for_smooth_kernels_too(density: str, kernel: str) -> None:
    hypothesised = density_named(density)
    sample = [*hypothesised.quantiles(np.random.default_rng(6).random(3)).tolist(), 0.5, 0.5]
    a = weight_named("inverse-density:0.25,0.75", hypothesised)
    for bandwidth in (0.02, 0.3):
        expected = reference_statistic(sample, kernel_named(kernel), hypothesised, a, bandwidth)
        value = tm_statistic(sample, kernel=kernel, density=density, weight=a, bandwidth=bandwidth)
        assert value == pytest.approx(expected, rel=ACCURACY, abs=0)


@pytest.mark.parametrize(
    ("density", "kernel"),
    [
        *zip(DENSITIES, cycle(["cosine", "triweight"])),
        *zip(["laplace", TWO_PEAKS], ["gaussian", "triangular"], strict=True),
        *each_slow(zip(DENSITIES, cycle(["triweight", "cosine"]))),
        *each_slow(zip(["laplace", TWO_PEAKS, *["beta:2.5,1.75"] * 2], cycle(["triangular", "gaussian"]))),
    ],
)
def test_the_weight_one_agrees_with_forty_digit_arithmetic(density: str, kernel: str) -> None:
    hypothesised = density_named(density)
    sample = [*hypothesised.quantiles(np.random.default_rng(4).random(3)).tolist(), 0.0, -12.0, 30.0, 30.5]
    wide = window(-35, 35)
    expected = reference_statistic(sample, kernel_named(kernel), hypothesised, wide, 0.7)
    value = tm_statistic(sample, kernel=kernel, density=density, weight="one", bandwidth=0.7)
    assert value == pytest.approx(expected, rel=ACCURACY, abs=0)


def test_the_weight_one_counts_observations_however_far() -> None:
    """Two observations that nothing overlaps, and b int f^2: T_m = I(K) + m b int f^2, without the cross term."""
    for far in (40.0, -1e6, 1e17, 1e300):
        expected = 0.6 + 2 * 0.5 / (2 * np.sqrt(np.pi))
        assert tm_statistic([far, -3 * far], weight="one", bandwidth=0.5) == pytest.approx(expected, rel=1e-13)


def test_a_density_unbounded_under_the_weight_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"beta:0\.5,2 is unbounded at 0"):
        tm_statistic([0.5], density="beta:0.5,2", weight="one")
    assert tm_statistic([0.5], density="beta:0.5,2", weight="window:0.1,1") > 0


@given(start=st.integers(-30, 28), length=st.integers(1, 4))
@settings(max_examples=examples(20), deadline=None)
def test_the_tables_reproduce_the_density_to_rounding_even_in_its_tails(start: int, length: int) -> None:
    table = cell_table(NORMAL, window(start, start + length))
    v = np.linspace(-1, 1, 7)
    centres, halves = (table.edges[1:] + table.edges[:-1]) / 2, np.diff(table.edges) / 2
    points = centres[:, None] + halves[:, None] * v
    fitted = np.polynomial.polynomial.polyval(v, table.density.T)
    with mp.workdps(25):
        exact = np.array([[float(mp.npdf(mpf(p))) for p in row] for row in points[:: max(1, len(points) // 10)]])
    # exp(-x^2 / 2) magnifies the rounding of x^2 / 2, up to 450 at x = 30. What is 1e-40 of the rest is not fitted.
    assert np.allclose(fitted[:: max(1, len(points) // 10)], exact, rtol=2e-13, atol=1e-40 * exact.max())


@pytest.mark.parametrize("name", COMPACT_KERNELS)
def test_the_numerical_kernels_are_those_of_theory(name: str) -> None:
    table, kernel = kernel_table(KERNELS[name]), KERNELS[name]
    assert isinstance(table, PiecewiseKernel)
    for j, piece in enumerate(kernel.pieces):
        middle = (table.knots[j] + table.knots[j + 1]) / 2 + 0.1
        angle = table.frequency * middle
        functions = [np.cos(angle), np.sin(angle)] if table.frequency else [middle**q for q in table.functions]
        assert table.pieces[j] @ functions == pytest.approx(float(piece.density.subs(x, middle)), rel=1e-14)


def test_a_kernel_is_recognised_from_its_definition() -> None:
    table = kernel_table(GAUSSIAN.transform(Rational(1, 2), sympy.Integer(3)))
    assert isinstance(table, AnalyticKernel)
    assert not table.is_logistic
    assert (table.location, table.scale) == (0.5, 3.0)
    assert table.height == pytest.approx(1 / (3 * np.sqrt(2 * np.pi)), rel=1e-15)
    renamed = Kernel("gaussian", EPANECHNIKOV.pieces)
    assert tm_statistic([0.2], kernel=renamed) == tm_statistic([0.2])


@pytest.mark.parametrize(
    ("sample", "complaint"),
    [
        ([], "must have at least one observation"),
        ([[1.0, 2.0]], r"must be one-dimensional, got the shape \(1, 2\)"),
        (3.0, r"must be one-dimensional, got the shape \(\)"),
        ([1.0, float("nan"), float("inf")], "must be finite, but 2 of its 3 values"),
        (["a", "b"], "must consist of numbers"),
        ([1 + 2j], "must consist of numbers"),
        ([None], "must be finite, but 1 of its 1 values"),
        ([[1.0], [1.0, 2.0]], "must consist of numbers"),
    ],
)
def test_a_sample_that_is_not_one_is_refused_in_one_sentence(sample: object, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        tm_statistic(sample)  # type: ignore[arg-type]


def test_a_kernel_of_another_form_is_refused_with_those_there_are() -> None:
    listed = "epanechnikov, uniform, triangular, biweight, triweight, cosine, gaussian, logistic"
    raised = Kernel("raised cosine", (Piece(-ONE, ONE, (1 + sympy.cos(sympy.pi * x)) / 2),))
    laplace = Kernel("laplace", (Piece(-sympy.oo, ZERO, exp(x) / 2), Piece(ZERO, sympy.oo, exp(-x) / 2)))
    for kernel in (laplace, raised):
        with pytest.raises(InputError, match=rf"got {kernel.name}\. Choose from: {listed}\."):
            tm_statistic([0.0], kernel=kernel)


@pytest.mark.parametrize(
    "kernel",
    [
        COSINE.rescale(variance=1),
        EPANECHNIKOV.rescale(variance=1),
        EPANECHNIKOV.transform(Rational(1, 3), sympy.sqrt(2)),
        COSINE.transform(Rational(-1, 4), Rational(1, 2)),
        GAUSSIAN.transform(Rational(1, 2), Rational(1, 3)),
        GAUSSIAN.rescale(variance=Rational(1, 5)),
    ],
)
def test_a_kernel_stretched_and_shifted_agrees_with_forty_digit_arithmetic(kernel: Kernel) -> None:
    sample = [-0.7, 0.1, 0.1, 0.4, 1.3]
    expected = reference_statistic(sample, kernel, NORMAL, window(-1, 1), 0.3)
    value = tm_statistic(sample, kernel=kernel, weight=window(-1, 1), bandwidth=0.3)
    assert value == pytest.approx(expected, rel=ACCURACY, abs=0)


def test_an_observation_that_no_double_can_place_is_refused_under_the_weight_one() -> None:
    with pytest.raises(InputError, match=r"at most 1e\+306 bandwidths from 0 under the weight one, got 1e\+290"):
        tm_statistic([0.0, -1e290], weight="one", bandwidth=1e-20)
    assert tm_statistic([0.0, -1e290], bandwidth=1e-20) == pytest.approx(0.3, rel=1e-10)


def test_an_unbounded_weight_is_refused_by_name() -> None:
    everywhere = Weight("two", (Piece(-sympy.oo, sympy.oo, 2 * ONE),))
    with pytest.raises(InputError, match="must vanish outside a bounded interval or be one, got two"):
        tm_statistic([0.0], weight=everywhere)


def test_a_function_too_steep_for_polynomials_is_refused() -> None:
    pole = Weight("pole", (Piece(ZERO, ONE, 1 / x),))
    with pytest.raises(InputError, match="too steep"):
        tm_statistic([0.5], weight=pole)


def test_code_is_compiled_even_where_no_folder_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    njit = numba.njit

    def refusing(**options: bool) -> Callable[..., Callable[..., int]]:
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        decorator: Callable[..., Callable[..., int]] = njit(**options)
        return decorator

    monkeypatch.setattr(numba, "njit", refusing)

    def successor(number: int) -> int:
        return number + 1

    assert compiled(successor)(1) == 2
