"""Densities whose parts are narrow, far from each other or far from 0, against independent integration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Integer, Rational, asinh, erfc, exp, log, oo, pi, sqrt

import simulations.engines.exact.statistic as statistic_module
from foundation.errors import InputError
from simulations import tm_statistic
from simulations.engines.cells import discretisation
from simulations.engines.cells.grids import grid
from simulations.engines.cells.strata import strata
from simulations.engines.exact.density_tables import CellTable, cell_table
from simulations.engines.exact.replicates import ExactReplicates
from simulations.engines.exact.statistic import Statistic
from simulations.sampling.quantile_fitting import quantile_table
from tests.simulations.engines.integration import KERNELS, Part, integrate_squares, integrate_statistic
from tests.support.examples import each_slow, examples
from theory.bickel_rosenblatt.bandwidth import bandwidth_named
from theory.bickel_rosenblatt.mean import exact_mean
from theory.densities.density import Density, Landmark
from theory.densities.families import NORMAL, density_named, mixture
from theory.densities.integrals import known_integrals
from theory.densities.weights import ONE, Weight, inverse_density, weight_named, window
from theory.kernels import Piece, kernel_named, x

Array = npt.NDArray[np.float64]

ACCURACY = 1e-10

ROUNDING = 1e-14
"""Error of the norm of f_m - f that rounding of both leaves, as a share of the norm of f_m + f."""

FAR_APART = "mixture:0.4*normal(0,1)+0.3*normal(33.3,0.05)+0.3*normal(100,1)"

CLOSE = "mixture:0.4*normal(0,1)+0.3*normal(15,0.05)+0.3*normal(30,1)"

NEEDLE = "mixture:0.9*normal(100,1)+0.1*normal(0,0.02)"


def rational(value: Fraction) -> Rational:
    return Rational(value.numerator, value.denominator)


def normal_parts(*parts: tuple[str, str, str]) -> list[Part]:
    return [Part(Fraction(weight), Fraction(place), Fraction(scale)) for weight, place, scale in parts]


def in_three_groups(places: tuple[float, float, float]) -> Array:
    rng = np.random.default_rng(0)
    groups = zip(places, (1.0, 0.05, 1.0), (40, 30, 30), strict=True)
    return np.concatenate([place + scale * rng.standard_normal(count) for place, scale, count in groups])


@pytest.mark.parametrize("kernel", ["epanechnikov", "uniform", "gaussian"])
def test_moving_the_parts_of_a_mixture_apart_leaves_the_statistic(kernel: str) -> None:
    far, near = (
        tm_statistic(in_three_groups(places), density=density, weight="one", bandwidth=0.05, kernel=kernel)
        for places, density in (((0, 33.3, 100), FAR_APART), ((0, 15, 30), CLOSE))
    )
    # The places of the observations beside the locations differ by rounding alone.
    assert far == pytest.approx(near, rel=1e-12)


def test_a_needle_far_from_the_bulk_is_seen() -> None:
    rng = np.random.default_rng(1)
    needle = rng.random(100) < 0.1
    sample = np.where(needle, 0.02 * rng.standard_normal(100), 100 + rng.standard_normal(100))
    parts = normal_parts(("0.9", "100", "1"), ("0.1", "0", "0.02"))
    b = 100**-0.235
    expected = integrate_statistic(sample.tolist(), "epanechnikov", parts, b)
    assert tm_statistic(sample, density=NEEDLE, weight="one", bandwidth=b) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("density", [FAR_APART, CLOSE, NEEDLE])
def test_the_simulated_mean_of_parts_far_apart_is_the_exact_mean(density: str) -> None:
    f = density_named(density)
    statistic = Statistic(kernel_named("epanechnikov"), f, ONE, bandwidth_named(0.05))
    values = ExactReplicates(statistic, 100).values(3, range(150))
    expected = exact_mean(100, "epanechnikov", f, ONE, 0.05).total
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(values.size)


powers_of_ten = st.integers(-60, 60).map(lambda tenths: Fraction(f"{10 ** (tenths / 10):.3g}"))

locations = st.one_of(
    st.just(Fraction(0)),
    st.integers(-5, 5).map(Fraction),
    st.builds(
        lambda sign, digits, power: sign * digits * Fraction(10) ** power,
        st.sampled_from([-1, 1]),
        st.integers(1, 999),
        st.integers(-8, 6),
    ),
)


@dataclass(frozen=True)
class Problem:
    """T_m of a sample under a mixture of normals, with a weight around one of its parts."""

    parts: list[Part]
    kernel: str
    bandwidth: float
    sample: list[float]
    weight: str
    window: tuple[Fraction, Fraction] | None

    @property
    def density(self) -> Density:
        return mixture(*((rational(p.weight), rational(p.location), rational(p.scale)) for p in self.parts))

    def statistic(self) -> float:
        density = self.density
        weight = ONE
        if self.window is not None:
            ends = [rational(end) for end in self.window]
            weight = window(*ends) if self.weight == "window" else inverse_density(density, *ends)
        return tm_statistic(self.sample, kernel=self.kernel, density=density, weight=weight, bandwidth=self.bandwidth)

    def is_resolved(self) -> bool:
        return all(float(p.scale) >= 1024 * np.spacing(abs(float(p.location))) for p in self.parts)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    shares = draw(st.sampled_from(["1", "0.9 0.1", "0.4 0.3 0.3", "0.999999 0.000001"])).split()
    parts = [Part(Fraction(share), draw(locations), draw(powers_of_ten)) for share in shares]
    chosen = st.sampled_from(parts)
    near = draw(st.lists(st.tuples(chosen, st.floats(-4, 4)), min_size=1, max_size=6))
    sample = [float(part.location) + float(part.scale) * z for part, z in near]
    bandwidth = draw(st.one_of(powers_of_ten.map(float), chosen.map(lambda part: float(part.scale) / 3)))
    weight = draw(st.sampled_from(["one", "window", "inverse-density"]))
    part, ends = draw(chosen), sorted((draw(st.integers(-5, 4)), draw(st.integers(-5, 4))))
    # Ends that are doubles, so that both sides integrate over the same interval.
    lower, upper = (Fraction(float(part.location + part.scale * end)) for end in (ends[0], ends[1] + 1))
    interval = (lower, upper) if weight != "one" and lower < upper else None
    return Problem(parts, draw(st.sampled_from(list(KERNELS))), bandwidth, sample, weight, interval)


def assert_integrated(problem: Problem) -> None:
    if not problem.is_resolved():
        with pytest.raises(InputError, match="the spacing of doubles at its location"):
            problem.statistic()
        return
    reciprocal = problem.weight == "inverse-density" and problem.window is not None
    expected, scale = integrate_squares(
        problem.sample, problem.kernel, problem.parts, problem.bandwidth, problem.window, reciprocal
    )
    assert_near(problem.statistic(), expected, scale)


def assert_near(found: float, expected: float, scale: float) -> None:
    """Compare two values of T_m: by a relative error, unless f_m all but equals f.

    T_m is a squared norm, of f_m - f; ``scale`` is that of f_m + f. Where the two functions cancel, so do their digits:
    one observation whose kernel is f has T_m = 0, and rounding of the two functions, about 1e-16, leaves 1e-32.
    """
    error = abs(math.sqrt(found) - math.sqrt(expected))
    # Below the smallest normal double there are no digits left.
    assert error <= ACCURACY / 2 * math.sqrt(expected) + ROUNDING * math.sqrt(scale) + 1e-145, (found, expected, scale)


@pytest.mark.parametrize(("place", "scale"), [("-1000", "0.0001"), ("-328000", "0.0001"), ("7", "0.000001")])
def test_the_flank_of_a_narrow_part_is_seen_beside_a_part_that_is_wide_there(place: str, scale: str) -> None:
    """Seen from the wide part, few scales away, f was wrong by 1e-6 there, and 1/f with it."""
    parts = normal_parts(("0.4", "0", "501000"), ("0.3", "0", "1"), ("0.3", place, scale))
    ends = [Fraction(float(Fraction(place) - z * Fraction(scale))) for z in (5, 4)]
    problem = Problem(parts, "epanechnikov", 1.0, [0.0], "inverse-density", (ends[0], ends[1]))
    assert_integrated(problem)


@settings(max_examples=examples(25), deadline=None)
@given(problem=problems())
def test_mixtures_of_any_scales_at_any_locations_are_integrated(problem: Problem) -> None:
    assert_integrated(problem)


@pytest.mark.slow
@settings(max_examples=examples(1500), deadline=None)
@given(problem=problems())
def test_many_mixtures_of_any_scales_at_any_locations_are_integrated(problem: Problem) -> None:
    assert_integrated(problem)


@settings(max_examples=examples(40), deadline=None)
@given(
    places=st.lists(st.integers(-1000, 1000), min_size=1, max_size=4),
    scale=powers_of_ten,
    power=st.floats(-18, -1),
    side=st.sampled_from([-1, 0, 1]),
)
def test_a_statistic_near_0_is_as_near_as_rounding_allows(
    places: list[int], scale: Fraction, power: float, side: int
) -> None:
    """The density is a mixture of the sample's kernels, but for the last digits of the bandwidth."""
    bandwidth = float(scale) * (1 + side * 10**power)
    locations = [Fraction(place) * scale / 8 for place in places]
    sample = [float(place) for place in locations]
    share = Rational(1, len(places))
    f = mixture(*((share, rational(place), rational(scale)) for place in locations))
    found = tm_statistic(sample, kernel="gaussian", density=f, weight="one", bandwidth=bandwidth)
    with mpmath.workdps(60):
        exact_scale = mpmath.mpf(scale.numerator) / scale.denominator
        bumps = [(mpmath.mpf(place.numerator) / place.denominator, exact_scale) for place in locations]
        kernels = [(mpmath.mpf(value), mpmath.mpf(bandwidth)) for value in sample]
        expected, total = (float(bandwidth / len(places) * squared_norm(kernels, bumps, sign)) for sign in (-1, 1))
    assert_near(found, expected, total)


Bump = tuple[mpmath.mpf, mpmath.mpf]


def squared_norm(kernels: list[Bump], bumps: list[Bump], sign: int) -> mpmath.mpf:
    """Integrate the square of a sum of normal densities plus or minus that of others, by their products."""
    parts = [(1, *bump) for bump in kernels] + [(sign, *bump) for bump in bumps]
    return mpmath.fsum(
        one * other * mpmath.npdf(place, elsewhere, mpmath.sqrt(scale**2 + width**2))
        for one, place, scale in parts
        for other, elsewhere, width in parts
    )


@pytest.mark.parametrize(
    ("kernel", "density"),
    [("uniform", "uniform:0,1"), ("epanechnikov", "beta:2,2"), ("biweight", "beta:3,3"), ("triweight", "beta:4,4")],
)
def test_a_kernel_that_is_the_density_leaves_rounding(kernel: str, density: str) -> None:
    assert_near(tm_statistic([0.5], kernel=kernel, density=density, weight="one", bandwidth=0.5), 0.0, 2.0)


@settings(max_examples=examples(4), deadline=None)
@given(
    location=locations.filter(lambda place: abs(place) < 10**6),
    scale=st.sampled_from([Fraction(1, 1000), Fraction(1), Fraction(1000)]),
    kernel=st.sampled_from(["epanechnikov", "triweight"]),
)
def test_cells_agree_with_independent_integration_at_any_location(
    location: Fraction, scale: Fraction, kernel: str
) -> None:
    m = 40
    parts = [Part(Fraction(1, 2), location, scale), Part(Fraction(1, 2), location + 12 * scale, scale / 2)]
    f = mixture(*((rational(p.weight), rational(p.location), rational(p.scale)) for p in parts))
    b = float(scale) / 3
    rng = np.random.default_rng(m)
    sample = [float(parts[i].location) + float(parts[i].scale) * rng.standard_normal() for i in rng.integers(0, 2, m)]
    statistic = Statistic(kernel_named(kernel), f, ONE, bandwidth_named(b))
    expected = integrate_statistic(sample, kernel, parts, b)
    assert statistic.of_sorted(np.sort(sample)) == pytest.approx(expected, rel=ACCURACY)
    assert grid(statistic, m, 64).of_sample(np.array(sample)) == pytest.approx(expected, rel=2e-4)


def standard_normal(z: Array) -> Array:
    return np.asarray(np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi))


def between(lower: str, upper: str) -> list[Part]:
    """A uniform density as a part."""
    middle, half = (Fraction(lower) + Fraction(upper)) / 2, (Fraction(upper) - Fraction(lower)) / 2
    flat: Callable[[Array], Array] = lambda z: np.where(np.abs(z) <= 1, 0.5, 0.0)  # noqa: E731
    return [Part(Fraction(1), middle, half, flat, (Fraction(-1), Fraction(1)))]


def of_one(scale: str, shape: Callable[[Array], Array], knots: Sequence[str] = (), location: str = "0") -> list[Part]:
    return [Part(Fraction(1), Fraction(location), Fraction(scale), shape, tuple(map(Fraction, knots)))]


def phi(z: sympy.Expr) -> sympy.Expr:
    return exp(-(z**2) / 2) / sqrt(2 * pi)


def normal_tail(z: sympy.Expr) -> sympy.Expr:
    return erfc(z / sqrt(2), evaluate=False) / 2


def lognormal(shape: str, scale: str) -> Density:
    s, c = Rational(shape), Rational(scale)
    z = log(x / c) / s
    pieces = (Piece(Integer(0), oo, phi(z) / (s * x)),)
    return Density("lognormal", pieces, normal_tail(-z), survival=normal_tail(z))


def johnson(a: str, b: str, location: str, scale: str) -> Density:
    """Johnson's S_U: a + b asinh((X - location) / scale) is standard normal."""
    y = (x - Rational(location)) / Rational(scale)
    z = Rational(a) + Rational(b) * asinh(y)
    pieces = (Piece(-oo, oo, Rational(b) * phi(z) / (Rational(scale) * sqrt(1 + y**2))),)
    return Density("johnson", pieces, normal_tail(-z), survival=normal_tail(z))


EXPONENTIAL = Density("exponential", (Piece(Integer(0), oo, exp(-x / 2) / 2),), 1 - exp(-x / 2), survival=exp(-x / 2))


def lognormal_shape(s: float) -> Callable[[Array], Array]:
    def shape(z: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.where(z > 0, standard_normal(np.log(z) / s) / (s * z), 0.0)

    return shape


def johnson_shape(a: float, b: float) -> Callable[[Array], Array]:
    return lambda z: b * standard_normal(a + b * np.arcsinh(z)) / np.sqrt(1 + z**2)


def clusters(*groups: tuple[float, float, int]) -> list[float]:
    rng = np.random.default_rng(7)
    return np.concatenate([place + scale * rng.standard_normal(count) for place, scale, count in groups]).tolist()


@dataclass(frozen=True)
class Reported:
    """An input on which a public report says that a quadrature, a kernel estimate or a sum went wrong."""

    source: str
    density: str | Density
    parts: list[Part]
    sample: list[float]
    bandwidth: float
    weight: str = "one"
    kernel: str = "epanechnikov"
    accuracy: float = field(default=ACCURACY)


REPORTED = [
    Reported(
        "scipy#11571: a narrow normal density at the end of a long interval",
        "mixture:1*normal(0.64449662,0.19)",
        normal_parts(("1", "0.64449662", "0.19")),
        clusters((0.644, 0.19, 9)),
        0.05,
        "window:-1000,0.5",
    ),
    Reported(
        "scipy#17443: N(116, 3.81) on the half-line",
        "mixture:1*normal(116,3.81)",
        normal_parts(("1", "116", "3.81")),
        clusters((116, 3.81, 9)),
        1.5,
        "window:0,1000000",
    ),
    Reported(
        "scipy#15990: tails of N(0, 0.0005)",
        "mixture:1*normal(0,0.0005)",
        normal_parts(("1", "0", "0.0005")),
        [0.0011, 0.0016, 0.0012],
        0.0002,
        "window:0.001,1000",
    ),
    Reported(
        "scipy#5735: N(800, 1) on the line",
        "mixture:1*normal(800,1)",
        normal_parts(("1", "800", "1")),
        clusters((800, 1, 9)),
        0.3,
    ),
    Reported(
        "scipy#10305: exp(-x^2) up to 38",
        "mixture:1*normal(0,0.70710678)",
        normal_parts(("1", "0", "0.70710678")),
        clusters((0, 0.7, 9)),
        0.3,
        "window:-10000000,38",
    ),
    Reported(
        "scipy#7204: a pulse with a long tail of zeros",
        "uniform:-1,0",
        between("-1", "0"),
        [-0.9, -0.5, -0.1, 50.0],
        0.2,
        "window:-1,10000",
    ),
    Reported(
        "scipy#8928: N(36, 1)",
        "mixture:1*normal(36,1)",
        normal_parts(("1", "36", "1")),
        clusters((36, 1, 5)),
        0.4,
    ),
    Reported(
        "scipy#8928: N(10, 0.1)",
        "mixture:1*normal(10,0.1)",
        normal_parts(("1", "10", "0.1")),
        clusters((10, 0.1, 5)),
        0.04,
        kernel="gaussian",
    ),
    Reported(
        "scipy#14347: a lognormal density up to 201",
        lognormal("0.194", "0.066"),
        of_one("0.066", lognormal_shape(0.194), [str(k / 64) for k in range(1, 400)]),
        [0.05, 0.066, 0.09],
        0.01,
        "window:0.01,201",
    ),
    Reported(
        "scipy#18071: Johnson's S_U of scale 0.0001 at 0.02",
        johnson("-0.01", "1.1", "0.02", "0.0001"),
        of_one("0.0001", johnson_shape(-0.01, 1.1), [f"{sign}{2.0**k}" for k in range(5, 26) for sign in "+-"], "0.02"),
        [0.02, 0.0201, 0.0199],
        0.00005,
        "window:-1000,1000",
    ),
    Reported(
        "scipy#6579: a custom exponential density",
        EXPONENTIAL,
        of_one("2", lambda z: np.where(z >= 0, np.exp(-z), 0.0), ["0"]),
        [0.1, 0.7, 2.0, 9.0],
        0.5,
    ),
    Reported(
        "reliability#8: stress of 18,500 and strength of 189,000",
        "mixture:0.5*normal(18500,3100)+0.5*normal(189000,34020)",
        normal_parts(("0.5", "18500", "3100"), ("0.5", "189000", "34020")),
        clusters((18500, 3100, 5), (189000, 34020, 5)),
        900.0,
    ),
    Reported(
        "QuadGK#37: the Laplace density on [-1e8, 1e8]",
        "laplace",
        of_one("1", lambda z: np.exp(-np.abs(z)) / 2, ["0"]),
        [-1.5, 0.2, 0.4, 3.0],
        0.4,
        "window:-100000000,100000000",
    ),
    Reported(
        "quadpy#390: a wave packet at 20",
        "mixture:1*normal(20,1)",
        normal_parts(("1", "20", "1")),
        clusters((20, 1, 6)),
        0.3,
        "window:0,99999",
        "cosine",
    ),
    Reported(
        "KDEpy#101: narrow data on a wide grid",
        "mixture:1*normal(0,0.05)",
        normal_parts(("1", "0", "0.05")),
        clusters((0, 0.05, 60)),
        0.012,
        "window:-2,2",
    ),
    Reported(
        "KDEpy#50: twelve ties",
        "mixture:1*normal(0.25,0.28)",
        normal_parts(("1", "0.25", "0.28")),
        [0.1] * 12 + [0.5, 0.7, 1.0],
        0.01,
    ),
    Reported(
        "KDEpy#202: a bandwidth of 4,000",
        "mixture:1*normal(0,1000000)",
        normal_parts(("1", "0", "1000000")),
        clusters((0, 1e6, 20)),
        4000.0,
        kernel="gaussian",
    ),
    Reported(
        "KDEpy#23: two modes",
        "mixture:0.3*normal(0,1)+0.7*normal(5,1)",
        normal_parts(("0.3", "0", "1"), ("0.7", "5", "1")),
        clusters((0, 1, 9), (5, 1, 21)),
        0.4,
    ),
    Reported(
        "scikit-learn#25799: a bandwidth of 0.00001",
        "normal",
        normal_parts(("1", "0", "1")),
        clusters((0, 1, 60)),
        1e-5,
        kernel="gaussian",
    ),
    Reported(
        "statsmodels#6679: ten ties at 4.59511985",
        "mixture:1*normal(5,0.9)",
        normal_parts(("1", "5", "0.9")),
        [4.59511985] * 10 + [5.67332327, 6.19847872, 7.43189192],
        0.001,
    ),
    Reported(
        "statsmodels#2152: twenty normal numbers",
        "normal",
        normal_parts(("1", "0", "1")),
        clusters((0, 1, 20)),
        0.6,
        kernel="gaussian",
    ),
    Reported(
        "simple-statistics#860: millisecond timestamps",
        "mixture:1*normal(1700000000005.5,3.5)",
        normal_parts(("1", "1700000000005.5", "3.5")),
        [1.7e12 + k for k in range(12)],
        1.5,
    ),
    Reported(
        "rayforce#560: values from 2e9",
        "uniform:2000000000,2000000005",
        between("2000000000", "2000000005"),
        [2e9 + k for k in (0, 1, 2, 3, 4)],
        0.75,
    ),
    Reported(
        "openPMD-resampler#3: a spread of 1e-6 at 0.01",
        "mixture:1*normal(0.01,0.000001)",
        normal_parts(("1", "0.01", "0.000001")),
        clusters((0.01, 1e-6, 9)),
        4e-7,
    ),
    Reported(
        "dataprof#670: four values from 1e8",
        "mixture:1*normal(100000001.5,1.3)",
        normal_parts(("1", "100000001.5", "1.3")),
        [1e8, 1e8 + 1, 1e8 + 2, 1e8 + 3],
        0.6,
        kernel="gaussian",
    ),
    Reported(
        "scipy#15110: the normal density from 13 to 15",
        "normal",
        normal_parts(("1", "0", "1")),
        [13.1, 14.0],
        0.2,
        "inverse-density:13,15",
    ),
    Reported(
        "stats#125: the normal tail beyond 8",
        "normal",
        normal_parts(("1", "0", "1")),
        [0.0, 1.0],
        0.2,
        "window:8,1000",
    ),
    Reported(
        "qp#65: sharp peaks with nothing between them",
        "mixture:0.5*normal(0.3,0.001)+0.25*normal(1.7,0.002)+0.25*normal(2.9,0.0005)",
        normal_parts(("0.5", "0.3", "0.001"), ("0.25", "1.7", "0.002"), ("0.25", "2.9", "0.0005")),
        clusters((0.3, 0.001, 5), (1.7, 0.002, 3), (2.9, 0.0005, 3)),
        0.0004,
    ),
    Reported(
        "scipy#14619: a density that vanishes between two modes",
        "mixture:0.5*normal(-50,0.1)+0.5*normal(50,0.1)",
        normal_parts(("0.5", "-50", "0.1"), ("0.5", "50", "0.1")),
        clusters((-50, 0.1, 6), (50, 0.1, 6)),
        0.03,
    ),
]


#: Reports that take more than a second.
LONG = ("scipy#14347", "scikit-learn#25799", "scipy#18071")


@pytest.mark.parametrize(
    "reported",
    [
        pytest.param(reported, id=source, marks=pytest.mark.slow if source in LONG else ())
        for source, reported in zip((each.source.partition(":")[0] for each in REPORTED), REPORTED, strict=True)
    ],
)
def test_inputs_of_public_reports_are_integrated(reported: Reported) -> None:
    density = density_named(reported.density)
    weight = weight_named(reported.weight, density)
    interval = None if weight.is_one else tuple(Fraction(float(end)) for end in weight.support)
    expected = integrate_statistic(
        reported.sample,
        reported.kernel,
        reported.parts,
        reported.bandwidth,
        interval,  # type: ignore[arg-type]
        reported.weight.startswith("inverse"),
    )
    value = tm_statistic(
        reported.sample, kernel=reported.kernel, density=density, weight=weight, bandwidth=reported.bandwidth
    )
    assert value == pytest.approx(expected, rel=reported.accuracy, abs=1e-290)


def hidden(landmarks: tuple[Landmark, ...] = ()) -> Density:
    """Nine tenths N(0, 1) and a tenth N(33.3, 1e-5), not said to be a mixture."""
    known = density_named("mixture:0.9*normal(0,1)+0.1*normal(33.3,0.00001)")
    return replace(known, name="hidden", components=(), landmarks=landmarks)


LANDMARKS = (Landmark(Integer(0), Integer(1)), Landmark(Rational("33.3"), Rational("1e-5")))


@pytest.mark.parametrize(
    ("landmarks", "weight"),
    [(LANDMARKS, "one"), ((), "window:-40,40"), *each_slow([((), "one"), (LANDMARKS, "window:-40,40")])],
)
def test_a_hidden_part_is_found_by_its_mass(landmarks: tuple[Landmark, ...], weight: str) -> None:
    parts = normal_parts(("0.9", "0", "1"), ("0.1", "33.3", "0.00001"))
    interval = None if weight == "one" else (Fraction(-40), Fraction(40))
    expected = integrate_statistic([0.3, 33.3], "epanechnikov", parts, 0.01, interval)
    value = tm_statistic([0.3, 33.3], density=hidden(landmarks), weight=weight, bandwidth=0.01)
    assert value == pytest.approx(expected, rel=1e-9)


def test_a_narrow_part_of_a_weight_is_seen_at_its_landmark() -> None:
    bump = exp(-((x - Rational("33.3")) ** 2) / (2 * Rational("1e-8")))
    weight = Weight("bump", (Piece(Integer(0), Integer(1000), bump),), (Landmark(Rational("33.3"), Rational("1e-4")),))
    flat = density_named("uniform:0,1000")
    # f_m is constant across the bump; its integral is 1e-4 sqrt(2 pi).
    expected = 500 * (1 / 1000) ** 2 * 1e-4 * math.sqrt(2 * math.pi)
    assert tm_statistic([900.0], density=flat, weight=weight, bandwidth=500) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"distribution": (1 + x / 3) / 2, "survival": (1 - x / 3) / 2}, "the survival function of bent must agree"),
        ({"squared_distribution": x / 10}, "the integral of the square of bent must agree"),
        ({"pieces": (Piece(-oo, oo, 2 * NORMAL.pieces[0].density),)}, "must integrate to 1, got 2. Divide it by 2"),
    ],
)
def test_a_density_that_contradicts_its_closed_forms_is_refused(change: dict[str, object], complaint: str) -> None:
    bent = replace(NORMAL, name="bent", **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=complaint):
        tm_statistic([0.0], density=bent)
    with pytest.raises(InputError, match=complaint):
        exact_mean(100, density=bent)


def test_a_quantile_that_does_not_invert_the_distribution_function_is_refused() -> None:
    assert NORMAL.quantile is not None
    quantile = NORMAL.quantile * Rational(1000001, 1000000)
    with pytest.raises(InputError, match="the quantiles of crooked must invert its distribution function"):
        quantile_table(replace(NORMAL, name="crooked", quantile=quantile))


@pytest.mark.parametrize(
    "use", [lambda f: tm_statistic([1e6], density=f), quantile_table, lambda f: exact_mean(9, density=f)]
)
def test_a_part_that_double_precision_cannot_resolve_is_refused(use: Callable[[Density], object]) -> None:
    narrow = density_named("mixture:0.5*normal(0,1)+0.5*normal(1000000,1e-9)")
    with pytest.raises(InputError, match=r"at least 1,024 times the spacing of doubles .* got 1e-09 at 1000000"):
        use(narrow)


def test_samples_that_rounding_would_tie_are_refused() -> None:
    f = density_named("mixture:1*normal(1000000,0.000001)")
    statistic = Statistic(kernel_named("epanechnikov"), f, ONE, bandwidth_named(1e-8))
    with pytest.raises(InputError, match="the bandwidth must be at least 1,024 times the spacing of doubles"):
        ExactReplicates(statistic, 100)


def test_cells_narrower_than_doubles_allow_are_refused() -> None:
    f = density_named("mixture:1*normal(1000000,0.0001)")
    with pytest.raises(InputError, match=r"a cell must be at least 1,048,576 times .* Use the engine exact"):
        grid(Statistic(kernel_named("epanechnikov"), f, ONE, bandwidth_named(1e-4)), 100, 8)


def test_strata_do_not_lose_a_part_between_their_nodes() -> None:
    """The part holds a third of the mass, in a millionth of a cell."""
    f = density_named("mixture:0.6*normal(0,1)+0.4*normal(0.3137,0.0000001)")
    parts = strata(f, np.linspace(-2, 2, 9))
    within = known_integrals(f, -2.0, 2.0).mass
    assert parts.probabilities.sum() == pytest.approx(within, abs=1e-14)
    narrow = parts.probabilities[np.abs(parts.quantiles[:, 0] - 0.1274) < 1e-3]
    assert narrow.sum() == pytest.approx(0.4, abs=1e-3)


def test_the_pilot_study_compares_the_exact_engine_with_a_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exact engine that lost a part of f would otherwise be taken for the truth."""
    f = density_named(FAR_APART)
    statistic = Statistic(kernel_named("epanechnikov"), f, ONE, bandwidth_named(0.25))
    measured = discretisation.measure_discretisation(statistic, 200, 64)
    assert measured.closed_form_error is not None
    assert abs(measured.closed_form_error) < 1e-4
    table = cell_table(f, ONE)
    lost = np.where(np.abs(table.edges[:-1, None] - 33.3) < 1, 0.0, table.density)
    monkeypatch.setattr(
        "simulations.engines.exact.statistic.cell_table",
        lambda *_: CellTable(table.edges, lost, table.weight, table.unbounded),
    )
    broken = Statistic(kernel_named("epanechnikov"), f, ONE, bandwidth_named(0.2500001))
    # Statistics share the tables of their functions.
    monkeypatch.setattr(statistic_module, "_evaluation", statistic_module._evaluation.__wrapped__)
    with pytest.raises(InputError, match=r"must be .* by closed forms .* but the engine exact gives"):
        discretisation.measure_discretisation(broken, 200, 64)


@pytest.mark.parametrize("location", ["33.3", "1000000", "-100000000"])
@pytest.mark.parametrize("kernel", ["epanechnikov", "uniform", "gaussian"])
def test_the_exact_mean_does_not_depend_on_the_location(location: str, kernel: str) -> None:
    def mean(place: Rational) -> float:
        scale = Rational("0.01")
        f = mixture((Rational(1, 2), place, scale), (Rational(1, 2), place + 10 * scale, 2 * scale))
        return exact_mean(100, kernel, f, ONE, 0.01).total

    assert mean(Rational(location)) == pytest.approx(mean(Integer(0)), rel=1e-12)
