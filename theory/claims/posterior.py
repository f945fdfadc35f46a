"""Section 4: the law of the posterior (equations (9) and (10)) and its sampling (Algorithms 1 and 2)."""

from __future__ import annotations

import sympy
from sympy import Expr, Integer, Rational, asin, binomial, pi, sin

from theory.algebra import decisions
from theory.algebra.decisions import Undecided
from theory.claim import Argument, Claim, Decision, Verdict
from theory.claims.symbols import B_STEP, EXCESS, HALF_WIDTH, MU, R, Z
from theory.kernels import EPANECHNIKOV, Kernel, x
from theory.posterior import epanechnikov_distribution, epanechnikov_distribution_integral, posterior_law

PROBABILITY = sympy.Symbol("p", real=True)
T = sympy.Symbol("t", real=True)
PRIOR_VARIANCE = sympy.Symbol("V", positive=True)
"""The variance of the prior."""

REGIMES: tuple[tuple[str, Expr, Expr], ...] = (
    ("b r <= B", Integer(1), 1 + EXCESS),
    ("b r > B", 1 + EXCESS, Integer(1)),
)
"""The two regimes of the posterior: their condition, the spread s = b r and the half-width B, up to scale."""


def law_moment(law: Kernel, power: int) -> Expr:
    """Return a moment of a density with polynomial pieces, which may hold symbols."""
    total = Integer(0)
    for piece in law.pieces:
        numerator, denominator = sympy.fraction(sympy.together(x**power * piece.density))
        primitive = sympy.Poly(numerator, x).integrate(x)
        total += (primitive(piece.upper) - primitive(piece.lower)) / denominator
    return sympy.factor(total)


def record_scaling(argument: Argument) -> None:
    """Record that a common factor of the spread and the half-width only rescales the law."""
    factor, spread = sympy.symbols("c s", positive=True)
    pairs = [
        decisions.equal(
            factor * epanechnikov_distribution((factor * x + sign * factor * HALF_WIDTH) / (factor * spread)) / factor,
            epanechnikov_distribution((x + sign * HALF_WIDTH) / spread),
        )
        for sign in (1, -1)
    ]
    argument.step(
        "Multiplying s = b r and B by c rescales the law by c, so that one of them may be taken as 1.",
        all(pairs),
        "F((c z + c B)/(c s)) = F((z + B)/s), and 1/(2 c B) = (1/c) 1/(2 B)",
    )


def _decide_convolution(integrand: Expr) -> Decision:
    argument = Argument()
    # Given the uniform draw the sum is a kernel, shifted and scaled.
    kernel = EPANECHNIKOV.transform(MU, R).pieces[0].density
    standard = ((Z - T) / B_STEP - MU) / R
    distribution = epanechnikov_distribution(standard)
    density = decisions.equal(sympy.diff(distribution, Z), kernel.subs(x, (Z - T) / B_STEP) / B_STEP)
    argument.step(
        "Given Z = t, b K* + Z has the distribution function F(((z - t)/b - mu)/r), F that of the standard kernel.",
        bool(density),
        f"its derivative in z is K*((z - t)/b)/b; {density.detail}",
    )
    # The two integrands are compared on the kernel's support, onto which s > 0 is mapped.
    s = sympy.Symbol("s", positive=True)
    inside = {T: Z - B_STEP * (MU + R * (1 - s) / (1 + s))}
    exact = sympy.diff(distribution, Z) / (2 * HALF_WIDTH)
    printed = decisions.equal(integrand.subs(inside), exact.subs(inside))
    argument.step(
        "Times the density 1/(2 B) of Z at t, that is the printed integrand where it is positive.",
        bool(printed),
        f"the integrand is {sympy.factor(exact)}; with ((z - t)/b - mu)/r = (1 - s)/(1 + s), s > 0, {printed.detail}",
    )
    # The uniform draw is integrated out: as a function of t, -F is an antiderivative.
    closed = decisions.equal(sympy.diff(-distribution, T), sympy.diff(distribution, Z))
    argument.step(
        "Integrated over t from -B to B: q(z) = [F((z - b mu + B)/(b r)) - F((z - b mu - B)/(b r))]/(2 B).",
        bool(closed),
        f"-F is an antiderivative in t, also where F is 0 or 1; {closed.detail}",
    )
    # The result is a density in both regimes, of which each has one parameter up to scale.
    record_scaling(argument)
    for regime, spread, half_width in REGIMES:
        total = law_moment(posterior_law(spread, half_width), 0)
        argument.step(f"For {regime} it is a density.", total == 1, f"its three pieces integrate to {total}")
    # Integrated once more, it gives the distribution function.
    integral = epanechnikov_distribution_integral(x)
    argument.step(
        "Its distribution function is b r [A((z + B)/(b r)) - A((z - B)/(b r))]/(2 B) about b mu, A the integral of F.",
        bool(decisions.equal(sympy.diff(integral, x), epanechnikov_distribution(x))) and integral.subs(x, -1) == 0,
        f"A(t) = {integral} on [-1, 1], and t beyond, for A(1) = {integral.subs(x, 1)}",
    )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "a change of variables, and exact integration in both regimes",
        corrected=None if argument.holds else "the integrand is K*((z - t)/b)/(2 b B)",
        charitable=None if argument.holds else "no other integrand has the law of b K* + Z with Z uniform on [-B, B]",
    )


def _decide_update(variance: Expr) -> Decision:
    argument = Argument()
    # What knowledge of x does to a prior: on average over x it takes variance away.
    z, mean, conditional = sympy.symbols("z m c", real=True)
    split = decisions.equal(
        (z - mean) ** 2, (z - conditional) ** 2 + (conditional - mean) * (2 * z - conditional - mean)
    )
    # For example x = z + N(0, 1) with z normal: E(z|x) = x V/(1 + V), and x has the variance 1 + V.
    left = PRIOR_VARIANCE / (1 + PRIOR_VARIANCE)
    whole = decisions.equal(left + left**2 * (1 + PRIOR_VARIANCE), PRIOR_VARIANCE)
    argument.step(
        "A posterior p(z|x) has on average over x at most the variance V of the prior.",
        bool(split) and bool(whole),
        f"E Var(z|x) = V - Var(E(z|x)), the law of total variance; for x = z + N(0, 1) it is {left}",
    )
    excess = sympy.factor(variance - PRIOR_VARIANCE)
    narrower = argument.step(
        f"The posterior of (10), with variance {variance}, is an update of the prior: it is not wider at every x.",
        not excess.is_positive,
        f"the excess over V is {excess}" + (" > 0 for every b, r and V" if excess.is_positive else ""),
    )
    if narrower:
        if not excess.is_nonpositive:
            raise Undecided(f"the sign of {excess} is not clear.")
        return argument.decision(Verdict.PROVED, "the law of total variance")
    # A small r does not help, nor does another measure of width.
    argument.step(
        "It is narrower than the prior at least as r -> 0.",
        bool(decisions.find_limit(excess, R, 0, "+").is_negative),
        f"as r -> 0 the variance tends to {decisions.find_limit(variance, R, 0, '+')}; nor is the entropy of b K* + Z "
        "below that of Z, which is what is left when K* is known",
    )
    return argument.decision(
        Verdict.REFUTED,
        "the law of total variance",
        corrected="V + b^2 r^2/5 > V: (10) adds noise to a draw from the prior, at every x",
        charitable="as a description of Algorithm 1 it is right; a code then carries less of x than of the prior",
    )


def _decide_moments(printed: Expr) -> Decision:
    mean, variance = printed
    argument = Argument()
    same_mean = decisions.equal(mean, B_STEP * MU)
    argument.step(
        f"The mean is {mean}.", bool(same_mean), f"q is symmetric about b mu; the difference: {same_mean.detail}"
    )
    # Independent summands add their variances; the density of (9) itself has to agree, in both regimes.
    record_scaling(argument)
    for regime, spread, half_width in REGIMES:
        law = posterior_law(spread, half_width)
        centred, second = law_moment(law, 1), law_moment(law, 2)
        argument.step(
            f"For {regime}, equation (9)'s density has mean b mu and variance (b r)^2/5 + B^2/3.",
            centred == 0 and bool(decisions.equal(second, spread**2 / 5 + half_width**2 / 3)),
            f"about b mu the first moment is {centred}, with s = {spread} and B = {half_width} the second is {second}",
        )
    same_variance = decisions.equal(variance, B_STEP**2 * R**2 / 5 + HALF_WIDTH**2 / 3)
    argument.step(f"The variance is {variance}.", bool(same_variance), same_variance.detail)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "exact integration of equation (9)'s density in both regimes",
        corrected=None if argument.holds else "mean b mu, variance b^2 r^2/5 + B^2/3",
        charitable=None if argument.holds else "were B the length of the uniform's interval, B^2/3 would be B^2/12",
    )


def _decide_median(density: Expr) -> Decision:
    argument = Argument()
    # The distribution function from order statistics.
    below = (1 + T) / 2
    median = sympy.expand(sum((binomial(3, k) * below**k * (1 - below) ** (3 - k) for k in (2, 3)), start=Integer(0)))
    argument.step(
        "The median is <= t when two or three of the uniforms are: P = 3 F^2 (1 - F) + F^3, with F = (1 + t)/2.",
        bool(decisions.equal(median, Rational(1, 2) + 3 * T / 4 - T**3 / 4)),
        f"P(median <= t) = {median}, as Appendix A.3 has it",
    )
    # Its derivative against the printed density on (-1, 1), onto which s > 0 is mapped.
    s = sympy.Symbol("s", positive=True)
    inside = {T: (1 - s) / (1 + s)}
    difference = decisions.equal(sympy.diff(median, T).subs(inside), density.subs(inside))
    argument.step(
        f"Its derivative is the density {density} for -1 < t < 1.",
        bool(difference),
        f"it is {sympy.diff(median, T)}; with t = (1 - s)/(1 + s), s > 0, {difference.detail}",
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
    # F is a cubic that the triple-angle formula turns into a sine, which has an explicit inverse.
    triple = decisions.is_zero(
        sympy.expand(sympy.expand_trig(epanechnikov_distribution(2 * sin(angle)) - (1 + sin(3 * angle)) / 2))
    )
    argument.step("F(2 sin theta) = (1 + sin(3 theta))/2.", bool(triple), "the triple-angle formula")
    # Of the three roots it is the one in [-1, 1], where F increases.
    inverse = 2 * sin(asin(2 * PROBABILITY - 1) / 3)
    argument.step(
        "With theta = asin(2p - 1)/3, F = p; and |theta| <= pi/6 keeps 2 sin(theta) in [-1, 1], where F increases.",
        argument.holds and (2 * sin(pi / 6), inverse.subs(PROBABILITY, 0), inverse.subs(PROBABILITY, 1)) == (1, -1, 1),
        f"so F^(-1)(p) = {inverse}, from -1 at p = 0 to 1 at p = 1",
    )
    if not quantile.is_real and quantile.is_real is not None:
        raise Undecided(f"{quantile} is not real.")
    # The printed function for 0 < p < 1, onto which s > 0 is mapped.
    inside = {PROBABILITY: 1 / (1 + sympy.Symbol("s", positive=True))}
    same = decisions.equal(quantile.subs(inside), inverse.subs(inside))
    argument.step(f"F^(-1)(p) = {quantile} for 0 < p < 1.", bool(same), f"with p = 1/(1 + s), s > 0, {same.detail}")
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "the triple-angle formula, for symbolic p",
        corrected=None if argument.holds else f"F^(-1)(p) = {inverse}",
        charitable=None if argument.holds else "F increases strictly on [-1, 1], so that it has no other inverse",
    )


CLAIMS = (
    Claim(
        "eq-9.convolution",
        "Equations (9) and (10), Section 4",
        "the posterior is the density of b K* + Z with K* and Z independent; here Z is uniform on [-B, B]",
        "3/(4*b*r)*(1 - (((z - t)/b - mu)/r)**2)/(2*B)",
        "the integrand of (9) where it is positive, t for z-tilde",
        (Z, T, MU, R, B_STEP, HALF_WIDTH),
        Verdict.PROVED,
        _decide_convolution,
    ),
    Claim(
        "eq-10.update",
        "After equation (10), Section 4; Section 6, geometric interpretation",
        "(10) updates the prior by the new information in x, the kernel being the direction of the update",
        "V + b**2*r**2/5",
        "the variance of the posterior, of that of the prior, V",
        (PRIOR_VARIANCE, B_STEP, R),
        Verdict.REFUTED,
        _decide_update,
    ),
    Claim(
        "algorithm-1.moments",
        "Algorithm 1, Section 4",
        "Algorithm 1 samples (10), so that what it returns has mean b mu and variance b^2 r^2/5 + B^2/3",
        "(b*mu, b**2*r**2/5 + B**2/3)",
        "the mean and the variance of a coordinate that it returns",
        (MU, R, B_STEP, HALF_WIDTH),
        Verdict.PROVED,
        _decide_moments,
    ),
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
