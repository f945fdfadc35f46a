"""The posterior's closed forms against independent quadrature, and the facts that are on record about them."""

from collections.abc import Callable
from itertools import pairwise

import mpmath
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Integer, Rational

from foundation.errors import InputError
from tests.support.examples import examples
from theory.algebra.balls import ball_of
from theory.kernels import x
from theory.ledger.registry import verify
from theory.posterior import (
    PERTURBATIONS,
    direct_kl_to_standard_normal,
    edge_antiderivative,
    epanechnikov_distribution,
    kl_to_standard_normal,
    middle_antiderivative,
    normal_kl_to_standard_normal,
    posterior_distribution,
    posterior_entropy,
    posterior_law,
    posterior_moments,
    posterior_roughness,
    smoothed_normal,
    smoothed_normal_chi_square,
    uniform_prior_divergences,
)
from theory.smoothed_normal import enclose_kl

Function = Callable[[mpmath.mpf], mpmath.mpf]

scales = st.fractions(min_value="1/20", max_value=4, max_denominator=40).map(
    lambda f: Rational(f.numerator, f.denominator)
)
some = settings(max_examples=examples(25), deadline=None)
EVERY_PERTURBATION = pytest.mark.parametrize("kernel", PERTURBATIONS)


def convolution(spread: mpmath.mpf, half_width: mpmath.mpf) -> Function:
    """Return the density of s K + U by integrating the kernel over the uniform's reach: not the closed form."""

    def density(z: mpmath.mpf) -> mpmath.mpf:
        lower, upper = max(-spread, z - half_width), min(spread, z + half_width)
        if lower >= upper:
            return mpmath.mpf(0)
        above, below = (3 * (u / spread - (u / spread) ** 3 / 3) / 4 for u in (upper, lower))
        return (above - below) / (2 * half_width)

    return density


def posterior_integral(spread: Rational, half_width: Rational, integrand: Function) -> mpmath.mpf:
    """Integrate over the posterior's support by tanh-sinh quadrature, split where the density changes its shape."""
    s, width = (mpmath.mpf(int(v.p)) / int(v.q) for v in (spread, half_width))
    knots = sorted({-width - s, -abs(width - s), abs(width - s), width + s})
    return mpmath.quad(integrand, knots)


def density_of(spread: Rational, half_width: Rational) -> Function:
    return convolution(*(mpmath.mpf(int(v.p)) / int(v.q) for v in (spread, half_width)))


@some
@given(scales, scales)
def test_the_pieces_of_the_law_are_the_convolution(spread: Rational, half_width: Rational) -> None:
    density, law = density_of(spread, half_width), posterior_law(spread, half_width)
    for piece in law.pieces:
        for share in (Rational(1, 7), Rational(1, 2), Rational(9, 10)):
            point = piece.lower + share * (piece.upper - piece.lower)
            assert float(piece.density.subs(x, point)) == pytest.approx(
                float(density(mpmath.mpf(float(point)))), abs=1e-13
            )


@some
@given(scales, scales)
def test_moments_roughness_and_entropy_agree_with_quadrature(spread: Rational, half_width: Rational) -> None:
    density = density_of(spread, half_width)

    def integral(function: Function) -> float:
        return float(posterior_integral(spread, half_width, function))

    def surprise(z: mpmath.mpf) -> mpmath.mpf:
        value = density(z)
        return -value * mpmath.log(value) if value > 0 else mpmath.mpf(0)

    assert integral(density) == pytest.approx(1, abs=1e-12)
    _, variance = posterior_moments(1, 0, spread, half_width)
    assert integral(lambda z: z**2 * density(z)) == pytest.approx(float(variance), rel=1e-12)
    assert integral(lambda z: density(z) ** 2) == pytest.approx(
        float(posterior_roughness(spread, half_width)), rel=1e-12
    )
    assert integral(surprise) == pytest.approx(float(posterior_entropy(spread, half_width)), abs=1e-11)


@some
@given(scales, scales, st.floats(-1.5, 1.5))
def test_the_distribution_function_is_the_integral_of_the_density(
    spread: Rational, half_width: Rational, share: float
) -> None:
    point = Rational(round(share * 1000), 1000) * (spread + half_width)
    knots = [-spread - half_width, -abs(half_width - spread), abs(half_width - spread), spread + half_width]
    below = [float(knot) for knot in knots if knot < point]
    edges = sorted({*below, min(float(point), float(knots[-1]))}) if below else []
    total = mpmath.quad(density_of(spread, half_width), edges) if len(edges) > 1 else 0
    assert float(posterior_distribution(spread, half_width, point)) == pytest.approx(float(total), abs=1e-12)


def test_a_mean_shifts_the_law_and_its_distribution_function() -> None:
    law = posterior_law(1, 2, mean=5)
    assert (law.support, law.mean, law.variance) == ((2, 8), 5, Rational(23, 15))
    assert posterior_distribution(1, 2, 5, mean=5) == Rational(1, 2)


def test_the_two_regimes_meet() -> None:
    for function in (posterior_roughness, posterior_entropy):
        at, beyond = function(1, 1), function(1 + Rational(1, 10**9), 1)
        assert abs(float(sympy.N(at - beyond, 30))) < 2e-9
    assert len(posterior_law(1, 1).pieces) == 2


def test_a_symbolic_law_needs_to_know_its_regime() -> None:
    s, d = sympy.symbols("s d", positive=True)
    assert len(posterior_law(s, s + d).pieces) == len(posterior_law(s + d, s).pieces) == 3
    with pytest.raises(InputError, match="must be comparable"):
        posterior_law(s, d)


def test_the_antiderivatives_agree_with_quadrature() -> None:
    for reach in (0.3, 1.0, 2.0):
        total = mpmath.quad(lambda w: w**2 * (3 - w) * mpmath.log(w**2 * (3 - w)), [0, reach])
        assert float(edge_antiderivative(reach)) == pytest.approx(float(total), abs=1e-12)
    root, inner = 0.9, 0.6
    total = mpmath.quad(lambda t: (root**2 - t**2) * mpmath.log(root**2 - t**2), [-inner, inner])
    difference = middle_antiderivative(inner, root) - middle_antiderivative(-inner, root)
    assert float(difference) == pytest.approx(float(total), abs=1e-12)


@some
@given(scales, scales, scales, st.sampled_from([-2, 0, 1]))
def test_the_divergence_from_the_standard_normal_agrees_with_quadrature(
    b: Rational, r: Rational, half_width: Rational, mu: int
) -> None:
    spread = b * r
    density = density_of(spread, half_width)
    centre = mpmath.mpf(float(b * mu))

    def integrand(z: mpmath.mpf) -> mpmath.mpf:
        value = density(z)
        log_prior = -((z + centre) ** 2) / 2 - mpmath.log(2 * mpmath.pi) / 2
        return value * (mpmath.log(value) - log_prior) if value > 0 else mpmath.mpf(0)

    total = posterior_integral(spread, half_width, integrand)
    assert float(kl_to_standard_normal(b, mu, r, half_width)) == pytest.approx(float(total), abs=1e-10)


@some
@given(scales, st.integers(-2, 2))
def test_the_direct_divergence_agrees_with_quadrature_and_exceeds_the_normal_one(r: Rational, mu: int) -> None:
    scale = mpmath.mpf(int(r.p)) / int(r.q)

    def integrand(t: mpmath.mpf) -> mpmath.mpf:
        density = 3 / (4 * scale) * (1 - t**2)
        if density <= 0:
            return mpmath.mpf(0)
        return density * scale * (mpmath.log(density) + (mu + scale * t) ** 2 / 2 + mpmath.log(2 * mpmath.pi) / 2)

    exact = direct_kl_to_standard_normal(mu, r)
    assert float(exact) == pytest.approx(float(mpmath.quad(integrand, [-1, 0, 1])), abs=1e-11)
    gap = exact - normal_kl_to_standard_normal(mu, r / sympy.sqrt(5))
    assert float(gap) == pytest.approx(0.0461652, abs=5e-8)


def test_the_divergence_of_the_direct_posterior_is_the_limit_of_a_vanishing_half_width() -> None:
    limit = direct_kl_to_standard_normal(Rational(1, 3), Rational(6, 5))
    near = kl_to_standard_normal(Rational(1, 2), Rational(2, 3), Rational(12, 5), Rational(1, 10**4))
    assert float(sympy.N(near - limit, 30)) == pytest.approx(0, abs=1e-7)


@some
@given(scales, scales)
def test_the_divergences_from_a_uniform_prior_are_in_order(r: Rational, room: Rational) -> None:
    divergences = uniform_prior_divergences(r, 2 * r + room)
    kl, renyi2, chi_square = (ball_of(v) for v in (divergences.kl, divergences.renyi2, divergences.chi_square))
    assert 0 < kl < renyi2 < chi_square
    assert float(renyi2 - kl) == pytest.approx(5 / 3 - float(sympy.log(5)), abs=1e-14)


def test_a_posterior_wider_than_the_prior_is_refused() -> None:
    with pytest.raises(InputError, match="at least as long as the posterior is wide"):
        uniform_prior_divergences(2, 3)


def test_facts_on_record() -> None:
    first = kl_to_standard_normal(Rational(36, 100), Rational(7, 10), Rational(13, 10), Rational(11, 10))
    second = kl_to_standard_normal(Rational(1, 2), Rational(-3, 2), 2, 1)
    assert ball_of(first).str(13, radius=False) == "0.2172831985758"
    assert ball_of(second).str(13, radius=False) == "0.3776162564388"
    assert ball_of(posterior_entropy(Rational(1, 2), Rational(3, 10))).str(9, radius=False) == "0.144982337"
    assert ball_of(posterior_entropy(Rational(108, 10000), Rational(4, 1000))).str(10, radius=False) == "-3.826807242"
    example = uniform_prior_divergences(Rational(2, 5), 2)
    assert ball_of(example.kl).str(7, radius=False) == "1.041384"
    assert (example.renyi2, example.chi_square) == (sympy.log(3), 2)


@EVERY_PERTURBATION
def test_a_smoothed_normal_is_the_convolution_and_has_its_variance(kernel: str) -> None:
    variance = Rational(1, 2)
    density = sympy.lambdify(x, smoothed_normal(kernel, variance), "mpmath")
    for point in (-1.3, 0.0, 0.4, 2.1):
        assert float(density(point)) == pytest.approx(float(averaged(kernel, point)), abs=1e-12)
    assert float(mpmath.quad(lambda z: z**2 * density(z), [-12, 0, 12])) == pytest.approx(1.5, abs=1e-10)


def averaged(kernel: str, point: float) -> mpmath.mpf:
    """Return the density at ``point`` of Z + W, W of variance 1/2, by averaging over W."""
    half = mpmath.mpf(1) / 2
    if kernel == "two-point":
        reach = mpmath.sqrt(half)
        return (mpmath.npdf(point - reach) + mpmath.npdf(point + reach)) / 2
    if kernel == "gaussian":
        return mpmath.quad(lambda w: mpmath.npdf(point - w) * mpmath.npdf(w, 0, mpmath.sqrt(half)), [-9, 0, 9])
    reach = mpmath.sqrt({"uniform": 3, "epanechnikov": 5}[kernel] * half)

    def shape(u: mpmath.mpf) -> mpmath.mpf:
        return half if kernel == "uniform" else 3 * (1 - u**2) / 4

    return mpmath.quad(lambda u: shape(u) * mpmath.npdf(point - reach * u), [-1, 0, 1])


@EVERY_PERTURBATION
def test_both_divergences_of_a_smoothed_normal_agree_with_quadrature(kernel: str) -> None:
    density = sympy.lambdify(x, smoothed_normal(kernel, Rational(1, 2)), "mpmath")

    def divergence(z: mpmath.mpf) -> mpmath.mpf:
        return density(z) * mpmath.log(density(z) / mpmath.npdf(z))

    chi_square = mpmath.quad(lambda z: density(z) ** 2 / mpmath.npdf(z), [-14, -4, 0, 4, 14]) - 1
    kl = mpmath.quad(divergence, [-8, -3, 0, 3, 8])
    assert float(smoothed_normal_chi_square(kernel, Rational(1, 2))) == pytest.approx(float(chi_square), abs=1e-9)
    enclosure = enclose_kl(kernel, Rational(1, 2))
    assert float(enclosure.rad()) < 1e-9
    assert float(enclosure) == pytest.approx(float(kl), abs=1e-9)


@some
@given(st.fractions(min_value="1/50", max_value=1, max_denominator=50))
def test_the_two_criteria_order_the_kernels_in_reverse_at_every_variance(variance: object) -> None:
    t = Rational(str(variance))
    assume(t < 1)
    chi_squares = [ball_of(smoothed_normal_chi_square(kernel, t)) for kernel in PERTURBATIONS]
    divergences = [enclose_kl(kernel, t) for kernel in PERTURBATIONS]
    assert all(left < right for left, right in pairwise(chi_squares))
    assert all(not left < right for left, right in pairwise(divergences))


def test_a_wide_gaussian_has_an_infinite_chi_square() -> None:
    assert smoothed_normal_chi_square("gaussian", 1) == sympy.oo
    assert smoothed_normal_chi_square("epanechnikov", 4).is_finite is not False


def test_an_unknown_perturbation_or_variance_is_refused() -> None:
    for function in (smoothed_normal, smoothed_normal_chi_square, enclose_kl):
        with pytest.raises(InputError, match="must be one of two-point"):
            function("cosine", 1)
    with pytest.raises(InputError, match="at most 1"):
        enclose_kl("uniform", 2)


def test_the_distribution_of_the_kernel_runs_from_0_to_1() -> None:
    assert [epanechnikov_distribution(Integer(t)) for t in (-1, 0, 1)] == [0, Rational(1, 2), 1]


@pytest.mark.parametrize(
    ("claim_id", "facts"),
    [
        ("beyond.repaired-bound", ["1.041384", "0.0572288"]),
        ("beyond.direct-kl", ["0.0461652"]),
        ("beyond.exact-kl-evae", ["0.2172831985758", "0.3776162564388", "0.1449823370", "-3.826807242"]),
        ("beyond.three-criteria", ["0.127626", "0.133768", "0.137763", "0.154701"]),
        ("beyond.three-criteria", ["0.133253"]),
        ("beyond.three-criteria", ["0.0486545", "0.0477070", "0.0474799", "0.0472674"]),
        ("eq-6.selection", ["0.00083044", "0.47845", "0.00174"]),
        ("eq-6.constant", ["0.359381", "372.76", "0.26827"]),
        ("section-4.upper-bound", ["4.747", "0.0008000"]),
        ("section-4.n-choice", ["600"]),
    ],
)
def test_a_claim_shows_the_numbers_on_record(claim_id: str, facts: list[str]) -> None:
    shown = " ".join(step.detail for step in verify(claim_id).evidence)
    assert [fact for fact in facts if fact not in shown] == []
