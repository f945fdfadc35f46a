"""Beyond the paper: importance weights, likelihood estimates and gradients with posteriors of bounded support."""

from __future__ import annotations

import sympy
from sympy import Expr, Integer, erf, exp, log, oo, pi, sqrt

from theory.algebra import decisions
from theory.algebra.balls import ball_of
from theory.claim import Argument, Claim, Decision, Verdict
from theory.claims.posterior import REGIMES
from theory.claims.symbols import R
from theory.kernels import EPANECHNIKOV, UNIFORM, x
from theory.posterior import posterior_law

LOG_EVIDENCE = sympy.Symbol("log_evidence", real=True)
"""The logarithm of p(x)."""
INSIDE = sympy.Symbol("inside", positive=True)
"""The probability of the proposal's support under p(z|x)."""
NOISE = sympy.Symbol("u", real=True)
"""The noise u of a code z = mu + r u."""

_T, _C, _P, _Y = sympy.symbols("t c p y", positive=True)
_K = sympy.Symbol("k", positive=True)
_W = sympy.Symbol("w", positive=True)


# --- importance weights ----------------------------------------------------------------------------------------------


def _decide_importance_weights(printed: Expr) -> Decision:
    direct, summed = printed
    argument = Argument()
    # Only the power with which a density vanishes at the ends of its support matters.
    powers = {
        "uniform": _edge_power(UNIFORM.pieces[0].density, Integer(-1)),
        "direct": _edge_power(EPANECHNIKOV.pieces[0].density, Integer(-1)),
    }
    edges = {_edge_power(posterior_law(s, width).pieces[0].density, -s - width) for _, s, width in REGIMES}
    argument.step(
        "At a distance t from the end of its support q is of order t for mu + r K and t^2 for Algorithm 1's posterior.",
        powers == {"uniform": 0, "direct": 1} and edges == {2},
        "1 - (1 - t)^2 = 2 t - t^2, and t^2 (3 - t)/(8 B) in units of b r; a uniform density has no zero there",
    )
    # w = p/q with p > 0 continuous: w > y means t < (p/(c y))^(1/k), a set of probability c t^(k + 1)/(k + 1).
    probability = (_C * _T ** (_K + 1) / (_K + 1)).subs(_T, (_P / (_C * _Y)) ** (1 / _K))
    index = sympy.simplify(-_Y * sympy.diff(log(probability), _Y))
    argument.step(
        "If q ~ c t^k, k > 0, the weights w = p/q have P(w > y) of order y^(-(k + 1)/k).",
        bool(decisions.equal(index, (_K + 1) / _K)),
        "p(x, z) is continuous and positive at the end: w > y for t < (p/(c y))^(1/k), which has the probability "
        "c t^(k + 1)/(k + 1)",
    )
    for name, claimed, power in (("mu + r K", direct, 1), ("Algorithm 1's posterior", summed, 2)):
        same = decisions.equal(claimed, index.subs(_K, power))
        argument.step(
            f"For {name} the tail index is {claimed}.",
            bool(same),
            f"k = {power}: Pareto's shape, the reciprocal, is {1 / index.subs(_K, power)}; {same.detail}",
        )
    # The second moment of the weights is the integral of p^2/q.
    diverges = [decisions.find_integral(_T**-power, _T, 0, 1) for power in (1, 2)]
    argument.step(
        "So E w^2, the integral of p^2/q, is infinite for both, while E w is at most p(x).",
        diverges == [oo, oo],
        "1/t and 1/t^2 have no finite integral from 0; under a uniform proposal w is at most 2 r max p",
    )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "the density at the ends of the support",
        corrected=None if argument.holds else "tail indices 2 and 3/2, with Pareto's k = 1/2 and 2/3",
        charitable=None if argument.holds else "Pareto's k is the reciprocal of the tail index",
    )


def _edge_power(density: Expr, end: Expr) -> int:
    """Return the lowest power of t in a polynomial density at a distance t from the lower end of its support."""
    return int(min(power for (power,) in sympy.Poly(sympy.expand(density.subs(x, end + _T)), _T).monoms()))


# --- the likelihood --------------------------------------------------------------------------------------------------


def _decide_compact_likelihood(printed: Expr) -> Decision:
    limit, inside = printed
    argument = Argument()
    same = decisions.equal(limit, LOG_EVIDENCE + log(INSIDE))
    argument.step(
        f"The logarithm of the mean of K weights p(x, z)/q(z), z from q, tends to {limit}.",
        bool(same),
        "E w is the integral of p(x, z) over S, the support of q, that is p(x) P(z in S|x), finite: the strong law; "
        f"{same.detail}",
    )
    # With mass outside of S, P(z in S|x) is 1/(1 + e) for some e > 0.
    loss = sympy.expand_log(log(INSIDE).subs(INSIDE, 1 / (1 + _T)), force=True)
    argument.step(
        "It is below log p(x) whenever p(z|x) has mass outside of S, and no K mends it.",
        bool(loss.is_negative),
        f"with P(z in S|x) = 1/(1 + e), log P = {loss.subs(_T, sympy.Symbol('e'))}; for each K the mean of the "
        "logarithm is below this limit by Jensen's inequality, so that it stays a lower bound",
    )
    # A normal p(z|x) and a posterior mu + r K of equal mean and variance v: r = sqrt(5 v).
    reach = 1 / sqrt(EPANECHNIKOV.variance)
    mass = erf(reach / sqrt(2))
    slope = decisions.is_zero(sympy.diff(erf(x / sqrt(2)), x) - 2 * exp(-(x**2) / 2) / sqrt(2 * pi))
    same = decisions.equal(inside, mass)
    argument.step(
        f"An Epanechnikov proposal with the variance of a normal p(z|x) covers {inside} of it in each dimension.",
        bool(same) and bool(slope),
        f"its half-width is {reach} standard deviations, and erf(t/sqrt(2)) lie within t of these; {same.detail}",
    )
    lost = -ball_of(log(mass))
    argument.step(
        "The estimate of log p(x) then lacks a fixed amount in each dimension, for any number of draws.",
        bool(lost > 0),
        f"{(100 * (1 - ball_of(mass))).str(3, radius=False)} % lie outside: {lost.str(4, radius=False)} nats a "
        f"dimension, {(64 * lost).str(4, radius=False)} at d_z = 64",
    )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "the strong law of large numbers; exact integration",
        corrected=None if argument.holds else "the limit is log p(x) + log P(z in S|x), here with P = erf(sqrt(5/2))",
        charitable=None if argument.holds else "a proposal whose support holds that of p(z|x) has the limit log p(x)",
    )


# --- gradients -------------------------------------------------------------------------------------------------------


def _decide_score_free_gradients(printed: Expr) -> Decision:
    uniform, epanechnikov, information = printed
    argument = Argument()
    # At fixed z, log q(z) = log f(u) - log r with u = (z - mu)/r, so that its derivative in r is -(1 + u f'/f)/r.
    means = {}
    for name, claimed, kernel in (("uniform", uniform, UNIFORM), ("Epanechnikov", epanechnikov, EPANECHNIKOV)):
        means[name] = -(1 + decisions.find_integral(x * sympy.diff(kernel.pieces[0].density, x), x, -1, 1)) / R
        same = decisions.equal(claimed, means[name])
        argument.step(
            f"For the {name} posterior E of the derivative of log q(z) in r, at fixed z, is {claimed}.",
            bool(same),
            f"it is -(1 + integral of u f'(u))/r for the density f of u = (z - mu)/r; {same.detail}",
        )
    argument.step(
        "Sticking the landing and doubly reparametrised gradients leave this out as 0: biased for the uniform one.",
        bool(means["uniform"].is_negative) and means["Epanechnikov"] == 0,
        "the entropy log 2 r has the derivative 1/r, all of it from the support, which they do not see; the "
        "Epanechnikov density is 0 at the ends of its support, so that nothing is lost there",
    )
    # What they keep is the derivative of log q in z, whose second moment is the Fisher information of location.
    density = EPANECHNIKOV.pieces[0].density.subs(x, NOISE)
    same = decisions.equal(information, sympy.diff(density, NOISE) ** 2 / density / R**2)
    argument.step(
        f"For the Epanechnikov posterior E (d log q/dz)^2 is the integral of {information} over u from -1 to 1.",
        bool(same),
        f"f'^2/f, over r^2; {same.detail}",
    )
    residue = decisions.find_limit(information * (1 - NOISE), NOISE, 1, "-")
    argument.step(
        "That integral is infinite: the gradients are unbiased, with an infinite variance.",
        bool(residue.is_positive),
        f"near u = 1 the integrand is {residue}/(1 - u), whose integral grows as a logarithm",
    )
    # Algorithm 1's density vanishes as a square at the ends of its support.
    edge = _W**2 * (3 - _W)
    finite = sympy.cancel(sympy.diff(edge, _W) ** 2 / edge)
    argument.step(
        "For Algorithm 1's posterior it is finite.",
        bool(decisions.equal(finite, 9 * (2 - _W) ** 2 / (3 - _W))),
        f"q = w^2 (3 - w)/(8 B) at a distance of b r w from an end, and q'^2/q is {finite} up to a factor: 12 at w = 0",
    )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "exact integration",
        corrected=None if argument.holds else "E is -1/r and 0, and the integrand is 3 u^2/(1 - u^2)/r^2",
        charitable=None if argument.holds else "with the derivative of log q(z) taken along z = mu + r u both are -1/r",
    )


CLAIMS = (
    Claim(
        "beyond.importance-weights",
        "beyond the paper: EVAE's posteriors as proposals, as in an importance weighted autoencoder",
        "importance weights have an infinite variance: their tail index is 2 for the Epanechnikov posterior and 3/2 "
        "for Algorithm 1's; for a uniform posterior they are bounded",
        "(2, 3/2)",
        "the tail index of p/q for mu + r K, and for b(mu + r K) + U",
        (),
        Verdict.PROVED,
        _decide_importance_weights,
    ),
    Claim(
        "beyond.compact-likelihood",
        "beyond the paper: the likelihood of test data, estimated with a proposal of bounded support",
        "an importance sampled estimate with support S tends to log p(x) + log P(z in S|x), never to log p(x)",
        "(log_evidence + log(inside), erf(sqrt(5/2)))",
        "the limit, and P(z in S|x) in one dimension for an Epanechnikov proposal of equal variance to a normal p(z|x)",
        (LOG_EVIDENCE, INSIDE),
        Verdict.PROVED,
        _decide_compact_likelihood,
    ),
    Claim(
        "beyond.score-free-gradients",
        "beyond the paper: gradients without the score, as in importance weighted autoencoders",
        "gradients that leave out the score are biased for a uniform posterior, and have infinite variance for the "
        "Epanechnikov one",
        "(-1/r, 0, 3*u**2/(1 - u**2)/r**2)",
        "the mean of the score in r for the uniform and for the Epanechnikov posterior, and the integrand of the "
        "latter's Fisher information of location",
        (R, NOISE),
        Verdict.PROVED,
        _decide_score_free_gradients,
    ),
)
