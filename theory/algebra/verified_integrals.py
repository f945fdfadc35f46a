"""Definite integrals in closed form, each compared with a rigorous enclosure before it is believed.

sympy's integrals are sometimes wrong or complex, or not found. A closed form that does not agree with the enclosure is
dropped, and the integral is then known as a number.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar

import flint
import sympy
from flint import arb
from sympy import Expr, Symbol, oo

from foundation.errors import InputError
from foundation.signals import ProcessorTimeExceeded, processor_time_limited
from theory.algebra.balls import ball_of
from theory.algebra.decisions import SYMPY_FAILURES
from theory.algebra.enclosed_integrals import NotEnclosed, enclose_parts
from theory.algebra.smooth_parts import SWITCHES, Part

SECONDS = 2.0
"""The processor time for the search for one closed form, where it is limited."""

MOST_DIGITS, FEWEST_DIGITS = 17, 6

_seconds: ContextVar[float | None] = ContextVar("seconds", default=None)


@contextlib.contextmanager
def closed_forms_within(seconds: float = SECONDS) -> Iterator[None]:
    """Give up the search for each closed form in the block after so many seconds of processor time."""
    token = _seconds.set(seconds)
    try:
        yield
    finally:
        _seconds.reset(token)


def verified_integral(
    parts: Sequence[Part],
    variable: Symbol,
    closed: Callable[[Part], Expr] | None = None,
) -> Expr:
    """Return the integral of a piecewise function: in closed form, as a number of type `sympy.Float`, or infinite.

    Parameters
    ----------
    parts : sequence of Part
        The integrand on consecutive intervals, cut by `smooth_parts`.
    variable : Symbol
    closed : function of a Part, optional
        The closed form of the integral over a part; by default sympy's.

    Raises
    ------
    InputError
        If neither a closed form nor an enclosure is found. A function with other symbols has no enclosure; for it the
        closed form is returned as it is.

    Examples
    --------
    >>> x = Symbol("x", real=True)
    >>> verified_integral([Part(sympy.Integer(0), oo, x * sympy.exp(-x))], x)
    1
    >>> verified_integral([Part(sympy.Integer(0), sympy.Integer(1), sympy.exp(sympy.sin(x)))], x)
    1.6318696084180513
    """
    integrate = closed or (lambda part: sympy.integrate(part.expression, (variable, part.lower, part.upper)))
    if any(_is_symbolic(part, variable) for part in parts):
        return sympy.simplify(sum((integrate(part) for part in parts), start=sympy.Integer(0)))
    enclosure = _enclosed(parts, variable)
    if not enclosure.is_finite():
        return oo if enclosure > 0 else -oo
    return confirmed(lambda: _sum_of_parts(parts, variable, integrate), enclosure)


def confirmed(closed: Callable[[], Expr | None], enclosure: arb) -> Expr:
    """Return the closed form if it is found in time and agrees with the enclosure, otherwise the enclosure's number."""
    try:
        with _limited():
            value = closed()
    except (ProcessorTimeExceeded, *SYMPY_FAILURES):
        value = None
    return value if value is not None and agrees(value, enclosure) else number_in(enclosure)


def simplified(value: Expr) -> Expr:
    """Return ``value`` simplified, or as it is where that takes more than `SECONDS` of processor time."""
    try:
        with processor_time_limited(_seconds.get() or SECONDS):
            return sympy.simplify(value)
    except ProcessorTimeExceeded:
        return value


def agrees(value: Expr, enclosure: arb) -> bool:
    """Return whether a number in closed form is real and may lie in ``enclosure``.

    Examples
    --------
    >>> agrees(sympy.sqrt(2), arb("1.4142135623730950488", "1e-15")), agrees(sympy.pi, arb(3))
    (True, False)
    """
    if not value.is_number or value.has(sympy.nan, sympy.zoo, oo, -oo, sympy.Integral, sympy.Limit):
        return False
    ball = _ball(value)
    return ball is not None and bool(ball.overlaps(enclosure))


def number_in(enclosure: arb) -> Expr:
    """Return the midpoint of an enclosure, with the digits that it determines.

    Examples
    --------
    >>> number_in(arb("0.333333333", "1e-8"))
    0.3333333
    """
    if enclosure.contains(0):
        return sympy.Float(0)
    digits = int(enclosure.rel_accuracy_bits() * 0.301)
    digits = max(FEWEST_DIGITS, min(MOST_DIGITS, digits))
    return sympy.Float(enclosure.mid().str(digits + 3, radius=False), digits)


def is_exact(value: Expr) -> bool:
    """Return whether ``value`` is a closed form, not a number known up to rounding."""
    return not value.has(sympy.Float)


def _enclosed(parts: Sequence[Part], variable: Symbol) -> arb:
    try:
        return enclose_parts(parts, variable)
    except NotEnclosed as reason:
        raise InputError(f"{reason}. Try elementary functions, or a bounded support.") from None


def _sum_of_parts(parts: Sequence[Part], variable: Symbol, integrate: Callable[[Part], Expr]) -> Expr | None:
    """Return the sum of the closed forms of all parts, or None if that of one part is not found."""
    if any(part.expression.has(*SWITCHES) for part in parts):
        return None
    total: Expr = sympy.Integer(0)
    known: dict[tuple[Expr, Expr], Expr] = {}
    for part in parts:
        value = _closed_form(part, variable, integrate, known)
        if value is None:
            return None
        total += value
    simplified = sympy.simplify(total)
    # Simplification may combine logarithms into one of a huge number.
    return simplified if len(str(simplified)) <= len(str(total)) else total


def _closed_form(
    part: Part, variable: Symbol, integrate: Callable[[Part], Expr], known: dict[tuple[Expr, Expr], Expr]
) -> Expr | None:
    if part.expression == 0:
        return sympy.Integer(0)
    # Parts of a periodic function differ by a translation only.
    moved = _translated(part, variable, part.lower) if part.lower.is_finite else part
    key = (moved.expression, moved.upper - moved.lower)
    if key not in known:
        enclosure = _enclosed([part], variable)
        for candidate in _candidates(part, variable, integrate):
            if agrees(candidate, enclosure):
                known[key] = candidate
                break
        else:
            return None
    return known[key]


def _candidates(part: Part, variable: Symbol, integrate: Callable[[Part], Expr]) -> Iterator[Expr]:
    """Yield what sympy gives for the integral over a part, and over the same part moved to the origin."""
    centred = part.lower + part.upper
    for origin in (sympy.Integer(0), centred / 2, part.lower):
        if origin.is_finite and (origin != 0 or origin is sympy.Integer(0)):
            with contextlib.suppress(*SYMPY_FAILURES):
                value = integrate(_translated(part, variable, origin))
                yield value
                # Logarithms of negative numbers may leave a multiple of i behind, and nothing else.
                if value.has(sympy.I):
                    yield sympy.re(sympy.expand_complex(value))


def _translated(part: Part, variable: Symbol, origin: Expr) -> Part:
    if origin == 0:
        return part
    expression = part.expression.subs(variable, variable + origin)
    expression = expression.replace(lambda e: e.is_Add, lambda e: sympy.expand(e))
    return Part(part.lower - origin, part.upper - origin, expression)


def _is_symbolic(part: Part, variable: Symbol) -> bool:
    return bool((part.expression.free_symbols | part.lower.free_symbols | part.upper.free_symbols) - {variable})


def _ball(value: Expr) -> arb | None:
    """Return a ball around a closed form; by evaluation to many digits where it has functions without balls."""
    with flint.ctx.workprec(192):
        try:
            ball = ball_of(value, bits=192)
        except NotImplementedError:
            near = value.evalf(30, maxn=400)
            if not (near.is_Float or near.is_Integer):
                return None
            return arb(str(near), str(abs(near) * sympy.Float("1e-20") + sympy.Float("1e-25")))
        if isinstance(ball, arb):
            return ball if ball.is_finite() else None
        return ball.real if ball.is_finite() and abs(ball.imag).upper() < 1e-30 else None


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    seconds = _seconds.get()
    with processor_time_limited(seconds) if seconds is not None else contextlib.nullcontext():
        yield
