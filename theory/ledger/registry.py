"""The registry of all claims by id, with their selection and verification.

`theory.claim` defines claims; `theory.claims` contains them, one module for each part of the paper.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import sympy
from sympy import Expr, Tuple

from foundation.errors import InputError, suggest
from theory.algebra.decisions import SYMPY_FAILURES, Undecided
from theory.algebra.expressions import Decimal
from theory.claim import Claim, Decision, Simulated, Verdict, undecided
from theory.claims import ALL_CLAIMS
from theory.ledger.finding import Finding

_BY_ID = MappingProxyType({claim.id: claim for claim in ALL_CLAIMS})


def claims() -> Mapping[str, Claim]:
    """Return every claim by its id, in the order of the ledger.

    Examples
    --------
    >>> claims()["lemma-3.2.minimum"].printed
    '3/(5*r)'
    """
    return _BY_ID


def select(names: Sequence[str]) -> tuple[Claim, ...]:
    """Select the claims whose id is in ``names`` or has a prefix in it, such as ``"lemma-3.2"``; all if it is empty.

    Raises
    ------
    InputError
        If a name matches no claim; the message suggests the nearest id.

    Examples
    --------
    >>> [claim.id for claim in select(["algorithm-2", "eq-6.bound"])]
    ['eq-6.bound', 'algorithm-2.median', 'algorithm-2.inverse']
    """
    known = claims()
    chosen: dict[str, Claim] = {}
    for name in names or known:
        fitting = {claim.id: claim for claim in known.values() if _belongs(claim.id, name)}
        if not fitting:
            raise InputError(_unknown_claim(name, known))
        chosen |= fitting
    return tuple(claim for claim in known.values() if claim.id in chosen)


def claim_named(claim_id: str) -> Claim:
    """Return the claim with this id; raise `InputError` with the nearest id if there is none.

    Examples
    --------
    >>> claim_named("algorithm-2.median").expected
    <Verdict.PROVED: 'proved'>
    """
    known = claims()
    if claim_id not in known:
        raise InputError(_unknown_claim(claim_id, known))
    return known[claim_id]


def verify(claim_id: str, printed: str | None = None, simulated: Simulated = ()) -> Finding:
    """Decide the claim ``claim_id``.

    Parameters
    ----------
    claim_id : str
    printed : str, optional
        An expression to decide in place of the printed one.
    simulated : tuple of SimulatedMoments, optional
        The results of the claim's plans, from `simulations.evidence.simulate_moments`; without them a claim that
        requires simulations stays pending.

    Raises
    ------
    InputError
        If the id is unknown, or ``printed`` is not an expression in the claim's symbols.

    Examples
    --------
    >>> verify("lemma-3.2.minimum").verdict
    <Verdict.PROVED: 'proved'>
    >>> verify("lemma-3.2.minimum", "4/(5*r)").verdict
    <Verdict.REFUTED: 'refuted'>
    """
    claim = claim_named(claim_id)
    datum = claim.parse(claim.printed if printed is None else printed)
    start = time.perf_counter()
    decision = _decide(claim, datum, simulated, assumed=printed is not None)
    # The same datum in a simpler form may be one that the check can work with.
    if decision.verdict is Verdict.UNDECIDED and printed is not None and (simpler := _simplified(datum)) != datum:
        again = _decide(claim, simpler, simulated, assumed=True)
        decision = decision if again.verdict is Verdict.UNDECIDED else again
    return Finding(claim, printed, decision, time.perf_counter() - start)


def _decide(claim: Claim, datum: Expr, simulated: Simulated, assumed: bool) -> Decision:
    try:
        return claim.judge(datum, simulated) if claim.judge and simulated else claim.decide(datum)
    except (Undecided, NotImplementedError) as reason:
        return undecided(str(reason))
    except SYMPY_FAILURES as failure:
        # The printed datum must be decided, so a failure on it is a defect of the check. Another datum may be anything
        # (not real, without a limit, infinite somewhere), for which sympy raises any of these exceptions.
        if not assumed:
            raise
        return undecided(f"the check cannot work with {datum} ({type(failure).__name__}: {failure}).")


def _simplified(datum: Expr) -> Expr:
    """Return each expression of a datum in its simplest form; a decimal, which states its digits, as it is."""
    if isinstance(datum, Tuple):
        return Tuple(*map(_simplified, datum))
    try:
        return datum if isinstance(datum, Decimal) else sympy.simplify(datum)
    except SYMPY_FAILURES:
        return datum


def _belongs(claim_id: str, name: str) -> bool:
    return claim_id == name or (claim_id.startswith(name) and claim_id[len(name)] in ".-")


def _unknown_claim(name: str, known: Mapping[str, Claim]) -> str:
    groups = {claim_id.rsplit(".", 1)[0] for claim_id in known}
    return f"{name!r} is not a claim. {suggest(name, [*known, *groups], '`verify-lemmas --list` shows them all.')}"
