"""Beyond the paper: what equation (8) leaves free."""

from __future__ import annotations

import sympy
from sympy import Expr

from theory.algebra import decisions
from theory.claim import Argument, Claim, Decision, Verdict
from theory.claims.symbols import B_STEP, HALF_WIDTH, MINIBATCH, MU, SIGMA, R
from theory.kernels import EPANECHNIKOV
from theory.posterior import normal_kl_to_standard_normal, posterior_moments

_BETA, _E = sympy.symbols("beta e", positive=True)


def _decide_no_pull(penalty: Expr) -> Decision:
    argument = Argument()
    # The roughness of mu + r K is I(K)/r, for every mu (lemma-3.2.minimum).
    own = HALF_WIDTH * EPANECHNIKOV.roughness / (R * MINIBATCH)
    same = decisions.equal(penalty, own)
    argument.step(
        f"At constant B a dimension's penalty in (8) is {penalty}.",
        bool(same),
        f"B I(K*)/M = {own}, as Section 6 has it; {same.detail}",
    )
    slope = decisions.is_zero(sympy.diff(penalty, MU))
    argument.step(
        "It does not depend on mu: (8) has the same value for all codes moved by any vector, if the decoder moves too.",
        bool(slope),
        f"its derivative in mu is {sympy.diff(penalty, MU)}",
    )
    # What a beta-VAE has in this place.
    pull = sympy.diff(_BETA * normal_kl_to_standard_normal(MU, SIGMA), MU)
    argument.step(
        "The divergence of a beta-VAE pulls every code to 0 with the strength beta: the likeness ends at the weight.",
        bool(decisions.equal(pull, _BETA * MU)),
        f"the derivative of beta KL(N(mu, sigma^2) || N(0, 1)) in mu is {pull}",
    )
    # Spread codes make any noise small, so that a constant B does not keep the noise alive either.
    along = {MU: MU / _E**2, R: R / _E}
    mean, variance = posterior_moments(B_STEP, MU, R, HALF_WIDTH)
    left = decisions.find_limit(penalty.subs(along, simultaneous=True), _E, 0, "+")
    ratio = decisions.find_limit((variance / mean**2).subs(along, simultaneous=True), _E, 0, "+")
    argument.step(
        "Along mu/e^2, r/e, e -> 0, the penalty and the noise beside the codes vanish: the loss of an autoencoder.",
        left == 0 and ratio == 0,
        f"the penalty tends to {left}, and the variance over the squared mean, {sympy.factor(variance / mean**2)}, to "
        f"{ratio}; the decoder takes e^2 z in the place of z",
    )
    return argument.decision(
        Verdict.PROVED if argument.holds else Verdict.REFUTED,
        "derivatives in mu, and a limit",
        corrected=None if argument.holds else "the penalty is 3 B/(5 M r), in which mu does not occur",
        charitable=None
        if argument.holds
        else "a term in mu, such as that of KL to a fixed prior, would hold the codes",
    )


CLAIMS = (
    Claim(
        "beyond.no-pull-on-means",
        "beyond the paper: Section 6's connection between EVAE and beta-VAE",
        "equation (8) with constant B has no term in mu: nothing aligns or centres the codes",
        "3/5*B/M/r",
        "a dimension's penalty at constant B, which may contain mu",
        (MU, R, HALF_WIDTH, MINIBATCH),
        Verdict.PROVED,
        _decide_no_pull,
    ),
)
