"""The sign of a function on an interval, by proof.

Cells are halved until a ball decides the sign, or a Taylor polynomial with a bound on its remainder: next to a zero of
any order up to `ORDER` these need few cells, so that functions that touch each other are told apart. A zero that is
known exactly divides two cells; around any other one a sliver remains on which the sign is not known.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import flint
import sympy
from flint import arb
from sympy import Expr, Rational, Symbol

from foundation.signals import ProcessorTimeExceeded, processor_time_limited
from theory.algebra import decisions
from theory.algebra.balls import ball_of, integer_power, taylor_coefficients
from theory.algebra.growth import REACHES, SingularEnd, Unbounded, growth, variable_at_infinity

ORDER = 16
"""The number of Taylor coefficients, and the highest order of a zero next to which signs are decided."""

MOST_UNDECIDED = 256
"""The number of undecided cells of one width at which the search is given up."""

BITS, BITS_AT_ZEROS = 128, 1024
"""The precision on the widest cells, to which `ORDER` bits are added with each halving, and at the zeros."""

SECONDS = 2.0
"""The processor time for one proof that a number, or a function, is 0."""

LARGEST_DENOMINATOR = 10**6
"""Zeros are recognised among the rational numbers with smaller denominators, and their multiples of pi."""


@dataclass(frozen=True)
class Stretch:
    """An interval and the sign of a function inside it: 1, -1, 0 if it vanishes there, None if it is not known."""

    lower: Expr
    upper: Expr
    sign: int | None


@functools.lru_cache(maxsize=256)
def sign_stretches(function: Expr, variable: Symbol, points: tuple[Expr, ...], narrowest: Expr) -> tuple[Stretch, ...]:
    """Return consecutive stretches of one sign; inside of them the function may still vanish at single points.

    Parameters
    ----------
    function : sympy.Expr
        A real function of ``variable`` without other symbols.
    variable : Symbol
    points : tuple of sympy.Expr
        The ends of the interval, which may be infinite, and between them what are thought to be zeros.
    narrowest : sympy.Rational
        The width below which a cell is not halved.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> ends, narrowest = (sympy.Integer(-1), sympy.Integer(1)), Rational(1, 2**64)
    >>> [one.sign for one in sign_stretches(1 - sympy.cos(x), x, ends, narrowest)]
    [1]
    >>> [one.sign for one in sign_stretches(sympy.cos(x) - x, x, ends, narrowest)]
    [1, None, -1]
    """
    lower, upper = points[0], points[-1]
    if _is_rational_polynomial(function, variable):
        return tuple(_merge(_between_roots(function, variable, lower, upper)))
    search = _Search(function, variable, narrowest)
    try:
        if search.seems_zero(lower, upper) and any(map(_is_zero, _forms(function))):
            return (Stretch(lower, upper, 0),)
        found = search.stretches(points)
        exact = {zero for one in found if search.is_sliver(one) for zero in search.exact_zeros(one)} - set(points)
        if exact:
            found = search.stretches(sorted({*points, *exact}, key=lambda point: sympy.N(point, 40)))
        return tuple(_merge(part for one in found for part in search.constant_stretches(one)))
    except NotImplementedError:
        return (Stretch(lower, upper, None),)


class _Search:
    """The search for the stretches of one function."""

    def __init__(self, function: Expr, variable: Symbol, narrowest: Expr) -> None:
        self.function, self.variable, self.narrowest = function, variable, narrowest
        self.coefficients = _coefficients(function, variable)

    def seems_zero(self, lower: Expr, upper: Expr) -> bool:
        """Return whether balls at three points leave open that the function is 0 on the whole interval."""
        middle = _middle(lower, upper)
        points = (_middle(lower, middle), middle, _middle(middle, upper))
        with flint.ctx.workprec(BITS_AT_ZEROS):
            return all(self._value(ball_of(point, bits=BITS_AT_ZEROS)).contains(0) for point in points)

    def is_sliver(self, stretch: Stretch) -> bool:
        """Return whether a stretch is what remains around a zero that is not known exactly."""
        return stretch.sign is None and bool(stretch.upper - stretch.lower < 1024 * self.narrowest)

    def constant_stretches(self, stretch: Stretch) -> tuple[Stretch, ...]:
        """Divide a wide undecided stretch by signs if the function is proved to be constant where it is analytic."""
        lower, upper = stretch.lower, stretch.upper
        if stretch.sign is not None or self.is_sliver(stretch) or lower.is_infinite or upper.is_infinite:
            return (stretch,)
        if not _is_zero(sympy.diff(self.function, self.variable)):
            return (stretch,)
        cells = self._halve(lower, upper, self._decide_analytic)
        return (stretch,) if cells is None else tuple(self._sign_of_constant(one) for one in _merge(cells))

    def _decide_analytic(self, cell: Stretch, level: int) -> int | None:
        return 1 if self._is_analytic_on(_ball(cell, BITS + level)) else None

    def _sign_of_constant(self, analytic: Stretch) -> Stretch:
        """Return a stretch on which the function is constant with its sign there."""
        if analytic.sign is None:
            return analytic
        middle = _middle(analytic.lower, analytic.upper)
        with flint.ctx.workprec(BITS_AT_ZEROS):
            sign = _sign_of(self._value(ball_of(middle, bits=BITS_AT_ZEROS)))
        # At some points sympy knows the value.
        points = (middle, analytic.lower, analytic.upper)
        if sign is None and any(_is_zero(self.function.subs(self.variable, point)) for point in points):
            sign = 0
        return Stretch(analytic.lower, analytic.upper, sign)

    def stretches(self, points: Sequence[Expr]) -> tuple[Stretch, ...]:
        """Return the stretches between the first and the last of ``points``."""
        return tuple(_merge(one for lower, upper in itertools.pairwise(points) for one in self._between(lower, upper)))

    def exact_zeros(self, sliver: Stretch) -> Iterator[Expr]:
        """Yield a zero inside of a sliver that is a simple number, if there is one."""
        with flint.ctx.workprec(BITS_AT_ZEROS):
            lower, upper = (ball_of(end, bits=BITS_AT_ZEROS) for end in (sliver.lower, sliver.upper))
            for unit in (sympy.Integer(1), sympy.pi):
                size = ball_of(unit, bits=BITS_AT_ZEROS)
                share = simplest_between(_fraction((lower / size).lower()), _fraction((upper / size).upper()))
                zero = Rational(share.numerator, share.denominator) * unit
                if share.denominator < LARGEST_DENOMINATOR and self._vanishes_at(zero, 0):
                    yield zero
                    return

    def _between(self, lower: Expr, upper: Expr) -> Iterable[Stretch]:
        """Return the stretches between two neighbouring points, in ascending order."""
        left, right = self._tail(lower, upper, 1), self._tail(upper, lower, -1)
        start, end = left.upper, right.lower
        if start.is_infinite or end.is_infinite or not start < end:
            return [Stretch(lower, upper, None)]
        orders = self._order_of_zero(start), self._order_of_zero(end)

        def decide(cell: Stretch, level: int) -> int | None:
            known = (orders[0] if cell.lower == start else 0), (orders[1] if cell.upper == end else 0)
            return self._sign(cell, level, known)

        cells = self._halve(start, end, decide)
        if cells is None:
            return [Stretch(lower, upper, None)]
        return [one for one in (left, *cells, right) if one.lower != one.upper]

    def _halve(
        self, lower: Expr, upper: Expr, decide: Callable[[Stretch, int], int | None]
    ) -> tuple[Stretch, ...] | None:
        """Halve an interval until each cell is decided or narrow; return None if too many are not."""
        cells: tuple[Stretch, ...] = (Stretch(lower, upper, None),)
        undecided, level = 1, 0
        while undecided:
            # All undecided cells are of one width; around a zero few remain of each width.
            halved: list[Stretch] = []
            undecided = 0
            for cell in cells:
                if cell.sign is not None or cell.upper - cell.lower <= self.narrowest:
                    halved.append(cell)
                    continue
                sign = decide(cell, level)
                halved += _halves(cell) if sign is None else [Stretch(cell.lower, cell.upper, sign)]
                undecided += sign is None
            if undecided > MOST_UNDECIDED:
                return None
            cells, level = tuple(halved), level + 1
        return cells

    def _sign(self, cell: Stretch, level: int, orders: tuple[int, int]) -> int | None:
        """Decide the sign on a cell; ``orders`` are those of known zeros at its ends, 0 where there is none."""
        bits = BITS + ORDER * level
        with flint.ctx.workprec(bits):
            ball = _ball(cell, bits)
            sign = _sign_of(self._value(ball))
            if sign is not None:
                return sign
            around = self.coefficients(ball, ORDER + 1)
            if any(orders):
                # By Taylor's theorem the function is a power of the distance from the zero, times its coefficient about
                # some point of the cell.
                order, side = (orders[0], 1) if orders[0] else (orders[1], -1)
                sign = None if all(orders) else _sign_of(around[order])
                return sign if sign is None else sign * side**order
            if not around[ORDER].is_finite():
                return None
            # By Taylor's theorem about the middle.
            step = arb(0, ball.rad())
            value = around[ORDER] * integer_power(step, ORDER)
            for k, coefficient in enumerate(self.coefficients(ball.mid(), ORDER)):
                value += coefficient * integer_power(step, k)
            return _sign_of(value)

    def _value(self, point: arb) -> arb:
        value = ball_of(self.function, {self.variable: point}, bits=flint.ctx.prec)
        return value if isinstance(value, arb) else value.real

    def _tail(self, point: Expr, other: Expr, into: int) -> Stretch:
        """Return the stretch next to an end at which the function is not analytic; an empty one at any other end."""
        empty = Stretch(point, point, None)
        if point.is_finite and self._is_analytic_at(point, into):
            return empty
        moved = SingularEnd(point, into).moved(self.function, self.variable)
        tails = [_tail_from(point, power, into) for power in REACHES if _is_inside(point, power, into, other)]
        for power, tail in tails:
            with contextlib.suppress(Unbounded):
                sign = growth(moved, variable_at_infinity, arb(2) ** power).sign
                if sign:
                    return Stretch(tail.lower, tail.upper, sign)
        # Without a sign the widest is left out, because no cell is infinite.
        return tails[0][1] if tails and point.is_infinite else empty

    def _is_analytic_at(self, point: Expr, into: int) -> bool:
        at = ball_of(point)
        return self._is_analytic_on(at.union(at + into * arb(2) ** -40))

    def _is_analytic_on(self, ball: arb) -> bool:
        # The value alone may be finite, as that of a square root at 0.
        return all(one.is_finite() for one in self.coefficients(ball, 2))

    def _order_of_zero(self, point: Expr) -> int:
        """Return the order of the zero at ``point``; 0 if it is not proved to be one."""
        with flint.ctx.workprec(BITS_AT_ZEROS):
            coefficients = self.coefficients(ball_of(point, bits=BITS_AT_ZEROS), ORDER + 1)
        for order, coefficient in enumerate(coefficients):
            if not coefficient.is_finite():
                return 0
            if not coefficient.contains(0):
                return order if all(self._vanishes_at(point, k) for k in range(order)) else 0
        return 0

    def _vanishes_at(self, point: Expr, order: int) -> bool:
        """Return whether a derivative is proved to be 0 at ``point``."""
        derivative = sympy.diff(self.function, self.variable, order)
        return _is_zero(derivative.subs(self.variable, point))


def _is_rational_polynomial(function: Expr, variable: Symbol) -> bool:
    return bool(
        function.is_polynomial(variable) and all(c.is_Rational for c in sympy.Poly(function, variable).coeffs())
    )


def _between_roots(function: Expr, variable: Symbol, lower: Expr, upper: Expr) -> Iterator[Stretch]:
    """Yield the stretches of a polynomial with rational coefficients, whose real roots are all known exactly."""
    polynomial = sympy.Poly(function, variable)
    roots = [] if polynomial.is_ground else sympy.real_roots(polynomial, multiple=False)
    inside = [root for root, _ in roots if lower < root < upper]
    for left, right in itertools.pairwise((lower, *inside, upper)):
        yield Stretch(left, right, int(sympy.sign(polynomial.eval(_middle(left, right)))))


def _coefficients(function: Expr, variable: Symbol) -> Callable[[arb, int], list[arb]]:
    try:
        return taylor_coefficients(function, variable)
    except NotImplementedError:
        return lambda _, count: [arb.nan()] * count


def _tail_from(point: Expr, power: int, into: int) -> tuple[int, Stretch]:
    """Return the interval next to a singular end in which t is at least the power of 2."""
    size = sympy.Integer(2) ** power
    reach = -into * size if point.is_infinite else point + into / size
    return power, Stretch(point, reach, None) if into > 0 else Stretch(reach, point, None)


def _is_inside(point: Expr, power: int, into: int, other: Expr) -> bool:
    """Return whether that interval is far from the other end."""
    if other.is_infinite:
        return True
    size = sympy.Integer(2) ** power
    return bool(size > 1 - into * other) if point.is_infinite else bool(size * abs(other - point) > 2)


def _ball(cell: Stretch, bits: int) -> arb:
    """Return a ball that contains a cell."""
    with flint.ctx.workprec(bits):
        return ball_of(cell.lower, bits=bits).union(ball_of(cell.upper, bits=bits))


def _halves(cell: Stretch) -> list[Stretch]:
    middle = _middle(cell.lower, cell.upper)
    return [Stretch(cell.lower, middle, None), Stretch(middle, cell.upper, None)]


def _middle(lower: Expr, upper: Expr) -> Expr:
    """Return a rational number near the middle of an interval, one at a distance of 1 from its only finite end."""
    if lower.is_infinite and upper.is_infinite:
        return sympy.Integer(0)
    if lower.is_infinite or upper.is_infinite:
        return upper - 1 if lower.is_infinite else lower + 1
    middle = (lower + upper) / 2
    if middle.is_Rational:
        return middle
    digits = 8 - math.frexp(float(upper - lower))[1]
    near = _fraction(ball_of(middle, bits=max(128, digits + 64)).mid())
    return Rational(math.floor(near * Fraction(2) ** digits)) / sympy.Integer(2) ** digits


def _sign_of(value: arb) -> int | None:
    if not value.is_finite() or value.contains(0):
        return None
    return 1 if value > 0 else -1


def _forms(function: Expr) -> Iterator[Expr]:
    """Yield forms of a function one of which may show that it is 0."""
    yield function
    for transform in (_in_exponentials, sympy.expand_trig):
        try:
            with processor_time_limited(SECONDS):
                form = transform(function)
        except (ProcessorTimeExceeded, *decisions.SYMPY_FAILURES):
            continue
        if form != function:
            yield form


def _in_exponentials(function: Expr) -> Expr:
    return function.rewrite(sympy.exp)


def _is_zero(expression: Expr) -> bool:
    """Return whether an expression is proved to vanish identically."""
    try:
        with processor_time_limited(SECONDS):
            return bool(decisions.is_zero(expression))
    except (decisions.Undecided, ProcessorTimeExceeded, *decisions.SYMPY_FAILURES):
        return False


def _fraction(point: arb) -> Fraction:
    """Return an exact ball as a fraction."""
    mantissa, exponent = point.man_exp()
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def simplest_between(lower: Fraction, upper: Fraction) -> Fraction:
    """Return the fraction of the smallest denominator in a closed interval.

    Examples
    --------
    >>> simplest_between(Fraction("0.333"), Fraction("0.334"))
    Fraction(1, 3)
    """
    whole = Fraction(math.ceil(lower))
    if whole <= upper:
        return min(whole, Fraction(math.floor(upper)), key=abs) if lower > 0 or upper < 0 else Fraction(0)
    below = math.floor(lower)
    return below + 1 / simplest_between(1 / (upper - below), 1 / (lower - below))


def _merge(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """Join neighbouring stretches with the same sign."""
    for _, group in itertools.groupby(stretches, key=lambda one: one.sign):
        joined = list(group)
        yield Stretch(joined[0].lower, joined[-1].upper, joined[0].sign)
