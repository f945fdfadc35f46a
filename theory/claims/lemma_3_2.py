"""Lemma 3.2: the Epanechnikov kernel minimises the roughness I.

The class of the lemma consists of the densities with mean mu and variance r**2/5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy
from sympy import Expr, Integer, Rational, sqrt

from theory.algebra import decisions
from theory.algebra.decisions import Undecided
from theory.claim import Argument, Claim, Decision, Verdict
from theory.claims.symbols import MU, R
from theory.kernels import KERNELS, x

_T = sympy.Symbol("t", real=True)
SCALES = (Rational(1, 2), Integer(1), Integer(3))
"""The half-widths r at which the discretised programme is solved."""

CELLS = (20, 40, 80, 160, 320)

ACCURACY = 1e-6
"""The relative accuracy of the extrapolated minima, which lie within 1e-7 of 3/(5 r)."""

_BEST = "K*(x) = 3/(4 r) (1 - ((x - mu)/r)^2) on [mu - r, mu + r], with I(K*) = 3/(5 r)"


def optimal_density(point: Expr) -> Expr:
    """Return the quadratic 3/(4r) (1 - ((x - mu)/r)^2), which is K* on its support and negative outside."""
    return 3 / (4 * R) * (1 - ((point - MU) / R) ** 2)


def _over_support(integrand: Expr) -> Expr:
    """Return the integral of ``integrand`` over [mu - r, mu + r], by substituting x = mu + r t."""
    substituted = sympy.expand(sympy.simplify(R * integrand.subs(x, MU + R * _T)))
    return sympy.simplify(decisions.find_integral(substituted, _T, -1, 1))


def _record_constraints(density: Expr, argument: Argument) -> bool:
    """Record whether ``density`` on [mu - r, mu + r] meets the four constraints of Lemma 3.2, for symbolic mu, r."""
    standard = sympy.expand(sympy.simplify(R * density.subs(x, MU + R * _T)))
    if standard.free_symbols - {_T}:
        raise Undecided(f"{density} is not of the form g((x - mu)/r)/r.")
    sign = decisions.keeps_nonnegative(standard, _T, Integer(-1), Integer(1))
    constraints = [
        argument.step("K >= 0.", bool(sign), f"with x = mu + r t, r K = {standard}; {sign.detail}"),
    ]
    for what, integrand, value in (
        ("The integral of K is 1", Integer(1), Integer(1)),
        ("The integral of x K is mu", x, MU),
        ("The integral of (x - mu)^2 K is r^2/5", (x - MU) ** 2, R**2 / 5),
    ):
        found = _over_support(integrand * density)
        constraints.append(argument.step(f"{what}.", bool(decisions.equal(found, value)), f"it is {found}"))
    return all(constraints)


def _decide_feasible(density: Expr) -> Decision:
    argument = Argument()
    feasible = _record_constraints(density, argument)
    return argument.decision(
        Verdict.PROVED if feasible else Verdict.REFUTED,
        "exact integration for symbolic mu and r > 0",
        corrected=None if feasible else _BEST,
        charitable=None if feasible else "on this support no reading of the constraints admits it",
    )


def _decide_minimum(value: Expr) -> Decision:
    argument = Argument()
    roughness = _over_support(optimal_density(x) ** 2)
    same = decisions.equal(roughness, value)
    argument.step(
        f"I(K*) = {value}.", bool(same), f"the integral of K*^2 over [mu - r, mu + r] is {roughness}; {same.detail}"
    )
    record_certificate(argument)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "exact integration; the certificate of lemma-3.2.optimal",
        corrected=None if argument.holds else f"the minimum is I(K*) = {roughness}",
        charitable=None if argument.holds else "the class has one least value, which is attained, and this is another",
    )


def record_certificate(argument: Argument, density: Expr | None = None) -> bool:
    """Record why I(K) >= I(K*) for every K of the class, where K* is ``density``; by default the paper's.

    Let Q be the expression of K* on its support, extended to all of R. If Q is a quadratic in x - mu without a linear
    term, the moments fix the integral of Q K; if Q is negative outside the support, the integral of K*(K - K*) is that
    of (K* - Q) K, which is not negative.
    """
    candidate = optimal_density(x) if density is None else density
    a, b = sympy.symbols("K K_star", nonnegative=True)
    # Around K* the excess is a square plus a linear term; only the sign of the linear term is in question.
    identity = argument.step(
        "I(K) - I(K*) is the integral of (K - K*)^2 plus twice that of K* (K - K*).",
        bool(decisions.equal(a**2 - b**2, (a - b) ** 2 + 2 * b * (a - b))),
        "an identity between the integrands; where I(K) is infinite there is nothing to prove",
    )
    # Duality: the moment constraints give a quadratic Q the same integral against every K of the class.
    extension = sympy.Poly(sympy.expand(candidate.subs(x, MU + _T)), _T)
    constant, linear, square = (extension.coeff_monomial(_T**power) for power in (0, 1, 2))
    fixed = sympy.simplify(constant + square * R**2 / 5)
    moments = argument.step(
        "The integral of Q K is the same for every K of the class, for Q is quadratic: that of Q (K - K*) is 0.",
        linear == 0 and extension.degree() <= 2 and fixed == _over_support(candidate**2),
        f"Q = {sympy.simplify(candidate)}, "
        + (
            f"whose integral against K is {fixed} = I(K*)"
            if extension.degree() <= 2
            else f"of degree {extension.degree()}: the moments of the class do not fix its integral against K"
        ),
    )
    # Complementary slackness: K* = Q on the support of K*, and K* - Q = -Q > 0 outside it.
    beyond = sympy.Symbol("s", nonnegative=True)
    outside = sympy.expand(-R * candidate.subs(x, MU + R * (1 + beyond)))
    sign = argument.step(
        "K* - Q is 0 on the support of K* and positive outside.",
        all(coefficient >= 0 for coefficient in sympy.Poly(outside, beyond).all_coeffs()),
        f"at |x - mu| = r (1 + s), s >= 0, r (K* - Q) = -r Q = {outside}",
    )
    certified = identity and moments and sign
    return argument.step(
        "So the integral of K* (K - K*) is that of (K* - Q) K, which is >= 0, and I(K) >= I(K*).",
        certified,
        "(K* - Q)(K - K*) = (K* - Q) K, because K* vanishes wherever K* - Q does not"
        if certified
        else "the certificate is incomplete",
    )


def _decide_optimal(density: Expr) -> Decision:
    argument = Argument()
    method = "a quadratic certificate, for symbolic mu and r > 0"
    if not _record_constraints(density, argument):
        return argument.decision(
            Verdict.REFUTED, method, corrected=_BEST, charitable="a minimiser must first belong to the class"
        )
    if not record_certificate(argument, density):
        _record_better(density, argument)
        return argument.decision(
            Verdict.REFUTED, method, corrected=_BEST, charitable="it belongs to the class and is not the minimiser"
        )
    _record_rivals(argument)
    return argument.decision(Verdict.PROVED if argument.holds else Verdict.REFUTED, method)


def _record_better(density: Expr, argument: Argument) -> None:
    """Record that K* of the same class is less rough than ``density``; raise `Undecided` if it is not."""
    roughness = _over_support(density**2)
    excess = sympy.simplify(R * roughness - Rational(3, 5))
    if decisions.sign_of(excess) <= 0:
        raise Undecided(f"{density} has no quadratic certificate, nor a greater roughness than K*.")
    argument.step(
        "No density of the class is less rough than the printed one.",
        False,
        f"I(K) = {roughness}, while 3/(4r) (1 - ((x - mu)/r)^2), of the same class, has 3/(5r)",
    )


def _record_rivals(argument: Argument) -> None:
    """Record the roughness of other kernels at the variance 1/5; none may be below the Epanechnikov kernel's."""
    table = roughness_table()
    argument.step(
        "No kernel of the table has a smaller roughness at variance 1/5 (r = 1).",
        all(decisions.sign_of(value - table["epanechnikov"]) >= 0 for value in table.values()),
        ", ".join(f"{name} {sympy.N(value, 6)}" for name, value in table.items()),
    )


def roughness_table() -> dict[str, Expr]:
    """Return I(K) of every named kernel, each scaled to variance 1/5, from the smallest to the largest."""
    values = {name: kernel.roughness * sqrt(5 * kernel.variance) for name, kernel in KERNELS.items()}
    return dict(sorted(values.items(), key=lambda item: float(item[1])))


def _decide_unique(density: Expr) -> Decision:
    argument = Argument()
    feasible = _record_constraints(density, argument)
    if feasible and record_certificate(argument, density):
        # Equality in the certificate: the squared distance from K* is one of its two terms.
        argument.step(
            "If I(K) = I(K*), then the integral of (K - K*)^2 is 0, so K = K* almost everywhere.",
            argument.holds,
            "both terms of I(K) - I(K*) are >= 0, so that both are 0",
        )
    elif feasible:
        _record_better(density, argument)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "strict convexity, through the certificate's first term",
        corrected=None if argument.holds else _BEST,
        charitable=(
            "unique among functions that agree almost everywhere; the paper does not argue it"
            if argument.holds
            else "another density can only be a second minimiser if it equals K* almost everywhere"
        ),
    )


def _decide_multipliers(printed: Expr) -> Decision:
    if not isinstance(printed, sympy.Tuple) or len(printed) != 2:
        raise Undecided(f"{printed} is not a pair (A, B).")
    height, reach = sympy.symbols("A B", positive=True)
    shift, value, a, c, e = sympy.symbols("s K a c e", real=True)
    argument = Argument()
    # Minimise the Lagrangian at each x: it is convex in the value of K, and K >= 0 cuts the minimiser off at 0.
    lagrangian = value**2 + (a + e * x + c * x**2) * value
    stationary = sympy.solve(sympy.diff(lagrangian, value), value)
    argument.step(
        "At each x, K^2 + (a + e x + c x^2) K over K >= 0 is least at the positive part of -(a + e x + c x^2)/2.",
        len(stationary) == 1 and sympy.diff(lagrangian, value, 2) == 2,
        f"convex in K, stationary at {stationary[0]}: a parabola A (B^2 - (x - s)^2) where it is positive",
    )
    # The constraints determine the parabola, and with it the multipliers.
    parabola = height * (reach**2 - (x - shift) ** 2)
    moments = [
        sympy.expand(decisions.find_integral(x**power * parabola, x, shift - reach, shift + reach))
        for power in range(3)
    ]
    centred = sympy.simplify(moments[1] / moments[0])
    argument.step(
        "The multiplier e of the mean may be left out.",
        centred == shift,
        f"the parabola has mean {centred}, so that the mean 0 makes s = 0, and with it e = 0",
    )
    # Mass and variance leave two equations for the height and the reach of the parabola.
    solutions = sympy.solve(
        [moments[0].subs(shift, 0) - 1, moments[2].subs(shift, 0) - Rational(1, 5)], [height, reach]
    )
    argument.step("The constraints have one solution with A, B > 0.", len(solutions) == 1, f"(A, B) = {solutions}")
    a_value, b_value = solutions[0]
    argument.step(
        f"A = {printed[0]} and B = {printed[1]}.",
        bool(decisions.equal(printed[0], a_value)) and bool(decisions.equal(printed[1], b_value)),
        f"A = {a_value}, B = {b_value}, that is the multipliers a = -2 A B^2 = {-2 * a_value * b_value**2}, c = 2 A = "
        f"{2 * a_value}",
    )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "exact solution of the moment equations",
        corrected=None if argument.holds else f"A = {a_value}, B = {b_value}",
        charitable=(
            "the printed functional mixes the variables x and z, a misprint without consequence"
            if argument.holds
            else "no other parabola has these moments"
        ),
    )


def _decide_numeric(value: Expr) -> Decision:
    argument = Argument()
    extrapolated = {}
    for scale in SCALES:
        # On each finer grid the minimum of the discretised programme has to come nearer to its limit.
        minima = [_discrete_minimum(cells, float(scale)) for cells in CELLS]
        extrapolated[scale] = (4 * minima[-1].roughness - minima[-2].roughness) / 3
        errors = [abs(minimum.roughness - extrapolated[scale]) for minimum in minima]
        order = float(np.log2(errors[0] / errors[-2]) / (len(CELLS) - 2))
        argument.step(
            f"At r = {scale} the minima of the discretised convex programme converge as the square of a cell's width.",
            1.9 < order < 2.1 and minima[-1].distance < minima[0].distance / 50,
            f"with {', '.join(map(str, CELLS))} cells on [-2 r, 2 r] "
            + ", ".join(f"{minimum.roughness:.8f}" for minimum in minima)
            + f": observed order {order:.3f}; the solution is within {minima[-1].distance:.2g} of K*",
        )
    # The printed minimum as a function of r, against the limits.
    for scale, limit in extrapolated.items():
        printed = value.subs(R, scale)
        if not printed.is_real:
            raise Undecided(f"at r = {scale} it is {printed}, which is not a real number.")
        argument.step(
            f"At r = {scale} their limit is the printed minimum, to {ACCURACY:g} of itself.",
            bool(abs(float(printed) / limit - 1) < ACCURACY),
            f"{limit:.8f} by extrapolation (Richardson); printed {float(printed):.8f}",
        )
    return argument.decision(
        Verdict.COMPUTED if argument.holds else Verdict.REFUTED,
        "non-negative least squares on piecewise constant densities, which knows nothing of K*",
        corrected=None if argument.holds else f"the limits are those of 3/(5 r), to {ACCURACY:g}",
        charitable="numerical evidence at a few r, without a bound on the error of discretisation",
    )


@dataclass(frozen=True)
class _DiscreteMinimum:
    """The minimum of the discretised programme, and the largest distance of r K from r K* at the middles of cells."""

    roughness: float
    distance: float


def _discrete_minimum(cells: int, scale: float) -> _DiscreteMinimum:
    """Minimise I over the densities that are constant on ``cells`` cells of [-2 r, 2 r], with mean 0, variance r^2/5.

    The constraints enter a non-negative least squares problem with a weight of 1e5.
    """
    # The import takes a quarter of a second.
    from scipy.optimize import nnls

    width = 4 * scale / cells
    middles = -2 * scale + width * (np.arange(cells) + 0.5)
    # The second moment of a uniform law on a cell includes its variance, width^2/12.
    second = middles**2 + width**2 / 12
    # A large weight lets least squares meet the constraints closely, since nnls knows no equality constraints.
    constraints = 1e5 * width * np.vstack([np.ones(cells), middles, second])
    target = np.concatenate([1e5 * np.array([1, 0, scale**2 / 5]), np.zeros(cells)])
    solution, _ = nnls(np.vstack([constraints, np.sqrt(width) * np.eye(cells)]), target)
    optimum = 0.75 * np.maximum(1 - (middles / scale) ** 2, 0)
    return _DiscreteMinimum(float(width * np.sum(solution**2)), float(np.max(np.abs(scale * solution - optimum))))


_PRINTED_OPTIMUM = "3/(4*r)*(1 - ((x - mu)/r)**2)"

CLAIMS = (
    Claim(
        "lemma-3.2.feasible",
        "Lemma 3.2, Section 3",
        "K* is non-negative and has integral 1, mean mu and variance r^2/5",
        _PRINTED_OPTIMUM,
        "the kernel on [mu - r, mu + r]",
        (x, MU, R),
        Verdict.PROVED,
        _decide_feasible,
    ),
    Claim(
        "lemma-3.2.minimum",
        "Lemma 3.2, Section 3",
        "min I(K) = I(K*) = 3/(5r)",
        "3/(5*r)",
        "the least roughness at variance r^2/5",
        (R,),
        Verdict.PROVED,
        _decide_minimum,
    ),
    Claim(
        "lemma-3.2.optimal",
        "Lemma 3.2, Section 3",
        "K* minimises I among the densities with mean mu and variance r^2/5",
        _PRINTED_OPTIMUM,
        "the minimiser on [mu - r, mu + r]",
        (x, MU, R),
        Verdict.PROVED,
        _decide_optimal,
    ),
    Claim(
        "lemma-3.2.unique",
        "Lemma 3.2, Section 3",
        "K* is the only minimiser",
        _PRINTED_OPTIMUM,
        "the minimiser on [mu - r, mu + r]",
        (x, MU, R),
        Verdict.PROVED,
        _decide_unique,
    ),
    Claim(
        "lemma-3.2.multipliers",
        "Appendix A.2",
        "the multipliers give the kernel A (B^2 - x^2) with A = 3/4 and B = 1",
        "(3/4, 1)",
        "the pair (A, B)",
        (),
        Verdict.PROVED,
        _decide_multipliers,
    ),
    Claim(
        "lemma-3.2.numeric",
        "beyond the paper: an independent computation",
        "the discretised convex programme converges to K* and to 3/(5r)",
        "3/(5*r)",
        "the least roughness at variance r^2/5",
        (R,),
        Verdict.COMPUTED,
        _decide_numeric,
    ),
)
