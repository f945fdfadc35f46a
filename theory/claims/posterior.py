"""Section 4: how the posterior is sampled (Algorithm 2)."""

from __future__ import annotations

import sympy
from sympy import Expr, Integer, Rational, asin, binomial, pi, sin

from theory import decisions
from theory.kernels import EPANECHNIKOV, x
from theory.ledger import Argument, Claim, Decision, Undecided, Verdict

PROBABILITY = sympy.Symbol("p", real=True)
T = sympy.Symbol("t", real=True)


def epanechnikov_distribution(point: Expr) -> Expr:
    """Return the distribution function of the Epanechnikov kernel at a point of [-1, 1]."""
    return sympy.expand(sympy.integrate(EPANECHNIKOV.pieces[0].density, (x, -1, T))).subs(T, point)


def _decide_median(density: Expr) -> Decision:
    argument = Argument()
    below = (1 + T) / 2
    median = sympy.expand(sum((binomial(3, k) * below**k * (1 - below) ** (3 - k) for k in (2, 3)), start=Integer(0)))
    argument.step(
        "The median is <= t when two or three of the uniforms are: P = 3 F^2 (1 - F) + F^3, with F = (1 + t)/2.",
        bool(decisions.equal(median, Rational(1, 2) + 3 * T / 4 - T**3 / 4)),
        f"P(median <= t) = {median}, as Appendix A.3 has it",
    )
    difference = decisions.equal(sympy.diff(median, T), density)
    argument.step(
        f"Its derivative is the density {density}.",
        bool(difference),
        f"it is {sympy.diff(median, T)}; {difference.detail}",
    )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "order statistics, exactly",
        corrected=None if argument.holds else f"the median of three has density {sympy.diff(median, T)} on [-1, 1]",
        charitable=None if argument.holds else "no other density is meant: the median of three has only this one",
    )


def _decide_inverse(quantile: Expr) -> Decision:
    argument = Argument()
    angle = sympy.Symbol("theta", real=True)
    triple = decisions.is_zero(
        sympy.expand(sympy.expand_trig(epanechnikov_distribution(2 * sin(angle)) - (1 + sin(3 * angle)) / 2))
    )
    argument.step("F(2 sin theta) = (1 + sin(3 theta))/2.", bool(triple), "the triple-angle formula")
    inverse = 2 * sin(asin(2 * PROBABILITY - 1) / 3)
    argument.step(
        "With theta = asin(2p - 1)/3, F = p; and |theta| <= pi/6 keeps 2 sin(theta) in [-1, 1], where F increases.",
        argument.holds and (2 * sin(pi / 6), inverse.subs(PROBABILITY, 0), inverse.subs(PROBABILITY, 1)) == (1, -1, 1),
        f"so F^(-1)(p) = {inverse}, from -1 at p = 0 to 1 at p = 1",
    )
    if not quantile.is_real and quantile.is_real is not None:
        raise Undecided(f"{quantile} is not real.")
    same = decisions.equal(quantile, inverse)
    argument.step(f"F^(-1)(p) = {quantile}.", bool(same), same.detail)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "the triple-angle formula, for symbolic p",
        corrected=None if argument.holds else f"F^(-1)(p) = {inverse}",
        charitable=None if argument.holds else "F increases strictly on [-1, 1], so that it has no other inverse",
    )


CLAIMS = (
    Claim(
        "algorithm-2.median",
        "Algorithm 2 and Appendix A.3",
        "the median of three independent uniforms on [-1, 1] has density 3/4 (1 - t^2)",
        "3/4*(1 - t**2)",
        "the density of the median on [-1, 1]",
        (T,),
        Verdict.PROVED,
        _decide_median,
    ),
    Claim(
        "algorithm-2.inverse",
        "beyond the paper: the inverse to go with Algorithm 2",
        "the quantile function of the Epanechnikov kernel is F^(-1)(p) = 2 sin(asin(2p - 1)/3)",
        "2*sin(asin(2*p - 1)/3)",
        "the quantile function",
        (PROBABILITY,),
        Verdict.PROVED,
        _decide_inverse,
    ),
)
