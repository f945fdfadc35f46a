"""Rigorous enclosures of definite integrals, also up to infinity and to points where the integrand is unbounded.

Arb integrates functions that are analytic between kinks and jumps. What lies beyond a far point, or next to a
singular one, is bounded by `theory.algebra.growth`, which also decides whether the integral is infinite.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import flint
import sympy
from flint import acb, arb
from sympy import Expr, Symbol

from foundation.signals import ProcessorTimeExceeded, handlers_deferred, processor_time_limited
from theory.algebra.balls import Ball, EntropyTerm, analytic_function, ball_of
from theory.algebra.growth import REACHES, SingularEnd, Unbounded, growth, variable_at_infinity
from theory.algebra.smooth_parts import SECONDS_FOR_ZEROS, Part, smooth_parts, sorted_points, zeros

PRECISIONS = (128, 320)
"""Precisions in bits, tried in turn where cancellation leaves too few digits."""

TOLERANCE_BITS = 70

MOST_EVALUATIONS = 20_000

WIDEST = 1e-8
"""The largest radius of an enclosure, relative to the integral of the absolute value, that is returned."""


class NotEnclosed(Exception):
    """Raised where no enclosure is found; the message says why."""


def enclose_integral(expression: Expr, variable: Symbol, lower: Expr, upper: Expr) -> arb:
    """Return a ball that contains the integral of ``expression``; an infinite one if it is proved to diverge.

    Parameters
    ----------
    expression : sympy.Expr
        A real function of ``variable`` without other symbols.
    variable : Symbol
    lower, upper : sympy.Expr
        The ends of the interval, numbers or infinite.

    Raises
    ------
    NotEnclosed
        If the integrand contains a function without balls, or no bound on it near a singular end is found, or the
        enclosure is wider than `WIDEST`.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> ball = enclose_integral(abs(sympy.sin(2 * x)) / 4, x, sympy.Integer(0), 2 * sympy.pi)
    >>> bool(ball.contains(1) and ball.rad() < 1e-18)
    True
    >>> enclose_integral(1 / (1 + abs(x)), x, -sympy.oo, sympy.oo) == flint.arb.pos_inf()
    True
    """
    return enclose_parts(smooth_parts(expression, variable, lower, upper), variable) if lower != upper else arb(0)


def enclose_parts(parts: Sequence[Part], variable: Symbol) -> arb:
    """Return a ball that contains the sum of the integrals over ``parts``; otherwise as `enclose_integral`."""
    balls = []
    for part in parts:
        try:
            balls.append(_enclose_part(part, variable))
        except NotEnclosed as reason:
            ends = " to ".join(map(_shorten, (part.lower, part.upper)))
            raise NotEnclosed(f"the integral of {part.expression} from {ends} cannot be verified: {reason}") from None
    with flint.ctx.workprec(PRECISIONS[0]):
        return _sum(balls)


def _shorten(end: Expr) -> str:
    """Format an end of an interval; one next to a zero that is not known exactly has many digits."""
    exact = str(end)
    return exact if len(exact) <= 30 else str(sympy.N(end, 12))


@functools.lru_cache(maxsize=1024)
def _enclose_part(part: Part, variable: Symbol) -> arb:
    """Enclose the integral over one part, in which an undecided minimum or the like may be left."""
    reason = NotEnclosed("no enclosure")
    for bits in PRECISIONS:
        with flint.ctx.workprec(bits):
            try:
                return _enclose_to_scale(part, variable, bits)
            except NotImplementedError as error:
                raise NotEnclosed(str(error)) from None
            except NotEnclosed as error:
                reason = error
    raise reason


def _enclose_to_scale(part: Part, variable: Symbol, bits: int) -> arb:
    """Enclose at one precision; an integral far below 1 is enclosed again, to a tolerance relative to its size."""
    tolerance = arb(2) ** -TOLERANCE_BITS
    ball = _Integral(part.expression, variable, bits, tolerance).between(part.lower, part.upper)
    size = abs(ball).lower()
    if not ball.is_finite() or not size > 0 or ball.rad() < size * arb(2) ** (20 - TOLERANCE_BITS):
        return ball
    return _Integral(part.expression, variable, bits, tolerance * size).between(part.lower, part.upper)


def _sum(balls: Sequence[Ball]) -> Ball:
    """Return the sum of balls that are finite or proved to be infinite."""
    infinite = [ball for ball in balls if not ball.is_finite()]
    if infinite and not all(ball > 0 for ball in infinite) and not all(ball < 0 for ball in infinite):
        raise NotEnclosed("the integral is the difference of two infinite ones")
    return infinite[0] if infinite else sum(balls, start=arb(0))


class _Integral:
    """The computation at one precision, in a context of that precision."""

    def __init__(self, expression: Expr, variable: Symbol, bits: int, tolerance: arb) -> None:
        self.expression, self.variable, self.bits, self.tolerance = expression, variable, bits, tolerance
        self.function = _function(expression, variable)

    def between(self, lower: Expr, upper: Expr) -> arb:
        if lower.is_finite and upper.is_finite:
            # This fails only where the integrand is unbounded.
            direct = self._direct(self._ball(lower), self._ball(upper))
            if self._is_narrow(direct):
                return self._real(direct)
        points = (lower, *sorted_points(singular_points(self.expression, self.variable, lower, upper)), upper)
        parts = [part for left, right in pairwise(points) for part in self._parts(left, right)]
        if any(isinstance(part, acb) and not part.is_finite() for part in parts):
            raise NotEnclosed("the integrand is not bounded between its singular points")
        total = _sum(parts)
        if isinstance(total, arb) and not total.is_finite():
            return total
        total = acb(total)
        if not self._is_narrow(total):
            raise NotEnclosed(f"the enclosure {total.real.str(6)} is too wide")
        return self._real(total)

    def _parts(self, lower: Expr, upper: Expr) -> Iterable[acb | arb]:
        """Yield the parts of the integral between two neighbouring singular points."""
        left, right = self._is_singular(lower, 1), self._is_singular(upper, -1)
        middle = self._middle(lower, upper)
        ends = []
        for point, into, singular in ((lower, 1, left), (upper, -1, right)):
            if not singular:
                ends.append(self._ball(point))
                continue
            near = middle
            if point.is_infinite:
                # Logarithms of t are taken from 1 on.
                near = middle.max(arb(1)) if point > 0 else middle.min(arb(-1))
            yield from self._up_to(SingularEnd(point, into), near)
            ends.append(near)
        # Balls that are not points are never equal.
        if not (ends[0] - ends[1]).is_zero():
            yield self._direct(ends[0], ends[1])

    def _up_to(self, end: SingularEnd, near: arb) -> Iterable[acb | arb]:
        """Yield the parts of the integral between a singular end and a point near it."""
        integrand = end.integrand(self.expression, self.variable)
        start = end.start(near)
        try:
            reach, rest = self._rest(integrand, start)
        except NotEnclosed:
            # Terms may cancel, as in 1 - tanh(x)^2.
            integrand = _simplified(integrand)
            reach, rest = self._rest(integrand, start)
        if not rest.is_finite():
            yield rest
            return
        # In u = log t the integrand falls off exponentially.
        function = _function(integrand, variable_at_infinity)

        def in_logarithm(point: acb, analytic: bool) -> acb:
            t = point.exp()
            return function(t, analytic) * t

        yield self._integrate(in_logarithm, start.log(), reach.log())
        yield rest

    def _rest(self, integrand: Expr, start: arb) -> tuple[arb, arb]:
        """Return a t and a ball that contains the integral beyond it, infinite if the integral diverges."""
        best: tuple[arb, arb] | None = None
        reason = "no bound near an end"
        for power in REACHES:
            reach = arb(2) ** power
            if not reach > start:
                continue
            try:
                bounds = growth(integrand, variable_at_infinity, reach)
            except Unbounded as error:
                reason = str(error)
                continue
            if bounds.diverges:
                return reach, arb.pos_inf() if bounds.sign > 0 else arb.neg_inf()
            bound = bounds.tail(reach)
            if bound.is_finite() and (best is None or bound < best[1].rad()):
                best = reach, arb(0, bound)
                if bound < self.tolerance:
                    break
        if best is None:
            raise NotEnclosed(reason)
        return best

    def _direct(self, lower: arb, upper: arb) -> acb:
        return self._integrate(self.function, lower, upper)

    def _integrate(self, function: Callable[[acb, bool], acb], lower: arb, upper: arb) -> acb:
        relative = arb(2) ** -TOLERANCE_BITS
        # An exception inside of `function` would leave Arb's integration in disorder.
        with handlers_deferred():
            return acb.integral(
                function, lower, upper, rel_tol=relative, abs_tol=self.tolerance, eval_limit=MOST_EVALUATIONS
            )

    def _is_narrow(self, ball: acb) -> bool:
        if not ball.is_finite():
            return False
        scale = abs(ball.real).upper().max(arb(1e-6))
        return bool(ball.real.rad() <= WIDEST * scale)

    def _real(self, ball: acb) -> arb:
        if not ball.imag.contains(0):
            raise NotEnclosed("the integrand is not real")
        return ball.real

    def _ball(self, point: Expr) -> arb:
        ball = ball_of(point, bits=self.bits)
        return ball if isinstance(ball, arb) else ball.real

    def _middle(self, lower: Expr, upper: Expr) -> arb:
        if lower.is_infinite and upper.is_infinite:
            return arb(0)
        if lower.is_infinite or upper.is_infinite:
            return self._ball(upper) - 1 if lower.is_infinite else self._ball(lower) + 1
        return ((self._ball(lower) + self._ball(upper)) / 2).mid()

    def _is_singular(self, point: Expr, into: int) -> bool:
        """Return whether the end is infinite, or the integrand is not bounded on a ball next to it."""
        if point.is_infinite:
            return True
        at = self._ball(point)
        near = at.union(at + into * arb(2) ** -40)
        return not self.function(acb(near), False).is_finite()


def singular_points(expression: Expr, variable: Symbol, lower: Expr, upper: Expr) -> set[Expr]:
    """Return the points between the ends at which a denominator or the argument of a logarithm vanishes."""
    vanishing = [one.base for one in expression.atoms(sympy.Pow) if one.exp.is_number and one.exp.is_negative]
    vanishing += [one.args[0] for one in expression.atoms(sympy.log)]
    vanishing += [sympy.cos(one.args[0]) for one in expression.atoms(sympy.tan)]
    return {point for one in vanishing for point in zeros(one, variable, lower, upper)}


def _function(expression: Expr, variable: Symbol) -> Callable[[acb, bool], acb]:
    """Return the integrand as a function on balls."""
    if isinstance(expression, EntropyTerm):
        return _entropy_function(expression.args[0], variable)
    return analytic_function(expression, variable, {})


def _entropy_function(density: Expr, variable: Symbol) -> Callable[[acb, bool], acb]:
    """Return -K log K on balls, where K may have multiple zeros.

    Next to a zero of order 2 the ball of a formula such as 1 - cos(x) contains 0 unless it is very small, and the
    logarithm is then not analytic. The third-order Taylor polynomial has a much smaller ball there.
    """
    value = analytic_function(density, variable, {})
    term = analytic_function(EntropyTerm(variable), variable, {})
    derivatives = [density]
    for _ in range(3):
        derivatives.append(sympy.diff(derivatives[-1], variable))
    try:
        if density.has(sympy.Piecewise):
            raise NotImplementedError("the derivative of a Piecewise leaves out its jumps")
        first, second, third = (analytic_function(one, variable, {}) for one in derivatives[1:])
    except NotImplementedError:
        return lambda point, analytic: term(value(point, analytic), analytic)

    def function(point: acb, analytic: bool) -> acb:
        ball = value(point, analytic)
        if ball.is_finite() and ball.contains(0):
            middle = acb(point.real.mid(), point.imag.mid())
            step = point - middle
            rest = abs(third(point, analytic)) * abs(step) ** 3 / 6
            if rest.is_finite():
                around = acb(arb(0, rest.upper()), arb(0, rest.upper()))
                polynomial = value(middle, analytic) + step * (
                    first(middle, analytic) + step * second(middle, analytic) / 2
                )
                ball = polynomial + around if analytic or point.imag.is_zero() else ball
        return term(ball, analytic)

    return function


def _simplified(expression: Expr) -> Expr:
    try:
        with processor_time_limited(SECONDS_FOR_ZEROS):
            return sympy.simplify(expression)
    except ProcessorTimeExceeded:
        return expression
