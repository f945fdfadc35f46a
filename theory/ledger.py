"""The ledger: claims as printed, how each is decided, and what came out.

A claim holds what the paper prints as data. Its `decide` function checks that datum and reports every step; the
verdict follows from the steps and from nothing else, so that another datum meets another verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

import sympy
from sympy import Expr

from theory import expressions
from theory.errors import InputError, suggestion


class Verdict(StrEnum):
    """What became of a statement."""

    PROVED = "proved"
    """True as printed; every step decided symbolically, or enclosed in rigorous ball arithmetic."""
    ERRATUM = "erratum"
    """False as printed; a small correction saves it, which is given and proved."""
    REFUTED = "refuted"
    """False, and no small correction saves it; a counterexample is given and checked."""
    CONDITIONAL = "conditional"
    """True only under an assumption that the paper does not state or does not meet; both sides are checked."""
    COMPUTED = "computed"
    """Confirmed numerically, without a rigorous enclosure."""
    SIMULATED = "simulated"
    """Statistical evidence only, with its standard error."""
    PENDING = "pending"
    """Waits for a simulation that was not asked for (``--with-simulations``); not counted as decided."""
    UNDECIDED = "undecided"
    """Neither proved nor refuted by the means at hand; the last step says what was missing."""


@dataclass(frozen=True)
class Evidence:
    """One step of a proof or a refutation.

    Attributes
    ----------
    step : str
        What is asserted, in words.
    holds : bool
    detail : str
        The formula or the value that decides it, and how it was decided.
    """

    step: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class Decision:
    """What deciding a printed datum came to.

    Attributes
    ----------
    verdict : Verdict
    method : str
        How it was decided, in a few words.
    evidence : tuple of Evidence
    corrected : str, optional
        The statement that does hold, where the printed one does not.
    charitable : str, optional
        The most charitable reading of the printed statement and what becomes of it.
    """

    verdict: Verdict
    method: str
    evidence: tuple[Evidence, ...]
    corrected: str | None = None
    charitable: str | None = None


class Undecided(Exception):
    """Raised inside a `decide` function when the means at hand neither prove nor refute a step."""


@dataclass(frozen=True)
class StudyPlan:
    """A simulation of T_m that a claim asks for: the standard example of Theorem 3.1 at one m.

    Its density is normal, its weight 1 on [-2, 2], its kernel the Epanechnikov kernel and its bandwidth m^(-0.235).
    """

    m: int
    replicates: int
    seed: int = 0


@dataclass(frozen=True)
class SimulatedMoments:
    """What a `StudyPlan` came to: moments of b^(-1/2) (T_m - I W), each with its standard error."""

    plan: StudyPlan
    variance: float
    variance_error: float
    skewness: float
    skewness_error: float


Simulated = tuple[SimulatedMoments, ...]


@dataclass(frozen=True)
class Claim:
    """A statement of the paper, or one of ours, that can be decided.

    Attributes
    ----------
    id : str
        As in ``"lemma-3.2.minimum"``; a prefix up to a dot or a hyphen names a group.
    source : str
        Where the statement stands in the paper.
    statement : str
        The statement in words.
    printed : str
        What the paper prints, as an expression in `symbols`; this is what `decide` receives, parsed.
    meaning : str
        What `printed` stands for, so that a reader knows what another expression would assert.
    symbols : tuple of Symbol
    expected : Verdict
        The recorded verdict, to notice when a check begins to come out differently.
    decide : function from the parsed datum to a Decision
    plans : tuple of StudyPlan, optional
        The simulations that the claim wants, if it cannot be decided without.
    judge : function from the parsed datum and what was simulated to a Decision, optional
        Takes the place of `decide` when the simulations have been run.
    """

    id: str
    source: str
    statement: str
    printed: str
    meaning: str
    symbols: tuple[sympy.Symbol, ...]
    expected: Verdict
    decide: Callable[[Expr], Decision]
    plans: tuple[StudyPlan, ...] = ()
    judge: Callable[[Expr, Simulated], Decision] | None = None

    def parse(self, printed: str) -> Expr:
        """Return ``printed`` as an expression in this claim's symbols; raise `InputError` if it is none."""
        names = {symbol.name: symbol for symbol in self.symbols}
        datum = expressions.parse(printed, names)
        count, expected = _count(datum), _count(expressions.parse(self.printed, names))
        if count != expected:
            takes = "one expression" if expected == 1 else f"{expected} expressions in parentheses"
            raise InputError(f"{self.id} takes {takes} ({self.meaning}), as in {self.printed!r}; got {printed!r}.")
        return datum


@dataclass(frozen=True)
class Finding:
    """A claim with the decision on its printed datum, or on another one put in its place.

    Attributes
    ----------
    claim : Claim
    assumed : str, optional
        The datum that was decided in place of what the paper prints.
    decision : Decision
    seconds : float
        How long it took.
    """

    claim: Claim
    assumed: str | None
    decision: Decision
    seconds: float

    @property
    def printed(self) -> str:
        """The datum that was decided."""
        return self.claim.printed if self.assumed is None else self.assumed

    @property
    def verdict(self) -> Verdict:
        """What became of the statement."""
        return self.decision.verdict

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The steps, in order."""
        return self.decision.evidence

    @property
    def as_expected(self) -> bool:
        """Whether the verdict is the recorded one, or waits for a simulation that is to give it."""
        waits = self.verdict is Verdict.PENDING and self.claim.expected is Verdict.SIMULATED
        return waits or self.verdict is self.claim.expected


@cache
def claims() -> Mapping[str, Claim]:
    """Return every claim by its id, in the order of the ledger."""
    from theory.claims import ALL_CLAIMS

    return {claim.id: claim for claim in ALL_CLAIMS}


def select(names: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims that ``names`` names, each an id or a prefix of ids such as ``"lemma-3.2"``; all, if empty.

    Raises
    ------
    InputError
        If a name fits no claim; the message suggests the nearest.
    """
    known = claims()
    chosen: dict[str, Claim] = {}
    for name in names or known:
        fitting = {claim.id: claim for claim in known.values() if _belongs(claim.id, name)}
        if not fitting:
            raise InputError(_unknown(name, known))
        chosen |= fitting
    return tuple(claim for claim in known.values() if claim.id in chosen)


def claim_named(claim_id: str) -> Claim:
    """Return the claim with this id; raise `InputError` with the nearest id if there is none."""
    known = claims()
    if claim_id not in known:
        raise InputError(_unknown(claim_id, known))
    return known[claim_id]


def verify(claim_id: str, printed: str | None = None, simulated: Simulated = ()) -> Finding:
    """Decide the claim ``claim_id``.

    Parameters
    ----------
    claim_id : str
    printed : str, optional
        An expression to be decided in place of what the paper prints.
    simulated : tuple of SimulatedMoments, optional
        What `simulations.evidence.simulated` made of the claim's plans; without it a claim that wants simulations
        stays pending.

    Raises
    ------
    InputError
        If there is no such claim, or if ``printed`` is not an expression in the claim's symbols.

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
    try:
        decision = claim.judge(datum, simulated) if claim.judge and simulated else claim.decide(datum)
    except (Undecided, NotImplementedError) as reason:
        decision = undecided(str(reason))
    return Finding(claim, printed, decision, time.perf_counter() - start)


def pending(printed: Expr) -> Decision:
    """Return the decision of a claim that only a simulation can support, and none was run."""
    step = Evidence("A simulation supports the claim.", False, f"not run for {printed}: add --with-simulations")
    return Decision(Verdict.PENDING, "none yet", (step,), charitable="statistical evidence, once it is simulated")


def undecided(reason: str) -> Decision:
    """Return the decision that nothing was decided, and why."""
    step = Evidence("The check came to an end.", False, reason)
    return Decision(Verdict.UNDECIDED, "none of the means at hand", (step,))


@dataclass
class Argument:
    """Collects the steps of a decision in the order in which they are taken."""

    evidence: list[Evidence] = field(default_factory=list)

    def step(self, step: str, holds: bool, detail: str) -> bool:
        """Record one step and return whether it holds."""
        self.evidence.append(Evidence(step, bool(holds), detail))
        return bool(holds)

    @property
    def holds(self) -> bool:
        """Whether every step so far holds."""
        return all(step.holds for step in self.evidence)

    def decision(self, verdict: Verdict, method: str, **readings: Any) -> Decision:
        """Return the decision that these steps support."""
        return Decision(verdict, method, tuple(self.evidence), **readings)


def _count(datum: Expr) -> int:
    return len(datum) if isinstance(datum, sympy.Tuple) else 1


def _belongs(claim_id: str, name: str) -> bool:
    return claim_id == name or (claim_id.startswith(name) and claim_id[len(name)] in ".-")


def _unknown(name: str, known: Mapping[str, Claim]) -> str:
    groups = {claim_id.rsplit(".", 1)[0] for claim_id in known}
    return f"{name!r} is no claim. {suggestion(name, [*known, *groups], '`verify-lemmas --list` shows them all.')}"
