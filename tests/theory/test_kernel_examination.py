"""Every constant of a kernel agrees with quadrature that knows nothing of sympy's integrals."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Heaviside, Integer, Max, Min, Rational, cos, exp, oo, pi, sign, sin, sqrt

from foundation.errors import InputError
from tests.support.examples import examples
from theory.algebra.verified_integrals import closed_forms_within
from theory.kernel_examination import examine_a1
from theory.kernels import BIWEIGHT, COSINE, EPANECHNIKOV, KERNELS, Kernel, Piece, assumption_a1, kernel_named, x

CONSTANTS = ("total", "mean", "second_moment", "roughness", "convolution_roughness", "entropy")


def own(density: Expr, lower: Expr | int, upper: Expr | int) -> Kernel:
    return Kernel("own", (Piece(sympy.sympify(lower), sympy.sympify(upper), density),))


def constants_by_quadrature(density: Callable[[Any], Any], lower: float, upper: float) -> dict[str, float]:
    """Gauss-Legendre rules on many panels, and the autocorrelation on a fine grid."""
    nodes, weights = np.polynomial.legendre.leggauss(5)
    edges = np.linspace(lower, upper, 40_001)
    half = np.diff(edges)[:, None] / 2
    points = ((edges[:-1] + edges[1:])[:, None] / 2 + half * nodes).ravel()
    share = (half * weights).ravel()
    values = density(points)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(values > 0, -values * np.log(values), 0.0)
    width = (upper - lower) / 4096
    grid = density(lower + width * (np.arange(4096) + 0.5))
    transform = np.fft.rfft(grid, 8192)
    autocorrelation = np.fft.irfft(np.abs(transform) ** 2) * width
    return {
        "total": float(share @ values),
        "mean": float(share @ (points * values)),
        "second_moment": float(share @ (points**2 * values)),
        "roughness": float(share @ values**2),
        "entropy": float(share @ terms),
        "convolution_roughness": float((autocorrelation**2).sum() * width),
    }


def require_constants(kernel: Kernel, seconds: float = 0.3) -> None:
    density = sympy.lambdify(x, kernel.pieces[0].density, "numpy")
    lower, upper = (float(end) for end in kernel.support)
    expected = constants_by_quadrature(lambda points: np.broadcast_to(density(points), points.shape), lower, upper)
    for name, value in expected.items():
        with closed_forms_within(seconds):
            found = float(getattr(kernel, name))
        rough = name == "convolution_roughness"
        assert found == pytest.approx(value, rel=5e-3 if rough else 1e-4, abs=1e-4), (kernel, name)


NUMBERS = st.fractions(min_value=-2, max_value=2, max_denominator=4).map(lambda q: Rational(q.numerator, q.denominator))

SMOOTH = st.one_of(
    NUMBERS.map(lambda a: x - a),
    NUMBERS.map(lambda a: (x - a) * (x + 1)),
    st.tuples(st.integers(1, 3), NUMBERS).map(lambda drawn: sin(drawn[0] * x) + drawn[1] / 4),
    st.integers(1, 3).map(lambda k: cos(k * x)),
)

#: Functions that are nowhere negative, with a zero of even order at 0.
BUMPS: tuple[Callable[[Expr], Expr], ...] = (
    lambda u: u**2 / 4,
    lambda u: 1 - cos(u),
    lambda u: exp(u) - 1 - u,
    lambda u: (1 - cos(u)) ** 2,
)


def touching(lower: Expr, place: Expr, bump: Callable[[Expr], Expr], greatest: bool) -> Expr:
    higher = sympy.expand(lower + bump(x - place))
    return Max(lower, higher) if greatest else Min(lower, higher)


KINKED = st.one_of(
    SMOOTH.map(abs),
    st.tuples(SMOOTH, NUMBERS).map(lambda drawn: Max(drawn[0], drawn[1])),
    st.tuples(SMOOTH, SMOOTH).map(lambda drawn: Min(drawn[0], drawn[1])),
    SMOOTH.map(lambda g: 1 + sign(g)),
    SMOOTH.map(Heaviside),
    SMOOTH.map(lambda g: sympy.Piecewise((g, x < Rational(1, 3)), (1, True))),
    st.builds(touching, SMOOTH, NUMBERS, st.sampled_from(BUMPS), st.booleans()),
)

DENSITIES = st.one_of(
    KINKED.map(abs),
    st.tuples(KINKED, KINKED).map(lambda drawn: abs(drawn[0] - drawn[1] / 2)),
    st.tuples(KINKED, SMOOTH).map(lambda drawn: abs(drawn[0]) + drawn[1] ** 2 / 4),
)


@settings(max_examples=examples(4))
@given(density=DENSITIES, upper=st.sampled_from([Integer(1), Rational(3, 2), pi]))
def test_the_constants_of_kinked_kernels_agree_with_quadrature(density: Expr, upper: Expr) -> None:
    if density.has(x):
        require_constants(own(density, -1, upper))


@pytest.mark.slow
@settings(max_examples=examples(60))
@given(density=DENSITIES, upper=st.sampled_from([Integer(1), Rational(3, 2), pi]))
def test_the_constants_of_many_kinked_kernels_agree_with_quadrature(density: Expr, upper: Expr) -> None:
    if density.has(x):
        require_constants(own(density, -1, upper), seconds=2.0)


@settings(max_examples=examples(3))
@given(
    name=st.sampled_from(["epanechnikov", "uniform", "triangular", "biweight", "triweight", "cosine", "gaussian"]),
    location=st.fractions(min_value=-3, max_value=3, max_denominator=4),
    scale=st.fractions(min_value=Fraction(1, 4), max_value=4, max_denominator=4),
)
def test_a_named_kernel_that_is_moved_and_stretched_keeps_its_closed_forms(
    name: str, location: Fraction, scale: Fraction
) -> None:
    place, size = Rational(location.numerator, location.denominator), Rational(scale.numerator, scale.denominator)
    known = KERNELS[name]
    mine = Kernel("mine", known.transform(place, size).pieces)
    with closed_forms_within(0.2):
        assert float(mine.total) == pytest.approx(1, abs=1e-12)
        assert float(mine.mean) == pytest.approx(float(place), rel=1e-12, abs=1e-12)
        assert float(mine.variance) == pytest.approx(float(known.variance * size**2), rel=1e-12)
        assert float(mine.roughness) == pytest.approx(float(known.roughness / size), rel=1e-12)
        assert float(mine.convolution_roughness) == pytest.approx(float(known.convolution_roughness / size), rel=1e-8)
        assert float(mine.entropy) == pytest.approx(float(known.entropy + sympy.log(size)), rel=1e-12, abs=1e-12)


def test_epanechnikovs_kernel_on_the_unit_interval_has_its_entropy() -> None:
    assert sympy.simplify(own(6 * x * (1 - x), 0, 1).entropy - (Rational(5, 3) - sympy.log(6))) == 0


def test_a_closed_form_of_sympy_that_is_wrong_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = own(exp(-x), 0, oo).roughness
    monkeypatch.setattr(sympy, "integrate", lambda *_, **__: Rational(1, 7))
    assert right == Rational(1, 2)
    assert own(exp(-x), 0, oo).roughness.has(sympy.Float)
    assert float(own(exp(-x), 0, oo).roughness) == pytest.approx(0.5, rel=1e-12)
    # A polynomial's constants come from exact arithmetic of our own.
    assert own(2 * x, 0, 1).roughness == Rational(4, 3)


@pytest.mark.parametrize("wrong", [sympy.nan, sympy.zoo, sympy.Integral(exp(-x), (x, 0, oo)), sympy.I, oo])
def test_what_is_no_number_is_never_a_constant(wrong: Expr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sympy, "integrate", lambda *_, **__: wrong)
    assert float(own(exp(-x), 0, oo).mean) == pytest.approx(1, rel=1e-12)


def test_an_exception_of_sympy_leaves_the_enclosure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Expr:
        raise NotImplementedError("no integral")

    monkeypatch.setattr(sympy, "integrate", fail)
    assert float(own(exp(-x), 0, oo).second_moment) == pytest.approx(2, rel=1e-12)


def reasons(kernel: Kernel) -> dict[str, tuple[bool, str]]:
    return {one.statement.removeprefix("A1: "): (one.holds, one.detail) for one in assumption_a1(kernel)}


def failing(kernel: Kernel) -> set[str]:
    return {name for name, (holds, _) in reasons(kernel).items() if not holds}


CONTINUITY = "absolutely continuous on its support"


def test_the_derivative_is_bounded_before_it_is_called_bounded() -> None:
    holds, reason = reasons(own(1 - abs(x), -1, 1))[CONTINUITY]
    assert holds
    assert reason == "continuous, with |K'| at most 1 on each closed piece: case (a)"
    # K' is unbounded at the ends of the half-circle, but integrable, which is all that absolute continuity asks for.
    holds, reason = reasons(own(2 * sqrt(1 - x**2) / pi, -1, 1))[CONTINUITY]
    assert holds
    assert reason == "continuous; K' is not bounded near -1, 1, but |K'| is integrable: case (a)"
    # On the whole line its square must be integrable as well.
    found = reasons(own(exp(-sqrt(abs(x))) / 4, -oo, oo))
    assert [name for name, (holds, _) in found.items() if not holds] == [CONTINUITY]
    assert "K'^2 is not integrable near 0" in found[CONTINUITY][1]


def test_an_unbounded_kernel_is_not_absolutely_continuous() -> None:
    arcsine = own(1 / (pi * sqrt(1 - x**2)), -1, 1)
    assert failing(arcsine) == {"bounded", "square integrable", CONTINUITY}
    assert reasons(arcsine)["square integrable"] == (False, "the integral of K^2 is oo")
    assert failing(own(Rational(1, 4) / sqrt(abs(x)), -1, 1)) == {"bounded", "square integrable", CONTINUITY}


def test_a_jump_between_the_parts_of_one_formula_is_found() -> None:
    assert CONTINUITY in failing(own((1 + sign(x) / 2) / 2, -1, 1))
    assert CONTINUITY in failing(own(exp(-x) * Heaviside(x), -1, oo))


def test_a_jump_at_a_zero_that_is_not_known_exactly_is_no_continuity() -> None:
    cases = sympy.Piecewise((1, cos(x) < x), (Rational(1, 2), True))
    assert reasons(own(cases, -1, 1))[CONTINUITY] == (False, "K is not shown to be continuous near 0.739085")
    assert CONTINUITY not in failing(own(Max(cos(x), x), -1, 1))
    # Infinitely many zeros.
    holds, reason = reasons(own((2 + sign(sin(x))) * exp(-x), 0, oo))[CONTINUITY]
    assert not holds
    assert reason.startswith("K is not shown to be continuous")


def test_a_bump_between_two_zeros_that_sympy_does_not_find_is_part_of_every_constant() -> None:
    """The bump is narrower than 1/1,600 of the support; a search at points would miss it."""
    bump = own(Max(1, 1 + (Rational(1, 10**4) - (cos(x) - x) ** 2) * 10**6), -10, 10)
    (found,) = (detail for name, (_, detail) in reasons(bump).items() if name == "bounded")
    assert found == "K is at most 101.1"
    require_constants(bump)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_the_examination_agrees_with_the_conditions_of_the_named_kernels(kernel: Kernel) -> None:
    mine = Kernel("mine", kernel.pieces, kernel.closed_forms)
    assert [one.holds for one in examine_a1(mine)] == [one.holds for one in assumption_a1(kernel)]


@pytest.mark.parametrize("kernel", [EPANECHNIKOV, COSINE, BIWEIGHT], ids=lambda kernel: kernel.name)
def test_a_bound_on_the_derivative_of_a_named_kernel_is_that_of_calculus(kernel: Kernel) -> None:
    slopes = {"epanechnikov": "1.5", "cosine": "1.234", "biweight": "1.444"}
    (detail,) = (
        one.detail for one in examine_a1(Kernel("mine", kernel.pieces)) if one.statement == f"A1: {CONTINUITY}"
    )
    assert f"|K'| at most {slopes[kernel.name]} on" in detail


def test_a_kernel_object_is_validated_where_it_is_used() -> None:
    parabola = EPANECHNIKOV.pieces
    assert kernel_named(Kernel("mine", parabola, {"entropy": EPANECHNIKOV.entropy})).roughness == Rational(3, 5)
    assert kernel_named(own(0.75 * (1 - x**2), -1, 1)).total == pytest.approx(1, abs=1e-12)
    for kernel, reason in (
        (own(Integer(1), -1, 1), "must integrate to 1, but the integral of K is 2"),
        (own(abs(cos(x)) / 2, -pi, pi), "must integrate to 1, but the integral of K is 2"),
        (own(Rational(1, 2) + x, -1, 1), "must be nonnegative"),
        (own(sqrt(x), -1, 1), "must be real"),
        (Kernel("mine", parabola, {"entropy": Integer(1)}), "the closed form of the entropy"),
        (Kernel("mine", (Piece(Integer(0), Integer(1), x), Piece(Integer(2), Integer(3), x / 5))), "must follow each"),
    ):
        with pytest.raises(InputError, match=reason):
            kernel_named(kernel)


def test_constants_by_quadrature_are_those_of_a_known_kernel() -> None:
    """The means of these tests, tried on exact constants."""
    found = constants_by_quadrature(lambda points: 0.75 * (1 - points**2), -1.0, 1.0)
    for name in CONSTANTS:
        assert found[name] == pytest.approx(float(getattr(EPANECHNIKOV, name)), abs=1e-5), name
