"""A claim: what the paper prints, as data, and how it is decided.

The function `Claim.decide` checks the printed datum and reports every step; the verdict follows from the steps and
from nothing else, so that another datum meets another verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sympy
from sympy import Expr

from foundation.errors import InputError as InputError
from theory.algebra import expressions
from theory.algebra.evidence import Evidence


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

    @property
    def assumptions(self) -> str:
        """What is assumed of the symbols, as in ``"mu real, r > 0"``; empty if there are none."""
        return ", ".join(f"{symbol.name}{_domain(symbol)}" for symbol in self.symbols)

    def parse(self, printed: str) -> Expr:
        """Return ``printed`` as an expression in this claim's symbols; raise `InputError` if it is none."""
        names = {symbol.name: symbol for symbol in self.symbols}
        datum = expressions.parse(printed, names)
        count, expected = _count(datum), _count(expressions.parse(self.printed, names))
        if count != expected:
            takes = "one expression" if expected is None else f"{expected} expressions in parentheses"
            raise InputError(f"{self.id} takes {takes} ({self.meaning}), as in {self.printed!r}; got {printed!r}.")
        return datum


@dataclass
class Argument:
    """Collects the steps of a decision in the order in which they are taken."""

    evidence: list[Evidence] = field(default_factory=list)

    def step(self, statement: str, holds: bool, detail: str) -> bool:
        """Record one step and return whether it holds."""
        self.evidence.append(Evidence(statement, bool(holds), detail))
        return bool(holds)

    @property
    def holds(self) -> bool:
        """Whether every step so far holds."""
        return all(step.holds for step in self.evidence)

    def decision(self, verdict: Verdict, method: str, **readings: Any) -> Decision:
        """Return the decision that these steps support."""
        return Decision(verdict, method, tuple(self.evidence), **readings)


def pending(printed: Expr) -> Decision:
    """Return the decision of a claim that only a simulation can support, and none was run."""
    step = Evidence("A simulation supports the claim.", False, f"not run for {printed}: add --with-simulations")
    return Decision(Verdict.PENDING, "none yet", (step,), charitable="statistical evidence, once it is simulated")


def undecided(reason: str) -> Decision:
    """Return the decision that nothing was decided, and why."""
    step = Evidence("The check came to an end.", False, reason)
    return Decision(Verdict.UNDECIDED, "none of the means at hand", (step,))


def _domain(symbol: sympy.Symbol) -> str:
    if symbol.is_integer:
        return " a positive whole number" if symbol.is_positive else " a whole number"
    if symbol.is_positive:
        return " > 0"
    return " >= 0" if symbol.is_nonnegative else " real"


def _count(datum: Expr) -> int | None:
    """Return how many expressions a tuple holds, or None for an expression by itself."""
    return len(datum) if isinstance(datum, sympy.Tuple) else None
