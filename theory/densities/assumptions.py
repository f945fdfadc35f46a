"""Assumptions A2 to A4 of Theorem 3.1, decided for a density and a weight."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import sympy
from sympy import Expr, Pow, cosh, exp, oo, sqrt

from foundation.signals import ProcessorTimeExceeded, processor_time_limited
from theory.algebra.evidence import Evidence
from theory.densities.density import Density, DensityLike
from theory.densities.families import density_named, standard_form
from theory.densities.integrals import integral_of
from theory.densities.tabulated.computed import has_computed
from theory.densities.weights import Weight, weight_named
from theory.kernels import Piece, x

SECONDS = 5.0
"""Processor time for the decision of one condition."""

CONTINUOUS, POSITIVE, BOUNDED = "A2: f continuous", "A2: f positive", "A2: f bounded"

A3, A4 = "A3: sqrt(f) absolutely continuous with a bounded derivative", "A4: f'' exists and is bounded"

CONDITIONS = 5
"""Their number."""


def density_assumptions(density: DensityLike) -> tuple[Evidence, ...]:
    """Decide A2, A3 and A4 for ``density``, each with its reason.

    Source: Section 2.2.2. The decisions are symbolic: a function that is continuous on an open interval and has
    finite limits at both ends is bounded there.

    Examples
    --------
    >>> all(condition.holds for condition in density_assumptions("normal"))
    True
    >>> [condition.statement[:2] for condition in density_assumptions("uniform:-1,1") if not condition.holds]
    ['A2', 'A2', 'A3', 'A4']
    """
    density = density_named(density)
    # A mixture inherits A2 to A4 from its components, which are simpler to decide.
    known = _decide_from_components(density)
    if len(known) == CONDITIONS:
        return tuple(known.values())
    if any(has_computed(piece.density) for piece in density.pieces):
        # Few densities need it.
        from theory.densities.tabulated.examination import decide_by_values

        return tuple(known.get(one.statement, one) for one in decide_by_values(density))
    # No assumption depends on location and scale, but the points at which one fails do.
    standard = standard_form(density)
    if standard != density:
        of_standard = density_assumptions(standard)
        if not standard.knots or all(condition.holds for condition in of_standard):
            return of_standard
    continuous = known.get(CONTINUOUS) or _within_time(CONTINUOUS, lambda: _check_continuous(density))
    return (
        continuous,
        known.get(POSITIVE) or _within_time(POSITIVE, lambda: _check_positive(density)),
        known.get(BOUNDED) or _within_time(BOUNDED, lambda: _check_bounded(BOUNDED, "f", density, lambda pdf: pdf)),
        known.get(A3) or _within_time(A3, lambda: _check_smooth_root(density, continuous)),
        known.get(A4) or _within_time(A4, lambda: _check_second_derivative(density)),
    )


def _within_time(statement: str, decide: Callable[[], Evidence]) -> Evidence:
    """Decide a condition, or say that computer algebra did not within `SECONDS`."""
    try:
        with processor_time_limited(SECONDS):
            return decide()
    except ProcessorTimeExceeded:
        return Evidence(statement, False, f"computer algebra did not decide it within {SECONDS:g} seconds")
    except (NotImplementedError, ValueError, TypeError, RecursionError) as reason:
        # What sympy raises where it has no method for a formula.
        return Evidence(statement, False, f"computer algebra did not decide it ({type(reason).__name__})")


def _decide_from_components(density: Density) -> dict[str, Evidence]:
    """Decide what follows for a mixture from its components, by the statement of each condition.

    With f = sum of w f_i, f'^2 / f <= sum of w f_i'^2 / f_i (Cauchy and Schwarz), so that A3 passes to the mixture.
    """
    decided = [density_assumptions(component) for _, component in density.components]
    found = {}
    for conditions in zip(*decided, strict=True):
        statement, each = conditions[0].statement, all(condition.holds for condition in conditions)
        if each:
            by_squares = "(f')^2 / f <= the weighted sum of (f_i')^2 / f_i (Cauchy-Schwarz), and each is bounded"
            reason = by_squares if statement == A3 else "f is a weighted sum of densities, each of which meets it"
            found[statement] = Evidence(statement, True, reason)
        elif statement == POSITIVE and any(condition.holds for condition in conditions):
            found[statement] = Evidence(statement, True, "f is a weighted sum of densities, one of which meets it")
    return found


def weight_conditions(weight: str | Weight, density: DensityLike | None = None) -> tuple[Evidence, ...]:
    """Decide the conditions of Theorem 3.1 on the weight: integrable, piecewise continuous and bounded.

    ``density`` is required if ``weight`` is a name that depends on it, such as ``"inverse-density:-2,2"``.

    Examples
    --------
    >>> [condition.holds for condition in weight_conditions("window:-2,2")]
    [True, True, True]
    >>> [condition.detail for condition in weight_conditions("one") if not condition.holds]
    ['the integral of a is oo']
    """
    weight = weight_named(weight, density)
    if any(has_computed(piece.density) for piece in weight.pieces):
        from theory.densities.tabulated.examination import weight_by_values

        return weight_by_values(weight)
    unbounded = _describe_unboundedness(weight.pieces, lambda value: value)
    continuous = all(_singularities(piece, piece.density) is sympy.S.EmptySet for piece in weight.pieces)
    return (
        _check_integrable(weight, bounded=continuous and not unbounded),
        Evidence(
            "weight: piecewise continuous",
            continuous,
            f"a is {'' if continuous else 'not '}continuous between its knots {_join(weight.knots)}",
        ),
        Evidence("weight: bounded", not unbounded, unbounded or "a has finite limits at both ends of every piece"),
    )


def _check_integrable(weight: Weight, bounded: bool) -> Evidence:
    name = "weight: integrable"
    # A non-constant bounded weight on a bounded interval is integrable; its integral may have no closed form.
    if bounded and all(end.is_finite for end in weight.support) and any(p.density.has(x) for p in weight.pieces):
        return Evidence(name, True, "a is bounded, and vanishes outside a bounded interval")
    integral = integral_of(weight.pieces)
    return Evidence(name, bool(integral.is_finite), f"the integral of a is {integral}")


def _check_continuous(density: Density) -> Evidence:
    for piece in density.pieces:
        gaps = _singularities(piece, piece.density)
        if gaps is not sympy.S.EmptySet:
            return Evidence(CONTINUOUS, False, f"f is singular at {gaps}")
    jump = _describe_jump(density, lambda pdf: pdf)
    return Evidence(CONTINUOUS, not jump, f"f {jump}" if jump else "one-sided limits of f agree everywhere")


def _check_positive(density: Density) -> Evidence:
    lower, upper = density.support
    if lower.is_finite or upper.is_finite:
        return Evidence(POSITIVE, False, f"f vanishes outside [{lower}, {upper}]")
    positive = all(piece.density.is_positive for piece in density.pieces)
    return Evidence(POSITIVE, positive, f"f(x) > 0 for every real x{'' if positive else ' could not be established'}")


def _check_smooth_root(density: Density, continuous: Evidence) -> Evidence:
    if not continuous.holds:
        return Evidence(A3, False, f"sqrt(f) is not continuous: {continuous.detail}")
    return _check_bounded(A3, "(sqrt f)'", density, _derivative_of_root)


def _derivative_of_root(pdf: Expr) -> Expr:
    derivative = sympy.diff(pdf, x) / (2 * sqrt(pdf))
    return derivative if _is_analytic(derivative) else sympy.simplify(derivative)


def _check_second_derivative(density: Density) -> Evidence:
    for order, symbol in enumerate(("f", "f'", "f''")):
        jump = _describe_jump(density, _derivative(order))
        if jump:
            return Evidence(A4, False, f"{symbol} {jump}")
    return _check_bounded(A4, "f''", density, _derivative(2))


def _derivative(order: int) -> Callable[[Expr], Expr]:
    return lambda pdf: sympy.diff(pdf, x, order)


def _check_bounded(name: str, symbol: str, density: Density, function: Callable[[Expr], Expr]) -> Evidence:
    """Decide whether ``function(density)``, called ``symbol`` in the reason, is bounded."""
    violation = _describe_unboundedness(density.pieces, function)
    reason = f"{symbol} {violation or 'is continuous between knots with finite limits at their ends'}"
    return Evidence(name, not violation, reason)


def _describe_unboundedness(pieces: tuple[Piece, ...], transform: Callable[[Expr], Expr]) -> str:
    """Describe the first point near which the transformed pieces are unbounded; return "" if there is none."""
    for piece in pieces:
        # Where the sign of u is known, resolving |u| leaves a function that sympy recognises as smooth.
        function = _without_absolute_values(transform(piece.density), piece)
        poles = _singularities(piece, function)
        if poles.has(sympy.ConditionSet):
            return "is not shown to have no singular point"
        if poles is not sympy.S.EmptySet:
            return f"is singular at {poles}"
        for bound, side in ((piece.lower, "+"), (piece.upper, "-")):
            limit = _limit(function, bound, side)
            if not limit.is_finite:
                return f"tends to {limit} at {bound}"
    return ""


def _limit(function: Expr, point: Expr, side: str) -> Expr:
    """Return the one-sided limit; at once if ``function`` is a sum of polynomials times exponentials of polynomials."""
    # The general algorithm takes hundredths of a second for a limit.
    if point.is_infinite and all(_is_outgrown(term, point) for term in sympy.Add.make_args(function)):
        return sympy.Integer(0)
    return sympy.limit(function, x, point, side)


def _is_outgrown(term: Expr, point: Expr) -> bool:
    """Return whether ``term`` is a polynomial times the exponential of a polynomial that tends to -oo."""
    exponent = sympy.Integer(0)
    for factor in sympy.Mul.make_args(term):
        if isinstance(factor, exp):
            exponent += factor.args[0]
        elif not factor.is_polynomial(x):
            return False
    if not exponent.is_polynomial(x) or not exponent.has(x):
        return False
    leading = sympy.LT(exponent, x)
    return bool(leading.subs(x, 1 if point == oo else -1).is_negative)


def _without_absolute_values(function: Expr, piece: Piece) -> Expr:
    """Return ``function`` with |u| replaced by u or -u, for every linear u without a change of sign on ``piece``."""
    signs = {}
    for part in function.atoms(sympy.Abs):
        (argument,) = part.args
        if argument.is_polynomial(x) and sympy.degree(argument, x) == 1:
            (root,) = sympy.solve(argument, x)
            slope = sympy.diff(argument, x)
            if root <= piece.lower or root >= piece.upper:
                rising = (slope > 0) == bool(root <= piece.lower)
                signs[part] = argument if rising else -argument
    return function.subs(signs)


def _describe_jump(density: Density, transform: Callable[[Expr], Expr]) -> str:
    """Describe the first jump of the transformed density at a knot; return "" if there is none."""
    zero = sympy.Integer(0)
    pieces = (Piece(-oo, density.support[0], zero), *density.pieces, Piece(density.support[1], oo, zero))
    for left, right in pairwise(pieces):
        if left.upper.is_finite:
            before = sympy.limit(transform(left.density), x, left.upper, "-")
            after = sympy.limit(transform(right.density), x, right.lower, "+")
            if sympy.simplify(before - after) != 0:
                return f"jumps from {before} to {after} at {left.upper}"
    return ""


def _singularities(piece: Piece, function: Expr) -> sympy.Set:
    """Return the singular points of ``function`` inside ``piece``; its ends are examined by limits instead."""
    if _is_analytic(function):
        return sympy.S.EmptySet
    return sympy.singularities(function, x, sympy.S.Reals) & sympy.Interval.open(piece.lower, piece.upper)


def _is_analytic(function: Expr) -> bool:
    """Return whether ``function`` is analytic on the line, being composed of analytic functions and powers."""
    entire = all(isinstance(part, (exp, cosh, sympy.sinh)) for part in function.atoms(sympy.Function))
    return entire and all(
        (power.exp.is_Integer and power.exp >= 0) or power.base.is_positive for power in function.atoms(Pow)
    )


def _join(values: Iterable[Expr]) -> str:
    return ", ".join(str(value) for value in values)
