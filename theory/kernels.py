"""Kernels as symbolic densities, with their constants and the conditions of assumption A1.

Each kernel is defined once, by sympy expressions on consecutive intervals. The proofs use these definitions, and the
simulations compile them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, cached_property
from itertools import pairwise

import sympy
from sympy import Expr, Rational, cos, exp, log, oo, pi, sqrt

from foundation.errors import InputError, suggest
from theory.algebra import decisions
from theory.algebra.decisions import Undecided
from theory.algebra.evidence import Evidence
from theory.algebra.piecewise import PiecewisePolynomial, PolynomialPiece
from theory.algebra.smooth_parts import SWITCHES, Part, smooth_parts
from theory.algebra.smooth_parts import x as x
from theory.names import EXPRESSION, KERNEL_EXAMPLE


@dataclass(frozen=True)
class Piece:
    """A density's expression in `x` on the interval from ``lower`` to ``upper`` (either may be infinite)."""

    lower: Expr
    upper: Expr
    density: Expr


@dataclass(frozen=True)
class Kernel:
    """A probability density used as a kernel (the paper's K).

    Parameters
    ----------
    name : str
    pieces : tuple of Piece
        The density on consecutive intervals; it is zero outside them.
    closed_forms : mapping from the name of a constant to its value, optional
        For constants whose integrals sympy cannot compute; each is derived next to the kernel and checked by
        quadrature.
    is_trusted : bool, optional
        Whether sympy's integrals are used as they are, because tests compare them with enclosures. Every constant of
        any other kernel is compared with a rigorous enclosure when it is computed; where sympy's closed form is wrong,
        or not found, the constant is a `sympy.Float` with the digits that the enclosure determines.

    Examples
    --------
    >>> EPANECHNIKOV.roughness, EPANECHNIKOV.convolution_roughness, EPANECHNIKOV.variance
    (3/5, 167/385, 1/5)
    >>> EPANECHNIKOV.rescale(variance=1).support
    (-sqrt(5), sqrt(5))
    """

    name: str
    pieces: tuple[Piece, ...]
    closed_forms: Mapping[str, Expr] = field(default_factory=dict, hash=False)
    is_trusted: bool = field(default=False, compare=False, repr=False)

    @property
    def support(self) -> tuple[Expr, Expr]:
        """The interval outside which the density is zero."""
        return self.pieces[0].lower, self.pieces[-1].upper

    @property
    def has_compact_support(self) -> bool:
        """Whether the support is bounded."""
        return all(bound.is_finite for bound in self.support)

    @cached_property
    def smooth_pieces(self) -> tuple[Piece, ...]:
        """The density cut at the zeros inside absolute values, signs, steps, minima, maxima and cases."""
        if not any(piece.density.has(*SWITCHES) for piece in self.pieces):
            return self.pieces
        return tuple(
            Piece(part.lower, part.upper, part.expression)
            for piece in self.pieces
            for part in smooth_parts(piece.density, x, piece.lower, piece.upper)
        )

    def integral(self, function: Callable[[Expr], Expr]) -> Expr:
        """Return the integral of ``function(density)`` over the support, where ``function`` may also use `x`.

        Raises
        ------
        InputError
            If sympy finds no closed form and the integral cannot be enclosed.
        """
        if self.is_trusted:
            parts = (sympy.integrate(function(piece.density), (x, piece.lower, piece.upper)) for piece in self.pieces)
            return sympy.simplify(sum(parts, start=sympy.Integer(0)))
        from theory.algebra.verified_integrals import verified_integral

        return verified_integral(_parts(self.smooth_pieces, function), x)

    @cached_property
    def total(self) -> Expr:
        """The integral of the density, which is 1."""
        if self.polynomial is not None:
            return _rational(self.polynomial.moment(0))
        return self.integral(lambda density: density)

    @cached_property
    def mean(self) -> Expr:
        """The first moment."""
        if self.polynomial is not None:
            return _rational(self.polynomial.moment(1))
        return self.integral(lambda density: x * density)

    @cached_property
    def second_moment(self) -> Expr:
        """The second moment about 0 (mu_2 in the expansion of the bias)."""
        if "second_moment" in self.closed_forms:
            return self.closed_forms["second_moment"]
        if self.polynomial is not None:
            return _rational(self.polynomial.moment(2))
        return self.integral(lambda density: x**2 * density)

    @cached_property
    def variance(self) -> Expr:
        """The variance."""
        return sympy.simplify(self.second_moment - self.mean**2)

    @cached_property
    def roughness(self) -> Expr:
        """The integral of the squared density, I(K) of equation (5)."""
        if self.polynomial is not None:
            return _rational(self.polynomial.autocorrelation()(Fraction(0)))
        return self.integral(lambda density: density**2)

    @cached_property
    def convolution_roughness(self) -> Expr:
        """The integral of the squared autocorrelation, J(K) of equation (5)."""
        if "convolution_roughness" in self.closed_forms:
            return self.closed_forms["convolution_roughness"]
        if self.polynomial is not None:
            autocorrelation = self.polynomial.autocorrelation()
            return _rational(autocorrelation.convolve(autocorrelation)(Fraction(0)))
        if (self.is_trusted or self.is_symbolic) and len(self.pieces) == 1:
            return self._integrate_squared_autocorrelation()
        from theory.algebra.enclosed_integrals import NotEnclosed
        from theory.algebra.self_convolution import enclose_convolution_roughness
        from theory.algebra.verified_integrals import confirmed

        try:
            enclosure = enclose_convolution_roughness(_parts(self.smooth_pieces, lambda density: density), x)
        except NotEnclosed as reason:
            raise InputError(f"J(K) of the kernel {self.name} cannot be verified: {reason}.") from None
        return confirmed(self._integrate_squared_autocorrelation, enclosure)

    @cached_property
    def entropy(self) -> Expr:
        """The differential entropy, in nats."""
        if "entropy" in self.closed_forms:
            return self.closed_forms["entropy"]
        if self.is_trusted:
            return sympy.simplify(sum(map(_entropy, self.pieces), start=sympy.Integer(0)))
        from theory.algebra.balls import EntropyTerm
        from theory.algebra.verified_integrals import verified_integral

        return verified_integral(
            _parts(self.smooth_pieces, EntropyTerm),
            x,
            lambda part: _entropy(Piece(part.lower, part.upper, part.expression.args[0])),
        )

    @cached_property
    def polynomial(self) -> PiecewisePolynomial | None:
        """The density as a piecewise polynomial with rational coefficients and knots, or None if it is not one."""
        pieces = []
        for piece in self.smooth_pieces:
            if not (piece.density.is_polynomial(x) and piece.lower.is_Rational and piece.upper.is_Rational):
                return None
            ascending = sympy.Poly(piece.density, x).all_coeffs()[::-1]
            if not all(coefficient.is_Rational for coefficient in ascending):
                return None
            coefficients = tuple(_fraction(coefficient) for coefficient in ascending)
            pieces.append(PolynomialPiece(_fraction(piece.lower), _fraction(piece.upper), coefficients))
        return PiecewisePolynomial.from_pieces(pieces)

    def transform(self, location: Expr, scale: Expr) -> Kernel:
        """Return the density of ``location + scale * X`` for X with this density; ``scale`` is positive."""
        pieces = tuple(
            Piece(
                location + scale * piece.lower,
                location + scale * piece.upper,
                piece.density.subs(x, (x - location) / scale) / scale,
            )
            for piece in self.pieces
        )
        # The closed forms transform with the density, since sympy could not recompute them.
        rules: dict[str, Callable[[Expr], Expr]] = {
            "second_moment": lambda moment: scale**2 * moment + 2 * location * scale * self.mean + location**2,
            "convolution_roughness": lambda roughness: roughness / scale,
            "entropy": lambda entropy: entropy + sympy.log(scale),
        }
        closed_forms = {name: rules[name](value) for name, value in self.closed_forms.items()}
        return Kernel(self.name, pieces, closed_forms, self.is_trusted)

    def rescale(self, *, variance: Expr | int) -> Kernel:
        """Return the kernel scaled about 0 to the given variance."""
        return self.transform(sympy.Integer(0), sqrt(sympy.sympify(variance) / self.variance))

    @property
    def is_symbolic(self) -> bool:
        """Whether the density or its support contain symbols other than `x`."""
        return any(
            (piece.density.free_symbols | piece.lower.free_symbols | piece.upper.free_symbols) - {x}
            for piece in self.pieces
        )

    def _integrate_squared_autocorrelation(self) -> Expr:
        lag = sympy.Symbol("y", positive=True)
        autocorrelation = self._autocorrelation(lag)
        width = self.support[1] - self.support[0]
        return sympy.simplify(2 * sympy.integrate(sympy.expand(autocorrelation**2), (lag, 0, width)))

    def _autocorrelation(self, lag: Expr) -> Expr:
        """Return the integral of K(z + lag) K(z) dz for a kernel of one piece and a positive lag."""
        (piece,) = self.smooth_pieces
        product = sympy.expand(piece.density.subs(x, x + lag) * piece.density, trig=True)
        return sympy.integrate(sympy.powsimp(product), (x, piece.lower, piece.upper - lag))


def assumption_a1(kernel: Kernel) -> tuple[Evidence, ...]:
    """Decide the conditions of assumption A1 for ``kernel``, each with its reason.

    Source: Section 2.2.2, A1. Case (a) is a closed bounded interval [-B, B], case (b) the whole line. For a kernel with
    symbols `theory.algebra.decisions.Undecided` is raised where sympy finds no limit or integral.

    Examples
    --------
    >>> all(condition.holds for condition in assumption_a1(EPANECHNIKOV))
    True
    >>> moved = EPANECHNIKOV.transform(Rational(1, 2), sympy.Integer(1))
    >>> [condition.statement for condition in assumption_a1(moved) if not condition.holds]
    ['A1: symmetric about 0']
    """
    if not (kernel.is_trusted or kernel.is_symbolic):
        from theory.kernel_examination import examine_a1

        return examine_a1(kernel)
    total = decisions.require_evaluated("the integral of K", kernel.total)
    return (
        _check_bounded(kernel),
        Evidence("A1: integral 1", total == 1 or bool(decisions.equal(total, 1)), f"the integral of K is {total}"),
        _check_symmetric(kernel),
        _check_finite("A1: finite second moment", "the integral of x^2 K", kernel.second_moment),
        _check_finite("A1: square integrable", "the integral of K^2", kernel.roughness),
        _check_absolutely_continuous(kernel),
        _check_tail_integral(kernel),
    )


def _check_bounded(kernel: Kernel) -> Evidence:
    name = "A1: bounded"
    for piece in kernel.pieces:
        interval = sympy.Interval(piece.lower, piece.upper)
        if piece.density.is_polynomial(x) and piece.lower.is_finite and piece.upper.is_finite:
            continue
        # Singularities may lie inside the piece; infinite limits only at its ends.
        poles = sympy.singularities(piece.density, x, sympy.Reals) & interval
        if poles is not sympy.S.EmptySet:
            return Evidence(name, False, f"K is unbounded near {poles}")
        for bound in (piece.lower, piece.upper):
            limit = decisions.find_limit(piece.density, x, bound, "-" if bound == piece.upper else "+")
            if limit.is_infinite:
                return Evidence(name, False, f"K tends to {limit} at {bound}")
    return Evidence(name, True, "K is continuous on each closed piece, with finite limits at its ends")


def _check_symmetric(kernel: Kernel) -> Evidence:
    mirrored = zip(kernel.pieces, reversed(kernel.pieces), strict=True)
    for piece, mirror in mirrored:
        difference, distance = piece.density - mirror.density.subs(x, -x), piece.lower + mirror.upper
        # What is 0 without simplification needs none, which takes a tenth of a second.
        if difference != 0:
            difference = 0 if decisions.is_zero(difference) else sympy.simplify(difference)
        if difference != 0 or (distance != 0 and sympy.simplify(distance) not in (0, sympy.nan)):
            return Evidence("A1: symmetric about 0", False, f"K(x) - K(-x) = {difference} is not 0")
    return Evidence("A1: symmetric about 0", True, "K(-x) = K(x) identically")


def _check_finite(name: str, quantity: str, value: Expr) -> Evidence:
    value = decisions.require_evaluated(quantity, value)
    return Evidence(name, not value.is_infinite, f"{quantity} is {value}")


def _check_absolutely_continuous(kernel: Kernel) -> Evidence:
    name = "A1: absolutely continuous on its support"
    for left, right in pairwise(kernel.pieces):
        jump = sympy.simplify(left.density.subs(x, left.upper) - right.density.subs(x, right.lower))
        if jump != 0:
            return Evidence(name, False, f"K jumps by {jump} at {left.upper}")
    if kernel.has_compact_support:
        return Evidence(name, True, "continuous, with a bounded derivative on each closed piece: case (a)")
    for piece, end, side in ((kernel.pieces[0], kernel.support[0], "+"), (kernel.pieces[-1], kernel.support[1], "-")):
        start = decisions.find_limit(piece.density, x, end, side)
        if end.is_finite and start != 0:
            return Evidence(name, False, f"K jumps by {start} at {end}, and case (b) is about the whole line")
    # On the whole line the derivative must be integrable, for which x^2 K' -> 0 suffices.
    slope = _limit_at_infinity(kernel, lambda density: sympy.diff(density, x), power=2)
    return Evidence(
        name, slope == 0, f"case (b): x^2 K' tends to {slope} at infinity, so that |K'| and K'^2 are integrable"
    )


def _check_tail_integral(kernel: Kernel) -> Evidence:
    """Decide the last integral of A1, over x >= 3, where (log log x)^(1/2) <= x^(1/8), and >= 1 for x >= e^e."""
    name, weight = "A1: tail integral", Rational(3, 2)
    if kernel.has_compact_support:
        return Evidence(name, True, "K vanishes outside a bounded interval")
    decay = _limit_at_infinity(kernel, lambda density: density + abs(sympy.diff(density, x)), power=Rational(11, 4))
    if decay == 0:
        return Evidence(name, True, "x^(11/4) (|K| + |K'|) tends to 0: the integrand is below a multiple of x^(-9/8)")
    # The decay is too slow for the sufficient condition: look for divergence even without the log log factor.
    total = decisions.find_integral(x**weight * kernel.pieces[-1].density, x, 3, oo)
    if total != oo:
        raise Undecided(f"x^(11/4) (|K| + |K'|) tends to {decay}, which does not decide the tail integral of A1.")
    return Evidence(name, False, f"x^(11/4) (|K| + |K'|) tends to {decay}, and the integral diverges")


def _limit_at_infinity(kernel: Kernel, function: Callable[[Expr], Expr], power: Expr | int) -> Expr:
    """Return the limit of |x|^power times ``function(density)`` at an infinite end, one where it is not 0 if any."""
    ends = ((kernel.pieces[0].density, kernel.support[0]), (kernel.pieces[-1].density, kernel.support[1]))
    limits = [decisions.find_limit(abs(x) ** power * function(density), x, e) for density, e in ends if e.is_infinite]
    return next((limit for limit in limits if limit != 0), sympy.Integer(0))


@cache
def _validate(kernel: Kernel) -> None:
    from theory.kernel_examination import require_valid

    require_valid(kernel)


def _parts(pieces: Iterable[Piece], function: Callable[[Expr], Expr]) -> tuple[Part, ...]:
    return tuple(Part(piece.lower, piece.upper, function(piece.density)) for piece in pieces)


def _entropy(piece: Piece) -> Expr:
    """Return the integral of -K log K over a piece."""
    if piece.density == 0:
        return sympy.Integer(0)
    return sympy.integrate(sympy.expand(-piece.density * _log(piece)), (x, piece.lower, piece.upper))


def _log(piece: Piece) -> Expr:
    """Return the log density as a sum of logs of factors, each with the sign that makes it positive on the piece."""
    # Split the logarithm, because sympy integrates the logarithms of factors but not that of their product.
    inside = (piece.lower + piece.upper) / 2
    total = sympy.Integer(0)
    for factor in sympy.Mul.make_args(sympy.factor(piece.density)):
        base, exponent = factor.as_base_exp()
        if base is sympy.E:
            total += exponent
        else:
            total += exponent * sympy.log(-base if base.subs(x, inside).is_negative else base)
    return total


def _fraction(value: Expr) -> Fraction:
    return Fraction(int(value.p), int(value.q))


def _rational(value: Fraction) -> Expr:
    return Rational(value.numerator, value.denominator)


def _on_unit_interval(name: str, density: Expr, closed_forms: Mapping[str, Expr] | None = None) -> Kernel:
    return Kernel(name, (Piece(sympy.Integer(-1), sympy.Integer(1), density),), closed_forms or {}, is_trusted=True)


EPANECHNIKOV = _on_unit_interval("epanechnikov", Rational(3, 4) * (1 - x**2))
UNIFORM = _on_unit_interval("uniform", Rational(1, 2))
BIWEIGHT = _on_unit_interval("biweight", Rational(15, 16) * (1 - x**2) ** 2)
TRIWEIGHT = _on_unit_interval("triweight", Rational(35, 32) * (1 - x**2) ** 3)
# The mean of log cos(pi x/2) is log 2 - 1. Sympy finds the entropy too, in two seconds.
COSINE = _on_unit_interval("cosine", pi / 4 * cos(pi * x / 2), {"entropy": 1 + log(2 / pi)})
TRIANGULAR = Kernel(
    "triangular",
    (
        Piece(sympy.Integer(-1), sympy.Integer(0), 1 + x),
        Piece(sympy.Integer(0), sympy.Integer(1), 1 - x),
    ),
    is_trusted=True,
)
# With u = F(x), K = u (1 - u) and dx = du/K: the entropy is that of -log(u (1 - u)) over [0, 1], 2. The characteristic
# function is s/sinh(s) at s = pi t, so that J is the integral of (s/sinh s)^4 over s > 0, divided by pi^2; by
# (1/sinh^2)'' = 4/sinh^2 + 6/sinh^4 and the integrals of s^p/sinh^2, p! zeta(p)/2^(p-1), it is 1/3 - pi^2/45.
LOGISTIC = Kernel(
    "logistic",
    (Piece(-oo, oo, exp(-x) / (1 + exp(-x)) ** 2),),
    {
        "second_moment": pi**2 / 3,
        "convolution_roughness": Rational(1, 3) - pi**2 / 45,
        "entropy": sympy.Integer(2),
    },
    is_trusted=True,
)
GAUSSIAN = Kernel("gaussian", (Piece(-oo, oo, exp(-(x**2) / 2) / sqrt(2 * pi)),), is_trusted=True)

KERNELS = {
    kernel.name: kernel
    for kernel in (EPANECHNIKOV, UNIFORM, TRIANGULAR, BIWEIGHT, TRIWEIGHT, COSINE, GAUSSIAN, LOGISTIC)
}


@cache
def _kernel_of_formula(name: str) -> Kernel:
    from theory.algebra.expressions import read_supported
    from theory.algebra.verified_integrals import closed_forms_within

    formula, lower, upper = read_supported(name.removeprefix(EXPRESSION), x, "a kernel", KERNEL_EXAMPLE)
    with closed_forms_within():
        parts = smooth_parts(formula, x, lower, upper)
        kernel = Kernel(name, tuple(Piece(part.lower, part.upper, part.expression) for part in parts))
        _validate(kernel)
    return kernel


def kernel_named(name: str | Kernel) -> Kernel:
    """Return the kernel called ``name``, or a Kernel after its validation.

    Parameters
    ----------
    name : str or Kernel
        A name in `KERNELS`, or a formula in x with the ends of its support, as in
        ``"expression:15/16*(1-x**2)**2,-1,1"``.

    Raises
    ------
    InputError
        If the name is unknown; the message suggests the nearest kernel or lists them all. If a kernel is negative
        somewhere, does not integrate to 1, or has a closed form that contradicts its density.

    Examples
    --------
    >>> kernel_named("biweight").roughness
    5/7
    """
    if isinstance(name, Kernel):
        if not (name.is_trusted or name.is_symbolic):
            _validate(name)
        return name
    if name.startswith(EXPRESSION):
        return _kernel_of_formula(name)
    if name not in KERNELS:
        raise InputError(f"{name!r} is not a kernel. {suggest(name, KERNELS)}")
    return KERNELS[name]
