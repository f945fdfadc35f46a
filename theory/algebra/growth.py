"""Rigorous bounds on a function of a variable that tends to infinity.

On t >= T a function is bounded above by a sum of terms ``exp(c + a log t + sum of c_j t^b_j)`` and, where possible,
bounded below by one such term. The terms decide whether an integral up to infinity converges and bound what lies
beyond T. A finite singular point is moved to infinity by the reciprocal of the distance from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
from flint import arb
from sympy import Expr, Symbol

from theory.algebra.balls import EntropyTerm, ball_of

MOST_TERMS = 64

HIGHEST_ORDER = 6
"""The highest order of a zero at a finite point that is recognised."""

LOGARITHM_POWER = Fraction(1, 8)
"""log t is bounded by a multiple of this power of t."""

_ZERO, _ONE = Fraction(0), Fraction(1)


REACHES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Beyond 2 to these powers the rest of an integral is bounded, instead of computed."""

variable_at_infinity = Symbol("t", positive=True)
"""The reciprocal of the distance from a singular point, or the distance itself from 0."""


class Unbounded(Exception):
    """Raised where this module knows no bound."""


@dataclass(frozen=True)
class SingularEnd:
    """A singular end of an interval as a map x(t), where t tends to infinity as x tends to the end."""

    point: Expr
    into: int
    """The direction from the end into the interval, 1 or -1."""

    def integrand(self, expression: Expr, variable: Symbol) -> Expr:
        """Return the integrand in t, for t increasing."""
        moved = self.moved(expression, variable)
        return moved if self.point.is_infinite else moved / variable_at_infinity**2

    def moved(self, expression: Expr, variable: Symbol) -> Expr:
        """Return ``expression`` as a function of t."""
        t = variable_at_infinity
        return _expanded(
            expression.subs(variable, -self.into * t if self.point.is_infinite else self.point + self.into / t)
        )

    def start(self, middle: arb) -> arb:
        """Return the t at which x is ``middle``."""
        return abs(middle) if self.point.is_infinite else 1 / abs(middle - ball_of(self.point))


@dataclass(frozen=True)
class Term:
    """The function ``exp(logarithm + power * log t + sum of rate * t**exponent)``, by increasing positive exponents."""

    logarithm: arb
    power: Fraction = _ZERO
    rates: tuple[tuple[Fraction, arb], ...] = ()

    def __mul__(self, other: Term) -> Term:
        rates = dict(self.rates)
        for exponent, rate in other.rates:
            rates[exponent] = rates.get(exponent, arb(0)) + rate
        return Term(self.logarithm + other.logarithm, self.power + other.power, _sorted(rates))

    def __pow__(self, exponent: Fraction) -> Term:
        factor = _arb(exponent)
        return Term(
            self.logarithm * factor, self.power * exponent, tuple((one, rate * factor) for one, rate in self.rates)
        )

    def logarithm_at(self, point: arb) -> arb:
        """Return the logarithm of the value at ``point``."""
        total = self.logarithm + _arb(self.power) * point.log()
        return sum((rate * point ** _arb(exponent) for exponent, rate in self.rates), start=total)

    def steepest(self, start: arb) -> arb:
        """Return an upper bound on t d(log of the term)/dt for t >= ``start``; infinite if there is none."""
        slope = _arb(self.power)
        falling = {exponent: rate * _arb(exponent) for exponent, rate in self.rates if rate < 0}
        rising = {exponent: rate * _arb(exponent) for exponent, rate in self.rates if not rate < 0}
        if not rising:
            return slope + sum((rate * start ** _arb(e) for e, rate in falling.items()), start=arb(0))
        if not falling or max(falling) < max(rising):
            return arb.pos_inf()
        highest = max(falling)
        net = falling.pop(highest) + sum(
            (rate * start ** _arb(e - highest) for e, rate in rising.items()), start=arb(0)
        )
        return slope + net * start ** _arb(highest) if net < 0 else arb.pos_inf()

    def decreases(self, start: arb) -> bool:
        """Return whether the term is proved not to increase for t >= ``start``."""
        return bool(self.steepest(start) <= 0)

    def grows(self) -> bool:
        """Return whether the term is proved to tend to infinity."""
        if self.rates:
            return bool(self.rates[-1][1] > 0)
        return self.power > 0

    def vanishes(self) -> bool:
        """Return whether the term is proved to tend to 0."""
        return (self**-_ONE).grows()

    def integral(self, start: arb) -> arb:
        """Return an upper bound on the integral from ``start`` to infinity; infinite if there is none."""
        # The term is at most its value at the start times (t / start) to the power of the steepest slope.
        slope = self.steepest(start)
        if not slope < -1:
            return arb.pos_inf()
        return (self.logarithm_at(start).exp() * start / (-slope - 1)).upper()

    def diverges(self) -> bool:
        """Return whether the integral up to infinity is proved to be infinite."""
        return bool(self.rates[-1][1] > 0) if self.rates else self.power >= -1


@dataclass(frozen=True)
class Growth:
    """Bounds on a function for t >= T.

    Attributes
    ----------
    upper : tuple of Term
        Its absolute value is at most their sum.
    lower : Term, optional
        Its absolute value is at least this.
    sign : int
        1 or -1 if it has that sign for all t >= T, otherwise 0.
    """

    upper: tuple[Term, ...]
    lower: Term | None
    sign: int

    def tail(self, start: arb) -> arb:
        """Return an upper bound on the integral of the absolute value from ``start`` to infinity."""
        return sum((term.integral(start) for term in self.upper), start=arb(0))

    @property
    def diverges(self) -> bool:
        """Whether the integral is proved to be infinite."""
        return self.sign != 0 and self.lower is not None and self.lower.diverges()

    @property
    def vanishes(self) -> bool:
        """Whether the function is proved to tend to 0."""
        return all(term.vanishes() for term in self.upper)

    @property
    def grows(self) -> bool:
        """Whether the absolute value is proved to tend to infinity."""
        return self.lower is not None and self.lower.grows()

    def supremum(self, start: arb) -> arb:
        """Return an upper bound on the absolute value for t >= ``start``; infinite if there is none."""
        if not all(term.decreases(start) for term in self.upper):
            return arb.pos_inf()
        return sum((term.logarithm_at(start).exp() for term in self.upper), start=arb(0)).upper()


def growth(expression: Expr, variable: Symbol, start: arb) -> Growth:
    """Bound ``expression`` for ``variable`` >= ``start``, which is at least 1.

    Raises
    ------
    Unbounded
        If it contains a function for which this module has no rule, or a denominator that may vanish.

    Examples
    --------
    >>> t = Symbol("t", positive=True)
    >>> bounds = growth(sympy.exp(-t) * t**3, t, arb(8))
    >>> bounds.diverges, bool(bounds.tail(arb(64)) < 1e-20)
    (False, True)
    >>> growth(1 / (1 + t), t, arb(8)).diverges
    True
    """
    return _Bounds(variable, start).of(expression)


class _Bounds:
    """The recursive computation of bounds, for one variable and one start."""

    def __init__(self, variable: Symbol, start: arb) -> None:
        self.t, self.start = variable, start
        self._known: dict[Expr, Growth] = {}

    def of(self, expression: Expr) -> Growth:
        if expression not in self._known:
            self._known[expression] = self._of(expression)
        return self._known[expression]

    def _of(self, expression: Expr) -> Growth:
        if not expression.has(self.t):
            return self._constant(expression)
        if expression == self.t:
            return Growth((Term(arb(0), _ONE),), Term(arb(0), _ONE), 1)
        if expression.is_Mul:
            return self._product([self.of(factor) for factor in expression.args])
        if expression.is_Add:
            return self._sum(expression)
        if isinstance(expression, sympy.exp) or (expression.is_Pow and expression.base is sympy.E):
            return self._exponential(expression.exp)
        if expression.is_Pow:
            return self._power(expression)
        return self._function(expression)

    def _constant(self, expression: Expr) -> Growth:
        ball = _real_ball(expression)
        if ball.is_zero():
            return Growth((), None, 0)
        size = abs(ball)
        if not size.is_finite():
            raise Unbounded(f"{expression} is not finite")
        sign = 1 if ball > 0 else -1 if ball < 0 else 0
        return Growth((Term(size.upper().log()),), Term(size.lower().log()) if sign else None, sign)

    def _product(self, factors: Sequence[Growth]) -> Growth:
        upper: tuple[Term, ...] = (Term(arb(0)),)
        lower: Term | None = Term(arb(0))
        sign = 1
        for factor in factors:
            upper = tuple(one * other for one in upper for other in factor.upper)
            if len(upper) > MOST_TERMS:
                raise Unbounded("too many terms")
            lower = None if lower is None or factor.lower is None else lower * factor.lower
            sign *= factor.sign
        return Growth(upper, lower, sign)

    def _sum(self, expression: Expr) -> Growth:
        try:
            whole = self._sum_of([self.of(term) for term in expression.args])
        except Unbounded:
            whole = None
        if whole is not None and whole.lower is not None:
            return whole
        # Terms may cancel, as in 1 - cos(1/t): the order of the zero at 1/t = 0 tells what remains.
        remaining = self._at_a_finite_limit(expression)
        if remaining is None and whole is None:
            raise Unbounded(f"no bound on {expression}")
        return remaining or whole  # type: ignore[return-value]

    def _sum_of(self, terms: Sequence[Growth]) -> Growth:
        upper = tuple(one for term in terms for one in term.upper)
        if len(upper) > MOST_TERMS:
            raise Unbounded("too many terms")
        far = self.start**8
        candidates = [term for term in terms if term.lower is not None and term.sign]
        candidates.sort(key=lambda term: float(term.lower.logarithm_at(far).mid()), reverse=True)  # type: ignore[union-attr]
        for candidate in candidates:
            opposed = [one for term in terms if term.sign != candidate.sign for one in term.upper]
            share = self._share(opposed, candidate.lower)  # type: ignore[arg-type]
            if share is not None and share < 1:
                remaining = Term((1 - share).lower().log())
                return Growth(upper, candidate.lower * remaining, candidate.sign)  # type: ignore[operator]
        return Growth(upper, None, 0)

    def _share(self, terms: Iterable[Term], of: Term) -> arb | None:
        """Return a bound on the sum of ``terms`` divided by the term ``of``, if every ratio decreases."""
        ratios = [term * of**-_ONE for term in terms]
        if not all(ratio.decreases(self.start) for ratio in ratios):
            return None
        return sum((ratio.logarithm_at(self.start).exp() for ratio in ratios), start=arb(0)).upper()

    def _collapse(self, terms: Sequence[Term]) -> Term | None:
        """Return one term that is at least the sum of ``terms``."""
        for k, candidate in enumerate(terms):
            share = self._share([*terms[:k], *terms[k + 1 :]], candidate)
            if share is not None:
                return candidate * Term((1 + share).upper().log())
        return None

    def _power(self, expression: Expr) -> Growth:
        if not expression.exp.is_Rational:
            raise Unbounded(f"the exponent of {expression} is not rational")
        exponent = Fraction(int(expression.exp.p), int(expression.exp.q))
        base = self.of(expression.base)
        even = exponent.numerator % 2 == 0
        if exponent.denominator > 1 and base.sign != 1:
            raise Unbounded(f"the base of {expression} may be negative")
        sign = 1 if even and base.sign else base.sign
        if exponent < 0:
            if base.lower is None:
                raise Unbounded(f"the denominator of {expression} may vanish")
            whole = self._collapse(base.upper)
            return Growth((base.lower**exponent,), whole**exponent if whole else None, sign)
        # A sum of n terms to a positive power is at most n^power times the sum of their powers.
        factor = Term(arb(max(1, len(base.upper))).log()) ** exponent
        upper = tuple(term**exponent * factor for term in base.upper)
        return Growth(upper, base.lower**exponent if base.lower else None, sign)

    def _exponential(self, argument: Expr) -> Growth:
        whole = self._exponential_of_powers(argument)
        if whole is not None:
            return whole
        inner = self.of(argument)
        bound = inner.supremum(self.start)
        if bound.is_finite():
            return Growth((Term(bound),), Term(-bound), 1)
        # A negative argument that grows at least as a power.
        if inner.sign < 0 and inner.lower is not None and not inner.lower.rates and inner.lower.power > 0:
            rate = inner.lower.logarithm.exp().lower()
            return Growth((Term(arb(0), _ZERO, ((inner.lower.power, -rate),)),), None, 1)
        raise Unbounded(f"no bound on the exponential of {argument}")

    def _exponential_of_powers(self, argument: Expr) -> Growth | None:
        """Return exact bounds on the exponential of a sum of multiples of powers of t and of log t."""
        least = greatest = arb(0)
        power = _ZERO
        rates: dict[Fraction, arb] = {}
        for term in sympy.Add.make_args(sympy.expand(argument)):
            coefficient, factor = term.as_independent(self.t)
            base, exponent = factor.as_base_exp()
            size = _real_ball(coefficient)
            if factor == 1:
                least, greatest = least + size, greatest + size
            elif factor == sympy.log(self.t) and coefficient.is_Rational:
                power += Fraction(int(coefficient.p), int(coefficient.q))
            elif base == self.t and exponent.is_Rational and exponent > 0:
                key = Fraction(int(exponent.p), int(exponent.q))
                rates[key] = rates.get(key, arb(0)) + size
            elif base == self.t and exponent.is_Rational:
                # A negative power lies between 0 and its value at the start.
                reach = size * self.start ** _real_ball(exponent)
                least, greatest = least + reach.min(arb(0)), greatest + reach.max(arb(0))
            else:
                return None
        kept = _sorted(rates)
        return Growth((Term(greatest.upper(), power, kept),), Term(least.lower(), power, kept), 1)

    def _function(self, expression: Expr) -> Growth:
        if isinstance(expression, sympy.Piecewise):
            return self._piecewise(expression)
        if isinstance(expression, EntropyTerm):
            return self.of(expression.doit()) if self.of(expression.args[0]).upper else Growth((), None, 0)
        if isinstance(expression, sympy.cosh | sympy.sinh):
            return self.of(expression.rewrite(sympy.exp))
        if isinstance(expression, sympy.Max | sympy.Min):
            upper = tuple(term for argument in expression.args for term in self.of(argument).upper)
            return Growth(upper, None, 0)
        (argument, *_) = expression.args
        if isinstance(expression, sympy.Abs):
            inner = self.of(argument)
            return Growth(inner.upper, inner.lower, abs(inner.sign))
        if isinstance(expression, sympy.sign | sympy.Heaviside):
            return self._step(expression, self.of(argument).sign)
        if isinstance(expression, sympy.log):
            return self._logarithm(self.of(argument))
        limited = self._at_a_finite_limit(expression)
        if limited is not None:
            return limited
        if isinstance(expression, sympy.erfc):
            return self._complementary_error(argument)
        if isinstance(expression, tuple(_LIMITS)):
            return self._sigmoid(expression, argument)
        if isinstance(expression, sympy.sin | sympy.cos | sympy.asin | sympy.acos):
            return _BOUNDED
        raise Unbounded(f"no rule for {expression.func}")

    def _sigmoid(self, expression: Expr, argument: Expr) -> Growth:
        """Bound an increasing odd function that has a limit at infinity."""
        try:
            inner = self.of(argument)
        except Unbounded:
            return _BOUNDED
        if inner.sign and inner.lower is not None and (inner.lower**-_ONE).decreases(self.start):
            size = inner.lower.logarithm_at(self.start).exp().lower()
            least = ball_of(expression.func(self.t), {self.t: size})
            return Growth((Term(_LIMITS[expression.func]().log()),), Term(least.lower().log()), inner.sign)
        return _BOUNDED

    def _piecewise(self, expression: Expr) -> Growth:
        possible: list[Growth] = []
        for value, condition in expression.args:
            holds = self._holds(condition)
            if holds is not False:
                possible.append(self.of(value))
            if holds:
                break
        if len(possible) == 1:
            return possible[0]
        return Growth(tuple(term for one in possible for term in one.upper), None, 0)

    def _holds(self, condition: Any) -> bool | None:
        """Decide a condition for all t >= T: True, False, or None where it is not decided."""
        if condition in (True, False):
            return bool(condition)
        if not isinstance(condition, sympy.core.relational.Relational):
            return None
        try:
            sign = self.of(sympy.expand(condition.lhs - condition.rhs)).sign
        except Unbounded:
            return None
        if sign == 0:
            return None
        holds = sympy.Gt | sympy.Ge | sympy.Ne if sign > 0 else sympy.Lt | sympy.Le | sympy.Ne
        return isinstance(condition, holds)

    def _step(self, expression: Expr, sign: int) -> Growth:
        if sign == 0:
            return _BOUNDED
        return self._constant(expression.func(sympy.Integer(sign)))

    def _logarithm(self, inner: Growth) -> Growth:
        above = self._collapse(inner.upper)
        if above is None or inner.lower is None or inner.sign != 1:
            raise Unbounded("the argument of a logarithm may vanish")
        terms = [term for bound in (above, inner.lower) for term in _size_of_logarithm(bound)]
        # The sign is known where the argument stays on one side of 1.
        if (inner.lower**-_ONE).decreases(self.start) and inner.lower.logarithm_at(self.start) > 0:
            return Growth(tuple(terms), Term(inner.lower.logarithm_at(self.start).lower().log()), 1)
        if above.decreases(self.start) and above.logarithm_at(self.start) < 0:
            return Growth(tuple(terms), Term((-above.logarithm_at(self.start)).lower().log()), -1)
        return Growth(tuple(terms), None, 0)

    def _complementary_error(self, argument: Expr) -> Growth:
        inner = self.of(argument)
        if inner.sign == 1 and inner.lower is not None and not inner.lower.rates and inner.lower.power > 0:
            # erfc(y) <= exp(-y^2) for y >= 0.
            rate = (2 * inner.lower.logarithm).exp().lower()
            return Growth((Term(arb(0), _ZERO, ((2 * inner.lower.power, -rate),)),), None, 1)
        return Growth((Term(arb(2).log()),), None, 1)

    def _at_a_finite_limit(self, expression: Expr) -> Growth | None:
        """Bound a function that is analytic in s = 1/t at s = 0, by its first derivative that does not vanish there."""
        near = sympy.Symbol("s", positive=True)
        derivative = expression.subs(self.t, 1 / near)
        reach = 1 / self.start
        interval = arb(0).union(reach)
        for order in range(HIGHEST_ORDER + 1):
            try:
                ball = ball_of(derivative, {near: interval})
                if ball.is_finite() and not ball.contains(0):
                    size = abs(ball) / arb(order).fac()
                    power = Fraction(-order)
                    upper, lower = (Term(end.log(), power) for end in (size.upper(), size.lower()))
                    return Growth((upper,), lower, 1 if ball > 0 else -1)
                if not ball.is_finite() or sympy.simplify(derivative.subs(near, 0)) != 0:
                    return None
            except (NotImplementedError, TypeError, ValueError, RecursionError):
                return None
            derivative = sympy.diff(derivative, near)
        return None


_BOUNDED = Growth((Term(arb(4).log()),), None, 0)
"""Sines, arcsines and the like are at most 4 in size, where they are real."""

_LIMITS: Mapping[Any, Callable[[], arb]] = {
    sympy.atan: lambda: arb.pi() / 2,
    sympy.tanh: lambda: arb(1),
    sympy.erf: lambda: arb(1),
}
"""The limits at infinity of increasing odd functions."""


def _size_of_logarithm(term: Term) -> list[Term]:
    """Return terms whose sum is at least the absolute value of the logarithm of ``term``."""
    parts = [Term(abs(rate).upper().log(), exponent) for exponent, rate in term.rates]
    constant = abs(term.logarithm).upper()
    if constant > 0:
        parts.append(Term(constant.log()))
    if term.power:
        # log t <= t^q / (e q) for every q > 0.
        factor = _arb(abs(term.power)) / (_arb(LOGARITHM_POWER) * arb(1).exp())
        parts.append(Term(factor.upper().log(), LOGARITHM_POWER))
    return parts


def _real_ball(expression: Expr) -> arb:
    try:
        ball = ball_of(expression)
    except NotImplementedError as reason:
        raise Unbounded(str(reason)) from None
    if not isinstance(ball, arb):
        if not ball.imag.is_zero():
            raise Unbounded(f"{expression} is not real")
        ball = ball.real
    return ball


def _arb(value: Fraction) -> arb:
    return arb(value.numerator) / value.denominator


def _sorted(rates: dict[Fraction, arb]) -> tuple[tuple[Fraction, arb], ...]:
    return tuple(sorted(((e, rate) for e, rate in rates.items() if not rate.is_zero()), key=lambda item: item[0]))


def _expanded(expression: Expr) -> Expr:
    """Expand every sum in ``expression``, so that constants that cancel disappear."""
    if not expression.args:
        return expression
    inner = expression.func(*(_expanded(argument) for argument in expression.args))
    return sympy.expand(inner) if inner.is_Add else inner
