"""Theorem 3.1: the mean of T_m and its limit, the limit law, and the window of the bandwidth.

E T_m = A - B + C for every m (see `theory.bickel_rosenblatt`). The standard example is the normal density, the weight
1 on [-2, 2], the Epanechnikov kernel and b = m^(-0.235), a rate inside the theorem's window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import flint
import sympy
from sympy import Expr, Integer, Rational, erf, exp, log, oo, pi, sqrt

from theory.algebra import decisions
from theory.algebra.balls import ball_of, format_ball
from theory.algebra.decisions import Undecided
from theory.algebra.expressions import half_unit_of, value_of
from theory.bickel_rosenblatt.enclosures import DIGITS, PRECISIONS, enclosed_mean
from theory.bickel_rosenblatt.expansions import leading_skewness
from theory.bickel_rosenblatt.variance import exact_variance
from theory.claim import Argument, Claim, Decision, Simulated, StudyPlan, Verdict, pending
from theory.claims.symbols import B_STEP, ROUGHNESS, M, N
from theory.densities.families import NORMAL
from theory.kernels import EPANECHNIKOV, x

MASS = sympy.Symbol("W", positive=True)
CONVOLUTION = sympy.Symbol("J", positive=True)
SQUARE = sympy.Symbol("S", positive=True)
CURVATURE = sympy.Symbol("Q", positive=True)
SECOND = sympy.Symbol("mu2", positive=True)

STUDIES = (StudyPlan(100, 100_000, seed=1), StudyPlan(1_000, 100_000, seed=2), StudyPlan(10_000, 100_000, seed=3))
"""The studies of ``--with-simulations`` for the claims on the limit law; about ten seconds on two cores."""

LARGE_SIZES = (10**4, 10**9, 10**12)
"""The m at which the exact variance is shown; the last two determine its limit."""

ACCURACY = 1e-4
"""The relative accuracy of that limit: b^2 is 6e-5 at m = 10^9."""

STANDARD_ERRORS = 3.5
"""Accepted distance of an estimate from the true value: one false alarm in 2,100 studies; the seeds are fixed."""

SIZES = (100, 1_000, 10_000, 100_000)
"""The m at which exact means are shown; the paper's m is first."""

SPARE_PLACES = 10
"""By how many digits an enclosure of E T_m is more accurate than what is printed."""

WINDOW_RATES = (Rational(2, 9), Rational(1, 4))
"""The exponents between which the theorem requires that of the bandwidth, up to logarithms."""

_EPANECHNIKOV = EPANECHNIKOV.pieces[0].density
_NORMAL = NORMAL.pieces[0].density


def _record_identity(argument: Argument) -> None:
    """Record why E T_m = A - B + C."""
    mean, target, square = sympy.symbols("g f s", real=True)
    variance = (square / B_STEP - mean**2) / M
    error = variance + (mean - target) ** 2
    terms = square - B_STEP * mean**2 + M * B_STEP * (mean - target) ** 2
    argument.step(
        "E T_m = A - B + C for every m, from E (f_m - f)^2 = Var f_m + (E f_m - f)^2.",
        bool(decisions.equal(M * B_STEP * error, terms)),
        "with g = K_b * f = E f_m and s the integral of K^2(u) f(x - b u): m b E (f_m - f)^2 = s - b g^2 + m b (g-f)^2",
    )


def _decide_mean(limit: Expr) -> Decision:
    argument = Argument()
    # Split E T_m exactly and bound each term at every m: only the first one survives in the limit.
    _record_identity(argument)
    _record_bounds(argument)
    # The bounds vanish if b -> 0 and m b^5 -> 0; m^(-2/9), the upper end of the window, already gives both.
    rate = 1 - 5 * WINDOW_RATES[0]
    argument.step(
        "So E T_m tends to I times the integral of f a as b -> 0 and m b^5 -> 0, which the theorem's window implies.",
        argument.holds and rate < 0,
        f"at b = m^(-2/9), m b^5 = m^({rate}); no lower rate of b is used, nor A3",
    )
    same = decisions.equal(limit, ROUGHNESS * MASS)
    argument.step(f"The printed limit, {limit}, is I times the integral W of f a.", bool(same), same.detail)
    # The bounds are explicit, so that the exact mean of an example has to lie within them: this checks every constant.
    printed = limit.subs({ROUGHNESS: EPANECHNIKOV.roughness, MASS: erf(sqrt(2))})
    for size in (10**2, 10**4, 10**8, 10**16):
        _record_distance(argument, printed, size)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "the exact mean, with explicit bounds on its distance from the limit",
        corrected=None if argument.holds else "E T_m tends to I(K) times the integral of f a",
        charitable=(
            "it does not follow from convergence in law, as 'in other words' suggests: means may do otherwise"
            if argument.holds
            else "a limit is unique: another expression can agree with I W for some kernels and densities, not for all"
        ),
    )


def _record_bounds(argument: Argument) -> None:
    """Record the bounds on A - I W, B and C, for a symmetric kernel and a bounded second derivative."""
    value, slope, bend = sympy.symbols("f f1 f2", real=True)
    offset = sympy.Symbol("u", real=True)
    # The bias: the term in f' cancels against the mean of K, and the remainder keeps the bound valid at every b.
    taylor = value - B_STEP * offset * slope + B_STEP**2 * offset**2 / 2 * bend
    moments = {offset**2: SECOND, offset: 0}
    bias = sympy.expand(taylor).subs(moments) - value
    argument.step(
        "|K_b * f - f| <= b^2 mu_2 sup|f''|/2, by Taylor's formula with remainder; the term in f' vanishes with E K.",
        bool(decisions.equal(bias, B_STEP**2 * SECOND / 2 * bend)),
        "K(u) (-b u f' + b^2 u^2 f''/2) integrates to b^2 mu_2 f''/2, f'' taken at an intermediate point",
    )
    # C is m b times the squared bias, of order m b^5; B has one factor b.
    power = sympy.Poly(M * B_STEP * bias**2, B_STEP).degree()
    argument.step(
        "So C <= m b^5 (mu_2 sup|f''|/2)^2 times the integral of a, and B <= b (sup f)^2 times the integral of a.",
        power == 5,
        f"m b (b^2 ...)^2 is of degree {power} in b; and K_b * f <= sup f",
    )
    # A differs from I W by the same smoothing, with K^2 in place of K.
    argument.step(
        "|A - I W| <= b^2/2 sup|f''| times the integrals of u^2 K^2(u) and of a, K^2 being symmetric too.",
        bool(decisions.equal(_EPANECHNIKOV**2, (_EPANECHNIKOV**2).subs(x, -x))),
        "A is the integral of K^2(u) f(x - b u) a(x), and the same expansion applies to f(x - b u)",
    )


def _record_distance(argument: Argument, printed: Expr, size: int) -> None:
    """Record whether E T_m of the standard example is within the proven bound of the printed limit."""
    mean = enclosed_mean(size)
    width = ball_of(sympy.Integer(size) ** -Rational(47, 200))
    # For the standard normal: sup f = sup|f''| = (2 pi)^(-1/2); the window has length 4.
    top = ball_of(1 / sqrt(2 * pi))
    second = ball_of(EPANECHNIKOV.second_moment)
    square = ball_of(decisions.find_integral(x**2 * _EPANECHNIKOV**2, x, -1, 1))
    # The bounds on A, B and C in this order, each times the integral of a, which is 4.
    bound = 4 * (width**2 / 2 * top * square + width * top**2 + size * width**5 * (second * top / 2) ** 2)
    distance = abs(mean.total - ball_of(printed))
    argument.step(
        f"At m = {_power_of_ten(size)} the exact mean of the standard example is within that bound of the limit.",
        distance < bound,
        f"E T_m = {format_ball(mean.total)}, "
        f"at a distance of {distance.str(6, radius=False)} from {sympy.N(printed, 10)}; "
        f"the bound is {bound.str(6, radius=False)}",
    )


def _decide_expansion(expansion: Expr) -> Decision:
    value, slope, bend = sympy.symbols("f f1 f2", real=True)
    offset = sympy.Symbol("u", real=True)
    argument = Argument()
    _record_identity(argument)
    # Substitute Taylor's formula into each term of the identity and keep the leading order.
    taylor = value - B_STEP * offset * slope + B_STEP**2 * offset**2 / 2 * bend
    smoothed = sympy.expand(taylor).subs({offset**2: SECOND, offset: 0})
    terms = {
        "A": (sympy.expand(taylor).subs({offset**2: 0, offset: 0}), value),
        "B": (sympy.series(B_STEP * smoothed**2, B_STEP, 0, 2).removeO(), B_STEP * value**2),
        "C": (M * B_STEP * (smoothed - value) ** 2, M * B_STEP**5 * SECOND**2 * bend**2 / 4),
    }
    for name, (found, leading) in terms.items():
        same = decisions.equal(found, leading)
        argument.step(
            f"The leading integrand of {name} is {leading}{' (times K^2)' if name == 'A' else ''}.",
            bool(same),
            f"from f(x - b u) = {taylor} + o(b^2), K symmetric; {same.detail}",
        )
    # Integrate against a; the next term of A is of order b^2 and belongs to the remainder.
    target = ROUGHNESS * MASS - B_STEP * SQUARE + M * B_STEP**5 * SECOND**2 / 4 * CURVATURE
    beyond, within = _split_by_order(sympy.expand(expansion - target))
    same = decisions.is_zero(beyond)
    argument.step(
        f"Integrated against a: E T_m = {expansion}, up to O(b^2) and o(m b^5).",
        bool(same),
        f"W, S, Q are the integrals of f a, f^2 a, f''^2 a: {target}; "
        + (f"{within} is of an order that is left out, and beyond it " if within != 0 else "")
        + same.detail,
    )
    _record_remainder(argument, target)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "Taylor expansion of each term; enclosures of the exact mean",
        corrected=None if argument.holds else f"E T_m = {target} + O(b^2) + o(m b^5)",
        charitable=None if argument.holds else "to leading order only I W is right, whatever the next terms",
    )


def _split_by_order(difference: Expr) -> tuple[Expr, Expr]:
    """Split a sum of multiples of m^i b^j into what is not O(b^2) + o(m b^5), and what is, as b -> 0 and m -> oo.

    By the inequality of weighted means m^i b^(2 + 3i) <= b^2 + m b^5 for 0 <= i <= 1; a term with m b^5 itself counts,
    and so does one with a larger power of m, or too small a one of b.
    """
    beyond, within = Integer(0), Integer(0)
    for term in sympy.Add.make_args(difference) if difference != 0 else ():
        factor, powers = term.as_independent(M, B_STEP, as_Add=False)
        degrees = powers.as_powers_dict()
        if not (set(degrees) <= {M, B_STEP, Integer(1)} and all(degree.is_Rational for degree in degrees.values())):
            raise Undecided(f"{term} is not a multiple of a power of m times a power of b.")
        i, j = degrees.get(M, Integer(0)), degrees.get(B_STEP, Integer(0))
        if (i <= 0 and j >= 2) or (0 < i < 1 and j >= 2 + 3 * i) or (i == 1 and j > 5):
            within += factor * powers
        else:
            beyond += factor * powers
    return beyond, within


def _record_remainder(argument: Argument, expansion: Expr) -> None:
    """Record that the remainder of the standard example stays bounded by a multiple of b^2, where m b^5 is small."""
    constants = {
        ROUGHNESS: EPANECHNIKOV.roughness,
        MASS: decisions.find_integral(_NORMAL, x, -2, 2),
        SQUARE: decisions.find_integral(_NORMAL**2, x, -2, 2),
        CURVATURE: decisions.find_integral(sympy.diff(_NORMAL, x, 2) ** 2, x, -2, 2),
        SECOND: EPANECHNIKOV.second_moment,
    }
    # With b = m^(-0.235) the next term of the bias, of order m b^7 = m^(-0.645), is smaller than b^2: b^2 is the scale.
    ratios = []
    for size in (10**6, 10**9, 10**12):
        width = ball_of(Integer(size) ** -Rational(47, 200))
        value = ball_of(expansion.subs(constants), {B_STEP: width, M: ball_of(Integer(size))})
        ratios.append(abs(enclosed_mean(size).total - value) / width**2)
    argument.step(
        "For the standard example the remainder, divided by b^2, stays below 1/10 at m = 10^6, 10^9, 10^12.",
        all(ratio < flint.arb(1) / 10 for ratio in ratios),
        "enclosed: " + ", ".join(format_ball(ratio, 6) for ratio in ratios),
    )


def _decide_exact_mean(values: Expr) -> Decision:
    argument = Argument()
    _record_identity(argument)
    # The enclosure has to lie within half a unit of the last digit typed, however many there are.
    corrected = []
    for size, value in zip(SIZES, values, strict=True):
        half_unit = half_unit_of(value)
        places = max(0, 1 - math.floor(sympy.log(half_unit, 10))) if half_unit > 0 else 0
        mean = enclosed_mean(size, digits=max(DIGITS, places + SPARE_PLACES))
        corrected.append(mean.total.str(15, radius=False))
        with flint.ctx.workprec(PRECISIONS[-1]):
            distance = abs(mean.total - ball_of(value_of(value), bits=PRECISIONS[-1]))
            if not (distance <= ball_of(half_unit) or distance > ball_of(half_unit)):
                raise Undecided(f"whether {value} is E T_m = {format_ball(mean.total, 18)} at m = {size} is not clear.")
        argument.step(
            f"At m = {size} it is {value}{'' if half_unit == 0 else ', to the digits printed'}.",
            distance <= ball_of(half_unit),
            f"E T_m = {format_ball(mean.total, max(18, places + 2))}, from A = {format_ball(mean.variance_term, 11)}, "
            f"B = {format_ball(mean.product_term, 11)}, C = {format_ball(mean.squared_bias_term, 8)}",
        )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "rigorous integration in ball arithmetic, K_b * f in closed form",
        corrected=None if argument.holds else f"the exact means are {', '.join(corrected)}",
        charitable=None
        if argument.holds
        else "a figure with fewer digits may agree, to the digits that it has; these do not",
    )


def _decide_variance(variance: Expr) -> Decision:
    argument = Argument()
    if not _record_limit_of_variances(argument, variance):
        return _refuted(argument, "the variance of the limit law is 2 J(K) times the integral of a^2 f^2")
    return _waiting(argument)


def _judge_variance(variance: Expr, simulated: Simulated) -> Decision:
    argument = Argument()
    _record_limit_of_variances(argument, variance)
    ratios = [_Ratio.of(s.plan, s.variance, s.variance_error, _standardised_variance(s.plan.m)) for s in simulated]
    _record_agreement(argument, "variance of the standardised statistic", "exact one (exact_variance)", ratios)
    return _judged(argument, "the variance of the limit law is 2 J(K) times the integral of a^2 f^2")


def _decide_normality(skewness: Expr) -> Decision:
    argument = Argument()
    if not _record_limit_of_skewness(argument, skewness):
        return _refuted(argument, "the limit law is normal, of skewness 0; it is approached slowly, as b^(1/2)")
    return _waiting(argument)


def _judge_normality(skewness: Expr, simulated: Simulated) -> Decision:
    argument = Argument()
    _record_limit_of_skewness(argument, skewness)
    ratios = [
        _Ratio.of(s.plan, s.skewness, s.skewness_error, float(leading_skewness()) * _bandwidth(s.plan.m) ** 0.5)
        for s in simulated
    ]
    _record_agreement(argument, "skewness", "leading term", ratios)
    return _judged(argument, "the limit law is normal, of skewness 0; it is approached slowly, as b^(1/2)")


def _record_limit_of_variances(argument: Argument, variance: Expr) -> bool:
    """Record whether the exact variances at finite m tend to the printed one."""
    constants = {CONVOLUTION: EPANECHNIKOV.convolution_roughness, SQUARE: decisions.find_integral(_NORMAL**2, x, -2, 2)}
    value = variance.subs(constants)
    if not value.is_real:
        raise Undecided(f"in the standard example it is {value}, which is not a real number.")
    # Var T_m/b is the limit variance plus a multiple of b, up to b^2: two m leave b^2 alone.
    widths = [_bandwidth(m) for m in LARGE_SIZES]
    values = [_standardised_variance(m) for m in LARGE_SIZES]
    limit = (values[-1] * widths[-2] - values[-2] * widths[-1]) / (widths[-2] - widths[-1])
    return argument.step(
        f"The exact variances of b^(-1/2) T_m tend to the printed one, to {ACCURACY:g} of it.",
        abs(limit - float(value)) <= ACCURACY * limit,
        f"at m = {', '.join(map(_power_of_ten, LARGE_SIZES))} they are {', '.join(f'{v:.6f}' for v in values)}, to "
        f"b = 0 linearly {limit:.6f}; printed {float(value):.6f}",
    )


def _record_limit_of_skewness(argument: Argument, skewness: Expr) -> bool:
    """Record whether the leading term of the skewness of T_m tends to the printed one."""
    # The third cumulant of T_m is, to leading order, 8 times the trace of the cube of an operator.
    leading = leading_skewness() * sqrt(B_STEP)
    limit = decisions.find_limit(leading, B_STEP, 0)
    return argument.step(
        f"The leading term of the skewness of T_m tends to {skewness} with b.",
        bool(decisions.equal(limit, skewness)),
        f"it is 8 b^(1/2) (L*L*L)(0) int a^3 f^3/(2 J int a^2 f^2)^(3/2), L = K*K: {float(leading_skewness()):.5f} "
        f"b^(1/2) in the standard example, which tends to {limit}",
    )


@dataclass(frozen=True)
class _Ratio:
    """A simulated figure divided by the expected one, with its standard error."""

    plan: StudyPlan
    value: float
    error: float
    detail: str

    @classmethod
    def of(cls, plan: StudyPlan, simulated: float, error: float, expected: float) -> _Ratio:
        detail = f"m = {_power_of_ten(plan.m)}: {simulated:.4f} +- {error:.4f} against {expected:.4f}"
        return cls(plan, simulated / expected, error / expected, detail)


def _record_agreement(argument: Argument, what: str, expected: str, ratios: list[_Ratio]) -> None:
    """Record whether simulated figures are the expected ones, each and all together, with the power to tell 5 %."""
    weights = [1 / ratio.error**2 for ratio in ratios]
    mean = sum(w * ratio.value for w, ratio in zip(weights, ratios, strict=True)) / sum(weights)
    error = sum(weights) ** -0.5
    together = f"together {mean:.4f} +- {error:.4f} times it"
    for ratio in ratios:
        argument.step(
            f"At m = {_power_of_ten(ratio.plan.m)} the simulated {what} is the {expected}.",
            abs(ratio.value - 1) <= STANDARD_ERRORS * ratio.error,
            f"{ratio.detail}: {(ratio.value - 1) / ratio.error:+.2f} standard errors",
        )
    argument.step(
        f"So are all of them together, within {STANDARD_ERRORS} standard errors.",
        abs(mean - 1) <= STANDARD_ERRORS * error,
        f"{together}: {(mean - 1) / error:+.2f} standard errors",
    )
    # Last, since without it simulations that agree support nothing.
    argument.step(
        f"The simulations can tell the {what} from one that differs by 5 %.",
        STANDARD_ERRORS * error < 0.05,
        f"{together}, from {', '.join(f'{r.plan.replicates} replicates of seed {r.plan.seed}' for r in ratios)}",
    )


def _standardised_variance(m: int) -> float:
    """Return the exact variance of b^(-1/2) T_m in the standard example."""
    return exact_variance(m).total / _bandwidth(m)


def _bandwidth(m: int) -> float:
    return m**-0.235


def _waiting(argument: Argument) -> Decision:
    waiting = pending()
    evidence = (*argument.evidence, *waiting.evidence)
    return replace(waiting, method="exact moments at finite m; simulations were not requested", evidence=evidence)


def _judged(argument: Argument, corrected: str) -> Decision:
    """Return the decision by simulations: only if they agree, and could have disagreed, they support the claim."""
    *agreement, power = argument.evidence
    if not all(agreement):
        return _refuted(argument, corrected)
    return argument.decision(
        Verdict.SIMULATED if power else Verdict.UNDECIDED,
        f"exact moments at finite m; simulation, with {STANDARD_ERRORS} standard errors allowed",
        charitable="statistical evidence at a few m for one choice of density, weight and kernel; no proof",
    )


def _refuted(argument: Argument, corrected: str) -> Decision:
    return argument.decision(
        Verdict.REFUTED,
        "exact moments at finite m, and simulation where it was requested",
        corrected=corrected,
        charitable="of one choice of density, weight and kernel, which is enough to refute a statement about all",
    )


def _decide_bandwidth_window(rates: Expr) -> Decision:
    lower, upper = rates
    t = sympy.Symbol("t", positive=True)
    argument = Argument()
    for rate in rates:
        if not rate.subs(N, exp(1 + t)).is_positive:
            raise Undecided(f"{rate} is not known to be positive for every n > e, as a bandwidth is.")
    # In t = log n a power of n is a multiple of t, so that the gap of the logarithms has an elementary limit.
    gap = sympy.expand_log(log(upper) - log(lower), force=True).subs(N, exp(t))
    gap = sympy.expand(sympy.expand_log(sympy.simplify(gap), force=True))
    limit = decisions.find_limit(gap, t, oo)
    compatible = argument.step(
        "As n grows the lower rate is of smaller order than the upper one, so that bandwidths between them exist.",
        limit == oo,
        f"with t = log n, log(upper/lower) = {gap}, which tends to {limit}",
    )
    if not compatible:
        return argument.decision(
            Verdict.REFUTED,
            "limits in t = log n",
            charitable="no sequence b(n) meets both conditions, whatever the constants",
            corrected="n^(-1/4) (log n)^(1/2) (log log n)^(1/4) = o(b) and b = o(n^(-2/9))",
        )
    # Bandwidths exist for large n; now find the n at which the window is open with constants 1.
    bend = sympy.simplify(sympy.diff(gap, t, 2))
    slope = sympy.simplify(sympy.diff(gap, t).subs(t, 1 + t))
    # Either the gap rises from a start that is not negative, or its changes of sign are enclosed.
    rises = slope.is_positive is True and bool(ball_of(gap, {t: ball_of(Integer(1))}) >= 0)
    roots = [] if rises else _crossings(gap, t)
    if not (rises or roots):
        raise Undecided(f"the gap {gap} neither rises from t = 1 on nor is seen to change its sign up to t = 900.")
    open_throughout = argument.step(
        "With constants 1 the lower curve is below the upper one for every n > e (log log n > 0).",
        rises,
        f"the gap is not negative at t = 1 and rises, its slope at t = 1 + s being {slope.subs(t, sympy.Symbol('s'))}"
        if rises
        else f"the gap has the second derivative {bend} in t; it vanishes at log n = "
        + ", ".join(format_ball(root, 10) for root in roots),
    )
    if open_throughout:
        return argument.decision(Verdict.PROVED, "limits in t = log n; enclosed roots")
    # The window is closed for some n: see on which side of it the paper's n = 100 lies.
    at_hundred = [ball_of(rate, {N: ball_of(Integer(100))}) for rate in (lower, upper)]
    argument.step(
        "At n = 100, the paper's, there is a bandwidth between the two.",
        at_hundred[0] < at_hundred[1],
        f"the lower curve is at {format_ball(at_hundred[0], 6)}, the upper one at {format_ball(at_hundred[1], 6)}",
    )
    return argument.decision(
        Verdict.CONDITIONAL,
        "limits in t = log n; roots enclosed in ball arithmetic",
        corrected=(
            "the condition speaks of n -> infinity; with constants 1 it leaves no bandwidth for log n between "
            + " and ".join(root.str(9, radius=False) for root in roots)
        ),
        charitable=(
            "an o(.) is never violated at one n, so that no bandwidth at n = 100 breaks it, and none meets it; and it "
            "concerns normality: the mean needs b -> 0 and m b^5 -> 0 alone"
        ),
    )


def _crossings(gap: Expr, t: sympy.Symbol) -> list[flint.arb]:
    """Return enclosures of the zeros of a convex function of t on (1, 1000), found where its sign changes."""
    grid = [1 + Rational(11, 10) ** k / 100 for k in range(121)]
    signs = [ball_of(gap, {t: ball_of(point)}) > 0 for point in grid]
    return [
        _bisected(gap, t, left, right)
        for (left, right), (before, after) in zip(pairwise(grid), pairwise(signs), strict=True)
        if before != after
    ]


def _bisected(function: Expr, t: sympy.Symbol, left: Rational, right: Rational) -> flint.arb:
    start = ball_of(function, {t: ball_of(left)})
    low, high = ball_of(left), ball_of(right)
    with flint.ctx.workprec(128):
        for _ in range(60):
            middle = ((low + high) / 2).mid()
            if (ball_of(function, {t: middle}) > 0) == (start > 0):
                low = middle
            else:
                high = middle
        return low.union(high)


def _power_of_ten(size: int) -> str:
    return f"10^{len(str(size)) - 1}"


_RATES = "(n**(-1/4)*log(n)**(1/2)*log(log(n))**(1/4), n**(-2/9))"

CLAIMS = (
    Claim(
        "theorem-3.1.mean",
        "Theorem 3.1, Section 3",
        "E T_m tends to I(K) times the integral of f a",
        "I*W",
        "the limit, of the roughness I and the integral W of f a",
        (ROUGHNESS, MASS),
        Verdict.PROVED,
        _decide_mean,
    ),
    Claim(
        "theorem-3.1.expansion",
        "beyond the paper: the next terms of Theorem 3.1",
        "E T_m = I W - b S + m b^5 (mu_2^2/4) Q, up to O(b^2) and o(m b^5), for continuous f''",
        "I*W - b*S + m*b**5*mu2**2/4*Q",
        "the expansion; W, S, Q are the integrals of f a, f^2 a and f''^2 a, mu2 the second moment of K",
        (ROUGHNESS, MASS, SQUARE, CURVATURE, SECOND, M, B_STEP),
        Verdict.PROVED,
        _decide_expansion,
    ),
    Claim(
        "theorem-3.1.exact-mean",
        "beyond the paper: E T_m at a finite m",
        "for the standard example E T_m has these values at m = 10^2, 10^3, 10^4, 10^5",
        "(0.4784478376319, 0.5177454036465, 0.5407631302338, 0.5541551571634)",
        "E T_m, to the digits printed; normal density, a = 1 on [-2, 2], Epanechnikov kernel, b = m^(-0.235)",
        (),
        Verdict.PROVED,
        _decide_exact_mean,
        decimals=True,
    ),
    Claim(
        "theorem-3.1.variance",
        "Theorem 3.1, Section 3",
        "the limit law of b^(-1/2) (T_m - I W) has the variance 2 J(K) times the integral of a^2 f^2",
        "2*J*S",
        "the variance; J is the convolution roughness of K, S the integral of a^2 f^2 (a = 1 on the window)",
        (CONVOLUTION, SQUARE),
        Verdict.SIMULATED,
        _decide_variance,
        STUDIES,
        _judge_variance,
    ),
    Claim(
        "theorem-3.1.normality",
        "Theorem 3.1, Section 3",
        "b^(-1/2) (T_m - I W) is asymptotically normal",
        "0",
        "the skewness of the limit law",
        (),
        Verdict.SIMULATED,
        _decide_normality,
        STUDIES,
        _judge_normality,
    ),
    Claim(
        "theorem-3.1.bandwidth-window",
        "Theorem 3.1, Section 3",
        "b(n) = o(n^(-2/9)) and o(b(n)) = n^(-1/4) (log n)^(1/2) (log log n)^(1/4), read as: the right side is o(b(n))",
        _RATES,
        "the two rates between which b(n) lies",
        (N,),
        Verdict.CONDITIONAL,
        _decide_bandwidth_window,
    ),
)
