"""Beyond the paper: the optimal kernel in several dimensions, and kernels between the uniform and the normal one."""

from __future__ import annotations

from itertools import pairwise

import flint
import sympy
from sympy import Expr, Integer, Rational, digamma, exp, gamma, log, pi, sinh

from theory.algebra import decisions
from theory.algebra.balls import ball_of
from theory.algebra.decisions import Undecided
from theory.algebra.evidence import Evidence
from theory.algebra.expressions import format_text
from theory.claim import Argument, Claim, Decision, Verdict
from theory.claims import lemma_3_2
from theory.kernel_families import (
    KernelConstants,
    ball_volume,
    product_epanechnikov,
    radial_epanechnikov,
    radial_kl_to_standard_normal,
    symmetric_beta,
)

DIMENSION = sympy.Symbol("d", positive=True, integer=True)
"""The number of latent dimensions, in proofs for all of them."""
DISTANCE = sympy.Symbol("s", nonnegative=True)
"""The distance of x from the mean, in units of r."""
MEAN, SCALE = sympy.symbols("mu L", nonnegative=True)
"""The length of the mean, and the root of the sum of the squared entries of the scale."""
LOG_DETERMINANT = sympy.Symbol("log_det", real=True)
"""The logarithm of the determinant of L, in absolute value."""
SHAPE = sympy.Symbol("a", positive=True)
"""The shape of a beta kernel."""

_SHOWN_DIMENSIONS = (2, 8, 64)
_SHOWN_SHAPES = (1, 2, 3, 5, 10)
_T, _Y = sympy.symbols("t y", positive=True)


def _equal(left: Expr, right: Expr) -> Evidence:
    """Decide an identity between expressions in gamma and digamma functions, their arguments shifted to match."""
    difference = sympy.expand_func((left - right).rewrite(gamma))
    return decisions.is_zero(difference.replace(log, lambda of: sympy.expand_log(log(sympy.factor(of)), force=True)))


def _ratio_is_one(left: Expr, right: Expr) -> Evidence:
    """Decide whether two products of powers and gamma functions, the second of them positive, are the same."""
    return decisions.equal(sympy.gammasimp((left / right).rewrite(gamma)), Integer(1))


def _digits(ball: flint.arb, digits: int) -> str:
    return str(ball.str(digits, radius=False))


def _ball_integral(profile: Expr) -> Expr:
    """Integrate a polynomial in the distance over the unit ball of R^d, whose spheres measure d V_d s^(d - 1)."""
    if not profile.is_polynomial(DISTANCE):
        raise Undecided(f"{profile} is not a polynomial in s, the distance from the mean in units of r.")
    terms = sympy.Poly(sympy.expand(profile), DISTANCE).terms()
    # With d > 0 the integral of s^(d - 1 + k) from 0 to 1 is 1/(d + k).
    total = sum((coefficient / (DIMENSION + power) for (power,), coefficient in terms), start=Integer(0))
    return DIMENSION * ball_volume(DIMENSION) * total


# --- the radial kernel -----------------------------------------------------------------------------------------------


def _decide_radial_kernel(printed: Expr) -> Decision:
    profile, least = printed
    argument = Argument()
    # For every d at once: the volume, and the moments, which reduce to integrals over the distance.
    _record_volume(argument)
    total = _equal(_ball_integral(profile), Integer(1))
    argument.step(
        f"r^(-d) times {profile} on the ball |x - mu| <= r is a density.",
        bool(total),
        f"s = |x - mu|/r; the sphere of radius s has the measure d V_d s^(d - 1); {total.detail}",
    )
    squared = _equal(_ball_integral(DISTANCE**2 * profile), DIMENSION / (DIMENSION + 4))
    argument.step(
        "Its covariance is r^2/(d + 4) I.",
        bool(squared),
        f"E s^2 = d/(d + 4), and rotations give every coordinate the same share, uncorrelated; {squared.detail}",
    )
    roughness = _equal(_ball_integral(profile**2), least)
    argument.step(f"r^d times the integral of its square is {least}.", bool(roughness), roughness.detail)
    _record_radial_certificate(argument, profile)
    _record_product(argument)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "integration over spheres and the certificate of lemma-3.2.optimal, for every dimension at once",
        corrected=(
            None
            if argument.holds
            else "the radial kernel (d + 2)/(2 V_d) (1 - s^2) r^(-d), with roughness 2 (d + 2)/(V_d (d + 4)) r^(-d)"
        ),
        charitable=None if argument.holds else "the minimiser is unique, so that no other kernel has its roughness",
    )


def _record_volume(argument: Argument) -> None:
    """Record the volume of the unit ball, from the integral of exp(-|x|^2), a product and a radial integral."""
    # The integral of s^(d - 1) exp(-s^2) is gamma(d/2)/2, by its definition with s^2 as the variable.
    radial = DIMENSION * ball_volume(DIMENSION) * gamma(DIMENSION / 2) / 2
    same = _equal(radial, pi ** (DIMENSION / 2))
    argument.step(
        "The unit ball of R^d has the volume V_d = pi^(d/2)/gamma(d/2 + 1).",
        bool(same),
        "exp(-|x|^2) integrates to pi^(d/2), and over spheres to d V_d gamma(d/2)/2",
    )


def _record_radial_certificate(argument: Argument, profile: Expr) -> None:
    """Record that 2 (K* - Q) is a certificate of optimality, with Q the kernel's polynomial on all of R^d."""
    terms = dict(sympy.Poly(sympy.expand(profile.rewrite(gamma)), DISTANCE).terms())
    quadratic = set(terms) <= {(0,), (2,)}
    argument.step(
        "Its polynomial Q has a constant and |x - mu|^2 alone: for K of equal moments the integral of Q (K - K*) is 0.",
        quadratic,
        f"Q = {profile} on all of R^d; K may have any density of mean mu with E |x - mu|^2 = d r^2/(d + 4)",
    )
    # On the ball K* = Q. Outside K* = 0, so that K* - Q is -Q there: 0 at s = 1, and rising with s.
    end = _equal(profile.subs(DISTANCE, 1), Integer(0))
    slope = sympy.factor(-terms.get((2,), Integer(0)))
    rises = _equal(slope, (DIMENSION + 2) / (2 * ball_volume(DIMENSION)))
    argument.step(
        "K* - Q is 0 on the ball and >= 0 outside, so that the integral of K* (K - K*) = that of (K* - Q) K >= 0.",
        bool(end) and bool(rises),
        f"outside K* - Q is -Q: {'0' if end else 'not 0'} at s = 1; the factor of s^2 is {slope}, "
        f"{'which is (d + 2)/(2 V_d) > 0' if rises else 'and not (d + 2)/(2 V_d)'}",
    )
    argument.step(
        "Hence I(K) = I(K*) + integral of (K - K*)^2 + 2 K* (K - K*) > I(K*) unless K = K*: the minimiser is unique.",
        argument.holds,
        "K^2 = K*^2 + 2 K* (K - K*) + (K - K*)^2; any other covariance L L' is reached by the linear map L, which "
        "multiplies every roughness by 1/det L",
    )


def _record_product(argument: Argument) -> None:
    """Record that the product of Epanechnikov kernels is not optimal, and the roughness of both in some dimensions."""
    one = radial_epanechnikov(1), product_epanechnikov(1)
    argument.step(
        "For d = 1 it is the Epanechnikov kernel; for d > 1 the product of d of these is another, so a rougher kernel.",
        one[0].rescale(1) == one[1].rescale(1),
        "the support of the product is a cube, not a ball, while its covariance is of the same form",
    )
    shown, ordered = [], True
    for d in _SHOWN_DIMENSIONS:
        radial, product = (ball_of(k.relative_roughness) for k in (radial_epanechnikov(d), product_epanechnikov(d)))
        ordered = ordered and bool(radial < product < 1)
        shown.append(f"d = {d}: {_digits(radial, 3)} radial, {_digits(product, 3)} product")
    argument.step(
        "As a share of the roughness of the normal density of equal covariance, for example:",
        ordered,
        f"{'; '.join(shown)}; for d = 1 both are {_digits(ball_of(one[0].relative_roughness), 4)}",
    )


def _decide_radial_kl(printed: Expr) -> Decision:
    argument = Argument()
    # |u|^2 has the density (d V_d c/2) v^(d/2 - 1) (1 - v) of a Beta distribution, which determines E log(1 - |u|^2).
    constant = (DIMENSION + 2) / (2 * ball_volume(DIMENSION))
    first, second = DIMENSION / 2, sympy.Symbol("y", positive=True)
    beta = gamma(first) * gamma(second) / gamma(first + second)
    normalised = _equal(DIMENSION * ball_volume(DIMENSION) * constant / 2, 1 / beta.subs(second, 2))
    argument.step(
        "For u from the radial kernel c (1 - |u|^2), c = (d + 2)/(2 V_d), |u|^2 has the Beta distribution (d/2, 2).",
        bool(normalised),
        f"the shell of |u|^2 = v has the density d V_d c/2 v^(d/2 - 1) (1 - v); {normalised.detail}",
    )
    logarithm = sympy.diff(sympy.expand_log(log(beta), force=True), second).subs(second, 2)
    same = _equal(logarithm, digamma(Integer(2)) - digamma(2 + first))
    argument.step(
        "So E log(1 - |u|^2) = psi(2) - psi(2 + d/2), with psi the digamma function.",
        bool(same),
        "it is the derivative of log B(d/2, y) at y = 2, B the integral of v^(d/2 - 1) (1 - v)^(y - 1)",
    )
    entropy = -log(constant) - logarithm
    kernel = radial_epanechnikov(DIMENSION)
    same = _equal(entropy, kernel.entropy)
    argument.step("The entropy of u is h = -log c + psi(2 + d/2) - psi(2).", bool(same), same.detail)
    # The prior's logarithm is quadratic: the cross entropy needs E |mu + L u|^2 alone, and L adds log |det L| to h.
    cross = DIMENSION / 2 * log(2 * pi) + (MEAN**2 + SCALE**2 / (DIMENSION + 4)) / 2
    exact = cross - entropy - LOG_DETERMINANT
    own = radial_kl_to_standard_normal(DIMENSION, MEAN**2, SCALE**2, LOG_DETERMINANT)
    same = _equal(printed, exact)
    argument.step(
        "KL(mu + L u || N(0, I)) = (d/2) log(2 pi) + (|mu|^2 + |L|^2/(d + 4))/2 - h - log|det L|, as printed.",
        bool(same) and bool(_equal(own, exact)),
        f"Cov u = I/(d + 4) by beyond.radial-kernel, |L|^2 being the sum of the squared entries of L; {same.detail}",
    )
    _record_normal_divergences(argument)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "the derivative of the Beta function, for every dimension at once",
        corrected=(
            None
            if argument.holds
            else "KL = -h - log|det L| + (d/2) log(2 pi) + (|mu|^2 + |L|^2/(d + 4))/2, with h = -log((d + 2)/(2 V_d)) "
            "+ psi(2 + d/2) - psi(2)"
        ),
        charitable=None if argument.holds else "an identity for all mu, L and d: it may agree at some of them",
    )


def _record_normal_divergences(argument: Argument) -> None:
    """Record the divergence of both kernels from the normal density of equal covariance, which is never negative."""
    shown, ordered = [], True
    for d in _SHOWN_DIMENSIONS:
        radial, product = (ball_of(k.normal_divergence) for k in (radial_epanechnikov(d), product_epanechnikov(d)))
        ordered = ordered and bool(radial > 0) and bool(product > 0)
        shown.append(f"d = {d}: {_digits(radial, 3)} radial, {_digits(product, 3)} product")
    argument.step(
        "At equal covariance the Gaussian posterior is better, by KL from it > 0: no kernel gains anything.",
        ordered,
        f"(d/2) log(2 pi e v) - h, in nats: {'; '.join(shown)}; positive for every d by Gibbs' inequality",
    )


# --- the beta kernels ------------------------------------------------------------------------------------------------


def _decide_beta_kernels(printed: Expr) -> Decision:
    entropy, roughness = printed
    argument = Argument()
    kernel = symmetric_beta(SHAPE)
    _record_beta_constants(argument, kernel, entropy, roughness)
    # The roughness at variance 1: Lemma 3.2 covers all kernels, so that it covers these.
    (unique,) = (claim for claim in lemma_3_2.CLAIMS if claim.id == "lemma-3.2.unique")
    lemma = unique.decide(unique.parse(unique.printed)).verdict is Verdict.PROVED
    shown = [ball_of(symmetric_beta(a).rescale(1).roughness) for a in _SHOWN_SHAPES]
    argument.step(
        "At variance 1 the roughness, and with it the Renyi divergence D2 from a uniform prior, is least at a = 2.",
        lemma and all(value > shown[1] for value in (shown[0], *shown[2:])),
        f"a = 2 is the Epanechnikov kernel, and lemma-3.2.unique is {'proved' if lemma else 'not proved'}; at a = "
        f"{', '.join(map(str, _SHOWN_SHAPES))} it is {', '.join(_digits(value, 5) for value in shown)}",
    )
    _record_falling_divergence(argument, kernel)
    _record_normal_limit(argument)
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "derivatives of the Beta function; lemma-3.2.unique; integral representations of the trigamma function",
        corrected=(
            None
            if argument.holds
            else "h = log(2 B(a, a)) - 2 (a - 1) (psi(a) - psi(2 a)) and I = B(2 a - 1, 2 a - 1)/(2 B(a, a)^2)"
        ),
        charitable=None if argument.holds else "identities in a: other expressions may agree at some a",
    )


def _record_beta_constants(argument: Argument, kernel: KernelConstants, entropy: Expr, roughness: Expr) -> None:
    """Record density, variance, entropy and roughness of the beta kernel from integrals of the beta function."""
    first, second = sympy.symbols("p q", positive=True)
    logarithm = sympy.loggamma(first) + sympy.loggamma(second) - sympy.loggamma(first + second)

    def beta(left: Expr, right: Expr) -> Expr:
        return gamma(left) * gamma(right) / gamma(left + right)

    # With v = (1 + u)/2 the kernel is a beta distribution: 1 - u^2 = 4 v (1 - v) and du = 2 dv.
    normaliser = 2 ** (2 * SHAPE - 1) * beta(SHAPE, SHAPE)
    moment = sympy.gammasimp(beta(SHAPE + 2, SHAPE) / beta(SHAPE, SHAPE))
    variance = decisions.equal(4 * (moment - Rational(1, 4)), kernel.variance)
    argument.step(
        "(1 - u^2)^(a - 1) integrates to 2^(2 a - 1) B(a, a), and its variance is 1/(2 a + 1).",
        bool(variance) and bool(_ratio_is_one(2 * 4 ** (SHAPE - 1) * beta(SHAPE, SHAPE), normaliser)),
        f"for v = (1 + u)/2, 1 - u^2 = 4 v (1 - v): v is Beta(a, a) with E v = 1/2, E v^2 = {sympy.factor(moment)}",
    )
    # E log v is the derivative of log B(p, q) in p.
    mean_logarithm = sympy.diff(logarithm, first).subs({first: SHAPE, second: SHAPE}, simultaneous=True)
    exact = log(normaliser) - (SHAPE - 1) * (2 * log(2) + 2 * mean_logarithm)
    same = _equal(entropy, exact)
    argument.step(
        f"The entropy is {format_text(entropy)}.",
        bool(same) and bool(_equal(kernel.entropy, exact)),
        f"-E log of the density, with E log v = psi(a) - psi(2 a) by the derivative of log B(p, q); {same.detail}",
    )
    squared = 2 ** (4 * SHAPE - 3) * beta(2 * SHAPE - 1, 2 * SHAPE - 1) / normaliser**2
    same = _ratio_is_one(roughness, squared)
    argument.step(
        f"For a > 1/2 the roughness is {roughness}.",
        bool(same) and bool(_ratio_is_one(kernel.roughness, squared)),
        f"(1 - u^2)^(2 a - 2) integrates to 2^(4 a - 3) B(2 a - 1, 2 a - 1); {same.detail}",
    )


def _record_falling_divergence(argument: Argument, kernel: KernelConstants) -> None:
    """Record that the divergence from N(0, 1) at variance 1 falls in a: its derivative is an integral of one sign."""
    slope = 2 * (SHAPE - 1) * (sympy.polygamma(1, SHAPE) - 2 * sympy.polygamma(1, 2 * SHAPE)) - 1 / (2 * SHAPE + 1)
    same = decisions.is_zero(sympy.diff(kernel.rescale(1).normal_divergence, SHAPE) - slope)
    argument.step(
        "At variance 1 the derivative of KL from N(0, 1) in a is 2 (a - 1) D - 1/(2 a + 1), D = psi'(a) - 2 psi'(2 a).",
        bool(same),
        f"KL = (1/2) log(2 pi e) - h - (1/2) log(2 a + 1); {same.detail}",
    )
    # psi'(a) is the integral of t exp(-a t)/(1 - exp(-t)); in psi'(2 a), t becomes t/2. Here y is exp(-t/2).
    weight = decisions.equal(1 / (1 - _Y**2) - 1 / (2 * (1 - _Y)), 1 / (2 * (1 + _Y)))
    argument.step(
        "D is the integral of t exp(-a t)/(2 (1 + exp(-t/2))) over t > 0: positive, so that KL falls for a <= 1.",
        bool(weight),
        "psi'(a) is that of t exp(-a t)/(1 - exp(-t)); with y = exp(-t/2), 1/(1 - y^2) - 1/(2 (1 - y)) = 1/(2 (1 + y))",
    )
    fractions = decisions.equal(
        1 / (2 * (SHAPE - 1) * (2 * SHAPE + 1)), (1 / (SHAPE - 1) - 1 / (SHAPE + Rational(1, 2))) / 6
    )
    product = sympy.expand((exp(_T) - exp(-_T / 2)) * (1 + exp(-_T / 2)))
    sines = decisions.is_zero(product - (2 * sinh(_T) + 2 * sinh(_T / 2)).rewrite(exp).expand())
    # The series of sinh t has positive terms alone, the first of which is t.
    first = sympy.series(2 * sinh(_T) + 2 * sinh(_T / 2), _T, 0, 3).removeO()
    argument.step(
        "For a > 1, 1/(2 (a - 1) (2 a + 1)) is larger than D, so that KL falls there too.",
        bool(fractions) and bool(sines) and bool(decisions.equal(first, 3 * _T)),
        "it is the integral of exp(-a t) (exp(t) - exp(-t/2))/6, and (exp(t) - exp(-t/2)) (1 + exp(-t/2)) = 2 sinh t + "
        "2 sinh(t/2) > 3 t",
    )


def _record_normal_limit(argument: Argument) -> None:
    """Record that the divergence tends to 0, from KL <= log(1 + chi-square) and an upper bound of the constant."""
    half = Rational(1, 2)
    # The density at variance 1 is c (1 - y^2/(2 a + 1))^(a - 1), and 1 - w <= exp(-w).
    constant = gamma(SHAPE + half) / (sympy.sqrt((2 * SHAPE + 1) * pi) * gamma(SHAPE))
    own = 2 ** (2 * SHAPE - 1) * gamma(SHAPE) ** 2 / gamma(2 * SHAPE) * sympy.sqrt(2 * SHAPE + 1)
    duplication = _ratio_is_one(constant * own, Integer(1))
    convex = _ratio_is_one(gamma(SHAPE) * gamma(SHAPE + 1), SHAPE * gamma(SHAPE) ** 2)
    argument.step(
        "At variance 1 the density is at most c exp(-(a - 1) y^2/(2 a + 1)), with c^2 <= a/((2 a + 1) pi).",
        bool(duplication) and bool(convex),
        "1 - w <= exp(-w); c = gamma(a + 1/2)/(sqrt((2 a + 1) pi) gamma(a)), and gamma(a + 1/2)^2 <= gamma(a) "
        "gamma(a + 1) = a gamma(a)^2 by the inequality of Cauchy and Schwarz",
    )
    # The square over the normal density is a Gaussian integral for a > 5/2.
    rate = 2 * (SHAPE - 1) / (2 * SHAPE + 1) - half
    squared = (SHAPE / ((2 * SHAPE + 1) * pi)) ** 2 * 2 * pi * pi / rate
    bound = 4 * SHAPE**2 / ((2 * SHAPE + 1) * (2 * SHAPE - 5))
    same = decisions.equal(squared, bound)
    shown = [ball_of(symmetric_beta(a).rescale(1).normal_divergence) for a in _SHOWN_SHAPES]
    argument.step(
        "So for a > 5/2 KL <= log(1 + chi-square) <= log(2 a/sqrt((2 a + 1) (2 a - 5))), which tends to 0 with 1/a.",
        bool(same)
        and decisions.find_limit(bound, SHAPE, sympy.oo) == 1
        and all(left > right for left, right in pairwise(shown)),
        f"the integral of exp(-k y^2) is sqrt(pi/k), k = {sympy.factor(rate)}; at a = "
        f"{', '.join(map(str, _SHOWN_SHAPES))} KL is {', '.join(_digits(value, 3) for value in shown)}",
    )


CLAIMS = (
    Claim(
        "beyond.radial-kernel",
        "beyond the paper: Lemma 3.2 in several dimensions, which Section 6 leaves open",
        "in d dimensions the kernel of least roughness at covariance r^2/(d + 4) I is radial, and it is unique; the "
        "product of Epanechnikov kernels is not optimal for d > 1",
        "((d + 2)*factorial(d/2)/(2*pi**(d/2))*(1 - s**2), 2*(d + 2)*factorial(d/2)/(pi**(d/2)*(d + 4)))",
        "r^d times the kernel at a distance of s r from its mean, and r^d times its roughness, the least",
        (DIMENSION, DISTANCE),
        Verdict.PROVED,
        _decide_radial_kernel,
    ),
    Claim(
        "beyond.radial-kl",
        "beyond the paper: the radial kernel as posterior of dependent latent dimensions",
        "the divergence of mu + L u from N(0, I), u from the radial kernel, is elementary up to the digamma function",
        "log((d + 2)*factorial(d/2)/(2*pi**(d/2))) - digamma(d/2 + 2) + digamma(2) - log_det + d/2*log(2*pi) + "
        "(mu**2 + L**2/(d + 4))/2",
        "KL(mu + L u || N(0, I)) in nats; mu stands for the length of the mean, L for the root of the sum of the "
        "squared entries of the scale, log_det for log |det L|",
        (DIMENSION, MEAN, SCALE, LOG_DETERMINANT),
        Verdict.PROVED,
        _decide_radial_kl,
    ),
    Claim(
        "beyond.beta-kernels",
        "beyond the paper: the kernels proportional to (1 - u^2)^(a - 1)",
        "at fixed variance I(K) is least for the Epanechnikov kernel, a = 2, while KL to N(0, 1) falls in a, to 0",
        "(log(2*gamma(a)**2/gamma(2*a)) - 2*(a - 1)*(digamma(a) - digamma(2*a)), "
        "gamma(2*a - 1)**2/gamma(4*a - 2)*gamma(2*a)**2/(2*gamma(a)**4))",
        "the entropy in nats and the roughness of the kernel on [-1, 1]",
        (SHAPE,),
        Verdict.PROVED,
        _decide_beta_kernels,
    ),
)
