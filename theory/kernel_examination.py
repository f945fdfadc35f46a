"""The conditions of assumption A1 for a kernel of the user's own, examined by rigorous enclosures.

Nothing is taken for granted: bounds on K and K' are computed, also next to singular points and towards infinity.
"""

from __future__ import annotations

import dataclasses
import heapq
import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import count, pairwise
from typing import TYPE_CHECKING

import sympy
from flint import acb, arb
from sympy import Expr

from foundation.errors import InputError
from theory.algebra import decisions, expressions
from theory.algebra.balls import analytic_function, ball_of
from theory.algebra.evidence import Evidence
from theory.algebra.growth import Growth, SingularEnd, Term
from theory.algebra.smooth_parts import sample, x
from theory.algebra.suprema import Supremum, enclose_supremum, growth_at, is_bounded_at
from theory.algebra.verified_integrals import agrees, is_exact, simplified

if TYPE_CHECKING:
    from theory.kernels import Kernel, Piece

_UNIT_ERROR, _CLOSED_FORM_ERROR = 1e-12, 1e-8

_SEARCHED_CELLS = 1000

_JUMPS = (sympy.sign, sympy.Heaviside, sympy.Piecewise)
"""Functions that may jump where they are not cut into their formulas."""


def examine_a1(kernel: Kernel) -> tuple[Evidence, ...]:
    """Decide the conditions of assumption A1 for a kernel without symbols, each with its reason."""
    bounded = _examine_bounded(kernel)
    return (
        bounded,
        integrates_to_one(kernel),
        _examine_symmetric(kernel),
        _examine_finite("A1: finite second moment", "the integral of x^2 K", kernel.second_moment),
        _examine_finite("A1: square integrable", "the integral of K^2", kernel.roughness),
        _examine_absolutely_continuous(kernel, bounded),
        _examine_tail_integral(kernel),
    )


def integrates_to_one(kernel: Kernel) -> Evidence:
    """Decide whether the integral of the density is 1: exactly, or as far as an enclosure tells."""
    name, total = "A1: integral 1", kernel.total
    if total.is_infinite or (is_exact(total) and not agrees(total, arb(1, _UNIT_ERROR))):
        return Evidence(name, False, f"the integral of K is {total}")
    if is_exact(total) and sympy.simplify(total - 1) == 0:
        return Evidence(name, True, "the integral of K is 1")
    close = abs(float(total) - 1) <= _UNIT_ERROR
    return Evidence(name, close, f"the integral of K is {total}, by enclosure")


def require_density(kernel: Kernel, name: str) -> None:
    """Raise an `InputError`, which calls it ``name``, unless a density integrates to 1 and has a finite variance."""
    total = kernel.total
    if not integrates_to_one(kernel):
        found = f"{total}" if is_exact(total) else f"{total} (no closed form)"
        hint = f" Divide it by {_as_typed(total)}." if total.is_finite and total != 0 else ""
        raise InputError(f"a kernel must integrate to 1, got {found} for {name}.{hint}")
    if not kernel.second_moment.is_finite:
        raise InputError(
            f"a kernel must have a finite variance, got {kernel.second_moment} as the integral of x^2 K for {name}."
        )


def _as_typed(value: Expr) -> str:
    """Return a number as the grammar of densities reads it."""
    text = str(value)
    try:
        expressions.parse(text, {})
    except InputError:
        return str(sympy.N(value, 17))
    return text


def require_valid(kernel: Kernel) -> None:
    """Raise an `InputError` unless a user's kernel is a density and its closed forms are its constants."""
    name = f"the kernel {kernel.name}"
    require_consecutive(kernel.pieces, name)
    require_nonnegative(kernel, name)
    total = integrates_to_one(kernel)
    if not total:
        raise InputError(f"{name} must integrate to 1, but {total.detail}.")
    computed = dataclasses.replace(kernel, closed_forms={})
    for constant, value in kernel.closed_forms.items():
        expected = getattr(computed, constant)
        if abs(float(value) - float(expected)) > _CLOSED_FORM_ERROR * max(1.0, abs(float(expected))):
            what = constant.replace("_", " ")
            raise InputError(f"the closed form of the {what} of {name} must be {expected}, got {value}. Correct it.")


def require_consecutive(pieces: tuple[Piece, ...], name: str) -> None:
    """Raise an `InputError`, which calls the function ``name``, if its pieces do not follow each other."""
    for left, right in pairwise(pieces):
        if left.upper != right.lower:
            raise InputError(
                f"the pieces of {name} must follow each other, got one up to {left.upper} and one from {right.lower}. "
                "Add a piece of density 0 between them."
            )


class NotAssessable(InputError):
    """A formula holds a function that has no enclosure."""


def require_nonnegative(kernel: Kernel, name: str, kind: str = "a kernel") -> None:
    """Raise an `InputError` if the density is negative, or not real, somewhere; the message calls it ``name``.

    A polynomial with rational coefficients is decided exactly; any other density is searched for values that are
    proved to be negative.
    """
    for piece in kernel.smooth_pieces:
        try:
            answer = decisions.keeps_nonnegative(piece.density, x, piece.lower, piece.upper)
        except decisions.Undecided:
            _search_negative(piece, name, kind)
            continue
        if not answer:
            raise InputError(f"{kind} must be nonnegative, but {name} is negative somewhere: {answer.detail}.")


def _search_negative(piece: Piece, name: str, kind: str) -> None:
    """Raise an `InputError` if a negative value is found, on a grid and where the enclosures are least."""
    order = count()
    try:
        points = sample(piece.lower, piece.upper, 127)
        for point in points:
            _require_nonnegative_at(piece.density, point, name, kind)
        cells = [
            (_least(piece.density, left.union(right)), next(order), left, right) for left, right in pairwise(points)
        ]
        heapq.heapify(cells)
        for _ in range(_SEARCHED_CELLS):
            least, _, left, right = heapq.heappop(cells)
            if least >= 0:
                return
            middle = ((left + right) / 2).mid()
            _require_nonnegative_at(piece.density, middle, name, kind)
            for one, other in ((left, middle), (middle, right)):
                heapq.heappush(cells, (_least(piece.density, one.union(other)), next(order), one, other))
    except NotImplementedError as reason:
        raise NotAssessable(f"cannot assess {name}: {reason}. Try elementary functions.") from None


def _require_nonnegative_at(density: Expr, point: arb, name: str, kind: str) -> None:
    value = acb(ball_of(density, {x: acb(point)}))
    where = f"at x = {point.str(4, radius=False)}"
    if value.is_finite() and not value.imag.contains(0):
        raise InputError(f"{kind} must be real, but {name} is not real {where}.")
    if value.real < 0:
        raise InputError(f"{kind} must be nonnegative, but {name} is negative {where}.")


def _least(density: Expr, interval: arb) -> float:
    value = acb(ball_of(density, {x: interval})).real
    return float(value.lower()) if value.is_finite() else -math.inf


def _examine_bounded(kernel: Kernel) -> Evidence:
    name = "A1: bounded"
    found = _supremum(kernel, 0)
    if found.point is None:
        return Evidence(name, True, f"K is at most {_rounded_up(found.bound)}")
    if found.is_unbounded:
        return Evidence(name, False, f"K is unbounded near {found.point}")
    return Evidence(name, False, f"K is not shown to be bounded near {found.point}")


def _supremum(kernel: Kernel, order: int) -> Supremum:
    """Bound a derivative of K, on all pieces."""
    found = Supremum(0.0)
    for piece in kernel.smooth_pieces:
        try:
            one = enclose_supremum(sympy.diff(piece.density, x, order), x, piece.lower, piece.upper)
        except NotImplementedError:
            one = Supremum(float("inf"), piece.lower)
        if one.point is not None:
            return one
        found = max(found, one, key=lambda supremum: supremum.bound)
    return found


def _examine_symmetric(kernel: Kernel) -> Evidence:
    name = "A1: symmetric about 0"
    lower, upper = kernel.support
    difference = simplified(kernel.pieces[0].density - kernel.pieces[-1].density.subs(x, -x))
    reason = f"K(x) - K(-x) = {difference} is not 0"
    if sympy.simplify(lower + upper) not in (0, sympy.nan):
        return Evidence(name, False, reason if difference != 0 else f"the support [{lower}, {upper}] is not symmetric")
    point = _asymmetric_point(kernel)
    if point is not None:
        return Evidence(name, False, reason if difference != 0 else f"K({point}) is not K(-{point})")
    if all(_is_mirrored(pieces) for pieces in (kernel.pieces, kernel.smooth_pieces)[::-1]) or difference == 0:
        return Evidence(name, True, "K(-x) = K(x) identically")
    return Evidence(name, False, f"K(x) - K(-x) = {difference} is not shown to be 0")


def _is_mirrored(pieces: tuple[Piece, ...]) -> bool:
    return all(
        sympy.simplify(piece.lower + mirror.upper) in (0, sympy.nan)
        and simplified(piece.density - mirror.density.subs(x, -x)) == 0
        for piece, mirror in zip(pieces, reversed(pieces), strict=True)
    )


def _asymmetric_point(kernel: Kernel) -> str | None:
    """Return a point at which K(x) and K(-x) are proved to differ, or None."""
    upper = kernel.support[1]
    for point in sample(sympy.Integer(0), upper, 64):
        here, there = _value_at(kernel, point), _value_at(kernel, -point)
        if here is not None and there is not None and not (here - there).contains(0):
            return str(point.str(4, radius=False))
    return None


def _value_at(kernel: Kernel, point: arb) -> arb | None:
    for piece in kernel.pieces:
        above = piece.lower.is_infinite or point > ball_of(piece.lower)
        below = piece.upper.is_infinite or point < ball_of(piece.upper)
        if above and below:
            try:
                return ball_of(piece.density, {x: point}).real
            except NotImplementedError:
                return None
    return None


def _examine_finite(name: str, quantity: str, value: Expr) -> Evidence:
    if is_exact(value):
        return Evidence(name, bool(value.is_finite), f"{quantity} is {value}")
    return Evidence(name, True, f"{quantity} is {value}, by enclosure")


def _examine_absolutely_continuous(kernel: Kernel, bounded: Evidence) -> Evidence:
    name = "A1: absolutely continuous on its support"
    if not bounded:
        return Evidence(name, False, bounded.detail)
    for piece in kernel.smooth_pieces:
        if piece.density.has(*_JUMPS):
            ends = dict.fromkeys(str(sympy.N(end, 6)) for end in (piece.lower, piece.upper))
            where = f"{'between' if len(ends) > 1 else 'near'} {' and '.join(ends)}"
            return Evidence(name, False, f"K is not shown to be continuous {where}")
    for left, right in pairwise(kernel.smooth_pieces):
        gap = _gap(_value_at_end(left, left.upper, -1), _value_at_end(right, right.lower, 1))
        if gap:
            return Evidence(name, False, f"K {gap} at {left.upper}")
    whole_line = not kernel.has_compact_support
    if whole_line:
        for piece, end, into in ((kernel.smooth_pieces[0], 0, 1), (kernel.smooth_pieces[-1], 1, -1)):
            point = kernel.support[end]
            gap = _gap(_value_at_end(piece, point, into), sympy.Integer(0)) if point.is_finite else ""
            if gap:
                return Evidence(name, False, f"K {gap} at {point}, and case (b) is about the whole line")
    return _examine_derivative(kernel, name, (1, 2) if whole_line else (1,))


def _examine_derivative(kernel: Kernel, name: str, powers: tuple[int, ...]) -> Evidence:
    """Decide whether K' is integrable, and its square as well in case (b)."""
    case = "case (b)" if len(powers) > 1 else "case (a)"
    integrable = "|K'| and K'^2 are" if len(powers) > 1 else "|K'| is"
    singular: list[Expr] = []
    for piece, end in _singular_ends(kernel):
        derivative = sympy.diff(piece.density, x)
        for power in powers:
            outcome = _is_integrable(derivative, end, power)
            if outcome is not True:
                what = "K'" if power == 1 else "K'^2"
                how = "is not" if outcome is False else "is not shown to be"
                return Evidence(name, False, f"{what} {how} integrable near {end.point}")
        if end.point.is_finite:
            singular.append(end.point)
    if singular:
        points = ", ".join(map(str, dict.fromkeys(singular)))
        return Evidence(name, True, f"continuous; K' is not bounded near {points}, but {integrable} integrable: {case}")
    found = _supremum(kernel, 1)
    if found.point is not None:
        return Evidence(name, False, f"K' is not shown to be bounded near {found.point}")
    reason = f"continuous, with |K'| at most {_rounded_up(found.bound)} on each closed piece"
    return Evidence(name, True, f"{reason}{f', and {integrable} integrable' if len(powers) > 1 else ''}: {case}")


def _singular_ends(kernel: Kernel) -> Iterator[tuple[Piece, SingularEnd]]:
    """Yield the pieces with the ends that are infinite, or next to which K' has no finite ball."""
    for piece in kernel.smooth_pieces:
        try:
            function = analytic_function(sympy.diff(piece.density, x), x, {})
        except NotImplementedError:
            continue
        for point, into in ((piece.lower, 1), (piece.upper, -1)):
            if not is_bounded_at(function, point, into):
                yield piece, SingularEnd(point, into)


def _is_integrable(function: Expr, end: SingularEnd, power: int) -> bool | None:
    """Decide whether a power of ``function`` is integrable near an end; None if it is not established."""
    weight = Fraction(0 if end.point.is_infinite else -2)
    for reach, bounds in growth_at(function**power, x, end):
        if _tail(bounds, weight, reach).is_finite():
            return True
        if bounds.sign and bounds.lower is not None and (bounds.lower * Term(arb(0), weight)).diverges():
            return False
    return None


def _tail(bounds: Growth, power: Fraction, reach: arb) -> arb:
    """Bound the integral of a function times a power of t beyond a t."""
    return sum(((term * Term(arb(0), power)).integral(reach) for term in bounds.upper), start=arb(0))


def _value_at_end(piece: Piece, point: Expr, into: int) -> Expr:
    if is_bounded_at(analytic_function(piece.density, x, {}), point, into):
        return piece.density.subs(x, point)
    return sympy.limit(piece.density, x, point, "+" if into > 0 else "-")


def _gap(left: Expr, right: Expr) -> str:
    """Describe the jump between two values; return "" if there is none."""
    jump = simplified(left - right)
    if jump == 0 or (jump.is_number and agrees(jump, arb(0, "1e-25"))):
        return ""
    return f"jumps by {jump}"


def _examine_tail_integral(kernel: Kernel) -> Evidence:
    """Decide the last integral of A1, over x >= 3, where (log log x)^(1/2) <= x^(1/8), and >= 1 for x >= e^e."""
    name = "A1: tail integral"
    if kernel.has_compact_support:
        return Evidence(name, True, "K vanishes outside a bounded interval")
    for piece, point, into in (
        (kernel.smooth_pieces[0], kernel.support[0], 1),
        (kernel.smooth_pieces[-1], kernel.support[1], -1),
    ):
        if point.is_finite:
            continue
        for function in (piece.density, sympy.diff(piece.density, x)):
            outcome = _tail_converges(function, SingularEnd(point, into))
            if outcome is not True:
                how = "diverges" if outcome is False else "is not established to converge"
                return Evidence(name, False, f"the integral {how} at {point}")
    return Evidence(name, True, "the integral of x^(13/8) (|K| + |K'|), which is larger, converges")


def _tail_converges(function: Expr, end: SingularEnd) -> bool | None:
    for reach, bounds in growth_at(function, x, end):
        if _tail(bounds, Fraction(13, 8), reach).is_finite():
            return True
        if bounds.lower is not None and (bounds.lower * Term(arb(0), Fraction(3, 2))).diverges():
            return False
    return None


def _rounded_up(bound: float) -> str:
    """Format a bound with four digits, not below its value but for rounding."""
    near = float(f"{bound:.4g}")
    if near < bound * (1 - 1e-12):
        near += 10.0 ** (math.floor(math.log10(bound)) - 3)
    return f"{near:.4g}"
