"""Decision procedures: zero tests, signs, integers, limits, integrals, sums, polynomials, bounds between functions.

Each decides rigorously or raises `Undecided`; none compares floating-point numbers with a tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count, cycle, product

import flint
import sympy
from sympy import Expr, Integer, Rational

from theory.algebra.balls import PRECISION_BITS, ball_of, interval
from theory.algebra.evidence import Evidence
from theory.algebra.expressions import half_unit_of, value_of

SYMPY_FAILURES = (
    *(
        ArithmeticError,
        AttributeError,
        IndexError,
        KeyError,
        NotImplementedError,
        RecursionError,
        TypeError,
        ValueError,
    ),
    sympy.polys.polyerrors.BasePolynomialError,
    sympy.PoleError,
)
"""The exceptions of sympy on expressions that it cannot integrate, simplify or solve."""

_UNEVALUATED = (
    *(sympy.Integral, sympy.Limit, sympy.Sum, sympy.Product, sympy.Derivative, sympy.AccumBounds, sympy.Piecewise),
    *(sympy.nan, sympy.zoo),
)
"""What stands for a value that sympy has not found, or has found under conditions only."""

_PRECISIONS = (PRECISION_BITS, 4 * PRECISION_BITS)

_TRIAL_VALUES = (Rational(1, 3), Rational(7, 5), Rational(5, 7), Rational(11, 4))

_OTHER_VALUES = (Rational(3, 5), Rational(13, 8), Rational(8, 21), Rational(55, 34), Rational(29, 31))
"""Values for the third and later symbols: all different, so that differences of symbols do not vanish."""


def is_zero(expression: Expr) -> Evidence:
    """Decide whether ``expression`` vanishes identically in its symbols.

    Zero is decided by simplification, non-zero by a point at which a ball around the value excludes 0. The point
    satisfies the assumptions on the symbols; for a range such as 0 < p < 1 the caller substitutes a symbol.

    Examples
    --------
    >>> t = sympy.Symbol("t", real=True)
    >>> is_zero((t + 1) ** 2 - t**2 - 2 * t - 1).holds, is_zero(t**2 - 1).holds
    (True, False)
    """
    statement = "the expression vanishes identically"
    reduced = _simplify(expression)
    if reduced == 0:
        return Evidence(statement, True, "the difference simplifies to 0")
    point = _point_of_difference(reduced)
    if point is not None:
        return Evidence(statement, False, f"the difference is {_shorten(reduced)}{point}")
    raise Undecided(f"{reduced} neither simplifies to 0 nor shows a value other than 0.")


def equal(left: Expr, right: Expr) -> Evidence:
    """Decide whether two expressions are identical in all of their symbols.

    Examples
    --------
    >>> t = sympy.Symbol("t", real=True)
    >>> equal(sympy.sin(t) ** 2, 1 - sympy.cos(t) ** 2).holds
    True
    """
    return is_zero(left - right)


def is_positive(expression: Expr) -> Evidence:
    """Decide whether ``expression`` is > 0 for all values of its symbols; an unknown sign is neither.

    Examples
    --------
    >>> t = sympy.Symbol("t", positive=True)
    >>> is_positive(t**2 + 1).holds, is_positive(t - 1).holds
    (True, False)
    """
    statement = "the expression is positive for all values of its symbols"
    if any(form.is_positive for form in (expression, sympy.factor(expression))) or _is_above_zero(expression):
        return Evidence(statement, True, f"{_shorten(expression)} is positive")
    if expression == 0:
        return Evidence(statement, False, "it is 0")
    for point, ball in _values(expression):
        if ball <= 0:
            return Evidence(statement, False, f"it is {_decimal(ball)}{_at(point)}")
    raise Undecided(f"the sign of {expression} is not clear.")


def _is_above_zero(expression: Expr) -> bool:
    """Return whether a rational polynomial in one symbol has no root, and a positive value, where the symbol may be."""
    symbols = list(expression.free_symbols)
    if len(symbols) != 1 or not expression.is_polynomial(symbols[0]):
        return False
    poly = sympy.Poly(expression, symbols[0])
    lower = Integer(0) if symbols[0].is_nonnegative else -sympy.oo
    rational = all(coefficient.is_Rational for coefficient in poly.all_coeffs())
    return bool(rational and poly.count_roots(_or_none(lower), None) == 0 and poly.eval(1) > 0)


def find_limit(expression: Expr, variable: sympy.Symbol, point: Expr, side: str = "+") -> Expr:
    """Return a one-sided limit, which may be infinite; raise `Undecided` if sympy does not find it.

    Examples
    --------
    >>> t = sympy.Symbol("t", real=True)
    >>> find_limit(sympy.sin(t) / t, t, Integer(0)), find_limit(sympy.exp(t), t, sympy.oo)
    (1, oo)
    """
    what = f"the limit of {expression} as {variable} tends to {point}"
    return _evaluated(what, lambda: sympy.limit(expression, variable, point, side))


def find_integral(integrand: Expr, variable: sympy.Symbol, lower: Expr | int, upper: Expr | int) -> Expr:
    """Return an integral in closed form, which may be infinite; raise `Undecided` if sympy does not find it.

    Examples
    --------
    >>> t = sympy.Symbol("t", real=True)
    >>> find_integral(t**2, t, 0, 1)
    1/3
    """
    what = f"the integral of {integrand} over {variable} from {lower} to {upper}"
    return _evaluated(what, lambda: sympy.integrate(integrand, (variable, lower, upper)))


def find_sum(term: Expr, variable: sympy.Symbol, first: int, last: Expr) -> Expr:
    """Return a sum in closed form, which may be infinite; raise `Undecided` if sympy does not find it.

    Examples
    --------
    >>> k = sympy.Symbol("k", integer=True, positive=True)
    >>> find_sum(1 / (k * (k + 1)), k, 1, sympy.oo)
    1
    """
    what = f"the sum of {term} over {variable} from {first} to {last}"
    return _evaluated(what, lambda: sympy.summation(term, (variable, first, last)))


def _evaluated(what: str, compute: Callable[[], Expr]) -> Expr:
    """Return what ``compute`` finds, unless it is an object that stands for a value that sympy has not found."""
    try:
        value = compute()
    except SYMPY_FAILURES:
        raise Undecided(f"sympy does not find {what}.") from None
    return require_evaluated(what, value)


def require_evaluated(what: str, value: Expr) -> Expr:
    """Return ``value``; raise `Undecided` if it is an integral, a limit or a sum that sympy has not found."""
    if value.has(*_UNEVALUATED):
        raise Undecided(f"sympy leaves {what} as {_shorten(value)}.")
    return value


def keeps_nonnegative(polynomial: Expr, variable: sympy.Symbol, lower: Expr, upper: Expr) -> Evidence:
    """Decide whether a polynomial with rational coefficients is >= 0 on an interval with rational or infinite ends.

    A polynomial changes sign only at real roots of odd multiplicity; these are counted exactly (Sturm).

    Examples
    --------
    >>> t = sympy.Symbol("t", real=True)
    >>> keeps_nonnegative(1 - t**2, t, Integer(-1), Integer(1)).holds
    True
    >>> keeps_nonnegative(t, t, Integer(-1), Integer(1)).detail
    'it changes sign at t = 0'
    """
    polynomial = polynomial_in(variable, polynomial)
    poly = sympy.Poly(polynomial, variable)
    if not all(coefficient.is_Rational for coefficient in poly.all_coeffs()):
        raise Undecided(f"{polynomial} has coefficients that are not rational.")
    if not all(end.is_Rational or end.is_infinite for end in (lower, upper)):
        raise Undecided(f"({lower}, {upper}) has an end that is neither rational nor infinite.")
    statement = f"the polynomial is >= 0 on ({lower}, {upper})"
    if poly.is_zero:
        return Evidence(statement, True, "it is identically 0")
    root = _sign_change(poly, lower, upper)
    if root is not None:
        return Evidence(statement, False, f"it changes sign at {variable} = {root}")
    inside = next(point for point in _inside(lower, upper) if poly.eval(point) != 0)
    value = poly.eval(inside)
    detail = f"it has no change of sign in ({lower}, {upper}), and is {value} at {variable} = {inside}"
    return Evidence(statement, bool(value > 0), detail)


def polynomial_in(variable: sympy.Symbol, expression: Expr) -> Expr:
    """Return ``expression``, or a simpler form of it, as a polynomial; raise `Undecided` if it does not become one.

    Examples
    --------
    >>> t = sympy.Symbol("t", real=True)
    >>> polynomial_in(t, t * sympy.sin(t) ** 2 + t * sympy.cos(t) ** 2)
    t
    """
    if expression.is_polynomial(variable):
        return expression
    simpler = _simplify(expression)
    if not simpler.is_polynomial(variable):
        raise Undecided(f"{expression} is not a polynomial in {variable}.")
    return simpler


def find_below(left: Expr, right: Expr, variable: sympy.Symbol, points: Sequence[Expr]) -> Expr | None:
    """Return the first of ``points`` at which ``left < right`` is proved, or None."""
    for point in points:
        ball = ball_of(left, {variable: ball_of(point)}) - ball_of(right, {variable: ball_of(point)})
        if ball < 0:
            return point
    return None


def above_increasing(
    bound: Expr, function: Expr, variable: sympy.Symbol, lower: Expr, upper: Expr, ends: tuple[Expr, Expr]
) -> Evidence:
    """Decide whether ``bound >= function`` on an interval where ``function`` is increasing with the limits ``ends``.

    On each subinterval an enclosure of ``bound`` is compared with the value of ``function`` at the right end; an
    undecided subinterval is halved, down to a width of 1/4096 of the interval.

    Raises
    ------
    Undecided
        If the two functions are too close to separate on a subinterval of that width.
    """
    statement = f"the bound is not below the function for {variable} from {lower} to {upper}"
    pending = [(lower, upper)]
    cells = 0
    while pending:
        left, right = pending.pop()
        # As ``function`` increases, its value at the right end is its supremum on the subinterval.
        top = ball_of(ends[1]) if right == upper else ball_of(function, {variable: ball_of(right)})
        values = ball_of(bound, {variable: interval(left, right)})
        if values >= top:
            cells += 1
            continue
        # Below the infimum, at the left end, ``bound`` is a counterexample; otherwise the enclosure is too wide.
        bottom = ball_of(ends[0]) if left == lower else ball_of(function, {variable: ball_of(left)})
        if values < bottom:
            return Evidence(statement, False, f"for {variable} from {left} to {right} it lies below")
        if (right - left) * 4096 < upper - lower:
            raise Undecided(f"between {variable} = {left} and {right} the two are too close to tell apart.")
        middle = (left + right) / 2
        pending += [(left, middle), (middle, right)]
    return Evidence(statement, True, f"enclosures on {cells} subintervals lie above")


def sign_of(number: Expr) -> int:
    """Return the sign of a constant: 0 if it simplifies to 0, otherwise the sign of a ball that excludes 0.

    Examples
    --------
    >>> sign_of(sympy.log(3) - 1), sign_of(sympy.pi - 4), sign_of(sympy.sqrt(4) - 2)
    (1, -1, 0)
    """
    if sympy.simplify(number) == 0:
        return 0
    for bits in _PRECISIONS:
        ball = ball_of(number, bits=bits)
        if ball > 0:
            return 1
        if ball < 0:
            return -1
    raise Undecided(f"the sign of {number} is not clear from {ball}.")


def have_one_minimiser(target: Expr, reference: Expr) -> Evidence:
    """Decide whether two linear combinations of averages, up to constants, have the same minimiser.

    They have, whatever the averages can be, if and only if one is a positive multiple of the other plus a constant.

    Examples
    --------
    >>> s, t = sympy.symbols("s t", real=True)
    >>> [have_one_minimiser(target, s - t).holds for target in (2 * s - 2 * t + 1, t - s, s - 2 * t)]
    [True, False, False]
    """
    statement = f"{target} and {reference} have the same minimiser"
    terms = sorted(reference.free_symbols | target.free_symbols, key=lambda symbol: symbol.name)
    pairs = [tuple(_simplify(sympy.diff(part, term)) for part in (target, reference)) for term in terms]
    if not all(slope.is_number for pair in pairs for slope in pair):
        raise Undecided(f"{target} is not a linear combination of {', '.join(map(str, terms))} and a constant.")
    multiple = next(slope / other for slope, other in pairs if other != 0)
    if any(sign_of(slope - multiple * other) for slope, other in pairs):
        return Evidence(statement, False, f"{target} is not a multiple of {reference}, plus a constant")
    constant = sympy.expand(target - multiple * reference)
    detail = f"it is {multiple} times {reference}" + (f", plus {constant}" if constant != 0 else "")
    return Evidence(statement, sign_of(multiple) > 0, detail)


def states(printed: Expr, exact: Expr) -> bool:
    """Decide whether a printed number is ``exact``: to the digits typed if it is a decimal, and otherwise exactly.

    Examples
    --------
    >>> from theory.algebra.expressions import parse
    >>> [states(parse(text, {}, decimals=True), sympy.pi) for text in ("3.14", "3.140", "314/100")]
    [True, False, False]
    """
    half_unit = half_unit_of(printed)
    if half_unit == 0:
        return sign_of(exact - printed) == 0
    return sign_of(abs(exact - value_of(printed)) - half_unit) <= 0


def require_whole_number(number: Expr, quantity: str) -> int:
    """Return ``number``, the value of ``quantity``, as an int; raise `Undecided` if it is not one or is negative.

    Examples
    --------
    >>> require_whole_number(Integer(16), "a number of wins")
    16
    """
    if not (number.is_Integer and number >= 0):
        raise Undecided(f"{quantity} is a whole number, and {number} is none.")
    return int(number)


def require_whole_numbers(numbers: Expr, quantity: str) -> tuple[int, ...]:
    """Return each of ``numbers`` as an int, as `require_whole_number` does."""
    return tuple(require_whole_number(number, quantity) for number in numbers)


def _simplify(expression: Expr) -> Expr:
    """Simplify ``expression``; a rational function to lowest terms, which are 0 only if it vanishes identically."""
    expanded = sympy.expand(expression)
    if expanded.is_rational_function():
        return sympy.factor(sympy.cancel(expanded))
    return sympy.simplify(expanded)


def _point_of_difference(expression: Expr) -> str | None:
    """Describe a trial point at which ``expression`` is proved not to be 0; return None if there is none."""
    for point, ball in _values(expression):
        if ball > 0 or ball < 0:
            return f", which{_at(point)} is {_decimal(ball)}" if point else f" = {_decimal(ball)}"
    return None


def _values(expression: Expr) -> Iterator[tuple[dict[sympy.Symbol, Expr], flint.arb]]:
    """Yield trial points within the assumptions on the symbols, each with a finite ball around the value there."""
    symbols = sorted(expression.free_symbols, key=lambda symbol: symbol.name)
    for sign, values in product((1, -1), product(_TRIAL_VALUES, repeat=min(len(symbols), 2))):
        point = {
            symbol: _within_domain(symbol, sign * value)
            for symbol, value in zip(symbols, chain(values, cycle(_OTHER_VALUES)), strict=False)
        }
        # A function without a ball has none at any other point either.
        try:
            ball = ball_of(expression, {symbol: ball_of(value) for symbol, value in point.items()})
        except NotImplementedError:
            return
        if ball.is_finite():
            yield point, ball


def _at(point: dict[sympy.Symbol, Expr]) -> str:
    return f" at {', '.join(f'{symbol} = {value}' for symbol, value in point.items())}" if point else ""


def _within_domain(symbol: sympy.Symbol, value: Expr) -> Expr:
    """Return ``value`` adapted to the symbol's assumptions: made nonnegative or an integer where they require it."""
    allowed = abs(value) if symbol.is_nonnegative else value
    return Integer(allowed.p) if symbol.is_integer else allowed


def _sign_change(poly: sympy.Poly, lower: Expr, upper: Expr) -> str | None:
    """Return, in decimals, a root of odd multiplicity in the open interval, or None if there is none."""
    # The product of the factors of odd multiplicity has exactly the roots at which the polynomial changes sign.
    odd = sympy.Poly(1, poly.gen)
    for factor, multiplicity in poly.factor_list()[1]:
        if multiplicity % 2:
            odd *= factor
    # Roots at the ends of the interval do not change the sign inside.
    for end in (lower, upper):
        if end.is_finite and odd.eval(end) == 0:
            odd = odd.quo(sympy.Poly(poly.gen - end, poly.gen))
    if odd.is_ground or not odd.count_roots(lower, upper):
        return None
    (left, right), _ = odd.intervals(eps=Rational(1, 10**6), inf=_or_none(lower), sup=_or_none(upper))[0]
    return str(sympy.N((left + right) / 2, 5))


def _or_none(end: Expr) -> Expr | None:
    return end if end.is_finite else None


def _inside(lower: Expr, upper: Expr) -> Iterator[Expr]:
    """Yield infinitely many points of the open interval, so that at least one is not a root."""
    for k in count(2):
        if lower.is_finite and upper.is_finite:
            yield lower + (upper - lower) / k
        elif lower.is_finite:
            yield lower + k
        else:
            yield upper - k if upper.is_finite else sympy.Integer(k)


def _decimal(ball: flint.arb) -> str:
    return str(ball.str(6, radius=False))


def _shorten(expression: Expr) -> str:
    text = str(expression)
    return text if len(text) <= 80 else f"{text[:77]}..."


class Undecided(Exception):
    """Raised inside a `theory.claim.Claim.decide` function when the means at hand neither prove nor refute a step."""
