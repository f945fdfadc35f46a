"""Section 4: the objective of equations (7) and (8), the prior, the step size, and statements about them."""

from __future__ import annotations

import flint
import sympy
from sympy import Expr, Integer, Rational, log, oo, pi

from theory.algebra import decisions
from theory.algebra.balls import ball_of, format_ball
from theory.algebra.decisions import Undecided
from theory.algebra.expressions import Decimal, value_of
from theory.algebra.smooth_parts import SWITCHES
from theory.bickel_rosenblatt.enclosures import enclosed_mean
from theory.bickel_rosenblatt.mean import limit_mean
from theory.bickel_rosenblatt.symbolic_mean import mean_expression
from theory.claim import Argument, Claim, Decision, Verdict
from theory.claims.symbols import B_STEP, EXCESS, HALF_WIDTH, LIKELIHOOD, MINIBATCH, MU, PAPER_STEP, M, R, Z
from theory.claims.theorem_3_1 import SIZES, WINDOW_RATES
from theory.densities.assumptions import density_assumptions
from theory.densities.density import Density
from theory.densities.families import NORMAL
from theory.kernels import EPANECHNIKOV, Piece, assumption_a1, x
from theory.posterior import (
    direct_kl_to_standard_normal,
    kl_to_standard_normal,
    posterior_distribution,
    posterior_moments,
)

PENALTY = sympy.Symbol("penalty", real=True)
DRAWS = sympy.Symbol("L", positive=True, integer=True)
"""The number L of draws of a code in equation (8)."""
AVERAGE = sympy.Symbol("average", real=True)
"""The average of log p(x|z) over the draws."""
B_FIRST, B_SECOND = sympy.symbols("B1 B2", positive=True)

LARGEST_EXPONENT = 64

_T = sympy.Symbol("t", positive=True)


def _decide_sign(printed: Expr) -> Decision:
    argument = Argument()
    # The target: minus the log-likelihood, and the bound in the place of KL.
    same = decisions.have_one_minimiser(printed, PENALTY - LIKELIHOOD)
    argument.step(
        f"With KL replaced by its bound, to minimise the target (2) is to minimise {printed}.",
        same.holds,
        f"(2) is -log_likelihood + KL; {same.detail}",
    )
    # The direction of each term separately, which no overall sign can hide.
    likelihood, penalty = (sympy.diff(printed, symbol) for symbol in (LIKELIHOOD, PENALTY))
    argument.step(
        "Minimising it raises the likelihood and lowers the penalty.",
        decisions.sign_of(likelihood) < 0 < decisions.sign_of(penalty),
        f"its derivatives in the two are {likelihood} and {penalty}; they have to be negative and positive, and the "
        "reverse if it is maximised, as Section 4 then does",
    )
    # Coefficients of one size with the wrong signs are a slip; other sizes make another objective.
    slip = decisions.sign_of(abs(likelihood) - abs(penalty)) == 0 != decisions.sign_of(penalty)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.ERRATUM if slip else Verdict.REFUTED,
        "linear algebra",
        corrected=None if argument.holds else "minimise E[-log p(x|z) + B I(K*)/n]",
        charitable=(
            None
            if argument.holds
            else "minimised or maximised, one of the two terms goes the wrong way; changing one sign mends it"
            if likelihood == penalty and slip
            else "to be maximised instead of minimised"
            if slip
            else "no choice of signs makes it the target"
        ),
    )


def _decide_upper_bound(penalty: Expr) -> Decision:
    argument = Argument()
    # One point at which the exact divergence exceeds the penalty refutes the bound.
    for b, mu, r, width, batch in _TRIALS:
        divergence = ball_of(kl_to_standard_normal(b, mu, r, width))
        value = penalty.subs({B_STEP: b, MU: mu, R: r, HALF_WIDTH: width, MINIBATCH: batch})
        bound = ball_of(value)
        if not (divergence <= bound or divergence > bound):
            raise Undecided(f"whether {value} is at least KL = {format_ball(divergence, 4)} is not clear.")
        if not argument.step(
            f"KL(q || N(0, 1)) <= penalty at b = {b}, mu = {mu}, r = {r}, B = {width}, M = {batch}.",
            bool(divergence <= bound),
            f"KL = {format_ball(divergence, 4)} nats a dimension, penalty {format_ball(bound, 4)}",
        ):
            return _no_upper_bound(argument)
    # Points cannot prove it: it has to be one of the two bounds that follow from the entropy of a sum.
    same = [decisions.equal(penalty, bound) for bound in _entropy_bounds()]
    if not any(same):
        raise Undecided(f"{penalty} is at least KL at {len(_TRIALS)} points, but is not a bound known to hold.")
    argument.step(
        "It is the bound that the entropy of one of the two summands gives, for h(b K + U) >= h(b K) and h(U).",
        any(same),
        "conditioning on the other summand does not raise the entropy",
    )
    return argument.decision(Verdict.PROVED, "enclosures of the exact divergence; the entropy of a sum")


_TRIALS: tuple[tuple[Expr, ...], ...] = (
    (PAPER_STEP, Integer(0), Rational(3, 100), Rational(4, 1000), Integer(100)),
    (PAPER_STEP, Integer(3), Integer(1), Integer(1), Integer(100)),
    (PAPER_STEP, Integer(0), Integer(2), Rational(1, 100), Integer(1)),
    (PAPER_STEP, Integer(1), Rational(1, 100), Integer(2), Integer(1)),
    (PAPER_STEP, -Integer(2), Integer(8), Integer(6), Integer(60000)),
)


def _entropy_bounds() -> tuple[Expr, Expr]:
    """Return two upper bounds of KL(q || N(0, 1)): the entropy of q is at least that of U, and that of b K."""
    # KL is the cross entropy less h(q), and h(q) is at least the entropy of either independent summand.
    mean, variance = posterior_moments(B_STEP, MU, R, HALF_WIDTH)
    cross = log(2 * pi) / 2 + (mean**2 + variance) / 2
    direct = direct_kl_to_standard_normal(B_STEP * MU, B_STEP * R)
    return cross - log(2 * HALF_WIDTH), direct + HALF_WIDTH**2 / 6


def _no_upper_bound(argument: Argument) -> Decision:
    outside = 1 - posterior_distribution(1, 1 + EXCESS, 1 + EXCESS)
    argument.step(
        "With the paper's own prior, uniform on [-B, B], the divergence is finite.",
        outside == 0,
        f"for mu = 0, b r = 1, B = 1 + d the posterior has mass {sympy.factor(2 * outside)} outside: KL is infinite",
    )
    return argument.decision(
        Verdict.REFUTED,
        "enclosures of the exact divergence",
        corrected="KL(q || N(0, 1)) <= -log(2 B) + (1/2) log(2 pi) + (b^2 mu^2 + b^2 r^2/5 + B^2/3)/2",
        charitable="the ordinary VAE has the prior N(0, 1); with EVAE's own prior KL is infinite for every r > 0",
    )


def _decide_n_choice(printed: Expr) -> Decision:
    sample_size, minibatch = printed
    argument = Argument()
    if not argument.step(
        "Both are sizes.",
        all(size.is_Integer and size > 0 for size in printed),
        f"{sample_size} and {minibatch}",
    ):
        return argument.decision(Verdict.REFUTED, "arithmetic", charitable="a size is a positive whole number")
    # The penalty is proportional to 1/n, so that both choices agree only for equal sizes.
    ratio = sample_size / minibatch
    agree = argument.step(
        "The penalty B I(K*)/n is the same for both choices of n.",
        decisions.sign_of(ratio - 1) == 0,
        f"they differ by a factor of {ratio}",
    )
    # What equation (6) leaves free is m: solve m b(m) = n for each of the two.
    sizes = [n ** Rational(9, 7) for n in (sample_size, minibatch)]
    argument.step(
        "Equation (6) forces n = m b(m)/C_tilde: with b(m) = m^(-2/9) and C_tilde = 1, m = n^(9/7).",
        all(
            decisions.sign_of(m ** Rational(7, 9) - n) == 0
            for m, n in zip(sizes, (sample_size, minibatch), strict=True)
        ),
        f"m = {format_ball(ball_of(sizes[0]), 6)} for the sample, "
        f"{format_ball(ball_of(sizes[1]), 6)} for the minibatch",
    )
    return argument.decision(
        Verdict.PROVED if agree else Verdict.CONDITIONAL,
        "arithmetic",
        corrected=None if agree else "n = m b(m)/C_tilde, m being the number of draws from the prior",
        charitable=None if agree else "either is possible if m is chosen to fit; n is then a weight on the penalty",
    )


def _decide_penalty(printed: Expr) -> Decision:
    argument = Argument()
    roughness = EPANECHNIKOV.transform(MU, R).roughness
    same = decisions.equal(printed, HALF_WIDTH * roughness / MINIBATCH)
    argument.step(
        f"With n = M, a dimension's penalty B I(K*)/n is {printed}.",
        bool(same),
        f"I(K*) = {roughness} for every mu; {same.detail}",
    )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "exact integration; given (6), and the sum over dimensions by section-2.additivity",
        corrected=None if argument.holds else "3 B/(5 M r)",
        charitable=None if argument.holds else "with B read as the half of an interval it is twice as large",
    )


def _decide_brackets(printed: Expr) -> Decision:
    argument = Argument()
    draw = sympy.Symbol("l", integer=True)
    inside = decisions.find_sum(PENALTY, draw, 1, DRAWS) / DRAWS
    argument.step(
        "Inside the average over L draws the penalty counts once, for it is the same for every draw.",
        bool(decisions.equal(inside, PENALTY)),
        "(1/L) sum of l = 1 to L of the penalty = penalty: inside, as (8) has it, or outside, as Section 6 has it",
    )
    target = AVERAGE + PENALTY
    same = decisions.equal(printed, target)
    right = argument.step(f"(8) is {target} for every L.", bool(same), f"printed: {printed}; {same.detail}")
    if right:
        return argument.decision(Verdict.PROVED, "a sum of equal terms")
    at_one = decisions.equal(printed.subs(DRAWS, 1), target)
    argument.step("It is for L = 1, which Section 4 recommends.", bool(at_one), at_one.detail)
    return argument.decision(
        Verdict.CONDITIONAL if at_one else Verdict.REFUTED,
        "a sum of equal terms",
        corrected=f"{target}, with the brackets around the penalty or not",
        charitable="with one draw the brackets make no difference" if at_one else "no number of draws makes it (8)",
    )


def _decide_shifted_kernel(shift: Expr) -> Decision:
    argument = Argument()
    # The algebra: I is invariant under translation.
    location = MU if shift == MU else shift
    kernel = EPANECHNIKOV.transform(location, Integer(1))
    argument.step(
        "I(K) does not depend on the mean of K.",
        bool(decisions.equal(kernel.roughness, EPANECHNIKOV.roughness)),
        f"I = {kernel.roughness} for every mean: the algebra is right",
    )
    # The theorem: its assumption A1 asks for symmetry about 0, which excludes every other mean.
    symmetric = next(c for c in assumption_a1(kernel) if c.statement == "A1: symmetric about 0")
    centred = argument.step("K is symmetric about 0, as A1 demands.", symmetric.holds, symmetric.detail)
    # The reason: a mean other than 0 leaves a bias of first order, so that C is of order m b^3, not m b^5.
    slope = sympy.Symbol("f1", real=True)
    first = sympy.expand(kernel.integral(lambda k: -B_STEP * x * slope * k))
    argument.step(
        "The bias has no term of first order in b, so that C vanishes when m b^5 -> 0.",
        first == 0,
        f"the term is {first}, so that C = m b^3 mu^2 times the integral of f'^2 a, plus smaller terms",
    )
    if centred:
        return argument.decision(Verdict.PROVED, "exact integration; A1")
    # An example: the exact means of a shifted kernel against the limit.
    half = EPANECHNIKOV.transform(Rational(1, 2), Integer(1))
    values = {size: enclosed_mean(size, half).total for size in (100, 10_000, 100_000)}
    argument.step(
        "At mu = 1/2, b = m^(-0.235) the exact mean stays near the limit I W = 0.5727.",
        all(abs(value - ball_of(limit_mean())) < flint.arb(1) / 100 for value in values.values()),
        ", ".join(f"m = {size}: {value.str(6, radius=False)}" for size, value in values.items()),
    )
    return argument.decision(
        Verdict.CONDITIONAL,
        "exact integration; enclosures of the exact mean",
        corrected="with mean mu the bias is -b mu f' + O(b^2), and m b^3 mu^2 times the integral of f'^2 a diverges",
        charitable=(
            "the algebra is true, and the penalty of (8) does not contain mu; that mu is free in a bound of the "
            "divergence does not follow, for Theorem 3.1 asks for a kernel symmetric about 0"
        ),
    )


def _decide_step_size(printed: Expr) -> Decision:
    value, exponent = printed[0], value_of(printed[1])
    if not (exponent.is_Rational and abs(exponent) <= LARGEST_EXPONENT):
        raise Undecided(f"{exponent} is not a rational exponent of at most {LARGEST_EXPONENT} in size.")
    argument = Argument()
    # The arithmetic: the printed number is the power to the digits printed.
    number = ball_of(Integer(100) ** -exponent)
    right = argument.step(
        f"100^(-{exponent}) is {value}{', to the digits printed' if isinstance(value, Decimal) else ''}.",
        decisions.states(value, Integer(100) ** -exponent),
        f"it is {format_ball(number, 8)}",
    )
    if not right:
        return argument.decision(
            Verdict.REFUTED,
            "enclosure",
            corrected=f"100^(-{exponent}) = {number.str(6, radius=False)}",
            charitable="to fewer digits it may agree",
        )
    # The rate: the window is open, so that the exponent 2/9 itself is outside.
    inside = argument.step(
        f"The rate m^(-{exponent}) is inside the theorem's window, 2/9 < exponent < 1/4.",
        bool(WINDOW_RATES[0] < exponent < WINDOW_RATES[1]),
        "m^(-2/9) is not o(m^(-2/9)): the ratio is 1" if exponent == WINDOW_RATES[0] else f"the exponent is {exponent}",
    )
    if inside:
        return argument.decision(Verdict.PROVED, "enclosure; comparison of exponents")
    on_the_edge = exponent == WINDOW_RATES[0]
    if on_the_edge:
        _record_drift(argument, exponent)
    # The limit of the mean asks for less than normality does.
    admissible = argument.step(
        "For the mean alone the rate is admissible: b -> 0 and m b^5 -> 0.",
        bool(exponent > Rational(1, 5)),
        f"m b^5 = m^({1 - 5 * exponent})",
    )
    return argument.decision(
        Verdict.CONDITIONAL if admissible else Verdict.REFUTED,
        "enclosure; comparison of exponents",
        corrected="100^(-2/9) = 0.35938; m^(-DELTA) with 2/9 < DELTA < 1/4 is inside the window",
        charitable=(
            "the number is right, and for the mean the rate serves; for asymptotic normality it is "
            + ("on the edge" if on_the_edge else "outside the window")
            if admissible
            else "the number is right, but the rate serves neither for the mean nor for asymptotic normality"
        ),
    )


def _record_drift(argument: Argument, exponent: Expr) -> None:
    """Record the limit of the standardised mean where b = m^(-exponent) is on the upper edge of the window."""
    # On the edge b^(-1/2) m b^5 is constant, so that the squared bias stays in the standardised mean.
    bend = decisions.find_integral(sympy.diff(NORMAL.pieces[0].density, x, 2) ** 2, x, -2, 2)
    drift = sympy.simplify(EPANECHNIKOV.second_moment**2 / 4 * bend)
    power = Rational(9, 2) * exponent - 1
    argument.step(
        "At exactly m^(-2/9) the standardised mean tends to mu_2^2/4 times the integral of f''^2 a, not to 0.",
        power == 0 and decisions.sign_of(drift) > 0,
        f"b^(-1/2) m b^5 = m^(1 - 9/2 * {exponent}) = m^({-power}); for the standard example the drift is "
        f"{format_ball(ball_of(drift), 6)}",
    )


def _decide_uniform_prior(delta: Expr) -> Decision:
    if not delta.is_Rational:
        raise Undecided(f"{delta} is not a rational exponent.")
    if not 0 < delta <= LARGEST_EXPONENT:
        raise Undecided(
            f"the exponent of a bandwidth m^(-delta) lies above 0, here up to {LARGEST_EXPONENT}; not {delta}."
        )
    argument = Argument()
    # The assumptions: a density that jumps at the ends of its support fails them.
    uniform = Density("uniform", (Piece(Integer(-1), Integer(1), Rational(1, 2)),), (x + 1) / 2, 2 * x - 1)
    failing = [condition.statement for condition in density_assumptions(uniform) if not condition.holds]
    argument.step("The uniform density meets A2, A3 and A4.", not failing, f"it fails {', '.join(failing)}")
    # The price: within b of an end a part of the kernel falls outside, a bias of order 1 on a layer of width b.
    distribution = sympy.expand(sympy.integrate(EPANECHNIKOV.pieces[0].density, x) + Rational(1, 2))
    deficit = decisions.find_integral((1 - distribution) ** 2, x, 0, 1)
    # Within b of an end of [-B, B], at a distance s b, K_b * f - f = (F(s) - 1)/(2B); the weight is 2B.
    bias = M * B_STEP * 2 * B_STEP * deficit / (2 * HALF_WIDTH) ** 2 * (2 * HALF_WIDTH)
    argument.step(
        "With a = 1/p on [-B, B] and b <= B the squared bias term is C = (33/560) m b^2/B.",
        bool(decisions.equal(bias, Rational(33, 560) * M * B_STEP**2 / HALF_WIDTH)),
        f"near an end K_b * f misses (1 - F(s))/(2B); the integral of (1 - F)^2 over [0, 1] is {deficit}",
    )
    # The bias term decides whether the mean has the printed limit; the exact means confirm it.
    limit = decisions.find_limit(M * M ** (-2 * delta), M, oo)
    limits = EPANECHNIKOV.roughness * 2
    converges = argument.step(
        f"At b = m^(-{delta}) it vanishes, so that E T_m tends to I times the integral of f a (1.2 for B = 1).",
        limit == 0,
        f"m b^2 = m^({1 - 2 * delta}) tends to {limit}",
    )
    total = mean_expression("epanechnikov", "uniform:-1,1", "inverse-density:-1,1").total
    values = {size: ball_of(total, _at(size, delta)) for size in SIZES}
    argument.step(
        "The exact means for B = 1 show it.",
        (abs(values[SIZES[-1]] - ball_of(limits)) < abs(values[SIZES[0]] - ball_of(limits))) == converges,
        ", ".join(f"m = {size}: {value.str(9, radius=False)}" for size, value in values.items()),
    )
    # A rate at which the bias vanishes needs an exponent above 1/2, and the window ends at 1/4.
    argument.step(
        "The theorem's window, exponents between 2/9 and 1/4, holds such a rate.",
        converges and delta < WINDOW_RATES[1],
        f"the exponent is {delta}; m b^2 -> 0 wants more than 1/2",
    )
    return argument.decision(
        Verdict.CONDITIONAL if converges else Verdict.REFUTED,
        "the boundary bias, exactly",
        corrected="E T_m tends to I times the integral of f a only if m b^2 -> 0 as well, outside the theorem's window",
        charitable=(
            "restricted to [-B, B], with a bandwidth so small that m b^2 -> 0, the limit of the mean is right"
            if converges
            else "on [-B, B] it diverges at the theorem's rates; over R the weight is infinite where mass leaks"
        ),
    )


def _at(size: int, exponent: Expr) -> dict[sympy.Symbol, flint.arb]:
    return {M: ball_of(Integer(size)), B_STEP: ball_of(Integer(size) ** -exponent)}


def _decide_stabilises(penalty: Expr) -> Decision:
    argument = Argument()
    # r and B are both learned, so that the penalty has to diverge along every path on which both vanish.
    for power in (Integer(2), Integer(1), Rational(1, 2), Integer(3)):
        along = {R: _T, HALF_WIDTH: _T**power}
        limit = decisions.find_limit(penalty.subs(along), _T, 0, "+")
        mean, variance = posterior_moments(B_STEP, MU, R, HALF_WIDTH)
        noise = decisions.find_limit(variance.subs(along), _T, 0, "+")
        if not argument.step(
            f"Along r = e, B = e^({power}), e -> 0, the penalty grows without bound, and so keeps the noise alive.",
            limit == oo,
            f"the penalty is {penalty.subs(along).subs(_T, sympy.Symbol('e'))}, with the limit {limit}; "
            f"the variance of the noise tends to {noise}",
        ):
            return _noise_vanishes(argument, penalty, bool(limit == 0) and mean == B_STEP * MU)
    # Paths can refute and not prove; a proof needs a penalty that contains only one of the two.
    if penalty.has(R) and penalty.has(HALF_WIDTH):
        raise Undecided(f"{penalty} grows along the paths that were tried, which does not decide every path.")
    argument.step(
        "It depends on one of r and B alone, so that it grows on every path on which both vanish.",
        not (penalty.has(R) and penalty.has(HALF_WIDTH)),
        f"the penalty is {penalty}",
    )
    return argument.decision(Verdict.PROVED, "limits along paths")


def _noise_vanishes(argument: Argument, penalty: Expr, nothing_left: bool) -> Decision:
    slope = sympy.diff(penalty, HALF_WIDTH)
    argument.step(
        "What is left is the plain autoencoder's loss at the code b mu: the infimum of the corrected (8).",
        nothing_left,
        "noise can only raise the least reconstruction loss, and along the path both it and the penalty vanish; the "
        f"penalty's derivative in B, {slope}, tends to {decisions.find_limit(slope, R, 0, '+')} as r -> 0",
    )
    return argument.decision(
        Verdict.REFUTED,
        "limits along paths",
        corrected="a penalty that grows as the noise vanishes, such as the exact KL (beyond.exact-kl-evae)",
        charitable="with B bounded away from 0 the penalty does keep r from 0; but B is learned, and falls too",
    )


def _decide_r_small(term: Expr) -> Decision:
    argument = Argument()
    # The direction in which maximising the printed term drives r.
    slope = sympy.factor(sympy.diff(term, R))
    falls = argument.step(
        "The term decreases in r, so that maximising pushes r down.",
        slope.is_negative is True,
        f"its derivative in r is {slope}",
    )
    if not falls:
        if slope.is_negative is not False:
            raise Undecided(f"the sign of {slope} is not clear.")
        return argument.decision(
            Verdict.REFUTED,
            "the derivative in r",
            corrected="only the reconstruction term pulls r down; the penalty pushes it up",
            charitable="r may still become small, through the reconstruction term",
        )
    # A maximiser exists only if the supremum is finite.
    limit = decisions.find_limit(term, R, 0, "+")
    bounded = argument.step(
        "What is maximised has a finite supremum.", not limit.is_infinite, f"as r -> 0 the term tends to {limit}"
    )
    # With the corrected sign the same term drives r in the opposite direction.
    penalty = 3 * HALF_WIDTH / (5 * MINIBATCH * R)
    argument.step(
        "With the sign corrected (eq-7.sign), -3 B/(5 M r) is maximised, and it increases in r.",
        sympy.diff(-penalty, R).is_positive is True,
        f"the derivative of the corrected penalty is {sympy.diff(penalty, R)} < 0: it pushes r up",
    )
    return argument.decision(
        Verdict.PROVED if bounded else Verdict.CONDITIONAL,
        "the derivative in r",
        corrected=None if bounded else "in the corrected (8) the penalty pushes r up, the reconstruction down",
        charitable=(
            None
            if bounded
            else "literally true of (8) as printed, whose supremum is infinite; observed in training, where the "
            "reconstruction term does it"
        ),
    )


def _decide_prior_smoothness(density: Expr) -> Decision:
    argument = Argument()
    total = decisions.find_integral(density, Z, -HALF_WIDTH, HALF_WIDTH)
    unit = decisions.equal(total, Integer(1))
    if not argument.step(f"{density} is a density on [-B, B].", bool(unit), f"it integrates to {total}"):
        return argument.decision(Verdict.REFUTED, "exact integration", charitable="a prior must be a density")
    if density.has(*SWITCHES, sympy.Piecewise):
        raise Undecided(f"the derivative of {density} inside [-B, B] is not decided.")
    # Outside it is 0, so that density and derivative have to tend to 0 at both ends.
    ends = ((-HALF_WIDTH, "+"), (HALF_WIDTH, "-"))
    for name, function in (("density", density), ("derivative", sympy.diff(density, Z))):
        values = [decisions.find_limit(function, Z, end, side) for end, side in ends]
        if any(value.has(sympy.Limit, sympy.AccumBounds, sympy.nan) for value in values):
            raise Undecided(f"the limits of {function} at the ends are not found.")
        argument.step(
            f"At z = -B and z = B the {name} tends to 0, its value outside.",
            all(value == 0 for value in values),
            f"it tends to {values[0]} and {values[1]}",
        )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.CONDITIONAL,
        "limits at the ends of the support",
        corrected=(
            None
            if argument.holds
            else "the prior is differentiable in z on (-B, B), where a uniform one has the score 0, and not at -B and B"
        ),
        charitable=(
            None
            if argument.holds
            else "equation (8) never evaluates log p(z), so that training does not notice; the bound (1) does, for "
            "log p(z) is -infinity where (10) puts codes outside of [-B, B]"
        ),
    )


def _decide_prior_of_x(printed: Expr) -> Decision:
    first, second = printed
    argument = Argument()
    if not argument.step(
        "Both are half-widths.",
        bool(decisions.is_positive(first)) and bool(decisions.is_positive(second)),
        f"{first} and {second}",
    ):
        return argument.decision(Verdict.REFUTED, "the sign", charitable="a half-width is a positive number")
    # A prior is one law for all data points.
    same = decisions.equal(first, second)
    one = argument.step(
        "The prior U[-B(x), B(x)] is the same law at every data point.",
        bool(same),
        f"half-widths {first} and {second}; {same.detail}",
    )
    # Under a prior for each data point the probabilities of two of them can add up to more than 1.
    excess = sympy.together(1 - B_FIRST / (B_FIRST + EXCESS))
    argument.step(
        "If it is not, the integrals of p(x|z) against the prior of x may sum to more than 1, as no model's do.",
        excess.is_positive is True,
        f"two data points, p(x1|z) = 1 for |z| <= B1 and p(x2|z) = 1 beyond; if B2 = B1 + d they are 1 and {excess}",
    )
    return argument.decision(
        Verdict.PROVED if one else Verdict.CONDITIONAL,
        "a model with two data points",
        corrected=None if one else "one prior for all x; to generate, a law fitted to the aggregated posterior",
        charitable=(
            None
            if one
            else "with B the same for all x it is a prior; with B(x) it is a part of the posterior, like mu(x), and "
            "no unconditional law exists to sample from"
        ),
    )


CLAIMS = (
    Claim(
        "eq-7.sign",
        "Equations (7) and (8), Section 4",
        "EVAE minimises E[log p(x|z) + B I(K*)/n]",
        "log_likelihood + penalty",
        "what is minimised",
        (LIKELIHOOD, PENALTY),
        Verdict.ERRATUM,
        _decide_sign,
    ),
    Claim(
        "section-4.upper-bound",
        "Before equation (7), Section 4",
        "(7) is an upper bound of the ordinary VAE's target (2)",
        "3*B/(5*M*r)",
        "a dimension's penalty, which is to be at least KL(q || N(0, 1))",
        (MU, R, B_STEP, HALF_WIDTH, MINIBATCH),
        Verdict.REFUTED,
        _decide_upper_bound,
    ),
    Claim(
        "section-4.n-choice",
        "After equation (7), Section 4",
        "n can be the sample size or the minibatch size",
        "(60000, 100)",
        "the sample size (MNIST's) and the minibatch size",
        (),
        Verdict.CONDITIONAL,
        _decide_n_choice,
    ),
    Claim(
        "eq-8.penalty",
        "Equation (8), Section 4",
        "a dimension's penalty is I(K*) B/n = 3 B/(5 M r)",
        "3/(5*M)*B/r",
        "the penalty",
        (R, HALF_WIDTH, MINIBATCH),
        Verdict.PROVED,
        _decide_penalty,
    ),
    Claim(
        "eq-8.brackets",
        "Equation (8), Section 4; Section 6",
        "(8) averages log p(x|z) and the penalty over L draws, and so has the penalty once",
        "1/L*(L*average + L*penalty)",
        "(8) as printed, by the average of log p(x|z) over the L draws",
        (DRAWS, AVERAGE, PENALTY),
        Verdict.PROVED,
        _decide_brackets,
    ),
    Claim(
        "section-4.shifted-kernel",
        "Section 3, observation 3, and Section 4",
        "I(K*) does not include mu, so that mu is optimised only in the reconstruction term",
        "mu",
        "the mean of the kernel",
        (MU,),
        Verdict.CONDITIONAL,
        _decide_shifted_kernel,
    ),
    Claim(
        "section-4.step-size",
        "Section 4, before Algorithm 1",
        "the conditions on b(m) are demanding, and the step size b(100) = 100^(-2/9), about 0.3594, is good enough",
        "(0.3594, 2/9)",
        "the step size and the exponent it comes from",
        (),
        Verdict.CONDITIONAL,
        _decide_step_size,
        decimals=True,
    ),
    Claim(
        "section-4.uniform-prior",
        "Section 4, before Algorithm 1",
        "Theorem 3.1 may be used with a uniform prior, at the bandwidth m^(-delta)",
        "2/9",
        "the exponent delta of the bandwidth",
        (),
        Verdict.REFUTED,
        _decide_uniform_prior,
    ),
    Claim(
        "section-4.b-stabilises",
        "After Algorithm 2, Section 4",
        "the numerator B stabilises the scaling effect in (8)",
        "3*B/(5*M*r)",
        "the penalty that is to keep the noise from vanishing",
        (R, HALF_WIDTH, MINIBATCH),
        Verdict.REFUTED,
        _decide_stabilises,
    ),
    Claim(
        "section-4.r-small",
        "After Algorithm 2, Section 4",
        "when (8) is maximised, r tends to be small",
        "3*B/(5*M*r)",
        "the term of (8) that contains r, in what is maximised",
        (R, HALF_WIDTH, MINIBATCH),
        Verdict.CONDITIONAL,
        _decide_r_small,
    ),
    Claim(
        "section-4.prior-smoothness",
        "Section 2.1, second paragraph; Section 4, before Algorithm 1",
        "the prior is differentiable in z (Section 2.1), and it is uniform on [-B, B] (Section 4)",
        "1/(2*B)",
        "the density of the prior on [-B, B]",
        (Z, HALF_WIDTH),
        Verdict.CONDITIONAL,
        _decide_prior_smoothness,
    ),
    Claim(
        "section-4.prior-of-x",
        "Algorithm 1, Section 4",
        "EVAE has the prior U[-B(x), B(x)]",
        "(B1, B2)",
        "the half-widths of the prior at two data points",
        (B_FIRST, B_SECOND),
        Verdict.CONDITIONAL,
        _decide_prior_of_x,
    ),
)
